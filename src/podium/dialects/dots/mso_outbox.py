"""What the model services orchestrator has to say, in order, until the broker has it: a link may be lost meanwhile."""

from __future__ import annotations

import asyncio

import structlog

from podium.bus.port import Bus
from podium.errors import DocumentRefused, Unavailable

log = structlog.get_logger()

_AGAIN_SECONDS = 5.0
_FLUSH_SECONDS = 2.0


class Outbox:
    """Publishes what is put into it; handlers, which may not wait, put."""

    def __init__(self, bus: Bus, qos: int) -> None:
        self._bus = bus
        self._qos = qos
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._restored = asyncio.Event()

    def put(self, topic: str, payload: bytes) -> None:
        self._waiting.put_nowait((topic, payload))

    def restored(self) -> None:
        """The link is back."""
        self._restored.set()

    async def run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                await self._publish(batch)
            except DocumentRefused:
                for message in batch:
                    await self._publish_one(message)
            for _ in batch:
                self._waiting.task_done()

    async def flush(self) -> None:
        """Wait until all is said, if that is soon."""
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._waiting.join()
        except TimeoutError:
            log.warning("mso.unsaid", messages=self._waiting.qsize())

    async def _publish_one(self, message: tuple[str, bytes]) -> None:
        try:
            await self._publish([message])
        except DocumentRefused as error:
            log.warning("mso.unsayable", topic=message[0][:200], reason=str(error))

    async def _publish(self, batch: list[tuple[str, bytes]]) -> None:
        """Again and again, if need be. Raises: DocumentRefused."""
        while True:
            self._restored.clear()
            try:
                await self._bus.publish_many(batch, qos=self._qos)
            except Unavailable as error:
                log.warning("mso.link_lost", waiting=len(batch), reason=str(error))
                try:
                    await asyncio.wait_for(self._restored.wait(), _AGAIN_SECONDS)
                except TimeoutError:
                    continue
            else:
                return
