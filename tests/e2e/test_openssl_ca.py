"""Certificates that OpenSSL's own programs made, and signatures that they made with them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sekisho.demo import openssl_ca
from sekisho.demo.openssl_ca import PROFILE, Pki
from sekisho.profiles import Profile
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return openssl_ca.make_pki(tmp_path_factory.mktemp("pki"))


def verdict(pki: Pki, name: str, *, at: int | None = None, sent: tuple[str, ...] = (), known: bool = True) -> str:
    trust = TrustStore([pki.der("root")], [pki.der("issuing")] if known else [])
    verifier = Verifier(trust, Profile.load(PROFILE))
    chain = b"".join(pki.der(one) for one in sent)
    return verifier.verify_certificates([pki.der(name)], [chain], at=at or int(time.time()))[0].reason.kebab


def test_logins_are_answered_as_they_deserve(pki: Pki) -> None:
    cases = list(openssl_ca.cases(pki))
    assert len(cases) == 9
    assert [case for case in cases if not case.good] == []


@pytest.mark.parametrize("name", ["rsa", "p256", "expired", "server", "issuing", "root"])
def test_certificates_are_judged_as_openssl_verify_judges_them(pki: Pki, name: str) -> None:
    """A client's certificate must be a client's: `openssl verify` takes a CA's for one, and sekisho does not."""
    ours = verdict(pki, name) == "certificate-ok"
    theirs = pki.verifies(name)
    assert ours == (theirs and name not in ("issuing", "root"))


def test_the_dates_that_openssl_ca_wrote_are_kept_to_the_second(pki: Pki) -> None:
    begins, ends = 1704067200, 1735689600  # -startdate 20240101000000Z -enddate 20250101000000Z
    skew = Profile.load(PROFILE).clock_skew
    # The CAs above are younger: at those times it is them who are refused first.
    assert verdict(pki, "expired", at=ends + skew) == "issuer-not-yet-valid"
    assert verdict(pki, "expired", at=ends + skew + 1) == "expired"
    assert verdict(pki, "expired", at=begins - skew) == "issuer-not-yet-valid"
    assert verdict(pki, "expired", at=begins - skew - 1) == "not-yet-valid"


def test_an_intermediate_that_was_sent_is_used_and_not_trusted(pki: Pki) -> None:
    assert verdict(pki, "rsa", known=False) == "issuer-unknown"
    assert verdict(pki, "rsa", known=False, sent=("root",)) == "issuer-unknown"
    assert verdict(pki, "rsa", known=False, sent=("server",)) != "certificate-ok"
    assert verdict(pki, "rsa", known=False, sent=("issuing",)) == "certificate-ok"
    assert verdict(pki, "p256", known=False, sent=("root", "issuing")) == "certificate-ok"


def test_the_command_takes_openssl_s_files_as_they_are(pki: Pki) -> None:
    folder: Path = pki.folder
    (folder / "chain.pem").write_bytes((folder / "rsa.pem").read_bytes() + (folder / "issuing.pem").read_bytes())
    (folder / "message").write_bytes(b"a message")
    for name in ("rsa", "p256"):
        (folder / f"{name}.sig").write_bytes(pki.sign(name, b"a message"))
    common = ("--trust", "root.pem", "--profile", PROFILE, "--json")
    modes = {"rsa": "rsassa-pkcs1-v1_5-sha256", "p256": "ecdsa-sha256-der"}
    for arguments, ends in (
        (("verify", "chain", "chain.pem", *common), 0),
        (("verify", "chain", "rsa.der", "issuing.der", *common), 0),
        (("verify", "certificate", "rsa.pem", *common), 1),
        (("verify", "certificate", "rsa.pem", "p256.der", *common, "--intermediates", "issuing.pem"), 0),
        (("verify", "certificate", "expired.pem", *common, "--intermediates", "issuing.pem"), 1),
        *(
            (
                (
                    "verify",
                    "signature",
                    "--key",
                    f"{name}.pem",
                    "--mode",
                    modes[name],
                    "--signature",
                    f"{name}.sig",
                    "message",
                ),
                0,
            )
            for name in modes
        ),
        (("inspect", "rsa.pem", "--trust", "root.pem", "--intermediates", "issuing.pem", "--json"), 0),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sekisho.cli", *arguments], cwd=folder, check=False, capture_output=True, text=True
        )
        assert done.returncode == ends, (arguments, done.stdout, done.stderr)
    verdicts = {one["name"]: one["verdict"] for one in json.loads(done.stdout)["profiles"]}
    assert verdicts["client-auth-test"] == "certificate-ok"
    assert verdicts["client-auth"] == "revocation-not-configured"
    assert verdicts["jpki-auth"] != "certificate-ok"
