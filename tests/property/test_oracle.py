"""The engine and the oracle, an independent reading of the same documents, over thousands of mutated logins."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.property.mutations import MUTATIONS, SMALL_ORDER, WORLDS, World, hold_all
from tests.property.oracle import ACCEPTED, Login, ed25519_is_good

from sekisho import testing
from sekisho.testing import make_bad_login
from sekisho.testing.keys import key_from_scalar

COUNT = int(os.environ.get("SEKISHO_ORACLE_COUNT", "3000"))  # `python -m tests.property.oracle` takes any number


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: "-".join(str(part or "own") for part in world[:3]))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(*request.param, tmp_path_factory.mktemp("world"))


def test_the_oracle_accepts_good_logins_once(world: World) -> None:
    oracle = world.oracle()
    for _, login in world.logins:
        assert oracle.judge(login) == ACCEPTED
        assert oracle.judge(login) == {"challenge-used"}


def test_the_oracle_locks_what_is_offered_too_often(world: World) -> None:
    oracle = world.oracle()
    _, login = world.logins[0]
    told = [oracle.judge(replace(login, signature=login.signature[:-1])) for _ in range(10)]
    assert "challenge-locked" not in set.union(*map(set, told[:8]))
    assert told[8:] == [{"challenge-locked"}] * 2


def test_the_oracles_ed25519_points() -> None:
    assert not any(ed25519_is_good(point) for point in SMALL_ORDER)
    for seed in range(8):
        key = key_from_scalar("ed25519", bytes((seed,)) * 32).private_key.public_key()
        assert ed25519_is_good(key.public_bytes_raw())  # type: ignore[union-attr]


def test_the_oracle_knows_every_kind_of_bad_login(world: World) -> None:
    """Each fault that sekisho.testing plants has its reason from the oracle too: it is no friend of the engine's."""
    for number, kind in enumerate(testing.bad_kinds(world.city, world.mode)):
        row, base = world.logins[number % len(world.logins)]
        bad = make_bad_login(world.city, row, kind, base.challenge, mode=world.mode)
        if bad.intermediates or bad.also_trust:
            continue  # paths are held against OpenSSL in tests/unit/test_paths.py
        told = world.oracle().judge(Login(bad.certificate, bad.challenge, bad.signature, base.binding))
        assert told & set(bad.reasons), f"{kind}: {sorted(told)}"
        assert told != ACCEPTED


def test_the_engine_says_what_the_oracle_says(tmp_path: Path) -> None:
    report = hold_all(COUNT, "tests", tmp_path)
    assert report.disagreements[:3] == []
    assert report.logins >= COUNT
    # The mutations reach every stage, and do not only break.
    assert set(report.kinds) == set(MUTATIONS)
    assert report.accepted > report.logins // 20
    assert len(report.reasons) > 25
