"""Whether a file has the shape of a CRL, DER or PEM: enough to keep error pages and cut-off files out of the folder.

Nothing more is looked at.  A file of this shape may be anything; who reads the folder reads it strictly and verifies it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sekisho.revocation.fetch.failure import Failure

__all__ = ["check_shape"]

_SEQUENCE: Final = 0x30  # X.690, 8.9: CertificateList (RFC 5280, 5.1)
_LENGTH_OCTETS_MAX: Final = 8
_BEGIN: Final = b"-----BEGIN X509 CRL-----"  # RFC 7468, 6
_END: Final = b"-----END X509 CRL-----"


def check_shape(path: Path) -> None:
    """Raise unless the file is one DER SEQUENCE of exactly its size, or begins and ends as a PEM "X509 CRL"."""
    with path.open("rb") as file:
        head = file.read(64)
        size = file.seek(0, 2)
        file.seek(max(0, size - 256))
        tail = file.read(256)
    if not head:
        raise Failure("the answer was empty", retry=True)
    if head.startswith(_BEGIN):
        if not tail.rstrip(b" \t\r\n").endswith(_END):
            raise Failure("a PEM CRL without its END line: it was cut short, or something follows it", retry=True)
        return
    if head[0] != _SEQUENCE:
        raise Failure(_what_else(head))
    expected = _sequence_size(head)
    if expected is None:
        raise Failure("not DER: the length of its first element is none")
    if size < expected:
        raise Failure(f"cut short: {size:,} of {expected:,} bytes", retry=True)
    if size > expected:
        raise Failure(f"{size - expected:,} bytes follow the CRL")


def _sequence_size(head: bytes) -> int | None:
    """Octets of the element that begins so, header included (X.690, 8.1.3); None if that is no definite length."""
    if len(head) < 2:
        return 2
    if head[1] < 0x80:
        return 2 + head[1]
    octets = head[1] & 0x7F
    if not 0 < octets <= _LENGTH_OCTETS_MAX:
        return None
    return 2 + octets + int.from_bytes(head[2 : 2 + octets])


def _what_else(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "a web page, not a CRL: an error page, a login page, or a captive portal stands in the way"
    if start.startswith(b"-----begin "):
        return "PEM, but not of a CRL (its first line must be -----BEGIN X509 CRL-----)"
    return "not a CRL: neither DER nor PEM"
