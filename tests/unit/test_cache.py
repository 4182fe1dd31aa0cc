"""The parsing cache: what it keeps, for whom, for how long, and that a flood of forgeries takes nobody's place."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import pytest

from sekisho import testing
from sekisho.engine import CacheStatistics, Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT, City, build_city, make_bad_login
from sekisho.trust import TrustStore
from sekisho.verdicts import Verdicts
from sekisho.verifier import Verifier

MIB = 1 << 20
TINY = 2 * MIB  # the least that an engine takes
RSA_ENTRY_MAX = 768  # bytes; docs/ARCHITECTURE.md
HIT_RATE_MIN = 0.99


@cache
def city() -> City:
    """Certificates with RSA-2048 keys, all distinct, under P-256 CAs, which sign them quickly."""
    return build_city(3000, seed="cache", key="rsa2048", authority_key="p256", purposes=("auth",))


@cache
def small() -> City:
    return testing.small_city()


def profile(**different: object) -> Profile:
    base = replace(Profile.load("jpki-auth-test"), name="cache-test", challenge="foreign")
    return replace(base, **different)  # type: ignore[arg-type]


def verifier(
    where: City | None = None, engine: Engine | None = None, also: tuple[bytes, ...] = (), **different: object
) -> Verifier:
    store = TrustStore([*(where or small()).trust("auth"), *also])
    return Verifier(store, profile(**different), engine=engine or Engine(threads=1, cache_bytes=8 * MIB))


def certificates(where: City, count: int) -> list[bytes]:
    return [where.certificate(row) for row in where.rows("auth")[:count]]


def hits(verdicts: Verdicts) -> int:
    return sum("cache-hit" in verdict.flags for verdict in verdicts)


def spent(engine: Engine, work: Callable[[], object]) -> CacheStatistics:
    """By how much `work` raised the counters; entries and bytes as they are then."""
    before = engine.cache_statistics()
    work()
    after = engine.cache_statistics()
    rise = {name: getattr(after, name) - getattr(before, name) for name in ("hits", "misses", "inserted", "evicted")}
    return replace(after, **rise, forged_hits=after.forged_hits - before.forged_hits)


# ---- what is counted -----------------------------------------------------------------------------------


def test_a_certificate_is_read_once_and_found_from_then_on() -> None:
    one = verifier()
    rows = certificates(small(), 16)
    first = spent(one.engine, lambda: one.verify_certificates(rows, at=AT))
    assert (first.hits, first.misses, first.inserted, first.entries) == (0, 16, 16, 16)
    second = spent(one.engine, lambda: one.verify_certificates(rows * 2, at=AT))
    assert (second.hits, second.misses, second.inserted, second.entries) == (32, 0, 0, 16)
    assert hits(one.verify_certificates(rows, at=AT)) == 16


def test_forgetting_forgets_and_keeps_the_counters() -> None:
    one = verifier()
    rows = certificates(small(), 16)
    one.verify_certificates(rows, at=AT)
    one.engine.clear_cache()
    statistics = one.engine.cache_statistics()
    assert (statistics.entries, statistics.inserted) == (0, 16)
    assert hits(one.verify_certificates(rows, at=AT)) == 0
    assert one.engine.cache_statistics().entries == 16


def test_nothing_enters_before_its_issuers_signature_verified() -> None:
    one = verifier()
    for kind in testing.bad_kinds(small(), groups=("certificate", "key", "path")):
        bad = testing.a_bad_login(kind)
        if bad.intermediates or bad.also_trust or kind == "policy-wrong":
            continue  # refused after the signature was found right: such a refusal is kept
        for _ in range(2):
            found = spent(one.engine, partial(one.verify_certificates, [bad.certificate], at=AT))
            assert (found.inserted, found.entries) == (0, 0), kind


# ---- windows of time -----------------------------------------------------------------------------------


def test_a_finding_holds_within_the_certificates_validity_alone() -> None:
    one = verifier()
    rows = certificates(small(), 16)
    starts, ends = small().not_before[:16].tolist(), small().not_after[:16].tolist()
    assert one.verify_certificates(rows, at=AT).ok.all()
    for certificate, start, end in zip(rows, starts, ends, strict=True):
        generation = max(AT, start)  # the CA's own window is wider than any leaf's here
        assert start <= generation <= end
        for at, expected in (
            (end, Reason.CERTIFICATE_OK),
            (end + 1, Reason.EXPIRED),
            (start, Reason.CERTIFICATE_OK),
            (start - 1, Reason.NOT_YET_VALID),
            (AT, Reason.CERTIFICATE_OK),
        ):
            verdict = one.verify_certificates([certificate], at=at)[0]
            assert verdict.reason is expected, at
            assert ("cache-hit" in verdict.flags) == verdict.ok


def test_the_clock_skew_widens_the_window_by_itself() -> None:
    one = verifier(clock_skew=30)
    certificate = small().certificate(0)
    end = int(small().not_after[0])
    for at, expected in ((AT, True), (end + 30, True), (end + 31, False), (end + 30, True)):
        assert one.verify_certificates([certificate], at=at)[0].ok == expected


def test_an_expired_issuer_ends_the_finding() -> None:
    """A leaf that outlives its CA: cached while the CA was valid, and refused the second after."""
    issuer = small().authority("auth", 1)
    outliving = small().fields(_row_of(1)).with_validity(AT - 100, issuer.not_after + 10**6)
    certificate = issuer.issue(outliving)
    one = verifier()
    for at, expected in (
        (AT, Reason.CERTIFICATE_OK),
        (issuer.not_after, Reason.CERTIFICATE_OK),
        (issuer.not_after + 1, Reason.ISSUER_EXPIRED),
        (AT, Reason.CERTIFICATE_OK),
    ):
        assert one.verify_certificates([certificate], at=at)[0].reason is expected


def _row_of(generation: int) -> int:
    return next(row for row in small().rows("auth") if small().generation[row] == generation)


# ---- for whom ------------------------------------------------------------------------------------------


def test_another_trust_store_learns_nothing_from_the_cache() -> None:
    engine = Engine(threads=1, cache_bytes=8 * MIB)
    one = verifier(engine=engine)
    stranger = testing.build_city(1, seed="another", authority_key="p256", workers=1)
    other = verifier(stranger, engine=engine)
    rows = certificates(small(), 16)
    for _ in range(2):
        assert one.verify_certificates(rows, at=AT).ok.all()
        # The stranger's CAs bear the same name: the signature alone tells, and it is looked at anew.
        verdicts = other.verify_certificates(rows, at=AT)
        assert verdicts.count() == {Reason.ISSUER_SIGNATURE_WRONG: 16}
        assert hits(verdicts) == 0
        assert set(verdicts.array["certificate"]) == {0}
    assert one.verify_certificates(rows, at=AT).ok.all()  # nor does its answer harm the first


def test_a_store_of_its_own_does_not_show_that_others_saw_a_certificate() -> None:
    engine = Engine(threads=1, cache_bytes=8 * MIB)
    rows = certificates(small(), 16)
    assert hits(verifier(engine=engine).verify_certificates(rows, at=AT)) == 0
    assert hits(verifier(engine=engine).verify_certificates(rows, at=AT)) == 0  # an equal store, and another tenant's


def test_another_profile_is_another_finding() -> None:
    engine = Engine(threads=1, cache_bytes=8 * MIB)
    rows = certificates(small(), 16)
    demanding = {
        "policies": (("1.2.3.4",), Reason.POLICY),
        "key_usage_required": (("nonRepudiation",), Reason.KEY_USAGE),
        "rsa_bits_min": (3072, Reason.KEY_TOO_SMALL),
        "issuers": (("CN=Nobody",), Reason.ISSUER_NOT_ALLOWED),
        "signature_algorithms": (("ecdsa-sha256",), Reason.ALGORITHM_NOT_ALLOWED),
    }
    store = TrustStore(list(small().trust("auth")))
    plain = Verifier(store, profile(key_usage_forbidden=()), engine=engine)
    others = [
        (Verifier(store, profile(**{what: value}, key_usage_forbidden=()), engine=engine), reason)
        for what, (value, reason) in demanding.items()
    ]
    for _ in range(3):  # more pairs of store and profile than an entry can speak for
        assert plain.verify_certificates(rows, at=AT).count() == {Reason.CERTIFICATE_OK: 16}
        for one, reason in others:
            assert one.verify_certificates(rows, at=AT).count() == {reason: 16}


def test_more_tenants_than_an_entry_speaks_for() -> None:
    engine = Engine(threads=1, cache_bytes=8 * MIB)
    rows = certificates(small(), 16)
    tenants = [verifier(engine=engine) for _ in range(5)]
    for _ in range(3):
        for tenant in tenants:
            assert tenant.verify_certificates(rows, at=AT).ok.all()
    assert engine.cache_statistics().entries == 16
    for _ in range(2):
        last = [hits(tenant.verify_certificates(rows, at=AT)) for tenant in tenants[-2:]]
    assert last == [16, 16]


# ---- forgeries -----------------------------------------------------------------------------------------


def forgeries(rows: list[bytes], count: int, seed: int = 1, signature: int = 200) -> list[bytes]:
    """Distinct certificates with a bit of serial or signature (its last bytes) changed: well formed, and nobody's."""
    chance = random.Random(seed)
    made: set[bytes] = set()
    while len(made) < count:
        forged = bytearray(chance.choice(rows))
        place = chance.choice([16, 17, *range(len(forged) - signature, len(forged) - 1)])
        forged[place] ^= 1 << chance.randrange(8)
        made.add(bytes(forged))
    return sorted(made)


def test_a_forgery_is_known_again_and_stays_out_of_the_cache() -> None:
    one = verifier()
    forged = forgeries(certificates(small(), 16), 200)
    first = spent(one.engine, lambda: one.verify_certificates(forged, at=AT, confirmations=999))
    assert (first.inserted, first.entries, first.forged_hits) == (0, 0, 0)
    before = one.engine.cache_statistics().forged_hits
    verdicts = one.verify_certificates(forged, at=AT, confirmations=0)  # known ones need no confirmation
    known = one.engine.cache_statistics().forged_hits - before
    assert known >= 195  # two may fall on one place of the table
    assert verdicts.count()[Reason.ISSUER_SIGNATURE_WRONG] >= known
    assert set(verdicts.array["certificate"]) == {0}


def test_forged_for_one_store_may_be_good_for_another() -> None:
    engine = Engine(threads=1, cache_bytes=8 * MIB)
    one = verifier(engine=engine)
    bad = testing.a_bad_login("issuer-impersonated")
    for _ in range(2):
        assert one.verify_certificates([bad.certificate], at=AT)[0].reason is Reason.ISSUER_SIGNATURE_WRONG
    from sekisho.testing.faults import _stranger  # the CA that made it, of the same name as the real one

    stranger = _stranger(small().plan, "auth", 2, small().plan.shape.organization)
    other = verifier(engine=engine, also=(stranger.certificate,))
    for _ in range(2):
        assert other.verify_certificates([bad.certificate], at=AT)[0].reason is Reason.CERTIFICATE_OK
    assert one.verify_certificates([bad.certificate], at=AT)[0].reason is Reason.ISSUER_SIGNATURE_WRONG


def test_a_flood_of_forgeries_leaves_the_good_ones_where_they_are() -> None:
    """The acceptance's 10,000 among 1,000,000, at a twentieth; `python -m bench cache` has the whole."""
    where = build_city(500, seed="flood", key="p256", authority_key="rsa2048", purposes=("auth",))
    engine = Engine(threads=2, cache_bytes=2 * MIB)
    one = verifier(where, engine)
    good = certificates(where, 500)
    assert one.verify_certificates(good, at=AT).ok.all()
    asked = found = 0
    for wave in range(10):
        rows = [(True, row) for row in good] + [(False, row) for row in forgeries(good, 5000, seed=wave)]
        random.Random(wave).shuffle(rows)
        verdicts = one.verify_certificates([row for _, row in rows], at=AT)
        assert verdicts.ok.tolist() == [is_good for is_good, _ in rows]
        asked += len(good)
        found += hits(verdicts)
    assert found / asked >= HIT_RATE_MIN
    assert engine.cache_statistics().evicted == 0


# ---- bounds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [TINY, 2_200_000, 2_830_000, 5 * MIB + 12345])
def test_a_full_cache_stays_within_its_bound_and_answers_right(size: int) -> None:
    engine = Engine(threads=1, cache_bytes=size)
    one = verifier(city(), engine)
    rows = certificates(city(), 3000)
    for _ in range(3):
        assert one.verify_certificates(rows, at=AT).ok.all()
        statistics = engine.cache_statistics()
        assert statistics.bytes <= statistics.bytes_max == size
    assert statistics.entries == statistics.inserted - statistics.evicted
    assert (statistics.evicted > 0) == (statistics.entries < 3000)


def test_an_entry_for_rsa_2048_has_at_most_768_bytes() -> None:
    """Of a cache that is full, entries and index divided by entries; the rest is there before the first."""
    engine = Engine(threads=1, cache_bytes=TINY)
    empty = engine.cache_statistics().bytes
    verifier(city(), engine).verify_certificates(certificates(city(), 3000), at=AT)
    full = engine.cache_statistics()
    assert full.evicted > 0
    assert (full.bytes - empty) / full.entries <= RSA_ENTRY_MAX
    index = 64 * 8  # bytes a shard at this size
    assert (full.bytes - empty + 64 * index) / full.entries <= RSA_ENTRY_MAX


def test_a_cache_too_small_for_an_entry_is_refused_and_none_is_none() -> None:
    with pytest.raises(ValueError, match="at least"):
        Engine(threads=1, cache_bytes=1000)
    engine = Engine(threads=1, cache_bytes=0)
    assert engine.cache_statistics() == CacheStatistics(0, 0, 0, 0, 0, 0, 0, 0)
    engine.clear_cache()


def test_clock_evicts_what_nobody_asked_for() -> None:
    """Certificates that keep coming survive a stream of others that come once."""
    engine = Engine(threads=1, cache_bytes=TINY)
    one = verifier(city(), engine)
    rows = certificates(city(), 3000)
    regulars, others = rows[:200], rows[200:]
    one.verify_certificates(regulars, at=AT)
    found = 0
    for start in range(0, len(others), 200):
        one.verify_certificates(others[start : start + 200], at=AT)
        found += hits(one.verify_certificates(regulars, at=AT))
    assert engine.cache_statistics().evicted > 500
    assert found / (14 * len(regulars)) > 0.95


def test_keys_of_every_size_share_a_cache() -> None:
    engine = Engine(threads=1, cache_bytes=4 * MIB)
    for key in testing.KEY_KINDS:
        where = build_city(20, seed="sizes", key=key, authority_key="p256", purposes=("auth",), workers=1)
        one = verifier(where, engine)
        for wanted in (0, 20):
            verdicts = one.verify_certificates(certificates(where, 20), at=AT)
            assert (int(verdicts.ok.sum()), hits(verdicts)) == (20, wanted)
        facts = [one.certificate(verdict.certificate) for verdict in verdicts]
        assert {(one.key_kind, one.key_bits) for one in facts if one} == {
            ("rsa" if key.startswith("rsa") else key, 256 if key == "ed25519" else int(key.lstrip("rsap")))
        }


# ---- handles -------------------------------------------------------------------------------------------


def test_a_handle_names_its_certificate_and_nothing_else() -> None:
    one = verifier()
    rows = certificates(small(), 16)
    verdicts = one.verify_certificates(rows, at=AT)
    assert len(set(verdicts.array["certificate"].tolist())) == 16
    for row, (certificate, verdict) in enumerate(zip(rows, verdicts, strict=True)):
        facts = one.certificate(verdict.certificate)
        assert facts is not None
        assert facts.fingerprint == hashlib.sha256(certificate).digest()
        assert facts.serial == int(small().serial[row])
        assert (facts.not_before, facts.not_after) == (int(small().not_before[row]), int(small().not_after[row]))
        issuer = small().issuer(row)
        assert facts.issuer == hashlib.sha256(issuer.name + issuer.key.spki).digest()
        assert str(facts.serial) not in repr(facts)
    handles = verdicts.array["certificate"].tolist()
    again = one.verify_certificates(rows, at=AT).array["certificate"].tolist()
    assert handles == again
    one.engine.clear_cache()
    assert [one.certificate(handle) for handle in handles] == [None] * 16
    one.verify_certificates(list(reversed(rows)), at=AT)
    assert [one.certificate(handle) for handle in handles] == [None] * 16  # the cells are taken again, by others


def test_handles_out_of_the_air() -> None:
    one = verifier()
    one.verify_certificates(certificates(small(), 16), at=AT)
    chance = random.Random(3)
    made_up = [0, 1, 2**26 - 1, 2**32, 2**64 - 1, *(chance.getrandbits(64) for _ in range(2000))]
    assert all(one.certificate(handle) is None for handle in made_up)


def test_a_handle_outlives_its_certificate_as_nothing() -> None:
    engine = Engine(threads=1, cache_bytes=TINY)
    one = verifier(city(), engine)
    rows = certificates(city(), 3000)
    handles = one.verify_certificates(rows, at=AT).array["certificate"].tolist()
    named = 0
    for certificate, handle in zip(rows, handles, strict=True):
        facts = one.certificate(handle)
        if facts is not None:
            named += 1
            assert facts.fingerprint == hashlib.sha256(certificate).digest()
    assert named == engine.cache_statistics().entries < 3000


# ---- threads and forks ---------------------------------------------------------------------------------


def mixture() -> tuple[list[bytes], list[Reason]]:
    """Good, forged and refused certificates with what each deserves."""
    rows = certificates(city(), 1500)
    expected = [Reason.CERTIFICATE_OK] * len(rows)
    rows += forgeries(certificates(city(), 50), 100, signature=30)
    expected += [Reason.ISSUER_SIGNATURE_WRONG] * 100
    for row in range(20):
        rows.append(make_bad_login(city(), row, "expired").certificate)
        expected.append(Reason.EXPIRED)
        rows.append(make_bad_login(city(), row, "policy-wrong").certificate)
        expected.append(Reason.POLICY)
    return rows, expected


def test_threads_share_a_cache_that_is_too_small_for_them() -> None:
    rows, expected = mixture()
    engine = Engine(threads=2, cache_bytes=TINY)
    one = verifier(city(), engine)
    wrong: list[object] = []

    def hammer(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(12):
            picked = [chance.randrange(len(rows)) for _ in range(700)]
            verdicts = one.verify_certificates([rows[row] for row in picked], at=AT, confirmations=10**6)
            told = [verdict.reason for verdict in verdicts]
            wrong.extend((row, reason) for row, reason in zip(picked, told, strict=True) if reason is not expected[row])
            for row, verdict in zip(picked[:50], verdicts, strict=False):
                facts = one.certificate(verdict.certificate)
                if facts is not None and facts.fingerprint != hashlib.sha256(rows[row]).digest():
                    wrong.append((row, facts))
            if chance.random() < 0.2:
                engine.clear_cache()

    threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert engine.cache_statistics().evicted > 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_the_work_works() -> None:
    """Locks and workspaces that the parent's other threads held are void in the child."""
    rows, expected = mixture()
    engine = Engine(threads=2, cache_bytes=TINY)
    one = verifier(city(), engine)
    stop = threading.Event()

    def work() -> None:
        chance = random.Random()
        while not stop.is_set():
            picked = [chance.randrange(len(rows)) for _ in range(64)]
            one.verify_certificates([rows[row] for row in picked], at=AT, confirmations=10**6)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                verdicts = one.verify_certificates(rows[-300:], at=AT, confirmations=10**6)
                right = [verdict.reason for verdict in verdicts] == expected[-300:]
                os._exit(0 if right else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    verdicts = one.verify_certificates(rows, at=AT, confirmations=10**6)
    assert [verdict.reason for verdict in verdicts] == expected
