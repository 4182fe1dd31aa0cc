"""What users hand in: certificates, keys, trust stores, profiles, from files as they come."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from sekisho import keyfiles
from sekisho.challenges import ChallengeKeys
from sekisho.cli.base import F, Mistake
from sekisho.keyfiles import KeyFileError
from sekisho.modes import Mode
from sekisho.profiles import Profile, ProfileError, shipped
from sekisho.trust import ENDINGS, TrustError, TrustStore

__all__ = [
    "Input",
    "ModeParam",
    "ProfileParam",
    "certificates_in",
    "challenge_keys",
    "keys_option",
    "pem_blocks",
    "profile_option",
    "read_file",
    "revocation_option",
    "told",
    "trust_option",
    "trust_store",
]

FILE_SIZE_MAX: Final = 64 * 1024 * 1024  # bytes of an input file: a batch of certificates or keys, not an archive
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)
_MODES: Final = (
    *(f"rsassa-{kind}-sha{bits}" for kind in ("pkcs1-v1_5", "pkcs1-v1_5-bare", "pss") for bits in (256, 384, 512)),
    "rsassa-pkcs1-v1_5-raw",
    *(f"ecdsa-sha{bits}-{form}" for bits in (256, 384, 512) for form in ("der", "raw")),
    "ed25519",
)
_CERTIFICATE: Final = ("CERTIFICATE", "X509 CERTIFICATE")  # RFC 7468, 5.1


@dataclass(frozen=True)
class Input:
    """One certificate of an input file: `source` is what to call it, `der` its bytes (which may be anything)."""

    source: str
    der: bytes


def read_file(path: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``."""
    if path == "-":
        data = sys.stdin.buffer.read(FILE_SIZE_MAX + 1)
    else:
        with Path(path).open("rb") as file:
            data = file.read(FILE_SIZE_MAX + 1)
    if len(data) > FILE_SIZE_MAX:
        raise Mistake(f"{path}: larger than {FILE_SIZE_MAX >> 20} MB: split it up")
    return data


def pem_blocks(path: str, data: bytes) -> list[tuple[str, bytes]]:
    """(label, content) of every PEM block (RFC 7468), in order; empty if there is none."""
    found = []
    for match in _PEM.finditer(data):
        body = match[2].rpartition(b"\n\n")[2] if b":" in match[2] else match[2]  # headers of old key files
        try:
            found.append((match[1].decode("ascii"), base64.b64decode(b"".join(body.split()), validate=True)))
        except binascii.Error as error:
            line = data[: match.start()].count(b"\n") + 1
            raise Mistake(f"{path}, line {line}: this block is not base64 ({error}): fetch the file again") from None
    return found


def certificates_in(path: str) -> list[Input]:
    """The certificates of a PEM file, or the whole of any other file as one: garbage gets its verdict, not an error."""
    data = read_file(path)
    if b"-----BEGIN " not in data:
        return [Input(path, data)]
    blocks = pem_blocks(path, data)
    found = [der for label, der in blocks if label in _CERTIFICATE]
    if not found:
        has = ", ".join(sorted({label for label, _ in blocks})) or "no whole block"
        raise Mistake(f"{path}: PEM without a BEGIN CERTIFICATE block (it has {has}): give a certificate")
    return [Input(path if len(found) == 1 else f"{path}, certificate {i}", der) for i, der in enumerate(found, 1)]


# ---- trust ---------------------------------------------------------------------------------------


def trust_option(*, required: bool = True) -> Callable[[F], F]:
    """The options `--trust` and `--intermediates`."""

    def add(function: F) -> F:
        function = click.option(
            "--intermediates",
            multiple=True,
            metavar="PATH",
            type=click.Path(exists=True),
            help="CA certificates that are trusted if they chain to an anchor: a file or a folder. May be repeated.",
        )(function)
        return click.option(
            "--trust",
            "anchors",
            multiple=True,
            required=required,
            metavar="PATH|jpki",
            help="Trust anchors: a PEM or DER file, a folder of them, or jpki, the six CA certificates of JPKI that "
            "come with sekisho. May be repeated.",
        )(function)

    return add


def trust_store(anchors: tuple[str, ...], intermediates: tuple[str, ...] = ()) -> TrustStore:
    """The store of these `--trust` and `--intermediates`."""
    roots = [one for path in anchors for one in _authorities(path)]
    others = [one for path in intermediates for one in _authorities(path)]
    try:
        return TrustStore(
            [one.der for one in roots],
            [one.der for one in others],
            sources=[one.source for one in roots + others],
        )
    except TrustError as error:
        raise Mistake(str(error)) from None


def _authorities(path: str) -> list[Input]:
    if path == "jpki":
        folder = resources.files("sekisho") / "data" / "jpki"
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".cer")), key=lambda file: file.name)
        return [Input(f"sekisho's {file.name}", file.read_bytes()) for file in files]
    if not Path(path).exists():
        raise Mistake(f"--trust {path}: there is no such file or folder (for JPKI's own CA certificates: --trust jpki)")
    if not Path(path).is_dir():
        return certificates_in(path)
    inside = sorted(one for one in Path(path).iterdir() if one.suffix.lower() in ENDINGS and one.is_file())
    if not inside:
        raise Mistake(f"{path}: no file here ends in {', '.join(ENDINGS)}: name them so, or give the files themselves")
    return [found for one in inside for found in certificates_in(str(one))]


def revocation_option(function: F) -> F:
    """The option `--revocation`."""
    return click.option(
        "--revocation",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        help="A store of revocation data (`sekisho revocation build`); without it a profile that wants such data refuses.",
    )(function)


# ---- profiles and modes --------------------------------------------------------------------------


class ProfileParam(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A shipped profile's name, or the path of a TOML file."""

    name = "profile"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Profile:
        if isinstance(value, Profile):
            return value
        try:
            return Profile.load(value)
        except ProfileError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name) for name in shipped() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


def profile_option(function: F) -> F:
    """The option `--profile`."""
    return click.option(
        "--profile",
        type=ProfileParam(),
        required=True,
        metavar="NAME|FILE.toml",
        help=f"What a valid certificate is, and how it signs: a profile file of your own, or one of "
        f"{', '.join(shipped())}.",
    )(function)


class ModeParam(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A signature mode's name; see `sekisho.Mode`."""

    name = "mode"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mode:
        if isinstance(value, Mode):
            return value
        try:
            return Mode.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in _MODES if name.startswith(incomplete)]


# ---- keys of challenges --------------------------------------------------------------------------

keys_option = click.option(
    "--keys",
    envvar="SEKISHO_KEYS",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Key file of challenges, as `sekisho keys make` makes it; by default $SEKISHO_KEYS, or the one that systemd "
    "hands over as the credential sekisho.challenge.keys.",
)


def challenge_keys(path: str | None) -> ChallengeKeys:
    """The keys of that file, or of the one that systemd handed over."""
    try:
        found = keyfiles.load(path if path is not None else keyfiles.find())
    except KeyFileError as error:
        raise Mistake(str(error)) from None
    return ChallengeKeys(found.secrets(), current=found.current.id if found.current is not None else None)


_T = TypeVar("_T")


def told(act: Callable[[], _T]) -> _T:
    """What `act` returns; a value that the engine does not take is told as the user's mistake."""
    try:
        return act()
    except ValueError as error:
        raise Mistake(str(error)) from None
