"""What a graph of jobs is made from, in words that belong to no dialect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Retry(BaseModel):
    """How often a job is attempted, and how long it waits between two attempts.

    The pause before attempt n + 1 is `delay * factor ** (n - 1)`, at most `most`, shortened by up to `jitter` of
    itself; how much is a hash of the moment, the job and the attempt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(default=1, ge=1)
    delay: Seconds = 1.0
    factor: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    most: Seconds = 60.0
    jitter: float = Field(default=0.1, ge=0, le=1)


class JobDocument(BaseModel):
    """One job.

    Args:
        kind: which kind of job performs it, such as `http` or `python`.
        call: what that kind is told; may hold `{"$secret": name}`.
        after: the jobs that must have succeeded before.
        each: one of `after`, which returns a list: the job is performed once for each item, as `<job>[0]`,
            `<job>[1]`, ...; its result is the list of their results, in order.
        service: what it keeps busy; jobs that name the same share a limit.
        retry: for failures that are not final.
        timeout: of an attempt, in seconds; None: as long as it takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    call: dict[str, Any] = Field(default_factory=dict)
    after: tuple[str, ...] = ()
    each: str | None = None
    service: str | None = None
    retry: Retry = Retry()
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class FlowDocument(BaseModel):
    """The part of a run's document that the flow machine reads, under the key `flow`.

    Args:
        jobs: by name; `[`, `]`, `#` and `/` are not part of a name.
        limit: how many attempts of this run are under way at once.
        services: how many of this run at once for each service; one that is not named has no limit of its own.
        on_failure: `finish`: what does not depend on a failed job runs to its end, then the run fails;
            `stop`: what is under way is cancelled at once.
        last: performed when all else has ended, whatever the outcome (which it is told); its failure fails the run. It
            is given the results of those jobs in its `after` that succeeded.
        reuse: results of an earlier run by job: these are not performed again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs: dict[str, JobDocument] = Field(min_length=1)
    limit: int = Field(default=256, ge=1)
    services: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    on_failure: Literal["finish", "stop"] = "finish"
    last: JobDocument | None = None
    reuse: dict[str, Any] = Field(default_factory=dict)
