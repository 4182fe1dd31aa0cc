"""Logins at a server from one core: frames made beforehand, at times decided beforehand, or as many as a window lets through.

Nothing is made while it runs but slices of what is there: the generator must keep up with ten times what the server can do.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sekisho import frames
from sekisho.demo.desk import TENANT
from sekisho.frames import ANSWER, HEADER_SIZE, LOGIN_ANSWER_SIZE, Kind

__all__ = ["Heard", "Line", "Pump"]

PENDING_MAX: Final = (
    4 << 20
)  # bytes that wait for room in one connection; what comes beyond is not offered, and not counted
_ANSWER: Final = np.dtype(
    {
        "names": ["kind", "id", "first"],
        "formats": ["u1", "<u8", "<u2"],
        "offsets": [4, 8, HEADER_SIZE],
        "itemsize": LOGIN_ANSWER_SIZE,
    }
)


@dataclass
class Heard:
    """What a run came to.

    Attributes:
        seconds: its length.
        offered: logins that were written to the server.
        skipped: those for which there was no room in the connection.
        verdicts, errors: answers of either kind.
        latency: seconds from when each was due to its verdict, of those that got one.
        delay: seconds by which the generator was late, of each sending.
    """

    seconds: float = 0.0
    offered: int = 0
    skipped: int = 0
    verdicts: int = 0
    errors: int = 0
    wrong: int = 0
    latency: list[NDArray[np.float64]] = field(default_factory=list, repr=False)
    delay: list[float] = field(default_factory=list, repr=False)

    @property
    def goodput(self) -> float:
        """Verdicts a second."""
        return self.verdicts / self.seconds

    def add(self, other: Heard) -> None:
        """Takes another run in."""
        for name in ("seconds", "offered", "skipped", "verdicts", "errors", "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency += other.latency
        self.delay += other.delay

    def percentile(self, which: float) -> float:
        """Of the latency, in milliseconds."""
        return float(np.percentile(np.concatenate(self.latency), which)) * 1000

    def late(self, which: float) -> float:
        """Of the generator's own delay, in milliseconds."""
        return float(np.percentile(self.delay, which)) * 1000


class Line:
    """A connection that was welcomed."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(frames.hello(TENANT))
        (welcome,) = frames.Splitter().feed(self.socket.recv(4096))
        assert welcome.kind == Kind.HELLO + ANSWER
        self.socket.setblocking(False)
        self.waiting = 0
        self._unsent: list[memoryview] = []
        self._bytes = 0
        self._rest = b""

    def put(self, data: bytes, logins: int) -> bool:
        """Sends, or keeps for later; False: too much waits already."""
        if self._bytes > PENDING_MAX:
            return False
        self._unsent.append(memoryview(data))
        self._bytes += len(data)
        self.waiting += logins
        self.flush()
        return True

    def flush(self) -> None:
        while self._unsent:
            try:
                sent = self.socket.send(self._unsent[0])
            except BlockingIOError:
                return
            self._bytes -= sent
            self._unsent[0] = self._unsent[0][sent:]
            if not self._unsent[0]:
                self._unsent.pop(0)

    def read(self) -> NDArray[np.void]:
        """Answers that are there."""
        try:
            data = self._rest + self.socket.recv(1 << 18)
        except BlockingIOError:
            data = self._rest
        whole = len(data) // LOGIN_ANSWER_SIZE * LOGIN_ANSWER_SIZE
        self._rest = data[whole:]
        self.waiting -= whole // LOGIN_ANSWER_SIZE
        return np.frombuffer(data[:whole], dtype=_ANSWER)


class Pump:
    """Sends logins over and over: once accepted, a login is refused as used, after the same work.

    Args:
        path: of the socket.
        logins: frames, each with its place as its id.
        fine: reasons that are right.
        piece: logins of one sending; a large one is a crowd of its own, and waits for itself.
        connections: over which they go in turn.
    """

    def __init__(
        self, path: str, logins: Sequence[bytes], fine: Sequence[int], piece: int, connections: int = 16
    ) -> None:
        self._count = len(logins)
        self._piece = piece
        size = len(logins) // piece * piece
        self._pieces = [b"".join(logins[at : at + piece]) for at in range(0, size, piece)]
        self._fine = np.array(fine, dtype=np.uint16)
        self._due = np.zeros(self._count)
        self._lines = [Line(path) for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        for line in self._lines:
            self._selector.register(line.socket, selectors.EVENT_READ, line)
        self._next = 0

    def close(self) -> None:
        """Closes the connections, whatever is still on its way."""
        self._selector.close()
        for line in self._lines:
            line.socket.close()

    def saturate(self, seconds: float, window: int = 256) -> Heard:
        """As many as are answered, so many of a connection on their way at a time."""
        heard, begun = Heard(), time.perf_counter()
        while (now := time.perf_counter() - begun) < seconds:
            for line in self._lines:
                while line.waiting + self._piece <= window and self._send(line, heard, now):
                    pass
            self._hear(heard, begun)
        return self._ended(heard, begun)

    def offer(self, rate: float, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> Heard:
        """`rate` logins a second, in pieces whose times are a Poisson process, whatever is answered."""
        chance = np.random.default_rng(1)
        times = np.cumsum(chance.exponential(self._piece / rate, size=int(rate * seconds / self._piece)))
        heard, begun, sent = Heard(), time.perf_counter(), 0
        while sent < len(times):
            now = time.perf_counter() - begun
            due = int(np.searchsorted(times, now, side="right"))
            for piece in range(sent, due):
                heard.delay.append(now - times[piece])
                if not self._send(self._lines[piece % len(self._lines)], heard, times[piece]):
                    heard.skipped += self._piece
            sent = due
            self._hear(heard, begun)
            meanwhile()
        return self._ended(heard, begun)

    def _send(self, line: Line, heard: Heard, due: float) -> bool:
        number, size = self._next % len(self._pieces), self._piece
        if not line.put(self._pieces[number], size):
            return False
        self._next += 1
        self._due[number * size : (number + 1) * size] = due
        heard.offered += size
        return True

    def _hear(self, heard: Heard, begun: float) -> None:
        for line in self._lines:
            line.flush()
        for key, _ in self._selector.select(0):
            answers = key.data.read()
            now = time.perf_counter() - begun
            verdicts = answers[answers["kind"] == Kind.LOGIN + ANSWER]
            heard.verdicts += len(verdicts)
            heard.errors += len(answers) - len(verdicts)
            heard.wrong += int(np.count_nonzero(~np.isin(verdicts["first"], self._fine)))
            heard.latency.append(now - self._due[verdicts["id"]])

    @staticmethod
    def _ended(heard: Heard, begun: float) -> Heard:
        heard.seconds = time.perf_counter() - begun
        return heard

    def settle(self, patience: float = 5.0) -> Heard:
        """Hears out what is still on its way."""
        heard, begun = Heard(), time.perf_counter()
        while any(line.waiting for line in self._lines) and time.perf_counter() - begun < patience:
            self._hear(heard, begun)
        return self._ended(heard, begun)
