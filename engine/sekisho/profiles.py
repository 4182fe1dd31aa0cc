"""Profiles: what a valid certificate, and a valid login with it, is for a purpose.

A profile is plain TOML.  Every key, with what it means when it is left out:

    name = "my-service"             # required; a-z, 0-9 and dashes: challenges are bound to it
    class = "auth"                  # required; "auth" logs people in, "sign" signs documents, "other" is neither
    legal_class = "none"            # "jpki", "accredited" (認定認証業務), "signature-verifier" (署名検証者), "none"
    issuers = ["CN=CA,O=Org,C=JP"]  # names (RFC 4514) of CAs, one of which stands above the leaf; left out: any trusted
    signature_algorithms = ["rsassa-pkcs1-v1_5-sha256"]   # required; with which certificates may be signed
    policies = ["1.2.3.4"]          # certificate policies, one of which the leaf must be valid for; left out: any
    initial_explicit_policy = false # true: the leaf must be valid for some policy; where `policies` are given it must be; false
    initial_policy_mapping_inhibit = false  # true: no CA may map a policy to another; false
    initial_any_policy_inhibit = false      # true: anyPolicy in a certificate stands for none; false
    path_length_max = 0             # CA certificates between the anchor and the leaf, at most 16; 0
    intermediates_max = 4           # CA certificates that a login may bring along, at most 16; 4
    ca_leaf_allowed = false         # true: a CA certificate may be the leaf; false
    clock_skew = 0                  # seconds added at both ends of a certificate's validity, at most 300; 0
    revocation = "required"         # "soft": a login passes, and its verdict is marked, where revocation data is missing or
                                    # stale; "off" in test profiles only; "required"
    revocation_age_max = 0          # seconds since thisUpdate after which revocation data is stale, at most a year; 0: it is
                                    # fresh until its nextUpdate, and stale if it names none
    revocation_grace = 0            # seconds after nextUpdate in which it still counts as fresh, at most a week; 0
    revocation_same_key = false     # true: only CRLs signed by the very key that signed the certificate count; false: any
                                    # key that may sign CRLs for that CA under the same trust anchor
    challenge = "own"               # "foreign": the relying party's own, who then sees to their single use; "own"
    test = false                    # a profile for tests: has no legal class; false
    bare_hash_allowed = false       # class "sign" may be given the bare-hash mode; false
    unverified = ["policies"]       # keys whose values no public document confirms, for people to see; none

    [description]                   # for people
    en = "..."
    ja = "..."

    [modes]                         # required; the one mode in which a key of that kind signs; left out: no such key
    rsa = "rsassa-pkcs1-v1_5-sha256"
    p256 = "ecdsa-sha256-der"
    p384 = "ecdsa-sha384-der"
    ed25519 = "ed25519"

    [rsa_bits]                      # of the leaf's key (and, at least `min`, of the CAs'); 2048 to 8192
    min = 2048
    max = 4096

    [key_usage]                     # bits of RFC 5280, 4.2.1.3; where some are required the extension must be there
    required = ["digitalSignature"]
    forbidden = ["keyCertSign"]

    [extended_key_usage]            # purposes of RFC 5280, 4.2.1.12; left out: anything
    any_of = ["clientAuth"]         # one of them must be named, where the extension is there
    required = false                # true: the extension must be there
    of_cas = true                   # true: a CA whose extension names other purposes alone issues nothing, and where
                                    # any_of names several one must be that of the whole path; true

The three keys that begin with `initial` are inputs (e) to (g) of RFC 5280, 6.1.1.

The signature mode is fixed here, by issuer and purpose, and never read off a signature, since one RSA key can sign in
all of them.  The bare-hash mode (A') and the raw mode (B) let whoever chooses the challenge harvest a signature on a
document, so they are for class "auth" alone; a "sign" RSA key signs by RSASSA-PKCS1-v1_5 over a DigestInfo (A), or,
with `bare_hash_allowed`, in mode A' (docs/SECURITY.md).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from sekisho._native import ffi, lib
from sekisho.modes import Mode
from sekisho.names import normal_name

__all__ = ["Profile", "ProfileError", "shipped"]

Class: TypeAlias = Literal["auth", "sign", "other"]
LegalClass: TypeAlias = Literal["jpki", "accredited", "signature-verifier", "none"]
Revocation: TypeAlias = Literal["required", "soft", "off"]
Challenge: TypeAlias = Literal["own", "foreign"]

SIGNATURE_ALGORITHMS: Final[Mapping[str, int]] = {
    "rsassa-pkcs1-v1_5-sha256": 1,
    "rsassa-pkcs1-v1_5-sha384": 2,
    "rsassa-pkcs1-v1_5-sha512": 3,
    "rsassa-pss-sha256": 4,
    "rsassa-pss-sha384": 5,
    "rsassa-pss-sha512": 6,
    "ecdsa-sha256": 7,
    "ecdsa-sha384": 8,
    "ecdsa-sha512": 9,
    "ed25519": 10,
}
"""Signature algorithms of certificates, by their number in native/src/algorithm.h (`seki_signature_algorithm`)."""

KEY_USAGES: Final[Mapping[str, int]] = {
    name: 1 << bit
    for bit, name in enumerate(
        (
            "digitalSignature",
            "nonRepudiation",
            "keyEncipherment",
            "dataEncipherment",
            "keyAgreement",
            "keyCertSign",
            "cRLSign",
            "encipherOnly",
            "decipherOnly",
        )
    )
}
"""Bits of KeyUsage (RFC 5280, 4.2.1.3), as native/src/cert.h has them."""

EXTENDED_KEY_USAGES: Final[Mapping[str, int]] = {
    name: 1 << bit
    for bit, name in enumerate(
        (
            "anyExtendedKeyUsage",
            "serverAuth",
            "clientAuth",
            "codeSigning",
            "emailProtection",
            "timeStamping",
            "OCSPSigning",
        )
    )
}
"""Purposes of ExtendedKeyUsage (RFC 5280, 4.2.1.12), as native/src/cert.h has them."""

RSA_BITS_MIN: Final = 2048  # FIPS 186-5, 5.1
RSA_BITS_MAX: Final = 8192  # SEKI_RSA_BITS_MAX in native/src/spki.h
PATH_LENGTH_MAX: Final = 16  # SEKI_PATH_DEPTH_MAX in native/src/trust.h, the anchor left out
CLOCK_SKEW_MAX: Final = 300  # seconds; more would be another date, not another clock
REVOCATION_AGE_MAX: Final = 366 * 86400  # seconds; nobody publishes CRLs less than once a year

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME_LENGTH_MAX: Final = 64
_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_ANY_POLICY: Final = "2.5.29.32.0"
_KINDS: Final = {
    "rsa": {lib.SEKI_FAMILY_PKCS1, lib.SEKI_FAMILY_PKCS1_BARE, lib.SEKI_FAMILY_PKCS1_RAW, lib.SEKI_FAMILY_PSS},
    "p256": {lib.SEKI_FAMILY_ECDSA_DER, lib.SEKI_FAMILY_ECDSA_RAW},
    "p384": {lib.SEKI_FAMILY_ECDSA_DER, lib.SEKI_FAMILY_ECDSA_RAW},
    "ed25519": {lib.SEKI_FAMILY_ED25519},
}


class ProfileError(ValueError):
    """A profile is not as it must be; the message says where, and what to write instead."""


def shipped() -> tuple[str, ...]:
    """Names of the profiles that come with sekisho, for `Profile.load`."""
    folder = resources.files("sekisho") / "data" / "profiles"
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a valid certificate, and a valid login with it, is for a purpose.  See the module for every field.

    Made by `load`, `from_toml`, or from another by `dataclasses.replace`; all of them check it.  Lists of names are
    brought to one order, so that two profiles that mean the same are equal.

    Raises:
        ProfileError: a value that is not allowed, by itself or together with another.
    """

    name: str
    purpose: Class
    """``class`` in TOML."""
    signature_algorithms: tuple[str, ...]
    rsa_mode: Mode | None = None
    p256_mode: Mode | None = None
    p384_mode: Mode | None = None
    ed25519_mode: Mode | None = None
    issuers: tuple[str, ...] = ()
    legal_class: LegalClass = "none"
    rsa_bits_min: int = RSA_BITS_MIN
    rsa_bits_max: int = 4096
    key_usage_required: tuple[str, ...] = ()
    key_usage_forbidden: tuple[str, ...] = ()
    extended_key_usage: tuple[str, ...] = ()
    extended_key_usage_required: bool = False
    extended_key_usage_of_cas: bool = True
    policies: tuple[str, ...] = ()
    initial_explicit_policy: bool = False
    initial_policy_mapping_inhibit: bool = False
    initial_any_policy_inhibit: bool = False
    path_length_max: int = 0
    intermediates_max: int = lib.SEKI_INTERMEDIATES_DEFAULT
    ca_leaf_allowed: bool = False
    clock_skew: int = 0
    revocation: Revocation = "required"
    revocation_age_max: int = 0
    revocation_grace: int = 0
    revocation_same_key: bool = False
    challenge: Challenge = "own"
    test: bool = False
    bare_hash_allowed: bool = False
    unverified: tuple[str, ...] = field(default=(), compare=False)
    description_en: str = field(default="", compare=False)
    description_ja: str = field(default="", compare=False)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """A profile that comes with sekisho, by its name, or one of your own, by the path of its TOML file.

        Args:
            name_or_path: a path is what is no `str`, or ends in ``.toml``, or has a separator of paths in it.

        Raises:
            ProfileError: there is no shipped profile of that name, or the file's content is not a profile.
            OSError: the file cannot be read.
        """
        if not isinstance(name_or_path, str) or name_or_path.endswith(".toml") or os.sep in name_or_path:
            path = Path(name_or_path)
            try:
                return cls.from_toml(path.read_text(encoding="utf-8"))
            except (ProfileError, UnicodeDecodeError) as error:
                raise ProfileError(f"{path}: {error}") from None
        names = shipped()
        if name_or_path not in names:
            raise ProfileError(
                f"there is no shipped profile {name_or_path!r}{_nearest(name_or_path, names)}; for a file of your own, "
                "give its path, ending in .toml"
            )
        folder = resources.files("sekisho") / "data" / "profiles"
        return cls.from_toml((folder / f"{name_or_path}.toml").read_text(encoding="utf-8"))

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """A profile from TOML as the module describes it.

        Raises:
            ProfileError: not TOML, a key that is not known or not there, or a value that is not allowed.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ProfileError(f"this is not TOML: {error}") from None
        return cls(**dict(_flattened(document)))

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > _NAME_LENGTH_MAX:
            raise ProfileError(
                f"name: {self.name!r} must be lower-case words and numbers joined by dashes, at most 64 letters"
            )
        for what, allowed in (
            ("purpose", Class),
            ("legal_class", LegalClass),
            ("revocation", Revocation),
            ("challenge", Challenge),
        ):
            _one_of(_KEY_OF[what], getattr(self, what), get_args(allowed))
        for what, known in _LISTS.items():
            object.__setattr__(self, what, _list_of(_KEY_OF[what], getattr(self, what), known))
        object.__setattr__(self, "unverified", _list_of("unverified", self.unverified, _KEYS))
        object.__setattr__(self, "policies", _policies(self.policies))
        object.__setattr__(self, "issuers", _issuers(self.issuers))
        self._check_numbers()
        self._check_modes()
        self._check_agreement()

    def _check_numbers(self) -> None:
        _within("rsa_bits.min", self.rsa_bits_min, RSA_BITS_MIN, RSA_BITS_MAX)
        _within("rsa_bits.max", self.rsa_bits_max, self.rsa_bits_min, RSA_BITS_MAX)
        _within("path_length_max", self.path_length_max, 0, PATH_LENGTH_MAX)
        _within("intermediates_max", self.intermediates_max, 0, lib.SEKI_INTERMEDIATES_MAX)
        _within("clock_skew", self.clock_skew, 0, CLOCK_SKEW_MAX)
        _within("revocation_age_max", self.revocation_age_max, 0, REVOCATION_AGE_MAX)
        _within("revocation_grace", self.revocation_grace, 0, lib.SEKI_REVOCATION_GRACE_MAX)

    def _check_modes(self) -> None:
        for kind, mode in self._modes.items():
            if isinstance(mode, str):  # from a caller who wrote the mode's name
                object.__setattr__(self, f"{kind}_mode", _mode(f"modes.{kind}", mode))
        if not any(self._modes.values()):
            raise ProfileError(f"modes: name a signature mode for at least one of {', '.join(_KINDS)}")
        for kind, mode in self._modes.items():
            if mode is not None and mode & 0xFF not in _KINDS[kind]:
                raise ProfileError(f"modes.{kind}: {mode} is not a mode of such keys")
        rsa = None if self.rsa_mode is None else self.rsa_mode & 0xFF
        if rsa == lib.SEKI_FAMILY_PKCS1_RAW and self.purpose != "auth":
            raise ProfileError(
                f'modes.rsa: {self.rsa_mode} is for class "auth" alone: whoever chose the challenge would get a '
                'signature on a document of his own. Write "rsassa-pkcs1-v1_5-sha256"'
            )
        if rsa == lib.SEKI_FAMILY_PKCS1_BARE and self.purpose != "auth" and not self.bare_hash_allowed:
            hint = (
                "bare_hash_allowed = true if a channel that you trust hands over the hash"
                if self.purpose == "sign"
                else '"rsassa-pkcs1-v1_5-sha256"'
            )
            raise ProfileError(f'modes.rsa: {self.rsa_mode} is for class "auth" alone. Write {hint}')
        if rsa == lib.SEKI_FAMILY_PSS and self.purpose == "sign":
            raise ProfileError(
                f'modes.rsa: {self.rsa_mode} is not for class "sign", whose RSA keys sign by rsassa-pkcs1-v1_5-sha256 '
                "(or -sha384, -sha512)"
            )

    def _check_agreement(self) -> None:
        if self.bare_hash_allowed and self.purpose != "sign":
            raise ProfileError('bare_hash_allowed: only class "sign" has use for it; leave it out')
        if not self.signature_algorithms:
            raise ProfileError("signature_algorithms: name at least one, or every certificate is refused")
        if both := set(self.key_usage_required) & set(self.key_usage_forbidden):
            raise ProfileError(f"key_usage: {', '.join(sorted(both))} cannot be both required and forbidden")
        if self.extended_key_usage_required and not self.extended_key_usage:
            raise ProfileError("extended_key_usage: where it is required, any_of must name a purpose")
        if not self.extended_key_usage_of_cas and not self.extended_key_usage:
            raise ProfileError(
                "extended_key_usage.of_cas: where any_of names no purpose there is nothing to switch off"
            )
        if self.revocation == "off" and not self.test:
            raise ProfileError(
                'revocation: "off" is for test profiles (test = true) alone: without revocation data nobody can say '
                'that a certificate is good. Write "required"'
            )
        if self.revocation == "off" and (self.revocation_age_max or self.revocation_grace or self.revocation_same_key):
            raise ProfileError('revocation: with "off" nothing is looked at; leave out what else is said of revocation')
        if self.test and self.legal_class != "none":
            raise ProfileError('legal_class: a test profile has none; leave it out, or write "none"')

    @property
    def _modes(self) -> dict[str, Mode | None]:
        return {"rsa": self.rsa_mode, "p256": self.p256_mode, "p384": self.p384_mode, "ed25519": self.ed25519_mode}

    @property
    def description(self) -> dict[str, str]:
        """What it is for, by language: ``en``, ``ja``."""
        return {"en": self.description_en, "ja": self.description_ja}

    @cached_property
    def id(self) -> int:
        """64 bits, not 0, that differ for profiles that differ in anything that decides a verdict, or in name.

        The first eight bytes, big-endian, of SHA-256 over "sekisho profile 1", a zero byte and all fields but the
        description and `unverified`, as JSON with sorted keys, modes by name.  The core keeps verdicts on paths by it.
        """
        values = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in ("description_en", "description_ja", "unverified")
        }
        for kind, mode in self._modes.items():
            values[f"{kind}_mode"] = None if mode is None else str(mode)
        form = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return int.from_bytes(_digest(form)[:8], "big") or 1

    @cached_property
    def id32(self) -> int:
        """The profile's number in challenges of our own: 32 bits of its name, so they outlive a change of the profile.

        The first four bytes, big-endian, of SHA-256 over "sekisho profile 1", a zero byte and the name.
        """
        return int.from_bytes(_digest(self.name)[:4], "big")

    def to_native(self) -> Any:
        """A `seki_profile *` that says the same, but for `issuers`.

        Those the core takes beside it, by certificate of a trust store.  It copies the profile; nobody need keep it.
        """
        native = ffi.new("seki_profile *")
        native.id = self.id
        for kind, mode in self._modes.items():
            setattr(native, f"{kind}_mode", 0 if mode is None else int(mode))
        native.rsa_bits_min = self.rsa_bits_min
        native.rsa_bits_max = self.rsa_bits_max
        native.signature_algorithms = sum(1 << SIGNATURE_ALGORITHMS[one] for one in self.signature_algorithms)
        native.key_usage_required = sum(KEY_USAGES[one] for one in self.key_usage_required)
        native.key_usage_forbidden = sum(KEY_USAGES[one] for one in self.key_usage_forbidden)
        native.extended_key_usage = sum(EXTENDED_KEY_USAGES[one] for one in self.extended_key_usage)
        native.extended_key_usage_required = self.extended_key_usage_required
        native.ca_purposes_ignored = not self.extended_key_usage_of_cas
        native.initial_explicit_policy = self.initial_explicit_policy
        native.initial_policy_mapping_inhibit = self.initial_policy_mapping_inhibit
        native.initial_any_policy_inhibit = self.initial_any_policy_inhibit
        native.path_length_max = self.path_length_max
        native.intermediates_max = self.intermediates_max
        native.ca_leaf_allowed = self.ca_leaf_allowed
        native.revocation = _REVOCATION[self.revocation]
        native.revocation_age_max = self.revocation_age_max
        native.revocation_grace = self.revocation_grace
        native.revocation_same_key = self.revocation_same_key
        native.challenge = {"own": lib.SEKI_CHALLENGE_OWN, "foreign": lib.SEKI_CHALLENGE_FOREIGN}[self.challenge]
        native.policy_count = len(self.policies)
        for place, policy in enumerate(self.policies):
            content = _oid_content(policy)
            native.policies[place].length = len(content)
            native.policies[place].bytes = content
        native.clock_skew = self.clock_skew
        return native


_REVOCATION: Final[Mapping[str, int]] = {
    "off": lib.SEKI_REVOCATION_OFF,
    "required": lib.SEKI_REVOCATION_REQUIRED,
    "soft": lib.SEKI_REVOCATION_SOFT,
}

_LISTS: Final[Mapping[str, Collection[str]]] = {
    "signature_algorithms": SIGNATURE_ALGORITHMS,
    "key_usage_required": KEY_USAGES,
    "key_usage_forbidden": KEY_USAGES,
    "extended_key_usage": EXTENDED_KEY_USAGES,
}

# ---- reading TOML ------------------------------------------------------------------------------

# A key in TOML: the field it fills, and what its value must be.
_KEYS: Final[Mapping[str, tuple[str, type]]] = {
    "name": ("name", str),
    "class": ("purpose", str),
    "legal_class": ("legal_class", str),
    "issuers": ("issuers", list),
    "signature_algorithms": ("signature_algorithms", list),
    "policies": ("policies", list),
    "initial_explicit_policy": ("initial_explicit_policy", bool),
    "initial_policy_mapping_inhibit": ("initial_policy_mapping_inhibit", bool),
    "initial_any_policy_inhibit": ("initial_any_policy_inhibit", bool),
    "path_length_max": ("path_length_max", int),
    "intermediates_max": ("intermediates_max", int),
    "ca_leaf_allowed": ("ca_leaf_allowed", bool),
    "clock_skew": ("clock_skew", int),
    "revocation": ("revocation", str),
    "revocation_age_max": ("revocation_age_max", int),
    "revocation_grace": ("revocation_grace", int),
    "revocation_same_key": ("revocation_same_key", bool),
    "challenge": ("challenge", str),
    "test": ("test", bool),
    "bare_hash_allowed": ("bare_hash_allowed", bool),
    "unverified": ("unverified", list),
    "description.en": ("description_en", str),
    "description.ja": ("description_ja", str),
    "modes.rsa": ("rsa_mode", Mode),
    "modes.p256": ("p256_mode", Mode),
    "modes.p384": ("p384_mode", Mode),
    "modes.ed25519": ("ed25519_mode", Mode),
    "rsa_bits.min": ("rsa_bits_min", int),
    "rsa_bits.max": ("rsa_bits_max", int),
    "key_usage.required": ("key_usage_required", list),
    "key_usage.forbidden": ("key_usage_forbidden", list),
    "extended_key_usage.any_of": ("extended_key_usage", list),
    "extended_key_usage.required": ("extended_key_usage_required", bool),
    "extended_key_usage.of_cas": ("extended_key_usage_of_cas", bool),
}
_TABLES: Final = {key.split(".")[0] for key in _KEYS if "." in key}
_REQUIRED: Final = ("name", "class", "signature_algorithms", "modes")
_KEY_OF: Final = {what: key for key, (what, _) in _KEYS.items()}
_KIND_NAMES: Final = {str: "a string", int: "a whole number", bool: "true or false", list: "a list of strings"}


def _flattened(document: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    if missing := [key for key in _REQUIRED if key not in document]:
        raise ProfileError(f"{missing[0]}: must be given")
    for key, value in document.items():
        if key in _TABLES:
            if not isinstance(value, dict):
                raise ProfileError(f"{key}: must be a table, [{key}]")
            inner = [one.partition(".")[2] for one in _KEYS if one.startswith(f"{key}.")]
            for name, part in value.items():
                if name not in inner:
                    raise ProfileError(f"{key}.{name}: there is no such key{_nearest(name, inner)}")
                yield _field(f"{key}.{name}", part)
        elif key not in _KEYS:
            raise ProfileError(f"{key}: there is no such key{_nearest(key, [*_KEYS, *_TABLES])}")
        else:
            yield _field(key, value)


def _field(key: str, value: Any) -> tuple[str, Any]:
    name, kind = _KEYS[key]
    if kind is Mode:
        if not isinstance(value, str):
            raise ProfileError(f"{key}: must be the name of a mode, as a string")
        return name, _mode(key, value)
    parts = value if isinstance(value, list) else ()
    if type(value) is not kind or not all(isinstance(part, str) for part in parts):
        raise ProfileError(f"{key}: must be {_KIND_NAMES[kind]}, not {value!r}")
    return name, tuple(parts) if kind is list else value


def _nearest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


# ---- checking values ---------------------------------------------------------------------------


def _mode(key: str, name: str) -> Mode:
    try:
        return Mode.parse(name)
    except ValueError as error:
        raise ProfileError(f"{key}: {error}") from None


def _one_of(key: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ProfileError(f"{key}: must be one of {', '.join(allowed)}, not {value!r}")


def _within(key: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ProfileError(f"{key}: must be a whole number from {least} to {most}, not {value!r}")


def _list_of(key: str, values: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """The same names in the order of `known`."""
    values = list(values)
    for value in values:
        if value not in known:
            raise ProfileError(f"{key}: {value!r} is not known{_nearest(value, known)}")
    _no_twins(key, values)
    return tuple(one for one in known if one in values)


def _no_twins(key: str, values: list[str]) -> None:
    if twice := [value for value in values if values.count(value) > 1]:
        raise ProfileError(f"{key}: {twice[0]!r} stands there twice")


def _policies(values: Iterable[str]) -> tuple[str, ...]:
    values = list(values)
    if len(values) > lib.SEKI_PROFILE_POLICIES_MAX:
        raise ProfileError(f"policies: at most {lib.SEKI_PROFILE_POLICIES_MAX}, not {len(values)}")
    for value in values:
        if not _OID.fullmatch(value):
            raise ProfileError(f"policies: {value!r} is not an OID in dotted form, as in 1.2.392.200149.8.5.1.3.30")
        if value == _ANY_POLICY:
            raise ProfileError("policies: anyPolicy is not a policy to demand; leave `policies` out to take any")
        _oid_content(value)
    _no_twins("policies", values)
    return tuple(sorted(values, key=lambda oid: [int(arc) for arc in oid.split(".")]))


def _issuers(values: Iterable[str]) -> tuple[str, ...]:
    names = []
    for value in values:
        try:
            names.append(normal_name(value))
        except ValueError as error:
            raise ProfileError(f"issuers: {error}") from None
        if not names[-1]:
            raise ProfileError("issuers: an empty name names nobody; leave `issuers` out to take any trusted CA")
    _no_twins("issuers", names)
    return tuple(sorted(names))


def _oid_content(oid: str) -> bytes:
    """Content octets of an OBJECT IDENTIFIER (X.690, 8.19)."""
    first, second, *rest = (int(arc) for arc in oid.split("."))
    if first < 2 and second > 39:
        raise ProfileError(f"policies: {oid} is no OID: below 0 and 1 the second number is at most 39")
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    if len(content) > lib.SEKI_OID_SIZE_MAX:
        raise ProfileError(f"policies: {oid} is longer than {lib.SEKI_OID_SIZE_MAX} bytes")
    return bytes(content)


def _digest(text: str) -> bytes:
    return hashlib.sha256(b"sekisho profile 1\0" + text.encode("utf-8")).digest()
