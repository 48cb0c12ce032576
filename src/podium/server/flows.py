"""What only graphs of jobs have: their jobs one by one, a pause, a new run from any of them, outcomes by callback."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from podium.dialects.again import resubmission
from podium.dialects.documents import parsed
from podium.engines.flow import nodes
from podium.engines.flow.messages import PauseRequested, ResumeRequested
from podium.errors import Conflict, DocumentRefused, Fault, NotFound, Unavailable
from podium.faults import place, refuse, worded
from podium.runs.events import Json, Run
from podium.runs.machine import Input
from podium.server.again import call_shown
from podium.server.doorway import TRUSTED
from podium.server.parts import Parts
from podium.server.runs import Key
from podium.server.story import STATES, Plan, Stories, Story, job_shown

LARGEST_PAGE, LARGEST_PAGE_OF_RESULTS = 1000, 100
PAGE_BYTES = 4 << 20  # of results, as JSON
WRITTEN_WITHIN = 10.0  # seconds, where the database is away: services are not kept for as long as that may be

State = Annotated[str | None, Query(description=f"One of {', '.join(STATES)}.")]


class Restart(BaseModel):
    """From which jobs on all is performed again (with none: what did not succeed), and what their calls are to have."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    start: list[str] = Field(default_factory=list, alias="from")
    edit: dict[str, dict[str, Any]] = Field(default_factory=dict)


def routes(parts: Parts, stories: Stories) -> APIRouter:
    router = APIRouter(tags=["graphs of jobs"])

    async def graph(run: str) -> tuple[Run, Plan, Story]:
        """Raises: NotFound, Conflict."""
        found = await parts.journal.run(run)
        return found, await stories.plan(found), await stories.of(found)

    @router.get("/runs/{run}/jobs", summary="The jobs of a run, in the order of its document")
    async def jobs(
        run: str,
        state: State = None,
        offset: Annotated[int, Query(ge=0, description="The `next` of the page before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
        results: Annotated[bool, Query(description="With what they returned; only those that have.")] = False,
    ) -> dict[str, Json]:
        found, plan, _ = await graph(run)
        wanted = await stories.jobs(found, state)
        page = wanted[offset : offset + (min(limit, LARGEST_PAGE_OF_RESULTS) if results else limit)]
        shown: list[Json] = [*page]
        if results:
            returned = await stories.results(found, {str(job["job"]) for job in page})
            page = page[: _room([returned.get(str(job["job"])) for job in page])]
            shown = [{**job, "result": returned[name]} for job in page if (name := job["job"]) in returned]
        end = offset + len(page)
        return {"jobs": shown, "next": end if len(wanted) > end else None, "total": len(plan.jobs)}

    @router.get("/runs/{run}/jobs/{node}", summary="A job, or one item of it (`train[3]`): what it is told, its result")
    async def job(run: str, node: str) -> dict[str, Json]:
        found, plan, story = await graph(run)
        name, index = nodes.asked(node) or (node, None)
        if name not in plan.jobs:
            raise NotFound(f"this run has no job {name!r}", where=run)
        whole = (await stories.results(found, [name])).get(name)
        call: Json = call_shown(plan.jobs[name].get("call", {}))
        if index is None:
            return {**job_shown(plan, story, name), "call": call, "result": whole}
        if not isinstance(whole, list) or index >= len(whole) or not plan.jobs[name].get("each"):
            raise NotFound(f"this run has no {node!r}", where=run)
        return {**await stories.item(found, node), "call": call, "result": whole[index]}

    @router.post(
        "/runs/{run}/restart",
        status_code=201,
        summary="A new run that reuses what this one has done",
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": Restart.model_json_schema()}}}},
    )
    async def restart(request: Request, response: Response, run: str, idempotency_key: Key = None) -> dict[str, Json]:
        how = _restart(await request.body())
        found, _, _ = await graph(run)
        if not found.state.ended:
            raise Conflict("this run has not ended", where=run, hint="Cancel it first, or wait for its end")
        document, events = await parts.journal.document(run), [recorded async for recorded in parts.journal.replay(run)]
        kind = next(dialect.kinds[found.kind] for dialect in parts.dialects if found.kind in dialect.kinds)
        await asyncio.to_thread(kind.check_edits, document, how.edit)
        submission = await asyncio.to_thread(
            resubmission,
            found,
            document,
            events,
            start=how.start,
            edits=how.edit,
            environ=os.environ if TRUSTED in request.scope else None,
        )
        await asyncio.to_thread(kind.check, submission.document)
        if idempotency_key:
            submission = replace(submission, key=idempotency_key)
        new = await parts.conducting.submit(submission)
        response.headers["Location"] = f"/api/v1/runs/{new.id}"
        return {**new.as_json(), "restarted": submission.document["restarted"]}

    @router.post("/runs/{run}/pause", status_code=202, summary="Begin no more jobs; what is under way goes on")
    async def pause(run: str) -> dict[str, Json]:
        return await tell(run, PauseRequested)

    @router.post("/runs/{run}/resume", status_code=202, summary="Go on after a pause")
    async def resume(run: str) -> dict[str, Json]:
        return await tell(run, ResumeRequested)

    async def tell(run: str, what: Callable[[float], Input]) -> dict[str, Json]:
        found, _, _ = await graph(run)
        conductor = parts.conducting
        if found.state.ended or not conductor.tell(run, what(conductor.now)):
            raise Conflict(f"this run has ended: it {found.state.value}", where=run)
        return found.as_json()

    return router


def open_routes(parts: Parts) -> APIRouter:
    """For services, which have no login: the address that a service was given is its right."""
    router = APIRouter(tags=["graphs of jobs"])

    @router.post("/callbacks/{token}", status_code=204, summary="How a job went, told by the service that performs it")
    async def callback(request: Request, token: str) -> None:
        content = await request.body()
        try:
            told = json.loads(content) if content.strip() else None
        except (ValueError, RecursionError):
            raise DocumentRefused("an outcome is told as JSON") from None
        callbacks = parts.callbacks
        if callbacks is not None and not callbacks.awaits(token) and parts.conducting.catching_up:
            raise Unavailable("Podium has just begun and does not know yet who waits for this", hint="Post it again")
        written = None if callbacks is None else callbacks.deliver(token, told, parts.conducting.settled)
        if written is None:
            raise NotFound("nobody waits for this outcome")
        await asyncio.wait([written], timeout=WRITTEN_WITHIN)
        if not written.done() or written.cancelled():
            raise Unavailable("this outcome is not written down yet", hint="Post it again")

    return router


def _room(results: Sequence[Json]) -> int:
    """How many of the first go on one page: at least one, however large."""
    size = 0
    for count, result in enumerate(results):
        size += len(json.dumps(result))
        if count and size > PAGE_BYTES:
            return count
    return len(results)


def _restart(content: bytes) -> Restart:
    """Whatever type it is said to be: many a client says none, and to say nothing at all is to restart.

    Raises: DocumentRefused.
    """
    try:
        return Restart.model_validate(parsed(content) if content.strip() else {})
    except ValidationError as error:
        refuse([Fault(place(fault["loc"]), worded(fault)) for fault in error.errors(include_url=False)])
        raise AssertionError from None  # there is at least one
