"""pytest fixtures, found through the entry point ``pytest11``: logins of a small synthetic city.

def test_my_login_page(sekisho_login, sekisho_bad_login):
    assert log_in(sekisho_login(challenge=b"…")).ok
    assert log_in(sekisho_bad_login("expired", challenge=b"…")).reason == "expired"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from sekisho import testing

if TYPE_CHECKING:
    from sekisho.testing import BadLogin, Citizen, City, Login

__all__ = ["sekisho_bad_login", "sekisho_citizen", "sekisho_city", "sekisho_login"]


@pytest.fixture(scope="session")
def sekisho_city() -> City:
    """A city of 16 citizens, the same in every run."""
    return testing.small_city()


@pytest.fixture(scope="session")
def sekisho_citizen() -> Citizen:
    """Its first citizen: ``.certificate()``, ``.key()``, ``.person``, ``.login(challenge)``."""
    return testing.a_citizen()


@pytest.fixture(scope="session")
def sekisho_login() -> Callable[..., Login]:
    """Makes a good login: ``sekisho_login(challenge, mode="pkcs1")``; see `sekisho.testing.a_login`."""
    return testing.a_login


@pytest.fixture(scope="session")
def sekisho_bad_login() -> Callable[..., BadLogin]:
    """Makes a bad login: ``sekisho_bad_login("expired", challenge)``; see `sekisho.testing.a_bad_login`."""
    return testing.a_bad_login
