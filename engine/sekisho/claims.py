"""Claims: which challenges of this machine were accepted, in memory that all processes share and no kill can break."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from sekisho._native import NativeError, check, ffi, lib
from sekisho.batch import Column, ColumnLike
from sekisho.challenges import ChallengeKeys, column_pointer, expectation
from sekisho.valkey import Valkey

__all__ = ["OUTCOME_FAILED", "OUTCOME_GOOD", "OUTCOME_NONE", "Claims", "ClaimsStatistics", "default_path"]

OUTCOME_NONE: Final[int] = lib.SEKI_OUTCOME_NONE
OUTCOME_GOOD: Final[int] = lib.SEKI_OUTCOME_GOOD
OUTCOME_FAILED: Final[int] = lib.SEKI_OUTCOME_FAILED

AHEAD_MAX: Final = 86_400  # seconds; a clock that is a day wrong is noticed elsewhere
CAPACITY_DEFAULT: Final = 1 << 20  # live claims; 3,500 acceptances a second over a life of 300 s; 50 MB

_ORIGINS: Final = {
    lib.SEKI_CLAIMS_FOUND: "found",
    lib.SEKI_CLAIMS_MADE: "made",
    lib.SEKI_CLAIMS_REMADE_DAMAGED: "remade-damaged",
    lib.SEKI_CLAIMS_REMADE_BOOT: "remade-boot",
}


@dataclass(frozen=True, slots=True)
class ClaimsStatistics:
    """What a set of claims holds (`capacity` to `skew`: in all processes), and what this process did with it."""

    capacity: int
    slots: int
    live: int
    failing: int
    locked: int
    failure_slots: int
    began: int
    newest: int
    skew: int
    origin: str
    lost: bool
    accepted: int
    repeated: int
    used: int
    full: int
    failures: int
    failures_uncounted: int


class Claims:
    """A set of claims at a path. Open it with `Claims.open`; threads share it, forked processes too."""

    def __init__(self, native: Any, path: str, latest: float | None = None) -> None:
        self.native = native
        self.path = path
        self.valkey: Valkey | None = None
        """Where these claims are shared with other machines; set by `open`."""
        self._ahead = None if latest is None else latest - time.time()

    def refuse_far_time(self, latest: int) -> None:
        """Refuses times that the set must not remember: it would call everything before them a clock that went back.

        Raises:
            ValueError: `latest` is more than a day ahead of the clock (the set opened as `fresh`, as tests do, takes any).
        """
        if self._ahead is not None and latest > time.time() + self._ahead + AHEAD_MAX:
            raise ValueError(
                f"{latest} is more than a day ahead of the clock: claims remember the newest time, and would refuse "
                "every login until then; judge times to come by a verifier without these claims"
            )

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        capacity: int = CAPACITY_DEFAULT,
        skew: int = 0,
        fresh: bool = False,
        at: int | None = None,
        valkey: Valkey | None = None,
    ) -> Self:
        """Open the set at `path`, or make it (mode 0600) if it is missing, damaged or of an earlier boot.

        Args:
            path: a file on a local file system, best one in memory; None: `default_path()`.
            capacity: live claims it must hold: acceptances a second times the challenges' lifetime; 48 bytes each.
                A set that is there already keeps its own.
            skew: seconds by which an issuing machine's clock may be ahead of this one's, 0 to 60.
            fresh: no challenge of these keys was ever accepted before (first installation, a test). Never for a
                restart: without it a set made anew refuses whatever was issued before (`CLAIMS_LOST`).
            at: the time now, seconds since 1970-01-01T00:00:00Z, by which a set made anew begins; None: the clock's.
            valkey: where to claim too, of the same skew; None: no other machine has the keys. With it, times that are not the
                clock's are of no use: the server keeps claims by the clock.

        Raises:
            ValueError: a capacity or skew outside its range.
            PermissionError: the file is another user's, or others can open it.
            OSError: the system refused.
            NativeError: there is a file that never was a set of claims; it is left alone.
        """
        name = os.fspath(path) if path is not None else os.fspath(default_path())
        out = ffi.new("seki_claims **")
        status = lib.seki_claims_open(os.fsencode(name), capacity, skew, lib.SEKI_CLAIMS_FRESH if fresh else 0, out)
        if status == lib.SEKI_E_SYSTEM:
            number = ffi.errno
            hints = {
                errno.EPERM: "it belongs to another user, or others can open it: remove it, or name another path",
                errno.EOPNOTSUPP: "claims cannot lie on a network file system: name a path under /dev/shm or /run",
            }
            raise OSError(number, hints.get(number, os.strerror(number)), name)
        if status == lib.SEKI_E_DAMAGED:
            raise NativeError(f"{name} is not a set of claims and never was one; it is left alone: name another path")
        check(status, f"opening the claims at {name} (capacity 64 to 67108864, skew 0 to 60)")
        now = int(time.time()) if at is None else at
        claims = cls(ffi.gc(out[0], lib.seki_claims_free), name, None if fresh else now)
        if not fresh and claims.statistics().origin != "found":
            check(lib.seki_claims_not_before(claims.native, now), f"beginning the claims at {now} (seconds)")
        if valkey is not None:
            check(lib.seki_claims_share(claims.native, valkey.native), "sharing claims")
            claims.valkey = valkey  # used by address, as long as the claims are
        return claims

    def redeem(
        self,
        keys: ChallengeKeys,
        tokens: ColumnLike,
        *,
        profile: int,
        tenant: int = 0,
        audience: str = "",
        skew: int = 0,
        bindings: ColumnLike | None = None,
        transactions: ColumnLike | None = None,
        requests: NDArray[np.uint64] | None = None,
        outcomes: NDArray[np.uint8] | None = None,
        at: int | None = None,
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        """Check challenges and use them up, for those who verify signatures themselves (a `Verifier` does all this).

        Args:
            keys: what checks the tokens.
            tokens: N of them.
            profile, tenant, audience, skew, bindings, transactions: as in `ChallengeKeys.check`.
            requests: N fingerprints (uint64, by a keyed or cryptographic hash) of tenant, request id and all bytes of a
                request; 0 where it has no id. A used challenge that comes with its own one again is `ACCEPTED` again,
                as repeated.
            outcomes: N of `OUTCOME_GOOD` (all else has passed: use it up), `OUTCOME_FAILED` (its signature was wrong:
                count it) or `OUTCOME_NONE` (only look); None: all good.
            at: seconds since 1970-01-01T00:00:00Z; None: now. Must be read after the set was opened.

        Returns:
            reasons, uint16 of N: `ACCEPTED` for what was used up just now or is repeated, `CHALLENGE_OK`,
            `SIGNATURE_WRONG`, or why not; and repeated, bool of N.

        Raises:
            ValueError: arrays of different lengths, or a number outside its range. Nothing was claimed.
        """
        now = int(time.time()) if at is None else at
        self.refuse_far_time(now)
        column = Column.of(tokens)
        keep = [column]
        reasons = np.full(column.rows, lib.SEKI_NOT_DECIDED, dtype=np.uint16)
        repeated = np.zeros(column.rows, dtype=np.bool_)
        expect = expectation(profile=profile, tenant=tenant, audience=audience, skew=skew)
        if column.rows:
            check(
                lib.seki_challenge_redeem_many(
                    keys.native,
                    self.native,
                    expect,
                    column.rows,
                    column.native,
                    column_pointer("bindings", bindings, column.rows, keep),
                    column_pointer("transactions", transactions, column.rows, keep),
                    _vector("requests", "uint64_t[]", requests, np.dtype(np.uint64), column.rows),
                    _vector("outcomes", "uint8_t[]", outcomes, np.dtype(np.uint8), column.rows),
                    now,
                    ffi.from_buffer("uint16_t[]", reasons, require_writable=True),
                    ffi.from_buffer("uint8_t[]", repeated, require_writable=True),
                ),
                "redeeming challenges (outcomes 0, 1 or 2, skew 0 to 60, a time of 0 or later in seconds)",
            )
        return reasons, repeated

    def statistics(self) -> ClaimsStatistics:
        """The set, counted now: about a millisecond a million slots."""
        out = ffi.new("seki_claims_statistics *")
        check(lib.seki_claims_read_statistics(self.native, out), "reading the claims' statistics")
        values = {name: getattr(out, name) for name in ClaimsStatistics.__dataclass_fields__}
        return ClaimsStatistics(**values | {"origin": _ORIGINS[out.origin], "lost": bool(out.lost)})

    def __repr__(self) -> str:
        return f"<Claims {self.path}>"


def default_path() -> Path:
    """$RUNTIME_DIRECTORY/claims where a service manager gives one, else /dev/shm/sekisho-claims-UID."""
    directory = os.environ.get("RUNTIME_DIRECTORY")
    return Path(directory.split(":")[0]) / "claims" if directory else Path(f"/dev/shm/sekisho-claims-{os.getuid()}")  # noqa: S108


def _vector(name: str, kind: str, values: NDArray[Any] | None, dtype: np.dtype[Any], rows: int) -> Any:
    if values is None:
        return ffi.NULL
    if values.dtype != dtype or values.shape != (rows,):
        raise ValueError(f"{rows} tokens want {rows} {name} of dtype {dtype}, not {values.shape} of {values.dtype}")
    return ffi.from_buffer(kind, np.ascontiguousarray(values))
