"""How an analysis or an ingestion fares: the page of the protocol has no such route, and people ask."""

from __future__ import annotations

from podium.dialects.diastema.desk import Desk
from podium.dialects.diastema.playbook import text
from podium.dialects.diastema.reading import ANALYSIS
from podium.engines.flow.progress import Progress, fold
from podium.errors import NotFound
from podium.runs.events import Json, Run

_PAGE = 500


class Statuses:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def of(self, run: Run) -> dict[str, Json]:
        about = (await self._desk.document(run.id))["diastema"]
        progress = Progress()
        after = 0
        while page := await self._desk.events(run.id, after=after, limit=_PAGE):
            fold(page, progress)
            after = page[-1].position
        told: dict[str, Json] = {"database-id": about["organisation"]}
        if run.kind == ANALYSIS:
            told["analysis-id"] = about["analysis"]
        return {**run.as_json(), **told, "progress": progress.as_json()}

    async def find(self, name: str, kind: str) -> Run:
        """The run of that id, or the newest of an analysis. Raises: NotFound."""
        try:
            run = await self._desk.run(name)
        except NotFound:
            return await self._newest(text(name), kind)
        if run.kind != kind:
            raise NotFound(f"{name!r} is a run of another kind", hint=f"GET /api/v1/runs/{name} tells of it")
        return run

    async def _newest(self, name: str, kind: str) -> Run:
        before = None
        while page := await self._desk.runs(kind=kind, search=name, before=before, limit=_PAGE):
            for run in page:
                if run.name == name:
                    return run
            before = page[-1].submitted
        raise NotFound(f"there is no run or analysis {name!r}")
