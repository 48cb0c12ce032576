"""Analyses on the whole of Podium when something breaks: Podium itself, the stores; and what races."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from podium.stores.artifacts import open_artifacts
from podium.stores.documents_mongo import MongoDocuments
from tests.dialects.diastema.house import into
from tests.dialects.diastema.playbooks import KEY, job, playbook
from tests.e2e.harness import Server, serving
from tests.parts import mongo, seaweedfs
from tests.parts.diastema_services import Platform, into_s3, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HTTP_JOBS = ("job-3", "job-4", "job-5", "job-6", "job-9")
FOLDERS = [
    *("classified-7", "cleaned-3", "cleaned-4", "cleaned-9", "clustered-13", "function-6", "joined-5", "regressed-12"),
]


def surroundings(platform: Platform, **more: str) -> dict[str, str]:
    return {
        "PODIUM_DIASTEMA_KEY": KEY,
        "PODIUM_DIASTEMA_SERVICES": platform.url,
        "PODIUM_DIASTEMA_ANALYTICS": platform.analytics_url,
        "PODIUM_DIASTEMA_FRONTEND": platform.url,
        **more,
    }


@asynccontextmanager
async def at_work(directory: Path, **env: str) -> AsyncIterator[tuple[Server, Platform]]:
    with running(into(directory / "data" / "artifacts")) as platform:
        async with serving(directory, None, **surroundings(platform, **env)) as podium:
            yield podium, platform


async def submitted(podium: Server, book: Mapping[str, Any], **headers: str) -> str:
    answer = await podium.http.post("/analysis", json=book, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def happens(platform: Platform, what: Callable[[], Any]) -> None:
    await asyncio.to_thread(platform.wait, what)


async def records(podium: Server, analysis: str = "a1f") -> list[dict[str, Any]]:
    answer = await podium.http.get(f"/diastema/documents/metis/analysis_{analysis}")
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def status(podium: Server, analysis: str = "A1F") -> str:
    answer = await podium.http.get("/diastema/documents/UIDB/pipelines", params={"analysisid": analysis})
    [row] = answer.json()
    return str(row["status"])


def texts(platform: Platform, message: str) -> list[str]:
    return [one[message].partition(" for the analysis")[0] for one in platform.told if one["message"] == message]


def short(**more: Any) -> dict[str, Any]:
    ends = [job(3, "classification", 2, [4, 5], params={"depth": 1}), job(4, "data-sink", 3)]
    steps = [job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3]), *ends, job(5, "visualization", 3, label="plot")]
    return playbook(*steps, **more)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_podium_ends_in_the_middle_of_a_playbook_and_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    async with at_work(tmp_path) as (podium, platform):
        platform.seconds = 2.0
        run = await submitted(podium, playbook())
        await happens(platform, lambda: {"join/progress", "function/progress"} <= set(platform.looked))
        podium.signal(number)
        assert await podium.ending() == (0 if number is signal.SIGTERM else -number)
        await podium.start()
        ended = await podium.ended(run)
        assert ended["state"] == "succeeded", ended
        assert {name: platform.begun(name) for name in HTTP_JOBS} == dict.fromkeys(HTTP_JOBS, 1)
        assert ended["progress"]["counts"]["succeeded"] == 16
        assert {job["attempt"] for job in ended["progress"]["jobs"].values()} == {1}
        found = [one for one in await records(podium) if one.get("directory-kind") != "visualization"]
        assert sorted(one["minio-path"].rpartition("/")[2] for one in found if "minio-path" in one) == FOLDERS
        assert [one["metadata"] for one in found if "metadata" in one] == [{"any": ["JSON", 1]}]
        assert await status(podium) == "completed"
        told = texts(platform, "update")
        assert told[-1] == "Analysis completed with ID: a1f"
        assert len(told) == 8 + 5 + 1  # what has a record, what ends a branch, the end
        assert texts(platform, "error") == []


async def test_an_error_is_not_told_twice_by_a_podium_that_was_killed_when_it_had_told_it(tmp_path: Path) -> None:
    async with at_work(tmp_path, PODIUM_FAILPOINTS="conductor.before_confirm=kill@2") as (podium, platform):
        platform.errors["job-2"] = "no rows are left"
        run = await submitted(podium, short())  # the dataset is confirmed first, then the cleaning
        assert await podium.ending() == -signal.SIGKILL
        assert texts(platform, "error") == ["no rows are left"]
        podium.env["PODIUM_FAILPOINTS"] = ""
        await podium.start()
        ended = await podium.ended(run)
        assert ended["error"]["reason"] == "job 2 failed: no rows are left"
        assert platform.begun("job-2") == 1
        end = "Analysis with the given ID terminated with error: a1f"
        assert texts(platform, "error") == ["no rows are left", end]


async def test_from_a_job_with_another_parameter_the_rest_is_reused(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (podium, platform):
        first = await submitted(podium, short())
        await podium.ended(first)
        before = await records(podium)
        answer = await podium.http.post(
            f"/api/v1/runs/{first}/restart", json={"from": ["3"], "edit": {"3": {"params": {"depth": 7}}}}
        )
        assert answer.status_code == 201, answer.text
        ended = await podium.ended(answer.json()["id"])
        assert (ended["state"], ended["progress"]["counts"]["reused"]) == ("succeeded", 2)
        assert (platform.begun("job-2"), platform.begun("job-3")) == (1, 2)
        assert [message["params"] for message in platform.bodies("analytics")] == [{"depth": 1}, {"depth": 7}]
        after = await records(podium)
        paths = [sorted(one.get("minio-path", "-") for one in found) for found in (before, after)]
        assert paths[0] == paths[1]
        assert len(after) == 4
        params = {one["job-json"]["step"]: one["job-json"].get("params") for one in after if "job-json" in one}
        assert params == {2: None, 3: {"depth": 7}, 5: None}
        toolkit = (await podium.http.get("/diastema/documents/Diastema/datatoolkit")).json()
        assert toolkit == [{"depth": 7, "job-id": "job-3"}]


async def test_edits_that_make_no_playbook_are_refused_before_anything_is_stored(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (podium, _):
        run = await submitted(podium, short())
        await podium.ended(run)
        for edit, where in [
            ({"3": {"title": "nonsense"}}, "jobs[2] (step 3).title"),
            ({"3": {"parms": {}}}, "jobs[2] (step 3).parms"),
            ({"5": {"label": ".."}}, "jobs[4] (step 5).label"),
            ({"9": {"label": "x"}}, "edit"),
        ]:
            answer = await podium.http.post(f"/api/v1/runs/{run}/restart", json={"edit": edit})
            assert (answer.status_code, answer.json()["where"]) == (422, where)
        assert len((await podium.http.get("/api/v1/runs")).json()["runs"]) == 1


async def test_a_restart_is_asked_for_with_any_body_that_says_how_or_with_none(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (podium, platform):
        platform.errors["job-3"] = "out of memory"
        platform.answers["job-3"] = "Error: out of memory"
        run = await submitted(podium, short())
        await podium.ended(run)
        platform.answers.clear()

        async def again(content: bytes, **headers: str) -> Any:
            return await podium.http.post(f"/api/v1/runs/{run}/restart", content=content, headers=headers)

        plain = await again(b"")
        assert plain.status_code == 201, plain.text
        ended = await podium.ended(plain.json()["id"])
        assert (ended["state"], ended["progress"]["counts"]["reused"]) == ("succeeded", 2)
        form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl says of all that it sends
        for headers in ({}, form):
            told = await again(b'{"from": ["5"]}', **headers)
            assert told.status_code == 201, told.text
            assert (await podium.ended(told.json()["id"]))["restarted"]["start"] == ["5"]
        for content, said in [
            (b"from=5", "the document is not JSON"),
            (b"[]", "the document is not a JSON object"),
            (b'{"form": []}', "there is no such key"),
            (b'{"from": [5]}', "must be text"),
        ]:
            refused = await again(content)
            assert refused.status_code == 422
            assert said in refused.json()["detail"]


async def test_runs_of_one_analysis_wait_for_each_other_also_when_one_is_made_again(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (podium, platform):
        first = await submitted(podium, short())
        await podium.ended(first)
        platform.seconds = 1.0
        second = await submitted(podium, short())
        again = await podium.http.post(f"/api/v1/runs/{first}/restart", json={"from": ["2"]})
        third = await podium.ended(again.json()["id"])
        assert (await podium.run(second))["ended"] <= third["started"]


@pytest.mark.parametrize("when", range(5))
async def test_a_cancel_that_races_the_end_leads_to_one_of_both(tmp_path: Path, when: int) -> None:
    """Told when the front end has heard of so many jobs; it hears of four, and then of the end."""
    async with at_work(tmp_path) as (podium, platform):
        run = await submitted(podium, short())
        await happens(platform, lambda: len(texts(platform, "update")) >= when + 1)
        await podium.http.post(f"/api/v1/runs/{run}/cancel")
        ended = await podium.ended(run)
        if ended["state"] == "cancelled":
            terminated = "Analysis with the given ID terminated with error: a1f"
            await happens(platform, lambda: terminated in texts(platform, "error"))
            assert await status(podium) == "cancelled"
        else:
            assert (ended["state"], await status(podium)) == ("succeeded", "completed")
            assert texts(platform, "error") == []


async def test_one_key_gives_one_run_however_often_and_at_once_it_comes(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (podium, platform):
        headers = {"Idempotency-Key": "once"}
        runs = await asyncio.gather(*(submitted(podium, short(), **headers) for _ in range(12)))
        runs.append(await submitted(podium, short(), **headers))
        await podium.ended(runs[0])
        runs.append(await submitted(podium, short(), **headers))
        assert set(runs) == {runs[0]}
        assert len((await podium.http.get("/api/v1/runs")).json()["runs"]) == 1
        assert platform.begun("job-2") == 1


@pytest.mark.parametrize("away", ["s3", "mongo"])
async def test_a_store_that_is_away_in_mid_run_is_filled_in_later(tmp_path: Path, away: str) -> None:
    for part in ("s3", "mongo"):
        (tmp_path / part).mkdir()
    with seaweedfs.running(tmp_path / "s3") as s3, mongo.running(tmp_path / "mongo") as documents:
        with running(into_s3(s3.url, s3.user, s3.password)) as platform:
            platform.seconds = 1.0
            away_now = threading.Event()
            platform.holds["job-2"] = away_now.is_set  # who writes into a store that is away answers late
            stores = {"PODIUM_ARTIFACTS": s3.location.full, "PODIUM_DIASTEMA_MONGO": documents.url}
            async with serving(tmp_path, None, **surroundings(platform, **stores)) as podium:
                run = await submitted(podium, short())
                await happens(platform, lambda: "data-cleaning/progress" in platform.looked)
                if away == "s3":
                    await asyncio.to_thread(s3.stop)
                    looked = len(platform.looked)
                    await happens(platform, lambda: len(platform.looked) > looked + 5)
                    away_now.set()
                    await asyncio.to_thread(s3.start)
                else:
                    await asyncio.to_thread(documents.stop)
                    away_now.set()
                    await happens(platform, lambda: "Cleaning executed" in texts(platform, "update"))
                    await asyncio.to_thread(documents.start)
                ended = await podium.ended(run)
                assert ended["state"] == "succeeded", (ended, podium.log()[-3000:])
                assert platform.begun("job-2") == 1
                assert texts(platform, "error") == []
        field, artifacts = MongoDocuments(documents.url, documents.url), open_artifacts(s3.location)
        paths = ["metis/analysis-a1f/classified-3", "metis/analysis-a1f/cleaned-2"]
        assert await artifacts.list("metis") == [f"{path}/part-0.csv" for path in paths]
        found = await field.find("metis", "analysis_a1f")
        assert sorted(one.get("minio-path", "-") for one in found) == ["-", "diastemaviz/job-3", *paths]
        [row] = await field.find("UIDB", "pipelines")
        assert (row["status"], row["visualization"]) == ("completed", {"plot": ["diastemaviz/job-3/plot.html"]})
        await field.close()
        await artifacts.close()
