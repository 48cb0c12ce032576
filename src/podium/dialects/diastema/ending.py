"""The end of an analysis, good or bad: what is written down and told when all else is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from podium.dialects.diastema.memory import Memory
from podium.dialects.diastema.patience import patiently
from podium.dialects.diastema.telling import of_analysis, tell_reasons
from podium.dialects.diastema.titles import TITLES
from podium.dialects.diastema.work import UNRECORDED, Tools
from podium.jobs.port import Job
from podium.runs.events import Json, Run

_THE_END = "#end"  # which no job can be called


class End:
    """
    Args:
        run: a run as it stands.
        clock: gives Unix seconds.
    """

    def __init__(
        self, tools: Tools, memory: Memory, run: Callable[[str], Awaitable[Run]], clock: Callable[[], float]
    ) -> None:
        self._tools = tools
        self._memory = memory
        self._run = run
        self._clock = clock

    def check(self, call: Mapping[str, Any]) -> None:
        pass

    async def perform(self, job: Job) -> Json:
        await patiently(job.note, lambda: self._record(job))
        front, analysis = self._tools.front, job.document["diastema"]["analysis"]
        if _state(job) == "succeeded":
            await front.update(job.run, _THE_END, f"Analysis completed with ID: {analysis}")
        else:
            await tell_reasons(front, job, of_analysis(job))
            await front.error(job.run, _THE_END, f"Analysis with the given ID terminated with error: {analysis}")
        return None

    async def _record(self, job: Job) -> None:
        about, records = job.document["diastema"], self._tools.records
        organisation, analysis = str(about["organisation"]), str(about["analysis"])
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
        self._tools.front.released(run)
        await self._memory.forget(run)

    async def _milliseconds(self, run: str) -> int:
        found = await self._run(run)
        return round((self._clock() - (found.started or found.submitted)) * 1000)


def _state(job: Job) -> str:
    return str((job.outcome or {}).get("state"))
