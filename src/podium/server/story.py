"""What became of a run so far, told from its events; read on from where it was read last."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from podium.dialects.again import ORIGIN
from podium.dialects.vault import VARIABLES
from podium.engines.flow import nodes
from podium.engines.flow import progress as flow
from podium.engines.flow.state import Phase
from podium.engines.simulation import progress as simulation
from podium.engines.simulation.state import State as Simulation
from podium.engines.simulation.waiting import Waiting, waiting
from podium.errors import Conflict, DocumentRefused
from podium.runs.conductor import Conductor
from podium.runs.events import Json, Recorded, Run
from podium.runs.journal import PAGE, Journal
from podium.server import again

KEPT = 64
COUNTED = 1024
FIRST = 8  # events, among which is a run's start
NOTABLE = 200
PLANS = 8
WAITING = "waiting"
STATES = (WAITING, *(state.value for state in flow.JobStanding))
EXPECTED = {"step.finished", "jobs.begun", "job.succeeded"}


@dataclass(slots=True)
class Story:
    """How far a run is, and what happened in it beside steps and jobs that went well (the last `NOTABLE` of it).

    Its start tells what it is made of: it has steps, or it has jobs, and `progress` or `graph` from then on.
    """

    progress: simulation.Progress | None = None
    graph: flow.Progress | None = None
    position: int = 0
    notable: deque[Recorded] = field(default_factory=lambda: deque(maxlen=NOTABLE))

    def take(self, recorded: Recorded) -> None:
        self.position = recorded.position
        if self.progress is not None or "steps" in recorded.event.data:
            self.progress = simulation.fold((recorded,), self.progress)
        elif self.graph is not None or (recorded.event.type == "run.started" and "jobs" in recorded.event.data):
            self.graph = flow.fold((recorded,), self.graph)
        if recorded.event.type not in EXPECTED:
            self.notable.append(recorded)


@dataclass(frozen=True)
class Plan:
    """What a graph's document says of its jobs, and from which run it was restarted, if it was.

    `variables` are the secrets that are read from the environment again.
    """

    flow: Mapping[str, Any]
    origin: Mapping[str, Json] | None
    variables: Mapping[str, str]

    @cached_property
    def jobs(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, in the order of the document; the last one last."""
        last = self.flow.get("last")
        return {**self.flow["jobs"], **({"last": last} if last is not None else {})}


def job_shown(plan: Plan, story: Story, name: str) -> dict[str, Json]:
    """A job as the API has it."""
    shown = _waiting(plan, name)
    if story.graph is None:
        return shown
    if name in story.graph.jobs:
        return {**shown, **story.graph.jobs[name].as_json()}
    return {**shown, "state": flow.JobStanding.CANCELLED.value} if story.graph.phase is Phase.ENDED else shown


def _waiting(plan: Plan, name: str) -> dict[str, Json]:
    spec = plan.jobs[name]
    return {"job": name, "kind": spec["kind"], "after": list(spec.get("after", ())), "state": WAITING}


def _of_graph(run: Run, plan: Plan, graph: flow.Progress) -> dict[str, Json]:
    progress: dict[str, Any] = graph.as_json()
    progress["jobs"] = {name: {"kind": plan.jobs[name]["kind"], **job} for name, job in progress["jobs"].items()}
    found: dict[str, Json] = {"progress": progress}
    if plan.origin:
        found["restarted"] = dict(plan.origin)
    if ways := again.ways(run, plan.jobs, graph, plan.variables):
        found["again"] = [*ways]
    return found


class Stories:
    """The stories of the runs that were asked for lately, and what those wait for that are conducted here."""

    def __init__(self, journal: Journal, conductor: Conductor | None = None) -> None:
        self._journal = journal
        self._conductor = conductor
        self._known: OrderedDict[str, Story] = OrderedDict()
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._steps: OrderedDict[str, int | None] = OrderedDict()

    async def shown(self, run: Run) -> dict[str, Json]:
        """A run as the API has it, with its progress."""
        story = await self.of(run)
        shown = run.as_json()
        if story.progress is not None:
            waits = self.waiting(run)
            shown["progress"] = {**story.progress.as_json(), "waiting": waits.as_json() if waits else None}
        if story.graph is not None:
            shown |= _of_graph(run, await self.plan(run), story.graph)
        return shown

    def waiting(self, run: Run) -> Waiting | None:
        conductor = self._conductor
        state = conductor.state(run.id) if conductor else None
        return waiting(state, conductor.now) if conductor and isinstance(state, Simulation) else None

    async def jobs(self, run: Run, state: str | None = None) -> list[dict[str, Json]]:
        """In the order of the document, those in a state if one is given. Raises: Conflict, DocumentRefused."""
        if state not in (None, *STATES):
            raise DocumentRefused(f"there is no such state as {state!r}", where="state", hint=f"{', '.join(STATES)}")
        plan, story = await self.plan(run), await self.of(run)
        every = (job_shown(plan, story, name) for name in plan.jobs)
        return [job for job in every if state in (None, job["state"])]

    async def results(self, run: Run, jobs: Collection[str]) -> dict[str, Json]:
        """What jobs returned; of one with items, the list of what these did so far."""
        reused = (await self.plan(run)).flow.get("reuse", {})
        found: dict[str, Any] = {name: reused[name] for name in jobs if name in reused}
        async for recorded in self._journal.replay(run.id):
            type_, data = recorded.event.type, recorded.event.data
            name, item = nodes.split(str(data.get("job", "")))
            if name not in jobs:
                continue
            if type_ == "job.expanded":
                found[name] = [None] * data["items"]
            elif type_ == "job.succeeded" and item is None:
                found[name] = data["result"]
            elif type_ == "job.succeeded":
                found[name][item] = data["result"]
        return found

    async def item(self, run: Run, node: str) -> dict[str, Json]:
        """How one item of a job stands, and what it is for."""
        plan, (name, index) = await self.plan(run), nodes.split(node)
        source = plan.jobs[name]["each"]
        items: Any = (await self.results(run, [source]))[source]
        found: flow.JobProgress | None = None
        async for recorded in self._journal.replay(run.id):
            found = flow.fold_item([recorded], node, found)
        standing = {} if found is None else found.as_json()
        return {**_waiting(plan, name), "job": node, **standing, "item": items[index]}

    async def plan(self, run: Run) -> Plan:
        """Raises: Conflict, when it is none of jobs."""
        if run.id not in self._plans:
            document = await self._journal.document(run.id)
            if "flow" not in document:
                raise Conflict(f"a run of kind {run.kind} has no jobs", where=run.id)
            self._plans[run.id] = Plan(document["flow"], document.get(ORIGIN), document.get(VARIABLES, {}))
            if len(self._plans) > PLANS:
                self._plans.popitem(last=False)
        return self._plans[run.id]

    async def steps(self, run: Run) -> int | None:
        """How many steps an ended run was to have, without reading all of its story."""
        if run.id not in self._steps:
            first = await self._journal.events(run.id, limit=FIRST)
            self._steps[run.id] = next((one.event.data["steps"] for one in first if "steps" in one.event.data), None)
            if len(self._steps) > COUNTED:
                self._steps.popitem(last=False)
        return self._steps[run.id]

    async def of(self, run: Run) -> Story:
        story = self._known.setdefault(run.id, Story())
        self._known.move_to_end(run.id)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        while True:
            page = await self._journal.events(run.id, after=story.position)
            for recorded in page:
                if recorded.position > story.position:  # else somebody else has read the same page meanwhile
                    story.take(recorded)
            if len(page) < PAGE:
                return story
