"""A watched folder: CRLs and published snapshots that are put there come into force by themselves."""

from __future__ import annotations

import re
import stat
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sekisho.reasons import Reason
from sekisho.revocation.ingest import ENDINGS
from sekisho.revocation.publish import ENDING, take
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore

__all__ = ["RevocationWatcher"]

INTERVAL_DEFAULT: Final = 5.0
"""Seconds between looks.  A file counts once two looks have found it the same."""
_SETTLE: Final = 1.0
"""Seconds between the first two looks."""

_Look = dict[str, tuple[int, int, int]]  # name: inode, size, mtime in ns
_NUMBERS: Final = re.compile(r"(\d+)")

_LATER: Final = frozenset(
    {
        Reason.CRL_DELTA_WITHOUT_BASE,
        Reason.CRL_DELTA_GAP,
        Reason.CRL_SCOPE_DIFFERS,
        Reason.CRL_ISSUER_REVOKED,
        Reason.SNAPSHOT_BASE_MISSING,
    }
)
"""Refusals that another file may change: a complete list, the CA's own list, the base of an overlay."""


class RevocationWatcher:
    """Looks into a folder from time to time, and at what other processes did to the store.

    Args:
        store: takes what comes.
        folder: of files that end in .crl, .der or .pem, and of snapshots that end in .seki.
        publishers: whose snapshots are taken; none: CRLs alone.
        tell: gets a line for each thing that was taken or refused; it names files, never certificates.

    What is refused stays refused until its file changes; but what lacked another file (a delta its list, a list of a CA the list
    that tells of the CA) is tried again after something was taken, and a list from the near future when its time has come.  A
    mistake with one file does not keep others out.
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
        self._before: _Look | None = None
        self._done: _Look = {}
        self._waiting: set[str] = set()
        self._early: dict[str, int] = {}
        self._trouble: dict[str, str] = {}  # what was told of it last, by file; "": of the folder

    def look(self) -> bool:
        """Looks once; True if something new is in force.

        Raises:
            OSError: the folder cannot be read, or the store cannot be written.
        """
        now = self._look()
        before, self._before = self._before or {}, now
        self._done = {name: state for name, state in self._done.items() if now.get(name) == state}
        due = {name for name, at in self._early.items() if at <= time.time()}
        settled = {name for name, state in now.items() if before.get(name) == state and name not in self._done} | (
            due & self._done.keys()
        )
        self._early = {name: at for name, at in self._early.items() if name in self._done and name not in due}
        changed = self._store.refresh()
        if changed:
            settled |= self._waiting & now.keys()
        while settled:
            taken = self._take(settled, now)
            changed = changed or taken
            settled = self._waiting & now.keys() if taken else set()
        return changed

    def run(self, stop: threading.Event, interval: float = INTERVAL_DEFAULT) -> None:
        """Looks until told to stop; whatever goes wrong meanwhile is told, and what is in force stays so."""
        wait = 0.0
        while not stop.wait(wait):
            wait = interval
            try:
                first = self._before is None
                self.look()
                self._trouble.pop("", None)
                if first:
                    wait = min(interval, _SETTLE)  # what lies there is taken soon
            except Exception as error:
                # Whatever it was (a folder that is away, a full disk, a database that is busy): nobody else tries again.
                self._tell_once("", f"{self._folder}: {type(error).__name__}: {error}")

    def _tell_once(self, name: str, line: str) -> None:
        """The same trouble is told once, not every five seconds."""
        if line != self._trouble.get(name):
            self._trouble[name] = line
            self._tell(line)

    def _look(self) -> _Look:
        found: _Look = {}
        for path in self._folder.iterdir():
            if path.suffix.lower() in (*ENDINGS, ENDING) and not path.name.startswith("."):
                try:
                    about = path.stat()
                except OSError:  # removed meanwhile, or a link that leads nowhere
                    continue
                if stat.S_ISREG(about.st_mode):  # a pipe would keep the store waiting
                    found[path.name] = (about.st_ino, about.st_size, about.st_mtime_ns)
        return found

    def _take(self, names: set[str], now: _Look) -> bool:
        """Lists, then snapshots, the newest first: whoever comes late need not take all that was ever published."""
        self._waiting -= names
        lists = sorted(name for name in names if Path(name).suffix.lower() in ENDINGS)
        snapshots = sorted((name for name in names if name.endswith(ENDING)), key=_natural, reverse=True)
        changed = bool(lists) and self._take_lists(lists, now)
        for name in snapshots:
            changed = self._try(name, now, self._take_snapshot) or changed
        return changed

    def _take_lists(self, names: list[str], now: _Look) -> bool:
        try:
            changed = self._update(names)
        except OSError:  # of one of them, or of the disk: each by itself, and once more at the next look
            return sum(self._try(name, now, lambda one: self._update([one])) for name in names) > 0
        self._done.update({name: now[name] for name in names})
        return changed

    def _try(self, name: str, now: _Look, take_it: Callable[[str], bool]) -> bool:
        """With one file; it is done with unless it could not be read, or nothing could be written."""
        try:
            changed = take_it(name)
        except OSError as error:
            self._tell_once(name, f"{name}: {error.strerror or error}")
            return False
        self._trouble.pop(name, None)
        self._done[name] = now[name]
        return changed

    def _update(self, names: list[str]) -> bool:
        update = self._store.update([self._folder / name for name in names])
        for decision in update.decisions:
            self._tell(str(decision))
            name = Path(decision.source).name
            if decision.reason in _LATER:
                self._waiting.add(name)
            elif decision.reason is Reason.CRL_NOT_YET_VALID and decision.this_update is not None:
                self._early[name] = decision.this_update - self._store.skew
        return update.changed

    def _take_snapshot(self, name: str) -> bool:
        if not self._publishers:
            self._tell(f"{name}: no publisher is configured, so no snapshot is taken")
            return False
        try:
            taken = take(self._store, self._folder / name, self._publishers)
        except SnapshotError as error:
            self._tell(str(error))
            if error.reason in _LATER:
                self._waiting.add(name)
            return False
        self._tell(f"{name}: in force as {taken.report.id}")
        return True


def _natural(name: str) -> list[tuple[int, str]]:
    """So that snapshot-10 comes after snapshot-9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _NUMBERS.split(name)]
