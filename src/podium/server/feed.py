"""Live events for any number of watchers, out of one reading of the journal.

The newest events are kept in a short window; a watcher who is further behind reads the journal in pages. Nobody's
events are queued: a watcher who does not read costs the page that is being sent to it, and nothing more.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress

import structlog

from podium.errors import PodiumError, Unavailable
from podium.runs.events import Recorded
from podium.runs.journal import Journal

log = structlog.get_logger()

WINDOW = 2000
PAGE = 500
IDLE_SECONDS = 15.0
AGAIN_SECONDS = 1.0
BREATH_SECONDS = 0.05  # between two readings: a run of a thousand steps a second is read twenty times, not a thousand


class Feed:
    """Follows one journal from `start` to `close`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._window: list[Recorded] = []
        self._since = 0  # every event behind this position is in the window
        self._newest = 0
        self._waiting: dict[str | None, set[asyncio.Future[None]]] = defaultdict(set)
        self._following: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @property
    def newest(self) -> int:
        """The position of the newest event."""
        return self._newest

    async def start(self) -> None:
        self._since = self._newest = await self._journal.wait_beyond(-1)
        self._following = asyncio.create_task(self._follow(), name="live events")

    async def close(self) -> None:
        """All watchers come to their end."""
        self._end()
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following

    async def watch(self, run: str | None, after: int, *, idle: float = IDLE_SECONDS) -> AsyncIterator[list[Recorded]]:
        """Pages of events behind position `after`, of one run or of all, until `close`; an empty one when idle."""
        while not self._closed.is_set():
            reached = self._newest
            page = await self._page(run, after)
            if page:
                after = page[-1].position
                yield page
            elif reached == self._newest:
                after = max(after, reached)
                if not await self._news(run, idle):
                    yield []

    async def past(self, run: str | None, after: int) -> AsyncIterator[list[Recorded]]:
        """Pages of events behind position `after`, up to the newest."""
        while page := await self._journal.events(run, after=after, limit=PAGE):
            after = page[-1].position
            yield page

    async def _page(self, run: str | None, after: int) -> list[Recorded]:
        if after < self._since:
            return await self._journal.events(run, after=after, limit=PAGE)
        first = bisect_right(self._window, after, key=lambda recorded: recorded.position)
        return [recorded for recorded in self._window[first:] if run is None or recorded.run == run][:PAGE]

    async def _news(self, run: str | None, idle: float) -> bool:
        """Wait for an event of the run; False when none came."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[run].add(future)
        try:
            async with asyncio.timeout(idle):
                await future
        except TimeoutError:
            return False
        else:
            return True
        finally:
            waiting = self._waiting.get(run, set())
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(run, None)

    def _wake(self, *runs: str | None) -> None:
        for run in runs:
            for future in self._waiting.pop(run, ()):
                if not future.done():
                    future.set_result(None)

    async def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                reached = await self._journal.wait_beyond(self._newest)
                news = await self._journal.events(after=self._newest, limit=PAGE)
            except Unavailable as error:
                log.warning("feed.waits", reason=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
            except PodiumError as error:
                log.error("feed.ended", reason=str(error))
                self._end()
            else:
                self._take(news, reached)
                if len(news) < PAGE:
                    await asyncio.sleep(BREATH_SECONDS)

    def _take(self, news: list[Recorded], reached: int) -> None:
        self._window += news
        if len(self._window) > 2 * WINDOW:
            self._since = self._window[-WINDOW - 1].position
            del self._window[:-WINDOW]
        self._newest = news[-1].position if news else reached
        self._wake(None, *{recorded.run for recorded in news})

    def _end(self) -> None:
        self._closed.set()
        self._wake(*list(self._waiting))
