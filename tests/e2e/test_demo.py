"""The demo: it ends well, it is readable, and it does not overlook a wrong answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sekisho._native import lib
from sekisho.cli import main
from sekisho.cli.demo import Part, Story
from sekisho.demo import Case, crowd, jpki
from sekisho.engine import KERNELS, kernels
from sekisho.reasons import Reason
from sekisho.testing import AT, bad_kinds, odd_kinds, small_city

COMMAND = [sys.executable, "-m", "sekisho.cli", "demo"]


def demo(*arguments: str, path: str | None = None, ends: int = 0) -> str:
    environment = os.environ | ({"PATH": path} if path is not None else {})
    done = subprocess.run(
        [*COMMAND, "--burst", "64", *arguments], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == ends, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(demo("--citizens", "64", "--copies", "1", "--json"))
    return found


def test_everyone_gets_what_they_deserve(told: dict[str, Any]) -> None:
    assert told["surprises"] == 0
    assert told["not_run"] == []
    for outcome in told["modes"]:
        assert outcome["planted"] == outcome["found"]
        assert outcome["surprises"] == []
        # Each login twice and once more as a replay, and twice the eight failures that spoil a challenge.
        assert outcome["answers"] == 3 * (outcome["good"] + outcome["bad"]) + 2 * 8
        assert outcome["hits"] == outcome["warm"] == 64
        # Whoever was accepted when warm is refused when the same login comes again.
        assert outcome["found"]["challenge-used"] >= outcome["found"]["accepted"] / 2
    assert told["answers"] > 1000


def test_at_the_end_everybody_comes_through_the_socket(told: dict[str, Any]) -> None:
    rush = told["burst"]["at_once"]
    assert rush["planted"] == rush["found"]
    assert rush["found"]["accepted"] >= 64
    assert rush["logins"] == sum(rush["found"].values())
    assert rush["server_cpu_s"] > 0


def test_every_kind_of_bad_login_is_planted(told: dict[str, Any]) -> None:
    city = small_city()
    challenges = 10 + 1 + 1  # those of `bad_challenges`, one spoilt, one replayed
    for (_, mode, _), outcome in zip(crowd.MODES, told["modes"], strict=True):
        kinds = len(bad_kinds(city, mode)) + len(odd_kinds(city, mode)) + challenges
        assert outcome["good"] + outcome["bad"] == 64 + kinds
    reasons = {reason for outcome in told["modes"] for reason in outcome["found"]}
    wanted = (
        "expired issuer-signature-wrong challenge-used signature-wrong certificate-malformed challenge-wrong-tenant "
    )
    wanted += "challenge-forged challenge-expired challenge-locked challenge-key-unknown challenge-wrong-audience "
    wanted += "challenge-wrong-profile challenge-wrong-transaction challenge-not-yet-valid policy key-usage"
    assert set(wanted.split()) <= reasons


def test_speed_is_told_beside_the_peer_of_the_same_run(told: dict[str, Any]) -> None:
    assert [one["what"] for one in told["speeds"]] == ["cold", "warm"]
    for one in told["speeds"]:
        assert one["ours"] > 0
        assert one["peer"] > 0
        assert one["low"] <= one["ratio"] <= one["high"]
    assert {"sekisho", "OpenSSL", "Python", "cryptography"} <= set(told["machine"]["versions"])


def test_real_input_is_good(told: dict[str, Any]) -> None:
    assert [len(part["cases"]) for part in told["real"]] == [9, 6]
    assert all(case["found"] == case["expected"] for part in told["real"] for case in part["cases"])


def test_jpki_s_generations_are_told_apart_and_judged_by_date() -> None:
    begins = {1: 1445310493, 2: 1568504519, 3: 1689469264}  # authca01 to 03, from the certificates' own notBefore
    for at, admitted in (
        (begins[1] - 1_000_000, set()),
        (begins[2], {1, 2}),
        (begins[3] + 1_000_000, {1, 2, 3}),
        (1760885999, {1, 2, 3}),  # the first generation's last second
        (1760886000, {2, 3}),
        (1884092400, {3}),
        (2005052400, set()),
    ):
        found = jpki.generations(at)
        assert len(found) == 6
        assert len({one.report.subject for one in found}) == 2
        assert len({one.report.identity for one in found}) == 6
        logins = {one.number for one in found if one.name == "user authentication" and one.reason is None}
        assert logins == admitted, at
        refused = {one.reason for one in found if one.reason is not None}
        assert refused <= {Reason.ISSUER_EXPIRED, Reason.ISSUER_NOT_YET_VALID}


def test_the_text_is_fit_for_a_page() -> None:
    text = demo("--citizens", "16", "--copies", "1")
    lines = text.splitlines()
    assert len(lines) <= 72
    assert max(len(line.rstrip()) for line in lines) <= 100
    assert "\x1b" not in text
    assert "…" not in text, "something was cut off"
    assert "TEST ONLY" in text
    assert re.search(r"^[\d,]+ verdicts, zero surprises, in \d+ s\.$", text, re.MULTILINE)


def test_a_missing_program_is_named_with_the_line_that_installs_it(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None
    (tmp_path / "openssl").symlink_to(openssl)
    text = demo("--citizens", "16", "--copies", "1", "--strict", path=str(tmp_path), ends=2)
    assert "NOT RUN" in text
    assert "apt-get install -y --no-install-recommends softhsm2 opensc" in re.sub(r"\s+", " ", text)
    assert "zero surprises, 1 part NOT RUN" in text


SURPRISE = crowd.Surprise("cold", "forged", ("issuer-signature-wrong",), "accepted")
ENDS = [
    ({}, (), 0),
    ({"parts": [Part("token", not_run="softhsm2 is missing")]}, (), 0),
    ({"parts": [Part("token", not_run="softhsm2 is missing")]}, ("--strict",), 2),
    ({"parts": [Part("token", failed="it crashed")]}, (), 1),
    ({"parts": [Part("token", [Case("a login", "accepted", "signature-wrong")])]}, (), 1),
    ({"outcomes": [crowd.Outcome("A", planted=Counter(x=1), found=Counter(y=1), surprises=[SURPRISE])]}, (), 1),
]


@pytest.mark.parametrize(("found", "options", "ends"), ENDS)
def test_it_ends_by_what_it_found(
    found: dict[str, Any], options: tuple[str, ...], ends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = {"cpu": "a CPU", "threads": 1, "kernels": {}, "chosen": "openssl", "versions": {}}
    story = Story(16, AT, machine, **({"outcomes": [crowd.Outcome("A")]} | found))
    monkeypatch.setattr("sekisho.cli.demo._play", lambda *_: story)
    result = CliRunner().invoke(main, ["demo", "--burst", "0", *options])
    assert result.exit_code == ends, result.output
    for part in story.parts:
        assert part.not_run in result.stdout
        assert part.failed in result.stdout
    assert ("SURPRISE" in result.stdout) == ("outcomes" in found)
    again = json.loads(CliRunner().invoke(main, ["demo", "--burst", "0", "--json", *options]).stdout)
    assert again["surprises"] == (ends == 1)


def test_a_kernel_that_says_yes_to_everything_does_not_go_unnoticed(tmp_path: Path) -> None:
    """The demo's count is no decoration: let the lanes accept forgeries, and it must find them."""
    name = next((one.name for one in kernels() if one.chosen), None)
    if name is None:
        pytest.skip("no RSA lanes on this CPU: nothing to plant a fault in")
    city = small_city()
    planted = lib.seki_kernels_plant(KERNELS[name], lib.SEKI_FAULT_ACCEPT)
    assert planted == lib.SEKI_OK, "this core was built without SEKISHO_TEST_FAULTS=1; `make test` builds it with it"
    try:
        outcome, _, _ = crowd.let_everyone_in(city, "A", 16, tmp_path)
    finally:
        lib.seki_kernels_plant(KERNELS[name], lib.SEKI_FAULT_NONE)
    found = {one.kind for one in outcome.surprises if one.found == "accepted"}
    assert found
    assert found <= {"forged", "forged-key", "issuer-signature-flipped", "wrong-generation"} | set(bad_kinds(city))
    clean, _, _ = crowd.let_everyone_in(city, "A", 16, tmp_path)
    assert clean.surprises == []
