"""Clients of the socket server (docs/PROTOCOL.md, "Frames"): asyncio and blocking, pipelined over a small pool of connections.

    async with AsyncClient("/run/sekisho/sekisho.sock", tenant=7) as client:
        (challenge,) = await client.challenges(1)
        verdict = await client.login(certificate, challenge, signature)
        if verdict.ok: ...

    with Client("/run/sekisho/sekisho.sock", tenant=7) as client:
        verdicts = client.logins(many)

They need neither the server's package nor the C core.
"""

from sekisho.client.aio import AsyncClient
from sekisho.client.answers import Answer, Login, Signature, Stats
from sekisho.client.blocking import Client
from sekisho.client.errors import ClientError, Disconnected, Overloaded, Refused

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "ClientError",
    "Disconnected",
    "Login",
    "Overloaded",
    "Refused",
    "Signature",
    "Stats",
]
