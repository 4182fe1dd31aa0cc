"""Unpacks seeds for the fuzz targets: python3 seeds.py SUITES FOLDER

SUITES is the folder of the conformance suites (CONTRIBUTING.md); what it lacks is passed over. FOLDER gets a folder for each
target, its files named by their SHA-1. Standard library only: it runs wherever the C tests are built.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

SIZE_MAX = 16_384  # bytes; larger ones say little that smaller ones do not
COUNT_MAX = 2_000  # seeds a target, those whose SHA-1 comes first: replayed under sanitizers within seconds
Piece = tuple[int, bytes, bytes]  # tag, content, the whole element


def archives(suites: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the archives, with its name."""
    for path in sorted((suites / "fuzz-seeds").glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is not None:
                    yield member.name, stream.read()


def pem(text: str) -> Iterator[bytes]:
    for body in re.findall(r"-----BEGIN [A-Z0-9 ]+-----\s*([A-Za-z0-9+/=\s]+?)-----END", text):
        try:
            yield base64.b64decode("".join(body.split()))
        except ValueError:
            continue


def strings(value: object) -> Iterator[str]:
    """All strings in a JSON document."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def der_in(text: str) -> Iterator[bytes]:
    """Whatever DER a string may be: PEM, base64 or hex."""
    if "-----BEGIN" in text:
        yield from pem(text)
        return
    squeezed = "".join(text.split())
    for decode in (bytes.fromhex, lambda s: base64.b64decode(s, validate=True)):
        try:
            octets = decode(squeezed)
        except ValueError:
            continue
        if len(octets) > 8 and octets[0] == 0x30:
            yield octets
            return


def documents(suites: Path) -> Iterator[bytes]:
    """Structures in DER out of the JSON suites, the roots and the JPKI certificates."""
    for folder in ("pkits", "x509-limbo", "boringssl-pki", "rustls-webpki", "jpki"):
        for path in sorted((suites / folder).glob("*.json")):
            if "schema" not in path.name:
                for text in strings(json.loads(path.read_text())):
                    yield from der_in(text)
        for path in sorted((suites / folder).glob("*.cer")):
            yield path.read_bytes()
    for path in sorted((suites / "roots").glob("*.pem")):
        yield from pem(path.read_text())


def take(data: bytes) -> Iterator[Piece]:
    """The elements of `data`, one behind the other; ends at the first that is none."""
    while len(data) >= 2:
        length, header = data[1], 2
        if length >= 0x80:
            header = 2 + (length & 0x7F)
            length = int.from_bytes(data[2:header])
        if len(data) < header + length or header > 6:
            return
        yield data[0], data[header : header + length], data[: header + length]
        data = data[header + length :]


def parts(der: bytes) -> list[Piece]:
    """The fields of a certificate's tbsCertificate from the serial on, or nothing."""
    outer = list(take(der))
    inner = list(take(outer[0][1])) if len(outer) == 1 and outer[0][0] == 0x30 else []
    if len(inner) != 3 or inner[0][0] != 0x30 or inner[2][0] != 0x03:
        return []
    fields = [piece for piece in take(inner[0][1]) if piece[0] != 0xA0]
    shape = [piece[0] for piece in fields[:6]]
    return fields if shape == [0x02, 0x30, 0x30, 0x30, 0x30, 0x30] else []


def is_crl(der: bytes) -> bool:
    """Whether a version or an algorithm, then a name and a time begin the first of three parts: no certificate's do."""
    outer = list(take(der))
    inner = list(take(outer[0][1])) if len(outer) == 1 and outer[0][0] == 0x30 else []
    shape = [piece[0] for piece in take(inner[0][1])] if len(inner) == 3 else []
    return shape[shape[:1] == [0x02] :][:2] == [0x30, 0x30] and shape[shape[:1] == [0x02] :][2:3] in ([0x17], [0x18])


def tlv(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = len(content)
    size = bytes((length,)) if length < 0x80 else b"\x82" + length.to_bytes(2, "big")
    return bytes((tag,)) + (size if length < 0x80 or length > 0xFF else b"\x81" + bytes((length,))) + content


def ocsp_response(part: bytes, folder: str) -> bytes:
    """A whole response around the part that a corpus of BoringSSL's has."""
    if len(part) > SIZE_MAX or "parse_ocsp_response_fuzzer" in folder:
        return part
    time, status = b"\x18\x0f20170301000000Z", b"\x80\x00"
    if "cert_id" in folder:
        part = tlv(0x30, part, status, time)
    if "response_data" not in folder:
        part = tlv(0x30, b"\xa2\x16\x04\x14" + bytes(20), time, tlv(0x30, part))
    basic = tlv(0x30, part, b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", b"\x03\x03\x00\x01\x02")
    kind = b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01"
    return tlv(0x30, b"\x0a\x01\x00", tlv(0xA0, tlv(0x30, kind, tlv(0x04, basic))))


def names(fields: list[Piece]) -> Iterator[bytes]:
    """Inputs of the target `name` out of a certificate: a byte that says what follows, and its content."""
    for issuer_or_subject in (fields[2], fields[4]):
        yield b"\x00" + issuer_or_subject[1]
        for _, content, _ in take(issuer_or_subject[1]):
            yield b"\x01" + content
    for tag, content, _ in fields[6:]:
        if tag != 0xA3:
            continue
        for _, extension, _ in (one for _, listed, _ in take(content) for one in take(listed)):
            pieces = list(take(extension))
            if len(pieces) < 2 or pieces[-1][0] != 0x04:
                continue
            for _, value, _ in take(pieces[-1][1]):
                if pieces[0][1] in (b"\x55\x1d\x11", b"\x55\x1d\x12"):
                    yield b"\x04" + value
                    yield from (b"\x02" + whole for _, _, whole in take(value))
                elif pieces[0][1] == b"\x55\x1d\x1e":
                    subtrees = (tree for _, trees, _ in take(value) for _, tree, _ in take(trees))
                    yield from (b"\x03" + tree for tree in subtrees)


def ecdsa(suites: Path) -> Iterator[bytes]:
    """Signatures of Wycheproof's ECDSA vectors in DER; the first byte chooses the curve."""
    for path in sorted((suites / "wycheproof").rglob("ecdsa_*_test.json")):
        if "p1363" in path.name:
            continue
        curve = b"\x01" if "384" in path.name else b"\x00"
        for group in json.loads(path.read_text()).get("testGroups", []):
            yield from (curve + bytes.fromhex(test["sig"]) for test in group.get("tests", []))


def seeds(suites: Path) -> Iterator[tuple[str, bytes]]:
    """(target, input) for every seed."""
    certificates = list(documents(suites))
    for name, content in archives(suites):
        folder = name.split("/")[0]
        if folder in ("x509", "cert_corpus", "parse_certificate_fuzzer_corpus", "pyca", "zlint"):
            certificates += list(pem(content.decode("latin-1"))) if b"-----BEGIN" in content else [content]
        elif folder == "spki_corpus":
            yield "spki", content
        elif folder in ("asn1", "asn1parse", "der_roundtrip_corpus", "crl", "pkcs8_corpus"):
            yield "der", content
            if folder == "crl":
                yield "crl", content
        elif folder.startswith("ocsp_parse_ocsp_"):
            yield "ocsp", ocsp_response(content, folder)
        elif folder.startswith("verify_name_match"):
            yield from (("name", b"\x00" + piece[1]) for piece in take(content))
    for number, der in enumerate(certificates):
        if is_crl(der):
            yield "crl", der
            text = base64.encodebytes(der).replace(b"\n", b"")
            lines = b"".join(text[i : i + 64] + b"\n" for i in range(0, len(text), 64))
            yield "crl", b"-----BEGIN X509 CRL-----\n" + lines + b"-----END X509 CRL-----\n"
        if der[:1] == b"\x30" and [piece[0] for piece in take(der)] == [0x30] and next(take(der))[1][:1] == b"\x0a":
            yield "ocsp", der
            continue
        yield "certificate", der
        yield "der", der
        fields = parts(der)
        if fields:
            yield "spki", fields[5][2]
            yield from (("name", one) for one in names(fields))
            choice = bytes((number % 8, number % 6))  # profile and time, an issuer of the target's own
            yield "path", choice + der
            yield "chain", choice + der + certificates[(number * 7 + 1) % len(certificates)]
            yield "chain", choice + certificates[(number * 5 + 3) % len(certificates)] + der + der
    yield from (("ecdsa_der", one) for one in ecdsa(suites))


def main() -> None:
    suites, folder = Path(sys.argv[1]), Path(sys.argv[2])
    found: dict[str, dict[str, bytes]] = {}
    for target, content in seeds(suites):
        if len(content) <= SIZE_MAX:
            found.setdefault(target, {})[hashlib.sha1(content, usedforsecurity=False).hexdigest()] = content
    for target, inputs in found.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name in sorted(inputs)[:COUNT_MAX]:
            (folder / target / name).write_bytes(inputs[name])


main()
