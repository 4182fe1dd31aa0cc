"""A server's life: sockets, signals, reloads, and an end at which nobody is left without an answer.

SIGHUP            reads the configuration again; what is wrong with it is told, and then the one before stays in force
SIGTERM, SIGINT   takes nothing new, answers what was begun within limits.drain_s, and ends with 0

With `engine.processes` several workers live so behind the same sockets, and this process watches them (processes.py). The
first of them alone has the sidecar, whose cost is not in the logins.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sqlite3
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import uvloop

from sekisho.revocation.snapshot import SnapshotError
from sekisho.server.config import Config, ConfigError, HttpConfig, SocketConfig, TcpConfig
from sekisho.server.logs import log_to_standard_error
from sekisho.server.processes import Inherited, Processes, inherited, worker_index
from sekisho.server.scoreboard import Scoreboard, Totals
from sekisho.server.sidecar.http import HttpServer
from sekisho.server.sidecar.service import Service
from sekisho.server.sockets import UnixSocket, tcp_socket
from sekisho.server.systemd import activated, notify
from sekisho.server.tenants import Tenants
from sekisho.server.wire import Listener, WireServer

__all__ = ["serve"]

log = logging.getLogger("sekisho.run")

FIXED: Final = ("socket", "tcp", "http", "grpc", "engine", "claims", "test")
"""Tables that a reload cannot change, for sockets, caches and claims are made once."""
VALKEY_LOOK_S: Final = (
    5.0  # between two looks at the Valkey while nobody logs in: a change is found before the next does
)
DRAIN_MORE_S: Final = 5.0  # that a worker may take beyond limits.drain_s, which is its own


class _Part(Protocol):
    """Something that answers."""

    async def start(self) -> None:
        """Takes connections, from when it returns."""

    async def drain(self) -> None:
        """Takes nothing new, and returns when what was begun has its answer."""


def serve(config: Config) -> None:
    """Answers until SIGTERM or SIGINT.

    Raises:
        ConfigError: what the configuration names cannot be opened.
        OSError: the system refused a file or a socket.
    """
    log_to_standard_error(config.log.level)
    worker = inherited()
    if worker is None and config.engine.processes > 1:
        sys.exit(_watch(config))
    with uvloop_runner() as runner:
        runner.run(_Life(config, worker).live())


def _watch(config: Config) -> int:
    """The life of the process that watches workers, and its exit status."""
    if config.file is None:
        raise ConfigError("engine.processes: several want a configuration that is a file")
    with Tenants.open(config):  # what is wrong with it is told once, by this process
        pass
    made: list[UnixSocket] = []
    handed = activated()
    sockets: dict[str, list[socket.socket]] = {}
    if config.socket is not None:
        sockets["socket"] = handed.get("socket") or [_unix(config.socket, made)]
    if config.tcp is not None:
        sockets["tcp"] = handed.get("tcp") or [tcp_socket(config.tcp.listen)]
    if config.http is not None:
        sockets["http"] = handed.get("http") or [_http(config.http, made)]
    command = [sys.executable, "-m", "sekisho.cli", "serve", str(config.file)]
    try:
        count = config.engine.processes
        board = Scoreboard.create(count)
        watching = Processes(command, sockets, count, config.limits.drain_s + DRAIN_MORE_S, board.fd)
        return asyncio.run(watching.watch())
    finally:
        for one in made:
            one.remove()


def _unix(config: SocketConfig | HttpConfig, made: list[UnixSocket]) -> socket.socket:
    assert config.path is not None  # noqa: S101 - asked for where there is one
    one = UnixSocket(config.path, config.mode, config.group)
    made.append(one)
    return one.socket


def _http(config: HttpConfig, made: list[UnixSocket]) -> socket.socket:
    if config.path is not None:
        return _unix(config, made)
    assert config.listen is not None  # noqa: S101 - the configuration has one of the two
    return tcp_socket(config.listen)


def uvloop_runner() -> asyncio.Runner:
    """A runner with uvloop's event loop."""
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


class _Life:
    def __init__(self, config: Config, worker: Inherited | None) -> None:
        self._config = config
        self._worker = worker
        self._scoreboard = Scoreboard.create(1) if worker is None else Scoreboard(worker.scoreboard)
        self._service = Service(Tenants.open(config))
        self._wire: WireServer | None = None
        self._end = asyncio.Event()
        self._made: list[UnixSocket] = []
        self._reloading = asyncio.Lock()

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        parts = self._parts()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end.set)
        reloading: set[asyncio.Task[None]] = set()

        def begin_reload() -> None:
            task = loop.create_task(self._reload())
            reloading.add(task)
            task.add_done_callback(reloading.discard)

        if self._config.file is not None:
            loop.add_signal_handler(signal.SIGHUP, begin_reload)
        for part in parts:  # after the signals have their handlers: whoever was answered may send one
            await part.start()
        refreshing = [loop.create_task(self._refresh()), loop.create_task(self._look_at_valkey())]
        if self._worker is not None:
            self._worker.ready()
            loop.add_reader(self._worker.tie, self._end.set)  # nobody writes to it: it is readable when nobody watches
        notify("READY=1", f"STATUS={len(self._service.tenants)} tenants")
        log.info("ready")
        await self._end.wait()
        notify("STOPPING=1")
        log.info("draining")
        self._service.draining = True
        for task in refreshing:
            task.cancel()
        await asyncio.gather(*(part.drain() for part in parts))
        for made in self._made:
            made.remove()
        self._service.close()
        log.info("ended")

    def _parts(self) -> list[_Part]:
        config = self._config
        handed = self._worker.sockets if self._worker is not None else activated()
        parts: list[_Part] = []
        if config.socket is not None or config.tcp is not None:
            threads = config.engine.threads_of_each
            self._wire = WireServer(
                self._service.tenants, list(self._listeners(handed)), config.limits, threads=threads
            )
            self._wire.slot = self._scoreboard.slot(worker_index() or 0)
            self._service.metrics.watch_wire(self._totals)
            parts.append(self._wire)
        if worker_index():
            return parts  # the sidecar is the first worker's
        if config.http is not None:
            parts.append(HttpServer(self._service, handed.get("http") or [_http(config.http, self._made)]))
        hops = [(hop, hop.grpc) for tenant in config.tenants for hop in tenant.hops if hop.grpc is not None]
        if hops or config.grpc.health is not None:
            from sekisho.server.sidecar.envoy import GrpcServer  # noqa: PLC0415 - 0.3 s and 20 MB that few need

            parts += [GrpcServer(self._service, path, hop.grpc_mode, hop.grpc_group, hop.name) for hop, path in hops]
            if config.grpc.health is not None:
                parts.append(GrpcServer(self._service, config.grpc.health, 0o660, None, None))
        return parts

    def _totals(self) -> Totals:
        """Counts of all processes: this one's of this moment, the others' of the last second."""
        if self._wire is not None:
            self._wire.tell()
        return self._scoreboard.read()

    def _listeners(self, handed: dict[str, list[socket.socket]]) -> Iterator[Listener]:
        """Where the binary protocol is spoken."""
        unix, tcp = self._config.socket, self._config.tcp
        if unix is not None and "socket" in handed:
            yield from map(Listener.unix, handed["socket"])
        elif unix is not None:
            yield Listener.unix(_unix(unix, self._made))
        if tcp is not None:
            sockets = handed["tcp"] if "tcp" in handed else [tcp_socket(tcp.listen)]
            for listening in sockets:
                yield _tls_listener(listening, tcp)

    async def _reload(self) -> None:
        """Puts the file's present content in force, or says why not. One after the other: the last to begin has the last word."""
        async with self._reloading:
            await self._reload_now()

    async def _reload_now(self) -> None:
        service, file = self._service, self._config.file
        assert file is not None  # noqa: S101 - else there is no handler
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            tenants = await asyncio.get_running_loop().run_in_executor(
                None, _opened, file, self._config, service.tenants
            )
        except (ConfigError, OSError) as error:
            service.metrics.reload_failed.set(1)
            log.error("not reloaded, and what was in force stays so: %s", error)
        else:
            service.reload(tenants)
            if self._wire is not None:
                self._wire.replace(tenants)
            service.metrics.reload_failed.set(0)
            log.info("reloaded")
        notify("READY=1")

    async def _look_at_valkey(self) -> None:
        """Has its epoch begin before somebody logs in, and tells when claims cannot be shared, and when they can again."""
        valkey = self._service.tenants.valkey
        if valkey is None:
            return
        loop, before = asyncio.get_running_loop(), "none"
        while True:
            trouble = await loop.run_in_executor(None, valkey.look)
            if trouble not in (before, "none"):
                log.warning("claims cannot be shared, and logins are refused until they can: %s", trouble)
            elif trouble != before:
                log.info("claims are shared again")
            before = trouble
            await asyncio.sleep(VALKEY_LOOK_S)

    async def _refresh(self) -> None:
        """Puts in force what the revocation store has by now, again and again."""
        loop = asyncio.get_running_loop()
        while True:
            tenants = self._service.tenants
            await asyncio.sleep(tenants.config.revocation.refresh)
            try:
                if await loop.run_in_executor(None, tenants.refresh):
                    snapshot: Any = tenants.store.revocation.id if tenants.store is not None else None
                    log.info("new revocation data in force", extra={"snapshot": snapshot})
            except (SnapshotError, sqlite3.Error, OSError) as error:
                if tenants is self._service.tenants:  # else a reload has closed it
                    log.error("revocation data was not refreshed: %s", error)


def _tls_listener(listening: socket.socket, config: TcpConfig) -> Listener:
    try:
        return Listener.tcp(listening, config)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"tcp: certificate, key or clients cannot be used: {error}") from None


def _opened(file: Path, fixed: Config, before: Tenants) -> Tenants:
    config = Config.load(file)
    changed = [name for name in FIXED if getattr(config, name) != getattr(fixed, name)]
    changed += ["grpc of hops"] if _hop_sockets(config) != _hop_sockets(fixed) else []
    if changed:
        raise ConfigError(f"{', '.join(changed)}: a change of these wants a restart")
    return Tenants.open(config, before=before)


def _hop_sockets(config: Config) -> set[tuple[str, Path]]:
    return {(hop.name, hop.grpc) for tenant in config.tenants for hop in tenant.hops if hop.grpc is not None}
