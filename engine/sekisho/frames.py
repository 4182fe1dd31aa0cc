"""The frames of the socket server as bytes, for clients: docs/PROTOCOL.md, "Frames", in Python alone.

from sekisho import frames
socket.sendall(frames.hello(7) + frames.login(1, certificate, challenge, signature))
for frame in splitter.feed(socket.recv(65536)):
    ...
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

__all__ = [
    "ANSWER",
    "HEADER_SIZE",
    "LOGIN_ANSWER_SIZE",
    "VERSION",
    "Code",
    "Error",
    "Frame",
    "FrameError",
    "Kind",
    "Splitter",
    "Welcome",
    "certificate",
    "challenges",
    "goodbye",
    "hello",
    "login",
    "ping",
    "read_error",
    "read_stats",
    "read_welcome",
    "revocation",
    "signature",
    "stats",
]

VERSION: Final = 1
MAGIC: Final = b"sekisho\0"
ANSWER: Final = 128
"""An answer's kind is its request's and this."""
CHALLENGE_SIZE: Final = 165
REFERENCE_SIZE: Final = 32
VERDICT_SIZE: Final = 32
FRAME_BYTES_MAX: Final = 1 << 26  # that a client takes; the largest answer has 169 kB

_HEADER: Final = struct.Struct("<IBBHQ")
_HELLO: Final = struct.Struct("<8sBBHIII")
_WELCOME: Final = struct.Struct("<B3xIIIIIIIq")
_LOGIN: Final = struct.Struct("<IIIIHHHHH6x")
_CERTIFICATE: Final = struct.Struct("<IIII")
_SIGNATURE: Final = struct.Struct("<IIIIII")
_REVOCATION: Final = struct.Struct("<IIII")
_CHALLENGES: Final = struct.Struct("<IIIHH")
_ERROR: Final = struct.Struct(f"<HBBI{VERDICT_SIZE - 8}x")
_STATS: Final = struct.Struct("<HHIQ")

HEADER_SIZE: Final = _HEADER.size
LOGIN_ANSWER_SIZE: Final = HEADER_SIZE + VERDICT_SIZE
"""Bytes of the answer to a login, whatever it is: an error is as long as a verdict."""


class Kind(IntEnum):
    """Kinds of requests."""

    HELLO = 1
    PING = 2
    CHALLENGES = 3
    LOGIN = 4
    CERTIFICATE = 5
    SIGNATURE = 6
    REVOCATION = 7
    STATS = 8
    GOODBYE = 9
    ERROR = 255


class Code(IntEnum):
    """Codes of errors; docs/PROTOCOL.md says which rule was broken."""

    HELLO_EXPECTED = 1
    HELLO_MALFORMED = 2
    VERSION_UNSUPPORTED = 3
    TENANT_REFUSED = 4
    FRAME_MALFORMED = 5
    FRAME_TOO_LARGE = 6
    KIND_UNKNOWN = 7
    REQUEST_MALFORMED = 8
    NOT_OFFERED = 9
    PROFILE_UNKNOWN = 10
    TOO_MANY_REQUESTS = 11
    TOO_MUCH = 12
    NEED_CERTIFICATE = 13
    OVERLOADED = 14
    SHUTTING_DOWN = 15
    HANDSHAKE_TIMEOUT = 16
    IDLE_TIMEOUT = 17
    FRAME_TIMEOUT = 18
    CONNECTIONS_FULL = 19
    ENGINE_FAULT = 20

    @property
    def kebab(self) -> str:
        """The name as docs/PROTOCOL.md writes it."""
        return self.name.lower().replace("_", "-")


FEATURE_CHALLENGES: Final = 1
FEATURE_REFERENCES: Final = 2
FEATURE_LOGINS: Final = 4
FEATURES: Final = FEATURE_CHALLENGES | FEATURE_REFERENCES | FEATURE_LOGINS


class FrameError(ValueError):
    """What came is no frame of this protocol."""


class Frame(NamedTuple):
    """A frame that came; `id` is the request's, where it is an answer."""

    kind: int
    flags: int
    id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a server is: see docs/PROTOCOL.md, "Hello and welcome"."""

    version: int
    features: int
    frame_bytes: int
    requests: int
    challenges: int
    deadline_ms: int
    idle_s: int
    profile: int
    time: int


@dataclass(frozen=True, slots=True)
class Error:
    """An error in place of an answer. `code` may be one that this release does not know: then no `Code`."""

    code: int
    ends: bool
    kind: int
    retry_ms: int

    @property
    def name(self) -> str:
        """The code's name, or its number."""
        return Code(self.code).kebab if self.code in Code._value2member_map_ else f"error-{self.code}"


# ---- requests ------------------------------------------------------------------------------------


def _frame(kind: int, number: int, payload: bytes, flags: int = 0) -> bytes:
    return _HEADER.pack(len(payload), kind, flags, 0, number) + payload


def hello(
    tenant: int,
    *,
    number: int = 1,
    features: int = FEATURES,
    versions: tuple[int, int] = (1, VERSION),
    frame_bytes: int = 0,
) -> bytes:
    """The first frame."""
    return _frame(Kind.HELLO, number, _HELLO.pack(MAGIC, *versions, 0, features, tenant, frame_bytes))


def ping(number: int, payload: bytes = b"") -> bytes:
    """Up to 64 bytes that come back."""
    return _frame(Kind.PING, number, payload)


def login(
    number: int,
    certificate: bytes,
    challenge: bytes,
    signature: bytes,
    *,
    intermediates: bytes = b"",
    binding: bytes = b"",
    request: bytes = b"",
    transaction: bytes = b"",
    deadline_ms: int = 0,
    profile: int = 0,
    reference: bool = False,
    keep: bool = False,
) -> bytes:
    """One login. `certificate` is its SHA-256 where `reference`."""
    sizes = map(len, (certificate, intermediates, challenge, signature, binding, request, transaction))
    return _frame(
        Kind.LOGIN,
        number,
        b"".join(
            (
                _LOGIN.pack(deadline_ms, profile, *sizes),
                certificate,
                intermediates,
                challenge,
                signature,
                binding,
                request,
                transaction,
            )
        ),
        reference | keep << 1,
    )


def certificate(
    number: int,
    der: bytes,
    *,
    intermediates: bytes = b"",
    deadline_ms: int = 0,
    profile: int = 0,
    reference: bool = False,
    keep: bool = False,
) -> bytes:
    """Is a certificate valid? `der` is its SHA-256 where `reference`."""
    fixed = _CERTIFICATE.pack(deadline_ms, profile, len(der), len(intermediates))
    return _frame(Kind.CERTIFICATE, number, fixed + der + intermediates, reference | keep << 1)


def signature(
    number: int,
    key: bytes,
    message: bytes,
    signature: bytes,
    mode: int,
    *,
    prehashed: bool = False,
    deadline_ms: int = 0,
) -> bytes:
    """One signature under a SubjectPublicKeyInfo; `mode` as `sekisho.Mode` numbers it."""
    fixed = _SIGNATURE.pack(deadline_ms, mode, len(key), len(message), len(signature), 0)
    return _frame(Kind.SIGNATURE, number, fixed + key + message + signature, int(prehashed))


def revocation(number: int, references: Sequence[bytes], *, deadline_ms: int = 0, profile: int = 0) -> bytes:
    """Is any of the certificates with these SHA-256 revoked meanwhile?"""
    fixed = _REVOCATION.pack(deadline_ms, profile, len(references), 0)
    return _frame(Kind.REVOCATION, number, fixed + b"".join(references))


def challenges(
    number: int,
    count: int,
    *,
    lifetime: int = 0,
    bindings: Sequence[bytes] | None = None,
    transactions: Sequence[bytes] | None = None,
    deadline_ms: int = 0,
    profile: int = 0,
) -> bytes:
    """Issue `count` challenges."""
    parts = [_CHALLENGES.pack(deadline_ms, profile, count, lifetime, 0)]
    if bindings is not None:
        parts += [struct.pack(f"<{len(bindings)}H", *map(len, bindings)), *bindings]
    if transactions is not None:
        parts += transactions
    return _frame(Kind.CHALLENGES, number, b"".join(parts), (bindings is not None) | (transactions is not None) << 1)


def stats(number: int) -> bytes:
    """What was done for this tenant?"""
    return _frame(Kind.STATS, number, b"")


def goodbye(number: int = 0) -> bytes:
    """Nothing more will be sent."""
    return _frame(Kind.GOODBYE, number, b"")


# ---- answers -------------------------------------------------------------------------------------


class Splitter:
    """Frames out of bytes that come in pieces of any size."""

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._rest = b""
        self._max = frame_bytes_max

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with this piece.

        Raises:
            FrameError: what came is no frame; the connection is of no use any more.
        """
        data = self._rest + data if self._rest else data
        at = 0
        while len(data) - at >= HEADER_SIZE:
            length, kind, flags, zero, number = _HEADER.unpack_from(data, at)
            if zero or length > self._max - HEADER_SIZE:
                raise FrameError("what came is no frame of this protocol")
            if len(data) - at - HEADER_SIZE < length:
                break
            self._rest = b""
            start = at + HEADER_SIZE
            at = start + length
            yield Frame(kind, flags, number, data[start:at])
        self._rest = data[at:]


def read_welcome(payload: bytes) -> Welcome:
    """The welcome in a payload.

    Raises:
        FrameError: it is too short.
    """
    if len(payload) < _WELCOME.size:
        raise FrameError("the welcome is too short")
    return Welcome(*_WELCOME.unpack_from(payload))


def read_error(payload: bytes) -> Error:
    """The error in a payload.

    Raises:
        FrameError: it is too short.
    """
    if len(payload) < _ERROR.size:
        raise FrameError("the error is too short")
    code, ends, kind, retry_ms = _ERROR.unpack_from(payload)
    return Error(code, bool(ends), kind, retry_ms)


def read_stats(payload: bytes) -> dict[tuple[int, int], int]:
    """(group, number) to value."""
    rows = _STATS.iter_unpack(payload[: len(payload) // _STATS.size * _STATS.size])
    return {(group, number): value for group, number, _, value in rows}
