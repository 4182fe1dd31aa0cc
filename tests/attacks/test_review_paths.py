"""What a reader of the core found in paths and the cache: each case was once accepted, or refused for somebody else's deed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from sekisho.engine import Engine
from sekisho.modes import Mode
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

DAY = 86_400
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Extra = tuple[x509.ExtensionType, bool]

PROFILE = Profile(
    name="review",
    purpose="other",
    signature_algorithms=("ecdsa-sha256", "rsassa-pkcs1-v1_5-sha256"),
    p256_mode=Mode.parse("ecdsa-sha256-der"),
    path_length_max=3,
    revocation="off",
    challenge="foreign",
    test=True,
)
FOR_CLIENTS = replace(PROFILE, name="review-clients", extended_key_usage=("clientAuth",))


@cache
def ec_key(label: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(label.encode()).digest()) >> 1, ec.SECP256R1())


@cache
def rsa_key(exponent: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, 2048)


@dataclass(frozen=True)
class Made:
    der: bytes
    key: Key

    @property
    def subject(self) -> x509.Name:
        return x509.load_der_x509_certificate(self.der).subject


def make(
    name: str,
    issuer: Made | None = None,
    *,
    ca: bool = True,
    key: Key | None = None,
    public: PublicKey | None = None,
    extra: Iterable[Extra] = (),
    usages: Sequence[str] = (),
) -> Made:
    """A certificate under `issuer`, self-signed without one; `public` is for a key whose private half nobody has."""
    own = key or ec_key(name)
    signer = issuer.key if issuer else own
    subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usages = usages or (("key_cert_sign", "crl_sign") if ca else ("digital_signature",))
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    every += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    public = public or own.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public)
        .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1 | 1)
        .not_valid_before(datetime.fromtimestamp(AT - 30 * DAY, UTC))
        .not_valid_after(datetime.fromtimestamp(AT + 30 * DAY, UTC))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.KeyUsage(**{one: one in usages for one in every}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    return Made(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER), own)


def verifier(
    anchors: Iterable[Made],
    intermediates: Iterable[Made] = (),
    profile: Profile = PROFILE,
    engine: Engine | None = None,
) -> Verifier:
    store = TrustStore([one.der for one in anchors], [one.der for one in intermediates])
    return Verifier(store, profile, engine=engine or Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1))


def reason(judge: Verifier, leaf: Made, sent: Iterable[Made] = ()) -> Reason:
    return judge.verify_certificates([leaf.der], [b"".join(one.der for one in sent)], at=AT)[0].reason


# ---- a CA for another purpose ----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [False, True], ids=["configured", "sent"])
@pytest.mark.parametrize(
    ("purposes", "fit"),
    [
        ((ExtendedKeyUsageOID.SERVER_AUTH,), False),
        ((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING), False),
        ((ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH), True),
        ((ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), True),
    ],
)
def test_a_ca_for_other_purposes_issues_no_logins(
    purposes: tuple[x509.ObjectIdentifier, ...], fit: bool, sent: bool
) -> None:
    """A CA whose extendedKeyUsage leaves clientAuth out is not for those who log in (OpenSSL, NSS and webpki read it so)."""
    root = make("purposes root")
    ca = make("purposes ca", root, extra=[(x509.ExtendedKeyUsage(purposes), False)])
    holder = make("holder", ca, ca=False, extra=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)])
    judge = verifier([root], [] if sent else [ca], FOR_CLIENTS)
    # One that was sent and cannot issue is passed over.
    refusal = Reason.ISSUER_UNKNOWN if sent else Reason.EXTENDED_KEY_USAGE
    wanted = Reason.CERTIFICATE_OK if fit else refusal
    for _ in range(2):  # the cache says the same
        assert reason(judge, holder, [ca] if sent else []) is wanted
    whatever = verifier([root], [] if sent else [ca])
    assert reason(whatever, holder, [ca] if sent else []) is Reason.CERTIFICATE_OK  # a profile that asks for no purpose


# ---- critical extensions whose meaning nobody here processes ----------------------------------------------


def _location() -> x509.GeneralName:
    return x509.UniformResourceIdentifier("http://ca.example/")


UNPROCESSED: dict[str, x509.ExtensionType] = {
    "authorityInfoAccess": x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _location())]
    ),
    "subjectInfoAccess": x509.SubjectInformationAccess(
        [x509.AccessDescription(x509.ObjectIdentifier("1.3.6.1.5.5.7.48.5"), _location())]
    ),
    "freshestCRL": x509.FreshestCRL([x509.DistributionPoint([_location()], None, None, None)]),
    "issuerAltName": x509.IssuerAlternativeName([_location()]),
}


@pytest.mark.parametrize("name", UNPROCESSED)
@pytest.mark.parametrize("critical", [False, True])
def test_a_critical_extension_that_is_only_read_is_not_processed(name: str, critical: bool) -> None:
    """RFC 5280, 4.2: a critical extension that cannot be processed refuses, under a CA that was admitted as under a new one."""
    root = make("critical root")
    plain = make("plain holder", root, ca=False)
    odd = make("odd holder", root, ca=False, extra=[(UNPROCESSED[name], critical)])
    new, admitted = verifier([root]), verifier([root])
    assert reason(admitted, plain) is Reason.CERTIFICATE_OK
    wanted = Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL if critical else Reason.CERTIFICATE_OK
    assert reason(new, odd) is wanted
    assert reason(admitted, odd) is wanted


# ---- keys of strangers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [False, True], ids=["configured", "sent"])
def test_a_ca_below_the_anchor_has_an_exponent_as_a_leaf_must(sent: bool) -> None:
    root = make("exponent root")
    for exponent, good in ((65537, True), (3, False)):
        ca = make(f"ca of {exponent}", root, key=rsa_key(exponent))
        holder = make(f"holder of {exponent}", ca, ca=False)
        got = reason(verifier([root], [] if sent else [ca]), holder, [ca] if sent else [])
        if good:
            assert got is Reason.CERTIFICATE_OK
        else:
            assert got is (Reason.ISSUER_UNKNOWN if sent else Reason.KEY_EXPONENT)


def test_sent_keys_that_cost_dearly_are_not_tried() -> None:
    """RSA-8192 or an exponent of 64 bits: a signature under it costs 40 times one of RSA-2048, twelve times a login."""
    root = make("dear root")
    wide = rsa.RSAPublicNumbers(65537, (1 << 8191) + 1).public_key()
    long = rsa.RSAPublicNumbers((1 << 63) + 1, rsa_key(65537).public_key().public_numbers().n).public_key()
    for number, public in enumerate((wide, long)):
        ca = make(f"dear ca {number}", root, public=public)
        holder = make(f"dear holder {number}", Made(ca.der, ec_key("nobody")), ca=False)
        assert reason(verifier([root]), holder, [ca]) is Reason.ISSUER_UNKNOWN


def test_a_flood_of_chains_that_lead_nowhere_is_paid_for_by_the_batch() -> None:
    """A login may cost twelve signatures that its sender chose; a thousand such logins must not cost twelve thousand."""
    root = make("flood root")
    known = make("flood ca", root)
    crowd = [make("crowd ca", make("crowd ca"), key=ec_key(f"crowd {number}")) for number in range(4)]
    lost = [make(f"lost holder {number}", Made(crowd[0].der, ec_key("crowd 3")), ca=False) for number in range(200)]
    good = make("good holder", known, ca=False)
    judge = verifier([root])
    rows = [*lost, good]
    sent = [*[b"".join(one.der for one in crowd)] * len(lost), known.der]
    got = [verdict.reason for verdict in judge.verify_certificates([one.der for one in rows], sent, at=AT)]
    assert got[-1] is Reason.CERTIFICATE_OK  # a chain that leads straight up waits for nobody's budget
    assert set(got[:-1]) == {Reason.ISSUER_SIGNATURE_WRONG, Reason.PATH_BUDGET_SPENT}
    assert 8 <= got.count(Reason.ISSUER_SIGNATURE_WRONG) <= 64 + len(rows) // 8
    assert reason(judge, lost[-1], crowd) is Reason.ISSUER_SIGNATURE_WRONG  # alone it is looked at again


# ---- the cache, poisoned by somebody else ---------------------------------------------------------------


def test_a_certificate_without_its_chain_does_not_spoil_it_with_its_chain() -> None:
    """Whoever has seen a certificate may hand it in without its intermediates; the holder's login with them still works."""
    root = make("rollover root")
    old = make("rollover ca", root, key=ec_key("rollover old"))
    new = make("rollover ca", root, key=ec_key("rollover new"))
    holder = make("rollover holder", new, ca=False)
    assert old.der != new.der
    judge = verifier([root], [old])
    assert reason(judge, holder, [new]) is Reason.CERTIFICATE_OK
    judge = verifier([root], [old])
    assert reason(judge, holder) is Reason.ISSUER_SIGNATURE_WRONG
    assert reason(judge, holder, [new]) is Reason.CERTIFICATE_OK


# P-256 (SP 800-186, 3.2.1.3)
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_Q = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int] | None


def _add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, _P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(k: int, point: Point) -> Point:
    total: Point = None
    for bit in bin(k % _Q)[2:]:
        total = _add(total, total)
        if bit == "1":
            total = _add(total, point)
    return total


def other_keys(certificate: bytes) -> list[ec.EllipticCurvePublicKey]:
    """Both keys under which an ECDSA signature is right (SEC 1, 4.1.6): its maker's, and one that nobody has."""
    parsed = x509.load_der_x509_certificate(certificate)
    r, s = decode_dss_signature(parsed.signature)
    e = int.from_bytes(hashlib.sha256(parsed.tbs_certificate_bytes).digest())
    y = pow(r**3 - 3 * r + _B, (_P + 1) // 4, _P)
    keys = []
    for point in ((r, y), (r, _P - y)):
        key = _times(pow(r, -1, _Q), _add(_times(s, point), _times(-e, _G)))
        assert key is not None
        keys.append(ec.EllipticCurvePublicNumbers(*key, ec.SECP256R1()).public_key())
    return keys


def test_the_issuer_named_is_the_one_of_the_verifiers_own_store() -> None:
    """Two keys fit one ECDSA signature. A tenant who trusts the other one does not change who issued it for the rest."""
    root = make("twin root")
    holder = make("twin holder", root, ca=False)
    numbers = root.key.public_key().public_numbers()
    (twin_key,) = [key for key in other_keys(holder.der) if key.public_numbers() != numbers]
    twin = make("twin root", key=root.key, public=twin_key)
    shared = Engine(threads=1, cache_bytes=8 << 20, cross_check_one_in=1)
    ours, theirs = verifier([root], engine=shared), verifier([twin], engine=shared)

    def issuer(judge: Verifier) -> bytes:
        verdict = judge.verify_certificates([holder.der], at=AT)[0]
        assert verdict.reason is Reason.CERTIFICATE_OK
        facts = judge.certificate(verdict.certificate)
        assert facts is not None
        return facts.issuer

    assert issuer(theirs) != issuer(ours)
    for _ in range(2):
        assert issuer(ours) == bytes.fromhex(ours.trust.issuers[0].identity)
        assert issuer(theirs) == bytes.fromhex(theirs.trust.issuers[0].identity)
