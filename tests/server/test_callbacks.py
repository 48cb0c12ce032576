"""Outcomes that services post, before and after Podium knows who waits for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from podium.jobs.callbacks import Callbacks
from podium.runs.machine import Recovery
from tests.runs.counting import counting
from tests.server.house import housed

ADDRESS = "http://podium/callbacks/"


async def test_an_outcome_that_comes_before_its_run_is_to_be_posted_again(tmp_path: Path) -> None:
    never = frozenset({"count:0"})
    async with housed(tmp_path, never=never) as house:
        await house.conductor.submit(counting("a", 1))
        async for page in house.feed.watch("a", 0):
            if page[-1].event.type == "run.running":
                break
    house.socket_file.unlink()

    callbacks = Callbacks("secret", ADDRESS)
    go_on, expected = asyncio.Event(), asyncio.Event()

    async def recover(run, document):
        await go_on.wait()
        return Recovery(complete=True)

    async def perform(run, document, command):
        _, told = callbacks.expect("key")
        expected.set()
        await told

    token = Callbacks("secret", ADDRESS).expect("key")[0].removeprefix(ADDRESS)
    async with housed(tmp_path, callbacks=callbacks) as house, house.stranger() as http:
        house.performer.recover, house.performer.perform = recover, perform
        await house.conductor.start(1.0)
        early = await http.post(f"/api/v1/callbacks/{token}", json={})
        assert (early.status_code, early.headers["retry-after"]) == (503, "5")
        assert callbacks.unexpected == 0
        go_on.set()
        async with asyncio.timeout(30):
            await expected.wait()
        assert (await http.post("/api/v1/callbacks/strange", json={})).status_code == 404
        assert (await http.post(f"/api/v1/callbacks/{token}", json={})).status_code == 204
