"""``python -m bench cache``: bytes an entry, hits and misses a second, and what a flood of forgeries does to the good.

Certificates are verified by `Verifier.verify_certificates`, so that nothing but the cache's own work differs between a
hit and a miss.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from bench.options import Options
from bench.report import valued
from bench.rounds import spread
from bench.run import Run
from sekisho.batch import Column
from sekisho.engine import CacheStatistics, Engine
from sekisho.profiles import Profile
from sekisho.testing import AT, City, build_city
from sekisho.testing.keys import KeyKind
from sekisho.trust import TrustStore
from sekisho.verdicts import FLAGS
from sekisho.verifier import Verifier

__all__ = ["benchmark", "steps"]

PROFILE: Final = "jpki-auth-test"
ENTRY_BYTES_ROOM: Final = 1024  # of the cache's bound, for each certificate it is to hold
TIGHT_BYTES: Final = 1152
"""Of the cache's bound for each good certificate, in a flood: half as much again as an entry, so that the good fit however
they fall into shards, and forgeries that entered would have driven them out a hundred times."""
FORGERIES_A_GOOD: Final = 100
ROUNDS_A_PASS: Final = 10


def benchmark(run: Run, certificates: int, forged: int, city_folder: Path | None) -> None:
    """Every case of `run.options`."""
    for name in run.options.cases:
        case = cast(KeyKind, name)
        city = _city(case, certificates, city_folder, run.watch("certificates"))
        run.step(f"{case}: {len(city)} certificates")
        _memory_and_speed(run, case, city)
        run.step(f"{case}: bytes an entry, hits and misses")
        _flood(run, case, city, forged)
        run.step(f"{case}: {forged} forged among the good")


def steps(options: Options) -> int:
    """How many steps that is."""
    return 3 * len(options.cases)


def _city(case: KeyKind, citizens: int, folder: Path | None, progress: Callable[[int, int], None]) -> City:
    """A city of one certificate a citizen, read from the folder or built and kept there."""
    if folder is not None and (folder / "city.json").exists():
        city = City.load(folder)
        if (city.plan.key, city.plan.citizens, city.plan.purposes) != (case, citizens, ("auth",)):
            raise ValueError(f"{folder}: a city of {city.plan.citizens} and {city.plan.key}, not {citizens} and {case}")
        return city
    city = build_city(citizens, seed="bench", key=case, authority_key=case, purposes=["auth"], progress=progress)
    if folder is not None:
        city.save(folder)
    return city


class _Desk:
    """Certificates handed in, in batches, and counted."""

    def __init__(self, run: Run, city: City, cache_bytes: int, threads: int = 1) -> None:
        self.engine = Engine(threads=threads, cache_bytes=cache_bytes)
        self._verifier = Verifier(TrustStore(list(city.trust("auth"))), Profile.load(PROFILE), engine=self.engine)
        self._report = run.report
        self.batch = run.options.headline_batch

    def verify(self, certificates: Column, good: bool | NDArray[np.bool_] = True) -> NDArray[np.bool_]:
        """Which of them came out of the cache; answers that are not as `good` says are counted as wrong."""
        verdicts = self._verifier.verify_certificates(certificates, at=AT)
        self._report.blame("sekisho certificates", int(np.count_nonzero(verdicts.ok != good)))
        hits: NDArray[np.bool_] = (verdicts.array["flags"] & FLAGS["cache-hit"]) != 0
        return hits

    def pass_over(self, columns: Sequence[Column]) -> tuple[float, int]:
        """Seconds for all of them, and how many came out of the cache."""
        answers = []
        start = perf_counter()
        for column in columns:
            answers.append(self._verifier.verify_certificates(column, at=AT))
        seconds = perf_counter() - start
        wrong = sum(int(np.count_nonzero(~verdicts.ok)) for verdicts in answers)
        self._report.blame("sekisho certificates, while timed", wrong)
        hits = sum(int(np.count_nonzero(verdicts.array["flags"] & FLAGS["cache-hit"])) for verdicts in answers)
        return seconds, hits


def _columns(certificates: Sequence[bytes], batch: int) -> list[Column]:
    return [Column.of(certificates[at : at + batch]) for at in range(0, len(certificates), batch)]


def _memory_and_speed(run: Run, case: KeyKind, city: City) -> None:
    certificates = [*city.leaves]
    columns = _columns(certificates, run.options.headline_batch)
    for threads in run.options.threads:
        desk = _Desk(run, city, ENTRY_BYTES_ROOM * len(city) + (8 << 20), threads)
        # Workspaces are there before memory is looked at; forged certificates enter nothing.
        some = [_forge(one, number) for number, one in enumerate(certificates[: desk.batch])]
        desk.verify(Column.of(some), good=False)
        before, resident = desk.engine.cache_statistics(), _resident()
        seconds, hits = desk.pass_over(columns)
        after, grown = desk.engine.cache_statistics(), _resident() - resident
        if hits:
            run.report.blame("cache: hits in a first pass", hits)
        if threads == run.options.threads[0]:
            _memory(run, case, (before, after), grown)
        passes = [_pass(desk, columns, cold=False) for _ in range(run.options.rounds)]
        again = [seconds, *(_pass(desk, columns, cold=True) for _ in range(min(2, run.options.rounds - 1)))]
        for values, what in ((passes, "hits: certificates seen again"), (again, "misses: certificates seen first")):
            rates = [len(city) / value for value in values]
            run.report.rows.append(
                valued(
                    f"{what.partition(':')[0]}-{case}",
                    statistics.median(rates),
                    "per second",
                    what=f"{what}, {threads} threads, batch {desk.batch}",
                    spread=spread(rates),
                    threads=threads,
                    batch=desk.batch,
                    certificates=len(city),
                )
            )


def _pass(desk: _Desk, columns: Sequence[Column], *, cold: bool) -> float:
    if cold:
        desk.engine.clear_cache()
    seconds, _ = desk.pass_over(columns)
    return seconds


def _memory(run: Run, case: KeyKind, statistics_of: tuple[CacheStatistics, CacheStatistics], grown: int) -> None:
    """Statistics of before and after all certificates were entered."""
    before, after = statistics_of
    certificates = after.inserted - before.inserted
    if after.entries != certificates:
        run.report.note(f"{case}: {after.entries} of {certificates} certificates entered are in the cache")
    add: Callable[..., None] = lambda value, unit, what: run.report.rows.append(  # noqa: E731
        valued(f"entry-{case}", value, unit, what=what, certificates=certificates, entries=after.entries)
    )
    add(after.bytes / after.entries, "bytes an entry", "all that the cache counts, its fixed tables too")
    add((after.bytes - before.bytes) / after.entries, "bytes an entry beyond the empty cache", "what the entries added")
    add(grown / after.entries, "bytes an entry resident", "growth of the process while they were entered")


def _flood(run: Run, case: KeyKind, city: City, forged: int) -> None:
    """Good certificates, and among them forged ones, each another: how often the good still come out of the cache."""
    good = [city.leaves[i] for i in range(min(len(city), max(100, forged // FORGERIES_A_GOOD)))]
    empty = Engine(threads=1, cache_bytes=64 << 20).cache_statistics().bytes
    desk = _Desk(run, city, TIGHT_BYTES * len(good) + empty, threads=max(run.options.threads))
    for column in _columns(good, desk.batch):
        desk.verify(column)
    for column in _columns(good, desk.batch):
        desk.verify(column)
    generator = np.random.default_rng(1)
    a_batch = max(1, desk.batch // (FORGERIES_A_GOOD // ROUNDS_A_PASS + 1))  # good ones: each is seen ten times in all
    seen, hits, made, at, spent = 0, 0, 0, 0, 0.0
    while made < forged:
        those = [good[(at + i) % len(good)] for i in range(a_batch)]
        at = (at + a_batch) % len(good)
        count = min(forged - made, desk.batch - a_batch)
        mixed = those + [_forge(good[int(generator.integers(len(good)))], made + i) for i in range(count)]
        order = generator.permutation(len(mixed))
        column = Column.of([mixed[i] for i in order])
        is_good = order < a_batch
        start = perf_counter()
        from_cache = desk.verify(column, good=is_good)
        spent += perf_counter() - start
        seen += a_batch
        hits += int(np.count_nonzero(from_cache & is_good))
        made += count
    statistics_now = desk.engine.cache_statistics()
    run.report.note(
        f"{case}: {statistics_now.entries} entries and {statistics_now.bytes:,} of {statistics_now.bytes_max:,} bytes after "
        f"{made:,} forged certificates"
    )
    for value, unit, what in (
        (100 * hits / seen, "% hits", f"good ones, {len(good)} of them, among {made:,} forged, in a tight cache"),
        (made / spent, "per second", "forged certificates refused, the good among them verified"),
    ):
        run.report.rows.append(
            valued(f"flood-{case}", value, unit, what=what, forged=made, good=len(good), batch=desk.batch)
        )


def _forge(certificate: bytes, number: int) -> bytes:
    """The certificate with eight bytes of its issuer's signature replaced: another one for each number, and none right."""
    changed = bytearray(certificate)
    place = len(changed) - 40
    changed[place : place + 8] = (number ^ 0x5EC1_50F0_0000_0000).to_bytes(8, "big")
    return bytes(changed)


def _resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
