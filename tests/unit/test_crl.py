"""CRLs from Python: what `cryptography` signs is read alike, from bytes, pieces and files, in DER and PEM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sekisho.reasons import Reason
from sekisho.revocation.crl import Crl, CrlEntry

THIS = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
KEY = ec.generate_private_key(ec.SECP384R1())


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def builder() -> x509.CertificateRevocationListBuilder:
    return x509.CertificateRevocationListBuilder(ISSUER, THIS, THIS + timedelta(days=1)).add_extension(
        x509.CRLNumber(300), critical=False
    )


def revoked(serial: int, *extensions: x509.ExtensionType) -> x509.RevokedCertificate:
    one = x509.RevokedCertificateBuilder(serial, THIS - timedelta(days=serial % 1000))
    for extension in extensions:
        one = one.add_extension(extension, critical=False)
    return one.build()


@pytest.fixture(scope="module")
def signed() -> x509.CertificateRevocationList:
    made = builder()
    for serial in range(1, 2000):
        made = made.add_revoked_certificate(
            revoked(serial**3, *([x509.CRLReason(x509.ReasonFlags.key_compromise)] if serial % 2 else []))
        )
    made = made.add_revoked_certificate(revoked(1 << 150, x509.InvalidityDate(THIS - timedelta(days=9))))
    return made.sign(KEY, hashes.SHA384())


def test_a_list_is_read_as_it_was_signed(signed: x509.CertificateRevocationList) -> None:
    crl = Crl.of(signed.public_bytes(Encoding.DER))
    assert crl.reason is None
    summary, parts = crl.summary, crl.parts
    assert (summary.this_update, summary.next_update) == (seconds(THIS), seconds(THIS + timedelta(days=1)))
    assert (summary.number, summary.base_number, summary.delta, summary.entries, summary.sets) == (
        300,
        None,
        False,
        2000,
        1,
    )
    assert summary.sha256 == signed.fingerprint(hashes.SHA256())
    assert parts.issuer == ISSUER.public_bytes()
    digest = hashes.Hash(hashes.SHA384())
    digest.update(signed.tbs_certlist_bytes)
    assert summary.digest == digest.finalize()
    KEY.public_key().verify(parts.signature, signed.tbs_certlist_bytes, ec.ECDSA(hashes.SHA384()))
    assert crl.set_issuer(0) == summary.issuer_form
    assert len(crl.points) == 1
    entries = crl.entries()
    assert isinstance(entries, list)
    assert len(entries) == 2000
    assert entries[0] == CrlEntry(serial=1, reason=1, date=seconds(THIS - timedelta(days=1)), invalidity=None, issuer=0)
    assert {one.serial for one in entries} == {one.serial_number for one in signed}
    assert entries[-1].invalidity == seconds(THIS - timedelta(days=9))
    with pytest.raises(ValueError, match="entries of a CRL"):  # they are gone, which must not pass for none
        crl.entries()


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_files_and_pieces(signed: x509.CertificateRevocationList, encoding: Encoding, tmp_path: Path) -> None:
    data = signed.public_bytes(encoding)
    path = tmp_path / "ca.crl"
    path.write_bytes(data)
    read = Crl.read(path)
    pieces = Crl(memory_bytes=1, spill_directory=tmp_path)  # entries go to a file from the 1,024th on
    for at in range(0, len(data), 999):
        assert pieces.feed(memoryview(data)[at : at + 999]) is None
    assert pieces.end() is None
    assert read.summary == pieces.summary
    assert read.summary.pem is (encoding is Encoding.PEM)
    assert read.entries() == pieces.entries() == Crl.of(signed.public_bytes(Encoding.DER)).entries()
    assert [one.name for one in tmp_path.iterdir()] == ["ca.crl"]


def test_ed25519_signs_the_list_itself() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signed = builder().sign(key, None)
    crl = Crl.of(signed.public_bytes(Encoding.DER))
    assert (crl.summary.hash, crl.summary.digest) == (0, b"")
    key.public_key().verify(crl.parts.signature, crl.parts.tbs)


def test_a_refused_list_says_nothing(signed: x509.CertificateRevocationList) -> None:
    data = signed.public_bytes(Encoding.DER)
    crl = Crl.of(data[:-1])
    assert crl.reason is Reason.CRL_TRUNCATED
    assert crl.fault == len(data) - 1
    for ask in (lambda: crl.summary, lambda: crl.parts, lambda: crl.points, lambda: crl.set_issuer(0), crl.entries):
        with pytest.raises(ValueError, match="CRL"):
            ask()
    assert Crl.of(data + b"\0").reason is Reason.CRL_TRAILING_DATA
    with pytest.raises(ValueError, match="CRL"):
        crl.feed(b"more")


def test_nothing_is_said_before_the_end(signed: x509.CertificateRevocationList) -> None:
    crl = Crl()
    assert crl.feed(signed.public_bytes(Encoding.DER)) is None
    with pytest.raises(ValueError, match="CRL"):
        _ = crl.summary


def test_one_serial_twice() -> None:
    signed = (
        builder().add_revoked_certificate(revoked(7)).add_revoked_certificate(revoked(7)).sign(KEY, hashes.SHA256())
    )
    crl = Crl.of(signed.public_bytes(Encoding.DER))
    assert crl.reason is None
    assert crl.entries() is Reason.CRL_ENTRY_DUPLICATE
