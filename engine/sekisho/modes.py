"""Signature modes: what exactly was signed, and how (docs/SECURITY.md; RFC 8017, FIPS 186-5, RFC 8032).

A mode is fixed by configuration, never read off a signature: one RSA key can make signatures in all of them.
"""

from __future__ import annotations

import difflib
from typing import Final, Self

from sekisho._native import lib

__all__ = ["Mode"]

_HASHES: Final = {
    "sha256": (lib.SEKI_HASH_SHA256, 32),
    "sha384": (lib.SEKI_HASH_SHA384, 48),
    "sha512": (lib.SEKI_HASH_SHA512, 64),
}
_MGF1: Final = {"sha1": lib.SEKI_HASH_SHA1} | {name: code for name, (code, _) in _HASHES.items()}


class Mode(int):
    """One way of signing, as the number the core knows it by; `str(mode)` is its name.

    ==================================  ==========================================================
    `rsassa-pkcs1-v1_5-sha256`          mode A: DigestInfo of the message's hash (RFC 8017, 8.2)
    `rsassa-pkcs1-v1_5-bare-sha256`     mode A': the same block over the bare hash
    `rsassa-pkcs1-v1_5-raw`             mode B: the same block over the message itself
    `rsassa-pss-sha256`                 RSASSA-PSS, MGF1 and salt as long as the hash (RFC 8017, 8.1)
    `rsassa-pss-sha256-mgf1-sha1-20`    the same with another MGF1 hash and salt length in bytes
    `ecdsa-sha256-der`, `-raw`          ECDSA, Ecdsa-Sig-Value in DER, or r and s end to end; curve from the key
    `ed25519`                           Ed25519 (RFC 8032, 5.1)
    ==================================  ==========================================================

    Where a hash is named, `sha384` and `sha512` may stand for `sha256`.
    """

    __slots__ = ()

    @classmethod
    def _make(cls, family: int, hash_code: int = 0, mgf1: int = 0, salt: int = 0) -> Self:
        return cls(family | hash_code << 8 | mgf1 << 16 | salt << 24)

    @classmethod
    def pss(cls, hash_name: str = "sha256", *, mgf1: str | None = None, salt_length: int | None = None) -> Self:
        """RSASSA-PSS. `mgf1` is the hash itself unless named; `salt_length` is the hash's size unless given.

        Raises:
            ValueError: an unknown hash, or a salt length outside 0 to 255 bytes.
        """
        if hash_name not in _HASHES or (mgf1 or hash_name) not in _MGF1:
            raise ValueError(f"PSS takes {', '.join(_HASHES)} (and sha1 for MGF1 only), not {hash_name}/{mgf1}")
        code, size = _HASHES[hash_name]
        salt = size if salt_length is None else salt_length
        if not 0 <= salt <= 255:
            raise ValueError(f"PSS salt length must be 0 to 255 bytes, not {salt}")
        return cls._make(lib.SEKI_FAMILY_PSS, code, _MGF1[mgf1 or hash_name], salt)

    @classmethod
    def parse(cls, name: str) -> Self:
        """The mode called `name`.

        Raises:
            ValueError: there is no such mode; the message names the nearest.
        """
        number = _NAMES.get(name)
        if number is not None:
            return cls(number)
        parts = name.split("-")
        if name.startswith("rsassa-pss-") and len(parts) == 6 and parts[3] == "mgf1" and parts[5].isdecimal():
            return cls.pss(parts[2], mgf1=parts[4], salt_length=int(parts[5]))
        near = difflib.get_close_matches(name, _NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_NAMES)}"
        raise ValueError(f"there is no signature mode {name!r}{hint}")

    def __str__(self) -> str:
        if (name := _NUMBERS.get(int(self))) is not None:
            return name
        hashes = {code: label for label, code in _MGF1.items()}
        digest, mgf1 = hashes.get(self >> 8 & 0xFF, "?"), hashes.get(self >> 16 & 0xFF, "?")
        return f"rsassa-pss-{digest}-mgf1-{mgf1}-{self >> 24}"

    def __repr__(self) -> str:
        return f"Mode.parse({str(self)!r})"


def _names() -> dict[str, int]:
    names: dict[str, int] = {}
    for label, (code, size) in _HASHES.items():
        names[f"rsassa-pkcs1-v1_5-{label}"] = Mode._make(lib.SEKI_FAMILY_PKCS1, code)
        names[f"rsassa-pkcs1-v1_5-bare-{label}"] = Mode._make(lib.SEKI_FAMILY_PKCS1_BARE, code)
        names[f"rsassa-pss-{label}"] = Mode._make(lib.SEKI_FAMILY_PSS, code, code, size)
        names[f"ecdsa-{label}-der"] = Mode._make(lib.SEKI_FAMILY_ECDSA_DER, code)
        names[f"ecdsa-{label}-raw"] = Mode._make(lib.SEKI_FAMILY_ECDSA_RAW, code)
    names["rsassa-pkcs1-v1_5-raw"] = Mode._make(lib.SEKI_FAMILY_PKCS1_RAW)
    names["ed25519"] = Mode._make(lib.SEKI_FAMILY_ED25519)
    return {name: int(number) for name, number in sorted(names.items())}


_NAMES: Final = _names()
_NUMBERS: Final = {number: name for name, number in _NAMES.items()}
