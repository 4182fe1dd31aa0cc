"""Byte strings as a column: one buffer and offsets (Arrow's LargeBinary layout), as the engine takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Strings"]


@dataclass(frozen=True, eq=False)
class Column:
    """N byte strings; string i is ``data[offsets[i]:offsets[i + 1]]``.

    Attributes:
        data: uint8, all strings end to end; read-only.
        offsets: int64, N + 1 of them, rising from 0; read-only.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, strings: Strings) -> Column:
        """The column of these strings; a numpy array of kind S loses trailing NUL bytes, as numpy has it."""
        if isinstance(strings, Column):
            return strings
        listed: list[bytes] = strings.tolist() if isinstance(strings, np.ndarray) else list(strings)
        offsets = np.zeros(len(listed) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, listed), dtype=np.int64, count=len(listed)), out=offsets[1:])
        offsets.flags.writeable = False
        return cls(np.frombuffer(b"".join(listed), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> bytes:
        at = range(len(self))[index]
        return self.data[self.offsets[at] : self.offsets[at + 1]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(len(self)))

    def take(self, rows: Iterable[int]) -> Column:
        """The strings of those rows, in that order."""
        return Column.of([self[int(row)] for row in rows])

    def equals(self, other: Column) -> bool:
        return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.data, other.data)


Strings: TypeAlias = Column | Sequence[bytes] | npt.NDArray[np.bytes_]
"""What stands for N byte strings wherever this package takes them."""
