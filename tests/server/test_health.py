"""What probes and Prometheus see."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from podium.runs.machine import Performed
from tests.runs.counting import counting
from tests.server.house import House, housed


async def test_probes_need_no_token(house: House) -> None:
    async with house.stranger() as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).json() == {"status": "ready"}


async def test_what_is_not_ready_is_named(house: House) -> None:
    house.faults["broker"] = "the link is down"
    async with house.stranger() as http:
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "broker: the link is down"
        assert answer.json()["parts"] == {"broker": "the link is down"}
        alive = await http.get("/healthz")
        assert (alive.status_code, alive.json()) == (200, {"status": "ok", "faults": {"broker": "the link is down"}})


async def samples(http: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    text = (await http.get("/metrics")).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_tell_of_runs_parts_and_what_was_dropped(tmp_path: Path) -> None:
    async with housed(tmp_path, never=frozenset({"count:0"})) as house, await house.known() as http:
        await house.conductor.submit(counting("a", 1))
        house.faults["broker"] = "away"
        async for page in house.feed.watch("a", 0):
            if page[-1].event.type == "run.running":
                break
        house.conductor.tell("a", Performed(0.0, "count:7"))
        house.conductor.link_lost()  # noticed behind it
        async for page in house.feed.watch("a", 0):
            if page[-1].event.type == "noticed":
                break
        await http.get("/api/v1/runs")
        seen = await samples(http)
        assert seen["podium_runs_active", "running"] == 1
        assert seen["podium_runs_active", "queued"] == 0
        assert seen["podium_part_ready", "broker"] == 0
        assert seen["podium_inputs_dropped", "runs", "Performed"] == 1
        assert seen["podium_http_seconds_count", "GET", "200"] >= 1
        await house.conductor.cancel("a")
        await house.conductor.wait("a")
        assert (await samples(http))["podium_runs_active", "running"] == 0


async def test_metrics_are_open_where_they_were_opened(tmp_path: Path) -> None:
    async with housed(tmp_path, metrics_open=True) as house, house.stranger() as http:
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/api/v1/runs")).status_code == 401
