"""Where a certificate says its CRLs are: cRLDistributionPoints and freshestCRL (RFC 5280, 4.2.1.13 and 4.2.1.15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5280

from sekisho.names import name_string
from sekisho.revocation.fetch.sources import (
    Directory,
    Location,
    Source,
    SourceError,
    ldap_location,
    name_of,
    source_of_url,
)

__all__ = ["Points", "sources_of_certificate"]

_SCHEMES: Final = ("http:", "https:", "ldap:", "ldaps:")


@dataclass(frozen=True, slots=True)
class Points:
    """The sources of a certificate, and what its distribution points name that cannot be fetched, as people write it."""

    sources: tuple[Source, ...]
    skipped: tuple[str, ...]


def sources_of_certificate(der: bytes, directory: Directory | None = None) -> Points:
    """A source for each distribution point.  The certificate is not verified: what it says is an address, no more.

    Args:
        der: the certificate.
        directory: the LDAP server on which points that are directory names are looked up; None: they are skipped.

    Raises:
        SourceError: it is no certificate, or its extension cannot be read.
    """
    try:
        certificate, rest = decoder.decode(der, asn1Spec=rfc5280.Certificate())
        if rest:
            raise SourceError("bytes follow the certificate")
        tbs = certificate["tbsCertificate"]
        issuer = encoder.encode(tbs["issuer"]["rdnSequence"])
        points = list(_points(tbs))
        found = [_source(point, issuer, directory) for point in points]
    except (PyAsn1Error, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"this certificate cannot be read: {error}") from None
    sources = {source.name: source for source, _ in found if source is not None}
    return Points(tuple(sources.values()), tuple(one for _, skipped in found for one in skipped))


def _points(tbs: Any) -> Iterator[Any]:
    for extension in tbs["extensions"] if tbs["extensions"].isValue else ():
        if extension["extnID"] in (rfc5280.id_ce_cRLDistributionPoints, rfc5280.id_ce_freshestCRL):
            points, rest = decoder.decode(bytes(extension["extnValue"]), asn1Spec=rfc5280.CRLDistributionPoints())
            if rest:
                raise SourceError("bytes follow its distribution points")
            yield from points


def _source(point: Any, issuer: bytes, directory: Directory | None) -> tuple[Source | None, list[str]]:
    """All names of one point lead to the same CRL (RFC 5280, 4.2.1.13): HTTP first, since it can say "not modified"."""
    locations: list[Location] = []
    skipped: list[str] = []
    for kind, value in _names(point, issuer):
        if kind == "uri" and value.lower().startswith(_SCHEMES):
            try:
                locations += source_of_url(value, directory=directory, directories=_known(directory)).locations
            except SourceError as error:
                skipped.append(str(error))
        elif kind == "dn" and directory is not None:
            locations.append(ldap_location(directory, value))
        elif kind == "dn":
            skipped.append(f"{value}: a directory name: say where it is looked up with --ldap-server")
        else:
            skipped.append(f"{ascii(value)[1:-1]}: nothing that can be fetched")
    locations.sort(key=lambda one: not one.url.startswith("http"))
    return (Source(name_of(locations[0]), tuple(locations)) if locations else None), skipped


def _names(point: Any, issuer: bytes) -> Iterator[tuple[str, str]]:
    name = point["distributionPoint"]
    crl_issuers = (
        [one for one in point["cRLIssuer"] if one.getName() == "directoryName"] if point["cRLIssuer"].isValue else []
    )
    if not name.isValue:  # the CRL is in the entry of its issuer
        yield from (("dn", name_string(encoder.encode(one["directoryName"]["rdnSequence"]))) for one in crl_issuers)
    elif name.getName() == "nameRelativeToCRLIssuer":
        above = encoder.encode(crl_issuers[0]["directoryName"]["rdnSequence"]) if crl_issuers else issuer
        rdn = b"\x31" + encoder.encode(name["nameRelativeToCRLIssuer"])[1:]  # a SET, under an implicit tag
        yield "dn", f"{name_string(_sequence(rdn))},{name_string(above)}"
    else:
        for one in name["fullName"]:
            if one.getName() == "uniformResourceIdentifier":
                yield "uri", str(one["uniformResourceIdentifier"])
            elif one.getName() == "directoryName":
                yield "dn", name_string(encoder.encode(one["directoryName"]["rdnSequence"]))
            else:
                yield "other", one.getName()


def _known(directory: Directory | None) -> Sequence[Directory]:
    return [directory] if directory is not None else []


def _sequence(content: bytes) -> bytes:
    octets = len(content)
    if octets < 0x80:
        return bytes([0x30, octets]) + content
    length = octets.to_bytes((octets.bit_length() + 7) // 8)
    return bytes([0x30, 0x80 | len(length)]) + length + content
