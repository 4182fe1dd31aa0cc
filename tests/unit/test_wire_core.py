"""The core of the socket server, byte by byte and moment by moment: limits, turns, retries, references, and its end."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from tests.unit.wire_desk import SECOND, Desk, Line, a_tenant, errors, issue, login_frame, verdict

from sekisho import frames
from sekisho._native import NativeError, ffi, lib
from sekisho.engine import Engine
from sekisho.frames import ANSWER, Kind
from sekisho.modes import Mode
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.server.config import Limits
from sekisho.server.wire import Core
from sekisho.testing import AT, a_citizen, bad_kinds, make_bad_login, make_logins, small_city
from sekisho.trust import TrustStore
from sekisho.verdicts import LOGIN_VERDICT, SIGNATURE_VERDICT
from sekisho.verifier import LoginBatch, Verifier

CITY = small_city()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk([a_tenant(tmp_path, CITY), a_tenant(tmp_path, CITY, 8)]) as desk:
        yield desk


def good_logins(desk: Desk, count: int, number: int = 7) -> list[bytes]:
    """Frames of that many good logins, with ids from 0."""
    challenges = issue(desk.tenants[number], count)
    return [login_frame(i, a_citizen(i % 16).login(one)) for i, one in enumerate(challenges)]


# ---- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [None, 1, 1000])
def test_verdicts_are_the_librarys(desk: Desk, piece: int | None, tmp_path: Path) -> None:
    """Whatever the pieces in which the bytes come; nothing of the process is in them."""
    tenant = desk.tenants[7]
    challenges = issue(tenant, 99)
    good = [a_citizen(i).login(challenges.pop()) for i in range(16)]
    bad = [make_bad_login(CITY, 3, kind, challenges.pop()) for kind in bad_kinds(CITY)]
    logins = [*good, *bad]
    verifier = tenant.verifier()
    claims, verifier.claims = verifier.claims, a_tenant(tmp_path, CITY).claims
    batch = LoginBatch(
        certificates=[one.certificate for one in logins],
        challenges=[one.challenge for one in logins],
        signatures=[one.signature for one in logins],
        intermediates=[b"".join(one.intermediates) for one in logins],
    )
    expected = verifier.verify_logins(batch, at=AT).array.copy()
    verifier.claims = claims
    tenant.engine.clear_cache()
    line = desk.line()
    line.send(b"".join(login_frame(i, one) for i, one in enumerate(logins)), piece)
    assert desk.work() == len(logins)
    answers = {frame.id: verdict(frame) for frame in line.receive()}
    for i, row in enumerate(expected):
        assert answers[i]["reason"] == row["reason"], logins[i]
        assert answers[i]["certificate"] == 0
        assert answers[i]["flags"] & lib.SEKI_FLAG_CACHE_HIT == 0
    assert {Reason(int(row["reason"])).kebab for row in expected} >= {"accepted", "expired", "signature-wrong"}


def test_answers_come_out_the_same_whatever_the_pieces(tmp_path: Path) -> None:
    requests = [*[bytes.fromhex(one) for one in (frames.ping(1).hex(), frames.stats(2).hex())]]
    for size in (1, 2, 15, 16, 17, 4096, None):
        with Desk([a_tenant(tmp_path, CITY)]) as desk:
            line = desk.line(None)
            data = frames.hello(7) + b"".join(requests) + b"".join(good_logins(desk, 3)) + frames.goodbye(9)
            line.send(data, size)
            desk.work()
            kinds = [(frame.kind, frame.id) for frame in line.receive()]
            assert kinds[:3] == [(129, 1), (130, 1), (136, 2)]
            assert sorted(kinds[3:-1]) == [(132, 0), (132, 1), (132, 2)]
            assert kinds[-1] == (137, 9)
            assert line.closes


def test_a_frame_larger_than_a_block(tmp_path: Path) -> None:
    """Beyond the 256 KiB that are received at once; in large and in small pieces."""
    with Desk([a_tenant(tmp_path, CITY)]) as desk:
        (challenge,) = issue(desk.tenants[7])
        login = a_citizen(0).login(challenge)
        for piece in (None, 5000):
            line = desk.line()
            large = frames.login(5, login.certificate, b"c", b"s", intermediates=bytes(900_000))
            assert verdict(line.ask(large))["reason"] == Reason.CERTIFICATE_MALFORMED
            line.send(large + login_frame(6, login), piece)
            desk.work()
            assert [frame.id for frame in line.receive()] == [5, 6]


def test_what_a_half_open_peer_costs_is_what_he_sent(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], Limits(connections=500)) as desk:
        lines = [desk.line() for _ in range(400)]
        assert desk.core.count().receive_bytes == 0
        for line in lines:
            line.send(frames.ping(1)[:15])
        assert desk.core.count().receive_bytes <= 400 * 4096
        for line in lines:
            line.send(frames.ping(1)[15:])
        assert desk.core.count().receive_bytes == 0


# ---- retries --------------------------------------------------------------------------------------


def test_a_retry_gets_the_first_verdict(desk: Desk) -> None:
    """Over another connection too; another request with the same challenge does not."""
    login = a_citizen(0).login(issue(desk.tenants[7])[0])
    first, second = desk.line(), desk.line()
    assert verdict(first.ask(login_frame(1, login, request=b"r"))).tolist()[0] == Reason.ACCEPTED
    again = verdict(second.ask(login_frame(2, login, request=b"r")))
    assert again["reason"] == Reason.ACCEPTED
    assert again["flags"] & lib.SEKI_FLAG_REPEATED
    for different in ({"request": b"s"}, {}):
        assert verdict(second.ask(login_frame(3, login, **different)))["reason"] == Reason.CHALLENGE_USED


# ---- references and tenants -----------------------------------------------------------------------


def test_a_certificate_that_was_kept_is_named_by_its_hash(desk: Desk) -> None:
    line = desk.line()
    challenges = issue(desk.tenants[7], 8)
    one = a_citizen(1).login(challenges[0])
    name = hashlib.sha256(one.certificate).digest()
    by_name = frames.login(5, name, challenges[1], a_citizen(1).login(challenges[1]).signature, reference=True)
    assert verdict(line.ask(login_frame(1, one)))["reason"] == Reason.ACCEPTED
    assert list(errors([line.ask(by_name)])) == ["need-certificate"]  # nobody asked to keep it
    assert verdict(line.ask(login_frame(1, a_citizen(1).login(challenges[2]), keep=True)))["reason"] == Reason.ACCEPTED
    assert verdict(line.ask(by_name))["reason"] == Reason.ACCEPTED
    assert verdict(line.ask(frames.certificate(6, name, reference=True)))["reason"] == Reason.CERTIFICATE_OK
    unknown = hashlib.sha256(a_citizen(2).certificate()).digest()
    answer = line.ask(frames.revocation(7, [name, unknown, name]))
    rows = np.frombuffer(answer.payload, dtype=LOGIN_VERDICT)
    assert rows["reason"].tolist() == [Reason.CERTIFICATE_OK, Reason.INPUT_MISSING, Reason.CERTIFICATE_OK]


def test_only_good_certificates_are_kept(desk: Desk) -> None:
    line = desk.line()
    for kind in ("expired", "signature-by-another-key", "issuer-unknown", "certificate-forged"):
        if kind not in bad_kinds(CITY):
            continue
        bad = make_bad_login(CITY, 3, kind, issue(desk.tenants[7])[0])
        assert verdict(line.ask(login_frame(1, bad, keep=True)))["reason"] != Reason.ACCEPTED
    assert desk.core.tenant_count(7).references == 0
    forged = bytearray(a_citizen(0).certificate())
    forged[-1] ^= 1
    assert verdict(line.ask(frames.certificate(2, bytes(forged), keep=True)))["reason"] == Reason.ISSUER_SIGNATURE_WRONG
    assert desk.core.tenant_count(7).references == 0


def test_tenants_cannot_learn_of_each_others_certificates(desk: Desk) -> None:
    """Neither by reference, nor by verdicts, nor by counts; and a challenge of one is nothing to the other."""
    ours, theirs = desk.line(7), desk.line(8)
    login = a_citizen(1).login(issue(desk.tenants[7])[0])
    name = hashlib.sha256(login.certificate).digest()
    assert verdict(ours.ask(login_frame(1, login, keep=True, request=b"r")))["reason"] == Reason.ACCEPTED
    before = theirs.ask(frames.stats(3)).payload
    theirs.ask(frames.certificate(2, a_citizen(3).certificate()))  # the first under a CA goes through OpenSSL
    seen = theirs.ask(frames.certificate(2, login.certificate)).payload
    unseen = theirs.ask(frames.certificate(2, a_citizen(2).certificate())).payload
    assert seen == unseen
    assert list(errors([theirs.ask(frames.certificate(2, name, reference=True))])) == ["need-certificate"]
    answer = theirs.ask(frames.revocation(7, [name]))
    assert np.frombuffer(answer.payload, dtype=LOGIN_VERDICT)["reason"].tolist() == [Reason.INPUT_MISSING]
    assert verdict(theirs.ask(login_frame(4, login, request=b"r")))["reason"] == Reason.CHALLENGE_KEY_UNKNOWN
    assert frames.read_stats(before) == {(3, 1): 0, (3, 2): 0, (3, 3): 0}
    assert desk.core.tenant_count(8).verdicts.get(Reason.ACCEPTED) is None
    assert desk.core.tenant_count(7).requests["login"] == 1


def test_references_give_way_to_newer_ones(tmp_path: Path) -> None:
    """The ring is full many times over, and what it says is right all the time."""
    native = _native_tenant(bytes_of_references=140_000)
    with native as (core, tenant):
        verifier = a_tenant(tmp_path, CITY).verifier()
        profile = {"verifier": verifier.native, "expect": verifier.expectation, "lifetime": 100}
        assert lib.seki_tenant_put(tenant, ffi.new("seki_tenant_profile[]", [profile]), 1) == lib.SEKI_OK
        out = ffi.new("seki_tenant_statistics *")
        line = _line_of(core, tenant)
        names = []
        for row in [*CITY.rows("auth")] * 10:
            der = CITY.certificate(row)
            names.append(hashlib.sha256(der).digest())
            line(frames.certificate(1, der, keep=True))
        assert lib.seki_tenant_read_statistics(tenant, out) == lib.SEKI_OK
        assert 0 < out.references <= 140_000 // 1000
        rows = np.frombuffer(line(frames.revocation(2, names[-16:]))[16:], dtype=LOGIN_VERDICT)["reason"]
        assert rows.tolist() == [Reason.CERTIFICATE_OK] * 16


class _native_tenant:
    def __init__(self, bytes_of_references: int) -> None:
        self.core = Core(Limits(), threads=0, at=AT)
        out = ffi.new("seki_tenant **")
        assert lib.seki_tenant_new(self.core.native, 7, bytes_of_references, out) == lib.SEKI_OK
        self.tenant = out[0]

    def __enter__(self) -> tuple[Core, object]:
        return self.core, self.tenant

    def __exit__(self, *_: object) -> None:
        self.core.close()


def _line_of(core: Core, tenant: object):  # type: ignore[no-untyped-def]
    out, wants = ffi.new("seki_connection **"), ffi.new("uint32_t *")
    data, size = ffi.new("uint8_t **"), ffi.new("uint64_t *")
    assert lib.seki_connection_new(core.native, 1, SECOND, out) == lib.SEKI_OK

    def ask(request: bytes) -> bytes:
        assert lib.seki_connection_buffer(out[0], data, size) == lib.SEKI_OK
        ffi.memmove(data[0], request, len(request))
        assert lib.seki_connection_received(out[0], len(request), SECOND, wants) == lib.SEKI_OK
        if wants[0] & lib.SEKI_WANTS_ADMISSION:
            assert lib.seki_connection_admit(out[0], tenant, SECOND, wants) == lib.SEKI_OK
        while core.work(SECOND):
            pass
        assert lib.seki_connection_take(out[0], 0, data, size, wants) == lib.SEKI_OK
        return bytes(ffi.buffer(data[0], size[0]))

    ask(frames.hello(7))
    return ask


def test_what_a_tenant_does_not_offer(tmp_path: Path) -> None:
    """Without keys there are neither challenges nor logins, and certificates are checked all the same."""
    with Desk([a_tenant(tmp_path, CITY, keys=False)]) as desk:
        line = desk.line()
        assert line.welcome is not None
        assert frames.read_welcome(line.welcome.payload).features == frames.FEATURE_REFERENCES
        assert list(errors([line.ask(frames.challenges(1, 1))])) == ["not-offered"]
        assert list(errors([line.ask(frames.login(1, b"c", b"c", b"s"))])) == ["not-offered"]
        assert verdict(line.ask(frames.certificate(1, a_citizen(0).certificate())))["reason"] == Reason.CERTIFICATE_OK


def test_foreign_challenges_take_no_binding(tmp_path: Path) -> None:
    profile = Profile.load("client-auth-test")
    shipped = replace(profile, challenge="foreign") if profile.challenge != "foreign" else profile
    engine = Engine(threads=1, cache_bytes=8 << 20)
    verifier = Verifier(TrustStore(list(CITY.trust("auth"))), shipped, tenant=7, engine=engine)
    verifiers = MappingProxyType({shipped.name: verifier})
    with Desk([a_tenant(tmp_path, CITY, keys=False, engine=engine, verifiers=verifiers)]) as desk:
        line = desk.line()
        login = a_citizen(0).login(b"a challenge of the relying party's own")
        plain = line.ask(login_frame(1, login))
        assert plain.kind == Kind.LOGIN + ANSWER
        for bound in ({"binding": b"b"}, {"transaction": bytes(32)}):
            assert list(errors([line.ask(login_frame(1, login, **bound))])) == ["not-offered"]


# ---- the other requests -----------------------------------------------------------------------------


def test_challenges_in_bulk(desk: Desk) -> None:
    line = desk.line()
    bindings = [b"a", b"", bytes(1024)]
    transactions = [hashlib.sha256(one).digest() for one in bindings]
    answer = line.ask(frames.challenges(1, 3, lifetime=60, bindings=bindings, transactions=transactions))
    tokens = [answer.payload[at : at + 165] for at in range(0, len(answer.payload), 165)]
    keys = desk.tenants[7].challenges
    assert keys is not None
    given = {"profile": desk.tenants[7].verifier().profile.id32, "tenant": 7, "audience": "https://city.example"}
    reasons = keys.check(tokens, bindings=bindings, transactions=transactions, at=AT + 59, **given)  # type: ignore[arg-type]
    assert reasons.tolist() == [Reason.CHALLENGE_OK] * 3
    late = keys.check(tokens, bindings=bindings, transactions=transactions, at=AT + 60, **given)  # type: ignore[arg-type]
    assert late.tolist() == [Reason.CHALLENGE_EXPIRED] * 3
    whole = line.ask(frames.challenges(2, 1024))
    assert len(whole.payload) == 1024 * 165
    assert len({whole.payload[at : at + 165] for at in range(0, 1024 * 165, 165)}) == 1024


def test_an_answer_must_fit_the_clients_frames(desk: Desk) -> None:
    line = desk.line(None)
    line.send(frames.hello(7, frame_bytes=4096))
    line.one()
    assert line.ask(frames.challenges(1, 24)).kind == Kind.CHALLENGES + ANSWER  # 16 + 24 * 165 = 3976
    assert list(errors([line.ask(frames.challenges(1, 25))])) == ["too-much"]
    assert list(errors([line.ask(frames.revocation(1, [bytes(32)] * 171))])) == ["too-much"]


def test_signatures(desk: Desk) -> None:
    citizen = a_citizen(0)
    mode = int(Mode.parse("rsassa-pkcs1-v1_5-sha256"))
    key, message = citizen.key().spki, b"what was signed"
    good = citizen.login(message).signature
    digest = hashlib.sha256(message).digest()
    requests = [
        (frames.signature(1, key, message, good, mode), Reason.SIGNATURE_OK),
        (frames.signature(2, key, digest, good, mode, prehashed=True), Reason.SIGNATURE_OK),
        (frames.signature(3, key, message + b".", good, mode), Reason.SIGNATURE_WRONG),
        (frames.signature(4, key, message, good, mode, prehashed=True), None),
        (frames.signature(5, b"no key", message, good, mode), Reason.KEY_MALFORMED),
        (frames.signature(6, key, message, good, 0xFFFF), Reason.MODE_UNKNOWN),
        (frames.signature(7, b"", b"", b"", mode), None),
    ]
    line = desk.line()
    line.send(b"".join(request for request, _ in requests))
    desk.work()
    answers = {frame.id: frame for frame in line.receive()}
    for number, (_, reason) in enumerate(requests, 1):
        (row,) = np.frombuffer(answers[number].payload, dtype=SIGNATURE_VERDICT)
        assert row["reason"] == reason if reason is not None else row["reason"] != Reason.SIGNATURE_OK, number


def test_stats_are_the_counts(desk: Desk) -> None:
    line = desk.line()
    for request in (*good_logins(desk, 3), frames.certificate(9, b"nonsense")):
        line.ask(request)
    line.ask(frames.login(1, bytes(32), b"c", b"s", reference=True))
    told = frames.read_stats(line.ask(frames.stats(1)).payload)
    assert told[1, Reason.ACCEPTED] == 3
    assert told[1, Reason.CERTIFICATE_MALFORMED] == 1
    assert told[2, frames.Code.NEED_CERTIFICATE] == 1
    count = desk.core.tenant_count(7)
    assert count.verdicts[Reason.ACCEPTED] == 3
    assert count.errors == {"need-certificate": 1}
    assert sum(n for _, n in count.latency) == 5


# ---- limits, turns, shedding --------------------------------------------------------------------------


def test_requests_without_an_answer_are_bounded(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], Limits(connection_rows=4, rows=6)) as desk:
        line, other = desk.line(), desk.line()
        line.send(b"".join(good_logins(desk, 6)))
        assert list(errors(line.receive())) == ["too-many-requests"] * 2
        other.send(b"".join(good_logins(desk, 3)))
        assert list(errors(other.receive())) == ["overloaded"]  # all rows there are, are taken
        assert desk.work() == 6
        assert [frame.id for frame in line.receive()] == [0, 1, 2, 3]
        line.send(frames.challenges(1, 5))  # alone it may be more than the limit
        assert desk.work() == 1
        assert line.one().kind == Kind.CHALLENGES + ANSWER
        line.send(frames.challenges(1, 3) + frames.challenges(2, 2))
        assert list(errors(line.receive())) == ["too-many-requests"]


def test_connections_are_bounded(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], Limits(connections=2)) as desk:
        first, _ = desk.line(), desk.line()
        third = desk.line(None)
        assert list(errors(third.receive())) == ["connections-full"]
        assert third.closes
        third.send(frames.hello(7))
        assert third.receive() == []
        third.close()
        first.close()
        desk.line()
        assert desk.core.count().refused_connections == 1


def test_connections_take_turns(tmp_path: Path) -> None:
    """A peer who floods waits in his own line: of the first batch, another has all that he sent."""
    with Desk([a_tenant(tmp_path, CITY)], Limits(batch_rows=32)) as desk:
        flood, quiet = desk.line(), desk.line()
        logins = good_logins(desk, 16)
        flood.send(b"".join(logins * 20))
        quiet.send(b"".join(logins[:8]))
        desk.core.work(desk.now)
        assert len(quiet.receive()) == 8
        assert len(flood.receive()) == 24


def test_a_batch_is_bounded_by_what_its_requests_ask_for(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], Limits(batch_rows=32)) as desk:
        line = desk.line()
        line.send(b"".join(frames.challenges(number, count) for number, count in enumerate((20, 12, 1, 40, 2))))
        assert [desk.core.work(desk.now) for _ in range(5)] == [2, 1, 1, 1, 0]  # 20 + 12, 1, 40 by itself, 2
        assert [len(frame.payload) // frames.CHALLENGE_SIZE for frame in line.receive()] == [20, 12, 1, 40, 2]


def test_tenants_take_turns(desk: Desk) -> None:
    flood, quiet = desk.line(7), desk.line(8)
    flood.send(b"".join(good_logins(desk, 16) * 256))
    quiet.send(b"".join(good_logins(desk, 4, 8)))
    flood.send(b"".join(good_logins(desk, 16)))
    desk.core.work(desk.now)
    desk.core.work(desk.now)
    assert len(quiet.receive()) == 4


def test_a_tenant_that_floods_leaves_room_for_others(tmp_path: Path) -> None:
    """Of the server's rows it may hold as many as are free, over however many connections; alone it may have all."""
    limits = Limits(rows=16, batch_rows=16)
    tenants = [a_tenant(tmp_path, CITY), a_tenant(tmp_path, CITY, 8)]
    with Desk(tenants, limits) as desk:
        for line in (desk.line(7), desk.line(7)):
            line.send(b"".join(good_logins(desk, 16)))
        assert desk.core.count().waiting == 8
        quiet = desk.line(8)
        quiet.send(b"".join(good_logins(desk, 4, 8)))
        assert quiet.receive() == []
        assert desk.work() == 12
        assert len(quiet.receive()) == 4
        quiet.send(b"".join(good_logins(desk, 16, 8)))
        assert list(errors(quiet.receive())) == ["overloaded"] * 8  # and so on: none is owed to anybody
    with Desk(tenants[:1], limits) as desk:
        line = desk.line(7)
        line.send(b"".join(good_logins(desk, 16)))
        assert desk.core.count().waiting == 16


def test_what_cannot_be_answered_in_time_is_told_so_at_once(tmp_path: Path) -> None:
    """Once it is known what a request takes, a deadline that the wait would pass is refused before any work."""
    with Desk([a_tenant(tmp_path, CITY)], Limits(deadline_ms=600_000)) as desk:
        line = desk.line()
        logins = good_logins(desk, 16)
        line.send(b"".join(logins * 64))
        desk.work()
        line.receive()
        line.send(b"".join(logins * 250))  # nobody works: they pile up
        wait = desk.core.tenant_count(7).wait_ns
        assert wait > 5_000_000
        assert line.receive() == []
        challenge = issue(desk.tenants[7])[0]
        hasty = login_frame(77, a_citizen(0).login(challenge), deadline_ms=max(1, wait // 2_000_000))
        line.send(hasty)
        refused = line.one()
        assert refused.id == 77
        error = frames.read_error(refused.payload)
        assert (error.name, error.ends, error.kind) == ("overloaded", False, Kind.LOGIN)
        assert wait // 2_000_000 <= error.retry_ms <= 2 * wait // 1_000_000 + 2
        quiet = desk.line()  # whose own line is short, and whose turn comes soon
        quiet.send(hasty)
        assert quiet.receive() == []


def test_a_request_whose_deadline_passed_in_the_queue_costs_no_work(desk: Desk) -> None:
    line = desk.line()
    line.send(b"".join(good_logins(desk, 3)))
    desk.now += 1001 * 1_000_000
    desk.work()
    assert list(errors(line.receive())) == ["overloaded"] * 3
    assert desk.core.count().rows == 0
    line.send(login_frame(1, a_citizen(0).login(issue(desk.tenants[7])[0]), deadline_ms=2000))
    desk.now += 1500 * 1_000_000
    assert desk.work() == 1
    assert verdict(line.one())["reason"] == Reason.ACCEPTED


def test_a_lost_connections_requests_are_not_worked_on(desk: Desk) -> None:
    line, other = desk.line(), desk.line()
    logins = good_logins(desk, 16)
    line.send(b"".join(logins * 10))
    other.send(b"".join(logins[:2]))
    line.close()
    assert desk.core.count().waiting == 2
    assert desk.work() == 2
    assert len(other.receive()) == 2


def test_a_slow_reader_is_not_read_from(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], Limits(backlog_bytes=65_536)) as desk:
        line = desk.line()
        line.send(frames.challenges(1, 300))
        desk.work()
        line.send(frames.ping(1))
        assert line.wants & lib.SEKI_WANTS_PAUSE
        assert len(line.receive()) == 2
        line.receive()
        assert not line.wants & lib.SEKI_WANTS_PAUSE
        line.receive(unsent=40_000)
        assert line.wants & lib.SEKI_WANTS_PAUSE


# ---- time-outs and ends -----------------------------------------------------------------------------


def test_time_outs(desk: Desk) -> None:
    silent, half, idle, busy = desk.line(None), desk.line(), desk.line(), desk.line()
    slow_hello = desk.line(None)
    slow_hello.send(frames.hello(7)[:20])
    half.send(frames.ping(1)[:10])
    desk.now += 6 * SECOND
    busy.send(login_frame(1, a_citizen(0).login(issue(desk.tenants[7])[0]), deadline_ms=600_000))
    desk.core.expire(desk.now)
    assert sorted(desk.core.answered()) == sorted({silent.token, half.token, slow_hello.token})
    assert list(errors(silent.receive())) == ["handshake-timeout"]
    assert list(errors(slow_hello.receive())) == ["handshake-timeout"]
    assert list(errors(half.receive())) == ["frame-timeout"]
    assert half.closes
    desk.now += 300 * SECOND
    desk.core.expire(desk.now)
    assert list(errors(idle.receive())) == ["idle-timeout"]
    assert busy.receive() == []  # something is waited for
    desk.work()
    assert verdict(busy.one())["reason"] == Reason.ACCEPTED


def test_a_goodbye_is_answered_last(desk: Desk) -> None:
    line = desk.line()
    line.send(b"".join(good_logins(desk, 3)) + frames.goodbye(99) + frames.ping(1))
    assert line.receive() == []
    assert not line.closes
    desk.work()
    assert [frame.id for frame in line.receive()] == [0, 1, 2, 99]
    assert line.closes


def test_an_end_without_goodbye_is_answered_too(desk: Desk) -> None:
    line = desk.line()
    line.send(b"".join(good_logins(desk, 3)))
    line.end()
    assert not line.closes
    desk.work()
    assert len(line.receive()) == 3
    assert line.closes


def test_draining_loses_nothing(desk: Desk) -> None:
    """What was taken is answered, what comes later is told so, and who comes later too."""
    line = desk.line()
    logins = good_logins(desk, 5)
    line.send(b"".join(logins[:4]))
    desk.core.drain()
    desk.core.drain()
    line.send(logins[4] + frames.ping(5))
    assert desk.work() == 4
    received = line.receive()
    assert Counter(frame.kind for frame in received) == {137: 1, 132: 4, 255: 1, 130: 1}
    assert list(errors(received)) == ["shutting-down"]
    late = desk.line(None)
    late.send(frames.hello(7) + logins[4])
    assert [frame.kind for frame in late.receive()] == [129, 137, 255]


def test_profiles_are_replaced_while_requests_wait(desk: Desk) -> None:
    """They get the verdict of what is in force when they are judged; a tenant that is gone offers nothing."""
    line = desk.line()
    logins = good_logins(desk, 2)
    line.send(logins[0])
    desk.core.put([desk.tenants[7]])
    desk.work()
    assert verdict(line.one())["reason"] == Reason.ACCEPTED
    desk.core.put([desk.tenants[8]])
    assert list(errors([line.ask(logins[1])])) == ["not-offered"]


# ---- threads ------------------------------------------------------------------------------------------


def test_workers_answer_everything_once(tmp_path: Path) -> None:
    """Many connections, requests of all kinds, workers beside the loop: each request has its one answer."""
    logins = make_logins(CITY, issue(a_tenant(tmp_path, CITY), 256))
    patient = Limits(deadline_ms=600_000)
    with Desk([a_tenant(tmp_path, CITY), a_tenant(tmp_path, CITY, 8)], patient, threads=3) as desk:
        lines = [desk.line(7 if i % 3 else 8) for i in range(12)]
        expected: dict[int, set[int]] = {line.token: set() for line in lines}
        answers: dict[int, list[int]] = {line.token: [] for line in lines}
        for i in range(256):
            line = lines[i % 12]
            expected[line.token] |= {4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3}
            line.send(
                frames.login(4 * i, logins.certificates[i], logins.challenges[i], logins.signatures[i])
                + frames.certificate(4 * i + 1, logins.certificates[i], keep=True)
                + frames.ping(4 * i + 2)
                + frames.challenges(4 * i + 3, 2)
            )
        for _ in range(2000):
            for line in lines:
                answers[line.token] += [frame.id for frame in line.receive()]
            if sum(map(len, answers.values())) == 4 * 256:
                break
            threading.Event().wait(0.01)
        assert {token: sorted(ids) for token, ids in answers.items()} == {t: sorted(ids) for t, ids in expected.items()}
        accepted = desk.core.tenant_count(7).verdicts[Reason.ACCEPTED]
        assert accepted == sum(i % 12 % 3 != 0 for i in range(256))


def test_the_eventfd_tells_of_answers(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], threads=1) as desk:
        line = desk.line()
        line.send(good_logins(desk, 1)[0])
        os.set_blocking(desk.core.wake, True)
        assert os.read(desk.core.wake, 8) == (1).to_bytes(8, "little")
        os.set_blocking(desk.core.wake, False)
        assert desk.core.answered() == [line.token]
        assert desk.core.answered() == []
        assert len(line.receive()) == 1


def test_a_server_is_freed_while_its_workers_are_at_it(tmp_path: Path) -> None:
    for _ in range(20):
        with Desk([a_tenant(tmp_path, CITY)], threads=2) as desk:
            lines = [desk.line() for _ in range(4)]
            for line in lines:
                line.send(b"".join(good_logins(desk, 16)))
            lines[0].close()


def _in_a_child(desk: Desk, line: Line, told) -> None:  # type: ignore[no-untyped-def]
    refused = []
    for call in (desk.core.count, desk.core.drain, desk.core.work, desk.core.answered, line.receive):
        try:
            call()
        except NativeError as error:
            refused.append("belongs to the process that made it" in str(error))
    line.close()
    desk.close()
    told.put(refused)


def test_a_child_of_fork_is_refused_by_name(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], threads=0) as desk:
        line = desk.line()
        context = multiprocessing.get_context("fork")
        told = context.Queue()
        child = context.Process(target=_in_a_child, args=(desk, line, told))
        child.start()
        assert told.get(timeout=60) == [True] * 5
        child.join()
        assert child.exitcode == 0
        assert verdict(line.ask(good_logins(desk, 1)[0]))["reason"] == Reason.ACCEPTED


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="making a server"):
        Core(Limits(), threads=257)
