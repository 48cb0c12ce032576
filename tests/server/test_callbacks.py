"""Outcomes that services post, before and after Podium knows who waits for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podium.jobs.callbacks import Callbacks
from podium.runs.machine import Performed, Recovery
from podium.server import flows
from tests.jobs.parts import job
from tests.runs.counting import counting
from tests.server.house import housed

ADDRESS = "http://podium/callbacks/"
JOB = job({}, run="a")


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
        _, told = callbacks.expect(JOB)
        expected.set()
        await told
        return Performed(0.0, command.key)

    token = Callbacks("secret", ADDRESS).expect(JOB)[0].removeprefix(ADDRESS)
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


async def test_an_outcome_is_taken_when_it_is_written_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one would be lost that both have forgotten, the service and a Podium that was killed in between."""
    monkeypatch.setattr(flows, "WRITTEN_WITHIN", 0.01)
    callbacks = Callbacks("secret", ADDRESS)
    address, told = callbacks.expect(JOB)
    token = address.removeprefix(ADDRESS)
    asked, written = asyncio.Event(), asyncio.get_running_loop().create_future()

    def settled(*of):
        asked.set()
        return {("a", "n#1"): written}[of]

    async with housed(tmp_path, callbacks=callbacks) as house, house.stranger() as http:
        monkeypatch.setattr(house.conductor, "settled", settled)
        early = await http.post(f"/api/v1/callbacks/{token}", json={"n": 1})
        assert (early.status_code, early.headers["retry-after"]) == (503, "5")
        monkeypatch.setattr(flows, "WRITTEN_WITHIN", 30.0)
        asked.clear()
        again = asyncio.create_task(http.post(f"/api/v1/callbacks/{token}", json={"n": 2}))
        await asked.wait()
        written.set_result(None)
        assert (await again).status_code == 204
        assert await told == {"n": 1}
        assert (await http.post(f"/api/v1/callbacks/{token}", json={"n": 3})).status_code == 404


async def test_an_outcome_that_is_left_to_the_next_podium_is_to_be_posted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callbacks = Callbacks("secret", ADDRESS)
    address, _ = callbacks.expect(JOB)
    async with housed(tmp_path, callbacks=callbacks) as house, house.stranger() as http:
        path = f"/api/v1/callbacks/{address.removeprefix(ADDRESS)}"
        assert (await http.post(path, json={})).status_code == 503  # that run is conducted by nobody
