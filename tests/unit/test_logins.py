"""Logins from bytes to verdicts: every kind of bad one gets its own reason, whatever stands beside it in the batch."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.unit.login_desk import AUDIENCE, TENANT, Desk, Keys, new_claims, reasons

from sekisho import testing
from sekisho._native import lib
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT, BadLogin, City, Login, Logins, build_city, make_bad_login, make_login
from sekisho.testing.keys import KeyKind
from sekisho.testing.keys import Mode as SigningMode
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch, Verifier

CITIZENS = 12
PROFILES: dict[SigningMode | None, str] = {
    None: "jpki-auth-test",
    "pkcs1-bare": "jpki-auth-test-bare",
    "pkcs1-raw": "jpki-auth-test-raw",
}
# Key of the citizens, key of the CAs, mode (None: the key's own).
WORLDS: list[tuple[KeyKind, KeyKind, SigningMode | None]] = [
    ("rsa2048", "rsa2048", None),
    ("rsa2048", "rsa2048", "pkcs1-bare"),
    ("rsa2048", "rsa2048", "pkcs1-raw"),
    ("rsa3072", "rsa3072", None),
    ("rsa3072", "rsa2048", "pkcs1-raw"),
    ("rsa4096", "rsa4096", None),
    ("rsa4096", "rsa2048", "pkcs1-bare"),
    ("p256", "rsa2048", None),
    ("p256", "p256", None),
    ("p384", "p384", None),
    ("ed25519", "ed25519", None),
    ("rsa2048", "p384", None),
]


@cache
def city_of(key: KeyKind, authority_key: KeyKind = "rsa2048") -> City:
    return build_city(CITIZENS, seed="logins", key=key, authority_key=authority_key, workers=1)


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: "-".join(str(part or "own") for part in world))
def world(request: pytest.FixtureRequest) -> tuple[City, SigningMode | None, Profile]:
    key, authority_key, mode = request.param
    return city_of(key, authority_key), mode, Profile.load(PROFILES[mode])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """RSA-2048, mode A, the small city's CAs."""
    return Desk(tmp_path, TrustStore(list(testing.small_city().trust("auth"))), Profile.load("jpki-auth-test"))


@cache
def bad_logins(city: City, mode: SigningMode | None, profile: Profile) -> list[BadLogin]:
    """One of each kind, each over a challenge of its own that every desk of this profile takes."""
    kinds = testing.bad_kinds(city, mode)
    assert len(kinds) > 50
    rows = city.rows("auth")
    return [
        make_bad_login(city, rows[number % len(rows)], kind, token, mode=mode)
        for number, (kind, token) in enumerate(zip(kinds, Keys().issue(len(kinds), profile), strict=True))
    ]


@cache
def good_logins(city: City, mode: SigningMode | None, profile: Profile) -> Logins:
    return testing.make_logins(city, Keys().issue(60, profile), mode=mode, workers=1)


def store(login: Login) -> TrustStore:
    """What the login's relying party trusts, with what the kind wants trusted besides."""
    return TrustStore([*login.trust, *(login.also_trust if isinstance(login, BadLogin) else ())])


# ---- every kind ----------------------------------------------------------------------------------------


def test_each_kind_has_its_reason_and_no_neighbour_suffers(
    world: tuple[City, SigningMode | None, Profile], tmp_path: Path
) -> None:
    city, mode, profile = world
    desk = Desk(tmp_path, TrustStore(list(city.trust("auth"))), profile)
    surprises = []
    row = city.rows("auth")[3]
    good = [make_login(city, row, token, mode=mode) for token in desk.issue(2)]
    for bad in bad_logins(city, mode, profile):
        one = replace(desk, trust=store(bad))
        before, verdict, after = reasons(one.verify([good[0], bad, good[1]]))
        if verdict not in bad.reasons:
            surprises.append(f"{bad.kind}: {verdict}, should be one of {bad.reasons}")
        if (before, after) != ("accepted", "accepted"):
            surprises.append(f"{bad.kind}: its neighbours were told {before} and {after}")
    assert surprises == []


@pytest.mark.parametrize("threads", [1, 2])
def test_of_a_salted_batch_exactly_the_planted_ones_are_refused(
    world: tuple[City, SigningMode | None, Profile], tmp_path: Path, threads: int
) -> None:
    city, mode, profile = world
    engine = Engine(threads=threads, cache_bytes=32 << 20, cross_check_one_in=7)
    desk = Desk(tmp_path, TrustStore(list(city.trust("auth"))), profile, engine)
    planted = [bad for bad in bad_logins(city, mode, profile) if not bad.also_trust]
    good = good_logins(city, mode, profile)
    batch = good.salted(planted, seed=threads)
    columns = LoginBatch(
        certificates=list(batch.certificates),
        challenges=list(batch.challenges),
        signatures=list(batch.signatures),
        intermediates=list(batch.intermediates),
    )
    for temperature in ("cold", "warm", "warm"):
        desk.forget_claims()
        verdicts = desk.verifier.verify_logins(columns, at=AT)
        told = reasons(verdicts)
        wrong = [
            f"{row}: {reason}, {expected}"
            for row, (reason, expected) in enumerate(zip(told, batch.reasons, strict=True))
            if reason not in expected
        ]
        assert wrong == [], temperature
        assert int(verdicts.ok.sum()) == len(good)
        assert all(verdict.certificate for verdict in verdicts if verdict.ok)
        assert all("revocation-off" in verdict.flags for verdict in verdicts if verdict.ok)
        hits = sum("cache-hit" in verdict.flags for verdict in verdicts if verdict.ok)
        assert hits == len(good) if temperature == "warm" else hits < len(good)
    assert engine.cache_statistics().forged_hits > 0


def test_the_same_verdicts_without_a_cache(tmp_path: Path) -> None:
    city = city_of("rsa2048")
    desk = Desk(
        tmp_path,
        TrustStore(list(city.trust("auth"))),
        Profile.load("jpki-auth-test"),
        Engine(threads=1, cache_bytes=0, cross_check_one_in=1),
    )
    planted = [bad for bad in bad_logins(city, None, desk.profile) if not bad.also_trust]
    for _ in range(2):
        desk.forget_claims()
        verdicts = desk.verify([*planted, make_login(city, 0, desk.issue()[0])])
        for bad, verdict in zip(planted, verdicts, strict=False):
            assert verdict.reason.kebab in bad.reasons, bad.kind
        assert verdicts[len(planted)].ok
        assert not any("cache-hit" in verdict.flags for verdict in verdicts)
    assert set(verdicts.array["certificate"]) == {0}  # nothing is kept that a handle could name


def test_odd_looking_logins_are_accepted(world: tuple[City, SigningMode | None, Profile], tmp_path: Path) -> None:
    city, mode, profile = world
    desk = Desk(tmp_path, TrustStore(list(city.trust("auth"))), profile)
    for kind in testing.odd_kinds(city, mode):
        odd = make_bad_login(city, city.rows("auth")[1], kind, desk.issue()[0], mode=mode)
        assert desk.reason(odd).kebab in odd.reasons, kind


# ---- the challenge -------------------------------------------------------------------------------------


def signed(challenge: bytes, citizen: int = 0) -> Login:
    return testing.a_login(challenge, citizen=citizen)


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ({"issued": AT - 300, "lifetime": 300}, Reason.CHALLENGE_EXPIRED),  # the first second after its life
        ({"issued": AT - 299, "lifetime": 300}, Reason.ACCEPTED),
        ({"issued": AT + 1}, Reason.CHALLENGE_NOT_YET_VALID),
        ({"issued": AT}, Reason.ACCEPTED),
        ({"tenant": TENANT + 1}, Reason.CHALLENGE_WRONG_TENANT),
        ({"audience": AUDIENCE + "/"}, Reason.CHALLENGE_WRONG_AUDIENCE),
        ({"bindings": [b"another session"]}, Reason.CHALLENGE_FORGED),
        ({"transactions": [bytes(31) + b"\x01"]}, Reason.CHALLENGE_WRONG_TRANSACTION),
    ],
    ids=str,
)
def test_a_challenge_that_is_not_for_this_login(desk: Desk, different: dict[str, object], expected: Reason) -> None:
    (token,) = desk.issue(1, **different)
    verdict = desk.verify([signed(token)])[0]
    assert verdict.reason is expected
    if expected is not Reason.ACCEPTED:
        assert verdict.backend == "none"  # it cost no modular exponentiation
        assert verdict.certificate == 0


def test_a_challenge_for_another_profile(desk: Desk) -> None:
    (token,) = desk.keys.issue(1, Profile.load("jpki-sign-test"))
    assert desk.reason(signed(token)) is Reason.CHALLENGE_WRONG_PROFILE


def test_binding_and_transaction_are_those_of_the_token(desk: Desk) -> None:
    digest = bytes(range(32))
    token, other, plain = *desk.issue(2, bindings=[b"s1", b"s2"], transactions=[digest] * 2), *desk.issue(1)
    logins = [signed(one) for one in (token, other, plain)]
    how = {"bindings": [b"s1", b"s1", b""], "transactions": [digest, digest, digest]}
    assert reasons(desk.verify(logins, **how)) == ["accepted", "challenge-forged", "challenge-wrong-transaction"]
    assert reasons(desk.verify(logins[1:2], bindings=[b"s2"], transactions=[digest[::-1]])) == [
        "challenge-wrong-transaction"
    ]
    assert reasons(desk.verify(logins[1:2], bindings=[b"s2"], transactions=[digest])) == ["accepted"]


def test_every_character_of_a_token_counts(desk: Desk) -> None:
    (token,) = desk.issue()
    changed = [
        token[:at] + (b"A" if token[at : at + 1] != b"A" else b"B") + token[at + 1 :] for at in range(len(token))
    ]
    told = reasons(desk.verify([signed(one) for one in changed]))
    assert set(told) <= {"challenge-forged", "challenge-malformed", "challenge-key-unknown"}
    assert told[:9] == ["challenge-malformed"] * 9  # "sekisho1."
    assert told[-1] in ("challenge-forged", "challenge-malformed")
    assert desk.reason(signed(token)) is Reason.ACCEPTED


def test_a_token_of_a_key_that_is_not_here(desk: Desk) -> None:
    (token,) = Keys(ids=(2,)).issue(1, desk.profile)
    assert desk.reason(signed(token)) is Reason.CHALLENGE_KEY_UNKNOWN
    (token,) = Keys(ids=(1,), secret=bytes(32)[:-1] + b"\x01").issue(1, desk.profile)
    assert desk.reason(signed(token)) is Reason.CHALLENGE_FORGED


def test_a_challenge_is_accepted_once_within_a_batch_and_between_batches(desk: Desk) -> None:
    once, twice = desk.issue(2)
    logins = [signed(twice), signed(once), signed(twice), signed(twice, citizen=1)]
    assert reasons(desk.verify(logins)) == ["accepted", "accepted", "challenge-used", "challenge-used"]
    assert reasons(desk.verify(logins)) == ["challenge-used"] * 4


@pytest.mark.parametrize("threads", [1, 2])
def test_one_challenge_in_many_rows_of_a_large_batch(tmp_path: Path, threads: int) -> None:
    """Workers share the batch; the set of claims alone decides, and it decides once."""
    city = city_of("p256", "p256")
    engine = Engine(threads=threads, cache_bytes=32 << 20, cross_check_one_in=0)
    desk = Desk(tmp_path, TrustStore(list(city.trust("auth"))), Profile.load("jpki-auth-test"), engine)
    tokens = desk.issue(40)
    rows = [make_login(city, number % CITIZENS, token) for number, token in enumerate(tokens)] * 30
    random.Random(threads).shuffle(rows)
    verdicts = desk.verify(rows)
    count = verdicts.count()
    assert count.pop(Reason.ACCEPTED) == 40
    assert set(count) <= {
        Reason.CHALLENGE_USED,
        Reason.CHALLENGE_LOCKED,
    }  # a range checks a challenge eight times at most
    accepted = [row.challenge for row, ok in zip(rows, verdicts.ok, strict=True) if ok]
    assert sorted(accepted) == sorted(tokens)


def test_a_failure_does_not_use_a_challenge_up_until_eight_lock_it(desk: Desk) -> None:
    (token,) = desk.issue()
    wrong = testing.a_bad_login("signature-by-another", token)
    for _ in range(lib.SEKI_CHALLENGE_FAILURES_MAX - 1):
        assert desk.reason(wrong) is Reason.SIGNATURE_WRONG
    (other,) = desk.issue()
    for _ in range(lib.SEKI_CHALLENGE_FAILURES_MAX - 1):
        assert desk.reason(testing.a_bad_login("signature-by-another", other)) is Reason.SIGNATURE_WRONG
    assert desk.reason(signed(other)) is Reason.ACCEPTED  # seven failures burn nothing

    assert desk.reason(wrong) is Reason.SIGNATURE_WRONG
    for login in (wrong, signed(token)):
        verdict = desk.verify([login])[0]
        assert verdict.reason is Reason.CHALLENGE_LOCKED
        assert verdict.backend == "none"
        assert verdict.flags == frozenset()


def test_a_batch_checks_one_challenge_eight_times_at_most(desk: Desk) -> None:
    """Failures are counted after a range of rows, so whoever sends all guesses at once gets no more of them."""
    token, other = desk.issue(2)
    wrong = testing.a_bad_login("signature-by-another", token)
    verdicts = desk.verify([*[wrong] * 20, signed(other)])
    told = reasons(verdicts)
    assert told == ["signature-wrong"] * 8 + ["challenge-locked"] * 12 + ["accepted"]
    assert {verdict.backend for verdict in list(verdicts)[8:20]} == {"none"}
    assert desk.reason(signed(token)) is Reason.CHALLENGE_LOCKED


def test_a_forged_token_locks_nobodys_challenge(desk: Desk) -> None:
    (token,) = desk.issue(1, bindings=[b"mine"])
    for _ in range(20):
        assert desk.reason(testing.a_bad_login("signature-by-another", token)) is Reason.CHALLENGE_FORGED
    assert reasons(desk.verify([signed(token)], bindings=[b"mine"])) == ["accepted"]


def test_a_retry_gets_the_first_verdict_again_and_nothing_else_does(desk: Desk) -> None:
    (token,) = desk.issue()
    login = signed(token)
    first = desk.verify([login], requests=[b"request 1"])[0]
    assert (first.reason, "repeated" in first.flags) == (Reason.ACCEPTED, False)
    again = desk.verify([login], requests=[b"request 1"])[0]
    assert (again.reason, "repeated" in again.flags) == (Reason.ACCEPTED, True)
    used = ["challenge-used"]
    assert reasons(desk.verify([login], requests=[b"request 2"])) == used
    assert reasons(desk.verify([login], requests=[b""])) == used
    assert reasons(desk.verify([login])) == used
    # The same request id with other bytes, themselves good: another holder over the same challenge.
    assert reasons(desk.verify([signed(token, citizen=1)], requests=[b"request 1"])) == used
    # And with bad ones: the retry is verified like any login.
    assert reasons(desk.verify([testing.a_bad_login("expired", token)], requests=[b"request 1"])) == ["expired"]


def test_a_retry_after_the_challenges_life_is_refused(desk: Desk) -> None:
    (token,) = desk.issue(1, issued=AT - 10, lifetime=60)
    login = signed(token)
    assert reasons(desk.verify([login], requests=[b"r"])) == ["accepted"]
    assert reasons(desk.verify([login], at=AT + 49, requests=[b"r"])) == ["accepted"]
    assert reasons(desk.verify([login], at=AT + 50, requests=[b"r"])) == ["challenge-expired"]


def test_time_does_not_go_back(desk: Desk) -> None:
    early, late = desk.issue(2)
    assert desk.reason(signed(late), at=AT + 100) is Reason.ACCEPTED
    assert desk.reason(signed(early), at=AT + 98) is Reason.CLOCK_WENT_BACK
    assert desk.reason(signed(early), at=AT + 99) is Reason.ACCEPTED  # a second is for threads that overtake each other


def test_without_claims_nothing_is_accepted(desk: Desk) -> None:
    (token,) = desk.issue()
    desk.verifier.claims = None
    assert desk.reason(signed(token)) is Reason.CLAIMS_LOST


def test_a_full_set_of_claims_refuses(desk: Desk, tmp_path: Path) -> None:
    city = city_of("p256", "p256")
    desk = Desk(tmp_path, TrustStore(list(city.trust("auth"))), desk.profile)
    desk.verifier.claims = new_claims(tmp_path, capacity=lib.SEKI_CLAIMS_CAPACITY_MIN)
    key = city.key(0)
    tokens = desk.issue(600)
    logins = [replace(make_login(city, 0, tokens[0]), challenge=one, signature=key.sign(one)) for one in tokens]
    verdicts = desk.verify(logins)
    count = verdicts.count()
    assert set(count) == {Reason.ACCEPTED, Reason.CLAIMS_FULL}
    assert count[Reason.ACCEPTED] >= lib.SEKI_CLAIMS_CAPACITY_MIN
    full = [login for login, ok in zip(logins, verdicts.ok, strict=True) if not ok]
    assert desk.reason(full[0], at=AT + 289) is Reason.CLAIMS_FULL  # AT - 10 + 300, the last second of their lives


# ---- the request ---------------------------------------------------------------------------------------


def test_random_bytes_in_every_field(desk: Desk) -> None:
    chance = random.Random(20260401)
    rows = [
        replace(
            signed(desk.issue()[0]),
            **{
                field: chance.randbytes(chance.choice([0, 1, 2, 16, 165, 256, 2048, 2049, 4097, 65536, 65537]))
                for field in chance.sample(["certificate", "challenge", "signature"], chance.randint(1, 3))
            },
        )
        for _ in range(300)
    ]
    good = signed(desk.issue()[0])
    verdicts = desk.verify([*rows, good])
    assert verdicts.ok.tolist() == [False] * len(rows) + [True]
    assert Reason.NOT_DECIDED not in verdicts.count()
    assert Reason.ENGINE_FAULT not in verdicts.count()


def test_limits_of_the_request(desk: Desk) -> None:
    (token,) = desk.issue()
    login = signed(token)
    large = bytes(lib.SEKI_SIGNATURE_SIZE_MAX)
    assert desk.reason(replace(login, signature=large)) is Reason.SIGNATURE_LENGTH
    assert desk.reason(replace(login, signature=large + b"\0")) is Reason.INPUT_TOO_LARGE
    assert desk.reason(replace(login, challenge=bytes(201))) is Reason.INPUT_TOO_LARGE
    assert desk.reason(replace(login, challenge=bytes(200))) is Reason.CHALLENGE_MALFORMED
    authority = testing.small_city().authority("auth", 1).certificate
    assert desk.reason(replace(login, intermediates=(authority,) * 5)) is Reason.TOO_MANY_INTERMEDIATES
    assert desk.reason(replace(login, intermediates=(authority[:-1],))) is Reason.CERTIFICATE_MALFORMED
    assert desk.reason(replace(login, intermediates=(authority, b"\0"))) is Reason.CERTIFICATE_MALFORMED
    requests = [bytes(lib.SEKI_REQUEST_SIZE_MAX + 1)]
    assert reasons(desk.verify([login], requests=requests)) == ["input-too-large"]
    assert reasons(desk.verify([login], bindings=[bytes(1025)])) == ["input-too-large"]
    assert desk.reason(replace(login, intermediates=(authority,) * 4)) is Reason.ACCEPTED  # needless ones do no harm


def test_an_empty_batch(desk: Desk) -> None:
    assert len(desk.verify([])) == 0


def test_columns_of_different_lengths_are_the_callers_mistake(desk: Desk) -> None:
    login = signed(desk.issue()[0])
    with pytest.raises(ValueError, match="1 certificates want 1 bindings, not 2"):
        desk.verify([login], bindings=[b"", b""])


def test_a_time_for_each_row(desk: Desk) -> None:
    tokens = desk.issue(3)
    logins = [signed(token) for token in tokens]
    batch = LoginBatch(
        [one.certificate for one in logins], [one.challenge for one in logins], [one.signature for one in logins]
    )
    verdicts = desk.verifier.verify_logins(batch, at=np.array([AT, AT + 290, AT + 289], dtype=np.int64))
    # The newest time starts the batch: a row judged long before it is a clock that went back.
    assert reasons(verdicts) == ["clock-went-back", "challenge-expired", "challenge-expired"]
    more = desk.issue(2, issued=AT + 280)
    logins = [signed(token) for token in more]
    batch = LoginBatch(
        [one.certificate for one in logins], [one.challenge for one in logins], [one.signature for one in logins]
    )
    verdicts = desk.verifier.verify_logins(batch, at=np.array([AT + 279, AT + 300], dtype=np.int64))
    assert reasons(verdicts) == ["challenge-not-yet-valid", "accepted"]


# ---- revocation and foreign challenges ------------------------------------------------------------------


def test_a_profile_that_wants_revocation_refuses_without_it(desk: Desk, tmp_path: Path) -> None:
    strict = replace(desk.profile, name="wants-revocation", test=False, revocation="required")
    one = Desk(tmp_path, desk.trust, strict, desk.engine)
    (token,) = one.issue()
    verdict = one.verify([signed(token)])[0]
    assert verdict.reason is Reason.REVOCATION_NOT_CONFIGURED
    assert "revocation-off" not in verdict.flags
    # Only after the signature: what is wrong with a login is said first, and nothing was claimed.
    assert one.reason(testing.a_bad_login("signature-by-another", token)) is Reason.SIGNATURE_WRONG
    certificate = one.verifier.verify_certificates([signed(token).certificate], at=AT)[0]
    assert certificate.reason is Reason.REVOCATION_NOT_CONFIGURED


@pytest.mark.parametrize("name", ["jpki-auth", "jpki-sign", "client-auth", "strict-rfc5280"])
def test_shipped_profiles_for_real_use_want_revocation(name: str) -> None:
    assert Profile.load(name).revocation == "required"


def test_foreign_challenges_are_not_claimed(desk: Desk) -> None:
    foreign = replace(desk.profile, name="foreign-challenges", challenge="foreign")
    verifier = Verifier(desk.trust, foreign, engine=desk.engine)
    login = signed(b"0123456789abcdef")
    batch = LoginBatch([login.certificate] * 2, [login.challenge] * 2, [login.signature] * 2)
    assert reasons(verifier.verify_logins(batch, at=AT)) == ["accepted", "accepted"]


def test_own_challenges_want_keys(desk: Desk) -> None:
    verifier = Verifier(desk.trust, desk.profile, engine=desk.engine)
    with pytest.raises(ValueError, match="takes challenges of our own"):
        verifier.verify_logins(LoginBatch([b""], [b""], [b""]), at=AT)
