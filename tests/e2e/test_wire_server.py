"""`sekisho serve` over a Unix socket and TCP, a process of its own: hundreds of logins by both clients, peers who break what they
can, overload, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.e2e.fetch_servers import free_port
from tests.e2e.gateways import Process, running, wait_until

from sekisho import frames, keyfiles
from sekisho.claims import Claims
from sekisho.client import Answer, AsyncClient, Client, Disconnected, Login, Refused
from sekisho.frames import ANSWER, Kind
from sekisho.reasons import Reason
from sekisho.server.config import Config
from sekisho.server.tenants import Tenants
from sekisho.testing import City, bad_kinds, build_city, make_bad_login, make_logins
from sekisho.verifier import LoginBatch

ROW_SECONDS = 300  # challenges' life
CITIZENS = 300
PATIENCE = 60


@pytest.fixture(scope="module")
def city() -> City:
    """A city of today, for a server whose clock is the machine's."""
    return build_city(CITIZENS, seed="wire", purposes=["auth"], at=int(time.time()))


@pytest.fixture(scope="module")
def folder(city: City) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sekisho-"))  # a short path: those of sockets have an end
    (made / "ca").mkdir()
    for number, der in enumerate(city.trust("auth")):
        (made / "ca" / f"{number}.cer").write_bytes(der)
    for number, name in ((7, "city"), (8, "town")):
        keyfiles.make(made / f"{name}.keys")
        Claims.open(made / f"claims.{number}", fresh=True)  # keys that nobody used before
    make_tls(made)
    yield made
    shutil.rmtree(made)


def make_tls(folder: Path) -> None:
    """A CA, a server's certificate, and two clients'."""
    now = datetime.now(UTC)

    def certificate(name: str, issuer: tuple[x509.Name, Any] | None, *, ca: bool = False) -> tuple[x509.Name, Any]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by, signer = issuer or (subject, key)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
        (folder / f"{name}.sha256").write_text(made.fingerprint(hashes.SHA256()).hex())
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / f"{name}.key").touch(0o600)
        (folder / f"{name}.key").write_bytes(key.private_bytes(pem, *plain))
        return subject, key

    root = certificate("root", None, ca=True)
    for name in ("server", "city-client", "town-client", "stranger"):
        certificate(name, root)
    certificate("foreign", certificate("other-root", None, ca=True))


def configuration(folder: Path, port: int, *, limits: str = "", tls: bool = True) -> str:
    def fingerprint(name: str) -> str:
        return (folder / f"{name}.sha256").read_text()

    files = 'certificate = "server.pem"\nkey = "server.key"\nclients = "root.pem"' if tls else ""
    return f"""
[claims]
file = "claims"
[engine]
threads = 2
[socket]
path = "wire.sock"
[tcp]
listen = "127.0.0.1:{port}"
{files}
[limits]
{limits}
[[tenant]]
name = "city"
number = 7
audience = "https://city.example"
profile = "jpki-auth-test"
trust = ["ca"]
keys = "city.keys"
lifetime = {ROW_SECONDS}
uids = [{os.geteuid()}]
client_certificates = ["{fingerprint("city-client")}"]
[[tenant]]
name = "town"
number = 8
audience = "https://town.example"
profile = "jpki-auth-test"
trust = ["ca"]
keys = "town.keys"
uids = [{os.geteuid()}]
client_certificates = ["{fingerprint("town-client")}"]
[[tenant]]
name = "nobodys"
number = 9
profile = "jpki-auth-test"
trust = ["ca"]
uids = [{os.geteuid() + 1}]
"""


class Server(Process):
    def __init__(self, folder: Path, **how: Any) -> None:
        self.path = folder / "wire.sock"
        self.port = free_port()
        self.file = folder / "sekisho.toml"
        self.file.write_text(configuration(folder, self.port, **how))
        super().__init__([sys.executable, "-m", "sekisho.cli", "serve", str(self.file)], folder / "server.log")
        wait_until(lambda: self.path.exists() and self.asks(frames.ping(2)) is not None, self)

    def raw(self, hello: bytes | None = None) -> socket.socket:
        """A connection; its hello is said and welcomed."""
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(PATIENCE)
        made.connect(str(self.path))
        if hello is not None:
            made.sendall(hello)
            assert received(made, 56)[4] == Kind.HELLO + ANSWER
        return made

    def asks(self, request: bytes) -> bytes:
        """The first bytes of the answer to a request of tenant 7."""
        with self.raw(frames.hello(7)) as line:
            line.sendall(request)
            return line.recv(65536)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    made = Server(folder)
    with running(made):
        yield made


def received(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = line.recv(size - len(data))
        assert piece, data
        data += piece
    return data


def until_end(line: socket.socket) -> bytes:
    data = b""
    while piece := line.recv(65536):
        data += piece
    return data


def signed(city: City, challenges: list[bytes]) -> list[Login]:
    """A good login for each."""
    made = make_logins(city, challenges)
    return [Login(*fields) for fields in zip(made.certificates, made.challenges, made.signatures, strict=True)]


def spoiled(city: City, challenges: list[bytes]) -> list[Login]:
    """A bad one of each kind, while there are challenges."""
    bad = [make_bad_login(city, 3, kind, one) for kind, one in zip(bad_kinds(city), challenges, strict=False)]
    return [Login(one.certificate, one.challenge, one.signature, b"".join(one.intermediates)) for one in bad]


def accepted(answers: list[Answer | Refused]) -> int:
    return sum(isinstance(one, Answer) and one.reason is Reason.ACCEPTED for one in answers)


# ---- logins ---------------------------------------------------------------------------------------------


def test_a_city_logs_in(server: Server, city: City, folder: Path) -> None:
    """Hundreds of good logins and each kind of bad, by a client that pipelines them: the verdicts are the library's."""

    async def all_of_them() -> tuple[list[Login], list[Answer | Refused]]:
        async with AsyncClient(str(server.path), 7, connections=4) as client:
            kinds = len(bad_kinds(city))
            challenges = await client.challenges(CITIZENS + kinds, lifetime=ROW_SECONDS)
            logins = [*signed(city, challenges[:CITIZENS]), *spoiled(city, challenges[CITIZENS:])]
            return logins, await client.logins(logins, deadline_ms=60_000)

    logins, answers = asyncio.run(all_of_them())
    with Tenants.open(Config.load(server.file)) as tenants:  # the same keys, and claims of their own
        verifier = tenants.by_number[7].verifier()
        verifier.claims = Claims.open(folder / "claims-of-the-library", fresh=True)
        batch = LoginBatch(
            certificates=[one.certificate for one in logins],
            challenges=[one.challenge for one in logins],
            signatures=[one.signature for one in logins],
            intermediates=[one.intermediates for one in logins],
        )
        expected = [one.reason for one in verifier.verify_logins(batch)]
    assert [one.reason if isinstance(one, Answer) else one for one in answers] == expected
    assert expected[:CITIZENS] == [Reason.ACCEPTED] * CITIZENS
    assert len(set(expected)) > 10


def test_the_blocking_client_from_many_threads(server: Server, city: City) -> None:
    with Client(str(server.path), 7, references=True) as client:
        assert client.welcome().features == 7
        logins = signed(city, client.challenges(64, bindings=[b""] * 64))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(client.login, logins))
        assert all(one.ok and not one.repeated for one in answers)
        again = client.logins(signed(city, client.challenges(64)))  # by reference, this time
        assert accepted(again) == 64
        names = [hashlib.sha256(one.certificate).digest() for one in logins]
        assert {one.reason for one in client.revocation(names)} == {Reason.CERTIFICATE_OK}
        assert client.certificate(logins[0].certificate).reason is Reason.CERTIFICATE_OK
        assert client.stats().verdicts[Reason.ACCEPTED] >= 128
        client.ping()
        with pytest.raises(TypeError, match="no truth value"):
            bool(answers[0])
        with pytest.raises(Refused, match="too-much"):
            client.challenges(1025)


def test_a_client_who_lost_the_connection_gets_the_first_verdict(server: Server, city: City) -> None:
    with Client(str(server.path), 7) as client:
        (login,) = signed(city, client.challenges(1))
    request = frames.login(5, login.certificate, login.challenge, login.signature, request=b"by name")
    with server.raw(frames.hello(7)) as line:
        line.sendall(request)
        received(line, 1)  # it was decided, and the rest of the answer is lost
    with server.raw(frames.hello(7)) as line:
        line.sendall(request)
        answer = received(line, frames.LOGIN_ANSWER_SIZE)
    assert answer[16] == Reason.ACCEPTED
    assert answer[19] & 16  # repeated


def test_one_byte_at_a_time(server: Server, city: City) -> None:
    with Client(str(server.path), 7) as client:
        (login,) = signed(city, client.challenges(1))
    with server.raw() as line:
        for byte in frames.hello(7) + frames.login(5, login.certificate, login.challenge, login.signature):
            line.sendall(bytes([byte]))
        assert received(line, 56 + frames.LOGIN_ANSWER_SIZE)[56 + 16] == Reason.ACCEPTED


# ---- who may --------------------------------------------------------------------------------------------


def test_who_may_speak_for_a_tenant(server: Server) -> None:
    """Its users, and nobody else; whether there is such a tenant is not told."""
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o660
    refusals = set()
    for tenant in (9, 4711):
        with server.raw() as line:
            line.sendall(frames.hello(tenant))
            refusals.add(until_end(line))
    assert len(refusals) == 1
    with pytest.raises(Refused, match="tenant-refused"), Client(str(server.path), 9):
        pass


def tls_of(folder: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "root.pem"))
    if name is not None:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def test_tls_with_client_certificates(server: Server, city: City, folder: Path) -> None:
    """One who is known logs in for his tenant; strangers, foreigners and those without a certificate get nowhere."""
    address = ("localhost", server.port)
    with Client(address, 7, tls=tls_of(folder, "city-client")) as client:
        logins = signed(city, client.challenges(100))
        assert accepted(client.logins(logins, deadline_ms=60_000)) == 100
    for name, tenant in (("city-client", 8), ("town-client", 7), ("stranger", 7)):
        with pytest.raises(Refused, match="tenant-refused"), Client(address, tenant, tls=tls_of(folder, name)):
            pass
    for name in ("foreign", None):
        with pytest.raises(Disconnected), Client(address, 7, tls=tls_of(folder, name), timeout=5):
            pass
    old = tls_of(folder, "city-client")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(Disconnected), Client(address, 7, tls=old, timeout=5):
        pass
    with pytest.raises(Disconnected), Client(address, 7, timeout=5):  # in the clear
        pass


def test_tcp_in_the_clear_knows_its_peers_by_user(folder: Path, city: City) -> None:
    server = Server(folder, tls=False)
    with running(server):
        with Client(("127.0.0.1", server.port), 7) as client:
            assert accepted(client.logins(signed(city, client.challenges(20)))) == 20
        with pytest.raises(Refused, match="tenant-refused"), Client(("127.0.0.1", server.port), 9):
            pass


def test_tenants_cannot_learn_of_each_others_certificates(server: Server, city: City) -> None:
    with Client(str(server.path), 7, references=True) as ours, Client(str(server.path), 8) as theirs:
        login, other, first = signed(city, ours.challenges(3))
        assert theirs.certificate(first.certificate).ok  # the first under a CA goes through OpenSSL
        assert ours.login(login).ok
        name = hashlib.sha256(login.certificate).digest()
        assert [one.reason for one in ours.revocation([name])] == [Reason.CERTIFICATE_OK]
        assert [one.reason for one in theirs.revocation([name])] == [Reason.INPUT_MISSING]
        assert theirs.certificate(other.certificate).ok
        assert theirs.certificate(login.certificate) == theirs.certificate(other.certificate)
        assert theirs.login(login).reason is Reason.CHALLENGE_KEY_UNKNOWN
        assert theirs.stats().verdicts.get(Reason.ACCEPTED) is None
    for line in server.log.read_text().splitlines():
        assert name.hex() not in line


# ---- peers who break what they can ------------------------------------------------------------------------


def test_a_broken_rule_is_answered_over_a_real_socket(server: Server) -> None:
    """Each of tests/vectors/rules.json, whole and byte by byte: the answer as it stands there, and then an end or a pong."""
    for rule in json.loads((Path(__file__).parents[1] / "vectors/rules.json").read_text()):
        if rule["code"] == "tenant-refused":  # for a server of tenant 7 alone; test_who_may_speak_for_a_tenant
            continue
        data = b"".join(map(bytes.fromhex, rule["send"]))
        for piece in (len(data), 1) if len(data) < 200 else (len(data),):
            with server.raw(frames.hello(7) if rule["after_hello"] else None) as line:
                with suppress(BrokenPipeError):  # it may end before all is said
                    for at in range(0, len(data), piece):
                        line.sendall(data[at : at + piece])
                answer = received(line, len(rule["answer"]) // 2)
                assert answer.hex() == rule["answer"], rule["rule"]
                if rule["ends"]:
                    with suppress(ConnectionResetError):  # what it did not look at was lost
                        assert line.recv(1) == b"", rule["rule"]
                else:
                    line.sendall(frames.ping(77))
                    assert next(frames.Splitter().feed(received(line, 16))).id == 77, rule["rule"]


def test_garbage_hurts_nobody(server: Server, city: City) -> None:
    """Peers who say anything, or nothing, beside one who logs in."""
    silent = [server.raw() for _ in range(50)]
    half = [server.raw(frames.hello(7)) for _ in range(50)]
    for line in half:
        line.sendall(frames.ping(1)[:7])
    for data in (
        os.urandom(100_000),
        b"GET / HTTP/1.1\r\n\r\n",
        frames.hello(7) + os.urandom(100_000),
        b"\x16\x03\x01\x02\x00",
    ):
        with server.raw() as line:
            try:
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                until_end(line)
            except ConnectionError:
                pass
    with Client(str(server.path), 7) as client:
        assert accepted(client.logins(signed(city, client.challenges(50)))) == 50
    for line in [*silent, *half]:
        line.close()


def test_half_open_peers_are_cut(folder: Path) -> None:
    server = Server(folder, limits="handshake_s = 1\nidle_s = 2")
    with running(server):
        silent, half, idle = server.raw(), server.raw(frames.hello(7)), server.raw(frames.hello(7))
        half.sendall(frames.ping(1)[:7])
        names = []
        for line in (silent, half, idle):
            (frame,) = frames.Splitter().feed(until_end(line))
            names.append(frames.read_error(frame.payload).name)
        assert names == ["handshake-timeout", "frame-timeout", "idle-timeout"]


def test_a_slow_reader_does_not_grow(folder: Path) -> None:
    """He asks for 400 MB of challenges and reads nothing: what is kept for him has its end, and others are served."""
    server = Server(folder, limits="backlog_bytes = 1048576")
    with running(server), server.raw(frames.hello(7)) as slow, Client(str(server.path), 7) as client:
        slow.settimeout(1)
        asked = b"".join(frames.challenges(1, 1000) for _ in range(2400)) + frames.ping(1, bytes(64)) * 80_000
        with pytest.raises(TimeoutError):
            slow.sendall(asked)
        client.ping()
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        assert int(status.split("VmRSS:")[1].split()[0]) < 600_000  # kB
        assert len(client.challenges(3)) == 3


def test_overload_is_told_at_once(folder: Path, city: City) -> None:
    """More than can be answered in 2 ms: some are answered, the rest is told when to try again, and nobody waits."""
    server = Server(folder, limits="deadline_ms = 2\nconnection_rows = 65536")
    with running(server):
        with Client(str(server.path), 7, connections=4) as client:
            logins = signed(city, client.challenges(CITIZENS))
            client.logins(logins[:64], deadline_ms=60_000)  # now it knows what a login takes
        with server.raw(frames.hello(7)) as line:
            flood = [frames.login(1, one.certificate, one.challenge, one.signature) for one in logins] * 40
            sending = threading.Thread(target=line.sendall, args=(b"".join(flood),))
            sending.start()
            answers = list(frames.Splitter().feed(received(line, frames.LOGIN_ANSWER_SIZE * len(flood))))
            sending.join()
        kinds = Counter(one.kind for one in answers)
        assert kinds[Kind.LOGIN + ANSWER] + kinds[Kind.ERROR] == len(flood)
        assert all(kinds.values()), kinds
        told = [frames.read_error(one.payload) for one in answers if one.kind == Kind.ERROR]
        assert {one.name for one in told} == {"overloaded"}
        assert all(one.retry_ms >= 1 for one in told)
        with Client(str(server.path), 7) as client:
            assert client.login(signed(city, client.challenges(1))[0], deadline_ms=60_000).ok


# ---- the end ----------------------------------------------------------------------------------------------


def test_sigterm_loses_nothing(folder: Path, city: City) -> None:
    """In the middle of a burst: each request has its answer or was told to go elsewhere, and then a goodbye."""
    server = Server(folder)
    with running(server):
        with Client(str(server.path), 7) as client:
            logins = signed(city, client.challenges(CITIZENS))
        lines = [server.raw(frames.hello(7)) for _ in range(8)]
        answers: list[list[frames.Frame]] = [[] for _ in lines]

        def read(index: int) -> None:
            splitter = frames.Splitter()
            while piece := lines[index].recv(65536):
                answers[index] += splitter.feed(piece)
                if sum(one.kind != Kind.GOODBYE + ANSWER for one in answers[index]) == sent[index]:
                    lines[index].shutdown(socket.SHUT_WR)

        sent = [len(logins[index::8]) for index in range(8)]
        for index, line in enumerate(lines):
            line.sendall(
                b"".join(
                    frames.login(number, one.certificate, one.challenge, one.signature, deadline_ms=60_000)
                    for number, one in enumerate(logins[index::8])
                )
            )
        threads = [threading.Thread(target=read, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        assert server.stop() == 0
        for thread in threads:
            thread.join(PATIENCE)
        for index in range(8):
            kinds = Counter(one.kind for one in answers[index])
            assert kinds[Kind.LOGIN + ANSWER] + kinds[Kind.ERROR] == sent[index]
            assert {frames.read_error(f.payload).name for f in answers[index] if f.kind == Kind.ERROR} <= {
                "shutting-down"
            }
        assert sum(one.kind == Kind.LOGIN + ANSWER for per in answers for one in per) > 0
        assert not server.path.exists()


def test_a_reload_drops_no_request(folder: Path, city: City) -> None:
    server = Server(folder)
    with running(server), Client(str(server.path), 7) as client:
        logins = signed(city, client.challenges(CITIZENS))
        with ThreadPoolExecutor(1) as pool:
            burst = pool.submit(client.logins, logins, deadline_ms=60_000)
            for _ in range(3):
                server.process.send_signal(signal.SIGHUP)
                time.sleep(0.05)
            assert accepted(burst.result()) == CITIZENS
        wait_until(lambda: server.said().count('"reloaded"') >= 1, server)
        server.file.write_text(server.file.read_text().replace("number = 8", "number = 18"))
        server.process.send_signal(signal.SIGHUP)
        said = server.said().count('"reloaded"')
        wait_until(lambda: server.said().count('"reloaded"') > said or _speaks_for(server, 18), server)
        wait_until(lambda: _speaks_for(server, 18), server)
        assert not _speaks_for(server, 8)


def _speaks_for(server: Server, tenant: int) -> bool:
    try:
        with Client(str(server.path), tenant) as client:
            client.ping()
    except Refused:
        return False
    return True
