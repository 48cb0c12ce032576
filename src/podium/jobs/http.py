"""Kind `http`: a service is told to start, and either answers with the result, or is asked for its progress until it is
done, or posts its outcome to the address it was given in the header `Podium-Callback`.

    {"url": "http://host/cleaning", "body": {"id": 7}, "progress": {"url": "http://host/cleaning/progress?id=7"}}

Whatever it says may have a status, which may fail the job; only where it is followed must it have one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import structlog
from pydantic import AfterValidator, Field, model_validator

from podium.errors import DocumentRefused
from podium.jobs.callbacks import Callbacks
from podium.jobs.calls import Call, check, read
from podium.jobs.client import Answer, Client, ServiceFailed, shown_url
from podium.jobs.polling import LONGEST, poll
from podium.jobs.port import Job, JobFailed
from podium.runs.events import Json
from podium.runs.machine import DETACHED

log = structlog.get_logger()

CALLBACK = "Podium-Callback"
IDEMPOTENCY_KEY = "Idempotency-Key"
LONGEST_RETRY_AFTER = 60.0
RETRIES_AFTER = 3
CANCEL_SECONDS = 5.0


def _is_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    return text


Url = Annotated[str, AfterValidator(_is_url)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class Request(Call):
    """One request; `body` is sent as JSON, `form` as a form."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: Url
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    form: dict[str, str] | None = None
    answer_within: Seconds = 60.0

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        if self.body is not None and self.form is not None:
            raise ValueError("has a `body` or a `form`, not both")
        return self


class Status(Call):
    """How what a service says is read: its status is what stands in `field` of an object, or a word by itself.

    It is `going` while it is under way, one of `failed` when it failed for a `reason`, anything else when it is done.
    """

    field: str = "status"
    going: tuple[str, ...] = ("progress",)
    failed: tuple[str, ...] = ("error",)
    reason: str = "message"

    def outcome(self, said: Json) -> Json:
        """Of one that is followed: None while it is under way. Raises: JobFailed."""
        status = self._of(said)
        if status is None:
            raise ServiceFailed(f"the service told its progress without {self.field!r}: {str(said)[:80]}")
        self.begun(said)
        return None if status in self.going else said

    def result(self, said: Json) -> Json:
        """Of one that is not followed: its answer, which need not have a status. Raises: JobFailed."""
        self.begun(said)
        status = self._of(said)
        if status in self.going:
            problem = f"the service says {status!r}, and nobody follows it"
            raise JobFailed(f"{problem}. Give the job a `progress` or a `callback`", final=True)
        return said

    def begun(self, said: Json) -> None:
        """Of one that was told to start. Raises: JobFailed, if it says so."""
        status = self._of(said)
        if status in self.failed:
            reason = said.get(self.reason) if isinstance(said, dict) else None
            raise JobFailed(str(reason or f"the service says {status!r}"))

    def _of(self, said: Json) -> Json:
        return said.get(self.field) if isinstance(said, dict) else said if isinstance(said, str) else None


class Progress(Request):
    """How the progress is asked for.

    Args:
        pause: the longest between two questions.
        patience: how long the service may fail to answer them.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    pause: Seconds = LONGEST
    patience: Seconds = 30.0


class HttpCall(Request):
    """Args:
    progress: how to follow what was started; without it the answer is the result.
    callback: give the service an address to post its outcome to.
    status: how an outcome is read that was asked for or posted.
    cancel: what to send when the job is no longer wanted.
    """

    progress: Progress | None = None
    callback: bool = False
    status: Status = Status()
    cancel: Request | None = None


class HttpService:
    """Args:
    callbacks: who is told of what services post; without it no job can ask for that.
    """

    def __init__(self, client: Client, callbacks: Callbacks | None = None) -> None:
        self._client = client
        self._callbacks = callbacks

    def check(self, call: Mapping[str, Any]) -> None:
        check(HttpCall, call)
        if call.get("callback") and self._callbacks is None:
            raise DocumentRefused("nothing can be posted to this Podium", where="callback")

    async def perform(self, job: Job) -> Json:
        call = read(HttpCall, job.call)
        try:
            if call.callback:
                return await self._told(job, call)
            return await self._asked(job, call, {IDEMPOTENCY_KEY: job.key})
        except asyncio.CancelledError as error:
            if call.cancel is not None and error.args != (DETACHED,):
                await self._cancel(job, call.cancel)
            raise

    async def _asked(self, job: Job, call: HttpCall, headers: Mapping[str, str]) -> Json:
        """Start it, unless it is under way already, and follow it."""
        if call.progress is None:
            answer = await start(self._client, call, headers, note=job.note)
            return call.status.result(answer.said())
        if not (job.again and await self._knows(call.progress)):
            await begin(self._client, call, call.status, headers, note=job.note)
        return await follow(self._client, call.progress, call.status, note=job.note)

    async def _told(self, job: Job, call: HttpCall) -> Json:
        """Start it, and have its outcome from whoever is first: the service's word, or our question."""
        if self._callbacks is None:
            raise JobFailed("nothing can be posted to this Podium", final=True)
        address, told = self._callbacks.expect(job)
        headers = {IDEMPOTENCY_KEY: job.key, CALLBACK: address}
        asking = asyncio.create_task(self._started(job, call, headers))
        try:
            await asyncio.wait([told, asking], return_when=asyncio.FIRST_COMPLETED)
            if not told.done():
                found = asking.result()
                if call.progress is not None:
                    return found
                await told
            outcome = call.status.outcome(told.result())
            if outcome is None:
                raise JobFailed("the service posted an outcome that says it is still under way")
            return outcome
        finally:
            told.cancel()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _started(self, job: Job, call: HttpCall, headers: Mapping[str, str]) -> Json:
        if call.progress is not None:
            return await self._asked(job, call, headers)
        await begin(self._client, call, call.status, headers, note=job.note)
        return None

    async def _knows(self, progress: Progress) -> bool:
        """Whether the service says anything but that it has no such job."""
        try:
            await send(self._client, progress)
        except ServiceFailed as error:
            if error.status is None:
                raise
            return error.status >= 500
        return True

    async def _cancel(self, job: Job, request: Request) -> None:
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await send(self._client, request, {IDEMPOTENCY_KEY: job.key})
        except (ServiceFailed, TimeoutError) as error:
            job.note(f"it may still be under way: {error!r}")


async def send(client: Client, request: Request, headers: Mapping[str, str] | None = None) -> Answer:
    """Raises: ServiceFailed."""
    return await client.ask(
        request.method,
        request.url,
        headers={**request.headers, **(headers or {})},
        body=request.body,
        form=request.form,
        within=request.answer_within,
    )


async def start(
    client: Client,
    request: Request,
    headers: Mapping[str, str] | None = None,
    *,
    note: Callable[[str], None],
) -> Answer:
    """Send it, again where the service asks for that (503 and 429 with `Retry-After`). Raises: ServiceFailed."""
    for attempt in range(RETRIES_AFTER + 1):
        try:
            return await send(client, request, headers)
        except ServiceFailed as error:
            wait = error.retry_after
            if error.status not in (429, 503) or wait is None or wait > LONGEST_RETRY_AFTER or attempt == RETRIES_AFTER:
                raise
            note(f"{error.reason}; it asks for {wait:g} s of patience")
            await asyncio.sleep(wait)
    raise AssertionError


async def begin(
    client: Client,
    request: Request,
    status: Status,
    headers: Mapping[str, str] | None = None,
    *,
    note: Callable[[str], None],
) -> None:
    """Start what will be followed: its answer may be anything, and is heard only if it says that it failed.

    Raises: JobFailed.
    """
    answer = await start(client, request, headers, note=note)
    with suppress(ServiceFailed):
        status.begun(answer.said())


async def follow(
    client: Client, progress: Progress, status: Status, *, note: Callable[[str], None] = lambda _line: None
) -> Json:
    """What the service says when it is no longer under way.

    Its failing to say so is borne with for a while: what it does may well go on.

    Raises: JobFailed.
    """
    failing_since: float | None = None

    async def ask() -> Json:
        nonlocal failing_since
        try:
            outcome = status.outcome((await send(client, progress)).said())
        except ServiceFailed as error:
            now = time.monotonic()
            forgotten = error.status == 404  # or not known yet
            if error.final and not forgotten:
                raise
            if failing_since is None:
                failing_since = now
                note(f"{error.reason}; it is asked again for {progress.patience:g} s")
                log.warning("service.tells_no_progress", url=shown_url(progress.url), status=error.status)
            elif now - failing_since > progress.patience:
                raise ServiceFailed(f"{error.reason}; so it went for {progress.patience:g} s") from None
            await asyncio.sleep(min(error.retry_after or 0.0, LONGEST_RETRY_AFTER))
            return None
        failing_since = None
        return outcome

    return await poll(ask, longest=progress.pause)
