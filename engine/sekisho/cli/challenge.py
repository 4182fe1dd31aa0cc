"""`sekisho challenge`: issue challenges, and check them when they come back."""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Final

import click
import numpy as np
from rich.text import Text

from sekisho.challenges import LIFETIME_DEFAULT, LIFETIME_MAX, ChallengeKeys
from sekisho.cli.base import F, Mistake, console, json_option, print_json, when_option
from sekisho.cli.inputs import challenge_keys, keys_option, profile_option, read_file, told
from sekisho.profiles import Profile
from sekisho.reasons import Reason

__all__ = ["command"]

COUNT_MAX: Final = 1_000_000
BINDING_MAX: Final = 1024  # bytes; SEKI_CHALLENGE_BINDING_SIZE_MAX in sekisho.h


@click.group()
def command() -> None:
    """Issue challenges, and check them when they come back.

    A challenge is one line of 165 printable characters. It says for whom and until when it is good, and its MAC covers
    that and an opaque binding (a session, a QR id) which is not in it. Issuing keeps no state.

    \b
    Examples:
      sekisho keys make challenge.keys
      sekisho challenge issue --keys challenge.keys --profile jpki-auth --audience https://city.example
      sekisho challenge check --keys challenge.keys --profile jpki-auth --audience https://city.example TOKEN
    """


def _shared(function: F) -> F:
    for option in (
        click.option("--binding", default="", help="What it is bound to: a session, a QR id. Not part of the token."),
        click.option(
            "--transaction",
            metavar="FILE",
            help="The transaction it is for: a file, whose SHA-256 goes into the token; - for standard input.",
        ),
        click.option(
            "--tenant", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Tenant's number."
        ),
        click.option("--audience", default="", help="For whom: the relying party's URL or client id."),
        profile_option,
        keys_option,
    ):
        function = option(function)
    return function


def _transactions(path: str | None, rows: int) -> list[bytes] | None:
    return [hashlib.sha256(read_file(path)).digest()] * rows if path is not None else None


@command.command()
@_shared
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, COUNT_MAX), help="How many.")
@click.option(
    "--lifetime",
    default=LIFETIME_DEFAULT,
    show_default=True,
    type=click.IntRange(1, LIFETIME_MAX),
    help="Seconds until it expires.",
)
@when_option("The time of issue")
@json_option
def issue(
    *,
    keys: str | None,
    profile: Profile,
    audience: str,
    tenant: int,
    transaction: str | None,
    binding: str,
    count: int,
    lifetime: int,
    at: int,
    as_json: bool,
) -> None:
    """Issue challenges, one a line."""
    loaded: ChallengeKeys = challenge_keys(keys)
    if loaded.current is None:
        raise Mistake("this key file has no current key, so it only checks: `sekisho keys rotate FILE` makes one")
    if len(binding.encode()) > BINDING_MAX:
        raise Mistake(f"a binding has at most {BINDING_MAX:,} bytes: give a hash of it")
    tokens = told(
        lambda: loaded.issue(
            count,
            profile=profile.id32,
            tenant=tenant,
            audience=audience,
            lifetime=lifetime,
            bindings=[binding.encode()] * count if binding else None,
            transactions=_transactions(transaction, count),
            at=at,
        )
    )
    lines = [bytes(token).decode("ascii") for token in tokens]
    if as_json:
        print_json({"challenges": lines, "issued": at, "expires": at + lifetime})
    else:
        click.echo("\n".join(lines))


@command.command()
@click.argument("challenges", nargs=-1, metavar="[CHALLENGE]...")
@_shared
@click.option(
    "--skew",
    default=0,
    show_default=True,
    type=click.IntRange(0, 60),
    help="Seconds by which the issuing clock may be ahead.",
)
@when_option()
@json_option
def check(
    *,
    challenges: tuple[str, ...],
    keys: str | None,
    profile: Profile,
    audience: str,
    tenant: int,
    transaction: str | None,
    binding: str,
    skew: int,
    at: int,
    as_json: bool,
) -> None:
    """Check challenges, given as arguments or one a line on standard input; claims none, so it says nothing about use.

    Ends with 0 if all are good, with 1 if one is not.
    """
    given = list(challenges) or sys.stdin.read().split()
    if not given:
        raise Mistake("no challenge was given: write it behind the options, or one a line on standard input")
    loaded: ChallengeKeys = challenge_keys(keys)
    tokens = [one.encode("utf-8", "surrogateescape") for one in given]
    numbers: Any = told(
        lambda: loaded.check(
            tokens,
            profile=profile.id32,
            tenant=tenant,
            audience=audience,
            skew=skew,
            bindings=[binding.encode()] * len(tokens) if binding else None,
            transactions=_transactions(transaction, len(tokens)),
            at=at,
        )
    )
    reasons = [Reason(int(number)) for number in np.asarray(numbers)]
    good = all(reason is Reason.CHALLENGE_OK for reason in reasons)
    if as_json:
        print_json({"good": good, "at": at, "reasons": [reason.kebab for reason in reasons]})
    else:
        out = console()
        for number, reason in enumerate(reasons, 1):
            mark = Text(
                "ok  " if reason is Reason.CHALLENGE_OK else "no  ", style="green" if reason.positive else "bold red"
            )
            where = f"challenge {number}: " if len(reasons) > 1 else ""
            out.print(mark + Text(f"{where}{reason.kebab}: {reason.english}"))
    sys.exit(0 if good else 1)
