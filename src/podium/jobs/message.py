"""Kind `message`: something is published, or waited for, or both.

    {"publish": {"topic": "plant/start", "payload": {"batch": 7}},
     "wait": {"topic": "plant/+/done", "match": {"batch": 7}}}

The result is the message that came, as JSON or as text. What comes while Podium is away is not heard; what is
published may be published twice by a Podium that was killed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from podium.bus.port import Bus, Message
from podium.bus.topics import check_pattern, check_topic
from podium.errors import DocumentRefused
from podium.jobs.calls import Call, check, read
from podium.jobs.port import RESULT_BYTES, Job
from podium.runs.events import Json

AT_LEAST_ONCE = 1


def _topic(text: str) -> str:
    return _checked(check_topic, text)


def _pattern(text: str) -> str:
    return _checked(check_pattern, text)


def _checked(checks: Any, text: str) -> str:
    try:
        checks(text)
    except DocumentRefused as error:
        raise ValueError(error.problem) from None
    return text


class Publish(Call):
    topic: Annotated[str, AfterValidator(_topic)]
    payload: Any = ""


class Wait(Call):
    """`match`: keys of the message, which must then be a JSON object, and the values they must have."""

    topic: Annotated[str, AfterValidator(_pattern)]
    match: dict[str, Any] = Field(default_factory=dict)


class MessageCall(Call):
    publish: Publish | None = None
    wait: Wait | None = None

    @model_validator(mode="after")
    def _something(self) -> MessageCall:
        if self.publish is None and self.wait is None:
            raise ValueError("must have `publish` or `wait`")
        return self


class MessageJob:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def check(self, call: Mapping[str, Any]) -> None:
        check(MessageCall, call)

    async def perform(self, job: Job) -> Json:
        call = read(MessageCall, job.call)
        if call.wait is None:
            await self._publish(call)
            return None
        wanted, came = call.wait.match, asyncio.get_running_loop().create_future()

        def heard(message: Message) -> None:
            message.ack()
            content = _content(message.payload)
            if not came.done() and _matches(content, wanted):
                came.set_result(content)

        subscription = await self._bus.subscribe(call.wait.topic, heard, qos=AT_LEAST_ONCE)
        try:
            await self._publish(call)
            return await came  # type: ignore[no-any-return]
        finally:
            await subscription.close()

    async def _publish(self, call: MessageCall) -> None:
        if call.publish is not None:
            payload = call.publish.payload
            text = payload if isinstance(payload, str) else json.dumps(payload)
            await self._bus.publish(call.publish.topic, text.encode(), qos=AT_LEAST_ONCE)


def _content(payload: bytes) -> Json:
    text = payload[: RESULT_BYTES + 1].decode(errors="replace")  # one that is cut is refused as a result
    try:
        return json.loads(text)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return text


def _matches(content: Json, wanted: Mapping[str, Any]) -> bool:
    if not wanted:
        return True
    return isinstance(content, dict) and all(key in content and content[key] == wanted[key] for key in wanted)
