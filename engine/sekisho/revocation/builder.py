"""One update of a store: CRLs in, a new base and a new overlay out, and one commit (store.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sekisho.reasons import Reason
from sekisho.revocation.archive import Archive, ArchiveCost, ArchiveWriter, sync_folder
from sekisho.revocation.crl import Crl, CrlSummary
from sekisho.revocation.ingest import Candidate, Decision, examine, judge_complete, judge_delta, scopes, source_scope
from sekisho.revocation.snapshot import Snapshot, SnapshotSource, SnapshotWriter
from sekisho.revocation.standing import Piece, Verdict, compose, settle
from sekisho.revocation.state import Mark, SnapshotRow

if TYPE_CHECKING:
    from sekisho.revocation.store import RevocationStore

__all__ = ["Builder", "Progress", "Update", "row_of"]

Progress: TypeAlias = Callable[[int], None]
"""Gets the bytes of each piece that was read."""


@dataclass
class Update:
    """What came of an update.

    Attributes:
        decisions: one for each CRL that was given.
        base, overlay: ids of what is in force now; None: nothing.
        changed: whether that is new.
        cost: of the archive.
    """

    decisions: list[Decision] = field(default_factory=list)
    base: int | None = None
    overlay: int | None = None
    changed: bool = False
    cost: ArchiveCost = field(default_factory=ArchiveCost)

    @property
    def taken(self) -> int:
        """CRLs that were taken."""
        return sum(one.reason is None for one in self.decisions)

    @property
    def refused(self) -> list[Decision]:
        """CRLs that were not taken, but for those that are in force already."""
        return [one for one in self.decisions if one.reason not in (None, Reason.CRL_KNOWN)]


@dataclass(frozen=True, eq=False)
class _Taken:
    """A CRL that was taken, without its reader, which holds some hundred kilobytes."""

    source: str
    scope: bytes
    summary: CrlSummary


class Builder:
    """One update."""

    def __init__(
        self,
        store: RevocationStore,
        files: list[tuple[str, Path | bytes]],
        at: int,
        expired_too: bool,
        progress: Progress,
    ) -> None:
        self.store = store
        self.state = store.state
        self.files = files
        self.at = at
        self.expired_too = expired_too
        self.progress = progress
        self.update = Update()
        self.taken: list[_Taken] = []  # in order; what a later step refuses leaves it
        self.marks: dict[bytes, Mark] = {}  # as they stand after what was taken
        self.deltas: list[Candidate] = []
        self.acts: list[str] = []
        self.in_force = {} if store.base is None else dict(scopes(store.base))

    def run(self) -> Update:
        store = self.store
        base, overlay = store.base, store.overlay
        if (built := self._build_base()) is not None:  # a delta needs a list whose signer is good
            base, overlay = self._settle(built, None, last=not self.deltas)
        if self.deltas:
            overlay = self._build_overlay(base, overlay)
            if base is not None and (base is not store.base or overlay is not store.overlay):
                base, overlay = self._settle(base, overlay, last=True)
        self._commit(base, overlay)
        if self.update.changed:
            store.refresh()
        store.sweep(keep=True)
        self.update.base, self.update.overlay = store.published or (None, None)
        self.update.decisions.sort(key=lambda one: one.source)
        return self.update

    # ---- complete lists

    def _build_base(self) -> Snapshot | None:
        """A base with the complete CRLs that are good in themselves, and those in force that they do not replace."""
        number = self.state.next_id()
        path = self.store.directory / f"new-{number}"
        superseded: set[str] = set()
        while True:  # once more without a list that a later one of the same update replaces
            decisions: list[Decision] = []
            self.marks, self.deltas, self.taken = {}, [], []
            again = self._write_base(path, number, superseded, decisions)
            if not again:
                break
            superseded |= again
            path.unlink()
        self.update.decisions.extend(decisions)
        if not self.taken:
            path.unlink()
            return None
        return Snapshot(path)

    def _write_base(self, path: Path, number: int, superseded: set[str], decisions: list[Decision]) -> set[str]:
        replaced: set[str] = set()
        by_scope: dict[bytes, str] = {}
        with SnapshotWriter(path, id=number, built_at=self.at) as writer:
            for name, given in self.files:
                crl = Crl(filter_ppm=self.store.filter_ppm, spill_directory=self.store.directory)
                with _tee(self.store.archive) as tee:
                    one = examine(
                        name, given, signers=self.store.signers, at=self.at, crl=crl, tee=tee, progress=self.progress
                    )
                    if isinstance(one, Candidate):
                        decision = self._take(one, writer, by_scope, superseded, replaced)
                        if tee is not None and (decision is None or decision.reason is None):
                            tee.keep(one.summary.sha256, self.update.cost)
                    else:
                        decision = one
                if decision is not None:
                    decisions.append(decision)
            if by_scope and not replaced:  # else nothing comes of it: a delta costs no copy of a nation
                old = self.store.base
                for scope, source in () if old is None else scopes(old):
                    if scope not in by_scope:
                        writer.copy(source.index, old, self.store.overlay)  # type: ignore[arg-type]
                writer.end()
        return replaced

    def _take(
        self,
        one: Candidate,
        writer: SnapshotWriter,
        by_scope: dict[bytes, str],
        superseded: set[str],
        replaced: set[str],
    ) -> Decision | None:
        """Decides about one CRL; None: it is a delta, and comes later."""
        if one.summary.delta:
            self.deltas.append(one)
            return None
        reason = judge_complete(
            one,
            self._mark(one.scope),
            self.at,
            self.store.skew,
            expired_too=self.expired_too,
            unnumbered=self.store.unnumbered,
        )
        if reason is Reason.CRL_KNOWN and one.scope not in self.in_force and one.scope not in by_scope:
            reason = None  # it was taken once, and is not there any more
        if reason is None and one.source in superseded:
            reason = Reason.CRL_TIME_WENT_BACK
        if reason is None:
            reason = writer.add(one.crl, signer=one.signer, anchors=one.anchors)
        if reason is None:
            if one.scope in by_scope:
                replaced.add(by_scope[one.scope])
            by_scope[one.scope] = one.source
            self._took(one)
        return one.decision(reason)

    def _mark(self, scope: bytes) -> Mark | None:
        return self.marks.get(scope) or self.state.mark(scope)

    def _took(self, one: Candidate) -> None:
        self.taken.append(_Taken(one.source, one.scope, one.summary))
        self.marks[one.scope] = _mark_after(self._mark(one.scope), one)

    def _dismiss(self, one: _Taken, reason: Reason) -> None:
        """That CRL was not taken after all."""
        self.taken.remove(one)
        self.marks.clear()
        for other in self.taken:
            self.marks[other.scope] = _mark_after(self._mark(other.scope), other)
        for place, decision in enumerate(self.update.decisions):
            if decision.source == one.source and decision.reason is None:
                self.update.decisions[place] = replace(decision, reason=reason)

    # ---- deltas

    def _build_overlay(self, base: Snapshot | None, before: Snapshot | None) -> Snapshot | None:
        """An overlay of `base` with the deltas that are good in themselves, on top of `before`; that one if there is none."""
        sources = {} if base is None else dict(scopes(base))
        overlay = before
        changes = _changes(overlay)
        chosen: dict[int, Candidate] = {}  # deltas that go into one overlay: one of a list
        for one in sorted(self.deltas, key=lambda one: (one.summary.number or 0, one.summary.this_update)):
            source = sources.get(one.scope)
            if (
                base is not None and source is not None and source.index in chosen
            ):  # builds on the one before: write that
                overlay = self._write_overlay(base, overlay, chosen)
                changes, chosen = _changes(overlay), {}
            newer = None if source is None else changes.get(source.index)
            reason = judge_delta(
                one,
                self._mark(one.scope),
                base=source,
                in_force=None if source is None else (newer or source).number,
                same_issuer=any(other.issuer_form == one.summary.issuer_form for other in sources.values()),
                at=self.at,
                skew=self.store.skew,
                expired_too=self.expired_too,
            )
            if reason is None and source is not None:
                chosen[source.index] = one
            else:
                self.update.decisions.append(one.decision(reason))
        if base is not None and chosen:
            overlay = self._write_overlay(base, overlay, chosen)
        self.deltas.clear()
        return overlay

    def _write_overlay(self, base: Snapshot, before: Snapshot | None, chosen: dict[int, Candidate]) -> Snapshot | None:
        """What `before` changed, and those deltas; `before` itself if all of them are refused."""
        number = self.state.next_id()
        path = self.store.directory / f"new-{number}"
        changed: set[int] = set()
        with SnapshotWriter(path, id=number, built_at=self.at, base=base) as writer:
            for source, one in chosen.items():
                reason = writer.change(source, one.crl, signer=one.signer, before=before)
                self.update.decisions.append(one.decision(reason))
                if reason is None:
                    changed.add(source)
                    self._took(one)
            for source in _changes(before):
                if source not in changed:
                    writer.change(source, None, before=before)
            writer.end()
        if changed:
            return Snapshot(path)
        path.unlink()
        return before

    # ---- whose key it was

    def _settle(
        self, base: Snapshot, overlay: Snapshot | None, *, last: bool
    ) -> tuple[Snapshot | None, Snapshot | None]:
        """Leaves out what a revoked signer signed, and what is new of signers who are not known to be good (RFC 5280, 6.3.3 (f)).

        Args:
            last: whether what was in force goes too where its signer is revoked; a delta that is yet to come may lift a hold.

        Returns:
            What is to be in force.
        """
        store = self.store
        first = pieces = list(self._pieces(base, overlay))
        trial = store.directory / "new-trial"
        while True:
            verdicts = settle(pieces, store.signers, self.at, trial)
            stays = [
                verdict.anchors == piece.anchors or not (piece.fresh or last)
                for piece, verdict in zip(pieces, verdicts, strict=True)
            ]
            if all(stays):
                break
            pieces = [
                instead
                for piece, verdict, as_it_is in zip(pieces, verdicts, stays, strict=True)
                for instead in ([piece] if as_it_is else self._instead(piece, verdict))
            ]
        if pieces is first:
            return base, overlay
        if not self.taken and not self.acts:  # all that was new is out again
            return store.base, store.overlay
        number = self.state.next_id()
        path = store.directory / f"new-{number}"
        return compose(path, number, self.at, ((one, one.anchors) for one in pieces)), None

    def _pieces(self, base: Snapshot, overlay: Snapshot | None) -> Iterator[Piece]:
        fresh = {one.scope for one in self.taken}
        changes = _changes(overlay)
        for scope, source in scopes(base):
            yield _piece(base, overlay, source, changes, fresh=scope in fresh)

    def _instead(self, piece: Piece, verdict: Verdict) -> Iterator[Piece]:
        """What takes the place of a piece whose signer is not good under all of its anchors."""
        scope = source_scope(piece.source)
        mine = [one for one in self.taken if one.scope == scope]
        if not piece.fresh:
            self.acts.append(f"CRL {piece.source.sha256.hex()}: {Reason.CRL_ISSUER_REVOKED.kebab}")
        if verdict.anchors and (not piece.fresh or not mine[0].summary.delta):
            yield replace(piece, anchors=verdict.anchors)
        elif piece.fresh:
            for one in reversed(mine):
                self._dismiss(one, Reason.CRL_ISSUER_REVOKED)
            old, overlay = self.store.base, self.store.overlay
            if old is not None and (source := self.in_force.get(scope)) is not None:
                yield _piece(old, overlay, source, _changes(overlay), fresh=False)

    # ---- the commit

    def _commit(self, base: Snapshot | None, overlay: Snapshot | None) -> None:
        store = self.store
        made = [
            one for one, old in ((base, store.base), (overlay, store.overlay)) if one is not None and one is not old
        ]
        for one in made:
            store.look_at(one)
            Path(one.path).rename(store.path_of(one.report.id))
        if made:
            sync_folder(store.directory)
        with self.state.transaction():
            if made and base is not None:
                for one in made:
                    self.state.add_snapshot(row_of(one, base.report.id))
                for scope, mark in self.marks.items():
                    self.state.set_mark(scope, mark)
                self.state.set_current(base.report.id, overlay.report.id if overlay is not None else None)
                self.state.record(self.at, "update", made[-1].report.id, f"{self.update.taken} CRLs taken")
                for act in self.acts:
                    self.state.record(self.at, "thrown out", made[-1].report.id, act)
            for refusal in self.update.refused:
                self.state.record(self.at, "refused", None, str(refusal))
        self.update.changed = bool(made)


def _mark_after(before: Mark | None, one: Candidate | _Taken) -> Mark:
    numbers = [n for n in (one.summary.number, before.number if before else None) if n is not None]
    return Mark(max(numbers, default=None), one.summary.this_update, one.summary.sha256, one.summary.delta)


def _changes(overlay: Snapshot | None) -> dict[int, SnapshotSource]:
    """By the source of the base that they change."""
    return {} if overlay is None else {one.base_source: one for one in overlay.sources() if one.base_source is not None}


def _anchors(source: SnapshotSource) -> frozenset[bytes]:
    return frozenset(anchor for anchor, _ in source.keys)


def _piece(
    base: Snapshot, overlay: Snapshot | None, source: SnapshotSource, changes: dict[int, SnapshotSource], *, fresh: bool
) -> Piece:
    signers = {source.signer} | ({changes[source.index].signer} if source.index in changes else set())
    return Piece(base, overlay, source, frozenset(signers), _anchors(source), fresh)


def row_of(snapshot: Snapshot, base: int | None) -> SnapshotRow:
    report = snapshot.report
    updates = [one.this_update for one in snapshot.sources()]
    return SnapshotRow(
        id=report.id,
        kind=report.kind,
        base=None if report.kind == "base" else base,
        digest=report.digest,
        built_at=report.built_at,
        oldest=min(updates, default=report.built_at),
        newest=max(updates, default=report.built_at),
    )


@contextmanager
def _tee(archive: Archive | None) -> Iterator[ArchiveWriter | None]:
    if archive is None:
        yield None
    else:
        with archive.writer() as writer:
            yield writer
