"""Counts of all processes of a server, in memory that they share: each writes a slot of its own, and whoever asks sums them.

The memory has no name in the file system and is handed down with the sockets. It holds numbers alone: no key, serial or name,
and nothing that is told by tenant.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from dataclasses import dataclass, field
from typing import Final

from sekisho.reasons import Reason
from sekisho.server.wire.core import CODES, KINDS, LATENCY_FROM_NS, Core

__all__ = ["Scoreboard", "Slot", "Totals"]

_GAUGES: Final = ("connections", "waiting", "working", "receive_bytes", "backlog_bytes")
_PLAIN: Final = ("batches", "rows", "work_ns", "accepted_connections", "refused_connections")
_COUNTERS: Final = (
    "cpu_ns",
    "latency_ns",
    *_PLAIN,
    *(f"request {name}" for name in KINDS.values()),
    *(f"verdict {reason.kebab}" for reason in Reason),
    *(f"error {name}" for name in CODES.values()),
    *(f"latency {ns}" for ns in LATENCY_FROM_NS),
)
_FIELDS: Final = {name: i for i, name in enumerate(_GAUGES + _COUNTERS)}
_WORD: Final = 8  # bytes of a number
_SLOT: Final = -(-len(_FIELDS) * _WORD // mmap.PAGESIZE) * mmap.PAGESIZE  # whole pages: no cache line has two writers


@dataclass(slots=True)
class Totals:
    """Sums over the processes; counts since the server began, also of processes that have died.

    Attributes:
        values: gauges and plain counts by name, as `seki_server_statistics` has them; `cpu_ns` and `latency_ns` besides.
        requests, verdicts, errors: by kind, reason and name of the error, in kebab-case where they have several words.
        latency: (from, requests): answered in at least so many nanoseconds, and less than the next one's; every bucket.
    """

    values: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    latency: list[tuple[int, int]] = field(default_factory=list)


class Scoreboard:
    """The shared memory.

    Args:
        fd: of the memory, which stays the caller's.
    """

    def __init__(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        if size == 0 or size % _SLOT:
            raise ValueError("this is no scoreboard of this version")
        self.fd = fd
        self.processes = size // _SLOT
        self._words = memoryview(mmap.mmap(fd, size)).cast("Q")

    @classmethod
    def create(cls, processes: int) -> Scoreboard:
        """An empty one, with a slot for each process.

        Raises:
            OSError: the system gave no memory.
        """
        fd = os.memfd_create("sekisho-scoreboard", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, processes * _SLOT)
        # Of a size that stays: who has the memory mapped never meets its end.
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return cls(fd)

    def slot(self, number: int) -> Slot:
        """The slot of this process, for it alone to write."""
        if not 0 <= number < self.processes:
            raise ValueError(f"there is no slot {number} of {self.processes}")
        begin = number * _SLOT // _WORD
        return Slot(self._words[begin : begin + len(_FIELDS)])

    def read(self) -> Totals:
        """What all processes have told. Single numbers are whole; between them a process may have gone on."""
        step = _SLOT // _WORD
        slots = [self._words[i * step : i * step + len(_FIELDS)].tolist() for i in range(self.processes)]
        sums = [sum(column) for column in zip(*slots, strict=True)]
        found = Totals()
        groups = {"request": found.requests, "verdict": found.verdicts, "error": found.errors}
        for name, i in _FIELDS.items():
            group, _, rest = name.partition(" ")
            if group == "latency":
                found.latency.append((int(rest), sums[i]))
            elif rest:
                groups[group][rest] = sums[i]
            else:
                found.values[name] = sums[i]
        return found


class Slot:
    """Where one process tells its counts. It goes on from what a process before it, which died, had told."""

    def __init__(self, words: memoryview[int]) -> None:
        self._words = words
        for name in _GAUGES:
            words[_FIELDS[name]] = 0
        self._before = words.tolist()

    def tell(self, core: Core) -> None:
        """Writes what the core has done until now."""
        count = core.count()
        now = {name: getattr(count, name) for name in (*_GAUGES, *_PLAIN)}
        now["cpu_ns"] = time.process_time_ns()
        for tenant in core.tenant_counts():
            told = [("latency_ns", tenant.latency_ns)]
            told += [(f"request {name}", n) for name, n in tenant.requests.items()]
            told += [(f"verdict {reason.kebab}", n) for reason, n in tenant.verdicts.items()]
            told += [(f"error {name}", n) for name, n in tenant.errors.items()]
            told += [(f"latency {ns}", n) for ns, n in tenant.latency]
            for name, n in told:
                now[name] = now.get(name, 0) + n
        for name, n in now.items():
            i = _FIELDS[name]
            self._words[i] = self._before[i] + n
