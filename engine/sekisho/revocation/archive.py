"""The archive: every CRL that was in force, once, as its CA signed it, by its hash.

A snapshot is sekisho's own reckoning; what proves to a third party that a certificate was not revoked is the CA's CRL.
"""

from __future__ import annotations

import base64
import hashlib
import lzma
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["Archive", "ArchiveCost"]

# Neighbouring entries are alike: the first setting halves a CRL at 30 MB/s, the next saves a tenth more at a third of the speed.
_PRESET: Final = 0
_ENDING: Final = ".crl.xz"
_BEGUN: Final = ".new-"
_BEGUN_MAX: Final = 86_400  # seconds that no CRL takes to read


@dataclass
class ArchiveCost:
    """What an update cost: CRLs that were new, their bytes, and those that they take in the archive."""

    lists: int = 0
    size: int = 0
    kept: int = 0

    def __str__(self) -> str:
        return f"{self.lists:,} CRLs of {self.size / 1e6:,.1f} MB archived in {self.kept / 1e6:,.1f} MB"


class Archive:
    """A folder of CRLs as they came, each in a file named by the SHA-256 of its DER."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in self.folder.glob(f"{_BEGUN}*"):  # left by a crash, unless another process is writing it
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < time.time() - _BEGUN_MAX:
                    file.unlink()

    def path(self, sha256: bytes) -> Path:
        """Where a CRL of that hash stands, or would."""
        name = sha256.hex()
        return self.folder / name[:2] / (name + _ENDING)

    def __contains__(self, sha256: object) -> bool:
        return isinstance(sha256, bytes) and self.path(sha256).is_file()

    def read(self, sha256: bytes) -> bytes:
        """A CRL as it came.

        Raises:
            FileNotFoundError: it is not there.
            ValueError: the file is damaged.
        """
        try:
            data = lzma.decompress(self.path(sha256).read_bytes())
        except lzma.LZMAError as error:
            raise ValueError(f"{self.path(sha256)}: damaged ({error})") from None
        if hashlib.sha256(_der(data)).digest() != sha256:
            raise ValueError(f"{self.path(sha256)}: not the CRL that it is named by")
        return data

    def __iter__(self) -> Iterator[bytes]:
        """The hashes of all CRLs."""
        for file in sorted(self.folder.glob(f"??/*{_ENDING}")):
            yield bytes.fromhex(file.name.removesuffix(_ENDING))

    def writer(self) -> ArchiveWriter:
        """For one CRL, as it is read."""
        return ArchiveWriter(self)


class ArchiveWriter:
    """Takes a CRL's pieces; `keep` gives it its name."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        descriptor, self._name = tempfile.mkstemp(dir=archive.folder, prefix=_BEGUN)
        self._file = os.fdopen(descriptor, "wb")
        self._xz: Any = lzma.LZMACompressor(preset=_PRESET)
        self._size = 0

    def write(self, piece: bytes) -> None:
        """The next piece."""
        self._size += len(piece)
        self._file.write(self._xz.compress(piece))

    def keep(self, sha256: bytes, cost: ArchiveCost) -> None:
        """Puts it into the archive under its hash, unless it is there; on the disk when this returns."""
        path = self._archive.path(sha256)
        if path.exists():
            self.drop()
            return
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._archive.folder)
        self._file.write(self._xz.flush())
        self._file.flush()
        os.fchmod(self._file.fileno(), 0o400)
        os.fsync(self._file.fileno())
        kept = self._file.tell()
        self._file.close()
        Path(self._name).rename(path)
        sync_folder(path.parent)
        cost.lists += 1
        cost.size += self._size
        cost.kept += kept

    def drop(self) -> None:
        """Forgets it."""
        self._file.close()
        Path(self._name).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self.drop()


def _der(data: bytes) -> bytes:
    """A CRL's DER; PEM was looked at strictly when it was taken."""
    if not data.startswith(b"-----BEGIN X509 CRL-----"):
        return data
    body = data.partition(b"-----BEGIN X509 CRL-----")[2].partition(b"-----END")[0]
    return base64.b64decode(b"".join(body.split()))


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
