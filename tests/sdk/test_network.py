"""The link of a model, opposite a real broker that comes and goes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from podium.sdk.environment import Broker
from podium.sdk.network import Link, Received, Restored
from tests.parts.mosquitto import Mosquitto


def link_to(mosquitto: Mosquitto, name: str, qos: int) -> Link:
    return Link(Broker(mosquitto.host, mosquitto.port, qos, mosquitto.user, mosquitto.password), name)


def connected(mosquitto: Mosquitto, name: str, qos: int, *topics: str) -> Link:
    link = link_to(mosquitto, name, qos)
    link.connect()
    link.subscribe(topics)
    return link


@pytest.mark.parametrize("qos", [0, 1])
async def test_messages_come_in_order(mosquitto: Mosquitto, qos: int) -> None:
    await mosquitto.start()

    def both_ways() -> list[Received | Restored | None]:
        here, there = connected(mosquitto, "here", qos, "/a"), connected(mosquitto, "there", qos)
        for number in range(100):
            there.publish("/a", str(number).encode())
        there.close()
        found = [here.receive(30) for _ in range(100)]
        here.close()
        return found

    assert await asyncio.to_thread(both_ways) == [Received("/a", str(number).encode()) for number in range(100)]


async def test_what_is_published_while_the_broker_is_away_comes_later_and_the_end_is_orderly(
    mosquitto: Mosquitto,
) -> None:
    await mosquitto.start()
    link = await asyncio.to_thread(connected, mosquitto, "here", 1, "/a")
    mosquitto.kill()
    link.publish("/a", b"meanwhile")
    await mosquitto.start()
    restored = await asyncio.to_thread(link.receive, 30)
    received = await asyncio.to_thread(link.receive, 30)
    await asyncio.to_thread(link.close)
    assert {restored, received} == {Restored(), Received("/a", b"meanwhile")}


async def test_a_post_waits_for_nobody_and_is_sent_by_the_keeper(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A signal handler that raises may hit it anywhere, and what was interrupted must leave nothing locked."""
    await mosquitto.start()
    link = await asyncio.to_thread(connected, mosquitto, "here", 0)
    watcher = await asyncio.to_thread(connected, mosquitto, "there", 0, "/log")
    with link._turn:  # somebody drives and never looks up
        link.post("/log", b"a line")
    assert await asyncio.to_thread(watcher.receive, 30) == Received("/log", b"a line")
    await asyncio.gather(asyncio.to_thread(watcher.close), asyncio.to_thread(link.close))
    assert "link" not in {thread.name for thread in threading.enumerate()}


async def test_woken_from_elsewhere(mosquitto: Mosquitto) -> None:
    await mosquitto.start()
    link = await asyncio.to_thread(connected, mosquitto, "here", 0)
    waiting = asyncio.create_task(asyncio.to_thread(link.receive))
    link.wake()
    assert await waiting is None
    await asyncio.to_thread(link.close)
