"""Requests that wait are verified together: whatever waits goes into one native call, in a thread; there is no timer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from time import perf_counter
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from sekisho.verdicts import Verdicts

__all__ = ["Admission", "Answers", "Batcher", "Overloaded", "VerdictRow"]

Row = TypeVar("Row")


class VerdictRow(NamedTuple):
    """One verdict: the fields of `LOGIN_VERDICT`, in its order."""

    reason: int
    backend: int
    flags: int
    revocation_age: int
    certificate: int
    snapshot: int
    revocation_by: int


Answers: TypeAlias = list[VerdictRow]
"""A verdict for each row."""

RATE_MEMORY: Final = 0.2
"""Weight of the newest batch in the running mean of seconds a row: the last ten batches or so count."""

AT_ONCE_ROWS: Final = 64
"""Rows of a call that is made where it is asked, at most: should each take a millisecond after all, the loop stands still for
less than a tenth of a second, once."""


class Overloaded(Exception):
    """There is no room for a request, or it would wait longer than anybody waits for an answer. Nothing was looked at."""


class Admission:
    """How many rows of a server may wait for an answer, and how long.

    Args:
        rows_max: rows of all requests together.
        wait_max: seconds; a request whose expected wait is longer is refused at once.
    """

    def __init__(self, rows_max: int, wait_max: float) -> None:
        self.rows_max = rows_max
        self.wait_max = wait_max
        self.waiting = 0
        """Rows that were taken in and have no answer yet."""


class Batcher(Generic[Row]):
    """One kind of question to one verifier.

    Args:
        verify: from rows to their verdicts; runs in a thread of `executor`, one call at a time.
        admission: shared by all batchers of a server.
        batch_rows: rows of a native call, at most; a request that has more is a call of its own.
        observe: told of each call: rows, and seconds it took.
        at_once: seconds; a call that will take less, by those before it, is made where it is asked, since to wake a thread
            would take longer; 0: none is.

    Belongs to the event loop of the thread that calls it.
    """

    def __init__(
        self,
        verify: Callable[[Sequence[Row]], Verdicts],
        *,
        executor: Executor,
        admission: Admission,
        batch_rows: int,
        observe: Callable[[int, float], None] = lambda rows, seconds: None,
        at_once: float = 0.0,
    ) -> None:
        self._verify = verify
        self._executor = executor
        self._admission = admission
        self._batch_rows = batch_rows
        self._observe = observe
        self._at_once = at_once
        self._waiting: deque[tuple[Sequence[Row], asyncio.Future[Answers]]] = deque()
        self._rows = 0
        self._busy = False
        self._seconds_a_row = 0.0

    def ask(self, rows: Sequence[Row]) -> asyncio.Future[Answers]:
        """The verdicts of these rows in their order, once they are there.

        Raises:
            Overloaded: too many rows wait already.
        """
        admission = self._admission
        if admission.waiting + len(rows) > admission.rows_max or self._rows * self._seconds_a_row > admission.wait_max:
            raise Overloaded
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answers] = loop.create_future()
        self._waiting.append((rows, answer))
        self._rows += len(rows)
        admission.waiting += len(rows)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin)  # after what came in by the same round of the loop
        return answer

    def answer_now(self, rows: Sequence[Row]) -> Answers | None:
        """The verdicts by a call made here, for who is alone; None: something waits, or the call may be long, so `ask`."""
        admission = self._admission
        if self._busy or admission.waiting + len(rows) > admission.rows_max or not self._is_short(len(rows)):
            return None
        verdicts, seconds = self._timed(rows)
        return self._learnt(len(rows), verdicts, seconds)

    def _is_short(self, rows: int) -> bool:
        expected = rows * self._seconds_a_row
        return rows <= AT_ONCE_ROWS and 0.0 < expected <= self._at_once

    def _begin(self) -> None:
        taken = [self._waiting.popleft()]
        rows = len(taken[0][0])
        while self._waiting and rows + len(self._waiting[0][0]) <= self._batch_rows:
            taken.append(self._waiting.popleft())
            rows += len(taken[-1][0])
        asked = [row for part, _ in taken for row in part]
        if not self._is_short(rows):
            work = asyncio.get_running_loop().run_in_executor(self._executor, self._timed, asked)
            work.add_done_callback(lambda done: self._end(taken, rows, done))
            return
        done: Future[tuple[Verdicts, float]] = Future()
        try:
            done.set_result(self._timed(asked))
        except Exception as fault:
            done.set_exception(fault)
        self._end(taken, rows, done)

    def _timed(self, rows: Sequence[Row]) -> tuple[Verdicts, float]:
        begun = perf_counter()
        return self._verify(rows), perf_counter() - begun

    def _end(
        self,
        taken: Sequence[tuple[Sequence[Row], asyncio.Future[Answers]]],
        rows: int,
        done: asyncio.Future[tuple[Verdicts, float]] | Future[tuple[Verdicts, float]],
    ) -> None:
        self._rows -= rows
        self._admission.waiting -= rows
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._begin)
        else:
            self._busy = False
        fault = done.exception()
        if fault is not None:
            for _, answer in taken:
                if not answer.done():
                    answer.set_exception(fault)
            return
        answers = self._learnt(rows, *done.result())
        at = 0
        for part, answer in taken:
            if not answer.done():  # its client may have gone away
                answer.set_result(answers[at : at + len(part)])
            at += len(part)

    def _learnt(self, rows: int, verdicts: Verdicts, seconds: float) -> Answers:
        self._seconds_a_row += RATE_MEMORY * (seconds / rows - self._seconds_a_row)
        self._observe(rows, seconds)
        return list(map(VerdictRow._make, verdicts.array.tolist()))
