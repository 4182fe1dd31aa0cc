"""A city's logins as locust plays them: ``locust -f bench/locustfile.py --headless --run-time 60s City``.

    Mean      110 logins a second, what a city sees all day
    Peak      550, its busiest hour
    City      5,500: 330,000 people in a minute, at nine o'clock
    Nation    17,000
    Retries   5,500 by people who wait 5 ms for an answer and then ask again, at once, under the same name

The server is one of `sekisho serve` that this starts, over a Unix socket, and the people are a city that has signed its
challenges beforehand (``--citizens``; the first time that takes a while). When they run out they come again: whoever was
accepted is then refused as used, after the same work. Any other verdict is a failure.

A user is a relying party's front: it asks for a batch ten times a second over the project's own client, and a batch is one
event, so that locust's own cost, which is a good part of a millisecond, does not count for each login. At the end the
server's own histogram of latencies is told, of every login by itself.
"""

from __future__ import annotations

import itertools
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from locust import User, constant_throughput, events, task

from sekisho.client import Client, Login, Overloaded
from sekisho.demo.burst import server
from sekisho.demo.desk import TENANT
from sekisho.demo.signed import signed_city
from sekisho.reasons import Reason

USERS: Final = 10
BATCHES: Final = 10  # a second, of a user
HASTE_MS: Final = 5  # of those who retry
TRIES: Final = 20
SEED: Final = "locust"
_MAKE: Final = f"""
import sys
from sekisho.demo.signed import signed_city
signed_city(int(sys.argv[1]), {SEED!r}, lambda *_: None)
"""
FINE: Final = (Reason.ACCEPTED, Reason.CHALLENGE_USED)


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.set_defaults(num_users=USERS, spawn_rate=USERS)
    parser.add_argument("--citizens", type=int, default=33_000, help="How many different people log in")


@events.init.add_listener
def _begin(environment: Any, **_: Any) -> None:
    environment.sekisho = stack = ExitStack()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-locust-")))
    citizens = environment.parsed_options.citizens
    # In a process of its own: locust has put greenlets in the place of the threads that sign.
    subprocess.run([sys.executable, "-c", _MAKE, str(citizens)], check=True)
    signed = signed_city(citizens, SEED, lambda *_: None)
    made = stack.enter_context(server(signed, folder, settings='[http]\npath = "http.sock"\nmode = "0600"\n'))
    city = signed.city
    rows = city.rows("auth")
    logins = [
        Login(city.certificate(row), challenge, signature)
        for row, challenge, signature in zip(rows, signed.challenges, signed.signatures, strict=True)
    ]
    _Front.people = itertools.cycle(logins)
    _Front.client = stack.enter_context(Client(made.socket, TENANT, connections=4))
    _Front.http = str(Path(made.socket).with_name("http.sock"))


@events.test_stop.add_listener
def _end(**_: Any) -> None:
    print("server's latency of each login, ms: " + (", ".join(_histogram(_Front.http)) or "no login came"), flush=True)


@events.quitting.add_listener
def _quit(environment: Any, **_: Any) -> None:
    environment.sekisho.close()


class _Front(User):  # type: ignore[misc]  # locust has no types
    abstract = True
    wait_time = constant_throughput(BATCHES)
    rate = 0
    """Logins a second, of all users."""
    people: Any = None
    client: Any = None
    http = ""

    @task
    def log_in(self) -> None:
        """A batch, one event."""
        batch = list(itertools.islice(self.people, max(1, self.rate // (USERS * BATCHES))))
        begun, failure = time.perf_counter(), None
        try:
            wrong = self.ask(batch)
            if wrong:
                failure = RuntimeError(f"{wrong} of {len(batch)} logins got no right verdict")
        except Exception as error:
            failure = error
        self.environment.events.request.fire(
            request_type="login",
            name=type(self).__name__,
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=len(batch),
            exception=failure,
            context={},
        )

    def ask(self, batch: list[Login]) -> int:
        """How many got a wrong verdict, or none."""
        answers = self.client.logins(batch)
        return sum(isinstance(one, Exception) or one.reason not in FINE for one in answers)


class Mean(_Front):
    rate = 110


class Peak(_Front):
    rate = 550


class City(_Front):
    rate = 5_500


class Nation(_Front):
    rate = 17_000


class Retries(_Front):
    rate = 5_500

    def ask(self, batch: list[Login]) -> int:
        left = [Login(one.certificate, one.challenge, one.signature, request=secrets.token_bytes(16)) for one in batch]
        for _ in range(TRIES):
            answers = self.client.logins(left, deadline_ms=HASTE_MS)
            pairs = list(zip(left, answers, strict=True))
            wrong = [one for _, one in pairs if not isinstance(one, Overloaded) and one.reason not in FINE]
            if wrong:
                return len(wrong)
            left = [login for login, one in pairs if isinstance(one, Overloaded)]
            if not left:
                return 0
        return len(left)


def _histogram(path: str) -> list[str]:
    """From the sidecar's metrics: how many logins took how long, each counted in its own bucket."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        asking.sendall(b"GET /metrics HTTP/1.1\r\nhost: sekisho\r\nconnection: close\r\n\r\n")
        text = b"".join(iter(lambda: asking.recv(65536), b"")).decode()
    told, before = [], 0
    for bound, count in re.findall(r'^sekisho_wire_answer_seconds_bucket\{le="([^"]+)"\} (\S+)$', text, re.MULTILINE):
        here = int(float(count))
        if here > before:
            told.append(f"<{float(bound) * 1000:g}: {here - before:,}")
        before = here
    return told
