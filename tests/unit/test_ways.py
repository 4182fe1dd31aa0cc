"""Several ways up from one key: cross certificates, renewed anchors, key changes, loops; sent, configured, or both."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.unit.chains import DAY, FUTURE, NOW, OK, PAST, PROFILE, Made, dn, leaf, make, reason, store, verifier

from sekisho.reasons import Reason
from sekisho.testing import AT


def both_orders(*made: Made) -> Iterator[list[Made]]:
    yield list(made)
    yield list(made[::-1])


# ---- one name and key, several certificates ----------------------------------------------------------------


def test_a_renewed_anchor_and_the_one_that_ran_out() -> None:
    """The same name and key in two anchors: a leaf below, and an intermediate between, is good through the valid one."""
    old, new = make("root", window=PAST), make("root", window=NOW)
    between = make("between", new)
    for anchors in both_orders(old, new):
        trust = store(anchors, [between])
        assert [issuer.ways for issuer in trust.issuers] == [1, 1, 2]
        assert [issuer.reason for issuer in trust.issuers] == [None] * 3
        assert trust.issuers[0].identity == trust.issuers[1].identity
        judge = verifier(trust)
        assert reason(judge, leaf(new)) is OK
        assert reason(judge, leaf(between)) is OK
        # Before the new one began, through the old one.
        assert reason(judge, leaf(new, window=PAST), at=AT - 20 * DAY) is OK
    assert reason(verifier(store([old], [between])), leaf(between)) is Reason.ISSUER_EXPIRED


def test_a_cross_certificate_opens_a_second_way() -> None:
    """An intermediate certified by two roots; one root has run out, or is not yet valid, or is not trusted at all."""
    for flaw, why in ((PAST, Reason.ISSUER_EXPIRED), (FUTURE, Reason.ISSUER_NOT_YET_VALID)):
        bad, good = make("bad root", window=flaw), make("good root")
        one, two = make("crossed", bad), make("crossed", good)
        for crossed in both_orders(one, two):
            for anchors in both_orders(bad, good):
                judge = verifier(store(anchors, crossed))
                assert reason(judge, leaf(one)) is OK
                assert reason(judge, leaf(make("below", one)), [make("below", one)]) is OK
                assert reason(verifier(store(anchors)), leaf(one), crossed) is OK
        assert reason(verifier(store([bad, good], [one])), leaf(one)) is why
        trust = store([good], [one, two])
        assert [issuer.reason for issuer in trust.issuers] == [None, Reason.ISSUER_UNKNOWN, None]
        assert [issuer.ways for issuer in trust.issuers] == [1, 0, 1]
        assert reason(verifier(trust), leaf(one)) is OK


def test_an_intermediate_of_two_names_of_parents_is_judged_through_each() -> None:
    """The parent itself is crossed: two ways from one certificate, told apart by what stands two levels up."""
    bad, good = make("bad root", window=PAST), make("good root")
    policy_bad, policy_good = make("policy", bad), make("policy", good)
    issuing = make("issuing", policy_bad)  # the same key signed it, whichever certificate one looks at
    for policies in both_orders(policy_bad, policy_good):
        trust = store([bad, good], [issuing, *policies])
        assert [issuer.ways for issuer in trust.issuers] == [1, 1, 2, 1, 1]
        assert trust.issuers[2].parent in (3, 4)
        judge = verifier(trust)
        assert reason(judge, leaf(issuing)) is OK
        verdict = judge.verify_certificates([leaf(issuing).der], at=AT)[0]
        assert verdict.reason is OK


def test_who_issued_is_told_by_name_and_key_whichever_way_was_taken() -> None:
    bad, good = make("bad root", window=PAST), make("good root")
    one, two = make("crossed", bad), make("crossed", good)
    trust = store([bad, good], [one, two])
    judge = verifier(trust, cache_bytes=8 << 20)
    verdict = judge.verify_certificates([leaf(one).der], at=AT)[0]
    facts = judge.certificate(verdict.certificate)
    assert facts is not None
    assert facts.issuer.hex() == trust.issuers[2].identity == trust.issuers[3].identity


# ---- which way, for which profile --------------------------------------------------------------------------


def test_a_profile_takes_the_ways_that_pass_through_its_issuers() -> None:
    ours, theirs = make("ours"), make("theirs")
    one, two = make("crossed", theirs), make("crossed", ours)
    profile = replace(PROFILE, name="ways-ours", issuers=("CN=ours,C=JP",))
    for crossed in both_orders(one, two):
        judge = verifier(store([theirs, ours], crossed), profile)
        assert reason(judge, leaf(one)) is OK
        assert reason(judge, leaf(theirs)) is Reason.ISSUER_NOT_ALLOWED
    assert reason(verifier(store([theirs, ours], [one]), profile), leaf(one)) is Reason.ISSUER_NOT_ALLOWED
    named = replace(PROFILE, name="ways-named", issuers=("CN=crossed,C=JP",))
    assert reason(verifier(store([theirs], [one]), named), leaf(one)) is OK
    assert reason(verifier(store([theirs], [one]), named), leaf(theirs)) is Reason.ISSUER_NOT_ALLOWED


@pytest.mark.parametrize(
    ("flaw", "why"),
    [
        ({"extra": [(x509.NameConstraints([x509.DirectoryName(dn("x"))], None), True)]}, Reason.NAME_CONSTRAINTS),
        ({"extra": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]}, Reason.EXTENDED_KEY_USAGE),
        ({"hash_": hashes.SHA384()}, Reason.ALGORITHM_NOT_ALLOWED),
        ({"extra": [(x509.PolicyConstraints(0, None), True)]}, Reason.POLICY),
        ({"window": PAST}, Reason.ISSUER_EXPIRED),
    ],
    ids=["name constraints", "purposes", "algorithm", "policy", "window"],
)
@pytest.mark.parametrize("cached", [0, 8 << 20])
def test_a_way_that_is_refused_does_not_stand_in_the_next_ones_way(
    flaw: dict[str, object], why: Reason, cached: int
) -> None:
    profile = replace(PROFILE, name="ways-clients", extended_key_usage=("clientAuth",))
    root = make("root")
    flawed, sound = make("twin", root, **flaw), make("twin", root)  # type: ignore[arg-type]
    for twins in both_orders(flawed, sound):
        judge = verifier(store([root], twins), profile, cache_bytes=cached)
        for _ in range(2):
            assert reason(judge, leaf(sound)) is OK
    judge = verifier(store([root], [flawed]), profile, cache_bytes=cached)
    for _ in range(2):
        assert reason(judge, leaf(flawed)) is why


def test_a_way_without_room_is_none() -> None:
    narrow, wide = make("root", path_length=0, window=(AT - 9 * DAY, AT + 9 * DAY)), make("root")
    between = make("between", wide)
    for anchors in both_orders(narrow, wide):
        trust = store(anchors, [between])
        assert [issuer.ways for issuer in trust.issuers] == [1, 1, 1]
        assert reason(verifier(trust), leaf(between)) is OK
        assert reason(verifier(store(anchors)), leaf(between), [between]) is OK
    trust = store([narrow], [between])
    assert trust.issuers[1].reason is Reason.PATH_TOO_LONG
    assert reason(verifier(trust), leaf(between)) is Reason.ISSUER_UNKNOWN
    assert reason(verifier(store([narrow])), leaf(between), [between]) is Reason.PATH_TOO_LONG


def test_of_several_refusals_the_one_that_came_farthest_is_told() -> None:
    """Allowed before valid, valid before short enough, short enough before fit, fit before what the whole path says."""
    profile = replace(PROFILE, name="ways-rank", issuers=("CN=ours,C=JP",), path_length_max=1)
    ours, theirs = make("ours"), make("theirs")
    middle = make("middle", ours)
    expired, not_allowed, long = make("twin", ours, window=PAST), make("twin", theirs), make("twin", middle)
    named = make("twin", ours, extra=[(x509.NameConstraints([x509.DirectoryName(dn("x"))], None), True)])
    ladder = [
        (not_allowed, Reason.ISSUER_NOT_ALLOWED),
        (expired, Reason.ISSUER_EXPIRED),
        (long, Reason.PATH_TOO_LONG),
        (named, Reason.NAME_CONSTRAINTS),
    ]
    for height in range(1, len(ladder) + 1):
        twins = [one for one, _ in ladder[:height]]
        for order in both_orders(*twins):
            judge = verifier(store([ours, theirs], [middle, *order]), profile)
            assert reason(judge, leaf(expired)) is ladder[height - 1][1]


# ---- key changes and loops ----------------------------------------------------------------------------------


def test_a_key_change_with_all_four_certificates() -> None:
    """RFC 4210, 4.4: old, new, old with new, new with old; trusted is the old or the new root alone."""
    old, new = make("root", own_key="old"), make("root", own_key="new")
    new_with_old, old_with_new = make("root", old, own_key="new"), make("root", new, own_key="old")
    for anchor in (old, new):
        trust = store([anchor], [new_with_old, old_with_new])
        judge = verifier(trust)
        for issuer in (old, new):
            assert reason(judge, leaf(issuer, f"holder of {issuer.key}")) is OK
            assert reason(verifier(store([anchor])), leaf(issuer), [old_with_new, new_with_old]) is OK
        # A certificate of the anchor's own name and key is another way to say what the anchor says, not a longer one.
        assert [issuer.ways for issuer in trust.issuers] == ([1, 1, 0] if anchor is old else [1, 0, 1])
    stranger = make("stranger")
    judge = verifier(store([stranger], [new_with_old, old_with_new]))
    assert reason(judge, leaf(new)) is Reason.ISSUER_UNKNOWN
    # Of two sent keys of the name one did not sign.
    assert reason(verifier(store([stranger])), leaf(new), [old_with_new, new_with_old]) is Reason.ISSUER_SIGNATURE_WRONG


def test_cas_that_certify_one_another() -> None:
    """Every one of four CAs certifies every other; one of them is certified by the root."""
    root, names = make("root"), ["a", "b", "c", "d"]
    selves = {name: make(name) for name in names}
    web = [make(name, selves[other]) for name in names for other in names if name != other]
    entry = make("a", root)
    trust = store([root], [*web, entry])
    judge = verifier(trust)
    for name in names:
        assert reason(judge, leaf(selves[name])) is OK
    # a has one way (entry); b: by a, by c-a, by d-a, by c-d-a, by d-c-a.
    ways = {
        name: sum(one.ways for one, made in zip(trust.issuers, [root, *web, entry], strict=True) if made.name == name)
        for name in names
    }
    assert ways == {"a": 1, "b": 5, "c": 5, "d": 5}
    judge = verifier(store([root]))
    for name in names:
        assert reason(judge, leaf(selves[name]), [*web, entry]) is OK
        assert reason(judge, leaf(selves[name]), web) is Reason.ISSUER_UNKNOWN


def test_a_ca_as_leaf_does_not_stand_on_its_own_path() -> None:
    profile = replace(PROFILE, name="ways-ca", ca_leaf_allowed=True)
    root = make("root")
    between = make("between", root)
    judge = verifier(store([root], [between]), profile)
    assert reason(judge, between) is OK
    assert reason(judge, root) is Reason.ISSUER_UNKNOWN
    assert reason(judge, root, [root]) is Reason.ISSUER_UNKNOWN
    assert reason(verifier(store([root]), profile), between, [between]) is OK
    assert reason(verifier(store([make("other")]), profile), root, [root]) is Reason.ISSUER_UNKNOWN


# ---- sent certificates and configured ways -------------------------------------------------------------------


def test_a_sent_certificate_links_up_to_a_configured_one_with_several_ways() -> None:
    bad, good = make("bad root", window=PAST), make("good root")
    one, two = make("crossed", bad), make("crossed", good)
    below = make("below", one)
    for crossed in both_orders(one, two):
        judge = verifier(store([bad, good], crossed))
        assert reason(judge, leaf(below), [below]) is OK
    assert reason(verifier(store([bad, good], [one])), leaf(below), [below]) is Reason.ISSUER_EXPIRED
    assert reason(verifier(store([bad, good], [one])), leaf(below), [two, below]) is OK


@pytest.mark.parametrize("cached", [0, 8 << 20])
def test_a_renewed_certificate_that_is_sent_takes_the_place_of_a_configured_one(cached: int) -> None:
    """The store's certificate of that name and key has run out, or forbids the leaf; the one that came along does not."""
    root = make("root")
    forbids = [(x509.NameConstraints([x509.DirectoryName(dn("x"))], None), True)]
    for stale, why in (
        (make("renewed", root, window=PAST), Reason.ISSUER_EXPIRED),
        (make("renewed", root, extra=forbids), Reason.NAME_CONSTRAINTS),
    ):
        fresh = make("renewed", root)
        judge = verifier(store([root], [stale]), cache_bytes=cached)
        assert reason(judge, leaf(stale)) is why
        assert reason(judge, leaf(stale)) is why
        assert reason(judge, leaf(stale), [fresh]) is OK
        assert reason(judge, leaf(stale)) is (
            OK if cached else why
        )  # what was found holds, as for any chain that was sent
        assert reason(judge, leaf(stale, "another"), [fresh]) is OK


def test_more_intermediates_where_the_profile_allows_them() -> None:
    root = make("root")
    tower = [make("level 0", root)]
    while len(tower) < 16:
        tower.append(make(f"level {len(tower)}", tower[-1]))
    judge = verifier(store([root]))
    shuffled = random.Random(3).sample(tower, len(tower))
    assert reason(judge, leaf(tower[-1]), shuffled) is OK
    assert reason(judge, leaf(tower[-1]), [*tower, make("stray")]) is Reason.TOO_MANY_INTERMEDIATES
    assert reason(judge, leaf(tower[-1]), tower[1:]) is Reason.ISSUER_UNKNOWN
    assert reason(verifier(store([root], tower)), leaf(tower[-1])) is OK
    assert reason(verifier(store([root], tower[:8])), leaf(tower[-1]), tower[8:]) is OK
    short = verifier(store([root], tower[:8]), replace(PROFILE, name="ways-short", path_length_max=15))
    assert reason(short, leaf(tower[-1]), tower[8:]) is Reason.PATH_TOO_LONG
    deep = store([root], [*tower, make("level 16", tower[-1])])
    assert deep.issuers[-1].reason is Reason.PATH_TOO_LONG
    for allowed in (0, 1, 4):
        judge = verifier(store([root], tower[:-1]), replace(PROFILE, name="ways-few", intermediates_max=allowed))
        few = [tower[-1], *[make(f"stray {number}") for number in range(5)]]
        assert reason(judge, leaf(tower[-1]), few[:allowed]) is (OK if allowed else Reason.ISSUER_UNKNOWN)
        assert reason(judge, leaf(tower[-1]), few[: allowed + 1]) is Reason.TOO_MANY_INTERMEDIATES


# ---- time, cache, admission ----------------------------------------------------------------------------------


def test_a_refusal_is_kept_only_while_all_ways_refuse() -> None:
    """One way forbids the leaf for good, another is not valid yet: what is found now says nothing of later."""
    forbids = [(x509.NameConstraints([x509.DirectoryName(dn("x"))], None), True)]
    root = make("root")
    never, later = make("twin", root, extra=forbids), make("twin", root, window=(AT + 10, AT + 20))
    judge = verifier(store([root], [never, later]), cache_bytes=8 << 20)
    for _ in range(2):
        for second in (0, 9, 10, 20, 21, 15, 5):
            wanted = OK if 10 <= second <= 20 else Reason.NAME_CONSTRAINTS
            assert reason(judge, leaf(never), at=AT + second) is wanted


def test_a_lasting_refusal_is_kept() -> None:
    forbids = [(x509.NameConstraints([x509.DirectoryName(dn("x"))], None), True)]
    root = make("root")
    twins = [make("twin", root, extra=forbids), make("twin", root, extra=forbids, path_length=3)]
    judge = verifier(store([root], twins), cache_bytes=8 << 20)
    first, second = (judge.verify_certificates([leaf(twins[0]).der], at=AT)[0] for _ in range(2))
    assert first.reason is second.reason is Reason.NAME_CONSTRAINTS
    assert ["cache-hit" in verdict.flags for verdict in (first, second)] == [False, True]


def test_each_way_is_admitted_by_itself() -> None:
    """OpenSSL looks at a whole chain of each way once; then that way is fast."""
    early, late = make("root", window=(AT - 10, AT + 10)), make("root", window=(AT + 5, AT + 30))
    judge = verifier(store([early, late]))
    slow = [
        ["slow-path" in judge.verify_certificates([leaf(early).der], at=AT + second)[0].flags for _ in range(2)]
        for second in (0, 20)
    ]
    assert slow == [[True, False], [True, False]]


# ---- bounds -------------------------------------------------------------------------------------------------


def test_more_ways_than_are_kept() -> None:
    """Ways are kept shortest first; a refusal by all that were kept says that not all was looked at."""
    roots = [make(f"root {number}", window=PAST) for number in range(40)]
    good = make("root 40")
    crossed = [make("crossed", one) for one in (*roots, good)]
    trust = store([*roots, good], crossed)
    assert sum(issuer.ways for issuer in trust.issuers[41:]) == 32
    assert trust.issuers[-1].reason is Reason.PATH_BUDGET_SPENT
    assert reason(verifier(trust), leaf(good, "direct")) is OK
    assert reason(verifier(trust), leaf(crossed[0])) is Reason.PATH_BUDGET_SPENT
    assert reason(verifier(store([*roots, good], crossed[::-1])), leaf(crossed[0])) is OK
    below = make("below", crossed[0])
    assert reason(verifier(store([*roots, good], [*crossed, below])), leaf(below)) is Reason.PATH_BUDGET_SPENT
    assert reason(verifier(trust), leaf(below), [below]) is Reason.PATH_BUDGET_SPENT


@pytest.mark.parametrize("cached", [0, 8 << 20])
def test_openssl_is_asked_about_so_many_paths(cached: int) -> None:
    forbids = [(x509.NameConstraints([x509.DirectoryName(dn("x"))], None), True)]
    root = make("root")
    twins = [make("twin", root, extra=forbids, path_length=number) for number in range(12)]
    sound = make("twin", root)
    judge = verifier(store([root], [*twins[:7], sound]), cache_bytes=cached)
    assert reason(judge, leaf(sound)) is OK
    judge = verifier(store([root], [*twins[:8], sound]), cache_bytes=cached)
    for _ in range(2):  # a spent budget is no finding
        assert reason(judge, leaf(sound)) is Reason.PATH_BUDGET_SPENT
    judge = verifier(store([root], twins[:8]), cache_bytes=cached)
    assert reason(judge, leaf(sound)) is Reason.NAME_CONSTRAINTS


def test_a_store_with_a_web_of_cross_certificates_is_made_in_good_time() -> None:
    """Ten CAs that all certify one another have a million loopless ways; so many are not looked for."""
    names = [f"web {number}" for number in range(10)]
    selves = {name: make(name) for name in names}
    web = [make(name, selves[other]) for name in names for other in names if name != other]
    root = make("root")
    trust = store([root], [*web, make(names[0], root)])
    assert sum(issuer.ways for issuer in trust.issuers) <= 32 * (len(names) + 1)
    judge = verifier(trust)
    assert all(reason(judge, leaf(selves[name])) is OK for name in names)


# ---- against an enumeration of all paths ---------------------------------------------------------------------


@dataclass(frozen=True)
class Certified:
    """A CA certificate as the enumeration sees it."""

    made: Made
    issuer: tuple[str, str]
    window: tuple[int, int]
    path_length: int | None

    @property
    def identity(self) -> tuple[str, str]:
        return self.made.name, self.made.key


def a_path_exists(
    issuer: tuple[str, str], anchors: list[Certified], others: list[Certified], longest: int, sent: list[Certified]
) -> bool:
    """Whether any loopless chain of the certificates leads from a leaf of that issuer up to an anchor, by RFC 5280, 6.1.

    What was sent stands below what is configured: the store's certificates are linked to one another once.
    """

    def search(wanted: tuple[str, str], below: list[Certified]) -> bool:
        # `below`: from the leaf's issuer up; how many of them count is what each CA above must leave room for.
        counted = sum(one.made.name != one.issuer[0] for one in below)

        def fits(one: Certified) -> bool:
            return (
                one.identity == wanted
                and one.window[0] <= AT <= one.window[1]
                and (one.path_length is None or counted <= one.path_length)
            )

        if any(fits(anchor) and anchor.identity not in [one.identity for one in below] for anchor in anchors):
            return True
        return len(below) < longest and any(
            fits(one)
            and one.identity not in [lower.identity for lower in below]
            and not (one in sent and any(lower not in sent for lower in below))
            and search(one.issuer, [*below, one])
            for one in others
        )

    return search(issuer, [])


@pytest.mark.parametrize("seed", range(6))
def test_the_verifier_finds_a_path_where_there_is_one(seed: int) -> None:
    """Random webs of CAs, configured, sent, and divided between the two."""
    chance = random.Random(f"webs {seed}")
    outcomes = set()
    for _ in range(12):
        identities = [
            (f"ca {name}", f"key {name}{twin}") for name in range(4) for twin in range(chance.choice([1, 1, 2]))
        ]

        def certified(subject: tuple[str, str], issuer: tuple[str, str]) -> Certified:
            window = chance.choice([NOW, NOW, NOW, PAST, FUTURE])
            length = chance.choice([None, None, None, 0, 1])
            made = make(
                subject[0],
                Made(b"", *issuer),
                own_key=subject[1],
                window=window,
                path_length=length,
            )
            return Certified(made, issuer, window, length)

        anchors = [certified(one, one) for one in chance.sample(identities, 2)]
        others = {
            one.made.der: one
            for one in (certified(*(chance.choices(identities, k=2))) for _ in range(chance.randrange(3, 11)))
        }
        pool = list(others.values())
        chance.shuffle(pool)
        configured, sent = pool[: len(pool) // 2], pool[len(pool) // 2 :]
        longest = chance.choice([1, 2, 16])
        profile = replace(PROFILE, name=f"ways-{longest}", path_length_max=longest)
        all_configured = verifier(store([one.made for one in anchors], [one.made for one in pool]), profile)
        all_sent = verifier(store([one.made for one in anchors]), profile)
        divided = verifier(store([one.made for one in anchors], [one.made for one in configured]), profile)
        for issuer in identities:
            holder = leaf(Made(b"", *issuer))
            wanted = a_path_exists(issuer, anchors, pool, longest, [])
            outcomes.add(wanted)
            expected = {
                "configured": wanted,
                "sent": wanted,
                "divided": a_path_exists(issuer, anchors, pool, longest, sent),
            }
            got = {
                "configured": reason(all_configured, holder),
                "sent": reason(all_sent, holder, [one.made for one in pool]),
                "divided": reason(divided, holder, [one.made for one in sent]),
            }
            assert {how: one is OK for how, one in got.items()} == expected, got
    assert outcomes == {True, False}
