"""Sockets to listen on: those of Unix have their mode and group before anybody can find them, and replace only what is dead."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from sekisho.server.config import ConfigError

__all__ = ["UnixSocket", "free_path", "tcp_socket"]

BACKLOG: Final = 2048  # connections that the kernel keeps waiting


class UnixSocket:
    """A listening Unix socket at a path.

    Args:
        path: where; a socket that nobody answers at is replaced, in one step.
        mode: of it.
        group: that it belongs to; None: this process's.

    Raises:
        ConfigError: somebody answers there already, or something else is there.
        OSError: the system refused.
    """

    def __init__(self, path: Path, mode: int, group: int | None) -> None:
        free_path(path)
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        beside = path.with_name(f".{secrets.token_hex(4)}")
        try:
            self.socket.bind(os.fspath(beside))
            try:
                os.chmod(beside, 0)
                if group is not None:
                    os.chown(beside, -1, group)
                os.chmod(beside, mode)
                self.socket.listen(BACKLOG)
                os.rename(beside, path)
            except BaseException:
                beside.unlink()
                raise
        except BaseException:
            self.socket.close()
            raise
        self._number = path.stat().st_ino

    def remove(self) -> None:
        """Removes the path, if it is still this socket's."""
        with suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._number:
                self.path.unlink()


def free_path(path: Path) -> None:
    """Makes sure that nobody answers at a path.

    Raises:
        ConfigError: somebody does, or what is there is no socket.
    """
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError(f"{path} is there, and no socket: move it away, or name another path")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe,
        suppress(ConnectionRefusedError, FileNotFoundError),
    ):
        probe.connect(os.fspath(path))
        raise ConfigError(f"{path}: somebody answers there already: stop that server, or name another path")


def tcp_socket(address: tuple[str, int]) -> socket.socket:
    """A listening TCP socket.

    Raises:
        OSError: the system refused.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.create_server(address, family=family, backlog=BACKLOG)
    made.setblocking(False)
    return made
