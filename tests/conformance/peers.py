"""The same path cases asked of OpenSSL's command and of cryptography's x509.verification, each given all that it can use."""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from tests.conformance.path_cases import ANY_POLICY, PathCase

_NAME_OPTIONS: Final = {"DNS": "-verify_hostname", "IP": "-verify_ip", "RFC822": "-verify_email"}
_DEPTH_MAX: Final = 100  # OpenSSL's own default; cryptography wants 0 to 255
_AT_ONCE: Final = 2


@cache
def openssl_version() -> str:
    """Such as "OpenSSL 3.0.17"; "" where the command is not installed."""
    try:
        run = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return " ".join(run.stdout.split()[:2])


def ask_openssl_all(cases: list[PathCase]) -> list[bool | None]:
    """`ask_openssl` of each, two at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask_openssl, cases))


@cache
def ask_openssl(case: PathCase) -> bool | None:
    """What `openssl verify -x509_strict` says; None where there is no such command."""
    if not openssl_version():
        return None
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(_command(case, Path(folder)), capture_output=True, check=False, timeout=60)
    return run.returncode == 0


def _command(case: PathCase, folder: Path) -> list[str]:
    for name, certificates in (("anchors", case.anchors), ("sent", case.sent), ("leaf", (case.leaf,))):
        (folder / name).write_text("".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates))
    settings = case.settings
    command = ["openssl", "verify", "-x509_strict", "-partial_chain", "-no-CApath", "-no-CAstore", "-policy_check"]
    command += ["-attime", str(case.at), "-verify_depth", str(min(settings.intermediates_max, _DEPTH_MAX))]
    for policy in settings.policies or (ANY_POLICY,):
        command += ["-policy", policy]
    command += ["-explicit_policy"] if settings.explicit_policy or settings.policies else []
    command += ["-inhibit_map"] if settings.inhibit_policy_mapping else []
    command += ["-inhibit_any"] if settings.inhibit_any_policy else []
    if {"serverAuth", "clientAuth"} & set(settings.extended_key_usage):
        command += ["-purpose", "sslserver" if "serverAuth" in settings.extended_key_usage else "sslclient"]
    if case.peer_name is not None:
        command += [_NAME_OPTIONS[case.peer_name[0]], case.peer_name[1]]
    command += ["-CAfile", str(folder / "anchors"), *(["-untrusted", str(folder / "sent")] if case.sent else [])]
    return [*command, str(folder / "leaf")]


def ask_cryptography(case: PathCase) -> bool | None:
    """What x509.verification says; None where it has no way to be asked (a server without a name).

    A client's certificate, and what is neither, is asked with RFC 5280's demands on the CAs and none on the leaf: the
    WebPKI's would refuse all of PKITS.
    """
    try:
        return _cryptography(case)
    except (ValueError, VerificationError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False


def _cryptography(case: PathCase) -> bool | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = PolicyBuilder().store(Store([x509.load_der_x509_certificate(der) for der in case.anchors]))
        builder = builder.time(datetime.fromtimestamp(case.at, UTC)).max_chain_depth(
            min(case.settings.intermediates_max, 255)
        )
        leaf = x509.load_der_x509_certificate(case.leaf)
        sent = [x509.load_der_x509_certificate(der) for der in case.sent]
        if case.peer_name is not None and not case.client:
            kind, name = case.peer_name
            subject: x509.DNSName | x509.IPAddress = (
                x509.DNSName(name) if kind == "DNS" else x509.IPAddress(ipaddress.ip_address(name))
            )
            builder.build_server_verifier(subject).verify(leaf, sent)
        elif case.client or case.settings.extended_key_usage:
            policies = ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.permit_all()
            builder = builder.extension_policies(ca_policy=policies[0], ee_policy=policies[1])
            builder.build_client_verifier().verify(leaf, sent)
        else:
            return None
    return True
