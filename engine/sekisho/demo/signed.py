"""A city that has signed its challenges already: made once, kept in the cache, and read again in a second.

All of it is for one fixed instant, the city's, and under a challenge key of its own that lies beside it: TEST ONLY, both.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sekisho import keyfiles
from sekisho.challenges import ChallengeKeys, tokens_of
from sekisho.demo.desk import AGO, AUDIENCE, TENANT
from sekisho.profiles import Profile
from sekisho.testing.city import City, build_city
from sekisho.testing.columns import Column
from sekisho.testing.keys import KeyKind, cache_folder, stream

__all__ = ["PROFILE", "Signed", "signed_city"]

PROFILE: Final = "jpki-auth-test"
LIFETIME: Final = 300  # seconds; the longest that a challenge lives
FORMAT: Final = 2  # of the folder
KEYS: Final = "challenge.keys"

Watch = Callable[[str, int, int], None]
"""Told of each stage: what is done, how many, of how many."""


@dataclass(frozen=True, eq=False)
class Signed:
    """A city and a good login of every citizen, in their order.

    Attributes:
        city: whose people they are.
        challenges, signatures: one each; the certificates are the city's rows for "auth".
        key_file: of the challenges.
    """

    city: City
    challenges: Column
    signatures: Column
    key_file: Path


def signed_city(
    citizens: int, seed: str, watch: Watch, *, key: KeyKind = "rsa2048", cache: Path | None = None
) -> Signed:
    """The city of that many citizens, out of the cache, or made and put there.

    Args:
        key: of citizens and CAs.
        cache: where cities are kept; by default where `sekisho.testing` keeps its primes. Deleting it undoes all.

    A thousand certificates and two thousand signatures take a core a second.
    """
    folder = (cache or cache_folder()) / f"city-{FORMAT}-{stream('folder', seed, citizens, key, size=8).hex()}"
    if not (folder / "signatures.offsets.npy").exists():
        _make(folder, citizens, seed, key, watch)
    watch("reading the city", 0, 1)
    city = City.load(folder / "city", check=False)
    challenges, signatures = _read(folder, "challenges"), _read(folder, "signatures")
    watch("reading the city", 1, 1)
    return Signed(city, challenges, signatures, folder / KEYS)


def _make(folder: Path, citizens: int, seed: str, key: KeyKind, watch: Watch) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    city = build_city(
        citizens,
        seed=seed,
        key=key,
        authority_key=key,
        purposes=["auth"],
        progress=lambda a, b: watch("making certificates", a, b),
    )
    city.save(part / "city")
    keyfiles.make(part / KEYS, at=city.plan.at - AGO)
    tokens = ChallengeKeys.load(part / KEYS).issue(
        citizens,
        profile=Profile.load(PROFILE).id32,
        tenant=TENANT,
        audience=AUDIENCE,
        lifetime=LIFETIME,
        at=city.plan.at - AGO,
    )
    challenges = Column.of(tokens_of(tokens))
    signatures = city.sign(city.rows("auth"), challenges, progress=lambda a, b: watch("citizens signing", a, b))
    _write(part, "challenges", challenges)
    _write(part, "signatures", signatures)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _write(folder: Path, name: str, column: Column) -> None:
    column.data.tofile(folder / f"{name}.bin")
    np.save(folder / f"{name}.offsets.npy", column.offsets)


def _read(folder: Path, name: str) -> Column:
    return Column(np.fromfile(folder / f"{name}.bin", dtype=np.uint8), np.load(folder / f"{name}.offsets.npy"))
