"""One run of a benchmark: its settings, its report, and the peers it is measured beside."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.options import Options
from bench.peers import PEERS, Missing, Use
from bench.peers.process import PeerError, PeerGroup
from bench.report import Report
from bench.rounds import Contestant, Rates, measure
from bench.rows import RowsFile

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """A benchmark fills `report`, and calls `step` with a few words for each piece of work that it has done.

    `watch` makes a callback for long work that counts: it takes what is done so far, and how much there is.
    """

    options: Options
    report: Report
    step: Callable[[str], None]
    watch: Callable[[str], Callable[[int, int], None]]

    @contextmanager
    def peers(self, rows: RowsFile, path: Path, threads: int, uses: Sequence[Use]) -> Iterator[list[PeerGroup]]:
        """Every peer that is here and takes these rows (a file at `path`), running, its answers checked."""
        states: dict[str, str] = self.report.machine["peers"]
        with ExitStack() as stack:
            groups = []
            for peer in PEERS:
                use = next((use for use in uses if use in peer.uses), None)
                if peer.name not in self.options.peers or use is None or rows.case not in peer.cases:
                    continue
                try:
                    command = peer.command(use, path)
                    group = stack.enter_context(PeerGroup(peer.name, command, threads, peer.warm_up))
                    answers = group.check()
                except (Missing, PeerError) as problem:
                    states[peer.name] = str(problem)
                    continue
                if use == "cold" and "1" not in answers:
                    self.report.note(f"{peer.name} refuses certificates of {rows.case}: no figure beside it")
                    continue
                wrong = sum(one != other for one, other in zip(answers, rows.expected, strict=True))
                self.report.blame(f"{peer.name} {rows.case} ({use})", wrong)
                states[peer.name] = f"{group.version}: {peer.what}{f' ({peer.note})' if peer.note else ''}"
                groups.append(group)
            yield groups

    def measure(self, contestants: Sequence[Contestant], threads: int, rounds: int = 0) -> dict[Hashable, Rates]:
        """Interleaved rounds of them, all of so many threads; wrong answers on the way go to the report."""
        rates = measure(
            contestants,
            rounds=rounds or self.options.rounds,
            slice_seconds=self.options.slice_seconds,
            cpu_time=self.options.cpu_time and threads == 1,
        )
        for name, rate in rates.items():
            self.report.blame(f"{name}, while timed with {threads} threads", rate.wrong)
        return rates
