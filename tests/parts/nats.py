"""The embedded broker as Podium runs it, with a way to kill it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path

import nats
import pytest_asyncio

from podium.bus.broker_config import Settings
from podium.bus.embedded import EmbeddedBroker


def kill(broker: EmbeddedBroker) -> None:
    """`kill -9` to the server; the EmbeddedBroker starts it again."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)


def held(directory: Path) -> AbstractContextManager[object]:
    """The ports of the broker of this directory, kept from everybody else while nobody looks after it."""
    settings = Settings.load(directory / "broker.json")
    assert settings is not None
    return settings.ports.hold()


MQTT_STREAM = "$MQTT_msgs"


async def sees_left(broker: EmbeddedBroker, stream: str, unacknowledged: int) -> None:
    """Wait until the server knows that nobody listens to what it keeps, and what was acknowledged of it.

    It deals with both after it has answered, and tells of no event. What it hands to an MQTT client that is just going
    it hands out again only after its ack_wait.
    """
    user = broker.credentials
    client = await nats.connect(broker.nats_url, user=user.user, password=user.password, connect_timeout=30)
    streams = client.jetstream(timeout=30)
    while True:
        consumers = await streams.consumers_info(stream)
        bound = any(consumer.push_bound for consumer in consumers)
        if not bound and sum(consumer.num_ack_pending or 0 for consumer in consumers) == unacknowledged:
            break
    await client.close()


@pytest_asyncio.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """A started embedded broker of the test's own."""
    broker = EmbeddedBroker(tmp_path / "broker")
    await broker.start()
    yield broker
    await broker.stop()
