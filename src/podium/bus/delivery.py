"""What stands between a link and a handler on every bus: faults are contained, messages in hand are bounded."""

from __future__ import annotations

from collections import deque

import structlog

from podium.bus.port import Handler, Message

log = structlog.get_logger()

MOST_WAITING = 65_536


def guarded(pattern: str, handler: Handler) -> Handler:
    """`handler`, whose faults are logged: one subscriber's fault must not end the link for all others."""

    def call(message: Message) -> None:
        try:
            handler(message)
        except Exception:
            log.exception("bus.handler failed", pattern=pattern, topic=message.topic)

    return call


class Window:
    """Hands at most `size` unacknowledged messages to `handler`.

    The rest wait here; beyond `MOST_WAITING` they are dropped and counted.
    """

    def __init__(self, pattern: str, handler: Handler, size: int) -> None:
        self.dropped = 0
        self._pattern = pattern
        self._handler = handler
        self._free = size
        self._waiting: deque[Message] = deque()

    def offer(self, message: Message) -> None:
        if self._free and not self._waiting:
            self._hand_out(message)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(message)
        else:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:
                log.warning(
                    "bus.messages dropped", pattern=self._pattern, count=self.dropped, why="too slow a subscriber"
                )

    def forget_waiting(self) -> None:
        """The broker is about to deliver again what waits here."""
        self._waiting.clear()

    def _hand_out(self, message: Message) -> None:
        self._free -= 1
        tell_broker = message._acknowledge  # noqa: SLF001

        def acknowledge() -> None:
            self._free += 1
            if tell_broker is not None:
                tell_broker()
            if self._waiting:
                self._hand_out(self._waiting.popleft())

        message._acknowledge = acknowledge  # noqa: SLF001
        self._handler(message)
