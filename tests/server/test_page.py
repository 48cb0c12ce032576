"""The page: what it shows, that nothing in it is taken for markup, and that it works in a browser."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from lxml import html as tree

from podium.errors import Unavailable
from podium.runs.events import Event, Submission
from podium.server.picture import MOST_JOBS
from podium.stores.series import Point
from tests.runs.counting import counting
from tests.server.house import House, housed


@pytest.fixture
async def browser(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with house.stranger(cookies={house.auth.cookie: house.auth.session()}) as client:
        yield client


async def shown(browser: httpx.AsyncClient, path: str, status: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    return " ".join(" ".join(tree.fromstring(answer.text).find("body").itertext()).split())


async def test_strangers_are_asked_to_sign_in(house: House) -> None:
    async with house.stranger() as http:
        for path in ("/", "/runs/a"):
            assert "Sign in" in await shown(http, path, 401)


async def test_without_runs_it_says_how_to_begin(browser: httpx.AsyncClient) -> None:
    assert "podium run DOCUMENT" in await shown(browser, "/")


async def test_runs_are_listed_with_their_state(house: House, browser: httpx.AsyncClient) -> None:
    house.performer.fails = {"count:1": Unavailable("the reactor is cold")}
    for name, count in (("good", 1), ("bad", 2)):
        await house.conductor.submit(counting(name, count))
        await house.conductor.wait(name)
    text = await shown(browser, "/")
    assert "good" in text
    assert "succeeded" in text
    assert "the reactor is cold" in text
    assert "good" not in await shown(browser, "/?search=bad")
    assert "bad" not in await shown(browser, "/?state=succeeded")
    assert "No run is like that" in await shown(browser, "/?search=none")


async def test_of_an_ended_run_the_list_tells_its_steps(house: House, browser: httpx.AsyncClient) -> None:
    await house.journal.submit(counting("a", 1))
    started = Event("run.started", {"models": 2, "steps": 96, "at": 0.0})
    await house.journal.append("a", [started, Event("run.running"), Event("run.succeeded", {"at": 1.0})])
    assert "succeeded 96 steps" in await shown(browser, "/")


async def test_earlier_runs_are_on_further_pages(house: House, browser: httpx.AsyncClient) -> None:
    for number in range(52):
        await house.conductor.submit(counting(f"run-{number:02}", 1))
    first = (await browser.get("/")).text
    assert "run-51" in first
    assert "run-01" not in first
    (link,) = tree.fromstring(first).xpath("//p[@class='pages']/a/@href")
    second = await shown(browser, link)
    assert "run-01" in second
    assert "run-51" not in second


async def test_a_run_is_shown_with_events_logs_and_results(house: House, browser: httpx.AsyncClient) -> None:
    await house.conductor.submit(counting("a", 1))
    await house.conductor.wait("a")
    tags = {"simulation_id": "a", "model_id": "pv-1", "esdl_id": "roof", "esdl_name": "Roof"}
    await house.series.write([Point("pv", tags, {"power": 12345.678}, 1674604800.0)])
    text = await shown(browser, "/runs/a")
    for expected in ("succeeded", "submitted", "running", "a says 4", "pv power 1 1 12346"):
        assert expected in text
    content = (await browser.get("/runs/a")).text
    assert "data-events" not in content  # it has ended: nothing more is to come
    for link in tree.fromstring(content).xpath("//main//a/@href | //main//img/@src"):
        assert (await browser.get(link)).status_code == 200


async def test_a_run_that_goes_on_says_where_its_events_come_from(tmp_path: Path) -> None:
    async with housed(tmp_path, never=frozenset({"count:0"})) as house:
        await house.conductor.submit(counting("a", 1))
        cookies = {house.auth.cookie: house.auth.session()}
        async with house.stranger(cookies=cookies) as browser:
            (source,) = tree.fromstring((await browser.get("/runs/a")).text).xpath("//@data-events")
            assert source.startswith("/api/v1/runs/a/events?after=")
            answer = await browser.post("/runs/a/cancel", headers={"Origin": house.url})
            assert (answer.status_code, answer.headers["location"]) == (303, "/runs/a")
            assert (await house.conductor.wait("a")).state.value == "cancelled"


async def test_a_run_that_is_not_there_is_told_on_a_page(browser: httpx.AsyncClient) -> None:
    assert "there is no run 'none'" in await shown(browser, "/runs/none", 404)


async def test_no_text_of_a_user_is_taken_for_markup(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\"'"
    async with housed(tmp_path, never=frozenset({"count:0"})) as house:
        await house.conductor.submit(counting(evil, 1))
        await house.journal.append(evil, [Event(f"odd.{evil}"), Event("model.lost", {"model": evil, "reason": evil})])
        async with house.stranger(cookies={house.auth.cookie: house.auth.session()}) as browser:
            for path in ("/", f"/?search={quote(evil)}", f"/runs/{quote(evil)}"):
                content = (await browser.get(path)).text
                assert "<img src=x" not in content
                assert html.escape("<img src=x") in content


async def ended_graph(house: House, run: str, jobs: dict[str, dict[str, object]], *events: Event) -> None:
    """As the journal has it when it is over."""
    await house.journal.submit(Submission(run, "test.flow", run, {"flow": {"jobs": jobs}}))
    started = Event("run.started", {"jobs": len(jobs), "at": 0.0})
    failed = Event("run.failed", {"at": 9.0, "error": {"reason": "job 2 failed: no such column"}})
    await house.journal.append(run, [started, *events, failed])


async def test_a_graph_is_drawn_with_what_became_of_it_and_what_can_be_done(
    house: House, browser: httpx.AsyncClient
) -> None:
    jobs: dict[str, dict[str, object]] = {
        "1": {"kind": "test.dataset"},
        "2": {"kind": "test.cleaning", "after": ["1"], "call": {"params": {"depth": 3}}},
        "3": {"kind": "test.joining", "after": ["2"]},
    }
    done = Event("job.succeeded", {"job": "1", "attempt": 1, "at": 1.0, "result": None})
    failed = Event("job.failed", {"job": "2", "attempt": 1, "at": 2.0, "reason": "no such column"})
    skipped = Event("jobs.skipped", {"jobs": ["3"], "because": "2", "at": 2.0})
    await ended_graph(house, "a", jobs, done, failed, skipped)
    text = await shown(browser, "/runs/a")
    page = tree.fromstring((await browser.get("/runs/a")).text)
    boxes = page.xpath("//*[name()='g']")
    assert [box.get("class") for box in boxes] == ["box succeeded", "box failed", "box skipped"]
    words = " ".join("".join(boxes[1].itertext()).split())
    assert words == "2 cleaning: failed, no such column 2 cleaning ✗ failed"
    assert len(page.xpath("//*[name()='path']")) == 2
    for told in (
        "2 cleaning no such column",
        "podium restart a --from 1",
        "podium restart a --edit 2.params.depth=3",
        "without 2 cleaning there is no 3 joining",
        "Jobs skipped 1",
    ):
        assert told in text
    assert page.xpath("//@style") == []  # which our content policy would not let through


async def test_of_a_graph_too_large_to_be_drawn_there_is_a_list(house: House, browser: httpx.AsyncClient) -> None:
    await ended_graph(house, "a", {f"job-{n}": {"kind": "test.cleaning"} for n in range(MOST_JOBS + 1)})
    text = await shown(browser, "/runs/a")
    assert "too large to be drawn" in text
    assert f"job-{MOST_JOBS - 1} " in text
    assert "1 more" in text


async def test_without_scripts_what_goes_on_is_loaded_again(tmp_path: Path) -> None:
    async with housed(tmp_path, never=frozenset({"count:0"})) as house:
        await house.conductor.submit(counting("a", 1))
        async with house.stranger(cookies={house.auth.cookie: house.auth.session()}) as browser:
            assert tree.fromstring((await browser.get("/runs/a")).text).xpath("//noscript/meta/@content") == ["5"]


async def test_no_name_of_a_job_is_taken_for_markup(house: House, browser: httpx.AsyncClient) -> None:
    evil = "<img src=x onerror=alert(1)>\"'"
    failed = Event("job.failed", {"job": evil, "attempt": 1, "at": 2.0, "reason": evil})
    await ended_graph(house, "a", {evil: {"kind": f"test.{evil}", "call": {"body": {evil: evil}}}}, failed)
    content = (await browser.get("/runs/a")).text
    assert "<img src=x" not in content
    assert content.count(html.escape("<img src=x")) > 5


async def test_the_reference_describes_every_route(house: House) -> None:
    async with house.stranger() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        text = await shown(http, "/docs")
        content = (await http.get("/docs")).text
    assert all(path in text for path in paths)
    assert "Idempotency-Key" in text
    assert "//" not in " ".join(tree.fromstring(content).xpath("//@src | //link/@href"))  # nothing from elsewhere
