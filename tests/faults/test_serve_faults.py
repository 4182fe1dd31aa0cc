"""What happens to a server under load costs no verdict: reloads, new lists, an end, and a worker that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from tests.e2e.gateways import Process, running, wait_until
from tests.faults.serve_load import Load, Served, Tally, Town, town, under_load

from sekisho.client import AsyncClient
from sekisho.reasons import Reason

WHILE_S = 0.5  # of load before and after


def suffer(made: Town, served: Served, fault: Callable[[Load], Awaitable[None]]) -> Tally:
    async def live() -> Tally:
        async with under_load(made) as load:
            await asyncio.sleep(WHILE_S)
            await fault(load)
            await asyncio.sleep(WHILE_S)
        return load.tally

    tally = asyncio.run(live())
    assert tally.wrong == [], served.said()
    assert tally.unanswered == 0
    assert tally.verdicts[Reason.ACCEPTED] > 0
    assert tally.verdicts[Reason.SIGNATURE_WRONG] > 0
    return tally


def test_reloads_and_new_lists_lose_nothing() -> None:
    with town(2) as made:
        served = Served(made)
        with running(served):

            async def happen(load: Load) -> None:
                for _ in range(3):
                    served.process.send_signal(signal.SIGHUP)
                    await asyncio.sleep(0.2)
                await asyncio.to_thread(made.publish, revoked=True)
                load.published = time.monotonic()
                while not load.tally.revoked_at:
                    await asyncio.sleep(0.05)

            tally = suffer(made, served, happen)
            assert tally.lost == 0
            assert not tally.errors
            assert tally.verdicts[Reason.REVOKED] > 0
            wait_until(lambda: served.said().count("reloaded") >= 2, served)  # by each of the two at the least once


def test_a_worker_that_is_killed_loses_its_own_alone_and_comes_back() -> None:
    with town(2) as made:
        served = Served(made)
        with running(served):
            before = served.workers()
            assert len(before) == 2

            async def happen(_: Load) -> None:
                os.kill(before[0], signal.SIGKILL)

            tally = suffer(made, served, happen)
            assert set(tally.errors) <= {"shutting-down"}
            wait_until(lambda: len(set(served.workers()) - {before[0]}) == 2, served)
            assert before[1] in served.workers()
            assert "worker 0 ended with status -9" in served.said()


def test_the_first_verdict_comes_again_from_another_worker() -> None:
    """Claims are the machine's: a retry need not find the worker that answered first."""
    with town(2) as made:
        served = Served(made)
        with running(served):
            (_, login), *_ = made.logins(1)

            async def ask(times: int) -> tuple[list[bool], set[int]]:
                found, answered = [], set()
                for _ in range(times):  # a connection each: the kernel gives them to whoever is free
                    async with AsyncClient(made.socket, 7, connections=1) as client:
                        answer = await client.login(login)
                        assert answer.reason is Reason.ACCEPTED
                        found.append(answer.repeated)
                        stats = await client.stats()
                        answered.add(stats.verdicts[Reason.ACCEPTED])
                return found, answered

            os.kill(served.workers()[1], signal.SIGSTOP)  # so that the first one answers
            repeated, _ = asyncio.run(ask(1))
            assert repeated == [False]
            os.kill(served.workers()[1], signal.SIGCONT)
            os.kill(served.workers()[0], signal.SIGSTOP)
            repeated, counts = asyncio.run(ask(1))
            assert repeated == [True]
            assert counts == {1}, "another process has answered: it has counted this one alone"
            os.kill(served.workers()[0], signal.SIGCONT)


def test_sigterm_answers_what_was_begun() -> None:
    with town(2) as made:
        served = Served(made)
        with running(served):

            async def happen(load: Load) -> None:
                load.stop()
                served.process.send_signal(signal.SIGTERM)

            tally = suffer(made, served, happen)
            assert tally.lost == 0, "a connection was closed under a request without a word"
            assert set(tally.errors) <= {"shutting-down"}
            assert served.process.wait(30) == 0
            assert not os.path.exists(made.socket)


def test_workers_end_when_nobody_watches_them() -> None:
    with town(2) as made:
        served = Served(made)
        workers = served.workers()
        served.process.kill()
        served.process.wait()

        def gone() -> bool:
            return not any(os.path.exists(f"/proc/{one}") for one in workers)

        wait_until(gone)


def test_what_cannot_begin_says_why() -> None:
    with town(2) as made:
        made.file.write_text(made.file.read_text().replace('trust = ["ca"]', 'trust = ["nowhere"]'))
        process = Process([sys.executable, "-m", "sekisho.cli", "serve", str(made.file)], made.folder / "log")
        assert process.process.wait(30) == 2
        assert "nowhere" in process.said()
