"""The reader of CRLs against cryptography and asn1crypto: `python -m tests.property.crl --count N --seed S`.

The CRLs of the conformance suites, and some made here with every kind of entry, are mutated.  Where sekisho reads a list, in
pieces of chance, each oracle must read it too (no exception is known), and find the same times, numbers, issuer, scope,
signature and entries; and SHA-2 over the signed octets, as an oracle cuts them out, must be the digest made on the way.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import lzma
import random
import re
import tarfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from asn1crypto import core as asn1_core
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from tests.conformance.suites import ROOT
from tests.property.certificates import mutate_bytes
from tests.property.command import command
from tests.property.der import Refused
from tests.property.oracle import children

from sekisho.reasons import Reason
from sekisho.revocation.crl import Crl
from sekisho.testing.der import bit_string, context, integer, octet_string, oid, sequence, tlv

__all__ = ["Fields", "Report", "hold", "seeds"]

SIZE_MAX: Final = 16_384  # bytes; the oracles need long for larger ones
HASHES: Final = {0: None, 2: "sha256", 3: "sha384", 4: "sha512"}  # SEKI_HASH_*


# ---- seeds -------------------------------------------------------------------------------------------------

_PEM: Final = re.compile(r"-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)


def _is_crl(data: bytes) -> bool:
    try:
        asn1_crl.CertificateList.load(data)["tbs_cert_list"]["this_update"].native  # noqa: B018
    except (ValueError, TypeError, KeyError, OverflowError):
        return False
    return True


def _in_json(path: Path) -> Iterator[bytes]:
    for text in _strings(json.loads(path.read_text())):
        for body in _PEM.findall(text) or ([text] if text.startswith("MI") else []):
            try:
                yield base64.b64decode("".join(body.split()), validate=True)
            except ValueError:
                continue


def _made() -> Iterator[bytes]:
    """Lists with every kind of entry and scope that the reader knows."""
    rsa = sequence(oid("1.2.840.113549.1.1.11"), b"\x05\x00")
    issuer, other = (sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(0x13, text)))) for text in (b"CA", b"Other"))
    this, after = tlv(0x17, b"260101000000Z"), tlv(0x18, b"20260201000000Z")

    def extension(number: str, value: bytes, critical: bool = False) -> bytes:
        return sequence(oid(number), b"\x01\x01\xff" if critical else b"", octet_string(value))

    def entry(serial: int, *extensions: bytes) -> bytes:
        return sequence(integer(serial), tlv(0x17, b"251231235959Z"), sequence(*extensions) if extensions else b"")

    number, base = extension("2.5.29.20", integer(300)), extension("2.5.29.27", integer(7), True)
    reason = [extension("2.5.29.21", bytes((10, 1, code))) for code in range(11)]
    date = extension("2.5.29.24", tlv(0x18, b"20251224000000Z"))
    whose = extension("2.5.29.29", sequence(context(4, other)), True)
    hold = extension("2.5.29.23", oid("1.2.840.10040.2.2"))
    many = b"".join(entry(1000 + i * i, *([reason[i % 7]] if i % 3 else [])) for i in range(120))
    lists = {
        "many": (many, [number]),
        "odd": (
            entry(5, reason[1], date) + entry(6, date) + entry(7, hold) + entry(0) + entry(-3) + entry(8, whose),
            [],
        ),
        "indirect": (
            entry(5) + entry(5, whose, reason[4]) + entry(6) + entry(7),
            [number, extension("2.5.29.28", sequence(tlv(0x84, b"\xff")), True)],
        ),
        "delta": (entry(5, reason[8]) + entry(6, reason[6]) + entry(1 << 150, reason[9]), [number, base]),
        "scope": (
            entry(5),
            [
                extension("2.5.29.35", sequence(tlv(0x80, b"key"))),
                extension(
                    "2.5.29.28",
                    sequence(
                        context(0, context(0, tlv(0x86, b"http://a.example/crl"), context(4, other))),
                        tlv(0x81, b"\xff"),
                        tlv(0x83, b"\x01\x5e"),
                    ),
                    True,
                ),
            ],
        ),
        "relative": (
            b"",
            [extension("2.5.29.28", sequence(context(0, context(1, sequence(oid("2.5.4.3"), tlv(0x13, b"x"))))), True)],
        ),
        "unknown": (entry(9, extension("1.2.3.4", b"?")), [number, extension("1.2.3.5", b"?")]),
    }
    for entries, extensions in lists.values():
        tbs = sequence(
            integer(1),
            rsa,
            issuer,
            this,
            after,
            sequence(entries) if entries else b"",
            context(0, sequence(*extensions)) if extensions else b"",
        )
        yield sequence(tbs, rsa, bit_string(bytes(64)))
    yield sequence(sequence(rsa, issuer, this, sequence(entry(9))), rsa, bit_string(bytes(64)))


@cache
def seeds() -> tuple[bytes, ...]:
    """CRLs of the suites (each once, in a fixed order), and those made here, which stand for one in four."""
    found: dict[bytes, None] = {}
    for folder in ("pkits", "x509-limbo", "boringssl-pki", "rustls-webpki"):
        for path in sorted(ROOT.glob(f"{folder}/*.json")):
            found |= dict.fromkeys(data for data in _in_json(path) if _is_crl(data))
    path = ROOT / "fuzz-seeds" / "openssl-crl.tar.xz"
    if path.exists():
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    data = file.read()
                    if Crl.of(data).reason is None:
                        found[data] = None
    suites = [one for one in found if 40 < len(one) <= SIZE_MAX]
    made = list(_made())
    return (*suites, *(made * (1 + len(suites) // (3 * len(made)))))


# ---- readers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    serial: int
    date: int
    reason: int
    invalidity: int | None


@dataclass(frozen=True)
class Fields:
    """What a reader found; None where it does not say."""

    this_update: int
    next_update: int | None
    number: int | None
    base_number: int | None
    issuer: bytes
    signature: bytes
    tbs: bytes
    scope: tuple[bool, bool, bool, bool] | None
    entries: tuple[Entry, ...]


def _ordered(entries: list[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda one: (one.serial, one.date, one.reason, one.invalidity or 0)))


def ours(data: bytes, chance: random.Random) -> tuple[Reason | None, Crl]:
    """sekisho's reader, fed in pieces."""
    crl, at = Crl(), 0
    longest = chance.choice((1, 7, 64, 1000, 1 << 20))
    while at < len(data):
        size = chance.randint(1, longest)
        crl.feed(data[at : at + size])
        at += size
    return crl.end(), crl


def _fields_of(crl: Crl, data: bytes) -> Fields | Reason:
    summary, parts = crl.summary, crl.parts
    entries = crl.entries()
    if isinstance(entries, Reason):
        return entries
    tbs = children(children(data)[0].content)[0].whole
    name = HASHES[summary.hash]
    if summary.sha256 != hashlib.sha256(data).digest() or (name and summary.digest != hashlib.new(name, tbs).digest()):
        raise AssertionError("a digest is another")
    if name is None and parts.tbs != tbs:
        raise AssertionError("the signed octets are others")
    scope = (summary.only_user, summary.only_ca, summary.only_attribute, summary.indirect)
    return Fields(
        summary.this_update,
        summary.next_update,
        summary.number,
        summary.base_number,
        parts.issuer,
        parts.signature,
        tbs,
        scope if parts.issuing_distribution_point else None,
        _ordered([Entry(one.serial, one.date, one.reason, one.invalidity) for one in entries]),
    )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


_CODES: Final = {
    x509.ReasonFlags.unspecified: 0,
    x509.ReasonFlags.key_compromise: 1,
    x509.ReasonFlags.ca_compromise: 2,
    x509.ReasonFlags.affiliation_changed: 3,
    x509.ReasonFlags.superseded: 4,
    x509.ReasonFlags.cessation_of_operation: 5,
    x509.ReasonFlags.certificate_hold: 6,
    x509.ReasonFlags.remove_from_crl: 8,
    x509.ReasonFlags.privilege_withdrawn: 9,
    x509.ReasonFlags.aa_compromise: 10,
}


def _value(extensions: x509.Extensions, kind: type[Any]) -> Any:
    return next((one.value for one in extensions if isinstance(one.value, kind)), None)


def by_cryptography(data: bytes) -> Fields:
    """cryptography.  Extensions that it does not read are octets to it too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            crl = x509.load_der_x509_crl(data)
            found = crl.extensions
            entries = []
            for one in crl:
                reason, date = _value(one.extensions, x509.CRLReason), _value(one.extensions, x509.InvalidityDate)
                entries.append(
                    Entry(
                        one.serial_number,
                        _seconds(one.revocation_date_utc) or 0,
                        0 if reason is None else _CODES[reason.reason],
                        None if date is None else _seconds(date.invalidity_date_utc),
                    )
                )
            number, base = _value(found, x509.CRLNumber), _value(found, x509.DeltaCRLIndicator)
            scope = _value(found, x509.IssuingDistributionPoint)
            if crl.public_bytes(Encoding.DER) != data:
                raise Refused("written again it is other octets")
            return Fields(
                _seconds(crl.last_update_utc) or 0,
                _seconds(crl.next_update_utc),
                None if number is None else number.crl_number,
                None if base is None else base.crl_number,
                _issuer_of(data),
                crl.signature,
                crl.tbs_certlist_bytes,
                None
                if scope is None
                else (
                    scope.only_contains_user_certs,
                    scope.only_contains_ca_certs,
                    scope.only_contains_attribute_certs,
                    scope.indirect_crl,
                ),
                _ordered(entries),
            )
    except (
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
    ) as error:
        raise Refused(f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}") from None


def _issuer_of(data: bytes) -> bytes:
    """The Name as it stands: cryptography gives it parsed alone."""
    fields = children(children(children(data)[0].content)[0].content)
    return fields[2 if fields[0].tag == 0x02 else 1].whole


def by_asn1crypto(data: bytes) -> Fields:
    try:
        crl = asn1_crl.CertificateList.load(data, strict=True)
        tbs = crl["tbs_cert_list"]
        entries = []
        for one in tbs["revoked_certificates"] if tbs["revoked_certificates"].native is not None else ():
            reason, date = 0, None
            for extension in one["crl_entry_extensions"] if one["crl_entry_extensions"].native is not None else ():
                if extension["extn_id"].dotted == "2.5.29.21":
                    reason = int.from_bytes(asn1_core.Enumerated.load(extension["extn_value"].contents).contents)
                elif extension["extn_id"].dotted == "2.5.29.24":
                    date = _seconds(extension["extn_value"].parsed.native)
            entries.append(
                Entry(one["user_certificate"].native, _seconds(one["revocation_date"].native) or 0, reason, date)
            )
        listed = tbs["crl_extensions"] if tbs["crl_extensions"].native is not None else ()
        found = {one["extn_id"].dotted: one["extn_value"] for one in listed}
        scope = found["2.5.29.28"].parsed if "2.5.29.28" in found else None
        return Fields(
            _seconds(tbs["this_update"].native) or 0,
            _seconds(tbs["next_update"].native),
            found["2.5.29.20"].parsed.native if "2.5.29.20" in found else None,
            found["2.5.29.27"].parsed.native if "2.5.29.27" in found else None,
            tbs["issuer"].dump(),
            crl["signature"].native,
            tbs.dump(),
            None
            if scope is None
            else (
                scope["only_contains_user_certs"].native,
                scope["only_contains_ca_certs"].native,
                scope["only_contains_attribute_certs"].native,
                scope["indirect_crl"].native,
            ),
            _ordered(entries),
        )
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, UnicodeError, AttributeError) as error:
        raise Refused(f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}") from None


ORACLES: Final[dict[str, Callable[[bytes], Fields]]] = {"cryptography": by_cryptography, "asn1crypto": by_asn1crypto}


# ---- holding ------------------------------------------------------------------------------------------------


@dataclass
class Report:
    lists: int = 0
    read: int = 0
    entries: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    stricter: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)

    def disagree(self, words: str, data: bytes) -> None:
        self.unexplained[words] += 1
        if len(self.kept) < 1000:
            self.kept.append(f"{words}\t{data.hex()}")


def one(data: bytes, report: Report, chance: random.Random, ask_anyway: bool) -> None:
    """Holds one list against the oracles."""
    reason, crl = ours(data, chance)
    found: Fields | None = None
    report.lists += 1
    if reason is None:
        try:
            fields = _fields_of(crl, data)
        except AssertionError as wrong:
            report.disagree(str(wrong), data)
            return
        if isinstance(fields, Reason):
            reason = fields
        else:
            found = fields
    report.reasons["read" if reason is None else reason.kebab] += 1
    report.read += found is not None
    report.entries += 0 if found is None else len(found.entries)
    if found is None and not ask_anyway:
        return
    for name, oracle in ORACLES.items():
        try:
            theirs = oracle(data)
        except Refused as refusal:
            if found is not None:
                report.disagree(f"{name} refuses: {refusal}", data)
            continue
        if found is None:
            report.stricter[f"{'' if reason is None else reason.kebab}, read by {name}"] += 1
            continue
        different = [key for key in vars(found) if getattr(found, key) != getattr(_without_negative(theirs), key)]
        if different:
            report.disagree(f"{name} reads another {', '.join(different)}", data)


def _without_negative(fields: Fields) -> Fields:
    """Entries of a negative serial name nobody that is taken, and are in no set (docs/SECURITY.md)."""
    kept = tuple(entry for entry in fields.entries if entry.serial >= 0)
    return Fields(**{**{key: getattr(fields, key) for key in fields.__dataclass_fields__}, "entries": kept})


def hold(count: int, seed: object, progress: Callable[[Report], None] = lambda _: None) -> Report:
    """`count` mutated lists."""
    report, chance, pool = Report(), random.Random(f"{seed}/crl"), seeds()
    for number in range(count):
        data = chance.choice(pool)
        for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
            data = mutate_bytes(chance, data, pool)
        one(data, report, chance, number % 16 == 0)
        if number % 256 == 0:
            progress(report)
    return report


def table(report: Report) -> str:
    lines = [f"{count:10d}  {reason}" for reason, count in report.reasons.most_common()]
    lines += ["", "refused here, read by an oracle (asked about one refusal in 16)"]
    lines += [f"{count:10d}  {words}" for words, count in report.stricter.most_common()]
    if report.unexplained:
        lines += ["", "UNEXPLAINED"]
        lines += [f"{count:10d}  {words}" for words, count in report.unexplained.most_common(60)]
    return "\n".join(lines)


def main() -> None:
    replayed = Report()
    command(
        "Hold the reader of CRLs against cryptography and asn1crypto.",
        "lists",
        seeds=seeds,
        hold=hold,
        again=lambda data, seed: one(data, replayed, random.Random(seed), True),
        report=lambda: replayed,
        table=table,
        count=lambda report: report.lists,
        read=lambda report: f"{report.read} read with {report.entries} entries",
    )


if __name__ == "__main__":
    main()
