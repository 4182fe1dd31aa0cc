"""Real input, first part: a root, an intermediate and clients' certificates made by `openssl ca` and `openssl x509`.

The clients sign their challenges with `openssl dgst`; `openssl verify` is asked about every certificate too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sekisho.demo import Case
from sekisho.demo.desk import Desk, Row
from sekisho.demo.programs import need, run
from sekisho.profiles import Profile
from sekisho.trust import TrustStore

__all__ = ["PROFILE", "Pki", "cases", "make_pki"]

PROFILE: Final = "client-auth-test"

_CONFIG: Final = """\
[req]
distinguished_name = name
prompt = no
string_mask = utf8only
[name]
C = JP
O = sekisho demo
[policy]
countryName = optional
organizationName = optional
commonName = supplied
[root]
dir = .
database = root.index
serial = root.serial
new_certs_dir = .
certificate = root.pem
private_key = root.key
default_md = sha256
default_days = 3650
policy = policy
unique_subject = no
[issuing]
dir = .
database = issuing.index
serial = issuing.serial
new_certs_dir = .
certificate = issuing.pem
private_key = issuing.key
default_md = sha256
default_days = 365
policy = policy
unique_subject = no
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
"""


@dataclass(frozen=True)
class Pki:
    """A folder with what OpenSSL made: NAME.key, NAME.pem and NAME.der of each certificate."""

    folder: Path
    openssl: str

    def der(self, name: str) -> bytes:
        """The certificate `name`."""
        return (self.folder / f"{name}.der").read_bytes()

    def sign(self, name: str, message: bytes) -> bytes:
        """The signature over `message` by the key `name`, as `openssl dgst -sha256 -sign` makes it."""
        (self.folder / "message").write_bytes(message)
        self.run("dgst", "-sha256", "-sign", f"{name}.key", "-out", "signature", "message")
        return (self.folder / "signature").read_bytes()

    def verifies(self, name: str) -> bool:
        """Whether `openssl verify` takes the certificate for a TLS client's."""
        said = self.run(
            *("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "root.pem", "-untrusted", "issuing.pem"),
            f"{name}.pem",
            ok=False,
        )
        return said.strip().endswith(": OK")

    def run(self, *arguments: str, ok: bool = True) -> str:
        return run(self.openssl, *arguments, folder=self.folder, ok=ok)

    def key(self, name: str, kind: str = "RSA") -> None:
        options = ("-pkeyopt", "rsa_keygen_bits:2048" if kind == "RSA" else "ec_paramgen_curve:P-256")
        self.run("genpkey", "-quiet", "-algorithm", kind, *options, "-out", f"{name}.key")

    def request(self, name: str) -> None:
        subject = f"/C=JP/O=sekisho demo/CN={name}"
        self.run("req", "-new", "-config", "ca.cnf", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")

    def issue(self, authority: str, name: str, extensions: str, *options: str) -> None:
        """By `openssl ca`."""
        self.request(name)
        self.run(
            *("ca", "-batch", "-notext", "-config", "ca.cnf", "-name", authority, "-extensions", extensions),
            *("-in", f"{name}.csr", "-out", f"{name}.pem", *options),
        )
        self.convert(name)

    def convert(self, name: str) -> None:
        self.run("x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der")


def make_pki(folder: Path) -> Pki:
    """Root and intermediate, and client certificates: good ones (RSA by `openssl ca`, P-256 by `openssl x509`), one
    that has run out, and a server's.

    Raises:
        Missing: there is no OpenSSL program.
        ProgramError: it failed.
    """
    pki = Pki(folder, need("openssl", "openssl"))
    (folder / "ca.cnf").write_text(_CONFIG)
    for authority in ("root", "issuing"):
        (folder / f"{authority}.index").touch()
        (folder / f"{authority}.serial").write_text("1000\n")
    pki.key("root")
    subject = "/C=JP/O=sekisho demo/CN=root"
    pki.run(
        *("req", "-x509", "-new", "-config", "ca.cnf", "-extensions", "authority", "-days", "3650", "-sha256"),
        *("-key", "root.key", "-subj", subject, "-out", "root.pem"),
    )
    pki.convert("root")
    for name in ("issuing", "rsa", "server", "expired"):
        pki.key(name)
    pki.key("p256", "EC")
    pki.issue("root", "issuing", "intermediate")
    pki.issue("issuing", "rsa", "client")
    pki.issue("issuing", "server", "server")
    pki.issue("issuing", "expired", "client", "-startdate", "20240101000000Z", "-enddate", "20250101000000Z")
    pki.request("p256")
    pki.run(
        *("x509", "-req", "-in", "p256.csr", "-CA", "issuing.pem", "-CAkey", "issuing.key", "-set_serial", "4096"),
        *("-days", "30", "-sha256", "-extfile", "ca.cnf", "-extensions", "client", "-out", "p256.pem"),
    )
    pki.convert("p256")
    return pki


def cases(pki: Pki, at: int | None = None) -> Iterator[Case]:
    """Logins and certificates of that PKI under `PROFILE`, each with the reason that it deserves."""
    at = int(time.time()) if at is None else at
    desk = Desk(Profile.load(PROFILE), at, pki.folder)
    known = TrustStore([pki.der("root")], [pki.der("issuing")])
    root_only = TrustStore([pki.der("root")])

    def login(name: str, **different: bytes) -> Row:
        challenge = desk.issue()
        made = Row(pki.der(name), challenge, pki.sign(name, challenge))
        return replace(made, **different)

    def tried(what: str, expected: str, trust: TrustStore, row: Row) -> Case:
        return Case(what, expected, desk.verify(trust, [row])[0].reason.kebab)

    rsa = login("rsa")
    yield tried("RSA-2048 by `openssl ca`, signed by `openssl dgst`", "accepted", known, rsa)
    yield tried("the same login once more", "challenge-used", known, rsa)
    yield tried("P-256 by `openssl x509 -req`", "accepted", known, login("p256"))
    yield tried("only the root trusted, no intermediate sent", "issuer-unknown", root_only, login("rsa"))
    sent = login("rsa", intermediates=pki.der("issuing"))
    yield tried("only the root trusted, the intermediate sent along", "accepted", root_only, sent)
    forged = replace(login("rsa"), signature=pki.sign("server", b"something else"))
    yield tried("signed by another key", "signature-wrong", known, forged)
    yield tried("a certificate that has run out", "expired", known, login("expired"))
    yield tried("a TLS server's certificate", "extended-key-usage", known, login("server"))
    said = {name: pki.verifies(name) for name in ("rsa", "p256", "expired", "server")}
    agrees = said == {"rsa": True, "p256": True, "expired": False, "server": False}
    yield Case("`openssl verify` asked about these four certificates", "agrees", "agrees" if agrees else f"{said}")
