"""`sekisho revocation fetch` against real servers: what comes into the folder, and what never does."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from tests.e2e.fetch_servers import BIND_DN, PASSWORD, SUFFIX, Nginx, Scripted, Slapd, Tls, a_crl, answer, free_port

from sekisho.cli import main
from sekisho.revocation.fetch.fetcher import Fetcher, Outcome
from sekisho.revocation.fetch.folder import Folder
from sekisho.revocation.fetch.sources import Directory, Limits, Password, Plan, directory_of, source_of_url
from sekisho.testing import a_citizen

ONCE = Limits(tries=1, timeout=5)
TWICE = Limits(tries=2, timeout=5)
POINT = "CN=Maebashi-shi CRLDP,OU=Gunma-ken,OU=CRL Distribution Points,OU=JPKI for user authentication,O=JPKI-TEST,C=JP"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, tls: Tls) -> Iterator[Nginx]:
    server = Nginx(tmp_path_factory.mktemp("nginx"), tls)
    yield server
    server.stop()


LARGE = a_crl(9, entries=5_000)  # 110 kB
CRLS = [a_crl(number) for number in range(1, 9)]
BINARY = "certificateRevocationList;binary"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory, tls: Tls) -> Iterator[Slapd]:
    server = Slapd(
        tmp_path_factory.mktemp("slapd"),
        tls,
        {
            f"cn=one,{SUFFIX}": {BINARY: CRLS[:1], "deltaRevocationList;binary": CRLS[1:2]},
            f"cn=several,{SUFFIX}": {BINARY: CRLS[2:5]},
            f"cn=none,{SUFFIX}": {},
            f"cn=secret,ou=closed,{SUFFIX}": {BINARY: CRLS[5:6]},
            f"cn=large,{SUFFIX}": {BINARY: [LARGE]},
            **{f"cn=city {i:02},cn=none,{SUFFIX}": {BINARY: [CRLS[6]]} for i in range(40)},
        },
    )
    yield server
    server.stop()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "crls"
    folder.mkdir()
    return folder


def fetch(
    into: Path, *urls: str, limits: Limits = ONCE, directory: Directory | None = None, name: str = "ca"
) -> Outcome:
    known = [directory] if directory else []
    plan = Plan((source_of_url(urls, name=name, directories=known, directory=directory),), limits)
    with Folder(into) as folder, Fetcher(plan, folder, backoff=0.01) as fetcher:
        (outcome,) = fetcher.round()
    return outcome


def names(into: Path) -> list[str]:
    return sorted(one.name for one in into.iterdir())


def put_when(into: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced."""
    status = (into / "ca.crl").stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["revocation", "fetch", *map(str, arguments)])


def failed(into: Path, outcome: Outcome, *words: str) -> None:
    """It failed for this reason, and left nothing behind."""
    assert outcome.state == "failed"
    for word in words:
        assert word in outcome.message
    assert names(into) == []


# ---- HTTP ---------------------------------------------------------------------------------------


def test_a_file_comes_and_is_asked_for_only_once(nginx: Nginx, into: Path) -> None:
    """The second time nginx says 304, and nobody touches the file; a change brings a new one."""
    nginx.put("ca.crl", CRLS[0])
    assert fetch(into, nginx.url("ca.crl")).state == "fetched"
    before = put_when(into)
    assert (into / "ca.crl").read_bytes() == CRLS[0]
    assert fetch(into, nginx.url("ca.crl")).state == "unchanged"
    assert nginx.requests("ca.crl")[-1].startswith("304")
    assert put_when(into) == before
    nginx.put("ca.crl", CRLS[1])
    os.utime(nginx.files / "ca.crl", (1, 1))  # older than what was there, and new all the same: the ETag says so
    assert fetch(into, nginx.url("ca.crl")).state == "fetched"
    assert (into / "ca.crl").read_bytes() == CRLS[1]


def test_the_same_bytes_are_not_written_again(nginx: Nginx, into: Path) -> None:
    """Without a state the server sends all of it; the file stays as it was."""
    nginx.put("same.crl", CRLS[0])
    fetch(into, nginx.url("same.crl"))
    before = put_when(into)
    (into.parent / "crls.fetch.json").unlink()
    outcome = fetch(into, nginx.url("same.crl"))
    assert outcome.state == "unchanged"
    assert nginx.requests("same.crl")[-1].startswith("200")
    assert put_when(into) == before


@pytest.mark.parametrize("spoil", ["content", "removed", "state", "other-url"])
def test_what_is_remembered_counts_only_for_the_file_as_it_was_put(nginx: Nginx, into: Path, spoil: str) -> None:
    nginx.put("spoilt.crl", CRLS[0])
    nginx.put("other.crl", CRLS[0])
    url = nginx.url("spoilt.crl")
    fetch(into, url)
    if spoil == "content":
        (into / "ca.crl").write_bytes(CRLS[1])
    elif spoil == "removed":
        (into / "ca.crl").unlink()
    elif spoil == "state":
        (into.parent / "crls.fetch.json").write_text('{"format": 1, "files": {"ca.crl": 7}')
    else:
        url = nginx.url("other.crl")
    assert fetch(into, url).state == ("fetched" if spoil in ("content", "removed") else "unchanged")
    assert nginx.requests(url.rpartition("/")[2])[-1].startswith("200")
    assert (into / "ca.crl").read_bytes() == CRLS[0]


def test_pem_is_taken_as_it_is(nginx: Nginx, into: Path) -> None:
    lines = base64.encodebytes(CRLS[0])
    pem = b"-----BEGIN X509 CRL-----\n" + lines + b"-----END X509 CRL-----\n"
    nginx.put("pem.crl", pem)
    assert fetch(into, nginx.url("pem.crl")).state == "fetched"
    assert (into / "ca.crl").read_bytes() == pem


def test_a_busy_server_is_left_alone_as_long_as_it_asks(nginx: Nginx, into: Path) -> None:
    nginx.put("busy.crl", CRLS[0])
    url = nginx.url("busy/busy.crl")
    fetch(into, url, name="first")
    began = time.monotonic()
    outcome = fetch(into, url, limits=TWICE)
    assert (outcome.state, outcome.tries) == ("fetched", 2)
    assert time.monotonic() - began >= 1.0
    assert [line[:3] for line in nginx.requests("busy/busy.crl")] == ["200", "503", "200"]


def test_a_server_that_asks_for_long_is_left_to_a_later_round(nginx: Nginx, into: Path) -> None:
    url = nginx.url("asleep")
    assert "503" in fetch(into, url, limits=TWICE).message
    failed(into, fetch(into, url, limits=TWICE), "left alone until 20")
    assert len(nginx.requests("asleep")) == 1


def test_redirects(nginx: Nginx, into: Path) -> None:
    nginx.put("ca.crl", CRLS[0])
    for path, words in (
        ("loop", "more than 5 redirects"),
        ("up", "another scheme"),
        ("file", "only http, https, ldap and ldaps are fetched"),
    ):
        failed(into, fetch(into, nginx.url(path)), words)
    assert fetch(into, nginx.url("moved")).state == "fetched"


def test_https_is_verified(nginx: Nginx, into: Path, tls: Tls) -> None:
    nginx.put("ca.crl", CRLS[0])
    url = f"https://127.0.0.1:{nginx.tls_port}/ca.crl"
    failed(into, fetch(into, url), "TLS", "verify failed")
    ours = replace(ONCE, ca_file=tls.ca)
    failed(into, fetch(into, url.replace("127.0.0.1", "localhost"), limits=ours), "TLS", "Hostname mismatch")
    assert fetch(into, url, limits=ours).state == "fetched"


def test_proxies_of_the_environment_play_no_part(nginx: Nginx, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx.put("ca.crl", CRLS[0])
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert fetch(into, nginx.url("ca.crl")).state == "fetched"
    through = replace(ONCE, proxy=f"http://127.0.0.1:{nginx.port}")  # nginx answers whoever it is asked for
    assert fetch(into, "http://nowhere.invalid/ca.crl", limits=through, name="proxied").state == "fetched"


OK = "HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (answer(f"{OK}\nContent-Length: {len(CRLS[0])}", CRLS[0][:-40]), "broke off"),
        (answer(f"{OK}\nConnection: close", CRLS[0][:-40]), "cut short"),
        (answer(f"{OK}\nTransfer-Encoding: chunked", b"40\r\n" + CRLS[0][:64] + b"\r\n"), "broke off"),
        (answer(f"{OK}\nTransfer-Encoding: chunked", b"40\r\n" + CRLS[0][:64] + b"\r\n0\r\n\r\n"), "cut short"),
        (answer(f"{OK}\nContent-Length: 0"), "empty"),
        (answer("HTTP/1.1 500 Oh"), "500 Oh"),
        (answer("220 this is a mail server"), "broke off"),
        (answer(""), "broke off"),
    ],
    ids=["length", "close", "chunk", "chunks", "empty", "500", "smtp", "silence"],
)
def test_what_breaks_off_is_tried_again(into: Path, script: Any, words: str) -> None:
    with Scripted([script, answer(f"{OK}\nContent-Length: {len(CRLS[0])}", CRLS[0])]) as server:
        failed(into, fetch(into, server.url()), words)
        server.connections = 0
        outcome = fetch(into, server.url(), limits=TWICE)
    assert (outcome.state, outcome.tries) == ("fetched", 2)
    assert (into / "ca.crl").read_bytes() == CRLS[0]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            answer(f"{OK}\nContent-Type: application/pkix-crl\nConnection: close", b"<!DOCTYPE html><p>Log in"),
            "a web page",
        ),
        (answer(f"{OK}\nConnection: close", CRLS[0] + b"\n"), "1 bytes follow"),
        (answer(f"{OK}\nConnection: close", b"-----BEGIN CERTIFICATE-----\n"), "not of a CRL"),
        (answer(f"{OK}\nConnection: close", b"\x30\x80" + CRLS[0]), "not DER"),
        (answer(f"{OK}\nConnection: close", b"\x1f\x8b\x08"), "neither DER nor PEM"),
        (answer("HTTP/1.1 404 Not Found\nContent-Length: 0"), "404 Not Found"),
        (answer("HTTP/1.1 304 Not Modified"), "304"),
        (answer("HTTP/1.1 206 Partial Content\nConnection: close", CRLS[0]), "206"),
        (answer("HTTP/1.1 302 Found\nContent-Length: 0"), "says not where"),
        (answer("HTTP/1.1 302 Found\nLocation: http://a:b@127.0.0.1/\nContent-Length: 0"), "user or password"),
        (answer(f"{OK}\nContent-Length: 3000000000"), "larger than 5,000"),
        (answer(f"{OK}\nConnection: close", b"\x30\x83\x00\xff\xff" + bytes(9000)), "larger than 5,000"),
    ],
    ids=[
        "html",
        "tail",
        "pem",
        "indefinite",
        "gzip",
        "404",
        "304",
        "206",
        "nowhere",
        "userinfo",
        "told-large",
        "large",
    ],
)
def test_what_is_no_crl_is_refused_at_once(into: Path, script: Any, words: str) -> None:
    with Scripted([script]) as server:
        outcome = fetch(into, server.url(), limits=replace(TWICE, size_max=5000))
        assert server.connections == 1
    failed(into, outcome, words)


def test_a_failure_leaves_what_is_there(nginx: Nginx, into: Path) -> None:
    nginx.put("stays.crl", CRLS[0])
    fetch(into, nginx.url("stays.crl"))
    nginx.put("stays.crl", b"<html>")
    assert fetch(into, nginx.url("stays.crl")).state == "failed"
    assert (into / "ca.crl").read_bytes() == CRLS[0]


def test_nobody_listens(into: Path) -> None:
    outcome = fetch(into, f"http://127.0.0.1:{free_port()}/ca.crl", limits=TWICE)
    assert outcome.tries == 2
    failed(into, outcome, "Connection refused")


def test_other_sources_of_a_server_that_is_down_are_tried_once(into: Path) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    plan = Plan(tuple(source_of_url(f"{gone}/{i}.crl") for i in range(5)), replace(TWICE, parallel=1))
    with Folder(into) as folder, Fetcher(plan, folder, backoff=0.01) as fetcher:
        assert [one.tries for one in fetcher.round()] == [2, 1, 1, 1, 1]


def test_a_silent_server_and_a_slow_one_end_in_time(nginx: Nginx, into: Path) -> None:
    nginx.put("large.crl", LARGE)
    failed(into, fetch(into, nginx.url("slow/large.crl"), limits=replace(ONCE, deadline=1)), "not done in 1 s")
    quiet = threading.Event()
    with Scripted([answer(f"{OK}\nContent-Length: 900", b"\x30", then=lambda: quiet.wait(20))]) as server:
        failed(into, fetch(into, server.url(), limits=replace(ONCE, timeout=1)), "nothing for too long")
        quiet.set()


@pytest.mark.parametrize(
    "octets", [b"X-A: b\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"x"], ids=["header", "100", "body"]
)
def test_a_server_that_dribbles_ends_in_time(into: Path, octets: bytes) -> None:
    """Never idle for long, and never done."""
    head = {b"X": b"HTTP/1.1 200 OK\r\n", b"x": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"}.get(octets[:1], b"")

    def script(peer: Any) -> None:
        peer.recv(4096)
        peer.sendall(head)
        for _ in range(200):
            peer.sendall(octets)
            time.sleep(0.05)

    with Scripted([script]) as server:
        failed(into, fetch(into, server.url(), limits=replace(ONCE, deadline=1)), "not done in 1 s")


def test_other_ways_to_the_same_crl(nginx: Nginx, slapd: Slapd, into: Path) -> None:
    nginx.put("ca.crl", CRLS[0])
    gone = f"http://127.0.0.1:{free_port()}/ca.crl"
    assert fetch(into, gone, f"{slapd.server}/cn=one,{SUFFIX}?{BINARY}").files[0].new
    outcome = fetch(into, gone, nginx.url("ca.crl"))
    assert (outcome.state, outcome.location) == ("unchanged", nginx.url("ca.crl"))
    outcome = fetch(into, gone, nginx.url("none.crl"), name="neither")
    assert "Connection refused" in outcome.message
    assert "404" in outcome.message


def test_many_sources(nginx: Nginx, into: Path) -> None:
    for i in range(30):
        nginx.put(f"many{i}.crl", CRLS[i % 8])
    plan = Plan(tuple(source_of_url(nginx.url(f"many{i}.crl")) for i in range(30)), ONCE)
    with Folder(into) as folder, Fetcher(plan, folder, backoff=0.01) as fetcher:
        assert {one.state for one in fetcher.round()} == {"fetched"}
        assert {one.state for one in fetcher.round()} == {"unchanged"}
    assert sorted((into / name).read_bytes() for name in names(into)) == sorted(CRLS[i % 8] for i in range(30))


# ---- LDAP ---------------------------------------------------------------------------------------


def contents(into: Path) -> dict[str, bytes]:
    return {name: (into / name).read_bytes() for name in names(into)}


def test_the_crls_of_an_entry(slapd: Slapd, into: Path) -> None:
    url = f"{slapd.server}/cn=one,{SUFFIX}"
    assert fetch(into, url).state == "fetched"
    assert contents(into) == {"ca.crl": CRLS[0], "ca.delta.crl": CRLS[1]}
    before = put_when(into)
    assert fetch(into, url).state == "unchanged"
    assert put_when(into) == before


@pytest.mark.parametrize("attribute", [BINARY, "certificateRevocationList", "CERTIFICATEREVOCATIONLIST;binary?base"])
def test_one_attribute(slapd: Slapd, into: Path, attribute: str) -> None:
    assert fetch(into, f"{slapd.server}/cn=one,{SUFFIX}?{attribute}").state == "fetched"
    assert contents(into) == {"ca.crl": CRLS[0]}


def test_several_values_keep_their_files(slapd: Slapd, into: Path) -> None:
    """Their order means nothing, and is another each time as far as we know."""
    url = f"{slapd.server}/cn=several,{SUFFIX}?{BINARY}"
    fetch(into, url)
    assert sorted(contents(into).values()) == sorted(CRLS[2:5])
    assert names(into) == ["ca.2.crl", "ca.3.crl", "ca.crl"]
    before = contents(into)
    gone = before.pop("ca.2.crl")
    (into / "ca.2.crl").unlink()
    outcome = fetch(into, url)
    assert [one.name for one in outcome.files if one.new] == ["ca.2.crl"]
    assert contents(into) == {**before, "ca.2.crl": gone}


def test_entries_below_come_by_pages(slapd: Slapd, into: Path) -> None:
    outcome = fetch(into, f"{slapd.server}/cn=none,{SUFFIX}?{BINARY}?one?(cn=city*)")
    assert len(outcome.files) == len(names(into)) == 40
    assert all(name.startswith("ca.city-") for name in names(into))
    assert fetch(into, f"{slapd.server}/cn=none,{SUFFIX}?{BINARY}?one?(cn=city*)").state == "unchanged"


def test_entries_without_crls(slapd: Slapd, into: Path) -> None:
    for dn, words in (
        (f"cn=none,{SUFFIX}", "no CRL in this entry"),
        (f"cn=missing,{SUFFIX}", "no such entry"),
        (f"cn=secret,ou=closed,{SUFFIX}", "no such entry"),  # as slapd tells whoever may not see it
        ("no name", "invalidDNSyntax"),
        ("o=elsewhere", "refer"),
    ):
        outcome = fetch(into, f"{slapd.server}/{dn.replace(' ', '%20')}", limits=TWICE)
        if dn != "o=elsewhere":
            failed(into, outcome, words)
        assert (outcome.state, outcome.tries) == ("failed", 1)


def test_bind(slapd: Slapd, into: Path, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o600)
    reader = directory_of(slapd.server, bind_dn=BIND_DN, password=Password(file=secret))
    url = f"ldap:///cn=secret,ou=closed,{SUFFIX}"
    assert fetch(into, url, directory=reader).state == "fetched"
    assert contents(into) == {"ca.crl": CRLS[5]}
    secret.write_text("wrong")
    outcome = fetch(into, url, directory=reader, limits=TWICE)
    assert (outcome.tries, outcome.message) == (1, "the server does not take this bind DN and password")


@pytest.mark.parametrize("way", ["start-tls", "ldaps"])
def test_ldap_over_tls_is_verified(slapd: Slapd, into: Path, tls: Tls, way: str) -> None:
    server, start_tls = (slapd.server, True) if way == "start-tls" else (slapd.tls_server, False)
    url = f"ldap:///cn=one,{SUFFIX}?{BINARY}"
    failed(into, fetch(into, url, directory=directory_of(server, start_tls=start_tls)), "TLS", "verify failed")
    elsewhere = directory_of(server.replace("127.0.0.1", "localhost"), start_tls=start_tls, ca_file=tls.ca)
    failed(into, fetch(into, url, directory=elsewhere), "TLS", "Hostname mismatch")
    good = directory_of(server, start_tls=start_tls, ca_file=tls.ca)
    assert fetch(into, url, directory=good).state == "fetched"


def test_start_tls_is_not_stripped(into: Path, tls: Tls) -> None:
    """Who says "no TLS here" (protocolError) gets no password and no search."""
    heard: list[bytes] = []

    def script(peer: Any) -> None:
        request = peer.recv(4096)
        number = request[2 : 4 + request[3]]  # the messageID, as it came
        peer.sendall(bytes([0x30, len(number) + 9]) + number + bytes.fromhex("78070a010204000400"))
        heard.append(peer.recv(4096))

    with Scripted([script]) as server:
        directory = directory_of(f"ldap://127.0.0.1:{server.port}", start_tls=True, ca_file=tls.ca)
        failed(into, fetch(into, "ldap:///o=ca", directory=directory), "TLS", "startTLS failed")
    assert heard == [b""]


def test_large_answers(slapd: Slapd, into: Path) -> None:
    url = f"{slapd.server}/cn=large,{SUFFIX}"
    assert fetch(into, url).state == "fetched"
    assert len(contents(into)["ca.crl"]) > 100_000
    small = fetch(into, url, limits=replace(TWICE, size_max=1000), name="small")
    assert (small.state, small.tries) == ("failed", 1)
    assert names(into) == ["ca.crl"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (bytes.fromhex("308480000000"), "larger than"),
        (b"HTTP/1.1 400 Bad Request\r\n", "does not speak LDAP"),
        (bytes.fromhex("3080"), "does not speak LDAP"),
        (b"", "closed the connection"),
    ],
    ids=["huge", "http", "indefinite", "silence"],
)
def test_what_is_no_directory(into: Path, said: bytes, words: str) -> None:
    with Scripted([answer("", said)]) as server:
        server.scripts = [lambda peer: (peer.recv(4096), peer.sendall(said))[0]]  # type: ignore[list-item,func-returns-value]
        failed(into, fetch(into, f"ldap://127.0.0.1:{server.port}/o=ca"), words)


def test_hostile_answers_end_no_round(slapd: Slapd, into: Path) -> None:
    """Whatever ldap3 makes of them, the outcome is a failure, and the next source has its turn."""
    dice = random.Random(7)
    bound = bytes.fromhex("300c02010161070a010004000400")
    entry = bytes.fromhex("3034020102642f04056e3d6f63613026302404") + b"\x18certificateRevocationListx1\x00"

    def script(peer: Any) -> None:
        peer.sendall(bound[:4] + peer.recv(4096)[4:5] + bound[5:])
        request = peer.recv(4096)
        if not request:
            return
        broken = bytearray(entry)
        broken[4] = request[4]
        for _ in range(dice.randrange(4)):
            broken[dice.randrange(5, len(broken))] = dice.randrange(256)
        broken[1] = len(broken) - 2
        peer.sendall(bytes(broken))

    with Scripted([script]) as server:
        bad = tuple(source_of_url(f"ldap://127.0.0.1:{server.port}/cn={i}") for i in range(200))
        good = source_of_url(f"{slapd.server}/cn=one,{SUFFIX}?{BINARY}", name="good")
        with Folder(into) as folder, Fetcher(Plan((*bad, good), ONCE), folder, backoff=0.01) as fetcher:
            outcomes = fetcher.round()
    assert {one.state for one in outcomes[:-1]} == {"failed"}
    assert outcomes[-1].state == "fetched"
    assert names(into) == ["good.crl"]


def test_a_certificates_distribution_point(slapd: Slapd, into: Path, tmp_path: Path) -> None:
    """JPKI's is a directory name: it is looked up where we say."""
    certificate = tmp_path / "my.cer"
    certificate.write_bytes(a_citizen().certificate())
    result = command("--into", into, "--from-certificate", certificate)
    assert result.exit_code == 2
    assert "--ldap-server" in result.output
    result = command("--into", into, "--from-certificate", certificate, "--ldap-server", slapd.server, "--tries", 1)
    assert result.exit_code == 1
    assert POINT in result.output.replace("\n", "")


# ---- the command ---------------------------------------------------------------------------------


def test_exit_codes_and_json(nginx: Nginx, slapd: Slapd, into: Path, tmp_path: Path) -> None:
    nginx.put("ca.crl", CRLS[0])
    sources = tmp_path / "sources.toml"
    sources.write_text(f"""
        folder = "crls"
        tries = 1
        [[directory]]
        server = "{slapd.server}"
        [[source]]
        name = "city"
        url = "{nginx.url("ca.crl")}"
        [[source]]
        dn = "cn=one,{SUFFIX}"
    """)
    result = command("--sources", sources, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["fetched"], summary["unchanged"], summary["failed"]) == (2, 0, 0)
    assert names(into)[0] == "city.crl"
    result = command("--sources", sources)
    assert result.exit_code == 0
    assert "0 fetched, 2 unchanged, 0 failed" in result.output
    result = command("--sources", sources, nginx.url("missing.crl"), "--json")
    assert result.exit_code == 1
    assert [one["state"] for one in json.loads(result.stdout)["sources"]] == ["unchanged", "unchanged", "failed"]


def start(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    run = [sys.executable, "-m", "sekisho.cli", "revocation", "fetch", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(run, env={**os.environ, **environment}, **pipes)  # type: ignore[call-overload,no-any-return]


def until(condition: Any) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def in_mid_download(into: Path) -> bool:
    return any(one.stat().st_size > 0 for one in into.iterdir() if one.name.endswith(".part"))


def test_killed_in_mid_download(nginx: Nginx, into: Path) -> None:
    """What is left is no file that anybody watches; the next run removes it.  Meanwhile nobody else gets in."""
    nginx.put("large.crl", LARGE)
    process = start("--into", into, nginx.url("slow/large.crl"))
    until(lambda: in_mid_download(into))
    second = command("--into", into, nginx.url("large.crl"))
    assert second.exit_code == 2
    assert "another fetch is at work" in second.output
    process.kill()
    process.communicate()
    (left,) = into.iterdir()
    assert left.name.startswith(".")
    assert left.suffix == ".part"
    other = into / ".mine.part"
    other.touch()
    assert fetch(into, nginx.url("large.crl")).state == "fetched"
    assert names(into) == [".mine.part", "ca.crl"]


def test_stopped_in_mid_download(nginx: Nginx, into: Path) -> None:
    nginx.put("large.crl", LARGE)
    process = start("--into", into, nginx.url("slow/large.crl"))
    until(lambda: in_mid_download(into))
    process.terminate()
    out, error = process.communicate(timeout=10)
    assert process.returncode == 1, error
    assert b"stopped before it was done" in out
    assert names(into) == []


def test_every(nginx: Nginx, into: Path) -> None:
    """A line of JSON a round; a signal ends it well, though it would have slept for an hour."""
    nginx.put("ca.crl", CRLS[0])
    process = start("--into", into, nginx.url("ca.crl"), "--every", 3600, "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["fetched"] == 1
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=10)
    assert (process.returncode, out, error) == (0, b"", b"")


def test_a_server_that_never_answers_does_not_hold_up_the_end(into: Path) -> None:
    end = threading.Event()
    asked = threading.Barrier(3)

    def script(peer: Any) -> None:
        peer.recv(4096)
        asked.wait(20)
        end.wait(30)

    with Scripted([script]) as web, Scripted([script]) as directory:
        urls = (web.url(), f"ldap://127.0.0.1:{directory.port}/o=ca")
        process = start("--into", into, *urls, "--timeout", 300)
        asked.wait(20)
        process.terminate()
        out, _ = process.communicate(timeout=10)
        end.set()
    assert out.count(b"stopped before it was done") == 2


def test_the_password_is_nowhere(slapd: Slapd, into: Path) -> None:
    words = "a password that nobody may see"
    arguments = ("--into", into, "--ldap-server", slapd.server, "--ldap-bind-dn", BIND_DN, "--tries", 1)
    process = start(*arguments, f"ldap:///cn=one,{SUFFIX}", SEKISHO_LDAP_PASSWORD=words)
    out, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"does not take this bind DN and password" in out
    assert words.encode() not in out + error
    assert words not in (into.parent / "crls.fetch.json").read_text()


def test_misuse(into: Path, tmp_path: Path) -> None:
    (tmp_path / "readable").write_text("secret")
    (tmp_path / "readable").chmod(0o644)
    bind = ("--ldap-server", "ldaps://dir.example", "--ldap-bind-dn", "cn=x")
    for arguments, words in (
        ((), "nothing to fetch"),
        (("http://ca.example/ca.crl",), "--into"),
        (("--into", tmp_path / "none", "http://ca.example/ca.crl"), "mkdir -p"),
        (("--into", into, "ftp://ca.example/ca.crl"), "only http, https, ldap and ldaps"),
        (("--into", into, "http://user:pw@ca.example/ca.crl"), "no place for a user or password"),
        (("--into", into, "ldap:///o=ca"), "--ldap-server"),
        (("--into", into, "http://ca.example/a", "--tries", "0"), "tries: a whole number"),
        (("--into", into, "http://ca.example/a", "--ldap-bind-dn", "cn=x"), "--ldap-server"),
        (("--into", into, *bind, "ldap:///o=ca"), "SEKISHO_LDAP_PASSWORD holds no password"),
        (("--into", into, *bind, "--ldap-password-file", tmp_path / "readable", "ldap:///o=ca"), "chmod 600"),
        (("--into", into, *bind, "--ldap-password-file", tmp_path / "none", "ldap:///o=ca"), "No such file"),
        (("--into", into, "http://ca.example/a", "--state", tmp_path / "no" / "where"), "--state"),
        (("--into", into, "--from-certificate", tmp_path / "readable"), "cannot be read"),
    ):
        result = command(*arguments)
        assert result.exit_code == 2, arguments
        assert words in " ".join(result.output.split()), (arguments, result.output)
    assert names(into) == []


def test_the_crls_are_such_as_cryptography_reads(slapd: Slapd, into: Path) -> None:
    fetch(into, f"{slapd.server}/cn=large,{SUFFIX}")
    assert len(x509.load_der_x509_crl((into / "ca.crl").read_bytes())) == 5_000
