"""`sekisho load`: a city logs in at a running server, at the times it was to, and what came of it."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.table import Table

from sekisho import frames
from sekisho.cli.base import Mistake, console, json_option, print_json, progress_bar
from sekisho.client import ClientError
from sekisho.client.aio import AsyncClient
from sekisho.client.line import Address
from sekisho.client.load import CURVES, Curve, Outcome, arrivals, drive
from sekisho.frames import Code
from sekisho.reasons import Reason
from sekisho.testing.city import City
from sekisho.testing.logins import make_logins

__all__ = ["command"]

CHALLENGES_AT_ONCE: Final = 1024
LIFETIME: Final = 300  # seconds; in which all must be signed and sent
BAR: Final = 40  # columns
PERCENTILES: Final = (50, 90, 99, 99.9, 100)


@click.command()
@click.argument("address")
@click.option("--tenant", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Its number.")
@click.option(
    "--city",
    "folder",
    required=True,
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False),
    help="Who logs in, as `sekisho city` makes it; the server must trust its CAs.",
)
@click.option(
    "--logins", type=click.IntRange(1), default=None, help="Different ones, signed first; by default one a citizen."
)
@click.option("--requests", type=click.IntRange(1), default=None, help="To send; more than logins are retries of them.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=1000.0, show_default=True, help="A second.")
@click.option("--times", type=click.FloatRange(0, min_open=True), default=1.0, help="So many times the rate: overload.")
@click.option("--curve", type=click.Choice(CURVES), default="constant", show_default=True, help="How they arrive.")
@click.option("--connections", type=click.IntRange(1, 4096), default=16, show_default=True)
@click.option("--deadline", "deadline_ms", type=click.IntRange(0), default=0, help="Milliseconds; 0: the server's own.")
@click.option("--retries", type=click.IntRange(0, 100), default=0, help="Of one that is told to try again later.")
@click.option("--references", is_flag=True, help="Have certificates kept, and name those that are by their hash.")
@click.option(
    "--certificate", type=click.Path(exists=True, dir_okay=False), help="TLS: the client's, and its key, in PEM."
)
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False), help="TLS: whom the server's certificate is from, in PEM."
)
@json_option
def command(*, address: str, folder: str, as_json: bool, **given: Any) -> None:
    """Let a city log in at a running server, and say how long it took.

    ADDRESS is a Unix socket's path, or HOST:PORT.

    All logins are signed first, over challenges that the server issues. Then each is sent when its time has come, whether
    those before it were answered or not, and its clock starts when it was to be sent.

    \b
    Examples:
      sekisho load /run/sekisho/sekisho.sock --tenant 7 --city city --rate 5500
      sekisho load /run/sekisho/sekisho.sock --tenant 7 --city city --curve burst
      sekisho load localhost:7443 --ca ca.pem --certificate me.pem --tenant 7 --city city --rate 5500 --times 10 --retries 3
    """
    city = City.load(folder)
    where = _address(address)
    tls = None
    if given["ca"] or given["certificate"]:
        tls = ssl.create_default_context(cafile=given["ca"])
        if given["certificate"]:
            tls.load_cert_chain(given["certificate"])
    try:
        outcome = _runner(_load(where, tls, city, given))
    except ClientError as error:
        raise Mistake(f"{address}: {error}") from None
    told = _told(outcome)
    if as_json:
        print_json(told)
    else:
        _show(outcome, told)
    sys.exit(0 if outcome.answered.any() else 1)


def _runner(run: Any) -> Outcome:
    try:
        import uvloop  # noqa: PLC0415 - of the extra `server`; asyncio's own does too
    except ImportError:
        return asyncio.run(run)  # type: ignore[no-any-return]
    return uvloop.run(run)  # type: ignore[no-any-return]


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if "/" in text or not port.isdecimal():
        if not Path(text).is_socket():
            raise Mistake(f"{text} is no Unix socket, and no HOST:PORT")
        return text
    return host, int(port)


async def _load(address: Address, tls: ssl.SSLContext | None, city: City, given: dict[str, Any]) -> Outcome:
    logins = given["logins"] or city.plan.citizens
    requests = given["requests"] or logins
    with progress_bar() as bar:
        task = bar.add_task("challenges", total=logins)
        challenges: list[bytes] = []
        async with AsyncClient(address, given["tenant"], tls=tls) as client:
            while len(challenges) < logins:
                challenges += await client.challenges(
                    min(CHALLENGES_AT_ONCE, logins - len(challenges)), lifetime=LIFETIME
                )
                bar.update(task, completed=len(challenges))
        bar.update(task, description="citizens signing", completed=0)
        signed = await asyncio.to_thread(
            make_logins, city, challenges, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
        bar.update(task, description="sending", completed=0, total=None)
        sent = [
            frames.login(
                0,
                *fields,
                request=secrets.token_bytes(16),
                deadline_ms=given["deadline_ms"],
                keep=given["references"],
            )
            for fields in zip(signed.certificates, signed.challenges, signed.signatures, strict=True)
        ]
        curve: Curve = given["curve"]
        return await drive(
            address,
            given["tenant"],
            sent,
            arrivals(requests, given["rate"] * given["times"], curve),
            connections=given["connections"],
            tls=tls,
            retries=given["retries"],
        )


def _told(outcome: Outcome) -> dict[str, Any]:
    reasons = Counter(outcome.reasons[outcome.answered].tolist())
    codes = Counter(outcome.codes[outcome.codes != 0].tolist())
    delays = outcome.delay[~np.isnan(outcome.delay)]
    good = int(np.count_nonzero(outcome.reasons == Reason.ACCEPTED))
    known = {int(code): code.kebab for code in Code}
    return {
        "requests": len(outcome),
        "seconds": round(outcome.seconds, 3),
        "accepted_per_second": round(good / outcome.seconds, 1) if outcome.seconds else 0.0,
        "verdicts": {Reason(number).kebab: count for number, count in reasons.most_common()},
        "errors": {known.get(code, str(code)): count for code, count in codes.most_common()},
        "unanswered": int(np.count_nonzero(np.isnan(outcome.latency))),
        "attempts": int(outcome.attempts.sum()),
        "latency_ms": {
            f"p{one:g}": _ms(value) for one, value in zip(PERCENTILES, outcome.percentiles(*PERCENTILES), strict=True)
        },
        "sender_late_ms": {f"p{one:g}": _ms(float(np.percentile(delays, one))) for one in (50, 99, 100)}
        if len(delays)
        else {},
        "histogram_ms": [[low, high, count] for low, high, count in _histogram(outcome)],
    }


def _ms(seconds: float) -> float | None:
    return None if np.isnan(seconds) else round(seconds * 1000, 3)


def _histogram(outcome: Outcome) -> list[tuple[float, float, int]]:
    """(from, to, requests) in milliseconds, in steps of 1, 2 and 5."""
    times = outcome.latency[outcome.answered] * 1000
    if not len(times):
        return []
    edges = [0.0, *(step * 10.0**power for power in range(-2, 6) for step in (1, 2, 5))]
    counts, _ = np.histogram(times, bins=[*edges, np.inf])
    rows = [(edges[i], edges[i + 1] if i + 1 < len(edges) else float("inf"), int(n)) for i, n in enumerate(counts)]
    filled = [i for i, row in enumerate(rows) if row[2]]
    return rows[filled[0] : filled[-1] + 1]


def _show(outcome: Outcome, told: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"{told['requests']:,} requests, {told['attempts']:,} sendings, in {told['seconds']:.2f} s: "
        f"{told['accepted_per_second']:,.0f} accepted a second"
    )
    for kind in ("verdicts", "errors"):
        for name, count in told[kind].items():
            out.print(f"  {count:>10,}  {name}")
    if told["unanswered"]:
        out.print(f"  {told['unanswered']:>10,}  without an answer")
    table = Table(
        title="latency of those with a verdict, from when they were to be sent", title_justify="left", box=None
    )
    for name, justify in (("ms", "right"), ("requests", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    rows = told["histogram_ms"]
    most = max((count for _, _, count in rows), default=1)
    for low, high, count in rows:
        table.add_row(f"{low:g} - {high:g}", f"{count:,}", "#" * max(int(BAR * count / most), 1 if count else 0))
    out.print(table)
    out.print("  ".join(f"{name} {value} ms" for name, value in told["latency_ms"].items()))
    if told["sender_late_ms"]:
        out.print(
            "the sender itself was late by: " + "  ".join(f"{n} {v} ms" for n, v in told["sender_late_ms"].items())
        )
