"""A city at nine o'clock, a small one: through a real server, each verdict as planted; and a wrong one is seen."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sekisho.demo import burst
from sekisho.demo.signed import Signed, signed_city

CITIZENS = 200


def quiet(what: str, done: int, total: int) -> None:
    """Nobody looks on."""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed_city(CITIZENS, "test", quiet, cache=tmp_path_factory.mktemp("cities"))


def test_the_command(tmp_path: Path) -> None:
    page = tmp_path / "city.html"
    command = [
        sys.executable,
        "-m",
        "sekisho.cli",
        "burst",
        "--citizens",
        "64",
        "--seconds",
        "1",
        "--seed",
        "test",
        "--json",
        "--report",
        str(page),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["surprises"] == 0
    assert told["at_once"]["planted"] == told["at_once"]["found"]
    times = told["at_once"]["latency_ms"]
    assert 0 < times["p50"] <= times["p99"] <= times["p99.9"] <= told["at_once"]["seconds"] * 1000 + 1
    assert set(told["pace"]) == {"city", "nation"}
    for pace in told["pace"].values():
        assert pace["latency_ms"]["p50"] > 0
    text = page.read_text()
    first = text[text.index("<h1>") :].partition("\n")[0]
    assert "A city's nine o'clock" in html.unescape(first)
    assert "a nation's 17,000 a second" in html.unescape(first)
    assert text.count("<svg") == 3
    for reason, count in told["at_once"]["found"].items():
        assert f"<td>{reason}</td><td>{count:,}</td><td>{count:,}</td>" in text
    assert "0 surprises" in text
    assert not re.search(r'(?:src|href)="(?!#)', text), "nothing is fetched from elsewhere"


def test_a_city_is_made_once(signed: Signed) -> None:
    def made_again(what: str, done: int, total: int) -> None:
        assert what == "reading the city"

    again = signed_city(CITIZENS, "test", made_again, cache=signed.key_file.parents[1])
    assert again.city.digest == signed.city.digest
    assert again.challenges.equals(signed.challenges)
    assert again.signatures.equals(signed.signatures)


def test_what_was_not_planted_is_a_surprise(signed: Signed, tmp_path: Path) -> None:
    """The count is of what the server said: one citizen's deserts stated wrongly are found out, and so is a login sent twice."""
    sent, expected = burst.frames_of(signed, burst.salt(signed, tmp_path, 1), quiet)
    wrong = expected.index(("accepted",))
    expected[wrong] = ("revoked",)
    with burst.server(signed, tmp_path) as server:
        rush = burst.everybody_at_once(server, sent, expected, quiet)
        assert rush.surprises == 1
        assert rush.planted["revoked"] == 1
        assert rush.found["revoked"] == 0
        assert rush.latency.min() > 0
        again = burst.everybody_at_once(server, sent, expected, quiet)
        assert again.found["challenge-used"] == rush.found["accepted"]
        assert again.surprises >= CITIZENS


def test_a_server_that_cannot_begin_says_why(signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst, "PROFILE", "no-such-profile")
    with pytest.raises(RuntimeError, match="no-such-profile"), burst.server(signed, tmp_path):
        pass
