"""The certificate reader against pyasn1 and asn1crypto: `python -m tests.property.der --count N --seed S`.

Real and odd certificates of the conformance suites are mutated.  Where sekisho reads a certificate, each oracle must read
it too (pyasn1 strictly: what it read, written again in DER, is the same octets), and find the same serial, validity, key,
names and extensions.  The values of extensions are read by each too.  The lister of DER elements is held against plain Python.
"""

from __future__ import annotations

import base64
import io
import json
import lzma
import random
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from asn1crypto import core as asn1_core
from asn1crypto import x509 as asn1_x509
from pyasn1.codec.der.decoder import decode
from pyasn1.codec.der.encoder import encode
from pyasn1.error import PyAsn1Error
from pyasn1.type.useful import UTCTime
from pyasn1_modules import rfc5280
from tests.conformance.suites import ROOT
from tests.property.certificates import mutate_bytes
from tests.property.chains import make_batch
from tests.property.command import command
from tests.property.oracle import BadDer, children

from sekisho._native import check, ffi, lib
from sekisho.reasons import Reason
from sekisho.testing.der import context, sequence

__all__ = ["Fields", "Report", "hold", "seeds"]

SIZE_MAX: Final = 8192  # bytes; the oracles need a tenth of a second for larger ones


# ---- seeds -------------------------------------------------------------------------------------------------

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def _certificates_in(data: bytes) -> Iterator[bytes]:
    if data[:1] == b"\x30":
        yield data
    for match in _PEM.finditer(data):
        try:
            yield base64.b64decode(b"".join(match[1].replace(b"\\n", b"").split()))
        except ValueError:
            continue


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)


def _in_json(path: Path) -> Iterator[bytes]:
    for text in _strings(json.loads(path.read_text())):
        if "BEGIN CERTIFICATE" in text:
            yield from _certificates_in(text.encode())
        elif len(text) > 200 and text.startswith("MI"):
            try:
                yield base64.b64decode(text, validate=True)
            except ValueError:
                continue


@cache
def seeds() -> tuple[bytes, ...]:
    """Certificates of the suites (each once, in a fixed order), and some of chains.py."""
    found: dict[bytes, None] = {}
    for path in sorted(ROOT.glob("jpki/*.cer")):
        found[path.read_bytes()] = None
    for path in sorted(ROOT.glob("roots/*.pem*")):
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        found |= dict.fromkeys(_certificates_in(data))
    for folder in ("pkits", "x509-limbo", "boringssl-pki"):
        for path in sorted(ROOT.glob(f"{folder}/*.json")):
            found |= dict.fromkeys(_in_json(path))
    for name in ("openssl-x509", "pyca-x509", "boringssl", "zlint-testdata"):
        path = ROOT / "fuzz-seeds" / f"{name}.tar.xz"
        if not path.exists():
            continue
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    found |= dict.fromkeys(_certificates_in(file.read()))
    found |= dict.fromkeys(case.leaf for case in make_batch("der", 0, 512).cases)
    return tuple(one for one in found if 40 < len(one) <= SIZE_MAX)


# ---- readers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fields:
    """What a reader found."""

    serial: int
    not_before: int
    not_after: int
    spki: bytes
    issuer: bytes
    subject: bytes
    extensions: tuple[tuple[str, bool, bytes], ...]


class Refused(Exception):
    """An oracle does not read this; the message says why."""


def _dotted(content: bytes) -> str:
    return str(asn1_core.ObjectIdentifier.load(b"\x06" + bytes((len(content),)) + content).dotted)


def ours(data: bytes) -> tuple[Reason, Fields | None]:
    """sekisho's reader."""
    summary = ffi.new("seki_certificate_summary *")
    reason, fault = ffi.new("uint32_t *"), ffi.new("size_t *")
    check(lib.seki_certificate_summarize(data, len(data), summary, reason, fault), "reading a certificate")
    if reason[0]:
        return Reason(reason[0]), None

    def part(one: Any) -> bytes:
        return data[one.offset : one.offset + one.length]

    extensions = tuple(
        (_dotted(part(one.oid)), bool(one.critical), part(one.value))
        for one in (summary.extension[i] for i in range(summary.extension_count))
    )
    return Reason.NOT_DECIDED, Fields(
        int.from_bytes(part(summary.serial), "big", signed=True),
        summary.not_before,
        summary.not_after,
        part(summary.spki),
        part(summary.issuer),
        part(summary.subject),
        extensions,
    )


def _seconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


_KNOWN: Final = frozenset(
    [f"2.5.29.{number}" for number in (9, 14, 15, 17, 18, 19, 30, 31, 32, 33, 35, 36, 37, 46, 54)]
    + ["1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.11"]
)
"""Extensions that sekisho reads to their end (native/src/cert.h); others are octets to it."""


def _of_5280(one: Any) -> datetime:
    """RFC 5280, 4.1.2.5.1: a UTCTime's years 50 to 99 are of the twentieth century; POSIX takes 50 to 68 for the next."""
    moment: datetime = one.asDateTime
    return moment.replace(year=moment.year - 100) if isinstance(one, UTCTime) and moment.year >= 2050 else moment


def _again(encoded: bytes, data: bytes, what: str) -> None:
    if encoded != data:
        raise Refused(f"{what} is not DER: written again it is other octets")


def by_pyasn1(data: bytes) -> Fields:
    """pyasn1 with the structures of RFC 5280."""
    try:
        certificate, rest = decode(data, asn1Spec=rfc5280.Certificate())
        if rest:
            raise Refused("octets left over")
        _again(encode(certificate), data, "the certificate")
        tbs = certificate["tbsCertificate"]
        validity = tbs["validity"]
        times = [_seconds(_of_5280(validity[end].getComponent())) for end in ("notBefore", "notAfter")]
        listed = tbs["extensions"] if tbs["extensions"].isValue else ()
        extensions = []
        for one in listed:
            oid, value = str(one["extnID"]), bytes(one["extnValue"])
            kind = rfc5280.certificateExtensionsMap.get(one["extnID"])
            if kind is not None and oid in _KNOWN:
                inner, left = decode(value, asn1Spec=kind)
                if left:
                    raise Refused(f"octets left over in {oid}")
                _again(encode(inner), value, f"extension {oid}")
            extensions.append((oid, bool(one["critical"]), value))
        return Fields(
            int(tbs["serialNumber"]),
            *times,
            encode(tbs["subjectPublicKeyInfo"]),
            encode(tbs["issuer"]),
            encode(tbs["subject"]),
            tuple(extensions),
        )
    except (PyAsn1Error, ValueError, TypeError, IndexError, KeyError, OverflowError, UnicodeError) as error:
        raise Refused(f"{type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}") from None


def by_asn1crypto(data: bytes) -> Fields:
    """asn1crypto.  Not written again: it brings addresses of the web and of mail into a form of its own."""
    try:
        certificate = asn1_x509.Certificate.load(data, strict=True)
        tbs = certificate["tbs_certificate"]
        times = [_seconds(tbs["validity"][end].native) for end in ("not_before", "not_after")]
        extensions = []
        for one in tbs["extensions"] if tbs["extensions"].native is not None else ():
            value = one["extn_value"].contents
            if one["extn_id"].dotted in _KNOWN:
                _ = one["extn_value"].parsed.native  # reads it
            extensions.append((one["extn_id"].dotted, bool(one["critical"].native), value))
        return Fields(
            tbs["serial_number"].native,
            *times,
            tbs["subject_public_key_info"].dump(),
            tbs["issuer"].dump(),
            tbs["subject"].dump(),
            tuple(extensions),
        )
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, UnicodeError, AttributeError) as error:
        raise Refused(f"{type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}") from None


ORACLES: Final[dict[str, Callable[[bytes], Fields]]] = {"pyasn1": by_pyasn1, "asn1crypto": by_asn1crypto}


# ---- elements ----------------------------------------------------------------------------------------------


def elements(data: bytes) -> list[tuple[int, int, int]] | None:
    """(tag, offset, length of content) of each element, depth first; None where sekisho finds a fault."""
    count, fault = ffi.new("uint64_t *"), ffi.new("size_t *")
    out = ffi.new("seki_element[]", 4096)
    check(lib.seki_der_list(data, len(data), out, 4096, count, fault), "listing elements")
    if fault[0] != len(data) or count[0] > 4096:
        return None
    return [(out[i].tag, out[i].offset, out[i].length) for i in range(count[0])]


def elements_in_python(data: bytes) -> list[tuple[int, int, int]] | None:
    """The same by the plain reader of tests/property/oracle.py."""
    found: list[tuple[int, int, int]] = []

    def walk(inside: bytes, at: int, depth: int) -> None:
        if depth > 32:
            raise BadDer("too deep")
        for element in children(inside):
            found.append((element.tag, at, len(element.content)))
            header = len(element.whole) - len(element.content)
            if element.tag & 0x20:
                walk(element.content, at + header, depth + 1)
            at += len(element.whole)

    try:
        walk(data, 0, 0)
    except BadDer:
        return None
    return found


# ---- rules -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """Why an oracle may refuse what sekisho reads."""

    oracle: str
    words: str
    because: str
    check: Callable[[bytes], bool] = lambda _: True

    def explains(self, oracle: str, words: str, data: bytes) -> bool:
        return self.oracle == oracle and re.search(self.words, words) is not None and self.check(data)


def _read_without_others(data: bytes) -> bool:
    """Whether asn1crypto reads it when extensions that sekisho does not know are left out."""
    outer = children(children(data)[0].content)
    parts = children(outer[0].content)
    listed = children(children(parts[-1].content)[0].content) if parts[-1].tag == 0xA3 else []
    kept = [one.whole for one in listed if _dotted(children(one.content)[0].content) in _KNOWN]
    tail = [context(3, sequence(*kept))] if kept else []
    tbs = sequence(*(one.whole for one in parts[:-1]), *tail)
    try:
        by_asn1crypto(sequence(tbs, *(one.whole for one in outer[1:])))
    except Refused:
        return False
    return len(kept) < len(listed)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "pyasn1", "malformed datetime format 0000", "RFC 5280, 4.1.2.5.2: a year of four digits; Python's begin with 1"
    ),
    Rule(
        "asn1crypto",
        "",
        "RFC 5280, 4.2: an extension that is not recognized is octets; asn1crypto reads some that sekisho does not know",
        _read_without_others,
    ),
    *(
        Rule(
            oracle,
            "BuiltIn(Standard|Domain)|ORAddress|ExtensionAttribute",
            "native/src/name.c: of an x400Address, which nobody uses, the form alone is read",
            lambda data: b"\xa3" in data,
        )
        for oracle in ("pyasn1", "asn1crypto")
    ),
    Rule(
        "asn1crypto",
        "Port could not be cast|Port out of range|Invalid IPv6 URL|netloc",
        "RFC 5280, 4.2.1.6: a URI is an IA5String here; asn1crypto takes it apart",
        lambda data: b"\x86" in data,
    ),
    Rule(
        "asn1crypto",
        "'InstanceOf' object has no attribute",
        "RFC 5280, 4.2.1.6: an ediPartyName has strings of five kinds; asn1crypto names none of them and fails",
        lambda data: b"\xa5" in data,
    ),
    Rule(
        "asn1crypto",
        "IDNA does not round-trip",
        "RFC 5280, 4.2.1.6: a DNS name is ASCII; what an A-label stands for is not read",
    ),
    Rule(
        "asn1crypto",
        "decoding with 'idna' codec failed",
        "RFC 5280, 4.2.1.6: a DNS name is ASCII; an A-label that stands for nothing (RFC 5893) is a name like another",
        lambda data: b"xn--" in data.lower(),
    ),
)


@dataclass
class Report:
    certificates: int = 0
    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rules: Counter[Rule] = field(default_factory=Counter)
    stricter: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)

    def disagree(self, words: str, data: bytes) -> None:
        self.unexplained[words] += 1
        if len(self.kept) < 1000:
            self.kept.append(f"{words}\t{data.hex()}")


def one(data: bytes, report: Report, ask_anyway: bool) -> None:
    """Holds one certificate against the oracles."""
    reason, found = ours(data)
    report.certificates += 1
    report.reasons[reason.kebab if found is None else "read"] += 1
    report.read += found is not None
    if found is None and not ask_anyway:
        return
    for name, oracle in ORACLES.items():
        try:
            theirs = oracle(data)
        except Refused as refusal:
            if found is None:
                continue
            rule = next((rule for rule in RULES if rule.explains(name, str(refusal), data)), None)
            if rule is None:
                report.disagree(f"{name} refuses: {refusal}", data)
            else:
                report.rules[rule] += 1
            continue
        if found is None:
            report.stricter[f"{reason.kebab}, read by {name}"] += 1
        elif theirs != found:
            different = [key for key in vars(found) if getattr(found, key) != getattr(theirs, key)]
            report.disagree(f"{name} reads another {', '.join(different)}", data)


def hold(count: int, seed: object, progress: Callable[[Report], None] = lambda _: None) -> Report:
    """About `count` mutated certificates."""
    report, chance, pool = Report(), random.Random(f"{seed}/der"), seeds()
    for number in range(count):
        data = chance.choice(pool)
        for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
            data = mutate_bytes(chance, data, pool)
        one(data, report, number % 16 == 0)
        if elements(data) != elements_in_python(data):
            report.disagree("elements differ from plain Python's", data)
        if number % 256 == 0:
            progress(report)
    return report


def table(report: Report) -> str:
    lines = [f"{count:10d}  {reason}" for reason, count in report.reasons.most_common()]
    lines += ["", "refused here, read by an oracle (asked about one refusal in 16)"]
    lines += [f"{count:10d}  {words}" for words, count in report.stricter.most_common()]
    lines += ["", "read here, refused by an oracle for a reason that is written down"]
    lines += [f"{report.rules[rule]:10d}  {rule.oracle}: {rule.because}" for rule in RULES if report.rules[rule]]
    if report.unexplained:
        lines += ["", "UNEXPLAINED"]
        lines += [f"{count:10d}  {words}" for words, count in report.unexplained.most_common(60)]
    return "\n".join(lines)


def main() -> None:
    replayed = Report()
    command(
        "Hold the certificate reader against pyasn1 and asn1crypto.",
        "certificates",
        seeds=seeds,
        hold=hold,
        again=lambda data, _seed: one(data, replayed, True),
        report=lambda: replayed,
        table=table,
        count=lambda report: report.certificates,
        read=lambda report: f"{report.read} read",
    )


if __name__ == "__main__":
    main()
