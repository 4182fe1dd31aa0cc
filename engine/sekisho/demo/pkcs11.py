"""Real input, second part: a key that never leaves its token, and signs challenges through PKCS #11, as a card does.

SoftHSM2 is the token, OpenSC's `pkcs11-tool` the program that asks it to sign.  One RSA key signs in every mode there
is, which is why the mode is fixed by the profile and never read off a signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sekisho.demo import Case, Missing
from sekisho.demo.desk import Desk, Row
from sekisho.demo.programs import need, run
from sekisho.profiles import Profile
from sekisho.testing.city import City
from sekisho.testing.keys import DIGEST_INFO
from sekisho.testing.leaves import leaf_fields
from sekisho.trust import TrustStore

__all__ = ["Token", "cases", "citizen_certificate", "make_token"]

_MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
_PIN: Final = "1234"  # four digits, like the PIN of a card's authentication key
_SO_PIN: Final = "12345678"


@dataclass(frozen=True)
class Token:
    """A token of SoftHSM2 in `folder`, with one RSA-2048 key pair made inside of it."""

    folder: Path
    tool: str
    module: str
    configuration: Path

    def ask(self, *arguments: str) -> str:
        """`pkcs11-tool` with these arguments, logged in."""
        return run(
            *(self.tool, "--module", self.module, "--token-label", "citizen", "--login", "--pin", _PIN, *arguments),
            folder=self.folder,
            environment={"SOFTHSM2_CONF": str(self.configuration)},
        )

    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER, as the token hands it out."""
        self.ask("--read-object", "--type", "pubkey", "--id", "01", "--output-file", "spki")
        return (self.folder / "spki").read_bytes()

    def sign(self, mechanism: str, content: bytes) -> bytes:
        """The token's signature over `content` by a mechanism of PKCS #11.

        ``SHA256-RSA-PKCS`` hashes and makes the DigestInfo in the token; ``RSA-PKCS`` pads what it is given.
        """
        (self.folder / "content").write_bytes(content)
        self.ask(
            *("--sign", "--id", "01", "--mechanism", mechanism),
            *("--input-file", "content", "--output-file", "signature"),
        )
        return (self.folder / "signature").read_bytes()


def make_token(folder: Path) -> Token:
    """A fresh token in `folder`, and a key pair in it.

    Raises:
        Missing: SoftHSM2 or OpenSC is not installed.
        ProgramError: one of them failed.
    """
    lacking: list[str] = []
    programs = {}
    for program, package in (("softhsm2-util", "softhsm2"), ("pkcs11-tool", "opensc")):
        try:
            programs[program] = need(program, package)
        except Missing as error:
            lacking += error.packages
    module = next((path for path in _MODULES if Path(path).exists()), None)
    if module is None and "softhsm2" not in lacking:
        lacking.append("softhsm2")
    if lacking or module is None:
        raise Missing(" and ".join(lacking), *lacking)
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    token = Token(folder, programs["pkcs11-tool"], module, configuration)
    run(
        *(programs["softhsm2-util"], "--init-token", "--free", "--label", "citizen", "--pin", _PIN),
        *("--so-pin", _SO_PIN),
        folder=folder,
        environment={"SOFTHSM2_CONF": str(configuration)},
    )
    token.ask("--keypairgen", "--key-type", "rsa:2048", "--id", "01", "--label", "citizen")
    return token


def citizen_certificate(city: City, spki: bytes, citizen: int = 0) -> bytes:
    """A certificate of the city for that key: what the citizen's own says, with another key."""
    issuer = city.issuer(city.rows("auth")[citizen])
    return issuer.issue(leaf_fields(city.person(citizen), issuer, spki, city.plan.shape))


def cases(token: Token, city: City) -> Iterator[Case]:
    """Logins with the token's key in each mode, each with the reason that it deserves."""
    certificate = citizen_certificate(city, token.public_key())
    trust = TrustStore(list(city.trust("auth")))
    desks = {
        mode: Desk(Profile.load(f"jpki-auth-test{suffix}"), city.plan.at, token.folder)
        for mode, suffix in (("A", ""), ("A'", "-bare"), ("B", "-raw"))
    }

    def tried(what: str, expected: str, mode: str, mechanism: str, form: str) -> Case:
        challenge = desks[mode].issue()
        digest = hashlib.sha256(challenge).digest()
        content = {"challenge": challenge, "hash": digest, "DigestInfo": DIGEST_INFO["sha256"] + digest}[form]
        row = Row(certificate, challenge, token.sign(mechanism, content))
        return Case(what, expected, desks[mode].verify(trust, [row])[0].reason.kebab)

    yield tried("SHA256-RSA-PKCS over the challenge (mode A)", "accepted", "A", "SHA256-RSA-PKCS", "challenge")
    yield tried("RSA-PKCS over a DigestInfo (mode A)", "accepted", "A", "RSA-PKCS", "DigestInfo")
    yield tried("RSA-PKCS over the bare hash (mode A')", "accepted", "A'", "RSA-PKCS", "hash")
    yield tried("RSA-PKCS over the challenge itself (mode B)", "accepted", "B", "RSA-PKCS", "challenge")
    yield tried("mode B where mode A is expected", "signature-wrong", "A", "RSA-PKCS", "challenge")
    yield tried("mode A where mode B is expected", "signature-wrong", "B", "SHA256-RSA-PKCS", "challenge")
