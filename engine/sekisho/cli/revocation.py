"""`sekisho revocation`: from CRLs to the snapshot in force."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5280
from rich import box
from rich.table import Table
from rich.text import Text

from sekisho._native import NativeError
from sekisho.cli.base import F, Mistake, console, instant, json_option, print_json, progress_bar, when_option
from sekisho.cli.fetch import command as fetch
from sekisho.cli.inputs import certificates_in, trust_option, trust_store
from sekisho.names import name_string
from sekisho.revocation.ingest import Decision, given_files
from sekisho.revocation.publish import load_private_key, load_public_key, publish
from sekisho.revocation.snapshot import SnapshotError, SnapshotSource
from sekisho.revocation.store import REPAIR, RevocationStore, StoreError
from sekisho.revocation.watcher import RevocationWatcher

__all__ = ["command"]


@click.group()
def command() -> None:
    """Take CRLs, and look at what is in force of them.

    A store is a directory of its own (mode 0700). CRLs are judged when they come in: form, signature, the signer's path
    to a trust anchor, times, numbers, scope. Complete ones make a new snapshot, deltas go on top of it; what is refused
    has a reason, and what was in force stays so. A verifier maps the snapshot; nothing is fetched by the engine.

    \b
    Day by day:
      sekisho revocation build /var/lib/sekisho/revocation crls/ --trust jpki
      sekisho revocation show /var/lib/sekisho/revocation --trust jpki
      sekisho verify logins ... --revocation /var/lib/sekisho/revocation

    \b
    From where the CAs publish them, into a folder:
      sekisho revocation fetch --into /srv/crls http://ca.example/ca.crl

    \b
    By itself, as files come into a folder:
      sekisho revocation watch /var/lib/sekisho/revocation /srv/crls --trust jpki

    \b
    Something went wrong:
      sekisho revocation verify /var/lib/sekisho/revocation --trust jpki     is every byte as it was?
      sekisho revocation rollback /var/lib/sekisho/revocation --trust jpki   back to the snapshot before
    """


command.add_command(fetch, "fetch")


def store_options(function: F) -> F:
    """What every subcommand wants to know of the store."""
    for option in (
        click.option(
            "--signer",
            "signers",
            multiple=True,
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False),
            help="Certificate of a CRL signer that is no CA of the trust store. May be repeated.",
        ),
        click.option("--archive", metavar="DIR", type=click.Path(file_okay=False), help="Keep each CRL once, here."),
        click.option("--keep", default=8, show_default=True, help="Snapshots to keep, for rollback and past times."),
        click.option(
            "--unnumbered", is_flag=True, help="Take CRLs without a cRLNumber: an older one is known by its date alone."
        ),
        trust_option(),
        click.argument("directory", type=click.Path(file_okay=False)),
    ):
        function = option(function)
    return function


def _store(
    directory: str, how: dict[str, Any], *, repair: bool = False, check: Literal["whole", "map"] = "whole"
) -> RevocationStore:
    trust = trust_store(how["anchors"], how["intermediates"])
    signers = [one.der for path in how["signers"] for one in certificates_in(path)]
    try:
        return RevocationStore(
            directory,
            trust,
            signers=signers,
            archive=how["archive"],
            keep=how["keep"],
            unnumbered=how["unnumbered"],
            check=check,
            repair=repair,
        )
    except (SnapshotError, StoreError) as error:
        raise Mistake(str(error)) from None


@command.command()
@store_options
@click.argument("crls", nargs=-1, required=True, type=click.Path(exists=True))
@when_option("The time to judge the CRLs at")
@click.option("--expired-too", is_flag=True, help="Take CRLs whose nextUpdate has passed: to judge past times.")
@click.option("--repair", is_flag=True, help="What is in force is damaged: begin anew, with these CRLs alone.")
@click.option(
    "--publish",
    "publish_to",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="Put the signed snapshot here.",
)
@click.option(
    "--key", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="The publisher's Ed25519 key, PEM."
)
@json_option
def build(
    *,
    directory: str,
    crls: tuple[str, ...],
    at: int,
    expired_too: bool,
    repair: bool,
    publish_to: str | None,
    key: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Take CRLs (files, or folders of .crl, .der, .pem) into the store, and put them in force.

    Ends with 1 if a CRL was refused; those that are in force already are not refused, only told.

    \b
    Example:
      sekisho revocation build store crls/ --trust jpki --archive crl-archive
    """
    if (publish_to is None) != (key is None):
        raise Mistake("--publish and --key go together: where to, and whose signature")
    try:
        publisher = load_private_key(key) if key is not None else None
    except (ValueError, TypeError) as error:
        raise Mistake(f"{key}: {error}") from None
    started = time.monotonic()
    total = sum(Path(one).stat().st_size for _, one in given_files(crls) if isinstance(one, Path))
    with _store(directory, how, repair=repair) as store, progress_bar() as bar:
        task = bar.add_task("reading CRLs (bytes)", total=total)
        try:
            update = store.update(crls, at=at, expired_too=expired_too, progress=lambda size: bar.advance(task, size))
        except NativeError as error:
            raise Mistake(f"{directory}: {error}. {REPAIR}") from None
        except SnapshotError as error:
            raise Mistake(str(error)) from None
        published = []
        if publish_to is not None and publisher is not None and store.base is not None:
            published = [str(path) for path in publish(store, publish_to, publisher)]
        base = store.base
        entries = base.report.entries if base is not None else 0
    if as_json:
        print_json(
            {
                "in_force": {"base": update.base, "overlay": update.overlay, "entries": entries},
                "changed": update.changed,
                "crls": [_decision(one) for one in update.decisions],
                "published": published,
                "archived": {"crls": update.cost.lists, "bytes": update.cost.size, "kept": update.cost.kept},
            }
        )
    else:
        out = console()
        for one in update.decisions:
            if one.reason is not None:
                out.print(Text(str(one), style="dim" if one not in update.refused else "red"))
        said = f"snapshot {update.base}" + (f", deltas {update.overlay}" if update.overlay else "")
        out.print(
            f"{update.taken} of {len(update.decisions)} CRLs taken in {time.monotonic() - started:.1f} s; in force: "
            + (f"{said}, {entries:,} revoked certificates" if update.base else "nothing")
        )
        if how["archive"]:
            out.print(str(update.cost))
        for path in published:
            out.print(f"published {path}")
    raise SystemExit(1 if update.refused else 0)


@command.command()
@store_options
@json_option
@when_option("The time to tell ages at")
def show(directory: str, as_json: bool, at: int, **how: Any) -> None:
    """Show what is in force, CRL by CRL, what is kept, and what was done last."""
    with _store(directory, how) as store:
        base, overlay = store.base, store.overlay
        rows = [_source(one, at) for snapshot in (base, overlay) if snapshot is not None for one in snapshot.sources()]
        report = base.report if base is not None else None
        if as_json:
            print_json(
                {
                    "in_force": None
                    if report is None
                    else {
                        "base": report.id,
                        "overlay": overlay.report.id if overlay is not None else None,
                        "entries": report.entries,
                        "bytes": report.size,
                        "filter_bits_an_entry": round(8 * report.filter_size / max(report.entries, 1), 2),
                    },
                    "crls": rows,
                    "kept": [
                        {"id": row.id, "kind": row.kind, "newest": instant(row.newest)} for row in store.snapshots()
                    ],
                    "acts": [
                        {"at": instant(act.at), "what": act.what, "snapshot": act.snapshot, "detail": act.detail}
                        for act in store.history(20)
                    ],
                }
            )
            return
        out = console()
        if report is None:
            out.print("Nothing is in force: `sekisho revocation build` takes CRLs.")
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("Issuer and point", "No.", "thisUpdate", "nextUpdate", "Entries", "State"):
            table.add_column(name, overflow="fold")
        for row in rows:
            where = row["issuer"] + (f"  {row['points']}" if row["points"] else "")
            state = Text(row["state"], style="green" if row["state"] == "fresh" else "red")
            number = "" if row["number"] is None else str(row["number"])
            table.add_row(where, number, row["this_update"], row["next_update"] or "", f"{row['entries']:,}", state)
        out.print(table)
        bits = 8 * report.filter_size / max(report.entries, 1)
        out.print(
            f"snapshot {report.id}: {report.entries:,} revoked certificates in {report.size / 1e6:,.1f} MB, "
            f"filters of {bits:.1f} bits an entry" + (f"; deltas: {overlay.report.id}" if overlay is not None else "")
        )
        out.print(f"kept: {', '.join(str(row.id) for row in store.snapshots())}")


@command.command()
@store_options
def verify(directory: str, **how: Any) -> None:
    """Look at every byte of what is in force, and at the archive, if one is named.  Ends with 1 if something is not as it was."""
    out, bad = console(), 0
    with _store(directory, how, check="map") as store:
        if store.base is None:
            raise Mistake(f"{directory}: nothing is in force")
        for snapshot in (store.base, store.overlay):
            if snapshot is None:
                continue
            reason = snapshot.verify()
            bad += reason is not None
            said = "every byte as it was" if reason is None else f"{reason.kebab}. {REPAIR}"
            out.print(f"snapshot {snapshot.report.id}: {said}")
        if store.archive is not None:
            there = missing = 0
            for source in store.base.sources():
                try:
                    store.archive.read(source.sha256)
                    there += 1
                except FileNotFoundError:
                    missing += 1
                except ValueError as error:
                    bad += 1
                    out.print(Text(str(error), style="red"))
            out.print(
                f"archive: {there} of {store.base.report.sources} CRLs whole"
                + (f", {missing} missing" if missing else "")
            )
            bad += missing
    raise SystemExit(1 if bad else 0)


@command.command()
@store_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback(directory: str, yes: bool, **how: Any) -> None:
    """Go back to the kept snapshot before the one in force.

    An act of its own, and remembered. CRLs that were in force cannot be taken again afterwards; newer ones can.
    """
    with _store(directory, how, repair=True) as store:
        if not yes:
            click.confirm(
                "Certificates revoked since the snapshot before will count as good again. Go back?", abort=True
            )
        try:
            number = store.rollback()
        except (LookupError, SnapshotError) as error:
            raise Mistake(str(error)) from None
    click.echo(f"in force: snapshot {number}")


@command.command()
@store_options
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--publisher",
    "publishers",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Public key (PEM, Ed25519) of a publisher whose snapshots are taken. May be repeated.",
)
@click.option("--interval", default=5.0, show_default=True, help="Seconds between looks.")
def watch(directory: str, folder: str, publishers: tuple[str, ...], interval: float, **how: Any) -> None:
    """Take what comes into a folder, until stopped (SIGTERM, Ctrl-C).

    CRL files are taken once they no longer change; put them there by a rename. Snapshots (.seki with .seki.sig beside
    it) are taken from configured publishers alone.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        keys = [load_public_key(path) for path in publishers]
    except ValueError as error:
        raise Mistake(str(error)) from None
    with _store(directory, how) as store:
        tell: Callable[[str], None] = click.echo
        RevocationWatcher(store, folder, publishers=keys, tell=tell).run(stop, interval)


def _decision(one: Decision) -> dict[str, Any]:
    return {
        "source": one.source,
        "taken": one.reason is None,
        "reason": None if one.reason is None else one.reason.kebab,
        "number": one.number,
        "delta": one.delta,
        "entries": one.entries,
        "this_update": None if one.this_update is None else instant(one.this_update),
        "next_update": None if one.next_update is None else instant(one.next_update),
        "sha256": one.sha256,
        "fault": one.fault,
    }


def _source(one: SnapshotSource, at: int) -> dict[str, Any]:
    late = one.next_update is not None and one.next_update < at
    return {
        "issuer": _name(one.issuer),
        "points": _points(one.issuing_distribution_point),
        "delta": one.base_source is not None,
        "number": one.number,
        "this_update": instant(one.this_update),
        "next_update": None if one.next_update is None else instant(one.next_update),
        "entries": one.entries,
        "sha256": one.sha256.hex(),
        "state": "stale" if late else "later" if one.this_update > at else "fresh",
    }


def _name(der: bytes) -> str:
    try:
        return name_string(der)
    except ValueError:
        return der.hex()


def _points(idp: bytes) -> str:
    """The names of an issuingDistributionPoint, for people; nothing where it cannot be shown."""
    if not idp:
        return ""
    try:
        value, _ = decoder.decode(idp, asn1Spec=rfc5280.IssuingDistributionPoint())
    except PyAsn1Error:
        return ""
    point = value["distributionPoint"]
    names = point["fullName"] if point.hasValue() and point.getName() == "fullName" else []
    told = []
    for name in names:
        kind = name.getName()
        told.append(_name(encoder.encode(name[kind]["rdnSequence"])) if kind == "directoryName" else str(name[kind]))
    return ", ".join(told)
