"""The report of a burst: one HTML file with its plots in it, for people, and nothing from elsewhere."""

from __future__ import annotations

import html
import io
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sekisho._native import ffi, lib
from sekisho._version import __version__
from sekisho.demo.burst import Paced, Rush
from sekisho.engine import kernels

__all__ = ["written"]

INK: Final = "#22252a"
GREEN: Final = "#2f7d5b"
BLUE: Final = "#4f7ea6"
SIZE: Final = (7.2, 2.8)  # inches of a plot
MILLISECONDS: Final = 1000
LEAST_MS: Final = 0.01  # where the latency's axis begins


def written(headline: str, cpu: str, stages: Mapping[str, float], rush: Rush, pace: Mapping[str, Paced]) -> str:
    """The file's text.

    Args:
        headline: the first line.
        cpu: model of it.
        stages: seconds that each took.

    Raises:
        ModuleNotFoundError: the extra `report` is missing.
    """
    parts = [
        f"<h1>{html.escape(headline)}</h1>",
        f"<p class=soft>{html.escape(_machine(cpu))}</p>",
        _figure("Everybody at once: how many had their verdict, by when", _drawn(lambda axes: _rush(axes, rush))),
    ]
    if pace:
        parts += [
            _figure("At a steady rate: how long each waited", _drawn(lambda axes: _latencies(axes, pace))),
            _table(
                ("", "a second", "logins", "cores", "p50, ms", "p99, ms", "p99.9, ms", "sender late, p99"), _paces(pace)
            ),
            "<p class=soft>From when each login was to be sent; how late the sender was itself is told apart.</p>",
        ]
    parts += [
        _figure("Where the time went", _drawn(lambda axes: _stages(axes, stages))),
        "<h2>Planted and found</h2>",
        _table(("reason", "planted", "found"), _reasons(rush)),
        f"<p class=soft>{rush.surprises:,} surprises. All keys and people are synthetic, TEST ONLY.</p>",
    ]
    return _PAGE.format(title=html.escape(headline.partition(":")[0]), body="\n".join(parts))


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #22252a; background: #fbfaf7;
  font: 16px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }}
h1 {{ font-size: 1.5rem; line-height: 1.3; }}
h2 {{ font-size: 1.05rem; margin: 2rem 0 .4rem; }}
.soft {{ color: #6b7280; font-size: .88rem; }}
svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; width: 100%; font-size: .92rem; }}
th {{ color: #6b7280; font-weight: 500; }}
td, th {{ text-align: right; padding: .15rem .5rem; border-bottom: 1px solid #e8e6df; }}
td:first-child, th:first-child {{ text-align: left; padding-left: 0; }}
tr.wrong {{ color: #b3372f; font-weight: 600; }}
</style></head><body>
{body}
</body></html>
"""


def _machine(cpu: str) -> str:
    chosen = next((one.name for one in kernels() if one.chosen), "openssl")
    openssl = ffi.string(lib.seki_openssl_version()).decode("ascii")
    system = f"{platform.system()} {platform.release()}"
    cores = len(os.sched_getaffinity(0))
    versions = f"sekisho {__version__}, RSA-2048 by {chosen}, {openssl}, Python {platform.python_version()}"
    return f"{cpu}, {cores} cores, {system}; {versions}"


def _figure(title: str, drawing: str) -> str:
    return f"<h2>{html.escape(title)}</h2>\n{drawing}"


def _table(head: tuple[str, ...], rows: Iterator[tuple[bool, tuple[str, ...]]]) -> str:
    lines = ["<table><tr>" + "".join(f"<th>{html.escape(one)}</th>" for one in head) + "</tr>"]
    for right, cells in rows:
        mark = "" if right else " class=wrong"
        lines.append(f"<tr{mark}>" + "".join(f"<td>{html.escape(one)}</td>" for one in cells) + "</tr>")
    return "\n".join([*lines, "</table>"])


def _paces(pace: Mapping[str, Paced]) -> Iterator[tuple[bool, tuple[str, ...]]]:
    for name, one in pace.items():
        times = [f"{_percentile(one.latency, which):,.2f}" for which in (50, 99, 99.9)]
        late = f"{_percentile(one.delay, 99):,.2f}"
        yield not one.surprises, (name, f"{one.rate:,.0f}", f"{one.logins:,}", f"{one.share:.2f}", *times, late)


def _reasons(rush: Rush) -> Iterator[tuple[bool, tuple[str, ...]]]:
    for name in sorted(rush.planted | rush.found, key=lambda one: (-rush.planted[one], one)):
        planted, found = rush.planted[name], rush.found[name]
        yield planted == found, (name, f"{planted:,}", f"{found:,}")


def _percentile(seconds: NDArray[np.float64], which: float) -> float:
    return float(np.nanpercentile(seconds, which)) * MILLISECONDS


# ---- plots ---------------------------------------------------------------------------------------


def _drawn(draw: Callable[[Any], None]) -> str:
    from matplotlib.figure import Figure  # noqa: PLC0415 - the extra `report`

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    draw(axes)
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _rush(axes: Any, rush: Rush) -> None:
    answered = np.sort(rush.answered[~np.isnan(rush.answered)])
    shown = np.linspace(0, len(answered) - 1, min(len(answered), 500)).astype(int)
    axes.fill_between(answered[shown], shown + 1, color=GREEN, alpha=0.25, linewidth=0)
    axes.plot(answered[shown], shown + 1, color=GREEN, linewidth=1.5)
    axes.set_xlabel("seconds from the first byte", fontsize=8)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def _latencies(axes: Any, pace: Mapping[str, Paced]) -> None:
    longest = max(float(np.nanmax(one.latency)) for one in pace.values()) * MILLISECONDS
    edges = np.logspace(np.log10(LEAST_MS), np.log10(max(longest, 1.0)), 80)
    for (name, one), colour in zip(pace.items(), (GREEN, BLUE), strict=False):
        times = np.clip(one.latency[~np.isnan(one.latency)] * MILLISECONDS, LEAST_MS, None)
        counts, _ = np.histogram(times, bins=edges)
        axes.stairs(
            100 * counts / max(1, len(times)),
            edges,
            color=colour,
            label=f"{name}, {one.rate:,.0f} a second",
            linewidth=1.5,
        )
        axes.axvline(_percentile(one.latency, 99), color=colour, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("ms; dotted: 99 of 100 waited no longer", fontsize=8)
    axes.set_ylabel("% of logins", fontsize=8)
    axes.legend(fontsize=8, frameon=False)


def _stages(axes: Any, stages: Mapping[str, float]) -> None:
    names = list(stages)[::-1]
    bars = axes.barh(names, [stages[name] for name in names], color=BLUE, height=0.6)
    axes.bar_label(bars, fmt=" {:.1f} s", fontsize=8)
    axes.set_xlabel("seconds", fontsize=8)
