"""`sekisho verify ocsp`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit import ocsps
from tests.unit.chains import Made, key, leaf, make
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


# ---- beside other questions --------------------------------------------------------------------------------

SUB = make("sub ca", CA)
BELOW = leaf(SUB, "below")
WANTED = TOML.replace('"ocsp-cli"', '"ocsp-cli-wanted"\nchallenge = "foreign"\npath_length_max = 4')


@pytest.fixture
def beside(tmp_path: Path) -> tuple[str | Path, ...]:
    """--trust, --profile and --at of a profile that wants revocation, and responses in files."""
    responses = {
        "good": respond(CA, single(HOLDER, CA)),
        "revoked": respond(CA, single(HOLDER, CA, revoked(1))),
        "stale": respond(CA, single(HOLDER, CA, next_update=AT - 60)),
        "below": respond(SUB, single(BELOW, SUB)),
        "sub": respond(CA, single(SUB, CA)),
        "sub-revoked": respond(CA, single(SUB, CA, revoked(1))),
    }
    for name, der in responses.items():
        (tmp_path / f"{name}.ocsp").write_bytes(der)
    for made in (CA, SUB, HOLDER, BELOW):
        (tmp_path / f"{made.name}.cer").write_bytes(made.der)
    (tmp_path / "wanted.toml").write_text(WANTED)
    return ("--trust", tmp_path / "ca.cer", "--profile", tmp_path / "wanted.toml", "--at", str(AT))


def test_a_certificate_with_responses(beside: tuple[str | Path, ...], tmp_path: Path) -> None:
    call = ("verify", "certificate", tmp_path / "holder.cer", *beside)
    assert "revocation-not-configured" in run(*call, ends=1).stdout
    good = run(*call, "--ocsp", tmp_path / "good.ocsp").stdout
    assert "certificate-ok" in good
    assert "OCSP: good, as of 2026-04-01" in good
    stale = run(*call, "--ocsp", tmp_path / "stale.ocsp", ends=1).stdout
    assert "revocation-not-configured" in stale
    assert "OCSP: none, ocsp-expired" in stale
    both = ("--ocsp", tmp_path / "good.ocsp", "--ocsp", tmp_path / "revoked.ocsp")
    (row,) = json.loads(run(*call, *both, "--json", ends=1).stdout)["rows"]
    assert (row["reason"], row["revocation_by"], row["ocsp"]["status"]) == ("revoked", ["ocsp"], "revoked")
    assert "4 times" in mistake(*call, *(("--ocsp", tmp_path / "good.ocsp") * 5))


def test_a_chain_with_responses(beside: tuple[str | Path, ...], tmp_path: Path) -> None:
    """A CA that is sent along, or one of the trust store's, is asked about by its own."""
    leaf_good, ca_good = ("--ocsp", tmp_path / "below.ocsp"), ("--ocsp", tmp_path / "sub.ocsp")
    sent = ("verify", "chain", tmp_path / "below.cer", tmp_path / "sub ca.cer", *beside)
    kept = ("verify", "certificate", tmp_path / "below.cer", "--intermediates", tmp_path / "sub ca.cer", *beside)
    for call in (sent, kept):
        assert "revocation-not-configured" in run(*call, *leaf_good, ends=1).stdout
        assert "certificate-ok" in run(*call, *leaf_good, *ca_good).stdout
        assert "issuer-revoked" in run(*call, *leaf_good, "--ocsp", tmp_path / "sub-revoked.ocsp", ends=1).stdout


def test_logins_with_responses(beside: tuple[str | Path, ...], tmp_path: Path) -> None:
    challenge = b"login 8f14e45fceea167a at the checkpoint"

    def line(holder: Made, *responses: str, **more: object) -> str:
        signature = key(holder.key).sign(challenge, ec.ECDSA(hashes.SHA256()))
        fields = {"certificate": holder.der, "challenge_base64": challenge, "signature": signature}
        told: dict[str, object] = {name: base64.b64encode(value).decode() for name, value in fields.items()}
        ocsp = [base64.b64encode((tmp_path / f"{one}.ocsp").read_bytes()).decode() for one in responses]
        return json.dumps(told | ({"ocsp": ocsp} if responses else {}) | more)

    (tmp_path / "logins").write_text(
        "\n".join([line(HOLDER, "good"), line(HOLDER), line(HOLDER, "good", "revoked"), line(BELOW, "below")])
    )
    call = ("verify", "logins", tmp_path / "logins", *beside, "--intermediates", tmp_path / "sub ca.cer", "--json")
    rows = json.loads(run(*call, ends=1).stdout)["rows"]
    nothing = "revocation-not-configured"
    assert [one["reason"] for one in rows] == ["accepted", nothing, "revoked", nothing]
    rows = json.loads(run(*call, "--ocsp", tmp_path / "sub.ocsp", ends=1).stdout)["rows"]
    assert [one["reason"] for one in rows] == ["accepted", nothing, "revoked", "accepted"]
    (tmp_path / "logins").write_text(line(HOLDER, ocsp="MAA="))
    assert "ocsp must be a list" in mistake(*call)
