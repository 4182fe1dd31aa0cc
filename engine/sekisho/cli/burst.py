"""`sekisho burst`: a city at nine o'clock, through the socket of a server of its own."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from sekisho.cli.base import Mistake, console, json_option, print_json, progress_bar
from sekisho.cli.machine import cpu_model

__all__ = ["SEED", "Story", "command", "headline", "missing", "play", "tell_at_once", "told"]

CITY: Final = 330_000  # people: a core city of Japan's law has 200,000 at the least
CITY_RATE: Final = 5_500.0  # logins a second: 330,000 in a minute
NATION_RATE: Final = 17_000.0  # logins a second
SEED: Final = "nine o'clock"
COPIES: Final = 2  # of each kind of bad login
SHARED: Final = "/dev/shm"  # noqa: S108 - in memory if it can be: claims are made for that
MILLISECONDS: Final = 1000


@dataclass
class Story:
    """All that was found out.

    Attributes:
        stages: seconds that each took, by name, in their order.
        rush: everybody at once.
        pace: by name, logins at a steady rate.
    """

    citizens: int
    stages: dict[str, float] = field(default_factory=dict)
    rush: Any = None
    pace: dict[str, Any] = field(default_factory=dict)

    @property
    def surprises(self) -> int:
        return int(self.rush.surprises + sum(one.surprises for one in self.pace.values()))


@click.command()
@click.option("--citizens", default=33_000, show_default=True, type=click.IntRange(16, 1_000_000), help="How many.")
@click.option("--seed", default=SEED, show_default=True, help="Which city.")
@click.option(
    "--seconds", default=10, show_default=True, type=click.IntRange(0, 3600), help="Of each steady rate; 0: none."
)
@click.option(
    "--report", metavar="FILE", type=click.Path(dir_okay=False), help="Write it for people too: HTML with plots."
)
@json_option
def command(citizens: int, seed: str, seconds: int, report: str | None, as_json: bool) -> None:
    """A city at nine o'clock: everybody logs in through the socket of a server that has seen nobody before.

    Makes the city and lets everybody sign a challenge (once: it is kept in the cache, about 0.5 GB for 330,000 people);
    starts `sekisho serve`; sends all logins at once, with bad ones of every kind strewn in, and holds each verdict
    against what was planted. Then to new servers at steady rates: a city's 5,500 logins a second, a nation's 17,000.
    One surprise and the exit code is 1.

    \b
    Examples:
      sekisho burst
      sekisho burst --citizens 330000 --seconds 60 --report city.html      as `make city` does

    All of its keys and people are synthetic, TEST ONLY.
    """
    if (lacking := missing()) is not None:
        raise Mistake(lacking)
    if report is not None and find_spec("matplotlib") is None:
        raise Mistake("matplotlib is missing: pip install 'sekisho[report]'")
    shared = SHARED if os.access(SHARED, os.W_OK | os.X_OK) else None
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="sekisho-burst-", dir=shared) as folder:
        try:
            story = play(citizens, seed, Path(folder), bar, seconds)
        except RuntimeError as error:
            raise Mistake(str(error)) from None
    if report is not None:
        from sekisho.demo.report import written  # noqa: PLC0415 - needs the extra `report`

        Path(report).write_text(written(headline(story), cpu_model(), story.stages, story.rush, story.pace))
    if as_json:
        print_json(told(story))
    else:
        _tell(story)
    sys.exit(1 if story.surprises else 0)


def missing() -> str | None:
    """What is not installed, and how it is."""
    lacking = [name for name in ("uvloop", "uvicorn", "starlette", "prometheus_client") if find_spec(name) is None]
    return f"{', '.join(lacking)} missing: pip install 'sekisho[server]'" if lacking else None


def play(citizens: int, seed: str, folder: Path, bar: Progress, seconds: int) -> Story:
    """The whole of it.

    Args:
        folder: for sockets and claims; empty afterwards.
        seconds: of each steady rate; 0: everybody at once is all.

    Raises:
        RuntimeError: the server did not begin, or refuses us.
    """
    from sekisho.demo import burst  # noqa: PLC0415 - needs the extra `server`
    from sekisho.demo.signed import signed_city  # noqa: PLC0415

    story = Story(citizens)
    tasks: dict[str, Any] = {}

    def watch(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, total=total, visible=done < total)

    def stage(name: str) -> None:
        now = time.perf_counter()
        story.stages[name] = now - began[0]
        began[0] = now

    began = [time.perf_counter()]
    signed = signed_city(citizens, seed, watch)
    stage("city and signatures, or out of the cache")
    sent, expected = burst.frames_of(signed, burst.salt(signed, folder, COPIES), watch)
    stage("bad logins, and all into frames")
    with burst.server(signed, folder) as server:
        stage("server begins")
        story.rush = burst.everybody_at_once(server, sent, expected, watch)
        stage("everybody at once")
    for name, rate in (("city", CITY_RATE), ("nation", NATION_RATE)) if seconds else ():
        count = min(len(sent), int(rate * seconds))
        watch(f"{name}: {rate:,.0f} a second", 0, 1)
        with burst.server(signed, folder) as server:
            story.pace[name] = burst.paced(server, sent[:count], expected[:count], rate)
        watch(f"{name}: {rate:,.0f} a second", 1, 1)
        stage(f"{name}, {rate:,.0f} a second")
    return story


def headline(story: Story) -> str:
    """The result in one line."""
    rush = story.rush
    line = f"A city's nine o'clock: {rush.logins:,} cold logins in {rush.seconds:.2f} s, {rush.cpu:.2f} s of CPU"
    nation = story.pace.get("nation")
    if nation is None:
        return line
    late = _ms(nation.latency, 99)
    return f"{line}; a nation's {nation.rate:,.0f} a second take {nation.share:.2f} of a core, p99 {late} ms"


def _ms(seconds: Any, which: float) -> float:
    return round(float(np.nanpercentile(seconds, which)) * MILLISECONDS, 2)


def _times(latency: Any) -> dict[str, float]:
    return {f"p{which:g}": _ms(latency, which) for which in (50, 99, 99.9)}


def told(story: Story) -> dict[str, Any]:
    """For programs."""
    rush = story.rush
    return {
        "citizens": story.citizens,
        "stages_s": {name: round(value, 3) for name, value in story.stages.items()},
        "at_once": {
            "logins": rush.logins,
            "seconds": round(rush.seconds, 3),
            "server_cpu_s": round(rush.cpu, 2),
            "server_memory_bytes": rush.memory,
            "latency_ms": _times(rush.latency),
            "planted": dict(rush.planted),
            "found": dict(rush.found),
        },
        "pace": {
            name: {
                "rate": one.rate,
                "logins": one.logins,
                "cores": round(one.share, 3),
                "latency_ms": _times(one.latency),
                "sender_late_ms": {f"p{which:g}": _ms(one.delay, which) for which in (50, 99)},
            }
            for name, one in story.pace.items()
        },
        "surprises": story.surprises,
    }


def _tell(story: Story) -> None:
    out, rush = console(), story.rush
    out.print(Text(headline(story), style="bold"), soft_wrap=True)
    tell_at_once(story, out)
    table = Table(
        box=None, header_style="dim", title="at a steady rate, from when each was to be sent, ms", title_justify="left"
    )
    for name in ("", "a second", "logins", "cores", "p50", "p99", "p99.9", "sender late, p99"):
        table.add_column(name, justify="right" if name else "left")
    for name, one in story.pace.items():
        times = [f"{_ms(one.latency, which):,.2f}" for which in (50, 99, 99.9)]
        table.add_row(
            name, f"{one.rate:,.0f}", f"{one.logins:,}", f"{one.share:.2f}", *times, f"{_ms(one.delay, 99):,.2f}"
        )
    if story.pace:
        out.print(table)
    table = Table(box=None, header_style="dim")
    for name in ("reason", "planted", "found"):
        table.add_column(name, justify="left" if name == "reason" else "right")
    for reason in sorted(rush.planted | rush.found, key=lambda one: (-rush.planted[one], one)):
        style = "" if rush.planted[reason] == rush.found[reason] else "bold red"
        table.add_row(reason, f"{rush.planted[reason]:,}", f"{rush.found[reason]:,}", style=style)
    out.print(table)
    out.print("stages: " + ", ".join(f"{name} {value:.1f} s" for name, value in story.stages.items()), soft_wrap=True)
    out.print(Text(f"{story.surprises} surprises", style="bold red" if story.surprises else "bold green"))


def tell_at_once(story: Story, out: Console) -> None:
    """Two lines about everybody at once."""
    rush = story.rush
    times = ", ".join(f"{name} {value:,.2f} ms" for name, value in _times(rush.latency).items())
    out.print(
        f"{rush.rate:,.0f} logins a second through the socket, {rush.cpu / rush.logins * 1e6:.1f} us of CPU a login, "
        f"{rush.memory / 2**20:,.0f} MiB at the most",
        soft_wrap=True,
    )
    out.print(f"from sending to the answer, all at once: {times}", soft_wrap=True)
