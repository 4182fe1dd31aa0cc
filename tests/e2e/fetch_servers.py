"""Real servers for the fetcher, on loopback: nginx, slapd, and one that says exactly what a test wants it to."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SUFFIX = "o=ca"
BIND_DN, PASSWORD = f"cn=reader,{SUFFIX}", "open sesame"


def program(name: str) -> str:
    """Where it is: some come from PyPI, and Debian keeps servers out of users' PATH."""
    found = (
        shutil.which(name, path=str(Path(sys.executable).parent))
        or shutil.which(name)
        or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    )
    assert found is not None, f"{name} is missing: .ci/system-packages peers"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(500):
        assert process.poll() is None, log.read_text() if log.exists() else "it ended at once"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")


def a_crl(number: int = 1, *, entries: int = 0, name: str = "fetch test CA") -> bytes:
    """A CRL, DER, of a key that is thrown away: nobody here looks at signatures."""
    at = datetime(2026, 4, 1, tzinfo=UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .last_update(at)
        .next_update(at + timedelta(days=1))
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial in range(1, entries + 1):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        )
    return builder.sign(_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


_KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Tls:
    """A CA and a server certificate for 127.0.0.1 (and not for localhost)."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Tls:
        now = datetime.now(UTC)

        def build(name: str, issuer: str, key: ec.EllipticCurvePrivateKey, *more: x509.ExtensionType) -> bytes:
            builder = (
                x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
                .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(hours=1))
                .not_valid_after(now + timedelta(days=1))
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False)
            )
            for one in more:
                builder = builder.add_extension(one, critical=isinstance(one, x509.BasicConstraints))
            return builder.sign(ca, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

        ca, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        made = cls(folder / "ca.pem", folder / "server.pem", folder / "server.key")
        made.ca.write_bytes(build("test CA", "test CA", ca, x509.BasicConstraints(True, None)))
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made.certificate.write_bytes(build("server", "test CA", key, x509.BasicConstraints(False, None), address))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        made.key.write_bytes(key.private_bytes(*form))
        return made


class Nginx:
    """nginx over a folder: /plain, /slow (20 kB/s), /busy (one request a second, else 503 with Retry-After), redirects."""

    def __init__(self, folder: Path, tls: Tls) -> None:
        self.port, self.tls_port = free_port(), free_port()
        self.files = folder / "files"
        self.files.mkdir()
        self.log = folder / "access.log"
        (folder / "nginx.conf").write_text(f"""
            daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
            events {{ worker_connections 64; }}
            http {{
                log_format one '$status $request_uri "$http_if_none_match" "$http_user_agent"';
                access_log {self.log} one;
                client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
                uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
                limit_req_zone $server_port zone=busy:1m rate=60r/m;
                types {{ text/html html; }} default_type application/pkix-crl;
                server {{
                    listen 127.0.0.1:{self.port};
                    listen 127.0.0.1:{self.tls_port} ssl;
                    ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};
                    location / {{ root {self.files}; }}
                    location /slow/ {{ alias {self.files}/; limit_rate 20k; }}
                    location /busy/ {{ alias {self.files}/; limit_req zone=busy; error_page 503 @busy; }}
                    location @busy {{ internal; add_header Retry-After 1 always; return 503; }}
                    location /asleep {{ add_header Retry-After 5000 always; return 503; }}
                    location /moved {{ return 302 /ca.crl; }}
                    location /loop {{ return 302 /loop; }}
                    location /up {{ return 302 https://127.0.0.1:{self.tls_port}/ca.crl; }}
                    location /file {{ return 302 file:///etc/passwd; }}
                }}
            }}""")
        command = [
            program("nginx"),
            "-c",
            str(folder / "nginx.conf"),
            "-p",
            str(folder),
            "-e",
            str(folder / "error.log"),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process, folder / "error.log")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def requests(self, path: str) -> list[str]:
        """The log's lines about a path."""
        return [line for line in self.log.read_text().splitlines() if f" /{path} " in line]

    def put(self, name: str, content: bytes) -> None:
        (self.files / name).write_bytes(content)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Slapd:
    """OpenLDAP's server over a small tree: o=ca with a reader who may bind, and entries with CRLs."""

    def __init__(self, folder: Path, tls: Tls, entries: dict[str, dict[str, list[bytes]]]) -> None:
        self.port, self.tls_port = free_port(), free_port()
        (folder / "db").mkdir()
        config = folder / "slapd.conf"
        lines = f"""
            include /etc/ldap/schema/core.schema
            pidfile {folder}/pid
            modulepath /usr/lib/ldap
            moduleload back_mdb
            TLSCACertificateFile {tls.ca}
            TLSCertificateFile {tls.certificate}
            TLSCertificateKeyFile {tls.key}
            database mdb
            suffix "{SUFFIX}"
            directory {folder}/db
            access to dn.subtree="ou=closed,{SUFFIX}" by dn.exact="{BIND_DN}" read by * none
            access to attrs=userPassword by anonymous auth by * none
            access to * by * read
        """
        config.write_text("\n".join(line.strip() for line in lines.splitlines()))  # a blank begins a continuation
        ldif = [
            f"dn: {SUFFIX}\nobjectClass: organization\no: ca\n",
            f"dn: {BIND_DN}\nobjectClass: person\ncn: reader\nsn: reader\nuserPassword: {PASSWORD}\n",
            f"dn: ou=closed,{SUFFIX}\nobjectClass: organizationalUnit\nou: closed\n",
        ]
        for dn, attributes in entries.items():
            kind, _, name = dn.partition(",")[0].partition("=")
            lines = [f"dn: {dn}", "objectClass: cRLDistributionPoint", f"{kind}: {name}"]
            for attribute, values in attributes.items():
                lines += [f"{attribute}:: {base64.b64encode(value).decode()}" for value in values]
            ldif.append("\n".join(lines) + "\n")
        (folder / "tree.ldif").write_text("\n".join(ldif))
        log = folder / "log"
        command = [program("slapd"), "-T", "add", "-q", "-f", str(config), "-l", str(folder / "tree.ldif")]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        with log.open("wb") as out:
            command = [program("slapd"), "-f", str(config), "-h", urls, "-d", "0"]
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        wait_for(self.port, self.process, log)

    @property
    def server(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_server(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@dataclass
class Scripted:
    """A server that answers each connection by the next of its scripts: broken answers, which no good server gives."""

    scripts: list[Callable[[socket.socket], None]] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Scripted:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def url(self, path: str = "ca.crl") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            with peer, suppress(OSError):  # whoever called may hang up
                script(peer)


def answer(
    head: str, body: bytes = b"", *, then: Callable[[], object] = lambda: None
) -> Callable[[socket.socket], None]:
    """A script: read the request, say this, do that, hang up."""

    def script(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        then()

    return script
