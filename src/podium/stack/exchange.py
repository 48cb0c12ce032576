"""The broker: the embedded one or somebody's, our link to it, and what models are told about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from podium.bus import open_bus
from podium.bus.lifecycle import remembered
from podium.bus.port import Bus, Handler, Subscription
from podium.errors import SettingsError, Unavailable
from podium.settings import Location, Settings

BROKER = "broker"  # its directory in a data directory
MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class ForModels:
    """Where models find the broker, by MQTT, and how they sign in."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)


class Exchange:
    """The embedded broker in `directory`, or the one of the settings; and one connection to it."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._own: ForModels | None = None
        self.bus: Bus

    async def open(self) -> None:
        """Raises: Unavailable, SettingsError."""
        _spare_aiohttp()
        from podium.bus.embedded import EmbeddedBroker

        location = self._settings.broker_location
        remember = remembered([self._settings.dots.simulator])
        self._broker = None
        if location is not None:
            password = location.password.get_secret_value() if location.password else None
            self.bus = await open_bus(location.url, user=location.username, password=password, remember=remember)
            return
        broker = self._broker = EmbeddedBroker(self._directory, simulators=[self._settings.dots.simulator])
        await broker.start()
        host, port = split(self._settings.broker_advertise, broker.host, broker.mqtt_port)
        self._own = ForModels(host, port, broker.models.user, broker.models.password)
        try:
            mine = broker.credentials
            self.bus = await open_bus(broker.nats_url, user=mine.user, password=mine.password, remember=remember)
        except BaseException:
            broker.detach()
            raise

    @property
    def for_models(self) -> ForModels:
        """What models are told of an open broker. Raises: SettingsError, where that is not known."""
        if self._own is not None:
            return self._own
        location = self._settings.broker_location
        assert location is not None  # else there is one of our own  # noqa: S101
        return _told(location, self._settings.broker_advertise)

    @property
    def begun(self) -> bool:
        """Whether the broker is one that began with us: models that live lost the one before."""
        return self._broker is not None and not self._broker.adopted

    @property
    def passwords(self) -> list[str]:
        """Those of a broker of our own."""
        return [self._broker.credentials.password, self._broker.models.password] if self._broker else []

    async def close(self, *, models_live: bool) -> None:
        """Let go; an embedded broker goes on while models live that need it."""
        await self.bus.close()
        if self._broker is None:
            return
        if models_live:
            self._broker.detach()
        else:
            await self._broker.stop()

    def fault(self) -> str | None:
        if self._broker is not None and self._broker.error is not None:
            return str(self._broker.error)
        return None if self.bus.connected else "the link to the broker is down; it is being made again"


def _spare_aiohttp() -> None:
    """nats-py would import it for WebSockets, which nobody speaks here; that is a tenth of what a start takes."""
    if "aiohttp" in sys.modules:
        return
    sys.modules["aiohttp"] = None  # type: ignore[assignment]
    try:
        import nats.aio.transport  # noqa: F401
    finally:
        del sys.modules["aiohttp"]


def split(advertised: str | None, host: str, port: int) -> tuple[str, int]:
    """Host and port as a setting `host[:port]` has them, or as they are."""
    if not advertised:
        return host, port
    try:
        parts = urlsplit(f"//{advertised}")
        given = parts.port
    except ValueError:
        raise SettingsError("this is no host:port", where=advertised) from None
    return parts.hostname or host, given or port


def _told(location: Location, advertised: str | None) -> ForModels:
    parts = urlsplit(location.url)
    if parts.scheme not in MQTT_PORTS and not advertised:
        raise SettingsError(
            "models speak MQTT, and where this broker does is not known",
            where="broker",
            hint="Say it with --broker-advertise HOST:PORT",
        )
    port = parts.port or MQTT_PORTS.get(parts.scheme, MQTT_PORTS["mqtt"])
    host, port = split(advertised, parts.hostname or "", port)
    password = location.password.get_secret_value() if location.password else ""
    return ForModels(host, port, location.username or "", password)


class Unlinked:
    """The bus where documents are only looked at: there is none."""

    connected = False

    async def connect(self) -> None:
        self._refuse()

    async def close(self) -> None:
        """Nothing to let go of."""

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:  # noqa: ARG002
        self._refuse()

    async def publish_many(self, messages: list[tuple[str, bytes]], *, qos: int = 0) -> None:  # noqa: ARG002
        self._refuse()

    async def subscribe(
        self,
        pattern: str,  # noqa: ARG002
        handler: Handler,  # noqa: ARG002
        *,
        qos: int = 0,  # noqa: ARG002
        durable: str | None = None,  # noqa: ARG002
        max_in_flight: int = 256,  # noqa: ARG002
    ) -> Subscription:
        self._refuse()

    def on_lost(self, callback: Callable[[], None]) -> None:
        """It never was there."""

    def on_restored(self, callback: Callable[[], None]) -> None:
        """It never is."""

    def _refuse(self) -> NoReturn:
        raise Unavailable("there is no broker here", hint="Start one with `podium serve`")
