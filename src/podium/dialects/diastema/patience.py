"""A store that is away is waited for: what services have done for hours must not be lost to its restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from podium.errors import Unavailable
from podium.jobs.polling import pauses

T = TypeVar("T")

AWAY_SECONDS = 300.0  # that it is waited for in an attempt


async def patiently(note: Callable[[str], None], ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` gives, which is asked again while its store is away. Raises: Unavailable, when it stays away."""
    until = time.monotonic() + AWAY_SECONDS
    waiting = pauses()
    told = False
    while True:
        try:
            return await ask()
        except Unavailable as error:
            if time.monotonic() > until:
                raise
            if not told:
                note(f"waiting: {error}")
                told = True
        await asyncio.sleep(next(waiting))
