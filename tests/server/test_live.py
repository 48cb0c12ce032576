"""Live events: every event once, in order, whenever a reader comes and however often its connection breaks."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from podium.runs.events import Event
from podium.server import feed as feed_module
from tests.runs.counting import counting
from tests.server.house import House, housed

ENDLESS = frozenset({"count:0"})


async def events(http: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[dict[str, Any]]:
    """Each event, with its id."""
    async with http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
            elif line.startswith("id: "):
                assert line == f"id: {event['position']}"
                yield event


async def positions(http: httpx.AsyncClient, path: str, **headers: str) -> list[int]:
    return [event["position"] async for event in events(http, path, **headers)]


async def test_a_run_is_told_from_its_submission_to_its_end(house: House, http: httpx.AsyncClient) -> None:
    await house.conductor.submit(counting("a", 3))
    told = [event async for event in events(http, "/api/v1/runs/a/events")]
    assert [event["type"] for event in told] == [
        "run.submitted",
        "run.started",
        "run.running",
        *["counted"] * 3,
        "run.succeeded",
    ]
    assert [event["seq"] for event in told] == [1, 2, 3, 4, 5, 6, 7]
    assert told[4]["data"] == {"number": 1}
    assert {event["run"] for event in told} == {"a"}


async def test_a_reader_whose_connection_breaks_after_each_event_misses_none_and_sees_none_twice(
    house: House, http: httpx.AsyncClient
) -> None:
    await asyncio.gather(*(house.conductor.submit(counting(name, 5)) for name in ("a", "b", "c")))
    await house.conductor.wait("a")
    whole = await positions(http, "/api/v1/runs/a/events")
    pieces: list[int] = []
    headers: dict[str, str] = {}
    while len(pieces) < len(whole):
        async for event in events(http, "/api/v1/runs/a/events", **headers):
            pieces.append(event["position"])
            headers = {"Last-Event-ID": str(event["position"])}
            break
    assert pieces == whole
    assert len(set(whole)) == 9
    again = await http.get("/api/v1/runs/a/events", headers=headers)
    assert again.status_code == 204  # a browser does not come again


async def test_a_reader_may_name_the_position_itself(house: House, http: httpx.AsyncClient) -> None:
    await house.conductor.submit(counting("a", 3))
    whole = await positions(http, "/api/v1/runs/a/events")
    assert await positions(http, f"/api/v1/runs/a/events?after={whole[2]}") == whole[3:]
    both = {"Last-Event-ID": str(whole[4])}  # what a browser sends after a break goes before the address it has
    assert await positions(http, f"/api/v1/runs/a/events?after={whole[2]}", **both) == whole[5:]
    assert (await http.get("/api/v1/runs/a/events", headers={"Last-Event-ID": "x"})).status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/runs/a/events", "/api/v1/events"])
@pytest.mark.parametrize("position", [2**63, 10**30])
async def test_a_position_that_no_journal_reaches_is_refused(
    house: House, http: httpx.AsyncClient, path: str, position: int
) -> None:
    await house.conductor.submit(counting("a", 1))
    named = await http.get(path, headers={"Last-Event-ID": f"{position}"})
    asked = await http.get(path, params={"after": f"{position}"})
    for answer in (named, asked):
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
    none = await http.get(f"/api/v1/runs/a/events?after={2**63 - 1}&live=false&follow=true")
    assert (none.status_code, none.text) == (200, "")


async def test_readers_who_come_before_during_and_after_see_the_same(tmp_path: Path) -> None:
    async with housed(tmp_path, never=ENDLESS) as house, await house.known() as http:
        await house.conductor.submit(counting("a", 1))
        early = asyncio.create_task(positions(http, "/api/v1/runs/a/events"))
        await house.journal.append("a", [Event("counted", {"number": n}) for n in range(1500)])
        middle = asyncio.create_task(positions(http, "/api/v1/runs/a/events"))
        await house.journal.append("a", [Event("counted", {"number": n}) for n in range(1500)])
        await house.conductor.cancel("a")
        assert len(await early) == 3004
        assert await early == await middle == await positions(http, "/api/v1/runs/a/events")


async def test_events_of_all_runs_come_in_the_order_of_the_journal(house: House, http: httpx.AsyncClient) -> None:
    reading = asyncio.create_task(until(http, "/api/v1/events", 14))
    await asyncio.gather(*(house.conductor.submit(counting(name, 3)) for name in ("a", "b")))
    told = await reading
    assert [event["position"] for event in told] == sorted(event["position"] for event in told)
    assert {event["run"] for event in told} == {"a", "b"}


async def until(http: httpx.AsyncClient, path: str, count: int) -> list[dict[str, Any]]:
    told = []
    async for event in events(http, path):
        told.append(event)
        if len(told) == count:
            break
    return told


async def test_without_live_the_stream_ends_with_what_there_is(tmp_path: Path) -> None:
    async with housed(tmp_path, never=ENDLESS) as house, await house.known() as http:
        await house.conductor.submit(counting("a", 1))
        await until(http, "/api/v1/runs/a/events", 3)
        assert len(await positions(http, "/api/v1/runs/a/events?live=false")) == 3
        assert len(await positions(http, "/api/v1/events?live=false")) == 3


async def test_a_reader_who_follows_stays_after_the_end(house: House, http: httpx.AsyncClient) -> None:
    await house.conductor.submit(counting("a", 1))
    await house.conductor.wait("a")
    async with http.stream("GET", "/api/v1/runs/a/events?follow=true") as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if "run.succeeded" in line:
                break
        await anext(lines)
        await anext(lines)
        reading = asyncio.create_task(anext(lines))
        await house.feed.close()
        with pytest.raises(StopAsyncIteration):
            await reading


async def test_a_reader_behind_the_window_goes_on_from_the_journal(
    house: House, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "WINDOW", 4)
    monkeypatch.setattr(feed_module, "PAGE", 3)
    for number in range(5):
        await house.conductor.submit(counting(f"run-{number}", 4))
        await house.conductor.wait(f"run-{number}")
    told = [event async for event in events(http, "/api/v1/events?live=false")]
    assert await until(http, "/api/v1/events", len(told)) == told
    assert len(told) == 40


async def test_half_a_character_in_a_journal_keeps_no_reader_from_what_comes_behind_it(tmp_path: Path) -> None:
    async with housed(tmp_path, never=ENDLESS) as house, await house.known() as http:
        await house.conductor.submit(counting("a", 1))
        await house.journal.append("a", [Event("counted", {"number": 0, "text": "\udcff é"})])
        await house.conductor.cancel("a", "\udcff")
        told = [event async for event in events(http, "/api/v1/runs/a/events")]
        assert {"number": 0, "text": "\udcff é"} in [event["data"] for event in told]
        assert told[-1]["data"] == {"error": {"reason": "\udcff"}}
        assert (await http.get("/api/v1/runs/a")).json()["error"]["reason"] == "\udcff"


async def test_an_idle_stream_gives_a_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with housed(tmp_path, never=ENDLESS) as house, await house.known() as http:
        await house.conductor.submit(counting("a", 1))
        pages = house.feed.watch("a", 3, idle=0.01)
        assert await anext(pages) == []
        assert await anext(pages) == []
        async with http.stream("GET", "/api/v1/runs/a/events") as answer:
            assert answer.headers["x-accel-buffering"] == "no"


async def test_two_hundred_watchers_who_do_not_read_hold_nobody_up(tmp_path: Path) -> None:
    """They read their headers and stop; what is sent to them fills the sockets, and no memory of ours behind them."""
    async with housed(tmp_path, never=ENDLESS) as house, await house.known() as http:
        await house.conductor.submit(counting("a", 1))
        token = http.headers["authorization"]
        idle = [await _idle_watcher(house.port, token) for _ in range(200)]
        reading = asyncio.create_task(positions(http, "/api/v1/runs/a/events"))
        filler = "x" * 500
        for _ in range(10):
            await house.journal.append("a", [Event("counted", {"number": 0, "text": filler})] * 1000)
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        await house.conductor.cancel("a")
        assert len(await reading) == 10_004
        assert len(house.feed._window) <= 2 * feed_module.WINDOW + feed_module.PAGE
        for writer in idle:
            writer.transport.abort()


async def _idle_watcher(port: int, token: str) -> asyncio.StreamWriter:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(
        f"GET /api/v1/runs/a/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n\r\n".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.transport.pause_reading()
    return writer
