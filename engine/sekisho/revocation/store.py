"""A directory of revocation data: CRLs become snapshots in it, one of which is in force.

    store = RevocationStore("/var/lib/sekisho/revocation", trust)
    report = store.update(["/srv/crls"])           # a folder, files, or bytes
    verifier = Verifier(trust, "jpki-auth", revocation=store.revocation, …)

Only what a CA signed gets in.  What is refused has its reason, and what was in force stays so.  The directory is our own (mode
0700): snapshots are written here, brought to the disk, and never changed; `sekisho.revocation.state` says which of them counts.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, Self

from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.revocation.archive import Archive
from sekisho.revocation.builder import Builder, Progress, Update
from sekisho.revocation.ingest import Given, given_files
from sekisho.revocation.signers import Signers
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotError
from sekisho.revocation.state import Act, SnapshotRow, State
from sekisho.trust import TrustStore

__all__ = ["REPAIR", "RevocationStore", "StoreError", "Update"]

KEEP_DEFAULT: Final = 8
"""Bases kept: a week of daily ones to judge past times by, and one to go back to."""
SKEW_DEFAULT: Final = 60
"""Seconds by which a CA's clock may be ahead of ours."""
REPAIR: Final = (
    "`sekisho revocation rollback` goes back to the snapshot before; `build --repair` begins anew with the newest lists"
)
"""What to do about a damaged snapshot."""


class StoreError(ValueError):
    """The directory cannot be used; the message says what to do."""


class RevocationStore:
    """See the module.

    Args:
        directory: made if it is not there; nobody else may enter it.
        trust: under whose anchors CRLs count.
        signers: certificates, DER, of CRL signers that are no CAs of the trust store.
        archive: a folder in which each CRL that is taken is kept once.
        keep: bases to keep.
        skew: seconds by which a CA's clock may be ahead.
        unnumbered: take CRLs without a cRLNumber, as version 1 has none: an older one is then known by its thisUpdate alone.
        filter_ppm: false positives of the filters, in a million; 0: the core's default.
        check: "whole" looks at every byte of a snapshot before it is put in force: some 0.2 s for 200 MB, three times that
            without SHA instructions, and more where they must come from a disk.  "map" looks at header, directory and the
            indexes' heads, some 10 ms: for workers beside a process that has opened the store whole.
        repair: if what is in force is damaged, open the store all the same: nothing is in force then (`fault` says why), until
            a rollback, or an update that begins from nothing.  Looks at every byte, whatever `check` says.
        engine: the process's own if None.

    Several processes and threads may share a directory: one updates at a time, and the others `refresh`.

    Raises:
        StoreError: the directory is not ours alone, was made by another version, or has lost its state.
        SnapshotError: what is in force is damaged.  Nothing takes its place by itself.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        trust: TrustStore,
        *,
        signers: Sequence[bytes] = (),
        archive: str | os.PathLike[str] | None = None,
        keep: int = KEEP_DEFAULT,
        skew: int = SKEW_DEFAULT,
        unnumbered: bool = False,
        filter_ppm: int = 0,
        check: Literal["whole", "map"] = "whole",
        repair: bool = False,
        engine: Engine | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.trust = trust
        self.revocation = Revocation()
        """What a `Verifier` takes; holds what is in force."""
        self.signers = Signers(trust, signers, engine=engine)
        self.archive = Archive(archive) if archive is not None else None
        self._keep = max(keep, 1)
        self.skew = skew
        self.filter_ppm = filter_ppm
        self.unnumbered = unnumbered
        if check not in ("whole", "map"):
            raise ValueError(f'check is "whole" or "map", not {check!r}')
        self._whole = check == "whole" or repair
        self._looked_at: set[int] = set()  # every byte of these, since the lock was taken
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_strangers(self.directory)
        self._refreshing = threading.RLock()
        self.published: tuple[int, int | None] | None = None
        self.fault: SnapshotError | None = None
        """Why nothing is in force of what the state names."""
        self._base: Snapshot | None = None
        self._overlay: Snapshot | None = None
        with self.locked():
            self.state = self._open_state()
            self.sweep()
        try:
            self.refresh()
        except SnapshotError as error:
            if not repair:
                self.close()
                raise
            self.revocation = Revocation()
            self._base = self._overlay = self.published = None
            self.fault = error

    def close(self) -> None:
        """Closes the state; what is in force stays so."""
        self.state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- looking

    @property
    def base(self) -> Snapshot | None:
        """The base that is in force."""
        return self._base

    @property
    def overlay(self) -> Snapshot | None:
        """The overlay of it that is in force."""
        return self._overlay

    def snapshots(self) -> list[SnapshotRow]:
        """What is kept, newest first."""
        return self.state.snapshots()

    def history(self, most: int = 100) -> list[Act]:
        """What was done and refused, newest first."""
        return self.state.acts(most)

    def refresh(self) -> bool:
        """Puts in force what the state says is; True if that was news.

        Raises:
            SnapshotError: its file is damaged: what was in force stays so, and grows old.
        """
        with self._refreshing:
            while True:
                current = self.state.current
                if current is None or current == self.published:
                    return False
                same = self.published is not None and current[0] == self.published[0]
                try:
                    base = self._base if same and self._base is not None else self._open(current[0])
                    overlay = None if current[1] is None else self._open(current[1])
                except SnapshotError:
                    if self.state.current == current:
                        raise
                    continue  # another process has gone on meanwhile, and removed it
                self.revocation.publish(base, overlay)
                self._base, self._overlay, self.published, self.fault = base, overlay, current, None
                return True

    def at(self, time_: int) -> Revocation:
        """What was known at a past time: the newest kept base whose CRLs were all issued by then, with its newest overlay of
        which that is true.

        Raises:
            LookupError: none that is kept is so old.
        """
        rows = self.snapshots()
        for row in rows:
            if row.kind == "base" and row.newest <= time_:
                overlays = [one for one in rows if one.base == row.id and one.newest <= time_]
                revocation = Revocation()
                revocation.publish(self._open(row.id), self._open(overlays[0].id) if overlays else None)
                return revocation
        raise LookupError("no snapshot that is kept is old enough: keep more of them, or build one from archived CRLs")

    # ---- changing

    def update(
        self,
        given: Iterable[Given],
        *,
        at: int | None = None,
        expired_too: bool = False,
        progress: Progress = lambda _: None,
    ) -> Update:
        """Takes CRLs: complete ones into a new base, deltas into an overlay; and puts that in force.

        Args:
            given: paths of files or folders, or bytes.
            at: the time, seconds since 1970; None: now.
            expired_too: take CRLs whose nextUpdate has passed: for judging past times.
            progress: gets the number of bytes of each piece that was read.

        Raises:
            OSError: a file cannot be read, or the disk is full; what was in force stays so.
        """
        now = int(time.time()) if at is None else at
        files = list(given_files(given))
        with self.locked():
            if self.fault is None:
                self.refresh()
            try:
                return Builder(self, files, now, expired_too, progress).run()
            except BaseException:
                with suppress(OSError, sqlite3.Error):
                    self.sweep()  # or each try of a full disk would fill it more
                raise

    def rollback(self, *, at: int | None = None) -> int:
        """Goes back to the kept base before the one in force, without its deltas, and remembers that it was done.

        The marks stay where they are: what was in force once cannot be taken again, and newer data can.

        Returns:
            The id that is in force now.

        Raises:
            LookupError: there is none to go back to.
        """
        with self.locked():
            current = self.state.current
            older = [
                row for row in self.snapshots() if row.kind == "base" and current is not None and row.id < current[0]
            ]
            if not older:
                raise LookupError("there is no kept snapshot before the one in force")
            self.look_at(self._map(older[0].id), "`build --repair` begins anew with the newest lists")
            with self.state.transaction():
                self.state.set_current(older[0].id, None)
                detail = f"from {current[0]} back to {older[0].id}" if current else ""
                self.state.record(int(time.time()) if at is None else at, "rollback", older[0].id, detail)
            self.refresh()
            return older[0].id

    # ---- files

    def path_of(self, number: int) -> Path:
        return self.directory / f"snapshot-{number}.seki"

    def look_at(self, snapshot: Snapshot, todo: str = "") -> None:
        """Looks at every byte of a snapshot that is about to be committed to.

        Raises:
            SnapshotError: one is not as it was written.
        """
        _refuse_damaged(snapshot, todo)
        self._looked_at.add(snapshot.report.id)

    def _open(self, number: int) -> Snapshot:
        snapshot = self._map(number)
        if self._whole and number not in self._looked_at:
            _refuse_damaged(snapshot, REPAIR)
        return snapshot

    def _map(self, number: int) -> Snapshot:
        row = next((one for one in self.snapshots() if one.id == number), None)
        try:
            snapshot = Snapshot(self.path_of(number))
        except FileNotFoundError:
            raise SnapshotError(Reason.SNAPSHOT_MALFORMED, f"{self.path_of(number)}: is not there", REPAIR) from None
        except SnapshotError as error:
            raise SnapshotError(error.reason, str(self.path_of(number)), REPAIR) from None
        if row is None or snapshot.report.digest != row.digest:
            raise SnapshotError(Reason.SNAPSHOT_DIGEST, snapshot.path, REPAIR)
        return snapshot

    def _open_state(self) -> State:
        path = self.directory / "state.db"
        if not path.exists() and any(self.directory.glob("snapshot-*.seki")):
            raise StoreError(
                f"{path}: is not there, though snapshots are: with it went how far each list has come. Put it back, or begin "
                "a new directory with the newest lists"
            )
        try:
            return State(path)
        except (ValueError, sqlite3.DatabaseError) as error:
            raise StoreError(f"{path}: {error}") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time changes the directory."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._looked_at.clear()
            yield
        finally:
            self._looked_at.clear()
            os.close(descriptor)

    def sweep(self, *, keep: bool = False) -> None:
        """Removes what no commit names, as a crash leaves it; and, if told to `keep` so many, what is beyond that."""
        rows = self.snapshots()
        if not keep:
            self._remove_all_but({row.id for row in rows})
            return
        bases = [row.id for row in rows if row.kind == "base"]
        current = self.state.current
        kept = set(bases[: self._keep]) | ({current[0]} if current else set())
        named = {row.id for row in rows if (row.id if row.kind == "base" else row.base) in kept}
        with self.state.transaction():
            for row in rows:
                if row.id not in named:
                    self.state.drop_snapshot(row.id)
        self._remove_all_but(named)

    def _remove_all_but(self, named: set[int]) -> None:
        for file in self.directory.iterdir():
            number = file.name.removeprefix("snapshot-").removesuffix(".seki")
            if file.name.startswith("new-") or (
                file.name.startswith("snapshot-") and not (number.isdecimal() and int(number) in named)
            ):
                file.unlink()


def _refuse_damaged(snapshot: Snapshot, todo: str) -> None:
    if (reason := snapshot.verify()) is not None:
        raise SnapshotError(reason, snapshot.path, todo)


def _refuse_strangers(directory: Path) -> None:
    about = directory.stat()
    if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise StoreError(
            f"{directory}: must be ours alone (owner {os.geteuid()}, mode 0700), not of owner {about.st_uid}, mode "
            f"{stat.S_IMODE(about.st_mode):04o}: a file that others can write is never mapped. chmod 700 {directory}"
        )
