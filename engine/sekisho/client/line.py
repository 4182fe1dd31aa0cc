"""One connection of a client: requests out, answers to whoever waits for them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

from sekisho import frames
from sekisho.client.errors import ClientError, Disconnected, Overloaded, Refused
from sekisho.frames import ANSWER, Code, Frame, FrameError, Kind, Welcome

__all__ = ["Address", "Line"]

Address = str | tuple[str, int]
"""A Unix socket's path, or a host and a port."""

CLOSE_S: Final = 10.0
"""Seconds in which a server must answer a goodbye."""
_HELLO_ID: Final = 1


class Line(asyncio.Protocol):
    """Made by `connect`. Ids are its own; at most `welcome.requests` are under way.

    Attributes:
        usable: whether it takes new requests.
        pending: requests that wait for an answer.
    """

    def __init__(self, tenant: int) -> None:
        loop = asyncio.get_running_loop()
        self._tenant = tenant
        self._splitter = frames.Splitter()
        self._transport: Any = None
        self._next = _HELLO_ID + 1
        self._welcomed: asyncio.Future[Welcome] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self.pending: dict[int, asyncio.Future[Frame]] = {}
        self.usable = False
        self.welcome: Welcome

    @classmethod
    async def connect(cls, address: Address, tenant: int, tls: ssl.SSLContext | None, timeout: float) -> Line:
        """A connection whose hello was answered.

        Raises:
            Disconnected: it cannot be made.
            Refused: the server does not want us.
        """
        loop = asyncio.get_running_loop()
        line = cls(tenant)
        try:
            async with asyncio.timeout(timeout):
                if isinstance(address, str):
                    await loop.create_unix_connection(lambda: line, address)
                else:
                    await loop.create_connection(lambda: line, *address, ssl=tls)
                line.welcome = await line._welcomed
        except BaseException as error:
            if line._transport is not None:
                line._transport.abort()
            if isinstance(error, OSError | TimeoutError | Disconnected):
                raise Disconnected(f"no connection: {error}") from None
            raise
        line.usable = True
        return line

    def ask(self, encode: Callable[[int], bytes]) -> asyncio.Future[Frame]:
        """Sends a request; the future gets its answer, or a `ClientError`."""
        number = self._next
        self._next += 1
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self.pending[number] = answer
        self._transport.write(encode(number))
        return answer

    async def close(self) -> None:
        """Ends it, after all answers."""
        self.usable = False
        if not self._transport.is_closing():
            self._transport.write(frames.goodbye())
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(self._lost)
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Ends it now."""
        self.usable = False
        self._transport.abort()

    # ---- what the transport tells ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(frames.hello(self._tenant, number=_HELLO_ID))

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                self._take(frame)
        except FrameError as error:
            self._fail(ClientError(str(error)))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._fail(Disconnected("the connection was lost"))
        if not self._lost.done():
            self._lost.set_result(None)

    # ------------------------------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        if frame.kind == Kind.GOODBYE + ANSWER:
            self.usable = False
            if not self.pending:
                self._transport.close()
            return
        error = frames.read_error(frame.payload) if frame.kind == Kind.ERROR else None
        if error is not None and error.ends:
            self.usable = False
            self._fail(_raised(error))
            return
        if frame.kind == Kind.HELLO + ANSWER and not self._welcomed.done():
            self._welcomed.set_result(frames.read_welcome(frame.payload))
            return
        waiting = self.pending.pop(frame.id, None)
        if waiting is not None and not waiting.done():  # else whoever asked has given up
            if error is None:
                waiting.set_result(frame)
            else:
                waiting.set_exception(_raised(error))
        if not self.usable and not self.pending and self._welcomed.done():
            self._transport.close()  # the server has said goodbye

    def _fail(self, error: ClientError) -> None:
        pending, self.pending = self.pending, {}
        for waiting in pending.values():
            if not waiting.done():
                waiting.set_exception(error)
        if not self._welcomed.done():
            self._welcomed.set_exception(error)
        if self._welcomed.done() and not self._welcomed.cancelled():
            self._welcomed.exception()  # it is known to whoever connects, if anybody still waits


def _raised(error: frames.Error) -> ClientError:
    if error.code == Code.OVERLOADED:
        return Overloaded(error)
    return Refused(error)
