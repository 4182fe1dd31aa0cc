"""The six CA certificates of JPKI that come with sekisho: read, told apart by key, admitted or refused by date."""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.reasons import Reason
from sekisho.trust import IssuerReport, TrustStore

__all__ = ["Generation", "generations"]


@dataclass(frozen=True)
class Generation:
    """One generation of one of JPKI's two CAs.

    Attributes:
        name: what it issues for: "user authentication" or "digital signature".
        number: 1, 2, 3, by the beginning of its validity.
        report: what the trust store made of it.
        reason: why a certificate under it is refused at the moment asked about; None if it is admitted.
    """

    name: str
    number: int
    report: IssuerReport
    reason: Reason | None


def generations(at: int) -> list[Generation]:
    """All six, as they stand at `at` (seconds since 1970); the CA for logins first, the oldest generation first."""
    by_name: dict[str, list[IssuerReport]] = {}
    for issuer in TrustStore.jpki().issuers:
        by_name.setdefault(issuer.subject, []).append(issuer)
    return [
        Generation(_purpose(subject), number, issuer, _refusal(issuer, at))
        for subject in sorted(by_name, key=_purpose, reverse=True)
        for number, issuer in enumerate(sorted(by_name[subject], key=lambda one: one.window or (0, 0)), 1)
    ]


def _purpose(subject: str) -> str:
    return next(part.partition("JPKI for ")[2] for part in subject.split(",") if "JPKI for " in part)


def _refusal(issuer: IssuerReport, at: int) -> Reason | None:
    if issuer.reason is not None:
        return issuer.reason
    if issuer.window is None:
        return Reason.CERTIFICATE_MALFORMED
    begins, ends = issuer.window
    return Reason.ISSUER_NOT_YET_VALID if at < begins else Reason.ISSUER_EXPIRED if at > ends else None
