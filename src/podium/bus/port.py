"""The message bus as the rest of Podium sees it: topics in MQTT syntax, handlers to call, messages to acknowledge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(slots=True)
class Message:
    """One message. `sequence` is its place in what the broker remembers, 0 where it remembers nothing."""

    topic: str
    payload: bytes
    sequence: int = 0
    retained: bool = False
    _acknowledge: Callable[[], None] | None = field(default=None, repr=False)

    def ack(self) -> None:
        """Tell the broker that this message is done with. Needed for each message of a subscription with qos >= 1."""
        acknowledge, self._acknowledge = self._acknowledge, None
        if acknowledge is not None:
            acknowledge()


Handler = Callable[[Message], None]


class Subscription(Protocol):
    async def close(self) -> None:
        """Deliver nothing more. A durable subscription stays known to the broker."""
        ...


class Bus(Protocol):
    """One connection to a broker.

    Handlers are plain functions, called on the event loop in the order of arrival, and must not block. A subscription
    with qos >= 1 has at most `max_in_flight` messages handed out and not acknowledged; the broker keeps the rest.
    After a lost connection the bus connects again by itself, subscribes again, and then calls `on_restored`.
    """

    async def connect(self) -> None:
        """Raises: Unavailable, when the broker does not answer or refuses the credentials (never in the message)."""
        ...

    async def close(self) -> None: ...

    @property
    def connected(self) -> bool: ...

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send one message; with qos >= 1 returns when the broker has accepted it.

        Raises: Unavailable, DocumentRefused (size, topic).
        """
        ...

    async def publish_many(self, messages: list[tuple[str, bytes]], *, qos: int = 0) -> None:
        """Send messages in order; with qos >= 1 returns when the broker has accepted all."""
        ...

    async def subscribe(
        self, pattern: str, handler: Handler, *, qos: int = 0, durable: str | None = None, max_in_flight: int = 256
    ) -> Subscription:
        """Call `handler` for each message whose topic matches `pattern` (MQTT syntax, `+` and `#`).

        With `durable` the broker keeps messages under that name while we are away (at qos >= 1).
        """
        ...

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when a connection is found lost, perhaps more than once before it is back."""
        ...

    def on_restored(self, callback: Callable[[], None]) -> None:
        """Have `callback` called each time a lost connection is back and its subscriptions are made."""
        ...


@runtime_checkable
class RemembersLifecycle(Protocol):
    """A bus whose broker keeps the last few messages of each lifecycle topic (JetStream), in one order over all."""

    def recall(self, pattern: str) -> AsyncIterator[Message]:
        """The kept messages that match, oldest first, up to those accepted before the call."""
        ...

    async def forget(self, pattern: str) -> None:
        """Drop the kept messages that match."""
        ...
