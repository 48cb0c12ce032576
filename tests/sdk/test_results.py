"""Results in a real InfluxDB, and what happens when there is none."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest

from podium.sdk import EnergySystem
from podium.sdk import results as module
from podium.sdk.environment import Database
from podium.sdk.results import ResultsWriter, point
from tests.parts import free_port
from tests.parts.influx import Influx, running
from tests.sdk.esdl import XML

PANEL = EnergySystem(XML).objects["pv1"]


def series(influx: Influx, database: str, what: str) -> list[list[object]]:
    answer = httpx.get(
        f"{influx.url}/query",
        params={"db": database, "q": what, "epoch": "s"},
        auth=(influx.user, influx.password),
        timeout=60,
    )
    found = answer.raise_for_status().json()["results"][0].get("series", [])
    return found[0]["values"] if found else []


def test_points_arrive_with_their_tags_and_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_LINES", 7)
    with running(tmp_path) as influx:
        writer = ResultsWriter(
            Database(influx.host, influx.port, 'results "1"', influx.user, influx.password), "sim, 1", "pv=1"
        )
        for step in range(100):
            writer.record(1_700_000_000 + step, PANEL, {"power": step / 3, "irradiance": 1e-7})
        writer.record(1_700_000_100, PANEL, {})
        assert writer.close() == 0
        rows = series(
            influx,
            'results "1"',
            "SELECT simulation_id, model_id, esdl_id, esdl_name, power, irradiance FROM pvinstallation",
        )
    assert len(rows) == 100
    assert rows[-1] == [1_700_000_099, "sim, 1", "pv=1", "pv1", "Panel 1", 33.0, 1e-7]


def test_a_database_that_comes_late_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_EVERY_SECONDS", 0.01)
    influx = Influx(tmp_path)
    writer = ResultsWriter(Database(influx.host, influx.port, "late", influx.user, influx.password), "sim", "model")
    writer.record(1_700_000_000, PANEL, {"power": 1.0})
    influx.start()
    try:
        writer.record(1_700_000_001, PANEL, {"power": 2.0})
        assert writer.close() == 0
        assert [row[1] for row in series(influx, "late", "SELECT power FROM pvinstallation")] == [1.0, 2.0]
    finally:
        influx.stop()


def test_no_database_is_reported_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LAST_PAUSES", (0.0, 0.0))
    writer = ResultsWriter(Database("127.0.0.1", free_port(), "none", "user", "a secret"), "sim", "model")
    writer.record(1_700_000_000, PANEL, {"power": 1.0})
    with caplog.at_level(logging.INFO):
        assert writer.close() == 1
    assert "1 points of results were not written" in caplog.text
    assert "a secret" not in caplog.text


def test_a_refusal_is_reported_and_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(tmp_path) as influx:
        writer = ResultsWriter(Database(influx.host, influx.port, "none", influx.user, "wrong"), "sim", "model")
        writer.record(1_700_000_000, PANEL, {"power": 1.0})
        assert writer.close() == 1
    assert "refused: /write answered 401" in caplog.text


def test_what_is_beyond_memory_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_LINES", 2)
    monkeypatch.setattr(module, "LAST_PAUSES", ())
    writer = ResultsWriter(Database("127.0.0.1", free_port(), "none"), "sim", "model")
    for step in range(5):
        writer.record(step, PANEL, {"power": 1.0})
    assert writer.close() == 5


def test_the_line_protocol() -> None:
    line = point("my type", {"b": "x=1, y", "a": "back\\", "empty": ""}, {"p": 1.5, "q": 2.0}, 12)
    assert line == r"my\ type,a=back,b=x\=1\,\ y p=1.5,q=2.0 12"
