"""Where CRLs come from: URLs, entries of directories, and the TOML file that lists them.

    folder = "/var/lib/sekisho/crls"    # the watched folder; paths are relative to this file; left out: --into says it
    size_max = 2147483648               # bytes of a CRL over HTTP; 2 GiB (over LDAP at most 256 MiB)
    tries = 5                           # of a source in a round
    timeout = 30                        # seconds in which a server must send something
    deadline = 3600                     # seconds that one try may take in all
    parallel = 4                        # sources at once
    proxy = "http://proxy.example:3128" # for http and https; left out: none, whatever the environment says
    ca_file = "ca.pem"                  # CA certificates for https; left out: the system's

    [[directory]]                       # an LDAP server that wants more than an anonymous look-up
    server = "ldap://dir.example"       # or ldaps://
    start_tls = true                    # ldap:// alone; false
    bind_dn = "cn=crl,dc=example"       # left out: anonymous
    password_file = "dir.password"      # or password_env = "NAME"; never here
    plaintext_password = false          # true: the password may go over ldap:// without TLS; false
    ca_file = "dir-ca.pem"              # CA certificates for its TLS; left out: the system's

    [[source]]
    name = "city"                       # the file is city.crl; left out: made of the URL
    url = "http://ca.example/city.crl"  # or a list: other ways to the same CRL, tried in turn

    [[source]]
    url = "ldap://dir.example/cn=city,o=ca?certificateRevocationList;binary"     # RFC 4516

    [[source]]
    dn = "CN=Kofu-shi CRLDP,OU=Yamanashi,O=JPKI,C=JP"     # of a directory: the only one, or the one that is named
    directory = "ldap://dir.example"

A key that is not known is refused, and so is what contradicts itself.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

__all__ = [
    "ATTRIBUTES",
    "Directory",
    "HttpLocation",
    "LdapLocation",
    "Limits",
    "Location",
    "Password",
    "Plan",
    "Source",
    "SourceError",
    "directory_of",
    "ldap_location",
    "plan_of_toml",
    "source_of_url",
]

SIZE_MAX: Final = 2 << 30  # bytes; twice the largest CRL that JPKI's counts suggest
ATTRIBUTES: Final = (
    "certificateRevocationList;binary",
    "deltaRevocationList;binary",
    "authorityRevocationList;binary",
)
"""What an entry holds CRLs in (RFC 4523, 2.3 to 2.5)."""
_KINDS: Final = {one.partition(";")[0].lower() for one in ATTRIBUTES}
_SCOPES: Final = ("base", "one", "sub")  # RFC 4516, 2
_PORTS: Final = {"ldap": 389, "ldaps": 636, "http": 80, "https": 443}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # no dot: what follows one is ours
_PASSWORD_SIZE_MAX: Final = 4096  # bytes
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class SourceError(ValueError):
    """A URL, a file of sources, or a password file is not as it must be; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Password:
    """Where a password stands: in a file that nobody else can read, or in the environment."""

    file: Path | None = None
    variable: str = ""

    def read(self) -> str:
        """The password itself, without a line end.

        Raises:
            SourceError: it is not there, empty, or others can read it.
        """
        if self.file is None:
            found = os.environ.get(self.variable, "")
            if not found:
                raise SourceError(f"the environment variable {self.variable} holds no password")
            return found
        try:
            with self.file.open("rb") as file:
                _check_guarded(self.file, os.fstat(file.fileno()))
                content = file.read(_PASSWORD_SIZE_MAX + 1)
        except OSError as error:
            raise SourceError(f"{self.file}: {error.strerror}") from None
        try:
            found = content.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            found = ""
        if not found or len(content) > _PASSWORD_SIZE_MAX:
            raise SourceError(f"{self.file} holds no password: one line of UTF-8 is wanted")
        return found


@dataclass(frozen=True, slots=True)
class Directory:
    """An LDAP server, and how to come before it."""

    scheme: str
    host: str
    port: int
    start_tls: bool = False
    bind_dn: str = ""
    password: Password | None = None
    plaintext_password: bool = False
    ca_file: Path | None = None

    @property
    def url(self) -> str:
        """As RFC 4516 writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


@dataclass(frozen=True, slots=True)
class HttpLocation:
    """A CRL behind a URL of http or https."""

    url: str
    host: str

    @property
    def shown(self) -> str:
        """For people: without the query, in which a token may stand."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class LdapLocation:
    """CRLs in one entry of a directory, or in those below it."""

    directory: Directory
    dn: str
    attributes: tuple[str, ...] = ATTRIBUTES
    scope: str = "base"
    filter: str = "(objectClass=*)"

    @property
    def url(self) -> str:
        """As RFC 4516 writes it."""
        attributes = "" if self.attributes == ATTRIBUTES else ",".join(self.attributes)
        rest = f"?{attributes}?{self.scope}?{quote(self.filter, safe='()=*&|!;')}".removesuffix("?base?(objectClass=*)")
        return f"{self.directory.url}/{quote(self.dn, safe='=,+ ').replace(' ', '%20')}{rest.removesuffix('?')}"

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.directory.url}/{self.dn}"

    @property
    def host(self) -> str:
        """Host and port."""
        return f"{self.directory.host}:{self.directory.port}"


Location: TypeAlias = HttpLocation | LdapLocation


@dataclass(frozen=True, slots=True)
class Source:
    """One CRL (or the CRLs of one entry), and the ways to it, tried in turn."""

    name: str
    locations: tuple[Location, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a fetch may take.  See the module for each."""

    size_max: int = SIZE_MAX
    tries: int = 5
    timeout: int = 30
    deadline: int = 3600
    parallel: int = 4
    proxy: str = ""
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise SourceError(f"{name}: a whole number from {least:,} to {most:,} is wanted, not {value!r}")
        if self.proxy:
            parts = _split(self.proxy)
            if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
                raise SourceError(f"proxy: {_shown(self.proxy)} is not of the form http://host:port")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise SourceError(f"ca_file: {self.ca_file} is no file: give the CA certificates in PEM")


_BOUNDS: Final = {
    "size_max": (1, 1 << 40),
    "tries": (1, 100),
    "timeout": (1, 3600),
    "deadline": (1, 7 * 86400),
    "parallel": (1, 64),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fetch, from where, into which folder."""

    sources: tuple[Source, ...]
    limits: Limits = field(default_factory=Limits)
    folder: Path | None = None
    directories: tuple[Directory, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, Source] = {}
        for source in self.sources:
            other = seen.setdefault(source.name.lower(), source)
            if other is not source:
                raise SourceError(
                    f"two sources are named {source.name!r}: their files would be one; name one otherwise"
                )


# ---- URLs ----------------------------------------------------------------------------------------


def source_of_url(
    urls: str | Sequence[str],
    *,
    name: str = "",
    directories: Sequence[Directory] = (),
    directory: Directory | None = None,
) -> Source:
    """The source behind a URL, or behind several that lead to one CRL.

    Args:
        urls: http, https, ldap or ldaps.
        name: of its file; made of the first URL if empty.
        directories: how to come before the servers of ldap URLs; others are asked anonymously.
        directory: the server that is meant where an ldap URL names none.

    Raises:
        SourceError: no such URL can be fetched.
    """
    given = [urls] if isinstance(urls, str) else list(urls)
    if not given:
        raise SourceError("url: an empty list leads nowhere")
    locations = tuple(_location(url, directories, directory) for url in given)
    return Source(name or name_of(locations[0]), locations)


def directory_of(
    server: str,
    *,
    start_tls: bool = False,
    bind_dn: str = "",
    password: Password | None = None,
    plaintext_password: bool = False,
    ca_file: Path | None = None,
) -> Directory:
    """An LDAP server by its URL.

    Raises:
        SourceError: no URL of a server, or a combination that would show the password to the network.
    """
    parts = _split(server)
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise SourceError(f"{_shown(server)} is no LDAP server: write ldap://host, ldap://host:port or ldaps://host")
    if parts.scheme == "ldaps" and start_tls:
        raise SourceError(f"{server}: ldaps is TLS from its first byte: leave start_tls out, or write ldap://")
    if bool(bind_dn) != (password is not None):
        raise SourceError(f"{server}: a bind takes both bind_dn and a password (password_file or password_env)")
    safe = parts.scheme == "ldaps" or start_tls or plaintext_password or parts.hostname in _LOOPBACK
    if password is not None and not safe:
        raise SourceError(
            f"{server}: the password would cross the network in the clear: use start_tls or ldaps://, or say "
            "plaintext_password = true"
        )
    if ca_file is not None and not ca_file.is_file():
        raise SourceError(f"ca_file: {ca_file} is no file: give the CA certificates in PEM")
    port = _port(parts, server)
    return Directory(parts.scheme, parts.hostname, port, start_tls, bind_dn, password, plaintext_password, ca_file)


def ldap_location(directory: Directory, dn: str) -> LdapLocation:
    """All the CRLs in the entry of that name (RFC 4514)."""
    return LdapLocation(directory, dn)


def name_of(location: Location) -> str:
    """A name that tells people what it is, and by its last eight letters, of the URL's hash, never two things."""
    if isinstance(location, HttpLocation):
        stem = unquote(urlsplit(location.url).path).rstrip("/").rpartition("/")[2]
        stem = re.sub(r"\.(crl|der|pem)$", "", stem, flags=re.IGNORECASE)
    else:
        stem = re.split(r"(?<!\\)[,+]", location.dn)[0].partition("=")[2]
    stem = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:60].strip("-") or "crl"
    return f"{stem}-{hashlib.sha256(location.url.encode()).hexdigest()[:8]}"


def _location(url: str, directories: Sequence[Directory], directory: Directory | None) -> Location:
    parts = _split(url)
    if parts.scheme in ("http", "https"):
        if not parts.hostname:
            raise SourceError(f"{_shown(url)} names no host")
        return HttpLocation(url.partition("#")[0], f"{parts.hostname}:{_port(parts, url)}")
    if parts.scheme not in ("ldap", "ldaps"):
        raise SourceError(f"{_shown(url)}: only http, https, ldap and ldaps are fetched; copy files into the folder")
    if parts.hostname:
        port = _port(parts, url)
        there = (parts.scheme, parts.hostname, port)
        known = [one for one in directories if (one.scheme, one.host, one.port) == there]
        directory = known[0] if known else Directory(*there)
    elif directory is None:
        raise SourceError(f"{_shown(url)} names no server: say which one is meant (--ldap-server, or directory)")
    return _ldap(url, parts, directory)


def _ldap(url: str, parts: SplitResult, directory: Directory) -> LdapLocation:
    """RFC 4516, 2: ldap://host/dn?attributes?scope?filter?extensions."""
    if parts.fragment:
        raise SourceError(f"{_shown(url)}: # in a name must be written %23")
    fields = [*parts.query.split("?"), "", "", ""]
    try:
        dn = unquote(parts.path.removeprefix("/"), errors="strict")
        attributes, scope, condition, extensions, *more = (unquote(one, errors="strict") for one in fields)
    except UnicodeDecodeError:
        raise SourceError(f"{_shown(url)}: the percent-encoded bytes are not UTF-8") from None
    if not dn:
        raise SourceError(f"{_shown(url)} names no entry: ldap://host/DN?certificateRevocationList;binary is wanted")
    if any(more) or any(one.strip().startswith("!") for one in extensions.split(",")):
        raise SourceError(f"{_shown(url)}: a critical extension that is not known here (RFC 4516, 2)")
    wanted = tuple(one.strip() for one in attributes.split(",") if one.strip())
    for one in wanted:
        if one.partition(";")[0].lower() not in _KINDS:
            raise SourceError(f"{_shown(url)}: {one!r} holds no CRLs; {', '.join(ATTRIBUTES)} do")
    scope = scope.lower() or "base"
    if scope not in _SCOPES:
        raise SourceError(f"{_shown(url)}: the scope must be base, one or sub, not {scope!r}")
    condition = condition or "(objectClass=*)"
    if not condition.startswith("("):
        condition = f"({condition})"  # as some CAs write it
    return LdapLocation(directory, dn, wanted or ATTRIBUTES, scope, condition)


def _split(url: str) -> SplitResult:
    if not url.isascii() or any(c <= " " for c in url):
        raise SourceError(f"{_shown(url)}: a URL has neither spaces nor letters beyond ASCII: percent-encode them")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise SourceError(f"{_shown(url)} is no URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise SourceError(f"{_shown(url)}: a URL is no place for a user or password, and none is sent from there")
    return parts


def _port(parts: SplitResult, url: str) -> int:
    if parts.port == 0:
        raise SourceError(f"{_shown(url)}: there is no port 0")
    return parts.port or _PORTS[parts.scheme]


def _shown(url: str) -> str:
    """For messages: without user, password and query, and harmless on a terminal."""
    shown = re.sub(r"//[^/@]*@", "//…@", url)
    return ascii(shown if shown.startswith("ldap") else shown.partition("?")[0])[1:-1]


# ---- the TOML file -------------------------------------------------------------------------------

_TOP: Final = {
    "folder": str,
    "size_max": int,
    "tries": int,
    "timeout": int,
    "deadline": int,
    "parallel": int,
    "proxy": str,
    "ca_file": str,
    "directory": list,
    "source": list,
}
_DIRECTORY: Final = {
    "server": str,
    "start_tls": bool,
    "bind_dn": str,
    "password_file": str,
    "password_env": str,
    "plaintext_password": bool,
    "ca_file": str,
}
_SOURCE: Final = {"name": str, "url": (str, list), "dn": str, "directory": str}
_TYPES: Final = {str: "text", int: "a whole number", bool: "true or false", list: "a list of tables"}


def plan_of_toml(path: Path) -> Plan:
    """The plan in a TOML file; the module says what may stand in it.

    Raises:
        SourceError: it is not as it must be.
        OSError: it cannot be read.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: this is not TOML: {error}") from None
    try:
        return _plan(document, path.parent)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from None


def _plan(document: Mapping[str, Any], base: Path) -> Plan:
    _check(document, _TOP, "")
    directories = []
    for number, table in enumerate(document.get("directory", []), 1):
        directories.append(_told(f"directory {number}", table, _DIRECTORY, lambda t: _directory(t, base)))
    servers = [one.url for one in directories]
    if len(set(servers)) != len(servers):
        raise SourceError("directory: one server stands twice")
    sources = []
    for number, table in enumerate(document.get("source", []), 1):
        sources.append(_told(f"source {number}", table, _SOURCE, lambda t: _source(t, directories)))
    limits = {name: document[name] for name in (*_BOUNDS, "proxy") if name in document}
    if "ca_file" in document:
        limits["ca_file"] = base / document["ca_file"]
    folder = base / document["folder"] if "folder" in document else None
    return Plan(tuple(sources), Limits(**limits), folder, tuple(directories))


def _told(where: str, table: Any, known: Mapping[str, Any], make: Any) -> Any:
    try:
        if not isinstance(table, dict):
            raise SourceError(f"a table is wanted: write [[{where.split(maxsplit=1)[0]}]]")
        _check(table, known, "")
        return make(table)
    except SourceError as error:
        raise SourceError(f"{where}: {error}") from None


def _directory(table: Mapping[str, Any], base: Path) -> Directory:
    if "server" not in table:
        raise SourceError('server is missing: write server = "ldap://host"')
    if "password_file" in table and "password_env" in table:
        raise SourceError("password_file and password_env stand both there: one is enough")
    password = None
    if "password_file" in table:
        password = Password(file=base / table["password_file"])
    elif "password_env" in table:
        password = Password(variable=table["password_env"])
    return directory_of(
        table["server"],
        start_tls=table.get("start_tls", False),
        bind_dn=table.get("bind_dn", ""),
        password=password,
        plaintext_password=table.get("plaintext_password", False),
        ca_file=base / table["ca_file"] if "ca_file" in table else None,
    )


def _source(table: Mapping[str, Any], directories: Sequence[Directory]) -> Source:
    name = table.get("name", "")
    if name and not _NAME.fullmatch(name):
        raise SourceError(
            f"name: {name!r} must be letters, digits, - and _, at most 100, beginning with one of the first two"
        )
    if ("url" in table) == ("dn" in table):
        raise SourceError("either url or dn is wanted")
    meant = directories[0] if len(directories) == 1 else None
    if "directory" in table:
        asked = directory_of(table["directory"]).url
        named = [one for one in directories if one.url == asked]
        meant = named[0] if named else directory_of(table["directory"])
    if "dn" in table:
        if meant is None:
            raise SourceError('dn: of which directory? Write directory = "ldap://host"')
        if not table["dn"]:
            raise SourceError("dn: an entry's name is wanted")
        location = ldap_location(meant, table["dn"])
        return Source(name or name_of(location), (location,))
    urls = table["url"]
    if isinstance(urls, list) and not all(isinstance(one, str) for one in urls):
        raise SourceError("url: a URL, or a list of URLs is wanted")
    return source_of_url(urls, name=name, directories=directories, directory=meant)


def _check(table: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for key, value in table.items():
        if key not in known:
            raise SourceError(f"{where}{key!r} is not known here{_nearest(key, known)}")
        wanted = known[key] if isinstance(known[key], tuple) else (known[key],)
        if type(value) not in wanted:
            raise SourceError(f"{where}{key}: {' or '.join(_TYPES[one] for one in wanted)} is wanted, not {value!r}")


def _nearest(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f" (is {near[0]!r} meant?)" if near else f"; known are {', '.join(known)}"


def _check_guarded(path: Path, status: os.stat_result) -> None:
    """As keyfiles.py has it: nobody else reads it; systemd's credentials may show group read."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = directory is not None and path.resolve().parent == Path(directory).resolve()
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path} is not a regular file")
    if status.st_mode & (0o037 if credential else 0o077):
        raise SourceError(f"others can read {path} (mode {stat.S_IMODE(status.st_mode):04o}): run `chmod 600 {path}`")
