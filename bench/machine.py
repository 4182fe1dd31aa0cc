"""What a figure was measured on, and with what."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sekisho
from sekisho._native import ffi, lib
from sekisho.engine import kernels

__all__ = ["describe", "lanes_note"]


def describe(peers: dict[str, str]) -> dict[str, Any]:
    """CPU, kernel, clock, lane kernels and versions; `peers`: version, or why it is not there, of each peer."""
    from cryptography.hazmat.backends.openssl import backend  # noqa: PLC0415 - keeps `--help` fast

    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "linux": platform.release(),
        "clock": _clock(),
        "ifma": _has_flag("avx512ifma"),
        "sha_ni": _has_flag("sha_ni"),
        "load": round(os.getloadavg()[0], 2),
        "kernels": [
            {
                "name": kernel.name,
                "state": kernel.state,
                "chosen": kernel.chosen,
                "ns_per_row": round(kernel.ns_per_row, 1),
            }
            for kernel in kernels()
        ],
        "python": platform.python_version(),
        "sekisho": sekisho.__version__,
        "openssl": ffi.string(lib.seki_openssl_version()).decode(),
        "cryptography": version("cryptography"),
        "cryptography_openssl": backend.openssl_version_text(),
        "peers": peers,
    }


def lanes_note(machine: dict[str, Any]) -> str:
    """One sentence on which kernels these figures are of."""
    state = {kernel["name"]: kernel["state"] for kernel in machine["kernels"]}
    chosen = [kernel["name"] for kernel in machine["kernels"] if kernel["chosen"]]
    rsa = f"RSA-2048 by {chosen[0]}" if chosen else "RSA by OpenSSL"
    lanes = [name for name in ("p256", "p384", "ed25519") if state[name] == "on"]
    scalar = [name for name in ("p256", "p384", "ed25519") if name not in lanes]
    note = "" if machine["ifma"] else "this machine has no AVX-512 IFMA; "
    note += rsa
    if lanes:
        note += f"; {', '.join(lanes)} by crypto_mb"
    if scalar:
        note += f"; {', '.join(scalar)} by OpenSSL, so about 1x it"
    return note


def _cpu() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _clock() -> dict[str, str]:
    base = "/sys/devices/system/cpu/cpu0/cpufreq/"
    readings = {"governor": _read(base + "scaling_governor"), "khz_max": _read(base + "cpuinfo_max_freq")}
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("cpu MHz"):
            readings["mhz_now"] = line.partition(":")[2]
            break
    return {name: value.strip() or "not readable" for name, value in readings.items()}


def _has_flag(flag: str) -> bool:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return flag in line.split()
    return False


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
