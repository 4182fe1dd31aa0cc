"""A socket server without sockets: tenants of a small city, and lines on which a test says every byte and every moment."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sekisho import frames
from sekisho._native import check, ffi, lib
from sekisho.challenges import ChallengeKeys, tokens_of
from sekisho.claims import Claims
from sekisho.engine import Engine
from sekisho.frames import Frame, Kind
from sekisho.profiles import Profile
from sekisho.server.config import Limits
from sekisho.server.tenants import Tenant
from sekisho.server.wire import Core
from sekisho.testing import AT, City, Login
from sekisho.trust import TrustStore
from sekisho.verdicts import LOGIN_VERDICT
from sekisho.verifier import Verifier

AUDIENCE = "https://city.example"
SECOND = 1_000_000_000  # ns
_files = itertools.count()


def a_tenant(folder: Path, city: City, number: int = 7, *, keys: bool = True, **different: Any) -> Tenant:
    """A relying party with an engine, keys and claims of its own; this process's user may speak for it."""
    profile = Profile.load("jpki-auth-test")
    challenges = ChallengeKeys({number: bytes(range(number, number + 32))}, current=number) if keys else None
    claims = Claims.open(folder / f"claims-{os.getpid()}-{next(_files)}", capacity=4096, fresh=True) if keys else None
    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=0)
    verifier = Verifier(
        TrustStore(list(city.trust("auth"))),
        profile,
        challenges=challenges,
        claims=claims,
        audience=AUDIENCE,
        tenant=number,
        engine=engine,
    )
    given: dict[str, Any] = {
        "number": number,
        "name": f"tenant-{number}",
        "audience": AUDIENCE,
        "verifiers": MappingProxyType({profile.name: verifier}),
        "challenges": challenges,
        "claims": claims,
        "engine": engine,
        "uids": frozenset({os.getuid()}),
        "client_certificates": frozenset(),
        "lifetime": 120,
        "hops": (),
        "at": AT,
        "_token": None,
    }
    return Tenant(**{**given, **different})


def issue(tenant: Tenant, count: int = 1, **different: Any) -> list[bytes]:
    """Challenges of that tenant, ten seconds old."""
    assert tenant.challenges is not None
    given: dict[str, Any] = {"tenant": tenant.number, "audience": tenant.audience, "lifetime": 300, "at": AT - 10}
    profile = tenant.verifier().profile.id32
    return tokens_of(tenant.challenges.issue(count, profile=profile, **{**given, **different}))


def login_frame(number: int, login: Login, **different: Any) -> bytes:
    return frames.login(
        number,
        login.certificate,
        login.challenge,
        login.signature,
        **{"intermediates": b"".join(login.intermediates), **different},
    )


def verdict(frame: Frame) -> Any:
    """The verdict that a frame holds, a row of dtype LOGIN_VERDICT."""
    import numpy as np

    assert frame.kind in (Kind.LOGIN + frames.ANSWER, Kind.CERTIFICATE + frames.ANSWER), frame
    return np.frombuffer(frame.payload, dtype=LOGIN_VERDICT)[0]


class Desk:
    """A core whose work is done when a test says so, at the moment that it says."""

    def __init__(self, tenants: Iterable[Tenant], limits: Limits | None = None, *, threads: int = 0) -> None:
        self.tenants = {one.number: one for one in tenants}
        self.core = Core(limits or Limits(), threads=threads, at=AT)
        self.core.put(self.tenants.values())
        self.now = time.monotonic_ns() if threads else SECOND  # workers read the clock themselves
        self._tokens = itertools.count(1)

    def line(self, tenant: int | None = 7) -> Line:
        """A new connection; with a tenant, its hello is said and answered."""
        line = Line(self, next(self._tokens))
        if tenant is not None:
            line.send(frames.hello(tenant))
            line.welcome = line.one()
        return line

    def work(self) -> int:
        """Does all that waits; how many requests it was."""
        done = 0
        while count := self.core.work(self.now):
            done += count
        return done

    def close(self) -> None:
        self.core.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Line:
    """A connection as the loop would drive it."""

    def __init__(self, desk: Desk, token: int) -> None:
        self.desk = desk
        self.token = token
        self.wants = 0
        self.welcome: Frame | None = None
        self.raw = b""
        """All that was ever received."""
        self._splitter = frames.Splitter()
        self._waiting: list[Frame] = []
        self._wants = ffi.new("uint32_t *")
        out = ffi.new("seki_connection **")
        check(lib.seki_connection_new(desk.core.native, token, desk.now, out), "a connection")
        self.native: Any = out[0]

    def send(self, data: bytes, piece: int | None = None) -> None:
        """Lets the core receive these bytes, in pieces of that size."""
        left = memoryview(data)
        while left:
            part = left if piece is None else left[:piece]
            buffer, size = ffi.new("uint8_t **"), ffi.new("uint64_t *")
            check(lib.seki_connection_buffer(self.native, buffer, size), "room")
            taken = min(len(part), size[0])
            ffi.memmove(buffer[0], bytes(part[:taken]), taken)
            check(lib.seki_connection_received(self.native, taken, self.desk.now, self._wants), "receiving")
            self.wants = self._wants[0]
            left = left[taken:]
            if self.wants & lib.SEKI_WANTS_ADMISSION:
                self._admit()

    def _admit(self) -> None:
        number = ffi.new("uint32_t *")
        check(lib.seki_connection_hello(self.native, number), "a hello")
        tenant = self.desk.core.tenant(number[0])
        native = ffi.NULL if tenant is None else tenant
        check(lib.seki_connection_admit(self.native, native, self.desk.now, self._wants), "admission")
        self.wants = self._wants[0]

    def end(self) -> None:
        """The peer sends nothing more."""
        check(lib.seki_connection_ended(self.native, self._wants), "an end")
        self.wants = self._wants[0]

    def receive(self, unsent: int = 0) -> list[Frame]:
        """The frames that are there now."""
        data, size = ffi.new("uint8_t **"), ffi.new("uint64_t *")
        check(lib.seki_connection_take(self.native, unsent, data, size, self._wants), "answers")
        self.wants = self._wants[0]
        taken = bytes(ffi.buffer(data[0], size[0]))
        self.raw += taken
        found = [*self._waiting, *self._splitter.feed(taken)]
        self._waiting = []
        return found

    def one(self) -> Frame:
        """The one frame that is there now."""
        (frame,) = self.receive()
        return frame

    def ask(self, request: bytes) -> Frame:
        """The answer to one request."""
        self.send(request)
        self.desk.work()
        return self.one()

    @property
    def closes(self) -> bool:
        """Whether the core wants it closed."""
        return bool(self.wants & lib.SEKI_WANTS_CLOSE)

    def close(self) -> None:
        lib.seki_connection_free(self.native)
        self.native = None


def errors(received: Iterable[Frame]) -> Iterator[str]:
    """The names of the errors among frames."""
    for frame in received:
        if frame.kind == Kind.ERROR:
            yield frames.read_error(frame.payload).name
