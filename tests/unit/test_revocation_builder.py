"""One update of a store, where lists of one update, their signers, and what was in force stand in each other's way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from tests.unit.chains import DAY, OK, PROFILE, Made, leaf, make
from tests.unit.crls import crl, partition, points

from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.revocation.builder import Update
from sekisho.revocation.store import RevocationStore
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

WANTED = replace(PROFILE, name="revocation-builder", revocation="required")
SOFT = replace(PROFILE, name="revocation-builder-soft", revocation="soft")
REVOKED, UNKNOWN = Reason.REVOKED, Reason.REVOCATION_UNKNOWN


@pytest.fixture(scope="module")
def root() -> Made:
    return make("builder root")


def trust_of(*anchors: Made, below: tuple[Made, ...] = ()) -> TrustStore:
    return TrustStore([one.der for one in anchors], [one.der for one in below])


def reasons(update: Update) -> list[Reason | None]:
    return [one.reason for one in update.decisions]


def ask(store: RevocationStore, holder: Made, at: int = AT, profile: object = WANTED) -> Reason:
    judge = Verifier(store.trust, profile, revocation=store.revocation, engine=Engine(threads=1))  # type: ignore[arg-type]
    return judge.verify_certificates([holder.der], at=at)[0].reason


# ---- deltas ----------------------------------------------------------------------------------------------


def test_a_delta_that_is_refused_late_leaves_what_deltas_before_it_said(root: Made, tmp_path: Path) -> None:
    """That a serial stands twice is seen when the entries are written: what was in force of that list must stay."""
    bad, other = leaf(root, "bad"), leaf(root, "other")
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        store.update([crl(root, number=5)], at=AT)
        store.update([crl(root, [bad], number=6, base=5, this_update=AT - 60)], at=AT)
        assert ask(store, bad) is REVOKED
        twice = crl(root, [other, other], number=7, base=6, this_update=AT - 50)
        update = store.update([twice], at=AT)
        assert (reasons(update), update.changed) == ([Reason.CRL_ENTRY_DUPLICATE], False)
        assert ask(store, bad) is REVOKED
        # And nothing of it is remembered: the CA's next try is taken.
        assert reasons(store.update([crl(root, [other], number=7, base=6, this_update=AT - 50)], at=AT)) == [None]
        assert [ask(store, bad), ask(store, other)] == [REVOKED, REVOKED]


def test_a_refused_delta_does_not_lower_the_mark_of_the_list_beside_it(root: Made, tmp_path: Path) -> None:
    bad = leaf(root, "bad")
    old = crl(root, number=4, this_update=AT - 4000)
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        twice = crl(root, [1, 1], number=6, base=5, this_update=AT - 50)
        update = store.update([crl(root, [bad], number=5), twice], at=AT)
        assert reasons(update) == [None, Reason.CRL_ENTRY_DUPLICATE]
        assert reasons(store.update([old], at=AT)) == [Reason.CRL_TIME_WENT_BACK]
        assert ask(store, bad) is REVOKED


def test_deltas_of_one_update_build_on_each_other(root: Made, tmp_path: Path) -> None:
    """A night's deltas in one folder, each upon the one before."""
    holders = [leaf(root, f"holder {i}") for i in range(4)]
    deltas = [crl(root, [one], number=6 + i, base=5 + i, this_update=AT - 100 + i) for i, one in enumerate(holders[:3])]
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert reasons(store.update([*deltas, crl(root, number=5)], at=AT)) == [None] * 4
        assert [ask(store, one) for one in holders] == [REVOKED, REVOKED, REVOKED, OK]
        gap = crl(root, number=10, base=9, this_update=AT)
        assert reasons(store.update([gap], at=AT)) == [Reason.CRL_DELTA_GAP]
        assert [ask(store, one) for one in holders] == [REVOKED, REVOKED, REVOKED, OK]
        assert not list((tmp_path / "store").glob("new-*"))


def test_a_delta_that_revokes_a_signer_of_lists(root: Made, tmp_path: Path) -> None:
    """RFC 5280, 6.3.3 (f): from then on its lists count no more, not only from the next complete list on."""
    helper = make(root.name, root, own_key="builder crl key")
    by_helper = crl(root, signed_by=helper, idp=partition(only_contains_user_certs=True))
    cas = partition(only_contains_ca_certs=True)
    with RevocationStore(tmp_path / "store", trust_of(root), signers=[helper.der]) as store:
        assert reasons(store.update([by_helper, crl(root, idp=cas)], at=AT)) == [None, None]
        assert ask(store, leaf(root)) is OK
        revoking = crl(root, [helper], number=2, base=1, this_update=AT - 60, idp=cas)
        assert reasons(store.update([revoking], at=AT)) == [None]
        assert ask(store, leaf(root)) is UNKNOWN
        again = crl(root, signed_by=helper, number=2, this_update=AT, idp=partition(only_contains_user_certs=True))
        assert reasons(store.update([again], at=AT)) == [Reason.CRL_ISSUER_REVOKED]
        assert ask(store, leaf(root)) is UNKNOWN


def test_a_delta_of_a_revoked_signer(root: Made, tmp_path: Path) -> None:
    """Both in one update: the list that revokes the key, and a delta by that key, which lifts a revocation."""
    helper = make(root.name, root, own_key="builder crl key")
    bad = leaf(root, "bad")
    users, cas = partition(only_contains_user_certs=True), partition(only_contains_ca_certs=True)
    hold, lift = [x509.ReasonFlags.certificate_hold], [x509.ReasonFlags.remove_from_crl]
    with RevocationStore(tmp_path / "store", trust_of(root), signers=[helper.der]) as store:
        lists = [crl(root, [bad], reasons=hold, signed_by=helper, idp=users), crl(root, idp=cas)]
        assert reasons(store.update(lists, at=AT)) == [None, None]
        assert ask(store, bad) is REVOKED
        delta = crl(root, [bad], reasons=lift, signed_by=helper, idp=users, number=2, base=1, this_update=AT - 60)
        revoking = crl(root, [helper], number=2, this_update=AT - 60, idp=cas)
        update = store.update([delta, revoking], at=AT)
        assert update.decisions[0].reason is not None
        assert ask(store, bad) is not OK


# ---- complete lists --------------------------------------------------------------------------------------


def test_a_newer_list_that_is_refused_late_does_not_keep_out_an_older_one(root: Made, tmp_path: Path) -> None:
    bad = leaf(root, "bad")
    good, twice = crl(root, [bad], number=2), crl(root, [1, 1], number=3, this_update=AT - 60)
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert reasons(store.update([good, twice], at=AT)) == [None, Reason.CRL_ENTRY_DUPLICATE]
        assert ask(store, bad) is REVOKED


def test_nothing_taken_is_nothing_new(root: Made, tmp_path: Path) -> None:
    """Or whoever sends lists that are refused late pushes out what is kept for a rollback."""
    sub = make("builder sub", root)
    with RevocationStore(tmp_path / "store", trust_of(root, below=(sub,))) as store:
        other = crl(root, idp=partition("elsewhere"))
        first = store.update([other], at=AT)
        update = store.update([crl(sub)], at=AT)
        assert reasons(update) == [Reason.CRL_ISSUER_REVOKED]
        assert (update.changed, update.base, len(store.snapshots())) == (False, first.base, 1)


# ---- signers ---------------------------------------------------------------------------------------------


def test_a_stale_list_of_the_root_loses_nothing_that_is_in_force(root: Made, tmp_path: Path) -> None:
    """Whether sub is good can no longer be told; what its list said stays said, for a soft profile too."""
    sub, other = make("builder sub", root), make("builder other root")
    bad = leaf(sub, "bad")
    with RevocationStore(tmp_path / "store", trust_of(root, other, below=(sub,))) as store:
        lists = [crl(root, next_update=AT + 100), crl(sub, [bad], next_update=AT + 20 * DAY)]
        assert reasons(store.update(lists, at=AT)) == [None, None]
        assert ask(store, bad, profile=SOFT) is REVOKED
        later = AT + DAY
        assert ask(store, bad, later, SOFT) is REVOKED
        update = store.update([crl(other, this_update=later - 60, next_update=later + DAY)], at=later)
        assert reasons(update) == [None]
        assert ask(store, bad, later, SOFT) is REVOKED
        # Nor does a newer one of sub, which is refused, take the place of the older.
        newer = crl(sub, number=2, this_update=later - 60, next_update=later + DAY)
        assert reasons(store.update([newer], at=later)) == [Reason.CRL_ISSUER_REVOKED]
        assert ask(store, bad, later, SOFT) is REVOKED
        assert ask(store, bad, later) is Reason.REVOCATION_STALE


def test_lists_that_are_thrown_out_are_remembered(root: Made, tmp_path: Path) -> None:
    sub = make("builder sub", root)
    with RevocationStore(tmp_path / "store", trust_of(root, below=(sub,))) as store:
        store.update([crl(sub), crl(root)], at=AT)
        store.update([crl(root, [sub], number=2, this_update=AT)], at=AT)
        assert any("crl-issuer-revoked" in act.detail for act in store.history())


def test_an_anchor_that_another_anchor_no_longer_vouches_for(tmp_path: Path) -> None:
    """One key is an anchor, and the subject of a cross-certificate under another anchor: under that one it can be revoked."""
    first, second = make("cross first"), make("cross name", None, own_key="cross old")
    cross = make("cross name", first, own_key="cross old")
    renewed = make("cross name", first, own_key="cross new")
    holder = leaf(renewed, "holder")
    with RevocationStore(tmp_path / "store", trust_of(first, second, below=(cross, renewed))) as store:
        by_old = crl(second)
        assert reasons(store.update([by_old, crl(first)], at=AT)) == [None, None]
        assert ask(store, holder) is OK
    with RevocationStore(tmp_path / "other", trust_of(first, second, below=(cross, renewed))) as store:
        update = store.update([by_old, crl(first, [cross])], at=AT)
        assert reasons(update)[1] is None
        assert ask(store, holder) is UNKNOWN
        assert ask(store, leaf(second, "its own")) is OK
    with RevocationStore(tmp_path / "third", trust_of(first, second, below=(cross, renewed))) as store:
        store.update([by_old, crl(first)], at=AT)
        assert reasons(store.update([crl(first, [cross], number=2, this_update=AT)], at=AT)) == [None]
        assert ask(store, holder) is UNKNOWN


def test_who_is_vouched_for_by_a_signer_that_falls_falls_too(root: Made, tmp_path: Path) -> None:
    """Nobody stays because of his own list alone: the one who vouched for him is out, by that very list."""
    one = make(root.name, root, own_key="builder key one", extra=[(points("of one"), False)])
    two = make(root.name, root, own_key="builder key two")
    by_root = crl(root, idp=partition("of one"))  # tells of `one` alone
    by_one = crl(root, signed_by=one, idp=partition(only_contains_ca_certs=True))  # and that of `two`
    with RevocationStore(tmp_path / "one", trust_of(root), signers=[one.der, two.der]) as store:
        assert reasons(store.update([by_root, by_one, crl(root, signed_by=two)], at=AT)) == [None] * 3
        assert ask(store, leaf(root)) is OK
    with RevocationStore(tmp_path / "two", trust_of(root), signers=[one.der, two.der]) as store:
        update = store.update([by_root, by_one, crl(root, [one], signed_by=two)], at=AT)
        assert reasons(update) == [None, Reason.CRL_ISSUER_REVOKED, Reason.CRL_ISSUER_REVOKED]
        assert ask(store, leaf(root)) is UNKNOWN


def test_marks_hold_when_anchors_are_added(root: Made, tmp_path: Path) -> None:
    """The same key's list for the same certificates: which anchors lead to it does not make an older one new."""
    other = make("builder second root")
    cross = make(root.name, other, own_key=root.key)
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert reasons(store.update([crl(root, number=5)], at=AT)) == [None]
    with RevocationStore(tmp_path / "store", trust_of(root, other, below=(cross,))) as store:
        older = crl(root, number=4, this_update=AT - 4000)
        assert reasons(store.update([older, crl(other)], at=AT)) == [Reason.CRL_TIME_WENT_BACK, None]
        newer = crl(root, number=6, this_update=AT)
        assert reasons(store.update([newer], at=AT)) == [None]
        assert store.base is not None
        assert store.base.report.sources == 2  # it took the place of the one before


def test_points_are_used(root: Made, tmp_path: Path) -> None:
    there = leaf(root, "there", extra=[(points("p"), False)])
    with RevocationStore(tmp_path / "store", trust_of(root)) as store:
        assert reasons(store.update([crl(root, [there], idp=partition("p"))], at=AT)) == [None]
        assert ask(store, there) is REVOKED
