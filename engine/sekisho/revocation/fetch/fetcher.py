"""Rounds: every source of a plan once, a few at a time, each tried again with growing waits while that may help."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

from sekisho.revocation.fetch.failure import Failure, Interrupted
from sekisho.revocation.fetch.folder import Folder
from sekisho.revocation.fetch.http import HttpClient
from sekisho.revocation.fetch.ldap import LdapClient, Value
from sekisho.revocation.fetch.sources import HttpLocation, LdapLocation, Location, Plan, Source

__all__ = ["FetchedFile", "Fetcher", "Outcome"]

State: TypeAlias = Literal["fetched", "unchanged", "failed"]

BACKOFF_FIRST: Final = 1.0  # seconds before the second try, at most; doubled before each further one
_BACKOFF_MAX: Final = 60.0  # seconds
_WAIT_MAX: Final = 120.0  # seconds of Retry-After that are waited in a round; longer ones are left to the next
_LEAVE_ALONE_MAX: Final = 86400.0  # seconds of Retry-After that are believed at all
_RANDOM: Final = random.SystemRandom()
_POLL: Final = 0.25  # seconds between two looks whether we were told to stop


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file in the folder that a source stands behind."""

    name: str
    size: int
    sha256: str
    new: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one source in a round.

    Attributes:
        source: its name.
        state: fetched: a file is new; unchanged: what stands there is what the server has; failed.
        location: which way was taken, or the last one tried.
        files: what stands in the folder now, by this round's knowledge.
        tries: how often it was tried.
        message: why it failed.
    """

    source: str
    state: State
    location: str
    files: tuple[FetchedFile, ...] = ()
    tries: int = 1
    message: str = ""


class Fetcher:
    """See the module.  A context: leaving it closes the connections.

    Args:
        plan: what to fetch.
        folder: where to.
        stop: set it, from anywhere, and a round ends soon; what it had not fetched has failed.
        backoff: seconds before a second try, at most; doubled before each further one.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Folder,
        *,
        stop: threading.Event | None = None,
        backoff: float = BACKOFF_FIRST,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.stop = stop or threading.Event()
        self._backoff = backoff
        https = any(way.url.lower().startswith("https:") for source in plan.sources for way in source.locations)
        self._http = HttpClient(plan.limits, self.stop, https=https)
        self._local = threading.local()
        self._ldap: list[LdapClient] = []
        self._down: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def round(
        self,
        *,
        done: Callable[[Outcome], None] = lambda outcome: None,
        came: Callable[[str, int], None] = lambda source, size: None,
    ) -> list[Outcome]:
        """Every source once, in the plan's order.

        Args:
            done: told of each outcome, in the order in which they come.
            came: told a source's name and how many bytes came; called by other threads.
        """
        self._down = set()
        outcomes: dict[Future[Outcome], Outcome] = {}
        with ThreadPoolExecutor(self.plan.limits.parallel, thread_name_prefix="fetch") as pool:
            futures = [pool.submit(self._source, source, came) for source in self.plan.sources]
            waiting = set(futures)
            try:
                while waiting:
                    ended, waiting = wait(waiting, _POLL, FIRST_COMPLETED)
                    for one in ended:
                        outcomes[one] = one.result()
                        done(outcomes[one])
                    self._http.hang_up(everybody=self.stop.is_set())
            except BaseException:
                self.stop.set()
                self._http.hang_up(everybody=True)
                raise
            finally:
                if not waiting:
                    self._close_ldap()
        self.folder.save()
        return [outcomes[one] for one in futures]

    def _close_ldap(self) -> None:
        for one in self._ldap:
            one.close()
        self._ldap.clear()
        self._local = threading.local()

    # ---- one source ------------------------------------------------------------------------------

    def _source(self, source: Source, came: Callable[[str, int], None]) -> Outcome:
        tries = 0
        while True:
            tries += 1
            outcome, failure = self._ways(source, tries, came)
            if outcome is not None:
                self._down.difference_update(one.host for one in source.locations)
                return outcome
            assert failure is not None  # noqa: S101 - a source has at least one way
            allowed = 1 if all(one.host in self._down for one in source.locations) else self.plan.limits.tries
            delay = _delay(failure, tries, self._backoff)
            if not failure.retry or tries >= allowed or delay > _WAIT_MAX or self.stop.wait(delay):
                break
        if failure.unreachable:
            self._down.update(one.host for one in source.locations)
        message = str(Interrupted() if self.stop.is_set() else failure)
        return Outcome(source.name, "failed", source.locations[-1].shown, (), tries, message)

    def _ways(
        self, source: Source, tries: int, came: Callable[[str, int], None]
    ) -> tuple[Outcome | None, Failure | None]:
        """All ways to a source, until one leads there; else the failure that gives most hope."""
        failures: list[tuple[Location, Failure]] = []
        for location in source.locations:
            if self.stop.is_set():
                return None, Interrupted()
            try:
                files = self._way(source, location, lambda size: came(source.name, size))
            except Failure as failure:
                failures.append((location, failure))
                if failure.retry_after is not None and failure.retry_after > _WAIT_MAX:
                    self.folder.leave_alone(location.url, time.time() + min(failure.retry_after, _LEAVE_ALONE_MAX))
            except OSError as error:
                failures.append((location, Failure(f"{self.folder.path}: {error.strerror or error}")))
            except Exception as error:  # what a library made of hostile octets must not end the round
                failures.append((location, Failure(f"an answer that cannot be read ({type(error).__name__})")))
            else:
                state: State = "fetched" if any(one.new for one in files) else "unchanged"
                return Outcome(source.name, state, location.shown, tuple(files), tries), None
        hopeful = [one for _, one in failures if one.retry]
        if len(failures) == 1:
            return None, failures[0][1]
        message = "; ".join(f"{location.shown}: {failure}" for location, failure in failures)
        waits = [one.retry_after for one in hopeful if one.retry_after is not None]
        return None, Failure(
            message,
            retry=bool(hopeful),
            retry_after=min(waits) if len(waits) == len(hopeful) and waits else None,
            unreachable=all(one.unreachable for _, one in failures),
        )

    def _way(self, source: Source, location: Location, came: Callable[[int], None]) -> list[FetchedFile]:
        until = self.folder.not_before(location.url)
        if until > time.time():
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
            raise Failure(f"the server asked to be left alone until {moment}")
        if isinstance(location, HttpLocation):
            return [self._over_http(source, location, came)]
        return self._over_ldap(source, location, came)

    def _over_http(self, source: Source, location: HttpLocation, came: Callable[[int], None]) -> FetchedFile:
        name = f"{source.name}.crl"
        known = self.folder.known(name, location.url)
        with self.folder.part(name, self.plan.limits.size_max) as part:
            answer = self._http.get(location, known, part, came)
            if not answer.modified and known is not None:
                return FetchedFile(name, known.size, known.sha256, new=False)
            new = self.folder.put(part, name)
            self.folder.remember(name, part, location.url, answer.etag, answer.last_modified)
            return FetchedFile(name, part.size, part.sha256, new)

    def _over_ldap(self, source: Source, location: LdapLocation, came: Callable[[int], None]) -> list[FetchedFile]:
        if not hasattr(self._local, "ldap"):
            self._local.ldap = LdapClient(self.plan.limits, self.stop)
            self._ldap.append(self._local.ldap)
        files: list[FetchedFile] = []
        for group, values in _grouped(self._local.ldap.values(location)):
            files += self._values(source, location, group, values, came)
        return files

    def _values(
        self, source: Source, location: LdapLocation, group: str, values: list[bytes], came: Callable[[int], None]
    ) -> Iterator[FetchedFile]:
        """One file a value.  An attribute's values have no order, so a value keeps the file that has its bytes already."""
        names = [f"{source.name}{group}{'' if i == 1 else f'.{i}'}.crl" for i in range(1, len(values) + 1)]
        known = {name: self.folder.known(name, location.url) for name in names}
        held = {one.sha256: name for name, one in known.items() if one is not None}
        fresh: list[bytes] = []
        for value in values:
            digest = hashlib.sha256(value).hexdigest()
            name = held.pop(digest, None)
            came(len(value))
            if name is None:
                fresh.append(value)
            else:
                names.remove(name)
                yield FetchedFile(name, len(value), digest, new=False)
        for name, value in zip(names, fresh, strict=True):
            with self.folder.part(name, self.plan.limits.size_max) as part:
                part.write(value)
                new = self.folder.put(part, name)
                self.folder.remember(name, part, location.url)
                yield FetchedFile(name, part.size, part.sha256, new)


def _grouped(values: Iterator[Value]) -> Iterator[tuple[str, list[bytes]]]:
    for group, members in itertools.groupby(values, key=lambda value: value.group):
        yield group, [one.data for one in members]


def _delay(failure: Failure, tries: int, first: float) -> float:
    """Seconds before the next try: what the server asked for, or doubled each time; never the same for all who wait."""
    own = min(_BACKOFF_MAX, first * 2.0 ** min(tries - 1, 16)) * (0.5 + 0.5 * _RANDOM.random())
    return max(own, (failure.retry_after or 0.0) * (1 + 0.1 * _RANDOM.random()))
