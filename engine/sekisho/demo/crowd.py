"""The city logs in: every citizen once, salted with every kind of bad login, cold, warm, and once more as a replay.

Then the good ones are timed, in rounds that take turns with `cryptography`.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from sekisho.demo.desk import Desk, batch_of
from sekisho.demo.peer import Peer
from sekisho.demo.planted import Planted, bad_challenges, bad_logins, good_logins, spoilt_challenge
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.testing.city import City
from sekisho.testing.keys import Mode
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch

__all__ = ["MODES", "Outcome", "Speed", "Surprise", "let_everyone_in", "measure"]

MODES: Final[tuple[tuple[str, Mode, str], ...]] = (
    ("A", "pkcs1", "jpki-auth-test"),
    ("A'", "pkcs1-bare", "jpki-auth-test-bare"),
    ("B", "pkcs1-raw", "jpki-auth-test-raw"),
)
"""Letter of the mode, how `sekisho.testing` calls it, and its profile."""

ROUNDS: Final = 5

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class Surprise:
    """A login that was not answered as it deserves."""

    when: str
    kind: str
    expected: tuple[str, ...]
    found: str


@dataclass
class Outcome:
    """What came of one mode's batch.

    Attributes:
        mode: letter of the mode.
        good, bad: logins in the batch, by what they deserve.
        planted: how often each reason was planted, in all passes.
        found: how often it was found.
        answers: verdicts in all.
        hits, warm: of the warm pass's good logins, how many found their certificate in the cache, of how many.
        surprises: none, if all is well.
    """

    mode: str
    good: int = 0
    bad: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    hits: int = 0
    warm: int = 0
    surprises: list[Surprise] = field(default_factory=list)


def let_everyone_in(
    city: City,
    letter: str,
    citizens: int,
    folder: Path,
    *,
    copies: int = 1,
    progress: Progress | None = None,
) -> tuple[Outcome, Desk, list[Planted]]:
    """Verify `citizens` good logins and every bad kind in one mode, and hold each verdict against what was planted.

    Args:
        copies: how many of each bad kind.

    Returns:
        what came of it, and the desk with its good logins, for `measure`.
    """
    mode, profile = next((mode, profile) for known, mode, profile in MODES if known == letter)
    desk = Desk(Profile.load(profile), city.plan.at, folder, Engine(threads=None))
    good = good_logins(city, desk, list(city.rows("auth"))[:citizens], mode, progress)
    odd_or_bad = [*bad_logins(city, desk, mode, copies), *bad_challenges(city, desk, mode, copies)]
    wrong, late = spoilt_challenge(city, desk, mode)
    everyone = [*good, *odd_or_bad, late, Planted("replay", ("challenge-used",), good[-1].row)]
    Random(city.plan.seed).shuffle(everyone)  # noqa: S311 - where they stand, not what they are

    outcome = Outcome(letter, good=sum(one.good for one in everyone), bad=sum(not one.good for one in everyone))
    stores = _stores(city, everyone)
    for when in ("cold", "warm"):
        desk.forget_claims()
        _pass(when, desk, stores, wrong, outcome)
        _pass(when, desk, stores, everyone, outcome)
    again = [replace(one, expected=("challenge-used", *one.expected[1:])) if one.good else one for one in everyone]
    _pass("again", desk, stores, again, outcome)
    return outcome, desk, good


_Stores: TypeAlias = dict[tuple[bytes, ...], TrustStore]


def _stores(city: City, everyone: Sequence[Planted]) -> _Stores:
    """A store for those that need nothing more than the city's CAs, and one that trusts all the others' too."""
    usual = list(city.trust("auth"))
    more = sorted({der for one in everyone for der in one.also_trust})
    wide = TrustStore([*usual, *more])
    return {one.also_trust: wide for one in everyone if one.also_trust} | {(): TrustStore(usual)}


def _pass(when: str, desk: Desk, stores: _Stores, logins: Sequence[Planted], outcome: Outcome) -> None:
    for store in dict.fromkeys(stores.values()):
        some = [one for one in logins if stores[one.also_trust] is store]
        if not some:
            continue
        verdicts = list(desk.verify(store, [one.row for one in some]))
        reasons = _settled(some, [verdict.reason.kebab for verdict in verdicts])
        for one, verdict, found in zip(some, verdicts, reasons, strict=True):
            deserved = found if found in one.expected else one.expected[0]
            outcome.planted[deserved] += 1
            outcome.found[found] += 1
            if found not in one.expected:
                outcome.surprises.append(Surprise(when, one.kind, one.expected, found))
            if when == "warm" and one.kind == "good":
                outcome.warm += 1
                outcome.hits += "cache-hit" in verdict.flags
        outcome.answers += len(some)


def _settled(logins: Sequence[Planted], reasons: list[str]) -> list[str]:
    """Of two logins with one challenge in a batch exactly one is accepted; which of them is up to the threads."""
    for at, one in enumerate(logins):
        if one.kind == "replay" and reasons[at] == "accepted":
            first = next(i for i, other in enumerate(logins) if other.row == one.row and i != at)
            reasons[first], reasons[at] = reasons[at], reasons[first]
    return reasons


# ---- speed ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speed:
    """Logins a second, medians of the rounds.

    Attributes:
        what: "cold" or "warm".
        ours: sekisho, one thread.
        ours_all: sekisho, all threads.
        peer: `cryptography`, one thread.
        ratio: median of the rounds' ratios, ours to peer's; `low` and `high` are the extremes.
    """

    what: str
    ours: float
    ours_all: float
    peer: float
    ratio: float
    low: float
    high: float


def measure(
    city: City, desk: Desk, good: Sequence[Planted], folder: Path, progress: Progress | None = None
) -> list[Speed]:
    """Time the good logins of mode A, cold and warm, in rounds that take turns with `cryptography`.

    Args:
        desk: whose challenges they hold.

    Raises:
        RuntimeError: a good login was refused: the speed of wrong answers is no speed.
    """
    trust = TrustStore(list(city.trust("auth")))
    rows = [one.row for one in good]
    batch = batch_of(rows)
    desks = [Desk(desk.profile, desk.at, folder, Engine(threads=count), desk.keys) for count in (1, None)]
    peer = Peer(city.trust("auth"), desk.at)
    columns = [one.certificate for one in rows], [one.challenge for one in rows], [one.signature for one in rows]
    kept = peer.keys(columns[0])
    works: dict[str, Callable[[], float]] = {
        "cold": lambda: peer.cold(*columns),
        "warm": lambda: peer.warm(kept, *columns[1:]),
    }
    seconds: dict[str, list[tuple[float, float, float]]] = {what: [] for what in works}
    for number in range(ROUNDS):
        for one in desks:
            one.engine.clear_cache()
        for what, work in works.items():
            single, every = (_timed(one, trust, batch) for one in desks)
            seconds[what].append((single, every, work()))
        if progress:
            progress(number + 1, ROUNDS)
    return [_speed(what, len(rows), rounds) for what, rounds in seconds.items()]


def _timed(desk: Desk, trust: TrustStore, batch: LoginBatch) -> float:
    desk.forget_claims()
    verifier = desk.verifier(trust)
    start = time.perf_counter()
    verdicts = verifier.verify_logins(batch, at=desk.at)
    took = time.perf_counter() - start
    if not verdicts.ok.all():
        raise RuntimeError(f"good logins were refused while they were timed: {verdicts!r}")
    return took


def _speed(what: str, rows: int, rounds: Sequence[tuple[float, float, float]]) -> Speed:
    single, every, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = sorted(peer / ours for ours, _, peer in rounds)
    return Speed(
        what, rows / single, rows / every, rows / theirs, statistics.median(ratios), low=ratios[0], high=ratios[-1]
    )
