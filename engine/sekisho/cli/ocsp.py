"""`sekisho verify ocsp`: what an OCSP response establishes of a certificate; and responses beside other questions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

import click
import numpy as np
from rich.text import Text

from sekisho.cli.base import F, Mistake, console, instant, json_option, print_json, when_option
from sekisho.cli.inputs import certificates_in, pem_blocks, profile_option, read_file, told, trust_option, trust_store
from sekisho.profiles import Profile
from sekisho.revocation.crl import CRL_REASONS
from sekisho.revocation.ocsp import RESPONSES_MAX, OcspChecker, OcspStatement, OcspStatements, Responder
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

__all__ = ["Staples", "command", "ocsp_options", "statement_json", "statement_words"]

_STYLES: Final = {"good": "bold green", "revoked": "bold red", "unknown": "bold red", "none": "bold red"}


def responder_option(function: F) -> F:
    """The option `--responder`."""
    return click.option(
        "--responder",
        "responders",
        multiple=True,
        metavar="FILE",
        help="Certificate of a responder that is trusted to speak for all CAs of --trust, though none appointed it.",
    )(function)


def ocsp_options(help_: str) -> Callable[[F], F]:
    """The options `--ocsp` and `--responder`."""

    def with_options(function: F) -> F:
        option = click.option("--ocsp", "responses", multiple=True, metavar="FILE", help=help_)
        return option(responder_option(function))

    return with_options


class Staples:
    """OCSP responses that were handed over with a question.

    Args:
        verifier: whom the question goes to.
        files: of responses, DER or PEM; what they say of CA certificates counts too.
        responders: files of certificates (`--responder`).
    """

    def __init__(self, verifier: Verifier, files: Sequence[str], responders: tuple[str, ...]) -> None:
        if len(files) > RESPONSES_MAX:
            raise Mistake(
                f"--ocsp can be given {RESPONSES_MAX} times: of one certificate no more responses are looked at"
            )
        self._trust = verifier.trust
        self._given = [_response(one) for one in files]
        known = _responders(responders, verifier.trust)
        self._checker = told(
            lambda: OcspChecker(verifier.trust, verifier.profile, responders=known, revocation=verifier.revocation)
        )

    def of(self, certificates: Sequence[bytes], at: int, sent: Sequence[bytes] | None = None) -> OcspStatements | None:
        """What the files say of each certificate; None if there are none."""
        return self.in_rows([self._given] * len(certificates), certificates, at, sent)

    def in_rows(
        self,
        responses: Sequence[Sequence[bytes]],
        certificates: Sequence[bytes],
        at: int,
        sent: Sequence[bytes] | None = None,
    ) -> OcspStatements | None:
        """What the responses of each row say of its certificate; None if there is no response at all."""
        if not any(responses):
            return None
        return self._checker.check(responses, certificates, at=at, intermediates=sent)

    def of_cas(self, at: int, sent: Sequence[bytes] = ()) -> OcspStatements | None:
        """What the files say of CAs below the anchors, those that were sent along included."""
        cas = [*self._trust.certificates[len(self._trust.anchors) :], *sent]
        found = self.of(cas, at, [b"".join(sent)] * len(cas))
        if found is None:
            return None
        something = np.flatnonzero(found.array["status"])
        return OcspStatements(found.array[something], found.reasons[something])


@click.command("ocsp")
@click.argument("file")
@click.option("--about", required=True, metavar="FILE", help="The certificate that the response should be about.")
@trust_option()
@profile_option
@responder_option
@click.option("--nonce", metavar="HEX", help="The nonce that was asked with; without it, any is taken, and none too.")
@when_option()
@json_option
def command(
    *,
    file: str,
    about: str,
    anchors: tuple[str, ...],
    intermediates: tuple[str, ...],
    profile: Profile,
    responders: tuple[str, ...],
    nonce: str | None,
    at: int,
    as_json: bool,
) -> None:
    """Does this OCSP response say that the certificate is good?

    FILE is an OCSPResponse in DER, or PEM of it (OCSP RESPONSE); - is standard input. It counts if its signer may speak
    for the certificate's issuer, if it is about that very certificate, and if it is not older than the profile allows.
    The certificate's own signature and path are another question: see `sekisho verify certificate`.

    \b
    Examples:
      openssl ocsp -issuer ca.pem -cert my.pem -url http://ocsp.example -respout my.ocsp
      sekisho verify ocsp my.ocsp --about my.pem --trust ca.pem --profile client-auth

    Ends with 0 if the status is good, else with 1.
    """
    subject = certificates_in(about)[0]
    trust = trust_store(anchors, intermediates)
    checker = told(lambda: OcspChecker(trust, profile, responders=_responders(responders, trust)))
    asked = None if nonce is None else [_nonce(nonce)]
    said = checker.check([_response(file)], [subject.der], at=at, nonces=asked)[0]
    if as_json:
        print_json({"input": file, "about": subject.source, "profile": profile.name, "at": at} | statement_json(said))
    else:
        out = console()
        out.print(Text(f"{said.status}: ", style=_STYLES[said.status]) + Text(statement_words(said)), soft_wrap=True)
        if said.refusal is not None:
            note = f"    To act: {said.refusal.blame.value if said.refusal.blame is not None else ''}. "
            out.print(Text(note + f"Source: {said.refusal.source}.", style="dim"), soft_wrap=True)
    sys.exit(0 if said.status == "good" else 1)


def _response(path: str) -> bytes:
    data = read_file(path)
    if b"-----BEGIN " not in data:
        if not data:
            raise Mistake(f"{path}: this file is empty")
        return data
    found = [der for label, der in pem_blocks(path, data) if label == "OCSP RESPONSE"]
    if len(found) != 1:
        raise Mistake(f"{path}: PEM without one BEGIN OCSP RESPONSE block: give the response as DER")
    return found[0]


def _responders(paths: tuple[str, ...], trust: TrustStore) -> list[Responder]:
    issuers = [der for der, issuer in zip(trust.certificates, trust.issuers, strict=True) if issuer.reason is None]
    return [Responder(one.der, issuers) for path in paths for one in certificates_in(path)]


def _nonce(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Mistake("--nonce must be hexadecimal, as in --nonce 0a1b2c") from None


def statement_words(said: OcspStatement) -> str:
    """What a statement says, for people."""
    if said.refusal is not None:
        return f"{said.refusal.kebab}: {said.refusal.english}"
    until = "with no time of an update" if said.next_update is None else f"next update {instant(said.next_update)}"
    when = f"as of {instant(said.this_update or 0)}, {until}"
    if said.status == "unknown":
        return f"the responder does not know the certificate, {when}"
    if said.revoked_at is not None:
        return (
            f"on {instant(said.revoked_at)}, {CRL_REASONS.get(said.crl_reason or 0, 'for a reason of its own')}, {when}"
        )
    return when


def statement_json(said: OcspStatement) -> dict[str, object]:
    """The same for programs."""
    return {
        "status": said.status,
        "reason": said.refusal.kebab if said.refusal is not None else None,
        "crl_reason": said.crl_reason,
        "revoked_at": said.revoked_at,
        "this_update": said.this_update,
        "next_update": said.next_update,
    }
