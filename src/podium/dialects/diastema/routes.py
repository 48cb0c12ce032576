"""The field's own REST routes, so that its front ends find everything where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from podium.dialects.diastema import ingestion, validator
from podium.dialects.diastema.desk import Desk
from podium.dialects.diastema.playbook import TOP_KEYS
from podium.dialects.diastema.reading import ANALYSIS, INGESTION, TOKEN, Reader
from podium.dialects.diastema.records import Records
from podium.dialects.diastema.status import Statuses
from podium.dialects.diastema.token import Token
from podium.dialects.diastema.trial import Trial
from podium.dialects.diastema.validator import Verdict
from podium.dialects.documents import parsed
from podium.errors import DocumentRefused, Fault, NotAllowed, PodiumError, TooManyAttempts
from podium.faults import refuse
from podium.runs.events import Json, Run, Submission

log = structlog.get_logger()

T = TypeVar("T")

INVALID, COULD_BE_BETTER = 409, 425
WARNINGS_SECONDS = 2.0  # that an accepted playbook waits to be looked at as the platform's validator does
MOST_DOCUMENTS = 1000
OF_THE_SERVER = ("admin", "config", "local")  # databases of every MongoDB

Key = Annotated[str | None, Header(alias="Idempotency-Key", description="The same key gives the same run.")]
_BODY: dict[str, Any] = {
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    }
}


def routes(
    desk: Desk,
    reader: Reader,
    check: Callable[[Submission], None],
    records: Records,
    trial: Trial,
    token: Token,
    guard: Callable[..., Any],
) -> APIRouter:
    """`check` refuses what cannot be performed here; `guard` lets only known callers in, where there is no token."""
    router = APIRouter(tags=["analysis"])
    known = [Depends(guard)]
    statuses = Statuses(desk)

    async def read(request: Request) -> dict[str, Any]:
        """The body of somebody whose token is good. Raises: NotAllowed, before anything else is said of it."""
        try:
            given = await asyncio.to_thread(parsed, await request.body())
        except DocumentRefused as error:
            raise NotAllowed(f"the token is missing: {error.problem}", where=TOKEN) from None
        await token.check(given, _caller(request))
        return given

    async def submit(submission: Submission, key: str | None) -> Run:
        check(submission)
        return await desk.submit(replace(submission, key=key) if key else submission)

    @router.post("/analysis", status_code=202, summary="Run a playbook", **_BODY)
    async def analysis(request: Request, response: Response, idempotency_key: Key = None) -> dict[str, Any]:
        given = await read(request)
        submission = await asyncio.to_thread(reader.analysis, given)
        warnings = await _in_time(validator.check(given, records.features))
        run = await submit(submission, idempotency_key)
        response.headers["Location"] = f"/analysis/{run.id}"
        told = _listed([*warnings.faults, *warnings.advice]) if warnings else []
        return {"analysis-id": run.name, **run.as_json(), "warnings": told}

    @router.post("/ingestion", status_code=202, summary="Fetch a dataset, or try whether it can be fetched", **_BODY)
    async def ingest(request: Request, response: Response, idempotency_key: Key = None) -> Any:
        given = await read(request)
        if given.get("testing") is True:
            about, faults = ingestion.read(given)
            refuse(faults)
            answer = await trial.of(about.source)
            return PlainTextResponse(answer.content, answer.status)
        submission = await asyncio.to_thread(reader.ingestion, given)
        run = await submit(submission, idempotency_key)
        response.headers["Location"] = f"/ingestion/{run.id}"
        return run.as_json()

    @router.post("/analysis/validate", summary="Look at a playbook as the platform's validator does", **_BODY)
    async def validate(request: Request) -> Response:
        """200: valid, 409: not valid, 425: valid, and could be better."""
        try:
            given = await asyncio.to_thread(parsed, await request.body())
            refuse([Fault(key, "is missing") for key in TOP_KEYS if key not in given])
            await token.check(given, _caller(request))
        except TooManyAttempts:
            raise
        except (DocumentRefused, NotAllowed) as error:
            return _verdict(INVALID, error.faults or [Fault(error.where or "", error.problem, error.hint)])
        verdict = await validator.check(given, records.features)
        if verdict.faults:
            return _verdict(INVALID, verdict.faults)
        return _verdict(COULD_BE_BETTER if verdict.advice else 200, verdict.advice)

    @router.get("/analysis/{run}", dependencies=known, summary="How an analysis fares, by its id or that of its run")
    async def status(run: str) -> dict[str, Json]:
        return await statuses.of(await statuses.find(run, ANALYSIS))

    @router.get("/ingestion/{run}", dependencies=known, summary="How an ingestion fares")
    async def ingestion_status(run: str) -> dict[str, Json]:
        return await statuses.of(await statuses.find(run, INGESTION))

    @router.get("/diastema/documents/{database}/{collection}", dependencies=known, summary="The records of analyses")
    async def documents(
        request: Request, database: str, collection: str, limit: Annotated[int, Query(ge=1, le=MOST_DOCUMENTS)] = 100
    ) -> list[dict[str, Any]]:
        """As the field has them in its MongoDB; other parameters name what must be in them, such as `analysisid`."""
        wanted = {path: value for path, value in request.query_params.items() if path != "limit"}
        if database in OF_THE_SERVER or any(part.startswith("$") for path in wanted for part in path.split(".")):
            raise DocumentRefused(
                "only records of analyses are read here, by what is in them", where=str(request.url.path)
            )
        return await records.documents.find(database, collection, wanted, limit=limit)

    return router


def _caller(request: Request) -> str:
    return request.client.host if request.client else ""


async def _in_time(verdict: Awaitable[Verdict]) -> Verdict | None:
    """A look at what does not keep a playbook from being run must not keep it waiting."""
    try:
        async with asyncio.timeout(WARNINGS_SECONDS):
            return await verdict
    except (TimeoutError, PodiumError) as error:
        log.warning("diastema.not_looked_at", reason=str(error) or "the records do not answer in time")
        return None


def _verdict(status: int, faults: Any) -> Response:
    return JSONResponse({"valid": status != INVALID, "reasons": _listed(faults)}, status)


def _listed(faults: Any) -> list[Mapping[str, str]]:
    return [fault.as_json() for fault in faults]
