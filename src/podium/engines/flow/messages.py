"""What the flow machine is told, and what it wants done. What performs jobs is in `podium.jobs`.

Outcomes come as `Performed` and `PerformFailed` of the kernel, under the key of the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from podium.runs.events import Json
from podium.runs.machine import Command, Input

LAST = "last"  # the name under which `FlowDocument.last` is performed


@dataclass(frozen=True, slots=True)
class PauseRequested(Input):
    """Begin no more attempts; what is under way goes on."""


@dataclass(frozen=True, slots=True)
class ResumeRequested(Input):
    """Go on after a pause."""


@dataclass(frozen=True, slots=True)
class Attempt(Command):
    """Perform a job. The key is `<node>#<attempt>`, so that a stale attempt's outcome is known as such.

    `(run, node, attempt)` is the idempotency key that services are given. The conductor cancels it when it is no longer
    pending: after its time-out, a cancel, or a failure elsewhere with `on_failure: stop`.

    Args:
        node: the job's name, or `<job>[<index>]` for one item of a list.
        attempt: from 1.
        kind: of job.
        call: as in the document.
        inputs: the results of the jobs before it, by name, without the list whose item this is; for the last one those
            of the jobs it names that succeeded.
        item: what this one is for, when it is one of many.
        outcome: for the last one: `{"state": "succeeded" | "failed" | "cancelled", "failed": {node: reason}}`, and
            `"reason"`, the run's, unless it succeeded.
        again: it was begun by a Podium that is no more: look first whether it is under way or done.
    """

    abandonable: ClassVar[bool] = True

    node: str
    attempt: int
    kind: str
    call: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Json] = field(default_factory=dict)
    item: Json = None
    outcome: Mapping[str, Json] | None = None
    again: bool = False
