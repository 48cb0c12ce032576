"""Jobs a second of a graph, every group of outcomes on disk, beside the peers in the same run.

    python -m benchmarks.flow [--rounds 3] [--no-peers]

A conductor on a real SQLite journal. With jobs that are done at once, what is measured is all that happens between
one job and the next; then the jobs are Python functions in worker processes, as the peers have them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.flow_peers import rates
from podium.dialects.port import Kind
from podium.engines.flow.machine import FlowMachine
from podium.jobs.performer import FlowPerformer
from podium.jobs.python import PythonFunction
from podium.runs.conductor import Conductor, steady_clock
from podium.runs.events import RunState, Submission
from podium.runs.journal import Journal
from podium.runs.machine import Command, Input, Performed, Performer, Recovery
from podium.workers.pool import Pool

NOOP: dict[str, Any] = {"kind": "noop"}
FUNCTION: dict[str, Any] = {"kind": "python", "call": {"function": "noops:noop"}}
WIDTH = 1000


def fan(width: int, job: Mapping[str, Any] = NOOP) -> dict[str, Any]:
    """1 → width → 1."""
    middle = {f"job-{n}": {**job, "after": ["first"]} for n in range(width)}
    return {"first": {**job}, **middle, "end": {**job, "after": list(middle)}}


def chain(length: int) -> dict[str, Any]:
    return {f"job-{n}": {**NOOP, "after": [f"job-{n - 1}"] if n else []} for n in range(length)}


def items() -> dict[str, Any]:
    """A fan whose width is only known when the first job is done."""
    return {"first": NOOP, "job": {**NOOP, "after": ["first"], "each": "first"}, "end": {**NOOP, "after": ["job"]}}


@dataclass
class AtOnce:
    """Performs every job by saying so."""

    results: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = field(default_factory=steady_clock)
    first: float = 0.0

    async def perform(self, run: str, document: Mapping[str, Any], command: Command) -> Input | None:
        self.first = self.first or time.perf_counter()
        return Performed(self.clock(), command.key, self.results.get(command.key))

    async def recover(self, run: str, document: Mapping[str, Any]) -> Recovery:
        return Recovery()

    async def released(self, run: str) -> None: ...


async def conducted(
    jobs: dict[str, Any], runs: int = 1, results: Mapping[str, Any] | None = None, **flow: Any
) -> tuple[float, list[float]]:
    """Seconds until the run is over, and until its first job began, of `runs` runs one after another."""
    performer = AtOnce(results or {})
    took, first = 0.0, []
    async with conducting(performer) as conductor:
        for number in range(runs):
            performer.first = 0.0
            began = time.perf_counter()
            took += await run_through(conductor, f"run-{number}", {"jobs": jobs, **flow})
            first.append(performer.first - began)
    return took / runs, first


async def functions(width: int) -> float:
    """Seconds of a fan of Python functions in warm worker processes; the peers are warm as well."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "noops.py").write_text("def noop():\n    return 1\n")
        pool = Pool([path], directory=path / "workers")
        async with conducting(FlowPerformer({"python": PythonFunction(pool)}, steady_clock())) as conductor:
            await run_through(conductor, "warm", {"jobs": fan(2, FUNCTION)})
            took = await run_through(conductor, "run", {"jobs": fan(width, FUNCTION)})
        await pool.close()
    return took


async def run_through(conductor: Conductor, name: str, flow: dict[str, Any]) -> float:
    began = time.perf_counter()
    run = await conductor.submit(Submission(name, "flow", "benchmark", {"flow": flow}))
    ended = await conductor.wait(run.id)
    assert ended.state is RunState.SUCCEEDED, ended.error
    return time.perf_counter() - began


@asynccontextmanager
async def conducting(performer: Performer) -> AsyncIterator[Conductor]:
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(f"sqlite:///{directory}/journal.db", owner="benchmark")
        await journal.open()
        await journal.acquire()
        conductor = Conductor(journal, {"flow": Kind("flow", FlowMachine(), performer)})
        yield conductor
        await conductor.close()
        await journal.close()


def measured(jobs: dict[str, Any], options: dict[str, Any], answer: Any) -> None:
    took, first = uvloop.run(conducted(jobs, **options))
    answer.send((took, first, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def alone(jobs: dict[str, Any], **options: Any) -> tuple[float, list[float], float]:
    """In a process of its own, for its memory: seconds, seconds to the first job, MiB at most."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=measured, args=(jobs, options, theirs))
    process.start()
    answer: tuple[float, list[float], float] = ours.recv()
    process.join()
    return answer


def show(what: str, count: int, rounds: int, jobs: dict[str, Any], **options: Any) -> None:
    results = [alone(jobs, **options) for _ in range(rounds)]
    took = min(took for took, _, _ in results)
    memory = max(memory for _, _, memory in results)
    print(f"{what:40}{count:8,}{took:10.3f}{count / took:12,.0f}{memory:10.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many is shown")
    parser.add_argument("--no-peers", action="store_true", help="Podium alone")
    options = parser.parse_args()
    rounds = options.rounds
    print(f"{'':40}{'jobs':>8}{'seconds':>10}{'jobs/s':>12}{'peak MiB':>10}")
    show("1 → 1,000 → 1", WIDTH + 2, rounds, fan(WIDTH))
    show("1 → 1,000 items → 1", WIDTH + 2, rounds, items(), results={"first#1": list(range(WIDTH))})
    show("chain of 200", 200, rounds, chain(200))
    show("1 → 20,000 → 1", 20_002, rounds, fan(20_000))
    _, first, _ = alone({"only": NOOP}, runs=200)
    print(f"submit → first job: p50 {statistics.median(first) * 1e3:.1f} ms, most {max(first) * 1e3:.1f} ms")

    ours = max((WIDTH + 2) / uvloop.run(functions(WIDTH)) for _ in range(rounds))
    print(f"\n1 → {WIDTH:,} → 1                   jobs/s             Podium is faster by")
    print(f"{'Podium, Python functions':35}{ours:8,.0f}  durable")
    for name, kind, rate in () if options.no_peers else rates(WIDTH):
        shown = f"{rate:8,.0f}  {kind:10}{ours / rate:9.1f}" if rate else "     not installed: make .venv/.peers"
        print(f"{name:35}{shown}", flush=True)


if __name__ == "__main__":
    main()
