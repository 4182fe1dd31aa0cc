"""The desk: every question that can be asked of a server's tenants, each with its batcher."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from sekisho.server.sidecar.batcher import Admission, Answers, Batcher, Overloaded
from sekisho.server.sidecar.metrics import Metrics
from sekisho.server.tenants import Tenant, Tenants
from sekisho.verdicts import Verdicts
from sekisho.verifier import LoginBatch, Verifier

__all__ = ["CertificateRow", "Desk", "LoginRow", "Overloaded"]


AT_ONCE: Final = 0.0005
"""Seconds of a call about certificates that the event loop waits for: 32 that were seen before take a fifth of it; to wake a
thread takes as long as they do."""


@dataclass(frozen=True, slots=True)
class LoginRow:
    """A login as `LoginBatch` has it; `transaction` is a SHA-256 or empty."""

    certificate: bytes
    challenge: bytes
    signature: bytes
    intermediates: bytes = b""
    binding: bytes = b""
    transaction: bytes = b""
    request: bytes = b""

    def __repr__(self) -> str:
        return "<LoginRow>"  # a log line must not carry who logs in


CertificateRow = tuple[bytes, bytes]
"""A certificate, and the intermediates that came along end to end; DER."""


class Desk:
    """Batchers over one state of the configuration; a reload makes another, and what was begun here comes to its end here."""

    def __init__(self, tenants: Tenants, metrics: Metrics, executor: ThreadPoolExecutor, admission: Admission) -> None:
        self.tenants = tenants
        limits = tenants.config.limits
        self._certificates: dict[Verifier, Batcher[CertificateRow]] = {}
        self._logins: dict[Verifier, Batcher[LoginRow]] = {}
        for tenant in tenants:
            for verifier in tenant.verifiers.values():
                self._certificates[verifier] = Batcher(
                    partial(_certificates, tenant, verifier),
                    executor=executor,
                    admission=admission,
                    batch_rows=limits.batch_rows,
                    observe=metrics.batch("certificates", tenant.name),
                    at_once=AT_ONCE,
                )
                self._logins[verifier] = Batcher(
                    partial(_logins, tenant, verifier),
                    executor=executor,
                    admission=admission,
                    batch_rows=limits.batch_rows,
                    observe=metrics.batch("logins", tenant.name),
                )

    def certificates(self, verifier: Verifier, rows: Sequence[CertificateRow]) -> asyncio.Future[Answers]:
        """Verdicts on certificates alone; `CERTIFICATE_OK` is no login.

        Raises:
            Overloaded: nothing was looked at.
        """
        return self._certificates[verifier].ask(rows)

    def certificate_now(self, verifier: Verifier, row: CertificateRow) -> Answers | None:
        """The verdict on one certificate where no other waits; None: ask for it."""
        return self._certificates[verifier].answer_now((row,))

    def logins(self, verifier: Verifier, rows: Sequence[LoginRow]) -> asyncio.Future[Answers]:
        """Verdicts on logins.

        Raises:
            Overloaded: nothing was looked at.
        """
        return self._logins[verifier].ask(rows)


def _certificates(tenant: Tenant, verifier: Verifier, rows: Sequence[CertificateRow]) -> Verdicts:
    intermediates = [below for _, below in rows]
    return verifier.verify_certificates(
        [leaf for leaf, _ in rows], intermediates if any(intermediates) else None, at=tenant.at
    )


def _logins(tenant: Tenant, verifier: Verifier, rows: Sequence[LoginRow]) -> Verdicts:
    own = verifier.profile.challenge == "own"
    batch = LoginBatch(
        certificates=[row.certificate for row in rows],
        challenges=[row.challenge for row in rows],
        signatures=[row.signature for row in rows],
        intermediates=[row.intermediates for row in rows],
        bindings=[row.binding for row in rows] if own else None,
        transactions=[row.transaction for row in rows] if own else None,
        requests=[row.request for row in rows] if own else None,
    )
    return verifier.verify_logins(batch, at=tenant.at)
