"""A sidecar, the certificates of a small city, an application, and clients with and without certificates: all real."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx

from sekisho.engine import Engine
from sekisho.revocation.store import RevocationStore
from sekisho.testing import City, build_city
from sekisho.trust import TrustStore

DAY: Final = 86_400
CITIZENS: Final = 8
PATIENCE: Final = 30  # seconds in which something that is under way has to be there


@dataclass(frozen=True)
class Holder:
    """A client certificate and its key, in one file."""

    certificate: bytes
    file: Path


class Town:
    """A small city that stands now: whom to trust, who holds what, and the revocation store of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.now = int(time.time())
        self.city: City = build_city(
            CITIZENS, seed="gateways", key="p256", authority_key="p256", purposes=("auth",), at=self.now
        )
        (folder / "ca").mkdir()
        for number, der in enumerate(self.city.trust()):
            (folder / "ca" / f"{number}.cer").write_bytes(der)
        self.store = RevocationStore(
            folder / "revocation", TrustStore(list(self.city.trust())), engine=Engine(threads=1, cache_bytes=0)
        )
        self._number = 0

    def publish(self, revoked: set[int], *, next_update: int | None = None) -> None:
        """Puts new lists in force in the store, in which these rows are revoked."""
        self._number += 1
        lists = {}
        for row in range(CITIZENS):
            place = (self.city.issuer(row).generation, self.city.person(row).municipality)
            others = [
                one
                for one in revoked
                if (self.city.issuer(one).generation, self.city.person(one).municipality) == place
            ]
            lists[place] = self.city.crl(
                row,
                others,
                number=self._number,
                this_update=self.now - DAY + self._number,
                next_update=self.now + DAY if next_update is None else next_update,
            )
        update = self.store.update(lists.values(), expired_too=True)
        assert not update.refused, update

    def holder(self, row: int, certificate: bytes | None = None, *, of: City | None = None) -> Holder:
        """Who holds that row's certificate, or another one with its key."""
        city = of or self.city
        der = certificate or city.certificate(row)
        file = self.folder / f"client-{len(list(self.folder.glob('client-*')))}.pem"
        file.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode() + city.key(row).pem())
        return Holder(der, file)

    @cached_property
    def expired(self) -> Holder:
        """A certificate of the city that ran out yesterday."""
        fields = self.city.fields(1).with_validity(self.now - 400 * DAY, self.now - DAY)
        return self.holder(1, self.city.issuer(1).issue(fields))

    @cached_property
    def foreign(self) -> Holder:
        """A certificate of the same names under keys that nobody here trusts."""
        other = build_city(
            CITIZENS, seed="elsewhere", key="p256", authority_key="p256", purposes=("auth",), at=self.now
        )
        return self.holder(2, of=other)


class Process:
    """A program that is ended when its test is over; what it says is in `log`."""

    def __init__(self, command: list[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=None if env is None else dict(env)
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> int:
        """Asks it to end, and waits; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Sidecar(Process):
    """`sekisho serve` of a configuration in a folder of its own."""

    def __init__(self, folder: Path, configuration: str) -> None:
        self.socket = folder / "http.sock"
        self.file = folder / "sekisho.toml"
        self.file.write_text(configuration)
        super().__init__([sys.executable, "-m", "sekisho.cli", "serve", str(self.file)], folder / "sidecar.log")
        wait_until(lambda: self.socket.exists() and self.get("/livez").status_code == 200, self)

    def client(self) -> httpx.Client:
        # Proxies of the environment have no part in it, and to make their transports takes longer than a request.
        transport = httpx.HTTPTransport(uds=str(self.socket), verify=False)
        return httpx.Client(transport=transport, base_url="http://sekisho", trust_env=False)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        with self.client() as client:
            return client.get(path, headers=headers)

    def metric(self, name: str) -> float:
        """A sample of /metrics, by its name and labels as they stand there."""
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0


def wait_until(true: object, process: Process | None = None) -> None:
    """Returns when it is, or fails with what the process says."""
    assert callable(true)
    end = time.monotonic() + PATIENCE
    while True:
        if process is not None:
            assert process.process.poll() is None, process.said()
        try:
            if true():
                return
        except (OSError, httpx.TransportError):
            pass
        assert time.monotonic() < end, process.said() if process is not None else "it did not come"
        time.sleep(0.02)


class Application:
    """What stands behind a gateway: answers each request with the fields that it got."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length).decode()
                if self.path == "/broken":
                    self.send_response(500)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                told = {"path": self.path, "body": body, "fields": [[k.lower(), v] for k, v in self.headers.items()]}
                content = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A gateway that is stopped resets its connections."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def tls(holder: Holder | None, ca: Path) -> ssl.SSLContext:
    """A client's side of TLS."""
    context = ssl.create_default_context(cafile=str(ca))
    if holder is not None:
        context.load_cert_chain(str(holder.file))
    return context


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    try:
        yield
    finally:
        for one in processes:
            if one.process.poll() is None:
                one.stop()


def everybody() -> str:
    """The user of this process, as the configuration names it: gateways in tests run as the same one."""
    return str(os.geteuid())
