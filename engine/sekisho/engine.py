"""The engine: native threads, lane kernels and the parsing cache, shared by everything in a process."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any, Final

from sekisho._native import check, ffi, lib

__all__ = ["KERNELS", "CacheStatistics", "Engine", "Kernel", "default_engine", "disable_kernel", "kernels"]

CACHE_BYTES_DEFAULT: Final = 256 * 1024 * 1024  # a city of 330,000 at 768 bytes each
CACHE_BYTES_MIN: Final[int] = lib.SEKI_CACHE_BYTES_MIN
CROSS_CHECK_DEFAULT: Final = 1024  # one acceptance of a lane in so many is checked by OpenSSL too: 0.3 % of a core


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What the parsing cache holds and how it is used; `bytes` counts entries, index and the table of forged ones."""

    entries: int
    bytes: int
    bytes_max: int
    hits: int
    misses: int
    inserted: int
    evicted: int
    forged_hits: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """What stands of a lane kernel in this process.

    `state` is "absent" (not in this CPU or build), "on", "off-requested", "off-self-test" (failed its known-answer
    test) or "off-wrong-accept" (accepted what OpenSSL refused: an alarm). `chosen`: it answers for RSA-2048.
    """

    name: str
    state: str
    chosen: bool
    lanes: int
    rejected: int
    mended: int
    ns_per_row: float


_STATES: Final = {
    lib.SEKI_KERNEL_ABSENT: "absent",
    lib.SEKI_KERNEL_ON: "on",
    lib.SEKI_KERNEL_OFF_REQUESTED: "off-requested",
    lib.SEKI_KERNEL_OFF_SELF_TEST: "off-self-test",
    lib.SEKI_KERNEL_OFF_WRONG_ACCEPT: "off-wrong-accept",
}
KERNELS: Final = {
    "rsa-avx512": lib.SEKI_KERNEL_RSA_AVX512,
    "rsa-ifma": lib.SEKI_KERNEL_RSA_IFMA,
    "rsa-crypto-mb": lib.SEKI_KERNEL_RSA_CRYPTO_MB,
    "rsa-avx2": lib.SEKI_KERNEL_RSA_AVX2,
    "p256": lib.SEKI_KERNEL_P256,
    "p384": lib.SEKI_KERNEL_P384,
    "ed25519": lib.SEKI_KERNEL_ED25519,
    "sha256": lib.SEKI_KERNEL_SHA256,
}


def kernels() -> list[Kernel]:
    """Every lane kernel there is, with its state and counters in this process."""
    found = []
    for name, number in KERNELS.items():
        report = ffi.new("seki_kernel_report *")
        check(lib.seki_kernels_report(number, report), "reading a kernel's state")
        found.append(
            Kernel(
                name=name,
                state=_STATES[report.state],
                chosen=bool(report.chosen),
                lanes=report.lanes,
                rejected=report.rejected,
                mended=report.mended,
                ns_per_row=report.ns_per_row,
            )
        )
    return found


def disable_kernel(name: str) -> None:
    """Switch a lane kernel off for this process; OpenSSL answers in its place.

    Raises:
        KeyError: there is no kernel of that name (see `KERNELS`).
    """
    check(lib.seki_kernels_disable(KERNELS[name]), "switching a kernel off")


class Engine:
    """Native threads and a parsing cache.

    Args:
        threads: how many work on a batch, the calling one included; None: one for each CPU this process may use.
        cache_bytes: bound of the parsing cache, in bytes, at least 2 MiB; 0: no cache.
        cross_check_one_in: how many acceptances of a lane go by between two that OpenSSL checks too; 1: every one is
            checked, 0: none.

    Raises:
        ValueError: no thread, more than 256, or a cache below 2 MiB.

    Safe to share by threads, and to use in a process forked after it was made. The environment variable
    SEKISHO_LANES=0 switches every lane kernel off.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES_DEFAULT,
        cross_check_one_in: int = CROSS_CHECK_DEFAULT,
    ) -> None:
        if cache_bytes and cache_bytes < CACHE_BYTES_MIN:
            raise ValueError(f"cache_bytes must be 0 (no cache) or at least {CACHE_BYTES_MIN}, not {cache_bytes}")
        _obey_environment()
        self.threads = threads if threads is not None else len(os.sched_getaffinity(0))
        options = ffi.new("seki_engine_options *", (self.threads, cross_check_one_in, cache_bytes))
        out = ffi.new("seki_engine **")
        check(lib.seki_engine_new(options, out), f"making an engine of {self.threads} threads")
        self.native: Any = ffi.gc(out[0], lib.seki_engine_free)

    def cache_statistics(self) -> CacheStatistics:
        """The parsing cache, counted now."""
        out = ffi.new("seki_cache_statistics *")
        check(lib.seki_engine_cache_statistics(self.native, out), "reading the cache's statistics")
        return CacheStatistics(**{name: getattr(out, name) for name in CacheStatistics.__dataclass_fields__})

    def clear_cache(self) -> None:
        """Forget every certificate; the counters stay."""
        lib.seki_engine_cache_clear(self.native)


def _obey_environment() -> None:
    if os.environ.get("SEKISHO_LANES", "1") == "0":
        for name in KERNELS:
            disable_kernel(name)


_default: Engine | None = None
_default_lock = threading.Lock()


def default_engine() -> Engine:
    """The process's own engine, made at first use with the defaults."""
    global _default  # noqa: PLW0603 - one for the process is the point
    with _default_lock:
        if _default is None:
            _default = Engine()
        return _default
