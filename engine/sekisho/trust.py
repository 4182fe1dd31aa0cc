"""Trust stores: the CA certificates that may issue, read from files, judged once, told apart by key and not by name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import numpy as np

from sekisho._native import check, ffi, lib
from sekisho.batch import Column
from sekisho.names import name_string
from sekisho.reasons import Reason

__all__ = ["IssuerReport", "TrustError", "TrustStore"]

PathLike: TypeAlias = str | os.PathLike[str]

FILE_SIZE_MAX: Final = 64 * 1024 * 1024
"""Bytes of a certificate file: 20 times a PEM bundle of all 779 roots that were ever in a browser."""
ENDINGS: Final = (".cer", ".crt", ".der", ".pem")
"""How certificate files end, in whatever case; other files in a folder are left alone."""

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)
_PEM_CERTIFICATES: Final = (b"CERTIFICATE", b"X509 CERTIFICATE")  # RFC 7468, 5.1


class TrustError(ValueError):
    """The operator's certificates make no trust store; the message names them and says what to do."""


@dataclass(frozen=True, slots=True)
class IssuerReport:
    """What the store made of one certificate.

    Attributes:
        source: where it came from: file and place in it, or its place in the list that was given.
        subject: its subject as a string of RFC 4514; empty if it cannot be read.
        reason: None if it may issue, else why nothing is taken under it.
        anchor: whether it is a trust anchor.
        slow: whether each of its leaves goes through OpenSSL whole, for it or a CA above constrains them.
        parent: index in the store of the certificate that issued it; None for an anchor or an unlinked one.
        window: first and last second at which its whole chain is valid; None if it cannot be read.
        identity: SHA-256 of subject Name and SubjectPublicKeyInfo, hexadecimal: what certificates under it are known
            by.  Empty if it cannot be read.
        fingerprint: SHA-256 of the certificate, hexadecimal.
        ways: chains of certificates of the store that lead from it up to an anchor. Where there are several, `slow`,
            `parent` and `window` are those of the first, one of the shortest; a leaf is good if one of them is.
    """

    source: str
    subject: str
    reason: Reason | None
    anchor: bool
    slow: bool
    parent: int | None
    window: tuple[int, int] | None
    identity: str
    fingerprint: str
    ways: int = 1

    def __str__(self) -> str:
        kind = "anchor" if self.anchor else "intermediate"
        answer = "ok" if self.reason is None else self.reason.kebab
        return f"{self.source}: {kind} {self.subject or 'that cannot be read'}: {answer}"


class TrustStore:
    """Trust anchors, and intermediates with every way up to them.  Immutable, and shared by threads freely.

    Args:
        anchors: certificates in DER that are trusted of themselves.  They need not be self-signed.
        intermediates: CA certificates in DER that are trusted if a path leads from them to an anchor.
        sources: what messages call them, anchors first; by default ``anchors[0]`` and so on.

    A certificate that can issue nothing is kept out and reported in `issuers`, with its reason; that alone does not
    raise, so that a bundle with one odd root can be used.

    Raises:
        TrustError: there is no anchor, or every certificate was refused.
        TypeError: a certificate is not bytes.
    """

    def __init__(
        self, anchors: Sequence[bytes], intermediates: Sequence[bytes] = (), *, sources: Sequence[str] | None = None
    ) -> None:
        if isinstance(anchors, bytes) or isinstance(intermediates, bytes):
            raise TypeError("a trust store takes lists of certificates: write [certificate] for a single one")
        if not anchors:
            raise TrustError("a trust store needs at least one anchor: give a CA certificate, or use TrustStore.jpki()")
        self._certificates = (*anchors, *intermediates)
        self._anchor_count = len(anchors)
        self._sources = tuple(
            sources
            or [f"anchors[{i}]" for i in range(len(anchors))]
            + [f"intermediates[{i}]" for i in range(len(intermediates))]
        )
        if len(self._sources) != len(self._certificates):
            raise ValueError(f"{len(self._certificates)} certificates want as many sources, not {len(self._sources)}")
        columns = Column.of(list(anchors)), Column.of(list(intermediates))
        reasons = np.zeros(len(self._certificates), dtype=np.uint16)
        out = ffi.new("seki_trust **")
        check(
            lib.seki_trust_new(
                columns[0].native,
                columns[0].rows,
                columns[1].native,
                columns[1].rows,
                ffi.from_buffer("uint16_t[]", reasons, require_writable=True),
                out,
            ),
            f"making a trust store of {len(self._certificates)} certificates",
        )
        self.native: Any = ffi.gc(out[0], lib.seki_trust_free)
        """The `seki_trust *`; lives as long as this object."""
        if reasons.all():
            told = "\n".join(_told(issuer) for issuer in self.issuers[:_TOLD_MAX])
            more = f"\n  and {len(reasons) - _TOLD_MAX} more" if len(reasons) > _TOLD_MAX else ""
            raise TrustError(f"no certificate of this trust store can issue anything:\n{told}{more}")

    @classmethod
    def from_files(cls, *paths: PathLike, intermediates: Iterable[PathLike] = ()) -> Self:
        """From certificate files, each PEM (any number of certificates) or DER (one).

        Args:
            paths: files of trust anchors.
            intermediates: files of intermediate certificates.

        Raises:
            TrustError: a file holds no certificate, or is neither PEM nor DER; or as for the class.
            OSError: a file cannot be read.
        """
        return cls._of(_read_all(paths), _read_all(intermediates))

    @classmethod
    def from_folder(cls, path: PathLike, *, intermediates: PathLike | None = None) -> Self:
        """From the files in a folder whose names end in .cer, .crt, .der or .pem, in the order of their names.

        Args:
            path: folder of trust anchors.
            intermediates: folder of intermediate certificates.

        Raises:
            TrustError: there is no such file in a folder; or as for `from_files`.
            OSError: a folder or a file cannot be read.
        """
        return cls._of(
            _read_all(_files_in(path)), _read_all(_files_in(intermediates)) if intermediates is not None else []
        )

    @classmethod
    def jpki(cls) -> Self:
        """The six CA certificates of JPKI that come with sekisho: two CAs, three generations each.

        See data/jpki/README.md for their origin.  The first generation has run out: it is in the store for judging
        past times, and refuses by its window at others.
        """
        folder = resources.files("sekisho") / "data" / "jpki"
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".cer")), key=lambda file: file.name)
        return cls._of([(f"sekisho's {file.name}", file.read_bytes()) for file in files], [])

    @classmethod
    def _of(cls, anchors: list[tuple[str, bytes]], intermediates: list[tuple[str, bytes]]) -> Self:
        return cls(
            [der for _, der in anchors],
            [der for _, der in intermediates],
            sources=[source for source, _ in anchors + intermediates],
        )

    def __len__(self) -> int:
        """Certificates, those that were refused included."""
        return len(self._certificates)

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """All of them in DER, anchors first, in the order given; those that were refused included."""
        return self._certificates

    @property
    def anchors(self) -> tuple[bytes, ...]:
        """The anchors among `certificates`."""
        return self._certificates[: self._anchor_count]

    @cached_property
    def issuers(self) -> tuple[IssuerReport, ...]:
        """A report for each certificate, anchors first, in the order given."""
        return tuple(self._report(index) for index in range(len(self)))

    def _report(self, index: int) -> IssuerReport:
        report = ffi.new("seki_issuer_report *")
        check(lib.seki_trust_report(self.native, index, report), "reading a trust store")
        readable = any(report.fingerprint)
        der = self._certificates[index]
        return IssuerReport(
            source=self._sources[index],
            subject=_subject(der),
            reason=Reason(report.reason) if report.reason else None,
            anchor=bool(report.anchor),
            slow=bool(report.slow),
            parent=report.parent if report.parent >= 0 else None,
            window=(report.window_from, report.window_to) if readable else None,
            identity=bytes(report.identity).hex() if readable else "",
            fingerprint=hashlib.sha256(der).hexdigest(),
            ways=report.ways,
        )


_TOLD_MAX: Final = 20  # certificates that a message names


def _told(issuer: IssuerReport) -> str:
    return f"  {issuer}" + ("" if issuer.reason is None else f". {issuer.reason.english}")


def _subject(der: bytes) -> str:
    """The subject as a string; empty where the core's reader or the Name's does not get that far."""
    summary = ffi.new("seki_certificate_summary *")
    reason, fault = ffi.new("uint32_t *"), ffi.new("size_t *")
    check(lib.seki_certificate_summarize(der, len(der), summary, reason, fault), "reading a certificate")
    part = summary.subject
    try:
        return name_string(der[part.offset : part.offset + part.length]) if part.length else ""
    except ValueError:
        return ""


def _files_in(folder: PathLike) -> list[Path]:
    files = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    if not files:
        raise TrustError(f"{os.fspath(folder)}: no file here ends in {', '.join(ENDINGS)}: name them so, or give files")
    return files


def _read_all(paths: Iterable[PathLike]) -> list[tuple[str, bytes]]:
    return [one for path in paths for one in _read(Path(path))]


def _read(path: Path) -> list[tuple[str, bytes]]:
    """The certificates of a file, each with the name that messages use."""
    with path.open("rb") as file:
        data = file.read(FILE_SIZE_MAX + 1)
    if len(data) > FILE_SIZE_MAX:
        raise TrustError(f"{path}: larger than {FILE_SIZE_MAX >> 20} MB, which no list of CA certificates is")
    if b"-----BEGIN " not in data:
        if not data.startswith(b"\x30"):
            raise TrustError(
                f"{path}: neither PEM nor DER; `openssl x509 -in FILE -out ca.pem` converts what OpenSSL reads"
            )
        return [(str(path), data)]
    found = [_decoded(path, match) for match in _PEM.finditer(data) if match[1] in _PEM_CERTIFICATES]
    if found and data.count(b"-----BEGIN CERTIFICATE-----") <= len(found):
        return [(f"{path}, certificate {i}" if len(found) > 1 else str(path), der) for i, der in enumerate(found, 1)]
    if found:
        raise TrustError(f"{path}: a certificate has a BEGIN line without its END line: the file is damaged or cut off")
    blocks = ", ".join(sorted({match[1].decode("ascii") for match in _PEM.finditer(data)})) or "no whole block"
    raise TrustError(f"{path}: PEM without a BEGIN CERTIFICATE block (it has {blocks}): give the CA's certificate")


def _decoded(path: Path, match: re.Match[bytes]) -> bytes:
    try:
        return base64.b64decode(b"".join(match[2].split()), validate=True)
    except binascii.Error as error:
        at = match.string[: match.start()].count(b"\n") + 1
        raise TrustError(f"{path}, line {at}: the certificate is not base64 ({error}): fetch the file again") from None
