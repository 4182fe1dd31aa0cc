"""Nothing is asked of anybody elsewhere: the login suite passes in a network namespace without a network, and a traced server
connects to nobody."""

from __future__ import annotations

import base64
import grp
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.e2e.gateways import Process, running, wait_until
from tests.unit.wire_desk import login_frame

from sekisho import frames, keyfiles
from sekisho.frames import ANSWER, Kind
from sekisho.reasons import Reason
from sekisho.testing import AT, a_citizen, small_city

ROOT = Path(__file__).parents[2]
TOKEN = "city-" + "0123456789abcdef" * 2

STRACE: Final = ("strace", "-f", "-qq", "-s", "256", "-yy", "-e", "trace=network")

LOGIN_SUITE: Final = (
    "tests/unit/test_logins.py",
    "tests/unit/test_wire_core.py",
    "tests/e2e/test_sidecar.py::test_a_login_is_accepted_once",
    "tests/e2e/test_sidecar.py::test_a_certificate_alone_is_never_a_login",
    "tests/e2e/test_wire_server.py::test_a_city_logs_in",
)
"""Logins in the library, in the server's core, and through both interfaces of a server."""


def without_a_network() -> list[str]:
    """The command that runs another in a namespace of its own whose only interface, loopback, is down."""
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(
            f"NOT RUN: no network namespace is to be had here ({error}): logins were not tried without a network"
        )
    return command


def test_logins_want_no_network() -> None:
    command = without_a_network()
    reach = "import socket; socket.create_connection(('127.0.0.1', 9), 5)"
    refused = subprocess.run([*command, sys.executable, "-c", reach], capture_output=True, text=True, check=False)
    assert "Network is unreachable" in refused.stderr  # not even this machine is there
    suite = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *LOGIN_SUITE]
    done = subprocess.run([*command, *suite], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout


# ---- what a server asks of the system ------------------------------------------------------------------


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sekisho-"))
    (made / "ca").mkdir()
    for number, der in enumerate(small_city().trust()):
        (made / "ca" / f"{number}.cer").write_bytes(der)
    keyfiles.make(made / "city.keys")
    (made / "city.token").touch(mode=0o600)
    (made / "city.token").write_text(TOKEN)
    yield made
    shutil.rmtree(made)


class Traced(Process):
    """`sekisho serve` with every call of it and its threads that has to do with sockets written down by strace(1)."""

    def __init__(self, folder: Path) -> None:
        self.wire, self.http, self.trace = folder / "wire.sock", folder / "http.sock", folder / "trace"
        self.notify = folder / "notify.sock"
        group = grp.getgrgid(os.getegid()).gr_name
        file = folder / "sekisho.toml"
        file.write_text(
            f'[claims]\nfile = "claims"\n[engine]\nthreads = 2\n[test]\nat = {AT}\n[socket]\npath = "wire.sock"\n'
            f'group = "{group}"\n[http]\npath = "http.sock"\ngroup = "{group}"\n[[tenant]]\nname = "city"\nnumber = 7\naudience = "https://city.example"\n'
            'profile = "jpki-auth-test"\ntrust = ["ca"]\nkeys = "city.keys"\ntoken = "city.token"\n'
            f"uids = [{os.geteuid()}]\n"
        )
        serve = [sys.executable, "-m", "sekisho.cli", "serve", str(file)]
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(self.notify))
        super().__init__(
            [*STRACE, "-D", "-o", str(self.trace), *serve],
            folder / "server.log",
            os.environ | {"NOTIFY_SOCKET": str(self.notify)},
        )
        wait_until(lambda: '"ready"' in self.said(), self)

    def stop(self) -> int:
        with self._notified:
            return super().stop()

    def calls(self) -> list[str]:
        """What was traced."""
        return calls_of(self.trace)


def calls_of(trace: Path) -> list[str]:
    """A trace, a call a line: `name(arguments) = answer`. One that another thread's interrupted is put together."""
    whole, begun = [], dict[str, str]()
    for line in trace.read_text(errors="replace").splitlines():
        thread, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
        elif text.startswith("<..."):
            whole.append(begun.pop(thread) + text.partition("resumed>")[2])
        elif re.match(r"[a-z0-9_]+\(", text):
            whole.append(text)
    return whole + list(begun.values())


def allowed(folder: Path) -> dict[str, str]:
    """What a server may send to or connect to, as a regular expression, and why."""
    here = re.escape(str(folder))
    return {
        r'connect\(.*sun_path="(/var)?/run/nscd/socket"': "the C library's way to look a group of the configuration up by name",
        rf'sendto\(.*sun_path="{here}/notify.sock"': "sd_notify(3): systemd named this socket",
        rf'send(to|msg)\(\d+<UNIX-STREAM:\[\d+->\d+,"{here}/': "answers over connections accepted at a configured socket",
    }


def strays(calls: list[str], folder: Path) -> list[str]:
    """Calls that open a way to somebody, or send there, without a reason."""
    reasons = allowed(folder)
    reaching = [one for one in calls if re.match(r"(connect|sendto|sendmsg|sendmmsg)\(", one)]
    found = [one for one in reaching if not any(re.match(reason, one) for reason in reasons)]
    made = [one for one in calls if re.match(r"(socket|socketpair)\(", one)]
    return found + [one for one in made if not re.match(r"\w+\(AF_UNIX,", one)]


def test_a_server_connects_to_nobody(folder: Path) -> None:
    """It starts, answers logins over both interfaces, and ends: all that it reaches for has a reason."""
    server = Traced(folder)
    with running(server):
        log_in_over_the_socket(server)
        log_in_over_http(server)
        assert server.stop() == 0
    wait_until(lambda: any("STOPPING=1" in one for one in server.calls()))  # strace writes to the end
    calls = server.calls()
    assert strays(calls, folder) == []
    assert sum(one.startswith("accept4(") and "EAGAIN" not in one for one in calls) >= 2  # or nothing was traced
    assert any("READY=1" in one for one in calls)
    bound = [one for one in calls if one.startswith("bind(")]
    assert len(bound) == 2
    assert all(f'sun_path="{folder}/' in one for one in bound)


def test_a_stray_would_be_seen(folder: Path) -> None:
    """The same trace of a program that does reach out, from a thread: every way of it is told."""
    program = (
        "import socket, threading\n"
        "def reach():\n"
        "    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))\n"
        "    socket.socket().connect_ex(('127.0.0.1', 9))\n"
        "    socket.socket(socket.AF_UNIX).connect_ex('/run/somebody')\n"
        "one = threading.Thread(target=reach); one.start(); one.join()\n"
    )
    trace = folder / "trace"
    subprocess.run([*STRACE, "-o", str(trace), sys.executable, "-c", program], check=True)
    told = strays(calls_of(trace), folder)
    assert [re.match(r"\w+", one)[0] for one in told] == ["sendto", "connect", "connect", "socket", "socket"]  # type: ignore[index]


def log_in_over_the_socket(server: Traced) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(str(server.wire))
        splitter = frames.Splitter()

        def ask(request: bytes) -> frames.Frame:
            line.sendall(request)
            while True:
                for frame in splitter.feed(line.recv(65536)):
                    return frame

        ask(frames.hello(7))
        for number in range(16):
            challenge = ask(frames.challenges(1, 1)).payload
            answer = ask(login_frame(2, a_citizen(number).login(challenge)))
            assert answer.kind == Kind.LOGIN + ANSWER
            assert int.from_bytes(answer.payload[:2], "little") == Reason.ACCEPTED


def log_in_over_http(server: Traced) -> None:
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=str(server.http), verify=False),
        base_url="http://sekisho",
        headers={"authorization": f"Bearer {TOKEN}"},
    ) as client:
        for number in range(16):
            (challenge,) = client.post("/v1/challenges", json={}).json()["challenges"]
            made = a_citizen(number).login(challenge.encode())
            login = {
                "certificate": base64.b64encode(made.certificate).decode(),
                "challenge": challenge,
                "signature": base64.b64encode(made.signature).decode(),
            }
            (verdict,) = client.post("/v1/logins", json={"logins": [login]}).json()["verdicts"]
            assert verdict["ok"], verdict
