"""An OCSP response as the core reads it (RFC 6960, 4.2.1): its form is good, nothing else is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sekisho._native import check, ffi, lib
from sekisho.reasons import Reason

__all__ = ["NO_TIME", "OcspResponse", "OcspSingle", "read_response"]

NO_TIME: Final = -(2**63)
"""Where there is none, in the core's structs."""


@dataclass(frozen=True, slots=True)
class OcspSingle:
    """What a response says of one certificate; times are seconds.

    Attributes:
        hash: SEKI_HASH_SHA1 or SEKI_HASH_SHA256, by which the issuer is named; 0: another.
        name_hash, key_hash: of the issuer's Name and key.
        serial: content octets of the INTEGER.
        status: SEKI_OCSP_GOOD, SEKI_OCSP_REVOKED or SEKI_OCSP_UNKNOWN.
        reason: CRLReason, where revoked; 0 where none is given.
        this_update: when this was known to be so.
        next_update: when more will be known; None if it does not say.
        revoked_at: where revoked.
    """

    hash: int
    name_hash: bytes
    key_hash: bytes
    serial: bytes
    status: int
    reason: int
    this_update: int
    next_update: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class OcspResponse:
    """A response as the core reads it: its form is good, nothing else is known.

    Attributes:
        algorithm: number of seki_signature_algorithm; 0: one that is not taken.
        responder_name: the responder's whole Name; empty where it is told by its key.
        responder_key: SHA-1 of its key; empty where it is told by its name.
        produced_at: when it was signed.
        nonce: empty if there is none.
        singles: what it says, certificate by certificate.
        tbs, signature: what is signed, and the signature.
        certificates: what came along.
    """

    algorithm: int
    responder_name: bytes
    responder_key: bytes
    produced_at: int
    nonce: bytes
    singles: tuple[OcspSingle, ...]
    tbs: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)


def read_response(data: bytes) -> OcspResponse | Reason:
    """Reads an OCSPResponse in DER; a reason if it is none, or no answer."""
    s, reason = ffi.new("seki_ocsp_summary *"), ffi.new("uint32_t *")
    status = lib.seki_ocsp_summarize(data, len(data), s, reason, ffi.new("size_t *"))
    check(status, "reading an OCSP response")
    if reason[0] != 0:
        return Reason(reason[0])
    return OcspResponse(
        algorithm=s.signature_algorithm,
        responder_name=_part(data, s.responder_name),
        responder_key=_part(data, s.responder_key),
        produced_at=s.produced_at,
        nonce=_part(data, s.nonce),
        singles=tuple(
            OcspSingle(
                hash=one.hash,
                name_hash=_part(data, one.name_hash),
                key_hash=_part(data, one.key_hash),
                serial=_part(data, one.serial),
                status=one.status,
                reason=one.reason,
                this_update=one.this_update,
                next_update=None if one.next_update == NO_TIME else one.next_update,
                revoked_at=None if one.revoked_at == NO_TIME else one.revoked_at,
            )
            for one in s.single[0 : s.single_count]
        ),
        tbs=_part(data, s.tbs),
        signature=_part(data, s.signature),
        certificates=tuple(_part(data, one) for one in s.certificate[0 : s.certificate_count]),
    )


def _part(data: bytes, part: Any) -> bytes:
    return data[part.offset : part.offset + part.length]
