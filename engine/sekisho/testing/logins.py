"""Logins of synthetic citizens, one at a time for a reader's own tests, or as columns for a batch.

login = a_login(b"the challenge")
verifier = Verifier(trust=login.trust, ...)      # whatever is under test
assert verifier.verify(login.certificate, login.challenge, login.signature, at=login.at)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sekisho.testing.citizen import Resident
from sekisho.testing.city import City, build_city
from sekisho.testing.columns import Column, Strings
from sekisho.testing.keys import (
    Hash,
    Mode,
    Progress,
    SigningKey,
    default_hash,
    default_mode,
    mode_number,
    stream,
)
from sekisho.testing.leaves import Purpose

__all__ = [
    "ACCEPTED",
    "Citizen",
    "Login",
    "Logins",
    "a_citizen",
    "a_login",
    "make_login",
    "make_logins",
    "placeholder_challenge",
    "small_city",
]

ACCEPTED: Final = "accepted"
_SMALL_CITY_CITIZENS: Final = 16


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a relying party receives, and what it needs to judge it.

    Attributes:
        certificate: the leaf, DER.
        challenge: the bytes that were to be signed.
        signature: over `challenge`, in `mode` with `hash_name`.
        intermediates: CA certificates sent along, DER; leaf's issuer first.
        mode, hash_name: what the relying party expects (which a bad login need not have kept to).
        at: the moment of the login, seconds since 1970.
        trust: CA certificates to trust, DER.
        purpose: which class of certificate the relying party expects.
        row: the row of the city that the login is, or was made from.
    """

    certificate: bytes
    challenge: bytes
    signature: bytes
    intermediates: tuple[bytes, ...] = ()
    mode: Mode
    hash_name: Hash
    at: int
    trust: tuple[bytes, ...]
    purpose: Purpose
    row: int

    @property
    def mode_number(self) -> int:
        """The expected mode as sekisho.h numbers it."""
        return mode_number(self.mode, self.hash_name)

    @property
    def reason(self) -> str:
        """The reason that a right verifier gives, in the kebab-case of sekisho.h's list."""
        return ACCEPTED

    @property
    def reasons(self) -> tuple[str, ...]:
        """`reason` first, then others that are right too."""
        return (self.reason,)


@dataclass(frozen=True, eq=False)
class Logins:
    """A batch of logins as columns, all of one mode.

    Attributes:
        certificates, challenges, signatures: one per login.
        intermediates: per login the DER certificates sent along, end to end (empty where none were).
        mode, hash_name: expected of all.
        at: seconds since 1970, for all.
        rows: int64, the city's row of each.
        reasons: per login what a right verifier may answer, the best answer first.
    """

    certificates: Column
    challenges: Column
    signatures: Column
    intermediates: Column
    mode: Mode
    hash_name: Hash
    at: int
    rows: npt.NDArray[np.int64]
    reasons: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def mode_number(self) -> int:
        """The expected mode as sekisho.h numbers it."""
        return mode_number(self.mode, self.hash_name)

    def salted(self, bad: Sequence[Login], seed: object = 1) -> Logins:
        """The same batch with `bad` logins strewn in, at places that the seed decides.

        Raises:
            ValueError: a login for another mode than the batch's.
        """
        for one in bad:
            if (one.mode, one.hash_name) != (self.mode, self.hash_name):
                raise ValueError(f"a batch in mode {self.mode}/{self.hash_name} takes no login for {one.mode}")
        total = len(self) + len(bad)
        chance = np.frombuffer(stream("sekisho test-only salt", seed, size=8 * total), dtype=">u8")
        order = np.argsort(chance, kind="stable").tolist()  # numbers from len(self) on are bad ones

        def mixed(column: Column, planted: Iterable[bytes]) -> Column:
            listed = [*column, *planted]
            return Column.of([listed[number] for number in order])

        rows = np.concatenate([self.rows, np.array([one.row for one in bad], dtype=np.int64)])
        reasons = (*self.reasons, *(one.reasons for one in bad))
        return Logins(
            certificates=mixed(self.certificates, (one.certificate for one in bad)),
            challenges=mixed(self.challenges, (one.challenge for one in bad)),
            signatures=mixed(self.signatures, (one.signature for one in bad)),
            intermediates=mixed(self.intermediates, (b"".join(one.intermediates) for one in bad)),
            mode=self.mode,
            hash_name=self.hash_name,
            at=self.at,
            rows=rows[order],
            reasons=tuple(reasons[number] for number in order),
        )


def make_logins(
    city: City,
    challenges: Strings,
    rows: Sequence[int] | None = None,
    *,
    purpose: Purpose = "auth",
    mode: Mode | None = None,
    hash_name: Hash | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Logins:
    """A good login for each challenge.

    Args:
        city: whose citizens log in.
        challenges: N byte strings (a numpy S-array does).
        rows: N rows of the city; by default its citizens in turn, with their certificate for `purpose`.
        mode, hash_name, workers, progress: as `City.sign` has them.

    Raises:
        ValueError: not as many rows as challenges, or a key that does not sign in that mode.
    """
    column = Column.of(challenges)
    if rows is None:
        own = city.rows(purpose)
        rows = [own[number % len(own)] for number in range(len(column))]
    mode, hash_name = mode or default_mode(city.plan.key), hash_name or default_hash(city.plan.key)
    return Logins(
        certificates=city.leaves.take(rows),
        challenges=column,
        signatures=city.sign(rows, column, mode, hash_name, workers=workers, progress=progress),
        intermediates=Column.of([b""] * len(column)),
        mode=mode,
        hash_name=hash_name,
        at=city.plan.at,
        rows=np.array(rows, dtype=np.int64),
        reasons=((ACCEPTED,),) * len(column),
    )


def make_login(
    city: City, row: int, challenge: bytes | None = None, *, mode: Mode | None = None, hash_name: Hash | None = None
) -> Login:
    """One good login of the holder of that row's certificate; the challenge is a placeholder unless given."""
    mode, hash_name = mode or default_mode(city.plan.key), hash_name or default_hash(city.plan.key)
    challenge = placeholder_challenge(row) if challenge is None else challenge
    return Login(
        certificate=city.certificate(row),
        challenge=challenge,
        signature=city.key(row).sign(challenge, mode, hash_name),
        mode=mode,
        hash_name=hash_name,
        at=city.plan.at,
        trust=city.trust(city.purpose(row)),
        purpose=city.purpose(row),
        row=row,
    )


def placeholder_challenge(number: int) -> bytes:
    """43 printable characters, another for each number: no challenge token, but as long as a random one."""
    return base64.urlsafe_b64encode(stream("sekisho test-only challenge", number, size=32)).rstrip(b"=")


@dataclass(frozen=True, eq=False)
class Citizen:
    """A person of a city, with a certificate of each purpose and the keys to them."""

    city: City
    number: int

    def row(self, purpose: Purpose = "auth") -> int:
        """The row of the city's columns that holds this person's certificate for `purpose`."""
        return self.city.rows(purpose)[self.number]

    @property
    def person(self) -> Resident:
        """Name, address, date of birth and the rest."""
        return self.city.person(self.number)

    def certificate(self, purpose: Purpose = "auth") -> bytes:
        """DER."""
        return self.city.certificate(self.row(purpose))

    def key(self, purpose: Purpose = "auth") -> SigningKey:
        return self.city.key(self.row(purpose))

    def login(
        self,
        challenge: bytes | None = None,
        *,
        purpose: Purpose = "auth",
        mode: Mode | None = None,
        hash_name: Hash | None = None,
    ) -> Login:
        """A good login, as `make_login` makes it."""
        return make_login(self.city, self.row(purpose), challenge, mode=mode, hash_name=hash_name)

    def crl(self, *, revoked: bool = False, purpose: Purpose = "auth", **how: Any) -> bytes:
        """The list in which this person's certificate is looked for (`City.crl`), with it in it or not; DER."""
        row = self.row(purpose)
        return self.city.crl(row, [row] if revoked else [], **how)

    def ocsp(self, *, revoked: bool = False, purpose: Purpose = "auth", **how: Any) -> bytes:
        """What the issuer of this person's certificate says of it (`City.ocsp`), as a response in DER."""
        return self.city.ocsp(self.row(purpose), "revoked" if revoked else "good", **how)


@cache
def small_city() -> City:
    """A city of 16, always the same one, built once per process in half a second."""
    return build_city(_SMALL_CITY_CITIZENS, seed="sekisho.testing", workers=1)


def a_citizen(number: int = 0) -> Citizen:
    """Citizen `number` (0 to 15) of the small city."""
    return Citizen(small_city(), range(_SMALL_CITY_CITIZENS)[number])


def a_login(
    challenge: bytes | None = None,
    *,
    citizen: int = 0,
    purpose: Purpose = "auth",
    mode: Mode | None = None,
    hash_name: Hash | None = None,
) -> Login:
    """A good login of a citizen of the small city over `challenge` (a placeholder unless given)."""
    return a_citizen(citizen).login(challenge, purpose=purpose, mode=mode, hash_name=hash_name)
