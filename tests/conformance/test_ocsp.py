"""BoringSSL's OCSP responses: as they are, and signed again with SHA-256 by keys of ours (ocsp_cases.py); never good for bad."""

from __future__ import annotations

from datetime import datetime

import pytest

from sekisho.modes import Mode
from sekisho.profiles import SIGNATURE_ALGORITHMS, Profile
from sekisho.revocation.ocsp import OcspChecker, OcspStatement
from sekisho.testing import small_city
from sekisho.trust import TrustStore
from tests.conformance.exceptions import OCSP_RULES
from tests.conformance.ocsp_cases import Case, OcspFacts, case_of, signed_again
from tests.conformance.outcomes import Ledger, Outcome, settle
from tests.conformance.suites import ROOT, only, read

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

_FIELDS = {"what", "source", "licence", "notes", "cases", "verify_time", "max_age_seconds"}
_CASE_FIELDS = {"id", "expected", "response_status", "cert", "issuer", "response", "request"}


def checker(max_age: int) -> OcspChecker:
    """Under a trust store that knows nobody of the suite: issuers come along with their certificates."""
    profile = Profile(
        name="ocsp-suite",
        purpose="other",
        signature_algorithms=tuple(SIGNATURE_ALGORITHMS),
        rsa_mode=Mode.parse("rsassa-pkcs1-v1_5-sha256"),
        revocation_age_max=max_age,
        challenge="foreign",
    )
    return OcspChecker(TrustStore(small_city().trust()), profile)


def outcome(suite: str, fields: dict[str, str], case: Case, found: OcspStatement) -> Outcome:
    """`valid` is what is wanted: good for good, revoked for revoked, and neither for the rest.

    Said to be good though the suite does not, or not known to be revoked though it is, is "accepted" and not wanted.
    """
    expected = fields["expected"]
    assert expected in {"good", "revoked", "unknown"}, expected
    told = found.status if found.status in {"good", "revoked"} else "unknown"
    return Outcome(
        suite=suite,
        section=expected,
        case=fields["id"],
        expected=expected != "unknown",
        accepted=told == expected if expected != "unknown" else told != "unknown",
        reason=found.refusal,
        facts=OcspFacts(case.response),
    )


@pytest.mark.parametrize("again", [False, True], ids=["as-they-are", "signed-again"])
def test_boringssl(again: bool, ledger: Ledger) -> None:
    data = read(ROOT / "boringssl-pki" / "ocsp.json", _FIELDS)
    at = int(datetime.fromisoformat(data["verify_time"]).timestamp())
    judge = checker(int(data["max_age_seconds"]))
    suite = "boringssl-pki/ocsp" + (", signed again" if again else "")
    outcomes = []
    for fields in data["cases"]:
        only(fields, _CASE_FIELDS, fields["id"])
        case = signed_again(case_of(fields)) if again else case_of(fields)
        found = judge.check([case.response], [case.certificate], at=at, intermediates=[case.issuer])[0]
        assert found.status != "good" or fields["expected"] == "good", f"{fields['id']}: good for bad"
        outcomes.append(outcome(suite, fields, case, found))
    settlement = ledger.add(settle(outcomes, OCSP_RULES, enumerated=len(data["cases"])))
    assert not settlement.failures, "\n".join(settlement.failures)


def test_what_is_signed_again_is_read_as_before() -> None:
    """Signing again changes keys and signatures, and neither what is said nor whether it can be read."""
    data = read(ROOT / "boringssl-pki" / "ocsp.json", _FIELDS)
    readable = [case_of(fields) for fields in data["cases"]]
    changed = [(case, signed_again(case)) for case in readable]
    assert sum(one.response != other.response for one, other in changed) > len(changed) // 2
    for one, other in changed:
        for name in ("critical", "version_is_said"):
            assert getattr(OcspFacts(one.response), name) == getattr(OcspFacts(other.response), name)
