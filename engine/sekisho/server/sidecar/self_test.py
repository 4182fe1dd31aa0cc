"""One right and one wrong signature, whose answers are known: an engine that gets them wrong must not be asked anything."""

from __future__ import annotations

from typing import Final

from sekisho.signatures import SignatureBatch, verify_signatures

__all__ = ["self_test"]

# RFC 8032, 7.1, test 2: key, message, signature.
_KEY: Final = bytes.fromhex("302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
_MESSAGE: Final = b"\x72"
_SIGNATURE: Final = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def self_test() -> bool:
    """Whether the engine takes a right signature and refuses a wrong one."""
    wrong = bytes([_SIGNATURE[0] ^ 1]) + _SIGNATURE[1:]
    batch = SignatureBatch([_KEY] * 2, [_SIGNATURE, wrong], [_MESSAGE] * 2, "ed25519")
    return [verdict.ok for verdict in verify_signatures(batch)] == [True, False]
