"""How a browser signs in, and what the owner's own programs ask through the socket file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from podium import __version__
from podium.errors import NotFound
from podium.runs.events import Json
from podium.server.auth import SESSION_SECONDS, Auth
from podium.server.doorway import TRUSTED
from podium.server.parts import Parts


class Word(BaseModel):
    """The one-time word of an address that was printed on the terminal."""

    word: str


class Ending(BaseModel):
    all: bool = False


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.post("/session")
    async def redeem(given: Word) -> Response:
        response = Response(status_code=204)
        _remember(response, parts.auth, parts.auth.redeem(given.word))
        return response

    @router.post("/session/password")
    async def sign_in(username: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
        await parts.auth.login(username, password)
        response = RedirectResponse("/", 303)
        _remember(response, parts.auth, parts.auth.session())
        return response

    @router.post("/session/end")
    async def sign_out() -> Response:
        response = RedirectResponse("/", 303)
        response.delete_cookie(parts.auth.cookie, httponly=True, samesite="strict")
        return response

    return router


def owner_routes(stop: Callable[[bool], None], link: Callable[[], str | None] = lambda: None) -> APIRouter:
    """For programs of this user: who owns the data directory, and its end."""
    router = APIRouter(include_in_schema=False)

    @router.get("/owner")
    async def owner(request: Request) -> dict[str, Json]:
        _only_owner(request)
        return {"pid": os.getpid(), "version": __version__, "page": link()}

    @router.post("/owner/stop", status_code=202)
    async def end(request: Request, ending: Ending) -> dict[str, Json]:
        _only_owner(request)
        stop(ending.all)
        return {"stopping": True}

    return router


def _remember(response: Response, auth: Auth, session: str) -> None:
    response.set_cookie(auth.cookie, session, max_age=SESSION_SECONDS, httponly=True, samesite="strict")


def _only_owner(request: Request) -> None:
    if TRUSTED not in request.scope:
        raise NotFound("there is nothing here")
