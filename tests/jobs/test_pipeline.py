"""Kind `run`: on a real conductor and journal, with a machine that does nothing but wait for an end."""

from __future__ import annotations

import asyncio
import json

import pytest

from podium.errors import DocumentRefused
from podium.jobs.pipeline import NESTING, AnotherRun
from podium.jobs.port import JobFailed, looked_through
from podium.runs.conductor import Conductor
from podium.runs.events import Event, Failure, RunState, Submission
from podium.runs.journal import Journal
from podium.runs.machine import DETACHED, CancelRequested, Performed, PerformFailed, Recovery, Started
from tests.jobs.parts import job


class Ending:
    """Ends as it is told: Performed, PerformFailed, CancelRequested."""

    def initial(self, document):
        return None

    def handle(self, state, what):
        match what:
            case Started():
                return [Event("run.started"), Event("run.running")]
            case Performed():
                return [Event("run.succeeded")]
            case PerformFailed():
                return [Event("run.failed", {"error": Failure(what.reason).as_json()})]
            case CancelRequested():
                return [Event("run.cancelled")]
        return []

    def apply(self, state, event):
        return state

    def pending(self, state):
        return []

    def deadline(self, state):
        return None

    def dump(self, state):
        return None

    def load(self, document, snapshot):
        return None


class NoPerformer:
    async def recover(self, run, document):
        return Recovery()

    async def released(self, run):
        pass


class Kind:
    machine, performer = Ending(), NoPerformer()


class House:
    """A conductor that tells which runs were submitted to it."""

    def __init__(self, conductor, journal):
        self.conductor, self.journal = conductor, journal
        self.submitted: asyncio.Queue[str] = asyncio.Queue()
        self.count = 0
        self.was_read = asyncio.Event()
        self.kind = AnotherRun(self, self.read, deepest=3)

    async def read(self, content: bytes, filename: str) -> Submission:
        document = json.loads(content)
        if "bad" in document:
            raise DocumentRefused("this is no document", where=filename)
        self.count += 1
        self.was_read.set()
        return Submission(f"run-{self.count}", "ending", "named", document)

    async def submit(self, submission):
        run = await self.conductor.submit(submission)
        self.submitted.put_nowait(run.id)
        return run

    async def wait(self, run):
        return await self.conductor.wait(run)

    async def cancel(self, run, reason):
        return await self.conductor.cancel(run, reason)

    async def next(self) -> str:
        return await asyncio.wait_for(self.submitted.get(), 30)


@pytest.fixture
async def house(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", owner="test")
    await journal.open()
    await journal.acquire()
    conductor = Conductor(journal, {"ending": Kind()})
    yield House(conductor, journal)
    await conductor.close()
    await journal.close()


def performing(house, another=None, **details):
    return asyncio.create_task(house.kind.perform(job({"document": another or {}}, **details)))


async def test_it_succeeds_with_the_run(house):
    task = performing(house)
    run = await house.next()
    house.conductor.tell(run, Performed(0.0, "x"))
    assert await task == {"run": run}


async def test_it_fails_with_its_reason(house):
    task = performing(house)
    house.conductor.tell(await house.next(), PerformFailed(0.0, "x", "the dam broke"))
    with pytest.raises(JobFailed, match="run run-1 failed: the dam broke"):
        await task


async def test_a_run_that_somebody_cancels(house):
    task = performing(house)
    await house.conductor.cancel(await house.next())
    with pytest.raises(JobFailed, match="was cancelled") as caught:
        await task
    assert caught.value.final


async def test_a_lost_reply_does_not_start_it_twice(house):
    first, second = performing(house), performing(house, again=True)
    (run,) = {await house.next(), await house.next()}
    house.conductor.tell(run, Performed(0.0, "x"))
    assert await first == await second == {"run": run}
    assert len(await house.journal.runs()) == 1


async def test_the_next_attempt_is_another_run(house):
    tasks = [performing(house, attempt=attempt) for attempt in (1, 2)]
    assert {await house.next(), await house.next()} == {"run-1", "run-2"}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_cancelled_it_cancels_the_run(house):
    task = performing(house)
    run = await house.next()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert (await house.conductor.wait(run)).state is RunState.CANCELLED


async def test_cancelled_while_it_is_submitted(house):
    task = performing(house)
    await asyncio.wait_for(house.was_read.wait(), 30)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert (await house.conductor.wait(await house.next())).state is RunState.CANCELLED


async def test_a_podium_that_goes_away_cancels_nothing(house):
    task = performing(house)
    run = await house.next()
    task.cancel(DETACHED)
    await asyncio.wait([task])
    assert task.cancelled()
    assert not (await house.journal.run(run)).state.ended


async def test_runs_that_start_each_other_come_to_an_end(house):
    document: dict = {}
    for depth in (1, 2, 3):
        task = performing(house, run=f"around-{depth}", document=document)
        run = await house.next()
        document = await house.journal.document(run)
        assert document[NESTING] == depth
        task.cancel()
        await asyncio.wait([task])
    with pytest.raises(JobFailed, match="do they start each other") as caught:
        await performing(house, run="deepest", document=document)
    assert caught.value.final


async def test_a_document_that_is_refused(house):
    with pytest.raises(DocumentRefused, match=r"document\.json: this is no document"):
        await performing(house, {"bad": 1})


async def test_what_is_put_into_the_document(house):
    document = {"jobs": {"a/b": {"x": [1, {"$result": "inner"}]}}}
    task = asyncio.create_task(
        house.kind.perform(job({"document": document, "with": {"/jobs/a~1b/x/0": {"n": 2}, "/name": "new"}}))
    )
    run = await house.next()
    given = await house.journal.document(run)
    assert (given["jobs"], given["name"]) == ({"a/b": {"x": [{"n": 2}, {"$result": "inner"}]}}, "new")
    assert document["jobs"]["a/b"]["x"][0] == 1
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("pointer", ["", "jobs", "/no/x", "/jobs/2", "/jobs/0/x/y", "/jobs/-1"])
def test_where_nothing_can_be_put(pointer):
    with pytest.raises(DocumentRefused, match="with"):
        AnotherRun(None, None).check({"document": {"jobs": [{"x": 1}]}, "with": {pointer: {"$result": "a"}}})


def test_the_document_may_be_a_result_as_a_whole():
    call = {"document": {"$result": "make"}, "with": {"/name": {"$item": ""}}}
    AnotherRun(None, None).check(call)
    assert looked_through(AnotherRun(None, None), call) == call
    assert looked_through(AnotherRun(None, None), {**call, "document": {"jobs": {}}}) == {"with": call["with"]}


def test_what_is_refused_beforehand(tmp_path):
    with pytest.raises(DocumentRefused, match="document: is missing"):
        AnotherRun(None, None).check({})
