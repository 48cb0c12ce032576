"""What people read when a simulation does not go well: which model, at which step, and why."""

from __future__ import annotations

from collections.abc import Sequence

from podium.engines.simulation.messages import ModelEnded
from podium.engines.simulation.state import Phase, State
from podium.runs.events import Failure

NAMED = 3

NEVER_READY = "See in its log whether it was started and reached the broker; if it only needs longer, allow more time"
TOO_SLOW = "See in its log what it was doing; if it only needs longer, raise max_step_calc_time_minutes in the document"
NO_BROKER = "See whether it runs and can be reached; dots_away_timeout_seconds says how long it is waited for"
A_CIRCLE = "Let one of them take its input from the step before (previous)"


def names(models: Sequence[str]) -> str:
    """A few names, and how many more."""
    few = ", ".join(models[:NAMED])
    more = len(models) - NAMED
    return f"{few} and {more} more" if more > 0 else few


def when(state: State) -> str:
    match state.phase:
        case Phase.DEPLOYING:
            return "before all models were ready"
        case Phase.PARAMETERIZING:
            return "while the models took their parameters"
        case Phase.STEPPING:
            return f"in step {state.step} of {state.plan.steps}"
        case _:
            return "after the last step; its results may be incomplete"


def ended(state: State, what: ModelEnded) -> Failure:
    if what.success:
        told = f"model {what.model} ended before the simulation was done, {when(state)}"
    else:
        code = f" with exit code {what.exit_code}" if what.exit_code is not None else ""
        told = f"model {what.model} ended{code} {when(state)}"
    # A backplane's reason may begin with the exit code, or be no more than that.
    more = (what.reason or "").removeprefix(f"exit code {what.exit_code}").removeprefix(": ")
    reason = f"{told}: {more}" if more else told
    return Failure(reason, what.model, what.exit_code, tuple(what.last_lines))


def reported(state: State, model: str, reason: str) -> Failure:
    return Failure(f"model {model} reported an error {when(state)}: {reason}", model)


def silent(state: State, models: Sequence[str]) -> Failure:
    task = f"step {state.step} of {state.plan.steps}" if state.phase is Phase.STEPPING else "its parameters"
    reason = f"no answer to {task} within {state.plan.step_timeout:g} s from {names(models)}"
    if held_up := state.held_up:
        if held_up == state.live.waiting:
            return Failure(f"{reason}, which wait for each other", models[0], hint=A_CIRCLE)
        reason += f", for which {names(state.in_order(held_up))} {'waits' if len(held_up) == 1 else 'wait'}"
    if state.live.doubt:
        reason += f" ({state.live.doubt})"
    return Failure(reason, models[0], hint=TOO_SLOW)


def never_ready(state: State) -> Failure:
    reason = f"not all models were ready within {state.plan.ready_timeout:g} s"
    missing = state.in_order(state.live.waiting)
    reason += f": nothing was heard of {names(missing)}" if missing else ": all said so, and the MSO did not"
    if state.live.doubt:
        reason += f" ({state.live.doubt})"
    return Failure(reason, missing[0] if missing else None, hint=NEVER_READY)


def broker_away(state: State) -> Failure:
    reason = f"the broker was away for {state.plan.away_timeout:g} s, {when(state)}"
    return Failure(reason, hint=NO_BROKER)


def not_performed(state: State, reason: str) -> Failure:
    match state.phase:
        case Phase.DEPLOYING:
            task = "the models could not be deployed"
        case Phase.PARAMETERIZING:
            task = "the models could not be given their parameters"
        case _:
            task = f"step {state.step} could not be sent"
    return Failure(f"{task}: {reason}")


def none_left(last: Failure) -> Failure:
    return Failure(f"no model is left; the last: {last.reason}", last.model, last.exit_code, last.last_lines)
