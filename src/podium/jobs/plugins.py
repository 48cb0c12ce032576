"""Kinds of job that other packages bring, under the entry point `podium.jobs`.

One that cannot be loaded must not keep Podium from starting, nor go unnoticed: it stays in its place and refuses the
documents that use it, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from podium.errors import DocumentRefused
from podium.jobs.port import Job, JobKind
from podium.runs.events import Json

log = structlog.get_logger()

GROUP = "podium.jobs"


class Broken:
    """A kind that there would be, had it not failed."""

    def __init__(self, name: str, package: str, reason: str) -> None:
        self._problem = f"the kind {name!r} of the package {package} cannot be loaded: {reason}"

    def check(self, call: Mapping[str, Any]) -> None:  # noqa: ARG002
        raise self._refusal()

    async def perform(self, job: Job) -> Json:  # noqa: ARG002
        raise self._refusal()

    def _refusal(self) -> DocumentRefused:
        return DocumentRefused(self._problem, hint="Put the package right, or remove it, and start Podium again")


def plugins() -> dict[str, JobKind]:
    """By the name that documents use."""
    return {point.name: _loaded(point) for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> JobKind:
    try:
        kind: JobKind = point.load()()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is a stranger's
        package = point.dist.name if point.dist is not None else point.module
        reason = f"{type(error).__name__}: {error}"
        log.error("jobs.kind_broken", kind=point.name, package=package, reason=reason)
        return Broken(point.name, package, reason)
    return kind
