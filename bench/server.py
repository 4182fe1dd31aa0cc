"""``python -m bench server``: what the socket server costs over the library, and how long one login takes that comes alone.

The server is a process of its own (bench/serving.py), with one worker. Its CPU is that of the whole process, all threads, read by
itself before and after: the loop, the sockets, the splitting, the work. The library's is that of the thread that calls
``verify_logins`` with batches as large as the server's were on average, over the same logins, in the same rounds. Cold:
certificates never seen.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, Final, cast

import numpy as np

from bench.options import Options
from bench.report import valued
from bench.rounds import spread
from bench.run import Run
from bench.serving import AUDIENCE, PROFILE, TENANT, a_tenant, renewed
from sekisho import frames
from sekisho.batch import Column
from sekisho.challenges import ChallengeKeys, tokens_of
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT, build_city, make_logins
from sekisho.testing.keys import KeyKind
from sekisho.verifier import LoginBatch

__all__ = ["CASES", "benchmark", "steps"]

CASES: Final[tuple[KeyKind, ...]] = ("rsa2048", "p256", "p384", "ed25519")
CONNECTIONS: Final = 64
WELCOME_SIZE: Final = 56
ALONE: Final = 256  # logins sent one by one to an idle server
PIECE: Final = 1 << 18  # bytes sent at once


def benchmark(run: Run) -> None:
    """Every case."""
    for case in run.options.cases:
        with _desk(cast(KeyKind, case), run) as desk:
            run.step(f"{case}: {desk.count} citizens signed in")
            _beside_library(run, desk)
            run.step(f"{case}: beside the library")
            _alone(run, desk)
            run.step(f"{case}: one at a time")


def steps(options: Options) -> int:
    """How many steps that is."""
    return 3 * len(options.cases)


@dataclass(frozen=True, eq=False)
class _Desk:
    case: str
    folder: Path
    certificates: list[bytes]
    challenges: list[bytes]
    signatures: list[bytes]
    process: subprocess.Popen[str]

    @property
    def count(self) -> int:
        return len(self.certificates)

    def ask(self, command: str) -> str:
        """A command of bench/serving.py, and its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def frame(self, number: int) -> bytes:
        return frames.login(number, self.certificates[number], self.challenges[number], self.signatures[number])

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(str(self.folder / "socket"))
        made.sendall(frames.hello(TENANT))
        welcome = made.recv(WELCOME_SIZE)
        assert len(welcome) == WELCOME_SIZE
        return made


@contextmanager
def _desk(case: KeyKind, run: Run) -> Iterator[_Desk]:
    workers, count = run.options.workers, run.options.keys
    city = build_city(
        count, seed="bench", key=case, authority_key=case, purposes=["auth"], workers=workers, progress=run.watch(case)
    )
    secret = os.urandom(32)
    keys, profile = ChallengeKeys({1: secret}, current=1), Profile.load(PROFILE)
    tokens = keys.issue(count, profile=profile.id32, tenant=TENANT, audience=AUDIENCE, lifetime=300, at=AT - 10)
    logins = make_logins(city, tokens_of(tokens), workers=workers, progress=run.watch(f"{case} signatures"))
    memory = Path("/dev/shm")  # noqa: S108 - where claims belong
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        (folder / "trust").mkdir()
        for number, der in enumerate(city.trust("auth")):
            (folder / "trust" / f"{number}.cer").write_bytes(der)
        (folder / "keys").write_text(secret.hex())
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.serving", name, "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield _Desk(
                case, folder, list(logins.certificates), list(logins.challenges), list(logins.signatures), process
            )
        finally:
            process.communicate("end\n", timeout=60)


def _beside_library(run: Run, desk: _Desk) -> None:
    """Interleaved rounds of all logins at once over all connections, and of the library."""
    lines = [desk.connect() for _ in range(CONNECTIONS)]
    blobs = [b"".join(map(desk.frame, range(at, desk.count, CONNECTIONS))) for at in range(CONNECTIONS)]
    tenant = a_tenant(desk.folder)
    ours, library, rates, sizes = [], [], [], []
    for warm_up in [True, *[False] * run.options.rounds]:
        desk.ask("reset")
        before, count_before = int(desk.ask("cpu")), json.loads(desk.ask("count"))
        seconds, wrong = _burst(lines, blobs)
        cpu, count = (int(desk.ask("cpu")) - before) / 1000, json.loads(desk.ask("count"))
        batch = round((count["rows"] - count_before["rows"]) / (count["batches"] - count_before["batches"]))
        tenant = renewed(tenant, desk.folder)
        theirs, wrong_theirs = _library(desk, tenant.verifier(), batch)
        run.report.blame(f"{desk.case}: the server", wrong)
        run.report.blame(f"{desk.case}: the library", wrong_theirs)
        if not warm_up:
            ours.append(cpu / desk.count)
            library.append(theirs / desk.count)
            rates.append(desk.count / seconds)
            sizes.append(batch)
    for line in lines:
        line.close()
    ratios = [one / other for one, other in zip(ours, library, strict=True)]
    what = f"cold, {CONNECTIONS} connections, pipelined, batches of {statistics.median(sizes):.0f}"
    for values, unit, of in (
        (ours, "us CPU a login", f"server process: {what}"),
        (library, "us CPU a login", "verify_logins over the same, in batches as large"),
        (ratios, "x", "CPU of the server's process to the library's"),
        (rates, "logins/s", f"server, one worker: {what}"),
    ):
        run.report.rows.append(
            valued(desk.case, statistics.median(values), unit, what=of, spread=spread(values), threads=1)
        )


def _burst(lines: list[socket.socket], blobs: list[bytes]) -> tuple[float, int]:
    """Sends everything, reads everything: seconds, and how many were not accepted."""
    selector = selectors.DefaultSelector()
    left = {line: memoryview(blob) for line, blob in zip(lines, blobs, strict=True)}
    heard: dict[socket.socket, list[bytes]] = {line: [] for line in lines}
    requests = sum(blob.count(b"sekisho1.") for blob in blobs)
    missing = requests * frames.LOGIN_ANSWER_SIZE
    for line in lines:
        line.setblocking(False)
        selector.register(line, selectors.EVENT_READ | selectors.EVENT_WRITE)
    began = perf_counter()
    while missing:
        for key, events in selector.select():
            line = cast(socket.socket, key.fileobj)
            if events & selectors.EVENT_WRITE:
                left[line] = left[line][line.send(left[line][:PIECE]) :]
                if not left[line]:
                    selector.modify(line, selectors.EVENT_READ)
            if events & selectors.EVENT_READ:
                data = line.recv(PIECE)
                assert data, "the server has closed"
                heard[line].append(data)
                missing -= len(data)
    seconds = perf_counter() - began
    selector.close()
    answers = np.frombuffer(b"".join(b"".join(parts) for parts in heard.values()), dtype=np.uint8)
    reasons = answers.reshape(-1, frames.LOGIN_ANSWER_SIZE)[:, frames.HEADER_SIZE]
    return seconds, requests - int(np.count_nonzero(reasons == Reason.ACCEPTED))


def _library(desk: _Desk, verifier: Any, batch: int) -> tuple[float, int]:
    """Microseconds of CPU for all logins, and how many were not accepted."""
    columns = (desk.certificates, desk.challenges, desk.signatures)
    batches = [
        LoginBatch(*(Column.of(column[at : at + batch]) for column in columns)) for at in range(0, desk.count, batch)
    ]
    began = thread_time()
    answers = [verifier.verify_logins(one, at=AT) for one in batches]
    spent = thread_time() - began
    return spent * 1e6, desk.count - sum(int(np.count_nonzero(one.ok)) for one in answers)


def _alone(run: Run, desk: _Desk) -> None:
    """One login after the other on an idle server: from the first byte sent to the last received."""
    desk.ask("reset")
    times, wrong = [], 0
    with desk.connect() as line:
        for number in range(min(ALONE, desk.count)):
            request = desk.frame(number)
            began = perf_counter()
            line.sendall(request)
            answer = line.recv(frames.LOGIN_ANSWER_SIZE)
            times.append((perf_counter() - began) * 1000)
            wrong += answer[frames.HEADER_SIZE] != Reason.ACCEPTED
    run.report.blame(f"{desk.case}: one at a time", wrong)
    for value, what in ((statistics.median(times), "median"), (float(np.percentile(times, 99)), "99 of 100 below")):
        run.report.rows.append(
            valued(desk.case, value, "ms", what=f"one cold login on an idle server: {what}", spread=spread(times))
        )
