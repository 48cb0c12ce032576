"""An orchestrator and the other services, played with paho and bytes written by hand: nothing of the SDK is used."""

from __future__ import annotations

import json
import os
import queue
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt

from tests.parts.mosquitto import Mosquitto
from tests.sdk.esdl import BASE64

SERVICES = Path(__file__).parent / "services"
SIMULATION = "sim-1"
SECONDS = 30
START = 1_700_000_000


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def text(field: int, content: str) -> bytes:
    """A string field on the wire."""
    raw = content.encode()
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def data(origin: str, value: float, step: int = 0) -> bytes:
    """What a service says of one object; without a step as a service of another make says it."""
    body = text(1, origin) + b"\x11" + struct.pack("<d", value)
    return body + number(4, step) if step else body


def foreign_data(origin: str, *values: float) -> bytes:
    """As a generated service says it: a packed list of doubles in field 2."""
    raw = struct.pack(f"<{len(values)}d", *values)
    return text(1, origin) + b"\x12" + varint(len(raw)) + raw


class Orchestrator:
    """Hears everything, says what a test wants to be said."""

    def __init__(self, broker: Mosquitto, model: str) -> None:
        self.model = model
        self.broker = broker
        self._heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._listening: queue.Queue[None] = queue.Queue()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(broker.user, broker.password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("/#")
        self._client.on_subscribe = lambda *_: self._listening.put(None)
        self._client.on_message = lambda _c, _u, message: self._heard.put((message.topic, message.payload))

    def __enter__(self) -> Self:
        self._client.connect(self.broker.host, self.broker.port)
        self._client.loop_start()
        self.connected_again()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connected_again(self) -> None:
        self._listening.get(timeout=SECONDS)

    def say(self, topic: str, payload: bytes = b"") -> None:
        self._client.publish(topic, payload, 1).wait_for_publish(SECONDS)

    def hear(self, *topics: str) -> tuple[str, bytes]:
        """The next message from the model that is none of ours; on one of `topics` if they are given.

        That it waits it says whenever we are slow: that is heard by who asks for it.
        """
        while True:
            topic, payload = self._heard.get(timeout=SECONDS)
            told = self._from_model(topic) and topic != self.from_model("StillWaiting")
            if topic in topics or (told and not topics):
                return topic, payload

    def hear_news(self, *heard: tuple[str, bytes]) -> tuple[str, bytes]:
        """The next message from the model, that it waits among them, but none of `heard`, which comes again in time."""
        while True:
            message = self._heard.get(timeout=SECONDS)
            if self._from_model(message[0]) and message not in heard:
                return message

    def _from_model(self, topic: str) -> bool:
        own_data = f"/data/{self.model.rpartition('-')[0]}/"
        return topic.startswith(("/lifecycle/model/", "/health/model/", own_data))

    def hears_nothing_before(self, topic: str) -> None:
        """Asks for a sign of life, and the model has said nothing else until it gives that."""
        self.say(self.health("mso/model", "Ping"))
        assert self.hear()[0] == topic

    # topics, written out as the protocol page has them
    def to_model(self, message: str) -> str:
        return f"/lifecycle/dots-so/model/{SIMULATION}/{self.model}/{message}"

    def from_model(self, message: str) -> str:
        return f"/lifecycle/model/dots-so/{SIMULATION}/{self.model}/{message}"

    @property
    def ready(self) -> str:
        return f"/lifecycle/model/mso/{SIMULATION}/{self.model}/ReadyForProcessing"

    @property
    def step_for_all(self) -> str:
        return f"/lifecycle/dots-so/models/{SIMULATION}/NewStep"

    @property
    def log(self) -> str:
        return f"/log/model/dots-so/{SIMULATION}/{self.model}"

    def health(self, way: str, message: str) -> str:
        return f"/health/{way}/{SIMULATION}/{self.model}/{message}"

    # messages
    def parameters(self, ids: list[str], *, versions: list[int] | None = None, **more: Any) -> bytes:
        body: dict[str, Any] = {
            "simulation_name": "a test",
            "start_timestamp": START,
            "time_step_seconds": 900,
            "nr_of_time_steps": 10,
            "calculation_services": [
                {"esdl_type": "PVInstallation", "calc_service_name": "panels", "nr_of_models": 0},
                {"esdl_type": "EConnection", "calc_service_name": "connection", "nr_of_models": 1},
                {"esdl_type": "Transformer", "calc_service_name": "slow", "nr_of_models": 1},
            ],
            "esdl_base64string": BASE64,
            "esdl_ids": ids,
            **more,
        }
        if versions is not None:
            body["protocol_versions"] = versions
        return text(1, json.dumps(body))

    def step(self, nr: int, **more: Any) -> bytes:
        return text(1, json.dumps({"time_step_nr": str(nr), "start_time_stamp": START + (nr - 1) * 900, **more}))

    def panel(self, panel: str, payload: bytes) -> None:
        self.say(f"/data/panels/model/{SIMULATION}/{panel}/power", payload)


@contextmanager
def model(orchestrator: Orchestrator, script: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A service as an orchestrator starts it."""
    broker = orchestrator.broker
    environment = {
        "PATH": os.environ["PATH"],
        "MQTT_HOST": broker.host,
        "MQTT_PORT": str(broker.port),
        "MQTT_QOS": "0",
        "MQTT_USERNAME": broker.user,
        "MQTT_PASSWORD": broker.password,
        "SIMULATOR_ID": "dots-so",
        "SIMULATION_ID": SIMULATION,
        "MODEL_ID": orchestrator.model,
        "LOG_LEVEL": "INFO",
        **env,
    }
    process = subprocess.Popen(
        [sys.executable, str(SERVICES / f"{script}.py")], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
