"""Which profiles would take a certificate, and every reason why one would not.

The engine stops at the first fault, as it must; a person wants to know them all.  This says what the certificate by
itself says: neither the issuer's signature nor revocation is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5280

from sekisho.cli.base import instant
from sekisho.cli.parts import Parts
from sekisho.names import name_string
from sekisho.profiles import EXTENDED_KEY_USAGES, KEY_USAGES, SIGNATURE_ALGORITHMS, Profile
from sekisho.reasons import Reason

__all__ = ["Objection", "objections"]

_EXTENDED_KEY_USAGE, _POLICIES, _ANY_POLICY = "2.5.29.37", "2.5.29.32", "2.5.29.32.0"
_NAME_CONSTRAINTS: Final = "2.5.29.30"
_EXPONENT_MIN: Final = 65537  # docs/ARCHITECTURE.md: profiles of certificates want no smaller one


@dataclass(frozen=True)
class Objection:
    """One thing that speaks against a certificate: the reason, and what exactly."""

    reason: Reason
    why: str
    personal: bool = False
    """Whether `why` says something about the holder: a JPKI certificate ends on a birthday."""


def objections(parts: Parts, profile: Profile, at: int) -> list[Objection]:
    """All that speaks against the certificate at `at` (seconds since 1970), in the order in which the engine looks."""
    if parts.reason is not None:
        return [Objection(parts.reason, f"at offset {parts.fault}")]
    return [*_form(parts, profile, at), *_key(parts, profile), *_usage(parts, profile), *_names(parts, profile)]


def _form(parts: Parts, profile: Profile, at: int) -> Iterator[Objection]:
    for one in parts.extensions:
        if one.critical and not one.known:
            yield Objection(Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL, one.oid)
    if parts.is_ca:
        yield Objection(Reason.LEAF_IS_CA, "a CA's certificate, not a holder's")
    if parts.extension(_NAME_CONSTRAINTS) is not None:
        yield Objection(Reason.NAME_CONSTRAINTS, "constrains names, which only a CA's may")
    if at < parts.not_before - profile.clock_skew:
        yield Objection(Reason.NOT_YET_VALID, f"begins at {instant(parts.not_before)}", personal=True)
    if at > parts.not_after + profile.clock_skew:
        yield Objection(Reason.EXPIRED, f"ended at {instant(parts.not_after)}", personal=True)
    algorithms = {number: name for name, number in SIGNATURE_ALGORITHMS.items()}
    algorithm = algorithms.get(parts.signature_algorithm, "an algorithm not known here")
    if algorithm not in profile.signature_algorithms:
        yield Objection(Reason.ALGORITHM_NOT_ALLOWED, f"signed with {algorithm}")


def _key(parts: Parts, profile: Profile) -> Iterator[Objection]:
    if parts.key_reason is not None:
        yield Objection(parts.key_reason, parts.key_reason.english)
        return
    modes = {
        "RSA": profile.rsa_mode,
        "P-256": profile.p256_mode,
        "P-384": profile.p384_mode,
        "Ed25519": profile.ed25519_mode,
    }
    if modes[parts.key_kind] is None:
        yield Objection(Reason.KEY_MODE_MISMATCH, f"it takes no {parts.key_kind} keys")
    if parts.key_kind != "RSA":
        return
    if parts.key_bits < profile.rsa_bits_min:
        yield Objection(Reason.KEY_TOO_SMALL, f"{parts.key_bits} bits, at least {profile.rsa_bits_min}")
    if parts.key_bits > profile.rsa_bits_max:
        yield Objection(Reason.KEY_TOO_LARGE, f"{parts.key_bits} bits, at most {profile.rsa_bits_max}")
    if parts.key_exponent < _EXPONENT_MIN:
        yield Objection(Reason.KEY_EXPONENT, f"exponent {parts.key_exponent}, at least {_EXPONENT_MIN}")


def _usage(parts: Parts, profile: Profile) -> Iterator[Objection]:
    usages = {name for name, bit in KEY_USAGES.items() if parts.key_usage & bit}
    lacking = [name for name in profile.key_usage_required if name not in usages]
    forbidden = [name for name in profile.key_usage_forbidden if name in usages]
    if lacking:
        yield Objection(Reason.KEY_USAGE, f"lacks {', '.join(lacking)}")
    if forbidden:
        yield Objection(Reason.KEY_USAGE, f"has {', '.join(forbidden)}")
    purposes = {name for name, bit in EXTENDED_KEY_USAGES.items() if parts.extended_key_usage & bit}
    wanted = " or ".join(profile.extended_key_usage)
    if parts.extension(_EXTENDED_KEY_USAGE) is None:
        if profile.extended_key_usage_required:
            yield Objection(Reason.EXTENDED_KEY_USAGE, f"no purpose named; {wanted} must be")
    elif wanted and not purposes & set(profile.extended_key_usage):
        yield Objection(Reason.EXTENDED_KEY_USAGE, f"not for {wanted}")


def _names(parts: Parts, profile: Profile) -> Iterator[Objection]:
    # With CAs in between, an allowed one may stand higher up, and policies may be mapped: only a path tells.
    direct = profile.path_length_max == 0
    try:
        issuer = name_string(parts.issuer.content)
    except ValueError:
        issuer = ""
    if profile.issuers and direct and issuer not in profile.issuers:
        yield Objection(Reason.ISSUER_NOT_ALLOWED, "its issuer is none of the profile's CAs")
    policies = _policies(parts)
    if profile.policies and (direct or not policies) and not policies & {*profile.policies, _ANY_POLICY}:
        yield Objection(Reason.POLICY, f"not under {' or '.join(profile.policies)}")


def _policies(parts: Parts) -> set[str]:
    extension = parts.extension(_POLICIES)
    if extension is None:
        return set()
    try:
        found, _ = decoder.decode(extension.value.content, asn1Spec=rfc5280.CertificatePolicies())
    except PyAsn1Error:
        return set()
    return {str(one["policyIdentifier"]) for one in found}
