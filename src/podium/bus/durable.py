"""Durable subscriptions on NATS: JetStream consumers with explicit acknowledgement.

Messages wait in one stream that keeps only what some durable subscription still has to see (interest retention), as
nats-server's own MQTT sessions do it. Topics that another stream keeps already (the lifecycle memory, or the user's)
are read from there, because JetStream stores a subject in one stream only.
"""

from __future__ import annotations

import hashlib
import json
import re

import nats.js.errors
import structlog
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.manager import JetStreamManager

from podium.bus.delivery import Window
from podium.bus.nats_link import Link
from podium.bus.port import Handler, Message
from podium.bus.subjects import apart, covers, overlap
from podium.bus.topics import subjects_of, topic_of
from podium.errors import DocumentRefused, Unavailable

log = structlog.get_logger()

STREAM = "podium_durable"
_MAX_BYTES = 4 << 30
_MAX_AGE = 7 * 86_400.0
# Only a broker that cannot be told to start again at what is not acknowledged waits this long before it redelivers.
_ACK_WAIT = 300.0


class DurableSubscription:
    """One durable subscription, attached: a consumer a subject, as nats-server is slow with two subjects in one."""

    def __init__(self, link: Link, stream: str, window: Window) -> None:
        self._link = link
        self._stream = stream
        self._window = window
        self._consumers: list[str] = []
        self._ids: list[int] = []

    @classmethod
    async def make(
        cls, link: Link, pattern: str, handler: Handler, durable: str, max_in_flight: int
    ) -> DurableSubscription:
        """Raises: Unavailable, DocumentRefused (topics that the broker keeps elsewhere only in part)."""
        subjects = list(subjects_of(pattern))
        manager = link.jsm()
        try:
            stream = await _stream_for(manager, subjects, pattern)
            subscription = cls(link, stream, Window(pattern, handler, max_in_flight))
            for subject in subjects:
                await subscription._attach(manager, subject, _consumer_name(durable, subject), max_in_flight)
            await link.confirmed()
        except NatsError as error:
            raise Unavailable(
                "the broker cannot keep messages for a durable subscription",
                where=pattern,
                hint=f"JetStream must be on: {error}",
            ) from error
        return subscription

    async def resume(self) -> None:
        """Have what was handed out and never acknowledged delivered again."""
        self._window.forget_waiting()
        for consumer in self._consumers:
            await self._deliver_again(consumer)

    async def close(self) -> None:
        ids, self._ids, self._consumers = self._ids, [], []
        for sid in ids:
            await self._link.leave(sid)

    async def _attach(self, manager: JetStreamManager, subject: str, consumer: str, max_in_flight: int) -> None:
        link, window = self._link, self._window

        def receive(subject: str, reply: str, payload: bytes, _headers: bytes | None) -> None:
            def acknowledge() -> None:
                # After a lost link there is nothing to say: the broker delivers this one again.
                if link.is_connected:
                    link.send([f"PUB {reply} 0\r\n\r\n".encode()])

            window.offer(Message(topic_of(subject), payload, sequence=stream_sequence(reply), _acknowledge=acknowledge))

        inbox = link.new_inbox()
        await manager.add_consumer(
            self._stream,
            ConsumerConfig(
                durable_name=consumer,
                name=consumer,
                filter_subject=subject,
                deliver_subject=inbox,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=_ACK_WAIT,
                max_ack_pending=max_in_flight,
            ),
        )
        # Before anybody listens on the inbox, so that nothing is delivered twice for this alone.
        await self._deliver_again(consumer)
        self._ids.append(await link.receive(inbox, receive))
        self._consumers.append(consumer)

    async def _deliver_again(self, consumer: str) -> None:
        try:
            await self._link.jsm().reset_consumer(self._stream, consumer)
        except NatsError as error:
            log.info("bus.redelivery waits", consumer=consumer, seconds=_ACK_WAIT, error=str(error))


def stream_sequence(reply: str) -> int:
    """A JetStream message's place in its stream, out of the subject its acknowledgement goes to."""
    tokens = reply.split(".")
    return int(tokens[5] if len(tokens) == 9 else tokens[7])


def _consumer_name(durable: str, subject: str) -> str:
    """Names of consumers are as narrow as file names; the digest keeps two subscriptions of one name apart."""
    digest = hashlib.sha256(f"{durable}\n{subject}".encode()).hexdigest()[:12]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', durable)[:40]}-{digest}"


async def _stream_for(manager: JetStreamManager, subjects: list[str], pattern: str) -> str:
    kept: list[str] = []
    for name in await _streams_with(manager, subjects):
        held = (await manager.stream_info(name)).config.subjects or []
        if all(any(covers(wide, subject) for wide in held) for subject in subjects):
            return name
        if name == STREAM:
            kept = held
        elif any(overlap(wide, subject) for wide in held for subject in subjects):
            raise DocumentRefused(
                f"the broker keeps a part of these topics in the stream {name}, which cannot be kept twice",
                where=f"topic filter {pattern!r}",
                hint="Subscribe to narrower topics, or without a durable name",
            )
    config = StreamConfig(
        name=STREAM,
        retention=RetentionPolicy.INTEREST,
        storage=StorageType.FILE,
        max_bytes=_MAX_BYTES,
        max_age=_MAX_AGE,
    )
    try:
        kept = kept or (await manager.stream_info(STREAM)).config.subjects or []
    except nats.js.errors.NotFoundError:
        await manager.add_stream(config, subjects=apart(subjects))
    else:
        await manager.update_stream(config, subjects=apart([*kept, *subjects]))
    return STREAM


async def _streams_with(manager: JetStreamManager, subjects: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for subject in subjects:
        request = json.dumps({"subject": subject}).encode()
        answer = await manager._api_request(f"{manager._prefix}.STREAM.NAMES", request)  # noqa: SLF001
        names |= dict.fromkeys(answer.get("streams") or [])
    return list(names)
