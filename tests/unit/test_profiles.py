"""Profiles: each key reaches the core, what is dangerous is refused, and the shipped ones take what they say."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.der import encoder
from pyasn1.type import univ

from sekisho import profiles
from sekisho._native import ffi, lib
from sekisho.modes import Mode
from sekisho.names import name_string
from sekisho.profiles import EXTENDED_KEY_USAGES, KEY_USAGES, SIGNATURE_ALGORITHMS, Profile, ProfileError, shipped
from sekisho.reasons import Reason
from sekisho.testing import AT, TEST_CARD_SHAPE, City, Plan, build_city, small_city
from sekisho.trust import TrustStore

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "engine" / "sekisho" / "data" / "profiles"

SMALL = """
name = "mine"
class = "auth"
signature_algorithms = ["ecdsa-sha256"]
[modes]
p256 = "ecdsa-sha256-der"
"""


def toml(key: str, value: str | None) -> str:
    """jpki-auth's TOML with the first line of that key changed, or (None) taken out."""
    line = re.compile(rf"^{key} = .*$", re.MULTILINE)
    text = (FOLDER / "jpki-auth.toml").read_text()
    assert line.search(text), key
    return line.sub(lambda _: "" if value is None else f"{key} = {value}", text, count=1)


# ---- the shipped ones --------------------------------------------------------------------------


def test_the_shipped_profiles_are_these() -> None:
    assert shipped() == (
        "client-auth",
        "client-auth-test",
        "jpki-auth",
        "jpki-auth-smartphone",
        "jpki-auth-test",
        "jpki-auth-test-bare",
        "jpki-auth-test-raw",
        "jpki-sign",
        "jpki-sign-smartphone",
        "jpki-sign-test",
        "strict-rfc5280",
    )


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_is_what_its_name_says(name: str) -> None:
    profile = Profile.load(name)
    assert profile.name == name
    assert profile == Profile.load(FOLDER / f"{name}.toml") == Profile.load(str(FOLDER / f"{name}.toml"))
    assert profile.test == ("-test" in name)
    assert profile.revocation == ("off" if profile.test else "required")
    assert profile.purpose == ("sign" if "-sign" in name else "other" if name == "strict-rfc5280" else "auth")
    assert profile.legal_class == ("jpki" if name.startswith("jpki") and not profile.test else "none")
    assert profile.challenge == "own"
    assert all(profile.description.values())
    assert bool(profile.unverified) == name.endswith("-smartphone")


def test_jpki_profiles_name_the_cas_that_are_shipped() -> None:
    subjects = {issuer.subject for issuer in TrustStore.jpki().issuers}
    for name in ("auth", "sign"):
        (issuer,) = Profile.load(f"jpki-{name}").issuers
        assert issuer in subjects
        assert issuer == Profile.load(f"jpki-{name}-smartphone").issuers[0]
        (test_issuer,) = Profile.load(f"jpki-{name}-test").issuers
        assert test_issuer == name_string(small_city().authority("auth" if name == "auth" else "sign", 1).name)
        assert test_issuer not in subjects


def test_what_is_unverified_is_marked_where_it_stands() -> None:
    for name in shipped():
        lines = (FOLDER / f"{name}.toml").read_text().splitlines()
        marked = {line.split(" = ")[0] for line in lines if " # UNVERIFIED" in line}
        assert marked == {key.rpartition(".")[2] for key in Profile.load(name).unverified}


def test_the_modes_of_the_test_profiles() -> None:
    plain, bare, raw = (Profile.load(f"jpki-auth-test{ending}") for ending in ("", "-bare", "-raw"))
    assert [str(one.rsa_mode) for one in (plain, bare, raw)] == [
        "rsassa-pkcs1-v1_5-sha256",
        "rsassa-pkcs1-v1_5-bare-sha256",
        "rsassa-pkcs1-v1_5-raw",
    ]
    for other in (bare, raw):  # and nothing else sets them apart
        assert plain == replace(
            other,
            name=plain.name,
            **{f"{kind}_mode": getattr(plain, f"{kind}_mode") for kind in ("rsa", "p256", "p384", "ed25519")},
        )


# ---- the way into the core ---------------------------------------------------------------------


def in_c(header: str, prefix: str) -> dict[str, int]:
    """Constants of a C header by what follows the prefix, underscores left out."""
    text = (ROOT / "native" / "src" / header).read_text()
    found = re.findall(rf"\b{prefix}(\w+) = (?:1 << )?(\d+)", text)
    return {name.replace("_", ""): int(number) for name, number in found}


def test_bits_and_numbers_are_those_of_the_c_headers() -> None:
    usages = {name.upper(): bit for name, bit in KEY_USAGES.items()}
    assert usages == {name: 1 << shift for name, shift in in_c("cert.h", "SEKI_KU_").items()}
    purposes = {name.upper(): bit for name, bit in EXTENDED_KEY_USAGES.items()}
    known = in_c("cert.h", "SEKI_EKU_")
    assert known.pop("OTHER") == max(known.values()) + 1
    known["ANYEXTENDEDKEYUSAGE"] = known.pop("ANY")
    assert purposes == {name: 1 << shift for name, shift in known.items()}
    algorithms = {
        name.replace("rsassa-pkcs1-v1_5", "RSA").replace("rsassa-", "").replace("-", "").upper(): number
        for name, number in SIGNATURE_ALGORITHMS.items()
    }
    assert algorithms | {"UNKNOWN": 0} == in_c("algorithm.h", "SEKI_SIGALG_")
    assert in_c("spki.h", "SEKI_RSA_BITS_")["MIN"] == profiles.RSA_BITS_MIN
    assert in_c("spki.h", "SEKI_RSA_BITS_")["MAX"] == profiles.RSA_BITS_MAX
    assert in_c("trust.h", "SEKI_PATH_DEPTH_")["MAX"] == profiles.PATH_LENGTH_MAX + 1
    assert in_c("verifier.c", "CLOCK_SKEW_")["MAX"] == profiles.CLOCK_SKEW_MAX


def test_every_field_reaches_the_core() -> None:
    profile = Profile.from_toml(
        """
        name = "all-of-it"
        class = "auth"
        legal_class = "accredited"
        issuers = ["CN=A"]
        signature_algorithms = ["ed25519", "rsassa-pkcs1-v1_5-sha256"]
        policies = ["1.2.392.200149.8.5.1.3.30", "0.39", "2.999"]
        initial_explicit_policy = true
        initial_policy_mapping_inhibit = true
        initial_any_policy_inhibit = true
        path_length_max = 3
        intermediates_max = 5
        ca_leaf_allowed = true
        clock_skew = 7
        revocation = "soft"
        revocation_age_max = 86400
        revocation_grace = 3600
        revocation_same_key = true
        challenge = "foreign"
        [modes]
        rsa = "rsassa-pss-sha384"
        p256 = "ecdsa-sha256-raw"
        p384 = "ecdsa-sha384-der"
        ed25519 = "ed25519"
        [rsa_bits]
        min = 3072
        max = 8192
        [key_usage]
        required = ["digitalSignature"]
        forbidden = ["cRLSign", "keyCertSign"]
        [extended_key_usage]
        any_of = ["emailProtection", "clientAuth"]
        required = true
        of_cas = false
        """
    )
    native = profile.to_native()
    assert {name: getattr(native, name) for name, _ in ffi.typeof("seki_profile").fields if name != "policies"} == {
        "id": profile.id,
        "rsa_mode": lib.SEKI_FAMILY_PSS | lib.SEKI_HASH_SHA384 << 8 | lib.SEKI_HASH_SHA384 << 16 | 48 << 24,
        "p256_mode": lib.SEKI_FAMILY_ECDSA_RAW | lib.SEKI_HASH_SHA256 << 8,
        "p384_mode": lib.SEKI_FAMILY_ECDSA_DER | lib.SEKI_HASH_SHA384 << 8,
        "ed25519_mode": lib.SEKI_FAMILY_ED25519,
        "rsa_bits_min": 3072,
        "rsa_bits_max": 8192,
        "signature_algorithms": 1 << 1 | 1 << 10,
        "key_usage_required": 1,
        "key_usage_forbidden": 1 << 5 | 1 << 6,
        "extended_key_usage": 1 << 2 | 1 << 4,
        "extended_key_usage_required": 1,
        "path_length_max": 3,
        "intermediates_max": 5,
        "ca_leaf_allowed": 1,
        "ca_purposes_ignored": 1,
        "initial_explicit_policy": 1,
        "initial_policy_mapping_inhibit": 1,
        "initial_any_policy_inhibit": 1,
        "revocation": lib.SEKI_REVOCATION_SOFT,
        "revocation_age_max": 86400,
        "revocation_grace": 3600,
        "revocation_same_key": 1,
        "challenge": lib.SEKI_CHALLENGE_FOREIGN,
        "policy_count": 3,
        "clock_skew": 7,
    }
    assert [bytes(native.policies[i].bytes)[: native.policies[i].length].hex() for i in range(3)] == [
        "27",
        "2a83088c9b55080501031e",
        "8837",
    ]


def test_what_is_left_out_takes_nothing() -> None:
    native = Profile.from_toml(SMALL).to_native()
    assert (native.rsa_mode, native.p384_mode, native.ed25519_mode) == (0, 0, 0)
    assert (native.policy_count, native.extended_key_usage, native.key_usage_required) == (0, 0, 0)
    assert (native.path_length_max, native.clock_skew) == (0, 0)
    assert native.intermediates_max == lib.SEKI_INTERMEDIATES_DEFAULT == 4
    assert (native.ca_leaf_allowed, native.ca_purposes_ignored) == (0, 0)
    assert native.initial_explicit_policy == 0
    assert (native.initial_policy_mapping_inhibit, native.initial_any_policy_inhibit) == (0, 0)
    assert native.revocation == lib.SEKI_REVOCATION_REQUIRED
    assert (native.revocation_age_max, native.revocation_grace, native.revocation_same_key) == (0, 0, 0)
    assert native.challenge == lib.SEKI_CHALLENGE_OWN


ARCS = st.integers(0, 2**40)


@given(st.tuples(st.integers(0, 1), st.integers(0, 39)) | st.tuples(st.just(2), ARCS), st.lists(ARCS, max_size=3))
def test_policy_oids_are_encoded_as_pyasn1_does(first: tuple[int, int], rest: list[int]) -> None:
    oid = ".".join(map(str, (*first, *rest)))
    if oid == "2.5.29.32.0":
        return
    native = replace(Profile.load("jpki-auth"), policies=(oid,)).to_native().policies[0]
    der = encoder.encode(univ.ObjectIdentifier(oid))
    assert bytes(native.bytes)[: native.length] == der[2:]
    assert native.length == der[1]


# ---- ids ---------------------------------------------------------------------------------------


def test_the_id_differs_for_whatever_decides_a_verdict() -> None:
    base = replace(Profile.load("jpki-auth-test"), legal_class="none")
    other: dict[str, Any] = {
        "name": "another",
        "purpose": "other",
        "signature_algorithms": ("ed25519",),
        "rsa_mode": Mode.parse("rsassa-pss-sha256"),
        "p256_mode": None,
        "p384_mode": Mode.parse("ecdsa-sha384-raw"),
        "ed25519_mode": None,
        "issuers": (),
        "legal_class": "jpki",
        "rsa_bits_min": 3072,
        "rsa_bits_max": 4095,
        "key_usage_required": (),
        "key_usage_forbidden": (),
        "extended_key_usage": ("clientAuth", "serverAuth"),
        "extended_key_usage_required": True,
        "extended_key_usage_of_cas": False,
        "policies": ("1.2.3",),
        "initial_explicit_policy": True,
        "initial_policy_mapping_inhibit": True,
        "initial_any_policy_inhibit": True,
        "path_length_max": 1,
        "intermediates_max": 5,
        "ca_leaf_allowed": True,
        "clock_skew": 1,
        "revocation": "required",
        "revocation_age_max": 86400,
        "revocation_grace": 3600,
        "revocation_same_key": True,
        "challenge": "foreign",
        "test": False,
        "bare_hash_allowed": True,
    }
    assert set(other) == {one.name for one in fields(Profile) if one.compare}
    # Where one field alone may not change, the ones that must go with it do, in both.
    beside: dict[str, dict[str, Any]] = {
        "legal_class": {"test": False, "revocation": "required"},
        "test": {"revocation": "required"},
        "revocation_age_max": {"revocation": "required"},
        "revocation_grace": {"revocation": "soft"},
        "revocation_same_key": {"revocation": "required"},
        "bare_hash_allowed": {"purpose": "sign"},
    }
    seen = {base.id}
    for name, value in other.items():
        together = beside.get(name, {})
        one, two = replace(base, **together), replace(base, **together, **{name: value})
        assert one.id != two.id, name
        assert one != two
        seen.add(two.id)
    assert len(seen) == len(other) + 1
    assert 0 not in seen
    assert replace(base, description_en="x", unverified=("name",)).id == base.id


def test_the_order_of_names_does_not_matter() -> None:
    base = Profile.load("jpki-auth-test")
    turned = replace(
        base,
        signature_algorithms=base.signature_algorithms[::-1],
        policies=base.policies[::-1],
        key_usage_forbidden=base.key_usage_forbidden[::-1],
        issuers=tuple(issuer.replace(",", " , ") for issuer in base.issuers),
    )
    assert turned == base
    assert turned.id == base.id


def test_ids_do_not_change_from_release_to_release() -> None:
    """id32 stands in challenges that are out when a release is installed."""
    assert [Profile.load(name).id32 for name in shipped()] == IDS_32
    assert len(set(IDS_32)) == len(shipped())
    assert Profile.from_toml(toml("clock_skew", "5")).id32 == Profile.load("jpki-auth").id32


IDS_32 = [
    0x3948FF8E,
    0xBC5CBB66,
    0x81BA31DD,
    0x099B52FC,
    0x06D3B113,
    0xBDB44D3D,
    0xD57D4E11,
    0x84286366,
    0x4D43E337,
    0x13AA0E81,
    0x12F517AD,
]


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("class", '"signing"', "class: must be one of auth, sign, other, not 'signing'"),
        ("legal_class", '"JPKI"', "legal_class: must be one of jpki, accredited, signature-verifier, none"),
        ("challenge", '"ours"', "challenge: must be one of own, foreign"),
        ("revocation", '"no"', "revocation: must be one of required, soft, off"),
        (
            "challenge",
            '"own"\nrevocation_age_max = -1',
            "revocation_age_max: must be a whole number from 0 to 31622400",
        ),
        ("challenge", '"own"\nrevocation_grace = 604801', "revocation_grace: must be a whole number from 0 to 604800"),
        ("revocation", '"off"', r'revocation: "off" is for test profiles \(test = true\) alone.*Write "required"'),
        ("revocation", "false", "revocation: must be a string, not False"),
        ("name", '"JPKI auth"', "name: 'JPKI auth' must be lower-case"),
        ("name", f'"{"x" * 65}"', "name: .* at most 64 letters"),
        ("name", '"a/../b"', "name:"),
        ("path_length_max", "17", "path_length_max: must be a whole number from 0 to 16, not 17"),
        (
            "challenge",
            '"own"\nintermediates_max = 17',
            "intermediates_max: must be a whole number from 0 to 16, not 17",
        ),
        ("challenge", '"own"\nca_leaf_allowed = 1', "ca_leaf_allowed: must be true or false, not 1"),
        ("path_length_max", "true", "path_length_max: must be a whole number, not True"),
        ("clock_skew", "-1", "clock_skew: must be a whole number from 0 to 300, not -1"),
        ("clock_skew", "301", "clock_skew"),
        ("clock_skew", "1.0", "clock_skew: must be a whole number, not 1.0"),
        ("min", "1024", r"rsa_bits\.min: must be a whole number from 2048 to 8192"),
        ("max", "2047", r"rsa_bits\.max: must be a whole number from 2048 to 8192"),
        ("max", "16384", r"rsa_bits\.max"),
        ("signature_algorithms", '["rsassa-pkcs1-v1_5-sha1"]', "did you mean 'rsassa-pkcs1-v1_5-sha"),
        ("signature_algorithms", "[]", "signature_algorithms: name at least one"),
        ("signature_algorithms", '["ed25519", "ed25519"]', "signature_algorithms: 'ed25519' stands there twice"),
        ("signature_algorithms", '"ed25519"', "signature_algorithms: must be a list of strings, not 'ed25519'"),
        ("signature_algorithms", "[1]", "signature_algorithms: must be a list of strings"),
        ("signature_algorithms", None, "signature_algorithms: must be given"),
        ("class", None, "class: must be given"),
        ("policies", '["1.2.392.x"]', "policies: '1.2.392.x' is not an OID in dotted form"),
        ("policies", '["1.02"]', "policies: '1.02' is not an OID"),
        ("policies", '["1.40"]', "policies: 1.40 is no OID: below 0 and 1 the second number is at most 39"),
        ("policies", '["2.5.29.32.0"]', "policies: anyPolicy is not a policy to demand; leave `policies` out"),
        ("policies", f'["1.2.{2**250}"]', "policies: .* is longer than 31 bytes"),
        ("policies", str([f"1.2.{i}" for i in range(9)]), "policies: at most 8, not 9"),
        ("policies", '["1.2.3", "1.2.3"]', "policies: '1.2.3' stands there twice"),
        ("issuers", '["Example CA"]', "issuers: 'Example CA' is not of the form TYPE=value"),
        ("issuers", '[""]', "issuers: an empty name names nobody; leave `issuers` out"),
        ("issuers", '["CN=A", "cn= A"]', "issuers: 'CN=A' stands there twice"),
        (
            "any_of",
            '["clientauth"]',
            r"extended_key_usage\.any_of: 'clientauth' is not known; did you mean 'clientAuth'",
        ),
        ("forbidden", '["digitalSignature"]', "key_usage: digitalSignature cannot be both required and forbidden"),
        ("forbidden", '["certSign"]', r"key_usage\.forbidden: 'certSign' is not known; did you mean 'keyCertSign'"),
        ("rsa", '"rsassa-pkcs1-v1_5"', r"modes\.rsa: there is no signature mode 'rsassa-pkcs1-v1_5'; did you mean"),
        ("rsa", "1", r"modes\.rsa: must be the name of a mode, as a string"),
        ("rsa", '"ecdsa-sha256-der"', r"modes\.rsa: ecdsa-sha256-der is not a mode of such keys"),
        ("rsa", None, "modes: name a signature mode for at least one of rsa, p256, p384, ed25519"),
        ("challenge", '"own"\nbare_hash_allowed = true', 'bare_hash_allowed: only class "sign" has use for it'),
        ("challenge", '"own"\ntest = true', "legal_class: a test profile has none"),
        ("challenge", '"own"\ntest = "yes"', "test: must be true or false, not 'yes'"),
        ("challenge", '"own"\nunverified = ["policy"]', "unverified: 'policy' is not known; did you mean 'policies'"),
        ("any_of", "[]\nrequired = true", "this is not TOML"),
    ],
)
def test_a_value_that_is_not_allowed_says_what_to_write(key: str, value: str | None, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        Profile.from_toml(toml(key, value))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("revokation = 1", "revokation: there is no such key; did you mean 'revocation'"),
        ("clock_skew_s = 1", "clock_skew_s: there is no such key; did you mean 'clock_skew'"),
        ("zzz = 1", "zzz: there is no such key; known are bare_hash_allowed, ca_leaf_allowed, challenge, class"),
        ("key_usage = 1", r"key_usage: must be a table, \[key_usage\]"),
        ("[mode]\nrsa = 'x'", "mode: there is no such key; did you mean 'modes'"),
        ("[key_usage]\nrequire = []", r"key_usage\.require: there is no such key; did you mean 'required'"),
        ("[rsa_bits]\nminimum = 1", r"rsa_bits\.minimum: there is no such key; known are max, min|did you mean 'min'"),
        (
            "[extended_key_usage]\nrequired = true",
            "extended_key_usage: where it is required, any_of must name a purpose",
        ),
    ],
)
def test_a_key_that_is_not_known_is_named_with_the_nearest(more: str, message: str) -> None:
    at = SMALL.index("[modes]")
    text = SMALL + more if more.startswith("[") else SMALL[:at] + more + "\n" + SMALL[at:]
    with pytest.raises(ProfileError, match=message):
        Profile.from_toml(text)


def test_what_is_not_toml_says_where() -> None:
    with pytest.raises(ProfileError, match=r"this is not TOML: .*line 2, column 1"):
        Profile.from_toml("name = 'a'\n= 1\n")


def test_an_unknown_name_is_told_the_nearest_and_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="no shipped profile 'jpki-auht'; did you mean 'jpki-auth'"):
        Profile.load("jpki-auht")
    (tmp_path / "mine.toml").write_text(SMALL)
    assert Profile.load(tmp_path / "mine.toml") == Profile.load(str(tmp_path / "mine.toml")) == Profile.from_toml(SMALL)
    (tmp_path / "bad.toml").write_text(SMALL + "p255 = ''\n")
    with pytest.raises(
        ProfileError, match=rf"^{tmp_path}/bad\.toml: modes\.p255: there is no such key; did you mean 'p256'"
    ):
        Profile.load(tmp_path / "bad.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(ProfileError, match=r"latin\.toml: .*utf-8"):
        Profile.load(tmp_path / "latin.toml")
    with pytest.raises(FileNotFoundError):
        Profile.load(tmp_path / "none.toml")


def test_the_modules_example_is_a_profile_with_every_key() -> None:
    example = "\n".join(line[4:] for line in (profiles.__doc__ or "").splitlines() if line.startswith("    "))
    assert Profile.from_toml(example).name == "my-service"
    document = tomllib.loads(example)
    keys = {
        f"{key}.{inner}" if isinstance(value, dict) else key
        for key, value in document.items()
        for inner in (value if isinstance(value, dict) else ("",))
    }
    assert keys == set(profiles._KEYS)


# ---- modes that let a challenge harvest a signature --------------------------------------------

STANDARD = "rsassa-pkcs1-v1_5-sha256"
BARE = "rsassa-pkcs1-v1_5-bare-sha256"
RAW = "rsassa-pkcs1-v1_5-raw"
PSS = "rsassa-pss-sha256"


@pytest.mark.parametrize(
    ("purpose", "mode", "bare_hash_allowed", "taken"),
    [
        ("auth", STANDARD, False, True),
        ("auth", BARE, False, True),
        ("auth", RAW, False, True),
        ("auth", PSS, False, True),
        ("sign", STANDARD, False, True),
        ("sign", "rsassa-pkcs1-v1_5-sha384", False, True),
        ("sign", BARE, False, False),
        ("sign", BARE, True, True),
        ("sign", "rsassa-pkcs1-v1_5-bare-sha512", False, False),
        ("sign", RAW, False, False),
        ("sign", RAW, True, False),
        ("sign", PSS, False, False),
        ("other", STANDARD, False, True),
        ("other", PSS, False, True),
        ("other", BARE, False, False),
        ("other", RAW, False, False),
    ],
)
def test_a_class_takes_only_modes_that_are_safe_for_it(
    purpose: str, mode: str, bare_hash_allowed: bool, taken: bool
) -> None:
    text = f"""
        name = "mine"
        class = "{purpose}"
        signature_algorithms = ["{STANDARD}"]
        {"bare_hash_allowed = true" if bare_hash_allowed else ""}
        [modes]
        rsa = "{mode}"
    """
    if taken:
        assert str(Profile.from_toml(text).rsa_mode) == mode
        return
    with pytest.raises(ProfileError, match=rf"modes\.rsa: {mode} is (for|not for) class"):
        Profile.from_toml(text)


def test_a_profile_made_from_another_is_checked_too() -> None:
    auth, sign = Profile.load("jpki-auth"), Profile.load("jpki-sign")
    # A mode's name will do.
    assert replace(auth, rsa_mode=RAW).rsa_mode == Mode.parse(RAW)  # type: ignore[arg-type]
    with pytest.raises(ProfileError, match="alone"):
        replace(sign, rsa_mode=Mode.parse(RAW))
    with pytest.raises(ProfileError, match="there is no signature mode 'raw'"):
        replace(auth, rsa_mode="raw")  # type: ignore[arg-type]
    with pytest.raises(ProfileError, match="test profiles"):
        replace(auth, revocation="off")
    with pytest.raises(ProfileError, match="clock_skew"):
        replace(auth, clock_skew=True)


# ---- shipped profiles at work ------------------------------------------------------------------


def verdicts(city: City, profile: Profile, purpose: str, also: tuple[bytes, ...] = ()) -> set[Reason]:
    """What is said of the city's certificates of one purpose under a trust store of both purposes."""
    from sekisho.verifier import Verifier

    verifier = Verifier(TrustStore([*city.trust(), *also]), replace(profile, challenge="foreign"))
    rows = city.rows("auth" if purpose == "auth" else "sign")
    return set(verifier.verify_certificates([city.certificate(row) for row in rows], at=AT).count())


@cache
def city_of(key: str, authority_key: str) -> City:
    plan = Plan(4, seed="profiles", key=key, authority_key=authority_key)  # type: ignore[arg-type]
    return build_city(plan.citizens, seed=plan.seed, key=plan.key, authority_key=plan.authority_key, workers=1)


@pytest.mark.parametrize("key", ["rsa2048", "p256", "p384", "ed25519"])
@pytest.mark.parametrize("authority_key", ["rsa2048", "p256", "p384", "ed25519"])
def test_the_test_profiles_take_a_city_of_every_kind_of_key(key: str, authority_key: str) -> None:
    city = city_of(key, authority_key)
    for purpose in ("auth", "sign"):
        assert verdicts(city, Profile.load(f"jpki-{purpose}-test"), purpose) == {Reason.CERTIFICATE_OK}


def test_the_test_profiles_take_test_cards() -> None:
    city = build_city(2, seed="test cards", shape=TEST_CARD_SHAPE, workers=1)
    for purpose in ("auth", "sign"):
        assert verdicts(city, Profile.load(f"jpki-{purpose}-test"), purpose) == {Reason.CERTIFICATE_OK}


def test_a_profile_refuses_the_other_purpose() -> None:
    city = small_city()
    assert verdicts(city, Profile.load("jpki-auth-test"), "sign") == {Reason.KEY_USAGE}
    assert verdicts(city, Profile.load("jpki-sign-test"), "auth") == {Reason.KEY_USAGE}
    # Were their uses and policies the same, the issuer would still tell them apart.
    lax = replace(Profile.load("jpki-auth-test"), key_usage_forbidden=(), policies=())
    assert verdicts(city, lax, "sign") == {Reason.ISSUER_NOT_ALLOWED}


def test_real_profiles_refuse_synthetic_certificates() -> None:
    city = small_city()
    for purpose in ("auth", "sign"):
        assert verdicts(city, Profile.load(f"jpki-{purpose}"), purpose) == {Reason.ISSUER_NOT_ALLOWED}
        # The policy is another too, but a CA above could map it: the issuer is judged first.
        assert verdicts(city, Profile.load(f"jpki-{purpose}-smartphone"), purpose) == {Reason.ISSUER_NOT_ALLOWED}
        anybodys = replace(
            Profile.load(f"jpki-{purpose}-smartphone"), issuers=(), test=True, legal_class="none", revocation="off"
        )
        assert verdicts(city, anybodys, purpose) == {Reason.POLICY}


def test_profiles_that_want_revocation_refuse_while_there_is_none() -> None:
    city = small_city()
    wanting = replace(Profile.load("jpki-auth-test"), test=False, revocation="required")
    assert verdicts(city, wanting, "auth") == {Reason.REVOCATION_NOT_CONFIGURED}
    assert verdicts(city, Profile.load("client-auth"), "auth") == {Reason.REVOCATION_NOT_CONFIGURED}
    assert verdicts(city, Profile.load("strict-rfc5280"), "auth") == {Reason.REVOCATION_NOT_CONFIGURED}


def test_client_auth_wants_its_purpose_where_purposes_are_named() -> None:
    city = small_city()
    client = Profile.load("client-auth-test")
    assert verdicts(city, client, "auth") == {Reason.CERTIFICATE_OK}
    assert verdicts(city, client, "sign") == {Reason.CERTIFICATE_OK}  # they name none
    assert verdicts(city, replace(client, extended_key_usage_required=True), "sign") == {Reason.EXTENDED_KEY_USAGE}
    assert verdicts(city, replace(client, extended_key_usage=("serverAuth",)), "auth") == {Reason.EXTENDED_KEY_USAGE}


@pytest.mark.parametrize(
    ("name", "mode", "hash_name"),
    [
        ("jpki-auth-test", "pkcs1", "sha256"),
        ("jpki-auth-test-bare", "pkcs1-bare", "sha256"),
        ("jpki-auth-test-raw", "pkcs1-raw", "none"),
    ],
)
def test_a_login_is_taken_in_the_mode_of_its_profile_and_in_no_other(name: str, mode: str, hash_name: str) -> None:
    from sekisho.verifier import LoginBatch, Verifier

    city = small_city()
    challenge = b"sekisho test challenge"  # of a length that no hash has
    rows = list(city.rows("auth"))
    signatures = city.sign(rows, [challenge] * len(rows), mode, hash_name)  # type: ignore[arg-type]
    batch = LoginBatch([city.certificate(row) for row in rows], [challenge] * len(rows), list(signatures))
    for other in ("jpki-auth-test", "jpki-auth-test-bare", "jpki-auth-test-raw"):
        profile = replace(Profile.load(other), challenge="foreign")
        answer = Verifier(TrustStore(city.trust()), profile).verify_logins(batch, at=AT)
        expected = Reason.ACCEPTED if other == name else Reason.SIGNATURE_WRONG
        assert answer.count() == {expected: len(rows)}
        assert np.all(answer.array["flags"] & lib.SEKI_FLAG_REVOCATION_OFF != 0) == (other == name)
