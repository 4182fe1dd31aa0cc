"""``/status``: a page that shows a person what the metrics say. Whoever may ask for these may see it; it knows no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["status_pages"]

_FILES: Final = {
    "/status": ("status.html", "text/html"),
    "/status.css": ("status.css", "text/css"),
    "/status.js": ("status.js", "text/javascript"),
}
_HEADERS: Final = {
    # Nothing from elsewhere, nothing inline, in nobody's frame.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def status_pages() -> Iterator[tuple[str, Callable[[Request], Awaitable[Response]]]]:
    """Paths, and what answers there."""
    folder = resources.files("sekisho") / "data" / "status"
    for path, (name, kind) in _FILES.items():
        yield path, _page((folder / name).read_bytes(), kind)


def _page(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind, headers=_HEADERS)

    return answer
