"""The command: what it answers, how it ends, what it says to people who made a mistake, and what it never says."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from sekisho._native import lib
from sekisho.challenges import ChallengeKeys
from sekisho.cli import main
from sekisho.cli.fitness import objections
from sekisho.cli.parts import parse
from sekisho.engine import KERNELS, kernels
from sekisho.profiles import Profile, shipped
from sekisho.reasons import Reason
from sekisho.testing import AT, City, bad_kinds, der, make_bad_login, odd_kinds, small_city
from sekisho.testing.keys import key_from_label
from sekisho.testing.leaves import SUBJECT_ALT_NAME, Authority, Extension, authority_fields, leaf_fields
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

NOON = "2026-04-01T03:00:00Z"  # AT, as people write it
AUDIENCE = "https://city.example"
COMMANDS = ("demo", "verify", "challenge", "keys", "inspect", "doctor", "city")


def run(*arguments: str | Path, stdin: str | bytes | None = None, ends: int = 0) -> Result:
    """The command with these arguments; it must end so, and never with a traceback."""
    result = CliRunner().invoke(main, [str(one) for one in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == ends, result.output
    return result


def mistake(*arguments: str | Path, stdin: str | bytes | None = None) -> str:
    """What it says when the question cannot be asked."""
    result = run(*arguments, stdin=stdin, ends=2)
    assert result.stdout == ""
    return result.stderr


@pytest.fixture(scope="module")
def city() -> City:
    return small_city()


@pytest.fixture
def folder(tmp_path: Path, city: City) -> Path:
    """Files of a user: CAs, a citizen's two certificates."""
    (tmp_path / "ca").mkdir()
    for (purpose, generation), one in city.authorities.items():
        (tmp_path / "ca" / f"{purpose}-{generation}.cer").write_bytes(one.certificate)
    (tmp_path / "auth.cer").write_bytes(city.certificate(city.rows("auth")[0]))
    (tmp_path / "sign.cer").write_bytes(city.certificate(city.rows("sign")[0]))
    (tmp_path / "auth.pem").write_bytes(pem(city.certificate(city.rows("auth")[0])))
    return tmp_path


def pem(content: bytes, label: str = "CERTIFICATE") -> bytes:
    lines = "\n".join(re.findall(".{1,64}", base64.b64encode(content).decode()))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def sub_authority(city: City) -> Authority:
    """A CA below the city's CA for logins."""
    parent, shape = city.authority("auth", 2), replace(city.plan.shape, organization="SUB-CA")
    key = key_from_label("rsa2048", "sub-authority")
    begins, ends = AT - 1000, AT + 1000
    made = replace(authority_fields(shape, "auth", key.spki, 7).with_validity(begins, ends), issuer=parent.name)
    certificate = parent.issue(made.with_extension(parent.leaf_extension))
    return Authority("auth", 2, 7, begins, ends, made.subject, key, certificate)


# ---- help ------------------------------------------------------------------------------------------


def test_help_lists_every_command_and_teaches_exit_codes_and_completion() -> None:
    text = run("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\S", text, re.MULTILINE), command
    for word in ("Exit codes", "_SEKISHO_COMPLETE=bash_source", "zsh_source", "fish_source"):
        assert word in text


@pytest.mark.parametrize(
    "words",
    [
        *([command] for command in COMMANDS),
        *(["verify", what] for what in ("certificate", "chain", "signature", "ocsp", "logins")),
    ],
    ids=" ".join,
)
def test_help_teaches_by_examples(words: list[str]) -> None:
    text = run(*words, "--help").stdout
    assert re.search(r"^\s+(sekisho|SEKISHO_LANES=0 sekisho|openssl) .+", text, re.MULTILINE), text


def test_examples_in_the_help_texts_have_options_that_exist() -> None:
    """Every option in an example belongs to the command that the example runs."""
    for words in (
        *([command] for command in COMMANDS),
        *(["verify", what] for what in ("certificate", "chain", "ocsp", "logins")),
    ):
        text = run(*words, "--help").stdout
        for line in re.findall(r"^\s+sekisho (.+)", text, re.MULTILINE):
            called = line.split("|")[0].split(">")[0].split()
            names = [called[0]]
            if called[0] in ("verify", "challenge", "keys"):
                names.append(called[1])
            known = run(*names, "--help").stdout
            for option in (one for one in called if one.startswith("--")):
                assert option in known, f"{option} in: sekisho {line}"


def test_version() -> None:
    assert re.fullmatch(r"\S+ version \d+\.\d+\.\d+\n|\S+ \d+\.\d+\.\d+\n", run("--version").stdout)


def test_runs_as_a_module_and_completes_names() -> None:
    command = [sys.executable, "-m", "sekisho.cli"]
    assert "doctor" in subprocess.run([*command, "--help"], check=True, capture_output=True, text=True).stdout
    environment = os.environ | {
        "_SEKISHO_COMPLETE": "bash_complete",
        "COMP_WORDS": "sekisho verify certificate --profile jpki-auth-t",
        "COMP_CWORD": "4",
    }
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert {"plain,jpki-auth-test", "plain,jpki-auth-test-raw"} <= set(done.stdout.split())


def test_a_terminal_without_japanese_gets_escapes(folder: Path, city: City) -> None:
    command = [sys.executable, "-m", "sekisho.cli", "inspect", str(folder / "sign.cer")]
    done = subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert city.person(city.rows("sign")[0]).name.encode("ascii", "backslashreplace") in done.stdout


# ---- mistakes --------------------------------------------------------------------------------------


MISTAKES = {
    "no such command": (["verfy"], "No such command"),
    "no such file": (["inspect", "nowhere.cer"], "nowhere.cer: No such file"),
    "a folder": (["inspect", "ca"], "ca: Is a directory"),
    "no trust": (["verify", "certificate", "auth.cer", "--profile", "jpki-auth-test"], "Missing option '--trust'"),
    "trust not there": (
        ["verify", "certificate", "auth.cer", "--profile", "jpki-auth-test", "--trust", "nowhere"],
        "--trust jpki",
    ),
    "trust that is none": (
        ["verify", "certificate", "auth.cer", "--profile", "jpki-auth-test", "--trust", "auth.cer"],
        "issuer-not-ca",
    ),
    "empty trust folder": (
        ["verify", "certificate", "auth.cer", "--profile", "jpki-auth-test", "--trust", "empty"],
        "no file here ends in",
    ),
    "profile misspelt": (
        ["verify", "certificate", "auth.cer", "--trust", "ca", "--profile", "jpki-aut"],
        "did you mean 'jpki-auth'",
    ),
    "profile file broken": (
        ["verify", "certificate", "auth.cer", "--trust", "ca", "--profile", "broken.toml"],
        "broken.toml: name: must be given",
    ),
    "time": (
        ["verify", "certificate", "auth.cer", "--trust", "ca", "--profile", "jpki-auth-test", "--at", "soon"],
        "write now, 2026-04-01",
    ),
    "time in milliseconds": (["inspect", "auth.cer", "--at", "1775012400000"], "milliseconds, perhaps?"),
    "time before time": (["inspect", "auth.cer", "--at", "1969-12-31"], "lies before 1970"),
    "binding too long": (
        ["challenge", "issue", "--keys", "test.keys", "--profile", "jpki-auth", "--binding", "x" * 1025],
        "at most 1,024 bytes",
    ),
    "keys in no folder": (["keys", "make", "nowhere/test.keys"], "nowhere/test.keys cannot be made: No such file"),
    "PEM of something else": (["inspect", "request.pem"], "it has CERTIFICATE REQUEST"),
    "PEM cut off": (["inspect", "cut.pem"], "it has no whole block"),
    "PEM not base64": (["inspect", "letters.pem"], "line 1: this block is not base64"),
    "mode misspelt": (
        [
            "verify",
            "signature",
            "--key",
            "auth.cer",
            "--signature",
            "auth.cer",
            "--mode",
            "ecdsa-sha257-der",
            "auth.cer",
        ],
        "did you mean",
    ),
    "private key": (
        ["verify", "signature", "--key", "private.pem", "--signature", "auth.cer", "--mode", "ed25519", "auth.cer"],
        "openssl pkey -in FILE -pubout",
    ),
    "no keys": (
        ["verify", "logins", "logins.jsonl", "--trust", "ca", "--profile", "jpki-auth-test"],
        "sekisho keys make",
    ),
    "no challenge": (
        ["challenge", "check", "--keys", "test.keys", "--profile", "jpki-auth-test"],
        "no challenge was given",
    ),
    "key id": (["keys", "retire", "test.keys", "first"], "eight hexadecimal digits"),
    "current key": (["keys", "make", "test.keys"], "is there already and is left alone"),
    "open keys": (["keys", "list", "open.keys"], "chmod 600"),
    "not a key file": (["keys", "list", "auth.cer"], "chmod 600"),
    "city among other things": (["city", "--citizens", "1", "--out", "ca"], "has other things in it"),
    "city without challenges": (
        ["city", "--citizens", "1", "--out", "new", "--log-in", "empty.txt"],
        "no challenge in it",
    ),
    "city of a wrong mode": (
        ["city", "--citizens", "1", "--out", "new", "--key", "p256", "--mode", "pkcs1", "--log-in", "line.txt"],
        "leave --mode out",
    ),
    "city of more revoked than there are": (
        ["city", "--citizens", "2", "--revoked", "5", "--out", "new"],
        "2 citizens hold 4 certificates",
    ),
    "city of nobody": (["city", "--citizens", "0", "--out", "new"], "0 is not in the range"),
    "negative lifetime": (
        ["challenge", "issue", "--keys", "test.keys", "--profile", "jpki-auth", "--lifetime", "301"],
        "1<=x<=300",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_a_sentence_and_exit_code_2(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("SEKISHO_KEYS", raising=False)
    (folder / "empty").mkdir()
    (folder / "empty.txt").touch()
    (folder / "line.txt").write_text("challenge\n")
    (folder / "logins.jsonl").write_text("{}\n")
    (folder / "broken.toml").write_text("class = 'auth'\n")
    (folder / "request.pem").write_bytes(pem(b"\x30\x00", "CERTIFICATE REQUEST"))
    (folder / "private.pem").write_bytes(pem(b"\x30\x00", "PRIVATE KEY"))
    (folder / "cut.pem").write_bytes(pem(b"\x30\x00")[:-10])
    (folder / "letters.pem").write_bytes(pem(b"\x30\x00").replace(b"MA", b"?!"))
    run("keys", "make", "test.keys")
    (folder / "open.keys").write_bytes((folder / "test.keys").read_bytes())
    (folder / "open.keys").chmod(0o644)
    (folder / "auth.cer").chmod(0o644)
    arguments, said = MISTAKES[name]
    assert said in re.sub(r"\s+", " ", mistake(*arguments))


def test_a_missing_core_is_told_by_every_command_and_the_doctor_runs_without_it() -> None:
    broken = "import sys; sys.modules['sekisho._native'] = None; from sekisho.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", broken]
    verify = subprocess.run([*command, "verify", "--help"], check=False, capture_output=True, text=True)
    assert verify.returncode == 2
    assert "sekisho doctor" in verify.stderr
    assert "Traceback" not in verify.stderr
    doctor = subprocess.run([*command, "doctor", "--json"], check=False, capture_output=True, text=True)
    assert doctor.returncode == 1
    assert json.loads(doctor.stdout)["findings"][0]["what"] == "the C core does not load"


# ---- verify ------------------------------------------------------------------------------------------


def test_verify_certificate_of_pem_and_der_and_several(folder: Path) -> None:
    common = ("--trust", folder / "ca", "--profile", "jpki-auth-test", "--at", NOON)
    assert "certificate-ok" in run("verify", "certificate", folder / "auth.cer", *common).stdout
    assert "certificate-ok" in run("verify", "certificate", folder / "auth.pem", *common).stdout
    both = run("verify", "certificate", folder / "auth.cer", folder / "sign.cer", *common, "--json", ends=1)
    found = json.loads(both.stdout)
    assert [row["reason"] for row in found["rows"]] == ["certificate-ok", "key-usage"]
    assert [row["good"] for row in found["rows"]] == [True, False]
    assert found["rows"][1]["number"] == int(Reason.KEY_USAGE)
    assert "revocation-off" in found["rows"][0]["flags"]
    assert (found["good"], found["at"]) == (False, AT)


def test_verify_certificate_reads_standard_input_and_gives_garbage_its_verdict(folder: Path) -> None:
    common = ("--trust", folder / "ca", "--profile", "jpki-auth-test", "--at", NOON)
    run("verify", "certificate", "-", *common, stdin=(folder / "auth.cer").read_bytes())
    assert "certificate-malformed" in run("verify", "certificate", "-", *common, stdin=b"noise", ends=1).stdout
    assert "input-missing" in run("verify", "certificate", "-", *common, stdin=b"", ends=1).stdout


def test_verify_certificate_by_time_and_by_jpki_itself(folder: Path) -> None:
    arguments = ("verify", "certificate", folder / "auth.cer", "--profile", "jpki-auth-test")
    assert "expired" in run(*arguments, "--trust", folder / "ca", "--at", "2040-01-01", ends=1).stdout
    assert "issuer-unknown" in run(*arguments, "--trust", "jpki", "--at", str(AT), ends=1).stdout


def test_a_production_profile_without_revocation_data_refuses(folder: Path) -> None:
    arguments = ("verify", "certificate", folder / "auth.cer", "--trust", folder / "ca", "--at", NOON)
    assert "revocation-not-configured" in run(*arguments, "--profile", "client-auth", ends=1).stdout


def test_verify_chain_takes_what_is_sent_along_and_trusts_none_of_it(folder: Path, city: City) -> None:
    sub = sub_authority(city)
    row = city.rows("auth")[0]
    leaf = sub.issue(leaf_fields(city.person(row), sub, city.key(row).spki, city.plan.shape))
    (folder / "leaf.cer").write_bytes(leaf)
    (folder / "between.cer").write_bytes(sub.certificate)
    (folder / "chain.pem").write_bytes(pem(leaf) + pem(sub.certificate))
    common = ("--trust", folder / "ca", "--at", NOON, "--profile")
    chain = ("verify", "chain", folder / "chain.pem", *common)
    assert "path-too-long" in run(*chain, "jpki-auth-test", ends=1).stdout
    assert "certificate-ok" in run(*chain, "client-auth-test").stdout
    two = ("verify", "chain", folder / "leaf.cer", folder / "between.cer", *common, "client-auth-test")
    assert "certificate-ok" in run(*two).stdout
    alone = ("verify", "chain", folder / "leaf.cer", *common, "client-auth-test")
    assert "issuer-unknown" in run(*alone, ends=1).stdout
    configured = (*alone, "--intermediates", folder / "between.cer")
    assert "certificate-ok" in run(*configured).stdout


def test_verify_signature_by_certificate_or_key_in_its_mode_alone(folder: Path, city: City) -> None:
    key = city.key(city.rows("auth")[0])
    document = b"a document"
    (folder / "doc").write_bytes(document)
    (folder / "sig").write_bytes(key.sign(document))
    (folder / "key.der").write_bytes(key.spki)
    (folder / "key.pem").write_bytes(pem(key.spki, "PUBLIC KEY"))
    rest = ("--signature", folder / "sig", folder / "doc")
    for name in ("auth.cer", "auth.pem", "key.der", "key.pem"):
        run("verify", "signature", "--key", folder / name, "--mode", "rsassa-pkcs1-v1_5-sha256", *rest)
    for mode in (
        "rsassa-pkcs1-v1_5-raw",
        "rsassa-pkcs1-v1_5-bare-sha256",
        "rsassa-pss-sha256",
        "rsassa-pkcs1-v1_5-sha384",
    ):
        said = run("verify", "signature", "--key", folder / "key.pem", "--mode", mode, *rest, "--json", ends=1).stdout
        assert json.loads(said)["rows"][0]["reason"] == "signature-wrong"
    said = run("verify", "signature", "--key", folder / "key.pem", "--mode", "ed25519", *rest, ends=1).stdout
    assert "key-mode-mismatch" in said
    (folder / "noise").write_bytes(b"noise")
    said = run("verify", "signature", "--key", folder / "noise", "--mode", "ed25519", *rest, ends=1).stdout
    assert "key-malformed" in said


def test_verify_signature_over_a_hash(folder: Path, city: City) -> None:
    (folder / "sig").write_bytes(city.key(city.rows("auth")[0]).sign(b"a document"))
    rest = ("--key", folder / "auth.cer", "--mode", "rsassa-pkcs1-v1_5-sha256", "--signature", folder / "sig")
    run("verify", "signature", *rest, "--prehashed", "-", stdin=hashlib.sha256(b"a document").digest())
    run("verify", "signature", *rest, "--prehashed", "-", stdin=hashlib.sha256(b"another").digest(), ends=1)


# ---- keys, challenges, logins: a whole round -----------------------------------------------------------


def desk(folder: Path) -> tuple[str | Path, ...]:
    """Options of a relying party, its key file made."""
    if not (folder / "test.keys").exists():
        run("keys", "make", folder / "test.keys")
    return ("--keys", folder / "test.keys", "--profile", "jpki-auth-test", "--audience", AUDIENCE)


def test_keys_are_made_rotated_and_retired_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "test.keys"
    said = run("keys", "make", file).stdout
    assert file.stat().st_mode & 0o777 == 0o600
    first = re.search(r"key ([0-9a-f]{8}) is current", said)[1]  # type: ignore[index]
    said += run("keys", "stage", file).stdout + run("keys", "rotate", file).stdout
    listed = json.loads(run("keys", "list", file, "--json").stdout)["keys"]
    assert [(key["id"] == first, key["state"]) for key in listed] == [(True, "retired"), (False, "current")]
    said += mistake("keys", "retire", file, first)
    assert "wait, or force it" in re.sub(r"\s+", " ", said)
    said += run("keys", "list", file).stdout + run("keys", "retire", file, first, "--force").stdout
    assert [key["id"] for key in json.loads(run("keys", "list", file, "--json").stdout)["keys"]] == [listed[1]["id"]]
    for secret in re.findall(r'secret = "(.+)"', file.read_text()):
        assert secret not in said


def test_challenges_are_issued_and_checked_for_what_they_say(tmp_path: Path) -> None:
    options = desk(tmp_path)
    (tmp_path / "transfer").write_text("pay 10,000 yen")
    (tmp_path / "other").write_text("pay 90,000 yen")
    tokens = run("challenge", "issue", *options, "--count", "3", "--at", NOON).stdout.split()
    assert len(set(tokens)) == 3
    assert "challenge-ok" in run("challenge", "check", *options, "--at", NOON, *tokens).stdout
    run("challenge", "check", *options, "--at", NOON, stdin="\n".join(tokens))
    assert "challenge-expired" in run("challenge", "check", *options, "--at", str(AT + 120), tokens[0], ends=1).stdout
    assert (
        "challenge-wrong-tenant"
        in run("challenge", "check", *options, "--at", NOON, "--tenant", "1", tokens[0], ends=1).stdout
    )
    mixed = run("challenge", "check", *options, "--at", NOON, "--json", tokens[0], "sekisho1.x", ends=1)
    assert json.loads(mixed.stdout)["reasons"] == ["challenge-ok", "challenge-malformed"]

    bound = ("--binding", "session 1", "--transaction", tmp_path / "transfer")
    issued = json.loads(run("challenge", "issue", *options, *bound, "--at", NOON, "--lifetime", "60", "--json").stdout)
    assert issued["expires"] - issued["issued"] == 60
    token = issued["challenges"][0]
    run("challenge", "check", *options, *bound, "--at", NOON, token)
    for wrong, reason in (
        (("--binding", "session 2", "--transaction", tmp_path / "transfer"), "challenge-forged"),
        (("--binding", "session 1", "--transaction", tmp_path / "other"), "challenge-wrong-transaction"),
        (("--binding", "session 1"), "challenge-wrong-transaction"),
    ):
        assert reason in run("challenge", "check", *options, *wrong, "--at", NOON, token, ends=1).stdout


@pytest.fixture
def logged_in(tmp_path: Path) -> Path:
    """A folder with a city of three, a key file, and a login of each citizen in logins.jsonl."""
    issue = run("challenge", "issue", *desk(tmp_path), "--count", "3", "--at", NOON)
    (tmp_path / "challenges").write_text(issue.stdout)
    made = run("city", "--citizens", "3", "--out", tmp_path / "city", "--log-in", tmp_path / "challenges")
    assert "TEST ONLY" in made.stderr
    (tmp_path / "logins.jsonl").write_text(made.stdout)
    return tmp_path


def logins(folder: Path, *more: str | Path, ends: int = 0, file: str = "logins.jsonl") -> Result:
    options = (*desk(folder), "--trust", folder / "city" / "ca", "--at", NOON)
    return run("verify", "logins", folder / file, *options, *more, ends=ends)


def test_a_whole_round_of_logins(logged_in: Path) -> None:
    assert "3  accepted" in logins(logged_in).stdout
    assert json.loads(logins(logged_in, "--json").stdout)["counts"] == {"accepted": 3}
    refused = json.loads(logins(logged_in, "--audience", "https://elsewhere.example", "--json", ends=1).stdout)
    assert refused["counts"] == {"challenge-wrong-audience": 3}
    assert [row["line"] for row in refused["rows"]] == [1, 2, 3]


def test_logins_are_claimed_where_claims_are_named(logged_in: Path) -> None:
    from sekisho.claims import Claims

    claims = logged_in / "claims"
    Claims.open(claims, capacity=64, fresh=True)
    assert "3  accepted" in logins(logged_in, "--claims", claims).stdout
    assert "3  challenge-used" in logins(logged_in, "--claims", claims, ends=1).stdout
    assert "this run only" not in logins(logged_in, "--claims", claims, ends=1).stdout
    assert "this run only" in logins(logged_in).stdout


def test_logins_with_challenges_of_somebody_else(logged_in: Path, tmp_path: Path) -> None:
    own = (resources.files("sekisho") / "data/profiles/jpki-auth-test.toml").read_text()
    profile = tmp_path / "foreign-test.toml"
    profile.write_text(
        own.replace('"jpki-auth-test"', '"foreign-test"').replace('challenge = "own"', 'challenge = "foreign"')
    )
    options = ("--trust", logged_in / "city/ca", "--profile", profile, "--at", NOON)
    assert "3  accepted" in run("verify", "logins", logged_in / "logins.jsonl", *options).stdout
    row = json.loads((logged_in / "logins.jsonl").read_text().splitlines()[0]) | {"binding": "session"}
    (tmp_path / "bound.jsonl").write_text(json.dumps(row))
    assert (
        "line 1: binding and transaction" in run("verify", "logins", tmp_path / "bound.jsonl", *options, ends=2).output
    )


def test_one_bad_login_among_good_ones_is_named_by_its_line(logged_in: Path) -> None:
    rows = [json.loads(line) for line in (logged_in / "logins.jsonl").read_text().splitlines()]
    rows[1]["signature"] = rows[2]["signature"]
    rows.append(rows[0])
    lines = [json.dumps(row) for row in rows]
    (logged_in / "bad.jsonl").write_text("\n".join([*lines[:2], "", *lines[2:]]))
    shown = logins(logged_in, file="bad.jsonl", ends=1).stdout
    assert "line 2" in shown
    assert "line 5" in shown  # the blank line counts, as an editor counts
    found = json.loads(logins(logged_in, "--json", file="bad.jsonl", ends=1).stdout)
    assert found["counts"] == {"accepted": 2, "signature-wrong": 1, "challenge-used": 1}


LINES = {
    "{": "line 2: this is not JSON",
    "[]": "line 2: a login is an object",
    '{"certificate": "", "signature": ""}': "give the challenge",
    '{"certificate": "", "signature": "", "challenge": "", "challenge_base64": ""}': "give the challenge",
    '{"certificate": "", "signature": "", "challenge": "", "pin": "1234"}': "line 2: a login is an object",
    '{"certificate": 5, "signature": "", "challenge": ""}': "certificate must be base64",
    '{"certificate": "", "signature": "?", "challenge": ""}': "signature must be base64",
    '{"certificate": "", "signature": "", "challenge": 5}': "challenge must be text",
    '{"certificate": "", "signature": "", "challenge": "", "transaction": "00"}': "64 digits",
    '{"certificate": "", "signature": "", "challenge": "", "transaction": "x"}': "64 digits",
    '{"certificate": "", "signature": "", "challenge": "", "intermediates": "x"}': "must be a list",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_no_login_is_told_with_its_number(line: str, folder: Path) -> None:
    empty = '{"certificate": "", "signature": "", "challenge": ""}'
    (folder / "logins.jsonl").write_text(f"{empty}\n{line}\n")
    said = mistake("verify", "logins", folder / "logins.jsonl", *desk(folder), "--trust", folder / "ca")
    assert LINES[line] in said
    assert "line 2" in said


def test_empty_fields_are_verdicts_and_empty_files_are_mistakes(folder: Path) -> None:
    (folder / "none.jsonl").write_text("\n")
    assert "no login" in mistake("verify", "logins", folder / "none.jsonl", *desk(folder), "--trust", folder / "ca")
    (folder / "noise.jsonl").write_bytes(b"\xff\xfe")
    assert "UTF-8" in mistake("verify", "logins", folder / "noise.jsonl", *desk(folder), "--trust", folder / "ca")
    line = '{"certificate": "", "signature": "", "challenge": ""}'
    result = run("verify", "logins", "-", *desk(folder), "--trust", folder / "ca", stdin=line, ends=1)
    assert "input-missing" in result.stdout


def test_a_login_with_binding_transaction_and_intermediates(folder: Path, city: City) -> None:
    transfer = folder / "transfer"
    transfer.write_text("pay 10,000 yen")
    bound = ("--binding", "session 1", "--transaction", transfer)
    token = run("challenge", "issue", *desk(folder), *bound, "--at", NOON).stdout.strip()
    row = city.rows("auth")[0]
    login = {
        "certificate": base64.b64encode(city.certificate(row)).decode(),
        "challenge_base64": base64.b64encode(token.encode()).decode(),
        "signature": base64.b64encode(city.key(row).sign(token.encode())).decode(),
        "intermediates": [base64.b64encode(city.issuer(row).certificate).decode()],
        "binding": "session 1",
        "transaction": hashlib.sha256(transfer.read_bytes()).hexdigest(),
    }
    options = (*desk(folder), "--trust", folder / "ca", "--at", NOON, "--json")
    found = json.loads(run("verify", "logins", "-", *options, stdin=json.dumps(login)).stdout)
    assert found["counts"] == {"accepted": 1}
    other = json.loads(
        run("verify", "logins", "-", *options, stdin=json.dumps(login | {"binding": "x"}), ends=1).stdout
    )
    assert other["counts"] == {"challenge-forged": 1}


def test_the_same_seed_makes_the_same_city(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        run(
            "city",
            "--citizens",
            "2",
            "--seed",
            "s",
            "--key",
            "p256",
            "--authority-key",
            "p384",
            "--out",
            tmp_path / name,
        )
        digests.append(json.loads((tmp_path / name / "city.json").read_text())["sha256"])
    assert digests[0] == digests[1] == City.load(tmp_path / "one").digest
    run("city", "--citizens", "2", "--seed", "t", "--key", "p256", "--out", tmp_path / "two")  # over the old city
    assert json.loads((tmp_path / "two" / "city.json").read_text())["sha256"] != digests[0]


# ---- what is never said ----------------------------------------------------------------------------------


def secrets_of(city: City, row: int) -> set[str]:
    """What says who somebody is, in the forms in which it could leak."""
    person, serial = city.person(row), int(city.serial[row])
    return {
        person.name,
        person.name.split("　")[0],
        person.address,
        person.common_name_auth,
        person.common_name_sign,
        f"{serial:x}",
        f"{serial:X}",
        str(serial),
        person.municipality.romaji,
        person.municipality.japanese,
        f"{person.born:%Y%m%d}",
        f"{person.born:%m-%d}",  # the day on which a certificate ends
    }


def test_a_city_with_crls(tmp_path: Path) -> None:
    made = run("city", "--citizens", "5", "--revoked", "4", "--strangers", "500", "--out", tmp_path, "--key", "p256")
    assert "212 CRLs, 504 entries" in made.stderr
    assert len(list((tmp_path / "crl").iterdir())) == 212
    city = City.load(tmp_path)
    told = [json.loads(line) for line in (tmp_path / "revoked.jsonl").read_text().splitlines()]
    assert len({one["row"] for one in told}) == 4
    for one in told:
        listed = x509.load_der_x509_crl((tmp_path / "crl" / one["crl"]).read_bytes())
        entry = listed.get_revoked_certificate_by_serial_number(int(city.serial[one["row"]]))
        assert entry is not None
        assert entry.serial_number == one["serial"]
        reasons = [each.value.reason.value for each in entry.extensions]
        assert reasons == ([] if one["reason"] == "unspecified" else [one["reason"]])
    run("city", "--citizens", "5", "--out", tmp_path, "--key", "p256")
    assert not list((tmp_path / "crl").iterdir())  # lists of another city are gone
    assert not (tmp_path / "revoked.jsonl").exists()


def test_verify_never_says_who_somebody_is(folder: Path, city: City) -> None:
    row = city.rows("sign")[0]
    said = ""
    for at in (NOON, "2040-01-01"):
        for profile in ("jpki-sign-test", "jpki-auth-test", "client-auth-test"):
            for form in ((), ("--json",)):
                arguments = [
                    "verify",
                    "certificate",
                    folder / "sign.cer",
                    "--trust",
                    folder / "ca",
                    "--profile",
                    profile,
                ]
                said += CliRunner().invoke(main, [*map(str, arguments), "--at", at, *form]).output
    assert "certificate-ok" in said
    said = said.replace(str(folder), "")
    assert not {one for one in secrets_of(city, row) if one in said}


# ---- inspect ---------------------------------------------------------------------------------------------


def fields_of(*arguments: str | Path, ends: int = 0, **keywords: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("inspect", *arguments, "--json", ends=ends, **keywords).stdout)
    return found


def test_inspect_shows_every_field_where_it_stands(folder: Path, city: City) -> None:
    row = city.rows("sign")[0]
    person, certificate = city.person(row), city.certificate(row)
    found = fields_of(folder / "sign.cer", "--at", NOON)
    fields = {one["name"]: one for one in found["fields"]}

    def content(name: str) -> bytes:
        return certificate[fields[name]["offset"] : fields[name]["offset"] + fields[name]["length"]]

    assert int.from_bytes(content("serialNumber"), "big") == int(city.serial[row])
    assert content("public key") == city.key(row).spki
    assert content("issuer") == city.issuer(row).name
    assert content("subject") == city.fields(row).subject
    assert content("validity") == city.fields(row).validity
    for extension in city.fields(row).extensions:
        assert extension.value in [content(one["name"]) for one in found["fields"] if one["offset"]]
    lines = "\n".join(fields["subjectAltName"]["value"])
    assert f"氏名 (name): {person.name}" in lines
    assert f"住所 (address): {person.address}" in lines
    assert "digitalSignature, nonRepudiation" in fields["keyUsage"]["value"]
    assert fields["keyUsage"]["critical"]
    assert fields["certificatePolicies"]["critical"]
    assert not fields["subjectKeyIdentifier"]["critical"]
    shown = run("inspect", folder / "sign.cer", "--at", NOON).stdout
    assert "PERSONAL DATA" in shown
    assert person.name in shown


def test_inspect_redacted_says_nobody_s_name(folder: Path, city: City) -> None:
    for purpose in ("auth", "sign"):
        row = city.rows(purpose)[0]  # type: ignore[arg-type]
        file = folder / f"{purpose}.cer"
        said = ""
        for at in (NOON, "2040-01-01", "2010-01-01"):
            for form in ((), ("--json",), ("--der",), ("--trust", folder / "ca")):
                said += run("inspect", file, "--redact", "--at", at, *form).stdout
        said = said.replace(str(folder), "")
        key_id = next(one.value for one in city.fields(row).extensions if one.oid == "2.5.29.14")[2:]
        modulus = f"{city.key(row).modulus:x}"[:12]  # type: ignore[attr-defined]
        assert "Personal data is left out" in said
        assert not {one for one in (*secrets_of(city, row), key_id.hex(), modulus) if one in said}
        whole = run("inspect", file, "--at", NOON).stdout
        assert key_id.hex() in whole
        assert modulus in whole


def test_inspect_says_where_a_refused_certificate_breaks(folder: Path, city: City) -> None:
    certificate = city.certificate(0)
    at = certificate.index(bytes.fromhex("0603551d0f"))  # keyUsage's OID
    broken = certificate[: at + 7] + b"\x02" + certificate[at + 8 :]  # critical is no longer TRUE as DER has it
    assert parse(broken).reason is Reason.CERTIFICATE_EXTENSION_MALFORMED
    (folder / "broken.cer").write_bytes(broken)
    said = run("inspect", folder / "broken.cer", "--der", ends=1).stdout
    fault = re.search(r"refused: certificate-extension-malformed, at offset (\d+)", said)
    assert fault is not None
    assert abs(int(fault[1]) - at) < 16
    assert "OBJECT IDENTIFIER  2.5.29.15" in said
    for content in (b"", b"noise", certificate[:-1], certificate + b"\0"):
        found = fields_of("-", stdin=content, ends=1)
        assert found["reason"] == parse(content).reason.kebab  # type: ignore[union-attr]
        assert found["fields"] == []


def test_inspect_cannot_be_made_to_steer_a_terminal(folder: Path, city: City) -> None:
    name = der.tlv(0x82, b"a\x1b]0;owned\x07\x1b[2J.example")  # dNSName
    text = der.context(0, der.oid("1.2.392.200149.8.5.5.1"), der.context(0, der.utf8("\u202eoverride\u202c")))
    for value in (der.sequence(name), der.sequence(text)):
        fields = city.fields(0).with_extension(Extension(SUBJECT_ALT_NAME, False, value))
        (folder / "evil.cer").write_bytes(city.issuer(0).issue(fields))
        for form in ((), ("--der",)):
            said = CliRunner().invoke(main, ["inspect", str(folder / "evil.cer"), *form]).stdout
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)


def test_inspect_names_jpki_s_own_and_several_in_one_file(folder: Path, city: City) -> None:
    (folder / "both.pem").write_bytes(pem(city.certificate(0)) + pem(city.issuer(0).certificate))
    leaf, authority = json.loads(run("inspect", folder / "both.pem", "--json").stdout)
    assert "certificate 1" in leaf["input"]
    against = {one["name"]: [item["reason"] for item in one["against"]] for one in authority["profiles"]}
    assert all("leaf-is-ca" in reasons for reasons in against.values())
    assert set(against) == set(shipped())
    assert not any(one["personal"] for one in authority["fields"])
    assert any(one["personal"] for one in leaf["fields"])


def test_inspect_agrees_with_the_engine(city: City) -> None:
    """What the engine refuses for the certificate's own sake, inspect names among its objections; what inspect has
    nothing against, the engine takes."""
    profile = Profile.load("jpki-auth-test")
    only_a_path_tells = {"issuer-unknown", "issuer-signature-wrong", "issuer-expired", "issuer-not-yet-valid"}
    only_a_path_tells |= {"issuer-not-ca", "path-refused", "path-too-long", "too-many-intermediates", "input-missing"}
    seen: set[str] = set()
    kinds = bad_kinds(city, groups=("certificate", "key", "path"))
    for kind in (*kinds, *odd_kinds(city)):
        bad = make_bad_login(city, city.rows("auth")[0], kind)
        trust = TrustStore([*bad.trust, *bad.also_trust])
        verifier = Verifier(trust, profile)
        verdict = verifier.verify_certificates([bad.certificate], [b"".join(bad.intermediates)], at=AT)[0]
        against = {one.reason.kebab for one in objections(parse(bad.certificate), profile, AT)}
        found = verdict.reason.kebab
        seen.add(found)
        if not verdict.ok and found not in only_a_path_tells:
            assert found in against, kind
        if against:
            assert not verdict.ok, kind
    assert len(seen) > 20


@pytest.mark.parametrize("name", shipped())
def test_inspect_agrees_with_the_engine_on_good_certificates(name: str, city: City) -> None:
    trust, profile = TrustStore(list(city.trust())), Profile.load(name)
    for row in (city.rows("auth")[1], city.rows("sign")[1]):
        certificate = city.certificate(row)
        verdict = Verifier(trust, profile).verify_certificates([certificate], at=AT)[0]
        against = objections(parse(certificate), profile, AT)
        clear = verdict.ok or verdict.reason is Reason.REVOCATION_NOT_CONFIGURED
        assert clear == (not against), (name, verdict.reason, against)


# ---- doctor ----------------------------------------------------------------------------------------------


def test_doctor_measures_and_checks_every_answer() -> None:
    found = json.loads(run("doctor", "--json").stdout)
    assert found["healthy"]
    assert {row["what"] for row in found["speed"]} == {"RSA-2048", "RSA-3072", "RSA-4096", "P-256", "P-384", "Ed25519"}
    assert all(row["per_s"] > 0 and row["wrong"] == 0 for row in found["speed"])
    assert {one["name"] for one in found["kernels"]} == set(KERNELS)
    assert {"sekisho", "OpenSSL", "Python"} <= set(found["versions"])
    shown = run("doctor", "--quick").stdout
    assert "Ready." in shown
    assert "verifies/s" not in shown
    assert "\x1b[" not in shown


def test_doctor_raises_the_alarm_for_a_kernel_that_failed() -> None:
    name = next((one.name for one in kernels() if one.state == "on"), None)
    if name is None:
        pytest.skip("no lane kernel on this CPU: nothing to fail")
    assert lib.seki_kernels_plant(KERNELS[name], lib.SEKI_FAULT_SELF_TEST) == lib.SEKI_OK, (
        "this core was built without SEKISHO_TEST_FAULTS=1; `make test` builds it with it"
    )
    try:
        shown = run("doctor", "--quick", ends=1).stdout
    finally:
        lib.seki_kernels_plant(KERNELS[name], lib.SEKI_FAULT_NONE)
    assert f"kernel {name} failed its known-answer test" in re.sub(r"\s+", " ", shown)
    assert "Not ready" in shown
    assert run("doctor", "--quick").exit_code == 0


def test_doctor_says_that_lanes_are_switched_off() -> None:
    command = [sys.executable, "-m", "sekisho.cli", "doctor", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"SEKISHO_LANES": "0"})
    found = json.loads(done.stdout)
    assert all(row["backend"] == "openssl" for row in found["speed"])
    assert any("SEKISHO_LANES=0" in one["what"] for one in found["findings"])


def test_keys_of_the_command_and_of_the_library_are_the_same(tmp_path: Path) -> None:
    """A challenge that the command issued is good for a program that read the same file."""
    from sekisho import keyfiles

    token = run("challenge", "issue", *desk(tmp_path), "--at", NOON).stdout.strip()
    found = keyfiles.load(tmp_path / "test.keys")
    keys = ChallengeKeys(found.secrets())
    number = keys.check([token.encode()], profile=Profile.load("jpki-auth-test").id32, audience=AUDIENCE, at=AT)[0]
    assert Reason(int(number)) is Reason.CHALLENGE_OK
