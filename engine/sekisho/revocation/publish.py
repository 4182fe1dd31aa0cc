"""Snapshots from one machine to others: built where the CRLs come in, signed by a publisher, taken where they are used.

A signature is 64 bytes of Ed25519 in a file beside the snapshot, over "sekisho snapshot 1", a zero byte, the snapshot's
digest (32 bytes, into which every byte of it goes) and its id (8 bytes, big-endian).  Whoever takes a snapshot believes its
publisher about what CAs said; the marks of the store hold against him too, so an old one is not taken twice.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho._native import NativeError
from sekisho.reasons import Reason
from sekisho.revocation.archive import sync_folder
from sekisho.revocation.builder import row_of
from sekisho.revocation.ingest import source_scope
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotError
from sekisho.revocation.state import Mark
from sekisho.revocation.store import RevocationStore

__all__ = ["ENDING", "SIGNATURE_ENDING", "load_private_key", "load_public_key", "publish", "take"]

ENDING: Final = ".seki"
SIGNATURE_ENDING: Final = ".seki.sig"
_LABEL: Final = b"sekisho snapshot 1\0"
_SIGNATURE_SIZE: Final = 64
_FOOTER: Final = struct.Struct("<8sIIQqQQ32s16s32s")
"""Mark, format, kind, id, time; offset and length of the directory; base, zeros, the directory's digest."""
_END: Final = b"sekiend1"
_PIECE: Final = 1 << 20  # bytes copied at once


def load_private_key(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    """A publisher's key from a PEM file (`openssl genpkey -algorithm ed25519`), which nobody else may read.

    Raises:
        ValueError: it is no such key, or the file can be read by others.
    """
    if Path(path).stat().st_mode & 0o077:
        raise ValueError(f"{os.fspath(path)}: others can read this key: chmod 600 it")
    key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{os.fspath(path)}: not an Ed25519 key: make one with `openssl genpkey -algorithm ed25519`")
    return key


def load_public_key(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    """A publisher's public key from a PEM file (`openssl pkey -pubout`).

    Raises:
        ValueError: it is no such key.
    """
    key = serialization.load_pem_public_key(Path(path).read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{os.fspath(path)}: not an Ed25519 public key: `openssl pkey -in KEY -pubout` makes it")
    return key


def publish(store: RevocationStore, folder: str | os.PathLike[str], key: Ed25519PrivateKey) -> list[Path]:
    """Puts the base in force, and its overlay, with signatures into a folder; returns the snapshots' paths there.

    A file of that name that is another snapshot, as a store begun anew leaves it behind, is replaced.

    Raises:
        LookupError: nothing is in force.
    """
    with store.locked():  # or what is copied might be removed meanwhile
        store.refresh()
        if store.base is None:
            raise LookupError("nothing is in force: build a snapshot first")
        made = []
        for snapshot in (store.base, store.overlay):
            if snapshot is not None:
                report = snapshot.report
                path = Path(folder) / f"snapshot-{report.id}{ENDING}"
                if not _is_there(path, report.digest):
                    _put(path.with_name(path.name + ".sig"), key.sign(_signed(report.digest, report.id)))
                    _put(path, Path(snapshot.path))
                made.append(path)
    sync_folder(Path(folder))
    return made


def take(store: RevocationStore, path: str | os.PathLike[str], publishers: Sequence[Ed25519PublicKey]) -> Snapshot:
    """Takes a published snapshot into a store: copies it, looks at every byte of the copy, and puts it in force.

    Nothing is copied that the publisher did not sign: its last bytes, which are read first, say so.

    Raises:
        SnapshotError: unsigned, signed by somebody else, damaged, older than what was in force, or of another base; what was
            in force stays so.
    """
    source = Path(path)
    with store.locked():
        store.refresh()
        copy = store.directory / f"new-taken-{os.getpid()}"
        copy.unlink(missing_ok=True)
        try:
            with _opened(source) as file:
                footer = _read_footer(file, source)
                _authenticate(footer, source, publishers)
                if footer.id <= max((row.id for row in store.snapshots()), default=0):
                    raise SnapshotError(Reason.SNAPSHOT_OLDER, str(source))
                _copy(file, copy, footer, source)
            snapshot = Snapshot(copy)
            if snapshot.report.digest != footer.digest:  # somebody writes into it
                raise SnapshotError(Reason.SNAPSHOT_DIGEST, str(source))
            if (reason := snapshot.verify()) is not None:
                raise SnapshotError(reason, str(source))
            marks = _marks(store, snapshot, source)
            _try(store, snapshot, source)
            _commit(store, snapshot, copy, marks)
        except SnapshotError as error:
            with store.state.transaction():
                store.state.record(int(time.time()), "refused", None, f"{source.name}: {error.reason.kebab}")
            raise
        finally:
            copy.unlink(missing_ok=True)
        store.refresh()
        store.sweep(keep=True)
        return snapshot


@dataclass(frozen=True)
class _Footer:
    """The last bytes of a snapshot (docs/SNAPSHOT.md), from which its digest is made."""

    id: int
    size: int
    digest: bytes


def _opened(source: Path) -> IO[bytes]:
    """A file of somebody else's; not a pipe, which would keep the store waiting."""
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SnapshotError(Reason.SNAPSHOT_MALFORMED, str(source))
    return os.fdopen(descriptor, "rb")


def _read_footer(file: IO[bytes], source: Path) -> _Footer:
    size = os.fstat(file.fileno()).st_size
    octets = os.pread(file.fileno(), _FOOTER.size, max(size - _FOOTER.size, 0))
    if len(octets) != _FOOTER.size:
        raise SnapshotError(Reason.SNAPSHOT_MALFORMED, str(source))
    magic, _, _, number, _, offset, length, *_ = _FOOTER.unpack(octets)
    if magic != _END or offset + length + _FOOTER.size != size:
        raise SnapshotError(Reason.SNAPSHOT_MALFORMED, str(source))
    return _Footer(number, size, hashlib.sha256(octets).digest())


def _authenticate(footer: _Footer, source: Path, publishers: Sequence[Ed25519PublicKey]) -> None:
    try:
        with _opened(source.with_name(source.name + ".sig")) as file:
            signature = file.read(_SIGNATURE_SIZE + 1)
    except FileNotFoundError:
        raise SnapshotError(Reason.SNAPSHOT_UNSIGNED, str(source)) from None
    for key in publishers if len(signature) == _SIGNATURE_SIZE else ():
        try:
            key.verify(signature, _signed(footer.digest, footer.id))
        except InvalidSignature:
            continue
        return
    raise SnapshotError(Reason.SNAPSHOT_SIGNATURE_WRONG, str(source))


def _copy(file: IO[bytes], copy: Path, footer: _Footer, source: Path) -> None:
    left = footer.size
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o400)
    with os.fdopen(descriptor, "wb") as to:
        while left and (piece := file.read(min(left, _PIECE))):
            to.write(piece)
            left -= len(piece)
    if left:
        raise SnapshotError(Reason.SNAPSHOT_MALFORMED, str(source))


def _try(store: RevocationStore, snapshot: Snapshot, source: Path) -> None:
    """Whether it can be put in force: asked before it is committed to."""
    try:
        if snapshot.report.kind == "base":
            Revocation().publish(snapshot)
        elif store.base is not None:
            Revocation().publish(store.base, snapshot)
    except (ValueError, NativeError):
        raise SnapshotError(Reason.SNAPSHOT_MALFORMED, str(source)) from None


def _marks(store: RevocationStore, snapshot: Snapshot, source: Path) -> dict[bytes, Mark]:
    """The marks that its CRLs set; none may be below the store's."""
    report = snapshot.report
    base = snapshot
    if report.kind == "overlay":
        if store.base is None or store.base.report.digest != report.base:
            raise SnapshotError(Reason.SNAPSHOT_BASE_MISSING, str(source))
        base = store.base
    marks = {}
    for one in snapshot.sources():
        if one.base_source is not None and one.base_source >= base.report.sources:
            raise SnapshotError(Reason.SNAPSHOT_MALFORMED, str(source))
        scope = source_scope(one if one.base_source is None else base.source(one.base_source))
        before = store.state.mark(scope)
        if before is not None and (
            one.this_update < before.this_update
            or (before.number is not None and (one.number is None or one.number < before.number))
        ):
            raise SnapshotError(Reason.SNAPSHOT_OLDER, str(source))
        marks[scope] = Mark(one.number, one.this_update, one.sha256, one.base_source is not None)
    return marks


def _commit(store: RevocationStore, snapshot: Snapshot, copy: Path, marks: dict[bytes, Mark]) -> None:
    report, current = snapshot.report, store.state.current
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    copy.rename(store.path_of(report.id))
    sync_folder(store.directory)
    base = report.id if report.kind == "base" else current[0] if current is not None else None
    with store.state.transaction():
        store.state.skip_to(report.id)
        store.state.add_snapshot(row_of(snapshot, base))
        for scope, mark in marks.items():
            store.state.set_mark(scope, mark)
        if base is not None:
            store.state.set_current(base, None if report.kind == "base" else report.id)
        store.state.record(int(time.time()), "taken", report.id, f"{report.sources} CRLs of a publisher")


def _signed(digest: bytes, number: int) -> bytes:
    return _LABEL + digest + number.to_bytes(8, "big")


def _is_there(path: Path, digest: bytes) -> bool:
    try:
        with _opened(path) as file:
            return _read_footer(file, path).digest == digest
    except (FileNotFoundError, SnapshotError):
        return False


def _put(path: Path, content: bytes | Path) -> None:
    """A file that is there whole or not at all."""
    new = path.with_name(f".new-{path.name}")
    if isinstance(content, Path):
        shutil.copyfile(content, new)
    else:
        new.write_bytes(content)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.rename(path)
