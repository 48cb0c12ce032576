"""How far a graph of jobs is, as its journal tells: what the API, the page and the terminal show.

A fold over recorded events, so that a view which follows a run goes on from where it is. What is kept is counts and a
few words for each job that was begun; of the items of a job only how many there are of each kind. What became of a
single item is read from the events again, for whoever asks for it.
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
        attempt: the number of the latest; of a job with items, the highest of any of them.
        retry_at: when the next begins.
        reason: of the latest failure, until it succeeds; of a job with items that of one that failed for good, if any.
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

    def begin(self, attempt: int, at: float) -> None:
        self.state, self.retry_at = JobStanding.RUNNING, None
        self.attempt = max(self.attempt, attempt)
        if self.started is None:
            self.started = at

    def retry(self, at: float, reason: str) -> None:
        self.state, self.retry_at, self.reason = JobStanding.RETRYING, at, reason

    def end(self, state: JobStanding, at: float) -> None:
        self.state, self.ended, self.retry_at = state, at, None
        if state is JobStanding.SUCCEEDED:
            self.reason = None  # what went wrong before does not matter any more

    def stop(self, at: float) -> None:
        """Whatever is not over by now was cancelled."""
        if self.state in (JobStanding.RUNNING, JobStanding.RETRYING):
            self.end(JobStanding.CANCELLED, at)

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


def fold_item(events: Iterable[Recorded], node: str, so_far: JobProgress | None = None) -> JobProgress | None:
    """One item of a job; None, as long as it waits."""
    job = so_far
    for recorded in events:
        type_, data = recorded.event.type, recorded.event.data
        if type_ == "jobs.reused" and nodes.split(node)[0] in data["jobs"]:
            job = JobProgress(JobStanding.REUSED)
        elif type_ == "jobs.begun":
            for attempt in (attempt for begun, attempt in data["attempts"] if begun == node):
                job = job or JobProgress()
                job.begin(attempt, data["at"])
        elif job is not None and data.get("job") == node:
            _outcome_of(job, data, succeeded=type_ == "job.succeeded")
        elif type_ == "run.ending" or recorded.event.ends:
            job = job or JobProgress()
            job.stop(data["at"])
    return job


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
    name, _ = nodes.split(node)
    progress.jobs.setdefault(name, JobProgress()).begin(attempt, at)
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
    job, retried = progress.jobs.setdefault(name, JobProgress()), "retry_at" in data
    if name != LAST:
        _count(progress.counts, succeeded=succeeded, retried=retried, begun="attempt" in data)
    if index is None:
        _outcome_of(job, data, succeeded=succeeded)
        return
    if "reason" in data and not (retried and job.failed):
        job.reason = data["reason"]
    if retried:
        return
    job.done += succeeded
    job.failed += not succeeded
    if job.done + job.failed >= (job.items or 0):
        job.end(JobStanding.FAILED if job.failed else JobStanding.SUCCEEDED, data["at"])


def _outcome_of(job: JobProgress, data: Mapping[str, Any], *, succeeded: bool) -> None:
    if "retry_at" in data:
        job.retry(data["retry_at"], data["reason"])
        return
    job.reason = data.get("reason")
    job.end(JobStanding.SUCCEEDED if succeeded else JobStanding.FAILED, data["at"])


def _count(counts: Counts, *, succeeded: bool, retried: bool, begun: bool) -> None:
    counts.running -= begun
    counts.succeeded += succeeded
    counts.retrying += retried
    counts.failed += not succeeded and not retried


def _stopped(progress: Progress, phase: Phase, data: Mapping[str, Any]) -> None:
    progress.phase, progress.paused, progress.error = phase, False, data.get("error")
    counts = progress.counts
    counts.cancelled += counts.total - counts.over
    counts.running = counts.retrying = 0
    for job in progress.jobs.values():
        job.stop(data["at"])
