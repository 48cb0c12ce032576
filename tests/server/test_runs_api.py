"""The runs API: submit, list, look, cancel, results; and what its problems look like."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

import httpx
import pytest

from podium.cli.client import Client
from podium.errors import Gone
from podium.stores.series import Point
from tests.server.house import House, housed


async def submitted(http: httpx.AsyncClient, text: str, **more: str) -> httpx.Response:
    return await http.post("/api/v1/runs", content=text, **more)


async def test_a_document_becomes_a_run(house: House, http: httpx.AsyncClient) -> None:
    answer = await submitted(http, "count 3 abc")
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/v1/runs/abc"
    assert (answer.json()["id"], answer.json()["kind"]) == ("abc", "test.counting")
    await house.conductor.wait("abc")
    run = (await http.get("/api/v1/runs/abc")).json()
    assert run["state"] == "succeeded"
    assert run["submitted"] <= run["started"] <= run["ended"]


async def test_the_same_idempotency_key_gives_the_same_run(house: House, http: httpx.AsyncClient) -> None:
    first = await http.post("/api/v1/runs", content="count 1 first", headers={"Idempotency-Key": "k"})
    again = await http.post("/api/v1/runs", content="count 1 again", headers={"Idempotency-Key": "k"})
    assert first.json()["id"] == again.json()["id"] == "first"
    assert (await http.get("/api/v1/runs/again")).status_code == 404


async def test_the_same_idempotency_key_with_another_document_is_a_conflict(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    await http.post("/api/v1/runs", content="count 1 first", headers=headers)
    answer = await http.post("/api/v1/runs", content="count 2 first", headers=headers)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "this key came with another document before, for run 'first'"
    assert "another key" in answer.json()["hint"]
    assert [run["id"] for run in (await http.get("/api/v1/runs")).json()["runs"]] == ["first"]


async def test_one_submission_many_times_at_once_is_one_run(house: House, http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(
        *(http.post("/api/v1/runs", content=f"count 1 r{number}", headers=headers) for number in range(20))
    )
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await http.get("/api/v1/runs")).json()["runs"]) == 1


async def test_a_podium_that_is_about_to_end_says_so(house: House, http: httpx.AsyncClient) -> None:
    await house.conductor.retire()
    answer = await submitted(http, "count 1 abc")
    assert (answer.status_code, answer.json()["ending"]) == (503, True)
    with pytest.raises(Gone, match="Podium is stopping"):
        await Client(http).post("/api/v1/runs", content=b"count 1 abc")


async def test_validation_runs_nothing(house: House, http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/validate", content="count 3 abc")
    assert answer.json() == {"valid": True, "kind": "test.counting", "name": "abc"}
    assert (await http.get("/api/v1/runs")).json()["runs"] == []


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/validate"])
async def test_what_no_dialect_knows_is_refused_with_what_there_is(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, content="{}", params={"filename": "a.json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["title"] == "Unprocessable Entity"
    assert problem["status"] == 422
    assert problem["where"] == "a.json"
    assert "counting" in problem["hint"]


async def test_an_unknown_document_hears_what_it_lacks(http: httpx.AsyncClient) -> None:
    problem = (await submitted(http, '{"count": 1, "untill": 3}')).json()
    assert problem["detail"] == "this is no document Podium knows; the nearest are those of counting"
    assert problem["errors"] == [
        {"where": "untill", "what": "there is no such key", "hint": "Did you mean until?"},
        {"where": "whom", "what": "is missing"},
    ]
    problem = (await submitted(http, '{"count": 1,\n"until" 3}')).json()
    assert (problem["where"], problem["detail"]) == (
        "line 2, column 9",
        "the document is not JSON: expecting ':' delimiter",
    )


async def test_a_refused_document_says_where_and_what_to_do(http: httpx.AsyncClient) -> None:
    problem = (await submitted(http, "count many abc")).json()
    assert problem == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "this is no number",
        "where": "count",
        "hint": "Say how far to count",
    }


async def test_only_the_owner_of_this_machine_may_name_a_file_to_look_beside(
    house: House, http: httpx.AsyncClient
) -> None:
    await http.post("/api/v1/validate", content="count 1 a", params={"filename": "/etc/passwd"})
    async with house.owner() as owner:
        await owner.post("/api/v1/validate", content="count 1 a", params={"filename": "/home/me/a"})
    assert house.dialect.filenames == ["", "/home/me/a"]


async def test_runs_are_listed_in_pages_newest_first(house: House, http: httpx.AsyncClient) -> None:
    for number in range(5):
        await submitted(http, f"count 1 run-{number}")
    first = (await http.get("/api/v1/runs", params={"limit": 2})).json()
    second = (await http.get("/api/v1/runs", params={"limit": 2, "before": first["next"]})).json()
    third = (await http.get("/api/v1/runs", params={"limit": 2, "before": second["next"]})).json()
    pages = [[run["id"] for run in page["runs"]] for page in (first, second, third)]
    assert pages == [["run-4", "run-3"], ["run-2", "run-1"], ["run-0"]]
    assert third["next"] is None


async def test_runs_are_found_by_state_kind_and_words(tmp_path: Path) -> None:
    async with housed(tmp_path, never=frozenset({"count:1"})) as house, await house.known() as http:
        await submitted(http, "count 1 short")
        await submitted(http, "count 2 long")
        await house.conductor.wait("short")

        async def found(**query: str) -> list[str]:
            return [run["id"] for run in (await http.get("/api/v1/runs", params=query)).json()["runs"]]

        assert await found(state="succeeded") == ["short"]
        assert await found(search="lon") == ["long"]
        assert await found(search="%") == []
        assert await found(kind="test.counting") == ["long", "short"]
        assert await found(kind="none") == []


async def test_cancelling_ends_a_run(tmp_path: Path) -> None:
    async with housed(tmp_path, never=frozenset({"count:0"})) as house, await house.known() as http:
        await submitted(http, "count 1 stuck")
        assert (await http.post("/api/v1/runs/stuck/cancel")).status_code == 202
        await house.conductor.wait("stuck")
        run = (await http.get("/api/v1/runs/stuck")).json()
        assert run["state"] == "cancelled"
        assert run["error"] == {"reason": "cancelled by the user"}
        assert (await http.post("/api/v1/runs/stuck/cancel")).status_code == 202  # twice does no harm


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/runs/none"),
        ("POST", "/api/v1/runs/none/cancel"),
        ("GET", "/api/v1/runs/none/events"),
        ("GET", "/api/v1/runs/none/logs"),
        ("GET", "/api/v1/runs/none/results"),
        ("GET", "/api/v1/runs/none/results?format=csv"),
        ("GET", "/api/v1/runs/none/plot.png"),
        ("GET", "/api/v1/runs/..%2F..%2Fjournal.db"),
        ("GET", "/api/v1/runs/..%2F..%2F/logs"),
        ("GET", "/api/v1/runs/%00/logs"),
        ("GET", "/static/..%2Fauth.py"),
        ("GET", "/static/%2e%2e/auth.py"),
        ("GET", "/nowhere"),
        ("GET", "/api/v1/models/none"),
    ],
)
async def test_what_is_not_there_is_404(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/api/v1/runs?limit=0", "query.limit"),
        ("/api/v1/runs?limit=many", "query.limit"),
        ("/api/v1/runs?state=lost", "query.state"),
        ("/api/v1/events?after=-1", "query.after"),
    ],
)
async def test_a_call_that_makes_no_sense_is_a_problem_too(http: httpx.AsyncClient, path: str, where: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["where"] for fault in answer.json()["errors"]] == [where]


async def test_a_method_that_is_not_allowed_says_which_is(http: httpx.AsyncClient) -> None:
    answer = await http.put("/api/v1/runs")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_too_large_is_refused_whether_or_not_it_tells_its_size(house: House) -> None:
    async def in_chunks() -> object:
        for _ in range(30):
            yield b"x" * 2**20

    for content in (b"x" * (25 * 2**20 + 1), in_chunks()):
        async with await house.known() as http:
            answer = await http.post("/api/v1/runs", content=content)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/v1/session", "/api/v1/models"])
async def test_what_is_parsed_at_once_may_not_be_large(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, content=b'{"word": [' + b"{}," * 2**19)
    assert answer.status_code == 413


async def test_a_document_may_not_be_as_large_as_a_body(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/runs", content=b"count 1 " + b"x" * 12 * 2**20)
    assert (answer.status_code, answer.json()["detail"]) == (422, "the document is larger than 12 MB")


async def test_logs_of_models_all_or_the_last_lines(house: House, http: httpx.AsyncClient) -> None:
    await submitted(http, "count 1 a")
    assert len((await http.get("/api/v1/runs/a/logs")).json()["model-1"].splitlines()) == 5
    assert (await http.get("/api/v1/runs/a/logs", params={"tail": 1})).json() == {"model-1": "a says 4\n"}


async def points(house: House, run: str) -> None:
    tags = {"simulation_id": run, "model_id": "pv-1", "esdl_id": "roof", "esdl_name": "Roof"}
    times = (1674604800.0, 1674608400.0, 1674612000.0)
    await house.series.write([Point("pv", tags, {"power": float(n)}, time) for n, time in enumerate(times)])


async def test_results_as_summary_and_rows(house: House, http: httpx.AsyncClient) -> None:
    await submitted(http, "count 1 a")
    await points(house, "a")
    found = (await http.get("/api/v1/runs/a/results", params={"limit": 2})).json()
    (line,) = found["summary"]
    assert (line["measurement"], line["field"], line["count"], line["mean"]) == ("pv", "power", 3, 1.0)
    assert line["first_time"] == "2023-01-25T00:00:00Z"
    assert [row["value"] for row in found["rows"]] == [0.0, 1.0]
    assert found["rows"][0]["object"] == "roof"
    assert (await http.get("/api/v1/runs/a/results", params={"limit": 0})).json()["rows"] == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_results_as_files(house: House, http: httpx.AsyncClient, form: str) -> None:
    await submitted(http, "count 1 a")
    assert (await http.get("/api/v1/runs/a/results", params={"format": form})).status_code == 404  # none yet
    await points(house, "a")
    answer = await http.get("/api/v1/runs/a/results", params={"format": form})
    assert answer.headers["content-disposition"] == 'attachment; filename="a.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert [name.rpartition(".")[2] for name in archive.namelist()] == [form]


async def test_results_as_a_picture(house: House, http: httpx.AsyncClient) -> None:
    await submitted(http, "count 1 a")
    assert (await http.get("/api/v1/runs/a/plot.png")).status_code == 404
    await points(house, "a")
    answer = await http.get("/api/v1/runs/a/plot.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


async def test_models_are_registered_for_good(http: httpx.AsyncClient) -> None:
    given = {"image": "pv:1", "parameters": {"tilt": 30}}
    added = await http.post("/api/v1/models", json=given)
    assert (added.status_code, added.json()["identifier"]) == (201, "pv:1")
    assert (await http.post("/api/v1/models", json={**given, "parameters": {}})).status_code == 409
    assert (await http.post("/api/v1/models", json={"imag": "pv:1"})).status_code == 422
    assert (await http.get("/api/v1/models/pv")).json()["parameters"] == {"tilt": 30}
    assert (await http.post("/api/v1/models/pv:1/deprecate")).json()["deprecated"] is True
    assert (await http.get("/api/v1/models/pv")).status_code == 404
    assert [model["image"] for model in (await http.get("/api/v1/models")).json()["models"]] == ["pv:1"]
