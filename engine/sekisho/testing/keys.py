"""Test-only keys: reproducible from a label, cheap to make in numbers, with every way of signing a login.

Nothing here is secret.  RSA keys are products of pairs out of a pool of primes that anybody can compute, so that a
city of 330,000 certificates has 330,000 moduli for the price of 820 primes; EC and Ed25519 keys are hashes of their
label.  **Never use such a key for anything but tests.**
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric import utils as asymmetric_utils

from sekisho.testing import der

__all__ = [
    "DIGEST_INFO",
    "EXPONENT",
    "HASHES",
    "KEY_KINDS",
    "MODES",
    "EdKey",
    "EllipticKey",
    "Hash",
    "KeyKind",
    "Mode",
    "PrimePool",
    "Progress",
    "RsaKey",
    "SigningKey",
    "cache_folder",
    "default_hash",
    "default_mode",
    "key_from_label",
    "key_from_scalar",
    "mode_number",
    "prime_from_label",
    "rsa_spki",
    "scalar_from_label",
    "stream",
]

KeyKind: TypeAlias = Literal["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "ed25519"]
Mode: TypeAlias = Literal["pkcs1", "pkcs1-bare", "pkcs1-raw", "pss", "ecdsa-der", "ecdsa-raw", "ed25519"]
Hash: TypeAlias = Literal["sha256", "sha384", "sha512", "none"]
Progress: TypeAlias = Callable[[int, int], None]

KEY_KINDS: Final[tuple[KeyKind, ...]] = get_args(KeyKind)
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
HASHES: Final[tuple[Hash, ...]] = ("sha256", "sha384", "sha512")

EXPONENT: Final = 65537
PSS_SALT_SIZE: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
"""Bytes: as long as the hash (RFC 8017, 9.1)."""

DIGEST_INFO: Final = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before the hash in EMSA-PKCS1-v1_5 (RFC 8017, 9.2, note 1)."""

_RSA_BITS: Final = {"rsa2048": 2048, "rsa3072": 3072, "rsa4096": 4096}
_CURVES: Final[dict[str, tuple[ec.EllipticCurve, int, str]]] = {  # the curve, its order (SP 800-186, 3.2.1), its OID
    "p256": (
        ec.SECP256R1(),
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        "1.2.840.10045.3.1.7",
    ),
    "p384": (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        "1.3.132.0.34",
    ),
}
_HASH_CLASSES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_FAMILY_NUMBERS: Final = {mode: number for number, mode in enumerate(MODES, 1)}  # SEKI_FAMILY_* in sekisho.h
_HASH_NUMBERS: Final = {"none": 0, "sha256": 2, "sha384": 3, "sha512": 4}  # SEKI_HASH_* in sekisho.h


def stream(*label: object, size: int) -> bytes:
    """`size` bytes that only `label` decides (SHAKE-256): the one source of chance in a city, the same everywhere."""
    return hashlib.shake_256("/".join(map(str, label)).encode()).digest(size)


def mode_number(mode: Mode, hash_name: Hash) -> int:
    """The mode as sekisho.h numbers it: family | hash << 8 | mgf1_hash << 16 | salt_length << 24."""
    if mode in ("pkcs1-raw", "ed25519"):
        return _FAMILY_NUMBERS[mode]
    number = _FAMILY_NUMBERS[mode] | _HASH_NUMBERS[hash_name] << 8
    return number | _HASH_NUMBERS[hash_name] << 16 | PSS_SALT_SIZE[hash_name] << 24 if mode == "pss" else number


def default_mode(kind: KeyKind) -> Mode:
    """How a key of that kind signs a login where nothing else is said: docs/SECURITY.md, A for RSA and E for EC."""
    if kind in _RSA_BITS:
        return "pkcs1"
    return "ed25519" if kind == "ed25519" else "ecdsa-der"


def default_hash(kind: KeyKind) -> Hash:
    """SHA-384 for P-384 (the next card generation), none for Ed25519, SHA-256 for the others."""
    return "sha384" if kind == "p384" else "none" if kind == "ed25519" else "sha256"


# ---- primes --------------------------------------------------------------------------------------

_SIEVE_LIMIT: Final = 1 << 14
_WINDOW: Final = 4096
"""Candidates sieved at a time; a 1024-bit window holds 11 primes on average."""


@cache
def _small_primes() -> npt.NDArray[np.uint64]:
    alive = np.ones(_SIEVE_LIMIT, dtype=bool)
    alive[:3] = False
    alive[4::2] = False
    for number in range(3, int(_SIEVE_LIMIT**0.5) + 1, 2):
        if alive[number]:
            alive[number * number :: number] = False
    return np.flatnonzero(alive).astype(np.uint64)


@cache
def _sieve_tables(limbs: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """2^(16 i) modulo each small prime (limbs by primes), and 1/4 modulo each."""
    primes = _small_primes()
    powers = np.empty((limbs, len(primes)), dtype=np.uint64)
    powers[0] = 1
    for limb in range(1, limbs):
        powers[limb] = (powers[limb - 1] << np.uint64(16)) % primes
    quarters = np.array([pow(4, -1, int(prime)) for prime in primes], dtype=np.uint64)
    return powers, quarters


def _is_prime(candidate: int) -> bool:
    """Euler's test to one random base for a candidate that is 3 modulo 4.

    A prime p = 3 (mod 4) has x^((p-1)/2) = ±1 for every x.  The power is taken by an RSA encryption with modulus p and
    the odd exponent (p-1)/2, whose padded message is the random base: 25 times as fast as ``pow``.  A random candidate
    of 1,024 bits that is composite passes with a chance far below 2^-80 (Damgård, Landrock, Pomerance 1993).
    """
    half = (candidate - 1) // 2
    if candidate.bit_length() < 1024:  # cryptography takes no shorter modulus
        return all(pow(base, half, candidate) in (1, candidate - 1) for base in (2, 3, 5, 7, 11, 13, 17))
    public = rsa.RSAPublicNumbers(half, candidate).public_key()
    power = int.from_bytes(public.encrypt(b"", padding.PKCS1v15()), "big")
    return power == 1 or power == candidate - 1


def prime_from_label(bits: int, *label: object) -> int:
    """The prime of `bits` bits (a multiple of 16, at least 64) that `label` decides.

    Its two top bits are set, so that a product of two has exactly twice the bits; it is 3 modulo 4, and not 1 modulo
    65537, so that 65537 is a valid exponent.
    """
    block = bits // 8
    start = int.from_bytes(stream("sekisho test-only prime", bits, *label, size=block), "big")
    start |= 0b11 << (bits - 2) | 0b11
    primes = _small_primes()
    powers, quarters = _sieve_tables(block // 2)
    while True:
        limbs = np.frombuffer(start.to_bytes(block, "little"), dtype="<u2").astype(np.uint64)
        residues = (limbs @ powers) % primes
        firsts = ((primes - residues) * quarters % primes).tolist()  # the first j with prime | start + 4 j
        alive = np.ones(_WINDOW, dtype=bool)
        for first, prime in zip(firsts, primes.tolist(), strict=True):
            alive[first::prime] = False
        for step in np.flatnonzero(alive).tolist():
            candidate = start + 4 * step
            if candidate % EXPONENT != 1 and _is_prime(candidate):
                return candidate
        start += 4 * _WINDOW


def cache_folder() -> Path:
    """Where primes are kept between runs: ``$SEKISHO_CACHE``, else ``$XDG_CACHE_HOME/sekisho``, else in ~/.cache."""
    if chosen := os.environ.get("SEKISHO_CACHE"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "sekisho"
    try:
        return Path.home() / ".cache" / "sekisho"
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / f"sekisho-{os.getuid()}"


class PrimePool:
    """The first primes of one size out of the endless, fixed list that every test shares.

    Prime number i depends on i and its size alone, not on a seed: the pool is computed once per machine (820 primes of
    1,024 bits take 20 s of one core) and then read from a file of the cache folder.  A seed decides which pairs of
    primes a city takes.
    """

    def __init__(self, bits: int, folder: Path | None = None) -> None:
        self.bits = bits
        self.path = (folder or cache_folder()) / f"TEST-ONLY-primes-{bits}-v1.bin"
        self._primes: list[int] | None = None
        self._lock = threading.Lock()

    def take(self, count: int, *, workers: int = 1, progress: Progress | None = None) -> list[int]:
        """The first `count` primes, read from the file as far as it goes and computed beyond, by `workers` threads.

        Raises nothing if the cache folder cannot be read or written: the primes are then simply computed.
        """
        with self._lock:
            if self._primes is None:
                self._primes = self._read()
            known = self._primes
            if len(known) < count:
                missing = range(len(known), count)
                with ThreadPoolExecutor(max(1, workers)) as pool:
                    for prime in pool.map(lambda index: prime_from_label(self.bits, "pool", index), missing):
                        known.append(prime)
                        if progress:
                            progress(len(known), count)
                self._write(known)
            return known[:count]

    def _read(self) -> list[int]:
        try:
            content = self.path.read_bytes()
        except OSError:
            return []
        body, digest = content[:-32], content[-32:]
        size = self.bits // 8
        if len(body) % size or hashlib.sha256(body).digest() != digest:
            return []  # half written or damaged: computed anew
        return [int.from_bytes(body[at : at + size], "big") for at in range(0, len(body), size)]

    def _write(self, primes: Sequence[int]) -> None:
        if len(self._read()) >= len(primes):
            return  # another process went further meanwhile
        body = b"".join(prime.to_bytes(self.bits // 8, "big") for prime in primes)
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
            with os.fdopen(handle, "wb") as file:
                file.write(body + hashlib.sha256(body).digest())
            os.replace(temporary, self.path)


# ---- keys ----------------------------------------------------------------------------------------


def _digest(hash_name: str, message: bytes) -> bytes:
    return hashlib.new(hash_name, message, usedforsecurity=False).digest()


def rsa_spki(modulus: int, exponent: int = EXPONENT) -> bytes:
    """SubjectPublicKeyInfo of an RSA key (RFC 3279, 2.3.1), whatever its numbers."""
    key = der.sequence(der.integer(modulus), der.integer(exponent))
    return der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL), der.bit_string(key))


@dataclass(frozen=True)
class SigningKey(ABC):
    """A private key that signs logins and certificates.  Shared by threads freely."""

    kind: KeyKind

    @property
    @abstractmethod
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""

    @property
    @abstractmethod
    def private_key(self) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
        """The key as `cryptography` knows it."""

    @abstractmethod
    def sign(self, message: bytes, mode: Mode | None = None, hash_name: Hash | None = None) -> bytes:
        """Signs `message` in `mode` (docs/SECURITY.md: pkcs1 is A, pkcs1-bare is A', pkcs1-raw is B).

        The same input gives the same signature, except in mode pss, whose salt is random.

        Raises:
            ValueError: this key cannot sign in that mode, or the message is too long for pkcs1-raw.
        """

    @property
    @abstractmethod
    def algorithm(self) -> bytes:
        """AlgorithmIdentifier of this key's signatures on certificates, DER."""

    def sign_certificate(self, tbs: bytes) -> bytes:
        """The signature on a certificate or CRL, by `algorithm`."""
        return self.sign(tbs)

    def sign_digest(self, digest: bytes) -> bytes:
        """The same where only the hash of what is signed is at hand: of a CRL that is never whole in memory.

        Raises:
            ValueError: a key that signs no hash (Ed25519).
        """
        raise ValueError(f"a key of kind {self.kind} signs no hash")

    def pem(self) -> bytes:
        """PKCS #8, unencrypted: what a token's import tool takes."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _refuse(self, mode: str) -> ValueError:
        return ValueError(f"a key of kind {self.kind} does not sign in mode {mode!r}")


@dataclass(frozen=True)
class RsaKey(SigningKey):
    """An RSA key of two primes.  The order of the primes does not matter."""

    p: int = field(repr=False)
    q: int = field(repr=False)
    exponent: int = EXPONENT

    @property
    def modulus(self) -> int:
        return self.p * self.q

    @property
    def size(self) -> int:
        """Bytes of the modulus, and of a signature."""
        return (self.modulus.bit_length() + 7) // 8

    @cached_property
    def spki(self) -> bytes:
        return rsa_spki(self.modulus, self.exponent)

    @cached_property
    def private_key(self) -> rsa.RSAPrivateKey:
        p, q, e = self.p, self.q, self.exponent
        numbers = rsa.RSAPrivateNumbers(
            p=p,
            q=q,
            d=pow(e, -1, (p - 1) * (q - 1)),
            dmp1=pow(e, -1, p - 1),
            dmq1=pow(e, -1, q - 1),
            iqmp=pow(q, -1, p),
            public_numbers=rsa.RSAPublicNumbers(e, p * q),
        )
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)  # checking primes costs 60 ms; ours are known

    def sign(self, message: bytes, mode: Mode | None = None, hash_name: Hash | None = None) -> bytes:
        mode, hash_name = mode or "pkcs1", hash_name or "sha256"
        if mode == "pkcs1":
            return self.private_key.sign(message, padding.PKCS1v15(), _HASH_CLASSES[hash_name]())
        if mode == "pkcs1-bare":
            return self.sign_block(_digest(hash_name, message))
        if mode == "pkcs1-raw":
            return self.sign_block(message)
        if mode == "pss":
            algorithm = _HASH_CLASSES[hash_name]()
            pss = padding.PSS(padding.MGF1(algorithm), PSS_SALT_SIZE[hash_name])
            return self.private_key.sign(message, pss, algorithm)
        raise self._refuse(mode)

    def sign_digest(self, digest: bytes) -> bytes:
        return self.private_key.sign(digest, padding.PKCS1v15(), asymmetric_utils.Prehashed(hashes.SHA256()))

    def sign_block(self, content: bytes) -> bytes:
        """The PKCS #1 block of type 1 around `content` itself (RFC 8017, 9.2 without the DigestInfo)."""
        if not content or len(content) > self.size - 11:
            raise ValueError(f"a block of type 1 takes 1 to {self.size - 11} bytes, not {len(content)}")
        return self.private_key.sign(content, padding.PKCS1v15(), asymmetric_utils.NoDigestInfo())

    def power(self, block: bytes) -> bytes:
        """The bare private operation on a whole block, in plain Python (tens of milliseconds): for sizes that
        `cryptography` refuses, and as the oracle of the fast way."""
        p, q, value = self.p, self.q, int.from_bytes(block, "big")
        at_p = pow(value, pow(self.exponent, -1, p - 1), p)
        at_q = pow(value, pow(self.exponent, -1, q - 1), q)
        return (at_q + q * ((at_p - at_q) * pow(q, -1, p) % p)).to_bytes(self.size, "big")

    def padded(self, content: bytes) -> bytes:
        """The whole block of type 1 around `content`: 00 01 FF… 00 content."""
        return b"\x00\x01" + b"\xff" * (self.size - 3 - len(content)) + b"\x00" + content

    @property
    def algorithm(self) -> bytes:
        return der.sequence(der.oid("1.2.840.113549.1.1.11"), der.NULL)  # sha256WithRSAEncryption, RFC 4055, 5


@dataclass(frozen=True)
class EllipticKey(SigningKey):
    """A P-256 or P-384 key from its scalar; signatures are deterministic (RFC 6979)."""

    scalar: int = field(repr=False)

    @cached_property
    def spki(self) -> bytes:
        curve, _, curve_oid = _CURVES[self.kind]
        size = (curve.key_size + 7) // 8
        point = self.private_key.public_key().public_numbers()
        octets = b"\x04" + point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")
        return der.sequence(der.sequence(der.oid("1.2.840.10045.2.1"), der.oid(curve_oid)), der.bit_string(octets))

    @cached_property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self.scalar, _CURVES[self.kind][0])

    def sign(self, message: bytes, mode: Mode | None = None, hash_name: Hash | None = None) -> bytes:
        mode, hash_name = mode or "ecdsa-der", hash_name or default_hash(self.kind)
        if mode not in ("ecdsa-der", "ecdsa-raw"):
            raise self._refuse(mode)
        algorithm = ec.ECDSA(_HASH_CLASSES[hash_name](), deterministic_signing=True)
        signature = self.private_key.sign(message, algorithm)
        if mode == "ecdsa-der":
            return signature
        size = (_CURVES[self.kind][0].key_size + 7) // 8
        return b"".join(half.to_bytes(size, "big") for half in asymmetric_utils.decode_dss_signature(signature))

    def sign_digest(self, digest: bytes) -> bytes:
        prehashed = asymmetric_utils.Prehashed(_HASH_CLASSES[default_hash(self.kind)]())
        return self.private_key.sign(digest, ec.ECDSA(prehashed, deterministic_signing=True))

    @property
    def algorithm(self) -> bytes:  # ecdsa-with-SHA384 or -SHA256, RFC 5758, 3.2
        return der.sequence(der.oid("1.2.840.10045.4.3.3" if self.kind == "p384" else "1.2.840.10045.4.3.2"))


@dataclass(frozen=True)
class EdKey(SigningKey):
    """An Ed25519 key from its 32-byte seed (RFC 8032, 5.1.5)."""

    seed: bytes = field(repr=False)

    @cached_property
    def spki(self) -> bytes:
        return der.sequence(
            der.sequence(der.oid("1.3.101.112")), der.bit_string(self.private_key.public_key().public_bytes_raw())
        )

    @cached_property
    def private_key(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(self.seed)

    def sign(self, message: bytes, mode: Mode | None = None, hash_name: Hash | None = None) -> bytes:
        if mode not in (None, "ed25519"):
            raise self._refuse(str(mode))
        return self.private_key.sign(message)

    @property
    def algorithm(self) -> bytes:
        return der.sequence(der.oid("1.3.101.112"))  # RFC 8410, 3


def scalar_from_label(kind: KeyKind, *label: object) -> bytes:
    """The private scalar (EC, big-endian, of the order's size) or seed (Ed25519, 32 bytes) that `label` decides."""
    if kind == "ed25519":
        return stream("sekisho test-only seed", *label, size=32)
    _, order, _ = _CURVES[kind]
    size = (order.bit_length() + 7) // 8
    wide = int.from_bytes(stream("sekisho test-only scalar", kind, *label, size=size + 16), "big")
    return (wide % (order - 1) + 1).to_bytes(size, "big")  # FIPS 186-5, A.2.1: 64 bits beyond the order are enough


def key_from_scalar(kind: KeyKind, scalar: bytes) -> SigningKey:
    """The EC or Ed25519 key of that private scalar or seed."""
    return EdKey(kind, scalar) if kind == "ed25519" else EllipticKey(kind, int.from_bytes(scalar, "big"))


@lru_cache(maxsize=64)
def key_from_label(kind: KeyKind, *label: object) -> SigningKey:
    """The key that `label` decides, with primes of its own (12 ms for RSA-2048): for CAs and other single keys."""
    if kind not in _RSA_BITS:
        return key_from_scalar(kind, scalar_from_label(kind, *label))
    half = _RSA_BITS[kind] // 2
    return RsaKey(kind, prime_from_label(half, *label, "p"), prime_from_label(half, *label, "q"))
