"""Each service over its wire, on real data; the numbers are those that such data must give."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from threading import Thread

import duckdb
import httpx
import pytest

from podium.stores.artifacts import open_artifacts
from tests.examples.analysis.platform import EXAMPLE, Platform, running
from tests.parts import free_port

pytestmark = pytest.mark.e2e


def rows(place: Path, folder: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((place / folder / "part-00000.csv").read_text())))


def write(place: Path, path: str, content: str) -> None:
    (place / path).parent.mkdir(parents=True, exist_ok=True)
    (place / path).write_text(content)


@pytest.fixture(scope="session")
def cleaned(platform: Platform) -> str:
    """The folder of cleaned ships."""
    body = {
        "minio-input": "harbour/datasets/ships",
        "minio-output": "harbour/cleaned",
        "job-id": "clean",
        "analysis-id": "1",
    }
    assert platform.tell("data-cleaning", body) == {"status": "complete"}
    return "harbour/cleaned"


@pytest.fixture(scope="session")
def joined(platform: Platform, cleaned: str) -> str:
    body = {"job-id": "join", "column": "ship", "type": "inner", "analysis-id": "1"}
    body |= {"inputs": ["harbour/datasets/calls", cleaned], "output": "harbour/joined"}
    assert platform.tell("join", body) == {"status": "complete"}
    return "harbour/joined"


class TestData:
    def test_the_files_are_what_their_script_makes(self, tmp_path, monkeypatch):
        made = {name: (EXAMPLE / "data" / name).read_text() for name in ("ships.csv", "calls.csv")}
        script = (EXAMPLE / "make_data.py").read_text()
        names: dict[str, object] = {"__name__": "made", "__file__": str(EXAMPLE / "make_data.py")}
        exec(compile(script, "make_data.py", "exec"), names)  # noqa: S102 - our own
        names["DATA"] = tmp_path
        source = names["Random"](names["SEED"])
        fleet = names["ships"](source)
        calls = names["calls"](source, fleet)
        names["write"]("ships", names["spoiled"](source, fleet, {"ship", "kind"}))
        names["write"]("calls", names["spoiled"](source, calls, {"call", "ship", "late"}))
        assert {name: (tmp_path / name).read_text() for name in made} == made

    def test_they_come_with_the_services(self, platform, place):
        assert (place / "harbour/datasets/ships/ships.csv").is_file()
        assert not (place / "harbour/datasets/tugs").exists()


class TestCleaning:
    def test_rows_with_gaps_and_doubled_rows_go(self, platform, place, cleaned):
        raw = list(csv.DictReader(io.StringIO((EXAMPLE / "data/ships.csv").read_text())))
        kept = rows(place, cleaned)
        assert 140 < len(kept) < len({row["ship"] for row in raw}) < len(raw)
        assert all(all(row.values()) for row in kept)
        assert len({row["ship"] for row in kept}) == len(kept)

    def test_where_too_much_would_go_gaps_are_filled(self, platform, place):
        body = {"minio-input": "harbour/datasets/ships", "minio-output": "harbour/filled", "job-id": 7}
        assert platform.tell("data-cleaning", body | {"max-shrink": 0.01})["status"] == "complete"
        kept = rows(place, "harbour/filled")
        assert len(kept) == len({row["ship"] for row in kept}) == 160
        assert all(all(row.values()) for row in kept)

    def test_parquet_stays_parquet(self, platform, place):
        (place / "harbour/datasets/parquet").mkdir(parents=True)
        file = str(place / "harbour/datasets/parquet/ships.parquet")
        duckdb.sql(f"COPY (FROM read_csv('{EXAMPLE}/data/ships.csv')) TO '{file}'")
        body = {"minio-input": "harbour/datasets/parquet", "minio-output": "harbour/parquet", "job-id": "p"}
        assert platform.tell("data-cleaning", body)["status"] == "complete"
        assert [found.name for found in (place / "harbour/parquet").iterdir()] == ["part-00000.parquet"]
        found = duckdb.read_parquet(str(place / "harbour/parquet/part-00000.parquet"))
        assert found.columns[0] == "ship"
        assert 140 < len(found) < 160

    def test_what_cannot_be_done_is_an_error_in_words(self, platform):
        body = {"minio-input": "harbour/nothing", "minio-output": "harbour/x", "job-id": "none"}
        assert platform.tell("data-cleaning", body) == {
            "status": "error",
            "message": "there is no table in harbour/nothing",
        }
        body |= {"minio-input": "harbour/../../etc"}
        assert "no path of an artifact" in platform.tell("data-cleaning", body)["message"]

    def test_a_job_nobody_began(self, platform):
        answer = httpx.get(
            f"{platform.url('services')}/data-cleaning/progress", params={"id": "unheard-of"}, timeout=60
        )
        assert answer.status_code == 404

    def test_a_plot_for_people(self, platform, place, cleaned):
        page = (place / "diastemaviz/clean/overview.html").read_text()
        assert page.startswith("<!doctype html>")
        assert "<svg" in page
        assert "rows after cleaning" in page


class TestJoin:
    def test_calls_know_their_ships(self, platform, place, joined):
        found = rows(place, joined)
        assert 1_400 < len(found) < 1_627
        assert {"ship", "queue", "kind", "draught_m"} <= set(found[0])

    def test_other_columns_of_one_name_are_both_kept(self, platform, place):
        write(place, "harbour/l/a.csv", "id,x\n1,a\n2,b\n")
        write(place, "harbour/r/b.csv", "ID,x\n2,c\n3,d\n")
        body = {"job-id": "lr", "column": "id", "type": "outer", "inputs": ["harbour/l", "harbour/r"]}
        assert platform.tell("join", body | {"output": "harbour/lr"})["status"] == "complete"
        assert [tuple(row.values()) for row in rows(place, "harbour/lr")] == [
            ("1", "a", "NA"),
            ("2", "b", "c"),
            ("3", "NA", "d"),
        ]
        assert list(rows(place, "harbour/lr")[0]) == ["id", "x", "x_2"]

    def test_a_column_that_is_not_there_is_named(self, platform):
        body = {"job-id": "no", "column": "id", "type": "inner", "inputs": ["harbour/datasets/ships"] * 2}
        assert "no column 'id'; it has ship, kind" in platform.tell("join", body | {"output": "harbour/no"})["message"]


class TestFunction:
    def graph(self, name: str, *arguments: object) -> dict[str, object]:
        """An operation on arguments: a text is a feature."""
        numbers = list(range(1, len(arguments) + 1))
        args = [
            {"arg_id": n, "feature" if isinstance(a, str) else "value": a}
            for n, a in zip(numbers, arguments, strict=True)
        ]
        steps = [{"step": n, "from": 0, "next": 99, "info": {"kind": "arg", "arg_id": n}} for n in numbers]
        last = {"step": 99, "from": numbers, "next": 0, "info": {"kind": "operation", "name": name}}
        return {"args": args, "expression": [*steps, last]}

    def calculate(self, platform, place, function, *inputs: str) -> list[str]:
        body = {"job-id": "f", "inputs": list(inputs), "output": "harbour/f", "function": function, "analysis-id": "1"}
        told = platform.tell("function", body, role="functions")
        assert told == {"status": "complete"}, told
        return [row["result"] for row in rows(place, "harbour/f")]

    def test_that_of_the_playbook(self, platform, place, joined):
        playbook = json.loads((EXAMPLE / "playbook.json").read_text())
        function = next(job["function"] for job in playbook["jobs"] if job["title"] == "function")
        found = self.calculate(platform, place, function, joined)
        assert len(found) == len(rows(place, joined))
        assert all(0.09 < float(value) < 0.61 for value in found if value != "NA")

    @pytest.mark.parametrize(
        ("name", "arguments", "result"),
        [
            ("addition", ("x", 1), ["2", "3", "5"]),
            ("division", ("x", 0), ["NA", "NA", "NA"]),
            ("power", ("x", "x"), ["1.0", "4.0", "256.0"]),
            ("greater_than", ("x", 1), ["false", "true", "true"]),
            ("mean_value", ("x",), ["2.3333333333333335"] * 3),
            ("amount_of", ("x", 2), ["1", "1", "1"]),
        ],
    )
    def test_operations(self, platform, place, name, arguments, result):
        write(place, "harbour/x/x.csv", "x\n1\n2\n4\n")
        assert self.calculate(platform, place, self.graph(name, *arguments), "harbour/x") == result

    def test_features_of_two_inputs_row_by_row(self, platform, place):
        write(place, "harbour/x/x.csv", "x\n1\n2\n4\n")
        write(place, "harbour/y/y.csv", "y\n10\n20\n30\n")
        found = self.calculate(platform, place, self.graph("subtraction", "y", "x"), "harbour/y", "harbour/x")
        assert found == ["9", "18", "26"]

    @pytest.mark.parametrize(
        ("function", "said"),
        [
            ({"args": [], "expression": []}, "one result and not 0"),
            (
                {"args": [], "expression": [{"step": 1, "from": [1], "info": {"kind": "operation", "name": "equal"}}]},
                "comes before itself",
            ),
            ({"args": [{"arg_id": 1, "feature": "z"}], "expression": []}, "has no column 'z'; it has "),
        ],
    )
    def test_what_is_no_function(self, platform, place, function, said):
        write(place, "harbour/x/x.csv", "x\n1\n2\n4\n")
        body = {"job-id": "bad", "inputs": ["harbour/x"], "output": "harbour/bad", "function": function}
        assert said in platform.tell("function", body, role="functions")["message"]


class TestIngestion:
    @pytest.fixture
    def elsewhere(self):
        """Somebody's server with a table; what was asked of it."""
        asked: list[str] = []

        async def answer(reader, writer):
            asked.append((await reader.readuntil(b"\r\n")).decode().strip())
            await reader.readuntil(b"\r\n\r\n")
            found = "/ships" in asked[-1]
            body = b"a;b\n1;2\n3;4\n"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (b"200 OK" if found else b"404 No", len(body)))
            writer.write(body)
            writer.close()

        async def serve() -> None:
            served = await asyncio.start_server(answer, "127.0.0.1", port)
            ready.set_result(None)
            async with served:
                await ended.wait()

        port, loop, ended = free_port(), asyncio.new_event_loop(), asyncio.Event()
        ready = loop.create_future()
        thread = Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(asyncio.shield(ready), 10), loop).result()
        yield f"http://127.0.0.1:{port}", asked
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()

    def body(self, url: str, **more: object) -> dict[str, object]:
        source = {"url": url, "method": "POST", "separator": ";", "first-line-labels": True, "query_params": {"p": "v"}}
        return {"minio-output": "harbour/datasets/in", "job-id": "in", "ingestion_json": source | more}

    def test_over_http(self, platform, place, elsewhere):
        url, asked = elsewhere
        assert platform.tell("data-ingesting", self.body(f"{url}/ships"))["status"] == "complete"
        assert asked == ["POST /ships?p=v HTTP/1.1"]
        assert rows(place, "harbour/datasets/in") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
        features = httpx.get(f"{platform.url('services')}/data-ingesting/in", timeout=60).json()
        assert features == {"features": ["a", "b"]}

    def test_that_of_the_example(self, platform, place):
        source = json.loads((EXAMPLE / "ingestion.json").read_text())["ingestion_json"]
        body = {"minio-output": "harbour/datasets/tugs-in", "job-id": "tugs", "ingestion_json": source}
        assert platform.tell("data-ingesting", body)["status"] == "complete"
        assert rows(place, "harbour/datasets/tugs-in")[0] == {"tug": "t01", "bollard_pull_t": "45", "built": "1999"}

    def test_labels_must_fit(self, platform):
        body = self.body("shipped:tugs.txt", labels=["one"]) | {"job-id": "fit"}
        body["ingestion_json"]["first-line-labels"] = False
        assert platform.tell("data-ingesting", body)["message"] == "1 labels for 3 columns"

    @pytest.mark.parametrize("url", ["shipped:../make_data.py", "shipped:..", "file:///etc/passwd", "nowhere"])
    def test_what_is_not_shipped_cannot_be_had(self, platform, url):
        assert platform.tell("data-ingesting", self.body(url) | {"job-id": "not"})["status"] == "error"

    def test_a_test_of_it(self, platform, elsewhere):
        url, _ = elsewhere
        there = httpx.post(
            f"{platform.url('services')}/data-ingesting/test", json=self.body(f"{url}/ships"), timeout=60
        )
        assert (there.status_code, there.text) == (200, "12 bytes can be had")
        gone = httpx.post(f"{platform.url('services')}/data-ingesting/test", json=self.body(f"{url}/boats"), timeout=60)
        assert gone.status_code == 400
        assert "404" in gone.text


def test_a_sink_is_told(platform, place):
    body = {"key": "harbour", "data": {"key": "harbour", "data": "job-1"}}
    httpx.post(f"{platform.url('services')}/data-sink", json=body, timeout=60).raise_for_status()
    assert json.loads((place / "harbour/sink/job-1.json").read_text()) == body


class TestAnalytics:
    def model(self, place: Path, folder: str) -> dict[str, object]:
        assert (place / folder / "_SUCCESS").read_bytes() == b""
        return json.loads((place / folder / "model.json").read_text())

    @pytest.mark.parametrize(
        ("algorithm", "least"),
        [
            ("decisiontree", 0.85),
            ("randomForest", 0.88),
            ("logisticregression", 0.85),
            ("gbt", 0.9),
            ("linearsvc", 0.85),
            ("onevsrest", 0.85),
            ("naivebayes", 0.75),
            ("fm", 0.88),
            ("mlp", 0.85),
        ],
    )
    def test_classification(self, platform, place, joined, algorithm, least):
        """Two of three calls are not late: to say so of all would be right for 0.69."""
        target = f"harbour/late-{algorithm}"
        said = platform.analyse(
            "ClassificationJob", joined, target, algorithm=algorithm, column="late", **{"job-id": f"late-{algorithm}"}
        )
        found = rows(place, target)
        assert list(found[0]) == ["late", "prediction"]
        right = sum(row["late"] == row["prediction"] for row in found) / len(found)
        model = self.model(place, target)
        assert right == model["accuracy"] > least, said
        assert model["learned_from"] > 2 * len(found)
        assert next(iter(model["matters"])) in ("queue", "draught_m", "gross_tonnage")
        assert "<svg" in (place / f"diastemaviz/late-{algorithm}/overview.html").read_text()

    @pytest.mark.parametrize(
        ("algorithm", "least"),
        [
            ("linearregression", 0.9),
            ("decisiontree", 0.8),
            ("randomforest", 0.9),
            ("gbt", 0.9),
            ("survival", 0.7),
            ("isotonic", 0.7),
        ],
    )
    def test_regression(self, platform, place, cleaned, algorithm, least):
        target = f"harbour/engine-{algorithm}"
        said = platform.analyse("RegressionJob", cleaned, target, algorithm=algorithm, column="engine_kw")
        assert self.model(place, target)["r2"] > least, said
        assert list(rows(place, target)[0]) == ["engine_kw", "prediction"]

    def test_clustering_finds_the_kinds_of_ships(self, platform, place, cleaned):
        said = platform.analyse("ClusteringJob", cleaned, "harbour/kinds", algorithm="kmeans", column="kind")
        assert said.startswith("clustering: 4 groups")
        assert self.model(place, "harbour/kinds")["k"] == 4
        kinds: dict[str, list[str]] = {}
        for row in rows(place, "harbour/kinds"):
            kinds.setdefault(row["prediction"], []).append(row["kind"])
        pure = sum(max(map(found.count, found)) for found in kinds.values())
        assert pure / len(rows(place, cleaned)) > 0.95

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"path": "local:///app/src/Other.py"}, "error: no job: 'local:///app/src/Other.py'"),
            ({"algorithm": "oracle"}, "error: no algorithm for classification: 'oracle'; there are decisiontree"),
            ({"column": "nothing"}, "error: there is no column 'nothing'; there are"),
            ({"minio-input": "harbour/nothing"}, "error: there is no table in harbour/nothing"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, platform, place, cleaned, more, said):
        asked = {"algorithm": "gbt", "column": "kind"} | more
        source = str(asked.pop("minio-input", cleaned))
        assert platform.analyse("ClassificationJob", source, "harbour/none", **asked).startswith(said)
        assert not (place / "harbour/none/_SUCCESS").exists()

    def test_automl_chooses_what_predicts_well(self, platform, cleaned):
        body = {"minio-input": cleaned, "ml-task": "regression", "job-id": "auto", "column": "engine_kw"}
        told = platform.tell("automl", body | {"parameters": {}}, role="automl")
        assert told["status"] == "complete"
        found = told["results"]["algorithm"]
        assert found in ("linear regression", "random forest regression", "gradient boosted tree regression")

    def test_parameters_are_heeded(self, platform, place, cleaned):
        said = platform.analyse("ClusteringJob", cleaned, "harbour/three", params={"k": "3"})
        assert said.startswith("clustering: 3 groups")
        asked = {"algorithm": "gbt", "column": "kind", "params": {"depth-of-ocean": 3}}
        said = platform.analyse("ClassificationJob", cleaned, "harbour/none", **asked)
        assert said.startswith("error: ")
        assert "depth_of_ocean" in said

    def test_who_is_not_told_where_the_store_is_finds_it_in_the_message(self, place, cleaned):
        with running({}, roles=["analytics"]) as alone:
            said = alone.analyse("ClusteringJob", cleaned, "harbour/alone", column="kind", artifacts=place.as_uri())
        assert said.startswith("clustering: 4 groups")


async def test_the_same_on_an_s3(platform_on_s3, seaweedfs):
    store = open_artifacts(seaweedfs.location)
    body = {"minio-input": "harbour/datasets/ships", "minio-output": "harbour/s3/cleaned", "job-id": "s3"}
    assert await asyncio.to_thread(platform_on_s3.tell, "data-cleaning", body) == {"status": "complete"}
    answered = await asyncio.to_thread(
        platform_on_s3.analyse, "ClusteringJob", "harbour/s3/cleaned", "harbour/s3/kinds", column="kind"
    )
    assert answered.startswith("clustering: 4 groups")
    assert await store.list("harbour/s3") == [
        "harbour/s3/cleaned/part-00000.csv",
        "harbour/s3/kinds/_SUCCESS",
        "harbour/s3/kinds/model.json",
        "harbour/s3/kinds/part-00000.csv",
    ]
    assert "diastemaviz/job/overview.html" in await store.list("diastemaviz")
    await store.close()
