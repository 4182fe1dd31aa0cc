"""What a store remembers, in SQLite: the snapshots it has, which is in force, and how far each scope has come.

A commit is the moment at which something counts.  Files are brought to the disk before the commit that names them, and files that
no commit names are removed when the store is opened: a crash at any moment leaves the state before or the state after.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sekisho.revocation.database import Database

__all__ = ["Act", "Mark", "SnapshotRow", "State"]

_SCHEMA: Final = """
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY,             -- what verdicts name it by
    kind TEXT NOT NULL CHECK (kind IN ('base', 'overlay')),
    base INTEGER,                       -- of an overlay
    digest BLOB NOT NULL,
    built_at INTEGER NOT NULL,
    oldest INTEGER NOT NULL,            -- the least thisUpdate in it
    newest INTEGER NOT NULL             -- the greatest
);
CREATE TABLE mark (                     -- how far a scope has come: never goes back, whatever is in force
    scope BLOB PRIMARY KEY,
    number TEXT,                        -- cRLNumber, decimal: up to 159 bits
    this_update INTEGER NOT NULL,
    sha256 BLOB NOT NULL,               -- of the CRL that set it
    delta INTEGER NOT NULL
);
CREATE TABLE current (one INTEGER PRIMARY KEY CHECK (one = 1), base INTEGER NOT NULL, overlay INTEGER);
CREATE TABLE act (                      -- what was done, and what was refused
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    snapshot INTEGER,
    detail TEXT NOT NULL
);
CREATE TABLE sequence (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL);
INSERT INTO sequence VALUES (1, 1);
PRAGMA user_version = 1;
"""
_VERSION: Final = 1
_ACTS_KEPT: Final = 100_000  # rows of history: 1,700 CRLs a day for two months


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot that the store has; times in seconds since 1970."""

    id: int
    kind: str
    base: int | None
    digest: bytes
    built_at: int
    oldest: int
    newest: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a scope has come.

    Attributes:
        number: the highest cRLNumber that was taken; None: there was none.
        this_update: the latest.
        sha256: of the CRL that set it.
        delta: whether that was a delta.
    """

    number: int | None
    this_update: int
    sha256: bytes
    delta: bool


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done or refused."""

    number: int
    at: int
    what: str
    snapshot: int | None
    detail: str


class State(Database):
    """The database of a store."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA.split(";"), _VERSION)

    # ---- snapshots

    def next_id(self) -> int:
        """An id that no snapshot had before, even one that never came to be."""
        with self.transaction():
            number = int(self._db.execute("SELECT next FROM sequence").fetchone()[0])
            self._db.execute("UPDATE sequence SET next = ?", (number + 1,))
        return number

    def skip_to(self, number: int) -> None:
        """Ids from now on are above that one."""
        self._db.execute("UPDATE sequence SET next = MAX(next, ?)", (number + 1,))

    def snapshots(self) -> list[SnapshotRow]:
        """All, newest first."""
        rows = self._rows("SELECT id, kind, base, digest, built_at, oldest, newest FROM snapshot ORDER BY id DESC")
        return [SnapshotRow(*row) for row in rows]

    def add_snapshot(self, row: SnapshotRow) -> None:
        """Within a transaction, once its file is on the disk."""
        values = (row.id, row.kind, row.base, row.digest, row.built_at, row.oldest, row.newest)
        self._db.execute("INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def drop_snapshot(self, number: int) -> None:
        """Within a transaction, before its file is removed."""
        self._db.execute("DELETE FROM snapshot WHERE id = ?", (number,))

    @property
    def current(self) -> tuple[int, int | None] | None:
        """Base and overlay that are in force; None: nothing is."""
        rows = self._rows("SELECT base, overlay FROM current")
        return (rows[0][0], rows[0][1]) if rows else None

    def set_current(self, base: int, overlay: int | None) -> None:
        """Within a transaction."""
        self._db.execute("INSERT OR REPLACE INTO current VALUES (1, ?, ?)", (base, overlay))

    # ---- marks

    def mark(self, scope: bytes) -> Mark | None:
        """How far a scope has come; None: nothing was ever taken."""
        for number, this_update, sha256, delta in self._rows(
            "SELECT number, this_update, sha256, delta FROM mark WHERE scope = ?", (scope,)
        ):
            return Mark(None if number is None else int(number), this_update, sha256, bool(delta))
        return None

    def set_mark(self, scope: bytes, mark: Mark) -> None:
        """Within a transaction."""
        number = None if mark.number is None else str(mark.number)
        values = (scope, number, mark.this_update, mark.sha256, mark.delta)
        self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?, ?)", values)

    # ---- history

    def record(self, at: int, what: str, snapshot: int | None, detail: str) -> None:
        """Remembers an act."""
        self._db.execute(
            "INSERT INTO act (at, what, snapshot, detail) VALUES (?, ?, ?, ?)", (at, what, snapshot, detail)
        )
        self._db.execute("DELETE FROM act WHERE number <= (SELECT MAX(number) FROM act) - ?", (_ACTS_KEPT,))

    def acts(self, most: int = 100) -> list[Act]:
        """The last ones, newest first."""
        rows = self._rows("SELECT number, at, what, snapshot, detail FROM act ORDER BY number DESC LIMIT ?", (most,))
        return [Act(*row) for row in rows]

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()
