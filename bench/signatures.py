"""``python -m bench signatures``: verify_signatures, through the public Python API, beside every peer."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Final, cast

import numpy as np

from bench.options import Options
from bench.report import valued
from bench.rounds import Timing, spread
from bench.rows import MODES, Row, RowsFile, signature_rows
from bench.run import Run
from sekisho.engine import Engine
from sekisho.signatures import KeySet, SignatureBatch, verify_signatures
from sekisho.testing.keys import KeyKind

__all__ = ["Ours", "benchmark", "steps"]

BATCH_SECONDS_MAX: Final = 2.0
"""A batch that takes longer is left out: rounds of it would take minutes (P-384 without lanes, 8,192 at a time)."""
PROBE_ROWS: Final = 64
SPEEDUP_ROUNDS_MIN: Final = 5


def benchmark(run: Run) -> None:
    """Every case, with every number of threads."""
    for case in run.options.cases:
        rows = signature_rows(cast(KeyKind, case), run.options.keys, workers=run.options.workers)
        run.step(f"{case}: {len(rows.good)} keys and signatures")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows"
            rows.write(path)
            one = _Case(rows, path, KeySet([row.key for row in rows.rows]), case != "ed25519")
            for threads in run.options.threads:
                _beside_peers(run, one, threads)
                run.step(f"{case}: {threads} threads")
        _speedup(run, one)
        run.step(f"{case}: two threads to one")


def steps(options: Options) -> int:
    """How many steps that is."""
    return len(options.cases) * (2 + len(options.threads))


class Ours:
    """verify_signatures over the good rows, `batch` of them a call, handed over as a KeySet and lists of bytes."""

    warm_up = 0.3

    def __init__(self, rows: RowsFile, keys: KeySet, batch: int, engine: Engine, *, prehashed: bool = True) -> None:
        self.name = f"sekisho {rows.case} batch {batch} threads {engine.threads}"
        self.step = batch
        self._engine = engine
        self._next = 0
        self._batches = list(_batches(_Case(rows, Path(), keys, prehashed and rows.case != "ed25519"), batch))

    def run(self, rows: int) -> Timing:
        count = max(1, rows // self.step)
        order = [self._batches[(self._next + i) % len(self._batches)] for i in range(count)]
        self._next = (self._next + count) % len(self._batches)
        engine = self._engine
        gc.disable()  # as timeit does: all these answers are kept until they are counted, which no program does
        start, cpu_start = perf_counter(), thread_time()
        answers = [verify_signatures(batch, engine=engine) for batch in order]
        seconds, cpu_seconds = perf_counter() - start, thread_time() - cpu_start
        gc.enable()
        right = sum(int(np.count_nonzero(verdicts.ok)) for verdicts in answers)
        return Timing(count * self.step, seconds, cpu_seconds, count * self.step - right)


@dataclass(frozen=True, eq=False)
class _Case:
    rows: RowsFile
    path: Path
    keys: KeySet
    prehashed: bool

    @property
    def name(self) -> str:
        return self.rows.case

    def batch(self, numbered: list[tuple[int, Row]]) -> SignatureBatch:
        """These rows, each with the number of its key."""
        return SignatureBatch(
            keys=self.keys,
            key=numbered[0][0] if len(numbered) == 1 else np.array([number for number, _ in numbered], dtype=np.uint32),
            messages=[row.digest if self.prehashed else row.message for _, row in numbered],
            signatures=[row.signature for _, row in numbered],
            mode=MODES[self.name],
            prehashed=self.prehashed,
        )


def _beside_peers(run: Run, case: _Case, threads: int) -> None:
    engine = Engine(threads=threads)
    ours = [Ours(case.rows, case.keys, batch, engine) for batch in _feasible(run, case, threads)]
    for contestant in ours:
        run.report.blame(contestant.name, _wrong(case, contestant.step, engine))
    with run.peers(case.rows, case.path, threads, ("kept", "new")) as peers:
        rates = run.measure([*ours, *peers], threads)
    for contestant in ours:
        rate = rates[contestant.name]
        if peers:
            theirs = {peer.name: rates[peer.name] for peer in peers}
            run.report.add_compared(case.name, threads, contestant.step, rate, theirs)
        else:
            run.report.rows.append(
                valued(
                    case.name,
                    rate.median,
                    "per second",
                    what="verify_signatures",
                    spread=rate.spread,
                    threads=threads,
                    batch=contestant.step,
                )
            )


def _batches(case: _Case, batch: int) -> Iterator[SignatureBatch]:
    good = case.rows.good
    count = len(good)
    for first in range(0, max(count - batch, 0) + 1, batch):
        numbers = [(first + i) % count for i in range(batch)]
        yield case.batch([(number, good[number]) for number in numbers])


def _wrong(case: _Case, batch: int, engine: Engine) -> int:
    """Every row, the planted bad ones strewn in, in batches of that size: how many answers are wrong."""
    numbered = list(enumerate(case.rows.rows))
    good, bad = numbered[: len(case.rows.good)], numbered[len(case.rows.good) :]
    stride = len(good) // len(bad) or 1
    for place, row in enumerate(bad):
        good.insert(min(len(good), place * stride + place % 8), row)  # in another lane each time
    wrong = 0
    for first in range(0, len(good), batch):
        piece = good[first : first + batch]
        verdicts = verify_signatures(case.batch(piece), engine=engine)
        expected = np.array([number < len(case.rows.good) for number, _ in piece])
        wrong += int(np.count_nonzero(verdicts.ok != expected))
    return wrong


def _feasible(run: Run, case: _Case, threads: int) -> list[int]:
    probe = Ours(case.rows, case.keys, min(PROBE_ROWS, len(case.rows.good)), Engine(threads=1))
    probe.run(probe.step)
    timing = probe.run(probe.step)
    fitting = []
    for batch in run.options.batches:
        seconds = batch * timing.cpu_seconds / timing.rows / threads
        if batch > run.options.headline_batch and seconds > BATCH_SECONDS_MAX:
            run.report.note(f"{case.name}, batch {batch}, {threads} threads: left out, one call takes {seconds:.1f} s")
        else:
            fitting.append(batch)
    return fitting


def _speedup(run: Run, case: _Case) -> None:
    """Two threads to one, round by round, in the largest batch that is measured."""
    if run.options.workers < 2:
        run.report.note("one core: no figure for two threads")
        return
    batch = max(_feasible(run, case, 1))
    one, two = (Ours(case.rows, case.keys, batch, Engine(threads=threads)) for threads in (1, 2))
    rates = run.measure([one, two], 2, max(SPEEDUP_ROUNDS_MIN, run.options.rounds))
    ratio, _ = rates[two.name].ratio(rates[one.name])
    ratios = [both / alone for alone, both in zip(rates[one.name].per_round, rates[two.name].per_round, strict=True)]
    run.report.rows.append(
        valued(
            case.name,
            ratio,
            "times one thread",
            what=f"two threads, batch {batch}",
            spread=spread(ratios),
            threads=2,
            batch=batch,
        )
    )
