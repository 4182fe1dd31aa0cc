"""A watched folder: CRLs and published snapshots that are put there come into force by themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sekisho.revocation.ingest import ENDINGS
from sekisho.revocation.publish import ENDING, take
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore

__all__ = ["RevocationWatcher"]

INTERVAL_DEFAULT: Final = 5.0
"""Seconds between looks.  A file counts once two looks have found it the same."""

_Look = dict[str, tuple[int, int, int]]  # name: inode, size, mtime in ns


class RevocationWatcher:
    """Looks into a folder from time to time, and at what other processes did to the store.

    Args:
        store: takes what comes.
        folder: of files that end in .crl, .der or .pem, and of snapshots that end in .seki.
        publishers: whose snapshots are taken; none: CRLs alone.
        tell: gets a line for each thing that was taken or refused; it names files, never certificates.

    What is refused stays refused until its file changes.  A mistake with one file does not keep others out.
    """

    def __init__(
        self,
        store: RevocationStore,
        folder: str | Path,
        *,
        publishers: Sequence[Ed25519PublicKey] = (),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._folder = Path(folder)
        self._publishers = tuple(publishers)
        self._tell = tell
        self._before: _Look = {}
        self._done: _Look = {}

    def look(self) -> bool:
        """Looks once; True if something new is in force."""
        now = self._look()
        settled = {
            name: state for name, state in now.items() if self._before.get(name) == state != self._done.get(name)
        }
        self._before = now
        self._done = {name: state for name, state in self._done.items() if name in now}
        changed = self._store.refresh()
        lists = sorted(name for name in settled if Path(name).suffix.lower() in ENDINGS)
        if lists:
            changed = self._take_lists(lists) or changed
        for name in sorted(name for name in settled if name.endswith(ENDING)):
            changed = self._take_snapshot(name) or changed
        self._done.update(settled)
        return changed

    def run(self, stop: threading.Event, interval: float = INTERVAL_DEFAULT) -> None:
        """Looks until told to stop."""
        while not stop.wait(interval if self._before else 0):
            try:
                self.look()
            except OSError as error:  # the folder is away, the disk is full: what is in force stays so
                self._tell(f"{error.filename or self._folder}: {error.strerror}")

    def _look(self) -> _Look:
        found: _Look = {}
        for path in self._folder.iterdir():
            if path.suffix.lower() in (*ENDINGS, ENDING) and not path.name.startswith("."):
                try:
                    about = path.stat()
                except FileNotFoundError:
                    continue
                found[path.name] = (about.st_ino, about.st_size, about.st_mtime_ns)
        return found

    def _take_lists(self, names: list[str]) -> bool:
        update = self._store.update([self._folder / name for name in names])
        for decision in update.decisions:
            self._tell(str(decision))
        return update.changed

    def _take_snapshot(self, name: str) -> bool:
        if not self._publishers:
            self._tell(f"{name}: no publisher is configured, so no snapshot is taken")
            return False
        try:
            taken = take(self._store, self._folder / name, self._publishers)
        except SnapshotError as error:
            self._tell(str(error))
            return False
        self._tell(f"{name}: in force as {taken.report.id}")
        return True
