"""Whether the server lives, and whether it is ready: for those who send traffic to it."""

from __future__ import annotations

from sekisho.server.sidecar.service import Service

__all__ = ["faults"]


def faults(service: Service) -> list[str]:
    """Why the server is not ready, in kebab-case; empty: it is.

    A partition that is stale is none: its certificates are refused by name, and the others are not.
    """
    found = []
    if service.draining:
        found.append("draining")
    if not service.self_test_passed:
        found.append("self-test-failed")
    tenants = service.tenants
    if tenants.looks_at_revocation and (tenants.store is None or tenants.store.revocation.id == 0):
        found.append("no-revocation-snapshot")
    return found
