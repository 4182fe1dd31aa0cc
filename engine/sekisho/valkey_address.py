"""Where a Valkey is, as configurations write it."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Final

__all__ = ["parse_address"]

_ADDRESS: Final = re.compile(r"valkey://(\[[0-9a-fA-F:]+\]|[0-9.]+):([0-9]{1,5})")
_SOCKET_PATH_MAX: Final = 107  # bytes; sun_path of unix(7), without its end


def parse_address(address: str) -> tuple[str | None, str | None, int]:
    """Path, or host and port (else 0), of an address.

    Raises:
        ValueError: it is none, or leads beyond loopback; the message says what to write.
    """
    if address.startswith("unix:/") and "\0" not in address:
        path = address.removeprefix("unix:")
        if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
            raise ValueError(f"the path of a Unix socket has at most {_SOCKET_PATH_MAX} bytes: name a shorter one")
        return path, None, 0
    found = _ADDRESS.fullmatch(address)
    try:
        host = ipaddress.ip_address(found[1].strip("[]")) if found else None
        port = int(found[2]) if found else 0
    except ValueError:
        host = None
    if host is None or not 0 < port < 65536:
        raise ValueError(f'must be "unix:/PATH" or "valkey://127.0.0.1:6379", not {address!r}')
    if not host.is_loopback:
        raise ValueError(
            f"{host} is beyond loopback, and what is said is in the clear: let a proxy on this machine speak TLS to it, and name "
            "the proxy's socket or port"
        )
    return None, str(host), port
