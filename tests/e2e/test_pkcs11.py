"""Signatures made through PKCS #11, as a card makes them: one key, four ways, and the profile alone says which is right."""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import pytest

from sekisho.demo import Missing, pkcs11
from sekisho.demo.desk import Desk, Row
from sekisho.demo.pkcs11 import Token
from sekisho.profiles import Profile
from sekisho.signatures import SignatureBatch, verify_signatures
from sekisho.testing import small_city
from sekisho.testing.keys import DIGEST_INFO
from sekisho.trust import TrustStore

MODES = {
    "rsassa-pkcs1-v1_5-sha256": "jpki-auth-test",
    "rsassa-pkcs1-v1_5-bare-sha256": "jpki-auth-test-bare",
    "rsassa-pkcs1-v1_5-raw": "jpki-auth-test-raw",
}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    return pkcs11.make_token(tmp_path_factory.mktemp("token"))


def signed(token: Token, mode: str, challenge: bytes) -> bytes:
    """By the bare mechanism RSA-PKCS, over what the mode puts into the block."""
    digest = hashlib.sha256(challenge).digest()
    content = {
        "rsassa-pkcs1-v1_5-sha256": DIGEST_INFO["sha256"] + digest,
        "rsassa-pkcs1-v1_5-bare-sha256": digest,
        "rsassa-pkcs1-v1_5-raw": challenge,
    }
    return token.sign("RSA-PKCS", content[mode])


def test_logins_are_answered_as_they_deserve(token: Token) -> None:
    cases = list(pkcs11.cases(token, small_city()))
    assert len(cases) == 6
    assert [case for case in cases if not case.good] == []


def test_a_signature_is_good_in_the_mode_in_which_it_was_made_and_in_no_other(token: Token, tmp_path: Path) -> None:
    city = small_city()
    trust = TrustStore(list(city.trust("auth")))
    certificate = pkcs11.citizen_certificate(city, token.public_key())
    for made, asked in product(MODES, MODES):
        desk = Desk(Profile.load(MODES[asked]), city.plan.at, tmp_path)
        challenge = desk.issue()
        row = Row(certificate, challenge, signed(token, made, challenge))
        found = desk.verify(trust, [row])[0].reason.kebab
        assert found == ("accepted" if made == asked else "signature-wrong"), (made, asked)


def test_the_token_and_the_card_s_own_mechanism_agree(token: Token) -> None:
    """SHA256-RSA-PKCS, which hashes in the token, and RSA-PKCS over the DigestInfo: RSA has one signature for both."""
    message = b"a challenge"
    whole = token.sign("SHA256-RSA-PKCS", message)
    assert whole == signed(token, "rsassa-pkcs1-v1_5-sha256", message)
    batch = SignatureBatch([token.public_key()], [whole], [message], "rsassa-pkcs1-v1_5-sha256")
    assert verify_signatures(batch).ok.all()


def test_the_key_stays_in_its_token(token: Token) -> None:
    """What `pkcs11-tool` says of the private key: it was made there, and cannot be taken out."""
    said = token.ask("--list-objects", "--type", "privkey")
    assert "sensitive" in said
    assert "never extractable" in said


def test_a_missing_program_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing) as told:
        pkcs11.make_token(tmp_path)
    assert told.value.packages == ("softhsm2", "opensc")
    assert "apt-get install" in str(told.value)
