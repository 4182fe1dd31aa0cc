"""Where the conformance suites are, and how to read them without guessing.

The folder is ../shared/suites beside the project, or SEKISHO_SUITES. What it holds may be replaced by other cases of the
same form, so nothing here knows counts or names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("SEKISHO_SUITES") or Path(__file__).resolve().parents[3] / "shared" / "suites")


def files(folder: str, pattern: str = "*.json") -> list[Path]:
    """The data files of a suite, in order of name."""
    return sorted((ROOT / folder).glob(pattern))


def read(path: Path, known: set[str]) -> dict[str, Any]:
    """A suite's file; a field that nobody here knows ends the run."""
    data: dict[str, Any] = json.loads(path.read_text())
    only(data, known, path.name)
    return data


def only(fields: dict[str, Any], known: set[str], where: str) -> None:
    """Fail on fields that the driver does not know."""
    unknown = set(fields) - known
    assert not unknown, f"{where}: fields unknown to this driver: {sorted(unknown)}"
