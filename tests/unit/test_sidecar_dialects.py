"""How gateways write certificates: each dialect takes its own spelling and nothing else."""

from __future__ import annotations

import base64
import ssl
from urllib.parse import quote

import pytest

from sekisho.server.config import DIALECTS, Dialect
from sekisho.server.sidecar.dialects import FIELD_SIZE_MAX, FIELDS, DialectError, certificate
from sekisho.testing import a_citizen

DER = a_citizen().certificate()
BASE64 = base64.b64encode(DER)
PEM = ssl.DER_cert_to_PEM_cert(DER)
ESCAPED = quote(PEM, safe="").encode()
XFCC = b"Hash=" + b"0" * 64 + b';Cert="' + ESCAPED + b'";Subject="CN=a, b;c";URI='

RIGHT: dict[Dialect, bytes] = {
    "rfc9440": b":" + BASE64 + b":",
    "nginx-escaped-pem": ESCAPED,
    "haproxy-der": BASE64,
    "envoy-xfcc": XFCC,
}


def test_each_dialect_reads_its_own() -> None:
    assert tuple(RIGHT) == tuple(FIELDS) == DIALECTS
    for dialect, value in RIGHT.items():
        assert certificate(dialect, [value]) == DER, dialect
        assert certificate(dialect, []) is certificate(dialect, [b""]) is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_dialect_reads_another_s_nor_two_fields(dialect: Dialect) -> None:
    for other, value in RIGHT.items():
        if other != dialect:
            with pytest.raises(DialectError):
                certificate(dialect, [value])
    for values in ([RIGHT[dialect]] * 2, [RIGHT[dialect], b""], [b"", RIGHT[dialect]]):
        with pytest.raises(DialectError, match="more than once"):
            certificate(dialect, values)
    # What some server makes of two fields: one, joined by a comma.
    with pytest.raises(DialectError):
        certificate(dialect, [RIGHT[dialect] + b", " + RIGHT[dialect]])
    with pytest.raises(DialectError, match="longer than"):
        certificate(dialect, [b"A" * (FIELD_SIZE_MAX + 1)])


@pytest.mark.parametrize(
    ("dialect", "value"),
    [
        ("rfc9440", BASE64),
        ("rfc9440", b":" + BASE64),
        ("rfc9440", b":" + BASE64 + b":;a=1"),
        ("rfc9440", b":" + BASE64[:-1] + b":"),
        ("rfc9440", b":" + BASE64[:40] + b" " + BASE64[40:] + b":"),
        ("rfc9440", b":"),
        ("haproxy-der", BASE64 + b"\n"),
        ("haproxy-der", BASE64.replace(b"+", b"-").replace(b"/", b"_") + b"-"),
        ("nginx-escaped-pem", PEM.replace("\n", "").encode()),
        ("nginx-escaped-pem", PEM.replace("\n", "\t").encode()),
        ("nginx-escaped-pem", ESCAPED + ESCAPED),
        ("nginx-escaped-pem", ESCAPED.replace(b"%2B", b"%2b").replace(b"%0A", b"%0a")),
        ("nginx-escaped-pem", b"x" + ESCAPED),
        ("nginx-escaped-pem", ESCAPED + b"%00"),
        ("nginx-escaped-pem", ESCAPED.replace(b"CERTIFICATE", b"TRUSTED%20CERTIFICATE")),
        ("nginx-escaped-pem", b"-----BEGIN%20CERTIFICATE-----%0A%0A-----END%20CERTIFICATE-----%0A"),
        ("envoy-xfcc", XFCC + b"," + XFCC),
        ("envoy-xfcc", XFCC + b";Cert=" + ESCAPED),
        ("envoy-xfcc", b"Hash=" + b"0" * 64),
        ("envoy-xfcc", b'Cert="' + ESCAPED),
        ("envoy-xfcc", b'Cert="' + ESCAPED + b'";'),
        ("envoy-xfcc", b"By=a;;Cert=" + ESCAPED),
        ("envoy-xfcc", b'Subject="\\";Cert=' + ESCAPED),
    ],
)
def test_what_is_not_as_it_must_be(dialect: Dialect, value: bytes) -> None:
    with pytest.raises(DialectError):
        certificate(dialect, [value])


def test_an_element_within_quotes_is_none() -> None:
    """What a client's own subject says cannot bring another certificate in."""
    other = quote(ssl.DER_cert_to_PEM_cert(a_citizen(1).certificate()), safe="")
    sly = b'Subject="x\\",Cert=\\"' + other.encode() + b'";Cert="' + ESCAPED + b'"'
    assert certificate("envoy-xfcc", [sly]) == DER


def test_rfc9440_s_empty_template_is_no_certificate() -> None:
    assert certificate("rfc9440", [b"::"]) is None
