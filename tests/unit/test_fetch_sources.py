"""Where CRLs come from: URLs, TOML, certificates; and what has the shape of a CRL."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sekisho.revocation.fetch import sources as module
from sekisho.revocation.fetch.certificate import sources_of_certificate
from sekisho.revocation.fetch.failure import Failure
from sekisho.revocation.fetch.shape import check_shape
from sekisho.revocation.fetch.sources import (
    ATTRIBUTES,
    HttpLocation,
    LdapLocation,
    Limits,
    Location,
    Plan,
    SourceError,
    directory_of,
    plan_of_toml,
    source_of_url,
)
from sekisho.testing import a_citizen

DIRECTORY = directory_of("ldap://dir.example")


def plan(tmp_path: Path, text: str) -> Plan:
    file = tmp_path / "sources.toml"
    file.write_text(text)
    return plan_of_toml(file)


# ---- URLs ---------------------------------------------------------------------------------------


def ldap(url: str) -> LdapLocation:
    (location,) = source_of_url(url).locations
    assert isinstance(location, LdapLocation)
    return location


def test_ldap_urls_come_apart_as_rfc_4516_says() -> None:
    found = ldap("ldap://dir.example:3890/cn=a%2Cb%20c,o=%E5%B8%82?certificateRevocationList;binary?sub?(cn=%2A)?x=1")
    assert (found.directory.host, found.directory.port, found.directory.scheme) == ("dir.example", 3890, "ldap")
    assert (found.dn, found.attributes) == ("cn=a,b c,o=市", ("certificateRevocationList;binary",))
    assert (found.scope, found.filter) == ("sub", "(cn=*)")
    assert ldap("ldaps://[::1]/o=ca").directory.url == "ldaps://[::1]"
    assert ldap("ldaps://dir.example/o=ca").directory.port == 636
    plain = ldap("ldap://dir.example/o=ca")
    assert (plain.attributes, plain.scope, plain.filter) == (ATTRIBUTES, "base", "(objectClass=*)")
    assert (
        ldap("ldap://dir.example/o=ca???objectClass=cRLDistributionPoint").filter
        == "(objectClass=cRLDistributionPoint)"
    )


@pytest.mark.parametrize(
    "url",
    [
        "ldap://dir.example/o=ca",
        "ldap://dir.example/cn=a%20b,o=ca?deltaRevocationList;binary",
        "ldaps://dir.example:1636/o=%E5%B8%82?certificateRevocationList;binary?sub?(cn=c*)",
    ],
)
def test_the_url_of_a_location_is_that_location(url: str) -> None:
    assert ldap(ldap(url).url) == ldap(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://a/b", "only http"),
        ("ca.crl", "only http"),
        ("http:///ca.crl", "names no host"),
        ("http://a:99999/", "is no URL"),
        ("http://a:0/", "no port 0"),
        ("http://a/b c", "percent-encode"),
        ("http://a/市", "percent-encode"),
        ("http://user@a/", "no place for a user or password"),
        ("ldap://user:word@a/o=ca", "no place for a user or password"),
        ("ldap:///o=ca", "names no server"),
        ("ldap://a", "names no entry"),
        ("ldap://a/o=ca?userPassword", "'userPassword' holds no CRLs"),
        ("ldap://a/o=ca??all", "base, one or sub"),
        ("ldap://a/o=ca????!bindname=x", "critical extension"),
        ("ldap://a/o=%FF", "not UTF-8"),
        ("ldap://a/cn=#1", "%23"),
    ],
)
def test_urls_that_are_not_fetched(url: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        source_of_url(url)
    assert words in str(caught.value)
    assert "word@" not in str(caught.value)


def test_a_url_without_a_server_is_asked_where_it_was_said() -> None:
    (found,) = source_of_url("ldap:///o=ca", directory=DIRECTORY).locations
    assert isinstance(found, LdapLocation)
    assert found.directory is DIRECTORY
    bound = directory_of("ldaps://dir.example", bind_dn="cn=x", password=module.Password(variable="X"))
    assert ldap("ldaps://dir.example/o=ca").directory.bind_dn == ""
    (found,) = source_of_url("ldaps://DIR.example:636/o=ca", directories=[bound]).locations
    assert isinstance(found, LdapLocation)
    assert found.directory is bound


def test_names_are_for_people_and_never_two_things() -> None:
    urls = (
        "http://a/ca.crl",
        "http://b/ca.crl",
        "http://a/x/ca.crl?1",
        "http://a/x/ca.crl?2",
        "http://a/",
        "http://a/..%2F..%2Fetc%2Fpasswd",
        "http://a/.hidden.crl",
        "http://a/" + "x" * 900,
        "ldap://a/cn=Kofu-shi%20CRLDP,o=ca",
        "ldap://b/cn=Kofu-shi%20CRLDP,o=ca",
        "ldap://a/cn=%E5%B8%82,o=ca",
    )
    names = [source_of_url(url).name for url in urls]
    assert names[0].startswith("ca-")
    assert names[8].startswith("Kofu-shi-CRLDP-")
    assert names[10].startswith("crl-")
    assert len({name.lower() for name in names}) == len(urls)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*-[0-9a-f]{8}", name)
        assert len(name) < 80


# ---- TOML ---------------------------------------------------------------------------------------


def test_the_example_of_the_module_is_taken(tmp_path: Path) -> None:
    """As it stands in the module, and in docs/OPERATIONS.md."""
    assert module.__doc__ is not None
    lines = module.__doc__.splitlines()[1:]
    text = "\n".join(line[4:] for line in lines if line.startswith("    ") or not line)
    manual = (Path(__file__).parents[2] / "docs/OPERATIONS.md").read_text(encoding="utf-8")
    assert text.strip() in manual
    for name in ("ca.pem", "dir-ca.pem"):
        (tmp_path / name).touch()
    found = plan(tmp_path, text)
    assert found.folder == Path("/var/lib/sekisho/crls")
    assert found.limits == Limits(proxy="http://proxy.example:3128", ca_file=tmp_path / "ca.pem")
    (directory,) = found.directories
    assert directory.start_tls
    assert directory.password == module.Password(file=tmp_path / "dir.password")
    assert [type(source.locations[0]) for source in found.sources] == [HttpLocation, LdapLocation, LdapLocation]
    assert [getattr(source.locations[0], "directory", directory) for source in found.sources] == [directory] * 3
    assert found.sources[0].name == "city"


SOURCE = '[[source]]\nurl = "http://a/b"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("folder = ", "not TOML"),
        ("foldr = 'x'", "is 'folder' meant?"),
        ("tries = 0", "from 1 to 100"),
        ("tries = true", "a whole number"),
        ("folder = 7", "folder: text is wanted"),
        ("proxy = 'socks5://a'", "http://host:port"),
        ("proxy = 'http://user:pw@a'", "no place for a user or password"),
        ("ca_file = 'none.pem'", "is no file"),
        ("source = ['http://a/b']", "write [[source]]"),
        ("[[source]]\nurl = ''", "only http"),
        ("[[source]]\nurls = 'http://a/b'", "is 'url' meant?"),
        ("[[source]]\nurl = []", "an empty list"),
        ("[[source]]\nurl = [7]", "a list of URLs"),
        ("[[source]]\nname = 'a'", "either url or dn"),
        (f"{SOURCE}dn = 'o=ca'", "either url or dn"),
        (f"{SOURCE}name = '../etc'", "letters, digits"),
        (f"{SOURCE}name = 'a.b'", "letters, digits"),
        (f"{SOURCE}name = 'x'\n{SOURCE}name = 'X'", "two sources are named"),
        ("[[source]]\ndn = 'o=ca'", "of which directory?"),
        ("[[directory]]", "server is missing"),
        ("[[directory]]\nserver = 'http://a'", "is no LDAP server"),
        ("[[directory]]\nserver = 'ldap://a/o=ca'", "is no LDAP server"),
        ("[[directory]]\nserver = 'ldap://a'\npassword = 'x'", "'password' is not known here"),
        ("[[directory]]\nserver = 'ldap://a'\npassword_file = 'x'", "both bind_dn and a password"),
        ("[[directory]]\nserver = 'ldap://a'\nbind_dn = 'x'", "both bind_dn and a password"),
        ("[[directory]]\nserver = 'ldap://a'\nbind_dn = 'x'\npassword_env = 'X'", "in the clear"),
        ("[[directory]]\nserver = 'ldaps://a'\nstart_tls = true", "leave start_tls out"),
        ("[[directory]]\nserver = 'ldap://a'\n" * 2, "stands twice"),
    ],
)
def test_files_of_sources_that_are_not_taken(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        plan(tmp_path, text)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "sources.toml"))


def test_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("one\n")
    password = module.Password(file=file)
    file.chmod(0o640)
    with pytest.raises(SourceError, match="chmod 600"):
        password.read()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))  # systemd shows its ACL's mask as group read
    assert password.read() == "one"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    file.chmod(0o600)
    assert password.read() == "one"
    for content in (b"", b"\n", b"\xff", b"x" * 5000):
        file.write_bytes(content)
        with pytest.raises(SourceError, match="holds no password"):
            password.read()
    monkeypatch.setenv("A_PASSWORD", "two")
    assert module.Password(variable="A_PASSWORD").read() == "two"


# ---- certificates --------------------------------------------------------------------------------


def name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def certificate(*points: x509.DistributionPoint, delta: x509.DistributionPoint | None = None) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    ca = name((NameOID.COUNTRY_NAME, "JP"), (NameOID.ORGANIZATION_NAME, "CA"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(ca)
        .issuer_name(ca)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 4, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 4, 1, tzinfo=UTC))
    )
    if points:
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    if delta is not None:
        builder = builder.add_extension(x509.FreshestCRL([delta]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def point(
    *names: x509.GeneralName, relative: x509.RelativeDistinguishedName | None = None, issuer: x509.Name | None = None
) -> x509.DistributionPoint:
    return x509.DistributionPoint(
        list(names) or None, relative, None, [x509.DirectoryName(issuer)] if issuer is not None else None
    )


def uri(value: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(value)


def locations(der: bytes) -> list[list[Location]]:
    return [list(source.locations) for source in sources_of_certificate(der, DIRECTORY).sources]


def test_names_of_one_point_are_ways_to_one_crl() -> None:
    der = certificate(
        point(uri("ldap://other.example/o=ca?certificateRevocationList"), uri("http://a/ca.crl")),
        point(uri("http://a/second.crl")),
        delta=point(uri("http://a/delta.crl")),
    )
    first, second, delta = locations(der)
    assert [one.url.partition(":")[0] for one in first] == ["http", "ldap"]
    assert [one.url for one in second + delta] == ["http://a/second.crl", "http://a/delta.crl"]


def test_directory_names_are_looked_up() -> None:
    city = name((NameOID.COUNTRY_NAME, "JP"), (NameOID.ORGANIZATION_NAME, "市, CA"), (NameOID.COMMON_NAME, "Kofu-shi"))
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "part 1")])
    other = name((NameOID.ORGANIZATION_NAME, "CRL issuer"))
    der = certificate(
        point(x509.DirectoryName(city)),
        point(relative=relative),
        point(relative=relative, issuer=other),
        point(issuer=other),
    )
    found = locations(der)
    assert [one.dn for way in found for one in way if isinstance(one, LdapLocation)] == [
        r"CN=Kofu-shi,O=市\, CA,C=JP",
        "CN=part 1,O=CA,C=JP",  # relative to the certificate's issuer (RFC 5280, 4.2.1.13)
        "CN=part 1,O=CRL issuer",
        "O=CRL issuer",
    ]
    assert all(one.directory is DIRECTORY for way in found for one in way if isinstance(one, LdapLocation))
    without = sources_of_certificate(der)
    assert without.sources == ()
    assert len(without.skipped) == 4


def test_what_cannot_be_fetched_is_told() -> None:
    der = certificate(point(uri("ftp://a/b"), x509.DNSName("a.example"), uri("ldap:///"), uri("http://a/ca.crl")))
    points = sources_of_certificate(der)
    assert [source.locations[0].url for source in points.sources] == ["http://a/ca.crl"]
    assert len(points.skipped) == 3
    assert sources_of_certificate(certificate()).sources == ()
    (jpki,) = sources_of_certificate(a_citizen().certificate(), DIRECTORY).sources
    assert jpki.name.startswith("Maebashi-shi-CRLDP-")


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"<html>", certificate() + b"\0"])
def test_what_is_no_certificate(der: bytes) -> None:
    with pytest.raises(SourceError):
        sources_of_certificate(der)


# ---- shape --------------------------------------------------------------------------------------

PEM = b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----"


@pytest.mark.parametrize("content", [b"\x30\x00", b"\x30\x81\x01x", b"\x30\x84\x00\x00\x00\x01x", PEM, PEM + b"\r\n\n"])
def test_shapes_that_are_taken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    check_shape(tmp_path / "file")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30",
        b"\x30\x01",
        b"\x30\x00\x00",
        b"\x30\x80\x00\x00",
        b"\x30\xff" + bytes(300),
        b"\x30\x89" + bytes(9),
        b"\x31\x00",
        PEM[:-1],
        PEM + b"x",
        b" " + PEM,
        b"\xef\xbb\xbf<html></html>",
    ],
)
def test_shapes_that_are_not(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(Failure):
        check_shape(tmp_path / "file")
