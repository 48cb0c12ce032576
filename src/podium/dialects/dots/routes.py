"""The field's own REST routes, so that clients of an existing orchestrator find everything where it was."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.background import BackgroundTask

from podium.dialects.dots.desk import Desk
from podium.dialects.dots.document import Body
from podium.dialects.dots.status import SimulationStatus, Statuses
from podium.errors import NotFound
from podium.runs.events import Submission

PREFIX = "/api/v1/simulation"
QUEUE = "dots.queue"
LARGEST_FORM = 10_000

Read = Callable[[bytes], Awaitable[Submission]]


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"  # noqa: S105  # no secret


class SimulationList(BaseModel):
    simulations: Sequence[SimulationStatus]


def routes(read: Read, desk: Desk, guard: Callable[..., Any], clock: Callable[[], float]) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["simulation"])
    known = [Depends(guard)]
    statuses = Statuses(desk, clock)

    async def submit(request: Request, lane: str | None) -> Response:
        # The body may be megabytes: it is read as bytes here and understood elsewhere.
        submission = await read(await request.body())
        key = request.headers.get("Idempotency-Key")
        run = await desk.submit(dataclasses.replace(submission, lane=lane, key=key))
        return _json(await statuses.of(run.id), 201)

    async def save_logs(simulation: str, directory: Path) -> Sequence[Path]:
        logs = await desk.logs(simulation, None)
        return await asyncio.to_thread(_written, logs, directory)

    @router.post("/token", max_body_size=LARGEST_FORM)
    async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
        """Sign in: a bearer token for user name and password."""
        return Token(access_token=await desk.login(form.username, form.password))

    body = {"required": True, "content": {"application/json": {"schema": _schema()}}}
    submission: dict[str, Any] = {
        "status_code": 201,
        "response_model": SimulationStatus,
        "dependencies": known,
        "openapi_extra": {"requestBody": body},
    }

    @router.post("/start", **submission)
    async def start(request: Request) -> Response:
        """Run a simulation at once."""
        return await submit(request, None)

    @router.post("/queue", **submission)
    async def queue(request: Request) -> Response:
        """Run a simulation when those queued before it have ended."""
        return await submit(request, QUEUE)

    @router.get("/data/{simulation_id}", dependencies=known, response_class=FileResponse)
    async def data(simulation_id: str) -> Response:
        """The results so far, as a zip of CSV files."""
        await statuses.exists(simulation_id)
        return await _zipped(desk.export_csv, simulation_id, "data")

    @router.get("/logs/{simulation_id}", dependencies=known, response_class=FileResponse)
    async def logs(simulation_id: str) -> Response:
        """What the models logged, as a zip of text files."""
        await statuses.exists(simulation_id)
        return await _zipped(save_logs, simulation_id, "logs")

    @router.get("/{simulation_id}", dependencies=known, response_model=SimulationStatus)
    async def status(simulation_id: str) -> Response:
        """How one simulation fares."""
        return _json(await statuses.of(simulation_id))

    @router.get("/", dependencies=known, response_model=SimulationList)
    async def status_of_all() -> Response:
        """How all simulations fare, the newest first; without their ESDL."""
        listed = b",".join(await statuses.all())
        return Response(b'{"simulations":[%b]}' % listed, media_type="application/json")

    @router.delete("/{simulation_id}", dependencies=known, response_model=SimulationStatus)
    async def terminate(simulation_id: str) -> Response:
        """End a simulation; its models still write the results they have."""
        return _json(await statuses.cancelled(simulation_id))

    return router


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(content), status, media_type="application/json")


async def _zipped(save: Callable[[str, Path], Awaitable[Sequence[Path]]], simulation: str, what: str) -> Response:
    """Raises: NotFound, when there is nothing to put in."""
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="podium-")))
        files = await save(simulation, directory)
        if not files:
            raise NotFound(f"there are no {what} of simulation {simulation!r}")
        archive = directory / f"{what}.zip"
        await asyncio.to_thread(_zip, files, archive)
        sent = BackgroundTask(cleanup.pop_all().close)
    return FileResponse(archive, filename=f"{what}_{simulation}.zip", media_type="application/zip", background=sent)


def _written(logs: Mapping[str, str], directory: Path) -> list[Path]:
    paths = []
    for model, text in logs.items():
        paths.append(directory / f"{model}.log")
        paths[-1].write_text(text, encoding="utf-8")
    return paths


def _zip(files: Sequence[Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)


def _schema() -> dict[str, Any]:
    """The schema of the body in one piece, as it stands beside the components that FastAPI collects."""
    schema = Body.model_json_schema()
    parts = schema.pop("$defs", {})

    def whole(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return whole(parts[node["$ref"].rpartition("/")[2]])
            return {key: whole(value) for key, value in node.items()}
        return [whole(one) for one in node] if isinstance(node, list) else node

    found = whole(schema)
    assert isinstance(found, dict)  # noqa: S101  # as was `schema`
    return found
