"""Trust stores: what may issue and what may not, and that whoever gave it is told which file and why."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sekisho._native import ffi, lib
from sekisho.names import name_string, normal_name
from sekisho.reasons import Reason
from sekisho.testing import AT, small_city
from sekisho.trust import IssuerReport, TrustError, TrustStore

JPKI = Path(__file__).parents[2] / "engine" / "sekisho" / "data" / "jpki"

Key = ec.EllipticCurvePrivateKey


# ---- certificates to try -----------------------------------------------------------------------


@cache
def key(label: str) -> Key:
    """A P-256 key, the same for the same label."""
    scalar = int.from_bytes(hashlib.sha256(label.encode()).digest()) >> 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def dn(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def usage(*, cert_sign: bool = True) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=cert_sign,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def ca(
    subject: str,
    issuer: str | None = None,
    *,
    subject_key: str | None = None,
    issuer_key: str | None = None,
    path_length: int | None = None,
    is_ca: bool = True,
    key_usage: x509.KeyUsage | None = None,
    window: tuple[int, int] = (AT - 1000, AT + 1000),
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    """A CA certificate in DER; keys are those of the names unless given."""
    issuer = issuer or subject
    signer = key(issuer_key or issuer)
    own = key(subject_key or subject).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(dn(subject))
        .issuer_name(dn(issuer))
        .public_key(own)
        .serial_number(int.from_bytes(hashlib.sha256(f"{subject}|{issuer}".encode()).digest()[:8]) | 1)
        .not_valid_before(datetime.fromtimestamp(window[0], UTC))
        .not_valid_after(datetime.fromtimestamp(window[1], UTC))
        .add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
        .add_extension(key_usage or usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    lines = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n".encode()


def reasons(store: TrustStore) -> list[Reason | None]:
    return [issuer.reason for issuer in store.issuers]


# ---- the certificates of JPKI ------------------------------------------------------------------


def test_the_six_jpki_certificates_load_and_are_told_apart() -> None:
    store = TrustStore.jpki()
    assert len(store) == 6
    assert reasons(store) == [None] * 6
    assert len({issuer.subject for issuer in store.issuers}) == 2  # three generations, one name
    assert len({issuer.identity for issuer in store.issuers}) == 6
    assert len({issuer.fingerprint for issuer in store.issuers}) == 6
    for issuer in store.issuers:
        assert issuer.anchor
        assert not issuer.slow
        assert issuer.parent is None
    assert [issuer.source.split()[-1] for issuer in store.issuers] == [
        f"{purpose}ca0{generation}.cer" for purpose in ("auth", "sign") for generation in (1, 2, 3)
    ]
    unit = "OU=Japan Agency for Local Authority Information Systems,OU=JPKI for {},O=JPKI,C=JP"
    assert store.issuers[0].subject == unit.format("user authentication")
    assert store.issuers[5].subject == unit.format("digital signature")


def test_the_first_jpki_generation_has_run_out() -> None:
    windows = [issuer.window for issuer in TrustStore.jpki().issuers]
    ends = []
    for window, file in zip(windows, sorted(JPKI.glob("*.cer")), strict=True):
        certificate = x509.load_der_x509_certificate(file.read_bytes())
        assert window == (
            certificate.not_valid_before_utc.timestamp(),
            certificate.not_valid_after_utc.timestamp(),
        )
        ends.append(certificate.not_valid_after_utc.date().isoformat())
    assert ends == ["2025-10-19", "2029-09-14", "2033-07-15"] * 2
    assert windows[0] is not None
    assert windows[0][1] < AT


def test_the_readme_has_the_fingerprints_of_the_files_that_are_shipped() -> None:
    readme = (JPKI / "README.md").read_text()
    files = sorted(JPKI.glob("*.cer"))
    assert len(files) == 6
    for file, issuer in zip(files, TrustStore.jpki().issuers, strict=True):
        fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()
        assert issuer.fingerprint == fingerprint
        serial = f"{x509.load_der_x509_certificate(file.read_bytes()).serial_number:X}"
        (row,) = [line for line in readme.splitlines() if file.name in line]
        assert f"`{fingerprint}`" in row
        assert f"| {serial.zfill(len(serial) + len(serial) % 2)} |" in row


# ---- what may issue ----------------------------------------------------------------------------


def test_what_the_core_says_is_what_the_report_says() -> None:
    root = ca("root")
    (issuer,) = TrustStore([root]).issuers
    certificate = x509.load_der_x509_certificate(root)
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert issuer == IssuerReport(
        source="anchors[0]",
        subject="CN=root,C=JP",
        reason=None,
        anchor=True,
        slow=False,
        parent=None,
        window=(AT - 1000, AT + 1000),
        identity=hashlib.sha256(certificate.subject.public_bytes() + spki).hexdigest(),
        fingerprint=hashlib.sha256(root).hexdigest(),
    )
    store = TrustStore([root])
    native = ffi.new("seki_issuer_report *")
    assert lib.seki_trust_report(store.native, 0, native) == lib.SEKI_OK
    assert bytes(native.fingerprint).hex() == issuer.fingerprint
    assert lib.seki_trust_count(store.native) == len(store) == 1


def test_intermediates_are_linked_to_whoever_signed_them() -> None:
    store = TrustStore(
        [ca("other"), ca("root", window=(AT - 10, AT + 500))],
        # The lower one comes first: the order in which they are given does not matter.
        [ca("issuing", "policy", window=(AT - 500, AT + 400)), ca("policy", "root")],
    )
    assert reasons(store) == [None] * 4
    assert [issuer.anchor for issuer in store.issuers] == [True, True, False, False]
    assert [issuer.parent for issuer in store.issuers] == [None, None, 3, 1]
    # The latest notBefore and the earliest notAfter of the chain.
    assert [issuer.window for issuer in store.issuers[2:]] == [(AT - 10, AT + 400), (AT - 10, AT + 500)]


def test_an_intermediate_is_linked_by_key_where_two_anchors_share_a_name() -> None:
    generations = [ca("root", subject_key="one", issuer_key="one"), ca("root", subject_key="two", issuer_key="two")]
    below = [ca("below one", "root", issuer_key="one"), ca("below two", "root", issuer_key="two")]
    store = TrustStore(generations, below[::-1])
    assert reasons(store) == [None] * 4
    assert [issuer.parent for issuer in store.issuers] == [None, None, 1, 0]


def test_an_intermediate_without_a_path_is_unknown() -> None:
    store = TrustStore([ca("root")], [ca("stray", "nobody"), ca("below stray", "stray")])
    assert reasons(store) == [None, Reason.ISSUER_UNKNOWN, Reason.ISSUER_UNKNOWN]
    assert [issuer.parent for issuer in store.issuers] == [None, None, None]


def test_an_intermediate_that_another_key_signed_is_unknown() -> None:
    store = TrustStore([ca("root")], [ca("forged", "root", issuer_key="a stranger")])
    assert reasons(store) == [None, Reason.ISSUER_UNKNOWN]


def test_an_anchor_that_is_no_ca_is_kept_out() -> None:
    leaf = ca("leaf", is_ca=False, key_usage=usage(cert_sign=False))
    assert reasons(TrustStore([ca("root"), leaf])) == [None, Reason.ISSUER_NOT_CA]


def test_an_anchor_without_keycertsign_is_kept_out() -> None:
    assert reasons(TrustStore([ca("root"), ca("mute", key_usage=usage(cert_sign=False))])) == [
        None,
        Reason.ISSUER_KEY_USAGE,
    ]


def test_a_path_length_constraint_counts() -> None:
    anchors = [ca("zero", path_length=0), ca("one", path_length=1)]
    store = TrustStore(anchors, [ca("below zero", "zero"), ca("below one", "one"), ca("second below one", "below one")])
    assert reasons(store) == [None, None, Reason.PATH_TOO_LONG, None, Reason.PATH_TOO_LONG]


def test_self_issued_certificates_do_not_count() -> None:
    """RFC 5280, 6.1.4 (l): a CA's certificate for its own new key, below pathLenConstraint 0."""
    rollover = ca("zero", subject_key="zero, new", issuer_key="zero")
    assert reasons(TrustStore([ca("zero", path_length=0)], [rollover])) == [None, None]


def test_an_unknown_critical_extension_keeps_a_ca_out() -> None:
    odd = ca("odd", extra=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),))
    assert reasons(TrustStore([ca("root"), odd])) == [None, Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL]


def test_a_ca_that_constrains_its_leaves_is_slow_and_so_is_whatever_stands_below() -> None:
    permitted = x509.NameConstraints([x509.DirectoryName(dn("x"))], None)
    store = TrustStore([ca("root")], [ca("constrained", "root", extra=((permitted, True),)), ca("low", "constrained")])
    assert reasons(store) == [None] * 3
    assert [issuer.slow for issuer in store.issuers] == [False, True, True]


def test_a_city_is_trusted_whole() -> None:
    city = small_city()
    store = TrustStore(city.trust())
    assert reasons(store) == [None] * len(city.trust())
    subjects = [x509.load_der_x509_certificate(der).subject.rfc4514_string() for der in city.trust()]
    assert [issuer.subject for issuer in store.issuers] == subjects


# ---- what makes no store -----------------------------------------------------------------------


def test_a_store_needs_an_anchor() -> None:
    with pytest.raises(TrustError, match=r"at least one anchor.*TrustStore\.jpki\(\)"):
        TrustStore([])
    with pytest.raises(TrustError, match="at least one anchor"):
        TrustStore([], [ca("root")])


def test_garbage_among_good_anchors_is_named_and_kept_out() -> None:
    store = TrustStore([ca("root"), b"garbage", b""])
    assert reasons(store) == [None, Reason.CERTIFICATE_MALFORMED, Reason.INPUT_MISSING]
    garbage = store.issuers[1]
    assert (garbage.subject, garbage.window, garbage.identity) == ("", None, "")
    assert str(garbage) == "anchors[1]: anchor that cannot be read: certificate-malformed"
    assert str(store.issuers[0]) == "anchors[0]: anchor CN=root,C=JP: ok"


def test_a_store_whose_every_certificate_is_refused_says_why_of_each(tmp_path: Path) -> None:
    (tmp_path / "a.der").write_bytes(b"\x30\x03\x02\x01\x01")
    (tmp_path / "b.pem").write_bytes(pem(ca("leaf", is_ca=False, key_usage=usage(cert_sign=False))))
    with pytest.raises(TrustError) as caught:
        TrustStore.from_folder(tmp_path)
    _, first, second = str(caught.value).splitlines()
    assert f"{tmp_path}/a.der: anchor that cannot be read: certificate-malformed. " in first
    assert f"{tmp_path}/b.pem: anchor CN=leaf,C=JP: issuer-not-ca. {Reason.ISSUER_NOT_CA.english}" in second


def test_a_long_list_of_refusals_is_cut() -> None:
    with pytest.raises(TrustError) as caught:
        TrustStore([b"garbage"] * 25)
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  and 5 more"


def test_a_single_certificate_is_not_a_list() -> None:
    with pytest.raises(TypeError, match=r"write \[certificate\]"):
        TrustStore(ca("root"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes in every row"):
        TrustStore([ca("root"), "text"])  # type: ignore[list-item]


# ---- files -------------------------------------------------------------------------------------


def test_files_are_pem_or_der_whatever_they_are_called(tmp_path: Path) -> None:
    one, two, three, below = ca("one"), ca("two"), ca("three"), ca("below", "three")
    (tmp_path / "bundle.txt").write_bytes(b"# two roots\n" + pem(one) + b"\nand\n" + pem(two).replace(b"\n", b"\r\n"))
    (tmp_path / "three").write_bytes(three)
    (tmp_path / "below.pem").write_bytes(pem(below))
    store = TrustStore.from_files(
        tmp_path / "bundle.txt", str(tmp_path / "three"), intermediates=[tmp_path / "below.pem"]
    )
    assert [issuer.subject for issuer in store.issuers] == [
        f"CN={name},C=JP" for name in ("one", "two", "three", "below")
    ]
    assert [issuer.source for issuer in store.issuers] == [
        f"{tmp_path}/bundle.txt, certificate 1",
        f"{tmp_path}/bundle.txt, certificate 2",
        f"{tmp_path}/three",
        f"{tmp_path}/below.pem",
    ]
    assert [issuer.parent for issuer in store.issuers] == [None, None, None, 2]


def test_folders_are_read_in_the_order_of_names_and_other_files_left_alone(tmp_path: Path) -> None:
    anchors, intermediates = tmp_path / "anchors", tmp_path / "intermediates"
    anchors.mkdir()
    intermediates.mkdir()
    (anchors / "sub.pem").mkdir()
    for place, ending in enumerate((".cer", ".crt", ".DER", ".pem")):
        der = ca(f"root {place}")
        (anchors / f"{place}{ending}").write_bytes(pem(der) if ending in (".crt", ".pem") else der)
    (anchors / "README.md").write_text("not a certificate")
    (anchors / "0.key").write_text("not a certificate")
    (intermediates / "a.crt").write_bytes(ca("below", "root 2"))
    store = TrustStore.from_folder(anchors, intermediates=intermediates)
    assert [issuer.subject for issuer in store.issuers] == [
        *(f"CN=root {place},C=JP" for place in range(4)),
        "CN=below,C=JP",
    ]
    assert reasons(store) == [None] * 5
    assert store.issuers[4].parent == 2


def test_a_city_that_was_saved_is_trusted_from_its_folder(tmp_path: Path) -> None:
    city = small_city()
    city.save(tmp_path)
    store = TrustStore.from_folder(tmp_path / "ca")
    assert {issuer.fingerprint for issuer in store.issuers} == {hashlib.sha256(der).hexdigest() for der in city.trust()}


def test_what_openssl_writes_is_read(tmp_path: Path) -> None:
    """A text dump above the block, as `openssl x509 -text` has it, is no part of the certificate."""
    root = ca("root")
    (tmp_path / "root.der").write_bytes(root)
    text = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", tmp_path / "root.der", "-text"], check=True, capture_output=True
    ).stdout
    (tmp_path / "root.pem").write_bytes(text)
    assert TrustStore.from_files(tmp_path / "root.pem").issuers[0].fingerprint == hashlib.sha256(root).hexdigest()


PRIVATE = key("root").private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither PEM nor DER; `openssl x509"),
        (b"hello", "neither PEM nor DER"),
        (PRIVATE, r"without a BEGIN CERTIFICATE block \(it has PRIVATE KEY\)"),
        (pem(b"\x30\x00", "TRUSTED CERTIFICATE"), r"\(it has TRUSTED CERTIFICATE\)"),
        (b"-----BEGIN CERTIFICATE-----\nMA", r"\(it has no whole block\)"),
        (pem(b"\x30\x00") + b"-----BEGIN CERTIFICATE-----\nMA", "without its END line"),
        (b"\n\n" + pem(b"\x30\x00").replace(b"MAA", b"M*A"), r", line 3: the certificate is not base64"),
    ],
)
def test_a_file_without_a_certificate_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_bytes(pem(ca("root")))
    bad.write_bytes(content)
    with pytest.raises(TrustError, match=f"^{bad}.*{message}"):
        TrustStore.from_files(good, bad)


def test_a_private_key_beside_the_certificate_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_bytes(PRIVATE + pem(ca("root")))
    assert len(TrustStore.from_files(tmp_path / "both.pem")) == 1


def test_a_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.trust.FILE_SIZE_MAX", 2 * 1024 * 1024)
    (tmp_path / "huge.pem").write_bytes(bytes(2 * 1024 * 1024 + 1))
    with pytest.raises(TrustError, match=r"huge\.pem: larger than 2 MB"):
        TrustStore.from_files(tmp_path / "huge.pem")


def test_a_folder_without_certificates_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=rf"^{tmp_path}: no file here ends in \.cer, \.crt, \.der, \.pem"):
        TrustStore.from_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        TrustStore.from_files(tmp_path / "nowhere.pem")


def test_sources_go_with_certificates() -> None:
    assert TrustStore([ca("root")], sources=["the root"]).issuers[0].source == "the root"
    with pytest.raises(ValueError, match="1 certificates want as many sources, not 2"):
        TrustStore([ca("root")], sources=["one", "two"])


# ---- names -------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=24)
TYPES = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "L": NameOID.LOCALITY_NAME,
}


@given(st.lists(st.tuples(st.sampled_from(sorted(TYPES)), TEXTS), max_size=5))
def test_a_name_leads_to_its_string_and_its_string_to_itself(attributes: list[tuple[str, str]]) -> None:
    name = x509.Name([x509.NameAttribute(TYPES[label], value) for label, value in attributes])
    text = name_string(name.public_bytes())
    assert normal_name(text) == text
    assert normal_name(" , ".join(_pieces(text)) if attributes else "") == text
    assert not set(text) & {chr(c) for c in (*range(32), *range(127, 160))}
    # An independent reader takes it back to the same attributes.
    if attributes:
        back = x509.Name.from_rfc4514_string(text)
        assert [(one.oid, one.value) for one in back] == [(TYPES[label], value) for label, value in attributes]


def _pieces(text: str) -> list[str]:
    """`text` cut at its separators."""
    cuts = [-1, *(i for i, c in enumerate(text) if c == "," and not _is_escaped(text, i)), len(text)]
    return [text[a + 1 : b] for a, b in pairwise(cuts)]


def _is_escaped(text: str, at: int) -> bool:
    return (at - len(text[:at].rstrip("\\"))) % 2 == 1


def test_spellings_of_one_name_have_one_normal_form() -> None:
    assert normal_name("cn = A , 2.5.4.10 = B+OU=C,c=JP") == "CN=A,O=B+OU=C,C=JP"
    assert normal_name("OU=C+O=B,C=JP") == normal_name("O=B+OU=C,C=JP")
    assert normal_name(r"CN=\E9\96\A2\E6\89\80") == "CN=関所"
    assert normal_name(r"CN=a\2Cb\20") == r"CN=a\,b\ "
    assert normal_name("CN=#0c0141") == "CN=A"
    assert normal_name("2.5.4.65=#0c0141") == "2.5.4.65=#0c0141"
    assert normal_name("CN=a") != normal_name("CN=A")
    assert normal_name("CN=a,O=b") != normal_name("O=b,CN=a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Example CA", "'Example CA' is not of the form TYPE=value"),
        ("CN=a,", "'' is not of the form"),
        ("XX=a", "'XX' is no attribute type known here: write its OID"),
        ("CN=a;b", r"; in 'CN=a;b' must be written \\;"),
        ("CN=a\\", "a backslash in .* escapes nothing"),
        ("CN=\\ff", "not UTF-8"),
        ("CN=#zz", "must be DER in hexadecimal"),
        ("1.2.3=text", "must be # and its DER"),
    ],
)
def test_what_is_no_name_is_told_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        normal_name(text)


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x02\x01\x01", b"\x30\x00\x00", b"\x30\x02\x31\x00", b"\x31\x00"])
def test_what_is_no_name_in_der_is_refused(der: bytes) -> None:
    with pytest.raises(ValueError, match=r"Name|empty"):
        name_string(der)


def test_a_name_cannot_steer_a_terminal() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2Jb\n\u202e")])
    text = name_string(name.public_bytes())
    assert text == r"CN=a\1B[2Jb\0A\E2\80\AE"
    assert normal_name(text) == text


def test_values_that_are_no_text_are_hexadecimal() -> None:
    # 2.5.4.3 = BIT STRING
    assert name_string(bytes.fromhex("300d310b3009060355040303020041")) == "CN=#03020041"
