"""Columns: the byte strings of a batch in one buffer with offsets (Arrow's layout).

Buffers that nobody can write to are used in place; any other is copied once, before any check, so that nobody can
change a row between two checks of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sekisho._native import ffi

__all__ = ["Column", "ColumnLike", "Times", "absent", "frozen", "times"]

Buffer: TypeAlias = "bytes | bytearray | memoryview | NDArray[Any]"
ColumnLike: TypeAlias = "Column | Sequence[bytes] | NDArray[Any]"

_ABSENT: Final = ffi.new("seki_column *")
_BYTES: Final = ffi.typeof("uint8_t[]")  # a type looked up once: the way in costs a batch of 1 dearly


class Column:
    """`rows` byte strings: row i is data[offsets[i]:offsets[i + 1]].

    Make one with `Column.of`, `Column.from_buffers` or `Column.from_arrow`. A column keeps its buffers alive
    and is immutable.
    """

    __slots__ = ("_native", "data", "fields", "offsets", "rows")

    def __init__(self, data: Any, offsets: Any, width: int, rows: int) -> None:
        self.data = data
        self.offsets = offsets
        self.rows = rows
        view = ffi.from_buffer(_BYTES, data)
        self.fields = (view, len(view), ffi.from_buffer(offsets), width)
        """What a `seki_column` is made of; good as long as this object lives."""
        self._native: Any = None

    @property
    def native(self) -> Any:
        """A `seki_column *`; good as long as this object lives."""
        if self._native is None:
            self._native = ffi.new("seki_column *", self.fields)
        return self._native

    @classmethod
    def of(cls, rows: ColumnLike) -> Column:
        """From a list of bytes, a numpy array of fixed-width bytes (dtype V or S, or uint8 of shape (rows, width)), an
        Arrow binary array, or a column as it is.

        Raises:
            TypeError: a row is not bytes, or an array of dtype S has a value shorter than its width: numpy drops NULs at
                the end of such values, so nobody knows what it was.
        """
        if type(rows) is list and len(rows) == 1 and type(rows[0]) is bytes:
            return cls(rows[0], _one_row(len(rows[0])), 8, 1)
        if isinstance(rows, Column):
            return rows
        if isinstance(rows, np.ndarray):
            return cls._of_array(rows)
        if hasattr(rows, "buffers"):
            return cls.from_arrow(rows)
        try:
            data = b"".join(rows)
        except TypeError as error:
            raise TypeError(f"a column takes bytes in every row: {error}") from None
        ends = array("q", accumulate(map(len, rows), initial=0))
        if ends[-1] != len(data):
            raise TypeError("a column takes bytes in every row: one is a buffer of items wider than a byte")
        return cls(data, ends, 8, len(rows))

    @classmethod
    def _of_array(cls, rows: NDArray[Any]) -> Column:
        if rows.dtype.kind == "S" and rows.size and int(np.char.str_len(rows).min()) < rows.dtype.itemsize:
            raise TypeError(
                f"a value of dtype {rows.dtype} is shorter than {rows.dtype.itemsize} bytes, or has lost the NULs at its end: "
                "give a list of bytes, or dtype V"
            )
        if rows.dtype.kind in "SV" and rows.dtype.fields is None and rows.ndim == 1:
            rows = np.ascontiguousarray(rows).view(np.uint8).reshape(rows.size, rows.dtype.itemsize)
        if rows.dtype != np.uint8 or rows.ndim != 2:
            raise TypeError(
                f"a column takes arrays of dtype V, S or uint8 (rows, width), not {rows.dtype} {rows.shape}"
            )
        offsets = np.arange(rows.shape[0] + 1, dtype=np.int64) * rows.shape[1]
        return cls.from_buffers(np.ascontiguousarray(rows).reshape(-1), offsets)

    @classmethod
    def from_buffers(cls, data: Buffer, offsets: Buffer | Iterable[int]) -> Column:
        """One buffer and rows + 1 offsets (int32 or int64, in bytes from the buffer's start).

        Raises:
            ValueError: there are no offsets, or they are of another type. (Whether they rise and stay inside the data
                is checked by the core, before any row is read.)
        """
        ends = np.asarray(offsets if isinstance(offsets, np.ndarray | memoryview) else list(offsets))
        if ends.dtype not in (np.int32, np.int64) or ends.ndim != 1 or ends.size == 0:
            raise ValueError(f"offsets must be int32 or int64, rows + 1 of them, not {ends.dtype} {ends.shape}")
        return cls(frozen(data), frozen(np.ascontiguousarray(ends)), ends.dtype.itemsize, ends.size - 1)

    @classmethod
    def from_arrow(cls, values: Any, *, in_place: bool = False) -> Column:
        """From an Arrow binary or large_binary array (anything with `buffers()`, `offset`, `type` as pyarrow has them).

        Args:
            values: the array.
            in_place: True: use its memory without a copy. Only for memory that nobody writes to while the column lives,
                which Arrow cannot tell: it also calls a map of a file immutable that another process is changing.

        Raises:
            ValueError: another type, or rows that are null.
        """
        width = {"binary": np.int32, "large_binary": np.int64}.get(str(values.type))
        if width is None or values.null_count:
            raise ValueError(f"a column takes Arrow binary or large_binary without nulls, not {values.type}")
        _, ends, data = values.buffers()
        data = data if data is not None else b""
        offsets = np.frombuffer(ends, dtype=width)[values.offset : values.offset + len(values) + 1]
        if not in_place or not memoryview(data).readonly:
            return cls.from_buffers(data, offsets)
        return cls(data, np.ascontiguousarray(offsets), offsets.dtype.itemsize, offsets.size - 1)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> bytes:
        """Row `row`, copied."""
        if not 0 <= row < self.rows:
            raise IndexError(row)
        ends = np.frombuffer(self.offsets, dtype=np.int32 if self.fields[3] == 4 else np.int64)
        return bytes(memoryview(self.data).cast("B")[int(ends[row]) : int(ends[row + 1])])


@lru_cache(maxsize=256)
def _one_row(length: int) -> bytes:
    """Offsets of a column of one row: hashes and signatures have few lengths."""
    return array("q", (0, length)).tobytes()


def absent() -> Any:
    """The native form of a column that is not there."""
    return _ABSENT[0]


def frozen(buffer: Any) -> Any:
    """The buffer itself if nobody can write to it, else a copy."""
    view = memoryview(buffer)
    if view.readonly and view.contiguous and _is_nobodys(buffer):
        return buffer
    return bytes(view)


def _is_nobodys(buffer: Any) -> bool:
    """Whether the memory behind a read-only buffer has no owner who can write to it: a view may be read-only by itself."""
    while not isinstance(buffer, bytes):
        if isinstance(buffer, np.ndarray):
            if buffer.flags.writeable:
                return False
            if buffer.base is None:
                return True  # an array that was made read-only itself
            buffer = buffer.base
        elif isinstance(buffer, memoryview):
            if not buffer.readonly:
                return False
            buffer = buffer.obj
        else:
            return False
    return True


class Times:
    """A time of judgement for every row, or one for all, in seconds since 1970-01-01T00:00:00Z."""

    __slots__ = ("_keep", "native", "stride")

    def __init__(self, values: Any, stride: int) -> None:
        self._keep = values
        self.native = ffi.from_buffer("int64_t[]", values)
        self.stride = stride


def times(at: int | NDArray[np.int64], rows: int) -> Times:
    """`at` as the core takes it.

    Raises:
        TypeError: not an int, nor an int64 array.
        ValueError: the array has not one time a row.
    """
    if isinstance(at, np.ndarray):
        if at.dtype != np.int64:
            raise TypeError(f"times must be int64 seconds, not {at.dtype}")
        if at.shape != (rows,):
            raise ValueError(f"{rows} rows want {rows} times, not {at.shape}")
        return Times(at.tobytes(), 1) if rows else Times(array("q", [0]), 0)
    if isinstance(at, bool) or not isinstance(at, int | np.integer):
        raise TypeError(f"a time is an int, seconds since 1970-01-01T00:00:00Z, not {type(at).__name__}")
    return Times(array("q", [int(at)]), 0)
