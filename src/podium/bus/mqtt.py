"""The bus on MQTT, 3.1.1 or 5.

An MQTT session belongs to a connection, and a broker may send one message once for each subscription that matches it.
So a durable subscription has a connection of its own, whose session the broker keeps, and subscriptions that overlap
are spread over connections; a message then always has one subscription to go to.

`publish` with qos >= 1 returns at the broker's PUBACK. A subscription's PUBACK is sent by `Message.ack`.
"""

from __future__ import annotations

import hashlib
import secrets
import ssl
from collections.abc import Callable

from podium.bus.delivery import Window, guarded
from podium.bus.mqtt_link import Address, MqttLink, Subscribed
from podium.bus.port import Handler, Subscription
from podium.bus.subjects import overlap
from podium.bus.topics import check_topic, subjects_of

_DURABLE_SECONDS = 7 * 86_400
_IN_FLIGHT = 4_096
_LARGEST_WINDOW = 65_535


class MqttBus:
    """Connections to one MQTT broker.

    Args:
        host: its host.
        port: its port.
        user: user name, if the broker wants one.
        password: its password.
        name: how the client ids begin.
        tls: whether to speak TLS, with the broker's certificate verified.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        user: str | None = None,
        password: str | None = None,
        name: str = "podium",
        tls: bool = False,
    ) -> None:
        context = ssl.create_default_context() if tls else None
        self._address = Address(host, port, user, password, context)
        self._name = name
        self._lost: list[Callable[[], None]] = []
        self._restored: list[Callable[[], None]] = []
        self._links = [self._make_link()]
        self._durables: list[MqttLink] = []

    def __repr__(self) -> str:
        return f"<MqttBus {self._address}>"

    @property
    def connected(self) -> bool:
        return all(link.connected for link in self._all())

    async def connect(self) -> None:
        await self._links[0].connect()

    async def close(self) -> None:
        for link in self._all():
            await link.close()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        check_topic(topic)
        await self._links[0].publish([(topic, payload)], qos=qos, retain=retain)

    async def publish_many(self, messages: list[tuple[str, bytes]], *, qos: int = 0) -> None:
        for topic, _ in messages:
            check_topic(topic)
        await self._links[0].publish(messages, qos=qos, retain=False)

    async def subscribe(
        self, pattern: str, handler: Handler, *, qos: int = 0, durable: str | None = None, max_in_flight: int = 256
    ) -> Subscription:
        subjects = subjects_of(pattern)
        safe = guarded(pattern, handler)
        if durable is not None and qos:
            return await self._subscribe_durable(pattern, safe, durable, max_in_flight)
        window = Window(pattern, safe, max_in_flight) if qos else None
        subscribed = Subscribed(pattern, min(qos, 1), window.offer if window else safe, window)
        link = await self._link_for(subjects)
        await link.subscribe(subscribed)
        return _Subscription(link, subscribed)

    def on_lost(self, callback: Callable[[], None]) -> None:
        self._lost.append(callback)

    def on_restored(self, callback: Callable[[], None]) -> None:
        self._restored.append(callback)

    async def _subscribe_durable(
        self, pattern: str, handler: Handler, durable: str, max_in_flight: int
    ) -> Subscription:
        digest = hashlib.sha256(f"{durable}\n{pattern}".encode()).hexdigest()[:12]
        in_flight = min(max_in_flight, _LARGEST_WINDOW)
        link = MqttLink(
            self._address,
            f"{self._name}-{digest}",
            lasting=_DURABLE_SECONDS,
            in_flight=in_flight,
            lost=self._on_link_lost,
            restored=self._on_link_restored,
        )
        # MQTT 5 brokers keep to the receive maximum; for others the window is the bound.
        window = Window(pattern, handler, in_flight)
        link.subscribed.append(Subscribed(pattern, 1, window.offer, window))
        await link.connect()
        self._durables.append(link)
        return _Durable(link, self._durables)

    async def _link_for(self, subjects: tuple[str, ...]) -> MqttLink:
        """A connection with no subscription that overlaps; a new one when need be."""
        for link in self._links:
            taken = [subject for each in link.subscribed for subject in subjects_of(each.pattern)]
            if not any(overlap(one, other) for one in subjects for other in taken):
                return link
        link = self._make_link()
        await link.connect()
        self._links.append(link)
        return link

    def _make_link(self) -> MqttLink:
        return MqttLink(
            self._address,
            f"{self._name}-{secrets.token_hex(6)}",
            lasting=0,
            in_flight=_IN_FLIGHT,
            lost=self._on_link_lost,
            restored=self._on_link_restored,
        )

    def _on_link_lost(self) -> None:
        for callback in self._lost:
            callback()

    def _on_link_restored(self) -> None:
        if self.connected:
            for callback in self._restored:
                callback()

    def _all(self) -> list[MqttLink]:
        return [*self._links, *self._durables]


class _Subscription:
    def __init__(self, link: MqttLink, subscribed: Subscribed) -> None:
        self._link = link
        self._subscribed = subscribed

    async def close(self) -> None:
        await self._link.unsubscribe(self._subscribed)


class _Durable:
    def __init__(self, link: MqttLink, links: list[MqttLink]) -> None:
        self._link = link
        self._links = links

    async def close(self) -> None:
        self._links.remove(self._link)
        await self._link.close()
