"""Two replicas on one real Valkey, and what befalls it: none accepted twice, each refused with its reason, and it recovers alone.

Each replica has a set of claims of its own, as another machine would.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from tests.e2e.gateways import Process, wait_until
from tests.faults.replicas import (
    KEYS,
    WAIT_S,
    ValkeyServer,
    a_replica,
    issue,
    memory_folder,
    offer_to_both,
    program,
    redeem,
)
from tests.faults.serve_load import town

from sekisho.client import AsyncClient
from sekisho.reasons import Reason
from sekisho.valkey import Valkey

pytestmark = pytest.mark.skipif(program() is None, reason="no valkey-server, no redis-server")

ACCEPTED, USED, LOST = Reason.ACCEPTED, Reason.CHALLENGE_USED, Reason.CLAIMS_LOST
UNAVAILABLE = Reason.CLAIMS_UNAVAILABLE


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as found:
        yield found


@pytest.fixture
def server(folder: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(folder) as found:
        found.begin_long_ago()
        yield found


def settled(claims: object) -> Reason:
    """What becomes of a new challenge once the pause after trouble is over."""
    until = time.monotonic() + WAIT_S
    while (found := redeem(claims, issue())[0]) is not ACCEPTED and time.monotonic() < until:  # type: ignore[arg-type]
        time.sleep(0.02)
    return found


def test_each_is_accepted_exactly_once(folder: Path, server: ValkeyServer) -> None:
    said = offer_to_both(folder, server.address, 2000)
    assert sum((one for one in said), Counter()) == {ACCEPTED: 2000, USED: 2000}
    assert all(one[ACCEPTED] for one in said)


def test_over_tcp_with_a_password_and_no_other(folder: Path) -> None:
    with ValkeyServer(folder) as server:
        server.begin_long_ago()
        server.ask("CONFIG", "SET", "requirepass", "secret-of-the-server")
        address = f"valkey://127.0.0.1:{server.port}"
        assert Valkey(address, password="secret-of-the-server").look() == "none"  # noqa: S106
        assert Valkey(address, password="another").look() == "refused"  # noqa: S106
        assert Valkey(address).look() == "refused"


def test_keys_are_opaque_and_end_with_the_challenge(folder: Path, server: ValkeyServer) -> None:
    tokens = issue()
    assert redeem(a_replica(folder, server.address), tokens) == [ACCEPTED]
    keys = [one for one in server.ask("KEYS", "*").split("\r\n") if one.startswith("sekisho:claim:")]
    assert len(keys) == 1
    assert len(keys[0]) == len("sekisho:claim:") + 32
    left = int(server.ask("PTTL", keys[0]).strip(":\r\n"))
    assert 300_000 < left <= 305_000, "the life that is left, twice the clocks' tolerance of 2 s, and one"


def test_a_retry_gets_the_first_verdict_from_any_replica(folder: Path, server: ValkeyServer) -> None:
    one, other = a_replica(folder, server.address), a_replica(folder, server.address)
    tokens, request = issue(), np.array([11], np.uint64)
    said = []
    for claims, fingerprint in ((one, request), (other, request), (one, request), (other, request + np.uint64(1))):
        reasons, repeated = claims.redeem(KEYS, tokens, profile=1, requests=fingerprint)
        said.append((Reason(reasons[0]), bool(repeated[0])))
    assert said == [(ACCEPTED, False), (ACCEPTED, True), (ACCEPTED, True), (USED, False)]


def test_down_and_back_empty(folder: Path, server: ValkeyServer) -> None:
    one, other = a_replica(folder, server.address), a_replica(folder, server.address)
    tokens = issue(3)
    assert redeem(one, tokens[:1]) == [ACCEPTED]  # type: ignore[index]
    server.kill()
    assert redeem(one, tokens[1:2]) == [UNAVAILABLE]  # type: ignore[index]
    assert one.valkey is not None
    assert one.valkey.statistics().trouble == "unreachable"
    server.start()
    for claims in (other, one):
        wait_for_look(claims.valkey)
    assert redeem(other, tokens) == [LOST] * 3, "what was accepted before is known to nobody now"
    assert redeem(other, tokens) == [USED] * 3
    assert redeem(one, tokens[2:]) == [LOST]  # type: ignore[index]
    assert settled(one) is ACCEPTED
    assert settled(other) is ACCEPTED
    epochs = [claims.valkey.statistics().since for claims in (one, other) if claims.valkey is not None]
    assert epochs[0] == epochs[1], "both go by one epoch"


def wait_for_look(valkey: Valkey | None) -> None:
    assert valkey is not None
    until = time.monotonic() + WAIT_S
    while valkey.look() != "none":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_back_with_an_old_dump(folder: Path, server: ValkeyServer) -> None:
    """The dump holds an epoch and some claims, and what was claimed after it is gone."""
    one, other = a_replica(folder, server.address), a_replica(folder, server.address)
    tokens = issue()
    server.ask("SAVE")
    assert redeem(one, tokens) == [ACCEPTED]
    server.kill()
    server.start()
    assert "sekisho:epoch" in server.ask("KEYS", "*"), "the old one is there"
    assert redeem(other, tokens) == [LOST]


def test_a_lagging_replica_is_promoted_behind_the_same_address(folder: Path, server: ValkeyServer) -> None:
    """Connections to the primary before it stay open, and it goes on answering whoever holds one."""
    place = folder / "place.sock"
    place.symlink_to(server.socket)
    with ValkeyServer(folder, name="behind") as behind:
        behind.ask("REPLICAOF", "127.0.0.1", str(server.port))
        behind.wait_for("INFO replication", "master_link_status:up")
        server.begin_long_ago()  # a primary's first replica gives it another replication id
        behind.wait_for("GET sekisho:epoch", server.ask("GET", "sekisho:epoch"))
        behind.ask("REPLICAOF", "NO", "ONE")  # what the primary takes from here on, it has not
        one = a_replica(folder, f"unix:{place}", hold=15)
        tokens = issue(2)
        assert redeem(one, tokens[:1]) == [ACCEPTED]  # type: ignore[index]
        place.unlink()
        place.symlink_to(behind.socket)
        other = a_replica(folder, f"unix:{place}", hold=15)
        assert redeem(other, tokens) == [LOST] * 2
        late = issue(64)  # issued after the change, and one still asks the old primary
        first, second = redeem(one, late), redeem(other, late)
        assert set(first) == {ACCEPTED}, "its connection has not moved"
        assert set(second) == {LOST}, "until everybody has followed, nothing is accepted here"
        wait_until_refused(one)


def wait_until_refused(claims: object) -> None:
    """A connection lives five seconds: then this replica too asks whom the address leads to, where nothing is accepted yet."""
    until = time.monotonic() + WAIT_S
    while redeem(claims, issue()) == [ACCEPTED]:  # type: ignore[arg-type]
        assert time.monotonic() < until
        time.sleep(0.05)


def test_data_is_replaced_under_a_living_connection(folder: Path, server: ValkeyServer) -> None:
    """The same process, run id and connection: it has followed another for a moment, and has that one's data now."""
    one = a_replica(folder, server.address)
    tokens = issue(2)
    assert redeem(one, tokens[:1]) == [ACCEPTED]  # type: ignore[index]
    with ValkeyServer(folder, name="empty") as empty:
        empty.ask(
            "SET", "sekisho:epoch", server.ask("GET", "sekisho:epoch").split("\r\n")[1]
        )  # even with the very epoch
        server.ask("REPLICAOF", "127.0.0.1", str(empty.port))
        server.wait_for("INFO replication", "master_link_status:up")
        other = a_replica(folder, server.address)
        assert redeem(other, tokens[1:]) == [UNAVAILABLE], "a replica claims nothing"  # type: ignore[index]
        server.ask("REPLICAOF", "NO", "ONE")
    assert redeem(a_replica(folder, server.address), tokens) == [LOST] * 2


def test_emptied_under_a_living_connection(folder: Path, server: ValkeyServer) -> None:
    one, other = a_replica(folder, server.address), a_replica(folder, server.address)
    tokens = issue(2)
    assert redeem(one, tokens[:1]) == [ACCEPTED]  # type: ignore[index]
    assert redeem(other, issue()) == [ACCEPTED]
    server.ask("FLUSHALL")
    assert redeem(other, tokens) == [LOST] * 2


def test_evicting_is_refused(folder: Path, server: ValkeyServer) -> None:
    one = a_replica(folder, server.address)
    assert redeem(one, issue()) == [ACCEPTED]
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert redeem(one, issue()) == [UNAVAILABLE]
    assert one.valkey is not None
    assert one.valkey.statistics().trouble == "evicts"
    assert Valkey(server.address).look() == "evicts"
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert settled(one) is ACCEPTED


def test_full(folder: Path, server: ValkeyServer) -> None:
    one, other = a_replica(folder, server.address), a_replica(folder, server.address)
    tokens = issue(8)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert redeem(one, tokens) == [UNAVAILABLE] * 8
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert redeem(other, tokens) == [ACCEPTED] * 8
    assert settled(one) is ACCEPTED


@pytest.mark.parametrize("way", ["paused", "stopped"])
def test_slow(way: str, folder: Path, server: ValkeyServer) -> None:
    """No answer in time is a refusal, whatever the server does later with what it was sent."""
    one, other = a_replica(folder, server.address, timeout_ms=50), a_replica(folder, server.address)
    tokens = issue(16)
    assert redeem(one, issue()) == [ACCEPTED]
    if way == "paused":
        server.tell("CLIENT", "PAUSE", "300", "ALL")
    else:
        server.send(signal.SIGSTOP)
    assert redeem(one, tokens) == [UNAVAILABLE] * 16
    assert one.valkey is not None
    assert one.valkey.statistics().trouble == "slow"
    server.send(signal.SIGCONT)
    server.wait_for("PING", "PONG")
    assert set(redeem(other, tokens)) <= {ACCEPTED, USED}
    assert redeem(one, tokens) == [USED] * 16, "a claim of the machine's own stays spent"
    assert settled(one) is ACCEPTED


class Proxy:
    """Stands between a replica and the server, and may change what the server says."""

    def __init__(self, folder: Path, server: ValkeyServer, change: Callable[[bytes], bytes | None]) -> None:
        self.path = folder / "proxy.sock"
        self._server = server
        self._change = change
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen()
        self._near = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"unix:{self.path}"

    def _serve(self) -> None:
        while True:
            try:
                self._near, _ = self._listening.accept()
            except OSError:
                return
            with self._near, socket.socket(socket.AF_UNIX) as far:
                far.connect(str(self._server.socket))
                while asked := _whole(self._near, b"EXEC\r\n"):
                    far.sendall(asked)
                    heard = _whole(far, None)
                    changed = self._change(heard)
                    if changed is None:
                        break
                    self._near.sendall(changed)

    def close(self) -> None:
        for one in (self._listening, self._near):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_S)


def _whole(line: socket.socket, end: bytes | None) -> bytes:
    """All of a transaction, or all of its answer: the server writes that at once."""
    heard = b""
    while not heard or (end is not None and not heard.endswith(end)):
        part = line.recv(1 << 20)
        if not part:
            return b""
        heard += part
    return heard


@contextmanager
def changed(folder: Path, server: ValkeyServer, change: Callable[[bytes], bytes | None]) -> Iterator[str]:
    proxy = Proxy(folder, server, change)
    try:
        yield proxy.address
    finally:
        proxy.close()


def test_a_lost_answer_is_a_refusal(folder: Path, server: ValkeyServer) -> None:
    """The server has executed it: nobody else is accepted, and the very same request may be, when it comes again."""
    answers = iter([False])  # the first is lost
    tokens, request = issue(), np.array([11], np.uint64)
    with changed(folder, server, lambda heard: heard if next(answers, True) else None) as address:
        one = a_replica(folder, address)
        reasons, _ = one.redeem(KEYS, tokens, profile=1, requests=request)
        assert reasons.tolist() == [UNAVAILABLE]
        assert "sekisho:claim:" in server.ask("KEYS", "*")
        other = a_replica(folder, server.address)
        assert redeem(other, tokens) == [USED]
        assert redeem(one, tokens) == [USED]
        wait_for_look(one.valkey)
        reasons, repeated = one.redeem(KEYS, tokens, profile=1, requests=request)
        assert (reasons.tolist(), repeated.tolist()) == ([ACCEPTED], [True])


def _other_time(heard: bytes) -> bytes:
    """The server's clock ten seconds ahead."""
    now = int(time.time())
    for second in (now - 1, now, now + 1):
        heard = heard.replace(b"$10\r\n%d\r\n$6\r\n" % second, b"$10\r\n%d\r\n$6\r\n" % (second + 10))
    return heard


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        (_other_time, "clock"),
        (lambda heard: heard + b"+OK\r\n", "broken"),
        (lambda heard: heard.replace(b"$32\r\n", b"$32\r\nx", 1), "broken"),
        (lambda heard: heard.replace(b"role:master", b"role:mister"), "not-primary"),
        (lambda heard: heard.replace(b"noeviction", b"volatilttl"), "evicts"),
        (lambda heard: heard.replace(b"+QUEUED", b"-READONLY"), "refused"),
        (lambda heard: b"-LOADING the dataset is not there yet\r\n", "refused"),
        (lambda heard: heard[: len(heard) // 2], "slow"),
        (lambda heard: b"$70000\r\n", "broken"),
        (lambda heard: b"*100000000\r\n", "broken"),
    ],
)
def test_an_answer_that_is_not_as_it_must_be(
    change: Callable[[bytes], bytes], trouble: str, folder: Path, server: ValkeyServer
) -> None:
    with changed(folder, server, change) as address:
        one = a_replica(folder, address, timeout_ms=200)
        assert redeem(one, issue(2)) == [UNAVAILABLE] * 2
        assert one.valkey is not None
        assert one.valkey.statistics().trouble == trouble


def test_an_answer_to_another_question_is_none(folder: Path, server: ValkeyServer) -> None:
    kept: list[bytes] = []

    def first_again(heard: bytes) -> bytes:
        kept.append(heard)
        return kept[0]

    with changed(folder, server, first_again) as address:
        one = a_replica(folder, address)
        assert redeem(one, issue()) == [ACCEPTED]
        assert redeem(one, issue()) == [UNAVAILABLE]


def test_a_child_of_fork_asks_for_itself(folder: Path, server: ValkeyServer) -> None:
    """Two who speak over one connection would hear each other's answers."""
    one = a_replica(folder, server.address)
    assert redeem(one, issue()) == [ACCEPTED]
    tokens = issue(2000)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for row in range(2000):
                os.write(writing, bytes([redeem(one, tokens[row : row + 1])[0]]))  # type: ignore[index]
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    mine = [redeem(one, tokens[row : row + 1])[0] for row in range(1999, -1, -1)][::-1]  # type: ignore[index]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with open(reading, "rb") as file:
        theirs = [Reason(one) for one in file.read()]
    assert Counter(zip(mine, theirs, strict=True)).keys() <= {(ACCEPTED, USED), (USED, ACCEPTED)}


REPLICA = """
[claims]
file = "claims-{name}"
valkey = "{address}"
[revocation]
store = "revocation"
[socket]
path = "{name}.sock"
mode = "0600"
[[tenant]]
name = "town"
number = 7
profile = "profile.toml"
trust = ["ca"]
keys = "challenge.keys"
uids = [{uid}]
"""


def test_two_servers(folder: Path, server: ValkeyServer) -> None:
    """`sekisho serve` twice, as on two machines: each login, offered to both at once, is accepted by one."""
    with town(1) as made:
        replicas = []
        for name in ("one", "other"):
            file = made.folder / f"{name}.toml"
            file.write_text(REPLICA.format(name=name, address=server.address, uid=os.geteuid()))
            replicas.append(
                Process([sys.executable, "-m", "sekisho.cli", "serve", str(file)], made.folder / f"{name}.log")
            )
        try:
            for one in replicas:
                wait_until(lambda one=one: "ready" in one.said(), one)  # type: ignore[misc]
            begun = time.time()
            # Their sets were made a moment ago, and refuse what was issued before: a town's challenges are a second old.
            wait_until(lambda: time.time() > begun + 2, replicas[0])
            logins = [login for citizen, login in made.logins(64) if citizen >= 0]

            async def offer(name: str) -> list[tuple[Reason, bool]]:
                async with AsyncClient(str(made.folder / f"{name}.sock"), 7, connections=1) as client:
                    answers = await asyncio.gather(*(client.login(one) for one in logins))
                return [(one.reason, one.repeated) for one in answers]

            async def both() -> list[list[tuple[Reason, bool]]]:
                return await asyncio.gather(offer("one"), offer("other"))

            one, other = asyncio.run(both())
            # The very same request at both: who comes second gets the first verdict, marked.
            assert all(a[0] is b[0] is ACCEPTED and a[1] != b[1] for a, b in zip(one, other, strict=True))
            server.kill()
            logins[:] = [login for citizen, login in made.logins(8) if citizen >= 0]
            assert set(asyncio.run(offer("one"))) == {(UNAVAILABLE, False)}
        finally:
            for process in replicas:
                process.stop()
