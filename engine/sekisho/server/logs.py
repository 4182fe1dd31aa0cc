"""Logs: a JSON object a line on standard error, without anything of a person.

Of an exception its kind and the places it went through are told, and not its text, which may quote what was sent.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final

__all__ = ["EXTRAS", "log_to_standard_error"]

EXTRAS: Final = ("tenant", "hop", "kind", "snapshot", "faults", "seconds")
"""What a line may carry beside its message; nothing else does."""


class _Form(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in EXTRAS:
            if getattr(record, name, None) is not None:
                line[name] = getattr(record, name)
        if record.exc_info and record.exc_info[0] is not None:
            places = traceback.extract_tb(record.exc_info[2])
            line["exception"] = record.exc_info[0].__name__
            line["at"] = [f"{PurePath(one.filename).name}:{one.lineno} {one.name}" for one in places]
        return json.dumps(line, ensure_ascii=False)


def log_to_standard_error(level: str) -> None:
    """Sends all logs there, of this level and above; the libraries' own from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Form())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("sekisho").setLevel(level.upper())
