"""The framework itself: what must fail a run does."""

from __future__ import annotations

from dataclasses import replace

from sekisho.reasons import Reason
from tests.conformance.outcomes import Judgement, Ledger, Outcome, Rule, settle

GOOD = Outcome("suite", "section", "good", True, True, Reason.CERTIFICATE_OK, facts={"weak": False})
BAD = Outcome("suite", "section", "bad", False, False, Reason.EXPIRED, facts={"weak": False})
WEAK = Outcome("suite", "section", "weak", True, False, Reason.KEY_TOO_SMALL, facts={"weak": True})
RULE = Rule(
    "weak",
    "FIPS 186-5, 5.1",
    "refuse",
    lambda facts: facts["weak"],
    reasons=frozenset({Reason.KEY_TOO_SMALL}),
    witnesses=("suite/weak",),
)


def failures(*outcomes: Outcome, rules: tuple[Rule, ...] = (RULE,)) -> list[str]:
    return settle(outcomes, rules, enumerated=len(outcomes)).failures


def test_what_is_expected_and_what_is_excused_pass() -> None:
    assert failures(GOOD, BAD, WEAK) == []


def test_an_unexpected_refusal_fails() -> None:
    assert failures(replace(GOOD, accepted=False, reason=Reason.EXPIRED)) == ["suite/good: expired, should be valid"]


def test_an_unexpected_acceptance_fails() -> None:
    accepted = replace(BAD, accepted=True, reason=Reason.CERTIFICATE_OK)
    assert failures(accepted) == ["suite/bad: certificate-ok, should be refused"]


def test_a_refusal_rule_excuses_no_acceptance_and_no_other_reason() -> None:
    weak = {"weak": True}
    assert failures(replace(BAD, accepted=True, reason=Reason.CERTIFICATE_OK, facts=weak))
    assert failures(replace(GOOD, accepted=False, reason=Reason.EXPIRED, facts=weak))


def test_no_answer_is_never_as_expected() -> None:
    assert failures(replace(BAD, reason=Reason.ENGINE_FAULT)) == ["suite/bad: engine-fault, should be refused"]
    assert failures(replace(BAD, reason=Reason.SIGNATURE_UNCONFIRMED, gated=False))
    assert failures(replace(BAD, reason=Reason.NOT_DECIDED, expected=None))


def test_a_witness_that_passes_fails() -> None:
    (failure,) = failures(replace(WEAK, accepted=True, reason=Reason.CERTIFICATE_OK))
    assert "no longer needs the exception 'weak'" in failure


def test_a_witness_that_another_rule_excuses_fails() -> None:
    wide = Rule("wide", "RFC 0", "refuse", lambda _: True)
    assert failures(WEAK, rules=(wide, RULE))


def test_a_witness_that_is_not_here_says_nothing() -> None:
    assert failures(GOOD) == []


def test_a_case_left_out_or_run_twice_fails() -> None:
    assert settle([GOOD], [], enumerated=2).failures == ["2 cases are there, 1 were run"]
    assert failures(GOOD, GOOD) == ["two cases are called suite/good"]


def test_waiting_is_not_passing() -> None:
    settlement = settle([replace(GOOD, waiting="CRLs")], [], enumerated=1)
    assert settlement.failures == []
    assert len(settlement.under(Judgement.WAITING)) == 1
    assert not settlement.under(Judgement.AS_EXPECTED)


def test_the_table_counts_cases_and_what_peers_differ_on() -> None:
    ledger = Ledger()
    outcomes = [replace(GOOD, openssl=False), replace(BAD, openssl=False), replace(WEAK, openssl=None)]
    ledger.add(settle(outcomes, [RULE], enumerated=3))
    lines = [line.split() for line in ledger.table()]
    assert lines[1][:5] == ["suite", "section", "3", "2", "1"]
    assert lines[1][-2:] == ["1/2", "-"]
    assert lines[2][:2] == ["all", "3"]
    assert Ledger().table() == []
