"""Plots, as HTML with the drawing inside: what the platform shows of a job, in `diastemaviz/<job id>/`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diastema_services.store import Store

BUCKET = "diastemaviz"
MOST_POINTS = 2000
INK, SOFT = "#1f5673", "#9fc5d8"


def table(store: Store, job: str, title: str, columns: Mapping[str, Any]) -> None:
    """How the values of each column are spread."""
    shown = {name: values for name, values in columns.items() if len(values)}
    across = min(3, len(shown)) or 1
    down = -(-len(shown) // across) or 1
    figure = Figure(figsize=(4 * across, 2.6 * down), layout="constrained")
    for number, (name, values) in enumerate(shown.items(), 1):
        axes = figure.add_subplot(down, across, number, title=name)
        values = np.ma.compressed(np.ma.asarray(values))  # noqa: PLW2901 - without the missing ones
        if values.dtype.kind in "iuf":
            axes.hist(values, bins=20, color=INK)
        else:
            names, counts = np.unique(values.astype(str), return_counts=True)
            _bars(axes, names.tolist(), counts.tolist())
    _save(store, job, title, figure)


def predictions(
    store: Store, job: str, task: str, truth: Any, found: Any, title: str, matters: Mapping[str, float]
) -> None:
    """What was predicted against what is, and what mattered."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.add_subplot(1, 2, 1, xlabel="predicted", ylabel="true")
    if task == "classification":
        kinds = np.unique(np.concatenate([truth, found]))
        counts = np.array([[np.sum((truth == t) & (found == f)) for f in kinds] for t in kinds])
        axes.imshow(counts, cmap="Blues")
        axes.set_xticks(range(len(kinds)), kinds)
        axes.set_yticks(range(len(kinds)), kinds)
        for (row, column), count in np.ndenumerate(counts):
            axes.text(column, row, str(count), ha="center", va="center", color="black")
    else:
        axes.scatter(found[:MOST_POINTS], truth[:MOST_POINTS], s=8, color=INK)
        axes.axline((float(truth.mean()), float(truth.mean())), slope=1, color=SOFT)
    _bars(figure.add_subplot(1, 2, 2, title="what matters"), list(matters), list(matters.values()))
    _save(store, job, title, figure)


def groups(store: Store, job: str, values: Any, labels: Any, title: str) -> None:
    """Seen from where they are furthest apart."""
    middle = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(middle, full_matrices=False)
    flat = (middle @ directions[:2].T)[:MOST_POINTS]
    figure = Figure(figsize=(6, 5), layout="constrained")
    second = flat[:, 1] if flat.shape[1] > 1 else np.zeros(len(flat))
    figure.add_subplot().scatter(flat[:, 0], second, c=labels[:MOST_POINTS], cmap="tab10", s=12)
    _save(store, job, title, figure)


def _bars(axes: Any, names: Sequence[str], lengths: Sequence[float]) -> None:
    order = np.argsort(lengths)[::-1][:10][::-1]
    axes.barh([str(names[at]) for at in order], [lengths[at] for at in order], color=INK)


def _save(store: Store, job: str, title: str, figure: Figure) -> None:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    svg = drawn.getvalue()
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{svg[svg.index('<svg') :]}</body></html>\n"
    )
    store.write(f"{BUCKET}/{job}/overview.html", page.encode())
