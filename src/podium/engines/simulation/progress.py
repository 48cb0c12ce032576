"""How far a simulation is, as its journal tells: what the API, the page and the terminal show.

A fold over recorded events, so that a view which follows a run goes on from where it is instead of reading all again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from podium.engines.simulation.state import Phase
from podium.runs.events import STATE_EVENTS, Event, Json, Recorded


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a simulation stands.

    Args:
        step: the step being calculated, from 1; the last one when all are done; 0 before the first.
        done: how many steps are done, those in which nothing was due included.
        steps: how many there are; 0 until the run has started.
        models: how many models it has.
        lost: models it goes on without, and why.
        ended: models whose process has ended.
        error: why it failed or was cancelled, as JSON of a `Failure`; known from the moment it begins to end.
        repeated: steps that were repeated in a way that may change results.
        units: of results, by measurement and field, as far as models tell them.
        away: since when (Unix seconds) the link to the broker is down, and models are waited for.
        left_behind: it ended without knowing that all models have.
    """

    phase: Phase = Phase.QUEUED
    step: int = 0
    done: int = 0
    steps: int = 0
    models: int = 0
    lost: Mapping[str, str] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()
    error: Mapping[str, Json] | None = None
    repeated: tuple[int, ...] = ()
    away: float | None = None
    left_behind: bool = False
    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        return not self.repeated

    def as_json(self) -> dict[str, Json]:
        return {
            "phase": self.phase.value,
            "step": self.step,
            "done": self.done,
            "steps": self.steps,
            "models": self.models,
            "lost": dict(self.lost),
            "ended": sorted(self.ended),
            "error": None if self.error is None else dict(self.error),
            "exact": self.exact,
            "repeated": list(self.repeated),
            "away": self.away,
            "left_behind": self.left_behind,
            "units": {measurement: dict(fields) for measurement, fields in self.units.items()},
        }


def fold(events: Iterable[Recorded], so_far: Progress | None = None) -> Progress:
    progress = so_far or Progress()
    for recorded in events:
        progress = _after(progress, recorded.event)
    return progress


def _after(progress: Progress, event: Event) -> Progress:
    data = event.data
    match event.type:
        case "run.started":
            return replace(progress, phase=Phase.DEPLOYING, steps=data["steps"], models=data["models"])
        case "models.ready":
            return replace(progress, phase=Phase.PARAMETERIZING)
        case "models.parameterized":
            return _done(replace(progress, phase=Phase.STEPPING, units=data.get("units", {})), data["skipped"])
        case "step.finished":
            return _done(progress, data["step"] + data.get("skipped", 0))
        case "step.repeated":
            return replace(progress, repeated=tuple(dict.fromkeys((*progress.repeated, data["step"]))))
        case "link.down":
            return replace(progress, away=data["at"])
        case "link.lost" | "run.resumed":
            return replace(progress, away=None)
        case "model.lost":
            return replace(progress, lost={**progress.lost, data["model"]: data["reason"]})
        case "model.ended":
            return replace(progress, ended=progress.ended | {data["model"]})
        case "run.ending" | "model.failed":
            return replace(progress, phase=Phase.FINISHING, error=_error(data), away=None)
        case "run.removing":
            return replace(progress, phase=Phase.REMOVING)
        case kind if kind in STATE_EVENTS and STATE_EVENTS[kind].ended:
            return replace(progress, phase=Phase.ENDED, error=_error(data), left_behind=data.get("left_behind", False))
    return progress


def _done(progress: Progress, done: int) -> Progress:
    return replace(progress, done=done, step=min(done + 1, progress.steps))


def _error(data: Mapping[str, Any]) -> Mapping[str, Json] | None:
    error: Mapping[str, Json] | None = data.get("error")
    return error
