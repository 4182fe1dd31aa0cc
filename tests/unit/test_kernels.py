"""Trust in the lanes is earned: a kernel that fails, accepts wrongly or rejects wrongly costs no right answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sekisho import testing
from sekisho._native import check, lib
from sekisho.challenges import ChallengeKeys, tokens_of
from sekisho.claims import Claims
from sekisho.engine import KERNELS, Engine, Kernel, disable_kernel, kernels
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.ocsp import OcspChecker
from sekisho.signatures import KeySet, SignatureBatch, verify_signatures
from sekisho.testing import City, build_city
from sekisho.testing.keys import KeyKind, SigningKey
from sekisho.trust import TrustStore
from sekisho.verdicts import Verdicts
from sekisho.verifier import LoginBatch, Verifier

pytestmark = pytest.mark.skipif(
    os.environ.get("SEKISHO_LANES") == "0",
    reason="SEKISHO_LANES=0 switches every kernel off that a fault could be put in",
)

RSA = ("rsa-avx512", "rsa-ifma", "rsa-crypto-mb", "rsa-avx2")
KINDS: dict[KeyKind, str] = {
    "rsa2048": "rsassa-pkcs1-v1_5-sha256",
    "rsa3072": "rsassa-pkcs1-v1_5-sha256",
    "rsa4096": "rsassa-pkcs1-v1_5-sha256",
    "p256": "ecdsa-sha256-der",
    "p384": "ecdsa-sha384-der",
    "ed25519": "ed25519",
}
ROWS = 24  # three groups of lanes


def plant(name: str, fault: int) -> None:
    check(lib.seki_kernels_plant(KERNELS[name], fault), f"planting a fault in {name}")


def kernel(name: str) -> Kernel:
    return next(one for one in kernels() if one.name == name)


def here() -> list[str]:
    """Kernels that this machine has and that are on."""
    return [one.name for one in kernels() if one.state == "on"]


def signing() -> list[str]:
    return [name for name in here() if name != "sha256"]


@pytest.fixture(autouse=True)
def kernels_as_they_were() -> Iterator[None]:
    """Kernels are the process's: whatever a test does to them is undone."""
    status = lib.seki_kernels_plant(KERNELS["sha256"], lib.SEKI_FAULT_NONE)
    assert status == lib.SEKI_OK, (
        "these tests plant faults in kernels, which only a build with SEKISHO_TEST_FAULTS=1 allows; `make test` has one"
    )
    before = {one.name: one.state for one in kernels()}
    yield
    for name in KERNELS:
        plant(name, lib.SEKI_FAULT_NONE)
        if before[name] == "off-requested":
            disable_kernel(name)
    assert {one.name: one.state for one in kernels()} == before


def engine(cross_check_one_in: int = 0) -> Engine:
    return Engine(threads=1, cache_bytes=0, cross_check_one_in=cross_check_one_in)


_cities: dict[KeyKind, City] = {}


def batch(kind: KeyKind, bad: frozenset[int] = frozenset()) -> SignatureBatch:
    """24 signatures, each by a key of its own; rows of `bad` are over another message."""
    if kind not in _cities:
        _cities[kind] = build_city(ROWS, seed="kernels", key=kind, authority_key="p256", purposes=("auth",), workers=1)
    keys: list[SigningKey] = [_cities[kind].key(row) for row in range(ROWS)]
    messages = [b"message %d" % row for row in range(ROWS)]
    return SignatureBatch(
        keys=KeySet([key.spki for key in keys]),
        signatures=[key.sign(message) for key, message in zip(keys, messages, strict=True)],
        messages=[message + b"!" if row in bad else message for row, message in enumerate(messages)],
        mode=KINDS[kind],
    )


def kinds_of(name: str) -> tuple[KeyKind, ...]:
    return ("rsa2048", "rsa3072", "rsa4096") if name in RSA else (name,)  # type: ignore[return-value]


def answer_right(verdicts: Verdicts, bad: frozenset[int] = frozenset()) -> None:
    expected = [Reason.SIGNATURE_WRONG if row in bad else Reason.SIGNATURE_OK for row in range(ROWS)]
    assert [verdict.reason for verdict in verdicts] == expected


BAD = frozenset({0, 9, 23})


def test_the_chosen_rsa_kernel_is_the_fastest_that_is_on() -> None:
    on = [one for one in kernels() if one.name in RSA and one.state == "on"]
    chosen = [one for one in kernels() if one.chosen]
    if not on:
        assert chosen == []
    else:
        assert chosen == [min(on, key=lambda one: one.ns_per_row)]
        assert all(one.ns_per_row > 0 for one in on)


def test_every_kind_of_key_is_answered_right_by_lanes_and_without_them() -> None:
    for kind in KINDS:
        work = batch(kind, BAD)
        for cross_check in (0, 1, 5):
            answer_right(verify_signatures(work, engine=engine(cross_check)), BAD)
    for name in KERNELS:
        disable_kernel(name)
    assert here() == []
    for kind in KINDS:
        verdicts = verify_signatures(batch(kind, BAD), engine=engine(1))
        answer_right(verdicts, BAD)
        assert {verdict.backend for verdict in verdicts} == {"openssl"}
        assert {verdict.flags for verdict in verdicts} == {frozenset()}


def test_a_failed_self_test_switches_the_kernel_off() -> None:
    for name in here():
        plant(name, lib.SEKI_FAULT_SELF_TEST)
        assert kernel(name).state == "off-self-test"
        assert not kernel(name).chosen
        before = kernel(name).lanes
        for kind in KINDS:
            answer_right(verify_signatures(batch(kind, BAD), engine=engine()), BAD)
        assert kernel(name).lanes == before  # it answered nothing
        others = [one for one in kernels() if one.name in RSA and one.state == "on"]
        assert sum(one.chosen for one in kernels()) == (1 if others else 0)
        disable_kernel(name)
        assert kernel(name).state == "off-self-test"  # the first reason is kept
        plant(name, lib.SEKI_FAULT_NONE)
        assert kernel(name).state == "on"


def test_a_wrong_acceptance_that_is_cross_checked_switches_the_kernel_off() -> None:
    for name in signing():
        for kind in kinds_of(name):
            plant(name, lib.SEKI_FAULT_NONE)
            choose(name)
            plant(name, lib.SEKI_FAULT_ACCEPT)
            assert kernel(name).state == "on"  # its self-test sees nothing of it
            verdicts = verify_signatures(batch(kind, BAD), engine=engine(cross_check_one_in=1))
            answer_right(verdicts, BAD)
            assert kernel(name).state == "off-wrong-accept"
            assert verdicts[0].backend == "openssl"
            answer_right(verify_signatures(batch(kind, BAD), engine=engine()), BAD)
        plant(name, lib.SEKI_FAULT_NONE)


def test_what_a_kernel_said_before_it_was_found_out_does_not_stand() -> None:
    """Its wrong acceptance shows late in a call of several ranges: nothing of the call may rest on it."""
    if not any(name in RSA for name in signing()):
        pytest.skip("no RSA kernel is on here")
    rows = 1_200
    key = _cities.setdefault("rsa2048", build_city(ROWS, seed="kernels", key="rsa2048", authority_key="p256",
                                                   purposes=("auth",), workers=1)).key(0)  # fmt: skip
    for name in signing():
        plant(name, lib.SEKI_FAULT_ACCEPT)
    forged = SignatureBatch(KeySet([key.spki]), [b"\1" * 256] * rows, [b"m"] * rows, KINDS["rsa2048"], key=0)
    verdicts = verify_signatures(forged, engine=engine(cross_check_one_in=rows - 100))
    assert verdicts.count() == {Reason.SIGNATURE_WRONG: rows}
    assert any(one.state == "off-wrong-accept" for one in kernels())


def test_logins_claimed_before_a_kernel_was_found_out_are_taken_back(tmp_path: Path) -> None:
    if not any(name in RSA for name in signing()):
        pytest.skip("no RSA kernel is on here")
    city, rows = testing.small_city(), 700
    keys = ChallengeKeys.generate()
    profile = Profile.load("jpki-auth-test")
    tokens = tokens_of(keys.issue(rows, profile=profile.id32, at=testing.AT))
    certificates = [city.certificate(row % 16) for row in range(rows)]
    late = Engine(threads=1, cache_bytes=1 << 24, cross_check_one_in=rows - 100)
    claims = Claims.open(tmp_path / "claims", capacity=4096, fresh=True)
    verifier = Verifier(TrustStore(list(city.trust("auth"))), profile, challenges=keys, claims=claims, engine=late)
    assert set(verifier.verify_certificates(certificates[:16], at=testing.AT).count()) == {Reason.CERTIFICATE_OK}
    for name in signing():
        plant(name, lib.SEKI_FAULT_ACCEPT)
    verdicts = verifier.verify_logins(LoginBatch(certificates, tokens, [b"\1" * 256] * rows), at=testing.AT)
    counts = verdicts.count()
    assert set(counts) <= {Reason.ENGINE_FAULT, Reason.SIGNATURE_WRONG, Reason.SIGNATURE_UNCONFIRMED}
    assert counts[Reason.ENGINE_FAULT] > 0  # the first ranges, whose challenges were claimed by then


def test_responses_that_a_kernel_accepted_before_it_was_found_out_are_good_no_more() -> None:
    if not any(name in RSA for name in signing()):
        pytest.skip("no RSA kernel is on here")
    city, rows = testing.small_city(), list(testing.small_city().rows("auth"))
    profile = replace(Profile.load("jpki-auth-test"), name="doubted-test", revocation="required")
    trust = TrustStore(list(city.trust("auth")))
    checker = OcspChecker(trust, profile, engine=engine())
    certificates = [city.certificate(row) for row in rows]
    forged = [city.ocsp(row)[:-1] + bytes((city.ocsp(row)[-1] ^ 1,)) for row in rows]
    for name in signing():
        plant(name, lib.SEKI_FAULT_ACCEPT)
    statements = checker.check(forged, certificates, at=testing.AT)
    assert {one.status for one in statements} == {"good"}  # as the kernel says, and nobody looked
    verify_signatures(batch("rsa2048", BAD), engine=engine(cross_check_one_in=1))
    assert any(one.state == "off-wrong-accept" for one in kernels())
    verifier = Verifier(trust, profile, engine=engine())
    verdicts = verifier.verify_certificates(certificates, at=testing.AT, ocsp=statements)
    assert set(verdicts.count()) == {Reason.REVOCATION_UNKNOWN}
    again = checker.check(forged, certificates, at=testing.AT)
    assert {one.refusal for one in again} == {Reason.OCSP_SIGNATURE_WRONG}
    good = checker.check([city.ocsp(row) for row in rows], certificates, at=testing.AT)
    verdicts = verifier.verify_certificates(certificates, at=testing.AT, ocsp=good)
    assert set(verdicts.count()) == {Reason.CERTIFICATE_OK}


def choose(name: str) -> None:
    """Makes `name` the RSA kernel that answers, if it is one, whatever was chosen before."""
    if name not in RSA:
        return
    plant(name, lib.SEKI_FAULT_NONE)  # switches it on again
    for other in RSA:
        if other != name and kernel(other).state == "on":
            disable_kernel(other)


def test_a_sample_of_acceptances_finds_a_wrong_one_in_the_end() -> None:
    for name in signing():
        choose(name)
        plant(name, lib.SEKI_FAULT_ACCEPT)
        forged = batch(kinds_of(name)[0], frozenset(range(ROWS)))
        one = engine(cross_check_one_in=50)
        accepted = []
        while kernel(name).state == "on" and len(accepted) < 10:
            accepted.append(int(verify_signatures(forged, engine=one).ok.sum()))
        assert kernel(name).state == "off-wrong-accept"
        # What passed before the sample came round; of the batch in which it did, nothing stands.
        assert accepted == [ROWS, ROWS, 0]
        answer_right(verify_signatures(forged, engine=one), frozenset(range(ROWS)))
        plant(name, lib.SEKI_FAULT_NONE)


def test_a_wrong_rejection_is_mended_and_the_kernel_stays_on() -> None:
    for name in signing():
        choose(name)
        for kind in kinds_of(name):
            plant(name, lib.SEKI_FAULT_REJECT)
            before = kernel(name)
            verdicts = verify_signatures(batch(kind, BAD), engine=engine())
            answer_right(verdicts, BAD)
            after = kernel(name)
            assert after.state == "on"
            assert after.lanes - before.lanes == ROWS
            assert after.rejected - before.rejected == ROWS
            assert after.mended - before.mended == ROWS - len(BAD)
            for row, verdict in enumerate(verdicts):
                assert verdict.flags == {"confirmed" if row in BAD else "mended"}
                assert (verdict.backend == "openssl") == (row not in BAD)
        plant(name, lib.SEKI_FAULT_NONE)


@pytest.mark.parametrize("budget", [0, 1, 2, 100])
def test_rejections_beyond_the_budget_are_unconfirmed(budget: int) -> None:
    bad = frozenset(range(2, 14))
    for name in signing():
        choose(name)
        verdicts = verify_signatures(batch(kinds_of(name)[0], bad), engine=engine(), confirmations=budget)
        count = verdicts.count()
        assert count[Reason.SIGNATURE_OK] == ROWS - len(bad)
        assert count.get(Reason.SIGNATURE_WRONG, 0) == min(budget, len(bad))
        assert count.get(Reason.SIGNATURE_UNCONFIRMED, 0) == max(0, len(bad) - budget)
        for verdict in verdicts:
            assert ("confirmed" in verdict.flags) == (verdict.reason is Reason.SIGNATURE_WRONG)


def test_what_needs_no_arithmetic_needs_no_confirmation() -> None:
    """Lengths and ranges are looked at before any lane, so garbage spends nobody's budget."""
    good = batch("rsa2048")
    signatures = [bytes(256)] * (ROWS - 1) + [good.signatures[-1][:-1]]
    work = SignatureBatch(good.keys, signatures, good.messages, good.mode)
    verdicts = verify_signatures(work, engine=engine(), confirmations=0)
    assert verdicts.count() == {Reason.SIGNATURE_WRONG: ROWS - 1, Reason.SIGNATURE_LENGTH: 1}
    assert {verdict.backend for verdict in verdicts} == {"none"}


def test_faults_in_logins_cost_no_right_answer_either() -> None:
    """Both signatures of a login, the issuer's and the holder's, go through the lanes."""
    city = testing.small_city()
    foreign = replace(Profile.load("jpki-auth-test"), name="kernels-foreign", challenge="foreign")
    logins = testing.make_logins(city, [b"foreign challenge %d" % row for row in range(16)], workers=1)
    forged = [
        testing.a_bad_login(kind, citizen=row % 16) for row, kind in enumerate(["forged", "signature-by-another"] * 8)
    ]
    columns = LoginBatch(
        certificates=[*logins.certificates, *(one.certificate for one in forged)],
        challenges=[*logins.challenges, *(one.challenge for one in forged)],
        signatures=[*logins.signatures, *(one.signature for one in forged)],
    )
    expected = ["accepted"] * 16 + ["issuer-signature-wrong", "signature-wrong"] * 8
    for fault in (lib.SEKI_FAULT_NONE, lib.SEKI_FAULT_REJECT, lib.SEKI_FAULT_ACCEPT, lib.SEKI_FAULT_SELF_TEST):
        for name in signing():
            plant(name, fault)
        one = Engine(threads=1, cache_bytes=1 << 24, cross_check_one_in=1)
        verifier = Verifier(TrustStore(list(city.trust("auth"))), foreign, engine=one)
        for _ in range(2):
            told = [
                verdict.reason.kebab for verdict in verifier.verify_logins(columns, at=testing.AT, confirmations=999)
            ]
            assert told == expected, fault
        if fault == lib.SEKI_FAULT_ACCEPT and any(kernel(name).state != "absent" for name in RSA):
            assert any(one.state == "off-wrong-accept" for one in kernels())
        for name in KERNELS:
            plant(name, lib.SEKI_FAULT_NONE)


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_hashes_are_not_believed_either(kind: KeyKind) -> None:
    """OpenSSL's confirmation would be worth nothing if it were asked about the hash that the lanes made."""
    plant("sha256", lib.SEKI_FAULT_REJECT)  # every hash has a wrong bit
    for cross_check in (0, 1):
        answer_right(verify_signatures(batch(kind, BAD), engine=engine(cross_check)), BAD)
    assert kernel("sha256").state in ("off-wrong-accept", "absent")


def test_a_rejection_left_unconfirmed_is_never_remembered_as_a_forgery() -> None:
    """A refusal that rests on a spent budget is not cached: the same certificate is good a moment later."""
    if not any(name in RSA for name in signing()):
        pytest.skip("no RSA kernel is on here: OpenSSL's rejections need no confirmation")
    city = testing.small_city()
    foreign = replace(Profile.load("jpki-auth-test"), name="kernels-budget", challenge="foreign")
    verifier = Verifier(TrustStore(list(city.trust("auth"))), foreign, engine=Engine(threads=1, cache_bytes=1 << 24))
    certificates = [city.certificate(row) for row in range(16)]
    for name in signing():
        plant(name, lib.SEKI_FAULT_REJECT)
    verdicts = verifier.verify_certificates(certificates, at=testing.AT, confirmations=0)
    assert verdicts.count() == {Reason.SIGNATURE_UNCONFIRMED: 16}
    for name in KERNELS:
        plant(name, lib.SEKI_FAULT_NONE)
    verdicts = verifier.verify_certificates(certificates, at=testing.AT, confirmations=0)
    assert verdicts.count() == {Reason.CERTIFICATE_OK: 16}
