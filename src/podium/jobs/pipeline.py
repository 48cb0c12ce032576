"""Kind `run`: another document is run to its end.

    {"document": {...}}

It is submitted under a key made of the job's own, so that however often it is asked for, it is started once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import structlog

from podium.errors import PodiumError, Unavailable
from podium.jobs.calls import Call, check, read
from podium.jobs.port import Job, JobFailed
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

    def check(self, call: Mapping[str, Any]) -> None:
        check(RunCall, call)

    async def perform(self, job: Job) -> Json:
        call = read(RunCall, job.call)
        depth = int(job.document.get(NESTING, 0)) + 1
        if depth > self._deepest:
            raise JobFailed(
                f"there are {self._deepest} runs around this one already: do they start each other?", final=True
            )
        submission = await self._read(json.dumps(call.document).encode(), call.filename)
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
