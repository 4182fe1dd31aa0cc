"""HTTP(S) with conditional requests (RFC 9110, 13), through urllib3.

Nothing of the environment counts but SSL_CERT_FILE and SSL_CERT_DIR, which OpenSSL reads for the system's CAs: no proxy
variable, no netrc, no key log.  Certificates of https are verified, always.  Redirects are followed within one scheme, five
at most.
"""

from __future__ import annotations

import email.utils
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import SHUT_RDWR, socket
from typing import Any, Final
from urllib.parse import urljoin

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from sekisho._version import __version__
from sekisho.revocation.fetch.failure import Failure, Interrupted
from sekisho.revocation.fetch.folder import Known, Part
from sekisho.revocation.fetch.sources import HttpLocation, Limits, SourceError, source_of_url

__all__ = ["Answer", "HttpClient", "tls_context"]

REDIRECTS_MAX: Final = 5
CONNECT_SECONDS_MAX: Final = 10
_PIECE: Final = 1 << 18  # bytes asked for at once
_VALIDATOR_MAX: Final = 1024  # characters of an ETag or a date that are kept
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_AGAIN: Final = (408, 425, 429, 500, 502, 503, 504)  # RFC 9110, 15; RFC 6585, 4; RFC 8470, 5.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: a body (in the part), or that there is nothing new."""

    modified: bool
    etag: str = ""
    last_modified: str = ""


@dataclass(slots=True)
class _Try:
    """One try of one thread: when it must be done, and which connection it waits for."""

    end: float
    peer: socket | None = None


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 and later, certificates and host names verified, against `ca_file` or the system's CAs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unlike create_default_context, it heeds no SSLKEYLOGFILE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca_file)
    return context


class HttpClient:
    """Connections to all HTTP servers of a plan; may be used by several threads.

    Args:
        limits: of the plan.
        stop: set when we are told to stop.
        https: whether there is any; the system's CAs take a while to read.
    """

    def __init__(self, limits: Limits, stop: threading.Event, *, https: bool) -> None:
        self._limits = limits
        self._stop = stop
        self._lock = threading.Lock()
        self._active: dict[int, _Try] = {}  # by thread
        options: dict[str, Any] = {
            "maxsize": limits.parallel,
            "block": False,
            "timeout": urllib3.Timeout(connect=min(CONNECT_SECONDS_MAX, limits.timeout), read=limits.timeout),
            "retries": False,
            "headers": {"User-Agent": f"sekisho/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"},
        }
        if https:
            options["ssl_context"] = tls_context(limits.ca_file)
        self._pool = urllib3.ProxyManager(limits.proxy, **options) if limits.proxy else urllib3.PoolManager(**options)
        self._pool.pool_classes_by_scheme = self._pool_classes(https)

    def get(self, location: HttpLocation, known: Known | None, part: Part, came: Any) -> Answer:
        """One try: the body goes to `part`, piece by piece; `came` is told how many bytes each time.

        Raises:
            Failure: nothing that could be a CRL came.
        """
        headers = dict(self._pool.headers)
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        trying = _Try(time.monotonic() + self._limits.deadline)
        with self._lock:
            self._active[threading.get_ident()] = trying
        try:
            return self._follow(location, headers, part, came)
        except (HTTPError, OSError, ValueError) as error:
            if self._stop.is_set():
                raise Interrupted from None
            if time.monotonic() >= trying.end:
                said = f"not done in {self._limits.deadline:,} s: raise deadline if it takes that long"
                raise Failure(said, retry=True) from None
            raise _told(error) from None
        finally:
            with self._lock:
                del self._active[threading.get_ident()]

    def hang_up(self, *, everybody: bool = False) -> None:
        """Hang up on servers whose try has reached its deadline, or on all.

        To be called now and then by another thread: a server that dribbles out its headers octet by octet is never idle,
        and would hold up the round.
        """
        now = time.monotonic()
        with self._lock:
            for one in self._active.values():
                if one.peer is not None and (everybody or now >= one.end):
                    with suppress(OSError):
                        one.peer.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _follow(self, location: HttpLocation, headers: dict[str, str], part: Part, came: Any) -> Answer:
        url = location.url
        for _ in range(REDIRECTS_MAX + 1):
            self._check_time()
            response = self._pool.request(
                "GET", url, headers=headers, redirect=False, preload_content=False, decode_content=False
            )
            try:
                if response.status not in _REDIRECTS:
                    return self._take(
                        response, "If-None-Match" in headers or "If-Modified-Since" in headers, part, came
                    )
                url = _redirected(url, response.headers.get("Location", ""))
            finally:
                response.close()
        raise Failure(f"more than {REDIRECTS_MAX} redirects")

    def _take(self, response: urllib3.BaseHTTPResponse, conditional: bool, part: Part, came: Any) -> Answer:
        if response.status == 304 and conditional:
            response.drain_conn()  # it has no body, and the connection serves the next source
            return Answer(modified=False)
        if response.status != 200:
            again = response.status in _AGAIN
            after = _seconds(response.headers.get("Retry-After", "")) if again else None
            said = f"the server answered {response.status}{_reason(response)}"
            raise Failure(said, retry=again, retry_after=after)
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._limits.size_max:
            raise Failure(
                f"{int(length):,} bytes, larger than {self._limits.size_max:,}: raise size_max if it should be"
            )
        while data := response.read1(_PIECE):
            part.write(data)
            came(len(data))
            self._check_time()
        self._check_time()  # where we hung up, what came looks like an end
        etag = response.headers.get("ETag", "")
        date = response.headers.get("Last-Modified", "")
        return Answer(True, *(one if len(one) <= _VALIDATOR_MAX else "" for one in (etag, date)))

    def _check_time(self) -> None:
        if self._stop.is_set():
            raise Interrupted
        if time.monotonic() >= self._active[threading.get_ident()].end:
            raise TimeoutError  # told by `get`

    def _pool_classes(self, https: bool) -> dict[str, Any]:
        """The pools of urllib3, with connections that say whom a thread waits for."""

        def waits_for(peer: Any) -> None:
            with self._lock:
                self._active[threading.get_ident()].peer = peer

        class Http(HTTPConnection):
            def request(self, *arguments: Any, **options: Any) -> None:
                super().request(*arguments, **options)  # connects first, if it must: within the time-out for that
                waits_for(self.sock)

        class Https(HTTPSConnection):
            def request(self, *arguments: Any, **options: Any) -> None:
                super().request(*arguments, **options)
                waits_for(self.sock)

        class HttpPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Http

        class HttpsPool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Https

        # Without our context there is no https at all, rather than one as a library would have it.
        return {"http": HttpPool, "https": HttpsPool} if https else {"http": HttpPool}


def _redirected(url: str, to: str) -> str:
    if not to:
        raise Failure("a redirect that says not where to")
    try:
        target = source_of_url(urljoin(url, to)).locations[0]
    except SourceError as error:
        raise Failure(f"a redirect that leads nowhere: {error}") from None
    if target.url.partition(":")[0].lower() != url.partition(":")[0].lower():
        raise Failure(
            f"a redirect to another scheme, which is not followed: {target.shown}; list that URL if it is right"
        )
    return target.url


def _reason(response: urllib3.BaseHTTPResponse) -> str:
    reason = (response.reason or "")[:60]
    return f" {reason}" if reason.isprintable() and reason else ""


def _seconds(value: str) -> float | None:
    """Retry-After (RFC 9110, 10.2.3): seconds, or a date."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:12])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _told(error: Exception) -> Failure:
    """What a library's exception means, in a sentence; by default another try may do better."""
    if isinstance(error, ProxyError):
        return Failure(f"the proxy does not let us through: {_cause(error)}", retry=True, unreachable=True)
    if isinstance(error, SSLError | ssl.SSLError):
        verification = "verif" in str(error).lower() or "hostname" in str(error).lower()
        return Failure(f"TLS: {_cause(error)}", retry=not verification, unreachable=True)
    if isinstance(error, NameResolutionError):
        return Failure("the server's name is not known (DNS)", retry=True, unreachable=True)
    if isinstance(error, NewConnectionError):
        return Failure(f"no connection: {_cause(error)}", retry=True, unreachable=True)
    if isinstance(error, ConnectTimeoutError):
        return Failure("the server did not take the connection in time", retry=True, unreachable=True)
    if isinstance(error, ReadTimeoutError | TimeoutError):
        return Failure("the server sent nothing for too long", retry=True)
    if isinstance(error, HTTPError) and not isinstance(error, LocationValueError):
        return Failure(f"the answer broke off: {_cause(error)}", retry=True)
    if isinstance(error, OSError) and error.filename is None and not error.errno:
        return Failure(f"the connection broke: {error}", retry=True)
    if isinstance(error, OSError):
        return Failure(f"{error.strerror or error}", retry=isinstance(error, ConnectionError))
    return Failure(f"{error}")


def _cause(error: Exception) -> str:
    """The innermost of what a library wrapped."""
    inner: BaseException = error
    while True:
        deeper = inner.__cause__ or inner.__context__ or getattr(inner, "original_error", None)
        if deeper is None and inner.args and isinstance(inner.args[-1], Exception):
            deeper = inner.args[-1]
        if deeper is None or deeper is inner:
            break
        inner = deeper
    said = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return "".join(c if c.isprintable() else " " for c in said)[:200]
