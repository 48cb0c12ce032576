"""What performs jobs of graphs, whatever their dialect: made here once, started when a job first needs it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import cached_property

from podium.backplane.port import Backplane
from podium.bus.port import Bus
from podium.errors import PodiumError
from podium.jobs.analytics import Analytics
from podium.jobs.callbacks import Callbacks
from podium.jobs.client import Client
from podium.jobs.container import Container
from podium.jobs.http import HttpService
from podium.jobs.message import MessageJob
from podium.jobs.pipeline import AnotherRun
from podium.jobs.plugins import plugins
from podium.jobs.port import JobKind
from podium.jobs.services import Services
from podium.runs.conductor import Conductor
from podium.runs.events import Run, Submission
from podium.settings import Location, Settings
from podium.stack.home import Home
from podium.stores.artifacts import Artifacts, environment, open_artifacts

CALLBACKS = "/api/v1/callbacks/"
PROBE_SECONDS = 15.0
PROBED = "podium-probe"  # a bucket that need not be there


class Jobs:
    """The parts of one Podium that jobs use.

    Args:
        conducting: gives the conductor, once there is one.
        read: what a dialect makes of a document: content and file name.
    """

    def __init__(
        self,
        settings: Settings,
        home: Home,
        backplane: Backplane,
        *,
        conducting: Callable[[], Conductor],
        read: Callable[[bytes, str], Awaitable[Submission]],
    ) -> None:
        self._settings = settings
        self._home = home
        self._backplane = backplane
        self._runs = _Runs(conducting)
        self._read = read
        self._client = Client()
        self.callbacks: Callbacks | None = None
        self.told = environment(settings.artifacts_place)
        self.services = Services(backplane, environment=self.told)
        self.containers = Container(backplane, home.path / "jobs")
        self.workers = home.path / "workers"
        self.faults: dict[str, str | None] = {}
        self._watching: asyncio.Task[None] | None = None

    @cached_property
    def artifacts(self) -> Artifacts:
        return open_artifacts(self._settings.artifacts_place)

    def kinds(self, bus: Bus) -> dict[str, JobKind]:
        """By the name that documents use; those of other packages among them, but in place of none of ours."""
        ours: dict[str, JobKind] = {
            "analytics": Analytics(),
            "container": self.containers,
            "http": HttpService(self._client, self.callbacks),
            "message": MessageJob(bus),
            "run": AnotherRun(self._runs, self._read),
        }
        return {**plugins(), **ours}

    def expect_calls(self, address: str) -> None:
        """Have services post their outcomes to us, who are at `address` (`http://127.0.0.1:8001`)."""
        self.callbacks = Callbacks(self._home.secrets.generate("callbacks"), f"{address.rstrip('/')}{CALLBACKS}")

    async def tidy(self, unfinished: Collection[str]) -> None:
        """Remove what an earlier Podium has left that no run needs; its workers have ended with it."""
        await asyncio.to_thread(shutil.rmtree, self.workers, ignore_errors=True)
        await self.containers.sweep(unfinished)

    def watch(self) -> None:
        """Find out again and again whether the artifact store can be reached, where that is another program."""
        if isinstance(self._settings.artifacts_place, Location):
            self._watching = asyncio.create_task(self._watch(), name="artifacts")

    async def probe(self) -> None:
        try:
            await self.artifacts.list(PROBED)
        except PodiumError as error:
            self.faults["artifacts"] = str(error)
        else:
            self.faults["artifacts"] = None

    async def _watch(self) -> None:
        while True:
            await self.probe()
            await asyncio.sleep(PROBE_SECONDS)

    def dropped(self) -> Mapping[str, int]:
        unexpected = self.callbacks.unexpected if self.callbacks else 0
        return {"callback that nobody waits for": unexpected} if unexpected else {}

    async def close(self, *, keep_services: bool) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self.services.close(keep=keep_services)
        await self.containers.close()
        await self._client.close()
        if "artifacts" in self.__dict__:
            await self.artifacts.close()


class _Runs:
    """The conductor, for jobs that are runs: it is made after them."""

    def __init__(self, conducting: Callable[[], Conductor]) -> None:
        self._conducting = conducting

    async def submit(self, submission: Submission) -> Run:
        return await self._conducting().submit(submission)

    async def wait(self, run: str) -> Run:
        return await self._conducting().wait(run)

    async def cancel(self, run: str, reason: str) -> Run:
        return await self._conducting().cancel(run, reason)
