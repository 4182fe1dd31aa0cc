"""``python -m bench pressure``: how long logins wait at half and nine tenths of what a server can do, and what ten times as
much does to it.

The server has one core to itself and the generator another. Nothing is cached, so every certificate is cold. A login that
comes again is refused as used, after the same work: its verdict counts. Latencies are from when a login was due, whatever
the generator did, and its own delay is told apart.

Overload: ten times the peak is offered, and what is turned away is offered again at once, whatever it was told. Beside it
stand 5,000 connections that say nothing, some that ask and never read, and strangers who send garbage.
"""

from __future__ import annotations

import gc
import os
import resource
import secrets
import socket
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bench.pump import Heard, Line, Pump
from bench.report import valued
from bench.run import Run
from sekisho import frames
from sekisho.demo.burst import Server, frames_of, server
from sekisho.demo.signed import signed_city
from sekisho.frames import LOGIN_ANSWER_SIZE, Kind
from sekisho.reasons import Reason
from sekisho.testing.keys import KeyKind

__all__ = ["CASES", "benchmark", "steps"]

CASES: Final = ("latency-rsa2048", "overload-p384")
KEYS: Final[dict[str, KeyKind]] = {"latency-rsa2048": "rsa2048", "overload-p384": "p384"}
SHARES: Final = (0.5, 0.9)
TIMES: Final = 10
PIECE: Final = 8  # logins that come together at a steady rate
PIECE_OF_FLOOD: Final = 32  # in a flood
IDLE: Final = 5_000
SLOW: Final = 20
GARBAGE_EACH_S: Final = 0.01
SETTINGS: Final = "[engine]\ncache_bytes = 0\nthreads = 1\n"
FINE: Final = (Reason.ACCEPTED, Reason.CHALLENGE_USED)
PROMPT_S: Final = 0.015  # a login that is answered in this is answered as before
SOUND: Final = 50  # such answers in a row, and the server is over it
PROBE_S: Final = 0.005  # between two of them
WARM_UP_S: Final = 0.5
TURN_S: Final = 5.0  # of a steady rate, before what the server can do is measured again


def steps(cases: Any) -> int:
    """How many steps that is."""
    return 2 * len(cases)


def benchmark(run: Run, citizens: int, seconds: float) -> None:
    """Every case.

    Args:
        citizens: distinct logins.
        seconds: of each rate, and of the overload.
    """
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise RuntimeError("this wants two CPUs: one for the server, one for the generator")
    try:
        for case in run.options.cases:
            _case(run, case, citizens, seconds, cpus)
    finally:
        gc.enable()
        os.sched_setaffinity(0, cpus)


def _case(run: Run, case: str, citizens: int, seconds: float, cpus: list[int]) -> None:
    def watch(what: str, done: int, of: int) -> None:
        run.watch(what)(done, of)

    os.sched_setaffinity(0, cpus)
    signed = signed_city(citizens, "pressure", watch, key=KEYS[case])
    logins, _ = frames_of(signed, [], watch)
    run.step(f"{case}: {citizens:,} citizens signed in")
    memory = Path("/dev/shm")  # noqa: S108 - where claims belong
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name,
        server(signed, Path(name), settings=SETTINGS, cpu=cpus[0]) as at,
    ):
        os.sched_setaffinity(0, {cpus[1]})
        gc.collect()
        gc.disable()  # the generator must not stop to look at what it made beforehand
        (_latency if case.startswith("latency") else _overload)(run, case, at, logins, seconds)
    run.step(case)


def _latency(run: Run, case: str, at: Server, logins: list[bytes], seconds: float) -> None:
    """In turns: what it can do just now, as a machine's speed drifts, and then a share of that."""
    pump = Pump(at.socket, logins, FINE, PIECE)
    pump.saturate(WARM_UP_S)
    turns = max(1, round(seconds / TURN_S))
    for share in SHARES:
        peaks, heard = [], Heard()
        for _ in range(turns):
            peak = pump.saturate(max(WARM_UP_S, seconds / turns / 4))
            pump.settle()
            heard.add(pump.offer(peak.goodput * share, seconds / turns))
            pump.settle()
            peaks.append(peak.goodput)
            run.report.blame(f"{case}, saturated", peak.wrong + peak.errors)
        run.report.blame(f"{case} at {share}", heard.wrong)
        _row(
            run,
            case,
            statistics.median(peaks),
            "logins/s",
            f"one core, saturated; median of {turns}, before each turn of the next",
        )
        told = f"at {share:.0%} of it, {heard.offered:,} logins, {heard.errors:,} turned away"
        for which in (50, 99, 99.9):
            _row(run, case, heard.percentile(which), "ms", f"p{which:g} {told}")
        _row(run, case, heard.late(99), "ms", f"p99 of the generator's own delay at {share:.0%}")
    pump.close()


def _overload(run: Run, case: str, at: Server, logins: list[bytes], seconds: float) -> None:
    pump = Pump(at.socket, logins, FINE, PIECE_OF_FLOOD)
    pump.saturate(WARM_UP_S)
    peak = pump.saturate(max(WARM_UP_S, seconds / 4))
    pump.settle()
    before = _resident(at)
    crowd = _Crowd(at.socket)
    heard = pump.offer(peak.goodput * TIMES, seconds, crowd.move)
    during = at.memory()
    pump.close()
    recovery = _recovery(at, logins)
    crowd.leave()
    after = _resident(at)
    run.report.blame(case, peak.wrong + heard.wrong)
    _row(run, case, peak.goodput, "logins/s", "peak: one core, saturated, nobody else there")
    _row(run, case, heard.offered / heard.seconds / peak.goodput, "x the peak", f"offered, {heard.offered:,} logins")
    _row(run, case, 100 * heard.goodput / peak.goodput, "% of the peak", "goodput: verdicts while all that is offered")
    _row(run, case, heard.percentile(99), "ms", "p99 of those with a verdict, meanwhile")
    _row(run, case, 100 * heard.errors / max(1, heard.offered), "%", "of what was offered was turned away in words")
    _row(
        run,
        case,
        recovery,
        "s",
        f"after the last: {SOUND} logins in a row are answered in {PROMPT_S * 1000:.0f} ms each",
    )
    for value, what in ((before, "before"), (during, "at the most"), (after, "after")):
        _row(run, case, value / 2**20, "MiB", f"memory of the server, {what}")
    run.report.note(f"{IDLE:,} idle connections, {SLOW} that do not read, {crowd.strangers:,} strangers with garbage")


def _row(run: Run, case: str, value: float, unit: str, what: str) -> None:
    run.report.rows.append(valued(case, value, unit, what=what, threads=1))


def _resident(at: Server) -> int:
    status = Path(f"/proc/{at.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


class _Crowd:
    """Those who are there beside the flood."""

    def __init__(self, path: str) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 1 << 16), most))
        self._path = path
        self._idle = [Line(path) for _ in range(IDLE)]
        self._slow = [Line(path) for _ in range(SLOW)]
        for line in self._slow:
            line.put(b"".join(frames.challenges(number, 100) for number in range(400)), 0)
        self._at = time.perf_counter()
        self.strangers = 0

    def move(self) -> None:
        """One more stranger, when it is time."""
        if time.perf_counter() < self._at:
            return
        self._at += GARBAGE_EACH_S
        self.strangers += 1
        with socket.socket(socket.AF_UNIX) as stranger, suppress(OSError):
            stranger.setblocking(False)
            stranger.connect(self._path)
            stranger.send(secrets.token_bytes(512))

    def leave(self) -> None:
        """Closes all."""
        for line in (*self._idle, *self._slow):
            line.socket.close()


def _recovery(at: Server, logins: list[bytes]) -> float:
    """Seconds until logins are answered as before."""
    begun = time.perf_counter()
    with Line(at.socket).socket as line:
        line.settimeout(10)
        good, since = 0, begun
        for login in logins:
            sent = time.perf_counter()
            line.sendall(login)
            answer = b""
            while len(answer) < LOGIN_ANSWER_SIZE:
                answer += line.recv(LOGIN_ANSWER_SIZE - len(answer))
            prompt = answer[4] == Kind.LOGIN + frames.ANSWER and time.perf_counter() - sent < PROMPT_S
            if not prompt:
                good, since = 0, time.perf_counter()
            good += prompt
            if good == SOUND:
                return since - begun
            time.sleep(PROBE_S)
    return float("inf")
