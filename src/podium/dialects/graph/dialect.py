"""The room of Podium's own graphs of jobs in the house."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter

from podium.dialects.graph import plain
from podium.dialects.graph.functions import GraphFunctions
from podium.dialects.graph.reading import KIND, PYTHON, Reader
from podium.dialects.port import Kind
from podium.engines.flow.machine import FlowMachine
from podium.jobs.performer import FlowPerformer
from podium.jobs.port import JobKind
from podium.runs.conductor import steady_clock
from podium.runs.events import Submission

LOGS_SECONDS = 7 * 24 * 3600.0


class GraphDialect:
    """Graphs of jobs of any kind.

    Args:
        kinds: of jobs, by name, without `python`.
        functions: that kind.
        resolve, note, redact: as a `FlowPerformer` has them.
    """

    name = "graph"
    marks = ("jobs",)

    def __init__(
        self,
        kinds: Mapping[str, JobKind],
        functions: GraphFunctions,
        *,
        resolve: Callable[[Any], Any],
        note: Callable[[str, str, str], None],
        redact: Callable[[str], str],
        clock: Callable[[], float] | None = None,
    ) -> None:
        clock = clock or steady_clock()
        everything = {**kinds, PYTHON: functions}
        self._functions = functions
        self._reader = Reader(everything, functions, clock)
        performer = FlowPerformer(everything, clock, resolve=resolve, note=note, redact=redact)
        self._kinds = {KIND: Kind(KIND, FlowMachine(), performer, self._reader.check)}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return self._kinds

    @property
    def faults(self) -> Mapping[str, str | None]:
        """What is wrong with the workers, once there was a call."""
        return {"workers": self._functions.fault} if self._functions.used else {}

    def recognises(self, filename: str, content: bytes) -> bool:
        return plain.recognises(filename, content)

    async def read(self, content: bytes, *, filename: str = "") -> Submission:
        """The run that this document asks for.

        With `filename` the functions beside it and the environment are at its disposal: give it for files of the
        caller's own machine only.

        Raises: DocumentRefused, naming every fault found and where.
        """
        return await asyncio.to_thread(self._reader.read, content, filename)

    def keeps_logs_seconds(self, document: Mapping[str, Any]) -> float:  # noqa: ARG002
        return LOGS_SECONDS

    def routes(self, guard: Callable[..., Any]) -> APIRouter:  # noqa: ARG002 - graphs need no routes of their own
        return APIRouter()

    async def start(self) -> None:
        """Nothing to listen to: jobs tell how they went."""

    async def close(self) -> None:
        await self._functions.close()
