"""Distinguished names by RFC 5280, 7.1, over BoringSSL's pairs: the same, within a subtree, and no Name at all."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pyasn1.codec.der import decoder
from pyasn1_modules import rfc5280

from sekisho._native import ffi, lib
from tests.conformance import suites

pytestmark = pytest.mark.skipif(not suites.ROOT.is_dir(), reason=f"the conformance suites are missing: {suites.ROOT}")

FILES = suites.files("boringssl-pki", "name_match.json")
FIELDS = {"what", "source", "licence", "notes", "names", "match", "subtree", "invalid"}
KINDS = ("match", "subtree", "invalid")


@dataclass(frozen=True)
class Case:
    """A question about one or two names, and what the suite answers: True, False or "invalid"."""

    kind: str
    names: tuple[str, ...]
    expected: bool | str

    @property
    def id(self) -> str:
        return f"{self.kind}: {', '.join(self.names)}"


def cases(data: dict[str, Any]) -> list[Case]:
    found = [Case(kind, (a, b), expected) for kind in ("match", "subtree") for a, b, expected in data[kind]]
    assert all(isinstance(case.expected, bool) for case in found)
    return found + [Case("invalid", (name,), "invalid") for name in data["invalid"]]


def ask(call: Any, one: bytes, other: bytes) -> bool | str:
    out = ffi.new("uint32_t *", 2)
    status = call(one, len(one), other, len(other), out)
    if status == lib.SEKI_E_ARGUMENT:
        assert out[0] == 2  # nothing was written
        return "invalid"
    assert status == lib.SEKI_OK
    return {0: False, 1: True}[out[0]]


def answers(case: Case, names: dict[str, bytes]) -> list[bool | str]:
    """What the core says; each question is put in every way that must get the same answer."""
    given = [names[name] for name in case.names]
    if case.kind == "match":
        return [ask(lib.seki_name_equal, *given), ask(lib.seki_name_equal, *reversed(given))]
    if case.kind == "subtree":
        return [ask(lib.seki_name_within, *given)]
    # What is no Name is none on either side, against itself and against a good one.
    good = bytes.fromhex("300d310b3009060355040613024a50")
    pairs = [(given[0], given[0]), (given[0], good), (good, given[0])]
    return [ask(call, *pair) for call in (lib.seki_name_equal, lib.seki_name_within) for pair in pairs]


def has_a_type_twice(name: bytes) -> bool:
    """Whether an RDN names an attribute type twice, as another reader sees it."""
    decoded, _ = decoder.decode(name, asn1Spec=rfc5280.Name())
    return any(max(Counter(str(one["type"]) for one in rdn).values()) > 1 for rdn in decoded["rdnSequence"])


EXCEPTIONS: tuple[tuple[str, Callable[[Case, dict[str, bytes]], bool]], ...] = (
    (
        "X.501, 9.3: the attributes of an RDN are of different types; a name that breaks it is refused when it is read",
        lambda case, names: case.kind != "invalid" and any(has_a_type_twice(names[name]) for name in case.names),
    ),
)
"""Where sekisho answers "invalid" and the suite does not: why, and for which cases."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_names(file: Any) -> None:
    data = suites.read(file, FIELDS)
    names = {name: base64.b64decode(der) for name, der in data["names"].items()}
    run: Counter[str] = Counter()
    wrong: list[str] = []
    excepted = 0
    for case in cases(data):
        run[case.kind] += 1
        reasons = [reason for reason, applies in EXCEPTIONS if applies(case, names)]
        given = answers(case, names)
        if reasons:
            excepted += 1
            if set(given) != {"invalid"}:
                wrong.append(f"{case.id}: {given}; this exception no longer applies: {reasons[0]}")
        elif set(given) != {case.expected}:
            wrong.append(f"{case.id}: {given}, should be {case.expected}")
    print(f"\n{file.name}: {dict(run)}, {excepted} by exception")
    assert wrong == []
    assert run == {kind: len(data[kind]) for kind in KINDS}
    assert excepted < run.total() / 4


def test_the_suite_is_here() -> None:
    assert FILES
