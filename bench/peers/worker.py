"""Peers that are Python packages.  ``python worker.py cryptography|cryptography-cold|aws-lc FILE``; protocol: loop.h.

Stands by itself: it imports nothing of sekisho.
"""

# ruff: noqa: PLC0415 - each peer imports its own package, and no other one
from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

RSA, P256, P384, ED25519 = 1, 2, 3, 4
Verify = Callable[[], object]
"""Verifies one row; raises, or returns False, where it is wrong."""


class Rows:
    def __init__(self, path: str) -> None:
        self._data = Path(path).read_bytes()
        if self._data[:8] != b"SEKIROW1":
            raise ValueError("not a file of rows")
        self.algorithm, self.good, bad, anchors, self.at = struct.unpack_from("<IIIIq", self._data, 8)
        self._next = 32
        self.anchors = [self._blob() for _ in range(anchors)]
        self.rows = [(self._blob(), self._blob(), self._blob(), self._blob()) for _ in range(self.good + bad)]

    def _blob(self) -> bytes:
        (size,) = struct.unpack_from("<I", self._data, self._next)
        start = self._next + 4
        self._next = start + size
        return self._data[start : self._next]


def cryptography_arguments(rows: Rows, prehashed: bool) -> tuple[Any, ...]:
    """What `verify` takes after signature and data."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

    algorithm: Any = hashes.SHA384() if rows.algorithm == P384 else hashes.SHA256()
    if prehashed:
        algorithm = utils.Prehashed(algorithm)
    if rows.algorithm == RSA:
        return (padding.PKCS1v15(), algorithm)
    return () if rows.algorithm == ED25519 else (ec.ECDSA(algorithm),)


def cryptography_kept(rows: Rows) -> tuple[str, list[Verify]]:
    import cryptography
    from cryptography.hazmat.backends.openssl import backend
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    arguments = cryptography_arguments(rows, prehashed=True)

    def prepare(spki: bytes, message: bytes, digest: bytes, signature: bytes) -> Verify:
        verify: Any = load_der_public_key(spki).verify  # type: ignore[union-attr]
        data = message if rows.algorithm == ED25519 else digest
        return lambda: verify(signature, data, *arguments)

    version = f"cryptography {cryptography.__version__} ({backend.openssl_version_text()})"
    return version, [prepare(*row) for row in rows.rows]


def cryptography_cold(rows: Rows) -> tuple[str, list[Verify]]:
    import cryptography
    from cryptography.hazmat.backends.openssl import backend
    from cryptography.x509 import CertificatePolicies, load_der_x509_certificate
    from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

    store = Store([load_der_x509_certificate(anchor) for anchor in rows.anchors])
    # Its own policy asks for a subjectAltName and takes no critical certificatePolicies, which JPKI leaves have.
    leaf_policy = ExtensionPolicy.permit_all().may_be_present(CertificatePolicies, Criticality.AGNOSTIC, None)
    verifier = (
        PolicyBuilder()
        .store(store)
        .time(datetime.fromtimestamp(rows.at, UTC))
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf_policy)
        .build_client_verifier()
    )
    arguments = cryptography_arguments(rows, prehashed=False)

    def prepare(certificate: bytes, message: bytes, _digest: bytes, signature: bytes) -> Verify:
        def verify() -> None:
            leaf = load_der_x509_certificate(certificate)
            verifier.verify(leaf, [])
            key: Any = leaf.public_key()
            key.verify(signature, message, *arguments)

        return verify

    version = f"cryptography {cryptography.__version__} ({backend.openssl_version_text()})"
    return version, [prepare(*row) for row in rows.rows]


def aws_lc(rows: Rows) -> tuple[str, list[Verify]]:
    import awscrt
    from awscrt.crypto import EC, RSASignatureAlgorithm
    from awscrt.crypto import RSA as AwsRsa

    def prepare(spki: bytes, _message: bytes, digest: bytes, signature: bytes) -> Verify:
        if rows.algorithm == RSA:
            verify_rsa = AwsRsa.new_public_key_from_der_data(_rsa_public_key(spki)).verify
            return lambda: verify_rsa(RSASignatureAlgorithm.PKCS1_5_SHA256, digest, signature)
        verify_ec = EC.new_key_from_der_data(spki).verify
        return lambda: verify_ec(digest, signature)

    return f"awscrt {awscrt.__version__}", [prepare(*row) for row in rows.rows]


def _rsa_public_key(spki: bytes) -> bytes:
    """The RSAPublicKey (RFC 8017, A.1.1) in a SubjectPublicKeyInfo, which awscrt wants bare."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    return load_der_public_key(spki).public_bytes(Encoding.DER, PublicFormat.PKCS1)


def right(verify: Verify) -> bool:
    try:
        return verify() is not False
    except Exception:  # each package has exceptions of its own for a wrong signature
        return False


def serve(rows: Rows, verifiers: list[Verify]) -> None:
    good = verifiers[: rows.good]
    at = 0
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "check":
            print("check", "".join("1" if right(verify) else "0" for verify in verifiers), flush=True)
            continue
        if command != "run":
            raise ValueError(f"unknown command {command!r}")
        wanted, wrong, spent, cpu = int(argument), 0, 0.0, 0.0
        while wanted:
            piece = good[at : at + wanted]
            wanted -= len(piece)
            at = (at + len(piece)) % rows.good
            start, cpu_start = perf_counter(), thread_time()
            try:
                wrong += sum(verify() is False for verify in piece)
            except Exception:
                wrong += sum(not right(verify) for verify in piece)
            spent += perf_counter() - start
            cpu += thread_time() - cpu_start
        print(f"ran {spent:.9f} {cpu:.9f} {wrong}", flush=True)


def main() -> None:
    what, path = sys.argv[1:]
    rows = Rows(path)
    prepare = {"cryptography": cryptography_kept, "cryptography-cold": cryptography_cold, "aws-lc": aws_lc}[what]
    version, verifiers = prepare(rows)
    print("ready", version, flush=True)
    serve(rows, verifiers)


if __name__ == "__main__":
    main()
