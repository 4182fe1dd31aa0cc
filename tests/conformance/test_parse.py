"""BoringSSL's certificates, TBSCertificates and key identifiers through the parser: errors refused, nothing crashes."""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sekisho.cli.parts import elements, parse
from sekisho.testing.der import bit_string, sequence
from tests.conformance.exceptions import PARSE_RULES
from tests.conformance.outcomes import Ledger, Outcome, settle
from tests.conformance.suites import ROOT, only, read

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

AUTHORITY_KEY_IDENTIFIER = x509.ObjectIdentifier("2.5.29.35")


def certificate_with(value: bytes) -> bytes:
    """A good certificate whose authorityKeyIdentifier is `value`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "holder")])
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=7)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2030, 1, 1, tzinfo=UTC)
    )
    extension = x509.UnrecognizedExtension(AUTHORITY_KEY_IDENTIFIER, value)
    return builder.add_extension(extension, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def certificate_around(tbs: bytes) -> bytes:
    """A certificate of this TBSCertificate, with the algorithm that it names."""
    algorithm = sequence()
    with suppress(ValueError, TypeError, StopIteration):
        algorithm = next(part.dump() for part in core.Sequence.load(tbs) if part.tag == 16)
    return sequence(tbs, algorithm, bit_string(bytes(256)))


WRAPPERS = {
    "CERTIFICATE": bytes,
    "TBS CERTIFICATE": certificate_around,
    "AUTHORITY_KEY_IDENTIFIER": certificate_with,
}


def test_a_template_alone_is_well_formed() -> None:
    assert parse(certificate_with(bytes.fromhex("30068004aabbccdd"))).reason is None


def test_boringssl(ledger: Ledger) -> None:
    data = read(ROOT / "boringssl-pki" / "parse_certificate.json", {"what", "source", "licence", "notes", "cases"})
    outcomes = []
    for one in data["cases"]:
        only(one, {"id", "kind", "der", "description", "errors"}, one["id"])
        der = WRAPPERS[one["kind"]](base64.b64decode(one["der"]))
        parts = parse(der)
        elements(der)  # must not crash either
        outcomes.append(
            Outcome(
                suite="boringssl-pki/parse_certificate",
                section=one["kind"],
                case=one["id"],
                expected=False if any(text.startswith("ERROR") for text in one["errors"] or []) else None,
                accepted=parts.reason is None,
                reason=parts.reason,
                facts=one,
            )
        )
    settlement = ledger.add(settle(outcomes, PARSE_RULES, enumerated=len(data["cases"])))
    assert not settlement.failures, "\n".join(settlement.failures)
    bare = [one["id"] for one in data["cases"] if one["kind"] == "AUTHORITY_KEY_IDENTIFIER" and _broken(one["id"])]
    assert [name for name in bare if name in {case.case for case in outcomes if case.accepted}] == []


def _broken(name: str) -> bool:
    """BoringSSL says in C++ which of these must fail; their names say it too."""
    return "invalid_" in name or "extra_contents" in name or "unconsumed" in name


def test_every_prefix_of_a_certificate_is_refused() -> None:
    """No length is believed before it is checked."""
    data = read(ROOT / "boringssl-pki" / "parse_certificate.json", {"what", "source", "licence", "notes", "cases"})
    for one in data["cases"]:
        der = base64.b64decode(one["der"])
        for end in range(0, len(der), max(1, len(der) // 50)):
            assert parse(der[:end]).reason is not None, f"{one['id']}, first {end} bytes"
