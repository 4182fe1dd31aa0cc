"""The client for asyncio."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Self

from sekisho import frames
from sekisho.client.answers import Answer, Login, Signature, Stats, read_answer, read_answers, read_signature
from sekisho.client.errors import Disconnected, Refused
from sekisho.client.line import Address, Line
from sekisho.frames import CHALLENGE_SIZE, Code, Frame, Welcome

__all__ = ["AsyncClient"]

REMEMBERED: Final = 65_536  # certificates known to be kept by the server: 4 MB
REQUEST_NAME_SIZE: Final = 16  # bytes: nobody makes the same one twice
_TRY_ELSEWHERE: Final = frozenset({Code.SHUTTING_DOWN, Code.CONNECTIONS_FULL, Code.IDLE_TIMEOUT})


class AsyncClient:
    """Speaks for a tenant over a pool of connections, made when they are first needed.

    Args:
        address: a Unix socket's path, or (host, port).
        tenant: the relying party's number.
        tls: with the client certificate; None: in the clear.
        connections: at most so many.
        timeout: seconds for a connection to be made; and for an answer, where no deadline is given.
        retries: how often a request whose connection was lost is asked again.
        references: name certificates by their hash once the server has kept them, which saves 2 kB a login.

    A method raises `Overloaded` where the answer cannot be had in time, `Refused` for another error of the protocol and
    `Disconnected` where nobody answers. Safe for many tasks of one loop.
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
        if connections < 1:
            raise ValueError(f"a client needs one connection at least, not {connections}")
        self._address, self._tenant, self._tls = address, tenant, tls
        self._timeout, self._retries, self._references = timeout, retries, references
        self._lines: list[Line | None] = [None] * connections
        self._locks = [asyncio.Lock() for _ in self._lines]
        self._room = [asyncio.Condition() for _ in self._lines]
        self._turn = 0
        self._kept: OrderedDict[bytes, None] = OrderedDict()
        self._closed = False

    async def __aenter__(self) -> Self:
        await self._line(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits for the answers that are still to come, and closes."""
        self._closed = True
        open_lines = [line for line in self._lines if line is not None]
        await asyncio.gather(*(line.close() for line in open_lines))

    async def welcome(self) -> Welcome:
        """What the server said of itself."""
        return (await self._line(0)).welcome

    # ---- requests ----------------------------------------------------------------------------------

    async def login(self, login: Login, *, profile: int = 0, deadline_ms: int = 0) -> Answer:
        """The verdict on a login.

        Args:
            login: what the holder sent.
            profile: `Profile.id32`; 0: the tenant's first.
            deadline_ms: milliseconds in which the answer is of use; 0: the server's own.
        """
        name = login.request if login.request is not None else secrets.token_bytes(REQUEST_NAME_SIZE)
        fingerprint = hashlib.sha256(login.certificate).digest() if self._references else b""

        def encode(number: int, reference: bool) -> bytes:
            return frames.login(
                number,
                fingerprint if reference else login.certificate,
                login.challenge,
                login.signature,
                intermediates=login.intermediates,
                binding=login.binding,
                transaction=login.transaction,
                request=name,
                deadline_ms=deadline_ms,
                profile=profile,
                reference=reference,
                keep=self._references and not reference,
            )

        return read_answer((await self._with_reference(encode, fingerprint)).payload)

    async def logins(
        self, logins: Iterable[Login], *, profile: int = 0, deadline_ms: int = 0
    ) -> list[Answer | Refused]:
        """The verdicts on many, pipelined, in their order; an error of the protocol stands in its login's place."""
        asked = [self._caught(self.login(one, profile=profile, deadline_ms=deadline_ms)) for one in logins]
        return list(await asyncio.gather(*asked))

    async def certificate(
        self, der: bytes, intermediates: bytes = b"", *, profile: int = 0, deadline_ms: int = 0
    ) -> Answer:
        """Is a certificate valid? (Whether its holder is there is proven elsewhere: this is no login.)"""
        fingerprint = hashlib.sha256(der).digest() if self._references else b""

        def encode(number: int, reference: bool) -> bytes:
            return frames.certificate(
                number,
                fingerprint if reference else der,
                intermediates=intermediates,
                deadline_ms=deadline_ms,
                profile=profile,
                reference=reference,
                keep=self._references and not reference,
            )

        return read_answer((await self._with_reference(encode, fingerprint)).payload)

    async def signature(self, given: Signature, *, deadline_ms: int = 0) -> Answer:
        """The verdict on one signature under a bare public key."""
        frame = await self._ask(
            lambda number: frames.signature(
                number,
                given.key,
                given.message,
                given.signature,
                given.mode,
                prehashed=given.prehashed,
                deadline_ms=deadline_ms,
            )
        )
        return read_signature(frame.payload)

    async def revocation(
        self, fingerprints: Sequence[bytes], *, profile: int = 0, deadline_ms: int = 0
    ) -> list[Answer]:
        """Whether certificates that the server keeps (SHA-256 each) are good meanwhile; `INPUT_MISSING`: it does not keep it."""
        frame = await self._ask(
            lambda number: frames.revocation(number, fingerprints, profile=profile, deadline_ms=deadline_ms)
        )
        return read_answers(frame.payload)

    async def challenges(
        self,
        count: int,
        *,
        lifetime: int = 0,
        bindings: Sequence[bytes] | None = None,
        transactions: Sequence[bytes] | None = None,
        profile: int = 0,
        deadline_ms: int = 0,
    ) -> list[bytes]:
        """New challenges; see `sekisho.ChallengeKeys.issue` for bindings and transactions."""
        frame = await self._ask(
            lambda number: frames.challenges(
                number,
                count,
                lifetime=lifetime,
                bindings=bindings,
                transactions=transactions,
                deadline_ms=deadline_ms,
                profile=profile,
            )
        )
        return [frame.payload[at : at + CHALLENGE_SIZE] for at in range(0, len(frame.payload), CHALLENGE_SIZE)]

    async def stats(self) -> Stats:
        """What was done for this tenant, by the process that answers."""
        found = frames.read_stats((await self._ask(frames.stats)).payload)
        return Stats(
            verdicts={number: value for (group, number), value in found.items() if group == 1},
            errors={number: value for (group, number), value in found.items() if group == 2},
            waiting=found.get((3, 1), 0),
            working=found.get((3, 2), 0),
            wait_us=found.get((3, 3), 0),
        )

    async def ping(self) -> None:
        """Returns when the server has answered."""
        await self._ask(frames.ping)

    # ---- ways ----------------------------------------------------------------------------------------

    async def _caught(self, asked: object) -> Answer | Refused:
        try:
            return await asked  # type: ignore[no-any-return,misc]
        except Refused as error:
            return error

    async def _with_reference(self, encode: Callable[[int, bool], bytes], fingerprint: bytes) -> Frame:
        if self._references and fingerprint in self._kept:
            self._kept.move_to_end(fingerprint)
            try:
                return await self._ask(lambda number: encode(number, True))
            except Refused as error:
                if error.error.code != Code.NEED_CERTIFICATE:
                    raise
                self._kept.pop(fingerprint, None)
        frame = await self._ask(lambda number: encode(number, False))
        if self._references:
            self._kept[fingerprint] = None
            if len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return frame

    async def _ask(self, encode: Callable[[int], bytes]) -> Frame:
        for left in range(self._retries, -1, -1):
            try:
                return await self._ask_once(encode)
            except Disconnected:
                if not left or self._closed:
                    raise
            except Refused as error:
                if error.error.code not in _TRY_ELSEWHERE or not left or self._closed:
                    raise
        raise AssertionError  # the last round returns or raises

    async def _ask_once(self, encode: Callable[[int], bytes]) -> Frame:
        place = self._turn = (self._turn + 1) % len(self._lines)
        room = self._room[place]
        async with room:
            line = await self._line(place)
            while line.usable and len(line.pending) >= line.welcome.requests:
                await room.wait()
            if not line.usable:
                raise Disconnected("no connection: it ended before the request was sent")
            answer = line.ask(encode)
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            raise Disconnected(f"no answer in {self._timeout} s") from None
        finally:
            async with room:
                room.notify()

    async def _line(self, place: int) -> Line:
        async with self._locks[place]:
            line = self._lines[place]
            if self._closed:
                raise Disconnected("this client is closed")
            if line is None or not line.usable:
                line = await Line.connect(self._address, self._tenant, self._tls, self._timeout)
                self._lines[place] = line
            return line
