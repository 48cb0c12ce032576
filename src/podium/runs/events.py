"""What is written down: the states of a run and the events that lead from one to the next.

The journal of these is the truth; whatever the API, the page or the terminal shows is read from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any] | None"


class RunState(StrEnum):
    """Where a run is. It only ever moves forward in the order given here."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


# The event types that move a run from state to state, whatever its kind. Every other type belongs to an engine.
STATE_EVENTS: Mapping[str, RunState] = {
    "run.submitted": RunState.QUEUED,
    "run.started": RunState.STARTING,
    "run.running": RunState.RUNNING,
    "run.succeeded": RunState.SUCCEEDED,
    "run.failed": RunState.FAILED,
    "run.cancelled": RunState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    Args:
        type: dotted lower-case name, such as `step.finished`.
        data: JSON object; holds no secret.
        schema: version of the shape of `data` for this type.
        transient: applied to the state but not written: what recovery can find out again, such as one model's answer.
        synced: on disk before it is acted upon, so that a power cut cannot take it back either.
    """

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    schema: int = 1
    transient: bool = False
    synced: bool = field(default=False, compare=False)

    @property
    def ends(self) -> bool:
        """The run is over with it."""
        follows = STATE_EVENTS.get(self.type)
        return follows is not None and follows.ended


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as the journal holds it. `position` counts over all runs, `seq` within one; `time` is Unix seconds."""

    position: int
    run: str
    seq: int
    time: float
    event: Event

    def as_json(self) -> dict[str, Json]:
        return {
            "position": self.position,
            "run": self.run,
            "seq": self.seq,
            "time": self.time,
            "type": self.event.type,
            "schema": self.event.schema,
            "data": dict(self.event.data),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, for people and for `--json`; `hint` is what to do about it."""

    reason: str
    model: str | None = None
    exit_code: int | None = None
    last_lines: tuple[str, ...] = ()
    hint: str | None = None

    def as_json(self) -> dict[str, Json]:
        full: dict[str, Json] = {
            "reason": self.reason,
            "model": self.model,
            "exit_code": self.exit_code,
            "last_lines": list(self.last_lines) or None,
            "hint": self.hint,
        }
        return {key: value for key, value in full.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Submission:
    """A document that was accepted and is to become a run.

    Args:
        id: the run's id; unique in the journal.
        kind: which machine conducts it, such as `dots.simulation`.
        name: what the user called it.
        document: the JSON the machine starts from; secrets stand as `{"$secret": name}`.
        lane: runs that share a lane run one after another, in order of submission.
        key: idempotency key: a second submission with the same kind and key returns the first run.
        secrets: what the `$secret` names in `document` that begin with this run's id stand for; never in the journal.
    """

    id: str
    kind: str
    name: str
    document: dict[str, Any]
    lane: str | None = None
    key: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands now; a projection of its events. Times are Unix seconds."""

    id: str
    kind: str
    name: str
    state: RunState
    submitted: float
    lane: str | None = None
    started: float | None = None
    ended: float | None = None
    seq: int = 0
    error: Failure | None = None

    def as_json(self) -> dict[str, Json]:
        full: dict[str, Json] = {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "state": self.state.value,
            "submitted": self.submitted,
            "started": self.started,
            "ended": self.ended,
        }
        if self.error is not None:
            full["error"] = self.error.as_json()
        return full
