"""Who signed a CRL, and for which trust anchors its word counts (RFC 5280, 6.3.3 (f) and (g))."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Final

from cryptography import x509

from sekisho._native import check, ffi, lib
from sekisho.engine import Engine
from sekisho.modes import Mode
from sekisho.profiles import KEY_USAGES, SIGNATURE_ALGORITHMS, Profile
from sekisho.reasons import Reason
from sekisho.revocation.crl import Crl
from sekisho.revocation.snapshot import Revocation
from sekisho.signatures import SignatureBatch, verify_signatures
from sekisho.trust import TrustError, TrustStore
from sekisho.verifier import Verifier

__all__ = ["Signer", "Signers", "Standing"]

_ALGORITHMS: Final = {number: name for name, number in SIGNATURE_ALGORITHMS.items()}
_CRL_SIGN: Final = KEY_USAGES["cRLSign"]

_PROFILE: Final = Profile(
    name="crl-signer",
    purpose="other",
    signature_algorithms=tuple(SIGNATURE_ALGORITHMS),
    rsa_mode=Mode.parse("rsassa-pkcs1-v1_5-sha256"),
    p256_mode=Mode.parse("ecdsa-sha256-der"),
    p384_mode=Mode.parse("ecdsa-sha384-der"),
    ed25519_mode=Mode.parse("ed25519"),
    rsa_bits_max=8192,
    path_length_max=16,
    intermediates_max=16,
    ca_leaf_allowed=True,
    revocation="off",  # of the path alone; whether a signer's certificate is revoked is asked of what was taken (store.py)
    challenge="foreign",
    test=True,
)
_STRICT: Final = replace(_PROFILE, name="crl-signer-status", revocation="required", test=False)


class Standing(IntEnum):
    """What the lists say of a signer.  Of several certificates with one key the greatest counts."""

    STRANGE = 0
    """No certificate with that key is configured under that anchor, or none that may sign lists."""
    UNKNOWN = 1
    """No path is good now, or nothing that is in force tells of it."""
    REVOKED = 2
    """It is revoked, or a CA above it is."""
    GOOD = 3
    """There is a path on which nothing is revoked."""


@dataclass(frozen=True)
class Signer:
    """A certificate whose key may sign CRLs of its subject's name.

    Attributes:
        certificate: DER.
        identity: SHA-256 of subject and SubjectPublicKeyInfo.
        anchors: identities of the trust anchors that lead to it.
        anchor: whether it is such an anchor itself, whose revocation nobody can tell.
    """

    certificate: bytes
    identity: bytes
    anchors: tuple[bytes, ...]
    anchor: bool


class _Candidate:
    """A certificate that might be a signer's, as the core reads it."""

    def __init__(self, der: bytes, *, anchor: bool) -> None:
        self.der = der
        self.anchor = anchor
        summary, reason = ffi.new("seki_certificate_summary *"), ffi.new("uint32_t *")
        check(
            lib.seki_certificate_summarize(der, len(der), summary, reason, ffi.new("size_t *")), "reading a certificate"
        )
        # Departures that are let pass in an anchor leave the summary filled (sekisho.h).
        self.readable = bool(summary.version) and (reason[0] == 0 or anchor)
        self.subject = _part(der, summary.subject)
        self.issuer = _part(der, summary.issuer)
        self.spki = _part(der, summary.spki)
        self.key_id = _part(der, summary.subject_key_id)
        self.key_usable = summary.key_reason == 0
        self.may_sign = summary.key_usage == 0 or bool(summary.key_usage & _CRL_SIGN)
        self.window = (summary.not_before, summary.not_after)

    @cached_property
    def identity(self) -> bytes:
        return hashlib.sha256(self.subject + self.spki).digest()


class Signers:
    """The keys that may sign CRLs under a trust store.

    Args:
        trust: anchors and CAs.
        certificates: of CRL signers that are no CAs, or have keys for CRLs alone; each needs a path to an anchor.
        engine: the process's own if None.
    """

    def __init__(self, trust: TrustStore, certificates: Sequence[bytes] = (), *, engine: Engine | None = None) -> None:
        self._engine = engine
        self._others = [*trust.certificates[len(trust.anchors) :], *certificates]
        self._anchors = list(trust.anchors)
        self._candidates = [
            one
            for der, anchor in [*((der, True) for der in self._anchors), *((der, False) for der in self._others)]
            if (one := _Candidate(der, anchor=anchor)).readable
        ]
        self._anchor_identities = [_Candidate(der, anchor=True).identity for der in self._anchors]
        self._stores: dict[int, TrustStore | None] = {}
        self._verifiers: dict[int, Verifier | None] = {}
        self._paths: dict[bytes, tuple[bytes, ...]] = {}
        self._paths_at: int | None = None

    def find(self, crl: Crl, at: int) -> list[Signer] | Reason:
        """The certificates with the key that signed `crl`, whose paths are good at that time; or why there are none."""
        summary, parts = crl.summary, crl.parts
        named = [one for one in self._candidates if _same_name(one.subject, parts.issuer)]
        if not named:
            return Reason.CRL_ISSUER_UNKNOWN
        named.sort(key=lambda one: (one.key_id != parts.authority_key_id, not one.anchor))
        message = summary.digest or parts.tbs
        signed: dict[bytes, bool] = {}
        found: list[Signer] = []
        why = Reason.CRL_SIGNATURE_WRONG
        for one in named:
            if one.identity not in signed:
                signed[one.identity] = one.key_usable and self._signed(
                    summary.signature_algorithm, one.spki, message, parts.signature
                )
            if not signed[one.identity]:
                continue
            if not one.may_sign:
                why = Reason.CRL_ISSUER_KEY_USAGE
                continue
            if anchors := self._anchors_of(one, at):
                found.append(Signer(one.der, one.identity, anchors, one.anchor))
            elif why is not Reason.CRL_ISSUER_KEY_USAGE:
                why = Reason.CRL_ISSUER_UNKNOWN
        return found or why

    def standings(
        self, identities: Iterable[bytes], anchor: bytes, revocation: Revocation, at: int
    ) -> dict[bytes, Standing]:
        """What can be said of the certificates with those keys under an anchor (RFC 5280, 6.3.3 (f)).

        Args:
            revocation: what is asked; its lists should be of signers who are good.
        """
        found = {identity: Standing.GOOD if identity == anchor else Standing.STRANGE for identity in identities}
        asked = [one for one in self._candidates if one.identity in found and one.identity != anchor and one.may_sign]
        for index, identity in enumerate(self._anchor_identities):
            if identity != anchor or not asked or (store := self._store(index)) is None:
                continue
            judge = Verifier(store, _STRICT, revocation=revocation, engine=self._engine)
            for one, verdict in zip(asked, judge.verify_certificates([one.der for one in asked], at=at), strict=True):
                says = (
                    Standing.GOOD
                    if verdict.reason is Reason.CERTIFICATE_OK
                    else Standing.REVOKED
                    if verdict.reason in (Reason.REVOKED, Reason.ISSUER_REVOKED)
                    else Standing.UNKNOWN
                )
                found[one.identity] = max(found[one.identity], says)
        return found

    def vouches_for_itself(self, identity: bytes) -> bool:
        """Whether each certificate with that key says that the list of its own subject tells whether it is revoked."""
        found = [one for one in self._candidates if one.identity == identity]
        return bool(found) and all(_points_to_itself(one.der) for one in found)

    def _signed(self, algorithm: int, spki: bytes, message: bytes, signature: bytes) -> bool:
        name = _ALGORITHMS[algorithm]
        mode = Mode.parse(f"{name}-der" if name.startswith("ecdsa") else name)
        batch = SignatureBatch([spki], [signature], [message], mode, prehashed=name != "ed25519")
        return verify_signatures(batch, engine=self._engine)[0].reason is Reason.SIGNATURE_OK

    def _anchors_of(self, one: _Candidate, at: int) -> tuple[bytes, ...]:
        if self._paths_at != at:  # those of one update
            self._paths, self._paths_at = {}, at
        if one.der not in self._paths:
            self._paths[one.der] = tuple(sorted(set(self._lead_to(one, at))))
        return self._paths[one.der]

    def _lead_to(self, one: _Candidate, at: int) -> Iterator[bytes]:
        if one.anchor:
            if one.window[0] <= at <= one.window[1]:
                yield one.identity
            return
        for index, identity in enumerate(self._anchor_identities):
            verifier = self._verifier(index)
            if verifier is None:
                continue
            if verifier.verify_certificates([one.der], at=at)[0].reason is Reason.CERTIFICATE_OK:
                yield identity

    def _store(self, index: int) -> TrustStore | None:
        """Of one anchor alone, so that what is found good is good under that one."""
        if index not in self._stores:
            try:
                self._stores[index] = TrustStore([self._anchors[index]], self._others)
            except TrustError:
                self._stores[index] = None
        return self._stores[index]

    def _verifier(self, index: int) -> Verifier | None:
        if index not in self._verifiers:
            store = self._store(index)
            self._verifiers[index] = None if store is None else Verifier(store, _PROFILE, engine=self._engine)
        return self._verifiers[index]


def _points_to_itself(der: bytes) -> bool:
    """Whether every distribution point of a certificate names its subject as the cRLIssuer (RFC 5280, 4.2.1.13)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    own = [x509.DirectoryName(certificate.subject)]
    return all(point.crl_issuer == own for point in points)


def _part(der: bytes, part: object) -> bytes:
    offset, length = part.offset, part.length  # type: ignore[attr-defined]
    return der[offset : offset + length]


def _same_name(one: bytes, other: bytes) -> bool:
    equal = ffi.new("uint32_t *")
    if one == other:
        return True
    status = lib.seki_name_equal(one, len(one), other, len(other), equal)
    return bool(status == lib.SEKI_OK and equal[0])
