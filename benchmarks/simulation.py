"""Steps per second of a simulation, beside the bare round on the same broker, HELICS and mosaik, in one run.

    python -m benchmarks.simulation [--models 10,100,500] [--rings 10,50] [--brokers mosquitto,embedded]

The models are version 1 and answer at once (`answerer.py`); Podium is a real `podium serve` with its journal on disk.
A ratio of 1 would mean that conducting costs nothing beyond sending and receiving. The rings are N processes that pass
one float to their neighbour in each step: SDK models of version 2 under Podium, federates of HELICS,
simulators of mosaik.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from tests.e2e.harness import serving

from benchmarks import bare_round
from benchmarks.brokers import BROKERS, Broker
from benchmarks.podium_server import ring_document, ring_models, star_document, steps_per_second
from podium.bus import open_bus

ROUNDS = {10: 2000, 50: 500, 100: 300, 500: 80}
PEERS = {"HELICS zmq": "helics_ring", "mosaik subprocesses": "mosaik_ring"}


@contextmanager
def answering(broker: Broker, qos: int) -> Iterator[None]:
    """The models, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.answerer", broker.host, str(broker.port), str(qos)]
    env = {**os.environ, "MQTT_USERNAME": broker.user, "MQTT_PASSWORD": broker.password}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


async def bare(broker: Broker, models: int, qos: int) -> tuple[float, float]:
    """Rounds per second with paho and with Podium's link."""
    rounds = ROUNDS[models]
    with answering(broker, qos):
        paho = await asyncio.to_thread(bare_round.with_paho, broker, models, rounds, qos)
        bus = await open_bus(broker.url)
        own = await bare_round.with_bus(bus, models, rounds, qos)
        await bus.close()
    return paho, own


async def conducted(broker: Broker, models: int, qos: int, settle_ms: int) -> float:
    """Steps per second of Podium."""
    steps = ROUNDS[models] if settle_ms == 0 else min(ROUNDS[models], 200)
    with tempfile.TemporaryDirectory() as directory:
        settings = {"PODIUM_DOTS_QOS": str(qos), "PODIUM_DOTS_SETTLE_MS": str(settle_ms)}
        options = ["--no-mso", "--broker", broker.url, "--broker-advertise", f"{broker.host}:{broker.port}"]
        async with serving(Path(directory), None, *options, **settings) as server:
            with answering(broker, qos):
                return await steps_per_second(server, star_document(models, steps))


async def ring(models: int) -> float:
    """Steps per second of N SDK models, a process each, on the embedded broker."""
    with tempfile.TemporaryDirectory() as directory:
        async with serving(Path(directory), ring_models(Path(directory))) as server:
            return await steps_per_second(server, ring_document(models, ROUNDS[models]))


def peer(module: str, models: int) -> float:
    command = [sys.executable, "-m", f"benchmarks.peers.{module}", str(models), str(ROUNDS[models])]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    return float(printed.splitlines()[-1])


@asynccontextmanager
async def started(name: str) -> AsyncIterator[Broker]:
    with tempfile.TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:
            yield await stack.enter_async_context(BROKERS[name](Path(directory)))


def row(*cells: object) -> None:
    print(
        "| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |", flush=True
    )


async def star(names: list[str], counts: list[int]) -> None:
    row(
        "broker",
        "QoS",
        "models",
        "bare, paho",
        "bare, own link",
        "Podium",
        "ratio to paho",
        "to own",
        "with settle 20 ms",
    )
    row(*["---"] * 9)
    for name in names:
        for qos in (0, 1):
            for models in counts:
                async with started(name) as broker:
                    paho, own = await bare(broker, models, qos)
                    podium = await conducted(broker, models, qos, settle_ms=0)
                    settled = await conducted(broker, models, qos, settle_ms=20)
                rates = [f"{rate:.0f}" if rate > 100 else f"{rate:.1f}" for rate in (paho, own, podium)]
                row(name, qos, models, *rates, podium / paho, podium / own, f"{settled:.1f}")


async def rings(counts: list[int]) -> None:
    print()
    row("ring of", "Podium, version 2", *PEERS, *[f"ratio to {name}" for name in PEERS])
    row(*["---"] * (2 + 2 * len(PEERS)))
    for models in counts:
        podium = await ring(models)
        rates = [await asyncio.to_thread(peer, module, models) for module in PEERS.values()]
        row(models, f"{podium:.0f}", *[f"{rate:.0f}" for rate in rates], *[podium / rate for rate in rates])


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=numbers, default=[10, 100, 500], help="models that answer at once")
    parser.add_argument("--rings", type=numbers, default=[10, 50], help="sizes of the rings")
    parser.add_argument("--brokers", default="mosquitto,embedded")
    options = parser.parse_args()
    asyncio.run(star([name for name in options.brokers.split(",") if name], options.models))
    asyncio.run(rings(options.rings))


if __name__ == "__main__":
    main()
