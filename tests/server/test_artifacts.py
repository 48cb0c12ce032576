"""What jobs have left in the artifact store, as it is listed and handed out."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import httpx
import pytest

from podium.dialects.port import Kept, Kind
from podium.runs.events import Event, Json, Run, Submission
from podium.server.flows import LARGEST_PAGE_OF_RESULTS, PAGE_BYTES
from podium.server.story import Stories
from podium.stores.artifacts_directory import DirectoryArtifacts
from tests.runs.counting import CountingMachine
from tests.server.house import House

FILES = {"metis/analysis-a/cleaned-2/part-0.csv": b"a,b\n", "metis/analysis-a/cleaned-2/model.json": b"{}"}


@pytest.fixture
async def analysis(house: House, tmp_path: Path) -> str:
    """A run of two jobs, of which one has left files."""
    house.dialect.kinds = {**house.dialect.kinds, "test.flow": Kind("test.flow", CountingMachine(), house.performer)}
    house.dialect.kept = lambda result: [Kept("data", result["path"])] if "path" in result else []  # type: ignore[attr-defined]
    jobs = {"1": {"kind": "test.dataset"}, "2": {"kind": "test.cleaning", "after": ["1"]}}
    await house.journal.submit(Submission("a", "test.flow", "a", {"flow": {"jobs": jobs}}))
    done = [
        Event("job.succeeded", {"job": "2", "attempt": 1, "at": 2.0, "result": {"path": "metis/analysis-a/cleaned-2"}}),
        Event("job.succeeded", {"job": "1", "attempt": 1, "at": 1.0, "result": {}}),
    ]
    await house.journal.append("a", [Event("run.started", {"jobs": 2, "at": 0.0}), *done])
    store = DirectoryArtifacts(tmp_path / "artifacts")
    for path, content in {**FILES, "metis/analysis-b/cleaned-2/part-0.csv": b"of another"}.items():
        await store.write(path, content)
    return "a"


async def test_what_jobs_have_left_is_listed_with_its_size(analysis: str, http: httpx.AsyncClient) -> None:
    found = (await http.get(f"/api/v1/runs/{analysis}/artifacts")).json()
    assert found["store"].startswith("file://")
    common = {"job": "2", "kind": "test.cleaning", "what": "data"}
    assert found["artifacts"] == [
        {**common, "path": "metis/analysis-a/cleaned-2/model.json", "size": 2},
        {**common, "path": "metis/analysis-a/cleaned-2/part-0.csv", "size": 4},
    ]


async def test_all_of_it_is_handed_out_as_one_file(analysis: str, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/api/v1/runs/{analysis}/artifacts", params={"format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


async def test_what_is_gone_by_then_is_left_out_of_the_file(
    analysis: str, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = DirectoryArtifacts.sizes

    async def with_one_more(self: DirectoryArtifacts, path: str) -> dict[str, int]:
        return {f"{path}/_SUCCESS": 0} | await sizes(self, path)

    monkeypatch.setattr(DirectoryArtifacts, "sizes", with_one_more)
    answer = await http.get(f"/api/v1/runs/{analysis}/artifacts", params={"format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == sorted(FILES)


@pytest.mark.parametrize("what", ["artifacts?format=zip", "artifacts/metis/analysis-a/cleaned-2/part-0.csv"])
async def test_it_is_sent_while_it_is_read(
    analysis: str, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    arrived = asyncio.Event()

    async def large(self: DirectoryArtifacts, path: str) -> AsyncIterator[bytes]:
        yield os.urandom(1 << 16)
        await arrived.wait()
        yield b"the end"

    monkeypatch.setattr(DirectoryArtifacts, "read", large)
    received = 0
    async with http.stream("GET", f"/api/v1/runs/{analysis}/{what}") as answer:
        async for piece in answer.aiter_bytes():
            received += len(piece)
            arrived.set()
    assert received > 1 << 16


async def test_the_results_of_a_run_are_not_read_for_each_of_its_objects(
    house: House, analysis: str, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    results = Stories.results

    async def counted(self: Stories, run: Run, jobs: Collection[str]) -> dict[str, Json]:
        asked.append(run.id)
        return await results(self, run, jobs)

    monkeypatch.setattr(Stories, "results", counted)
    for path in FILES:
        assert (await http.get(f"/api/v1/runs/{analysis}/artifacts/{path}")).status_code == 200
    assert asked == [analysis]
    done = {"job": "1", "attempt": 1, "at": 3.0, "result": {"path": "metis/analysis-b/cleaned-2"}}
    await house.journal.append(analysis, [Event("job.succeeded", done)])
    new = await http.get(f"/api/v1/runs/{analysis}/artifacts/metis/analysis-b/cleaned-2/part-0.csv")
    assert new.content == b"of another"


async def test_one_is_handed_out_and_never_shown(analysis: str, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/api/v1/runs/{analysis}/artifacts/metis/analysis-a/cleaned-2/part-0.csv")
    assert answer.content == b"a,b\n"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    [
        "metis/analysis-b/cleaned-2/part-0.csv",
        "metis/analysis-a/cleaned-2",
        "metis/analysis-a/cleaned-2/none",
        "metis/analysis-a/cleaned-2/..%2F..%2Fanalysis-b/cleaned-2/part-0.csv",
    ],
)
async def test_what_no_job_of_the_run_has_left_is_not_handed_out(
    analysis: str, http: httpx.AsyncClient, path: str
) -> None:
    assert (await http.get(f"/api/v1/runs/{analysis}/artifacts/{path}")).status_code in (404, 422)


async def test_a_run_without_any_says_so(house: House, http: httpx.AsyncClient) -> None:
    await house.journal.submit(Submission("b", "test.other", "b", {}))
    assert (await http.get("/api/v1/runs/b/artifacts")).json()["artifacts"] == []
    assert (await http.get("/api/v1/runs/b/artifacts?format=zip")).status_code == 404


async def test_jobs_are_told_with_what_they_returned(analysis: str, http: httpx.AsyncClient) -> None:
    found = (await http.get(f"/api/v1/runs/{analysis}/jobs?results=true")).json()["jobs"]
    assert {job["job"]: job["result"] for job in found} == {"1": {}, "2": {"path": "metis/analysis-a/cleaned-2"}}


async def test_a_page_of_results_ends_where_it_would_get_too_large(house: House, http: httpx.AsyncClient) -> None:
    house.dialect.kinds = {**house.dialect.kinds, "test.flow": Kind("test.flow", CountingMachine(), house.performer)}
    count, each = 2 * LARGEST_PAGE_OF_RESULTS, "x" * 100_000
    jobs = {str(number): {"kind": "test.dataset"} for number in range(count)}
    await house.journal.submit(Submission("many", "test.flow", "many", {"flow": {"jobs": jobs}}))
    done = [Event("job.succeeded", {"job": name, "attempt": 1, "at": 1.0, "result": each}) for name in jobs]
    await house.journal.append("many", [Event("run.started", {"jobs": count, "at": 0.0}), *done])
    found: list[str] = []
    offset: int | None = 0
    while offset is not None:
        answer = await http.get(f"/api/v1/runs/many/jobs?results=true&limit=1000&offset={offset}")
        assert len(answer.content) < PAGE_BYTES + 100_000
        found += [job["job"] for job in answer.json()["jobs"]]
        offset = answer.json()["next"]
    assert found == [*jobs]
    large = [{"job": "1", "attempt": 1, "at": 2.0, "result": "x" * 2 * PAGE_BYTES}]
    await house.journal.append("many", [Event("job.succeeded", data) for data in large])
    [one] = (await http.get("/api/v1/runs/many/jobs?results=true&offset=1")).json()["jobs"]
    assert (one["job"], len(one["result"])) == ("1", 2 * PAGE_BYTES)
