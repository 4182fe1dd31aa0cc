"""`sekisho demo`: a small city logs in, good and bad, and real input besides."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import click
from cryptography.hazmat.backends.openssl import backend as peer_backend
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from sekisho._native import ffi, lib
from sekisho._version import __version__
from sekisho.cli import burst
from sekisho.cli.base import console, instant, json_option, print_json, progress_bar
from sekisho.cli.machine import cpu_model
from sekisho.demo import Case, Missing, crowd, jpki, openssl_ca, pkcs11
from sekisho.demo.programs import ProgramError
from sekisho.engine import kernels
from sekisho.testing.city import City, build_city

__all__ = ["command"]

CITIZENS: Final = 2000
OTHER_MODES: Final = 100  # citizens who log in in the modes A' and B
BURST: Final = 33_000  # who log in through the socket at the end
SHARED: Final = "/dev/shm"  # noqa: S108 - in memory if it can be: claims are made for that


@dataclass
class Part:
    """Real input of one kind: what was tried, or why nothing was."""

    title: str
    cases: list[Case] = field(default_factory=list)
    not_run: str = ""
    failed: str = ""

    @property
    def good(self) -> bool:
        return not self.failed and all(case.good for case in self.cases)


@dataclass
class Story:
    """All that the demo found out."""

    citizens: int
    at: int
    machine: dict[str, Any]
    speeds: list[crowd.Speed] = field(default_factory=list)
    outcomes: list[crowd.Outcome] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    generations: list[jpki.Generation] = field(default_factory=list)
    now: int = 0
    burst: burst.Story | None = None
    seconds: float = 0.0

    @property
    def answers(self) -> int:
        through_socket = self.burst.rush.logins if self.burst is not None else 0
        return sum(one.answers for one in self.outcomes) + sum(len(part.cases) for part in self.parts) + through_socket

    @property
    def surprises(self) -> int:
        wrong = sum(len(one.surprises) for one in self.outcomes)
        wrong += sum(not case.good for part in self.parts for case in part.cases)
        wrong += self.burst.surprises if self.burst is not None else 0
        return wrong + sum(bool(part.failed) for part in self.parts)

    @property
    def not_run(self) -> list[Part]:
        return [part for part in self.parts if part.not_run]


@click.command()
@click.option(
    "--citizens", default=CITIZENS, show_default=True, type=click.IntRange(16, 100_000), help="How many log in."
)
@click.option(
    "--seed", default="demo", show_default=True, help="Which city: the same seed makes the same certificates."
)
@click.option(
    "--copies", default=2, show_default=True, type=click.IntRange(1, 20), help="How many of each kind of bad login."
)
@click.option(
    "--burst",
    "through_socket",
    metavar="N",
    default=BURST,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How many log in through the socket of a server at the end; 0: nobody.",
)
@click.option("--strict", is_flag=True, help="Fail (exit code 2) if a part could not run because a program is missing.")
@json_option
def command(*, citizens: int, seed: str, copies: int, through_socket: int, strict: bool, as_json: bool) -> None:
    """Let a small synthetic city log in, good and bad, and show what came of it.

    Builds the city, issues a challenge to every citizen, signs it, and verifies all logins cold (certificates never
    seen), warm, and once more as replays, salted with every kind of bad login in three signature modes. Each verdict
    is held against what was planted: one surprise and the exit code is 1. The good logins are timed beside the same
    work done with `cryptography` in the same run. Then real input: certificates made by OpenSSL, signatures made in a
    PKCS #11 token, and JPKI's own CA certificates.

    \b
    Examples:
      sekisho demo
      sekisho demo --citizens 10000
      sekisho demo --json > demo.json

    All of its keys and people are synthetic, TEST ONLY.
    """
    start = time.monotonic()
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="sekisho-demo-", dir=_memory_folder()) as folder:
        story = _play(citizens, seed, copies, Path(folder), bar)
        if through_socket:
            story.burst = _burst(through_socket, story.parts, Path(folder), bar)
    story.seconds = time.monotonic() - start
    if as_json:
        print_json(_as_json(story))
    else:
        _tell(story, console())
    sys.exit(1 if story.surprises else 2 if strict and story.not_run else 0)


def _memory_folder() -> str | None:
    return SHARED if os.access(SHARED, os.W_OK | os.X_OK) else None


# ---- playing -------------------------------------------------------------------------------------


def _play(citizens: int, seed: str, copies: int, folder: Path, bar: Progress) -> Story:
    city: City = build_city(citizens, seed=seed, progress=_stage(bar, "building the city"))
    story = Story(citizens, city.plan.at, _machine(), now=int(time.time()))
    for letter, count, times in (("A", citizens, copies), ("A'", OTHER_MODES, 1), ("B", OTHER_MODES, 1)):
        outcome, desk, good = crowd.let_everyone_in(
            city,
            letter,
            min(count, citizens),
            folder,
            copies=times,
            progress=_stage(bar, f"citizens signing (mode {letter})"),
        )
        story.outcomes.append(outcome)
        if letter == "A":
            story.speeds = crowd.measure(city, desk, good, folder, _stage(bar, "timing, in turns with the peer"))
    openssl = Part("Certificates made by `openssl ca`, profile client-auth-test")
    token = Part("Challenges signed in a PKCS #11 token (SoftHSM2, pkcs11-tool), profile jpki-auth-test")
    story.parts = [openssl, token]
    _try(openssl, _new(folder, "openssl"), lambda at: openssl_ca.cases(openssl_ca.make_pki(at)), bar)
    _try(token, _new(folder, "token"), lambda at: pkcs11.cases(pkcs11.make_token(at), city), bar)
    story.generations = jpki.generations(story.now)
    return story


def _burst(citizens: int, parts: list[Part], folder: Path, bar: Progress) -> burst.Story | None:
    part = Part(f"{citizens:,} people through the socket of `sekisho serve`")
    missing = burst.missing()
    try:
        if missing is None:
            return burst.play(citizens, burst.SEED, folder, bar, 0)
        part.not_run = missing
    except RuntimeError as error:
        part.failed = str(error)
    parts.append(part)
    return None


def _try(part: Part, folder: Path, play: Callable[[Path], Iterable[Case]], bar: Progress) -> None:
    task = bar.add_task(part.title.split(",")[0][:34], total=None)
    try:
        part.cases = list(play(folder))
    except Missing as error:
        part.not_run = str(error)
    except ProgramError as error:
        part.failed = str(error)
    bar.remove_task(task)


def _new(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _stage(bar: Progress, what: str) -> Callable[[int, int], None]:
    """A line of the progress bar that goes when it is full."""
    tasks: list[Any] = []

    def step(done: int, total: int) -> None:
        if not tasks:
            tasks.append(bar.add_task(what, total=total))
        bar.update(tasks[0], completed=done, total=total, visible=done < total)

    return step


def _machine() -> dict[str, Any]:
    return {
        "cpu": cpu_model(),
        "threads": len(os.sched_getaffinity(0)),
        "kernels": {one.name: one.state for one in kernels()},
        "chosen": next((one.name for one in kernels() if one.chosen), "openssl"),
        "versions": {
            "sekisho": __version__,
            "OpenSSL": ffi.string(lib.seki_openssl_version()).decode("ascii").split()[1],
            "Python": platform.python_version(),
            "cryptography": f"{metadata.version('cryptography')} (OpenSSL {peer_backend.openssl_version_text().split()[1]})",
        },
    }


# ---- telling -------------------------------------------------------------------------------------


def _as_json(story: Story) -> dict[str, Any]:
    return {
        "citizens": story.citizens,
        "at": story.at,
        "machine": story.machine,
        "speeds": [asdict(one) for one in story.speeds],
        "modes": [_outcome(one) for one in story.outcomes],
        "real": [asdict(part) for part in story.parts],
        "burst": burst.told(story.burst) if story.burst is not None else None,
        "jpki": [
            {
                "ca": one.name,
                "generation": one.number,
                "window": one.report.window,
                "identity": one.report.identity,
                "reason": one.reason.kebab if one.reason is not None else None,
            }
            for one in story.generations
        ],
        "now": story.now,
        "answers": story.answers,
        "surprises": story.surprises,
        "not_run": [part.title for part in story.not_run],
        "seconds": round(story.seconds, 1),
    }


def _outcome(one: crowd.Outcome) -> dict[str, Any]:
    counters = {"planted": dict(one.planted), "found": dict(one.found)}
    return asdict(replace(one, planted=Counter(), found=Counter())) | counters


def _table(*columns: str, right: tuple[int, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number in right else "left", no_wrap=True)
    return table


def _title(out: Console, text: str) -> None:
    out.print()
    out.print(Text(text, style="bold"))


def _tell(story: Story, out: Console) -> None:
    machine = story.machine
    out.print(
        Text("A city of ", style="bold")
        + Text(f"{story.citizens:,}", style="bold")
        + Text(f" logs in at {instant(story.at)}", style="bold")
        + Text("   (synthetic, TEST ONLY)", style="dim")
    )
    out.print(Text(", ".join(f"{name} {version}" for name, version in machine["versions"].items())))
    on = [name for name, state in machine["kernels"].items() if state == "on"]
    out.print(Text(f"{machine['cpu']}, {machine['threads']} CPUs; lane kernels on: {', '.join(on) or 'none'}"))
    _tell_speed(story, out)
    _tell_outcomes(story, out)
    for part in story.parts:
        _tell_part(part, out)
    _tell_jpki(story, out)
    if story.burst is not None:
        _title(
            out,
            f"{story.burst.citizens:,} people at once through the socket of `sekisho serve`, cold, bad ones among them",
        )
        burst.tell_at_once(story.burst, out)
    out.print()
    verdict = f"{story.answers:,} verdicts, {story.surprises or 'zero'} surprise{'s' * (story.surprises != 1)}"
    style = "bold red" if story.surprises else "bold green"
    missing = f", {len(story.not_run)} part NOT RUN" if story.not_run else ""
    out.print(Text(verdict, style=style) + Text(missing, style="bold yellow") + Text(f", in {story.seconds:.0f} s."))


def _tell_speed(story: Story, out: Console) -> None:
    _title(out, "RSA-2048 logins a second, beside the same work done with cryptography")
    threads = f"{story.machine['threads']} threads"
    table = _table("", "1 thread", threads, "cryptography", "ratio", "lowest to highest", right=(1, 2, 3, 4))
    words = {"cold": "cold: certificates never seen", "warm": "warm: certificates seen before"}
    for one in story.speeds:
        ratio = Text(f"{one.ratio:.1f} x", style="bold")
        spread = Text(f"{one.low:.1f} to {one.high:.1f}", style="dim")
        table.add_row(words[one.what], f"{one.ours:,.0f}", f"{one.ours_all:,.0f}", f"{one.peer:,.0f}", ratio, spread)
    out.print(table)
    note = f"Medians of {crowd.ROUNDS} rounds in turns. cryptography: 1 thread, no challenge, no single use; warm, no dates."
    out.print(Text(note, style="dim"))


def _tell_outcomes(story: Story, out: Console) -> None:
    _title(out, "Good and bad, cold, then warm, then all again as replays: planted and found")
    table = _table("signature mode", "good", "bad", "verdicts", "warm from cache", "surprises", right=(1, 2, 3, 4, 5))
    names = {"A": "A   DigestInfo", "A'": "A'  bare hash", "B": "B   challenge itself"}
    for one in story.outcomes:
        cache = f"{one.hits:,} of {one.warm:,}"
        count = Text(str(len(one.surprises)), style="bold red" if one.surprises else "green")
        table.add_row(names[one.mode], f"{one.good:,}", f"{one.bad:,}", f"{one.answers:,}", cache, count)
    out.print(table)
    planted = sum((one.planted for one in story.outcomes), start=Counter[str]())
    found = sum((one.found for one in story.outcomes), start=Counter[str]())
    reasons = sorted(planted | found, key=lambda name: (-planted[name], name))
    half = (len(reasons) + 1) // 2
    table = _table(*("reason", "planted", "found") * 2, right=(1, 2, 4, 5))
    for left, right in zip(reasons[:half], [*reasons[half:], ""], strict=False):
        table.add_row(*_counted(left, planted, found), *_counted(right, planted, found))
    out.print(table)
    for surprise in [one for outcome in story.outcomes for one in outcome.surprises][:10]:
        expected = " or ".join(surprise.expected)
        what = f"SURPRISE ({surprise.when}): {surprise.kind} deserves {expected} and got {surprise.found}"
        out.print(Text(what, style="bold red"))


def _counted(reason: str, planted: dict[str, int], found: dict[str, int]) -> tuple[Text, ...]:
    if not reason:
        return (Text(), Text(), Text())
    style = "" if planted[reason] == found[reason] else "bold red"
    return Text(reason, style=style), Text(f"{planted[reason]:,}", style=style), Text(f"{found[reason]:,}", style=style)


def _tell_part(part: Part, out: Console) -> None:
    _title(out, part.title)
    if part.not_run:
        out.print(Text(f"NOT RUN: {part.not_run}", style="bold yellow"))
    if part.failed:
        out.print(Text(f"FAILED: {part.failed}", style="bold red"))
    if part.cases:
        table = _table("", "", "")
        table.show_header = False
        for case in part.cases:
            mark = Text("ok", style="green") if case.good else Text(f"expected {case.expected}", style="bold red")
            table.add_row(case.what, case.found, mark)
        out.print(table)


def _tell_jpki(story: Story, out: Console) -> None:
    _title(out, f"JPKI's six CA certificates: two names, three keys each, as they stand at {instant(story.now)}")
    table = _table("generation", "valid", "for logins", "now", "for documents", "now")
    by_number: dict[int, list[jpki.Generation]] = {}
    for one in story.generations:
        by_number.setdefault(one.number, []).append(one)
    for number, pair in by_number.items():
        window = pair[0].report.window or (0, 0)
        valid = f"{instant(window[0])[:10]} to {instant(window[1])[:10]}"
        cells: list[str | Text] = []
        for one in pair:
            verdict = Text("admitted", style="green") if one.reason is None else Text(one.reason.kebab, style="yellow")
            cells += [one.report.identity[:10], verdict]
        table.add_row(str(number), valid, *cells)
    out.print(table)
