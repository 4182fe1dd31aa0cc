"""Who is at the other end of a request: a user over a Unix socket, or whoever knows a bearer token."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Scope

__all__ = ["Peer", "peer_of", "uid_of"]

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED
STATE_KEY: Final = "peer_uid"
"""Where a connection's uid stands in the scope of its requests."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`uid`: of the process that connected, over a Unix socket; `token`: the bearer token it sent."""

    uid: int | None
    token: str | None


def uid_of(transport: Any) -> int | None:
    """The user whose process connected, as the kernel says; None: not over a Unix socket."""
    found = transport.get_extra_info("socket")
    if found is None or found.family != socket.AF_UNIX:
        return None
    return int(_UCRED.unpack(found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[1])


def peer_of(scope: Scope) -> Peer:
    """Who asks. Two Authorization fields are none."""
    token: str | None = None
    seen = 0
    for name, value in scope["headers"]:
        if name == b"authorization":
            seen += 1
            kind, _, rest = value.partition(b" ")
            token = rest.decode("latin-1") if kind.lower() == b"bearer" else None
    return Peer(scope["state"].get(STATE_KEY), token if seen == 1 else None)
