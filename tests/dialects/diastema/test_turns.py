"""Services know jobs by their ids alone, and ids may be doubled: in a playbook, and by others that run beside it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from podium.runs.events import RunState
from podium.stores.artifacts_directory import DirectoryArtifacts
from tests.dialects.diastema.house import House, house
from tests.dialects.diastema.playbooks import ingestion, job, playbook
from tests.parts.diastema_services import Platform

SAME = "one-id"


def branches(*titles: str, **changes: Any) -> dict[str, Any]:
    """Each title behind a cleaning of its own; the jobs of the titles have one id."""
    jobs = []
    for number, title in enumerate(titles):
        first = 10 * number + 1
        jobs += [
            job(first, "dataset", 0, [first + 1], label=f"data {number}"),
            job(first + 1, "cleaning", first, [first + 2]),
            job(first + 2, title, first + 1, id=SAME, **({"params": {"depth": number}} if title in MODELS else {})),
        ]
    return playbook(*jobs, **changes)


MODELS = ("classification", "regression", "clustering")


def of_same_id(platform: Platform) -> list[str]:
    return [what for what, id_ in platform.log if id_ == SAME]


def outputs(platform: Platform, service: str) -> list[str]:
    return sorted(body["minio-output"] for body in platform.bodies(service) if body["job-id"] == SAME)


async def test_jobs_of_one_id_go_one_after_the_other_at_a_service(at_home: House, platform: Platform) -> None:

    def waiting() -> list[str]:
        return [line for _, node, line in at_home.lines if node in ("3", "13", "23")]

    platform.holds[SAME] = lambda: len(waiting()) >= 2
    run = await at_home.analysed(branches("cleaning", "cleaning", "cleaning"))
    assert run.state is RunState.SUCCEEDED, run.error
    assert of_same_id(platform) == ["begin", "end"] * 3
    folders = outputs(platform, "data-cleaning")
    assert folders == [f"metis/analysis-a1f/cleaned-{step}" for step in (13, 23, 3)]
    for folder in folders:
        assert await at_home.artifacts.list(folder) == [f"{folder}/part-0.csv"]
    assert waiting() == [f"waiting: data-cleaning is at another job with the id {SAME}"] * 2


async def test_models_of_one_id_find_their_own_parameters(at_home: House, platform: Platform) -> None:
    read: list[tuple[str, int]] = []
    loop = asyncio.get_running_loop()
    analyse = platform.analyse

    def reads(message: dict[str, Any]) -> str:
        for _ in range(2):  # when it begins, and when it is done
            found = asyncio.run_coroutine_threadsafe(at_home.documents.find("Diastema", "datatoolkit"), loop).result()
            read.extend((message["minio-output"].rpartition("/")[2], one["depth"]) for one in found)
            if len(read) % 2:
                answer = analyse(message)
        return answer

    platform.analyse = reads  # type: ignore[method-assign]
    platform.seconds = 0.2
    run = await at_home.analysed(branches("classification", "regression", "clustering"))
    assert run.state is RunState.SUCCEEDED, run.error
    assert sorted(read) == sorted([("classified-3", 0), ("regressed-13", 1), ("clustered-23", 2)] * 2)


async def test_a_model_without_parameters_does_not_find_those_of_another(at_home: House) -> None:
    await at_home.analysed(branches("classification"))
    assert await at_home.documents.find("Diastema", "datatoolkit") == [{"job-id": SAME, "depth": 0}]
    book = branches("classification")
    del book["jobs"][2]["params"]
    assert (await at_home.analysed(book)).state is RunState.SUCCEEDED
    assert await at_home.documents.find("Diastema", "datatoolkit") == []


async def test_what_automl_finds_is_of_the_job_that_asked(at_home: House, platform: Platform) -> None:
    book = branches("classification", "classification")
    for one in book["jobs"]:
        if one["title"] == "classification":
            one["automl"] = True
    platform.seconds = 0.2
    assert (await at_home.analysed(book)).state is RunState.SUCCEEDED
    # Of the two, one may be trained while AutoML is at the other: these are two services.
    asked = [name for name, body in platform.asked if body.get("job-id") == SAME]
    assert sorted(asked) == ["analytics"] * 2 + ["automl"] * 2
    assert asked[0] == "automl"
    assert of_same_id(platform).count("end") == 4


@pytest.mark.parametrize("given", ["analysis", "ingestion"])
async def test_runs_with_the_same_ids_do_not_disturb_each_other(at_home: House, platform: Platform, given: str) -> None:
    platform.seconds = 0.2
    if given == "analysis":
        documents = [branches("cleaning", **{"analysis-id": name, "database-id": name}) for name in ("one", "two")]
    else:
        documents = [ingestion(**{"ingestion-id": SAME, "dataset-label": name}) for name in ("one", "two")]
    answers = [await at_home.post(f"/{given}", document) for document in documents]
    for answer in answers:
        run = await at_home.ended(answer)
        assert run.state is RunState.SUCCEEDED, run.error
    assert of_same_id(platform) == ["begin", "end"] * 2


@pytest.mark.parametrize("when", ["being told", "asked"])
async def test_after_a_restart_the_one_that_was_under_way_goes_first(
    tmp_path: Path, platform: Platform, when: str
) -> None:
    there: list[str] = []
    left = threading.Event()
    platform.holds[SAME] = left.is_set
    get, post = platform.get, platform.post

    def asked(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        there.extend(query.get("id", ()))
        return get(path, query)

    def being_told(name: str, body: dict[str, Any]) -> tuple[int, Any]:
        answer = post(name, body)
        if body["job-id"] == SAME and SAME not in there:
            there.append(SAME)
            platform.happened()
            left.wait(60)  # it answers when nobody listens any more
        return answer

    if when == "asked":
        platform.get = asked  # type: ignore[method-assign]
    else:
        platform.post = being_told  # type: ignore[method-assign]
    home, artifacts = tmp_path / "other", DirectoryArtifacts(tmp_path / "artifacts")
    documents = [branches("cleaning", "cleaning", **{"analysis-id": name}) for name in ("one", "two")]
    async with house(home, platform, artifacts=artifacts) as first:
        answers = [await first.post("/analysis", document) for document in documents]
        await asyncio.to_thread(platform.wait, lambda: SAME in there)
    left.set()
    async with house(home, platform, artifacts=artifacts) as second:
        for answer in answers:
            run = await second.conductor.wait(answer.json()["id"])
            assert run.state is RunState.SUCCEEDED, run.error
        assert await second.ours.find("podium", "diastema calls") == []
    told = [body["minio-output"] for body in platform.bodies("data-cleaning") if body["job-id"] == SAME]
    if when == "being told":
        assert told[0] == told[1], "it was not known to have been taken"
        del told[0]
        platform.log.remove(("begin", SAME))
    assert len(told) == len(set(told)) == 4
    assert of_same_id(platform) == ["begin", "end"] * 4


async def test_nobody_waits_for_a_job_that_does_not_come_back(tmp_path: Path, platform: Platform) -> None:
    """The first is cancelled by the Podium that comes after; it was at the service when the one before it ended."""
    platform.seconds = 60
    home, artifacts = tmp_path / "other", DirectoryArtifacts(tmp_path / "artifacts")
    async with house(home, platform, artifacts=artifacts) as made:
        one = await made.post("/analysis", branches("cleaning", **{"analysis-id": "one"}))
        await asyncio.to_thread(platform.wait, lambda: platform.log)
    platform.seconds = 0.05
    async with house(home, platform, artifacts=artifacts) as made:
        await made.conductor.cancel(one.json()["id"])
        two = await made.post("/analysis", branches("cleaning", **{"analysis-id": "two"}))
        assert (await made.ended(two)).state is RunState.SUCCEEDED
        assert (await made.ended(one)).state is RunState.CANCELLED


async def test_nobody_waits_for_a_job_that_comes_back_and_fails_elsewhere(tmp_path: Path, platform: Platform) -> None:
    """It was trained when Podium ended; afterwards AutoML, which is asked once more, has come to grief."""
    book = branches("classification", "clustering")
    book["jobs"][2]["automl"] = True
    book["jobs"][4]["id"] = "slow"
    home, artifacts = tmp_path / "other", DirectoryArtifacts(tmp_path / "artifacts")
    get, trained = platform.get, threading.Event()
    platform.holds[SAME] = lambda: trained.is_set() or not platform.bodies("analytics")

    def late(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if query.get("id") == ["slow"] and not trained.is_set():
            return 200, {"status": "progress"}
        return get(path, query)

    platform.get = late  # type: ignore[method-assign]
    async with house(home, platform, artifacts=artifacts) as made:
        answer = await made.post("/analysis", book)
        await asyncio.to_thread(platform.wait, lambda: platform.bodies("analytics"))
    trained.set()
    platform.happened()
    platform.errors[SAME] = "AutoML has come to grief"
    async with house(home, platform, artifacts=artifacts) as made:
        run = await made.conductor.wait(answer.json()["id"])
    assert run.state is RunState.FAILED
    assert run.error
    assert "AutoML has come to grief" in run.error.reason
    assert [body["minio-output"].rpartition("/")[2] for body in platform.bodies("analytics")] == [
        "classified-3",
        "clustered-13",
    ]


async def test_a_service_that_hangs_is_told_again(tmp_path: Path, platform: Platform) -> None:
    """It says `progress` of the first call for ever: to ask on would end no attempt."""
    get = platform.get

    def hangs_once(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "data-cleaning/progress" and len(platform.bodies("data-cleaning")) == 1:
            return 200, {"status": "progress"}
        return get(path, query)

    platform.get = hangs_once  # type: ignore[method-assign]
    artifacts = DirectoryArtifacts(tmp_path / "artifacts")
    async with house(tmp_path / "other", platform, artifacts=artifacts, job_timeout=3.0) as made:
        run = await made.analysed(playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1)))
        assert run.state is RunState.SUCCEEDED, run.error
    assert len(platform.bodies("data-cleaning")) >= 2  # more, where the second did not come to its end in time either


async def test_what_a_service_knows_is_not_taken_for_ours_when_another_has_told_it_since(
    at_home: House, platform: Platform
) -> None:
    """The first is to be tried again; meanwhile the other has its turn."""
    get, refused = platform.get, []

    def once(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == f"data-ingesting/{SAME}" and not refused:
            refused.append(path)
            return 500, {"message": "not now"}
        return get(path, query)

    platform.get = once  # type: ignore[method-assign]
    platform.seconds = 0.2
    documents = [ingestion(**{"ingestion-id": SAME, "dataset-label": name}) for name in ("one", "two")]
    for answer in [await at_home.post("/ingestion", document) for document in documents]:
        assert (await at_home.ended(answer)).state is RunState.SUCCEEDED
    assert of_same_id(platform) == ["begin", "end"] * 3
    [first, second, third] = [body["minio-output"] for body in platform.bodies("data-ingesting")]
    assert first == third != second
