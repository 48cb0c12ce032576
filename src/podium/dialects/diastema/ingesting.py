"""Fetching a dataset, and telling of it when that fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from podium.dialects.diastema.memory import Memory
from podium.dialects.diastema.patience import patiently
from podium.dialects.diastema.telling import of_ingestion, tell_reasons
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
        body = {"minio-output": output, "job-id": call["id"], "ingestion_json": call["ingestion_json"]}
        async with self._tools.services.turns.of(job, SERVICE, call["id"]):
            await self._tools.make_folder(job, output)
            await self._tools.services.done(job, "services", SERVICE, call["id"], body)
            await self._tools.written(job, SERVICE, call["id"], output)
            said = await self._tools.services.read("services", f"{SERVICE}/{quote(call['id'], safe='')}")
        features = said.get("features") if isinstance(said, dict) else None
        if not isinstance(features, list):
            raise JobFailed("the ingestion service is done and tells no features", final=True)
        about, user = job.document["diastema"], str(call["user"])
        owner, label = str(about["database-id"]), str(about["dataset-label"])
        await patiently(job.note, lambda: self._tools.records.ingested(owner, user, label, features))
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
            await tell_reasons(self._tools.front, job, of_ingestion(job))
        return None

    async def released(self, run: str) -> None:
        self._tools.front.released(run)
        await self._tools.services.turns.released(run)
        await self._memory.forget(run)
