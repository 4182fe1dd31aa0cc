"""Claims: which challenges of this machine were accepted, in shared memory that every process maps and no kill can break."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from sekisho._native import NativeError, check, ffi, lib

__all__ = ["Claims", "ClaimsStatistics", "default_path"]

CAPACITY_DEFAULT: Final = 1 << 20  # live claims; 3,500 acceptances a second over a life of 300 s; 40 MB at most

_ORIGINS: Final = {
    lib.SEKI_CLAIMS_FOUND: "found",
    lib.SEKI_CLAIMS_MADE: "made",
    lib.SEKI_CLAIMS_REMADE_DAMAGED: "remade-damaged",
    lib.SEKI_CLAIMS_REMADE_BOOT: "remade-boot",
}


@dataclass(frozen=True, slots=True)
class ClaimsStatistics:
    """What a set of claims holds (`slots` to `skew`: in all processes), and what this process did with it."""

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
    """A set of claims at a path. Open it with `Claims.open`; share it by threads; forked processes may go on using it."""

    def __init__(self, native: Any, path: str) -> None:
        self.native = native
        self.path = path

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        capacity: int = CAPACITY_DEFAULT,
        skew: int = 0,
        fresh: bool = False,
    ) -> Self:
        """Open the set at `path`, or make it (mode 0600) if it is missing, damaged or of an earlier boot.

        Args:
            path: a file on a local file system, best one in memory; None: `default_path()`.
            capacity: live claims it must hold: acceptances a second times the challenges' lifetime; 20 to 40 bytes each. A
                set that is there already keeps its own.
            skew: seconds by which an issuing machine's clock may be ahead of this one's, 0 to 60.
            fresh: no challenge of these keys was ever accepted before (first installation, a test). Never for a restart:
                without it a set made anew refuses with `CLAIMS_LOST` whatever was issued before its first batch.

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
                errno.EOPNOTSUPP: "a set of claims cannot lie on a network file system: name a path under /dev/shm or /run",
            }
            raise OSError(number, hints.get(number, os.strerror(number)), name)
        if status == lib.SEKI_E_DAMAGED:
            raise NativeError(f"{name} is not a set of claims and never was one; it is left alone: name another path")
        check(status, f"opening the claims at {name} (capacity 64 to 67108864, skew 0 to 60)")
        return cls(ffi.gc(out[0], lib.seki_claims_free), name)

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
