"""How long a graph of services takes that work for a second each, beside its critical path.

    python -m benchmarks.flow_services

12 jobs, two branches, two joins. Services are asked for their progress. For comparison the graph is performed as the
reference does it: one job after another, asked every 2 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from aiohttp import ClientSession, web

from benchmarks.flow import conducting, run_through
from podium.jobs.client import Client
from podium.jobs.http import HttpService
from podium.jobs.performer import FlowPerformer
from podium.runs.conductor import steady_clock

WORK_SECONDS = 1.0
REFERENCE_POLL_SECONDS = 2.0
GRAPH: dict[str, list[str]] = {
    "load-a": [],
    "load-b": [],
    "clean-a": ["load-a"],
    "clean-b": ["load-b"],
    "join": ["clean-a", "clean-b"],
    "function": ["join"],
    "classify": ["function"],
    "draw-classes": ["classify"],
    "cluster": ["join"],
    "draw-clusters": ["cluster"],
    "compare": ["classify", "cluster"],
    "sink": ["compare"],
}


def longest(job: str) -> float:
    return WORK_SECONDS + max((longest(before) for before in GRAPH[job]), default=0.0)


@asynccontextmanager
async def service() -> AsyncIterator[str]:
    """Works for a second on whatever is started."""
    ends: dict[str, float] = {}

    async def start(request: web.Request) -> web.Response:
        ends[(await request.json())["id"]] = time.monotonic() + WORK_SECONDS
        return web.json_response({})

    async def progress(request: web.Request) -> web.Response:
        done = time.monotonic() >= ends[request.query["id"]]
        return web.json_response({"status": "complete" if done else "progress"})

    app = web.Application()
    app.add_routes([web.post("/work", start), web.get("/work/progress", progress)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.name
    await runner.cleanup()


async def podium(url: str) -> float:
    def job(name: str) -> dict[str, Any]:
        return {"url": f"{url}/work", "body": {"id": name}, "progress": {"url": f"{url}/work/progress?id={name}"}}

    jobs = {name: {"kind": "http", "call": job(name), "after": after} for name, after in GRAPH.items()}
    client = Client()
    async with conducting(FlowPerformer({"http": HttpService(client)}, steady_clock())) as conductor:
        took = await run_through(conductor, "services", {"jobs": jobs})
    await client.close()
    return took


async def reference(url: str) -> float:
    began = time.monotonic()
    async with ClientSession() as session:
        for job in GRAPH:
            await (await session.post(f"{url}/work", json={"id": job})).read()
            while True:
                answer = await (await session.get(f"{url}/work/progress", params={"id": job})).json()
                if answer["status"] != "progress":
                    break
                await asyncio.sleep(REFERENCE_POLL_SECONDS)
    return time.monotonic() - began


async def main() -> None:
    path = max(longest(job) for job in GRAPH)
    print(f"critical path{path:29.2f} s")
    async with service() as url:
        ours = await podium(url)
        print(f"Podium{ours:36.2f} s, {ours / path:.2f} of it (the bar is {1.05 * path + 0.3:.2f} s)")
    async with service() as url:
        theirs = await reference(url)
        print(f"one after another, asked every 2 s{theirs:8.2f} s, {theirs / path:.2f} of it")


if __name__ == "__main__":
    uvloop.run(main())
