"""Publish and subscribe: MQTT, NATS and the embedded broker, behind one small port (`podium.bus.port`)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import structlog

from podium.bus.port import Bus
from podium.errors import SettingsError

log = structlog.get_logger()

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "nats": 4222}


async def open_bus(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    name: str = "podium",
    remember: Sequence[str] = (),
) -> Bus:
    """A connected bus.

    Args:
        url: `nats://`, `mqtt://` or `mqtts://`, `[user:password@]host[:port]`.
        user: user name; goes before one in the URL.
        password: password; goes before one in the URL, which is no place for it.
        name: what the broker shows the connection as.
        remember: topic filters of which a NATS server with JetStream keeps the last few messages; the bus is then a
            `RemembersLifecycle`.

    Raises: Unavailable, SettingsError.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise SettingsError(
            "this is not the address of a broker", where=redact(url), hint="Use mqtt://, mqtts:// or nats://host:port"
        )
    host, port = parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]
    user = user or (unquote(parts.username) if parts.username else None)
    password = password or (unquote(parts.password) if parts.password else None)
    if parts.scheme == "nats":
        return await _open_nats(f"nats://{_bracketed(host)}:{port}", user, password, name, remember)
    from podium.bus.mqtt import MqttBus

    mqtt = MqttBus(host, port, user=user, password=password, name=name, tls=parts.scheme == "mqtts")
    await mqtt.connect()
    return mqtt


def redact(url: str) -> str:
    """The URL as it may be shown: without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:***@{place}").geturl()


async def _open_nats(url: str, user: str | None, password: str | None, name: str, remember: Sequence[str]) -> Bus:
    from podium.bus.memory import CannotRemember, RememberingNatsBus
    from podium.bus.nats import NatsBus

    if remember:
        remembering = RememberingNatsBus(url, remember=remember, user=user, password=password, name=name)
        try:
            await remembering.connect()
        except CannotRemember as error:
            log.warning("bus.no memory", url=url, error=str(error))
        else:
            return remembering
    plain = NatsBus(url, user=user, password=password, name=name)
    await plain.connect()
    return plain


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
