"""A synthetic city: CAs, citizens and certificates of the JPKI shape, the same for the same seed, byte for byte.

    city = build_city(10_000, seed="demo", progress=print)
    city.save("city/")                       # ca/*.cer, leaves.bin and its offsets, columns, test-only keys
    signatures = city.sign(range(1000), challenges)

Two CAs (user authentication, digital signature) in two generations of one name each; every citizen holds one
certificate of each purpose, with a key of its own.  Row ``purpose_index * citizens + citizen`` of every column is
that citizen's certificate.  Everything here is **test only**: anybody can compute the private keys.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from sekisho.testing.citizen import DAY, Resident, resident
from sekisho.testing.columns import Column, Strings
from sekisho.testing.crls import issuing_point, make_crl
from sekisho.testing.keys import (
    KEY_KINDS,
    Hash,
    KeyKind,
    Mode,
    PrimePool,
    Progress,
    RsaKey,
    SigningKey,
    key_from_scalar,
    rsa_spki,
    scalar_from_label,
    stream,
)
from sekisho.testing.leaves import (
    GENERATIONS,
    PURPOSES,
    Authority,
    Fields,
    Purpose,
    Shape,
    authority,
    leaf_fields,
    leaf_serial,
)
from sekisho.testing.responses import OcspStatus, make_ocsp

__all__ = ["AT", "CITIZENS_MAX", "City", "Plan", "build_city"]

AT: Final = 1_775_012_400
"""The moment at which a city stands unless told otherwise: 2026-04-01T03:00:00Z, noon in Japan."""

CITIZENS_MAX: Final = 16_000_000
"""People; a generation's serials have room for three numbers each before the next generation's begin."""

FORMAT: Final = 1
_CHUNK: Final = 64  # rows a task of a worker thread: 0.1 s of signing
_COLUMNS: Final = np.dtype(
    [("generation", np.uint8), ("serial", np.int64), ("not_before", np.int64), ("not_after", np.int64)]
)
_WARNING: Final = "TEST ONLY: synthetic certificates; every private key in this folder is public knowledge"

_T = TypeVar("_T")
_Rows: TypeAlias = Iterable[int] | npt.NDArray[np.integer]


@dataclass(frozen=True)
class Plan:
    """All that decides a city.  Two equal plans make the same bytes on every machine.

    Attributes:
        citizens: how many people, 1 to `CITIZENS_MAX`.
        seed: any text.  It decides everything but the primes, which all cities share: RSA keys differ within a city,
            but cities of different seeds have some in common (never those of their CAs).
        key: kind of the citizens' keys; RSA ones have e = 65537.
        authority_key: kind of the CAs' keys (signatures with SHA-384 for p384, SHA-256 otherwise).
        purposes: which certificates each citizen holds.
        at: the moment, seconds since 1970, at which every certificate is valid.
        shape: names and OIDs.
    """

    citizens: int
    seed: str = "1"
    key: KeyKind = "rsa2048"
    authority_key: KeyKind = "rsa2048"
    purposes: tuple[Purpose, ...] = PURPOSES
    at: int = AT
    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        if not 1 <= self.citizens <= CITIZENS_MAX:
            raise ValueError(f"a city has 1 to {CITIZENS_MAX} citizens, not {self.citizens}")
        if self.key not in KEY_KINDS or self.authority_key not in KEY_KINDS:
            raise ValueError(f"keys are of the kinds {', '.join(KEY_KINDS)}")
        if not self.purposes or any(purpose not in PURPOSES for purpose in self.purposes):
            raise ValueError(f"purposes are one or both of {', '.join(PURPOSES)}")

    @property
    def rows(self) -> int:
        return self.citizens * len(self.purposes)


@dataclass(frozen=True, eq=False)
class _KeyMaterial:
    """Every leaf's private key in little space: pairs of prime numbers, or scalars."""

    kind: KeyKind
    primes: Sequence[int]  # empty unless RSA
    pairs: npt.NDArray[np.int32]  # rows by 2, indices of primes; empty unless RSA
    scalars: npt.NDArray[np.uint8]  # rows by size, which is 0 if RSA

    def key(self, row: int) -> SigningKey:
        if not self.primes:
            return key_from_scalar(self.kind, self.scalars[row].tobytes())
        one, other = (self.primes[index] for index in self.pairs[row])
        return RsaKey(self.kind, max(one, other), min(one, other))

    def spki(self, row: int) -> bytes:
        if not self.primes:
            return self.key(row).spki
        one, other = self.pairs[row]
        return rsa_spki(self.primes[one] * self.primes[other])


@dataclass(frozen=True, eq=False)
class City:
    """A city, built or loaded.  Read-only, and shared by threads freely.

    Attributes:
        plan: what it was built from.
        authorities: the CAs in force, by (purpose, generation).
        leaves: the certificates, DER, one per row.
        generation: uint8 per row, which generation issued it.
        serial: int64 per row.
        not_before, not_after: int64 per row, seconds since 1970.
    """

    plan: Plan
    authorities: dict[tuple[Purpose, int], Authority]
    leaves: Column
    generation: npt.NDArray[np.uint8]
    serial: npt.NDArray[np.int64]
    not_before: npt.NDArray[np.int64]
    not_after: npt.NDArray[np.int64]
    _material: _KeyMaterial = field(repr=False)

    def __len__(self) -> int:
        """Rows: citizens times purposes."""
        return len(self.leaves)

    def trust(self, purpose: Purpose | None = None) -> tuple[bytes, ...]:
        """DER of the CAs in force, of one purpose or of all: what a verifier is to trust."""
        return tuple(one.certificate for (kind, _), one in self.authorities.items() if purpose in (None, kind))

    def authority(self, purpose: Purpose, generation: int) -> Authority:
        """Any generation of a CA: 0 has run out and 3 has not begun at `plan.at`; only 1 and 2 issued the leaves."""
        plan = self.plan
        known = self.authorities.get((purpose, generation))
        return known or authority(plan.seed, purpose, generation, at=plan.at, kind=plan.authority_key, shape=plan.shape)

    def rows(self, purpose: Purpose = "auth") -> range:
        """The rows of one purpose, in the order of the citizens."""
        start = self.plan.purposes.index(purpose) * self.plan.citizens
        return range(start, start + self.plan.citizens)

    def purpose(self, row: int) -> Purpose:
        return self.plan.purposes[row // self.plan.citizens]

    def certificate(self, row: int) -> bytes:
        """The certificate of that row, DER."""
        return self.leaves[row]

    def person(self, row: int) -> Resident:
        """Who holds that row's certificate."""
        return resident(self.plan.seed, row % self.plan.citizens, self.plan.at)

    def key(self, row: int) -> SigningKey:
        """The private key of that row's certificate."""
        return self._material.key(row)

    def issuer(self, row: int) -> Authority:
        """The authority that signed that row's certificate."""
        return self.authorities[self.purpose(row), int(self.generation[row])]

    def fields(self, row: int) -> Fields:
        """That row's certificate in parts, to be changed and sealed anew."""
        return leaf_fields(self.person(row), self.issuer(row), self._material.spki(row), self.plan.shape)

    def sign(
        self,
        rows: _Rows,
        messages: Strings,
        mode: Mode | None = None,
        hash_name: Hash | None = None,
        *,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> Column:
        """Signs N messages, message i with the key of row ``rows[i]``.

        Args:
            rows: N row numbers; a row may come more than once.
            messages: N byte strings.
            mode: one of `keys.MODES`; by default pkcs1, ecdsa-der or ed25519, as the key is.
            hash_name: by default SHA-256, for P-384 SHA-384.
            workers: threads, by default one per CPU (`cryptography` lets go of the GIL while it signs).
            progress: called with (signed so far, N) now and then.

        Raises:
            ValueError: not as many rows as messages, or a key that does not sign in that mode.
            IndexError: a row that the city does not have.
        """
        wanted = [range(len(self))[int(row)] for row in rows]
        column = Column.of(messages)
        if len(wanted) != len(column):
            raise ValueError(f"{len(wanted)} rows, but {len(column)} messages")

        def task(chunk: range) -> list[bytes]:
            return [self.key(wanted[index]).sign(column[index], mode, hash_name) for index in chunk]

        return Column.of(_spread(task, len(wanted), workers, progress))

    def crl(self, row: int, revoked: Iterable[int] = (), *, this_update: int | None = None, **how: Any) -> bytes:
        """The list in which the certificate of that row is looked for: its municipality's, by its issuer; DER.

        Args:
            revoked: the rows that are in it.
            this_update: seconds since 1970; by default the midnight (UTC) before `plan.at`.
            how: as `crls.make_crl` has it: dates, reasons, number, base, ...

        Raises:
            ValueError: a revoked row whose certificate is looked for in another list.
        """
        rows, place, shape = [int(one) for one in revoked], self.person(row).municipality, self.plan.shape
        for one in rows:
            if self.issuer(one) is not self.issuer(row) or self.person(one).municipality != place:
                raise ValueError(f"row {one} is of another municipality or issuer than row {row}")
        return make_crl(
            self.issuer(row),
            [int(self.serial[one]) for one in rows],
            this_update=self.plan.at // DAY * DAY if this_update is None else this_update,
            **{"point": issuing_point(shape.partition_name(self.purpose(row), place)), **how},
        )

    def ocsp(self, row: int, status: OcspStatus = "good", *, this_update: int | None = None, **how: Any) -> bytes:
        """What the issuer of the certificate of that row says of it: an OCSPResponse, signed by itself; DER.

        Args:
            status: "good", "revoked" or "unknown".
            this_update: seconds since 1970; by default a minute before `plan.at`.
            how: as `responses.make_ocsp` has it: next_update, revoked_at, reason.
        """
        when = self.plan.at - 60 if this_update is None else this_update
        return make_ocsp(self.issuer(row), int(self.serial[row]), status, this_update=when, **how)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all certificates, CAs first, in hexadecimal: equal for equal cities."""
        digest = hashlib.sha256(b"".join(self.trust()))
        digest.update(self.leaves.data.data)
        return digest.hexdigest()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the city, private keys included, to a folder, which is made if it is not there."""
        target = Path(folder)
        (target / "ca").mkdir(parents=True, exist_ok=True)
        for (purpose, generation), one in self.authorities.items():
            (target / "ca" / f"{purpose}-{generation}.cer").write_bytes(one.certificate)
        self.leaves.data.tofile(target / "leaves.bin")
        np.save(target / "leaves.offsets.npy", self.leaves.offsets)
        columns = np.empty(len(self), dtype=_COLUMNS)
        for column in _COLUMNS.names or ():
            columns[column] = getattr(self, column)
        np.save(target / "columns.npy", columns)
        material = self._material
        size = (max((prime.bit_length() for prime in material.primes), default=0) + 7) // 8
        primes = np.frombuffer(b"".join(prime.to_bytes(size, "big") for prime in material.primes), dtype=np.uint8)
        (target / "private").mkdir(mode=0o700, exist_ok=True)
        np.save(target / "private" / "TEST-ONLY-primes.npy", primes.reshape(len(material.primes), size))
        np.save(target / "private" / "TEST-ONLY-pairs.npy", material.pairs)
        np.save(target / "private" / "TEST-ONLY-scalars.npy", material.scalars)
        manifest = {"what": _WARNING, "format": FORMAT, "plan": asdict(self.plan), "rows": len(self)}
        manifest |= {"sha256": self.digest}
        (target / "city.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, check: bool = True) -> City:
        """Reads a city that `save` wrote; the certificates are mapped, not copied.

        Raises:
            ValueError: not a city of this format, or (with `check`) its certificates are not those of its manifest.
            OSError: a file cannot be read.
        """
        source = Path(folder)
        manifest = json.loads((source / "city.json").read_text())
        if manifest.get("format") != FORMAT:
            raise ValueError(f"{source}: a city of format {manifest.get('format')}, this version reads {FORMAT}")
        written = manifest["plan"]
        written |= {"shape": Shape(**written["shape"]), "purposes": tuple(written["purposes"])}
        plan = Plan(**written)
        primes, pairs, scalars = (
            np.load(source / "private" / f"TEST-ONLY-{part}.npy") for part in ("primes", "pairs", "scalars")
        )
        material = _KeyMaterial(plan.key, [int.from_bytes(prime.tobytes(), "big") for prime in primes], pairs, scalars)
        columns = np.load(source / "columns.npy")
        columns.flags.writeable = False
        offsets = np.load(source / "leaves.offsets.npy")
        offsets.flags.writeable = False
        leaves = Column(np.memmap(source / "leaves.bin", dtype=np.uint8, mode="r"), offsets)
        city = cls(
            plan, _authorities(plan), leaves, **{one: columns[one] for one in _COLUMNS.names or ()}, _material=material
        )
        if check and city.digest != manifest["sha256"]:
            raise ValueError(f"{source}: the certificates are not those of city.json")
        return city


def build_city(
    citizens: int,
    *,
    seed: object = 1,
    key: KeyKind = "rsa2048",
    authority_key: KeyKind = "rsa2048",
    purposes: Sequence[Purpose] = PURPOSES,
    at: int = AT,
    shape: Shape | None = None,
    cache: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> City:
    """Builds the city of that plan (see `Plan`); about a millisecond of one core a certificate under an RSA-2048 CA.

    Args:
        cache: folder of the prime pool, by default `keys.cache_folder()`; only RSA keys need one.
        workers: threads, by default one per CPU.
        progress: called with (done so far, in all) now and then, from the calling thread.

    Raises:
        ValueError: a plan that cannot be.
    """
    plan = Plan(citizens, str(seed), key, authority_key, tuple(purposes), at, shape or Shape())
    pool_size = _primes_wanted(plan)
    total = plan.rows + pool_size

    def primes_done(done: int, _of: int) -> None:
        if progress:
            progress(done, total)

    def rows_done(done: int, _of: int) -> None:
        if progress:
            progress(done + pool_size, total)

    pool = PrimePool(int(plan.key[3:]) // 2, Path(cache) if cache is not None else None) if pool_size else None
    primes = pool.take(pool_size, workers=workers or os.cpu_count() or 1, progress=primes_done) if pool else []
    material = _material(plan, primes)
    authorities = _authorities(plan)
    generation = np.empty(plan.rows, dtype=np.uint8)
    serial, not_before, not_after = (np.empty(plan.rows, dtype=np.int64) for _ in range(3))

    def task(chunk: range) -> list[bytes]:
        made = []
        for row in chunk:
            person = resident(plan.seed, row % plan.citizens, plan.at)
            purpose = plan.purposes[row // plan.citizens]
            issuer = _issuer_of(person, [authorities[purpose, one] for one in GENERATIONS])
            generation[row] = issuer.generation
            serial[row] = leaf_serial(issuer, person.number)
            not_before[row], not_after[row] = person.issued, person.expires
            made.append(issuer.issue(leaf_fields(person, issuer, material.spki(row), plan.shape)))
        return made

    leaves = Column.of(_spread(task, plan.rows, workers, rows_done))
    for column in (generation, serial, not_before, not_after):
        column.flags.writeable = False
    return City(plan, authorities, leaves, generation, serial, not_before, not_after, material)


def _issuer_of(person: Resident, generations: Sequence[Authority]) -> Authority:
    """The newest generation that had begun when the person's card was issued."""
    return max(
        (one for one in generations if one.not_before <= person.issued), key=lambda candidate: candidate.generation
    )


def _authorities(plan: Plan) -> dict[tuple[Purpose, int], Authority]:
    return {
        (purpose, generation): authority(
            plan.seed, purpose, generation, at=plan.at, kind=plan.authority_key, shape=plan.shape
        )
        for purpose in plan.purposes
        for generation in GENERATIONS
    }


def _primes_wanted(plan: Plan) -> int:
    """How many primes have at least as many pairs as the city has rows."""
    if not plan.key.startswith("rsa"):
        return 0
    return max(4, math.isqrt(8 * plan.rows) // 2 + 2)


def _material(plan: Plan, primes: Sequence[int]) -> _KeyMaterial:
    """Gives every row a pair of primes that no other row has, or a scalar."""
    if not primes:
        labels = (scalar_from_label(plan.key, plan.seed, "leaf", row) for row in range(plan.rows))
        joined = np.frombuffer(b"".join(labels), dtype=np.uint8)
        return _KeyMaterial(plan.key, (), np.empty((0, 2), dtype=np.int32), joined.reshape(plan.rows, -1))
    pairs = len(primes) * (len(primes) - 1) // 2
    chance = stream("sekisho test-only pairs", plan.seed, size=16)
    step, start = (int.from_bytes(half, "big") % pairs for half in (chance[:8], chance[8:]))
    while math.gcd(step, pairs) != 1:
        step += 1
    numbers = (np.arange(plan.rows, dtype=np.int64) * step + start) % pairs  # a permutation, step being a unit
    high = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    high -= high * (high - 1) // 2 > numbers  # the square root may be off by one in its last place
    high += high * (high + 1) // 2 <= numbers
    low = numbers - high * (high - 1) // 2
    scalars = np.empty((plan.rows, 0), dtype=np.uint8)
    return _KeyMaterial(plan.key, tuple(primes), np.stack([low, high], axis=1).astype(np.int32), scalars)


def _spread(task: Callable[[range], list[_T]], count: int, workers: int | None, progress: Progress | None) -> list[_T]:
    """What `task` returns for the numbers 0 to `count`, in their order, worked on in chunks by threads."""
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    threads = min(workers or os.cpu_count() or 1, len(chunks)) or 1
    done: list[_T] = []
    with ThreadPoolExecutor(threads) as pool:
        for part in pool.map(task, chunks):
            done += part
            if progress:
                progress(len(done), count)
    return done
