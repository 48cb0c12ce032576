"""The status of a simulation in the field's own words, read from the journal."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json

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
PIECE = 100  # simulations of a list, after which others have their turn


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


@dataclass(slots=True)
class Followed:
    """A simulation that had not ended when it was asked for: how far it was, and its body without the ESDL, packed."""

    progress: Progress
    body: bytes


class Statuses:
    """Answers for the status of simulations.

    A client that looks at all of them does so again and again, so that nothing is forgotten: what is kept of each is
    packed into some hundred bytes. What has ended stays as it is, and its line in the list is written once.
    """

    def __init__(self, desk: Desk, clock: Callable[[], float]) -> None:
        self._desk = desk
        self._clock = clock
        self._ended: dict[str, bytes] = {}
        self._followed: dict[str, Followed] = {}

    async def of(self, simulation: str) -> dict[str, Any]:
        """The status object, ESDL and all. Raises: NotFound."""
        run = await self._simulation(simulation)
        document = await self._desk.document(run.id)
        short = await self._short(run, document)
        return {**short, "esdl_base64string": document["dots"]["body"]["esdl_base64string"]}

    async def all(self) -> list[bytes]:
        """The status of every simulation as JSON, the newest first, without the ESDL."""
        found: list[bytes] = []
        before: float | None = None
        while page := await self._desk.runs(kind=KIND, before=before, limit=PAGE):
            for run in page:
                found.append(await self._listed(run))
                if len(found) % PIECE == 0:
                    await asyncio.sleep(0)
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

    async def _listed(self, run: Run) -> bytes:
        if (packed := self._ended.get(run.id)) is not None:
            return zlib.decompress(packed)
        short = await self._short(run)
        line = to_json(short)
        if short["calculation_end_datetime"] is not None:
            self._ended[run.id] = zlib.compress(line)
        return line

    async def _short(self, run: Run, document: dict[str, Any] | None = None) -> dict[str, Any]:
        """Without the ESDL; `document` where it is at hand."""
        followed = self._followed.get(run.id)
        if followed is None:
            followed = _unfollowed(document or await self._desk.document(run.id))
        if not run.state.ended:
            self._followed[run.id] = followed
            await self._follow(run.id, followed.progress)
            run = await self._desk.run(run.id)
        if run.state.ended:
            self._followed.pop(run.id, None)
        text = await self._text(run, followed.progress)
        now = self._clock()
        start = run.started or run.submitted
        return {
            **from_json(zlib.decompress(followed.body)),
            "simulation_id": run.id,
            "simulation_status": text,
            "calculation_start_datetime": datetime.fromtimestamp(start, UTC),
            "calculation_end_datetime": None if run.ended is None else datetime.fromtimestamp(run.ended, UTC),
            "calculation_duration": timedelta(seconds=(run.ended or now) - start),
        }

    async def _text(self, run: Run, progress: Progress) -> str:
        match run.state:
            case RunState.QUEUED:
                return REGISTERED
            case RunState.SUCCEEDED:
                return SUCCEEDED
            case RunState.FAILED | RunState.CANCELLED if run.error is not None:  # its events would say the same
                return failed(run.error.reason)
            case RunState.FAILED | RunState.CANCELLED:
                await self._follow(run.id, progress)
        return progress.at(self._clock())

    async def _follow(self, run: str, progress: Progress) -> None:
        while not progress.over and (page := await self._desk.events(run, after=progress.position, limit=PAGE)):
            for recorded in page:
                progress.take(recorded)
            if len(page) < PAGE:
                break


def _unfollowed(document: dict[str, Any]) -> Followed:
    plan = document["simulation"]
    body = {**document["dots"]["body"], "esdl_base64string": OMITTED}
    return Followed(Progress(plan["steps"], plan["settle"]), zlib.compress(to_json(body)))
