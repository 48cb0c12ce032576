"""The link to the broker, driven by who waits for a message: usually the main thread, so that nothing is handed over.

While the main thread calculates for long, a keeper thread takes its turn: it answers pings, keeps the connection alive
and collects what comes. Whoever has the turn is the only one to touch the client; others leave their messages and wake
them. After a lost connection the link connects and subscribes again, and says so among the messages.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from podium.sdk.environment import Broker

log = logging.getLogger(__name__)

CONNECT_SECONDS = 300.0  # as long as simulators wait for models to be ready
FLUSH_SECONDS = 5.0
HURRIED_SECONDS = 2.0  # after SIGTERM, before whoever sent it sends SIGKILL
KEEPER_SECONDS = 1.0  # without a turn of the main thread, before the keeper takes it
CARE_SECONDS = 1.0  # between two looks at the keep-alive
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # before connecting again
TOPICS_A_PACKET = 500


class Woken(Exception):
    """`wake` was called while something else was waited for."""


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
    """

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self._inbox: deque[Received | Restored] = deque()
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._answers: dict[str, Callable[[bytes], None]] = {}
        self._topics: dict[str, None] = {}  # a set in order
        self._unconfirmed: set[int] = set()
        self._settled = False  # connected, and every subscription acknowledged
        self._refused = ""
        self._lost = False
        self._away = False
        self._pause = FIRST_PAUSE
        self._connect_at = self._care_at = self._driven = 0.0
        self._unacknowledged: set[int] = set()  # of QoS 1, not acknowledged by the broker

        self._turn = threading.Lock()
        self._wanted = self._woken = False
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="link", daemon=True)
        self._alarm, self._bell = socket.socketpair()
        self._alarm.setblocking(False)
        self._bell.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._alarm, select.POLLIN)
        self._full = False  # the socket takes no more for now

        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        client.max_inflight_messages_set(1000)
        client.connect_timeout = 3.0
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = _written_by_us
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        if broker.qos:
            client.on_publish = self._on_publish

    def connect(self) -> None:
        """Raises: LinkProblem, when the broker refuses us or does not answer for long; Woken."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        self._keeper.start()
        with self._at_the_wheel():
            self._wait("answer")

    def subscribe(self, topics: Iterable[str]) -> None:
        """Listen, also after a reconnection; returns when it is acknowledged. Raises: LinkProblem, Woken."""
        new = [topic for topic in dict.fromkeys(topics) if topic not in self._topics]
        if not new:
            return
        with self._at_the_wheel():
            self._topics |= dict.fromkeys(new)
            self._settled = False
            self._request(new)
            self._wait("acknowledge a subscription")

    def answer(self, topic: str, respond: Callable[[bytes], None]) -> None:
        """Have messages on `topic` answered at once, even while the main thread computes."""
        self._answers[topic] = respond
        self.subscribe([topic])

    def receive(self, timeout: float | None = None) -> Received | Restored | None:
        """What came next; None: nothing within `timeout` seconds, or `wake` was called. Raises: LinkProblem."""
        if not self._inbox:
            deadline = None if timeout is None else time.monotonic() + timeout
            with self._at_the_wheel():
                while not (self._inbox or self._refused or self._woken):
                    left = CARE_SECONDS if deadline is None else deadline - time.monotonic()
                    if left <= 0:
                        break
                    self._drive(left)
            self._woken = False
        if self._inbox:
            return self._inbox.popleft()
        if self._refused:
            raise LinkProblem(f"the broker {self._refused}")
        return None

    def wake(self) -> None:
        """Have whatever waits here return; may be called from a signal handler."""
        self._woken = True
        self._ring()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send without waiting. While the connection is down, messages of QoS 0 are lost, others are sent later."""
        self._outbox.append((topic, payload))
        if self._turn.acquire(blocking=False):
            try:
                self._send()
            finally:
                self._turn.release()
        else:
            self._ring()

    def post(self, topic: str, payload: bytes) -> None:
        """The same when whoever drives comes to it, a second or two later at most; may be interrupted at any point."""
        self._outbox.append((topic, payload))
        self._ring()

    def close(self, *, hurried: bool = False) -> None:
        """Get out what was published, for a moment, and disconnect."""
        with self._at_the_wheel():
            self._closing.set()
            self._send()
            deadline = time.monotonic() + (HURRIED_SECONDS if hurried else FLUSH_SECONDS)
            while self._unsent() and (left := deadline - time.monotonic()) > 0:
                self._drive(left)
            self._client.disconnect()
            self._client.loop_write()
        if self._keeper.is_alive():
            self._keeper.join()
        self._alarm.close()
        self._bell.close()

    def _unsent(self) -> bool:
        if not self._settled or self._refused:
            return False
        return self._client.want_write() or bool(self._unacknowledged)

    @contextlib.contextmanager
    def _at_the_wheel(self) -> Iterator[None]:
        """With the turn, for the main thread: the keeper lets go of it at once."""
        if not self._turn.acquire(blocking=False):
            self._wanted = True
            self._ring()
            self._turn.acquire()
            self._wanted = False
        try:
            yield
        finally:
            self._driven = time.monotonic()
            self._turn.release()

    def _keep(self) -> None:
        """What the keeper thread does."""
        while not self._closing.wait(KEEPER_SECONDS):
            if time.monotonic() - self._driven < KEEPER_SECONDS or not self._turn.acquire(blocking=False):
                continue
            try:
                while not (self._wanted or self._closing.is_set()):
                    self._drive(CARE_SECONDS)
            finally:
                self._turn.release()

    def _drive(self, timeout: float) -> None:
        """Do what there is to do, or wait for it; with the turn."""
        client = self._client
        if client.socket() is None:
            timeout = min(timeout, self._connect())
        else:
            self._send()
        if (sock := client.socket()) is not None and self._full is not client.want_write():
            self._full = not self._full
            self._poll.modify(sock, select.POLLIN | select.POLLOUT if self._full else select.POLLIN)
        for descriptor, _ in self._poll.poll(1000 * min(timeout, CARE_SECONDS)):
            if descriptor == self._alarm.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._alarm.recv(4096)
            else:
                client.loop_read()
        if client.want_write():
            client.loop_write()
        if (now := time.monotonic()) >= self._care_at:
            self._care_at = now + CARE_SECONDS
            client.loop_misc()

    def _send(self) -> None:
        """Hand all messages to the socket; what it does not take now, it takes when it is driven."""
        client, qos = self._client, self._broker.qos
        while self._outbox:
            info = client.publish(*self._outbox.popleft(), qos)
            if qos and info.rc in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):
                self._unacknowledged.add(info.mid)
        if client.want_write():
            client.loop_write()

    def _connect(self) -> float:
        """Connect, when it is time to; gives the seconds until then."""
        left = self._connect_at - time.monotonic()
        if left > 0:
            return left
        try:
            self._client.reconnect()
        except OSError:
            if not self._away:
                log.warning("the broker at %s:%d does not answer; trying on", self._broker.host, self._broker.port)
            self._away = True
            self._postpone()
        return 0.0

    def _postpone(self) -> None:
        self._connect_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _wait(self, what: str) -> None:
        """Until all is settled; with the turn."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while not (self._settled or self._refused):
            if self._woken:
                raise Woken
            if (left := deadline - time.monotonic()) <= 0:
                self._refused = f"did not {what} within {CONNECT_SECONDS:.0f} s"
            else:
                self._drive(left)
        if self._refused:
            raise LinkProblem(f"the broker at {self._broker.host}:{self._broker.port} {self._refused}")

    def _request(self, topics: list[str]) -> None:
        """Ask for subscriptions; without a connection `_on_connect` will do it."""
        for begin in range(0, len(topics), TOPICS_A_PACKET):
            chunk = [(topic, self._broker.qos) for topic in topics[begin : begin + TOPICS_A_PACKET]]
            code, number = self._client.subscribe(chunk)
            if code == mqtt.MQTT_ERR_SUCCESS and number is not None:
                self._unconfirmed.add(number)

    def _ring(self) -> None:
        """Have whoever drives look up."""
        with contextlib.suppress(BlockingIOError):  # so many have rung that it cannot be missed
            self._bell.send(b"\0")

    def _on_socket_open(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(sock, select.POLLIN)
        self._full = False

    def _on_socket_close(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        self._poll.unregister(sock)

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code == "Server unavailable":  # for the moment; it is tried again
            return
        if code.is_failure:
            self._refused = f"refuses the connection: {code}"
            return
        self._pause = FIRST_PAUSE
        self._unconfirmed.clear()
        self._request(list(self._topics))
        if not self._unconfirmed:
            self._settle()

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, number: int, codes: list[Any], _properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self._refused = "refuses a subscription"
            return
        self._unconfirmed.discard(number)
        if not self._unconfirmed:
            self._settle()

    def _on_publish(self, _client: mqtt.Client, _data: Any, number: int, _code: Any, _properties: Any) -> None:
        self._unacknowledged.discard(number)

    def _settle(self) -> None:
        self._settled = True
        if self._lost:
            self._inbox.append(Restored())
        self._lost = self._away = False

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._settled = False
        self._postpone()
        if not self._refused and not self._closing.is_set():
            self._lost = True
            if code.is_failure:
                log.warning("the connection to the broker is lost (%s); connecting again", code)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)
        if message.retain:
            log.warning("ignored a retained message on %s: it is from another time", topic)
        elif respond := self._answers.get(topic):
            respond(payload)
        else:
            self._inbox.append(Received(topic, payload))


def _written_by_us(_client: mqtt.Client, _data: Any, _sock: Any) -> None:
    """Tells paho that it need not write by itself: `Link` does, when it has the turn."""
