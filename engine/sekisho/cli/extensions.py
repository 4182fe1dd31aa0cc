"""What an extension says, in words for people (RFC 5280, 4.2).  Judges nothing; what it cannot read it shows in hex."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Callable
from typing import Any, Final

from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import char, univ
from pyasn1_modules import rfc5280

from sekisho.names import name_string
from sekisho.profiles import EXTENDED_KEY_USAGES, KEY_USAGES

__all__ = ["NAMES", "PERSONAL", "describe", "hexadecimal", "printable"]

NAMES: Final = {
    "2.5.29.9": "subjectDirectoryAttributes",
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.18": "issuerAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.33": "policyMappings",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.36": "policyConstraints",
    "2.5.29.37": "extendedKeyUsage",
    "2.5.29.46": "freshestCRL",
    "2.5.29.54": "inhibitAnyPolicy",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.11": "subjectInfoAccess",
}
PERSONAL: Final = frozenset(("2.5.29.9", "2.5.29.14", "2.5.29.17", "2.5.29.31", "2.5.29.46"))
"""Extensions that say who, or where, the holder is.  A JPKI distribution point names the municipality."""

_ATTRIBUTE: Final = "1.2.392.200149.8.5.5."
_ATTRIBUTES: Final = {  # of JPKI's certificates for signatures
    "1": "氏名 (name)",
    "2": "氏名の代替文字 (substitutes in it)",
    "3": "性別 (sex)",
    "4": "生年月日 (date of birth)",
    "5": "住所 (address)",
    "6": "住所の代替文字 (substitutes in it)",
}
_POLICIES: Final = {
    "1.2.392.200149.8.5.1.1.20": "JPKI digital signature (署名用)",
    "1.2.392.200149.8.5.1.3.30": "JPKI user authentication (利用者証明用)",
    "1.2.392.200149.8.5.1.0.20": "JPKI, test",
    "2.5.29.32.0": "anyPolicy",
}
_PURPOSES: Final = {
    f"1.3.6.1.5.5.7.3.{number}": name
    for number, name in ((1, "serverAuth"), (2, "clientAuth"), (3, "codeSigning"), (4, "emailProtection"))
} | {"1.3.6.1.5.5.7.3.8": "timeStamping", "1.3.6.1.5.5.7.3.9": "OCSPSigning", "2.5.29.37.0": "anyExtendedKeyUsage"}
_METHODS: Final = {"1.3.6.1.5.5.7.48.1": "OCSP", "1.3.6.1.5.5.7.48.2": "issuer's certificate"}
assert set(_PURPOSES.values()) == set(EXTENDED_KEY_USAGES)  # noqa: S101 - one list, two uses


def describe(oid: str, value: bytes) -> list[str]:
    """What the extension says, a line each; its bytes in hexadecimal where nobody knows or can read it."""
    reader = _READERS.get(oid)
    if reader is None:
        return [hexadecimal(value)]
    try:
        return reader(value) or ["(empty)"]
    except (PyAsn1Error, ValueError, UnicodeError, IndexError):
        return [hexadecimal(value)]


def hexadecimal(content: bytes, most: int = 32) -> str:
    """The first bytes, as people write them."""
    shown = content[:most].hex()
    return f"{shown}…" if len(content) > most else shown


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control and direction characters are escaped."""
    return "".join(
        f"\\u{ord(one):04x}" if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Cs") else one for one in text
    )


def _decoded(value: bytes, kind: Any) -> Any:
    found, rest = decoder.decode(value, asn1Spec=kind)
    if rest:
        raise ValueError("bytes follow")
    return found


def _key_usage(value: bytes) -> list[str]:
    bits = _decoded(value, univ.BitString())
    return [", ".join(name for name, bit in zip(KEY_USAGES, bits, strict=False) if bit)]


def _extended_key_usage(value: bytes) -> list[str]:
    return [", ".join(_PURPOSES.get(str(one), str(one)) for one in _decoded(value, rfc5280.ExtKeyUsageSyntax()))]


def _basic_constraints(value: bytes) -> list[str]:
    found = _decoded(value, rfc5280.BasicConstraints())
    length = found["pathLenConstraint"]
    return [f"CA: {'yes' if found['cA'] else 'no'}{f', path length {int(length)}' if length.isValue else ''}"]


def _policies(value: bytes) -> list[str]:
    lines = []
    for one in _decoded(value, rfc5280.CertificatePolicies()):
        oid = str(one["policyIdentifier"])
        lines.append(f"{oid}{f'  {_POLICIES[oid]}' if oid in _POLICIES else ''}")
        for qualifier in one["policyQualifiers"] if one["policyQualifiers"].isValue else ():
            text, _ = decoder.decode(bytes(qualifier["qualifier"]))
            lines.append(f"  CPS {printable(str(text))}" if isinstance(text, char.IA5String) else "  a notice")
    return lines


def _general_name(name: Any) -> list[str]:
    kind, value = name.getName(), name.getComponent()
    if kind == "directoryName":
        return [f"directory: {name_string(encoder.encode(value[0]))}"]
    if kind == "otherName":
        return [_other_name(str(value["type-id"]), bytes(value["value"]))]
    if kind == "iPAddress":
        return [f"address: {ipaddress.ip_address(bytes(value))}"]
    labels = {"rfc822Name": "e-mail", "dNSName": "DNS", "uniformResourceIdentifier": "URI", "registeredID": "OID"}
    return [f"{labels.get(kind, kind)}: {printable(str(value))}"]


def _other_name(oid: str, value: bytes) -> str:
    text, _ = decoder.decode(value)
    shown = printable(str(text)) if isinstance(text, char.AbstractCharacterString) else hexadecimal(value)
    label = _ATTRIBUTES.get(oid.removeprefix(_ATTRIBUTE)) if oid.startswith(_ATTRIBUTE) else None
    return f"{label or oid}: {shown}"


def _general_names(value: bytes) -> list[str]:
    return [line for name in _decoded(value, rfc5280.GeneralNames()) for line in _general_name(name)]


def _distribution(value: bytes) -> list[str]:
    lines = []
    for point in _decoded(value, rfc5280.CRLDistributionPoints()):
        name = point["distributionPoint"]
        if name.isValue and name.getName() == "fullName":
            lines += [line for one in name.getComponent() for line in _general_name(one)]
        else:
            lines.append("a point named relative to its issuer")
    return lines


def _information(value: bytes) -> list[str]:
    return [
        f"{_METHODS.get(str(one['accessMethod']), str(one['accessMethod']))}: {'; '.join(_general_name(one['accessLocation']))}"
        for one in _decoded(value, rfc5280.AuthorityInfoAccessSyntax())
    ]


def _subject_key_id(value: bytes) -> list[str]:
    return [bytes(_decoded(value, univ.OctetString())).hex()]


def _authority_key_id(value: bytes) -> list[str]:
    found = _decoded(value, rfc5280.AuthorityKeyIdentifier())
    lines = [bytes(found["keyIdentifier"]).hex()] if found["keyIdentifier"].isValue else []
    if found["authorityCertIssuer"].isValue:
        lines += [line for one in found["authorityCertIssuer"] for line in _general_name(one)]
    if found["authorityCertSerialNumber"].isValue:
        lines.append(f"serial {int(found['authorityCertSerialNumber']):x}")
    return lines


_READERS: Final[dict[str, Callable[[bytes], list[str]]]] = {
    "2.5.29.14": _subject_key_id,
    "2.5.29.15": _key_usage,
    "2.5.29.17": _general_names,
    "2.5.29.18": _general_names,
    "2.5.29.19": _basic_constraints,
    "2.5.29.31": _distribution,
    "2.5.29.32": _policies,
    "2.5.29.35": _authority_key_id,
    "2.5.29.37": _extended_key_usage,
    "2.5.29.46": _distribution,
    "1.3.6.1.5.5.7.1.1": _information,
}
