"""Where sekisho decides otherwise than its peers, and why: rules as data, each narrow, each counted.

A disagreement that no rule explains is a failure.  What we accept and a peer refuses is explained only by asking the peer
again with the one difference taken away, or by what stands in the certificates; a peer's words alone explain nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cryptography import x509
from tests.property.chains import Batch, Case
from tests.property.opinions import EACH, OK, PINNED, OpenSsl, Pyca

from sekisho.reasons import Reason
from sekisho.testing import der

__all__ = ["RULES", "Rule", "Seen"]


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

    @cached_property
    def leaf(self) -> x509.Certificate | None:
        read = self.reader.certificate(self.case.leaf)
        return None if isinstance(read, str) else read

    @cached_property
    def pyca_paths(self) -> list[str]:
        """The words of `cryptography` on each path by itself."""
        return self.reader.paths(self.case)

    @property
    def certificates(self) -> Iterator[x509.Certificate]:
        if self.leaf is not None:
            yield self.leaf
        yield from self.cas

    def ends_within(self, seconds: int) -> bool:
        """Whether a certificate's validity begins or ends within so many seconds of the time of judgement."""
        at = self.batch.at
        for one in self.certificates:
            if -seconds <= one.not_valid_after_utc.timestamp() - at <= seconds:
                return True
            if -seconds <= one.not_valid_before_utc.timestamp() - at <= seconds:
                return True
        return False


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

    def explains(self, seen: Seen, peer: str) -> bool:
        return peer == self.peer and Reason(seen.ours).kebab in self.reasons and self.check(seen)


def _accept(name: str, peer: str, because: str, check: Callable[[Seen], bool]) -> Rule:
    return Rule(name, peer, frozenset({"certificate-ok"}), because, check)


def _refuse(name: str, peer: str, reasons: str, because: str, check: Callable[[Seen], bool] = lambda _: True) -> Rule:
    return Rule(name, peer, frozenset(reasons.split()), because, check)


def _both(name: str, reasons: str, because: str, check: Callable[[Seen], bool] = lambda _: True) -> list[Rule]:
    return [_refuse(name, peer, reasons, because, check) for peer in ("openssl", "cryptography")]


# ---- what the checks look at -----------------------------------------------------------------------------

_ED25519: Final = "1.3.101.112"
_NO_PURPOSE: Final = "2.5.29.37"
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


def _critical_mappings(seen: Seen) -> bool:
    marked = der.sequence(der.oid(MAP), der.TRUE)[2:]
    return any(marked in one for one in (seen.case.leaf, *seen.case.sent, *seen.case.family.configured, *seen.case.family.anchors))


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
    every = (seen.case.leaf, *seen.case.sent, *seen.case.family.configured, *seen.case.family.anchors)
    return any(mark in one for one in every for mark in (b"\x18\x0f19", b"\x18\x0f200", b"\x18\x0f201", b"\x18\x0f202", b"\x18\x0f203", b"\x18\x0f204"))


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
        lambda seen: seen.ends_within(0) and seen.openssl_asked(PINNED, 0) == 0,
    ),
    _accept(
        "clock-skew",
        "openssl",
        "the profile's clock_skew; OpenSSL has none, and accepts when it is allowed",
        lambda seen: seen.batch.profile.clock_skew > 0
        and seen.ends_within(seen.batch.profile.clock_skew)
        and seen.openssl_asked(PINNED, seen.batch.profile.clock_skew) == 0,
    ),
    # ---- we accept, cryptography refuses
    _accept(
        "pyca-loops",
        "cryptography",
        "RFC 4158, 2.4.2: its search ends at the depth limit in a loop of certificates; given the path alone, it accepts",
        lambda seen: "" in seen.pyca_paths,
    ),
    _accept(
        "pyca-ed25519",
        "cryptography",
        "RFC 8410: its list of algorithms is the web's and lacks Ed25519",
        _all(_words("Forbidden public key algorithm", "Forbidden signature algorithm"), lambda seen: _ED25519 in _algorithms(seen)),
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
        _all(_words("2.5.29.33: certificate contains unaccounted-for critical"), _critical_mappings),
    ),
    _accept(
        "pyca-generalized-time",
        "cryptography",
        "RFC 5280, 4.1.2.5: applications MUST be able to process dates encoded in either form",
        _all(_words("validity dates between 1950 and 2049 must be UtcTime"), _generalized),
    ),
    _accept(
        "pyca-clock-skew",
        "cryptography",
        "the profile's clock_skew; it has none",
        lambda seen: seen.batch.profile.clock_skew > 0
        and seen.ends_within(seen.batch.profile.clock_skew)
        and _words("not valid at validation time")(seen),
    ),
)
