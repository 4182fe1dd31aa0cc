"""The table at the end of a run: what each suite came to, in quiet runs too."""

from __future__ import annotations

import pytest

from tests.conformance.outcomes import Ledger

_LEDGER = pytest.StashKey[Ledger]()


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """Where drivers put their settlements."""
    return pytestconfig.stash.setdefault(_LEDGER, Ledger())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(_LEDGER, Ledger()).table()
    if lines:
        terminalreporter.section("conformance")
    for line in lines:
        terminalreporter.write_line(line)
