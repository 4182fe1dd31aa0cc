"""Tenants: relying parties that share a server and nothing else, each with its verifiers, keys, claims, and who may speak for it.

    with Tenants.open(Config.load("sekisho.toml")) as tenants:
        tenant = tenants.speaking(uid=33)[0]
        tenant.verifier().verify_certificates([der], at=tenant.at)

Each tenant has an engine, and so a cache, of its own: neither an answer nor the time it takes tells whether another tenant has
seen a certificate. What is shared is the revocation data, which is the same for all.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from sekisho._native import NativeError
from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims, default_path
from sekisho.engine import CACHE_BYTES_MIN, Engine
from sekisho.keyfiles import KeyFileError
from sekisho.profiles import Profile, ProfileError
from sekisho.revocation.snapshot import Revocation, SnapshotError
from sekisho.revocation.store import RevocationStore, StoreError
from sekisho.server.config import Config, ConfigError, Dialect, HopConfig, TenantConfig, read_secret
from sekisho.server.processes import worker_index
from sekisho.trust import TrustError, TrustStore
from sekisho.valkey import Valkey
from sekisho.verifier import Verifier

__all__ = ["Hop", "Tenant", "Tenants"]

JPKI: Final = "jpki"


@dataclass(frozen=True, slots=True, eq=False)
class Hop:
    """A gateway whose word about a TLS client its tenant takes.

    Attributes:
        name: no other hop of the server has it.
        tenant: name of its tenant.
        dialect: how the certificate is written in its field.
        header: the field's name in lower case; None: the dialect's own.
        verifier: what judges the certificates; its good answer is `CERTIFICATE_OK`, which is no login.
        uids: users the gateway runs as.
        grpc: whether it has a socket of its own, which says who it is.
    """

    name: str
    tenant: str
    dialect: Dialect
    header: str | None
    verifier: Verifier
    uids: frozenset[int]
    grpc: Path | None
    _token: bytes | None = field(repr=False)

    def is_spoken_for(self, *, uid: int | None = None, token: str | None = None) -> bool:
        """Whether a peer of that user, or with that bearer token, is the gateway."""
        return (uid is not None and uid in self.uids) or _same(self._token, token)


@dataclass(frozen=True, slots=True, eq=False)
class Tenant:
    """A relying party.

    Attributes:
        number: in its challenges.
        name: what messages and metrics call it.
        audience: in its challenges.
        verifiers: by their profile's name; the first is meant where none is named.
        challenges: keys of its challenges; None: it only has certificates checked.
        claims: which of them were accepted; None where there are no keys.
        engine: its own.
        uids: users who may speak for it over a Unix socket.
        client_certificates: SHA-256, in hexadecimal, of the client certificates that may speak for it over TLS.
        lifetime: seconds of its challenges where a request does not say so.
        hops: its gateways.
        at: the time at which all is judged; None: the clock's.
    """

    number: int
    name: str
    audience: str
    verifiers: Mapping[str, Verifier]
    challenges: ChallengeKeys | None
    claims: Claims | None
    engine: Engine
    uids: frozenset[int]
    client_certificates: frozenset[str]
    lifetime: int
    hops: tuple[Hop, ...]
    at: int | None
    _token: bytes | None = field(repr=False)

    def verifier(self, profile: str | int | None = None) -> Verifier:
        """The verifier of a profile: by its name, by its number in challenges (`Profile.id32`), or the first.

        Raises:
            LookupError: this tenant has no such profile.
        """
        if profile is None:
            return next(iter(self.verifiers.values()))
        for name, verifier in self.verifiers.items():
            if profile in (name, verifier.profile.id32):
                return verifier
        raise LookupError(f"tenant {self.name} has no profile {profile}; it has {', '.join(self.verifiers)}")

    @property
    def has_token(self) -> bool:
        """Whether somebody may speak for it by a bearer token."""
        return self._token is not None

    def takes_logins(self, verifier: Verifier) -> bool:
        """Whether logins can be verified: challenges are the relying party's own, or there are keys for ours."""
        return verifier.profile.challenge == "foreign" or self.challenges is not None

    def is_spoken_for(
        self, *, uid: int | None = None, certificate: str | None = None, token: str | None = None
    ) -> bool:
        """Whether a peer may speak for this tenant.

        Args:
            uid: of the process at the other end of a Unix socket.
            certificate: SHA-256, in lower-case hexadecimal, of the client certificate of a TLS connection.
            token: a bearer token.
        """
        return (
            (uid is not None and uid in self.uids)
            or (certificate is not None and certificate in self.client_certificates)
            or _same(self._token, token)
        )


class Tenants:
    """All tenants of a server, opened. Made by `open`; closing it leaves what others hold of it usable."""

    def __init__(
        self, config: Config, tenants: tuple[Tenant, ...], store: RevocationStore | None, valkey: Valkey | None = None
    ) -> None:
        self.config = config
        self.valkey = valkey
        """Where their claims are shared with other machines; None: nowhere."""
        self.store = store
        """The revocation data; None where no profile looks at it."""
        self.by_number = MappingProxyType({one.number: one for one in tenants})
        self.by_name = MappingProxyType({one.name: one for one in tenants})
        self.hops = MappingProxyType({hop.name: hop for one in tenants for hop in one.hops})

    @classmethod
    def open(cls, config: Config, *, before: Tenants | None = None) -> Self:
        """Opens all that the configuration names.

        Args:
            config: what to open.
            before: what was open before a reload: a tenant that stays keeps its engine, and so its cache; the Valkey stays.

        Raises:
            ConfigError: something is missing or does not fit; the message names it and says what to do.
            OSError: a file cannot be read.
        """
        with_trust = [(one, _trust(one)) for one in config.tenants]
        store = _store(config, [trust for _, trust in with_trust])
        try:
            revocation = store.revocation if store is not None else None
            valkey = before.valkey if before is not None else _valkey(config)
            made = (_tenant(config, one, trust, revocation, before, valkey=valkey) for one, trust in with_trust)
            return cls(config, tuple(made), store, valkey)
        except BaseException:
            if store is not None:
                store.close()
            raise

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self.by_number.values())

    def __len__(self) -> int:
        return len(self.by_number)

    def speaking(
        self, *, uid: int | None = None, certificate: str | None = None, token: str | None = None
    ) -> list[Tenant]:
        """The tenants for which a peer may speak; arguments as in `Tenant.is_spoken_for`."""
        return [one for one in self if one.is_spoken_for(uid=uid, certificate=certificate, token=token)]

    @property
    def looks_at_revocation(self) -> bool:
        """Whether some profile does."""
        return any(verifier.profile.revocation != "off" for one in self for verifier in one.verifiers.values())

    def refresh(self) -> bool:
        """Puts in force what the revocation store has by now; True if that was news.

        Raises:
            SnapshotError: its file is damaged; what was in force stays so.
        """
        return self.store is not None and self.store.refresh()

    def close(self) -> None:
        """Closes the revocation store; what is in force stays so."""
        if self.store is not None:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tenant(
    config: Config,
    given: TenantConfig,
    trust: TrustStore,
    revocation: Revocation | None,
    before: Tenants | None,
    *,
    valkey: Valkey | None,
) -> Tenant:
    profiles = [_profile(config, given, one) for one in given.profile]
    if len({one.name for one in profiles}) < len(profiles):
        raise ConfigError(f"tenant {given.name}: two profiles have one name: leave one out")
    challenges = _keys(given)
    claims = _claims(config, given, valkey) if challenges is not None else None
    engine = _engine(config, given, before)
    try:
        verifiers = {
            profile.name: Verifier(
                trust,
                profile,
                challenges=challenges,
                claims=claims,
                audience=given.audience,
                tenant=given.number,
                skew=config.claims.skew,
                revocation=revocation,
                engine=engine,
            )
            for profile in profiles
        }
    except (ValueError, NativeError) as error:
        raise ConfigError(f"tenant {given.name}: {error}") from None
    return Tenant(
        number=given.number,
        name=given.name,
        audience=given.audience,
        verifiers=MappingProxyType(verifiers),
        challenges=challenges,
        claims=claims,
        engine=engine,
        uids=given.uids,
        client_certificates=given.client_certificates,
        lifetime=given.lifetime,
        hops=tuple(_hop(config, given, one, verifiers) for one in given.hops),
        at=config.test.at if config.test is not None else None,
        _token=_token(given.token),
    )


def _hop(config: Config, tenant: TenantConfig, given: HopConfig, verifiers: Mapping[str, Verifier]) -> Hop:
    name = given.profile or next(iter(verifiers))
    if name not in verifiers:
        raise ConfigError(
            f"hop {given.name}: tenant {tenant.name} has no profile {name!r}; it has {', '.join(verifiers)}"
        )
    return Hop(
        name=given.name,
        tenant=tenant.name,
        dialect=given.dialect,
        header=given.header,
        verifier=verifiers[name],
        uids=given.uids,
        grpc=given.grpc,
        _token=_token(given.token),
    )


def _profile(config: Config, tenant: TenantConfig, name_or_path: str | Path) -> Profile:
    try:
        profile = Profile.load(name_or_path)
    except ProfileError as error:
        raise ConfigError(f"tenant {tenant.name}: {error}") from None
    if config.test is not None and not profile.test:
        raise ConfigError(
            f"tenant {tenant.name}: profile {profile.name} is no test profile, and [test] fixes the time: leave out [test]"
        )
    if profile.revocation != "off" and config.revocation.store is None:
        raise ConfigError(
            f"tenant {tenant.name}: profile {profile.name} looks at revocation data: give [revocation] store, a directory "
            "that `sekisho revocation build` makes"
        )
    return profile


def _trust(tenant: TenantConfig) -> TrustStore:
    try:
        parts = [_anchors(one) for one in tenant.trust]
        below = [_anchors(one) for one in tenant.intermediates]
        return TrustStore(
            [der for part in parts for der in part.certificates],
            [der for part in below for der in part.certificates],
            sources=[issuer.source for part in parts + below for issuer in part.issuers],
        )
    except TrustError as error:
        raise ConfigError(f"tenant {tenant.name}: {error}") from None


def _anchors(path: str | Path) -> TrustStore:
    if isinstance(path, str):
        return TrustStore.jpki()
    return TrustStore.from_folder(path) if path.is_dir() else TrustStore.from_files(path)


def _keys(tenant: TenantConfig) -> ChallengeKeys | None:
    if tenant.keys is None:
        return None
    try:
        return ChallengeKeys.load(tenant.keys)
    except KeyFileError as error:
        raise ConfigError(f"tenant {tenant.name}: {error}") from None
    except FileNotFoundError:
        raise ConfigError(
            f"tenant {tenant.name}: {tenant.keys} is not there: `sekisho keys make {tenant.keys}` makes it"
        ) from None


def _valkey(config: Config) -> Valkey | None:
    given = config.claims
    if given.valkey is None:
        return None
    password = read_secret(given.valkey_password) if given.valkey_password is not None else None
    return Valkey(given.valkey, password=password, timeout_ms=given.valkey_timeout_ms, skew=given.skew)


def _claims(config: Config, tenant: TenantConfig, valkey: Valkey | None) -> Claims:
    stem = config.claims.file if config.claims.file is not None else default_path()
    try:
        return Claims.open(
            f"{stem}.{tenant.number}",
            capacity=config.claims.slots,
            skew=config.claims.skew,
            fresh=config.test is not None and worker_index() is None,  # of several, the process that watches makes them
            at=config.test.at if config.test is not None else None,
            valkey=valkey,
        )
    except (ValueError, NativeError) as error:
        raise ConfigError(f"tenant {tenant.name}: {error}") from None


def _engine(config: Config, tenant: TenantConfig, before: Tenants | None) -> Engine:
    if before is not None and before.config.engine == config.engine and len(before) == len(config.tenants):
        stays = before.by_name.get(tenant.name)
        if stays is not None and stays.number == tenant.number:
            return stays.engine
    share = config.engine.cache_bytes // len(config.tenants)
    return Engine(threads=config.engine.threads_of_each, cache_bytes=share if share >= CACHE_BYTES_MIN else 0)


def _store(config: Config, trusts: list[TrustStore]) -> RevocationStore | None:
    directory = config.revocation.store
    if directory is None:
        return None
    if not directory.is_dir():
        raise ConfigError(
            f"[revocation] store: {directory} is not there: `sekisho revocation build {directory} …` makes it"
        )
    anchors = list(dict.fromkeys(der for trust in trusts for der in trust.anchors))
    below = list(dict.fromkeys(der for trust in trusts for der in trust.certificates if der not in anchors))
    try:
        return RevocationStore(directory, TrustStore(anchors, below))
    except (StoreError, SnapshotError, TrustError) as error:
        raise ConfigError(f"[revocation] store: {error}") from None


def _token(path: Path | None) -> bytes | None:
    return None if path is None else hashlib.sha256(read_secret(path).encode("ascii")).digest()


def _same(digest: bytes | None, token: str | None) -> bool:
    """Whether the token has that digest: compared so that the time it takes tells nothing."""
    if digest is None or token is None:
        return False
    return hmac.compare_digest(digest, hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest())
