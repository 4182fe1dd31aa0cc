"""`sekisho top` beside a real server: what it shows is what came."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sekisho.cli import main
from sekisho.cli.reading import read, view
from sekisho.demo import burst
from sekisho.demo.signed import Signed, signed_city

CITIZENS = 320
SIDECAR = '[http]\npath = "http.sock"\nmode = "0600"\n'


def quiet(what: str, done: int, total: int) -> None:
    """Nobody looks on."""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed_city(CITIZENS, "top", quiet, key="p256", cache=tmp_path_factory.mktemp("cities"))


@pytest.fixture
def server(signed: Signed, tmp_path: Path) -> Iterator[burst.Server]:
    with burst.server(signed, tmp_path, settings=SIDECAR) as made:
        yield made


def test_what_came_is_shown(signed: Signed, server: burst.Server) -> None:
    http = str(Path(server.socket).with_name("http.sock"))
    sent, expected = burst.frames_of(signed, [], quiet)
    before = read(http)
    assert view(before).totals.get("accepted", 0) == 0
    for times in (1, 2):
        burst.everybody_at_once(server, sent, expected, quiet)
        found = view(read(http), before)
        assert found.totals["accepted"] == CITIZENS
        assert sum(found.reasons.values()) == pytest.approx(times * CITIZENS / found.seconds)
        assert sum(count for _, count in found.latency) == times * CITIZENS
        assert found.p50 is not None
        assert found.p99 is not None
        assert 0 < found.p50 <= found.p99
        assert found.cores > 0
    assert found.totals["challenge-used"] == CITIZENS
    assert found.claims[0] == CITIZENS
    assert found.cache_hits == pytest.approx(50)
    assert view(read(http), read(http)).logins == 0


def test_the_command(signed: Signed, server: burst.Server) -> None:
    http = str(Path(server.socket).with_name("http.sock"))
    sent, expected = burst.frames_of(signed, [], quiet)
    told: list[str] = []

    def watch() -> None:
        command = [sys.executable, "-m", "sekisho.cli", "top", http, "--every", "2", "--json"]
        told.append(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)

    watching = threading.Thread(target=watch)
    watching.start()
    while watching.is_alive() and not told:
        burst.everybody_at_once(server, sent, expected, quiet)
    watching.join()
    found: dict[str, Any] = json.loads(told[0])
    assert found["logins"] > 0
    assert found["totals"]["accepted"] == CITIZENS
    shown = CliRunner().invoke(main, ["top", http, "--once", "--every", "0.1"])
    assert shown.exit_code == 0, shown.output
    assert "challenge-used" in shown.output
    assert f"{CITIZENS:,} of" in shown.output


def test_nobody_there(tmp_path: Path, server: burst.Server) -> None:
    for address in (str(tmp_path / "nobody"), server.socket):  # the binary protocol's has no metrics
        shown = CliRunner().invoke(main, ["top", address, "--once"])
        assert shown.exit_code == 2
        assert "[http]" in shown.output
