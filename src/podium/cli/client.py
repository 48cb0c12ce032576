"""Podium's API from the terminal, through the socket file of the one that owns a data directory.

Apart from the ways to it, because httpx takes a tenth of a second, and a look at the journal needs none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO

import httpx

from podium.errors import Conflict, DocumentRefused, Fault, Gone, NotAllowed, NotFound, PodiumError, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from podium.stack.home import Home

BASE = "http://podium"
ANSWER_SECONDS = 30.0
SILENT_SECONDS = 100.0  # longer than the server is in what it streams: events have signs of life, stores their attempts
PAGE = 1000
ERRORS: dict[int, type[PodiumError]] = {
    HTTPStatus.UNAUTHORIZED: NotAllowed,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.UNPROCESSABLE_ENTITY: DocumentRefused,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
}


class Client:
    """Podium's API, with its problems as the errors they are."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self._call("GET", path, params=_given(query))

    async def json(self, path: str, **query: Any) -> Any:
        return (await self.get(path, **query)).json()

    async def post(
        self, path: str, *, content: bytes = b"", json: Any = None, key: str | None = None, **query: Any
    ) -> Any:
        """With a `key`, what came of the first such call comes of each."""
        body = {"json": json} if json is not None else {"content": content}
        headers = {} if key is None else {"Idempotency-Key": key}
        return (await self._call("POST", path, params=_given(query), headers=headers, **body)).json()

    async def events(self, path: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """Events as they come."""
        from json import loads

        async with self._streamed(path, **query) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield loads(line.removeprefix("data:"))

    async def save(self, path: str, target: Path) -> None:
        """Into a file, however large it is; a half of it is taken away."""
        async with self._streamed(path) as answer:
            with _whole(target) as file:
                async for piece in answer.aiter_bytes():
                    file.write(piece)

    # What `podium.stack.record.Record` answers where there is nobody to ask

    async def run(self, id_: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.json(f"/api/v1/runs/{id_}")
        return found

    async def runs(self, search: str | None, limit: int) -> dict[str, Any]:
        found: dict[str, Any] = await self.json("/api/v1/runs", search=search, limit=limit)
        return found

    def past(self, run: str | None) -> AsyncIterator[dict[str, Any]]:
        return self.events(f"/api/v1/runs/{run}/events" if run else "/api/v1/events", live=False)

    async def jobs(self, run: str, state: str | None) -> AsyncIterator[dict[str, Any]]:
        offset: int | None = 0
        while offset is not None:
            page = await self.json(f"/api/v1/runs/{run}/jobs", state=state, offset=offset, limit=PAGE)
            for job in page["jobs"]:
                yield job
            offset = page["next"]

    async def left(self) -> frozenset[str]:
        return frozenset()

    async def page(self) -> str | None:
        found: str | None = (await self.json("/api/v1/owner"))["page"]
        return found

    @asynccontextmanager
    async def _streamed(self, path: str, **query: Any) -> AsyncIterator[httpx.Response]:
        patience = httpx.Timeout(ANSWER_SECONDS, read=SILENT_SECONDS)
        try:
            async with self._http.stream("GET", path, params=_given(query), timeout=patience) as answer:
                if answer.is_error:
                    await answer.aread()
                _check(answer)
                yield answer
        except httpx.TransportError as error:
            raise _gone(error) from None

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise _gone(error) from None
        _check(answer)
        return answer


@asynccontextmanager
async def through(home: Home, *, patience: float | None = ANSWER_SECONDS) -> AsyncIterator[httpx.AsyncClient]:
    """The owner's socket file; it may be silent for so many seconds, or for ever."""
    with home.socket_path() as path:
        transport = httpx.AsyncHTTPTransport(uds=path, verify=False)  # without TLS: no need to read certificates
        async with httpx.AsyncClient(transport=transport, base_url=BASE, timeout=patience) as http:
            yield http


@contextmanager
def _whole(target: Path) -> Iterator[BinaryIO]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        try:
            yield file
        except BaseException:
            target.unlink()
            raise


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in query.items() if value is not None}


def _check(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    kind = ERRORS.get(answer.status_code, PodiumError)
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        raise kind(f"the answer was {answer.status_code} {answer.reason_phrase}", where=answer.url.path)
    told = answer.json()
    if told.get("ending"):
        kind = Gone
    faults = [Fault(one["where"], one["what"], one.get("hint")) for one in told.get("errors", ())]
    raise kind(told["detail"], where=told.get("where"), hint=told.get("hint"), faults=faults)


def _gone(error: httpx.TransportError) -> Unavailable:
    hint = "It may have been stopped; `podium status` tells"
    kind = Unavailable if isinstance(error, httpx.TimeoutException) else Gone
    return kind(f"the Podium of this data directory does not answer ({type(error).__name__})", hint=hint)
