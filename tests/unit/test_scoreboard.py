"""The scoreboard: slots of several processes become one sum, which outlives a process; Prometheus reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.wire_desk import Desk, a_tenant, issue, login_frame

from sekisho.server.scoreboard import Scoreboard, Totals
from sekisho.server.sidecar.metrics import Metrics
from sekisho.server.sidecar.wire_metrics import WireMetrics
from sekisho.testing import a_citizen, small_city

CITY = small_city()


def some_logins(desk: Desk, good: int, number: int = 7) -> None:
    """So many good logins, and one with a challenge that was used before."""
    challenges = issue(desk.tenants[number], good)
    line = desk.line(number)
    for i, one in enumerate([*challenges, challenges[0]]):
        line.send(login_frame(i, a_citizen(i).login(one)))
        desk.work()
        line.receive()


def test_slots_are_summed_and_outlive_their_process(tmp_path: Path) -> None:
    board = Scoreboard.create(2)
    tenants = [a_tenant(tmp_path, CITY), a_tenant(tmp_path, CITY, 8)]
    for number in (0, 1, 1):  # the second process died and was begun anew
        with Desk(tenants) as desk:
            slot = board.slot(number)
            some_logins(desk, 3)
            some_logins(desk, 2, number=8)
            slot.tell(desk.core)
            slot.tell(desk.core)  # telling twice counts once
            assert board.read().values["connections"] >= 2
    totals = board.read()
    assert {name: n for name, n in totals.verdicts.items() if n} == {"accepted": 15, "challenge-used": 6}
    assert totals.requests["login"] == 21
    assert totals.values["rows"] == 21
    assert sum(n for _, n in totals.latency) == 21
    assert totals.values["connections"] == 4  # of the last two alone
    board.slot(1)
    assert board.read().values["connections"] == 2
    assert board.read().verdicts == totals.verdicts


def test_another_process_reads_the_same_memory() -> None:
    board = Scoreboard.create(1)
    program = (
        "import sys; from sekisho.server.scoreboard import Scoreboard; Scoreboard(int(sys.argv[1]))._words[0] = 77"
    )
    subprocess.run([sys.executable, "-c", program, str(board.fd)], check=True, pass_fds=[board.fd], timeout=30)
    assert board.read().values["connections"] == 77
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(board.fd, 0)


def test_what_is_no_scoreboard_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "short").open("wb+") as file:
        file.write(b"x" * 100)
        file.flush()
        with pytest.raises(ValueError, match="no scoreboard"):
            Scoreboard(file.fileno())
    with pytest.raises(ValueError, match="no slot 1 of 1"):
        Scoreboard.create(1).slot(1)


def test_prometheus_reads_it(tmp_path: Path) -> None:
    board = Scoreboard.create(1)
    with Desk([a_tenant(tmp_path, CITY)]) as desk:
        slot = board.slot(0)
        some_logins(desk, 3)
        slot.tell(desk.core)
    metrics = Metrics()
    metrics.watch_wire(board.read)
    text = generate_latest(metrics.registry).decode()
    found = {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    assert found["sekisho_wire_verdicts_total", "accepted"] == 3
    assert found["sekisho_wire_verdicts_total", "challenge-used"] == 1
    assert found["sekisho_wire_requests_total", "login"] == 4
    assert found["sekisho_wire_errors_total", "overloaded"] == 0
    assert found["sekisho_wire_answer_seconds_count",] == 4
    assert found["sekisho_cpu_seconds_total",] > 0


def test_no_answer_is_told_as_quicker_than_it_was() -> None:
    values = dict.fromkeys(Scoreboard.create(1).read().values, 0)
    totals = Totals(values=values, latency=[(0, 1), (90_000, 2), (110_000, 4), (2_000_000_000, 8)])
    registry = CollectorRegistry()
    registry.register(WireMetrics(lambda: totals, (0.0001, 0.001)))
    text = generate_latest(registry).decode()
    assert 'sekisho_wire_answer_seconds_bucket{le="0.0001"} 1.0' in text
    assert 'sekisho_wire_answer_seconds_bucket{le="0.001"} 3.0' in text
    assert 'sekisho_wire_answer_seconds_bucket{le="+Inf"} 15.0' in text
