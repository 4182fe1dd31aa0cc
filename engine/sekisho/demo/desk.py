"""The relying party of the demo: it issues challenges, takes logins back, and has them verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from sekisho.batch import Column
from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.trust import TrustStore
from sekisho.verdicts import Verdicts
from sekisho.verifier import LoginBatch, Verifier

__all__ = ["AUDIENCE", "TENANT", "Desk", "Row", "Stated", "batch_of"]

AUDIENCE: Final = "https://city.example"
TENANT: Final = 7
AGO: Final = 10  # seconds before the login at which its challenge was issued
SKEW: Final = 5  # seconds by which the issuing clock may be ahead
CLAIMS: Final = 1 << 17  # live claims a set
SMALL_CACHE: Final = 16 << 20  # bytes


@dataclass(frozen=True)
class Row:
    """One login as it is handed in; `intermediates` end to end."""

    certificate: bytes
    challenge: bytes
    signature: bytes
    intermediates: bytes = b""
    binding: bytes = b""
    transaction: bytes = b""


@dataclass(frozen=True)
class Stated:
    """What a challenge is issued for: each field may be stated wrongly on purpose.  `ago` is in seconds."""

    tenant: int = TENANT
    audience: str = AUDIENCE
    profile: Profile | None = None  # the desk's own
    ago: int = AGO
    binding: bytes = b""
    transaction: bytes = b""


class Desk:
    """Takes logins under one profile at one moment.

    Args:
        profile: what it takes.
        at: the moment of all logins, seconds since 1970.
        folder: where sets of claims are kept.
        engine: threads and cache; a small one of its own if None.
        keys: under which challenges are issued and checked; new ones if None.
    """

    _sets = count()

    def __init__(
        self, profile: Profile, at: int, folder: Path, engine: Engine | None = None, keys: ChallengeKeys | None = None
    ) -> None:
        self.profile = profile
        self.at = at
        self.folder = folder
        self.engine = engine or Engine(threads=1, cache_bytes=SMALL_CACHE)
        self.keys = keys or ChallengeKeys.generate()
        self._verifiers: dict[int, tuple[TrustStore, Verifier]] = {}
        self.forget_claims()

    def forget_claims(self) -> None:
        """Begin with a set of claims in which nothing was accepted yet."""
        self.claims = Claims.open(self.folder / f"claims-{next(self._sets)}", capacity=CLAIMS, skew=SKEW, fresh=True)

    def issue(self, stated: Stated | None = None) -> bytes:
        """One challenge."""
        return self.issue_many(1, stated)[0]

    def issue_many(self, rows: int, stated: Stated | None = None) -> list[bytes]:
        """`rows` challenges, all stated alike."""
        said = stated or Stated()
        tokens = self.keys.issue(
            rows,
            profile=(said.profile or self.profile).id32,
            tenant=said.tenant,
            audience=said.audience,
            bindings=[said.binding] * rows,
            transactions=[said.transaction] * rows,
            at=self.at - said.ago,
        )
        return [bytes(token) for token in tokens]

    def verifier(self, trust: TrustStore) -> Verifier:
        """A verifier of these challenges over that store."""
        kept = self._verifiers.get(id(trust))
        if kept is None:
            made = Verifier(
                trust,
                self.profile,
                challenges=self.keys,
                audience=AUDIENCE,
                tenant=TENANT,
                skew=SKEW,
                engine=self.engine,
            )
            kept = self._verifiers[id(trust)] = (trust, made)
        kept[1].claims = self.claims
        return kept[1]

    def verify(self, trust: TrustStore, rows: Sequence[Row]) -> Verdicts:
        """The verdicts on these logins, in one batch."""
        return self.verifier(trust).verify_logins(batch_of(rows), at=self.at)


def batch_of(rows: Sequence[Row]) -> LoginBatch:
    """The rows as columns."""
    return LoginBatch(
        certificates=Column.of([row.certificate for row in rows]),
        challenges=Column.of([row.challenge for row in rows]),
        signatures=Column.of([row.signature for row in rows]),
        intermediates=Column.of([row.intermediates for row in rows]),
        bindings=Column.of([row.binding for row in rows]),
        transactions=Column.of([row.transaction for row in rows]),
    )
