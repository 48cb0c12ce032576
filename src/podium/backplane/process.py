"""Models as processes of this machine, each under a shim, for whoever has neither Docker nor a cluster.

A model lives in a session of its own and is no one's but the shim's: Podium may be killed and find it again. All that
is needed for that is in the model's folder; its exit comes through a pidfd, whether the shim is our child or adopted.
"""

from __future__ import annotations

import asyncio
import functools
import os
import py_compile
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import structlog

from podium.backplane import shim
from podium.backplane.environment import clean_environment
from podium.backplane.folder import TAIL_BYTES, Kept, ModelFolder, clear, last
from podium.backplane.models_file import ModelEntry, ModelsFile
from podium.backplane.port import Model, ModelSpec, ModelState
from podium.backplane.sessions import sessions
from podium.backplane.supervisor import Supervisor, check_name, explain, last_lines
from podium.errors import DocumentRefused, NotFound, Unavailable

log = structlog.get_logger()
T = TypeVar("T")
P = ParamSpec("P")

_KILL_SECONDS = 5.0  # for a killed model's shim to say so; then the shim itself is taken for dead
_ROUNDS = 20  # for a model that forks while it is being signalled


@dataclass(eq=False, slots=True)
class _Live:
    """A model that runs. The shim's pid is the number of the session they are both in."""

    kept: Kept
    shim: int
    pidfd: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class ProcessBackplane:
    """Runs models in `directory`; `models` says what stands for an image."""

    def __init__(self, directory: Path, models: ModelsFile) -> None:
        self._directory = directory.resolve()
        self._shim = self._directory / "shim.pyc"
        self._models = models
        self._supervisor = Supervisor(self._expired)
        self._live: dict[str, _Live] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        # One thread: a start holds the interpreter's lock for a moment, and a herd of them would stop the event loop.
        self._thread = ThreadPoolExecutor(1, "backplane")
        self._scanning = asyncio.Lock()
        self._next_scan: asyncio.Task[Mapping[int, tuple[int, ...]]] | None = None

    async def start(self) -> None:
        try:
            await self._off(self._directory.mkdir, mode=0o700, parents=True, exist_ok=True)
            await self._off(self._compile_shim)
            folders = sorted(await self._off(lambda: list(self._directory.iterdir())))
        except OSError as error:
            raise Unavailable(
                f"the models' directory cannot be used: {error.strerror or error}", where=str(self._directory)
            ) from error
        for path in folders:
            if path.name.startswith("."):
                self._background(self._clear(path))
            elif path.is_dir():
                await self._take_over(ModelFolder(path))

    async def close(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        loop = asyncio.get_running_loop()
        for live in self._live.values():
            loop.remove_reader(live.pidfd)
            os.close(live.pidfd)
        self._live.clear()
        self._thread.shutdown()
        self._supervisor.close()

    def check(self, image: str) -> None:
        self._models.find(image)

    async def deploy(self, spec: ModelSpec) -> Model:
        check_name(spec.name)
        return await self._whole(self._deploy(spec))

    async def list(self, labels: Mapping[str, str] | None = None) -> list[Model]:
        return self._supervisor.select(labels)

    def watch(self) -> AsyncIterator[Model]:
        return self._supervisor.watch()

    async def logs(self, name: str, *, tail: int | None = None) -> str:
        if self._supervisor.get(name) is None:
            raise NotFound(f"there is no model {name!r} here")
        text = await asyncio.to_thread(self._folder(name).output)
        return last(text, tail)

    async def remove(self, name: str, *, grace_seconds: float = 5.0) -> None:
        await self._whole(self._remove(name, grace_seconds))

    # Coming to be

    def _compile_shim(self) -> None:
        """Once, and not in each of hundreds: that saves a fifth of a shim's start and of its memory."""
        py_compile.compile(shim.__file__, str(self._shim), doraise=True)
        self._shim.chmod(0o600)

    async def _deploy(self, spec: ModelSpec) -> Model:
        async with self._lock(spec.name):
            known = self._supervisor.get(spec.name)
            if known is not None:
                return known
            entry = self._models.find(spec.image)
            folder = self._folder(spec.name)
            try:
                kept, pid = await self._off(_spawn, self._shim, folder, spec, entry)
            except ValueError as error:
                raise DocumentRefused(f"its environment cannot be handed over: {error}", where=spec.name) from error
            except OSError as error:
                raise Unavailable(f"it cannot be started: {error.strerror or error}", where=spec.name) from error
            self._attend(_Live(kept, pid, os.pidfd_open(pid)))
            log.info("model.started", model=spec.name, image=spec.image, pid=pid)
            return self._seen(kept, ModelState.RUNNING)

    async def _take_over(self, folder: ModelFolder) -> None:
        try:
            kept = await self._off(folder.kept)
            runner = await self._off(folder.runner) if kept else None
        except (OSError, ValueError) as error:  # left as it is: somebody has to look
            log.warning("model.folder_unreadable", folder=str(folder.path), error=str(error))
            return
        if kept is None or runner is None:
            log.warning("model.never_started", folder=str(folder.path))
            await self._clear(folder.path)
            return
        pidfd = runner.open()
        if pidfd is None:  # it may have ended long ago, so this is no news
            model = await self._conclude(kept, runner.pid)
            log.debug("model.ended_before", model=kept.name, state=model.state.value, reason=model.reason)
        else:
            self._attend(_Live(kept, runner.pid, pidfd))
            self._seen(kept, ModelState.RUNNING)
            log.info("model.adopted", model=kept.name, pid=runner.pid)

    def _attend(self, live: _Live) -> None:
        self._live[live.kept.name] = live
        asyncio.get_running_loop().add_reader(live.pidfd, self._exited, live)

    def _seen(self, kept: Kept, state: ModelState, **details: Any) -> Model:
        model = Model(
            name=kept.name,
            image=kept.image,
            labels=kept.labels,
            state=state,
            created=kept.created,
            keep_logs_seconds=kept.keep_logs_seconds,
            **details,
        )
        self._supervisor.put(model)
        return model

    # Ending

    def _exited(self, live: _Live) -> None:
        """The shim is gone, and with it the model: unless the shim was killed."""
        asyncio.get_running_loop().remove_reader(live.pidfd)
        with suppress(ChildProcessError):  # an adopted one is reaped by init
            os.waitid(os.P_PIDFD, live.pidfd, os.WEXITED)
        self._background(self._part_with(live))

    async def _part_with(self, live: _Live) -> None:
        model = await self._conclude(live.kept, live.shim)
        log.info("model.ended", model=model.name, state=model.state.value, reason=model.reason)
        os.close(live.pidfd)
        del self._live[live.kept.name]
        live.ended.set()

    async def _conclude(self, kept: Kept, session: int) -> Model:
        folder = self._folder(kept.name)
        while (ending := await self._off(folder.ending)) is None:
            await self._signal(session, signal.SIGKILL)
            complaints = await self._off(folder.complaints)
            reason = f"its shim was killed, and so was it{': ' if complaints else ''}{complaints}"
            await self._off(folder.end, reason)
        lines = last_lines(await self._off(folder.output, TAIL_BYTES))
        exit_code = ending.code if ending.code >= 0 else None
        number = -ending.code if ending.code < 0 else None
        return self._seen(
            kept,
            ModelState.TERMINATED_FAILED if ending.code else ModelState.TERMINATED_SUCCESSFULL,
            ended=ending.ended,
            exit_code=exit_code,
            signal=number,
            reason=ending.fault or explain(exit_code, number, out_of_memory=ending.out_of_memory),
            last_lines=lines,
        )

    async def _remove(self, name: str, grace_seconds: float) -> None:
        async with self._lock(name):
            live = self._live.get(name)
            if live is not None:
                await self._end(live, grace_seconds)
            if self._supervisor.get(name) is not None:
                self._supervisor.forget(name)
                await self._drop(name)

    async def _end(self, live: _Live, grace_seconds: float) -> None:
        """SIGTERM, SIGKILL, and when even then the shim says nothing (it may be stopped), SIGKILL for that too."""
        await self._signal(live.shim, signal.SIGTERM)
        if not await _within(grace_seconds, live.ended):
            await self._signal(live.shim, signal.SIGKILL)
            if not await _within(_KILL_SECONDS, live.ended):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(live.pidfd, signal.SIGKILL)
                await live.ended.wait()
        await self._signal(live.shim, signal.SIGKILL)

    async def _signal(self, session: int, number: signal.Signals) -> None:
        """Send it once to each process of a model; or SIGKILL until none is left but the shim, which tells of it."""
        kill = number == signal.SIGKILL
        done = {session} if kill else set()
        for _ in range(_ROUNDS):
            members = set((await self._scan()).get(session, ())) - done
            if not members:
                break
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if not kill:
                done |= members

    async def _scan(self) -> Mapping[int, tuple[int, ...]]:
        """All sessions there are at some moment from now on; those who ask at the same time share one look."""
        if self._next_scan is None:
            self._next_scan = self._task(self._scan_next())
        return await asyncio.shield(self._next_scan)

    async def _scan_next(self) -> Mapping[int, tuple[int, ...]]:
        async with self._scanning:
            self._next_scan = None
            return await self._off(sessions)

    def _expired(self, name: str) -> None:
        self._background(self._expire(name))

    async def _expire(self, name: str) -> None:
        async with self._lock(name):
            model = self._supervisor.get(name)
            if model is not None and model.state.ended:
                self._supervisor.forget(name)
                await self._drop(name)

    async def _drop(self, name: str) -> None:
        try:
            await self._off(self._folder(name).drop)
        except OSError as error:
            log.warning("model.folder_left", model=name, error=str(error))

    async def _clear(self, path: Path) -> None:
        try:
            await self._off(clear, path)
        except OSError as error:
            log.warning("model.folder_left", folder=str(path), error=str(error))

    # Order

    def _folder(self, name: str) -> ModelFolder:
        return ModelFolder(self._directory / name)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _off(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it in our thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, functools.partial(work, *args, **kwargs))

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to the end even if the caller is cancelled: half a deploy would be a model that nobody knows."""
        return await asyncio.shield(self._task(work))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        self._task(work).add_done_callback(_complain)

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _complain(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("backplane.task_failed", exc_info=error)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _spawn(program: Path, folder: ModelFolder, spec: ModelSpec, entry: ModelEntry) -> tuple[Kept, int]:
    """Create the folder and start the shim. Raises: ValueError, OSError; then nothing is left behind."""
    folder.path.mkdir(mode=0o700)
    try:
        return folder.fill(spec, time.time()), _start_shim(program, folder, spec, entry)
    except (OSError, ValueError):
        clear(folder.path)
        raise


def _start_shim(program: Path, folder: ModelFolder, spec: ModelSpec, entry: ModelEntry) -> int:
    limits = ",".join(f"{name}={value}" for name, value in entry.limits.model_dump(exclude_none=True).items())
    arguments = [str(folder.path), str(entry.cwd or folder.work), limits, *entry.command]
    complaints = os.open(folder.path / "shim.log", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(program), *arguments],
            _environment(folder, spec, entry),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, complaints, 1),
                (os.POSIX_SPAWN_DUP2, complaints, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    finally:
        os.close(complaints)
    shim.claim(str(folder.path), shim.identity(pid))
    return pid


def _environment(folder: ModelFolder, spec: ModelSpec, entry: ModelEntry) -> dict[str, str]:
    if "" in spec.env:
        raise ValueError("a variable without a name")
    return clean_environment(folder.work) | entry.env | dict(spec.env)
