"""What the jobs of a run have left in the artifact store: what and where, one object, or all of them as a file."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from podium.dialects.port import Keeps
from podium.errors import NotFound
from podium.runs.events import Json, Run
from podium.server.packing import begun, zipped
from podium.server.parts import Parts
from podium.server.story import Stories

MOST_FOLDERS = 1000  # that are looked into
AT_ONCE = 16  # of them
KEPT = 64  # runs whose folders are remembered

_Left: TypeAlias = Mapping[str, tuple[str, str, str]]
"""By each folder the job that has left it, the kind of that, and what it is."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """An object, and the job that has left it."""

    job: str
    kind: str
    what: str
    path: str
    size: int

    def as_json(self) -> dict[str, Json]:
        return {"job": self.job, "kind": self.kind, "what": self.what, "path": self.path, "size": self.size}


def routes(parts: Parts, stories: Stories) -> APIRouter:
    router = APIRouter(tags=["graphs of jobs"])
    folders = _Folders(parts, stories)

    @router.get("/runs/{run}/artifacts", summary="What jobs have left in the artifact store: a list, or all of it")
    async def artifacts(run: str, format: Literal["json", "zip"] = "json") -> Any:  # noqa: A002 - its name on the wire
        found = await _kept(parts, await folders.of(await parts.journal.run(run)))
        if format == "json":
            return {"store": parts.artifacts().url, "artifacts": [one.as_json() for one in found]}
        if not found:
            raise NotFound("the jobs of this run have left nothing in the artifact store (yet)", where=run)
        content = zipped(parts.artifacts(), [one.path for one in found])
        return StreamingResponse(content, media_type="application/zip", headers=_to_keep(f"{run}.zip"))

    @router.get("/runs/{run}/artifacts/{path:path}", summary="One of these", response_class=Response)
    async def artifact(run: str, path: str) -> Response:
        known = await folders.of(await parts.journal.run(run))
        if not any(path.startswith(f"{folder}/") for folder in known):
            raise NotFound("no job of this run has left that", where=path)
        # Never shown as a page of ours: whoever wrote it could act as whoever looks at it.
        headers = _to_keep(path.rpartition("/")[2])
        content = await begun(parts.artifacts(), path)
        return StreamingResponse(content, media_type="application/octet-stream", headers=headers)

    return router


def keeper(parts: Parts, run: Run) -> Keeps | None:
    """The dialect of a run, if its jobs keep things in the artifact store."""
    return next((one for one in parts.dialects if run.kind in one.kinds and isinstance(one, Keeps)), None)


class _Folders:
    """What the jobs of runs have left in which folders; looked for again where something has happened since.

    Whoever wants all of a run's objects asks for each, and its results are in the journal.
    """

    def __init__(self, parts: Parts, stories: Stories) -> None:
        self._parts = parts
        self._stories = stories
        self._known: OrderedDict[str, tuple[int, _Left]] = OrderedDict()

    async def of(self, run: Run) -> _Left:
        dialect = keeper(self._parts, run)
        if dialect is None:
            return {}
        position = (await self._stories.of(run)).position
        known = self._known.get(run.id)
        if known is None or known[0] != position:
            known = self._known[run.id] = position, await self._left(run, dialect)
        self._known.move_to_end(run.id)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known[1]

    async def _left(self, run: Run, dialect: Keeps) -> _Left:
        """Of two jobs with one folder, it is the later's."""
        jobs = (await self._stories.plan(run)).jobs
        results = await self._stories.results(run, jobs.keys())
        left = {
            one.folder: (name, str(job["kind"]), one.what)
            for name, job in jobs.items()
            if name in results
            for one in dialect.kept(results[name])
        }
        return dict([*left.items()][:MOST_FOLDERS])


async def _kept(parts: Parts, left: _Left) -> list[Artifact]:
    """Everything, in the order of the jobs."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def sizes(folder: str) -> Mapping[str, int]:
        async with turns:
            return await parts.artifacts().sizes(folder)

    found = await asyncio.gather(*map(sizes, left))
    return [
        Artifact(*whose, path, size)
        for whose, objects in zip(left.values(), found, strict=True)
        for path, size in objects.items()
    ]


def _to_keep(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
