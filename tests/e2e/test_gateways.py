"""The gateways' configurations as docs/gateways ships them, run by the real programs with real clients."""

from __future__ import annotations

import base64
import grp
import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from tests.e2e.fetch_servers import Tls, free_port, program
from tests.e2e.gateways import CITIZENS, Application, Holder, Process, Sidecar, Town, running, tls, wait_until

SHIPPED = Path(__file__).parents[2] / "docs" / "gateways"
GATEWAYS = ("nginx", "envoy", "envoy-http", "haproxy", "caddy")
GOOD, REVOKED, LATER = 0, 3, 4  # rows: good, revoked from the beginning, revoked while its client is connected


@dataclass
class Gateway:
    """A gateway that runs, all that is around it, and clients for it."""

    name: str
    port: int
    town: Town
    sidecar: Sidecar
    process: Process
    tls: Tls
    log: Path | None = None  # what it writes of requests
    _open: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self, holder: Holder | None, *, http2: bool = False) -> httpx.Client:
        made = httpx.Client(verify=tls(holder, self.tls.ca), http2=http2, base_url=self.url, timeout=20)
        self._open.append(made)
        return made

    def get(self, holder: Holder | None, path: str = "/") -> httpx.Response:
        with httpx.Client(verify=tls(holder, self.tls.ca), base_url=self.url, timeout=20) as client:
            return client.get(path)


def user(name: str | None) -> str:
    """Whom a gateway runs as: its own user where root may change to it, else the one who runs the tests."""
    return name if name is not None and os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def configured(name: str, folder: Path, replacements: dict[str, str]) -> Path:
    """The shipped file with other paths and ports, and nothing else changed."""
    text = (SHIPPED / name).read_text()
    for old, new in replacements.items():
        assert old in text, f"{name} does not name {old}"
        text = re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w])", new, text)
    file = folder / name
    file.write_text(text)
    return file


def nginx(folder: Path, port: int, application: int, made: Tls) -> list[str]:
    (folder / "lib").mkdir()
    (folder / "log").mkdir()
    file = configured(
        "nginx.conf",
        folder,
        {
            "443": f"127.0.0.1:{port}",
            "127.0.0.1:8080": f"127.0.0.1:{application}",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/var/log/nginx": f"{folder}/log",
            "/var/lib/nginx": f"{folder}/lib",
            "/etc/nginx/tls/server.pem": str(made.certificate),
            "/etc/nginx/tls/server.key": str(made.key),
            "/run/sekisho/http.sock": f"{folder}/http.sock",
        },
    )
    return [program("nginx"), "-c", str(file), "-p", str(folder), "-e", f"{folder}/log/error.log", "-g", "daemon off;"]


def envoy(folder: Path, port: int, application: int, made: Tls, name: str = "envoy.yaml") -> list[str]:
    (folder / "log").mkdir()
    file = configured(
        name,
        folder,
        {
            "port_value: 443": f"port_value: {port}",
            "port_value: 8080": f"port_value: {application}",
            "/var/log/envoy": f"{folder}/log",
            "/etc/envoy/tls/server.pem": str(made.certificate),
            "/etc/envoy/tls/server.key": str(made.key),
            **({"/run/sekisho/envoy.sock": f"{folder}/envoy.sock"} if name == "envoy.yaml" else {}),
            **({"/run/sekisho/http.sock": f"{folder}/http.sock"} if name != "envoy.yaml" else {}),
        },
    )
    return [program("envoy"), "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]


def envoy_http(folder: Path, port: int, application: int, made: Tls) -> list[str]:
    return envoy(folder, port, application, made, "envoy-http.yaml")


def haproxy(folder: Path, port: int, application: int, made: Tls) -> list[str]:
    both = folder / "both.pem"
    both.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    lua = configured("haproxy.lua", folder, {"/run/sekisho/http.sock": f"{folder}/http.sock"})
    file = configured(
        "haproxy.cfg",
        folder,
        {
            "bind :443": f"bind 127.0.0.1:{port}",
            "127.0.0.1:8080": f"127.0.0.1:{application}",
            "/etc/haproxy/sekisho.lua": str(lua),
            "/etc/haproxy/tls/server.pem": str(both),
            "/etc/haproxy/tls/clients.pem": str(folder / "clients.pem"),
        },
    )
    return [program("haproxy"), "-db", "-f", str(file)]


def caddy(folder: Path, port: int, application: int, made: Tls) -> list[str]:
    (folder / "log").mkdir()
    file = configured(
        "Caddyfile",
        folder,
        {
            ":443": f":{port}",
            "127.0.0.1:8080": f"127.0.0.1:{application}",
            "/var/log/caddy": f"{folder}/log",
            "/etc/caddy/tls/server.pem": str(made.certificate),
            "/etc/caddy/tls/server.key": str(made.key),
            "/run/sekisho/http.sock": f"{folder}/http.sock",
        },
    )
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


COMMANDS = {"nginx": nginx, "envoy": envoy, "envoy-http": envoy_http, "haproxy": haproxy, "caddy": caddy}
RESUMES_NOT = {"caddy"}  # where clients may have certificates, Caddy 2.11 begins every session anew
USERS = {"nginx": "www-data", "haproxy": "haproxy"}
DIALECTS = {
    "nginx": "nginx-escaped-pem",
    "envoy": "envoy-xfcc",
    "envoy-http": "envoy-xfcc",
    "haproxy": "haproxy-der",
    "caddy": "rfc9440",
}


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    folder = Path(tempfile.mkdtemp(prefix="sekisho-town-"))
    try:
        made = Town(folder / "town")
        made.publish({REVOKED})
        yield made
        made.store.close()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module", params=GATEWAYS)
def gateway(request: pytest.FixtureRequest, town: Town) -> Iterator[Gateway]:
    name: str = request.param
    folder = Path(tempfile.mkdtemp(prefix="sekisho-"))
    folder.chmod(0o755)  # gateways run as users of their own
    application = Application()
    try:
        sidecar = Sidecar(folder, configuration(name, town))
        with running(sidecar):
            made = Tls.make(folder)
            port = free_port()
            cas = "".join(ssl.DER_cert_to_PEM_cert(der) for der in town.city.trust())
            (folder / "clients.pem").write_text(cas)
            command = COMMANDS[name](folder, port, application.port, made)
            process = Process(command, folder / "gateway.log")
            with running(process):
                found = Gateway(name, port, town, sidecar, process, made)
                wait_until(lambda: found.get(None).status_code in (200, 403), process)
                yield found
                for one in found._open:
                    one.close()
    finally:
        application.close()
        shutil.rmtree(folder)


def configuration(name: str, town: Town, more: str = "") -> str:
    who = pwd.getpwnam(user(USERS.get(name)))
    return f"""
[revocation]
store = "{town.folder}/revocation"
refresh = 1
[http]
path = "http.sock"
group = "{grp.getgrgid(who.pw_gid).gr_name}"
{more}
[[tenant]]
name = "city"
number = 1
profile = "client-auth"
trust = ["{town.folder}/ca"]
[[tenant.hops]]
name = "front"
dialect = "{DIALECTS[name]}"
{'grpc = "envoy.sock"' if name == "envoy" else f'uids = ["{who.pw_name}"]'}
"""


@pytest.fixture
def good(town: Town) -> Holder:
    return town.holder(GOOD)


def told(response: httpx.Response) -> dict[str, list[str]]:
    """What the application got, by field."""
    fields: dict[str, list[str]] = {}
    for name, value in response.json()["fields"]:
        fields.setdefault(name, []).append(value)
    return fields


# ---- who gets through ------------------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True])
def test_a_good_certificate_reaches_the_application(gateway: Gateway, good: Holder, http2: bool) -> None:
    client = gateway.client(good, http2=http2)
    for body in (None, b"a form"):
        answer = client.get("/page?x=1") if body is None else client.post("/page", content=body)
        assert answer.status_code == 200, (answer.status_code, gateway.sidecar.said(), gateway.process.said())
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert answer.json()["body"] == (body or b"").decode()
        assert told(answer)["sekisho-verdict"] == ["certificate-ok"]


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize(
    ("who", "advice"),
    [
        ("revoked", "go-to-office"),
        ("expired", "go-to-office"),
        ("foreign", "stop"),
        ("nobody", "other-certificate"),
    ],
)
def test_others_do_not(gateway: Gateway, who: str, advice: str, http2: bool) -> None:
    holders = {
        "revoked": gateway.town.holder(REVOKED),
        "expired": gateway.town.expired,
        "foreign": gateway.town.foreign,
    }
    answer = gateway.client(holders.get(who), http2=http2).get("/")
    assert (answer.status_code, answer.headers.get("sekisho-advice")) == (403, advice), gateway.sidecar.said()
    assert "sekisho-verdict" not in answer.headers  # an attacker need not know why


def test_a_resumed_session_is_asked_about_again(gateway: Gateway, good: Holder) -> None:
    """The ticket carries the certificate on; what is in force now decides, not what was then."""
    held, resumes = gateway.town.holder(LATER), gateway.name not in RESUMES_NOT
    for holder, status in ((good, 200), (held, 200)):
        context = tls(holder, gateway.tls.ca)
        session, reused, first = visit(gateway, context, None)
        assert (reused, first) == (False, status)
        _, reused, again = visit(gateway, context, session)
        assert (reused, again) == (resumes, status)
    gateway.town.publish({REVOKED, LATER})
    try:
        wait_until(lambda: gateway.get(held).status_code == 403)
        _, reused, last = visit(gateway, context, session)
        assert (reused, last) == (resumes, 403)
    finally:
        gateway.town.publish({REVOKED})
        wait_until(lambda: gateway.get(held).status_code == 200)


def visit(
    gateway: Gateway, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession, bool, int]:
    """A request over a connection of its own: its session, whether it was resumed, and the status."""
    with (
        socket.create_connection(("127.0.0.1", gateway.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as wrapped,
    ):
        wrapped.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(wrapped)
        answer.begin()
        answer.read()
        assert wrapped.session is not None
        return wrapped.session, bool(wrapped.session_reused), answer.status


@pytest.mark.parametrize("http2", [False, True])
def test_revoked_in_mid_connection(gateway: Gateway, http2: bool) -> None:
    client = gateway.client(gateway.town.holder(LATER), http2=http2)
    assert client.get("/").status_code == 200
    gateway.town.publish({REVOKED, LATER})
    try:
        wait_until(lambda: client.get("/").status_code == 403)
        (pool,) = [one for one in [client._transport] if isinstance(one, httpx.HTTPTransport)]
        assert len(pool._pool.connections) == 1  # it is still the connection that it was
    finally:
        gateway.town.publish({REVOKED})
        wait_until(lambda: client.get("/").status_code == 200)


# ---- what a client says of itself ------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("who", ["nobody", "revoked", "good"])
def test_a_client_that_sends_the_fields_itself(gateway: Gateway, good: Holder, who: str, http2: bool) -> None:
    holder = {"nobody": None, "revoked": gateway.town.holder(REVOKED), "good": good}[who]
    forged = forgeries(gateway.town.holder(5).certificate)
    answer = gateway.client(holder, http2=http2).get("/", headers=forged)
    if who != "good":
        assert answer.status_code == 403
        return
    assert answer.status_code == 200
    fields = told(answer)
    assert fields["sekisho-verdict"] == ["certificate-ok"]
    for name, value in forged:
        assert value not in fields.get(name.lower(), []), name


def forgeries(certificate: bytes) -> list[tuple[str, str]]:
    """Every field in which some gateway hands a certificate over, with another one's; and the verdict's own."""
    pem = quote(ssl.DER_cert_to_PEM_cert(certificate), safe="")
    der = base64.b64encode(certificate).decode()
    return [
        ("Client-Cert", f":{der}:"),
        ("X-Client-Cert", der),
        ("X-Client-Cert", pem),
        ("X-Forwarded-Client-Cert", f'Hash={"0" * 64};Cert="{pem}"'),
        ("Sekisho-Verdict", "accepted"),
        ("Sekisho-Certificate", pem),
    ]


def test_the_way_to_sekisho_is_closed_to_clients(gateway: Gateway, good: Holder) -> None:
    for path in ("/sekisho", "/auth/front", "/v1/certificates/check"):
        answer = gateway.get(good, path)
        # An application's page of that name, or none: never sekisho's own answer.
        assert answer.status_code in (200, 404)
        assert "sekisho-verdict" not in answer.headers


# ---- when sekisho cannot say -----------------------------------------------------------------------------


def unavailable(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and 1 <= int(answer.headers.get("retry-after", 0)) <= 60


def test_stale_revocation_data_is_no_refusal(gateway: Gateway, good: Holder) -> None:
    client = gateway.client(good)
    gateway.town.publish({REVOKED}, next_update=gateway.town.now - 60)
    try:
        wait_until(lambda: unavailable(client.get("/")))
    finally:
        gateway.town.publish({REVOKED})
        wait_until(lambda: client.get("/").status_code == 200)


def test_a_hung_sidecar_is_not_waited_for(gateway: Gateway, good: Holder) -> None:
    client = gateway.client(good)
    assert client.get("/").status_code == 200
    gateway.sidecar.process.send_signal(signal.SIGSTOP)
    try:
        assert unavailable(client.get("/"))
    finally:
        gateway.sidecar.process.send_signal(signal.SIGCONT)
    wait_until(lambda: client.get("/").status_code == 200)


def test_the_application_s_own_errors_stay_its_own(gateway: Gateway, good: Holder) -> None:
    answer = gateway.get(good, "/broken")
    assert (answer.status_code, "retry-after" in answer.headers) == (500, False)


def test_a_sidecar_that_is_down_and_comes_back(gateway: Gateway, good: Holder) -> None:
    assert gateway.sidecar.stop() == 0
    client = gateway.client(good)
    assert unavailable(client.get("/"))
    again = Sidecar(gateway.sidecar.socket.parent, gateway.sidecar.file.read_text())
    gateway.sidecar.process = again.process
    wait_until(lambda: client.get("/").status_code == 200, gateway.process)


def test_an_overloaded_sidecar(gateway: Gateway, good: Holder) -> None:
    """More waits to be verified than it was told to let wait: it says so at once, and the client is told when to come again."""
    sidecar = gateway.sidecar
    calm = sidecar.file.read_text()
    assert sidecar.stop() == 0
    narrow = calm.replace("[[tenant]]", f"{NARROW}[[tenant]]", 1).replace(
        "number = 1", f"number = 1\nuids = [{os.geteuid()}]"
    )
    busy = Sidecar(sidecar.socket.parent, narrow)
    client, going = gateway.client(good), True
    rows = [{"certificate": base64.b64encode(gateway.town.city.certificate(GOOD)).decode()}] * 64

    def keep_busy() -> None:
        with busy.client() as other:
            while going:
                assert other.post("/v1/certificates/check", json={"certificates": rows}).status_code in (200, 503)

    with running(busy), ThreadPoolExecutor(3) as pool:
        hogs = [pool.submit(keep_busy) for _ in range(3)]
        try:
            wait_until(lambda: unavailable(client.get("/")), busy)
        finally:
            going = False
        for one in hogs:
            one.result()
        wait_until(lambda: client.get("/").status_code == 200, busy)
    gateway.sidecar.process = Sidecar(sidecar.socket.parent, calm).process


NARROW = """
[engine]
threads = 1
cache_bytes = 0
[limits]
rows = 64
connection_rows = 64
"""


def test_nothing_of_anybody_is_logged(gateway: Gateway, good: Holder) -> None:
    """After all that was done above: no serial, name or address in any log of gateway or sidecar."""
    gateway.get(good, "/a/secret/page")
    logs = [file for file in gateway.sidecar.file.parent.rglob("*log*") if file.is_file()]
    assert logs
    city = gateway.town.city
    for file in logs:
        text = file.read_text(errors="replace")
        assert "a/secret/page" not in text, file
        for row in range(CITIZENS):
            assert str(city.serial[row]) not in text, file
            assert city.person(row).common_name_auth not in text, file
