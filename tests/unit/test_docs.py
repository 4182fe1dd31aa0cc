"""The documents: every Python block runs as pasted, and whatever they name exists and is as they say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

import sekisho
from sekisho._native import lib
from sekisho.challenges import CHALLENGE_SIZE, LIFETIME_DEFAULT, LIFETIME_MAX, ChallengeKeys
from sekisho.cli import main
from sekisho.modes import Mode
from sekisho.profiles import Profile, shipped
from sekisho.reasons import Reason
from sekisho.verdicts import BACKENDS, FLAGS, LOGIN_VERDICT

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SESSIONS = ["README.md", "README.ja.md", "docs/INTEGRATION.md", "docs/OPERATIONS.md"]


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def flowing(page: str) -> str:
    """A page with its line breaks taken for spaces."""
    return " ".join(text(page).split())


def blocks(page: str, language: str = "") -> list[str]:
    """The fenced blocks of that language; "" is the language of those that name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text(page), flags=re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)


def spans(page: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


@cache
def sources() -> str:
    """All that is not a document: what a name in a document may be the name of."""
    folders = [ROOT / "engine", ROOT / "native", ROOT / "bench", ROOT / "tests", ROOT / ".ci"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    code = {".py", ".c", ".h", ".inc", ".toml", ""}
    kept = [path for path in files if path.suffix in code and not {"build", "corpus"} & set(path.parts)]
    others = [path for path in kept if path != Path(__file__)] + [ROOT / "Makefile", ROOT / "pyproject.toml"]
    return "\n".join(path.read_text(encoding="utf-8") for path in others if path.stat().st_size < 1 << 20)


@cache
def words() -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sources()))


# ---- code ---------------------------------------------------------------------------------------


def promised(code: str) -> list[str]:
    """What the comments behind `print` say: one line each, or several parted by ' / ' where a loop prints."""
    said = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    return [line for one in said for line in one.split(" / ")]


@pytest.mark.parametrize("page", SESSIONS)
def test_python_blocks_run_as_pasted(page: str, tmp_path: Path) -> None:
    """The blocks of a page are one session, and print what stands behind their prints."""
    code = "\n".join(blocks(page, "python"))
    assert code.count("print(") == len(re.findall(r"^ *print\(.*\)  # ", code, flags=re.MULTILINE)) > 0
    command = [sys.executable, "-X", "utf8", "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == promised(code)


def test_the_readme_shows_ten_lines() -> None:
    """Statements, not lines: a call may be broken."""
    for page in ("README.md", "README.ja.md"):
        (code,) = blocks(page, "python")
        statements = [line for line in code.splitlines() if line and not line.startswith(" ")]
        assert len(statements) == 10


def test_all_code_of_the_documents_is_tried() -> None:
    assert [page for page in PAGES if blocks(page, "python")] == sorted(SESSIONS)


# ---- names --------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """The anchors that headings get where Markdown is rendered (GitHub's rule)."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(str(path.resolve().relative_to(ROOT))), target


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page: str) -> None:
    """Paths from the root wherever they stand, and C files by their names alone."""
    for path in re.findall(r"(?<![\w./-])(?:docs|native|engine|tests|bench|\.ci)/[\w./-]*\w", text(page)):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"(?<![\w./-])[a-z0-9_]+\.[ch]\b", text(page)):
        assert list((ROOT / "native").rglob(name)), name


def commands(page: str) -> Iterator[list[str]]:
    """Whatever is called as a command, in words."""
    for line in [*spans(page), *(line for block in blocks(page) for line in block.splitlines())]:
        found = line.split("#")[0].split()
        if found:
            yield [*found[0].split("/")[-1:], *found[1:]]


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for command in commands(page):
        if command[0] == "make" and len(command) > 1:
            assert command[1] in targets, command
        elif command[0] == "sekisho" and len(command) > 1:
            exists_in_click(main, command[1:])
        elif command[:3] == ["python", "-m", "bench"]:
            assert len(command) == 3 or command[3] in words() or command[3] == "…", command


def exists_in_click(command: click.Command, rest: list[str]) -> None:
    context = click.Context(command)
    while isinstance(command, click.Group) and rest and re.fullmatch(r"[a-z]+", rest[0]):
        found = command.get_command(context, rest[0])
        assert found is not None, rest
        command, rest = found, rest[1:]
    options = {option for parameter in command.get_params(context) for option in parameter.opts}
    for word in rest:
        assert not word.startswith("-") or word in options, (command.name, word)


@pytest.mark.parametrize("page", PAGES)
def test_constants_functions_and_fields_exist(page: str) -> None:
    """Names with an underscore, in backticks: of Python, C, TOML, the environment or OpenSSL's headers as we use them."""
    for span in spans(page):
        for name in re.findall(r"(?<![\w$])[A-Za-z]\w*_\w+", span):
            known = name in words() or any(word.endswith(name) for word in words() if name.isupper())
            assert known, (span, name)


@pytest.mark.parametrize("page", PAGES)
def test_python_names_exist(page: str) -> None:
    for span in spans(page):
        call = re.fullmatch(r"([A-Za-z_][\w.]*)(?:\((.*)\))?", span)
        if call is None:
            continue
        head, *rest = call.group(1).split(".")
        if head == "sekisho" and rest and (ROOT / "engine/sekisho" / f"{rest[0]}.py").exists():
            found = resolved(importlib.import_module(f"sekisho.{rest[0]}"), rest[1:])
        elif head in sekisho.__all__:
            found = resolved(getattr(sekisho, head), rest)
        else:
            continue
        for argument in re.findall(r"(\w+)=", call.group(2) or ""):
            assert argument in inspect.signature(found).parameters, span


def resolved(found: Any, names: list[str]) -> Any:
    for name in names:
        if not hasattr(found, name):  # an attribute of its objects
            assert re.search(rf"self\.{name}\b", inspect.getsource(found)), (found, name)
            return None
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_profiles_and_modes_exist(page: str) -> None:
    for span in spans(page):
        if re.fullmatch(r"(jpki|client|strict)-[a-z0-9-]+", span):
            assert span in shipped(), span
        elif re.fullmatch(r"(rsassa|ecdsa)-[a-z0-9_-]+", span):
            Mode.parse(span)


@pytest.mark.parametrize("page", PAGES)
def test_bounds_are_those_of_the_code(page: str) -> None:
    """A row of a table that names a constant says its value."""
    for row in re.findall(r"^\|.*\|$", prose(page), flags=re.MULTILINE):
        for name in re.findall(r"`(SEKI_[A-Z0-9_]+_(?:MAX|MIN))`", row):
            defined = re.search(rf"\b{name} = (\d+)", sources())
            assert defined is not None, name
            assert re.search(rf"(?<![\d,]){int(defined.group(1)):,}(?![\d,]*\d)", row), (name, row)


def test_figures_in_sentences_are_those_of_the_code() -> None:
    for page, sentence in (
        ("docs/INTEGRATION.md", f"They live for {LIFETIME_DEFAULT} seconds (1 to {LIFETIME_MAX})"),
        ("docs/INTEGRATION.md", f"a challenge has {CHALLENGE_SIZE}."),
        ("docs/INTEGRATION.md", f"after {lib.SEKI_CHALLENGE_FAILURES_MAX} wrong ones it is `CHALLENGE_LOCKED`"),
        ("docs/INTEGRATION.md", f"a UUID; up to {lib.SEKI_REQUEST_SIZE_MAX} bytes"),
        (
            "docs/INTEGRATION.md",
            f"`intermediates_max` ({lib.SEKI_INTERMEDIATES_DEFAULT}, if it says nothing), DER end to end",
        ),
        ("docs/INTEGRATION.md", f"`skew` (0 to {lib.SEKI_CHALLENGE_SKEW_MAX} s)"),
        ("docs/SECURITY.md", f"begin with `sekisho1.` and have {CHALLENGE_SIZE} bytes"),
        ("docs/SECURITY.md", f"after {lib.SEKI_CHALLENGE_FAILURES_MAX} the challenge is `CHALLENGE_LOCKED`"),
        ("docs/PROTOCOL.md", f"A challenge is {CHALLENGE_SIZE} printable ASCII characters"),
        ("docs/PROTOCOL.md", f"the binding, at most {lib.SEKI_CHALLENGE_BINDING_SIZE_MAX:,} bytes"),
    ):
        assert sentence in flowing(page), (page, sentence)


def test_forms_forbidden_to_foreign_challenges_are_told_as_they_are() -> None:
    stage = (ROOT / "native/src/stage_challenge.c").read_text()
    assert "hash_sizes[] = {20, 28, 32, 36, 48, 64};" in stage
    assert "LENGTH_MIN = 16 }" in stage
    for page in ("docs/INTEGRATION.md", "docs/SECURITY.md"):
        assert re.search(r"at least 16 bytes,.{0,20} not (be )?20, 28, 32, 36, 48 or 64", flowing(page))


# ---- reasons and their citations ----------------------------------------------------------------


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.kebab)
def test_a_cited_document_speaks_of_the_reason(reason: Reason) -> None:
    for page in re.findall(r"sekisho (docs/\w+\.md)", reason.source):
        assert (ROOT / page).exists(), page
        if page != "docs/ARCHITECTURE.md":  # which explains the stages, not their answers
            assert {f"`{reason.name}`", f"`{reason.kebab}`"} & {f"`{span}`" for span in spans(page)}, reason


def test_the_table_of_reasons_is_the_closed_list() -> None:
    rows = [
        f"| {int(reason)} | `{reason.kebab}` | {reason.blame.value if reason.blame else '–'} | "
        f"{reason.advice.value if reason.advice else '–'} | {reason.english} | {reason.source} |"
        for reason in Reason
    ]
    assert re.findall(r"^\| \d+ \| `[a-z-]+` \| .* \|$", section("Reasons"), flags=re.MULTILINE) == rows


# ---- the formats --------------------------------------------------------------------------------


def section(heading: str) -> str:
    return text("docs/PROTOCOL.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_example_of_a_challenge() -> None:
    """Made by the core, and by hand from the page's own words."""
    (example,) = blocks("docs/PROTOCOL.md")
    keys = ChallengeKeys({0x9F3A01C2: bytes(range(1, 33))}, current=0x9F3A01C2)
    body = base64.urlsafe_b64decode(example.strip().removeprefix("sekisho1."))
    arguments: dict[str, Any] = {
        "profile": Profile.load("jpki-auth").id32,
        "tenant": 7,
        "audience": "https://city.example",
        "bindings": [b"session 4711"],
        "transactions": [hashlib.sha256(b"order").digest()],
        "at": 1_775_012_400,
    }
    (token,) = keys.issue(1, lifetime=120, random=body[37:53], **arguments)
    assert token.decode() == example.strip()
    assert keys.check([token], **arguments).tolist() == [Reason.CHALLENGE_OK]

    fields = re.findall(r"^\| (\d+) \| (\d+) \| [\w ]+ \| `([0-9a-f]+)` \|", section("Challenge"), flags=re.MULTILINE)
    assert [int(offset) for offset, _, _ in fields] == [0, 1, 5, 9, 13, 29, 35, 37, 53, 85]
    for offset, size, value in fields:
        assert body[int(offset) : int(offset) + int(size)].hex() == value
    label = b"sekisho challenge token 1".ljust(64, b"\0")
    signed = label + body[:85] + len(b"session 4711").to_bytes(2, "big") + b"session 4711"
    assert body[85:] == hmac.new(bytes(range(1, 33)), signed, hashlib.sha256).digest()
    assert body[9:13] == hashlib.sha256(b"sekisho profile 1\0jpki-auth").digest()[:4]
    assert body[13:29] == hashlib.sha256(b"sekisho audience 1\0https://city.example").digest()[:16]


def test_the_table_of_verdicts_is_the_dtype() -> None:
    told = re.findall(r"^\| (\d+) \| ([ui]\d) \| (\w+) \|", section("Verdicts"), flags=re.MULTILINE)
    fields = LOGIN_VERDICT.fields
    assert fields is not None
    assert told == [
        (str(fields[name][1]), f"{fields[name][0].kind}{fields[name][0].itemsize}", name)
        for name in LOGIN_VERDICT.names or ()
    ]
    assert f"{LOGIN_VERDICT.itemsize} bytes" in section("Verdicts")


def test_flags_and_backends_are_told() -> None:
    told = re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", section("Verdicts"), flags=re.MULTILINE)
    assert {name: int(bit) for bit, name in told} == FLAGS
    assert ", ".join(f"{number} `{name}`" for number, name in BACKENDS.items()) in flowing("docs/PROTOCOL.md")
