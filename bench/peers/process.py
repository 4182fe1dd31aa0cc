"""A peer as a child process, or as one for each thread: a line to it, a line back (the protocol is in loop.h).

Only the child looks at the clock, around the verification alone: neither pipe nor Python is in a peer's time.
"""

from __future__ import annotations

import selectors
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, Self

from bench.rounds import Timing

__all__ = ["PeerError", "PeerGroup"]

ANSWER_SECONDS_MAX: Final = 300.0  # a peer that says nothing for so long never will
_REPOSITORY: Final = Path(__file__).parents[2]


class PeerError(RuntimeError):
    """A peer ended or spoke out of turn; the message carries its last words."""


class _Child:
    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, cwd=_REPOSITORY
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._rest = b""
        self.version = self.read("ready")

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure("ended") from None

    def read(self, wanted: str) -> str:
        """The rest of the next line, which begins with `wanted`."""
        while b"\n" not in self._rest:
            if not self._selector.select(ANSWER_SECONDS_MAX):
                raise self._failure(f"said nothing for {ANSWER_SECONDS_MAX:.0f} s")
            chunk = self._output.read1(1 << 20)  # type: ignore[attr-defined]
            if not chunk:
                raise self._failure("ended")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        word, _, rest = line.decode(errors="replace").partition(" ")
        if word != wanted:
            raise self._failure(f"said {word!r} instead of {wanted!r}")
        return rest

    def close(self) -> None:
        self._selector.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._errors.close()

    def _failure(self, what: str) -> PeerError:
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        return PeerError(f"{Path(self.command[0]).name} {what}: {words[-1] if words else 'without a word'}")


class PeerGroup:
    """`threads` children of one peer, which run at the same time, each through all rows of the file.

    Satisfies `rounds.Contestant` with rows spread evenly over the children; the slowest one's time counts.
    """

    def __init__(self, name: str, command: Sequence[str], threads: int, warm_up: float) -> None:
        self.name = name
        self.step = threads
        self.warm_up = warm_up
        self._children: list[_Child] = []
        try:
            for _ in range(threads):
                self._children.append(_Child(command))
        except BaseException:
            self.close()
            raise

    @property
    def version(self) -> str:
        return self._children[0].version

    def check(self) -> str:
        """'1' or '0' for every row of the file."""
        self._children[0].say("check")
        return self._children[0].read("check")

    def run(self, rows: int) -> Timing:
        each = max(1, rows // len(self._children))
        for child in self._children:
            child.say(f"run {each}")
        seconds, cpu, wrong = 0.0, 0.0, 0
        for child in self._children:
            took, cpu_took, errors = child.read("ran").split()
            seconds, cpu, wrong = max(seconds, float(took)), max(cpu, float(cpu_took)), wrong + int(errors)
        return Timing(each * len(self._children), seconds, cpu, wrong)

    def close(self) -> None:
        for child in self._children:
            child.close()
        self._children.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
