"""The C core's server as an object: options in, counts out, and the tenants of which it holds a native form."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sekisho._native import check, ffi, lib
from sekisho.reasons import Reason
from sekisho.server.config import Limits
from sekisho.server.tenants import Tenant

__all__ = ["CODES", "KINDS", "LATENCY_FROM_NS", "Core", "ServerCount", "TenantCount"]

REFERENCE_BYTES: Final = (
    64 * 1024 * 1024
)  # a tenant's certificates that may be named by reference: 35,000 of a JPKI leaf's size
ANSWERED_AT_ONCE: Final = 256  # connections a look
CODES: Final = {
    int(getattr(lib, name)): name.removeprefix("SEKI_WIRE_").lower().replace("_", "-")
    for name in dir(lib)
    if name.startswith("SEKI_WIRE_") and name not in ("SEKI_WIRE_CODES", "SEKI_WIRE_OK")
}
"""Errors of the protocol: code to name."""
KINDS: Final = {
    int(getattr(lib, f"SEKI_FRAME_{name}")): name.lower()
    for name in ("PING", "CHALLENGES", "LOGIN", "CERTIFICATE", "SIGNATURE", "REVOCATION", "STATS")
}


def _bucket_ns(index: int) -> int:
    """The least time of a bucket of `seki_tenant_statistics.latency`, in nanoseconds."""
    if index < 8:
        return index * 128
    return ((8 + index % 8) << (index // 8 - 1)) * 128


LATENCY_FROM_NS: Final = tuple(map(_bucket_ns, range(lib.SEKI_LATENCY_BUCKETS)))
"""Where each bucket of `TenantCount.latency` begins, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class ServerCount:
    """What a server has and did; times in nanoseconds. See `seki_server_statistics` in sekisho.h."""

    connections: int
    waiting: int
    working: int
    wait_ns: int
    receive_bytes: int
    backlog_bytes: int
    batches: int
    rows: int
    work_ns: int
    accepted_connections: int
    refused_connections: int


@dataclass(frozen=True, slots=True)
class TenantCount:
    """What was done for a tenant since the server began.

    Attributes:
        waiting, working, wait_ns: now; the wait that a request would have to expect.
        references: certificates kept, now.
        requests: by kind.
        verdicts: by reason.
        errors: by name.
        latency: (from, requests): how many were answered in at least so many nanoseconds, and less than the next one's.
        latency_ns: the sum of all.
    """

    waiting: int
    working: int
    wait_ns: int
    references: int
    requests: dict[str, int]
    verdicts: dict[Reason, int]
    errors: dict[str, int]
    latency: list[tuple[int, int]]
    latency_ns: int


class Core:
    """A native server. All calls from one thread, but for the counts.

    Args:
        limits: of the configuration.
        threads: workers; 0: none, and `work` does their work.
        at: the time to judge at, seconds; None: the clock's.

    Raises:
        ValueError: a limit is outside what the core takes.
        OSError: the system gave no eventfd.
    """

    def __init__(self, limits: Limits, *, threads: int, at: int | None = None) -> None:
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable when `answered` has something to tell."""
        options = ffi.new(
            "seki_server_options *",
            {
                "threads": threads,
                "wake": self.wake,
                "frame_bytes": limits.frame_bytes,
                "connections": limits.connections,
                "connection_rows": min(limits.connection_rows, limits.rows),
                "rows": limits.rows,
                "batch_rows": limits.batch_rows,
                "backlog_bytes": limits.backlog_bytes // 2,
                "deadline_ms": limits.deadline_ms,
                "idle_ms": limits.idle_s * 1000,
                "handshake_ms": limits.handshake_s * 1000,
                "at": -1 if at is None else at,
            },
        )
        out = ffi.new("seki_server **")
        try:
            check(lib.seki_server_new(options, out), "making a server")
        except BaseException:
            os.close(self.wake)
            raise
        self.native: Any = out[0]
        self._tenants: dict[int, Any] = {}
        self._held: dict[int, list[Tenant]] = {}
        self._tokens = ffi.new("uint64_t[]", ANSWERED_AT_ONCE)
        self._count = ffi.new("uint64_t *")

    def put(self, tenants: Iterable[Tenant]) -> None:
        """Makes these the tenants. One that is there already goes on with its new parts; one that is gone offers nothing more."""
        given = {one.number: one for one in tenants}
        for number in [*given, *(gone for gone in self._tenants if gone not in given)]:
            if number not in self._tenants:
                out = ffi.new("seki_tenant **")
                check(lib.seki_tenant_new(self.native, number, REFERENCE_BYTES, out), f"making tenant {number}")
                self._tenants[number] = out[0]
            native, tenant = self._tenants[number], given.get(number)
            profiles = [] if tenant is None else [_profile(tenant, one) for one in tenant.verifiers.values()]
            check(
                lib.seki_tenant_put(native, ffi.new("seki_tenant_profile[]", profiles), len(profiles)),
                "changing a tenant",
            )
            # What was there before may be in use by batches under way.
            held = self._held.setdefault(number, [])
            held[:] = held[-int(lib.seki_tenant_replaced(native)) :] if lib.seki_tenant_replaced(native) else []
            if tenant is not None:
                held.append(tenant)

    def tenant(self, number: int) -> Any:
        """The native form of a tenant; None: there is none."""
        return self._tenants.get(number)

    def answered(self) -> list[int]:
        """Tokens of connections that have something new to say."""
        check(lib.seki_server_answered(self.native, self._tokens, ANSWERED_AT_ONCE, self._count), "collecting answers")
        return list(self._tokens[0 : self._count[0]])

    def work(self, now: int | None = None) -> int:
        """Without workers: does one batch, and says how many requests it was."""
        check(lib.seki_server_work(self.native, time.monotonic_ns() if now is None else now, self._count), "working")
        return int(self._count[0])

    def expire(self, now: int | None = None) -> None:
        """Ends connections whose time is over. To be called about once a second."""
        check(
            lib.seki_server_expire(self.native, time.monotonic_ns() if now is None else now), "ending idle connections"
        )

    def drain(self) -> None:
        """Says goodbye to all, and refuses what comes from here on."""
        check(lib.seki_server_drain(self.native), "draining")

    def count(self) -> ServerCount:
        """What it has and did."""
        out = ffi.new("seki_server_statistics *")
        check(lib.seki_server_read_statistics(self.native, out), "reading a server's counts")
        return ServerCount(**{name: getattr(out, name) for name in ServerCount.__dataclass_fields__})

    def tenant_count(self, number: int) -> TenantCount:
        """What was done for a tenant.

        Raises:
            KeyError: there is no such tenant.
        """
        out = ffi.new("seki_tenant_statistics *")
        check(lib.seki_tenant_read_statistics(self._tenants[number], out), "reading a tenant's counts")
        return TenantCount(
            waiting=out.waiting,
            working=out.working,
            wait_ns=out.wait_ns,
            references=out.references,
            requests={name: out.requests[kind] for kind, name in KINDS.items()},
            verdicts={reason: out.verdicts[reason] for reason in Reason if out.verdicts[reason]},
            errors={name: out.errors[code] for code, name in CODES.items() if out.errors[code]},
            latency=[(LATENCY_FROM_NS[index], n) for index, n in enumerate(out.latency) if n],
            latency_ns=out.latency_ns,
        )

    def tenant_counts(self) -> list[TenantCount]:
        """What was done for each tenant that was ever there, so that sums never fall."""
        return [self.tenant_count(number) for number in self._tenants]

    def close(self) -> None:
        """Ends the workers, and frees all connections that are left."""
        if self.native is not None:
            lib.seki_server_free(self.native)
            self.native = None
            os.close(self.wake)


def _profile(tenant: Tenant, verifier: Any) -> dict[str, Any]:
    keys, claims = verifier.challenges, verifier.claims
    return {
        "verifier": verifier.native,
        "keys": ffi.NULL if keys is None else keys.native,
        "claims": ffi.NULL if claims is None else claims.native,
        "expect": verifier.expectation,
        "lifetime": tenant.lifetime,
        "issues": int(keys is not None and keys.current is not None),
    }
