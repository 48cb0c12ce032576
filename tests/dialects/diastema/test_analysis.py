"""A whole playbook against stand-in services: what they are asked, in which order, and what is left behind."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from podium.dialects.diastema.kinds import PATHS_BYTES
from podium.runs.events import RunState
from tests.dialects.diastema.house import House
from tests.dialects.diastema.playbooks import job, playbook
from tests.parts.diastema_services import Platform

ROOT = "metis/analysis-a1f"

ASKED: list[tuple[str, dict[str, Any]]] = [
    (
        "data-cleaning",
        {
            "minio-input": "metis/datasets/ships",
            "minio-output": f"{ROOT}/cleaned-3",
            "job-id": "job-3",
            "analysis-id": "a1f",
            "max-shrink": 0.2,
        },
    ),
    (
        "data-cleaning",
        {
            "minio-input": "metis/datasets/boats",
            "minio-output": f"{ROOT}/cleaned-4",
            "job-id": "job-4",
            "analysis-id": "a1f",
        },
    ),
    (
        "join",
        {
            "job-id": "job-5",
            "column": "id",
            "type": "inner",
            "inputs": [f"{ROOT}/cleaned-4", f"{ROOT}/cleaned-3"],
            "output": f"{ROOT}/joined-5",
            "analysis-id": "a1f",
        },
    ),
    (
        "function",
        {
            "job-id": "job-6",
            "inputs": [f"{ROOT}/cleaned-3", f"{ROOT}/cleaned-4"],
            "output": f"{ROOT}/function-6",
            "function": {"name": "sum", "args": []},
            "analysis-id": "a1f",
        },
    ),
    (
        "data-cleaning",
        {
            "minio-input": f"{ROOT}/function-6",
            "minio-output": f"{ROOT}/cleaned-9",
            "job-id": "job-9",
            "analysis-id": "a1f",
        },
    ),
    (
        "automl",
        {
            "minio-input": f"{ROOT}/cleaned-9",
            "ml-task": "regression",
            "job-id": "job-12",
            "column": "id",
            "parameters": {"trials": 3, "algorithm": "linearregression"},
        },
    ),
    ("data-sink", {"key": "metis", "data": {"key": "metis", "data": "job-8"}}),
    ("data-sink", {"key": "metis", "data": {"key": "metis", "data": "job-11"}}),
    ("data-sink", {"key": "metis", "data": {"key": "metis", "data": "job-14"}}),
    ("data-sink", {"key": "metis", "data": {"key": "metis", "data": "sink"}}),
]

STORES = {
    "master-host": "cluster",
    "master-port": "8443",
    "app-name": "diastema-job",
    "minio-host": "minio",
    "minio-port": "9000",
    "minio-user": "us",
    "minio-pass": "secret",
    "mongo-host": "mongo",
    "mongo-port": "27017",
    "analysis-id": "a1f",
}
ANALYSED = [
    {
        **STORES,
        "path": "local:///app/src/ClassificationJob.py",
        "algorithm": "logisticregression",
        "minio-input": f"{ROOT}/joined-5",
        "minio-output": f"{ROOT}/classified-7",
        "column": "id",
        "job-id": "job-7",
    },
    {
        **STORES,
        "path": "local:///app/src/RegressionJob.py",
        "algorithm": "randomforest",
        "minio-input": f"{ROOT}/cleaned-9",
        "minio-output": f"{ROOT}/regressed-12",
        "column": "id",
        "job-id": "job-12",
    },
    {
        **STORES,
        "path": "local:///app/src/ClusteringJob.py",
        "algorithm": "kmeans",
        "minio-input": f"{ROOT}/cleaned-9",
        "minio-output": f"{ROOT}/clustered-13",
        "column": "",
        "job-id": "job-13",
    },
]
BEHIND = {
    "job-3": (),
    "job-5": ("job-3", "job-4"),
    "job-6": ("job-3", "job-4"),
    "job-7": ("job-5",),
    "job-9": ("job-6",),
}
AFTERWARDS = "for the analysis with ID: a1f"


def by_job(bodies: list[Any]) -> list[Any]:
    return sorted(bodies, key=str)


def last_sink(book: dict[str, Any]) -> dict[str, Any]:
    book["jobs"][-1]["id"] = "sink"
    return book


async def test_a_playbook_from_its_acceptance_to_its_end(anywhere: tuple[House, Platform]) -> None:
    at_home, platform = anywhere
    platform.results = {"algorithm": "random forest regression", "trees": 10}
    platform.together("job-3", "job-4", count=2)
    book = last_sink(playbook())
    answer = await at_home.post("/analysis", book)
    run = await at_home.ended(answer)
    assert run.state is RunState.SUCCEEDED, run.error

    analysed = platform.bodies("analytics")
    assert by_job(analysed) == by_job(ANALYSED)
    assert by_job([one for one in platform.asked if one[0] != "analytics"]) == by_job(ASKED)
    order = {what: at for at, what in enumerate(platform.log)}
    for later, earlier in BEHIND.items():
        assert all(order["end", one] < order["begin", later] for one in earlier)
    assert all(order["begin", one] < order["end", other] for one, other in [("job-3", "job-4"), ("job-4", "job-3")])

    objects = await at_home.artifacts.list("metis")
    folders = ["classified-7", "cleaned-3", "cleaned-4", "cleaned-9"]
    folders += ["clustered-13", "function-6", "joined-5", "regressed-12"]
    assert objects == [f"{ROOT}/{folder}/part-0.csv" for folder in folders]  # no _SUCCESS is left

    kinds = ["classified", "cleaned", "cleaned", "cleaned", "clustered", "function", "joined", "regressed"]
    jobs = {one["step"]: one for one in book["jobs"]}
    expected = [
        {
            "minio-path": f"{ROOT}/{folder}",
            "directory-kind": f"{kind}-data",
            "job-json": jobs[int(folder.rpartition("-")[2])],
            "analysis-id": "a1f",
        }
        for folder, kind in zip(folders, kinds, strict=True)
    ]
    shown = {"minio-path": "diastemaviz/job-7", "directory-kind": "visualization", "job-json": jobs[10]}
    expected += [{**shown, "analysis-id": "a1f"}, {"kind": "metadata", "metadata": {"any": ["JSON", 1]}}]
    assert by_job(await at_home.documents.find("metis", "analysis_a1f")) == by_job(expected)
    [pipeline] = await at_home.documents.find("UIDB", "pipelines")
    assert isinstance(pipeline.pop("performance")["analysis-exec-speed"], int)
    assert pipeline == {
        "analysisid": "A1F",
        "status": "completed",
        "visualization": {"Viz": ["diastemaviz/job-7/plot.html"]},
    }
    toolkit = await at_home.documents.find("Diastema", "datatoolkit")
    assert sorted(toolkit, key=lambda one: one["job-id"], reverse=True) == [
        {"iterations": 5, "job-id": "job-7"},
        {"job-id": "job-12", "trees": 10},
    ]

    texts = [one["update"] for one in platform.told if one["message"] == "update"]
    words = ["Cleaning executed"] * 3 + ["Classification executed", "Clustering executed", "Function executed"]
    words += ["Join executed", "Regression executed", "Visualization Executed", *["Data Sink Executed"] * 4]
    assert sorted(texts[:-1]) == sorted(f"{word} {AFTERWARDS}" for word in words)
    assert texts[-1] == "Analysis completed with ID: a1f"
    assert platform.told[-1] == {"message": "update", "update": texts[-1]}
    assert [one for one in platform.told if one["message"] == "visualize"] == [
        {"message": "visualize", "path": "diastemaviz/job-7", "job": "classification", "column": "id"}
    ]
    assert not [one for one in platform.told if one["message"] == "error"]


async def test_a_bucket_and_an_empty_folder_are_there_before_a_service_is_told(
    at_home: House, platform: Platform, tmp_path: Any
) -> None:
    there: list[bool] = []
    post = platform.post

    def look(name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if "minio-output" in body:
            there.append((tmp_path / "artifacts" / body["minio-output"]).is_dir())
        return post(name, body)

    platform.post = look  # type: ignore[method-assign]
    run = await at_home.analysed(
        playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3]), job(3, "data-sink", 2))
    )
    assert (run.state, there) == (RunState.SUCCEEDED, [True])


async def test_numbers_as_ids_and_the_shape_of_a_chain(at_home: House, platform: Platform) -> None:
    steps = [job(1, "dataset", 0, [2], id=7), *(job(n, "cleaning", n - 1, [n + 1], id=n) for n in range(2, 6))]
    run = await at_home.analysed(playbook(*steps, job(6, "data-sink", 5, id=6), **{"analysis-id": 42}))
    assert run.state is RunState.SUCCEEDED
    begun = [body["job-id"] for body in platform.bodies("data-cleaning")]
    assert begun == ["2", "3", "4", "5"]
    outputs = [body["minio-output"] for body in platform.bodies("data-cleaning")]
    inputs = [body["minio-input"] for body in platform.bodies("data-cleaning")]
    assert all(before == after for (before, _), (_, after) in pairwise(zip(outputs, inputs, strict=True)))
    assert outputs[0] == "metis/analysis-42/cleaned-2"
    assert platform.told[-1]["update"] == "Analysis completed with ID: 42"


async def results(at_home: House, run: str) -> dict[str, Any]:
    events = [recorded.event async for recorded in at_home.journal.replay(run)]
    return {event.data["job"]: event.data["result"] for event in events if event.type == "job.succeeded"}


async def test_parameters_of_any_size_go_to_the_records_and_no_result_grows_with_them(
    at_home: House, platform: Platform
) -> None:
    platform.results = {"algorithm": "naive bayes", "weights": ["w" * 100] * 4000}
    given = {"weights": ["g" * 100] * 4000}
    ends = [job(5, "data-sink", [3, 4])]
    models = [
        job(3, "classification", 2, [5], params=given),
        job(4, "classification", 2, [5], params=given, automl=True),
    ]
    run = await at_home.analysed(playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3, 4]), *models, *ends))
    assert run.state is RunState.SUCCEEDED, run.error
    found = await results(at_home, run.id)
    assert (found["3"]["algorithm"], found["4"]["algorithm"]) == ("logisticregression", "naivebayes")
    assert len(str(found)) < 2000
    records = {one["job-id"]: one["weights"] for one in await at_home.documents.find("Diastema", "datatoolkit")}
    assert records == {"job-3": given["weights"], "job-4": platform.results["weights"]}


async def test_an_algorithm_that_is_a_book_trains_nothing(at_home: House, platform: Platform) -> None:
    platform.results = {"algorithm": "bayes" * 1000}
    ends = [job(3, "classification", 2, [4], automl=True), job(4, "data-sink", 3)]
    run = await at_home.analysed(playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3]), *ends))
    assert run.state is RunState.FAILED
    assert "AutoML names an algorithm of more than 1000 bytes" in run.error.reason  # type: ignore[union-attr]
    assert platform.bodies("analytics") == []


async def test_a_visualization_of_many_plots_names_those_it_has_room_for(at_home: House, platform: Platform) -> None:
    plots = [f"diastemaviz/job-2/{'plot' * 40}-{number:04}.html" for number in range(2000)]
    for plot in plots:
        platform.write(plot, b"")
    ends = [job(2, "cleaning", 1, [3]), job(3, "visualization", 2, label="Viz")]
    run = await at_home.analysed(playbook(job(1, "dataset", 0, [2]), *ends))
    assert run.state is RunState.SUCCEEDED, run.error
    shown = (await results(at_home, run.id))["3"]["paths"]
    assert 0 < len(json.dumps(shown)) <= PATHS_BYTES
    assert shown == ["diastemaviz/job-2/plot.html", *plots][: len(shown)]
    [pipeline] = await at_home.documents.find("UIDB", "pipelines", {"analysisid": "A1F"})
    assert len(pipeline["visualization"]["Viz"]) == len(plots) + 1
    notes = [line for _, node, line in at_home.lines if node == "3"]
    assert notes == [f"its result names {len(shown)} of {len(plots) + 1} plots; the records have all"]
