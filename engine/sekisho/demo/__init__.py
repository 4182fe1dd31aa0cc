"""What `sekisho demo` does: a city that logs in, beside `cryptography`, and real input from OpenSSL, a token and JPKI.

One part a module; none of them prints.  They are also what the end-to-end tests run.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Case", "Missing"]


@dataclass(frozen=True)
class Case:
    """One thing that was tried with real input.

    Attributes:
        what: what was handed in, for people.
        expected: the reason that it deserves, in kebab-case.
        found: the reason that it got.
    """

    what: str
    expected: str
    found: str

    @property
    def good(self) -> bool:
        return self.found == self.expected


class Missing(Exception):
    """A program of the system that a part needs is not there; `packages` are Debian's, to install."""

    def __init__(self, what: str, *packages: str) -> None:
        self.packages = packages
        super().__init__(f"{what} is missing: {self.command}")

    @property
    def command(self) -> str:
        """The one line that installs it."""
        return f"apt-get install -y --no-install-recommends {' '.join(self.packages)}"
