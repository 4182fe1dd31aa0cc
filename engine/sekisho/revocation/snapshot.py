"""Snapshots: files of revoked serials, written once, mapped and shared, and what of them is in force (docs/SNAPSHOT.md).

This is the thin layer over the core.  It believes what it is told: whose signature a CRL has, and for which trust anchors,
is for `sekisho.revocation.store` to find out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sekisho._native import NativeError, check, ffi, lib
from sekisho.batch import Column, ColumnLike
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.crl import Crl, CrlEntry, number_of

__all__ = [
    "Revocation",
    "RevocationStatus",
    "Snapshot",
    "SnapshotError",
    "SnapshotReport",
    "SnapshotSet",
    "SnapshotSource",
    "SnapshotWriter",
]

_NO_TIME: Final = -(2**63)
_NEVER: Final = 2**63 - 1
_WALK: Final = 4096  # entries fetched at once


class SnapshotError(ValueError):
    """A file is no snapshot that can be used.

    Attributes:
        reason: why: `SNAPSHOT_MALFORMED`, `SNAPSHOT_VERSION`, `SNAPSHOT_DIGEST`, `SNAPSHOT_BASE_MISSING`, `REVOCATION_DAMAGED`.
    """

    def __init__(self, reason: Reason, what: str, todo: str = "") -> None:
        super().__init__(f"{what}: {reason.english} ({reason.kebab})" + f". {todo}" * bool(todo))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What a snapshot is.

    Attributes:
        kind: "base" holds whole lists, "overlay" what deltas changed in one base.
        id: what verdicts name it by.
        built_at: when, seconds since 1970.
        size: bytes of the file.
        sources: CRLs in it.
        sets: certificate issuers in them.
        entries: revoked certificates.
        filter_size: bytes of filters and bitmaps.
        damaged: whether a page was lost under the map.
        digest: 32 bytes, into which every byte of the file goes.
        base: of an overlay, the digest of its base; else empty.
    """

    kind: Literal["base", "overlay"]
    id: int
    built_at: int
    size: int
    sources: int
    sets: int
    entries: int
    filter_size: int
    damaged: bool
    digest: bytes
    base: bytes


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """One CRL of a snapshot; times in seconds since 1970, digests as bytes.

    Attributes:
        index: its number in the snapshot.
        issuer: the whole Name of its issuer, DER.
        issuing_distribution_point: the whole value of that extension, DER; empty if it has none.
        issuer_form: the same for all Names that match the issuer's.
        signer: identity of the key that signed it (`IssuerReport.identity`).
        sha256: of the CRL in DER.
        this_update, next_update: of the CRL; next_update None if it has none.
        number: cRLNumber, None if it has none.
        base_number: of a delta, BaseCRLNumber.
        indirect, only_user, only_ca: of its issuingDistributionPoint.
        reasons: the ReasonFlags it covers, as bits.
        entries, removals: how many certificates it lists and (a delta) takes off.
        size: bytes of the CRL.
        keys: pairs of trust anchor and point, under which it is found.
        sets: numbers of its sets.
        base_source: of an overlay, the source of its base that it changes.
    """

    index: int
    issuer: bytes
    issuing_distribution_point: bytes
    issuer_form: bytes
    signer: bytes
    sha256: bytes
    this_update: int
    next_update: int | None
    number: int | None
    base_number: int | None
    indirect: bool
    only_user: bool
    only_ca: bool
    reasons: int
    entries: int
    removals: int
    size: int
    keys: tuple[tuple[bytes, bytes], ...]
    sets: range
    base_source: int | None


@dataclass(frozen=True, slots=True)
class SnapshotSet:
    """The entries of one certificate issuer in one CRL.

    Attributes:
        source: the CRL's number.
        issuer_form: of the certificates' issuer.
        entries: how many.
        size, filter_size: bytes in all, and of the filter.
        bitmap: whether a bitmap, which is exact, stands in place of the filter.
        filter_rate: false positives of the filter by theory, a share of look-ups.
    """

    source: int
    issuer_form: bytes
    entries: int
    size: int
    filter_size: int
    bitmap: bool
    filter_rate: float


class Snapshot:
    """A snapshot, mapped.  Shared by threads.

    Args:
        path: a file that nobody else can write.

    Raises:
        SnapshotError: it is none, or is damaged.
        OSError: it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        out, reason = ffi.new("seki_snapshot **"), ffi.new("uint32_t *")
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            check(lib.seki_snapshot_map(file, reason, out), f"mapping {self.path}")
        finally:
            os.close(file)
        if reason[0]:
            raise SnapshotError(Reason(reason[0]), self.path)
        self.native: Any = ffi.gc(out[0], lib.seki_snapshot_free)
        """The `seki_snapshot *`; lives as long as this object, or as it is in force."""

    @property
    def report(self) -> SnapshotReport:
        """What it is."""
        r = ffi.new("seki_snapshot_report *")
        check(lib.seki_snapshot_summarize(self.native, r), "a snapshot's report")
        return SnapshotReport(
            kind="base" if r.kind == lib.SEKI_SNAPSHOT_BASE else "overlay",
            id=r.id,
            built_at=r.built_at,
            size=r.size,
            sources=r.sources,
            sets=r.sets,
            entries=r.entries,
            filter_size=r.filter_size,
            damaged=bool(r.damaged),
            digest=bytes(r.digest),
            base=bytes(r.base) if any(r.base) else b"",
        )

    def verify(self) -> Reason | None:
        """Reads every byte: None if all are as they were written, else why not."""
        reason = ffi.new("uint32_t *")
        check(lib.seki_snapshot_verify(self.native, reason), "verifying a snapshot")
        return Reason(reason[0]) if reason[0] else None

    def sources(self) -> Iterator[SnapshotSource]:
        """Every CRL in it, in order."""
        for index in range(self.report.sources):
            yield self.source(index)

    def source(self, index: int) -> SnapshotSource:
        """One of its CRLs.

        Raises:
            ValueError: there is none of that number.
        """
        s = ffi.new("seki_snapshot_source *")
        doing = f"source {index} of a snapshot"
        check(lib.seki_snapshot_source_at(self.native, index, s), doing)
        issuer, idp = ffi.new("uint8_t **"), ffi.new("uint8_t **")
        lengths = ffi.new("size_t[2]")
        check(lib.seki_snapshot_source_names(self.native, index, issuer, lengths, idp, lengths + 1), doing)
        keys = ffi.new("uint8_t[]", 64 * s.keys + 1)
        check(lib.seki_snapshot_source_keys(self.native, index, keys, s.keys), doing)
        pairs = bytes(ffi.buffer(keys, 64 * s.keys))
        overlay = bool(s.flags & lib.SEKI_CRL_IS_DELTA)
        return SnapshotSource(
            index=index,
            issuer=bytes(ffi.buffer(issuer[0], lengths[0])),
            issuing_distribution_point=bytes(ffi.buffer(idp[0], lengths[1])),
            issuer_form=bytes(s.issuer_form),
            signer=bytes(s.signer),
            sha256=bytes(s.sha256),
            this_update=s.this_update,
            next_update=None if s.next_update == _NO_TIME else s.next_update,
            number=number_of(s.number, s.number_length),
            base_number=number_of(s.base_number, s.base_number_length),
            indirect=bool(s.flags & lib.SEKI_CRL_IS_INDIRECT),
            only_user=bool(s.flags & lib.SEKI_CRL_ONLY_USER),
            only_ca=bool(s.flags & lib.SEKI_CRL_ONLY_CA),
            reasons=s.reasons,
            entries=s.entries,
            removals=s.removals,
            size=s.size,
            keys=tuple((pairs[i : i + 32], pairs[i + 32 : i + 64]) for i in range(0, len(pairs), 64)),
            sets=range(s.first_set, s.first_set + s.sets),
            base_source=s.base_source if overlay else None,
        )

    def set(self, index: int) -> SnapshotSet:
        """One of its sets.

        Raises:
            ValueError: there is none of that number.
        """
        s = ffi.new("seki_snapshot_set *")
        check(lib.seki_snapshot_set_at(self.native, index, s), f"set {index} of a snapshot")
        return SnapshotSet(
            source=s.source,
            issuer_form=bytes(s.issuer_form),
            entries=s.entries,
            size=s.size,
            filter_size=s.filter_size,
            bitmap=bool(s.is_bitmap),
            filter_rate=s.filter_rate,
        )

    def entries(self, index: int, *, removed: bool = False) -> Iterator[CrlEntry]:
        """The entries of a set, in order of length and value of their serials; the certificates it takes off, if `removed`.

        Raises:
            ValueError: there is no such set.
            NativeError: a page was lost under the map.
        """
        cursor, count = ffi.new("seki_snapshot_cursor *"), ffi.new("uint64_t *")
        out = ffi.new("seki_crl_entry[]", _WALK)
        while True:
            doing = f"walking through set {index}"
            check(lib.seki_snapshot_walk(self.native, index, removed, cursor, out, _WALK, count), doing)
            if count[0] == 0:
                return
            for one in out[0 : count[0]]:
                yield _entry(one)

    def find(self, index: int, serial: bytes) -> CrlEntry | None:
        """The entry of a serial (magnitude, big-endian) in a set as it stands, overlays left aside; None if there is none.

        Raises:
            NativeError: a page was lost under the map.
        """
        column, found = Column.of([serial]), ffi.new("uint8_t[1]")
        entry, which = ffi.new("seki_crl_entry *"), ffi.new("uint32_t[1]", [index])
        check(
            lib.seki_snapshot_look_up(self.native, 1, which, 0, column.native, found, entry),
            f"looking into set {index}",
        )
        if found[0] == 3:
            raise NativeError("a page of the snapshot was lost")
        return _entry(entry) if found[0] == 2 else None

    def look_up(self, sets: int | NDArray[np.uint32], serials: ColumnLike) -> NDArray[np.uint8]:
        """Looks serials up in sets as they stand, overlays left aside.

        Args:
            sets: a set for all, or one for each row.
            serials: magnitudes, big-endian, N rows.

        Returns:
            N bytes: 0 no, by the filter alone; 1 no, though the filter said maybe; 2 yes; 3 the snapshot is damaged.
        """
        column = Column.of(serials)
        found = np.zeros(column.rows, dtype=np.uint8)
        which = np.atleast_1d(np.asarray(sets, dtype=np.uint32))
        stride = 0 if isinstance(sets, int) else 1
        if stride and len(which) != column.rows:
            raise ValueError(f"{column.rows} serials want as many sets, not {len(which)}")
        check(
            lib.seki_snapshot_look_up(
                self.native,
                column.rows,
                ffi.from_buffer("uint32_t[]", which),
                stride,
                column.native,
                ffi.from_buffer("uint8_t[]", found, require_writable=True),
                ffi.NULL,
            ),
            "looking serials up",
        )
        return found


class SnapshotWriter:
    """Writes a snapshot into a new file.

    Args:
        path: must not exist; made with mode 0600.  Whole only after `end`, which also brings it to the disk.
        id: what verdicts name it by; larger than that of every snapshot before.
        built_at: seconds since 1970; None: now.
        base: makes an overlay of that base.

    Raises:
        FileExistsError: there is a file already.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, id: int, built_at: int | None = None, base: Snapshot | None = None
    ) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._base = base
        options = ffi.new("seki_snapshot_options *")
        options.kind = lib.SEKI_SNAPSHOT_BASE if base is None else lib.SEKI_SNAPSHOT_OVERLAY
        options.id = id
        options.built_at = int(time.time()) if built_at is None else built_at
        if base is not None:
            options.base = base.report.digest
        out = ffi.new("seki_snapshot_writer **")
        self._reason = ffi.new("uint32_t *")
        try:
            check(lib.seki_snapshot_writer_new(self._file, options, out), f"writing {os.fspath(path)}")
        except BaseException:
            os.close(self._file)
            raise
        self._native: Any = ffi.gc(out[0], lib.seki_snapshot_writer_free)

    def add(self, crl: Crl, *, signer: bytes, anchors: Sequence[bytes]) -> Reason | None:
        """Takes a complete CRL, and empties it of its entries; None, or why it was not taken.

        Args:
            signer: identity of the key whose signature on it was verified, 32 bytes.
            anchors: identities of the trust anchors under which that key may sign CRLs of this issuer.
        """
        if any(len(one) != 32 for one in (signer, *anchors)):
            raise ValueError("identities have 32 bytes")
        check(
            lib.seki_snapshot_writer_add(
                self._native, crl.native, signer, b"".join(anchors), len(anchors), self._reason
            ),
            "taking a CRL into a snapshot",
        )
        return Reason(self._reason[0]) if self._reason[0] else None

    def copy(
        self, source: int, of: Snapshot, overlay: Snapshot | None = None, *, anchors: Sequence[bytes] | None = None
    ) -> None:
        """Takes a CRL as it stands in another base, with what an overlay of it changed.

        Args:
            anchors: those of its trust anchors under which it is to count; None: all.
        """
        native = ffi.NULL if overlay is None else overlay.native
        under, count = (ffi.NULL, 0) if anchors is None else (b"".join(anchors), len(anchors))
        check(
            lib.seki_snapshot_writer_copy_under(self._native, of.native, native, source, under, count),
            "copying a CRL of a snapshot",
        )

    def change(
        self, source: int, delta: Crl | None, *, signer: bytes = b"", before: Snapshot | None = None
    ) -> Reason | None:
        """Takes a delta CRL as changes of a source of the base, on top of an older overlay's; None, or why it was not taken.

        Args:
            source: of the base.
            delta: None: what `before` changed, and nothing more.
        """
        if self._base is None:
            raise ValueError("changes go into an overlay: give the writer its base")
        if delta is not None and len(signer) != 32:
            raise ValueError("an identity has 32 bytes")
        check(
            lib.seki_snapshot_writer_change(
                self._native,
                self._base.native,
                source,
                ffi.NULL if before is None else before.native,
                ffi.NULL if delta is None else delta.native,
                ffi.NULL if delta is None else signer,
                self._reason,
            ),
            "taking a delta CRL into a snapshot",
        )
        return Reason(self._reason[0]) if self._reason[0] else None

    def end(self) -> bytes:
        """Writes the directory, makes the file read-only and durable, closes it, and returns its digest."""
        digest = ffi.new("uint8_t[32]")
        check(lib.seki_snapshot_writer_end(self._native, digest), "ending a snapshot")
        os.fchmod(self._file, 0o400)
        os.fsync(self._file)
        self.close()
        return bytes(digest)

    def close(self) -> None:
        """Closes the file, whole or not."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> SnapshotWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """What the data in force says of one certificate.

    Attributes:
        reason: None: good; else `REVOKED`, `REVOCATION_UNKNOWN` and so on.
        crl_reason: the CRLReason, where revoked.
        revoked_at: the revocationDate, where revoked.
        this_update: the oldest thisUpdate that counted; None: none did.
    """

    reason: Reason | None
    crl_reason: int | None
    revoked_at: int | None
    this_update: int | None


class Revocation:
    """What is in force of revocation data: nothing at first, then what was published last.

    A verifier takes it, and looks at it anew with each batch; a batch sees one state of it.  Shared by threads.
    """

    def __init__(self) -> None:
        out = ffi.new("seki_revocation **")
        check(lib.seki_revocation_new(out), "making revocation data")
        self.native: Any = ffi.gc(out[0], lib.seki_revocation_free)
        """The `seki_revocation *`; lives as long as this object."""

    def publish(self, base: Snapshot, overlay: Snapshot | None = None) -> None:
        """Puts a snapshot, and an overlay of it, in force at once.

        Raises:
            ValueError: they do not belong together.
            NativeError: one of them is damaged.
        """
        native = ffi.NULL if overlay is None else overlay.native
        check(lib.seki_revocation_publish(self.native, base.native, native), "putting a snapshot in force")

    @property
    def id(self) -> int:
        """Of what is in force, as verdicts name it; 0: nothing is."""
        return int(lib.seki_revocation_id(self.native))

    def ask(self, certificate: bytes, *, anchor: bytes, signer: bytes, profile: Profile, at: int) -> RevocationStatus:
        """What the data in force says of a certificate whose signature and path were verified.

        Args:
            certificate: DER.
            anchor: identity of its path's trust anchor, 32 bytes.
            signer: identity of the key that signed it.
            profile: for how old the data may be, and whose key may sign it.
            at: the time of judgement.

        Raises:
            ValueError: the certificate is malformed.
        """
        out = ffi.new("seki_revocation_status *")
        if len(anchor) != 32 or len(signer) != 32:
            raise ValueError("identities have 32 bytes")
        check(
            lib.seki_revocation_ask_one(
                self.native, certificate, len(certificate), anchor, signer, profile.to_native(), at, out
            ),
            "asking about a certificate",
        )
        revoked = out.reason == lib.SEKI_REVOKED
        return RevocationStatus(
            reason=Reason(out.reason) if out.reason else None,
            crl_reason=out.crl_reason if revoked else None,
            revoked_at=out.revoked_at if revoked else None,
            this_update=None if out.this_update == _NEVER else out.this_update,
        )


def _entry(one: Any) -> CrlEntry:
    return CrlEntry(
        serial=int.from_bytes(bytes(one.serial)[: one.length], "big"),
        reason=one.reason,
        date=one.date,
        invalidity=None if one.invalidity == _NO_TIME else one.invalidity,
        issuer=one.set,
    )
