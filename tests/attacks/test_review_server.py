"""What a hostile reading of the server's code found, each as a test that failed before it was mended."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.gateways import Sidecar, running
from tests.unit.wire_desk import SECOND, Desk, a_tenant, errors

from sekisho import frames
from sekisho._native import lib
from sekisho.frames import ANSWER, Kind
from sekisho.server.config import Config, Limits
from sekisho.server.sockets import UnixSocket
from sekisho.server.tenants import Tenants
from sekisho.server.wire import Listener, WireServer
from sekisho.server.wire.peer_uid import uid_at_loopback
from sekisho.testing import AT, a_citizen, small_city

CITY = small_city()
MB = 1 << 20


# ---- memory ---------------------------------------------------------------------------------------------


def test_requests_that_wait_hold_bounded_memory(tmp_path: Path) -> None:
    """As many requests as may wait, each as large as may be, would be 4 GB: reading pauses before, and goes on after."""
    with Desk([a_tenant(tmp_path, CITY)]) as desk:
        line = desk.line()
        large = frames.certificate(1, bytes(MB - 100))
        sent = 0
        while not line.wants & lib.SEKI_WANTS_PAUSE:
            line.send(large)
            sent += 1
            assert sent < 20
        assert desk.core.count().receive_bytes < 12 * MB
        desk.work()
        assert len(line.receive()) == sent
        assert not line.wants & lib.SEKI_WANTS_PAUSE
        line.send(large)
        desk.work()
        assert len(line.receive()) == 1


def test_a_frame_that_was_begun_can_be_ended_however_much_waits(tmp_path: Path) -> None:
    """The largest frame there may be, beside others: it does not pause itself."""
    limits = Limits(frame_bytes=16 * MB, backlog_bytes=65_536)
    with Desk([a_tenant(tmp_path, CITY)], limits) as desk:
        line = desk.line()
        large = frames.certificate(1, bytes(16 * MB - 100))
        line.send(large[: 8 * MB])
        assert not line.wants & lib.SEKI_WANTS_PAUSE
        line.send(large[8 * MB :])
        desk.work()
        assert len(line.receive()) == 1


def test_requests_of_all_together_hold_bounded_memory(tmp_path: Path) -> None:
    """Many connections, each within its own bound: beyond the server's they are told that it is overloaded."""
    with Desk([a_tenant(tmp_path, CITY)], Limits(rows=4096)) as desk:
        large = frames.certificate(1, bytes(MB - 100), deadline_ms=600_000)
        lines = [desk.line() for _ in range(20)]
        for line in lines:
            for _ in range(6):
                line.send(large)
        assert desk.core.count().receive_bytes < 90 * MB
        told = Counter(name for line in lines for name in errors(line.receive()))
        assert set(told) == {"overloaded"}
        desk.work()
        lines[0].receive()
        assert lines[0].ask(frames.certificate(1, b"x")).kind == Kind.CERTIFICATE + ANSWER


def test_stats_do_not_multiply_what_was_sent(tmp_path: Path) -> None:
    """A request of 16 bytes whose answer is long: what one chunk of them brings forth has its end."""
    with Desk([a_tenant(tmp_path, CITY)], Limits(backlog_bytes=65_536)) as desk:
        line = desk.line()
        line.ask(frames.certificate(1, b"x"))
        line.send(frames.stats(3) * 10_000)
        received = line.receive()
        assert len(received) == 10_000
        assert set(errors(received)) == {"too-many-requests"}
        assert sum(len(frame.payload) for frame in received if frame.kind != Kind.ERROR) < 40_000
        assert line.ask(frames.stats(4)).kind == Kind.STATS + ANSWER


def test_time_outs_are_counted_too(tmp_path: Path) -> None:
    with Desk([a_tenant(tmp_path, CITY)], Limits(idle_s=9)) as desk:
        desk.line()
        desk.now += 10 * SECOND
        desk.core.expire(desk.now)
        assert desk.core.tenant_count(7).errors == {"idle-timeout": 1}


# ---- who is there ---------------------------------------------------------------------------------------


def connected() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection at loopback: the client's, the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        return ours, listening.accept()[0]


def test_a_socket_that_was_closed_is_nobody_s() -> None:
    """The kernel says user 0 of an orphan: whoever connected, asked and closed at once would have spoken for root."""
    ours, theirs = connected()
    with theirs:
        peer, own = theirs.getpeername(), theirs.getsockname()
        assert uid_at_loopback(peer, own) == os.getuid()
        ours.sendall(frames.hello(7))
        ours.close()
        assert uid_at_loopback(peer, own) is None


def test_a_listener_at_the_peers_port_is_not_the_peer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert uid_at_loopback(listening.getsockname(), ("127.0.0.1", 9)) is None


# ---- the loop's side: a server of this process, at a Unix socket ------------------------------------------


class Served:
    """A socket server on a loop of its own."""

    def __init__(self, folder: Path, limits: Limits, tenants: list[Any]) -> None:
        self.path = folder / "s"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._limits, self._given = limits, tenants

    def __enter__(self) -> Served:
        async def begin() -> WireServer:
            made = WireServer(
                self._given, [Listener.unix(UnixSocket(self.path, 0o600, None).socket)], self._limits, threads=1
            )
            await made.start()
            return made

        self.server = self.run(begin())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.server.drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    def replace(self, tenants: list[Any]) -> None:
        async def do() -> None:
            self.server.replace(tenants)

        self.run(do())

    def raw(self, hello: bytes) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(20)
        made.connect(str(self.path))
        made.sendall(hello)
        return made


def answers(line: socket.socket, count: int) -> list[frames.Frame]:
    splitter, found = frames.Splitter(), list[frames.Frame]()
    while len(found) < count and (piece := line.recv(65536)):
        found += splitter.feed(piece)
    return found


def test_who_pipelines_and_reads_is_not_paused_for_ever(tmp_path: Path) -> None:
    """More answers at once than the backlog allows, all taken by the socket: reading went to a pause that nobody ended."""
    small = Limits(backlog_bytes=65_536, drain_s=1)
    with Served(tmp_path, small, [a_tenant(tmp_path, CITY)]) as served, served.raw(frames.hello(7)) as line:
        assert len(answers(line, 1)) == 1
        for _ in range(5):
            line.sendall(frames.ping(2, bytes(64)) * 1000)
            assert len(answers(line, 1000)) == 1000


def test_who_may_not_speak_any_more_is_let_go_at_a_reload(tmp_path: Path) -> None:
    """A user who was taken out of the configuration had his connection, and all its rights, until he closed it."""
    tenant, other = a_tenant(tmp_path, CITY), a_tenant(tmp_path, CITY, 8)
    with (
        Served(tmp_path, Limits(drain_s=1), [tenant, other]) as served,
        served.raw(frames.hello(7)) as line,
        served.raw(frames.hello(8)) as stays,
    ):
        assert len(answers(line, 1)) == len(answers(stays, 1)) == 1
        served.replace([replace(tenant, uids=frozenset({os.getuid() + 1})), other])
        assert line.recv(1) == b""
        stays.sendall(frames.ping(3))
        assert answers(stays, 1)[0].id == 3


# ---- fields of HTTP --------------------------------------------------------------------------------------

FRONT = f"""
[claims]
file = "claims"
[engine]
threads = 1
[test]
at = {AT}
[http]
path = "http.sock"
[[tenant]]
name = "city"
number = 7
audience = "https://city.example"
profile = "jpki-auth-test"
trust = ["ca"]
[[tenant.hops]]
name = "front"
dialect = "haproxy-der"
uids = [{os.geteuid()}]
"""


@pytest.fixture(scope="module")
def sidecar() -> Iterator[Sidecar]:
    made = Path(tempfile.mkdtemp(prefix="sekisho-"))
    (made / "ca").mkdir()
    for number, der in enumerate(CITY.trust()):
        (made / "ca" / f"{number}.cer").write_bytes(der)
    one = Sidecar(made, FRONT)
    with running(one):
        yield one
    shutil.rmtree(made)


def said_of(sidecar: Sidecar, fields: bytes, line: bytes = b"GET /auth/front HTTP/1.1") -> tuple[int, bytes]:
    """Status and verdict of the first answer to a request of these bytes, and that it is the only one."""
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(20)
        made.connect(str(sidecar.socket))
        made.sendall(line + b"\r\nhost: h\r\nconnection: close\r\n" + fields + b"\r\n\r\n")
        data = b""
        while piece := made.recv(65536):
            data += piece
    assert data.count(b"HTTP/1.1 ") == 1, data
    verdict = re.search(rb"(?im)^sekisho-verdict: *([a-z-]+)", data)
    return int(data[9:12]), verdict[1] if verdict else b""


GOOD = base64.b64encode(a_citizen(1).certificate())
OTHER = base64.b64encode(a_citizen(2).certificate())


def test_a_good_field_is_taken(sidecar: Sidecar) -> None:
    """Else the rest of these tests would show nothing."""
    assert said_of(sidecar, b"x-client-cert: " + GOOD) == (200, b"certificate-ok")


@pytest.mark.parametrize(
    "fields",
    [
        b"x-client-cert: %b\r\nx-client-cert: %b",
        b"x-client-cert: %b\r\nX-CLIENT-CERT: %b",
        b"x-client-cert: %b, %b",
        b"x-client-cert: %b,%b",
        b"x-client-cert: %b\r\nx-client-cert:%b",
        b"x-client-cert: %b\r\n %b",
        b"x-client-cert: %b\r\n\t%b",
        b"x-client-cert : %b\r\ny: %b",
        b"x-client-cert: %b\0%b",
        b"x-client-cert: %b\rx-client-cert: %b",
        b"x-client-cert: %b\nx-client-cert: %b",
        b"x_client_cert: %b\r\nx-client_cert: %b",
        b"x-client-cert.: %b\r\nclient-cert: %b",
        b"x-forwarded-client-cert: Cert=%b\r\ny: %b",
        b"x-client-cert: %b==\r\ny: %b",
        b"x-client-cert: :%b:\r\ny: %b",
        b'x-client-cert: "%b"\r\ny: %b',
    ],
)
def test_a_field_in_any_other_form_is_no_certificate(sidecar: Sidecar, fields: bytes) -> None:
    """Twice, in lists, folded, with other line ends, underscores or quotes, in another dialect: never a good certificate."""
    status, verdict = said_of(sidecar, fields % (GOOD, OTHER))
    assert status in (400, 403), verdict
    assert verdict != b"certificate-ok"


@pytest.mark.parametrize(
    "fields",
    [
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\nGET /auth/front HTTP/1.1\r\nx-client-cert: %b",
        b"content-length: 0\r\ncontent-length: 5\r\nx-client-cert: %b",
        b"transfer-encoding: xchunked\r\nx-client-cert: %b",
        b"content-length: +0\r\nx-client-cert: %b",
        b"content-length: 0, 0\r\nx-client-cert: %b",
    ],
)
def test_a_request_of_two_lengths_is_none(sidecar: Sidecar, fields: bytes) -> None:
    status, verdict = said_of(sidecar, fields % GOOD, b"POST /auth/front HTTP/1.1")
    assert (status, verdict) != (200, b"certificate-ok")


# ---- reloads ------------------------------------------------------------------------------------------------


def test_another_tenant_of_the_same_number_begins_with_a_cache_of_its_own(tmp_path: Path) -> None:
    """A number that was given to another relying party brought the first one's cache along, and with it what that had seen."""
    (tmp_path / "ca").mkdir()
    for number, der in enumerate(CITY.trust()):
        (tmp_path / "ca" / f"{number}.cer").write_bytes(der)
    file = tmp_path / "sekisho.toml"
    file.write_text(FRONT)
    with Tenants.open(Config.load(file)) as first:
        with Tenants.open(Config.load(file), before=first) as same:
            assert same.by_number[7].engine is first.by_number[7].engine
        file.write_text(FRONT.replace('"city"', '"town"'))
        with Tenants.open(Config.load(file), before=first) as other:
            assert other.by_number[7].engine is not first.by_number[7].engine
