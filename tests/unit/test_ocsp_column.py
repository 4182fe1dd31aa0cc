"""OCSP statements in the way of a login, beside the CRLs in force: one call decides by both, each rule by its name."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.chains import DAY, OK, PROFILE, Made, key, leaf, make, store
from tests.unit.crls import crl, in_force, partition, points, snapshot
from tests.unit.ocsps import GOOD, UNKNOWN, respond, responder, revoked, serial_of, single

from sekisho._native import ffi
from sekisho.batch import frozen
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.ocsp import OCSP_STATEMENT, OcspChecker, OcspStatements
from sekisho.revocation.snapshot import Revocation
from sekisho.testing import AT
from sekisho.verdicts import LOGIN_VERDICT, Verdict
from sekisho.verifier import LoginBatch, Verifier

REVOKED, UNKNOWN_, STALE = Reason.REVOKED, Reason.REVOCATION_UNKNOWN, Reason.REVOCATION_STALE
LATER, NONE = Reason.REVOCATION_NOT_YET_VALID, Reason.REVOCATION_NOT_CONFIGURED
WANTED = replace(PROFILE, name="ocsp-column", revocation="required")
SOFT = replace(WANTED, name="ocsp-column-soft", revocation="soft")
HOLD = x509.ReasonFlags.certificate_hold
H = 3600

ROOT = make("column root")
HOLDER = leaf(ROOT, "column holder")
CA = make("column ca", ROOT)
BELOW = leaf(CA, "column below")
TRUST = store([ROOT], [CA])


def said(
    holder: Made = HOLDER,
    status: bytes = GOOD,
    this_update: int = AT - H,
    next_update: int | None = AT + H,
    *,
    issuer: Made = ROOT,
    at: int = AT,
    profile: Profile = WANTED,
) -> OcspStatements:
    """What a response establishes of a certificate at a time; it must establish something."""
    response = respond(
        issuer,
        single(holder, issuer, status, this_update=this_update, next_update=next_update),
        produced_at=this_update,
    )
    found = OcspChecker(store([ROOT, issuer], [CA]), profile).check([response], [holder.der], at=at)
    assert found[0].status != "none", found[0].refusal
    return found


def none(rows: int = 1) -> OcspStatements:
    return OcspStatements(np.zeros(rows, OCSP_STATEMENT), np.zeros(rows, np.uint16))


def together(*given: OcspStatements) -> OcspStatements:
    return OcspStatements(np.concatenate([one.array for one in given]), np.concatenate([one.reasons for one in given]))


def judge(revocation: Revocation | None, profile: Profile = WANTED, **how: Any) -> Verifier:
    return Verifier(
        how.get("trust", TRUST), profile, revocation=revocation, engine=Engine(threads=1, cross_check_one_in=1)
    )


def ask(
    by: Verifier,
    ocsp: OcspStatements | None,
    holder: Made = HOLDER,
    *,
    at: int = AT,
    sent: Iterable[Made] = (),
    of_cas: OcspStatements | None = None,
) -> Verdict:
    """Cold, then warm: the same."""
    chain = [b"".join(one.der for one in sent)]
    first, again = (
        by.verify_certificates([holder.der], chain, at=at, ocsp=ocsp, ocsp_of_cas=of_cas)[0] for _ in range(2)
    )
    assert (first.reason, first.revocation_by) == (again.reason, again.revocation_by)
    return again


def crls(folder: Path, *revoked_: Made, **how: Any) -> Revocation:
    """A list of the root's in force."""
    return in_force(snapshot(folder, [(crl(ROOT, revoked_, **how), ROOT, [ROOT])]))


# ---- either alone ------------------------------------------------------------------------------------------


def test_good_by_ocsp_where_no_crl_is_loaded(tmp_path: Path) -> None:
    elsewhere = make("column elsewhere")
    others = in_force(snapshot(tmp_path, [(crl(elsewhere), elsewhere, [elsewhere])]))
    for revocation in (None, Revocation(), others):
        by = judge(revocation)
        verdict = ask(by, said())
        assert (verdict.reason, verdict.revocation_by) == (OK, {"ocsp"})
        assert ask(by, none()).reason is (UNKNOWN_ if revocation is others else NONE)
        assert ask(by, None).reason is (UNKNOWN_ if revocation is others else NONE)


def test_the_verdict_tells_who_counted_and_how_old_that_is(tmp_path: Path) -> None:
    by = judge(crls(tmp_path, this_update=AT - 2 * H))
    for ocsp, sources, age in (
        (None, {"crl"}, 2 * H),
        (none(), {"crl"}, 2 * H),
        (said(this_update=AT - H), {"crl", "ocsp"}, 2 * H),  # the oldest that counted
        (said(this_update=AT - 3 * H), {"crl", "ocsp"}, 3 * H),
        (said(status=UNKNOWN), {"crl"}, 2 * H),
    ):
        verdict = ask(by, ocsp)
        assert (verdict.reason, verdict.revocation_by) == (OK, sources)
        row = by.verify_certificates([HOLDER.der], at=AT, ocsp=ocsp).array[0]
        assert row["revocation_age"] == age
        assert row.tobytes()[25:] == bytes(7)
    alone = judge(None).verify_certificates([HOLDER.der], at=AT, ocsp=said()).array[0]
    assert (alone["revocation_age"], alone["snapshot"]) == (H, 0)
    assert LOGIN_VERDICT.itemsize == ffi.sizeof("seki_verdict")


def test_revoked_by_ocsp_wins_over_a_good_crl(tmp_path: Path) -> None:
    by = judge(crls(tmp_path, this_update=AT - 60))
    for status in (revoked(), revoked(1), revoked(0), revoked(10)):
        for when in (AT - H, AT - 60, AT - 30):
            verdict = ask(by, said(status=status, this_update=when))
            assert (verdict.reason, verdict.revocation_by) == (REVOKED, {"ocsp"})


def test_revoked_by_crl_wins_over_a_good_response(tmp_path: Path) -> None:
    by = judge(crls(tmp_path, HOLDER, this_update=AT - H))
    for when in (AT - 2 * H, AT - H, AT - 1):  # a later word lifts nothing but a hold
        verdict = ask(by, said(this_update=when))
        assert (verdict.reason, verdict.revocation_by) == (REVOKED, {"crl"})
    for reason in (x509.ReasonFlags.key_compromise, x509.ReasonFlags.unspecified, x509.ReasonFlags.superseded):
        by = judge(crls(tmp_path, HOLDER, reasons=[reason], this_update=AT - H))
        assert ask(by, said(this_update=AT - 1)).reason is REVOKED


def test_revoked_by_both(tmp_path: Path) -> None:
    verdict = ask(judge(crls(tmp_path, HOLDER)), said(status=revoked(1)))
    assert (verdict.reason, verdict.revocation_by) == (REVOKED, {"crl", "ocsp"})
    held = judge(crls(tmp_path, HOLDER, reasons=[HOLD]))
    verdict = ask(held, said(status=revoked(1)))  # for good by one, on hold by the other
    assert (verdict.reason, verdict.revocation_by) == (REVOKED, {"ocsp"})


# ---- holds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crl_at", "ocsp_at", "expected"),
    [(AT - 2 * H, AT - H, OK), (AT - H, AT - H, REVOKED), (AT - H, AT - 2 * H, REVOKED)],
)
def test_a_hold_on_a_crl_is_lifted_by_a_later_response_alone(
    tmp_path: Path, crl_at: int, ocsp_at: int, expected: Reason
) -> None:
    by = judge(crls(tmp_path, HOLDER, reasons=[HOLD], this_update=crl_at, revoked_at=AT - DAY))
    verdict = ask(by, said(this_update=ocsp_at))
    assert (verdict.reason, verdict.revocation_by) == (expected, {"ocsp"} if expected is OK else {"crl"})
    assert ask(by, None).reason is REVOKED
    assert ask(by, said(status=UNKNOWN, this_update=ocsp_at)).reason is REVOKED


@pytest.mark.parametrize(
    ("ocsp_at", "crl_at", "expected"),
    [(AT - 2 * H, AT - H, OK), (AT - H, AT - H, REVOKED), (AT - H, AT - 2 * H, REVOKED)],
)
def test_a_hold_by_ocsp_is_lifted_by_a_later_crl_alone(
    tmp_path: Path, ocsp_at: int, crl_at: int, expected: Reason
) -> None:
    verdict = ask(judge(crls(tmp_path, this_update=crl_at)), said(status=revoked(6), this_update=ocsp_at))
    assert (verdict.reason, verdict.revocation_by) == (expected, {"crl"} if expected is OK else {"ocsp"})


def test_a_hold_is_lifted_by_nothing_that_is_stale(tmp_path: Path) -> None:
    late = AT + 2 * H  # the response's nextUpdate has passed
    by = judge(crls(tmp_path, HOLDER, reasons=[HOLD], this_update=AT - 2 * H))
    assert ask(by, said(this_update=AT - H)).reason is OK
    assert ask(by, said(this_update=AT - H), at=late).reason is REVOKED
    by = judge(crls(tmp_path, this_update=AT - H, next_update=AT + H))
    assert ask(by, said(status=revoked(6), this_update=AT - 2 * H)).reason is OK
    assert ask(by, said(status=revoked(6), this_update=AT - 2 * H), at=late).reason is REVOKED


def test_a_hold_is_lifted_by_no_list_of_some_reasons(tmp_path: Path) -> None:
    """One list that would name the hold is older than it: that the other is newer says nothing."""
    some = frozenset({x509.ReasonFlags.key_compromise})
    rest = frozenset(x509.ReasonFlags) - some - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
    holder = leaf(ROOT, "column holder", extra=[(points("p"), False)])
    newer = crl(ROOT, this_update=AT - 60, idp=partition("p", only_some_reasons=some))
    older = crl(ROOT, this_update=AT - 2 * H, idp=partition("p", only_some_reasons=rest))
    by = judge(in_force(snapshot(tmp_path, [(newer, ROOT, [ROOT]), (older, ROOT, [ROOT])])))
    assert ask(by, none(), holder).reason is OK
    assert ask(by, said(holder, revoked(6), AT - H), holder).reason is REVOKED
    by = judge(in_force(snapshot(tmp_path, [(newer, ROOT, [ROOT])])))
    assert ask(by, said(holder, revoked(6), AT - H), holder).reason is REVOKED


def test_of_several_lists_a_final_word_is_not_taken_for_a_hold(tmp_path: Path) -> None:
    holder = leaf(ROOT, "column holder", extra=[(points("p"), False)])
    key_list = crl(ROOT, [holder], reasons=[x509.ReasonFlags.key_compromise], this_update=AT - 3 * H)
    hold_list = crl(ROOT, [holder], reasons=[HOLD], this_update=AT - 2 * H, idp=partition("p"))
    newer_hold = crl(ROOT, [holder], reasons=[HOLD], this_update=AT - 60)
    for lists, expected in (
        ([key_list, hold_list], REVOKED),
        ([hold_list, key_list], REVOKED),
        ([hold_list], OK),
        ([hold_list, newer_hold], REVOKED),  # the newest hold is what must be lifted
        ([newer_hold, hold_list], REVOKED),
    ):
        by = judge(in_force(snapshot(tmp_path, [(one, ROOT, [ROOT]) for one in lists])))
        assert ask(by, said(holder, this_update=AT - H), holder).reason is expected


# ---- whose certificate -------------------------------------------------------------------------------------


def test_a_statement_on_another_serial_says_nothing(tmp_path: Path) -> None:
    neighbour = leaf(ROOT, "column neighbour")
    assert ask(judge(None), said(neighbour)).reason is NONE
    by = judge(crls(tmp_path))
    assert ask(by, said(neighbour, revoked(1))).reason is OK
    by = judge(crls(tmp_path, HOLDER, reasons=[HOLD], this_update=AT - 2 * H))
    assert ask(by, said(neighbour)).reason is REVOKED  # and lifts nothing


def test_statements_in_another_order_say_nothing() -> None:
    neighbour = leaf(ROOT, "column neighbour")
    both = together(said(), said(neighbour))
    by = judge(None)
    verdicts = by.verify_certificates([HOLDER.der, neighbour.der], at=AT, ocsp=both)
    assert [one.reason for one in verdicts] == [OK, OK]
    verdicts = by.verify_certificates([neighbour.der, HOLDER.der], at=AT, ocsp=both)
    assert [one.reason for one in verdicts] == [NONE, NONE]


@pytest.mark.parametrize("name", [ROOT.name, "column other"])
def test_another_key_speaks_for_no_certificate_of_this_one(tmp_path: Path, name: str) -> None:
    """Another generation of the issuer, under the same name; and another CA with a certificate of the same serial."""
    other = make(name, own_key="column second key")
    theirs, trust = leaf(other, "column holder", serial=serial_of(HOLDER)), store([ROOT, other])
    good, gone = (
        OcspChecker(trust, WANTED).check([respond(other, single(theirs, other, status))], [theirs.der], at=AT)
        for status in (GOOD, revoked(1))
    )
    assert ask(judge(None, trust=trust), good, theirs).reason is OK
    assert ask(judge(None, trust=trust), good).reason is NONE
    assert ask(judge(crls(tmp_path), trust=trust), gone).reason is OK
    held = judge(crls(tmp_path, HOLDER, reasons=[HOLD], this_update=AT - 2 * H), trust=trust)
    assert ask(held, said()).reason is OK
    assert ask(held, good).reason is REVOKED


def test_a_forged_certificate_learns_nothing(tmp_path: Path) -> None:
    """That a serial is revoked is said of no certificate whose own signature is wrong."""
    forged = bytearray(HOLDER.der)
    forged[-1] ^= 1
    by = judge(crls(tmp_path))
    assert ask(by, said(status=revoked(1))).reason is REVOKED
    for ocsp in (None, said(status=revoked(1))):
        verdict = by.verify_certificates([bytes(forged)], at=AT, ocsp=ocsp)[0]
        assert (verdict.reason, verdict.revocation_by) == (Reason.ISSUER_SIGNATURE_WRONG, frozenset())


# ---- when --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "at", "expected"),
    [
        ({}, AT + H, OK),  # the second of nextUpdate
        ({}, AT + H + 1, STALE),
        ({"revocation_grace": 60}, AT + H + 60, OK),
        ({"revocation_grace": 60}, AT + H + 61, STALE),
        ({"revocation_age_max": H + 5}, AT + 5, OK),
        ({"revocation_age_max": H + 5}, AT + 6, STALE),  # a staple never extends the profile's limit
        ({"revocation_age_max": 2 * DAY}, AT + H + 1, STALE),
        ({}, AT - H, OK),  # the second of thisUpdate
        ({}, AT - H - 1, LATER),
        ({"clock_skew": 5}, AT - H - 5, OK),
        ({"clock_skew": 5}, AT - H - 6, LATER),
    ],
)
def test_when_good_holds_is_judged_again(limits: dict[str, Any], at: int, expected: Reason) -> None:
    """Whenever, and by whatever profile, the response was checked."""
    by = judge(None, replace(WANTED, name="ocsp-column-limits", **limits))
    assert ask(by, said(), at=at).reason is expected
    # Revoked does not age; what is said later counts from its revocationDate on.
    gone = said(status=revoked(1, AT - 2 * H))
    assert ask(by, gone, at=at).reason is REVOKED
    assert ask(by, gone, at=AT - 2 * H).reason is REVOKED
    assert ask(by, gone, at=AT - 2 * H - 1).reason is LATER


def test_without_next_update_an_age_must_be_set() -> None:
    aged = replace(WANTED, name="ocsp-column-aged", revocation_age_max=2 * H)
    open_ended = said(next_update=None, profile=aged)
    assert ask(judge(None, aged), open_ended).reason is OK
    assert ask(judge(None, aged), open_ended, at=AT + H + 1).reason is STALE
    assert ask(judge(None), open_ended).reason is STALE


def test_times_at_the_ends_of_the_range() -> None:
    by, gone = judge(None), said(status=revoked(1))
    for at in (-(2**63), 2**63 - 1):
        for ocsp in (said(), gone):
            assert by.verify_certificates([HOLDER.der], at=at, ocsp=ocsp)[0].reason in (
                Reason.EXPIRED,
                Reason.NOT_YET_VALID,
            )


def test_a_time_for_each_row() -> None:
    at = np.array([AT, AT + 2 * H, AT - 2 * H])
    verdicts = judge(None).verify_certificates([HOLDER.der] * 3, at=at, ocsp=together(said(), said(), said()))
    assert [one.reason for one in verdicts] == [OK, STALE, LATER]


def test_stale_data_of_both_kinds_and_what_a_fresh_response_mends(tmp_path: Path) -> None:
    by = judge(crls(tmp_path, next_update=AT - 60))
    assert ask(by, None).reason is STALE
    assert ask(by, none()).reason is STALE
    assert ask(by, said(next_update=AT + 10), at=AT + 11).reason is STALE
    verdict = ask(by, said())
    assert (verdict.reason, verdict.revocation_by) == (OK, {"ocsp"})
    assert ask(by, said(status=revoked(1))).reason is REVOKED
    ahead = judge(crls(tmp_path, this_update=AT + H))
    assert ask(ahead, None).reason is LATER
    assert ask(ahead, said()).reason is OK
    good = judge(crls(tmp_path))
    assert (
        ask(good, said(next_update=AT + 10), at=AT + 11).reason is OK
    )  # a stale staple takes nothing from a fresh list
    elsewhere = make("column elsewhere")
    nothing = judge(in_force(snapshot(tmp_path, [(crl(elsewhere), elsewhere, [elsewhere])])))
    assert ask(nothing, said(next_update=AT + 10), at=AT + 11).reason is STALE
    stale_list_of_revoked = judge(crls(tmp_path, HOLDER, next_update=AT - 60))
    assert ask(stale_list_of_revoked, said()).reason is REVOKED


def test_unknown_is_not_good(tmp_path: Path) -> None:
    verdict = ask(judge(None), said(status=UNKNOWN))
    assert (verdict.reason, verdict.revocation_by) == (UNKNOWN_, frozenset())
    assert ask(judge(crls(tmp_path, HOLDER)), said(status=UNKNOWN)).reason is REVOKED
    assert ask(judge(crls(tmp_path, next_update=AT - 60)), said(status=UNKNOWN)).reason is STALE


def test_soft_lets_pass_what_is_missing_or_stale_and_nothing_that_is_revoked(tmp_path: Path) -> None:
    by = judge(crls(tmp_path, next_update=AT - 60), SOFT)
    for ocsp, expected, marked in (
        (none(), OK, True),
        (said(), OK, False),
        (said(status=UNKNOWN), OK, True),
        (said(status=revoked(1)), REVOKED, False),
        (said(status=revoked(6)), REVOKED, False),
    ):
        verdict = ask(by, ocsp)
        assert verdict.reason is expected
        assert ("revocation-soft" in verdict.flags) is marked
    # That there is no data at all is nobody's wish: no column makes it one.
    assert ask(judge(None, SOFT), none()).reason is NONE
    assert ask(judge(None, SOFT), said(leaf(ROOT, "column neighbour"))).reason is NONE


def test_a_profile_that_does_not_look_does_not_look_here() -> None:
    verdict = ask(judge(None, PROFILE), said(status=revoked(1)))
    assert (verdict.reason, verdict.revocation_by) == (OK, frozenset())
    assert "revocation-off" in verdict.flags


def test_damaged_data_is_no_data_that_a_response_stands_in_for(tmp_path: Path) -> None:
    """Whether the lists would have said that he is revoked, nobody knows."""
    base = snapshot(tmp_path, [(crl(ROOT, [leaf(ROOT, f"gone {n}") for n in range(2000)]), ROOT, [ROOT])])
    by = judge(in_force(base))
    assert ask(by, said()).reason is OK
    Path(base.path).chmod(0o600)
    os.truncate(base.path, 4096)
    assert ask(by, none()).reason is Reason.REVOCATION_DAMAGED
    assert ask(by, said()).reason is Reason.REVOCATION_DAMAGED
    assert ask(by, said(status=revoked(1))).reason is REVOKED


# ---- CAs above ---------------------------------------------------------------------------------------------


def test_cas_want_their_own(tmp_path: Path) -> None:
    """A leaf's response says nothing of its CA."""
    leaf_good, ca_good = said(BELOW, issuer=CA), said(CA)
    both = in_force(snapshot(tmp_path, [(crl(ROOT), ROOT, [ROOT]), (crl(CA), CA, [ROOT])]))
    roots_alone = crls(tmp_path)
    for revocation, ocsp, of_cas, expected in (
        (None, leaf_good, None, NONE),
        (None, leaf_good, none(), NONE),
        (None, leaf_good, leaf_good, NONE),
        (None, leaf_good, ca_good, OK),
        (None, None, ca_good, NONE),
        (None, ca_good, ca_good, NONE),
        (roots_alone, leaf_good, None, OK),
        (roots_alone, None, ca_good, UNKNOWN_),
        (both, None, None, OK),
        (both, leaf_good, ca_good, OK),
        (both, leaf_good, said(CA, revoked(1)), Reason.ISSUER_REVOKED),
        (both, leaf_good, together(ca_good, said(CA, revoked(1))), Reason.ISSUER_REVOKED),
        (both, said(BELOW, revoked(1), issuer=CA), ca_good, REVOKED),
    ):
        assert ask(judge(revocation), ocsp, BELOW, of_cas=of_cas).reason is expected
        sent = ask(judge(revocation, trust=store([ROOT])), ocsp, BELOW, sent=[CA], of_cas=of_cas)
        assert sent.reason is expected
    verdict = ask(judge(roots_alone), leaf_good, BELOW)
    assert verdict.revocation_by == {"crl", "ocsp"}


def test_what_was_accepted_with_a_cas_statement_is_not_accepted_without(tmp_path: Path) -> None:
    by, leaf_good = judge(None), said(BELOW, issuer=CA)
    for _ in range(2):
        assert ask(by, leaf_good, BELOW, of_cas=said(CA)).reason is OK
        assert ask(by, leaf_good, BELOW).reason is NONE
        assert ask(by, leaf_good, BELOW, of_cas=said(CA, revoked(1))).reason is Reason.ISSUER_REVOKED
        assert ask(by, leaf_good, BELOW, of_cas=said(CA, next_update=AT + 1), at=AT + 2).reason is STALE


def test_several_words_on_a_ca_in_any_order(tmp_path: Path) -> None:
    words = [
        said(CA, revoked(6), AT - 3 * H),
        said(CA, GOOD, AT - 2 * H),
        said(CA, UNKNOWN, AT - H),
    ]
    newer_hold = said(CA, revoked(6), AT - 60)
    leaf_good = said(BELOW, issuer=CA)
    for order in itertools.permutations(words):
        assert ask(judge(None), leaf_good, BELOW, of_cas=together(*order)).reason is OK
        assert ask(judge(crls(tmp_path, CA)), leaf_good, BELOW, of_cas=together(*order)).reason is Reason.ISSUER_REVOKED
    for order in itertools.permutations([*words, newer_hold]):
        assert ask(judge(None), leaf_good, BELOW, of_cas=together(*order)).reason is Reason.ISSUER_REVOKED


def test_a_revoked_way_by_ocsp_leaves_the_other_open() -> None:
    """A cross certificate takes the place of a CA's that is revoked."""
    second = make("column second root")
    crossed = make(CA.name, second, own_key=CA.key)
    trust = store([ROOT, second], [CA, crossed])
    leaf_good, cross_good = said(BELOW, issuer=CA), said(crossed, issuer=second)
    by = judge(None, trust=trust)
    gone = together(said(CA, revoked(1)), cross_good)
    assert ask(by, leaf_good, BELOW, of_cas=gone).reason is OK
    assert ask(by, leaf_good, BELOW, of_cas=said(CA, revoked(1))).reason is Reason.ISSUER_REVOKED


# ---- logins, columns, threads ------------------------------------------------------------------------------


def test_logins() -> None:
    challenge = b"login 8f14e45fceea167a at the checkpoint"
    signature = key(HOLDER.key).sign(challenge, ec.ECDSA(hashes.SHA256()))
    by = judge(None)
    for ocsp, expected in (
        (said(), Reason.ACCEPTED),
        (said(status=revoked(1)), REVOKED),
        (none(), NONE),
        (None, NONE),
    ):
        verdict = by.verify_logins(LoginBatch([HOLDER.der], [challenge], [signature], ocsp=ocsp), at=AT)[0]
        assert verdict.reason is expected
    wrong = LoginBatch([HOLDER.der], [challenge + b"!"], [signature], ocsp=said(status=revoked(1)))
    assert by.verify_logins(wrong, at=AT)[0].reason is Reason.SIGNATURE_WRONG


def test_what_rests_on_a_kernel_that_accepted_wrongly_is_good_no_more() -> None:
    """Whatever was verified under fewer doubts than there are now: good says nothing, revoked still does."""
    good, gone = together(said()), together(said(status=revoked(1)))
    for column in (good, gone):
        column.array["doubts"] += 1
    assert ask(judge(None), good).reason is UNKNOWN_
    assert ask(judge(None), gone).reason is REVOKED


def test_many_rows_and_threads(tmp_path: Path) -> None:
    """Each row by its own statement, whoever works on it."""
    holders = [leaf(ROOT, f"column holder {n}") for n in range(40)]
    kinds = (GOOD, revoked(1), UNKNOWN, b"")
    responses = [
        respond(ROOT, single(one, ROOT, kinds[n % 4])) if kinds[n % 4] else None for n, one in enumerate(holders)
    ]
    rows = 4000
    checked = OcspChecker(TRUST, WANTED).check(responses, [one.der for one in holders], at=AT)
    pick = np.random.default_rng(7).integers(0, len(holders), rows)
    column = OcspStatements(checked.array[pick], checked.reasons[pick])
    expected = [(OK, REVOKED, OK, OK)[n % 4] for n in pick]
    by = Verifier(TRUST, WANTED, revocation=crls(tmp_path), engine=Engine(threads=4, cross_check_one_in=0))
    verdicts = by.verify_certificates([holders[n].der for n in pick], at=AT, ocsp=column)
    assert [one.reason for one in verdicts] == expected
    expected = [(OK, REVOKED, UNKNOWN_, NONE)[n % 4] for n in pick]
    by = Verifier(TRUST, WANTED, engine=Engine(threads=4, cross_check_one_in=0))
    verdicts = by.verify_certificates([holders[n].der for n in pick], at=AT, ocsp=column)
    assert [one.reason for one in verdicts] == expected


def test_delegates_and_several_responses_end_in_one_statement() -> None:
    delegate = responder(ROOT)
    responses = [
        respond(delegate, single(HOLDER, ROOT, revoked(6), this_update=AT - 3 * H), certificates=[delegate]),
        respond(ROOT, single(HOLDER, ROOT, GOOD, this_update=AT - 2 * H)),
    ]
    both = OcspChecker(TRUST, WANTED).check([responses], [HOLDER.der], at=AT)
    assert ask(judge(None), both).reason is OK


def test_columns_of_other_lengths_and_kinds_are_a_mistake() -> None:
    by = judge(None)
    with pytest.raises(ValueError, match="2 certificates want 2 OCSP statements, not 1"):
        by.verify_certificates([HOLDER.der] * 2, at=AT, ocsp=said())
    with pytest.raises(ValueError, match="1 certificates want 1 OCSP statements, not 2"):
        by.verify_logins(LoginBatch([HOLDER.der], [b"x"], [b"x"], ocsp=none(2)), at=AT)
    with pytest.raises(ValueError, match="at most 256 statements on CAs, not 257"):
        by.verify_certificates([HOLDER.der], at=AT, ocsp_of_cas=none(257))
    with pytest.raises(TypeError, match="OCSP_STATEMENT"):
        by.verify_certificates(
            [HOLDER.der], at=AT, ocsp=OcspStatements(np.zeros(1, LOGIN_VERDICT), np.zeros(1, np.uint16))
        )
    assert len(by.verify_certificates([], at=AT, ocsp=none(0), ocsp_of_cas=none(0))) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", 4),
        ("serial_length", 0),
        ("serial_length", 21),
        ("serial_length", 255),
        ("this_update", -(2**63)),
        ("this_update", 2**63 - 1),
        ("next_update", 2**63 - 1),
        ("revoked_at", AT),  # of one that is good
    ],
)
def test_statements_of_another_form_fail_the_whole_call(field: str, value: int) -> None:
    by = judge(None)
    broken = together(said(), said())
    broken.array[field][1] = value
    with pytest.raises(ValueError, match="verifying 2 rows"):
        by.verify_certificates([HOLDER.der] * 2, at=AT, ocsp=broken)
    with pytest.raises(ValueError, match="verifying 1 rows"):
        by.verify_certificates([HOLDER.der], at=AT, ocsp_of_cas=broken)


def test_statements_cannot_be_changed_between_two_looks() -> None:
    """A column that its owner can write to is copied before any check; one that nobody can write to is used in place."""
    fixed, writable = said(), together(said())
    assert frozen(fixed.array) is fixed.array
    copy = frozen(writable.array)
    writable.array["status"] = 2
    assert copy == fixed.array.tobytes()


# ---- one key, its name in several spellings ----------------------------------------------------------------

LOUD = make(ROOT.name.upper(), own_key=ROOT.key)


@pytest.mark.parametrize(
    ("configured", "hashed"),
    [
        ([ROOT], ROOT),  # a spelling that neither certificate has cannot be told from another name
        *(([LOUD], hashed) for hashed in (ROOT, LOUD)),
        *(([ROOT, LOUD], hashed) for hashed in (ROOT, LOUD)),
        *(([LOUD, ROOT], hashed) for hashed in (ROOT, LOUD)),
    ],
)
def test_a_word_under_one_spelling_is_of_the_key(hashed: Made, configured: list[Made]) -> None:
    """Whichever spelling the responder hashes, and whichever the engine goes by: what is revoked stays so."""
    trust = store(configured)
    for status, expected in ((revoked(1), REVOKED), (GOOD, OK)):
        response = respond(hashed, single(HOLDER, hashed, status))
        found = OcspChecker(trust, WANTED).check([response], [HOLDER.der], at=AT)
        assert ask(judge(None, trust=trust), found).reason is expected


def test_a_certificate_that_came_along_turns_no_word_away(tmp_path: Path) -> None:
    """Anybody can write the CA's key and the certificate's spelling into a certificate of his own, which nobody issued."""
    decoy = make(ROOT.name, make("mallory"), own_key=ROOT.key)
    trust = store([LOUD])
    revocation = in_force(snapshot(tmp_path, [(crl(LOUD), LOUD, [LOUD])]))
    for hashed in (ROOT, LOUD):
        response = respond(hashed, single(HOLDER, hashed, revoked(1)))
        found = OcspChecker(trust, WANTED).check([response], [HOLDER.der], at=AT, intermediates=[decoy.der])
        assert ask(judge(revocation, trust=trust), found, sent=[decoy]).reason is REVOKED
