"""Paths: x509-limbo, NIST PKITS and BoringSSL's chains, beside OpenSSL and cryptography on the same cases."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from sekisho.engine import Engine
from sekisho.reasons import Reason
from tests.conformance.exceptions import PATH_RULES
from tests.conformance.outcomes import NO_ANSWER, Ledger, settle
from tests.conformance.path_cases import PathCase, all_path_cases, chains, limbo, pkits, verdict
from tests.conformance.peers import ask_cryptography, ask_openssl_all
from tests.conformance.revocation_cases import verdict_with_crls
from tests.conformance.suites import ROOT

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

SUITES: dict[str, Callable[[], tuple[list[PathCase], int]]] = {"x509-limbo": limbo, "pkits": pkits, "boringssl": chains}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str, engine: Engine, ledger: Ledger) -> None:
    cases, enumerated = SUITES[suite]()
    openssl = ask_openssl_all(cases)
    outcomes = [
        case.outcome(verdict_with_crls(case, engine))
        if case.by_crls  # the peers are not told of CRLs here
        else case.outcome(
            verdict_with_crls(case, engine) if case.crls else verdict(case, engine), theirs, ask_cryptography(case)
        )
        for case, theirs in zip(cases, openssl, strict=True)
    ]
    settlement = ledger.add(settle(outcomes, PATH_RULES, enumerated=enumerated))
    assert not settlement.failures, "\n".join(settlement.failures)


def test_fewer_differences_than_peers(engine: Engine) -> None:
    """On x509-limbo outside webpki::*: what differs here, written down or not, against what differs there."""
    cases = [case for case in limbo()[0] if case.gated and not case.by_crls]
    ours = sum(not case.outcome(verdict(case, engine)).agrees for case in cases)
    theirs = [one for one in zip(cases, ask_openssl_all(cases), strict=True) if one[1] is not None]
    if theirs:
        assert ours <= sum(said != case.expected for case, said in theirs)
    asked = [(case, said) for case in cases if (said := ask_cryptography(case)) is not None]
    if asked:
        known = sum(not case.outcome(verdict(case, engine)).agrees for case, _ in asked)
        assert known <= sum(said != case.expected for case, said in asked)


def test_sent_and_configured_intermediates_are_one(engine: Engine) -> None:
    """The CA certificates of a chain, sent along with the leaf or standing in the trust store: one verdict."""
    different = []
    for case in pkits()[0]:
        sent, configured = verdict(case, engine), verdict(case, engine, configured=True)
        if (sent is Reason.CERTIFICATE_OK) != (configured is Reason.CERTIFICATE_OK):
            different.append(f"{case.id}: {sent.kebab} sent, {configured.kebab} configured")
    assert different == []


def test_what_crls_decide_is_a_path_all_the_same(engine: Engine) -> None:
    """A valid case that CRLs decide must already be valid without them, but for exceptions."""
    decided = [case for case in all_path_cases() if case.by_crls and case.expected]
    outcomes = [case.outcome(verdict(case, engine)) for case in decided]
    rules = [replace(rule, witnesses=()) for rule in PATH_RULES]
    assert settle(outcomes, rules, enumerated=len(decided)).failures == []


def test_crls_with_cas_sent_and_configured(engine: Engine) -> None:
    """Whether the CAs of a chain came with the leaf or stand in the trust store, CRLs say the same of it."""
    different = []
    for case in pkits()[0]:
        sent, configured = (verdict_with_crls(case, engine, configured=how) for how in (False, True))
        if (sent is Reason.CERTIFICATE_OK) != (configured is Reason.CERTIFICATE_OK):
            different.append(f"{case.id}: {sent.kebab} sent, {configured.kebab} configured")
    assert different == []


def test_what_crls_do_not_decide_is_the_same_with_them(engine: Engine) -> None:
    """With every certificate known to be good the verdicts are those without revocation."""
    for case in pkits()[0]:
        if not case.by_crls:
            with_, without = verdict_with_crls(case, engine), verdict(case, engine)
            assert (with_ is Reason.CERTIFICATE_OK) == (without is Reason.CERTIFICATE_OK), case.id


# What BoringSSL and OpenSSL call a fault, and the reasons of ours that are right for it.  A CA certificate with a fault of
# its own issues nothing, so that the leaf may have no issuer at all.
NO_ISSUER = {Reason.ISSUER_UNKNOWN}
RIGHT_REASONS: dict[str, set[Reason]] = {
    "after notAfter|certificate has expired": {Reason.EXPIRED, Reason.ISSUER_EXPIRED},
    "before notBefore|not yet valid": {Reason.NOT_YET_VALID, Reason.ISSUER_NOT_YET_VALID},
    "VerifySignedData failed|certificate signature failure": {Reason.ISSUER_SIGNATURE_WRONG},
    "key usage does not include (server|client) auth": {Reason.EXTENDED_KEY_USAGE} | NO_ISSUER,
    "Unconsumed critical|unhandled critical": {Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL} | NO_ISSUER,
    "keyCertSign bit": {Reason.ISSUER_KEY_USAGE} | NO_ISSUER,
    "invalid CA": {Reason.ISSUER_NOT_CA, Reason.ISSUER_KEY_USAGE} | NO_ISSUER,
    "Basic Constraints$": {Reason.ISSUER_NOT_CA},
    "Too many name constraints|(permitted|excluded) subtree": {
        Reason.NAME_CONSTRAINTS,
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    },
    "unsupported.*(name|constraint)": {Reason.NAME_CONSTRAINTS, Reason.CERTIFICATE_EXTENSION_MALFORMED},
    "No valid policy|explicit policy": {Reason.POLICY},
    "max_path_length|path length": {Reason.PATH_TOO_LONG},
    "not a trust anchor|unable to get local issuer": {Reason.ISSUER_NOT_CA} | NO_ISSUER,
    "Unacceptable public key": {Reason.KEY_TOO_SMALL} | NO_ISSUER,
}


@pytest.mark.parametrize("suite", ["pkits", "boringssl"])
def test_refusals_have_the_right_reason(suite: str, engine: Engine) -> None:
    """Where the suite tells why a certificate is refused, and we refuse it too, our reason is one for that."""
    wrong, told = [], 0
    for case in SUITES[suite]()[0]:
        reason = verdict(case, engine)
        right = set().union(*(reasons for text, reasons in RIGHT_REASONS.items() if re.search(text, case.said)))
        if case.by_crls or not case.gated or case.expected or reason in NO_ANSWER or not right:
            continue
        told += 1
        if case.facts.leaf.is_ca:
            right = right | {Reason.LEAF_IS_CA}
        if reason is not Reason.CERTIFICATE_OK and reason not in right:
            wrong.append(f"{case.id}: {reason.kebab}, where the suite says: {case.said}")
    print(f"\n{suite}: {told} reasons compared")
    assert wrong == []
