"""Why one try brought nothing, and whether another may."""

from __future__ import annotations

__all__ = ["Failure", "Interrupted"]


class Failure(Exception):
    """One try failed.  The message is for the operator, and holds no secret.

    Attributes:
        retry: another try may do better.
        retry_after: seconds that the server asked to be left alone (RFC 9110, 10.2.3).
        unreachable: the server itself did not answer, so other sources there need not try as often.
    """

    def __init__(
        self, message: str, *, retry: bool = False, retry_after: float | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(message)
        self.retry = retry
        self.retry_after = retry_after
        self.unreachable = unreachable


class Interrupted(Failure):
    """We were told to stop."""

    def __init__(self) -> None:
        super().__init__("stopped before it was done")
