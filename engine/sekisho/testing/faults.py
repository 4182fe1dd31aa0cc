"""Bad logins, one fault each: a good login of a city with one thing changed, and the reason it deserves.

    for kind in bad_kinds(city):
        bad = make_bad_login(city, row, kind, challenge)
        assert verify(bad) in bad.reasons, bad.why

A kind is a function below; its name with dashes is the kind's name and its docstring says what is wrong.  Everything
else about the login is right: the issuer's signature covers the broken certificate, and the holder's signature is
good, unless that is the very fault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Final, Literal, TypeAlias

from sekisho.testing import der
from sekisho.testing.citizen import DAY
from sekisho.testing.city import City, Plan
from sekisho.testing.keys import (
    DIGEST_INFO,
    EXPONENT,
    Hash,
    Mode,
    RsaKey,
    SigningKey,
    default_hash,
    default_mode,
    key_from_label,
    prime_from_label,
    rsa_spki,
    stream,
)
from sekisho.testing.leaves import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    POLICIES,
    SUBJECT_KEY_ID,
    Authority,
    Extension,
    Fields,
    Purpose,
    authority,
    authority_fields,
    key_id,
    leaf_fields,
    policies,
    seal,
)
from sekisho.testing.logins import Login, a_citizen, make_login, placeholder_challenge

__all__ = ["GROUPS", "BadLogin", "Group", "Kind", "a_bad_login", "bad_kinds", "make_bad_login", "odd_kinds"]

Group: TypeAlias = Literal["certificate", "key", "path", "signature", "challenge", "odd"]
"""Where the fault lies.  ``odd`` ones look strange and are accepted."""

GROUPS: Final[tuple[Group, ...]] = ("certificate", "key", "path", "signature", "challenge")

CERTIFICATE_SIZE_MAX: Final = 65_536
"""Bytes; SEKI_CERTIFICATE_SIZE_MAX in sekisho.h."""


@dataclass(frozen=True, kw_only=True)
class BadLogin(Login):
    """A login with one fault.

    Attributes:
        kind: name of the fault.
        expected: what a right verifier may answer, in the kebab-case of sekisho.h's list; the best answer first.
        why: one sentence on what is wrong.
        also_trust: CA certificates that the verifier must trust besides `trust` for the answer to be that one.
    """

    kind: str
    expected: tuple[str, ...]
    why: str
    also_trust: tuple[bytes, ...] = ()

    @property
    def reason(self) -> str:
        return self.expected[0]

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.expected


@dataclass(frozen=True)
class Kind:
    """One way in which a login can be bad, and where it applies."""

    name: str
    group: Group
    reasons: tuple[str, ...]
    why: str
    keys: str  # kinds of leaf key whose name starts so; empty for all
    modes: tuple[Mode, ...]  # expected modes in which it is a fault; empty for all
    authority_keys: str  # kinds of CA key whose name starts so; empty for all
    purposes: tuple[str, ...]  # of the certificate; empty for all
    city_purposes: tuple[str, ...]  # that the city must issue for
    make: Callable[[_Case], Login]

    def applies(self, city: City, mode: Mode, purpose: str) -> bool:
        return (
            city.plan.key.startswith(self.keys)
            and city.plan.authority_key.startswith(self.authority_keys)
            and (not self.modes or mode in self.modes)
            and (not self.purposes or purpose in self.purposes)
            and set(self.city_purposes) <= set(city.plan.purposes)
        )


def bad_kinds(
    city: City, mode: Mode | None = None, *, purpose: str = "auth", groups: tuple[Group, ...] = GROUPS
) -> tuple[str, ...]:
    """Names of the kinds that apply to a city's logins in that mode, in a fixed order.

    The group ``challenge`` holds faults that only a verifier of sekisho's own challenge tokens, or of foreign
    challenges in modes pkcs1-bare and pkcs1-raw, can see.
    """
    mode = mode or default_mode(city.plan.key)
    return tuple(kind.name for kind in _KINDS.values() if kind.group in groups and kind.applies(city, mode, purpose))


def odd_kinds(city: City, mode: Mode | None = None, *, purpose: str = "auth") -> tuple[str, ...]:
    """Names of the kinds that look bad and are good: their reason is ``accepted``."""
    return bad_kinds(city, mode, purpose=purpose, groups=("odd",))


def make_bad_login(
    city: City,
    row: int,
    kind: str,
    challenge: bytes | None = None,
    *,
    mode: Mode | None = None,
    hash_name: Hash | None = None,
) -> BadLogin:
    """The login of that row's holder with the fault `kind`.

    Raises:
        KeyError: no kind of that name.
        ValueError: the kind does not apply to the city's keys, the mode or the row's purpose.
    """
    known = _KINDS[kind]
    mode, hash_name = mode or default_mode(city.plan.key), hash_name or default_hash(city.plan.key)
    if not known.applies(city, mode, city.purpose(row)):
        raise ValueError(f"{kind} is no fault of a {city.plan.key} key's login in mode {mode}")
    good = make_login(city, row, challenge, mode=mode, hash_name=hash_name)
    made = known.make(_Case(city, row, good))
    values = {one.name: getattr(made, one.name) for one in fields(Login)}
    trust_too = made.also_trust if isinstance(made, _Trusting) else ()
    return BadLogin(**values, kind=kind, expected=known.reasons, why=known.why, also_trust=trust_too)


def a_bad_login(kind: str, challenge: bytes | None = None, *, citizen: int = 0, mode: Mode | None = None) -> BadLogin:
    """A bad login of a citizen of the small city, as `make_bad_login` makes it."""
    holder = a_citizen(citizen)
    return make_bad_login(holder.city, holder.row(), kind, challenge, mode=mode)


# ---- what the kinds have at hand -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Trusting(Login):
    also_trust: tuple[bytes, ...]


@dataclass(frozen=True)
class _Case:
    """A good login and all that it was made of."""

    city: City
    row: int
    good: Login

    @cached_property
    def fields(self) -> Fields:
        return self.city.fields(self.row)

    @property
    def key(self) -> SigningKey:
        return self.city.key(self.row)

    @property
    def issuer(self) -> Authority:
        return self.city.issuer(self.row)

    @property
    def at(self) -> int:
        return self.city.plan.at

    @property
    def challenge(self) -> bytes:
        return self.good.challenge

    def issued(self, fields: Fields) -> Login:
        """With a certificate of these fields, properly issued."""
        return self.certified(self.issuer.issue(fields))

    def certified(self, certificate: bytes) -> Login:
        return replace(self.good, certificate=certificate)

    def signed(self, signature: bytes) -> Login:
        return replace(self.good, signature=signature)

    def under(self, issuer: Authority) -> Fields:
        """The holder's certificate as another issuer would write it."""
        return leaf_fields(self.city.person(self.row), issuer, self.fields.spki, self.city.plan.shape)

    def with_key(self, key: SigningKey | None, spki: bytes) -> Login:
        """With a certificate for another key, and a signature by it if it can sign."""
        made = replace(self.fields, spki=spki).with_extension(
            Extension(SUBJECT_KEY_ID, False, der.octet_string(key_id(spki)))
        )
        login = self.issued(made)
        return replace(login, signature=_sign_plainly(key, self.good)) if isinstance(key, RsaKey) else login


def _sign_plainly(key: RsaKey, login: Login) -> bytes:
    """As `key.sign` for RSA keys that `cryptography` will not take."""
    content = login.challenge
    if login.mode != "pkcs1-raw":
        content = hashlib.new(login.hash_name, content).digest()
    if login.mode == "pkcs1":
        content = DIGEST_INFO[login.hash_name] + content
    return key.power(key.padded(content))


@lru_cache(maxsize=16)
def _stranger(plan: Plan, purpose: Purpose, generation: int, organization: str) -> Authority:
    """A CA of nobody's: of the same name as the city's, or of another organization's."""
    shape = replace(plan.shape, organization=organization)
    seed = f"stranger of {plan.seed}"
    return authority(seed, purpose, generation, at=plan.at, kind=plan.authority_key, shape=shape)


_KINDS: dict[str, Kind] = {}


def _kind(
    group: Group,
    *reasons: str,
    keys: str = "",
    modes: tuple[Mode, ...] = (),
    authority_keys: str = "",
    purposes: tuple[str, ...] = (),
    city_purposes: tuple[str, ...] = (),
) -> Callable[[Callable[[_Case], Login]], Callable[[_Case], Login]]:
    def enter(make: Callable[[_Case], Login]) -> Callable[[_Case], Login]:
        name = make.__name__.strip("_").replace("_", "-")
        why = " ".join((make.__doc__ or "").split())
        _KINDS[name] = Kind(name, group, reasons, why, keys, modes, authority_keys, purposes, city_purposes, make)
        return make

    return enter


# ---- the certificate as bytes ----------------------------------------------------------------------


@_kind("certificate", "certificate-malformed")
def _garbage(case: _Case) -> Login:
    """The certificate is noise."""
    return case.certified(stream("sekisho test-only garbage", case.row, size=len(case.good.certificate)))


@_kind("certificate", "input-missing", "certificate-malformed")
def _certificate_empty(case: _Case) -> Login:
    """There is no certificate."""
    return case.certified(b"")


@_kind("certificate", "certificate-malformed")
def _truncated(case: _Case) -> Login:
    """The certificate's last byte is missing."""
    return case.certified(case.good.certificate[:-1])


@_kind("certificate", "certificate-trailing-data")
def _trailing_data(case: _Case) -> Login:
    """A byte follows the certificate."""
    return case.certified(case.good.certificate + b"\x00")


@_kind("certificate", "input-too-large")
def _too_large(case: _Case) -> Login:
    """The certificate is larger than any is allowed to be: an extension nobody knows fills it."""
    filler = Extension("1.3.6.1.4.1.99999.1", False, der.octet_string(bytes(CERTIFICATE_SIZE_MAX)))
    return case.issued(case.fields.with_extension(filler))


@_kind("certificate", "certificate-malformed")
def _indefinite_length(case: _Case) -> Login:
    """The certificate has an indefinite length, which BER has and DER has not (X.690, 10.1)."""
    return case.certified(b"\x30\x80" + case.good.certificate[4:] + b"\x00\x00")


@_kind("certificate", "certificate-malformed")
def _long_length(case: _Case) -> Login:
    """The certificate's length is written with a leading zero octet (X.690, 10.1)."""
    return case.certified(b"\x30\x83\x00" + case.good.certificate[2:])


@_kind("certificate", "certificate-version")
def _version_four(case: _Case) -> Login:
    """The version is 4, which does not exist."""
    return case.issued(replace(case.fields, version=der.context(0, der.integer(3))))


@_kind("certificate", "certificate-version")
def _version_one_with_extensions(case: _Case) -> Login:
    """Version 1 has no extensions (RFC 5280, 4.1.2.9)."""
    return case.issued(replace(case.fields, version=b""))


@_kind("certificate", "certificate-serial")
def _serial_zero(case: _Case) -> Login:
    """The serial is 0, not positive (RFC 5280, 4.1.2.2)."""
    return case.issued(replace(case.fields, serial=der.integer(0)))


@_kind("certificate", "certificate-serial")
def _serial_negative(case: _Case) -> Login:
    """The serial is negative."""
    return case.issued(replace(case.fields, serial=der.integer(-20_000_003)))


@_kind("certificate", "certificate-serial")
def _serial_too_long(case: _Case) -> Login:
    """The serial has 21 octets; RFC 5280, 4.1.2.2 allows 20."""
    return case.issued(replace(case.fields, serial=der.integer(1 << 160)))


@_kind("certificate", "certificate-serial", "certificate-malformed")
def _serial_padded(case: _Case) -> Login:
    """The serial has a leading zero octet too many (X.690, 8.3.2)."""
    return case.issued(replace(case.fields, serial=der.tlv(0x02, b"\x00\x01\x31\x2d\x03")))


@_kind("certificate", "certificate-algorithms-differ")
def _algorithms_differ(case: _Case) -> Login:
    """The algorithm inside is not the one outside (RFC 5280, 4.1.1.2)."""
    rsa_sha384 = der.sequence(der.oid("1.2.840.113549.1.1.12"), der.NULL)  # no CA of a city signs so
    return case.issued(replace(case.fields, algorithm=rsa_sha384))


@_kind("certificate", "certificate-validity-malformed")
def _validity_without_seconds(case: _Case) -> Login:
    """notBefore is a UTCTime without seconds (RFC 5280, 4.1.2.5.1)."""
    validity = der.sequence(der.tlv(0x17, b"2501010000Z"), der.time_of(case.at + DAY))
    return case.issued(replace(case.fields, validity=validity))


@_kind("certificate", "certificate-validity-malformed")
def _validity_without_day(case: _Case) -> Login:
    """notBefore is the 30th of February."""
    validity = der.sequence(der.tlv(0x17, b"250230000000Z"), der.time_of(case.at + DAY))
    return case.issued(replace(case.fields, validity=validity))


@_kind("certificate", "certificate-name-malformed")
def _name_malformed(case: _Case) -> Login:
    """The subject has an RDN without an attribute (X.501, 9.3)."""
    return case.issued(replace(case.fields, subject=der.sequence(der.tlv(0x31))))


@_kind("certificate", "certificate-extension-malformed")
def _extension_malformed(case: _Case) -> Login:
    """keyUsage claims eight unused bits in its last octet."""
    return case.issued(case.fields.with_extension(Extension(KEY_USAGE, True, der.bit_string(b"\x80", 8))))


@_kind("certificate", "certificate-extension-malformed")
def _extension_trailing_data(case: _Case) -> Login:
    """A NULL follows inside keyUsage."""
    usage = case.fields.extensions[0]
    return case.issued(case.fields.with_extension(usage._replace(value=usage.value + der.NULL)))


@_kind("certificate", "certificate-extension-duplicate")
def _extension_duplicate(case: _Case) -> Login:
    """keyUsage comes twice (RFC 5280, 4.2)."""
    extensions = case.fields.extensions
    return case.issued(replace(case.fields, extensions=(*extensions, extensions[0])))


@_kind("certificate", "certificate-extension-unknown-critical")
def _extension_unknown_critical(case: _Case) -> Login:
    """A critical extension that nobody knows (RFC 5280, 4.2)."""
    return case.issued(case.fields.with_extension(Extension("1.3.6.1.4.1.99999.2", True, der.NULL)))


# ---- keys --------------------------------------------------------------------------------------------


@_kind("key", "key-too-small", keys="rsa")
def _key_1024(case: _Case) -> Login:
    """The holder's RSA key has 1,024 bits."""
    key = RsaKey("rsa2048", prime_from_label(512, "weak", 1), prime_from_label(512, "weak", 2))
    return case.with_key(key, key.spki)


@_kind("key", "key-too-large", keys="rsa")
def _key_8200(case: _Case) -> Login:
    """The holder's RSA key has 8,200 bits, which would take its verifier long."""
    return case.with_key(None, rsa_spki(1 << 8199 | int.from_bytes(stream("large", size=1000), "big") | 1))


@_kind("key", "key-modulus-even", keys="rsa")
def _modulus_even(case: _Case) -> Login:
    """The holder's modulus is even."""
    return case.with_key(None, rsa_spki(_modulus_of(case) + 1))


@_kind("key", "key-exponent", keys="rsa")
def _exponent_one(case: _Case) -> Login:
    """The holder's exponent is 1: everybody signs for everybody."""
    login = case.with_key(None, rsa_spki(_modulus_of(case), 1))
    key = _rsa(case.key)
    return replace(login, signature=key.padded(DIGEST_INFO["sha256"] + hashlib.sha256(case.challenge).digest()))


@_kind("key", "key-exponent", keys="rsa")
def _exponent_even(case: _Case) -> Login:
    """The holder's exponent is even, so no signature is unique."""
    return case.with_key(None, rsa_spki(_modulus_of(case), EXPONENT + 1))


@_kind("key", "key-exponent", keys="rsa")
def _exponent_three(case: _Case) -> Login:
    """The holder's exponent is 3, which certificates may not have (at least 65537), though the signature is right."""
    primes = [prime for prime in (prime_from_label(1024, "three", i) for i in range(12)) if prime % 3 == 2][:2]
    key = RsaKey("rsa2048", primes[0], primes[1], 3)
    return case.with_key(key, key.spki)


@_kind("key", "key-malformed", "key-point")  # of an EC key the whole BIT STRING is the point
def _key_trailing_data(case: _Case) -> Login:
    """Two bytes follow the holder's public key inside its BIT STRING."""
    spki = case.fields.spki
    algorithm = der.content_start(spki)
    bits = (
        der.content_start(spki, algorithm) + spki[algorithm + 1]
    )  # behind an AlgorithmIdentifier of less than 128 bytes
    key = spki[der.content_start(spki, bits) + 1 :]
    return case.issued(replace(case.fields, spki=der.sequence(spki[algorithm:bits], der.bit_string(key + der.NULL))))


@_kind("key", "key-unsupported")
def _key_unsupported(case: _Case) -> Login:
    """The holder's key is on P-521, which the engine does not know."""
    algorithm = der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.3.132.0.35"))
    return case.with_key(None, der.sequence(algorithm, der.bit_string(b"\x04" + bytes(130) + b"\x01\x01")))


@_kind("key", "key-point", "key-mode-mismatch")  # the latter where the profile has no mode for EC keys at all
def _key_off_curve(case: _Case) -> Login:
    """The holder's P-256 point is not on its curve."""
    algorithm = der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7"))
    point = b"\x04" + (1).to_bytes(32, "big") + (1).to_bytes(32, "big")
    return case.with_key(None, der.sequence(algorithm, der.bit_string(point)))


def _modulus_of(case: _Case) -> int:
    return _rsa(case.key).modulus


def _rsa(key: SigningKey) -> RsaKey:
    if not isinstance(key, RsaKey):
        raise TypeError(f"a kind that works on RSA keys was let loose on {key.kind}: its entry lacks keys='rsa'")
    return key


# ---- the path ----------------------------------------------------------------------------------------


@_kind("path", "issuer-unknown")
def _issuer_unknown(case: _Case) -> Login:
    """A CA that nobody trusts issued the certificate, under its own name."""
    stranger = _stranger(case.city.plan, case.good.purpose, 2, "STRANGER")
    return case.certified(stranger.issue(case.under(stranger)))


@_kind("path", "issuer-signature-wrong")
def _issuer_impersonated(case: _Case) -> Login:
    """A CA that nobody trusts issued the certificate, under the trusted CA's name, with its own key identifier."""
    stranger = _stranger(case.city.plan, case.good.purpose, 2, case.city.plan.shape.organization)
    return case.certified(stranger.issue(case.under(stranger)))


@_kind("path", "issuer-signature-wrong")
def _issuer_impersonated_key_id(case: _Case) -> Login:
    """The same with the trusted CA's key identifier, issuer and serial: only the signature tells."""
    stranger = _stranger(case.city.plan, case.good.purpose, 2, case.city.plan.shape.organization)
    return case.certified(stranger.issue(case.fields))


@_kind("path", "issuer-signature-wrong")
def _forged(case: _Case) -> Login:
    """One letter of the holder's name in the certificate was changed after it was signed."""
    certificate = bytearray(case.good.certificate)
    start = case.good.certificate.index(case.fields.subject)
    certificate[start + len(case.fields.subject) - 1] ^= 0x01
    return case.certified(bytes(certificate))


@_kind("path", "issuer-signature-wrong")
def _forged_key(case: _Case) -> Login:
    """The key in the certificate was replaced, and the replacement signed the challenge."""
    other = key_from_label(case.city.plan.key, case.city.plan.seed, "forger")
    certificate = case.good.certificate.replace(case.fields.spki, other.spki)
    signature = other.sign(case.challenge, case.good.mode, case.good.hash_name)
    return replace(case.certified(certificate), signature=signature)


@_kind("path", "issuer-signature-wrong")
def _issuer_signature_flipped(case: _Case) -> Login:
    """One bit of the issuer's signature is wrong."""
    certificate = bytearray(case.good.certificate)
    certificate[-1] ^= 0x01
    return case.certified(bytes(certificate))


@_kind("path", "issuer-signature-wrong")
def _wrong_generation(case: _Case) -> Login:
    """A generation of the CA that is not trusted (any more) issued the certificate."""
    retired = case.city.authority(case.good.purpose, 0)
    return case.certified(retired.issue(case.under(retired)))


@_kind("path", "issuer-expired")
def _generation_expired(case: _Case) -> Login:
    """A generation of the CA that is trusted but has run out issued the certificate."""
    retired = case.city.authority(case.good.purpose, 0)
    return _trusting(case.certified(retired.issue(case.under(retired))), retired)


@_kind("path", "issuer-not-yet-valid")
def _generation_not_yet_valid(case: _Case) -> Login:
    """A generation of the CA that is trusted but has not begun issued the certificate."""
    future = case.city.authority(case.good.purpose, 3)
    return _trusting(case.certified(future.issue(case.under(future))), future)


@_kind("path", "issuer-not-ca", "issuer-unknown", "issuer-key-usage", "issuer-not-allowed", "path-too-long")
def _issued_by_a_citizen(case: _Case) -> Login:
    """Another citizen issued the certificate and sent the own one along as if it were a CA's."""
    other = _neighbour(case)
    made = replace(case.fields, issuer=case.city.fields(other).subject)
    login = case.certified(seal(made, case.city.key(other)))
    return replace(login, intermediates=(case.city.certificate(other),))


@_kind("path", "path-too-long", "issuer-unknown", "issuer-not-allowed")
def _sub_authority(case: _Case) -> Login:
    """A sub-CA, properly issued by the trusted CA, issued the certificate: JPKI knows no such thing."""
    purpose, shape = case.good.purpose, replace(case.city.plan.shape, organization="SUB-CA")
    key = key_from_label(case.city.plan.authority_key, case.city.plan.seed, "sub-authority")
    made = authority_fields(shape, purpose, key.spki, 7).with_validity(case.at - DAY, case.at + DAY)
    between = case.issuer.issue(replace(made, issuer=case.issuer.name))
    login = case.certified(seal(replace(case.fields, issuer=made.subject), key))
    return replace(login, intermediates=(between,))


@_kind("path", "too-many-intermediates")
def _too_many_intermediates(case: _Case) -> Login:
    """Five certificates were sent along; four are the limit."""
    return replace(case.good, intermediates=(case.issuer.certificate,) * 5)


@_kind("path", "issuer-unknown")
def _self_signed(case: _Case) -> Login:
    """The holder signed the own certificate."""
    return case.certified(seal(replace(case.fields, issuer=case.fields.subject), case.key))


@_kind("path", "expired")
def _expired(case: _Case) -> Login:
    """The certificate ran out a second ago."""
    return case.issued(case.fields.with_validity(case.at - 100 * DAY, case.at - 1))


@_kind("path", "not-yet-valid")
def _not_yet_valid(case: _Case) -> Login:
    """The certificate begins in a second."""
    return case.issued(case.fields.with_validity(case.at + 1, case.at + 100 * DAY))


@_kind("path", "certificate-validity-malformed", "expired", "not-yet-valid")
def _validity_backwards(case: _Case) -> Login:
    """The certificate ends before it begins."""
    return case.issued(case.fields.with_validity(case.at + DAY, case.at - DAY))


@_kind("path", "key-usage")
def _key_usage(case: _Case) -> Login:
    """The key is for enciphering keys, not for signatures."""
    return case.issued(case.fields.with_extension(Extension(KEY_USAGE, True, der.bit_string(b"\x20", 5))))


@_kind("path", "extended-key-usage", purposes=("auth",))
def _extended_key_usage(case: _Case) -> Login:
    """The certificate is for TLS servers, not for clients."""
    usage = der.sequence(der.oid("1.3.6.1.5.5.7.3.1"))
    return case.issued(case.fields.with_extension(Extension(EXTENDED_KEY_USAGE, False, usage)))


@_kind("path", "policy")
def _policy_wrong(case: _Case) -> Login:
    """The certificate is under a policy of somebody else's."""
    other = policies("1.3.6.1.4.1.99999.3", case.city.plan.shape.cps)
    return case.issued(case.fields.with_extension(Extension(POLICIES, True, other)))


@_kind("path", "policy")
def _policy_missing(case: _Case) -> Login:
    """The certificate is under no policy."""
    return case.issued(case.fields.with_extension(None, POLICIES))


@_kind(
    "path", "issuer-not-allowed", "policy", "key-usage", "issuer-unknown", purposes=("auth",), city_purposes=("sign",)
)
def _signature_class(case: _Case) -> Login:
    """A certificate for documents was used to log in; its CA is trusted, for other purposes."""
    other = case.city.rows("sign")[case.row % case.city.plan.citizens]
    made = make_login(case.city, other, case.challenge, mode=case.good.mode, hash_name=case.good.hash_name)
    login = replace(case.good, certificate=made.certificate, signature=made.signature)
    return _trusting(login, *(case.city.authorities["sign", generation] for generation in (1, 2)))


@_kind("path", "leaf-is-ca")
def _leaf_is_ca(case: _Case) -> Login:
    """The holder's certificate says that it is a CA's."""
    return case.issued(case.fields.with_extension(Extension(BASIC_CONSTRAINTS, True, der.sequence(der.TRUE))))


@_kind("path", "algorithm-not-allowed", authority_keys="rsa")
def _sha1(case: _Case) -> Login:
    """The issuer signed the certificate with SHA-1, whose collisions are cheap."""
    algorithm = der.sequence(der.oid("1.2.840.113549.1.1.5"), der.NULL)
    tbs = case.fields.tbs(algorithm)
    key = _rsa(case.issuer.key)
    digest = hashlib.sha1(tbs, usedforsecurity=False).digest()
    return case.certified(der.sequence(tbs, algorithm, der.bit_string(key.sign_block(DIGEST_INFO["sha1"] + digest))))


def _neighbour(case: _Case) -> int:
    """The row of the next citizen's certificate of the same purpose."""
    own = case.city.rows(case.good.purpose)
    return own[(case.row - own.start + 1) % len(own)]


def _trusting(login: Login, *also: Authority) -> Login:
    values = {one.name: getattr(login, one.name) for one in fields(Login)}
    return _Trusting(**values, also_trust=tuple(one.certificate for one in also))


# ---- the signature -----------------------------------------------------------------------------------


@_kind("signature", "signature-wrong", "signature-malformed")
def _signature_flipped(case: _Case) -> Login:
    """One bit of the holder's signature is wrong."""
    return case.signed(case.good.signature[:-1] + bytes((case.good.signature[-1] ^ 1,)))


@_kind("signature", "signature-wrong")
def _signature_by_another(case: _Case) -> Login:
    """Another citizen signed the challenge."""
    key = case.city.key(_neighbour(case))
    return case.signed(key.sign(case.challenge, case.good.mode, case.good.hash_name))


@_kind("signature", "signature-wrong")
def _another_challenge(case: _Case) -> Login:
    """The holder signed another challenge."""
    other = placeholder_challenge(-1 - case.row)
    return case.signed(case.key.sign(other, case.good.mode, case.good.hash_name))


@_kind("signature", "signature-wrong", modes=("pkcs1",))
def _mode_bare(case: _Case) -> Login:
    """The holder signed the bare hash (A') where a DigestInfo (A) is expected."""
    return case.signed(case.key.sign(case.challenge, "pkcs1-bare", case.good.hash_name))


@_kind("signature", "signature-wrong", modes=("pkcs1", "pkcs1-bare"))
def _mode_raw(case: _Case) -> Login:
    """The holder signed the challenge itself (B) where its hash is expected."""
    return case.signed(case.key.sign(case.challenge, "pkcs1-raw"))


@_kind("signature", "signature-wrong", modes=("pkcs1-bare", "pkcs1-raw", "pss"))
def _mode_pkcs1(case: _Case) -> Login:
    """The holder signed a DigestInfo (A) where another mode is expected."""
    return case.signed(case.key.sign(case.challenge, "pkcs1", case.good.hash_name))


@_kind("signature", "signature-wrong", modes=("pkcs1", "pkcs1-bare", "pkcs1-raw"))
def _mode_pss(case: _Case) -> Login:
    """The holder signed by RSASSA-PSS where PKCS #1 v1.5 is expected."""
    return case.signed(case.key.sign(case.challenge, "pss", case.good.hash_name))


@_kind("signature", "signature-wrong", modes=("pkcs1",))
def _hash_sha384(case: _Case) -> Login:
    """The holder hashed with SHA-384 where SHA-256 is expected, or the other way round."""
    other: Hash = "sha256" if case.good.hash_name == "sha384" else "sha384"
    return case.signed(case.key.sign(case.challenge, "pkcs1", other))


@_kind("signature", "signature-length", "signature-malformed")
def _signature_short(case: _Case) -> Login:
    """The holder's signature lacks its last byte."""
    return case.signed(case.good.signature[:-1])


@_kind("signature", "signature-length", "signature-malformed")
def _signature_long(case: _Case) -> Login:
    """A byte follows the holder's signature."""
    return case.signed(case.good.signature + b"\x00")


@_kind("signature", "input-missing", "signature-length", "signature-malformed")
def _signature_empty(case: _Case) -> Login:
    """There is no signature."""
    return case.signed(b"")


@_kind("signature", "signature-wrong", "signature-malformed")
def _signature_zero(case: _Case) -> Login:
    """The signature is all zeros."""
    return case.signed(bytes(len(case.good.signature)))


@_kind("signature", "signature-wrong", "signature-malformed", keys="rsa")
def _signature_one(case: _Case) -> Login:
    """The signature is the number 1, the cube and every other root of itself."""
    return case.signed((1).to_bytes(len(case.good.signature), "big"))


@_kind("signature", "signature-wrong", "signature-malformed", keys="rsa")
def _signature_is_modulus(case: _Case) -> Login:
    """The signature is the modulus, which is not below it (RFC 8017, 5.2.2)."""
    return case.signed(_modulus_of(case).to_bytes(len(case.good.signature), "big"))


@_kind("signature", "signature-wrong", modes=("pkcs1",), keys="rsa")
def _short_padding(case: _Case) -> Login:
    """The padding is eight bytes long and garbage follows the hash (Bleichenbacher 2006)."""
    key = _rsa(case.key)
    info = DIGEST_INFO[case.good.hash_name] + hashlib.new(case.good.hash_name, case.challenge).digest()
    block = b"\x00\x01" + b"\xff" * 8 + b"\x00" + info
    return case.signed(key.power(block + stream("garbage", size=key.size - len(block))))


@_kind("signature", "signature-malformed", "signature-length", modes=("ecdsa-der",))
def _signature_raw(case: _Case) -> Login:
    """r and s stand side by side where a SEQUENCE of them is expected."""
    return case.signed(case.key.sign(case.challenge, "ecdsa-raw", case.good.hash_name))


@_kind("signature", "signature-malformed", "signature-length", modes=("ecdsa-raw",))
def _signature_sequence(case: _Case) -> Login:
    """r and s stand in a SEQUENCE where the bare numbers are expected."""
    return case.signed(case.key.sign(case.challenge, "ecdsa-der", case.good.hash_name))


# ---- the challenge -----------------------------------------------------------------------------------


@_kind("challenge", "challenge-malformed")
def _challenge_garbage(case: _Case) -> Login:
    """The challenge is none of ours, and properly signed."""
    noise = stream("sekisho test-only noise", case.row, size=40)
    signature = case.key.sign(noise, case.good.mode, case.good.hash_name)
    return replace(case.good, challenge=noise, signature=signature)


@_kind("challenge", "input-missing", "challenge-malformed")
def _challenge_empty(case: _Case) -> Login:
    """There is no challenge."""
    return replace(case.good, challenge=b"")


@_kind("challenge", "challenge-form-forbidden", "challenge-malformed", modes=("pkcs1-raw",))
def _challenge_is_digest_info(case: _Case) -> Login:
    """The challenge is a DigestInfo: signed as it is (B), the answer is a signature (A) on a document (FACTS C)."""
    content = DIGEST_INFO["sha256"] + hashlib.sha256(b"I owe the bearer ten million yen.").digest()
    return replace(case.good, challenge=content, signature=case.key.sign(content, "pkcs1-raw"))


@_kind("challenge", "challenge-form-forbidden", "challenge-malformed", modes=("pkcs1-raw",))
def _challenge_is_hash(case: _Case) -> Login:
    """The challenge is 32 bytes: signed as it is (B), the answer signs a document's bare hash (A', FACTS C)."""
    content = hashlib.sha256(b"I owe the bearer ten million yen.").digest()
    return replace(case.good, challenge=content, signature=case.key.sign(content, "pkcs1-raw"))


# ---- odd, and yet good -------------------------------------------------------------------------------


@_kind("odd", "accepted")
def _other_generation_key_id(case: _Case) -> Login:
    """The certificate names the other generation's key; key identifiers order the candidates and decide nothing."""
    other = case.city.authority(case.good.purpose, 3 - case.issuer.generation)
    return case.issued(case.under(other))


@_kind("odd", "accepted", "path-refused")
def _no_key_id(case: _Case) -> Login:
    """The certificate does not say which of the CA's keys signed it: no CA may leave that out (RFC 5280, 4.2.1.1), and
    strict verifiers, sekisho among them, refuse it."""
    return case.issued(case.fields.with_extension(None, "2.5.29.35"))


@_kind("odd", "accepted")
def _last_second(case: _Case) -> Login:
    """The certificate runs out this very second, which still belongs to it (RFC 5280, 4.1.2.5)."""
    return case.issued(case.fields.with_validity(case.at - 100 * DAY, case.at))


@_kind("odd", "accepted")
def _first_second(case: _Case) -> Login:
    """The certificate begins this very second, which already belongs to it."""
    return case.issued(case.fields.with_validity(case.at, case.at + 100 * DAY))


@_kind("odd", "accepted")
def _serial_longest(case: _Case) -> Login:
    """The serial has 20 octets, as many as RFC 5280, 4.1.2.2 allows."""
    return case.issued(replace(case.fields, serial=der.integer((1 << 159) - 1)))


@_kind("odd", "accepted")
def _extension_unknown(case: _Case) -> Login:
    """An extension that nobody knows and that is not critical."""
    return case.issued(case.fields.with_extension(Extension("1.3.6.1.4.1.99999.2", False, der.NULL)))


@_kind("odd", "accepted", "certificate-validity-malformed")
def _validity_generalized(case: _Case) -> Login:
    """notBefore is a GeneralizedTime before 2050: no CA may write it (RFC 5280, 4.1.2.5), and verifiers read it."""
    validity = der.sequence(der.generalized_time(case.at - DAY), der.time_of(case.at + DAY))
    return case.issued(replace(case.fields, validity=validity))
