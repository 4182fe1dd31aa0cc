"""Findings of a reading of the core: each was an input whose verdict was wrong, or hung on what had been judged before."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from tests.attacks.test_review_paths import AT, PROFILE, make, reason, verifier

from sekisho._native import check, ffi, lib
from sekisho.batch import Column, absent, times
from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch

# Extensions that OpenSSL judges by, critical or not; our reader does not know them.
ODD = {
    "proxyCertInfo (RFC 3820)": ("1.3.6.1.5.5.7.1.14", "300c300a06082b06010505071501"),
    "IPAddrBlocks (RFC 3779)": ("1.3.6.1.5.5.7.1.7", "300c300a04020001300403020 00a"),
    "ASIdentifiers (RFC 3779)": ("1.3.6.1.5.5.7.1.8", "300ba009300702 0300fc00"),
    "unreadable proxyCertInfo": ("1.3.6.1.5.5.7.1.14", "0500"),
    "unreadable IPAddrBlocks": ("1.3.6.1.5.5.7.1.7", "0500"),
    "unreadable netscape-cert-type": ("2.16.840.1.113730.1.1", "0500"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_verdict_does_not_hang_on_what_was_admitted_before(name: str) -> None:
    """Such a leaf was refused by OpenSSL, and taken natively once another leaf had been judged under its issuer."""
    oid, value = ODD[name]
    root = make("odd root")
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), bytes.fromhex(value.replace(" ", "")))
    odd = make(f"odd {name}", root, ca=False, extra=[(extension, False)])
    plain = make("plain", root, ca=False)
    new, admitted = verifier([root]), verifier([root])
    assert reason(admitted, plain) is Reason.CERTIFICATE_OK
    first, second = reason(new, odd), reason(admitted, odd)
    assert first is second
    assert first not in (Reason.CERTIFICATE_OK, Reason.ENGINE_FAULT)


@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ("digital_signature", Reason.ACCEPTED),
        ("content_commitment", Reason.ACCEPTED),
        ("key_agreement", Reason.KEY_USAGE),
        ("key_encipherment", Reason.KEY_USAGE),
        ("crl_sign", Reason.KEY_USAGE),
    ],
)
def test_a_key_for_other_uses_signs_no_login(usage: str, expected: Reason, seen_before: bool) -> None:
    """RFC 5280, 4.2.1.3: where keyUsage is there, a key that signs has digitalSignature or nonRepudiation, asked for or not."""
    root = make("usage root")
    holder = make(f"holder {usage}", root, ca=False, usages=[usage])
    judge = verifier([root])
    assert not PROFILE.key_usage_required
    if seen_before:  # as a certificate by itself it is good, and the cache says so
        assert reason(judge, holder) is Reason.CERTIFICATE_OK
    challenge = b"a challenge of somebody else's making"
    assert isinstance(holder.key, ec.EllipticCurvePrivateKey)
    signature = holder.key.sign(challenge, ec.ECDSA(hashes.SHA256()))
    for _ in range(2):
        assert judge.verify_logins(LoginBatch([holder.der], [challenge], [signature]), at=AT)[0].reason is expected


def test_verifiers_of_one_profile_for_other_issuers_share_no_finding() -> None:
    """`issuers_allowed` is an argument of the core and was in no key of the cache."""
    root = make("allowed root")
    leaf = make("allowed leaf", root, ca=False)
    store, engine, profile = TrustStore([root.der]), Engine(threads=1), PROFILE.to_native()

    def judge(allowed: int) -> Reason:
        out = ffi.new("seki_verifier **")
        check(
            lib.seki_verifier_new(engine.native, store.native, profile, bytes([allowed]), ffi.NULL, out),
            "making a verifier",
        )
        column, when, batch = Column.of([leaf.der]), times(AT, 1), ffi.new("seki_certificate_batch *")
        batch.rows, batch.certificates, batch.intermediates = 1, column.native[0], absent()
        batch.at, batch.at_stride, batch.confirmations = when.native, when.stride, 9
        verdict = ffi.new("seki_verdict[1]")
        check(lib.seki_verify_certificates(out[0], batch, verdict), "judging")
        lib.seki_verifier_free(out[0])
        return Reason(verdict[0].reason)

    assert [judge(1), judge(0), judge(1)] == [Reason.CERTIFICATE_OK, Reason.ISSUER_NOT_ALLOWED, Reason.CERTIFICATE_OK]
