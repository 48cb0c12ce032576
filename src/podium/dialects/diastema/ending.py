"""The end of an analysis, good or bad: what is written down and told when all else is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from podium.dialects.diastema.desk import Desk
from podium.dialects.diastema.memory import Memory
from podium.dialects.diastema.patience import patiently
from podium.dialects.diastema.reading import ANALYSIS
from podium.dialects.diastema.telling import of_analysis, tell_reasons
from podium.dialects.diastema.titles import TITLES
from podium.dialects.diastema.work import UNRECORDED, Tools
from podium.errors import PodiumError
from podium.jobs.port import Job
from podium.runs.events import Json, RunState

log = structlog.get_logger()

_THE_END = "#end"  # which no job can be called


class End:
    """
    Args:
        desk: knows the run.
        clock: gives Unix seconds.
    """

    def __init__(self, tools: Tools, memory: Memory, desk: Desk, clock: Callable[[], float]) -> None:
        self._tools = tools
        self._memory = memory
        self._desk = desk
        self._clock = clock
        self._told: set[str] = set()  # runs whose end, other than success, is written down and told

    def check(self, call: Mapping[str, Any]) -> None:
        pass

    async def perform(self, job: Job) -> Json:
        await patiently(job.note, lambda: self._record(job))
        front, analysis = self._tools.front, job.document["diastema"]["analysis"]
        if _state(job) == "succeeded":
            await front.update(job.run, _THE_END, f"Analysis completed with ID: {analysis}")
        else:
            await tell_reasons(front, job, of_analysis(job))
            await self._tell_terminated(job.run, analysis)
            self._told.add(job.run)
        return None

    async def _record(self, job: Job) -> None:
        about, records = job.document["diastema"], self._tools.records
        organisation, analysis = str(about["organisation"]), str(about["analysis-id"])
        done = {name: result for name, result in job.inputs.items() if isinstance(result, dict)}
        for name, result in done.items():
            if UNRECORDED in result:
                path, kind = str(result["path"]), TITLES[str(result["title"])].record
                call = job.document["flow"]["jobs"][name]["call"]
                await records.job(organisation, analysis, path, kind, call)
        steps = [result["step"] for result in done.values()]
        labels = {str(result["label"]) for result in done.values() if "label" in result}
        await records.keep_only(organisation, analysis, steps, labels)
        if _state(job) == "succeeded":
            milliseconds = await self._milliseconds(job.run)
            await records.completed(organisation, analysis, about.get("metadata"), milliseconds)
        else:
            await records.ended(organisation, analysis, _state(job))

    async def released(self, run: str) -> None:
        try:
            await self._revoke(run)
        except PodiumError as error:
            log.warning("diastema.not_revoked", run=run, reason=str(error))
        self._told.discard(run)
        self._tools.front.released(run)
        await self._tools.services.turns.released(run)
        await self._memory.forget(run)

    async def _revoke(self, run: str) -> None:
        """A cancel may come when all has succeeded, and is being written down and told."""
        found = await self._desk.run(run)
        if found.kind != ANALYSIS or found.state is not RunState.CANCELLED or run in self._told:
            return
        about = (await self._desk.document(run))["diastema"]
        try:
            await self._tools.records.ended(about["organisation"], str(about["analysis-id"]), found.state.value)
        finally:
            await self._tell_terminated(run, about["analysis"])

    async def _tell_terminated(self, run: str, analysis: str) -> None:
        text = f"Analysis with the given ID terminated with error: {analysis}"
        await self._tools.front.error(run, _THE_END, text)

    async def _milliseconds(self, run: str) -> int:
        found = await self._desk.run(run)
        return round((self._clock() - (found.started or found.submitted)) * 1000)


def _state(job: Job) -> str:
    return str((job.outcome or {}).get("state"))
