"""Interleaved rounds: every contestant runs once in each, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

__all__ = ["Contestant", "Rates", "Timing", "measure"]

WARM_UP_SECONDS: Final = 0.3  # the JVM wants more, and says so
ROWS_MAX: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Timing:
    """What one run took: rows verified, seconds by the clock on the wall, seconds of CPU (of the busiest thread or
    process), and how many answers were wrong."""

    rows: int
    seconds: float
    cpu_seconds: float
    wrong: int


class Contestant(Protocol):
    """Something that verifies rows.  `step` rows at least, and in multiples of it; `warm_up` in seconds."""

    @property
    def name(self) -> Hashable: ...
    @property
    def step(self) -> int: ...
    @property
    def warm_up(self) -> float: ...
    def run(self, rows: int) -> Timing: ...


@dataclass
class Rates:
    """Rows per second, one for each round."""

    per_round: list[float] = field(default_factory=list)
    wrong: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.per_round)

    @property
    def spread(self) -> float:
        return spread(self.per_round)

    def ratio(self, peer: Rates) -> tuple[float, float]:
        """Median and spread of this to `peer`, round by round."""
        ratios = [ours / theirs for ours, theirs in zip(self.per_round, peer.per_round, strict=True)]
        return statistics.median(ratios), spread(ratios)


def spread(values: Sequence[float]) -> float:
    """Distance between the quartiles as a share of the median; with fewer than four values, between the extremes."""
    if len(values) < 2:
        return 0.0
    if len(values) < 4:
        low, high = min(values), max(values)
    else:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / statistics.median(values)


def measure(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    slice_seconds: float,
    cpu_time: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict[Hashable, Rates]:
    """Runs every contestant once a round, each for about `slice_seconds`.

    Args:
        cpu_time: rates are of CPU seconds: on a machine that others use too, for contestants of one thread.
        progress: called after each run, warm-ups included, with what has run.
    """
    rates: dict[Hashable, Rates] = {}
    rows: dict[Hashable, int] = {}
    for contestant in contestants:
        rows[contestant.name], wrong = _calibrate(contestant, slice_seconds)
        rates[contestant.name] = Rates(wrong=wrong)
        if progress:
            progress(str(contestant.name))
    for number in range(rounds):
        # Each round begins with another contestant: nobody always runs behind the same neighbour.
        first = number % max(1, len(contestants))
        for contestant in [*contestants[first:], *contestants[:first]]:
            timing = contestant.run(rows[contestant.name])
            rates[contestant.name].per_round.append(timing.rows / (timing.cpu_seconds if cpu_time else timing.seconds))
            rates[contestant.name].wrong += timing.wrong
            if progress:
                progress(str(contestant.name))
    return rates


def _calibrate(contestant: Contestant, slice_seconds: float) -> tuple[int, int]:
    """Warms it up; returns how many rows take about `slice_seconds`, and the wrong answers on the way."""
    rows, spent, wrong = contestant.step, 0.0, 0
    while True:
        timing = contestant.run(rows)
        spent += timing.seconds
        wrong += timing.wrong
        wanted = timing.rows / max(timing.seconds, 1e-9) * slice_seconds
        wanted_steps = max(1, min(ROWS_MAX, round(wanted / contestant.step)))
        if spent >= min(contestant.warm_up, 10 * slice_seconds) and timing.seconds > slice_seconds / 4:
            return wanted_steps * contestant.step, wrong
        if timing.seconds > 2 * slice_seconds:  # a single step is more than a slice: no use in another
            return wanted_steps * contestant.step, wrong
        rows = max(contestant.step, min(wanted_steps * contestant.step, 8 * rows))
