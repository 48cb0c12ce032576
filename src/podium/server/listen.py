"""Serves the application on sockets that are open already: TCP for everybody, a socket file for this user's programs.

Signals are not uvicorn's business here. A request that came through the socket file carries a mark: its caller is known
by being able to open that file.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from podium.errors import SettingsError
from podium.server.doorway import TRUSTED

DRAIN_SECONDS = 5
KEEP_ALIVE_SECONDS = 75  # longer than clients keep a connection: else we close one while a request is on its way


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises: SettingsError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(1024)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        hint = "Choose another with --port, or 0 for any that is free"
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint=hint) from None
    return opened


class Listener:
    """One application on some sockets, until `close`."""

    def __init__(self, app: ASGIApp, sockets: Sequence[socket.socket], *, trusted: bool = False) -> None:
        config = uvicorn.Config(
            marked(app) if trusted else app,
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._server = _Server(config)
        self._sockets = list(sockets)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(self._sockets), name="http")

    async def close(self) -> None:
        """Answer what is being answered, then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def marked(app: ASGIApp) -> ASGIApp:
    async def trusted(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, TRUSTED: True}, receive, send)

    return trusted
