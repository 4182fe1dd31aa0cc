"""Envoy's external authorization over gRPC (envoy.service.auth.v3), and grpc.health.v1.

Each hop has a Unix socket of its own: whoever may open it is the gateway. Envoy hands the certificate over itself, as
percent-encoded PEM in ``attributes.source.certificate`` (``include_peer_certificate: true``), so no field of the client's plays a
part.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import grpc
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.auth.v3 import external_auth_pb2_grpc
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sekisho.server.sidecar.answers import Answer, of_problem
from sekisho.server.sidecar.dialects import DialectError, escaped_pem
from sekisho.server.sidecar.gateways import judge_der
from sekisho.server.sidecar.probes import faults
from sekisho.server.sidecar.service import Service
from sekisho.server.sockets import free_path

__all__ = ["GrpcServer"]

log = logging.getLogger("sekisho.envoy")

REQUEST_SIZE_MAX: Final = 1 << 20  # bytes; Envoy's own headers have at most 60 KiB, and the certificate three times 64
RESPONSES: Final = 256  # that are kept: one for each reason, age in seconds and snapshot
CODES: Final = {200: 0, 403: 7, 503: 14}
"""Of HTTP to google.rpc.Code: OK, PERMISSION_DENIED, UNAVAILABLE."""


class GrpcServer:
    """A Unix socket that answers a hop, or health alone.

    Args:
        service: what judges.
        path: of the socket.
        mode, group: of it.
        hop: name of the gateway that it is for; None: for health alone.
    """

    def __init__(self, service: Service, path: Path, mode: int, group: int | None, hop: str | None) -> None:
        free_path(path)
        limits = service.tenants.config.limits
        self._server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", REQUEST_SIZE_MAX), ("grpc.so_reuseport", 0)],
            maximum_concurrent_rpcs=limits.connections,
        )
        self._drain_s = limits.drain_s
        self._path = path
        if hop is not None:
            external_auth_pb2_grpc.add_AuthorizationServicer_to_server(_Authorization(service, hop), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(_Health(service), self._server)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)  # nobody else may open it until it has its group
        try:
            self._server.add_insecure_port(f"unix:{path}")
        finally:
            os.umask(before)
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(mode)

    async def start(self) -> None:
        """Takes connections."""
        await self._server.start()

    async def drain(self) -> None:
        """Takes no more requests, and returns when what was begun has its answer."""
        await self._server.stop(self._drain_s)
        self._path.unlink(missing_ok=True)


class _Authorization(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc]  # generated code has no types
    def __init__(self, service: Service, hop: str) -> None:
        self._service = service
        self._hop = hop
        self._seen = service.metrics.answers.labels("envoy")

    async def Check(self, request: CheckRequest, context: Any) -> CheckResponse:
        begun = perf_counter()
        answer = await self._answer(request.attributes.source.certificate)
        self._seen.observe(perf_counter() - begun)
        return _response(answer)

    async def _answer(self, certificate: str) -> Answer:
        service = self._service
        hop = service.tenants.hops.get(self._hop)
        if hop is None:  # a reload took it away
            return of_problem(403, "not-a-trusted-hop")
        try:
            der = escaped_pem(certificate.encode("ascii", "replace")) if certificate else None
        except DialectError as error:
            service.turned_away("field-malformed")
            log.warning("a certificate is not as Envoy writes it: %s", error, extra={"hop": hop.name})
            return of_problem(403, "field-malformed")
        return await judge_der(service, hop, der, alone=True)


@lru_cache(RESPONSES)
def _response(answer: Answer) -> CheckResponse:
    """The answer in Envoy's form. A client that is refused sees no verdict: that goes into Envoy's log by its metadata."""
    response = CheckResponse(status=Status(code=CODES[answer.status]))
    good = answer.status == 200
    if good:
        fields = response.ok_response.headers
    else:
        response.denied_response.status.code = answer.status
        fields = response.denied_response.headers
    for name, value in answer.fields:
        if name == b"sekisho-verdict":
            response.dynamic_metadata["verdict"] = value.decode()
        if good or name != b"sekisho-verdict":
            fields.add(
                header=HeaderValue(key=name.decode(), value=value.decode()),
                append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
            )
    return response


class _Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # as above
    """Serving is what /readyz calls ready. The only services are the server as a whole, and Envoy's."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def _status(self, name: str) -> Any:
        if name not in ("", "envoy.service.auth.v3.Authorization"):
            return None
        serving = health_pb2.HealthCheckResponse.ServingStatus
        return serving.NOT_SERVING if faults(self._service) else serving.SERVING

    async def Check(self, request: Any, context: Any) -> Any:
        status = self._status(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "ask with Check")
        yield  # makes it a stream
