"""Wycheproof's and CAVP's signature cases as rows of one form."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo

from sekisho.engine import Engine
from sekisho.modes import Mode
from sekisho.reasons import Reason
from sekisho.signatures import KeySet, SignatureBatch, verify_signatures
from sekisho.testing.der import bit_string, integer, oid, sequence, tlv
from tests.conformance.suites import ROOT, files, only, read

_HASHES = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", "SHA-1": "sha1"}
_FILE = {
    "algorithm",
    "header",
    "notes",
    "numberOfTests",
    "schema",
    "testGroups",
    "generatorVersion",
    "source",
    "vectors",
}
_GROUP = {
    "type", "source", "sha", "publicKey", "publicKeyDer", "publicKeyPem", "publicKeyJwk", "publicKeyAsn", "keyAsn", "keyDer",
    "keyPem", "keyJwk", "keySize", "privateKey", "privateKeyPkcs8", "privateKeyPem", "mgf", "mgfSha", "sLen", "tests",
}  # fmt: skip
_CASE = {"tcId", "comment", "flags", "msg", "sig", "result"}


@dataclass(frozen=True, slots=True)
class Case:
    """One signature: `good` is what a verifier must say; `mode` is None where sekisho has no such mode."""

    id: str
    kind: str
    key: bytes
    mode: Mode | None
    message: bytes
    signature: bytes
    good: bool
    invalid: bool = False  # the suite calls it so, by its own algorithm

    @property
    def rsa_bits(self) -> int | None:
        """As the suite's file has it; None if the key is none of RSA."""
        return int(self.kind[3:]) if self.kind.startswith(("rsa", "pss")) else None


def wycheproof() -> list[Case]:
    """Every case of wycheproof/testvectors_v1; "acceptable" ones must be refused (suites/README.md)."""
    cases: list[Case] = []
    for path in files("wycheproof/testvectors_v1"):
        data = read(path, _FILE)
        before = len(cases)
        for group in data["testGroups"]:
            only(group, _GROUP, path.name)
            cases += _group(path, group)
        assert len(cases) - before == data["numberOfTests"], f"{path.name} is not whole"
    return cases


def wycheproof_other() -> list[Case]:
    """Every case of wycheproof/other.tar.xz: algorithms that sekisho has no mode for, and sizes of keys at the edges."""
    cases: list[Case] = []
    with tarfile.open(ROOT / "wycheproof" / "other.tar.xz") as archive:
        for member in sorted((one for one in archive if one.isfile()), key=lambda one: one.name):
            content = archive.extractfile(member)
            assert content is not None
            data: dict[str, Any] = json.load(content)
            only(data, _FILE, member.name)
            before = len(cases)
            for group in data["testGroups"]:
                only(group, _GROUP, member.name)
                cases += _group(Path(member.name), group)
            assert len(cases) - before == data["numberOfTests"], f"{member.name} is not whole"
    return cases


def _group(path: Path, group: dict[str, Any]) -> list[Case]:
    kind, key, mode = _key_and_mode(group)
    found = []
    for case in group["tests"]:
        only(case, _CASE, path.name)
        # A generation test's "acceptable" is a weak key or hash that verifies; what we know is verified as good.
        good = case["result"] == "valid"
        if group["type"] == "RsassaPkcs1Generate" and case["result"] == "acceptable":
            good = mode is not None and _strong(group)
        identity = f"{path.stem}:{case['tcId']}"
        message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
        found.append(Case(identity, kind, key, mode, message, signature, good, case["result"] == "invalid"))
    return found


def _strong(group: dict[str, Any]) -> bool:
    exponent = (group.get("privateKey") or {}).get("publicExponent")
    return exponent is None or int(exponent, 16) >= 3


def _key_and_mode(group: dict[str, Any]) -> tuple[str, bytes, Mode | None]:
    digest = _HASHES.get(group.get("sha", ""))
    signs = digest in ("sha256", "sha384", "sha512")
    match group["type"]:
        case "EddsaVerify":
            curve = (group.get("publicKey") or {}).get("curve", "edwards25519")
            ours = Mode.parse("ed25519") if curve == "edwards25519" else None
            return "ed25519" if ours else curve, bytes.fromhex(group["publicKeyDer"]), ours
        case "DsaVerify" | "DsaP1363Verify" | "EcdsaBitcoinVerify":
            return group["type"], bytes.fromhex(group["publicKeyDer"]), None
        case "EcdsaVerify" | "EcdsaP1363Verify":
            form = "der" if group["type"] == "EcdsaVerify" else "raw"
            curve_is_ours = group["publicKey"]["curve"] in ("secp256r1", "secp384r1")
            mode = Mode.parse(f"ecdsa-{digest}-{form}") if signs and curve_is_ours else None
            return group["publicKey"]["curve"], bytes.fromhex(group["publicKeyDer"]), mode
        case "RsassaPkcs1Verify":
            key = bytes.fromhex(group["publicKeyDer"])
            return f"rsa{group['keySize']}", key, Mode.parse(f"rsassa-pkcs1-v1_5-{digest}") if signs else None
        case "RsassaPkcs1Generate":
            mode = Mode.parse(f"rsassa-pkcs1-v1_5-{digest}") if signs else None
            return f"rsa{group['keySize']}", _rsa_spki(bytes.fromhex(group["keyAsn"])), mode
        case "RsassaPssVerify" | "RsassaPssWithParametersVerify":
            # The key's own parameters restrict what its holder signs; the verifier's mode says the same here.
            mgf1 = _HASHES.get(group["mgfSha"]) if group["mgf"] == "MGF1" else None
            mode = Mode.pss(str(digest), mgf1=mgf1, salt_length=group["sLen"]) if signs and mgf1 else None
            return f"pss{group['keySize']}", _rsa_spki(bytes.fromhex(group["publicKeyAsn"])), mode
        case other:
            raise AssertionError(f"a kind of test unknown to this driver: {other}")


def _rsa_spki(public_key: bytes) -> bytes:
    return sequence(sequence(oid("1.2.840.113549.1.1.1"), tlv(0x05)), bit_string(public_key))


def cavp() -> list[Case]:
    """Every case of nist-cavp."""
    cases: list[Case] = []
    for path in files("nist-cavp"):
        data = read(path, {"what", "source", "licence", "notes", "cases", "count"})
        for number, case in enumerate(data["cases"]):
            cases.append(_cavp_case(path.stem, number, case))
    return cases


def _cavp_case(stem: str, number: int, case: dict[str, Any]) -> Case:
    known = {"curve", "hash", "qx", "qy", "r", "s", "msg", "valid", "why", "pk", "sig", "bits", "n", "e", "salt_len"}
    only(case, known, stem)
    identity, message = f"{stem}:{number}", bytes.fromhex(case["msg"])
    good = case["valid"] in (True, "True")
    if "pk" in case:
        raw = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(case["pk"]))
        key = raw.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return Case(identity, "ed25519", key, Mode.parse("ed25519"), message, bytes.fromhex(case["sig"]), good)
    digest = case["hash"].replace("-", "").lower()
    signs = digest in ("sha256", "sha384", "sha512")
    if "curve" in case:
        size = 32 if case["curve"] == "P-256" else 48
        key = _ec_spki(case["curve"], int(case["qx"], 16), int(case["qy"], 16), size)
        signature = b"".join(int(case[part], 16).to_bytes(size, "big") for part in "rs")
        return Case(
            identity, case["curve"], key, Mode.parse(f"ecdsa-{digest}-raw") if signs else None, message, signature, good
        )
    modulus, exponent = int(case["n"], 16), int(case["e"], 16)
    key = _rsa_spki(sequence(integer(modulus), integer(exponent)))
    signature = bytes.fromhex(case["sig"]).rjust((modulus.bit_length() + 7) // 8, b"\0")
    if "salt_len" in case:
        mode = Mode.pss(digest, salt_length=int(case["salt_len"])) if signs else None
        return Case(identity, f"pss{case['bits']}", key, mode, message, signature, good)
    mode = Mode.parse(f"rsassa-pkcs1-v1_5-{digest}") if signs else None
    return Case(identity, f"rsa{case['bits']}", key, mode, message, signature, good)


def _ec_spki(curve: str, x: int, y: int, size: int) -> bytes:
    name = {"P-256": "1.2.840.10045.3.1.7", "P-384": "1.3.132.0.34"}[curve]
    point = b"\x04" + x.to_bytes(size, "big") + y.to_bytes(size, "big")
    return sequence(sequence(oid("1.2.840.10045.2.1"), oid(name)), bit_string(point))


def oracle_knows(key: bytes) -> bool:
    """Whether `cryptography` reads the key too."""
    try:
        loaded = serialization.load_der_public_key(key)
    except ValueError:
        return False
    return isinstance(loaded, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)


@dataclass(frozen=True, slots=True)
class Tried:
    """A case of another algorithm, tried in a mode of ours."""

    case: Case
    mode: Mode

    @property
    def right_for_cryptography(self) -> bool:
        """Whether `cryptography` finds the signature right in this mode too."""
        key = serialization.load_der_public_key(self.case.key)
        try:
            if isinstance(key, rsa.RSAPublicKey):
                return self._rsa(key)
            if isinstance(key, ec.EllipticCurvePublicKey) and str(self.mode).endswith("-der"):
                key.verify(self.case.signature, self.case.message, ec.ECDSA(self._digest))
                return True
        except InvalidSignature:
            pass
        return False

    @property
    def _digest(self) -> hashes.HashAlgorithm:
        digests = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
        return next(digest for name, digest in digests.items() if f"-{name}" in str(self.mode))

    def _rsa(self, key: rsa.RSAPublicKey) -> bool:
        name, case = str(self.mode), self.case
        if name.startswith("rsassa-pss"):
            mgf1 = hashes.SHA1() if "mgf1-sha1" in name else self._digest  # noqa: S303 - RFC 8017, B.2.1: MGF1's, not the message's
            key.verify(case.signature, case.message, padding.PSS(padding.MGF1(mgf1), self.mode >> 24), self._digest)
            return True
        if "-bare-" in name or name.endswith("-raw"):
            block = key.recover_data_from_signature(case.signature, padding.PKCS1v15(), NoDigestInfo())
            if name.endswith("-raw"):
                return block == case.message
            hashed = hashes.Hash(self._digest)
            hashed.update(case.message)
            return block == hashed.finalize()
        key.verify(case.signature, case.message, padding.PKCS1v15(), self._digest)
        return True


def verify(rows: list[Case], engine: Engine) -> list[Reason]:
    """The reasons for rows that have a mode, in one batch."""
    keys = sorted({row.key for row in rows})
    index = {key: number for number, key in enumerate(keys)}
    batch = SignatureBatch(
        keys=KeySet(keys),
        key=[index[row.key] for row in rows],
        mode=[row.mode for row in rows if row.mode is not None],
        messages=[row.message for row in rows],
        signatures=[row.signature for row in rows],
    )
    return [verdict.reason for verdict in verify_signatures(batch, engine=engine)]
