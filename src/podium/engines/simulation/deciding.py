"""What follows from each input: the rules of a simulation.

Every rule answers with the events that follow, or with a sentence that says why the input was not wanted. None changes
the state, and none looks at more than one model unless a step or a phase ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from podium.engines.simulation import wording
from podium.engines.simulation.ending import conclude, end, ended_meanwhile, failed_meanwhile, remove
from podium.engines.simulation.messages import (
    AllEnded,
    AllReady,
    Answered,
    ModelEnded,
    ModelFailed,
    ModelReady,
    Parameterized,
    StepSent,
    StillWaiting,
)
from podium.engines.simulation.recovering import (
    failed_to_send,
    link_down,
    link_lost,
    recovered,
    repeat,
    resumed,
    retell,
)
from podium.engines.simulation.schedule import rhythm, rhythms
from podium.engines.simulation.state import Phase, State, Told
from podium.runs.events import Event, Failure, RunState
from podium.runs.machine import (
    CancelRequested,
    DeadlinePassed,
    Input,
    LinkDown,
    LinkLost,
    Performed,
    PerformFailed,
    Recovered,
    Resumed,
    Started,
)

Verdict: TypeAlias = tuple[Event, ...] | str

KNOWN_VERSIONS = (1, 2)


def decide(state: State, what: Input) -> Verdict:
    rule = RULES.get(type(what))
    if rule is None:
        return "simulations know no such input"
    return rule(state, what)


def _started(state: State, what: Started) -> Verdict:
    if state.phase is not Phase.QUEUED:
        return "the run has started already"
    plan = state.plan
    return (Event("run.started", {"at": what.now, "steps": plan.steps, "models": len(plan.models)}),)


def _all_ready(state: State, what: AllReady) -> Verdict:
    if state.phase is not Phase.DEPLOYING:
        return f"the run is {state.phase}"
    return (Event("models.ready", {"at": what.now}),)


def _model_ready(state: State, what: ModelReady) -> Verdict:
    if state.phase is not Phase.DEPLOYING:
        return f"the run is {state.phase}"
    if what.model not in state.live.waiting:
        return "the model is unknown, lost, or has said so"
    return (Event("model.ready", {"model": what.model}, transient=True),)


def _parameterized(state: State, what: Parameterized) -> Verdict:
    model = what.model
    if state.phase is not Phase.PARAMETERIZING:
        return f"the run is {state.phase}"
    if model not in state.live.waiting:
        return "the model is unknown, lost, or has its parameters"
    problem = _problem(state, what)
    if problem:
        return end(state, what.now, RunState.FAILED, Failure(f"model {model} cannot take part: {problem}", model))
    calculations = [[each.name, each.period_seconds, each.offset_seconds] for each in what.calculations]
    told = Told(what.version, calculations, [list(each) for each in what.units])
    if len(state.live.waiting) == 1:
        return _all_parameterized(state, what.now, {model: told})
    return (Event("model.parameterized", {"model": model, **told._asdict()}, transient=True),)


def _problem(state: State, what: Parameterized) -> str | None:
    if what.version not in KNOWN_VERSIONS:
        return f"it speaks version {what.version} of the protocol, and Podium speaks 1 and 2"
    kept = (rhythm(calculation, state.plan.step_seconds) for calculation in what.calculations)
    return next((problem for problem in kept if isinstance(problem, str)), None)


def _all_parameterized(
    state: State,
    now: float,
    latest: Mapping[str, Told],
    without: tuple[str, ...] = (),
) -> tuple[Event, ...]:
    parameters = {**state.live.parameters, **latest}
    versions = {model: told.version for model, told in parameters.items() if told.version != 1}
    calculations = {model: told.calculations for model, told in parameters.items() if told.calculations}
    first = state.scheduled(without, rhythms(calculations, state.plan.step_seconds)).next(0, state.plan.steps)
    data = {"at": now, "versions": versions, "calculations": calculations, "skipped": first - 1}
    units, clashes = _units(parameters.values())
    if units:
        data["units"] = units
    if clashes:
        data["clashes"] = clashes
    begun = Event("models.parameterized", data), Event("run.running", {"at": now})
    if first > state.plan.steps:
        return *begun, *end(state, now, RunState.SUCCEEDED, without=without)
    return begun


def _units(told: Iterable[Told]) -> tuple[dict[str, dict[str, str]], list[list[str]]]:
    """By measurement and field: many models have the same. And those that models do not agree on, with both."""
    units: dict[str, dict[str, str]] = {}
    clashes: dict[tuple[str, str], list[str]] = {}
    for each in told:
        for measurement, name, unit in each.units:
            first = units.setdefault(measurement, {}).setdefault(name, unit)
            if first != unit:
                clashes.setdefault((measurement, name), [measurement, name, first, unit])
    agreed = {
        measurement: fields
        for measurement, declared in units.items()
        if (fields := {name: unit for name, unit in declared.items() if (measurement, name) not in clashes})
    }
    return agreed, list(clashes.values())


def _answered(state: State, what: Answered) -> Verdict:
    live = state.live
    if state.phase is not Phase.STEPPING:
        return f"the run is {state.phase}"
    if what.model not in live.waiting:
        return "the model is unknown, lost, not due, or has answered this step"
    if what.number is None:
        if not live.recovering and what.model in state.versions:
            return "a model of version 2 has to say which step it answers"
    elif what.number != state.step:
        return f"step {state.step} is the current one"
    if not (live.issued or live.recovering):
        return "the step has not been sent"
    unnumbered = what.number is None and live.doubt is not None
    if len(live.waiting) == 1:
        return _step_finished(state, what.now, unnumbered=unnumbered)
    if unnumbered:
        return (Event("model.answered", {"model": what.model, "unnumbered": True}, transient=True),)
    return state.answers[what.model]


def _still_waiting(state: State, what: StillWaiting) -> Verdict:
    if state.phase is not Phase.STEPPING or what.number != state.step or what.model not in state.live.waiting:
        return "this step is not waited for"
    return (Event("model.held_up", {"model": what.model, "models": list(state.in_order(what.models))}, transient=True),)


def _step_finished(
    state: State, now: float, without: tuple[str, ...] = (), *, unnumbered: bool = False
) -> tuple[Event, ...]:
    last, live = state.plan.steps, state.live
    following = (state.scheduled(without) if without else state.schedule).next(state.step, last)
    data = {"at": now, "step": state.step, "seconds": round(max(now - state.since, 0.0), 6)}
    if following > state.step + 1:
        data["skipped"] = following - state.step - 1
    if state.schedule.unnumbered and (unnumbered or live.unnumbered or state.repeated[-1:] == [state.step]):
        # Answers that nobody numbered, or to a step that was sent twice, may come twice: let them come first.
        data["listen"] = state.plan.quiet
    finished = Event("step.finished", data)
    if following > last:
        return finished, *end(state, now, RunState.SUCCEEDED, without=without)
    return (finished,)


def _step_sent(state: State, what: StepSent) -> Verdict:
    if not state.live.recovering:
        return "nothing is being recovered"
    if state.phase is not Phase.STEPPING or what.number != state.step:
        return "this is not about the current step"
    models = [what.model] if what.model is not None else list(state.schedule.due(state.step).broadcast)
    return (Event("step.sent", {"models": models}, transient=True),)


def _model_failed(state: State, what: ModelFailed) -> Verdict:
    unwanted = _stranger(state, what.model)
    if unwanted:
        return unwanted
    if what.model in state.lost:
        return "the run goes on without this model"
    failure = wording.reported(state, what.model, what.reason)
    if state.phase.ending:
        return failed_meanwhile(state, what.now, failure) or "the run is ending already"
    return _fault(state, what.now, (failure,))


def _model_ended(state: State, what: ModelEnded) -> Verdict:
    unwanted = _stranger(state, what.model)
    if unwanted:
        return unwanted
    if what.model in state.ended:
        return "the model has ended already"
    data: dict[str, Any] = {"at": what.now, "model": what.model, "success": what.success}
    if what.exit_code is not None:
        data["exit_code"] = what.exit_code
    gone = Event("model.ended", data)
    if state.phase.ending:
        return gone, *ended_meanwhile(state, what)
    if what.model in state.lost:
        return (gone,)
    return gone, *_fault(state, what.now, (wording.ended(state, what),), gone=what.model)


def _stranger(state: State, model: str) -> str | None:
    if not (state.phase.working or state.phase.ending):
        return f"the run is {state.phase}"
    if model not in state.plan.models:
        return "the run has no such model"
    return None


def _fault(state: State, now: float, failures: Sequence[Failure], gone: str | None = None) -> tuple[Event, ...]:
    """Some models cannot go on: end the run, or carry on without them."""
    if state.plan.on_model_failure == "fail":
        return end(state, now, RunState.FAILED, failures[0], gone=gone)
    lost = tuple(failure.model for failure in failures if failure.model is not None)
    events = tuple(Event("model.lost", {"at": now, **failure.as_json()}) for failure in failures)
    if set(state.schedule.models) <= set(lost):
        return *events, *end(state, now, RunState.FAILED, wording.none_left(failures[-1]), gone=gone, without=lost)
    if state.phase is Phase.DEPLOYING:
        return events
    if not state.live.waiting.issubset(lost):
        return *events, *retell(state, now, lost)
    if state.phase is Phase.PARAMETERIZING:
        return *events, *_all_parameterized(state, now, {}, without=lost)
    return *events, *_step_finished(state, now, without=lost)


def _all_ended(state: State, what: AllEnded) -> Verdict:
    if state.phase.ending:
        return conclude(state, what.now)
    if not state.phase.working:
        return f"the run is {state.phase}"
    failure = Failure(f"all models ended before the simulation was done, {wording.when(state)}")
    return end(state, what.now, RunState.FAILED, failure, none_live=True)


def _cancel(state: State, what: CancelRequested) -> Verdict:
    failure = Failure(what.reason)
    if state.phase is Phase.QUEUED:
        return (Event("run.cancelled", {"at": what.now, "error": failure.as_json()}),)
    if not state.phase.working:
        return f"the run is {state.phase}"
    return end(state, what.now, RunState.CANCELLED, failure)


def _performed(state: State, what: Performed) -> Verdict:
    if what.key not in state.live.outbox:
        return "this command is not waited for any more"
    if state.phase is Phase.DEPLOYING and not state.deployed:
        return (Event("models.deployed", {"at": what.now, "key": what.key}),)
    return (Event("command.sent", {"key": what.key}, transient=True),)


def _perform_failed(state: State, what: PerformFailed) -> Verdict:
    if what.key not in state.live.outbox:
        return "this command is not waited for any more"
    if what.transient:
        return failed_to_send(state, what)
    if state.phase is Phase.FINISHING:
        return remove(state, what.now)
    if state.phase is Phase.REMOVING:
        return conclude(state, what.now, left_behind=state.running)
    return end(state, what.now, RunState.FAILED, wording.not_performed(state, what.reason))


def _deadline(state: State, what: DeadlinePassed) -> Verdict:
    live = state.live
    if state.away is not None:
        if what.now < state.away + state.plan.away_timeout:
            return "the link is down, and nothing is due before it is back"
        return end(state, what.now, RunState.FAILED, wording.broker_away(state))
    if live.timer is not None and what.now >= live.timer:
        if live.issued:
            return repeat(state, what.now)
        return (Event("command.due", transient=True),)
    if state.limit is None or what.now < state.limit:
        return "nothing was due"
    match state.phase:
        case Phase.FINISHING:
            return remove(state, what.now)
        case Phase.REMOVING:
            return conclude(state, what.now, left_behind=state.running)
        case Phase.DEPLOYING:
            return end(state, what.now, RunState.FAILED, wording.never_ready(state))
    if state.plan.on_model_failure == "continue":
        return _fault(state, what.now, [wording.silent(state, (model,)) for model in state.silent])
    return end(state, what.now, RunState.FAILED, wording.silent(state, state.silent))


RULES: Mapping[type[Input], Callable[[State, Any], Verdict]] = {
    Answered: _answered,
    Performed: _performed,
    DeadlinePassed: _deadline,
    Started: _started,
    AllReady: _all_ready,
    ModelReady: _model_ready,
    Parameterized: _parameterized,
    StepSent: _step_sent,
    StillWaiting: _still_waiting,
    ModelFailed: _model_failed,
    ModelEnded: _model_ended,
    AllEnded: _all_ended,
    CancelRequested: _cancel,
    PerformFailed: _perform_failed,
    Resumed: resumed,
    LinkDown: link_down,
    LinkLost: link_lost,
    Recovered: recovered,
}
