"""A watched folder when files come out of order, cannot be read, or are none; and a publisher's folder that others fill."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.chains import DAY, OK, Made, make
from tests.unit.crls import crl
from tests.unit.test_revocation_publish import NOW, ask, fresh, holder_of, store_of

from sekisho.reasons import Reason
from sekisho.revocation.publish import publish, take
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore
from sekisho.revocation.watcher import RevocationWatcher
from sekisho.trust import TrustStore

REVOKED = Reason.REVOKED


@pytest.fixture(scope="module")
def root() -> Made:
    return make("watcher root", None, window=(NOW - 30 * DAY, NOW + 30 * DAY))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def looks(watcher: RevocationWatcher, count: int = 2) -> bool:
    return sum(watcher.look() for _ in range(count)) > 0


# ---- lists -----------------------------------------------------------------------------------------------


def test_a_delta_waits_for_its_list(root: Made, folder: Path, tmp_path: Path) -> None:
    bad = holder_of(root, "bad")
    with store_of(tmp_path / "store", root) as store:
        watcher = RevocationWatcher(store, folder)
        (folder / "a-delta.crl").write_bytes(fresh(root, (bad,), number=3, base=2))
        assert not looks(watcher)
        (folder / "b-complete.crl").write_bytes(fresh(root, number=2))
        assert looks(watcher)
        assert ask(store, bad) is REVOKED


def test_the_list_of_a_ca_waits_for_the_list_that_tells_of_the_ca(root: Made, folder: Path, tmp_path: Path) -> None:
    sub = make("watcher sub", root, window=(NOW - DAY, NOW + DAY))
    with RevocationStore(tmp_path / "store", TrustStore([root.der], [sub.der])) as store:
        watcher = RevocationWatcher(store, folder)
        (folder / "a.crl").write_bytes(fresh(sub))
        assert not looks(watcher)
        (folder / "b.crl").write_bytes(fresh(root))
        assert looks(watcher)
        assert ask(store, holder_of(sub)) is OK


def test_what_another_process_took_helps_too(root: Made, folder: Path, tmp_path: Path) -> None:
    bad = holder_of(root, "bad")
    with store_of(tmp_path / "store", root) as store, store_of(tmp_path / "store", root) as other:
        watcher = RevocationWatcher(store, folder)
        (folder / "delta.crl").write_bytes(fresh(root, (bad,), number=3, base=2))
        assert not looks(watcher)
        other.update([fresh(root, number=2)], at=NOW)
        assert looks(watcher, 1)
        assert ask(store, bad) is REVOKED


def test_a_list_from_the_near_future_is_taken_when_its_time_has_come(root: Made, folder: Path, tmp_path: Path) -> None:
    with store_of(tmp_path / "store", root) as store:
        store.skew = 0
        watcher, soon = RevocationWatcher(store, folder), int(time.time()) + 3
        (folder / "a.crl").write_bytes(crl(root, this_update=soon, next_update=soon + DAY))
        assert not looks(watcher)
        assert store.history()[0].detail.count("crl-not-yet-valid") == 1
        while time.time() < soon:
            time.sleep(0.05)
        assert looks(watcher, 1)


def test_one_file_that_cannot_be_read_keeps_no_other_out(root: Made, folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    with store_of(tmp_path / "store", root) as store:
        watcher = RevocationWatcher(store, folder, tell=told.append)
        (folder / "good.crl").write_bytes(fresh(root))
        os.mkfifo(folder / "pipe.crl")  # to open it would wait for a writer
        (folder / "link.crl").symlink_to(folder / "nowhere")
        (folder / "folder.crl").mkdir()
        vanishing = folder / "vanishing.crl"
        vanishing.write_bytes(fresh(root, number=9))
        assert not watcher.look()
        found = watcher._look

        def vanish() -> dict[str, tuple[int, int, int]]:
            now = found()
            vanishing.unlink(missing_ok=True)
            return now

        watcher.__dict__["_look"] = vanish
        assert watcher.look()
        assert ask(store, holder_of(root)) is OK
        assert any(line.startswith("vanishing.crl: ") for line in told)


def test_a_full_disk_is_tried_again(root: Made, folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    with store_of(tmp_path / "store", root) as store:
        watcher = RevocationWatcher(store, folder, tell=told.append)
        (folder / "a.crl").write_bytes(fresh(root))
        (folder / "b.crl").write_bytes(fresh(make("no root of this store")))
        good, store.directory = store.directory, tmp_path / "away"  # nothing can be written
        assert not looks(watcher, 4)
        assert len(told) == 1 or len(told) == len(set(told))  # told once, not at every look
        store.directory = good
        assert looks(watcher, 1)
        assert ask(store, holder_of(root)) is OK


def test_an_empty_folder_is_not_looked_at_all_the_time(root: Made, folder: Path, tmp_path: Path) -> None:
    stop, counted = threading.Event(), list[int]()
    with store_of(tmp_path / "store", root) as store:
        watcher = RevocationWatcher(store, folder)
        found = watcher._look

        def counting() -> dict[str, tuple[int, int, int]]:
            counted.append(1)
            if len(counted) == 3:
                stop.set()
            return found()

        class Waits(threading.Event):
            """Says how long it was asked to wait, and does not."""

            waited: list[float] = []  # noqa: RUF012

            def wait(self, timeout: float | None = None) -> bool:
                self.waited.append(timeout or 0)
                return stop.is_set()

        watcher.__dict__["_look"] = counting
        watcher.run(Waits(), 7)
        assert Waits.waited == [0, 1, 7, 7]


def test_a_watcher_survives_what_it_did_not_expect(root: Made, folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    stop = threading.Event()
    with store_of(tmp_path / "store", root) as store:
        (folder / "a.crl").write_bytes(fresh(root))
        watcher = RevocationWatcher(store, folder, tell=told.append)
        store.state._db.execute("PRAGMA busy_timeout = 0")
        blocker = sqlite3.connect(tmp_path / "store" / "state.db", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        thread = threading.Thread(target=watcher.run, args=(stop, 0.01))
        thread.start()
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        blocker.execute("ROLLBACK")
        blocker.close()
        while store.revocation.id == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        stop.set()
        thread.join()
        assert "locked" in told[0]
        assert ask(store, holder_of(root)) is OK


# ---- snapshots -------------------------------------------------------------------------------------------


def test_snapshots_of_one_look_are_taken_whatever_their_names_sort_like(
    root: Made, folder: Path, tmp_path: Path
) -> None:
    """snapshot-9 and its overlay snapshot-10; and those before, which a late comer need not take."""
    key, told, bad = Ed25519PrivateKey.generate(), list[str](), holder_of(root, "bad")
    with store_of(tmp_path / "builder", root) as builder, store_of(tmp_path / "user", root) as user:
        builder.update([fresh(root, number=1)], at=NOW)
        publish(builder, folder, key)
        while builder.state.next_id() < 8:
            pass
        builder.update([fresh(root, number=2)], at=NOW)
        publish(builder, folder, key)
        builder.update([fresh(root, (bad,), number=3, base=2)], at=NOW)
        assert [path.name for path in publish(builder, folder, key)] == ["snapshot-9.seki", "snapshot-11.seki"]
        watcher = RevocationWatcher(user, folder, publishers=[key.public_key()], tell=told.append)
        assert looks(watcher)
        assert user.revocation.id == 11
        assert ask(user, bad) is REVOKED
        assert sum("in force as" in line for line in told) == 2


def test_nothing_is_copied_that_the_publisher_did_not_sign(root: Made, folder: Path, tmp_path: Path) -> None:
    """A file of a terabyte beside a signature that is none fills no disk."""
    key = Ed25519PrivateKey.generate()
    with store_of(tmp_path / "user", root) as user:
        for name, size in (("huge", 1 << 40), ("empty", 0)):
            path = folder / f"{name}.seki"
            path.touch()
            os.truncate(path, size)
            path.with_name(path.name + ".sig").write_bytes(bytes(64))
            with pytest.raises(SnapshotError) as told:
                take(user, path, [key.public_key()])
            assert told.value.reason is Reason.SNAPSHOT_MALFORMED
        os.mkfifo(folder / "pipe.seki")
        with pytest.raises(SnapshotError) as told:
            take(user, folder / "pipe.seki", [key.public_key()])
        assert told.value.reason is Reason.SNAPSHOT_MALFORMED


def test_a_publisher_begun_anew_replaces_what_it_left(root: Made, folder: Path, tmp_path: Path) -> None:
    key, bad = Ed25519PrivateKey.generate(), holder_of(root, "bad")
    for name, revoked in (("first", ()), ("second", (bad,))):
        with store_of(tmp_path / name, root) as builder:
            builder.update([fresh(root, revoked)], at=NOW)
            (path,) = publish(builder, folder, key)
    with store_of(tmp_path / "user", root) as user:
        take(user, path, [key.public_key()])
        assert ask(user, bad) is REVOKED
