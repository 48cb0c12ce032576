"""How a command reaches runs: through the socket file of the Podium that owns them, or by looking for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from podium.errors import Conflict, Gone, NotFound, Unavailable

if TYPE_CHECKING:
    from podium.cli.client import Client
    from podium.settings import Settings
    from podium.stack.home import Home
    from podium.stack.record import Record

Answer = TypeVar("Answer")

AGAIN_SECONDS = 0.5  # until a Podium that is about to go is gone, or another has taken its place
NEWEST = ("last", "-")
ALIKE = 500  # runs looked through for one whose id begins as given
SHOWN = 5


@asynccontextmanager
async def owner(settings: Settings) -> AsyncIterator[Client]:
    """Raises: Unavailable, when there is none."""
    from podium.stack.home import Home

    home = Home(settings.data)
    if not home.has_owner():
        raise Unavailable("no Podium runs on this data directory", where=str(home.path), hint="Start `podium serve`")
    async with _through(home) as client:
        yield client


@asynccontextmanager
async def anybody(settings: Settings, *, at_results: bool = False, make: bool = False) -> AsyncIterator[Client]:
    """The owner if there is one; else what is in the data directory, which is made if need be.

    Raises: NotFound, when there is no data directory and it is not to be made.
    """
    from podium.stack.home import Home

    home = Home(settings.data)
    if home.has_owner():
        async with _through(home) as client:
            yield client
        return
    if not make:
        must_exist(settings)
    async with looking(settings, at_results=at_results) as client:
        yield client


async def told(settings: Settings, ask: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """What `anybody` answers, results too; asked again where the owner was about to end."""
    while True:
        try:
            async with anybody(settings, at_results=True) as client:
                return await ask(client)
        except Gone:
            await asyncio.sleep(AGAIN_SECONDS)


@asynccontextmanager
async def on_record(settings: Settings) -> AsyncIterator[Client | Record]:
    """The owner if there is one, else the journal. Raises: NotFound, when there is no data directory."""
    from podium.stack.home import Home

    home = Home(settings.data)
    if home.has_owner():
        async with _through(home) as client:
            yield client
        return
    must_exist(settings)
    from podium.stack.record import record

    async with record(settings, home) as found:
        yield found


async def named(record: Client | Record, given: str) -> str:
    """The id of the run that is meant: by all of it, by how it alone begins, or by `last` or `-`, the newest.

    An id that nobody knows is given back as it is. Raises: NotFound (no run at all), Conflict (several begin so).
    """
    if given in NEWEST:
        newest = (await record.runs(None, 1))["runs"]
        if not newest:
            raise NotFound("there is no run yet", where=given)
        return str(newest[0]["id"])
    found = await record.runs(given, ALIKE)
    like: list[str] = [run["id"] for run in found["runs"] if run["id"].startswith(given)]
    if given in like or not like:
        return given
    if len(like) > 1 or found["next"]:
        shown = ", ".join(like[:SHOWN]) + (" and others" if len(like) > SHOWN or found["next"] else "")
        raise Conflict("several runs may be meant", where=given, hint=f"Such as {shown}")
    return like[0]


def must_exist(settings: Settings) -> None:
    """Raises: NotFound, when there is no data directory."""
    from podium.stack.home import Home

    home = Home(settings.data)
    if not home.exists:
        raise NotFound("nothing has run here yet", where=str(home.path), hint="Start with `podium run DOCUMENT`")


@asynccontextmanager
async def looking(settings: Settings, *, at_results: bool = False) -> AsyncIterator[Client]:
    """Serves what is there to this process alone, through a socket file too: so answers are streamed."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from podium.cli.client import Client, through
    from podium.server.listen import Listener
    from podium.stack.home import Home
    from podium.stack.whole import Stack

    stack = Stack(settings)
    await stack.look(at_results=at_results)
    try:
        with TemporaryDirectory(prefix="podium-") as nowhere:
            door = Home(Path(nowhere))
            listener = Listener(stack.app.asgi, [door.claim()], trusted=True)
            listener.start()
            try:
                async with through(door, patience=None) as http:
                    yield Client(http)
            finally:
                await listener.close()
    finally:
        await stack.close()


@asynccontextmanager
async def _through(home: Home) -> AsyncIterator[Client]:
    from podium.cli.client import Client, through

    async with through(home) as http:
        yield Client(http)
