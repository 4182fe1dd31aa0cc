"""`sekisho verify ocsp`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.unit import ocsps
from tests.unit.chains import leaf, make
from tests.unit.ocsps import respond, responder, revoked, single
from tests.unit.test_cli import mistake, run

from sekisho.testing import AT

CA = make("ca")
HOLDER = leaf(CA)
TOML = """
name = "ocsp-cli"
class = "other"
signature_algorithms = ["ecdsa-sha256"]
revocation_age_max = 172800
[modes]
p256 = "ecdsa-sha256-der"
"""


@pytest.fixture
def common(tmp_path: Path) -> tuple[str | Path, ...]:
    (tmp_path / "ca.cer").write_bytes(CA.der)
    (tmp_path / "holder.cer").write_bytes(HOLDER.der)
    (tmp_path / "profile.toml").write_text(TOML)
    about = ("--about", tmp_path / "holder.cer", "--trust", tmp_path / "ca.cer")
    return (*about, "--profile", tmp_path / "profile.toml", "--at", str(AT))


def test_statuses_and_exit_codes(common: tuple[str | Path, ...]) -> None:
    for status, ends, words in (
        (ocsps.GOOD, 0, "good: as of 2026-04-01"),
        (revoked(1), 1, "revoked: on 2026-03-31"),
        (revoked(), 1, "unspecified"),
        (ocsps.UNKNOWN, 1, "unknown: the responder does not know"),
    ):
        response = respond(CA, single(HOLDER, CA, status))
        assert words in run("verify", "ocsp", "-", *common, stdin=response, ends=ends).stdout
    assert (
        "with no time of an update"
        in run("verify", "ocsp", "-", *common, stdin=respond(CA, single(HOLDER, CA, next_update=None))).stdout
    )


def test_a_refusal_by_name_and_as_json(common: tuple[str | Path, ...]) -> None:
    response = respond(CA, single(7, CA))
    assert "ocsp-other-certificate" in run("verify", "ocsp", "-", *common, stdin=response, ends=1).stdout
    found = json.loads(run("verify", "ocsp", "-", *common, "--json", stdin=response, ends=1).stdout)
    assert (found["status"], found["reason"], found["this_update"]) == ("none", "ocsp-other-certificate", None)
    assert found["at"] == AT


def test_pem_nonce_and_a_responder_of_ones_own(common: tuple[str | Path, ...], tmp_path: Path) -> None:
    one = responder(make("elsewhere"), extra=())
    (tmp_path / "responder.cer").write_bytes(one.der)
    response = respond(one, single(HOLDER, CA), extensions=[ocsps.nonce(b"\x0a\x1b")])
    text = "-----BEGIN OCSP RESPONSE-----\n" + base64.encodebytes(response).decode() + "-----END OCSP RESPONSE-----\n"
    (tmp_path / "response.pem").write_text(text)
    call = ("verify", "ocsp", tmp_path / "response.pem", *common)
    assert "ocsp-responder-unknown" in run(*call, ends=1).stdout
    trusted = (*call, "--responder", tmp_path / "responder.cer")
    assert "good" in run(*trusted, "--nonce", "0a1b").stdout
    assert "ocsp-nonce" in run(*trusted, "--nonce", "0a1c", ends=1).stdout


def test_mistakes(common: tuple[str | Path, ...], tmp_path: Path) -> None:
    assert "hexadecimal" in mistake("verify", "ocsp", "-", *common, "--nonce", "xy", stdin=b"\x30")
    assert "empty" in mistake("verify", "ocsp", "-", *common, stdin=b"")
    assert "BEGIN OCSP RESPONSE" in mistake(
        "verify", "ocsp", "-", *common, stdin=b"-----BEGIN X-----\nMAA=\n-----END X-----\n"
    )
    (tmp_path / "odd.cer").write_bytes(b"\x30\x00")
    odd = mistake("verify", "ocsp", "-", *common, "--responder", tmp_path / "odd.cer", stdin=b"\x30")
    assert "cannot sign OCSP responses" in odd
