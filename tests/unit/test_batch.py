"""Columns: whose memory is used in place, and what is refused because it would be read as something else."""

from __future__ import annotations

import mmap
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sekisho import KeySet, LoginBatch, Mode, SignatureBatch, verify_signatures
from sekisho.batch import Column
from sekisho.reasons import Reason
from sekisho.testing.keys import SigningKey, key_from_label

ROWS = [b"one", b"", b"three\0"]


def contents(column: Column) -> list[bytes]:
    return [column[row] for row in range(len(column))]


class Arrow:
    """An Arrow binary array as pyarrow shows one, over any memory."""

    def __init__(self, data: Any, ends: list[int], kind: str = "binary") -> None:
        self.type, self.null_count, self.offset = kind, 0, 0
        self._buffers = None, memoryview(np.array(ends, np.int32 if kind == "binary" else np.int64)), data

    def __len__(self) -> int:
        return self._buffers[1].nbytes // self._buffers[1].itemsize - 1

    def buffers(self) -> Any:
        return self._buffers


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        tuple(ROWS),
        Column.of(ROWS),
        Column.from_buffers(b"onethree\0", [0, 3, 3, 9]),
        Arrow(b"onethree\0", [0, 3, 3, 9]),
        Arrow(b"onethree\0", [0, 3, 3, 9], "large_binary"),
    ],
    ids=["list", "tuple", "column", "buffers", "arrow", "large arrow"],
)
def test_rows_come_back_as_they_were_given(given: Any) -> None:
    assert contents(Column.of(given)) == ROWS


def test_arrays_of_fixed_width_keep_every_byte() -> None:
    rows = [b"ab\0", b"cde", b"\0\0\0"]
    assert contents(Column.of(np.array(rows, dtype="V3"))) == rows
    assert contents(Column.of(np.frombuffer(b"".join(rows), np.uint8).reshape(3, 3))) == rows
    assert contents(Column.of(np.array([b"abc", b"def"], dtype="S"))) == [b"abc", b"def"]
    with pytest.raises(TypeError, match="lost the NULs at its end"):
        Column.of(np.array(rows, dtype="S3"))


@pytest.mark.parametrize(
    "odd",
    [
        memoryview(array("I", [1, 2])),
        array("q", [1]),
        np.frombuffer(b"AAAABBBB", "<u4"),
        np.zeros((2, 4), np.uint8),
    ],
    ids=["memoryview of 4-byte items", "array of 8-byte items", "numpy of 4-byte items", "numpy of two dimensions"],
)
def test_a_row_of_wide_items_shifts_no_neighbour(odd: Any) -> None:
    with pytest.raises(TypeError, match="wider than a byte"):
        Column.of([odd, b"neighbour"])


@pytest.mark.parametrize("wrong", ["text", [b"a", "b"], [1], np.array([1.5]), np.array(["a"])])
def test_what_is_not_bytes_is_no_column(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Column.of(wrong)


def test_memory_that_somebody_can_write_to_is_copied(tmp_path: Path) -> None:
    own = bytearray(b"harmless")
    writable = np.frombuffer(own, np.uint8)
    looks_read_only = np.frombuffer(memoryview(own).toreadonly(), np.uint8)
    file = tmp_path / "column"
    file.write_bytes(b"harmless")
    with file.open("r+b") as handle:
        mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        taken = [
            Column.from_buffers(own, [0, 8]),
            Column.from_buffers(writable, [0, 8]),
            Column.from_buffers(memoryview(own).toreadonly(), [0, 8]),
            Column.from_buffers(looks_read_only, [0, 8]),
            Column.from_buffers(mapped, [0, 8]),
            Column.from_arrow(Arrow(mapped, [0, 8])),
            Column.from_arrow(Arrow(own, [0, 8]), in_place=True),
        ]
        own[:] = b"changed!"
        handle.write(b"changed!")
        handle.flush()
        assert [column[0] for column in taken] == [b"harmless"] * len(taken)


def test_memory_that_nobody_can_write_to_is_used_in_place() -> None:
    data = b"harmless"
    array_of_its_own = np.arange(8, dtype=np.uint8)
    array_of_its_own.flags.writeable = False
    for buffer in (data, memoryview(data), np.frombuffer(data, np.uint8), array_of_its_own):
        assert Column.from_buffers(buffer, [0, 8]).data is buffer
    assert Column.from_arrow(Arrow(data, [0, 8]), in_place=True).data is data


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return key_from_label("p256", "columns")


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (np.array([2**32], np.int64), ValueError),
        (np.array([-1], np.int64), ValueError),
        ([2**32], ValueError),
        (-1, ValueError),
        (2**32, ValueError),
        ([0.99], TypeError),
        (np.array([0.0]), TypeError),
        (0.5, TypeError),
        ([True], TypeError),
    ],
)
def test_a_key_index_is_never_taken_for_another(key: SigningKey, index: Any, error: type[Exception]) -> None:
    batch = SignatureBatch(KeySet([key.spki]), [key.sign(b"m")], [b"m"], "ecdsa-sha256-der", key=index)
    with pytest.raises(error):
        verify_signatures(batch)


def test_a_key_index_and_a_mode_may_be_of_any_integer_type(key: SigningKey) -> None:
    keys, mode = KeySet([key.spki]), int(Mode.parse("ecdsa-sha256-der"))
    for index in (0, [0], np.array([0], np.int64), np.array([0], np.uint8)):
        for modes in (mode, [mode], np.array([mode], np.int64)):
            batch = SignatureBatch(keys, [key.sign(b"m")], [b"m"], modes, key=index)  # type: ignore[arg-type]
            assert verify_signatures(batch)[0].reason is Reason.SIGNATURE_OK
    with pytest.raises(ValueError, match="numbers from 0"):
        verify_signatures(SignatureBatch(keys, [b""], [b"m"], np.array([mode + 2**32])))


def test_batches_show_nothing_of_what_is_in_them(key: SigningKey) -> None:
    login = LoginBatch([b"certificate"], [b"challenge"], [b"signature"], bindings=[b"session 4711"])
    signatures = SignatureBatch([key.spki], [b"signature"], [b"message"], "ecdsa-sha256-der")
    assert repr(login) == "<LoginBatch of 1>"
    assert repr(signatures) == "<SignatureBatch of 1>"
