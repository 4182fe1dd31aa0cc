"""Bad logins to salt a batch with: every kind that `sekisho.testing` knows, and what can be wrong with a challenge."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sekisho.challenges import ChallengeKeys
from sekisho.demo.desk import Desk, Row, Stated
from sekisho.profiles import Profile
from sekisho.testing import bad_kinds, make_bad_login, make_login, odd_kinds
from sekisho.testing.city import City
from sekisho.testing.keys import Mode
from sekisho.testing.logins import Login

__all__ = ["FAILURES_MAX", "Planted", "bad_challenges", "bad_logins", "good_logins", "spoilt_challenge"]

FAILURES_MAX: Final = 8  # failed signatures, then a challenge is locked (SEKI_CHALLENGE_FAILURES_MAX)


@dataclass(frozen=True)
class Planted:
    """A login and what it deserves.

    Attributes:
        kind: what is wrong with it; "good" if nothing is.
        expected: what a right verifier may answer, in kebab-case; the best answer first.
        row: what is handed in.
        also_trust: CA certificates that must be trusted too for the answer to be that one.
    """

    kind: str
    expected: tuple[str, ...]
    row: Row
    also_trust: tuple[bytes, ...] = ()

    @property
    def good(self) -> bool:
        return self.expected[0] == "accepted"


def _row(login: Login) -> Row:
    return Row(login.certificate, login.challenge, login.signature, b"".join(login.intermediates))


def good_logins(
    city: City, desk: Desk, rows: Sequence[int], mode: Mode, progress: Callable[[int, int], None] | None = None
) -> list[Planted]:
    """A good login of each of those rows of the city."""
    challenges = desk.issue_many(len(rows))
    signatures = city.sign(rows, challenges, mode, progress=progress)
    return [
        Planted("good", ("accepted",), Row(city.certificate(row), challenge, signature))
        for row, challenge, signature in zip(rows, challenges, signatures, strict=True)
    ]


def bad_logins(city: City, desk: Desk, mode: Mode, copies: int = 1) -> Iterator[Planted]:
    """Each kind of bad and of odd login, `copies` of it, by citizens in turn."""
    citizens = city.rows("auth")
    kinds = (*bad_kinds(city, mode), *odd_kinds(city, mode))
    for number, kind in enumerate(kind for kind in kinds for _ in range(copies)):
        bad = make_bad_login(city, citizens[number % len(citizens)], kind, desk.issue(), mode=mode)
        yield Planted(kind, bad.reasons, _row(bad), bad.also_trust)


def bad_challenges(city: City, desk: Desk, mode: Mode, copies: int = 1) -> Iterator[Planted]:
    """Challenges that are expired, foreign, forged, used ..., each properly signed by a citizen."""
    citizens = city.rows("auth")
    digest = hashlib.sha256(b"pay 10,000 yen to the city").digest()
    other_digest = hashlib.sha256(b"pay 90,000 yen to somebody").digest()
    elsewhere = Profile.load("client-auth-test")
    stranger = Desk(desk.profile, desk.at, desk.folder, desk.engine, ChallengeKeys({2: b"\2" * 32}, current=2))

    def flipped(challenge: bytes) -> bytes:
        return challenge[:-1] + (b"A" if challenge[-1:] != b"A" else b"Q")

    cases: tuple[tuple[str, str, Callable[[], tuple[bytes, bytes, bytes]]], ...] = (
        # a kind, its reason, and challenge, binding, transaction as they come back
        ("challenge-expired", "challenge-expired", lambda: (desk.issue(Stated(ago=400)), b"", b"")),
        ("challenge-from-the-future", "challenge-not-yet-valid", lambda: (desk.issue(Stated(ago=-120)), b"", b"")),
        ("foreign-tenant", "challenge-wrong-tenant", lambda: (desk.issue(Stated(tenant=8)), b"", b"")),
        (
            "foreign-audience",
            "challenge-wrong-audience",
            lambda: (desk.issue(Stated(audience="https://elsewhere.example")), b"", b""),
        ),
        ("foreign-profile", "challenge-wrong-profile", lambda: (desk.issue(Stated(profile=elsewhere)), b"", b"")),
        ("other-session", "challenge-forged", lambda: (desk.issue(Stated(binding=b"session 1")), b"session 2", b"")),
        (
            "other-transaction",
            "challenge-wrong-transaction",
            lambda: (desk.issue(Stated(transaction=digest)), b"", other_digest),
        ),
        ("challenge-forged", "challenge-forged", lambda: (flipped(desk.issue()), b"", b"")),
        ("challenge-cut-off", "challenge-malformed", lambda: (desk.issue()[:-1], b"", b"")),
        ("foreign-key", "challenge-key-unknown", lambda: (stranger.issue(), b"", b"")),
    )
    for number, (kind, reason, make) in enumerate(case for case in cases for _ in range(copies)):
        challenge, binding, transaction = make()
        login = make_login(city, citizens[number % len(citizens)], challenge, mode=mode)
        yield Planted(kind, (reason,), replace(_row(login), binding=binding, transaction=transaction))


def spoilt_challenge(city: City, desk: Desk, mode: Mode, citizen: int = 0) -> tuple[list[Planted], Planted]:
    """Failed signatures over one challenge, as many as lock it, and then the good login that comes too late."""
    row = city.rows("auth")[citizen]
    challenge = desk.issue()
    failed = partial(make_bad_login, city, row, "signature-flipped", challenge, mode=mode)
    wrong = [Planted("signature-flipped", ("signature-wrong",), _row(failed())) for _ in range(FAILURES_MAX)]
    late = make_login(city, row, challenge, mode=mode)
    return wrong, Planted("spoilt-challenge", ("challenge-locked",), _row(late))
