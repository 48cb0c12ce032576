"""What a Podium that was killed has left alive, and how it is ended with no other in its place.

Where its broker lives, another Podium takes over for a moment, so that runs end as they should and their results are
written. Where there is none, nobody could tell the models anything: they are ended by force, their runs in the journal.
"""

from __future__ import annotations

import time

from podium.bus.embedded import EmbeddedBroker
from podium.runs import lease
from podium.runs.events import Event
from podium.runs.journal import Journal
from podium.settings import Settings
from podium.stack import models
from podium.stack.exchange import BROKER
from podium.stack.home import Home

REASON = "Podium was told to end everything"


async def end_all(settings: Settings, home: Home) -> list[str]:
    """End it, and tell what there was. Raises: Conflict, when somebody lives there."""
    own_broker = EmbeddedBroker(home.path / BROKER).lives
    by_message = own_broker or settings.broker is not None
    found = await _end_by_force(settings, home, look_only=by_message)
    if own_broker:
        found.append("the broker")
    if found and by_message:
        from podium.stack.whole import Stack

        stack = Stack(settings, page=False)
        await stack.start()
        stack.stop(everything=True)
        await stack.close()
    return found


async def _end_by_force(settings: Settings, home: Home, *, look_only: bool) -> list[str]:
    with home.claim():
        found = await _models(settings, home, look_only=look_only)
        return [*found, *await _runs(settings, home, look_only=look_only)]


async def _models(settings: Settings, home: Home, *, look_only: bool) -> list[str]:
    here = models.backplane(settings, home)
    await here.start()
    try:
        living = [model.name for model in await here.list() if not model.state.ended]
        if not look_only:
            await models.end_all(here)
    finally:
        await here.close()
    return [f"model {name}" for name in living]


async def _runs(settings: Settings, home: Home, *, look_only: bool) -> list[str]:
    journal = Journal(home.database(settings), owner=lease.this_process())
    await journal.open()
    try:
        unfinished = await journal.unfinished()
        if unfinished and not look_only:
            await journal.acquire()
            for run in unfinished:
                await journal.append(run.id, [Event("run.cancelled", {"at": time.time(), "error": {"reason": REASON}})])
                home.document_secrets.drop(run.id)
    finally:
        await journal.close()
    return [f"run {run.id}" for run in unfinished]
