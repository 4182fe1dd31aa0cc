"""The state of a running server that its endpoints share: what is open, whether it drains, and what is counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sekisho.server.sidecar.batcher import Admission
from sekisho.server.sidecar.desk import Desk
from sekisho.server.sidecar.metrics import Metrics
from sekisho.server.sidecar.self_test import self_test
from sekisho.server.tenants import Tenants

__all__ = ["Service"]


class Service:
    """Made once a process; `reload` puts another configuration in force between two requests.

    Attributes:
        desk: of the configuration in force; a request keeps the one that it began with.
        draining: whether no new work is wanted.
        self_test_passed: whether the engine answered rightly when it was last asked.
    """

    def __init__(self, tenants: Tenants) -> None:
        limits = tenants.config.limits
        self.metrics = Metrics()
        # One thread for each kind of question and tenant would do; more would only wait for the engine's own threads.
        self._executor = ThreadPoolExecutor(max_workers=max(4, 2 * len(tenants)), thread_name_prefix="sekisho-verify")
        self.admission = Admission(limits.rows, limits.deadline_ms / 1000)
        self.metrics.waiting.set_function(lambda: self.admission.waiting)
        self.desk = Desk(tenants, self.metrics, self._executor, self.admission)
        self.metrics.watch(lambda: self.desk.tenants)
        self.draining = False
        self.self_test_passed = self_test()

    @property
    def tenants(self) -> Tenants:
        """Those in force."""
        return self.desk.tenants

    def reload(self, tenants: Tenants) -> None:
        """Puts these in force; what was begun before goes on with those it began with."""
        self.self_test_passed = self_test()
        before = self.tenants
        limits = tenants.config.limits
        self.admission.rows_max, self.admission.wait_max = limits.rows, limits.deadline_ms / 1000
        self.desk = Desk(tenants, self.metrics, self._executor, self.admission)
        before.close()

    def turned_away(self, why: str) -> None:
        """Counts a request that got no verdict."""
        self.metrics.refused.labels(why).inc()

    def close(self) -> None:
        """Waits for the calls that run, and closes what is open."""
        self._executor.shutdown()
        self.tenants.close()
