"""Jobs a second of a graph, every group of outcomes on disk, with jobs that are done at once.

    python -m benchmarks.flow [--rounds 3]

A conductor on a real SQLite journal: what is measured is all that happens between a job that is ready and the next one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvloop

from podium.dialects.port import Kind
from podium.engines.flow.machine import FlowMachine
from podium.runs.conductor import Conductor, steady_clock
from podium.runs.events import RunState, Submission
from podium.runs.journal import Journal
from podium.runs.machine import Command, Input, Performed, Recovery

NOOP: dict[str, Any] = {"kind": "noop"}


def fan(width: int) -> dict[str, Any]:
    """1 → width → 1."""
    middle = {f"job-{n}": {**NOOP, "after": ["first"]} for n in range(width)}
    return {"first": NOOP, **middle, "end": {**NOOP, "after": list(middle)}}


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
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(f"sqlite:///{directory}/journal.db", owner="benchmark")
        await journal.open()
        await journal.acquire()
        conductor = Conductor(journal, {"flow": Kind("flow", FlowMachine(), performer)})
        took, first = 0.0, []
        for number in range(runs):
            performer.first = 0.0
            began = time.perf_counter()
            run = await conductor.submit(
                Submission(f"run-{number}", "flow", "benchmark", {"flow": {"jobs": jobs, **flow}})
            )
            ended = await conductor.wait(run.id)
            assert ended.state is RunState.SUCCEEDED, ended.error
            took += time.perf_counter() - began
            first.append(performer.first - began)
        await conductor.close()
        await journal.close()
    return took / runs, first


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
    rounds = parser.parse_args().rounds
    print(f"{'':40}{'jobs':>8}{'seconds':>10}{'jobs/s':>12}{'peak MiB':>10}")
    show("1 → 1,000 → 1", 1002, rounds, fan(1000))
    show("1 → 1,000 items → 1", 1002, rounds, items(), results={"first#1": list(range(1000))})
    show("chain of 200", 200, rounds, chain(200))
    show("1 → 20,000 → 1", 20_002, rounds, fan(20_000))
    _, first, _ = alone({"only": NOOP}, runs=200)
    print(f"submit → first job: p50 {statistics.median(first) * 1e3:.1f} ms, most {max(first) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
