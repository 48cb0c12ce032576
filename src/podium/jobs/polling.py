"""Asking again and again, for what cannot tell by itself: often at first, then ever less.

A pause is 5 % of the time that has gone by, so that it costs no more than that to notice the end late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

SHARE = 0.05
SHORTEST = 0.05
LONGEST = 2.0


def pauses(longest: float = LONGEST, clock: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """How long to wait now, each time it is asked for."""
    start = clock()
    while True:
        yield min(longest, max(SHORTEST, SHARE * (clock() - start)))


async def poll(ask: Callable[[], Awaitable[T | None]], *, longest: float = LONGEST) -> T:
    """What `ask` gives in the end: it is asked at once, and again until it gives something."""
    waiting = pauses(longest)
    while (answer := await ask()) is None:  # noqa: ASYNC110 - there is no event: what is asked cannot tell
        await asyncio.sleep(next(waiting))
    return answer


async def confirmed(check: Callable[[], Awaitable[bool]], *, within: float = 10.0, longest: float = LONGEST) -> bool:
    """Whether it comes true in that time: for what is said to be done before it can be seen."""

    async def ask() -> bool | None:
        return await check() or None

    try:
        async with asyncio.timeout(within):
            return await poll(ask, longest=longest)
    except TimeoutError:
        return False
