"""A report: JSON for machines, a table for people, and what the run leaves to say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import lanes_note
from bench.rounds import Rates

__all__ = ["Report", "Row", "valued"]

Row = dict[str, Any]


def valued(case: str, value: float, unit: str, *, what: str, spread: float = 0.0, **more: Any) -> Row:
    """A row without a peer; `what` says in a few words what the value is of."""
    return {"case": case, "what": what, "value": round(value, 4), "unit": unit, "spread": round(spread, 3), **more}


@dataclass
class Report:
    """What one benchmark found.

    Attributes:
        bench: its name.
        machine: see `bench.machine.describe`.
        conditions: settings that decide the figures, for people.
        wrong: wrong answers, ours and peers'; any makes the figures worthless.
        wrong_of: who gave them.
        notes: what a reader must know.
    """

    bench: str
    machine: dict[str, Any]
    conditions: dict[str, Any] = field(default_factory=dict)
    wrong: int = 0
    wrong_of: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def blame(self, who: str, wrong: int) -> None:
        """Counts wrong answers."""
        if wrong:
            self.wrong += wrong
            self.wrong_of.append(f"{who}: {wrong}")

    def note(self, words: str) -> None:
        """Something that a reader must know; said once."""
        if words not in self.notes:
            self.notes.append(words)

    def add_compared(self, case: str, threads: int, batch: int, ours: Rates, peers: dict[str, Rates]) -> None:
        """A row for each peer, the best one first and marked."""
        ranked = sorted(peers, key=lambda name: peers[name].median, reverse=True)
        for name in ranked:
            theirs = peers[name]
            ratio, ratio_spread = ours.ratio(theirs)
            self.rows.append(
                {
                    "case": case,
                    "peer": name,
                    "threads": threads,
                    "batch": batch,
                    "ours_per_s": round(ours.median, 1),
                    "peer_per_s": round(theirs.median, 1),
                    "ratio": round(ratio, 3),
                    "spread": {
                        "ours": round(ours.spread, 3),
                        "peer": round(theirs.spread, 3),
                        "ratio": round(ratio_spread, 3),
                    },
                    "rounds": len(ours.per_round),
                    "best": name == ranked[0],
                }
            )

    def as_json(self) -> str:
        # The ratios to the best peer of all come first (DESIGN, "figures are ratios").
        ordered = sorted(self.rows, key=lambda row: not row.get("best", False))
        content = {
            "bench": self.bench,
            "machine": self.machine,
            "wrong": self.wrong,
            "wrong_of": self.wrong_of,
            "rows": ordered,
            "conditions": self.conditions,
            "notes": self.notes,
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def write(self, path: Path) -> None:
        path.write_text(self.as_json())

    def show(self, console: Console, headline_batch: int) -> None:
        machine = self.machine
        console.print()
        console.print(
            f"[bold]{self.bench}[/bold]  {machine['cpu']}, {machine['cores']} cores, load {machine['load']}, "
            f"clock {machine['clock']['mhz_now']} MHz (governor {machine['clock']['governor']}), "
            f"Linux {machine['linux']}"
        )
        console.print(
            f"sekisho {machine['sekisho']} on {machine['openssl']}, cryptography {machine['cryptography']} "
            f"({machine['cryptography_openssl']}), Python {machine['python']}"
        )
        console.print(f"{lanes_note(machine)}.")
        console.print(", ".join(f"{name} {value}" for name, value in self.conditions.items()))
        self._show_best(console, headline_batch)
        self._show_compared(console, headline_batch)
        self._show_values(console)
        for name, state in machine["peers"].items():
            console.print(f"[dim]peer {name}: {state}[/dim]")
        for note in self.notes:
            console.print(f"[dim]{note}[/dim]")
        if self.wrong:
            console.print(f"[bold red]wrong answers {self.wrong}[/bold red] ({'; '.join(self.wrong_of)})")
        else:
            console.print("wrong answers 0")

    def _show_best(self, console: Console, headline_batch: int) -> None:
        best = [row for row in self.rows if row.get("best") and row["batch"] == headline_batch]
        if not best:
            return
        table = Table(title="against the best peer of all", title_justify="left", box=None, pad_edge=False)
        for name in ("case", "threads", "batch", "ratio", "spread", "ours /s", "peer /s", "best peer"):
            table.add_column(name, justify="left" if name in ("case", "best peer") else "right")
        for row in best:
            table.add_row(*_cells(row), row["peer"])
        console.print(table)

    def _show_compared(self, console: Console, headline_batch: int) -> None:
        rows = [row for row in self.rows if "peer" in row]
        if not rows:
            return
        # Every peer at the headline batch; at others the best of them, and at 1 the loop that it is held to.
        shown = [
            row
            for row in rows
            if row["batch"] == headline_batch
            or row["best"]
            or (row["batch"], row["peer"]) == (1, "openssl-new-context")
        ]
        table = Table(title="peers", title_justify="left", box=None, pad_edge=False)
        for name in ("case", "threads", "batch", "ratio", "spread", "ours /s", "peer /s", "peer"):
            table.add_column(name, justify="left" if name in ("case", "peer") else "right")
        before: tuple[Any, ...] | None = None
        for row in shown:
            if before is not None and before != (row["case"], row["threads"]):
                table.add_section()
            before = (row["case"], row["threads"])
            table.add_row(*_cells(row), row["peer"])
        console.print(table)

    def _show_values(self, console: Console) -> None:
        rows = [row for row in self.rows if "value" in row]
        if not rows:
            return
        table = Table(title="and", title_justify="left", box=None, pad_edge=False)
        for name in ("case", "value", "unit", "spread", "of what"):
            table.add_column(name, justify="right" if name in ("value", "spread") else "left")
        for row in rows:
            table.add_row(row["case"], f"{row['value']:,.2f}", row["unit"], _percent(row["spread"]), row["what"])
        console.print(table)


def _cells(row: Row) -> Iterable[str]:
    return (
        row["case"],
        str(row["threads"]),
        str(row["batch"]),
        f"{row['ratio']:.2f}x",
        _percent(row["spread"]["ratio"]),
        f"{row['ours_per_s']:,.0f}",
        f"{row['peer_per_s']:,.0f}",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share else ""
