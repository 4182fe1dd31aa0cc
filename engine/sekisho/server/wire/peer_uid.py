"""Whose process is at the other end of a TCP connection on loopback, as the kernel knows it (sock_diag(7))."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from typing import Any, Final

__all__ = ["uid_at_loopback"]

_NETLINK_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST: Final = 1  # NLM_F_REQUEST
_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_QUERY: Final = struct.Struct("=BBBxI")  # inet_diag_req_v2: family, protocol, extensions, states; a socket's id follows
_ANY_COOKIE: Final = b"\xff" * 8
_STATE_AT: Final = 1  # in inet_diag_msg, after the family
_ESTABLISHED: Final = 1  # TCP_ESTABLISHED
_UID_AT: Final = 4 + 48 + 4 * 3  # in inet_diag_msg: four bytes, the id, expires, rqueue, wqueue
_WAIT_S: Final = 0.1  # the kernel answers at once


def uid_at_loopback(peer: Any, own: Any) -> int | None:
    """The user whose socket is connected from `peer` to `own` (addresses as `getpeername` has them); None: not found.

    A socket that its process has closed belongs to nobody, and the kernel says user 0 of it: it is not found either.
    """
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    addresses = b"".join(socket.inet_pton(family, end[0]).ljust(16, b"\0") for end in (peer, own))
    identity = struct.pack("!HH", peer[1], own[1]) + addresses + struct.pack("=I", 0) + _ANY_COOKIE
    query = _QUERY.pack(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + identity
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)) as asked:
        asked.settimeout(_WAIT_S)
        try:
            asked.send(_HEADER.pack(_HEADER.size + len(query), _BY_FAMILY, _REQUEST, 1, 0) + query)
            answer = asked.recv(4096)
        except OSError:
            return None
    if len(answer) < _HEADER.size + _UID_AT + 4 or _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    if answer[_HEADER.size + _STATE_AT] != _ESTABLISHED:
        return None
    return int.from_bytes(answer[_HEADER.size + _UID_AT :][:4], "little")
