from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from podium.dialects.dots.desk import Desk
from podium.dialects.dots.reading import KIND
from podium.dialects.dots.status import PIECE, Progress, Statuses
from podium.runs.events import Event, Failure, Recorded, Run, RunState
from tests.dialects.dots.bodies import body

ENDED = "(a) model(s) terminated with an error, the simulation has been terminated"


def told(*events: tuple[str, dict[str, Any]], now: float = 1000.0) -> str:
    progress = Progress(steps=24, settle=0.02)
    for position, (kind, data) in enumerate(events, 1):
        progress.take(Recorded(position, "s", position, 0.0, Event(kind, data)))
    return progress.at(now)


def test_the_status_is_in_the_field_s_words() -> None:
    assert told() == "all models registered"
    assert told(("run.started", {"at": 1.0}), ("models.deployed", {"at": 1.0})) == "all models registered"
    assert told(("models.ready", {"at": 1.0})) == "all models deployed"
    assert told(("models.parameterized", {"at": 5.0}), now=5.01) == "all models parameterized"
    assert told(("models.parameterized", {"at": 5.0}), now=5.02) == "Calculating time step 1 (of 24)"
    assert told(("step.finished", {"at": 5.0, "step": 3}), now=5.0) == "finished calculation step"
    assert told(("step.finished", {"at": 5.0, "step": 3}), now=6.0) == "Calculating time step 4 (of 24)"
    assert told(("step.finished", {"at": 5.0, "step": 3, "skipped": 2})) == "Calculating time step 6 (of 24)"
    assert told(("step.finished", {"at": 5.0, "step": 3, "listen": 5.0}), now=9.0) == "finished calculation step"
    assert told(("step.finished", {"at": 5.0, "step": 24})) == "finished calculation step"
    assert told(("step.finished", {"at": 5.0, "step": 24}), ("run.ending", {"outcome": "succeeded"})) == (
        "finished calculation step"
    )
    assert told(("run.succeeded", {"at": 5.0})) == "the simulation terminated successfully"


def test_a_failure_has_its_reason_behind_it_at_once() -> None:
    failed = {"at": 5.0, "error": {"reason": "model a ended with exit code 3"}}
    step = ("step.finished", {"at": 5.0, "step": 3})
    assert told(step, ("run.ending", failed)) == f"{ENDED}: model a ended with exit code 3"
    assert told(step, ("run.failed", failed)) == f"{ENDED}: model a ended with exit code 3"
    assert told(("run.cancelled", {"at": 5.0, "error": {"reason": "cancelled by the user"}})) == (
        f"{ENDED}: cancelled by the user"
    )


def test_an_event_counts_once() -> None:
    progress = Progress(steps=24, settle=0.0)
    progress.take(Recorded(7, "s", 2, 0.0, Event("step.finished", {"at": 0.0, "step": 2})))
    progress.take(Recorded(3, "s", 1, 0.0, Event("models.ready", {"at": 0.0})))
    assert progress.at(1.0) == "Calculating time step 3 (of 24)"
    assert progress.position == 7


class Archive:
    """A journal of so many simulations that have ended, which counts what is read of it."""

    def __init__(self, count: int) -> None:
        self.read: Counter[str] = Counter()
        self.simulations = [
            Run(f"s-{n}", KIND, "town", RunState.SUCCEEDED, submitted=float(n), started=float(n), ended=n + 9.0, seq=9)
            for n in range(count)
        ]

    async def run(self, run: str) -> Run:
        return next(one for one in self.simulations if one.id == run)

    async def runs(self, *, kind: str | None, before: float | None, limit: int) -> list[Run]:
        assert kind == KIND
        end = len(self.simulations) if before is None else int(before)
        return self.simulations[max(0, end - limit) : end][::-1]

    async def document(self, run: str) -> dict[str, Any]:
        self.read["documents"] += 1
        return {"dots": {"body": body(name=run)}, "simulation": {"steps": 24, "settle": 0.02}}

    async def events(self, run: str, *, after: int, limit: int) -> list[Recorded]:
        self.read["events"] += 1
        ending = Event("run.ending", {"at": 5.0, "error": {"reason": f"{run} was left alone"}})
        return [Recorded(8, run, 8, 5.0, ending), Recorded(9, run, 9, 5.0, Event("run.failed", {"at": 5.0}))]

    def statuses(self) -> Statuses:
        async def unused(*_: Any) -> Any:
            raise AssertionError("a status changes nothing")

        return Statuses(
            Desk(unused, unused, self.run, self.runs, self.document, self.events, unused, unused, unused),
            lambda: 5000.0,
        )


async def test_of_many_that_have_ended_each_is_read_once() -> None:
    archive = Archive(5000)
    statuses = archive.statuses()
    first = await statuses.all()
    assert archive.read == {"documents": 5000}
    assert await statuses.all() == first
    assert archive.read == {"documents": 5000}
    newest, *_, oldest = map(json.loads, first)
    assert (newest["simulation_id"], oldest["simulation_id"]) == ("s-4999", "s-0")
    assert {**newest, "esdl_base64string": body()["esdl_base64string"]} == json.loads(
        to_json(await statuses.of("s-4999"))
    )
    assert newest["simulation_status"] == "the simulation terminated successfully"


async def test_others_have_their_turn_while_many_are_listed() -> None:
    statuses = Archive(1000).statuses()
    await statuses.all()
    listing = asyncio.create_task(statuses.all())
    turns = 0
    while not listing.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 1000 // PIECE


async def test_an_end_without_its_reason_is_read_from_the_events() -> None:
    archive = Archive(1)
    archive.simulations = [replace(archive.simulations[0], state=RunState.FAILED)]
    (line,) = await archive.statuses().all()
    assert json.loads(line)["simulation_status"] == f"{ENDED}: s-0 was left alone"


async def test_a_simulation_that_ends_while_it_is_looked_at_is_kept_as_it_ended() -> None:
    archive = Archive(1)
    ended = replace(archive.simulations[0], state=RunState.FAILED, error=Failure("it was left alone"))
    archive.simulations = [replace(ended, state=RunState.RUNNING, ended=None, error=None)]
    events = archive.events

    async def none_yet(run: str, *, after: int, limit: int) -> list[Recorded]:
        archive.simulations = [ended]
        return []

    archive.events = none_yet  # type: ignore[method-assign]
    statuses = archive.statuses()
    first = await statuses.all()
    archive.events = events  # type: ignore[method-assign]
    assert await statuses.all() == first
    assert json.loads(first[0])["simulation_status"] == f"{ENDED}: it was left alone"
