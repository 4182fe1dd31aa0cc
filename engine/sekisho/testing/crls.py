"""CRLs of the JPKI shape and of every other (RFC 5280, 5), encoded by the million with numpy.

    make_crl(authority, [serial, another], reasons="keyCompromise", number=7)            # DER, complete, no partition
    make_crl(authority, Entries.of(...), point=issuing_point(name))                      # one partition of it
    make_crl(authority, [serial], reasons="removeFromCRL", number=8, base=7)             # a delta
    make_crl(authority, indirect((None, own), (another_name, theirs)), point=issuing_point(indirect=True))
    write_crl("city.crl", authority, Draw(100_000_000))                                  # streamed to a file

Any key signs.  The lists are what they are told to be, and always well-formed DER.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import IO, Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from sekisho.testing import der
from sekisho.testing.citizen import DAY
from sekisho.testing.keys import Progress, RsaKey, SigningKey, default_hash
from sekisho.testing.leaves import AUTHORITY_KEY_ID, Extension, key_id
from sekisho.testing.revoked import CHUNK, NO_TIME, Draw, Entries

__all__ = [
    "CrlFields",
    "CrlFile",
    "CrlSigner",
    "Signer",
    "crl_fields",
    "encode",
    "indirect",
    "issuing_point",
    "make_crl",
    "seal_crl",
    "write_crl",
]

CRL_NUMBER: Final = "2.5.29.20"
REASON_CODE: Final = "2.5.29.21"
INVALIDITY_DATE: Final = "2.5.29.24"
DELTA_INDICATOR: Final = "2.5.29.27"
ISSUING_POINT: Final = "2.5.29.28"
CERTIFICATE_ISSUER: Final = "2.5.29.29"

REASON_FLAGS: Final = (
    "unused",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
    "aACompromise",
)
"""ReasonFlags, bit 0 first (RFC 5280, 4.2.1.13)."""

Revoked: TypeAlias = Entries | Draw | Sequence[int]


class CrlSigner(Protocol):
    """Who signs a list: an `Authority` of a city, or a `Signer`."""

    @property
    def name(self) -> bytes: ...
    @property
    def key(self) -> SigningKey: ...
    @property
    def key_id(self) -> bytes: ...


@dataclass(frozen=True)
class Signer:
    """Any key under any Name (DER)."""

    name: bytes
    key: SigningKey = field(repr=False)

    @cached_property
    def key_id(self) -> bytes:
        return key_id(self.key.spki)


@dataclass(frozen=True, kw_only=True)
class CrlFields:
    """What is around the entries of a TBSCertList, each part a whole DER element (RFC 5280, 5.1)."""

    issuer: bytes
    this_update: bytes
    next_update: bytes = b""
    extensions: tuple[Extension, ...] = ()
    version: bytes = b"\x02\x01\x01"  # v2; empty for v1
    algorithm: bytes = b""  # AlgorithmIdentifier inside; empty for the signing key's own


@dataclass(frozen=True, slots=True)
class CrlFile:
    """A list that was written.

    Attributes:
        path: where.
        entries: how many it has.
        size: bytes.
        digest: hash of what is signed; empty where the key signs no hash.
    """

    path: str
    entries: int
    size: int
    digest: bytes


def crl_fields(
    signer: CrlSigner,
    *,
    this_update: int,
    next_update: int | None = -1,
    number: int | None = 1,
    base: int | None = None,
    point: Extension | None = None,
    more: Sequence[Extension] = (),
) -> CrlFields:
    """The fields of a list.

    Args:
        this_update, next_update: seconds since 1970; the next one comes a day later by default, and None leaves it out.
        number: cRLNumber.
        base: makes it a delta to the complete list of that number.
        point: issuingDistributionPoint, which `issuing_point` makes.
        more: other extensions.
    """
    own_key = der.sequence(der.context_primitive(0, signer.key_id))
    extensions = [Extension(AUTHORITY_KEY_ID, False, own_key)]
    if number is not None:
        extensions.append(Extension(CRL_NUMBER, False, der.integer(number)))
    if base is not None:
        extensions.append(Extension(DELTA_INDICATOR, True, der.integer(base)))
    if point is not None:
        extensions.append(point)
    after = this_update + DAY if next_update == -1 else next_update
    return CrlFields(
        issuer=signer.name,
        this_update=der.time_of(this_update),
        next_update=b"" if after is None else der.time_of(after),
        extensions=(*extensions, *more),
    )


def make_crl(
    signer: CrlSigner,
    revoked: Revoked = (),
    *,
    this_update: int,
    dates: int | Sequence[int] | None = None,
    reasons: int | str | Sequence[int | str] = 0,
    **how: Any,
) -> bytes:
    """A list, DER.

    Args:
        revoked: entries, a draw, or serials: these with `dates` (by default an hour before the list) and `reasons`.
        how: as `crl_fields` has it.
    """
    if not isinstance(revoked, Entries | Draw):
        revoked = Entries.of(revoked, dates=this_update - 3600 if dates is None else dates, reasons=reasons)
    return seal_crl(crl_fields(signer, this_update=this_update, **how), revoked, signer.key)


def seal_crl(fields: CrlFields, entries: Entries | Draw, key: SigningKey) -> bytes:
    """The list of exactly these fields, signed by `key`."""
    tbs = b"".join(_tbs(fields, _held(entries), key)[1])
    return der.sequence(tbs, key.algorithm, der.bit_string(key.sign_certificate(tbs)))


def write_crl(
    path: str | os.PathLike[str],
    signer: CrlSigner,
    revoked: Entries | Draw,
    *,
    progress: Progress | None = None,
    **how: Any,
) -> CrlFile:
    """The same into a file, of any length, in little memory (beyond that of sorting a draw: 4 or 8 bytes an entry).

    Args:
        progress: called with (entries written, in all) now and then.
        how: as `crl_fields` has it.

    Raises:
        OSError: the file cannot be written.
    """
    fields, key = crl_fields(signer, **how), signer.key
    entries = _held(revoked)
    signature_size = key.size if isinstance(key, RsaKey) else len(key.sign_certificate(b""))
    while True:
        with open(path, "wb+") as file:
            tbs_size, pieces = _tbs(fields, entries, key, progress)
            head = _head(tbs_size, key, signature_size)
            file.write(head)
            digest = _hasher(key)
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            signature = _sign_written(key, digest, file, len(head), tbs_size)
            file.write(key.algorithm + der.bit_string(signature))
            right = _head(tbs_size, key, len(signature))
            if len(right) == len(head):
                size = file.tell()
                file.seek(0)
                file.write(right)
                return CrlFile(os.fspath(path), len(revoked), size, digest.digest() if digest.digest_size else b"")
        signature_size = len(signature)  # an ECDSA signature whose length moves what is behind the head


# ---- what lists are made with ----------------------------------------------------------------------


def issuing_point(
    *names: bytes | str,
    relative: bytes = b"",
    only_user: bool = False,
    only_ca: bool = False,
    only_attribute: bool = False,
    indirect: bool = False,
    reasons: Iterable[str] | None = None,
    critical: bool = True,
) -> Extension:
    """issuingDistributionPoint (RFC 5280, 5.2.5).

    Args:
        names: the fullName: Names in DER, or URIs.
        relative: nameRelativeToCRLIssuer instead: an AttributeTypeAndValue in DER, or several.
        reasons: onlySomeReasons, of `REASON_FLAGS`.
    """
    point = b""
    if names:
        listed = (
            der.context_primitive(6, one.encode("ascii")) if isinstance(one, str) else der.context(4, one)
            for one in names
        )
        point = der.context(0, der.context(0, *listed))
    elif relative:
        point = der.context(0, der.context(1, relative))
    flags = b"".join(
        der.context_primitive(number, b"\xff") for number, wanted in ((1, only_user), (2, only_ca)) if wanted
    )
    some = b"" if reasons is None else der.context_primitive(3, _reason_bits(reasons))
    rest = b"".join(
        der.context_primitive(number, b"\xff") for number, wanted in ((4, indirect), (5, only_attribute)) if wanted
    )
    return Extension(ISSUING_POINT, critical, der.sequence(point, flags, some, rest))


def _reason_bits(reasons: Iterable[str]) -> bytes:
    """Content of a named BIT STRING, without zeros at its end (X.690, 11.2.2)."""
    places = [REASON_FLAGS.index(one) for one in reasons]
    if not places:
        return b"\x00"
    size = max(places) // 8 + 1
    value = sum(1 << (8 * size - 1 - place) for place in set(places))
    return bytes((7 - max(places) % 8,)) + value.to_bytes(size, "big")


def indirect(*groups: tuple[bytes | None, Entries]) -> Entries:
    """Entries of an indirect list: those of each certificate issuer's Name (DER), and of None before them the list's own.

    The first entry of each Name carries certificateIssuer, which goes for those that follow (RFC 5280, 5.3.3).
    """
    whole = Entries.of([], dates=0)
    for name, entries in groups:
        if name is not None and len(entries):
            issuer = Extension(CERTIFICATE_ISSUER, True, der.sequence(der.context(4, name))).der
            first = {**entries.extensions, 0: entries.extensions.get(0, b"") + issuer}
            entries = Entries(entries.serials, entries.dates, entries.reasons, entries.invalidity, first)  # noqa: PLW2901
        whole += entries
    return whole


# ---- the list around the entries -------------------------------------------------------------------


def _length(content: int) -> bytes:
    """Length octets of so many bytes (X.690, 8.1.3)."""
    if content < 128:
        return bytes((content,))
    size = (content.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + content.to_bytes(size, "big")


def _around(fields: CrlFields, entries_size: int, key: SigningKey) -> tuple[bytes, bytes]:
    """What is before the entries in a TBSCertList, its own tag and length included, and what is behind them."""
    before = b"".join(
        (fields.version, fields.algorithm or key.algorithm, fields.issuer, fields.this_update, fields.next_update)
    )
    if entries_size:  # an empty revokedCertificates is not allowed (RFC 5280, 5.1.2.6)
        before += b"\x30" + _length(entries_size)
    extensions = b"".join(one.der for one in fields.extensions)
    behind = der.context(0, der.sequence(extensions)) if extensions else b""
    return b"\x30" + _length(len(before) + entries_size + len(behind)) + before, behind


def _tbs(
    fields: CrlFields, entries: _Held, key: SigningKey, progress: Progress | None = None
) -> tuple[int, Iterator[bytes | memoryview]]:
    """Bytes of the TBSCertList, and the TBSCertList in pieces."""
    entries_size = sum(int(_sizes(chunk).sum()) for chunk in entries.chunks())
    before, behind = _around(fields, entries_size, key)

    def pieces() -> Iterator[bytes | memoryview]:
        yield before
        done = 0
        for chunk in entries.chunks():
            yield encode(chunk).data
            done += len(chunk)
            if progress:
                progress(done, len(entries))
        yield behind

    return len(before) + entries_size + len(behind), pieces()


def _head(tbs_size: int, key: SigningKey, signature_size: int) -> bytes:
    """Tag and length of the CertificateList."""
    bits = 1 + signature_size
    return b"\x30" + _length(tbs_size + len(key.algorithm) + 1 + len(_length(bits)) + bits)


class _NoHash:
    """For keys that sign the list itself."""

    digest_size = 0

    def update(self, _piece: bytes | memoryview) -> None: ...
    def digest(self) -> bytes:
        return b""


def _hasher(key: SigningKey) -> Any:
    name = default_hash(key.kind)
    return _NoHash() if name == "none" else hashlib.new(name, usedforsecurity=False)


def _sign_written(key: SigningKey, digest: Any, file: IO[bytes], start: int, size: int) -> bytes:
    """The signature on `size` bytes of the file, from `start`, whose hash is known where the key signs a hash."""
    if digest.digest_size:
        return key.sign_digest(digest.digest())
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return key.sign_certificate(mapped[start : start + size])


class _Held(Protocol):
    """Entries that are gone through twice: once for their size, once to be written."""

    def __len__(self) -> int: ...
    def chunks(self) -> Iterator[Entries]: ...


def _held(entries: Entries | Draw) -> _Held:
    if isinstance(entries, Entries):
        return entries
    return entries.entries() if len(entries) <= _HELD_MAX else entries.held()


# ---- the entries -----------------------------------------------------------------------------------

_HELD_MAX: Final = 16 * CHUNK
"""Entries; a draw of no more is made once and kept until it is written."""

_UTC_FIRST: Final = -631_152_000  # 1950-01-01T00:00:00Z, the first that UTCTime tells (RFC 5280, 4.1.2.5.1)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Entries of one size: the same octets in each but for a few fields."""

    size: int
    template: bytes
    fields: np.dtype[np.void]


def encode(entries: Entries) -> npt.NDArray[np.uint8]:
    """The entries in DER, end to end: what is inside revokedCertificates."""
    count = len(entries)
    numbers = _shape_numbers(entries)
    sizes = _sizes(entries, numbers)
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if count else 0, dtype=np.uint8)
    starts = ends - sizes
    padded = _padded(entries.serials)
    for number in np.flatnonzero(np.bincount(numbers)).tolist():
        rows = np.flatnonzero(numbers == number)
        shape = _shape(number)
        block = _block(entries, padded, rows, number)
        # A view of every place of `out` as an item of this size: numpy copies such items whole.
        places = np.ndarray(len(out) - shape.size + 1, dtype=f"V{shape.size}", buffer=out.data, strides=(1,))
        places[starts[rows]] = block.view(f"V{shape.size}")
    for row in entries.extensions:
        whole = _with_extensions(entries, row)
        out[starts[row] : ends[row]] = np.frombuffer(whole, dtype=np.uint8)
    return out


def _sizes(entries: Entries, numbers: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.int64]:
    """Bytes of each entry in DER."""
    numbers = _shape_numbers(entries) if numbers is None else numbers
    table = np.zeros(256, dtype=np.int64)
    for number in np.flatnonzero(np.bincount(numbers, minlength=1)).tolist():
        table[number] = _shape(number).size
    sizes: npt.NDArray[np.int64] = table[numbers]
    for row in entries.extensions:
        sizes[row] = len(_with_extensions(entries, row))
    return sizes


def _padded(serials: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """With a zero octet in front of each, which the INTEGERs whose first bit is set begin with."""
    return np.pad(serials, ((0, 0), (1, 0)))


def _shape_numbers(entries: Entries) -> npt.NDArray[np.uint8]:
    """8 x the length of the serial's INTEGER + 4 if the date is no UTCTime + 2 with a reason + 1 with an invalidityDate."""
    numbers = _integer_lengths(entries.serials) << np.uint8(3)
    if len(entries) and (int(entries.dates.min()) < _UTC_FIRST or int(entries.dates.max()) >= der.UTC_TIME_END):
        numbers |= ((entries.dates < _UTC_FIRST) | (entries.dates >= der.UTC_TIME_END)).astype(np.uint8) << np.uint8(2)
    numbers |= (entries.reasons != 0).astype(np.uint8) << np.uint8(1)
    if entries.invalidity is not None:
        numbers |= (entries.invalidity != NO_TIME).astype(np.uint8)
    return numbers


def _integer_lengths(serials: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Octets of each serial as an INTEGER of minimal form (X.690, 8.3.2)."""
    width = serials.shape[1]
    if width > 30:
        raise ValueError(f"serials of {width} octets: an entry is to be shorter than 128 bytes")
    lengths = np.full(len(serials), width, dtype=np.uint8)
    lengths += serials[:, 0] >> np.uint8(7)
    short = np.flatnonzero(serials[:, 0] == 0)
    for column in range(1, width):
        lengths[short] = width - column + (serials[short, column] >> np.uint8(7))
        short = short[serials[short, column] == 0]
        if not len(short):
            break
    lengths[short] = 1
    return lengths


@lru_cache(maxsize=256)
def _shape(number: int) -> _Shape:
    length, generalized, reason, invalid = number >> 3, number >> 2 & 1, number >> 1 & 1, number & 1
    # A field is so many of an octet that is nowhere around it.
    serial = der.tlv(0x02, b"\xf1" * length)
    day = b"\xf2" * (8 if generalized else 6)
    date = der.tlv(0x18 if generalized else 0x17, day, b"\xf3" * 6, b"Z")
    parts = [serial, date]
    extensions = b""
    if reason:
        extensions += Extension(REASON_CODE, False, der.tlv(0x0A, b"\xf4")).der
    if invalid:
        extensions += Extension(INVALIDITY_DATE, False, der.tlv(0x18, b"\xf5" * 8, b"\xf6" * 6, b"Z")).der
    if extensions:
        parts.append(der.sequence(extensions))
    template = der.sequence(*parts)
    names, formats, offsets = [], [], []
    for octet, name in (
        (0xF1, "serial"),
        (0xF2, "day"),
        (0xF3, "time"),
        (0xF4, "reason"),
        (0xF5, "day2"),
        (0xF6, "time2"),
    ):
        if size := template.count(octet):
            names.append(name)
            formats.append(f"V{size}")
            offsets.append(template.index(octet))
    fields = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": len(template)})
    return _Shape(len(template), template, fields)


def _block(
    entries: Entries, padded: npt.NDArray[np.uint8], rows: npt.NDArray[np.intp], number: int
) -> npt.NDArray[np.void]:
    """These rows, all of that shape, in DER."""
    shape, length = _shape(number), number >> 3
    width = padded.shape[1]
    block = np.full(len(rows), np.frombuffer(shape.template, dtype=f"V{shape.size}")[0], dtype=f"V{shape.size}")
    fields = block.view(shape.fields)
    tails = np.ndarray(len(padded), dtype=f"V{length}", buffer=padded.data, offset=width - length, strides=(width,))
    fields["serial"] = tails[rows]
    _put_time(fields, "day", "time", entries.dates[rows], 8 if number & 4 else 6)
    if number & 2:
        fields["reason"] = entries.reasons[rows].view("V1")
    if number & 1 and entries.invalidity is not None:
        _put_time(fields, "day2", "time2", entries.invalidity[rows], 8)
    return block


def _put_time(fields: npt.NDArray[np.void], day: str, time: str, seconds: npt.NDArray[np.int64], digits: int) -> None:
    days = seconds // DAY
    first, last = int(days.min()), int(days.max())
    if last - first < _DAYS_MAX:
        # Whole tables by their first year, so that chunks of one list share one.
        base = first - first % _DAYS_STEP
        table = _days(base, -(-(last + 1 - base) // _DAYS_STEP) * _DAYS_STEP, digits)
        fields[day] = table[days - base]
    else:
        known, index = np.unique(days, return_inverse=True)
        fields[day] = np.array([_day(int(one), digits) for one in known], dtype=f"S{digits}").view(f"V{digits}")[index]
    fields[time] = _clock()[seconds - days * DAY]


_DAYS_STEP: Final = 512
_DAYS_MAX: Final = 100_000


@lru_cache(maxsize=64)
def _days(first: int, count: int, digits: int) -> npt.NDArray[np.void]:
    """The digits of so many days."""
    joined = b"".join(_day(day, digits) for day in range(first, first + count))
    return np.frombuffer(joined, dtype=f"V{digits}")


def _day(number: int, digits: int) -> bytes:
    """YYYYMMDD, or the last six of it, of a day since 1970-01-01."""
    return der.generalized_time(number * DAY)[2:10][8 - digits :]


@cache
def _clock() -> npt.NDArray[np.void]:
    """HHMMSS of every second of a day."""
    joined = b"".join(b"%02d%02d%02d" % (at // 3600, at // 60 % 60, at % 60) for at in range(DAY))
    return np.frombuffer(joined, dtype="V6")


def _with_extensions(entries: Entries, row: int) -> bytes:
    """An entry that has more extensions than its shape's."""
    bare = encode(
        Entries(
            entries.serials[row : row + 1],
            entries.dates[row : row + 1],
            entries.reasons[row : row + 1],
            None if entries.invalidity is None else entries.invalidity[row : row + 1],
        )
    )
    element = bare.tobytes()[2:]  # the content of a SEQUENCE shorter than 128 bytes
    serial_end = 2 + element[1]
    date_end = serial_end + 2 + element[serial_end + 1]
    own = element[date_end:][2:]
    return der.sequence(element[:date_end], der.sequence(own, entries.extensions[row]))
