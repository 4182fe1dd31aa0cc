"""Cases that CRLs decide: PKITS whole, x509-limbo's crl::*, BoringSSL's CRLs, each through what a user would call."""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.revocation.crl import Crl
from sekisho.revocation.ingest import Candidate, judge_complete, scope_of
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotWriter
from sekisho.revocation.store import RevocationStore
from sekisho.verifier import Verifier
from tests.conformance.path_cases import PathCase, Settings, profile_for, trust_of
from tests.conformance.suites import ROOT, only, read
from tests.unit.crls import identity_of

CRLS: Final = "boringssl-pki/crl"


def verdict_with_crls(case: PathCase, engine: Engine, *, configured: bool = False) -> Reason:
    """The engine's answer when the case's CRLs went through a store, and every certificate must be known to be good.

    The store knows the CAs of the chain; the verifier has them in its trust store, or gets them with the leaf.
    """
    known, refused = trust_of(case, configured=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        RevocationStore(Path(folder) / "store", known, signers=case.sent, engine=engine) as store,
    ):
        store.update(case.crls, at=case.at)
        trust = known if configured else trust_of(case)[0]
        profile = replace(profile_for(case.settings), name="conformance-crls", revocation="required")
        judge = Verifier(trust, profile, revocation=store.revocation, engine=engine)
        sent = b"" if configured else b"".join(case.sent)
        reason = judge.verify_certificates([case.leaf], [sent], at=case.at)[0].reason
    return refused if refused is not None and reason is Reason.ISSUER_UNKNOWN else reason


# ---- BoringSSL's CRLs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class CrlCase:
    """One certificate, its issuer, perhaps an older or newer certificate of that, and one CRL.

    `expected`: "good", "revoked" or "unknown", which means that neither may be said.
    """

    case: str
    expected: str
    leaf: bytes
    issuers: tuple[bytes, ...]
    crl: bytes
    at: int
    age_max: int

    @cached_property
    def summary(self) -> Any:
        """The CRL as `cryptography` reads it; None if it does not."""
        try:
            return x509.load_der_x509_crl(self.crl)
        except ValueError:
            return None


@lru_cache(maxsize=1)
def crl_cases() -> tuple[list[CrlCase], int]:
    """Every case of BoringSSL's CRLs, and how many the file holds."""
    data = read(
        ROOT / f"{CRLS}.json", {"what", "source", "licence", "verify_time", "max_age_seconds", "notes", "cases"}
    )
    at = int(datetime.fromisoformat(data["verify_time"]).timestamp())
    cases = []
    for one in data["cases"]:
        only(one, {"id", "expected", "cls", "cert", "issuer", "issuer2", "crl"}, one["id"])
        assert one["expected"] in ("good", "revoked", "unknown"), one["id"]
        issuers = [base64.b64decode(one[name]) for name in ("issuer", "issuer2") if one[name]]
        cases.append(
            CrlCase(
                case=one["id"],
                expected=one["expected"],
                leaf=base64.b64decode(one["cert"]),
                issuers=tuple(issuers),
                crl=base64.b64decode(one["crl"]),
                at=at,
                age_max=data["max_age_seconds"],
            )
        )
    return cases, len(data["cases"])


def status(case: CrlCase) -> Reason | None:
    """What is in force says of the certificate; None: good.

    The suite's keys have 1,024 bits, which no trust store of sekisho takes: who signed is asked of `cryptography`, all else
    (form, times, scope, entries, age) of what a store asks.
    """
    crl = Crl.of(case.crl)
    if crl.reason is not None:
        return crl.reason
    signer = _signer(case)
    if signer is None:
        return Reason.CRL_SIGNATURE_WRONG
    summary, anchor = crl.summary, identity_of(signer)
    flags = (summary.indirect, summary.only_user, summary.only_ca)
    scope = scope_of(crl.points, flags, summary.reasons, anchor)
    one = Candidate(case.case, crl, summary, (), (anchor,), scope)
    reason = judge_complete(one, None, case.at, 0, expired_too=False, unnumbered=True)
    if reason is not None:
        return reason
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot"
        with SnapshotWriter(path, id=1, built_at=case.at) as writer:
            if (reason := writer.add(crl, signer=anchor, anchors=[anchor])) is not None:
                return reason
            writer.end()
        revocation = Revocation()
        revocation.publish(Snapshot(path))
        profile = replace(
            profile_for(Settings()), name="conformance-crls", revocation="required", revocation_age_max=case.age_max
        )
        return revocation.ask(case.leaf, anchor=anchor, signer=anchor, profile=profile, at=case.at).reason


def _signer(case: CrlCase) -> bytes | None:
    """The issuer's certificate whose key signed the CRL and may, by `cryptography`; issuers of one name are one here."""
    crl = case.summary
    if crl is None:
        return None
    for der in case.issuers:
        issuer = x509.load_der_x509_certificate(der)
        key = issuer.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        try:
            key.verify(crl.signature, crl.tbs_certlist_bytes, padding.PKCS1v15(), crl.signature_hash_algorithm)
            usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        except InvalidSignature:
            continue
        except x509.ExtensionNotFound:
            return der
        return der if usage.crl_sign else None
    return None
