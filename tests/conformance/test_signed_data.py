"""BoringSSL's and rustls-webpki's signed data through `verify_signatures`, by the mode that each AlgorithmIdentifier means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.signatures import SignatureBatch, verify_signatures
from tests.conformance.exceptions import SIGNED_DATA_RULES
from tests.conformance.outcomes import Ledger, Outcome, settle
from tests.conformance.signed_data import SignedData, SignedDataFacts, boringssl, every_mode, rustls
from tests.conformance.suites import ROOT

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

SUITES: dict[str, Callable[[], tuple[list[tuple[SignedData, SignedDataFacts]], int]]] = {
    "boringssl": boringssl,
    "rustls": rustls,
}


def verdict(data: SignedData, engine: Engine) -> Reason | None:
    """None: there is no mode for it, or no signature of whole octets, so nothing of ours would take it."""
    if data.mode is None or data.signature is None:
        return None
    batch = SignatureBatch(keys=[data.key], signatures=[data.signature], messages=[data.message], mode=data.mode)
    return verify_signatures(batch, engine=engine)[0].reason


@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str, ledger: Ledger) -> None:
    engine = Engine(threads=1, cross_check_one_in=1)
    cases, enumerated = SUITES[suite]()
    outcomes = []
    for data, facts in cases:
        reason = verdict(data, engine)
        outcomes.append(
            Outcome(
                suite=data.suite,
                section="",
                case=data.case,
                expected=data.expected,
                accepted=reason is Reason.SIGNATURE_OK,
                reason=reason,
                facts=facts,
            )
        )
    settlement = ledger.add(settle(outcomes, SIGNED_DATA_RULES, enumerated=enumerated))
    assert not settlement.failures, "\n".join(settlement.failures)


@pytest.mark.parametrize("suite", SUITES)
def test_a_right_signature_is_right_in_one_mode_alone(suite: str) -> None:
    engine = Engine(threads=1)
    for data in (data for data, _ in SUITES[suite]()[0]):
        if verdict(data, engine) is Reason.SIGNATURE_OK:
            others = [replace(data, mode=mode) for mode in every_mode() if mode != data.mode]
            assert [str(one.mode) for one in others if verdict(one, engine) is Reason.SIGNATURE_OK] == [], data.case
