"""Fetching a dataset, and telling of it when that fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podium.dialects.diastema.ending import reasons
from podium.dialects.diastema.memory import Memory
from podium.dialects.diastema.work import Tools
from podium.jobs.port import Job, JobFailed
from podium.runs.events import Json

SERVICE = "data-ingesting"


class Ingest:
    """The one job of an ingestion."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def check(self, call: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._tools.services.check("services")

    async def perform(self, job: Job) -> Json:
        call, organisation = job.call, str(job.document["diastema"]["organisation"])
        output = f"{organisation}/datasets/{call['label']}"
        await self._tools.artifacts.make_folder(output)
        body = {"minio-output": output, "job-id": call["id"], "ingestion_json": call["ingestion_json"]}
        await self._tools.services.done(job, "services", SERVICE, call["id"], body)
        said = await self._tools.services.read("services", f"{SERVICE}/{call['id']}")
        features = said.get("features") if isinstance(said, dict) else None
        if not isinstance(features, list):
            raise JobFailed("the ingestion service is done and tells no features", final=True)
        await self._tools.records.ingested(organisation, str(call["user"]), str(call["label"]), features)
        return {"path": output, "features": len(features)}


class Ingested:
    """The end of an ingestion."""

    def __init__(self, tools: Tools, memory: Memory) -> None:
        self._tools = tools
        self._memory = memory

    def check(self, call: Mapping[str, Any]) -> None:
        pass

    async def perform(self, job: Job) -> Json:
        outcome: Mapping[str, Any] = job.outcome or {}
        if outcome.get("state") != "succeeded":
            for reason in reasons(outcome):
                await self._tools.front.error(job.run, f"{reason} for the ingestion with ID: {job.call['id']}")
        return None

    async def released(self, run: str) -> None:
        await self._memory.forget(run)
        self._tools.front.released(run)
