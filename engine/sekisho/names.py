"""Names for people: a Name's DER as a string (RFC 4514), and such a string in its one normal form.

Two normal forms are equal if and only if the names have the same attributes in the same order; the kinds of string in
which a CA wrote them play no part, letters' case does.  For reports and configuration: the core compares DER.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import char
from pyasn1_modules import rfc5280

__all__ = ["name_string", "normal_name"]

_TYPES: Final = {
    # RFC 4514, 3
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
    # Others that stand in CA certificates, by their descriptors (RFC 4519; RFC 2985)
    "2.5.4.4": "sn",
    "2.5.4.5": "serialNumber",
    "2.5.4.12": "title",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "givenName",
    "2.5.4.46": "dnQualifier",
    "2.5.4.97": "organizationIdentifier",
    "1.2.840.113549.1.9.1": "emailAddress",
}
_OIDS: Final = {label.lower(): oid for oid, label in _TYPES.items()}
_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_ESCAPE: Final = re.compile(r'\\(?:([0-9A-Fa-f]{2})|([ "#+,;<=>\\]))')
_SPECIAL: Final = re.compile(r'[\\"+,;<>]|^[ #]| \Z')
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")  # a name must not steer a terminal

_Rdn = list[tuple[str, str]]  # (label or OID, value as written)


def name_string(der: bytes) -> str:
    """A Name (RFC 5280, 4.1.2.4) in DER as a string of RFC 4514, the most specific attribute first.

    Values that are no text, or of a type without a label, are written as ``#`` and their DER in hexadecimal.

    Raises:
        ValueError: `der` is not a Name.
    """
    try:
        name, rest = decoder.decode(der, asn1Spec=rfc5280.Name())
        rdns = [[_attribute(str(one["type"]), bytes(one["value"])) for one in rdn] for rdn in name["rdnSequence"]]
    except (PyAsn1Error, ValueError) as error:
        raise ValueError(f"this is not the DER of a Name: {error}") from None
    if rest:
        raise ValueError(f"{len(rest)} bytes follow the Name")
    if not all(rdns):
        raise ValueError("a RelativeDistinguishedName is empty")
    return _joined(rdns[::-1])


def normal_name(text: str) -> str:
    """The normal form of a name as people write it: what `name_string` gives for the same name.

    Spaces around the separators are dropped, labels and escapes brought to one spelling.

    Raises:
        ValueError: not a name in the form of RFC 4514; the message says where and what to write.
    """
    rdns: list[_Rdn] = []
    for part in _split(text, ",") if text.strip() else ():
        rdns.append([_parsed(one) for one in _split(part, "+")])
    return _joined(rdns)


def _attribute(oid: str, der: bytes) -> tuple[str, str]:
    value, rest = decoder.decode(der)
    if rest:
        raise ValueError(f"{len(rest)} bytes follow a value")
    label = _TYPES.get(oid)
    if label is not None and isinstance(value, char.AbstractCharacterString):
        try:
            return label, _escaped(str(value))
        except UnicodeError:
            pass
    return label or oid, "#" + der.hex()


def _joined(rdns: list[_Rdn]) -> str:
    # The order inside a SET means nothing.
    return ",".join("+".join(f"{label}={value}" for label, value in sorted(rdn)) for rdn in rdns)


def _escaped(value: str) -> str:
    value = _SPECIAL.sub(lambda match: "\\" + match[0], value)
    return _CONTROL.sub(lambda match: "".join(f"\\{byte:02X}" for byte in match[0].encode()), value)


def _parsed(attribute: str) -> tuple[str, str]:
    label, equals, value = attribute.partition("=")
    label = label.strip()
    if not equals:
        raise ValueError(f"{attribute!r} is not of the form TYPE=value, as in CN=Example CA")
    oid = label if _OID.fullmatch(label) else _OIDS.get(label.lower())
    if oid is None:
        raise ValueError(f"{label!r} is no attribute type known here: write its OID, as in 2.5.4.65=#0c03…")
    value = re.sub(r"(?<!\\)((?:\\\\)*) +$", r"\1", value.lstrip(" "))
    if value.startswith("#"):
        try:
            return _attribute(oid, bytes.fromhex(value[1:]))
        except (ValueError, PyAsn1Error):
            raise ValueError(f"what follows # in {attribute!r} must be DER in hexadecimal") from None
    if oid not in _TYPES:
        raise ValueError(f"the value in {attribute!r} must be # and its DER in hexadecimal: the type has no label")
    return _TYPES[oid], _escaped(_unescaped(value, attribute))


def _unescaped(value: str, attribute: str) -> str:
    out, at = bytearray(), 0
    while at < len(value):
        if value[at] == "\\":
            match = _ESCAPE.match(value, at)
            if match is None:
                raise ValueError(f"a backslash in {attribute!r} escapes nothing: write \\\\ for one")
            out += bytes.fromhex(match[1]) if match[1] else match[2].encode()
            at = match.end()
        elif value[at] in '"+,;<>':
            raise ValueError(f"{value[at]} in {attribute!r} must be written \\{value[at]}")
        else:
            out += value[at].encode()
            at += 1
    try:
        return out.decode()
    except UnicodeError:
        raise ValueError(f"the escaped bytes in {attribute!r} are not UTF-8") from None


def _split(text: str, separator: str) -> Iterator[str]:
    start = at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            yield text[start:at]
            start = at + 1
        at += 1
    yield text[start:]
