"""What is told when a run has ended."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import httpx

from podium.cli.client import BASE, Client
from podium.cli.run import _conclude, _show_results, _watched
from podium.settings import Settings
from podium.stack.home import Home

ENDED = {"id": "r-1", "state": "succeeded", "started": 1.0, "ended": 2.0}


async def test_how_it_ended_is_told_whatever_becomes_of_its_results(tmp_path: Path, capsys) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        told = {"detail": "the artifact store answers AccessDenied", "hint": "May you do this?"}
        return httpx.Response(422, headers={"Content-Type": "application/problem+json"}, content=json.dumps(told))

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url=BASE) as http:
        settings = Settings(data=tmp_path)
        results = partial(_show_results, Client(http), settings, ENDED, json=True)
        await _conclude(settings, ENDED, results, json=True)
    told = capsys.readouterr()
    assert json.loads(told.out) == ENDED
    assert "results  the artifact store answers AccessDenied. May you do this?" in told.err


async def test_a_run_whose_owner_is_gone_before_it_is_watched_is_looked_for_elsewhere(tmp_path: Path) -> None:
    def gone(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens")

    async with httpx.AsyncClient(transport=httpx.MockTransport(gone), base_url=BASE) as http:
        assert await _watched(Client(http), ENDED, Home(tmp_path), None) is None
