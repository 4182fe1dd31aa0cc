"""Servers that answer everything at once and look at nothing: what a framework costs by itself.

python -m bench.peers.empty asgi|starlette|grpc SOCKET
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any


def main() -> None:
    """Answers until it is ended."""
    kind, path = sys.argv[1:]
    if kind == "grpc":
        asyncio.run(_grpc(path))
        return
    import uvicorn  # noqa: PLC0415 - each kind needs its own

    app: Any = _asgi if kind == "asgi" else _starlette()
    uvicorn.run(
        app,
        uds=path,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


async def _asgi(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _starlette() -> Any:
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    async def empty(request: Request) -> Response:
        return Response()

    return Starlette(routes=[Route("/auth/{hop}", empty)])


async def _grpc(path: str) -> None:
    import grpc  # noqa: PLC0415
    from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc  # noqa: PLC0415

    class Empty(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc]
        async def Check(self, request: Any, context: Any) -> Any:
            return external_auth_pb2.CheckResponse()

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Empty(), server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    main()
