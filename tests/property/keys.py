"""A pool of test-only keys that sign certificates in microseconds, so that making a case costs next to nothing.

RSA moduli are products of many primes below 2^64, so that the private operation costs about what a public one does; ECDSA
signatures take their nonce from a table made once.  Both betray the key to anybody who looks: they are for tests alone.
Everything is decided by labels: the same seed makes the same bytes.
"""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from tests.property.peers.build import openssl

from sekisho.testing import der
from sekisho.testing.keys import DIGEST_INFO, EdKey, rsa_spki, scalar_from_label
from sekisho.testing.leaves import key_id

__all__ = ["ALGORITHMS", "EcSigner", "EdSigner", "RsaSigner", "Signer", "pool"]

_PSS: Final = "1.2.840.113549.1.1.10"
_HASH_OIDS: Final = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}


def _pss(name: str) -> bytes:
    """RSASSA-PSS with MGF1 of the same hash and a salt as long (RFC 4055, 3.1)."""
    algorithm = der.sequence(der.oid(_HASH_OIDS[name]), der.NULL)
    mask = der.sequence(der.oid("1.2.840.113549.1.1.8"), algorithm)
    size = hashlib.new(name).digest_size
    parameters = der.sequence(der.context(0, algorithm), der.context(1, mask), der.context(2, der.integer(size)))
    return der.sequence(der.oid(_PSS), parameters)


ALGORITHMS: Final = {
    "rsa-sha256": der.sequence(der.oid("1.2.840.113549.1.1.11"), der.NULL),
    "rsa-sha384": der.sequence(der.oid("1.2.840.113549.1.1.12"), der.NULL),
    "rsa-sha512": der.sequence(der.oid("1.2.840.113549.1.1.13"), der.NULL),
    "rsa-sha1": der.sequence(der.oid("1.2.840.113549.1.1.5"), der.NULL),
    "pss-sha256": _pss("sha256"),
    "pss-sha384": _pss("sha384"),
    "pss-sha512": _pss("sha512"),
    "ecdsa-sha256": der.sequence(der.oid("1.2.840.10045.4.3.2")),
    "ecdsa-sha384": der.sequence(der.oid("1.2.840.10045.4.3.3")),
    "ecdsa-sha512": der.sequence(der.oid("1.2.840.10045.4.3.4")),
    "ed25519": der.sequence(der.oid("1.3.101.112")),
}
"""AlgorithmIdentifiers of signatures by name."""


@dataclass(frozen=True)
class Signer(ABC):
    """A key that signs."""

    kind: str
    label: str

    @property
    @abstractmethod
    def algorithms(self) -> tuple[str, ...]:
        """What it signs with, the usual one first."""

    @property
    @abstractmethod
    def spki(self) -> bytes:
        """Its SubjectPublicKeyInfo."""

    @cached_property
    def key_id(self) -> bytes:
        return key_id(self.spki)

    @abstractmethod
    def sign(self, message: bytes, algorithm: str) -> bytes:
        """The signature over `message`."""


# ---- RSA -------------------------------------------------------------------------------------------------

_EXPONENT: Final = 65537


def _is_prime(number: int) -> bool:
    """Miller-Rabin to bases that decide every number below 2^64 (Sorenson, Webster 2015)."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        power = pow(base, odd, number)
        if power not in (1, number - 1) and not any(
            (power := power * power % number) == number - 1 for _ in range(twos - 1)
        ):
            return False
    return True


def _primes(label: str, count: int, exponent: int) -> list[int]:
    chance = random.Random(f"primes/{label}")
    found: list[int] = []
    while len(found) < count:
        candidate = (1 << 64) - chance.randrange(1 << 57) | 1  # within 1 % of 2^64: the product has every bit it should
        if candidate % exponent != 1 and candidate < 1 << 64 and _is_prime(candidate) and candidate not in found:
            found.append(candidate)
    return found


@dataclass(frozen=True)
class RsaSigner(Signer):
    bits: int = 2048
    exponent: int = _EXPONENT

    @property
    def algorithms(self) -> tuple[str, ...]:
        return ("rsa-sha256", "rsa-sha384", "rsa-sha512", "rsa-sha1", "pss-sha256", "pss-sha384", "pss-sha512")

    @cached_property
    def _primes(self) -> list[int]:
        return _primes(self.label, self.bits // 64, self.exponent)

    @cached_property
    def modulus(self) -> int:
        product = 1
        for prime in self._primes:
            product *= prime
        return product

    @cached_property
    def spki(self) -> bytes:
        return rsa_spki(self.modulus, self.exponent)

    @cached_property
    def _native(self) -> Any:
        ffi, lib = openssl().ffi, openssl().lib
        size = self.bits // 8
        weights = b"".join(
            (self.modulus // prime * pow(self.modulus // prime, -1, prime)).to_bytes(size, "big")
            for prime in self._primes
        )
        exponents = [pow(self.exponent, -1, prime - 1) for prime in self._primes]
        modulus = self.modulus.to_bytes(size, "big")
        primes = ffi.new("uint64_t[]", self._primes)
        return lib.small_rsa_new(len(self._primes), primes, exponents, weights, modulus, size)

    def sign(self, message: bytes, algorithm: str) -> bytes:
        family, _, name = algorithm.rpartition("-")
        digest = hashlib.new(name, message, usedforsecurity=False).digest()
        return self.power(self._pss(digest, name) if family == "pss" else self._pkcs1(DIGEST_INFO[name] + digest))

    def sign_block(self, content: bytes) -> bytes:
        """The block of type 1 around `content` itself (modes A' and B)."""
        return self.power(self._pkcs1(content))

    def power(self, block: bytes) -> bytes:
        out = openssl().ffi.new("uint8_t[]", len(block))
        assert openssl().lib.small_rsa_sign(self._native, block, out) == 1
        return bytes(out)

    def _pkcs1(self, content: bytes) -> bytes:
        return b"\x00\x01" + b"\xff" * (self.bits // 8 - 3 - len(content)) + b"\x00" + content

    def _pss(self, digest: bytes, name: str) -> bytes:
        """EMSA-PSS (RFC 8017, 9.1.1), the salt decided by the message."""
        size = len(digest)
        salt = hashlib.new(name, b"salt" + digest).digest()
        hashed = hashlib.new(name, bytes(8) + digest + salt).digest()
        block = b"\x01" + salt
        block = bytes(self.bits // 8 - size - 1 - len(block)) + block
        mask = b"".join(hashlib.new(name, hashed + bytes((0, 0, 0, i))).digest() for i in range(-(-len(block) // size)))
        masked = bytearray(a ^ b for a, b in zip(block, mask, strict=False))
        masked[0] &= 0x7F
        return bytes(masked) + hashed + b"\xbc"


# ---- elliptic curves -------------------------------------------------------------------------------------

_CURVES: Final = {
    "p256": (ec.SECP256R1(), "1.2.840.10045.3.1.7", 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "p384": (
        ec.SECP384R1(),
        "1.3.132.0.34",
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}
_NONCES: Final = 64


@cache
def _nonces(kind: str) -> list[tuple[int, int]]:
    """(r, 1 / k) for some k."""
    curve, _, order = _CURVES[kind]
    table = []
    for number in range(_NONCES):
        k = int.from_bytes(hashlib.sha512(f"nonce/{kind}/{number}".encode()).digest(), "big") % (order - 1) + 1
        x = ec.derive_private_key(k, curve).public_key().public_numbers().x
        table.append((x % order, pow(k, -1, order)))
    return table


@dataclass(frozen=True)
class EcSigner(Signer):
    @property
    def algorithms(self) -> tuple[str, ...]:
        usual = "ecdsa-sha384" if self.kind == "p384" else "ecdsa-sha256"
        return (usual, *(one for one in ("ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512") if one != usual))

    @cached_property
    def _scalar(self) -> int:
        return int.from_bytes(scalar_from_label(self.kind, "differential", self.label), "big")  # type: ignore[arg-type]

    @cached_property
    def spki(self) -> bytes:
        curve, oid, order = _CURVES[self.kind]
        size = (order.bit_length() + 7) // 8
        point = ec.derive_private_key(self._scalar, curve).public_key().public_numbers()
        octets = b"\x04" + point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")
        return der.sequence(der.sequence(der.oid("1.2.840.10045.2.1"), der.oid(oid)), der.bit_string(octets))

    def sign(self, message: bytes, algorithm: str) -> bytes:
        order = _CURVES[self.kind][2]
        digest = hashlib.new(algorithm.rpartition("-")[2], message).digest()
        bits = order.bit_length()
        number = int.from_bytes(digest[: (bits + 7) // 8], "big")
        r, inverse = _nonces(self.kind)[digest[-1] % _NONCES]
        return der.sequence(der.integer(r), der.integer(inverse * (number + r * self._scalar) % order))


@dataclass(frozen=True)
class EdSigner(Signer):
    @property
    def algorithms(self) -> tuple[str, ...]:
        return ("ed25519",)

    @cached_property
    def _key(self) -> EdKey:
        return EdKey("ed25519", scalar_from_label("ed25519", "differential", self.label))

    @cached_property
    def spki(self) -> bytes:
        return self._key.spki

    def sign(self, message: bytes, algorithm: str) -> bytes:
        return self._key.sign(message)


# ---- the pool --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pool:
    """Keys by kind, and keys that no profile takes."""

    by_kind: dict[str, tuple[Signer, ...]]
    weak: tuple[Signer, ...] = field(default=())

    @cached_property
    def by_spki(self) -> dict[bytes, Signer]:
        return {key.spki: key for several in (*self.by_kind.values(), self.weak) for key in several}

    def pick(self, chance: random.Random, kind: str) -> Signer:
        return chance.choice(self.by_kind[kind])


@cache
def pool() -> Pool:
    sizes = {"rsa2048": (2048, 8), "rsa3072": (3072, 2), "rsa4096": (4096, 1)}
    by_kind: dict[str, tuple[Signer, ...]] = {
        kind: tuple(RsaSigner(kind, f"{kind}/{number}", bits) for number in range(count))
        for kind, (bits, count) in sizes.items()
    }
    by_kind |= {kind: tuple(EcSigner(kind, f"{kind}/{number}") for number in range(8)) for kind in ("p256", "p384")}
    by_kind["ed25519"] = tuple(EdSigner("ed25519", f"ed25519/{number}") for number in range(4))
    weak = (RsaSigner("rsa1024", "rsa1024", 1024), RsaSigner("rsa2048", "rsa2048/3", 2048, 3))
    return Pool(by_kind, weak)
