"""Kind `python`: a function in a warm worker process.

    {"function": "package.module:name", "arguments": {"table": {"$result": "clean"}}}

What it writes goes to the job's log. One of many is given what it is for as the argument `item`. Its code comes from
the directories that Podium was started with; no document can name others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from podium.faults import refuse
from podium.jobs.calls import Call, check, read
from podium.jobs.port import Job, JobFailed
from podium.jobs.references import is_reference
from podium.runs.events import Json
from podium.workers.pool import Pool
from podium.workers.process import CallFailed
from podium.workers.source import faults

ITEM = "item"


class PythonCall(Call):
    function: str = Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*$")
    arguments: dict[str, Any] = Field(default_factory=dict)


class PythonFunction:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def check(self, call: Mapping[str, Any]) -> None:
        self._check(call, {})

    def check_one_of_many(self, call: Mapping[str, Any]) -> None:
        self._check(call, {ITEM: None})

    def _check(self, call: Mapping[str, Any], besides: Mapping[str, Any]) -> None:
        check(PythonCall, call)
        if not isinstance(call["function"], str):
            return  # a result will say
        given = call.get("arguments", {})
        arguments = None if is_reference(given) else {**given, **besides}
        refuse(list(faults(call["function"], arguments, self._pool.paths)))

    async def perform(self, job: Job) -> Json:
        call = read(PythonCall, job.call)
        one_of_many = {ITEM: job.item} if job.node.endswith("]") else {}
        try:
            return await self._pool.call(call.function, call.arguments | one_of_many, note=job.note)
        except CallFailed as error:
            raise JobFailed(error.reason, final=error.final) from None
