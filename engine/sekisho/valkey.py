"""Claims that machines share: a Valkey or Redis server by which replicas with the same keys accept a challenge once among them.

    valkey = Valkey("unix:/run/valkey/valkey.sock")
    claims = Claims.open(valkey=valkey)

What a machine's own set has granted is claimed there too, in one pipeline a batch, and accepted only when the server has
said OK; keys there are hashes. docs/SECURITY.md says what it wants of the server, docs/OPERATIONS.md how to run one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

from sekisho._native import check, ffi, lib
from sekisho.valkey_address import parse_address

__all__ = ["HOLD_DEFAULT", "TIMEOUT_MS_DEFAULT", "TIMEOUT_MS_MAX", "TROUBLES", "Valkey", "ValkeyStatistics"]

TIMEOUT_MS_DEFAULT: Final = 50  # a hundred times what a batch takes over loopback
TIMEOUT_MS_MAX: Final[int] = lib.SEKI_VALKEY_TIMEOUT_MAX
HOLD_DEFAULT: Final[int] = lib.SEKI_VALKEY_HOLD  # seconds

TROUBLES: Final = {
    lib.SEKI_VALKEY_FINE: "none",
    lib.SEKI_VALKEY_NOT_ASKED: "not-asked",
    lib.SEKI_VALKEY_UNREACHABLE: "unreachable",
    lib.SEKI_VALKEY_SLOW: "slow",
    lib.SEKI_VALKEY_BROKEN: "broken",
    lib.SEKI_VALKEY_REFUSED: "refused",
    lib.SEKI_VALKEY_NOT_PRIMARY: "not-primary",
    lib.SEKI_VALKEY_EVICTS: "evicts",
    lib.SEKI_VALKEY_CLOCK: "clock",
}
"""Why nothing could be claimed; the words of metrics and logs."""


@dataclass(frozen=True, slots=True)
class ValkeyStatistics:
    """What this process knows of the server, and what came of the claims that it brought there.

    Attributes:
        trouble: why nothing could be claimed the last time, a value of `TROUBLES`; "none": it could.
        since: challenges issued later are lost to nobody, seconds since 1970-01-01T00:00:00Z; 0: not known.
        answered: the server's time at its last good answer; 0: there was none.
        pipelines: that were sent.
        accepted, repeated, used, lost, expired, unavailable: rows.
        changes: epochs that this process began.
    """

    trouble: str
    since: int
    answered: int
    pipelines: int
    accepted: int
    repeated: int
    used: int
    lost: int
    expired: int
    unavailable: int
    changes: int


class Valkey:
    """A server in which claims are shared. Threads share it; a child of fork() makes connections of its own.

    Args:
        address: ``unix:/PATH``, or ``valkey://127.0.0.1:6379``, a port of loopback: what is said is in the clear.
        password: of the server's default user; None: it wants none.
        timeout_ms: of a pipeline with all that belongs to it, 1 to 1000; after that its rows are `CLAIMS_UNAVAILABLE`.
        skew: seconds by which an issuing machine's clock may be ahead, 0 to 60, as for the claims; the server's clock may differ
            from this machine's by two seconds more.
        hold: seconds, 0 to 300, after a change of the server in which another replica may still ask the one before it: challenges
            issued until then are refused. Less than the default is for tests, and for a server that nothing can stand in for.

    Raises:
        ValueError: an argument outside its range.
    """

    def __init__(
        self,
        address: str,
        *,
        password: str | None = None,
        timeout_ms: int = TIMEOUT_MS_DEFAULT,
        skew: int = 0,
        hold: int = HOLD_DEFAULT,
    ) -> None:
        path, host, port = parse_address(address)
        self.address = address
        options = ffi.new("seki_valkey_options *")
        keep = [_text(options, name, value) for name, value in (("path", path), ("host", host), ("password", password))]
        options.port, options.timeout_ms, options.skew, options.hold = port, timeout_ms, skew, hold
        out = ffi.new("seki_valkey **")
        status = lib.seki_valkey_new(options, out)
        check(
            status, f"a Valkey with timeout_ms {timeout_ms} (1 to 1000), skew {skew} (0 to 60), hold {hold} (0 to 300)"
        )
        del keep
        self.native: Any = ffi.gc(out[0], lib.seki_valkey_free)

    def look(self) -> str:
        """Asks the server, and begins its epoch where there is none; why nothing can be claimed, or "none" (`TROUBLES`)."""
        trouble = ffi.new("uint32_t *")
        check(lib.seki_valkey_look(self.native, trouble), "asking the Valkey")
        return TROUBLES[trouble[0]]

    def statistics(self) -> ValkeyStatistics:
        """Counts of this process."""
        out = ffi.new("seki_valkey_statistics *")
        check(lib.seki_valkey_read_statistics(self.native, out), "reading the Valkey's statistics")
        values = {name: getattr(out, name) for name in ValkeyStatistics.__dataclass_fields__}
        return ValkeyStatistics(**values | {"trouble": TROUBLES[out.trouble]})

    def __repr__(self) -> str:
        return f"<Valkey {self.address}>"


def _text(options: Any, name: str, value: str | None) -> Any:
    """Puts a string there; the caller keeps what is returned as long as the options are used."""
    if value is None:
        return None
    if "\0" in value:
        raise ValueError(f"{name} holds a zero byte")
    kept = ffi.new("char[]", os.fsencode(value))
    setattr(options, name, kept)
    return kept
