"""How far a graph of jobs is, as its journal tells: what the API, the page and the terminal show.

A fold over recorded events, so that a view which follows a run goes on from where it is. What is kept is counts and a
few words for each job that was begun; of the items of a job only how many there are of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from podium.engines.flow import nodes
from podium.engines.flow.messages import LAST
from podium.engines.flow.state import Phase
from podium.runs.events import Event, Json, Recorded

MOST_JOBS = 1000  # that are told one by one; of a larger graph those that are under way or failed


class JobStanding(StrEnum):
    """What people call it. Jobs of which nothing is said wait."""

    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def notable(self) -> bool:
        return self in (JobStanding.RUNNING, JobStanding.RETRYING, JobStanding.FAILED)


@dataclass(slots=True)
class JobProgress:
    """One job that does not just wait. Times are Unix seconds.

    Args:
        attempt: the number of the latest; of a job with items, 0.
        retry_at: when the next begins.
        reason: of the latest failure.
        items: how many it is performed for; `done` and `failed` are how many of them are over.
    """

    state: JobStanding = JobStanding.RUNNING
    attempt: int = 0
    started: float | None = None
    ended: float | None = None
    retry_at: float | None = None
    reason: str | None = None
    items: int | None = None
    done: int = 0
    failed: int = 0

    def as_json(self) -> dict[str, Json]:
        full = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in full.items() if value}


@dataclass(slots=True)
class Counts:
    """How many jobs are where. One that is performed for items counts as so many, the last one does not count."""

    total: int = 0
    running: int = 0
    retrying: int = 0
    succeeded: int = 0
    reused: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0

    @property
    def over(self) -> int:
        return self.succeeded + self.reused + self.failed + self.skipped + self.cancelled

    @property
    def waiting(self) -> int:
        return self.total - self.over - self.running - self.retrying

    def as_json(self) -> dict[str, Json]:
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"waiting": self.waiting}


@dataclass(slots=True)
class Progress:
    """Where a graph stands. `jobs` are those that do more than wait, by name, the last one among them."""

    phase: Phase = Phase.QUEUED
    paused: bool = False
    counts: Counts = field(default_factory=Counts)
    jobs: dict[str, JobProgress] = field(default_factory=dict)
    error: Mapping[str, Json] | None = None

    def as_json(self) -> dict[str, Json]:
        told = self.jobs
        if len(told) > MOST_JOBS:
            notable = [name for name, job in told.items() if job.state.notable or name == LAST]
            told = {name: told[name] for name in notable[:MOST_JOBS]}
        return {
            "phase": self.phase.value,
            "paused": self.paused,
            "counts": self.counts.as_json(),
            "jobs": {name: job.as_json() for name, job in told.items()},
            "jobs_left_out": len(self.jobs) - len(told),
            "error": None if self.error is None else dict(self.error),
        }


def fold(events: Iterable[Recorded], so_far: Progress | None = None) -> Progress:
    """Goes on in `so_far`, which is changed: it may have thousands of jobs."""
    progress = so_far or Progress()
    for recorded in events:
        _take(progress, recorded.event)
    return progress


def _take(progress: Progress, event: Event) -> None:
    data, counts = event.data, progress.counts
    match event.type:
        case "run.started":
            progress.phase, counts.total = Phase.RUNNING, data["jobs"]
        case "jobs.reused":
            counts.reused += len(data["jobs"])
            progress.jobs.update((name, JobProgress(JobStanding.REUSED)) for name in data["jobs"])
        case "jobs.begun":
            for node, attempt in data["attempts"]:
                _begun(progress, node, attempt, data["at"])
        case "job.expanded":
            _expanded(progress, data)
        case "job.succeeded" | "job.failed":
            _outcome(progress, data, succeeded=event.type == "job.succeeded")
        case "jobs.skipped":
            counts.skipped += len(data["jobs"])
            progress.jobs.update((name, JobProgress(JobStanding.SKIPPED)) for name in data["jobs"])
        case "run.paused" | "run.resumed":
            progress.paused = event.type == "run.paused"
        case "run.ending":
            _stopped(progress, Phase.ENDING, data)
        case _ if event.ends:
            _stopped(progress, Phase.ENDED, data)


def _begun(progress: Progress, node: str, attempt: int, at: float) -> None:
    name, index = nodes.split(node)
    job = progress.jobs.setdefault(name, JobProgress())
    job.state, job.retry_at = JobStanding.RUNNING, None
    if index is None:
        job.attempt = attempt
    if job.started is None:
        job.started = at
    if name != LAST:
        progress.counts.running += 1
        if attempt > 1:
            progress.counts.retrying -= 1


def _expanded(progress: Progress, data: Mapping[str, Any]) -> None:
    items = data["items"]
    job = progress.jobs[data["job"]] = JobProgress(items=items)
    if items:
        progress.counts.total += items - 1
    else:
        progress.counts.succeeded += 1
        job.state, job.started, job.ended = JobStanding.SUCCEEDED, data["at"], data["at"]


def _outcome(progress: Progress, data: Mapping[str, Any], *, succeeded: bool) -> None:
    name, index = nodes.split(data["job"])
    job, at, retry_at = progress.jobs.setdefault(name, JobProgress()), data["at"], data.get("retry_at")
    if name != LAST:
        _count(progress.counts, succeeded=succeeded, retried=retry_at is not None, begun="attempt" in data)
    job.reason = data.get("reason", job.reason)
    if retry_at is not None:
        if index is None:
            job.state, job.retry_at = JobStanding.RETRYING, retry_at
        return
    if index is not None:
        job.done += succeeded
        job.failed += not succeeded
        if job.done + job.failed < (job.items or 0):
            return
        succeeded = not job.failed
    job.state = JobStanding.SUCCEEDED if succeeded else JobStanding.FAILED
    job.ended = at


def _count(counts: Counts, *, succeeded: bool, retried: bool, begun: bool) -> None:
    counts.running -= begun
    counts.succeeded += succeeded
    counts.retrying += retried
    counts.failed += not succeeded and not retried


def _stopped(progress: Progress, phase: Phase, data: Mapping[str, Any]) -> None:
    """Whatever is not over by now was cancelled."""
    progress.phase, progress.paused, progress.error = phase, False, data.get("error")
    counts = progress.counts
    counts.cancelled += counts.total - counts.over
    counts.running = counts.retrying = 0
    for job in progress.jobs.values():
        if job.state in (JobStanding.RUNNING, JobStanding.RETRYING):
            job.state, job.ended, job.retry_at = JobStanding.CANCELLED, data["at"], None
