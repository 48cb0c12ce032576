"""How a simulation ends: models are told to finish, then removed, then given up.

Once a run is ending its cause stands: faults that come then only matter to a run that was going to succeed.
"""

from __future__ import annotations

from podium.engines.simulation import wording
from podium.engines.simulation.messages import ModelEnded
from podium.engines.simulation.state import Phase, State
from podium.runs.events import Event, Failure, Json, RunState

Data = dict[str, Json]


def end(
    state: State,
    now: float,
    outcome: RunState,
    failure: Failure | None = None,
    *,
    gone: str | None = None,
    without: tuple[str, ...] = (),
    none_live: bool = False,
) -> tuple[Event, ...]:
    """Begin to end with `outcome`; and end at once when no model lives, `gone` counted."""
    error = failure.as_json() if failure else None
    data: Data = {"at": now, "outcome": outcome.value}
    if error:
        data["error"] = error
    ending = Event("run.ending", data)
    if none_live or _all_gone(state, gone):
        return ending, _final(state, now, outcome, error, without=without)
    return (ending,)


def conclude(state: State, now: float, left_behind: tuple[str, ...] = ()) -> tuple[Event, ...]:
    return (_final(state, now, state.outcome or RunState.FAILED, state.error, left_behind=left_behind),)


def remove(state: State, now: float) -> tuple[Event, ...]:
    """Telling them was not enough."""
    return (Event("run.removing", {"at": now, "models": list(state.running)}),)


def ended_meanwhile(state: State, what: ModelEnded) -> tuple[Event, ...]:
    """What the end of a model means to a run that is ending. A model ended by force says nothing by its exit code."""
    events: tuple[Event, ...] = ()
    outcome, error = state.outcome, state.error
    if not what.success and state.phase is Phase.FINISHING and what.model not in state.lost:
        events = failed_meanwhile(state, what.now, wording.ended(state, what))
    if not events and outcome is RunState.FAILED:
        events = _told_more(state, what)
    for event in events:
        if event.type == "model.failed":
            outcome, error = RunState.FAILED, event.data["error"]
    if outcome is not None and _all_gone(state, what.model):
        lost = tuple(event.data["model"] for event in events if event.type == "model.lost")
        return *events, _final(state, what.now, outcome, error, without=lost)
    return events


def failed_meanwhile(state: State, now: float, failure: Failure) -> tuple[Event, ...]:
    """A model fails after the last step, while it should write its results."""
    if state.outcome is not RunState.SUCCEEDED or failure.model is None:
        return ()
    if state.plan.on_model_failure == "fail":
        return (Event("model.failed", {"at": now, "model": failure.model, "error": failure.as_json()}),)
    lost = Event("model.lost", {"at": now, **failure.as_json()})
    if set(state.schedule.models) <= {failure.model}:
        error = wording.none_left(failure).as_json()
        return lost, Event("model.failed", {"at": now, "model": failure.model, "error": error})
    return (lost,)


def _told_more(state: State, what: ModelEnded) -> tuple[Event, ...]:
    """The model that failed the run has ended now: its exit code and last lines complete the reason."""
    error = state.error
    if error is None or error.get("model") != what.model or "exit_code" in error:
        return ()
    more: Data = {}
    if what.exit_code is not None and state.phase is Phase.FINISHING:
        more["exit_code"] = what.exit_code
    if what.last_lines:
        more["last_lines"] = list(what.last_lines)
    if not more:
        return ()
    return (Event("model.failed", {"at": what.now, "model": what.model, "error": {**error, **more}}),)


def _all_gone(state: State, gone: str | None) -> bool:
    count = len(state.ended) + (gone is not None and gone not in state.ended)
    return count == len(state.plan.models)


def _final(
    state: State,
    now: float,
    outcome: RunState,
    error: Data | None,
    *,
    without: tuple[str, ...] = (),
    left_behind: tuple[str, ...] = (),
) -> Event:
    data: Data = {"at": now}
    if error:
        data["error"] = error
    if state.repeated:
        data |= {"exact": False, "repeated": list(state.repeated)}
    lost = [*state.lost, *without]
    if lost:
        data["lost"] = lost
    if left_behind:
        data |= {"left_behind": True, "models": list(left_behind)}
    return Event(f"run.{outcome.value}", data)
