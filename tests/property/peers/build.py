"""Builds the differential tests' own way into OpenSSL, with cffi in API mode, once for each content of its sources.

Built like the peers of the benchmarks: into the cache folder, under a name that the sources decide.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from cffi import FFI

from sekisho.testing.keys import cache_folder

_HERE: Final = Path(__file__).parent
_SOURCES: Final = ("openssl_paths.c", "openssl_paths.h", "build.py")


@cache
def openssl() -> Any:
    """The module: `ffi` and `lib`, of openssl_paths.h."""
    digest = hashlib.sha256(sys.version.encode())
    for name in _SOURCES:
        digest.update((_HERE / name).read_bytes())
    name = f"_openssl_paths_{digest.hexdigest()[:16]}"
    folder = cache_folder() / "test-peers"
    target = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            built = Path(_compiled(name, scratch))
            half = target.with_suffix(f".{os.getpid()}")
            shutil.copyfile(built, half)
            os.replace(half, target)  # another process may build the same
    spec = importlib.util.spec_from_file_location(name, target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compiled(name: str, folder: str) -> str:
    ffi = FFI()
    header = (_HERE / "openssl_paths.h").read_text()
    ffi.cdef(header.split("/* cdef: begin */", 1)[1].split("/* cdef: end */", 1)[0])
    ffi.set_source(
        name,
        '#include "openssl_paths.h"',
        sources=[str(_HERE / "openssl_paths.c")],
        include_dirs=[str(_HERE)],
        libraries=["crypto"],
        extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter"],
    )
    return str(ffi.compile(tmpdir=folder))
