"""What came of each case, held against what its suite expects and against the exceptions that are written down.

A driver makes one `Outcome` a case and calls `settle` with the rules that its suites have in exceptions.py.  Whatever is
neither as expected nor under a rule fails, an unexpected acceptance like an unexpected refusal.  A rule names cases that it
was written for, its witnesses: one that is here and that the rule no longer has to excuse fails too, so that no exception
outlives its reason.  Folders may hold other cases, so a witness that is not here says nothing.
"""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sekisho.reasons import Reason

NO_ANSWER: Final = frozenset({Reason.NOT_DECIDED, Reason.ENGINE_FAULT, Reason.SIGNATURE_UNCONFIRMED})
"""Refusals that say nothing about the case: they are never what a suite expects, valid or not."""


class Judgement(enum.Enum):
    """What a case counts as; the value heads its column in the summary."""

    AS_EXPECTED = "as expected"
    EXCEPTION = "exception"
    GAP = "gap"
    WAITING = "waiting"
    NO_OPINION = "no opinion"
    DIFFERS = "differs, not gated"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case and our answer.

    Attributes:
        suite, section, case: where it stands; `id` joins suite and case.
        expected: what the suite says: valid, not valid, or None where it leaves it open.
        accepted: what we said.
        reason: why; None where nothing of ours takes such a case at all (no such mode).
        facts: what rules may look at, read from the case by other means than ours.
        gated: False: the suite's section is not of our kind; reported and no more.
        waiting: what it waits for; "" if nothing.
        openssl, cryptography: what they said; None: not asked.
    """

    suite: str
    section: str
    case: str
    expected: bool | None
    accepted: bool
    reason: Reason | None
    facts: Any = None
    gated: bool = True
    waiting: str = ""
    openssl: bool | None = None
    cryptography: bool | None = None

    @property
    def id(self) -> str:
        return f"{self.suite}/{self.case}"

    @property
    def agrees(self) -> bool:
        return self.expected is None or (self.accepted == self.expected and self.reason not in NO_ANSWER)

    def __str__(self) -> str:
        wanted = "valid" if self.expected else "refused"
        return f"{self.id}: {self.reason.kebab if self.reason is not None else 'no mode'}, should be {wanted}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A divergence that is meant, or a gap that is known.

    Attributes:
        name: what the summary calls it.
        why: the reason, with the section of the document that it rests on.
        we: "refuse" what the suite calls valid, "accept" what it calls invalid, or give "no answer" on the merits.
        reasons: our reasons that it covers; None: any.
        when: what must be true of the case's facts.
        witnesses: ids of cases that need it.
        gap: True: ours to mend; the rule goes when it is.
    """

    name: str
    why: str
    we: Literal["refuse", "accept", "no answer"]
    when: Callable[[Any], bool]
    reasons: frozenset[Reason] | None = None
    witnesses: tuple[str, ...] = ()
    gap: bool = False

    def covers(self, outcome: Outcome) -> bool:
        silent = outcome.reason in NO_ANSWER
        kind = "no answer" if silent else "accept" if outcome.accepted else "refuse"
        return (
            kind == self.we
            and (self.reasons is None or outcome.reason in self.reasons)
            and bool(self.when(outcome.facts))
        )


@dataclass(slots=True)
class Settlement:
    """Every case with its judgement, and what is wrong with the whole."""

    judged: list[tuple[Outcome, Judgement, Rule | None]]
    failures: list[str]

    def under(self, judgement: Judgement) -> list[tuple[Outcome, Rule | None]]:
        return [(outcome, rule) for outcome, found, rule in self.judged if found is judgement]


def settle(outcomes: Iterable[Outcome], rules: Sequence[Rule], *, enumerated: int) -> Settlement:
    """Judges every outcome.  `enumerated`: how many cases the suite's files hold, counted or declared there."""
    outcomes = list(outcomes)
    failures = []
    if len(outcomes) != enumerated:
        failures.append(f"{enumerated} cases are there, {len(outcomes)} were run")
    failures += [f"two cases are called {name}" for name, n in Counter(one.id for one in outcomes).items() if n > 1]
    judged = [(outcome, *_judge(outcome, rules)) for outcome in outcomes]
    failures += [str(outcome) for outcome, judgement, _ in judged if judgement is Judgement.UNEXPECTED]
    excused: dict[str, set[str]] = defaultdict(set)
    for outcome, _, rule in judged:
        if rule is not None:
            excused[rule.name].add(outcome.id)
    here = {outcome.id for outcome in outcomes}
    for rule in rules:
        for witness in rule.witnesses:
            if witness in here and witness not in excused[rule.name]:
                failures.append(f"{witness}: no longer needs the exception {rule.name!r}; take it off its witnesses")
    return Settlement(judged, failures)


def _judge(outcome: Outcome, rules: Sequence[Rule]) -> tuple[Judgement, Rule | None]:
    if outcome.waiting:
        return Judgement.WAITING, None
    if outcome.expected is None and outcome.reason not in NO_ANSWER:
        return Judgement.NO_OPINION, None
    if outcome.agrees and outcome.reason not in NO_ANSWER:
        return Judgement.AS_EXPECTED, None
    if not outcome.gated and outcome.reason not in NO_ANSWER:
        return Judgement.DIFFERS, None
    for rule in rules:
        if rule.covers(outcome):
            return (Judgement.GAP if rule.gap else Judgement.EXCEPTION), rule
    return Judgement.UNEXPECTED, None


@dataclass(slots=True)
class Ledger:
    """The settlements of a run, for the table at its end."""

    settlements: list[Settlement] = field(default_factory=list)

    def add(self, settlement: Settlement) -> Settlement:
        self.settlements.append(settlement)
        return settlement

    def table(self) -> list[str]:
        """Lines: suite and section, how many cases, and what they count as; how far the peers were off on the same."""
        if not self.settlements:
            return []
        rows: dict[tuple[str, str], list[tuple[Outcome, Judgement, Rule | None]]] = defaultdict(list)
        for settlement in self.settlements:
            for one in settlement.judged:
                rows[one[0].suite, one[0].section].append(one)
        heads = ["suite", "section", "cases", *(kind.value for kind in Judgement), "openssl", "cryptography"]
        lines = [heads]
        for (suite, section), judged in rows.items():
            lines.append([suite, section, *_numbers(judged)])
        lines.append(["all", "", *_numbers([one for judged in rows.values() for one in judged])])
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        text = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return [
            *text,
            "openssl, cryptography: cases on which they differ from the suite, of those they were asked",
            *self._rules(),
        ]

    def _rules(self) -> list[str]:
        used: Counter[str] = Counter()
        rules: dict[str, Rule] = {}
        for settlement in self.settlements:
            for _, _, rule in settlement.judged:
                if rule is not None:
                    used[rule.name] += 1
                    rules[rule.name] = rule
        return [
            f"  {'gap' if rules[name].gap else 'exception'} {name}: {count}. {rules[name].why}"
            for name, count in used.most_common()
        ]


def _numbers(judged: list[tuple[Outcome, Judgement, Rule | None]]) -> list[str]:
    counts = Counter(judgement for _, judgement, _ in judged)
    cells = [str(len(judged)), *(str(counts[kind]) if counts[kind] else "." for kind in Judgement)]
    for peer in ("openssl", "cryptography"):
        asked = [
            outcome
            for outcome, judgement, _ in judged
            if getattr(outcome, peer) is not None and judgement not in (Judgement.WAITING, Judgement.NO_OPINION)
        ]
        wrong = sum(getattr(outcome, peer) != outcome.expected for outcome in asked)
        cells.append(f"{wrong}/{len(asked)}" if asked else "-")
    return cells
