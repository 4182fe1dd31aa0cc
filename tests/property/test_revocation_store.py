"""A store is given what CAs publish, in any order, again, forged and broken; what it says afterwards is what they said.

Each list has a history of states by number, which is the truth: a complete list is a state, a delta the way from one to another
(RFC 5280, 5.2.4).  Whatever came in which way, a verdict is that of the state whose number is in force.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography import x509
from tests.unit.chains import DAY, PROFILE, Made, leaf, make
from tests.unit.crls import crl, partition, points, serial_of

from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.revocation.snapshot import SnapshotSource
from sekisho.revocation.store import RevocationStore
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

WANTED = replace(PROFILE, name="revocation-property", revocation="required")
HOLD, LIFT = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl

ROOT = make("property root")
HELPER = make(ROOT.name, ROOT, own_key="property list key")
SUB = make("property sub", ROOT)
PLAIN = [leaf(ROOT, f"plain {i}") for i in range(4)]
PARTS = [leaf(ROOT, f"part {i}", extra=[(points("p"), False)]) for i in range(3)]
BELOW = [leaf(SUB, f"below {i}") for i in range(3)]


@dataclass
class Series:
    """A list that follows itself, and what its CA says in it by number."""

    name: str
    issuer: Made
    signer: Made
    idp: x509.IssuingDistributionPoint | None
    tells_of: list[Made]
    states: dict[int, frozenset[int]] = field(default_factory=lambda: {1: frozenset()})
    last: int = 1

    def go_on(self, luck: random.Random) -> None:
        """The CA says something new: some are revoked, some holds lifted."""
        state = set(self.states[self.last])
        for one in luck.sample(self.tells_of, luck.randint(0, min(2, len(self.tells_of)))):
            rare = one in (HELPER, SUB) and serial_of(one) not in state
            if not rare or luck.random() < 0.3:
                state ^= {serial_of(one)}
        self.last += luck.randint(1, 2)
        self.states[self.last] = frozenset(state)

    def when(self, number: int) -> int:
        return AT - 3000 + number

    def complete(self, number: int) -> bytes:
        entries = sorted(self.states[number])
        return self._made(number, entries, [HOLD] * len(entries))

    def delta(self, number: int, base: int) -> bytes:
        """All that changed since, with what was on hold meanwhile and is no more."""
        now = self.states[number]
        once = frozenset().union(*(state for at, state in self.states.items() if base <= at <= number))
        added, lifted = sorted(now), sorted(once - now)  # what the base has may be said again
        return self._made(number, added + lifted, [HOLD] * len(added) + [LIFT] * len(lifted), base)

    def broken(self, number: int, base: int | None) -> bytes:
        return self._made(number, [7, 7], [], base)

    def _made(self, number: int, entries: list[int], reasons: list[x509.ReasonFlags], base: int | None = None) -> bytes:
        return crl(
            self.issuer,
            entries,
            reasons=reasons,
            number=number,
            base=base,
            this_update=self.when(number),
            next_update=AT + DAY,
            idp=self.idp,
            signed_by=self.signer,
        )


def all_series() -> dict[str, Series]:
    users, cas = partition(only_contains_user_certs=True), partition(only_contains_ca_certs=True)
    made = (
        Series("users", ROOT, ROOT, users, PLAIN),
        Series("cas", ROOT, ROOT, cas, [HELPER, SUB]),
        Series("part", ROOT, ROOT, partition("p"), PARTS),
        Series("helper", ROOT, HELPER, None, [*PLAIN, SUB]),
        Series("sub", SUB, SUB, None, BELOW),
    )
    return {one.name: one for one in made}


class Model:
    """What should be in force, from what the store says that it took."""

    def __init__(self, series: dict[str, Series]) -> None:
        self.series = series
        self.in_force: dict[str, int] = {}
        self.marks: dict[str, int] = {}

    def state(self, name: str) -> frozenset[int]:
        return self.series[name].states[self.in_force[name]] if name in self.in_force else frozenset()

    def settle(self) -> None:
        """What a revoked signer said goes."""
        if serial_of(HELPER) in self.state("cas"):
            self.in_force.pop("helper", None)
        if serial_of(SUB) in self.state("cas") | self.state("helper"):
            self.in_force.pop("sub", None)

    def took(self, name: str, number: int) -> None:
        assert number >= self.marks.get(name, 0), "an older list was taken"
        self.in_force[name] = self.marks[name] = number

    def expected(self, holder: Made) -> Reason:
        if holder in BELOW:
            if serial_of(SUB) in self.state("cas") | self.state("helper"):
                return Reason.ISSUER_REVOKED
            if not {"cas", "helper"} & self.in_force.keys():
                return Reason.REVOCATION_UNKNOWN
            asked = {"sub"}
        else:
            asked = {"users", "helper"} | ({"part"} if holder in PARTS else set())
        if any(serial_of(holder) in self.state(name) for name in asked):
            return Reason.REVOKED
        return Reason.CERTIFICATE_OK if asked & self.in_force.keys() else Reason.REVOCATION_UNKNOWN


@pytest.fixture
def directory() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder) / "store"


def store_of(directory: Path) -> RevocationStore:
    return RevocationStore(directory, TrustStore([ROOT.der], [SUB.der]), signers=[HELPER.der], keep=4)


def in_force(store: RevocationStore) -> dict[str, int]:
    """Numbers of what is in force."""
    if store.base is None:
        return {}
    changed = {} if store.overlay is None else {one.base_source: one for one in store.overlay.sources()}
    return {_name_of(one): changed.get(one.index, one).number or 0 for one in store.base.sources()}


@pytest.mark.parametrize("seed", range(6))
def test_what_was_said_is_what_is_in_force(directory: Path, seed: int) -> None:
    luck = random.Random(seed)
    series = all_series()
    model = Model(series)
    store = store_of(directory)
    seen: set[Reason] = set()
    for _ in range(60):
        given: list[bytes] = []
        about: list[tuple[str, int, bool]] = []
        for name in luck.choices(list(series), k=luck.randint(1, 4)):
            one = series[name]
            if luck.random() < 0.7:
                one.go_on(luck)
            number = one.last if luck.random() < 0.75 else luck.choice(list(one.states))
            base = luck.choice([at for at in one.states if at <= number])
            kind = luck.random()
            if kind < 0.45 or base == number:
                given.append(one.complete(number))
            elif kind < 0.85:
                given.append(one.delta(number, base))
            elif kind < 0.92:
                given.append(one.broken(number, luck.choice([None, base])))
            else:
                forged = bytearray(one.complete(number))
                forged[-1] ^= 1
                given.append(bytes(forged))
            about.append((name, number, kind >= 0.85 and base != number))
        before = in_force(store)
        update = store.update(given, at=AT)
        decided = {one.source: one for one in update.decisions}
        outcome = [decided[f"CRL {place + 1}"] for place in range(len(given))]
        taken = sorted(  # complete lists come first, then deltas, each by number
            (one.delta, number, name)
            for one, (name, number, broken) in zip(outcome, about, strict=True)
            if one.reason is None and not (broken and pytest.fail("a broken list was taken"))
        )
        for _, number, name in taken:
            model.took(name, number)
        model.settle()
        seen |= {Reason.CERTIFICATE_OK if one.reason is None else one.reason for one in outcome}
        assert in_force(store) == model.in_force, (before, outcome)
        chance = luck.random()
        if chance < 0.15:
            store.close()
            store = store_of(directory)
        elif chance < 0.2 and _can_go_back(store):
            store.rollback(at=AT)  # the marks stay
            model.in_force = in_force(store)
        judge = Verifier(store.trust, WANTED, revocation=store.revocation, engine=Engine(threads=1))
        holders = [*PLAIN, *PARTS, *BELOW]
        verdicts = judge.verify_certificates([one.der for one in holders], at=AT)
        for holder, verdict in zip(holders, verdicts, strict=True):
            if store.base is None:
                assert verdict.reason is Reason.REVOCATION_NOT_CONFIGURED
            else:
                assert verdict.reason is model.expected(holder), (holder.name, model.in_force, outcome)
    store.close()
    assert {Reason.CERTIFICATE_OK, Reason.CRL_SIGNATURE_WRONG, Reason.CRL_ENTRY_DUPLICATE} <= seen


def _name_of(source: SnapshotSource) -> str:
    if source.only_user or source.only_ca:
        return "users" if source.only_user else "cas"
    return "part" if source.issuing_distribution_point else "sub" if b"property sub" in source.issuer else "helper"


def _can_go_back(store: RevocationStore) -> bool:
    return store.base is not None and any(
        row.kind == "base" and row.id < store.base.report.id for row in store.snapshots()
    )
