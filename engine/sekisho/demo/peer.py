"""The same work done with `cryptography`: parse, build the path with its ClientVerifier, verify the signature.

It does less than sekisho: no challenge is checked and none is claimed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

__all__ = ["Peer"]


class Peer:
    """`cryptography` as a relying party would use it, for RSA in mode A.

    Args:
        trust: CA certificates, DER.
        at: the moment to judge at, seconds since 1970.
    """

    def __init__(self, trust: Sequence[bytes], at: int) -> None:
        store = Store([x509.load_der_x509_certificate(der) for der in trust])
        # JPKI's leaves have no subjectAltName, and a critical certificatePolicies, which its defaults refuse.
        leaf = ExtensionPolicy.permit_all().may_be_present(x509.CertificatePolicies, Criticality.AGNOSTIC, None)
        policy = PolicyBuilder().store(store).time(datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
        policy = policy.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf)
        self._verifier = policy.build_client_verifier()
        self._padding, self._hash = padding.PKCS1v15(), hashes.SHA256()

    def cold(self, certificates: Sequence[bytes], challenges: Sequence[bytes], signatures: Sequence[bytes]) -> float:
        """Seconds for all of them, each certificate as if never seen; raises if one is refused."""
        load, verify, scheme, digest = x509.load_der_x509_certificate, self._verifier.verify, self._padding, self._hash
        start = time.perf_counter()
        for der, challenge, signature in zip(certificates, challenges, signatures, strict=True):
            certificate = load(der)
            verify(certificate, [])
            cast(Any, certificate.public_key()).verify(signature, challenge, scheme, digest)
        return time.perf_counter() - start

    def keys(self, certificates: Sequence[bytes]) -> list[RSAPublicKey]:
        """What a relying party would keep of certificates that it has seen."""
        return [cast(RSAPublicKey, x509.load_der_x509_certificate(der).public_key()) for der in certificates]

    def warm(self, keys: Sequence[RSAPublicKey], challenges: Sequence[bytes], signatures: Sequence[bytes]) -> float:
        """Seconds for the signatures alone, by kept keys: no certificate is looked at again, not even its dates."""
        scheme, digest = self._padding, self._hash
        start = time.perf_counter()
        for key, challenge, signature in zip(keys, challenges, signatures, strict=True):
            key.verify(signature, challenge, scheme, digest)
        return time.perf_counter() - start
