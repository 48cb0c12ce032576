"""One request to somebody's service, and every way it can go wrong told in one sentence.

Services are addressed directly: nothing of our environment (proxies, netrc) has a say, answers are bounded in size and
time, and a redirect is followed on the same server only, as it would hand the request's secrets to another one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from podium.jobs.port import JobFailed
from podium.runs.events import Json

logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every address with all that is secret in it

LARGEST_ANSWER = 1 << 20
CONNECT_SECONDS = 10.0
REDIRECTS = 5
_KEPT_SECONDS = 2.0  # an idle connection; servers close theirs after 5 s and more, and a request must not meet that
_PASSING = {408, 425, 429}  # refusals that may be none a moment later; so may all from 500 on
_SAID = 300


class ServiceFailed(JobFailed):
    """A request had no good answer.

    Args:
        status: of the answer, if there was one.
        retry_after: the seconds after which the service wants to be asked again.
    """

    def __init__(
        self, reason: str, *, final: bool = False, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason, final=final)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """A good one."""

    request: str
    status: int
    content: bytes

    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Json:
        """Raises: ServiceFailed."""
        try:
            return json.loads(self.content)  # type: ignore[no-any-return]
        except (ValueError, RecursionError) as error:
            shown = self.text()[:80]
            raise ServiceFailed(
                f"{self.request} answered {self.status} with what is not JSON: {shown!r} ({error})"
            ) from None


class Client:
    """Connections to services, kept and shared by all jobs."""

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        """Made for the first request: reading the certificates takes its time."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=_KEPT_SECONDS)
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        return httpx.AsyncClient(trust_env=False, limits=limits, timeout=timeout)

    async def close(self) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Json = None,
        form: Mapping[str, str] | None = None,
        within: float = 60.0,
        largest: int = LARGEST_ANSWER,
        whatever: bool = False,
    ) -> Answer:
        """Send a request, with `body` as JSON or `form`, and have its whole answer `within` seconds.

        With `whatever` any status is a good one: whoever asks passes the answer on.

        Raises: ServiceFailed.
        """
        shown = f"{method} {_shown(url)}"
        content: dict[str, Any] = (
            {"data": dict(form)} if form is not None else {"json": body} if body is not None else {}
        )
        try:
            request = self._http.build_request(
                method, url, headers={**(headers or {}), "Accept-Encoding": "identity"}, **content
            )
            async with asyncio.timeout(within):
                return await self._send(request, shown, largest, whatever)
        except TimeoutError:
            raise ServiceFailed(f"{shown} had no whole answer within {within:g} s") from None
        except httpx.ConnectTimeout:
            raise ServiceFailed(f"{shown} could not be sent: no connection within {CONNECT_SECONDS:g} s") from None
        except httpx.ConnectError as error:
            raise ServiceFailed(f"{shown} could not be sent: {_cause(error)}") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise ServiceFailed(f"{shown} could not be sent: that is no address of a service", final=True) from None
        except httpx.TransportError as error:
            raise ServiceFailed(f"{shown} broke off: {_cause(error)}") from None

    async def _send(self, request: httpx.Request, shown: str, largest: int, whatever: bool) -> Answer:
        for _ in range(REDIRECTS + 1):
            response = await self._http.send(request, stream=True)
            try:
                if response.next_request is None:
                    return await _answer(response, shown, largest, whatever)
                request = _same_server(request, response.next_request, shown)
            finally:
                await response.aclose()
        raise ServiceFailed(f"{shown} was redirected {REDIRECTS} times and came to no end", final=True)


async def _answer(response: httpx.Response, shown: str, largest: int, whatever: bool) -> Answer:
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise ServiceFailed(f"{shown} was answered in the encoding {encoding!r}, which was not asked for", final=True)
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > largest:
            advice = "Data belongs into the artifacts"
            raise ServiceFailed(f"{shown} has an answer of more than {largest} bytes. {advice}", final=True)
    status = response.status_code
    if response.is_success or whatever:
        return Answer(shown, status, bytes(content))
    said = _said(content)
    raise ServiceFailed(
        f"{shown} answered {status}{f': {said}' if said else ''}",
        final=status < 500 and status not in _PASSING,
        status=status,
        retry_after=_seconds(response.headers.get("retry-after")),
    )


def _same_server(request: httpx.Request, following: httpx.Request, shown: str) -> httpx.Request:
    def server(url: httpx.URL) -> tuple[str, str, int | None]:
        return url.scheme, url.host, url.port

    if server(request.url) != server(following.url):
        place = _shown(str(following.url))
        raise ServiceFailed(f"{shown} was redirected to another server, {place}; give that address", final=True)
    return following


def _shown(url: str) -> str:
    """Where it goes, without what may be secret: user, password, query."""
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))
    except httpx.InvalidURL:
        return "(an address that is none)"


def _said(content: bytearray) -> str:
    """What the body of a refusal says, in the words of most frameworks or as it is."""
    text = content.decode(errors="replace").strip()
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        text = next((str(body[key]) for key in ("message", "detail", "error", "reason") if body.get(key)), text)
    return text[:_SAID]


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds; its other form, a date, is of no use with clocks that differ."""
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None


def _cause(error: BaseException) -> str:
    """The oldest cause says most, such as that the connection was refused."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
