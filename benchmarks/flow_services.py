"""How long a graph of services takes that work for a second each, beside its critical path.

    python -m benchmarks.flow_services

12 jobs, two branches, two joins. Services are asked for their progress. The same graph goes through `podium serve` as
a DIASTEMA playbook, from its submission to its end, with all that belongs to it: output folders and whether anything is
in them, records, messages to the front end. For comparison the graph is performed as the reference does it: one job
after another, asked every 2 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from aiohttp import ClientSession, web
from tests.e2e.harness import serving

from benchmarks.flow import conducting, run_through
from podium.jobs.client import Client
from podium.jobs.http import HttpService
from podium.jobs.performer import FlowPerformer
from podium.runs.conductor import steady_clock

KEY = "a key for benchmarks"
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
async def service(artifacts: Path | None = None) -> AsyncIterator[str]:
    """Works for a second on whatever is started, and writes its output into `artifacts`. Takes messages, too."""
    ends: dict[str, tuple[float, str | None]] = {}

    async def start(request: web.Request) -> web.Response:
        told = await request.json()
        job, output = told.get("id") or told["job-id"], told.get("output") or told.get("minio-output")
        ends[job] = time.monotonic() + WORK_SECONDS, output
        return web.json_response({})

    async def progress(request: web.Request) -> web.Response:
        end, output = ends[request.query["id"]]
        if time.monotonic() < end:
            return web.json_response({"status": "progress"})
        if artifacts and output:
            (artifacts / output / "part-0.csv").write_text("id\n1\n")
        return web.json_response({"status": "complete"})

    async def message(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/messages", message), web.post("/{name}", start), web.get("/{name}/progress", progress)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.name
    await runner.cleanup()


async def podium(url: str) -> float:
    def job(name: str) -> dict[str, Any]:
        return {"url": f"{url}/job", "body": {"id": name}, "progress": {"url": f"{url}/job/progress?id={name}"}}

    jobs = {name: {"kind": "http", "call": job(name), "after": after} for name, after in GRAPH.items()}
    client = Client()
    async with conducting(FlowPerformer({"http": HttpService(client)}, steady_clock())) as conductor:
        took = await run_through(conductor, "services", {"jobs": jobs})
    await client.close()
    return took


async def through_serve() -> float:
    with TemporaryDirectory() as name:
        artifacts = Path(name) / "artifacts"
        async with service(artifacts) as url:
            env = {
                "PODIUM_ARTIFACTS": str(artifacts),
                "PODIUM_DIASTEMA_KEY": KEY,
                "PODIUM_DIASTEMA_SERVICES": url,
                "PODIUM_DIASTEMA_FRONTEND": url,
            }
            async with serving(Path(name), None, **env) as server:
                began = time.monotonic()
                answer = await server.http.post("/analysis", json=playbook())
                answer.raise_for_status()
                ended = await server.ended(answer.json()["id"])
                took = time.monotonic() - began
    if ended["state"] != "succeeded":
        raise RuntimeError(f"the run {ended['state']}: {ended.get('error')}")
    return took


def playbook() -> dict[str, Any]:
    """The graph; two datasets, which cost nothing, are where it begins."""
    own: dict[str, dict[str, Any]] = {
        "join": {"title": "data-join", "column": "id", "join-type": "inner"},
        "compare": {"title": "data-join", "column": "id", "join-type": "inner"},
        **{name: {"title": "function", "function": {"name": "draw"}} for name in ("draw-classes", "draw-clusters")},
        **{name: {"title": "dataset", "label": name} for name in ("ships", "boats")},
    }
    graph = {"ships": [], "boats": [], **GRAPH, "load-a": ["ships"], "load-b": ["boats"]}
    jobs = [
        {
            "id": name,
            "step": name,
            "from": before or 0,
            "next": [after for after, needed in graph.items() if name in needed] or [0],
            **own.get(name, {"title": "cleaning"}),
        }
        for name, before in graph.items()
    ]
    return {"diastema-token": KEY, "analysis-id": "bench", "database-id": "bench", "jobs": jobs, "metadata": {}}


async def reference(url: str) -> float:
    began = time.monotonic()
    async with ClientSession() as session:
        for job in GRAPH:
            await (await session.post(f"{url}/job", json={"id": job})).read()
            while True:
                answer = await (await session.get(f"{url}/job/progress", params={"id": job})).json()
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
    served = await through_serve()
    print(f"Podium, a playbook over HTTP{served:14.2f} s, {served / path:.2f} of it")
    async with service() as url:
        theirs = await reference(url)
        print(f"one after another, asked every 2 s{theirs:8.2f} s, {theirs / path:.2f} of it")


if __name__ == "__main__":
    uvloop.run(main())
