"""Events of runs, live: each has its position in the journal as its id, so that a reader resumes without a gap."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from podium.errors import DocumentRefused
from podium.runs.events import STATE_EVENTS, Recorded
from podium.server.answers import ascii_json
from podium.server.parts import Parts

Pages: TypeAlias = "AsyncIterator[list[Recorded]]"

MEDIA_TYPE = "text/event-stream"
LAST_POSITION = 2**63 - 1  # what a database can count to
_ID = re.compile(r"[0-9]{1,19}")
ENCODED = 4096  # events
PING = b": ping\n\n"
HEADERS = {"X-Accel-Buffering": "no"}  # a proxy that collects a response would hold events back

Last = Annotated[str | None, Header(alias="Last-Event-ID", description="Resume behind this event.")]
After = Annotated[int, Query(ge=0, le=LAST_POSITION, description="Only events behind this position.")]
Follow = Annotated[bool, Query(description="Stay when the run has ended.")]
Live = Annotated[bool, Query(description="Wait for what will happen; if not, end with what has.")]


def ends(recorded: Recorded) -> bool:
    state = STATE_EVENTS.get(recorded.event.type)
    return state is not None and state.ended


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(tags=["events"])
    encoded = _Encoder()

    def response(pages: Pages, *, until_end: bool = False) -> Response:
        return StreamingResponse(_stream(pages, encoded, until_end=until_end), media_type=MEDIA_TYPE, headers=HEADERS)

    @router.get("/events", summary="Events of all runs, as they happen", response_class=StreamingResponse)
    async def of_all(last_event_id: Last = None, after: After = 0, live: Live = True) -> Response:
        start = _start(last_event_id, after)
        return response(parts.feed.watch(None, start) if live else parts.feed.past(None, start))

    @router.get("/runs/{run}/events", summary="Events of a run, as they happen", response_class=StreamingResponse)
    async def of_one(
        run: str, last_event_id: Last = None, after: After = 0, live: Live = True, follow: Follow = False
    ) -> Response:
        found = await parts.journal.run(run)
        start = _start(last_event_id, after)
        if found.state.ended and not follow and not await parts.journal.events(run, after=start, limit=1):
            return Response(status_code=204)  # tells a browser's EventSource not to come again
        if not live:
            return response(parts.feed.past(run, start))
        return response(parts.feed.watch(run, start), until_end=not follow)

    return router


async def _stream(pages: Pages, encoded: Callable[[Recorded], bytes], *, until_end: bool) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(map(encoded, page)) or PING
        if until_end and any(map(ends, page)):
            return


class _Encoder:
    """Makes bytes of an event once, however many watch."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, bytes] = OrderedDict()

    def __call__(self, recorded: Recorded) -> bytes:
        found = self._recent.get(recorded.position)
        if found is None:
            text = ascii_json(recorded.as_json())
            found = self._recent[recorded.position] = format_sse_event(data_str=text, id=str(recorded.position))
            if len(self._recent) > ENCODED:
                self._recent.popitem(last=False)
        return found


def _start(last_event_id: str | None, after: int) -> int:
    if not last_event_id:
        return after
    if not _ID.fullmatch(last_event_id) or int(last_event_id) > LAST_POSITION:
        raise DocumentRefused(f"an event's id is a number up to {LAST_POSITION}", where="Last-Event-ID")
    return int(last_event_id)
