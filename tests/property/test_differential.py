"""Small samples of the differential tests, and that they would see what they look for.

`python -m tests.property.paths`, `.certvalidator` and `.der` run as long as one likes.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from tests.conformance.suites import ROOT
from tests.property import certvalidator, crl, der, logins, ocsp, paths
from tests.property.certificates import (
    BC,
    NC,
    P1,
    P2,
    POL,
    SAN,
    Ext,
    name,
    policies,
    signed_again_without,
    spki_of,
    subject_of,
)
from tests.property.chains import Batch, Case, Family, Maker, make_batch
from tests.property.keys import Signer, pool
from tests.property.opinions import OK, Core, OpenSsl, Pyca
from tests.property.rules import RULES, Seen
from tests.unit.login_desk import Keys

from sekisho.reasons import Reason
from sekisho.testing import AT
from sekisho.testing import der as der_
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


# ---- disagreements that are none ---------------------------------------------------------------------------


def _roots(maker: Maker, *labels: str) -> tuple[list[Family], Signer]:
    """Families of one root each, all of one key."""
    key = pool().by_kind["rsa2048"][0]
    roots = [maker.ca(name(label), key, name(label), key, root=True).sealed() for label in labels]
    return [Family(number, [root]) for number, root in enumerate(roots)], key


def _disagreements(batch: Batch) -> paths.Report:
    judge = paths.Judge(paths.Report())
    judge.hold(batch, "tests")
    return judge.report


def test_a_leaf_under_a_ca_of_another_family_is_no_false_accept() -> None:
    """All families of a batch stand in one store, and a changed octet makes an issuer's name another's."""
    maker = Maker(random.Random(1), AT, "plain")
    families, key = _roots(maker, "anchor 11", "anchor 13")
    leaf = maker.holder(name("anchor 13"), key, pool().by_kind["rsa2048"][1]).sealed()
    batch = Batch("plain", AT, families, [Case(families[0], leaf, [], ())])
    report = _disagreements(batch)
    assert report.accepted == 1
    assert not report.unexplained
    assert set(report.rules) == {("another-family", "openssl"), ("another-family", "cryptography")}
    words = certvalidator.Report()
    certvalidator.Judge(words).hold(batch, "tests")
    assert not words.unexplained
    assert any(rule.startswith("another-family") for rule in words.rules)


def test_what_no_family_bears_out_stays_a_false_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same leaf, signed by a key that is nobody's: the peers refuse it in the batch's whole store too."""
    maker = Maker(random.Random(1), AT, "plain")
    families, _ = _roots(maker, "anchor 11", "anchor 13")
    other = pool().by_kind["rsa2048"][2]
    leaf = maker.holder(name("anchor 13"), other, pool().by_kind["rsa2048"][1]).sealed()
    monkeypatch.setattr(Core, "told", lambda _self, batch, _store=None: [OK] * len(batch.cases))
    batch = Batch("plain", AT, families, [Case(families[0], leaf, [], ())])
    assert _disagreements(batch).false_accepts == 2
    words = certvalidator.Report()
    certvalidator.Judge(words).hold(batch, "tests")
    assert words.false_accepts == 1


def test_a_way_up_by_a_teletex_name_is_none_beside_one_without_the_policies() -> None:
    """The cross certificate's path lacks the leaf's policy; the other's names are equal only where TeletexStrings are folded."""
    maker, keys = Maker(random.Random(1), AT, "policy"), pool().by_kind["rsa2048"]
    anchor, cross, ca = name("anchor 14"), name("cross 14"), name("ca 14 0")
    teletex = anchor.replace(b"\x0c\x0cDifferential", b"\x14\x0cDifferential")
    assert teletex != anchor
    root = maker.ca(teletex, keys[0], anchor, keys[0], root=True).sealed()
    other = maker.ca(cross, keys[1], cross, keys[1], root=True).sealed()
    below = []
    for issuer, signer, oid_ in ((anchor, keys[0], P2), (cross, keys[1], P1)):
        draft = maker.ca(ca, keys[2], issuer, signer)
        draft.extensions = [one for one in draft.extensions if one.oid != POL] + [Ext(POL, False, policies(oid_))]
        below.append(draft.sealed())
    leaf = maker.holder(ca, keys[2], keys[3])
    leaf.extensions = [one for one in leaf.extensions if one.oid != POL] + [Ext(POL, True, policies(P2))]
    family = Family(14, [root, other])
    report = _disagreements(Batch("policy", AT, [family], [Case(family, leaf.sealed(), below, ())]))
    assert report.reasons == {int(Reason.POLICY): 1}
    assert not report.unexplained
    assert set(report.rules) == {("teletex-by-octets-only", "openssl"), ("pyca-does-not-process", "cryptography")}


_MAIL = b"example.jp"
_NO_MAILBOX = b"@"


def _mail(address: bytes) -> Ext:
    return Ext(SAN, False, der_.sequence(der_.context_primitive(1, address)))


def _trees(number: int, base: bytes) -> Ext:
    """Name constraints on mailboxes: 0 permits the base alone, 1 excludes it."""
    return Ext(NC, True, der_.sequence(der_.context(number, der_.sequence(der_.context_primitive(1, base)))))


def _under_constraints(upper: list[Ext], lower: list[Ext], leaf: list[Ext]) -> Batch:
    """Anchor, two CAs and a leaf, with these extensions too."""
    maker, keys = Maker(random.Random(1), AT, "plain"), pool().by_kind["rsa2048"]
    names = [name(one) for one in ("anchor 7", "ca 7 0", "ca 7 1")]
    root = maker.ca(names[0], keys[0], names[0], keys[0], root=True).sealed()
    cas = [maker.ca(names[i], keys[i], names[i - 1], keys[i - 1]) for i in (1, 2)]
    holder = maker.holder(names[2], keys[2], keys[3])
    holder.drop(SAN)
    for draft, more in zip((*cas, holder), (upper, lower, leaf), strict=True):
        draft.extensions += more
    family = Family(7, [root], [draft.sealed() for draft in cas])
    return Batch("plain", AT, [family], [Case(family, holder.sealed(), [], ())])


@pytest.mark.parametrize("address", [b"a@other.example", _NO_MAILBOX])
def test_constraints_of_a_ca_are_not_for_its_own_names(address: bytes) -> None:
    """RFC 5280, 6.1.3 (b) and (c) stand before 6.1.4 (g); `cryptography` holds them against one another."""
    excluded = address.partition(b"@")[2] or _MAIL
    for upper, lower in (([], [_trees(0, _MAIL), _mail(address)]), ([_trees(1, excluded), _mail(address)], [])):
        report = _disagreements(_under_constraints(upper, lower, []))
        assert report.accepted == 1
        assert report.rules == {("pyca-own-constraints", "cryptography"): 1}, paths.table(report)
        assert not report.unexplained


@pytest.mark.parametrize(
    ("upper", "lower", "leaf"),
    [
        ([], [_trees(1, _MAIL), _mail(b"a@" + _MAIL)], [_mail(_NO_MAILBOX)]),
        ([_trees(1, _MAIL), _mail(b"a@" + _MAIL)], [], [_mail(_NO_MAILBOX)]),
        ([_trees(1, _MAIL), _mail(_NO_MAILBOX)], [_mail(_NO_MAILBOX)], []),
        ([_trees(1, _MAIL)], [_trees(1, b"other.example"), _mail(_NO_MAILBOX)], []),
    ],
)
def test_names_below_constraints_are_not_excused_by_names_of_the_ca(
    upper: list[Ext], lower: list[Ext], leaf: list[Ext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no mailbox cannot be held against a constraint, and OpenSSL lets it pass: a core that does so too is seen."""
    batch = _under_constraints(upper, lower, leaf)
    assert Core().told(batch) == [int(Reason.NAME_CONSTRAINTS)]
    monkeypatch.setattr(Core, "told", lambda _self, batch, _store=None: [OK] * len(batch.cases))
    report = _disagreements(batch)
    assert report.false_accepts == 1, paths.table(report)


def test_a_certificate_signed_again_is_all_that_it_was_but_for_what_was_taken_away() -> None:
    batch = _under_constraints([_trees(0, _MAIL), _mail(b"a@" + _MAIL)], [], [])
    one = x509.load_der_x509_certificate(batch.families[0].configured[0])
    anchor = x509.load_der_x509_certificate(batch.families[0].anchors[0])
    again = signed_again_without(batch.families[0].configured[0], SAN, spki_of(batch.families[0].anchors[0]))
    assert again is not None
    twin = x509.load_der_x509_certificate(again)
    twin.verify_directly_issued_by(anchor)
    left = [extension for extension in one.extensions if extension.oid.dotted_string != SAN]
    assert len(left) == len(list(one.extensions)) - 1
    assert list(twin.extensions) == left
    assert (twin.subject, twin.serial_number, twin.public_key()) == (one.subject, one.serial_number, one.public_key())
    assert signed_again_without(batch.families[0].configured[0], SAN, b"nobody's") is None


def test_a_case_whose_own_family_makes_no_store_is_sent_to_its_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = Maker(random.Random(1), AT, "plain")
    key = pool().by_kind["rsa2048"][0]
    draft = maker.ca(name("anchor 11"), key, name("anchor 11"), key, root=True)
    draft.extensions = [one for one in draft.extensions if one.oid != BC]
    family = Family(11, [draft.sealed()])
    case = Case(family, maker.holder(name("anchor 11"), key, key).sealed(), [], ())
    batch = Batch("plain", AT, [family], [case])
    seen = Seen(batch, case, OK, (20, 0), "", OpenSsl(), Pyca(batch))
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(paths.as_json(seen, "openssl", "", "422/269/734")) + "\n")
    assert paths.replay(log) == 1
    assert "--seed 422 --first 269" in capsys.readouterr().out


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
