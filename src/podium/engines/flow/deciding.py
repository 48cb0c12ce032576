"""What follows from each input: the rules of a graph of jobs.

Every rule answers with the events that follow, or with a sentence that says why the input was not wanted. None changes
the state. An outcome is only written down; what it makes possible is decided for all outcomes of a batch at once, when
the deadline passes that the state sets for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from zlib import crc32

from podium.engines.flow import nodes, wording
from podium.engines.flow.document import Retry
from podium.engines.flow.graph import check_graph
from podium.engines.flow.messages import LAST, PauseRequested, ResumeRequested
from podium.engines.flow.state import Phase, Standing, State, Underway
from podium.runs.events import Event, Failure, Json, RunState
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


def decide(state: State, what: Input) -> Verdict:
    rule = RULES.get(type(what))
    if rule is None:
        return "job graphs know no such input"
    return rule(state, what)


def _event(type_: str, at: float, **data: Any) -> Event:
    """What is known of a job is on disk before it is acted upon: performing it again may be dear."""
    return Event(type_, {"at": at, **data}, synced=True)


def _started(state: State, what: Started) -> Verdict:
    if state.phase is not Phase.QUEUED:
        return "the run has started already"
    now, plan = what.now, state.plan
    started = _event("run.started", now, jobs=len(plan.jobs))
    faults = check_graph(plan)
    if faults:
        return started, _final(now, RunState.FAILED, wording.no_graph(faults).as_json())
    reused = [name for name in plan.jobs if name in plan.reuse]
    begin = _event("run.running", now)
    return (started, _event("jobs.reused", now, jobs=reused), begin) if reused else (started, begin)


def _performed(state: State, what: Performed) -> Verdict:
    underway = state.running.get(what.key)
    if underway is None:
        return "this attempt is not waited for any more"
    attempt = underway.command.attempt
    succeeded = _event("job.succeeded", what.now, job=underway.node, attempt=attempt, result=what.result)
    if underway.node == LAST:
        return succeeded, _final(what.now, _outcome(state), state.error)
    return (succeeded,)


def _perform_failed(state: State, what: PerformFailed) -> Verdict:
    underway = state.running.get(what.key)
    if underway is None:
        return "this attempt is not waited for any more"
    return _fail(state, what.now, ((underway, what.reason, what.transient),))


def _deadline(state: State, what: DeadlinePassed) -> Verdict:
    """One thing after another; the deadline has not passed before all of it is decided."""
    now = what.now
    if state.recovering:
        return "what happened meanwhile comes first"
    expired = state.expired(now)
    if expired:
        return _fail(state, now, [(each, _silent(state, each), True) for each in expired])
    if state.growing:
        return _grow(state, now)
    if state.complete:
        return _end(state, now, wording.failed(state.failed) if state.failed else None)
    attempts = [] if state.paused else state.lanes.next(now)
    if attempts:
        return (_event("jobs.begun", now, attempts=[list(each) for each in attempts]),)
    return "nothing was due"


def _silent(state: State, underway: Underway) -> str:
    return wording.no_outcome(state.jobs[nodes.split(underway.node)[0]].spec.timeout or 0.0)


def _grow(state: State, now: float) -> Verdict:
    events: list[Event] = []
    skipped: set[str] = set()
    for name in state.growing:
        spec = state.jobs[name].spec
        try:
            events.append(_event("job.expanded", now, job=name, items=len(state.list_of(spec))))
        except TypeError:
            reason = wording.no_list(str(spec.each))
            events.append(_event("job.failed", now, job=name, reason=reason))
            events += _without(state, now, name, reason, skipped)
            if state.plan.on_failure == "stop":
                break
    return tuple(events)


def _fail(state: State, now: float, failures: Iterable[tuple[Underway, str, bool]]) -> tuple[Event, ...]:
    """Attempts that came to nothing: those that may help are made again, the others have consequences."""
    events: list[Event] = []
    skipped: set[str] = set()
    for underway, reason, transient in failures:
        node, attempt = underway.node, underway.command.attempt
        name, _ = nodes.split(node)
        retry = state.jobs[name].spec.retry
        failed = {"job": node, "attempt": attempt, "reason": reason}
        if transient and attempt < retry.attempts:
            events.append(_event("job.failed", now, **failed, retry_at=now + _pause(retry, now, node, attempt)))
            continue
        events.append(_event("job.failed", now, **failed))
        if node == LAST:
            error = state.error or wording.last_failed(reason).as_json()
            outcome = _outcome(state)
            events.append(_final(now, RunState.FAILED if outcome is RunState.SUCCEEDED else outcome, error))
            break
        events += _without(state, now, node, reason, skipped)
        if state.plan.on_failure == "stop":
            break
    return tuple(events)


def _without(state: State, now: float, node: str, reason: str, skipped: set[str]) -> tuple[Event, ...]:
    """What a failure for good means to the others; `skipped` are those that will not be performed anyway."""
    if state.plan.on_failure == "stop":
        return _end(state, now, wording.failed({**state.failed, node: reason}))
    name, _ = nodes.split(node)
    found = [name]
    for each in found:
        for other in state.dependents.get(each, ()):
            if other not in skipped and state.jobs[other].standing is Standing.WAITING:
                skipped.add(other)
                found.append(other)
    return (_event("jobs.skipped", now, jobs=found[1:], because=node),) if len(found) > 1 else ()


def _pause(retry: Retry, now: float, node: str, attempt: int) -> float:
    if not retry.delay:
        return 0.0
    try:
        pause = min(retry.delay * retry.factor ** (attempt - 1), retry.most)
    except OverflowError:
        pause = retry.most
    share = crc32(f"{now!r} {node} {attempt}".encode()) / 2**32
    return pause * (1 - retry.jitter * share)


def _end(state: State, now: float, failure: Failure | None, *, cancelled: bool = False) -> tuple[Event, ...]:
    """The outcome is known; it stands once the last job has been told."""
    outcome = RunState.FAILED if failure else RunState.SUCCEEDED
    if cancelled:
        outcome = RunState.CANCELLED
    error = failure.as_json() if failure else None
    if state.plan.last is None:
        return (_final(now, outcome, error),)
    data: dict[str, Json] = {"outcome": outcome.value}
    return (_event("run.ending", now, **data, **({"error": error} if error else {})),)


def _final(now: float, outcome: RunState, error: dict[str, Json] | None) -> Event:
    return _event(f"run.{outcome.value}", now, **({"error": error} if error else {}))


def _outcome(state: State) -> RunState:
    return state.outcome or RunState.SUCCEEDED


def _cancel(state: State, what: CancelRequested) -> Verdict:
    now, failure = what.now, Failure(what.reason)
    if state.phase is Phase.RUNNING:
        return _end(state, now, failure, cancelled=True)
    if state.phase is Phase.QUEUED:
        ending = _end(state, now, failure, cancelled=True)
        return ending if state.plan.last is None else (_event("run.started", now, jobs=len(state.plan.jobs)), *ending)
    if state.phase is Phase.ENDING:
        if _outcome(state) is RunState.SUCCEEDED:
            return (_final(now, RunState.CANCELLED, failure.as_json()),)
        return (_final(now, _outcome(state), state.error),)
    return f"the run is {state.phase}"


def _pause_requested(state: State, what: PauseRequested) -> Verdict:
    if state.phase is not Phase.RUNNING:
        return f"the run is {state.phase}"
    return "the run is paused already" if state.paused else (_event("run.paused", what.now),)


def _resume_requested(state: State, what: ResumeRequested) -> Verdict:
    return (_event("run.resumed", what.now),) if state.paused else "the run is not paused"


def _resumed(state: State, what: Resumed) -> Verdict:
    if state.phase not in (Phase.RUNNING, Phase.ENDING):
        return "nothing is under way"
    # A clock that was set back must not have anything wait until it has caught up.
    return (_event("run.restored", what.now, down=min(what.down, what.now - state.at)),)


def _link(_: State, __: LinkDown | LinkLost) -> Verdict:
    return "jobs under way see to their own connections"


def _recovered(state: State, what: Recovered) -> Verdict:
    if not state.recovering:
        return "nothing is being recovered"
    return (Event("run.recovered", {"at": what.now}, transient=True),)


RULES: Mapping[type[Input], Callable[[State, Any], Verdict]] = {
    Performed: _performed,
    PerformFailed: _perform_failed,
    DeadlinePassed: _deadline,
    Started: _started,
    CancelRequested: _cancel,
    PauseRequested: _pause_requested,
    ResumeRequested: _resume_requested,
    Resumed: _resumed,
    LinkDown: _link,
    LinkLost: _link,
    Recovered: _recovered,
}
