"""One update of a store: CRLs in, a new base and a new overlay out, and one commit (store.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sekisho.reasons import Reason
from sekisho.revocation.archive import Archive, ArchiveCost, ArchiveWriter, sync_folder
from sekisho.revocation.crl import Crl
from sekisho.revocation.ingest import Candidate, Decision, examine, judge_complete, judge_delta, source_scope
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotSource, SnapshotWriter
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
        self.marks: dict[bytes, Mark] = {}
        self.advanced: list[Candidate] = []
        self.deltas: list[Candidate] = []
        self.completes: list[Candidate] = []

    def run(self) -> Update:
        base = self._build_base()
        overlay = self._build_overlay(base if base is not None else self.store.base)
        self._commit(base, overlay)
        store = self.store
        store.refresh()
        store.sweep()
        self.update.base, self.update.overlay = store.published or (None, None)
        self.update.decisions.sort(key=lambda one: one.source)
        return self.update

    # ---- complete lists

    def _build_base(self) -> Snapshot | None:
        """A base with the complete CRLs that are good, and those of the one in force that they do not replace."""
        number = self.state.next_id()
        path = self.store.directory / f"new-{number}"
        superseded: set[str] = set()
        while True:  # once more without a list that a later one of the same update replaces
            decisions: list[Decision] = []
            self.marks, self.advanced, self.deltas, self.completes = {}, [], [], []
            again = self._write_base(path, number, superseded, decisions)
            if not again:
                break
            superseded |= again
            path.unlink()
        self.update.decisions.extend(decisions)
        if not self.completes:
            path.unlink(missing_ok=True)
            return None
        return self._without_revoked_signers(Snapshot(path), number)

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
            if not replaced:
                old, overlay = self.store.base, self.store.overlay
                for source in () if old is None else old.sources():
                    if source_scope(source) not in by_scope:
                        writer.copy(source.index, old, overlay)  # type: ignore[arg-type]
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
        mark = self._mark(one.scope)
        reason = judge_complete(
            one,
            mark,
            self.at,
            self.store.skew,
            expired_too=self.expired_too,
            unnumbered=self.store.unnumbered,
        )
        if reason is None and one.source in superseded:
            reason = Reason.CRL_TIME_WENT_BACK
        if reason is None:
            reason = writer.add(one.crl, signer=one.signer, anchors=one.anchors)
        if reason is None and one.scope in by_scope:
            replaced.add(by_scope[one.scope])
        if reason is None:
            by_scope[one.scope] = one.source
            self.completes.append(one)
            self._advance(one)
        return one.decision(reason)

    def _mark(self, scope: bytes) -> Mark | None:
        return self.marks.get(scope) or self.state.mark(scope)

    def _advance(self, one: Candidate) -> None:
        before = self._mark(one.scope)
        number = max(
            (n for n in (one.summary.number, before.number if before else None) if n is not None), default=None
        )
        self.marks[one.scope] = Mark(number, one.summary.this_update, one.summary.sha256, one.summary.delta)
        self.advanced.append(one)

    # ---- whose key it was

    def _without_revoked_signers(self, base: Snapshot, number: int) -> Snapshot:
        """Leaves out CRLs whose signer's certificate is revoked, or not known to be good, by the others (RFC 5280, 6.3.3 (f)).

        A signer is good by lists of signers who are good: from the anchors down, so that nobody vouches for himself.
        """
        anchors = set(self._anchor_identities())
        pending = {one.index: one for one in base.sources() if one.signer not in anchors}
        if not pending:
            return base
        accepted = {one.index for one in base.sources()} - set(pending)
        dismissed: set[int] = set()
        while True:
            trial = self._subset(base, accepted, number, "trial")
            revocation = Revocation()
            revocation.publish(trial)
            good = {index for index, source in pending.items() if self._signer_is_good(revocation, source)}
            if not good:
                good = self._vouching_for_themselves(base, pending, accepted, number)
            if not good:
                dismissed = set(pending)
                break
            accepted |= good
            for index in good:
                del pending[index]
            if not pending:
                break
        # What the whole says of those who are in it must still be good.
        while True:
            whole = self._subset(base, accepted, number, "whole")
            revocation = Revocation()
            revocation.publish(whole)
            bad = {
                one.index
                for one in base.sources()
                if one.index in accepted and one.signer not in anchors and not self._signer_is_good(revocation, one)
            }
            if not bad:
                break
            accepted -= bad
            dismissed |= bad
        for index in dismissed:
            self._dismiss(base.source(index).sha256, Reason.CRL_ISSUER_REVOKED)
        if not dismissed:
            return base
        Path(base.path).unlink()
        Path(whole.path).rename(base.path)
        return Snapshot(base.path)

    def _vouching_for_themselves(
        self, base: Snapshot, pending: dict[int, SnapshotSource], accepted: set[int], number: int
    ) -> set[int]:
        """Of those left, the lists of signers whose CA says in their certificate that their own list tells of it.

        That is, every distribution point of the certificate names its subject as the cRLIssuer (PKITS 4.14.30): nobody else can.
        """
        for index, source in pending.items():
            if self.store.signers.vouches_for_itself(source.signer):
                revocation = Revocation()
                revocation.publish(self._subset(base, accepted | {index}, number, "trial"))
                if self._signer_is_good(revocation, source):
                    return {index}
        return set()

    def _anchor_identities(self) -> Iterator[bytes]:
        for report in self.store.trust.issuers:
            if report.anchor and report.identity:
                yield bytes.fromhex(report.identity)

    def _subset(self, base: Snapshot, accepted: set[int], number: int, name: str) -> Snapshot:
        path = self.store.directory / f"new-{number}-{name}"
        path.unlink(missing_ok=True)
        with SnapshotWriter(path, id=number, built_at=self.at) as writer:
            for index in sorted(accepted):
                writer.copy(index, base)
            writer.end()
        return Snapshot(path)

    def _signer_is_good(self, revocation: Revocation, source: SnapshotSource) -> bool:
        anchors = {anchor for anchor, _ in source.keys}
        return self.store.signers.good(source.signer, anchors, revocation, self.at)

    def _dismiss(self, sha256: bytes, reason: Reason) -> None:
        """That CRL was not taken after all."""
        for place, decision in enumerate(self.update.decisions):
            if decision.sha256 == sha256.hex() and decision.reason is None:
                self.update.decisions[place] = replace(decision, reason=reason)
        others = [one for one in self.advanced if one.summary.sha256 != sha256]
        self.marks, self.advanced = {}, []
        for one in others:
            self._advance(one)
        self.completes = [one for one in self.completes if one.summary.sha256 != sha256]

    # ---- deltas

    def _build_overlay(self, base: Snapshot | None) -> Snapshot | None:
        """An overlay of `base` with the deltas that are good, on top of what was in force."""
        before = self.store.overlay if base is self.store.base else None
        deltas = sorted(self.deltas, key=lambda one: (one.summary.number or 0, one.summary.this_update))
        if not deltas:
            return None
        if base is None:
            self.update.decisions.extend(one.decision(Reason.CRL_DELTA_WITHOUT_BASE) for one in deltas)
            return None
        sources = {source_scope(one): one for one in base.sources()}
        overlays = {} if before is None else {one.base_source: one for one in before.sources()}
        chosen: dict[int, Candidate] = {}
        snapshot = before
        for one in deltas:
            source = sources.get(one.scope)
            if source is not None and source.index in chosen:  # it may build on that one, once it is written
                snapshot = self._write_overlay(base, snapshot, chosen)
                chosen = {}
                overlays = {} if snapshot is None else {other.base_source: other for other in snapshot.sources()}
            newer = None if source is None else overlays.get(source.index)
            in_force = None if source is None else (newer.number if newer is not None else source.number)
            same_issuer = any(other.issuer_form == one.summary.issuer_form for other in sources.values())
            reason = judge_delta(
                one,
                self._mark(one.scope),
                base=source,
                in_force=in_force,
                same_issuer=same_issuer,
                at=self.at,
                skew=self.store.skew,
                expired_too=self.expired_too,
            )
            if reason is None and source is not None:
                chosen[source.index] = one
                self._advance(one)
            self.update.decisions.append(one.decision(reason))
        if chosen:
            snapshot = self._write_overlay(base, snapshot, chosen)
        return snapshot if snapshot is not before else None

    def _write_overlay(self, base: Snapshot, before: Snapshot | None, chosen: dict[int, Candidate]) -> Snapshot | None:
        """An overlay with those deltas on top of what `before` says; `before` if none of them was taken."""
        number = self.state.next_id()
        path = self.store.directory / f"new-{number}"
        taken: set[int] = set()
        with SnapshotWriter(path, id=number, built_at=self.at, base=base) as writer:
            for source, one in chosen.items():
                if (reason := writer.change(source, one.crl, signer=one.signer, before=before)) is None:
                    taken.add(source)
                else:
                    self._dismiss(one.summary.sha256, reason)
            for old in () if before is None else before.sources():
                if old.base_source is not None and old.base_source not in taken:
                    writer.change(old.base_source, None, before=before)
            writer.end()
        if not taken:
            path.unlink()
            return before
        return Snapshot(path)

    # ---- the commit

    def _commit(self, base: Snapshot | None, overlay: Snapshot | None) -> None:
        store, current = self.store, self.state.current
        made = [one for one in (base, overlay) if one is not None]
        for one in made:
            Path(one.path).rename(store.path_of(one.report.id))
        if made:
            sync_folder(store.directory)
        in_base = base.report.id if base is not None else current[0] if current else None
        with self.state.transaction():
            for one in made:
                self.state.add_snapshot(row_of(one, in_base))
            for scope, mark in self.marks.items():
                self.state.set_mark(scope, mark)
            if made and in_base is not None:
                in_overlay = current[1] if base is None and current else None  # an overlay goes with its base
                self.state.set_current(in_base, overlay.report.id if overlay is not None else in_overlay)
                self.state.record(self.at, "update", made[-1].report.id, f"{self.update.taken} CRLs taken")
            for refusal in self.update.refused:
                self.state.record(self.at, "refused", None, str(refusal))
        self.update.changed = bool(made)


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
