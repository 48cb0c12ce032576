"""What is known to go wrong with the field's first orchestrator, each shown not to go wrong here."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from podium.dialects.diastema import reading
from podium.engines.flow.document import Retry
from podium.errors import Unavailable
from podium.runs.events import RunState
from podium.stores.artifacts_directory import DirectoryArtifacts
from podium.stores.documents import Key
from podium.stores.documents_sql import SqlDocuments
from tests.dialects.diastema.house import House, house
from tests.dialects.diastema.playbooks import ingestion, job, playbook
from tests.parts.diastema_services import Platform


def chain(*middle: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """dataset -> cleaning -> what is given -> data-sink."""
    first = middle[0]["step"] if middle else 9
    ends = [job(9, "data-sink", middle[-1]["step"] if middle else 2)]
    return playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [first]), *middle, *ends, **changes)


def model(title: str = "classification", **more: Any) -> dict[str, Any]:
    return job(3, title, 2, [9], **more)


def errors(platform: Platform) -> list[str]:
    return [one["error"] for one in platform.told if one["message"] == "error"]


async def test_branches_that_nothing_ties_run_at_once(at_home: House, platform: Platform) -> None:
    platform.together("job-2", "job-4", "job-6", count=3)
    branches = [one for n in (1, 3, 5) for one in (job(n, "dataset", 0, [n + 1]), job(n + 1, "cleaning", n))]
    run = await at_home.analysed(playbook(*branches))
    assert run.state is RunState.SUCCEEDED
    assert [what for what, _ in platform.log] == ["begin"] * 3 + ["end"] * 3


async def test_a_service_is_given_no_more_at_once_than_is_set(tmp_path: Path, platform: Platform) -> None:
    platform.seconds = 0.5
    platform.together("job-11", "job-12", "job-13", count=3)
    platform.together("job-21", "job-22", "job-23", count=2)
    cleaned = [
        one for n in (2, 4, 6) for one in (job(n, "dataset", 0, [n + 1]), job(n + 1, "cleaning", n, [11, 12, 13]))
    ]
    joined = [job(n, "function", [3, 5, 7], [n + 10]) for n in (11, 12, 13)]
    trained = [job(n, "clustering", n - 10) for n in (21, 22, 23)]
    async with house(tmp_path, platform, limits={"services": 1, "analytics": 2}) as made:
        run = await made.analysed(playbook(*cleaned, *joined, *trained))
    assert run.state is RunState.SUCCEEDED
    assert [at_once(platform, steps) for steps in ((3, 5, 7), (11, 12, 13), (21, 22, 23))] == [1, 3, 2]


def at_once(platform: Platform, steps: tuple[int, ...]) -> int:
    """How many of these were under way at the same time, at most."""
    jobs = {f"job-{step}" for step in steps}
    changes = [1 if what == "begin" else -1 for what, id_ in platform.log if id_ in jobs]
    return max(accumulate(changes))


@pytest.mark.parametrize(
    ("given", "told"), [({"max-shrink": 0}, 0), ({"max-shrink": 0.0}, 0), ({"max-shrink": None}, None), ({}, None)]
)
async def test_nothing_lost_at_all_is_a_bound_too(
    at_home: House, platform: Platform, given: dict[str, Any], told: float | None
) -> None:
    book = chain()
    book["jobs"][1] |= given
    await at_home.analysed(book)
    assert platform.bodies("data-cleaning")[0].get("max-shrink") == told


async def test_a_failed_ingestion_is_a_failed_one(at_home: House, platform: Platform) -> None:
    platform.errors["i77"] = "There is no such file"
    run = await at_home.ended(await at_home.post("/ingestion", ingestion()))
    assert run.state is RunState.FAILED
    assert run.error
    assert "There is no such file" in run.error.reason
    assert await at_home.documents.find("UIDB", "datasets") == []
    assert errors(platform) == ["There is no such file for the ingestion with ID: i77"]


@pytest.mark.parametrize("title", ["classification", "regression", "clustering"])
async def test_a_model_without_the_key_automl_is_trained(at_home: House, platform: Platform, title: str) -> None:
    run = await at_home.analysed(chain(model(title)))
    assert run.state is RunState.SUCCEEDED
    assert len(platform.bodies("analytics")) == 1
    assert platform.bodies("automl") == []


@pytest.mark.parametrize("service", ["data-cleaning", "data-sink"])
async def test_a_service_that_answers_200_and_an_error_has_done_nothing(
    at_home: House, platform: Platform, service: str
) -> None:
    platform.sayings[service] = {"status": "error", "message": "No room is left"}
    run = await at_home.analysed(chain())
    assert run.state is RunState.FAILED
    assert run.error
    assert "No room is left" in run.error.reason
    assert len(platform.bodies(service)) == 1  # it would say the same again
    assert "No room is left for the analysis with ID: a1f" in errors(platform)


async def test_an_error_of_a_service_is_told_in_its_words_and_ends_what_depends_on_it(
    at_home: House, platform: Platform
) -> None:
    platform.errors["job-2"] = "More than max-shrink would be lost"
    apart = [job(11, "dataset", 0, [12]), job(12, "cleaning", 11)]
    book = chain(model())
    book["jobs"] += apart
    run = await at_home.analysed(book)
    assert run.state is RunState.FAILED
    assert platform.begun("job-2") == 1  # it would say the same again
    assert platform.begun("job-3") == 0
    assert platform.begun("job-12") == 1
    assert errors(platform) == [
        "More than max-shrink would be lost for the analysis with ID: a1f",
        "Analysis with the given ID terminated with error: a1f",
    ]
    [pipeline] = await at_home.documents.find("UIDB", "pipelines")
    assert pipeline["status"] == "failed"
    assert [one["minio-path"] for one in await at_home.documents.find("metis", "analysis_a1f")] == [
        "metis/analysis-a1f/cleaned-12"
    ]


async def test_http_500_is_no_job_well_done(at_home: House, platform: Platform) -> None:
    platform.refusals["data-cleaning"] = [500, 500, 500, 500]
    run = await at_home.analysed(chain())
    assert run.state is RunState.FAILED
    assert len(errors(platform)) == 2
    assert "answered 500: not now for the analysis with ID: a1f" in errors(platform)[0]


async def test_what_passes_is_tried_again(at_home: House, platform: Platform) -> None:
    platform.refusals["data-cleaning"] = [500, 0]
    run = await at_home.analysed(chain())
    assert run.state is RunState.SUCCEEDED
    assert errors(platform) == []


async def test_a_call_that_is_refused_for_good_is_not_repeated(at_home: House, platform: Platform) -> None:
    platform.refusals["data-cleaning"] = [400, 200]
    run = await at_home.analysed(chain())
    assert run.state is RunState.FAILED
    assert platform.refusals["data-cleaning"] == [200]


async def test_a_pipeline_without_a_row_gets_one(at_home: House) -> None:
    assert await at_home.documents.find("UIDB", "pipelines") == []
    await at_home.analysed(chain())
    assert len(await at_home.documents.find("UIDB", "pipelines")) == 1


async def test_a_row_of_the_front_end_is_completed_and_not_replaced(at_home: House) -> None:
    key = {"analysisid": "A1F"}
    await at_home.documents.put("UIDB", "pipelines", key, {**key, "label": "mine", "performance": {"memory": 1}})
    await at_home.analysed(chain())
    [row] = await at_home.documents.find("UIDB", "pipelines")
    assert (row["label"], row["status"]) == ("mine", "completed")
    assert set(row["performance"]) == {"memory", "analysis-exec-speed"}


async def test_a_numeric_analysis_id_is_an_id(at_home: House, platform: Platform) -> None:
    run = await at_home.analysed(chain(**{"analysis-id": 17}))
    assert run.state is RunState.SUCCEEDED
    assert platform.told[-1]["update"] == "Analysis completed with ID: 17"
    assert (await at_home.documents.find("UIDB", "pipelines"))[0]["analysisid"] == "17"


async def test_a_playbook_that_is_run_again_replaces_its_records(at_home: House) -> None:
    shown = chain(job(3, "classification", 2, [9, 4]))
    shown["jobs"].append(job(4, "visualization", 3, label="old"))
    await at_home.analysed(shown)
    before = await at_home.documents.find("metis", "analysis_a1f")
    assert len(before) == 4
    await at_home.analysed(chain(model(), metadata="new"))
    after = await at_home.documents.find("metis", "analysis_a1f")
    assert sorted(one.get("directory-kind", "-") for one in after) == ["-", "classified-data", "cleaned-data"]
    assert [one["metadata"] for one in after if "metadata" in one] == ["new"]
    [pipeline] = await at_home.documents.find("UIDB", "pipelines")
    assert pipeline["visualization"] == {}


@pytest.mark.parametrize(
    ("found", "short"), [("naive bayes", "naivebayes"), ("randomForest", "randomForest"), (None, "logisticregression")]
)
async def test_the_algorithm_that_automl_finds_goes_by_its_short_name(
    at_home: House, platform: Platform, found: str | None, short: str
) -> None:
    platform.results = {"algorithm": found, "depth": 3}
    run = await at_home.analysed(chain(model(automl=True)))
    assert run.state is RunState.SUCCEEDED
    assert platform.bodies("analytics")[0]["algorithm"] == short
    assert await at_home.documents.find("Diastema", "datatoolkit") == [{"job-id": "job-3", "depth": 3}]


async def test_what_the_analytics_component_says_is_heard(at_home: House, platform: Platform) -> None:
    platform.answers["job-3"] = "Error: out of memory"
    run = await at_home.analysed(chain(model()))
    assert run.state is RunState.FAILED
    assert errors(platform)[0] == "Error: out of memory for the analysis with ID: a1f"


async def test_a_component_that_hangs_up_is_asked_again(at_home: House, platform: Platform) -> None:
    platform.answers["job-3"] = ""
    analyse = platform.analyse

    def once(message: dict[str, Any]) -> str:
        answer = analyse(message)
        platform.answers.clear()
        return answer

    platform.analyse = once  # type: ignore[method-assign]
    run = await at_home.analysed(chain(model()))
    assert run.state is RunState.SUCCEEDED
    assert platform.begun("job-3") == 2


async def test_a_job_that_takes_too_long_ends_and_is_told_of(tmp_path: Path, platform: Platform) -> None:
    platform.seconds = 60
    async with house(tmp_path / "other", platform, job_timeout=0.3) as made:
        run = await made.analysed(chain())
    assert run.state is RunState.FAILED
    assert errors(platform)[-1] == "Analysis with the given ID terminated with error: a1f"


async def test_an_analysis_can_be_cancelled_and_everybody_is_told(at_home: House, platform: Platform) -> None:
    platform.seconds = 60
    answer = await at_home.post("/analysis", chain())
    await asyncio.to_thread(platform.wait, lambda: platform.log)
    await at_home.conductor.cancel(answer.json()["id"])
    run = await at_home.ended(answer)
    assert run.state is RunState.CANCELLED
    assert errors(platform)[-1] == "Analysis with the given ID terminated with error: a1f"
    assert (await at_home.documents.find("UIDB", "pipelines"))[0]["status"] == "cancelled"


async def test_a_cancel_that_comes_while_the_end_is_written_down_is_told(tmp_path: Path, platform: Platform) -> None:
    class Slow(SqlDocuments):
        async def put(self, database: str, collection: str, key: Key, document: Mapping[str, Any]) -> None:
            if document.get("kind") == "metadata":
                ending.set()
                await asyncio.Event().wait()
            await super().put(database, collection, key, document)

    ending = asyncio.Event()
    async with house(tmp_path, platform, documents=Slow(f"sqlite:///{tmp_path / 'records.db'}")) as made:
        answer = await made.post("/analysis", chain())
        await ending.wait()
        await made.conductor.cancel(answer.json()["id"])
        assert (await made.ended(answer)).state is RunState.CANCELLED
        await asyncio.to_thread(platform.wait, lambda: errors(platform))
        assert errors(platform) == ["Analysis with the given ID terminated with error: a1f"]
        assert (await made.documents.find("UIDB", "pipelines"))[0]["status"] == "cancelled"


async def test_a_restart_loses_nothing_and_begins_nothing_anew(tmp_path: Path, platform: Platform) -> None:
    away = threading.Event()
    platform.holds["job-2"] = away.is_set
    home = tmp_path / "other"
    artifacts = DirectoryArtifacts(tmp_path / "artifacts")
    async with house(home, platform, artifacts=artifacts) as first:
        answer = await first.post("/analysis", chain(model()))
        await asyncio.to_thread(platform.wait, lambda: "data-cleaning/progress" in platform.looked)
    away.set()
    async with house(home, platform, artifacts=artifacts) as second:
        run = await second.conductor.wait(answer.json()["id"])
    assert run.state is RunState.SUCCEEDED, run.error
    assert (platform.begun("job-2"), platform.begun("job-3")) == (1, 1)
    assert platform.told[-1]["update"] == "Analysis completed with ID: a1f"


async def test_what_an_earlier_run_left_at_a_service_is_not_taken_for_this_ones(
    tmp_path: Path, platform: Platform
) -> None:
    """The service says `complete` of the same job id, of the run before; ours was never told of."""
    artifacts = DirectoryArtifacts(tmp_path / "artifacts")
    async with house(tmp_path / "first", platform, artifacts=artifacts) as made:
        await made.analysed(chain())
    home = tmp_path / "second"
    stuck = _Stuck(tmp_path / "artifacts")
    async with house(home, platform, artifacts=stuck) as made:
        answer = await made.post("/analysis", chain())
        await stuck.asked.wait()
    async with house(home, platform, artifacts=artifacts) as made:
        run = await made.conductor.wait(answer.json()["id"])
    assert run.state is RunState.SUCCEEDED
    assert platform.begun("job-2") == 2


class _Stuck(DirectoryArtifacts):
    """Holds a job where it has begun and no service was told yet."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked = asyncio.Event()

    async def make_folder(self, path: str) -> None:
        self.asked.set()
        await asyncio.Event().wait()


async def test_artifacts_that_are_away_for_a_while_are_waited_for(tmp_path: Path, platform: Platform) -> None:
    class Away(DirectoryArtifacts):
        times = 5  # more than there are attempts

        async def make_folder(self, path: str) -> None:
            if self.times:
                self.times -= 1
                raise Unavailable("the store is away")
            await super().make_folder(path)

    async with house(tmp_path / "other", platform, artifacts=Away(tmp_path / "artifacts")) as made:
        assert (await made.analysed(chain())).state is RunState.SUCCEEDED


async def test_a_service_that_is_nowhere_fails_the_run_with_its_address(tmp_path: Path, platform: Platform) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = "http://127.0.0.1:{1}".format(*taken.getsockname())
        async with house(tmp_path / "other", platform, services={"services": url}) as made:
            run = await made.analysed(chain())
    assert run.state is RunState.FAILED
    assert f"POST {url}/data-cleaning could not be sent: Connection refused" in errors(platform)[0]


async def test_an_analysis_that_ended_while_nobody_listened_is_not_done_again(
    tmp_path: Path, platform: Platform
) -> None:
    away = threading.Event()
    platform.holds["job-3"] = away.is_set
    home = tmp_path / "other"
    artifacts = DirectoryArtifacts(tmp_path / "artifacts")
    async with house(home, platform, artifacts=artifacts) as first:
        answer = await first.post("/analysis", chain(model()))
        await asyncio.to_thread(platform.wait, lambda: ("begin", "job-3") in platform.log)
    away.set()
    platform.happened()
    await asyncio.to_thread(platform.wait, lambda: ("end", "job-3") in platform.log)
    async with house(home, platform, artifacts=artifacts) as second:
        run = await second.conductor.wait(answer.json()["id"])
    assert run.state is RunState.SUCCEEDED, run.error
    assert platform.begun("job-3") == 1
    assert "metis/analysis-a1f/classified-3/_SUCCESS" not in await artifacts.list("metis")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_RETRY", Retry(attempts=2, delay=0))


async def test_a_service_that_is_complete_before_its_output_is_there_is_waited_for(
    tmp_path: Path, platform: Platform
) -> None:
    class Late(DirectoryArtifacts):
        looks = 0

        async def list(self, path: str) -> list[str]:
            self.looks += 1
            return await super().list(path) if self.looks > 2 else []

    artifacts = Late(tmp_path / "artifacts")
    async with house(tmp_path, platform, artifacts=artifacts) as made:
        run = await made.analysed(chain())
    assert run.state is RunState.SUCCEEDED
    assert (artifacts.looks, platform.begun("job-2")) == (3, 1)


@pytest.mark.parametrize(("given", "path"), [("analysis", "analysis-a1f/cleaned-2"), ("ingestion", "datasets/ships")])
async def test_output_that_comes_no_more_fails_the_job_after_it_was_done_again(
    tmp_path: Path, platform: Platform, impatient: None, given: str, path: str
) -> None:
    def document() -> dict[str, Any]:
        return chain() if given == "analysis" else ingestion()

    name = "job-2" if given == "analysis" else "i77"
    async with house(tmp_path, platform, output_seconds=0.1) as made:
        run = await made.ended(await made.post(f"/{given}", document()))
        assert run.state is RunState.SUCCEEDED, "the service has been seen to write"
        begun = platform.begun(name)
        platform.write = lambda _path, _content: None
        shutil.rmtree(tmp_path / "artifacts" / "metis" / path)
        run = await made.ended(await made.post(f"/{given}", document()))
    assert run.state is RunState.FAILED
    assert run.error
    assert f"is complete, and 0.1 s later there is nothing in metis/{path}/" in run.error.reason
    assert platform.begun(name) == begun + 2


async def test_a_service_that_never_wrote_is_waited_for_once(tmp_path: Path, platform: Platform) -> None:
    platform.write = lambda _path, _content: None
    async with house(tmp_path, platform, output_seconds=0.1) as made:
        for _ in range(2):
            assert (await made.analysed(chain(model()))).state is RunState.SUCCEEDED
        said = [line for _, _, line in made.lines if "not waiting for what it writes any more" in line]
    assert len(said) == 2, "the cleaning service and the analytics component"


async def test_a_program_of_the_analytics_component_is_no_other(tmp_path: Path, platform: Platform) -> None:
    """One that writes says nothing of one that writes elsewhere."""
    write = platform.write

    def only_classified(path: str, content: bytes) -> None:
        if "clustered" not in path:
            write(path, content)

    platform.write = only_classified
    async with house(tmp_path, platform, output_seconds=0.1) as made:
        assert (await made.analysed(chain(model()))).state is RunState.SUCCEEDED
        run = await made.analysed(chain(model("clustering")))
        assert run.state is RunState.SUCCEEDED, run.error
        [said] = [line for _, _, line in made.lines if "not waiting for what it writes any more" in line]
    assert said.startswith("the clustering of analytics is complete")
    assert platform.begun("job-3") == 2


async def test_where_services_write_elsewhere_output_is_not_looked_for(tmp_path: Path, platform: Platform) -> None:
    platform.write = lambda _path, _content: None
    async with house(tmp_path, platform, output_seconds=0) as made:
        assert (await made.analysed(chain(model()))).state is RunState.SUCCEEDED


async def test_a_store_that_does_not_answer_is_no_output_that_is_missing(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(DirectoryArtifacts):
        hangs = 1

        async def list(self, path: str) -> list[str]:
            if self.hangs:
                self.hangs -= 1
                await asyncio.Event().wait()
            return await super().list(path)

    async with house(tmp_path, platform, artifacts=Hanging(tmp_path / "artifacts"), output_seconds=0.1) as made:
        run = await made.analysed(chain())
        assert any("the artifact store does not answer in time" in line for _, _, line in made.lines)
    assert (run.state, platform.begun("job-2")) == (RunState.SUCCEEDED, 1)


def failing_beside_a_branch() -> dict[str, Any]:
    """The first of two branches fails; the second has three jobs."""
    branch = [job(11, "dataset", 0, [12]), *(job(n, "cleaning", n - 1, [n + 1]) for n in (12, 13, 14))]
    book = chain()
    book["jobs"] += [*branch, job(15, "data-sink", 14)]
    return book


async def test_an_error_is_told_when_it_happens_and_only_once(at_home: House, platform: Platform) -> None:
    platform.errors["job-2"] = "no rows are left"
    platform.holds["job-13"] = lambda: bool(errors(platform))
    await at_home.analysed(failing_beside_a_branch())
    texts = [one[one["message"]].partition(" for the analysis")[0] for one in platform.told]
    assert texts.count("no rows are left") == 1
    assert texts.index("no rows are left") <= 1  # at the time of the other branch's first job
    assert texts[2:] == [
        *["Cleaning executed"] * 2,
        "Data Sink Executed",
        "Analysis with the given ID terminated with error: a1f",
    ]


async def test_a_failure_that_is_tried_again_is_told_when_it_is_for_good(
    at_home: House, platform: Platform, impatient: None
) -> None:
    platform.refusals["data-cleaning"] = [500, 503]
    await at_home.analysed(chain())
    told = errors(platform)
    assert "answered 503: not now for the analysis with ID: a1f" in told[0]
    assert told[1:] == ["Analysis with the given ID terminated with error: a1f"]


async def test_an_error_that_was_told_is_not_told_again_after_a_restart(tmp_path: Path, platform: Platform) -> None:
    platform.seconds = 0.5
    platform.errors["job-2"] = "no rows are left"
    home, artifacts = tmp_path / "other", DirectoryArtifacts(tmp_path / "artifacts")
    async with house(home, platform, artifacts=artifacts) as first:
        answer = await first.post("/analysis", failing_beside_a_branch())
        await asyncio.to_thread(platform.wait, lambda: errors(platform))
    async with house(home, platform, artifacts=artifacts) as second:
        await second.conductor.wait(answer.json()["id"])
        assert await second.ours.find("podium", f"diastema messages of {answer.json()['id']}") == []
    assert [text.partition(" for ")[0] for text in errors(platform)] == [
        "no rows are left",
        "Analysis with the given ID terminated with error: a1f",
    ]


async def test_records_that_are_away_keep_no_job_waiting_and_are_filled_in(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(SqlDocuments):
        away = True

        async def put(self, database: str, collection: str, key: Key, document: Mapping[str, Any]) -> None:
            if self.away and collection.startswith("analysis_"):
                raise Unavailable("the records are away")
            await super().put(database, collection, key, document)

    records = Away(f"sqlite:///{tmp_path / 'records.db'}")
    shown = chain(job(3, "classification", 2, [9, 4]))
    shown["jobs"].append(job(4, "visualization", 3, label="plot"))
    async with house(tmp_path, platform, documents=records) as made:
        answer = await made.post("/analysis", shown)
        await asyncio.to_thread(platform.wait, lambda: len(platform.told) == 5)  # all but the end
        assert await records.find("metis", "analysis_a1f") == []
        records.away = False
        assert (await made.ended(answer)).state is RunState.SUCCEEDED
        found = await records.find("metis", "analysis_a1f")
    assert sorted(one.get("minio-path", "-") for one in found) == [
        "-",
        "diastemaviz/job-3",
        "metis/analysis-a1f/classified-3",
        "metis/analysis-a1f/cleaned-2",
    ]
    assert next(one for one in found if one.get("minio-path") == "diastemaviz/job-3")["job-json"] == shown["jobs"][4]
