"""What to send again after something may have been lost, to whom, and when.

Models of version 2 know the number of a step and answer one they have done without doing it again, so it is sent to
them again freely. Models of version 1 count what arrives: for them the machine listens first, sends again only what it
must, and writes down that it did, because results may differ from those of an undisturbed run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podium.engines.simulation.state import Phase, State
from podium.runs.events import Event
from podium.runs.machine import LinkDown, LinkLost, PerformFailed, Recovered, Resumed

LONGEST_BACK_OFF = 10.0


def resumed(state: State, what: Resumed) -> tuple[Event, ...] | str:
    if not (state.phase.working or state.phase.ending):
        return "nothing is under way"
    data = {"at": what.now, "down": what.down}
    if what.relinked:
        data["relinked"] = True
    return (Event("run.resumed", data),)


def link_down(state: State, what: LinkDown) -> tuple[Event, ...] | str:
    if not state.phase.working:
        return "no model is waited for"  # and a run that ends does so in the time it was given
    if state.away is not None:
        return "it was down already"
    return (Event("link.down", {"at": what.now}),)


def link_lost(state: State, what: LinkLost) -> tuple[Event, ...] | str:
    if not (state.phase.working or state.phase.ending):
        return "nothing is under way"
    down = 0.0 if state.away is None else what.now - state.away
    return (Event("link.lost", {"at": what.now, "down": round(down, 6)}),)


def recovered(state: State, what: Recovered) -> tuple[Event, ...] | str:
    """All that can be known is known: decide what to send at once, and what to listen for."""
    live = state.live
    if not live.recovering:
        return "nothing is being recovered"
    send: Sequence[str] = ()
    again: tuple[str, ...] = ()
    rungs: tuple[str, ...] = ()
    if state.phase is Phase.STEPPING and live.issued:
        due = state.schedule.due(state.step)
        certain = what.complete and not state.unheard
        waited_for = not live.waiting.isdisjoint(due.broadcast)
        # What is kept of a step that was sent to all does not tell whether they know who was lost in it.
        untold = waited_for and state.lost_in == state.step
        unsent = {model for model in live.waiting if what.complete and model not in live.sent}
        if waited_for and (untold or not certain):
            again = tuple(model for model in due.broadcast if model not in unsent)
        if not state.schedule.unnumbered:
            send, again = state.in_order({*unsent, *again}), ()
            rungs = () if certain and not untold else ("always",)
        else:
            send = state.in_order(unsent)
            heard = not state.unheard and live.waiting <= {*send, *again}
            rungs = () if certain or heard else ("missing", "all")
    elif state.phase is Phase.STEPPING:
        rungs = ("always",) if state.unheard and not state.schedule.unnumbered else ()
    elif live.issued or state.phase is Phase.FINISHING or (state.unheard and state.phase is not Phase.REMOVING):
        rungs = ("missing",)
    data = {
        "at": what.now,
        "complete": what.complete,
        "send": [] if again else list(send),
        "fresh": [*send, *again],
        "rungs": list(rungs),
    }
    found = Event("run.recovered", data, transient=True)
    return (_again(state, what.now, again, first=send), found) if again else (found,)


def repeat(state: State, now: float) -> tuple[Event, ...]:
    """The time to listen is over and answers are missing."""
    live = state.live
    if state.phase is not Phase.STEPPING:
        return (_again(state, now, state.in_order(live.waiting)),)
    if live.rungs[0] == "missing":
        models = state.in_order(live.waiting - live.fresh) or state.in_order(live.waiting)
    else:
        models = state.schedule.due(state.step).all
    return (_again(state, now, models),)


def retell(state: State, now: float, lost: Sequence[str]) -> tuple[Event, ...]:
    """Models are lost in mid-step: those of version 2 hear that nothing will come from them, and go on without."""
    live = state.live
    if state.phase is not Phase.STEPPING or not live.issued or live.recovering or state.away is not None:
        return ()
    if live.outbox and not state.schedule.unnumbered:
        return ()  # it is changed there, and sent until they have answered
    hearing = [model for model in state.schedule.due(state.step).broadcast if model not in lost]
    if live.waiting.isdisjoint(hearing):
        return ()
    reason = f"the run goes on without {', '.join(lost)}"
    return (_again(state, now, hearing, reason=reason),)


def failed_to_send(state: State, what: PerformFailed) -> tuple[Event, ...]:
    """Try again later. Part may have got through, so with models of version 1 a step waits for news of the link."""
    pause = min(0.5 * 2.0**state.live.failures, LONGEST_BACK_OFF)
    if state.phase is Phase.STEPPING and state.schedule.unnumbered:
        pause = max(pause, state.plan.quiet)
    data = {"at": what.now, "key": what.key, "reason": what.reason, "retry": what.now + pause}
    return (Event("command.failed", data, transient=True),)


def _again(
    state: State, now: float, models: Sequence[str], first: Sequence[str] = (), reason: str | None = None
) -> Event:
    """The command is given once more; a step that models of version 1 count is named, since results may differ."""
    counted = state.phase is Phase.STEPPING and state.schedule.unnumbered
    data: dict[str, Any] = {"at": now, **({"step": state.step} if counted else {"command": state.key})}
    data |= {"models": list(models), "reason": reason or state.live.doubt}
    if reason:
        data["retold"] = True  # those who may have missed it are asked when they would have been
    if first:
        data["first"] = list(first)  # these had not been sent it: no repetition
    return Event("step.repeated" if counted else "command.repeated", data)
