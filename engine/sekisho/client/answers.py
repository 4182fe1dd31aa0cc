"""What a client asks and is told."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, NoReturn

from sekisho.frames import VERDICT_SIZE, FrameError
from sekisho.reasons import Reason

__all__ = ["Answer", "Login", "Signature", "Stats", "read_answer", "read_answers", "read_signature"]

_VERDICT: Final = struct.Struct("<HBBiQQB7x")
_SIGNATURE: Final = struct.Struct("<HBB")
_REPEATED: Final = 16
_GOOD: Final = frozenset({Reason.ACCEPTED, Reason.CERTIFICATE_OK, Reason.SIGNATURE_OK})


@dataclass(frozen=True, slots=True)
class Login:
    """One login. See `sekisho.LoginBatch` for what the fields are.

    Attributes:
        request: a name of the request, up to 256 bytes, so that it can be asked again; None: the client makes one.
    """

    certificate: bytes
    challenge: bytes
    signature: bytes
    intermediates: bytes = b""
    binding: bytes = b""
    transaction: bytes = b""
    request: bytes | None = None

    def __repr__(self) -> str:
        return "<Login>"  # a log line must not carry who logs in


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict. Ask for `ok` or `reason`; it has no truth value.

    Attributes:
        reason: why; a reason that this release does not know is a refusal.
        number: the reason's number, known or not.
        flags: see docs/PROTOCOL.md, "Verdicts".
        revocation_age: seconds since the oldest thisUpdate that counted; -1: none was looked at.
        snapshot: the revocation snapshot's id; 0: none.
        revocation_by: what said that it is good or revoked: 1 a CRL, 2 an OCSP response, 3 both; 0: nothing did.
    """

    number: int
    flags: int
    revocation_age: int
    snapshot: int
    revocation_by: int = 0

    @property
    def reason(self) -> Reason:
        """Why."""
        return Reason(self.number) if self.number in Reason._value2member_map_ else Reason.NOT_DECIDED

    @property
    def ok(self) -> bool:
        """Whether the login is accepted, the certificate valid, the signature right."""
        return self.reason in _GOOD

    @property
    def repeated(self) -> bool:
        """Whether it is the first verdict of this request again."""
        return bool(self.flags & _REPEATED)

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value: ask for answer.ok, or answer.reason")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature under a SubjectPublicKeyInfo in DER; `mode` as `sekisho.Mode` numbers it."""

    key: bytes
    message: bytes
    signature: bytes
    mode: int
    prehashed: bool = False

    def __repr__(self) -> str:
        return "<Signature>"  # nor whose key it is


@dataclass(frozen=True, slots=True)
class Stats:
    """What a server did for this tenant.

    Attributes:
        verdicts: by reason's number.
        errors: by code.
        waiting, working: requests, now.
        wait_us: the wait that a request has to expect, in microseconds.
    """

    verdicts: dict[int, int]
    errors: dict[int, int]
    waiting: int
    working: int
    wait_us: int


def read_answer(payload: bytes) -> Answer:
    """The verdict in a payload.

    Raises:
        FrameError: it has not a verdict's size.
    """
    if len(payload) != VERDICT_SIZE:
        raise FrameError(f"a verdict has {VERDICT_SIZE} bytes")
    number, _, flags, age, _, snapshot, by = _VERDICT.unpack(payload)
    return Answer(number, flags, age, snapshot, by)


def read_answers(payload: bytes) -> list[Answer]:
    """The verdicts in a payload.

    Raises:
        FrameError: it has not the size of some.
    """
    return [read_answer(payload[at : at + VERDICT_SIZE]) for at in range(0, len(payload), VERDICT_SIZE)]


def read_signature(payload: bytes) -> Answer:
    """The verdict on a signature.

    Raises:
        FrameError: it has not its size.
    """
    if len(payload) != _SIGNATURE.size:
        raise FrameError("a verdict on a signature has 4 bytes")
    number, _, flags = _SIGNATURE.unpack(payload)
    return Answer(number, flags, -1, 0)
