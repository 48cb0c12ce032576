"""The brokers that the benchmarks run on, started on free ports."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ports import free_port
from podium.bus.embedded import EmbeddedBroker

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@dataclass(frozen=True)
class Broker:
    """Where everything meets: `host` and `port` speak MQTT to the models, `url` is Podium's."""

    host: str
    port: int
    url: str
    user: str = ""
    password: str = ""


@asynccontextmanager
async def mosquitto(directory: Path) -> AsyncIterator[Broker]:
    if MOSQUITTO is None:
        raise SystemExit("There is no mosquitto here; install it, or say --brokers embedded")
    port = free_port()
    config = directory / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        "max_inflight_messages 0\nmax_queued_messages 0\nlog_dest stderr\n"
    )
    with subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.PIPE) as process:
        assert process.stderr
        await asyncio.to_thread(_until, process.stderr, b"running")
        try:
            yield Broker("127.0.0.1", port, f"mqtt://127.0.0.1:{port}")
        finally:
            process.terminate()


@asynccontextmanager
async def embedded(directory: Path) -> AsyncIterator[Broker]:
    broker = EmbeddedBroker(directory)
    await broker.start()
    try:
        podium = broker.credentials
        place = broker.nats_url.removeprefix("nats://")
        url = f"nats://{podium.user}:{podium.password}@{place}"
        yield Broker(broker.host, broker.mqtt_port, url, podium.user, podium.password)
    finally:
        await broker.stop()


def _until(stream: object, word: bytes) -> None:
    for line in stream:  # type: ignore[attr-defined]
        if word in line:
            return


BROKERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Broker]]] = {
    "mosquitto": mosquitto,
    "embedded": embedded,
}
