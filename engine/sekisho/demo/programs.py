"""Running the programs of the system that the demo talks to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sekisho.demo import Missing

__all__ = ["ProgramError", "need", "run"]

TIMEOUT = 60  # seconds; none of these takes more than one


class ProgramError(RuntimeError):
    """A program of the system failed; the message has what it said."""


def need(program: str, package: str) -> str:
    """The program's path.

    Raises:
        Missing: it is not installed; it comes with Debian's `package`.
    """
    found = shutil.which(program)
    if found is None:
        raise Missing(program, package)
    return found


def run(*arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None, ok: bool = True) -> str:
    """Runs a program in `folder`, and returns what it said on both streams.

    Raises:
        ProgramError: it failed although `ok` asks that it should not.
    """
    done = subprocess.run(
        [str(one) for one in arguments],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT,
        check=False,
    )
    said = done.stdout.decode("utf-8", errors="replace")
    if ok and done.returncode != 0:
        command = " ".join(str(one) for one in arguments)
        raise ProgramError(f"`{command}` ended with {done.returncode}:\n{said.strip()}")
    return said
