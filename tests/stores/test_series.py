"""One set of cases for every store of series: DuckDB, and a real InfluxDB."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from podium.errors import DocumentRefused
from podium.stores.influx import InfluxSeries
from podium.stores.series import Filter, SeriesStore, Summary, iso, series_store
from podium.stores.series_duckdb import DuckDbSeries
from tests.stores.points import START, point


@pytest.fixture(params=["duckdb", "influx"])
async def store(request, tmp_path):
    if request.param == "duckdb":
        opened = series_store("", tmp_path / "series.duckdb")
        assert isinstance(opened, DuckDbSeries)
    else:
        influx = request.getfixturevalue("influx")
        opened = InfluxSeries(influx.url, influx.user, influx.password, f"db {tmp_path.name}")
    await opened.open()
    yield opened
    await opened.close()


async def test_a_run_without_points_has_nothing(store: SeriesStore, tmp_path):
    assert await store.measurements("nobody") == []
    assert await store.summary("nobody") == []
    assert await store.rows("nobody") == []
    assert await store.traces("nobody") == []
    assert await store.export_csv("nobody", tmp_path / "out") == []
    await store.drop("nobody")


async def test_values_come_back_as_what_they_were(store: SeriesStore):
    fields = {"power": 3.0, "count": 2**53 + 1, "on": False, "state": 'idle, "asleep" \\ = none'}
    await store.write([point(0, fields)])
    rows = await store.rows("demo-1")
    assert {row.field: row.value for row in rows} == fields
    assert {row.field: type(row.value) for row in rows} == {"power": float, "count": int, "on": bool, "state": str}
    assert {(row.time, row.measurement, row.model, row.esdl_id, row.esdl_name) for row in rows} == {
        (START, "pvinstallation", "pv-1", "pv-1", "PV of home 1")
    }


async def test_the_same_point_written_again_counts_once_and_the_last_wins(store: SeriesStore):
    await store.write([point(0, {"power": 1.0}), point(1, {"power": 2.0}), point(1, {"power": 3.0})])
    await store.write([point(1, {"power": 4.0, "heat": 9.0}), point(0, {"power": 5.0})])
    assert [(row.time, row.field, row.value) for row in await store.rows("demo-1")] == [
        (START, "power", 5.0),
        (START + 900, "heat", 9.0),
        (START + 900, "power", 4.0),
    ]


async def test_points_that_differ_in_any_tag_are_different(store: SeriesStore):
    await store.write([point(0, {"power": 1.0}, scenario="a b"), point(0, {"power": 2.0}, scenario="c"), point(0)])
    assert sorted(row.value for row in await store.rows("demo-1")) == [0.0, 1.0, 2.0]


async def test_runs_do_not_see_each_other(store: SeriesStore):
    await store.write([point(0, run="one"), point(0, run="it's two"), point(0, run="")])
    await store.drop("one")
    assert await store.rows("one") == []
    assert len(await store.rows("it's two")) == 1
    assert len(await store.rows("")) == 1


async def test_summary_tells_each_field_of_each_measurement(store: SeriesStore):
    await store.write([point(step, {"power": step * 2.0}, home=home) for home in (1, 2) for step in range(3)])
    await store.write(
        [point(0, {"state": "idle"}, measurement="battery"), point(5, {"state": "full"}, measurement="battery")]
    )
    assert await store.summary("demo-1") == [
        Summary("battery", "state", 1, 2, None, None, None, "full", START, START + 4500),
        Summary("pvinstallation", "power", 2, 6, 0.0, 2.0, 4.0, 4.0, START, START + 1800),
    ]
    assert await store.measurements("demo-1") == ["battery", "pvinstallation"]


async def test_the_last_of_several_objects_is_their_mean_in_whatever_order_they_came(store: SeriesStore):
    final = [point(3, {"power": 10.0**home, "on": home > 2}, home=home) for home in (1, 2, 3)]
    await store.write([point(0, run=run, home=home) for run in ("one", "two") for home in (1, 2, 3)])
    for run, points in (("one", final), ("two", final[::-1])):
        for one in points:
            await store.write([replace(one, tags={**one.tags, "simulation_id": run})])
    one, two = await store.summary("one"), await store.summary("two")
    assert one == two
    assert [(line.field, line.last) for line in one] == [("on", pytest.approx(1 / 3)), ("power", 370.0)]


async def test_a_field_keeps_its_type_and_what_has_another_is_left_out(store: SeriesStore):
    await store.write([point(0, {"power": 1.0})])
    for other in ("text", 1, True):
        with pytest.raises(DocumentRefused, match='input field "power" on measurement "pvinstallation" is type'):
            await store.write([point(0, {"power": other}), point(1, {"power": 2.0})])
    assert [row.value for row in await store.rows("demo-1")] == [1.0, 2.0]


async def test_rows_are_filtered_limited_and_thinned(store: SeriesStore):
    await store.write(
        [point(step, {"power": float(step), "heat": 1.0}, home=home) for home in (1, 2) for step in range(10)]
    )
    await store.write([point(0, measurement="battery")])

    async def values(wanted: Filter, **how: int) -> list[object]:
        return [row.value for row in await store.rows("demo-1", wanted, **how)]

    power = Filter(measurement="pvinstallation", field="power", esdl_id="pv-2")
    assert await values(power) == [float(step) for step in range(10)]
    assert await values(power, limit=3) == [0.0, 1.0, 2.0]
    assert await values(power, stride=4) == [0.0, 4.0, 8.0]
    between = Filter("pvinstallation", "power", "pv-2", start=START + 900 * 2, end=START + 900 * 4)
    assert await values(between) == [2.0, 3.0]
    assert len(await values(Filter())) == 41


async def test_traces_draw_few_objects_apart_and_many_as_a_band(store: SeriesStore):
    few = [point(step, {"power": float(step * home)}, home=home) for home in (1, 2) for step in range(4)]
    many = [
        point(step, {"load": float(home)}, measurement="home", home=home, esdl_name="")
        for home in range(10)
        for step in range(8)
    ]
    await store.write([*few, *many, point(0, {"state": "on"})])
    load, *power = await store.traces("demo-1", buckets=4)
    assert (load.measurement, load.field, load.label, load.objects) == ("home", "load", "", 10)
    assert load.times == (START, START + 1800, START + 3600, START + 5400)
    assert set(load.means) == {4.5}
    assert set(load.low) == {0.0}
    assert set(load.high) == {9.0}
    assert [(trace.label, trace.objects, trace.means) for trace in power] == [
        ("PV of home 1", 1, (0.0, 1.0, 2.0, 3.0)),
        ("PV of home 2", 1, (0.0, 2.0, 4.0, 6.0)),
    ]
    assert len(await store.traces("demo-1", panels=1)) == 1


async def test_csv_has_a_file_a_measurement_and_a_column_a_field(store: SeriesStore, tmp_path):
    await store.write(
        [
            point(1, {"power": 2.0, "on": True}, home=2),
            point(0, {"power": 1.5}, home=1),
            point(0, {"soc": 5}, measurement='../battery of "it\'s"', scenario="x, y"),
        ]
    )
    battery, pv = await store.export_csv("demo-1", tmp_path / "out")
    assert sorted((tmp_path / "out").iterdir()) == [battery, pv]
    assert pv.name == "pvinstallation.csv"
    with pv.open() as file:
        assert list(csv.DictReader(file)) == [
            {
                "time": "2023-01-25T00:00:00Z",
                "unix_time": "1674604800.0",
                "model_id": "pv-1",
                "esdl_id": "pv-1",
                "esdl_name": "PV of home 1",
                "on": "",
                "power": "1.5",
            },
            {
                "time": "2023-01-25T00:15:00Z",
                "unix_time": "1674605700.0",
                "model_id": "pv-1",
                "esdl_id": "pv-2",
                "esdl_name": "PV of home 2",
                "on": "true",
                "power": "2.0",
            },
        ]
    with battery.open() as file:
        (row,) = csv.DictReader(file)
    assert (row["soc"], row["scenario"]) == ("5", "x, y")


async def test_parquet_keeps_types(store: SeriesStore, tmp_path):
    await store.write([point(0, {"power": 2.0, "count": 3, "on": True, "state": "idle"})])
    (path,) = await store.export_parquet("demo-1", tmp_path / "out")
    with duckdb.connect() as connection:
        table = connection.execute("select * from read_parquet($1)", [str(path)])
        types = {name: str(kind) for name, kind, *_ in table.description or ()}
        (row,) = table.fetchall()
    assert types == {
        "time": "TIMESTAMP WITH TIME ZONE",
        "unix_time": "DOUBLE",
        "model_id": "VARCHAR",
        "esdl_id": "VARCHAR",
        "esdl_name": "VARCHAR",
        "count": "BIGINT",
        "on": "BOOLEAN",
        "power": "DOUBLE",
        "state": "VARCHAR",
    }
    assert row[5:] == (3, True, 2.0, "idle")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2**63])
async def test_what_is_no_number_is_refused(store: SeriesStore, value):
    with pytest.raises(DocumentRefused, match=r"pvinstallation\.power"):
        await store.write([point(0), point(1, {"power": value})])
    assert await store.rows("demo-1") == []


async def test_twenty_runs_write_at_once(store: SeriesStore):
    async def model(run: int) -> None:
        for step in range(20):
            await store.write([point(step, run=f"run-{run}", home=home) for home in range(5)])

    await asyncio.gather(*(model(run) for run in range(20)))
    for run in range(20):
        (line,) = await store.summary(f"run-{run}")
        assert (line.objects, line.count, line.last) == (5, 100, 19.0)


def test_iso_is_utc():
    assert iso(START + 0.25) == "2023-01-25T00:00:00.250000Z"
    assert Path(iso(0)).name == "1970-01-01T00:00:00Z"
