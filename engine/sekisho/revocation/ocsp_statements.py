"""What OCSP responses establish, a row each: as the core takes it, and as people read it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sekisho._native import lib
from sekisho.reasons import Reason
from sekisho.revocation.ocsp_response import NO_TIME, OcspSingle

__all__ = ["NOTHING", "OCSP_STATEMENT", "OcspStatement", "OcspStatements", "packed"]

OCSP_STATEMENT: Final = np.dtype(
    [
        ("status", "u1"),
        ("reason", "u1"),
        ("serial_length", "u1"),
        ("zero", "u1", (5,)),
        ("this_update", "<i8"),
        ("next_update", "<i8"),
        ("revoked_at", "<i8"),
        ("issuer", "u1", (32,)),
        ("serial", "u1", (20,)),
        ("doubts", "<u4"),
    ]
)
"""A `seki_ocsp_statement`."""
_ROW: Final = struct.Struct("<BBB5xqqq32s20sI")
NOTHING: Final = bytes(_ROW.size)
"""The row of a certificate of which nothing is established."""
_STATUS: Final = {
    lib.SEKI_OCSP_NONE: "none",
    lib.SEKI_OCSP_GOOD: "good",
    lib.SEKI_OCSP_REVOKED: "revoked",
    lib.SEKI_OCSP_UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class OcspStatement:
    """What is established of one row's certificate.

    Attributes:
        status: "good", "revoked", "unknown" (the responder knows it not: never good), or "none".
        refusal: why nothing is established, where "none"; None if the row had no response.
        crl_reason, revoked_at: where revoked.
        this_update: None where "none".
        next_update: None if the response does not say.
    """

    status: str
    refusal: Reason | None
    crl_reason: int | None
    revoked_at: int | None
    this_update: int | None
    next_update: int | None


class OcspStatements:
    """A statement for every row, in order.

    `array` is what the core takes (dtype OCSP_STATEMENT), `reasons` say why a row has none (0: it has one, or had no response).
    """

    __slots__ = ("array", "reasons")

    def __init__(self, array: NDArray[Any], reasons: NDArray[np.uint16]) -> None:
        self.array = array
        self.reasons = reasons

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> OcspStatement:
        row, reason = self.array[index], int(self.reasons[index])
        status = int(row["status"])
        revoked = status == lib.SEKI_OCSP_REVOKED
        until = int(row["next_update"])
        return OcspStatement(
            status=_STATUS[status],
            refusal=Reason(reason) if reason else None,
            crl_reason=int(row["reason"]) if revoked else None,
            revoked_at=int(row["revoked_at"]) if revoked else None,
            this_update=int(row["this_update"]) if status else None,
            next_update=until if status and until != NO_TIME else None,
        )

    def __iter__(self) -> Iterator[OcspStatement]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        # A log line must not carry whose certificates they are.
        counts = np.bincount(self.array["status"], minlength=len(_STATUS))
        told = ", ".join(f"{name} {counts[number]}" for number, name in _STATUS.items() if counts[number])
        return f"<OcspStatements of {len(self)}: {told}>"


def packed(single: OcspSingle, issuer: bytes, doubts: int) -> bytes:
    """A row, of a certificate under the key with that identity; `doubts` as in sekisho.h."""
    serial = single.serial.lstrip(b"\0") or b"\0"
    return _ROW.pack(
        single.status,
        single.reason,
        len(serial),
        single.this_update,
        NO_TIME if single.next_update is None else single.next_update,
        NO_TIME if single.revoked_at is None else single.revoked_at,
        issuer,
        serial,
        doubts,
    )
