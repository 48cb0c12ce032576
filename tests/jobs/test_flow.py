"""Graphs of jobs from end to end: journal, conductor, machine, performer, and real processes that do the work."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from podium.backplane.models_file import ModelEntry, ModelsFile
from podium.backplane.process import ProcessBackplane
from podium.dialects.port import Kind
from podium.engines.flow.machine import FlowMachine
from podium.jobs.container import Container
from podium.jobs.performer import FlowPerformer
from podium.jobs.python import PythonFunction
from podium.runs.conductor import Conductor, steady_clock
from podium.runs.events import RunState, Submission
from podium.runs.journal import Journal
from podium.workers.pool import Pool

MODULE = """
import os, signal
from pathlib import Path

def numbers(count):
    print("counting")
    return list(range(count))

def square(item):
    return item * item

def total(values):
    return sum(values)

def dies_once(mark):
    mark = Path(mark)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"

def waits(fifo):
    Path(fifo).write_text(str(os.getpid()))
    signal.pause()
"""
PROGRAM = "import os; open(os.environ['TOLD'], 'w').write('x'); open(os.environ['WORD']).read()"
MODELS = ModelsFile(models=(ModelEntry(image="waits:1", command=("python", "-c", PROGRAM)),))


class Podium:
    """As much of one as runs graphs of jobs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.lines: list[tuple[str, str]] = []

    async def __aenter__(self):
        self.journal = Journal(f"sqlite:///{self._directory / 'journal.db'}", owner="test")
        await self.journal.open()
        down = await self.journal.acquire()
        self.pool = Pool([self._directory], directory=self._directory / "workers", size=2)
        self.backplane = ProcessBackplane(self._directory / "models", MODELS)
        await self.backplane.start()
        self.container = Container(self.backplane, self._directory / "jobs")
        kinds = {"python": PythonFunction(self.pool), "container": self.container}
        performer = FlowPerformer(kinds, steady_clock(), note=lambda run, node, line: self.lines.append((node, line)))
        self.conductor = Conductor(self.journal, {"flow": Kind("flow", FlowMachine(), performer)})
        await self.conductor.start(down)
        return self

    async def __aexit__(self, *_):
        await self.conductor.close()
        await self.container.close()
        await self.backplane.close()
        await self.pool.close()
        await self.journal.close()

    async def run(self, jobs: dict):
        return await self.conductor.submit(Submission("r", "flow", "test", {"flow": {"jobs": jobs}}))

    async def ended(self):
        async with asyncio.timeout(60):
            return await self.conductor.wait("r")

    async def results(self) -> list:
        found = [recorded.event for recorded in await self.journal.events("r")]
        return [event.data["result"] for event in found if "result" in event.data]


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "steps.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def fifo(tmp_path):
    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


def python(name: str, *, after=(), each=None, retry=None, **arguments) -> dict:
    call = {"function": f"steps:{name}", "arguments": arguments}
    more = {key: value for key, value in {"each": each, "retry": retry}.items() if value is not None}
    return {"kind": "python", "call": call, "after": list(after), **more}


async def test_results_go_from_job_to_job(directory):
    jobs = {
        "numbers": python("numbers", count=10),
        "square": python("square", after=["numbers"], each="numbers"),
        "total": python("total", after=["square"], values={"$result": "square"}),
    }
    async with Podium(directory) as podium:
        await podium.run(jobs)
        run = await podium.ended()
        assert run.state is RunState.SUCCEEDED, run.error
        assert 285 in await podium.results()
        assert ("numbers", "counting") in podium.lines


async def test_a_worker_that_is_killed_costs_an_attempt(directory):
    retry = {"attempts": 2, "delay": 0}
    async with Podium(directory) as podium:
        await podium.run({"a": python("dies_once", mark=str(directory / "mark"), retry=retry)})
        assert (await podium.ended()).state is RunState.SUCCEEDED
        assert "lived" in await podium.results()


async def test_a_job_without_another_attempt_fails_the_run_with_its_reason(directory):
    async with Podium(directory) as podium:
        await podium.run({"a": python("dies_once", mark=str(directory / "mark"))})
        run = await podium.ended()
        assert run.state is RunState.FAILED
        assert "killed by SIGKILL" in run.error.reason


async def test_a_cancelled_run_leaves_no_process(directory, fifo):
    path = fifo("told")
    async with Podium(directory) as podium:
        await podium.run({"a": python("waits", fifo=str(path))})
        pid = int(await asyncio.wait_for(asyncio.to_thread(path.read_text), 30))
        await podium.conductor.cancel("r")
        assert (await podium.ended()).state is RunState.CANCELLED
        for worker in list(podium.pool._workers):
            if worker.pid == pid:
                await asyncio.wait_for(worker.gone.wait(), 30)
        assert pid not in podium.pool.pids


async def test_a_model_outlives_a_podium_that_goes_away_and_is_not_run_twice(directory, fifo):
    told, word = fifo("told"), fifo("word")
    job = {"kind": "container", "call": {"image": "waits:1", "env": {"TOLD": str(told), "WORD": str(word)}}}
    async with Podium(directory) as podium:
        await podium.run({"a": job})
        await asyncio.wait_for(asyncio.to_thread(told.read_text), 30)
        (before,) = await podium.backplane.list()
    async with Podium(directory) as podium:
        (after,) = await podium.backplane.list()
        assert (after.name, after.created) == (before.name, before.created)
        await asyncio.wait_for(asyncio.to_thread(word.write_text, "go"), 30)
        assert (await podium.ended()).state is RunState.SUCCEEDED
        assert len(await podium.backplane.list()) == 1


async def test_a_cancelled_run_leaves_no_model(directory, fifo):
    told, word = fifo("told"), fifo("word")
    job = {"kind": "container", "call": {"image": "waits:1", "env": {"TOLD": str(told), "WORD": str(word)}}}
    async with Podium(directory) as podium:
        await podium.run({"a": job})
        await asyncio.wait_for(asyncio.to_thread(told.read_text), 30)
        await podium.conductor.cancel("r")
        assert (await podium.ended()).state is RunState.CANCELLED
        assert await podium.backplane.list() == []
