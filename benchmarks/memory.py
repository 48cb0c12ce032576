"""Memory of `podium serve` over long simulations, one after the other in the same server.

    python -m benchmarks.memory [--steps 20000] [--runs 2] [--models 2] [--every 2000]

The models are version 1 and answer at once (`answerer.py`), on the embedded broker, with a settle time of 0, so that
nothing is measured but conducting. What is printed is the resident memory of Podium's process.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.e2e.harness import Server, serving

from benchmarks.brokers import embedded
from benchmarks.podium_server import star_document
from benchmarks.simulation import answering, row


def resident(server: Server) -> float:
    """MiB."""
    assert server.process
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


async def watched(server: Server, run: int, models: int, steps: int, every: int) -> None:
    row(run, 0, resident(server))
    simulation = await server.submit(star_document(models, steps))
    async for event in server.events(simulation):
        if event["type"] == "step.finished" and event["data"]["step"] % every == 0:
            row(run, event["data"]["step"], resident(server))
    ended = await server.run(simulation)
    if ended["state"] != "succeeded":
        raise RuntimeError(f"the run {ended['state']}: {ended.get('error')}")


async def measure(runs: int, models: int, steps: int, every: int) -> None:
    row("run", "step", "MiB")
    row(*["---"] * 3)
    with tempfile.TemporaryDirectory() as broker_directory, tempfile.TemporaryDirectory() as directory:
        async with embedded(Path(broker_directory)) as broker:
            options = ["--no-mso", "--broker", broker.url, "--broker-advertise", f"{broker.host}:{broker.port}"]
            async with serving(Path(directory), None, *options) as server:
                with answering(broker, 0):
                    for run in range(1, runs + 1):
                        await watched(server, run, models, steps, every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--every", type=int, default=2000, help="steps between two lines")
    options = parser.parse_args()
    asyncio.run(measure(options.runs, options.models, options.steps, options.every))


if __name__ == "__main__":
    main()
