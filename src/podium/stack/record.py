"""What is on record of runs, where nobody lives who could be asked: the journal alone, for a quick look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from podium.dialects.documents import DIRECTORY
from podium.runs import lease
from podium.runs.journal import PAGE, Journal
from podium.server.story import Stories
from podium.settings import Settings
from podium.stack.home import Home


class Record:
    """The same answers as the API gives."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def run(self, id_: str) -> dict[str, Any]:
        return await Stories(self._journal).shown(await self._journal.run(id_))

    async def runs(self, search: str | None, limit: int) -> dict[str, Any]:
        found = await self._journal.runs(search=search, limit=limit + 1)
        after = found[limit - 1].submitted if len(found) > limit else None
        return {"runs": [run.as_json() for run in found[:limit]], "next": after}

    async def past(self, run: str | None) -> AsyncIterator[dict[str, Any]]:
        if run is not None:
            await self._journal.run(run)  # there is such a run
        after = 0
        while page := await self._journal.events(run, after=after, limit=PAGE):
            after = page[-1].position
            for recorded in page:
                yield recorded.as_json()

    async def jobs(self, run: str, state: str | None) -> AsyncIterator[dict[str, Any]]:
        for job in await Stories(self._journal).jobs(await self._journal.run(run), state):
            yield job

    async def directory(self, run: str) -> Path | None:
        """Where the file was that it was made from, where that is known."""
        found = (await self._journal.document(run)).get(DIRECTORY)
        return None if found is None else Path(found)

    async def left(self) -> frozenset[str]:
        """The runs that have not ended and that nobody conducts."""
        if await self._journal.owner() is not None:  # on another machine
            return frozenset()
        return frozenset(run.id for run in await self._journal.unfinished())

    async def page(self) -> None:
        """Nobody serves one."""


@asynccontextmanager
async def record(settings: Settings, home: Home) -> AsyncIterator[Record]:
    journal = Journal(home.database(settings), owner=lease.this_process())
    await journal.open()
    try:
        yield Record(journal)
    finally:
        await journal.close()
