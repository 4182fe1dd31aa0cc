"""Revocation in the way of a login: RFC 5280, 6.3.3, over snapshots, cold and warm, from the leaf up to the anchor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from tests.unit.chains import DAY, OK, PROFILE, Made, leaf, make
from tests.unit.crls import crl, identity, in_force, overlay, partition, points, serial_of, snapshot

from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.snapshot import Revocation, Snapshot, SnapshotError
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

REVOKED, UNKNOWN, STALE = Reason.REVOKED, Reason.REVOCATION_UNKNOWN, Reason.REVOCATION_STALE
LATER, ISSUER_REVOKED = Reason.REVOCATION_NOT_YET_VALID, Reason.ISSUER_REVOKED
WANTED = replace(PROFILE, name="revocation", revocation="required")
FLAGS = x509.ReasonFlags


@pytest.fixture(scope="module")
def root() -> Made:
    return make("revocation root")


def verifier(
    anchors: Iterable[Made],
    revocation: Revocation | None,
    *,
    intermediates: Iterable[Made] = (),
    profile: Profile = WANTED,
) -> Verifier:
    store = TrustStore([one.der for one in anchors], [one.der for one in intermediates])
    return Verifier(store, profile, revocation=revocation, engine=Engine(threads=1, cross_check_one_in=1))


def ask(judge: Verifier, holder: Made, sent: Iterable[Made] = (), at: int = AT) -> Reason:
    """Cold, then warm: the same."""
    chain = [b"".join(one.der for one in sent)]
    cold = judge.verify_certificates([holder.der], chain, at=at)[0].reason
    warm = judge.verify_certificates([holder.der], chain, at=at)[0].reason
    assert cold is warm
    return cold


# ---- one list ------------------------------------------------------------------------------------------


def test_good_revoked_and_unknown(root: Made, tmp_path: Path) -> None:
    good, bad, stranger = leaf(root, "good"), leaf(root, "bad"), make("another root")
    judge = verifier([root, stranger], in_force(snapshot(tmp_path, [(crl(root, [bad]), root, [root])])))
    assert ask(judge, good) is OK
    assert ask(judge, bad) is REVOKED
    assert ask(judge, leaf(stranger, "good")) is UNKNOWN  # no list of that CA was ever loaded
    assert ask(verifier([root], None), good) is Reason.REVOCATION_NOT_CONFIGURED
    assert ask(verifier([root], Revocation()), good) is Reason.REVOCATION_NOT_CONFIGURED


def test_the_verdict_names_the_snapshot_and_its_age(root: Made, tmp_path: Path) -> None:
    base = snapshot(tmp_path, [(crl(root, this_update=AT - 3600), root, [root])], id=7_000_000_001)
    judge = verifier([root], in_force(base))
    for _ in range(2):
        row = judge.verify_certificates([leaf(root).der], at=AT).array[0]
        assert (row["snapshot"], row["revocation_age"]) == (7_000_000_001, 3600)
    off = verifier([root], in_force(base), profile=PROFILE).verify_certificates([leaf(root).der], at=AT)
    assert (off.array[0]["snapshot"], off.array[0]["revocation_age"]) == (0, -1)
    assert "revocation-off" in off[0].flags


@pytest.mark.parametrize(
    ("limits", "at", "expected"),
    [
        ({}, AT + DAY, OK),  # the second of nextUpdate
        ({}, AT + DAY + 1, STALE),
        ({"revocation_grace": 60}, AT + DAY + 60, OK),
        ({"revocation_grace": 60}, AT + DAY + 61, STALE),
        ({"revocation_age_max": 7200}, AT + 3600, OK),
        ({"revocation_age_max": 7200}, AT + 3601, STALE),
        ({"revocation_age_max": 2 * DAY}, AT + DAY + 1, STALE),  # an age never stretches nextUpdate
        ({}, AT - 3600, OK),  # the second of thisUpdate
        ({}, AT - 3601, LATER),
        ({"clock_skew": 5}, AT - 3605, OK),
        ({"clock_skew": 5}, AT - 3606, LATER),
    ],
)
def test_how_old_data_may_be(root: Made, tmp_path: Path, limits: dict[str, Any], at: int, expected: Reason) -> None:
    profile = replace(WANTED, name="revocation-limits", **limits)
    revocation = in_force(snapshot(tmp_path, [(crl(root, [leaf(root, "bad")]), root, [root])]))
    judge = verifier([root], revocation, profile=profile)
    assert ask(judge, leaf(root, "good"), at=at) is expected
    # Who is on the list is revoked however old it is; before the list, from the entry's own date on.
    assert ask(judge, leaf(root, "bad"), at=at) is REVOKED
    assert ask(judge, leaf(root, "bad"), at=AT - 7200) is REVOKED
    assert ask(judge, leaf(root, "bad"), at=AT - 7201) is LATER


def test_soft_lets_pass_and_says_so(root: Made, tmp_path: Path) -> None:
    soft = replace(PROFILE, name="revocation-soft", revocation="soft")
    stranger = make("another root")
    revocation = in_force(snapshot(tmp_path, [(crl(root, [leaf(root, "bad")]), root, [root])]))
    judge = verifier([root, stranger], revocation, profile=soft)
    for holder, at, expected, marked in (
        (leaf(root, "good"), AT, OK, False),
        (leaf(root, "bad"), AT, REVOKED, False),
        (leaf(root, "good"), AT + 2 * DAY, OK, True),
        (leaf(stranger, "good"), AT, OK, True),
    ):
        for _ in range(2):
            verdict = judge.verify_certificates([holder.der], at=at)[0]
            assert verdict.reason is expected
            assert ("revocation-soft" in verdict.flags) is marked
    # That there is no data at all is nobody's wish.
    assert ask(verifier([root], None, profile=soft), leaf(root, "good")) is Reason.REVOCATION_NOT_CONFIGURED


# ---- scope ---------------------------------------------------------------------------------------------


def test_partitions_are_told_apart(root: Made, tmp_path: Path) -> None:
    """JPKI's shape: a directoryName a municipality."""
    here, there, nowhere = (leaf(root, "holder", extra=[(points(name), False)]) for name in ("a", "b", "c"))
    lists = [(crl(root, [here], idp=partition("a")), root, [root]), (crl(root, idp=partition("b")), root, [root])]
    judge = verifier([root], in_force(snapshot(tmp_path, lists)))
    assert ask(judge, here) is REVOKED
    assert ask(judge, there) is OK
    assert ask(judge, nowhere) is UNKNOWN  # a partition that was never loaded is not good
    assert ask(judge, leaf(root)) is UNKNOWN  # and a certificate without a point is in no partition


def test_every_point_counts(root: Made, tmp_path: Path) -> None:
    """RUSTSEC-2026-0049: not the first alone."""
    holder = leaf(root, extra=[(points("a", "b", "c"), False)])
    for name, others in (("a", "bc"), ("b", "ac"), ("c", "ab")):
        lists = [(crl(root, [holder], idp=partition(name)), root, [root])]
        lists += [(crl(root, idp=partition(other)), root, [root]) for other in others]
        assert ask(verifier([root], in_force(snapshot(tmp_path, lists))), holder) is REVOKED
    only = snapshot(tmp_path, [(crl(root, idp=partition("c")), root, [root])])
    assert ask(verifier([root], in_force(only)), holder) is OK


def test_more_points_than_are_kept(root: Made, tmp_path: Path) -> None:
    holder = leaf(root, extra=[(points(*"abcdefghij"), False)])
    first = snapshot(tmp_path, [(crl(root, [holder], idp=partition("c")), root, [root])])
    assert ask(verifier([root], in_force(first)), holder) is REVOKED
    beyond = snapshot(tmp_path, [(crl(root, idp=partition("j")), root, [root])])
    assert ask(verifier([root], in_force(beyond)), holder) is UNKNOWN


def test_a_list_that_divides_nothing_covers_every_point(root: Made, tmp_path: Path) -> None:
    holder = leaf(root, extra=[(points("a"), False)])
    assert ask(verifier([root], in_force(snapshot(tmp_path, [(crl(root), root, [root])]))), holder) is OK
    assert ask(verifier([root], in_force(snapshot(tmp_path, [(crl(root, [holder]), root, [root])]))), holder) is REVOKED
    by_name = snapshot(tmp_path, [(crl(root, idp=partition(root.name)), root, [root])])
    assert ask(verifier([root], in_force(by_name)), leaf(root)) is OK  # RFC 5280, 6.3.3, at the end


def test_a_generation_of_the_same_name_is_another_scope(tmp_path: Path) -> None:
    """FACTS B2: two CAs of one name, each an anchor; a list of the one says nothing of the other's certificates."""
    old, new = make("generation", None, own_key="old"), make("generation", None, own_key="new")
    mine, theirs = leaf(new, "holder"), leaf(old, "holder")
    judge = verifier([old, new], in_force(snapshot(tmp_path, [(crl(old, [mine]), old, [old])])))
    assert ask(judge, mine) is UNKNOWN
    assert ask(judge, theirs) is OK


def test_user_and_ca_certificates(root: Made, tmp_path: Path) -> None:
    sub = make("sub of users", root)
    users = (crl(root, idp=partition(only_contains_user_certs=True)), root, [root])
    cas = (crl(root, idp=partition(only_contains_ca_certs=True)), root, [root])
    below = (crl(sub), sub, [root])
    for lists, of_leaf, of_sub in (
        ([users, below], OK, UNKNOWN),
        ([cas, below], UNKNOWN, OK),
        ([users, cas, below], OK, OK),
    ):
        judge = verifier([root], in_force(snapshot(tmp_path, lists)), intermediates=[sub])
        assert ask(judge, leaf(root)) is of_leaf
        assert ask(judge, leaf(sub)) is of_sub


def test_reasons_must_all_be_covered(root: Made, tmp_path: Path) -> None:
    some = frozenset({FLAGS.key_compromise, FLAGS.ca_compromise})
    others = frozenset(set(FLAGS) - some - {FLAGS.unspecified, FLAGS.remove_from_crl})
    first, second = (partition(only_some_reasons=which) for which in (some, others))
    bad = leaf(root, "bad")
    half = [(crl(root, [bad], idp=first), root, [root])]
    assert ask(verifier([root], in_force(snapshot(tmp_path, half))), leaf(root)) is UNKNOWN
    assert ask(verifier([root], in_force(snapshot(tmp_path, half))), bad) is REVOKED
    whole = [*half, (crl(root, idp=second), root, [root])]
    assert ask(verifier([root], in_force(snapshot(tmp_path, whole))), leaf(root)) is OK
    # A point that is for some reasons alone.
    partly = leaf(root, extra=[(points("a", reasons=some), False)])
    lists = [(crl(root, idp=partition("a")), root, [root])]
    assert ask(verifier([root], in_force(snapshot(tmp_path, lists))), partly) is UNKNOWN


def test_indirect_lists(root: Made, tmp_path: Path) -> None:
    """A list of another's: entries stand under the certificate's issuer, and the point must name the CRL issuer."""
    other = make("crl issuer", root)
    good, bad, unnamed = (
        leaf(root, name, extra=[(points("a", crl_issuer=issuer), False)])
        for name, issuer in (("good", other.name), ("bad", other.name), ("holder", ""))
    )
    issuer_of = x509.CertificateIssuer([x509.DirectoryName(x509.load_der_x509_certificate(root.der).subject)])
    entries: dict[str, Any] = {"entry_extensions": [[], [issuer_of]]}
    # The first entry is of the CRL issuer's own certificates, and has the same serial as a good one here.
    der = crl(other, [good, bad], idp=partition("a", indirect_crl=True), **entries)
    own = (crl(root, idp=partition("own", only_contains_ca_certs=True)), root, [root])
    judge = verifier([root], in_force(snapshot(tmp_path, [(der, other, [root]), own])))
    assert ask(judge, bad) is REVOKED
    assert ask(judge, good) is OK
    assert ask(judge, unnamed) is UNKNOWN
    # The same without saying that it is indirect is no list for others' certificates.
    direct = crl(other, [], idp=partition("a"))
    assert ask(verifier([root], in_force(snapshot(tmp_path, [(direct, other, [root])]))), good) is UNKNOWN


def test_whose_key_signed(root: Made, tmp_path: Path) -> None:
    pinned = replace(WANTED, name="revocation-pinned", revocation_same_key=True)
    helper = make(root.name, root, own_key="crl key")
    der = crl(root, signed_by=helper)
    revocation = in_force(snapshot(tmp_path, [(der, helper, [root])]))
    assert ask(verifier([root], revocation), leaf(root)) is OK
    assert ask(verifier([root], revocation, profile=pinned), leaf(root)) is UNKNOWN
    own = in_force(snapshot(tmp_path, [(crl(root), root, [root])]))
    assert ask(verifier([root], own, profile=pinned), leaf(root)) is OK


# ---- CAs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [False, True])
def test_a_revoked_ca_issues_nothing(root: Made, tmp_path: Path, sent: bool) -> None:
    sub = make("revocable sub", root)
    holder = leaf(sub)
    below = (crl(sub), sub, [root])
    for lists, expected in (
        ([below, (crl(root), root, [root])], OK),
        ([below, (crl(root, [sub]), root, [root])], ISSUER_REVOKED),
        ([below], UNKNOWN),
        ([below, (crl(root, next_update=AT - 1), root, [root])], STALE),
        ([(crl(root), root, [root])], UNKNOWN),
    ):
        revocation = in_force(snapshot(tmp_path, lists))
        judge = verifier([root], revocation, intermediates=[] if sent else [sub])
        assert ask(judge, holder, [sub] if sent else []) is expected


def test_a_new_snapshot_is_asked_about_cas_too(root: Made, tmp_path: Path) -> None:
    """What the cache knows of a path does not outlive the revocation of a CA on it."""
    sub = make("revocable sub", root)
    below = (crl(sub), sub, [root])
    revocation = in_force(snapshot(tmp_path, [below, (crl(root), root, [root])]))
    judge = verifier([root], revocation, intermediates=[sub])
    assert ask(judge, leaf(sub)) is OK
    revocation.publish(snapshot(tmp_path, [below, (crl(root, [sub]), root, [root])]))
    assert ask(judge, leaf(sub)) is ISSUER_REVOKED
    revocation.publish(snapshot(tmp_path, [(crl(sub, [leaf(sub)]), sub, [root]), (crl(root), root, [root])]))
    assert ask(judge, leaf(sub)) is REVOKED


def test_another_way_up_is_found_when_a_ca_is_revoked(tmp_path: Path) -> None:
    """A cross certificate of the same CA under another root."""
    one, two = make("root one"), make("root two")
    first, second = make("crossed", one), make("crossed", two)
    holder = leaf(first)
    lists = [
        (crl(one, [first]), one, [one]),
        (crl(two), two, [two]),
        (crl(first), first, [one, two]),
    ]
    judge = verifier([one, two], in_force(snapshot(tmp_path, lists)), intermediates=[first, second])
    assert ask(judge, holder) is OK
    lists[1] = (crl(two, [second]), two, [two])
    judge = verifier([one, two], in_force(snapshot(tmp_path, lists)), intermediates=[first, second])
    assert ask(judge, holder) is ISSUER_REVOKED


def test_a_forged_certificate_learns_nothing(root: Made, tmp_path: Path) -> None:
    """Whatever serial it names, its answer is the same: nobody can probe who is revoked."""
    bad, good = leaf(root, "bad"), leaf(root, "good")
    judge = verifier([root], in_force(snapshot(tmp_path, [(crl(root, [bad]), root, [root])])))
    for holder in (bad, good):
        forged = bytearray(holder.der)
        forged[-1] ^= 1
        for _ in range(2):
            row = judge.verify_certificates([bytes(forged)], at=AT).array[0]
            assert Reason(int(row["reason"])) is Reason.ISSUER_SIGNATURE_WRONG
            assert (row["certificate"], row["revocation_age"]) == (0, -1)


# ---- deltas --------------------------------------------------------------------------------------------


def test_deltas_add_and_take_off(root: Made, tmp_path: Path) -> None:
    held, new, good = leaf(root, "held"), leaf(root, "new"), leaf(root, "good")
    base = snapshot(tmp_path, [(crl(root, [held], reasons=[FLAGS.certificate_hold], number=5), root, [root])])
    first = overlay(tmp_path, base, [(0, crl(root, [new], number=6, base=5, this_update=AT - 60), root)])
    judge = verifier([root], in_force(base, first))
    assert [ask(judge, one) for one in (held, new, good)] == [REVOKED, REVOKED, OK]
    row = judge.verify_certificates([good.der], at=AT).array[0]
    assert (row["revocation_age"], row["snapshot"]) == (60, first.report.id)
    # The next one lifts the hold; since its base is the complete list, it says everything again.
    lifted = crl(root, [held, new], reasons=[FLAGS.remove_from_crl], number=7, base=5, this_update=AT - 30)
    second = overlay(tmp_path, base, [(0, lifted, root)], before=first)
    judge = verifier([root], in_force(base, second))
    assert [ask(judge, one) for one in (held, new, good)] == [OK, REVOKED, OK]
    # One whose base is the delta before: what that said stands, and the hold comes back.
    again = crl(root, [held], number=8, base=7, this_update=AT - 20)
    third = overlay(tmp_path, base, [(0, again, root)], before=second)
    judge = verifier([root], in_force(base, third))
    assert [ask(judge, one) for one in (held, new, good)] == [REVOKED, REVOKED, OK]
    # Folded into a new base it is the same.
    from sekisho.revocation.snapshot import SnapshotWriter

    with SnapshotWriter(tmp_path / "folded", id=99, built_at=AT) as writer:
        writer.copy(0, base, third)
        writer.end()
    folded = Snapshot(tmp_path / "folded")
    assert folded.source(0).number == 8
    judge = verifier([root], in_force(folded))
    assert [ask(judge, one) for one in (held, new, good)] == [REVOKED, REVOKED, OK]
    assert {entry.serial for entry in folded.entries(0)} == {serial_of(held), serial_of(new)}


def test_a_delta_is_never_a_complete_list(root: Made, tmp_path: Path) -> None:
    """openssl#31044."""
    from sekisho.revocation.crl import Crl
    from sekisho.revocation.snapshot import SnapshotWriter

    delta = Crl.of(crl(root, [], number=6, base=5))
    with SnapshotWriter(tmp_path / "none", id=1, built_at=AT) as writer:
        reason = writer.add(delta, signer=identity(root), anchors=[identity(root)])
        assert reason is Reason.CRL_DELTA_WITHOUT_BASE
        writer.end()
    judge = verifier([root], in_force(Snapshot(tmp_path / "none")))
    assert ask(judge, leaf(root)) is UNKNOWN


# ---- files ---------------------------------------------------------------------------------------------


def test_a_file_that_is_cut_off_while_mapped(root: Made, tmp_path: Path) -> None:
    """Survived, and refused by name: what is read from the lost page says nothing."""
    many = [int(one) for one in np.random.default_rng(1).integers(1, 2**62, 20000)]
    base = snapshot(tmp_path, [(crl(root, many), root, [root])])
    revocation = in_force(base)
    judge = verifier([root], revocation)
    assert ask(judge, leaf(root)) is OK
    os.chmod(base.path, 0o600)
    os.truncate(base.path, 4096)
    assert ask(judge, leaf(root, "other")) is Reason.REVOCATION_DAMAGED
    assert ask(judge, leaf(root)) is Reason.REVOCATION_DAMAGED
    assert base.report.damaged
    assert base.verify() is Reason.REVOCATION_DAMAGED
    assert set(base.look_up(0, [many[5].to_bytes(8, "big")])) == {3}
    revocation.publish(snapshot(tmp_path, [(crl(root), root, [root])]))
    assert ask(judge, leaf(root)) is OK


def test_other_bus_errors_still_kill(tmp_path: Path) -> None:
    program = f"""
import mmap, os
from pathlib import Path
from tests.unit.chains import make
from tests.unit.crls import crl, snapshot
root = make("revocation root")
base = snapshot(Path({str(tmp_path)!r}), [(crl(root), root, [root])])
file = os.open({str(tmp_path / "other")!r}, os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 8192)
view = mmap.mmap(file, 8192)
os.ftruncate(file, 0)
view[5000]
"""
    environment = os.environ | {
        "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:handle_sigbus=0"
    }  # else its own report
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, env=environment)
    assert done.returncode == -7, done.stderr


def test_files_that_are_no_snapshots(root: Made, tmp_path: Path) -> None:
    path = Path(snapshot(tmp_path, [(crl(root, range(1, 200)), root, [root])]).path)
    whole = path.read_bytes()
    bad = tmp_path / "bad"

    def reason(data: bytes) -> Reason | None:
        bad.write_bytes(data)
        try:
            return Snapshot(bad).verify()
        except SnapshotError as error:
            return error.reason

    assert reason(whole) is None
    rng = np.random.default_rng(1)
    for size in {0, 1, 63, 64, 128, 224, len(whole) - 1, *rng.integers(0, len(whole), 50).tolist()}:
        assert reason(whole[:size]) in (Reason.SNAPSHOT_MALFORMED, Reason.SNAPSHOT_DIGEST)
    assert reason(whole + b"\0") is Reason.SNAPSHOT_MALFORMED
    assert reason(b"\0" * len(whole)) is Reason.SNAPSHOT_MALFORMED
    assert reason(whole[:8] + b"\2" + whole[9:]) is Reason.SNAPSHOT_VERSION
    for place in range(len(whole)):
        if place % 3 == 0 or place > len(whole) - 600:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            assert reason(bytes(damaged)) is not None, place


def test_an_overlay_of_another_base_is_not_taken(root: Made, tmp_path: Path) -> None:
    one, two = (snapshot(tmp_path, [(crl(root, number=n), root, [root])]) for n in (1, 2))
    over = overlay(tmp_path, one, [(0, crl(root, number=3, base=1), root)])
    with pytest.raises(ValueError, match="in force"):
        Revocation().publish(two, over)
    Revocation().publish(one, over)
