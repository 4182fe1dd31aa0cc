"""OCSP responses of a city's CAs (RFC 6960, 4.2.1), signed by the CA itself."""

from __future__ import annotations

import hashlib
from typing import Final, Literal, TypeAlias

from sekisho.testing import der
from sekisho.testing.leaves import Authority
from sekisho.testing.revoked import REASONS

__all__ = ["OcspStatus", "make_ocsp"]

OcspStatus: TypeAlias = Literal["good", "revoked", "unknown"]

_SHA1: Final = "1.3.14.3.2.26"  # by which responders find certificates; no signature rests on it
_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"  # id-pkix-ocsp-basic
_HOUR: Final = 3600


def make_ocsp(
    issuer: Authority,
    serial: int,
    status: OcspStatus = "good",
    *,
    this_update: int,
    next_update: int | None = None,
    revoked_at: int | None = None,
    reason: str = "",
) -> bytes:
    """What `issuer` says of the certificate with that serial; an OCSPResponse in DER.

    Args:
        this_update: seconds since 1970; the response is signed then too.
        next_update: seconds since 1970; None: an hour later.
        revoked_at: where revoked; None: an hour before.
        reason: where revoked, a name of `REASONS`; "": none is given.
    """
    until = this_update + _HOUR if next_update is None else next_update
    name_hash = hashlib.sha1(issuer.name, usedforsecurity=False).digest()
    about = der.sequence(
        der.sequence(der.oid(_SHA1), der.NULL),
        der.octet_string(name_hash),
        der.octet_string(issuer.key_id),
        der.integer(serial),
    )
    if status == "revoked":
        why = der.context(0, der.tlv(0x0A, bytes((REASONS[reason],)))) if reason else b""
        when = der.generalized_time(this_update - _HOUR if revoked_at is None else revoked_at)
        word = der.context(1, when, why)
    else:
        word = der.context_primitive(0 if status == "good" else 2, b"")
    times = der.generalized_time(this_update), der.context(0, der.generalized_time(until))
    tbs = der.sequence(
        der.context(2, der.octet_string(issuer.key_id)),
        der.generalized_time(this_update),
        der.sequence(der.sequence(about, word, *times)),
    )
    signature = der.bit_string(issuer.key.sign_certificate(tbs))
    basic = der.sequence(tbs, issuer.key.algorithm, signature)
    return der.sequence(der.tlv(0x0A, b"\0"), der.context(0, der.sequence(der.oid(_BASIC), der.octet_string(basic))))
