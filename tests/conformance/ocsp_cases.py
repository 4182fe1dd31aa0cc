"""BoringSSL's OCSP cases, read by asn1crypto, and signed again by keys of ours.

All their responses are signed with SHA-1, which is not taken here; as they are, they say little more than that.  Signed again,
they say what they are meant to: each key of a case is replaced by one of ours, in certificates, key hashes and names of
responders alike, and what was signed by the old one is signed by the new one with SHA-256.  What no key of the case had signed
stays so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, TypeVar

from asn1crypto import algos, core, ocsp, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_T = TypeVar("_T")
_KEYS: Final = 4  # keys of ours; a case has one or two
_HASHES: Final = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}


class OcspFacts:
    """What rules ask about one response; what asn1crypto cannot read is False or empty."""

    def __init__(self, der: bytes) -> None:
        self.der = der

    def _try(self, read: Callable[[Any], _T], otherwise: _T) -> _T:
        try:
            return read(ocsp.OCSPResponse.load(self.der, strict=True)["response_bytes"]["response"].parsed)
        except (ValueError, KeyError, TypeError, AttributeError):
            return otherwise

    @cached_property
    def signature_algorithm(self) -> str:
        return self._try(lambda basic: str(basic["signature_algorithm"]["algorithm"].dotted), "")

    @cached_property
    def version_is_said(self) -> bool:
        """Whether the one version there is, the default, is written out."""
        return self._try(lambda basic: basic["tbs_response_data"]["version"].contents is not None, False)

    @cached_property
    def critical(self) -> frozenset[str]:
        """OIDs of the critical extensions, of the response and of what it says of each certificate."""

        def read(basic: Any) -> frozenset[str]:
            data = basic["tbs_response_data"]
            lists = [data["response_extensions"], *(one["single_extensions"] for one in data["responses"])]
            found = (one for each in lists if each.native is not None for one in each)
            return frozenset(str(one["extn_id"].dotted) for one in found if one["critical"].native)

        return self._try(read, frozenset())

    @cached_property
    def has_delegate_to_check(self) -> bool:
        """Whether a certificate came along for signing OCSP responses, and none says that it need not be checked."""

        def read(basic: Any) -> bool:
            sent = list(basic["certs"]) if basic["certs"].native is not None else []
            purposes = [one.extended_key_usage_value for one in sent]
            return any(one is not None and "ocsp_signing" in one.native for one in purposes) and not any(
                one.ocsp_no_check_value is not None for one in sent
            )

        return self._try(read, False)


@dataclass(frozen=True)
class Case:
    """A response, the certificate it should be about, and that one's issuer; all DER."""

    certificate: bytes
    issuer: bytes
    response: bytes


def case_of(fields: dict[str, str]) -> Case:
    return Case(*(base64.b64decode(fields[name]) for name in ("cert", "issuer", "response")))


@cache
def _key(number: int, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def signed_again(case: Case) -> Case:
    """The same case under keys of ours; as it is, where it cannot be read."""
    try:
        basic = ocsp.OCSPResponse.load(case.response, strict=True)["response_bytes"]["response"].parsed
        basic["tbs_response_data"]["responses"]
        sent = [one.dump() for one in basic["certs"]] if basic["certs"].native is not None else []
    except (ValueError, KeyError, TypeError, AttributeError):
        return case
    holders = [case.issuer, *sent]
    keys = {_spki(der): number for number, der in enumerate(dict.fromkeys(holders))}
    renewed = _Renewed(keys)
    response = ocsp.OCSPResponse(
        {
            "response_status": "successful",
            "response_bytes": {
                "response_type": "basic_ocsp_response",
                "response": core.ParsableOctetString(renewed.basic(basic, sent)),
            },
        }
    )
    return Case(renewed.certificate(case.certificate), renewed.certificate(case.issuer), response.dump())


def _spki(der: bytes) -> bytes:
    return bytes(x509.Certificate.load(der)["tbs_certificate"]["subject_public_key_info"].dump())


class _Renewed:
    def __init__(self, keys: dict[bytes, int]) -> None:
        self.private = {}
        self.swaps: list[tuple[bytes, bytes]] = []
        for spki, number in keys.items():
            old = serialization.load_der_public_key(spki)
            assert isinstance(old, rsa.RSAPublicKey)
            key = _key(number, old.key_size)
            new = key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            self.private[spki] = key
            self.swaps += [(spki, new), (_key_hash(spki), _key_hash(new))]

    def swapped(self, octets: bytes) -> bytes:
        for old, new in self.swaps:
            octets = octets.replace(old, new)
        return octets

    def signature(self, tbs: bytes, signature: bytes, hash_name: str) -> bytes | None:
        """By the key of ours for the one that had signed; None if none had."""
        for spki, key in self.private.items():
            public = serialization.load_der_public_key(spki)
            assert isinstance(public, rsa.RSAPublicKey)
            try:
                public.verify(signature, tbs, padding.PKCS1v15(), _HASHES[hash_name]())
            except InvalidSignature:
                continue
            return key.sign(self.swapped(tbs), padding.PKCS1v15(), hashes.SHA256())
        return None

    def certificate(self, der: bytes) -> bytes:
        one = x509.Certificate.load(der)
        tbs = one["tbs_certificate"]
        if tbs["signature"]["algorithm"].native != "sha256_rsa":
            return self.swapped(der)
        signature = self.signature(tbs.dump(), one["signature_value"].native, "sha256")
        return self.swapped(der).replace(one["signature_value"].native, signature or one["signature_value"].native)

    def basic(self, basic: Any, sent: list[bytes]) -> bytes:
        old = basic["tbs_response_data"].dump()
        name = str(basic["signature_algorithm"].hash_algo)
        signature = self.signature(old, basic["signature"].native, name)
        algorithm = algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa", "parameters": core.Null()}).dump()
        bits = core.OctetBitString(signature or basic["signature"].native).dump()
        certificates = b"".join(self.certificate(der) for der in sent)
        tail = _tlv(0xA0, _tlv(0x30, certificates)) if sent else b""
        return _tlv(0x30, self.swapped(old) + algorithm + bits + tail)


def _key_hash(spki: bytes) -> bytes:
    bits = core.Sequence.load(spki)[1].contents[1:]
    return hashlib.sha1(bits, usedforsecurity=False).digest()


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x80 | (n := (size.bit_length() + 7) // 8)]) + size.to_bytes(n)
    return bytes([tag]) + length + content
