"""Replicas on one Valkey: processes with sets of claims of their own, to which the same challenges are offered at once.

    python -m tests.faults.replicas --count 20000

Each challenge is accepted by exactly one of them. `ValkeyServer` is a real server (Debian's redis-server, or valkey-server), to
which tests do what befalls servers.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims
from sekisho.reasons import Reason
from sekisho.valkey import Valkey

KEYS = ChallengeKeys({7: b"k" * 32}, current=7)
BATCH = 256
WAIT_S = 10.0
LIFETIME = 300  # seconds
_numbers = itertools.count()

REPLICA = """
import os, sys
import numpy as np
from sekisho.claims import Claims
from sekisho.valkey import Valkey
from tests.faults.replicas import BATCH, KEYS

address, claims_path, tokens_path, said_path, seed = sys.argv[1:]
tokens = np.load(tokens_path)
order = np.random.default_rng(int(seed)).permutation(len(tokens)) if seed != "0" else np.arange(len(tokens))
claims = Claims.open(claims_path, capacity=100_000, fresh=True, valkey=Valkey(address, timeout_ms=1000, hold=0))
reasons = np.zeros(len(tokens), np.uint16)
os.write(1, b"ready\\n")
os.read(0, 1)
for start in range(0, len(tokens), BATCH):
    rows = order[start : start + BATCH]
    reasons[rows] = claims.redeem(KEYS, tokens[rows], profile=1)[0]
np.save(said_path, reasons)
"""


def program() -> str | None:
    """The server's program; None: there is none on this machine."""
    return shutil.which("valkey-server") or shutil.which("redis-server")


class ValkeyServer:
    """A server on a Unix socket and a port of loopback, in a folder of its own, which keeps nothing unless told."""

    def __init__(self, folder: Path, *options: str, name: str = "valkey") -> None:
        self.folder = folder
        self.socket = folder / f"{name}.sock"
        self.port = _free_port()
        self._options = options
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"unix:{self.socket}"

    def start(self, *options: str) -> None:
        """Starts it, and returns when it answers."""
        found = program()
        assert found is not None, "neither valkey-server nor redis-server: `.ci/system-packages peers` installs one"
        self.socket.unlink(missing_ok=True)
        command = [found, "--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket)]
        command += [
            "--repl-diskless-sync-delay",
            "0",
            "--save",
            "",
            "--dir",
            str(self.folder),
            "--dbfilename",
            f"{self._name}.rdb",
            *self._options,
            *options,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.wait_for("PING", "PONG")

    def wait_for(self, command: str, wanted: str) -> None:
        """Returns when the answer to a command holds that text."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                if wanted in self.ask(*command.split()):
                    return
            except OSError:
                pass
            assert time.monotonic() < until, f"{command}: no {wanted!r} within {WAIT_S} s"
            time.sleep(0.01)

    def tell(self, *words: str) -> None:
        """Says a command, and waits for the first of its answer alone."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(WAIT_S)
            line.connect(str(self.socket))
            line.sendall(" ".join(words).encode() + b"\r\n")
            assert line.recv(1) == b"+"

    def ask(self, *words: str) -> str:
        """The answer to a command, as it comes over the line."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(WAIT_S)
            line.connect(str(self.socket))
            said = b"".join(b"$%d\r\n%s\r\n" % (len(one.encode()), one.encode()) for one in words)
            line.sendall(b"*%d\r\n%s" % (len(words), said) + b"*1\r\n$4\r\nQUIT\r\n")
            heard = b""
            while part := line.recv(65536):
                heard += part
        return heard.removesuffix(b"+OK\r\n").decode()

    def begin_long_ago(self) -> None:
        """Says that it has lost nothing for an hour, so that a test need not wait; true of a server that is new."""
        run = _field(self.ask("INFO", "server"), "run_id")
        replication = _field(self.ask("INFO", "replication"), "master_replid")
        self.ask("SET", "sekisho:epoch", f"1 {run} {replication} {int(time.time()) - 3600}")

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> ValkeyServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def a_replica(folder: Path, address: str, *, timeout_ms: int = 1000, hold: int = 0) -> Claims:
    """The claims of a machine of its own, which share that Valkey."""
    valkey = Valkey(address, timeout_ms=timeout_ms, hold=hold)
    return Claims.open(folder / f"claims-{next(_numbers)}", capacity=100_000, fresh=True, valkey=valkey)


def redeem(claims: Claims, tokens: object) -> list[Reason]:
    """What becomes of challenges at a replica."""
    return [Reason(one) for one in claims.redeem(KEYS, tokens, profile=1)[0]]  # type: ignore[arg-type]


def issue(count: int = 1) -> object:
    """Challenges of this second."""
    return KEYS.issue(count, profile=1, lifetime=LIFETIME)


def offer_to_both(folder: Path, address: str, count: int) -> list[Counter[Reason]]:
    """Offers the same challenges to two processes at once; what each said, by reason.

    Raises:
        AssertionError: a challenge was accepted twice, or by nobody.
    """
    tokens = folder / "tokens.npy"
    np.save(tokens, KEYS.issue(count, profile=1, lifetime=LIFETIME))
    said = [folder / f"said-{number}.npy" for number in range(2)]
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                REPLICA,
                address,
                str(folder / f"set-{number}"),
                str(tokens),
                str(said[number]),
                str(number),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for number in range(2)
    ]
    try:
        for one in processes:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        for one in processes:
            assert one.stdin is not None
            one.stdin.write(b"g")
            one.stdin.flush()
        for one in processes:
            assert one.wait(120) == 0
    finally:
        for one in processes:
            one.kill()
            one.communicate()
    reasons = np.stack([np.load(one) for one in said])
    times = (reasons == Reason.ACCEPTED).sum(axis=0)
    assert (times == 1).all(), f"{(times > 1).sum()} accepted twice, {(times == 0).sum()} by nobody"
    return [Counter(Reason(one) for one in row) for row in reasons]


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is such a place: that is where sets of claims lie in production."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="sekisho-", dir=parent) as name:
        yield Path(name)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _field(info: str, name: str) -> str:
    return next(line.partition(":")[2] for line in info.split("\r\n") if line.startswith(f"{name}:"))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=20_000, help="challenges; 20000")
    given = arguments.parse_args()
    with memory_folder() as folder, ValkeyServer(folder) as server:
        server.begin_long_ago()
        began = time.monotonic()
        said = offer_to_both(folder, server.address, given.count)
        took = time.monotonic() - began
    for number, counts in enumerate(said, 1):
        print(f"replica {number}: " + ", ".join(f"{one.kebab} {n}" for one, n in sorted(counts.items())))
    print(f"{given.count} challenges, each offered to both: each accepted exactly once, in {took:.1f} s")


if __name__ == "__main__":
    main()
