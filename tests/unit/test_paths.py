"""Paths: what OpenSSL lets pass where a CA is not looked at as a CA, and that the fast way and the slow way agree."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT, der
from sekisho.trust import TrustError, TrustStore
from sekisho.verifier import Verifier

DAY = 86_400
Key = ec.EllipticCurvePrivateKey
Extra = tuple[x509.ExtensionType, bool]
ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
POLICY = x509.ObjectIdentifier("1.2.3.4.5")


# ---- making chains -------------------------------------------------------------------------------------


@cache
def key(label: str) -> Key:
    """A P-256 key, the same for the same label."""
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(label.encode()).digest()) >> 1, ec.SECP256R1())


def dn(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


@dataclass(frozen=True)
class Made:
    """A certificate, and the label of its key."""

    der: bytes
    key: str

    @property
    def x509(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)

    @property
    def subject(self) -> x509.Name:
        return self.x509.subject


def make(
    name: str,
    issuer: Made | None,
    *,
    is_ca: bool | None = True,
    path_length: int | None = None,
    own_key: str = "",
    key_usage: x509.KeyUsage | None = None,
    window: tuple[int, int] = (AT - 30 * DAY, AT + 30 * DAY),
    extra: Iterable[Extra] = (),
    without: Iterable[type[x509.ExtensionType]] = (),
    key_id_of: str = "",
    issuer_key: str = "",
) -> Made:
    """A certificate under `issuer` (None: self-signed); a CA unless `is_ca` is False; None leaves basicConstraints out."""
    label = own_key or name
    signer = key(issuer_key or (issuer.key if issuer else label))
    subject_key = key(label).public_key()
    default = usage("key_cert_sign", "crl_sign") if is_ca else usage("digital_signature")
    extensions: list[Extra] = [
        (key_usage or default, True),
        (x509.SubjectKeyIdentifier.from_public_key(subject_key), False),
        (
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                key(key_id_of).public_key() if key_id_of else signer.public_key()
            ),
            False,
        ),
        *extra,
    ]
    if is_ca is not None:
        extensions.insert(0, (x509.BasicConstraints(is_ca, path_length if is_ca else None), True))
    builder = (
        x509.CertificateBuilder()
        .subject_name(dn(name))
        .issuer_name(issuer.subject if issuer else dn(name))
        .public_key(subject_key)
        .serial_number(int.from_bytes(hashlib.sha256(repr((name, issuer, window)).encode()).digest()[:8]) >> 1 | 1)
        .not_valid_before(datetime.fromtimestamp(window[0], UTC))
        .not_valid_after(datetime.fromtimestamp(window[1], UTC))
    )
    for extension, critical in extensions:
        if not isinstance(extension, tuple(without)):
            builder = builder.add_extension(extension, critical)
    signed = builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True)
    return Made(signed.public_bytes(serialization.Encoding.DER), label)


def leaf(issuer: Made, name: str = "holder", **how: object) -> Made:
    return make(name, issuer, is_ca=how.pop("is_ca", False), **how)  # type: ignore[arg-type]


def policies(*oids: x509.ObjectIdentifier) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids])


PROFILE = Profile(
    name="paths",
    purpose="other",
    signature_algorithms=("ecdsa-sha256",),
    p256_mode="ecdsa-sha256-der",  # type: ignore[arg-type]
    path_length_max=7,
    key_usage_required=("digitalSignature",),
    revocation="off",
    challenge="foreign",
    test=True,
)


def judge(
    anchors: Iterable[Made],
    certificate: Made,
    *,
    intermediates: Iterable[Made] = (),
    sent: Iterable[Made] = (),
    at: int = AT,
    profile: Profile = PROFILE,
    cache_bytes: int = 0,
) -> tuple[Reason, frozenset[str]]:
    """Verdict and flags, by a verifier that never saw anything."""
    verifier = fresh(anchors, intermediates, profile, cache_bytes)
    together = b"".join(one.der for one in sent)
    verdict = verifier.verify_certificates([certificate.der], [together], at=at)[0]
    return verdict.reason, verdict.flags


def fresh(
    anchors: Iterable[Made], intermediates: Iterable[Made] = (), profile: Profile = PROFILE, cache_bytes: int = 0
) -> Verifier:
    store = TrustStore([one.der for one in anchors], [one.der for one in intermediates])
    return Verifier(store, profile, engine=Engine(threads=1, cache_bytes=cache_bytes, cross_check_one_in=1))


OK = Reason.CERTIFICATE_OK


def openssl(folder: Path, anchor: Made, target: Made, untrusted: Iterable[Made] = (), *options: str) -> bool:
    """`openssl verify`: whether X509_verify_cert lets `target` pass."""
    (folder / "anchor.pem").write_text(pem(anchor))
    (folder / "target.pem").write_text(pem(target))
    (folder / "untrusted.pem").write_text("".join(map(pem, untrusted)))
    command = ["openssl", "verify", "-attime", str(AT), "-no-CApath", "-no-CAstore", *options, "-CAfile", "anchor.pem"]
    command += ["-untrusted", "untrusted.pem"] if list(untrusted) else []
    done = subprocess.run([*command, "target.pem"], cwd=folder, capture_output=True, text=True, check=False)
    assert "target.pem" in done.stdout + done.stderr, done.stderr  # it did look at it
    return done.returncode == 0


def pem(made: Made) -> str:
    return made.x509.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def root() -> Made:
    return make("root", None)


# ---- gaps of verifying an issuer as if it were the target (docs/ARCHITECTURE.md) ----------------------------


def test_gap_a_path_length_of_zero_forbids_a_sub_ca(tmp_path: Path) -> None:
    """OpenSSL takes the sub-CA as a target: no leaf stands below it yet, so nothing is too long."""
    root = make("short root", None, path_length=0)
    sub = make("sub", root)
    holder = leaf(sub)
    assert openssl(tmp_path, root, sub, (), "-x509_strict")
    assert not openssl(tmp_path, root, holder, [sub])
    store = TrustStore([root.der], [sub.der])
    assert store.issuers[1].reason is Reason.PATH_TOO_LONG
    assert judge([root], holder, intermediates=[sub])[0] is Reason.ISSUER_UNKNOWN  # a CA that may issue nothing is none
    assert judge([root], holder, sent=[sub])[0] is Reason.PATH_TOO_LONG
    assert judge([root], leaf(root)) == (OK, {"revocation-off", "slow-path"})


def test_gap_a_ca_without_key_cert_sign(tmp_path: Path, root: Made) -> None:
    """OpenSSL looks at keyCertSign of what issued something, not of a target that will."""
    sub = make("sub", root, key_usage=usage("crl_sign"))
    holder = leaf(sub)
    assert openssl(tmp_path, root, sub)
    assert not openssl(tmp_path, root, holder, [sub])
    store = TrustStore([root.der], [sub.der])
    assert store.issuers[1].reason is Reason.ISSUER_KEY_USAGE
    assert judge([root], holder, intermediates=[sub])[0] is Reason.ISSUER_UNKNOWN
    assert judge([root], holder, sent=[sub])[0] is not OK


@pytest.mark.parametrize("side", ["permitted", "excluded"])
def test_gap_a_ca_whose_name_constraints_forbid_the_leaf(tmp_path: Path, root: Made, side: str) -> None:
    """They say nothing about the CA itself, and all about what stands below it."""
    elsewhere = [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]))]
    here = [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP")]))]
    forbidding = x509.NameConstraints(elsewhere, None) if side == "permitted" else x509.NameConstraints(None, here)
    allowing = x509.NameConstraints(here, None) if side == "permitted" else x509.NameConstraints(None, elsewhere)
    for constraint, expected in ((forbidding, Reason.NAME_CONSTRAINTS), (allowing, OK)):
        sub = make("constrained", root, extra=[(constraint, True)])
        holder = leaf(sub)
        assert openssl(tmp_path, root, sub)
        assert openssl(tmp_path, root, holder, [sub]) == (expected is OK)
        assert TrustStore([root.der], [sub.der]).issuers[1].slow
        for how in ({"intermediates": [sub]}, {"sent": [sub]}):
            assert judge([root], holder, **how) == (
                expected,
                {"slow-path", "revocation-off"} if expected is OK else {"slow-path"},
            )  # type: ignore[arg-type]
        # Each leaf is looked at, also after one has passed and with a cache.
        verifier = fresh([root], [sub], cache_bytes=1 << 23)
        good = leaf(sub)
        for _ in range(2):
            assert verifier.verify_certificates([good.der], at=AT)[0].reason is expected


def test_gap_name_constraints_above_the_issuer_reach_the_leaf(root: Made) -> None:
    only_de = x509.NameConstraints(
        [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")]))], None
    )
    top = make("top", root, extra=[(only_de, True)])
    below = make("below", top)
    assert TrustStore([root.der], [top.der, below.der]).issuers[2].slow
    assert judge([root], leaf(below), intermediates=[top, below])[0] is Reason.NAME_CONSTRAINTS


@pytest.mark.parametrize(("place", "window"), [("sub", (AT - DAY, AT + DAY)), ("root", (AT - DAY, AT + DAY))])
def test_gap_the_window_is_that_of_the_whole_chain(place: str, window: tuple[int, int]) -> None:
    """Admitted while everything above was valid; each second is judged by all certificates of the chain."""
    wide = (AT - 100 * DAY, AT + 100 * DAY)
    root = make("windowed root", None, window=window if place == "root" else wide)
    sub = make("windowed sub", root, window=window if place == "sub" else wide)
    holder = leaf(sub, window=(AT - 50 * DAY, AT + 50 * DAY))
    verifier = fresh([root], [sub], cache_bytes=1 << 23)
    report = verifier.trust.issuers[1]
    assert report.window == window
    for at, expected in (
        (AT, OK),
        (window[1], OK),
        (window[1] + 1, Reason.ISSUER_EXPIRED),
        (window[0], OK),
        (window[0] - 1, Reason.ISSUER_NOT_YET_VALID),
        (AT, OK),
        (AT + 51 * DAY, Reason.EXPIRED),
        (AT - 51 * DAY, Reason.NOT_YET_VALID),
    ):
        assert verifier.verify_certificates([holder.der], at=at)[0].reason is expected, at - AT
        assert judge([root], holder, intermediates=[sub], at=at)[0] is expected
        assert judge([root], holder, sent=[sub], at=at)[0] is expected


def test_chains_whose_windows_never_meet() -> None:
    root = make("old root", None, window=(AT - 100 * DAY, AT - 50 * DAY))
    sub = make("new sub", root, window=(AT - 10 * DAY, AT + 10 * DAY))
    holder = leaf(sub)
    for at in (AT, AT - 60 * DAY, AT - 30 * DAY):
        for how in ({"intermediates": [sub]}, {"sent": [sub]}):
            assert judge([root], holder, at=at, **how)[0] is not OK  # type: ignore[arg-type]


# ---- what makes a CA slow -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "slow"),
    [
        ((policies(POLICY), False), True),
        ((policies(ANY_POLICY), False), True),
        ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False), True),
        ((x509.PolicyConstraints(0, None), True), True),
        ((x509.InhibitAnyPolicy(0), True), True),
        ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"), b"\x05\x00"), False), True),
        ((x509.IssuerAlternativeName([x509.DNSName("ca.example")]), False), False),
        ((x509.SubjectAlternativeName([x509.DNSName("ca.example")]), False), False),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, tuple) else str(value),
)
def test_which_extensions_make_an_intermediate_slow(root: Made, extra: Extra, slow: bool) -> None:
    sub = make("sub", root, extra=[extra])
    verifier = fresh([root], [sub])
    assert verifier.trust.issuers[1].slow == slow
    told = [verifier.verify_certificates([leaf(sub).der], at=AT)[0] for _ in range(2)]
    if isinstance(extra[0], x509.PolicyConstraints):  # explicit policies are wanted, and the leaf has none
        assert {verdict.reason for verdict in told} == {Reason.POLICY}
    else:
        assert {verdict.reason for verdict in told} == {OK}
    # The first chain under an issuer goes through OpenSSL whatever it is like; from then on only slow ones do.
    assert ["slow-path" in verdict.flags for verdict in told] == [True, slow]


def test_an_unknown_critical_extension_on_a_ca(root: Made) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"), b"\x05\x00")
    sub = make("sub", root, extra=[(unknown, True)])
    reason = Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL
    assert TrustStore([root.der], [sub.der]).issuers[1].reason is reason
    assert judge([root], leaf(sub), sent=[sub])[0] is not OK
    with pytest.raises(TrustError, match="critical"):
        TrustStore([make("root", None, extra=[(unknown, True)]).der])


def test_policies_of_the_whole_path_decide(root: Made) -> None:
    """The leaf's own claim is not enough: RFC 5280, 6.1.3 (d)."""
    wanted = replace(PROFILE, name="paths-policy", policies=(POLICY.dotted_string,))
    other = x509.ObjectIdentifier("1.2.3.4.6")
    own = [(policies(POLICY), False)]
    cases = [
        ([], Reason.POLICY),  # a CA without policies issues for none
        ([(policies(POLICY), False)], OK),
        ([(policies(other), False)], Reason.POLICY),
        ([(policies(ANY_POLICY), False)], OK),
        ([(policies(POLICY, other), True)], OK),
        ([(policies(ANY_POLICY), False), (x509.InhibitAnyPolicy(0), True)], OK),
    ]
    for extra, expected in cases:
        sub = make("policy sub", root, extra=extra)  # type: ignore[arg-type]
        holder = leaf(sub, extra=own)
        for how in ({"intermediates": [sub]}, {"sent": [sub]}):
            assert judge([root], holder, profile=wanted, **how)[0] is expected, extra  # type: ignore[arg-type]
        verifier = fresh([root], [sub], wanted)
        assert [verifier.verify_certificates([holder.der], at=AT)[0].reason for _ in range(2)] == [expected] * 2
        assert (
            judge([root], leaf(sub, extra=[(policies(other), False)]), intermediates=[sub], profile=wanted)[0]
            is Reason.POLICY
        )
    # Under the anchor itself its own policies play no part.
    anchor = make("anchor with policies", None, extra=[(policies(other), False)])
    assert judge([anchor], leaf(anchor, extra=own), profile=wanted)[0] is OK
    assert judge([anchor], leaf(anchor, extra=[(policies(ANY_POLICY), False)]), profile=wanted)[0] is OK


def test_policy_mappings_are_followed(root: Made) -> None:
    """The leaf says what the CA mapped: only OpenSSL knows, natively its claim is none."""
    wanted = replace(PROFILE, name="paths-mapped", policies=(POLICY.dotted_string,))
    mapped = x509.ObjectIdentifier("1.2.3.4.99")
    mapping = der.sequence(der.sequence(der.oid(POLICY.dotted_string), der.oid(mapped.dotted_string)))
    extra: list[Extra] = [
        (policies(POLICY), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), mapping), True),
    ]
    sub = make("mapping sub", root, extra=extra)
    for oid, expected in ((mapped, OK), (POLICY, Reason.POLICY), (ANY_POLICY, OK)):
        holder = leaf(sub, extra=[(policies(oid), False)])
        assert judge([root], holder, intermediates=[sub], profile=wanted)[0] is expected
        assert judge([root], holder, sent=[sub], profile=wanted)[0] is expected
    # Without a mapping above it the foreign policy is none of ours.
    assert judge([root], leaf(root, extra=[(policies(mapped), False)]), profile=wanted)[0] is Reason.POLICY


@pytest.mark.parametrize(("source", "target"), [(ANY_POLICY, POLICY), (POLICY, ANY_POLICY)])
@pytest.mark.parametrize("named", [True, False])
def test_no_ca_maps_any_policy(
    root: Made, source: x509.ObjectIdentifier, target: x509.ObjectIdentifier, named: bool
) -> None:
    """RFC 5280, 6.1.4 (a).  OpenSSL looks at mappings only where certificatePolicies stand beside them."""
    mapping = der.sequence(der.sequence(der.oid(source.dotted_string), der.oid(target.dotted_string)))
    extra: list[Extra] = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), mapping), True)]
    if named:
        extra.append((policies(POLICY), False))
    sub = make("any mapping sub", root, extra=extra)
    holder = leaf(sub)
    assert judge([root], holder, sent=[sub])[0] is Reason.ISSUER_UNKNOWN
    assert judge([root], holder, intermediates=[sub])[0] is Reason.ISSUER_UNKNOWN
    assert TrustStore([root.der], [sub.der]).issuers[1].reason is Reason.POLICY
    # An anchor is its name and key: what else its certificate says plays no part (6.1.1 (d)).
    anchor = make("any mapping anchor", None, extra=extra)
    assert judge([anchor], leaf(anchor))[0] is OK


@pytest.mark.parametrize(
    "extension",
    [
        x509.IssuerAlternativeName([x509.DNSName("ca.example")]),
        x509.AuthorityInformationAccess(
            [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://x"))]
        ),
        x509.FreshestCRL([x509.DistributionPoint([x509.UniformResourceIdentifier("http://x")], None, None, None)]),
    ],
    ids=lambda extension: type(extension).__name__,
)
def test_a_critical_extension_that_nobody_acts_on_is_refused_fast_and_slow(
    root: Made, extension: x509.ExtensionType
) -> None:
    """Refused by a verifier that never saw the issuer, and by one that did (found by tests/property/oracle.py)."""
    verifier = fresh([root])
    critical, plain = leaf(root, extra=[(extension, True)]), leaf(root, extra=[(extension, False)])
    rows = [critical.der, plain.der, plain.der, critical.der]
    told = [verifier.verify_certificates([row], at=AT)[0].reason for row in rows]
    unknown = Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL
    assert told == [unknown, OK, OK, unknown]


@pytest.mark.parametrize("critical", [True, False])
def test_policy_qualifiers_of_an_unknown_kind(root: Made, critical: bool) -> None:
    """RFC 5280, 4.2.1.4: who cannot interpret a critical one, "including the optional qualifier", rejects the certificate."""
    qualifier = der.sequence(der.oid("1.3.6.1.4.1.99999.9"), der.utf8("何か"))
    policy = der.sequence(der.sequence(der.oid(POLICY.dotted_string), der.sequence(qualifier)))
    extra: list[Extra] = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), policy), critical)]
    expected = Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL if critical else OK
    assert judge([root], leaf(root, extra=extra))[0] is expected
    sub = make("qualified sub", root, extra=extra)
    assert TrustStore([root.der], [sub.der]).issuers[1].reason is (expected if critical else None)
    assert (judge([root], leaf(sub), sent=[sub])[0] is OK) == (not critical)


# ---- generations and look-alikes ------------------------------------------------------------------------


def test_generations_of_one_name_are_told_apart_by_their_keys() -> None:
    generations = [
        make(
            "one name", None, own_key=f"generation {number}", window=(AT - (9 - number) * DAY, AT + (9 + number) * DAY)
        )
        for number in range(3)
    ]
    for number, issuer in enumerate(generations):
        for key_id_of in ("", *(f"generation {other}" for other in range(3)), "nobody"):
            holder = leaf(issuer, key_id_of=key_id_of)
            assert judge(generations, holder)[0] is OK
            others = [one for one in generations if one is not issuer]
            # Named by key identifier or not: a CA that did not sign it is not its issuer.
            assert judge(others, holder)[0] is Reason.ISSUER_SIGNATURE_WRONG
        assert fresh(generations).trust.issuers[number].window == (AT - (9 - number) * DAY, AT + (9 + number) * DAY)


def test_an_expired_generation_does_not_borrow_its_successors_window() -> None:
    old = make("one name", None, own_key="old", window=(AT - 20 * DAY, AT - 1))
    new = make("one name", None, own_key="new", window=(AT - 2 * DAY, AT + 20 * DAY))
    for key_id_of in ("", "new"):
        assert judge([old, new], leaf(old, key_id_of=key_id_of))[0] is Reason.ISSUER_EXPIRED
        assert judge([old, new], leaf(new, key_id_of=key_id_of))[0] is OK


def test_the_name_must_fit_whatever_the_key_identifier_says(root: Made) -> None:
    """A certificate signed by a trusted key under another name than that key's certificate bears."""
    other = make("root of another name", None, own_key="root")
    holder = leaf(other)
    assert judge([other], holder)[0] is OK
    assert judge([root], holder)[0] is Reason.ISSUER_UNKNOWN


@pytest.mark.parametrize("place", [0, 7, 15])
def test_up_to_sixteen_look_alikes_are_tried(place: int) -> None:
    crowd = [make("look-alike", None, own_key=f"look-alike {number}") for number in range(16)]
    assert judge(crowd, leaf(crowd[place]))[0] is OK
    assert judge(crowd, leaf(crowd[place], key_id_of="nobody"))[0] is OK
    stranger = make("look-alike", None, own_key="stranger")
    assert judge(crowd, leaf(stranger))[0] is Reason.ISSUER_SIGNATURE_WRONG


def test_in_a_larger_crowd_the_key_identifier_finds_the_issuer() -> None:
    crowd = [make("look-alike", None, own_key=f"look-alike {number}") for number in range(40)]
    for place in (0, 16, 39):
        assert judge(crowd, leaf(crowd[place]))[0] is OK
    # Not remembered as forged: the right key may not have been among those tried.
    verifier = fresh(crowd, cache_bytes=1 << 23)
    lost = leaf(crowd[39], key_id_of="nobody")
    assert {verifier.verify_certificates([lost.der], at=AT)[0].reason for _ in range(2)} <= {
        OK,
        Reason.ISSUER_SIGNATURE_WRONG,
    }
    assert verifier.engine.cache_statistics().forged_hits == 0


# ---- certificates sent along ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tower(root: Made) -> list[Made]:
    """Four CAs, each under the one before; the first under the root."""
    made: list[Made] = []
    for number in range(4):
        made.append(make(f"level {number}", made[-1] if made else root))
    return made


def test_sent_intermediates_lead_to_the_anchor_in_any_order(root: Made, tower: list[Made]) -> None:
    chance = random.Random(5)
    for depth in range(1, 5):
        holder = leaf(tower[depth - 1])
        for _ in range(4):
            sent = tower[:depth]
            chance.shuffle(sent)
            assert judge([root], holder, sent=sent) == (OK, {"slow-path", "revocation-off"})
        for missing in range(depth):
            sent = [one for place, one in enumerate(tower[:depth]) if place != missing]
            assert judge([root], holder, sent=sent)[0] is Reason.ISSUER_UNKNOWN
            # What the store has need not be sent.
            store = tower[: missing + 1]
            assert judge([root], holder, intermediates=store, sent=tower[missing + 1 : depth])[0] is OK


def test_the_root_itself_may_be_sent_and_adds_no_trust(root: Made, tower: list[Made]) -> None:
    holder = leaf(tower[0])
    assert judge([root], holder, sent=[tower[0], root])[0] is OK
    assert judge([make("another root", None)], holder, sent=[tower[0], root])[0] is Reason.ISSUER_UNKNOWN
    assert judge([make("root", None, own_key="other")], holder, sent=[tower[0], root])[0] in (
        Reason.ISSUER_SIGNATURE_WRONG,
        Reason.ISSUER_UNKNOWN,
    )


def test_unrelated_certificates_are_passed_over(root: Made, tower: list[Made]) -> None:
    noise = [make(f"noise {number}", None) for number in range(3)]
    assert judge([root], leaf(tower[0]), sent=[*noise, tower[0]])[0] is OK
    assert judge([root], leaf(root), sent=noise)[0] is OK
    assert judge([root], leaf(noise[0]), sent=noise)[0] is Reason.ISSUER_UNKNOWN


def test_five_are_too_many(root: Made, tower: list[Made]) -> None:
    assert judge([root], leaf(tower[0]), sent=[tower[0]] * 5)[0] is Reason.TOO_MANY_INTERMEDIATES


def test_the_path_is_as_long_as_the_profile_allows(root: Made, tower: list[Made]) -> None:
    for longest in range(5):
        allowed = replace(PROFILE, name=f"paths-{longest}", path_length_max=longest)
        for depth in range(5):
            holder = leaf(tower[depth - 1] if depth else root)
            expected = OK if depth <= longest else Reason.PATH_TOO_LONG
            assert judge([root], holder, sent=tower[:depth], profile=allowed)[0] is expected
            assert judge([root], holder, intermediates=tower[:depth], profile=allowed)[0] is expected


def test_loops_end() -> None:
    """Two CAs that certify each other, and one that certifies itself, lead nowhere."""
    root = make("root", None)
    one_self, other_self = make("one", None), make("other", None)
    one = make("one", other_self)
    other = make("other", one_self)
    assert judge([root], leaf(one), sent=[one, other, one_self, other_self])[0] is Reason.ISSUER_UNKNOWN
    assert judge([root], leaf(one), sent=[one_self] * 4)[0] is Reason.ISSUER_UNKNOWN
    with pytest.raises(TrustError):  # nor as configured ones, without an anchor that leads anywhere
        TrustStore([make("not a ca", None, is_ca=False).der], [one.der, other.der])
    assert judge([root], leaf(one), intermediates=[one, other, one_self])[0] is Reason.ISSUER_UNKNOWN


def test_many_of_one_name_spend_the_budget() -> None:
    """Each wrong key costs a signature check; beyond twelve the answer is that the budget is spent."""
    root = make("root", None)
    crowd = [make("crowd", None, own_key=f"crowd {number}") for number in range(16)]
    decoys = [make("crowd", root, own_key=f"decoy {number}") for number in range(4)]
    signer = make("crowd", root, own_key="the right one")
    holder = leaf(signer)
    assert judge([root, *crowd[:13]], holder, sent=decoys)[0] is Reason.ISSUER_SIGNATURE_WRONG  # all of them were tried
    assert judge([root, *crowd], holder, sent=decoys)[0] is Reason.PATH_BUDGET_SPENT  # there may be a seventeenth
    below = make("below the crowd", signer)
    assert judge([root, *crowd[:13]], leaf(below), sent=[below, *decoys[:3]])[0] is Reason.PATH_BUDGET_SPENT
    wide = replace(PROFILE, name="paths-wide", intermediates_max=16)
    assert judge([root, *crowd[:13]], leaf(below), sent=[below, *decoys, signer], profile=wide)[0] is OK


def test_a_self_issued_sent_ca_does_not_count_but_must_be_signed(root: Made) -> None:
    """A key change: the same name on both sides (RFC 5280, 6.1.4 (l))."""
    capped = make("capped", root, path_length=0)
    changed = make("capped", capped, own_key="changed key")
    assert judge([root], leaf(changed), sent=[changed, capped])[0] is OK
    assert judge([root], leaf(changed), intermediates=[capped, changed])[0] is OK
    below = make("below", capped)
    assert judge([root], leaf(below), sent=[below, capped])[0] is Reason.PATH_TOO_LONG
    assert judge([root], leaf(below), intermediates=[capped, below])[0] is Reason.ISSUER_UNKNOWN


@pytest.mark.parametrize(
    "flaw",
    [
        {"is_ca": False, "key_usage": usage("key_cert_sign", "digital_signature")},
        {"is_ca": None},
        {"key_usage": usage("crl_sign", "digital_signature")},
        {"without": (x509.KeyUsage,)},
        {"window": (AT - 9 * DAY, AT - 1)},
        {"window": (AT + 1, AT + 9 * DAY)},
        {"issuer_key": "a stranger"},
        {"extra": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True),)},
    ],
    ids=str,
)
def test_a_sent_or_configured_ca_with_a_flaw(root: Made, flaw: dict[str, object]) -> None:
    flawed = make("flawed", root, **flaw)  # type: ignore[arg-type]
    holder = leaf(flawed)
    sent = judge([root], holder, sent=[flawed])
    configured = judge([root], holder, intermediates=[flawed])
    assert sent[0] not in (OK, Reason.ENGINE_FAULT, Reason.PATH_REFUSED)
    assert configured[0] not in (OK, Reason.ENGINE_FAULT, Reason.PATH_REFUSED)
    if "window" in flaw:
        late = flaw["window"][1] < AT  # type: ignore[index]
        assert sent[0] is configured[0] is (Reason.ISSUER_EXPIRED if late else Reason.ISSUER_NOT_YET_VALID)


def test_garbage_sent_along_does_not_stand_in_the_way(root: Made, tower: list[Made]) -> None:
    """A SEQUENCE that is no certificate is one more stranger; what is no SEQUENCE is a malformed request."""
    verifier = fresh([root])
    holder = leaf(tower[0]).der
    rows = [b"\x30\x03\x02\x01\x05" + tower[0].der, tower[0].der + b"\x00", b"\x30\x80" + tower[0].der]
    verdicts = verifier.verify_certificates([holder] * 3, rows, at=AT)
    assert [verdict.reason for verdict in verdicts] == [OK, Reason.CERTIFICATE_MALFORMED, Reason.CERTIFICATE_MALFORMED]


# ---- fast and slow agree --------------------------------------------------------------------------------


def family(chance: random.Random) -> tuple[list[Made], Made]:
    """A root, up to three CAs below it and a leaf, each with whatever chance puts into it."""

    def some(*choices: object, weight: int = 6) -> object:
        return chance.choice([choices[0]] * weight + list(choices[1:]))

    def window() -> tuple[int, int]:
        ends = [AT - some(30 * DAY, 1, 0, -1), AT + some(30 * DAY, 1, 0, -1)]  # type: ignore[operator]
        return min(ends), max(ends)

    def extras(is_ca: bool) -> list[Extra]:
        found: list[Extra] = []
        jp = [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP")]))]
        fr = [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]))]
        if is_ca and chance.random() < 0.1:
            found.append((x509.NameConstraints(*chance.choice([(jp, None), (fr, None), (None, jp), (None, fr)])), True))
        if chance.random() < 0.25:
            oids = chance.sample([POLICY, x509.ObjectIdentifier("1.2.3.4.6"), ANY_POLICY], chance.choice([1, 1, 2]))
            found.append((policies(*oids), chance.random() < 0.5))
        if chance.random() < 0.1:
            found.append(
                (
                    x509.ExtendedKeyUsage(
                        [chance.choice([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])]
                    ),
                    False,
                )
            )
        if is_ca and chance.random() < 0.07:
            found.append((x509.PolicyConstraints(chance.choice([0, 1]), None), True))
        if is_ca and chance.random() < 0.07:
            found.append((x509.InhibitAnyPolicy(chance.choice([0, 1])), True))
        if chance.random() < 0.1:
            found.append((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"), b"\x05\x00"), False))
        if chance.random() < 0.2:
            found.append((x509.SubjectAlternativeName([x509.DNSName("who.example")]), chance.random() < 0.2))
        return found

    def without() -> list[type[x509.ExtensionType]]:
        return [
            kind
            for kind in (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier, x509.KeyUsage)
            if chance.random() < 0.03
        ]

    def certificate_authority(name: str, issuer: Made | None) -> Made:
        return make(
            name,
            issuer,
            path_length=some(None, 0, 1, 2),  # type: ignore[arg-type]
            is_ca=some(True, False, None, weight=40),  # type: ignore[arg-type]
            key_usage=some(None, usage("crl_sign"), usage("digital_signature", "key_cert_sign"), weight=20),  # type: ignore[arg-type]
            window=window(),
            extra=[extra for extra in extras(True) if issuer or not isinstance(extra[0], x509.NameConstraints)],
            without=without(),
            own_key=f"{name} {chance.randrange(2)}",
        )

    chain = [certificate_authority("family root", None)]
    for level in range(chance.choice([0, 0, 1, 1, 2, 3])):
        name = (
            f"family {level}"
            if chance.random() < 0.85
            else chain[-1].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        )
        chain.append(certificate_authority(str(name), chain[-1]))
    holder = leaf(
        chain[-1],
        key_usage=some(None, usage("digital_signature", "key_cert_sign"), usage("key_agreement"), weight=20),
        is_ca=some(False, None, True, weight=20),
        window=window(),
        extra=extras(False),
        without=without(),
        key_id_of=str(some("", "nobody")),
    )
    return chain, holder


def third_voice(chain: list[Made], holder: Made) -> bool:
    """`cryptography`'s own path builder, told to ask no more of a leaf than RFC 5280."""
    store = verification.Store([chain[0].x509])
    leaves = verification.ExtensionPolicy.permit_all()
    try:
        builder = (
            verification.PolicyBuilder()
            .time(datetime.fromtimestamp(AT, UTC))
            .store(store)
            .max_chain_depth(8)
            .extension_policies(ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaves)
        )
        builder.build_client_verifier().verify(holder.x509, [one.x509 for one in chain[1:]])
    except (verification.VerificationError, ValueError):
        return False
    return True


def comparable(chain: list[Made], holder: Made) -> bool:
    """Whether `cryptography` judges the same questions: it looks at no policies, and knows no constraints on directory
    names."""
    unknown = (
        x509.CertificatePolicies,
        x509.PolicyConstraints,
        x509.InhibitAnyPolicy,
        x509.ExtendedKeyUsage,
        x509.NameConstraints,
    )
    return not any(
        isinstance(extension.value, unknown) for one in (*chain, holder) for extension in one.x509.extensions
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_fast_way_and_the_slow_way_agree(seed: int) -> None:
    """Each chain is judged by a verifier whose issuer was admitted before, and by one that never saw it."""
    chance = random.Random(f"families {seed}")
    plain = PROFILE
    wanted = replace(PROFILE, name="paths-family", policies=(POLICY.dotted_string,))
    disagreements, fast, accepted, voices = [], 0, 0, 0
    for number in range(150):
        chain, holder = family(chance)
        profile = plain if chance.random() < 0.6 else wanted
        try:
            verifier = fresh(chain[:1], chain[1:], profile)
        except TrustError:
            assert judge_never(chain, holder, profile)
            continue
        # A plain leaf of the same issuer, so that the issuer is admitted wherever it can be.
        opener = leaf(chain[-1], name="opener", extra=[(policies(POLICY), False)], window=(AT - 5, AT + 5))
        slow = verifier.verify_certificates([holder.der], at=AT)[0]
        admitted = fresh(chain[:1], chain[1:], profile)
        admitted.verify_certificates([opener.der], at=AT)
        quick = admitted.verify_certificates([holder.der], at=AT)[0]
        if slow.reason is not quick.reason:
            disagreements.append(f"{number}: slow {slow.reason.kebab}, fast {quick.reason.kebab}")
        sent = judge(chain[:1], holder, sent=chain[1:], profile=profile)[0]
        if (sent is OK) != (slow.reason is OK):
            disagreements.append(f"{number}: configured {slow.reason.kebab}, sent {sent.kebab}")
        fast += "slow-path" not in quick.flags and quick.reason is OK
        accepted += quick.reason is OK
        if profile is plain and comparable(chain, holder):
            voices += 1
            if slow.reason is OK and not third_voice(chain, holder):
                disagreements.append(f"{number}: accepted, and refused by cryptography")
    assert disagreements == []
    assert fast > 5
    assert accepted > fast
    assert voices > 10


def judge_never(chain: list[Made], holder: Made, profile: Profile) -> bool:
    """A root that can issue nothing beside one that can: its leaves are still refused."""
    other = make("an innocent root", None)
    return judge([other, chain[0]], holder, intermediates=chain[1:], profile=profile)[0] is not OK


def test_second_by_second_the_ways_agree(root: Made) -> None:
    """Around every edge of every window, with and without skew."""
    sub = make("edge sub", root, window=(AT - 10, AT + 10))
    holder = leaf(sub, window=(AT - 5, AT + 15))
    for skew in (0, 3):
        profile = replace(PROFILE, name=f"paths-skew-{skew}", clock_skew=skew)
        admitted = fresh([root], [sub], profile, cache_bytes=1 << 23)
        assert admitted.verify_certificates([holder.der], at=AT)[0].reason is OK
        for second in range(-20, 21):
            slow = judge([root], holder, intermediates=[sub], at=AT + second, profile=profile)[0]
            assert admitted.verify_certificates([holder.der], at=AT + second)[0].reason is slow
            assert judge([root], holder, sent=[sub], at=AT + second, profile=profile)[0] is slow
            assert (slow is OK) == (-5 - skew <= second <= 10 + skew)


def test_admission_is_by_profile_and_store(root: Made) -> None:
    """A chain that passed for one profile opens no way for another."""
    engine = Engine(threads=1, cache_bytes=0)
    store = TrustStore([root.der])
    one = Verifier(store, PROFILE, engine=engine)
    other = Verifier(store, replace(PROFILE, name="paths-other"), engine=engine)
    for verifier in (one, other):
        flags = [verifier.verify_certificates([leaf(root).der], at=AT)[0].flags for _ in range(2)]
        assert ["slow-path" in one for one in flags] == [True, False]
