"""The synthetic city: its shape, its keys, its logins, and that each bad login has the fault it says and no other."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed, encode_dss_signature
from cryptography.x509.oid import NameOID
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5280

from sekisho.testing import (
    AT,
    KEY_KINDS,
    MUNICIPALITIES,
    TEST_CARD_SHAPE,
    City,
    Column,
    Login,
    Plan,
    Shape,
    a_bad_login,
    a_citizen,
    a_login,
    bad_kinds,
    build_city,
    make_bad_login,
    make_login,
    make_logins,
    mode_number,
    small_city,
)
from sekisho.testing import der as der_writer
from sekisho.testing.citizen import era_date, resident
from sekisho.testing.city import _material, _primes_wanted
from sekisho.testing.keys import DIGEST_INFO, EllipticKey, PrimePool, RsaKey, key_from_label, prime_from_label, rsa_spki
from sekisho.testing.leaves import key_id

TESTING = Path(str(sys.modules["sekisho.testing"].__file__)).parent
WHEN = datetime.fromtimestamp(AT, UTC)

AUTH_EXTENSIONS = [  # what is public of the profile of a user authentication certificate
    ("2.5.29.15", True),
    ("2.5.29.37", False),
    ("2.5.29.32", True),
    ("2.5.29.18", False),
    ("2.5.29.31", False),
    ("1.3.6.1.5.5.7.1.1", False),
    ("2.5.29.35", False),
    ("2.5.29.14", False),
]
SIGN_EXTENSIONS = [  # and of a digital signature certificate
    ("2.5.29.15", True),
    ("2.5.29.17", False),
    ("2.5.29.32", True),
    ("2.5.29.18", False),
    ("2.5.29.31", False),
    ("2.5.29.35", False),
    ("2.5.29.14", False),
]
AUTHORITY_EXTENSIONS = [  # of the real CA certificates, in their order
    ("2.5.29.15", True),
    ("2.5.29.17", False),
    ("2.5.29.19", True),
    ("2.5.29.31", False),
    ("2.5.29.14", False),
]


@pytest.fixture(scope="module")
def city() -> City:
    return small_city()


def extensions_of(certificate: x509.Certificate) -> list[tuple[str, bool]]:
    return [(one.oid.dotted_string, one.critical) for one in certificate.extensions]


def names(certificate: x509.Certificate, kind: type[x509.ExtensionType], index: int = 0) -> x509.Name:
    value: Any = certificate.extensions.get_extension_for_class(kind).value
    found = list(value)[index].value
    assert isinstance(found, x509.Name)
    return found


def pairs(name: x509.Name) -> list[tuple[str, str]]:
    assert all(len(list(rdn)) == 1 for rdn in name.rdns)
    return [(one.rfc4514_attribute_name, str(one.value)) for one in name]


# ---- certificates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["auth", "sign"])
def test_authorities_have_the_shape_of_the_real_ones(city: City, purpose: str) -> None:
    unit = {"auth": "JPKI for user authentication", "sign": "JPKI for digital signature"}[purpose]
    unit_ja = {"auth": "公的個人認証サービス利用者証明用", "sign": "公的個人認証サービス署名用"}[purpose]
    own = [one for (kind, _), one in city.authorities.items() if kind == purpose]
    assert len(own) == 2
    for authority in own:
        certificate = x509.load_der_x509_certificate(authority.certificate)
        certificate.verify_directly_issued_by(certificate)
        assert extensions_of(certificate) == AUTHORITY_EXTENSIONS
        assert pairs(certificate.subject) == [
            ("C", "JP"),
            ("O", "JPKI-TEST"),
            ("OU", unit),
            ("OU", "Japan Agency for Local Authority Information Systems"),
        ]
        kinds = [one._type.name for one in certificate.subject]
        assert kinds == ["PrintableString", "UTF8String", "UTF8String", "UTF8String"]
        assert certificate.serial_number == authority.serial
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (constraints.ca, constraints.path_length) == (True, None)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.key_cert_sign
        assert usage.crl_sign
        assert not usage.digital_signature
        assert pairs(names(certificate, x509.SubjectAlternativeName))[2:] == [
            ("OU", unit_ja),
            ("OU", "地方公共団体情報システム機構"),
        ]
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert identifier == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        assert certificate.not_valid_after_utc.strftime("%H%M%S") == "145959"
        assert certificate.not_valid_before_utc < WHEN < certificate.not_valid_after_utc


def test_generations_share_a_name_and_nothing_else(city: City) -> None:
    one, two = city.authorities["auth", 1], city.authorities["auth", 2]
    assert one.name == two.name
    assert one.key.spki != two.key.spki
    assert one.not_before < two.not_before
    assert set(city.generation.tolist()) == {1, 2}
    assert city.authority("auth", 0).name == one.name
    assert city.authority("auth", 0).not_after < AT < city.authority("auth", 3).not_before


def test_every_leaf_is_valid_and_signed_by_its_generation(city: City) -> None:
    for row in range(len(city)):
        certificate = x509.load_der_x509_certificate(city.certificate(row))
        issuer = city.issuer(row)
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(issuer.certificate))
        assert certificate.not_valid_before_utc < WHEN < certificate.not_valid_after_utc
        assert issuer.not_before <= city.not_before[row] <= city.not_after[row] <= issuer.not_after
        assert certificate.serial_number == city.serial[row] < 2**31
        assert certificate.not_valid_before_utc.timestamp() == city.not_before[row]
        assert certificate.not_valid_after_utc.timestamp() == city.not_after[row]


def test_authentication_leaves_have_the_published_shape(city: City) -> None:
    for row in city.rows("auth"):
        certificate = x509.load_der_x509_certificate(city.certificate(row))
        person = city.person(row)
        assert extensions_of(certificate) == AUTH_EXTENSIONS
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.value.public_bytes() == bytes.fromhex("03020780")
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [one.dotted_string for one in purposes] == ["1.3.6.1.5.5.7.3.2"]
        (policy,) = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
        assert policy.policy_identifier.dotted_string == "1.2.392.200149.8.5.1.3.30"
        assert policy.policy_qualifiers == ["http://www.jpki.go.jp/cps.html"]
        assert pairs(certificate.subject) == [("C", "JP"), ("CN", person.common_name_auth)]
        assert len(person.common_name_auth) == 23
        assert person.municipality.code in person.common_name_auth
        assert pairs(names(certificate, x509.IssuerAlternativeName))[2] == ("OU", "公的個人認証サービス利用者証明用")
        (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert point.reasons is point.crl_issuer is None
        assert point.full_name is not None
        (partition,) = point.full_name
        assert pairs(partition.value) == [
            ("C", "JP"),
            ("O", "JPKI-TEST"),
            ("OU", "JPKI for user authentication"),
            ("OU", "CRL Distribution Points"),
            ("OU", person.municipality.prefecture),
            ("CN", f"{person.municipality.romaji} CRLDP"),
        ]
        (access,) = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        assert access.access_method.dotted_string == "1.3.6.1.5.5.7.48.1"
        assert access.access_location.value == "http://ocspauthnorm.jpki.go.jp"
        issuer = city.issuer(row)
        authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert authority.key_identifier == issuer.key_id
        assert authority.authority_cert_serial_number == issuer.serial
        assert authority.authority_cert_issuer is not None
        assert authority.authority_cert_issuer[0].value == certificate.issuer
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert identifier == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        assert 1500 < len(city.certificate(row)) < 1700  # "about 1.6 kB"


def test_signature_leaves_have_the_published_shape(city: City) -> None:
    for row in city.rows("sign"):
        certificate = x509.load_der_x509_certificate(city.certificate(row))
        person = city.person(row)
        assert extensions_of(certificate) == SIGN_EXTENSIONS
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.value.public_bytes() == bytes.fromhex("030206c0")
        assert pairs(certificate.subject) == [
            ("C", "JP"),
            ("L", person.municipality.prefecture),
            ("L", person.municipality.romaji),
            ("CN", person.common_name_sign),
        ]
        assert len(person.common_name_sign) == 28
        assert person.common_name_sign.isdigit()
        attributes = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        assert all(isinstance(one, x509.OtherName) for one in attributes)
        assert [one.type_id.dotted_string for one in attributes] == [
            f"1.2.392.200149.8.5.5.{last}" for last in (1, 4, 3, 5, 2, 6)
        ]
        texts = [decoder.decode(one.value)[0] for one in attributes]
        assert all(type(one).__name__ == "UTF8String" for one in texts)
        name, birth, sex, address, name_flags, address_flags = map(str, texts)
        assert (name, sex, address) == (person.name, person.sex, person.address)
        assert birth == era_date(person.born)
        assert (len(name_flags), len(address_flags)) == (len(name), len(address))
        assert set(name_flags + address_flags) <= {"0", "1"}
        assert len(address) <= 200
        assert 1700 < len(city.certificate(row)) < 1950  # "about 1.8 kB"


def test_certificates_are_canonical_der(city: City) -> None:
    for certificate in (*city.trust(), city.certificate(0), city.certificate(len(city) - 1)):
        decoded, rest = decoder.decode(certificate, asn1Spec=rfc5280.Certificate())
        assert rest == b""
        assert encoder.encode(decoded) == certificate


def test_openssl_accepts_the_chains(city: City, tmp_path: Path) -> None:
    for row in (0, len(city) - 1):
        store, leaf = tmp_path / "store.pem", tmp_path / "leaf.pem"
        chosen = city.trust(city.purpose(row))
        store.write_text("".join(ssl_pem(one) for one in chosen))
        leaf.write_text(ssl_pem(city.certificate(row)))
        policy = city.plan.shape.policies[city.purpose(row)]
        strict = ["-x509_strict", "-policy_check", "-explicit_policy", "-policy", policy, "-attime", str(AT)]
        command = ["openssl", "verify", "-no-CApath", *strict, "-CAfile", str(store), str(leaf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stranger = build_city(1, seed="stranger", purposes=[city.purpose(row)])
        store.write_text("".join(ssl_pem(one) for one in stranger.trust()))
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def ssl_pem(certificate: bytes) -> str:
    import ssl

    return ssl.DER_cert_to_PEM_cert(certificate)


# ---- people ----------------------------------------------------------------------------------------


def test_validity_ends_on_the_fifth_birthday_after_issue() -> None:
    leap_days = 0
    for number in range(3000):
        person = resident("birthdays", number, AT)
        issued = datetime.fromtimestamp(person.issued, UTC)
        ends = datetime.fromtimestamp(person.expires, UTC)
        assert ends.strftime("%H%M%S") == "145959"
        days = 365.25 * 4, 365.25 * 5 + 2
        assert days[0] <= (ends - issued).days <= days[1]
        if (person.born.month, person.born.day) == (2, 29) and ends.day == 28:
            leap_days += 1
            assert ends.month == 2
        else:
            assert (ends.month, ends.day) == (person.born.month, person.born.day)
        assert person.issued < AT < person.expires
        assert issued.year - person.born.year >= 15
    assert leap_days > 0


def test_people_are_spread_over_real_municipalities() -> None:
    people = [resident("spread", number, AT) for number in range(2000)]
    at_home = sum(person.municipality == MUNICIPALITIES[0] for person in people)
    assert 850 < at_home < 1150
    assert len({person.municipality for person in people}) == len(MUNICIPALITIES)
    assert len({person.common_name_sign for person in people}) == len(people)
    assert {person.sex for person in people} == {"1", "2", "3"}
    assert {era_date(person.born)[0] for person in people} == {"2", "3", "4"}
    assert any("1" in person.name_substitutes for person in people)
    assert len({one.code for one in MUNICIPALITIES}) == len(MUNICIPALITIES)


@pytest.mark.parametrize(
    ("day", "written"),
    [
        (date(2019, 5, 1), "520190501"),
        (date(2019, 4, 30), "420190430"),
        (date(1989, 1, 7), "319890107"),
        (date(1926, 12, 24), "219261224"),
        (date(1912, 7, 29), "119120729"),
        (date(1800, 1, 1), "018000101"),
    ],
)
def test_era_dates(day: date, written: str) -> None:
    assert era_date(day) == written


# ---- reproducibility -------------------------------------------------------------------------------


def test_equal_plans_make_equal_bytes(city: City) -> None:
    again = build_city(16, seed="sekisho.testing", workers=2)
    assert again.leaves.equals(city.leaves)
    assert again.trust() == city.trust()
    assert city.digest == "b98e580010bcdd9f8ed47bdaedf52ff32ef390d7c78e9eaf635f3630a3ff35de"


def test_another_seed_makes_other_keys_names_and_authorities(city: City) -> None:
    other = build_city(16, seed="another")
    assert not set(other.trust()) & set(city.trust())
    keys, other_keys = ([key_modulus(one, row) for row in range(32)] for one in (city, other))
    assert sum(key == other_key for key, other_key in zip(keys, other_keys, strict=True)) < 4  # one pool for all seeds
    assert [other.person(row).name for row in range(16)] != [city.person(row).name for row in range(16)]


def rsa_modulus(certificate: bytes) -> int:
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key.public_numbers().n


def test_every_certificate_has_a_modulus_of_its_own() -> None:
    big = build_city(300, seed="moduli")
    moduli = {rsa_modulus(certificate) for certificate in big.leaves}
    assert len(moduli) == len(big) == 600
    assert {modulus.bit_length() for modulus in moduli} == {2048}
    assert all(rsa_modulus(big.certificate(row)) == key_modulus(big, row) for row in range(0, 600, 50))


def test_pairs_of_primes_are_distinct_at_full_size() -> None:
    """330,000 certificates out of 814 primes, without making them."""
    plan = Plan(330_000, purposes=("auth",))
    wanted = _primes_wanted(plan)
    assert wanted == 814
    pairs = _material(plan, range(wanted)).pairs  # numbers stand in for the primes
    assert pairs.shape == (330_000, 2)
    assert len(np.unique(pairs, axis=0)) == 330_000
    assert np.all((pairs[:, 0] >= 0) & (pairs[:, 0] < pairs[:, 1]) & (pairs[:, 1] < wanted))


def key_modulus(city: City, row: int) -> int:
    key = city.key(row)
    assert isinstance(key, RsaKey)
    return key.modulus


def test_a_saved_city_loads_as_it_was(tmp_path: Path) -> None:
    for number, kind in enumerate(("rsa2048", "p256")):
        city = build_city(5, seed="save", key=kind, shape=TEST_CARD_SHAPE, purposes=["sign"])  # type: ignore[arg-type]
        folders = [tmp_path / f"{number}{copy}" for copy in "ab"]
        for folder in folders:
            city.save(folder)
        written = {file.relative_to(folders[0]) for file in folders[0].rglob("*") if file.is_file()}
        assert {"city.json", "leaves.bin", "leaves.offsets.npy", "sign-1.cer"} <= {one.name for one in written}
        assert all((folders[0] / one).read_bytes() == (folders[1] / one).read_bytes() for one in written)
        loaded = City.load(folders[0])
        assert loaded.plan == city.plan
        assert loaded.leaves.equals(city.leaves)
        assert loaded.trust() == city.trust()
        assert np.array_equal(loaded.serial, city.serial)
        assert np.array_equal(loaded.not_after, city.not_after)
        assert loaded.sign([4, 0], [b"a", b"b"]).equals(city.sign([4, 0], [b"a", b"b"]))


def test_a_tampered_folder_is_refused(tmp_path: Path) -> None:
    build_city(2, seed="tamper", key="ed25519", authority_key="ed25519").save(tmp_path)
    leaves = bytearray((tmp_path / "leaves.bin").read_bytes())
    leaves[100] ^= 1
    (tmp_path / "leaves.bin").write_bytes(leaves)
    with pytest.raises(ValueError, match=r"city\.json"):
        City.load(tmp_path)
    manifest = (tmp_path / "city.json").read_text()
    assert "TEST ONLY" in manifest
    (tmp_path / "city.json").write_text(manifest.replace('"format": 1', '"format": 2'))
    with pytest.raises(ValueError, match="format"):
        City.load(tmp_path)


@pytest.mark.parametrize(
    "plan",
    [{"citizens": 0}, {"citizens": 10**9}, {"citizens": 1, "key": "dsa"}, {"citizens": 1, "purposes": []}],
)
def test_plans_that_cannot_be_are_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"city|keys|purposes"):
        build_city(**plan)


def test_progress_rises_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    build_city(
        100, seed="progress", key="p256", authority_key="p256", progress=lambda done, of: seen.append((done, of))
    )
    assert seen[-1] == (200, 200)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


# ---- primes and keys -------------------------------------------------------------------------------


def is_prime(number: int) -> bool:
    """Miller and Rabin's test to the first 20 primes, the slow and obvious way."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def test_primes_are_primes_and_always_the_same(tmp_path: Path) -> None:
    pool = PrimePool(1024, tmp_path)
    primes = pool.take(4, workers=2)
    assert all(is_prime(prime) and prime.bit_length() == 1024 and prime >> 1022 == 3 for prime in primes)
    assert all(prime % 4 == 3 and prime % 65537 != 1 for prime in primes)
    joined = b"".join(prime.to_bytes(128, "big") for prime in primes)
    assert hashlib.sha256(joined).hexdigest() == "1b759cfe746d2358c0e282b4e1b64b3cca6d48df04f6abe32b4b41957570d882"
    assert is_prime(prime_from_label(512, "weak", 1))


def test_the_prime_finder_passes_over_no_prime() -> None:
    """The sieve of 64-bit candidates, held against trial of every one after the same start."""
    start = int.from_bytes(hashlib.shake_256(b"sekisho test-only prime/64/sieve").digest(8), "big") | 3 << 62 | 3
    found = prime_from_label(64, "sieve")
    assert [number for number in range(start, found + 1, 4) if is_prime(number)] == [found]


def test_the_pool_is_kept_extended_and_mended(tmp_path: Path) -> None:
    first = PrimePool(1024, tmp_path).take(2)
    (file,) = tmp_path.iterdir()
    assert "TEST-ONLY" in file.name
    content = file.read_bytes()
    assert content[:256] == b"".join(prime.to_bytes(128, "big") for prime in first)
    assert PrimePool(1024, tmp_path).take(3)[:2] == first
    assert file.read_bytes()[:256] == content[:256]
    file.write_bytes(content[:-1])
    assert PrimePool(1024, tmp_path).take(2) == first
    assert file.read_bytes() == content
    longer, shorter = PrimePool(1024, tmp_path), PrimePool(1024, tmp_path)
    shorter.take(1)
    longer.take(4)
    shorter.take(3)
    assert len(file.read_bytes()) == 4 * 128 + 32
    unwritable = tmp_path / "file"
    unwritable.write_text("not a folder")
    assert PrimePool(1024, unwritable).take(2) == first


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_keys_of_each_kind_sign_and_certify(kind: Any) -> None:
    city = build_city(2, seed="kinds", key=kind, authority_key=kind, purposes=["auth"])
    for row in range(2):
        certificate = x509.load_der_x509_certificate(city.certificate(row))
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(city.issuer(row).certificate))
        assert judge(make_login(city, row)) == "accepted"
        if kind == "p384":
            assert certificate.signature_hash_algorithm is not None
            assert certificate.signature_hash_algorithm.name == "sha384"
        assert certificate.public_key() == city.key(row).private_key.public_key()
        assert b"PRIVATE KEY" in city.key(row).pem()
    assert city.certificate(0) != city.certificate(1)
    assert city.key(0).spki != city.key(1).spki
    with pytest.raises(ValueError, match="does not sign in mode"):
        city.key(0).sign(b"x", "ecdsa-der" if kind.startswith("rsa") else "pkcs1")


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384", "ed25519"])
def test_public_keys_are_written_as_openssl_writes_them(kind: Any) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = key_from_label(kind, "spki")
    public = key.private_key.public_key()
    assert key.spki == public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_id(key.spki) == x509.SubjectKeyIdentifier.from_public_key(public).digest


def test_the_fast_private_operation_is_the_plain_one() -> None:
    key = key_from_label("rsa2048", "power")
    assert isinstance(key, RsaKey)
    assert key.sign_block(b"content") == key.power(key.padded(b"content"))
    assert pow(int.from_bytes(key.sign_block(b"x" * 245), "big"), 65537, key.modulus) == int.from_bytes(
        key.padded(b"x" * 245), "big"
    )
    for content in (b"", b"x" * 246):
        with pytest.raises(ValueError, match="1 to 245"):
            key.sign(content, "pkcs1-raw")


# ---- signatures ------------------------------------------------------------------------------------


def test_modes_are_what_openssl_understands_by_them() -> None:
    message = b"challenge" * 10
    key = key_from_label("rsa2048", "modes")
    public = key.private_key.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    digest = hashlib.sha256(message).digest()
    plain = padding.PKCS1v15()
    public.verify(key.sign(message, "pkcs1"), message, plain, hashes.SHA256())
    public.verify(key.sign(message, "pkcs1", "sha512"), message, plain, hashes.SHA512())
    recover = public.recover_data_from_signature
    assert recover(key.sign(message, "pkcs1"), plain, NoDigestInfo()) == DIGEST_INFO["sha256"] + digest
    assert recover(key.sign(message, "pkcs1-bare"), plain, NoDigestInfo()) == digest
    assert recover(key.sign(message, "pkcs1-raw"), plain, NoDigestInfo()) == message
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    public.verify(key.sign(message, "pss"), message, pss, hashes.SHA256())
    for kind in ("p256", "p384"):
        elliptic = key_from_label(kind, "modes")
        assert isinstance(elliptic, EllipticKey)
        der, raw = elliptic.sign(message, "ecdsa-der"), elliptic.sign(message, "ecdsa-raw")
        half = len(raw) // 2
        assert der == encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        algorithm: hashes.HashAlgorithm = hashes.SHA256() if kind == "p256" else hashes.SHA384()
        elliptic.private_key.public_key().verify(der, message, ec.ECDSA(algorithm))
        assert elliptic.sign(message) == der


def test_mode_numbers_are_those_of_the_header() -> None:
    assert mode_number("pkcs1", "sha256") == 1 | 2 << 8
    assert mode_number("pkcs1-bare", "sha512") == 2 | 4 << 8
    assert mode_number("pkcs1-raw", "sha256") == 3
    assert mode_number("pss", "sha384") == 4 | 3 << 8 | 3 << 16 | 48 << 24
    assert mode_number("ecdsa-der", "sha256") == 5 | 2 << 8
    assert mode_number("ecdsa-raw", "sha384") == 6 | 3 << 8
    assert mode_number("ed25519", "none") == 7


def test_a_mode_b_answer_to_a_digest_info_signs_a_document() -> None:
    """FACTS C: why challenges of that form are refused."""
    bad = a_bad_login("challenge-is-digest-info", mode="pkcs1-raw")
    assert bad.reason == "challenge-form-forbidden"
    public = x509.load_der_x509_certificate(bad.certificate).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(bad.signature, b"I owe the bearer ten million yen.", padding.PKCS1v15(), hashes.SHA256())


def test_batches_are_signed_row_by_row_in_order(city: City) -> None:
    challenges = np.array([f"challenge {number:04d}" for number in range(100)], dtype="S")
    logins = make_logins(city, challenges)
    assert len(logins) == 100
    assert logins.rows.tolist() == [number % 16 for number in range(100)]
    assert all(logins.certificates[number] == city.certificate(number % 16) for number in range(100))
    assert all(logins.signatures[n] == city.key(n % 16).sign(bytes(challenges[n])) for n in (0, 63, 64, 99))
    with pytest.raises(ValueError, match="2 rows, but 1 messages"):
        city.sign([1, 2], [b"x"])
    with pytest.raises(IndexError):
        city.sign([32], [b"x"])
    empty = city.sign([], [])
    assert len(empty) == 0


def test_columns() -> None:
    column = Column.of([b"", b"abc", b"\x00"])
    assert (len(column), column[0], column[1], column[-1]) == (3, b"", b"abc", b"\x00")
    assert column.offsets.tolist() == [0, 0, 3, 4]
    assert list(column.take([1, 1, 0])) == [b"abc", b"abc", b""]
    assert not column.data.flags.writeable
    assert not column.offsets.flags.writeable
    with pytest.raises(IndexError):
        column[3]


# ---- bad logins ------------------------------------------------------------------------------------

CERTIFICATE_SIZE_MAX = 65_536


def judge(login: Login, also_trust: tuple[bytes, ...] = ()) -> str:
    """The first thing that is wrong with a login, by pyasn1 and cryptography alone; ``accepted`` if nothing is.

    As strict as the synthetic faults need, written without a look at how they are made.
    """
    if not login.challenge or not login.certificate or not login.signature:
        return "input-missing"
    if len(login.intermediates) > 4:
        return "too-many-intermediates"
    return judge_certificate(login, also_trust) or judge_signature(login) or "accepted"


def judge_certificate(login: Login, also_trust: tuple[bytes, ...]) -> str:
    if len(login.certificate) > CERTIFICATE_SIZE_MAX:
        return "input-too-large"
    try:
        decoded, rest = decoder.decode(login.certificate, asn1Spec=rfc5280.Certificate())
    except PyAsn1Error:
        return "certificate-malformed"
    if rest:
        return "certificate-trailing-data"
    if b"\x30\x02\x31\x00" in login.certificate:  # an empty RDN, which pyasn1 loses
        return "certificate-name-malformed"
    if encoder.encode(decoded) != login.certificate:
        return "certificate-malformed"
    tbs = decoded["tbsCertificate"]
    extensions = list(tbs["extensions"]) if tbs["extensions"].isValue else []
    if int(tbs["version"]) > 2 or (extensions and int(tbs["version"]) != 2):
        return "certificate-version"
    if not 0 < int(tbs["serialNumber"]) < 1 << 159:
        return "certificate-serial"
    if tbs["signature"] != decoded["signatureAlgorithm"]:
        return "certificate-algorithms-differ"
    times = []
    for end in ("notBefore", "notAfter"):
        kind, text = tbs["validity"][end].getName(), str(tbs["validity"][end].getComponent())
        try:
            form = "%y%m%d%H%M%SZ" if kind == "utcTime" else "%Y%m%d%H%M%SZ"
            moment = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            return "certificate-validity-malformed"
        if len(text) != (13 if kind == "utcTime" else 15) or (kind == "generalTime" and moment.year < 2050):
            return "certificate-validity-malformed"
        times.append(moment.timestamp())
    fault, found = judge_extensions(extensions)
    return (
        fault
        or judge_key(encoder.encode(tbs["subjectPublicKeyInfo"]))
        or judge_issuer(login, also_trust)
        or ("not-yet-valid" if login.at < times[0] else "expired" if login.at > times[1] else "")
        or judge_purpose(login, found)
    )


def judge_extensions(extensions: list[Any]) -> tuple[str, dict[str, bytes]]:
    found: dict[str, bytes] = {}
    for extension in extensions:
        oid, value = str(extension["extnID"]), bytes(extension["extnValue"])
        if oid in found:
            return "certificate-extension-duplicate", found
        found[oid] = value
        if oid not in {known for known, _ in AUTH_EXTENSIONS + SIGN_EXTENSIONS + AUTHORITY_EXTENSIONS}:
            if extension["critical"]:
                return "certificate-extension-unknown-critical", found
            continue
        try:
            inner, rest = decoder.decode(value, asn1Spec=rfc5280.certificateExtensionsMap[extension["extnID"]])
        except PyAsn1Error:
            return "certificate-extension-malformed", found
        if rest or encoder.encode(inner) != value:
            return "certificate-extension-malformed", found
    return "", found


def judge_key(spki: bytes) -> str:
    decoded, rest = decoder.decode(spki, asn1Spec=rfc5280.SubjectPublicKeyInfo())
    assert rest == b""
    bits = decoded["subjectPublicKey"].asOctets()
    algorithm = str(decoded["algorithm"]["algorithm"])
    if algorithm == "1.2.840.113549.1.1.1":
        numbers, rest = decoder.decode(bits)
        if rest:
            return "key-malformed"
        modulus, exponent = int(numbers[0]), int(numbers[1])
        if modulus.bit_length() < 2048:
            return "key-too-small"
        if modulus.bit_length() > 8192:
            return "key-too-large"
        if modulus % 2 == 0:
            return "key-modulus-even"
        return "" if exponent % 2 and exponent >= 65537 else "key-exponent"
    if algorithm == "1.2.840.10045.2.1":
        curve = str(decoder.decode(bytes(decoded["algorithm"]["parameters"]))[0])
        if curve not in ("1.2.840.10045.3.1.7", "1.3.132.0.34"):
            return "key-unsupported"
        known: ec.EllipticCurve = ec.SECP256R1() if curve == "1.2.840.10045.3.1.7" else ec.SECP384R1()
        if len(bits) != 1 + 2 * ((known.key_size + 7) // 8):
            return "key-malformed"
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(known, bits)
        except ValueError:
            return "key-point"
        return ""
    if algorithm == "1.3.101.112":
        return "" if len(bits) == 32 else "key-malformed"
    return "key-unsupported"


def judge_issuer(login: Login, also_trust: tuple[bytes, ...]) -> str:
    certificate = x509.load_der_x509_certificate(login.certificate)
    if certificate.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.5":
        return "algorithm-not-allowed"
    trusted = [x509.load_der_x509_certificate(one) for one in (*login.trust, *also_trust)]
    named = [one for one in trusted if one.subject == certificate.issuer]
    if not named:
        sent = [x509.load_der_x509_certificate(one) for one in login.intermediates]
        own = [one for one in sent if one.subject == certificate.issuer]
        if not own:
            return "issuer-unknown"
        certificate.verify_directly_issued_by(own[0])
        return "path-too-long" if "2.5.29.19" in dict(extensions_of(own[0])) else "issuer-not-ca"
    for issuer in named:
        try:
            certificate.verify_directly_issued_by(issuer)
        except InvalidSignature:
            continue
        if issuer.not_valid_before_utc.timestamp() > login.at:
            return "issuer-not-yet-valid"
        if issuer.not_valid_after_utc.timestamp() < login.at:
            return "issuer-expired"
        unit = str(issuer.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value)
        wanted = "user authentication" if login.purpose == "auth" else "digital signature"
        return "" if unit.endswith(wanted) else "issuer-not-allowed"
    return "issuer-signature-wrong"


def judge_purpose(login: Login, found: dict[str, bytes]) -> str:
    shape = Shape()
    if "2.5.29.19" in found and decoder.decode(found["2.5.29.19"])[0]:
        return "leaf-is-ca"
    usage = {"auth": "03020780", "sign": "030206c0"}[login.purpose]
    if found.get("2.5.29.15", b"").hex() != usage:
        return "key-usage"
    if login.purpose == "auth" and found.get("2.5.29.37", b"").hex() != "300a06082b06010505070302":
        return "extended-key-usage"
    if "2.5.29.32" not in found:
        return "policy"
    (policy,) = decoder.decode(found["2.5.29.32"], asn1Spec=rfc5280.CertificatePolicies())[0]
    return "" if str(policy["policyIdentifier"]) == shape.policies[login.purpose] else "policy"


def judge_signature(login: Login) -> str:
    public = x509.load_der_x509_certificate(login.certificate).public_key()
    hash_class: Any = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}.get(login.hash_name)
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            if len(login.signature) != 64:
                return "signature-length"
            public.verify(login.signature, login.challenge)
            return ""
        assert hash_class is not None
        digest = hashlib.new(login.hash_name, login.challenge).digest()
        if isinstance(public, ec.EllipticCurvePublicKey):
            signature = login.signature
            size = (public.key_size + 7) // 8
            if login.mode == "ecdsa-raw":
                if len(signature) != 2 * size:
                    return "signature-length"
                signature = encode_dss_signature(*(int.from_bytes(signature[i : i + size], "big") for i in (0, size)))
            else:
                try:
                    decoded, rest = decoder.decode(signature)
                except PyAsn1Error:
                    return "signature-malformed"
                if rest or encoder.encode(decoded) != signature or not hasattr(decoded, "__getitem__"):
                    return "signature-malformed"
            public.verify(signature, digest, ec.ECDSA(Prehashed(hash_class())))
            return ""
        assert isinstance(public, rsa.RSAPublicKey)
        size = public.key_size // 8
        if len(login.signature) != size:
            return "signature-length"
        if login.mode == "pss":
            public.verify(
                login.signature,
                login.challenge,
                padding.PSS(padding.MGF1(hash_class()), len(digest)),
                hash_class(),
            )
            return ""
        content = {
            "pkcs1": DIGEST_INFO[login.hash_name] + digest,
            "pkcs1-bare": digest,
            "pkcs1-raw": login.challenge,
        }[login.mode]
        block = b"\x00\x01" + b"\xff" * (size - 3 - len(content)) + b"\x00" + content
        numbers = public.public_numbers()
        power = pow(int.from_bytes(login.signature, "big"), numbers.e, numbers.n)
        return "" if power.to_bytes(size, "big") == block else "signature-wrong"
    except InvalidSignature:
        return "signature-wrong"


EVERYTHING: Any = ("certificate", "key", "path", "signature", "challenge", "odd")


def every_kind() -> list[tuple[str, str, str, str]]:
    """(key kind, purpose, mode, fault): every fault once, and again where key, purpose or mode make it another."""
    plan: tuple[tuple[str, str, str, Any], ...] = (
        ("rsa2048", "auth", "pkcs1", EVERYTHING),
        ("rsa2048", "sign", "pkcs1", ("key", "path")),
        ("rsa2048", "auth", "pkcs1-bare", ("signature", "challenge")),
        ("rsa2048", "auth", "pkcs1-raw", ("key", "signature", "challenge")),
        ("rsa2048", "auth", "pss", ("signature",)),
        ("p256", "auth", "ecdsa-der", EVERYTHING),
        ("p256", "auth", "ecdsa-raw", ("signature",)),
        ("p384", "auth", "ecdsa-der", ("key", "path", "signature")),
        ("ed25519", "auth", "ed25519", ("key", "path", "signature")),
    )
    return [
        (key, purpose, mode, kind)
        for key, purpose, mode, groups in plan
        for kind in bad_kinds(city_of(key), mode, purpose=purpose, groups=groups)  # type: ignore[arg-type]
    ]


CITIES: dict[str, City] = {}


def city_of(key: str) -> City:
    if key not in CITIES:
        ca: Any = "rsa2048" if key == "rsa2048" else key
        CITIES[key] = small_city() if key == "rsa2048" else build_city(4, seed="faults", key=ca, authority_key=ca)
    return CITIES[key]


@cache
def verdict_on_the_good(key: str, row: int, mode: Any) -> str:
    return judge(make_login(city_of(key), row, mode=mode))


UNJUDGED = {"challenge-garbage", "challenge-is-digest-info", "challenge-is-hash"}
"""Their fault is the challenge's form, which the judge knows nothing of: to it they are good."""


@pytest.mark.parametrize(("key", "purpose", "mode", "kind"), every_kind())
def test_a_bad_login_has_its_fault_and_no_other(key: str, purpose: Any, mode: Any, kind: str) -> None:
    city = city_of(key)
    row = city.rows(purpose)[1]
    bad = make_bad_login(city, row, kind, mode=mode)
    verdict = judge(bad, bad.also_trust)
    if kind in UNJUDGED:
        assert verdict == "accepted"
        assert bad.reason.startswith("challenge-")
        return
    assert verdict in bad.reasons, f"{verdict}: {bad.why}"
    assert bad.why.endswith(".")
    assert bad.kind == kind
    if bad.reason == "accepted":
        return
    assert verdict_on_the_good(key, row, mode) == "accepted"
    if verdict.startswith("signature"):
        assert judge_certificate(bad, bad.also_trust) == ""
    elif not verdict.startswith(("key-", "certificate-", "input-")):
        assert judge_signature(bad) == ""  # the fault is the path's alone


def test_kinds_cover_the_reasons_that_a_login_alone_can_have() -> None:
    header = (Path(__file__).parents[2] / "native" / "include" / "sekisho.h").read_text()
    listed = {
        line.split()[0].removeprefix("SEKI_").lower().replace("_", "-").rstrip(",=")
        for line in header[header.index("SEKI_NOT_DECIDED") : header.index("} seki_reason")].splitlines()
        if line.strip().startswith("SEKI_")
    }
    planted: set[str] = set()
    for key in ("rsa2048", "p256"):
        city = city_of(key)
        for mode in ("pkcs1", "pkcs1-raw") if key == "rsa2048" else ("ecdsa-der",):
            for kind in bad_kinds(city, mode):
                planted |= set(make_bad_login(city, 0, kind, mode=mode).reasons)
    assert planted <= listed, planted - listed
    decided_by_bytes = {one for one in listed if one.startswith(("certificate-", "key-", "signature-"))}
    elsewhere = {"certificate-ok", "signature-ok", "signature-unconfirmed", "key-mode-mismatch"}
    assert decided_by_bytes - elsewhere <= planted, decided_by_bytes - elsewhere - planted


def test_kinds_that_do_not_apply_are_refused(city: City) -> None:
    with pytest.raises(KeyError):
        make_bad_login(city, 0, "no-such-kind")
    with pytest.raises(ValueError, match="signature-raw is no fault"):
        make_bad_login(city, 0, "signature-raw")
    only_auth = build_city(2, seed="auth only", key="p256", authority_key="p256", purposes=["auth"])
    assert "signature-class" not in bad_kinds(only_auth)
    assert "sha1" not in bad_kinds(only_auth)


def test_salting_strews_bad_logins_over_a_batch(city: City) -> None:
    bad = [make_bad_login(city, 2, kind) for kind in bad_kinds(city, groups=("certificate", "path"))]
    logins = make_logins(city, [b"challenge %d" % number for number in range(200)])
    salted = logins.salted(bad, seed=7)
    assert len(salted) == 200 + len(bad)
    assert sum(reasons == ("accepted",) for reasons in salted.reasons) == 200
    places = [place for place, reasons in enumerate(salted.reasons) if reasons != ("accepted",)]
    assert max(places) - min(places) > 100
    for place in places:
        planted = [one for one in bad if one.certificate == salted.certificates[place]]
        assert salted.reasons[place] in {one.reasons for one in planted}
        assert salted.intermediates[place] in {b"".join(one.intermediates) for one in planted}
        assert salted.signatures[place] in {one.signature for one in planted}
        assert salted.challenges[place] in {one.challenge for one in planted}
    assert salted.salted([]).certificates.equals(salted.certificates) is False  # strewn anew
    assert logins.salted(bad, seed=7).certificates.equals(salted.certificates)
    with pytest.raises(ValueError, match="takes no login"):
        logins.salted([make_bad_login(city, 0, "expired", mode="pss")])


# ---- for a reader's own tests ----------------------------------------------------------------------


def test_three_lines_do() -> None:
    login = a_login(b"the challenge")
    bad = a_bad_login("expired", b"the challenge")
    assert (judge(login), judge(bad), bad.reason) == ("accepted", "expired", "expired")
    assert login.mode_number == mode_number("pkcs1", "sha256")
    assert a_citizen(3).login(purpose="sign").certificate == a_citizen(3).certificate("sign")
    assert a_citizen(3).person == small_city().person(3)
    assert a_login(citizen=1).challenge != a_login(citizen=2).challenge


def test_fixtures_work_in_somebody_elses_tests(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        textwrap.dedent("""
        def test_login(sekisho_login, sekisho_bad_login, sekisho_citizen, sekisho_city):
            login = sekisho_login(b"challenge")
            assert login.certificate == sekisho_citizen.certificate() == sekisho_city.certificate(0)
            assert login.signature == sekisho_citizen.key().sign(b"challenge")
            assert sekisho_bad_login("forged").reason == "issuer-signature-wrong"
        """)
    )
    plugins = ["-p", "no:sekisho", "-p", "sekisho.testing.fixtures", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), *plugins, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_nothing_of_the_engine_is_imported() -> None:
    for file in TESTING.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            found = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names = [one.name for one in node.names] if isinstance(node, ast.ImportFrom) else []
            for module in found:
                inside = module.startswith("sekisho.testing") or (module == "sekisho" and names == ["testing"])
                assert inside or not module.startswith("sekisho"), f"{file.name} imports {module}"


# ---- the DER writer --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, -1, -128, -129, 2**64, -(2**64), 20_000_003])
def test_integers_are_written_as_pyasn1_reads_them(value: int) -> None:
    written = der_writer.integer(value)
    decoded, rest = decoder.decode(written)
    assert (int(decoded), rest) == (value, b"")
    content = written[2:]
    assert len(content) == 1 or content[0] << 1 | content[1] >> 7 not in (0, 0x1FF)  # X.690, 8.3.2


@pytest.mark.parametrize(
    "dotted", ["1.2.840.113549.1.1.11", "2.5.29.15", "1.2.392.200149.8.5.5.1", "2.999.3", "0.9.2342"]
)
def test_object_identifiers_are_written_as_pyasn1_reads_them(dotted: str) -> None:
    assert str(decoder.decode(der_writer.oid(dotted))[0]) == dotted


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_lengths_are_the_shortest(size: int) -> None:
    written = der_writer.octet_string(bytes(size))
    decoded, rest = decoder.decode(written)
    assert (bytes(decoded), rest) == (bytes(size), b"")
    assert encoder.encode(decoded) == written


def test_times_change_form_in_2050() -> None:
    assert der_writer.time_of(AT) == b"\x17\x0d260401030000Z"
    assert der_writer.time_of(2_524_607_999) == b"\x17\x0d491231235959Z"
    assert der_writer.time_of(2_524_608_000) == b"\x18\x0f20500101000000Z"


def test_rsa_keys_of_any_numbers_can_be_written() -> None:
    decoded, _ = decoder.decode(rsa_spki(6, 2), asn1Spec=rfc5280.SubjectPublicKeyInfo())
    assert [int(one) for one in decoder.decode(decoded["subjectPublicKey"].asOctets())[0]] == [6, 2]
