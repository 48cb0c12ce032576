"""Where a simulation stands: what its events have led to, and what only this process knows.

The two are kept apart. `State` follows from the journal alone and is what a snapshot holds; `Live` is what happened
since the last event that was written down, which recovery finds out again or asks for again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from podium.engines.simulation.document import SimulationDocument
from podium.engines.simulation.schedule import Rhythm, Schedule
from podium.errors import JournalDamaged
from podium.runs.events import Event, Json, RunState
from podium.runs.machine import Command

SNAPSHOT_SCHEMA = 3


class Phase(StrEnum):
    """What a run is waiting for. It only moves forward."""

    QUEUED = "queued"
    DEPLOYING = "deploying"
    PARAMETERIZING = "parameterizing"
    STEPPING = "stepping"
    FINISHING = "finishing"
    REMOVING = "removing"
    ENDED = "ended"

    @property
    def working(self) -> bool:
        """Models have been asked for, and their end has not."""
        return self in (Phase.DEPLOYING, Phase.PARAMETERIZING, Phase.STEPPING)

    @property
    def ending(self) -> bool:
        return self in (Phase.FINISHING, Phase.REMOVING)


class Told(NamedTuple):
    """What a model tells of itself: version, calculations and units."""

    version: int
    calculations: list[list[Any]]
    units: list[list[str]]


@dataclass(slots=True)
class Live:
    """What is known about the command of this phase (of this step) and not written down.

    Args:
        waiting: the models that have not answered it.
        held_up: the models that say they wait, and for whom.
        parameters: what models answered to their parameters, as it will be written down.
        outbox: the commands that are due and not confirmed.
        issued: it was put into the outbox, or may have been by a process before this one.
        timer: when something is to be sent (again).
        rungs: to whom it is sent again while answers are missing, next first: `missing`, `all`, or `always` to all.
        pause: how long to listen between rungs.
        patience: until when no time-out counts, after a loss.
        fresh: the models that got it after a loss, so that it need not be repeated to them so soon.
        failures: how often it could not be sent.
        doubt: why it is to be sent again.
        unnumbered: an answer was counted, in doubt, that does not tell which step it is for.
        recovering: inputs of a time away are being fed; nothing is pending.
        sent: the models for which the broker has accepted it, as recovery found.
    """

    waiting: set[str] = field(default_factory=set)
    held_up: dict[str, frozenset[str]] = field(default_factory=dict)
    parameters: dict[str, Told] = field(default_factory=dict)
    outbox: dict[str, Command] = field(default_factory=dict)
    issued: bool = False
    timer: float | None = None
    rungs: tuple[str, ...] = ()
    pause: float = 0.0
    patience: float = 0.0
    fresh: frozenset[str] = frozenset()
    failures: int = 0
    doubt: str | None = None
    unnumbered: bool = False
    recovering: bool = False
    sent: set[str] = field(default_factory=set)


@dataclass(slots=True)
class State:
    """A simulation as its journal tells it.

    Args:
        step: the current step, from 1; one more than the last when all are done.
        since: when the phase or the step began, time away not counted.
        guard: when it will have taken too long.
        attempt: how often the command of the phase or the step was given before; part of its key.
        away: since when the link is down in this phase or step, while models are waited for: that time does not count.
        unheard: models may have missed that command: even what the broker accepted may not have arrived.
        looking: until when models may still look for the broker, after the link was lost.
        deployed: the order to deploy went out.
        versions: protocol versions other than 1.
        rhythms: of models that declare calculations.
        lost: models the run goes on without, and why.
        lost_in: the step in which the last of them was lost.
        ended: models whose process has ended.
        repeated: steps that were repeated in a way that may change results.
        outcome: what the run ends as, from the moment that is known.
        error: why, as JSON of a `Failure`.
    """

    plan: SimulationDocument
    phase: Phase = Phase.QUEUED
    step: int = 0
    since: float = 0.0
    guard: float | None = None
    attempt: int = 0
    away: float | None = None
    unheard: bool = False
    looking: float = 0.0
    deployed: bool = False
    versions: dict[str, int] = field(default_factory=dict)
    rhythms: dict[str, tuple[Rhythm, ...]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    lost_in: int = 0
    ended: set[str] = field(default_factory=set)
    repeated: list[int] = field(default_factory=list)
    outcome: RunState | None = None
    error: dict[str, Json] | None = None
    live: Live = field(default_factory=Live)
    schedule: Schedule = field(init=False, compare=False, repr=False)
    answers: dict[str, tuple[Event]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.reschedule()
        # Thousands come every second, all alike: made once.
        self.answers = {
            model: (Event("model.answered", {"model": model}, transient=True),) for model in self.plan.models
        }

    def reschedule(self) -> None:
        self.schedule = self.scheduled(without=())

    def scheduled(self, without: Collection[str], rhythms: dict[str, tuple[Rhythm, ...]] | None = None) -> Schedule:
        """The schedule when `without` are lost as well, and the models declare `rhythms`."""
        left = (model for model in self.plan.models if model not in self.lost and model not in without)
        return Schedule(left, self.versions, self.rhythms if rhythms is None else rhythms)

    @property
    def key(self) -> str:
        """The key of the command that this phase or step is about."""
        match self.phase:
            case Phase.DEPLOYING:
                base = "deploy"
            case Phase.PARAMETERIZING:
                base = "parameterize"
            case Phase.STEPPING:
                base = f"step:{self.step}"
            case Phase.FINISHING:
                base = "finish"
            case _:
                base = "remove"
        return f"{base}:again:{self.attempt}" if self.attempt else base

    @property
    def waits(self) -> bool:
        """Whether what is not sent yet is sent once, so that models have to be there, and not until they answer."""
        return self.phase is not Phase.STEPPING or self.schedule.unnumbered

    @property
    def within(self) -> float:
        """How many seconds the phase or the step may take."""
        if self.phase is Phase.DEPLOYING:
            return self.plan.ready_timeout
        return self.plan.end_timeout if self.phase.ending else self.plan.step_timeout

    @property
    def limit(self) -> float | None:
        """When the phase or the step has taken too long."""
        return None if self.guard is None else max(self.guard, self.live.patience)

    def looked_for(self, at: float) -> float:
        """For how many seconds models may still look for the broker."""
        left = self.looking - at
        return left if 0 < left <= self.plan.quiet else 0.0  # longer only where the clock was set back

    def in_order(self, models: Collection[str]) -> tuple[str, ...]:
        return tuple(model for model in self.plan.models if model in models)

    @property
    def held_up(self) -> set[str]:
        """The models that have not answered because, as they say, others have not sent them their part."""
        waiting = self.live.waiting
        return {model for model in waiting if not waiting.isdisjoint(self.live.held_up.get(model, ()))}

    @property
    def silent(self) -> tuple[str, ...]:
        """The models that others wait for; all that are waited for where each waits for another."""
        return self.in_order(self.live.waiting - self.held_up or self.live.waiting)

    @property
    def running(self) -> tuple[str, ...]:
        """The models whose process is not known to have ended, lost ones included."""
        return tuple(model for model in self.plan.models if model not in self.ended)


def plan_of(document: Mapping[str, Any]) -> SimulationDocument:
    return SimulationDocument.model_validate(document["simulation"])


def dump(state: State) -> Json:
    return {
        "schema": SNAPSHOT_SCHEMA,
        "phase": state.phase.value,
        "step": state.step,
        "since": state.since,
        "guard": state.guard,
        "attempt": state.attempt,
        "away": state.away,
        "unheard": state.unheard,
        "looking": state.looking,
        "deployed": state.deployed,
        "versions": dict(state.versions),
        "rhythms": {model: [list(rhythm) for rhythm in rhythms] for model, rhythms in state.rhythms.items()},
        "lost": dict(state.lost),
        "lost_in": state.lost_in,
        "ended": sorted(state.ended),
        "repeated": list(state.repeated),
        "outcome": state.outcome and state.outcome.value,
        "error": state.error and dict(state.error),
    }


def load(document: Mapping[str, Any], snapshot: Json) -> State:
    if not isinstance(snapshot, dict) or snapshot.get("schema") != SNAPSHOT_SCHEMA:
        raise JournalDamaged("a snapshot of a simulation has a shape this version does not know", where="snapshot")
    return State(
        plan_of(document),
        phase=Phase(snapshot["phase"]),
        step=snapshot["step"],
        since=snapshot["since"],
        guard=snapshot["guard"],
        attempt=snapshot["attempt"],
        away=snapshot["away"],
        unheard=snapshot["unheard"],
        looking=snapshot["looking"],
        deployed=snapshot["deployed"],
        versions=dict(snapshot["versions"]),
        rhythms={
            model: tuple((period, offset) for period, offset in rhythms)
            for model, rhythms in snapshot["rhythms"].items()
        },
        lost=dict(snapshot["lost"]),
        lost_in=snapshot["lost_in"],
        ended=set(snapshot["ended"]),
        repeated=list(snapshot["repeated"]),
        outcome=RunState(snapshot["outcome"]) if snapshot["outcome"] else None,
        error=snapshot["error"],
    )
