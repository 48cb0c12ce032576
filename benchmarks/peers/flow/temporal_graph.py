"""1 → N → 1 no-op activities of a Temporal workflow, dev server in memory or on file. Prints jobs per second.

python temporal_graph.py N [FILE]
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "graph"
START_SECONDS = 60


@activity.defn
async def noop() -> int:
    return 1


@workflow.defn
class Graph:
    @workflow.run
    async def run(self, count: int) -> int:
        async def job() -> int:
            return await workflow.execute_activity(noop, start_to_close_timeout=timedelta(minutes=5))

        await job()
        done = await asyncio.gather(*(job() for _ in range(count)))
        await job()
        return sum(done)


async def connected(address: str) -> Client:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)  # the dev server does not say when it is ready


async def measured(address: str, count: int) -> float:
    client = await connected(address)
    async with Worker(client, task_queue=QUEUE, workflows=[Graph], activities=[noop], max_concurrent_activities=1000):
        await client.execute_workflow(Graph.run, 1, id="warm", task_queue=QUEUE)
        begin = time.perf_counter()
        assert await client.execute_workflow(Graph.run, count, id="graph", task_queue=QUEUE) == count
        return (count + 2) / (time.perf_counter() - begin)


def main(count: int, file: str | None) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Path(sys.executable).with_name("temporal")
    command = [server, "server", "start-dev", "--headless", "--port", str(port), "--log-level", "never"]
    with subprocess.Popen([*command, *(["--db-filename", file] if file else [])], stdout=subprocess.DEVNULL) as process:
        try:
            return asyncio.run(measured(f"127.0.0.1:{port}", count))
        finally:
            process.terminate()


if __name__ == "__main__":
    print(f"{main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None):.1f}")
