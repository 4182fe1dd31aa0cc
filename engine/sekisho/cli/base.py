"""What every subcommand shares: lazy loading, consoles, times, JSON, and how a mistake is told.  Needs no C core."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = [
    "CONTEXT",
    "F",
    "LazyGroup",
    "Mistake",
    "TimeParam",
    "console",
    "instant",
    "json_option",
    "print_json",
    "progress_bar",
    "when_option",
]

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
TIME_MAX: Final = 2**40 - 1  # SEKI_TIME_MAX in sekisho.h
WIDTH: Final = 100  # columns where there is no terminal to ask


F = TypeVar("F", bound=Callable[..., Any])
"""What an option decorates."""


class Mistake(click.ClickException):
    """The question could not be asked: a file, an option, the environment.  The message says what to do."""

    exit_code = 2


class LazyGroup(click.Group):
    """A group whose commands are modules of a package, loaded when they are run, not when they are listed."""

    def __init__(self, *args: Any, commands_of: Mapping[str, str], package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._summaries = commands_of
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._summaries:
            return None
        found = import_module(f"{self._package}.{cmd_name}").command
        assert isinstance(found, click.Command)  # noqa: S101 - our own modules
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))


# ---- output --------------------------------------------------------------------------------------


def console(*, stderr: bool = False) -> Console:
    """A console on what are now the standard streams; plain text, 100 columns wide, where nobody looks on."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH, no_color=True)


def print_json(value: Any) -> None:
    """`value` on standard output, for programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on standard error for long work; nothing at all where nobody looks on."""
    to = console(stderr=True)
    columns = (TextColumn("{task.description:<34}"), BarColumn(32), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=to, transient=True, disable=not to.is_terminal) as bar:
        yield bar


def instant(seconds: int) -> str:
    """`seconds` since 1970 as people write it, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError):
        return f"{seconds} s since 1970"


# ---- options -------------------------------------------------------------------------------------


def _seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class TimeParam(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A moment: `now`, seconds since 1970, or an ISO 8601 date or time (UTC unless it says otherwise)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value == "now":
            return int(time.time())
        try:
            moment = int(value) if value.isdecimal() else _seconds(datetime.fromisoformat(value))
        except ValueError:
            self.fail(f"{value!r} is no time: write now, 2026-04-01, 2026-04-01T12:00:00+09:00, or seconds since 1970")
        if not 0 <= moment <= TIME_MAX:
            self.fail(f"{value!r} lies before 1970, or so far ahead that it cannot be seconds (milliseconds, perhaps?)")
        return moment


def when_option(what: str = "The time to judge at", *, default: str = "now", shown: str = "now") -> Callable[[F], F]:
    """The option `--at`."""
    return click.option(
        "--at",
        type=TimeParam(),
        default=default,
        show_default=shown,
        metavar="TIME",
        help=f"{what}: now, a date, an ISO 8601 time (UTC unless it says otherwise), or seconds since 1970.",
    )
