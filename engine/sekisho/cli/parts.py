"""A certificate in parts: what the C core's parser saw, as Python objects for people to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sekisho._native import check, ffi, lib
from sekisho.reasons import Reason
from sekisho.signatures import KeySet

__all__ = ["Element", "Extension", "Part", "Parts", "certificate_key", "dotted", "elements", "parse"]

_KINDS: Final = {1: "RSA", 2: "P-256", 3: "P-384", 4: "Ed25519"}


@dataclass(frozen=True)
class Part:
    """Bytes of a certificate, and where they stand; length 0: absent."""

    offset: int
    length: int
    content: bytes = field(repr=False)

    def __bool__(self) -> bool:
        return self.length > 0


@dataclass(frozen=True)
class Extension:
    """One extension as it stands: `value` is the content of its OCTET STRING."""

    oid: str
    critical: bool
    known: bool
    value: Part


@dataclass(frozen=True)
class Parts:
    """What the parser saw.

    Attributes:
        reason: why the certificate is refused; None if it is well formed.
        fault: offset in bytes at which the fault was seen.
        version: 1, 2, 3; 0: nothing was read, and nothing else here counts.
        key_reason: why nobody can use the key; None if it is usable.
    """

    reason: Reason | None
    fault: int
    version: int
    not_before: int
    not_after: int
    signature_algorithm: int
    key_kind: str
    key_bits: int
    key_exponent: int
    key_reason: Reason | None
    key_usage: int
    extended_key_usage: int
    is_ca: bool
    path_length: int | None
    tbs: Part
    serial: Part
    issuer: Part
    subject: Part
    spki: Part
    modulus: Part
    point: Part
    signature: Part
    extensions: tuple[Extension, ...]

    @property
    def readable(self) -> bool:
        """Whether there is anything to show."""
        return self.version != 0

    def extension(self, oid: str) -> Extension | None:
        """The extension of that OID."""
        return next((one for one in self.extensions if one.oid == oid), None)


def parse(der: bytes) -> Parts:
    """The certificate as a login's would be parsed; any bytes will do."""
    out = ffi.new("seki_certificate_summary *")
    reason, fault = ffi.new("uint32_t *"), ffi.new("size_t *")
    check(lib.seki_certificate_summarize(der, len(der), out, reason, fault), "reading a certificate")

    def part(one: Any) -> Part:
        return Part(one.offset, one.length, der[one.offset : one.offset + one.length])

    extensions = tuple(
        Extension(dotted(part(one.oid).content), bool(one.critical), one.known != 1 << 30, part(one.value))
        for one in (out.extension[i] for i in range(out.extension_count))
    )
    names = ("tbs", "serial", "issuer", "subject", "spki", "modulus", "point", "signature")
    return Parts(
        reason=Reason(reason[0]) if reason[0] else None,
        fault=fault[0],
        version=out.version,
        not_before=out.not_before,
        not_after=out.not_after,
        signature_algorithm=out.signature_algorithm,
        key_kind=_KINDS.get(out.key_kind, ""),
        key_bits=out.key_bits,
        key_exponent=out.key_exponent,
        key_reason=_key_reason(out.key_reason, part(out.spki).content),
        key_usage=out.key_usage,
        extended_key_usage=out.extended_key_usage,
        is_ca=bool(out.is_ca),
        path_length=out.path_length if out.path_length >= 0 else None,
        extensions=extensions,
        **{name: part(getattr(out, name)) for name in names},
    )


def _key_reason(parsers: int, spki: bytes) -> Reason | None:
    """What speaks against the key: the parser's reason, or that of whoever wants to use it (a point off its curve)."""
    if parsers:
        return Reason(parsers)
    return KeySet([spki]).reasons[0] if spki else None


def certificate_key(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate; empty if this is none."""
    return parse(der).spki.content


@dataclass(frozen=True)
class Element:
    """One element of a DER structure; offsets and lengths in bytes."""

    offset: int
    content: int
    length: int
    tag: int
    depth: int


def elements(der: bytes) -> tuple[list[Element], int | None]:
    """Every element in the order in which they stand, and the offset at which DER ends; None if it is DER throughout."""
    count, fault = ffi.new("uint64_t *"), ffi.new("size_t *")
    check(lib.seki_der_list(der, len(der), ffi.NULL, 0, count, fault), "listing a certificate")
    capacity = int(count[0])
    out = ffi.new("seki_element[]", max(capacity, 1))
    check(lib.seki_der_list(der, len(der), out, capacity, count, fault), "listing a certificate")
    found = [Element(one.offset, one.content, one.length, one.tag, one.depth) for one in out[0:capacity]]
    return found, None if fault[0] == len(der) else int(fault[0])


def dotted(content: bytes) -> str:
    """An OBJECT IDENTIFIER's content octets (X.690, 8.19) as people write it."""
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        return ""
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))
