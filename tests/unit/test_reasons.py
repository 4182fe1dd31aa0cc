"""The closed list of reasons: the same numbers as in C, nothing missing, and something to say for each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sekisho.reasons import Advice, Blame, Reason

HEADER = Path(__file__).parents[2] / "native" / "include" / "sekisho.h"


def in_c() -> dict[str, int]:
    """Names and numbers of seki_reason, read out of the header."""
    header = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    body = re.search(r"typedef enum \{([^}]*)\} seki_reason;", header)
    assert body is not None
    entries = [entry.strip() for entry in body.group(1).split(",") if entry.strip()]
    found = [re.fullmatch(r"SEKI_([A-Z0-9_]+) = (\d+)", entry) for entry in entries]
    assert all(found), entries
    return {one.group(1): int(one.group(2)) for one in found if one is not None}


def test_the_list_is_the_one_of_the_header() -> None:
    assert {reason.name: reason.value for reason in Reason} == in_c()


def test_the_list_is_the_one_of_the_core() -> None:
    from sekisho._native import ffi, lib

    assert {name.removeprefix("SEKI_"): number for number, name in ffi.typeof("seki_reason").elements.items()} == {
        reason.name: reason.value for reason in Reason
    }
    for reason in Reason:
        assert getattr(lib, f"SEKI_{reason.name}") == reason.value


def test_no_number_or_name_is_given_twice() -> None:
    assert len(Reason.__members__) == len(Reason)  # an alias would be a member that iteration leaves out
    assert all(0 <= reason.value < 2**16 for reason in Reason)
    assert Reason(0).blame is Blame.SEKISHO  # zeroed memory never accepts


def test_kebab_names_lead_back() -> None:
    assert Reason.ISSUER_SIGNATURE_WRONG.kebab == "issuer-signature-wrong"
    for reason in Reason:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason.kebab)
        assert Reason.from_kebab(reason.kebab) is reason


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match="'expird'; did you mean 'expired'"):
        Reason.from_kebab("expird")
    with pytest.raises(ValueError, match="no reason 'EXPIRED'"):
        Reason.from_kebab("EXPIRED")


@pytest.mark.parametrize("language", ["english", "japanese"])
def test_each_reason_has_a_sentence_of_its_own(language: str) -> None:
    sentences = [getattr(reason, language) for reason in Reason]
    assert len(set(sentences)) == len(Reason)
    for sentence in sentences:
        assert 10 < len(sentence) <= 140
        if language == "english":
            assert re.fullmatch(r"[A-Zs][ -~]*\.", sentence), sentence
        else:
            assert re.search("(です|ます|ました|ません)(。|（)", sentence), sentence
            assert re.search(r"[ぁ-ん]", sentence), sentence
            assert sentence.endswith("。"), sentence


def test_positive_reasons_blame_nobody_and_all_others_somebody() -> None:
    positive = {Reason.ACCEPTED, Reason.SIGNATURE_OK, Reason.CERTIFICATE_OK, Reason.CHALLENGE_OK}
    for reason in Reason:
        assert reason.positive is (reason in positive)
        assert (reason.blame is None) is (reason in positive)
        assert (reason.advice is None) is (reason in positive)


def test_sources_are_public() -> None:
    for reason in Reason:
        for source in reason.source.split("; "):
            assert re.match(r"(RFC \d{4}|FIPS \d|NIST SP 800-|X\.690|sekisho docs/)", source), (reason, source)


def test_a_citizen_learns_one_of_four_sentences() -> None:
    assert {reason.advice for reason in Reason if not reason.positive} == set(Advice)
    for language in ("english", "japanese"):
        assert len({getattr(advice, language) for advice in Advice}) == len(Advice)
    for advice in Advice:
        # No word of what was checked and failed.
        assert not re.search(r"signature|revok|expire|challenge|forge|key|issuer|policy", advice.english, re.IGNORECASE)
        assert not re.search(r"署名|失効|期限|チャレンジ|偽造|鍵|発行者名|ポリシー", advice.japanese)
        assert Advice(advice.value) is advice


def test_revoked_and_expired_look_alike_to_a_citizen() -> None:
    assert Reason.REVOKED.advice is Reason.EXPIRED.advice is Advice.GO_TO_OFFICE


def test_a_reason_has_no_truth_value() -> None:
    for reason in Reason:
        with pytest.raises(TypeError, match=r"no truth value: ask the verdict for \.ok"):
            bool(reason)


def test_reasons_are_numbers_on_the_wire() -> None:
    assert json.dumps([Reason.ACCEPTED, Reason.REVOKED]) == "[1, 192]"
    assert Reason(192) is Reason.REVOKED
    with pytest.raises(ValueError, match="9999"):
        Reason(9999)
