"""`sekisho serve`: answer over sockets and beside gateways, as a configuration says."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

from sekisho.cli.base import Mistake, console, instant, print_json
from sekisho.reasons import Reason
from sekisho.server.config import Config, ConfigError
from sekisho.server.tenants import Tenant, Tenants

__all__ = ["command"]


@click.command()
@click.argument("file", metavar="FILE", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--check", is_flag=True, help="Only look the configuration over, open what it names, and say what is there."
)
@click.option("--openapi", is_flag=True, help="Print the OpenAPI document of the HTTP interface.")
def command(*, file: str | None, check: bool, openapi: bool) -> None:
    """Answer over sockets and beside gateways.

    FILE is the configuration, in TOML: sekisho/server/config.py has every key, docs/OPERATIONS.md a small one to begin with.

    \b
    Examples:
      sekisho serve --check /etc/sekisho/sekisho.toml
      sekisho serve /etc/sekisho/sekisho.toml
    """
    if openapi:
        print_json(_server("sidecar.openapi").document())
        return
    if file is None:
        raise Mistake("name a configuration: FILE")
    try:
        config = Config.load(file)
        if check:
            with Tenants.open(config) as tenants:
                for line in _found(config, tenants):
                    console().print(line, soft_wrap=True, markup=False)
            return
        _server("run").serve(config)
    except ConfigError as error:
        raise Mistake(str(error)) from None


def _server(module: str) -> Any:
    """A module that needs the extra `server`."""
    try:
        return import_module(f"sekisho.server.{module}")
    except ModuleNotFoundError as error:
        raise Mistake(f"{error.name} is missing: pip install 'sekisho[server]'") from None


def _found(config: Config, tenants: Tenants) -> Iterator[str]:
    """What a configuration came to, a line each."""
    if config.test is not None:
        yield f"TEST ONLY: all is judged at {instant(config.test.at)}"
    yield from _doors(config)
    for tenant in tenants:
        yield from _described(tenant)
    base = tenants.store.base if tenants.store is not None else None
    if base is not None:
        yield f"revocation: snapshot {base.report.id} of {instant(base.report.built_at)}, {base.report.sources} lists"
    elif tenants.looks_at_revocation:
        yield "revocation: nothing is in force yet, so every certificate is refused: `sekisho revocation build` takes CRLs"


def _doors(config: Config) -> Iterator[str]:
    if config.socket is not None:
        yield f"socket: {config.socket.path}, mode {config.socket.mode:04o}"
    if config.tcp is not None:
        how = "TLS with client certificates" if config.tcp.tls else "in the clear, loopback alone"
        yield f"tcp: {config.tcp.listen[0]} port {config.tcp.listen[1]}, {how}"
    if config.http is not None and config.http.path is not None:
        yield f"http: {config.http.path}, mode {config.http.mode:04o}"
    if config.http is not None and config.http.listen is not None:
        yield f"http: {config.http.listen[0]} port {config.http.listen[1]}"
    if config.grpc.health is not None:
        yield f"grpc health: {config.grpc.health}"


def _described(tenant: Tenant) -> Iterator[str]:
    speakers = [
        *([f"users {', '.join(map(str, sorted(tenant.uids)))}"] if tenant.uids else []),
        *([f"{len(tenant.client_certificates)} client certificates"] if tenant.client_certificates else []),
        *(["a token"] if tenant.has_token else []),
    ]
    yield (
        f"tenant {tenant.name}: number {tenant.number}, profiles {', '.join(tenant.verifiers)}, "
        f"{'takes logins' if tenant.challenges is not None else 'checks certificates alone'}, "
        f"spoken for by {', '.join(speakers) or 'nobody'}"
    )
    for issuer in tenant.verifier().trust.issuers:
        answer = "may issue" if issuer.reason is None else f"issues nothing: {Reason(issuer.reason).kebab}"
        yield f"  trusts {issuer.subject or issuer.source}: {answer}"
    for hop in tenant.hops:
        where = f", socket {hop.grpc}" if hop.grpc is not None else ""
        yield f"  hop {hop.name}: {hop.dialect}, profile {hop.verifier.profile.name}{where}"
