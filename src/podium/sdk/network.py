"""The link to the broker: paho's network loop in a thread of its own, so that no calculation delays a keep-alive.

The thread only receives, answers pings and writes what was published; everything else happens in the main thread, which
takes messages from a queue. After a lost connection the link connects and subscribes again, and says so in that queue.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from podium.sdk.environment import Broker

log = logging.getLogger(__name__)

CONNECT_SECONDS = 60.0
FLUSH_SECONDS = 5.0
TOPICS_A_PACKET = 500


class LinkProblem(ConnectionError):
    """The broker does not answer, or refuses us."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The connection was lost and is back, with all subscriptions; messages may have been missed."""


@dataclass(frozen=True, slots=True)
class Received:
    topic: str
    payload: bytes


class Link:
    """One connection.

    Args:
        broker: where it is.
        name: what it may write in its log about us.
        deliver: called in the network thread with each message, with `Restored`, and with the reason if all is lost.
    """

    def __init__(self, broker: Broker, name: str, deliver: Callable[[Received | Restored | LinkProblem], None]) -> None:
        self._broker = broker
        self._deliver = deliver
        self._answers: dict[str, Callable[[bytes], None]] = {}
        self._topics: dict[str, None] = {}  # a set in order
        self._unconfirmed: set[int] = set()
        self._lock = threading.Lock()
        self._settled = threading.Event()  # connected, and every subscription acknowledged
        self._refused = ""
        self._lost = False
        self._away = False
        self._last: mqtt.MQTTMessageInfo | None = None
        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        client.max_inflight_messages_set(1000)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def connect(self) -> None:
        """Raises: LinkProblem, when the broker refuses us or does not answer for a minute."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        self._client.loop_start()
        self._wait("answer")

    def subscribe(self, topics: Iterable[str]) -> None:
        """Listen, also after a reconnection; returns when the broker has acknowledged it. Raises: LinkProblem."""
        new = [topic for topic in dict.fromkeys(topics) if topic not in self._topics]
        if not new:
            return
        with self._lock:
            self._topics |= dict.fromkeys(new)
            self._settled.clear()
            self._request(new)
        self._wait("acknowledge a subscription")

    def answer(self, topic: str, respond: Callable[[bytes], None]) -> None:
        """Have messages on `topic` answered in the network thread, even while the main thread computes."""
        self._answers[topic] = respond
        self.subscribe([topic])

    def publish(self, topic: str, payload: bytes) -> None:
        """Send without waiting. While the connection is down, messages of QoS 0 are lost, others are sent later."""
        info = self._client.publish(topic, payload, self._broker.qos)
        if info.rc != mqtt.MQTT_ERR_NO_CONN or self._broker.qos:
            self._last = info

    def close(self) -> None:
        """Get out what was published, for a moment, and disconnect."""
        if self._last is not None and self._settled.is_set() and not self._refused:
            try:
                self._last.wait_for_publish(FLUSH_SECONDS)
            except (RuntimeError, ValueError) as error:
                log.warning("the last message was not sent: %s", error)
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, what: str) -> None:
        if not self._settled.wait(CONNECT_SECONDS):
            self._refused = self._refused or f"did not {what} within {CONNECT_SECONDS:.0f} s"
        if self._refused:
            raise LinkProblem(f"the broker at {self._broker.host}:{self._broker.port} {self._refused}")

    def _request(self, topics: list[str]) -> None:
        """Ask for subscriptions; without a connection `_on_connect` will do it. Called with the lock held."""
        for begin in range(0, len(topics), TOPICS_A_PACKET):
            chunk = [(topic, self._broker.qos) for topic in topics[begin : begin + TOPICS_A_PACKET]]
            code, number = self._client.subscribe(chunk)
            if code == mqtt.MQTT_ERR_SUCCESS and number is not None:
                self._unconfirmed.add(number)

    def _refuse(self, why: str) -> None:
        self._refused = why
        self._settled.set()  # wakes whoever waits, to find out
        self._deliver(LinkProblem(f"the broker {why}"))

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        if not self._away:
            log.warning("the broker at %s:%d does not answer; trying on", self._broker.host, self._broker.port)
        self._away = True

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code == "Server unavailable":  # for the moment; paho tries again
            return
        if code.is_failure:
            self._refuse(f"refuses the connection: {code}")
            self._client.disconnect()
            return
        with self._lock:
            self._unconfirmed.clear()
            self._request(list(self._topics))
            idle = not self._unconfirmed
        if idle:
            self._complete()

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, number: int, codes: list[Any], _properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self._refuse("refuses a subscription")
            return
        with self._lock:
            self._unconfirmed.discard(number)
            idle = not self._unconfirmed
        if idle:
            self._complete()

    def _complete(self) -> None:
        restored, self._lost, self._away = self._lost, False, False
        self._settled.set()
        if restored:
            self._deliver(Restored())

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if self._refused:
            return
        self._lost = True
        self._settled.clear()
        if code.is_failure:
            log.warning("the connection to the broker is lost (%s); connecting again", code)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)
        if message.retain:
            log.warning("ignored a retained message on %s: it is from another time", topic)
        elif respond := self._answers.get(topic):
            respond(payload)
        else:
            self._deliver(Received(topic, payload))


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
