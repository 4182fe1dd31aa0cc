"""A city at nine o'clock: everybody logs in through the socket of a `sekisho serve`, at once or at a steady rate.

The server is another process with the configuration that anybody would write; its CPU is what the kernel says of all its
threads. Whoever sends and counts is this process. Certificates are cold: no server has seen one before. Each verdict is held
against what was planted.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from sekisho import frames
from sekisho.challenges import ChallengeKeys
from sekisho.client.load import arrivals, drive
from sekisho.demo.desk import AUDIENCE, SKEW, TENANT, Desk, Row
from sekisho.demo.planted import Planted, bad_challenges, bad_logins
from sekisho.demo.signed import PROFILE, Signed, Watch
from sekisho.frames import ANSWER, HEADER_SIZE, LOGIN_ANSWER_SIZE, Code, Kind
from sekisho.profiles import Profile
from sekisho.reasons import Reason

__all__ = ["Paced", "Rush", "Server", "everybody_at_once", "frames_of", "paced", "salt", "server"]

CONNECTIONS: Final = 64
CHUNK: Final = 32  # logins of one sending
WINDOW: Final = 128  # logins of a connection that wait for an answer at a time: 8,192 of all, two full batches
PATIENCE: Final = 60  # seconds without an answer, or for a server to be there


# ---- a server ------------------------------------------------------------------------------------


@dataclass
class Server:
    """A `sekisho serve` that runs."""

    process: subprocess.Popen[bytes]
    socket: str

    def cpu(self) -> float:
        """Seconds of CPU that all its threads have taken."""
        # What clock_getcpuclockid(3) makes of a process's number; /proc/PID/stat counts in ticks of 10 ms.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def memory(self) -> int:
        """Bytes of memory at their most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


_CONFIGURATION: Final = """\
[claims]
file = "claims"
slots = {slots}
skew = {skew}
[socket]
path = "sekisho.sock"
mode = "0600"
[test]
at = {at}
[[tenant]]
name = "city"
number = {tenant}
audience = "{audience}"
profile = "{profile}"
trust = ["ca"]
keys = "{keys}"
uids = [{uid}]
"""


@contextmanager
def server(signed: Signed, folder: Path, *, settings: str = "", cpu: int | None = None) -> Iterator[Server]:
    """A server for that city, which has accepted nobody yet, until the block ends.

    Args:
        settings: tables of its configuration besides.
        cpu: the only one that it may use; None: all.

    Raises:
        RuntimeError: it did not begin.
    """
    with tempfile.TemporaryDirectory(prefix="serve-", dir=folder) as name:
        home = Path(name)
        (home / "ca").mkdir()
        for number, der in enumerate(signed.city.trust("auth")):
            (home / "ca" / f"{number}.cer").write_bytes(der)
        slots = 1 << max(16, (2 * len(signed.challenges) - 1).bit_length())
        (home / "sekisho.toml").write_text(
            settings
            + _CONFIGURATION.format(
                slots=slots,
                skew=SKEW,
                at=signed.city.plan.at,
                tenant=TENANT,
                audience=AUDIENCE,
                profile=PROFILE,
                keys=signed.key_file,
                uid=os.geteuid(),
            )
        )
        pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [*pinned, sys.executable, "-m", "sekisho.cli", "serve", str(home / "sekisho.toml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            made = Server(process, str(home / "sekisho.sock"))
            _wait(made, home / "log")
            yield made
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def _wait(made: Server, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(made.socket) == 0:
                return
        if made.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the server did not begin: {log.read_text()[-2000:].strip()}")
        time.sleep(0.01)


# ---- logins --------------------------------------------------------------------------------------


def salt(signed: Signed, folder: Path, copies: int) -> list[Planted]:
    """Bad logins of every kind that the city's server can be shown, `copies` of each, and what they deserve."""
    desk = Desk(Profile.load(PROFILE), signed.city.plan.at, folder, keys=ChallengeKeys.load(signed.key_file))
    planted = [*bad_logins(signed.city, desk, "pkcs1", copies), *bad_challenges(signed.city, desk, "pkcs1", copies)]
    return [one for one in planted if not one.also_trust]


def frames_of(signed: Signed, planted: Sequence[Planted], watch: Watch) -> tuple[list[bytes], list[tuple[str, ...]]]:
    """A frame for each login, its place as its id, and what it deserves; the planted ones are strewn among the citizens'."""
    city, total = signed.city, len(signed.challenges) + len(planted)
    order = list(range(total))
    Random(city.plan.seed).shuffle(order)  # noqa: S311 - where they stand, not what they are
    rows, good = city.rows("auth"), len(signed.challenges)
    made: list[bytes] = []
    expected: list[tuple[str, ...]] = []
    for number, which in enumerate(order):
        if which < good:
            certificate, challenge = city.certificate(rows[which]), signed.challenges[which]
            made.append(frames.login(number, certificate, challenge, signed.signatures[which]))
            expected.append(("accepted",))
        else:
            one = planted[which - good]
            made.append(_frame(number, one.row))
            expected.append(one.expected)
        if number % 4096 == 0:
            watch("logins into frames", number, total)
    watch("logins into frames", total, total)
    return made, expected


def _frame(number: int, row: Row) -> bytes:
    return frames.login(
        number,
        row.certificate,
        row.challenge,
        row.signature,
        intermediates=row.intermediates,
        binding=row.binding,
        transaction=row.transaction,
    )


# ---- at once -------------------------------------------------------------------------------------


@dataclass
class Rush:
    """What came of everybody at once.

    Attributes:
        logins: how many were sent.
        seconds: from the first byte sent to the last answer.
        cpu: seconds of CPU of the server's process, all threads.
        memory: bytes of the server's process, at their most.
        latency: seconds from sending to the answer, of each.
        answered: seconds from the first byte sent to the answer, of each.
        planted, found: how often each reason was deserved, and given.
        surprises: logins with another verdict than they deserve, or without one.
    """

    logins: int
    seconds: float
    cpu: float
    memory: int
    latency: NDArray[np.float64] = field(repr=False)
    answered: NDArray[np.float64] = field(repr=False)
    planted: Counter[str]
    found: Counter[str]
    surprises: int

    @property
    def rate(self) -> float:
        """Logins a second."""
        return self.logins / self.seconds


def everybody_at_once(at: Server, sent: Sequence[bytes], expected: Sequence[tuple[str, ...]], watch: Watch) -> Rush:
    """Sends all logins over 64 connections, each with as many on the way as its window has room for."""
    lines = [_Line(at.socket, sent, range(start, len(sent), CONNECTIONS)) for start in range(CONNECTIONS)]
    selector = selectors.DefaultSelector()
    for line in lines:
        selector.register(line.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, line)
    heard = _Heard(len(sent))
    cpu, begun = at.cpu(), time.perf_counter()
    told = 0
    while heard.count < len(sent):
        ready = selector.select(PATIENCE)
        if not ready:
            break
        for key, events in ready:
            line = cast(_Line, key.data)
            if events & selectors.EVENT_READ:
                line.read(heard)
            line.write(heard)
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.unsent else 0)
            if key.events != wanted:
                selector.modify(line.socket, wanted, line)
        if heard.count - told >= 2048:
            told = heard.count
            watch("everybody logs in", told, len(sent))
    seconds, cpu = time.perf_counter() - begun, at.cpu() - cpu
    watch("everybody logs in", len(sent), len(sent))
    selector.close()
    for line in lines:
        line.socket.close()
    return _judged(heard, seconds, cpu, at.memory(), expected)


class _Heard:
    """What was answered, by the place of the login."""

    def __init__(self, count: int) -> None:
        self.count = 0
        self.sent = np.zeros(count)
        self.came = np.full(count, np.nan)
        self.reasons = np.zeros(count, dtype=np.uint16)
        self.codes = np.zeros(count, dtype=np.uint16)  # of those that got an error


_ANSWER: Final = np.dtype(
    {
        "names": ["kind", "id", "reason"],
        "formats": ["u1", "<u8", "<u2"],
        "offsets": [4, 8, HEADER_SIZE],
        "itemsize": LOGIN_ANSWER_SIZE,
    }
)


class _Line:
    """A connection: some of the logins, in their order."""

    def __init__(self, path: str, sent: Sequence[bytes], numbers: range) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(frames.hello(TENANT))
        (welcome,) = frames.Splitter().feed(self.socket.recv(4096))
        if welcome.kind != Kind.HELLO + ANSWER:
            raise RuntimeError(f"the server refuses us: {frames.read_error(welcome.payload).name}")
        self.window = min(WINDOW, frames.read_welcome(welcome.payload).requests)
        self.socket.setblocking(False)
        self._sent = sent
        self._numbers = numbers
        self._next = 0
        self._answered = 0
        self.unsent = memoryview(b"")
        self._rest = b""

    def write(self, heard: _Heard) -> None:
        while True:
            if not self.unsent:
                room = self.window - (self._next - self._answered)
                chunk = self._numbers[self._next : self._next + CHUNK]
                if not chunk or room < len(chunk):
                    return
                self._next += len(chunk)
                heard.sent[chunk.start : chunk.stop : chunk.step] = time.perf_counter()
                self.unsent = memoryview(b"".join(self._sent[number] for number in chunk))
            try:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
            except BlockingIOError:
                return

    def read(self, heard: _Heard) -> None:
        data = self._rest + self.socket.recv(1 << 18)
        whole = len(data) // LOGIN_ANSWER_SIZE * LOGIN_ANSWER_SIZE
        self._rest = data[whole:]
        answers = np.frombuffer(data[:whole], dtype=_ANSWER)
        verdicts = answers[answers["kind"] == Kind.LOGIN + ANSWER]
        heard.came[answers["id"]] = time.perf_counter()
        heard.reasons[verdicts["id"]] = verdicts["reason"]
        errors = answers[answers["kind"] == Kind.ERROR]
        heard.codes[errors["id"]] = errors["reason"]
        heard.count += len(answers)
        self._answered += len(answers)


def _judged(heard: _Heard, seconds: float, cpu: float, memory: int, expected: Sequence[tuple[str, ...]]) -> Rush:
    names = {int(reason): reason.kebab for reason in Reason}
    planted, found, surprises = Counter[str](), Counter[str](), 0
    for number, code, deserved in zip(heard.reasons.tolist(), heard.codes.tolist(), expected, strict=True):
        name = Code(code).kebab if code else names.get(number, "unknown") if number else "unanswered"
        right = name in deserved
        planted[name if right else deserved[0]] += 1
        found[name] += 1
        surprises += not right
    return Rush(
        len(expected),
        seconds,
        cpu,
        memory,
        heard.came - heard.sent,
        heard.came - heard.sent.min(),
        planted,
        found,
        surprises,
    )


# ---- at a steady rate ----------------------------------------------------------------------------


@dataclass
class Paced:
    """What came of logins at a steady rate, each at a time decided beforehand.

    Attributes:
        rate: logins a second that were to come.
        logins, seconds, cpu: as in `Rush`.
        latency: seconds from when each was to be sent to its answer: who sends late cannot hide it.
        delay: seconds by which the sender itself was late, of each.
        surprises: logins without the verdict they deserve.
    """

    rate: float
    logins: int
    seconds: float
    cpu: float
    latency: NDArray[np.float64] = field(repr=False)
    delay: NDArray[np.float64] = field(repr=False)
    surprises: int

    @property
    def share(self) -> float:
        """Of one core that the server took."""
        return self.cpu / self.seconds


def paced(at: Server, sent: Sequence[bytes], expected: Sequence[tuple[str, ...]], rate: float) -> Paced:
    """Sends all logins in turn, `rate` of them a second."""
    cpu = at.cpu()
    run: Any = drive(at.socket, TENANT, sent, arrivals(len(sent), rate, "constant"), connections=16)
    outcome = asyncio.run(run)
    cpu = at.cpu() - cpu
    names = {int(reason): reason.kebab for reason in Reason}
    pairs = zip(outcome.reasons.tolist(), expected, strict=True)
    surprises = sum(names.get(number) not in deserved for number, deserved in pairs)
    return Paced(rate, len(sent), outcome.seconds, cpu, outcome.latency, outcome.delay, surprises)
