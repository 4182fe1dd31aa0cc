"""A byte that is not as it was written, in each region of a snapshot's file (docs/SNAPSHOT.md): a store that opens finds it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from tests.unit.chains import Made, leaf, make
from tests.unit.crls import crl
from tests.unit.test_cli import mistake, run
from tests.unit.test_revocation_builder import OK, REVOKED, ask, reasons, trust_of

from sekisho.reasons import Reason
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore
from sekisho.testing import AT

MALFORMED, VERSION, DIGEST = Reason.SNAPSHOT_MALFORMED, Reason.SNAPSHOT_VERSION, Reason.SNAPSHOT_DIGEST
REGIONS = {
    # what, and what a store says that maps it alone
    "header: magic": MALFORMED,
    "header: version": VERSION,
    "header: zeros": None,
    "index: head": MALFORMED,
    "index: filter": None,
    "index: serials": None,
    "index: dates": None,
    "directory: counts": DIGEST,
    "directory: source": DIGEST,
    "directory: set": DIGEST,
    "directory: key": DIGEST,
    "directory: names": DIGEST,
    "footer: magic": MALFORMED,
    "footer: id": DIGEST,
    "footer: digest": DIGEST,
}


def places(octets: bytes) -> dict[str, int]:
    """An octet of each region."""
    footer = len(octets) - 128
    directory, length = struct.unpack_from("<QQ", octets, footer + 32)
    sources, sets, keys = struct.unpack_from("<III", octets, directory)
    source = directory + 32
    set_ = source + 256 * sources
    key = set_ + 160 * sets
    names = key + 64 * keys
    assert names < directory + length == footer
    index = struct.unpack_from("<Q", octets, set_ + 32)[0]
    filter_, dates = (index + struct.unpack_from("<Q", octets, index + at)[0] for at in (56, 80))
    serials = index + struct.unpack_from("<Q", octets, index + 128 + 16)[0]
    found = {
        "header: magic": 3,
        "header: version": 8,
        "header: zeros": 40,
        "index: head": index,
        "index: filter": filter_,
        "index: serials": serials,
        "index: dates": dates,
        "directory: counts": directory,
        "directory: source": source + 70,
        "directory: set": set_ + 64,
        "directory: names": names,
        "footer: magic": footer,
        "footer: id": footer + 16,
        "footer: digest": footer + 96,
    }
    return found | ({"directory: key": key + 5} if keys else {})


def flip(path: Path, place: int) -> None:
    """One bit, in the file as it lies there."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(place)
        octet = file.read(1)[0]
        file.seek(place)
        file.write(bytes((octet ^ 0x10,)))


@pytest.fixture(scope="module")
def root() -> Made:
    return make("damage root")


@pytest.fixture
def directory(root: Made, tmp_path: Path) -> Path:
    """A store of two bases, of which the newer revokes `bad`, and an overlay, which revokes `worse`."""
    bad, worse = leaf(root, "bad"), leaf(root, "worse")
    others = range(1_000_000, 1_400_000, 1000)
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        for update in (
            [crl(root, others, number=1)],
            [crl(root, [bad, *others], number=2, this_update=AT - 60)],
            [crl(root, [worse, *range(5_000_000, 5_100_000, 1000)], number=3, base=2, this_update=AT - 30)],
        ):
            assert reasons(store.update(update, at=AT)) == [None]
        assert [ask(store, one) for one in (bad, worse)] == [REVOKED, REVOKED]
    return tmp_path / "store"


def files(directory: Path) -> dict[str, Path]:
    """Overlay, base and the base before."""
    numbers = sorted((int(path.stem.removeprefix("snapshot-")) for path in directory.glob("*.seki")), reverse=True)
    assert len(numbers) == 3
    paths = (directory / f"snapshot-{number}.seki" for number in numbers)
    return dict(zip(("overlay", "base", "before"), paths, strict=True))


@pytest.mark.parametrize("which", ["base", "overlay"])
@pytest.mark.parametrize("region", REGIONS)
def test_opening_finds_it_wherever_it_is(root: Made, directory: Path, region: str, which: str) -> None:
    path = files(directory)[which]
    there = places(path.read_bytes())
    if region not in there:
        assert (region, which) == ("directory: key", "overlay")  # it is found through its base
        return
    flip(path, there[region])
    for _ in range(2):  # and nothing else takes its place
        with pytest.raises(SnapshotError) as refused:
            RevocationStore(directory, trust_of(root))
        assert refused.value.reason is (DIGEST if (reason := REGIONS[region]) is None else reason)
        assert str(path) in str(refused.value)
        assert "rollback" in str(refused.value)
    flip(path, there[region])
    with RevocationStore(directory, trust_of(root)) as store:
        assert ask(store, leaf(root, "bad")) is REVOKED


@pytest.mark.parametrize("region", REGIONS)
def test_what_a_map_alone_sees(root: Made, directory: Path, region: str) -> None:
    path = files(directory)["base"]
    flip(path, places(path.read_bytes())[region])
    if (reason := REGIONS[region]) is not None:
        with pytest.raises(SnapshotError) as refused:
            RevocationStore(directory, trust_of(root), check="map")
        assert refused.value.reason is reason
        return
    with RevocationStore(directory, trust_of(root), check="map") as store:
        assert store.base is not None
        assert store.base.verify() is DIGEST


def test_repair_opens_without_it_and_a_rollback_is_an_act(root: Made, directory: Path) -> None:
    bad, path = leaf(root, "bad"), files(directory)["base"]
    flip(path, places(path.read_bytes())["index: serials"])
    for check in ("whole", "map"):
        with RevocationStore(directory, trust_of(root), check=check, repair=True) as store:  # type: ignore[arg-type]
            assert store.fault is not None
            assert store.fault.reason is DIGEST
            assert ask(store, bad) is Reason.REVOCATION_NOT_CONFIGURED
    with RevocationStore(directory, trust_of(root), repair=True) as store:
        store.rollback(at=AT)
        assert ask(store, bad) is OK
    with RevocationStore(directory, trust_of(root)) as store:
        assert store.history(1)[0].what == "rollback"


def test_nobody_goes_back_to_what_is_damaged(root: Made, directory: Path) -> None:
    before = files(directory)["before"]
    flip(before, places(before.read_bytes())["index: filter"])
    with RevocationStore(directory, trust_of(root), check="map") as store:
        current = store.state.current
        with pytest.raises(SnapshotError, match="--repair"):
            store.rollback(at=AT)
        assert store.state.current == current
        assert ask(store, leaf(root, "bad")) is REVOKED
        with pytest.raises(SnapshotError):  # of a past time neither
            RevocationStore(directory, trust_of(root)).at(AT - 600)


def test_a_worker_keeps_what_it_has_where_the_next_is_damaged(root: Made, directory: Path) -> None:
    """Another process commits, and the file is damaged before this one comes to it."""
    bad, late = leaf(root, "bad"), leaf(root, "late")
    with RevocationStore(directory, trust_of(root)) as worker, RevocationStore(directory, trust_of(root)) as other:
        assert reasons(other.update([crl(root, [bad, late], number=4, this_update=AT - 10)], at=AT)) == [None]
        path = other.path_of(other.snapshots()[0].id)
        flip(path, places(path.read_bytes())["index: serials"])
        for _ in range(2):
            with pytest.raises(SnapshotError) as refused:
                worker.refresh()
            assert refused.value.reason is DIGEST
        assert [ask(worker, one) for one in (bad, late)] == [REVOKED, OK]
        flip(path, places(path.read_bytes())["index: serials"])
        assert worker.refresh()
        assert [ask(worker, one) for one in (bad, late)] == [REVOKED, REVOKED]


def test_what_was_gone_back_from_is_looked_at_again_when_it_comes_back(root: Made, directory: Path) -> None:
    """That a snapshot was whole once says nothing of the next time that it is opened."""
    with RevocationStore(directory, trust_of(root)) as worker, RevocationStore(directory, trust_of(root)) as other:
        current = worker.state.current
        other.rollback(at=AT)
        assert worker.refresh()
        path = files(directory)["base"]
        flip(path, places(path.read_bytes())["index: dates"])
        with worker.state.transaction():
            assert current is not None
            worker.state.set_current(*current)
        for store in (worker, other):
            with pytest.raises(SnapshotError):
                store.refresh()


def test_what_is_damaged_while_it_is_built_is_never_committed(
    root: Made, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not keep what it was given."""
    synced = os.fsync

    def spoil(descriptor: int) -> None:
        synced(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.name.startswith("new-"):
            flip(path, places(path.read_bytes())["index: serials"])

    with RevocationStore(directory, trust_of(root), check="map") as store:
        before = store.state.current
        monkeypatch.setattr(os, "fsync", spoil)
        with pytest.raises(SnapshotError) as refused:
            store.update([crl(root, [leaf(root, "bad")], number=9, this_update=AT - 10)], at=AT)
        monkeypatch.undo()
        assert refused.value.reason is DIGEST
        assert store.state.current == before
        assert not list(directory.glob("new-*"))
        assert ask(store, leaf(root, "bad")) is REVOKED
        assert reasons(store.update([crl(root, number=9, this_update=AT - 10)], at=AT)) == [None]


def test_a_check_that_is_none() -> None:
    with pytest.raises(ValueError, match='"whole" or "map"'):
        RevocationStore("nowhere", trust_of(make("damage root")), check="some")  # type: ignore[arg-type]
    assert not Path("nowhere").exists()


def test_the_command_says_what_to_do(root: Made, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "root.cer").write_bytes(root.der)
    (tmp_path / "holder.cer").write_bytes(leaf(root).der)
    path, trust = files(directory)["base"], ("--trust", tmp_path / "root.cer")
    assert "every byte as it was" in run("revocation", "verify", directory, *trust).stdout
    flip(path, places(path.read_bytes())["index: serials"])
    asked = ("verify", "certificate", tmp_path / "holder.cer", "--profile", "client-auth", "--revocation", directory)
    for call in (("revocation", "show", directory, *trust), (*asked, *trust)):
        said = mistake(*call)
        assert "snapshot-digest" in said
        assert "rollback" in said
    told = run("revocation", "verify", directory, *trust, ends=1).stdout
    assert "snapshot-digest" in told
    assert told.count("every byte as it was") == 1  # the overlay's
    assert "in force: snapshot" in run("revocation", "rollback", directory, *trust, "--yes").stdout
    assert "every byte as it was" in run("revocation", "verify", directory, *trust).stdout
