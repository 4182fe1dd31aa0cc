"""BoringSSL's and rustls-webpki's signed data: key, AlgorithmIdentifier and signature as a certificate would have them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import algos, core, keys

from sekisho.modes import Mode
from tests.conformance.suites import ROOT, only, read

BORINGSSL, RUSTLS = "boringssl-pki/signed_data", "rustls-webpki/signed_data"

# Whole AlgorithmIdentifiers: RFC 4055, 5 (NULL must be there), RFC 5758, 3.2 and RFC 8410, 3 (nothing may be there).
_EXACT: Final = {
    "300d06092a864886f70d01010b0500": "rsassa-pkcs1-v1_5-sha256",
    "300d06092a864886f70d01010c0500": "rsassa-pkcs1-v1_5-sha384",
    "300d06092a864886f70d01010d0500": "rsassa-pkcs1-v1_5-sha512",
    "300a06082a8648ce3d040302": "ecdsa-sha256-der",
    "300a06082a8648ce3d040303": "ecdsa-sha384-der",
    "300a06082a8648ce3d040304": "ecdsa-sha512-der",
    "300506032b6570": "ed25519",
}
_PSS: Final = bytes.fromhex("06092a864886f70d01010a")


@dataclass(frozen=True, slots=True)
class SignedData:
    """A signature over data.

    Attributes:
        expected: what the suite's own verifier says; None if that hangs on what it supports.
        raw: what the key and the signature come to by themselves; None where the suite does not say.
        boringssl: what BoringSSL says where another suite is asked; None where it was not.
        mode: what the AlgorithmIdentifier means here; None: nothing that sekisho knows.
        signature: None where the BIT STRING is none of whole octets.
    """

    suite: str
    case: str
    expected: bool | None
    raw: bool | None
    boringssl: bool | None
    key: bytes
    mode: Mode | None
    message: bytes
    signature: bytes | None


class SignedDataFacts:
    """What rules see: read by asn1crypto."""

    def __init__(self, data: SignedData, algorithm: bytes) -> None:
        self.data = data
        self.algorithm = algorithm

    @property
    def rsa_bits(self) -> int | None:
        try:
            key = keys.PublicKeyInfo.load(self.data.key)
            return int(key.bit_size) if key.algorithm in ("rsa", "rsassa_pss") else None
        except (ValueError, TypeError):
            return None

    @property
    def key_algorithm(self) -> str:
        try:
            return str(keys.PublicKeyInfo.load(self.data.key)["algorithm"]["algorithm"].dotted)
        except (ValueError, TypeError):
            return ""

    @property
    def point_is_compressed(self) -> bool:
        try:
            key = keys.PublicKeyInfo.load(self.data.key)
            return key.algorithm == "ec" and key["public_key"].native[0] in (2, 3)
        except (ValueError, TypeError):
            return False

    @property
    def signature_algorithm(self) -> str:
        try:
            return str(algos.SignedDigestAlgorithm.load(self.algorithm)["algorithm"].dotted)
        except (ValueError, TypeError):
            return ""

    @property
    def hash(self) -> str:
        try:
            return str(algos.SignedDigestAlgorithm.load(self.algorithm).hash_algo)
        except (ValueError, TypeError):
            return ""


def mode_of(algorithm: bytes) -> Mode | None:
    """The mode that an AlgorithmIdentifier in DER means."""
    name = _EXACT.get(algorithm.hex())
    if name is not None:
        return Mode.parse(name)
    if _PSS not in algorithm:
        return None
    try:
        identifier = algos.SignedDigestAlgorithm.load(algorithm, strict=True)
        parameters = identifier["parameters"]
        hash_name = parameters["hash_algorithm"]["algorithm"].native
        mask = parameters["mask_gen_algorithm"]
        if mask["algorithm"].native != "mgf1" or parameters["trailer_field"].native != "trailer_field_bc":
            return None
        mgf1 = mask["parameters"]["algorithm"].native
        return Mode.pss(hash_name, mgf1=mgf1, salt_length=parameters["salt_length"].native)
    except (ValueError, TypeError, KeyError):
        return None


def every_mode() -> list[Mode]:
    """Every mode that has a name of its own, and PSS with MGF1 by SHA-1."""
    hashes = ("sha256", "sha384", "sha512")
    names = [
        "rsassa-pkcs1-v1_5-raw",
        "ed25519",
        *(f"rsassa-pkcs1-v1_5-{one}" for one in hashes),
        *(f"rsassa-pkcs1-v1_5-bare-{one}" for one in hashes),
        *(f"rsassa-pss-{one}" for one in hashes),
        *(f"rsassa-pss-{one}-mgf1-sha1-20" for one in hashes),
        *(f"ecdsa-{one}-{form}" for one in hashes for form in ("der", "raw")),
    ]
    return [Mode.parse(name) for name in names]


def boringssl() -> tuple[list[tuple[SignedData, SignedDataFacts]], int]:
    data = read(ROOT / "boringssl-pki" / "signed_data.json", {"what", "source", "licence", "notes", "cases"})
    known = {"id", "description", "expected_valid", "spki", "algorithm", "data", "signature_bit_string"}
    found = []
    for one in data["cases"]:
        only(one, known, one["id"])
        found.append(_row(BORINGSSL, one, one["expected_valid"], None))
    return found, len(data["cases"])


def rustls() -> tuple[list[tuple[SignedData, SignedDataFacts]], int]:
    """Three opinions: rustls's (Ok, Err, or what hangs on the build), the bare key's, BoringSSL's."""
    data = read(ROOT / "rustls-webpki" / "signed_data.json", {"what", "source", "licence", "notes", "cases"})
    known = {"id", "rustls", "spki", "algorithm", "data", "signature_bit_string", "raw_crypto", "boringssl_expected"}
    found = []
    for one in data["cases"]:
        only(one, known, one["id"])
        said = one["rustls"].strip("()")
        found.append(_row(RUSTLS, one, not said.startswith("Err"), one["raw_crypto"] == "signature verifies"))
    return found, len(data["cases"])


def _row(
    suite: str, one: dict[str, Any], expected: bool | None, raw: bool | None
) -> tuple[SignedData, SignedDataFacts]:
    algorithm = base64.b64decode(one["algorithm"])
    data = SignedData(
        suite=suite,
        case=one["id"],
        expected=expected,
        raw=raw,
        boringssl=one.get("boringssl_expected"),
        key=base64.b64decode(one["spki"]),
        mode=mode_of(algorithm),
        message=base64.b64decode(one["data"]),
        signature=_octets(base64.b64decode(one["signature_bit_string"])),
    )
    return data, SignedDataFacts(data, algorithm)


def _octets(bit_string: bytes) -> bytes | None:
    """The octets of a BIT STRING in DER without unused bits; None if it is anything else."""
    try:
        parsed = core.BitString.load(bit_string, strict=True)
    except (ValueError, TypeError):
        return None
    return bytes(parsed.contents[1:]) if parsed.contents[:1] == b"\0" else None
