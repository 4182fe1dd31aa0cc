"""Roots that were ever in a big store, and JPKI's CAs: read as other readers read them, taken or refused by rule."""

from __future__ import annotations

import base64
import hashlib
import lzma
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest
from cryptography import x509

from sekisho.cli.parts import Parts, parse
from sekisho.reasons import Reason
from sekisho.trust import TrustStore
from tests.conformance.facts import CertificateFacts
from tests.conformance.outcomes import Ledger, Outcome, Rule, settle
from tests.conformance.suites import ROOT, only, read

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
KEYS: Final = frozenset({"rsa", "secp256r1", "secp384r1", "ed25519"})


@dataclass(frozen=True)
class Kind:
    """Roots that are refused, and only they: `when` holds by asn1crypto, `reason` is ours."""

    name: str
    reason: Reason
    why: str
    when: Callable[[CertificateFacts], bool]


DNS_NAME: Final = re.compile(rb"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_DNS_TAG: Final = 0x82
_VISIBLE_STRING: Final = 0x1A

UNREADABLE: Final = (
    Kind(
        "long-serial",
        Reason.CERTIFICATE_SERIAL,
        "a serial of more than 20 octets: RFC 5280, 4.1.2.2",
        lambda one: one.serial_octets > 20,
    ),
    Kind(
        "default-written-out",
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
        "critical or cA FALSE written out, which is no DER: X.690, 11.5",
        lambda one: one.writes_a_default,
    ),
    Kind(
        "visible-string-beyond-ascii",
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
        "a VisibleString with letters that it has not: X.680, 41; RFC 5280, 4.2.1.4",
        lambda one: any(tag == _VISIBLE_STRING and not content.isascii() for tag, content in one.within("2.5.29.32")),
    ),
    Kind(
        "alternative-name-no-dns-name",
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
        "a dNSName that is none: RFC 5280, 4.2.1.6; RFC 1034, 3.5",
        lambda one: any(
            tag == _DNS_TAG and not DNS_NAME.fullmatch(content) for tag, content in one.within("2.5.29.17")
        ),
    ),
    Kind(
        "constraint-no-dns-name",
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
        "a constraint on dNSName that begins with a dot: RFC 5280, 4.2.1.10, has that for URIs",
        lambda one: any(tag == _DNS_TAG and content.startswith(b".") for tag, content in one.within("2.5.29.30")),
    ),
)
"""What cannot even be read, in the order of the certificate's fields."""

# In the order in which a certificate is judged: the first that holds is the reason.
JUDGED: Final = (
    Kind(
        "small-rsa-key",
        Reason.KEY_TOO_SMALL,
        "RSA below 2,048 bits: FIPS 186-5, 5.1",
        lambda one: one.rsa_bits is not None and one.rsa_bits < 2048,
    ),
    Kind(
        "key-not-ours",
        Reason.KEY_UNSUPPORTED,
        "neither RSA, P-256, P-384 nor Ed25519",
        lambda one: one.key_kind not in KEYS,
    ),
    Kind(
        "no-ca",
        Reason.ISSUER_NOT_CA,
        "not version 3 with basicConstraints cA TRUE: RFC 5280, 4.2.1.9",
        lambda one: one.version != 3 or not one.is_ca,
    ),
    Kind(
        "no-key-cert-sign",
        Reason.ISSUER_KEY_USAGE,
        "no keyUsage with keyCertSign: RFC 5280, 4.2.1.3",
        lambda one: "key_cert_sign" not in (one.key_usage or ()),
    ),
    Kind(
        "unknown-critical-extension",
        Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL,
        "a critical extension that RFC 5280 does not define: 4.2",
        lambda one: bool(one.unknown_critical),
    ),
)
REFUSED: Final = (*UNREADABLE, *JUDGED)


def roots() -> dict[str, list[bytes]]:
    found = {}
    for name, text in (
        ("roots.pem.xz", lzma.decompress((ROOT / "roots" / "roots.pem.xz").read_bytes()).decode()),
        ("jp-roots.pem", (ROOT / "roots" / "jp-roots.pem").read_text()),
    ):
        found[name] = [base64.b64decode("".join(match[1].split())) for match in PEM.finditer(text)]
        assert len(found[name]) == text.count("-----BEGIN CERTIFICATE-----") > 0, name
    found["jpki"] = [path.read_bytes() for path in sorted((ROOT / "jpki").glob("*.cer"))]
    return found


@pytest.mark.parametrize("name", ["roots.pem.xz", "jp-roots.pem", "jpki"])
def test_each_is_taken_or_refused_by_rule(name: str, ledger: Ledger) -> None:
    certificates = roots()[name]
    store = TrustStore(certificates)
    outcomes, wrong = [], []
    for number, (der, issuer) in enumerate(zip(certificates, store.issuers, strict=True)):
        facts = CertificateFacts(der)
        kind = next((kind for kind in REFUSED if kind.when(facts)), None)
        if issuer.reason is not (kind.reason if kind else None):
            wrong.append(f"{issuer}: by asn1crypto it is {kind.name if kind else 'a good root'}")
        outcomes.append(
            Outcome(
                suite="roots",
                section=name,
                case=f"{name}:{number}:{hashlib.sha256(der).hexdigest()}",
                expected=True,
                accepted=issuer.reason is None,
                reason=issuer.reason,
                facts=facts,
            )
        )
    rules = [Rule(kind.name, kind.why, "refuse", kind.when, frozenset({kind.reason})) for kind in REFUSED]
    settlement = ledger.add(settle(outcomes, rules, enumerated=len(certificates)))
    assert not settlement.failures + wrong, "\n".join(settlement.failures + wrong)


@pytest.mark.parametrize("name", ["roots.pem.xz", "jp-roots.pem", "jpki"])
def test_each_is_read_as_others_read_it(name: str) -> None:
    for der in roots()[name]:
        facts, parts = CertificateFacts(der), parse(der)
        if any(kind.when(facts) for kind in UNREADABLE):
            assert not parts.readable
            continue
        assert parts.readable, facts.parsed.subject.human_friendly
        agree_with_asn1crypto(parts, facts)
        agree_with_cryptography(parts, der)


def agree_with_asn1crypto(parts: Parts, facts: CertificateFacts) -> None:
    tbs = facts.parsed["tbs_certificate"]
    assert parts.version == facts.version
    assert parts.serial.content == tbs["serial_number"].contents
    assert parts.issuer.content == tbs["issuer"].dump()
    assert parts.subject.content == tbs["subject"].dump()
    assert (parts.not_before, parts.not_after) == facts.validity
    assert parts.spki.content == tbs["subject_public_key_info"].dump()
    assert parts.tbs.content == tbs.dump()
    assert parts.signature.content == facts.parsed["signature_value"].contents[1:]
    assert [(one.oid, one.critical, one.value.content) for one in parts.extensions] == [
        (one["extn_id"].dotted, bool(one["critical"].native), one["extn_value"].contents)
        for one in tbs["extensions"] or []
    ]
    if parts.key_kind == "rsa":
        key = facts.parsed.public_key["public_key"].parsed
        assert int.from_bytes(parts.modulus.content, "big") == key["modulus"].native
        assert parts.key_exponent == key["public_exponent"].native
        assert parts.key_bits == facts.rsa_bits
    if parts.key_kind in ("p256", "p384"):
        assert parts.point.content == facts.parsed.public_key["public_key"].native


def agree_with_cryptography(parts: Parts, der: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of serials of zero, and names longer than X.520 has them
        theirs = x509.load_der_x509_certificate(der)
        serial = theirs.serial_number
        subject, order_is_kept = theirs.subject.public_bytes(), _rewritable(theirs.subject)
    assert int.from_bytes(parts.serial.content, "big", signed=True) == serial
    assert parts.not_before == theirs.not_valid_before_utc.timestamp()
    assert parts.not_after == theirs.not_valid_after_utc.timestamp()
    assert parts.subject.content == subject or not order_is_kept
    assert parts.tbs.content == theirs.tbs_certificate_bytes
    assert parts.signature.content == theirs.signature


def _rewritable(name: x509.Name) -> bool:
    """Whether `cryptography` writes such a name as it was: it picks the order within an RDN of several."""
    return all(len(list(rdn)) == 1 for rdn in name.rdns)


def test_jpki_files_are_the_ones_listed() -> None:
    data = read(ROOT / "jpki" / "roots.json", {"what", "licence", "checks", "certificates"})
    known = {
        "file",
        "sha256",
        "subject",
        "serial",
        "not_before",
        "not_after",
        "source",
        "self_signature_ok",
        "extensions",
    }
    for one in data["certificates"]:
        only(one, known, one["file"])
        der = (ROOT / "jpki" / one["file"]).read_bytes()
        parts = parse(der)
        assert hashlib.sha256(der).hexdigest() == one["sha256"]
        assert int.from_bytes(parts.serial.content, "big") == int(one["serial"], 16)
        assert [f"{ext.oid}{' critical' * ext.critical}" for ext in parts.extensions] == one["extensions"]
    listed = {one["sha256"] for one in data["certificates"]}
    shipped = {issuer.fingerprint for issuer in TrustStore.jpki().issuers}
    assert listed == shipped or not listed <= shipped, "the package's CAs are not those of the suite"
