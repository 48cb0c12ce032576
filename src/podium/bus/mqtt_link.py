"""One MQTT connection that never gives up, on gmqtt.

gmqtt is the fastest of the kept clients (docs/decisions/bus.md). Its own reconnecting is left off: each connection is
a fresh client, so nothing half-sent or half-known survives a lost link. Two of its inner handlers are replaced, in
`_make_client`: it acknowledges after a coroutine per message, where `Message.ack` says when; and it takes every PUBACK
for a success.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gmqtt  # type: ignore[import-untyped]
import structlog
from gmqtt.mqtt.constants import MQTTCommands, MQTTv50, MQTTv311  # type: ignore[import-untyped]
from gmqtt.mqtt.handler import MQTTConnectError  # type: ignore[import-untyped]

from podium.bus.delivery import Window
from podium.bus.mqtt_sent import Batch, Sent
from podium.bus.port import Message
from podium.bus.topics import matches
from podium.errors import DocumentRefused, NotAllowed, PodiumError, Unavailable

log = structlog.get_logger()
# Whatever matters of what gmqtt says is logged here, in our words.
logging.getLogger("gmqtt").setLevel(logging.CRITICAL + 1)

_FIRST_DELAY, _LONGEST_DELAY = 0.05, 2.0
_ANSWER_SECONDS = 10.0
_KEEPALIVE_SECONDS = 20
_NO_RECONNECTS = -2
_LARGEST_PACKET = 268_435_455
_OVERHEAD = 32
_MOST_ROUTES = 65_536
_FAILURE = 128
_UNKNOWN_VERSION = (1, 132)
_REFUSED_CREDENTIALS = (4, 5, 134, 135)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and who we are there."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


@dataclass(slots=True)
class Subscribed:
    """A subscription that the link makes again after each reconnect."""

    pattern: str
    qos: int
    deliver: Callable[[Message], None]
    window: Window | None = None


class MqttLink:
    """A connection with its subscriptions.

    Args:
        address: the broker.
        client_id: who we are to it; a session is kept under this name.
        lasting: seconds the broker keeps the session while we are away; 0: it ends with the connection.
        in_flight: unacknowledged messages it may send us at a time (MQTT 5; with 3.1.1 the broker's settings say).
        lost: called each time the connection is found lost.
        restored: called each time a lost connection is back and its subscriptions are made.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        *,
        lasting: int,
        in_flight: int,
        lost: Callable[[], None],
        restored: Callable[[], None],
    ) -> None:
        self.address = address
        self.subscribed: list[Subscribed] = []
        self._routes: dict[str, Subscribed] = {}
        self._client_id = client_id
        self._lasting = lasting
        self._in_flight = in_flight
        self._lost = lost
        self._restored = restored
        self._version: int | None = None
        self._client: gmqtt.Client | None = None
        self._sent = Sent()
        self._room = asyncio.Event()
        self._window = 1
        self._largest = _LARGEST_PACKET
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._reconnecting: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def connect(self) -> None:
        """Raises: Unavailable."""
        try:
            await self._connect()
        except MQTTConnectError as error:
            if error._code in _REFUSED_CREDENTIALS:  # noqa: SLF001
                raise Unavailable("the broker refuses the user name or password", where=str(self.address)) from None
            raise Unavailable("the broker refuses the connection", where=str(self.address), hint=str(error)) from error
        except OSError as error:
            raise Unavailable(
                "the broker does not answer", where=str(self.address), hint="Is it running, and is the address right?"
            ) from error

    async def close(self) -> None:
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            self._reconnecting = None
        client, self._client = self._client, None
        if client is not None:
            await client.disconnect()
        self._fail_open()

    async def publish(self, messages: list[tuple[str, bytes]], *, qos: int, retain: bool) -> None:
        """Raises: Unavailable, DocumentRefused."""
        if qos == 0:
            for topic, payload in messages:
                self._alive().publish(topic, self._fitting(topic, payload), qos=0, retain=retain)
            await self._drained()
            return
        batch = Batch()
        try:
            for topic, payload in messages:
                while len(self._sent.open) >= self._window and not batch.lost:
                    self._room.clear()
                    await self._room.wait()
                if batch.lost:
                    break
                self._sent.batch = batch
                self._alive().publish(topic, self._fitting(topic, payload), qos=1, retain=retain)
        finally:
            batch.close_one()
        await batch.done
        if batch.lost:
            raise Unavailable(
                "the connection to the broker was lost before it had accepted the message", where=str(self.address)
            )
        if batch.refused is not None:
            raise Unavailable(f"the broker refused a message (reason code {batch.refused})", where=str(self.address))

    async def subscribe(self, subscribed: Subscribed) -> None:
        """Raises: Unavailable, NotAllowed."""
        client = self._alive()
        # Known before it is asked for: a retained message may come together with the answer.
        self.subscribed.append(subscribed)
        try:
            await self._ask_for(client, subscribed)
        except BaseException:
            self.subscribed.remove(subscribed)
            self._routes.clear()
            raise

    async def unsubscribe(self, subscribed: Subscribed) -> None:
        self.subscribed.remove(subscribed)
        self._routes.clear()
        if self._client is not None:
            # As bytes: gmqtt counts the characters of a str.
            await self._answer(self._client.unsubscribe([subscribed.pattern.encode()]))

    # --- one connection after another

    async def _connect(self) -> None:
        """Try MQTT 5, then 3.1.1, and stay with what the broker speaks. Raises: OSError, MQTTConnectError."""
        for version in (self._version,) if self._version else (MQTTv50, MQTTv311):
            try:
                await self._connect_as(version)
            except _Unheard:
                continue
            self._version = version
            return
        raise ConnectionResetError("the broker closed the connection")

    async def _connect_as(self, version: int) -> None:
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        client, sent = self._make_client(lost)
        connecting = asyncio.ensure_future(
            client.connect(
                self.address.host,
                self.address.port,
                ssl=self.address.tls or False,
                keepalive=_KEEPALIVE_SECONDS,
                version=version,
            )
        )
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await asyncio.wait((connecting, lost), return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                raise _Unheard  # noqa: TRY301 (what was begun is undone below)
            await connecting
            granted = client._package_handler._connack_properties  # noqa: SLF001
            # Some packet ids stay free for subscriptions.
            self._window = max(1, _first(granted, "receive_maximum", 65_535) - 8)
            self._largest = _first(granted, "maximum_packet_size", _LARGEST_PACKET)
            for subscribed in self.subscribed:
                await self._ask_for(client, subscribed)
            if lost.done():
                raise ConnectionResetError("the broker closed the connection")  # noqa: TRY301
        except MQTTConnectError as error:
            await client.disconnect()
            if error._code in _UNKNOWN_VERSION:  # noqa: SLF001
                raise _Unheard from None
            raise
        except BaseException:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await client.disconnect()
            raise
        self._client, self._sent = client, sent

    def _make_client(self, lost: asyncio.Future[None]) -> tuple[gmqtt.Client, Sent]:
        sent = Sent()
        client = gmqtt.Client(
            self._client_id,
            clean_session=not self._lasting,
            persistent_storage=sent,
            session_expiry_interval=self._lasting,
            receive_maximum=self._in_flight,
        )
        client.set_config({"reconnect_retries": _NO_RECONNECTS})
        if self.address.user is not None:
            client.set_auth_credentials(self.address.user, self.address.password)

        def on_connect(_client: Any, session: int, *_: Any) -> None:
            for subscribed in self.subscribed:
                if session and subscribed.window is not None:
                    subscribed.window.forget_waiting()

        def on_disconnect(*_: Any) -> None:
            if not lost.done():
                lost.set_result(None)
            self._on_lost(client)

        def on_message(_client: Any, topic: str, payload: bytes, _qos: int, properties: dict[str, Any]) -> None:
            self._deliver(Message(topic, payload, retained=bool(properties["retain"])))

        def on_qos_1(mid: int, payload: bytes, topic: str, properties: dict[str, Any]) -> None:
            def acknowledge() -> None:
                # After a lost link there is nothing to say: the broker delivers this one again.
                if not lost.done():
                    client._send_command_with_mid(MQTTCommands.PUBACK, mid, dup=False)  # noqa: SLF001

            self._deliver(Message(topic, payload, retained=bool(properties["retain"]), _acknowledge=acknowledge))

        def on_accepted(_command: int, packet: bytes) -> None:
            mid = int.from_bytes(packet[:2])
            handler.id_generator.free_id(mid)
            if batch := sent.open.pop(mid, None):
                if len(packet) > 2 and packet[2] >= _FAILURE:
                    batch.refused = packet[2]
                batch.close_one()
            self._room.set()

        client.on_connect = on_connect
        client.on_disconnect = on_disconnect
        client.on_message = on_message
        client.on_subscribe = lambda _client, mid, codes, _properties: self._on_answer(mid, codes[0])
        client.on_unsubscribe = lambda _client, mid, _codes: self._on_answer(mid, 0)
        handler = client._package_handler  # noqa: SLF001
        handler._handle_qos_1_publish_packet = on_qos_1  # noqa: SLF001
        handler._handle_puback_packet = on_accepted  # noqa: SLF001
        return client, sent

    def _on_lost(self, client: gmqtt.Client) -> None:
        if client is not self._client:
            return
        self._client = None
        log.warning("bus.link lost", url=str(self.address))
        self._fail_open()
        self._reconnecting = asyncio.ensure_future(self._reconnect())
        self._lost()

    async def _reconnect(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                await self._connect()
            except (OSError, MQTTConnectError, PodiumError) as error:
                log.info("bus.link trouble", url=str(self.address), error=str(error))
                await asyncio.sleep(delay)
                delay = min(_LONGEST_DELAY, 2 * delay)
            else:
                break
        self._reconnecting = None
        log.info("bus.link restored", url=str(self.address))
        self._restored()

    # --- one connection

    def _alive(self) -> gmqtt.Client:
        if self._client is None:
            raise Unavailable("the connection to the broker is lost", where=str(self.address))
        return self._client

    async def _drained(self) -> None:
        """Wait while the broker takes less than we send."""
        try:
            await self._alive()._connection._protocol._drain_helper()  # noqa: SLF001
        except ConnectionError as error:
            raise Unavailable("the connection to the broker is lost", where=str(self.address)) from error

    def _fitting(self, topic: str, payload: bytes) -> bytes:
        if len(payload) + len(topic) + _OVERHEAD > self._largest:
            raise DocumentRefused(
                f"the message has {len(payload)} bytes, the broker takes {self._largest - _OVERHEAD}",
                where=f"topic {topic!r}",
                hint="Raise message_size_limit (Mosquitto) or what your broker calls it",
            )
        return payload

    def _deliver(self, message: Message) -> None:
        subscribed = self._routes.get(message.topic)
        if subscribed is None:
            subscribed = next((each for each in self.subscribed if matches(each.pattern, message.topic)), None)
            if len(self._routes) == _MOST_ROUTES:
                self._routes.clear()
        if subscribed is not None:
            self._routes[message.topic] = subscribed
            subscribed.deliver(message)
            return
        # A session of ours that the broker kept may still bring what nobody subscribes to any longer.
        log.warning("bus.message unwanted", topic=message.topic)
        message.ack()

    async def _ask_for(self, client: gmqtt.Client, subscribed: Subscribed) -> None:
        wanted = gmqtt.Subscription(subscribed.pattern, qos=subscribed.qos)
        code = await self._answer(client.subscribe(wanted))
        if code >= _FAILURE:
            raise NotAllowed(
                "the broker does not allow this user to subscribe", where=subscribed.pattern, hint=f"reason code {code}"
            )

    async def _answer(self, mid: int) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers[mid] = answer
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            raise Unavailable("the broker does not answer", where=str(self.address)) from None
        finally:
            del self._answers[mid]

    def _on_answer(self, mid: int, code: int) -> None:
        if (answer := self._answers.get(mid)) and not answer.done():
            answer.set_result(code)

    def _fail_open(self) -> None:
        for batch in set(self._sent.open.values()):
            batch.fail()
        self._sent.open.clear()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Unavailable("the connection to the broker is lost", where=str(self.address)))
        self._room.set()


class _Unheard(Exception):
    """The broker hung up before it accepted the connection: perhaps it does not speak this version of MQTT."""


def _first(properties: dict[str, list[int]], name: str, otherwise: int) -> int:
    return properties[name][0] if name in properties else otherwise
