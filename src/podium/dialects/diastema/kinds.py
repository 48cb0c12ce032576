"""What performs the jobs of a playbook, but those that train models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from podium.dialects.diastema.patience import patiently
from podium.dialects.diastema.places import Which
from podium.dialects.diastema.playbook import text
from podium.dialects.diastema.work import Tools, Work
from podium.jobs.port import Job
from podium.runs.events import Json

PLOTS = "diastemaviz"
PATHS_BYTES = 64 * 1024  # of a result, as JSON; the records have all


class Dataset:
    """Names the data that others work on; there is nothing to be done."""

    def check(self, call: Mapping[str, Any]) -> None:
        pass

    async def perform(self, job: Job) -> Json:
        work = Work(job)
        return work.result(path=f"{work.organisation}/datasets/{text(job.call['label'])}")


class ByService:
    """A service reads its inputs and writes its output where it is told.

    Args:
        which: where the service is.
        name: it goes by.
        body: what it is told of a job.
    """

    def __init__(self, tools: Tools, which: Which, name: str, body: Callable[[Work], dict[str, Json]]) -> None:
        self._tools = tools
        self._which = which
        self._name = name
        self._body = body

    def check(self, call: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._tools.services.check(self._which)

    async def perform(self, job: Job) -> Json:
        work = Work(job)
        async with self._tools.services.turns.of(job, self._name, work.id):
            await self._tools.make_folder(job, work.output)
            await self._tools.services.done(job, self._which, self._name, work.id, self._body(work))
            await self._tools.written(job, self._name, work.id, work.output)
        return await self._tools.finish(work, work.output)


class Visualization:
    """Shows what the job before it has drawn."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def check(self, call: Mapping[str, Any]) -> None:
        pass

    async def perform(self, job: Job) -> Json:
        work = Work(job)
        [before] = work.before
        folder, label = f"{PLOTS}/{before['id']}", str(job.call["label"])
        paths = await patiently(job.note, lambda: self._tools.artifacts.list(folder))
        if not paths:
            job.note(f"there is nothing in {folder}/ to be shown")
        await patiently(job.note, lambda: self._tools.records.plots(work.posted_id, label, paths))
        await self._tools.front.visualize(job.run, job.node, folder, before["title"], before["column"])
        shown = _fitting(paths)
        if len(shown) < len(paths):
            job.note(f"its result names {len(shown)} of {len(paths)} plots; the records have all")
        return await self._tools.finish(work, folder, label=label, paths=[*shown])


class Sink:
    """Has data passed on; nobody waits for its arrival."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def check(self, call: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._tools.services.check("services")

    async def perform(self, job: Job) -> Json:
        work = Work(job)
        key = work.organisation
        await self._tools.services.told(
            job, "services", "data-sink", {"key": key, "data": {"key": key, "data": work.id}}
        )
        return await self._tools.finish(work)


def _fitting(paths: Sequence[str]) -> Sequence[str]:
    """The first of them, as many as a result has room for."""
    room = PATHS_BYTES
    for count, path in enumerate(paths):
        room -= len(json.dumps(path)) + len(", ")
        if room < 0:
            return paths[:count]
    return paths


def cleaning(work: Work) -> dict[str, Json]:
    body: dict[str, Json] = {
        "minio-input": work.inputs[0],
        "minio-output": work.output,
        "job-id": work.id,
        "analysis-id": work.analysis,
    }
    shrink = work.job.call.get("max-shrink")
    return body if shrink is None or shrink is False else {**body, "max-shrink": shrink}


def join(work: Work) -> dict[str, Json]:
    return {
        "job-id": work.id,
        "column": work.column,
        "type": text(work.job.call["join-type"]),
        "inputs": work.inputs,
        "output": work.output,
        "analysis-id": work.analysis,
    }


def function(work: Work) -> dict[str, Json]:
    return {
        "job-id": work.id,
        "inputs": work.inputs,
        "output": work.output,
        "function": work.job.call["function"],
        "analysis-id": work.analysis,
    }
