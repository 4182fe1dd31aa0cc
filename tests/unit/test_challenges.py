"""Challenges against a second implementation in plain Python, written from the layout in native/include/sekisho.h."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho import Reason
from sekisho.challenges import CHALLENGE_SIZE, ChallengeKeys, audience_field

SECRET = bytes(range(1, 33))
KEYS = ChallengeKeys({0x01020304: SECRET}, current=0x01020304)
AT = 1_800_000_000


def oracle(
    *,
    tenant: int = 0,
    profile: int,
    audience: str = "",
    issued: int = AT,
    lifetime: int = 120,
    random: bytes,
    binding: bytes = b"",
    transaction: bytes = b"",
) -> bytes:
    fields = struct.pack(">BIII", 1 if transaction else 0, 0x01020304, tenant, profile)
    fields += hashlib.sha256(b"sekisho audience 1\0" + audience.encode()).digest()[:16]
    fields += issued.to_bytes(6, "big") + struct.pack(">H", lifetime) + random + transaction.ljust(32, b"\0")
    label = b"sekisho challenge token 1".ljust(64, b"\0")
    mac = hmac.digest(SECRET, label + fields + struct.pack(">H", len(binding)) + binding, "sha256")
    return b"sekisho1." + base64.urlsafe_b64encode(fields + mac)


@given(
    numbers=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    audience=st.text(max_size=40),
    life=st.tuples(st.integers(0, 2**40 - 1), st.integers(1, 300)),
    random=st.binary(min_size=16, max_size=16),
    bound=st.tuples(st.binary(max_size=200), st.one_of(st.just(b""), st.binary(min_size=32, max_size=32))),
)
def test_a_token_is_what_the_layout_says(
    numbers: tuple[int, int], audience: str, life: tuple[int, int], random: bytes, bound: tuple[bytes, bytes]
) -> None:
    said = {"tenant": numbers[0], "profile": numbers[1], "audience": audience}
    (issued, lifetime), (binding, transaction) = life, bound
    tokens = KEYS.issue(
        1, **said, lifetime=lifetime, at=issued, random=random, bindings=[binding], transactions=[transaction]
    )
    wanted = oracle(**said, issued=issued, lifetime=lifetime, random=random, binding=binding, transaction=transaction)
    assert bytes(tokens[0]) == wanted
    reasons = KEYS.check([wanted], **said, at=issued, bindings=[binding], transactions=[transaction])
    assert reasons.tolist() == [Reason.CHALLENGE_OK]


@given(place=st.integers(0, CHALLENGE_SIZE - 1), byte=st.integers(0, 255), binding=st.binary(max_size=40))
def test_a_changed_character_is_refused(place: int, byte: int, binding: bytes) -> None:
    token = bytearray(KEYS.issue(1, profile=1, at=AT, bindings=[binding])[0])
    same = token[place] == byte
    token[place] = byte
    reason = Reason(int(KEYS.check([bytes(token)], profile=1, at=AT, bindings=[binding])[0]))
    untold = {Reason.CHALLENGE_MALFORMED, Reason.CHALLENGE_KEY_UNKNOWN, Reason.CHALLENGE_FORGED}
    assert reason in ({Reason.CHALLENGE_OK} if same else untold)


def test_every_flipped_bit_is_refused() -> None:
    token = bytes(KEYS.issue(1, profile=1, at=AT)[0])
    flipped = []
    for bit in range(8 * CHALLENGE_SIZE):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(changed))
    reasons = KEYS.check(flipped, profile=1, at=AT)
    assert set(reasons.tolist()) == {
        Reason.CHALLENGE_MALFORMED,
        Reason.CHALLENGE_KEY_UNKNOWN,
        Reason.CHALLENGE_FORGED,
    }


@given(first=st.binary(max_size=100), second=st.binary(max_size=100))
def test_the_binding_must_be_the_same(first: bytes, second: bytes) -> None:
    tokens = KEYS.issue(1, profile=1, at=AT, bindings=[first])
    wanted = Reason.CHALLENGE_OK if first == second else Reason.CHALLENGE_FORGED
    assert KEYS.check(tokens, profile=1, at=AT, bindings=[second])[0] == wanted
    if first:
        assert KEYS.check(tokens, profile=1, at=AT)[0] == Reason.CHALLENGE_FORGED


def test_a_token_is_neither_a_hash_nor_a_digestinfo() -> None:
    token = bytes(KEYS.issue(1, profile=1, at=AT)[0])
    assert len(token) == CHALLENGE_SIZE == 165
    assert len(token) not in (20, 28, 32, 36, 48, 64)  # docs/SECURITY.md
    assert re.fullmatch(rb"sekisho1\.[A-Za-z0-9_-]{156}", token)
    assert token[0] != 0x30  # no SEQUENCE, so no DigestInfo (RFC 8017, A.2.4)


def test_times() -> None:
    tokens = KEYS.issue(1, profile=1, at=AT, lifetime=60)
    for at, skew, wanted in (
        (AT - 6, 5, Reason.CHALLENGE_NOT_YET_VALID),
        (AT - 5, 5, Reason.CHALLENGE_OK),
        (AT - 1, 0, Reason.CHALLENGE_NOT_YET_VALID),
        (AT, 0, Reason.CHALLENGE_OK),
        (AT + 59, 0, Reason.CHALLENGE_OK),
        (AT + 60, 60, Reason.CHALLENGE_EXPIRED),  # a skew never stretches the end
        (AT - 3600, 60, Reason.CHALLENGE_NOT_YET_VALID),
        (AT + 3600, 60, Reason.CHALLENGE_EXPIRED),
    ):
        assert KEYS.check(tokens, profile=1, at=at, skew=skew)[0] == wanted


def test_what_a_token_is_for() -> None:
    said = {"tenant": 5, "profile": 6, "audience": "https://example.jp"}
    tokens = KEYS.issue(1, **said, at=AT)
    assert KEYS.check(tokens, **said, at=AT)[0] == Reason.CHALLENGE_OK
    assert KEYS.check(tokens, **said | {"tenant": 4}, at=AT)[0] == Reason.CHALLENGE_WRONG_TENANT
    assert KEYS.check(tokens, **said | {"profile": 7}, at=AT)[0] == Reason.CHALLENGE_WRONG_PROFILE
    assert KEYS.check(tokens, **said | {"audience": "https://example.jp/"}, at=AT)[0] == Reason.CHALLENGE_WRONG_AUDIENCE
    assert len(audience_field("x")) == 16


def test_transactions() -> None:
    digest, other = hashlib.sha256(b"pay 5,000 yen").digest(), hashlib.sha256(b"pay 50,000 yen").digest()
    tokens = KEYS.issue(4, profile=1, at=AT, transactions=[digest, digest, b"", b""])
    assert KEYS.check(tokens, profile=1, at=AT, transactions=[digest, other, b"", digest]).tolist() == [
        Reason.CHALLENGE_OK,
        Reason.CHALLENGE_WRONG_TRANSACTION,
        Reason.CHALLENGE_OK,
        Reason.CHALLENGE_WRONG_TRANSACTION,
    ]
    # A token for a transaction is no plain login.
    assert KEYS.check(tokens, profile=1, at=AT)[0] == Reason.CHALLENGE_WRONG_TRANSACTION


def test_rotation() -> None:
    old = ChallengeKeys({1: os.urandom(32)}, current=1)
    secret = os.urandom(32)
    new = ChallengeKeys({2: secret}, current=2)
    tokens = old.issue(3, profile=1, at=AT)
    assert new.check(tokens, profile=1, at=AT).tolist() == [Reason.CHALLENGE_KEY_UNKNOWN] * 3
    impostor = ChallengeKeys({1: secret}, current=1)
    assert impostor.check(tokens, profile=1, at=AT).tolist() == [Reason.CHALLENGE_FORGED] * 3


def test_a_key_set_that_only_checks() -> None:
    reader = ChallengeKeys({0x01020304: SECRET})
    assert reader.check(KEYS.issue(1, profile=1, at=AT), profile=1, at=AT)[0] == Reason.CHALLENGE_OK
    with pytest.raises(ValueError, match="current key"):
        reader.issue(1, profile=1, at=AT)


def test_random_is_random() -> None:
    tokens = KEYS.issue(50_000, profile=1, at=AT)
    assert tokens.dtype == np.dtype(f"S{CHALLENGE_SIZE}")
    assert tokens.shape == (50_000,)
    assert len(set(tokens.tolist())) == 50_000
    drawn = [base64.urlsafe_b64decode(token[9:])[37:53] for token in tokens[:5_000].tolist()]
    assert len(set(drawn)) == 5_000
    ones = sum(int.from_bytes(bits, "big").bit_count() for bits in drawn)
    assert abs(ones - 5_000 * 64) < 5 * (5_000 * 128 / 4) ** 0.5  # five standard deviations of 640,000 coins


@pytest.mark.parametrize(
    "wrong",
    [
        {"lifetime": 0},
        {"lifetime": 301},
        {"at": -1},
        {"at": 2**40},
        {"at": AT * 1000},  # milliseconds
        {"bindings": [b"x" * 1025]},
        {"bindings": [b"x", b"y"]},
        {"transactions": [b"x" * 31]},
        {"transactions": [b"x" * 33]},
        {"random": b"x" * 15},
    ],
)
def test_misuse_raises(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        KEYS.issue(1, **({"profile": 1, "at": AT} | wrong))  # type: ignore[arg-type]


def test_a_binding_too_long_is_that_rows_fault_alone() -> None:
    tokens = KEYS.issue(2, profile=1, at=AT)
    assert KEYS.check(tokens, profile=1, at=AT, bindings=[b"x" * 1025, b""]).tolist() == [
        Reason.INPUT_TOO_LARGE,
        Reason.CHALLENGE_OK,
    ]


@pytest.mark.parametrize("junk", [b"", b"sekisho1.", b"x" * 165, b"\0" * 165, b"sekisho2." + b"A" * 156, b"0" * 10_000])
def test_junk_is_malformed(junk: bytes) -> None:
    assert KEYS.check([junk], profile=1, at=AT)[0] == Reason.CHALLENGE_MALFORMED


@pytest.mark.parametrize(
    ("secrets", "current"),
    [
        ({}, None),
        ({1: b"x" * 31}, 1),
        ({1: bytes(32)}, 1),
        ({1: b"x" * 32}, 2),
        ({2**32: b"x" * 32}, None),
        ({-1: b"x" * 32}, None),
    ],
)
def test_bad_keys_are_refused(secrets: dict[int, bytes], current: int | None) -> None:
    with pytest.raises(ValueError, match="key"):
        ChallengeKeys(secrets, current=current)


def test_the_repr_keeps_the_secret() -> None:
    assert SECRET.hex() not in repr(KEYS)
    assert str(SECRET) not in repr(KEYS)
