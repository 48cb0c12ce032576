"""The three places the conformance suite runs in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from podium.bus import open_bus
from podium.bus.durable import STREAM as DURABLE_STREAM
from podium.bus.embedded import EmbeddedBroker
from podium.bus.port import Bus, Message
from tests.parts.mosquitto import Mosquitto
from tests.parts.nats import MQTT_STREAM, held, kill, sees_left


class Heard:
    """A handler that keeps what came, and can be waited for."""

    def __init__(self, *, ack: bool = True) -> None:
        self.messages: list[Message] = []
        self._ack = ack
        self._came = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        if self._ack:
            message.ack()
        self._came.set()

    @property
    def topics(self) -> list[str]:
        return [message.topic for message in self.messages]

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not enough():
                self._came.clear()
                await self._came.wait()

    async def count(self, number: int) -> None:
        await self.until(lambda: len(self.messages) >= number)


class Place:
    """A broker and how to reach it."""

    def __init__(self, name: str, url: str, user: str, password: str, broker: EmbeddedBroker | Mosquitto) -> None:
        self.name, self.url, self.user, self.password = name, url, user, password
        self._broker = broker
        self._open: list[Bus] = []

    @property
    def mqtt(self) -> bool:
        return self.url.startswith("mqtt")

    async def open(self, **options: Any) -> Bus:
        bus = await open_bus(self.url, **{"user": self.user, "password": self.password} | options)
        self._open.append(bus)
        return bus

    async def sees_left(self, *, unacknowledged: int = 0) -> None:
        """The broker knows that who had the durable subscription is away, and what was not acknowledged."""
        if isinstance(self._broker, EmbeddedBroker):
            await sees_left(self._broker, MQTT_STREAM if self.mqtt else DURABLE_STREAM, unacknowledged)

    async def crash(self) -> None:
        """The broker is killed and comes back on the same port."""
        if isinstance(self._broker, Mosquitto):
            self._broker.kill()
            await self._broker.start()
        else:
            kill(self._broker)

    async def end(self) -> None:
        """The broker ends and stays away."""
        if isinstance(self._broker, Mosquitto):
            self._broker.stop()
        else:
            await self._broker.stop()

    async def restart(self) -> None:
        """The broker ends in good order and comes back on the same port."""
        if isinstance(self._broker, Mosquitto):
            self._broker.stop()
            await self._broker.start()
        else:
            await self._broker.stop()
            with held(self._broker.directory):
                await self._broker.start()

    async def close(self) -> None:
        for bus in self._open:
            await bus.close()


@pytest_asyncio.fixture(params=["nats", "embedded-mqtt", "mosquitto"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "mosquitto":
        mosquitto = Mosquitto(tmp_path)
        await mosquitto.start()
        where = Place("mosquitto", mosquitto.url, mosquitto.user, mosquitto.password, mosquitto)
        yield where
        await where.close()
        mosquitto.stop()
        return
    embedded = EmbeddedBroker(tmp_path / "broker")
    await embedded.start()
    url = embedded.nats_url if request.param == "nats" else embedded.mqtt_url
    where = Place(request.param, url, embedded.credentials.user, embedded.credentials.password, embedded)
    yield where
    await where.close()
    await embedded.stop()


@pytest.fixture
def restored() -> Callable[[Bus], asyncio.Event]:
    """An event that is set when a bus has its lost connection back."""

    def watch(bus: Bus) -> asyncio.Event:
        event = asyncio.Event()
        bus.on_restored(event.set)
        return event

    return watch
