"""`sekisho load` and what it stands on: when requests are to be sent, and that a late answer counts from then."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import numpy as np
import pytest
from tests.unit.wire_desk import a_tenant, issue, login_frame

from sekisho.client.load import arrivals, drive
from sekisho.reasons import Reason
from sekisho.server.config import Limits
from sekisho.server.wire import Listener, WireServer
from sekisho.testing import a_citizen, small_city


def test_arrivals() -> None:
    assert arrivals(5, 10, "constant").tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert arrivals(3, 10, "burst").tolist() == [0, 0, 0]
    ramp = arrivals(1000, 100, "ramp")
    assert ramp[0] == 0
    assert ramp[-1] == pytest.approx(10, rel=0.01)
    first, last = np.diff(ramp)[1:11].mean(), np.diff(ramp)[-10:].mean()
    assert first > 5 * last  # it begins slowly
    with pytest.raises(ValueError, match="more than 0"):
        arrivals(1, 0, "constant")


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_login_is_timed_from_when_it_was_to_be_sent(tmp_path: Path, delay: float) -> None:
    """A server that stands still shows in every login that was to be sent meanwhile; retries get the first verdict."""
    tenant = a_tenant(tmp_path, small_city())
    logins = [login_frame(0, a_citizen(i).login(one), request=b"%d" % i) for i, one in enumerate(issue(tenant, 16))]

    async def run():  # type: ignore[no-untyped-def]
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        listening.setblocking(False)
        server = WireServer([tenant], [Listener.unix(listening)], Limits(deadline_ms=60_000, drain_s=2), threads=1)
        await server.start()
        times = arrivals(64, 1000, "constant")
        driving = asyncio.create_task(drive(str(tmp_path / "s"), 7, logins, times, connections=2))
        await asyncio.sleep(0.02)
        import time

        time.sleep(delay)
        outcome = await driving
        await server.drain()
        return outcome

    outcome = asyncio.run(run())
    assert outcome.reasons.tolist() == [Reason.ACCEPTED] * 64
    assert outcome.answered.all()
    assert outcome.attempts.tolist() == [1] * 64
    assert (outcome.latency >= outcome.delay).all()
    assert outcome.percentiles(100)[0] >= delay - 0.1
    assert len(outcome) == 64
