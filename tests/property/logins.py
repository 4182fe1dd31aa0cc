"""Logins under mutated chains: what was signed, how, and what somebody else says of the signature.

The holder's certificate and its chain are a case of chains.py.  The signature over the challenge is held against OpenSSL's
EVP_DigestVerify, against `cryptography` (PSS), and against the bare public operation in plain Python (modes A' and B).
Challenges of our own are made with a fault that is known, so their reasons are expected, not computed.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.property.certificates import mutate_bytes, spki_of
from tests.property.chains import Batch, Case
from tests.property.keys import RsaSigner, Signer
from tests.property.opinions import store_of
from tests.property.peers.build import openssl
from tests.unit.login_desk import AUDIENCE, TENANT, Keys, new_claims

from sekisho.batch import Column
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.verifier import LoginBatch, Verifier

__all__ = ["PROFILES", "Login", "is_form_forbidden", "make_logins", "signature_is_right", "told"]

_DIGEST_INFO: Final = re.compile(rb"(?s:\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)){2}\x06")
"""How a DigestInfo begins: two SEQUENCEs with lengths of any form, and an OBJECT IDENTIFIER."""

PROFILES: Final = ("plain", "bare", "raw", "pss", "own")
ACCEPTED: Final = int(Reason.ACCEPTED)


@dataclass(slots=True)
class Login:
    """What comes with a case's certificate.

    Attributes:
        challenge_reasons: what a challenge of our own may be told; empty: it is good.
        again: row of which this is a copy, -1 for none.
    """

    challenge: bytes
    signature: bytes
    binding: bytes = b""
    transaction: bytes = b""
    challenge_reasons: frozenset[Reason] = frozenset()
    again: int = -1


# ---- making ------------------------------------------------------------------------------------------------


def _signed(key: Signer, message: bytes, profile_name: str) -> bytes:
    if isinstance(key, RsaSigner):
        if profile_name == "bare":
            return key.sign_block(hashlib.sha256(message).digest())
        if profile_name == "raw":
            return key.sign_block(message[: key.bits // 8 - 11])
        return key.sign(message, "pss-sha256" if profile_name == "pss" else "rsa-sha256")
    signature = key.sign(message, key.algorithms[0])
    if profile_name == "pss" and key.kind == "p256":  # there the profile's mode is r || s
        return b"".join(half.to_bytes(32, "big") for half in decode_dss_signature(signature))
    return signature


def _foreign(chance: random.Random) -> bytes:
    if chance.random() < 0.15:
        size = chance.choice([0, 1, 15, 16, 17, 20, 28, 32, 48, 64, 65, 4096, 4097])
        message = chance.randbytes(size)
        return b"\x30" + message[1:] if chance.random() < 0.2 and message else message
    return b"challenge " + chance.randbytes(24).hex().encode()


_OWN: Final[tuple[tuple[dict[str, object], tuple[Reason, ...]], ...]] = (
    ({}, ()),
    ({"lifetime": 5}, (Reason.CHALLENGE_EXPIRED,)),
    ({"ahead": 120}, (Reason.CHALLENGE_NOT_YET_VALID,)),
    ({"tenant": TENANT + 1}, (Reason.CHALLENGE_WRONG_TENANT,)),
    ({"audience": AUDIENCE + "/"}, (Reason.CHALLENGE_WRONG_AUDIENCE,)),
    ({"bindings": b"another"}, (Reason.CHALLENGE_FORGED,)),
    ({"transactions": bytes(range(32))}, (Reason.CHALLENGE_WRONG_TRANSACTION,)),
    ({"key": 9}, (Reason.CHALLENGE_KEY_UNKNOWN,)),
    ({"profile": "differential-plain"}, (Reason.CHALLENGE_WRONG_PROFILE,)),
    ({"text": True}, (Reason.CHALLENGE_FORGED, Reason.CHALLENGE_MALFORMED, Reason.CHALLENGE_KEY_UNKNOWN)),
)


@dataclass
class _Issuer:
    """Challenges of our own, with a fault or none."""

    chance: random.Random
    profile: Profile
    other: Profile
    at: int
    keys: Keys
    stranger: Keys

    def token(self) -> tuple[bytes, tuple[Reason, ...]]:
        different, reasons = _OWN[0] if self.chance.random() < 0.7 else self.chance.choice(_OWN)
        wanted = dict(different)
        text = wanted.pop("text", False)
        issuer = self.stranger if wanted.pop("key", 0) else self.keys
        profile = self.other if wanted.pop("profile", "") else self.profile
        issued = self.at - 10 + int(wanted.pop("ahead", 0))  # type: ignore[call-overload]
        if "bindings" in wanted:
            wanted["bindings"] = [wanted["bindings"]]
        else:
            wanted["bindings"] = [b"session"]
        if "transactions" in wanted:
            wanted["transactions"] = [wanted["transactions"]]
        (token,) = issuer.issue(1, profile, issued=issued, **wanted)  # type: ignore[arg-type]
        if text:
            at = self.chance.randrange(9, len(token))
            letter = self.chance.choice([one for one in b"abcXYZ019-_=." if one != token[at]])
            token = token[:at] + bytes((letter,)) + token[at + 1 :]
        return token, reasons


def make_logins(seed: object, batch: Batch, keys: Keys, stranger: Keys) -> list[Login]:
    """A login for each case of the batch, by its profile."""
    chance = random.Random(f"{seed}/logins/{batch.profile_name}")
    own = batch.profile_name == "own"
    other = Batch("plain", batch.at, [], []).profile
    issuer = _Issuer(chance, batch.profile, other, batch.at, keys, stranger)
    logins: list[Login] = []
    for row, case in enumerate(batch.cases):
        if own and row % 240 and chance.random() < 0.04:
            # In the same range of a worker, so that the copy is judged after its original.
            first = chance.randrange(row - row % 240, row)
            if logins[first].again < 0:
                batch.cases[row] = batch.cases[first]
                logins.append(Login(*_parts(logins[first]), again=first))
                continue
        reasons: tuple[Reason, ...] = ()
        if own:
            challenge, reasons = issuer.token()
        else:
            challenge = _foreign(chance)
        signature = _signature(chance, case, challenge, batch.profile_name)
        binding = b"session" if own else b""
        logins.append(Login(challenge, signature, binding, b"", frozenset(reasons)))
    return logins


def _parts(login: Login) -> tuple[bytes, bytes, bytes, bytes, frozenset[Reason]]:
    return login.challenge, login.signature, login.binding, login.transaction, login.challenge_reasons


def _signature(chance: random.Random, case: Case, challenge: bytes, profile_name: str) -> bytes:
    key = case.key
    assert key is not None
    which = chance.random()
    if not challenge or (profile_name == "raw" and len(challenge) > 200):
        return chance.randbytes(256)
    if which < 0.03:
        return _signed(key, challenge + b"!", profile_name)
    if which < 0.06:
        return _signed(
            key, challenge, chance.choice(["plain", "bare", "pss", "raw" if len(challenge) < 200 else "plain"])
        )
    signature = _signed(key, challenge, profile_name)
    if which < 0.16:
        return mutate_bytes(chance, signature)
    if which < 0.18:
        size = len(signature)
        return chance.choice([b"", bytes(size), b"\xff" * size, signature[::-1], b"\0" + signature, bytes(2049)])
    return signature


# ---- asking ------------------------------------------------------------------------------------------------


def told(engine: Engine, batch: Batch, logins: list[Login], keys: Keys, folder: Path) -> list[int]:
    """sekisho's reasons, where nothing was accepted yet."""
    own = batch.profile_name == "own"
    claims = new_claims(folder) if own else None
    verifier = Verifier(
        store_of(batch),
        batch.profile,
        engine=engine,
        audience=AUDIENCE,
        tenant=TENANT,
        challenges=keys if own else None,  # type: ignore[arg-type]
        claims=claims,  # type: ignore[arg-type]
    )
    reasons: list[int] = []
    for first in range(0, len(logins), 240):  # one range of one worker: nothing is locked in between
        cases, some = batch.cases[first : first + 240], logins[first : first + 240]
        columns = LoginBatch(
            certificates=Column.of([case.leaf for case in cases]),
            intermediates=Column.of([b"".join(case.sent) for case in cases]),
            challenges=Column.of([login.challenge for login in some]),
            signatures=Column.of([login.signature for login in some]),
            bindings=Column.of([login.binding for login in some]) if own else None,
            transactions=Column.of([login.transaction for login in some]) if own else None,
        )
        verdicts = verifier.verify_logins(columns, at=batch.at, confirmations=10**6)
        reasons += verdicts.array["reason"].tolist()
    if claims is not None:
        Path(claims.path).unlink()
    return reasons


def is_form_forbidden(profile_name: str, challenge: bytes) -> bool:
    """docs/SECURITY.md, Mode confusion: foreign challenges in modes A' and B."""
    if profile_name not in ("bare", "raw"):
        return False
    return (
        len(challenge) < 16 or len(challenge) in (20, 28, 32, 36, 48, 64) or _DIGEST_INFO.match(challenge) is not None
    )


def signature_is_right(case: Case, login: Login, profile_name: str) -> bool:
    """By the peer that knows the mode."""
    try:
        key = load_der_public_key(spki_of(case.leaf))
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, rsa.RSAPublicKey):
        if profile_name in ("bare", "raw"):
            content = login.challenge if profile_name == "raw" else hashlib.sha256(login.challenge).digest()
            return _opens_to(key, login.signature, content)
        if profile_name == "pss":
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            try:
                key.verify(login.signature, login.challenge, scheme, hashes.SHA256())
            except InvalidSignature:
                return False
            return True
    hash_bits = 256
    signature = login.signature
    if isinstance(key, ec.EllipticCurvePublicKey):
        hash_bits = 384 if key.curve.name == "secp384r1" else 256
        if profile_name == "pss" and hash_bits == 256:
            if len(signature) != 64:
                return False
            halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            signature = encode_dss_signature(*halves)
    elif not isinstance(key, rsa.RSAPublicKey):
        hash_bits = 0
    lib = openssl().lib
    message = login.challenge
    answer = lib.openssl_signature(
        case.leaf, len(case.leaf), message, len(message), signature, len(signature), hash_bits
    )
    return bool(answer == 1)


def _opens_to(key: rsa.RSAPublicKey, signature: bytes, content: bytes) -> bool:
    """RFC 8017, 8.2.2 without a DigestInfo, in plain Python."""
    numbers, size = key.public_numbers(), (key.key_size + 7) // 8
    value = int.from_bytes(signature, "big")
    if len(signature) != size or value >= numbers.n or len(content) > size - 11:
        return False
    block = b"\x00\x01" + b"\xff" * (size - 3 - len(content)) + b"\x00" + content
    return pow(value, numbers.e, numbers.n).to_bytes(size, "big") == block
