"""Workers that the system would not begin for a while are begun when it will."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from sekisho.server import processes
from sekisho.server.processes import Processes
from sekisho.server.scoreboard import Scoreboard

WORKER = """#!{python}
import os, socket
tie = socket.socket(fileno=int(os.environ["SEKISHO_TIE"]))
open({pids!r}, "a").write(f"{{os.getpid()}}\\n")
tie.send(b"R")
tie.recv(1)
"""
WAIT_S = 20.0


def test_a_worker_is_tried_again_when_the_system_refused_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processes, "PAUSE_MAX_S", 0.1)
    pids, program, away = tmp_path / "pids", tmp_path / "worker", tmp_path / "away"
    program.write_text(WORKER.format(python=sys.executable, pids=str(pids)))
    program.chmod(0o700)

    async def begun(count: int) -> list[int]:
        while not pids.exists() or len(pids.read_text().splitlines()) < count:
            await asyncio.sleep(0.02)
        return [int(one) for one in pids.read_text().splitlines()]

    async def live() -> int:
        watching = asyncio.create_task(Processes([str(program)], {}, 1, 5.0, Scoreboard.create(1).fd).watch())
        async with asyncio.timeout(WAIT_S):
            while "are ready" not in caplog.text:
                await asyncio.sleep(0.02)
            (first,) = await begun(1)
            program.rename(away)
            os.kill(first, signal.SIGKILL)
            while "could not be begun" not in caplog.text:
                await asyncio.sleep(0.02)
            away.rename(program)
            assert (await begun(2))[-1] != first
            os.kill(os.getpid(), signal.SIGTERM)
            return await watching

    caplog.set_level("INFO", "sekisho.processes")
    assert asyncio.run(live()) == 0


SLOW = """#!{python}
import os, signal, socket, time
open({pids!r}, "w").write(str(os.getpid()))
while not os.path.exists({go!r}):
    time.sleep(0.02)
signal.signal(signal.SIGHUP, lambda *_: open({told!r}, "w").close())
tie = socket.socket(fileno=int(os.environ["SEKISHO_TIE"]))
tie.send(b"R")
tie.recv(1)
"""


def test_a_reload_waits_for_a_worker_that_begins(tmp_path: Path) -> None:
    pids, go, told, program = (tmp_path / name for name in ("pids", "go", "told", "worker"))
    program.write_text(SLOW.format(python=sys.executable, pids=str(pids), go=str(go), told=str(told)))
    program.chmod(0o700)

    async def live() -> int:
        watching = asyncio.create_task(Processes([str(program)], {}, 1, 5.0, Scoreboard.create(1).fd).watch())
        async with asyncio.timeout(WAIT_S):
            while not pids.exists():
                await asyncio.sleep(0.02)
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.05)  # the signal is taken while the worker has no handler
            go.touch()
            while not told.exists():
                await asyncio.sleep(0.02)
            os.kill(os.getpid(), signal.SIGTERM)
            return await watching

    assert asyncio.run(live()) == 0
