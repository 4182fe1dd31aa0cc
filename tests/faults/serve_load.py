"""Logins at a real `sekisho serve` without a pause, while things happen to it: reloads, kills, new CRLs, an end.

    python -m tests.faults.serve_load --seconds 60 --processes 2

Every login has a name of its own and is asked again under it, with the same bytes, when its connection is lost. In the end
each has exactly the verdict that was planted; a request without an answer, and an error that no fault explains, are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.e2e.gateways import Process, wait_until

from sekisho import keyfiles
from sekisho.challenges import ChallengeKeys, tokens_of
from sekisho.claims import Claims
from sekisho.client import Answer, AsyncClient, Disconnected, Login, Refused
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.store import RevocationStore
from sekisho.testing import City, build_city, make_logins
from sekisho.testing.partitions import city_crls
from sekisho.trust import TrustStore

TENANT = 7
CITIZENS = 64
REVOKED = range(8)  # citizens whom the second lists name
CLIENTS = 4
AT_ONCE = 8  # logins of a client that are on the way
BAD_EACH = 8
LIFETIME = 300  # seconds
AGAIN = 50  # times that a login is asked again, at most
PAUSE_S = 0.05  # between two of them


@dataclass
class Town:
    """A folder with all that a server needs, and the citizens' keys."""

    folder: Path
    city: City
    profile: Profile
    made: int = 0
    keys: ChallengeKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = ChallengeKeys.load(self.folder / "challenge.keys")

    @property
    def socket(self) -> str:
        return str(self.folder / "sekisho.sock")

    @property
    def file(self) -> Path:
        return self.folder / "sekisho.toml"

    def logins(self, count: int) -> list[tuple[int, Login]]:
        """So many citizens with new logins, in turn; the last of each eight is signed by somebody else."""
        tokens = self.keys.issue(
            count, profile=self.profile.id32, tenant=TENANT, lifetime=LIFETIME, at=int(time.time()) - 1
        )
        citizens = [(self.made + number) % CITIZENS for number in range(count)]
        rows = self.city.rows("auth")
        made = make_logins(self.city, tokens_of(tokens), [rows[one] for one in citizens], workers=1)
        self.made += count
        signatures = list(made.signatures)
        for bad in range(BAD_EACH - 1, count, BAD_EACH):
            signatures[bad] = signatures[bad - 1]
        columns = zip(citizens, made.certificates, made.challenges, signatures, strict=True)
        return [
            (-1 if number % BAD_EACH == BAD_EACH - 1 else citizen, Login(*fields, request=secrets.token_bytes(16)))
            for number, (citizen, *fields) in enumerate(columns)
        ]

    def publish(self, *, revoked: bool) -> None:
        """New lists, one number higher, with or without the revoked."""
        rows = [self.city.rows("auth")[one] for one in REVOKED] if revoked else []
        lists = city_crls(self.city, rows, this_update=int(time.time()) - 60 + revoked, number=1 + revoked)
        target = self.folder / f"crl-{int(revoked)}"
        lists.write(target)
        with self.store() as store:
            told = store.update([target])
            assert not told.refused, told

    def store(self) -> RevocationStore:
        trust = TrustStore([path.read_bytes() for path in sorted((self.folder / "ca").iterdir())])
        return RevocationStore(self.folder / "revocation", trust, engine=Engine(threads=1))


@contextmanager
def town(processes: int) -> Iterator[Town]:
    """A town of today, with lists in force that name nobody."""
    folder = Path(tempfile.mkdtemp(prefix="sekisho-"))  # a short path: those of sockets have an end
    try:
        city = build_city(
            CITIZENS, seed="faults", key="p256", authority_key="p256", purposes=["auth"], at=int(time.time()), workers=1
        )
        (folder / "ca").mkdir()
        for number, der in enumerate(city.trust("auth")):
            (folder / "ca" / f"{number}.cer").write_bytes(der)
        shipped = Path(sys.modules["sekisho"].__file__ or "").parent / "data" / "profiles" / "jpki-auth-test.toml"
        text = shipped.read_text().replace('name = "jpki-auth-test"', 'name = "faults"')
        assert 'revocation = "off"' in text
        (folder / "profile.toml").write_text(text.replace('revocation = "off"', 'revocation = "required"'))
        keyfiles.make(folder / "challenge.keys")
        Claims.open(folder / f"claims.{TENANT}", capacity=1 << 18, fresh=True, at=int(time.time()) - 5)
        (folder / "sekisho.toml").write_text(_CONFIGURATION.format(processes=processes, uid=os.geteuid()))
        made = Town(folder, city, Profile.load(folder / "profile.toml"))
        made.publish(revoked=False)
        yield made
    finally:
        shutil.rmtree(folder)


_CONFIGURATION = """
[engine]
processes = {processes}
threads = 1
[claims]
file = "claims"
slots = 262144
[revocation]
store = "revocation"
refresh = 1
[socket]
path = "sekisho.sock"
mode = "0600"
[limits]
deadline_ms = 10000
[[tenant]]
name = "town"
number = 7
profile = "profile.toml"
trust = ["ca"]
keys = "challenge.keys"
uids = [{uid}]
"""


class Served(Process):
    """`sekisho serve` of that town."""

    def __init__(self, town: Town) -> None:
        super().__init__([sys.executable, "-m", "sekisho.cli", "serve", str(town.file)], town.folder / "log")
        wait_until(lambda: "ready" in self.said() and Path(town.socket).exists(), self)

    def workers(self) -> list[int]:
        """Their process ids."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(one) for one in text.split()]


@dataclass
class Tally:
    """What became of the logins.

    Attributes:
        verdicts: how often each reason was given.
        wrong: logins with another verdict than they deserve.
        lost: connections that were lost under a request, which was asked again.
        nobody: connections that could not be made; the request was never sent.
        errors: errors of the protocol, by name; the request was asked again.
        asked_twice: accepted logins that had lost a connection, whose challenge another request then tried.
        repeated: accepted logins whose verdict was the first one's again.
        revoked_at: when the first login was refused as revoked, in the clock of `time.monotonic`.
        unanswered: logins that never got a verdict.
        latest: the longest that a login waited for its verdict, in seconds.
    """

    verdicts: Counter[Reason] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    nobody: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    asked_twice: int = 0
    repeated: int = 0
    revoked_at: float = 0.0
    unanswered: int = 0
    latest: float = 0.0


class Load:
    """Clients that log in until `stop`.

    Attributes:
        published: when lists that name the revoked were put in the store, in the clock of `time.monotonic`; 0: they were not.
    """

    def __init__(self, town: Town) -> None:
        self.town = town
        self.tally = Tally()
        self.published = 0.0
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        clients = [AsyncClient(self.town.socket, TENANT, connections=1, retries=0) for _ in range(CLIENTS)]
        try:
            await asyncio.gather(*(self._keep_on(client) for client in clients))
        finally:
            for client in clients:
                await client.close()

    async def _keep_on(self, client: AsyncClient) -> None:
        while not self._stopping:
            logins = await asyncio.to_thread(self.town.logins, AT_ONCE)
            await asyncio.gather(*(self._log_in(client, citizen, login) for citizen, login in logins))

    async def _log_in(self, client: AsyncClient, citizen: int, login: Login) -> None:
        tally, begun = self.tally, time.monotonic()
        lost = False
        for _ in range(AGAIN):
            asked = time.monotonic()
            try:
                answer = await client.login(login)
            except Refused as error:
                tally.errors[error.error.name] += 1
            except Disconnected as error:
                if "no connection" in str(error):
                    tally.nobody += 1
                else:
                    tally.lost += 1
                    lost = True
            else:
                tally.latest = max(tally.latest, time.monotonic() - begun)
                self._judge(citizen, answer, asked)
                if lost and answer.ok:
                    await self._never_twice(client, login)
                return
            if self._stopping:
                return  # the server was told to end: this one was turned away in words, or its connection closed
            await asyncio.sleep(PAUSE_S)
        tally.unanswered += 1

    async def _never_twice(self, client: AsyncClient, login: Login) -> None:
        """Another request with a challenge that was accepted after its connection was lost: it is used, whoever claimed it."""
        for _ in range(AGAIN):
            try:
                answer = await client.login(replace(login, request=secrets.token_bytes(16)))
            except (Refused, Disconnected):
                await asyncio.sleep(PAUSE_S)
                continue
            self.tally.asked_twice += 1
            if answer.reason not in (Reason.CHALLENGE_USED, Reason.REVOKED):
                self.tally.wrong.append(f"{answer.reason.kebab} for a challenge that was accepted before")
            return

    def _judge(self, citizen: int, answer: Answer, asked: float) -> None:
        tally = self.tally
        tally.verdicts[answer.reason] += 1
        tally.repeated += answer.ok and answer.repeated
        deserved = {Reason.ACCEPTED} if citizen >= 0 else {Reason.SIGNATURE_WRONG}
        if citizen in REVOKED and self.published:
            if tally.revoked_at and asked > tally.revoked_at + SETTLED_S:
                deserved = {Reason.REVOKED}
            else:
                deserved |= {Reason.REVOKED}
            if answer.reason is Reason.REVOKED and not tally.revoked_at:
                tally.revoked_at = time.monotonic()
        if answer.reason not in deserved:
            tally.wrong.append(f"{answer.reason.kebab} where {' or '.join(one.kebab for one in deserved)} is right")


SETTLED_S = 2.5  # after the first worker, every other has looked at the store as well: it does each second


@asynccontextmanager
async def under_load(town: Town) -> AsyncIterator[Load]:
    """Load, from the first verdict to the end of the block; then everything on the way is answered."""
    load = Load(town)
    running = asyncio.create_task(load.run())
    while not load.tally.verdicts and not running.done():
        await asyncio.sleep(0.01)
    try:
        yield load
    finally:
        load.stop()
        await running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with town(given.processes) as made:
        served = Served(made)
        try:
            tally, status = asyncio.run(_faults(made, served, given.seconds))
        finally:
            if served.process.poll() is None:
                served.process.kill()
    print(
        f"{tally.verdicts.total():,} verdicts: "
        + ", ".join(f"{n:,} {r.kebab}" for r, n in tally.verdicts.most_common())
    )
    print(
        f"connections lost under a request {tally.lost}, told in words {dict(tally.errors)}, repeated {tally.repeated}, "
        f"tried twice {tally.asked_twice}"
    )
    print(
        f"longest wait {tally.latest:.2f} s, without a verdict {tally.unanswered}, wrong {len(tally.wrong)}, exit code {status}"
    )
    return 1 if tally.wrong or tally.unanswered or status or not tally.verdicts[Reason.REVOKED] else 0


async def _faults(made: Town, served: Served, seconds: int) -> tuple[Tally, int]:
    """A reload each second, a killed worker each three, the lists in the middle; at the end SIGTERM."""
    async with under_load(made) as load:
        for second in range(seconds):
            await asyncio.sleep(1)
            served.process.send_signal(signal.SIGHUP)
            if second % 3 == 2:
                alive = served.workers()
                if alive:  # else all were killed lately, and wait to be begun anew
                    os.kill(secrets.choice(alive), signal.SIGKILL)
            if second == seconds // 2:
                await asyncio.to_thread(made.publish, revoked=True)
                load.published = time.monotonic()
    return load.tally, await asyncio.to_thread(served.stop)


if __name__ == "__main__":
    sys.exit(main())
