"""The brokers of the field, for tests that run opposite others on each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from podium.bus.embedded import EmbeddedBroker
from tests.parts.mosquitto import Mosquitto


@dataclass
class Broker:
    """Where it is, and how Podium and the models sign in."""

    name: str
    host: str
    mqtt_port: int
    url: str
    user: str
    password: str
    models_user: str
    models_password: str
    remember: tuple[str, ...] = ()
    part: Any = None


@pytest.fixture(params=["embedded", "mosquitto"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    if request.param == "mosquitto":
        mosquitto: Mosquitto = request.getfixturevalue("mosquitto")
        await mosquitto.start()
        account = (mosquitto.user, mosquitto.password)
        yield Broker("mosquitto", mosquitto.host, mosquitto.port, mosquitto.url, *account, *account, part=mosquitto)
        return
    embedded = EmbeddedBroker(tmp_path / "broker")
    await embedded.start()
    ours, theirs = embedded.credentials, embedded.models
    yield Broker(
        "embedded",
        embedded.host,
        embedded.mqtt_port,
        embedded.nats_url,
        ours.user,
        ours.password,
        theirs.user,
        theirs.password,
        tuple(embedded.remembered),
        embedded,
    )
    await embedded.stop()
