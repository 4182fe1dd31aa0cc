"""What must not change a verdict: which path decides, kernels, the cache, order, neighbours, and who brought the CAs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.strategies import Chain, chains, leaf_bytes, profiles

from sekisho._native import ffi, lib
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT
from sekisho.trust import TrustError, TrustStore
from sekisho.verifier import Verifier

SETTINGS: Final = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
OK: Final = Reason.CERTIFICATE_OK


def verifier(chain: Chain, profile: Profile, *, configured: bool = True, cache_bytes: int = 0) -> Verifier | None:
    """One that never saw anything; None where no CA of the chain can be used."""
    engine = Engine(threads=1, cache_bytes=cache_bytes, cross_check_one_in=1)
    try:
        store = TrustStore([chain.anchor], list(chain.cas) if configured else [])
    except TrustError:
        return None
    return Verifier(store, profile, engine=engine)


def told(judge: Verifier, leaves: list[bytes], sent: bytes = b"") -> list[Reason]:
    together = [sent] * len(leaves)
    return [one.reason for one in judge.verify_certificates(leaves, together, at=AT, confirmations=10**6)]


@SETTINGS
@given(chains(), profiles())
def test_the_fast_path_decides_as_the_slow_one(chain: Chain, profile: Profile) -> None:
    """The first leaf under an issuer goes through OpenSSL; after one was accepted, plain leaves do not."""
    for leaf in chain.leaves:
        slow, fast = verifier(chain, profile), verifier(chain, profile)
        if slow is None or fast is None:
            return
        admitted = told(fast, [chain.good])
        assert told(slow, [leaf]) == told(fast, [leaf]), (chain.notes, admitted, leaf.hex())


@SETTINGS
@given(chains(), profiles())
def test_a_warm_cache_says_what_a_cold_one_said(chain: Chain, profile: Profile) -> None:
    judge = verifier(chain, profile, cache_bytes=4 << 20)
    if judge is None:
        return
    leaves = [*chain.leaves, chain.good]
    cold = told(judge, leaves)
    assert told(judge, leaves) == cold
    uncached = verifier(chain, profile)
    assert uncached is not None
    assert told(uncached, leaves) == cold


@SETTINGS
@given(chains(), profiles(), st.randoms())
def test_neither_order_nor_neighbours_change_a_verdict(chain: Chain, profile: Profile, chance: object) -> None:
    leaves = [*chain.leaves, chain.good, *chain.leaves[:1]]
    order = list(range(len(leaves)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    alone = []
    for leaf in leaves:
        judge = verifier(chain, profile)
        if judge is None:
            return
        alone += told(judge, [leaf])
    together = verifier(chain, profile)
    assert together is not None
    assert told(together, leaves) == alone
    shuffled = verifier(chain, profile, cache_bytes=4 << 20)
    assert shuffled is not None
    assert told(shuffled, [leaves[place] for place in order]) == [alone[place] for place in order]


@SETTINGS
@given(chains(), profiles())
def test_sent_intermediates_are_as_good_as_configured_ones(chain: Chain, profile: Profile) -> None:
    """Acceptance is the same; why a leaf is refused may differ, since a CA that was kept out of the store is nobody's issuer."""
    configured, sent = verifier(chain, profile), verifier(chain, profile, configured=False)
    if configured is None or sent is None:
        assert sent is None or OK not in told(sent, list(chain.leaves), chain.sent)
        return
    leaves = [*chain.leaves, chain.good]
    by_store = [reason is OK for reason in told(configured, leaves)]
    assert [reason is OK for reason in told(sent, leaves, chain.sent)] == by_store, chain.notes


@contextmanager
def without_lanes() -> Iterator[None]:
    """Every kernel switched off, and back to what its self-test says."""
    kernels = range(1, lib.SEKI_KERNELS)
    for kernel in kernels:
        assert lib.seki_kernels_disable(kernel) == lib.SEKI_OK
    try:
        yield
    finally:
        report = ffi.new("seki_kernel_report *")
        for kernel in kernels:
            assert lib.seki_kernels_report(kernel, report) == lib.SEKI_OK
            if report.state != lib.SEKI_KERNEL_ABSENT:
                assert lib.seki_kernels_plant(kernel, lib.SEKI_FAULT_NONE) == lib.SEKI_OK


@SETTINGS
@given(chains(leaves=12), profiles())
def test_lanes_change_no_verdict(chain: Chain, profile: Profile) -> None:
    leaves = [*chain.leaves, chain.good] * 2
    judge = verifier(chain, profile)
    if judge is None:
        return
    in_lanes = told(judge, leaves)
    with without_lanes():
        plain = verifier(chain, profile)
        assert plain is not None
        assert told(plain, leaves) == in_lanes


@SETTINGS
@given(leaf_bytes(), profiles())
def test_any_bytes_get_a_verdict(data: bytes, profile: Profile) -> None:
    """No mutated certificate fails a call, and a certificate as its own anchor accepts nothing but what it signed."""
    try:
        judge = Verifier(TrustStore([data]), profile, engine=Engine(threads=1, cache_bytes=0))
    except TrustError:
        return
    (reason,) = told(judge, [data])
    assert reason is not OK
