"""BoringSSL's CRLs: one certificate and one list, and what may be said of it."""

from __future__ import annotations

import pytest

from sekisho.reasons import Reason
from tests.conformance.exceptions import CRL_RULES
from tests.conformance.outcomes import Ledger, Outcome, settle
from tests.conformance.revocation_cases import CRLS, crl_cases, status
from tests.conformance.suites import ROOT

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")


def test_boringssl(ledger: Ledger) -> None:
    """Never good for what is revoked or unknown, and revoked where the suite says so."""
    cases, enumerated = crl_cases()
    outcomes, not_called_revoked = [], []
    for case in cases:
        reason = status(case)
        outcomes.append(
            Outcome(
                suite=CRLS,
                section=case.expected,
                case=case.case,
                expected=case.expected == "good",
                accepted=reason is None,
                reason=Reason.CERTIFICATE_OK if reason is None else reason,
                facts=case,
            )
        )
        if (case.expected == "revoked") != (reason is Reason.REVOKED):
            not_called_revoked.append(f"{case.case}: {reason}")
    settlement = ledger.add(settle(outcomes, CRL_RULES, enumerated=enumerated))
    assert not settlement.failures, "\n".join(settlement.failures)
    assert not_called_revoked == []
