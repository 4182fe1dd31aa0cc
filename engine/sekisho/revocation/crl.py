"""Certificate revocation lists (RFC 5280, section 5), read as they come: a gigabyte in the memory of a few megabytes.

    crl = Crl()
    with open("city.crl", "rb") as file:
        while piece := file.read(1 << 20):
            if crl.feed(piece) is not None:
                break
    if crl.end() is None:
        print(crl.summary.number, crl.summary.entries)

Form is judged here, never trust: whose signature a list has, and what it may be used for, is for those who take it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from sekisho._native import check, ffi, lib
from sekisho.reasons import Reason

__all__ = ["CRL_REASONS", "Crl", "CrlEntry", "CrlParts", "CrlSummary"]

CRL_REASONS: Final = {
    0: "unspecified",
    1: "keyCompromise",
    2: "cACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}
"""CRLReason (RFC 5280, 5.3.1)."""

_NO_TIME: Final = -(2**63)
_PIECE: Final = 1 << 20  # bytes read from a file at once


@dataclass(frozen=True, slots=True)
class CrlSummary:
    """What a list says of itself.  Times are seconds since 1970, digests bytes.

    Attributes:
        version: 1 or 2.
        signature_algorithm: number of seki_signature_algorithm (native/src/algorithm.h), the same inside and outside.
        hash: number of SEKI_HASH_*; 0 for Ed25519, which signs the list itself (`CrlParts.tbs`).
        this_update: when it was issued.
        next_update: when the next one comes at the latest; None if it does not say.
        number: cRLNumber; None if it has none.
        base_number: the complete list that a delta builds upon; None if this is no delta.
        delta: never to be taken for a complete list.
        indirect: lists certificates of other issuers too.
        only_user: onlyContainsUserCerts.
        only_ca: onlyContainsCACerts.
        only_attribute: onlyContainsAttributeCerts: says nothing of public key certificates.
        reasons: the ReasonFlags that it covers, bit i of the BIT STRING as 1 << i; 510 where it covers all.
        extensions: SEKI_CRL_EXT_* that are there.
        pem: whether it came as text.
        size: bytes in DER.
        tbs_size: bytes of them that are signed.
        entries: all entries.
        removals: those of reason removeFromCRL, which only a delta has.
        negative: those of a negative serial, which no certificate has that is taken: they are in no set.
        sets: certificate issuers: the list's own, and those that an indirect one names.
        digest: of what is signed, by `hash`; empty for Ed25519.
        sha256: of the whole list in DER.
        issuer_form: the same for all Names that match the issuer's (RFC 5280, 7.1).
    """

    version: int
    signature_algorithm: int
    hash: int
    this_update: int
    next_update: int | None
    number: int | None
    base_number: int | None
    delta: bool
    indirect: bool
    only_user: bool
    only_ca: bool
    only_attribute: bool
    reasons: int
    extensions: int
    pem: bool
    size: int
    tbs_size: int
    entries: int
    removals: int
    negative: int
    sets: int
    digest: bytes
    sha256: bytes
    issuer_form: bytes


@dataclass(frozen=True, slots=True)
class CrlParts:
    """Parts of a list in DER; empty where it has none.

    Attributes:
        issuer: the whole Name.
        signature: the octets of the BIT STRING.
        tbs: the whole TBSCertList, under Ed25519 alone.
        authority_key_id: the keyIdentifier's octets.
        authority_key: value of authorityKeyIdentifier, whole, as those below.
        issuing_distribution_point: value of that extension.
        issuer_alt_name: value of that extension.
        freshest: value of freshestCRL.
        authority_info: value of authorityInfoAccess.
    """

    issuer: bytes
    signature: bytes
    tbs: bytes
    authority_key_id: bytes
    authority_key: bytes
    issuing_distribution_point: bytes
    issuer_alt_name: bytes
    freshest: bytes
    authority_info: bytes


@dataclass(frozen=True, slots=True)
class CrlEntry:
    """One revoked certificate.

    Attributes:
        serial: its number.
        reason: CRLReason; 0 where the entry gives none.
        date: revocationDate.
        invalidity: invalidityDate; None where the entry gives none.
        issuer: index of its issuer's set; 0 is the list's own issuer.
    """

    serial: int
    reason: int
    date: int
    invalidity: int | None
    issuer: int


class Crl:
    """A list that is being read.  Used by one thread at a time.

    Args:
        memory_bytes: bound of the memory for entries; beyond it they go to an unlinked file.  0: the core's default.
        filter_ppm: false positives, in a million, of the filter built from them.  0: the core's default.
        spill_directory: where that file lies; by default $TMPDIR, or /tmp.
    """

    def __init__(
        self, *, memory_bytes: int = 0, filter_ppm: int = 0, spill_directory: str | os.PathLike[str] | None = None
    ) -> None:
        options = ffi.new("seki_crl_options *")
        options.memory_bytes = memory_bytes
        options.filter_ppm = filter_ppm
        directory = ffi.NULL if spill_directory is None else ffi.new("char[]", os.fsencode(spill_directory))
        options.spill_directory = directory
        out = ffi.new("seki_crl **")
        check(lib.seki_crl_new(options, out), "making a reader of CRLs")
        self.native: Any = ffi.gc(out[0], lib.seki_crl_free)
        """The `seki_crl *`; lives as long as this object."""
        self._reason = ffi.new("uint32_t *")
        self._fault = ffi.new("uint64_t *")

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Reads a whole list out of `data`, in DER or PEM; `reason` says whether it is one."""
        crl = cls()
        crl.feed(data)
        crl.end()
        return crl

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a whole list out of a file, in DER or PEM; `reason` says whether it is one.

        Raises:
            OSError: the file cannot be read.
        """
        crl = cls()
        with open(path, "rb") as file:
            while (piece := file.read(_PIECE)) and crl.feed(piece) is None:
                pass
        crl.end()
        return crl

    def feed(self, data: bytes | bytearray | memoryview) -> Reason | None:
        """Reads on; returns None, or why the list is refused.  What follows a refusal is not looked at."""
        view = ffi.from_buffer(data)
        check(lib.seki_crl_feed(self.native, ffi.cast("uint8_t *", view), len(view), self._reason), "reading a CRL")
        return self.reason

    def end(self) -> Reason | None:
        """Says that all has been fed; returns None if it was a CRL, else why not."""
        check(lib.seki_crl_end(self.native, self._reason, self._fault), "ending a CRL")
        return self.reason

    @property
    def reason(self) -> Reason | None:
        """Why the list is refused, as far as it was read; None if nothing speaks against it."""
        return Reason(self._reason[0]) if self._reason[0] != 0 else None

    @property
    def fault(self) -> int:
        """Offset at which the fault was seen, once `end` was called: in the DER, or of a fault of PEM in the text."""
        return int(self._fault[0])

    @property
    def summary(self) -> CrlSummary:
        """What the list says of itself.

        Raises:
            ValueError: it was not read to its end, or was refused.
        """
        s = ffi.new("seki_crl_summary *")
        check(lib.seki_crl_summarize(self.native, s), "the summary of a CRL that was not read to a good end")
        return CrlSummary(
            version=s.version,
            signature_algorithm=s.signature_algorithm,
            hash=s.hash,
            this_update=s.this_update,
            next_update=None if s.next_update == _NO_TIME else s.next_update,
            number=number_of(s.number, s.number_length),
            base_number=number_of(s.base_number, s.base_number_length),
            delta=bool(s.flags & lib.SEKI_CRL_IS_DELTA),
            indirect=bool(s.flags & lib.SEKI_CRL_IS_INDIRECT),
            only_user=bool(s.flags & lib.SEKI_CRL_ONLY_USER),
            only_ca=bool(s.flags & lib.SEKI_CRL_ONLY_CA),
            only_attribute=bool(s.flags & lib.SEKI_CRL_ONLY_ATTRIBUTE),
            reasons=s.reasons,
            extensions=s.extensions,
            pem=bool(s.flags & lib.SEKI_CRL_IS_PEM),
            size=s.size,
            tbs_size=s.tbs_size,
            entries=s.entries,
            removals=s.removals,
            negative=s.negative,
            sets=s.sets,
            digest=bytes(ffi.buffer(s.digest, s.digest_length)),
            sha256=bytes(ffi.buffer(s.sha256)),
            issuer_form=bytes(ffi.buffer(s.issuer_form)),
        )

    @property
    def parts(self) -> CrlParts:
        """Parts of the list in DER.

        Raises:
            ValueError: it was not read to its end, or was refused.
        """
        return CrlParts(*self._parts())

    def _parts(self) -> Iterator[bytes]:
        data, length = ffi.new("uint8_t **"), ffi.new("size_t *")
        for part in range(lib.SEKI_CRL_PARTS):  # in the order of the fields
            check(lib.seki_crl_part(self.native, part, data, length), "a part of a CRL that was not read to a good end")
            yield bytes(ffi.buffer(data[0], length[0])) if length[0] else b""

    @property
    def points(self) -> list[bytes]:
        """The distribution points that the list is of, 32 bytes each: at least one (native/src/points.h).

        Raises:
            ValueError: it was not read to its end, or was refused.
        """
        count = ffi.new("uint64_t *")
        doing = "the points of a CRL that was not read to a good end"
        check(lib.seki_crl_points(self.native, ffi.NULL, 0, count), doing)
        room = ffi.new("uint8_t[]", 32 * count[0])
        check(lib.seki_crl_points(self.native, room, count[0], count), doing)
        octets = bytes(ffi.buffer(room))
        return [octets[i : i + 32] for i in range(0, len(octets), 32)]

    def set_issuer(self, index: int) -> bytes:
        """The issuer form of one of `summary.sets` certificate issuers.

        Raises:
            ValueError: there is no such set, or the list was not read to a good end.
        """
        form = ffi.new("uint8_t[32]")
        check(lib.seki_crl_set_issuer(self.native, index, form), f"certificate issuer {index} of a CRL")
        return bytes(ffi.buffer(form))

    def entries(self) -> list[CrlEntry] | Reason:
        """All entries in order of issuer and serial, or the reason that one serial stands twice.

        They leave the list with that.  For reports and tests; all lie in memory at once.

        Raises:
            ValueError: the list was not read to its end, was refused, or its entries were taken already.
        """
        summary = self.summary
        capacity = summary.entries - summary.negative
        out, count = ffi.new("seki_crl_entry[]", max(capacity, 1)), ffi.new("uint64_t *")
        reason = ffi.new("uint32_t *")
        check(lib.seki_crl_entries(self.native, out, capacity, count, reason), "the entries of a CRL")
        if reason[0] != 0:
            return Reason(reason[0])
        return [
            CrlEntry(
                serial=int.from_bytes(bytes(one.serial)[: one.length]),
                reason=one.reason,
                date=one.date,
                invalidity=None if one.invalidity == _NO_TIME else one.invalidity,
                issuer=one.set,
            )
            for one in out[0 : count[0]]
        ]


def number_of(octets: Any, length: int) -> int | None:
    """A cRLNumber as the core gives it: magnitude, big-endian; None where its length is 0."""
    return int.from_bytes(bytes(octets)[:length]) if length else None
