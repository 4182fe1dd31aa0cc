"""Two tenants of one running server share no key, claim, log line or answer, and neither learns of the other's certificates.

Over both interfaces: the binary protocol at a Unix socket, and the sidecar's HTTP. The tenants trust the same CAs under the same
profile, so whatever differs between their answers is what leaked.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.e2e.gateways import Sidecar, running
from tests.unit.wire_desk import login_frame

from sekisho import frames, keyfiles
from sekisho.frames import ANSWER, Frame, Kind
from sekisho.reasons import Reason
from sekisho.testing import AT, a_citizen, small_city
from sekisho.verdicts import LOGIN_VERDICT

TOKENS = {"city": "city-" + "0123456789abcdef" * 2, "town": "town-" + "0123456789abcdef" * 2}
NUMBERS = {"city": 7, "town": 8}
AUDIENCE = "https://one.example"  # the same for both: what keeps them apart is the tenant, not the name they go by


def a_tenant(name: str, keys: str) -> str:
    return f"""
[[tenant]]
name = "{name}"
number = {NUMBERS[name]}
audience = "{AUDIENCE}"
profile = "jpki-auth-test"
trust = ["ca"]
keys = "{keys}"
token = "{name}.token"
uids = [{os.geteuid()}]
"""


def configuration(*, shared_keys: bool) -> str:
    keys = ("one.keys", "one.keys") if shared_keys else ("one.keys", "other.keys")
    return (
        f'[claims]\nfile = "claims"\n[engine]\nthreads = 1\n[log]\nlevel = "debug"\n[test]\nat = {AT}\n'
        f'[socket]\npath = "wire.sock"\n[http]\npath = "http.sock"\n{a_tenant("city", keys[0])}{a_tenant("town", keys[1])}'
    )


@pytest.fixture(params=[False, True], ids=["keys-of-their-own", "one-key-file-by-mistake"])
def server(request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    """A server; keys are kept apart, or an operator gave both tenants one file."""
    made = Path(tempfile.mkdtemp(prefix="sekisho-"))
    try:
        (made / "ca").mkdir()
        for number, der in enumerate(small_city().trust()):
            (made / "ca" / f"{number}.cer").write_bytes(der)
        for name in ("one", "other"):
            keyfiles.make(made / f"{name}.keys")
        for name, token in TOKENS.items():
            (made / f"{name}.token").touch(mode=0o600)
            (made / f"{name}.token").write_text(token)
        sidecar = Sidecar(made, configuration(shared_keys=request.param))
        with running(sidecar):
            yield sidecar
    finally:
        shutil.rmtree(made)


class Line:
    """A connection of the binary protocol for one tenant, one question at a time."""

    def __init__(self, server: Sidecar, tenant: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(server.file.parent / "wire.sock"))
        self._splitter = frames.Splitter()
        assert self.ask(frames.hello(NUMBERS[tenant])).kind == Kind.HELLO + ANSWER

    def ask(self, request: bytes) -> Frame:
        self._socket.sendall(request)
        while True:
            piece = self._socket.recv(65536)
            assert piece
            for frame in self._splitter.feed(piece):
                return frame

    def verdicts(self, request: bytes) -> Any:
        return np.frombuffer(self.ask(request).payload, dtype=LOGIN_VERDICT)

    def reason(self, request: bytes) -> Reason:
        return Reason(int(self.verdicts(request)["reason"][0]))

    def error(self, request: bytes) -> str:
        answer = self.ask(request)
        assert answer.kind == Kind.ERROR, answer
        return frames.read_error(answer.payload).name

    def challenges(self, count: int) -> list[bytes]:
        told = self.ask(frames.challenges(1, count)).payload
        return [told[at : at + 165] for at in range(0, len(told), 165)]

    def stats(self) -> dict[tuple[int, int], int]:
        return frames.read_stats(self.ask(frames.stats(1)).payload)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_over_the_binary_protocol(server: Sidecar) -> None:
    with Line(server, "city") as city, Line(server, "town") as town:
        own, spare, theirs = *city.challenges(2), town.challenges(1)[0]
        login = a_citizen(1).login(own)
        name = hashlib.sha256(login.certificate).digest()
        before = town.stats()
        accepted = login_frame(2, login, keep=True, request=b"a retry's name")
        assert city.reason(accepted) is Reason.ACCEPTED
        assert city.reason(frames.certificate(2, name, reference=True)) is Reason.CERTIFICATE_OK

        # A reference: known to whom it was kept for, and to nobody else, whatever is asked.
        assert town.error(frames.certificate(2, name, reference=True)) == "need-certificate"
        assert town.error(frames.login(2, name, theirs, b"s", reference=True)) == "need-certificate"
        assert town.ask(frames.certificate(3, name, reference=True)) == town.ask(
            frames.certificate(3, bytes(32), reference=True)
        )
        assert [Reason(int(one)) for one in town.verdicts(frames.revocation(4, [name]))["reason"]] == [
            Reason.INPUT_MISSING
        ]

        # A retry: its name and bytes are the other tenant's, so it is judged anew, and refused.
        again = town.verdicts(accepted)
        assert int(again["reason"][0]) != Reason.ACCEPTED
        assert not int(again["flags"][0]) & 16  # nor told as repeated

        # A challenge: of one it is nothing to the other, before it was used and after.
        for one in (own, spare):
            reason = town.reason(login_frame(5, a_citizen(2).login(one)))
            assert reason in (Reason.CHALLENGE_KEY_UNKNOWN, Reason.CHALLENGE_WRONG_TENANT), reason
        # ... and the other tenant's trying has taken nothing from the one whose it is.
        assert city.reason(login_frame(6, a_citizen(2).login(spare))) is Reason.ACCEPTED
        assert town.reason(login_frame(6, a_citizen(2).login(theirs))) is Reason.ACCEPTED

        # What was done for one is no other's number.
        assert before == {(3, 1): 0, (3, 2): 0, (3, 3): before[3, 3]}
        assert town.stats()[1, Reason.ACCEPTED] == 1
        assert city.stats()[1, Reason.ACCEPTED] == 2


def test_an_answer_does_not_tell_what_was_seen_elsewhere(server: Sidecar) -> None:
    """Byte for byte the same, for a certificate that the other tenant has cached and for one that nobody has."""
    with Line(server, "city") as city, Line(server, "town") as town:
        for _ in range(2):
            assert city.reason(frames.certificate(1, a_citizen(1).certificate(), keep=True)) is Reason.CERTIFICATE_OK
        town.ask(frames.certificate(1, a_citizen(3).certificate()))  # the first under its CA goes through OpenSSL
        seen = town.ask(frames.certificate(1, a_citizen(1).certificate()))
        unseen = town.ask(frames.certificate(1, a_citizen(2).certificate()))
        assert seen == unseen


def ask(client: httpx.Client, tenant: str, path: str, body: Any) -> Any:
    headers = {"authorization": f"Bearer {TOKENS[tenant]}", "sekisho-tenant": tenant}
    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_over_http(server: Sidecar) -> None:
    """The sidecar's verdicts name a cache hit: of the tenant's own cache, never for what another brought."""

    def check(tenant: str, citizen: int) -> Any:
        body = {"certificates": [{"certificate": base64.b64encode(a_citizen(citizen).certificate()).decode()}]}
        return ask(client, tenant, "/v1/certificates/check", body)["verdicts"][0]

    with server.client() as client:
        check("city", 1)
        assert "cache-hit" in check("city", 1)["flags"]
        check("town", 3)
        seen, unseen = check("town", 1), check("town", 2)
        assert seen == unseen
        assert "cache-hit" not in seen["flags"]
        (challenge,) = ask(client, "city", "/v1/challenges", {})["challenges"]
        made = a_citizen(1).login(challenge.encode())
        login = {
            "certificate": base64.b64encode(made.certificate).decode(),
            "challenge": challenge,
            "signature": base64.b64encode(made.signature).decode(),
            "request": "a retry's name",
        }
        assert ask(client, "city", "/v1/logins", {"logins": [login]})["verdicts"][0]["ok"]
        (told,) = ask(client, "town", "/v1/logins", {"logins": [login]})["verdicts"]
        assert told["reason"] in ("challenge-key-unknown", "challenge-wrong-tenant")
        assert "repeated" not in told["flags"]
        # A token speaks for its tenant, whatever the other field names.
        for name in ("town", "city, town", "CITY"):
            headers = {"authorization": f"Bearer {TOKENS['city']}", "sekisho-tenant": name}
            assert client.post("/v1/challenges", json={}, headers=headers).status_code == (
                200 if name == "town" else 403
            )


def test_no_log_line_tells_of_anybody(server: Sidecar) -> None:
    """At the level that says most: no certificate, challenge, request's name or token; nor two tenants in a line."""
    with Line(server, "city") as city, Line(server, "town") as town, server.client() as client:
        (challenge,) = city.challenges(1)
        login = a_citizen(1).login(challenge)
        city.ask(login_frame(2, login, keep=True, request=b"a-retry-s-name"))
        town.ask(login_frame(3, login, request=b"a-retry-s-name"))
        client.post("/v1/logins", content=b"{", headers={"authorization": f"Bearer {TOKENS['city']}"})
        client.get("/auth/nobody-s", headers={"x-client-cert": base64.b64encode(login.certificate).decode()})
        client.post("/v1/challenges", json={}, headers={"authorization": "Bearer " + "0" * 40})
    said = server.log.read_text()
    secret = [
        hashlib.sha256(login.certificate).hexdigest(),
        base64.b64encode(login.certificate).decode()[:40],
        challenge.decode()[:60],
        "a-retry-s-name",
        *TOKENS.values(),
    ]
    assert not [one for one in secret if one in said]
    assert said.strip()
    for line in said.splitlines():
        assert not ("city" in line and "town" in line), line
