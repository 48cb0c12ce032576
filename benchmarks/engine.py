"""Model-steps a second of the pure simulation machine: no broker, no journal, inputs one by one.

python benchmarks/engine.py [model-steps]
"""

from __future__ import annotations

import sys
import time

from podium.engines.simulation.machine import SimulationMachine
from podium.engines.simulation.messages import AllReady, Answered, ModelEnded, Parameterized
from podium.engines.simulation.state import Phase
from podium.runs.machine import Input, Performed, Started


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


def main() -> None:
    model_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print("models  version  model-steps  model-steps/s  steps/s  events written")
    for models in (10, 100, 500):
        for version in (1, 2):
            steps = max(model_steps // models, 1)
            took, written = conduct(models, steps, version)
            total = models * steps
            print(f"{models:6}  {version:7}  {total:11,}  {total / took:13,.0f}  {steps / took:7,.0f}  {written:14,}")


if __name__ == "__main__":
    main()
