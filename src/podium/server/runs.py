"""The runs API, the same for every kind of document: submit, look, cancel, logs, results."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse

from podium.errors import DocumentRefused, Fault, NotFound
from podium.runs.events import Json, Run, RunState, Submission
from podium.server.answers import AsciiJson
from podium.server.doorway import TRUSTED
from podium.server.handed import Handed
from podium.server.parts import Parts
from podium.server.story import Stories
from podium.stores.series import Filter, Units, iso

LARGEST_PAGE = 500
DOCUMENT = {"requestBody": {"required": True, "content": {"application/json": {}, "application/octet-stream": {}}}}

Filename = Annotated[str, Query(description="What the document's file is called; helps to recognise it.")]
Key = Annotated[str | None, Header(alias="Idempotency-Key", description="The same key gives the same run.")]


def routes(parts: Parts, stories: Stories) -> APIRouter:
    router = APIRouter(tags=["runs"])

    async def read(request: Request, filename: str) -> Submission:
        return await parts.read(await request.body(), filename, of_this_user=TRUSTED in request.scope)

    async def advised(request: Request, filename: str) -> list[Json]:
        """What could be better, and what is not right though it can be run."""
        try:
            found = await parts.advice(await request.body(), filename)
        except DocumentRefused as refused:
            found = list(refused.faults) or [Fault(refused.where or "", refused.problem, refused.hint)]
        return [fault.as_json() for fault in found]

    async def units_of(run: Run) -> Units:
        progress = (await stories.of(run)).progress
        return {} if progress is None else progress.units

    @router.post("/runs", status_code=201, summary="Run a document", openapi_extra=DOCUMENT)
    async def submit(
        request: Request,
        response: Response,
        filename: Filename = "",
        advice: Annotated[bool, Query(description="Tell as well what could be better.")] = False,
        idempotency_key: Key = None,
    ) -> dict[str, Json]:
        submission = await read(request, filename)
        if idempotency_key:
            submission = replace(submission, key=idempotency_key)
        run = await parts.conducting.submit(submission)
        response.headers["Location"] = f"/api/v1/runs/{run.id}"
        told = await advised(request, filename) if advice else []
        return {**run.as_json(), "advice": told} if told else run.as_json()

    @router.post("/validate", summary="Check a document without running it", openapi_extra=DOCUMENT)
    async def validate(request: Request, filename: Filename = "") -> dict[str, Json]:
        submission = await read(request, filename)
        advice: list[Any] = [fault.as_json() for fault in await parts.advice(await request.body(), filename)]
        found: dict[str, Json] = {"valid": True, "kind": submission.kind, "name": submission.name}
        return {**found, "advice": advice} if advice else found

    @router.get("/runs", summary="Runs, the newest first", response_class=AsciiJson)
    async def listing(
        kind: str | None = None,
        state: RunState | None = None,
        search: str | None = None,
        before: Annotated[float | None, Query(description="The `next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    ) -> dict[str, Json]:
        found = await parts.journal.runs(kind=kind, state=state, search=search, before=before, limit=limit + 1)
        page, more = found[:limit], len(found) > limit
        return {"runs": [run.as_json() for run in page], "next": page[-1].submitted if more else None}

    @router.get("/runs/{run}", summary="A run as it stands", response_class=AsciiJson)
    async def one(run: str) -> dict[str, Json]:
        return await stories.shown(await parts.journal.run(run))

    @router.post("/runs/{run}/cancel", summary="Have a run end", status_code=202)
    async def cancel(run: str) -> dict[str, Json]:
        return (await parts.conducting.cancel(run)).as_json()

    @router.get("/runs/{run}/logs", summary="What the models of a run wrote")
    async def logs(run: str, tail: Annotated[int | None, Query(ge=1, le=100_000)] = None) -> Mapping[str, str]:
        return await parts.logs((await parts.journal.run(run)).id, tail)

    @router.get("/runs/{run}/results", summary="Results of a run: summary and values, or all as files")
    async def results(
        run: str,
        format: Literal["json", "csv", "parquet"] = "json",  # noqa: A002 - its name on the wire
        measurement: str | None = None,
        field: str | None = None,
        object: str | None = None,  # noqa: A002
        limit: Annotated[int, Query(ge=0, le=100_000)] = 1000,
    ) -> Any:
        found = await parts.journal.run(run)
        if format != "json":
            return await _zipped(parts, found, format)
        wanted = Filter(measurement=measurement, field=field, esdl_id=object)
        units = await units_of(found)
        return {"summary": await _summary(parts, found, units), "rows": await _rows(parts, found, wanted, limit)}

    @router.get("/runs/{run}/plot.png", summary="Results of a run, drawn", response_class=FileResponse)
    async def plot(run: str) -> Response:
        found = await parts.journal.run(run)
        return await drawn(parts, found, await units_of(found))

    return router


async def drawn(parts: Parts, run: Run, units: Units) -> Response:
    """A plot of a run's results. Raises: NotFound, when there are none."""
    from podium.stores.plot import plot_run

    async with Handed() as handed:
        path = await plot_run(parts.series, run.id, handed.directory / "plot.png", title=run.name, units=units)
        return handed.response(path, "image/png", "inline")


async def _summary(parts: Parts, run: Run, units: Units) -> list[Json]:
    return [
        {
            "measurement": line.measurement,
            "field": line.field,
            "unit": units.get(line.measurement, {}).get(line.field),
            "objects": line.objects,
            "count": line.count,
            "min": line.min,
            "mean": line.mean,
            "max": line.max,
            "last": line.last,
            "first_time": iso(line.first_time),
            "last_time": iso(line.last_time),
        }
        for line in await parts.series.summary(run.id)
    ]


async def _rows(parts: Parts, run: Run, wanted: Filter, limit: int) -> list[Json]:
    if not limit:
        return []
    return [
        {
            "time": iso(row.time),
            "measurement": row.measurement,
            "model": row.model,
            "object": row.esdl_id,
            "name": row.esdl_name,
            "field": row.field,
            "value": row.value,
        }
        for row in await parts.series.rows(run.id, wanted, limit=limit)
    ]


async def _zipped(parts: Parts, run: Run, format: Literal["csv", "parquet"]) -> Response:  # noqa: A002
    export = parts.series.export_csv if format == "csv" else parts.series.export_parquet
    async with Handed() as handed:
        files = await export(run.id, handed.directory)
        if not files:
            raise NotFound("this run has no results (yet)", where=run.id)
        archive = handed.directory / f"{run.id}.zip"
        await asyncio.to_thread(_zip, archive, files)
        return handed.response(archive, "application/zip", "attachment")


def _zip(archive: Path, files: list[Path]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in files:
            file.write(path, path.name)
