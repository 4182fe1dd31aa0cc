"""The C core, loaded and checked: `ffi` and `lib` for the modules that talk to it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from sekisho._version import __version__

try:
    _sekisho: Any = import_module("sekisho._sekisho")
except ImportError as error:  # pragma: no cover - needs a broken installation
    raise ImportError(
        f"sekisho's C core cannot be loaded ({error}). It needs OpenSSL 3 (Debian: apt-get install libssl3) and a "
        "build for this Python: run `pip install --force-reinstall sekisho`, or `make demo` in a checkout."
    ) from error

ffi: Any = _sekisho.ffi
lib: Any = _sekisho.lib

_built_for = ffi.string(lib.seki_version()).decode("ascii")
if _built_for != __version__:
    raise ImportError(
        f"sekisho {__version__} found a C core built for {_built_for} at {_sekisho.__file__}: "
        "two installations are mixed. Reinstall sekisho, or run `make demo` in a checkout."
    )


class NativeError(RuntimeError):
    """The core itself failed (out of memory, OpenSSL, the system): no verdict of the call is trustworthy."""


_MESSAGES = {
    lib.SEKI_E_MEMORY: "out of memory",
    lib.SEKI_E_OPENSSL: "OpenSSL failed for a reason of its own",
    lib.SEKI_E_SYSTEM: "a system call failed",
    lib.SEKI_E_DAMAGED: "a shared structure is damaged",
    lib.SEKI_E_FORKED: "it belongs to the process that made it, and this is a child of that: make it after fork()",
}


def check(status: int, doing: str) -> None:
    """Raise for every status but SEKI_OK.

    Raises:
        ValueError: the arguments broke the core's rules; nothing was done.
        MemoryError: out of memory.
        NativeError: anything else that is not the caller's fault.
    """
    if status == lib.SEKI_OK:
        return
    if status == lib.SEKI_E_ARGUMENT:
        raise ValueError(f"{doing}: the arguments do not have the form that the core requires")
    if status == lib.SEKI_E_MEMORY:
        raise MemoryError(doing)
    detail = f" (errno {ffi.errno})" if status == lib.SEKI_E_SYSTEM else ""
    raise NativeError(f"{doing}: {_MESSAGES.get(status, f'status {status}')}{detail}")


if sys.byteorder != "little":  # pragma: no cover - no such machine is built for
    raise ImportError("sekisho's columns are little-endian; this machine is not")
