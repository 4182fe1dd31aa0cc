"""Certificates of the JPKI shape, written field by field (suites of public material; RFC 5280, 4).

`Fields` holds the parts of a TBSCertificate already in DER, so that a well-formed certificate is a template with a
few holes, and a broken one the same template with one part replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from sekisho.testing import der
from sekisho.testing.citizen import DAY, LAST_SECOND_JST, Municipality, Resident, era_date
from sekisho.testing.keys import KeyKind, SigningKey, key_from_label

__all__ = [
    "FIRST_SERIALS",
    "GENERATIONS",
    "PURPOSES",
    "TEST_CARD_SHAPE",
    "Authority",
    "Extension",
    "Fields",
    "Purpose",
    "Shape",
    "authority",
    "key_id",
    "leaf_fields",
    "seal",
]

Purpose: TypeAlias = Literal["auth", "sign"]
"""``auth``: user authentication (利用者証明用); ``sign``: digital signature (署名用)."""

PURPOSES: Final[tuple[Purpose, ...]] = ("auth", "sign")

GENERATIONS: Final = (1, 2)
"""The generations of each CA that are in force.  0 has run out, 3 begins in half a year; all have one name."""

KEY_USAGE: Final = "2.5.29.15"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
POLICIES: Final = "2.5.29.32"
SUBJECT_ALT_NAME: Final = "2.5.29.17"
ISSUER_ALT_NAME: Final = "2.5.29.18"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
CRL_DISTRIBUTION: Final = "2.5.29.31"
AUTHORITY_INFO: Final = "1.3.6.1.5.5.7.1.1"
AUTHORITY_KEY_ID: Final = "2.5.29.35"
SUBJECT_KEY_ID: Final = "2.5.29.14"

DIGITAL_SIGNATURE: Final = der.bit_string(b"\x80", 7)
DIGITAL_SIGNATURE_NON_REPUDIATION: Final = der.bit_string(b"\xc0", 6)
CERT_SIGN_CRL_SIGN: Final = der.bit_string(b"\x06", 1)
CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"

_COUNTRY, _ORGANIZATION, _UNIT, _COMMON, _LOCALITY = "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.3", "2.5.4.7"
_ATTRIBUTE: Final = "1.2.392.200149.8.5.5."  # .1 name .2 its substitutes .3 sex .4 birth .5 address .6 its substitutes


@dataclass(frozen=True)
class Shape:
    """The words of a hierarchy.  The default has the OIDs of real cards under a name that no real CA bears.

    Attributes:
        organization: O of every Name; J-LIS calls its own test hierarchies JPKI-TEST.
        organization_ja: O of the alternative names.
        policies: certificate policy by purpose; None leaves the extension out.
        cps: URI of the CPS qualifier.
        ocsp: URI of the OCSP responder that authentication certificates name.
    """

    organization: str = "JPKI-TEST"
    organization_ja: str = "公的個人認証サービス（試験用）"
    policies: Mapping[str, str] = field(
        default_factory=lambda: {"auth": "1.2.392.200149.8.5.1.3.30", "sign": "1.2.392.200149.8.5.1.1.20"}
    )
    cps: str = "http://www.jpki.go.jp/cps.html"
    ocsp: str = "http://ocspauthnorm.jpki.go.jp"

    def __hash__(self) -> int:
        return hash((self.organization, self.organization_ja, *sorted(self.policies.items()), self.cps, self.ocsp))

    def authority_name(self, purpose: Purpose) -> bytes:
        """The Name that all generations of that purpose's CA share."""
        return der.name(
            *self._base(purpose),
            (_UNIT, "Japan Agency for Local Authority Information Systems"),
        )

    def alternative_name(self, purpose: Purpose) -> bytes:
        """GeneralNames with the CA's Japanese Name as its directoryName."""
        return der.sequence(
            _directory_name(
                der.name(
                    (_COUNTRY, "JP"),
                    (_ORGANIZATION, self.organization_ja),
                    (_UNIT, f"公的個人認証サービス{'利用者証明用' if purpose == 'auth' else '署名用'}"),
                    (_UNIT, "地方公共団体情報システム機構"),
                )
            )
        )

    def partition_name(self, purpose: Purpose, municipality: Municipality) -> bytes:
        """The Name of the CRL partition that holds a municipality's certificates."""
        return der.name(
            *self._base(purpose),
            (_UNIT, "CRL Distribution Points"),
            (_UNIT, municipality.prefecture),
            (_COMMON, f"{municipality.romaji} CRLDP"),
        )

    def _base(self, purpose: Purpose) -> tuple[tuple[str, str], ...]:
        unit = "user authentication" if purpose == "auth" else "digital signature"
        return (_COUNTRY, "JP"), (_ORGANIZATION, self.organization), (_UNIT, f"JPKI for {unit}")


TEST_CARD_SHAPE: Final = Shape(
    policies={"auth": "1.2.392.200149.8.5.1.0.20", "sign": "1.2.392.200149.8.5.1.0.20"},
)
"""With the policy OID that test cards are said to carry."""


class Extension(NamedTuple):
    """One extension: its OID, whether it is critical, and the DER inside its OCTET STRING."""

    oid: str
    critical: bool
    value: bytes

    @property
    def der(self) -> bytes:
        return _extension(self.oid, self.critical, self.value)


@dataclass(frozen=True, slots=True)
class Fields:
    """The parts of a TBSCertificate, each a whole DER element (RFC 5280, 4.1)."""

    serial: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    spki: bytes
    extensions: tuple[Extension, ...]
    version: bytes = b"\xa0\x03\x02\x01\x02"  # [0] v3; empty for v1
    algorithm: bytes = b""  # AlgorithmIdentifier inside; empty for the signing key's own

    def tbs(self, algorithm: bytes) -> bytes:
        """The TBSCertificate that a key with that AlgorithmIdentifier signs."""
        extensions = b"".join(extension.der for extension in self.extensions)
        return der.sequence(
            self.version,
            self.serial,
            self.algorithm or algorithm,
            self.issuer,
            self.validity,
            self.subject,
            self.spki,
            der.context(3, der.sequence(extensions)) if extensions else b"",
        )

    def with_extension(self, extension: Extension | None, oid: str | None = None) -> Fields:
        """The same with the extension of that OID replaced, added at the end, or (None and `oid`) left out."""
        wanted = extension.oid if extension else oid
        kept = tuple(one for one in self.extensions if one.oid != wanted)
        if extension is None:
            return replace(self, extensions=kept)
        if len(kept) == len(self.extensions):
            return replace(self, extensions=(*kept, extension))
        return replace(self, extensions=tuple(extension if one.oid == wanted else one for one in self.extensions))

    def with_validity(self, not_before: int, not_after: int) -> Fields:
        return replace(self, validity=der.sequence(der.time_of(not_before), der.time_of(not_after)))


def seal(fields: Fields, key: SigningKey) -> bytes:
    """The certificate: `fields` signed by `key`."""
    tbs = fields.tbs(key.algorithm)
    return der.sequence(tbs, key.algorithm, der.bit_string(key.sign_certificate(tbs)))


def key_id(spki: bytes) -> bytes:
    """SHA-1 of the key's BIT STRING content (RFC 5280, 4.2.1.2, method 1): 20 bytes."""
    algorithm = der.content_start(spki)
    key = der.content_start(spki, algorithm + 2 + spki[algorithm + 1])  # an AlgorithmIdentifier of less than 128 bytes
    return hashlib.sha1(spki[key + 1 :], usedforsecurity=False).digest()  # beyond the count of unused bits


# ---- authorities ---------------------------------------------------------------------------------

_YEAR: Final = 365 * DAY + DAY // 4
_BEGINS: Final = {0: -int(10.5 * _YEAR), 1: -int(6.5 * _YEAR), 2: -2 * _YEAR, 3: _YEAR // 2}
"""Seconds from a city's moment to a generation's notBefore; each lasts ten years."""
FIRST_SERIALS: Final = {0: 1, 1: 20_000_001, 2: 110_000_001, 3: 200_000_001}
"""A generation's own serial; its leaves count on from there, as the real ones seem to (FACTS B7)."""


@dataclass(frozen=True)
class Authority:
    """One generation of one CA: its self-signed certificate and the key to it."""

    purpose: Purpose
    generation: int
    serial: int
    not_before: int
    not_after: int
    name: bytes = field(repr=False)
    key: SigningKey = field(repr=False)
    certificate: bytes = field(repr=False)

    @cached_property
    def key_id(self) -> bytes:
        return key_id(self.key.spki)

    @cached_property
    def leaf_extension(self) -> Extension:
        """authorityKeyIdentifier of what this generation issues: key identifier, issuer and serial."""
        value = der.sequence(
            der.context_primitive(0, self.key_id),
            der.context(1, _directory_name(self.name)),
            der.context_primitive(2, der.integer(self.serial)[2:]),
        )
        return Extension(AUTHORITY_KEY_ID, False, value)

    def issue(self, fields: Fields) -> bytes:
        """A certificate of exactly these fields, signed by this generation."""
        return seal(fields, self.key)


def authority_fields(shape: Shape, purpose: Purpose, spki: bytes, serial: int) -> Fields:
    """A CA's certificate as profile.json has it, still without a validity."""
    name = shape.authority_name(purpose)
    return Fields(
        serial=der.integer(serial),
        issuer=name,
        validity=b"",
        subject=name,
        spki=spki,
        extensions=(
            Extension(KEY_USAGE, True, CERT_SIGN_CRL_SIGN),
            Extension(SUBJECT_ALT_NAME, False, shape.alternative_name(purpose)),
            Extension(BASIC_CONSTRAINTS, True, der.sequence(der.TRUE)),
            Extension(CRL_DISTRIBUTION, False, _distribution_point(name)),
            Extension(SUBJECT_KEY_ID, False, der.octet_string(key_id(spki))),
        ),
    )


def authority(
    seed: object, purpose: Purpose, generation: int, *, at: int, kind: KeyKind = "rsa2048", shape: Shape | None = None
) -> Authority:
    """Generation 0 to 3 of a purpose's CA in the city of that seed, as seen from the moment `at`."""
    shape = shape or Shape()
    key = key_from_label(kind, seed, "authority", purpose, generation)
    begins = at + _BEGINS[generation]
    ends = (begins + 10 * _YEAR) // DAY * DAY + LAST_SECOND_JST
    serial = FIRST_SERIALS[generation]
    fields = authority_fields(shape, purpose, key.spki, serial).with_validity(begins, ends)
    return Authority(purpose, generation, serial, begins, ends, fields.subject, key, seal(fields, key))


# ---- leaves --------------------------------------------------------------------------------------


def leaf_serial(issuer: Authority, number: int) -> int:
    """Serial of citizen `number`: at most 4 bytes, rising with the number, dense but not without gaps."""
    return issuer.serial + 1 + 3 * number + number * 2_654_435_761 % 2**32 % 3


def leaf_fields(person: Resident, issuer: Authority, spki: bytes, shape: Shape) -> Fields:
    """The certificate of `person` under `issuer`, of the shape that its purpose has in profile.json."""
    purpose = issuer.purpose
    ends = (issuer.leaf_extension, Extension(SUBJECT_KEY_ID, False, der.octet_string(key_id(spki))))
    shared = _shared_extensions(shape, purpose, person.municipality)
    if purpose == "auth":
        subject = der.name((_COUNTRY, "JP"), (_COMMON, person.common_name_auth))
        extensions = shared + ends
    else:
        subject = der.name(
            (_COUNTRY, "JP"),
            (_LOCALITY, person.municipality.prefecture),
            (_LOCALITY, person.municipality.romaji),
            (_COMMON, person.common_name_sign),
        )
        extensions = (shared[0], Extension(SUBJECT_ALT_NAME, False, _attributes(person)), *shared[1:], *ends)
    return Fields(
        serial=der.integer(leaf_serial(issuer, person.number)),
        issuer=issuer.name,
        validity=der.sequence(der.time_of(person.issued), der.time_of(person.expires)),
        subject=subject,
        spki=spki,
        extensions=extensions,
    )


@lru_cache(maxsize=1024)
def _shared_extensions(shape: Shape, purpose: Purpose, municipality: Municipality) -> tuple[Extension, ...]:
    """What the certificates of one purpose and municipality have in common, in profile.json's order."""
    auth = purpose == "auth"
    extensions = [Extension(KEY_USAGE, True, DIGITAL_SIGNATURE if auth else DIGITAL_SIGNATURE_NON_REPUDIATION)]
    if auth:
        extensions.append(Extension(EXTENDED_KEY_USAGE, False, der.sequence(der.oid(CLIENT_AUTH))))
    if policy := shape.policies.get(purpose):
        extensions.append(Extension(POLICIES, True, policies(policy, shape.cps)))
    extensions.append(Extension(ISSUER_ALT_NAME, False, shape.alternative_name(purpose)))
    point = _distribution_point(shape.partition_name(purpose, municipality))
    extensions.append(Extension(CRL_DISTRIBUTION, False, point))
    if auth:
        responder = der.sequence(der.oid("1.3.6.1.5.5.7.48.1"), der.context_primitive(6, shape.ocsp.encode("ascii")))
        extensions.append(Extension(AUTHORITY_INFO, False, der.sequence(responder)))
    return tuple(extensions)


def policies(policy: str, cps: str) -> bytes:
    """certificatePolicies with one policy and its CPS qualifier (RFC 5280, 4.2.1.4)."""
    qualifier = der.sequence(der.oid("1.3.6.1.5.5.7.2.1"), der.ia5(cps))
    return der.sequence(der.sequence(der.oid(policy), der.sequence(qualifier)))


def _attributes(person: Resident) -> bytes:
    """subjectAltName of a signature certificate: otherNames in the order 1, 4, 3, 5, 2, 6 (FACTS B3)."""
    values = (
        ("1", person.name),
        ("4", era_date(person.born)),
        ("3", person.sex),
        ("5", person.address),
        ("2", person.name_substitutes),
        ("6", person.address_substitutes),
    )
    return der.sequence(
        *(der.context(0, der.oid(_ATTRIBUTE + last), der.context(0, der.utf8(value))) for last, value in values)
    )


def _directory_name(name: bytes) -> bytes:
    return der.context(4, name)  # EXPLICIT, Name being a CHOICE


def _distribution_point(name: bytes) -> bytes:
    """cRLDistributionPoints with one point whose fullName is one directoryName."""
    return der.sequence(der.sequence(der.context(0, der.context(0, _directory_name(name)))))


@lru_cache(maxsize=4096)
def _extension(oid: str, critical: bool, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.TRUE if critical else b"", der.octet_string(value))
