"""Certificates of issuers and of OCSP responders, as far as RFC 6960 asks of them (4.2.2.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sekisho._native import check, ffi, lib
from sekisho.profiles import EXTENDED_KEY_USAGES, KEY_USAGES

__all__ = ["Issuer", "Responder", "Signer", "Subject", "same_name", "split"]

_NO_CHECK: Final = bytes.fromhex("2b0601050507300105")  # id-pkix-ocsp-nocheck, 1.3.6.1.5.5.7.48.1.5
_NULL: Final = b"\x05\x00"
_OCSP_SIGNING: Final = EXTENDED_KEY_USAGES["OCSPSigning"]
# RFC 5280, 4.2.1.12: "Key usage bits that may be consistent: digitalSignature and/or nonRepudiation".
_MAY_SIGN: Final = KEY_USAGES["digitalSignature"] | KEY_USAGES["nonRepudiation"]
# Critical extensions that are processed here: keyUsage, basicConstraints, extendedKeyUsage; and certificatePolicies, of which
# nothing is asked (native/src/cert.h, SEKI_EXT_*).
_CRITICAL: Final = 1 << 1 | 1 << 4 | 1 << 7 | 1 << 11


@dataclass(frozen=True)
class Responder:
    """A responder that the operator trusts of himself (RFC 6960, 4.2.2.2, "matches a local configuration").

    Attributes:
        certificate: DER.  Its key speaks within its validity; whether it was revoked is not asked: it is for whoever
            configured it to take it out.
        issuers: certificates, in DER, of the CAs of whose certificates it may speak.
    """

    certificate: bytes
    issuers: Sequence[bytes]


class _Parts:
    """A certificate as the core reads it."""

    __slots__ = ("issuer", "key_hash", "readable", "serial", "spki", "subject", "summary")

    def __init__(self, der: bytes, *, anchor: bool = False) -> None:
        summary, reason = ffi.new("seki_certificate_summary *"), ffi.new("uint32_t *")
        status = lib.seki_certificate_summarize(der, len(der), summary, reason, ffi.new("size_t *"))
        check(status, "reading a certificate")
        # Departures that are let pass in an anchor leave the summary filled (sekisho.h).
        self.readable = bool(summary.version) and (reason[0] == 0 or anchor)
        self.summary: Any = summary
        self.subject = _part(der, summary.subject)
        self.issuer = _part(der, summary.issuer)
        self.spki = _part(der, summary.spki)
        self.serial = _part(der, summary.serial)
        self.key_hash = hashlib.sha1(_key_bits(self.spki), usedforsecurity=False).digest() if self.readable else b""


class Subject:
    """The certificate that a response is asked about.

    Attributes:
        readable: whether it is a certificate at all; if not, nothing else counts.
        issuer: the issuer's whole Name.
        serial: content octets of the INTEGER.
    """

    __slots__ = ("_hashes", "issuer", "readable", "serial")

    def __init__(self, der: bytes) -> None:
        summary, reason = ffi.new("seki_certificate_summary *"), ffi.new("uint32_t *")
        status = lib.seki_certificate_summarize(der, len(der), summary, reason, ffi.new("size_t *"))
        check(status, "reading a certificate")
        self.readable = reason[0] == 0
        self.issuer = _part(der, summary.issuer)
        self.serial = _part(der, summary.serial)
        self._hashes: dict[int, bytes] = {}

    def name_hash(self, kind: int) -> bytes:
        """Of the issuer's Name, as it stands in this certificate (RFC 6960, 4.1.1)."""
        if kind not in self._hashes:
            self._hashes[kind] = _hash(kind, self.issuer)
        return self._hashes[kind]


class Issuer:
    """A name and a key that may have issued.

    Attributes:
        readable: whether the certificate can be read, and its key used.
        subject: the whole Name.
        spki: SubjectPublicKeyInfo.
        identity: SHA-256 of the two: what certificates under it are known by.
        key_hash: SHA-1 of the key, as a ResponderID has it.
        configured: whether it is the trust store's; one that came along may be anybody's, and only a path says more.
    """

    __slots__ = ("configured", "identity", "key_hash", "key_hashes", "name_hashes", "readable", "spki", "subject")

    def __init__(self, der: bytes, *, anchor: bool = False, configured: bool = False) -> None:
        parts = _Parts(der, anchor=anchor)
        self.configured = configured
        self.readable = parts.readable and parts.summary.key_reason == 0
        # What cannot be used is kept as nothing, however large it was.
        self.subject = parts.subject if self.readable else b""
        self.spki = parts.spki if self.readable else b""
        self.key_hash = parts.key_hash
        self.identity = hashlib.sha256(self.subject + self.spki).digest()
        bits = _key_bits(self.spki) if self.readable else b""
        kinds = (lib.SEKI_HASH_SHA1, lib.SEKI_HASH_SHA256)
        self.key_hashes = {kind: _hash(kind, bits) for kind in kinds}
        self.name_hashes = {kind: _hash(kind, self.subject) for kind in kinds}


class Signer:
    """A certificate by whose key a response may be signed.

    Attributes:
        usable: whether it is a certificate with a key that verifies, that may sign (keyUsage) and that asks for nothing
            that is not processed (critical extensions).
        delegated: whether it may be an issuer's delegate: extendedKeyUsage names OCSPSigning itself, and it is no CA.
        no_check: it has id-pkix-ocsp-nocheck (4.2.2.2.1).
        window: first and last second of its validity.
        algorithm: number of seki_signature_algorithm by which it is signed itself.
    """

    __slots__ = (
        *(
            "algorithm",
            "delegated",
            "der",
            "fingerprint",
            "issuer",
            "key_hash",
            "no_check",
            "signature",
            "spki",
            "subject",
        ),
        *("tbs", "usable", "window"),
    )

    def __init__(self, der: bytes) -> None:
        parts = _Parts(der)
        summary = parts.summary
        self.der = der
        self.fingerprint = hashlib.sha256(der).digest()
        self.subject, self.issuer, self.spki, self.key_hash = parts.subject, parts.issuer, parts.spki, parts.key_hash
        self.tbs, self.signature = _part(der, summary.tbs), _part(der, summary.signature)
        self.algorithm = int(summary.signature_algorithm)
        self.window = (int(summary.not_before), int(summary.not_after))
        self.usable = (
            parts.readable
            and summary.key_reason == 0
            and (summary.key_usage == 0 or bool(summary.key_usage & _MAY_SIGN))
            and summary.critical & ~_CRITICAL == 0
        )
        self.delegated = bool(summary.extended_key_usage & _OCSP_SIGNING) and not summary.is_ca
        self.no_check = any(
            _part(der, one.oid) == _NO_CHECK and _part(der, one.value) == _NULL
            for one in summary.extension[0 : summary.extension_count]
        )


def same_name(one: bytes, other: bytes) -> bool:
    """Whether two whole Names are the same (RFC 5280, 7.1)."""
    if one == other:
        return True
    equal = ffi.new("uint32_t *")
    status = lib.seki_name_equal(one, len(one), other, len(other), equal)
    return bool(status == lib.SEKI_OK and equal[0])


def split(joined: bytes, most: int) -> Iterator[bytes]:
    """The DER elements that stand end to end, at most so many; ends at the first that is none."""
    at = 0
    while most and len(joined) - at >= 2:
        size, header = joined[at + 1], 2
        if size >= 0x80:
            header += size & 0x7F
            size = int.from_bytes(joined[at + 2 : at + header], "big")
        if header > 6 or len(joined) - at < header + size:
            return
        yield joined[at : at + header + size]
        at += header + size
        most -= 1


def _hash(kind: int, octets: bytes) -> bytes:
    if kind == lib.SEKI_HASH_SHA1:  # RFC 6960 finds certificates by it; no signature rests on it
        return hashlib.sha1(octets, usedforsecurity=False).digest()
    return hashlib.sha256(octets).digest()


def _key_bits(spki: bytes) -> bytes:
    """The subjectPublicKey of a well-formed SubjectPublicKeyInfo, without tag, length and count of unused bits."""
    inside = next(_content(spki))
    return list(_content(inside))[1][1:]


def _content(octets: bytes) -> Iterator[bytes]:
    for one in split(octets, 2):
        length = one[1]
        yield one[2 + (length & 0x7F if length >= 0x80 else 0) :]


def _part(der: bytes, part: Any) -> bytes:
    return der[part.offset : part.offset + part.length]
