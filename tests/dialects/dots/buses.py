"""Buses without a broker, for what is said and heard; the conversation itself is tested on real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from podium.bus.port import Handler, Message
from podium.bus.topics import matches


@dataclass
class Written:
    """A bus that writes down what is published, with its QoS, and brings what a test says."""

    said: list[tuple[str, bytes, int]] = field(default_factory=list)
    waited: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    handlers: dict[str, Handler] = field(default_factory=dict)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        await self.publish_many([(topic, payload)], qos=qos)

    async def publish_many(self, messages: list[tuple[str, bytes]], *, qos: int = 0) -> None:
        for topic, payload in messages:
            self.said.append((topic, payload, qos))
            self.waited.put_nowait(topic)

    async def until(self, message: str) -> None:
        """Return when `message` is published: one that no earlier call has waited for."""
        async with asyncio.timeout(60):
            while not (await self.waited.get()).endswith(f"/{message}"):
                pass

    async def subscribe(self, pattern: str, handler: Handler, *, qos: int = 0, **_more: Any) -> Written:
        self.handlers[pattern] = handler
        return self

    async def close(self) -> None:
        self.handlers.clear()

    def bring(self, topic: str, payload: bytes = b"") -> None:
        for pattern, handler in self.handlers.items():
            if matches(pattern, topic):
                handler(Message(topic, payload))


@dataclass
class Remembering(Written):
    """One that also has a memory, as a test fills it."""

    kept: list[Message] = field(default_factory=list)
    meanwhile: Any = None
    forgotten: list[str] = field(default_factory=list)

    def keep(self, topic: str, payload: bytes = b"") -> None:
        self.kept.append(Message(topic, payload, sequence=len(self.kept) + 1))

    async def recall(self, pattern: str) -> AsyncIterator[Message]:
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
        for message in self.kept:
            if matches(pattern, message.topic):
                yield message

    async def forget(self, pattern: str) -> None:
        self.forgotten.append(pattern)
