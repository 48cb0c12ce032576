"""What each event does to the state. Nothing is decided here: whatever was decided stands in the event.

So a journal written by an older Podium leads to the state it led to then. Nothing here looks at more jobs than the
event is about and those next to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podium.engines.flow import nodes
from podium.engines.flow.lanes import Retry
from podium.engines.flow.messages import LAST
from podium.engines.flow.state import Items, JobState, Phase, Standing, State, Underway
from podium.errors import JournalDamaged
from podium.runs.events import Event, Json, RunState

Data = Mapping[str, Any]


def apply(state: State, event: Event) -> State:
    change = CHANGES.get(event.type)
    if change is None or event.schema != 1:
        raise JournalDamaged(
            f"a job graph has no event {event.type} of schema {event.schema}",
            hint="The journal may be of a newer Podium: run that one",
        )
    change(state, event.data)
    state.at = event.data.get("at", state.at)
    return state


def _nothing(_: State, __: Data) -> None:
    """For people, and for the state that the kernel keeps."""


def _reused(state: State, data: Data) -> None:
    for name in data["jobs"]:
        job = state.jobs[name]
        state.left -= 1
        _succeed(state, name, job, state.plan.reuse[name])


def _running(state: State, _: Data) -> None:
    state.phase = Phase.RUNNING
    for name, job in state.jobs.items():
        _look(state, name, job)


def _begun(state: State, data: Data) -> None:
    for node, attempt in data["attempts"]:
        command = state.command(node, attempt)
        job = state.jobs[nodes.split(node)[0]]
        state.lanes.begin(job.service, node, attempt)
        deadline = None if job.spec.timeout is None else data["at"] + job.spec.timeout
        state.running[command.key] = Underway(node, deadline, command)
        if deadline is not None:
            state.watch(command.key, deadline)


def _job_succeeded(state: State, data: Data) -> None:
    node = data["job"]
    name, index = nodes.split(node)
    job = state.jobs[name]
    _over(state, job, node, data["attempt"])
    if name == LAST:
        return
    state.left -= 1
    if index is None:
        _succeed(state, name, job, data["result"])
    elif job.items is not None:
        job.items.results[index] = data["result"]
        _item_settled(state, name, job, job.items)


def _job_failed(state: State, data: Data) -> None:
    node, attempt = data["job"], data.get("attempt", 0)
    name, _ = nodes.split(node)
    job = state.jobs[name]
    if attempt:
        _over(state, job, node, attempt)
    else:
        state.growing.remove(name)
    if "retry_at" in data:
        state.lanes.add_retry(job.service, Retry(data["retry_at"], node, attempt + 1))
    elif name != LAST:
        state.failed[node] = data["reason"]
        state.left -= 1
        job.standing = Standing.FAILED
        if job.items is not None:
            _item_settled(state, name, job, job.items)
        else:
            state.release(job)


def _skipped(state: State, data: Data) -> None:
    for name in data["jobs"]:
        job = state.jobs[name]
        job.standing = Standing.SKIPPED
        state.left -= 1
        state.release(job)


def _expanded(state: State, data: Data) -> None:
    name, count = data["job"], data["items"]
    job = state.jobs[name]
    state.growing.remove(name)
    state.left += count - 1
    if not count:
        _succeed(state, name, job, [])
        return
    job.standing = Standing.ACTIVE
    job.items = Items([None] * count, count)
    for index in range(count):
        state.lanes.add(job.service, nodes.item(name, index))


def _paused(state: State, _: Data) -> None:
    state.paused = True


def _resumed(state: State, _: Data) -> None:
    state.paused = False


def _restored(state: State, data: Data) -> None:
    """Time away does not count, and what was under way is to be performed again."""
    down = data["down"]
    state.recovering = True
    state.lanes.postpone(down)
    for underway in state.running.values():
        if underway.deadline is not None:
            underway.deadline += down
        underway.command = state.command(underway.node, underway.command.attempt, again=True)
    state.rewatch()


def _recovered(state: State, _: Data) -> None:
    state.recovering = False


def _ending(state: State, data: Data) -> None:
    _stop(state, Phase.ENDING, RunState(data["outcome"]), data)
    state.last_turn()
    state.lanes.add(state.jobs[LAST].service, LAST)


def _ended(state: State, outcome: RunState, data: Data) -> None:
    _stop(state, Phase.ENDED, outcome, data)


def _stop(state: State, phase: Phase, outcome: RunState, data: Data) -> None:
    state.phase, state.outcome = phase, outcome
    state.error = dict(data["error"]) if "error" in data else None
    state.paused = state.recovering = False
    state.left = 0
    state.running.clear()
    state.timeouts.clear()
    state.growing.clear()
    state.lanes.clear()


def _over(state: State, job: JobState, node: str, attempt: int) -> None:
    del state.running[nodes.key(node, attempt)]
    state.lanes.end(job.service)
    state.tidy()


def _succeed(state: State, name: str, job: JobState, result: Json) -> None:
    job.standing, job.items = Standing.SUCCEEDED, None
    job.result = result if job.users else None
    state.release(job)
    for other in state.dependents.get(name, ()):
        waiting = state.jobs[other]
        waiting.missing -= 1
        if state.phase is Phase.RUNNING:
            _look(state, other, waiting)


def _item_settled(state: State, name: str, job: JobState, items: Items) -> None:
    items.left -= 1
    if items.left:
        return
    if job.standing is Standing.ACTIVE:
        _succeed(state, name, job, items.results)
    else:
        job.items = None
        state.release(job)


def _look(state: State, name: str, job: JobState) -> None:
    """Is it its turn?"""
    if job.missing or job.standing is not Standing.WAITING:
        return
    if job.spec.each is not None:
        state.growing.append(name)
    else:
        job.standing = Standing.ACTIVE
        state.lanes.add(job.service, name)


CHANGES: Mapping[str, Callable[[State, Data], None]] = {
    "job.expanded": _expanded,
    "job.failed": _job_failed,
    "job.succeeded": _job_succeeded,
    "jobs.begun": _begun,
    "jobs.reused": _reused,
    "jobs.skipped": _skipped,
    "run.cancelled": lambda state, data: _ended(state, RunState.CANCELLED, data),
    "run.ending": _ending,
    "run.failed": lambda state, data: _ended(state, RunState.FAILED, data),
    "run.paused": _paused,
    "run.recovered": _recovered,
    "run.restored": _restored,
    "run.resumed": _resumed,
    "run.running": _running,
    "run.started": _nothing,
    "run.submitted": _nothing,
    "run.succeeded": lambda state, data: _ended(state, RunState.SUCCEEDED, data),
}
