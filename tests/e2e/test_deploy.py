"""What docs/deploy ships is as it says: alerts that Prometheus takes, a unit that systemd takes, a configuration that is read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tests.e2e.fetch_servers import program

from sekisho.reasons import Reason
from sekisho.server.config import Config
from sekisho.server.scoreboard import Scoreboard
from sekisho.server.sidecar.service import Service
from sekisho.server.tenants import Tenants
from sekisho.testing import small_city

DEPLOY: Final = Path(__file__).parents[2] / "docs" / "deploy"
RUNBOOK: Final = (DEPLOY.parent / "OPERATIONS.md").read_text()


def rules() -> list[dict[str, str]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    found: list[dict[str, str]] = group["rules"]
    return found


def test_prometheus_takes_the_alerts_and_they_go_off_when_they_should() -> None:
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run(
            [program("promtool"), *command], check=False, cwd=DEPLOY, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def panels() -> list[dict[str, Any]]:
    """Of the dashboard."""
    found: list[dict[str, Any]] = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    return found


def test_prometheus_takes_every_question_of_the_dashboard(tmp_path: Path) -> None:
    asked = [target["expr"].replace("$__rate_interval", "5m") for panel in panels() for target in panel["targets"]]
    asked = [one.replace("$instance", ".*") for one in asked]
    made = [{"record": f"panel:{i}", "expr": one} for i, one in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": made}]}))
    command = [program("promtool"), "check", "rules", str(tmp_path / "rules.yml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout
    assert not any("$" in one for one in asked)
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_every_metric_of_alerts_and_dashboard_is_one_of_ours(tmp_path: Path) -> None:
    from prometheus_client import generate_latest

    (tmp_path / "ca.cer").write_bytes(small_city().trust()[0])
    text = '[http]\npath = "x"\n[[tenant]]\nname = "a"\nnumber = 1\nprofile = "client-auth"\ntrust = ["ca.cer"]\n'
    (tmp_path / "store").mkdir(mode=0o700)
    config = Config.from_toml(
        f'[revocation]\nstore = "store"\n[claims]\nvalkey = "unix:/nowhere"\n{text}', folder=tmp_path
    )
    service = Service(Tenants.open(config))
    service.metrics.watch_wire(Scoreboard.create(1).read)
    served = generate_latest(service.metrics.registry).decode()
    service.close()
    known = set(re.findall(r"^# TYPE (\w+) ", served, re.MULTILINE))
    known |= {f"{name}_bucket" for name in known}
    # Where a store has lists, and a tenant has keys: tests of the sidecar ask for these.
    known |= {"sekisho_revocation_stale_sources", "sekisho_revocation_next_update_timestamp_seconds"}
    known |= {"sekisho_revocation_built_timestamp_seconds"}
    asked = [(rule["alert"], rule["expr"]) for rule in rules()]
    asked += [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    for where, expression in asked:
        for name in re.findall(r"\bsekisho_\w+", expression):
            assert name in known, (where, name)


def test_every_alert_and_every_reason_is_in_the_runbook() -> None:
    alerts = {rule["alert"] for rule in rules()}
    assert alerts == set(re.findall(r"^\| `(Sekisho\w+)` \|", RUNBOOK, re.MULTILINE))
    first = [line.split("|")[1] for line in RUNBOOK.splitlines() if line.startswith("| `")]
    told = {name for cell in first for name in re.findall(r"`([a-z0-9-]+)`", cell)}
    assert not [reason.kebab for reason in Reason if reason.kebab not in told]


def test_reasons_in_alerts_are_reasons() -> None:
    for rule in rules():
        for names in re.findall(r'reason=~?"([^"]+)"', rule["expr"]):
            for name in names.split("|"):
                Reason.from_kebab(name)


def test_the_configuration_to_begin_with(tmp_path: Path) -> None:
    text = (DEPLOY / "sekisho.toml").read_text()
    config = Config.from_toml(text, folder=tmp_path)
    assert config.http is not None
    assert str(config.http.path) in (DEPLOY / "sekisho.socket").read_text()
    shipped = (DEPLOY.parent / "gateways" / "nginx.conf").read_text()
    assert f"unix:{config.http.path} " in shipped
    assert f"/auth/{config.tenants[0].hops[0].name};" in shipped


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    for name in ("sekisho.service", "sekisho.socket"):
        text = (DEPLOY / name).read_text()
        ours = str(Path(sys.executable).with_name("sekisho"))
        (tmp_path / name).write_text(text.replace("/opt/sekisho/bin/sekisho", ours))
    units = [str(tmp_path / name) for name in ("sekisho.service", "sekisho.socket")]
    env = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    for command in (
        ["verify", "--man=no", *units],
        ["security", "--offline=true", "--threshold=15", "--no-pager", units[0]],
    ):
        done = subprocess.run(
            ["systemd-analyze", *command], check=False, env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
