"""Chains of certificates to try, with P-256 keys that are the same for the same label, and a verifier to ask about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sekisho.engine import Engine
from sekisho.modes import Mode
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

DAY = 86_400
NOW = (AT - 30 * DAY, AT + 30 * DAY)
PAST = (AT - 30 * DAY, AT - DAY)
FUTURE = (AT + DAY, AT + 30 * DAY)
OK = Reason.CERTIFICATE_OK
Extra = tuple[x509.ExtensionType, bool]

PROFILE = Profile(
    name="chains",
    purpose="other",
    signature_algorithms=("ecdsa-sha256",),
    p256_mode=Mode.parse("ecdsa-sha256-der"),
    path_length_max=16,
    intermediates_max=16,
    revocation="off",
    challenge="foreign",
    test=True,
)


@cache
def key(label: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(label.encode()).digest()) >> 1, ec.SECP256R1())


def dn(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass(frozen=True)
class Made:
    der: bytes
    name: str
    key: str

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


def usage(is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def make(
    name: str,
    issuer: Made | None = None,
    *,
    own_key: str = "",
    window: tuple[int, int] = NOW,
    path_length: int | None = None,
    is_ca: bool = True,
    extra: Iterable[Extra] = (),
    hash_: hashes.HashAlgorithm | None = None,
    serial: int | None = None,
) -> Made:
    """A CA certificate (or another) under `issuer`; None: self-signed.  Two calls with the same arguments give the same bytes."""
    label = own_key or name
    own, signer = key(label).public_key(), key(issuer.key if issuer else label)
    seed = repr((name, label, issuer, window, path_length, list(extra)))
    builder = (
        x509.CertificateBuilder()
        .subject_name(dn(name))
        .issuer_name(dn(issuer.name if issuer else name))
        .public_key(own)
        .serial_number(serial or int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) >> 1 | 1)
        .not_valid_before(datetime.fromtimestamp(window[0], UTC))
        .not_valid_after(datetime.fromtimestamp(window[1], UTC))
        .add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
        .add_extension(usage(is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    made = builder.sign(signer, hash_ or hashes.SHA256(), ecdsa_deterministic=True)
    return Made(made.public_bytes(serialization.Encoding.DER), name, label)


def leaf(issuer: Made, name: str = "holder", **how: object) -> Made:
    return make(name, issuer, is_ca=False, **how)  # type: ignore[arg-type]


def store(anchors: Iterable[Made], intermediates: Iterable[Made] = ()) -> TrustStore:
    return TrustStore([one.der for one in anchors], [one.der for one in intermediates])


def verifier(trust: TrustStore, profile: Profile = PROFILE, *, cache_bytes: int = 0) -> Verifier:
    return Verifier(trust, profile, engine=Engine(threads=1, cache_bytes=cache_bytes, cross_check_one_in=1))


def reason(judge: Verifier, holder: Made, sent: Iterable[Made] = (), *, at: int = AT) -> Reason:
    return judge.verify_certificates([holder.der], [b"".join(one.der for one in sent)], at=at)[0].reason
