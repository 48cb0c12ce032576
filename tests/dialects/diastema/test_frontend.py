"""The front end is told in order, and nothing ever depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from podium.dialects.diastema import frontend
from podium.dialects.diastema.frontend import FrontEnd
from podium.jobs.client import Client
from podium.runs.events import RunState
from tests.dialects.diastema.house import house
from tests.dialects.diastema.playbooks import job, playbook
from tests.parts.diastema_services import Platform


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.close()


async def test_messages_are_forms_in_their_order(client: Client, platform: Platform) -> None:
    front = FrontEnd(client, platform.url)
    await front.update("run", "Ünïcode & more")
    await front.visualize("run", "diastemaviz/1", "clustering", "")
    await front.error("run", "no")
    assert platform.told == [
        {"message": "update", "update": "Ünïcode & more"},
        {"message": "visualize", "path": "diastemaviz/1", "job": "clustering", "column": ""},
        {"message": "error", "error": "no"},
    ]
    await front.close()


async def test_what_comes_back_is_told_what_it_missed(
    client: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "PATIENCE", 0.05)
    platform.front_end_away = True
    front = FrontEnd(client, platform.url)
    with capture_logs() as logs:
        for n in range(3):
            await front.update("run", f"message {n}")
    assert platform.told == []
    assert "frontend.away" in {entry["event"] for entry in logs}
    platform.front_end_away = False
    await asyncio.to_thread(platform.wait, lambda: len(platform.told) == 3)
    assert [one["update"] for one in platform.told] == ["message 0", "message 1", "message 2"]
    await front.close()


async def test_what_never_comes_back_is_counted(
    client: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "GIVEN_UP", 0.1)
    platform.front_end_away = True
    front = FrontEnd(client, platform.url)
    await front.update("run", "unheard")
    assert (front.lost, platform.told) == (1, [])
    await front.close()


async def test_a_run_goes_on_without_its_front_end(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "PATIENCE", 0.1)
    platform.front_end_away = True
    steps = [job(1, "dataset", 0, [2]), *(job(n, "cleaning", n - 1, [n + 1]) for n in range(2, 8))]
    with capture_logs() as logs:
        async with house(tmp_path / "other", platform) as made:
            run = await made.analysed(playbook(*steps, job(8, "data-sink", 7)))
    assert run.state is RunState.SUCCEEDED
    [unsent] = [entry for entry in logs if entry["event"] == "frontend.unsent"]
    assert unsent["messages"] == 8  # six cleanings, the sink, the end
