"""Metrics for Prometheus: counts and times of what was answered, and what the engine, claims and revocation data are like."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sekisho._version import __version__
from sekisho.engine import kernels
from sekisho.reasons import Reason
from sekisho.server.sidecar.wire_metrics import WireMetrics

if TYPE_CHECKING:
    from sekisho.revocation.snapshot import Snapshot
    from sekisho.server.scoreboard import Totals
    from sekisho.server.tenants import Tenant, Tenants

__all__ = ["Metrics"]

# Seconds: 100 µs is a warm certificate alone, 5 ms the p99 that is aimed at, 1 s where a client has long gone.
_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Metrics:
    """A registry of our own, and what is counted as it happens. Labels name tenants, hops and reasons, never a person."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.verdicts = Counter(
            "sekisho_verdicts", "Verdicts given.", ["tenant", "kind", "reason"], registry=self.registry
        )
        self.refused = Counter(
            "sekisho_requests_refused", "Requests that got no verdict.", ["why"], registry=self.registry
        )
        self.answers = Histogram(
            "sekisho_answer_seconds",
            "From a request to its answer.",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_rows = Histogram(
            "sekisho_batch_rows", "Rows of a native call.", ["kind", "tenant"], buckets=_ROWS, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "sekisho_batch_seconds",
            "Length of a native call.",
            ["kind", "tenant"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.connections = Gauge("sekisho_connections", "Connections that are open.", registry=self.registry)
        self.waiting = Gauge("sekisho_waiting_rows", "Rows that wait for a verdict.", registry=self.registry)
        self.reload_failed = Gauge(
            "sekisho_reload_failed",
            "1 if the last reload was refused and the one before is in force.",
            registry=self.registry,
        )
        self._reasons: dict[tuple[str, str], dict[int, Counter]] = {}

    def batch(self, kind: str, tenant: str) -> Callable[[int, float], None]:
        """What a batcher tells of each native call."""
        rows_seen, seconds_seen = self.batch_rows.labels(kind, tenant), self.batch_seconds.labels(kind, tenant)

        def observe(rows: int, seconds: float) -> None:
            rows_seen.observe(rows)
            seconds_seen.observe(seconds)

        return observe

    def count(self, tenant: str, kind: str, reason: int, rows: int = 1) -> None:
        """Counts verdicts; the child of each reason is looked up once."""
        children = self._reasons.setdefault((tenant, kind), {})
        child = children.get(reason)
        if child is None:
            child = children[reason] = self.verdicts.labels(tenant, kind, Reason(reason).kebab)
        child.inc(rows)

    def watch(self, tenants: Callable[[], Tenants]) -> None:
        """Also shows the state of what is open, looked at with each scrape."""
        self.registry.register(_State(tenants))

    def watch_wire(self, read: Callable[[], Totals]) -> None:
        """Also shows the counts of the binary protocol, summed over all processes."""
        self.registry.register(WireMetrics(read, _SECONDS))


class _State(Collector):
    def __init__(self, tenants: Callable[[], Tenants]) -> None:
        self._tenants = tenants
        self._ends: tuple[int, list[int]] = (0, [])  # of a snapshot, by its id: nextUpdates

    def collect(self) -> Iterator[Metric]:
        tenants = self._tenants()
        yield _labelled("sekisho_build_info", "1, with the version.", "version", {__version__: 1})
        off = {one.name: int(one.state in ("off-self-test", "off-wrong-accept")) for one in kernels()}
        yield _labelled("sekisho_kernel_faulty", "1 if a kernel is off because it answered wrongly.", "kernel", off)
        mended = CounterMetricFamily("sekisho_kernel_mended", "Rejections that OpenSSL took back.", labels=["kernel"])
        for one in kernels():
            mended.add_metric([one.name], one.mended)
        yield mended
        yield from self._revocation(tenants)
        yield from _valkey(tenants)
        yield from _per_tenant(list(tenants))

    def _revocation(self, tenants: Tenants) -> Iterator[Metric]:
        base = tenants.store.base if tenants.store is not None else None
        if tenants.looks_at_revocation:
            in_force = tenants.store.revocation.id if tenants.store is not None else 0
            yield GaugeMetricFamily(
                "sekisho_revocation_snapshot", "Id of what is in force; 0: nothing.", value=in_force
            )
        if base is None:
            return
        ends, now = self._ends_of(base), time.time()
        report = base.report
        yield GaugeMetricFamily("sekisho_revocation_sources", "Lists in force.", value=report.sources)
        yield GaugeMetricFamily("sekisho_revocation_entries", "Revoked certificates in force.", value=report.entries)
        stale = sum(end < now for end in ends)
        yield GaugeMetricFamily("sekisho_revocation_stale_sources", "Lists past their nextUpdate.", value=stale)
        yield GaugeMetricFamily(
            "sekisho_revocation_built_timestamp_seconds", "When the snapshot in force was built.", value=report.built_at
        )
        if ends:
            yield GaugeMetricFamily(
                "sekisho_revocation_next_update_timestamp_seconds", "The earliest nextUpdate in force.", value=min(ends)
            )

    def _ends_of(self, base: Snapshot) -> list[int]:
        if self._ends[0] != base.report.id:
            found = [one.next_update for one in base.sources() if one.next_update is not None]
            self._ends = base.report.id, found
        return self._ends[1]


def _valkey(tenants: Tenants) -> Iterator[Metric]:
    if tenants.valkey is None:
        return
    count = tenants.valkey.statistics()
    up = int(count.trouble == "none")
    yield GaugeMetricFamily("sekisho_valkey_up", "1 if claims could be shared, the last time.", value=up)
    yield GaugeMetricFamily(
        "sekisho_valkey_epoch_timestamp_seconds", "Challenges issued until then are refused.", value=count.since
    )


def _per_tenant(tenants: list[Tenant]) -> Iterator[Metric]:
    caches = {one.name: one.engine.cache_statistics() for one in tenants}
    yield _labelled("sekisho_cache_bytes", "Of the parsing cache.", "tenant", {k: v.bytes for k, v in caches.items()})
    yield _labelled(
        "sekisho_cache_bytes_max", "Bound of the parsing cache.", "tenant", {k: v.bytes_max for k, v in caches.items()}
    )
    for name in ("hits", "misses", "evicted"):
        family = CounterMetricFamily(f"sekisho_cache_{name}", f"{name.capitalize()} of the cache.", labels=["tenant"])
        for tenant, cache in caches.items():
            family.add_metric([tenant], getattr(cache, name))
        yield family
    claims = {one.name: one.claims.statistics() for one in tenants if one.claims is not None}
    yield _labelled(
        "sekisho_claims_live", "Acceptances that are alive.", "tenant", {k: v.live for k, v in claims.items()}
    )
    yield _labelled("sekisho_claims_capacity", "Room for them.", "tenant", {k: v.capacity for k, v in claims.items()})
    yield _labelled(
        "sekisho_claims_lost", "1 if the set was lost.", "tenant", {k: int(v.lost) for k, v in claims.items()}
    )


def _labelled(name: str, what: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
