"""The socket server: the protocol of docs/PROTOCOL.md, "Frames", over Unix sockets and TCP.

Frames are split, judged and answered by the C core (native/src/server.h); here are its sockets. Python's part is per chunk that
comes in and per burst of answers, never per login.
"""

from sekisho.server.wire.core import Core, TenantCount
from sekisho.server.wire.listener import Listener, Peer
from sekisho.server.wire.server import WireServer

__all__ = ["Core", "Listener", "Peer", "TenantCount", "WireServer"]
