"""What a login deserves, in plain Python: slow, obvious, and written from the documents, not from the C core.

    python -m tests.property.oracle --count 100000 --seed 1

holds the engine against it over that many mutated logins.  The oracle answers with the set of reasons that are right: one
where the order of checks decides, several where two faults of one stage meet.  Certificates are read by a small strict DER
reader of its own (X.690; RFC 5280, 4); signatures are checked with Python's integers (RSA) and `cryptography` (EC).
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

ACCEPTED: Final = frozenset({"accepted"})
CERTIFICATE_SIZE_MAX: Final = 65536
SIGNATURE_SIZE_MAX: Final = 2048
CHALLENGE_SIZE_MAX: Final = 200
CHECKS_AT_ONCE_MAX: Final = 8  # one challenge gets no more in a range than failures would lock it after


class Refused(Exception):
    """The login is refused; any of `reasons` says rightly why."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = frozenset(reasons)


class BadDer(Exception):
    """These octets are not the DER that was asked for."""


# ---- DER (X.690, 8 and 10) --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Element:
    tag: int
    content: bytes
    whole: bytes


def first(data: bytes) -> tuple[Element, bytes]:
    """The first element, and what follows it."""
    if len(data) < 2:
        raise BadDer("too short")
    tag, length = data[0], data[1]
    if tag & 0x1F == 0x1F or tag & ~0x20 == 0:
        raise BadDer("a tag of several octets, or end-of-contents")
    start = 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or len(data) < 2 + size:
            raise BadDer("indefinite or enormous length")
        length, start = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
        if length < 0x80 or length < 1 << (8 * (size - 1)):
            raise BadDer("length not in its shortest form")
    if len(data) - start < length:
        raise BadDer("content cut off")
    end = start + length
    return Element(tag, data[start:end], data[:end]), data[end:]


def children(content: bytes) -> list[Element]:
    found = []
    while content:
        element, content = first(content)
        found.append(element)
    return found


def only(data: bytes, tag: int) -> Element:
    """The one element that `data` is."""
    element, rest = first(data)
    if rest or element.tag != tag:
        raise BadDer(f"not one element of tag {tag:#x}")
    return element


def integer(content: bytes) -> int:
    if not content or (len(content) > 1 and (content[0], content[1] >> 7) in ((0, 0), (0xFF, 1))):
        raise BadDer("INTEGER not in its shortest form (8.3.2)")
    return int.from_bytes(content, "big", signed=True)


def oid(content: bytes) -> str:
    if not content or content[-1] & 0x80:
        raise BadDer("OBJECT IDENTIFIER cut off (8.19)")
    arcs, value, fresh = [], 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise BadDer("an arc with a leading zero")
        value, fresh = value << 7 | octet & 0x7F, not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))


def bits(content: bytes) -> tuple[bytes, int]:
    """BIT STRING: its octets, and how many bits of the last one are none."""
    if not content or content[0] > 7:
        raise BadDer("BIT STRING without a count of unused bits")
    unused, octets = content[0], content[1:]
    if (unused and not octets) or (octets and octets[-1] & ((1 << unused) - 1)):
        raise BadDer("unused bits that are not zero (11.2.1)")
    return octets, unused


def named_bits(content: bytes, count: int, *, trimmed: bool = True) -> int:
    """A BIT STRING with named bits, at least one of them set, trailing zeros left out (11.2.2); bit i as 1 << i."""
    octets, unused = bits(content)
    total = len(octets) * 8 - unused
    text = "".join(f"{octet:08b}" for octet in octets)[:total]
    if "1" not in text or (trimmed and text[-1] != "1") or total > count:
        raise BadDer("named bits")
    return sum(1 << place for place, bit in enumerate(text) if bit == "1")


def boolean(content: bytes) -> bool:
    if content not in (b"\x00", b"\xff"):
        raise BadDer("BOOLEAN that is neither 00 nor ff (11.1)")
    return content == b"\xff"


_STRINGS: Final[dict[int, Callable[[bytes], bool]]] = {
    0x0C: lambda text: "\0" not in text.decode("utf-8"),
    0x12: lambda text: re.fullmatch(rb"[0-9 ]*", text) is not None,
    0x13: lambda text: re.fullmatch(rb"[A-Za-z0-9 '()+,\-./:=?]*", text) is not None,
    0x14: lambda text: b"\0" not in text,
    0x16: lambda text: re.fullmatch(rb"[\x01-\x7f]*", text) is not None,
    0x1A: lambda text: re.fullmatch(rb"[\x20-\x7e]*", text) is not None,
    0x1C: lambda text: "\0" not in text.decode("utf-32-be"),
    0x1E: lambda text: (
        re.search(r"[\0\ud800-\udfff]", text.decode("utf-16-be", "surrogatepass")) is None
        and not any(0xD8 <= high <= 0xDF for high in text[::2])
    ),
}


def string(element: Element) -> None:
    """One of the string types, of characters that its type has."""
    try:
        good = _STRINGS[element.tag](element.content)
    except (KeyError, UnicodeDecodeError):
        good = False
    if not good:
        raise BadDer("a string of other characters than its type has")


def value(element: Element, depth: int = 0) -> None:
    """Any value: what is universal and known is what its tag says; what is tagged otherwise is well nested."""
    universal = element.tag & 0xC0 == 0
    if element.tag & 0x20:
        if (universal and element.tag not in (0x30, 0x31)) or depth > 30:
            raise BadDer("a constructed form that DER has not, or too deep")
        for child in children(element.content):
            value(child, depth + 1)
    elif universal:
        checks: dict[int, Callable[[bytes], object]] = {
            0x01: boolean,
            0x02: integer,
            0x0A: integer,
            0x03: bits,
            0x05: lambda content: content == b"" or _raise(),
            0x06: oid,
            0x10: lambda _: _raise(),
            0x11: lambda _: _raise(),
            0x17: lambda content: seconds(Element(0x17, content, b"")),
        }
        if element.tag in _STRINGS:
            string(element)
        elif element.tag in checks:
            checks[element.tag](element.content)


def _raise() -> None:
    raise BadDer("not a value of its type")


def seconds(element: Element) -> int:
    """Time (RFC 5280, 4.1.2.5): seconds and Z, no fractions, a real date."""
    form = {0x17: rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", 0x18: rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"}
    match = re.fullmatch(form.get(element.tag, rb"(?!)"), element.content)
    if not match:
        raise BadDer("not a time")
    year, month, day, hour, minute, second = map(int, match.groups())
    if element.tag == 0x17:
        year += 1900 if year >= 50 else 2000
    days = [31, 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    if not (1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second < 60):
        raise BadDer("no such moment")
    if year == 0:  # time.h knows no year 0, the calendar of ISO 8601 does: one year of 366 days before year 1
        return calendar.timegm((4, month, day, hour, minute, second)) - 86400 * 1461
    return calendar.timegm((year, month, day, hour, minute, second))


# ---- names (RFC 5280, 4.1.2.4 and 4.2.1.6) ------------------------------------------------------------------

_UNIQUE_IDENTIFIER: Final = "2.5.4.45"


def rdn(content: bytes) -> None:
    attributes = children(content)
    if not attributes or len(attributes) > 16:
        raise BadDer("an RDN of no attribute, or of more than anybody uses")
    types = []
    for attribute in attributes:
        if attribute.tag != 0x30:
            raise BadDer("an attribute is a SEQUENCE")
        kind, text = children(attribute.content)
        if kind.tag != 0x06:
            raise BadDer("an attribute's type is an OID")
        types.append(oid(kind.content))
        if types[-1] == _UNIQUE_IDENTIFIER and text.tag == 0x03:
            bits(text.content)
            continue
        if not text.content or text.tag == 0x1A:
            raise BadDer("an attribute's value is a string that is not empty")
        string(text)
    if len(set(types)) != len(types) or [one.whole for one in attributes] != sorted(one.whole for one in attributes):
        raise BadDer("a SET OF is sorted (11.6), and an RDN has no type twice (X.501, 9.3)")


def name(content: bytes) -> None:
    for part in children(content):
        if part.tag != 0x31:
            raise BadDer("an RDN is a SET")
        rdn(part.content)


_CHARACTERS: Final = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}


def normal_form(whole: bytes) -> list[set[tuple[bytes, object]]]:
    """A well-formed Name as RFC 5280, 7.1, compares it, as far as ASCII goes: RDNs, each a set of types and values."""

    def compared(element: Element) -> object:
        if element.tag not in _CHARACTERS:
            return element.tag, element.content
        text = element.content.decode(_CHARACTERS[element.tag])
        folded = "".join(c.lower() if c.isascii() else c for c in text)
        return " ".join(word for word in re.split("[ \t-\r]+", folded) if word)

    return [
        {
            (kind.content, compared(element))
            for kind, element in (children(one.content) for one in children(rdn_.content))
        }
        for rdn_ in children(only(whole, 0x30).content)
    ]


def dns_name(text: bytes) -> None:
    labels = text.removeprefix(b"*.").split(b".")
    label = re.compile(rb"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
    if len(text) > 253 or not all(label.fullmatch(one) for one in labels) or labels[-1].isdigit():
        raise BadDer("no host's name")


def general_name(element: Element) -> None:
    content = element.content
    match element.tag:
        case 0xA0:
            kind, wrapped = children(content)
            if kind.tag != 0x06 or wrapped.tag != 0xA0:
                raise BadDer("otherName")
            oid(kind.content)
            (inner,) = children(wrapped.content)
            value(inner)
        case 0x81 | 0x86:
            if re.fullmatch(rb"[\x01-\x7f]+", content) is None:
                raise BadDer("rfc822Name or URI")
        case 0x82:
            dns_name(content)
        case 0xA3:
            for child in children(content):
                value(child, 1)
        case 0xA4:
            inner = only(content, 0x30)
            if not inner.content:
                raise BadDer("an empty directoryName")
            name(inner.content)
        case 0xA5:
            parts = children(content)
            if [part.tag for part in parts] not in ([0xA1], [0xA0, 0xA1]):
                raise BadDer("ediPartyName")
            for part in parts:
                (text,) = children(part.content)
                if text.tag not in (0x0C, 0x13, 0x14, 0x1C, 0x1E) or not text.content:
                    raise BadDer("DirectoryString")
                string(text)
        case 0x87:
            if len(content) not in (4, 16):
                raise BadDer("iPAddress")
        case 0x88:
            oid(content)
        case _:
            raise BadDer("no such GeneralName")


def general_names(content: bytes) -> None:
    names = children(content)
    if not names:
        raise BadDer("no name")
    for one in names:
        general_name(one)


# ---- extensions (RFC 5280, 4.2) ------------------------------------------------------------------------------


@dataclass
class Certificate:
    """What a certificate says."""

    tbs: bytes = b""
    version: int = 1
    issuer: bytes = b""
    subject: bytes = b""
    not_before: int = 0
    not_after: int = 0
    algorithm: str = ""
    signature: bytes = b""
    key: Key | None = None
    key_reason: str = ""
    present: set[str] = field(default_factory=set)
    critical: set[str] = field(default_factory=set)
    unknown_critical: bool = False
    unknown_qualifier: bool = False
    key_usage: int = 0
    purposes: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    is_ca: bool = False
    has_key_id: bool = False
    authority_key_id: bytes = b""
    subject_key_id: bytes = b""
    serial: int = 0
    authority_serial: int | None = None
    let_pass_in_anchors: set[str] = field(default_factory=set)
    """Faults for which real anchors are not refused: with another fault beside them, either may be named."""

    @property
    def names_another_key(self) -> bool:
        """Whether its authorityKeyIdentifier speaks of another key, or of another certificate, than its own."""
        both = bool(self.authority_key_id and self.subject_key_id)
        other_serial = self.authority_serial is not None and self.authority_serial != self.serial
        return other_serial or (both and self.authority_key_id != self.subject_key_id)


def _many(data: bytes) -> list[Element]:
    """SEQUENCE SIZE (1..MAX)"""
    found = children(only(data, 0x30).content)
    if not found:
        raise BadDer("an empty SEQUENCE")
    return found


def _subject_key_id(data: bytes, certificate: Certificate) -> None:
    certificate.subject_key_id = only(data, 0x04).content
    if not certificate.subject_key_id:
        raise BadDer("an empty key identifier")


def _key_usage(data: bytes, certificate: Certificate) -> None:
    content = only(data, 0x03).content
    certificate.key_usage = named_bits(content, 9, trimmed=False)
    try:
        named_bits(content, 9)
    except BadDer:
        certificate.let_pass_in_anchors.add("certificate-extension-malformed")


def _basic_constraints(data: bytes, certificate: Certificate) -> None:
    parts = children(only(data, 0x30).content)
    if parts and parts[0].tag == 0x01:
        if not boolean(parts.pop(0).content):
            raise BadDer("a DEFAULT that is written (11.5)")
        certificate.is_ca = True
    if parts:
        (length,) = parts
        if not certificate.is_ca or length.tag != 0x02 or not 0 <= integer(length.content) < 1 << 31:
            raise BadDer("pathLenConstraint")


def _policies(data: bytes, certificate: Certificate) -> None:
    for policy in _many(data):
        if policy.tag != 0x30:
            raise BadDer("PolicyInformation")
        identifier, *qualifiers = children(policy.content)
        if identifier.tag != 0x06 or len(qualifiers) > 1:
            raise BadDer("PolicyInformation")
        told = oid(identifier.content)
        if told in certificate.policies or len(certificate.policies) == 128:
            raise BadDer("a policy that comes twice")
        certificate.policies.add(told)
        for qualifier in _many(qualifiers[0].whole) if qualifiers else []:
            certificate.unknown_qualifier |= not _qualifier(qualifier)


def _qualifier(element: Element) -> bool:
    """Whether it is of one of the two kinds that RFC 5280 knows."""
    if element.tag != 0x30:
        raise BadDer("PolicyQualifierInfo")
    kind, content = children(element.content)
    if kind.tag != 0x06:
        raise BadDer("PolicyQualifierInfo")
    match oid(kind.content):
        case "1.3.6.1.5.5.7.2.1":
            if content.tag != 0x16 or not content.content or any(octet > 0x7F for octet in content.content):
                raise BadDer("CPSuri")
        case "1.3.6.1.5.5.7.2.2":
            if content.tag != 0x30:
                raise BadDer("UserNotice")
            parts = children(content.content)
            if parts and parts[0].tag == 0x30:
                organization, numbers = children(parts.pop(0).content)
                _display_text(organization)
                if numbers.tag != 0x30:
                    raise BadDer("NoticeReference")
                for number in children(numbers.content):
                    if number.tag != 0x02:
                        raise BadDer("NoticeReference")
                    integer(number.content)
            if parts:
                (text,) = parts
                _display_text(text)
        case _:
            value(content)
            return False
    return True


def _display_text(element: Element) -> None:
    if element.tag not in (0x16, 0x1A, 0x1E, 0x0C) or not element.content:
        raise BadDer("DisplayText")
    string(element)


def _authority_key_id(data: bytes, certificate: Certificate) -> None:
    parts = children(only(data, 0x30).content)
    tags = [part.tag for part in parts]
    if tags not in ([], [0x80], [0x80, 0xA1, 0x82], [0xA1, 0x82]):
        raise BadDer("AuthorityKeyIdentifier")
    for part in parts:
        if part.tag == 0x80 and not part.content:
            raise BadDer("an empty key identifier")
        if part.tag == 0xA1:
            general_names(part.content)
        if part.tag == 0x82:
            certificate.authority_serial = integer(part.content)
    certificate.has_key_id = 0x80 in tags
    certificate.authority_key_id = next((part.content for part in parts if part.tag == 0x80), b"")


def _purposes(data: bytes, certificate: Certificate) -> None:
    for purpose in _many(data):
        if purpose.tag != 0x06:
            raise BadDer("KeyPurposeId")
        certificate.purposes.add(oid(purpose.content))


def _names_of(data: bytes, _: Certificate) -> None:
    general_names(only(data, 0x30).content)


def _distribution_points(data: bytes, _: Certificate) -> None:
    for point in _many(data):
        if point.tag != 0x30:
            raise BadDer("DistributionPoint")
        parts = children(point.content)
        tags = [part.tag for part in parts]
        if tags != sorted(set(tags), key=lambda tag: tag & 0x1F) or not {0xA0, 0xA2} & set(tags):
            raise BadDer("DistributionPoint")
        for part in parts:
            if part.tag == 0xA0:
                (choice,) = children(part.content)
                {0xA0: general_names, 0xA1: rdn}.get(choice.tag, lambda _: _raise())(choice.content)
            elif part.tag == 0x81:
                named_bits(part.content, 9)
            elif part.tag == 0xA2:
                general_names(part.content)
            else:
                raise BadDer("DistributionPoint")


def _access(data: bytes, _: Certificate) -> None:
    for description in _many(data):
        if description.tag != 0x30:
            raise BadDer("AccessDescription")
        method, location = children(description.content)
        if method.tag != 0x06:
            raise BadDer("AccessDescription")
        oid(method.content)
        general_name(location)


def _name_constraints(data: bytes, _: Certificate) -> None:
    parts = _many(data)
    if [part.tag for part in parts] not in ([0xA0], [0xA1], [0xA0, 0xA1]):
        raise BadDer("NameConstraints")
    raise BadDer("mutations do not come this far: let a person look")


def _policy_constraints(data: bytes, _: Certificate) -> None:
    parts = _many(data)
    if [part.tag for part in parts] not in ([0x80], [0x81], [0x80, 0x81]):
        raise BadDer("PolicyConstraints")
    for part in parts:
        _skip(part.content)


def _skip(content: bytes) -> None:
    if not 0 <= integer(content) < 1 << 31:
        raise BadDer("SkipCerts")


def _mappings(data: bytes, _: Certificate) -> None:
    for mapping in _many(data):
        one, other = children(mapping.content)
        if (mapping.tag, one.tag, other.tag) != (0x30, 0x06, 0x06):
            raise BadDer("PolicyMappings")
        oid(one.content)
        oid(other.content)


def _directory_attributes(data: bytes, _: Certificate) -> None:
    for attribute in _many(data):
        kind, values = children(attribute.content)
        if (attribute.tag, kind.tag, values.tag) != (0x30, 0x06, 0x31) or not values.content:
            raise BadDer("Attribute")
        oid(kind.content)
        value(values)


DECODERS: Final[dict[str, Callable[[bytes, Certificate], None]]] = {
    "2.5.29.9": _directory_attributes,
    "2.5.29.14": _subject_key_id,
    "2.5.29.15": _key_usage,
    "2.5.29.17": _names_of,
    "2.5.29.18": _names_of,
    "2.5.29.19": _basic_constraints,
    "2.5.29.30": _name_constraints,
    "2.5.29.31": _distribution_points,
    "2.5.29.32": _policies,
    "2.5.29.33": _mappings,
    "2.5.29.35": _authority_key_id,
    "2.5.29.36": _policy_constraints,
    "2.5.29.37": _purposes,
    "2.5.29.46": _distribution_points,
    "2.5.29.54": lambda data, _: _skip(only(data, 0x02).content),
    "1.3.6.1.5.5.7.1.1": _access,
    "1.3.6.1.5.5.7.1.11": _access,
}


def extensions(content: bytes, certificate: Certificate) -> None:
    malformed = Refused("certificate-extension-malformed")
    if not content:
        raise malformed
    count = 0
    while content:
        try:
            element, content = first(content)
            kind, *rest = children(element.content)
            if element.tag != 0x30 or kind.tag != 0x06:
                raise BadDer("Extension")
            told = oid(kind.content)
            critical = False
            if rest and rest[0].tag == 0x01:
                critical = boolean(rest.pop(0).content)
                if not critical:
                    raise BadDer("a DEFAULT that is written (11.5)")
            (data,) = rest
            if data.tag != 0x04:
                raise BadDer("extnValue")
        except (BadDer, ValueError):
            raise malformed from None
        count += 1
        if count > 64:
            raise malformed
        if told in certificate.present:
            raise Refused("certificate-extension-duplicate")
        certificate.present.add(told)
        if critical:
            certificate.critical.add(told)
        if told in DECODERS:
            try:
                DECODERS[told](data.content, certificate)
            except (BadDer, ValueError):
                raise malformed from None
        elif critical:
            certificate.unknown_critical = True


# ---- keys (RFC 3279, RFC 5480, RFC 8410) ----------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    kind: str  # rsa, p256, p384, ed25519
    n: int = 0
    e: int = 0
    point: bytes = b""

    @property
    def size(self) -> int:
        return (self.n.bit_length() + 7) // 8


_CURVES: Final = {"1.2.840.10045.3.1.7": ("p256", 32), "1.3.132.0.34": ("p384", 48)}


def read_key(spki: bytes) -> Key:
    """The key; Refused says what is wrong with it, BadDer that it is no SubjectPublicKeyInfo."""
    algorithm, bit_string = children(only(spki, 0x30).content)
    if (algorithm.tag, bit_string.tag) != (0x30, 0x03):
        raise BadDer("SubjectPublicKeyInfo")
    identifier, *parameters = children(algorithm.content)
    if identifier.tag != 0x06 or len(parameters) > 1:
        raise BadDer("AlgorithmIdentifier")
    told = oid(identifier.content)
    for parameter in parameters:
        value(parameter)
    octets, unused = bits(bit_string.content)
    if told not in ("1.2.840.113549.1.1.1", "1.2.840.10045.2.1", "1.3.101.112"):
        raise Refused("key-unsupported")
    if unused:
        raise Refused("key-malformed")
    if told == "1.2.840.113549.1.1.1":
        if [parameter.whole for parameter in parameters] != [b"\x05\x00"]:
            raise Refused("key-malformed")
        return _rsa_key(octets)
    if told == "1.2.840.10045.2.1":
        if not parameters:
            raise Refused("key-malformed")
        curve = _CURVES.get(oid(parameters[0].content)) if parameters[0].tag == 0x06 else None
        if curve is None:
            raise Refused("key-unsupported")
        kind, size = curve
        if len(octets) != 1 + 2 * size or octets[0] != 4:
            raise Refused("key-point")
        return Key(kind, point=octets)
    if parameters or len(octets) != 32:
        raise Refused("key-malformed")
    return Key("ed25519", point=octets)


def _rsa_key(octets: bytes) -> Key:
    try:
        modulus, exponent = children(only(octets, 0x30).content)
        if (modulus.tag, exponent.tag) != (0x02, 0x02):
            raise BadDer("RSAPublicKey")
        n, e = integer(modulus.content), integer(exponent.content)
    except (BadDer, ValueError):
        raise Refused("key-malformed") from None
    if n <= 0 or e < 0:
        raise Refused("key-malformed")
    faults = set()
    if n.bit_length() < 2048:
        faults.add("key-too-small")
    if n.bit_length() > 8192:
        faults.add("key-too-large")
    if n % 2 == 0:
        faults.add("key-modulus-even")
    if e % 2 == 0 or e < 3:
        faults.add("key-exponent")
    if e >= 1 << 64:
        faults.add("key-unsupported")
    if faults:
        raise Refused(*faults)
    return Key("rsa", n, e)


def point_is_good(key: Key) -> bool:
    """On its curve; an Ed25519 key besides not of small order, under which one signature fits every message."""
    if key.kind == "ed25519":
        return ed25519_is_good(key.point)
    curve = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}.get(key.kind)
    if curve is None:
        return True
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(curve, key.point)
    except ValueError:
        return False
    return True


_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P


def ed25519_is_good(octets: bytes) -> bool:
    """y below p (RFC 8032, 5.1.3), and eight times the point is not the neutral one.  A y without an x is nobody's key: its
    signatures are wrong."""
    y = int.from_bytes(octets, "little") & (1 << 255) - 1
    if y >= _P:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P:
        return True
    for _ in range(3):  # doubling: RFC 8032, 5.1.4, in affine form
        product = _D * x * x * y * y % _P
        x, y = 2 * x * y * pow(1 + product, -1, _P) % _P, (y * y + x * x) * pow(1 - product, -1, _P) % _P
    return (x, y) != (0, 1)


# ---- the certificate (RFC 5280, 4.1) --------------------------------------------------------------------------

_ALGORITHMS: Final = {  # OID: name in profiles, whether NULL stands for parameters
    "1.2.840.113549.1.1.11": ("rsassa-pkcs1-v1_5-sha256", True),
    "1.2.840.113549.1.1.12": ("rsassa-pkcs1-v1_5-sha384", True),
    "1.2.840.113549.1.1.13": ("rsassa-pkcs1-v1_5-sha512", True),
    "1.2.840.10045.4.3.2": ("ecdsa-sha256", False),
    "1.2.840.10045.4.3.3": ("ecdsa-sha384", False),
    "1.2.840.10045.4.3.4": ("ecdsa-sha512", False),
    "1.3.101.112": ("ed25519", False),
}


def read_algorithm(content: bytes) -> str:
    identifier, *parameters = children(content)
    if identifier.tag != 0x06 or len(parameters) > 1:
        raise BadDer("AlgorithmIdentifier")
    told = oid(identifier.content)
    for parameter in parameters:
        value(parameter)
    if told not in _ALGORITHMS:
        return ""
    known, wants_null = _ALGORITHMS[told]
    if [parameter.whole for parameter in parameters] != ([b"\x05\x00"] if wants_null else []):
        raise BadDer("parameters")
    return known


class _Fields:
    """The fields of a SEQUENCE, taken one after the other."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def next_is(self, tag: int) -> bool:
        return self.rest[:1] == bytes((tag,))

    def take(self, reason: str, *tags: int) -> Element:
        try:
            element, rest = first(self.rest)
        except BadDer:
            raise Refused(reason) from None
        if tags and element.tag not in tags:
            raise Refused(reason)
        self.rest = rest
        return element


def read_certificate(der: bytes) -> Certificate:
    """The certificate, or Refused with the reason of the field in which the first fault stands."""
    certificate = Certificate()
    try:
        _read_into(certificate, der)
    except Refused as refused:
        raise Refused(*refused.reasons, *certificate.let_pass_in_anchors) from None
    if certificate.let_pass_in_anchors:
        raise Refused(*certificate.let_pass_in_anchors)
    return certificate


def _read_into(certificate: Certificate, der: bytes) -> None:
    malformed = "certificate-malformed"
    outside = _Fields(der)
    whole = outside.take(malformed, 0x30)
    if outside.rest:
        raise Refused("certificate-trailing-data")
    parts = _Fields(whole.content)
    tbs = parts.take(malformed, 0x30)
    certificate.tbs = tbs.whole
    inside = _Fields(tbs.content)
    _version(inside, certificate)
    serial = inside.take("certificate-serial", 0x02)
    try:
        if len(serial.content) > 20:
            raise Refused("certificate-serial")
        certificate.serial = integer(serial.content)
        if certificate.serial < 1:
            certificate.let_pass_in_anchors.add("certificate-serial")
    except BadDer:
        raise Refused("certificate-serial") from None
    algorithm = inside.take(malformed, 0x30)
    try:
        certificate.algorithm = read_algorithm(algorithm.content)
    except (BadDer, ValueError):
        raise Refused(malformed) from None
    certificate.issuer = _name(inside, may_be_empty=False)
    _validity(inside, certificate)
    certificate.subject = _name(inside, may_be_empty=True)
    _key(inside, certificate)
    for tag in (0x81, 0x82):
        if inside.next_is(tag):
            if certificate.version == 1:
                raise Refused("certificate-version")
            try:
                bits(inside.take(malformed, tag).content)
            except BadDer:
                raise Refused(malformed) from None
    if inside.next_is(0xA3):
        if certificate.version != 3:
            raise Refused("certificate-version")
        try:
            listed = only(inside.take(malformed, 0xA3).content, 0x30)
        except BadDer:
            raise Refused(malformed) from None
        extensions(listed.content, certificate)
    if inside.rest:
        raise Refused(malformed)
    outer = parts.take(malformed, 0x30)
    if outer.whole != algorithm.whole:
        raise Refused("certificate-algorithms-differ")
    signature = parts.take(malformed, 0x03)
    if parts.rest or signature.content[:1] != b"\x00":
        raise Refused(malformed)
    certificate.signature = signature.content[1:]


def _version(inside: _Fields, certificate: Certificate) -> None:
    if not inside.next_is(0xA0):
        return
    tagged = inside.take("certificate-malformed", 0xA0)
    try:
        number = only(tagged.content, 0x02)
        told = integer(number.content)
    except BadDer:
        raise Refused("certificate-malformed") from None
    if told not in (1, 2):
        raise Refused("certificate-version")
    certificate.version = told + 1


def _name(inside: _Fields, *, may_be_empty: bool) -> bytes:
    element = inside.take("certificate-name-malformed", 0x30)
    try:
        if not element.content and not may_be_empty:
            raise BadDer("an empty issuer")
        name(element.content)
    except (BadDer, ValueError):
        raise Refused("certificate-name-malformed") from None
    return element.whole


def _validity(inside: _Fields, certificate: Certificate) -> None:
    malformed = "certificate-validity-malformed"
    try:
        begins, ends = children(inside.take(malformed, 0x30).content)
        certificate.not_before, certificate.not_after = seconds(begins), seconds(ends)
    except (BadDer, ValueError):
        raise Refused(malformed) from None
    if certificate.not_before > certificate.not_after:
        raise Refused(malformed)


def _key(inside: _Fields, certificate: Certificate) -> None:
    spki = inside.take("certificate-malformed", 0x30)
    try:
        certificate.key = read_key(spki.whole)
    except Refused as refused:
        certificate.key_reason = "|".join(sorted(refused.reasons))
    except (BadDer, ValueError):
        raise Refused("certificate-malformed") from None


# ---- signatures (docs/SECURITY.md; RFC 8017, FIPS 186-5, RFC 8032) -----------------------------------------------

_DIGEST_INFO: Final = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_ORDERS: Final = {
    "p256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "p384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
_ED25519_L: Final = 2**252 + 27742317777372353535851937790883648493


def verify(key: Key, mode: str, message: bytes, signature: bytes) -> None:
    """Refused unless the signature is right.  `mode` as profiles name it."""
    if key.kind == "rsa":
        _verify_rsa(key, mode, message, signature)
    elif key.kind == "ed25519":
        _verify_ed25519(key, message, signature)
    else:
        _verify_ecdsa(key, mode, message, signature)


def _verify_rsa(key: Key, mode: str, message: bytes, signature: bytes) -> None:
    digest = mode.rpartition("-")[2]
    if mode == "rsassa-pkcs1-v1_5-raw":
        content = message
        if len(content) + 11 > key.size:
            raise Refused("input-too-large")
    else:
        content = hashlib.new(digest, message).digest()
        if mode == f"rsassa-pkcs1-v1_5-{digest}":
            content = _DIGEST_INFO[digest] + content
        elif mode != f"rsassa-pkcs1-v1_5-bare-{digest}":
            raise ValueError(mode)
    if len(signature) != key.size:
        raise Refused("signature-length")
    number = int.from_bytes(signature, "big")
    block = b"\x00\x01" + b"\xff" * (key.size - 3 - len(content)) + b"\x00" + content
    if not 0 < number < key.n or pow(number, key.e, key.n).to_bytes(key.size, "big") != block:
        raise Refused("signature-wrong")


def _verify_ecdsa(key: Key, mode: str, message: bytes, signature: bytes) -> None:
    if not mode.endswith("-der"):
        raise ValueError(mode)
    try:
        r, s = (
            integer(part.content) for part in children(only(signature, 0x30).content) if part.tag == 0x02 or _raise()
        )
        if r < 0 or s < 0 or max(r, s) >= 1 << int(key.kind[1:]):
            raise BadDer("not a number of the curve's size")
    except (BadDer, ValueError):
        raise Refused("signature-malformed") from None
    order = _ORDERS[key.kind]
    if not (0 < r < order and 0 < s < order):
        raise Refused("signature-wrong")
    curve = ec.SECP256R1() if key.kind == "p256" else ec.SECP384R1()
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve, key.point)
    algorithm = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[mode[9:12]]
    try:
        public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(algorithm))
    except InvalidSignature:
        raise Refused("signature-wrong") from None


def _verify_ed25519(key: Key, message: bytes, signature: bytes) -> None:
    if len(signature) != 64:
        raise Refused("signature-length")
    if int.from_bytes(signature[32:], "little") >= _ED25519_L:
        raise Refused("signature-wrong")
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key.point).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("signature-wrong") from None


def certificate_mode(algorithm: str) -> str:
    return algorithm + ("-der" if algorithm.startswith("ecdsa") else "")


# ---- the challenge (sekisho.h, "challenges and claims") ----------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """What the relying party knows of its own challenges."""

    secrets: dict[int, bytes]
    tenant: int
    audience: str
    profile: int


def check_challenge(token: bytes, binding: bytes, transaction: bytes, desk: Desk, at: int) -> None:
    malformed = Refused("challenge-malformed")
    if len(binding) > 1024:
        raise Refused("input-too-large")
    if len(token) != 165 or not token.startswith(b"sekisho1."):
        raise malformed
    text = token[9:]
    if re.fullmatch(rb"[A-Za-z0-9_-]{156}", text) is None:
        raise malformed
    try:
        body = base64.urlsafe_b64decode(text)
    except binascii.Error:
        raise malformed from None
    if base64.urlsafe_b64encode(body) != text or len(body) != 117:
        raise malformed
    number = int.from_bytes
    lifetime, issued = number(body[35:37], "big"), number(body[29:35], "big")
    bound = body[0] == 1
    well_formed = (
        body[0] in (0, 1) and 1 <= lifetime <= 300 and issued < 1 << 40 and (bound or body[53:85] == bytes(32))
    )
    secret = desk.secrets.get(number(body[1:5], "big"))
    label = b"sekisho challenge token 1".ljust(64, b"\0")
    mac = hmac.digest(secret or b"", label + body[:85] + len(binding).to_bytes(2, "big") + binding, "sha256")
    if not well_formed:
        # Which of the two is said of a token that is neither well formed nor ours is nobody's business.
        raise Refused("challenge-malformed", *(["challenge-key-unknown"] if secret is None else ["challenge-forged"]))
    if secret is None:
        raise Refused("challenge-key-unknown")
    if mac != body[85:]:
        raise Refused("challenge-forged")
    if number(body[5:9], "big") != desk.tenant:
        raise Refused("challenge-wrong-tenant")
    if hashlib.sha256(b"sekisho audience 1\0" + desk.audience.encode()).digest()[:16] != body[13:29]:
        raise Refused("challenge-wrong-audience")
    if number(body[9:13], "big") != desk.profile:
        raise Refused("challenge-wrong-profile")
    if at < issued:
        raise Refused("challenge-not-yet-valid")
    if at >= issued + lifetime:
        raise Refused("challenge-expired")
    if (body[53:85] if bound else b"") != transaction:
        raise Refused("challenge-wrong-transaction")


# ---- the login ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """A profile, in the words of its TOML."""

    modes: dict[str, str]
    algorithms: frozenset[str]
    policies: frozenset[str]
    key_usage_required: int
    key_usage_forbidden: int
    purposes: frozenset[str]
    rsa_bits: tuple[int, int]


@dataclass(frozen=True)
class Issuer:
    """A trusted CA whose leaves are (or are not) for this profile; its window holds the moment of judgement."""

    name: bytes
    key: Key
    allowed: bool


@dataclass(frozen=True)
class Login:
    certificate: bytes
    challenge: bytes
    signature: bytes
    binding: bytes = b""
    transaction: bytes = b""


# Read and no more.  RFC 5280, 4.2: refused when critical, as nobody here acts on what they say; 4.2.1.8, 4.2.1.15, 4.2.2: they
# are never to be, and 4.2.1.7 advises against it.
_ONLY_READ: Final = frozenset({"2.5.29.18", "2.5.29.9", "2.5.29.46", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.11"})


@dataclass
class Oracle:
    """Judges the logins of one range of one batch in their order; remembers which challenges it saw and accepted."""

    desk: Desk
    rules: Rules
    issuers: Sequence[Issuer]
    at: int
    used: set[bytes] = field(default_factory=set)
    offered: Counter[bytes] = field(default_factory=Counter)

    def judge(self, login: Login) -> frozenset[str]:
        """Every reason that is right for this login, after all those before it."""
        try:
            self._request(login)
            check_challenge(login.challenge, login.binding, login.transaction, self.desk, self.at)
            self.offered[login.challenge] += 1
            if self.offered[login.challenge] > CHECKS_AT_ONCE_MAX:
                raise Refused("challenge-locked")
            certificate = read_certificate(login.certificate)
            self._own(certificate)
            self._issuer(certificate)
            self._path(certificate)
            assert certificate.key is not None
            verify(certificate.key, self.rules.modes[certificate.key.kind], login.challenge, login.signature)
        except Refused as refused:
            return refused.reasons
        if login.challenge in self.used:
            return frozenset({"challenge-used"})
        self.used.add(login.challenge)
        return ACCEPTED

    def _request(self, login: Login) -> None:
        faults = set()
        if not (login.certificate and login.challenge and login.signature):
            faults.add("input-missing")
        if (
            len(login.certificate) > CERTIFICATE_SIZE_MAX
            or len(login.signature) > SIGNATURE_SIZE_MAX
            or len(login.challenge) > CHALLENGE_SIZE_MAX
        ):
            faults.add("input-too-large")
        if faults:
            raise Refused(*faults)

    def _own(self, certificate: Certificate) -> None:
        """What the certificate says of itself against the profile: any fault may be named."""
        rules, faults = self.rules, set()
        uninterpreted = certificate.unknown_qualifier and "2.5.29.32" in certificate.critical  # 4.2.1.4
        if certificate.unknown_critical or certificate.critical & _ONLY_READ or uninterpreted:
            faults.add("certificate-extension-unknown-critical")
        if certificate.is_ca:
            faults.add("leaf-is-ca")
        if self.at < certificate.not_before:
            faults.add("not-yet-valid")
        if self.at > certificate.not_after:
            faults.add("expired")
        if certificate.algorithm not in rules.algorithms:
            faults.add("algorithm-not-allowed")
        faults |= self._key_faults(certificate)
        usage = certificate.key_usage
        if usage & rules.key_usage_required != rules.key_usage_required or usage & rules.key_usage_forbidden:
            faults.add("key-usage")
        if certificate.purposes and rules.purposes and not certificate.purposes & rules.purposes:
            faults.add("extended-key-usage")
        if rules.policies and not certificate.policies:
            faults.add("policy")
        if faults:
            raise Refused(*faults)

    def _key_faults(self, certificate: Certificate) -> set[str]:
        key = certificate.key
        if key is None:
            return set(certificate.key_reason.split("|"))
        if key.kind not in self.rules.modes:
            return {"key-mode-mismatch"}
        if not point_is_good(key):
            return {"key-point"}
        faults = set()
        if key.kind == "rsa":
            least, most = self.rules.rsa_bits
            faults |= {"key-too-small"} if key.n.bit_length() < least else set()
            faults |= {"key-too-large"} if key.n.bit_length() > most else set()
            faults |= {"key-exponent"} if key.e < 65537 else set()
        return faults

    def _issuer(self, certificate: Certificate) -> None:
        wanted = normal_form(certificate.issuer)
        named = [issuer for issuer in self.issuers if normal_form(issuer.name) == wanted]
        if not named:
            raise Refused("issuer-unknown")
        for issuer in named:
            mode = certificate_mode(certificate.algorithm)
            if (mode.startswith("rsa"), mode == "ed25519") != (issuer.key.kind == "rsa", issuer.key.kind == "ed25519"):
                continue
            try:
                verify(issuer.key, mode, certificate.tbs, certificate.signature)
            except Refused:
                continue
            if not issuer.allowed:
                raise Refused("issuer-not-allowed")
            return
        raise Refused("issuer-signature-wrong")

    def _path(self, certificate: Certificate) -> None:
        """What RFC 5280 wants of a conforming certificate beyond its form, and its policies (6.1.3)."""
        faults = set()
        if not certificate.has_key_id:
            faults.add("path-refused")  # 4.2.1.1: keyIdentifier MUST be there
        if certificate.subject == certificate.issuer and not certificate.names_another_key:
            faults.add("issuer-unknown")  # says of itself that it is self-signed, and no such leaf is trusted
        if certificate.critical & {"2.5.29.35", "2.5.29.14"}:
            faults |= {
                "path-refused",
                "certificate-extension-unknown-critical",
            }  # 4.2.1.1, 4.2.1.2: MUST be non-critical
        if certificate.key_usage & 1 << 5:
            faults.add("path-refused")  # 4.2.1.3, 4.2.1.9: keyCertSign without cA
        if certificate.subject == b"\x30\x00" and "2.5.29.17" not in certificate.critical:
            faults.add("path-refused")  # 4.1.2.6: then subjectAltName MUST be there, and critical
        if self.rules.policies and not certificate.policies & (self.rules.policies | {"2.5.29.32.0"}):
            faults.add("policy")
        if faults:
            raise Refused(*faults)


if __name__ == "__main__":
    from tests.property.mutations import main

    main()
