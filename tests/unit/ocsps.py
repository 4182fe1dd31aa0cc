"""OCSP responses for tests: each field as it is told, signed by the keys of tests.unit.chains; and real responders."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.unit.chains import DAY, Extra, Made, dn, key, make

from sekisho.modes import Mode
from sekisho.profiles import Profile
from sekisho.testing import AT
from sekisho.testing.der import (
    NULL,
    TRUE,
    bit_string,
    context,
    context_primitive,
    generalized_time,
    integer,
    octet_string,
    oid,
    sequence,
    tlv,
)

ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))
BASIC = "1.3.6.1.5.5.7.48.1.1"
NONCE = "1.3.6.1.5.5.7.48.1.2"
_HASHES = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2"}

PROFILE = Profile(
    name="ocsp",
    purpose="other",
    signature_algorithms=("ecdsa-sha256",),
    p256_mode=Mode.parse("ecdsa-sha256-der"),
    path_length_max=16,
    intermediates_max=16,
    clock_skew=60,
    revocation_age_max=2 * DAY,
    challenge="foreign",
)
SIGNING: tuple[Extra, ...] = ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),)
NO_CHECK: tuple[Extra, ...] = (*SIGNING, (x509.OCSPNoCheck(), False))


def responder(issuer: Made, name: str = "responder", extra: Iterable[Extra] = NO_CHECK, **how: object) -> Made:
    """A delegate of that issuer."""
    return make(name, issuer, is_ca=False, extra=tuple(extra), **how)  # type: ignore[arg-type]


def extension(number: str, value: bytes, *, critical: bool = False) -> bytes:
    return sequence(oid(number), TRUE if critical else b"", octet_string(value))


def nonce(octets: bytes) -> bytes:
    return extension(NONCE, octet_string(octets))


def key_bits(made: Made) -> bytes:
    return (
        key(made.key)
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )


def serial_of(made: Made) -> int:
    return x509.load_der_x509_certificate(made.der).serial_number


def certificate_id(
    issuer: Made,
    serial: int,
    *,
    hash_name: str = "sha1",
    parameters: bytes = NULL,
    name: bytes | None = None,
    bits: bytes | None = None,
) -> bytes:
    def digest(octets: bytes) -> bytes:
        return hashlib.new(hash_name, octets, usedforsecurity=False).digest()

    return sequence(
        sequence(oid(_HASHES[hash_name]), parameters),
        octet_string(digest(dn(issuer.name).public_bytes() if name is None else name)),
        octet_string(digest(key_bits(issuer) if bits is None else bits)),
        integer(serial),
    )


GOOD = context_primitive(0, b"")
UNKNOWN = context_primitive(2, b"")


def revoked(code: int | None = None, at: int = AT - DAY) -> bytes:
    why = context(0, tlv(0x0A, bytes((code,)))) if code is not None else b""
    return context(1, generalized_time(at), why)


def single(
    holder: Made | int,
    issuer: Made,
    status: bytes = GOOD,
    *,
    this_update: int = AT - 3600,
    next_update: int | None = AT + 3600,
    extensions: Sequence[bytes] = (),
    about: bytes | None = None,
) -> bytes:
    serial = holder if isinstance(holder, int) else serial_of(holder)
    return sequence(
        certificate_id(issuer, serial) if about is None else about,
        status,
        generalized_time(this_update),
        context(0, generalized_time(next_update)) if next_update is not None else b"",
        context(1, sequence(*extensions)) if extensions else b"",
    )


def respond(
    signer: Made,
    *singles: bytes,
    certificates: Sequence[Made] = (),
    produced_at: int = AT - 600,
    by_key: bool = False,
    responder_id: bytes | None = None,
    extensions: Sequence[bytes] = (),
    key_label: str = "",
    algorithm: bytes = ECDSA_SHA256,
    hash_: hashes.HashAlgorithm | None = None,
) -> bytes:
    """A response signed by the key of `signer`, or of another label."""
    if responder_id is None:
        sha1 = hashlib.sha1(key_bits(signer), usedforsecurity=False).digest()
        responder_id = context(2, octet_string(sha1)) if by_key else context(1, dn(signer.name).public_bytes())
    tbs = sequence(
        responder_id,
        generalized_time(produced_at),
        sequence(*singles),
        context(1, sequence(*extensions)) if extensions else b"",
    )
    signature = key(key_label or signer.key).sign(tbs, ec.ECDSA(hash_ or hashes.SHA256(), deterministic_signing=True))
    sent = context(0, sequence(*(one.der for one in certificates))) if certificates else b""
    return wrapped(sequence(tbs, algorithm, bit_string(signature), sent))


def wrapped(basic: bytes, *, kind: str = BASIC, status: int = 0) -> bytes:
    return sequence(tlv(0x0A, bytes((status,))), context(0, sequence(oid(kind), octet_string(basic))))


def unsuccessful(status: int) -> bytes:
    return sequence(tlv(0x0A, bytes((status,))))


# ---- real responders ----------------------------------------------------------------------------------------


@dataclass
class OpenSsl:
    """`openssl ocsp` as responder over an index.txt, in a folder of its own."""

    folder: Path
    issuer: Made

    def _file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def _certificate(self, made: Made) -> str:
        pem = x509.load_der_x509_certificate(made.der).public_bytes(serialization.Encoding.PEM)
        return self._file(f"{made.fingerprint[:16]}.pem", pem)

    def _key(self, made: Made) -> str:
        pem = key(made.key).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._file(f"{made.fingerprint[:16]}.key", pem)

    def answer(
        self, index: dict[Made, str], asked: Sequence[Made], signer: Made, *how: str, nonce: bool = False
    ) -> bytes:
        """What it says of those certificates; `index`: "" for good, else revocation date and reason as the file has it."""
        lines = []
        for made, gone in index.items():
            serial = f"{serial_of(made):X}"
            serial = serial if len(serial) % 2 == 0 else "0" + serial
            lines.append(f"{'R' if gone else 'V'}\t491231235959Z\t{gone}\t{serial}\tunknown\t/CN={made.name}\n")
        self._file("index.txt.attr", b"unique_subject = no\n")
        index_file = self._file("index.txt", "".join(lines).encode())
        issuer = self._certificate(self.issuer)
        request, response = str(self.folder / "request.der"), str(self.folder / "response.der")
        certificates = [word for made in asked for word in ("-cert", self._certificate(made))]
        digest, options = [one for one in how if one == "-sha256"], [one for one in how if one != "-sha256"]
        _run("-issuer", issuer, *digest, *certificates, "-nonce" if nonce else "-no_nonce", "-reqout", request)
        _run(
            *("-index", index_file, "-CA", issuer, "-rsigner", self._certificate(signer), "-rkey", self._key(signer)),
            *("-reqin", request, "-respout", response, "-ndays", "1", *options),
        )
        return (self.folder / "response.der").read_bytes()

    def nonce(self) -> bytes:
        """Of the last request."""
        value = ocsp.load_der_ocsp_request((self.folder / "request.der").read_bytes()).extensions
        return value.get_extension_for_class(x509.OCSPNonce).value.nonce


def _run(*arguments: str) -> None:
    done = subprocess.run(["openssl", "ocsp", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def by_cryptography(
    holder: Made,
    issuer: Made,
    signer: Made,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    reason: x509.ReasonFlags | None = None,
    hash_: hashes.HashAlgorithm | None = None,
    at: int,
    nonce: bytes = b"",
) -> bytes:
    """What `cryptography`'s builder makes; its producedAt is the clock's."""
    gone = status is ocsp.OCSPCertStatus.REVOKED
    certificate = x509.load_der_x509_certificate(signer.der)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=x509.load_der_x509_certificate(holder.der),
            issuer=x509.load_der_x509_certificate(issuer.der),
            algorithm=hash_ or hashes.SHA1(),  # noqa: S303 - as responders do
            cert_status=status,
            this_update=datetime.fromtimestamp(at, UTC),
            next_update=datetime.fromtimestamp(at + 3600, UTC),
            revocation_time=datetime.fromtimestamp(at - DAY, UTC) if gone else None,
            revocation_reason=reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        .certificates([certificate])
    )
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.sign(key(signer.key), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
