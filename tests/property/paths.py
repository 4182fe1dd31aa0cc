"""Mutated chains, held against OpenSSL and `cryptography`: `python -m tests.property.paths --count N --seed S`.

Each case is a certificate under a family of CAs that were mutated too.  sekisho judges it (verify_certificates, one native
call a batch), OpenSSL's X509_verify_cert in strict mode (one native call a batch), and the verifier of `cryptography`.
A false accept is what we accept and a peer refuses without a rule that says why (rules.py); every other disagreement needs
a rule too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.property import logins
from tests.property.chains import Batch, Case, Family, make_batch
from tests.property.opinions import BUDGET, OK, Core, OpenSsl, Pyca, openssl_words, store_of
from tests.property.rules import RULES, Rule, Seen
from tests.unit.login_desk import Keys

from sekisho.reasons import Reason
from sekisho.trust import TrustError

__all__ = ["Report", "hold"]

BATCH: Final = 1024
"""Certificates a batch, each judged by two profiles."""
LOGINS_SHARE: Final = 6
"""One batch in so many is of logins."""
FORM_SHARE: Final = 8
"""Of certificates refused for `FORM`, the peers are asked about one in so many; tests.property.der looks at the form of all."""
FORM: Final = frozenset(
    int(reason)
    for reason in Reason
    if (reason.name.startswith(("CERTIFICATE_", "KEY_")) and reason is not Reason.CERTIFICATE_OK)
    or reason
    in (
        Reason.ALGORITHM_NOT_ALLOWED,
        Reason.EXTENDED_KEY_USAGE,
        Reason.ISSUER_NOT_ALLOWED,
        Reason.LEAF_IS_CA,
        Reason.TOO_MANY_INTERMEDIATES,
    )
) - {int(Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL)}
"""Refusals for a leaf's form and key, and for what a profile asks for: what peers say of them is no news."""


@dataclass
class Report:
    """What came of it."""

    cases: int = 0
    logins: int = 0
    asked: int = 0
    reasons: Counter[int] = field(default_factory=Counter)
    agreed: int = 0
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexplained: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    false_accepts: int = 0
    kept: list[dict[str, object]] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)

    @property
    def accepted(self) -> int:
        return self.reasons[OK] + self.reasons[logins.ACCEPTED]

    @property
    def failed(self) -> bool:
        return bool(self.unexplained)


_OF_CHAIN: Final = {
    int(reason): OK
    for reason in Reason
    if reason is Reason.ACCEPTED or (reason.name.startswith("SIGNATURE_") and reason is not Reason.SIGNATURE_OK)
}
"""Reasons that a login is only told when its chain is good."""
_CHAIN: Final = frozenset(int(reason) for reason in Reason if int(Reason.CERTIFICATE_MALFORMED) <= reason < 160)


_WIRE: Final = frozenset({Reason.TOO_MANY_INTERMEDIATES, Reason.CERTIFICATE_MALFORMED})
"""What may be told before the challenge is looked at."""


RAW_MAX: Final = 256 - 11
"""Bytes that the block of an RSA-2048 signature holds (RFC 8017, 9.2)."""


def _odd_sizes(login: logins.Login, case: Case, name: str) -> bool:
    most = RAW_MAX if name == "raw" else 4096
    return not (0 < len(login.challenge) <= most and 0 < len(login.signature) <= 2048 and case.leaf and all(case.sent))


def _by_reason() -> dict[tuple[int, str], list[Rule]]:
    found: dict[tuple[int, str], list[Rule]] = {}
    for rule in RULES:
        for reason in Reason:
            if reason.kebab in rule.reasons:
                found.setdefault((int(reason), rule.peer), []).append(rule)
    return found


_BY_REASON: Final = _by_reason()


@dataclass
class Judge:
    """Asks everybody, and holds the answers against one another."""

    report: Report
    keep: int = 10_000
    form_share: int = FORM_SHARE
    core: Core = field(default_factory=Core)
    openssl: OpenSsl = field(default_factory=OpenSsl)
    keys: Keys = field(default_factory=Keys)
    stranger: Keys = field(default_factory=lambda: Keys((9,)))
    folder: Any = field(default_factory=tempfile.TemporaryDirectory)

    def hold(self, batch: Batch, label: str) -> None:
        """One batch, by each of its profiles.  What a peer says that a profile does not bear on is asked once."""
        spent, clock = self.report.seconds, time.process_time
        reader = Pyca(batch)
        words: dict[int, str] = {}
        answers: dict[tuple[object, ...], dict[int, tuple[int, int]]] = {}
        started = clock()
        store = store_of(batch)
        spent["sekisho"] += clock() - started
        for name in (batch.profile_name, *batch.also):
            judged = replace(batch, profile_name=name)
            started = clock()
            ours = self.core.told(judged, store)
            spent["sekisho"] += clock() - started
            self.report.cases += len(ours)
            self.report.reasons.update(ours)
            asked = [i for i, reason in enumerate(ours) if reason not in FORM or i % self.form_share == 0]
            self.report.asked += len(asked)
            started = clock()
            known = answers.setdefault((judged.profile.policies, judged.profile.path_length_max), {})
            new = [i for i in asked if i not in known]
            known.update(zip(new, self.openssl.told(judged, [batch.cases[i] for i in new]), strict=True))
            spent["openssl"] += clock() - started
            started = clock()
            words.update((i, reader.told(batch.cases[i])) for i in asked if i not in words)
            spent["cryptography"] += clock() - started
            started = clock()
            for i in asked:
                said, theirs = words[i], known[i]
                if (ours[i] == OK) == (theirs[0] == 0) == (said == ""):
                    self.report.agreed += 1
                    continue
                seen = Seen(judged, batch.cases[i], ours[i], theirs, said, self.openssl, reader)
                self.one(seen, f"{label}/{i}")
            spent["triage"] += clock() - started

    def hold_logins(self, seed: object, batch: Batch, label: str) -> None:
        """A batch of logins: the chains as above, the signatures and challenges by whoever knows them."""
        spent, clock, report = self.report.seconds, time.process_time, self.report
        started = clock()
        made = logins.make_logins(seed, batch, self.keys, self.stranger)
        spent["making"] += clock() - started
        started = clock()
        ours = logins.told(self.core.engine, batch, made, self.keys, Path(self.folder.name))
        spent["sekisho"] += clock() - started
        report.cases += len(ours)
        report.logins += len(ours)
        report.reasons.update(ours)
        reader = Pyca(batch)
        name = batch.profile_name
        # What our reason says about the certificate; None where it was not looked at.
        chains = [_OF_CHAIN.get(reason, reason if reason in _CHAIN and reason != BUDGET else None) for reason in ours]
        asked = [
            i for i, reason in enumerate(chains) if reason == OK or (reason is not None and i % self.form_share == 0)
        ]
        report.asked += len(asked)
        started = clock()
        theirs = self.openssl.told(batch, [batch.cases[i] for i in asked])
        spent["openssl"] += clock() - started
        started = clock()
        words = [reader.told(batch.cases[i]) for i in asked]
        spent["cryptography"] += clock() - started
        started = clock()
        for i, their, word in zip(asked, theirs, words, strict=True):
            seen = Seen(batch, batch.cases[i], int(chains[i] or 0), their, word, self.openssl, reader)
            if seen.accepted == (their[0] == 0) == (word == ""):
                report.agreed += 1
            else:
                self.one(seen, f"{label}/{i}")
        for i, reason in enumerate(ours):
            complaint = self._login_complaint(name, batch, made, ours, i)
            if complaint:
                report.unexplained[Reason(reason).kebab, "login", complaint] += 1
                report.false_accepts += reason == logins.ACCEPTED
                if len(report.kept) < self.keep:
                    seen = Seen(batch, batch.cases[i], reason, (0, 0), "", self.openssl, reader)
                    login = {"challenge": made[i].challenge.hex(), "signature": made[i].signature.hex()}
                    report.kept.append(as_json(seen, "login", complaint, f"{label}/{i}") | login)
        spent["triage"] += clock() - started

    def _login_complaint(self, name: str, batch: Batch, made: list[logins.Login], ours: list[int], i: int) -> str:
        """What is wrong with our verdict on a login, beyond its chain; empty if nothing is."""
        login, reason = made[i], Reason(ours[i])
        if login.again >= 0:
            first = Reason(ours[login.again])
            wanted = Reason.CHALLENGE_USED if first is Reason.ACCEPTED else first
            return "" if reason is wanted else f"a copy of a row that was {first.kebab}"
        if reason.name.startswith(("CHALLENGE_", "INPUT_")):
            if reason in login.challenge_reasons or reason.name.startswith("INPUT_"):
                return (
                    ""
                    if reason in login.challenge_reasons or _odd_sizes(login, batch.cases[i], name)
                    else "inputs are whole"
                )
            forbidden = logins.is_form_forbidden(name, login.challenge)
            return "" if reason is Reason.CHALLENGE_FORM_FORBIDDEN and forbidden else "the challenge is good"
        if reason in _WIRE:
            return ""
        if login.challenge_reasons:
            return "the challenge is bad"
        if logins.is_form_forbidden(name, login.challenge):
            return "the challenge's form is forbidden"
        if reason is Reason.ACCEPTED and not logins.signature_is_right(batch.cases[i], login, name):
            return "the signature is wrong"
        if reason.name.startswith("SIGNATURE_") and logins.signature_is_right(batch.cases[i], login, name):
            return "the signature is right"
        return ""

    def one(self, seen: Seen, label: str) -> None:
        report = self.report
        for peer, yes in (("openssl", seen.theirs[0] == 0), ("cryptography", seen.pyca == "")):
            if yes == seen.accepted:
                continue
            rule = next((rule for rule in _BY_REASON.get((seen.ours, peer), ()) if rule.check(seen)), None)
            if rule is not None:
                report.rules[rule.name, peer] += 1
                continue
            reason = Reason(seen.ours).kebab
            words = openssl_words(seen.theirs[0]) if peer == "openssl" else seen.pyca[:90]
            report.unexplained[reason, peer, words] += 1
            report.false_accepts += seen.accepted
            if len(report.kept) < self.keep:
                report.kept.append(as_json(seen, peer, words, label))


def as_json(seen: Seen, peer: str, words: str, label: str) -> dict[str, object]:
    """All that is needed to ask again."""
    family = seen.case.family
    return {
        "label": label,
        "peer": peer,
        "ours": Reason(seen.ours).kebab,
        "theirs": words,
        "profile": seen.batch.profile_name,
        "at": seen.batch.at,
        "number": family.number,
        "notes": [*family.notes, *seen.case.notes],
        "leaf": seen.case.leaf.hex(),
        "sent": [one.hex() for one in seen.case.sent],
        "configured": [one.hex() for one in family.configured],
        "anchors": [one.hex() for one in family.anchors],
    }


def from_json(kept: dict[str, object]) -> Batch:
    """A batch of that case alone."""

    def many(key: str) -> list[bytes]:
        return [bytes.fromhex(one) for one in kept[key]]  # type: ignore[attr-defined]

    family = Family(int(kept["number"]), many("anchors"), many("configured"))  # type: ignore[call-overload]
    case = Case(family, bytes.fromhex(str(kept["leaf"])), many("sent"), tuple(kept["notes"]))  # type: ignore[arg-type]
    return Batch(str(kept["profile"]), int(kept["at"]), [family], [case])  # type: ignore[call-overload]


def hold(
    count: int,
    seed: object,
    *,
    first: int = 0,
    progress: Callable[[Report], None] = lambda _: None,
    batch_size: int = BATCH,
) -> Report:
    """About `count` cases of a seed, beginning with batch `first`.  Interrupted, it tells what it has."""
    report = Report()
    with suppress(KeyboardInterrupt):
        _hold(report, count, seed, first, progress, batch_size)
    return report


def _hold(  # noqa: PLR0917
    report: Report, count: int, seed: object, first: int, progress: Callable[[Report], None], batch_size: int
) -> None:
    judge = Judge(report)
    number = first
    while report.cases < count:
        started = time.process_time()
        profile = logins.PROFILES[number // LOGINS_SHARE % len(logins.PROFILES)] if number % LOGINS_SHARE == 0 else ""
        batch = make_batch(seed, number, min(batch_size, -(-(count - report.cases) // 2)), profile)
        report.seconds["making"] += time.process_time() - started
        if profile:
            judge.hold_logins(f"{seed}/{number}", batch, f"{seed}/{number}")
        else:
            judge.hold(batch, f"{seed}/{number}")
        progress(report)
        number += 1


UNREACHED: Final = {
    Reason.NOT_DECIDED: "no verdict",
    Reason.SIGNATURE_OK: "of verify_signatures",
    Reason.CHALLENGE_OK: "of challenges by themselves",
    Reason.INPUT_MISSING: "of empty columns: tests/unit/test_logins.py",
    Reason.MODE_UNKNOWN: "of verify_signatures",
    Reason.CHALLENGE_LOCKED: "after 8 failures: tests.property.oracle",
    Reason.CLAIMS_LOST: "of a lost file: tests/faults",
    Reason.CLAIMS_UNAVAILABLE: "of a Valkey that does not answer: tests/faults/test_replicas.py",
    Reason.CLAIMS_FULL: "of a full set: native/tests/test_claims.c",
    Reason.CLOCK_WENT_BACK: "one time a batch here: native/tests/test_claims.c",
    Reason.SIGNATURE_UNCONFIRMED: "confirmations are unbounded here",
    Reason.REVOCATION_NOT_CONFIGURED: "profiles for tests do not look at revocation",
    **{
        reason: "no revocation data here"
        for reason in Reason
        if reason.name.startswith(("REVOKED", "REVOCATION_", "ISSUER_REVOKED", "CRL_", "SNAPSHOT_", "OCSP_"))
        and reason is not Reason.REVOCATION_NOT_CONFIGURED
    },
}


def table(report: Report) -> str:
    """For people."""
    lines = [f"{count:10d}  {Reason(reason).kebab}" for reason, count in report.reasons.most_common()]
    missing = [one.kebab for one in Reason if int(one) not in report.reasons and one not in UNREACHED]
    if missing:
        lines += ["", f"not seen in this run: {', '.join(missing)}"]
    lines += [f"not to be seen here: {one.kebab}, {why}" for one, why in UNREACHED.items()]
    lines += ["", "disagreements that a rule explains"]
    lines += [
        f"{report.rules[rule.name, rule.peer]:10d}  {rule.name} ({rule.peer}): {rule.because}"
        for rule in RULES
        if report.rules[rule.name, rule.peer]
    ]
    if report.unexplained:
        lines += ["", "UNEXPLAINED"]
        lines += [f"{count:10d}  {' | '.join(key)}" for key, count in report.unexplained.most_common(60)]
    spent = sum(report.seconds.values())
    shares = ", ".join(f"{name} {1e6 * used / max(report.cases, 1):.0f}" for name, used in report.seconds.items())
    lines += [
        "",
        f"peers asked about {report.asked} of {report.cases} cases; all agree on {report.agreed}",
        f"µs of CPU a case: {shares}; {report.cases / max(spent, 1e-9):.0f} cases/s of CPU time",
    ]
    return "\n".join(lines)


def replay(path: Path) -> int:
    """The cases of a file again, each by itself; how many are still unexplained, or could not be asked about.

    A verdict that depends on what was judged before shows only in its batch: for a case that is quiet by itself, the command
    is told that judges its batch again.
    """
    report = Report()
    judge = Judge(report)
    unasked = 0
    for line in path.read_text().splitlines():
        kept = json.loads(line)
        before = sum(report.unexplained.values())
        why = "quiet by itself"
        try:
            judge.hold(from_json(kept), "replay")
        except TrustError:  # its verdict rests on other families' CAs
            why = "its own CAs make no store"
            unasked += 1
        if sum(report.unexplained.values()) == before:
            seed, number, _ = kept["label"].rsplit("/", 2)
            print(f"{kept['label']}: {why}; its batch: --seed {seed} --first {number} --count {2 * BATCH}")
    print(table(report))
    return sum(report.unexplained.values()) + unasked


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold paths against OpenSSL and cryptography.")
    parser.add_argument("--count", type=int, default=100_000, help="how many cases (100,000)")
    parser.add_argument("--seed", default="1", help="decides every case (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first batch (0)")
    parser.add_argument("--log", type=Path, default=Path("disagreements.jsonl"), help="where unexplained cases go")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="ask again about the cases of a log")
    chosen = parser.parse_args()
    if chosen.replay:
        sys.exit(1 if replay(chosen.replay) else 0)
    print(f"seed {chosen.seed}, {chosen.count} cases", file=sys.stderr)
    started, told, written = time.monotonic(), [time.monotonic()], [0]
    chosen.log.unlink(missing_ok=True)

    def progress(report: Report) -> None:
        """Cases go to the log as they are found, so that a run that is killed leaves them."""
        now = time.monotonic()
        if len(report.kept) > written[0]:
            with chosen.log.open("a") as log:
                log.writelines(json.dumps(one) + "\n" for one in report.kept[written[0] :])
            written[0] = len(report.kept)
        if now - told[0] > 10:
            told[0] = now
            unexplained = sum(report.unexplained.values())
            line = f"{report.cases} cases, {report.accepted} accepted, {unexplained} unexplained, {now - started:.0f} s"
            print(line, file=sys.stderr)

    report = hold(chosen.count, chosen.seed, first=chosen.first, progress=progress)
    print(table(report))
    progress(report)
    if report.kept:
        print(f"{len(report.kept)} cases written to {chosen.log}")
    print(
        f"{report.cases} cases, seed {chosen.seed}: {report.accepted} accepted, {report.false_accepts} false accepts, "
        f"{sum(report.unexplained.values())} unexplained disagreements ({time.monotonic() - started:.0f} s)"
    )
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
