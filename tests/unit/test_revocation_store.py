"""A store of revocation data: what gets in, what does not and why, and what is in force afterwards."""

from __future__ import annotations

import inspect
import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from tests.unit.chains import DAY, OK, PROFILE, Made, leaf, make
from tests.unit.crls import crl, partition, points

from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.revocation.builder import Update
from sekisho.revocation.snapshot import SnapshotError
from sekisho.revocation.store import RevocationStore, StoreError
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

WANTED = replace(PROFILE, name="revocation-store", revocation="required")
REVOKED, UNKNOWN = Reason.REVOKED, Reason.REVOCATION_UNKNOWN


@pytest.fixture(scope="module")
def root() -> Made:
    return make("store root")


def trust_of(*anchors: Made, below: tuple[Made, ...] = ()) -> TrustStore:
    return TrustStore([one.der for one in anchors], [one.der for one in below])


def reasons(update: Update) -> list[Reason | None]:
    return [one.reason for one in update.decisions]


def ask(store: RevocationStore, holder: Made, at: int = AT) -> Reason:
    judge = Verifier(store.trust, WANTED, revocation=store.revocation, engine=Engine(threads=1))
    return judge.verify_certificates([holder.der], at=at)[0].reason


# ---- what gets in ----------------------------------------------------------------------------------------


def test_from_files_to_verdicts_and_back_again_after_a_restart(root: Made, tmp_path: Path) -> None:
    here, there = (leaf(root, "holder", extra=[(points(name), False)]) for name in "ab")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "a.crl").write_bytes(crl(root, [here], idp=partition("a")))
    (lists / "b.crl").write_bytes(crl(root, idp=partition("b")))
    (lists / "notes.txt").write_text("not looked at")
    read: list[int] = []
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert ask(store, here) is Reason.REVOCATION_NOT_CONFIGURED
        update = store.update([lists], at=AT, progress=read.append)
        assert (reasons(update), update.taken, update.changed) == ([None, None], 2, True)
        assert sum(read) == sum(file.stat().st_size for file in lists.glob("*.crl"))
        assert [ask(store, here), ask(store, there)] == [REVOKED, OK]
        same = store.update([lists], at=AT)
        assert (reasons(same), same.changed, same.base) == ([Reason.CRL_KNOWN] * 2, False, update.base)
    with RevocationStore(tmp_path / "store", trust_of(root)) as again:
        assert [ask(again, here), ask(again, there)] == [REVOKED, OK]
        # One partition comes anew, the other stays as it is.
        news = again.update([crl(root, idp=partition("a"), number=2, this_update=AT)], at=AT)
        assert reasons(news) == [None]
        assert [ask(again, here), ask(again, there)] == [OK, OK]
        assert again.base is not None
        assert again.base.report.sources == 2


def test_every_refusal_has_its_name_and_leaves_what_was_in_force(root: Made, tmp_path: Path) -> None:
    stranger = make("store stranger")
    no_crl = make("no list", root)
    bad = leaf(root, "bad")
    good = crl(root, [bad], number=5)
    with RevocationStore(tmp_path / "store", trust_of(root, below=(no_crl,))) as store:
        assert reasons(store.update([good], at=AT)) == [None]
        forged = bytearray(crl(root, number=6, this_update=AT))
        forged[-1] ^= 1
        cases: list[tuple[bytes, Reason]] = [
            (bytes(forged), Reason.CRL_SIGNATURE_WRONG),
            (crl(stranger, number=6), Reason.CRL_ISSUER_UNKNOWN),
            (crl(root, number=6, signed_by=stranger), Reason.CRL_SIGNATURE_WRONG),
            (crl(root, number=6, this_update=AT + 61), Reason.CRL_NOT_YET_VALID),
            (crl(root, number=6, this_update=AT - 10, next_update=AT - 1), Reason.CRL_EXPIRED),
            (crl(root, number=4, this_update=AT), Reason.CRL_NUMBER_WENT_BACK),
            (crl(root, number=None, this_update=AT), Reason.CRL_EXTENSION_MALFORMED),
            (crl(root, number=6, this_update=AT - 3601), Reason.CRL_TIME_WENT_BACK),
            (crl(root, number=5, this_update=AT), Reason.CRL_NUMBER_REUSED),
            (good, Reason.CRL_KNOWN),
            (crl(root, [bad, bad], number=6, this_update=AT), Reason.CRL_ENTRY_DUPLICATE),
            (crl(root, number=6, idp=partition(only_contains_attribute_certs=True)), Reason.CRL_SCOPE_UNSUPPORTED),
            (crl(root, number=6, base=6, this_update=AT), Reason.CRL_DELTA_GAP),
            (crl(root, number=6, base=5, idp=partition("a"), this_update=AT), Reason.CRL_SCOPE_DIFFERS),
            (crl(no_crl, number=6, base=5, this_update=AT), Reason.CRL_DELTA_WITHOUT_BASE),
            (good[:-1], Reason.CRL_TRUNCATED),
            (good + b"\0", Reason.CRL_TRAILING_DATA),
            (b"<html>no such file</html>", Reason.CRL_MALFORMED),
            (b"", Reason.CRL_TRUNCATED),
            (root.der, Reason.CRL_MALFORMED),
        ]
        for der, expected in cases:
            update = store.update([der], at=AT)
            assert reasons(update) == [expected]
            assert not update.changed
            assert ask(store, bad) is REVOKED
        refused = [act for act in store.history() if act.what == "refused"]
        assert len(refused) == len(cases) - 1  # what is known already is no refusal
        assert not list((tmp_path / "store").glob("new-*"))


def test_a_key_that_may_not_sign_lists(root: Made, tmp_path: Path) -> None:
    """RFC 5280, 6.3.3 (f): where keyUsage is there, cRLSign must be in it."""
    from tests.unit import chains

    bits = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False)
    without = x509.KeyUsage(**{**bits, "key_cert_sign": True})
    kept = chains.usage
    chains.usage = lambda is_ca: without if is_ca else kept(is_ca)
    try:
        silent = make("silent root")
    finally:
        chains.usage = kept
    with RevocationStore(tmp_path / "store", trust_of(silent)) as store:
        assert reasons(store.update([crl(silent)], at=AT)) == [Reason.CRL_ISSUER_KEY_USAGE]


def test_generations_of_one_name(tmp_path: Path) -> None:
    """FACTS B2: each its own scope; the list of one never serves the certificates of another."""
    old, new = make("gen", None, own_key="gen old"), make("gen", None, own_key="gen new")
    with RevocationStore(tmp_path / "store", trust_of(old, new)) as store:
        store.update([crl(old, number=9)], at=AT)
        assert [ask(store, leaf(old)), ask(store, leaf(new))] == [OK, UNKNOWN]
        assert reasons(store.update([crl(new, [leaf(new)], number=3)], at=AT)) == [None]
        assert [ask(store, leaf(old)), ask(store, leaf(new))] == [OK, REVOKED]


def test_the_newest_of_several_lists_of_one_scope(root: Made, tmp_path: Path) -> None:
    bad = leaf(root, "bad")
    lists = [crl(root, number=n, this_update=AT - 100 + n, revoked=[bad] if n == 3 else []) for n in (2, 3, 1)]
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        update = store.update(lists, at=AT)
        assert reasons(update) == [Reason.CRL_TIME_WENT_BACK, None, Reason.CRL_TIME_WENT_BACK]
        assert ask(store, bad) is REVOKED


# ---- signers ---------------------------------------------------------------------------------------------


def test_a_key_for_lists_alone(root: Made, tmp_path: Path) -> None:
    """RFC 5280, 6.3.3 (f): its certificate needs a path, and must not be revoked by anybody but itself."""
    helper = make(root.name, root, own_key="store crl key")
    by_helper, by_root = crl(root, signed_by=helper), crl(root, idp=partition(only_contains_ca_certs=True))
    revoking = crl(root, [helper], idp=partition(only_contains_ca_certs=True))
    with RevocationStore(tmp_path / "one", trust_of(root), signers=[helper.der]) as store:
        assert reasons(store.update([by_helper], at=AT)) == [Reason.CRL_ISSUER_REVOKED]  # nobody vouches for himself
        assert reasons(store.update([by_helper, by_root], at=AT)) == [None, None]
        assert ask(store, leaf(root)) is OK
    with RevocationStore(tmp_path / "two", trust_of(root), signers=[helper.der]) as store:
        assert reasons(store.update([by_helper, revoking], at=AT)) == [Reason.CRL_ISSUER_REVOKED, None]
        assert ask(store, leaf(root)) is UNKNOWN
    with RevocationStore(tmp_path / "three", trust_of(root)) as store:
        assert reasons(store.update([by_helper, by_root], at=AT)) == [Reason.CRL_SIGNATURE_WRONG, None]


def test_cas_below_the_anchor(root: Made, tmp_path: Path) -> None:
    sub = make("store sub", root)
    with RevocationStore(tmp_path / "store", trust_of(root, below=(sub,))) as store:
        assert reasons(store.update([crl(sub)], at=AT)) == [Reason.CRL_ISSUER_REVOKED]  # nothing tells of sub itself
        assert reasons(store.update([crl(sub), crl(root)], at=AT)) == [None, None]
        assert ask(store, leaf(sub)) is OK
        # A list that revokes the CA takes its lists out of force, those taken earlier too.
        assert reasons(store.update([crl(root, [sub], number=2, this_update=AT)], at=AT)) == [None]
        assert ask(store, leaf(sub)) is Reason.ISSUER_REVOKED
        assert store.base is not None
        assert store.base.report.sources == 1


def two_keys(root: Made) -> tuple[Made, Made]:
    """A CA whose name has two keys, as after a change of keys."""
    return make("two keys", root, own_key="two keys, first"), make("two keys", root, own_key="two keys, second")


def test_a_list_by_another_key_of_the_name_replaces_none(root: Made, tmp_path: Path) -> None:
    """Who lists by key, as AD CS does, tells of the first key's certificates in the first key's list alone."""
    first, second = two_keys(root)
    old, new = leaf(first, "old"), leaf(second, "new")
    with RevocationStore(tmp_path / "store", trust_of(root, below=(first, second))) as store:
        assert reasons(store.update([crl(root), crl(first, [old], number=7)], at=AT)) == [None, None]
        assert [ask(store, old), ask(store, new)] == [REVOKED, OK]
        assert reasons(store.update([crl(second, [new], number=1, this_update=AT - 10)], at=AT)) == [None]
        assert [ask(store, old), ask(store, new)] == [REVOKED, REVOKED]
        # Each key's list follows on its own.
        assert reasons(store.update([crl(first, number=8, this_update=AT - 5)], at=AT)) == [None]
        assert [ask(store, old), ask(store, new)] == [OK, REVOKED]
        assert reasons(store.update([crl(first, number=7, this_update=AT)], at=AT)) == [Reason.CRL_NUMBER_WENT_BACK]


def test_a_revoked_key_of_the_name_changes_nothing(root: Made, tmp_path: Path) -> None:
    """RFC 5280, 6.3.3 (c)(3) and (h): a delta is signed by the key of its complete list."""
    first, second = two_keys(root)
    bad = leaf(first, "bad")
    lift = [x509.ReasonFlags.remove_from_crl]
    with RevocationStore(tmp_path / "store", trust_of(root, below=(first, second))) as store:
        assert reasons(store.update([crl(root, [second]), crl(first, [bad])], at=AT)) == [None, None]
        delta = crl(second, [bad], reasons=lift, number=2, base=1, this_update=AT - 10)
        assert reasons(store.update([delta], at=AT)) == [Reason.CRL_SCOPE_DIFFERS]
        assert ask(store, bad) is REVOKED
        complete = crl(second, number=2, this_update=AT - 10)
        assert reasons(store.update([complete], at=AT)) == [Reason.CRL_ISSUER_REVOKED]
        assert [ask(store, bad), ask(store, leaf(first, "good"))] == [REVOKED, OK]
        assert reasons(store.update([complete, delta], at=AT)) == [Reason.CRL_ISSUER_REVOKED, Reason.CRL_SCOPE_DIFFERS]
        assert [ask(store, bad), ask(store, leaf(first, "good"))] == [REVOKED, OK]


# ---- deltas ----------------------------------------------------------------------------------------------


def test_deltas_follow_their_list(root: Made, tmp_path: Path) -> None:
    one, two = leaf(root, "one"), leaf(root, "two")
    hold = [x509.ReasonFlags.certificate_hold]
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        delta = crl(root, [two], number=6, base=5, this_update=AT - 60)
        assert reasons(store.update([delta], at=AT)) == [Reason.CRL_DELTA_WITHOUT_BASE]
        assert reasons(store.update([delta, crl(root, [one], reasons=hold, number=5)], at=AT)) == [None, None]
        assert [ask(store, one), ask(store, two)] == [REVOKED, REVOKED]
        lift = crl(root, [one], reasons=[x509.ReasonFlags.remove_from_crl], number=7, base=6, this_update=AT - 30)
        update = store.update([lift], at=AT)
        assert reasons(update) == [None]
        assert [ask(store, one), ask(store, two)] == [OK, REVOKED]
        for der, expected in (
            (delta, Reason.CRL_TIME_WENT_BACK),
            (lift, Reason.CRL_KNOWN),
            (crl(root, number=7, base=6, this_update=AT - 20), Reason.CRL_NUMBER_REUSED),
            (crl(root, number=9, base=8, this_update=AT), Reason.CRL_DELTA_GAP),
        ):
            assert reasons(store.update([der], at=AT)) == [expected]
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert [ask(store, one), ask(store, two)] == [OK, REVOKED]
        # The complete list that is issued together with a delta has its number, and takes its place.
        assert reasons(store.update([crl(root, [two], number=7, this_update=AT - 30)], at=AT)) == [None]
        assert store.overlay is None
        assert [ask(store, one), ask(store, two)] == [OK, REVOKED]


def test_other_scopes_keep_their_deltas(root: Made, tmp_path: Path) -> None:
    here, there = (leaf(root, "holder", extra=[(points(name), False)]) for name in "ab")
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([crl(root, idp=partition("a"), number=1), crl(root, idp=partition("b"), number=1)], at=AT)
        store.update([crl(root, [here], idp=partition("a"), number=2, base=1, this_update=AT - 50)], at=AT)
        store.update([crl(root, [there], idp=partition("b"), number=2, base=1, this_update=AT - 40)], at=AT)
        assert [ask(store, here), ask(store, there)] == [REVOKED, REVOKED]
        store.update([crl(root, idp=partition("b"), number=3, this_update=AT)], at=AT)  # a new base
        assert [ask(store, here), ask(store, there)] == [REVOKED, OK]


def test_a_delta_refused_while_it_is_written_leaves_what_others_said(root: Made, tmp_path: Path) -> None:
    one, two, three = (leaf(root, name) for name in ("one", "two", "three"))
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([crl(root, number=1), crl(root, [one], number=2, base=1, this_update=AT - 50)], at=AT)
        twice = crl(root, [two, two], number=3, base=2, this_update=AT - 40)
        assert reasons(store.update([twice], at=AT)) == [Reason.CRL_ENTRY_DUPLICATE]
        assert [ask(store, one), ask(store, two)] == [REVOKED, OK]
        # The same when others of the update are good.
        good = crl(root, [two], number=3, base=2, this_update=AT - 30)
        bad = crl(root, [three, three], number=4, base=3, this_update=AT - 20)
        assert reasons(store.update([good, bad], at=AT)) == [None, Reason.CRL_ENTRY_DUPLICATE]
        assert [ask(store, one), ask(store, two), ask(store, three)] == [REVOKED, REVOKED, OK]


def test_a_list_refused_while_it_is_written_replaces_none(root: Made, tmp_path: Path) -> None:
    one, two = leaf(root, "one"), leaf(root, "two")
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        twice = crl(root, [two, two], number=2, this_update=AT - 40)
        assert reasons(store.update([crl(root, [one], number=1), twice], at=AT)) == [None, Reason.CRL_ENTRY_DUPLICATE]
        assert [ask(store, one), ask(store, two)] == [REVOKED, OK]


# ---- going back, and past times --------------------------------------------------------------------------


def test_rollback_is_an_act_and_lowers_no_mark(root: Made, tmp_path: Path) -> None:
    bad = leaf(root, "bad")
    first, second = crl(root, number=1, this_update=AT - 100), crl(root, [bad], number=2, this_update=AT - 50)
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        with pytest.raises(LookupError):
            store.rollback()
        store.update([first], at=AT)
        store.update([second], at=AT)
        assert ask(store, bad) is REVOKED
        back = store.rollback(at=AT)
        assert ask(store, bad) is OK
        assert store.history()[0].what == "rollback"
        assert reasons(store.update([second], at=AT)) == [Reason.CRL_KNOWN]  # the mark is where it was
        assert reasons(store.update([first], at=AT)) == [Reason.CRL_TIME_WENT_BACK]
        assert store.revocation.id == back
        assert reasons(store.update([crl(root, [bad], number=3, this_update=AT)], at=AT)) == [None]
        assert ask(store, bad) is REVOKED


def test_a_past_time_is_judged_by_what_was_known_then(root: Made, tmp_path: Path) -> None:
    bad = leaf(root, "bad")
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([crl(root, number=1, this_update=AT - 5 * DAY, next_update=AT - 4 * DAY)], at=AT - 5 * DAY)
        store.update([crl(root, [bad], number=2)], at=AT)
        assert ask(store, bad) is REVOKED
        then = Verifier(store.trust, WANTED, revocation=store.at(AT - 5 * DAY + 60), engine=Engine(threads=1))
        assert then.verify_certificates([bad.der], at=AT - 5 * DAY + 60)[0].reason is OK
        with pytest.raises(LookupError):
            store.at(AT - 6 * DAY)


def test_only_so_many_are_kept(root: Made, tmp_path: Path) -> None:
    with RevocationStore(tmp_path / "store", trust_of(root), keep=3) as store:
        for number in range(1, 8):
            store.update([crl(root, number=number, this_update=AT - 100 + number)], at=AT)
        assert len(store.snapshots()) == 3
        assert len(list((tmp_path / "store").glob("snapshot-*"))) == 3


# ---- the directory ---------------------------------------------------------------------------------------


def test_a_directory_that_others_can_enter_is_refused(root: Made, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    os.chmod(tmp_path / "open", 0o755)  # noqa: S103 - that is the point
    with pytest.raises(StoreError, match="chmod 700"):
        RevocationStore(tmp_path / "open", trust_of(root))


def test_files_that_no_commit_names_are_swept(root: Made, tmp_path: Path) -> None:
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([crl(root)], at=AT)
    for name in ("new-99", "snapshot-98.seki", "snapshot-x.seki"):
        (tmp_path / "store" / name).write_bytes(b"left by a crash")
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert ask(store, leaf(root)) is OK
        names = {file.name for file in (tmp_path / "store").iterdir()}
        assert {name for name in names if name.startswith(("new", "snap"))} == {"snapshot-1.seki"}


def test_a_snapshot_that_is_not_the_one_committed_is_refused(root: Made, tmp_path: Path) -> None:
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([crl(root)], at=AT)
        store.update([crl(root, [leaf(root)], number=2, this_update=AT)], at=AT)
        newer, older = (tmp_path / "store" / f"snapshot-{row.id}.seki" for row in store.snapshots())
    newer.unlink()
    older.rename(newer)  # an older one put in its place
    with pytest.raises(SnapshotError) as refused:
        RevocationStore(tmp_path / "store", trust_of(root))
    assert refused.value.reason is Reason.SNAPSHOT_DIGEST


def test_what_was_taken_is_archived_once(root: Made, tmp_path: Path) -> None:
    der = crl(root, range(1, 2000))
    with RevocationStore(tmp_path / "store", trust_of(root), archive=tmp_path / "archive") as store:
        update = store.update([der, b"garbage"], at=AT)
        assert (update.cost.lists, update.cost.size) == (1, len(der))
        assert 0 < update.cost.kept < len(der)
        assert store.update([der], at=AT).cost.lists == 0
        archive = store.archive
        assert archive is not None
        (sha256,) = list(archive)
        assert archive.read(sha256) == der
        digest = hashes.Hash(hashes.SHA256())
        digest.update(der)
        assert sha256 == digest.finalize()
        assert not list((tmp_path / "archive").glob(".new-*"))
