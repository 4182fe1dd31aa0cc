"""Where sekisho decides otherwise than its peers, and why: rules as data, each narrow, each counted.

A disagreement that no rule explains is a failure.  What we accept and a peer refuses is explained only by asking the peer
again with the one difference taken away, or by what stands in the certificates; a peer's words alone explain nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.property.certificates import (
    EMPTY_TREE,
    ODD_NAMES,
    issuer_of,
    serial_of,
    signed_again_without,
    spki_of,
    subject_of,
    validity_of,
    whole,
)
from tests.property.chains import Batch, Case, Family
from tests.property.opinions import EACH, OK, PINNED, OpenSsl, Pyca

from sekisho._native import check, ffi, lib
from sekisho.batch import Column
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import der

__all__ = ["RULES", "Rule", "Seen"]


_UNKNOWN: Final = 1 << 30  # SEKI_EXT_UNKNOWN in native/src/cert.h


def _summary_fault(one: bytes) -> int:
    """Why sekisho's reader refuses a CA certificate that was sent, 0 if it does not."""
    summary = ffi.new("seki_certificate_summary *")
    reason, fault = ffi.new("uint32_t *"), ffi.new("size_t *")
    check(lib.seki_certificate_summarize(one, len(one), summary, reason, fault), "reading a certificate")
    unknown = summary.critical & _UNKNOWN and int(Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL)
    return int(reason[0] or summary.key_reason or unknown)


def _maps_any_policy(one: bytes) -> bool:
    """RFC 5280, 6.1.4 (a)."""
    try:
        mappings = asn1_x509.Certificate.load(one).policy_mappings_value
        return mappings is not None and any("any_policy" in mapping.native.values() for mapping in mappings)
    except (ValueError, TypeError, KeyError):
        return False


@lru_cache(maxsize=64)
def _faults_of(anchors: tuple[bytes, ...], configured: tuple[bytes, ...]) -> dict[bytes, str]:
    reasons = np.zeros(len(anchors) + len(configured), dtype=np.uint16)
    columns = Column.of(list(anchors)), Column.of(list(configured))
    out = ffi.new("seki_trust **")
    view = ffi.from_buffer("uint16_t[]", reasons, require_writable=True)
    status = lib.seki_trust_new(columns[0].native, columns[0].rows, columns[1].native, columns[1].rows, view, out)
    check(status, "reading CAs")
    lib.seki_trust_free(out[0])
    return {
        one: Reason(reason).kebab for one, reason in zip(anchors + configured, reasons.tolist(), strict=True) if reason
    }


def _store_faults(family: Family) -> dict[bytes, str]:
    """CA certificates that a trust store of this family alone keeps out."""
    return _faults_of(tuple(family.anchors), tuple(family.configured))


_ALGORITHM_OIDS: Final = {
    "rsassa-pkcs1-v1_5-sha256": "1.2.840.113549.1.1.11",
    "rsassa-pkcs1-v1_5-sha384": "1.2.840.113549.1.1.12",
    "rsassa-pkcs1-v1_5-sha512": "1.2.840.113549.1.1.13",
    "rsassa-pss-sha256": "1.2.840.113549.1.1.10",
    "rsassa-pss-sha384": "1.2.840.113549.1.1.10",
    "rsassa-pss-sha512": "1.2.840.113549.1.1.10",
    "ecdsa-sha256": "1.2.840.10045.4.3.2",
    "ecdsa-sha384": "1.2.840.10045.4.3.3",
    "ecdsa-sha512": "1.2.840.10045.4.3.4",
    "ed25519": "1.3.101.112",
}
_PURPOSES: Final = {"clientAuth": "1.3.6.1.5.5.7.3.2", "emailProtection": "1.3.6.1.5.5.7.3.4"}
_ANY_PURPOSE: Final = "2.5.29.37.0"
_SENT_RSA_BITS_MAX: Final = 4096  # docs/SECURITY.md


def _algorithm_allowed(one: x509.Certificate, profile: Profile) -> bool:
    return one.signature_algorithm_oid.dotted_string in {_ALGORITHM_OIDS[name] for name in profile.signature_algorithms}


def _purposes_of(one: x509.Certificate) -> set[str] | None:
    found = _extensions(one).get("2.5.29.37")
    return None if found is None else {oid.dotted_string for oid in found.value}


def _public_key(one: x509.Certificate | None) -> Any:
    try:
        return None if one is None else one.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _fits(one: x509.Certificate | str, profile: Profile, *, sent: bool, anchor: bool = False) -> bool:
    """Whether a CA certificate meets the profile's demands on CAs (docs/SECURITY.md, Key policy), read by `cryptography`."""
    if isinstance(one, str):
        return True
    key, purposes = _public_key(one), _purposes_of(one)
    if not anchor and not _algorithm_allowed(one, profile):
        return False
    if isinstance(key, rsa.RSAPublicKey) and (
        key.key_size < profile.rsa_bits_min
        or (not anchor and key.public_numbers().e < 65537)
        or (sent and key.key_size > _SENT_RSA_BITS_MAX)
    ):
        return False
    wanted = {_PURPOSES[name] for name in profile.extended_key_usage} | {_ANY_PURPOSE}
    return purposes is None or not profile.extended_key_usage or bool(purposes & wanted)


@dataclass
class Seen:
    """A case and what was said of it."""

    batch: Batch
    case: Case
    ours: int
    theirs: tuple[int, int]
    pyca: str
    openssl: OpenSsl
    reader: Pyca

    @property
    def accepted(self) -> bool:
        return self.ours == OK

    @cached_property
    def _answers(self) -> dict[tuple[int, int], int]:
        return {}

    @cached_property
    def skews(self) -> list[int]:
        """OpenSSL's own reading of dates, and the second of notAfter and the profile's skew where something ends there."""
        return [-1, *(skew for skew in sorted({0, self.batch.profile.clock_skew}) if self.ends_within(skew))]

    def openssl_asked(self, way: int, skew: int = -1) -> int:
        """OpenSSL's answer when asked in another way; 0 is yes."""
        if (way, skew) not in self._answers:
            self._answers[way, skew] = self.openssl.told(self.batch, [self.case], way=way, skew=skew)[0][0]
        return self._answers[way, skew]

    @cached_property
    def cas(self) -> list[x509.Certificate]:
        """CA certificates of the case that can be read."""
        family = self.case.family
        read = map(self.reader.certificate, [*self.case.sent, *family.configured, *family.anchors])
        return [one for one in read if not isinstance(one, str)]

    @property
    def store(self) -> list[x509.Certificate]:
        """Anchors and configured intermediates that can be read."""
        family = self.case.family
        read = map(self.reader.certificate, [*family.anchors, *family.configured])
        return [one for one in read if not isinstance(one, str)]

    @cached_property
    def leaf(self) -> x509.Certificate | None:
        read = self.reader.certificate(self.case.leaf)
        return None if isinstance(read, str) else read

    @cached_property
    def pyca_paths(self) -> list[str]:
        """The words of `cryptography` on each path by itself."""
        return self.reader.paths(self.case)

    @cached_property
    def faults(self) -> dict[bytes, str]:
        """CA certificates of the case that sekisho keeps out, each with the reason."""
        family, found = self.case.family, dict(_store_faults(self.case.family))
        store = [*family.anchors, *family.configured]
        for one in self.case.sent:
            if (reason := _summary_fault(one)) and one not in family.anchors:
                found.setdefault(one, Reason(reason).kebab)
            elif one not in family.anchors and _maps_any_policy(one):
                found.setdefault(one, "policy")
            elif one not in store and not _fits(self.reader.certificate(one), self.batch.profile, sent=True):
                found.setdefault(one, "does-not-fit-the-profile")
        for one in store:
            anchor = one in family.anchors
            if not _fits(self.reader.certificate(one), self.batch.profile, sent=False, anchor=anchor):
                found.setdefault(one, "does-not-fit-the-profile")
        return found

    @cached_property
    def without_faults(self) -> Case:
        """The case without the CA certificates that are kept out."""
        family = self.case.family

        def good(several: list[bytes]) -> list[bytes]:
            return [one for one in several if one not in self.faults]

        left = replace(family, anchors=good(family.anchors), configured=good(family.configured))
        return Case(left, self.case.leaf, good(self.case.sent), self.case.notes)

    def passes_without_faults(self, peer: str) -> bool:
        """Whether the peer finds a path without the CA certificates that sekisho keeps out."""
        case = self.without_faults
        if not case.family.anchors:
            return False
        return self._passes(peer, case)

    def _passes(self, peer: str, case: Case) -> bool:
        """Whether the peer takes a path of these, each asked by itself; OpenSSL with all differences gone that do no harm."""
        if peer == "openssl":
            ask = self.openssl.told
            return any(
                ask(self.batch, [case], way=way, skew=skew)[0][0] == 0 for way in (PINNED, EACH) for skew in self.skews
            )
        return "" in self.reader.paths(case)

    def passes_on(self, peer: str, fits: Callable[[list[bytes]], bool]) -> bool:
        """Whether the peer takes a path that fits, among those without the CA certificates that sekisho keeps out."""
        return any(
            self._passes(
                peer, Case(replace(self.case.family, anchors=[last], configured=[]), leaf, above, self.case.notes)
            )
            for leaf, *above, last in filter(fits, _ways(self.without_faults))
        )

    @property
    def notes(self) -> set[str]:
        return {
            one.rpartition(":")[2] if one.startswith("ca") else one
            for one in (*self.case.family.notes, *self.case.notes)
        }

    @property
    def leaf_notes(self) -> set[str]:
        return set(self.case.notes)

    @property
    def certificates(self) -> Iterator[x509.Certificate]:
        if self.leaf is not None:
            yield self.leaf
        yield from self.cas

    def ends_within(self, seconds: int) -> bool:
        """Whether a certificate's validity begins or ends within so many seconds of the time of judgement."""
        every = (self.case.leaf, *_all_cas(self))
        return any(-seconds <= end - self.batch.at <= seconds for one in every for end in _ends(one))


@dataclass(frozen=True)
class Rule:
    """One way in which a disagreement is none to worry about.

    Attributes:
        name: for the table.
        peer: "openssl" or "cryptography".
        reasons: our reasons that it is about; "certificate-ok": we accept, the peer refuses.
        because: the reason, with the section that it rests on.
        check: whether it explains what was seen.
    """

    name: str
    peer: str
    reasons: frozenset[str]
    because: str
    check: Callable[[Seen], bool]


def _accept(name: str, peer: str, because: str, check: Callable[[Seen], bool]) -> Rule:
    return Rule(name, peer, frozenset({"certificate-ok"}), because, check)


def _refuse(name: str, peer: str, reasons: str, because: str, check: Callable[[Seen], bool] = lambda _: True) -> Rule:
    return Rule(name, peer, frozenset(reasons.split()), because, check)


def _both(name: str, reasons: str, because: str, check: Callable[[Seen], bool] = lambda _: True) -> list[Rule]:
    return [_refuse(name, peer, reasons, because, check) for peer in ("openssl", "cryptography")]


# ---- what the checks look at, in octets -----------------------------------------------------------------


def _ends(one: bytes) -> list[float]:
    """Both ends of a validity, whoever can read the rest; without a year 0, which Python does not have."""
    found = []
    for digits in re.findall(rb"\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z", validity_of(one)):
        short, long = (part.decode() for part in digits)
        with suppress(ValueError):
            text = long or ("19" if short >= "50" else "20") + short
            found.append(datetime.strptime(text + "+0000", "%Y%m%d%H%M%S%z").timestamp())
    return found


@lru_cache(maxsize=4096)
def _form_of(name: bytes) -> object:
    """A name as asn1crypto compares it (RFC 5280, 7.1), its octets where it cannot."""
    try:
        return asn1_x509.Name.load(name).hashable
    except (ValueError, TypeError):
        return name


def _ways(case: Case) -> list[list[bytes]]:
    """Every path that names make, leaf first, anchor last."""
    anchors, others = (
        list(dict.fromkeys(case.family.anchors)),
        list(dict.fromkeys([*case.sent, *case.family.configured])),
    )
    found: list[list[bytes]] = []
    waiting = [[case.leaf]]
    while waiting and len(found) < _WAYS_MAX:
        path = waiting.pop()
        wanted = _form_of(issuer_of(path[-1]))
        found += [[*path, one] for one in anchors if _form_of(subject_of(one)) == wanted]
        if len(path) < _WAY_LENGTH_MAX:
            waiting += [[*path, one] for one in others if one not in path and _form_of(subject_of(one)) == wanted]
    return found


_WAYS_MAX: Final = 64
_WAY_LENGTH_MAX: Final = 9


# ---- what the checks look at -----------------------------------------------------------------------------

_ED25519: Final = "1.3.101.112"
_SEQUENCE: Final = b"\x30"
AKI, KU, BC, EKU, NC, MAP, POL, SAN = (
    "2.5.29.35",
    "2.5.29.15",
    "2.5.29.19",
    "2.5.29.37",
    "2.5.29.30",
    "2.5.29.33",
    "2.5.29.32",
    "2.5.29.17",
)


def _extensions(one: x509.Certificate | None) -> dict[str, x509.Extension[Any]]:
    """Extensions by OID; none if one of them cannot be read."""
    if one is None:
        return {}
    try:
        return {extension.oid.dotted_string: extension for extension in one.extensions}
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return {}


def _any_ca(seen: Seen, check: Callable[[dict[str, x509.Extension[Any]]], bool]) -> bool:
    return any(check(_extensions(one)) for one in seen.cas)


def _words(*words: str) -> Callable[[Seen], bool]:
    """Whether `cryptography` says one of these of a path, given to it by itself."""
    return lambda seen: any(word in told for told in (seen.pyca, *seen.pyca_paths) for word in words)


def _all(*checks: Callable[[Seen], bool]) -> Callable[[Seen], bool]:
    return lambda seen: all(check(seen) for check in checks)


def _algorithms(seen: Seen) -> set[str]:
    found = set()
    for one in seen.certificates:
        try:
            found.add(one.public_key_algorithm_oid.dotted_string)
            found.add(one.signature_algorithm_oid.dotted_string)
        except ValueError:
            pass
    return found


def _is_version_3(one: bytes) -> bool:
    return one[der.content_start(one, der.content_start(one)) :].startswith(b"\xa0\x03\x02\x01\x02")


def _tag_in(one: bytes, tags: tuple[int, ...]) -> bool:
    return any(tag in one for tag in tags)


_OPENSSL_KNOWN: Final = (
    "2.16.840.1.113730.1.1",
    "1.3.6.1.5.5.7.1.7",
    "1.3.6.1.5.5.7.1.8",
    "1.3.6.1.5.5.7.1.14",
    "1.3.6.1.5.5.7.48.1.5",
)


def _marked_critical(seen: Seen, oids: tuple[str, ...]) -> bool:
    """Whether a certificate of the case has one of these extensions, critical; by its octets, whoever can read it."""
    family = seen.case.family
    every = (seen.case.leaf, *seen.case.sent, *family.configured, *family.anchors)
    return any(der.oid(oid) + der.TRUE in one for oid in oids for one in every)


def _other_purposes(seen: Seen) -> bool:
    """Whether a CA has purposes, none of them the one that `cryptography` asks for."""
    wanted = {_PURPOSES["clientAuth"], _ANY_PURPOSE}
    return any((purposes := _purposes_of(one)) is not None and not purposes & wanted for one in seen.cas)


def _ca_key_id_form(seen: Seen) -> bool:
    def odd(found: dict[str, x509.Extension[Any]]) -> bool:
        aki = found.get(AKI)
        return aki is not None and (
            aki.value.key_identifier is None
            or aki.value.authority_cert_issuer is not None
            or aki.value.authority_cert_serial_number is not None
        )

    return _any_ca(seen, odd)


def _generalized(seen: Seen) -> bool:
    """GeneralizedTime for a year before 2050 somewhere."""
    every = (seen.case.leaf, *_all_cas(seen))
    marks = [b"\x18\x0f19", *(b"\x18\x0f20%d" % decade for decade in range(5))]
    return any(mark in one for one in every for mark in marks)


def in_the_whole_store(seen: Seen) -> Case:
    """The case in the store that sekisho had: the CAs of all families of the batch."""
    families = seen.batch.families
    store = Family(
        WHOLE,
        [one for other in families for one in other.anchors],
        [one for other in families for one in other.configured],
    )
    return Case(store, seen.case.leaf, seen.case.sent, seen.case.notes)


def _own_constraints(seen: Seen) -> bool:
    """Whether both peers take a path on which a CA has alternative names and name constraints: OpenSSL as it is, `cryptography`
    when it is asked for each CA's constraints by themselves, without the names of that CA."""
    return any(
        seen.passes_on("openssl", lambda path, way=way: path == way)  # type: ignore[misc]
        and all(
            twin is not None and seen.reader.takes(twin)
            for twin in (_constrained_once(way, place) for place in _constrained(seen, way))
        )
        for way in _ways(seen.without_faults)
        if any(SAN in _extensions_of(seen, way[place]) for place in _constrained(seen, way))
    )


def _extensions_of(seen: Seen, one: bytes) -> dict[str, x509.Extension[Any]]:
    read = seen.reader.certificate(one)
    return {} if isinstance(read, str) else _extensions(read)


def _constrained(seen: Seen, way: list[bytes]) -> list[int]:
    return [place for place in range(1, len(way)) if NC in _extensions_of(seen, way[place])]


def _constrained_once(way: list[bytes], place: int) -> list[bytes] | None:
    """A path on which the constraints of one CA are the only ones, and that CA has no alternative names; the rest as it was."""
    twins = [way[0]]
    for i, one in enumerate(way[1:], 1):
        issuer = way[min(i + 1, len(way) - 1)]
        twin = signed_again_without(one, SAN if i == place else NC, spki_of(issuer))
        if twin is None:
            return None
        twins.append(twin)
    return twins


WHOLE: Final = -1
"""Number of the family that all of a batch make."""

RULES: Final[tuple[Rule, ...]] = (
    # ---- we accept, OpenSSL refuses
    _accept(
        "openssl-goes-not-back",
        "openssl",
        "RFC 4158, 2.4.2: a way that ends is no reason to refuse; given the path alone, OpenSSL accepts it",
        lambda seen: seen.openssl_asked(EACH) == 0,
    ),
    _accept(
        "key-identifiers-order",
        "openssl",
        "RFC 5280, 4.2.1.1: key identifiers facilitate path construction; given the path by names, OpenSSL accepts it",
        lambda seen: seen.openssl_asked(PINNED) == 0,
    ),
    _accept(
        "last-second",
        "openssl",
        "RFC 5280, 4.1.2.5: validity includes notAfter; OpenSSL calls that second expired, and accepts with it included",
        lambda seen: seen.ends_within(0) and 0 in (seen.openssl_asked(PINNED, 0), seen.openssl_asked(EACH, 0)),
    ),
    _accept(
        "clock-skew",
        "openssl",
        "the profile's clock_skew; OpenSSL has none, and accepts when it is allowed",
        lambda seen: (
            seen.batch.profile.clock_skew > 0
            and seen.ends_within(seen.batch.profile.clock_skew)
            and openssl_takes_a_path(seen)
        ),
    ),
    # ---- we accept, cryptography refuses
    _accept(
        "pyca-loops",
        "cryptography",
        "RFC 4158, 2.4.2: its search ends at the depth limit in a loop of certificates; given the path alone, it accepts",
        lambda seen: "" in seen.pyca_paths,
    ),
    _accept(
        "pyca-names-by-octets",
        "cryptography",
        "RFC 5280, 7.1: names that differ in case, spaces or string type are one name; it compares octets, OpenSSL does not",
        lambda seen: _names_differ_in_form(seen) and openssl_takes_a_path(seen),
    ),
    _accept(
        "pyca-self-issued",
        "cryptography",
        "RFC 5280, 6.1.4 (l): self-issued CAs do not count; of two CAs of a name it tells of the last; OpenSSL accepts",
        lambda seen: _words("signature does not match")(seen) and _self_issued_below(seen),
    ),
    _accept(
        "pyca-ed25519",
        "cryptography",
        "RFC 8410: its list of algorithms is the web's and lacks Ed25519",
        _all(
            _words("Forbidden public key algorithm", "Forbidden signature algorithm"),
            lambda seen: _ED25519 in _algorithms(seen),
        ),
    ),
    _accept(
        "pyca-ca-key-id",
        "cryptography",
        "RFC 5280, 4.2.1.1: authorityCertIssuer and serial are allowed; the CA/Browser Forum's profile wants keyIdentifier alone",
        _all(_words("authorityKeyIdentifier must"), _ca_key_id_form),
    ),
    _accept(
        "pyca-policy-mappings",
        "cryptography",
        "RFC 5280, 4.2.1.5: policyMappings are processed here; it knows nothing of them",
        _all(
            _words("2.5.29.33: certificate contains unaccounted-for critical"),
            lambda seen: _marked_critical(seen, (MAP,)),
        ),
    ),
    _accept(
        "pyca-generalized-time",
        "cryptography",
        "RFC 5280, 4.1.2.5: applications MUST be able to process dates encoded in either form",
        _all(_words("validity dates between 1950 and 2049 must be UtcTime"), _generalized),
    ),
    _accept(
        "pyca-anchor-serial",
        "cryptography",
        "docs/SECURITY.md: a configured anchor may have a serial below zero, as 20 real roots have",
        _all(
            _words("serial number cannot be negative"),
            lambda seen: any(serial_of(one)[:1] > b"\x7f" for one in seen.case.family.anchors),
        ),
    ),
    _accept(
        "pyca-version",
        "cryptography",
        "RFC 5280, 4.1.2.1: implementations should accept any version; a leaf without extensions may be version 1 or 2",
        _all(_words("X509v3", "not a valid X509 version"), lambda seen: not _is_version_3(seen.case.leaf)),
    ),
    _accept(
        "pyca-general-names",
        "cryptography",
        "RFC 5280, 4.2.1.6: x400Address and ediPartyName are general names; its Python objects have none for them",
        _all(_words("x400Address/EDIPartyName are not supported"), lambda seen: _tag_in(seen.case.leaf, (0xA3, 0xA5))),
    ),
    _accept(
        "pyca-teletex",
        "cryptography",
        "RFC 5280, 4.1.2.4: TeletexString beyond ASCII in a subject; it reads the path and cannot show the name",
        _all(
            _words('location: ["subject'),
            lambda seen: re.search(rb"\x06\x03\x55\x04.\x14", seen.case.leaf, re.S) is not None,
        ),
    ),
    _accept(
        "pyca-ca-purposes",
        "cryptography",
        "RFC 5280, 4.2.1.12: purposes of CAs bind where the profile names some, and those alone; it always asks for clientAuth",
        lambda seen: _words("Neither EKU nor anyEKU")(seen) and _other_purposes(seen) and _for_another_purpose(seen),
    ),
    _accept(
        "pyca-critical-purposes",
        "cryptography",
        "RFC 5280, 4.2.1.12: extendedKeyUsage may be critical; its profile of CAs wants it not to be",
        _all(
            _words("2.5.29.37: Certificate extension has incorrect criticality"),
            lambda seen: _marked_critical(seen, (EKU,)),
        ),
    ),
    _accept(
        "pyca-empty-constraint",
        "cryptography",
        "RFC 5280, 4.2.1.10: any name satisfies a DNS constraint that zero or more labels added to it make; an empty one, all",
        _all(_words("malformed DNS name constraint: "), lambda seen: any(EMPTY_TREE in one for one in _all_cas(seen))),
    ),
    _accept(
        "pyca-directory-names",
        "cryptography",
        "RFC 5280, 4.2.1.10: constraints on directory names and others are processed here; it knows DNS, mail and addresses",
        _all(
            _words(
                "nameConstraints extension contains an unsupported",
                "unsupported name constraint",
                "directoryName matching",
            ),
            lambda seen: any(NC in _extensions(one) for one in seen.cas),
        ),
    ),
    _accept(
        "pyca-clock-skew",
        "cryptography",
        "the profile's clock_skew; it has none",
        lambda seen: (
            seen.batch.profile.clock_skew > 0
            and seen.ends_within(seen.batch.profile.clock_skew)
            and _words("not valid at validation time")(seen)
        ),
    ),
    _accept(
        "pyca-own-constraints",
        "cryptography",
        "RFC 5280, 6.1.3 (b), (c), then 6.1.4 (g): a CA's constraints are not for its own names; without those names it accepts",
        _own_constraints,
    ),
    # ---- we accept, a peer refuses that was given one family alone
    _accept(
        "another-family",
        "openssl",
        "the CA of the leaf's issuer is another family's: given the whole store that sekisho was given, OpenSSL accepts",
        lambda seen: seen.openssl.told(seen.batch, [in_the_whole_store(seen)])[0][0] == 0,
    ),
    _accept(
        "another-family",
        "cryptography",
        "the CA of the leaf's issuer is another family's: given the whole store that sekisho was given, it accepts",
        lambda seen: seen.reader.told(in_the_whole_store(seen)) == "",
    ),
)

# Mutations that can make a certificate malformed, by the reason that its reader then gives.
_BYTES: Final = {"tbs-bytes", "bytes"}
_FORM: Final = {
    "certificate-malformed": {"unique-ids", "extensions-form", "key", "key-usage", "algorithm", "version"},
    "certificate-trailing-data": set(),
    "certificate-version": {"version", "unique-ids", "extensions-form"},
    "certificate-serial": {"serial"},
    "certificate-algorithms-differ": {"algorithm"},
    "certificate-validity-malformed": {"validity-form", "validity-edge"},
    "certificate-name-malformed": {"subject", "issuer-form", "ca-subject-form"},
    "certificate-extension-malformed": {
        "extension-value",
        "extensions-form",
        "key-usage",
        "extended-key-usage",
        "policies",
        "policy-mappings",
        "policy-constraints",
        "inhibit-any-policy",
        "basic-constraints",
        "authority-key-id",
        "ca-key-ids",
        "subject-key-id",
        "alternative-name",
        "name-constraints",
    },
    "certificate-extension-duplicate": {"extension-duplicate", "extension-unknown"},
    "key-malformed": {"key"},
}


def _leaf_form(seen: Seen) -> bool:
    return bool(seen.leaf_notes & (_FORM[Reason(seen.ours).kebab] | _BYTES)) or _odd_san(seen)


def _odd_san(seen: Seen) -> bool:
    """Alternative names that leaves are given without its being noted as a mutation: an empty or a wrong one among them."""
    return Reason(seen.ours) is Reason.CERTIFICATE_EXTENSION_MALFORMED and any(
        one in seen.case.leaf for one in ODD_NAMES
    )


def _kept_out(peer: str) -> Callable[[Seen], bool]:
    """A CA certificate was kept out for its form, or the profile's demands, and without it the peer finds no path either."""
    return lambda seen: bool(seen.faults) and not seen.passes_without_faults(peer)


def _loose(seen: Seen) -> asn1_x509.Certificate:
    """The leaf as asn1crypto reads it, which refuses little."""
    return asn1_x509.Certificate.load(seen.case.leaf)


def _subject(certificate: x509.Certificate | str) -> str | None:
    """Its subject, as far as it can show it."""
    try:
        return None if isinstance(certificate, str) else certificate.subject.rfc4514_string()
    except (ValueError, TypeError):
        return None


def _passes_without_listed_issuers(seen: Seen) -> bool:
    """Whether there is a path for a peer when the CAs that the profile lists are taken away."""
    listed, family = set(seen.batch.profile.issuers), seen.case.family

    def others(several: list[bytes]) -> list[bytes]:
        return [one for one in several if _subject(seen.reader.certificate(one)) not in listed]

    left = replace(family, anchors=others(family.anchors), configured=others(family.configured))
    case = Case(left, seen.case.leaf, seen.case.sent, seen.case.notes)
    if not left.anchors:
        return False
    told = [seen.openssl.told(seen.batch, [case], way=way)[0][0] for way in (PINNED, EACH)]
    return 0 in told or "" in seen.reader.paths(case)


def _has_no_mailbox(seen: Seen) -> bool:
    """Whether the leaf has an rfc822Name without a local part or a domain, under a CA with name constraints."""
    mail = [value for value in _mailboxes(seen.case.leaf) if not all(value.rpartition(b"@")[::2])]
    return bool(mail) and any(NC in _extensions(one) for one in seen.cas)


def _mailboxes(leaf: bytes) -> list[bytes]:
    names = asn1_x509.Certificate.load(leaf).subject_alt_name_value
    return [] if names is None else [one.chosen.contents for one in names if one.name == "rfc822_name"]


def _all_cas(seen: Seen) -> list[bytes]:
    family = seen.case.family
    return [*seen.case.sent, *family.configured, *family.anchors]


def openssl_takes_a_path(seen: Seen) -> bool:
    """Each path by itself or by names alone, with the last second included where a validity ends, and the profile's skew."""
    return any(seen.openssl_asked(way, skew) == 0 for skew in seen.skews for way in (EACH, PINNED))


def _has_teletex_name(seen: Seen) -> bool:
    """Whether an attribute of type 2.5.4.x stands as a TeletexString (tag 20) in the leaf or a CA certificate."""
    family = seen.case.family
    return any(
        re.search(rb"\x06\x03\x55\x04.\x14", one, re.S) is not None
        for one in (seen.case.leaf, *seen.case.sent, *family.configured, *family.anchors)
    )


def _linked_by_teletex(path: list[bytes]) -> bool:
    """Whether an issuer and a subject of a path differ in octets, and one of the two holds a TeletexString."""
    return any(
        issuer != subject and re.search(rb"\x06\x03\x55\x04.\x14", issuer + subject, re.S) is not None
        for issuer, subject in ((issuer_of(below), subject_of(above)) for below, above in itertools.pairwise(path))
    )


def _names_differ_in_form(seen: Seen) -> bool:
    """Whether on some path an issuer and a subject are equal as asn1crypto compares names, and not byte for byte."""
    return any(
        issuer_of(below) != subject_of(above) for path in _ways(seen.case) for below, above in itertools.pairwise(path)
    )


def _self_issued_below(seen: Seen) -> bool:
    """Whether OpenSSL takes a path, and `cryptography` every link of one, and nothing but what it does not know of CAs of one
    name in a row stands in the way: a path length that would not do if they counted, or constraints on directory names or
    URIs, or an empty one on DNS names."""
    return openssl_takes_a_path(seen) and any(
        seen.reader.links_hold(path) and (_length_if_counted(path) or _unprocessed_constraints(path))
        for path in seen.reader.chains(seen.case)
        if any(_self_issued(ca) for ca in path[1:-1])
    )


def _self_issued(ca: x509.Certificate) -> bool:
    return ca.subject == ca.issuer


def _length_if_counted(path: list[x509.Certificate]) -> bool:
    def short(ca: x509.Certificate, below: list[x509.Certificate]) -> bool:
        found = _extensions(ca).get(BC)
        most = None if found is None else found.value.path_length
        return most is not None and sum(not _self_issued(one) for one in below) <= most < len(below)

    return any(short(path[i], path[1:i]) for i in range(2, len(path)))


def _unprocessed_constraints(path: list[x509.Certificate]) -> bool:
    found = [_extensions(ca)[NC].value for ca in path[1:] if NC in _extensions(ca)]
    trees = [tree for one in found for tree in (*(one.permitted_subtrees or ()), *(one.excluded_subtrees or ()))]
    unprocessed = (x509.DirectoryName, x509.UniformResourceIdentifier)
    return any(isinstance(tree, unprocessed) or tree == x509.DNSName("") for tree in trees)


def _profile_purposes(seen: Seen) -> bool:
    profile = seen.batch.profile
    if not profile.extended_key_usage:
        return False
    listed = _loose(seen).extended_key_usage_value
    if listed is None:
        return profile.extended_key_usage_required
    purposes = {one.dotted for one in listed}
    return not purposes & {_PURPOSES[name] for name in profile.extended_key_usage}


def _purpose_throughout(seen: Seen) -> Callable[[list[bytes]], bool]:
    """Whether one purpose of the profile is that of every certificate of a path that names purposes."""

    return lambda path: bool(_purposes_left(seen, path))


def _purposes_left(seen: Seen, path: list[bytes]) -> set[str]:
    left = {_PURPOSES[name] for name in seen.batch.profile.extended_key_usage}
    for place, one in enumerate(path):
        read = seen.reader.certificate(one)
        purposes = None if isinstance(read, str) else _purposes_of(read)
        if purposes is not None and not (place and _ANY_PURPOSE in purposes):
            left &= purposes
    return left


def _for_another_purpose(seen: Seen) -> bool:
    """Whether the profile asks for no purpose, or OpenSSL takes a path that is for one of its purposes and not for clientAuth."""
    if not seen.batch.profile.extended_key_usage:
        return True
    return seen.passes_on("openssl", lambda path: _purposes_left(seen, path) == {_PURPOSES["emailProtection"]})


def _listed_issuer(seen: Seen) -> Callable[[list[bytes]], bool]:
    """Whether a CA of a path is one of the profile's issuers."""
    listed = set(seen.batch.profile.issuers)

    def check(path: list[bytes]) -> bool:
        read = [seen.reader.certificate(one) for one in path[1:]]
        return any(isinstance(one, str) or _subject(one) in listed for one in read)

    return check


def _profile_usage(seen: Seen) -> bool:
    usage, profile = _loose(seen).key_usage_value, seen.batch.profile
    if usage is None:
        return bool(profile.key_usage_required)
    forbidden = {"key_cert_sign" if name == "keyCertSign" else "crl_sign" for name in profile.key_usage_forbidden}
    return "digital_signature" not in usage.native or bool(usage.native & forbidden)


def _leaf_key(seen: Seen) -> Any:
    """The holder's key, of a version that `cryptography` does not read too; None if it reads no such key."""
    if seen.leaf is not None:
        return _public_key(seen.leaf)
    with suppress(ValueError, UnsupportedAlgorithm):
        return load_der_public_key(spki_of(seen.case.leaf))
    return None


def _key_size(seen: Seen) -> bool:
    key, profile = _leaf_key(seen), seen.batch.profile
    return isinstance(key, rsa.RSAPublicKey) and not (
        profile.rsa_bits_min <= key.key_size <= profile.rsa_bits_max and key.public_numbers().e >= 65537
    )


def _key_kind(seen: Seen) -> bool:
    profile, key = seen.batch.profile, _leaf_key(seen)
    return (isinstance(key, ed25519.Ed25519PublicKey) and profile.ed25519_mode is None) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp384r1" and profile.p384_mode is None
    )


def _is_ca(seen: Seen) -> bool:
    found = _loose(seen).basic_constraints_value
    return found is not None and bool(found["ca"].native)


def _peer_agrees(seen: Seen) -> bool:
    """For what `cryptography` does not process: OpenSSL refuses too, if need be on those paths alone that the profile takes."""
    profile = seen.batch.profile
    narrowed = bool(seen.faults or profile.issuers) or len(profile.extended_key_usage) > 1 or _has_teletex_name(seen)
    return seen.theirs[0] != 0 or (narrowed and not seen.passes_on("openssl", _may_be_taken(seen)))


def _may_be_taken(seen: Seen) -> Callable[[list[bytes]], bool]:
    """Whether a path holds one of the profile's issuers and one of its purposes throughout, where the profile names any, and
    its names are equal without reading TeletexStrings as others."""
    profile, listed, throughout = seen.batch.profile, _listed_issuer(seen), _purpose_throughout(seen)
    return lambda path: (
        (not profile.issuers or listed(path))
        and (not profile.extended_key_usage or throughout(path))
        and not _linked_by_teletex(path)
    )


def _leaf_algorithm(seen: Seen) -> bool:
    allowed = {_ALGORITHM_OIDS[name] for name in seen.batch.profile.signature_algorithms}
    return _loose(seen)["signature_algorithm"]["algorithm"].dotted not in allowed


_UNPROCESSED: Final = (
    "policy path-refused path-too-long issuer-not-ca issuer-key-usage issuer-unknown issuer-signature-wrong name-constraints "
    "certificate-extension-unknown-critical issuer-expired issuer-not-yet-valid engine-fault"
)

RULES += (
    # ---- we refuse, a peer accepts: the form of the leaf
    *_both(
        "form",
        " ".join(_FORM),
        "X.690, 10 and 11, RFC 5280, 4.1 and 4.2: read strictly; held against strict decoders by tests.property.der",
        _leaf_form,
    ),
    *(
        _refuse(
            "ca-kept-out",
            peer,
            "issuer-unknown issuer-signature-wrong path-too-long path-refused algorithm-not-allowed extended-key-usage "
            "key-too-small key-exponent path-budget-spent issuer-expired issuer-not-yet-valid policy name-constraints "
            "certificate-extension-unknown-critical",
            "a CA certificate is malformed, or not what the profile wants of CAs; without it the peer finds no path either",
            _kept_out(peer),
        )
        for peer in ("openssl", "cryptography")
    ),
    _refuse(
        "no-mailbox",
        "openssl",
        "name-constraints",
        "RFC 5280, 4.2.1.6: rfc822Name is a Mailbox, Local-part@Domain; what is none cannot be held against a constraint",
        _has_no_mailbox,
    ),
    _refuse(
        "teletex-by-octets",
        "openssl",
        "issuer-unknown issuer-signature-wrong",
        "RFC 5280, 7.1, compares PrintableString and UTF8String; TeletexString has no one character set: its octets count",
        _has_teletex_name,
    ),
    _refuse(
        "teletex-by-octets-only",
        "openssl",
        "policy path-refused path-too-long name-constraints issuer-expired issuer-not-yet-valid",
        "RFC 5280, 7.1: of TeletexStrings the octets count; OpenSSL takes no path but by such names, read as others",
        lambda seen: (
            _has_teletex_name(seen) and not seen.passes_on("openssl", lambda path: not _linked_by_teletex(path))
        ),
    ),
    *_both(
        "budget",
        "path-budget-spent",
        "docs/SECURITY.md, Budgets: at most 12 signatures and 4 whole paths for a login that brings CA certificates",
        lambda seen: len(seen.case.sent) >= 2,
    ),
    # ---- we refuse, a peer accepts: what the profile asks for
    *_both(
        "profile-algorithm", "algorithm-not-allowed", "the profile lists the algorithms of signatures", _leaf_algorithm
    ),
    *_both(
        "profile-purpose",
        "extended-key-usage",
        "the profile names purposes; peers were asked for any",
        _profile_purposes,
    ),
    *(
        _refuse(
            "profile-purpose-throughout",
            peer,
            "extended-key-usage",
            "docs/SECURITY.md: of several purposes one must be that of the whole path; the peer takes no path that has one",
            lambda seen, peer=peer: (  # type: ignore[misc]
                len(seen.batch.profile.extended_key_usage) > 1 and not seen.passes_on(peer, _purpose_throughout(seen))
            ),
        )
        for peer in ("openssl", "cryptography")
    ),
    *_both("profile-usage", "key-usage", "the profile names key usages; peers were asked for none", _profile_usage),
    *_both("profile-key-kind", "key-mode-mismatch", "the profile has no mode for such keys", _key_kind),
    *_both(
        "profile-key-size",
        "key-too-small key-too-large key-exponent",
        "FIPS 186-5, 5.1 and A.1.1, and the profile: sizes and exponents; peers do not look at a leaf's",
        _key_size,
    ),
    *_both(
        "key-unusable",
        "key-unsupported key-point key-malformed key-modulus-even key-exponent key-too-small key-too-large key-mode-mismatch",
        "the holder's key cannot verify a login; peers do not look at it, or take kinds that sekisho has no mode for",
        lambda seen: bool(seen.leaf_notes & {"key", *_BYTES}),
    ),
    *_both("leaf-is-ca", "leaf-is-ca", "RFC 5280, 4.2.1.9: a holder's certificate is no CA's", _is_ca),
    *_both(
        "too-many-sent",
        "too-many-intermediates",
        "docs/SECURITY.md, Budgets: at most 4 a login",
        lambda seen: len(seen.case.sent) > 4,
    ),
    *_both(
        "leaf-name-constraints",
        "name-constraints",
        "RFC 5280, 4.2.1.10: only in a CA certificate",
        lambda seen: der.oid(NC) in seen.case.leaf,
    ),
    # ---- we refuse, cryptography accepts, OpenSSL refuses too
    _refuse(
        "pyca-does-not-process",
        "cryptography",
        _UNPROCESSED,
        "RFC 5280, 6.1: policies, subject names under name constraints, lengths that a profile sets; OpenSSL refuses too",
        _peer_agrees,
    ),
    _refuse(
        "pyca-path-length",
        "cryptography",
        "algorithm-not-allowed key-too-small key-exponent",
        "the profile's path length, which it is not told: without CA certificates that do not fit, OpenSSL takes no path either",
        lambda seen: bool(seen.faults) and not seen.passes_on("openssl", _may_be_taken(seen)),
    ),
    *_both(
        "profile-issuers",
        "issuer-not-allowed",
        "the profile lists its issuers, and a path without any of them is none for it",
        lambda seen: bool(seen.batch.profile.issuers) and _passes_without_listed_issuers(seen),
    ),
    *(
        _refuse(
            "profile-issuers-only",
            peer,
            "issuer-not-allowed issuer-expired issuer-not-yet-valid path-too-long algorithm-not-allowed policy path-refused "
            "name-constraints certificate-extension-unknown-critical",
            "the profile lists its issuers: the peer takes no path that any of them is on",
            lambda seen, peer=peer: (  # type: ignore[misc]
                bool(seen.batch.profile.issuers) and not seen.passes_on(peer, _listed_issuer(seen))
            ),
        )
        for peer in ("openssl", "cryptography")
    ),
    *_both(
        "unknown-critical",
        "certificate-extension-unknown-critical issuer-unknown",
        "RFC 5280, 4.2: not processed here: Netscape's type, RFC 3779, RFC 3820, an unknown policy qualifier",
        lambda seen: (
            _marked_critical(seen, _OPENSSL_KNOWN)
            or (_marked_critical(seen, (POL,)) and bool(seen.notes & {"policies", "extension-value", *_BYTES}))
        ),
    ),
    # ---- the form of what was sent
    *_both(
        "sent-not-split",
        "certificate-malformed input-missing input-too-large certificate-trailing-data too-many-intermediates",
        "docs/PROTOCOL.md: intermediates stand end to end, so one with a wrong tag or length spoils all",
        lambda seen: any(one[:1] != _SEQUENCE or not whole(one) for one in seen.case.sent),
    ),
)
