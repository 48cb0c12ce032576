"""The status of a simulation in the field's own words, read from the journal."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from podium.dialects.dots.desk import Desk
from podium.dialects.dots.document import Body
from podium.dialects.dots.reading import KIND
from podium.errors import NotFound
from podium.runs.events import Event, Recorded, Run, RunState

REGISTERED = "all models registered"
DEPLOYED = "all models deployed"
PARAMETERIZED = "all models parameterized"
STEP_FINISHED = "finished calculation step"
SUCCEEDED = "the simulation terminated successfully"
FAILED = "(a) model(s) terminated with an error, the simulation has been terminated"

OMITTED = "omitted"
PAGE = 1000
KEPT = 4096  # a client that looks at all of them does so again and again


class SimulationStatus(Body):
    """What the routes answer: the body, and how the simulation fares."""

    simulation_id: str
    simulation_status: str
    calculation_start_datetime: datetime
    calculation_end_datetime: datetime | None
    calculation_duration: timedelta


@dataclass(slots=True)
class Progress:
    """How far a simulation is, event by event.

    Args:
        settle: a step is calculated from this long after what came before it.
        next_step: the step that comes after `text`, from `since` on.
        over: there is no more to take.
    """

    steps: int
    settle: float
    position: int = 0
    text: str = REGISTERED
    next_step: int | None = None
    since: float = 0.0
    over: bool = False

    def take(self, recorded: Recorded) -> None:
        if recorded.position > self.position:
            self.position = recorded.position
            self.over = recorded.event.ends
            self._take(recorded.event)

    def _take(self, event: Event) -> None:
        data = event.data
        match event.type:
            case "models.ready":
                self._say(DEPLOYED)
            case "models.parameterized":
                self._say(PARAMETERIZED, 1 + data.get("skipped", 0), data["at"])
            case "step.finished":
                # After a time away the engine listens before it goes on.
                at = data["at"] + data.get("listen", 0.0)
                self._say(STEP_FINISHED, data["step"] + 1 + data.get("skipped", 0), at)
            case "run.ending" | "model.failed" | "run.failed" | "run.cancelled" if "error" in data:
                self._say(failed(data["error"]["reason"]))
            case "run.succeeded":
                self._say(SUCCEEDED)

    def _say(self, text: str, next_step: int | None = None, at: float = 0.0) -> None:
        self.text = text
        self.next_step = next_step if next_step is not None and next_step <= self.steps else None
        self.since = at + self.settle

    def at(self, now: float) -> str:
        """The text of the status."""
        if self.next_step is not None and now >= self.since:
            return f"Calculating time step {self.next_step} (of {self.steps})"
        return self.text


def failed(reason: str) -> str:
    return f"{FAILED}: {reason}"


class Statuses:
    """Answers for the status of simulations. Of those asked for lately it keeps how far they were, and a short body."""

    def __init__(self, desk: Desk, clock: Callable[[], float]) -> None:
        self._desk = desk
        self._clock = clock
        self._kept: OrderedDict[str, tuple[Progress, dict[str, Any]]] = OrderedDict()

    async def of(self, simulation: str) -> dict[str, Any]:
        """The status object, ESDL and all. Raises: NotFound."""
        run = await self._simulation(simulation)
        document = await self._desk.document(run.id)
        short = await self._short(run)
        return {**short, "esdl_base64string": document["dots"]["body"]["esdl_base64string"]}

    async def all(self) -> list[dict[str, Any]]:
        """The status of every simulation, the newest first, without the ESDL."""
        found: list[dict[str, Any]] = []
        before: float | None = None
        while page := await self._desk.runs(kind=KIND, before=before, limit=PAGE):
            found += [await self._short(run) for run in page]
            before = page[-1].submitted
        return found

    async def cancelled(self, simulation: str) -> dict[str, Any]:
        """End it, if it has not ended. Raises: NotFound."""
        run = await self._simulation(simulation)
        if not run.state.ended:
            await self._desk.cancel(run.id)
        status = await self.of(simulation)
        if status["calculation_end_datetime"] is None and not status["simulation_status"].startswith(FAILED):
            status["simulation_status"] = failed("cancelled by the user")
        return status

    async def exists(self, simulation: str) -> None:
        """Raises: NotFound."""
        await self._simulation(simulation)

    async def _simulation(self, simulation: str) -> Run:
        run = await self._desk.run(simulation)
        if run.kind != KIND:
            raise NotFound(f"there is no simulation {simulation!r}", hint="GET /api/v1/simulation/ lists them")
        return run

    async def _short(self, run: Run) -> dict[str, Any]:
        progress, body = await self._known(run.id)
        while not progress.over and (page := await self._desk.events(run.id, after=progress.position, limit=PAGE)):
            for recorded in page:
                progress.take(recorded)
            if len(page) < PAGE:
                break
        run = run if run.state.ended else await self._desk.run(run.id)
        now = self._clock()
        start = run.started or run.submitted
        return {
            **body,
            "simulation_id": run.id,
            "simulation_status": REGISTERED if run.state is RunState.QUEUED else progress.at(now),
            "calculation_start_datetime": datetime.fromtimestamp(start, UTC),
            "calculation_end_datetime": None if run.ended is None else datetime.fromtimestamp(run.ended, UTC),
            "calculation_duration": timedelta(seconds=(run.ended or now) - start),
        }

    async def _known(self, run: str) -> tuple[Progress, dict[str, Any]]:
        if run not in self._kept:
            document = await self._desk.document(run)
            plan = document["simulation"]
            body = {**document["dots"]["body"], "esdl_base64string": OMITTED}
            self._kept[run] = Progress(plan["steps"], plan["settle"]), body
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(run)
        return self._kept[run]
