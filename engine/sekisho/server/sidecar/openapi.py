"""The OpenAPI document of the sidecar, made from the types that read its requests. docs/openapi.json is a copy of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sekisho._version import __version__
from sekisho.server.sidecar.api import JSON, OPERATIONS, PROBLEM_JSON, Api, Problem

__all__ = ["document"]

_PROBLEMS: Final = {
    "400": "The user or token speaks for several tenants.",
    "403": "Nobody that a tenant knows.",
    "409": "The tenant has no keys for challenges.",
    "413": "Larger than `limits.frame_bytes`.",
    "422": "Not JSON of this form, or a profile that the tenant has not.",
    "500": "sekisho failed; nothing was accepted.",
    "503": "Overloaded: come again after Retry-After.",
}
_VERDICT: Final = {
    "description": "The verdict's reason in kebab-case, or why there is none.",
    "schema": {"type": "string"},
}
_AUTH: Final = {
    "200": "`certificate-ok`: the certificate is valid. That its holder is there, the gateway's handshake has shown.",
    "403": "The certificate is refused; or there is none, its field is malformed, or the peer is not the gateway.",
    "503": "Nobody can say: revocation data is missing or stale, or too much waits.",
}


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    types = [Problem, *(kind for _, _, asked, answer in OPERATIONS for kind in (asked, answer))]
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths = {path: {"post": _operation(method, asked, answer)} for path, method, asked, answer in OPERATIONS}
    paths |= {
        "/auth/{hop}": {"get": _auth()},
        "/livez": {"get": _probe("livez", "The process answers.", {"200": "It does."})},
        "/readyz": {
            "get": _probe(
                "readyz",
                "Whether traffic is wanted. A stale partition is no fault here: its certificates are refused by name.",
                {"200": "It is.", "503": "It is not; a line for each fault."},
            )
        },
        "/metrics": {"get": _probe("metrics", "Metrics for Prometheus.", {"200": "In its text format."})},
        "/status": {
            "get": _probe("status", "A page that shows a person what /metrics say.", {"200": "HTML."}, "text/html")
        },
        "/status.css": {"get": _probe("statusStyle", "How that page looks.", {"200": "CSS."}, "text/css")},
        "/status.js": {
            "get": _probe("statusScript", "What that page does.", {"200": "JavaScript."}, "text/javascript")
        },
        "/openapi.json": {"get": _probe("openapi", "This document.", {"200": "OpenAPI 3.1."}, JSON)},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sekisho",
            "version": __version__,
            "summary": "Verifies certificate logins in bulk, asking nobody.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost", "description": "A Unix socket, or a port of loopback."}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Not needed over a Unix socket by a user whom the tenant names.",
                }
            },
        },
    }


def _operation(method: str, asked: type, answer: type) -> dict[str, Any]:
    tenant = {
        "name": "sekisho-tenant",
        "in": "header",
        "description": "Which tenant is spoken for, where it could be several.",
        "schema": {"type": "string"},
    }
    answers: dict[str, Any] = {
        "200": {"description": (answer.__doc__ or "").strip(), "content": _content(JSON, answer)}
    }
    for status, what in _PROBLEMS.items():
        answers[status] = {"description": what, "content": _content(PROBLEM_JSON, Problem)}
    answers["503"]["headers"] = {"retry-after": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return {
        "operationId": method,
        "summary": (getattr(Api, method).__doc__ or "").strip(),
        "parameters": [tenant],
        "requestBody": {"required": True, "content": _content(JSON, asked)},
        "responses": answers,
    }


def _auth() -> dict[str, Any]:
    answers: dict[str, Any] = {
        status: {"description": what, "headers": {"sekisho-verdict": _VERDICT}} for status, what in _AUTH.items()
    }
    answers["503"]["headers"]["retry-after"] = {"schema": {"type": "integer"}, "description": "Seconds."}
    return {
        "operationId": "auth",
        "summary": "A gateway asks about the certificate of a client, by whatever method and with whatever path behind.",
        "parameters": [
            {
                "name": "hop",
                "in": "path",
                "required": True,
                "description": "The gateway's name in the configuration, which also says in which field the certificate comes.",
                "schema": {"type": "string"},
            }
        ],
        "responses": answers,
    }


def _probe(name: str, what: str, answers: dict[str, str], media_type: str = "text/plain") -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "object" if media_type == JSON else "string"}}}
    return {
        "operationId": name,
        "summary": what,
        "security": [{}],
        "responses": {status: {"description": said, "content": content} for status, said in answers.items()},
    }


def _content(media_type: str, kind: type) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
