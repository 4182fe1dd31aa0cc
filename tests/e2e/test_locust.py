"""The load scenarios run: each answer is right, and the server's own histogram has every login."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("scenario", ["Peak", "Retries"])
def test_a_scenario(scenario: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "bench" / "locustfile.py"),
        "--headless",
        "--only-summary",
    ]
    command += ["--run-time", "1s", "--citizens", "320", scenario]
    environment = os.environ | {"SEKISHO_CACHE": str(tmp_path)}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = re.search(r"^server's latency of each login, ms: (.*)$", done.stdout, re.MULTILINE)
    assert told is not None, done.stdout
    logins = sum(int(count.replace(",", "")) for count in re.findall(r": ([\d,]+?)(?:, |$)", told[1]))
    events = re.search(rf"^login +{scenario} +(\d+) +0\(0\.00%\)", done.stderr + done.stdout, re.MULTILINE)
    assert events is not None, done.stderr
    assert logins >= int(events[1]) > 0
