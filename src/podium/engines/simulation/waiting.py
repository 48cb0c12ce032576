"""Whom a simulation waits for at this moment. Its journal does not tell: single answers are not written down."""

from __future__ import annotations

from dataclasses import dataclass

from podium.engines.simulation.state import State
from podium.runs.events import Json

MOST = 20  # models that are told by name


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    Args:
        models: that have not answered, or not ended; without those that wait for others themselves.
        seconds: since the phase or the step began, time away not counted.
    """

    models: tuple[str, ...]
    seconds: float

    def as_json(self) -> dict[str, Json]:
        return {"models": [*self.models[:MOST]], "count": len(self.models), "seconds": round(self.seconds, 1)}


def waiting(state: State, now: float) -> Waiting | None:
    """None, when it waits for no model: also while the broker is away."""
    if state.away is not None:
        return None
    models = state.running if state.phase.ending else state.silent
    return Waiting(models, max(now - state.since, 0.0)) if models else None
