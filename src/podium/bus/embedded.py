"""The embedded broker: a real nats-server as a child process that outlives us.

Models talk to the broker and not to us, so it goes on when Podium is killed, and the next Podium adopts it: same
process, same ports, same passwords. One open file, locked, is handed to the server: while it is locked a server lives
in this directory, and no second one is ever started on the same JetStream files. A server that dies is started again
at once on the same ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from podium.bus import broker_config, lifecycle
from podium.bus.broker_config import LOOPBACK, MODELS, PODIUM, Credentials, Settings
from podium.bus.memory import RememberingNatsBus
from podium.bus.process import Process, reap, spawn, write_private
from podium.bus.watch import FileWatch, ProcessWatch
from podium.errors import Conflict, PodiumError, Unavailable

log = structlog.get_logger()

_READY_SECONDS = 30.0
_GRACE_SECONDS = 10.0
_RESTARTS = 5
_LAST_LINES = 10
_RESTART_WINDOW = 60.0


class EmbeddedBroker:
    """The broker of one data directory.

    Args:
        directory: where its files are; made with mode 0700.
        simulators: names of the simulation orchestrators whose lifecycle messages are remembered.
        models_publish: topic filters models may publish to, beyond those of the DOTS field.
        models_subscribe: topic filters models may subscribe to, beyond those of the DOTS field.
        clock: a monotonic clock, to bound how often a dying server is started again.
    """

    def __init__(
        self,
        directory: Path,
        *,
        simulators: Sequence[str] = ("dots-so",),
        models_publish: Sequence[str] = (),
        models_subscribe: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory.absolute()
        self.remembered = lifecycle.remembered(simulators)
        self.broken = asyncio.Event()
        self.error: PodiumError | None = None
        self.adopted = False  # it went on from before `start`
        self._models_publish = (*lifecycle.MODELS_PUBLISH, *models_publish)
        self._models_subscribe = (*lifecycle.MODELS_SUBSCRIBE, *models_subscribe)
        self._clock = clock
        self._settings: Settings | None = None
        self._process: Process | None = None
        self._watch: ProcessWatch | None = None
        self._restart: asyncio.Task[None] | None = None
        self._deaths: deque[float] = deque(maxlen=_RESTARTS)
        self._held_ports = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<EmbeddedBroker {self.directory} pid={self.pid}>"

    @property
    def pid(self) -> int | None:
        """The server's process id; None while there is none."""
        return self._process.pid if self._process else None

    @property
    def lives(self) -> bool:
        """Whether a server lives in this directory, whoever looks after it."""
        return Process.load(self._path("pid")) is not None

    @property
    def nats_url(self) -> str:
        return f"nats://{LOOPBACK}:{self._chosen.ports.nats}"

    @property
    def mqtt_url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self._chosen.ports.mqtt}"

    @property
    def host(self) -> str:
        return LOOPBACK

    @property
    def mqtt_port(self) -> int:
        return self._chosen.ports.mqtt

    @property
    def websocket_port(self) -> int:
        return self._chosen.ports.websocket

    @property
    def credentials(self) -> Credentials:
        """Podium's own: may do everything."""
        return Credentials(PODIUM, self._chosen.podium_password)

    @property
    def models(self) -> Credentials:
        """What models are given: no orders, no `$JS`."""
        return Credentials(MODELS, self._chosen.models_password)

    async def start(self) -> None:
        """Adopt the server that lives in this directory, or start one; returns when it takes connections.

        Raises: Unavailable, when it does not start; Conflict, when a server lives here that we do not know.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._run_directory.mkdir(mode=0o700, exist_ok=True)
        self.broken.clear()
        self.error = None
        self._settings = Settings.load(self._path("json"))
        lock = self._lock()
        self.adopted = lock is None
        try:
            if lock is None:
                self._adopt()
            else:
                await self._start_first(lock)
            # Proves at once that the server answers, and has it remember from the first message on.
            await self._ensure_memory()
        except BaseException:
            self.detach()
            raise

    def detach(self) -> None:
        """Look after the server no longer; it goes on, to be adopted again."""
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._process = None
        self._held_ports.close()

    async def stop(self) -> None:
        """End the server of this directory in good order, whether this object started it or not."""
        restart = self._restart
        self.detach()
        if restart is not None:
            await asyncio.gather(restart, return_exceptions=True)
        process = Process.load(self._path("pid"))
        if process is not None:
            await process.end(_GRACE_SECONDS)
            reap(process.pid)
            log.info("broker.stopped", pid=process.pid)
        self._path("pid").unlink(missing_ok=True)

    # --- starting

    async def _start_first(self, lock: int) -> None:
        """Start on the ports models know; when others sit there by now, nobody waits for us there: choose new ones."""
        try:
            for _ in range(_RESTARTS):
                settings = self._settings or Settings.fresh()
                try:
                    await self._launch(settings, lock)
                except _PortTaken:
                    log.warning("broker.ports taken", ports=settings.ports)
                    self._settings = None
                else:
                    return
        finally:
            os.close(lock)
        raise self._unavailable("the embedded broker found no free ports")

    async def _launch(self, settings: Settings, lock: int) -> None:
        """One server on these ports, up and watched. Raises: Unavailable, _PortTaken."""
        self._settings = settings
        try:
            held = settings.ports.hold()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise _PortTaken("a port is taken") from error
        self._held_ports.close()
        self._held_ports = held
        settings.save(self._path("json"))
        write_private(self._path("conf"), self._render())
        for stale in self._run_directory.iterdir():
            stale.unlink()
        changed = asyncio.Event()
        files = FileWatch(self._run_directory, changed.set)
        command = [str(broker_config.binary()), "-c", str(self._path("conf"))]
        process = spawn(command, errors=self._path("err"), lock=lock, environment={"PATH": os.defpath})
        self._process = process
        try:
            process.save(self._path("pid"))
            watch = ProcessWatch(process.pid, changed.set)
            try:
                async with asyncio.timeout(_READY_SECONDS):
                    while not (self._run_directory / f"nats-server_{process.pid}.ports").exists():
                        if not process.alive:
                            raise self._no_start(process.pid)
                        await changed.wait()
                        changed.clear()
            finally:
                watch.close()
        except TimeoutError as error:
            self._process = None
            await process.end(0)
            raise self._unavailable(f"the embedded broker was not ready within {_READY_SECONDS:.0f} seconds") from error
        except PodiumError:
            self._process = None
            raise
        except asyncio.CancelledError:
            await process.end(_GRACE_SECONDS)
            raise
        finally:
            files.close()
        self._look_after(process)
        log.info("broker.started", pid=process.pid, nats=self.nats_url, mqtt=self.mqtt_url)

    def _adopt(self) -> None:
        process = Process.load(self._path("pid"))
        if process is None or self._settings is None:
            raise Conflict(
                "a broker that is not ours holds this directory",
                where=str(self.directory),
                hint="End the nats-server that was started on it, or use another data directory",
            )
        wanted = self._render()
        if not self._path("conf").exists() or self._path("conf").read_text() != wanted:
            # Rights may differ in a newer Podium; the server takes users and permissions over without a restart.
            write_private(self._path("conf"), wanted)
            process.signal(signal.SIGHUP)
        self._look_after(process)
        log.info("broker.adopted", pid=process.pid, nats=self.nats_url, mqtt=self.mqtt_url)

    async def _ensure_memory(self) -> None:
        user, password = self.credentials.user, self.credentials.password
        bus = RememberingNatsBus(self.nats_url, remember=self.remembered, user=user, password=password)
        await bus.connect()
        await bus.close()

    # --- looking after it

    def _look_after(self, process: Process) -> None:
        self._process = process
        try:
            self._watch = process.watch(self._died)
        except ProcessLookupError:
            self._died()

    def _died(self) -> None:
        process, self._process, self._watch = self._process, None, None
        code = reap(process.pid) if process else None
        pid = process.pid if process else 0
        log.error("broker.died", pid=pid, exit_code=code, last_lines=self._last_lines(pid))
        self._restart = asyncio.ensure_future(self._start_again())

    async def _start_again(self) -> None:
        """Until it is up, or has died so often that something is wrong with it."""
        while True:
            now = self._clock()
            if len(self._deaths) == _RESTARTS and now - self._deaths[0] < _RESTART_WINDOW:
                self._give_up(self._unavailable(f"the embedded broker died {_RESTARTS + 1} times in a minute"))
                return
            self._deaths.append(now)
            lock = self._lock()
            if lock is None or self._settings is None:
                self._give_up(self._unavailable("another broker has taken this directory"))
                return
            try:
                await self._launch(self._settings, lock)
            except _PortTaken:
                self._give_up(self._unavailable("another program took a port of the embedded broker while it was down"))
            except Unavailable as error:
                log.error("broker.did not start", error=str(error))
                continue
            finally:
                os.close(lock)
            return

    def _give_up(self, error: PodiumError) -> None:
        log.error("broker.given up", error=str(error))
        self.error = error
        self.broken.set()

    # --- small things

    @property
    def _chosen(self) -> Settings:
        if self._settings is None:
            raise Unavailable("the embedded broker is not started")
        return self._settings

    @property
    def _run_directory(self) -> Path:
        return self.directory / "run"

    def _path(self, suffix: str) -> Path:
        return self.directory / f"broker.{suffix}"

    def _lock(self) -> int | None:
        """The lock a living server holds; None when one does."""
        fd = os.open(self._path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def _render(self) -> str:
        return broker_config.render(
            self._chosen,
            self.directory,
            models_publish=self._models_publish,
            models_subscribe=self._models_subscribe,
        )

    def _last_lines(self, pid: int) -> list[str]:
        """The last words of one server: what it logged, and what it said before it had a log."""
        lines: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            logged = self._path("log").read_text(errors="replace").splitlines()
            lines += [line for line in logged if line.startswith(f"[{pid}]")][-_LAST_LINES:]
        with contextlib.suppress(FileNotFoundError):
            lines += self._path("err").read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return lines

    def _no_start(self, pid: int) -> PodiumError:
        code, lines = reap(pid), self._last_lines(pid)
        if any("address already in use" in line for line in lines):
            return _PortTaken("a port is taken")
        said = f"It said: {lines[-1]}" if lines else None
        return self._unavailable(f"the embedded broker did not start (exit code {code})", said)

    def _unavailable(self, problem: str, hint: str | None = None) -> Unavailable:
        return Unavailable(problem, where=str(self._path("log")), hint=hint)


class _PortTaken(Unavailable):
    pass
