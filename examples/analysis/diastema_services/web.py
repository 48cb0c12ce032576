"""The HTTP services: `POST /<name>` begins a job, `GET /<name>/progress?id=<job id>` tells how it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict

from diastema_services import drawing
from diastema_services.desk import Desk
from diastema_services.ingesting import fetch, ingest
from diastema_services.preparing import calculate, clean, join
from diastema_services.store import Store
from diastema_services.tables import Refused, tables

Id = Annotated[str, BeforeValidator(str)]  # some are numbers
ACCEPTED = 202


class Asked(BaseModel):
    """A body; its keys have `-` where names have `_`."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))

    job_id: Id


class Cleaning(Asked):
    minio_input: str
    minio_output: str
    max_shrink: float | None = None


class Joining(Asked):
    column: str
    type: str
    inputs: list[str]
    output: str


class Function(Asked):
    inputs: list[str]
    output: str
    function: dict[str, Any]


class Ingestion(Asked):
    minio_output: str
    ingestion_json: dict[str, Any]

    model_config = ConfigDict(alias_generator=lambda name: name if name == "ingestion_json" else name.replace("_", "-"))


class Test(BaseModel):
    ingestion_json: dict[str, Any]


class AutoMl(Asked):
    minio_input: str
    ml_task: str
    column: str = ""
    parameters: dict[str, Any] | None = None


class Sinking(BaseModel):
    key: str
    data: dict[str, Any]


def services(store: Store, shipped: Path | None) -> APIRouter:
    """`data-cleaning`, `join`, `data-ingesting`, `data-sink`."""
    desk = Desk()
    router = APIRouter()

    @router.post("/data-cleaning", status_code=ACCEPTED)
    def begin_cleaning(asked: Cleaning) -> None:
        def work() -> dict[str, int]:
            counts = clean(store, asked.minio_input, asked.minio_output, asked.max_shrink)
            title = f"{counts['kept']} of {counts['raw']} rows after cleaning"
            _draw(store, asked.job_id, title, asked.minio_output)
            return counts

        desk.begin(asked.job_id, work)

    @router.post("/join", status_code=ACCEPTED)
    def begin_joining(asked: Joining) -> None:
        def work() -> None:
            join(store, asked.inputs, asked.output, asked.column.lower(), asked.type)
            _draw(store, asked.job_id, f"Joined by {asked.column}", asked.output)

        desk.begin(asked.job_id, work)

    @router.post("/data-ingesting/test")
    def test_ingestion(asked: Test) -> PlainTextResponse:
        try:
            content = fetch(asked.ingestion_json, shipped)
        except (Refused, KeyError) as error:
            return PlainTextResponse(f"no data: {error}", 400)
        return PlainTextResponse(f"{len(content)} bytes can be had")

    @router.post("/data-ingesting", status_code=ACCEPTED)
    def begin_ingestion(asked: Ingestion) -> None:
        desk.begin(asked.job_id, lambda: ingest(store, asked.ingestion_json, asked.minio_output, shipped))

    @router.post("/data-sink")
    def sink(asked: Sinking) -> None:
        """Whoever wants the data is told where it is; here, by a file beside it."""
        job = str(asked.data.get("data", ""))
        store.write(f"{asked.key}/sink/{job or 'unknown'}.json", asked.model_dump_json().encode())

    for name in ("data-cleaning", "join", "data-ingesting"):
        _add_progress(router, name, desk)

    @router.get("/data-ingesting/{job}")
    def features(job: str) -> dict[str, list[str]]:
        if not desk.knows(job) or desk.progress(job)["status"] != "complete":
            raise HTTPException(404, f"no data of {job!r}")
        return {"features": desk.result(job)}

    return router


def functions(store: Store) -> APIRouter:
    desk = Desk()
    router = APIRouter()

    @router.post("/function", status_code=ACCEPTED)
    def begin(asked: Function) -> None:
        def work() -> None:
            calculate(store, asked.inputs, asked.output, asked.function)
            _draw(store, asked.job_id, f"Function {asked.function.get('name', '')}", asked.output)

        desk.begin(asked.job_id, work)

    _add_progress(router, "function", desk)
    return router


def automl(store: Store) -> APIRouter:
    from diastema_services.learning import choose  # which the other services need not wait for

    desk = Desk()
    router = APIRouter()

    @router.post("/automl", status_code=ACCEPTED)
    def begin(asked: AutoMl) -> None:
        desk.begin(
            asked.job_id,
            lambda: choose(asked.ml_task, store, asked.minio_input, asked.column.lower(), asked.parameters or {}),
        )

    _add_progress(router, "automl", desk, lambda job: {"results": desk.result(job)})
    return router


def _add_progress(
    router: APIRouter, name: str, desk: Desk, more: Callable[[str], dict[str, Any]] | None = None
) -> None:
    @router.get(f"/{name}/progress")
    def progress(id: str) -> dict[str, Any]:  # noqa: A002 - so it is called on the wire
        if not desk.knows(id):
            raise HTTPException(404, f"no job {id!r}")
        found: dict[str, Any] = desk.progress(id)
        return found | more(id) if more and found["status"] == "complete" else found


def _draw(store: Store, job: str, title: str, path: str) -> None:
    with tables(store, path) as data:
        drawing.table(store, job, title, data.arrays())
