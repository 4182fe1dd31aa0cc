"""Several processes behind the same sockets: one that opens them and watches, and workers that answer.

The watching process opens each socket once and hands it down; whichever worker is free takes the next connection, over Unix
sockets as over TCP (one queue: with SO_REUSEPORT a connection would be bound to a worker that may be busy, or dead). Claims and
revocation data are the machine's, so a challenge that one worker took is taken for all, and a retry may come to any.

Each worker is a program of its own, never a fork of a process with threads. A socket pair joins it to the watching process: the
worker says when it is ready, and the end of the pair tells it that nobody watches any more; then it ends as at SIGTERM.

SIGHUP goes to every worker. SIGTERM and SIGINT end them; when the last has answered what it began, the watching process ends.
A worker that dies is begun anew, at once the first time, then after pauses.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from sekisho.server.systemd import notify

__all__ = ["Inherited", "Processes", "inherited", "worker_index"]

log = logging.getLogger("sekisho.processes")

WORKER: Final = "SEKISHO_WORKER"
"""In a worker's environment: its number, from 0."""
_SOCKETS: Final = "SEKISHO_SOCKETS"  # NAME:FD,NAME:FD,...: what it inherits
_SCOREBOARD: Final = "SEKISHO_SCOREBOARD"  # FD of the memory where it tells its counts
_TIE: Final = "SEKISHO_TIE"  # FD of its end of the pair

READY: Final = b"R"
BEGINS_S: Final = 60.0  # in which a worker must be ready: the checks of a nation's snapshot take seconds
PAUSE_S: Final = 0.1  # before a worker that died soon after its beginning is begun anew; doubled each time
PAUSE_MAX_S: Final = 10.0
SETTLED_S: Final = 10.0  # after which a worker's end counts as the first


def worker_index() -> int | None:
    """Which worker this process is; None: it is none."""
    text = os.environ.get(WORKER)
    return int(text) if text is not None else None


class Inherited:
    """What a worker got from the watching process."""

    def __init__(self, sockets: dict[str, list[socket.socket]], tie: socket.socket, scoreboard: int) -> None:
        self.sockets = sockets
        self.scoreboard = scoreboard
        self.tie = tie

    def ready(self) -> None:
        """Tells it that this worker takes connections."""
        self.tie.send(READY)


def inherited() -> Inherited | None:
    """What this worker got, to be asked once; None: this process is no worker."""
    if worker_index() is None:
        return None
    found: dict[str, list[socket.socket]] = {}
    for one in filter(None, os.environ.pop(_SOCKETS, "").split(",")):
        name, _, number = one.partition(":")
        os.set_inheritable(int(number), False)
        found.setdefault(name, []).append(socket.socket(fileno=int(number)))
    tie = socket.socket(fileno=int(os.environ.pop(_TIE)))
    tie.set_inheritable(False)
    tie.setblocking(False)
    scoreboard = int(os.environ.pop(_SCOREBOARD))
    os.set_inheritable(scoreboard, False)
    return Inherited(found, tie, scoreboard)


class _Worker(NamedTuple):
    number: int
    process: asyncio.subprocess.Process
    tie: socket.socket
    begun: float


class Processes:
    """Workers, kept alive.

    Args:
        command: what a worker is.
        sockets: by name, what each inherits.
        count: of workers.
        drain_s: seconds that a worker may take to end.
        scoreboard: descriptor of the memory where workers tell their counts.
    """

    def __init__(
        self,
        command: Sequence[str],
        sockets: Mapping[str, Sequence[socket.socket]],
        count: int,
        drain_s: float,
        scoreboard: int,
    ) -> None:
        self._command = list(command)
        self._sockets = sockets
        self._count = count
        self._scoreboard = scoreboard
        self._drain_s = drain_s
        self._workers: dict[int, _Worker] = {}
        self._ready: set[int] = set()
        self._to_reload: set[int] = set()  # asked for while they began: they may have read what was there before
        self._ending = asyncio.Event()

    async def watch(self) -> int:
        """Runs until SIGTERM or SIGINT; the exit status: 0, or 1 where a worker could not even begin."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        begun = await asyncio.gather(*(self._begin(number) for number in range(self._count)))
        if not all(begun) and not self._ending.is_set():
            log.error("a worker could not begin: see above")
            await self._end()
            return 1
        keeping = [loop.create_task(self._keep(number)) for number in range(self._count)]
        notify("READY=1", f"STATUS={self._count} processes")
        log.info("%d processes are ready", self._count)
        await self._ending.wait()
        notify("STOPPING=1")
        for one in keeping:
            one.cancel()
        await self._end()
        return 0

    async def _begin(self, number: int) -> bool:
        """A new worker; whether it is ready."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        numbers = [(name, one.fileno()) for name, some in self._sockets.items() for one in some]
        environment = os.environ | {
            WORKER: str(number),
            _SOCKETS: ",".join(f"{name}:{fd}" for name, fd in numbers),
            _TIE: str(theirs.fileno()),
            _SCOREBOARD: str(self._scoreboard),
        }
        environment.pop("NOTIFY_SOCKET", None)  # this process speaks for all
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=environment,
                pass_fds=[*(fd for _, fd in numbers), theirs.fileno(), self._scoreboard],
                stdin=subprocess.DEVNULL,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._workers[number] = _Worker(number, process, ours, time.monotonic())
        try:
            async with asyncio.timeout(BEGINS_S):
                ready = await loop.sock_recv(ours, 1) == READY
        except (TimeoutError, OSError):
            ready = False
        if not ready:
            with suppress(ProcessLookupError):
                process.terminate()
            return False
        self._ready.add(number)
        if number in self._to_reload:
            self._to_reload.discard(number)
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)
        return True

    async def _keep(self, number: int) -> None:
        """Begins a worker anew whenever it has ended."""
        pause = 0.0
        while True:
            worker = self._workers[number]
            status = await worker.process.wait()
            self._ready.discard(number)
            worker.tie.close()
            lived = time.monotonic() - worker.begun
            pause = 0.0 if lived > SETTLED_S else min(PAUSE_MAX_S, max(PAUSE_S, pause * 2))
            log.error("worker %d ended with status %d, and is begun anew", number, status)
            await asyncio.sleep(pause)
            while not await self._begun_anew(number):
                await asyncio.sleep(PAUSE_MAX_S)

    async def _begun_anew(self, number: int) -> bool:
        """Whether the system let a worker be begun at all: one without room for a process may have some later."""
        try:
            await self._begin(number)
        except OSError as error:
            log.error("worker %d could not be begun, and is tried again: %s", number, error)
            return False
        return True

    def _reload(self) -> None:
        """SIGHUP for all; one that begins has no handler yet and would end by it, so it gets the signal when it is ready."""
        for number, worker in self._workers.items():
            if number not in self._ready:
                self._to_reload.add(number)
                continue
            with suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGHUP)

    def _send(self, number: signal.Signals) -> None:
        for worker in self._workers.values():
            with suppress(ProcessLookupError):
                worker.process.send_signal(number)

    async def _end(self) -> None:
        end = asyncio.get_running_loop().time() + self._drain_s
        self._send(signal.SIGTERM)
        for worker in self._workers.values():
            try:
                async with asyncio.timeout_at(end):
                    await worker.process.wait()
            except TimeoutError:
                log.warning("worker %d did not end within its time", worker.number)
                with suppress(ProcessLookupError):
                    worker.process.kill()
                await worker.process.wait()
            worker.tie.close()
