"""Batch signature verification: many keys, messages and signatures in one native call."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sekisho._native import check, ffi, lib
from sekisho.batch import Column, ColumnLike
from sekisho.engine import Engine, default_engine
from sekisho.modes import Mode
from sekisho.reasons import Reason
from sekisho.verdicts import SIGNATURE_VERDICT, Verdicts

__all__ = ["KeySet", "SignatureBatch", "verify_signatures"]

_ALL: Final = 2**64 - 1
_NUMBER_MAX: Final = 2**32 - 1

# Types looked up once: the way in must not cost a batch of 1 more than its verification.
_BATCH: Final = ffi.typeof("seki_signature_batch *")
_VERDICTS: Final = ffi.typeof("seki_signature_verdict[]")
_ONE_NUMBER: Final = ffi.typeof("uint32_t[1]")


class KeySet:
    """Public keys parsed and checked once, to verify many signatures with.

    Args:
        keys: SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7), one a row.

    A key that cannot be used does not raise: `reasons[i]` says why (RSA below 2048 bits, even exponent, a point off
    its curve ...), and every signature under it is refused with that reason.
    """

    def __init__(self, keys: ColumnLike) -> None:
        column = Column.of(keys)
        reasons = np.zeros(column.rows, dtype=np.uint16)
        out = ffi.new("seki_keyset **")
        view = ffi.from_buffer("uint16_t[]", reasons, require_writable=True) if column.rows else ffi.NULL
        check(lib.seki_keyset_new(column.native, column.rows, view, out), "reading keys")
        self.native: Any = ffi.gc(out[0], lib.seki_keyset_free)
        self.reasons: list[Reason | None] = [Reason(int(code)) if code else None for code in reasons]

    def __len__(self) -> int:
        return len(self.reasons)


@dataclass(frozen=True, slots=True)
class SignatureBatch:
    """N signatures to verify.

    Attributes:
        keys: a `KeySet`, or N SubjectPublicKeyInfo in DER.
        signatures: N signatures.
        messages: N messages, or their hashes where `prehashed`.
        mode: one `Mode` (or its name) for all rows, or N of them.
        key: with a KeySet: the row of the key, one for all signatures or N of them; None: signature i has key i.
        prehashed: whether `messages` are hashes, of the mode's hash.
    """

    keys: KeySet | ColumnLike
    signatures: ColumnLike
    messages: ColumnLike
    mode: Mode | str | Sequence[Mode | str] | NDArray[np.integer]
    key: int | Sequence[int] | NDArray[np.integer] | None = None
    prehashed: bool = False

    def __repr__(self) -> str:
        # A log line must not carry what somebody signed.
        return f"<SignatureBatch of {len(self.signatures)}>"


def verify_signatures(
    batch: SignatureBatch, *, engine: Engine | None = None, confirmations: int | None = None
) -> Verdicts:
    """Verify every signature of a batch.

    Args:
        batch: N rows.
        engine: threads to work with; the process's own if None.
        confirmations: how many rejections by lanes OpenSSL confirms, at most; further ones are
            `Reason.SIGNATURE_UNCONFIRMED`, which is a refusal that may be tried again. None: all are confirmed.

    Returns:
        `Verdicts`, N rows in input order; a good row is `Reason.SIGNATURE_OK`. A bad row never raises.

    Raises:
        ValueError: columns of different lengths, an unknown mode's name, a key index beyond the key set.
        TypeError: a row is not bytes.
        NativeError: the core failed; nothing was verified.
    """
    signatures, messages = Column.of(batch.signatures), Column.of(batch.messages)
    rows = signatures.rows
    if messages.rows != rows:
        raise ValueError(f"{rows} signatures want {rows} messages, not {messages.rows}")
    keys = batch.keys if isinstance(batch.keys, KeySet) else KeySet(batch.keys)
    modes, modes_stride = _modes(batch.mode, rows)
    if batch.key is None:
        if len(keys) != rows:
            raise ValueError(
                f"{rows} signatures want {rows} keys, or `key` naming each one's row, not {len(keys)} keys"
            )
        key_index, key_stride = ffi.NULL, 1
    else:
        key_index, key_stride = _numbers("key", batch.key, rows)
    native = ffi.new(
        _BATCH,
        {
            "rows": rows,
            "keys": keys.native,
            "key_index": key_index,
            "key_index_stride": key_stride,
            "modes": modes,
            "modes_stride": modes_stride,
            "messages": messages.fields,
            "prehashed": batch.prehashed,
            "signatures": signatures.fields,
            "confirmations": _ALL if confirmations is None else confirmations,
        },
    )
    out = np.zeros(rows, dtype=SIGNATURE_VERDICT)
    if rows:
        engine = engine or default_engine()
        view = ffi.from_buffer(_VERDICTS, out, require_writable=True)
        check(lib.seki_verify_signatures(engine.native, native, view), "verifying signatures")
    return Verdicts(out, Reason.SIGNATURE_OK)


def _modes(mode: Any, rows: int) -> tuple[Any, int]:
    """A C array of modes and its stride: 0 where one holds for all rows."""
    if isinstance(mode, str | int):
        return _one_mode(mode), 0
    if not isinstance(mode, np.ndarray):
        mode = [int(Mode.parse(one)) if isinstance(one, str) else int(one) for one in mode]
    return _numbers("mode", mode, rows)


@lru_cache(maxsize=64)
def _one_mode(mode: Mode | str) -> Any:
    """A C array of that one mode; shared by batches, and never written to."""
    return ffi.new(_ONE_NUMBER, (int(Mode.parse(mode)) if isinstance(mode, str) else int(mode),))


def _numbers(what: str, values: Any, rows: int) -> tuple[Any, int]:
    """A C array of uint32 and its stride: 0 where one value holds for all rows."""
    if isinstance(values, int):
        if not 0 <= values <= _NUMBER_MAX:
            raise ValueError(f"`{what}` takes numbers from 0 to {_NUMBER_MAX}, not {values}")
        return ffi.new(_ONE_NUMBER, (values,)), 0
    given = np.asarray(values)
    if given.size and given.dtype.kind not in "iu":
        raise TypeError(f"`{what}` takes integers, not {given.dtype}")
    if given.size and not 0 <= int(given.min()) <= int(given.max()) <= _NUMBER_MAX:
        raise ValueError(f"`{what}` takes numbers from 0 to {_NUMBER_MAX}")
    numbers = np.array(given, dtype=np.uint32)
    if numbers.shape != (rows,):
        raise ValueError(f"{rows} signatures want {rows} values of `{what}` or one for all, not {numbers.shape}")
    if rows == 0:
        return ffi.from_buffer("uint32_t[]", array("I", (0,))), 0
    return ffi.from_buffer("uint32_t[]", numbers), 1
