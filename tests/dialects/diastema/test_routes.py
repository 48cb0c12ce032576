"""The field's routes: what is let in, what is answered, and what is kept to be looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from podium.dialects.diastema import token
from podium.dialects.diastema.token import Token
from podium.errors import NotAllowed, TooManyAttempts
from podium.runs.events import RunState
from tests.dialects.diastema.house import House, house
from tests.dialects.diastema.playbooks import KEY, ingestion, job, playbook
from tests.parts.diastema_services import FEATURES, Platform


def short(**changes: Any) -> dict[str, Any]:
    return playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3]), job(3, "data-sink", 2), **changes)


async def send(at_home: House, path: str, **how: Any) -> httpx.Response:
    async with at_home.http() as client:
        return await client.post(path, **how)


@pytest.mark.parametrize("path", ["/analysis", "/ingestion"])
@pytest.mark.parametrize("token", [None, "wrong", "", 7, "å"])
async def test_without_the_token_nothing_else_is_said(at_home: House, path: str, token: Any) -> None:
    body: dict[str, Any] = {"testing": True} if token is None else {"diastema-token": token, "jobs": "incomplete"}
    answer = await at_home.post(path, body)
    assert answer.status_code == 401
    assert "token" in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
async def test_what_is_no_json_has_no_token(at_home: House, content: bytes) -> None:
    answer = await send(at_home, "/analysis", content=content)
    assert (answer.status_code, answer.json()["where"]) == (401, "diastema-token")


async def test_guessing_the_token_is_slow_and_locks_nobody_out(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token, "PAUSE", 0.05)
    wrong = {"diastema-token": "guess"}
    async with house(tmp_path, platform) as made:
        first = [(await made.post(path, wrong)).status_code for path in ["/analysis", "/ingestion"] * 5]
        assert first == [401] * 10
        for path in ("/analysis", "/ingestion", "/analysis/validate"):
            answer = await made.post(path, {**short(), **wrong})
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        many = await asyncio.gather(*(made.post("/analysis", wrong) for _ in range(token.MOST_WAITING + 5)))
        assert {answer.status_code for answer in many} == {429}
        assert await made.analysed(short())  # the right one, from the same address


async def test_only_so_many_guesses_wait() -> None:
    guarded = Token(SecretStr(KEY), pause=3600)
    for _ in range(10):
        with pytest.raises(NotAllowed):
            await guarded.check({"diastema-token": "guess"}, "a")
    waiting = [asyncio.create_task(guarded.check({"diastema-token": KEY}, "a")) for _ in range(token.MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyAttempts):
        await guarded.check({"diastema-token": KEY}, "a")
    await guarded.check({"diastema-token": KEY}, "another")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("key", [None, ""])
async def test_an_unset_key_refuses_all(tmp_path: Path, key: str | None, platform: Platform) -> None:
    async with house(tmp_path / "other", platform, key=key) as made:
        for token in ("", KEY, None):
            answer = await made.post("/analysis", short(**{"diastema-token": token}))
            assert (answer.status_code, "no key is set" in answer.json()["detail"]) == (401, True)


async def test_a_playbook_that_cannot_be_run_is_refused_with_its_faults(at_home: House) -> None:
    answer = await at_home.post("/analysis", {"diastema-token": KEY, "database-id": "metis"})
    assert answer.status_code == 422
    assert [one["where"] for one in answer.json()["errors"]] == ["analysis-id", "jobs", "metadata"]


async def test_the_same_idempotency_key_gives_the_same_run(at_home: House) -> None:
    answers = [await at_home.post("/analysis", short(), **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    assert len({one.json()["id"] for one in answers}) == 1
    assert answers[0].headers["location"] == f"/analysis/{answers[0].json()['id']}"
    other = await at_home.post("/analysis", short(metadata={}), **{"Idempotency-Key": "k"})
    assert other.status_code == 409
    await at_home.ended(answers[0])


async def test_the_analysis_id_is_no_idempotency_key(at_home: House) -> None:
    first, second = [await at_home.post("/analysis", short()) for _ in range(2)]
    assert first.json()["id"] != second.json()["id"]
    for answer in (first, second):
        assert (await at_home.ended(answer)).state is RunState.SUCCEEDED
    status = await at_home.get("/analysis/A1F")
    assert status["id"] == second.json()["id"]


async def test_the_status_needs_the_guard_and_knows_runs_and_analyses(at_home: House) -> None:
    answer = await at_home.post("/analysis", short())
    run = await at_home.ended(answer)
    async with at_home.http() as client:
        for path in ("/analysis/a1f", f"/analysis/{run.id}", "/diastema/documents/UIDB/pipelines"):
            assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
        assert (await client.get("/analysis/nobody")).status_code == 404
        assert (await client.get(f"/ingestion/{run.id}")).status_code == 404
    for name in ("a1f", run.id):
        status = await at_home.get(f"/analysis/{name}")
        assert (status["id"], status["state"], status["database-id"]) == (run.id, "succeeded", "metis")
        assert status["progress"]["jobs"]["2"]["state"] == "succeeded"
        assert status["progress"]["counts"]["succeeded"] == 3


async def test_the_records_can_be_read(at_home: House) -> None:
    await at_home.analysed(short())
    found = await at_home.get("/diastema/documents/metis/analysis_a1f?directory-kind=cleaned-data")
    assert [one["minio-path"] for one in found] == ["metis/analysis-a1f/cleaned-2"]
    [pipeline] = await at_home.get("/diastema/documents/UIDB/pipelines?analysisid=A1F&limit=1")
    assert pipeline["status"] == "completed"
    assert await at_home.get("/diastema/documents/UIDB/pipelines?analysisid=other") == []


@pytest.mark.parametrize("path", ["admin/system.users", "UIDB/pipelines?$where=sleep(9)", "metis/a?b.$gt=1"])
async def test_nothing_else_is_read_there(at_home: House, path: str) -> None:
    async with at_home.http() as client:
        assert (await client.get(f"/diastema/documents/{path}")).status_code == 422


async def test_an_ingestions_id_is_a_part_of_a_path_whatever_it_is(at_home: House, platform: Platform) -> None:
    run = await at_home.ended(await at_home.post("/ingestion", {**ingestion(), "ingestion-id": "a?b=1&c"}))
    assert run.state is RunState.SUCCEEDED, run.error
    assert platform.bodies("data-ingesting")[0]["job-id"] == "a?b=1&c"


async def test_an_ingestion_becomes_a_dataset_that_is_known(at_home: House, platform: Platform) -> None:
    answer = await at_home.post("/ingestion", ingestion())
    run = await at_home.ended(answer)
    assert run.state is RunState.SUCCEEDED, run.error
    assert platform.bodies("data-ingesting") == [
        {"minio-output": "metis/datasets/ships", "job-id": "i77", "ingestion_json": ingestion()["ingestion_json"]}
    ]
    assert platform.looked[-1] == "data-ingesting/i77"
    assert await at_home.documents.find("UIDB", "datasets") == [
        {"organization": "Metis", "user": "Anna", "label": "Ships", "features": FEATURES}
    ]
    assert (await at_home.get(f"/ingestion/{run.id}"))["state"] == "succeeded"
    unknown = await at_home.post("/analysis/validate", playbook(*with_column("nowhere")))
    assert (unknown.status_code, unknown.json()["reasons"][0]["where"]) == (409, "jobs[2] (step 3).column")
    known = await at_home.post("/analysis/validate", playbook(*with_column("Length")))
    assert (known.status_code, known.json()) == (200, {"valid": True, "reasons": []})


def with_column(column: str) -> list[dict[str, Any]]:
    ends = [job(3, "regression", 2, [4], column=column), job(4, "data-sink", 3)]
    return [job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3]), *ends]


async def test_a_secret_of_an_ingestion_reaches_the_service_and_nobody_else(
    at_home: House, platform: Platform, tmp_path: Path
) -> None:
    given = ingestion()
    given["ingestion_json"]["query_params"] = {"api_key": "hunter2hunter2"}
    await at_home.ended(await at_home.post("/ingestion", given))
    assert platform.bodies("data-ingesting")[0]["ingestion_json"]["query_params"] == {"api_key": "hunter2hunter2"}
    assert b"hunter2hunter2" not in all_of_journal(tmp_path)


def all_of_journal(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.glob("journal.db*"))


@pytest.mark.parametrize("answered", [(200, "line1\nline2"), (400, "no such file")])
async def test_a_trial_is_answered_at_once_with_what_the_service_says(
    at_home: House, platform: Platform, answered: tuple[int, str]
) -> None:
    platform.trial = answered
    answer = await at_home.post("/ingestion", ingestion(testing=True))
    assert (answer.status_code, answer.text) == answered
    assert platform.asked == [("data-ingesting/test", ingestion()["ingestion_json"])]


async def test_a_trial_without_a_service_is_unavailable(tmp_path: Path) -> None:
    nowhere = {"services": "http://127.0.0.1:1"}
    async with house(tmp_path, None, services=nowhere) as made:
        assert (await made.post("/ingestion", ingestion(testing=True))).status_code == 503


async def test_validating_goes_by_the_platforms_status_codes(at_home: House) -> None:
    async def status(body: Any) -> tuple[int, list[str]]:
        answer = await at_home.post("/analysis/validate", body)
        return answer.status_code, [one["where"] for one in answer.json()["reasons"]]

    incomplete = {key: value for key, value in short().items() if key != "metadata"} | {"diastema-token": "wrong"}
    assert await status(incomplete) == (409, ["metadata"])
    assert await status(short(**{"diastema-token": "wrong"})) == (409, ["diastema-token"])
    assert await status(playbook(job(1, "x"))) == (409, ["jobs[0] (step 1).title"])
    assert await status(short()) == (425, ["jobs[0] (step 1).label"])  # nothing is known of the dataset
    answer = await send(at_home, "/analysis/validate", content=b"{")
    assert (answer.status_code, answer.json()["valid"]) == (409, False)


async def test_what_the_validator_would_not_have_is_run_with_a_warning(at_home: House) -> None:
    uncleaned = playbook(job(1, "dataset", 0, [2]), job(2, "clustering", 1))
    answer = await at_home.post("/analysis", uncleaned)
    assert (await at_home.ended(answer)).state is RunState.SUCCEEDED
    told = [f"{one['where']}: {one['what']}" for one in answer.json()["warnings"]]
    assert told[:2] == [
        "jobs[1] (step 2).title: a clustering cannot be an end",
        "jobs[1] (step 2).from: a clustering wants cleaned input, and step 1 gives none",
    ]


async def test_a_playbook_without_services_is_refused_when_it_comes(tmp_path: Path) -> None:
    async with house(tmp_path, None, services={}) as made:
        answer = await made.post("/analysis", short())
    assert answer.status_code == 422
    assert "PODIUM_DIASTEMA_SERVICES" in answer.text


async def test_the_routes_are_described(at_home: House) -> None:
    paths = at_home.app.openapi()["paths"]
    assert {"/analysis", "/analysis/validate", "/analysis/{run}", "/ingestion", "/ingestion/{run}"} < set(paths)
