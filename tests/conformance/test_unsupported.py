"""Algorithms without a mode, through the keys and modes that there are: refused, whatever their suite says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from sekisho.engine import Engine
from sekisho.modes import Mode
from sekisho.reasons import Reason
from sekisho.signatures import KeySet, SignatureBatch, verify_signatures
from tests.conformance.exceptions import OTHER_ALGORITHM_RULES, SIGNATURE_RULES
from tests.conformance.outcomes import Ledger, Outcome, settle
from tests.conformance.signature_cases import Case, Tried, cavp, wycheproof, wycheproof_other
from tests.conformance.signed_data import every_mode
from tests.conformance.suites import ROOT

pytestmark = pytest.mark.skipif(
    not (ROOT / "wycheproof" / "other.tar.xz").is_file(), reason=f"the conformance suites are missing: {ROOT}"
)

MODES_A_CASE = 4  # of those that fit the kind of key, in turn, so that all meet each file
ROWS = 4096


SUITES: dict[str, Callable[[], list[Case]]] = {
    "wycheproof": wycheproof,
    "nist-cavp": cavp,
    "wycheproof other": wycheproof_other,
}


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def cases(suite: str) -> list[Case]:
    found = SUITES[suite]()
    assert len({case.id for case in found}) == len(found)
    return found


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=2, cross_check_one_in=1)


def verify(rows: list[tuple[Case, Mode]], engine: Engine) -> list[Reason]:
    reasons: list[Reason] = []
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        keys = sorted({case.key for case, _ in part})
        index = {key: number for number, key in enumerate(keys)}
        batch = SignatureBatch(
            keys=KeySet(keys),
            key=[index[case.key] for case, _ in part],
            mode=[mode for _, mode in part],
            messages=[case.message for case, _ in part],
            signatures=[case.signature for case, _ in part],
        )
        reasons += [verdict.reason for verdict in verify_signatures(batch, engine=engine)]
    return reasons


def fitting(case: Case) -> list[Mode]:
    family = "rsassa" if case.kind.startswith(("rsa", "pss")) else "ecdsa" if case.kind.startswith("secp") else ""
    return [mode for mode in every_mode() if str(mode).startswith(family)]


def test_those_without_a_mode_are_refused_in_every_mode(
    suite: str, cases: list[Case], engine: Engine, ledger: Ledger
) -> None:
    rows: list[tuple[Case, Mode]] = []
    for number, case in enumerate(case for case in cases if case.mode is None):
        modes = fitting(case)
        rows += [(case, modes[(number * MODES_A_CASE + turn) % len(modes)]) for turn in range(MODES_A_CASE)]
    answers: dict[str, tuple[Reason, Tried]] = {}
    for (case, mode), reason in zip(rows, verify(rows, engine), strict=True):
        if case.id not in answers or reason is Reason.SIGNATURE_OK:
            answers[case.id] = reason, Tried(case, mode)
    outcomes = [
        Outcome(
            suite=suite,
            section=f"{tried.case.kind}, no mode",
            case=name,
            expected=False,
            accepted=reason is Reason.SIGNATURE_OK,
            reason=reason,
            facts=tried,
        )
        for name, (reason, tried) in answers.items()
    ]
    enumerated = sum(case.mode is None for case in cases)
    settlement = ledger.add(settle(outcomes, OTHER_ALGORITHM_RULES, enumerated=enumerated))
    assert not settlement.failures, "\n".join(settlement.failures)


def test_those_with_a_mode_are_verified_or_their_key_is_refused(engine: Engine, ledger: Ledger) -> None:
    """Of the archive alone: test_signatures.py has the others."""
    rows = [(case, case.mode) for case in wycheproof_other() if case.mode is not None]
    outcomes = [
        Outcome(
            suite="wycheproof other",
            section=case.kind,
            case=case.id,
            expected=case.good,
            accepted=reason is Reason.SIGNATURE_OK,
            reason=reason,
            facts=case,
        )
        for (case, _), reason in zip(rows, verify(rows, engine), strict=True)
    ]
    settlement = ledger.add(settle(outcomes, SIGNATURE_RULES, enumerated=len(rows)))
    assert not settlement.failures, "\n".join(settlement.failures)


def test_small_keys_are_refused_for_their_size(cases: list[Case], engine: Engine) -> None:
    small = [(case, Mode.parse("rsassa-pkcs1-v1_5-sha256")) for case in cases if (case.rsa_bits or 2048) < 2048]
    reasons = Counter(verify(small, engine))
    assert set(reasons) <= {Reason.KEY_TOO_SMALL}
