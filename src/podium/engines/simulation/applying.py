"""What each event does to the state. Nothing is decided here: whatever was decided stands in the event.

So a journal leads to the same state whenever it is read, and no clock is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from podium.engines.simulation.messages import Deploy, Finish, Parameterize, Remove, Step
from podium.engines.simulation.schedule import rhythms
from podium.engines.simulation.state import Live, Phase, State, Told
from podium.errors import JournalDamaged
from podium.runs.events import Event, RunState
from podium.runs.machine import Command

Data = Mapping[str, Any]


def apply(state: State, event: Event) -> State:
    change = CHANGES.get(event.type)
    if change is None or event.schema != 1:
        raise JournalDamaged(
            f"a simulation has no event {event.type} of schema {event.schema}",
            hint="The journal may be of a newer Podium: run that one",
        )
    change(state, event.data)
    return state


def expected(state: State) -> set[str]:
    """The models whose answer the phase or the step needs."""
    if state.phase in (Phase.DEPLOYING, Phase.PARAMETERIZING):
        return set(state.schedule.models)
    if state.phase is Phase.STEPPING:
        return set(state.schedule.due(state.step).all)
    return set()


def _command(state: State, models: Collection[str]) -> Command:
    key = state.key
    match state.phase:
        case Phase.DEPLOYING:
            return Deploy(key)
        case Phase.PARAMETERIZING:
            return Parameterize(key, state.in_order(models))
        case Phase.STEPPING:
            return _step(state, key, models)
        case Phase.FINISHING:
            return Finish(key, state.running)
        case _:
            return Remove(key, () if state.step else state.running)


def _step(state: State, key: str, models: Collection[str]) -> Step:
    due = state.schedule.due(state.step)
    return Step(
        key,
        number=state.step,
        time=state.plan.start + (state.step - 1) * state.plan.step_seconds,
        models=tuple(model for model in due.singly if model in models),
        broadcast=tuple(model for model in due.broadcast if model in models),
        due=due.all,
        lost=tuple(state.lost),
    )


def _issue(state: State, models: Collection[str]) -> None:
    command = _command(state, models)
    state.live.outbox[command.key] = command
    state.live.issued = True


def _enter(state: State, phase: Phase, at: float, settle: float = 0.0) -> None:
    """Begin a phase or a step. Its command waits until all that was missed is known, and for the link where models do.

    Where it is given once, it also waits until models had time to find the broker again; not where they are removed.
    """
    before, looking = state.live, state.looked_for(at)
    state.phase, state.attempt, state.unheard = phase, 0, False
    state.away = at if state.away is not None and phase.working else None
    state.live = live = Live(recovering=before.recovering)
    live.waiting = expected(state)
    if looking and phase is not Phase.REMOVING:
        if phase is Phase.STEPPING and not (state.schedule.unnumbered or settle):
            state.unheard = True
            live.doubt, live.rungs, live.pause = before.doubt, ("always",), state.plan.quiet
            live.timer = at + live.pause
        else:
            settle = max(settle, looking)
    state.since = at + settle
    state.guard = state.since + state.within
    if settle:
        live.timer = state.since
    elif not live.recovering and state.away is None:
        _issue(state, live.waiting)


def _enter_step(state: State, at: float, step: int, listen: float = 0.0) -> None:
    state.step = step
    if step <= state.plan.steps:
        settle = max(state.plan.settle if state.schedule.unnumbered else 0.0, listen)
        _enter(state, Phase.STEPPING, at, settle)
    else:
        state.live = Live(recovering=state.live.recovering)


def _lose_sight(state: State, at: float) -> None:
    """Forget what was under way: it may or may not have got through."""
    live = state.live
    unasked = state.phase.ending or (state.phase is Phase.DEPLOYING and not state.deployed)
    state.live = Live(
        waiting=live.waiting,
        parameters=live.parameters,
        issued=live.issued and not unasked,
        recovering=True,
    )
    state.unheard = state.unheard or state.looked_for(at) > 0
    state.away = None
    state.attempt += 1


def _look_out(state: State, at: float) -> None:
    """Models may find the broker again later than we do, and miss what is sent before."""
    state.unheard = True
    state.looking = at + state.plan.quiet


def _leave_out(state: State, seconds: float) -> None:
    """Of the time that the phase or the step takes."""
    state.since += seconds
    if state.guard is not None:
        state.guard += seconds


def _patience(state: State, at: float) -> float:
    """Until those who have not answered were asked, then all, and were heard; not for ever, with losses that go on."""
    needed = 3 * state.plan.quiet
    return min(at + needed, state.since + state.within + max(needed, state.plan.away_timeout))


def _nothing(_: State, __: Data) -> None:
    """For people, and for the state that the kernel keeps."""


def _started(state: State, data: Data) -> None:
    _enter(state, Phase.DEPLOYING, data["at"])


def _deployed(state: State, data: Data) -> None:
    state.deployed = True
    state.live.outbox.pop(data["key"], None)


def _ready(state: State, data: Data) -> None:
    _enter(state, Phase.PARAMETERIZING, data["at"])


def _model_ready(state: State, data: Data) -> None:
    state.live.waiting.discard(data["model"])


def _model_parameterized(state: State, data: Data) -> None:
    model = data["model"]
    state.live.waiting.remove(model)
    state.live.parameters[model] = Told(data["version"], data["calculations"], data["units"])


def _parameterized(state: State, data: Data) -> None:
    state.versions = dict(data["versions"])
    state.rhythms = rhythms(data["calculations"], state.plan.step_seconds)
    state.reschedule()
    _enter_step(state, data["at"], 1 + data.get("skipped", 0))


def _answered(state: State, data: Data) -> None:
    state.live.waiting.remove(data["model"])
    if "unnumbered" in data:
        state.live.unnumbered = True


def _held_up(state: State, data: Data) -> None:
    state.live.held_up[data["model"]] = frozenset(data["models"])


def _step_finished(state: State, data: Data) -> None:
    _enter_step(state, data["at"], data["step"] + 1 + data.get("skipped", 0), data.get("listen", 0.0))


def _sent(state: State, data: Data) -> None:
    state.live.sent.update(data["models"])


def _command_sent(state: State, data: Data) -> None:
    state.live.outbox.pop(data["key"], None)


def _command_due(state: State, _: Data) -> None:
    state.live.timer = None
    _issue(state, state.live.waiting)


def _command_failed(state: State, data: Data) -> None:
    live = state.live
    live.outbox.pop(data["key"], None)
    live.failures += 1
    live.doubt = f"it could not be sent: {data['reason']}"
    live.timer = data["retry"]
    live.rungs = ("missing", *live.rungs)
    live.pause = state.plan.quiet
    live.fresh = frozenset()


def _repeated(state: State, data: Data) -> None:
    live = state.live
    state.attempt += 1
    _issue(state, (*data["models"], *data.get("first", ())))
    live.fresh = frozenset()
    if data.get("retold"):
        return
    if live.rungs[:1] == ("always",):
        live.pause = max(2 * live.pause, 1.0)
    else:
        live.rungs = live.rungs[1:]
    live.timer = data["at"] + live.pause if live.rungs else None


def _step_repeated(state: State, data: Data) -> None:
    if data["step"] not in state.repeated[-1:]:
        state.repeated.append(data["step"])
    _repeated(state, data)


def _resumed(state: State, data: Data) -> None:
    """Time away does not count, and there is time to listen however late it was."""
    link_down = 0.0 if state.away is None else data["at"] - state.away  # before Podium was
    if state.away is not None or data.get("relinked"):
        _look_out(state, data["at"])
    _lose_sight(state, data["at"])
    live, down = state.live, max(data["down"], link_down)
    live.issued = not state.phase.ending and (state.phase is not Phase.DEPLOYING or state.deployed)
    live.doubt = "Podium was away"
    _leave_out(state, down)


def _link_down(state: State, data: Data) -> None:
    state.away = data["at"]


def _link_lost(state: State, data: Data) -> None:
    unsent = state.since >= (data["at"] if state.away is None else state.away)
    _look_out(state, data["at"])
    _lose_sight(state, data["at"])
    _leave_out(state, data.get("down", 0.0))
    if unsent and state.waits:
        _leave_out(state, max(state.looking - state.since, 0.0))
    state.live.doubt = "the link to the broker was lost"


def _recovered(state: State, data: Data) -> None:
    live, at = state.live, data["at"]
    live.recovering = False
    live.patience = _patience(state, at)
    if not live.issued:
        wait = min(max(state.since - at, 0.0), max(state.plan.settle, state.plan.quiet)) if state.waits else 0.0
        if wait or (state.phase is Phase.STEPPING and state.schedule.unnumbered):
            wait = max(wait, state.looked_for(at))  # it is given once
        if wait:
            live.timer = at + wait
            return
        _issue(state, live.waiting)
        if not data["rungs"]:
            return
    elif data["send"]:
        _issue(state, data["send"])
    live.fresh = frozenset(data["fresh"])
    live.rungs = tuple(data["rungs"])
    live.pause = state.plan.quiet
    live.timer = at + live.pause if live.rungs else None


def _lost(state: State, data: Data) -> None:
    model = data["model"]
    state.lost[model] = data["reason"]
    state.lost_in = state.step
    state.live.waiting.discard(model)
    state.reschedule()
    live = state.live
    if state.phase is Phase.STEPPING and state.guard is not None and data["at"] >= state.guard:
        state.guard = data["at"] + state.plan.step_timeout  # those that waited for it may go on now
    for key, command in live.outbox.items():
        if isinstance(command, Step):
            live.outbox[key] = _step(state, key, {*command.models, *command.broadcast})
            if not state.schedule.unnumbered and not live.rungs:
                # It may be on its way already, naming the lost model as due.
                live.rungs, live.pause, live.timer = ("always",), state.plan.quiet, data["at"] + state.plan.quiet


def _model_ended(state: State, data: Data) -> None:
    state.ended.add(data["model"])


def _model_failed(state: State, data: Data) -> None:
    state.outcome = RunState.FAILED
    state.error = dict(data["error"])


def _ending(state: State, data: Data) -> None:
    state.outcome = RunState(data["outcome"])
    state.error = dict(data["error"]) if "error" in data else None
    # Before all were ready, some may not listen yet, and none has results to write: nobody is waited for.
    phase = Phase.REMOVING if state.phase is Phase.DEPLOYING else Phase.FINISHING
    _enter(state, phase, data["at"])


def _removing(state: State, data: Data) -> None:
    _enter(state, Phase.REMOVING, data["at"])


def _ended(state: State, outcome: RunState, data: Data) -> None:
    state.phase, state.outcome = Phase.ENDED, outcome
    state.error = dict(data["error"]) if "error" in data else None
    state.guard = None
    state.attempt, state.away, state.unheard, state.looking = 0, None, False, 0.0
    state.live = Live()


CHANGES: Mapping[str, Callable[[State, Data], None]] = {
    "command.due": _command_due,
    "command.failed": _command_failed,
    "command.repeated": _repeated,
    "command.sent": _command_sent,
    "link.down": _link_down,
    "link.lost": _link_lost,
    "model.answered": _answered,
    "model.ended": _model_ended,
    "model.failed": _model_failed,
    "model.held_up": _held_up,
    "model.lost": _lost,
    "model.parameterized": _model_parameterized,
    "model.ready": _model_ready,
    "models.deployed": _deployed,
    "models.parameterized": _parameterized,
    "models.ready": _ready,
    "run.cancelled": lambda state, data: _ended(state, RunState.CANCELLED, data),
    "run.ending": _ending,
    "run.failed": lambda state, data: _ended(state, RunState.FAILED, data),
    "run.recovered": _recovered,
    "run.removing": _removing,
    "run.resumed": _resumed,
    "run.running": _nothing,
    "run.started": _started,
    "run.submitted": _nothing,
    "run.succeeded": lambda state, data: _ended(state, RunState.SUCCEEDED, data),
    "step.finished": _step_finished,
    "step.repeated": _step_repeated,
    "step.sent": _sent,
}
