"""Failures are told to the front end when they happen; what is not known here, such as time-outs, at the run's end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from podium.dialects.diastema.frontend import FrontEnd
from podium.errors import PodiumError, Unavailable
from podium.jobs.port import Job, JobFailed, JobKind
from podium.runs.events import Json

log = structlog.get_logger()

_THE_RUN = "#run"  # which no job can be called


class Telling:
    """A kind of job whose failures are told once they are for good.

    Args:
        subject: what a job is part of, such as `the analysis with ID: 7`.
        redact: takes secrets out of what people are shown.
    """

    def __init__(
        self, kind: JobKind, front: FrontEnd, subject: Callable[[Job], str], redact: Callable[[str], str]
    ) -> None:
        self._kind = kind
        self._front = front
        self._subject = subject
        self._redact = redact

    def check(self, call: Mapping[str, Any]) -> None:
        self._kind.check(call)

    async def perform(self, job: Job) -> Json:
        try:
            return await self._kind.perform(job)
        except JobFailed as error:
            if error.final or _is_last(job):
                await self._tell(job, error.reason)
            raise
        except PodiumError as error:
            if not isinstance(error, Unavailable) or _is_last(job):
                await self._tell(job, str(error))
            raise

    async def _tell(self, job: Job, reason: str) -> None:
        try:
            await self._front.error(job.run, job.node, f"{self._redact(reason)} for {self._subject(job)}")
        except PodiumError as error:  # the end tells it
            log.warning("frontend.told_later", run=job.run, job=job.node, reason=str(error))


async def tell_reasons(front: FrontEnd, job: Job, subject: str) -> None:
    """Why a run did not succeed, by what its last job is told: what was not said before."""
    outcome: Mapping[str, Any] = job.outcome or {}
    reasons = outcome.get("failed") or {_THE_RUN: outcome.get("reason") or outcome.get("state")}
    for about, reason in reasons.items():
        await front.error(job.run, about, f"{reason} for {subject}")


def of_analysis(job: Job) -> str:
    return f"the analysis with ID: {job.document['diastema']['analysis']}"


def of_ingestion(job: Job) -> str:
    return f"the ingestion with ID: {job.call['id']}"


def _is_last(job: Job) -> bool:
    attempts: int = job.document["flow"]["jobs"][job.node]["retry"]["attempts"]
    return job.attempt >= attempts
