"""Says whom a run waits for, when nothing has come of it for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from podium.cli.screen import say
from podium.errors import PodiumError

if TYPE_CHECKING:
    from podium.cli.client import Client

LONGEST = 60.0  # seconds between two lines about the same
NEWEST = 100  # runs, among which are those that are under way


@asynccontextmanager
async def saying_waits(client: Client, after: float, run: str | None = None) -> AsyncIterator[None]:
    """Meanwhile: after so many seconds, then after twice as many. Without `run`, of all that have not ended."""
    saying = asyncio.create_task(_say_waits(client, after, run))
    try:
        yield
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying


async def _say_waits(client: Client, after: float, run: str | None) -> None:
    from podium.server.words import waits

    pause, before = after, set[tuple[str, str, int]]()
    while True:
        await asyncio.sleep(pause)
        told = set[tuple[str, str, int]]()
        try:
            for found in [await client.run(id_) for id_ in ([run] if run else await _active(client))]:
                progress = found.get("progress", {})
                if waited := waits(progress, after):
                    of = "" if run else f"{found['id']}  "
                    say(f"{of}waiting for {waited}")
                    told.add((found["id"], progress["phase"], progress["step"]))
        except PodiumError:
            continue  # it is about to go, or conducts no runs; who watches the run itself says so
        pause = min(2 * pause, LONGEST) if told and told == before else after
        before = told


async def _active(client: Client) -> list[str]:
    return [run["id"] for run in (await client.runs(None, NEWEST))["runs"] if not run["ended"]]
