"""Builds sekisho._sekisho, the C core, with cffi in API mode (abi3).

The declared surface is native/include/sekisho.h: what stands there between its cdef marks goes to cffi.

Environment:
    SEKISHO_MULTIBUFFER=0   leave Intel's crypto_mb out even where it could be linked
    SEKISHO_SANITIZE=1      AddressSanitizer and UndefinedBehaviorSanitizer, for `make sanitize`
    SEKISHO_TEST_FAULTS=1   tests may plant faults in lane kernels (seki_kernels_plant); never in a wheel
    SEKISHO_WERROR=1        warnings are errors (set in CI; not for users, whose compilers we have not met)
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

from cffi import FFI

NATIVE = Path(__file__).resolve().parent
ROOT = NATIVE.parent

# libcrypto_mb.a of ipp-crypto-static 2026.2.0, x86-64 Linux; another archive is not linked.
CRYPTO_MB_SHA256 = "fcf1870dc5fcb03dff876b3a0fb77fe689cb33b33d7edaca22514bacc2df7813"


def declarations() -> str:
    """The part of sekisho.h between its cdef marks, without the attributes that only compilers read."""
    header = (NATIVE / "include" / "sekisho.h").read_text()
    inside = header.split("/* cdef: begin */", 1)[1].split("/* cdef: end */", 1)[0]
    return re.sub(r"\bSEKI_MUST_USE\b", "", inside)


def version() -> str:
    """The package's version, read without importing the package."""
    text = (ROOT / "engine" / "sekisho" / "_version.py").read_text()
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("native/build.py: engine/sekisho/_version.py has no __version__")
    return found.group(1)


def crypto_mb() -> tuple[Path, Path] | None:
    """Include folder and archive of crypto_mb, or None where it is not wanted or not to be had."""
    if os.environ.get("SEKISHO_MULTIBUFFER", "1") == "0":
        return None
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        archive = _file_of("ipp-crypto-static", "libcrypto_mb.a")
        header = _file_of("ipp-crypto-include", "crypto_mb/rsa.h")
    except importlib.metadata.PackageNotFoundError:
        print("native/build.py: crypto_mb is not installed; building without it", file=sys.stderr)
        return None
    if hashlib.sha256(archive.read_bytes()).hexdigest() != CRYPTO_MB_SHA256:
        raise SystemExit(
            f"native/build.py: {archive} is not the pinned archive; set SEKISHO_MULTIBUFFER=0 to build without"
        )
    return header.parent.parent, archive


def _file_of(package: str, ending: str) -> Path:
    for file in importlib.metadata.files(package) or []:
        if str(file).endswith(ending):
            return Path(str(file.locate())).resolve()
    raise importlib.metadata.PackageNotFoundError(package)


def builder() -> FFI:
    ffi = FFI()
    ffi.cdef(declarations())
    macros: list[tuple[str, str | None]] = [("SEKI_VERSION", f'"{version()}"')]
    include = [str(NATIVE / "include")]
    objects: list[str] = []
    if (found := crypto_mb()) is not None:
        include.append(str(found[0]))
        objects.append(str(found[1]))
        macros.append(("SEKI_HAVE_CRYPTO_MB", "1"))
    if os.environ.get("SEKISHO_TEST_FAULTS") == "1":
        macros.append(("SEKI_TEST_FAULTS", "1"))
    compile_args = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-fvisibility=hidden", "-fstack-protector-strong"]
    compile_args += ["-Wno-unused-parameter", "-Wno-missing-field-initializers"]  # of cffi's own output
    link_args = ["-Wl,-z,relro,-z,now", "-Wl,--exclude-libs,ALL"]
    if os.environ.get("SEKISHO_WERROR") == "1":
        compile_args.append("-Werror")
    if os.environ.get("SEKISHO_SANITIZE") == "1":
        # -O1: the unrolled kernels take minutes to compile otherwise
        sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-O1"]
        compile_args += sanitize
        link_args += sanitize
    ffi.set_source(
        "sekisho._sekisho",
        '#include "sekisho.h"',
        sources=sorted(os.path.relpath(path, ROOT) for path in (NATIVE / "src").glob("*.c")),
        depends=sorted(os.path.relpath(path, ROOT) for path in NATIVE.glob("*/*.[hi]*")),
        include_dirs=include,
        define_macros=macros,
        extra_objects=objects,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        libraries=["crypto", "pthread"],
        py_limited_api=True,
    )
    return ffi


ffibuilder = builder()
