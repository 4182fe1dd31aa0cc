"""A certificate's history, told by lists and by responses at random moments: what the engine says is what they together allow.

The CA's truth is a line of moments at which the certificate is put on hold, taken off it, or revoked.  Lists and responses are of
moments of that line (or of another certificate, or too old, or without the reasons that count).  At a random time the engine is
asked; the model answers from what was published, never from the truth, and then the truth is held against both:
nobody is accepted who was revoked, or on hold, at the moment of the newest word that was given.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from tests.unit.chains import PROFILE, leaf, make, store
from tests.unit.crls import crl, in_force, snapshot
from tests.unit.ocsps import GOOD, UNKNOWN, respond, revoked, single

from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.revocation.ocsp import OcspChecker, OcspStatements
from sekisho.revocation.snapshot import Revocation
from sekisho.testing import AT
from sekisho.verifier import Verifier

ROOT = make("history root")
HOLDER, NEIGHBOUR = leaf(ROOT, "history holder"), leaf(ROOT, "history neighbour")
TRUST = store([ROOT])
WANTED = replace(
    PROFILE, name="history", revocation="required", revocation_age_max=5000, revocation_grace=30, clock_skew=10
)
ANY = replace(WANTED, name="history-any", revocation_age_max=10**7, clock_skew=300)  # with it a response is checked
FLAGS = {0: None, 1: x509.ReasonFlags.key_compromise, 6: x509.ReasonFlags.certificate_hold}
HISTORIES = 40
ROUNDS = 25


@dataclass(frozen=True)
class Word:
    """What was published: at a moment, that the certificate is good (None), or revoked since and why."""

    when: int
    until: int
    entry: tuple[int, int] | None
    unknown: bool = False
    about: bool = True


def history(luck: random.Random) -> list[tuple[int, int | None]]:
    """(moment, reason or None), in order: how it stands from then on."""
    at, line = AT - 9000, [(AT - 10_000, None)]
    while at < AT + 1000 and (not line or line[-1][1] in (None, 6)):
        at += luck.randint(1, 4000)
        line.append((at, luck.choice([6, 6, 6, 1, 0]) if line[-1][1] is None else luck.choice([None, None, 1])))
    return line


def stands(line: list[tuple[int, int | None]], when: int) -> tuple[int, int] | None:
    """(since, reason) at that moment; None: good."""
    since, reason = max((one for one in line if one[0] <= when), key=lambda one: one[0])
    return None if reason is None else (since, reason)


def draw(luck: random.Random, line: list[tuple[int, int | None]], *, ocsp: bool) -> Word:
    when = AT + luck.randint(-7000, 200)
    kind = luck.random()
    return Word(
        when=when,
        until=when + luck.choice([10, 600, 4000, 9000]),
        entry=stands(line, when),
        unknown=ocsp and kind < 0.1,
        about=not ocsp or kind < 0.85,
    )


def publish(word: Word, folder: Path) -> Revocation:
    gone = [] if word.entry is None else [HOLDER]
    since, reason = word.entry or (0, 0)
    made = crl(ROOT, gone, reasons=[FLAGS[reason]], revoked_at=since, this_update=word.when, next_update=word.until)
    return in_force(snapshot(folder, [(made, ROOT, [ROOT])]))


def respond_with(word: Word) -> OcspStatements:
    status = UNKNOWN if word.unknown else GOOD if word.entry is None else revoked(word.entry[1], word.entry[0])
    holder = HOLDER if word.about else NEIGHBOUR
    response = respond(
        ROOT, single(holder, ROOT, status, this_update=word.when, next_update=word.until), produced_at=word.when
    )
    found = OcspChecker(TRUST, ANY).check([response], [holder.der], at=word.when)
    assert found[0].status != "none"
    return found


def expected(list_: Word | None, response: Word | None, at: int) -> Reason:
    """The rule of docs/SECURITY.md, by cases."""
    words = [one for one in (list_, response) if one is not None and one.about]
    good, gone, why = [], [], set()
    for one in words:
        if one.entry is not None and not one.unknown and (one.when <= at + 10 or one.entry[0] <= at):
            gone.append(one)
        elif one.when > at + 10:
            why.add(Reason.REVOCATION_NOT_YET_VALID)
        elif one.unknown:
            why.add(Reason.REVOCATION_UNKNOWN)
        elif at - one.when > 5000 or at > one.until + 30:
            why.add(Reason.REVOCATION_STALE)
        else:
            good.append(one)
    for one in gone:
        assert one.entry is not None
        if one.entry[1] != 6 or not any(other.when > one.when for other in good):
            return Reason.REVOKED
    if good:
        return Reason.CERTIFICATE_OK
    for reason in (Reason.REVOCATION_STALE, Reason.REVOCATION_NOT_YET_VALID, Reason.REVOCATION_UNKNOWN):
        if reason in why:
            return reason
    return Reason.REVOCATION_NOT_CONFIGURED


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_history_as_it_was_told(seed: int, tmp_path: Path) -> None:
    luck = random.Random(seed)
    line = history(luck)
    engine = Engine(threads=1, cross_check_one_in=1)
    for _ in range(4):
        list_ = draw(luck, line, ocsp=False) if luck.random() < 0.8 else None
        by = Verifier(TRUST, WANTED, revocation=None if list_ is None else publish(list_, tmp_path), engine=engine)
        told = [draw(luck, line, ocsp=True) if luck.random() < 0.85 else None for _ in range(ROUNDS)]
        at = np.array([AT + luck.randint(-6000, 300) for _ in told])
        nothing = np.zeros(1, respond_with(Word(AT, AT + 1, None)).array.dtype)
        rows = [nothing if one is None else respond_with(one).array for one in told]
        column = OcspStatements(np.concatenate(rows), np.zeros(len(rows), np.uint16))
        verdicts = by.verify_certificates([HOLDER.der] * len(told), at=at, ocsp=column)
        for one, moment, verdict in zip(told, at, verdicts, strict=True):
            assert verdict.reason is expected(list_, one, int(moment)), (line, list_, one, moment)
            heard = [word for word in (list_, one) if word is not None and word.about and not word.unknown]
            if verdict.ok:
                assert stands(line, max(word.when for word in heard if word.when <= moment + 10)) is None
