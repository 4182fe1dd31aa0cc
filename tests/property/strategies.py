"""Hypothesis strategies that build certificates and chains, not only bytes.

What is drawn is small and shrinks: depth, kinds of keys, names of mutations (certificates.py), and one number that decides
the values inside of them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st
from tests.property.certificates import AKI, CA_MUTATIONS, LEAF_MUTATIONS, Draft, Ext, Place, mutate_bytes, name
from tests.property.chains import PROFILES, Batch, Maker
from tests.property.keys import Signer, pool

from sekisho.profiles import Profile
from sekisho.testing import AT, der

__all__ = ["Chain", "chains", "leaf_bytes", "profiles"]

KINDS: Final = ("rsa2048", "p256", "p384", "ed25519")


@dataclass(frozen=True)
class Chain:
    """One way up, leaf by leaf.

    Attributes:
        anchor: the trust anchor.
        cas: intermediates, the one below the anchor first.
        leaves: certificates of holders under the last of them (or the anchor), some good, some mutated.
        good: a leaf under the same issuer that nothing was done to.
    """

    anchor: bytes = field(repr=False)
    cas: tuple[bytes, ...] = field(repr=False)
    leaves: tuple[bytes, ...] = field(repr=False)
    good: bytes = field(repr=False)
    notes: tuple[str, ...]

    @property
    def sent(self) -> bytes:
        """The intermediates as a login brings them: the leaf's issuer first."""
        return b"".join(self.cas[::-1])


def profiles() -> st.SearchStrategy[Profile]:
    """Profiles of chains.py."""
    return st.sampled_from(PROFILES).map(lambda name: Batch(name, AT, [], []).profile)


@st.composite
def leaf_bytes(draw: st.DrawFn) -> bytes:
    """A certificate that was mutated, field by field or byte by byte, and signed before or after."""
    chain = draw(chains(leaves=1))
    chance = random.Random(draw(st.integers(0, 1 << 16)))
    return mutate_bytes(chance, chain.leaves[0]) if draw(st.booleans()) else chain.leaves[0]


@st.composite
def chains(draw: st.DrawFn, leaves: int = 4) -> Chain:
    """An anchor, up to three intermediates, and leaves under the lowest."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    chance = random.Random(draw(st.integers(0, 1 << 16)))
    maker = Maker(chance, AT, draw(st.sampled_from(["plain", "policy"])))
    keys: list[Signer] = [pool().by_kind[kind][place] for place, kind in enumerate(kinds)]
    names = [name(f"level {level}") for level in range(len(kinds))]
    drafts = [maker.ca(names[0], keys[0], names[0], keys[0], root=True)]
    for level in range(1, len(kinds)):
        drafts.append(maker.ca(names[level], keys[level], names[level - 1], keys[level - 1]))
    notes = []
    for level, draft in enumerate(drafts):
        for mutation in (
            draw(st.lists(st.sampled_from(sorted(CA_MUTATIONS)), max_size=1)) if draw(st.booleans()) else []
        ):
            place = Place(AT, len(kinds) - 1 - level, names, draft.signer)
            CA_MUTATIONS[mutation][1](chance, draft, place)
            notes.append(f"ca{level}:{mutation}")
    sealed = [draft.sealed() for draft in drafts]
    good = _leaf(chance, names[-1], keys[-1])
    made = []
    for number in range(leaves):
        draft = _leaf(chance, names[-1], keys[-1])
        for mutation in draw(st.lists(st.sampled_from(sorted(LEAF_MUTATIONS)), max_size=2)):
            LEAF_MUTATIONS[mutation][1](chance, draft, Place(AT, -1, names, keys[-1]))
            notes.append(f"leaf{number}:{mutation}")
        made.append(draft.sealed())
    return Chain(sealed[0], tuple(sealed[1:]), tuple(made), good.sealed(), tuple(notes))


def _leaf(chance: random.Random, issuer: bytes, signer: Signer) -> Draft:
    key = pool().pick(chance, chance.choice(KINDS))
    draft = Maker(chance, AT, "plain").holder(issuer, signer, key)
    draft.put(Ext(AKI, False, der.sequence(der.context_primitive(0, signer.key_id))))
    return draft
