"""Draws a run's series to a file: a panel for each field, so that a whole simulation is seen at a glance.

Matplotlib is loaded when something is drawn, and used without pyplot: no display, no global figure.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from podium.errors import NotFound
from podium.stores.series import SeriesStore, Trace, Units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, PALE, GRID = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = ("#2364aa", "#e4572e", "#3a9d5d", "#8e5ea2")
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.edgecolor": PALE,
    "axes.labelcolor": PALE,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.xmargin": 0.01,
    "grid.color": GRID,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "ytick.left": False,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.08,
    "svg.fonttype": "none",
    "svg.hashsalt": "podium",
}
NO_UNITS: Units = {}
_LOCK = Lock()  # matplotlib's caches of fonts and settings are shared


async def plot_run(
    series: SeriesStore, run: str, path: Path, *, title: str, units: Units = NO_UNITS, panels: int = 24
) -> Path:
    """Draws what a run's models reported; the suffix of `path` says how: `.png` or `.svg`.

    Raises:
        NotFound: it has no numbers.
    """
    traces = await series.traces(run, panels=panels)
    if not traces:
        raise NotFound("there is nothing to plot", where=run, hint="Its models have reported no numbers (yet)")
    await asyncio.to_thread(draw, traces, path, title=title, units=units)
    return path


def draw(traces: Sequence[Trace], path: Path, *, title: str, units: Units = NO_UNITS) -> None:
    """One panel for the traces of each measurement's field, in the order they come."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = [list(group) for _, group in groupby(traces, key=lambda trace: (trace.measurement, trace.field))]
    columns = min(len(panels), 1 if len(panels) < 3 else 2 if len(panels) < 7 else 3)
    rows = math.ceil(len(panels) / columns)
    with _LOCK, mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(7.5, 4.6 * columns), 0.9 + 1.9 * rows), dpi=130, layout="constrained")
        figure.suptitle(f"{_short(title, 80)}\n", x=0.012, ha="left", fontsize=13, fontweight="bold")
        figure.text(0.012, 1 - 0.37 / figure.get_figheight(), _period(traces), ha="left", va="top", color=PALE)
        places = list(figure.subplots(rows, columns, sharex=True, squeeze=False).flat)
        for number, drawn in enumerate(panels):
            unit = units.get(drawn[0].measurement, {}).get(drawn[0].field, "")
            _draw_panel(places[number], drawn, unit, lowest=number + columns >= len(panels))
        for unused in places[len(panels) :]:
            unused.set_axis_off()
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_panel(axes: Axes, traces: Sequence[Trace], unit: str, *, lowest: bool) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import EngFormatter, MaxNLocator

    for number, trace in enumerate(traces):
        colour = COLOURS[number % len(COLOURS)]
        days = [time / 86_400 for time in trace.times]  # what matplotlib counts in
        lone = "o" if len(days) == 1 else None
        axes.plot(days, trace.means, color=colour, linewidth=1.6, marker=lone, markersize=4, label=_short(trace.label))
        if trace.low != trace.high:
            axes.fill_between(days, trace.low, trace.high, color=colour, alpha=0.18, linewidth=0)
    name = _short(traces[0].field.replace("_", " "))
    axes.set_title(f"{name} ({unit})" if unit else name, loc="left", fontsize=10, fontweight="bold")
    of = [traces[0].measurement]
    if traces[0].objects > 1:
        of.append(f"mean and range of {traces[0].objects}")
    elif len(traces) == 1:
        of.append(traces[0].label)
    else:
        axes.legend(frameon=False, fontsize=7, labelcolor=INK, handlelength=1.2, loc="best")
    axes.set_title(_short(" · ".join(filter(None, of)), 48), loc="right", fontsize=8, color=PALE)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if max(map(abs, axes.get_ylim())) >= 10_000:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    else:
        axes.ticklabel_format(axis="y", useOffset=False)
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC, show_offset=False))  # type: ignore[no-untyped-call]
    axes.tick_params(labelbottom=lowest)


def _period(traces: Sequence[Trace]) -> str:
    first = datetime.fromtimestamp(min(trace.times[0] for trace in traces), UTC)
    last = datetime.fromtimestamp(max(trace.times[-1] for trace in traces), UTC)
    until = f"{last:%H:%M}" if last.date() == first.date() else f"{last:%-d %B %Y %H:%M}"
    return f"{first:%-d %B %Y %H:%M} to {until} UTC"


def _short(text: str, most: int = 32) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
