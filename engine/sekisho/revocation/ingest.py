"""What a CRL is worth, before it is taken: its form, its signer, its times, its number, its scope (RFC 5280, 5 and 6.3.3)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from sekisho.reasons import Reason
from sekisho.revocation.archive import ArchiveWriter
from sekisho.revocation.crl import Crl, CrlSummary
from sekisho.revocation.signers import Signer, Signers
from sekisho.revocation.snapshot import Snapshot, SnapshotSource
from sekisho.revocation.state import Mark

__all__ = ["Candidate", "Decision", "Given", "examine", "judge_complete", "judge_delta", "scope_of", "scopes"]

Given: TypeAlias = bytes | str | os.PathLike[str]
"""A CRL, or a path: of a file, or of a folder of files that end in .crl, .der or .pem."""

ENDINGS: Final = (".crl", ".der", ".pem")
_PIECE: Final = 1 << 20  # bytes read at once
_ALL_REASONS: Final = 510
_SCOPES: Final[WeakKeyDictionary[Snapshot, tuple[tuple[bytes, SnapshotSource], ...]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one CRL.

    Attributes:
        source: where it came from.
        reason: None: it was taken; else why not.
        sha256: of its DER, hexadecimal; empty if it was not read to its end.
        number, this_update, next_update: what it says; None as far as it was not read.
        entries: how many certificates it lists.
        delta: whether it is a delta.
        fault: offset at which its form is at fault; 0 if it is not.
    """

    source: str
    reason: Reason | None
    sha256: str = ""
    number: int | None = None
    this_update: int | None = None
    next_update: int | None = None
    entries: int = 0
    delta: bool = False
    fault: int = 0

    def __str__(self) -> str:
        what = "delta" if self.delta else "CRL"
        said = "taken" if self.reason is None else f"{self.reason.kebab}: {self.reason.english}"
        number = "" if self.number is None else f" {self.number}"
        return f"{self.source}: {what}{number}: {said}"


@dataclass(frozen=True)
class Candidate:
    """A CRL whose form, signature and signer are good."""

    source: str
    crl: Crl
    summary: CrlSummary
    signers: tuple[Signer, ...]
    anchors: tuple[bytes, ...]
    scope: bytes

    @property
    def signer(self) -> bytes:
        """Identity of the key that signed it."""
        return self.signers[0].identity

    def decision(self, reason: Reason | None) -> Decision:
        """What became of it."""
        s = self.summary
        return Decision(self.source, reason, s.sha256.hex(), s.number, s.this_update, s.next_update, s.entries, s.delta)


def given_files(given: Iterable[Given]) -> Iterator[tuple[str, Path | bytes]]:
    """Each CRL with the name that messages use."""
    for number, one in enumerate(given):
        if isinstance(one, bytes):
            yield f"CRL {number + 1}", one
        elif (path := Path(one)).is_dir():
            yield from (
                (str(file), file)
                for file in sorted(path.iterdir())
                if file.suffix.lower() in ENDINGS and file.is_file()
            )
        else:
            yield str(path), path


def scope_of(points: Iterable[bytes], flags: Iterable[bool], reasons: int, signer: bytes) -> bytes:
    """Which list follows which: of the same issuer and names (in the points), kinds of certificates, reasons and key; 32 bytes.

    Another key of the name (FACTS B2: another generation) is another scope: a CA may list by key, so that one key's list takes
    the place of no other's; and a delta is signed by the key of its complete list (RFC 5280, 6.3.3 (c)(3) and (h)).  Where a
    certificate's lists are looked for they stand side by side.  Which anchors lead to the key is no part of it: an anchor that
    comes or goes would make all marks new, and an older list could be taken.
    """
    digest = hashlib.sha256(b"sekisho crl scope 3\0" + signer)
    parts = sorted(set(points))
    digest.update(len(parts).to_bytes(4, "big") + b"".join(parts))
    digest.update(bytes(flags) + reasons.to_bytes(2, "big"))
    return digest.digest()


def scopes(snapshot: Snapshot) -> tuple[tuple[bytes, SnapshotSource], ...]:
    """Every CRL of a snapshot, in order, with its scope; told once, since a delta may come to one of thousands every minute."""
    found = _SCOPES.get(snapshot)
    if found is None:
        found = _SCOPES[snapshot] = tuple((source_scope(one), one) for one in snapshot.sources())
    return found


def source_scope(source: SnapshotSource) -> bytes:
    """The scope of a CRL in a snapshot."""
    return scope_of(
        (point for _, point in source.keys),
        (source.indirect, source.only_user, source.only_ca),
        source.reasons,
        source.signer,
    )


def examine(
    name: str,
    given: Path | bytes,
    *,
    signers: Signers,
    at: int,
    crl: Crl,
    tee: ArchiveWriter | None,
    progress: Callable[[int], None],
) -> Candidate | Decision:
    """Reads one CRL, once: what is parsed, hashed, verified and archived are the same bytes.

    Args:
        crl: a new reader.
        tee: gets each piece too.
        progress: gets the bytes of each piece.
    """
    try:
        for piece in _pieces(given):
            progress(len(piece))
            if tee is not None:
                tee.write(piece)
            if crl.feed(piece) is not None:
                break
    except OSError as error:
        raise OSError(error.errno, f"{name}: {error.strerror}") from error
    if (reason := crl.end()) is not None:
        return Decision(name, reason, fault=crl.fault)
    summary = crl.summary
    found = signers.find(crl, at)
    if isinstance(found, Reason):
        return Candidate(name, crl, summary, (), (), b"").decision(found)
    anchors = tuple(sorted({anchor for one in found for anchor in one.anchors}))
    flags = (summary.indirect, summary.only_user, summary.only_ca)
    scope = scope_of(crl.points, flags, summary.reasons, found[0].identity)
    return Candidate(name, crl, summary, tuple(found), anchors, scope)


def judge_complete(
    one: Candidate, mark: Mark | None, at: int, skew: int, *, expired_too: bool, unnumbered: bool
) -> Reason | None:
    """Whether a complete CRL may be taken now; None if so.

    Args:
        mark: how far its scope has come.
        expired_too: take it though its nextUpdate has passed, for judging past times.
        unnumbered: take it though it has no cRLNumber.
    """
    summary = one.summary
    if summary.only_attribute:
        return Reason.CRL_SCOPE_UNSUPPORTED
    if summary.number is None and not unnumbered:  # RFC 5280, 5.2.3: MUST include; by it an older list is known
        return Reason.CRL_EXTENSION_MALFORMED
    reason = _judge_times(summary, at, skew, expired_too=expired_too)
    return _judge_order(summary, mark) if reason is None else reason


def judge_delta(
    one: Candidate,
    mark: Mark | None,
    *,
    base: SnapshotSource | None,
    in_force: int | None,
    same_issuer: bool,
    at: int,
    skew: int,
    expired_too: bool,
) -> Reason | None:
    """Whether a delta may be taken now; None if so (RFC 5280, 5.2.4).

    Args:
        mark: how far its scope has come.
        base: the complete CRL of its scope; None: there is none.
        in_force: number of what is in force of that scope, deltas included.
        same_issuer: whether there is a complete CRL of its issuer, of another scope.
    """
    summary = one.summary
    if base is None:
        return Reason.CRL_SCOPE_DIFFERS if same_issuer else Reason.CRL_DELTA_WITHOUT_BASE
    if base.number is None or in_force is None or summary.number is None or summary.base_number is None:
        return Reason.CRL_DELTA_WITHOUT_BASE
    if summary.base_number > in_force:
        return Reason.CRL_DELTA_GAP
    if (reason := _judge_times(summary, at, skew, expired_too=expired_too)) is not None:
        return reason
    if summary.number == base.number:  # issued together with the complete one, and says the same
        return Reason.CRL_KNOWN
    return _judge_order(summary, mark)


def _judge_times(summary: CrlSummary, at: int, skew: int, *, expired_too: bool) -> Reason | None:
    if summary.this_update > at + skew:
        return Reason.CRL_NOT_YET_VALID
    if summary.next_update is not None and summary.next_update < at and not expired_too:
        return Reason.CRL_EXPIRED
    return None


def _judge_order(summary: CrlSummary, mark: Mark | None) -> Reason | None:
    if mark is None:
        return None
    if summary.sha256 == mark.sha256:
        return Reason.CRL_KNOWN
    if summary.this_update < mark.this_update:
        return Reason.CRL_TIME_WENT_BACK
    if mark.number is None:
        return None
    if summary.number is None or summary.number < mark.number:
        return Reason.CRL_NUMBER_WENT_BACK
    # A complete CRL and a delta that are issued together share a number (RFC 5280, 5.2.3).
    if summary.number == mark.number and summary.delta == mark.delta:
        return Reason.CRL_NUMBER_REUSED
    return None


def _pieces(given: Path | bytes) -> Iterator[bytes]:
    if isinstance(given, bytes):
        yield from (given[at : at + _PIECE] for at in range(0, len(given), _PIECE))
        return
    with given.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
