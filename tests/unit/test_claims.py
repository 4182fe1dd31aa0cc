"""Claims through Python: single use, repetitions, the clock, the failure count, and what the file may be."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from sekisho import Reason
from sekisho._native import NativeError
from sekisho.challenges import ChallengeKeys
from sekisho.claims import OUTCOME_FAILED, OUTCOME_GOOD, OUTCOME_NONE, Claims, default_path

AT = 1_800_000_000
KEYS = ChallengeKeys({7: b"k" * 32}, current=7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "claims"


@pytest.fixture
def claims(path: Path) -> Claims:
    return Claims.open(path, capacity=10_000, skew=5, fresh=True)


def redeem(claims: Claims, tokens: object, at: int = AT, **more: object) -> list[int]:
    return claims.redeem(KEYS, tokens, profile=1, at=at, **more)[0].tolist()  # type: ignore[arg-type]


def test_once(claims: Claims) -> None:
    tokens = KEYS.issue(1000, profile=1, at=AT)
    assert redeem(claims, tokens) == [Reason.ACCEPTED] * 1000
    assert redeem(claims, tokens) == [Reason.CHALLENGE_USED] * 1000
    statistics = claims.statistics()
    assert (statistics.live, statistics.accepted, statistics.used) == (1000, 1000, 1000)
    assert statistics.capacity == 10_000
    assert statistics.newest == AT
    assert statistics.origin == "made"
    assert not statistics.lost


def test_once_within_a_batch(claims: Claims) -> None:
    token = KEYS.issue(1, profile=1, at=AT).tolist()
    assert redeem(claims, token * 3) == [Reason.ACCEPTED, Reason.CHALLENGE_USED, Reason.CHALLENGE_USED]


def test_only_acceptance_claims(claims: Claims) -> None:
    tokens = KEYS.issue(3, profile=1, at=AT, bindings=[b"s"] * 3)
    assert redeem(claims, tokens, bindings=[b"x"] * 3) == [Reason.CHALLENGE_FORGED] * 3
    assert (
        redeem(claims, tokens, bindings=[b"s"] * 3, outcomes=np.full(3, OUTCOME_NONE, np.uint8))
        == [Reason.CHALLENGE_OK] * 3
    )
    outcomes = np.array([OUTCOME_FAILED, OUTCOME_GOOD, OUTCOME_NONE], np.uint8)
    assert redeem(claims, tokens, bindings=[b"s"] * 3, outcomes=outcomes) == [
        Reason.SIGNATURE_WRONG,
        Reason.ACCEPTED,
        Reason.CHALLENGE_OK,
    ]
    assert redeem(claims, tokens, bindings=[b"s"] * 3) == [Reason.ACCEPTED, Reason.CHALLENGE_USED, Reason.ACCEPTED]


def test_a_retry_is_repeated_and_nothing_else_is(claims: Claims) -> None:
    tokens = KEYS.issue(3, profile=1, at=AT)
    requests = np.array([11, 12, 0], np.uint64)
    said = {"profile": 1, "requests": requests}
    reasons, repeated = claims.redeem(KEYS, tokens, at=AT, **said)
    assert reasons.tolist() == [Reason.ACCEPTED] * 3
    assert repeated.tolist() == [False] * 3
    reasons, repeated = claims.redeem(KEYS, tokens, at=AT + 119, **said)
    assert reasons.tolist() == [Reason.ACCEPTED, Reason.ACCEPTED, Reason.CHALLENGE_USED]
    assert repeated.tolist() == [True, True, False]
    reasons, repeated = claims.redeem(KEYS, tokens, at=AT + 119, profile=1, requests=requests + np.uint64(1))
    assert reasons.tolist() == [Reason.CHALLENGE_USED] * 3
    reasons, repeated = claims.redeem(KEYS, tokens, at=AT + 120, **said)
    assert reasons.tolist() == [Reason.CHALLENGE_EXPIRED] * 3
    assert not repeated.any()


def test_eight_failures_lock(claims: Claims) -> None:
    tokens = KEYS.issue(2, profile=1, at=AT)
    failed = np.array([OUTCOME_FAILED, OUTCOME_NONE], np.uint8)
    for _ in range(8):
        assert redeem(claims, tokens, outcomes=failed) == [Reason.SIGNATURE_WRONG, Reason.CHALLENGE_OK]
    assert redeem(claims, tokens, outcomes=failed) == [Reason.CHALLENGE_LOCKED, Reason.CHALLENGE_OK]
    assert redeem(claims, tokens) == [Reason.CHALLENGE_LOCKED, Reason.ACCEPTED]
    assert claims.statistics().locked == 1


def test_a_stranger_without_the_binding_locks_nobody(claims: Claims) -> None:
    token = KEYS.issue(1, profile=1, at=AT, bindings=[b"session"])
    for _ in range(50):
        redeem(claims, token, bindings=[b"guess"], outcomes=np.full(1, OUTCOME_FAILED, np.uint8))
    assert redeem(claims, token, bindings=[b"session"]) == [Reason.ACCEPTED]


def test_the_clock_does_not_go_back(claims: Claims) -> None:
    early, late = KEYS.issue(1, profile=1, at=AT), KEYS.issue(1, profile=1, at=AT + 3600)
    assert redeem(claims, early) == [Reason.ACCEPTED]
    assert redeem(claims, early, at=AT - 1, skew=5) == [Reason.CHALLENGE_USED]  # a second is no step
    assert redeem(claims, late, at=AT + 3600) == [Reason.ACCEPTED]
    more = KEYS.issue(1, profile=1, at=AT)
    assert redeem(claims, early, at=AT) == [Reason.CLOCK_WENT_BACK]
    assert redeem(claims, more, at=AT + 1) == [Reason.CLOCK_WENT_BACK]
    assert redeem(claims, KEYS.issue(1, profile=1, at=AT + 3599), at=AT + 3599) == [Reason.ACCEPTED]


def test_milliseconds_given_by_mistake_do_no_harm(claims: Claims) -> None:
    tokens = KEYS.issue(1, profile=1, at=AT)
    with pytest.raises(ValueError, match="in seconds"):
        redeem(claims, tokens, at=AT * 1000)
    assert redeem(claims, tokens) == [Reason.ACCEPTED]


def test_a_lost_set_refuses_what_was_issued_before(claims: Claims, path: Path) -> None:
    tokens = KEYS.issue(2, profile=1, at=AT)
    assert redeem(claims, tokens[:1]) == [Reason.ACCEPTED]
    path.unlink()
    assert redeem(claims, tokens) == [Reason.CLAIMS_LOST] * 2
    assert claims.statistics().lost

    anew = Claims.open(path, capacity=10_000, skew=5, at=AT)
    assert anew.statistics().origin == "made"
    assert redeem(anew, tokens, at=AT + 1) == [Reason.CLAIMS_LOST] * 2
    by_a_fast_clock = KEYS.issue(1, profile=1, at=AT + 5)
    assert redeem(anew, by_a_fast_clock, at=AT + 5) == [Reason.CLAIMS_LOST]
    later = KEYS.issue(1, profile=1, at=AT + 6)
    assert redeem(claims, later, at=AT + 6) == [Reason.CLAIMS_LOST]  # it must be opened anew
    assert redeem(anew, later, at=AT + 6) == [Reason.ACCEPTED]


def test_a_set_made_anew_begins_when_it_was_made_whatever_is_judged_first(claims: Claims, path: Path) -> None:
    """A backlog judged at the times of its arrival must not make the new set older than what the old one accepted."""
    tokens = KEYS.issue(1, profile=1, at=AT - 2)
    assert redeem(claims, tokens, at=AT - 1) == [Reason.ACCEPTED]
    path.unlink()
    anew = Claims.open(path, capacity=10_000, skew=5, at=AT)
    assert redeem(anew, KEYS.issue(2, profile=1, at=AT - 20), at=AT - 4) == [Reason.CLAIMS_LOST] * 2
    assert redeem(anew, tokens, at=AT + 6) == [Reason.CLAIMS_LOST]
    assert anew.statistics().began == AT
    again = Claims.open(path, at=AT + 100)
    assert again.statistics().began == AT  # found, not made
    by_the_clock = Claims.open(path.with_name("other"))
    assert by_the_clock.statistics().began >= int(time.time()) - 60
    assert Claims.open(path.with_name("fresh"), fresh=True).statistics().began == 1


def test_a_time_far_ahead_is_not_remembered(path: Path) -> None:
    now = int(time.time())
    claims = Claims.open(path, capacity=64, at=now - 100)
    tokens = KEYS.issue(1, profile=1, at=now)
    with pytest.raises(ValueError, match="a day ahead"):
        redeem(claims, tokens, at=now + 2 * 86_400)
    assert claims.statistics().newest == 0
    assert redeem(claims, tokens, at=now) == [Reason.ACCEPTED]


def test_a_damaged_set_is_made_anew(claims: Claims, path: Path) -> None:
    tokens = KEYS.issue(1, profile=1, at=AT)
    assert redeem(claims, tokens) == [Reason.ACCEPTED]
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    anew = Claims.open(path, fresh=False, at=AT)
    assert anew.statistics().origin == "remade-damaged"
    assert redeem(anew, tokens) == [Reason.CLAIMS_LOST]
    assert redeem(claims, tokens) == [Reason.CLAIMS_LOST]


def test_a_good_set_is_found_whatever_is_asked(claims: Claims, path: Path) -> None:
    tokens = KEYS.issue(1, profile=1, at=AT)
    assert redeem(claims, tokens) == [Reason.ACCEPTED]
    second = Claims.open(path, capacity=64, skew=0, fresh=True)
    statistics = second.statistics()
    assert (statistics.origin, statistics.capacity, statistics.skew) == ("found", 10_000, 5)
    assert redeem(second, tokens) == [Reason.CHALLENGE_USED]


def test_files_that_are_no_set(path: Path) -> None:
    path.write_text("precious")
    path.chmod(0o600)
    with pytest.raises(NativeError, match="never was one; it is left alone"):
        Claims.open(path)
    assert path.read_text() == "precious"
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="others can open it"):
        Claims.open(path)
    with pytest.raises(FileNotFoundError):
        Claims.open(path.parent / "no" / "such")


@pytest.mark.parametrize("wrong", [{"capacity": 63}, {"capacity": 67_108_865}, {"skew": -1}, {"skew": 61}])
def test_misuse_raises(path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="capacity 64 to"):
        Claims.open(path, **wrong)
    assert not path.exists()


def test_arrays_of_another_shape_claim_nothing(claims: Claims) -> None:
    tokens = KEYS.issue(2, profile=1, at=AT)
    for wrong in (
        {"requests": np.zeros(3, np.uint64)},
        {"requests": np.zeros(2, np.int64)},
        {"outcomes": np.ones(1, np.uint8)},
        {"outcomes": np.full(2, 3, np.uint8)},
        {"bindings": [b""]},
        {"skew": 61},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            redeem(claims, tokens, **wrong)
    assert redeem(claims, tokens) == [Reason.ACCEPTED] * 2
    assert redeem(claims, []) == []


def test_default_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/sekisho:/run/other")
    assert default_path() == Path("/run/sekisho/claims")
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    assert default_path().parent == Path("/dev/shm")  # noqa: S108
