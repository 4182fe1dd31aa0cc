"""/metrics of a real server of two processes tells what both did."""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
from pathlib import Path

import httpx
from tests.e2e.gateways import Process, running, wait_until

from sekisho import frames
from sekisho.testing import small_city

PINGS = 40
_CONFIGURATION = f"""
[engine]
threads = 1
processes = 2
[socket]
path = "wire.sock"
[http]
path = "http.sock"
[[tenant]]
name = "city"
number = 7
profile = "client-auth-test"
trust = ["ca.cer"]
uids = [{os.geteuid()}]
"""


def ping(path: Path) -> None:
    """A ping of tenant 7, on a connection of its own."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(str(path))
        line.sendall(frames.hello(7) + frames.ping(1))
        said, splitter = 0, frames.Splitter()
        while said < 2:
            data = line.recv(65536)
            assert data
            said += len(list(splitter.feed(data)))


def test_metrics_are_those_of_all_processes() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ca.cer").write_bytes(small_city().trust()[0])
        (folder / "sekisho.toml").write_text(_CONFIGURATION)
        command = [sys.executable, "-m", "sekisho.cli", "serve", str(folder / "sekisho.toml")]
        server = Process(command, folder / "server.log")
        with (
            running(server),
            httpx.Client(
                transport=httpx.HTTPTransport(uds=str(folder / "http.sock")), base_url="http://localhost"
            ) as client,
        ):
            wait_until(lambda: "2 processes are ready" in server.said(), server)

            def value(metric: str) -> float:
                found = re.search(rf"^{re.escape(metric)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
                assert found, metric
                return float(found[1])

            for _ in range(PINGS):
                ping(folder / "wire.sock")
            wait_until(lambda: value('sekisho_wire_requests_total{kind="ping"}') == PINGS, server)
            wait_until(lambda: value("sekisho_wire_connections") == 0, server)
            assert value("sekisho_wire_connections_accepted_total") == PINGS
            assert value("sekisho_cpu_seconds_total") > 0
