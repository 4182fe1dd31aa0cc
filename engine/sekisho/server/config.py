"""The configuration of a server: one TOML file, read once into values that never change.

Every key, with what holds if it is left out; paths are relative to the file:

    [engine]
    threads = 2                     # of a process, 1 to 256; left out: the CPUs that may be used, shared among processes
    processes = 1                   # workers behind the same sockets, 1 to 64; each has its own caches and threads
    cache_bytes = 268435456         # of all tenants' parsing caches of a process together, at least 2 MiB each; 0: none

    [claims]
    file = "/dev/shm/sekisho"       # each tenant's claims are this name, a dot, and its number; left out: the default path
    slots = 1048576                 # acceptances that are alive at once: a second's, times a challenge's lifetime
    skew = 0                        # seconds by which an issuing clock may be ahead, at most 60
    valkey = "unix:/run/valkey/valkey.sock" # where replicas with the same keys share claims; or "valkey://127.0.0.1:6379", at
                                    # loopback alone; left out: no other machine has the keys
    valkey_password = "valkey.password"     # a file whose line it is told; left out: it wants none
    valkey_timeout_ms = 50          # for a batch's claims, 1 to 1000; after that they are refused

    [revocation]
    store = "/var/lib/sekisho/revocation"   # as `sekisho revocation build` makes it; required where a profile looks at it
    refresh = 5                     # seconds between two looks at what is in force, 1 to 3600

    [socket]                        # the binary protocol on a Unix socket; left out: there is none
    path = "/run/sekisho/sekisho.sock"      # required
    mode = "0660"                   # of the socket: nothing to others; of those it admits, tenants say by uid who may speak
    group = "www-data"              # that the socket belongs to; left out: this process's

    [tcp]                           # the binary protocol on TCP; left out: there is none
    listen = "127.0.0.1:7443"       # required; [::1]:7443 for IPv6
    certificate = "server.pem"      # TLS: required beyond loopback, and then with key, clients and allow
    key = "server.key"              # mode 0600
    clients = "clients.pem"         # CAs of the client certificates
    allow = ["SHA-256", …]          # fingerprints of the client certificates that may connect, in hexadecimal; left out: those
                                    # that some tenant names

    [http]                          # the sidecar; left out: there is none
    path = "/run/sekisho/http.sock" # a Unix socket; or listen = "127.0.0.1:7480", a port of loopback, which wants tokens
    mode = "0660"                   # as above
    group = "www-data"              # as above

    [grpc]                          # Envoy's external authorization and gRPC health; a socket for each gateway is in its hop
    health = "/run/sekisho/health.sock"     # where grpc.health.v1 answers whoever may open it; left out: nowhere

    [limits]
    connections = 8192              # at once
    frame_bytes = 1048576           # of a frame or of an HTTP request's body
    connection_rows = 4096          # of one connection, waiting for an answer
    rows = 65536                    # of all, waiting for an answer
    batch_rows = 4096               # that go into one native call
    backlog_bytes = 4194304         # of answers that a slow reader has not taken; from half of it on nothing more of it is read,
                                    # nor from twice of it in requests that wait
    deadline_ms = 1000              # after which nobody waits for an answer, where a request does not say so itself
    idle_s = 300                    # without a byte, after which a connection is closed
    handshake_s = 5                 # for a TLS handshake or a hello
    drain_s = 20                    # in which what was begun may come to its end at SIGTERM

    [log]
    level = "info"                  # or "debug", "warning", "error"

    [test]                          # for tests and demonstrations: never with [tcp], nor with a profile that is not a test's
    at = 1775012400                 # all is judged at this time

    [[tenant]]                      # a relying party; one at least
    name = "city"                   # required; a-z, 0-9 and dashes
    number = 7                      # required; 0 to 4294967295, in its challenges
    audience = "https://city.example"       # in its challenges; left out: empty
    profile = "jpki-auth"           # required: shipped ones or files; of a list the first is meant where none is named
    trust = ["jpki", "ca/"]         # required: files or folders of CA certificates, or jpki
    intermediates = []              # CA certificates that are trusted if they chain to an anchor; none
    keys = "challenge.keys"         # as `sekisho keys make` makes it; left out: this tenant only has certificates checked
    uids = ["www-data", 1001]       # users who may speak for it over the Unix sockets; none
    client_certificates = []        # SHA-256 of the client certificates that may speak for it over TCP; none
    token = "city.token"            # a file whose line, as a bearer token, speaks for it over HTTP; left out: none does
    lifetime = 120                  # seconds of its challenges where a request does not say so, 1 to 300

    [[tenant.hops]]                 # a gateway whose word about a TLS client this tenant takes
    name = "front"                  # required; of all tenants' hops none has the same
    dialect = "nginx-escaped-pem"   # required: "rfc9440", "nginx-escaped-pem", "haproxy-der" or "envoy-xfcc"; never guessed
    header = "x-client-cert"        # the field it comes in; left out: the dialect's own
    profile = "client-auth"         # one of the tenant's; left out: its first
    uids = ["nginx"]                # users the gateway runs as, who come over the Unix socket
    token = "front.token"           # a file whose line the gateway sends as a bearer token; required at a port of loopback
    grpc = "/run/sekisho/envoy.sock"        # a Unix socket of this hop's own for Envoy's gRPC: whoever may open it is the hop
    grpc_mode = "0660"              # of it
    grpc_group = "envoy"            # that it belongs to; left out: this process's

Secrets stand in files of their own that nobody else can read. ``credential:NAME`` is a path too: what systemd handed over with
``LoadCredential=NAME:FILE``.
"""

from __future__ import annotations

import difflib
import grp
import ipaddress
import os
import pwd
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from sekisho.valkey_address import parse_address

__all__ = [
    "DIALECTS",
    "ClaimsConfig",
    "Config",
    "ConfigError",
    "Dialect",
    "EngineConfig",
    "GrpcConfig",
    "HopConfig",
    "HttpConfig",
    "Limits",
    "LogConfig",
    "RevocationConfig",
    "SocketConfig",
    "TcpConfig",
    "TenantConfig",
    "TestConfig",
    "read_secret",
]

Dialect: TypeAlias = Literal["rfc9440", "nginx-escaped-pem", "haproxy-der", "envoy-xfcc"]
DIALECTS: Final[tuple[Dialect, ...]] = get_args(Dialect)
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

CACHE_BYTES_MIN: Final = 2 * 1024 * 1024  # SEKI_CACHE_BYTES_MIN in sekisho.h
CLAIMS_SLOTS_MAX: Final = 67_108_864  # as sekisho.h has it for seki_claims_open
SKEW_MAX: Final = 60  # seconds; as sekisho.h has it
VALKEY_TIMEOUT_MS_MAX: Final = 1000  # SEKI_VALKEY_TIMEOUT_MAX
LIFETIME_MAX: Final = 300  # seconds; SEKI_CHALLENGE_LIFETIME_MAX
UID_MAX: Final = 2**32 - 2  # the last one is chown's "leave it"
PROCESSES_MAX: Final = 64  # more than the CPUs of a machine win nothing
TENANTS_MAX: Final = 1024  # each has an engine and claims of its own
SOCKET_PATH_MAX: Final = 107  # bytes; sun_path of unix(7), without its end
FILE_SIZE_MAX: Final = 1024 * 1024  # bytes of a configuration: a thousand tenants of a kilobyte
TOKEN_SIZES: Final = (16, 512)  # bytes of a bearer token: 128 bits as hexadecimal have 32

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME_LENGTH_MAX: Final = 64
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_FIELD_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1: b64token
_CREDENTIAL: Final = "credential:"


class ConfigError(ValueError):
    """The configuration cannot be used. One line for each fault: where it stands, what is wrong, and what to write instead."""


# ---- what a value may be -------------------------------------------------------------------------

_Convert: TypeAlias = Callable[[Any, Path], Any]
"""From a TOML value and the folder that paths are relative to; raises ValueError with what must stand there instead."""


def _is(convert: _Convert) -> Mapping[str, _Convert]:
    return {"convert": convert}


def _whole(least: int, most: int) -> Mapping[str, _Convert]:
    def convert(value: Any, _: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return value

    return _is(convert)


def _one_of(allowed: Iterable[str]) -> Mapping[str, _Convert]:
    known = tuple(allowed)

    def convert(value: Any, _: Path) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}, not {value!r}")
        return str(value)

    return _is(convert)


def _text(value: Any, _: Path) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {value!r}")
    return value


def _name(value: Any, _: Path) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or len(value) > _NAME_LENGTH_MAX:
        raise ValueError(f"must be lower-case words and numbers joined by dashes, at most 64 letters, not {value!r}")
    return value


def _path(value: Any, folder: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be a path, not {value!r}")
    if not value.startswith(_CREDENTIAL):
        return folder / value
    directory, name = os.environ.get("CREDENTIALS_DIRECTORY"), value.removeprefix(_CREDENTIAL)
    if directory is None or "/" in name or not name:
        raise ValueError(f"{value} is for a service of systemd with LoadCredential={name}:FILE; here, give a path")
    return Path(directory) / name


def _socket_path(value: Any, folder: Path) -> Path:
    path = _path(value, folder)
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise ValueError(f"the path of a Unix socket has at most {SOCKET_PATH_MAX} bytes: name a shorter one")
    return path


def _mode(value: Any, _: Path) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value) or int(value, 8) & 0o007:
        raise ValueError(f'must be the mode of a socket that is nothing to others, as in "0660", not {value!r}')
    return int(value, 8)


def _group(value: Any, _: Path) -> int:
    try:
        return value if isinstance(value, int) else grp.getgrnam(value).gr_gid
    except (KeyError, TypeError):
        raise ValueError(f"there is no group {value!r} on this machine: `addgroup --system` makes one") from None


def _uid(value: Any) -> int:
    try:
        found = pwd.getpwnam(value).pw_uid if isinstance(value, str) else value
    except KeyError:
        raise ValueError(f"there is no user {value!r} on this machine: name one, or give a number") from None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= UID_MAX:
        raise ValueError(f"must be users' names or numbers, not {value!r}")
    return found


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list, [...], not {value!r}")
    return value


def _uids(value: Any, _: Path) -> frozenset[int]:
    return frozenset(_uid(one) for one in _list(value))


def _fingerprints(value: Any, _: Path) -> frozenset[str]:
    found = []
    for one in _list(value):
        plain = one.replace(":", "").lower() if isinstance(one, str) else ""
        if not _FINGERPRINT.fullmatch(plain):
            raise ValueError(
                f"{one!r} is no SHA-256 of a certificate: `openssl x509 -in FILE -noout -fingerprint -sha256` prints it"
            )
        found.append(plain)
    return frozenset(found)


def _paths(value: Any, folder: Path) -> tuple[Path, ...]:
    return tuple(_path(one, folder) for one in _list(value))


def _trust(value: Any, folder: Path) -> tuple[str | Path, ...]:
    if not _list(value):
        raise ValueError('name files or folders of CA certificates, or "jpki"')
    return tuple("jpki" if one == "jpki" else _path(one, folder) for one in value)


def _profiles(value: Any, folder: Path) -> tuple[str | Path, ...]:
    listed = [value] if isinstance(value, str) else _list(value)
    if not listed:
        raise ValueError("name one profile at least: a shipped one, or a file ending in .toml")
    return tuple(_path(one, folder) if str(one).endswith(".toml") else _text(one, folder) for one in listed)


def _address(value: Any, _: Path) -> tuple[str, int]:
    host, _colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        raise ValueError(
            f'must be an address and a port, as in "127.0.0.1:7443" or "[::1]:7443", not {value!r}'
        ) from None
    if not 0 <= number < 65536:
        raise ValueError(f"a port is 0 to 65535, not {number}")
    return str(address), number


def _valkey(value: Any, _: Path) -> str:
    text = _text(value, _)
    parse_address(text)
    return text


def _field_name(value: Any, _: Path) -> str:
    plain = value.lower() if isinstance(value, str) else ""
    if not _FIELD_NAME.fullmatch(plain):
        raise ValueError(f'must be the name of an HTTP field, as in "client-cert", not {value!r}')
    return plain


# ---- the tables ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """``[engine]``."""

    threads: int | None = field(default=None, metadata=_whole(1, 256))
    processes: int = field(default=1, metadata=_whole(1, PROCESSES_MAX))
    cache_bytes: int = field(default=256 * 1024 * 1024, metadata=_whole(0, 2**44))

    @property
    def threads_of_each(self) -> int:
        """Of each process: what was said, or its share of the CPUs."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) // self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsConfig:
    """``[claims]``."""

    file: Path | None = field(default=None, metadata=_is(_path))
    slots: int = field(default=1 << 20, metadata=_whole(64, CLAIMS_SLOTS_MAX))
    skew: int = field(default=0, metadata=_whole(0, SKEW_MAX))
    valkey: str | None = field(default=None, metadata=_is(_valkey))
    valkey_password: Path | None = field(default=None, metadata=_is(_path))
    valkey_timeout_ms: int = field(default=50, metadata=_whole(1, VALKEY_TIMEOUT_MS_MAX))

    def faults(self) -> Iterable[str]:
        if self.valkey is None and self.valkey_password is not None:
            yield "valkey_password is for valkey, which is not there: give both, or neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationConfig:
    """``[revocation]``."""

    store: Path | None = field(default=None, metadata=_is(_path))
    refresh: int = field(default=5, metadata=_whole(1, 3600))


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketConfig:
    """``[socket]``."""

    path: Path = field(metadata=_is(_socket_path))
    mode: int = field(default=0o660, metadata=_is(_mode))
    group: int | None = field(default=None, metadata=_is(_group))


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpConfig:
    """``[tcp]``. `tls`: whether it is spoken; always beyond loopback."""

    listen: tuple[str, int] = field(metadata=_is(_address))
    certificate: Path | None = field(default=None, metadata=_is(_path))
    key: Path | None = field(default=None, metadata=_is(_path))
    clients: Path | None = field(default=None, metadata=_is(_path))
    allow: frozenset[str] = field(default=frozenset(), metadata=_is(_fingerprints))

    @property
    def tls(self) -> bool:
        return self.certificate is not None

    def faults(self) -> Iterable[str]:
        given = [name for name in ("certificate", "key", "clients") if getattr(self, name) is not None]
        if 0 < len(given) < 3:
            yield f"TLS needs certificate, key and clients, and only {', '.join(given)} is there: give all three"
        if not given and not _loopback(self.listen):
            yield (
                f"{self.listen[0]} can be reached from outside, so TLS with client certificates is needed: give "
                "certificate, key and clients, or listen at 127.0.0.1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """``[http]``: exactly one of `path` and `listen`."""

    path: Path | None = field(default=None, metadata=_is(_socket_path))
    listen: tuple[str, int] | None = field(default=None, metadata=_is(_address))
    mode: int = field(default=0o660, metadata=_is(_mode))
    group: int | None = field(default=None, metadata=_is(_group))

    def faults(self) -> Iterable[str]:
        if (self.path is None) == (self.listen is None):
            yield "give either path, a Unix socket, or listen, a port of loopback"
        if self.listen is not None and not _loopback(self.listen):
            yield f"{self.listen[0]} can be reached from outside, and HTTP is in the clear: listen at 127.0.0.1, or give path"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcConfig:
    """``[grpc]``."""

    health: Path | None = field(default=None, metadata=_is(_socket_path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``[limits]``: everything that could grow has its end here."""

    connections: int = field(default=8192, metadata=_whole(1, 1_000_000))
    frame_bytes: int = field(default=1 << 20, metadata=_whole(4096, 1 << 26))
    connection_rows: int = field(default=4096, metadata=_whole(1, 1 << 20))
    rows: int = field(default=65_536, metadata=_whole(1, 1 << 24))
    batch_rows: int = field(default=4096, metadata=_whole(1, 1 << 20))
    backlog_bytes: int = field(default=4 << 20, metadata=_whole(65_536, 1 << 30))
    deadline_ms: int = field(default=1000, metadata=_whole(1, 600_000))
    idle_s: int = field(default=300, metadata=_whole(1, 86_400))
    handshake_s: int = field(default=5, metadata=_whole(1, 60))
    drain_s: int = field(default=20, metadata=_whole(0, 600))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """``[log]``."""

    level: LogLevel = field(default="info", metadata=_one_of(get_args(LogLevel)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestConfig:
    """``[test]``: `at`, the time at which all is judged, in seconds since 1970."""

    __test__ = False  # for pytest

    at: int = field(metadata=_whole(0, 2**40 - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class HopConfig:
    """``[[tenant.hops]]``."""

    name: str = field(metadata=_is(_name))
    dialect: Dialect = field(metadata=_one_of(DIALECTS))
    header: str | None = field(default=None, metadata=_is(_field_name))
    profile: str | None = field(default=None, metadata=_is(_text))
    uids: frozenset[int] = field(default=frozenset(), metadata=_is(_uids))
    token: Path | None = field(default=None, metadata=_is(_path))
    grpc: Path | None = field(default=None, metadata=_is(_socket_path))
    grpc_mode: int = field(default=0o660, metadata=_is(_mode))
    grpc_group: int | None = field(default=None, metadata=_is(_group))

    def faults(self) -> Iterable[str]:
        if not self.uids and self.token is None and self.grpc is None:
            yield "nobody can speak for this hop: give uids, the users whom the gateway runs as, or token, or grpc"
        if self.grpc is not None and self.dialect != "envoy-xfcc":
            yield 'grpc is for Envoy, which hands the certificate over itself: dialect = "envoy-xfcc"'


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantConfig:
    """``[[tenant]]``."""

    name: str = field(metadata=_is(_name))
    number: int = field(metadata=_whole(0, 2**32 - 1))
    audience: str = field(default="", metadata=_is(_text))
    profile: tuple[str | Path, ...] = field(metadata=_is(_profiles))
    trust: tuple[str | Path, ...] = field(metadata=_is(_trust))
    intermediates: tuple[Path, ...] = field(default=(), metadata=_is(_paths))
    keys: Path | None = field(default=None, metadata=_is(_path))
    uids: frozenset[int] = field(default=frozenset(), metadata=_is(_uids))
    client_certificates: frozenset[str] = field(default=frozenset(), metadata=_is(_fingerprints))
    token: Path | None = field(default=None, metadata=_is(_path))
    lifetime: int = field(default=120, metadata=_whole(1, LIFETIME_MAX))
    hops: tuple[HopConfig, ...] = ()


_Table = TypeVar("_Table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file. `Config.load` reads it; see the module for every key.

    Attributes:
        file: where it was read; None: from a string.
    """

    tenants: tuple[TenantConfig, ...]
    engine: EngineConfig = EngineConfig()
    claims: ClaimsConfig = ClaimsConfig()
    revocation: RevocationConfig = RevocationConfig()
    socket: SocketConfig | None = None
    tcp: TcpConfig | None = None
    http: HttpConfig | None = None
    grpc: GrpcConfig = GrpcConfig()
    limits: Limits = Limits()
    log: LogConfig = LogConfig()
    test: TestConfig | None = None
    file: Path | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Config:
        """The configuration of that file.

        Raises:
            ConfigError: it is not as it must be.
            OSError: it cannot be read.
        """
        file = Path(path).absolute()
        with file.open("rb") as opened:
            content = opened.read(FILE_SIZE_MAX + 1)
        if len(content) > FILE_SIZE_MAX:
            raise ConfigError(f"{path}: larger than {FILE_SIZE_MAX} bytes: this is no configuration")
        try:
            return cls.from_toml(content.decode("utf-8"), folder=file.parent, file=file)
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not UTF-8 ({error}): save it as UTF-8") from None
        except ConfigError as error:
            raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None

    @classmethod
    def from_toml(cls, text: str, *, folder: str | os.PathLike[str] = ".", file: Path | None = None) -> Config:
        """The configuration of that text; paths are relative to `folder`.

        Raises:
            ConfigError: it is not as it must be.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"this is not TOML: {error}") from None
        reader = _Reader(text, Path(folder).absolute())
        config = reader.read(document, file)
        if reader.faults or config is None:
            raise ConfigError("\n".join(reader.faults))
        return config

    def faults(self) -> Iterable[tuple[str, str]]:
        """What does not go together: where, and what to do."""
        if not self.socket and not self.tcp and not self.http and not any(h.grpc for t in self.tenants for h in t.hops):
            yield "", "nobody could ask this server: give [socket], [tcp], [http], or grpc in a hop"
        if self.tcp is not None and self.test is not None:
            yield "test", "a fixed time is for demonstrations on this machine: leave out [test] or [tcp]"
        if self.claims.valkey is not None and self.test is not None:
            yield "test", "a Valkey keeps claims by the clock: leave out [test] or claims.valkey"
        for i, tenant in enumerate(self.tenants, 1):
            if self.test is not None and "jpki" in tenant.trust:
                yield f"tenant[{i}].trust", "JPKI's own anchors are not for a fixed time: leave out [test]"
        if len(self.tenants) > TENANTS_MAX:
            yield "tenant", f"at most {TENANTS_MAX}, not {len(self.tenants)}"
        if 0 < self.engine.cache_bytes < len(self.tenants) * CACHE_BYTES_MIN:
            yield (
                "engine.cache_bytes",
                f"{len(self.tenants)} tenants need {CACHE_BYTES_MIN} bytes each: give more, or 0",
            )
        if self.limits.connection_rows > self.limits.rows:
            yield "limits.connection_rows", f"must not be more than rows, {self.limits.rows}"
        yield from _twice("name", ((f"tenant[{i}].name", one.name) for i, one in enumerate(self.tenants, 1)))
        yield from _twice("number", ((f"tenant[{i}].number", one.number) for i, one in enumerate(self.tenants, 1)))
        hops = [(f"tenant[{i}].hops[{j}]", h) for i, t in enumerate(self.tenants, 1) for j, h in enumerate(t.hops, 1)]
        yield from _twice("name", ((f"{where}.name", hop.name) for where, hop in hops))
        sockets = [(f"{where}.grpc", hop.grpc) for where, hop in hops if hop.grpc is not None]
        sockets += [("grpc.health", self.grpc.health)] if self.grpc.health else []
        sockets += [("socket.path", self.socket.path)] if self.socket else []
        sockets += [("http.path", self.http.path)] if self.http and self.http.path else []
        yield from _twice("socket", sockets)
        for where, hop in hops:
            if hop.uids and (self.http is None or self.http.path is None):
                yield f"{where}.uids", "users are known over a Unix socket alone: give [http] path, or a token"
        for i, tenant in enumerate(self.tenants, 1):
            others = {one for other in self.tenants if other is not tenant for one in other.client_certificates}
            if both := sorted(others & tenant.client_certificates):
                yield (
                    f"tenant[{i}].client_certificates",
                    f"{both[0]} speaks for another tenant too: one certificate each",
                )


def read_secret(path: Path) -> str:
    """The bearer token in a file that nobody else can read: its one line.

    Raises:
        ConfigError: others can read it, or it holds no token.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        handed = credentials is not None and path.resolve().parent == Path(credentials).resolve()
        if about.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(about.st_mode) & (0o037 if handed else 0o077):
            raise ConfigError(f"{path}: others can read it: `chmod 600 {path}`, its owner being who runs sekisho")
        content = file.read(TOKEN_SIZES[1] + 2)
    found = content.decode("ascii", "replace").strip()
    if not TOKEN_SIZES[0] <= len(found) <= TOKEN_SIZES[1] or not _TOKEN.fullmatch(found):
        raise ConfigError(
            f"{path}: holds no token of {TOKEN_SIZES[0]} to {TOKEN_SIZES[1]} letters: `openssl rand -hex 32 > {path}` makes one"
        )
    return found


def _loopback(address: tuple[str, int]) -> bool:
    return ipaddress.ip_address(address[0]).is_loopback


def _twice(what: str, values: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, str]]:
    seen: dict[Any, str] = {}
    for where, value in values:
        if value in seen:
            yield where, f"{seen[value]} has the same {what}, {value}: give each its own"
        seen.setdefault(value, where)


# ---- reading -------------------------------------------------------------------------------------

_TABLES: Final[Mapping[str, type[Any]]] = {
    "engine": EngineConfig,
    "claims": ClaimsConfig,
    "revocation": RevocationConfig,
    "socket": SocketConfig,
    "tcp": TcpConfig,
    "http": HttpConfig,
    "grpc": GrpcConfig,
    "limits": Limits,
    "log": LogConfig,
    "test": TestConfig,
}
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\s-]+?)\s*\]\]?\s*(#.*)?")


class _Reader:
    """Turns a document into tables, and collects every fault with its line."""

    def __init__(self, text: str, folder: Path) -> None:
        self.faults: list[str] = []
        self._lines = _lines(text)
        self._folder = folder

    def read(self, document: Mapping[str, Any], file: Path | None) -> Config | None:
        parts: dict[str, Any] = {"file": file}
        for name, value in document.items():
            if name == "tenant":
                continue
            if name not in _TABLES:
                self._fault(name, f"there is no such table{_nearest(name, [*_TABLES, 'tenant'])}")
            elif not isinstance(value, dict):
                self._fault(name, f"must be a table, [{name}]")
            else:
                parts[name] = self._table(_TABLES[name], value, name)
        tenants = document.get("tenant", [])
        if not isinstance(tenants, list) or not tenants:
            self._fault(
                "tenant", "a server needs one tenant at least: write [[tenant]] with name, number, profile, trust"
            )
            tenants = []
        parts["tenants"] = tuple(self._tenant(one, f"tenant[{i}]") for i, one in enumerate(tenants, 1))
        if self.faults:
            return None
        config = Config(**parts)
        for where, fault in config.faults():
            self._fault(where, fault)
        return config

    def _tenant(self, value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            self._fault(where, "must be a table, [[tenant]]")
            return None
        hops = value.get("hops", [])
        if not isinstance(hops, list) or not all(isinstance(one, dict) for one in hops):
            self._fault(f"{where}.hops", "must be tables, [[tenant.hops]]")
            hops = []
        made = tuple(self._table(HopConfig, one, f"{where}.hops[{i}]") for i, one in enumerate(hops, 1))
        return self._table(TenantConfig, value, where, hops=made)

    def _table(self, kind: type[_Table], given: Mapping[str, Any], where: str, **made: Any) -> _Table | None:
        known: dict[str, Field[Any]] = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
        values, before = dict(made), len(self.faults)
        for name, value in given.items():
            if name in made:
                continue
            if name not in known:
                self._fault(f"{where}.{name}", f"there is no such key{_nearest(name, known)}")
                continue
            try:
                values[name] = known[name].metadata["convert"](value, self._folder)
            except ValueError as error:
                self._fault(f"{where}.{name}", str(error))
        for name, one in known.items():
            if one.default is MISSING and name not in given and name not in made:
                self._fault(where, f"{name} must be given")
        if len(self.faults) > before:
            return None
        table = kind(**values)
        for fault in getattr(table, "faults", tuple)():
            self._fault(where, fault)
        return table

    def _fault(self, where: str, what: str) -> None:
        line = self._lines.get(where)
        place = ": ".join(([f"line {line}"] if line else []) + ([where] if where else []))
        self.faults.append(f"{place}: {what}" if place else what)


def _lines(text: str) -> dict[str, int]:
    """Where tables and keys stand: ``tenant[2].hops[1].name`` to its line. A help for people: what it misses has no line."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if (header := _HEADER.fullmatch(line)) is not None:
            table = ""
            for part in header[2].split("."):
                name = f"{table}.{part.strip()}".lstrip(".")
                last = name.count(".") == header[2].count(".")
                if last and header[1] == "[[":
                    counts[name] = counts.get(name, 0) + 1
                table = f"{name}[{counts[name]}]" if name in counts else name
            found.setdefault(table, number)
        elif (key := re.match(r"\s*([A-Za-z0-9_-]+)\s*=", line)) is not None:
            found.setdefault(f"{table}.{key[1]}".lstrip("."), number)
    return found


def _nearest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
