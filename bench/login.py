"""``python -m bench login``: whole logins, certificate seen the first time (cold) and again (warm), beside peers.

Every certificate has a modulus of its own; cold means an empty parsing cache and nothing made beforehand of any leaf.
The peers' cold login is: parse the certificate, verify its path, verify the signature over the challenge. Ours is that
and the challenge's MAC, its audience, profile and time, and its single claim.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, thread_time
from typing import Final, Literal, cast

import numpy as np

from bench.options import Options
from bench.report import valued
from bench.rounds import Contestant, Rates, Timing, spread
from bench.rows import Row, RowsFile, bad_rows, digest, signature_rows
from bench.run import Run
from bench.signatures import Ours
from sekisho.batch import Column
from sekisho.challenges import ChallengeKeys, tokens_of
from sekisho.claims import Claims
from sekisho.engine import Engine, kernels
from sekisho.profiles import Profile
from sekisho.signatures import KeySet
from sekisho.testing import AT, City, Logins, build_city, make_logins
from sekisho.testing.keys import KeyKind
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch, Verifier

__all__ = ["CASES", "benchmark", "steps"]

CASES: Final[tuple[KeyKind, ...]] = ("rsa2048", "p256", "p384", "ed25519")
Temperature = Literal["cold", "warm"]

PROFILE: Final = "jpki-auth-test"
AUDIENCE: Final = "https://city.example"
SLOW_LOGINS: Final = 1024
"""Logins of a case whose signatures go through OpenSSL for want of lanes: a pass over more would take many seconds."""

SHA_BLOCKS: Final = 64
"""SHA-256 compressions of the messages with which hashing is timed; FIPS 180-4, 5.1.1 adds 9 bytes at least."""
SHA_ROWS: Final = 256
CHALLENGE_BLOCKS: Final = 3 + 3  # 165 bytes signed; the MAC, as native/src/challenge.c computes it


def benchmark(run: Run) -> None:
    """Every case, cold and warm, with every number of threads."""
    for name in run.options.cases:
        with _town(cast(KeyKind, name), run) as town:
            run.step(f"{name}: {len(town.logins)} citizens signed in")
            for threads in run.options.threads:
                for temperature in ("cold", "warm"):
                    _beside_peers(run, town, temperature, threads)
                    run.step(f"{temperature}-{name}: {threads} threads")


def steps(options: Options) -> int:
    """How many steps that is."""
    return len(options.cases) * (1 + 2 * len(options.threads))


@dataclass(frozen=True, eq=False)
class _Town:
    """A city, a signed login for each of its citizens, and the desk where they are handed in."""

    case: KeyKind
    city: City
    logins: Logins
    keys: ChallengeKeys
    trust: TrustStore
    profile: Profile
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def verifier(self, engine: Engine) -> Verifier:
        return Verifier(self.trust, self.profile, challenges=self.keys, audience=AUDIENCE, engine=engine)

    @contextmanager
    def new_claims(self) -> Iterator[Claims]:
        """A set in which nothing was ever accepted, so that the same logins are good once more."""
        path = self.folder / f"claims-{next(self._numbers)}"
        try:
            yield Claims.open(path, capacity=max(64, 2 * len(self.logins)), fresh=True)
        finally:
            path.unlink(missing_ok=True)

    def rows(self, temperature: Temperature) -> RowsFile:
        """The same logins as peers take them: certificates where cold, public keys where warm."""
        logins, case = self.logins, self.case
        cold = temperature == "cold"
        good = [
            Row(
                logins.certificates[i] if cold else self.city.key(int(logins.rows[i])).spki,
                logins.challenges[i],
                digest(case, logins.challenges[i]),
                logins.signatures[i],
            )
            for i in range(len(logins))
        ]
        bad = bad_rows(case, good)
        if not cold:
            return RowsFile(case, good, bad)
        bad += [Row(_flipped(good[2].key, at), good[2].message, good[2].digest, good[2].signature) for at in (-5, 700)]
        return RowsFile(case, good, bad, self.city.trust("auth"), AT)


class _Ours:
    """verify_logins over all citizens, `batch` of them a call; cold: the cache is emptied before each pass."""

    warm_up = 0.3

    def __init__(self, town: _Town, temperature: Temperature, batch: int, engine: Engine) -> None:
        self.name = f"sekisho {temperature}-{town.case} batch {batch} threads {engine.threads}"
        self.step = len(town.logins)
        self.batch = batch
        self._town = town
        self.temperature = temperature
        self._verifier = town.verifier(engine)
        logins = town.logins
        certificates, challenges, signatures = (
            [*column] for column in (logins.certificates, logins.challenges, logins.signatures)
        )
        self._batches = [
            LoginBatch(*(Column.of(column[at : at + batch]) for column in (certificates, challenges, signatures)))
            for at in range(0, self.step, batch)
        ]

    def run(self, rows: int) -> Timing:
        passes = max(1, rows // self.step)
        timings = [self._one_pass() for _ in range(passes)]
        return Timing(
            passes * self.step,
            sum(timing.seconds for timing in timings),
            sum(timing.cpu_seconds for timing in timings),
            sum(timing.wrong for timing in timings),
        )

    def _one_pass(self) -> Timing:
        verifier = self._verifier
        if self.temperature == "cold":
            verifier.engine.clear_cache()
        with self._town.new_claims() as claims:
            verifier.claims = claims
            gc.disable()  # as timeit does
            start, cpu_start = perf_counter(), thread_time()
            answers = [verifier.verify_logins(batch, at=AT) for batch in self._batches]
            seconds, cpu_seconds = perf_counter() - start, thread_time() - cpu_start
            gc.enable()
            verifier.claims = None
        right = sum(int(np.count_nonzero(verdicts.ok)) for verdicts in answers)
        return Timing(self.step, seconds, cpu_seconds, self.step - right)


@contextmanager
def _town(case: KeyKind, run: Run) -> Iterator[_Town]:
    workers = run.options.workers
    citizens = run.options.keys if _has_lanes(case) else min(run.options.keys, SLOW_LOGINS)
    city = build_city(
        citizens,
        seed="bench",
        key=case,
        authority_key=case,
        purposes=["auth"],
        workers=workers,
        progress=run.watch(case),
    )
    keys, profile = ChallengeKeys.generate(), Profile.load(PROFILE)
    tokens = tokens_of(keys.issue(citizens, profile=profile.id32, audience=AUDIENCE, lifetime=300, at=AT - 10))
    logins = make_logins(city, tokens, workers=workers, progress=run.watch(f"{case} signatures"))
    trust = TrustStore(list(city.trust("auth")))
    memory = Path("/dev/shm")  # noqa: S108 - where claims belong
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield _Town(case, city, logins, keys, trust, profile, Path(folder))


def _has_lanes(case: KeyKind) -> bool:
    on = {kernel.name for kernel in kernels() if kernel.state == "on"}
    return bool({"rsa-avx512", "rsa-ifma", "rsa-crypto-mb", "rsa-avx2"} & on) if case.startswith("rsa") else case in on


def _beside_peers(run: Run, town: _Town, temperature: Temperature, threads: int) -> None:
    case = f"{temperature}-{town.case}"
    engine = Engine(threads=threads)
    batches = sorted({min(batch, len(town.logins)) for batch in run.options.batches})
    ours = [_Ours(town, temperature, batch, engine) for batch in batches]
    run.report.blame(f"sekisho {case} threads {threads}", _wrong(town, temperature, engine))
    rows = town.rows(temperature)
    path = town.folder / "rows"
    rows.write(path)
    alone = _alone(town) if town.case == "rsa2048" and threads == 1 else []
    with run.peers(rows, path, threads, ("cold",) if temperature == "cold" else ("kept",)) as peers:
        rates = run.measure([*ours, *alone, *peers], threads)
    for contestant in ours:
        rate = rates[contestant.name]
        theirs = {peer.name: rates[peer.name] for peer in peers}
        run.report.add_compared(case, threads, contestant.batch, rate, theirs)
        run.report.rows.append(
            valued(
                case,
                1e6 / rate.median,
                "us a login",
                what=f"verify_logins, batch {contestant.batch}, {threads} threads",
                spread=rate.spread,
                threads=threads,
                batch=contestant.batch,
            )
        )
    if alone:
        _break_down(run, town, ours[-1], alone, rates)


def _wrong(town: _Town, temperature: Temperature, engine: Engine) -> int:
    """All logins with bad ones strewn in, in one batch: how many answers are wrong."""
    rows = town.rows("cold")
    spoiled = {0, 1, 2}  # whose challenges the bad rows carry
    mixed = [(row, index not in spoiled) for index, row in enumerate(rows.good) if index not in spoiled]
    for place, row in enumerate(rows.bad):
        mixed.insert(min(len(mixed), 9 * place), (row, False))
    batch = LoginBatch(
        certificates=[row.key for row, _ in mixed],
        challenges=[row.message for row, _ in mixed],
        signatures=[row.signature for row, _ in mixed],
    )
    expected = np.array([good for _, good in mixed])
    verifier = town.verifier(engine)
    engine.clear_cache()
    wrong = 0
    for _ in range(1 if temperature == "cold" else 2):  # the second time out of the cache
        with town.new_claims() as claims:
            verifier.claims = claims
            wrong += int(np.count_nonzero(verifier.verify_logins(batch, at=AT).ok != expected))
            verifier.claims = None
    return wrong


# ---- what a login costs beyond its arithmetic ------------------------------------------------------


def _alone(town: _Town) -> list[Contestant]:
    """The lanes by themselves, and lanes with known amounts of hashing."""
    engine = Engine(threads=1)
    hashed = town.rows("warm")
    lanes = Ours(hashed, KeySet([row.key for row in hashed.rows]), 1024, engine)
    long = signature_rows(town.case, SHA_ROWS, workers=2, message_size=64 * SHA_BLOCKS - 9)
    keys = KeySet([row.key for row in long.rows])
    without, with_hash = Ours(long, keys, SHA_ROWS, engine), Ours(long, keys, SHA_ROWS, engine, prehashed=False)
    with_hash.name += " with hashing"
    return [lanes, without, with_hash]


def _break_down(run: Run, town: _Town, ours: _Ours, alone: Sequence[Contestant], rates: dict[Hashable, Rates]) -> None:
    """What a login takes beyond its lane verifies and its SHA-256 compressions; every figure from the same rounds."""
    lane, without, with_hash = ([1e6 / rate for rate in rates[one.name].per_round] for one in alone)
    login = [1e6 / rate for rate in rates[ours.name].per_round]
    cold = ours.temperature == "cold"
    certificates = [town.logins.certificates[i] for i in range(len(town.logins))]
    # Cold: the certificate's fingerprint and its signature's hash; warm: the fingerprint alone.
    blocks = CHALLENGE_BLOCKS + statistics.fmean(
        _blocks(len(one)) + (_blocks(_tbs_size(one)) if cold else 0) for one in certificates
    )
    block = [(hashed - bare) / SHA_BLOCKS for bare, hashed in zip(without, with_hash, strict=True)]
    verifies = 2 if cold else 1
    case = f"{ours.temperature}-{town.case}"
    beyond = [whole - verifies * one - blocks * sha for whole, one, sha in zip(login, lane, block, strict=True)]
    for values, unit, what in (
        (lane, "us", f"a lane verify by itself; a login has {verifies}"),
        (block, "us", f"a SHA-256 compression among many; a login has {blocks:.1f}"),
        (beyond, "us beyond", f"a login less {verifies} lane verifies and {blocks:.1f} SHA-256 compressions"),
    ):
        run.report.rows.append(
            valued(case, statistics.median(values), unit, what=what, spread=spread(values), threads=1, batch=ours.batch)
        )


def _blocks(size: int) -> int:
    """SHA-256 compressions of a message of `size` bytes (FIPS 180-4, 5.1.1)."""
    return (size + 9 + 63) // 64


def _tbs_size(certificate: bytes) -> int:
    """Bytes of the TBSCertificate, header included: the first element inside the outer one."""
    inner = certificate[2 + (certificate[1] & 0x7F if certificate[1] & 0x80 else 0) :]
    if not inner[1] & 0x80:
        return 2 + inner[1]
    count = inner[1] & 0x7F
    return 2 + count + int.from_bytes(inner[2 : 2 + count], "big")


def _flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)
