"""CRLs as JPKI cuts them: a partition for each municipality and purpose (FACTS B4); of a whole nation, or of a city.

Nation().write("crls/")                          # 25 million entries in 1,700 lists of two CAs, the largest a million
lists = city_crls(city, revoked=50)              # 50 certificates of the city, in the lists that they are looked for in
lists.write("city/crl")
lists.revoked[7]                                 # the reason for which row 7 is revoked
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sekisho.testing.citizen import DAY, MUNICIPALITIES, Municipality
from sekisho.testing.city import AT, City
from sekisho.testing.crls import CrlFile, issuing_point, make_crl, write_crl
from sekisho.testing.keys import KeyKind, Progress, stream
from sekisho.testing.leaves import FIRST_SERIALS, GENERATIONS, PURPOSES, Authority, Extension, Purpose, Shape, authority
from sekisho.testing.revoked import NATIONAL_COUNTER, PURPOSE_REASONS, Draw, Entries, Order, Serials

__all__ = ["CityCrls", "ListKey", "Nation", "Partition", "city_crls", "municipalities", "partition_point"]

ListKey: TypeAlias = tuple[Purpose, int, str]
"""Purpose, generation of the CA, code of the municipality."""

_FORMAT: Final = 1
_SIGN_SHARE: Final = 7  # of ten entries, those of signature certificates, which every move revokes (FACTS B7)
_FLATNESS: Final = 20  # ranks; the smaller, the more the large partitions stand out


def partition_point(shape: Shape, purpose: Purpose, municipality: Municipality) -> Extension:
    """issuingDistributionPoint of that partition, as leaves name it."""
    return issuing_point(shape.partition_name(purpose, municipality))


def municipalities(count: int) -> tuple[Municipality, ...]:
    """So many of them, Yokohama first: real ones as far as they go, then invented ones of codes that nobody has."""
    known = sorted(MUNICIPALITIES, key=lambda one: one.romaji != "Yokohama-shi")
    for number in range(len(known), count):
        like = known[number % len(MUNICIPALITIES)]
        known.append(
            Municipality(
                like.prefecture, f"Shinmura{number}-mura", like.prefecture_ja, f"新村{number}", f"{90_000 + number}"
            )
        )
    return tuple(known[:count])


# ---- a nation --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Partition:
    """One list of a nation: whose certificates it is about, and what was drawn for it."""

    purpose: Purpose
    municipality: Municipality
    draw: Draw

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.purpose}-{self.municipality.code}.crl"


@dataclass(frozen=True)
class Nation:
    """All that decides the lists of a nation.  Two equal ones make the same bytes on every machine.

    Attributes:
        entries: of all lists together.
        lists: how many, of both CAs.
        largest: entries of the largest; the others share the rest, the larger ones more (14,000 each on average by default).
        seed: any text.
        serials, order, invalidity: as `Draw` has them.
        authority_key: kind of the CAs' keys.
        at: seconds since 1970; the lists were made at the midnight (UTC) before.
        shape: names.
    """

    entries: int = 25_000_000
    lists: int = 1_700
    largest: int = 1_000_000
    seed: str = "1"
    serials: Serials = "counter"
    order: Order = "serial"
    invalidity: int = 0
    authority_key: KeyKind = "rsa2048"
    at: int = AT
    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        if self.lists < 2 or not 0 <= self.largest <= self.entries:
            raise ValueError("a nation has two lists or more, and the largest no more entries than all")

    @property
    def this_update(self) -> int:
        return self.at // DAY * DAY

    def authority(self, purpose: Purpose) -> Authority:
        """The CA that signs that purpose's lists."""
        return authority(self.seed, purpose, 2, at=self.at, kind=self.authority_key, shape=self.shape)

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """Every list, the largest first.  A serial is in no two lists of one CA."""
        places = municipalities((self.lists + 1) // 2)
        used: dict[Purpose, int] = defaultdict(int)
        partitions = []
        for number, count in enumerate(self._counts()):
            purpose: Purpose = "auth" if number % 2 else "sign"
            draw = Draw(
                count,
                first=used[purpose],
                seed=f"{self.seed}/{purpose}",
                serials=self.serials,
                order=self.order,
                until=self.this_update,
                weights=PURPOSE_REASONS[purpose],
                invalidity=self.invalidity,
            )
            used[purpose] += count
            partitions.append(Partition(purpose, places[number // 2], draw))
        return tuple(partitions)

    def _counts(self) -> list[int]:
        """Entries of each list: whole numbers from whole numbers, so that no machine rounds them otherwise."""
        weights = [
            (10 - _SIGN_SHARE if number % 2 else _SIGN_SHARE) * 10**12 // (number // 2 + _FLATNESS)
            for number in range(1, self.lists)
        ]
        rest, total = self.entries - self.largest, sum(weights)
        counts = [self.largest, *(rest * weight // total for weight in weights)]
        for number in range(self.entries - sum(counts)):  # what was rounded off
            counts[1 + number % (self.lists - 1)] += 1
        return counts

    def write(self, folder: str | os.PathLike[str], *, progress: Progress | None = None) -> list[CrlFile]:
        """Writes the lists, the CAs (ca/PURPOSE.cer) and nation.json into a folder, which is made if it is not there.

        Args:
            progress: called with (entries written, in all) now and then.
        """
        target = Path(folder)
        (target / "ca").mkdir(parents=True, exist_ok=True)
        files: list[CrlFile] = []
        done = 0
        signers = {purpose: self.authority(purpose) for purpose in PURPOSES}
        for purpose, signer in signers.items():
            (target / "ca" / f"{purpose}.cer").write_bytes(signer.certificate)
        for one in self.partitions:
            files.append(
                write_crl(
                    target / one.file,
                    signers[one.purpose],
                    one.draw,
                    this_update=self.this_update,
                    point=partition_point(self.shape, one.purpose, one.municipality),
                    progress=_onwards(progress, done, self.entries),
                )
            )
            done += len(one.draw)
        manifest = {"what": "TEST ONLY: synthetic revocation lists", "format": _FORMAT, "nation": asdict(self)}
        (target / "nation.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
        return files

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Nation:
        """What the lists in a folder were made from; `partitions` then tells what is in each.

        Raises:
            ValueError: not of this format.
            OSError: nation.json cannot be read.
        """
        manifest = json.loads((Path(folder) / "nation.json").read_text())
        if manifest.get("format") != _FORMAT:
            raise ValueError(f"{folder}: lists of format {manifest.get('format')}, this version reads {_FORMAT}")
        return cls(**{**manifest["nation"], "shape": Shape(**manifest["nation"]["shape"])})


def _onwards(progress: Progress | None, done: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda here, _of: progress(done + here, total)


# ---- a city ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CityCrls:
    """The lists of a city: one of each generation of each CA for each municipality, most of them short.

    Attributes:
        city: whose.
        revoked: reason (`REASONS`) of each row that is revoked.
        lists: entries of each list: of the city's certificates, without strangers.
        strangers: what was drawn for each list besides.
        this_update: when all were made.
        number: cRLNumber of all.
    """

    city: City
    revoked: Mapping[int, int]
    lists: Mapping[ListKey, Entries]
    strangers: Mapping[ListKey, Draw]
    this_update: int
    number: int

    def __len__(self) -> int:
        return len(self.lists)

    def entries(self, key: ListKey) -> Entries:
        """All that is in that list, by rising serials."""
        return (self.lists[key] + self.strangers[key].entries()).sorted() if key in self.strangers else self.lists[key]

    def key_of(self, row: int) -> ListKey:
        """The list that the certificate of that row is looked for in."""
        return _key_of(self.city, row)

    def crl(self, key: ListKey) -> bytes:
        """That list, DER."""
        return make_crl(self._signer(key), self.entries(key), **self._how(key))

    def write(self, folder: str | os.PathLike[str], *, progress: Progress | None = None) -> list[CrlFile]:
        """Writes every list, PURPOSE-GENERATION-CODE.crl, into a folder, which is made if it is not there.

        Args:
            progress: called with (lists written, in all) now and then.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        files = []
        for key in self.lists:
            path = target / "-".join(map(str, key))
            files.append(write_crl(f"{path}.crl", self._signer(key), self.entries(key), **self._how(key)))
            if progress:
                progress(len(files), len(self.lists))
        return files

    def _signer(self, key: ListKey) -> Authority:
        return self.city.authorities[key[0], key[1]]

    def _how(self, key: ListKey) -> dict[str, Any]:
        point = partition_point(self.city.plan.shape, key[0], _BY_CODE[key[2]])
        return {"this_update": self.this_update, "number": self.number, "point": point}


def city_crls(
    city: City,
    revoked: int | Iterable[int] | Mapping[int, int],
    *,
    strangers: int = 0,
    seed: object = 1,
    this_update: int | None = None,
    number: int = 1,
) -> CityCrls:
    """The lists of a city, in which some of its certificates are.

    Args:
        revoked: how many of the city's rows, which the seed then chooses; or which rows; or the reason of each.
        strangers: entries besides, of certificates that are none of the city's.
        this_update: seconds since 1970; by default the midnight (UTC) before the city's moment.
        number: cRLNumber, to be raised when lists follow lists.

    Raises:
        ValueError: more rows than the city has, or a row that it does not have.
    """
    plan = city.plan
    made_at = plan.at // DAY * DAY if this_update is None else this_update
    rows = _chosen(city, revoked, seed)
    reasons = _reasons(city, rows, revoked, seed)
    members: dict[ListKey, list[int]] = {
        (purpose, generation, one.code): []
        for purpose in plan.purposes
        for generation in GENERATIONS
        for one in MUNICIPALITIES
    }
    for row in rows:
        members[_key_of(city, row)].append(row)
    lists = {key: _entries(city, sorted(own, key=lambda row: int(city.serial[row])), reasons, made_at, seed)
             for key, own in members.items()}  # fmt: skip
    return CityCrls(
        city, reasons, lists, dict(_strangers(city, list(members), strangers, made_at, seed)), made_at, number
    )


_BY_CODE: Final = {one.code: one for one in MUNICIPALITIES}


def _key_of(city: City, row: int) -> ListKey:
    return city.purpose(row), int(city.generation[row]), city.person(row).municipality.code


def _chosen(city: City, revoked: int | Iterable[int] | Mapping[int, int], seed: object) -> list[int]:
    if not isinstance(revoked, int):
        return [range(len(city))[int(row)] for row in revoked]
    if not 0 <= revoked <= len(city):
        raise ValueError(f"a city of {len(city)} certificates has no {revoked} to revoke")
    order = np.argsort(_chance("rows", seed, len(city)), kind="stable")
    return [int(row) for row in order[:revoked]]


def _reasons(city: City, rows: Sequence[int], given: object, seed: object) -> dict[int, int]:
    if isinstance(given, Mapping):
        return {int(row): int(reason) for row, reason in given.items()}
    draws = {one: Draw(0, seed=f"{seed}", weights=PURPOSE_REASONS[one]).reason_table for one in city.plan.purposes}
    chance = _chance("reasons", seed, len(city)) >> np.uint64(48)
    return {row: int(draws[city.purpose(row)][chance[row]]) for row in rows}


def _entries(city: City, rows: Sequence[int], reasons: Mapping[int, int], until: int, seed: object) -> Entries:
    """Entries of these rows, each revoked at some time since it was issued."""
    chance = _chance("dates", seed, len(city))
    since = [min(int(city.not_before[row]), until - 1) for row in rows]
    dates = [one + (int(chance[row]) * (until - one) >> 64) for one, row in zip(since, rows, strict=True)]
    return Entries.of([int(city.serial[row]) for row in rows], dates=dates, reasons=[reasons[row] for row in rows])


def _strangers(
    city: City, keys: Sequence[ListKey], count: int, until: int, seed: object
) -> Iterator[tuple[ListKey, Draw]]:
    """So many entries, the same share in every list, of serials that the list's generation may give but gave nobody here."""
    used: dict[tuple[Purpose, int], int] = defaultdict(int)
    for number, key in enumerate(keys):
        share = count * (number + 1) // len(keys) - count * number // len(keys)
        purpose, generation, _ = key
        if share:
            first = FIRST_SERIALS[generation]
            ours = range(first, first + 3 * city.plan.citizens + 3)
            others = range(FIRST_SERIALS[generation + 1], NATIONAL_COUNTER + 1)
            yield (
                key,
                Draw(
                    share,
                    first=used[purpose, generation],
                    seed=f"{seed}/{purpose}",
                    until=until,
                    weights=PURPOSE_REASONS[purpose],
                    avoid=(range(1, first), ours, others),
                ),
            )
            used[purpose, generation] += share


def _chance(what: str, seed: object, count: int) -> npt.NDArray[np.uint64]:
    return np.frombuffer(stream("sekisho test-only city crls", what, seed, size=8 * count), dtype="<u8")
