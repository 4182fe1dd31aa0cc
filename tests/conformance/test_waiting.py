"""Suites of CRLs and OCSP responses: listed with their counts, and not passed, until there is revocation to ask."""

from __future__ import annotations

import pytest

from tests.conformance.outcomes import Judgement, Ledger, Outcome, settle
from tests.conformance.suites import ROOT, read

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

FILES = {
    "boringssl-pki/ocsp.json": "OCSP",
}
_FIELDS = {"what", "source", "licence", "notes", "cases", "verify_time", "max_age_seconds"}


@pytest.mark.parametrize("name", FILES)
def test_listed(name: str, ledger: Ledger) -> None:
    cases = read(ROOT / name, _FIELDS)["cases"]
    suite = name.removesuffix(".json")
    outcomes = [
        Outcome(suite, "", str(one["id"]), None, accepted=False, reason=None, waiting=FILES[name]) for one in cases
    ]
    settlement = ledger.add(settle(outcomes, [], enumerated=len(cases)))
    assert settlement.failures == []
    assert len(settlement.under(Judgement.WAITING)) == len(cases)
