"""What a server's /metrics say, and what happened between two looks at them."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Reading", "View", "read", "view"]

TIMEOUT_S: Final = 5.0
SIZE_MAX: Final = 16 << 20  # bytes: a thousand tenants' metrics are a tenth of it
_LATENCY: Final = "sekisho_wire_answer_seconds_bucket"
_INFINITY: Final = float("inf")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """All samples of a scrape.

    Attributes:
        at: when, in the clock of `time.monotonic`; `wall` in that of `time.time`.
        samples: by name, the value of each set of labels.
    """

    at: float
    wall: float
    samples: Mapping[str, Mapping[Labels, float]]

    def sum(self, name: str) -> float:
        """Over all labels; 0: there is none."""
        return sum(self.samples.get(name, {}).values())

    def by(self, name: str, label: str) -> dict[str, float]:
        """Sums by one label."""
        found: dict[str, float] = {}
        for labels, value in self.samples.get(name, {}).items():
            key = dict(labels).get(label, "")
            found[key] = found.get(key, 0.0) + value
        return found


@dataclass(frozen=True, slots=True)
class View:
    """A server between two looks, or since it began where there was one alone.

    Attributes:
        seconds: between the two.
        logins, errors: verdicts, and errors told in their place, a second.
        reasons: verdicts a second by reason, the most frequent first; `totals` since the server began.
        p50, p99: milliseconds below which so many were answered (bounds of buckets); None: nothing was.
        cores: CPU that was used.
        waiting, working, connections: now.
        cache_hits: share of certificates that were known, in percent; None: none came.
        cache_bytes, claims: in use, and how many there may be.
        snapshot: id of the revocation data in force; `snapshot_age` in seconds since it was built; None: there is none.
        stale: lists past their nextUpdate.
    """

    seconds: float
    logins: float
    errors: float
    reasons: dict[str, float]
    totals: dict[str, int]
    p50: float | None
    p99: float | None
    cores: float
    waiting: int
    working: int
    connections: int
    cache_hits: float | None
    cache_bytes: tuple[int, int]
    claims: tuple[int, int]
    snapshot: int | None
    snapshot_age: float | None
    stale: int
    latency: list[tuple[float, float]] = field(default_factory=list)
    """(up to so many milliseconds, requests) of each bucket that has any."""


def read(address: str) -> Reading:
    """Scrapes a server.

    Args:
        address: a Unix socket's path, or HOST:PORT of loopback.

    Raises:
        OSError: nobody answers there, or not with metrics.
        ModuleNotFoundError: the extra `server` is missing.
    """
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - of the extra `server`

    line = _Unix(address) if "/" in address else http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        line.request("GET", "/metrics")
        answer = line.getresponse()
        if answer.status != http.client.OK:
            raise OSError(f"{address} answers {answer.status} to a question for metrics")
        text = answer.read(SIZE_MAX).decode()
    except http.client.HTTPException as error:
        raise OSError(f"{address} does not speak HTTP: {error!r}") from None
    finally:
        line.close()
    samples: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            samples.setdefault(one.name, {})[tuple(sorted(one.labels.items()))] = one.value
    if "sekisho_build_info" not in samples:
        raise OSError(f"{address} answers, but is no sekisho")
    return Reading(time.monotonic(), time.time(), samples)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("sekisho", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def view(now: Reading, before: Reading | None = None) -> View:
    """What happened between the two, or until `now`."""
    if before is not None and now.sum("process_start_time_seconds") != before.sum("process_start_time_seconds"):
        before = None  # another process: its counts began anew
    began = now.sum("process_start_time_seconds")
    seconds = max(1e-6, now.at - before.at if before is not None else now.wall - began)

    def rates(name: str, label: str) -> dict[str, float]:
        old = before.by(name, label) if before is not None else {}
        return {key: max(0.0, value - old.get(key, 0.0)) / seconds for key, value in now.by(name, label).items()}

    def rate(name: str) -> float:
        return max(0.0, now.sum(name) - (before.sum(name) if before is not None else 0.0)) / seconds

    reasons, totals = rates("sekisho_wire_verdicts_total", "reason"), now.by("sekisho_wire_verdicts_total", "reason")
    for reason, value in rates("sekisho_verdicts_total", "reason").items():
        reasons[reason] = reasons.get(reason, 0.0) + value
    for reason, value in now.by("sekisho_verdicts_total", "reason").items():
        totals[reason] = totals.get(reason, 0.0) + value
    buckets = _buckets(now, before)
    hits, misses = rate("sekisho_cache_hits_total"), rate("sekisho_cache_misses_total")
    built = now.samples.get("sekisho_revocation_built_timestamp_seconds")
    snapshot = int(now.sum("sekisho_revocation_snapshot"))
    return View(
        seconds=seconds,
        logins=sum(reasons.values()),
        errors=rate("sekisho_wire_errors_total") + rate("sekisho_requests_refused_total"),
        reasons=dict(sorted(((k, v) for k, v in reasons.items() if v), key=lambda pair: -pair[1])),
        totals={key: int(value) for key, value in sorted(totals.items(), key=lambda pair: -pair[1]) if value},
        p50=_quantile(buckets, 0.5),
        p99=_quantile(buckets, 0.99),
        cores=rate("sekisho_cpu_seconds_total") or rate("process_cpu_seconds_total"),
        waiting=int(now.sum("sekisho_wire_waiting_requests") + now.sum("sekisho_waiting_rows")),
        working=int(now.sum("sekisho_wire_working_requests")),
        connections=int(now.sum("sekisho_wire_connections") + now.sum("sekisho_connections")),
        cache_hits=100 * hits / (hits + misses) if hits + misses else None,
        cache_bytes=(int(now.sum("sekisho_cache_bytes")), int(now.sum("sekisho_cache_bytes_max"))),
        claims=(int(now.sum("sekisho_claims_live")), int(now.sum("sekisho_claims_capacity"))),
        snapshot=snapshot or None,
        snapshot_age=now.wall - now.sum("sekisho_revocation_built_timestamp_seconds") if built else None,
        stale=int(now.sum("sekisho_revocation_stale_sources")),
        latency=[(bound * 1000, count) for bound, count in buckets if count],
    )


def _buckets(now: Reading, before: Reading | None) -> list[tuple[float, float]]:
    """(upper bound in seconds, requests in this bucket alone)."""
    cumulative = {float(key): value for key, value in now.by(_LATENCY, "le").items()}
    old = {float(key): value for key, value in before.by(_LATENCY, "le").items()} if before is not None else {}
    found, under = [], 0.0
    for bound in sorted(cumulative):
        here = cumulative[bound] - old.get(bound, 0.0)
        found.append((bound, max(0.0, here - under)))
        under = here
    return found


def _quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    total = sum(count for _, count in buckets)
    if not total:
        return None
    under = 0.0
    for bound, count in buckets:
        under += count
        if under >= share * total:
            return bound * 1000 if bound != _INFINITY else None
    return None
