"""Where a graph of jobs stands: all of it follows from the journal, but for what is being recovered.

What is asked at every outcome is kept as counts (how many jobs one waits for, how many wait for its result), so that an
outcome costs what it changes, however many jobs there are. A result that nobody waits for any more is let go of: the
journal has it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from podium.engines.flow import nodes
from podium.engines.flow.document import FlowDocument, JobDocument
from podium.engines.flow.lanes import Lanes
from podium.engines.flow.messages import LAST, Attempt
from podium.errors import JournalDamaged
from podium.runs.events import Json, RunState

SNAPSHOT_SCHEMA = 1


class Phase(StrEnum):
    """What a run is doing. It only moves forward."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDING = "ending"  # nothing but the last job is performed any more
    ENDED = "ended"


class Standing(StrEnum):
    """Where a job is; one letter, because a snapshot has thousands."""

    WAITING = "w"  # for other jobs
    ACTIVE = "a"  # it, or one of its items, is ready or under way
    SUCCEEDED = "s"
    FAILED = "f"
    SKIPPED = "x"


@dataclass(slots=True)
class Items:
    """What has become of a job's items: their results, and how many have none yet and may still have one."""

    results: list[Json]
    left: int


@dataclass(slots=True)
class JobState:
    """One job.

    Args:
        missing: how many of the jobs before it have not succeeded.
        users: how many may still need its result.
        result: while somebody does.
        items: once it is known for how many it is to be performed.
    """

    spec: JobDocument
    missing: int = 0
    users: int = 0
    standing: Standing = Standing.WAITING
    result: Json = None
    items: Items | None = None

    @property
    def service(self) -> str:
        return self.spec.service or ""


@dataclass(slots=True)
class Underway:
    """An attempt that was begun and has no outcome. `deadline` is in Unix seconds, time away not counted."""

    node: str
    deadline: float | None
    command: Attempt


@dataclass(slots=True)
class State:
    """A graph as its journal tells it.

    Args:
        at: the time of the latest event.
        jobs: by name; the last one too, from the moment it is its turn.
        left: how many nodes can still have an outcome.
        lanes: what is ready.
        running: attempts under way, by key, in the order in which they began.
        timeouts: a heap of deadlines and the keys they are for; whoever is not running any more is passed over.
        growing: jobs that are to be performed for each item of a list that is there now.
        failed: nodes that failed for good, and why.
        outcome: what the run ends as, from the moment that is known.
        error: why, as JSON of a `Failure`.
        recovering: inputs of a time away are being fed; nothing is pending.
    """

    plan: FlowDocument
    phase: Phase = Phase.QUEUED
    at: float = 0.0
    paused: bool = False
    jobs: dict[str, JobState] = field(default_factory=dict)
    left: int = 0
    running: dict[str, Underway] = field(default_factory=dict)
    timeouts: list[tuple[float, str]] = field(default_factory=list)
    growing: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    outcome: RunState | None = None
    error: dict[str, Json] | None = None
    recovering: bool = False
    lanes: Lanes = field(init=False)
    dependents: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self.lanes = Lanes(plan.limit, plan.services)
        self.jobs = {name: JobState(spec, missing=len(spec.after)) for name, spec in plan.jobs.items()}
        self.left = len(self.jobs)
        self.dependents = {}
        for name, spec in plan.jobs.items():
            for before in spec.after:
                self.dependents.setdefault(before, []).append(name)
        for name, waiting in self.dependents.items():
            if name in self.jobs:
                self.jobs[name].users = len(waiting)
        if plan.last is not None:
            for name in plan.last.after:
                if name in self.jobs:
                    self.jobs[name].users += 1

    def release(self, job: JobState) -> None:
        """It is settled and needs the results of the jobs before it no more."""
        for name in job.spec.after:
            before = self.jobs[name]
            before.users -= 1
            if not before.users:
                before.result = None

    def last_turn(self) -> None:
        if self.plan.last is not None:
            self.jobs[LAST] = JobState(self.plan.last, standing=Standing.ACTIVE)

    def behind(self, job: str) -> Iterator[JobState]:
        return (self.jobs[name] for name in self.dependents.get(job, ()))

    def command(self, node: str, attempt: int, *, again: bool = False) -> Attempt:
        name, index = nodes.split(node)
        spec = self.jobs[name].spec
        before = ((other, self.jobs[other]) for other in spec.after if other != spec.each)
        inputs = {other: job.result for other, job in before if job.standing is Standing.SUCCEEDED}
        item = self.list_of(spec)[index] if index is not None else None
        outcome = self.verdict() if name == LAST else None
        return Attempt(nodes.key(node, attempt), node, attempt, spec.kind, spec.call, inputs, item, outcome, again)

    def list_of(self, spec: JobDocument) -> list[Json]:
        """What a job is performed for, one by one. Raises: TypeError, when that is no list."""
        result = self.jobs[spec.each].result if spec.each is not None else None
        if not isinstance(result, list):
            raise TypeError(f"a {type(result).__name__} has no items")
        return result

    def verdict(self) -> dict[str, Json]:
        """How all but the last job ended."""
        verdict: dict[str, Json] = {"state": self.outcome and self.outcome.value, "failed": dict(self.failed)}
        return verdict | {"reason": self.error["reason"]} if self.error else verdict

    def expired(self, now: float) -> list[Underway]:
        """The attempts whose time is over, the longest first. Looks at no others."""
        heap, found, at = self.timeouts, [], [0]
        while at:
            index = at.pop()
            if index < len(heap) and heap[index][0] <= now:
                found.append(heap[index])
                at += (2 * index + 1, 2 * index + 2)
        return [self.running[key] for _, key in sorted(found) if key in self.running]

    def watch(self, key: str, deadline: float) -> None:
        heapq.heappush(self.timeouts, (deadline, key))

    def tidy(self) -> None:
        """Forget time-outs of attempts that are over: the next one always, all when they are the most."""
        heap = self.timeouts
        if len(heap) > 2 * len(self.running) + 100:
            self.rewatch()
        while heap and heap[0][1] not in self.running:
            heapq.heappop(heap)

    def rewatch(self) -> None:
        self.timeouts[:] = [
            (underway.deadline, key) for key, underway in self.running.items() if underway.deadline is not None
        ]
        heapq.heapify(self.timeouts)

    def deadline(self) -> float | None:
        """When something is to be decided; a time that has passed if something is now."""
        if self.recovering or self.phase not in (Phase.RUNNING, Phase.ENDING):
            return None
        if self.growing or self.complete:
            return self.at
        earliest = inf if self.paused else max(self.lanes.due(), self.at)
        if self.timeouts:
            earliest = min(earliest, self.timeouts[0][0])
        return None if earliest == inf else earliest

    @property
    def complete(self) -> bool:
        """Nothing is left but the end; in a pause the last job does not begin either."""
        return self.phase is Phase.RUNNING and not self.left and not (self.paused and self.plan.last is not None)


def plan_of(document: Mapping[str, Any]) -> FlowDocument:
    return FlowDocument.model_validate(document["flow"])


def dump(state: State) -> Json:
    jobs = {name: job for name, job in state.jobs.items() if name != LAST}
    return {
        "schema": SNAPSHOT_SCHEMA,
        "phase": state.phase.value,
        "at": state.at,
        "paused": state.paused,
        "standings": "".join(job.standing for job in jobs.values()),
        "results": {name: job.result for name, job in jobs.items() if job.result is not None},
        "items": {name: [job.items.left, job.items.results] for name, job in jobs.items() if job.items is not None},
        "lanes": state.lanes.dump(),
        "running": [[each.node, each.command.attempt, each.deadline] for each in state.running.values()],
        "growing": list(state.growing),
        "failed": dict(state.failed),
        "outcome": state.outcome and state.outcome.value,
        "error": state.error and dict(state.error),
    }


def load(document: Mapping[str, Any], snapshot: Json) -> State:
    if not isinstance(snapshot, dict) or snapshot.get("schema") != SNAPSHOT_SCHEMA:
        raise JournalDamaged("a snapshot of a job graph has a shape this version does not know", where="snapshot")
    state = State(
        plan_of(document),
        phase=Phase(snapshot["phase"]),
        at=snapshot["at"],
        paused=snapshot["paused"],
        growing=list(snapshot["growing"]),
        failed=dict(snapshot["failed"]),
        outcome=RunState(snapshot["outcome"]) if snapshot["outcome"] else None,
        error=snapshot["error"],
    )
    for (name, job), standing in zip(state.jobs.items(), snapshot["standings"], strict=True):
        job.standing = Standing(standing)
        job.result = snapshot["results"].get(name)
        if name in snapshot["items"]:
            left, results = snapshot["items"][name]
            job.items = Items(list(results), left)
    _count(state)
    if state.phase is Phase.ENDING:
        state.last_turn()
    state.lanes.load(snapshot["lanes"])
    for node, attempt, deadline in snapshot["running"]:
        command = state.command(node, attempt)
        state.running[command.key] = Underway(node, deadline, command)
        state.lanes.busy_with(state.jobs[nodes.split(node)[0]].service)
    state.rewatch()
    return state


def _count(state: State) -> None:
    """What follows from where the jobs stand."""
    state.left = 0
    for name, job in state.jobs.items():
        if job.standing is Standing.SUCCEEDED:
            for waiting in state.behind(name):
                waiting.missing -= 1
        if job.items is not None:
            state.left += job.items.left
        elif job.standing in (Standing.WAITING, Standing.ACTIVE):
            state.left += 1
        else:
            state.release(job)
    if state.phase in (Phase.ENDING, Phase.ENDED):
        state.left = 0
