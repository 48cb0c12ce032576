"""Kind `message`, on the embedded broker."""

from __future__ import annotations

import asyncio
import json

import pytest

from podium.bus import open_bus
from podium.errors import DocumentRefused, Unavailable
from podium.jobs.message import MessageJob
from tests.jobs.parts import job


@pytest.fixture
async def bus(embedded):
    account = embedded.credentials
    bus = await open_bus(embedded.nats_url, user=account.user, password=account.password)
    yield bus
    await bus.close()


@pytest.fixture
def kind(bus):
    return MessageJob(bus)


@pytest.fixture
async def waiting(bus, kind):
    """Starts to wait, and says when it does: what it publishes itself is heard only then."""
    heard: asyncio.Queue = asyncio.Queue()
    await bus.subscribe("here", heard.put_nowait, qos=0)
    tasks = []

    async def wait(**details):
        call = {"wait": details, "publish": {"topic": "here"}}
        tasks.append(asyncio.create_task(kind.perform(job(call))))
        await asyncio.wait_for(heard.get(), 30)
        return tasks[-1]

    yield wait
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_publish(bus, kind):
    heard: asyncio.Queue = asyncio.Queue()
    await bus.subscribe("plant/#", heard.put_nowait, qos=0)
    call = {"publish": {"topic": "plant/start", "payload": {"batch": 7}}}
    assert await kind.perform(job(call)) is None
    message = await asyncio.wait_for(heard.get(), 30)
    assert (message.topic, json.loads(message.payload)) == ("plant/start", {"batch": 7})


async def test_what_came_is_the_result(bus, waiting):
    task = await waiting(topic="plant/+/done")
    await bus.publish("plant/3/done", b'{"rows": 3}', qos=1)
    assert await asyncio.wait_for(task, 30) == {"rows": 3}


@pytest.mark.parametrize(("payload", "result"), [(b"done", "done"), (b"", ""), (b"\xff", "�"), (b"7", 7)])
async def test_it_need_not_be_json(bus, waiting, payload, result):
    task = await waiting(topic="t")
    await bus.publish("t", payload, qos=1)
    assert await asyncio.wait_for(task, 30) == result


async def test_only_one_that_matches(bus, waiting):
    task = await waiting(topic="t", match={"batch": 7, "state": None})
    for other in (b"x", b"7", b"[]", b"{}", b'{"batch": 7}', b'{"batch": 8, "state": null}'):
        await bus.publish("t", other, qos=1)
    await bus.publish("t", b'{"batch": 7, "state": null, "n": 1}', qos=1)
    assert await asyncio.wait_for(task, 30) == {"batch": 7, "state": None, "n": 1}


async def test_what_it_publishes_itself_may_answer_it(kind):
    call = {"publish": {"topic": "echo", "payload": "hello"}, "wait": {"topic": "echo"}}
    assert await asyncio.wait_for(kind.perform(job(call)), 30) == "hello"


async def test_cancelled_it_hears_no_more(bus, waiting):
    task = await waiting(topic="t")
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await bus.publish("t", b"1", qos=1)


async def test_no_broker(bus, kind):
    await bus.close()
    with pytest.raises(Unavailable):
        await kind.perform(job({"publish": {"topic": "t"}}))


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({}, "must have `publish` or `wait`"),
        ({"publish": {"topic": "a/#"}}, "publish.topic: a topic to publish to has no wildcard"),
        ({"publish": {"topic": "$SYS/a"}}, "publish.topic: topics that begin with"),
        ({"wait": {"topic": "a/#/b"}}, "wait.topic: a wildcard stands for whole levels"),
        ({"wait": {"topic": "a", "match": 7}}, "wait.match"),
    ],
)
def test_what_is_refused_beforehand(call, why):
    with pytest.raises(DocumentRefused, match=why):
        MessageJob(None).check(call)
