"""Model-steps and jobs a second of the pure machines: no broker, no journal, inputs one by one.

python -m benchmarks.engine [model-steps] [jobs]
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.flow import chain, fan, items
from podium.engines.flow.machine import FlowMachine
from podium.engines.flow.state import Phase as FlowPhase
from podium.engines.simulation.machine import SimulationMachine
from podium.engines.simulation.messages import AllReady, Answered, ModelEnded, Parameterized
from podium.engines.simulation.state import Phase
from podium.runs.machine import DeadlinePassed, Input, Performed, Started


def conduct(models: int, steps: int, version: int) -> tuple[float, int]:
    """Seconds of processor time for the steps alone, and the events a journal would hold."""
    machine = SimulationMachine()
    names = [f"model-{number}" for number in range(models)]
    document = {"start": 0, "step_seconds": 900, "steps": steps, "models": names, "settle": 0}
    state = machine.initial({"simulation": document})
    written = 0

    def feed(what: Input) -> None:
        nonlocal state, written
        for event in machine.handle(state, what):
            state = machine.apply(state, event)
            written += not event.transient

    def perform() -> None:
        for command in machine.pending(state):
            feed(Performed(0.0, command.key))

    feed(Started(0.0))
    perform()
    feed(AllReady(0.0))
    perform()
    for name in names:
        feed(Parameterized(0.0, name, version))
    began = time.process_time()
    while state.phase is Phase.STEPPING:
        perform()
        number = state.step if version == 2 else None
        for name in names:
            feed(Answered(0.0, name, number))
            machine.pending(state)
    took = time.process_time() - began
    perform()
    for name in names:
        feed(ModelEnded(0.0, name, success=True, exit_code=0))
    assert state.phase is Phase.ENDED
    return took, written


def perform(jobs: dict[str, Any], width: int) -> tuple[float, int, int]:
    """Seconds of processor time for a whole graph, the jobs performed and the events a journal would hold."""
    machine = FlowMachine()
    began = time.process_time()
    state = machine.initial({"flow": {"jobs": jobs}})
    done = written = 0

    def feed(what: Input) -> None:
        nonlocal state, written
        for event in machine.handle(state, what):
            state = machine.apply(state, event)
            written += 1

    feed(Started(1.0))
    while state.phase is not FlowPhase.ENDED:
        while (deadline := machine.deadline(state)) is not None and deadline <= 1.0:
            feed(DeadlinePassed(1.0))
        for command in machine.pending(state):
            feed(Performed(1.0, command.key, list(range(width)) if command.key == "first#1" else None))
            done += 1
    return time.process_time() - began, done, written


def graphs(count: int) -> None:
    print("\ngraph             jobs  jobs/s  events written")
    for shape, jobs in (
        ("1 → many → 1", fan(count)),
        ("1 → items → 1", items()),
        ("chain", chain(count)),
    ):
        took, done, written = perform(jobs, count)
        print(f"{shape:14}  {done:6,}  {done / took:6,.0f}  {written:14,}")


def main() -> None:
    model_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print("models  version  model-steps  model-steps/s  steps/s  events written")
    for models in (10, 100, 500):
        for version in (1, 2):
            steps = max(model_steps // models, 1)
            took, written = conduct(models, steps, version)
            total = models * steps
            print(f"{models:6}  {version:7}  {total:11,}  {total / took:13,.0f}  {steps / took:7,.0f}  {written:14,}")
    graphs(int(sys.argv[2]) if len(sys.argv) > 2 else 20_000)


if __name__ == "__main__":
    main()
