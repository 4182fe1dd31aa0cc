"""Verdicts: a numpy structured array from the core, and a view of one row that is hard to misread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from sekisho._native import lib
from sekisho.reasons import Reason

__all__ = ["BACKENDS", "FLAGS", "LOGIN_VERDICT", "REVOCATION_SOURCES", "SIGNATURE_VERDICT", "Verdict", "Verdicts"]

SIGNATURE_VERDICT: Final = np.dtype([("reason", "<u2"), ("backend", "u1"), ("flags", "u1")])
LOGIN_VERDICT: Final = np.dtype(
    [
        ("reason", "<u2"),
        ("backend", "u1"),
        ("flags", "u1"),
        ("revocation_age", "<i4"),
        ("certificate", "<u8"),
        ("snapshot", "<u8"),
        ("revocation_by", "u1"),
    ],
    align=True,  # seven bytes of 0 at the end, as in a `seki_verdict`
)

BACKENDS: Final = {
    lib.SEKI_BACKEND_NONE: "none",
    lib.SEKI_BACKEND_OPENSSL: "openssl",
    lib.SEKI_BACKEND_CRYPTO_MB: "crypto-mb",
    lib.SEKI_BACKEND_IFMA: "ifma",
    lib.SEKI_BACKEND_AVX512: "avx512",
    lib.SEKI_BACKEND_AVX2: "avx2",
}
FLAGS: Final = {
    "confirmed": lib.SEKI_FLAG_CONFIRMED,
    "cross-checked": lib.SEKI_FLAG_CROSS_CHECKED,
    "mended": lib.SEKI_FLAG_MENDED,
    "cache-hit": lib.SEKI_FLAG_CACHE_HIT,
    "repeated": lib.SEKI_FLAG_REPEATED,
    "revocation-off": lib.SEKI_FLAG_REVOCATION_OFF,
    "slow-path": lib.SEKI_FLAG_SLOW_PATH,
    "revocation-soft": lib.SEKI_FLAG_REVOCATION_SOFT,
}
REVOCATION_SOURCES: Final = {"crl": lib.SEKI_BY_CRL, "ocsp": lib.SEKI_BY_OCSP}


class Verdict:
    """One row of `Verdicts`. Ask for `.ok` or `.reason`; it has no truth value."""

    __slots__ = ("_row", "_wanted", "index")

    def __init__(self, row: Any, wanted: Reason, index: int) -> None:
        self._row = row
        self._wanted = wanted
        self.index = index

    @property
    def reason(self) -> Reason:
        """Why."""
        return Reason(int(self._row["reason"]))

    @property
    def ok(self) -> bool:
        """Whether the row is what its call asks for: accepted, a right signature, a valid certificate."""
        return self.reason is self._wanted

    @property
    def backend(self) -> str:
        """Who decided the signature: see `BACKENDS`."""
        return BACKENDS[int(self._row["backend"])]

    @property
    def flags(self) -> frozenset[str]:
        """See `FLAGS`."""
        bits = int(self._row["flags"])
        return frozenset(name for name, bit in FLAGS.items() if bits & bit)

    @property
    def revocation_by(self) -> frozenset[str]:
        """What said that the certificate, or a CA's above it, is good or revoked: see `REVOCATION_SOURCES`."""
        bits = int(self._row["revocation_by"]) if "revocation_by" in (self._row.dtype.names or ()) else 0
        return frozenset(name for name, bit in REVOCATION_SOURCES.items() if bits & bit)

    @property
    def certificate(self) -> int:
        """Handle for `Verifier.certificate`, good in this process; 0: none."""
        return int(self._row["certificate"]) if "certificate" in (self._row.dtype.names or ()) else 0

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value: ask for verdict.ok, or verdict.reason")

    def __str__(self) -> str:
        notes = f" ({', '.join(sorted(self.flags))})" if self.flags else ""
        return f"row {self.index}: {self.reason.kebab}{notes}"

    def __repr__(self) -> str:
        return f"<Verdict {self}>"


class Verdicts:
    """A verdict for every row of a batch, in its order.

    `array` is the structured array itself (dtype SIGNATURE_VERDICT or LOGIN_VERDICT), `ok` a boolean array.
    """

    __slots__ = ("_wanted", "array")

    def __init__(self, array: NDArray[Any], wanted: Reason) -> None:
        self.array = array
        self._wanted = wanted

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which rows are what the call asks for."""
        answer: NDArray[np.bool_] = self.array["reason"] == int(self._wanted)
        return answer

    def count(self) -> dict[Reason, int]:
        """How many rows have which reason, the most frequent first."""
        values, counts = np.unique(self.array["reason"], return_counts=True)
        found = Counter({Reason(int(value)): int(count) for value, count in zip(values, counts, strict=True)})
        return dict(found.most_common())

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Verdict:
        return Verdict(self.array[index], self._wanted, range(len(self.array))[index])

    def __iter__(self) -> Iterator[Verdict]:
        for index in range(len(self.array)):
            yield self[index]

    def __bool__(self) -> NoReturn:
        raise TypeError("a batch of verdicts has no truth value: ask for verdicts.ok.all(), or look at the rows")

    def __repr__(self) -> str:
        return f"<Verdicts of {len(self)}: {', '.join(f'{r.kebab} {n}' for r, n in self.count().items())}>"
