"""The sidecar's application: its routes, and nothing else."""

from __future__ import annotations

from typing import Final

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sekisho.server.sidecar.api import JSON, OPERATIONS, Api, guarded
from sekisho.server.sidecar.gateways import Gateways
from sekisho.server.sidecar.openapi import document
from sekisho.server.sidecar.probes import faults
from sekisho.server.sidecar.service import Service
from sekisho.server.sidecar.status import status_pages

__all__ = ["application"]

_DOCUMENT: Final = msgspec.json.encode(document())


def application(service: Service) -> _Front:
    """The ASGI application over a service."""
    api = Api(service)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        found = faults(service)
        return PlainTextResponse("".join(f"{one}\n" for one in found) or "ok\n", status_code=503 if found else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(service.metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    async def openapi(_: Request) -> Response:
        return Response(_DOCUMENT, media_type=JSON)

    others = Starlette(
        routes=[
            *(
                Route(path, guarded(service, method, getattr(api, method)), methods=["POST"])
                for path, method, _, _ in OPERATIONS
            ),
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            *(Route(path, page) for path, page in status_pages()),
        ]
    )

    return _Front(Gateways(service), others)


class _Front:
    """Lets gateways straight through: their question is asked with every page of an application, and needs no router."""

    def __init__(self, gateways: ASGIApp, others: Starlette) -> None:
        self._gateways = gateways
        self.others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._gateways if scope["path"].startswith("/auth/") else self.others)(scope, receive, send)
