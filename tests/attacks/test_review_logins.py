"""What a reader of the core found beside paths: doubtful kernels, columns that change, checks that would not be made."""

from __future__ import annotations

import gc
import hashlib
import struct
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sekisho import testing
from sekisho._native import check, lib
from sekisho.batch import Column
from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims
from sekisho.engine import KERNELS, Engine, kernels
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.signatures import KeySet, SignatureBatch, verify_signatures
from sekisho.testing import AT, a_login, build_city
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch, Verifier

FOREIGN = replace(Profile.load("jpki-auth-test"), name="review-foreign", challenge="foreign")
OWN = replace(FOREIGN, name="review-own", challenge="own")


def small_engine(**different: int) -> Engine:
    return Engine(**{"threads": 1, "cache_bytes": 8 << 20, **different})


def trust() -> TrustStore:
    return TrustStore(testing.small_city().trust("auth"))


# ---- a kernel that accepts what is wrong ---------------------------------------------------------------


def plant(name: str, fault: int) -> None:
    check(lib.seki_kernels_plant(KERNELS[name], fault), "planting a fault (the build must allow it: `make test` does)")


@pytest.fixture
def bad_kernel() -> Iterator[str]:
    chosen = [one.name for one in kernels() if one.chosen and one.state == "on"]
    if not chosen:
        pytest.skip("this machine has no lanes for RSA, or they are switched off")
    yield chosen[0]
    plant(chosen[0], lib.SEKI_FAULT_NONE)


def test_what_a_bad_kernel_let_into_the_cache_leaves_with_it(bad_kernel: str) -> None:
    city = build_city(9, seed="bad kernel", purposes=("auth",), workers=1)
    good, *rest = [city.certificate(row) for row in city.rows("auth")]
    forged = [one[:-20] + bytes((one[-20] ^ 1,)) + one[-19:] for one in rest]
    blind = Verifier(TrustStore(city.trust("auth")), FOREIGN, engine=small_engine(cross_check_one_in=0))

    def judge(rows: list[bytes]) -> list[Reason]:
        return [verdict.reason for verdict in blind.verify_certificates(rows, at=AT)]

    for one in (good, *rest):  # every generation that issued here is admitted
        assert judge([one]) == [Reason.CERTIFICATE_OK]
    plant(bad_kernel, lib.SEKI_FAULT_ACCEPT)
    assert set(judge(forged)) == {Reason.CERTIFICATE_OK}  # and kept: why acceptances are cross-checked
    watchful = Verifier(TrustStore(city.trust("auth")), FOREIGN, engine=small_engine(cross_check_one_in=1))
    assert {verdict.reason for verdict in watchful.verify_certificates(forged, at=AT)} == {
        Reason.ISSUER_SIGNATURE_WRONG
    }
    assert next(one.state for one in kernels() if one.name == bad_kernel) == "off-wrong-accept"
    assert judge(forged) == [Reason.ISSUER_SIGNATURE_WRONG] * len(forged)
    assert judge([good]) == [Reason.CERTIFICATE_OK]


# ---- columns -------------------------------------------------------------------------------------------


def test_a_read_only_view_of_memory_that_somebody_can_write_is_copied() -> None:
    """A read-only view keeps its holder from writing, not the owner of what it shows: a second look could see other offsets."""
    ends = np.array([0, 3, 6], dtype=np.int64)
    data = np.frombuffer(bytearray(b"abcdef"), dtype=np.uint8)
    fixed_ends, fixed_data = ends[:], data[:]
    fixed_ends.flags.writeable = fixed_data.flags.writeable = False
    shown = fixed_data.data.toreadonly()
    for column in (Column.from_buffers(fixed_data, fixed_ends), Column.from_buffers(shown, fixed_ends)):
        before = [column[0], column[1]]
        saved = ends.copy(), data.copy()
        ends[1], data[:] = 1 << 40, 0
        assert [column[0], column[1]] == before
        ends[:], data[:] = saved


def test_bytes_are_used_in_place() -> None:
    data, ends = b"abcdef", np.array([0, 3, 6], dtype=np.int64).tobytes()
    column = Column.from_buffers(data, np.frombuffer(ends, dtype=np.int64))
    assert column.data is data
    assert np.shares_memory(np.frombuffer(column.offsets, dtype=np.int64), np.frombuffer(ends, dtype=np.int64))


# ---- checks that would not be made ---------------------------------------------------------------------


@pytest.mark.parametrize("column", ["bindings", "transactions"])
def test_a_foreign_challenge_is_bound_to_nothing_and_nobody_is_left_to_think_so(column: str) -> None:
    login = a_login(b"a challenge of somebody else's making")
    verifier = Verifier(trust(), FOREIGN, engine=small_engine())
    batch = LoginBatch([login.certificate], [login.challenge], [login.signature])
    assert verifier.verify_logins(batch, at=AT)[0].reason is Reason.ACCEPTED
    with pytest.raises(ValueError, match="verifying 1 rows"):
        verifier.verify_logins(replace(batch, **{column: [b"t" * 32]}), at=AT)


# ---- retries -------------------------------------------------------------------------------------------


def test_nobody_outside_can_look_for_two_requests_of_one_fingerprint(tmp_path: Path) -> None:
    """64 bits stand for a request, so two that collide are found in 2^32 tries by whoever can compute them at home; they would
    be two logins with one challenge. What the set keeps depends on the set's own secret."""
    keys = ChallengeKeys({1: bytes(range(1, 33))}, current=1)
    claims = Claims.open(tmp_path / "claims", capacity=64, fresh=True)
    verifier = Verifier(trust(), OWN, challenges=keys, claims=claims, tenant=7, engine=small_engine())
    token = bytes(keys.issue(1, profile=OWN.id32, tenant=7, at=AT - 1)[0])
    login = a_login(token)
    batch = LoginBatch([login.certificate], [login.challenge], [login.signature], requests=[b"request 1"])
    first, again = (verifier.verify_logins(batch, at=AT)[0] for _ in range(2))
    assert (first.reason, again.reason) == (Reason.ACCEPTED, Reason.ACCEPTED)
    assert ("repeated" in first.flags, "repeated" in again.flags) == (False, True)

    sizes = struct.pack("=3Q", 7, len(b"request 1"), len(login.signature))
    public = b"sekisho request 1\0" + sizes + b"request 1" + hashlib.sha256(login.certificate).digest()
    guess = hashlib.sha256(public + login.signature + login.challenge).digest()[:8]
    kept = (tmp_path / "claims").read_bytes()[4096:]
    words = {kept[at : at + 8] for at in range(0, len(kept), 8)} - {bytes(8)}
    assert len(words) == 2  # the claim and its request
    assert guess not in words


# ---- lives ---------------------------------------------------------------------------------------------


def test_a_verifier_keeps_what_its_native_half_borrows() -> None:
    """Its trust store and engine are used by address, and nothing else can be put in their place: a root taken out of trust by
    assignment would go on being trusted."""
    verifier = Verifier(trust(), FOREIGN, engine=small_engine())
    freed: list[str] = []
    for name, other in (("trust", trust()), ("engine", small_engine()), ("profile", FOREIGN)):
        if name != "profile":
            weakref.finalize(getattr(verifier, name).native, freed.append, name)
        with pytest.raises(AttributeError):
            setattr(verifier, name, other)
    gc.collect()
    assert freed == []
    login = a_login(b"a challenge of somebody else's making")
    batch = LoginBatch([login.certificate], [login.challenge], [login.signature])
    assert verifier.verify_logins(batch, at=AT)[0].reason is Reason.ACCEPTED


# ---- keys under which anybody can sign -----------------------------------------------------------------

_ED25519_P = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL = [0, 1, _ED25519_P - 1, _ORDER_8, _ED25519_P - _ORDER_8]


@pytest.mark.parametrize("y", [*_SMALL, _ED25519_P, _ED25519_P + 1, _ED25519_P + 3, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_an_ed25519_key_of_small_order_or_beyond_its_field_is_no_key(y: int, sign: int) -> None:
    """Under a key of small order R = A, S = 0 or so is right for any message; y >= p does not decode (RFC 8032, 5.1.3)."""
    point = (y | sign << 255).to_bytes(32, "little")
    spki = bytes.fromhex("302a300506032b6570032100") + point
    assert KeySet([spki]).reasons == [Reason.KEY_POINT]
    identity = (1).to_bytes(32, "little") + bytes(32)
    got = verify_signatures(SignatureBatch([spki] * 8, [identity] * 8, [b"any message"] * 8, "ed25519"))
    assert {verdict.reason for verdict in got} == {Reason.KEY_POINT}
