"""The socket server's life: it takes connections, brings answers to them, and at the end leaves nobody without one."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sekisho.server.config import Limits
from sekisho.server.tenants import Tenant
from sekisho.server.wire.connection import Connection
from sekisho.server.wire.core import Core
from sekisho.server.wire.listener import Listener, Peer

if TYPE_CHECKING:
    from sekisho.server.scoreboard import Slot

__all__ = ["WireServer"]

log = logging.getLogger("sekisho.wire")

TICK_S: Final = 1.0  # between two looks for connections whose time is over
SETTLE_S: Final = 0.02  # between two looks whether all is answered, when it ends
GOODBYE_S: Final = 1.0  # in which clients that have all their answers may close by themselves


class WireServer:
    """Answers the binary protocol.

    Args:
        tenants: relying parties.
        listeners: where they come in.
        limits: of the configuration.
        threads: workers; None: one for each CPU this process may use.

    A part of a server as `sekisho.server.run` has them: `start`, `drain`. Everything runs on the loop that `start` was called on.
    """

    def __init__(
        self, tenants: Iterable[Tenant], listeners: Sequence[Listener], limits: Limits, *, threads: int | None = None
    ) -> None:
        self._tenants: Mapping[int, Tenant] = {one.number: one for one in tenants}
        times = {one.at for one in self._tenants.values()}
        at = times.pop() if len(times) == 1 else None
        self._listeners = listeners
        self._limits = limits
        self.backlog_bytes = limits.backlog_bytes
        self.connections: dict[int, Connection] = {}
        self._tokens = itertools.count(1)
        self.core = Core(limits, threads=threads or len(os.sched_getaffinity(0)), at=at)
        self.core.put(self._tenants.values())
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.TimerHandle | None = None
        self._loop: Any = None
        self.slot: Slot | None = None
        """Where counts are told each second; None: nobody asks for them."""

    def replace(self, tenants: Iterable[Tenant]) -> None:
        """Puts other tenants in force, for connections that are there too; requests under way are answered by those before.

        A connection whose peer may not speak for its tenant any more ends after the answers to what it asked.
        """
        self._tenants = {one.number: one for one in tenants}
        self.core.put(self._tenants.values())
        for connection in list(self.connections.values()):
            connection.recheck()

    def tell(self) -> None:
        """Tells the counts of this moment."""
        if self.slot is not None and self.core.native is not None:
            self.slot.tell(self.core)

    def admit(self, peer: Peer, tenant: int) -> Any:
        """The native tenant for which the peer may speak; None: it may not."""
        found = self._tenants.get(tenant)
        if found is None or not found.is_spoken_for(uid=peer.uid, certificate=peer.certificate):
            return None
        return self.core.tenant(tenant)

    async def start(self) -> None:
        """Takes connections, from when it returns."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.core.wake, self._bring)
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        for listener in self._listeners:
            make = self._factory(listener)
            tls: dict[str, Any] = {}
            if listener.tls is not None:
                tls = {
                    "ssl": listener.tls,
                    "ssl_handshake_timeout": self._limits.handshake_s,
                    "ssl_shutdown_timeout": self._limits.handshake_s,
                }
            unix = listener.listening.family == socket.AF_UNIX
            create = self._loop.create_unix_server if unix else self._loop.create_server
            self._servers.append(await create(make, sock=listener.listening, **tls))

    async def drain(self) -> None:
        """Takes nothing new, and returns when what was begun has its answer, or after `limits.drain_s`."""
        for server in self._servers:
            server.close()
        self.core.drain()
        end = time.monotonic() + self._limits.drain_s
        settled: float | None = None
        while self.connections and time.monotonic() < end:
            await asyncio.sleep(SETTLE_S)
            count = self.core.count()
            if count.waiting or count.working or count.backlog_bytes:
                settled = None
            elif settled is None:
                settled = time.monotonic()
            elif time.monotonic() > settled + GOODBYE_S:
                break  # those who are left have had their goodbye and all answers
        for connection in list(self.connections.values()):
            connection.close()
        end = time.monotonic() + GOODBYE_S
        while self.connections and time.monotonic() < end:
            await asyncio.sleep(SETTLE_S)
        if self._ticking is not None:
            self._ticking.cancel()
        self._loop.remove_reader(self.core.wake)
        if self.connections:
            log.warning("%d connections were cut off with answers they did not take", len(self.connections))
        for connection in list(self.connections.values()):
            connection.abort()
        self.tell()
        self.core.close()

    def _factory(self, listener: Listener) -> Any:
        return lambda: Connection(self, next(self._tokens), listener.peer_of)

    def _bring(self) -> None:
        for token in self.core.answered():
            connection = self.connections.get(token)
            if connection is not None:
                connection.flush()

    def _tick(self) -> None:
        self.core.expire()
        self.tell()
        now = time.monotonic()
        for connection in list(self.connections.values()):
            connection.cut_if_slow(now)
        self._ticking = self._loop.call_later(TICK_S, self._tick)
