"""What every request passes first: the checks that keep strange pages away from a server on loopback, and the headers.

A browser on this machine reaches 127.0.0.1 for any page it shows. A page that had its name point here (DNS rebinding)
is known by its Host, and one that sends its forms here by its Origin; both are turned away before anything else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar
from http import HTTPStatus
from ipaddress import ip_address

import structlog
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from podium.server.problems import mistake, problem

log = structlog.get_logger()

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a browser's own forms have no Origin
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
TRUSTED = "podium.trusted"  # in the scope of requests that came through the socket file

LARGEST_BODY = 25 * 2**20
TOO_LARGE = f"the body is larger than {LARGEST_BODY >> 20} MB"

caller: ContextVar[str] = ContextVar("caller", default="")


class KnownHosts:
    """The names this server answers to.

    Args:
        host: what it listens on. On a wildcard any bare IP address is a good name too: rebinding needs a domain.
        more: further names, such as that of a proxy or of a service in a cluster.
    """

    def __init__(self, host: str, more: Iterable[str] = ()) -> None:
        self._names = {name.lower().strip("[]") for name in (*LOOPBACK, host, *more)}
        self._any_address = host in ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound

    def __contains__(self, authority: object) -> bool:
        name = _hostname(str(authority))
        return name in self._names or (self._any_address and _is_address(name))


class Doorway:
    """The outermost ASGI layer: host, origin, security headers, one line of access log without the query."""

    def __init__(self, app: ASGIApp, *, known: KnownHosts, durations: Histogram) -> None:
        self._app = app
        self._known = known
        self._durations = durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no websockets here, and parts are started by the stack
        caller.set(scope["client"][0] if scope.get("client") else "")
        answer = _Answer(send)
        began = time.perf_counter()
        try:
            await (self._refusal(scope) or self._app)(scope, _limited(receive), answer)
        except ClientDisconnect:
            log.debug("request.given_up", path=scope["path"])
        except Exception:
            log.exception("request.broken", method=scope["method"], path=scope["path"])
            if not answer.status:
                await mistake()(scope, receive, answer)
        took = time.perf_counter() - began
        self._durations.labels(scope["method"], str(answer.status)).observe(took)
        log.debug("request", method=scope["method"], path=scope["path"], status=answer.status, seconds=round(took, 4))

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if (size := headers.get("content-length", "0")).isdecimal() and int(size) > LARGEST_BODY:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        if TRUSTED in scope:
            return None
        host = headers.get("host", "")
        if host not in self._known:
            hint = "Use the address Podium printed, or add the name to the setting `hosts`"
            return problem(HTTPStatus.MISDIRECTED_REQUEST, "this server does not go by that name", hint=hint)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return problem(HTTPStatus.FORBIDDEN, "requests from pages of another origin are not let in")
        return None


class _Answer:
    """Puts the headers on the response and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _limited(receive: Receive) -> Receive:
    """For bodies that do not tell their size beforehand."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        return message

    return counted


def _hostname(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
