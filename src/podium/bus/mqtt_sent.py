"""What was published at QoS 1 and is not accepted yet, so that a publisher can wait for exactly its own messages."""

from __future__ import annotations

import asyncio


class Batch:
    """Messages published together, until the broker has accepted all."""

    def __init__(self) -> None:
        self.open = 1
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False
        self.refused: int | None = None

    def close_one(self) -> None:
        self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)

    def fail(self) -> None:
        self.lost = True
        if not self.done.done():
            self.done.set_result(None)


class Sent:
    """gmqtt's place for packets to send again; here they are only counted, and a waiting sender is told."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.open: dict[int, Batch] = {}
        self.is_empty = True

    def push_message(self, mid: int, _packet: bytes) -> None:
        if self.batch is not None:
            self.batch.open += 1
            self.open[mid] = self.batch

    def remove_message_by_mid(self, mid: int) -> None:
        self.open.pop(mid, None)

    async def wait_empty(self) -> None: ...

    def clear(self) -> None: ...

    def get_all(self) -> list[tuple[int, bytes]]:
        return []
