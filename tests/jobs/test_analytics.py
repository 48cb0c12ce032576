"""Kind `analytics`: the component's side is played by raw sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest

from podium.errors import DocumentRefused
from podium.jobs.analytics import LARGEST_ANSWER, MORE_SECONDS, Analytics, submit
from podium.jobs.port import JobFailed
from tests.jobs.parts import job
from tests.parts import free_port

MESSAGE = {"path": "local:///app/src/ClassificationJob.py", "algorithm": "mlp", "column": "größe"}


class Component:
    """Does what `plays` says with each connection, after it has read a whole message."""

    def __init__(self, plays):
        self.plays = plays
        self.headers: list[bytes] = []
        self.messages: list = []
        self.told, self.left = asyncio.Event(), asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _connected(self, reader, writer):
        try:
            self.headers.append(await reader.readexactly(64))
            self.messages.append(json.loads(await reader.readexactly(int(self.headers[-1]))))
            self.told.set()
            await self.plays(reader, writer)
        except ConnectionError:
            pass
        finally:
            self.left.set()
            writer.close()


async def silent(reader, writer):
    await reader.read(1)  # until the other side goes away


async def failure(plays, **details) -> str:
    async with Component(plays) as component:
        with pytest.raises(JobFailed) as caught:
            await submit(component.address, MESSAGE, **details)
    assert not caught.value.final
    return caught.value.reason


async def test_the_message_goes_behind_its_length():
    async def plays(reader, writer):
        writer.write(b"Job ended\n")

    async with Component(plays) as component:
        assert await Analytics().perform(job({"address": component.address, "message": MESSAGE})) == "Job ended"
    assert component.messages == [MESSAGE]
    (header,) = component.headers
    assert header == str(len(json.dumps(MESSAGE).encode())).encode() + b" " * (64 - len(header.strip()))


async def test_an_answer_in_parts(monkeypatch):
    monkeypatch.setattr("podium.jobs.analytics.MORE_SECONDS", 60.0)

    async def plays(reader, writer):
        for byte in b"done":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)

    async with Component(plays) as component:
        assert await submit(component.address, MESSAGE) == "done"


async def test_what_came_while_nothing_could_be_read_is_read(monkeypatch):
    waits_for_more, original = asyncio.Event(), asyncio.StreamReader.read

    async def read(reader, count=-1):
        if count == LARGEST_ANSWER - len(b"do"):
            waits_for_more.set()
        return await original(reader, count)

    monkeypatch.setattr(asyncio.StreamReader, "read", read)

    async def plays(reader, writer):
        writer.write(b"do")
        await waits_for_more.wait()
        writer.write(b"ne")
        time.sleep(2 * MORE_SECONDS)  # noqa: ASYNC251 - nothing is to go on
        await silent(reader, writer)

    async with Component(plays) as component:
        assert await submit(component.address, MESSAGE) == "done"


async def test_an_answer_on_a_connection_that_stays_open():
    async def plays(reader, writer):
        writer.write(b"done")
        await silent(reader, writer)

    async with Component(plays) as component:
        assert await submit(component.address, MESSAGE) == "done"


async def test_a_large_message():
    async def plays(reader, writer):
        writer.write(b"done")

    async with Component(plays) as component:
        await submit(component.address, {"a": "x" * 5_000_000})
    assert len(component.messages[0]["a"]) == 5_000_000


async def test_nobody_there():
    with pytest.raises(JobFailed, match="cannot be reached"):
        await submit(f"tcp://127.0.0.1:{free_port()}", MESSAGE)


async def test_reset():
    async def plays(reader, writer):
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    assert "broke off" in await failure(plays)


async def test_no_answer():
    async def plays(reader, writer):
        pass

    assert "without an answer" in await failure(plays)


async def test_silence():
    assert "said nothing within 0.05 s" in await failure(silent, within=0.05)


async def test_cancelled():
    async with Component(silent) as component:
        performing = asyncio.create_task(submit(component.address, MESSAGE))
        await asyncio.wait_for(component.told.wait(), 30)
        performing.cancel()
        await asyncio.wait([performing])
        await asyncio.wait_for(component.left.wait(), 30)


@pytest.mark.parametrize("address", ["http://h:1", "tcp://h", "tcp://:1", "tcp://h:99999", "tcp://h:1/path", "h:1", ""])
def test_what_is_no_address(address):
    with pytest.raises(DocumentRefused, match="address: must be tcp://host:port"):
        Analytics().check({"address": address, "message": {}})
