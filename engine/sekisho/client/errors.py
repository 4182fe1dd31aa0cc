"""What a client raises. None of them is a verdict: nothing was decided, or nobody knows what was."""

from __future__ import annotations

from sekisho.frames import Error

__all__ = ["ClientError", "Disconnected", "Overloaded", "Refused"]


class ClientError(Exception):
    """There is no answer."""


class Disconnected(ClientError):
    """The connection could not be made, or was lost before the answer. A login may have been accepted: asked again with the same
    request name (as the client does by itself), it gets its first verdict."""


class Refused(ClientError):
    """The server answered with an error of the protocol.

    Attributes:
        error: which; docs/PROTOCOL.md says what rule was broken.
    """

    def __init__(self, error: Error) -> None:
        super().__init__(error.name)
        self.error = error


class Overloaded(Refused):
    """The answer cannot be had before the deadline: try again in `retry_ms` milliseconds, and not at once."""

    @property
    def retry_ms(self) -> int:
        """Milliseconds until it may be had."""
        return self.error.retry_ms
