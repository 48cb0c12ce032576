"""What the jobs of a run have left in the artifact store: what and where, one object, or all of them as a file."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Response

from podium.dialects.port import Keeps
from podium.errors import NotFound
from podium.runs.events import Json, Run
from podium.server.handed import Handed
from podium.server.parts import Parts
from podium.server.story import Stories

MOST_FOLDERS = 1000  # that are looked into


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

    @router.get("/runs/{run}/artifacts", summary="What jobs have left in the artifact store: a list, or all of it")
    async def artifacts(run: str, format: Literal["json", "zip"] = "json") -> Any:  # noqa: A002 - its name on the wire
        found = await kept(parts, stories, await parts.journal.run(run))
        if format == "zip":
            return await _zipped(parts, run, found)
        return {"store": parts.artifacts().url, "artifacts": [one.as_json() for one in found]}

    @router.get("/runs/{run}/artifacts/{path:path}", summary="One of these", response_class=Response)
    async def artifact(run: str, path: str) -> Response:
        folders = await _folders(parts, stories, await parts.journal.run(run))
        if not any(path.startswith(f"{folder}/") for folder in folders):
            raise NotFound("no job of this run has left that", where=path)
        content = await parts.artifacts().read(path)
        name = quote(path.rpartition("/")[2], safe="")
        # Never shown as a page of ours: whoever wrote it could act as whoever looks at it.
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    return router


async def kept(parts: Parts, stories: Stories, run: Run) -> list[Artifact]:
    """Everything, in the order of the jobs."""
    found: list[Artifact] = []
    for folder, (job, kind, what) in (await _folders(parts, stories, run)).items():
        sizes = await parts.artifacts().sizes(folder)
        found += [Artifact(job, kind, what, path, size) for path, size in sizes.items()]
    return found


def keeper(parts: Parts, run: Run) -> Keeps | None:
    """The dialect of a run, if its jobs keep things in the artifact store."""
    return next((one for one in parts.dialects if run.kind in one.kinds and isinstance(one, Keeps)), None)


async def _folders(parts: Parts, stories: Stories, run: Run) -> Mapping[str, tuple[str, str, str]]:
    """By each folder the job that has left it, the kind of that, and what it is; of two jobs the later."""
    dialect = keeper(parts, run)
    if dialect is None:
        return {}
    jobs = (await stories.plan(run)).jobs
    results = await stories.results(run, jobs.keys())
    left = {
        one.folder: (name, str(job["kind"]), one.what)
        for name, job in jobs.items()
        if name in results
        for one in dialect.kept(results[name])
    }
    return dict([*left.items()][:MOST_FOLDERS])


async def _zipped(parts: Parts, run: str, found: list[Artifact]) -> Response:
    if not found:
        raise NotFound("the jobs of this run have left nothing in the artifact store (yet)", where=run)
    async with Handed() as handed:
        path = handed.directory / f"{run}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for one in found:
                content = await parts.artifacts().read(one.path)
                await asyncio.to_thread(file.writestr, one.path, content)
        return handed.response(path, "application/zip", "attachment")
