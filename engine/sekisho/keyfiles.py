"""Key files: the secrets of one purpose in one file, made, rotated and retired; there are no default keys.

A key file is TOML, of mode 0600, and rewritten whole: the new one is written beside it, brought to the disk and then
given its name, so that a reader or a crash meets the old file or the new one. An example::

    format = 1
    purpose = "challenge"

    [[key]]
    id = "9f3a01c2"
    state = "retired"
    made = 2026-04-01T00:00:00Z
    retired = 2026-07-01T00:00:00Z
    secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

``id`` is 32 bits in hexadecimal, drawn at random, so that keys made on two machines do not share one. ``state`` is
``next`` (known, not used yet), ``current`` (issues; at most one) or ``retired`` (only checks what it issued).
``secret`` is base64url without padding. Nothing else may stand in the file.

One machine rotates with `rotate` alone. Where several machines check what one issues: `stage` a next key, copy the file
to all of them, `rotate`, copy again; every machine then knows a key before the first challenge under it comes back. A
retired key may be dropped when the last challenge under it has expired; a key that leaked is rotated out and dropped at
once with ``force``, and its outstanding challenges are refused.

systemd: ``LoadCredential=sekisho.challenge.keys:/etc/sekisho/challenge.keys`` puts a copy where `find` looks.
"""

from __future__ import annotations

import base64
import binascii
import enum
import fcntl
import os
import secrets
import stat
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

__all__ = ["Key", "KeyFile", "KeyFileError", "KeyState", "Purpose", "drop", "find", "load", "make", "rotate", "stage"]

FORMAT: Final = 1
FILE_SIZE_MAX: Final = 65536  # bytes; 64 keys need 12,000
KEYS_MAX: Final = 64  # SEKI_CHALLENGE_KEYS_MAX
DROP_AFTER: Final = 360  # seconds since retirement: the longest life of a challenge (300) and the widest skew (60)


class Purpose(enum.StrEnum):
    """What a key is for. One file holds keys of one purpose, and no key is used for two."""

    CHALLENGE = "challenge"  # the MAC over challenges


SECRET_SIZES: Final = {Purpose.CHALLENGE: 32}  # bytes


class KeyState(enum.StrEnum):
    """What a key may be used for."""

    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"


class KeyFileError(ValueError):
    """A key file that is not as it must be. The message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Its repr does not show the secret."""

    id: int
    state: KeyState
    made: datetime
    retired: datetime | None
    secret: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The id as the file has it: eight hexadecimal digits."""
        return f"{self.id:08x}"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What stands in a key file, oldest key first."""

    purpose: Purpose
    keys: tuple[Key, ...]

    @property
    def current(self) -> Key | None:
        """The key that issues; None in a file that only checks."""
        return next((key for key in self.keys if key.state is KeyState.CURRENT), None)

    def secrets(self) -> dict[int, bytes]:
        """Id to secret, of all keys: every one of them checks."""
        return {key.id: key.secret for key in self.keys}


def find(purpose: Purpose = Purpose.CHALLENGE) -> Path:
    """The key file that systemd handed to this service: $CREDENTIALS_DIRECTORY/sekisho.PURPOSE.keys.

    Raises:
        KeyFileError: there is none.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    name = f"sekisho.{purpose}.keys"
    if directory and (Path(directory) / name).exists():
        return Path(directory) / name
    raise KeyFileError(
        f"no {purpose} keys: name a key file (`sekisho keys make FILE` makes one), or let systemd hand one over with "
        f"LoadCredential={name}:FILE. There are no default keys."
    )


def load(path: str | os.PathLike[str], purpose: Purpose = Purpose.CHALLENGE) -> KeyFile:
    """Read a key file.

    Raises:
        KeyFileError: others can read it, it belongs to another user, it is for another purpose, or its form is wrong.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        _check_guarded(Path(path), os.fstat(file.fileno()))
        content = file.read(FILE_SIZE_MAX + 1)
    try:
        found = _parsed(content)
    except KeyFileError as error:
        raise KeyFileError(f"{path}: {error}") from None
    if found.purpose is not purpose:
        raise KeyFileError(f"{path} holds keys for {found.purpose}, not for {purpose}: a key serves one purpose only")
    return found


def make(path: str | os.PathLike[str], purpose: Purpose = Purpose.CHALLENGE, *, at: int | None = None) -> KeyFile:
    """Make a key file with one current key. Never replaces a file.

    Args:
        path: where; its folder must be there.
        purpose: what the keys are for.
        at: seconds since 1970-01-01T00:00:00Z, recorded as the key's beginning; None: now.

    Raises:
        FileExistsError: there is a file already.
        OSError: it cannot be written.
    """
    made = KeyFile(purpose, (_new_key(purpose, KeyState.CURRENT, _moment(at), taken=frozenset()),))
    _write(Path(path), made, new=True)
    return made


def stage(path: str | os.PathLike[str], purpose: Purpose = Purpose.CHALLENGE, *, at: int | None = None) -> KeyFile:
    """Add the next key, for machines that must know it before it issues.

    Raises:
        KeyFileError: there is one already, or `KEYS_MAX` keys.
    """
    with _changing(path, purpose) as (target, old):
        if any(key.state is KeyState.NEXT for key in old.keys):
            raise KeyFileError(f"{path} has a next key already: rotate to it first")
        new = replace(old, keys=(*old.keys, _new_key(purpose, KeyState.NEXT, _moment(at), taken=old.secrets().keys())))
        _write(target, new)
    return new


def rotate(path: str | os.PathLike[str], purpose: Purpose = Purpose.CHALLENGE, *, at: int | None = None) -> KeyFile:
    """Let the next key issue (a new one, if none was staged) and retire the current one, which goes on checking.

    Raises:
        KeyFileError: there are `KEYS_MAX` keys already: drop retired ones.
    """
    now = _moment(at)
    with _changing(path, purpose) as (target, old):
        keys = [_retired(key, now) if key.state is KeyState.CURRENT else key for key in old.keys]
        staged = next((place for place, key in enumerate(keys) if key.state is KeyState.NEXT), None)
        if staged is not None:
            keys[staged] = replace(keys[staged], state=KeyState.CURRENT)
        else:
            keys.append(_new_key(purpose, KeyState.CURRENT, now, taken=old.secrets().keys()))
        new = replace(old, keys=tuple(keys))
        _write(target, new)
    return new


def drop(
    path: str | os.PathLike[str],
    key_id: int,
    purpose: Purpose = Purpose.CHALLENGE,
    *,
    force: bool = False,
    at: int | None = None,
) -> KeyFile:
    """Forget a key: what was issued under it is refused from now on.

    Args:
        path, purpose: the file.
        key_id: which.
        force: even if challenges under it may still be out (it leaked, say).
        at: as in `make`.

    Raises:
        KeyFileError: no such key, it is the current one, or it was retired less than `DROP_AFTER` seconds ago.
    """
    with _changing(path, purpose) as (target, old):
        key = next((key for key in old.keys if key.id == key_id), None)
        if key is None:
            known = ", ".join(key.name for key in old.keys)
            raise KeyFileError(f"{path} has no key {key_id:08x}; it has {known}")
        if key.state is KeyState.CURRENT:
            raise KeyFileError(f"key {key.name} is the current one: rotate first")
        if key.retired is not None and not force:
            wait = DROP_AFTER - int((_moment(at) - key.retired).total_seconds())
            if wait > 0:
                raise KeyFileError(f"challenges under key {key.name} may be out for {wait} s more: wait, or force it")
        new = replace(old, keys=tuple(other for other in old.keys if other is not key))
        _write(target, new)
    return new


def _retired(key: Key, now: datetime) -> Key:
    return replace(key, state=KeyState.RETIRED, retired=now)


def _moment(at: int | None) -> datetime:
    return datetime.fromtimestamp(int(time.time()) if at is None else at, tz=UTC)


def _new_key(purpose: Purpose, state: KeyState, now: datetime, *, taken: Any) -> Key:
    if len(taken) >= KEYS_MAX:
        raise KeyFileError(f"there are {KEYS_MAX} keys already: drop retired ones first")
    number = secrets.randbits(32)
    while number == 0 or number in taken:
        number = secrets.randbits(32)
    return Key(number, state, now, None, secrets.token_bytes(SECRET_SIZES[purpose]))


def _check_guarded(path: Path, status: os.stat_result) -> None:
    """Refuse a file that others can read, or that another user could have planted.

    A systemd credential may show group read (0440): that is the mask of the ACL entry that lets the service's user read
    it, and its folder is closed to everybody else (systemd.exec(5), Credentials).
    """
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is not a regular file")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(f"{path} belongs to user {status.st_uid}: `chown {os.geteuid()} {path}` if it is yours")
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = directory is not None and path.resolve().parent == Path(directory).resolve()
    forbidden = 0o037 if credential else 0o077
    if status.st_mode & forbidden:
        raise KeyFileError(
            f"others can open {path} (mode {stat.S_IMODE(status.st_mode):04o}): run `chmod 600 {path}`, and rotate its "
            "keys if anybody may have read them"
        )


def _parsed(content: bytes) -> KeyFile:
    if len(content) > FILE_SIZE_MAX:
        raise KeyFileError(f"larger than {FILE_SIZE_MAX} bytes: this is no key file")
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except ValueError:  # both kinds; their messages may quote the file's text, which holds secrets
        raise KeyFileError("not TOML: this is no key file, or it was damaged") from None
    if table.get("format") != FORMAT:
        raise KeyFileError(f"format {table.get('format')!r} is not known here, only {FORMAT}")
    if set(table) != {"format", "purpose", "key"}:
        raise KeyFileError(f"it must have format, purpose and [[key]], and has {', '.join(sorted(table))}")
    try:
        purpose = Purpose(table["purpose"])
    except ValueError:
        raise KeyFileError(f"purpose must be one of {', '.join(Purpose)}") from None
    rows = table["key"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not 1 <= len(rows) <= KEYS_MAX:
        raise KeyFileError(f"it must have 1 to {KEYS_MAX} [[key]]")
    keys = tuple(_parsed_key(row, f"key {place}", purpose) for place, row in enumerate(rows, start=1))
    if len({key.id for key in keys}) != len(keys):
        raise KeyFileError("two keys have one id")
    if len({key.secret for key in keys}) != len(keys):
        raise KeyFileError("two keys have one secret: rotate to a new one")
    for state in (KeyState.CURRENT, KeyState.NEXT):
        if sum(key.state is state for key in keys) > 1:
            raise KeyFileError(f"two keys are {state}")
    return KeyFile(purpose, keys)


def _parsed_key(row: dict[str, Any], where: str, purpose: Purpose) -> Key:
    wanted = {"id", "state", "made", "secret"} | ({"retired"} if row.get("state") == KeyState.RETIRED else set())
    if set(row) != wanted:
        raise KeyFileError(f"{where} must have {', '.join(sorted(wanted))}, and has {', '.join(sorted(row))}")
    number, state, secret = row["id"], row["state"], row["secret"]
    if not isinstance(number, str) or len(number) != 8 or set(number) - set("0123456789abcdef"):
        raise KeyFileError(f"{where}: id must be eight lower-case hexadecimal digits in quotes")
    if state not in list(KeyState):
        raise KeyFileError(f"{where}: state must be one of {', '.join(KeyState)}")
    for name in ("made", "retired"):
        moment = row.get(name)
        if name in wanted and (not isinstance(moment, datetime) or moment.tzinfo is None):
            raise KeyFileError(f"{where}: {name} must be a time with its zone, as in 2026-01-01T00:00:00Z")
    size = SECRET_SIZES[purpose]
    try:
        plain = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)
    except (TypeError, ValueError, binascii.Error):
        plain = b""
    if len(plain) != size or _text(plain) != secret:
        raise KeyFileError(f"{where}: secret must be {size} bytes in base64url without padding")
    if not any(plain):
        raise KeyFileError(f"{where}: the secret is all zeros")
    return Key(int(number, 16), KeyState(state), row["made"], row.get("retired"), plain)


def _text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode("ascii")


def _written(content: KeyFile) -> bytes:
    lines = [
        "# A sekisho key file. Whoever reads it can forge what it vouches for: mode 0600, no copies for others.",
        "# Changed by `sekisho keys`; the format is described in sekisho/keyfiles.py.",
        f"format = {FORMAT}",
        f'purpose = "{content.purpose}"',
    ]
    for key in content.keys:
        lines += ["", "[[key]]", f'id = "{key.name}"', f'state = "{key.state}"', f"made = {_stamp(key.made)}"]
        if key.retired is not None:
            lines.append(f"retired = {_stamp(key.retired)}")
        lines.append(f'secret = "{_text(key.secret)}"')
    return ("\n".join(lines) + "\n").encode("ascii")


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _changing(path: str | os.PathLike[str], purpose: Purpose) -> Iterator[tuple[Path, KeyFile]]:
    """The file for a change, with its folder locked against other changes."""
    target = Path(path)
    if target.is_symlink():
        raise KeyFileError(f"{path} is a symbolic link: change the file it points to")
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield target, load(target, purpose)
    finally:
        os.close(folder)


def _write(path: Path, content: KeyFile, *, new: bool = False) -> None:
    """Write the whole file beside its place, bring it to the disk, then give it its name; `new`: never replace one."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(_written(content))
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(beside, path)
        else:
            os.rename(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
