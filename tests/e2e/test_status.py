"""The status page in a real browser: it shows what came, and no line of it is an error."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.fetch_servers import free_port

from sekisho.demo import burst
from sekisho.demo.signed import Signed, signed_city

CITIZENS = 320
LOOK_MS = 6000  # of the browser's own time
TRIES = 10


def quiet(what: str, done: int, total: int) -> None:
    """Nobody looks on."""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed_city(CITIZENS, "status", quiet, key="p256", cache=tmp_path_factory.mktemp("cities"))


@pytest.fixture(scope="module")
def page(signed: Signed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[burst.Server, str]]:
    port = free_port()
    settings = f'[http]\nlisten = "127.0.0.1:{port}"\n'
    with burst.server(signed, tmp_path_factory.mktemp("server"), settings=settings) as made:
        yield made, f"http://127.0.0.1:{port}/status"


def browser(url: str, *how: str) -> subprocess.CompletedProcess[str]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "chromium is missing: .ci/system-packages peers"
    command = [
        chromium,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--window-size=1200,900",
    ]
    return subprocess.run([*command, *how, url], check=True, capture_output=True, text=True, timeout=60)


def text_of(page: str, name: str) -> str:
    found = re.search(rf'id="{name}"[^>]*>([^<]*)<', page)
    assert found is not None, name
    return found[1]


def test_the_page_shows_what_came(signed: Signed, page: tuple[burst.Server, str], tmp_path: Path) -> None:
    server, url = page
    sent, expected = burst.frames_of(signed, [], quiet)
    burst.everybody_at_once(server, sent, expected, quiet)
    ended = threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            burst.everybody_at_once(server, sent, expected, quiet)

    load = threading.Thread(target=go_on)
    load.start()
    try:
        for _ in range(TRIES):  # the browser's clock runs ahead: all its looks may fall between two bursts
            seen = browser(url, "--dump-dom", f"--virtual-time-budget={LOOK_MS}")
            assert "CONSOLE" not in seen.stderr, seen.stderr
            if text_of(seen.stdout, "highest") not in ("0", "-"):
                break
        browser(url, f"--screenshot={tmp_path / 'status.png'}", f"--virtual-time-budget={LOOK_MS}")
    finally:
        ended.set()
        load.join()
    dom = seen.stdout
    assert text_of(dom, "state") == "ready"
    assert int(text_of(dom, "highest").replace(",", "")) > 0
    assert re.fullmatch(r"[\d,]+", text_of(dom, "rate"))
    assert int(text_of(dom, "claims").replace(",", "")) == CITIZENS
    assert re.fullmatch(r"&lt;[\d.]+ ms", text_of(dom, "p99"))
    assert text_of(dom, "kernels") == "sound"
    assert f'>✓ accepted</td><td class="number">0</td><td class="number">{CITIZENS}</td>' in dom
    assert ">challenge-used</td>" in dom
    assert "<polyline" in dom
    assert "<meter" in dom
    assert (tmp_path / "status.png").read_bytes().startswith(b"\x89PNG")


def test_a_server_that_is_gone_is_told(page: tuple[burst.Server, str], tmp_path: Path) -> None:
    """The page as the server sent it, from a place where nobody has metrics."""
    _, url = page
    for name in ("status", "status.css", "status.js"):
        answer = httpx.get(url.removesuffix("status") + name)
        (tmp_path / (name if "." in name else "status.html")).write_bytes(answer.content)
    seen = browser(f"file://{tmp_path}/status.html", "--dump-dom", f"--virtual-time-budget={LOOK_MS}")
    assert text_of(seen.stdout, "state").startswith("no answer")


def test_nothing_comes_from_elsewhere(page: tuple[burst.Server, str]) -> None:
    _, url = page
    answer = httpx.get(url)
    policy, text = answer.headers["content-security-policy"], answer.text
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in text.replace("<!doctype", "")
    assert "<style" not in text
    assert "onclick" not in text
