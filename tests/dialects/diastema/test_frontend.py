"""The front end is told in order, and nothing ever depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from podium.dialects.diastema import frontend
from podium.dialects.diastema.frontend import FrontEnd
from podium.dialects.diastema.memory import Memory
from podium.jobs.client import Client
from podium.runs.events import RunState
from podium.stores.documents_sql import SqlDocuments
from tests.dialects.diastema.house import house
from tests.dialects.diastema.playbooks import job, playbook
from tests.parts.diastema_services import Platform


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.close()


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    ours = SqlDocuments(f"sqlite:///{tmp_path / 'ours.db'}")
    yield Memory(ours)
    await ours.close()


async def test_messages_are_forms_in_their_order(client: Client, memory: Memory, platform: Platform) -> None:
    front = FrontEnd(client, platform.url, memory)
    await front.update("run", "1", "Ünïcode & more")
    await front.visualize("run", "2", "diastemaviz/1", "clustering", "")
    await front.error("run", "3", "no")
    assert platform.told == [
        {"message": "update", "update": "Ünïcode & more"},
        {"message": "visualize", "path": "diastemaviz/1", "job": "clustering", "column": ""},
        {"message": "error", "error": "no"},
    ]
    await front.close()


async def test_what_comes_back_is_told_what_it_missed(
    client: Client, memory: Memory, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Noting(FrontEnd):
        async def _sleep(self, seconds: float) -> None:
            failed.set()
            await super()._sleep(seconds)

    failed = asyncio.Event()
    monkeypatch.setattr(frontend, "PATIENCE", 0.05)
    platform.front_end_away = True
    front = Noting(client, platform.url, memory)
    with capture_logs() as logs:
        for n in range(3):
            await front.update("run", f"{n}", f"message {n}")
        await asyncio.wait_for(failed.wait(), 60)
    assert platform.told == []
    assert "frontend.away" in {entry["event"] for entry in logs}
    platform.front_end_away = False
    await asyncio.to_thread(platform.wait, lambda: len(platform.told) == 3)
    assert [one["update"] for one in platform.told] == ["message 0", "message 1", "message 2"]
    await front.close()


async def test_what_never_comes_back_is_counted(
    client: Client, memory: Memory, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "GIVEN_UP", 0.1)
    platform.front_end_away = True
    front = FrontEnd(client, platform.url, memory)
    await front.update("run", "1", "unheard")
    assert (front.lost, platform.told) == (1, [])
    await front.close()


async def test_what_was_heard_is_not_said_again_by_whoever_takes_the_run_up(
    client: Client, memory: Memory, platform: Platform
) -> None:
    for _ in range(2):
        front = FrontEnd(client, platform.url, memory)
        await front.error("run", "2", "no")
        await front.update("run", "2", "yes")  # of another kind
        await front.close()
    assert [one["message"] for one in platform.told] == ["error", "update"]


async def test_what_was_not_heard_is_said_by_whoever_takes_the_run_up(
    client: Client, memory: Memory, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "PATIENCE", 0.05)
    platform.front_end_away = True
    front = FrontEnd(client, platform.url, memory)
    await front.error("run", "2", "no")
    await front.close()
    platform.front_end_away = False
    monkeypatch.setattr(frontend, "PATIENCE", 60.0)
    front = FrontEnd(client, platform.url, memory)
    await front.error("run", "2", "no")
    assert platform.told == [{"message": "error", "error": "no"}]
    await front.close()


async def test_of_a_run_that_is_over_nothing_is_kept(
    client: Client, memory: Memory, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "PATIENCE", 0.05)
    platform.front_end_away = True
    front = FrontEnd(client, platform.url, memory)
    await front.update("run", "#end", "over")
    front.released("run")
    await memory.forget("run")
    platform.front_end_away = False
    await asyncio.to_thread(platform.wait, lambda: platform.told)
    await front.close()
    assert await memory.heard("run") == set()


async def test_a_run_goes_on_without_its_front_end(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "PATIENCE", 0.1)
    platform.front_end_away = True
    steps = [job(1, "dataset", 0, [2]), *(job(n, "cleaning", n - 1, [n + 1]) for n in range(2, 8))]
    with capture_logs() as logs:
        async with house(tmp_path, platform) as made:
            run = await made.analysed(playbook(*steps, job(8, "data-sink", 7)))
    assert run.state is RunState.SUCCEEDED
    [unsent] = [entry for entry in logs if entry["event"] == "frontend.unsent"]
    assert unsent["messages"] == 8  # six cleanings, the sink, the end
