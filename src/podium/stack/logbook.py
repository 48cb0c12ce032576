"""What models say on the bus, a file each: for models of somebody else's backplane it is all there is of their logs.

It goes when the run's document says: as long after the run's end as the backplane keeps what its models wrote.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import quote, unquote

import structlog

from podium.errors import NotFound, PodiumError
from podium.runs.events import Run
from podium.runs.journal import Journal

log = structlog.get_logger()

LARGEST = 16 * 2**20
WAITING = 10_000
SUFFIX = ".log"


class LogBook:
    """Writes on a thread of its own; what comes faster than the disk takes it is dropped and counted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._thread = ThreadPoolExecutor(1, "logbook")
        self._room = BoundedSemaphore(WAITING)
        self.dropped = 0

    def note(self, run: str, model: str, text: str) -> None:
        """Does not block."""
        if self._room.acquire(blocking=False):
            self._thread.submit(self._write, self._path(run, model), text.rstrip("\n") + "\n")
        else:
            self.dropped += 1

    async def read(self, run: str, tail: int | None = None) -> dict[str, str]:
        """By model: all it said, or the last lines."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, run, tail)

    async def runs(self) -> list[str]:
        """Of which runs there is something."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._runs)

    async def drop(self, run: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop, self._directory / safe(run))

    def close(self) -> None:
        self._thread.shutdown()

    def _path(self, run: str, model: str) -> Path:
        return self._directory / safe(run) / f"{safe(model)}{SUFFIX}"

    def _write(self, path: Path, text: str) -> None:
        self._room.release()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                room = LARGEST - file.tell()
                if room > 0:
                    file.write(text if len(text) < room else f"{text[:room]}\n(this log is full)\n")
        except OSError as error:
            self.dropped += 1
            log.error("logbook.not_written", path=str(path), reason=error.strerror)

    def _read(self, run: str, tail: int | None) -> dict[str, str]:
        found = {}
        for path in sorted((self._directory / safe(run)).glob(f"*{SUFFIX}")):
            with path.open(encoding="utf-8") as file:
                found[unquote(path.name.removesuffix(SUFFIX))] = "".join(deque(file, tail))
        return found

    def _runs(self) -> list[str]:
        return [unquote(path.name) for path in self._directory.iterdir()] if self._directory.is_dir() else []

    def _drop(self, directory: Path) -> None:
        try:
            shutil.rmtree(directory)
        except OSError as error:
            log.warning("logbook.not_removed", path=str(directory), reason=error.strerror)


async def forget_old(
    book: LogBook,
    journal: Journal,
    keeps: Callable[[Run, Mapping[str, Any]], float | None],
    clock: Callable[[], float] = time.time,
) -> None:
    """Drop what was said in runs that ended longer ago than their logs are kept.

    `keeps` tells for how many seconds a run's document has them kept; None where nobody knows that kind of run.
    """
    for id_ in await book.runs():
        try:
            run = await journal.run(id_)
            kept = keeps(run, await journal.document(id_)) if run.ended else None
        except NotFound:
            continue  # of another journal
        except PodiumError as error:
            log.warning("logbook.not_looked_after", run=id_, reason=str(error))
            continue
        if kept is not None and run.ended is not None and clock() >= run.ended + kept:
            await book.drop(id_)


def safe(name: str) -> str:
    """A file name that cannot leave its directory, whatever a run or a model is called."""
    return quote(name, safe="").replace(".", "%2E")
