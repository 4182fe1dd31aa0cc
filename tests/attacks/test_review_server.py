"""What a hostile reading of the server's code found, each as a test that failed before it was mended."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.unit.wire_desk import SECOND, Desk, a_tenant, errors

from sekisho import frames
from sekisho._native import lib
from sekisho.frames import ANSWER, Kind
from sekisho.server.config import Limits
from sekisho.server.sockets import UnixSocket
from sekisho.server.wire import Listener, WireServer
from sekisho.server.wire.peer_uid import uid_at_loopback
from sekisho.testing import small_city

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
