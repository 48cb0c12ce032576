"""The web application around a small machine, on a real journal and real sockets."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter
from pydantic import SecretStr

from podium.dialects.port import Kind
from podium.errors import DocumentRefused
from podium.runs.conductor import Conductor
from podium.runs.events import Submission
from podium.runs.journal import Journal
from podium.server.app import App
from podium.server.auth import USER, Auth
from podium.server.doorway import KnownHosts
from podium.server.feed import Feed
from podium.server.listen import Listener, bind
from podium.server.parts import Parts
from podium.stores.artifacts_directory import DirectoryArtifacts
from podium.stores.registry import Registry
from podium.stores.series_duckdb import DuckDbSeries
from tests.runs.counting import CountingMachine, CountingPerformer, counting

PASSWORD = "open sesame"
KEY = "k" * 32


class CountingDialect:
    """Documents of the form `count 3 name`."""

    name = "counting"
    marks = ("count", "whom", "until")  # if they were JSON

    def __init__(self, performer: CountingPerformer) -> None:
        self.kinds: Mapping[str, Kind] = {"test.counting": Kind("test.counting", CountingMachine(), performer)}
        self.filenames: list[str] = []

    def recognises(self, filename: str, content: bytes) -> bool:
        return content.startswith(b"count ")

    async def read(self, content: bytes, *, filename: str = "") -> Submission:
        self.filenames.append(filename)
        _, count, name = content.decode().split(maxsplit=2)
        if not count.isdecimal():
            raise DocumentRefused("this is no number", where="count", hint="Say how far to count")
        return counting(name, int(count))

    def routes(self, guard: Any) -> APIRouter:
        return APIRouter()

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@dataclass
class House:
    """Everything a test may want to touch."""

    journal: Journal
    conductor: Conductor
    dialect: CountingDialect
    performer: CountingPerformer
    auth: Auth
    feed: Feed
    series: DuckDbSeries
    port: int
    socket_file: Path
    faults: dict[str, str | None] = field(default_factory=dict)
    stopped: list[bool] = field(default_factory=list)
    now: float = 1_000_000.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stranger(self, **more: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=30, **more)

    async def known(self) -> httpx.AsyncClient:
        token = await self.auth.login(USER, PASSWORD)
        return self.stranger(headers={"Authorization": f"Bearer {token}"})

    def owner(self) -> httpx.AsyncClient:
        """Through the socket file."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket_file))
        return httpx.AsyncClient(transport=transport, base_url="http://podium", timeout=30)


@asynccontextmanager
async def housed(directory: Path, *, never: frozenset[str] = frozenset(), **more: Any) -> AsyncIterator[House]:
    """`never` are keys of commands that are never answered, so that their run does not end."""
    url = f"sqlite:///{directory / 'journal.db'}"
    journal = Journal(url, owner="test")
    registry = Registry(url)
    await journal.open()
    await journal.acquire()
    await registry.open()
    series = DuckDbSeries(directory / "series.duckdb")
    await series.open()
    performer = CountingPerformer(never)
    dialect = CountingDialect(performer)
    conductor = Conductor(journal, dialect.kinds)
    feed = Feed(journal)
    await feed.start()
    door = bind("127.0.0.1", 0)
    file = directory / "s"
    through_file = socket.socket(socket.AF_UNIX)
    through_file.bind(str(file))
    through_file.listen()
    auth = Auth(SecretStr(PASSWORD), SecretStr(KEY), clock=lambda: house.now)
    house = House(journal, conductor, dialect, performer, auth, feed, series, door.getsockname()[1], file)

    async def logs(run: str, tail: int | None) -> Mapping[str, str]:
        lines = [f"{run} says {number}\n" for number in range(5)]
        return {"model-1": "".join(lines[-tail:] if tail else lines)}

    artifacts = DirectoryArtifacts(directory / "artifacts")
    parts = Parts(
        journal=journal,
        feed=feed,
        dialects=[dialect],
        series=series,
        artifacts=lambda: artifacts,
        registry=registry,
        auth=auth,
        known_hosts=KnownHosts("127.0.0.1", ["podium.example"]),
        logs=logs,
        health=lambda: {"broker": None, **house.faults},
        dropped=lambda: {"runs": conductor.unwanted},
        stop=house.stopped.append,
        conductor=conductor,
        link=lambda: f"{house.url}/#{auth.one_time()}",
        **more,
    )
    app = App(parts)
    app.start()
    listeners = [Listener(app.asgi, [door]), Listener(app.asgi, [through_file], trusted=True)]
    for listener in listeners:
        listener.start()
    try:
        yield house
    finally:
        await feed.close()
        for listener in listeners:
            await listener.close()
        app.close()
        await conductor.close()
        await series.close()
        await registry.close()
        await journal.close()
