"""Where peers come in, and how it is known who they are: a Unix socket's credentials, or a TLS client's certificate."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from sekisho.server.config import TcpConfig
from sekisho.server.wire.peer_uid import uid_at_loopback

__all__ = ["Listener", "Peer"]

_UCRED: Final = struct.Struct("iII")  # pid, uid, gid: unix(7), SO_PEERCRED


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end.

    Attributes:
        kind: "unix", "tcp" or "tls".
        uid: user of the process at the other end, on this machine.
        certificate: SHA-256 of the TLS client's certificate, lower-case hexadecimal.
    """

    kind: str
    uid: int | None = None
    certificate: str | None = None

    def __repr__(self) -> str:
        return f"<Peer over {self.kind}>"  # a log line must not carry a certificate's hash


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, and how its peers are known.

    Attributes:
        listening: not blocking.
        peer_of: who is at the other end of a transport; None: nobody that may be here.
        tls: None: in the clear.
    """

    listening: socket.socket
    peer_of: Callable[[asyncio.Transport], Peer | None]
    tls: ssl.SSLContext | None = None

    @classmethod
    def unix(cls, listening: socket.socket) -> Self:
        """A Unix socket, whose peers are known by their user."""
        return cls(listening, _unix_peer)

    @classmethod
    def tcp(cls, listening: socket.socket, config: TcpConfig) -> Self:
        """A TCP socket: with TLS 1.3 and client certificates; in the clear only at loopback, whose peers are known by their user.

        Raises:
            OSError, ssl.SSLError: a file of the configuration cannot be read or used.
            ValueError: it would be in the clear, and not at loopback.
        """
        if not config.tls:
            if not _is_loopback(listening):
                raise ValueError("TCP beyond loopback wants TLS with client certificates")
            return cls(listening, _loopback_peer)
        assert config.certificate is not None  # noqa: S101 - config.tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(config.certificate, config.key)
        context.load_verify_locations(config.clients)
        context.verify_mode = ssl.CERT_REQUIRED
        allowed = config.allow

        def peer_of(transport: asyncio.Transport) -> Peer | None:
            der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            if der is None:
                return None
            fingerprint = hashlib.sha256(der).hexdigest()
            return Peer("tls", certificate=fingerprint) if not allowed or fingerprint in allowed else None

        return cls(listening, peer_of, context)


def _unix_peer(transport: asyncio.Transport) -> Peer | None:
    end: socket.socket = transport.get_extra_info("socket")
    _, uid, _ = _UCRED.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer("unix", uid=uid)


def _loopback_peer(transport: asyncio.Transport) -> Peer | None:
    uid = uid_at_loopback(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
    return None if uid is None else Peer("tcp", uid=uid)


def _is_loopback(listening: socket.socket) -> bool:
    host: str = listening.getsockname()[0]
    return host == "::1" or host.startswith("127.")
