"""The picture of a graph: jobs in columns, each behind all it waits for. Where each stands; the template draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podium.engines.flow.messages import LAST

MOST_JOBS = 200  # that are drawn, or listed on a page
MOST_ARROWS = 2000
WIDTH, HEIGHT = 168, 40
BESIDE, BELOW, MARGIN = 44, 14, 6


@dataclass(frozen=True, slots=True)
class Box:
    """A job, its upper left corner, and what it is."""

    x: int
    y: int
    job: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """`arrows` are paths of an SVG; `states` are those that occur."""

    width: int
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[str]
    states: Sequence[str]


def layers(jobs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The jobs by the longest way to them. The last job, which comes after all others, is a layer of its own."""
    after = {job["job"]: job["after"] for job in jobs}
    depth: dict[str, int] = {}
    for first in after:
        waiting = [first]
        while waiting:
            name = waiting[-1]
            unknown = [before for before in after[name] if before not in depth]
            if unknown:
                waiting += unknown
                continue
            depth[name] = 1 + max((depth[before] for before in after[name]), default=-1)
            waiting.pop()
    if LAST in depth:
        depth[LAST] = 1 + max((number for name, number in depth.items() if name != LAST), default=-1)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in after:
        found[depth[name]].append(name)
    return found


def picture(jobs: Sequence[Mapping[str, Any]]) -> Picture | None:
    """None, when there is too much to be drawn."""
    if not jobs or len(jobs) > MOST_JOBS:
        return None
    known = {job["job"]: job for job in jobs}
    after = {name: _drawn_after(name, known) for name in known}
    if sum(map(len, after.values())) > MOST_ARROWS:
        return None
    columns = _untangled(layers(jobs), after)
    tallest = max(map(len, columns))
    corners: dict[str, tuple[int, int]] = {}
    for number, column in enumerate(columns):
        above = (tallest - len(column)) * (HEIGHT + BELOW) // 2
        for row, name in enumerate(column):
            corners[name] = (MARGIN + number * (WIDTH + BESIDE), MARGIN + above + row * (HEIGHT + BELOW))
    return Picture(
        width=2 * MARGIN + len(columns) * (WIDTH + BESIDE) - BESIDE,
        height=2 * MARGIN + tallest * (HEIGHT + BELOW) - BELOW,
        boxes=[Box(*corners[name], known[name]) for column in columns for name in column],
        arrows=[_arrow(corners[before], corners[name]) for name, named in after.items() for before in named],
        states=list(dict.fromkeys(job["state"] for job in jobs)),
    )


def _drawn_after(name: str, jobs: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """The last job comes after all: an arrow from each for which no other job waits tells as much."""
    if name != LAST:
        found: Sequence[str] = jobs[name]["after"]
        return found
    waited_for = {before for other, job in jobs.items() if other != LAST for before in job["after"]}
    return [other for other in jobs if other != LAST and other not in waited_for]


def _untangled(columns: Sequence[Sequence[str]], after: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Each column in the order of what its jobs wait for, so that fewer arrows cross."""
    row: dict[str, float] = {}
    found = []
    for column in columns:
        weight = {name: sum(row[before] for before in after[name]) / max(1, len(after[name])) for name in column}
        ordered = sorted(column, key=weight.__getitem__)
        row |= {name: number - len(ordered) / 2 for number, name in enumerate(ordered)}
        found.append(ordered)
    return found


def _arrow(before: tuple[int, int], behind: tuple[int, int]) -> str:
    (x, y), (to_x, to_y) = (before[0] + WIDTH, before[1] + HEIGHT // 2), (behind[0], behind[1] + HEIGHT // 2)
    bend = BESIDE // 2
    return f"M{x} {y}C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"
