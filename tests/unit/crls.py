"""CRLs for tests: signed by the keys of tests.unit.chains, put into snapshots without a store."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from tests.unit.chains import DAY, Made, dn, key

from sekisho.revocation.crl import Crl
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotWriter
from sekisho.testing import AT

_numbers = itertools.count(1)


def when(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def serial_of(holder: Made) -> int:
    return x509.load_der_x509_certificate(holder.der).serial_number


def crl(
    issuer: Made,
    revoked: Iterable[Made | int] = (),
    *,
    reasons: Sequence[x509.ReasonFlags | None] = (),
    this_update: int = AT - 3600,
    next_update: int = AT + DAY,
    number: int | None = 1,
    base: int | None = None,
    idp: x509.IssuingDistributionPoint | None = None,
    signed_by: Made | None = None,
    revoked_at: int = AT - 7200,
    entry_extensions: Sequence[Sequence[x509.ExtensionType]] = (),
) -> bytes:
    """A CRL of that issuer's name and key, DER."""
    signer = key((signed_by or issuer).key)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(dn(issuer.name))
        .last_update(when(this_update))
        .next_update(when(next_update))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    if idp is not None:
        builder = builder.add_extension(idp, critical=True)
    for i, one in enumerate(revoked):
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(one if isinstance(one, int) else serial_of(one))
            .revocation_date(when(revoked_at))
        )
        if i < len(reasons) and (reason := reasons[i]) is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        for extension in entry_extensions[i] if i < len(entry_extensions) else ():
            entry = entry.add_extension(extension, critical=isinstance(extension, x509.CertificateIssuer))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def partition(*names: str, **flags: object) -> x509.IssuingDistributionPoint:
    """An issuingDistributionPoint of directoryNames."""
    full = [x509.DirectoryName(dn(name)) for name in names] or None
    how: dict[str, object] = {
        "full_name": full,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**how, **flags})  # type: ignore[arg-type]


def points(
    *names: str, reasons: frozenset[x509.ReasonFlags] | None = None, crl_issuer: str = ""
) -> x509.CRLDistributionPoints:
    """cRLDistributionPoints, a DistributionPoint a name."""
    issuer = [x509.DirectoryName(dn(crl_issuer))] if crl_issuer else None
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.DirectoryName(dn(name))], None, reasons, issuer) for name in names]
    )


def identity(made: Made) -> bytes:
    """SHA-256 of subject and SubjectPublicKeyInfo: what an issuer is known by."""
    return identity_of(made.der)


def identity_of(der: bytes) -> bytes:
    """The same of a certificate in DER."""
    certificate = x509.load_der_x509_certificate(der)
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(certificate.subject.public_bytes() + spki).digest()


def read(der: bytes) -> Crl:
    made = Crl.of(der)
    assert made.reason is None, made.reason
    return made


def snapshot(folder: Path, lists: Iterable[tuple[bytes, Made, Iterable[Made]]], **how: int) -> Snapshot:
    """A base of CRLs, each with its signer and the anchors it counts under."""
    number = next(_numbers)
    path = folder / f"base-{number}"
    with SnapshotWriter(path, id=how.get("id", number), built_at=AT) as writer:
        for der, signer, anchors in lists:
            assert writer.add(read(der), signer=identity(signer), anchors=[identity(one) for one in anchors]) is None
        writer.end()
    return Snapshot(path)


def overlay(
    folder: Path, base: Snapshot, deltas: Iterable[tuple[int, bytes, Made]], before: Snapshot | None = None
) -> Snapshot:
    """An overlay of delta CRLs, each with the source it changes and its signer."""
    number = next(_numbers)
    path = folder / f"overlay-{number}"
    with SnapshotWriter(path, id=number, built_at=AT, base=base) as writer:
        changed = set()
        for source, der, signer in deltas:
            assert writer.change(source, read(der), signer=identity(signer), before=before) is None
            changed.add(source)
        for one in () if before is None else before.sources():
            if one.base_source not in changed:
                assert one.base_source is not None
                assert writer.change(one.base_source, None, before=before) is None
        writer.end()
    return Snapshot(path)


def in_force(base: Snapshot, over: Snapshot | None = None) -> Revocation:
    revocation = Revocation()
    revocation.publish(base, over)
    return revocation
