"""``python -m bench``: the command line of the benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.options import Options, threads_from
from bench.peers import PEERS, Missing
from bench.report import Report
from bench.rows import CASES
from bench.run import Run

Command = Callable[..., Any]

EPILOG = """\b
Every figure is measured side by side with its peers in this run: rounds are interleaved (ours, peer, peer, ours ...),
a figure is the median of the rounds, its spread the distance between the quartiles as a share of it, and a ratio is the
median of the ratios of each round. Every answer is checked; a wrong one makes the exit code 1.
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """Measure sekisho beside its peers.

    \b
    python -m bench signatures                       every algorithm, batches of 1 to 8,192, one thread and all
    python -m bench signatures --case rsa2048 --quick
    python -m bench login --json login.json          certificates seen the first time (cold) and again (warm)
    python -m bench cache --certificates 330000      memory and hit rate of the parsing cache
    python -m bench revocation                       a nation's CRLs built, looked up, swapped; one CRL beside peers
    python -m bench server                           a login over the socket beside a login in the library
    python -m bench pressure                         latency at half and 0.9 of what a server can do; ten times as much
    python -m bench sidecar                          a gateway's question, beside handlers that look at nothing
    python -m bench peers                            which peers are here, and how to get the others
    """


def common(command: Command) -> Command:
    """Options that all benchmarks share."""
    for decorate in reversed(_COMMON):
        command = decorate(command)
    return command


_COMMON = (
    click.option(
        "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there too."
    ),
    click.option("--rounds", type=click.IntRange(1, 1000), help="Interleaved rounds.  [default: 7; 3 with --quick]"),
    click.option("--threads", default="1,all", show_default=True, help="Thread counts to measure, as in 1,2,all."),
    click.option(
        "--batch", "batches", type=click.IntRange(1, 1 << 20), multiple=True, help="Rows a call; may be repeated."
    ),
    click.option("--case", "cases", type=click.Choice(CASES), multiple=True, help="Only this; may be repeated."),
    click.option(
        "--peer",
        "peers",
        type=click.Choice([peer.name for peer in PEERS]),
        multiple=True,
        help="Only this peer; may be repeated.  [default: all that are here]",
    ),
    click.option(
        "--clock",
        type=click.Choice(["wall", "cpu"]),
        default="wall",
        show_default=True,
        help="What one thread's rates are per second of: cpu where others use the machine too.",
    ),
    click.option("--quick", is_flag=True, help="Fewer rows, shorter rounds: to see that it runs, not to quote."),
)


@main.command(epilog=EPILOG)
@common
def signatures(**given: Any) -> None:
    """verify_signatures through the public Python API, a KeySet of as many keys as rows.

    Peers are given the same keys, kept in their own form, and the same hashes. At batch 1 the peer to look at is
    openssl-new-context: a C loop which makes a new EVP_PKEY_CTX on a kept EVP_PKEY for every signature.
    """
    from bench import signatures as bench  # noqa: PLC0415 - the native core is loaded when it is wanted

    quick = given["quick"]
    batches = (1, 64, 1024) if quick else (1, 8, 64, 1024, 8192)
    options = _options(given, CASES, batches=batches, keys=128 if quick else 1024)
    conditions = {"keys": options.keys, "input": "hashes (messages for ed25519), lists of bytes"}
    report = _report("signatures", options, conditions)
    _run(report, options, bench.benchmark, bench.steps(options), given["json_path"])


@main.command(epilog=EPILOG)
@common
def login(**given: Any) -> None:
    """Whole logins: certificates seen the first time (cold), and seen again (warm).

    Cold, a peer reads the certificate, verifies its path and verifies the signature; warm, it verifies the signature
    under a kept public key and nothing else. We check the challenge and claim it as well. With one thread and RSA-2048
    the report also says what a login costs beyond its lane verifies and its SHA-256 compressions.
    """
    from bench import login as bench  # noqa: PLC0415 - the native core is loaded when it is wanted

    quick = given["quick"]
    options = _options(given, bench.CASES, batches=(1024,) if not quick else (256,), keys=256 if quick else 2048)
    conditions = {"certificates": options.keys, "input": "columns: one buffer and offsets each"}
    report = _report("login", options, conditions)
    _run(report, options, bench.benchmark, bench.steps(options), given["json_path"])


@main.command()
@common
@click.option(
    "--certificates",
    type=click.IntRange(100, 16_000_000),
    help="Distinct certificates in the cache.  [default: 20,000; 2,000 with --quick]",
)
@click.option("--forged", type=click.IntRange(1000), help="Forged ones.  [default: 1,000,000; 20,000 with --quick]")
@click.option(
    "--city",
    "city_folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the city in that folder: 330,000 certificates take minutes to make.",
)
def cache(certificates: int | None, forged: int | None, city_folder: Path | None, **given: Any) -> None:
    """The parsing cache: bytes an entry, hits and misses a second, and a flood of forged certificates.

    The flood is of distinct forgeries strewn among certificates seen before, in a cache with room for these and little
    more; the figure is how often they still come out of it.
    """
    from bench import cache as bench  # noqa: PLC0415 - the native core is loaded when it is wanted

    quick = given["quick"]
    options = _options(given, ("rsa2048",), batches=(1024,), keys=0)
    wanted = certificates or (2_000 if quick else 20_000)
    floods = forged or (20_000 if quick else 1_000_000)
    report = _report("cache", options, {"certificates": wanted, "forged": floods})

    def benchmark(run: Run) -> None:
        bench.benchmark(run, wanted, floods, city_folder)

    _run(report, options, benchmark, bench.steps(options), given["json_path"])


@main.command()
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there too."
)
@click.option(
    "--case",
    "cases",
    type=click.Choice(("nation", "shapes", "read", "swap")),
    multiple=True,
    help="Only this; may be repeated.",
)
@click.option(
    "--entries",
    type=click.IntRange(1000, 1_000_000_000),
    help="Of the nation.  [default: 25,000,000; 100,000 with --quick]",
)
@click.option("--lists", type=click.IntRange(2, 100_000), help="CRLs of the nation.  [default: 1,700; 20 with --quick]")
@click.option(
    "--read",
    "read_entries",
    type=click.IntRange(1000),
    help="Entries of the CRL read beside peers.  [default: 5,000,000; 20,000 with --quick]",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the lists there: they take a minute to make.",
)
@click.option("--quick", is_flag=True, help="Little of everything: to see that it runs, not to quote.")
def revocation(
    *,
    json_path: Path | None,
    cases: tuple[str, ...],
    entries: int | None,
    lists: int | None,
    read_entries: int | None,
    folder: Path | None,
    quick: bool,
) -> None:
    """A nation's revocations: built, mapped, looked up, changed and swapped under load; one large CRL read beside peers.

    The peers read the same CRL to the end, each in a process of its own: cryptography into a dict, OpenSSL in a C program.
    """
    from bench import revocation as bench  # noqa: PLC0415 - the native core is loaded when it is wanted

    wanted = cases or bench.CASES
    many = entries or (100_000 if quick else 25_000_000)
    sizes = bench.Sizes(
        entries=many,
        lists=lists or (20 if quick else 1_700),
        largest=many // 25,
        read=read_entries or (20_000 if quick else 5_000_000),
        certificates=512 if quick else 4_096,
        seconds=0.3 if quick else 10.0,
        folder=folder,
    )
    given: dict[str, Any] = {
        "quick": quick,
        "threads": "1",
        "cases": wanted,
        "batches": (),
        "rounds": None,
        "peers": (),
        "clock": "cpu",
    }
    options = _options(given, wanted, batches=(1024,), keys=0)
    report = _report("revocation", options, {"entries": sizes.entries, "lists": sizes.lists})
    _run(report, options, lambda run: bench.benchmark(run, sizes), bench.steps(wanted), json_path)


@main.command()
@common
def server(**given: Any) -> None:
    """The socket server beside the library: CPU of a cold login over 64 pipelined connections, and one login's latency.

    The server is a process with one worker; all its threads are counted. The peer is verify_logins on the same logins, in
    batches as large as the server's were.
    """
    from bench import server as bench  # noqa: PLC0415 - the native core is loaded when it is wanted

    quick = given["quick"]
    options = _options(given, ("rsa2048",), batches=(1024,), keys=256 if quick else 4096)
    report = _report("server", options, {"certificates": options.keys, "connections": bench.CONNECTIONS})
    _run(report, options, bench.benchmark, bench.steps(options), given["json_path"])


@main.command()
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there too."
)
@click.option(
    "--case", "cases", type=click.Choice(("auth", "envoy")), multiple=True, help="Only this; may be repeated."
)
@click.option("--rounds", type=click.IntRange(1, 1000), help="Interleaved rounds.  [default: 7; 3 with --quick]")
@click.option("--quick", is_flag=True, help="Shorter rounds: to see that it runs, not to quote.")
def sidecar(*, json_path: Path | None, cases: tuple[str, ...], rounds: int | None, quick: bool) -> None:
    """A gateway's question over a Unix socket: /auth over HTTP, and Envoy's over gRPC, of one certificate seen before.

    The peers are empty handlers of the same frameworks: one without a router, as our own way for gateways has none, and
    Starlette's. Rates are per CPU second of the server's process; the load comes from h2load.
    """
    from bench import sidecar as bench  # noqa: PLC0415 - the native core is loaded when it is wanted

    given: dict[str, Any] = {
        "quick": quick,
        "threads": "1",
        "cases": cases,
        "batches": (),
        "rounds": rounds,
        "peers": (),
        "clock": "cpu",
    }
    options = _options(given, bench.CASES, batches=(1,), keys=1)
    report = _report("sidecar", options, {"connections": bench.CONNECTIONS, "streams": bench.STREAMS})
    try:
        _run(report, options, bench.benchmark, bench.steps(options.cases), json_path)
    except bench.Missing as missing:
        raise click.ClickException(str(missing)) from None


@main.command()
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there too."
)
@click.option(
    "--case",
    "cases",
    type=click.Choice(("latency-rsa2048", "overload-p384")),
    multiple=True,
    help="Only this; may be repeated.",
)
@click.option("--seconds", type=click.FloatRange(0.1, 3600), help="Of each rate.  [default: 60; 1 with --quick]")
@click.option("--quick", is_flag=True, help="Little of everything: to see that it runs, not to quote.")
def pressure(*, json_path: Path | None, cases: tuple[str, ...], seconds: float | None, quick: bool) -> None:
    """The socket server on one core: latency at half and nine tenths of saturation, and ten times the load.

    The generator has the other core. Under overload also stand there 5,000 idle connections, some that never read, and strangers
    with garbage; what is turned away is offered again at once.
    """
    from bench import pressure as bench  # noqa: PLC0415 - the native core is loaded when it is wanted

    given: dict[str, Any] = {
        "quick": quick,
        "threads": "1",
        "cases": cases,
        "batches": (),
        "rounds": 1,
        "peers": (),
        "clock": "wall",
    }
    options = _options(given, bench.CASES, batches=(1,), keys=0)
    citizens, length = (640, seconds or 1.0) if quick else (20_000, seconds or 60.0)
    report = _report("pressure", options, {"citizens": citizens, "seconds": length})
    _run(report, options, lambda run: bench.benchmark(run, citizens, length), bench.steps(options.cases), json_path)


@main.command()
def peers() -> None:
    """Say which peers are here, and how to get the others."""
    console = Console()
    for peer in PEERS:
        try:
            peer.command("kept" if "kept" in peer.uses else "new", Path("rows"))
            console.print(f"[green]{peer.name:22}[/green] here: {peer.what}", highlight=False)
        except Missing as missing:
            console.print(f"[yellow]{peer.name:22}[/yellow] {missing}", highlight=False)
    console.print("`make bench-peers` installs what can be installed.", highlight=False)


def _options(given: dict[str, Any], cases: Any, *, batches: Any, keys: int) -> Options:
    quick = given["quick"]
    try:
        threads = threads_from(given["threads"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--threads") from None
    return Options(
        cases=given["cases"] or cases,
        threads=threads,
        batches=tuple(sorted(set(given["batches"]))) or batches,
        rounds=given["rounds"] or (3 if quick else 7),
        slice_seconds=0.04 if quick else 0.12,
        keys=keys,
        peers=given["peers"] or tuple(peer.name for peer in PEERS),
        cpu_time=given["clock"] == "cpu",
    )


def _report(name: str, options: Options, conditions: dict[str, Any]) -> Report:
    from bench.machine import describe  # noqa: PLC0415 - the native core is loaded when it is wanted

    clock = "CPU time where threads is 1" if options.cpu_time else "wall"
    return Report(name, describe({}), {"rounds": options.rounds, "clock": clock, **conditions})


def _run(
    report: Report, options: Options, benchmark: Callable[[Run], None], steps: int, json_path: Path | None
) -> NoReturn:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        task = progress.add_task(report.bench, total=steps)

        def step(what: str) -> None:
            progress.update(task, advance=1, description=f"{report.bench}  {what}")

        def watch(what: str) -> Callable[[int, int], None]:
            def done(so_far: int, of: int) -> None:
                progress.update(task, description=f"{report.bench}  {what}: {so_far:,} of {of:,}")

            return done

        benchmark(Run(options, report, step, watch))
    if json_path is not None:
        report.write(json_path)
    report.show(Console(width=None if sys.stdout.isatty() else 140, highlight=False), options.headline_batch)
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
