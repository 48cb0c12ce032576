"""What performs one job: the protocol of all kinds of job.

A kind is a plugin: a class that satisfies `JobKind`, given to the performer by name; strangers' kinds are found through
the entry points of the group `podium.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from podium.jobs.references import is_reference
from podium.runs.events import Json


class JobFailed(Exception):
    """A job did not succeed.

    Args:
        reason: for people, in one sentence.
        final: trying again cannot help.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at a job, as its kind sees it.

    Args:
        run, node, attempt: together the idempotency key.
        call: what the document says, with the values of secrets in place of their names.
        inputs: the results of the jobs before it, by name.
        item: what this one is for, when it is one of many.
        outcome: how the rest of the run ended; for its last job only.
        again: it was begun by a Podium that is no more: look first whether it is under way or done.
        document: what the run was made from.
        note: keeps a line of text in the job's log.
    """

    run: str
    node: str
    attempt: int
    call: Mapping[str, Any] = field(repr=False)
    inputs: Mapping[str, Json]
    item: Json
    outcome: Mapping[str, Json] | None
    again: bool
    document: Mapping[str, Any]
    note: Callable[[str], None]

    @property
    def key(self) -> str:
        return f"{self.run}/{self.node}/{self.attempt}"


class JobKind(Protocol):
    """Performs jobs of one kind; many at once, so it keeps nothing of one job in itself."""

    def check(self, call: Mapping[str, Any]) -> None:
        """Look at a job's `call` before the run is accepted. Raises: DocumentRefused."""
        ...

    async def perform(self, job: Job) -> Json:
        """Do it and give its result, small enough for the journal (`RESULT_BYTES`).

        Cancelled (`asyncio.CancelledError`) on time-out and cancel: whatever was begun is to be ended then.

        Raises: JobFailed; any other PodiumError counts as one that is final, except Unavailable.
        """
        ...


@runtime_checkable
class KeepsForRuns(Protocol):
    """A kind that keeps something of its jobs until their run has ended, such as a result that is not told yet."""

    async def released(self, run: str) -> None:
        """The run has ended: nothing of it is needed any more."""
        ...


@runtime_checkable
class ChecksOneOfMany(Protocol):
    """A kind that looks otherwise at a job that is performed for each of many items."""

    def check_one_of_many(self, call: Mapping[str, Any]) -> None:
        """Raises: DocumentRefused."""
        ...


@runtime_checkable
class Encloses(Protocol):
    """A kind that is told, under one key, something that is no part of the graph: no reference is meant in there."""

    enclosed: str


def looked_through(kind: object, call: Mapping[str, Any]) -> dict[str, Any]:
    """What references may stand in; also for all that is enclosed, as long as it is one reference as a whole."""
    closed = kind.enclosed if isinstance(kind, Encloses) and not is_reference(call.get(kind.enclosed)) else None
    return {key: value for key, value in call.items() if key != closed}


RESULT_BYTES = 256 * 1024
