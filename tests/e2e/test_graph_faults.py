"""Graphs of jobs, and what befalls Podium and the services they call."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from podium.runs.failpoints import VARIABLE
from tests.cli.terminal import Terminal
from tests.e2e.harness import Server, serving
from tests.jobs.parts import Reply, Seen, Service, says
from tests.parts import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SUM = """
import json, os
inputs = json.load(open(os.environ["PODIUM_INPUTS"]))["inputs"]
json.dump(sum(inputs["rows"]["rows"]), open(os.environ["PODIUM_RESULT"], "w"))
"""

ODD = """
class Kind:
    def check(self, call):
        call["licence"]

    async def perform(self, job): ...
"""


def models(directory: Path) -> Path:
    """A models file with one that writes rows, and one that adds up those of the job before it."""
    rows = "import json, os; json.dump({'rows': [1, 2, 4]}, open(os.environ['PODIUM_RESULT'], 'w'))"
    entries = [
        {"image": image, "command": [sys.executable, "-c", code]} for image, code in (("rows:1", rows), ("sum:1", SUM))
    ]
    path = directory / "models.yaml"
    path.write_text(yaml.safe_dump({"models": entries}))
    return path


@pytest.mark.parametrize("place", ["container.before_inputs", "container.after_inputs"])
async def test_a_container_has_its_inputs_though_podium_was_killed_while_it_wrote_them(
    tmp_path: Path, place: str
) -> None:
    jobs = {"rows": {"container": {"image": "rows:1"}}, "sum": {"after": "rows", "container": {"image": "sum:1"}}}
    async with serving(tmp_path, models(tmp_path), **{VARIABLE: f"{place}=kill@2"}) as podium:
        submitted = await podium.http.post("/api/v1/runs", json={"jobs": jobs})
        assert submitted.status_code == 201, submitted.text
        run = submitted.json()["id"]
        assert await podium.ending() == -signal.SIGKILL
        del podium.env[VARIABLE]
        await podium.start()
        ended = await podium.ended(run)
        assert ended["state"] == "succeeded", ended
        job = (await podium.http.get(f"/api/v1/runs/{run}/jobs/sum")).json()
        assert job["result"] == 7


class Pushing:
    """A service that begins no job twice, and posts the outcome of one until it is taken, or nobody waits for it."""

    def __init__(self, service: Service) -> None:
        self.url = service.on("/start", self._started)
        self.told: list[int] = []  # the statuses it was answered, 0 when it was not
        self._jobs: dict[str, asyncio.Task[None]] = {}

    async def _started(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
        await says(b"ok")(seen, writer)
        key, address = seen.headers["idempotency-key"], seen.headers["podium-callback"]
        if key not in self._jobs:
            self._jobs[key] = asyncio.create_task(self._push(address))

    async def _push(self, address: str) -> None:
        async with httpx.AsyncClient(timeout=30) as http:
            while not self.told or self.told[-1] in (0, 503):
                try:
                    self.told.append((await http.post(address, json={"status": "complete", "rows": 3})).status_code)
                except httpx.TransportError:
                    self.told.append(0)
                    await asyncio.sleep(0.05)  # nobody tells when a Podium is back

    async def ended(self) -> None:
        await asyncio.gather(*self._jobs.values())


@pytest.mark.parametrize(
    ("place", "last"), [("conductor.before_confirm=kill@1", 204), ("conductor.after_append=kill@2", 404)]
)
async def test_an_outcome_that_was_posted_is_not_lost_by_a_kill(
    tmp_path: Path, service: Service, place: str, last: int
) -> None:
    pushing = Pushing(service)
    jobs = {"a": {"http": {"url": pushing.url, "callback": True}}}
    async with serving(tmp_path, None, **{VARIABLE: place}) as podium:
        run = (await podium.http.post("/api/v1/runs", json={"jobs": jobs})).json()["id"]
        assert await podium.ending() == -signal.SIGKILL
        del podium.env[VARIABLE]
        await podium.start()
        assert (await podium.ended(run))["state"] == "succeeded"
        await pushing.ended()
        assert (pushing.told[0], pushing.told[-1]) == (0, last)
        types = [event["type"] async for event in podium.events(run)]
        assert types.count("job.succeeded") == 1


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A package with a kind of job that raises when it is imported, and one that does when it is asked."""
    site = tmp_path / "site"
    about = site / "strange_kinds-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-kinds\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[podium.jobs]\nstrange = strange_kinds:Kind\nodd = odd_kinds:Kind\n")
    (site / "odd_kinds.py").write_text(ODD)
    (site / "strange_kinds.py").write_text("raise RuntimeError('no licence')\n")
    return site


async def test_a_kind_of_another_package_that_is_broken_stops_nothing_else(tmp_path: Path, site: Path) -> None:
    why = "the kind 'strange' of the package strange-kinds cannot be loaded: RuntimeError: no licence"
    terminal = Terminal(tmp_path)
    (tmp_path / "graph.yaml").write_text("jobs: {a: {strange: {}}}")
    refused = await terminal("validate", "graph.yaml", PYTHONPATH=str(site))
    assert refused.code == 2
    assert f"jobs.a.strange: {why}" in refused.err
    async with serving(tmp_path, None, PYTHONPATH=str(site)) as podium:
        await podium.logged("jobs.kind_broken")
        answer = await podium.http.post("/api/v1/runs", json={"jobs": {"a": {"strange": {}}}})
        assert answer.status_code == 422
        assert why in answer.text
        for how in ("runs", "validate"):
            answer = await podium.http.post(f"/api/v1/{how}", json={"jobs": {"a": {"odd": {}}}})
            assert answer.status_code == 422
            assert "the kind 'odd' of the package strange-kinds itself failed: KeyError: 'licence'" in answer.text
        good = {"jobs": {"a": {"message": {"publish": {"topic": "done"}}}}}
        submitted = await podium.http.post("/api/v1/runs", json=good)
        assert (await podium.ended(submitted.json()["id"]))["state"] == "succeeded"


@pytest.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path, None) as podium:
        yield podium


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with Service() as service:
        yield service


async def breaks_off(seen: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()


async def stalls(seen: Seen, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drips(seen: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


FAULTS: dict[str, tuple[Reply, str]] = {
    "breaks off": (breaks_off, "broke off"),
    "is broken": (says({"message": "no licence"}, 500), "answered 500: no licence"),
    "is full": (says({}, 503), "answered 503"),
    "says nonsense": (says(b'{"a": '), "with what is not JSON"),
    "says half a character": (says(b'{"name": "\\ud800"}'), r"its result has half a character, \ud800"),
    "fails with half a character": (says({"status": "error", "message": "no \udcff"}), r"no \udcff"),
    "says that it failed": (says({"status": "error", "message": "no such column"}), "no such column"),
    "stalls": (stalls, "had no whole answer within 0.5 s"),
    "drips": (drips, "had no whole answer within 0.5 s"),
    "sends elsewhere": (says(b"", 307, Location="/sends-elsewhere"), "redirected 5 times"),
}


async def test_each_way_in_which_a_service_fails_is_told_and_keeps_nobody_waiting(
    podium: Server, service: Service
) -> None:
    jobs: dict[str, Any] = {
        name: {"http": {"url": service.on(f"/{name.replace(' ', '-')}", reply)}} for name, (reply, _) in FAULTS.items()
    }
    for name in ("stalls", "drips"):
        jobs[name]["http"]["answer_within"] = 0.5
    jobs["is away"] = {"http": {"url": f"http://127.0.0.1:{free_port()}/"}}
    jobs["is good"] = {"http": {"url": service.on("/is-good", says({"rows": 3}))}}
    jobs["comes round"] = {
        "http": {"url": service.on("/comes-round", says({}, 500), says({"rows": 4}))},
        "retry": {"attempts": 2, "delay": 0},
    }
    submitted = await podium.http.post("/api/v1/runs", json={"jobs": jobs})
    assert submitted.status_code == 201, submitted.text
    run = submitted.json()["id"]
    assert (await podium.ended(run))["state"] == "failed"
    found = {one["job"]: one for one in (await podium.http.get(f"/api/v1/runs/{run}/jobs")).json()["jobs"]}
    for name, why in {**{name: why for name, (_, why) in FAULTS.items()}, "is away": "could not be sent"}.items():
        assert found[name]["state"] == "failed"
        assert why in found[name]["reason"], found[name]
    assert (found["is good"]["state"], found["comes round"]["state"]) == ("succeeded", "succeeded")


async def test_a_cancel_that_races_the_end_leads_to_one_of_both(podium: Server, service: Service) -> None:
    states = set()
    for number in range(20):
        go = asyncio.Event()

        async def answers(seen: Seen, writer: asyncio.StreamWriter, go: asyncio.Event = go) -> None:
            await go.wait()
            await says({"rows": 3})(seen, writer)

        url = service.on(f"/{number}", answers)
        run = (await podium.http.post("/api/v1/runs", json={"jobs": {"a": {"http": {"url": url}}}})).json()["id"]
        await service.asked(number + 1)
        cancelling = asyncio.create_task(podium.http.post(f"/api/v1/runs/{run}/cancel"))
        await asyncio.sleep(0.0005 * number)  # none is right: some come too late
        go.set()
        assert (await cancelling).status_code in (200, 202, 409)
        state = (await podium.ended(run))["state"]
        types = [event["type"] async for event in podium.events(run)]
        assert types[-1] == f"run.{state}"
        assert types.count("job.succeeded") <= 1
        assert sum(type_ in ("run.succeeded", "run.failed", "run.cancelled") for type_ in types) == 1
        assert ("job.succeeded" in types) or state == "cancelled"
        states.add(state)
    assert states <= {"succeeded", "cancelled"}


async def test_one_key_gives_one_run_however_often_and_at_once_it_comes(podium: Server, service: Service) -> None:
    body = {"jobs": {"a": {"http": {"url": service.on("/", says({"rows": 3}))}}}}
    answers = await asyncio.gather(
        *(podium.http.post("/api/v1/runs", json=body, headers={"Idempotency-Key": "once"}) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} <= {200, 201}
    (run,) = {answer.json()["id"] for answer in answers}
    assert (await podium.ended(run))["state"] == "succeeded"
    assert service.paths() == ["POST /"]
    other = {"jobs": {"b": body["jobs"]["a"]}}
    refused = await podium.http.post("/api/v1/runs", json=other, headers={"Idempotency-Key": "once"})
    assert refused.status_code == 409
