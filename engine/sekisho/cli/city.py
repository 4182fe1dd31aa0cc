"""`sekisho city`: a synthetic city of JPKI-shaped certificates, for tests."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from sekisho.cli.base import Mistake, console, progress_bar, when_option
from sekisho.cli.inputs import read_file
from sekisho.testing.city import AT, CITIZENS_MAX, City, build_city
from sekisho.testing.keys import KEY_KINDS, MODES, KeyKind, Mode
from sekisho.testing.logins import make_logins
from sekisho.testing.partitions import city_crls
from sekisho.testing.revoked import REASONS

__all__ = ["command"]

STRANGERS_MAX: Final = 100_000_000
"""Entries; a city's generations have given out 90 million serials each."""


@click.command()
@click.option(
    "--citizens", default=1000, show_default=True, type=click.IntRange(1, CITIZENS_MAX), help="How many people."
)
@click.option("--seed", default="1", show_default=True, help="Any text; the same seed makes the same bytes everywhere.")
@click.option(
    "--key", type=click.Choice(KEY_KINDS), default="rsa2048", show_default=True, help="Kind of the citizens' keys."
)
@click.option(
    "--authority-key", type=click.Choice(KEY_KINDS), default="rsa2048", show_default=True, help="Kind of the CAs' keys."
)
@click.option(
    "--out", "folder", required=True, metavar="FOLDER", type=click.Path(file_okay=False), help="Where to write it."
)
@click.option("--workers", type=click.IntRange(1), default=None, help="Threads; by default one for each CPU.")
@click.option(
    "--revoked",
    metavar="N",
    type=click.IntRange(0),
    default=None,
    help="Revoke so many of the certificates, chosen by the seed, and write the CAs' CRLs.",
)
@click.option(
    "--strangers",
    metavar="N",
    type=click.IntRange(0, STRANGERS_MAX),
    default=None,
    help="So many more entries in these CRLs, of certificates that are none of the city's: 25000000 is a nation's.",
)
@when_option("The moment at which all certificates are valid", default=str(AT), shown="2026-04-01")
@click.option(
    "--log-in",
    "challenges_file",
    metavar="FILE",
    help="Let citizens sign these challenges (one a line, - for standard input), and print their logins on standard "
    "output in the form that `sekisho verify logins` reads.",
)
@click.option(
    "--mode", type=click.Choice(MODES), default=None, help="How they sign; by default as their key kind does."
)
def command(
    *,
    citizens: int,
    seed: str,
    key: KeyKind,
    authority_key: KeyKind,
    folder: str,
    workers: int | None,
    revoked: int | None,
    strangers: int | None,
    at: int,
    challenges_file: str | None,
    mode: Mode | None,
) -> None:
    """Build a synthetic city: two self-signed CAs in two generations of one name, and two certificates for everybody.

    The certificates have the exact shape of JPKI's, with invented people in real municipalities, under the name
    O=JPKI-TEST. Each has a modulus of its own. A core makes about a thousand a second.

    TEST ONLY: every private key in it is public knowledge.

    \b
    What is in the folder:
      ca/PURPOSE-GENERATION.cer      the CAs in force: what to trust
      leaves.bin, *.npy, city.json   certificates end to end, offsets and columns, manifest
      crl/PURPOSE-GENERATION-CODE.crl  with --revoked: a list of each CA for each municipality
      revoked.jsonl                  with --revoked: which rows are revoked, for which reason, in which list
      private/                       TEST ONLY keys

    \b
    Examples:
      sekisho city --citizens 10000 --seed demo --out city
      sekisho city --citizens 100 --key p384 --authority-key p384 --out next-generation
      sekisho city --citizens 10000 --revoked 200 --strangers 1000000 --out city
      sekisho city --citizens 100 --at now --out city --log-in challenges > logins.jsonl
    """
    challenges = read_file(challenges_file).split() if challenges_file is not None else []
    if challenges_file is not None and not challenges:
        raise Mistake(
            f"{challenges_file}: there is no challenge in it; `sekisho challenge issue` makes them, one a line"
        )
    if (revoked or 0) > 2 * citizens:
        raise Mistake(f"--revoked {revoked}: {citizens} citizens hold {2 * citizens} certificates")
    target = Path(folder)
    if target.exists() and any(target.iterdir()) and not (target / "city.json").exists():
        raise Mistake(f"{folder} has other things in it: give a new folder, or one that holds a city")
    out = console(stderr=True)
    with progress_bar() as bar:
        task = bar.add_task("building the city", total=None)
        city: City = build_city(
            citizens,
            seed=seed,
            key=key,
            authority_key=authority_key,
            at=at,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    city.save(target)
    out.print(
        Text("TEST ONLY: ", style="bold yellow")
        + Text(f"{citizens:,} citizens, {len(city):,} certificates, in {folder}")
    )
    out.print(Text(f"SHA-256 of all of them: {city.digest}"), soft_wrap=True)
    out.print(Text(f"Trust {folder}/ca; profiles jpki-auth-test, jpki-sign-test."))
    for stale in [*(target / "crl").glob("*.crl"), target / "revoked.jsonl"]:
        stale.unlink(missing_ok=True)  # of the city that was here before
    if revoked is not None or strangers is not None:
        _write_crls(city, target, revoked or 0, strangers or 0, out)
    if challenges:
        _log_in(city, challenges, mode, workers)


def _write_crls(city: City, folder: Path, revoked: int, strangers: int, out: Console) -> None:
    lists = city_crls(city, revoked, strangers=strangers, seed=city.plan.seed)
    names = {number: name for name, number in REASONS.items()}
    with progress_bar() as bar:
        task = bar.add_task("writing CRLs", total=len(lists))
        files = lists.write(folder / "crl", progress=lambda done, total: bar.update(task, completed=done, total=total))
    with open(folder / "revoked.jsonl", "w") as file:
        for row, reason in sorted(lists.revoked.items()):
            purpose, generation, code = lists.key_of(row)
            told = {
                "row": row,
                "citizen": row % city.plan.citizens,
                "purpose": str(purpose),
                "serial": int(city.serial[row]),
                "reason": names[reason],
                "crl": f"{purpose}-{generation}-{code}.crl",
            }
            file.write(json.dumps(told) + "\n")
    entries, size = sum(one.entries for one in files), sum(one.size for one in files)
    out.print(Text(f"{len(files)} CRLs, {entries:,} entries, {size:,} bytes, in {folder}/crl; {revoked} of the city's"))


def _log_in(city: City, challenges: list[bytes], mode: Mode | None, workers: int | None) -> None:
    try:
        with progress_bar() as bar:
            task = bar.add_task("citizens signing", total=len(challenges))
            logins = make_logins(
                city,
                challenges,
                mode=mode,
                workers=workers,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except ValueError as error:
        raise Mistake(f"{error}: leave --mode out, or choose one that such keys have") from None
    for certificate, challenge, signature in zip(logins.certificates, challenges, logins.signatures, strict=True):
        login = {
            "certificate": base64.b64encode(certificate).decode(),
            "challenge": challenge.decode("utf-8", "replace"),
            "signature": base64.b64encode(signature).decode(),
        }
        sys.stdout.write(json.dumps(login, ensure_ascii=False) + "\n")
