"""HTTP for the sidecar: uvicorn, told by the kernel who is at the other end, and with an end to how many may be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sekisho.server.sidecar.answers import of_problem
from sekisho.server.sidecar.app import application
from sekisho.server.sidecar.peer import STATE_KEY, uid_of
from sekisho.server.sidecar.service import Service

__all__ = ["HttpServer"]

BACKLOG: Final = 2048  # connections that the kernel keeps waiting; uvicorn's own default


class HttpServer:
    """The sidecar on sockets that listen already.

    Belongs to an event loop.
    """

    def __init__(self, service: Service, sockets: Sequence[socket.socket]) -> None:
        limits = service.tenants.config.limits
        config = uvicorn.Config(
            application(service),
            http=_protocol(service),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=limits.idle_s,
            timeout_graceful_shutdown=limits.drain_s,
            backlog=BACKLOG,
        )
        self._server = _Server(config)
        self._sockets = list(sockets)

    async def start(self) -> None:
        """Takes connections, from when it returns."""
        self._serving = asyncio.create_task(self._server.serve(sockets=self._sockets))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.005)

    async def drain(self) -> None:
        """Takes no more connections, and returns when what was begun has its answer."""
        self._server.should_exit = True
        await self._serving


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the whole process."""
        yield


def _protocol(service: Service) -> type[HttpToolsProtocol]:
    """Connections of this service: their state says who connected, and beyond the limit they are told to come again."""

    class Connection(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app_state = {**self.app_state, STATE_KEY: uid_of(transport)}
            service.metrics.connections.inc()
            if len(self.connections) > service.tenants.config.limits.connections:
                self.app = _overloaded(service)

        def connection_lost(self, exc: Exception | None) -> None:
            service.metrics.connections.dec()
            super().connection_lost(exc)

    return Connection


def _overloaded(service: Service) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        service.turned_away("too-many-connections")
        answer = of_problem(503, "overloaded")
        fields = [*answer.fields, (b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": answer.status, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    return app
