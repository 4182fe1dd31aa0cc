"""Logins mutated by a seed, and the engine held against the oracle over them."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from tests.property.oracle import (
    ACCEPTED,
    DECODERS,
    BadDer,
    Issuer,
    Login,
    Oracle,
    Rules,
    children,
    read_certificate,
    read_key,
)
from tests.property.oracle import Desk as OracleDesk
from tests.unit.login_desk import AUDIENCE, SECRET, TENANT, Desk

from sekisho import testing
from sekisho.batch import Column
from sekisho.engine import Engine
from sekisho.profiles import EXTENDED_KEY_USAGES, KEY_USAGES, Profile
from sekisho.testing import AT, City, build_city, der
from sekisho.testing.keys import KeyKind
from sekisho.testing.keys import Mode as SigningMode
from sekisho.testing.leaves import Extension, Fields, seal
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch

CITIZENS: Final = 12
BASE: Final = 48  # good logins of each world, from which all others are made
CHUNK: Final = 240  # rows a batch: one range of one worker, in which nothing is locked yet
_PURPOSES: Final = {"anyExtendedKeyUsage": "2.5.29.37.0", "clientAuth": "1.3.6.1.5.5.7.3.2"}

WORLDS: Final[tuple[tuple[KeyKind, KeyKind, SigningMode | None, str], ...]] = (
    ("p256", "p256", None, "jpki-auth-test"),
    ("rsa2048", "p256", None, "jpki-auth-test"),
    ("rsa2048", "rsa2048", None, "jpki-auth-test"),
    ("rsa2048", "p256", "pkcs1-bare", "jpki-auth-test-bare"),
    ("rsa2048", "p256", "pkcs1-raw", "jpki-auth-test-raw"),
    ("rsa3072", "p384", None, "jpki-auth-test"),
    ("p384", "p384", None, "jpki-auth-test"),
    ("ed25519", "ed25519", None, "jpki-auth-test"),
)


# ---- trees of DER ---------------------------------------------------------------------------------------


@dataclass
class Node:
    """An element that can be changed: a tag over octets, or over other elements."""

    tag: int
    content: bytes = b""
    parts: list[Node] = field(default_factory=list)
    prefix: bytes = b""  # before the parts: the count of unused bits of a BIT STRING
    length_form: Callable[[int], bytes] | None = None

    def der(self) -> bytes:
        content = self.prefix + b"".join(part.der() for part in self.parts) if self.parts else self.content
        if self.length_form:
            return bytes((self.tag,)) + self.length_form(len(content)) + content
        return der.tlv(self.tag, content)

    def walk(self) -> Iterator[tuple[Node, Node | None]]:
        """Every element with the one that it is part of."""
        waiting: list[tuple[Node, Node | None]] = [(self, None)]
        while waiting:
            node, parent = waiting.pop()
            yield node, parent
            waiting += [(part, node) for part in node.parts]


def tree(data: bytes) -> list[Node]:
    """Elements end to end, and what is inside them, also inside OCTET and BIT STRINGs.

    Raises:
        BadDer: they are none.
    """
    return [_node(element.tag, element.content) for element in children(data)]


def _node(tag: int, content: bytes) -> Node:
    prefix = content[:1] if tag == 0x03 else b""
    if tag & 0x20 or tag in (0x03, 0x04):
        try:
            parts = tree(content[len(prefix) :])
        except BadDer:
            parts = []
        if parts and (tag & 0x20 or len(parts) == 1):
            return Node(tag, b"", parts, prefix)
    return Node(tag, content)


# ---- worlds ---------------------------------------------------------------------------------------------


@dataclass
class World:
    """A city, a profile and good logins to it; what the engine and the oracle know of them."""

    key: KeyKind
    authority_key: KeyKind
    mode: SigningMode | None
    profile_name: str
    folder: Path

    @cached_property
    def city(self) -> City:
        return build_city(CITIZENS, seed="oracle", key=self.key, authority_key=self.authority_key, workers=1)

    @cached_property
    def profile(self) -> Profile:
        return Profile.load(self.profile_name)

    @cached_property
    def desk(self) -> Desk:
        engine = Engine(threads=1, cache_bytes=16 << 20, cross_check_one_in=0)
        return Desk(self.folder, TrustStore(list(self.city.trust())), self.profile, engine)

    @cached_property
    def logins(self) -> list[tuple[int, Login]]:
        """Rows of the city and their good logins, each over a challenge of its own with a binding of its own."""
        bindings = [b"session %d" % number for number in range(BASE)]
        made = []
        for number, token in enumerate(self.desk.issue(BASE, bindings=bindings)):
            row = number % CITIZENS
            good = testing.make_login(self.city, row, token, mode=self.mode)
            made.append((row, Login(good.certificate, token, good.signature, bindings[number])))
        return made

    def oracle(self) -> Oracle:
        """One that has accepted nothing yet."""
        profile = self.profile
        modes = {kind: getattr(profile, f"{kind}_mode") for kind in ("rsa", "p256", "p384", "ed25519")}
        rules = Rules(
            modes={kind: str(mode) for kind, mode in modes.items() if mode is not None},
            algorithms=frozenset(profile.signature_algorithms),
            policies=frozenset(profile.policies),
            key_usage_required=sum(KEY_USAGES[one] for one in profile.key_usage_required),
            key_usage_forbidden=sum(KEY_USAGES[one] for one in profile.key_usage_forbidden),
            purposes=frozenset(_PURPOSES[one] for one in profile.extended_key_usage if one in EXTENDED_KEY_USAGES),
            rsa_bits=(profile.rsa_bits_min, profile.rsa_bits_max),
        )
        issuers = [
            Issuer(one.name, read_key(one.key.spki), allowed=purpose == "auth")
            for (purpose, _), one in self.city.authorities.items()
        ]
        return Oracle(OracleDesk({1: bytes((1,)) + SECRET[1:]}, TENANT, AUDIENCE, profile.id32), rules, issuers, AT)

    def told(self, logins: list[Login]) -> list[str]:
        """The engine's reasons, where nothing was accepted yet."""
        self.desk.forget_claims()
        batch = LoginBatch(
            certificates=Column.of([one.certificate for one in logins]),
            challenges=Column.of([one.challenge for one in logins]),
            signatures=Column.of([one.signature for one in logins]),
            bindings=Column.of([one.binding for one in logins]),
            transactions=Column.of([one.transaction for one in logins]),
        )
        verdicts = self.desk.verifier.verify_logins(batch, at=AT, confirmations=10**6)
        return [verdict.reason.kebab for verdict in verdicts]


# ---- mutations ------------------------------------------------------------------------------------------


@dataclass
class Mutator:
    """Makes one login out of good ones; every choice is the seed's."""

    world: World
    chance: random.Random

    def login(self) -> tuple[str, Login]:
        """A login and what was done to it."""
        row, base = self.chance.choice(self.world.logins)
        kinds = list(MUTATIONS)
        (kind,) = self.chance.choices(kinds, weights=[MUTATIONS[one] for one in kinds])
        return kind, getattr(self, f"_{kind}")(row, base)

    def _nothing(self, _row: int, base: Login) -> Login:
        return base

    def _bytes(self, _row: int, base: Login) -> Login:
        """Octets changed, inserted, removed, cut off or added, in one column or two."""
        for column in self.chance.sample(
            ["certificate", "certificate", "challenge", "signature", "binding"], self.chance.choice([1, 1, 1, 2])
        ):
            base = replace(base, **{column: self._scrambled(getattr(base, column))})
        return base

    def _swap(self, _row: int, base: Login) -> Login:
        """Columns of another login."""
        _, other = self.chance.choice(self.world.logins)
        columns = self.chance.sample(
            ["certificate", "challenge", "signature", "binding"], self.chance.choice([1, 1, 2, 3])
        )
        return replace(base, **{column: getattr(other, column) for column in columns})

    def _structure(self, _row: int, base: Login) -> Login:
        """The certificate's structure changed, its signature as it was."""
        return replace(base, certificate=self._edited(base.certificate))

    def _reissued_structure(self, row: int, base: Login) -> Login:
        """The certificate's structure changed, and signed by the CA as it is."""
        edited = self._edited(base.certificate)
        try:
            (whole,) = tree(edited)
            key = self.world.city.issuer(row).key
            whole.parts[2] = Node(0x03, b"\x00" + key.sign_certificate(whole.parts[0].der()))
            if self.chance.random() < 0.7 and whole.parts[0].parts:
                inner = [part for part in whole.parts[0].parts if part.tag == 0x30][:1]
                whole.parts[1] = inner[0] if inner else whole.parts[1]
        except (BadDer, ValueError, IndexError):
            return replace(base, certificate=edited)
        return replace(base, certificate=whole.der())

    def _reissued_fields(self, row: int, base: Login) -> Login:
        """A certificate with other, mostly well-formed fields, issued by the CA."""
        fields = self.world.city.fields(row)
        for _ in range(self.chance.choice([1, 1, 1, 2, 3])):
            fields = self._other_field(fields)
        issuer = self.world.city.issuer(row)
        signer = issuer.key
        if self.chance.random() < 0.1:
            signer = self.world.city.authority(*self.chance.choice([("auth", 0), ("sign", 1), ("auth", 2)])).key  # type: ignore[arg-type]
        return replace(base, certificate=seal(fields, signer))

    def _other_class(self, row: int, base: Login) -> Login:
        """The holder's other certificate, which is for signing documents, with its own signature or not."""
        city = self.world.city
        other = city.rows("sign")[row]
        signature = base.signature
        if self.chance.random() < 0.7:
            signature = city.key(other).sign(base.challenge, self.world.mode)
        return replace(base, certificate=city.certificate(other), signature=signature)

    def _other_challenge(self, row: int, base: Login) -> Login:
        """A challenge of ours that is not good, or just so; properly signed by the holder."""
        different = self.chance.choice(
            [
                {"issued": AT - 300, "lifetime": 300},
                {"issued": AT - 299, "lifetime": 300},
                {"issued": AT},
                {"issued": AT + 1},
                {"issued": AT - 1, "lifetime": 1},
                {"tenant": TENANT + 1},
                {"audience": AUDIENCE + "/"},
                {"bindings": [b"another"]},
                {"transactions": [bytes(range(32))]},
                {},
            ]
        )
        (token,) = self.world.desk.issue(1, **({"bindings": [base.binding]} | different))
        signature = self.world.city.key(row).sign(token, self.world.mode)
        transaction = self.chance.choice([b"", b"", bytes(range(32)), bytes(32)])
        return replace(base, challenge=token, signature=signature, transaction=transaction)

    def _other_signature(self, row: int, base: Login) -> Login:
        """A signature in another mode, by another key, of another message, or with an odd number in it."""
        city, key = self.world.city, self.world.city.key(row)
        which = self.chance.randrange(6)
        if which == 0:
            signature = city.key((row + 1) % CITIZENS).sign(base.challenge, self.world.mode)
        elif which == 1:
            signature = key.sign(self._scrambled(base.challenge)[:200] or b"?", self.world.mode)
        elif which == 2 and self.world.key.startswith("rsa"):
            modes: list[SigningMode] = ["pkcs1", "pkcs1-bare", "pkcs1-raw", "pss"]
            signature = key.sign(base.challenge, self.chance.choice(modes))
        elif which == 3 and self.world.key.startswith("p"):
            signature = self._other_root(base.signature)
        elif which == 4:
            signature = self._edited(base.signature) if self.world.key.startswith("p") else self._number(base.signature)
        else:
            signature = self._number(base.signature)
        return replace(base, signature=signature)

    def _other_root(self, signature: bytes) -> bytes:
        """r and q - s: the other signature that ECDSA gives, which is as good."""
        order = {
            "p256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
            "p384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        }[self.world.key]
        r, s = (int.from_bytes(part.content, "big") for part in tree(signature)[0].parts)
        return der.sequence(der.integer(r), der.integer(order - s))

    def _number(self, signature: bytes) -> bytes:
        size = len(signature)
        return self.chance.choice(
            [bytes(size), bytes(size - 1) + b"\x01", b"\xff" * size, signature[::-1], b"\x00" + signature, b""]
        )

    def _other_field(self, fields: Fields) -> Fields:
        chance = self.chance
        extensions = list(fields.extensions)
        place = chance.randrange(len(extensions))
        which = chance.randrange(14)
        if which == 0:
            ends = [AT + chance.choice([-86400, -1, 0, 1, 86400]) for _ in range(2)]
            return fields.with_validity(min(ends), max(ends)) if chance.random() < 0.9 else fields.with_validity(*ends)
        if which == 1:
            bits = chance.getrandbits(9) or 1
            octets = int(f"{bits:09b}"[::-1].ljust(16, "0"), 2).to_bytes(2, "big").rstrip(b"\0")
            unused = (octets[-1] & -octets[-1]).bit_length() - 1
            return fields.with_extension(Extension("2.5.29.15", True, der.bit_string(octets, unused)))
        if which == 2:
            purposes = ["2.5.29.37.0", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.99", "1.2.3"]
            picked = chance.sample(purposes, chance.randint(1, 3))
            return fields.with_extension(
                Extension("2.5.29.37", chance.random() < 0.3, der.sequence(*map(der.oid, picked)))
            )
        if which == 3:
            oids = ["1.2.392.200149.8.5.1.3.30", "1.2.392.200149.8.5.1.0.20", "2.5.29.32.0", "1.2.3.4"]
            picked = chance.sample(oids, chance.randint(1, 3))
            value = der.sequence(*(der.sequence(der.oid(one)) for one in picked))
            return fields.with_extension(Extension("2.5.29.32", chance.random() < 0.5, value))
        if which == 4:
            extensions[place] = extensions[place]._replace(critical=not extensions[place].critical)
        elif which == 5:
            del extensions[place]
        elif which == 6:
            extensions.insert(chance.randrange(len(extensions) + 1), extensions[place])
        elif which == 7:
            chance.shuffle(extensions)
        elif which == 8:
            value = chance.choice([der.NULL, b"", chance.randbytes(9), der.utf8("何か")])
            extensions.append(Extension(f"1.3.6.1.4.1.99999.{chance.randrange(5)}", chance.random() < 0.3, value))
        elif which == 9:
            number = chance.choice([0, 1, -1, 127, 128, (1 << 159) - 1, 1 << 159, chance.getrandbits(64)])
            return replace(fields, serial=der.integer(number))
        elif which == 10:
            value = chance.choice(
                [der.sequence(), der.sequence(der.TRUE), der.sequence(der.integer(0)), der.sequence(der.tlv(1, b"\0"))]
            )
            return fields.with_extension(Extension("2.5.29.19", chance.random() < 0.5, value))
        elif which == 11:
            return replace(fields, subject=chance.choice([der.sequence(), fields.issuer, self._edited(fields.subject)]))
        elif which == 12:
            spki = self.world.city.fields(chance.randrange(CITIZENS)).spki
            point = chance.choice([*SMALL_ORDER, chance.randbytes(32)])
            ed25519 = der.sequence(der.sequence(der.oid("1.3.101.112")), der.bit_string(point))
            return replace(
                fields, spki=chance.choice([spki, self._edited(fields.spki), self._edited(fields.spki), ed25519])
            )
        else:
            return replace(fields, version=chance.choice([b"", der.context(0, der.integer(chance.randrange(-1, 4)))]))
        return replace(fields, extensions=tuple(extensions))

    def _scrambled(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.chance.choice([1, 1, 1, 2, 3])):
            place = self.chance.randrange(len(changed) + 1)
            match self.chance.randrange(8):
                case 0:
                    changed.insert(place, self.chance.randrange(256))
                case 1:
                    del changed[place : place + 1]
                case 2:
                    del changed[place:]
                case 3:
                    changed += self.chance.randbytes(self.chance.choice([1, 1, 2, 200]))
                case _ if place < len(changed):
                    changed[place] ^= 1 << self.chance.randrange(8)
                case _:
                    pass
        return bytes(changed)

    def _edited(self, data: bytes) -> bytes:
        """Another structure: elements retagged, emptied, changed, doubled, left out, moved, or told to be of another length."""
        chance = self.chance
        try:
            (root,) = tree(data)
        except (BadDer, ValueError):
            return self._scrambled(data)
        for _ in range(chance.choice([1, 1, 1, 2])):
            node, parent = chance.choice(list(root.walk()))
            match chance.randrange(11):
                case 0:
                    node.tag ^= 1 << chance.randrange(8)
                case 1:
                    node.tag = chance.choice(
                        [1, 2, 3, 4, 5, 6, 10, 12, 18, 19, 20, 22, 23, 24, 26, 28, 30, 48, 49, 128, 160, 161, 162, 163]
                    )
                case 2:
                    node.content, node.parts = b"", []
                case 3:
                    node.content, node.parts = chance.randbytes(chance.choice([1, 2, len(node.content) or 4, 40])), []
                case 4 if not node.parts and node.content:
                    changed = bytearray(node.content)
                    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
                    node.content = bytes(changed)
                case 5 if parent:
                    parent.parts.insert(chance.randrange(len(parent.parts) + 1), node)
                case 6 if parent and len(parent.parts) > 1:
                    parent.parts = [part for part in parent.parts if part is not node]
                case 7 if parent:
                    chance.shuffle(parent.parts)
                case 8:
                    node.length_form = chance.choice(_LENGTH_FORMS)
                case 9 if parent:
                    small = [Node(5), Node(2, b"\x05"), Node(1, b"\xff"), Node(48), Node(4, b"x"), Node(0xA0)]
                    parent.parts.insert(chance.randrange(len(parent.parts) + 1), chance.choice(small))
                case _:
                    other, _unused = chance.choice(list(root.walk()))
                    if other is not root and not any(one is node for one, _ in other.walk()):
                        node.tag, node.content, node.parts, node.prefix = (
                            other.tag,
                            other.content,
                            list(other.parts),
                            other.prefix,
                        )
        try:
            return root.der()
        except RecursionError:
            return data


_LENGTH_FORMS: Final[tuple[Callable[[int], bytes], ...]] = (
    lambda size: b"\x82" + (size & 0xFFFF).to_bytes(2, "big"),
    lambda size: b"\x83" + (size & 0xFFFFFF).to_bytes(3, "big"),
    lambda size: b"\x80",
    lambda size: bytes(((size + 1) & 0x7F,)),
    lambda size: bytes(((size - 1) & 0x7F,)),
    lambda size: b"\x84\xff\xff\xff\xff",
)
# Ed25519 points of small order (y of 0, 1 and -1, and one of order 8), and one whose y is not below p.
SMALL_ORDER: Final = (
    bytes(32),
    b"\x01" + bytes(31),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    b"\xee" + b"\xff" * 30 + b"\x7f",
)
MUTATIONS: Final = {
    "nothing": 6,
    "bytes": 16,
    "swap": 8,
    "structure": 8,
    "reissued_structure": 34,
    "reissued_fields": 22,
    "other_class": 2,
    "other_challenge": 4,
    "other_signature": 6,
}


# ---- holding one against the other ------------------------------------------------------------------------


@dataclass
class Report:
    logins: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)


# What `cryptography` refuses to read though it is no fault, by its words; anything else it refuses is looked at.
DIVERGENCES: Final = {
    "encipher_only and decipher_only": "RFC 5280, 4.2.1.3: without keyAgreement their meaning is undefined, not forbidden",
    "CpsUri ASN.1 structure found": "RFC 5280, 4.2.1.4: a qualifier of a third kind, in an extension that is not critical",
    "PolicyInformation::policy_qualif": "the same, of a type that the two kinds have not",
}


def confirm_accepted(world: World, login: Login) -> str:
    """A third voice on what was accepted: `cryptography` reads the certificate, and finds the signature on it right."""
    certificate = x509.load_der_x509_certificate(login.certificate)
    if read_certificate(login.certificate).present <= DECODERS.keys():  # it also reads extensions that others skip
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # it has opinions on the lengths of names, and on serials in key identifiers
                for extension in certificate.extensions:
                    _ = extension.value
        except x509.UnsupportedGeneralNameType:
            pass  # its Python objects have no x400Address and no ediPartyName (RFC 5280, 4.2.1.6, has both)
        except ValueError as error:
            if not any(words in str(error) for words in DIVERGENCES):
                return f"cryptography reads no certificate in it: {error}"
    for authority in world.city.authorities.values():
        # By key alone: it compares names by octets, and the oracle has compared them by RFC 5280, 7.1.
        key = x509.load_der_x509_certificate(authority.certificate).public_key()
        signed = certificate.signature, certificate.tbs_certificate_bytes
        with suppress(InvalidSignature, ValueError, TypeError):
            if isinstance(key, ec.EllipticCurvePublicKey) and certificate.signature_hash_algorithm is not None:
                key.verify(*signed, ec.ECDSA(certificate.signature_hash_algorithm))
                return ""
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(*signed)
                return ""
            if isinstance(key, rsa.RSAPublicKey) and certificate.signature_hash_algorithm is not None:
                key.verify(*signed, padding.PKCS1v15(), certificate.signature_hash_algorithm)
                return ""
    return "cryptography finds no CA of the city that issued it"


def hold(world: World, count: int, seed: object, report: Report) -> None:
    """`count` logins of one world, each batch cold and then warm."""
    mutator = Mutator(world, random.Random(f"{seed}/{world.key}/{world.authority_key}/{world.mode}"))
    done = 0
    while done < count:
        made = [mutator.login() for _ in range(min(CHUNK, count - done))]
        logins = [login for _, login in made]
        oracle = world.oracle()
        expected = [oracle.judge(login) for login in logins]
        world.desk.engine.clear_cache()
        for temperature in ("cold", "warm"):
            for (kind, login), right, reason in zip(made, expected, world.told(logins), strict=True):
                if reason not in right:
                    where = f"{world.key}/{world.authority_key}/{world.mode}"
                    report.disagreements.append(
                        f"{where} {kind}, {temperature}: the engine says {reason}, the oracle {sorted(right)}\n"
                        f"  certificate {login.certificate.hex()}\n  challenge {login.challenge!r}\n"
                        f"  signature {login.signature.hex()}"
                    )
                elif temperature == "cold" and right == ACCEPTED and kind.startswith("reissued"):
                    complaint = confirm_accepted(world, login)
                    if complaint:
                        report.disagreements.append(f"{kind}: accepted, but {complaint}\n  {login.certificate.hex()}")
                if temperature == "cold":
                    report.reasons[reason] += 1
                    report.accepted += reason == "accepted"
                    report.kinds[kind] += 1
        done += len(made)
    report.logins += count


def hold_all(count: int, seed: object, folder: Path, progress: Callable[[str], None] = lambda _: None) -> Report:
    """About `count` logins, spread over all worlds."""
    report = Report()
    share = -(-count // len(WORLDS))
    for world in WORLDS:
        hold(World(*world, folder), share, seed, report)
        progress(f"{report.logins} logins, {report.accepted} accepted, {len(report.disagreements)} disagreements")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold the engine against the oracle over mutated logins.")
    parser.add_argument("--count", type=int, default=100_000, help="how many logins (100,000)")
    parser.add_argument("--seed", default="1", help="decides every mutation (1)")
    parser.add_argument("--show", type=int, default=5, help="disagreements to print (5)")
    chosen = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = hold_all(chosen.count, chosen.seed, Path(folder), lambda line: print(line, file=sys.stderr))
    for line in report.disagreements[: chosen.show]:
        print(line)
    for reason, count in report.reasons.most_common():
        print(f"{count:8d} {reason}")
    took = time.monotonic() - started
    print(f"{report.logins} logins, seed {chosen.seed}: {len(report.disagreements)} disagreements ({took:.0f} s)")
    sys.exit(1 if report.disagreements else 0)
