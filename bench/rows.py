"""Rows to verify, and the file in which every peer is given the same ones.

The file, numbers little-endian::

    "SEKIROW1"  u32 algorithm (1 RSA-SHA256, 2 P-256-SHA256, 3 P-384-SHA384, 4 Ed25519)
    u32 good rows  u32 bad rows  u32 anchors  i64 time, seconds since 1970
    anchors:    blob (u32 length, bytes)
    rows:       blob key (SubjectPublicKeyInfo, or a certificate where there are anchors), blob message,
                blob hash of the message (empty for Ed25519), blob signature

The good rows come first; the bad ones behind them are for the check of correctness alone.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from sekisho.testing.keys import KeyKind, PrimePool, RsaKey, SigningKey, key_from_scalar, scalar_from_label, stream

__all__ = ["ALGORITHMS", "CASES", "MODES", "Row", "RowsFile", "signature_rows"]

CASES: Final[tuple[KeyKind, ...]] = ("rsa2048", "rsa3072", "rsa4096", "p256", "p384", "ed25519")
ALGORITHMS: Final = {"rsa2048": 1, "rsa3072": 1, "rsa4096": 1, "p256": 2, "p384": 3, "ed25519": 4}
MODES: Final = {
    "rsa2048": "rsassa-pkcs1-v1_5-sha256",
    "rsa3072": "rsassa-pkcs1-v1_5-sha256",
    "rsa4096": "rsassa-pkcs1-v1_5-sha256",
    "p256": "ecdsa-sha256-der",
    "p384": "ecdsa-sha384-der",
    "ed25519": "ed25519",
}
MESSAGE_SIZE: Final = 165  # bytes: as long as a challenge of sekisho's


@dataclass(frozen=True, slots=True)
class Row:
    """One signature to verify: `key` is a SubjectPublicKeyInfo or a certificate, DER."""

    key: bytes
    message: bytes
    digest: bytes
    signature: bytes


@dataclass(frozen=True, eq=False)
class RowsFile:
    """Good rows, planted bad ones, and what certificates are judged by.

    Attributes:
        case: one of `CASES`.
        good, bad: rows.
        anchors: DER of the CAs to trust; empty where `key` of a row is a public key.
        at: seconds since 1970.
    """

    case: KeyKind
    good: Sequence[Row]
    bad: Sequence[Row]
    anchors: Sequence[bytes] = ()
    at: int = 0

    @property
    def rows(self) -> list[Row]:
        return [*self.good, *self.bad]

    @property
    def expected(self) -> str:
        """What a right verifier answers to "check"."""
        return "1" * len(self.good) + "0" * len(self.bad)

    def write(self, path: Path) -> None:
        parts = [
            b"SEKIROW1",
            struct.pack("<IIIIq", ALGORITHMS[self.case], len(self.good), len(self.bad), len(self.anchors), self.at),
        ]
        parts += map(_blob, self.anchors)
        for row in self.rows:
            parts += map(_blob, (row.key, row.message, row.digest, row.signature))
        path.write_bytes(b"".join(parts))


def signature_rows(case: KeyKind, count: int, *, workers: int, message_size: int = MESSAGE_SIZE) -> RowsFile:
    """`count` good signatures, each under a key of its own, and one bad one of each kind."""
    keys = _keys(case, count, workers)

    def make(index: int) -> Row:
        message = stream("sekisho bench message", case, index, size=message_size)
        return Row(keys[index].spki, message, digest(case, message), keys[index].sign(message))

    with ThreadPoolExecutor(workers) as pool:
        rows = list(pool.map(make, range(count)))
    return RowsFile(case, rows, bad_rows(case, rows))


def digest(case: KeyKind, message: bytes) -> bytes:
    """The hash that the case's mode signs; empty for Ed25519, which hashes with the key."""
    if case == "ed25519":
        return b""
    return hashlib.new("sha384" if case == "p384" else "sha256", message).digest()


def bad_rows(case: KeyKind, good: Sequence[Row]) -> list[Row]:
    """Rows that nobody may accept, made of good ones; at least three good ones are needed."""
    one, other = good[0], good[1]
    middle = len(one.signature) // 2

    def signed(signature: bytes) -> Row:
        return Row(one.key, one.message, one.digest, signature)

    rows = [
        signed(one.signature[:middle] + bytes([one.signature[middle] ^ 1]) + one.signature[middle + 1 :]),
        signed(other.signature),  # another's
        Row(one.key, other.message, other.digest, one.signature),  # over something else
        Row(other.key, one.message, one.digest, one.signature),  # under another key
        signed(one.signature[:-1]),
        signed(b""),
    ]
    if case != "ed25519" and not case.startswith("rsa"):
        return [*rows, signed(bytes.fromhex("3006020100020100"))]  # r = s = 0
    # Zero, and beyond the modulus or the group's order (RFC 8017, 5.2.2; RFC 8032, 5.1.7).
    return [*rows, signed(bytes(len(one.signature))), signed(b"\xff" * len(one.signature))]


def _keys(case: KeyKind, count: int, workers: int) -> list[SigningKey]:
    if not case.startswith("rsa"):
        return [key_from_scalar(case, scalar_from_label(case, "bench", index)) for index in range(count)]
    primes_wanted = 2
    while primes_wanted * (primes_wanted - 1) // 2 < count:
        primes_wanted += 1
    primes = PrimePool(int(case[3:]) // 2).take(primes_wanted, workers=workers)
    pairs = list(combinations(primes, 2))[:count]
    return [RsaKey(case, max(pair), min(pair)) for pair in pairs]


def _blob(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content
