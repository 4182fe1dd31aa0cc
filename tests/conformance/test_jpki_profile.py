"""The synthetic city against suites/jpki/profile.json, read from the file: what test_city.py has by heart is not repeated."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from sekisho.cli.parts import parse
from sekisho.testing import small_city
from sekisho.testing.city import City
from sekisho.testing.leaves import Purpose
from tests.conformance.facts import CertificateFacts
from tests.conformance.suites import ROOT, only, read

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the conformance suites are missing: {ROOT}")

SECTIONS: Final[dict[str, Purpose]] = {"user_authentication": "auth", "digital_signature": "sign"}
ATTRIBUTES: Final = {"C": "2.5.4.6", "L": "2.5.4.7", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3"}
_OID: Final = re.compile(r"\d+(\.\d+)+")


@pytest.fixture(scope="module")
def profile() -> dict[str, Any]:
    known = {
        "what", "confidence", "common", "user_authentication", "digital_signature", "ca", "test_environment",
        "revocation_access", "consequences",
    }  # fmt: skip
    data = read(ROOT / "jpki" / "profile.json", known)
    for name in SECTIONS:
        only(data[name], {"subject", "extensions"}, name)
    only(data["ca"], {"extensions", "note"}, "ca")
    return data


@pytest.fixture(scope="module")
def city() -> City:
    return small_city()


def rows(city: City, section: str) -> list[CertificateFacts]:
    return [CertificateFacts(city.certificate(row)) for row in city.rows(SECTIONS[section])]


@pytest.mark.parametrize("section", SECTIONS)
def test_extensions_stand_as_the_profile_lists_them(profile: dict[str, Any], city: City, section: str) -> None:
    listed = [(text.split()[0], critical == "critical") for text, critical, _ in profile[section]["extensions"]]
    for facts in rows(city, section):
        assert [(oid, critical) for oid, (critical, _) in facts.extensions.items()] == listed


@pytest.mark.parametrize("section", SECTIONS)
def test_extensions_say_what_the_profile_says(profile: dict[str, Any], city: City, section: str) -> None:
    """Every OID, URL and KeyUsage name that the profile names for an extension is in each leaf's, the first of alternatives."""
    for text, _, content in profile[section]["extensions"]:
        oid = text.split()[0]
        told = re.sub(r"\(.*?\)", "", content)
        urls = re.findall(r"https?://\S+", told)
        for facts in rows(city, section):
            value = facts.extensions[oid][1]["extn_value"].contents
            assert all(url.encode() in value for url in urls), (text, urls)
            if oid == "2.5.29.15":
                usages = {word.strip() for word in told.split(",")}
                ours = {_camel(name) for name in facts.key_usage or ()}
                assert ours == usages
            if oid == "2.5.29.32":
                assert told.split()[0] in {one["policy_identifier"].dotted for one in facts.value(oid)}
            if oid == "2.5.29.37":
                assert [_camel(name) for name in facts.value(oid).native] == [told.strip()]
            if oid == "2.5.29.14":
                assert f"{len(facts.value(oid).native)} bytes" in content
            if oid == "2.5.29.18":
                assert all(name.encode() in value for name in re.findall(r"O=([^,]+)", told))


def _camel(name: str) -> str:
    """The name of RFC 5280 for asn1crypto's."""
    first, *rest = name.split("_")
    return {"non": "nonRepudiation"}.get(first, first + "".join(word.capitalize() for word in rest))


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_common_to_all(profile: dict[str, Any], city: City, section: str) -> None:
    common = profile["common"]
    bits, exponent = (int(number) for number in re.findall(r"\d+", common["key"]))
    for row in city.rows(SECTIONS[section]):
        der = city.certificate(row)
        facts, parts = CertificateFacts(der), parse(der)
        algorithm = facts.parsed["signature_algorithm"]
        assert facts.version == common["version"]
        assert algorithm["algorithm"].native == "sha256_rsa"
        assert algorithm["parameters"].dump() == b"\x05\x00"
        assert (parts.key_bits, parts.key_exponent) == (bits, exponent)
        assert 0 < facts.serial_octets <= 5
        end = datetime.fromtimestamp(facts.validity[1], UTC)
        assert end.strftime("%H%M%SZ") in common["validity"].replace(":", "")
        assert facts.parsed["tbs_certificate"]["validity"]["not_after"].name == "utc_time"
        attributes = [
            (one["type"].dotted, one["value"].chosen.__class__.__name__)
            for rdn in facts.parsed.issuer.chosen
            for one in rdn
        ]
        assert attributes == [
            (ATTRIBUTES["C"], "PrintableString"),
            *((ATTRIBUTES[name], "UTF8String") for name in ("O", "OU", "OU")),
        ]


@pytest.mark.parametrize("section", SECTIONS)
def test_subjects_have_the_attributes_of_the_profile(profile: dict[str, Any], city: City, section: str) -> None:
    wanted = [ATTRIBUTES[name] for name in re.findall(r"\b(C|L|O|OU|CN)=", profile[section]["subject"])]
    size = int(re.search(r"(\d+) (?:character|digit)", profile[section]["subject"])[1])  # type: ignore[index]
    for facts in rows(city, section):
        attributes = [one for rdn in facts.parsed.subject.chosen for one in rdn]
        assert [one["type"].dotted for one in attributes] == wanted
        assert len(attributes[-1]["value"].native) == size


@pytest.mark.parametrize("purpose", ["auth", "sign"])
def test_authorities_have_the_extensions_of_the_profile(profile: dict[str, Any], city: City, purpose: Purpose) -> None:
    listed = [text.split()[0] for text in profile["ca"]["extensions"]]
    for generation in (1, 2):
        facts = CertificateFacts(city.authority(purpose, generation).certificate)
        assert list(facts.extensions) == listed
        for text in profile["ca"]["extensions"]:
            assert facts.critical(text.split()[0]) == (" critical" in text)


def test_the_real_ones_have_the_shape_of_the_synthetic_ones(profile: dict[str, Any], city: City) -> None:
    """Sizes apart, a JPKI CA certificate and a synthetic one have the same extensions in the same order."""
    synthetic = CertificateFacts(city.authority("auth", 1).certificate)
    for path in sorted((ROOT / "jpki").glob("*.cer")):
        real = CertificateFacts(path.read_bytes())
        assert list(real.extensions) == list(synthetic.extensions)
        assert [one[0] for one in real.extensions.values()] == [one[0] for one in synthetic.extensions.values()]
