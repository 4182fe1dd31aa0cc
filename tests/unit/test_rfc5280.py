"""RFC 5280 rule by rule, through the verifier: each flaw has its reason, each option of a profile does what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.unit.chains import OK, PROFILE, Made, dn, key, leaf, make, reason, store, verifier

from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT
from sekisho.trust import TrustError, TrustStore
from sekisho.verifier import Verifier

POLICY, OTHER_POLICY = x509.ObjectIdentifier("1.2.3.4.5"), x509.ObjectIdentifier("1.2.3.4.6")
ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
ROOT = make("root")


# ---- DER by hand ---------------------------------------------------------------------------------------


def tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def elements(content: bytes) -> list[bytes]:
    """The elements that stand one behind the other."""
    found = []
    while content:
        size = 2
        length = content[1]
        if length >= 0x80:
            size = 2 + (length & 0x7F)
            length = int.from_bytes(content[2:size], "big")
        found.append(content[: size + length])
        content = content[size + length :]
    return found


def inside(element: bytes) -> bytes:
    return element[2 + (element[1] & 0x7F) if element[1] >= 0x80 else 2 :]


# Fields of a version 3 TBSCertificate, by their place.
VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, SPKI, EXTENSIONS = range(8)


def altered(
    made: Made, alter: Callable[[list[bytes]], None], *, issuer: Made = ROOT, algorithm: bytes | None = None
) -> Made:
    """The certificate with the fields of its TBSCertificate changed, signed anew by the issuer's key."""
    tbs, outer, _ = elements(inside(made.der))
    fields = elements(inside(tbs))
    alter(fields)
    if algorithm is not None:
        fields[ALGORITHM] = outer = algorithm
    tbs = tlv(0x30, b"".join(fields))
    signature = key(issuer.key).sign(tbs, ec.ECDSA(hashes.SHA256()))
    return Made(tlv(0x30, tbs + outer + tlv(0x03, b"\0" + signature)), made.name, made.key)


def put(place: int, value: bytes) -> Callable[[list[bytes]], None]:
    def change(fields: list[bytes]) -> None:
        fields[place] = value

    return change


def without_fields(*places: int) -> Callable[[list[bytes]], None]:
    def change(fields: list[bytes]) -> None:
        for place in places:  # from the last on
            del fields[place]

    return change


def with_extensions(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[list[bytes]], None]:
    def alter(fields: list[bytes]) -> None:
        listed = elements(inside(inside(fields[EXTENSIONS])))
        fields[EXTENSIONS] = tlv(0xA3, tlv(0x30, b"".join(change(listed))))

    return alter


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return tlv(0x06, bytes(content))


def extension(dotted: str, value: bytes, critical: bool = False) -> bytes:
    return tlv(0x30, oid(dotted) + (b"\x01\x01\xff" if critical else b"") + tlv(0x04, value))


def without(dotted: str, *instead: bytes) -> Callable[[list[bytes]], None]:
    return with_extensions(lambda listed: [one for one in listed if oid(dotted) not in one] + list(instead))


def also(*more: bytes) -> Callable[[list[bytes]], None]:
    return with_extensions(lambda listed: listed + list(more))


def both(*changes: Callable[[list[bytes]], None]) -> Callable[[list[bytes]], None]:
    def change(fields: list[bytes]) -> None:
        for one in changes:
            one(fields)

    return change


def serial(number: bytes) -> Callable[[list[bytes]], None]:
    return put(SERIAL, tlv(0x02, number))


SAN, AKI, SKI, BASIC, USAGE, PURPOSES = "2.5.29.17", "2.5.29.35", "2.5.29.14", "2.5.29.19", "2.5.29.15", "2.5.29.37"
NAMES, POINTS, ACCESS, POLICIES = "2.5.29.30", "2.5.29.31", "1.3.6.1.5.5.7.1.1", "2.5.29.32"
ADDRESS = tlv(0x30, tlv(0x81, b"holder@example.jp"))
NO_SUBJECT = put(SUBJECT, tlv(0x30, b""))
QUALIFIER = tlv(0x30, tlv(0x30, oid("1.2.3.4.5") + tlv(0x30, tlv(0x30, oid("1.2.3.9") + b"\x05\x00"))))


# ---- the leaf ------------------------------------------------------------------------------------------

LEAVES: dict[str, tuple[Callable[[list[bytes]], None], Reason]] = {
    "serial of 20 octets": (serial(b"\x7f" * 20), OK),
    "serial of 21 octets": (serial(b"\x7f" * 21), Reason.CERTIFICATE_SERIAL),
    "serial zero": (serial(b"\0"), Reason.CERTIFICATE_SERIAL),
    "serial negative": (serial(b"\x80"), Reason.CERTIFICATE_SERIAL),
    "serial not minimal": (serial(b"\0\x01"), Reason.CERTIFICATE_SERIAL),
    "version 1 with extensions": (without_fields(VERSION), Reason.CERTIFICATE_VERSION),
    "version 2 with extensions": (put(VERSION, bytes.fromhex("a003020101")), Reason.CERTIFICATE_VERSION),
    "version 1 written out": (put(VERSION, bytes.fromhex("a003020100")), Reason.CERTIFICATE_VERSION),
    "version 1": (without_fields(EXTENSIONS, VERSION), Reason.KEY_USAGE),
    "no issuer": (put(ISSUER, tlv(0x30, b"")), Reason.CERTIFICATE_NAME_MALFORMED),
    "no subject": (NO_SUBJECT, Reason.PATH_REFUSED),
    "no subject, a name not critical": (both(NO_SUBJECT, also(extension(SAN, ADDRESS))), Reason.PATH_REFUSED),
    "no subject, a name critical": (both(NO_SUBJECT, also(extension(SAN, ADDRESS, True))), OK),
    "a subject, a name critical": (also(extension(SAN, ADDRESS, True)), OK),
    "no alternative name in the list": (also(extension(SAN, tlv(0x30, b""))), Reason.CERTIFICATE_EXTENSION_MALFORMED),
    "purposes empty": (also(extension(PURPOSES, tlv(0x30, b""))), Reason.CERTIFICATE_EXTENSION_MALFORMED),
    "name constraints": (
        also(extension(NAMES, bytes.fromhex("3006a00430028200"), True)),
        Reason.NAME_CONSTRAINTS,
    ),
    "name constraints, not critical": (
        also(extension(NAMES, bytes.fromhex("3006a00430028200"))),
        Reason.NAME_CONSTRAINTS,
    ),
    "an extension twice": (
        with_extensions(lambda listed: [*listed, listed[-1]]),
        Reason.CERTIFICATE_EXTENSION_DUPLICATE,
    ),
    "an unknown extension twice": (
        also(extension("1.2.3", b"\x05\0"), extension("1.2.3", b"\x05\0")),
        Reason.CERTIFICATE_EXTENSION_DUPLICATE,
    ),
    "an unknown extension": (also(extension("1.2.3", b"\x05\0")), OK),
    "an unknown critical extension": (
        also(extension("1.2.3", b"\x05\0", True)),
        Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL,
    ),
    "criticality FALSE written out": (
        also(tlv(0x30, oid("1.2.3") + b"\x01\x01\x00" + tlv(0x04, b"\x05\0"))),
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    ),
    "criticality 01": (
        also(tlv(0x30, oid("1.2.3") + b"\x01\x01\x01" + tlv(0x04, b"\x05\0"))),
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    ),
    "a length that is not minimal": (
        put(SUBJECT, bytes.fromhex("30810d310b3009060355040613024a50")),
        Reason.CERTIFICATE_NAME_MALFORMED,
    ),
    "an indefinite length": (
        put(SUBJECT, bytes.fromhex("3080310b3009060355040613024a500000")),
        Reason.CERTIFICATE_NAME_MALFORMED,
    ),
    "path length without cA": (
        without(BASIC, extension(BASIC, bytes.fromhex("3003020100"), True)),
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    ),
    "cA FALSE written out": (
        without(BASIC, extension(BASIC, bytes.fromhex("3003010100"), True)),
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    ),
    "key usage without a bit": (
        without(USAGE, extension(USAGE, bytes.fromhex("030100"), True)),
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    ),
    "keyCertSign without cA": (without(USAGE, extension(USAGE, bytes.fromhex("03020284"), True)), Reason.PATH_REFUSED),
    "AKI missing": (without(AKI), Reason.PATH_REFUSED),
    "SKI missing": (without(SKI), OK),  # 4.2.1.2: SHOULD, of an end certificate
    "policies, unknown qualifier": (also(extension(POLICIES, QUALIFIER)), OK),
    "policies, unknown qualifier, critical": (
        also(extension(POLICIES, QUALIFIER, True)),
        Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL,
    ),
    "policies empty": (also(extension(POLICIES, tlv(0x30, b""))), Reason.CERTIFICATE_EXTENSION_MALFORMED),
    "distribution points empty": (also(extension(POINTS, tlv(0x30, b""))), Reason.CERTIFICATE_EXTENSION_MALFORMED),
    "distribution point with reasons alone": (
        also(extension(POINTS, bytes.fromhex("3006300481020640"))),
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    ),
    "access empty": (also(extension(ACCESS, tlv(0x30, b""))), Reason.CERTIFICATE_EXTENSION_MALFORMED),
    "access without location": (
        also(extension(ACCESS, tlv(0x30, tlv(0x30, oid("1.3.6.1.5.5.7.48.1"))))),
        Reason.CERTIFICATE_EXTENSION_MALFORMED,
    ),
    "access critical": (
        also(extension(ACCESS, tlv(0x30, tlv(0x30, oid("1.3.6.1.5.5.7.48.1") + tlv(0x86, b"http://a.jp"))), True)),
        Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL,
    ),
    "nothing": (lambda fields: None, OK),
}


@pytest.mark.parametrize("admitted", [False, True], ids=["cold", "admitted"])
@pytest.mark.parametrize("flaw", LEAVES)
def test_a_leaf(flaw: str, admitted: bool) -> None:
    change, wanted = LEAVES[flaw]
    profile = replace(PROFILE, name="rfc5280-usage", key_usage_required=("digitalSignature",))
    judge = verifier(store([ROOT]), profile)
    if admitted:
        assert reason(judge, leaf(ROOT, "opener")) is OK
    assert reason(judge, altered(leaf(ROOT), change)) is wanted


@pytest.mark.parametrize("dotted", [AKI, SKI])
@pytest.mark.parametrize("admitted", [False, True], ids=["cold", "admitted"])
def test_key_identifiers_are_never_critical(dotted: str, admitted: bool) -> None:
    """4.2.1.1 and 4.2.1.2: "Conforming CAs MUST mark this extension as non-critical"."""
    holder = leaf(ROOT)
    (value,) = [
        inside(elements(inside(one))[-1])
        for one in elements(inside(inside(elements(inside(elements(inside(holder.der))[0]))[EXTENSIONS])))
        if oid(dotted) in one
    ]
    judge = verifier(store([ROOT]))
    if admitted:
        assert reason(judge, leaf(ROOT, "opener")) is OK
    for critical, wanted in ((False, OK), (True, Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL)):
        assert reason(judge, altered(holder, without(dotted, extension(dotted, value, critical)))) is wanted


def test_both_ends_of_validity_are_valid_to_the_second() -> None:
    holder = leaf(ROOT, window=(AT - 5, AT + 5))
    for skew in (0, 2):
        judge = verifier(store([ROOT]), replace(PROFILE, name=f"rfc5280-skew-{skew}", clock_skew=skew))
        for second in range(-9, 10):
            late, early = second > 5 + skew, second < -5 - skew
            wanted = Reason.EXPIRED if late else Reason.NOT_YET_VALID if early else OK
            assert reason(judge, holder, at=AT + second) is wanted


# ---- algorithms and keys ---------------------------------------------------------------------------------

ALGORITHMS = {
    "md2WithRSAEncryption": "1.2.840.113549.1.1.2",
    "md5WithRSAEncryption": "1.2.840.113549.1.1.4",
    "sha1WithRSAEncryption": "1.2.840.113549.1.1.5",
    "sha224WithRSAEncryption": "1.2.840.113549.1.1.14",
    "sha512-256WithRSAEncryption": "1.2.840.113549.1.1.16",
    "dsa-with-sha1": "1.2.840.10040.4.3",
    "dsa-with-sha256": "2.16.840.1.101.3.4.3.2",
    "ecdsa-with-SHA1": "1.2.840.10045.4.1",
    "ecdsa-with-SHA224": "1.2.840.10045.4.3.1",
    "ecdsa-with-SHA3-256": "2.16.840.1.101.3.4.3.10",
    "Ed448": "1.3.101.113",
    "sm2sign-with-sm3": "1.2.156.10197.1.501",
    "gost3411-94-with-gost3410-2001": "1.2.643.2.2.3",
    "id-ml-dsa-65": "2.16.840.1.101.3.4.3.18",
    "rsaEncryption": "1.2.840.113549.1.1.1",
    "nothing of anybody": "1.2.3.4.5.6",
}


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("null", [False, True], ids=["no parameters", "NULL"])
def test_a_signature_algorithm_that_is_not_supported(name: str, null: bool) -> None:
    algorithm = tlv(0x30, oid(ALGORITHMS[name]) + (b"\x05\0" if null else b""))
    holder = altered(leaf(ROOT), lambda fields: None, algorithm=algorithm)
    assert reason(verifier(store([ROOT])), holder) is Reason.ALGORITHM_NOT_ALLOWED
    between = altered(make("between", ROOT), lambda fields: None, algorithm=algorithm)
    trust = store([ROOT], [between])
    assert trust.issuers[1].reason is Reason.ISSUER_UNKNOWN
    for judge, sent in ((verifier(trust), []), (verifier(store([ROOT])), [between])):
        assert reason(judge, leaf(between), sent) is Reason.ISSUER_UNKNOWN
    # An anchor's own signature says nothing (6.1.1 (d)).
    anchor = altered(ROOT, lambda fields: None, algorithm=algorithm)
    assert reason(verifier(store([anchor])), leaf(ROOT)) is OK


def ec_key_on(curve: str, size: int) -> bytes:
    return tlv(
        0x30, tlv(0x30, oid("1.2.840.10045.2.1") + oid(curve)) + tlv(0x03, b"\0\x04" + bytes(range(1, 2 * size + 1)))
    )


KEYS: dict[str, bytes] = {
    "DSA": tlv(
        0x30,
        tlv(0x30, oid("1.2.840.10040.4.1") + tlv(0x30, tlv(0x02, b"\x17") + tlv(0x02, b"\x0b") + tlv(0x02, b"\x04")))
        + tlv(0x03, b"\0" + tlv(0x02, b"\x08")),
    ),
    "DSA, parameters inherited": tlv(0x30, tlv(0x30, oid("1.2.840.10040.4.1")) + tlv(0x03, b"\0" + tlv(0x02, b"\x08"))),
    "brainpoolP256r1": ec_key_on("1.3.36.3.3.2.8.1.1.7", 32),
    "brainpoolP384r1": ec_key_on("1.3.36.3.3.2.8.1.1.11", 48),
    "secp256k1": ec_key_on("1.3.132.0.10", 32),
    "P-192": ec_key_on("1.2.840.10045.3.1.1", 24),
    "P-521": ec_key_on("1.3.132.0.35", 66),
    "Ed448": tlv(0x30, tlv(0x30, oid("1.3.101.113")) + tlv(0x03, b"\0" + bytes(57))),
    "X25519": tlv(0x30, tlv(0x30, oid("1.3.101.110")) + tlv(0x03, b"\0" + bytes(32))),
    "Diffie-Hellman": tlv(
        0x30, tlv(0x30, oid("1.2.840.10046.2.1") + tlv(0x30, b"")) + tlv(0x03, b"\0" + tlv(0x02, b"\x08"))
    ),
    "id-ml-dsa-65": tlv(0x30, tlv(0x30, oid("2.16.840.1.101.3.4.3.18")) + tlv(0x03, b"\0" + bytes(1952))),
    "GOST": tlv(0x30, tlv(0x30, oid("1.2.643.2.2.19") + tlv(0x30, b"")) + tlv(0x03, b"\0" + bytes(64))),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_kind_of_key_that_is_not_supported(name: str) -> None:
    assert reason(verifier(store([ROOT])), altered(leaf(ROOT), put(SPKI, KEYS[name]))) is Reason.KEY_UNSUPPORTED
    between = altered(make("between", ROOT), put(SPKI, KEYS[name]))
    holder = leaf(Made(between.der, "between", "between"))
    trust = store([ROOT], [between])
    assert trust.issuers[1].reason is Reason.KEY_UNSUPPORTED
    assert reason(verifier(trust), holder) is Reason.ISSUER_UNKNOWN
    assert reason(verifier(store([ROOT])), holder, [between]) is Reason.ISSUER_UNKNOWN
    anchor = altered(ROOT, put(SPKI, KEYS[name]))
    assert TrustStore([ROOT.der, anchor.der]).issuers[1].reason is Reason.KEY_UNSUPPORTED


# ---- constraints on names that are no constraints ---------------------------------------------------------


def subtree(base: bytes, *more: bytes, place: int = 0) -> bytes:
    return tlv(0x30, tlv(0xA0 | place, tlv(0x30, base + b"".join(more))))


CONSTRAINTS: dict[str, tuple[bytes, bool]] = {
    "dNSName": (subtree(tlv(0x82, b"example.jp")), True),
    "dNSName excluded": (subtree(tlv(0x82, b"example.jp"), place=1), True),
    "dNSName with a leading period": (subtree(tlv(0x82, b".example.jp")), False),
    "dNSName with a trailing period": (subtree(tlv(0x82, b"example.jp.")), False),
    "dNSName with a wildcard": (subtree(tlv(0x82, b"*.example.jp")), False),
    "iPAddress": (subtree(tlv(0x87, bytes.fromhex("c0000200ffffff00"))), True),
    "iPAddress with a torn mask": (subtree(tlv(0x87, bytes.fromhex("c0000200ff00ff00"))), False),
    "iPAddress without a mask": (subtree(tlv(0x87, bytes.fromhex("c0000200"))), False),
    "iPAddress of 12 octets": (subtree(tlv(0x87, bytes(12))), False),
    "minimum 0 written out": (subtree(tlv(0x82, b"example.jp"), bytes.fromhex("800100")), False),
    "minimum 1": (subtree(tlv(0x82, b"example.jp"), bytes.fromhex("800101")), False),
    "maximum 0": (subtree(tlv(0x82, b"example.jp"), bytes.fromhex("810100")), False),
    "maximum 5": (subtree(tlv(0x82, b"example.jp"), bytes.fromhex("810105")), False),
    "nothing": (tlv(0x30, b""), False),
    "no subtree": (tlv(0x30, tlv(0xA0, b"")), False),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_constraint_that_is_malformed_refuses_its_ca(name: str) -> None:
    value, good = CONSTRAINTS[name]
    between = altered(make("between", ROOT), also(extension(NAMES, value, True)))
    trust = store([ROOT], [between])
    assert trust.issuers[1].reason is (None if good else Reason.CERTIFICATE_EXTENSION_MALFORMED)
    holder = leaf(between)
    assert reason(verifier(trust), holder) is (OK if good else Reason.ISSUER_UNKNOWN)
    assert reason(verifier(store([ROOT])), holder, [between]) is (OK if good else Reason.ISSUER_UNKNOWN)
    anchor = altered(ROOT, also(extension(NAMES, value, True)))
    if good:
        assert reason(verifier(store([anchor])), leaf(ROOT)) is OK
    else:
        with pytest.raises(TrustError, match="certificate-extension-malformed"):
            store([anchor])


# ---- names that differ in bytes ----------------------------------------------------------------------------


def spelled(tag: int, common: str, encoding: str = "ascii") -> bytes:
    country = bytes.fromhex("310b3009060355040613024a50")
    return tlv(0x30, country + tlv(0x31, tlv(0x30, bytes.fromhex("0603550403") + tlv(tag, common.encode(encoding)))))


SPELLINGS = {
    "PrintableString": (spelled(0x13, "Some CA"), True),
    "upper case": (spelled(0x0C, "SOME CA"), True),
    "white space": (spelled(0x0C, "  some   ca "), True),
    "BMPString": (spelled(0x1E, "Some CA", "utf-16-be"), True),
    "UniversalString": (spelled(0x1C, "some ca", "utf-32-be"), True),
    "IA5String": (spelled(0x16, "Some CA"), True),
    "TeletexString": (spelled(0x14, "Some CA"), False),
    "no space": (spelled(0x0C, "SomeCA"), False),
    "another": (spelled(0x0C, "Some CB"), False),
}


@pytest.mark.parametrize("cached", [0, 8 << 20])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_name_spelled_otherwise(spelling: str, cached: int) -> None:
    """7.1, always on the slow path: of a leaf, of a configured and of a sent CA."""
    name, same = SPELLINGS[spelling]
    anchor = make("Some CA")
    holder = altered(leaf(anchor), put(ISSUER, name), issuer=anchor)
    judge = verifier(store([anchor]), cache_bytes=cached)
    assert reason(judge, leaf(anchor, "opener")) is OK
    for repeat in range(2):
        verdict = judge.verify_certificates([holder.der], at=AT)[0]
        assert verdict.reason is (OK if same else Reason.ISSUER_UNKNOWN)
        assert ("slow-path" in verdict.flags) is same
        assert ("cache-hit" in verdict.flags) is (same and bool(cached) and repeat == 1)
        if same and cached:
            facts = judge.certificate(verdict.certificate)
            assert facts is not None
            assert facts.issuer.hex() == judge.trust.issuers[0].identity
    between = altered(make("between", anchor), put(ISSUER, name), issuer=anchor)
    trust = store([anchor], [between])
    assert trust.issuers[1].reason is (None if same else Reason.ISSUER_UNKNOWN)
    assert trust.issuers[1].slow is same
    assert reason(verifier(trust), leaf(between)) is (OK if same else Reason.ISSUER_UNKNOWN)
    assert reason(verifier(store([anchor])), leaf(between), [between]) is (OK if same else Reason.ISSUER_UNKNOWN)
    # The sent CA's own name, as the leaf spells it.
    middle = make("Some CA", ROOT, own_key="middle")
    under = altered(leaf(middle), put(ISSUER, name), issuer=middle)
    assert reason(verifier(store([ROOT])), under, [middle]) is (OK if same else Reason.ISSUER_UNKNOWN)
    forged = altered(leaf(anchor), put(ISSUER, name))
    for _ in range(2):
        assert reason(judge, forged) is (Reason.ISSUER_SIGNATURE_WRONG if same else Reason.ISSUER_UNKNOWN)


def test_an_issuer_of_the_same_bytes_comes_first() -> None:
    """Two anchors whose names differ in case alone, with keys of their own: each issues under either spelling."""
    small, capital = make("some ca", own_key="small"), make("SOME CA", own_key="capital")
    judge = verifier(store([small, capital]))
    for anchor, other in ((small, capital), (capital, small)):
        assert reason(judge, leaf(anchor)) is OK
        assert reason(judge, altered(leaf(anchor), put(ISSUER, dn(other.name).public_bytes()), issuer=anchor)) is OK
    assert reason(judge, altered(leaf(small), lambda fields: None)) is Reason.ISSUER_SIGNATURE_WRONG


def test_a_ca_is_self_issued_in_whatever_spelling() -> None:
    """6.1: "the same DN appears in the subject and issuer fields", compared by 7.1: such a CA does not count (6.1.4 (l))."""
    capped = make("capped", ROOT, path_length=0)
    changed = altered(
        make("capped", capped, own_key="changed"), put(SUBJECT, dn("CAPPED").public_bytes()), issuer=capped
    )
    changed = Made(changed.der, "CAPPED", "changed")
    below = altered(make("below", capped), lambda fields: None, issuer=capped)
    assert reason(verifier(store([ROOT], [capped, changed])), leaf(changed)) is OK
    assert reason(verifier(store([ROOT])), leaf(changed), [changed, capped]) is OK
    assert reason(verifier(store([ROOT])), leaf(below), [below, capped]) is Reason.PATH_TOO_LONG


@pytest.mark.parametrize("identifier", ["own", "none"])
def test_a_leaf_that_passes_for_self_signed_in_another_spelling(identifier: str) -> None:
    """OpenSSL ends the path at a certificate whose names match and whose identifiers do not differ; fast and slow agree."""
    own = x509.SubjectKeyIdentifier.from_public_key(key("holder").public_key()).digest
    named = without(AKI, extension(AKI, tlv(0x30, tlv(0x80, own))))
    change = both(put(SUBJECT, dn("ROOT").public_bytes()), named if identifier == "own" else without(SKI))
    holder = altered(leaf(ROOT), change)
    cold, admitted = verifier(store([ROOT])), verifier(store([ROOT]))
    assert reason(admitted, leaf(ROOT, "opener")) is OK
    assert reason(cold, holder) is reason(admitted, holder) is Reason.ISSUER_UNKNOWN


# ---- options of a profile ---------------------------------------------------------------------------------


def policies(*oids: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.CertificatePolicies([x509.PolicyInformation(one, None) for one in oids]), False


def asked(profile: Profile, trust: TrustStore, holder: Made, sent: Iterable[Made] = (), *, engine: Engine) -> Reason:
    """By a verifier that shares its cache with those of other profiles."""
    return reason(Verifier(trust, profile, engine=engine), holder, sent)


def test_initial_explicit_policy() -> None:
    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    trust = store([ROOT], [make("silent", ROOT), make("speaking", ROOT, extra=[policies(POLICY)])])
    silent, speaking = make("silent", ROOT), make("speaking", ROOT, extra=[policies(POLICY)])
    explicit = replace(PROFILE, name="rfc5280-explicit", initial_explicit_policy=True)
    for _ in range(2):
        for holder, wanted in (
            (leaf(ROOT), Reason.POLICY),
            (leaf(ROOT, extra=[policies(OTHER_POLICY)]), OK),
            (leaf(ROOT, extra=[policies(ANY_POLICY)]), OK),
            (leaf(silent, extra=[policies(POLICY)]), Reason.POLICY),
            (leaf(speaking, extra=[policies(POLICY)]), OK),
            (leaf(speaking, extra=[policies(OTHER_POLICY)]), Reason.POLICY),
        ):
            assert asked(PROFILE, trust, holder, engine=engine) is OK
            assert asked(explicit, trust, holder, engine=engine) is wanted


def test_initial_any_policy_inhibit() -> None:
    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    trust = store([ROOT])
    explicit = replace(PROFILE, name="rfc5280-any", initial_explicit_policy=True)
    inhibited = replace(explicit, initial_any_policy_inhibit=True)
    for _ in range(2):
        for holder, wanted in (
            (leaf(ROOT, extra=[policies(ANY_POLICY)]), Reason.POLICY),
            (leaf(ROOT, extra=[policies(ANY_POLICY, POLICY)]), OK),
            (leaf(ROOT, extra=[policies(POLICY)]), OK),
        ):
            assert asked(explicit, trust, holder, engine=engine) is OK
            assert asked(inhibited, trust, holder, engine=engine) is wanted


def test_initial_policy_mapping_inhibit() -> None:
    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    mapping = (
        x509.UnrecognizedExtension(
            x509.ObjectIdentifier("2.5.29.33"), tlv(0x30, tlv(0x30, oid("1.2.3.4.5") + oid("1.2.3.4.6")))
        ),
        True,
    )
    between = make("mapping", ROOT, extra=[policies(POLICY), mapping])
    holder = leaf(between, extra=[policies(OTHER_POLICY)])
    ours = replace(PROFILE, name="rfc5280-mapping", policies=("1.2.3.4.5",))
    inhibited = replace(ours, initial_policy_mapping_inhibit=True)
    for trust, sent in ((store([ROOT], [between]), []), (store([ROOT]), [between])):
        for _ in range(2):
            assert asked(ours, trust, holder, sent, engine=engine) is OK
            assert asked(inhibited, trust, holder, sent, engine=engine) is Reason.POLICY


def test_a_ca_certificate_as_leaf() -> None:
    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    between = make("between", ROOT)
    below = make("below", between)
    constraining = make("constraining", ROOT, extra=[(x509.NameConstraints([x509.DNSName("example.jp")], None), True)])
    trust = store([ROOT], [between])
    allowed = replace(PROFILE, name="rfc5280-ca", ca_leaf_allowed=True)
    for _ in range(2):
        for holder in (between, below, constraining):
            assert asked(PROFILE, trust, holder, engine=engine) is Reason.LEAF_IS_CA
            assert asked(allowed, trust, holder, engine=engine) is OK
    # It is the last of its path, and does not count against a path length (6.1.4 is for all but the last).
    narrow = make("narrow", path_length=0)
    assert asked(allowed, store([narrow]), make("under narrow", narrow), engine=engine) is OK
    assert Profile.load("strict-rfc5280").ca_leaf_allowed
    assert not Profile.load("jpki-auth").ca_leaf_allowed


def test_purposes_of_cas_count_unless_the_profile_says_otherwise() -> None:
    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    purposes = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]
    between = make("for servers", ROOT, extra=purposes)
    holder = leaf(between, extra=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)])
    counts = replace(PROFILE, name="rfc5280-purposes", extended_key_usage=("clientAuth",))
    ignores = replace(counts, extended_key_usage_of_cas=False)
    configured, empty = store([ROOT], [between]), store([ROOT])
    for _ in range(2):
        assert asked(counts, configured, holder, engine=engine) is Reason.EXTENDED_KEY_USAGE
        assert asked(ignores, configured, holder, engine=engine) is OK
        assert asked(counts, empty, holder, [between], engine=engine) is Reason.ISSUER_UNKNOWN
        assert asked(ignores, empty, holder, [between], engine=engine) is OK
    wrong = leaf(between, extra=purposes)
    assert asked(ignores, configured, wrong, engine=engine) is Reason.EXTENDED_KEY_USAGE


ANY, CLIENT, SERVER, MAIL = (
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
)


@pytest.mark.parametrize(
    ("upper", "lower", "holder", "good"),
    [
        ((), (), (CLIENT,), True),
        ((), (MAIL,), (CLIENT,), False),
        ((MAIL,), (), (CLIENT,), False),
        ((MAIL,), (CLIENT,), (CLIENT, MAIL), False),
        ((MAIL,), (CLIENT,), (), False),
        ((MAIL, CLIENT), (CLIENT, SERVER), (CLIENT,), True),
        ((MAIL, CLIENT), (CLIENT, SERVER), (MAIL,), False),
        ((MAIL,), (ANY,), (CLIENT, MAIL), True),
        ((MAIL,), (ANY,), (CLIENT, ANY), False),
        ((MAIL,), (MAIL,), (), True),
    ],
)
def test_one_purpose_is_that_of_the_whole_path(
    upper: tuple[x509.ObjectIdentifier, ...],
    lower: tuple[x509.ObjectIdentifier, ...],
    holder: tuple[x509.ObjectIdentifier, ...],
    *,
    good: bool,
) -> None:
    """A profile of several purposes: a CA for mail alone issues no client, whether each has one of the profile's or not."""

    def purposes(several: tuple[x509.ObjectIdentifier, ...]) -> list[tuple[x509.ExtensionType, bool]]:
        return [(x509.ExtendedKeyUsage(several), False)] if several else []

    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    several = replace(PROFILE, name="rfc5280-several", extended_key_usage=("clientAuth", "emailProtection"))
    ignores = replace(several, extended_key_usage_of_cas=False)
    above = make("above", ROOT, extra=purposes(upper))
    below = make("below", above, extra=purposes(lower))
    one = leaf(below, extra=purposes(holder))
    wanted = OK if good else Reason.EXTENDED_KEY_USAGE
    for trust, sent in (
        (store([ROOT], [above, below]), []),
        (store([ROOT], [above]), [below]),
        (store([ROOT]), [below, above]),
        (store([above], [below]), []),
    ):
        for _ in range(2):
            assert asked(several, trust, one, sent, engine=engine) is wanted
            assert asked(ignores, trust, one, sent, engine=engine) is OK


def test_a_profile_of_any_purpose_takes_a_ca_of_another_of_its_own() -> None:
    engine = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    between = make("between", ROOT, extra=[(x509.ExtendedKeyUsage([CLIENT]), False)])
    wide = replace(
        PROFILE, name="rfc5280-any", extended_key_usage=("anyExtendedKeyUsage", "clientAuth", "emailProtection")
    )
    trust = store([ROOT], [between])
    for purpose, wanted in ((ANY, OK), (CLIENT, OK), (MAIL, Reason.EXTENDED_KEY_USAGE)):
        one = leaf(between, extra=[(x509.ExtendedKeyUsage([purpose]), False)])
        assert asked(wide, trust, one, engine=engine) is wanted


# ---- constraints on names, through both layers --------------------------------------------------------------


def named(*names: x509.GeneralName) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectAlternativeName(names), False


@pytest.mark.parametrize("where", ["anchor", "configured", "sent"])
@pytest.mark.parametrize(
    ("name", "good"),
    [
        (x509.DNSName("www.example.jp"), True),
        (x509.DNSName("www.example.org"), False),
        (x509.RFC822Name("a@example.jp"), True),
        (x509.RFC822Name("a@example.org"), False),
        (x509.UniformResourceIdentifier("https://example.jp/"), True),
        (x509.UniformResourceIdentifier("https://example.org/"), False),
        (x509.UniformResourceIdentifier("urn:example.jp"), False),
        (x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), tlv(0x0C, b"a@example.jp")), False),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), True),
        (x509.DirectoryName(dn("x")), True),
        (x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")])), False),
    ],
    ids=lambda value: value if isinstance(value, bool) else f"{type(value).__name__} {value.value}",
)
def test_constraints_on_names(where: str, name: x509.GeneralName, good: bool) -> None:
    permitted = [
        x509.DNSName("example.jp"),
        x509.RFC822Name("example.jp"),
        x509.UniformResourceIdentifier("example.jp"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP")])),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), tlv(0x0C, b"a@example.jp")),
    ]
    constraints = [(x509.NameConstraints(permitted, None), True)]
    root = make("constrained root", extra=constraints) if where == "anchor" else ROOT
    between = make("constrained", root, extra=[] if where == "anchor" else constraints)
    trust = store([root], [between] if where == "configured" else [])
    holder = leaf(between, extra=[named(name)])
    got = reason(verifier(trust), holder, [] if where == "configured" else [between])
    assert got is (OK if good else Reason.NAME_CONSTRAINTS)
