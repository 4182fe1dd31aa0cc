"""Cross-mode confusion (docs/SECURITY.md): a login challenge that is a document's DigestInfo or hash.

One RSA key signs in all modes.  Whoever may choose what is signed whole (modes B and A') can have a document signed by
asking for a login.  Each test first lets OpenSSL accept the harvested signature, then shows that no login comes of it.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, utils
from tests.unit.login_desk import Desk

from sekisho import testing
from sekisho.engine import Engine
from sekisho.profiles import Profile, ProfileError
from sekisho.reasons import Reason
from sekisho.signatures import SignatureBatch, verify_signatures
from sekisho.testing.keys import DIGEST_INFO, RsaKey
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch, Verifier

DOCUMENT = "金一千万円を持参人に支払います。".encode()
HASH = hashlib.sha256(DOCUMENT).digest()
DIGEST_INFO_OF_DOCUMENT = DIGEST_INFO["sha256"] + HASH


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1, cache_bytes=1 << 24, cross_check_one_in=1)


@pytest.fixture(scope="module")
def trust() -> TrustStore:
    return TrustStore(list(testing.small_city().trust("auth")))


def foreign(name: str) -> Profile:
    """A profile for relying parties that bring challenges of their own."""
    return replace(Profile.load(name), name=f"{name}-foreign", challenge="foreign")


def login_over(verifier: Verifier, challenge: bytes, signature: bytes) -> Reason:
    """What the holder's login over `challenge` is told, alone and among rows that fill the lanes."""
    certificate = testing.a_citizen().certificate()
    told = set()
    for rows in (1, 9):
        batch = LoginBatch([certificate] * rows, [challenge] * rows, [signature] * rows)
        told |= {verdict.reason for verdict in verifier.verify_logins(batch, at=testing.AT)}
    assert len(told) == 1
    return told.pop()


def key() -> RsaKey:
    holder = testing.a_citizen().key()
    assert isinstance(holder, RsaKey)
    return holder


def openssl_verifies(folder: Path, document: bytes, signature: bytes) -> bool:
    """`openssl dgst -sha256 -verify`, as anybody checks a signed document."""
    (folder / "key.pem").write_bytes(
        key()
        .private_key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "document").write_bytes(document)
    (folder / "signature").write_bytes(signature)
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "document"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0 and done.stdout == "Verified OK\n"


def openssl_verifies_bare(folder: Path, digest: bytes, signature: bytes) -> bool:
    """`openssl pkeyutl -verify` without a digest: the block holds the bare hash."""
    openssl_verifies(folder, b"", b"")  # writes the key
    (folder / "digest").write_bytes(digest)
    (folder / "signature").write_bytes(signature)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-in", "digest", "-sigfile", "signature"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def test_a_digest_info_as_challenge_in_mode_b(tmp_path: Path, engine: Engine, trust: TrustStore) -> None:
    harvested = key().sign(DIGEST_INFO_OF_DOCUMENT, "pkcs1-raw")
    # The attack works on the key itself: a "login" is a signed promise to pay.
    assert openssl_verifies(tmp_path, DOCUMENT, harvested)
    key().private_key.public_key().verify(harvested, DOCUMENT, padding.PKCS1v15(), hashes.SHA256())

    verifier = Verifier(trust, foreign("jpki-auth-test-raw"), engine=engine)
    assert login_over(verifier, DIGEST_INFO_OF_DOCUMENT, harvested) is Reason.CHALLENGE_FORM_FORBIDDEN
    assert (
        login_over(verifier, b"R" * 51, key().sign(b"R" * 51, "pkcs1-raw")) is Reason.ACCEPTED
    )  # as long, no DigestInfo


@pytest.mark.parametrize("name", ["jpki-auth-test-raw", "jpki-auth-test-bare"])
def test_a_hash_as_challenge(tmp_path: Path, engine: Engine, trust: TrustStore, name: str) -> None:
    """Mode B over 32 bytes is mode A' over any document that has them as its hash."""
    harvested = key().sign(HASH, "pkcs1-raw")
    assert openssl_verifies_bare(tmp_path, HASH, harvested)
    bare = utils.Prehashed(hashes.SHA256())
    with pytest.raises(InvalidSignature):  # as mode A it is none
        key().private_key.public_key().verify(harvested, HASH, padding.PKCS1v15(), bare)

    verifier = Verifier(trust, foreign(name), engine=engine)
    mode = "pkcs1-raw" if name.endswith("raw") else "pkcs1-bare"
    assert login_over(verifier, HASH, key().sign(HASH, mode)) is Reason.CHALLENGE_FORM_FORBIDDEN


@pytest.mark.parametrize("name", ["jpki-auth-test-raw", "jpki-auth-test-bare"])
def test_forms_of_foreign_challenges(engine: Engine, trust: TrustStore, name: str) -> None:
    """At least 16 bytes, never as long as a hash, never starting as a DigestInfo does."""
    verifier = Verifier(trust, foreign(name), engine=engine)
    mode = "pkcs1-raw" if name.endswith("raw") else "pkcs1-bare"
    for size in [*range(1, 70), 165, 200, 245]:
        challenge = b"c" * size
        allowed = size >= 16 and size not in (20, 28, 32, 36, 48, 64)
        expected = Reason.ACCEPTED if allowed else Reason.CHALLENGE_FORM_FORBIDDEN
        assert login_over(verifier, challenge, key().sign(challenge, mode)) is expected, size
    for digest_info in DIGEST_INFO.values():
        challenge = digest_info + bytes(digest_info[-1])
        assert login_over(verifier, challenge, key().sign(challenge, mode)) is Reason.CHALLENGE_FORM_FORBIDDEN
        # with lengths as only careless readers take them, and with something after it
        inner, rest = digest_info[4:17], digest_info[17:] + bytes(digest_info[-1]) + b"longer than any hash"
        for outer_length in (b"\x80", b"\x81\xff", b"\x82\x00\x33", b"\x84\x00\x00\x00\x33"):
            for inner_length in (b"\x80", b"\x0d", b"\x81\x0d", b"\x88" + bytes(7) + b"\x0d"):
                challenge = b"\x30" + outer_length + b"\x30" + inner_length + inner + rest
                assert login_over(verifier, challenge, key().sign(challenge, mode)) is Reason.CHALLENGE_FORM_FORBIDDEN
    texts = (b"0" * 18, b"{00000000-0000-0000-0000-000000000000}", b"0" + bytes(range(0x31, 0x61)))
    for text in (*texts, b"\x30\x82" + b"x" * 17):
        assert login_over(verifier, text, key().sign(text, mode)) is Reason.ACCEPTED, text


def test_in_mode_a_a_foreign_challenge_has_any_form(engine: Engine, trust: TrustStore) -> None:
    """What is signed there is a DigestInfo of the challenge's hash, whatever the challenge looks like."""
    verifier = Verifier(trust, foreign("jpki-auth-test"), engine=engine)
    for challenge in (HASH, DIGEST_INFO_OF_DOCUMENT, b"short"):
        assert login_over(verifier, challenge, key().sign(challenge)) is Reason.ACCEPTED


def test_no_signature_fits_two_modes(engine: Engine) -> None:
    """Each mode's signature over one message, offered in every other."""
    message = b"the same message in every mode!!"
    modes = {
        "pkcs1": "rsassa-pkcs1-v1_5-sha256",
        "pkcs1-bare": "rsassa-pkcs1-v1_5-bare-sha256",
        "pkcs1-raw": "rsassa-pkcs1-v1_5-raw",
        "pss": "rsassa-pss-sha256",
    }
    pairs = [(made, offered) for made in modes for offered in modes]
    verdicts = verify_signatures(
        SignatureBatch(
            keys=[key().spki] * len(pairs),
            signatures=[key().sign(message, made) for made, _ in pairs],  # type: ignore[arg-type]
            messages=[message] * len(pairs),
            mode=[modes[offered] for _, offered in pairs],
        ),
        engine=engine,
    )
    assert verdicts.ok.tolist() == [made == offered for made, offered in pairs]


def test_a_token_of_our_own_is_neither_hash_nor_digest_info(tmp_path: Path, engine: Engine, trust: TrustStore) -> None:
    """Whoever relays our challenge to a holder harvests nothing but our login."""
    desk = Desk(tmp_path, trust, Profile.load("jpki-auth-test-raw"), engine)
    (token,) = desk.issue()
    assert token.isascii() and len(token) == 165  # noqa: PT018 - one claim
    assert not token.startswith(b"\x30")
    assert len(token) not in {
        hashlib.new(name).digest_size for name in hashlib.algorithms_guaranteed if "shake" not in name
    }
    signature = key().sign(token, "pkcs1-raw")
    block = pow(int.from_bytes(signature, "big"), 65537, key().modulus).to_bytes(256, "big")
    assert block == b"\x00\x01" + b"\xff" * 88 + b"\x00" + token
    assert login_over_own(desk, token, signature) is Reason.ACCEPTED
    # A harvested document signature is no login either: what it signs is no token.
    for challenge in (DIGEST_INFO_OF_DOCUMENT, HASH):
        assert login_over_own(desk, challenge, key().sign(challenge, "pkcs1-raw")) is Reason.CHALLENGE_MALFORMED


def login_over_own(desk: Desk, challenge: bytes, signature: bytes) -> Reason:
    return desk.reason(replace(testing.a_login(), challenge=challenge, signature=signature))


@pytest.mark.parametrize(
    "change",
    [
        lambda profile: replace(profile, purpose="sign"),
        lambda profile: replace(profile, purpose="other"),
    ],
    ids=["sign", "other"],
)
def test_whole_block_modes_are_for_logins_alone(change: Callable[[Profile], Profile]) -> None:
    """A certificate for documents never signs what somebody else chose: no such profile can be made."""
    for name in ("jpki-auth-test-raw", "jpki-auth-test-bare"):
        with pytest.raises(ProfileError, match='is for class "auth" alone'):
            change(Profile.load(name))
