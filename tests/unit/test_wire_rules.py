"""A peer that breaks a rule of docs/PROTOCOL.md, "Frames", gets the answer that the document names, and every error of it occurs.

What bytes alone break is in tests/vectors/rules.json. What it takes a moment, a limit or a fault to break is below, by name.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.wire_desk import SECOND, Desk, Line, a_tenant, issue, login_frame

from sekisho import frames
from sekisho._native import ffi, lib
from sekisho.challenges import ChallengeKeys
from sekisho.frames import ANSWER, Code, Frame, Kind
from sekisho.server.config import Limits
from sekisho.testing import a_citizen, small_city

CITY = small_city()
RULES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors/rules.json").read_text())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk([a_tenant(tmp_path_factory.mktemp("desk"), CITY)]) as desk:
        yield desk


# ---- what bytes alone break ---------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_in_random_chunks_too(shared: Desk, rule: dict[str, Any]) -> None:
    """With the hello in the same stream, a good ping before it, and pings behind that are answered only if it goes on."""
    chance = random.Random(rule["rule"])
    data = b"".join(map(bytes.fromhex, rule["send"]))
    before = frames.hello(7) + frames.ping(70) if rule["after_hello"] else b""
    stream = before + data + frames.ping(77) * 3
    for _ in range(8):
        line, left = shared.line(None), stream
        while left:
            size = chance.choice((1, 2, 15, 16, 17, 40, len(left)))
            line.send(left[:size])
            left = left[size:]
        shared.work()
        received = line.receive()
        assert [frame.kind for frame in received[:2]] == (
            [129, 130] if before else [frame.kind for frame in received[:2]]
        )
        answers = received[2:] if before else received
        told = bytes.fromhex(rule["answer"])
        assert [frames.read_error(f.payload) for f in answers if f.kind == Kind.ERROR] == [frames.read_error(told[16:])]
        pongs = [frame.id for frame in answers if frame.kind == Kind.PING + ANSWER]
        assert pongs == ([] if rule["ends"] else [77] * 3)
        assert line.closes == rule["ends"]
        line.close()


# ---- what it takes more than bytes to break ------------------------------------------------------------


def nothing(desk: Desk, line: Line) -> None:
    """No more is needed."""


def pass_of(seconds: float) -> Callable[[Desk, Line], None]:
    def wait(desk: Desk, line: Line) -> None:
        desk.now += int(seconds * SECOND)
        desk.core.expire(desk.now)

    return wait


def drain(desk: Desk, line: Line) -> None:
    desk.core.drain()
    line.receive()  # the server's goodbye


def crowd(desk: Desk, line: Line) -> None:
    """All rows that the server has are taken by another connection."""
    other = desk.line()
    other.send(frames.certificate(1, b"x") * 4)


def know_what_a_login_takes(desk: Desk, line: Line) -> None:
    line.send(a_login(desk))
    desk.work()
    line.receive()


def a_login(desk: Desk, **different: Any) -> bytes:
    return login_frame(5, a_citizen(0).login(issue(desk.tenants[7])[0]), **different)


def foreign(folder: Path) -> Any:
    """A tenant without keys: it has certificates checked, and no more."""
    return a_tenant(folder, CITY, keys=False)


CHECK = frames.certificate(5, b"x")

# code: (what is true before, limits, tenant, what is sent, what happens then, whether the hello is said)
SITUATIONS: dict[str, tuple[Code, Any, Limits, Any, bytes | Callable[[Desk], bytes], Any, bool]] = {
    "challenges where there are no keys": (
        Code.NOT_OFFERED, nothing, Limits(), foreign, frames.challenges(5, 1), nothing, True),
    "a login where there are no keys": (
        Code.NOT_OFFERED, nothing, Limits(), foreign, frames.login(5, b"c", b"c", b"s"), nothing, True),
    "one more request than may wait": (
        Code.TOO_MANY_REQUESTS, lambda desk, line: line.send(frames.certificate(1, b"x") * 4),
        Limits(connection_rows=4), a_tenant, CHECK, nothing, True),
    "challenges that count with what waits": (
        Code.TOO_MANY_REQUESTS, lambda desk, line: line.send(frames.certificate(1, b"x")),
        Limits(connection_rows=4), a_tenant, frames.challenges(5, 4), nothing, True),
    "a request where all room is taken": (
        Code.OVERLOADED, crowd, Limits(rows=4, connection_rows=4), a_tenant, CHECK, nothing, True),
    "a request whose deadline passes while it waits": (
        Code.OVERLOADED, nothing, Limits(), a_tenant, lambda desk: a_login(desk, deadline_ms=10), pass_of(0.011), True),
    "a request after the server's goodbye": (Code.SHUTTING_DOWN, drain, Limits(), a_tenant, CHECK, nothing, True),
    "no hello": (Code.HANDSHAKE_TIMEOUT, nothing, Limits(handshake_s=2), a_tenant, b"", pass_of(2.1), False),
    "half a hello": (
        Code.HANDSHAKE_TIMEOUT, nothing, Limits(handshake_s=2), a_tenant, frames.hello(7)[:39], pass_of(2.1), False),
    "nothing is said": (Code.IDLE_TIMEOUT, nothing, Limits(idle_s=9), a_tenant, b"", pass_of(9.1), True),
    "half a header": (Code.FRAME_TIMEOUT, nothing, Limits(handshake_s=2), a_tenant, CHECK[:3], pass_of(2.1), True),
    "half a frame": (Code.FRAME_TIMEOUT, nothing, Limits(handshake_s=2), a_tenant, CHECK[:-1], pass_of(2.1), True),
    "one connection too many": (
        Code.CONNECTIONS_FULL, lambda desk, line: None, Limits(connections=1), a_tenant, frames.hello(7), nothing, False),
}  # fmt: skip


@pytest.mark.parametrize("piece", [None, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("name", SITUATIONS)
def test_a_broken_rule_gets_its_error(tmp_path: Path, name: str, piece: int | None) -> None:
    code, before, limits, tenant, sent, then, greeted = SITUATIONS[name]
    with Desk([tenant(tmp_path) if tenant is foreign else tenant(tmp_path, CITY)], limits) as desk:
        if code is Code.CONNECTIONS_FULL:
            desk.line()
        line = desk.line(7 if greeted else None)
        before(desk, line)
        data = sent if isinstance(sent, bytes) else sent(desk)
        line.send(data, piece)
        then(desk, line)
        desk.work()
        received = line.receive()
        (error,) = [frames.read_error(frame.payload) for frame in received if frame.kind == Kind.ERROR]
        assert error.code == code
        assert error.ends == line.closes == ENDS[code]
        (of,) = [frame for frame in received if frame.kind == Kind.ERROR]
        about = data[4] if not ENDS[code] else 0
        assert (error.kind, of.id) == (about, 5 if about else 0)
        if code is Code.OVERLOADED:
            assert error.retry_ms >= 1
        if ENDS[code]:  # what stands behind is not looked at
            line.send(frames.ping(77))
            assert line.receive() == []
        else:
            assert line.ask(frames.ping(77)) == Frame(Kind.PING + ANSWER, 0, 77, b"")


def ends_of_the_document() -> dict[Code, bool]:
    page = (Path(__file__).parents[2] / "docs/PROTOCOL.md").read_text()
    rows = [line.split("|") for line in page.split("### Errors")[1].splitlines() if re.match(r"\| \d+ \| `", line)]
    return {Code(int(row[1])): row[3].strip() == "yes" for row in rows}


ENDS = ends_of_the_document()


# ---- an engine that fails -------------------------------------------------------------------------------


def test_a_failure_inside_is_told_and_nothing_decided(tmp_path: Path) -> None:
    """Challenges are promised, and the ring has no key to issue with: the core fails, and says so."""
    keys = ChallengeKeys({7: bytes(range(32))}, current=None)
    tenant = a_tenant(tmp_path, CITY, challenges=keys)
    with Desk([tenant]) as desk:
        verifier = tenant.verifier()
        promised = {
            "verifier": verifier.native,
            "keys": keys.native,
            "expect": verifier.expectation,
            "lifetime": 60,
            "issues": 1,
        }
        native = desk.core.tenant(7)
        assert lib.seki_tenant_put(native, ffi.new("seki_tenant_profile[]", [promised]), 1) == lib.SEKI_OK
        line = desk.line()
        answer = line.ask(frames.challenges(5, 1))
        told = frames.read_error(answer.payload)
        assert (answer.kind, answer.id, told.code, told.ends) == (Kind.ERROR, 5, Code.ENGINE_FAULT, False)
        assert line.ask(frames.ping(77)).payload == b""


def test_every_error_of_the_document_occurs() -> None:
    told = {Code[rule["code"].upper().replace("-", "_")] for rule in RULES}
    told |= {row[0] for row in SITUATIONS.values()}
    assert told | {Code.ENGINE_FAULT} == set(Code)  # that one just above
    assert list(ENDS) == list(Code)
