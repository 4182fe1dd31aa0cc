"""The certificate parser against two others: what it takes, cryptography and pyasn1 must read too, and read the same.

What it refuses that others take is its strictness, and has a written reason: a rule of X.690 or RFC 5280, in
`REFUSED_ROOTS` for real certificates and `STRICTER` for BoringSSL's. An exception that is met no more fails as well.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import json
import lzma
import random
import re
import tarfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from pyasn1.codec.der import decoder, encoder
from pyasn1_modules import rfc5280
from tests.conformance.suites import ROOT

from sekisho import _native
from sekisho.testing import build_city

ffi, lib = _native.ffi, _native.lib

suites = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the suites are not at {ROOT}")

KEY_KINDS = {1: "rsa", 2: "secp256r1", 3: "secp384r1", 4: "ed25519"}
KEY_USAGE = "2.5.29.15"
UNKNOWN_EXTENSION = 1 << 30
KEY_USAGE_FIELDS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)

# SHA-256 of real roots that are refused even as anchors, and the rule each breaks.
REFUSED_ROOTS = {
    "fabcf5197cdd7f458ac33832d3284021db2425fd6bea7a2e69b7486e8f51f9cc": "serial of 21 octets (RFC 5280, 4.1.2.2)",
    "60b35c92f6c7cf23ac6152a8965afe1650b5e0a2a81a9ec2d6dab254f288a04d": "critical FALSE written out (X.690, 11.5)",
    "f5b6f88f75d391a4b1eb336f9e201239fb6b1377db8cfa7b84736216e5afffd7": "critical FALSE written out (X.690, 11.5)",
    "5b1d9d24de0afea8b35ba04a1c3e25d0812cdf7c4625de0a89af9fe4bbd1bb15": "VisibleString with octets above 7e",
    "7d2bf3489ebc9ad3448b8b0827715a3cbfe3d523e3b56a9b5fc1d2a2da2f20fe": "VisibleString with octets above 7e",
    "a6c51e0da5ca0a9309d2e4c0e40c2af9107aae8203857fe198e3e769e343085c": "VisibleString with octets above 7e",
    "d2a90e5d35cac4d41f7d44ce66aff885e1815fb339185853a87e66c05c9bef1e": "VisibleString with octets above 7e",
    "bc104f15a48be709dca542a7e1d4b9df6f054527e802eaa92d595444258afe71": "dNSName constraint with a leading period",
    "be144b56fb1163c49c9a0e6b5a458df6b29f7e6449985960c178a4744624b7bc": "dNSName with a space",
    "e0e17aea06cf9ce12aae8190345a2c59720130a7d8ff72f3745ad75dbaa365b6": "dNSName that is a URI",
    "e3268f6106ba8b665a1a962ddea1459d2a46972f1f2440329b390b895749ad45": "dNSName that is a URI",
}

# BoringSSL's own parser is looser here: each with the rule.
STRICTER = {
    "basic_constraints_ca_false": "cA is written out though FALSE is its default (X.690, 11.5)",
    "cert_skeleton": "TBSCertificate is empty; BoringSSL's test splits the outermost SEQUENCE only",
}
CLEAN = {
    "basic_constraints_ca_path_9",
    "basic_constraints_not_ca",
    "basic_constraints_pathlen_255",
    "crldp_3uri_noissuer",
    "extension_not_critical",
    "policies",
    "serial_zero_padded",
    "subject_alt_name",
    "subject_t61string_actual",
}
AUTHORITY_KEY_IDENTIFIERS = {
    "authority_key_identifier/extra_contents_after_issuer_and_serial": False,
    "authority_key_identifier/invalid_key_identifier": False,
    "authority_key_identifier/issuer_only": False,
    "authority_key_identifier/key_identifier": True,
    "authority_key_identifier/key_identifier_and_issuer_and_serial": True,
}


@dataclass(frozen=True)
class Parsed:
    """What the core said of a certificate."""

    reason: int
    fault: int
    summary: Any = field(repr=False)
    der: bytes = field(repr=False)

    def octets(self, name: str) -> bytes:
        part = getattr(self.summary, name)
        return self.der[part.offset : part.offset + part.length]

    @property
    def extensions(self) -> list[tuple[bytes, bool, bytes]]:
        """OID's content octets, criticality, value, in the certificate's order."""
        found = []
        for i in range(self.summary.extension_count):
            one = self.summary.extension[i]
            oid = self.der[one.oid.offset : one.oid.offset + one.oid.length]
            value = self.der[one.value.offset : one.value.offset + one.value.length]
            found.append((oid, bool(one.critical), value))
        return found


def parse(der: bytes) -> Parsed:
    summary, reason, fault = ffi.new("seki_certificate_summary *"), ffi.new("uint32_t *"), ffi.new("size_t *")
    status = lib.seki_certificate_summarize(ffi.from_buffer(der), len(der), summary, reason, fault)
    assert status == lib.SEKI_OK
    assert fault[0] <= len(der)
    return Parsed(reason[0], fault[0], summary, der)


def taken(der: bytes) -> bool:
    return parse(der).reason == 0


# ---- the oracles ---------------------------------------------------------------------------------


def oid_octets(dotted: str) -> bytes:
    encoded = encoder.encode(rfc5280.univ.ObjectIdentifier(dotted))
    return bytes(encoded[2:])


def disagreement(parsed: Parsed, *, slowly: bool = True) -> str | None:
    """Where cryptography, or slowly pyasn1, reads a certificate that was taken in another way, or not at all."""
    try:
        return against_cryptography(parsed) or (against_pyasn1(parsed) if slowly else None)
    except AssertionError:
        raise
    except Exception as error:  # whatever an oracle raises is its opinion, not an accident of this test
        return f"{type(error).__module__}.{type(error).__name__}: {error}"


def opinion_alone(parsed: Parsed) -> bool:
    """Whether it is cryptography alone that will not read this: it raises, and pyasn1 reads it as we do.

    For certificates that anybody may have made; a field that is read differently is never an opinion.
    """
    try:
        against_cryptography(parsed)
    except Exception:  # as in `disagreement`
        try:
            return against_pyasn1(parsed) is None
        except Exception:
            return False
    return False


def against_cryptography(parsed: Parsed) -> str | None:
    s = parsed.summary
    if s.version == 2:
        return None  # cryptography knows versions 1 and 3 only
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)  # upper bounds on lengths, which name.h leaves alone
        theirs = x509.load_der_x509_certificate(parsed.der)
        if {x509.Version.v1: 1, x509.Version.v3: 3}[theirs.version] != s.version:
            return "version"
        if theirs.serial_number != int.from_bytes(parsed.octets("serial"), "big"):
            return "serial"
        if calendar.timegm(theirs.not_valid_before_utc.timetuple()) != s.not_before:
            return "notBefore"
        if calendar.timegm(theirs.not_valid_after_utc.timetuple()) != s.not_after:
            return "notAfter"
        if theirs.tbs_certificate_bytes != parsed.octets("tbs") or theirs.signature != parsed.octets("signature"):
            return "what is signed"
        if theirs.issuer.public_bytes() != parsed.octets("issuer"):
            return "issuer"
        if theirs.subject.public_bytes() != parsed.octets("subject"):
            return "subject"
        theirs_extensions = theirs.extensions
    found = [(oid_octets(one.oid.dotted_string), one.critical) for one in theirs_extensions]
    if found != [(oid, critical) for oid, critical, _ in parsed.extensions]:
        return "extensions"
    for one in theirs_extensions:
        if isinstance(one.value, x509.BasicConstraints):
            length = -1 if one.value.path_length is None else one.value.path_length
            if (one.value.ca, length) != (bool(s.is_ca), s.path_length):
                return "basicConstraints"
        if isinstance(one.value, x509.KeyUsage):
            bits = sum(getattr(one.value, name) << i for i, name in enumerate(KEY_USAGE_FIELDS))
            if bits != s.key_usage & 0x7F:
                return "keyUsage"
        if isinstance(one.value, x509.SubjectKeyIdentifier) and one.value.digest != parsed.octets("subject_key_id"):
            return "subjectKeyIdentifier"
        if isinstance(one.value, x509.AuthorityKeyIdentifier):
            serial = one.value.authority_cert_serial_number
            ours = parsed.octets("authority_serial")
            if (one.value.key_identifier or b"") != parsed.octets("authority_key_id"):
                return "authorityKeyIdentifier"
            if serial != (int.from_bytes(ours, "big", signed=True) if ours else None):
                return "authorityCertSerialNumber"
    return same_key(parsed, theirs) if s.key_reason == 0 else None


def same_key(parsed: Parsed, theirs: x509.Certificate) -> str | None:
    s = parsed.summary
    try:
        key = theirs.public_key()
    except ValueError as error:
        # That the point lies on its curve is established where a key is made ready for use.
        return None if s.key_kind in (2, 3) else f"key: {error}"
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        same = (numbers.n, numbers.e) == (int.from_bytes(parsed.octets("modulus"), "big"), s.key_exponent)
        return None if same and s.key_kind == 1 and s.key_bits == key.key_size else "RSA key"
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        same = point == parsed.octets("point") and key.curve.name == KEY_KINDS[s.key_kind]
        return None if same and s.key_bits == key.curve.key_size else "EC key"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None if key.public_bytes_raw() == parsed.octets("point") and s.key_kind == 4 else "Ed25519 key"
    return f"key of another kind: {key}"


def seconds_of(moment: rfc5280.Time) -> int:
    if moment.getName() == "generalTime":
        return calendar.timegm(time.strptime(str(moment["generalTime"]), "%Y%m%d%H%M%SZ"))
    text = str(moment["utcTime"])
    century = "19" if text >= "5" else "20"
    return calendar.timegm(time.strptime(century + text, "%Y%m%d%H%M%SZ"))


def against_pyasn1(parsed: Parsed) -> str | None:
    s = parsed.summary
    certificate, rest = decoder.decode(parsed.der, asn1Spec=rfc5280.Certificate())
    if rest:
        return "pyasn1: trailing data"
    if encoder.encode(certificate) != parsed.der:
        return "pyasn1: encodes it otherwise"
    tbs = certificate["tbsCertificate"]
    if int(tbs["version"]) + 1 != s.version:
        return "pyasn1: version"
    if int(tbs["serialNumber"]) != int.from_bytes(parsed.octets("serial"), "big"):
        return "pyasn1: serial"
    validity = tbs["validity"]
    if s.not_before >= 0 and (seconds_of(validity["notBefore"]), seconds_of(validity["notAfter"])) != (
        s.not_before,
        s.not_after,
    ):
        return "pyasn1: validity"
    if encoder.encode(tbs["subjectPublicKeyInfo"]) != parsed.octets("spki"):
        return "pyasn1: key"
    found = []
    for extension in tbs["extensions"]:
        value = bytes(extension["extnValue"])
        found.append((oid_octets(str(extension["extnID"])), bool(extension["critical"]), value))
        spec = rfc5280.certificateExtensionsMap.get(extension["extnID"])
        if spec is not None and s.extension[len(found) - 1].known != UNKNOWN_EXTENSION:
            decoded, rest = decoder.decode(value, asn1Spec=spec)
            if rest:
                return f"pyasn1: trailing data in {extension['extnID']}"
            if encoder.encode(decoded) != value:
                return f"pyasn1: encodes {extension['extnID']} otherwise"
    return None if found == parsed.extensions else "pyasn1: extensions"


# ---- material ------------------------------------------------------------------------------------


def pem_blocks(text: bytes) -> list[bytes]:
    blocks = re.findall(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END", text, re.DOTALL)
    return [base64.b64decode(block) for block in blocks]


@cache
def real_roots() -> tuple[bytes, ...]:
    roots = pem_blocks(lzma.decompress((ROOT / "roots" / "roots.pem.xz").read_bytes()))
    roots += pem_blocks((ROOT / "roots" / "jp-roots.pem").read_bytes())
    assert roots
    return tuple(dict.fromkeys(roots))


def seeds(archive: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(ROOT / "fuzz-seeds" / archive) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is None:
                continue
            data = stream.read()
            blocks = pem_blocks(data)
            yield from ((member.name, block) for block in blocks or [data])


@cache
def small_city() -> Any:
    return build_city(3, seed="certificate-parse", key="p256", authority_key="p256")


# ---- real certificates ---------------------------------------------------------------------------


@suites
def test_jpki_authorities_are_read() -> None:
    """Six CA certificates: two names, three generations of each; FACTS B2."""
    names, keys = Counter[bytes](), set()
    files = sorted((ROOT / "jpki").glob("*.cer"))
    assert files
    for path in files:
        data = path.read_bytes()
        der = (pem_blocks(data) or [data])[0]
        parsed = parse(der)
        assert parsed.reason == 0, path.name
        assert disagreement(parsed) is None, path.name
        s = parsed.summary
        assert (s.version, s.key_kind, s.key_bits, s.key_exponent, s.key_reason) == (3, 1, 2048, 65537, 0)
        assert s.signature_algorithm == 1
        assert s.is_ca
        assert s.path_length == -1
        assert s.key_usage == 0b1100000
        assert parsed.octets("issuer") == parsed.octets("subject")
        assert parsed.octets("authority_key_id") == b""
        assert s.departures == 0
        names[parsed.octets("subject")] += 1
        keys.add(parsed.octets("subject_key_id"))
    assert len(keys) == len(files)
    assert len(names) < len(files), "generations share a name"


@suites
def test_real_roots() -> None:
    """Roots are taken, or taken as anchors with a departure, or refused for a reason written down."""
    wrong, refused = {}, {}
    for der in real_roots():
        parsed = parse(der)
        fingerprint = hashlib.sha256(der).hexdigest()
        if parsed.summary.version == 0:
            refused[fingerprint] = parsed
            continue
        assert (parsed.reason == 0) == (parsed.summary.departures == 0)
        if parsed.reason != 0:
            assert genuine_departure(parsed), fingerprint
        elif (difference := disagreement(parsed)) is not None and not known_to_oracles(difference, parsed):
            wrong[fingerprint] = difference
    assert wrong == {}
    unexplained = {key: one for key, one in refused.items() if key not in REFUSED_ROOTS and others_take(one.der)}
    assert unexplained == {}
    present = {hashlib.sha256(der).hexdigest() for der in real_roots()}
    assert {key for key in REFUSED_ROOTS if key in present} <= set(refused), "an exception that no longer applies"


def others_take(der: bytes) -> bool:
    """Whether cryptography reads it and it is what pyasn1 would write."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _ = x509.load_der_x509_certificate(der).extensions
        certificate, _ = decoder.decode(der, asn1Spec=rfc5280.Certificate())
        return bool(encoder.encode(certificate) == der)
    except Exception:  # as in `disagreement`
        return False


def genuine_departure(parsed: Parsed) -> bool:
    """Whether pyasn1 sees what the anchor is said to have departed from."""
    certificate, _ = decoder.decode(parsed.der, asn1Spec=rfc5280.Certificate())
    tbs = certificate["tbsCertificate"]
    if parsed.summary.departures & 1:
        return int(tbs["serialNumber"]) <= 0
    for extension in tbs["extensions"]:
        if str(extension["extnID"]) == KEY_USAGE:
            bits, _ = decoder.decode(bytes(extension["extnValue"]), asn1Spec=rfc5280.KeyUsage())
            return len(bits) > 0 and bits[len(bits) - 1] == 0 and 1 in tuple(bits)
    return False


def known_to_oracles(difference: str, parsed: Parsed) -> bool:
    """Differences that are the other reader's, each looked at once."""
    if parsed.summary.key_reason != 0 and "SubjectPublicKeyInfo::algorithm" in difference:
        return True  # a key of ours with a reason against it; cryptography refuses the certificate for it
    if parsed.summary.signature_algorithm == 0 and "TbsCertificate::signature_alg" in difference:
        return True  # DSA with NULL; not known here, so no signature by it is ever accepted
    return any(known in difference for known in ORACLES_OWN)


# cryptography refuses these though RFC 5280 allows them or does not speak of them.
ORACLES_OWN = (
    "structure found but OID did not match",  # a policy qualifier of an OID other than its two
    "PolicyQualifierInfo::qualifier",  # the same, of a type other than its two
    "x400Address/EDIPartyName are not supported",
    "has host bits set",  # a name constraint of 192.0.2.1/24
    "NoticeReference::notice_numbers",  # a negative number of a notice
    "SCT",  # signed certificate timestamps (RFC 6962), an extension unknown here
)


@suites
@pytest.mark.parametrize(
    "archive",
    [
        "boringssl.tar.xz",
        "openssl-x509.tar.xz",
        "openssl-asn1.tar.xz",
        "openssl-asn1parse.tar.xz",
        "openssl-acert.tar.xz",
        "openssl-pem.tar.xz",
        "pyca-x509.tar.xz",
        "zlint-testdata.tar.xz",
    ],
)
def test_fuzz_seeds(archive: str) -> None:
    """Nothing crashes, and what is taken is what others read."""
    wrong, seen = {}, 0
    for name, data in seeds(archive):
        seen += 1
        parsed = parse(data)
        if parsed.reason != 0:
            continue
        difference = disagreement(parsed)
        if difference is not None and not known_to_oracles(difference, parsed) and not opinion_alone(parsed):
            wrong[name] = difference
    assert seen
    assert wrong == {}


# ---- BoringSSL's cases ---------------------------------------------------------------------------


def boringssl_cases() -> list[dict[str, Any]]:
    if not ROOT.is_dir():
        return []
    cases: list[dict[str, Any]] = json.loads((ROOT / "boringssl-pki" / "parse_certificate.json").read_text())["cases"]
    for case in cases:
        assert set(case) == {"id", "kind", "der", "description", "errors"}
        assert case["kind"] in ("CERTIFICATE", "TBS CERTIFICATE", "AUTHORITY_KEY_IDENTIFIER")
    return cases


@suites
@pytest.mark.parametrize("case", boringssl_cases(), ids=lambda case: case["id"])
def test_boringssl(case: dict[str, Any]) -> None:
    """Errors there are refusals here, or left to a later stage that is told; what is taken is read alike."""
    der = base64.b64decode(case["der"])
    if case["kind"] == "AUTHORITY_KEY_IDENTIFIER":
        certificate = with_extension("551d23", der)
        if case["id"] in AUTHORITY_KEY_IDENTIFIERS:
            assert taken(certificate) == AUTHORITY_KEY_IDENTIFIERS[case["id"]]
        elif taken(certificate):
            assert disagreement(parse(certificate)) is None
    elif case["kind"] == "TBS CERTIFICATE":
        # Most fields of these are bogus; none is a certificate, in a wrapping or without.
        assert not taken(der)
        algorithm, signature = bytes.fromhex("300d06092a864886f70d01010b0500"), bytes.fromhex("030200aa")
        assert not taken(tlv(0x30, der + algorithm + signature))
    elif case["id"] in STRICTER:
        assert not taken(der)
    elif case["id"] in CLEAN:
        assert taken(der)
        assert disagreement(parse(der)) is None
    elif taken(der):
        parsed = parse(der)
        assert disagreement(parsed) is None or opinion_alone(parsed)
        if case["errors"] and case["errors"][0].startswith("ERROR"):
            # The form is right: critical extensions and empty subjects are judged where paths and profiles are.
            assert parsed.summary.critical & UNKNOWN_EXTENSION or parsed.octets("subject") == b"\x30\x00"


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def with_extension(oid_hex: str, value: bytes) -> bytes:
    """A well-formed certificate with this one extension."""
    return with_extensions({oid_hex: value})


def with_extensions(values: dict[str, bytes]) -> bytes:
    """A well-formed certificate with these extensions, OIDs as the hex of their content octets."""
    extensions = b"".join(tlv(0x30, tlv(0x06, bytes.fromhex(oid)) + tlv(0x04, value)) for oid, value in values.items())
    algorithm = bytes.fromhex("300506032b6570")
    name = bytes.fromhex("300d310b3009060355040613024a50")
    validity = tlv(0x30, tlv(0x17, b"260101000000Z") + tlv(0x17, b"300101000000Z"))
    key = bytes.fromhex("302a300506032b6570032100") + bytes(range(32))
    fields = [bytes.fromhex("a003020102"), tlv(0x02, b"\x01"), algorithm, name, validity, name, key]
    tbs = tlv(0x30, b"".join(fields) + tlv(0xA3, tlv(0x30, extensions)))
    return tlv(0x30, tbs + algorithm + tlv(0x03, bytes(65)))


# ---- mutations -----------------------------------------------------------------------------------

MUTATIONS = 20_000
EDGES = (0x00, 0x01, 0x02, 0x7F, 0x80, 0x81, 0xFE, 0xFF)


def elements(der: bytes) -> list[tuple[int, int, int, int]]:
    """(offset, offset of content, length, tag) of each element, strings that hold DER included."""
    found: list[tuple[int, int, int, int]] = []
    count, fault = ffi.new("uint64_t *"), ffi.new("size_t *")
    work = [(0, len(der))]
    while work:
        start, end = work.pop()
        piece = der[start:end]
        assert lib.seki_der_list(ffi.from_buffer(piece), len(piece), ffi.NULL, 0, count, fault) == lib.SEKI_OK
        if fault[0] != len(piece):
            continue
        out = ffi.new("seki_element[]", count[0])
        assert lib.seki_der_list(ffi.from_buffer(piece), len(piece), out, count[0], count, fault) == lib.SEKI_OK
        for one in out:
            found.append((start + one.offset, start + one.content, one.length, one.tag))
            if one.tag == 0x04:
                work.append((start + one.content, start + one.content + one.length))
    return found


def resized(der: bytes, at: int, old: int, new: bytes) -> bytes:
    """`der` with `old` octets at `at` replaced, and the lengths of all elements around it put right."""
    around = [one for one in elements(der) if one[1] <= at and at + old <= one[1] + one[2] and one[3] in CONTAINERS]
    for offset, content, length, tag in sorted(around, reverse=True):
        body = der[content:at] + new + der[at + old : content + length]
        new, at, old = tlv(tag, body), offset, content + length - offset
    return der[:at] + new + der[at + old :]


CONTAINERS = {0x30, 0x31, 0x04, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4}


def mutate(der: bytes, rng: random.Random) -> bytes:
    """One or two edits: an octet, a content, an element dropped, doubled, moved, or its tag changed."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        parts = elements(der)
        offset, content, length, _tag = rng.choice(parts)
        whole = der[offset : content + length]
        kind = rng.randrange(8)
        if kind == 0:
            at = rng.randrange(len(der))
            der = der[:at] + bytes([rng.choice(EDGES)]) + der[at + 1 :]
        elif kind == 1 and length:
            at = content + rng.randrange(length)
            der = der[:at] + bytes([rng.randrange(256)]) + der[at + 1 :]
        elif kind == 2:
            der = resized(der, content + length, 0, bytes([rng.choice(EDGES)]))
        elif kind == 3 and length:
            der = resized(der, content, 1, b"")
        elif kind == 4:
            der = resized(der, offset, len(whole), b"")
        elif kind == 5:
            der = resized(der, offset, 0, whole)
        elif kind == 6:
            other = rng.choice(parts)
            der = resized(der, offset, len(whole), der[other[0] : other[1] + other[2]])
        else:
            tags = (0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1E, 0x30, 0x31, 0x82, 0xA0)
            der = der[:offset] + bytes([rng.choice(tags)]) + der[offset + 1 :]
        if not elements(der):
            return der
    return der


def models() -> list[bytes]:
    """The same certificates on every machine: of JPKI's shapes, and with each extension there is."""
    city = small_city()
    name = bytes.fromhex("a40f300d310b3009060355040613024a50")
    uri = tlv(0x86, b"http://a.example/b")
    point = tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0, name + uri)) + bytes.fromhex("81020560") + tlv(0xA2, name)))
    access = tlv(0x30, tlv(0x30, bytes.fromhex("06082b06010505073001") + uri))
    names = [
        bytes.fromhex("a00b06022a03a0050c03e585ac"),
        tlv(0x81, b"a@b.example"),
        tlv(0x82, b"*.b.example"),
        name,
        uri,
        bytes.fromhex("8704c0000201"),
        bytes.fromhex("87100000000000000000000000000000000188022a03"),
    ]
    notice = tlv(
        0x30,
        tlv(0x30, tlv(0x0C, b"organisation") + bytes.fromhex("3006020101020102")) + tlv(0x0C, "注意".encode()),
    )
    qualifiers = tlv(0x30, bytes.fromhex("06082b06010505070201") + tlv(0x16, b"http://c.example"))
    qualifiers += tlv(0x30, bytes.fromhex("06082b06010505070202") + notice)
    policies = tlv(0x30, tlv(0x30, bytes.fromhex("06022a03") + tlv(0x30, qualifiers)) + bytes.fromhex("300406022a04"))
    subtrees = tlv(0x30, tlv(0x82, b"b.example")) + tlv(0x30, bytes.fromhex("8708c0000200ffffff00")) + tlv(0x30, name)
    leaf = {
        "551d11": tlv(0x30, b"".join(names)),
        "551d12": tlv(0x30, name),
        "551d1f": point,
        "551d2e": point,
        "551d20": policies,
        "551d23": tlv(0x30, bytes.fromhex("8003010203") + tlv(0xA1, name) + bytes.fromhex("820105")),
        "551d25": bytes.fromhex("301406082b0601050507030206082b06010505070304"),
        "2b06010505070101": access,
        "2b0601050507010b": access,
        "551d09": bytes.fromhex("3011300f06082b06010505070904310313014a"),
        "2a0304": b"not DER",
    }
    authority = {
        "551d13": bytes.fromhex("30060101ff020101"),
        "551d0f": bytes.fromhex("03020106"),
        "551d0e": bytes.fromhex("040401020304"),
        "551d1e": tlv(0x30, tlv(0xA0, subtrees) + tlv(0xA1, subtrees)),
        "551d21": bytes.fromhex("300a300806022a0306022a04"),
        "551d24": bytes.fromhex("3006800100810102"),
        "551d36": bytes.fromhex("020103"),
    }
    made = [with_extensions(leaf), with_extensions(authority)]
    return [bytes(city.leaves[0]), bytes(city.leaves[len(city) - 1]), city.trust()[0], *made]


def test_mutations() -> None:
    """20,000 mutated certificates: whatever is taken, cryptography and pyasn1 read, and read the same.

    pyasn1 takes 20 ms a certificate and is asked about every second.
    """
    rng = random.Random(20261122)
    originals = models()
    for original in originals:
        assert taken(original)
        assert disagreement(parse(original)) is None
    counted, wrong, seen = Counter[str](), {}, set()
    for i in range(MUTATIONS):
        der = mutate(originals[i % len(originals)], rng)
        parsed = parse(der)
        counted["taken" if parsed.reason == 0 else "refused"] += 1
        if parsed.reason != 0 or der in seen:
            continue
        seen.add(der)
        difference = disagreement(parsed, slowly=len(seen) % 2 == 0)
        if difference is not None and not known_to_oracles(difference, parsed):
            wrong[der.hex()] = difference
    assert wrong == {}
    assert counted["taken"] > MUTATIONS // 50, counted
    assert counted["refused"] > MUTATIONS // 2, counted


def test_whole() -> None:
    """The edges of the input itself."""
    der = bytes(small_city().leaves[0])
    assert taken(der)
    for changed, reason in (
        (der[:-1], lib.SEKI_CERTIFICATE_MALFORMED),
        (der + b"\x00", lib.SEKI_CERTIFICATE_TRAILING_DATA),
        (b"", lib.SEKI_INPUT_MISSING),
        (der + bytes(70_000), lib.SEKI_INPUT_TOO_LARGE),
    ):
        assert parse(changed).reason == reason
