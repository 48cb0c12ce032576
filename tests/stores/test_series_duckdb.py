"""What DuckDB's store promises beyond the protocol: durability, one owner, flat memory, isolation of writers."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace

import duckdb
import pytest

from podium.errors import Unavailable
from podium.stores import series_tables
from podium.stores.series import Filter, Point
from podium.stores.series_duckdb import DuckDbSeries
from tests.stores.points import START, point


@pytest.fixture
async def store(tmp_path):
    opened = DuckDbSeries(tmp_path / "series.duckdb")
    await opened.open()
    yield opened
    await opened.close()


async def in_a_process(code: str, path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, path]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)


WRITER = """
import asyncio, sys
from pathlib import Path
from podium.stores.series import Point
from podium.stores.series_duckdb import DuckDbSeries

async def write(store, model):
    step = 0
    while True:
        tags = {"simulation_id": "demo-1", "esdl_id": model}
        await store.write([Point("pv", tags, {"power": float(step)}, float(step))])
        print(model, step, flush=True)
        step += 1

async def main():
    store = DuckDbSeries(Path(sys.argv[1]))
    await store.open()
    await asyncio.gather(*(write(store, str(model)) for model in range(5)))

asyncio.run(main())
"""


def answered_before_kill(path) -> list[list[str]]:
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline().split() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        return answered + [line.split() for line in process.stdout if line.endswith("\n")]


async def test_what_was_answered_survives_a_killed_process(tmp_path):
    path = tmp_path / "series.duckdb"
    for _ in range(2):
        answered = await asyncio.to_thread(answered_before_kill, path)
        store = DuckDbSeries(path)
        await store.open()
        rows = {(row.esdl_id, row.time, row.value) for row in await store.rows("demo-1")}
        await store.close()
        assert {(model, float(step), float(step)) for model, step in answered} <= rows
        assert len(rows) == len({(model, time) for model, time, _ in rows})


async def test_a_rewrite_is_known_after_a_restart(tmp_path):
    for points in [point(0), point(1)], [replace(point(1), fields={"power": 7.0}), point(2)]:
        store = DuckDbSeries(tmp_path / "series.duckdb")
        await store.open()
        await store.write(points)
        rows = await store.rows("demo-1")
        await store.close()
    assert [row.value for row in rows] == [0.0, 7.0, 2.0]


async def test_a_rewrite_is_known_when_a_run_was_forgotten_for_others(store, monkeypatch):
    monkeypatch.setattr(series_tables, "REMEMBERED_RUNS", 2)
    for _ in range(2):
        for run in range(5):
            await store.write([point(3, run=f"run-{run}")])
    assert [len(await store.rows(f"run-{run}")) for run in range(5)] == [1] * 5


async def test_points_may_come_in_any_order(store):
    steps = [5, 1, 9, 3, 3, 0, 9]
    await store.write([point(step) for step in steps])
    await store.write([point(step) for step in reversed(range(10))])
    assert [row.value for row in await store.rows("demo-1")] == [float(step) for step in range(10)]


async def test_what_one_writer_sends_cannot_fail_another(store):
    bad = Point("pv", {"simulation_id": "demo-1", "esdl_id": "\ud800"}, {"power": 1.0}, START)
    good = [store.write([point(step)]) for step in range(5)]
    outcomes = await asyncio.gather(good[0], store.write([bad]), *good[1:], return_exceptions=True)
    assert isinstance(outcomes.pop(1), Unavailable)
    assert outcomes == [None] * 5
    assert len(await store.rows("demo-1")) == 5


async def test_a_writer_that_gave_up_does_not_stop_the_others(store):
    first = asyncio.create_task(store.write([point(0)]))
    second = asyncio.create_task(store.write([point(1)]))
    third = asyncio.create_task(store.write([point(2)]))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    await store.write([point(3)])
    assert [row.value for row in await store.rows("demo-1")][-1] == 3.0


async def test_a_second_owner_is_told_so(tmp_path, store):
    code = (
        "import asyncio, sys; from pathlib import Path; from podium.stores.series_duckdb import DuckDbSeries;"
        "asyncio.run(DuckDbSeries(Path(sys.argv[1])).open())"
    )
    done = await in_a_process(code, tmp_path / "series.duckdb")
    assert done.returncode == 1
    assert "Unavailable" in done.stderr
    assert "Is another Podium using this data directory?" in done.stderr


async def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "series.duckdb"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable, match=r"series\.duckdb"):
        await DuckDbSeries(path).open()


async def test_the_file_is_for_its_owner_alone(tmp_path, store):
    assert (tmp_path / "series.duckdb").stat().st_mode & 0o777 == 0o600


async def test_columns_that_differ_by_case_or_are_called_as_ours_are_kept_apart(tmp_path, store):
    await store.write([point(0, {"Heat": 1.0, "heat": 2.0, "time_": 3.0, "esdl_id": 4.0, 'a"b': 5.0, "it's": 6.0})])
    (path,) = await store.export_csv("demo-1", tmp_path)
    header, row = path.read_text().splitlines()
    assert header.split(",")[5:] == ["Heat", '"a""b"', "esdl_id_2", "heat_2", "it's", "time_"]
    assert row.split(",")[5:] == ["1.0", "5.0", "4.0", "2.0", "6.0", "3.0"]


async def test_measurements_with_like_names_get_files_of_their_own(tmp_path, store):
    await store.write([point(0, measurement=name) for name in ("a/b", "a?b", "..", "A/B")])
    names = [path.name for path in await store.export_csv("demo-1", tmp_path / "out")]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len({name.lower() for name in names}) == 4


MANY = """
import asyncio, resource, sys
from pathlib import Path
from podium.stores.series import Point
from podium.stores.series_duckdb import DuckDbSeries

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main():
    store = DuckDbSeries(Path(sys.argv[1]) / "series.duckdb")
    await store.open()
    tags = [{"simulation_id": "demo-1", "model_id": f"m-{n}", "esdl_id": f"e-{n}"} for n in range(500)]
    for first in range(0, 800, 10):
        steps = range(first, first + 10)
        await store.write([Point("pv", tag, {"power": step * 1.5}, step * 900.0) for tag in tags for step in steps])
        if first == 80:
            early = peak()
    wrote = peak()
    (line,) = await store.summary("demo-1")
    (trace,) = await store.traces("demo-1")
    (path,) = await store.export_csv("demo-1", Path(sys.argv[1]) / "out")
    await store.close()
    print(line.count, trace.objects, len(trace.times), early, wrote, peak())

asyncio.run(main())
"""


async def test_hundreds_of_thousands_of_points_stay_small_in_memory(tmp_path):
    done = await in_a_process(MANY, tmp_path)
    assert done.stderr == ""
    count, objects, buckets, early, wrote, peak = map(int, done.stdout.split())
    assert (count, objects, buckets) == (400_000, 500, 400)
    with (tmp_path / "out" / "pv.csv").open() as file:
        assert sum(1 for _ in file) == 400_001
    assert (tmp_path / "series.duckdb").stat().st_size < 16_000_000
    assert wrote - early < 150, "megabytes more after ten times as many points"
    assert peak < 800


async def test_reading_does_not_wait_for_writing(store):
    writing = [asyncio.create_task(store.write([point(step, home=home) for step in range(500)])) for home in range(10)]
    rows = await store.rows("demo-1", Filter(field="power"), limit=100_000)
    await asyncio.gather(*writing)
    assert len(rows) % 500 == 0
    assert len(await store.rows("demo-1", limit=100_000)) == 5000


async def test_a_foreign_file_of_duckdb_gets_our_tables(tmp_path):
    path = tmp_path / "series.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create table other (a integer)")
    store = DuckDbSeries(path)
    await store.open()
    await store.write([point(0)])
    assert len(await store.rows("demo-1")) == 1
    await store.close()
