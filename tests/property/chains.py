"""Families of certificates, made in bulk by a seed: anchors, intermediates that are configured or sent, and leaves under them.

A batch is what one trust store judges at one time, by the profile that it was made for and by another.  Families of a batch
have names of their own, so each is a trust store of its own to whoever looks at one case.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from tests.property.certificates import _NAMES as ALTERNATIVE_NAMES
from tests.property.certificates import (
    AKI,
    ANY_POLICY,
    BC,
    CA_MUTATIONS,
    DAY,
    EKU,
    LEAF_MUTATIONS,
    P1,
    P2,
    P3,
    POL,
    SAN,
    SKI,
    Draft,
    Ext,
    Mutation,
    Place,
    key_usage,
    mutate_bytes,
    name,
    policies,
)
from tests.property.keys import Signer, pool

from sekisho.profiles import SIGNATURE_ALGORITHMS, Profile
from sekisho.testing import AT, der

__all__ = ["PROFILES", "Batch", "Case", "Family", "Maker", "make_batch"]

FAMILIES: Final = 16
_PLAIN: Final = Profile(
    name="differential-plain",
    purpose="auth",
    signature_algorithms=tuple(SIGNATURE_ALGORITHMS),
    rsa_mode="rsassa-pkcs1-v1_5-sha256",  # type: ignore[arg-type]
    p256_mode="ecdsa-sha256-der",  # type: ignore[arg-type]
    p384_mode="ecdsa-sha384-der",  # type: ignore[arg-type]
    ed25519_mode="ed25519",  # type: ignore[arg-type]
    path_length_max=7,
    revocation="off",
    challenge="foreign",
    test=True,
)


def _anchor_name(number: int) -> bytes:
    return name(f"anchor {number}")


@cache
def _profiles() -> dict[str, tuple[int, Profile]]:
    return {
        "plain": (6, _PLAIN),
        "policy": (4, replace(_PLAIN, name="differential-policy", policies=(P1, P2))),
        "login": (
            3,
            replace(
                _PLAIN,
                name="differential-login",
                key_usage_required=("digitalSignature",),
                key_usage_forbidden=("keyCertSign", "cRLSign"),
                extended_key_usage=("clientAuth",),
                path_length_max=2,
            ),
        ),
        "skew": (1, replace(_PLAIN, name="differential-skew", clock_skew=60)),
        "narrow": (
            2,
            replace(
                _PLAIN,
                name="differential-narrow",
                signature_algorithms=("rsassa-pkcs1-v1_5-sha256", "ecdsa-sha256"),
                p384_mode=None,
                ed25519_mode=None,
                path_length_max=1,
                rsa_bits_max=2048,
                extended_key_usage=("clientAuth", "emailProtection"),
                extended_key_usage_required=True,
            ),
        ),
        # For logins alone: the modes in which an RSA key signs (docs/SECURITY.md).
        "bare": (0, replace(_PLAIN, name="differential-bare", rsa_mode="rsassa-pkcs1-v1_5-bare-sha256")),
        "raw": (0, replace(_PLAIN, name="differential-raw", rsa_mode="rsassa-pkcs1-v1_5-raw")),
        "pss": (
            0,
            replace(_PLAIN, name="differential-pss", rsa_mode="rsassa-pss-sha256", p256_mode="ecdsa-sha256-raw"),
        ),
        "own": (0, replace(_PLAIN, name="differential-own", challenge="own")),
        "issuers": (
            1,
            replace(
                _PLAIN,
                name="differential-issuers",
                issuers=tuple(f"CN=anchor {number},O=Differential,C=JP" for number in range(FAMILIES // 2)),
            ),
        ),
    }


PROFILES: Final = ("plain", "policy", "login", "skew", "narrow", "issuers")


@dataclass(slots=True)
class Family:
    """One hierarchy of a batch.

    Attributes:
        anchors, configured, sent: certificates in DER.  What is configured stands in the store.
        issuers: whoever may sign a leaf: subject, key; the last one usually does.
        names: names of the hierarchy, anchor first.
        notes: what was done to it.
    """

    number: int
    anchors: list[bytes] = field(default_factory=list)
    configured: list[bytes] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    issuers: list[tuple[bytes, Signer]] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Case:
    """One certificate to judge."""

    family: Family
    leaf: bytes
    sent: list[bytes]
    notes: tuple[str, ...]
    key: Signer | None = None  # the holder's, unless a mutation put another into the certificate


@dataclass(slots=True)
class Batch:
    profile_name: str
    at: int
    families: list[Family]
    cases: list[Case]
    also: tuple[str, ...] = ()  # other profiles that are to judge the same certificates

    @property
    def profile(self) -> Profile:
        return _profiles()[self.profile_name][1]


# ---- choices -------------------------------------------------------------------------------------------


class _Weighted:
    """Mutations by weight."""

    def __init__(self, table: dict[str, tuple[int, Mutation]]) -> None:
        self.names = list(table)
        self.mutations = {key: mutation for key, (_, mutation) in table.items()}
        self.spread = [key for key, (weight, _) in table.items() for _ in range(weight)]

    def apply(self, chance: random.Random, draft: Draft, place: Place) -> str:
        key = chance.choice(self.spread)
        self.mutations[key](chance, draft, place)
        return key


_CA: Final = _Weighted(CA_MUTATIONS)
_LEAF: Final = _Weighted(LEAF_MUTATIONS)
# OpenSSL needs a millisecond for a signature of P-384: a few of them are enough.
_CA_KINDS: Final = ["rsa2048"] * 46 + ["p256"] * 14 + ["p384", "rsa3072", "ed25519", "ed25519"]
_LEAF_KINDS: Final = ["rsa2048"] * 7 + ["p256"] * 10 + ["p384", "ed25519", "rsa3072"]
_SHAPES: Final = [""] * 12 + [
    "two-generations",
    "cross",
    "self-issued",
    "loop",
    "same-name",
    "expired-twin",
    "bare-anchor",
    "anchor-sent",
    "same-key",
    "decoy",
]
_BROAD: Final = (DAY * 30, DAY * 30)


# ---- families ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Maker:
    """Makes certificates for one time and one profile."""

    chance: random.Random
    at: int
    profile: str

    def ca(self, subject: bytes, key: Signer, issuer: bytes, signer: Signer, *, root: bool = False) -> Draft:
        chance = self.chance
        extensions = [
            Ext(BC, True, der.sequence(der.TRUE)),
            key_usage(0x60),
            Ext(SKI, False, der.octet_string(key.key_id)),
        ]
        if not root:
            extensions.append(Ext(AKI, False, der.sequence(der.context_primitive(0, signer.key_id))))
            if self.profile == "policy":
                oids = chance.choice([(P1,), (P1, P2), (ANY_POLICY,), (P2, P3)])
                extensions.append(Ext(POL, chance.random() < 0.3, policies(*oids)))
        return Draft(
            subject=subject,
            issuer=issuer,
            spki=key.spki,
            signer=signer,
            extensions=extensions,
            serial=der.integer(chance.getrandbits(62) + 1),
            not_before=der.time_of(self.at - _BROAD[0]),
            not_after=der.time_of(self.at + _BROAD[1]),
        )

    def family(self, number: int) -> Family:
        chance = self.chance
        depth = chance.choice([0, 0, 1, 1, 1, 1, 2, 2, 2, 3])
        names = [_anchor_name(number)] + [name(f"ca {number} {level}") for level in range(depth)]
        keys = [pool().pick(chance, chance.choice(_CA_KINDS)) for _ in names]
        made = Family(number, names=names)
        chain = [self.ca(names[0], keys[0], names[0], keys[0], root=True)]
        for level in range(1, depth + 1):
            chain.append(self.ca(names[level], keys[level], names[level - 1], keys[level - 1]))
        extra_anchors: list[Draft] = []
        extra: list[Draft] = []
        shape = chance.choice(_SHAPES)
        made.issuers = list(zip(names, keys, strict=True))
        self._shape(shape, keys, (extra_anchors, extra), made)
        notes = [f"shape:{shape}"] if shape else []
        for _ in range(chance.choice([0, 0, 0, 0, 1, 1, 1, 2])):
            every = chain + extra
            level = chance.randrange(len(every))
            place = Place(self.at, max(0, depth - level), names, every[level].signer, self.profile == "policy")
            notes.append(f"ca{level}:{_CA.apply(chance, every[level], place)}")
        sealed = [self._sealed(draft, notes) for draft in chain]
        others = [self._sealed(draft, notes) for draft in extra]
        made.anchors = [sealed[0], *(draft.sealed() for draft in extra_anchors)]
        below = sealed[1:]
        if shape == "bare-anchor" and below:  # the anchor is not self-signed: the root above it is not known
            made.anchors, below = [below[0]], below[1:]
        how = chance.random()
        split = len(below) if how < 0.45 else 0 if how < 0.8 else chance.randrange(len(below) + 1)
        made.configured, made.sent = below[:split], below[split:][::-1]
        for one in others:
            (made.configured if chance.random() < 0.5 else made.sent).append(one)
        if shape == "anchor-sent":
            made.sent.append(made.anchors[0])
        made.notes = tuple(notes)
        return made

    def _shape(self, shape: str, keys: list[Signer], added: tuple[list[Draft], list[Draft]], made: Family) -> None:
        """More certificates than a plain chain has: what paths are built among."""
        names, (extra_anchors, extra) = made.names, added
        chance, depth = self.chance, len(names) - 1
        other = pool().pick(chance, chance.choice(_CA_KINDS))
        if shape == "two-generations":
            extra_anchors.append(self.ca(names[0], other, names[0], other, root=True))
            made.issuers.append((names[0], other))
        elif shape == "cross":
            top = name(f"cross {made.number}")
            extra_anchors.append(self.ca(top, other, top, other, root=True))
            extra.append(self.ca(names[depth], keys[depth], top, other))
        elif shape == "self-issued":
            extra.append(self.ca(names[depth], other, names[depth], keys[depth]))
            made.issuers.append((names[depth], other))
        elif shape == "loop" and depth:
            extra.append(self.ca(names[depth - 1], keys[depth - 1], names[depth], keys[depth]))
        elif shape == "same-name" and depth:
            extra.append(self.ca(names[depth], other, names[depth - 1], keys[depth - 1]))
            if chance.random() < 0.5:
                made.issuers.append((names[depth], other))
        elif shape == "expired-twin" and depth:
            twin = self.ca(names[depth], keys[depth], names[depth - 1], keys[depth - 1])
            twin.not_before, twin.not_after = der.time_of(self.at - 9 * DAY), der.time_of(self.at - DAY)
            extra.append(twin)
        elif shape == "same-key" and depth:
            extra.append(self.ca(name(f"same key {made.number}"), keys[depth], names[depth - 1], keys[depth - 1]))
            made.issuers.append((name(f"same key {made.number}"), keys[depth]))
        elif shape == "decoy":  # the right name, and a signature by somebody else
            extra.append(self.ca(names[depth], other, names[0], pool().pick(chance, "p256")))

    def _sealed(self, draft: Draft, notes: list[str]) -> bytes:
        chance = self.chance
        tbs = draft.tbs()
        which = chance.random()
        if which < 0.02:
            notes.append("ca:tbs-bytes")
            tbs = mutate_bytes(chance, tbs)
        whole = draft.sealed(tbs)
        if which > 0.99:
            notes.append("ca:bytes")
            whole = mutate_bytes(chance, whole)
        return whole

    # ---- leaves

    def leaf(self, family: Family) -> tuple[bytes, list[str], Signer]:
        chance = self.chance
        issuer, signer = family.issuers[-1] if chance.random() < 0.75 else chance.choice(family.issuers)
        if chance.random() < 0.75 and len(family.names) <= len(family.issuers):
            issuer, signer = family.issuers[len(family.names) - 1]
        key = pool().pick(chance, chance.choice(_LEAF_KINDS))
        draft = self.holder(issuer, signer, key)
        notes: list[str] = []
        place = Place(self.at, -1, family.names, signer, self.profile == "policy")
        for _ in range(chance.choice([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3])):
            notes.append(_LEAF.apply(chance, draft, place))
        tbs = draft.tbs()
        which = chance.random()
        if which < 0.12:
            notes.append("tbs-bytes")
            tbs = mutate_bytes(chance, tbs)
        whole = draft.sealed(tbs)
        if which > 0.94:
            notes.append("bytes")
            whole = mutate_bytes(chance, whole)
        return whole, notes, key

    def holder(self, issuer: bytes, signer: Signer, key: Signer) -> Draft:
        """A leaf that nothing was done to."""
        chance = self.chance
        extensions = [
            key_usage(chance.choice([1, 1, 1, 3, 5])),
            Ext(SKI, False, der.octet_string(key.key_id)),
            Ext(AKI, False, der.sequence(der.context_primitive(0, signer.key_id))),
        ]
        if self.profile == "policy" or chance.random() < 0.2:
            oids = chance.choice([(P1,), (P1,), (P2,), (P1, P2), (P3,)])
            extensions.append(Ext(POL, chance.random() < 0.3, policies(*oids)))
        if self.profile in ("login", "narrow") or chance.random() < 0.2:
            extensions.append(Ext(EKU, False, der.sequence(der.oid("1.3.6.1.5.5.7.3.2"))))
        if chance.random() < 0.25:
            extensions.append(
                Ext(SAN, False, der.sequence(*chance.sample(ALTERNATIVE_NAMES, chance.choice([1, 1, 2]))))
            )
        return Draft(
            subject=name("holder"),
            issuer=issuer,
            spki=key.spki,
            signer=signer,
            extensions=extensions,
            serial=der.integer(chance.getrandbits(62) + 1),
            not_before=der.time_of(self.at - DAY),
            not_after=der.time_of(self.at + DAY),
        )

    def sent(self, family: Family, families: list[Family], notes: list[str]) -> list[bytes]:
        chance = self.chance
        sent = list(family.sent)
        which = chance.random()
        if which < (0.6 if sent else 0.93):
            return sent
        if which < 0.7:
            chance.shuffle(sent)
        elif which < 0.76 and sent:
            notes.append("sent:omitted")
            del sent[chance.randrange(len(sent))]
        elif which < 0.84:
            notes.append("sent:stray")
            strays = [one for other in families for one in (*other.configured, *other.sent, *other.anchors)]
            sent.insert(chance.randrange(len(sent) + 1), chance.choice(strays))
        elif which < 0.88:
            notes.append("sent:anchor")
            sent.insert(chance.randrange(len(sent) + 1), chance.choice(family.anchors))
        elif which < 0.92 and sent:
            notes.append("sent:twice")
            sent.append(chance.choice(sent))
        elif which < 0.97 and sent:
            notes.append("sent:bytes")
            at = chance.randrange(len(sent))
            sent[at] = mutate_bytes(chance, sent[at])
        elif family.configured:
            notes.append("sent:configured")
            sent.append(chance.choice(family.configured))
        else:
            notes.append("sent:many")
            sent = (sent + family.anchors + family.configured)[:1] * 5 + sent
        return sent


def make_batch(seed: object, number: int, count: int, profile_name: str = "") -> Batch:
    """Batch `number` of a seed: the same arguments make the same bytes."""
    chance = random.Random(f"{seed}/{number}")
    if not profile_name:
        every = _profiles()
        profile_name = chance.choice([key for key, (weight, _) in every.items() for _ in range(weight)])
    maker = Maker(chance, AT, profile_name)
    families = [maker.family(index) for index in range(FAMILIES)]
    cases = []
    for _ in range(count):
        family = chance.choice(families)
        leaf, notes, key = maker.leaf(family)
        sent = maker.sent(family, families, notes)
        cases.append(Case(family, leaf, sent, tuple(notes), key))
    others = [key for key in PROFILES if key != profile_name]
    return Batch(profile_name, AT, families, cases, (chance.choice(others),))
