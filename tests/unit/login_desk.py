"""A relying party under test: challenge keys, claims and a verifier, over the core's own surface.

The keys are made by the C calls themselves, so that a test can say exactly what they hold.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sekisho._native import check, ffi, lib
from sekisho.batch import Column
from sekisho.claims import Claims
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT, Login
from sekisho.trust import TrustStore
from sekisho.verdicts import Verdicts
from sekisho.verifier import LoginBatch, Verifier

SECRET = bytes(range(1, 33))
TENANT = 7
AUDIENCE = "https://city.example"
_files = itertools.count()


class Keys:
    """Challenge keys by id, all from `secret`; the first id issues."""

    def __init__(self, ids: Sequence[int] = (1,), secret: bytes = SECRET) -> None:
        secrets = b"".join(bytes((number & 0xFF,)) + secret[1:] for number in ids)
        out = ffi.new("seki_challenge_keys **")
        check(lib.seki_challenge_keys_new(list(ids), secrets, len(ids), ids[0], out), "making challenge keys")
        self.native: Any = ffi.gc(out[0], lib.seki_challenge_keys_free)

    def issue(
        self,
        count: int,
        profile: Profile,
        *,
        tenant: int = TENANT,
        audience: str = AUDIENCE,
        issued: int = AT - 10,
        lifetime: int = 300,
        bindings: Sequence[bytes] | None = None,
        transactions: Sequence[bytes] | None = None,
    ) -> list[bytes]:
        """`count` tokens as the pipeline takes them."""
        params = ffi.new("seki_challenge_params *")
        params.tenant, params.profile, params.issued, params.lifetime = tenant, profile.id32, issued, lifetime
        name = audience.encode()
        lib.seki_challenge_audience(name, len(name), params.audience)
        size = lib.SEKI_CHALLENGE_SIZE
        tokens = bytearray(count * size)
        columns = [Column.of(list(one)) if one is not None else None for one in (bindings, transactions)]
        native = [one.native if one is not None else ffi.NULL for one in columns]
        view = ffi.from_buffer(tokens, require_writable=True)
        status = lib.seki_challenge_issue_many(self.native, params, count, *native, ffi.NULL, view)
        check(status, "issuing challenges")
        return [bytes(tokens[at : at + size]) for at in range(0, len(tokens), size)]


def new_claims(folder: Path, capacity: int = 4096, skew: int = 5) -> Claims:
    """A set of claims that no test shares with another."""
    return Claims.open(folder / f"claims-{os.getpid()}-{next(_files)}", capacity=capacity, skew=skew, fresh=True)


@dataclass
class Desk:
    """Where logins are handed in: one profile over one trust store, with challenges of its own."""

    folder: Path
    trust: TrustStore
    profile: Profile
    engine: Engine = field(default_factory=lambda: Engine(threads=1, cache_bytes=32 << 20, cross_check_one_in=0))
    keys: Keys = field(default_factory=Keys)

    def __post_init__(self) -> None:
        self.verifier = Verifier(
            self.trust,
            self.profile,
            challenges=self.keys,  # type: ignore[arg-type]
            audience=AUDIENCE,
            tenant=TENANT,
            engine=self.engine,
        )
        self.forget_claims()

    def forget_claims(self) -> None:
        """A set of claims in which nothing was ever accepted."""
        self.verifier.claims = new_claims(self.folder)

    def issue(self, count: int = 1, **different: Any) -> list[bytes]:
        return self.keys.issue(count, self.profile, **different)

    def verify(self, logins: Iterable[Login], *, at: int = AT, **columns: Sequence[bytes]) -> Verdicts:
        """The verdicts on these logins, in one batch."""
        rows = list(logins)
        batch = LoginBatch(
            certificates=[row.certificate for row in rows],
            challenges=[row.challenge for row in rows],
            signatures=[row.signature for row in rows],
            intermediates=[b"".join(row.intermediates) for row in rows],
            **columns,
        )
        return self.verifier.verify_logins(batch, at=at)

    def reason(self, login: Login, **how: Any) -> Reason:
        """The verdict on one login alone."""
        return self.verify([login], **how)[0].reason


def reasons(verdicts: Verdicts) -> list[str]:
    return [verdict.reason.kebab for verdict in verdicts]


__all__ = ["AUDIENCE", "SECRET", "TENANT", "Desk", "Keys", "new_claims", "reasons"]
