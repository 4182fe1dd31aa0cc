"""One connection: bytes from the transport into the core and answers back, a call a chunk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from sekisho._native import check, ffi, lib
from sekisho.server.wire.core import Core
from sekisho.server.wire.listener import Peer

__all__ = ["Connection", "Home"]

log = logging.getLogger("sekisho.wire")

TRANSPORT_BYTES: Final = 262_144  # that a transport keeps unsent before it says so
SLOW_READER_S: Final = 30  # in which a peer who takes no answers must take some

_ADMISSION: Final[int] = lib.SEKI_WANTS_ADMISSION
_WRITE: Final[int] = lib.SEKI_WANTS_WRITE
_CLOSE: Final[int] = lib.SEKI_WANTS_CLOSE
_PAUSE: Final[int] = lib.SEKI_WANTS_PAUSE


class Home(Protocol):
    """What connections belong to."""

    core: Core
    backlog_bytes: int
    connections: dict[int, Connection]

    def admit(self, peer: Peer, tenant: int) -> Any:
        """The native tenant for which the peer may speak; None: it may not."""


class Connection(asyncio.BufferedProtocol):
    """A peer. `peer_of` says who it is once it is connected; None: nobody that may be here."""

    __slots__ = (
        "_choked_since",
        "_data",
        "_home",
        "_native",
        "_paused",
        "_peer",
        "_peer_of",
        "_size",
        "_tenant",
        "_token",
        "_transport",
        "_wants",
    )

    def __init__(self, home: Home, token: int, peer_of: Callable[[asyncio.Transport], Peer | None]) -> None:
        self._home = home
        self._token = token
        self._peer_of = peer_of
        self._peer: Peer | None = None
        self._tenant: int | None = None
        self._native: Any = None
        self._transport: Any = None
        self._paused = False
        self._choked_since: float | None = None
        self._wants = ffi.new("uint32_t *")
        self._data = ffi.new("uint8_t **")
        self._size = ffi.new("uint64_t *")

    # ---- what the transport tells ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._peer = self._peer_of(self._transport)
        if self._peer is None:
            self._transport.abort()
            return
        # Below what the core pauses at: who is paused for what the transport keeps is told when it is gone.
        self._transport.set_write_buffer_limits(high=min(TRANSPORT_BYTES, self._home.backlog_bytes // 2))
        out = ffi.new("seki_connection **")
        check(
            lib.seki_connection_new(self._home.core.native, self._token, time.monotonic_ns(), out),
            "taking a connection",
        )
        self._native = out[0]
        self._home.connections[self._token] = self
        self.flush()

    def get_buffer(self, sizehint: int) -> Any:
        check(lib.seki_connection_buffer(self._native, self._data, self._size), "making room")
        return ffi.buffer(self._data[0], self._size[0])

    def buffer_updated(self, nbytes: int) -> None:
        check(lib.seki_connection_received(self._native, nbytes, time.monotonic_ns(), self._wants), "reading frames")
        self._serve(self._wants[0])

    def eof_received(self) -> bool:
        if self._native is None:
            return False
        check(lib.seki_connection_ended(self._native, self._wants), "ending a connection")
        self._serve(self._wants[0])
        return self._transport.get_extra_info("ssl_object") is None  # TLS cannot be half closed

    def pause_writing(self) -> None:
        self._choked_since = time.monotonic()

    def resume_writing(self) -> None:
        self._choked_since = None
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._home.connections.pop(self._token, None)
        lib.seki_connection_free(self._native if self._native is not None else ffi.NULL)
        self._native = None

    # ---- what the server asks ---------------------------------------------------------------------

    def flush(self) -> None:
        """Hands the transport all answers that are there, in one write."""
        if self._native is None or self._choked_since is not None:
            return
        wants = self._take()
        while wants & _PAUSE and self._size[0] and self._choked_since is None and not wants & _CLOSE:
            wants = self._take()  # how much of it the socket did not take at once
        if wants & _CLOSE:
            self._transport.close()  # once all is written
        self._pause(bool(wants & _PAUSE))

    def recheck(self) -> None:
        """After a reload: if its peer may not speak for the tenant any more, it takes its last answers and goes."""
        if self._native is None or self._tenant is None or self._peer is None:
            return
        if self._home.admit(self._peer, self._tenant) is None:
            log.warning("a peer may not speak any more", extra={"kind": self._peer.kind})
            check(lib.seki_connection_ended(self._native, self._wants), "ending a connection")
            self._serve(self._wants[0])

    def cut_if_slow(self, now: float) -> None:
        """Ends it if the peer has long taken no answer."""
        if self._choked_since is not None and now > self._choked_since + SLOW_READER_S:
            log.warning("a peer took no answers for %d s and is cut off", SLOW_READER_S)
            self._transport.abort()

    def close(self) -> None:
        """Ends it after what was handed to the transport."""
        self._transport.close()

    def abort(self) -> None:
        """Ends it now, before the core does."""
        self._transport.abort()
        self.connection_lost(None)

    # ----------------------------------------------------------------------------------------------

    def _serve(self, wants: int) -> None:
        if wants & _ADMISSION:
            wants = self._admit()
        if wants & (_WRITE | _CLOSE) and self._choked_since is None:
            self.flush()  # after which it is known anew whether to pause
        else:
            self._pause(bool(wants & _PAUSE))

    def _take(self) -> int:
        unsent = self._transport.get_write_buffer_size()
        check(lib.seki_connection_take(self._native, unsent, self._data, self._size, self._wants), "taking answers")
        wants = int(self._wants[0])
        if self._size[0]:
            self._transport.write(ffi.buffer(self._data[0], self._size[0])[:])
        return wants

    def _admit(self) -> int:
        tenant = ffi.new("uint32_t *")
        check(lib.seki_connection_hello(self._native, tenant), "reading a hello")
        assert self._peer is not None  # noqa: S101 - else it was aborted
        found = self._home.admit(self._peer, tenant[0])
        if found is None:
            log.warning("a peer was refused", extra={"kind": self._peer.kind})
        else:
            self._tenant = tenant[0]
        native = ffi.NULL if found is None else found
        check(lib.seki_connection_admit(self._native, native, time.monotonic_ns(), self._wants), "admitting a peer")
        return int(self._wants[0])

    def _pause(self, wanted: bool) -> None:
        if wanted is not self._paused and not self._transport.is_closing():
            self._paused = wanted
            (self._transport.pause_reading if wanted else self._transport.resume_reading)()
