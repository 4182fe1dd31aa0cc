"""`sekisho serve` as a process: its HTTP interface, its limits, and how it reloads and ends."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route
from tests.e2e.fetch_servers import free_port
from tests.e2e.gateways import Process, Sidecar, Town, running, wait_until

from sekisho import keyfiles
from sekisho.server.sidecar.api import OPERATIONS
from sekisho.server.sidecar.openapi import document
from sekisho.testing import AT, a_bad_login, a_citizen, small_city

ROOT = Path(__file__).parents[2]
TOKEN, OTHER_TOKEN = "city-" + "0123456789abcdef" * 2, "town-" + "0123456789abcdef" * 2
AUDIENCE = "https://city.example"

CONFIGURATION = f"""
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
audience = "{AUDIENCE}"
profile = ["jpki-auth-test", "client-auth-test"]
trust = ["ca"]
keys = "city.keys"
token = "city.token"
[[tenant.hops]]
name = "front"
dialect = "haproxy-der"
profile = "client-auth-test"
uids = [{os.geteuid()}]
[[tenant.hops]]
name = "somebody-else-s"
dialect = "haproxy-der"
profile = "client-auth-test"
uids = [{os.geteuid() + 1}]
[[tenant]]
name = "town"
number = 8
audience = "{AUDIENCE}"
profile = "jpki-auth-test"
trust = ["ca"]
keys = "town.keys"
token = "town.token"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sekisho-"))  # a short path: those of sockets have an end
    (made / "ca").mkdir()
    for number, der in enumerate(small_city().trust()):
        (made / "ca" / f"{number}.cer").write_bytes(der)
    for name, token in (("city", TOKEN), ("town", OTHER_TOKEN)):
        keyfiles.make(made / f"{name}.keys")
        (made / f"{name}.token").touch(mode=0o600)
        (made / f"{name}.token").write_text(token)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def sidecar(folder: Path) -> Iterator[Sidecar]:
    made = Sidecar(folder, CONFIGURATION)
    with running(made):
        yield made


@pytest.fixture
def city(sidecar: Sidecar) -> Iterator[httpx.Client]:
    """A client that speaks for the city."""
    with sidecar.client() as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


def text(der: bytes) -> str:
    return base64.b64encode(der).decode()


def asked(client: httpx.Client, path: str, body: Any, status: int = 200, **headers: str) -> Any:
    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
    return answer.json()


def a_login(client: httpx.Client, **bound: str) -> dict[str, Any]:
    """A login of the first citizen over a challenge that was issued just now."""
    (challenge,) = asked(client, "/v1/challenges", {f"{k}s": [v] for k, v in bound.items()})["challenges"]
    made = a_citizen().login(challenge.encode())
    return {"certificate": text(made.certificate), "challenge": challenge, "signature": text(made.signature)} | bound


# ---- what is asked and answered --------------------------------------------------------------------------


def test_a_login_is_accepted_once(city: httpx.Client) -> None:
    login = a_login(city)
    (first,) = asked(city, "/v1/logins", {"logins": [login]})["verdicts"]
    assert (first["ok"], first["reason"], first["number"], first["blame"]) == (True, "accepted", 1, None)
    (again,) = asked(city, "/v1/logins", {"logins": [login]})["verdicts"]
    assert (again["ok"], again["reason"], again["advice"]) == (False, "challenge-used", "try-again")


def test_what_a_challenge_is_bound_to_and_a_retry(city: httpx.Client) -> None:
    order = hashlib.sha256(b"order").hexdigest()
    login = a_login(city, binding="session 4711", transaction=order) | {"request": "6b1f"}
    for wrong, reason in (
        ({"binding": "session 4712"}, "challenge-forged"),
        ({"transaction": ""}, "challenge-wrong-transaction"),
    ):
        assert asked(city, "/v1/logins", {"logins": [login | wrong]})["verdicts"][0]["reason"] == reason
    for flags in ([], ["repeated"]):
        (verdict,) = asked(city, "/v1/logins", {"logins": [login]})["verdicts"]
        assert verdict["reason"] == "accepted"
        assert [flag for flag in verdict["flags"] if flag == "repeated"] == flags


def test_each_row_has_its_own_verdict_in_its_place(city: httpx.Client) -> None:
    good = [a_login(city) for _ in range(3)]
    bad = a_bad_login("expired", good[1]["challenge"].encode())
    rows = [good[0], good[1] | {"certificate": text(bad.certificate), "signature": text(bad.signature)}, good[2]]
    rows.append(good[2] | {"signature": text(bytes(256))})
    verdicts = asked(city, "/v1/logins", {"logins": rows})["verdicts"]
    assert [one["reason"] for one in verdicts[:3]] == ["accepted", "expired", "accepted"]
    assert not verdicts[3]["ok"]


def test_a_certificate_alone_is_never_a_login(city: httpx.Client) -> None:
    body = {"certificates": [{"certificate": text(a_citizen().certificate())}], "profile": "client-auth-test"}
    (verdict,) = asked(city, "/v1/certificates/check", body)["verdicts"]
    assert (verdict["ok"], verdict["reason"]) == (True, "certificate-ok")
    answer = city.get("/auth/front", headers={"x-client-cert": text(a_citizen().certificate())})
    assert (answer.status_code, answer.headers["sekisho-verdict"]) == (200, "certificate-ok")


def test_many_at_once_get_their_own_answers(sidecar: Sidecar, city: httpx.Client) -> None:
    """Good and bad, one request each, over many connections: nobody gets another's verdict."""
    good = text(a_citizen().certificate())
    forged = bytearray(a_citizen().certificate())
    forged[-1] ^= 1
    bad = text(bytes(forged))

    def ask(number: int) -> bool:
        certificate = good if number % 3 else bad
        answer = sidecar.get("/auth/front/some/page", {"x-client-cert": certificate})
        return answer.headers["sekisho-verdict"] == ("certificate-ok" if number % 3 else "issuer-signature-wrong")

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(300)))
    assert sidecar.metric('sekisho_verdicts_total{kind="gateway",reason="certificate-ok",tenant="city"}') == 200
    assert sidecar.metric('sekisho_verdicts_total{kind="gateway",reason="issuer-signature-wrong",tenant="city"}') == 100


# ---- who may ask -----------------------------------------------------------------------------------------


def test_tenants_have_their_own(sidecar: Sidecar, city: httpx.Client) -> None:
    login = a_login(city)
    with sidecar.client() as town:
        town.headers["authorization"] = f"Bearer {OTHER_TOKEN}"
        (verdict,) = asked(town, "/v1/logins", {"logins": [login]})["verdicts"]
        assert verdict["reason"] == "challenge-key-unknown"  # of the city's key it knows nothing
        problem = asked(town, "/v1/logins", {"logins": [login], "profile": "client-auth-test"}, 422)
        assert problem["title"] == "profile-unknown"
        asked(town, "/v1/challenges", {}, 403, **{"sekisho-tenant": "city"})
    assert asked(city, "/v1/logins", {"logins": [login]})["verdicts"][0]["reason"] == "accepted"


def test_strangers_are_turned_away(sidecar: Sidecar) -> None:
    with sidecar.client() as client:
        for headers in ({}, {"authorization": "Bearer " + "0" * 40}, {"authorization": f"Basic {TOKEN}"}):
            assert asked(client, "/v1/challenges", {}, 403, **headers)["title"] == "not-a-tenant"
        twice = client.post("/v1/challenges", json={}, headers=[("authorization", f"Bearer {TOKEN}")] * 2)
        assert twice.status_code == 403
        certificate = {"x-client-cert": text(a_citizen().certificate())}
        answers = [client.get(f"/auth/{hop}", headers=certificate) for hop in ("somebody-else-s", "nobody-s")]
        assert [one.status_code for one in answers] == [403, 403]
        assert answers[0].headers == answers[1].headers  # which hops there are is nobody's business
        assert answers[0].headers["sekisho-verdict"] == "not-a-trusted-hop"


def test_one_user_for_two_tenants_says_which(folder: Path) -> None:
    both = CONFIGURATION.replace("keys = ", f"uids = [{os.geteuid()}]\nkeys = ")
    sidecar = Sidecar(folder, both)
    with running(sidecar), sidecar.client() as client:
        assert asked(client, "/v1/challenges", {}, 400)["title"] == "tenant-unclear"
        assert asked(client, "/v1/challenges", {}, **{"sekisho-tenant": "town"})["challenges"]


def test_a_field_that_is_there_twice_is_refused(sidecar: Sidecar) -> None:
    good = ("x-client-cert", text(a_citizen().certificate()))
    with sidecar.client() as client:
        for fields in ([good, good], [good, ("X-Client-Cert", "AA==")], [("x-client-cert", good[1] + "," + good[1])]):
            answer = client.get("/auth/front", headers=fields)
            assert (answer.status_code, answer.headers["sekisho-verdict"]) == (403, "field-malformed")


def test_at_a_port_of_loopback_a_token_says_who_it_is(folder: Path) -> None:
    port = free_port()
    text_ = CONFIGURATION.replace('path = "http.sock"', f'listen = "127.0.0.1:{port}"')
    text_ = re.sub(r"uids = \[\d+\]", 'token = "town.token"', text_)
    (folder / "sekisho.toml").write_text(text_)
    process = Process([sys.executable, "-m", "sekisho.cli", "serve", str(folder / "sekisho.toml")], folder / "log")
    with running(process), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_until(lambda: client.get("/livez").status_code == 200, process)
        certificate = {"x-client-cert": text(a_citizen().certificate())}
        assert client.get("/auth/front", headers=certificate).status_code == 403
        certificate["authorization"] = f"Bearer {OTHER_TOKEN}"
        assert client.get("/auth/front", headers=certificate).status_code == 200


# ---- what is refused -------------------------------------------------------------------------------------


MALFORMED = [
    ("/v1/logins", "{", "truncated"),
    ("/v1/logins", '{"logins": []}', "length >= 1"),
    ("/v1/logins", '{"login": []}', "unknown field `login`"),
    ("/v1/logins", "{}", "missing required field `logins`"),
    (
        "/v1/logins",
        '{"logins": [{"certificate": "AA==", "signature": "AA==", "chalenge": "x"}]}',
        "unknown field `chalenge`",
    ),
    ("/v1/logins", '{"logins": [{"certificate": "A", "signature": "AA=="}]}', "$.logins[0].certificate"),
    ("/v1/logins", '{"logins": [{"certificate": "AA==", "signature": "AA=="}]}', "challenge or challenge_base64"),
    ("/v1/challenges", '{"count": 0}', "$.count"),
    ("/v1/challenges", '{"count": 2, "bindings": ["a"]}', "one for each of 2"),
    ("/v1/challenges", '{"transactions": ["A"]}', "$.transactions[0]"),
    ("/v1/challenges", '{"lifetime": 301}', "$.lifetime"),
    ("/v1/certificates/check", "[" * 100_000, "object"),
]


def test_a_malformed_request_is_told_where(city: httpx.Client) -> None:
    for path, body, told in MALFORMED:
        answer = city.post(path, content=body)
        assert (answer.status_code, told in answer.json()["detail"]) == (422, True), (path, body[:80], answer.text)


def test_there_is_an_end_to_a_body_and_to_what_waits(folder: Path) -> None:
    narrow = CONFIGURATION.replace("[test]", "[limits]\nrows = 2\nconnection_rows = 2\nframe_bytes = 16384\n[test]")
    sidecar = Sidecar(folder, narrow)
    with running(sidecar), sidecar.client() as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        assert asked(client, "/v1/logins", {"logins": ["x" * 17_000]}, 413)["title"] == "too-large"
        row = {"certificate": text(a_citizen().certificate())}
        assert len(asked(client, "/v1/certificates/check", {"certificates": [row] * 2})["verdicts"]) == 2
        answer = client.post("/v1/certificates/check", json={"certificates": [row] * 3})
        assert (answer.status_code, answer.json()["title"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert sidecar.metric('sekisho_requests_refused_total{why="overloaded"}') == 1


def test_there_is_an_end_to_connections(folder: Path) -> None:
    sidecar = Sidecar(folder, CONFIGURATION.replace("[test]", "[limits]\nconnections = 2\n[test]"))
    with running(sidecar), sidecar.client() as first, sidecar.client() as second, sidecar.client() as third:
        assert [one.get("/livez").status_code for one in (first, second)] == [200, 200]
        answer = third.get("/auth/front", headers={"x-client-cert": text(a_citizen().certificate())})
        assert (answer.status_code, answer.headers["sekisho-verdict"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        first.close()
        wait_until(lambda: third.get("/livez").status_code == 200, sidecar)


def test_other_paths_and_methods(city: httpx.Client) -> None:
    assert city.get("/v1/logins").status_code == 405
    assert city.get("/").status_code == city.get("/auth").status_code == 404
    assert city.get("/auth/").status_code == 403


# ---- OpenAPI, probes, metrics ----------------------------------------------------------------------------


def test_the_document_is_valid_served_and_the_one_in_docs(city: httpx.Client) -> None:
    served = city.get("/openapi.json").json()
    validate(served)
    assert served == json.loads((ROOT / "docs" / "openapi.json").read_text()), "`sekisho serve --openapi` prints it"


def test_the_document_has_every_route_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sekisho.server.config import Config
    from sekisho.server.sidecar.app import application
    from sekisho.server.sidecar.service import Service
    from sekisho.server.tenants import Tenants

    service = Service(Tenants.open(Config.from_toml(CONFIGURATION, folder=folder)))
    routes = {route.path: route.methods for route in application(service).others.routes if isinstance(route, Route)}
    service.close()
    told = document()["paths"]
    assert set(told) - set(routes) == {"/auth/{hop}"}  # which has no router
    assert set(routes) < set(told)
    for path, methods in routes.items():
        assert {method.upper() for method in told[path]} <= (methods or set()), path
    assert {path for path, *_ in OPERATIONS} == {path for path in told if path.startswith("/v1/")}


def test_answers_are_as_the_document_has_them(city: httpx.Client) -> None:
    """Each answer against its schema, refusals too."""
    from jsonschema import Draft202012Validator

    whole = document()
    login = a_login(city)
    for path, body in (
        ("/v1/challenges", {"count": 2}),
        ("/v1/logins", {"logins": [login, login]}),
        ("/v1/certificates/check", {"certificates": [{"certificate": login["certificate"]}]}),
        ("/v1/logins", {}),
    ):
        answer = city.post(path, json=body)
        (content,) = whole["paths"][path]["post"]["responses"][str(answer.status_code)]["content"].values()
        Draft202012Validator(content["schema"] | {"components": whole["components"]}).validate(answer.json())


def test_it_is_ready_when_there_is_revocation_data(folder: Path) -> None:
    town = Town(folder / "living")
    store = f'[revocation]\nstore = "{town.folder}/revocation"\nrefresh = 1\n[http]\npath = "http.sock"\n'
    hop = f'[[tenant.hops]]\nname = "front"\ndialect = "haproxy-der"\nuids = [{os.geteuid()}]\n'
    tenant = f'[[tenant]]\nname = "a"\nnumber = 1\nprofile = "client-auth"\ntrust = ["{town.folder}/ca"]\n'
    sidecar = Sidecar(folder, store + tenant + hop)
    good = {"x-client-cert": text(town.city.certificate(0))}
    with running(sidecar):
        answer = sidecar.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "no-revocation-snapshot\n")
        refused = sidecar.get("/auth/front", good)
        assert (refused.status_code, refused.headers["sekisho-verdict"]) == (503, "revocation-not-configured")
        town.publish(set())
        wait_until(lambda: sidecar.get("/readyz").status_code == 200, sidecar)
        assert sidecar.get("/auth/front", good).status_code == 200
        assert sidecar.metric("sekisho_revocation_stale_sources") == 0
        assert sidecar.metric("sekisho_revocation_built_timestamp_seconds") > 0
        town.publish(set(), next_update=town.now - 60)
        wait_until(lambda: sidecar.metric("sekisho_revocation_stale_sources") > 0, sidecar)
        # Stale data is a verdict and a metric, and no reason to send everybody away.
        assert sidecar.get("/readyz").status_code == 200
        assert sidecar.get("/auth/front", good).headers["sekisho-verdict"] == "revocation-stale"
    town.store.close()


def test_health_over_grpc_is_what_readyz_says(folder: Path) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    (folder / "store").mkdir(mode=0o700)
    unready = f'[revocation]\nstore = "store"\n{CONFIGURATION}'.replace("[test]\n", "").replace(f"at = {AT}\n", "")
    unready = unready.replace('"client-auth-test"]', '"client-auth"]').replace('profile = "client-auth-test"', "")
    serving = health_pb2.HealthCheckResponse.ServingStatus
    for text_, status in ((CONFIGURATION, serving.SERVING), (unready, serving.NOT_SERVING)):
        sidecar = Sidecar(folder, text_ + '[grpc]\nhealth = "health.sock"\n')
        with running(sidecar), grpc.insecure_channel(f"unix:{folder}/health.sock") as channel:
            assert stat.S_IMODE((folder / "health.sock").stat().st_mode) == 0o660
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == status
            assert (sidecar.get("/readyz").status_code == 200) == (status == serving.SERVING)
            with pytest.raises(grpc.RpcError) as caught:
                health.Check(health_pb2.HealthCheckRequest(service="another"), timeout=20)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert not (folder / "health.sock").exists()


def test_metrics_name_nobody(sidecar: Sidecar, city: httpx.Client) -> None:
    asked(city, "/v1/logins", {"logins": [a_login(city)]})
    found = sidecar.get("/metrics").text
    for name in ("sekisho_build_info", "sekisho_kernel_faulty", "sekisho_cache_hits_total", "sekisho_claims_live"):
        assert f"\n{name}{{" in found, name
    assert '{kind="login",reason="accepted",tenant="city"} 1.0' in found
    labels = {
        label for line in found.splitlines() if not line.startswith("#") for label in re.findall(r'(\w+)="', line)
    }
    assert labels <= {"tenant", "kind", "reason", "why", "le", "kernel", "version"}


# ---- reload and end --------------------------------------------------------------------------------------


def test_a_reload_loses_no_request_and_a_bad_one_changes_nothing(sidecar: Sidecar) -> None:
    certificate = {"x-client-cert": text(a_citizen().certificate())}
    wrong: list[int] = []
    going = True

    def ask() -> None:
        with sidecar.client() as client:
            while going:
                status = client.get("/auth/front", headers=certificate).status_code
                if status != 200:
                    wrong.append(status)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            good = sidecar.file.read_text()
            sidecar.file.write_text(good.replace('"front"', '"back"') + "\n[[tenant]]\n")
            sidecar.process.send_signal(signal.SIGHUP)
            wait_until(lambda: sidecar.metric("sekisho_reload_failed") == 1, sidecar)
            assert "tenant[3]: name must be given" in sidecar.said()
            sidecar.file.write_text(
                good.replace('"somebody-else-s"', '"side"').replace(f"[{os.geteuid() + 1}]", f"[{os.geteuid()}]")
            )
            sidecar.process.send_signal(signal.SIGHUP)
            wait_until(lambda: sidecar.metric("sekisho_reload_failed") == 0, sidecar)
            assert sidecar.get("/auth/side", certificate).status_code == 200
            sidecar.file.write_text(good.replace("threads = 1", "threads = 2"))
            sidecar.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "engine: a change of these wants a restart" in sidecar.said(), sidecar)
        finally:
            going = False
        for one in asking:
            one.result()
    assert not wrong


def test_what_was_begun_is_answered_before_the_end(sidecar: Sidecar) -> None:
    body = json.dumps(
        {"certificates": [{"certificate": text(a_citizen().certificate())}], "profile": "client-auth-test"}
    )
    head = f"POST /v1/certificates/check HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
    with socket.socket(socket.AF_UNIX) as begun, socket.socket(socket.AF_UNIX) as idle:
        begun.connect(str(sidecar.socket))
        idle.connect(str(sidecar.socket))
        begun.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body[:10]}".encode())
        sidecar.get("/livez")  # the head has been read by now: this came behind it
        sidecar.process.terminate()
        wait_until(lambda: "draining" in sidecar.said())
        begun.sendall(body[10:].encode())
        begun.settimeout(20)
        answer = b"".join(iter(lambda: begun.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"certificate-ok" in answer
        assert idle.recv(1) == b""
    assert sidecar.process.wait(20) == 0
    assert not sidecar.socket.exists()


def test_the_socket_is_nobody_else_s_and_only_a_dead_one_is_replaced(sidecar: Sidecar, folder: Path) -> None:
    assert stat.S_IMODE(sidecar.socket.stat().st_mode) == 0o660
    command = [sys.executable, "-m", "sekisho.cli", "serve", str(sidecar.file)]
    second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (second.returncode, "somebody answers there already" in second.stderr) == (2, True)
    sidecar.process.kill()
    sidecar.process.wait()
    assert sidecar.socket.exists()
    again = Sidecar(folder, CONFIGURATION)
    with running(again):
        assert again.get("/readyz").text == "ok\n"


def test_systemd_s_socket_and_news(folder: Path) -> None:
    """The socket is there before the service; the service says when it is ready, and when it ends."""
    (folder / "sekisho.toml").write_text(CONFIGURATION)
    with socket.socket(socket.AF_UNIX) as handed, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as news:
        handed.bind(str(folder / "handed.sock"))
        handed.listen()
        news.bind(str(folder / "notify"))
        news.settimeout(30)
        early = socket.socket(socket.AF_UNIX)
        early.connect(str(folder / "handed.sock"))
        early.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        os.dup2(handed.fileno(), 200)
        script = f'exec 3<&200 200<&-; export LISTEN_PID=$$; exec "{sys.executable}" -m sekisho.cli serve sekisho.toml'
        env = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", "NOTIFY_SOCKET": str(folder / "notify")}
        with subprocess.Popen(["bash", "-c", script], cwd=folder, env=env, pass_fds=[200]) as process:
            os.close(200)
            try:
                assert b"READY=1" in news.recv(4096)
                answer = b"".join(iter(lambda: early.recv(65536), b""))
                assert answer.startswith(b"HTTP/1.1 200")
                process.send_signal(signal.SIGHUP)
                assert news.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
                assert b"READY=1" in news.recv(4096)
            finally:
                process.terminate()
            assert b"STOPPING=1" in news.recv(4096)
            assert process.wait(20) == 0
        early.close()


def test_logs_are_json_and_tell_of_nobody(sidecar: Sidecar, city: httpx.Client) -> None:
    login = a_login(city)
    asked(city, "/v1/logins", {"logins": [login]})
    city.get("/auth/front", headers={"x-client-cert": "no certificate"})
    city.get("/auth/nobody-s")
    lines = [json.loads(line) for line in sidecar.log.read_text().splitlines()]
    assert {line["level"] for line in lines} == {"info", "warning"}
    assert any(line.get("hop") == "front" for line in lines)
    for secret in (login["challenge"], login["certificate"][:60], TOKEN, "no certificate"):
        assert secret not in sidecar.log.read_text()
