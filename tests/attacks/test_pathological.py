"""What is made to cost much costs little: each of `tests.attacks.pathological`'s cases, with what it is told and what it costs.

Nothing here is timed. Signatures, whole paths, calls of malloc and bytes alive at once are counted.
"""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from tests.attacks import pathological
from tests.attacks.pathological import PROFILE, Case, Cost

from sekisho.engine import Engine
from sekisho.reasons import Reason

NOTHING = 16  # calls of malloc by Python and cffi for a batch of one, whatever is in it
ALLOCATIONS_A_SIGNATURE = 400  # OpenSSL's, for one P-384 signature: some 230
ALLOCATIONS_A_PATH = 20_000  # OpenSSL's, for one path of seven certificates with 64 subtrees or 128 policies each
PEAK_MAX = 2 << 20  # bytes; 64 MiB would do

pytestmark = pytest.mark.skipif(
    "SEKISHO_SANITIZED" in os.environ, reason="counts allocations, which a sanitizer makes its own"
)


@pytest.fixture(scope="module")
def costs() -> list[Cost]:
    return pathological.costs()


def test_each_is_told_the_right_reason(costs: list[Cost]) -> None:
    assert [(one.name, one.reason) for one in costs] == [(one.name, one.wanted) for one in costs]
    assert len(costs) > 30


def test_each_is_bounded_in_signatures_and_paths(costs: list[Cost]) -> None:
    assert [one.name for one in costs if one.signatures > one.signatures_max or one.paths > one.paths_max] == []


def test_a_stranger_reaches_no_path_and_costs_signatures_alone(costs: list[Cost]) -> None:
    """Nothing of what a stranger sent is given to OpenSSL but signatures to verify, at most 16 and 12 of them, and none twice."""
    strangers = [one for one in costs if one.sender == "stranger"]
    assert max(one.signatures for one in strangers) == 20
    for one in strangers:
        assert one.paths == 0, one.name
        assert one.allocations <= NOTHING + ALLOCATIONS_A_SIGNATURE * one.signatures, one.name


def test_memory_and_allocations_are_bounded(costs: list[Cost]) -> None:
    for one in costs:
        assert one.peak_bytes < PEAK_MAX, one.name
        assert one.allocations <= NOTHING + ALLOCATIONS_A_SIGNATURE * one.signatures + ALLOCATIONS_A_PATH * one.paths, (
            one.name
        )


def test_a_larger_input_costs_no_more_signatures(costs: list[Cost]) -> None:
    """The same chains, once of 400 bytes a certificate and once of 64 KiB."""
    for before, after in pairwise(costs):
        if after.name == "the same, 64 KiB each":
            assert (after.signatures, after.paths, after.allocations) == (
                before.signatures,
                before.paths,
                before.allocations,
            )


def test_policy_trees_end_at_openssls_limit(costs: list[Cost]) -> None:
    """CVE-2023-0464: without the limit of 1,000 nodes (OpenSSL 3.0.9 and later) the tree of 11 to the 4th has 14,641 leaves."""
    small, large = (one for one in costs if one.name.startswith("policy tree"))
    assert large.allocations < small.allocations + 2 * 1000 + 4_000


def test_a_flood_of_costly_rows_is_paid_for_once() -> None:
    """64 logins with four look-alike CAs each: the batch pays for some, the rest get what a straight chain takes."""
    case = next(one for one in pathological.strangers() if one.name == "4 look-alike CAs sent")
    assert set(_batch(case, 64)) <= {case.reason.name, "PATH_BUDGET_SPENT"}


def _batch(case: Case, rows: int) -> list[str]:
    judge = pathological.verifier_of(case, Engine(threads=1, cache_bytes=0, cross_check_one_in=0))
    verdicts = judge.verify_certificates([case.leaf] * rows, [case.sent] * rows, at=pathological.AT)
    return [verdict.reason.name for verdict in verdicts]


@pytest.mark.parametrize("cache_bytes", [0, 8 << 20])
def test_what_was_costly_leaves_no_trace(cache_bytes: int) -> None:
    """One engine is asked all of them, twice, and a good certificate after each: nobody is refused for another's deed."""
    engine = Engine(threads=1, cache_bytes=cache_bytes, cross_check_one_in=0)
    root = pathological.make("trace root")
    good = Case("good", Reason.CERTIFICATE_OK, pathological.make("good", root, ca=False).der, anchors=(root.der,))
    well = pathological.ask(good, engine)
    for _, case in pathological.cases():
        question = pathological.ask(case, engine)
        assert [question(), question()] == [case.reason] * 2, case.name
        assert well() is good.reason, case.name
    assert PROFILE.revocation == "off"
