"""Conducts models in lock step: deploy, ready, parameters, step 1 to N, done, ended.

A step begins when every model that was due in the one before has answered. What follows from an input is in `deciding`,
what an event does in `applying`; here they become the machine that the kernel knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podium.engines.simulation import state as states
from podium.engines.simulation.applying import apply, expected
from podium.engines.simulation.deciding import decide
from podium.engines.simulation.state import State
from podium.runs.events import Event, Json
from podium.runs.machine import Command, Input


class SimulationMachine:
    """Satisfies `podium.runs.machine.Machine`."""

    def initial(self, document: Mapping[str, Any]) -> State:
        return State(states.plan_of(document))

    def handle(self, state: State, what: Input) -> Sequence[Event]:
        verdict = decide(state, what)
        return () if isinstance(verdict, str) else verdict

    def unwanted(self, state: State, what: Input) -> str | None:
        """Why `what` yields no event; for the log, asked with the state that `handle` was given."""
        verdict = decide(state, what)
        return verdict if isinstance(verdict, str) else None

    def apply(self, state: State, event: Event) -> State:
        return apply(state, event)

    def pending(self, state: State) -> Sequence[Command]:
        live = state.live
        return tuple(live.outbox.values()) if live.outbox and not live.recovering else ()

    def deadline(self, state: State) -> float | None:
        timer, limit = state.live.timer, state.limit
        if state.away is not None:
            return state.away + state.plan.away_timeout
        if timer is None or limit is None:
            return limit
        return min(timer, limit)

    def dump(self, state: State) -> Json:
        return states.dump(state)

    def load(self, document: Mapping[str, Any], snapshot: Json) -> State:
        state = states.load(document, snapshot)
        state.live.waiting = expected(state)
        return state
