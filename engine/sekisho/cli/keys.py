"""`sekisho keys`: the keys under which challenges are issued and checked."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich import box
from rich.table import Table
from rich.text import Text

from sekisho import keyfiles
from sekisho.cli.base import Mistake, console, json_option, print_json
from sekisho.keyfiles import KeyFile, KeyFileError, KeyState

__all__ = ["command"]

_FILE = click.argument("file", type=click.Path(dir_okay=False))


@click.group()
def command() -> None:
    """Make, list, rotate and retire the keys of challenges.

    A key file (mode 0600) holds the secrets under which challenges are issued and checked. There are no default keys.
    One key is current and issues; retired ones only check what they issued. No secret is ever printed.

    \b
    One machine:
      sekisho keys make challenge.keys
      sekisho keys rotate challenge.keys               every few months; old challenges stay good
      sekisho keys retire challenge.keys 9f3a01c2      ten minutes later, or years

    \b
    Several machines, so that each knows a key before the first challenge under it comes back:
      sekisho keys stage challenge.keys                and copy the file to all of them
      sekisho keys rotate challenge.keys               and copy it again

    \b
    A key leaked:
      sekisho keys rotate challenge.keys
      sekisho keys retire challenge.keys 9f3a01c2 --force      outstanding challenges under it are refused
    """


@command.command()
@_FILE
def make(file: str) -> None:
    """Make a key file with one current key.

    Never replaces a file.

    \b
    Example:
      sekisho keys make /etc/sekisho/challenge.keys
    """
    try:
        made = keyfiles.make(file)
    except FileExistsError:
        raise Mistake(
            f"{file} is there already and is left alone: `sekisho keys rotate {file}` adds a new key"
        ) from None
    except OSError as error:
        raise Mistake(f"{file} cannot be made: {error.strerror}") from None
    assert made.current is not None  # noqa: S101 - what `make` makes
    click.echo(f"{file}: made, mode 0600; key {made.current.name} is current")


@command.command("list")
@_FILE
@json_option
def list_(file: str, as_json: bool) -> None:
    """List the keys of a file: ids, states and dates, never secrets."""
    found = _told(lambda: keyfiles.load(file))
    rows = [
        {
            "id": key.name,
            "state": str(key.state),
            "made": f"{key.made:%Y-%m-%dT%H:%M:%SZ}",
            "retired": f"{key.retired:%Y-%m-%dT%H:%M:%SZ}" if key.retired else None,
        }
        for key in found.keys
    ]
    if as_json:
        print_json({"purpose": str(found.purpose), "keys": rows})
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Key", "State", "Made", "Retired"):
        table.add_column(name)
    styles = {str(KeyState.CURRENT): "green", str(KeyState.NEXT): "cyan", str(KeyState.RETIRED): "dim"}
    for row in rows:
        state = row["state"] or ""
        table.add_row(row["id"], Text(state, style=styles[state]), row["made"], row["retired"] or "")
    console().print(table)


@command.command()
@_FILE
def stage(file: str) -> None:
    """Add the next key, which checks already and will issue after `rotate`."""
    changed = _told(lambda: keyfiles.stage(file))
    staged = next(key for key in changed.keys if key.state is KeyState.NEXT)
    click.echo(f"{file}: key {staged.name} is next; copy the file to all machines, then `sekisho keys rotate {file}`")


@command.command()
@_FILE
def rotate(file: str) -> None:
    """Let the next key issue (a new one if none was staged), and retire the current one, which goes on checking."""
    before = _told(lambda: keyfiles.load(file)).current
    changed = _told(lambda: keyfiles.rotate(file))
    assert changed.current is not None  # noqa: S101 - what `rotate` makes
    retired = f"; key {before.name} is retired and still checks" if before is not None else ""
    click.echo(f"{file}: key {changed.current.name} is current{retired}")


@command.command()
@_FILE
@click.argument("key_id", metavar="KEY")
@click.option("--force", is_flag=True, help="Even while challenges under it may be out: they will be refused.")
def retire(file: str, key_id: str, force: bool) -> None:
    """Take KEY (its id, as `list` shows it) out of the file for good: what was issued under it is refused from now on.

    \b
    Example:
      sekisho keys retire challenge.keys 9f3a01c2
    """
    try:
        number = int(key_id, 16)
    except ValueError:
        raise Mistake(
            f"{key_id!r} is no key id: eight hexadecimal digits, as `sekisho keys list {file}` shows"
        ) from None
    changed = _told(lambda: keyfiles.drop(file, number, force=force))
    click.echo(f"{file}: key {number:08x} is gone; {len(changed.keys)} left")


def _told(act: Callable[[], KeyFile]) -> KeyFile:
    try:
        return act()
    except KeyFileError as error:
        raise Mistake(str(error)) from None
