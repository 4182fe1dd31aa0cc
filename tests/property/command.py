"""The command line that drivers of one reader share: so many mutated inputs, or those of a log once more."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

__all__ = ["command"]


class Report(Protocol):
    """What a driver found: kept inputs that nothing explains, and how many of each kind."""

    read: int
    unexplained: Counter[str]
    kept: list[str]


R = TypeVar("R", bound=Report)


def command(
    doc: str,
    what: str,
    *,
    seeds: Callable[[], object],
    hold: Callable[[int, object, Callable[[R], None]], R],
    again: Callable[[bytes, str], None],
    report: Callable[[], R],
    table: Callable[[R], str],
    count: Callable[[R], int],
    read: Callable[[R], str],
) -> None:
    """Runs a driver, and ends with 1 if something is unexplained.

    Args:
        what: plural of what is read; the log is named after the driver.
        hold: asks about so many inputs of a seed.
        again: asks about one input of a log, into the report that `report` gives.
        count: how many were asked about.
        read: how many were read, for people.
    """
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--count", type=int, default=100_000, help=f"how many {what} (100,000)")
    parser.add_argument("--seed", default="1", help="decides every mutation (1)")
    parser.add_argument("--log", type=Path, default=Path(f"{name}-disagreements.tsv"), help="where unexplained ones go")
    parser.add_argument("--replay", type=Path, metavar="FILE", help=f"ask again about the {what} of a log")
    chosen = parser.parse_args()
    started, told = time.monotonic(), [time.monotonic()]
    if chosen.replay:
        for line in chosen.replay.read_text().splitlines():
            again(bytes.fromhex(line.rpartition("\t")[2]), chosen.seed)
        replayed = report()
        print(table(replayed))
        sys.exit(1 if replayed.unexplained else 0)
    print(f"seed {chosen.seed}, {chosen.count} {what} of {len(seeds())} seeds", file=sys.stderr)  # type: ignore[arg-type]

    def progress(so_far: R) -> None:
        now = time.monotonic()
        if now - told[0] > 10:
            told[0] = now
            unexplained = sum(so_far.unexplained.values())
            print(f"{count(so_far)} {what}, {so_far.read} read, {unexplained} unexplained", file=sys.stderr)

    done = hold(chosen.count, chosen.seed, progress)
    print(table(done))
    if done.kept:
        chosen.log.write_text("\n".join(done.kept) + "\n")
        print(f"{len(done.kept)} {what} written to {chosen.log}")
    print(
        f"{count(done)} {what}, seed {chosen.seed}: {read(done)}, "
        f"{sum(done.unexplained.values())} unexplained disagreements ({time.monotonic() - started:.0f} s)"
    )
    sys.exit(1 if done.unexplained else 0)
