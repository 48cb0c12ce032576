"""Conducts a graph of jobs: whatever is ready is performed, up to the limits, until nothing is left.

What follows from an input is in `deciding`, what an event does in `applying`; here they become the machine that the
kernel knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podium.engines.flow import state as states
from podium.engines.flow.applying import apply
from podium.engines.flow.deciding import decide
from podium.engines.flow.state import State
from podium.runs.events import Event, Json
from podium.runs.machine import Command, Input


class FlowMachine:
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
        return () if state.recovering else [underway.command for underway in state.running.values()]

    def deadline(self, state: State) -> float | None:
        return state.deadline()

    def dump(self, state: State) -> Json:
        return states.dump(state)

    def load(self, document: Mapping[str, Any], snapshot: Json) -> State:
        return states.load(document, snapshot)
