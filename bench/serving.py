"""A socket server for the benchmarks, in a process of its own: ``python -m bench.serving FOLDER THREADS``.

FOLDER holds ``trust/*.cer`` and ``keys`` (a challenge key in hexadecimal, its id 1), and gets ``socket``. Commands are lines on
standard input, each answered by a line on standard output: ``reset`` empties cache and claims, ``cpu`` says the nanoseconds of
CPU that all threads took so far, ``count`` the server's counts in JSON, ``end`` ends it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import uvloop

from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.server.config import Limits
from sekisho.server.tenants import Tenant
from sekisho.server.wire import Listener, WireServer
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

__all__ = ["AUDIENCE", "PROFILE", "TENANT", "a_tenant"]

TENANT: Final = 7
AUDIENCE: Final = "https://city.example"
PROFILE: Final = "jpki-auth-test"
CLAIMS: Final = 1 << 17
_files = itertools.count()


def a_tenant(folder: Path, *, cache_bytes: int = 256 << 20) -> Tenant:
    """The relying party of that folder."""
    profile = Profile.load(PROFILE)
    keys = ChallengeKeys({1: bytes.fromhex((folder / "keys").read_text())}, current=1)
    engine = Engine(threads=1, cache_bytes=cache_bytes)
    trust = TrustStore([path.read_bytes() for path in sorted((folder / "trust").glob("*.cer"))])
    verifier = Verifier(trust, profile, challenges=keys, audience=AUDIENCE, tenant=TENANT, engine=engine)
    made = Tenant(
        number=TENANT,
        name="bench",
        audience=AUDIENCE,
        verifiers=MappingProxyType({PROFILE: verifier}),
        challenges=keys,
        claims=None,
        engine=engine,
        uids=frozenset({os.getuid()}),
        client_certificates=frozenset(),
        lifetime=300,
        hops=(),
        at=AT,
        _token=None,
    )
    return renewed(made, folder)


def renewed(tenant: Tenant, folder: Path) -> Tenant:
    """The same with nothing seen and nothing accepted."""
    path = folder / f"claims-{os.getpid()}-{next(_files)}"
    claims = Claims.open(path, capacity=CLAIMS, fresh=True)
    for old in folder.glob(f"claims-{os.getpid()}-*"):
        if not old.name.startswith(path.name):
            old.unlink()
    tenant.engine.clear_cache()
    tenant.verifier().claims = claims
    return replace(tenant, claims=claims)


async def _serve(folder: Path, threads: int) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "socket"))
    listening.listen(1024)
    listening.setblocking(False)
    tenant = a_tenant(folder)
    limits = Limits(rows=1 << 18, connection_rows=1 << 14, deadline_ms=60_000, drain_s=5)
    server = WireServer([tenant], [Listener.unix(listening)], limits, threads=threads)
    await server.start()
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while (line := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) not in ("end", ""):
        if line == "reset":
            tenant = renewed(tenant, folder)
            server.replace([tenant])
            print("done", flush=True)
        elif line == "cpu":
            print(time.process_time_ns(), flush=True)
        elif line == "count":
            print(json.dumps(asdict(server.core.count())), flush=True)
    await server.drain()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
