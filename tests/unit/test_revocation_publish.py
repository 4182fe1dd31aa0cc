"""Snapshots that go from one machine to another, a folder that is watched, and the command over all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.unit.chains import DAY, OK, PROFILE, Made, leaf, make
from tests.unit.crls import crl, partition

from sekisho.cli import main
from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.revocation.publish import load_private_key, load_public_key, publish, take
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore
from sekisho.revocation.watcher import RevocationWatcher
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

WANTED = replace(PROFILE, name="revocation-published", revocation="required")
NOW = int(time.time())


@pytest.fixture(scope="module")
def root() -> Made:
    return make("publisher root", None, window=(NOW - 30 * DAY, NOW + 30 * DAY))


def fresh(root: Made, revoked: tuple[Made, ...] = (), number: int = 1, base: int | None = None) -> bytes:
    """A list of these days, since a watcher goes by the clock."""
    return crl(root, revoked, number=number, base=base, this_update=NOW - 100 + number, next_update=NOW + DAY)


def ask(store: RevocationStore, holder: Made, at: int = NOW) -> Reason:
    judge = Verifier(store.trust, WANTED, revocation=store.revocation, engine=Engine(threads=1))
    return judge.verify_certificates([holder.der], at=at)[0].reason


def holder_of(root: Made, name: str = "holder") -> Made:
    return leaf(root, name, window=(NOW - DAY, NOW + DAY))


def store_of(path: Path, root: Made) -> RevocationStore:
    return RevocationStore(path, TrustStore([root.der]))


# ---- publishing ------------------------------------------------------------------------------------------


def test_one_machine_builds_and_another_takes(root: Made, tmp_path: Path) -> None:
    key, bad, new = Ed25519PrivateKey.generate(), holder_of(root, "bad"), holder_of(root, "new")
    out = tmp_path / "out"
    out.mkdir()
    with store_of(tmp_path / "builder", root) as builder, store_of(tmp_path / "user", root) as user:
        with pytest.raises(LookupError):
            publish(builder, out, key)
        builder.update([fresh(root, (bad,), number=1)], at=NOW)
        (base,) = publish(builder, out, key)
        take(user, base, [key.public_key()])
        assert [ask(user, bad), ask(user, new)] == [Reason.REVOKED, OK]
        builder.update([fresh(root, (new,), number=2, base=1)], at=NOW)
        _, delta = publish(builder, out, key)
        take(user, delta, [key.public_key()])
        assert [ask(user, bad), ask(user, new)] == [Reason.REVOKED, Reason.REVOKED]
        assert user.revocation.id == builder.revocation.id
        # The marks that came along hold: what is older than they say is not taken, whoever brings it.
        again = user.update([fresh(root, number=1)], at=NOW)
        assert [one.reason for one in again.decisions] == [Reason.CRL_TIME_WENT_BACK]
    with store_of(tmp_path / "user", root) as user:
        assert [ask(user, bad), ask(user, new)] == [Reason.REVOKED, Reason.REVOKED]


def test_what_is_not_the_publishers_is_refused_by_name(root: Made, tmp_path: Path) -> None:
    key, bad = Ed25519PrivateKey.generate(), holder_of(root, "bad")
    out = tmp_path / "out"
    out.mkdir()
    with store_of(tmp_path / "builder", root) as builder, store_of(tmp_path / "user", root) as user:
        builder.update([fresh(root, (bad,), number=1)], at=NOW)
        (first,) = publish(builder, out, key)
        builder.update([fresh(root, (bad,), number=2)], at=NOW)
        (second,) = publish(builder, out, key)
        builder.update([fresh(root, number=3, base=2)], at=NOW)
        _, delta = publish(builder, out, key)

        def refused(path: Path, *keys: Ed25519PrivateKey) -> Reason:
            with pytest.raises(SnapshotError) as told:
                take(user, path, [one.public_key() for one in keys or (key,)])
            return told.value.reason

        assert refused(delta) is Reason.SNAPSHOT_BASE_MISSING
        assert refused(second, Ed25519PrivateKey.generate()) is Reason.SNAPSHOT_SIGNATURE_WRONG
        take(user, second, [key.public_key()])
        assert refused(first) is Reason.SNAPSHOT_OLDER
        assert refused(second) is Reason.SNAPSHOT_OLDER
        signature = delta.with_name(delta.name + ".sig")
        signed = signature.read_bytes()
        signature.write_bytes(first.with_name(first.name + ".sig").read_bytes())
        assert refused(delta) is Reason.SNAPSHOT_SIGNATURE_WRONG
        signature.write_bytes(signed[:63])
        assert refused(delta) is Reason.SNAPSHOT_SIGNATURE_WRONG
        signature.unlink()
        assert refused(delta) is Reason.SNAPSHOT_UNSIGNED
        signature.write_bytes(signed)
        whole = delta.read_bytes()
        delta.chmod(0o600)
        for place in (70, len(whole) // 2, len(whole) - 60):
            damaged = bytearray(whole)
            damaged[place] ^= 1
            delta.write_bytes(damaged)
            assert refused(delta) in (
                Reason.SNAPSHOT_DIGEST,
                Reason.SNAPSHOT_MALFORMED,
                Reason.SNAPSHOT_SIGNATURE_WRONG,
            )
        delta.write_bytes(whole[:-1])
        assert refused(delta) is Reason.SNAPSHOT_MALFORMED
        assert ask(user, bad) is Reason.REVOKED
        delta.write_bytes(whole)
        take(user, delta, [key.public_key()])
        assert not list((tmp_path / "user").glob("new-*"))


def test_keys_from_files(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    private.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        load_private_key(private)
    private.chmod(0o600)
    assert load_private_key(private).public_key() == load_public_key(public) == key.public_key()


# ---- a watched folder ------------------------------------------------------------------------------------


def test_what_comes_into_a_folder_comes_into_force(root: Made, tmp_path: Path) -> None:
    folder, told = tmp_path / "in", list[str]()
    folder.mkdir()
    bad = holder_of(root, "bad")
    with store_of(tmp_path / "store", root) as store:
        watcher = RevocationWatcher(store, folder, tell=told.append)
        assert not watcher.look()
        path = folder / "a.crl"
        whole = fresh(root, (bad,))
        path.write_bytes(whole[:100])  # somebody is writing it
        assert not watcher.look()
        path.write_bytes(whole)
        assert not watcher.look()  # it has changed since
        assert watcher.look()
        assert ask(store, bad) is Reason.REVOKED
        assert not watcher.look()
        (folder / "b.crl").write_bytes(b"no list")
        (folder / "c.txt").write_bytes(b"not looked at")
        (folder / "d.seki").write_bytes(b"nobody publishes here")
        told.clear()
        watcher.look()
        watcher.look()
        watcher.look()
        assert len(told) == 2
        assert "crl-malformed" in told[0]
        assert "no publisher" in told[1]
        assert ask(store, bad) is Reason.REVOKED


def test_a_watcher_runs_until_it_is_stopped(root: Made, tmp_path: Path) -> None:
    key, folder, stop = Ed25519PrivateKey.generate(), tmp_path / "in", threading.Event()
    folder.mkdir()
    with store_of(tmp_path / "builder", root) as builder, store_of(tmp_path / "user", root) as user:
        builder.update([fresh(root, (holder_of(root),))], at=NOW)
        publish(builder, folder, key)
        watcher = RevocationWatcher(user, folder, publishers=[key.public_key()])
        thread = threading.Thread(target=watcher.run, args=(stop, 0.01))
        thread.start()
        deadline = time.monotonic() + 20
        while user.revocation.id == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        stop.set()
        thread.join()
        assert ask(user, holder_of(root)) is Reason.REVOKED


# ---- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def place(root: Made, tmp_path: Path) -> Path:
    (tmp_path / "root.der").write_bytes(root.der)
    (tmp_path / "crls").mkdir()
    (tmp_path / "crls" / "a.crl").write_bytes(fresh(root, (holder_of(root, "bad"),)))
    (tmp_path / "good.der").write_bytes(holder_of(root, "good").der)
    (tmp_path / "bad.der").write_bytes(holder_of(root, "bad").der)
    return tmp_path


def run(place: Path, command: str, *more: str, ends: int = 0) -> Result:
    """A subcommand over the place's store."""
    done = CliRunner().invoke(
        main, ["revocation", command, str(place / "store"), *more, "--trust", str(place / "root.der")]
    )
    assert done.exit_code == ends, done.output
    return done


def test_build_show_verify_and_roll_back(root: Made, place: Path) -> None:
    built = run(place, "build", str(place / "crls"), "--archive", str(place / "archive"))
    assert "1 of 1 CRLs taken" in built.output
    assert "1 revoked certificates" in built.output
    assert "archived" in built.output
    shown = json.loads(run(place, "show", "--json").output)
    (row,) = shown["crls"]
    assert (row["entries"], row["number"], row["state"]) == (1, 1, "fresh")
    assert "publisher root" in run(place, "show").output
    assert "every byte as it was" in run(place, "verify", "--archive", str(place / "archive")).output
    (place / "crls" / "b.crl").write_bytes(fresh(root, number=2))
    again = json.loads(run(place, "build", str(place / "crls"), "--json").output)
    assert [one["reason"] for one in again["crls"]] == ["crl-known", None]
    assert "in force: snapshot" in run(place, "rollback", "--yes").output
    assert "rollback" in run(place, "show", "--json").output
    (place / "crls" / "c.crl").write_bytes(b"no list")
    assert "crl-malformed" in run(place, "build", str(place / "crls" / "c.crl"), ends=1).output
    snapshot = next((place / "store").glob("snapshot-1.seki"))
    snapshot.chmod(0o600)
    with snapshot.open("r+b") as file:
        file.seek(64 + 128 + 48)
        file.write(b"\xff")
    assert "snapshot-digest" in run(place, "verify", ends=1).output


def test_verify_with_what_is_in_force(place: Path, tmp_path: Path) -> None:
    run(place, "build", str(place / "crls"))
    profile = tmp_path / "profile.toml"
    profile.write_text(
        'name = "mine"\nclass = "other"\nsignature_algorithms = ["ecdsa-sha256"]\nchallenge = "foreign"\n'
        '[modes]\np256 = "ecdsa-sha256-der"\n'
    )
    how = ["--trust", str(place / "root.der"), "--profile", str(profile)]

    def reason(name: str, *more: str) -> str:
        arguments = ["verify", "certificate", str(place / name), *how, *more, "--json"]
        return str(json.loads(CliRunner().invoke(main, arguments).output)["rows"][0]["reason"])

    store = ["--revocation", str(place / "store")]
    assert reason("good.der") == "revocation-not-configured"
    assert [reason("good.der", *store), reason("bad.der", *store)] == ["certificate-ok", "revoked"]


def test_watch_ends_at_sigterm(place: Path) -> None:
    arguments = ["revocation", "watch", str(place / "store"), str(place / "crls"), "--trust", str(place / "root.der")]
    child = subprocess.Popen(
        [sys.executable, "-m", "sekisho.cli", *arguments, "--interval", "0.05"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert "a.crl: CRL 1: taken" in child.stdout.readline()
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(20) == 0
    assert "1 revoked certificates" in run(place, "show").output


def test_partitions_are_shown_by_name(root: Made, place: Path) -> None:
    run(place, "build", str(place / "crls"))
    part = crl(root, idp=partition("City CRLDP"), this_update=NOW - 60, next_update=NOW + DAY)
    (place / "crls" / "part.crl").write_bytes(part)
    run(place, "build", str(place / "crls" / "part.crl"))
    shown = json.loads(run(place, "show", "--json").output)
    assert sorted(row["points"] for row in shown["crls"]) == ["", "CN=City CRLDP,C=JP"]
