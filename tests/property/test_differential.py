"""Small samples of the differential tests, and that they would see what they look for.

`python -m tests.property.paths`, `.certvalidator` and `.der` run as long as one likes.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from cryptography import x509
from tests.conformance.suites import ROOT
from tests.property import certvalidator, crl, der, logins, ocsp, paths
from tests.property.certificates import name, subject_of
from tests.property.chains import Batch, Maker, make_batch
from tests.property.keys import pool
from tests.property.opinions import OK, Core, OpenSsl, Pyca
from tests.property.rules import RULES, Seen
from tests.unit.login_desk import Keys

from sekisho.reasons import Reason
from sekisho.testing import AT
from sekisho.testing.der import oid

COUNT = 3000


@pytest.fixture(scope="module")
def report() -> paths.Report:
    return paths.hold(COUNT, "tests/1", batch_size=64)


def test_every_disagreement_on_a_path_has_a_rule(report: paths.Report) -> None:
    assert not report.unexplained, paths.table(report)
    assert report.false_accepts == 0
    assert report.cases >= COUNT


def test_the_cases_reach_everything(report: paths.Report) -> None:
    """They do not only break: a good share is accepted, and nearly every reason is told."""
    assert report.accepted > 0.15 * report.cases
    assert report.logins > 300
    missing = [one for one in Reason if int(one) not in report.reasons and one not in paths.UNREACHED]
    assert len(missing) < 8, missing


def test_the_same_seed_makes_the_same_cases() -> None:
    first, second = (make_batch("tests", 3, 40) for _ in range(2))
    assert [(case.leaf, case.sent) for case in first.cases] == [(case.leaf, case.sent) for case in second.cases]


def test_a_logged_case_is_the_same_again() -> None:
    batch = make_batch("tests", 4, 40)
    told, openssl = Core().told(batch), OpenSsl()
    theirs = openssl.told(batch)
    for index in range(0, 40, 7):
        seen = Seen(batch, batch.cases[index], told[index], theirs[index], "", openssl, Pyca(batch))
        again = paths.from_json(paths.as_json(seen, "openssl", "", "tests"))
        assert again.cases[0].leaf == batch.cases[index].leaf
        assert openssl.told(again) == [theirs[index]]


# ---- that a false accept would be seen ---------------------------------------------------------------------

_REFUSALS = {
    Reason.ISSUER_SIGNATURE_WRONG,
    Reason.ISSUER_EXPIRED,
    Reason.ISSUER_NOT_YET_VALID,
    Reason.ISSUER_NOT_CA,
    Reason.ISSUER_KEY_USAGE,
    Reason.EXPIRED,
    Reason.NOT_YET_VALID,
    Reason.PATH_TOO_LONG,
    Reason.NAME_CONSTRAINTS,
    Reason.POLICY,
}


def _one_way(batch: Batch, index: int) -> bool:
    """Whether no two CAs of a case share a name: then a refusal by us is one by OpenSSL, in whatever way it is asked."""
    family = batch.cases[index].family
    names = [subject_of(one) for one in {*family.anchors, *family.configured, *batch.cases[index].sent}]
    return len(names) == len(set(names))


def test_no_rule_explains_a_false_accept() -> None:
    """Refusals in which OpenSSL agrees, told as if they had been acceptances: nothing may explain them away."""
    openssl, core, looked_at = OpenSsl(), Core(), set()
    for number in range(8):
        batch = make_batch("tests/false", number, 192, "policy" if number % 2 else "plain")
        told, theirs, reader = core.told(batch), openssl.told(batch), Pyca(batch)
        for index, (reason, their) in enumerate(zip(told, theirs, strict=True)):
            if Reason(reason) not in _REFUSALS or their[0] == 0 or not _one_way(batch, index):
                continue
            if oid("2.5.29.30") in batch.cases[index].leaf:  # refused for what OpenSSL does not look at in a leaf
                continue
            seen = Seen(batch, batch.cases[index], OK, their, "", openssl, reader)
            rules = [rule for rule in RULES if rule.peer == "openssl" and "certificate-ok" in rule.reasons]
            wrong = [rule.name for rule in rules if rule.check(seen)]
            assert not wrong or _is_names_only(seen), (
                Reason(reason),
                their,
                wrong,
                seen.case.notes,
                seen.case.family.notes,
            )
            looked_at.add(Reason(reason))
    assert len(looked_at) >= 5, looked_at


def _is_names_only(seen: Seen) -> bool:
    """Names that differ in form alone are equal to OpenSSL (RFC 5280, 7.1); such a case says nothing here."""
    return bool(seen.notes & {"issuer-form", "ca-subject-form"})


def test_a_core_that_accepts_everything_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Core, "told", lambda _self, batch, _store=None: [OK] * len(batch.cases))
    judge = paths.Judge(paths.Report())
    judge.hold(replace(make_batch("tests/all", 1, 64, "plain"), also=()), "tests")
    assert judge.report.false_accepts > 20


def test_rules_are_named_once_and_say_why() -> None:
    assert len({(rule.name, rule.peer) for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert len(rule.because) > 20
        assert rule.reasons


# ---- keys and signatures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "ed25519"])
def test_the_pools_keys_sign_as_others_verify(kind: str) -> None:
    key, root = pool().by_kind[kind][0], name("root")
    for algorithm in key.algorithms:
        draft = Maker(random.Random(1), AT, "plain").ca(root, key, root, key, root=True)
        draft.algorithm = algorithm
        certificate = x509.load_der_x509_certificate(draft.sealed())
        if algorithm != "rsa-sha1":  # which cryptography does not verify on certificates
            certificate.verify_directly_issued_by(certificate)


def test_logins_are_judged_by_who_knows_the_mode() -> None:
    """Each profile's good signatures are right to its peer, and a changed one is wrong."""
    for profile in logins.PROFILES:
        batch, right = make_batch("tests/modes", 0, 24, profile), 0
        for case, login in zip(batch.cases, logins.make_logins("tests", batch, Keys(), Keys((9,))), strict=True):
            if not logins.signature_is_right(case, login, profile):
                continue
            right += 1
            changed = login.signature[:-1] + bytes((login.signature[-1] ^ 1,))
            assert not logins.signature_is_right(case, replace(login, signature=changed), profile)
        assert right > 8, profile


# ---- the other two -----------------------------------------------------------------------------------------


def test_pyhanko_certvalidator_agrees() -> None:
    report = certvalidator.hold(300, "tests")
    assert not report.unexplained, certvalidator.table(report)
    assert report.reasons[OK] > 30


@pytest.mark.skipif(not ROOT.is_dir(), reason="the conformance suites are not here")
def test_pyasn1_and_asn1crypto_read_what_we_read() -> None:
    report = der.hold(1000, "tests")
    assert not report.unexplained, der.table(report)
    assert report.read > 100


# ---- CRLs --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")
def test_what_is_read_of_a_crl_others_read_too() -> None:
    report = crl.hold(1500, "tests")
    assert not report.unexplained, crl.table(report)
    assert report.read > 200
    assert report.entries > 1000


def test_another_reading_of_a_crl_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def liar(data: bytes) -> crl.Fields:
        found = crl.by_cryptography(data)
        return replace(found, entries=tuple(replace(one, date=one.date + 1) for one in found.entries))

    def deaf(data: bytes) -> crl.Fields:
        raise crl.Refused("what is not heard")

    monkeypatch.setattr(crl, "ORACLES", {"liar": liar, "deaf": deaf})
    report = crl.hold(200, "tests")
    assert report.unexplained["liar reads another entries"] > 10
    assert report.unexplained["deaf refuses: what is not heard"] > 10


# ---- OCSP responses ----------------------------------------------------------------------------------------


def test_what_is_read_of_an_ocsp_response_others_read_too() -> None:
    report = ocsp.hold(2000, "tests")
    assert not report.unexplained, ocsp.table(report)
    assert report.read > 300
    assert report.singles > 500


def test_another_reading_of_an_ocsp_response_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def liar(data: bytes) -> ocsp.Fields | int:
        found = ocsp.by_cryptography(data)
        return found + 1 if isinstance(found, int) else replace(found, produced_at=found.produced_at + 1)

    def deaf(data: bytes) -> ocsp.Fields | int:
        raise ocsp.Refused("what is not heard")

    monkeypatch.setattr(ocsp, "ORACLES", {"liar": liar, "deaf": deaf})
    report = ocsp.hold(200, "tests")
    assert report.unexplained["liar reads another produced_at"] > 10
    assert report.unexplained["deaf refuses: what is not heard"] > 10
