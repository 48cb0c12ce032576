"""Kinds of job that other packages bring, under the entry point `podium.jobs`.

One that cannot be loaded must not keep Podium from starting, nor go unnoticed: it stays in its place and refuses the
documents that use it, with the reason. What one does wrong later is told as its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from podium.errors import DocumentRefused, PodiumError
from podium.jobs.port import ChecksOneOfMany, Encloses, Job, JobFailed, JobKind, KeepsForRuns
from podium.runs.events import Json

log = structlog.get_logger()

GROUP = "podium.jobs"
HINT = "Put the package right, or remove it, and start Podium again"


class Broken:
    """A kind that there would be, had it not failed."""

    def __init__(self, name: str, package: str, reason: str) -> None:
        self._problem = f"the kind {name!r} of the package {package} cannot be loaded: {reason}"

    def check(self, call: Mapping[str, Any]) -> None:  # noqa: ARG002
        raise self._refusal()

    async def perform(self, job: Job) -> Json:  # noqa: ARG002
        raise self._refusal()

    def _refusal(self) -> DocumentRefused:
        return DocumentRefused(self._problem, hint=HINT)


class Foreign:
    """A kind that could be loaded. Its mistakes are no errors of Podium, nor of the document."""

    def __init__(self, name: str, package: str, kind: JobKind) -> None:
        self._who = f"the kind {name!r} of the package {package}"
        self._kind = kind
        if isinstance(kind, Encloses):
            self.enclosed = kind.enclosed

    def check(self, call: Mapping[str, Any]) -> None:
        self._checked(self._kind.check, call)

    def check_one_of_many(self, call: Mapping[str, Any]) -> None:
        kind = self._kind
        self._checked(kind.check_one_of_many if isinstance(kind, ChecksOneOfMany) else kind.check, call)

    async def perform(self, job: Job) -> Json:
        try:
            return await self._kind.perform(job)
        except (JobFailed, PodiumError):
            raise
        except Exception as error:
            raise JobFailed(self._failed(error), final=True) from error

    async def released(self, run: str) -> None:
        if isinstance(self._kind, KeepsForRuns):
            try:
                await self._kind.released(run)
            except PodiumError:
                raise
            except Exception as error:  # noqa: BLE001 - it is a stranger's, and others have something to let go of too
                self._failed(error)

    def _checked(self, check: Callable[[Mapping[str, Any]], None], call: Mapping[str, Any]) -> None:
        try:
            check(call)
        except PodiumError:
            raise
        except Exception as error:
            raise DocumentRefused(self._failed(error), hint=HINT) from error

    def _failed(self, error: Exception) -> str:
        problem = f"{self._who} itself failed: {_reason(error)}"
        log.error("jobs.kind_failed", reason=problem, exc_info=error)
        return problem


def plugins() -> dict[str, JobKind]:
    """By the name that documents use."""
    return {point.name: _loaded(point) for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> JobKind:
    package = point.dist.name if point.dist is not None else point.module
    try:
        return Foreign(point.name, package, _made(point))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is a stranger's
        reason = _reason(error)
        log.error("jobs.kind_broken", kind=point.name, package=package, reason=reason)
        return Broken(point.name, package, reason)


def _made(point: EntryPoint) -> JobKind:
    kind: JobKind = point.load()()
    for method in ("check", "perform"):
        if not callable(getattr(kind, method, None)):
            raise TypeError(f"it has no method {method!r}")
    return kind


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
