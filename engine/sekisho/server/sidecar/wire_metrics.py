"""Metrics of the binary protocol: sums over all processes, from their scoreboard."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sekisho.reasons import Reason
from sekisho.server.scoreboard import Totals

__all__ = ["WireMetrics"]

_NS: Final = 1_000_000_000  # a second
_OF_FILES: Final = 256  # from here on reasons are of files that are taken in, and of OCSP responses
_ALWAYS: Final = {
    reason.kebab for reason in Reason if reason < _OF_FILES
}  # from 0 on: an increase() sees the first too
_GAUGES: Final = {
    "connections": ("sekisho_wire_connections", "Connections of the binary protocol that are open."),
    "waiting": ("sekisho_wire_waiting_requests", "Requests in the queue."),
    "working": ("sekisho_wire_working_requests", "Requests that workers have."),
    "receive_bytes": ("sekisho_wire_receive_bytes", "Memory for what was received."),
    "backlog_bytes": ("sekisho_wire_backlog_bytes", "Answers that clients have not taken yet."),
}
_COUNTERS: Final = {
    "batches": ("sekisho_wire_batches", "Batches that workers did."),
    "rows": ("sekisho_wire_rows", "Rows of these."),
    "accepted_connections": ("sekisho_wire_connections_accepted", "Connections that were taken."),
    "refused_connections": ("sekisho_wire_connections_refused", "Connections that were turned away."),
}
_SECONDS: Final = {
    "work_ns": ("sekisho_wire_work_seconds", "In which workers did their batches, all together."),
    "cpu_ns": ("sekisho_cpu_seconds", "CPU of all processes that answer."),
}


class WireMetrics(Collector):
    """What the scoreboard says, with each scrape.

    Args:
        read: brings the sums.
        bounds: of the latency histogram, in seconds, ascending.
    """

    def __init__(self, read: Callable[[], Totals], bounds: Sequence[float]) -> None:
        self._read = read
        self._bounds = tuple(bounds)

    def collect(self) -> Iterator[Metric]:
        totals = self._read()
        for key, (name, what) in _GAUGES.items():
            yield GaugeMetricFamily(name, what, value=totals.values[key])
        for key, (name, what) in _COUNTERS.items():
            yield CounterMetricFamily(name, what, value=totals.values[key])
        for key, (name, what) in _SECONDS.items():
            yield CounterMetricFamily(name, what, value=totals.values[key] / _NS)
        yield _by("sekisho_wire_requests", "Requests taken.", "kind", totals.requests)
        verdicts = {name: n for name, n in totals.verdicts.items() if n or name in _ALWAYS}
        yield _by("sekisho_wire_verdicts", "Verdicts given.", "reason", verdicts)
        yield _by("sekisho_wire_errors", "Errors told instead of an answer.", "error", totals.errors)
        yield self._latency(totals)

    def _latency(self, totals: Totals) -> Metric:
        counts = [0] * (len(self._bounds) + 1)
        for i, (_, n) in enumerate(totals.latency):
            # By its upper end: no answer is told as quicker than it was.
            last = i + 1 == len(totals.latency)
            end = float("inf") if last else totals.latency[i + 1][0] / _NS
            counts[bisect.bisect_left(self._bounds, end)] += n
        buckets, sum_ = [], 0
        for bound, n in zip((*self._bounds, float("inf")), counts, strict=True):
            sum_ += n
            buckets.append(("+Inf" if bound == float("inf") else str(bound), sum_))
        return HistogramMetricFamily(
            "sekisho_wire_answer_seconds",
            "From a frame to its answer.",
            buckets=buckets,
            sum_value=totals.values["latency_ns"] / _NS,
        )


def _by(name: str, what: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
