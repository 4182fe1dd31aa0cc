"""How gateways write a client's certificate into a field of HTTP. The dialect is configured, never guessed.

    rfc9440             Client-Cert: :MIIC…:                        RFC 9440: base64 DER as a byte sequence of RFC 8941
    nginx-escaped-pem   X-Client-Cert: -----BEGIN%20CERT…           $ssl_client_escaped_cert: PEM, percent-encoded
    haproxy-der         X-Client-Cert: MIIC…                        %[ssl_c_der,base64]
    envoy-xfcc          X-Forwarded-Client-Cert: Hash=…;Cert="…"    exactly one element, whose Cert is PEM, percent-encoded

Each is read strictly: one spelling, one certificate, nothing around it. A field that is there twice is refused, for nobody
knows which of the two the gateway wrote.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sekisho.server.config import Dialect

__all__ = ["FIELDS", "DialectError", "certificate", "escaped_pem"]

FIELDS: Final[Mapping[Dialect, str]] = {
    "rfc9440": "client-cert",
    "nginx-escaped-pem": "x-client-cert",
    "haproxy-der": "x-client-cert",
    "envoy-xfcc": "x-forwarded-client-cert",
}
"""The field of each dialect, where the configuration names no other."""

FIELD_SIZE_MAX: Final = 3 * 65536  # bytes; a certificate of SEKI_CERTIFICATE_SIZE_MAX, as base64 and its escapes


class DialectError(ValueError):
    """The field is not as its dialect has it: the gateway's configuration and the tenant's differ, or somebody else wrote it."""


def certificate(dialect: Dialect, values: Sequence[bytes]) -> bytes | None:
    """The certificate that a gateway handed over, DER, not yet looked at; None: it saw none.

    Args:
        dialect: of the gateway.
        values: of every field of that name in the request.

    Raises:
        DialectError: there are several, or the one is not as it must be.
    """
    if not values:
        return None
    if len(values) > 1:
        raise DialectError("the field is there more than once")
    value = values[0]
    if len(value) > FIELD_SIZE_MAX:
        raise DialectError(f"the field is longer than {FIELD_SIZE_MAX} bytes")
    return _READERS[dialect](value) if value else None


def escaped_pem(value: bytes) -> bytes:
    """The DER of one certificate in PEM (RFC 7468), percent-encoded as nginx and Envoy do it: these escapes and no others.

    Raises:
        DialectError: it is not that.
    """
    if not value.startswith(_BEGIN) or not (value := value.removesuffix(b"%0A")).endswith(_END):
        raise DialectError("it is not one percent-encoded PEM block of a certificate")
    body = value[len(_BEGIN) : -len(_END)].replace(b"%0A", b"").replace(b"%2B", b"+").replace(b"%2F", b"/")
    return _base64(body[:-_PADDING] + body[-_PADDING:].replace(b"%3D", b"="))


_BEGIN: Final = b"-----BEGIN%20CERTIFICATE-----%0A"
_END: Final = b"%0A-----END%20CERTIFICATE-----"
_PADDING: Final = 6  # bytes; twice `%3D` at the most, and nowhere but at the end


def _base64(text: bytes) -> bytes:
    try:
        found = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise DialectError("it is not base64 (RFC 4648, 4)") from None
    if not found:
        raise DialectError("it holds nothing")
    if binascii.b2a_base64(found, newline=False) != text:  # padding beyond the end, bits that mean nothing
        raise DialectError("it is not the one base64 of what it holds")
    return found


def _rfc9440(value: bytes) -> bytes | None:
    if len(value) < 2 or value[:1] != b":" or value[-1:] != b":":
        raise DialectError("it is not a byte sequence between colons (RFC 8941, 3.3.5)")
    return _base64(value[1:-1]) if len(value) > 2 else None  # `::` is a gateway's template with nothing to fill in


# One element: pairs joined by semicolons. A comma outside of quotes would begin another element.
_PAIR: Final = re.compile(rb'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^",;]*)(;|\Z)')


def _xfcc(value: bytes) -> bytes:
    found: list[bytes] = []
    at = 0
    while at < len(value):
        pair = _PAIR.match(value, at)
        if pair is None:
            raise DialectError("it is not exactly one element of key=value pairs")
        if pair[1].lower() == b"cert":
            found.append(pair[2].strip(b'"'))
        at = pair.end()
        if pair[3] and at == len(value):
            raise DialectError("it ends in a semicolon")
    if len(found) != 1:
        raise DialectError("it has not exactly one Cert: set_current_client_cert_details needs cert: true")
    return escaped_pem(found[0])


_READERS: Final[Mapping[Dialect, Callable[[bytes], bytes | None]]] = {
    "rfc9440": _rfc9440,
    "nginx-escaped-pem": escaped_pem,
    "haproxy-der": _base64,
    "envoy-xfcc": _xfcc,
}
