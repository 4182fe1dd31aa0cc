"""Load: logins sent at times decided beforehand, whatever the server answers, and when each answer came.

The clock of a login starts when it was to be sent, not when it was: a server, or a sender, that falls behind cannot hide it
(as "coordinated omission" does). How far the sender itself fell behind is told apart.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import ssl
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sekisho import frames
from sekisho.client.errors import Disconnected, Refused
from sekisho.client.line import Address
from sekisho.frames import ANSWER, LOGIN_ANSWER_SIZE, Code, Kind

__all__ = ["CURVES", "Curve", "Outcome", "arrivals", "drive"]

Curve = Literal["constant", "ramp", "burst"]
CURVES: Final[tuple[Curve, ...]] = ("constant", "ramp", "burst")

TICK_S: Final = 0.0005  # between two looks at what is due
_HEADER: Final = struct.Struct("<IBBHQ")
_ANSWER: Final = np.dtype(
    [
        ("length", "<u4"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("zero", "<u2"),
        ("id", "<u8"),
        ("first", "<u2"),  # a verdict's reason, or an error's code
        ("rest", "V2"),
        ("retry_ms", "<u4"),  # of an error
        ("more", f"V{LOGIN_ANSWER_SIZE - 24}"),
    ]
)


def arrivals(count: int, rate: float, curve: Curve) -> NDArray[np.float64]:
    """When `count` requests are to be sent, in seconds from the start.

    Args:
        rate: requests a second; of a ramp the mean, which begins at nothing and ends at twice that; of a burst nothing.
    """
    numbers = np.arange(count, dtype=np.float64)
    if curve == "burst":
        return np.zeros(count)
    if rate <= 0:
        raise ValueError(f"a rate is requests a second, more than 0, not {rate}")
    seconds = count / rate
    return numbers / rate if curve == "constant" else seconds * np.sqrt(numbers / max(1, count))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of each request, by its place.

    Attributes:
        latency: seconds from when it was to be sent to its last answer; NaN: none came.
        delay: seconds from when it was to be sent to when it was, the first time.
        reasons: a verdict's reason; 0: there is none.
        codes: an error's code, where the last answer was one; 0: it was not.
        attempts: how often it was sent.
        seconds: from the start to the last answer.
    """

    latency: NDArray[np.float64]
    delay: NDArray[np.float64]
    reasons: NDArray[np.uint16]
    codes: NDArray[np.uint16]
    attempts: NDArray[np.uint16]
    seconds: float

    def __len__(self) -> int:
        return len(self.latency)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which got a verdict."""
        verdicts: NDArray[np.bool_] = self.reasons != 0
        return verdicts

    def percentiles(self, *which: float) -> list[float]:
        """Of the latency of requests that got a verdict, in seconds; NaN without any."""
        times = self.latency[self.answered]
        return [float(np.percentile(times, one)) if len(times) else float("nan") for one in which]


async def drive(
    address: Address,
    tenant: int,
    logins: Sequence[bytes],
    times: NDArray[np.float64],
    *,
    connections: int = 16,
    tls: ssl.SSLContext | None = None,
    retries: int = 0,
    patience: float = 30.0,
) -> Outcome:
    """Sends logins when their time has come, over all connections in turn.

    Args:
        logins: frames of logins, as `sekisho.frames.login` makes them; their ids do not matter. Where there are fewer than
            times they are sent over again: with a request's name in them, that is a retry.
        times: when to send, in seconds from the start; rising.
        retries: how often one that was told "overloaded" is sent again, after the time that it was told, and up to twice that.
        patience: seconds without any answer after the last was sent, then it ends.

    Raises:
        Disconnected: a connection cannot be made, or was lost.
        Refused: the server does not want us.
    """
    run = _Run(logins, times, retries)
    lines = [await _Sender.connect(run, address, tenant, tls) for _ in range(connections)]
    try:
        await run.go(lines, patience)
    finally:
        for line in lines:
            line.transport.abort()
    return run.outcome()


class _Run:
    def __init__(self, logins: Sequence[bytes], times: NDArray[np.float64], retries: int) -> None:
        if not logins:
            raise ValueError("there is no login to send")
        size = frames.HEADER_SIZE
        self._bodies = [memoryview(one)[size:] for one in logins]
        self._flags = [one[5] for one in logins]
        self._times = times
        self._retries = retries
        count = len(times)
        self._latency = np.full(count, np.nan)
        self._delay = np.full(count, np.nan)
        self._reasons = np.zeros(count, dtype=np.uint16)
        self._codes = np.zeros(count, dtype=np.uint16)
        self._attempts = np.zeros(count, dtype=np.uint16)
        self._again: list[tuple[float, int]] = []
        self._open = count
        self._start = 0.0
        self._last = 0.0
        self._error: Exception | None = None
        self._chance = random.Random(1)  # noqa: S311 - spreads retries

    async def go(self, lines: list[_Sender], patience: float) -> None:
        self._start = self._last = time.perf_counter()
        sent, turn, count = 0, 0, len(self._times)
        while self._open and self._error is None:
            now = time.perf_counter() - self._start
            due = int(np.searchsorted(self._times, now, side="right"))
            numbers = list(range(sent, due))
            sent = due
            while self._again and self._again[0][0] <= now:
                numbers.append(heapq.heappop(self._again)[1])
            if numbers:
                turn = self._send(lines, numbers, turn, now)
            waits = sent == count and not self._again
            if waits and now - (self._last - self._start) > patience and now - self._times[-1] > patience:
                return
            await asyncio.sleep(TICK_S)
        if self._error is not None:
            raise self._error

    def _send(self, lines: list[_Sender], numbers: list[int], turn: int, now: float) -> int:
        parts: list[list[Any]] = [[] for _ in lines]
        for number in numbers:
            which = number % len(self._bodies)
            body = self._bodies[which]
            parts[turn] += (_HEADER.pack(len(body), Kind.LOGIN, self._flags[which], 0, number), body)
            turn = (turn + 1) % len(lines)
        first = self._attempts[numbers] == 0
        fresh = np.array(numbers)[first]
        self._delay[fresh] = now - self._times[fresh]
        self._attempts[numbers] += 1
        for line, part in zip(lines, parts, strict=True):
            if part:
                line.transport.write(b"".join(part))
        return turn

    def take(self, answers: NDArray[Any]) -> None:
        """Answers that came just now."""
        self._last = time.perf_counter()
        now = self._last - self._start
        numbers = answers["id"].astype(np.int64)
        errors = answers["kind"] == Kind.ERROR
        self._latency[numbers] = now - self._times[numbers]
        self._reasons[numbers] = np.where(errors, 0, answers["first"])
        self._codes[numbers] = np.where(errors, answers["first"], 0)
        self._open -= len(numbers)
        if not self._retries or not errors.any():
            return
        for row in answers[errors & (answers["first"] == Code.OVERLOADED)]:
            number = int(row["id"])
            if self._attempts[number] <= self._retries:
                wait = int(row["retry_ms"]) / 1000 * (1 + self._chance.random())
                heapq.heappush(self._again, (now + wait, number))
                self._open += 1

    def fail(self, error: Exception) -> None:
        """A connection was lost."""
        self._error = self._error or error

    def outcome(self) -> Outcome:
        return Outcome(self._latency, self._delay, self._reasons, self._codes, self._attempts, self._last - self._start)


class _Sender(asyncio.Protocol):
    def __init__(self, run: _Run, tenant: int) -> None:
        self._run = run
        self._tenant = tenant
        self._rest = b""
        self.transport: Any = None
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(cls, run: _Run, address: Address, tenant: int, tls: ssl.SSLContext | None) -> _Sender:
        loop = asyncio.get_running_loop()
        line = cls(run, tenant)
        try:
            if isinstance(address, str):
                await loop.create_unix_connection(lambda: line, address)
            else:
                await loop.create_connection(lambda: line, *address, ssl=tls)
        except OSError as error:
            raise Disconnected(f"no connection: {error}") from None
        await line.welcomed
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(frames.hello(self._tenant))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self.welcomed.done():
            self._rest = data
            self._welcome()
            return
        whole = len(data) // _ANSWER.itemsize * _ANSWER.itemsize
        self._rest = data[whole:]
        answers = np.frombuffer(data[:whole], dtype=_ANSWER)
        kinds = np.unique(answers["kind"])
        if not np.isin(kinds, (Kind.LOGIN + ANSWER, Kind.ERROR)).all():
            self._run.fail(Disconnected("the server said goodbye"))
            self.transport.abort()
        elif len(answers):
            self._run.take(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        error = Disconnected("the connection was lost")
        if not self.welcomed.done():
            self.welcomed.set_exception(error)
        self._run.fail(error)

    def _welcome(self) -> None:
        splitter = frames.Splitter()
        for frame in splitter.feed(self._rest):
            self._rest = b""
            if frame.kind == Kind.HELLO + ANSWER:
                self.welcomed.set_result(None)
            else:
                self.welcomed.set_exception(Refused(frames.read_error(frame.payload)))
