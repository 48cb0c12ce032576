"""Watching a run to its end, whatever becomes of the connection, or of the Podium that conducts it.

The end of a stream of events says nothing: the run's own state does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from podium.cli.reach import AGAIN_SECONDS
from podium.cli.screen import say
from podium.errors import Unavailable

if TYPE_CHECKING:
    from podium.cli.client import Client
    from podium.stack.home import Home
    from podium.stack.whole import Stack

GOES_ON = "`podium serve` or the next `podium run` goes on with it"

Show = Callable[[dict[str, Any]], None]


async def follow(
    client: Client, run: str | None, home: Home, stack: Stack | None = None, show: Show = lambda _: None
) -> dict[str, Any] | None:
    """Until a run has ended: the run as it is then; None, when nobody conducts it any more.

    Args:
        client: reaches the owner of `home`.
        run: None: all runs, which has no end of its own.
        home: the data directory.
        stack: its owner, if that is us.
        show: takes each event.
    """
    if stack is None:
        return await _follow(client, run, lambda: not home.has_owner(), show)
    following = asyncio.create_task(_follow(client, run, stack.stopping.is_set, show))
    stopping = asyncio.create_task(stack.stopping.wait())
    try:
        await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
        return await following if following.done() else None
    finally:
        for task in (following, stopping):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def _follow(client: Client, run: str | None, is_gone: Callable[[], bool], show: Show) -> dict[str, Any] | None:
    path, position = f"/api/v1/runs/{run}" if run else "/api/v1", 0
    while True:
        try:
            async for event in client.events(f"{path}/events", after=position):
                position = event["position"]
                show(event)
            found: dict[str, Any] = await client.json(path) if run else {"ended": None}
        except Unavailable as error:
            if is_gone():
                return None
            say(str(error))
        else:
            if found["ended"]:
                return found
            if is_gone():
                return None
        await asyncio.sleep(AGAIN_SECONDS)
