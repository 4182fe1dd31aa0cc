"""A store's directory when things go wrong: files and state that are lost or damaged, threads, processes, a full disk."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.chains import Made, leaf, make
from tests.unit.crls import crl, partition
from tests.unit.test_revocation_builder import OK, REVOKED, UNKNOWN, ask, reasons, trust_of

from sekisho._native import NativeError
from sekisho.reasons import Reason
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore, StoreError
from sekisho.testing import AT


@pytest.fixture(scope="module")
def root() -> Made:
    return make("directory root")


def lists(root: Made, count: int, first: int = 1) -> list[bytes]:
    """One after the other; the last revokes `bad`."""
    return [
        crl(root, [leaf(root, "bad")] if i == count - 1 else [], number=first + i, this_update=AT - 1000 + first + i)
        for i in range(count)
    ]


def test_looking_removes_nothing_that_is_kept(root: Made, tmp_path: Path) -> None:
    with RevocationStore(tmp_path / "store", trust_of(root), keep=30) as store:
        for der in lists(root, 12):
            store.update([der], at=AT)
    with RevocationStore(tmp_path / "store", trust_of(root), keep=1) as store:  # as `show` without --keep opens it
        assert len(store.snapshots()) == 12
        assert store.rollback(at=AT) == 11


def test_an_update_that_fails_leaves_no_files(root: Made, tmp_path: Path) -> None:
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        first, second = lists(root, 2)
        store.update([first], at=AT)
        before = sorted(path.name for path in (tmp_path / "store").iterdir())
        for _ in range(3):
            with pytest.raises(FileNotFoundError, match=r"gone\.crl"):
                store.update([second, tmp_path / "gone.crl"], at=AT)
        assert sorted(path.name for path in (tmp_path / "store").iterdir()) == before
        assert reasons(store.update([second], at=AT)) == [None]  # nothing of it was remembered


def test_a_lost_state_is_no_new_beginning(root: Made, tmp_path: Path) -> None:
    """With the state go the marks: an older list would be taken."""
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update(lists(root, 1), at=AT)
    (tmp_path / "store" / "state.db").rename(tmp_path / "state.db")
    with pytest.raises(StoreError, match="Put it back"):
        RevocationStore(tmp_path / "store", trust_of(root))
    assert list((tmp_path / "store").glob("snapshot-*.seki"))
    (tmp_path / "state.db").rename(tmp_path / "store" / "state.db")
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert ask(store, leaf(root)) is OK


def test_a_state_that_is_none_is_refused(root: Made, tmp_path: Path) -> None:
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update(lists(root, 1), at=AT)
    (tmp_path / "store" / "state.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"state\.db"):
        RevocationStore(tmp_path / "store", trust_of(root))


def test_a_commit_reaches_the_folder_too(root: Made, tmp_path: Path) -> None:
    """SQLite's FULL lets a power cut undo a commit, after which the snapshot that it replaced may be gone."""
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert store.state._db.execute("PRAGMA synchronous").fetchone()[0] == 3  # EXTRA


@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_damaged_snapshot_is_gone_back_from_or_built_anew(root: Made, tmp_path: Path, how: str) -> None:
    bad = leaf(root, "bad")
    first, second = lists(root, 2)
    for name in ("one", "two"):
        with RevocationStore(tmp_path / name, trust_of(root)) as store:
            store.update([first], at=AT)
            store.update([second], at=AT)
            path = store.path_of(store.snapshots()[0].id)
        if how == "gone":
            path.unlink()
        else:
            os.chmod(path, 0o600)
            os.truncate(path, path.stat().st_size - 1)
        with pytest.raises(SnapshotError):
            RevocationStore(tmp_path / name, trust_of(root))
    with RevocationStore(tmp_path / "one", trust_of(root), repair=True) as store:
        assert store.fault is not None
        assert ask(store, bad) is Reason.REVOCATION_NOT_CONFIGURED
        store.rollback(at=AT)
        assert (store.fault, ask(store, bad)) == (None, OK)
        assert reasons(store.update([first], at=AT)) == [Reason.CRL_TIME_WENT_BACK]
    with RevocationStore(tmp_path / "two", trust_of(root), repair=True) as store:
        assert reasons(store.update([first], at=AT)) == [Reason.CRL_TIME_WENT_BACK]  # the marks hold
        assert reasons(store.update([second], at=AT)) == [None]  # the very list that was lost
        assert (store.fault, ask(store, bad)) == (None, REVOKED)
    with RevocationStore(tmp_path / "two", trust_of(root)) as store:
        assert ask(store, bad) is REVOKED


def test_a_snapshot_that_is_damaged_inside_is_copied_nowhere(root: Made, tmp_path: Path) -> None:
    """Its directory is whole, so it opens; a byte of its entries is not, so no new base takes them on."""
    bad = leaf(root, "bad")
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([crl(root, [bad], idp=partition(only_contains_user_certs=True))], at=AT)
        path = store.path_of(store.snapshots()[0].id)
    octets = bytearray(path.read_bytes())
    octets[100] ^= 1
    os.chmod(path, 0o600)
    path.write_bytes(octets)
    other = crl(root, idp=partition("other"))
    with RevocationStore(tmp_path / "store", trust_of(root), check="map") as store:
        with pytest.raises(NativeError):
            store.update([other], at=AT)
        assert not list((tmp_path / "store").glob("new-*"))
    with RevocationStore(tmp_path / "store", trust_of(root), repair=True) as store:
        assert store.fault is not None
        assert store.fault.reason is Reason.SNAPSHOT_DIGEST
        assert reasons(store.update([other], at=AT)) == [None]
        assert ask(store, bad) is UNKNOWN


def test_threads_see_what_is_committed_and_nothing_older_at_the_end(root: Made, tmp_path: Path) -> None:
    wanted = lists(root, 20)
    failed: list[BaseException] = []
    with RevocationStore(tmp_path / "store", trust_of(root), keep=1) as store:
        done = threading.Event()

        def look() -> None:
            try:
                while not done.is_set():
                    store.refresh()
                    store.history()
                    store.snapshots()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for der in wanted:
                assert reasons(store.update([der], at=AT)) == [None]
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert not failed
        current = store.state.current
        assert current is not None
        assert store.revocation.id == current[0]
        assert ask(store, leaf(root, "bad")) is REVOKED


def test_another_process_goes_on_while_this_one_looks(root: Made, tmp_path: Path) -> None:
    """The file that the state names may be gone by the time it is opened, if no more than one is kept."""
    first, second, third = lists(root, 3)
    with (
        RevocationStore(tmp_path / "store", trust_of(root), keep=1) as one,
        RevocationStore(tmp_path / "store", trust_of(root), keep=1) as other,
    ):
        one.update([first], at=AT)
        other.refresh()
        one.update([second], at=AT)
        opened = other._open

        def late(number: int) -> object:
            other.__dict__.pop("_open")
            one.update([third], at=AT)
            return opened(number)

        other.__dict__["_open"] = late
        assert other.refresh()
        assert ask(other, leaf(root, "bad")) is REVOKED


def test_a_commit_that_fails_leaves_what_was(root: Made, tmp_path: Path) -> None:
    first, second = lists(root, 2)
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([first], at=AT)
        blocker = sqlite3.connect(tmp_path / "store" / "state.db", isolation_level=None)
        store.state._db.execute("PRAGMA busy_timeout = 0")
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError):
            store.update([second], at=AT)
        blocker.execute("ROLLBACK")
        blocker.close()
        assert ask(store, leaf(root, "bad")) is OK
        assert reasons(store.update([second], at=AT)) == [None]
        assert ask(store, leaf(root, "bad")) is REVOKED


def test_what_a_crash_left_in_the_archive_is_removed_in_time(root: Made, tmp_path: Path) -> None:
    """Another store may share it, and be writing: what is younger than a day stays."""
    (tmp_path / "archive").mkdir(mode=0o700)
    old, young = tmp_path / "archive" / ".new-old", tmp_path / "archive" / ".new-young"
    for file in (old, young):
        file.write_bytes(b"half a list")
    os.utime(old, (1, 1))
    with RevocationStore(tmp_path / "store", trust_of(root), archive=tmp_path / "archive") as store:
        assert (old.exists(), young.exists()) == (False, True)
        store.update(lists(root, 1), at=AT)
        assert store.archive is not None
        assert len(list(store.archive)) == 1


def test_a_list_in_pem_is_archived_as_it_came(root: Made, tmp_path: Path) -> None:
    der = crl(root)
    pem = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
    given = [pem, pem.replace(b"\n", b"\r\n")]
    for number, text in enumerate(given):
        with RevocationStore(tmp_path / f"{number}", trust_of(root), archive=tmp_path / f"archive {number}") as store:
            assert reasons(store.update([text], at=AT)) == [None]
            assert store.archive is not None
            (sha256,) = store.archive
            assert store.archive.read(sha256) == text
