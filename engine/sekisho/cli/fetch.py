"""`sekisho revocation fetch`: bring CRLs into a folder.  The one command that calls out."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from sekisho.cli.base import Mistake, console, instant, json_option, print_json, progress_bar
from sekisho.cli.inputs import certificates_in
from sekisho.revocation.fetch.certificate import sources_of_certificate
from sekisho.revocation.fetch.folder import Folder, FolderError
from sekisho.revocation.fetch.sources import (
    Directory,
    Password,
    Plan,
    SourceError,
    directory_of,
    plan_of_toml,
    source_of_url,
)

if TYPE_CHECKING:
    from sekisho.revocation.fetch.fetcher import Fetcher, Outcome, State

__all__ = ["command"]

PASSWORD_VARIABLE: Final = "SEKISHO_LDAP_PASSWORD"  # noqa: S105 - where it stands, not what it is
EVERY_MIN: Final = 10  # seconds; CRLs do not come more often
_STYLES: Final[dict[State, str]] = {"fetched": "green", "unchanged": "", "failed": "bold red"}

_HELP: Final = f"""\
Bring CRLs into a folder, over HTTP, HTTPS, LDAP and LDAPS.

A file appears in the folder whole or not at all, and keeps its time of change while its bytes stay the same. Only its
shape is looked at (DER or PEM of a CRL): whether it is to be believed is decided by who reads the folder. What stands
there stays when a fetch fails. sekisho itself never calls out; this command does, so give it a user of its own that may
write the folder and read nothing secret.

\b
Where CRLs are:
  URL                      http, https, ldap, ldaps; an LDAP URL names an entry and, if you like, an attribute:
                           ldap://dir.example/cn=ca,o=example?certificateRevocationList;binary
  --from-certificate FILE  the distribution points of a certificate
  --sources FILE.toml      a list, with directories that want a bind; its form is in docs/OPERATIONS.md

\b
Examples:
  sekisho revocation fetch --into crls http://ca.example/ca.crl
  sekisho revocation fetch --into crls --from-certificate my.cer --ldap-server ldaps://dir.example
  sekisho revocation fetch --sources sources.toml --every 3600 --json

HTTP servers are asked whether anything changed (ETag, Last-Modified), are left alone as long as they ask (Retry-After),
and are tried again after growing waits. Certificates of https and ldaps are verified, always. Redirects stay within
http, or within https. Of the environment, {PASSWORD_VARIABLE}, SSL_CERT_FILE and SSL_CERT_DIR count; http_proxy and
its like do not.

\b
Exit codes:
  0  all are fresh or unchanged    1  some failed    2  the question could not be asked (usage, a file, the folder)
With --every it goes on until SIGTERM or SIGINT, and then ends with 0.
"""


@dataclass(frozen=True, slots=True)
class _Given:
    """What stood on the command line."""

    urls: tuple[str, ...]
    certificates: tuple[str, ...]
    sources: str | None
    into: str | None
    directory: Directory | None
    limits: dict[str, Any]


@click.command(help=_HELP)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--into", metavar="FOLDER", type=click.Path(file_okay=False), help="The folder; must exist.")
@click.option("--sources", metavar="FILE.toml", type=click.Path(dir_okay=False), help="A list of sources.")
@click.option(
    "--from-certificate",
    "certificates",
    multiple=True,
    metavar="FILE",
    help="Fetch what the distribution points of this certificate name. May be repeated.",
)
@click.option(
    "--ldap-server",
    metavar="URL",
    help="The directory (ldap://host or ldaps://host) in which distribution points that are directory names are looked "
    "up, and LDAP URLs without a host.",
)
@click.option("--ldap-start-tls", is_flag=True, help="Begin TLS on the ldap:// connection of --ldap-server.")
@click.option("--ldap-bind-dn", metavar="DN", default="", help="Bind to --ldap-server as this entry; else anonymously.")
@click.option(
    "--ldap-password-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help=f"The password for it, in a file that nobody else may read; by default ${PASSWORD_VARIABLE}.",
)
@click.option("--ca-file", metavar="FILE", help="CA certificates (PEM) for TLS; by default the system's.")
@click.option("--proxy", metavar="URL", help="A proxy for http and https: http://host:port. By default none.")
@click.option("--size-max", type=int, metavar="BYTES", help="Largest CRL that is taken; by default 2 GiB.")
@click.option("--tries", type=int, help="How often each source is tried; by default 5.")
@click.option("--timeout", type=int, metavar="SECONDS", help="In which a server must send something; by default 30.")
@click.option("--deadline", type=int, metavar="SECONDS", help="That one try may take in all; by default 3,600.")
@click.option("--parallel", type=int, metavar="N", help="Sources at once; by default 4.")
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Where ETags and the like are remembered; by default FOLDER.fetch.json, beside the folder.",
)
@click.option(
    "--every", type=click.IntRange(EVERY_MIN), metavar="SECONDS", help="Go on: begin a round so often, until SIGTERM."
)
@json_option
def command(
    *,
    urls: tuple[str, ...],
    into: str | None,
    sources: str | None,
    certificates: tuple[str, ...],
    ldap_server: str | None,
    ldap_start_tls: bool,
    ldap_bind_dn: str,
    ldap_password_file: str | None,
    state: str | None,
    every: int | None,
    as_json: bool,
    **limits: Any,
) -> None:
    """Where the help text is _HELP."""
    try:
        directory = _directory(ldap_server, ldap_start_tls, ldap_bind_dn, ldap_password_file, limits["ca_file"])
        plan = _plan(_Given(urls, certificates, sources, into, directory, limits), quiet=as_json)
        for one in plan.directories:
            if one.password is not None:
                one.password.read()  # now, rather than in the middle of the night
    except SourceError as error:
        raise Mistake(str(error)) from None
    _fetcher()
    stop = threading.Event()
    try:
        with _stopped_by_signals(stop), Folder(_folder(plan), state=state) as folder:
            if every is None:
                good = _round(plan, folder, stop, as_json=as_json)
            else:
                good = True
                while not stop.is_set():
                    began = time.monotonic()
                    _round(plan, folder, stop, as_json=as_json, line=True)
                    stop.wait(max(0.0, every - (time.monotonic() - began)))
    except FolderError as error:
        raise Mistake(str(error)) from None
    sys.exit(0 if good else 1)


def _fetcher() -> type[Fetcher]:
    """The class, from the module that needs the extra."""
    try:
        found: type[Fetcher] = import_module("sekisho.revocation.fetch.fetcher").Fetcher
    except ModuleNotFoundError as error:
        raise Mistake(f"{error.name} is missing, which fetching needs: pip install 'sekisho[fetch]'") from None
    return found


def _round(plan: Plan, folder: Folder, stop: threading.Event, *, as_json: bool, line: bool = False) -> bool:
    began = time.time()
    out = console()
    sizes: Counter[str] = Counter()
    with progress_bar() as bar, _fetcher()(plan, folder, stop=stop) as fetcher:
        task = bar.add_task("fetching", total=len(plan.sources))

        def came(source: str, size: int) -> None:
            sizes[source] += size
            bar.update(task, description=f"{source[:20]} {sizes[source] / 1e6:,.1f} MB")

        def done(outcome: Outcome) -> None:
            bar.advance(task)
            if not as_json:
                out.print(_line(outcome), soft_wrap=True)

        outcomes = fetcher.round(done=done, came=came)
    counts = Counter(outcome.state for outcome in outcomes)
    if as_json:
        summary = _summary(folder, began, outcomes, counts)
        if line:
            click.echo(json.dumps(summary, ensure_ascii=False))
        else:
            print_json(summary)
    else:
        told = ", ".join(f"{counts[state]:,} {state}" for state in _STYLES)
        out.print(Text(f"{told}, in {time.time() - began:,.1f} s, at {instant(int(began))}"))
    sys.stdout.flush()
    return counts["failed"] == 0


def _line(outcome: Outcome) -> Text:
    mark = Text(f"{outcome.state:<10}", style=_STYLES[outcome.state])
    if outcome.state == "failed":
        tries = f" ({outcome.tries} tries)" if outcome.tries > 1 else ""
        return mark + Text(f"{outcome.source}: {outcome.message}{tries}\n{'':<10}{outcome.location}")
    files = ", ".join(f"{one.name} ({one.size:,} bytes)" for one in outcome.files)
    return mark + Text(f"{files}\n{'':<10}{outcome.location}")


def _summary(folder: Folder, began: float, outcomes: list[Outcome], counts: Counter[State]) -> dict[str, Any]:
    return {
        "folder": str(folder.path),
        "began": instant(int(began)),
        "seconds": round(time.time() - began, 3),
        **{state: counts[state] for state in _STYLES},
        "sources": [asdict(outcome) for outcome in outcomes],
    }


# ---- what was given ------------------------------------------------------------------------------


def _directory(
    server: str | None, start_tls: bool, bind_dn: str, password_file: str | None, ca_file: str | None
) -> Directory | None:
    if server is None:
        if start_tls or bind_dn or password_file:
            raise Mistake(
                "--ldap-start-tls, --ldap-bind-dn and --ldap-password-file speak of --ldap-server: name it too"
            )
        return None
    if password_file is not None and not bind_dn:
        raise Mistake("--ldap-password-file: as whom? Give --ldap-bind-dn too")
    password = None
    if bind_dn:
        password = Password(file=Path(password_file)) if password_file else Password(variable=PASSWORD_VARIABLE)
    return directory_of(
        server,
        start_tls=start_tls,
        bind_dn=bind_dn,
        password=password,
        ca_file=Path(ca_file) if ca_file is not None else None,
    )


def _plan(given: _Given, *, quiet: bool) -> Plan:
    plan = plan_of_toml(Path(given.sources)) if given.sources is not None else Plan(())
    limits = {name: value for name, value in given.limits.items() if value is not None}
    if "ca_file" in limits:
        limits["ca_file"] = Path(limits["ca_file"])
    directories = (given.directory, *plan.directories) if given.directory is not None else plan.directories
    sources = list(plan.sources)
    for url in given.urls:
        meant = given.directory or (directories[0] if len(directories) == 1 else None)
        sources.append(source_of_url(url, directories=directories, directory=meant))
    for path in given.certificates:
        for one in certificates_in(path):
            try:
                points = sources_of_certificate(one.der, given.directory)
            except SourceError as error:
                raise Mistake(f"{one.source}: {error}") from None
            if not points.sources:
                named = "".join(f"\n  {skipped}" for skipped in points.skipped) or " it has no distribution points"
                raise Mistake(f"{one.source}: nothing to fetch:{named}")
            if not quiet:
                for skipped in points.skipped:
                    console(stderr=True).print(Text(f"{one.source}: not fetched: {skipped}"), soft_wrap=True)
            sources += points.sources
    unique = {(source.name, source.locations): source for source in sources}  # two certificates name one CRL
    if not unique:
        raise Mistake("nothing to fetch: give URLs, --from-certificate FILE, or --sources FILE.toml")
    folder = Path(given.into) if given.into is not None else plan.folder
    return Plan(tuple(unique.values()), replace(plan.limits, **limits), folder, directories)


def _folder(plan: Plan) -> Path:
    if plan.folder is None:
        raise Mistake("where to? Give --into FOLDER (or folder = … in the file of sources)")
    return plan.folder


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop` in place of ending the process in mid-file."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
