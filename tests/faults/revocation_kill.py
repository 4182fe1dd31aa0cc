"""kill -9 at random moments of build, delta, rollback and swap: `python -m tests.faults.revocation_kill --count 200 --seed 1`.

A child works on a store: complete lists, deltas, rollbacks.  It is killed at a random moment; then the store is opened, and what
is in force must be one whole state that the child had reached, or the one that it was reaching: every list of one generation,
never two of them mixed.  Of watched certificates each change was told once, and none was lost.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.unit.chains import PROFILE, Made, leaf, make
from tests.unit.crls import crl, partition, points, serial_of

from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.snapshot import Snapshot
from sekisho.revocation.store import RevocationStore
from sekisho.revocation.watch_list import WatchList
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

PARTITIONS = "abcd"
ENTRIES = 300
PREPARED = 6
FIRST = 10_000_000


def entries_of(generation: int, partition_: str, delta: bool) -> list[int]:
    """Serials that tell the generation: each partition of one has the same marker in it."""
    start = FIRST + generation * 100 + PARTITIONS.index(partition_)
    if delta:
        return [start]
    watched = [serial_of(watched_of(partition_))] if generation // 2 % 2 else []  # revoked in every other generation
    return [start, *watched, *range(1, ENTRIES)]


def watched_of(partition_: str) -> Made:
    """A certificate that is watched."""
    return leaf(make("kill root"), f"watched {partition_}", extra=[(points(partition_), False)])


def lists_of(root: Made, generation: int) -> tuple[list[bytes], list[bytes]]:
    """The complete lists of a generation, and the deltas that follow them."""
    number = 10 * generation
    complete = [
        crl(
            root,
            entries_of(generation, one, delta=False),
            number=number,
            this_update=AT + generation,
            idp=partition(one),
        )
        for one in PARTITIONS
    ]
    deltas = [
        crl(
            root,
            entries_of(generation + 1, one, delta=True),
            number=number + 1,
            base=number,
            this_update=AT + generation + 1,
            idp=partition(one),
        )
        for one in PARTITIONS
    ]
    return complete, deltas


def work(directory: Path, first: int) -> None:
    """Generation after generation: all partitions anew in one update, then a delta to each, now and then a rollback.

    Says which state it begins to bring about, and when it has.
    """
    root = make("kill root")
    prepared = {generation: lists_of(root, generation) for generation in range(first, first + 2 * PREPARED, 2)}

    def bring_about(generation: int, with_deltas: bool, how: Callable[[], object]) -> None:
        # One write a line: with PYTHONUNBUFFERED print makes one of each word, and the kill may come between two.
        sys.stdout.write(f"begin {generation} {int(with_deltas)}\n")
        sys.stdout.flush()
        how()
        sys.stdout.write(f"done {generation} {int(with_deltas)}\n")
        sys.stdout.flush()

    def take(lists: list[bytes], at: int) -> None:
        assert store.update(lists, at=at).taken == len(PARTITIONS)

    with RevocationStore(directory, TrustStore([root.der]), keep=3) as store:
        for generation, (complete, deltas) in prepared.items():
            bring_about(generation, False, partial(take, complete, AT + generation))
            bring_about(generation, True, partial(take, deltas, AT + generation + 1))
            if generation % 5 == 0:
                assert store.base is not None
                older = [row.id for row in store.snapshots() if row.kind == "base" and row.id < store.base.report.id]
                number = next(Snapshot(store.path_of(older[0])).sources()).number if older else None
                if number is not None:
                    bring_about(number // 10, False, store.rollback)
    time.sleep(60)


def state_of(directory: Path) -> tuple[int, bool]:
    """The generation in force, and whether its deltas are; every partition must say the same."""
    root = make("kill root")
    with RevocationStore(directory, TrustStore([root.der]), keep=3) as store:
        if store.base is None:
            return 0, False
        numbers = {one.number for one in store.base.sources()}
        assert len(numbers) == 1, f"lists of several generations in one base: {numbers}"
        (number,) = numbers
        assert number is not None
        generation, sources = number // 10, list(store.base.sources())
        assert len(sources) == len(PARTITIONS)
        assert store.base.verify() is None
        overlay = store.overlay
        if overlay is not None:
            assert overlay.verify() is None
            assert {one.number for one in overlay.sources()} == {number + 1}
            assert overlay.report.sources == len(PARTITIONS)
        for source, name in zip(sources, PARTITIONS, strict=True):
            serials = {entry.serial for index in source.sets for entry in store.base.entries(index)}
            assert serials == set(entries_of(generation, name, delta=False)), "a list is not whole"
        # And what is in force judges.
        judge = Verifier(store.trust, _profile(), revocation=store.revocation, engine=Engine(threads=1))
        for name in PARTITIONS:
            holder = leaf(root, "holder", extra=[(points(name), False)])
            assert serial_of(holder) >= FIRST
            reason = judge.verify_certificates([holder.der], at=AT + generation + 1)[0].reason
            assert reason is Reason.CERTIFICATE_OK, reason
        _hold_events(directory, store, generation)
        for path in directory.iterdir():
            assert not path.name.startswith("new-"), "what a crash left was not swept"
        return generation, overlay is not None


def _hold_events(directory: Path, store: RevocationStore, generation: int) -> None:
    """What was told of each watched certificate goes to and fro, never twice the same, and ends at what is so."""
    with WatchList(directory.with_suffix(".watch"), purpose="to be killed") as watch:
        watch.observe(store.revocation, _profile(), at=AT + generation + 1)
        events = list(watch.events())
        assert len({one.id for one in events}) == len(events), "an event was stored twice"
        for name in PARTITIONS if len(watch) else ():
            told = [one.what for one in events if one.reference == name]
            assert told == ["revoked", "lifted"] * (len(told) // 2) + ["revoked"] * (len(told) % 2), told
            assert len(told) % 2 == generation // 2 % 2, f"{told} in generation {generation}: an event was lost"


def _profile() -> Profile:
    return replace(PROFILE, name="kill", revocation="required", revocation_grace=604800)


def rounds(count: int, seed: int, directory: Path) -> Counter[str]:
    """Kills a child `count` times; returns in which states it left the store."""
    luck, seen = random.Random(seed), Counter[str]()
    first, before = 1, (0, False)
    for _ in range(count):
        arguments = ["--work", str(directory), "--first", str(first)]
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.revocation_kill", *arguments], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        said = [child.stdout.readline()]  # it has begun
        time.sleep(luck.uniform(0, luck.choice((0.1, 0.4, 1.5))))  # seconds: an update takes some hundredths
        os.kill(child.pid, signal.SIGKILL)
        said += child.stdout.read().splitlines()
        child.wait()
        words = [line.split() for line in said]
        states = [(what, (int(generation), with_deltas == "1")) for what, generation, with_deltas in words]
        done = [state for what, state in states if what == "done"]
        committed, begun = (done[-1] if done else before), states[-1][1]
        before = state_of(directory)
        assert before in (committed, begun), f"in force {before}; it had done {committed} and was at {begun}"
        seen["nothing" if before[0] == 0 else "with deltas" if before[1] else "base alone"] += 1
        first = max(generation for _, (generation, _) in states) + 2
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how often to kill (200)")
    parser.add_argument("--seed", type=int, default=1, help="decides the moments (1)")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        work(given.work, given.first)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seen = rounds(given.count, given.seed, Path(folder) / "store")
    states = ", ".join(f"{count} times {what}" for what, count in seen.most_common())
    print(
        f"killed {given.count} times, seed {given.seed}: always a whole state ({states}), {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
