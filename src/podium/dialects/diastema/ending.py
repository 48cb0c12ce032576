"""The end of an analysis, good or bad: what is written down and told when all else is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from podium.dialects.diastema.memory import Memory
from podium.dialects.diastema.work import Tools
from podium.jobs.port import Job
from podium.runs.events import Json, Run


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
        about = job.document["diastema"]
        organisation, analysis = str(about["organisation"]), str(about["analysis"])
        outcome: Mapping[str, Any] = job.outcome or {}
        done = [result for result in job.inputs.values() if isinstance(result, dict)]
        steps = [result["step"] for result in done]
        labels = {str(result["label"]) for result in done if "label" in result}
        await self._tools.records.keep_only(organisation, analysis, steps, labels)
        if outcome.get("state") == "succeeded":
            milliseconds = await self._milliseconds(job.run)
            await self._tools.records.completed(organisation, analysis, about.get("metadata"), milliseconds)
            await self._tools.front.update(job.run, f"Analysis completed with ID: {analysis}")
        else:
            await self._tools.records.ended(organisation, analysis, str(outcome.get("state")))
            for reason in reasons(outcome):
                await self._tools.front.error(job.run, f"{reason} for the analysis with ID: {analysis}")
            await self._tools.front.error(job.run, f"Analysis with the given ID terminated with error: {analysis}")
        return None

    async def released(self, run: str) -> None:
        await self._memory.forget(run)
        self._tools.front.released(run)

    async def _milliseconds(self, run: str) -> int:
        found = await self._run(run)
        return round((self._clock() - (found.started or found.submitted)) * 1000)


def reasons(outcome: Mapping[str, Any]) -> list[str]:
    """Why it did not succeed; of jobs if any failed, else of the run."""
    failed = outcome.get("failed") or {}
    return list(failed.values()) or [str(outcome.get("reason") or outcome.get("state"))]
