"""One request to somebody's service, and every way it can go wrong told in one sentence.

Services are addressed directly: nothing of our environment (proxies, netrc) has a say, answers are bounded in size and
time, and a redirect is followed on the same server only, as it would hand the request's secrets to another one.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from yarl import URL

from podium.jobs.port import JobFailed
from podium.runs.events import Json

if TYPE_CHECKING:  # it takes a tenth of a second, and most who start Podium call no service
    import aiohttp

LARGEST_ANSWER = 1 << 20
CONNECT_SECONDS = 10.0
REDIRECTS = 5
_KEPT_SECONDS = 2.0  # an idle connection; servers close theirs after 5 s and more, and a request must not meet that
_PASSING = {408, 425, 429}  # refusals that may be none a moment later; so may all from 500 on
_SAID = 300
_WORD = re.compile(rb"[A-Za-z][A-Za-z_-]{0,39}")
_JSON_WORDS = (b"true", b"false", b"null", b"NaN", b"Infinity")


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

    def said(self) -> Json:
        """JSON, or a word as it is; None, when that is nothing. Raises: ServiceFailed."""
        word = self.content.strip()
        if _WORD.fullmatch(word) and word not in _JSON_WORDS:
            return word.decode()
        return self.json() if word else None

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

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def warm(self) -> None:
        """Load what the first request would wait for."""
        await asyncio.to_thread(import_module, "aiohttp")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

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
        import aiohttp

        shown = f"{method} {shown_url(url)}"
        content: dict[str, Any] = {"data": dict(form)} if form is not None else {} if body is None else {"json": body}
        try:
            async with asyncio.timeout(within):
                return await self._send(method, url, shown, largest, whatever, headers=headers, **content)
        except aiohttp.ConnectionTimeoutError:
            raise ServiceFailed(f"{shown} could not be sent: no connection within {CONNECT_SECONDS:g} s") from None
        except TimeoutError:
            raise ServiceFailed(f"{shown} had no whole answer within {within:g} s") from None
        except ValueError:  # which would show the address, and what is secret in it
            raise ServiceFailed(f"{shown} could not be sent: its address or its headers are none", final=True) from None
        except aiohttp.ClientConnectorError as error:
            raise ServiceFailed(f"{shown} could not be sent: {_cause(error)}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceFailed(f"{shown} broke off: {_cause(error)}") from None

    async def _send(self, method: str, url: str, shown: str, largest: int, whatever: bool, **content: Any) -> Answer:
        if self._session is None:  # it belongs to an event loop, and we may be made before there is one
            self._session = _session()
        place = URL(url)
        for _ in range(REDIRECTS + 1):
            async with self._session.request(method, place, allow_redirects=False, **content) as response:
                if not _redirects(method, response):
                    return await _answer(response, shown, largest, whatever)
                place = _same_server(place, response.headers["Location"], shown)
        raise ServiceFailed(f"{shown} was redirected {REDIRECTS} times and came to no end", final=True)


def _session() -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        headers={"Accept-Encoding": "identity", "User-Agent": "Podium"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def _answer(response: aiohttp.ClientResponse, shown: str, largest: int, whatever: bool) -> Answer:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise ServiceFailed(f"{shown} was answered in the encoding {encoding!r}, which was not asked for", final=True)
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > largest:
            advice = "Data belongs into the artifacts"
            raise ServiceFailed(f"{shown} has an answer of more than {largest} bytes. {advice}", final=True)
    status = response.status
    if whatever or 200 <= status < 300:
        return Answer(shown, status, bytes(content))
    said = _said(content)
    raise ServiceFailed(
        f"{shown} answered {status}{f': {said}' if said else ''}",
        final=status < 500 and status not in _PASSING,
        status=status,
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


def _redirects(method: str, response: aiohttp.ClientResponse) -> bool:
    """Whether the same request is to be sent elsewhere; the other redirects are for browsers."""
    return "Location" in response.headers and (
        response.status in (307, 308) or (method == "GET" and response.status in (301, 302))
    )


def _same_server(place: URL, location: str, shown: str) -> URL:
    following = place.join(URL(location))
    if following.origin() != place.origin():
        elsewhere = shown_url(str(following))
        raise ServiceFailed(f"{shown} was redirected to another server, {elsewhere}; give that address", final=True)
    return following.with_user(place.user).with_password(place.password)


def shown_url(url: str) -> str:
    """Where it goes, without what may be secret: user, password, query."""
    try:
        return str(URL(url).with_user(None).with_query(None).with_fragment(None))
    except ValueError:
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
