"""Warm processes that run strangers' Python: a call costs a fraction of a millisecond, a crash costs one call.

Calls are handed over ahead of time, so that no worker waits for us between two; who is free takes what another has not
begun. Workers keep their modules, and so what those keep; calls that must not see each other need pools of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from podium.backplane.folder import clear
from podium.backplane.models_file import Limits
from podium.errors import DocumentRefused, Unavailable
from podium.runs.events import Json
from podium.workers.process import Call, Launch, Worker

log = structlog.get_logger()

AHEAD = 8  # calls a worker has at most, the one it performs included
LARGEST_RESULT = 1 << 20
STARTS = 3  # so many fail, one after another, and there is no worker: then the calls that wait fail
RETRY_SECONDS = 5.0  # before another is started beside those there are, when one could not be
_CLOSING = "the workers are being ended"


def _unheard(_line: str) -> None: ...


class Pool:
    """Workers that can call the functions of some packages.

    Args:
        paths: the directories that hold the packages.
        directory: where workers have their own directories.
        size: the most workers there are; as many as the machine has processors, if it is not given.
        idle_seconds: after so long without a call a worker ends.
        preload: modules that are imported before the first call.
        environment: what workers find in theirs, beside what every process needs.
        limits: of one worker; `cpu_seconds` of one call.
        largest_result: in bytes, as JSON.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        directory: Path,
        size: int | None = None,
        idle_seconds: float = 60.0,
        preload: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        largest_result: int = LARGEST_RESULT,
    ) -> None:
        self.paths = tuple(str(path.resolve()) for path in paths)
        self._launch = Launch(self.paths, preload, environment or {}, limits or Limits(), largest_result)
        self._directory = directory.resolve()
        self._size = size or len(os.sched_getaffinity(0))
        self._idle_seconds = idle_seconds
        self._thread = ThreadPoolExecutor(1, "workers")
        self._number = 0
        self._waiting: deque[Call] = deque()
        self._outstanding = 0
        self._workers: list[Worker] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._clearing: set[asyncio.Future[None]] = set()
        self._recycling: asyncio.TimerHandle | None = None
        self._failures = 0  # starts in a row
        self.fault: str | None = None  # of the last of them
        self._grow_after = 0.0
        self._open = True

    @property
    def used(self) -> bool:
        """Whether there ever was a call."""
        return self._number > 0

    @property
    def pids(self) -> frozenset[int]:
        """The workers that live now."""
        return frozenset(worker.pid for worker in self._workers)

    async def warm(self, count: int | None = None) -> None:
        """Start so many workers now, instead of when they are needed. Raises: Unavailable."""
        wanted = min(self._size, count or self._size) - self._there()
        await asyncio.gather(*(self._spawn() for _ in range(wanted)))

    async def call(
        self, function: str, arguments: Mapping[str, Any], *, note: Callable[[str], None] = _unheard
    ) -> Json:
        """The result of `package.module:function(**arguments)`; each line that it writes goes to `note`.

        When the caller is cancelled, so is the call: the worker that has begun it is killed.

        Raises: CallFailed, DocumentRefused (arguments that are not JSON), Unavailable (closed).
        """
        if not self._open:
            raise Unavailable(_CLOSING)
        self._number += 1
        try:
            content = json.dumps([function, arguments], separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise DocumentRefused(f"the arguments of {function} are not JSON: {error}") from None
        call = Call(self._number, content, note, asyncio.get_running_loop().create_future())
        self._outstanding += 1
        self._waiting.append(call)
        self._dispatch()
        try:
            return await call.future
        except asyncio.CancelledError:
            self._abandon(call)
            raise
        finally:
            self._outstanding -= 1

    async def close(self) -> None:
        """End all workers; calls that are not done fail."""
        self._open = False
        if self._recycling is not None:
            self._recycling.cancel()
        self._fail_waiting(_CLOSING)
        for worker in self._workers:
            worker.kill(_CLOSING)
        if self._starting:
            await asyncio.wait(self._starting)
        for worker in list(self._workers):
            await worker.gone.wait()
        while self._clearing:
            await asyncio.wait(self._clearing)
        self._thread.shutdown()

    # Handing over

    def _dispatch(self) -> None:
        while self._waiting:
            worker = self._least_loaded()
            if worker is None or not self._hand(worker, self._waiting[0]):
                break
            self._waiting.popleft()
        there = self._there()
        may_grow = not there or asyncio.get_running_loop().time() >= self._grow_after
        if there < min(self._size, self._outstanding) and may_grow:
            self._spawn()

    def _there(self) -> int:
        return len(self._starting) + sum(worker.ready for worker in self._workers)

    def _least_loaded(self) -> Worker | None:
        free = [worker for worker in self._workers if worker.ready and not worker.ending and worker.load < AHEAD]
        return min(free, key=lambda worker: worker.load, default=None)

    def _hand(self, worker: Worker, call: Call) -> bool:
        """Whether the call need wait no more: a worker has it, or nobody is interested any longer."""
        return call.future.done() or worker.hand(call)

    def _answered(self, worker: Worker) -> None:
        if worker.load == 0 and not self._waiting:
            self._take_over()
            self._recycle_later()
        self._dispatch()

    def _take_over(self) -> None:
        """Somebody has nothing to do: give it what the busiest has not begun."""
        busiest = max(self._workers, key=lambda other: other.load)
        if busiest.load > 1:
            self._waiting.extend(busiest.take_back())

    def _abandon(self, call: Call) -> None:
        for worker in self._workers:
            if worker.has(call):
                self._waiting.extendleft(reversed([other for other in worker.take_back() if other is not call]))
                if worker.has(call):
                    worker.kill("cancelled")
                self._dispatch()

    # Workers come and go

    def _spawn(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self._begin(), name="worker")
        self._starting.add(task)
        task.add_done_callback(self._started)
        return task

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._failures, self.fault = 0, None
        elif self._open:
            self._failures += 1
            self.fault = str(error)
            self._grow_after = asyncio.get_running_loop().time() + RETRY_SECONDS
            log.error("worker.not_started", reason=str(error))
            if self._failures >= STARTS and not self._there():
                self._fail_waiting(str(error))
            else:
                self._dispatch()

    async def _begin(self) -> None:
        """Raises: Unavailable."""
        directory = self._directory / uuid.uuid4().hex
        loop = asyncio.get_running_loop()
        try:
            process = await loop.run_in_executor(self._thread, self._launch.start, directory)
        except OSError as error:
            self._clear(directory)
            raise Unavailable(f"no worker can be started: {error.strerror or error}") from error
        worker = Worker(process, answered=self._answered, gone=self._gone)
        self._workers.append(worker)
        if not self._open:
            worker.kill(_CLOSING)
        await worker.settled.wait()
        if not worker.ready:
            raise Unavailable(f"no worker can be started: {worker.end}")

    def _gone(self, worker: Worker, unbegun: list[Call]) -> None:
        self._workers.remove(worker)
        self._waiting.extendleft(reversed(unbegun))
        self._clear(worker.directory)
        if not self._open:
            self._fail_waiting(_CLOSING)
        elif worker.ready:  # else whoever started it will see to it
            self._dispatch()

    def _fail_waiting(self, reason: str) -> None:
        while self._waiting:
            self._waiting.popleft().fail(reason)

    def _recycle_later(self) -> None:
        if self._recycling is None:
            self._recycling = asyncio.get_running_loop().call_later(self._idle_seconds, self._recycle)

    def _recycle(self) -> None:
        self._recycling = None
        idle = [worker for worker in self._workers if worker.ready and worker.load == 0]
        long_ago = asyncio.get_running_loop().time() - self._idle_seconds
        for worker in idle:
            if worker.idle_since <= long_ago:
                worker.kill("idle")
            else:
                self._recycle_later()

    def _clear(self, directory: Path) -> None:
        future = asyncio.get_running_loop().run_in_executor(self._thread, _cleared, directory)
        self._clearing.add(future)
        future.add_done_callback(self._clearing.discard)


def _cleared(directory: Path) -> None:
    try:
        clear(directory)
    except FileNotFoundError:
        pass  # it was never made
    except OSError as error:
        log.warning("worker.directory_left", directory=str(directory), error=str(error))
