"""20,000 challenges offered to two processes at once, after kill -9, with the clock stepped: none accepted twice.

The processes are real ones that share nothing but the file. Each says what it accepted by appending the answers of a
small batch to a file of its own before it takes the next batch; what it had in hand when it was killed it never said,
like a server that dies before it answers.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import sekisho
from sekisho import Reason
from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims

ROWS = 20_000
AT = 1_800_000_000
KEYS = ChallengeKeys({7: b"k" * 32}, current=7)
BATCH = 64  # rows; a killed process loses the answers of one batch at most

WORKER = """
import os, sys
import numpy as np
from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims

claims_path, tokens_path, said_path, seed, at, batch = sys.argv[1:]
at, batch = int(at), int(batch)
keys = ChallengeKeys({7: b"k" * 32}, current=7)
tokens = np.load(tokens_path)
order = np.arange(len(tokens)) if seed == "0" else np.random.default_rng(int(seed)).permutation(len(tokens))
claims = Claims.open(claims_path, capacity=50_000, skew=5, at=at)
said = os.open(said_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(1, b"ready\\n")
os.read(0, 1)
for start in range(0, len(tokens), batch):
    rows = order[start : start + batch]
    reasons, _ = claims.redeem(keys, tokens[rows], profile=1, at=at)
    answer = np.empty((len(rows), 2), np.int32)
    answer[:, 0], answer[:, 1] = rows, reasons
    os.write(said, answer.tobytes())
os.write(1, b"done\\n")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: that is where the set lies in production."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108
        yield tmp_path
        return
    place = Path(f"/dev/shm/sekisho-test-{os.getpid()}-{random.getrandbits(32):08x}")  # noqa: S108
    place.mkdir(mode=0o700)
    yield place
    for file in place.iterdir():
        file.unlink()
    place.rmdir()


class Crowd:
    """Processes that offer the same challenges to one set, and the tally of what they said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "claims"
        self.tokens = folder / "tokens.npy"
        self.accepted: Counter[int] = Counter()
        self.reasons: Counter[int] = Counter()
        self._number = 0
        np.save(self.tokens, KEYS.issue(ROWS, profile=1, at=AT, lifetime=300))
        self.keep = Claims.open(self.path, capacity=50_000, skew=5, fresh=True)

    @contextmanager
    def processes(self, count: int, at: int, *, shuffled: bool) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Starts `count` of them at once; what they said is tallied when all have ended."""
        said, crowd = [], []
        for _ in range(count):
            self._number += 1
            said.append(self.folder / f"said-{self._number}")
            seed = str(self._number) if shuffled else "0"
            arguments = [str(self.path), str(self.tokens), str(said[-1]), seed, str(at), str(BATCH)]
            command = [sys.executable, "-c", WORKER, *arguments]
            crowd.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()))
        for process in crowd:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in crowd:
            assert process.stdin is not None
            process.stdin.write(b"g")
            process.stdin.flush()
        yield crowd
        for process in crowd:
            process.wait(120)
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()
        for file in said:
            answers = np.fromfile(file, np.int32)
            answers = answers[: len(answers) // 2 * 2].reshape(-1, 2)
            self.accepted.update(answers[answers[:, 1] == Reason.ACCEPTED, 0].tolist())
            self.reasons.update(answers[:, 1].tolist())

    def offer(self, at: int, *, shuffled: bool = True) -> Counter[int]:
        """Two processes offer everything at time `at` and end well. Returns the reasons they gave this time."""
        before = Counter(self.reasons)
        with self.processes(2, at, shuffled=shuffled) as crowd:
            pass
        assert all(process.returncode == 0 for process in crowd)
        return self.reasons - before

    def twice(self) -> dict[int, int]:
        return {row: times for row, times in self.accepted.items() if times > 1}


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(sekisho.__file__).parent.parent)}


@pytest.mark.parametrize("shuffled", [False, True])
def test_two_processes_then_kill_then_the_clock(folder: Path, shuffled: bool) -> None:
    crowd = Crowd(folder)
    # 1. two at once: each challenge exactly once
    assert crowd.offer(AT + 10, shuffled=shuffled) == {Reason.ACCEPTED: ROWS, Reason.CHALLENGE_USED: ROWS}
    assert len(crowd.accepted) == ROWS
    assert not crowd.twice()

    # 2. two more, killed while they offer; then a restart
    with crowd.processes(2, AT + 11, shuffled=shuffled) as killed:
        time.sleep(0.02)
        for process in killed:
            process.send_signal(signal.SIGKILL)
    assert crowd.offer(AT + 12) == {Reason.CHALLENGE_USED: 2 * ROWS}

    # 3. an hour ahead, with other logins going on there; an hour back; and where it was
    later = KEYS.issue(2000, profile=1, at=AT + 3600)
    assert crowd.offer(AT + 3600) == {Reason.CHALLENGE_EXPIRED: 2 * ROWS}
    reasons, _ = crowd.keep.redeem(KEYS, later, profile=1, at=AT + 3600)
    assert set(reasons.tolist()) == {Reason.ACCEPTED}
    assert crowd.offer(AT + 13) == {Reason.CLOCK_WENT_BACK: 2 * ROWS}
    assert crowd.offer(AT - 3600) == {Reason.CHALLENGE_NOT_YET_VALID: 2 * ROWS}
    assert crowd.offer(AT + 20) == {Reason.CLOCK_WENT_BACK: 2 * ROWS}
    assert len(crowd.accepted) == ROWS
    assert not crowd.twice()


def test_the_clock_stepped_back_first(folder: Path) -> None:
    crowd = Crowd(folder)
    assert crowd.offer(AT - 3600) == {Reason.CHALLENGE_NOT_YET_VALID: 2 * ROWS}
    assert crowd.offer(AT) == {Reason.ACCEPTED: ROWS, Reason.CHALLENGE_USED: ROWS}
    assert crowd.offer(AT - 3600) == {Reason.CHALLENGE_NOT_YET_VALID: 2 * ROWS}
    assert crowd.offer(AT) == {Reason.CHALLENGE_USED: 2 * ROWS}
    assert not crowd.twice()


def test_killed_at_random_again_and_again(folder: Path) -> None:
    """Processes are killed at random instants and others take over, until all has been offered: nothing is ever
    accepted twice, and what nobody said was accepted is at most what was in the hands of the killed.
    """
    crowd = Crowd(folder)
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    rounds = 12
    for _ in range(rounds):
        with crowd.processes(3, AT + 10, shuffled=True) as killed:
            for process in dice.sample(killed, 3):
                time.sleep(dice.random() * 0.008)
                process.kill()
        assert not crowd.twice(), f"seed {seed}"
        statistics = Claims.open(crowd.path).statistics()
        assert statistics.origin == "found"
        assert 0 <= statistics.live - len(crowd.accepted) <= 3 * rounds * BATCH
    before = len(crowd.accepted)
    crowd.offer(AT + 10)
    assert not crowd.twice(), f"seed {seed}"
    assert 0 < before < ROWS, "the killed were killed too early or too late to show anything"
    assert ROWS - len(crowd.accepted) <= 3 * rounds * BATCH
    assert crowd.offer(AT + 10) == {Reason.CHALLENGE_USED: 2 * ROWS}


def test_the_file_taken_away_while_they_work(folder: Path) -> None:
    """Deleted under working processes and made anew by others: what was issued before stays refused, by old and new."""
    crowd = Crowd(folder)
    with crowd.processes(2, AT + 10, shuffled=True):
        time.sleep(0.003)
        crowd.path.unlink()
        anew = Claims.open(crowd.path, capacity=50_000, skew=5, at=AT + 10)
        reasons, _ = anew.redeem(KEYS, np.load(crowd.tokens), profile=1, at=AT + 10)
        assert set(reasons.tolist()) == {Reason.CLAIMS_LOST}
    assert not crowd.twice()
    assert set(crowd.reasons) <= {Reason.ACCEPTED, Reason.CHALLENGE_USED, Reason.CLAIMS_LOST}
    assert crowd.offer(AT + 11) == {Reason.CLAIMS_LOST: 2 * ROWS}
