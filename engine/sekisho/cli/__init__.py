"""The command `sekisho`.  A subcommand is a module of this package; each is loaded when it is first asked for."""

from __future__ import annotations

import errno
import io
import sys
from importlib import import_module
from typing import Any, Final

import click

from sekisho._version import __version__
from sekisho.cli.base import CONTEXT, LazyGroup, Mistake

__all__ = ["main"]

_COMMANDS: Final = {
    "demo": "A small city logs in, good and bad: speed, reasons, real input.",
    "verify": "Verify certificates, chains, signatures, or files of logins.",
    "challenge": "Issue challenges, and check them when they come back.",
    "keys": "Make, list, rotate and retire the keys of challenges.",
    "serve": "Answer over sockets and beside gateways, as a configuration says.",
    "revocation": "Take CRLs, and look at what is in force of them.",
    "top": "Watch what a server does, second by second.",
    "load": "Let a city log in at a running server, and see how long it takes.",
    "burst": "A city at nine o'clock: everybody logs in through a server's socket.",
    "inspect": "Show a certificate as the parser sees it, and who would take it.",
    "doctor": "Look the installation over: CPU, kernels, speed, what is missing.",
    "city": "Build a synthetic city of JPKI-shaped certificates, for tests.",
}

_HELP: Final = """\
Verifies certificate logins in bulk: challenge, signature, chain, revocation. It asks nobody: all that it needs is
on this machine.

\b
Start here:
  sekisho doctor                   is this machine ready, and how fast is it?
  sekisho demo                     a small city logs in, good and bad
  sekisho inspect my.cer           what is in a certificate, and who would take it
  sekisho verify --help            certificates, chains, signatures, logins
"""

_EPILOG: Final = """\
\b
Exit codes:
  0  good    1  refused    2  the question could not be asked (usage, a file, the environment)

\b
Completion of commands and options, by shell:
  bash   eval "$(_SEKISHO_COMPLETE=bash_source sekisho)"       in ~/.bashrc
  zsh    eval "$(_SEKISHO_COMPLETE=zsh_source sekisho)"        in ~/.zshrc
  fish   _SEKISHO_COMPLETE=fish_source sekisho | source        in ~/.config/fish/completions/sekisho.fish
"""


class _Main(LazyGroup):
    """The top of the command: what users do wrong is told here in a sentence, whichever module noticed it."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal without Japanese is no reason to stop
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read us has seen enough: click ends quietly
            raise Mistake(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            return super().get_command(ctx, cmd_name)
        except ImportError:
            try:
                import_module("sekisho._native")
            except ImportError as core:
                raise Mistake(f"{core}\n`sekisho doctor` looks the installation over.") from None
            raise


@click.group(cls=_Main, commands_of=_COMMANDS, package=__name__, context_settings=CONTEXT, help=_HELP, epilog=_EPILOG)
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Where the help text is _HELP."""
