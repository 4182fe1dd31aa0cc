"""The client for programs without an event loop: the same, on a loop of its own in a thread."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Self, TypeVar

from sekisho.client.aio import AsyncClient
from sekisho.client.answers import Answer, Login, Signature, Stats
from sekisho.client.errors import Refused
from sekisho.client.line import Address
from sekisho.frames import Welcome

__all__ = ["Client"]

_T = TypeVar("_T")


class Client:
    """As `AsyncClient`, method by method, and safe for many threads: what they ask at once shares the pool's connections.

    Not for use on both sides of fork(): make one in each process.
    """

    def __init__(
        self,
        address: Address,
        tenant: int,
        *,
        tls: ssl.SSLContext | None = None,
        connections: int = 2,
        timeout: float = 10.0,
        retries: int = 2,
        references: bool = False,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sekisho-client", daemon=True)
        self._thread.start()

        async def make() -> AsyncClient:
            return AsyncClient(
                address,
                tenant,
                tls=tls,
                connections=connections,
                timeout=timeout,
                retries=retries,
                references=references,
            )

        try:
            self._client = self._run(make())
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Self:
        try:
            self.welcome()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits for the answers that are still to come, and closes."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._stop()

    def welcome(self) -> Welcome:
        """What the server said of itself."""
        return self._run(self._client.welcome())

    def login(self, login: Login, *, profile: int = 0, deadline_ms: int = 0) -> Answer:
        """As `AsyncClient.login`."""
        return self._run(self._client.login(login, profile=profile, deadline_ms=deadline_ms))

    def logins(self, logins: Iterable[Login], *, profile: int = 0, deadline_ms: int = 0) -> list[Answer | Refused]:
        """As `AsyncClient.logins`."""
        return self._run(self._client.logins(logins, profile=profile, deadline_ms=deadline_ms))

    def certificate(self, der: bytes, intermediates: bytes = b"", *, profile: int = 0, deadline_ms: int = 0) -> Answer:
        """As `AsyncClient.certificate`."""
        return self._run(self._client.certificate(der, intermediates, profile=profile, deadline_ms=deadline_ms))

    def signature(self, given: Signature, *, deadline_ms: int = 0) -> Answer:
        """As `AsyncClient.signature`."""
        return self._run(self._client.signature(given, deadline_ms=deadline_ms))

    def revocation(self, fingerprints: Sequence[bytes], *, profile: int = 0, deadline_ms: int = 0) -> list[Answer]:
        """As `AsyncClient.revocation`."""
        return self._run(self._client.revocation(fingerprints, profile=profile, deadline_ms=deadline_ms))

    def challenges(
        self,
        count: int,
        *,
        lifetime: int = 0,
        bindings: Sequence[bytes] | None = None,
        transactions: Sequence[bytes] | None = None,
        profile: int = 0,
        deadline_ms: int = 0,
    ) -> list[bytes]:
        """As `AsyncClient.challenges`."""
        return self._run(
            self._client.challenges(
                count,
                lifetime=lifetime,
                bindings=bindings,
                transactions=transactions,
                profile=profile,
                deadline_ms=deadline_ms,
            )
        )

    def stats(self) -> Stats:
        """As `AsyncClient.stats`."""
        return self._run(self._client.stats())

    def ping(self) -> None:
        """As `AsyncClient.ping`."""
        self._run(self._client.ping())

    def _run(self, asked: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
