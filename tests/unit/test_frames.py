"""Frames: the document, its vectors, the client's codec and the core's say the same, byte for byte."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.wire_desk import Desk, a_tenant

from sekisho import frames
from sekisho._native import lib
from sekisho.frames import Code, Frame, FrameError, Kind, Splitter
from sekisho.testing import small_city
from sekisho.verdicts import LOGIN_VERDICT

ROOT = Path(__file__).parents[2]
VECTORS: list[dict[str, Any]] = json.loads((ROOT / "tests/vectors/frames.json").read_text())
RULES: list[dict[str, Any]] = json.loads((ROOT / "tests/vectors/rules.json").read_text())
PAGE = (ROOT / "docs/PROTOCOL.md").read_text()
CHAPTER = PAGE.split("\n## Frames\n")[1]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk([a_tenant(tmp_path_factory.mktemp("desk"), small_city())]) as desk:
        yield desk


def arguments(fields: dict[str, Any]) -> dict[str, Any]:
    def value(given: Any) -> Any:
        if isinstance(given, str):
            return bytes.fromhex(given)
        return [value(one) for one in given] if isinstance(given, list) else given

    return {name: value(given) for name, given in fields.items()}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors_are_what_the_codec_writes_and_reads(vector: dict[str, Any]) -> None:
    data, fields = bytes.fromhex(vector["hex"]), arguments(vector["fields"])
    (frame,) = Splitter().feed(data)
    assert frame.id == vector["id"]
    match vector["kind"]:
        case "welcome":
            assert frames.read_welcome(frame.payload) == frames.Welcome(**fields)
        case "error":
            assert frames.read_error(frame.payload) == frames.Error(**fields)
            assert frames.read_error(frame.payload).name in (vector["name"], Code(fields["code"]).kebab)
        case "verdict":
            (row,) = np.frombuffer(frame.payload, dtype=LOGIN_VERDICT)
            assert {name: int(row[name]) for name in LOGIN_VERDICT.names or ()} == fields
        case "stats answer":
            assert [[*key, value] for key, value in frames.read_stats(frame.payload).items()] == fields["rows"]
        case "pong":
            assert frame == (Kind.PING + frames.ANSWER, 0, vector["id"], fields["payload"])
        case "goodbye answer":
            assert frame == (Kind.GOODBYE + frames.ANSWER, 0, 0, b"")
        case "hello":
            assert frames.hello(number=vector["id"], **fields) == data
        case kind:
            assert getattr(frames, kind)(vector["id"], **fields) == data


def test_every_kind_of_request_has_a_vector() -> None:
    assert {one["kind"].upper() for one in VECTORS} >= set(Kind.__members__)


@pytest.mark.parametrize("piece", [None, 1, 7])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_a_broken_rule_gets_the_answer_that_the_document_names(
    desk: Desk, rule: dict[str, Any], piece: int | None
) -> None:
    line = desk.line(7 if rule["after_hello"] else None)
    before = len(line.raw)
    line.send(b"".join(map(bytes.fromhex, rule["send"])), piece)
    desk.work()
    line.receive()
    assert line.raw[before:].hex() == rule["answer"]
    assert line.closes == rule["ends"]
    if rule["ends"]:  # what stands behind is not looked at
        line.send(frames.ping(77))
        assert line.receive() == []
    else:
        assert line.ask(frames.ping(77)) == Frame(Kind.PING + frames.ANSWER, 0, 77, b"")
    line.close()


def test_vectors_of_requests_are_taken_by_the_core(desk: Desk) -> None:
    """None of them is malformed to it; what it answers has their ids."""
    line = desk.line()
    for vector in VECTORS:
        if vector["kind"] not in ("ping", "login", "certificate", "signature", "revocation", "challenges", "stats"):
            continue
        answer = line.ask(bytes.fromhex(vector["hex"]))
        assert answer.id == vector["id"]
        if answer.kind == Kind.ERROR:
            name = frames.read_error(answer.payload).name
            assert name in ("need-certificate", "profile-unknown"), vector["name"]
    line.close()


def test_the_welcome_is_the_limits(desk: Desk) -> None:
    line = desk.line()
    assert line.welcome is not None
    told = frames.read_welcome(line.welcome.payload)
    expected = frames.read_welcome(bytes.fromhex(next(one["hex"] for one in VECTORS if one["name"] == "welcome"))[16:])
    assert (told.version, told.features, told.frame_bytes, told.requests) == (
        1,
        7,
        expected.frame_bytes,
        expected.requests,
    )
    assert (told.challenges, told.deadline_ms, told.idle_s) == (
        expected.challenges,
        expected.deadline_ms,
        expected.idle_s,
    )
    assert told.time == expected.time
    line.close()


# ---- the client's codec ---------------------------------------------------------------------------


def test_frames_come_out_of_pieces_of_any_size() -> None:
    data = b"".join(bytes.fromhex(one["hex"]) for one in VECTORS)
    whole = list(Splitter().feed(data))
    assert [frame.id for frame in whole] == [one["id"] for one in VECTORS]
    for size in (1, 3, 16, 17, 100):
        splitter = Splitter()
        assert [f for at in range(0, len(data), size) for f in splitter.feed(data[at : at + size])] == whole


def test_what_is_no_frame_is_told() -> None:
    for data in (b"HTTP/1.1 400 Bad", b"\xff" * 16, bytes(6) + b"\1\0" + bytes(8)):
        with pytest.raises(FrameError):
            list(Splitter().feed(data))
    for read in (frames.read_welcome, frames.read_error):
        with pytest.raises(FrameError):
            read(b"short")


def test_an_error_of_a_later_version_has_a_name() -> None:
    assert frames.Error(4711, False, 0, 0).name == "error-4711"


# ---- the document ---------------------------------------------------------------------------------


def test_the_examples_are_the_vectors() -> None:
    shown = re.findall(r"^```frame\n# ([a-z-]+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    known = {one["name"]: one["hex"] for one in VECTORS}
    known["login"] = known["login by reference"]
    assert [name for name, _ in shown] == ["hello", "ping", "pong", "login", "need-certificate"]
    for name, text in shown:
        assert "".join(text.split()) == known[name], name


def tables() -> dict[str, list[tuple[int, str, str]]]:
    """By heading: (offset, type, field) of the table of fields below it."""
    found = {}
    for part in re.split(r"^###? ", "\n## Header\n" + CHAPTER, flags=re.MULTILINE)[1:]:
        heading = part.splitlines()[0]
        tabled = re.findall(r"^\| (\d+) \| (u\d|i\d|\d+ bytes)? ?\| (\w*) \|", part, flags=re.MULTILINE)
        found[heading] = [(int(offset), kind, name) for offset, kind, name in tabled]
    return found


def test_offsets_follow_from_sizes() -> None:
    for heading, rows in tables().items():
        at = 0
        for offset, kind, _ in rows:
            if offset == 0:
                at = 0  # a second table below one heading: the welcome
            assert offset == at, heading
            at += int(re.sub(r"\D", "", kind)) if kind else 0


def test_errors_are_the_closed_list() -> None:
    told = re.findall(r"^\| (\d+) \| `([a-z-]+)` \| (yes|no) \|", CHAPTER, flags=re.MULTILINE)
    assert [(int(number), name) for number, name, _ in told] == [(code.value, code.kebab) for code in Code]
    for code in Code:
        assert getattr(lib, f"SEKI_WIRE_{code.name}") == code
    for rule in RULES:
        assert rule["ends"] == ({name: ends for _, name, ends in told}[rule["code"]] == "yes"), rule


def test_kinds_are_those_of_the_core() -> None:
    told = re.findall(r"^\| (\d+) \| ([a-z]+) \| (\d+)( [a-z]+)? \|", CHAPTER, flags=re.MULTILINE)
    assert [(int(number), name.upper()) for number, name, _, _ in told] == [(k.value, k.name) for k in Kind if k != 255]
    assert all(int(answer) == int(number) + frames.ANSWER for number, _, answer, _ in told)
    for kind in Kind:
        assert getattr(lib, f"SEKI_FRAME_{kind.name}") == kind
    assert frames.VERSION == lib.SEKI_PROTOCOL_VERSION
    assert frames.CHALLENGE_SIZE == lib.SEKI_CHALLENGE_SIZE
    assert inspect.signature(frames.hello).parameters["features"].default == 7
