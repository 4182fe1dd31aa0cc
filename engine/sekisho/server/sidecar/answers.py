"""What a gateway is told: from a verdict on a certificate to a status and a few fields, the same over HTTP and gRPC.

    200   certificate-ok: the certificate is valid; that its holder is there, the gateway's handshake has shown
    403   no certificate came, or it is refused, or the field it came in is not as its dialect has it
    503   nobody can say: revocation data is missing or stale, too much waits, or something here failed; with Retry-After

A gateway's verdict is never a login: nothing here knows the word `accepted`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Final

from sekisho.reasons import Advice, Blame, Reason

__all__ = ["Answer", "of_problem", "of_reason", "retry_after"]

RETRY_AFTER: Final = (2, 3, 4, 5, 6)
"""Seconds, one after the other: clients that were all turned away at once do not all come back at once."""

_turns = itertools.cycle(str(seconds).encode() for seconds in RETRY_AFTER)

Fields = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and fields of HTTP in lower case. None of them says anything of a person."""

    status: int
    fields: Fields


def retry_after() -> bytes:
    """Seconds after which to come again."""
    return next(_turns)


def of_reason(reason: Reason, age: int, snapshot: int) -> Answer:
    """The answer to a verdict.

    Args:
        reason: of the verdict.
        age: of the revocation data that counted, in seconds; -1: none was looked at.
        snapshot: id of it.
    """
    status, fields = _of(reason)
    if status == 503:
        return Answer(status, (*fields, (b"retry-after", retry_after())))
    return Answer(
        status,
        (*fields, (b"sekisho-revocation-age", str(age).encode()), (b"sekisho-snapshot", str(snapshot).encode())),
    )


def of_problem(status: int, why: str) -> Answer:
    """The answer where there is no verdict; `why` in kebab-case."""
    advice = Advice.TRY_AGAIN if status >= 500 else Advice.OTHER_CERTIFICATE
    fields: Fields = (_NO_STORE, (b"sekisho-verdict", why.encode()), (b"sekisho-advice", advice.value.encode()))
    return Answer(status, (*fields, (b"retry-after", retry_after())) if status == 503 else fields)


_NO_STORE: Final = (b"cache-control", b"no-store")


@cache
def _of(reason: Reason) -> tuple[int, Fields]:
    verdict = (_NO_STORE, (b"sekisho-verdict", reason.kebab.encode()))
    if reason is Reason.CERTIFICATE_OK:
        return 200, verdict
    advice = reason.advice or Advice.TRY_AGAIN
    # What the operator has to mend, and what may be better next time, is nothing that a certificate is refused for.
    ours = reason.blame in (Blame.OPERATOR, Blame.SEKISHO, None) and advice is Advice.TRY_AGAIN
    return 503 if ours else 403, (*verdict, (b"sekisho-advice", advice.value.encode()))
