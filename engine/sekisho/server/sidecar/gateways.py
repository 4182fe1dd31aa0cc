"""``/auth/HOP``: a gateway asks about the certificate of one of its clients, in the form of nginx's auth_request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from starlette.types import Receive, Scope, Send

from sekisho.reasons import Reason
from sekisho.server.sidecar.answers import Answer, of_problem, of_reason
from sekisho.server.sidecar.desk import Overloaded
from sekisho.server.sidecar.dialects import FIELDS, DialectError, certificate
from sekisho.server.sidecar.peer import Peer, peer_of
from sekisho.server.sidecar.service import Service
from sekisho.server.tenants import Hop

__all__ = ["Gateways", "judge", "judge_der"]

log = logging.getLogger("sekisho.gateway")

_EMPTY: Final = (b"content-length", b"0")


class Gateways:
    """The endpoint, whatever the method and what follows the hop's name: Envoy appends the path that was asked for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seen = service.metrics.answers.labels("gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = perf_counter()
        answer = await self._answer(scope)
        await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.fields, _EMPTY]})
        await send({"type": "http.response.body", "body": b""})
        self._seen.observe(perf_counter() - begun)

    async def _answer(self, scope: Scope) -> Answer:
        service = self._service
        hop = service.tenants.hops.get(scope["path"].split("/", 3)[2])
        if hop is None or not _is_hop(hop, peer_of(scope)):
            # One answer to both: who is no gateway does not learn which there are.
            service.turned_away("not-a-trusted-hop")
            log.warning("somebody who is not the gateway asked for a hop", extra={"hop": hop.name if hop else None})
            return of_problem(403, "not-a-trusted-hop")
        wanted = (hop.header or FIELDS[hop.dialect]).encode()
        return await judge(service, hop, [value for name, value in scope["headers"] if name == wanted])


async def judge(service: Service, hop: Hop, values: Sequence[bytes]) -> Answer:
    """The answer about the certificate in the fields that a hop sent."""
    try:
        der = certificate(hop.dialect, values)
    except DialectError as error:
        service.turned_away("field-malformed")
        log.warning("a certificate's field is not as its dialect has it: %s", error, extra={"hop": hop.name})
        return of_problem(403, "field-malformed")
    return await judge_der(service, hop, der)


async def judge_der(service: Service, hop: Hop, der: bytes | None, *, alone: bool = False) -> Answer:
    """The answer about a certificate; None: the gateway saw none.

    Args:
        alone: the caller hands over one request a round of the event loop, so that to wait a round for others costs more than
            it wins.
    """
    if der is None:
        service.turned_away("no-certificate")
        return of_problem(403, "no-certificate")
    desk = service.desk
    try:
        answers = desk.certificate_now(hop.verifier, (der, b"")) if alone else None
        (verdict,) = answers or await desk.certificates(hop.verifier, ((der, b""),))
    except Overloaded:
        service.turned_away("overloaded")
        return of_problem(503, "overloaded")
    except Exception:
        log.exception("verifying failed", extra={"hop": hop.name})
        return of_reason(Reason.ENGINE_FAULT, -1, 0)
    service.metrics.count(hop.tenant, "gateway", verdict.reason)
    return of_reason(Reason(verdict.reason), verdict.revocation_age, verdict.snapshot)


def _is_hop(hop: Hop, peer: Peer) -> bool:
    return hop.is_spoken_for(uid=peer.uid, token=peer.token)
