"""Mutated chains, held against pyhanko-certvalidator: `python -m tests.property.certvalidator --count N --seed S`.

The same chains as tests.property.paths, judged by a third implementation of RFC 5280, section 6.1, that processes policies,
mappings and name constraints in Python.  It needs a millisecond and more for a case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from asn1crypto import x509 as asn1_x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import PathBuildingError, PathValidationError, ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import PKIXValidationParams
from pyhanko_certvalidator.validate import async_validate_path
from tests.property.chains import Batch, Case, make_batch
from tests.property.der import RULES as DER_RULES
from tests.property.der import Refused, by_asn1crypto
from tests.property.opinions import OK, Core, OpenSsl, Pyca
from tests.property.paths import FORM, FORM_SHARE, as_json, from_json
from tests.property.rules import RULES as OPENSSL_RULES
from tests.property.rules import Rule, Seen, in_the_whole_store, openssl_takes_a_path

from sekisho.reasons import Reason

__all__ = ["Report", "hold"]

BATCH: Final = 256
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


class Validator:
    """pyhanko-certvalidator over the cases of a batch."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._read: dict[bytes, asn1_x509.Certificate | None] = {}
        policies = frozenset(batch.profile.policies or ("any_policy",))
        self._parameters = PKIXValidationParams(
            user_initial_policy_set=policies, initial_explicit_policy=bool(batch.profile.policies)
        )

    def certificate(self, data: bytes) -> asn1_x509.Certificate | None:
        if data not in self._read:
            try:
                found = asn1_x509.Certificate.load(data, strict=True)
                _ = found["tbs_certificate"].native, found.key_identifier, found.subject.hashable, found.issuer.hashable
            except Exception:
                found = None
            self._read[data] = found
        return self._read[data]

    def told(self, cases: list[Case]) -> list[str]:
        """Empty for yes, else its words."""

        async def every() -> list[str]:
            return [await self._one(case) for case in cases]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return asyncio.run(every())

    async def _one(self, case: Case) -> str:
        leaf = self.certificate(case.leaf)
        if leaf is None:
            return "unreadable"
        anchors, others = self._cas(case)
        if not anchors:
            return "no anchor"
        validator = CertificateValidator(
            leaf,
            intermediate_certs=others,
            validation_context=self._context(anchors, others),
            pkix_params=self._parameters,
        )
        return await _words_of(validator.async_validate_path())

    def _cas(self, case: Case) -> tuple[list[asn1_x509.Certificate], list[asn1_x509.Certificate]]:
        anchors, others = (
            [one for one in map(self.certificate, dict.fromkeys(several)) if one is not None]
            for several in (case.family.anchors, [*case.sent, *case.family.configured])
        )
        return anchors, others

    def _context(self, anchors: list[asn1_x509.Certificate], others: list[asn1_x509.Certificate]) -> ValidationContext:
        return ValidationContext(
            trust_roots=anchors,
            other_certs=others,
            moment=datetime.fromtimestamp(self.batch.at, UTC),
            allow_fetching=False,
            revocation_mode="soft-fail",
            weak_hash_algos=(),
            time_tolerance=timedelta(seconds=self.batch.profile.clock_skew),
        )

    def paths(self, case: Case) -> list[str]:
        """Its words on each path that names make, given to it whole: its builder goes by key identifiers too."""
        leaf = self.certificate(case.leaf)
        anchors, others = self._cas(case)
        paths: list[tuple[asn1_x509.Certificate, list[asn1_x509.Certificate]]] = []
        waiting: list[list[asn1_x509.Certificate]] = [[leaf]] if leaf is not None else []
        while waiting and len(paths) < 64:
            path = waiting.pop()
            issuer = path[-1].issuer.dump()
            paths += [(anchor, path) for anchor in anchors if anchor.subject.dump() == issuer]
            if len(path) <= 8:
                waiting += [[*path, one] for one in others if one.subject.dump() == issuer and one not in path]

        async def every() -> list[str]:
            told = []
            for anchor, path in paths:
                whole = ValidationPath(CertTrustAnchor(anchor), path[:0:-1], path[0])
                told.append(
                    await _words_of(async_validate_path(self._context([anchor], path[1:]), whole, self._parameters))
                )
            return told

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return asyncio.run(every())


async def _words_of(answer: Coroutine[Any, Any, Any]) -> str:
    try:
        await answer
    except (PathBuildingError, PathValidationError, ValidationError) as error:
        return str(error).splitlines()[0] or type(error).__name__
    except Exception as error:
        return f"fails: {type(error).__name__}: {error}".splitlines()[0]
    return ""


def _words(pattern: str) -> Callable[[Seen], bool]:
    return lambda seen: re.search(pattern, seen.pyca) is not None


def _rule(name: str, because: str, check: Callable[[Seen], bool]) -> Rule:
    return Rule(name, "certvalidator", frozenset({"certificate-ok"}), because, check)


def _validates_alone(seen: Seen) -> bool:
    return "" in Validator(seen.batch).paths(seen.case)


def _only_asn1crypto(seen: Seen) -> bool:
    try:
        by_asn1crypto(seen.case.leaf)
    except Refused as refusal:
        return any(rule.explains("asn1crypto", str(refusal), seen.case.leaf) for rule in DER_RULES)
    return False


RULES: Final[tuple[Rule, ...]] = (
    _rule(
        "path-alone",
        "RFC 5280, 4.2.1.1: its builder leaves out issuers whose key identifier differs; given the path, it accepts",
        _validates_alone,
    ),
    _rule(
        "address-constraints",
        "RFC 5280, 4.2.1.10: it has no constraints on addresses and other rare kinds of names",
        lambda seen: _words("No containment checker available")(seen) and b"\x55\x1d\x1e" in b"".join(_cas(seen)),
    ),
    _rule(
        "empty-dns-constraint",
        "RFC 5280, 4.2.1.10: any name is made from an empty one by adding labels; OpenSSL takes a path",
        lambda seen: (
            _words("are in the permitted namespace")(seen)
            and any(b"\x30\x02\x82\x00" in ca for ca in _cas(seen))
            and openssl_takes_a_path(seen)
        ),
    ),
    _rule(
        "path-not-built",
        "RFC 4158: its builder finds no issuer of that name, which others write in another form (7.1); OpenSSL takes a path",
        lambda seen: _words("no issuer matching")(seen) and openssl_takes_a_path(seen),
    ),
    _rule(
        "its-failure",
        "it ends on an exception of its own, over policy qualifiers or letters beyond ASCII; OpenSSL takes a path",
        lambda seen: (
            _words("^fails: (TypeError: unhashable type|UnicodeEncodeError)")(seen) and openssl_takes_a_path(seen)
        ),
    ),
    _rule(
        "directory-attributes",
        "RFC 5280, 4.2.1.8: values of any type; asn1crypto reads PrintableStrings alone; OpenSSL takes a path",
        lambda seen: seen.pyca == "unreadable" and b"\x55\x1d\x09" in seen.case.leaf and openssl_takes_a_path(seen),
    ),
    _rule(
        "its-reader", "asn1crypto does not read the leaf, for a reason that tests.property.der has", _only_asn1crypto
    ),
    _rule(
        "another-family",
        "the CA of the leaf's issuer is another family's: given the whole store that sekisho was given, it accepts",
        lambda seen: Validator(seen.batch).told([in_the_whole_store(seen)]) == [""],
    ),
)


def _cas(seen: Seen) -> list[bytes]:
    return [*seen.case.sent, *seen.case.family.configured, *seen.case.family.anchors]


@dataclass
class Report:
    cases: int = 0
    asked: int = 0
    agreed: int = 0
    reasons: Counter[int] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[tuple[str, str]] = field(default_factory=Counter)
    false_accepts: int = 0
    kept: list[dict[str, object]] = field(default_factory=list)


@dataclass
class Judge:
    report: Report
    core: Core = field(default_factory=Core)
    openssl: OpenSsl = field(default_factory=OpenSsl)

    def hold(self, batch: Batch, label: str) -> None:
        report = self.report
        ours = self.core.told(batch)
        report.cases += len(ours)
        report.reasons.update(ours)
        asked = [i for i, reason in enumerate(ours) if reason not in FORM or i % FORM_SHARE == 0]
        report.asked += len(asked)
        words = Validator(batch).told([batch.cases[i] for i in asked])
        different = [(i, word) for i, word in zip(asked, words, strict=True) if (ours[i] == OK) != (word == "")]
        report.agreed += len(asked) - len(different)
        theirs = self.openssl.told(batch, [batch.cases[i] for i, _ in different])
        reader = Pyca(batch)
        for (i, word), their in zip(different, theirs, strict=True):
            self._one(Seen(batch, batch.cases[i], ours[i], their, word, self.openssl, reader), f"{label}/{i}")

    def _one(self, seen: Seen, label: str) -> None:
        report, reason = self.report, Reason(seen.ours).kebab
        if not seen.accepted and seen.theirs[0] != 0:
            report.rules["OpenSSL refuses too"] += 1
            return
        rules = [rule for rule in (*RULES, *OPENSSL_RULES) if reason in rule.reasons]
        rules = [rule for rule in rules if rule.peer == ("certvalidator" if seen.accepted else "openssl")]
        rule = next((rule for rule in rules if rule.check(seen)), None)
        if rule is not None:
            report.rules[f"{rule.name}: {rule.because}"] += 1
            return
        report.unexplained[reason, seen.pyca[:120]] += 1
        report.false_accepts += seen.accepted
        if len(report.kept) < 1000:
            report.kept.append(as_json(seen, "certvalidator", seen.pyca, label))


def hold(count: int, seed: object, progress: Callable[[Report], None] = lambda _: None) -> Report:
    """About `count` cases of a seed."""
    report = Report()
    judge = Judge(report)
    number = 0
    chance = random.Random(f"{seed}/certvalidator")
    while report.cases < count:
        profile = chance.choice(["policy", "policy", "plain", ""])  # policies are what the other peers know least of
        batch = make_batch(f"{seed}/certvalidator", number, min(BATCH, count - report.cases), profile)
        judge.hold(batch, f"{seed}/{number}")
        progress(report)
        number += 1
    return report


def table(report: Report) -> str:
    lines = [f"{count:10d}  {Reason(reason).kebab}" for reason, count in report.reasons.most_common()]
    lines += ["", f"asked about {report.asked} of {report.cases} cases; agrees on {report.agreed}", ""]
    lines += ["disagreements that a rule explains"]
    lines += [f"{count:10d}  {words}" for words, count in report.rules.most_common()]
    if report.unexplained:
        lines += ["", "UNEXPLAINED"]
        lines += [f"{count:10d}  {' | '.join(key)}" for key, count in report.unexplained.most_common(60)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold paths against pyhanko-certvalidator.")
    parser.add_argument("--count", type=int, default=100_000, help="how many cases (100,000)")
    parser.add_argument("--seed", default="1", help="decides every case (1)")
    parser.add_argument("--log", type=Path, default=Path("certvalidator.jsonl"), help="where unexplained cases go")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="ask again about the cases of a log")
    chosen = parser.parse_args()
    started, told = time.monotonic(), [time.monotonic()]

    def progress(report: Report) -> None:
        now = time.monotonic()
        if now - told[0] > 10:
            told[0] = now
            print(f"{report.cases} cases, {sum(report.unexplained.values())} unexplained", file=sys.stderr)

    if chosen.replay:
        report = Report()
        judge = Judge(report)
        for line in chosen.replay.read_text().splitlines():
            judge.hold(from_json(json.loads(line)), "replay")
    else:
        print(f"seed {chosen.seed}, {chosen.count} cases", file=sys.stderr)
        report = hold(chosen.count, chosen.seed, progress)
    print(table(report))
    if report.kept and not chosen.replay:
        chosen.log.write_text("".join(json.dumps(one) + "\n" for one in report.kept))
        print(f"{len(report.kept)} cases written to {chosen.log}")
    print(
        f"{report.cases} cases, seed {chosen.seed}: {report.reasons[OK]} accepted, {report.false_accepts} false accepts, "
        f"{sum(report.unexplained.values())} unexplained disagreements ({time.monotonic() - started:.0f} s)"
    )
    sys.exit(1 if report.unexplained else 0)


if __name__ == "__main__":
    main()
