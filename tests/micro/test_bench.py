"""The benchmarks run, answer in the form they promise, and count a wrong answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bench.__main__ import main
from bench.peers.process import PeerGroup
from bench.rounds import Rates, spread
from click.testing import CliRunner

PEERS = ["--peer", "openssl", "--peer", "cryptography", "--threads", "1", "--rounds", "1", "--quick"]


def _run(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    path = folder / "report.json"
    result = CliRunner().invoke(main, [*arguments, "--json", str(path)])
    assert path.exists(), result.output
    report: dict[str, Any] = json.loads(path.read_text())
    return result.exit_code, report


@pytest.mark.parametrize(
    ("arguments", "case"),
    [
        (("signatures", "--case", "p256", "--batch", "64", *PEERS), "p256"),
        (("login", "--case", "p256", *PEERS), "cold-p256"),
    ],
)
def test_beside_peers(tmp_path: Path, arguments: tuple[str, ...], case: str) -> None:
    code, report = _run(tmp_path, *arguments)
    assert (code, report["wrong"], report["bench"]) == (0, 0, arguments[0])
    assert {"cpu", "kernels", "python", "sekisho", "openssl", "cryptography", "peers"} <= report["machine"].keys()
    rows = [row for row in report["rows"] if row["case"] == case and "peer" in row]
    assert {row["peer"] for row in rows} == {"openssl", "cryptography"}
    assert report["rows"][0]["best"]
    for row in rows:
        assert row["threads"] == 1
        assert row["ratio"] == pytest.approx(row["ours_per_s"] / row["peer_per_s"], rel=0.01, abs=0.001)


def test_cache(tmp_path: Path) -> None:
    city = tmp_path / "city"
    arguments = ("--certificates", "200", "--forged", "2000", "--case", "p256", "--city", str(city), *PEERS)
    for _ in range(2):  # the second time with the city that the first one kept
        code, report = _run(tmp_path, "cache", *arguments)
        assert (code, report["wrong"]) == (0, 0)
        hits = next(row for row in report["rows"] if row["unit"] == "% hits")
        assert (hits["case"], hits["forged"]) == ("flood-p256", 2000)
        assert hits["value"] == 100
        assert all(row["value"] >= 0 for row in report["rows"])


def test_pressure(tmp_path: Path) -> None:
    code, report = _run(tmp_path, "pressure", "--quick", "--seconds", "0.3")
    assert (code, report["wrong"]) == (0, 0)
    rows = {(row["case"], row["unit"]): row["value"] for row in report["rows"]}
    assert rows["latency-rsa2048", "logins/s"] > 0
    assert rows["overload-p384", "% of the peak"] > 0
    assert rows["overload-p384", "MiB"] > 0


def test_server(tmp_path: Path) -> None:
    code, report = _run(tmp_path, "server", "--quick", "--rounds", "1")
    assert (code, report["wrong"]) == (0, 0)
    assert [row["unit"] for row in report["rows"]] == ["us CPU a login", "us CPU a login", "x", "logins/s", "ms", "ms"]
    ours, library, ratio = (row["value"] for row in report["rows"][:3])
    assert ratio == pytest.approx(ours / library, abs=0.001)
    assert all(row["value"] > 0 for row in report["rows"])


def test_revocation(tmp_path: Path) -> None:
    code, report = _run(tmp_path, "revocation", "--quick", "--folder", str(tmp_path / "lists"))
    assert (code, report["wrong"]) == (0, 0)
    values = {row["case"]: row["value"] for row in report["rows"] if "value" in row}
    assert {"build", "map", "look-up-misses", "look-up-hits", "filter", "login", "delta", "swap"} <= values.keys()
    beside = {row["peer"]: row for row in report["rows"] if row["case"] == "read-20000"}
    assert beside.keys() == {"cryptography", "openssl"}
    assert all(row["ours_per_s"] > 0 and row["peer_per_s"] > 0 for row in beside.values())


def test_a_wrong_answer_is_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = PeerGroup.check
    monkeypatch.setattr(PeerGroup, "check", lambda group: "0" + right(group)[1:])
    code, report = _run(tmp_path, "signatures", "--case", "p256", "--batch", "64", *PEERS)
    assert (code, report["wrong"]) == (1, 2)
    assert report["wrong_of"] == ["openssl p256 (kept): 1", "cryptography p256 (kept): 1"]


def test_ratios_are_of_each_round() -> None:
    ours, theirs = Rates([10.0, 20.0, 40.0]), Rates([5.0, 10.0, 10.0])
    assert ours.ratio(theirs)[0] == 2.0
    assert spread([1.0]) == 0.0
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)


def test_sidecar(tmp_path: Path) -> None:
    code, report = _run(tmp_path, "sidecar", "--quick", "--rounds", "1")
    assert (code, report["wrong"]) == (0, 0)
    peers = {(row["case"], row["peer"]) for row in report["rows"] if "peer" in row}
    assert peers == {("auth", "uvicorn-empty"), ("auth", "starlette-empty"), ("envoy", "grpc-empty")}
    assert {row["percentile"] for row in report["rows"] if "value" in row} == {50, 99}
