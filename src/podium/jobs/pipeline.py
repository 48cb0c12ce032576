"""Kind `run`: another document is run to its end.

    {"document": {...}, "with": {"/jobs/load/python/arguments/day": {"$result": "choose"}}}

The document is left as it is: references in it are those of its own jobs. What it takes from the jobs around it is put
in place by `with`, at pointers into it (RFC 6901).

It is submitted under a key made of the job's own, so that however often it is asked for, it is started once.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import structlog
from pydantic import Field

from podium.errors import Fault, PodiumError, Unavailable
from podium.faults import refuse
from podium.jobs.calls import Call, check, read
from podium.jobs.port import Job, JobFailed
from podium.jobs.references import is_reference
from podium.runs.events import Json, Run, RunState, Submission
from podium.runs.machine import DETACHED

log = structlog.get_logger()

NESTING = "nesting"  # in a run's document: how many runs are around it
DEEPEST = 8


class Runs(Protocol):
    """The part of the conductor that is needed."""

    async def submit(self, submission: Submission) -> Run: ...

    async def wait(self, run: str) -> Run: ...

    async def cancel(self, run: str, reason: str) -> Run: ...


class RunCall(Call):
    """`filename` helps to recognise what kind of document it is."""

    document: dict[str, Any]
    filename: str = "document.json"
    put: dict[str, Any] = Field(default_factory=dict, alias="with")


class AnotherRun:
    """Args:
    runs: where it is submitted.
    read: what a dialect makes of a document: content and file name.
    deepest: how many runs may be around one.
    """

    def __init__(
        self, runs: Runs, read_document: Callable[[bytes, str], Awaitable[Submission]], *, deepest: int = DEEPEST
    ) -> None:
        self._runs = runs
        self._read = read_document
        self._deepest = deepest

    enclosed = "document"

    def check(self, call: Mapping[str, Any]) -> None:
        check(RunCall, call)
        given, put = call["document"], call.get("with", {})
        if not is_reference(given) and not is_reference(put):
            _completed(given, put)

    async def perform(self, job: Job) -> Json:
        call = read(RunCall, job.call)
        depth = int(job.document.get(NESTING, 0)) + 1
        if depth > self._deepest:
            raise JobFailed(
                f"there are {self._deepest} runs around this one already: do they start each other?", final=True
            )
        submission = await self._read(json.dumps(_completed(call.document, call.put)).encode(), call.filename)
        document = {**submission.document, NESTING: depth}
        submitting = asyncio.create_task(
            self._runs.submit(replace(submission, document=document, key=f"job {job.key}"))
        )
        try:
            run = await asyncio.shield(submitting)
            job.note(f"run {run.id} ({run.name})")
            run = await self._runs.wait(run.id)
        except asyncio.CancelledError as error:
            if error.args != (DETACHED,):
                await self._cancel(submitting, job)
            raise
        return _outcome(run)

    async def _cancel(self, submitting: asyncio.Task[Run], job: Job) -> None:
        try:
            run = await submitting
            await self._runs.cancel(run.id, f"the job {job.node} of run {job.run} is no longer wanted")
        except PodiumError as error:
            log.warning("run.not_cancelled", job=job.key, reason=str(error))


def _completed(document: dict[str, Any], put: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the values of `put` in it. Raises: DocumentRefused."""
    whole = copy.deepcopy(document)
    faults = [
        Fault(f"with.{pointer}", fault) for pointer, value in put.items() if (fault := _put(whole, pointer, value))
    ]
    refuse(faults)
    return whole


def _put(inner: Any, pointer: str, value: Any) -> str | None:
    """What is wrong with the pointer; None once the value is there."""
    slash, *words = (word.replace("~1", "/").replace("~0", "~") for word in pointer.split("/"))
    if slash or not words:
        return "this is no pointer into the document, such as /jobs/load/python/arguments"
    for word in words[:-1]:
        if isinstance(inner, dict) and word in inner:
            inner = inner[word]
        elif isinstance(inner, list) and word.isdecimal() and int(word) < len(inner):
            inner = inner[int(word)]
        else:
            return f"the document has no {word!r} there"
    last = words[-1]
    if isinstance(inner, dict):
        inner[last] = value
    elif isinstance(inner, list) and last.isdecimal() and int(last) < len(inner):
        inner[int(last)] = value
    else:
        return f"the document has no place for {last!r} there"
    return None


def _outcome(run: Run) -> Json:
    """Raises: JobFailed, Unavailable."""
    match run.state:
        case RunState.SUCCEEDED:
            return {"run": run.id}
        case RunState.FAILED:
            raise JobFailed(f"run {run.id} failed: {run.error.reason if run.error else 'it does not say why'}")
        case RunState.CANCELLED:
            raise JobFailed(f"run {run.id} was cancelled", final=True)
        case _:
            raise Unavailable(f"run {run.id} is conducted no longer")
