"""An SQLite file of ours: a commit is on the disk, and is the moment at which something counts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

__all__ = ["Database"]


class Database:
    """Shared by threads, of which none sees what another has not committed, and by processes.

    Args:
        path: made if it is not there.
        schema: statements that make an empty one; the last of them sets user_version.
        version: the user_version that they set.

    Raises:
        ValueError: it was made by another version.
    """

    def __init__(self, path: Path, schema: Sequence[str], version: int) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)
        # EXTRA: the folder too is brought to the disk, so that what was committed stays so.
        self._db.execute("PRAGMA synchronous = EXTRA")
        with self.transaction():
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                for statement in schema:
                    self._db.execute(statement)
            elif found != version:
                raise ValueError(f"{path}: made by another version of sekisho (its state has version {found})")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, on the disk when it ends."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
