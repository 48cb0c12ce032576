"""The bus on NATS: MQTT topics as subjects, straight to the handlers.

What QoS means here. NATS itself delivers at most once, to whoever listens at that moment.

- `publish` with qos >= 1 returns when the server has read the message and passed it to all who listen, JetStream
  streams included (a PONG that came behind it). That is the truth an orchestrator needs: a model that can hear the
  order has it. It does not wait for a stream's disk; a message whose link broke first raises Unavailable.
- `subscribe` with qos >= 1 bounds what is handed out and not acknowledged; the rest waits in our memory.
- `subscribe` with `durable` is a JetStream consumer: the server keeps messages while we are away and until they are
  acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import structlog
from nats.aio.client import Server

from podium.bus.delivery import Window, guarded
from podium.bus.durable import DurableSubscription
from podium.bus.nats_link import Link, Receive
from podium.bus.port import Handler, Message, Subscription
from podium.bus.topics import subject_of, subjects_of, topic_of
from podium.errors import DocumentRefused, NotAllowed, Unavailable

log = structlog.get_logger()

_FIRST_DELAY, _LONGEST_DELAY = 0.05, 2.0
_PING_SECONDS = 10
_CONNECT_SECONDS = 15


class NatsBus:
    """One connection to a NATS server.

    Args:
        url: `nats://host:port`, without credentials.
        user: user name, if the server wants one.
        password: its password.
        name: what the server shows this connection as.
    """

    def __init__(self, url: str, *, user: str | None = None, password: str | None = None, name: str = "podium") -> None:
        self._url = url
        self._user = user
        self._password = password
        self._name = name
        self._link = Link()
        self._why_not: list[Exception] = []
        self._lost: list[Callable[[], None]] = []
        self._restored: list[Callable[[], None]] = []
        self._durables: list[DurableSubscription] = []
        self._connecting = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url}>"

    @property
    def connected(self) -> bool:
        return bool(self._link.is_connected)

    async def connect(self) -> None:
        self._why_not.clear()
        self._connecting = True
        try:
            await self._link.connect(
                self._url,
                user=self._user,
                password=self._password,
                name=self._name,
                connect_timeout=_CONNECT_SECONDS,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                ping_interval=_PING_SECONDS,
                max_outstanding_pings=1,
                error_cb=self._on_error,
                disconnected_cb=self._on_lost,
                reconnected_cb=self._on_reconnected,
                reconnect_to_server_handler=_next_server,
            )
        except Exception as error:
            await self.close()
            reasons = " ".join(str(each) for each in [*self._why_not, error]).lower()
            if "authorization" in reasons or "authentication" in reasons:
                raise Unavailable("the broker refuses the user name or password", where=self._url) from None
            raise Unavailable(
                "the broker does not answer", where=self._url, hint="Is it running, and is the address right?"
            ) from error
        finally:
            self._connecting = False
        self._link.options["max_reconnect_attempts"] = -1

    async def close(self) -> None:
        if not self.connected:  # else nats-py trips over what it cannot send
            self._link.forget_pending()
        try:
            await self._link.close()
        except asyncio.CancelledError:
            # A reconnect that was under way may have cancelled what nats-py waits for here: not our cancellation.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        if retain:
            raise DocumentRefused(
                "a NATS link cannot leave a retained message", where=f"topic {topic!r}", hint="Use the mqtt:// address"
            )
        await self.publish_many([(topic, payload)], qos=qos)

    async def publish_many(self, messages: list[tuple[str, bytes]], *, qos: int = 0) -> None:
        link = self._link
        if not link.is_connected:
            raise Unavailable("the connection to the broker is lost", where=self._url)
        limit = link.max_payload
        commands = []
        for topic, payload in messages:
            size = len(payload)
            if size > limit:
                raise DocumentRefused(
                    f"the message has {size} bytes, the broker takes {limit}",
                    where=f"topic {topic!r}",
                    hint="Raise max_payload in the broker's configuration",
                )
            commands.append(b"%b%d\r\n%b\r\n" % (_publish_command(topic), size, payload))
        link.send(commands)
        if qos:
            await link.confirmed()
        else:
            await link.drained()

    async def subscribe(
        self, pattern: str, handler: Handler, *, qos: int = 0, durable: str | None = None, max_in_flight: int = 256
    ) -> Subscription:
        if not self._link.is_connected:
            raise Unavailable("the connection to the broker is lost", where=self._url)
        safe = guarded(pattern, handler)
        if durable is not None and qos:
            subscription = await DurableSubscription.make(self._link, pattern, safe, durable, max_in_flight)
            self._durables.append(subscription)
            return subscription
        deliver = Window(pattern, safe, max_in_flight).offer if qos else safe
        receiver = _receiver(pattern, deliver)
        before = len(self._link.violations)
        ids = [await self._link.receive(subject, receiver) for subject in subjects_of(pattern)]
        await self._link.confirmed()
        if refused := self._link.violations[before:]:
            raise NotAllowed("the broker does not allow this user to subscribe", where=pattern, hint=refused[0])
        return _Subscription(self._link, ids)

    def on_lost(self, callback: Callable[[], None]) -> None:
        self._lost.append(callback)

    def on_restored(self, callback: Callable[[], None]) -> None:
        self._restored.append(callback)

    async def _on_error(self, error: Exception) -> None:
        if self._connecting:
            self._why_not.append(error)
        else:
            log.info("bus.link trouble", url=self._url, error=str(error) or type(error).__name__)

    async def _on_lost(self) -> None:
        self._link.forget_pending()
        if not self._link.is_closed and not self._connecting:
            log.warning("bus.link lost", url=self._url)
            for callback in self._lost:
                callback()

    async def _on_reconnected(self) -> None:
        log.info("bus.link restored", url=self._url)
        for durable in self._durables:
            await durable.resume()
        for callback in self._restored:
            callback()


class _Subscription:
    def __init__(self, link: Link, ids: Sequence[int]) -> None:
        self._link = link
        self._ids = ids

    async def close(self) -> None:
        for sid in self._ids:
            await self._link.leave(sid)


@lru_cache(maxsize=65_536)
def _publish_command(topic: str) -> bytes:
    return f"PUB {subject_of(topic)} ".encode()


def _receiver(pattern: str, deliver: Handler) -> Receive:
    # As with MQTT, a leading wildcard does not stand for what servers and clients talk about among themselves.
    hidden = ("$", "_INBOX.") if pattern[0] in "+#" else ()

    def receive(subject: str, _reply: str, payload: bytes, _headers: bytes | None) -> None:
        if hidden and subject.startswith(hidden):
            return
        deliver(Message(topic_of(subject), payload))

    return receive


def _next_server(servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    best = min(servers, key=lambda server: server.reconnects)
    delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(best.reconnects - 1, 10)) if best.reconnects else 0.0
    return best, delay
