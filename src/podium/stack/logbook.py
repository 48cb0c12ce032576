"""What models say on the bus, a file each: for models of somebody else's backplane it is all there is of their logs."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from urllib.parse import quote, unquote

import structlog

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


def safe(name: str) -> str:
    """A file name that cannot leave its directory, whatever a run or a model is called."""
    return quote(name, safe="").replace(".", "%2E")
