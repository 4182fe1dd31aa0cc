"""LDAPv3 (RFC 4511): the CRLs in entries of a directory (RFC 4523), through ldap3.

Anonymous or simple bind; ldaps, or StartTLS (RFC 4511, 4.14); TLS is verified, always.  Referrals are not followed: who is
asked is who was named.  ldap3 leaves the size of an answer and the time that it takes to the server, so the socket it reads
from is ours: `_Framed` hands it one whole message at a time and bounds both.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import ldap3
from ldap3.core.exceptions import (
    LDAPException,
    LDAPInvalidFilterError,
    LDAPSocketOpenError,
    LDAPStartTLSError,
)

from sekisho.revocation.fetch.failure import Failure, Interrupted
from sekisho.revocation.fetch.http import CONNECT_SECONDS_MAX, tls_context
from sekisho.revocation.fetch.sources import Directory, LdapLocation, Limits, SourceError

__all__ = ["LdapClient", "Value"]

MESSAGE_SIZE_MAX: Final = 256 << 20  # bytes: a message lies in memory several times; larger CRLs go over HTTP
_PAGE: Final = 16  # entries a page (RFC 2696)
_PAGED: Final = "1.2.840.113556.1.4.319"
_SLICE: Final = 0.5  # seconds after which a waiting read looks whether we were told to stop
_SCOPES: Final = {"base": ldap3.BASE, "one": ldap3.LEVEL, "sub": ldap3.SUBTREE}
_KINDS: Final = {
    "certificaterevocationlist": "",
    "deltarevocationlist": ".delta",
    "authorityrevocationlist": ".authority",
}

# Result codes (RFC 4511, 4.1.9)
_SUCCESS, _SIZE_LIMIT, _REFERRAL, _NO_SUCH_OBJECT, _INVALID_CREDENTIALS = 0, 4, 10, 32, 49
_AGAIN: Final = (51, 52, 80)  # busy, unavailable, other
_MEANING: Final = {
    _SIZE_LIMIT: "the server gives out fewer entries than there are: raise its limit, or name a smaller part of the tree",
    _REFERRAL: "the server refers to another one, which is not followed: name that one if it is right",
    _NO_SUCH_OBJECT: "there is no such entry",
    _INVALID_CREDENTIALS: "the server does not take this bind DN and password",
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an attribute that holds CRLs.

    Attributes:
        group: what tells it from other entries and attributes of its source; goes into its file's name.
        data: the CRL.
    """

    group: str
    data: bytes


class LdapClient:
    """Connections of one thread, one to a directory."""

    def __init__(self, limits: Limits, stop: threading.Event) -> None:
        self._limits = limits
        self._stop = stop
        self._connections: dict[Directory, ldap3.Connection] = {}

    def values(self, location: LdapLocation) -> Iterator[Value]:
        """One try: every CRL there, as it comes.

        Raises:
            Failure: the directory did not answer, or holds none.
        """
        try:
            yield from self._values(location)
        except (LDAPException, OSError) as error:
            self._drop(location.directory)
            if self._stop.is_set():
                raise Interrupted from None
            raise _told(error) from None
        except Failure:
            self._drop(location.directory)
            raise

    def close(self) -> None:
        """Close all connections."""
        for directory in list(self._connections):
            self._drop(directory)

    def _values(self, location: LdapLocation) -> Iterator[Value]:
        connection = self._connection(location.directory)
        connection.socket.begin()
        cookie: bytes | None = b""
        found = 0
        while cookie is not None:
            connection.socket.renew()
            entries, cookie = self._page(connection, location, cookie)
            for entry in entries:
                for value in _values_of(entry, location):
                    found += 1
                    yield value
        if not found:
            raise Failure(
                "there is no CRL in this entry" if location.scope == "base" else "there is no CRL in these entries"
            )

    def _page(self, connection: Any, location: LdapLocation, cookie: bytes) -> tuple[list[Any], bytes | None]:
        paged: dict[str, Any] = {}
        if location.scope != "base":
            paged = {"paged_size": _PAGE, "paged_cookie": cookie or None}
        connection.search(
            location.dn,
            location.filter,
            search_scope=_SCOPES[location.scope],
            attributes=list(location.attributes),
            time_limit=self._limits.deadline,
            **paged,
        )
        _check(connection.result)
        entries = connection.response or []
        if any(one["type"] == "searchResRef" for one in entries):
            raise Failure(_MEANING[_REFERRAL])
        next_cookie = connection.result.get("controls", {}).get(_PAGED, {}).get("value", {}).get("cookie")
        return entries, next_cookie or None

    def _connection(self, directory: Directory) -> Any:
        kept = self._connections.get(directory)
        if kept is not None:
            return kept
        tls = None
        if directory.scheme == "ldaps" or directory.start_tls:
            tls = _Tls(directory, self._limits, self._stop)
        server = ldap3.Server(
            directory.host,
            directory.port,
            use_ssl=directory.scheme == "ldaps",
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=min(CONNECT_SECONDS_MAX, self._limits.timeout),
        )
        connection = ldap3.Connection(
            server,
            user=directory.bind_dn or None,
            password=_password(directory),
            authentication=ldap3.SIMPLE if directory.bind_dn else ldap3.ANONYMOUS,
            auto_referrals=False,
            receive_timeout=self._limits.timeout,
            read_only=True,
            check_names=False,
        )
        try:
            connection.open(read_server_info=False)
            if tls is None or directory.start_tls:
                connection.socket = _Framed(connection.socket, self._limits, self._stop)
            if directory.start_tls:
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
            _check(connection.result)
        except BaseException:
            with suppress(LDAPException, OSError):
                connection.strategy.close()
            raise
        self._connections[directory] = connection
        return connection

    def _drop(self, directory: Directory) -> None:
        connection = self._connections.pop(directory, None)
        if connection is not None:
            with suppress(LDAPException, OSError, Failure):
                connection.strategy.close()


class _Tls(ldap3.Tls):  # type: ignore[misc]  # ldap3 has no types
    """TLS as `tls_context` makes it; ldap3's own compares host names by itself, and by default verifies nothing."""

    def __init__(self, directory: Directory, limits: Limits, stop: threading.Event) -> None:
        super().__init__()
        self._directory, self._limits, self._stop = directory, limits, stop

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """In place of ldap3's: called after connect (ldaps), or after the server agreed to StartTLS."""
        plain = connection.socket.plain if isinstance(connection.socket, _Framed) else connection.socket
        plain.settimeout(self._limits.timeout)  # for the handshake
        context = tls_context(self._directory.ca_file or self._limits.ca_file)
        secured = context.wrap_socket(plain, server_hostname=self._directory.host)
        connection.socket = _Framed(secured, self._limits, self._stop)


class _Framed:
    """A socket from which each `recv` brings one LDAPMessage (RFC 4511, 5.1), whole and of bounded size, in bounded time."""

    def __init__(self, plain: socket.socket, limits: Limits, stop: threading.Event) -> None:
        self.plain = plain
        self._timeout = limits.timeout
        self._deadline = limits.deadline
        self._size_max = min(limits.size_max, MESSAGE_SIZE_MAX)
        self._stop = stop
        self._end = 0.0
        self._left = 0
        self.begin()
        plain.settimeout(min(_SLICE, limits.timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def begin(self) -> None:
        """A new try begins."""
        self._end = time.monotonic() + self._deadline
        self.renew()

    def renew(self) -> None:
        """A new request begins: as many bytes again."""
        self._left = self._size_max + (1 << 20)  # what stands around the values

    def sendall(self, data: bytes) -> None:
        self.plain.settimeout(self._timeout)
        try:
            self.plain.sendall(data)
        finally:
            self.plain.settimeout(min(_SLICE, self._timeout))

    def recv(self, _: int) -> bytes:
        head = self._exactly(2)
        octets = head[1] & 0x7F if head[1] & 0x80 else 0
        if head[0] != 0x30 or octets > 8 or head[1] == 0x80:  # RFC 4511, 5.1: definite lengths only
            raise Failure("what answers there does not speak LDAP")
        head += self._exactly(octets)
        size = int.from_bytes(head[2:]) if octets else head[1]
        self._left -= size
        if self._left < 0:
            raise Failure(
                f"an answer larger than {self._size_max:,} bytes: bring this CRL over HTTP, or raise size_max"
            )
        return head + self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        taken = bytearray(size)
        view, at, idle = memoryview(taken), 0, time.monotonic()
        while at < size:
            if self._stop.is_set():
                raise Interrupted
            now = time.monotonic()
            if now > self._end:
                raise Failure(f"not done in {self._deadline:,} s: raise deadline if it takes that long", retry=True)
            if now - idle > self._timeout:
                raise Failure("the server sent nothing for too long", retry=True)
            try:
                came = self.plain.recv_into(view[at : at + (1 << 20)])
            except TimeoutError:
                continue
            if came == 0:
                raise Failure("the server closed the connection", retry=True)
            at += came
            idle = time.monotonic()
        return bytes(taken)


def _password(directory: Directory) -> str | None:
    if directory.password is None:
        return None
    try:
        return directory.password.read()
    except SourceError as error:
        raise Failure(str(error)) from None


def _check(result: Any) -> None:
    code = result["result"]
    if code != _SUCCESS:
        said = _MEANING.get(code, f"the server answered {result['description']} ({code})")
        raise Failure(said, retry=code in _AGAIN)


def _values_of(entry: Any, location: LdapLocation) -> Iterator[Value]:
    if entry["type"] != "searchResEntry":
        return
    below = "" if location.scope == "base" else f".{_tag(entry['dn'])}"
    for attribute, values in entry["raw_attributes"].items():
        kind = _KINDS.get(attribute.partition(";")[0].lower())
        if kind is None:
            continue
        for value in values:
            yield Value(f"{below}{kind}", bytes(value))


def _tag(dn: str) -> str:
    """Of an entry below the one that was named: its own name for people, and a hash that tells it from others."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", re.split(r"(?<!\\)[,+]", dn)[0].partition("=")[2]).strip("-")[:60].strip("-")
    return f"{stem or 'entry'}-{hashlib.sha256(dn.lower().encode()).hexdigest()[:8]}"


def _told(error: Exception) -> Failure:
    said = "".join(c if c.isprintable() else " " for c in str(error))[:200]
    if isinstance(error, LDAPInvalidFilterError):
        return Failure("the filter of this URL is none (RFC 4515)")
    if isinstance(error, LDAPStartTLSError) or "ssl" in said.lower():
        return Failure(f"TLS: {said}", retry="verif" not in said.lower(), unreachable=True)
    if isinstance(error, LDAPSocketOpenError):
        return Failure(f"no connection: {said}", retry=True, unreachable=True)
    return Failure(f"the look-up broke off: {said}", retry=True)
