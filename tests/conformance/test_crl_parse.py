"""rustls-webpki's CRLs through the streaming reader: whole, and octet by octet, each case has one answer."""

from __future__ import annotations

import base64

import pytest

from sekisho.reasons import Reason
from sekisho.revocation.crl import Crl
from tests.conformance.crl_facts import CrlFacts
from tests.conformance.exceptions import CRL_PARSE_RULES
from tests.conformance.outcomes import Ledger, Outcome, settle
from tests.conformance.suites import ROOT, only, read

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")


def reason_of(der: bytes, piece: int) -> Reason | None:
    """Why the list is refused, None if it is not; a serial that stands twice is known when entries are listed."""
    crl = Crl()
    for at in range(0, len(der), piece):
        crl.feed(der[at : at + piece])
    if crl.end() is not None:
        return crl.reason
    entries = crl.entries()
    return entries if isinstance(entries, Reason) else None


def test_rustls_webpki(ledger: Ledger) -> None:
    data = read(ROOT / "rustls-webpki" / "crl_parse.json", {"what", "source", "licence", "notes", "cases"})
    outcomes = []
    for one in data["cases"]:
        only(one, {"id", "file", "comment", "parse_error", "crl"}, one["id"])
        der = base64.b64decode(one["crl"])
        reason = reason_of(der, len(der))
        assert reason_of(der, 1) is reason, one["id"]
        outcomes.append(
            Outcome(
                suite="rustls-webpki/crl_parse",
                section="",
                case=one["id"],
                expected=one["parse_error"] is None,
                accepted=reason is None,
                reason=reason,
                facts=CrlFacts(der, one["parse_error"] or ""),
            )
        )
    settlement = ledger.add(settle(outcomes, CRL_PARSE_RULES, enumerated=len(data["cases"])))
    assert not settlement.failures, "\n".join(settlement.failures)


def test_every_prefix_is_refused() -> None:
    """No length is believed before it is checked."""
    for one in read(ROOT / "rustls-webpki" / "crl_parse.json", {"what", "source", "licence", "notes", "cases"})[
        "cases"
    ]:
        der = base64.b64decode(one["crl"])
        for end in range(0, len(der), max(1, len(der) // 40)):
            assert Crl.of(der[:end]).reason is not None, f"{one['id']}, first {end} bytes"
