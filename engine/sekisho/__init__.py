"""sekisho verifies certificate logins in bulk: challenge, signature, chain, revocation, asking nobody.

    from sekisho import ChallengeKeys, Claims, LoginBatch, TrustStore, Verifier

Names are loaded when they are first used, so that `sekisho.testing` works without the C core.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sekisho._version import __version__

if TYPE_CHECKING:
    from sekisho.batch import Column
    from sekisho.challenges import ChallengeKeys
    from sekisho.claims import Claims
    from sekisho.engine import Engine
    from sekisho.modes import Mode
    from sekisho.profiles import Profile
    from sekisho.reasons import Reason
    from sekisho.signatures import KeySet, SignatureBatch, verify_signatures
    from sekisho.trust import TrustStore
    from sekisho.verdicts import Verdict, Verdicts
    from sekisho.verifier import CertificateFacts, LoginBatch, Verifier

__all__ = [
    "CertificateFacts",
    "ChallengeKeys",
    "Claims",
    "Column",
    "Engine",
    "KeySet",
    "LoginBatch",
    "Mode",
    "Profile",
    "Reason",
    "SignatureBatch",
    "TrustStore",
    "Verdict",
    "Verdicts",
    "Verifier",
    "__version__",
    "verify_signatures",
]

_HOMES: Final = {
    "batch": ("Column",),
    "challenges": ("ChallengeKeys",),
    "claims": ("Claims",),
    "engine": ("Engine",),
    "modes": ("Mode",),
    "profiles": ("Profile",),
    "reasons": ("Reason",),
    "signatures": ("KeySet", "SignatureBatch", "verify_signatures"),
    "trust": ("TrustStore",),
    "verdicts": ("Verdict", "Verdicts"),
    "verifier": ("CertificateFacts", "LoginBatch", "Verifier"),
}
_MODULES: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'sekisho' has no attribute {name!r}")
    return getattr(import_module(f"sekisho.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
