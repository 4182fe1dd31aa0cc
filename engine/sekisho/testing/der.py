"""A DER writer, just large enough for certificates (X.690; RFC 5280).

It writes what it is told: a template for well-formed certificates as much as for deliberately broken ones, so
nothing here judges a value.  Every function returns one whole element, tag and length included, as ``bytes``.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Final

__all__ = [
    "NULL",
    "TRUE",
    "UTC_TIME_END",
    "bit_string",
    "content_start",
    "context",
    "context_primitive",
    "generalized_time",
    "ia5",
    "integer",
    "name",
    "octet_string",
    "oid",
    "printable",
    "sequence",
    "set_of_one",
    "time_of",
    "tlv",
    "utc_time",
    "utf8",
]

TRUE: Final = b"\x01\x01\xff"
NULL: Final = b"\x05\x00"
UTC_TIME_END: Final = 2_524_608_000
"""Seconds; 2050-01-01T00:00:00Z, from which RFC 5280, 4.1.2.5 wants GeneralizedTime."""


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element with single-octet tag `tag` whose content is `parts` joined (X.690, 8.1.3, shortest length)."""
    content = b"".join(parts)
    length = len(content)
    if length < 128:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def content_start(element: bytes, start: int = 0) -> int:
    """Where the content of the element at `start` begins."""
    length = element[start + 1]
    return start + 2 + (length & 0x7F if length >= 128 else 0)


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def set_of_one(part: bytes) -> bytes:
    """A SET OF with one member, which needs no sorting."""
    return tlv(0x31, part)


def context(number: int, *parts: bytes) -> bytes:
    """A context-specific constructed element ``[number]``."""
    return tlv(0xA0 | number, *parts)


def context_primitive(number: int, content: bytes) -> bytes:
    """A context-specific primitive element ``[number] IMPLICIT``."""
    return tlv(0x80 | number, content)


def integer(value: int) -> bytes:
    """INTEGER of minimal form, any sign (X.690, 8.3.2)."""
    return tlv(0x02, value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True))


def octet_string(content: bytes) -> bytes:
    return tlv(0x04, content)


def bit_string(content: bytes, unused: int = 0) -> bytes:
    """BIT STRING whose last octet has `unused` bits of no meaning, which must be zero already (X.690, 11.2.1)."""
    return tlv(0x03, bytes((unused,)), content)


def utf8(text: str) -> bytes:
    return tlv(0x0C, text.encode())


def printable(text: str) -> bytes:
    return tlv(0x13, text.encode("ascii"))


def ia5(text: str) -> bytes:
    return tlv(0x16, text.encode("ascii"))


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form (X.690, 8.19)."""
    first, second, *rest = map(int, dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(0x80 | arc & 0x7F)
        content += bytes(reversed(octets))
    return tlv(0x06, bytes(content))


def utc_time(seconds: int) -> bytes:
    """UTCTime ``YYMMDDHHMMSSZ`` of a time from 1950 to 2049, in seconds since 1970."""
    return tlv(0x17, time.strftime("%y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def generalized_time(seconds: int) -> bytes:
    """GeneralizedTime ``YYYYMMDDHHMMSSZ`` of a time in seconds since 1970."""
    return tlv(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def time_of(seconds: int) -> bytes:
    """The form that RFC 5280, 4.1.2.5 wants for that time."""
    return utc_time(seconds) if seconds < UTC_TIME_END else generalized_time(seconds)


def name(*attributes: tuple[str, str]) -> bytes:
    """A Name of ``(OID, value)`` pairs, one per RDN: countryName as PrintableString, all else as UTF8String."""
    return sequence(
        *(
            set_of_one(sequence(oid(kind), printable(value) if kind == "2.5.4.6" else utf8(value)))
            for kind, value in attributes
        )
    )
