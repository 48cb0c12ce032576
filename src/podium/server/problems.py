"""Errors as HTTP tells them: problem+json (RFC 9457), with what to do about it, and never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from podium.errors import (
    Conflict,
    DocumentRefused,
    Fault,
    Gone,
    LeaseLost,
    NotAllowed,
    NotFound,
    PodiumError,
    SettingsError,
    TooManyAttempts,
    Unavailable,
)
from podium.faults import SHOWN, place, worded

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
FORM = "application/x-www-form-urlencoded"


STATUS: Mapping[type[PodiumError], HTTPStatus] = {
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    DocumentRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    SettingsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    NotAllowed: HTTPStatus.UNAUTHORIZED,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    LeaseLost: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS: Mapping[HTTPStatus, Mapping[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "60"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},
}


def problem(
    status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """A problem document; `more` are members of its own, such as `where` and `hint`."""
    body: dict[str, object] = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    body |= {key: value for key, value in more.items() if value is not None}
    return JSONResponse(body, status.value, {**_HEADERS.get(status, {}), **(headers or {})}, MEDIA_TYPE)


def of_podium(error: PodiumError) -> JSONResponse:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", reason=str(error))
    ending = True if isinstance(error, Gone) else None
    return problem(
        status, error.problem, where=error.where, hint=error.hint, errors=_listed(error.faults), ending=ending
    )


def _listed(faults: Sequence[Fault]) -> list[dict[str, str]] | None:
    return [fault.as_json() for fault in faults] or None


async def _podium(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PodiumError)  # noqa: S101 - FastAPI's signature is wider than what it calls us with
    return of_podium(error)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = [Fault(place(fault["loc"]), worded(fault)) for fault in error.errors()][:SHOWN]
    hint = "/docs describes every call"
    sent = request.headers.get("content-type", "")
    if _takes_form(request) and not sent.startswith(FORM):
        hint = f"Send it as {FORM}, such as username=NAME&password=WORD"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(map(str, faults)), errors=_listed(faults), hint=hint)


def _takes_form(request: Request) -> bool:
    body = getattr(request.scope.get("route"), "body_field", None)
    return body is not None and isinstance(body.field_info, Form)


async def _mistake(_: Request, __: Exception) -> JSONResponse:
    return mistake()  # it is logged where it goes by, in the doorway


def mistake() -> JSONResponse:
    detail = "Podium made a mistake while it answered this; its log tells more"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def install(app: FastAPI) -> None:
    """Have every error of `app` answered so."""
    app.add_exception_handler(PodiumError, _podium)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _mistake)
