"""What the broker remembers: one JetStream stream with the last few messages of each lifecycle topic.

It is one stream so that one sequence orders an order against its answer, whoever sent them: a CalculationsDone behind
the last NewStep of a model is the answer to it. Recovery after a crash, or after a lost link, reads it before
anything is sent again.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import AsyncIterator, Sequence

import structlog
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from podium.bus.durable import stream_sequence
from podium.bus.nats import NatsBus
from podium.bus.nats_link import LinkLost
from podium.bus.port import Message
from podium.bus.subjects import apart
from podium.bus.topics import subjects_of, topic_of
from podium.errors import Unavailable

log = structlog.get_logger()

STREAM = "podium_lifecycle"
_MARK = "podium_lifecycle.mark"
_PER_TOPIC = 4
_MAX_AGE = 7 * 86_400.0
_MAX_BYTES = 1 << 30
_BATCH = 2_000
_READ_SECONDS = 30.0


class CannotRemember(Unavailable):
    """The broker has no JetStream, or this user may not use it."""


class RememberingNatsBus(NatsBus):
    """A NATS link to a server with JetStream: also a `RemembersLifecycle`.

    Args:
        url: as for NatsBus.
        remember: topic filters whose last messages the server shall keep, beside those it keeps already.
        user: as for NatsBus.
        password: as for NatsBus.
        name: as for NatsBus.
    """

    def __init__(
        self,
        url: str,
        *,
        remember: Sequence[str],
        user: str | None = None,
        password: str | None = None,
        name: str = "podium",
    ) -> None:
        super().__init__(url, user=user, password=password, name=name)
        self._remember = [subject for pattern in remember for subject in subjects_of(pattern)]

    async def connect(self) -> None:
        """Raises: Unavailable; CannotRemember, when all is well but for the memory."""
        await super().connect()
        try:
            await self._ensure_stream()
        except (LinkLost, NatsTimeoutError) as error:  # it may well have a memory
            await self.close()
            raise Unavailable("the broker's memory does not answer", where=self._url, hint=str(error)) from error
        except NatsError as error:
            await self.close()
            raise CannotRemember(
                "the broker cannot remember lifecycle messages", where=self._url, hint=f"JetStream: {error}"
            ) from error

    async def recall(self, pattern: str) -> AsyncIterator[Message]:
        """The kept messages that match, oldest first, up to those accepted before the call. Raises: Unavailable."""
        try:
            # The mark is stored behind all that was accepted before it, also what the stream has yet to write down.
            last = json.loads((await self._link.request(_MARK, timeout=_READ_SECONDS)).data)["seq"]
            # One reading a subject: the server is about fifty times slower with two subjects in one.
            found = [await self._read(subject, last) for subject in subjects_of(pattern)]
        except (NatsError, KeyError) as error:
            raise Unavailable("the broker's memory cannot be read", where=self._url, hint=str(error)) from error
        for message in heapq.merge(*found, key=lambda message: message.sequence):
            yield message

    async def forget(self, pattern: str) -> None:
        """Drop the kept messages that match. Raises: Unavailable."""
        try:
            for subject in subjects_of(pattern):
                await self._link.jsm().purge_stream(STREAM, subject=subject)
        except NatsError as error:
            raise Unavailable("the broker's memory cannot be changed", where=self._url, hint=str(error)) from error

    async def _read(self, subject: str, last: int) -> list[Message]:
        """What is kept of one subject, up to the sequence `last`."""
        manager = self._link.jsm()
        consumer = await manager.add_consumer(
            STREAM,
            ConsumerConfig(
                filter_subject=subject,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.NONE,
                inactive_threshold=_READ_SECONDS,
                mem_storage=True,
            ),
        )
        kept: list[Message] = []
        more = bool(consumer.num_pending)
        while more:
            batch = await self._pull(consumer.name)
            more = bool(batch) and batch[-1].sequence < last
            kept += [message for message in batch if message.sequence <= last]
        await manager.delete_consumer(STREAM, consumer.name)
        return kept

    async def _pull(self, consumer: str) -> list[Message]:
        """The next messages, as many as there are up to a batch; none when there are no more."""
        batch: list[Message] = []
        done = asyncio.get_running_loop().create_future()

        def receive(subject: str, reply: str, payload: bytes, headers: bytes | None) -> None:
            if headers is not None and headers.startswith(b"NATS/1.0 "):
                ended = True
            else:
                batch.append(Message(topic_of(subject), payload, sequence=stream_sequence(reply)))
                ended = len(batch) == _BATCH
            if ended and not done.done():
                done.set_result(None)

        inbox = self._link.new_inbox()
        sid = await self._link.receive(inbox, receive)
        try:
            request = json.dumps({"batch": _BATCH, "no_wait": True}).encode()
            await self._link.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer}", request, reply=inbox)
            async with asyncio.timeout(_READ_SECONDS):
                await done
        except TimeoutError as error:
            raise Unavailable("the broker's memory does not answer", where=self._url) from error
        finally:
            await self._link.leave(sid)
        return batch

    async def _ensure_stream(self) -> None:
        manager = self._link.jsm()
        config = StreamConfig(
            name=STREAM,
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_msgs_per_subject=_PER_TOPIC,
            max_age=_MAX_AGE,
            max_bytes=_MAX_BYTES,
        )
        try:
            held = (await manager.stream_info(STREAM)).config.subjects or []
        except NotFoundError:
            await manager.add_stream(config, subjects=apart([*self._remember, _MARK]))
            return
        wanted = apart([*held, *self._remember, _MARK])
        if wanted != sorted(held):
            await manager.update_stream(config, subjects=wanted)
