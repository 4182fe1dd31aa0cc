"""Snapshots from one machine to others: built where the CRLs come in, signed by a publisher, taken where they are used.

A signature is 64 bytes of Ed25519 in a file beside the snapshot, over "sekisho snapshot 1", a zero byte, the snapshot's
digest (32 bytes, into which every byte of it goes) and its id (8 bytes, big-endian).  Whoever takes a snapshot believes its
publisher about what CAs said; the marks of the store hold against him too, so an old one is not taken twice.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.reasons import Reason
from sekisho.revocation.archive import sync_folder
from sekisho.revocation.builder import row_of
from sekisho.revocation.ingest import source_scope
from sekisho.revocation.snapshot import Snapshot, SnapshotError
from sekisho.revocation.state import Mark
from sekisho.revocation.store import RevocationStore

__all__ = ["ENDING", "SIGNATURE_ENDING", "load_private_key", "load_public_key", "publish", "take"]

ENDING: Final = ".seki"
SIGNATURE_ENDING: Final = ".seki.sig"
_LABEL: Final = b"sekisho snapshot 1\0"
_SIGNATURE_SIZE: Final = 64


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

    Raises:
        LookupError: nothing is in force.
    """
    if store.base is None:
        raise LookupError("nothing is in force: build a snapshot first")
    made = []
    for snapshot in (store.base, store.overlay):
        if snapshot is not None:
            report = snapshot.report
            path = Path(folder) / f"snapshot-{report.id}{ENDING}"
            if not path.exists():
                _put(path.with_name(path.name + ".sig"), key.sign(_signed(report.digest, report.id)))
                _put(path, Path(snapshot.path))
            made.append(path)
    sync_folder(Path(folder))
    return made


def take(store: RevocationStore, path: str | os.PathLike[str], publishers: Sequence[Ed25519PublicKey]) -> Snapshot:
    """Takes a published snapshot into a store: copies it, looks at every byte of the copy, and puts it in force.

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
            shutil.copyfile(source, copy)
            copy.chmod(0o400)
            snapshot = Snapshot(copy)
            _authenticate(snapshot, source, publishers)
            if (reason := snapshot.verify()) is not None:
                raise SnapshotError(reason, str(source))
            marks = _marks(store, snapshot, source)
            _commit(store, snapshot, copy, marks)
        except SnapshotError as error:
            store.state.record(int(time.time()), "refused", None, f"{source.name}: {error.reason.kebab}")
            raise
        finally:
            copy.unlink(missing_ok=True)
        store.refresh()
        store.sweep()
        return snapshot


def _authenticate(snapshot: Snapshot, source: Path, publishers: Sequence[Ed25519PublicKey]) -> None:
    try:
        signature = source.with_name(source.name + ".sig").read_bytes()
    except FileNotFoundError:
        raise SnapshotError(Reason.SNAPSHOT_UNSIGNED, str(source)) from None
    report = snapshot.report
    for key in publishers if len(signature) == _SIGNATURE_SIZE else ():
        try:
            key.verify(signature, _signed(report.digest, report.id))
        except InvalidSignature:
            continue
        return
    raise SnapshotError(Reason.SNAPSHOT_SIGNATURE_WRONG, str(source))


def _marks(store: RevocationStore, snapshot: Snapshot, source: Path) -> dict[bytes, Mark]:
    """The marks that its CRLs set; none may be below the store's."""
    report = snapshot.report
    newest = max((row.id for row in store.snapshots()), default=0)
    if report.id <= newest:
        raise SnapshotError(Reason.SNAPSHOT_OLDER, str(source))
    base = snapshot
    if report.kind == "overlay":
        if store.base is None or store.base.report.digest != report.base:
            raise SnapshotError(Reason.SNAPSHOT_BASE_MISSING, str(source))
        base = store.base
    marks = {}
    for one in snapshot.sources():
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
