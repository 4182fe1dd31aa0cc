"""kill -9 while a store works, a dozen times; `python -m tests.faults.revocation_kill` does it as often as you like."""

from __future__ import annotations

from pathlib import Path

from tests.faults.revocation_kill import rounds


def test_a_store_is_whole_after_kill_9(tmp_path: Path) -> None:
    assert sum(rounds(12, 20261125, tmp_path / "store").values()) == 12
