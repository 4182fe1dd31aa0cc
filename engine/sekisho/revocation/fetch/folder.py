"""The watched folder: files come into it whole or not at all, and what is remembered of them lies beside it.

A download goes to `.NAME.RANDOM.part` in the folder itself (so that the last step is a rename), is brought to the disk,
and then takes its name.  Who watches the folder looks at *.crl, *.der and *.pem, which a temporary file is none of.
One fetcher at a time: the folder is locked (flock) as long as a `Folder` is open.  So whatever temporary file is there
when it opens was left by one that died, and is removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from sekisho.revocation.fetch.failure import Failure
from sekisho.revocation.fetch.shape import check_shape

__all__ = ["Folder", "FolderError", "Known", "Part"]

_PART: Final = re.compile(r"\.[A-Za-z0-9][A-Za-z0-9._-]*\.[0-9a-f]{16}\.part")
_FORMAT: Final = 1
_STATE_SIZE_MAX: Final = 64 << 20  # bytes; a source takes about 400
_SAVE_EVERY: Final = 5.0  # seconds between two writings of the state while a round goes on
_PIECE: Final = 1 << 20  # bytes read at once


class FolderError(Exception):
    """The folder cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a file: where it came from, its validators (RFC 9110, 8.8), and the file as it was put there."""

    url: str
    etag: str
    last_modified: str
    sha256: str
    size: int
    mtime_ns: int


class Folder:
    """See the module.

    Args:
        path: the watched folder; must exist.
        state: the file of what is remembered; by default PATH.fetch.json, beside the folder.

    Raises:
        FolderError: there is no such folder, or another fetcher is at work in it.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, state: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path)
        whole = self.path.resolve()
        self.state = Path(state) if state is not None else whole.with_name(f"{whole.name}.fetch.json")
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise FolderError(
                f"{path} is no folder: make it first (`mkdir -p {path}`), for the user that fetches"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise FolderError(f"another fetch is at work in {path}: let it end, or stop it") from None
        self._lock = threading.Lock()
        self._saved = time.monotonic()
        self._known: dict[str, Known] = {}
        self._not_before: dict[str, float] = {}
        self._remove_parts()
        self._read_state()
        try:
            self.save()
        except OSError as error:
            os.close(self._descriptor)
            raise FolderError(
                f"{self.state} cannot be written ({error.strerror}): name another file (--state)"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write the state and let others in."""
        if self._descriptor >= 0:
            try:
                self.save()
            finally:
                os.close(self._descriptor)
                self._descriptor = -1

    # ---- files -----------------------------------------------------------------------------------

    def part(self, name: str, size_max: int) -> Part:
        """A temporary file for what will be `name`."""
        return Part(self.path / f".{name}.{secrets.token_hex(8)}.part", size_max)

    def put(self, part: Part, name: str) -> bool:
        """Let a finished file take its name, or drop it where the same bytes stand already.  True: it is new.

        Raises:
            Failure: it does not have the shape of a CRL.
            OSError: it cannot be put there.
        """
        part.finish()
        check_shape(part.path)
        target = self.path / name
        if _same(target, part):
            part.drop()
            return False
        part.path.replace(target)
        part.gone = True
        os.fsync(self._descriptor)
        return True

    def _remove_parts(self) -> None:
        for one in self.path.iterdir():
            if _PART.fullmatch(one.name):
                one.unlink(missing_ok=True)

    # ---- what is remembered ----------------------------------------------------------------------

    def known(self, name: str, url: str) -> Known | None:
        """What is known of a file, if it came from there and nobody touched it since."""
        with self._lock:
            found = self._known.get(name)
        if found is None or found.url != url:
            return None
        try:
            status = (self.path / name).lstat()
        except OSError:
            return None
        same = stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == (found.size, found.mtime_ns)
        return found if same else None

    def remember(self, name: str, part: Part, url: str, etag: str = "", last_modified: str = "") -> None:
        """Keep the validators of what was just put there under that name."""
        status = (self.path / name).lstat()
        known = Known(url, etag, last_modified, part.sha256, status.st_size, status.st_mtime_ns)
        with self._lock:
            self._known[name] = known
            due = time.monotonic() - self._saved >= _SAVE_EVERY
        if due:
            self.save()

    def not_before(self, url: str) -> float:
        """The time before which the server there does not want to be asked again; 0 if it did not say."""
        with self._lock:
            return self._not_before.get(url, 0.0)

    def leave_alone(self, url: str, until: float) -> None:
        """Remember that the server there asked to be left alone until then (seconds since 1970)."""
        with self._lock:
            self._not_before[url] = until

    def _read_state(self) -> None:
        """A state that is missing or damaged costs one unconditional download, no more."""
        try:
            if self.state.stat().st_size > _STATE_SIZE_MAX:
                return
            found: Any = json.loads(self.state.read_bytes())
            if found["format"] != _FORMAT:
                return
            known = {str(name): Known(**one) for name, one in found["files"].items()}
            not_before = {str(url): float(until) for url, until in found["not_before"].items()}
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return
        self._known, self._not_before = known, not_before

    def save(self) -> None:
        """Write down what is remembered."""
        with self._lock:
            self._saved = time.monotonic()
            now = time.time()
            content = {
                "format": _FORMAT,
                "files": {name: asdict(one) for name, one in sorted(self._known.items())},
                "not_before": {url: until for url, until in sorted(self._not_before.items()) if until > now},
            }
            beside = self.state.with_name(f".{self.state.name}.part")  # one writer: the folder is locked
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.state)


class Part:
    """A temporary file as it is written.  A context: leaving it removes the file, unless it got its name."""

    def __init__(self, path: Path, size_max: int) -> None:
        self.path = path
        self.size = 0
        self.gone = False
        self._size_max = size_max
        self._digest = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(path, flags, 0o666), "wb")  # as the umask says: readers may be other users

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    @property
    def sha256(self) -> str:
        """Of what was written so far, hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            Failure: it becomes larger than it may.
        """
        self.size += len(data)
        if self.size > self._size_max:
            raise Failure(f"larger than {self._size_max:,} bytes: raise size_max if it should be")
        self._digest.update(data)
        self._file.write(data)

    def finish(self) -> None:
        """Bring it to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def drop(self) -> None:
        """Remove it, unless it got its name."""
        if not self._file.closed:
            self._file.close()
        if not self.gone:
            self.path.unlink(missing_ok=True)
            self.gone = True


def _same(target: Path, part: Part) -> bool:
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != part.size:
            return False
        digest = hashlib.sha256()
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest() == part.sha256
