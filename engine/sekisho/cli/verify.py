"""`sekisho verify`: certificates, chains, signatures, files of logins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import click
from rich.table import Table
from rich.text import Text

from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims
from sekisho.cli import ocsp
from sekisho.cli.base import Mistake, console, instant, json_option, print_json, when_option
from sekisho.cli.inputs import (
    ModeParam,
    certificates_in,
    challenge_keys,
    keys_option,
    pem_blocks,
    profile_option,
    read_file,
    revocation_option,
    told,
    trust_option,
    trust_store,
)
from sekisho.cli.ocsp import Staples, ocsp_options, statement_json, statement_words
from sekisho.cli.parts import certificate_key
from sekisho.modes import Mode
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.ocsp_statements import OcspStatement
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore, StoreError
from sekisho.signatures import SignatureBatch, verify_signatures
from sekisho.trust import TrustStore
from sekisho.verdicts import Verdict
from sekisho.verifier import LoginBatch, Verifier

__all__ = ["command"]

BATCH_ROWS: Final = 65_536  # logins read at a time: 150 MB of JPKI's
SHOWN: Final = 8  # refused logins named by their lines, for each reason

_OCSP: Final = (
    "An OCSP response, DER or PEM, about a certificate asked about or a CA's above it; counts beside --revocation, or by itself. "
    "May be repeated."
)


@click.group()
def command() -> None:
    """Verify certificates, chains, signatures, OCSP responses, or files of logins.

    Ends with 0 if all is good, with 1 if something is refused, with 2 if the question could not be asked. Each refusal
    has one reason of a closed list; `--json` has it by name and by number.

    \b
    Examples:
      sekisho verify certificate my.cer --trust jpki --profile jpki-auth
      sekisho verify chain chain.pem --trust root.pem --profile client-auth-test
      sekisho verify signature --key my.cer --mode rsassa-pkcs1-v1_5-sha256 --signature doc.sig doc
      sekisho verify ocsp my.ocsp --about my.pem --trust ca.pem --profile client-auth
      sekisho verify logins logins.jsonl --trust ca/ --profile jpki-auth --keys challenge.keys --audience https://a
    """


command.add_command(ocsp.command)


# ---- certificates and chains -----------------------------------------------------------------------


@command.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@trust_option()
@revocation_option
@ocsp_options(_OCSP)
@profile_option
@when_option()
@json_option
def certificate(
    *,
    files: tuple[str, ...],
    anchors: tuple[str, ...],
    intermediates: tuple[str, ...],
    revocation: str | None,
    responses: tuple[str, ...],
    responders: tuple[str, ...],
    profile: Profile,
    at: int,
    as_json: bool,
) -> None:
    """Is each certificate valid for the profile: signature, path, dates, usage, policy, revocation?

    FILE is PEM (every certificate in it is asked about) or DER; - is standard input. Whether the holder is there, that
    is, has the key, is another question: a signature over a challenge answers it.

    \b
    Examples:
      sekisho verify certificate my.cer --trust jpki --profile jpki-auth
      sekisho verify certificate *.pem --trust ca/ --profile client-auth-test --at 2026-04-01
      sekisho verify certificate my.pem --trust ca.pem --profile client-auth --ocsp my.ocsp
    """
    inputs = [one for path in files for one in certificates_in(path)]
    verifier = told(lambda: _verifier(trust_store(anchors, intermediates), profile, revocation))
    staples = Staples(verifier, responses, responders)
    ders = [one.der for one in inputs]
    said = staples.of(ders, at)
    verdicts = verifier.verify_certificates(ders, at=at, ocsp=said, ocsp_of_cas=staples.of_cas(at))
    about = [None] * len(ders) if said is None else list(said)
    answers = [_Answer(one.source, verdict, by) for one, verdict, by in zip(inputs, verdicts, about, strict=True)]
    _answer(answers, profile, at, as_json)


@command.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@trust_option()
@revocation_option
@ocsp_options(_OCSP)
@profile_option
@when_option()
@json_option
def chain(
    *,
    files: tuple[str, ...],
    anchors: tuple[str, ...],
    intermediates: tuple[str, ...],
    revocation: str | None,
    responses: tuple[str, ...],
    responders: tuple[str, ...],
    profile: Profile,
    at: int,
    as_json: bool,
) -> None:
    """Is the chain valid for the profile: the holder's certificate first, then up to four CA certificates?

    FILE is PEM with the whole chain, or the certificates in as many files, as a TLS client would send them. What is
    sent along is never trusted for that: it must lead to an anchor of --trust.

    \b
    Examples:
      sekisho verify chain fullchain.pem --trust root.pem --profile client-auth-test
      sekisho verify chain leaf.cer issuing.cer --trust root.cer --profile client-auth-test
    """
    leaf, *cas = [one for path in files for one in certificates_in(path)]
    verifier = told(lambda: _verifier(trust_store(anchors, intermediates), profile, revocation))
    staples = Staples(verifier, responses, responders)
    sent = [one.der for one in cas]
    along = [b"".join(sent)]
    said, of_cas = staples.of([leaf.der], at, along), staples.of_cas(at, sent)
    verdicts = verifier.verify_certificates([leaf.der], along, at=at, ocsp=said, ocsp_of_cas=of_cas)
    _answer([_Answer(leaf.source, verdicts[0], None if said is None else said[0])], profile, at, as_json)


# ---- signatures --------------------------------------------------------------------------------------


@command.command()
@click.argument("message")
@click.option(
    "--key",
    "key_file",
    required=True,
    metavar="FILE",
    help="Public key or certificate, PEM or DER; its key alone counts.",
)
@click.option("--signature", "signature_file", required=True, metavar="FILE", help="The signature, as raw bytes.")
@click.option(
    "--mode",
    required=True,
    type=ModeParam(),
    help="How it was signed, as in rsassa-pkcs1-v1_5-sha256, rsassa-pss-sha256, ecdsa-sha256-der, ed25519. It is never "
    "guessed: one RSA key can sign in several.",
)
@click.option("--prehashed", is_flag=True, help="MESSAGE is the hash of what was signed, as raw bytes.")
@json_option
def signature(*, message: str, key_file: str, signature_file: str, mode: Mode, prehashed: bool, as_json: bool) -> None:
    """Is this the signature of that key over the file MESSAGE? Nothing but that: no dates, no issuer.

    \b
    Examples:
      sekisho verify signature --key my.cer --mode rsassa-pkcs1-v1_5-sha256 --signature doc.sig doc
      openssl dgst -sha256 -binary doc | sekisho verify signature --key pub.pem --mode ecdsa-sha256-der \\
          --signature doc.sig --prehashed -
    """
    batch = SignatureBatch(
        keys=[_public_key(key_file)],
        signatures=[read_file(signature_file)],
        messages=[read_file(message)],
        mode=mode,
        prehashed=prehashed,
    )
    verdict = told(lambda: verify_signatures(batch))[0]
    _answer([_Answer(signature_file, verdict)], None, None, as_json)


def _public_key(path: str) -> bytes:
    """SubjectPublicKeyInfo of a key file or a certificate."""
    data = read_file(path)
    blocks = pem_blocks(path, data) if b"-----BEGIN " in data else [("", data)]
    for label, der in blocks:
        if label == "PUBLIC KEY":
            return der
        if label in ("", "CERTIFICATE", "X509 CERTIFICATE"):
            return certificate_key(der) or der  # a bare key, or nothing of the kind, which the engine will say
    has = ", ".join(sorted({label for label, _ in blocks})) or "no whole block"
    raise Mistake(
        f"{path}: no public key here (it has {has}): `openssl pkey -in FILE -pubout` makes one of a private key"
    )


# ---- logins --------------------------------------------------------------------------------------------


@command.command()
@click.argument("file")
@trust_option()
@revocation_option
@ocsp_options("An OCSP response, DER or PEM, about a CA's certificate above the holders'. May be repeated.")
@profile_option
@keys_option
@click.option(
    "--claims",
    "claims_path",
    metavar="PATH",
    help="Shared memory in which accepted challenges are claimed, as your service uses it. Without it, single use is "
    "watched over within this run only, and nothing is claimed.",
)
@click.option(
    "--audience", default="", help="For whom the challenges were issued: the relying party's URL or client id."
)
@click.option("--tenant", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Tenant's number.")
@click.option(
    "--skew",
    default=0,
    show_default=True,
    type=click.IntRange(0, 60),
    help="Seconds by which the issuing clock may be ahead.",
)
@when_option()
@json_option
def logins(
    *,
    file: str,
    anchors: tuple[str, ...],
    intermediates: tuple[str, ...],
    revocation: str | None,
    responses: tuple[str, ...],
    responders: tuple[str, ...],
    profile: Profile,
    keys: str | None,
    claims_path: str | None,
    audience: str,
    tenant: int,
    skew: int,
    at: int,
    as_json: bool,
) -> None:
    """Verify a file of logins: challenge, certificate, path, signature, revocation, single use.

    FILE has one JSON object a line (- is standard input):

    \b
      certificate     the holder's certificate, DER in base64
      challenge       the challenge as it was issued (text); or challenge_base64, for other bytes
      signature       over the challenge, in base64
      intermediates   optional: list of CA certificates sent along, DER in base64
      binding         optional: what the challenge was bound to at issue (text)
      transaction     optional: SHA-256 of the transaction, in hexadecimal
      request         optional: id of the request, so that a retry is told from a replay
      ocsp            optional: list of OCSP responses about the certificate (four are looked at), DER in base64

    \b
    A whole round, with people of a synthetic city:
      sekisho keys make test.keys
      sekisho challenge issue --keys test.keys --profile jpki-auth-test --audience https://a --count 100 > challenges
      sekisho city --citizens 100 --at now --out city --log-in challenges > logins.jsonl
      sekisho verify logins logins.jsonl --trust city/ca --profile jpki-auth-test --keys test.keys --audience https://a
    """
    own = profile.challenge == "own"
    report = _Report(profile, at, as_json)
    with ExitStack() as stack:
        loaded: ChallengeKeys | None = challenge_keys(keys) if own else None
        claims = _claims(claims_path, stack) if own else None
        verifier = told(
            lambda: _verifier(
                trust_store(anchors, intermediates),
                profile,
                revocation,
                challenges=loaded,
                claims=claims,
                audience=audience,
                tenant=tenant,
                skew=skew,
            )
        )
        source: IO[str] = sys.stdin if file == "-" else stack.enter_context(Path(file).open(encoding="utf-8"))
        staples = Staples(verifier, responses, responders)
        of_cas = staples.of_cas(at)
        for columns in _batches(file, source, own):
            said = staples.in_rows(columns.ocsp, columns.certificates, at, columns.intermediates)
            batch = replace(columns.batch(own), ocsp=said, ocsp_of_cas=of_cas)
            verdicts = told(partial(verifier.verify_logins, batch, at=at))
            for line, verdict in zip(columns.lines, verdicts, strict=True):
                report.add(line, verdict)
    report.finish(within=claims is not None and claims_path is None)


def _verifier(trust: TrustStore, profile: Profile, revocation: str | None, **more: Any) -> Verifier:
    """Over what is in force in that directory of revocation data."""
    if revocation is None:
        return Verifier(trust, profile, **more)
    try:
        return Verifier(trust, profile, revocation=RevocationStore(revocation, trust).revocation, **more)
    except (SnapshotError, StoreError) as error:
        raise Mistake(str(error)) from None


def _claims(path: str | None, stack: ExitStack) -> Claims:
    if path is not None:
        return told(lambda: Claims.open(path))
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-"))
    return Claims.open(Path(folder) / "claims", fresh=True)


_FIELDS: Final = frozenset(
    (
        *("certificate", "challenge", "challenge_base64", "signature", "intermediates", "binding", "transaction"),
        *("request", "ocsp"),
    )
)


@dataclass
class _Columns:
    certificates: list[bytes] = field(default_factory=list)
    challenges: list[bytes] = field(default_factory=list)
    signatures: list[bytes] = field(default_factory=list)
    intermediates: list[bytes] = field(default_factory=list)
    bindings: list[bytes] = field(default_factory=list)
    transactions: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    ocsp: list[list[bytes]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def batch(self, own: bool) -> LoginBatch:
        """What the engine takes: with challenges of somebody else there is no binding and no transaction."""
        return LoginBatch(
            certificates=self.certificates,
            challenges=self.challenges,
            signatures=self.signatures,
            intermediates=self.intermediates,
            bindings=self.bindings if own else None,
            transactions=self.transactions if own else None,
            requests=self.requests,
        )


def _batches(name: str, source: IO[str], own: bool) -> Iterator[_Columns]:
    columns = _Columns()
    try:
        for number, text in enumerate(source, 1):
            if not text.strip():
                continue
            _enter(columns, number, f"{name}, line {number}", text)
            if not own and (columns.bindings[-1] or columns.transactions[-1]):
                raise Mistake(
                    f"{name}, line {number}: binding and transaction are of challenges that sekisho issued; this profile takes "
                    "others, so nobody would look at them"
                )
            if len(columns.lines) == BATCH_ROWS:
                yield columns
                columns = _Columns()
    except UnicodeDecodeError:
        raise Mistake(f"{name} is not UTF-8 text: a file of logins has one JSON object a line") from None
    if columns.lines:
        yield columns


def _enter(columns: _Columns, number: int, where: str, text: str) -> None:
    try:
        login = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise Mistake(f"{where}: this is not JSON; a file of logins has one JSON object a line") from None
    if not isinstance(login, dict) or not {"certificate", "signature"} <= set(login) <= _FIELDS:
        raise Mistake(
            f"{where}: a login is an object with certificate, challenge and signature, and may have "
            "intermediates, binding, transaction, request, ocsp (see `sekisho verify logins --help`)"
        )
    if ("challenge" in login) == ("challenge_base64" in login):
        raise Mistake(f"{where}: give the challenge as challenge (text) or as challenge_base64, one of them")
    columns.lines.append(number)
    columns.certificates.append(_base64(login["certificate"], where, "certificate"))
    columns.signatures.append(_base64(login["signature"], where, "signature"))
    if "challenge" in login:
        columns.challenges.append(_text(login, "challenge", where))
    else:
        columns.challenges.append(_base64(login["challenge_base64"], where, "challenge_base64"))
    columns.intermediates.append(b"".join(_list(login, "intermediates", where)))
    columns.ocsp.append(_list(login, "ocsp", where))
    columns.bindings.append(_text(login, "binding", where))
    columns.requests.append(_text(login, "request", where))
    try:
        digest = bytes.fromhex(_text(login, "transaction", where).decode())
    except ValueError:
        digest = b"?"
    if len(digest) not in (0, hashlib.sha256().digest_size):
        raise Mistake(f"{where}: transaction must be a SHA-256 in hexadecimal, 64 digits")
    columns.transactions.append(digest)


def _base64(value: Any, where: str, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise Mistake(f"{where}: {name} must be base64, on one line") from None


def _list(login: dict[str, Any], name: str, where: str) -> list[bytes]:
    values = login.get(name, [])
    if not isinstance(values, list):
        raise Mistake(f"{where}: {name} must be a list")
    return [_base64(one, where, name) for one in values]


def _text(login: dict[str, Any], name: str, where: str) -> bytes:
    value = login.get(name, "")
    if not isinstance(value, str):
        raise Mistake(f"{where}: {name} must be text, in quotes")
    return value.encode("utf-8", "surrogatepass")


class _Report:
    """Counts verdicts as they come and names the first that were refused."""

    def __init__(self, profile: Profile, at: int, as_json: bool) -> None:
        self._profile = profile
        self._at = at
        self._as_json = as_json
        self._counts: Counter[Reason] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._lines: dict[Reason, list[int]] = {}

    def add(self, line: int, verdict: Verdict) -> None:
        reason = verdict.reason
        self._counts[reason] += 1
        if self._as_json:
            self._rows.append({"line": line} | _as_json(verdict))
        elif not verdict.ok and self._counts[reason] <= SHOWN:
            self._lines.setdefault(reason, []).append(line)

    def finish(self, *, within: bool) -> None:
        total = sum(self._counts.values())
        if total == 0:
            raise Mistake("there is no login in this file")
        good = self._counts[Reason.ACCEPTED] == total
        if self._as_json:
            counts = {reason.kebab: count for reason, count in self._counts.most_common()}
            about = {"profile": self._profile.name, "at": self._at}
            print_json({"good": good, **about, "counts": counts, "rows": self._rows})
            sys.exit(0 if good else 1)
        out = console()
        out.print(Text(f"{total:,} logins, profile {self._profile.name}, at {instant(self._at)}", style="bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(justify="right")
        for reason, count in self._counts.most_common():
            style = "green" if reason is Reason.ACCEPTED else "bold red"
            lines = ", ".join(map(str, self._lines.get(reason, ())))
            more = ", …" if count > SHOWN else ""
            where = Text(f"\nline{'s' * (count > 1)} {lines}{more}" if lines else "", style="dim")
            table.add_row(f"{count:,}", Text(reason.kebab, style=style), Text(reason.english) + where)
        out.print(table)
        if self._profile.revocation == "off":
            out.print(Text("Revocation was not looked at: this is a test profile.", style="yellow"))
        if within:
            out.print(Text("Single use within this run only: give --claims to claim them.", style="dim"))
        sys.exit(0 if good else 1)


# ---- answers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answer:
    source: str
    verdict: Verdict
    ocsp: OcspStatement | None = None


def _as_json(verdict: Verdict) -> dict[str, Any]:
    reason = verdict.reason
    return {
        "good": verdict.ok,
        "reason": reason.kebab,
        "number": int(reason),
        "blame": reason.blame.value if reason.blame is not None else None,
        "advice": reason.advice.value if reason.advice is not None else None,
        "backend": verdict.backend,
        "flags": sorted(verdict.flags),
        "revocation_by": sorted(verdict.revocation_by),
    }


def _answer(answers: list[_Answer], profile: Profile | None, at: int | None, as_json: bool) -> None:
    """Prints the answers and ends the command."""
    good = all(one.verdict.ok for one in answers)
    if as_json:
        rows = [
            {"input": one.source}
            | _as_json(one.verdict)
            | ({} if one.ocsp is None else {"ocsp": statement_json(one.ocsp)})
            for one in answers
        ]
        about = {"profile": profile.name, "at": at} if profile is not None else {}
        print_json({"good": good, **about, "rows": rows})
        sys.exit(0 if good else 1)
    out = console()
    for one in answers:
        reason = one.verdict.reason
        mark = Text("ok  ", style="bold green") if one.verdict.ok else Text("no  ", style="bold red")
        out.print(mark + Text(f"{one.source}: ") + Text(reason.kebab, style="bold"), soft_wrap=True)
        out.print(Text(f"    {reason.english}"), soft_wrap=True)
        if reason.blame is not None:
            out.print(Text(f"    To act: {reason.blame.value}. Source: {reason.source}.", style="dim"), soft_wrap=True)
        if one.ocsp is not None:
            out.print(Text(f"    OCSP: {one.ocsp.status}, {statement_words(one.ocsp)}", style="dim"), soft_wrap=True)
    if profile is not None and profile.revocation == "off":
        out.print(Text("Revocation was not looked at: this is a test profile.", style="yellow"))
    sys.exit(0 if good else 1)
