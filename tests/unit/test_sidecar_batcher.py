"""Requests that wait are verified together, get their own answers, and are turned away when there is no room."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sekisho.reasons import Reason
from sekisho.server.sidecar.batcher import AT_ONCE_ROWS, Admission, Answers, Batcher, Overloaded, VerdictRow
from sekisho.verdicts import LOGIN_VERDICT, Verdicts


class Judge:
    """Answers each number with itself, when it is let; remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None

    def __call__(self, rows: Sequence[int]) -> Verdicts:
        self.calls.append(list(rows))
        assert self.gate.wait(30)
        if self.fault is not None:
            raise self.fault
        array = np.zeros(len(rows), dtype=LOGIN_VERDICT)
        array["snapshot"] = rows
        return Verdicts(array, Reason.CERTIFICATE_OK)


def numbers(answers: Answers) -> list[int]:
    return [row.snapshot for row in answers]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def batcher(judge: Judge, executor: ThreadPoolExecutor, *, rows_max: int = 100, batch_rows: int = 8) -> Batcher[int]:
    return Batcher(judge, executor=executor, admission=Admission(rows_max, 1.0), batch_rows=batch_rows)


def test_what_came_together_is_one_call_and_each_gets_its_own(executor: ThreadPoolExecutor) -> None:
    judge = Judge()

    async def ask() -> None:
        asked = batcher(judge, executor)
        answers = await asyncio.gather(*(asked.ask([number, number + 100]) for number in range(4)))
        assert [numbers(answer) for answer in answers] == [[n, n + 100] for n in range(4)]

    asyncio.run(ask())
    assert judge.calls == [[0, 100, 1, 101, 2, 102, 3, 103]]


def test_while_one_call_runs_others_gather_for_the_next(executor: ThreadPoolExecutor) -> None:
    judge = Judge()

    async def ask() -> None:
        asked = batcher(judge, executor, batch_rows=4)
        judge.gate.clear()
        first = asked.ask([0])
        while not judge.calls:
            await asyncio.sleep(0.001)
        rest = [asked.ask([number]) for number in range(1, 7)]
        large = asked.ask(list(range(10, 20)))  # more than a batch: a call of its own
        judge.gate.set()
        answers = await asyncio.gather(first, *rest, large)
        assert [number for answer in answers for number in numbers(answer)] == [*range(7), *range(10, 20)]

    asyncio.run(ask())
    assert judge.calls == [[0], [1, 2, 3, 4], [5, 6], [*range(10, 20)]]


def test_there_is_an_end_to_what_waits(executor: ThreadPoolExecutor) -> None:
    judge = Judge()

    async def ask() -> None:
        asked = batcher(judge, executor, rows_max=3)
        with pytest.raises(Overloaded):
            asked.ask([1, 2, 3, 4])
        judge.gate.clear()
        waiting = [asked.ask([1]), asked.ask([2, 3])]
        with pytest.raises(Overloaded):
            asked.ask([4])
        judge.gate.set()
        await asyncio.gather(*waiting)
        assert numbers(await asked.ask([5])) == [5]

    asyncio.run(ask())
    assert 4 not in [row for call in judge.calls for row in call]


def test_whoever_would_wait_too_long_is_told_at_once(executor: ThreadPoolExecutor) -> None:
    judge = Judge()

    async def ask() -> None:
        asked = Batcher(judge, executor=executor, admission=Admission(100, 0.0), batch_rows=8)
        await asked.ask([1])  # now it knows that a row takes time
        judge.gate.clear()
        waiting = asked.ask([2])
        with pytest.raises(Overloaded):
            asked.ask([3])
        judge.gate.set()
        await waiting

    asyncio.run(ask())


def test_a_client_that_goes_away_and_a_call_that_fails(executor: ThreadPoolExecutor) -> None:
    judge = Judge()

    async def ask() -> None:
        admission = Admission(100, 1.0)
        asked = Batcher(judge, executor=executor, admission=admission, batch_rows=8)
        gone, stays = asked.ask([1]), asked.ask([2])
        gone.cancel()
        assert numbers(await stays) == [2]
        judge.fault = RuntimeError("a fault")
        gone, stays = asked.ask([3]), asked.ask([4])
        gone.cancel()
        with pytest.raises(RuntimeError):
            await stays
        judge.fault = None
        assert numbers(await asked.ask([5])) == [5]
        assert admission.waiting == 0

    asyncio.run(ask())


def test_what_takes_less_than_a_thread_is_done_at_once(executor: ThreadPoolExecutor) -> None:
    judge = Judge()
    threads: list[int] = []

    def verify(rows: Sequence[int]) -> Verdicts:
        threads.append(threading.get_ident())
        return judge(rows)

    async def ask() -> None:
        here = threading.get_ident()
        asked = Batcher(verify, executor=executor, admission=Admission(1000, 1.0), batch_rows=1000, at_once=3600.0)
        await asked.ask([1])  # nobody knows yet how long it takes
        assert threads.pop() != here
        answers = await asyncio.gather(asked.ask([2]), asked.ask([3]))
        assert [numbers(answer) for answer in answers] == [[2], [3]]
        assert threads == [here]
        judge.fault = RuntimeError("a fault")
        with pytest.raises(RuntimeError):
            await asked.ask([4])
        judge.fault = None
        assert numbers(await asked.ask([*range(AT_ONCE_ROWS + 1)])) == [*range(AT_ONCE_ROWS + 1)]
        assert (threads.pop() != here, threads) == (True, [here, here])
        slow = Batcher(verify, executor=executor, admission=Admission(1000, 1.0), batch_rows=1000, at_once=1e-9)
        for _ in range(2):
            await slow.ask([1])
            assert threads.pop() != here

    asyncio.run(ask())


def test_a_verdict_has_the_fields_of_the_core() -> None:
    assert VerdictRow._fields == LOGIN_VERDICT.names


def test_who_is_alone_is_answered_where_he_asks(executor: ThreadPoolExecutor) -> None:
    """But not before it is known that a call is short, nor past others, nor where there is no room."""
    judge = Judge()

    async def ask() -> None:
        asked = Batcher(judge, executor=executor, admission=Admission(4, 1.0), batch_rows=8, at_once=3600.0)
        assert asked.answer_now([1]) is None, "nobody knows how long it takes"
        await asked.ask([1])
        now = asked.answer_now([2])
        assert now is not None
        assert numbers(now) == [2]
        assert asked.answer_now([1, 2, 3, 4, 5]) is None, "more than may wait"
        waiting = asked.ask([3])
        assert asked.answer_now([4]) is None, "somebody came before"
        assert numbers(await waiting) == [3]
        judge.fault = ValueError("broken")
        with pytest.raises(ValueError, match="broken"):
            asked.answer_now([5])
        judge.fault = None
        again = asked.answer_now([6])
        assert again is not None
        slow = Batcher(judge, executor=executor, admission=Admission(4, 1.0), batch_rows=8, at_once=1e-9)
        await slow.ask([1])
        assert slow.answer_now([2]) is None

    asyncio.run(ask())
