"""The doors of an InfluxDB: whatever is asked here is asked of a real InfluxDB too, and the answers are alike."""

# ruff: noqa: S608 - these queries are our own

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError

from podium.server.influx import MAX_BODY, influx_router
from podium.stores.influx import InfluxSeries
from podium.stores.series import series_store
from podium.stores.series_duckdb import DuckDbSeries
from tests.parts import missing

USER, PASSWORD = "podium", "influx & secret"
PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
LINE = "pvinstallation,simulation_id=demo-1,model_id=pv-1,esdl_id={id} power={power}"


@dataclass
class Door:
    """Where an InfluxDB, ours or the real one, is to be found."""

    url: str
    database: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, auth=(USER, PASSWORD), params={"db": self.database}, timeout=60)


@contextlib.asynccontextmanager
async def serving(app: FastAPI):
    """The app on a socket of its own, as clients of another process reach it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest.fixture
async def store(tmp_path):
    opened = DuckDbSeries(tmp_path / "series.duckdb")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def podium(store):
    app = FastAPI()
    app.include_router(influx_router(store, lambda user, password: (user, password) == (USER, PASSWORD)))
    async with serving(app) as url:
        yield Door(url, "dots")


@pytest.fixture(params=["podium", "influxdb"])
def door(request, tmp_path):
    if request.param == "podium":
        return request.getfixturevalue("podium")
    return Door(request.getfixturevalue("influx").url, tmp_path.name)


@pytest.fixture
async def http(door):
    async with door.http() as client:
        (await client.post("/query", data={"q": f'CREATE DATABASE "{door.database}"'})).raise_for_status()
        yield client


def python_client(door: Door) -> InfluxDBClient:
    return InfluxDBClient("127.0.0.1", door.port, USER, PASSWORD, door.database)


def points() -> list[dict]:
    return [
        {
            "measurement": "pvinstallation",
            "tags": {"simulation_id": "demo-1", "model_id": "pv-1", "esdl_id": f"pv-{home}", "esdl_name": f"PV {home}"},
            "time": 1674604800 + 900 * step,
            "fields": {"power": float(step * home), "on": step > 0},
        }
        for home in (1, 2)
        for step in range(3)
    ]


async def test_the_python_client_works_unmodified(door):
    def as_services_do() -> list[list[dict]]:
        client = python_client(door)
        assert client.ping()
        client.create_database(door.database)
        assert {"name": door.database} in client.get_list_database()
        assert client.write_points(points(), time_precision="s")
        assert client.get_list_measurements() == [{"name": "pvinstallation"}]
        answers = [
            list(client.query(query).get_points())
            for query in (
                "SELECT * FROM pvinstallation WHERE esdl_id = 'pv-2'",
                """SELECT "power", "esdl_id" FROM "pvinstallation" WHERE time >= '2023-01-25T00:15:00Z'
                ORDER BY time DESC LIMIT 2""",
                "SELECT mean(power), count(power) FROM pvinstallation",
                "SELECT max(power) FROM pvinstallation",
                "SELECT last(power) AS newest FROM pvinstallation WHERE esdl_id != 'pv-2'",
                """SELECT sum(power) FROM pvinstallation WHERE time >= 1674604800s AND time < 1674606600s
                GROUP BY time(15m)""",
                """SELECT sum("power") FROM "pvinstallation" WHERE ("esdl_id"::tag = 'pv-2') AND time >= 1674604800000ms
                and time <= 1674608400000ms GROUP BY time(30m) fill(none)""",
                "SELECT power FROM pvinstallation WHERE simulation_id = 'nobody'",
                "SELECT power FROM nothing",
            )
        ]
        grouped = client.query("SELECT mean(power) FROM pvinstallation GROUP BY esdl_id", epoch="s")
        answers.append([{**(tags or {}), **next(iter(rows))} for (_, tags), rows in grouped.items()])
        client.close()
        return answers

    zero, one = "2023-01-25T00:00:00Z", "2023-01-25T00:15:00Z"
    tags = {"esdl_id": "pv-2", "esdl_name": "PV 2", "model_id": "pv-1", "simulation_id": "demo-1"}
    whole, some, means, most, newest, sums, halves, nobody, nothing, grouped = await asyncio.to_thread(as_services_do)
    assert whole == [
        {"time": zero, **tags, "power": 0, "on": False},
        {"time": one, **tags, "power": 2, "on": True},
        {"time": "2023-01-25T00:30:00Z", **tags, "power": 4, "on": True},
    ]
    assert sorted((row["power"], row["esdl_id"], row["time"]) for row in some) == [
        (2, "pv-1", "2023-01-25T00:30:00Z"),
        (4, "pv-2", "2023-01-25T00:30:00Z"),
    ]
    assert means == [{"time": "1970-01-01T00:00:00Z", "mean": 1.5, "count": 6}]
    assert most == [{"time": "2023-01-25T00:30:00Z", "max": 4}]
    assert newest == [{"time": "2023-01-25T00:30:00Z", "newest": 2}]
    assert sums == [{"time": zero, "sum": 0}, {"time": one, "sum": 3}]
    assert halves == [{"time": zero, "sum": 2}, {"time": "2023-01-25T00:30:00Z", "sum": 4}]
    assert nobody == nothing == []
    assert grouped == [{"esdl_id": "pv-1", "time": 0, "mean": 1}, {"esdl_id": "pv-2", "time": 0, "mean": 2}]


@pytest.mark.parametrize(
    ("query", "columns", "values"),
    [
        ("SHOW MEASUREMENTS", ["name"], {"measurements": [["battery"], ["pvinstallation"]]}),
        ("SHOW MEASUREMENTS LIMIT 1", ["name"], {"measurements": [["battery"]]}),
        (
            "SHOW TAG KEYS",
            ["tagKey"],
            {
                "battery": [["esdl_id"], ["phase"]],
                "pvinstallation": [["esdl_id"], ["esdl_name"], ["model_id"], ["simulation_id"]],
            },
        ),
        (
            "SHOW FIELD KEYS FROM battery",
            ["fieldKey", "fieldType"],
            {"battery": [["charge", "float"], ["cycles", "integer"], ["mode", "string"], ["on", "boolean"]]},
        ),
        (
            'SHOW TAG VALUES WITH KEY = "esdl_id"',
            ["key", "value"],
            {"battery": [["esdl_id", "b 1"]], "pvinstallation": [["esdl_id", "pv-1"], ["esdl_id", "pv-2"]]},
        ),
        ("SHOW TAG VALUES FROM battery WITH KEY = phase", ["key", "value"], {"battery": [["phase", "L2"]]}),
        ("SHOW TAG VALUES FROM battery WITH KEY = model_id", [], {}),
        ("SHOW TAG KEYS FROM nothing", [], {}),
    ],
)
async def test_what_there_is_to_choose_from(door, http, query, columns, values):
    line = 'battery,esdl_id=b\\ 1,phase=L2 charge=0.5,cycles=3i,mode="idle",on=t 1674604800'
    await http.post("/write", content=line, params={"precision": "s"})
    await asyncio.to_thread(lambda: python_client(door).write_points(points(), time_precision="s"))
    (result,) = (await http.get("/query", params={"q": query})).json()["results"]
    series = result.get("series", [])
    assert {each["name"]: each["values"] for each in series} == values
    assert all(each["columns"] == columns for each in series)


async def test_there_is_one_retention_policy(door, http):
    asked = {"q": f'SHOW RETENTION POLICIES ON "{door.database}"', "db": ""}
    (result,) = (await http.get("/query", params=asked)).json()["results"]
    (series,) = result["series"]
    assert series["columns"] == ["name", "duration", "shardGroupDuration", "replicaN", "default"]
    assert series["values"] == [["autogen", "0s", "168h0m0s", 1, True]]


async def test_a_field_keeps_the_type_it_had_first(http):
    async def write(*lines: str) -> tuple[int, str]:
        answer = await http.post("/write", params={"precision": "s"}, content="\n".join(lines))
        return answer.status_code, answer.json()["error"] if answer.content else ""

    there = 'partial write: field type conflict: input field "u" on measurement "m" is type'
    assert await write("m,simulation_id=a u=1 1") == (204, "")
    assert await write('m,simulation_id=a u="x" 1') == (400, f"{there} string, already exists as type float dropped=1")
    assert await write("m,simulation_id=a u=5i 1", "m,simulation_id=a u=2 2", "m,simulation_id=a u=t 3") == (
        400,
        f"{there} integer, already exists as type float dropped=2",
    )
    assert await write('m,simulation_id=a w=1,u="x" 4') == (
        400,
        f"{there} string, already exists as type float dropped=1",
    )
    assert (await write("m,simulation_id=a v=1 1", 'm,simulation_id=a v="y" 2'))[0] == 400, "in one body as well"
    answer = await http.get("/query", params={"q": "SELECT mean(u), count(u) FROM m"})
    assert answer.json()["results"][0]["series"][0]["values"] == [["1970-01-01T00:00:00Z", 1.5, 2]]


async def test_ping(http):
    for answer in (await http.get("/ping"), await http.head("/ping")):
        assert answer.status_code == 204
        assert answer.headers["X-Influxdb-Version"].startswith("1.")


@pytest.mark.parametrize(
    ("epoch", "time"),
    [
        ("ns", 1674604801500000000),
        ("u", 1674604801500000),
        ("ms", 1674604801500),
        ("s", 1674604801),
        ("m", 27910080),
        ("h", 465168),
        ("", "2023-01-25T00:00:01.5Z"),
    ],
)
async def test_epoch(http, epoch, time):
    await http.post("/write", params={"precision": "ms"}, content="m a=1 1674604801500")
    answer = await http.get("/query", params={"q": "select a from m", **({"epoch": epoch} if epoch else {})})
    assert answer.json()["results"][0]["series"] == [{"name": "m", "columns": ["time", "a"], "values": [[time, 1]]}]


async def test_a_point_without_a_time_gets_the_servers(http):
    assert (await http.post("/write", content="m a=1")).status_code == 204
    answer = await http.get("/query", params={"q": "SELECT a FROM m WHERE time > now() - 1m AND time < now() + 1m"})
    assert len(answer.json()["results"][0]["series"][0]["values"]) == 1


async def test_good_points_of_a_bad_body_are_kept(http):
    answer = await http.post("/write", content="m a=1 1000\nm b=x 2\nm a=3 3000\n")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("partial write: unable to parse 'm b=x 2': inv")
    assert answer.json()["error"].endswith("dropped=0")
    rows = (await http.get("/query", params={"q": "SELECT a FROM m", "epoch": "ns"})).json()["results"][0]["series"][0]
    assert rows["values"] == [[1000, 1], [3000, 3]]


@pytest.mark.parametrize("body", ["m a=\n", "nonsense\n", "m a=nan 1", "m,t= a=1"])
async def test_a_body_of_bad_points_is_refused(http, body):
    answer = await http.post("/write", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"unable to parse '{body.strip()}")


async def test_gzip(http):
    body = gzip.compress(b"m a=1 1000\n")
    answer = await http.post("/write", content=body, headers={"Content-Encoding": "gzip"}, params={"precision": "s"})
    assert answer.status_code == 204
    broken = await http.post("/write", content=body[:-9], headers={"Content-Encoding": "gzip"})
    assert broken.status_code == 400
    none = await http.post("/write", content=b"m a=1", headers={"Content-Encoding": "gzip"})
    assert none.status_code == 400


async def test_too_much_is_refused(podium):
    line = b"m a=1 1\n"
    async with podium.http() as http:
        answer = await http.post("/write", content=line * (MAX_BODY // len(line) + 1))
    assert answer.status_code == 413
    assert "too large" in answer.json()["error"].lower()


async def test_a_gzip_bomb_is_refused(podium):
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(b"\n" * 10_000_000) for _ in range(5)) + packer.flush()
    async with podium.http() as http:
        answer = await http.post("/write", content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413


async def test_strangers_are_kept_out(door, http):
    async with httpx.AsyncClient(base_url=door.url, params={"db": door.database}, timeout=60) as stranger:
        for answer in (
            await stranger.post("/write", content="m a=1"),
            await stranger.post("/write", content="m a=1", params={"u": USER, "p": "guess"}),
            await stranger.post("/write", content="m a=1", auth=(USER, "guess")),
            await stranger.post("/write", content="m a=1", headers={"Authorization": "Basic ???"}),
            await stranger.get("/query", params={"q": "SHOW DATABASES"}),
        ):
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
            problem, _, hint = answer.json()["error"].partition("; ")
            assert problem in ("authorization failed", "unable to parse authentication credentials")
            assert ("INFLUXDB_PASSWORD" in hint) == (answer.headers["X-Influxdb-Build"] == "Podium")
        known = {"u": USER, "p": PASSWORD}
        assert (await stranger.post("/write", content="m a=1", params=known)).status_code == 204
        assert (await stranger.get("/query", params={"q": "SHOW DATABASES", **known})).status_code == 200


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT", "found"),
        ("SELECT a FROM", "found"),
        ("SELECT power, mean(power) FROM m", "mixing aggregate and non-aggregate"),
        ("SELECT a FROM m GROUP BY time(1h)", "GROUP BY requires at least one aggregate function"),
        ("SELECT nonsense(a) FROM m", "undefined function nonsense"),
        ("SHOW NONSENSE", "found NONSENSE, expected"),
        ("SELECT a FROM m WHERE time > 'tomorrow'", "invalid"),
        ("", "missing required parameter"),
    ],
)
async def test_a_query_that_cannot_be_answered_is_refused(http, query, problem):
    answer = await http.get("/query", params={"q": query})
    told = answer.json()
    error = told.get("error") or told["results"][0]["error"]
    assert problem in error


GAPS = """m,t=a p=1,s="x",b=t,n=3i 10
m,t=a p=2 250
m,t=b p=5 20
m,t=b p=7,s="z" 500
early p=1 -90
early p=2 -30
early p=3 10
early p=4 130
late p=1 1790000000
late p=2 4102444800"""
WITHIN = "WHERE time >= 0s AND time < 600s"


async def with_gaps(podium, query):
    """What ours answers."""
    async with podium.http() as http:
        await http.post("/query", data={"q": "CREATE DATABASE gaps"})
        await http.post("/write", content=GAPS, params={"precision": "s", "db": "gaps"})
        await http.post("/write", content="m p=100 10", params={"precision": "s", "db": "other"})
        return await http.get("/query", params={"q": query, "epoch": "s", "db": "gaps"})


@pytest.fixture(scope="module")
def reference(influx):
    """What the real one answers, of the same points."""
    with httpx.Client(base_url=influx.url, auth=(USER, PASSWORD), params={"db": "gaps"}, timeout=60) as real:
        for name in ("gaps", "other"):
            real.post("/query", data={"q": f"CREATE DATABASE {name}"}).raise_for_status()
        real.post("/write", content=GAPS, params={"precision": "s"}).raise_for_status()
        real.post("/write", content="m p=100 10", params={"precision": "s", "db": "other"}).raise_for_status()
        yield lambda query: real.get("/query", params={"q": query, "epoch": "s"}).json()


@pytest.mark.parametrize(
    "query",
    [
        'SELECT p FROM "other"."autogen"."m"',
        'SELECT p FROM "other".."m"; SHOW FIELD KEYS FROM "other".."m"',
        'SELECT p FROM "nowhere"."autogen"."m"',
        'SELECT p FROM "autogen"."m" LIMIT 0',
        "SHOW MEASUREMENTS LIMIT 0; SHOW TAG VALUES WITH KEY = t LIMIT 0",
        f"SELECT mean(p), count(p), max(p), first(s) FROM m {WITHIN} GROUP BY time(2m)",
        f"SELECT mean(p), count(p), count(s) FROM m {WITHIN} GROUP BY time(2m) fill(null)",
        f"SELECT mean(p), count(p), count(s) FROM m {WITHIN} GROUP BY time(2m) fill(none)",
        f"SELECT mean(p), count(s) FROM m {WITHIN} GROUP BY t, time(2m)",
        f"SELECT count(p), count(s) FROM m {WITHIN} GROUP BY t, time(2m) ORDER BY time DESC LIMIT 2",
        f"SELECT count(*) FROM m {WITHIN} GROUP BY time(2m)",
        f"SELECT count(p), count(nothing) FROM m {WITHIN} GROUP BY time(2m)",
        "SELECT count(p) FROM m WHERE time > 30s AND time <= 600s GROUP BY time(2m) ORDER BY time DESC",
        "SELECT count(p), count(s), sum(p) FROM m WHERE time < 600s GROUP BY t, time(2m)",
        "SELECT count(p), count(s), sum(p) FROM m WHERE time < 600s GROUP BY t, time(2m) ORDER BY time DESC",
        "SELECT sum(p) FROM m WHERE time < 600s GROUP BY t, time(1m) LIMIT 3",
        "SELECT mean(p) FROM m WHERE time >= 600s AND time < 1200s GROUP BY time(2m)",
        "SELECT mean(p) FROM m WHERE time >= 600s AND time < 0s GROUP BY time(2m)",
        "SELECT sum(p) FROM m WHERE time = 10s GROUP BY time(2m)",
        "SELECT count(p) FROM late GROUP BY time(100d) fill(none)",
        "SELECT mean(p) FROM early WHERE time < 200s GROUP BY time(1m)",
        "SELECT mean(p) FROM early GROUP BY time(1w) fill(none)",
        "SELECT mean(p), count(p) FROM early",
        "SELECT count(*) FROM m",
        "SELECT last(*) FROM m",
        "SELECT first(*) FROM m",
        "SELECT mean(*) FROM m",
        "SELECT sum(*) FROM m",
        "SELECT min(*) FROM m",
        "SELECT max(*) FROM m",
        "SELECT max(b) FROM m; SELECT count(p), count(s) FROM m GROUP BY t",
        "SELECT mean(p) FROM m GROUP BY time(0s)",
        "SELECT mean(p) FROM m GROUP BY time(-1h)",
        "SELECT time, p FROM m; SELECT p, time AS x FROM m",
        "SELECT mean(p), time FROM m; SELECT count(time) FROM m",
    ],
)
async def test_what_the_real_one_answers(podium, reference, query):
    assert (await with_gaps(podium, query)).json() == reference(query)


@pytest.mark.parametrize(
    "query",
    [
        'SELECT p FROM "monthly"."m"',
        "SELECT p FROM m LIMIT -1",
        "SELECT mean(p) FROM m GROUP BY time(99999999999999999999s)",
        'SELECT mean(p) FROM m GROUP BY "time"',
        "SELECT mean(p) FROM m GROUP BY time(1m), time(2m)",
        "SELECT time FROM m",
        "SELECT p FROM m WHERE time != 10s",
        "SELECT p FROM m WHERE time > '0001-01-01'",
        "SELECT p FROM m WHERE time > now() - 99999999w",
        "SELECT p FROM m WHERE time > 99999999999999999999",
        "SELECT mean(b) FROM m",
        "SELECT sum(s) FROM m",
    ],
)
async def test_what_the_real_one_refuses_is_refused(podium, reference, query):
    answer = await with_gaps(podium, query)
    told = reference(query)
    assert told.get("error") or told["results"][0]["error"]
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_rows_without_points_are_limited(podium):
    async with podium.http() as http:

        async def ask(query: str) -> httpx.Response:
            return await http.get("/query", params={"q": query, "epoch": "s"})

        await http.post("/write", content="m,t=a p=1 0\nm,t=b p=2 1\n", params={"precision": "s"})
        many = await ask("SELECT sum(p) FROM m WHERE time >= 0s AND time < 100001s GROUP BY time(1s)")
        assert many.status_code == 400
        assert "max-select-buckets limit exceeded: (100001/100000)" in many.json()["error"]
        few = await ask("SELECT sum(p) FROM m WHERE time >= 0s AND time < 100001s GROUP BY time(1s) fill(none)")
        assert few.json()["results"][0]["series"][0]["values"] == [[0, 1], [1, 2]]
        cut = await ask("SELECT sum(p) FROM m WHERE time < 60001s GROUP BY t, time(1s)")
        first, second = cut.json()["results"][0]["series"]
        assert (len(first["values"]), len(second["values"])) == (60_001, 39_999)
        assert first["partial"]
        assert second["partial"]


async def test_what_is_not_supported_is_answered_with_what_is(podium):
    def ask() -> None:
        client = python_client(podium)
        client.create_database(podium.database)
        for query in (
            "DROP MEASUREMENT m",
            "SELECT a FROM m WHERE b > 5",
            "SHOW SERIES",
            "SELECT a FROM m WHERE b = 'c' OR d = 'e'",
            "SELECT a FROM (SELECT b FROM m)",
        ):
            with pytest.raises(InfluxDBClientError, match="Supported are: CREATE DATABASE"):
                client.query(query)
        client.close()

    await asyncio.to_thread(ask)


async def test_a_database_that_is_not_there(http):
    answer = await http.get("/query", params={"q": "SELECT a FROM m", "db": "nowhere"})
    assert answer.json() == {"results": [{"statement_id": 0, "error": "database not found: nowhere"}]}
    answer = await http.post("/write", content="m a=1", params={"db": ""})
    assert (answer.status_code, answer.json()) == (400, {"error": "database is required"})


async def test_several_statements(http):
    await http.post("/write", content="m a=1 1000\nm a=2 2000")
    answer = await http.post("/query", data={"q": "SELECT count(a) FROM m; SHOW MEASUREMENTS"})
    counted, shown = answer.json()["results"]
    assert counted["series"][0]["values"][0][1] == 2
    assert (shown["statement_id"], shown["series"][0]["values"]) == (1, [["m"]])


async def test_points_find_their_run(podium, store):
    async with podium.http() as http:
        await http.post("/write", content="m,simulation_id=demo-1 a=1 1\nm a=2 1")
    assert [row.value for row in await store.rows("demo-1")] == [1.0]
    assert [row.value for row in await store.rows("")] == [2.0]


async def test_a_store_that_is_down_is_told(podium, store, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("disk full")

    async with podium.http() as http:
        monkeypatch.setattr(store._writer, "write", full)
        answer = await http.post("/write", content="m a=1")
    assert answer.status_code == 503
    assert "disk full" in answer.json()["error"]


async def test_many_models_write_at_once(podium, store):
    lines = "\n".join(
        LINE.format(id=f"pv-{home}", power=home) + f" {step}" for home in range(50) for step in range(100)
    )
    async with podium.http() as http:
        bodies = [lines.replace("demo-1", f"demo-{run}") for run in range(20)]
        answers = await asyncio.gather(
            *(http.post("/write", content=body, params={"precision": "s"}) for body in bodies)
        )
    assert {answer.status_code for answer in answers} == {204}
    for run in range(20):
        (line,) = await store.summary(f"demo-{run}")
        assert (line.count, line.objects) == (5000, 50)


def examples(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


async def test_every_example_of_the_page_runs(podium, store, tmp_path):
    if shutil.which("curl") is None:
        missing("curl", "there is no curl on this machine")
    model = os.environ | {
        "INFLUXDB_HOST": "127.0.0.1",
        "INFLUXDB_PORT": str(podium.port),
        "INFLUXDB_USER": USER,
        "INFLUXDB_PASSWORD": PASSWORD,
        "INFLUXDB_NAME": podium.database,
        "SIMULATION_ID": "demo-1",
        "MODEL_ID": "pv-1",
    }

    async def run(*command: str) -> str:
        process = await asyncio.create_subprocess_exec(*command, env=model, cwd=tmp_path, stdout=subprocess.PIPE)
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode()

    write, ask = examples("python model")
    (curl,) = examples("sh model")
    (read,) = examples("python exported")
    assert await run(sys.executable, "-c", write) == ""
    assert await run("sh", "-c", curl) == ""
    assert await run(sys.executable, "-c", ask) == "5f7c 2023-01-25T00:00:00Z 1567.25\n"
    await store.export_csv("demo-1", tmp_path)
    assert await run(sys.executable, "-c", read) == (
        "2023-01-25T00:00:00Z PV of home 1 1523.5\n2023-01-25T00:15:00Z  1611.0\n"
    )
    (settings,) = examples("toml settings")
    elsewhere = series_store(tomllib.loads(settings)["series"], tmp_path / "unused")
    assert isinstance(elsewhere, InfluxSeries)
    await elsewhere.close()
    assert len(re.findall(r"^```\w", PAGE, re.MULTILINE)) == 6, "one needs a server: tests/e2e/test_pages.py has it"
