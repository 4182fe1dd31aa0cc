"""The suites as an engine meets them: shuffled, in mixed batches, on many threads, with a cold and a warm cache, twice.

One engine of two threads is called from several Python threads at once; path cases of every suite and signature cases of every
algorithm share it.  Each case must be told what it is told alone on an engine of its own.  Then tenants: verifiers that trust
different keys under one name share a cache, and none may see through it what another trusts.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import Final, TypeVar

import numpy as np
import pytest

from sekisho.engine import CACHE_BYTES_MIN, Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT, build_city
from sekisho.trust import TrustError, TrustStore
from sekisho.verifier import Verifier
from tests.conformance.facts import CertificateFacts
from tests.conformance.path_cases import (
    PathCase,
    Settings,
    all_path_cases,
    pkits,
    pkits_certificates,
    profile_for,
    trust_of,
    verdict,
    verifier_of,
)
from tests.conformance.signature_cases import Case, cavp, verify, wycheproof
from tests.conformance.suites import ROOT

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

PYTHON_THREADS: Final = 4
ROWS_A_PATH_BATCH: Final = (
    24  # a batch spends at most 64 + rows / 8 signatures on sent chains in vain, and then says so
)
ROWS_A_SIGNATURE_BATCH: Final = 200
COPIES: Final = 3  # of a case that is alone with its trust store: they meet each other in the lanes
CONFIRMATIONS: Final = 1_000_000

T = TypeVar("T")
Batch = Callable[[], list[str]]
"""Runs on the shared engine; returns what was told otherwise than alone."""


@cache
def path_cases() -> list[PathCase]:
    return all_path_cases()


@cache
def alone() -> dict[str, Reason]:
    """What each path case is told by an engine of its own."""
    return {
        case.id: verdict(case, Engine(threads=1, cache_bytes=CACHE_BYTES_MIN, cross_check_one_in=1))
        for case in path_cases()
    }


@cache
def signature_cases() -> list[tuple[Case, Reason]]:
    """Those with a mode, each with what it is told by an engine of its own."""
    return [
        (case, reason)
        for case in wycheproof() + cavp()
        if case.mode is not None
        for reason in [verify([case], Engine(threads=1, cache_bytes=0, cross_check_one_in=1))[0]]
    ]


@cache
def good_leaves() -> frozenset[tuple[tuple[bytes, ...], Settings, bytes]]:
    """Leaves that are accepted alone, by whom."""
    return frozenset(
        (case.anchors, case.settings, case.leaf) for case in path_cases() if alone()[case.id] is Reason.CERTIFICATE_OK
    )


def is_told_the_same(case: PathCase, reason: Reason) -> bool:
    """As alone; but a leaf whose path this verifier has found before may come without what led there."""
    found_before = (case.anchors, case.settings, case.leaf) in good_leaves() and reason is Reason.CERTIFICATE_OK
    return reason is alone()[case.id] or found_before


def chunks(rows: list[T], size: int) -> Iterator[list[T]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def path_batches(engine: Engine, draw: random.Random) -> list[Batch]:
    """Cases that share a trust store and a profile in mixed batches; a time and intermediates a row."""
    groups: dict[tuple[tuple[bytes, ...], Settings], list[PathCase]] = defaultdict(list)
    for case in path_cases():
        groups[case.anchors, case.settings].append(case)
    batches: list[Batch] = []
    for group in groups.values():
        verifier, refused = verifier_of(group[0], engine)
        rows = group * COPIES
        draw.shuffle(rows)
        batches += [path_batch(verifier, refused, chunk) for chunk in chunks(rows, ROWS_A_PATH_BATCH)]
    return batches


def path_batch(verifier: Verifier, refused: Reason | None, rows: list[PathCase]) -> Batch:
    def run() -> list[str]:
        verdicts = verifier.verify_certificates(
            [case.leaf for case in rows],
            [b"".join(case.sent) for case in rows],
            at=np.array([case.at for case in rows], dtype=np.int64),
            confirmations=CONFIRMATIONS,
        )
        wrong = []
        for case, one in zip(rows, verdicts, strict=True):
            reason = refused if refused is not None and one.reason is Reason.ISSUER_UNKNOWN else one.reason
            if reason is Reason.PATH_BUDGET_SPENT:  # by the other rows of the batch, and it may try again
                reason = verdict(case, verifier.engine)
            if not is_told_the_same(case, reason):
                wrong.append(f"{case.id}: {reason.kebab}, alone {alone()[case.id].kebab}")
        return wrong

    return run


def signature_batches(engine: Engine, draw: random.Random) -> list[Batch]:
    """Every algorithm and size of key in every batch."""
    rows = list(signature_cases())
    draw.shuffle(rows)

    def batch(chunk: list[tuple[Case, Reason]]) -> Batch:
        def run() -> list[str]:
            told = verify([case for case, _ in chunk], engine)
            return [
                f"{case.id}: {reason.kebab}, alone {before.kebab}"
                for (case, before), reason in zip(chunk, told, strict=True)
                if reason is not before
            ]

        return run

    return [batch(chunk) for chunk in chunks(rows, ROWS_A_SIGNATURE_BATCH)]


def run_all(batches: list[Batch], draw: random.Random) -> list[str]:
    """All of them, in any order, from several threads at once."""
    batches = list(batches)
    draw.shuffle(batches)
    with ThreadPoolExecutor(PYTHON_THREADS) as pool:
        return [line for wrong in pool.map(lambda batch: batch(), batches) for line in wrong]


@pytest.mark.parametrize("seed", [1, 2])
def test_everything_at_once(seed: int) -> None:
    """Cold, then warm, then with the cache emptied under it."""
    draw = random.Random(seed)
    engine = Engine(threads=2, cache_bytes=64 * CACHE_BYTES_MIN, cross_check_one_in=seed)
    batches = path_batches(engine, draw) + signature_batches(engine, draw)
    assert run_all(batches, draw) == []
    hits = engine.cache_statistics().hits
    assert run_all(batches, draw) == []
    assert engine.cache_statistics().hits > hits, "the second run was to meet a warm cache"
    engine.clear_cache()
    assert run_all(path_batches(engine, draw), draw) == []


def test_a_cache_of_one_size_too_small_and_none_at_all() -> None:
    """Entries that are pushed out, and no cache, change nothing."""
    draw = random.Random(3)
    for cache_bytes in (CACHE_BYTES_MIN, 0):
        engine = Engine(threads=2, cache_bytes=cache_bytes)
        batches = path_batches(engine, draw)
        assert run_all(batches, draw) == []
        assert run_all(batches, draw) == []


def test_one_batch_of_all_that_share_a_store() -> None:
    """The largest group of cases in one batch; rows that a spent budget cut off may say so, and nothing else."""
    groups: dict[tuple[tuple[bytes, ...], Settings], list[PathCase]] = defaultdict(list)
    for case in path_cases():
        groups[case.anchors, case.settings].append(case)
    rows = max(groups.values(), key=len)
    random.Random(4).shuffle(rows)
    engine = Engine(threads=2)
    for _ in range(2):
        verifier, refused = verifier_of(rows[0], engine)
        verdicts = verifier.verify_certificates(
            [case.leaf for case in rows],
            [b"".join(case.sent) for case in rows],
            at=np.array([case.at for case in rows], dtype=np.int64),
            confirmations=CONFIRMATIONS,
        )
        assert refused is None
        for case, one in zip(rows, verdicts, strict=True):
            assert one.reason is Reason.PATH_BUDGET_SPENT or is_told_the_same(case, one.reason), case.id


# ---- tenants that share a cache ----------------------------------------------------------------------


def keys_of(case: PathCase) -> frozenset[bytes]:
    return frozenset(CertificateFacts(der).parsed.public_key.dump() for der in case.anchors)


@cache
def poison_pairs() -> list[tuple[PathCase, PathCase]]:
    """Cases whose anchors have one name and different keys: each leaf is shown to the other's tenant too."""
    groups: dict[bytes, list[PathCase]] = defaultdict(list)
    for case in path_cases():
        groups[CertificateFacts(case.anchors[0]).parsed.subject.dump()].append(case)
    pairs = [
        (case, other)
        for group in groups.values()
        for case, other in zip(group, group[1:] + group[:1], strict=True)
        if not keys_of(case) & keys_of(other)
    ]
    return pairs


class Tenant:
    """Whoever trusts the anchors of a case: a trust store of its own, even where another tenant's holds the same."""

    def __init__(self, of: PathCase) -> None:
        self.of = of
        try:
            self.store, self.refused = TrustStore(of.anchors), None
        except TrustError:
            self.store, self.refused = trust_of(of)

    def verdict(self, case: PathCase, engine: Engine) -> Reason:
        verifier = Verifier(self.store, profile_for(case.settings), engine=engine)
        sent = b"".join(case.sent)
        one = verifier.verify_certificates([case.leaf], [sent], at=case.at, confirmations=CONFIRMATIONS)[0]
        return self.refused if self.refused is not None and one.reason is Reason.ISSUER_UNKNOWN else one.reason


def test_one_name_with_different_keys_over_all_path_cases() -> None:
    """The cache knows each leaf as good under its own tenant when the other tenant is shown it, and the other way round."""
    pairs = poison_pairs()
    assert pairs, "no two cases have one anchor's name and different keys: this test has nothing to poison with"
    others = [Tenant(other) for _, other in pairs]
    fresh = [other.verdict(case, Engine(threads=1)) for (case, _), other in zip(pairs, others, strict=True)]
    for (case, tenant), reason in zip(pairs, fresh, strict=True):
        # A tenant may trust a key that the chain itself passes through, as where a root was rolled over.
        sent = {one.parsed.public_key.dump() for one in case.facts.sent}
        assert reason is not Reason.CERTIFICATE_OK or keys_of(tenant) & sent, (case.id, tenant.id)
    shared = Engine(threads=2, cache_bytes=64 * CACHE_BYTES_MIN)

    def told(number: int) -> tuple[list[Reason], Reason]:
        """Every other case is shown to the stranger before its own tenant, the rest after."""
        case, other = pairs[number][0], others[number]
        before = [other.verdict(case, shared)] if number % 2 else []
        own = verdict(case, shared)
        return [*before, other.verdict(case, shared)], own

    for _ in range(2):
        with ThreadPoolExecutor(PYTHON_THREADS) as pool:
            answers = pool.map(told, range(len(pairs)))
            for (case, _), wanted, (strangers, own) in zip(pairs, fresh, answers, strict=True):
                assert set(strangers) == {wanted}, case.id
                assert is_told_the_same(case, own), case.id


def test_generations_of_one_ca_over_pkits() -> None:
    """Every name in PKITS that has several keys (4.5): a tenant for each certificate, and all leaves under the name."""
    authorities: dict[bytes, list[CertificateFacts]] = defaultdict(list)
    leaves: dict[bytes, list[bytes]] = defaultdict(list)
    for der in pkits_certificates():
        facts = CertificateFacts(der)
        if facts.is_ca:
            authorities[facts.parsed.subject.dump()].append(facts)
        else:
            leaves[facts.parsed.issuer.dump()].append(der)
    at, tried = pkits()[0][0].at, 0
    shared = Engine(threads=2)
    for name, generations in authorities.items():
        tenants = {}
        for facts in generations:
            try:
                tenants[facts.parsed.public_key.dump()] = TrustStore([facts.der])
            except TrustError:
                continue
        if len(tenants) < 2:
            continue
        for leaf in leaves[name]:
            told = {}
            for key, store in tenants.items():
                before = Verifier(store, profile_for(Settings()), engine=Engine(threads=1))
                after = Verifier(store, profile_for(Settings()), engine=shared)
                told[key] = before.verify_certificates([leaf], at=at)[0].reason
                assert [after.verify_certificates([leaf], at=at)[0].reason for _ in range(2)] == [told[key]] * 2
            assert list(told.values()).count(Reason.CERTIFICATE_OK) <= 1
            tried += 1
    assert tried or not any(case.section.startswith("4.5") for case in pkits()[0])


def test_generations_of_jpki_in_tenants_of_their_own() -> None:
    """A city's two generations of one name: a tenant of the one is never told what the other's cache entry says."""
    city = build_city(40, seed="tenants", key="p256", authority_key="p256", purposes=["auth"])
    issuers = {generation: city.authority("auth", generation).certificate for generation in (1, 2)}
    profile = Profile.load("jpki-auth-test")
    assert len({CertificateFacts(der).parsed.subject.dump() for der in issuers.values()}) == 1
    shared = Engine(threads=2)
    profile = profile_for(Settings()) if profile.p256_mode is None else profile
    tenants = {generation: Verifier(TrustStore([der]), profile, engine=shared) for generation, der in issuers.items()}
    leaves = [city.certificate(row) for row in range(len(city))]
    wanted = {
        generation: [
            Reason.CERTIFICATE_OK if of == generation else Reason.ISSUER_SIGNATURE_WRONG for of in city.generation
        ]
        for generation in tenants
    }
    assert all(Reason.CERTIFICATE_OK in reasons for reasons in wanted.values())

    def told(generation: int) -> tuple[int, list[Reason]]:
        verdicts = tenants[generation].verify_certificates(leaves, at=AT, confirmations=CONFIRMATIONS)
        return generation, [one.reason for one in verdicts]

    with ThreadPoolExecutor(PYTHON_THREADS) as pool:
        for generation, reasons in pool.map(told, [1, 2] * 6):
            assert reasons == wanted[generation]


def test_the_real_generations_of_jpki_are_never_taken_for_one_another() -> None:
    """Each production CA certificate, self-signed: shown to a tenant that trusts another generation of its name."""
    files = sorted((ROOT / "jpki").glob("*.cer"))
    names: dict[bytes, list[bytes]] = defaultdict(list)
    for file in files:
        names[CertificateFacts(file.read_bytes()).parsed.subject.dump()].append(file.read_bytes())
    shared = Engine(threads=2)
    for generations in names.values():
        for trusted in generations:
            store = TrustStore([trusted])
            at = (store.issuers[0].window or (0, 0))[0]
            for shown in generations:
                reasons = [
                    Verifier(store, profile_for(Settings()), engine=engine)
                    .verify_certificates([shown], at=at)[0]
                    .reason
                    for engine in (Engine(threads=1), shared, shared)
                ]
                assert len(set(reasons)) == 1
                assert reasons[0] is not Reason.CERTIFICATE_OK
