"""Wycheproof and CAVP through every backend and batch shape: alone, among good rows, among bad rows, shuffled, OpenSSL only."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from sekisho.engine import Engine, kernels
from sekisho.reasons import Reason
from tests.conformance.exceptions import SIGNATURE_RULES
from tests.conformance.outcomes import Ledger, Outcome, settle
from tests.conformance.signature_cases import Case, cavp, verify, wycheproof
from tests.conformance.suites import ROOT

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

NEIGHBOURS = 7  # rows that share the lanes with a case


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    found = wycheproof() + cavp()
    assert len({case.id for case in found}) == len(found)
    return found


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=2, cross_check_one_in=1)


def disagreements(rows: list[Case], reasons: list[Reason]) -> list[str]:
    return [
        f"{row.id}: {reason.kebab}, should be {'good' if row.good else 'refused'}"
        for row, reason in zip(rows, reasons, strict=True)
        if (reason is Reason.SIGNATURE_OK) != row.good
    ]


def test_what_is_here(cases: list[Case]) -> None:
    applicable = Counter(case.kind for case in cases if case.mode is not None)
    other = Counter(case.kind for case in cases if case.mode is None)
    print(
        f"\nsignature cases: {applicable.total()} applicable {dict(applicable)}, {other.total()} of other modes {dict(other)}"
    )
    assert applicable


@pytest.mark.parametrize("suite", ["wycheproof", "nist-cavp"])
def test_alone(suite: str, engine: Engine, ledger: Ledger) -> None:
    rows = [case for case in {"wycheproof": wycheproof, "nist-cavp": cavp}[suite]() if case.mode is not None]
    reasons = [verify([row], engine)[0] for row in rows]
    outcomes = [
        Outcome(suite, row.kind, row.id, row.good, reason is Reason.SIGNATURE_OK, reason, facts=row)
        for row, reason in zip(rows, reasons, strict=True)
    ]
    settlement = ledger.add(settle(outcomes, SIGNATURE_RULES, enumerated=len(rows)))
    assert not settlement.failures, "\n".join(settlement.failures)


@pytest.mark.parametrize("good", [True, False], ids=["among good rows", "among bad rows"])
def test_among_neighbours(cases: list[Case], engine: Engine, good: bool) -> None:
    rows = [case for case in cases if case.mode is not None]
    pool: dict[str, list[Case]] = defaultdict(list)
    for row in rows:
        if row.good is good:
            pool[row.kind].append(row)
    draw = random.Random(7)
    mixed: list[Case] = []
    for row in rows:
        mixed += [row, *(draw.choices(pool[row.kind], k=NEIGHBOURS) if pool[row.kind] else [])]
    for start in range(0, len(mixed), 8192):
        part = mixed[start : start + 8192]
        assert disagreements(part, verify(part, engine)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled(cases: list[Case], engine: Engine, seed: int) -> None:
    rows = [case for case in cases if case.mode is not None]
    random.Random(seed).shuffle(rows)
    first, second = verify(rows, engine), verify(rows, engine)
    assert disagreements(rows, first) == []
    assert first == second


def test_openssl_only() -> None:
    """In a process of its own, since switching kernels off is for a whole process."""
    environment = os.environ | {"SEKISHO_LANES": "0"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "shuffled and 1"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_kernel_was_found_wrong(cases: list[Case], engine: Engine) -> None:
    verify([case for case in cases if case.mode is not None], engine)
    assert [kernel.name for kernel in kernels() if kernel.state in ("off-wrong-accept", "off-self-test")] == []
