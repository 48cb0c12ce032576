"""All parts of one Podium: started in the order they need each other, ended the other way round."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
from pydantic import SecretStr

from podium.bus.port import Bus
from podium.dialects.dots.mso import ModelServicesOrchestrator
from podium.dialects.port import Dialect, Kind
from podium.errors import Unavailable
from podium.runs import lease
from podium.runs.conductor import Conductor
from podium.runs.events import Run, Submission
from podium.runs.machine import Input
from podium.server.app import App
from podium.server.auth import Auth
from podium.server.doorway import KnownHosts
from podium.server.feed import Feed
from podium.server.listen import Listener, bind
from podium.server.parts import Parts
from podium.settings import Settings
from podium.stack import models, results
from podium.stack.dialects import DIALECTS, House, dropped, faults
from podium.stack.exchange import BROKER, Exchange, ForModels, Unlinked
from podium.stack.home import Home
from podium.stack.jobs import Jobs
from podium.stack.logbook import LogBook, forget_old
from podium.stack.measured import MeasuredJournal
from podium.stores.registry import Registry

log = structlog.get_logger()

FORGET_SECONDS = 600.0  # between two looks for logs that have been kept long enough
END_SECONDS = 15.0  # for runs to end when all is to end; then their models are ended by force
WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound


class Stack:
    """One Podium on its data directory.

    Args:
        page: serve on host and port of the settings; if not, the socket file and the models' port are all there is.
    """

    def __init__(self, settings: Settings, *, page: bool = True) -> None:
        self.settings = settings
        self.home = Home(settings.data)
        self.home.create()
        self.secrets = self.home.secrets
        self.secrets.know(*settings.secrets)
        self._document_secrets = self.home.document_secrets
        self.stopping = asyncio.Event()
        self.addresses: list[str] = []
        self.app: App
        self._page = page
        self._ending_all = False
        self._models_live = False
        self._conductor: Conductor | None = None
        self._mso: ModelServicesOrchestrator | None = None
        self._dialects: list[Dialect] = []
        self._exchange = Exchange(settings, self.home.path / BROKER)
        database = self.home.database(settings)
        self._journal = MeasuredJournal(database, owner=lease.this_process())
        self._registry = Registry(database)
        self._series = results.store(settings, self.home)
        self._book = LogBook(self.home.path / "logs")
        self._backplane = models.backplane(settings, self.home)
        self._jobs = Jobs(
            settings, self.home, self._backplane, conducting=lambda: self._conducting, read=self._read_document
        )
        self._auth = Auth(
            settings.password or SecretStr(self.secrets.generate("password")),
            settings.secret_key or SecretStr(self.secrets.generate("key")),
        )
        self._feed = Feed(self._journal)
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """Own the data directory and go on with what was under way in it.

        Raises: Conflict (somebody owns it), SettingsError, Unavailable, JournalDamaged.
        """
        try:
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise

    async def look(self, *, at_results: bool = False) -> None:
        """Open what can be read while nobody owns the data directory; nothing is conducted."""
        try:
            await self._open_journal()
            if at_results:
                await self._open_series()
            self._jobs.expect_calls(f"http://{results.LOOPBACK}")  # nobody will be told of it
            self._opened.push_async_callback(self._jobs.close, keep_services=True)
            house = self._make_house(Unlinked(), ForModels("", 0), 0)
            self._dialects = [make(house) for make in DIALECTS]
            await self._feed.start()
            self._opened.push_async_callback(self._feed.close)
            self._app(house)
        except BaseException:
            await self._opened.aclose()
            raise

    def stop(self, everything: bool = False) -> None:
        """Ask for the end; with `everything` that of all runs, models and the embedded broker."""
        self._ending_all = self._ending_all or everything
        self.stopping.set()

    async def close(self) -> None:
        """Detach: what has not ended goes on with the next Podium; models and their broker live on."""
        await self._opened.aclose()

    @property
    def lost(self) -> bool:
        """Whether another Podium has taken over."""
        return self._journal.lost.is_set()

    @property
    def active(self) -> frozenset[str]:
        """The ids of the runs that have not ended."""
        return frozenset() if self._conductor is None else self._conductor.active

    async def finish(self) -> None:
        """Until no run is under way, and from then on take none; or until this Podium is asked to end."""
        assert self._conductor is not None  # noqa: S101 - nobody else has runs
        waiting = [asyncio.ensure_future(each) for each in (self._conductor.retire(), self.stopping.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    def link(self) -> str | None:
        """The page's address with a word that lets one browser in."""
        return f"{self.addresses[0]}#{self._auth.one_time()}" if self.addresses else None

    # Starting

    async def _start(self) -> None:
        opened = self._opened
        door = self.home.claim()
        opened.callback(door.close)  # the last to go: until then nobody else may come
        for_models = results.door(self.settings, self.home)
        pages = [bind(self.settings.host, port) for port in self._ports()]
        doors = [*pages, *([for_models] if for_models else [])]
        for each in doors:
            opened.callback(each.close)
        self.addresses = [_address(self.settings.host if each in pages else results.LOOPBACK, each) for each in doors]

        await self._open_journal()
        away = await self._journal.acquire()
        await self._exchange.open()
        opened.push_async_callback(self._close_exchange)
        self.secrets.know(*self._exchange.passwords)
        await self._open_series()
        await self._registry.seed(models.images(self.settings))
        await self._backplane.start()
        opened.push_async_callback(self._close_backplane)
        bus = self._exchange.bus
        if self.settings.mso:
            self._mso = ModelServicesOrchestrator(bus, self._backplane, simulator=self.settings.dots.simulator)
            await self._mso.start()
            opened.push_async_callback(self._mso.close)
        port = for_models.getsockname()[1] if for_models else self.settings.port
        if self.addresses:
            self._jobs.expect_calls(self.addresses[-1])
        await self._conduct(bus, self._make_house(bus, self._exchange.for_models, port), away)
        self._serve(door, doors)
        await self._feed.start()
        opened.push_async_callback(self._feed.close)  # ends the live events, which would keep the listeners open
        opened.push_async_callback(self._end_all)

    def _ports(self) -> tuple[int, ...]:
        return (self.settings.port, *self.settings.ports) if self._page else ()

    async def _open_journal(self) -> None:
        await self._journal.open()
        self._opened.push_async_callback(self._journal.close)
        await self._registry.open()
        self._opened.push_async_callback(self._registry.close)
        self._opened.callback(self._book.close)

    async def _open_series(self) -> None:
        await self._series.open()
        self._opened.push_async_callback(self._series.close)

    async def _conduct(self, bus: Bus, house: House, away: float) -> None:
        self._dialects = [make(house) for make in DIALECTS]
        kinds: dict[str, Kind] = {}
        for dialect in self._dialects:
            kinds |= dialect.kinds
        conductor = self._conductor = Conductor(self._journal, kinds, secrets=self._document_secrets)
        bus.on_lost(conductor.link_down)
        bus.on_restored(conductor.link_lost)
        self._opened.push_async_callback(self._close_jobs)
        for dialect in self._dialects:
            await dialect.start()
            self._opened.push_async_callback(dialect.close)
        self._app(house)
        await self._jobs.tidy({run.id for run in await self._journal.unfinished()})
        self._jobs.watch()
        await conductor.start(away, relinked=self._exchange.begun)
        self._opened.push_async_callback(conductor.close)
        self._opened.callback(asyncio.create_task(self._watch_lease(), name="lease").cancel)
        self._opened.callback(asyncio.create_task(self._forget_logs(), name="logs").cancel)

    def _app(self, house: House) -> None:
        self._parts = Parts(
            journal=self._journal,
            feed=self._feed,
            dialects=self._dialects,
            series=self._series,
            artifacts=lambda: self._jobs.artifacts,
            registry=self._registry,
            auth=self._auth,
            known_hosts=KnownHosts(self.settings.host, self.settings.hosts),
            logs=self._logs,
            health=self._health,
            dropped=self._dropped,
            stop=self.stop,
            conductor=self._conductor,
            link=self.link,
            routers=results.routers(self._series, house.results),
            callbacks=self._jobs.callbacks,
            metrics_open=self.settings.metrics_open,
        )
        app = self.app = App(self._parts)
        app.start()
        self._opened.callback(app.close)

    def _serve(self, door: socket.socket, doors: Sequence[socket.socket]) -> None:
        for listener in (Listener(self.app.asgi, [door.dup()], trusted=True), Listener(self.app.asgi, doors)):
            listener.start()
            self._opened.push_async_callback(listener.close)

    def _make_house(self, bus: Bus, broker: ForModels, port: int) -> House:
        return House(
            settings=self.settings,
            bus=bus,
            broker=broker,
            results=results.for_models(self.settings, self.secrets, port),
            database=self.home.database(self.settings),
            journal=self._journal,
            series=self._series,
            submit=self._submit,
            cancel=self._cancel,
            tell=self._tell,
            login=self._auth.login,
            check_image=self._backplane.check if self.settings.mso else None,
            note=self._book.note,
            logs=self._logs,
            resolve=self._document_secrets.resolve,
            redact=lambda text: self.secrets.redact(self._document_secrets.redact(text)),
            jobs=self._jobs,
        )

    # What parts ask of each other that cannot be given them when they are made

    @property
    def _conducting(self) -> Conductor:
        if self._conductor is None:
            raise Unavailable("nobody conducts runs here now", hint="Start a Podium with `podium serve`")
        return self._conductor

    async def _submit(self, submission: Submission) -> Run:
        return await self._conducting.submit(submission)

    async def _cancel(self, run: str) -> Run:
        return await self._conducting.cancel(run)

    async def _read_document(self, content: bytes, filename: str) -> Submission:
        return await self._parts.read(content, filename, of_this_user=False)

    async def _logs(self, run: str, tail: int | None) -> Mapping[str, str]:
        if self._conductor is None:
            return await models.logs_left(self.home, self._book, run, tail)
        return await models.logs(self._backplane, self._book, run, tail)

    def _tell(self, run: str, what: Input) -> bool:
        return self._conducting.tell(run, what)

    def _health(self) -> Mapping[str, str | None]:
        if self._conductor is None:
            return {}
        return {
            "journal": "another Podium has taken over" if self.lost else None,
            "broker": self._exchange.fault(),
            **self._jobs.faults,
            **faults(self._dialects),
        }

    def _dropped(self) -> Mapping[str, Mapping[str, int]]:
        counts = {
            **dropped(self._dialects),
            "logbook": {"not written": self._book.dropped},
            "jobs": self._jobs.dropped(),
        }
        if self._conductor is not None:
            counts["runs"] = self._conductor.unwanted
        if self._mso is not None:
            counts["mso"] = self._mso.dropped
        return counts

    async def _watch_lease(self) -> None:
        await self._journal.lost.wait()
        log.error("podium.lost", reason="another Podium has taken over these runs; this one ends")
        self.stop()

    async def _forget_logs(self) -> None:
        """Of what models said on the bus, as the backplane does of what they wrote."""
        while True:
            await forget_old(self._book, self._journal, self._keeps_logs)
            await asyncio.sleep(FORGET_SECONDS)

    def _keeps_logs(self, run: Run, document: Mapping[str, Any]) -> float | None:
        for dialect in self._dialects:
            if run.kind in dialect.kinds:
                return dialect.keeps_logs_seconds(document)
        return None

    # Ending

    async def _end_all(self) -> None:
        """Where all is to end: the runs by themselves if they can, so that their results are written."""
        if not self._ending_all or self.lost:
            return
        conductor = self._conducting
        active = conductor.active
        for run in active:
            await conductor.cancel(run, "Podium was told to end everything")
        if await self._ended(active):
            return
        log.warning("runs.ended_by_force", runs=sorted(conductor.active))
        await models.end_all(self._backplane)  # while the conductor still hears of it
        if not await self._ended(active):
            log.error("runs.not_ended", runs=sorted(conductor.active))

    async def _ended(self, runs: Iterable[str]) -> bool:
        try:
            async with asyncio.timeout(END_SECONDS):
                await asyncio.gather(*(self._conducting.wait(run) for run in runs))
        except TimeoutError:
            return False
        return True

    async def _close_jobs(self) -> None:
        under_way = bool(await self._journal.unfinished())
        await self._jobs.close(keep_services=under_way and not self._ending_all)

    async def _close_backplane(self) -> None:
        if self._ending_all:
            await models.end_all(self._backplane)
        elsewhere = not self.settings.mso and bool(await self._journal.unfinished())
        self._models_live = elsewhere or await models.any_live(self._backplane)
        await self._backplane.close()

    async def _close_exchange(self) -> None:
        await self._exchange.close(models_live=self._models_live and not self._ending_all)


def _address(host: str, door: socket.socket) -> str:
    shown = results.LOOPBACK if host in WILDCARDS else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{door.getsockname()[1]}/"
