"""Whose lists count: a signer is good by lists of signers who are good, from the anchor down (RFC 5280, 6.3.3 (f)).

Each anchor is looked at by itself: a key that is an anchor may be revoked as the subject of a cross-certificate under another.
Nobody vouches for himself, but for those whose CA says so (PKITS 4.14.30).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sekisho.revocation.signers import Signers, Standing
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotSource, SnapshotWriter

__all__ = ["Piece", "Verdict", "compose", "settle"]

_TRIAL_ID: Final = 1  # no verdict ever names it
_ORDER: Final = (Standing.REVOKED, Standing.STRANGE, Standing.UNKNOWN, Standing.GOOD)  # the worst first


@dataclass(frozen=True)
class Piece:
    """A list of a base, with what an overlay changed in it.

    Attributes:
        base, overlay: where it stands.
        source: it, in the base.
        signers: the keys that signed it, and the delta upon it.
        anchors: under which it is to count.
        fresh: comes with this update: its signer must be known to be good.  What was in force before stays so until its
            signer is known to be revoked.
    """

    base: Snapshot
    overlay: Snapshot | None
    source: SnapshotSource
    signers: frozenset[bytes]
    anchors: frozenset[bytes]
    fresh: bool


@dataclass
class Verdict:
    """What came of one piece.

    Attributes:
        anchors: under which it counts.
        revoked: whether a signer is revoked, or no longer known, under one of the others.
    """

    anchors: frozenset[bytes] = frozenset()
    revoked: bool = False


def compose(path: Path, number: int, at: int, pieces: Iterable[tuple[Piece, Iterable[bytes]]]) -> Snapshot:
    """A base of those pieces, each under those anchors."""
    path.unlink(missing_ok=True)
    with SnapshotWriter(path, id=number, built_at=at) as writer:
        for piece, anchors in pieces:
            writer.copy(piece.source.index, piece.base, piece.overlay, anchors=sorted(anchors))
        writer.end()
    return Snapshot(path)


def settle(pieces: Sequence[Piece], signers: Signers, at: int, trial: Path) -> list[Verdict]:
    """Whether the signer of each piece is good by the others, under each of its anchors.

    Args:
        trial: a name for files that are written and removed.
    """
    verdicts = [Verdict() for _ in pieces]
    for anchor in sorted(frozenset[bytes]().union(*(piece.anchors for piece in pieces))):
        members = [place for place, piece in enumerate(pieces) if anchor in piece.anchors]
        kept, revoked = _Under(anchor, pieces, signers, at, trial).settle(members)
        for place in kept:
            verdicts[place].anchors |= {anchor}
        for place in revoked:
            verdicts[place].revoked = True
    return verdicts


class _Under:
    """One anchor."""

    def __init__(self, anchor: bytes, pieces: Sequence[Piece], signers: Signers, at: int, trial: Path) -> None:
        self._anchor = anchor
        self._pieces = pieces
        self._signers = signers
        self._at = at
        self._trial = trial

    def settle(self, members: Sequence[int]) -> tuple[set[int], set[int]]:
        """Those that count, and those whose signer is revoked."""
        revoked: set[int] = set()
        while True:
            good = self._good(set(members) - revoked)
            kept = {place for place in members if place not in revoked and (place in good or self._held(place))}
            if not any(self._asks(place) for place in kept):
                return kept, revoked
            # What the whole says of those who are in it; who vouched for others and falls takes them along, by beginning anew.
            found = self._standings(kept, kept)
            fallen = {place for place in kept if found[place] in (Standing.REVOKED, Standing.STRANGE)}
            if not fallen:
                return kept, revoked
            revoked |= fallen

    def _good(self, members: set[int]) -> set[int]:
        """Those whose signers are good by lists of signers who are good."""
        good = {place for place in members if not self._asks(place)}
        pending = members - good
        while pending:
            found = self._standings(good, pending)
            more = {place for place in pending if found[place] is Standing.GOOD} or self._vouching_for_themselves(
                good, pending
            )
            if not more:
                break
            good |= more
            pending -= more
        return good

    def _vouching_for_themselves(self, good: set[int], pending: set[int]) -> set[int]:
        """One of the lists of signers whose CA says in their certificate that their own list tells of it.

        That is, every distribution point of the certificate names its subject as the cRLIssuer (PKITS 4.14.30): nobody else can.
        """
        for place in sorted(pending):
            leaves_it = all(self._signers.vouches_for_itself(one) for one in self._pieces[place].signers)
            if leaves_it and self._standings(good | {place}, {place})[place] is Standing.GOOD:
                return {place}
        return set()

    def _asks(self, place: int) -> bool:
        return any(signer != self._anchor for signer in self._pieces[place].signers)

    def _held(self, place: int) -> bool:
        return not self._pieces[place].fresh

    def _standings(self, told: set[int], asked: set[int]) -> dict[int, Standing]:
        """What the lists of `told` say of the signers of `asked`; of several signers of one piece, the worst."""
        identities = {signer for place in asked for signer in self._pieces[place].signers}
        revocation = Revocation()
        try:
            self._put_in_force(revocation, told)
            found = self._signers.standings(identities, self._anchor, revocation, self._at)
        finally:
            self._trial.unlink(missing_ok=True)
        return {place: min((found[one] for one in self._pieces[place].signers), key=_ORDER.index) for place in asked}

    def _put_in_force(self, revocation: Revocation, places: set[int]) -> None:
        pieces = [self._pieces[place] for place in sorted(places)]
        whole = {(id(piece.base), id(piece.overlay)) for piece in self._pieces}
        if len(whole) == 1 and all(
            place in places for place, piece in enumerate(self._pieces) if self._anchor in piece.anchors
        ):  # as it stands; what counts under other anchors alone is not asked here
            revocation.publish(pieces[0].base, pieces[0].overlay)
        else:
            told = ((piece, piece.anchors) for piece in pieces)
            revocation.publish(compose(self._trial, _TRIAL_ID, self._at, told))
