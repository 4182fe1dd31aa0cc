"""`sekisho top`: what a server does, second by second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sekisho.cli.base import Mistake, console, json_option, print_json
from sekisho.cli.reading import Reading, View, read, view

__all__ = ["command"]

REASONS: Final = 12  # lines; the most frequent
BAR: Final = 30  # columns
GOOD: Final = frozenset({"accepted", "certificate-ok", "signature-ok"})
FULL: Final = 0.9  # of claims: then it is time to look


@click.command()
@click.argument("address")
@click.option("--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Seconds.")
@click.option("--once", is_flag=True, help="Look for that long once, print, and end.")
@json_option
def command(address: str, every: float, once: bool, as_json: bool) -> None:
    """Watch a server: logins, reasons, latency, queue, cache, claims and revocation data, over all its processes.

    ADDRESS is that of the sidecar, [http] in the configuration: a Unix socket's path, or HOST:PORT. `q` is Ctrl-C.

    \b
    Examples:
      sekisho top /run/sekisho/http.sock
      sekisho top /run/sekisho/http.sock --once --json
    """
    try:
        if once or as_json:
            before = read(address)
            time.sleep(every)
            found = view(read(address), before)
            if as_json:
                print_json(asdict(found))
            else:
                console().print(_shown(address, found))
            return
        with Live(console=console(), screen=True, auto_refresh=False) as live:
            for found in _views(address, every):
                live.update(_shown(address, found), refresh=True)
    except KeyboardInterrupt:
        return
    except ModuleNotFoundError as error:
        raise Mistake(f"{error.name} is missing: pip install 'sekisho[server]'") from None
    except OSError as error:
        raise Mistake(
            f"{address}: {error.strerror or error}; name the socket of [http], which has the metrics"
        ) from None


def _views(address: str, every: float) -> Iterator[View]:
    before: Reading | None = None
    while True:
        now = read(address)
        yield view(now, before)
        before = now
        time.sleep(every)


def _shown(address: str, found: View) -> Group:
    head = Text(f"{found.logins:,.0f} verdicts a second", style="bold")
    head.append(f"   {address}, {found.seconds:.1f} s", style="dim")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    for _ in range(4):
        table.add_column()
    rows = (
        ("answered in", f"p50 {_ms(found.p50)}, p99 {_ms(found.p99)}", "CPU", f"{found.cores:.2f} cores"),
        ("waiting", f"{found.waiting:,}, {found.working:,} in work", "connections", f"{found.connections:,}"),
        ("errors", _rate(found.errors), "cache", _cache(found)),
        ("claims", _claims(found), "revocation", _revocation(found)),
    )
    for left, value, right, other in rows:
        table.add_row(Text(left, style="dim"), value, Text(right, style="dim"), other)
    return Group(head, Text(), table, Text(), _reasons(found), Text(), _latency(found))


def _ms(value: float | None) -> str:
    return "-" if value is None else f"<{value:g} ms"


def _rate(value: float) -> Text:
    return Text(f"{value:,.0f} a second", style="bold red" if value >= 1 else "")


def _cache(found: View) -> str:
    used, most = found.cache_bytes
    hits = "-" if found.cache_hits is None else f"{found.cache_hits:.1f} % hits"
    return f"{hits}, {used / 2**20:,.0f} of {most / 2**20:,.0f} MiB"


def _claims(found: View) -> Text:
    used, most = found.claims
    return Text(f"{used:,} of {most:,}", style="bold red" if used > FULL * most else "")


def _revocation(found: View) -> Text:
    if found.snapshot_age is None:
        return Text("nothing in force" if found.snapshot is None else f"snapshot {found.snapshot}", style="dim")
    text = f"snapshot {found.snapshot}, built {found.snapshot_age / 60:,.0f} min ago"
    return Text(f"{text}, {found.stale} lists stale" if found.stale else text, style="bold red" if found.stale else "")


def _reasons(found: View) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("reason")
    table.add_column("a second", justify="right")
    table.add_column("since the server began", justify="right")
    names = [*found.reasons, *(name for name in found.totals if name not in found.reasons)][:REASONS]
    for name in names:
        style = "green" if name in GOOD else ""
        table.add_row(Text(name, style=style), f"{found.reasons.get(name, 0.0):,.0f}", f"{found.totals.get(name, 0):,}")
    return table


def _latency(found: View) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("answered in, ms", justify="right")
    table.add_column("requests", justify="right")
    table.add_column("")
    most = max((count for _, count in found.latency), default=1.0)
    for bound, count in found.latency:
        table.add_row(f"<{bound:g}", f"{count:,.0f}", "█" * max(1, round(BAR * count / most)))
    return table
