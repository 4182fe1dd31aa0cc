"""Synthetic certificates, people and logins, for your own tests as for sekisho's.

    from sekisho.testing import a_bad_login, a_login

    login = a_login(b"the challenge")       # .certificate .challenge .signature .mode .at .trust
    bad = a_bad_login("expired")            # the same, and .reason, .why
    crl = a_citizen(3).crl(revoked=True)    # the list of the citizen's partition, DER
    response = a_citizen(3).ocsp()          # an OCSP response, DER

Nothing here needs the C core, and nothing here is secret: **the private keys are public knowledge.**  pytest finds the
fixtures of `sekisho.testing.fixtures` by itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sekisho.testing.citizen import MUNICIPALITIES, Resident
    from sekisho.testing.city import AT, City, Plan, build_city
    from sekisho.testing.columns import Column
    from sekisho.testing.crls import Signer, indirect, issuing_point, make_crl, write_crl
    from sekisho.testing.faults import BadLogin, a_bad_login, bad_kinds, make_bad_login, odd_kinds
    from sekisho.testing.keys import KEY_KINDS, MODES, mode_number
    from sekisho.testing.leaves import TEST_CARD_SHAPE, Authority, Shape
    from sekisho.testing.logins import (
        Citizen,
        Login,
        Logins,
        a_citizen,
        a_login,
        make_login,
        make_logins,
        small_city,
    )
    from sekisho.testing.partitions import CityCrls, Nation, city_crls
    from sekisho.testing.responses import make_ocsp
    from sekisho.testing.revoked import Draw, Entries

__all__ = [
    "AT",
    "KEY_KINDS",
    "MODES",
    "MUNICIPALITIES",
    "TEST_CARD_SHAPE",
    "Authority",
    "BadLogin",
    "Citizen",
    "City",
    "CityCrls",
    "Column",
    "Draw",
    "Entries",
    "Login",
    "Logins",
    "Nation",
    "Plan",
    "Resident",
    "Shape",
    "Signer",
    "a_bad_login",
    "a_citizen",
    "a_login",
    "bad_kinds",
    "build_city",
    "city_crls",
    "indirect",
    "issuing_point",
    "make_bad_login",
    "make_crl",
    "make_login",
    "make_logins",
    "make_ocsp",
    "mode_number",
    "odd_kinds",
    "small_city",
    "write_crl",
]

_HOMES: Final = {
    "citizen": ("MUNICIPALITIES", "Resident"),
    "city": ("AT", "City", "Plan", "build_city"),
    "columns": ("Column",),
    "crls": ("Signer", "indirect", "issuing_point", "make_crl", "write_crl"),
    "faults": ("BadLogin", "a_bad_login", "bad_kinds", "make_bad_login", "odd_kinds"),
    "keys": ("KEY_KINDS", "MODES", "mode_number"),
    "leaves": ("TEST_CARD_SHAPE", "Authority", "Shape"),
    "logins": ("Citizen", "Login", "Logins", "a_citizen", "a_login", "make_login", "make_logins", "small_city"),
    "partitions": ("CityCrls", "Nation", "city_crls"),
    "responses": ("make_ocsp",),
    "revoked": ("Draw", "Entries"),
}
_MODULES: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Every pytest run on a machine with sekisho imports this package for its fixtures: numpy and cryptography, 0.2 s,
    # are loaded when a name of theirs is first wanted.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
