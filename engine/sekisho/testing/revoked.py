"""Who is revoked: entries of CRLs as columns, given or drawn, up to hundreds of millions of them.

    Entries.of([17, 18], reasons=1)                          # as tests want them
    Draw(100_000_000, seed="stress").chunks()                # as a benchmark wants them: never whole in memory
    Draw(14_000, first=14_000, seed="stress").entries()      # other serials than the first 14,000

A draw is a stretch of one fixed, shuffled list that its seed decides: two stretches that do not overlap have no serial in
common, and what was planted in a list can be told again from a few numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from sekisho.testing.citizen import DAY
from sekisho.testing.keys import stream
from sekisho.testing.leaves import Purpose

__all__ = [
    "AUTH_REASONS",
    "CHUNK",
    "NATIONAL_COUNTER",
    "NO_TIME",
    "PURPOSE_REASONS",
    "REASONS",
    "SIGN_REASONS",
    "Draw",
    "Entries",
    "Held",
    "Order",
    "Serials",
]

Serials: TypeAlias = Literal["counter", "random16", "random20"]
"""counter: up to 4 bytes, as JPKI's seem to be (FACTS B7); random16: 128 bits; random20: 159 bits, the most that
RFC 5280, 4.1.2.2 lets a serial have."""

Order: TypeAlias = Literal["serial", "revocation"]
"""Rising serials, or rising revocation dates and serials as they come: lists of both kinds are in use."""

NO_TIME: Final = -(1 << 63)
"""Where an entry has no invalidityDate; SEKI_NO_TIME in sekisho.h."""

REASONS: Final[Mapping[str, int]] = {
    "unspecified": 0,
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "removeFromCRL": 8,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
"""CRLReason (RFC 5280, 5.3.1); written again because what makes the lists must know nothing of what reads them."""

SIGN_REASONS: Final[Mapping[str, int]] = {
    "affiliationChanged": 600,
    "cessationOfOperation": 170,
    "superseded": 140,
    "certificateHold": 42,
    "unspecified": 30,
    "keyCompromise": 17,
    "cACompromise": 1,
}
"""In a thousand, signature certificates: moves and new names above all, then deaths, renewals, losses (FACTS B4, B7)."""

AUTH_REASONS: Final[Mapping[str, int]] = {
    "cessationOfOperation": 460,
    "superseded": 330,
    "certificateHold": 110,
    "unspecified": 60,
    "keyCompromise": 39,
    "cACompromise": 1,
}
"""In a thousand, authentication certificates, which a move does not revoke."""

PURPOSE_REASONS: Final[Mapping[Purpose, Mapping[str, int]]] = {"auth": AUTH_REASONS, "sign": SIGN_REASONS}

CHUNK: Final = 1 << 16
"""Entries worked on at a time: 2.5 MB of a list, which a CPU's cache holds."""

_COLUMNS: Final = ("serials", "dates", "reasons", "invalidity")


@dataclass(frozen=True, eq=False)
class Entries:
    """N entries in the order of their list.

    Attributes:
        serials: uint8, N rows of one width: magnitudes, big-endian, zeros in front of the shorter ones.
        dates: int64, revocationDate, seconds since 1970.
        reasons: uint8, CRLReason; 0 is written as RFC 5280, 5.3.1 wants it: without the extension.
        invalidity: int64, invalidityDate, `NO_TIME` where there is none; or None where nobody has one.
        extensions: DER of further extensions, end to end, by row: certificateIssuer, or what no reader knows.
    """

    serials: npt.NDArray[np.uint8]
    dates: npt.NDArray[np.int64]
    reasons: npt.NDArray[np.uint8]
    invalidity: npt.NDArray[np.int64] | None = None
    extensions: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        serials: Iterable[int],
        *,
        dates: int | Sequence[int] | npt.NDArray[np.int64],
        reasons: int | str | Sequence[int | str] | npt.NDArray[np.uint8] = 0,
        invalidity: int | Sequence[int | None] | None = None,
        extensions: Mapping[int, bytes] | None = None,
    ) -> Entries:
        """The entries of these serials, none of them negative; what is given once is said of all.

        Reasons are numbers or names of `REASONS`.
        """
        numbers = list(serials)
        width = max(4, max((number.bit_length() + 7) // 8 for number in numbers) if numbers else 0)
        joined = b"".join(number.to_bytes(width, "big") for number in numbers)
        count = len(numbers)
        if isinstance(reasons, str):
            reasons = REASONS[reasons]
        elif not isinstance(reasons, int | np.ndarray):
            reasons = [REASONS[one] if isinstance(one, str) else one for one in reasons]
        invalid = None
        if invalidity is not None:
            times = [invalidity] * count if isinstance(invalidity, int) else invalidity
            invalid = np.array([NO_TIME if one is None else one for one in times], dtype=np.int64)
        return cls(
            np.frombuffer(joined, dtype=np.uint8).reshape(count, width),
            np.array(np.broadcast_to(np.asarray(dates, dtype=np.int64), count)),
            np.array(np.broadcast_to(np.asarray(reasons, dtype=np.uint8), count)),
            invalid,
            dict(extensions or {}),
        )

    def __len__(self) -> int:
        return len(self.dates)

    def chunks(self) -> Iterator[Entries]:
        """The same in pieces of `CHUNK` entries."""
        for start in range(0, len(self), CHUNK):
            yield self[start : start + CHUNK]

    def __getitem__(self, rows: slice) -> Entries:
        places = range(len(self))[rows]
        extensions = {places.index(row): value for row, value in self.extensions.items() if row in places}
        invalidity = None if self.invalidity is None else self.invalidity[rows]
        return Entries(self.serials[rows], self.dates[rows], self.reasons[rows], invalidity, extensions)

    def __add__(self, other: Entries) -> Entries:
        width = max(self.serials.shape[1], other.serials.shape[1])
        invalidity = None
        if self.invalidity is not None or other.invalidity is not None:
            invalidity = np.concatenate([_times(self), _times(other)])
        return Entries(
            np.concatenate([_widened(self.serials, width), _widened(other.serials, width)]),
            np.concatenate([self.dates, other.dates]),
            np.concatenate([self.reasons, other.reasons]),
            invalidity,
            {**self.extensions, **{len(self) + row: value for row, value in other.extensions.items()}},
        )

    @property
    def numbers(self) -> list[int]:
        """The serials as numbers."""
        width = self.serials.shape[1]
        joined = np.ascontiguousarray(self.serials).tobytes()
        return [int.from_bytes(joined[at : at + width], "big") for at in range(0, len(joined), width)]

    def sorted(self) -> Entries:
        """The same by rising serials."""
        order = _order(self.serials)
        places = {int(row): place for place, row in enumerate(order)} if self.extensions else {}
        return Entries(
            self.serials[order],
            self.dates[order],
            self.reasons[order],
            None if self.invalidity is None else self.invalidity[order],
            {places[row]: value for row, value in self.extensions.items()},
        )

    def entries(self) -> Entries:
        """These; for code that takes a `Draw` as well."""
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the columns, without `extensions`, to a file of numpy's form .npz."""
        np.savez(path, **{one: value for one in _COLUMNS if (value := getattr(self, one)) is not None})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Entries:
        """Reads what `save` wrote."""
        with np.load(path) as columns:
            return cls(**{one: columns[one] for one in columns.files})


def _times(entries: Entries) -> npt.NDArray[np.int64]:
    return np.full(len(entries), NO_TIME, dtype=np.int64) if entries.invalidity is None else entries.invalidity


def _order(serials: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Rows by rising serials."""
    words = _widened(serials, -(-serials.shape[1] // 8) * 8).view(">u8").astype(np.uint64)
    return np.argsort(words[:, 0], kind="stable") if words.shape[1] == 1 else np.lexsort(words.T[::-1])


def _widened(serials: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    return np.pad(serials, ((0, 0), (width - serials.shape[1], 0)))


# ---- drawn entries ---------------------------------------------------------------------------------

NATIONAL_COUNTER: Final = 250_000_000
"""Serials that one CA has given out (FACTS B7: derived, not known)."""

_SPAN: Final = 913 * DAY
"""Seconds from the first revocation of a list to its thisUpdate: entries stay until their certificate runs out, which is two
and a half years on average (FACTS B7)."""
_INVALID_BEFORE_MAX: Final = 30 * DAY  # seconds from invalidityDate to revocationDate

_BITS: Final = {"random16": 64, "random20": 63}  # of a serial's first word, from which the others follow
_WIDTHS: Final = {"counter": 4, "random16": 16, "random20": 20}


@dataclass(frozen=True)
class Draw:
    """A stretch of the shuffled list that `seed` decides, as entries of a CRL.

    Attributes:
        count: entries.
        first: where the stretch begins in the shuffled list.
        seed: any text; draws of one seed and one kind of serials share one list.
        serials: their kind.
        order: their order in the list.
        until: seconds since 1970; the last revocation is before.
        since: the first one is not before; by default two and a half years earlier.
        weights: of reasons, by name.
        invalidity: how many entries in a thousand have an invalidityDate.
        counter: serials given out, of kind counter: 1 to this.
        avoid: ranges of them, rising, that are not drawn from.
    """

    count: int
    first: int = 0
    seed: str = "1"
    serials: Serials = "counter"
    order: Order = "serial"
    until: int = 1_775_012_400  # city.AT, of which this module knows nothing
    since: int | None = None
    weights: Mapping[str, int] = field(default_factory=lambda: SIGN_REASONS)
    invalidity: int = 0
    counter: int = NATIONAL_COUNTER
    avoid: tuple[range, ...] = ()

    def __post_init__(self) -> None:
        if self.serials not in get_args(Serials) or self.order not in get_args(Order):
            raise ValueError(f"no such serials or order: {self.serials}, {self.order}")
        room = self.counter - sum(map(len, self.avoid)) if self.serials == "counter" else 1 << 62
        if not 0 < self.counter < 1 << 32 or not 0 <= self.first <= self.first + self.count <= room:
            raise ValueError(f"{self.first} to {self.first + self.count} is not in a list of {room} serials")
        if not 0 <= self.invalidity <= 1000 or sum(self.weights.values()) <= 0:
            raise ValueError("a share is of a thousand, and weights of reasons are not all zero")

    def __len__(self) -> int:
        return self.count

    def chunks(self) -> Iterator[Entries]:
        """The entries in pieces of `CHUNK`, the same each time."""
        return self.held().chunks()

    def held(self) -> Held:
        """The same, ready to be gone through more than once: what is sorted is sorted once."""
        return Held(self, self._sorted_words() if self.order == "serial" else None)

    def entries(self) -> Entries:
        """All of them."""
        chunks = list(self.chunks())
        if not chunks:
            return Entries.of([], dates=0)
        return Entries(
            np.concatenate([one.serials for one in chunks]),
            np.concatenate([one.dates for one in chunks]),
            np.concatenate([one.reasons for one in chunks]),
            np.concatenate([_times(one) for one in chunks]) if self.invalidity else None,
        )

    def after(self, count: int) -> Draw:
        """The stretch of `count` entries behind this one."""
        return replace(self, first=self.first + self.count, count=count)

    @cached_property
    def _keys(self) -> list[np.uint64]:
        chance = stream("sekisho test-only revoked", self.seed, self.serials, size=64)
        return [np.uint64(int.from_bytes(chance[at : at + 8], "big") | 1) for at in range(0, 64, 8)]

    @cached_property
    def reason_table(self) -> npt.NDArray[np.uint8]:
        """The reason of each 16-bit number."""
        total = sum(self.weights.values())
        table = np.zeros(1 << 16, dtype=np.uint8)
        so_far = 0
        for name, weight in self.weights.items():
            start, so_far = so_far, so_far + weight
            table[(start << 16) // total : (so_far << 16) // total] = REASONS[name]
        return table

    def _words(self, start: int, stop: int) -> npt.NDArray[np.uint64]:
        """The first 64 bits (or all 32) of the serials at these places of the stretch, in the shuffled order."""
        place = np.arange(self.first + start, self.first + stop, dtype=np.uint64)
        if self.serials != "counter":
            return _shuffled(place, _BITS[self.serials], self._keys)
        bits = self.counter.bit_length()
        word = _shuffled(self._not_avoided(place), bits, self._keys)
        # A permutation of the numbers of so many bits, walked until it comes to one that is drawn from, is one of those.
        wrong = np.flatnonzero(self._is_out(word))
        while len(wrong):
            word[wrong] = _shuffled(word[wrong], bits, self._keys)
            wrong = wrong[self._is_out(word[wrong])]
        return word + np.uint64(1)

    def _not_avoided(self, place: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        for one in self.avoid:
            place = place + np.where(place >= one.start - 1, np.uint64(len(one)), np.uint64(0))
        return place

    def _is_out(self, word: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        out: npt.NDArray[np.bool_] = word >= self.counter
        for one in self.avoid:
            out |= (word >= one.start - 1) & (word < one.stop - 1)
        return out

    def _sorted_words(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """All of them by value: 4 or 8 bytes each, the one thing of a list that is in memory whole."""
        kind: type[np.unsignedinteger[Any]] = np.uint32 if self.serials == "counter" else np.uint64
        words: npt.NDArray[np.unsignedinteger[Any]] = np.empty(self.count, dtype=kind)
        for start in range(0, self.count, CHUNK):
            stop = min(start + CHUNK, self.count)
            words[start:stop] = self._words(start, stop)
        words.sort()
        return words

    def _chunk(self, start: int, word: npt.NDArray[np.uint64]) -> Entries:
        count = len(word)
        width = _WIDTHS[self.serials]
        serials = np.empty((count, width), dtype=np.uint8)
        if self.serials == "counter":
            serials.view(">u4")[:, 0] = word
        else:
            parts = serials.view(np.dtype([("one", ">u8"), ("two", ">u8"), *([("three", ">u4")] * (width == 20))]))[
                :, 0
            ]
            parts["one"] = word
            parts["two"] = _mixed(word ^ self._keys[4])
            if width == 20:
                parts["three"] = _mixed(word ^ self._keys[5]) >> np.uint64(32)
        chance = _mixed(word ^ self._keys[6])
        until = self.until
        since = until - _SPAN if self.since is None else self.since
        high = (chance >> np.uint64(32)).astype(np.int64)
        if self.order == "revocation":
            place = np.arange(start, start + count) + high * 2.0**-32
            dates = since + (place * ((until - since) / self.count)).astype(np.int64)
        else:
            dates = since + (high * (until - since) >> 32)
        invalidity = None
        if self.invalidity:
            again = _mixed(word ^ self._keys[7])
            before = (again >> np.uint64(32)).astype(np.int64) * _INVALID_BEFORE_MAX >> 32
            has = (again & np.uint64(0xFFFF)) * np.uint64(1000) >> np.uint64(16) < self.invalidity
            invalidity = np.where(has, dates - before, NO_TIME)
        return Entries(serials, dates, self.reason_table[chance & np.uint64(0xFFFF)], invalidity)


@dataclass(frozen=True, eq=False)
class Held:
    """A draw, and its serials' first words in their order where that takes sorting."""

    draw: Draw
    words: npt.NDArray[np.unsignedinteger[Any]] | None

    def __len__(self) -> int:
        return self.draw.count

    def chunks(self) -> Iterator[Entries]:
        """The entries in pieces of `CHUNK`, the same each time."""
        draw, words = self.draw, self.words
        for start in range(0, draw.count, CHUNK):
            stop = min(start + CHUNK, draw.count)
            chunk = draw._words(start, stop) if words is None else words[start:stop].astype(np.uint64)
            yield draw._chunk(start, chunk)


def _shuffled(number: npt.NDArray[np.uint64], bits: int, keys: Sequence[np.uint64]) -> npt.NDArray[np.uint64]:
    """A permutation of the numbers of `bits` bits: every step can be undone."""
    mask, half = np.uint64((1 << bits) - 1), np.uint64((bits + 1) // 2)
    number = number.copy()
    for one, other in ((0, 1), (2, 3), (4, 5)):
        number *= keys[one]  # odd
        number += keys[other]
        number &= mask
        number ^= number >> half
    return number


def _mixed(number: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """64 bits that depend on all bits of the number (splitmix64's finalizer)."""
    number = number ^ (number >> np.uint64(30))
    number *= np.uint64(0xBF58476D1CE4E5B9)
    number ^= number >> np.uint64(27)
    number *= np.uint64(0x94D049BB133111EB)
    number ^= number >> np.uint64(31)
    return number
