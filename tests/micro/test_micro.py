"""Single calls by the clock, for whoever works on one of them: ``pytest tests/micro --benchmark-only``.

Skipped in an ordinary run. Figures to quote come from ``python -m bench``, which measures peers beside us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from sekisho.batch import Column
from sekisho.challenges import ChallengeKeys, tokens_of
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.signatures import KeySet, SignatureBatch, verify_signatures
from sekisho.testing import AT, City, build_city, make_logins
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

Benchmark = Callable[..., Any]
CITIZENS = 64
MODE = "rsassa-pkcs1-v1_5-sha256"


@pytest.fixture(scope="module")
def city() -> City:
    return build_city(CITIZENS, seed="micro", purposes=["auth"])


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return Profile.load("jpki-auth-test")


def _spki(city: City) -> list[bytes]:
    return [city.key(row).spki for row in city.rows("auth")]


def _signed(city: City) -> tuple[list[bytes], list[bytes]]:
    logins = make_logins(city, [b"challenge %d" % number for number in range(CITIZENS)])
    return [*logins.challenges], [*logins.signatures]


@pytest.mark.parametrize("rows", [1, 8, CITIZENS])
def test_verify_signatures(benchmark: Benchmark, city: City, engine: Engine, rows: int) -> None:
    messages, signatures = _signed(city)
    batch = SignatureBatch(
        keys=KeySet(_spki(city)),
        key=0 if rows == 1 else np.arange(rows, dtype=np.uint32),
        messages=messages[:rows],
        signatures=signatures[:rows],
        mode=MODE,
    )
    verdicts = benchmark(verify_signatures, batch, engine=engine)
    assert verdicts.ok.all()


def test_keys_are_read(benchmark: Benchmark, city: City) -> None:
    keys = benchmark(KeySet, _spki(city))
    assert keys.reasons == [None] * CITIZENS


@pytest.mark.parametrize("rows", [1, CITIZENS])
def test_column_of_a_list(benchmark: Benchmark, city: City, rows: int) -> None:
    certificates = [*city.leaves][:rows]
    assert len(benchmark(Column.of, certificates)) == rows


def _certificates(city: City, engine: Engine, profile: Profile) -> tuple[Verifier, Column]:
    return Verifier(TrustStore(list(city.trust("auth"))), profile, engine=engine), Column.of([*city.leaves])


def test_certificates_seen_again(benchmark: Benchmark, city: City, engine: Engine, profile: Profile) -> None:
    verifier, certificates = _certificates(city, engine, profile)
    verifier.verify_certificates(certificates, at=AT)
    verdicts = benchmark(verifier.verify_certificates, certificates, at=AT)
    assert verdicts.ok.all()
    assert all("cache-hit" in verdict.flags for verdict in verdicts)


def test_certificates_seen_first(benchmark: Benchmark, city: City, engine: Engine, profile: Profile) -> None:
    verifier, certificates = _certificates(city, engine, profile)
    verdicts = benchmark.pedantic(  # type: ignore[attr-defined]
        verifier.verify_certificates, (certificates,), {"at": AT}, setup=engine.clear_cache, rounds=50
    )
    assert verdicts.ok.all()
    assert not any("cache-hit" in verdict.flags for verdict in verdicts)


def _issue(keys: ChallengeKeys, profile: Profile) -> Sequence[bytes]:
    return tokens_of(keys.issue(CITIZENS, profile=profile.id32, audience="micro", at=AT))


def test_challenges_are_issued(benchmark: Benchmark, profile: Profile) -> None:
    assert len(set(benchmark(_issue, ChallengeKeys.generate(), profile))) == CITIZENS


def test_challenges_are_checked(benchmark: Benchmark, profile: Profile) -> None:
    keys = ChallengeKeys.generate()
    tokens = Column.of(_issue(keys, profile))
    reasons = benchmark(keys.check, tokens, profile=profile.id32, audience="micro", at=AT)
    assert (reasons == Reason.CHALLENGE_OK).all()
