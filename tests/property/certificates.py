"""Certificates field by field, and what can be done to them: structured mutations, and mutations of their bytes.

A `Draft` is a certificate that was not yet signed.  A mutation of it reaches past the signature, since the draft is signed
afterwards; a mutation of bytes is made before signing (`mutate_bytes` of the TBSCertificate) or after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from tests.property.keys import ALGORITHMS, Signer, pool

from sekisho.testing import der

__all__ = [
    "ANY_POLICY",
    "CA_MUTATIONS",
    "DAY",
    "EMPTY_TREE",
    "LEAF_MUTATIONS",
    "ODD_NAMES",
    "P1",
    "P2",
    "P3",
    "Draft",
    "Ext",
    "Place",
    "bits",
    "directory_name",
    "key_usage",
    "mutate_bytes",
    "mutate_element",
    "name",
    "policies",
    "serial_of",
    "signed_again_without",
    "spki_of",
    "subject_of",
    "whole",
]

DAY: Final = 86_400
P1, P2, P3 = "1.3.6.1.4.1.99999.1.1", "1.3.6.1.4.1.99999.1.2", "1.3.6.1.4.1.99999.1.3"
ANY_POLICY: Final = "2.5.29.32.0"

SKI, KU, SAN, IAN, BC = "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19"
NC, CRLDP, POL, MAP, AKI = "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.33", "2.5.29.35"
PC, EKU, FRESHEST, INHIBIT, AIA = "2.5.29.36", "2.5.29.37", "2.5.29.46", "2.5.29.54", "1.3.6.1.5.5.7.1.1"
SIA, SDA = "1.3.6.1.5.5.7.1.11", "2.5.29.9"


class Ext(NamedTuple):
    """An extension: OID, critical, the DER inside of its OCTET STRING."""

    oid: str
    critical: bool
    value: bytes


@lru_cache(maxsize=1 << 14)
def _extension(oid: str, critical: bool, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.TRUE if critical else b"", der.octet_string(value))


@dataclass(slots=True)
class Draft:
    """A certificate before it is signed.  All but the extensions is DER."""

    subject: bytes
    issuer: bytes
    spki: bytes
    signer: Signer
    extensions: list[Ext]
    serial: bytes
    not_before: bytes
    not_after: bytes
    version: bytes = b"\xa0\x03\x02\x01\x02"
    algorithm: str = ""
    inner: bytes = b""  # AlgorithmIdentifier inside, where it differs
    unique_ids: bytes = b""
    extensions_wrap: Callable[[bytes], bytes] | None = None

    def tbs(self) -> bytes:
        algorithm = self.inner or ALGORITHMS[self.algorithm or self.signer.algorithms[0]]
        listed = b"".join([_extension(*one) for one in self.extensions])
        wrapped = b""
        if listed:
            wrapped = self.extensions_wrap(listed) if self.extensions_wrap else der.context(3, der.sequence(listed))
        return der.sequence(
            self.version,
            self.serial,
            algorithm,
            self.issuer,
            der.sequence(self.not_before, self.not_after),
            self.subject,
            self.spki,
            self.unique_ids,
            wrapped,
        )

    def sealed(self, tbs: bytes | None = None) -> bytes:
        """The certificate, signed over `tbs` if it is given."""
        name = self.algorithm or self.signer.algorithms[0]
        tbs = self.tbs() if tbs is None else tbs
        return der.sequence(tbs, ALGORITHMS[name], der.bit_string(self.signer.sign(tbs, name)))

    def find(self, oid: str) -> int:
        """Place of an extension, -1 if it is not there."""
        for place, one in enumerate(self.extensions):
            if one.oid == oid:
                return place
        return -1

    def put(self, extension: Ext) -> None:
        """Replaces the extension of that OID, or adds it."""
        place = self.find(extension.oid)
        if place < 0:
            self.extensions.append(extension)
        else:
            self.extensions[place] = extension

    def drop(self, oid: str) -> None:
        self.extensions = [one for one in self.extensions if one.oid != oid]

    def copy(self) -> Draft:
        return replace(self, extensions=list(self.extensions))


@dataclass(slots=True)
class Place:
    """Where a draft stands, for mutations to know.

    Attributes:
        at: the time of judgement.
        depth: CA certificates between it and the leaf; of a leaf -1.
        names: names of its hierarchy, anchor first.
        issuer: the key of its issuer.
        is_policy: whether the profile asks for policies.
    """

    at: int
    depth: int
    names: list[bytes]
    issuer: Signer
    is_policy: bool = False


# ---- building blocks -----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def name(common: str, organization: str = "Differential") -> bytes:
    return der.name(("2.5.4.6", "JP"), ("2.5.4.10", organization), ("2.5.4.3", common))


@lru_cache(maxsize=4096)
def bits(value: int) -> bytes:
    """A BIT STRING of named bits, bit i of the string being 1 << i (X.690, 11.2.2: no trailing zero bits)."""
    if value == 0:
        return der.bit_string(b"")
    size = value.bit_length()
    octets = bytearray((size + 7) // 8)
    for bit in range(size):
        if value >> bit & 1:
            octets[bit >> 3] |= 0x80 >> (bit & 7)
    return der.bit_string(bytes(octets), -size % 8)


def key_usage(value: int, critical: bool = True) -> Ext:
    return Ext(KU, critical, bits(value))


@lru_cache(maxsize=4096)
def policies(*oids: str) -> bytes:
    return der.sequence(*(der.sequence(der.oid(one)) for one in oids))


@lru_cache(maxsize=4096)
def directory_name(one: bytes) -> bytes:
    return der.context(4, one)


def _general(kind: int, value: bytes) -> bytes:
    return directory_name(value) if kind == 4 else der.context_primitive(kind, value)


# ---- structured mutations: of any certificate --------------------------------------------------------------

_OPENSSL_KNOWS: Final = (
    Ext("2.16.840.1.113730.1.1", False, bits(0x01)),  # Netscape's certificate type: client
    Ext("2.16.840.1.113730.1.1", False, bits(0x20)),  # CA
    Ext("1.3.6.1.5.5.7.1.14", False, der.sequence(der.sequence(der.oid("1.3.6.1.5.5.7.21.1")))),  # a proxy: RFC 3820
    Ext("1.3.6.1.5.5.7.1.7", False, der.sequence(der.sequence(der.octet_string(b"\0\x01"), der.NULL))),  # RFC 3779
    Ext("1.3.6.1.5.5.7.1.8", False, der.sequence(der.context(0, der.sequence(der.integer(64500))))),
    Ext("1.3.6.1.5.5.7.48.1.5", False, der.NULL),  # OCSP, no check
    Ext("1.3.6.1.5.5.7.1.24", False, der.sequence(der.integer(5))),  # TLS feature
)
"""Extensions that sekisho does not know, and OpenSSL does."""


Mutation = Callable[[random.Random, Draft, Place], None]


def _validity_edge(chance: random.Random, draft: Draft, place: Place) -> None:
    at = place.at
    edges = [at - DAY, at - 1, at, at + 1, at + DAY]
    first, last = chance.choice(edges), chance.choice(edges)
    if first > last and chance.random() < 0.8:
        first, last = last, first
    which = chance.randrange(3)
    if which != 1:
        draft.not_before = der.time_of(first)
    if which != 0:
        draft.not_after = der.time_of(last)


def _validity_form(chance: random.Random, draft: Draft, place: Place) -> None:
    at = place.at
    time = chance.choice(
        [
            der.generalized_time(at - DAY),
            der.generalized_time(at + DAY),
            der.tlv(0x17, b"491231235959Z"),
            der.tlv(0x17, b"500101000000Z"),
            der.tlv(0x18, b"99991231235959Z"),
            der.tlv(0x18, b"00000101000000Z"),
            der.tlv(0x18, b"20500101000000Z"),
            der.tlv(0x17, der.utc_time(at)[2:12] + b"Z"),
            der.tlv(0x17, der.utc_time(at)[2:-1] + b"+0000"),
            der.tlv(0x18, der.generalized_time(at)[2:-1] + b".5Z"),
            der.tlv(0x17, b"240229000000Z"),
            der.tlv(0x17, b"230229000000Z"),
            der.tlv(0x17, b"991231235960Z"),
            der.tlv(0x16, b"991231235959Z"),
            b"",
        ]
    )
    if chance.random() < 0.5:
        draft.not_before = time
    else:
        draft.not_after = time


def _version(chance: random.Random, draft: Draft, _place: Place) -> None:
    draft.version = chance.choice([b"", *(der.context(0, der.integer(number)) for number in (-1, 0, 1, 2, 3, 256))])
    if chance.random() < 0.3:
        draft.extensions = []


def _serial(chance: random.Random, draft: Draft, _place: Place) -> None:
    numbers = [0, 1, -1, 127, 128, 255, 1 << 64, (1 << 159) - 1, 1 << 159, (1 << 167) - 1, chance.getrandbits(150) + 1]
    draft.serial = chance.choice(
        [
            *map(der.integer, numbers),
            der.tlv(2, b""),
            der.tlv(2, b"\x00\x01"),
            der.tlv(2, b"\xff\xff"),
            der.tlv(10, b"\x05"),
        ]
    )


def _duplicate(chance: random.Random, draft: Draft, _place: Place) -> None:
    if draft.extensions:
        one = chance.choice(draft.extensions)
        draft.extensions.insert(chance.randrange(len(draft.extensions) + 1), one)


def _unknown(chance: random.Random, draft: Draft, _place: Place) -> None:
    value = chance.choice([der.NULL, b"", chance.randbytes(9), der.utf8("何か"), der.sequence()])
    if chance.random() < 0.5:
        draft.put(chance.choice(_OPENSSL_KNOWS)._replace(critical=chance.random() < 0.3))
        return
    oid = chance.choice(["1.3.6.1.4.1.99999.9", "2.5.29.1", "2.5.29.99", "2.16.840.1.113730.1.1", "1.3.6.1.5.5.7.1.3"])
    draft.extensions.insert(chance.randrange(len(draft.extensions) + 1), Ext(oid, chance.random() < 0.4, value))


def _criticality(chance: random.Random, draft: Draft, _place: Place) -> None:
    if draft.extensions:
        at = chance.randrange(len(draft.extensions))
        draft.extensions[at] = draft.extensions[at]._replace(critical=not draft.extensions[at].critical)


def _missing(chance: random.Random, draft: Draft, _place: Place) -> None:
    if draft.extensions:
        del draft.extensions[chance.randrange(len(draft.extensions))]


def _order(chance: random.Random, draft: Draft, _place: Place) -> None:
    chance.shuffle(draft.extensions)


def _value(chance: random.Random, draft: Draft, _place: Place) -> None:
    if draft.extensions:
        at = chance.randrange(len(draft.extensions))
        one = draft.extensions[at]
        draft.extensions[at] = one._replace(value=mutate_element(chance, one.value))


def _no_extensions(chance: random.Random, draft: Draft, _place: Place) -> None:
    if chance.random() < 0.5:
        draft.extensions = []
    else:
        draft.extensions_wrap = chance.choice(
            [
                lambda _: der.context(3, der.sequence()),
                lambda _: der.context(3),
                lambda listed: der.context(3, listed),
                lambda listed: der.context(3, der.sequence(listed), der.NULL),
                lambda listed: der.tlv(0x83, der.sequence(listed)),
            ]
        )


def _key_usage(chance: random.Random, draft: Draft, _place: Place) -> None:
    draft.put(
        key_usage(
            chance.choice([0, 1, 2, 3, 4, 32, 33, 96, 97, 128, 256, 511, chance.getrandbits(10)]), chance.random() < 0.8
        )
    )


_PURPOSES: Final = (*(f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2, 2, 3, 4, 8, 9, 99)), "2.5.29.37.0", "1.2.3")


def _purposes(chance: random.Random, draft: Draft, _place: Place) -> None:
    picked = chance.sample(_PURPOSES, chance.choice([1, 1, 2, 3]))
    value = der.sequence(*map(der.oid, picked)) if chance.random() < 0.95 else der.sequence()
    draft.put(Ext(EKU, chance.random() < 0.3, value))


def _policies(chance: random.Random, draft: Draft, _place: Place) -> None:
    picked = chance.choice(
        [
            (P1,),
            (P2,),
            (P3,),
            (ANY_POLICY,),
            (P1, P2),
            (P1, ANY_POLICY),
            (P2, P3),
            (P1, P1),
            (),
            (P1, P2, P3, ANY_POLICY),
        ]
    )
    value = policies(*picked)
    if chance.random() < 0.2:
        qualifier = chance.choice(
            [
                der.sequence(der.oid("1.3.6.1.5.5.7.2.1"), der.ia5("http://cps.example/")),
                der.sequence(der.oid("1.3.6.1.5.5.7.2.2"), der.sequence(der.utf8("notice"))),
                der.sequence(der.oid("1.3.6.1.5.5.7.2.2"), der.sequence()),
                der.sequence(der.oid("1.2.3"), der.NULL),
                der.sequence(der.oid("1.3.6.1.5.5.7.2.1"), der.NULL),
            ]
        )
        value = der.sequence(der.sequence(der.oid(P1), der.sequence(qualifier)))
    draft.put(Ext(POL, chance.random() < 0.4, value))


def _mappings(chance: random.Random, draft: Draft, _place: Place) -> None:
    pairs = chance.choice(
        [
            ((P2, P1),),
            ((P1, P2),),
            ((P1, P2), (P2, P1)),
            ((P3, P1), (P3, P2)),
            ((ANY_POLICY, P1),),
            ((P1, ANY_POLICY),),
            (),
        ]
    )
    value = der.sequence(*(der.sequence(der.oid(a), der.oid(b)) for a, b in pairs))
    draft.put(Ext(MAP, chance.random() < 0.7, value))


def _policy_constraints(chance: random.Random, draft: Draft, _place: Place) -> None:
    parts = chance.choice(
        [
            (der.context_primitive(0, b"\x00"),),
            (der.context_primitive(0, b"\x01"),),
            (der.context_primitive(0, b"\x02"),),
            (der.context_primitive(1, b"\x00"),),
            (der.context_primitive(1, b"\x01"),),
            (der.context_primitive(0, b"\x00"), der.context_primitive(1, b"\x00")),
            (),
            (der.context_primitive(0, b"\xff"),),
        ]
    )
    draft.put(Ext(PC, chance.random() < 0.8, der.sequence(*parts)))


def _inhibit_any(chance: random.Random, draft: Draft, _place: Place) -> None:
    draft.put(Ext(INHIBIT, chance.random() < 0.8, der.integer(chance.choice([0, 0, 1, 2, -1, 300]))))


def _basic_constraints(chance: random.Random, draft: Draft, _place: Place) -> None:
    value = chance.choice(
        [
            der.sequence(),
            der.sequence(der.TRUE),
            der.sequence(der.TRUE, der.integer(0)),
            der.sequence(der.TRUE, der.integer(1)),
            der.sequence(der.TRUE, der.integer(2)),
            der.sequence(der.TRUE, der.integer(-1)),
            der.sequence(der.TRUE, der.integer(1 << 40)),
            der.sequence(der.integer(0)),
            der.sequence(der.tlv(1, b"\0")),
            der.sequence(der.tlv(1, b"\x01")),
            der.sequence(der.TRUE, der.integer(0), der.NULL),
        ]
    )
    draft.put(Ext(BC, chance.random() < 0.8, value))


def _authority_key(chance: random.Random, draft: Draft, place: Place) -> None:
    own, other = place.issuer.key_id, bytes(range(20))
    serial = der.context_primitive(2, b"\x07")
    issuer = der.context(1, directory_name(chance.choice(place.names)))
    value = chance.choice(
        [
            der.sequence(der.context_primitive(0, own)),
            der.sequence(der.context_primitive(0, other)),
            der.sequence(der.context_primitive(0, own), issuer, serial),
            der.sequence(issuer, serial),
            der.sequence(der.context_primitive(0, own), issuer),
            der.sequence(der.context_primitive(0, own), serial),
            der.sequence(),
            der.sequence(der.context_primitive(0, b"")),
            der.sequence(der.context_primitive(0, other), issuer, serial),
        ]
    )
    draft.put(Ext(AKI, chance.random() < 0.15, value))


def _subject_key(chance: random.Random, draft: Draft, _place: Place) -> None:
    value = chance.choice([der.octet_string(bytes(20)), der.octet_string(b"x"), der.octet_string(b""), der.NULL])
    draft.put(Ext(SKI, chance.random() < 0.15, value))


_NAMES: Final = (
    _general(1, b"holder@example.jp"),
    _general(1, b"holder@mail.example.jp"),
    _general(1, b"@"),
    _general(2, b"example.jp"),
    _general(2, b"www.example.jp"),
    _general(2, b"www.EXAMPLE.jp"),
    _general(2, b"*.example.jp"),
    _general(2, b"example.com"),
    _general(2, b"badexample.jp"),
    _general(2, b""),
    _general(6, b"http://example.jp/x"),
    _general(6, b"https://www.example.jp:8443/"),
    _general(6, b"urn:something"),
    _general(7, bytes([192, 0, 2, 7])),
    _general(7, bytes([198, 51, 100, 1])),
    _general(7, bytes(16)),
    _general(7, bytes(5)),
    _general(8, b"\x2a\x03\x04"),
    der.context(0, der.oid("1.2.3.4"), der.context(0, der.utf8("other"))),
    _general(4, name("holder")),
    _general(4, name("holder", "Elsewhere")),
)

ODD_NAMES: Final = (_NAMES[2], _NAMES[5], _NAMES[8], _NAMES[9], _NAMES[12], _NAMES[16])
"""Names that RFC 5280, 4.2.1.6 forbids, or that some readers take for forbidden."""


def _alternative(chance: random.Random, draft: Draft, _place: Place) -> None:
    picked = chance.sample(_NAMES, chance.choice([1, 1, 2, 3]))
    draft.put(Ext(SAN, chance.random() < 0.2, der.sequence(*picked)))


def _other_extension(chance: random.Random, draft: Draft, place: Place) -> None:
    uri = der.context_primitive(6, b"http://example.jp/")
    point = der.sequence(der.context(0, der.context(0, uri)))
    access = der.sequence(der.sequence(der.oid("1.3.6.1.5.5.7.48.1"), uri))
    attribute = der.sequence(der.oid("1.3.6.1.5.5.7.9.4"), der.set_of_one(der.printable("JP")))
    draft.put(
        chance.choice(
            [
                Ext(CRLDP, False, der.sequence(point)),
                Ext(CRLDP, True, der.sequence(point)),
                Ext(FRESHEST, chance.random() < 0.2, der.sequence(point)),
                Ext(AIA, chance.random() < 0.2, access),
                Ext(SIA, chance.random() < 0.2, access),
                Ext(IAN, chance.random() < 0.2, der.sequence(directory_name(place.names[0]))),
                Ext(SDA, chance.random() < 0.2, der.sequence(attribute)),
            ]
        )
    )


def _subject(chance: random.Random, draft: Draft, place: Place) -> None:
    attribute = der.sequence(der.oid("2.5.4.3"), der.utf8("a"))
    other = der.sequence(der.oid("2.5.4.10"), der.utf8("b"))
    draft.subject = chance.choice(
        [
            der.sequence(),
            draft.issuer,
            chance.choice(place.names),
            der.sequence(der.set_of_one(der.sequence(der.oid("2.5.4.3"), der.utf8("a\0b")))),
            der.sequence(der.set_of_one(der.sequence(der.oid("2.5.4.3"), der.tlv(0x14, b"caf\xe9")))),
            der.sequence(der.set_of_one(der.sequence(der.oid("2.5.4.3"), der.tlv(0x1E, b"\x00a")))),
            der.sequence(der.set_of_one(der.sequence(der.oid("2.5.4.3"), der.utf8("x" * 200)))),
            der.sequence(der.tlv(0x31, attribute, other)),
            der.sequence(der.tlv(0x31, other, attribute)),
            der.sequence(der.tlv(0x31, attribute, attribute)),
            der.sequence(der.tlv(0x31)),
            der.sequence(der.set_of_one(der.sequence(der.oid("1.2.840.113549.1.9.1"), der.ia5("holder@example.jp")))),
            der.sequence(der.set_of_one(der.sequence(der.oid("1.2.840.113549.1.9.1"), der.ia5("holder@example.com")))),
        ]
    )


def _issuer_form(chance: random.Random, draft: Draft, _place: Place) -> None:
    """The issuer's name as RFC 5280, 7.1, still takes it for the same, or no longer."""
    draft.issuer = _other_form(chance, draft.issuer)


def _other_form(chance: random.Random, whole: bytes) -> bytes:
    which = chance.randrange(7)
    text = (
        whole.replace(b"Differential", chance.choice([b"DIFFERENTIAL", b"differential", b"Differentia1"]))
        if which == 0
        else whole
    )
    if which == 1:  # PrintableString instead of UTF8String
        text = whole.replace(b"\x0c\x0cDifferential", b"\x13\x0cDifferential")
    elif which == 2:  # TeletexString
        text = whole.replace(b"\x0c\x0cDifferential", b"\x14\x0cDifferential")
    elif which == 3:  # a space before and behind
        text = _resized(whole, b"\x0c\x0cDifferential", b"\x0c\x0e Differential ")
    elif which == 4:  # two spaces inside
        text = _resized(whole, b"\x0c\x0cDifferential", b"\x0c\x0eDiffer  ential")
    elif which == 5:  # another order of RDNs
        parts = _children(whole)
        chance.shuffle(parts)
        text = der.sequence(*parts)
    elif which == 6:  # both attributes in one RDN
        text = der.sequence(der.tlv(0x31, *(_content(part) for part in _children(whole))))
    return text


def _resized(whole: bytes, old: bytes, new: bytes) -> bytes:
    parts = []
    for part in _children(whole):
        inside = _content(_content(part))  # of the AttributeTypeAndValue
        parts.append(der.set_of_one(der.sequence(inside.replace(old, new))) if old in part else part)
    return der.sequence(*parts)


def _key(chance: random.Random, draft: Draft, place: Place) -> None:
    keys = pool()
    ec256 = keys.by_kind["p256"][0].spki
    point = der.content_start(ec256, der.content_start(ec256) + 21) + 1
    draft.spki = chance.choice(
        [
            keys.weak[0].spki,
            keys.weak[1].spki,
            keys.pick(chance, "rsa3072").spki,
            keys.pick(chance, "p384").spki,
            keys.pick(chance, "ed25519").spki,
            ec256[:-1] + bytes((ec256[-1] ^ 1,)),
            ec256[:point] + b"\x02" + ec256[point + 1 :],
            keys.by_kind["rsa2048"][0].spki[:-1] + b"\x00",
            der.sequence(
                der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.3.132.0.10")), der.bit_string(b"\x04" + bytes(64))
            ),
            der.sequence(
                der.sequence(der.oid("1.2.840.113549.1.1.10")),
                der.bit_string(_content(_children(keys.by_kind["rsa2048"][0].spki)[1])[1:]),
            ),
            mutate_element(chance, draft.spki),
            mutate_element(chance, draft.spki),
        ]
    )


def _algorithm(chance: random.Random, draft: Draft, place: Place) -> None:
    if chance.random() < 0.7:
        draft.algorithm = chance.choice(draft.signer.algorithms)
    else:
        draft.inner = ALGORITHMS[chance.choice(list(ALGORITHMS))]


def _other_signer(chance: random.Random, draft: Draft, _place: Place) -> None:
    draft.signer = pool().pick(
        chance, chance.choice(["rsa2048", "p256", draft.signer.kind if draft.signer.kind in pool().by_kind else "p256"])
    )
    draft.algorithm = ""


def _unique_ids(chance: random.Random, draft: Draft, _place: Place) -> None:
    draft.unique_ids = chance.choice(
        [der.tlv(0x81, b"\x00\x01"), der.tlv(0x82, b"\x00\x01"), der.tlv(0x82, b"\x09\x01"), der.tlv(0xA1, b"")]
    )


_TREES: Final = (
    _general(2, b"example.jp"),
    _general(2, b""),
    _general(2, b".example.jp"),
    _general(1, b"example.jp"),
    _general(1, b"holder@example.jp"),
    _general(1, b".example.jp"),
    _general(6, b"example.jp"),
    _general(6, b".example.jp"),
    _general(7, bytes([192, 0, 2, 0, 255, 255, 255, 0])),
    _general(7, bytes([0, 0, 0, 0, 0, 0, 0, 0])),
    _general(7, bytes([192, 0, 2, 0, 255, 0, 255, 0])),
    _general(7, bytes(32)),
    _general(8, b"\x2a\x03\x04"),
    der.context(0, der.oid("1.2.3.4"), der.context(0, der.utf8("other"))),
    _general(4, der.name(("2.5.4.6", "JP"))),
    _general(4, der.name(("2.5.4.6", "JP"))),
    _general(4, der.name(("2.5.4.6", "JP"), ("2.5.4.10", "Differential"))),
    _general(4, der.name(("2.5.4.6", "JP"), ("2.5.4.10", "DIFFERENTIAL"))),
    _general(4, der.name(("2.5.4.6", "FR"))),
    _general(4, der.sequence()),
)


EMPTY_TREE: Final = der.sequence(_TREES[1])
"""A DNS constraint that constrains nothing."""


def _name_constraints(chance: random.Random, draft: Draft, _place: Place) -> None:
    def trees(number: int) -> bytes:
        ends = (
            b""
            if chance.random() < 0.95
            else chance.choice(
                [
                    der.context_primitive(0, b"\x00"),
                    der.context_primitive(0, b"\x01"),
                    der.context_primitive(1, b"\x05"),
                ]
            )
        )
        return der.context(
            number, *(der.sequence(one, ends) for one in chance.sample(_TREES, chance.choice([1, 1, 2, 3])))
        )

    which = chance.randrange(8)
    parts = [trees(0)] if which < 4 else [trees(1)] if which < 6 else [trees(0), trees(1)] if which == 6 else []
    draft.put(Ext(NC, chance.random() < 0.8, der.sequence(*parts)))


# ---- structured mutations: of CAs --------------------------------------------------------------------------


def _path_length(chance: random.Random, draft: Draft, place: Place) -> None:
    length = max(0, place.depth + chance.choice([-1, 0, 0, 0, 1]))
    draft.put(Ext(BC, chance.random() < 0.95, der.sequence(der.TRUE, der.integer(length))))


def _no_ca(chance: random.Random, draft: Draft, _place: Place) -> None:
    if chance.random() < 0.5:
        draft.drop(BC)
    else:
        draft.put(Ext(BC, True, der.sequence()))


def _ca_usage(chance: random.Random, draft: Draft, _place: Place) -> None:
    if chance.random() < 0.25:
        draft.drop(KU)
    else:
        draft.put(key_usage(chance.choice([32, 96, 97, 64, 1, 33]), chance.random() < 0.8))


def _ca_key_ids(chance: random.Random, draft: Draft, place: Place) -> None:
    which = chance.randrange(3)
    if which == 0:
        draft.drop(SKI)
    elif which == 1:
        draft.drop(AKI)
    else:
        _authority_key(chance, draft, place)


def _ca_subject_form(chance: random.Random, draft: Draft, _place: Place) -> None:
    draft.subject = _other_form(chance, draft.subject)


_COMMON: Final[dict[str, tuple[int, Mutation]]] = {
    "validity-edge": (8, _validity_edge),
    "validity-form": (4, _validity_form),
    "version": (2, _version),
    "serial": (3, _serial),
    "extension-duplicate": (2, _duplicate),
    "extension-unknown": (5, _unknown),
    "extension-criticality": (5, _criticality),
    "extension-missing": (5, _missing),
    "extension-order": (2, _order),
    "extension-value": (9, _value),
    "extensions-form": (1, _no_extensions),
    "extension-other": (5, _other_extension),
    "key-usage": (4, _key_usage),
    "extended-key-usage": (5, _purposes),
    "policies": (5, _policies),
    "policy-constraints": (2, _policy_constraints),
    "inhibit-any-policy": (2, _inhibit_any),
    "basic-constraints": (3, _basic_constraints),
    "authority-key-id": (5, _authority_key),
    "subject-key-id": (2, _subject_key),
    "alternative-name": (9, _alternative),
    "subject": (4, _subject),
    "issuer-form": (3, _issuer_form),
    "key": (5, _key),
    "algorithm": (4, _algorithm),
    "other-signer": (4, _other_signer),
    "unique-ids": (1, _unique_ids),
    "policy-mappings": (2, _mappings),
}
LEAF_MUTATIONS: Final[dict[str, tuple[int, Mutation]]] = _COMMON | {"name-constraints": (1, _name_constraints)}
CA_MUTATIONS: Final[dict[str, tuple[int, Mutation]]] = _COMMON | {
    "path-length": (14, _path_length),
    "no-ca": (4, _no_ca),
    "ca-key-usage": (7, _ca_usage),
    "ca-key-ids": (6, _ca_key_ids),
    "ca-subject-form": (3, _ca_subject_form),
    "name-constraints": (22, _name_constraints),
    "policy-mappings": (7, _mappings),
    "policy-constraints": (7, _policy_constraints),
    "inhibit-any-policy": (5, _inhibit_any),
    "policies": (8, _policies),
}


# ---- twins -------------------------------------------------------------------------------------------------


def signed_again_without(certificate: bytes, extension: str, issuer_spki: bytes) -> bytes | None:
    """The certificate without that extension, signed again by its issuer's key; None where the pool does not have that key."""
    signer = pool().by_spki.get(issuer_spki)
    parts = _children(certificate)
    name = next((key for key, value in ALGORITHMS.items() if len(parts) == 3 and value == parts[1]), "")
    if signer is None or name not in signer.algorithms:
        return None
    *fields, last = _children(parts[0])
    if last[:1] != b"\xa3":
        return certificate
    left = [one for one in _children(_children(last)[0]) if _children(one)[0] != der.oid(extension)]
    tbs = der.sequence(*fields, der.context(3, der.sequence(*left)))
    return der.sequence(tbs, ALGORITHMS[name], der.bit_string(signer.sign(tbs, name)))


# ---- mutations of bytes ------------------------------------------------------------------------------------


def _header(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Start and end of the content of the element at `at`; None if it is none that a walk could enter."""
    if at + 2 > end or data[at] & 0x1F == 0x1F:
        return None
    length = data[at + 1]
    start = at + 2
    if length >= 0x80:
        octets = length & 0x7F
        if octets == 0 or octets > 3 or start + octets > end:
            return None
        length = int.from_bytes(data[start : start + octets], "big")
        start += octets
    return (start, start + length) if start + length <= end else None


def whole(element: bytes) -> bool:
    """Whether it is one element, to its end."""
    found = _header(element, 0, len(element))
    return found is not None and found[1] == len(element)


def serial_of(certificate: bytes) -> bytes:
    """Content octets of the serial number, empty where there is none to be found."""
    return _content(_field(certificate, 0))


def subject_of(certificate: bytes) -> bytes:
    """The subject's DER, empty where there is none to be found."""
    return _field(certificate, 4)


def issuer_of(certificate: bytes) -> bytes:
    """The issuer's DER, empty where there is none to be found."""
    return _field(certificate, 2)


def validity_of(certificate: bytes) -> bytes:
    """The validity's DER, empty where there is none to be found."""
    return _field(certificate, 3)


def spki_of(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo's DER, empty where there is none to be found."""
    return _field(certificate, 5)


def _field(certificate: bytes, number: int) -> bytes:
    """A field of the TBSCertificate, counted from the serial number."""
    parts = _children(_children(certificate)[0]) if _children(certificate) else []
    at = number + (bool(parts) and parts[0][:1] == b"\xa0")
    return parts[at] if len(parts) > at else b""


def _content(element: bytes) -> bytes:
    found = _header(element, 0, len(element))
    return element[found[0] : found[1]] if found else b""


def _children(element: bytes) -> list[bytes]:
    found = _header(element, 0, len(element))
    if found is None:
        return []
    return [element[start:end] for start, _, end in _spans(element, *found)]


def _spans(data: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Elements between: start, start of content, end.  Empty if octets are left over."""
    spans = []
    while start < end:
        found = _header(data, start, end)
        if found is None:
            return []
        spans.append((start, found[0], found[1]))
        start = found[1]
    return spans


_SMALL: Final = (
    b"\x05\x00",
    b"\x02\x01\x05",
    b"\x01\x01\xff",
    b"\x01\x01\x00",
    b"\x30\x00",
    b"\x04\x01x",
    b"\xa0\x00",
    b"\x06\x01\x2a",
    b"\x0c\x00",
)
_TAGS: Final = bytes(
    (1, 2, 3, 4, 5, 6, 10, 12, 18, 19, 20, 22, 23, 24, 26, 28, 30, 48, 49, 128, 129, 130, 134, 160, 161, 162, 163, 164)
)


def _long_form(length: int, octets: int) -> bytes:
    return bytes((0x80 | octets,)) + (length & ((1 << 8 * octets) - 1)).to_bytes(octets, "big")


def _length(chance: random.Random, size: int) -> bytes:
    """Octets that tell another length, or the same in another form."""
    return chance.choice(
        [
            lambda: _long_form(size, 1),
            lambda: _long_form(size, 2),
            lambda: _long_form(size, 3),
            lambda: b"\x80",
            lambda: bytes(((size + 1) & 0x7F,)),
            lambda: bytes(((size - 1) & 0x7F,)),
            lambda: b"\x84\xff\xff\xff\xff",
            lambda: b"\x88" + bytes(7) + bytes((size & 0xFF,)),
        ]
    )()


def mutate_element(chance: random.Random, data: bytes) -> bytes:
    """One element somewhere in `data` changed, all lengths around it made right again (X.690).

    The walk goes down at random, also into OCTET and BIT STRINGs that hold whole elements.
    """
    above: list[tuple[int, int]] = []  # where each element around starts, and its content
    found = _header(data, 0, len(data))
    if found is None or found[1] != len(data):
        return mutate_octets(chance, data)
    start, content, end = 0, *found
    siblings = [(start, content, end)]
    while True:
        tag = data[start]
        inside = content + (tag == 0x03)
        spans = _spans(data, inside, end) if tag & 0x20 or tag in (0x03, 0x04) else []
        if not spans or (tag & 0x20 == 0 and len(spans) != 1) or (above and chance.random() < 0.12):
            break
        above.append((start, content))
        siblings = spans
        start, content, end = chance.choice(spans)
    element, body = data[start:end], data[content:end]
    which = chance.randrange(13)
    if which == 0:
        new = bytes((element[0] ^ 1 << chance.randrange(8),)) + element[1:]
    elif which == 1:
        new = bytes((chance.choice(_TAGS),)) + element[1:]
    elif which == 2:
        new = der.tlv(element[0])
    elif which == 3:
        new = der.tlv(element[0], chance.randbytes(chance.choice([1, 2, len(body) or 4, 40])))
    elif which in (4, 5) and body:
        at = chance.randrange(len(body))
        new = element[: content - start + at] + bytes((body[at] ^ 1 << chance.randrange(8),)) + body[at + 1 :]
    elif which == 6:
        new = element + element
    elif which == 7:
        new = b""
    elif which == 8 and len(siblings) > 1:
        other = chance.choice(siblings)
        new = data[other[0] : other[2]]
    elif which == 9:
        new = element[:1] + _length(chance, len(body)) + body
    elif which == 10:
        small = chance.choice(_SMALL)
        new = small + element if chance.random() < 0.5 else element + small
    elif which == 11:
        new = der.tlv(element[0], body, chance.choice([b"\0", b"x", chance.choice(_SMALL)]))
    else:
        new = der.tlv(element[0], body[:-1] if chance.random() < 0.5 else body[1:])
    for outer_start, outer_content in reversed(above):
        outer_end = _header(data, outer_start, len(data))[1]  # type: ignore[index]
        new = der.tlv(data[outer_start], data[outer_content:start], new, data[end:outer_end])
        start, end = outer_start, outer_end
    return new


def mutate_octets(chance: random.Random, data: bytes) -> bytes:
    """Octets flipped, inserted, deleted, swapped or cut off, blind to structure."""
    if not data:
        return chance.randbytes(3)
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(changed)) if changed else 0
        which = chance.randrange(9)
        if which == 0:
            changed.insert(at, chance.randrange(256))
        elif which == 1:
            del changed[at : at + 1]
        elif which == 2:
            del changed[at:]
        elif which == 3:
            changed += chance.randbytes(chance.choice([1, 1, 2, 20]))
        elif which == 4 and len(changed) > 1:
            other = chance.randrange(len(changed))
            changed[at], changed[other] = changed[other], changed[at]
        elif changed:
            changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def mutate_bytes(chance: random.Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """A mutation of octets or of an element; now and then a splice with one of `others`."""
    which = chance.random()
    if which < 0.65:
        return mutate_element(chance, data)
    if which < 0.95 or not others:
        return mutate_octets(chance, data)
    other = chance.choice(others)
    at = chance.randrange(min(len(data), len(other)) + 1)
    return data[:at] + other[at:]
