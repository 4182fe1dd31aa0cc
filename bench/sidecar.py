"""``python -m bench sidecar``: a gateway's question over a Unix socket, beside handlers that look at nothing.

The load comes from h2load (nghttp2) in a process of its own. A rate is requests per CPU second of the server's process, so
that whatever else this machine does plays no part; a latency is what h2load saw. Each answer is counted: by its status, and
the sidecar's own by the verdicts in its metrics.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bench.report import valued
from bench.rounds import Timing
from bench.run import Run
from sekisho.engine import Engine
from sekisho.revocation.store import RevocationStore
from sekisho.testing import build_city
from sekisho.testing.partitions import city_crls
from sekisho.trust import TrustStore

__all__ = ["CASES", "Missing", "benchmark", "steps"]

CASES: Final = ("auth", "envoy")
STEP: Final = 8000  # requests of a run: process times are counted in hundredths of a second
STEP_OF_ONE_ROUND: Final = 1000  # which nobody quotes: to see that it runs
CONNECTIONS: Final = 64
STREAMS: Final = 64  # of Envoy's one connection
RATE: Final = 1000  # requests a second, where latency is measured
PATIENCE: Final = 30  # seconds


class Missing(Exception):
    """A program that makes the load is not here."""


def steps(cases: Sequence[str]) -> int:
    """How many steps that is."""
    return 1 + 2 * len(cases)


@dataclass
class _Server:
    """A server process on a Unix socket, and what h2load is told to ask it."""

    name: str
    process: subprocess.Popen[bytes]
    socket: Path
    ask: list[str]
    counted: Path | None = None  # where verdicts are counted
    step: int = STEP
    warm_up: float = 0.3

    def run(self, rows: int) -> Timing:
        verdicts, cpu, begun = (
            self._verdicts(),
            self._cpu(),
            time.perf_counter(),
        )  # in this order: metrics cost time too
        good = _good(_h2load(self, "-n", str(rows)))
        seconds, cpu = time.perf_counter() - begun, self._cpu() - cpu
        wrong = rows - good
        if self.counted is not None:
            wrong = max(wrong, rows - (self._verdicts() - verdicts))
        return Timing(rows, seconds, max(cpu, 0.01), wrong)

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _verdicts(self) -> int:
        if self.counted is None:
            return 0
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.counted))
            asking.sendall(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
            text = b"".join(iter(lambda: asking.recv(65536), b"")).decode()
        wanted = 'sekisho_verdicts_total{kind="gateway",reason="certificate-ok",tenant="bench"} '
        return sum(int(float(line.removeprefix(wanted))) for line in text.splitlines() if line.startswith(wanted))


def benchmark(run: Run) -> None:
    """Every case of `run.options`."""
    if shutil.which("h2load") is None:
        raise Missing("h2load is missing: .ci/system-packages bench")
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as name, _servers(run, Path(name)) as servers:
        run.step("servers")
        for case in run.options.cases:
            ours, *peers = servers[case]
            rates = run.measure([ours, *peers], 1)
            run.report.add_compared(case, 1, 1, rates[ours.name], {peer.name: rates[peer.name] for peer in peers})
            run.step(f"{case}: rates")
            for one in (ours, *peers):
                _latency(run, case, one, Path(name))
            run.step(f"{case}: latency")


@contextmanager
def _servers(run: Run, folder: Path) -> Iterator[dict[str, list[_Server]]]:
    """By case: the sidecar, and its peers."""
    certificate = _town(folder)
    (folder / "sekisho.toml").write_text(_CONFIGURATION.format(uid=os.geteuid()))
    pem = "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(certificate).decode() + "-----END CERTIFICATE-----\n"
    (folder / "check").write_bytes(_check_request(quote(pem, safe="")))
    auth = ["--h1", "-c", str(CONNECTIONS), "-H", f"x-client-cert: {base64.b64encode(certificate).decode()}"]
    auth.append("http://sekisho/auth/front")
    check = ["-c", "1", "-m", str(STREAMS), "-d", str(folder / "check"), "-H", "content-type: application/grpc"]
    check += ["-H", "te: trailers", "http://sekisho/envoy.service.auth.v3.Authorization/Check"]
    python, empty = sys.executable, "bench.peers.empty"
    commands = {"sekisho": [python, "-m", "sekisho.cli", "serve", str(folder / "sekisho.toml")]}
    for name in ("asgi", "starlette", "grpc"):
        commands[name] = [python, "-m", empty, name, str(folder / f"empty-{name}.sock")]
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        with (folder / "log").open("wb") as log:
            for name, command in commands.items():
                started[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        metrics = folder / "http.sock"
        servers = {
            "auth": [
                _Server("sekisho auth", started["sekisho"], metrics, auth, metrics),
                _Server("uvicorn-empty", started["asgi"], folder / "empty-asgi.sock", auth),
                _Server("starlette-empty", started["starlette"], folder / "empty-starlette.sock", auth),
            ],
            "envoy": [
                _Server("sekisho envoy", started["sekisho"], folder / "grpc.sock", check, metrics),
                _Server("grpc-empty", started["grpc"], folder / "empty-grpc.sock", check),
            ],
        }
        for one in (one for case in servers.values() for one in case):
            one.step = STEP if run.options.rounds > 1 else STEP_OF_ONE_ROUND
            _wait(one, folder / "log")
        yield servers
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            process.wait(PATIENCE)


_CONFIGURATION: Final = """
[revocation]
store = "revocation"
[http]
path = "http.sock"
[[tenant]]
name = "bench"
number = 1
profile = "client-auth"
trust = ["ca"]
[[tenant.hops]]
name = "front"
dialect = "haproxy-der"
uids = [{uid}]
[[tenant.hops]]
name = "envoy"
dialect = "envoy-xfcc"
grpc = "grpc.sock"
"""


def _town(folder: Path) -> bytes:
    """A city that stands now, with its lists in force; a good certificate of it."""
    city = build_city(64, seed="bench sidecar", purposes=["auth"], at=int(time.time()))
    (folder / "ca").mkdir()
    for number, der in enumerate(city.trust()):
        (folder / "ca" / f"{number}.cer").write_bytes(der)
    lists = city_crls(city, 1)
    lists.write(folder / "crl")
    with RevocationStore(folder / "revocation", TrustStore(list(city.trust())), engine=Engine(threads=1)) as store:
        assert not store.update([folder / "crl"]).refused
    return city.certificate(next(row for row in city.rows() if row not in lists.revoked))


def _check_request(certificate: str) -> bytes:
    """Envoy's question as a message of gRPC: a byte that says that it is not compressed, its length, itself."""
    from envoy.service.auth.v3.external_auth_pb2 import CheckRequest  # noqa: PLC0415 - an extra

    request = CheckRequest()
    request.attributes.source.certificate = certificate
    content: bytes = request.SerializeToString()
    return struct.pack(">BI", 0, len(content)) + content


def _h2load(server: _Server, *how: str) -> str:
    command = ["h2load", f"--base-uri=unix:{server.socket}", *how, *server.ask]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return done.stdout


def _good(said: str) -> int:
    line = next(line for line in said.splitlines() if line.startswith("status codes: "))
    return int(line.split()[2])


def _latency(run: Run, case: str, server: _Server, folder: Path) -> None:
    """p50 and p99 of requests that come at a fixed rate."""
    rounds = run.options.rounds
    milliseconds = 10_000 if rounds > 3 else 2_000 if rounds > 1 else 500
    log = folder / "latency"
    log.unlink(missing_ok=True)
    clients = 10 if case == "auth" else 1
    asked = list(server.ask)
    asked[asked.index("-c") + 1] = str(clients)
    _h2load(replace(server, ask=asked), f"--rps={RATE // clients}", "-D", f"{milliseconds}ms", f"--log-file={log}")
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    run.report.blame(f"{server.name} at {RATE}/s", sum(row[1] != "200" for row in rows))
    times = sorted(int(row[2]) / 1000 for row in rows)
    for share, value in ((50, statistics.median(times)), (99, times[int(0.99 * len(times))])):
        what = f"{server.name}: p{share} of {len(times):,} requests at {RATE:,}/s, as h2load saw them"
        run.report.rows.append(valued(case, value, "ms", what=what, threads=1, batch=1, percentile=share))


def _wait(server: _Server, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(server.socket)) == 0:
                return
        if server.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{server.name} did not begin: {log.read_text()[-2000:]}")
        time.sleep(0.02)
