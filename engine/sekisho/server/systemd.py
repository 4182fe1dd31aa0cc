"""What systemd and a service say to each other: sockets that are handed over, and news of how the service is."""

from __future__ import annotations

import os
import socket
from typing import Final

__all__ = ["activated", "notify"]

_FIRST: Final = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


def activated() -> dict[str, list[socket.socket]]:
    """Sockets that systemd opened for this process, by their FileDescriptorName=. To be asked once: they are taken over."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for place in range(count):
        os.set_inheritable(_FIRST + place, False)
        found.setdefault(names[place] if place < len(names) else "", []).append(socket.socket(fileno=_FIRST + place))
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    return found


def notify(*news: str) -> bool:
    """Tells the service manager (sd_notify(3)), as in ``notify("READY=1")``; False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.sendto("\n".join(news).encode(), "\0" + address[1:] if address[0] == "@" else address)
    return True
