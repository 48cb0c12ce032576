"""Python functions of graphs: from the directory of the document, or from those that Podium was started with.

A run whose document has functions beside it has workers of its own: they see that code as it is when the run begins,
and nothing that another run has left in a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from podium.errors import DocumentRefused
from podium.jobs.port import Job
from podium.jobs.python import PythonFunction
from podium.runs.events import Json
from podium.workers.pool import Pool


class GraphFunctions:
    """Kind `python` of graphs.

    Args:
        paths: the directories for documents that have none of their own.
        directory: where workers have theirs.
        environment: what functions find in theirs.
    """

    def __init__(self, paths: Sequence[Path], directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self._paths = paths
        self._directory = directory
        self._environment = environment or {}
        self._shared = self._pool(paths)
        self._of_runs: dict[str, Pool] = {}

    def beside(self, directory: Path | None) -> GraphFunctions:
        """For a look at a document in that directory, before there is a run of it."""
        return GraphFunctions(self._paths if directory is None else [directory], self._directory)

    def check(self, call: Mapping[str, Any]) -> None:
        self._check(PythonFunction(self._shared).check, call)

    def check_one_of_many(self, call: Mapping[str, Any]) -> None:
        self._check(PythonFunction(self._shared).check_one_of_many, call)

    def _check(self, look: Callable[[Mapping[str, Any]], None], call: Mapping[str, Any]) -> None:
        try:
            look(call)
        except DocumentRefused as error:
            if self._paths or error.hint is None:
                raise
            problem = "there are functions for files in a directory of your own; others have the setting `functions`"
            hint = "Use `podium run FILE` where nobody else can write, or start Podium with --functions DIRECTORY"
            raise DocumentRefused(problem, where=error.where, hint=hint) from None

    async def perform(self, job: Job) -> Json:
        return await PythonFunction(self._of(job)).perform(job)

    async def released(self, run: str) -> None:
        pool = self._of_runs.pop(run, None)
        if pool is not None:
            await pool.close()

    @property
    def used(self) -> bool:
        return any(pool.used for pool in self._pools)

    @property
    def fault(self) -> str | None:
        """Why there are no workers; None while they can be started."""
        return next((pool.fault for pool in self._pools if pool.fault is not None), None)

    @property
    def _pools(self) -> list[Pool]:
        return [self._shared, *self._of_runs.values()]

    async def close(self) -> None:
        for pool in self._pools:
            await pool.close()

    def _of(self, job: Job) -> Pool:
        directory = job.document.get("graph", {}).get("directory")
        if directory is None:
            return self._shared
        if job.run not in self._of_runs:
            self._of_runs[job.run] = self._pool([Path(directory)])
        return self._of_runs[job.run]

    def _pool(self, paths: Sequence[Path]) -> Pool:
        """Nothing is started before the first call."""
        return Pool(paths, directory=self._directory, environment=self._environment)
