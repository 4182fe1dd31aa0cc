"""``python -m bench revocation``: a nation's revocations built, mapped, asked and swapped; one large CRL beside peers."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.crl_readers import run as read_in_a_process
from bench.report import valued
from bench.rounds import spread
from bench.run import Run
from sekisho.batch import Column
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.revocation.crl import Crl
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotWriter
from sekisho.revocation.store import RevocationStore
from sekisho.testing import AT, City, build_city
from sekisho.testing.crls import make_crl, write_crl
from sekisho.testing.partitions import Nation, city_crls, partition_point
from sekisho.testing.revoked import Draw, Serials
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

__all__ = ["CASES", "Sizes", "benchmark", "steps"]

CASES: Final = ("nation", "shapes", "read", "swap")
LOOKUPS: Final = 4096  # a batch
LOOKUP_ROUNDS: Final = 200
READ_PEERS: Final = ("cryptography", "openssl")
SWAP_BATCH: Final = 256  # logins a call, while snapshots are swapped
NATIONAL_COUNTER: Final = 250_000_000


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        entries: of the nation.
        lists: CRLs of the nation.
        largest: entries of its largest.
        read: entries of the CRL that is read beside peers.
        certificates: of the city that logs in.
        seconds: of logins, with swaps and without.
        folder: where the lists are kept from run to run; None: nowhere.
    """

    entries: int
    lists: int
    largest: int
    read: int
    certificates: int
    seconds: float
    folder: Path | None


def benchmark(run: Run, sizes: Sizes) -> None:
    """Every case of `run.options`."""
    with _folder(sizes.folder) as folder:
        if {"nation", "swap"} & set(run.options.cases):
            _nation(run, sizes, folder)
        if "shapes" in run.options.cases:
            _shapes(run, folder)
        if "read" in run.options.cases:
            _read(run, sizes, folder)


def steps(cases: tuple[str, ...]) -> int:
    """How many steps that is."""
    return 6 * bool({"nation", "swap"} & set(cases)) + ("shapes" in cases) + ("read" in cases)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
    else:
        with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder:
            yield Path(folder)


# ---- a nation ------------------------------------------------------------------------------------------


def _nation(run: Run, sizes: Sizes, folder: Path) -> None:
    nation = Nation(entries=sizes.entries, lists=sizes.lists, largest=sizes.largest, seed="bench")
    lists = folder / f"nation-{sizes.entries}-{sizes.lists}"
    if not (lists / "nation.json").exists():
        nation.write(lists, progress=run.watch("entries written"))
    run.step(f"lists of {sizes.entries:,} entries")
    city = build_city(sizes.certificates, seed="city", purposes=["auth"])
    own = city_crls(city, 0)
    own.write(folder / "city")
    authorities = [(lists / "ca" / f"{purpose}.cer").read_bytes() for purpose in ("auth", "sign")]
    trust = TrustStore([*authorities, *city.trust("auth")])
    with tempfile.TemporaryDirectory(dir=folder, prefix="store-") as place:
        store = RevocationStore(Path(place) / "store", trust, keep=2, engine=Engine(threads=1))
        _build(run, sizes, store, [lists, folder / "city"])
        assert store.base is not None
        _map(run, store.base)
        _look_up(run, nation, store.base)
        run.step("look-ups")
        _login(run, city, trust, store.revocation)
        run.step("logins")
        _delta(run, nation, store)
        run.step("a delta")
        if "swap" in run.options.cases:
            _swap(run, sizes, city, trust, store.base)
        run.step("swaps")
        store.close()


def _build(run: Run, sizes: Sizes, store: RevocationStore, given: list[Path]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    update = store.update(given, at=AT)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    run.report.blame("lists refused", len(update.refused))
    assert store.base is not None
    report = store.base.report
    if report.entries < sizes.entries:
        run.report.blame("entries missing", sizes.entries - report.entries)
    what = f"{report.entries:,} entries of {report.sources:,} CRLs: read, signatures, index, on the disk"
    for value, unit, words in (
        (wall, "s", f"{what}; wall"),
        (cpu, "CPU s", what),
        (report.size / report.entries, "bytes an entry", "the snapshot, all in"),
        (8 * report.filter_size / report.entries, "bits an entry", "of filters"),
    ):
        run.report.rows.append(valued("build", value, unit, what=words, entries=report.entries))
    run.step("build")


def _map(run: Run, base: Snapshot) -> None:
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        Snapshot(base.path)
        taken.append(1000 * (time.perf_counter() - start))
    what = f"{base.report.size / 1e6:,.0f} MB, {base.report.sources:,} CRLs, page cache warm"
    run.report.rows.append(valued("map", statistics.median(taken), "ms", what=what, spread=spread(taken)))


def _sets(base: Snapshot, nation: Nation) -> NDArray[np.uint32]:
    """The set of each partition, in the order of nation.partitions: told by how many entries it has and which serial."""
    by_count: dict[int, list[int]] = {}
    for index in range(base.report.sets):
        by_count.setdefault(base.set(index).entries, []).append(index)
    found = []
    for one in nation.partitions:
        serial = next(iter(one.draw.chunks()))[slice(0, 1)].numbers[0] if len(one.draw) else 0
        octets = max(1, (serial.bit_length() + 7) // 8)
        fits = [i for i in by_count[len(one.draw)] if not len(one.draw) or base.find(i, serial.to_bytes(octets, "big"))]
        found.append(fits[0])
    return np.array(found, dtype=np.uint32)


def _look_up(run: Run, nation: Nation, base: Snapshot) -> None:
    generator = np.random.default_rng(1)
    sets = _sets(base, nation)
    weights = np.array([len(one.draw) for one in nation.partitions], dtype=float)
    weights /= weights.sum()
    rates: dict[str, list[float]] = {"misses": [], "hits": []}
    maybe = asked = 0
    some = np.unique(generator.choice(len(sets), 24, p=weights))
    truth = {int(i): nation.partitions[i].draw.entries().sorted().serials for i in some}
    # Batches are made beforehand, and each is asked once: nothing but look-ups passes through the caches meanwhile.
    missing, present = [], []
    for _ in range(LOOKUP_ROUNDS):
        which = sets[generator.choice(len(sets), LOOKUPS, p=weights)]
        serials = generator.integers(NATIONAL_COUNTER, 2**32 - 1, LOOKUPS, dtype=np.uint32)  # beyond every list
        missing.append((which, Column.of(serials.astype(">u4").view(np.uint8).reshape(-1, 4))))
        chosen = generator.choice(some, LOOKUPS)
        rows = np.stack([truth[int(i)][generator.integers(len(truth[int(i)]))] for i in chosen])
        present.append((sets[chosen], Column.of(np.ascontiguousarray(rows))))
    for which, column in missing:
        seconds, found = _timed(base, which, column)
        rates["misses"].append(LOOKUPS / seconds)
        run.report.blame("misses that were found", int((found >= 2).sum()))
        maybe += int((found == 1).sum())
        asked += LOOKUPS
    for which, column in present:
        seconds, found = _timed(base, which, column)
        rates["hits"].append(LOOKUPS / seconds)
        run.report.blame("hits that were not found", int((found != 2).sum()))
    for name, values in rates.items():
        run.report.rows.append(
            valued(
                f"look-up-{name}",
                statistics.median(values) / 1e6,
                "million a CPU second",
                what=f"batches of {LOOKUPS:,} over {base.report.entries:,} entries, one thread, through Python",
                spread=spread(values),
                batch=LOOKUPS,
            )
        )
    sizes = [(base.set(int(i)).entries, base.set(int(i)).filter_rate) for i in sets]
    theory = sum(entries * rate for entries, rate in sizes) / sum(entries for entries, _ in sizes)
    run.report.rows.append(
        valued("filter", 100 * maybe / asked, "% false positives", what=f"measured; {100 * theory:.3f} % by theory")
    )


def _timed(base: Snapshot, sets: NDArray[np.uint32], serials: Column) -> tuple[float, NDArray[np.uint8]]:
    start = time.process_time()
    answer = base.look_up(sets, serials)
    return time.process_time() - start, answer


def _profiles() -> tuple[Profile, Profile]:
    """With revocation, and without."""
    off = Profile.load("jpki-auth-test")
    return replace(off, name="jpki-auth-bench", revocation="required", revocation_grace=604800), off


def _login(run: Run, city: City, trust: TrustStore, revocation: Revocation) -> None:
    """Certificates seen before: with the question and without."""
    column = Column.of([*city.leaves])
    engine = Engine(threads=1)
    with_, without = (Verifier(trust, one, revocation=revocation, engine=engine) for one in _profiles())
    taken: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(run.options.rounds * 5):
        for name, judge in (("with", with_), ("without", without)):
            start = time.process_time()
            verdicts = judge.verify_certificates(column, at=AT)
            taken[name].append(1e6 * (time.process_time() - start) / len(city))
            run.report.blame(f"certificates {name} revocation", int((~verdicts.ok).sum()))
    cost = [one - other for one, other in zip(taken["with"][1:], taken["without"][1:], strict=True)]
    run.report.rows.append(
        valued(
            "login",
            statistics.median(cost),
            "us a login",
            what=f"what revocation costs a certificate seen before, batch {len(city):,}, one thread, CPU time",
            spread=spread(cost) if statistics.median(cost) > 0 else 0.0,
        )
    )


def _delta(run: Run, nation: Nation, store: RevocationStore) -> None:
    """A small delta to a list of the usual size, from bytes to in force."""
    one = nation.partitions[len(nation.partitions) // 2]
    point = partition_point(nation.shape, one.purpose, one.municipality)
    taken = []
    number = next(source.number for source in store.base.sources() if source.entries == len(one.draw))  # type: ignore[union-attr]
    for turn in range(1, 6):
        der = make_crl(
            nation.authority(one.purpose),
            [NATIONAL_COUNTER + turn],
            number=(number or 0) + turn,
            base=number,
            this_update=nation.this_update + turn,
            point=point,
        )
        start = time.perf_counter()
        update = store.update([der], at=AT)
        taken.append(1000 * (time.perf_counter() - start))
        run.report.blame("deltas refused", len(update.refused))
    what = "one entry to one of the lists, from bytes to in force, on the disk"
    run.report.rows.append(valued("delta", statistics.median(taken), "ms", what=what, spread=spread(taken)))


def _swap(run: Run, sizes: Sizes, city: City, trust: TrustStore, base: Snapshot) -> None:
    """Batches of logins' certificates while the whole snapshot is replaced again and again, and without that."""
    revocation = Revocation()
    revocation.publish(base)
    judge = Verifier(trust, _profiles()[0], revocation=revocation, engine=Engine(threads=1))
    columns = [
        Column.of([*city.leaves][at : at + SWAP_BATCH]) for at in range(0, len(city) - SWAP_BATCH + 1, SWAP_BATCH)
    ]
    for column in columns:
        judge.verify_certificates(column, at=AT)
    swaps = 0
    stop = threading.Event()

    def swap() -> None:
        nonlocal swaps
        while not stop.wait(0.01):
            revocation.publish(Snapshot(base.path))  # mapped anew: what is replaced is unmapped
            swaps += 1

    latencies: dict[str, list[float]] = {}
    for name in ("without", "with"):
        thread = threading.Thread(target=swap)
        if name == "with":
            thread.start()
        values: list[float] = []
        end = time.perf_counter() + sizes.seconds
        while time.perf_counter() < end:
            for column in columns:
                start = time.perf_counter()
                verdicts = judge.verify_certificates(column, at=AT)
                values.append(1000 * (time.perf_counter() - start))
                run.report.blame(f"verdicts {name} swaps", int((~verdicts.ok).sum()))
        latencies[name] = values
    stop.set()
    thread.join()
    for name, values in latencies.items():
        marks = {mark: float(np.percentile(values, mark)) for mark in (50, 99, 99.9)}
        told = ", ".join(f"p{mark:g} {value:.3f}" for mark, value in marks.items())
        run.report.note(
            f"ms a batch of {SWAP_BATCH} {name} swaps: {told}, longest {max(values):.3f} ({len(values):,} batches)"
        )
        run.report.note(f"histogram {name} swaps, ms: {_histogram(values)}")
    stall = max(latencies["with"]) - max(latencies["without"])
    what = f"longest batch with {swaps:,} swaps of {base.report.entries:,} entries, beyond the longest without"
    run.report.rows.append(valued("swap", stall, "ms", what=what, swaps=swaps))


def _histogram(values: list[float]) -> str:
    edges = [0.0, *(2.0**power for power in range(-4, 8)), float("inf")]
    counts, _ = np.histogram(values, edges)
    return ", ".join(f"<{edge:g}: {count:,}" for edge, count in zip(edges[1:], counts, strict=True) if count)


# ---- bytes an entry --------------------------------------------------------------------------------------


def _shapes(run: Run, folder: Path) -> None:
    """One list of each shape of serials."""
    signer = Nation(entries=2, lists=2, largest=1, seed="bench").authority("auth")
    shapes: tuple[tuple[Serials, int], ...] = (
        ("counter", 14_000),
        ("counter", 700_000),
        ("random16", 14_000),
        ("random16", 700_000),
    )
    for serials, count in shapes:
        path, made = folder / "shape.crl", folder / "shape.seki"
        write_crl(path, signer, Draw(count, seed="bench", serials=serials), this_update=AT)
        made.unlink(missing_ok=True)
        with SnapshotWriter(made, id=1, built_at=AT) as writer:
            assert writer.add(Crl.read(path), signer=bytes(32), anchors=[bytes(32)]) is None
            writer.end()
        report = Snapshot(made).report
        what = f"{count:,} entries with serials {serials}; filter of {8 * report.filter_size / count:.2f} bits an entry"
        run.report.rows.append(
            valued(f"bytes-{serials}", report.size / count, "bytes an entry", what=what, entries=count)
        )
    run.step("bytes an entry")


# ---- one large list, beside peers --------------------------------------------------------------------------


def _read(run: Run, sizes: Sizes, folder: Path) -> None:
    nation = Nation(entries=2, lists=2, largest=1, seed="bench")
    path, certificate = folder / f"one-{sizes.read}.crl", folder / "one.cer"
    certificate.write_bytes(nation.authority("auth").certificate)
    if not path.exists():
        write_crl(
            path,
            nation.authority("auth"),
            Draw(sizes.read, seed="bench"),
            this_update=AT,
            progress=run.watch("entries of one CRL"),
        )
    answers: dict[str, list[dict[str, Any]]] = {}
    for who in ("sekisho", *READ_PEERS, "sekisho"):
        answers.setdefault(who, []).append(read_in_a_process(who, path, certificate, 200_000))
    ours = min(answers["sekisho"], key=lambda one: float(one["seconds"]))
    for who in READ_PEERS:
        (theirs,) = answers[who]
        wrong = int((theirs["entries"], theirs["checksum"]) != (ours["entries"], ours["checksum"]))
        run.report.blame(f"{who} and sekisho read different entries", wrong)
        run.report.rows.append(
            {
                "case": f"read-{sizes.read}",
                "peer": who,
                "threads": 1,
                "batch": run.options.headline_batch,
                "ours_per_s": round(ours["entries"] / ours["seconds"], 1),
                "peer_per_s": round(theirs["entries"] / theirs["seconds"], 1),
                "ratio": round(theirs["seconds"] / ours["seconds"], 2),
                "spread": {"ours": 0.0, "peer": 0.0, "ratio": 0.0},
                "rounds": 1,
                "best": who == "openssl",
            }
        )
        run.report.rows.append(
            valued(
                f"peak-{who}", theirs["peak"] / 2**20, "MiB", what=f"at the peak, reading {theirs['entries']:,} entries"
            )
        )
        run.report.rows.append(valued(f"look-up-{who}", theirs["per_s"], "a second", what="listed serials, one by one"))
    run.report.rows.append(
        valued(
            "peak-sekisho", (ours["peak"] - ours["index"]) / 2**20, "MiB", what="at the peak, beyond the index itself"
        )
    )
    run.report.rows.append(valued("look-up-sekisho", ours["per_s"], "a second", what="listed serials, one call"))
    run.step("one CRL beside peers")
