"""A store whose process ends before each single step of what it does: what is in force is the state before, or the one after.

Steps are what leaves a trace on the disk: fsync, rename, unlink, chmod, and the beginning and end of a transaction.  The child
ends with os._exit, as kill -9 does; what a power cut loses hangs on the order of the steps, which has a test of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.chains import Made, make
from tests.unit.crls import crl, partition

from sekisho.reasons import Reason
from sekisho.revocation.publish import publish, take
from sekisho.revocation.store import RevocationStore
from sekisho.testing import AT
from sekisho.trust import TrustStore

ROOT = make("steps root")
HELPER = make(ROOT.name, ROOT, own_key="steps helper")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
USERS, CAS = partition(only_contains_user_certs=True), partition(only_contains_ca_certs=True)
ENDED = 77

Action = Callable[[RevocationStore, Path], object]


def store_of(directory: Path) -> RevocationStore:
    return RevocationStore(
        directory, TrustStore([ROOT.der]), signers=[HELPER.der], archive=directory.parent / "archive", keep=2
    )


def users(number: int, base: int | None = None) -> bytes:
    return crl(ROOT, [number], number=number, base=base, this_update=AT - 1000 + number, idp=USERS)


def cas(number: int, revoked: tuple[Made, ...] = (), base: int | None = None) -> bytes:
    return crl(ROOT, revoked, number=number, base=base, this_update=AT - 1000 + number, idp=CAS)


# Made once: a signature of ECDSA is another each time, and so is the list.
USERS_2, USERS_3, USERS_4, USERS_5, USERS_7, USERS_9 = (users(number) for number in (2, 3, 4, 5, 7, 9))
CAS_2, CAS_4, CAS_7, CAS_9 = (cas(number) for number in (2, 4, 7, 9))
DELTA_5, DELTA_6 = users(5, base=4), users(6, base=5)
REVOKING, REVOKING_DELTA = cas(5, (HELPER,)), cas(5, (HELPER,), base=4)
BY_HELPER = crl(ROOT, signed_by=HELPER, this_update=AT - 999)


def take_published(store: RevocationStore, place: Path) -> None:
    take(store, place / "out" / "snapshot-21.seki", [KEY.public_key()])


ACTIONS: dict[str, Action] = {
    "a complete list": lambda store, _: store.update([USERS_5], at=AT),
    "a delta": lambda store, _: store.update([DELTA_5], at=AT),
    "both at once": lambda store, _: store.update([USERS_5, DELTA_6], at=AT),
    "a signer is revoked": lambda store, _: store.update([REVOKING, USERS_5], at=AT),
    "a signer is revoked by a delta": lambda store, _: store.update([REVOKING_DELTA], at=AT),
    "a rollback": lambda store, _: store.rollback(at=AT),
    "a published snapshot": take_published,
    "nothing is taken": lambda store, _: store.update([b"no list", USERS_3], at=AT),
}


class Steps:
    """Counts what leaves a trace, and ends the process before one of it."""

    def __init__(self, last: int, tell: Callable[[str], None] = lambda _: None) -> None:
        self.count, self.last, self.tell = 0, last, tell

    def __call__(self, what: str) -> None:
        self.count += 1
        if self.count == self.last:
            os._exit(ENDED)
        self.tell(what)

    def watch(self, store: RevocationStore) -> None:
        """In a child, which does not come back."""
        for name in ("fsync", "rename", "unlink", "chmod", "fchmod"):
            real = getattr(os, name)

            def wrapped(*given: Any, name: str = name, real: Any = real, **more: Any) -> Any:
                about = os.readlink(f"/proc/self/fd/{given[0]}") if isinstance(given[0], int) else os.fspath(given[0])
                self(f"{name} {Path(about).name}")
                return real(*given, **more)

            setattr(os, name, wrapped)
        store.state._db = Watched(store.state._db, self)  # type: ignore[assignment]


class Watched:
    """A connection whose transactions are steps."""

    def __init__(self, connection: Any, steps: Steps) -> None:
        self._connection, self._steps = connection, steps

    def execute(self, sql: str, *values: Any) -> Any:
        if sql in ("BEGIN IMMEDIATE", "COMMIT"):
            self._steps(sql)
        done = self._connection.execute(sql, *values)
        if sql == "COMMIT":
            self._steps("after COMMIT")
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def in_child(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def looks(directory: Path) -> tuple[object, ...]:
    """What is in force, and how far each list has come, once the store is opened; and that all of it is whole."""
    with store_of(directory) as store:
        files = {path.name for path in directory.iterdir()}
        assert not [name for name in files if name.startswith("new-")], files
        assert {name for name in files if name.startswith("snapshot-")} == {
            f"snapshot-{row.id}.seki" for row in store.snapshots()
        }
        told = []
        for snapshot in (store.base, store.overlay):
            if snapshot is not None:
                assert snapshot.verify() is None
                told.append(sorted((one.sha256, one.number) for one in snapshot.sources()))
                if not (directory.parent / "out").is_dir():
                    archive = store.archive
                    assert archive is not None
                    assert all(archive.read(one.sha256) for one in snapshot.sources())
        marks = sorted(store.state._rows("SELECT scope, number, this_update FROM mark"))
        return told, marks


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where there is such a folder: hundreds of stores are opened here, and a disk's pace says nothing."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a past, and a published snapshot beside it."""
    folder = tmp_path_factory.mktemp("steps")

    def fill() -> None:
        with store_of(folder / "store") as store:
            store.update([USERS_2, CAS_2, BY_HELPER], at=AT)
            store.update([USERS_4, CAS_4], at=AT)
        (folder / "out").mkdir()
        with store_of(folder / "other" / "store") as other:
            while other.state.next_id() < 20:
                pass
            other.update([USERS_7, CAS_7], at=AT)
            publish(other, folder / "out", KEY)

    assert in_child(fill) == 0
    return folder


@pytest.mark.parametrize("name", list(ACTIONS))
def test_what_is_in_force_is_what_was_before_or_what_is_after(place: Path, tmp_path: Path, name: str) -> None:
    act = ACTIONS[name]

    def run(number: int) -> tuple[Path, int]:
        here = tmp_path / str(number)
        here.mkdir()
        shutil.copytree(place / "store", here / "store")
        shutil.copytree(place / "archive", here / "archive")
        if act is take_published:
            shutil.copytree(place / "out", here / "out")

        def work() -> None:
            with store_of(here / "store") as store:
                Steps(number).watch(store)
                act(store, here)

        return here, in_child(work)

    whole, ended = run(0)  # to its end
    assert ended == 0
    (tmp_path / "before").mkdir()
    shutil.copytree(place / "store", tmp_path / "before" / "store")
    shutil.copytree(place / "archive", tmp_path / "before" / "archive")
    before, after = looks(tmp_path / "before" / "store"), looks(whole / "store")
    seen, number = [], 0
    while True:
        number += 1
        here, ended = run(number)
        if ended == 0:
            break
        assert ended == ENDED
        found = looks(here / "store")
        assert found in (before, after), f"step {number}"
        seen.append(found == after)
        assert seen == sorted(seen), "what was committed is gone again"
        with store_of(here / "store") as store:  # and it goes on
            update = store.update([USERS_9, CAS_9], at=AT)
            assert [one.reason for one in update.decisions] == [None, None]
            assert [one.reason for one in store.update([USERS_4], at=AT).decisions] == [Reason.CRL_TIME_WENT_BACK]
        shutil.rmtree(here)
    assert number > 3
    assert before == after or True in seen


def test_files_are_on_the_disk_before_a_commit_names_them(place: Path, tmp_path: Path) -> None:
    """In this order, whatever a power cut takes: the file, its name, the commit; and only then what it replaces is removed."""
    shutil.copytree(place / "store", tmp_path / "store")
    shutil.copytree(place / "archive", tmp_path / "archive")
    trace = tmp_path / "trace"

    def work() -> None:
        with store_of(tmp_path / "store") as store, trace.open("w") as file:
            steps = Steps(0, lambda what: print(what, file=file))
            steps.watch(store)
            store.update([USERS_5, DELTA_6], at=AT)

    assert in_child(work) == 0
    said = trace.read_text().splitlines()
    with store_of(tmp_path / "store") as store:
        assert store.base is not None
        assert store.overlay is not None
        ids = store.base.report.id, store.overlay.report.id
    renamed = [said.index(f"rename new-{one}") for one in ids]
    for one, at in zip(ids, renamed, strict=True):
        assert f"fsync new-{one}" in said[:at]
    folder = said.index("fsync store", max(renamed))
    commit = said.index("COMMIT", folder)
    removed = [at for at, what in enumerate(said) if what.startswith("unlink snapshot-")]
    assert removed
    assert min(removed) > commit
    archived = [at for at, what in enumerate(said) if what.startswith("rename .new-")]
    assert len(archived) == 2
    for at in archived:
        assert said[at - 1].startswith("fsync .new-")
        assert said[at + 1].startswith("fsync ")  # the folder that it is in
        assert "fsync archive" in said[at - 4 : at]  # and that one, for this folder is new
        assert at < commit
