"""What every benchmark is told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Options", "threads_from"]


@dataclass(frozen=True)
class Options:
    """Settings of a run.

    Attributes:
        cases: which cases to run.
        threads: thread counts.
        batches: rows a call.
        rounds: interleaved rounds.
        slice_seconds: how long each contestant runs in a round, about.
        keys: distinct keys, or certificates, per case.
        peers: which peers to run beside us.
        cpu_time: rates of one thread are of CPU seconds.
    """

    cases: Sequence[str]
    threads: Sequence[int]
    batches: Sequence[int]
    rounds: int
    slice_seconds: float
    keys: int
    peers: Sequence[str]
    cpu_time: bool = False

    @property
    def headline_batch(self) -> int:
        """The batch size whose ratios are the headline: 1,024 where it is measured, else the largest."""
        return 1024 if 1024 in self.batches else max(self.batches)

    @property
    def workers(self) -> int:
        """Threads to sign with."""
        return len(os.sched_getaffinity(0))


def threads_from(text: str) -> tuple[int, ...]:
    """ "1,all" to (1, 4) on a machine of four cores.

    Raises:
        ValueError: not numbers from 1 on.
    """
    all_of_them = len(os.sched_getaffinity(0))
    numbers = [all_of_them if part.strip() == "all" else int(part) for part in text.split(",")]
    if not numbers or min(numbers) < 1:
        raise ValueError(f"threads are numbers from 1 on, or `all`, not {text!r}")
    return tuple(dict.fromkeys(numbers))
