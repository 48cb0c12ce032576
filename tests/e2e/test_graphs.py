"""Graphs of jobs as a user has them: one document and the functions beside it, run by the real `podium`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request

from podium.server.listen import Listener, bind
from tests.cli.terminal import Terminal
from tests.e2e.harness import Gate, Server, serving
from tests.parts import files_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "graph"
STEPS = """
import os
from pathlib import Path

def first():
    return [1, 2, 3]

def gate(path, rows):
    Path(path).with_name("pid").write_text(str(os.getpid()))
    with open(path) as file:
        file.read()
    return sum(rows)

def after(total):
    return total + 1

def tell(how):
    return how

def bad(day):
    print("looking at day", day)
    if day < 0:
        raise ValueError("no such day")
    return day

def moody(item, mark):
    if item == 2 and not os.path.exists(mark):
        open(mark, "x").close()
        raise ValueError("not yet")
    if item == 3:
        raise ValueError("never")
    return item * 10
"""


@pytest.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    await terminal("stop", "--all")


def gated(directory: Path) -> Gate:
    """A document beside its functions, whose second job waits at a gate."""
    gate = Gate(directory, "job")
    (directory / "steps.py").write_text(STEPS)
    jobs = {
        "first": {"python": {"function": "steps:first"}},
        "gate": {
            "python": {"function": "steps:gate", "arguments": {"path": str(gate.path), "rows": {"$result": "first"}}}
        },
        "after": {"python": {"function": "steps:after", "arguments": {"total": {"$result": "gate"}}}},
    }
    (directory / "graph.json").write_text(json.dumps({"name": "gated", "jobs": jobs}))
    return gate


def written(directory: Path, document: str) -> None:
    (directory / "steps.py").write_text(STEPS)
    (directory / "graph.yaml").write_text(document)


async def events(podium: Terminal, run: str, *, of: str = "") -> list[dict[str, Any]]:
    said = (await podium("events", run, "--json")).out.splitlines()
    return [event for event in map(json.loads, said) if event["type"].startswith(of)]


def results(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {event["data"]["job"]: event["data"]["result"] for event in found if event["type"] == "job.succeeded"}


async def test_the_example_and_again_with_another_price(podium: Terminal) -> None:
    shutil.copytree(EXAMPLE, podium.directory / "example")
    ended = await podium("run", "example/graph.yaml", "--json")
    assert ended.code == 0, ended.err
    run = ended.json
    assert (run["state"], run["kind"], run["name"]) == ("succeeded", "graph.run", "night shift")
    assert run["progress"]["counts"]["succeeded"] == 9  # one of them performed for four meters
    assert run["progress"]["jobs"]["profile"]["items"] == 4
    assert "job report succeeded" in ended.err
    first = results(await events(podium, run["id"]))
    assert first["report"]["meters"] == 4
    logs = await podium("logs", run["id"])
    assert "--- report" in logs.out
    assert f"all of it costs {first['report']['cost']} euros" in logs.out

    returned = await podium("results", run["id"], "--json")
    assert returned.json["jobs"]["report"] == first["report"]
    assert f'"cost": {first["report"]["cost"]}' in (await podium("results", run["id"])).out
    assert "--json prints what they returned" in (await podium("results", run["id"], "--csv", "out")).err

    edit = ("--from", "prices", "--edit", "prices.arguments.night=0.5")
    again = await podium("restart", run["id"], *edit, "--json")
    assert again.code == 0, again.err
    new = again.json
    assert new["restarted"] == {"from": run["id"], "start": ["prices"], "edited": ["prices"]}
    assert new["progress"]["counts"]["reused"] == 3
    second = results(await events(podium, new["id"]))
    assert set(second) == {"prices", "cost", "report"}
    assert second["report"]["cost"] > first["report"]["cost"]
    status = await podium("status", new["id"])
    assert f"from {run['id']}" in status.out
    assert "3 reused" in status.out


async def test_a_killed_podium_goes_on_where_it_was(podium: Terminal) -> None:
    gate = gated(podium.directory)
    running = await podium.start("run", "graph.json")
    await gate.reached()
    running.kill()
    await running.communicate()
    gate.release()
    run = json.loads((await podium("status", "--json")).out)["runs"][0]["id"]
    assert (await podium("status", run, "--json")).json["state"] == "running"
    serving = await podium.start("serve", "--port", "0")
    await gate.reached()  # it is performed again
    following = await podium.start("events", run, "--follow", "--json")
    gate.release()
    assert (await podium.end(following)).code == 0
    assert (await podium("status", run, "--json")).json["state"] == "succeeded"
    found = await events(podium, run, of="job.")
    assert [event["data"]["job"] for event in found] == ["first", "gate", "after"]
    assert results(found) == {"first": [1, 2, 3], "gate": 6, "after": 7}
    await podium("stop", "--all")
    await podium.end(serving)


async def test_ctrl_c_ends_the_run_and_its_workers(podium: Terminal) -> None:
    gate = gated(podium.directory)
    running = await podium.start("run", "graph.json", "--json")
    await gate.reached()
    worker = os.pidfd_open(int((podium.directory / "pid").read_text()))
    running.send_signal(signal.SIGINT)
    ended = await podium.end(running)
    assert ended.code == 1, ended.err
    assert ended.json["state"] == "cancelled"
    assert ended.json["progress"]["jobs"]["gate"]["state"] == "cancelled"
    with pytest.raises(ProcessLookupError):
        signal.pidfd_send_signal(worker, signal.SIGKILL)
    os.close(worker)
    gate.release()


async def test_a_job_that_fails_for_good(podium: Terminal) -> None:
    written(
        podium.directory,
        """
        jobs:
          bad: {python: {function: "steps:bad", arguments: {day: -1}}, retry: {attempts: 2, delay: 0}}
          behind: {after: bad, python: {function: "steps:first"}}
          apart: {python: {function: "steps:first"}}
        last: {python: {function: "steps:tell", arguments: {how: {$outcome: ""}}}}
        """,
    )
    ended = await podium("run", "graph.yaml", "--json")
    assert ended.code == 1, ended.err
    assert ended.json["error"]["reason"].startswith("job bad failed: steps:bad raised ValueError: no such day")
    jobs = ended.json["progress"]["jobs"]
    assert (jobs["bad"]["state"], jobs["bad"]["attempt"]) == ("failed", 2)
    assert (jobs["behind"]["state"], jobs["apart"]["state"]) == ("skipped", "succeeded")
    assert "job bad failed (attempt 2): steps:bad raised ValueError" in ended.err
    told = results(await events(podium, ended.json["id"]))["last"]
    assert (told["state"], list(told["failed"])) == ("failed", ["bad"])
    assert told["reason"] == ended.json["error"]["reason"]
    run = ended.json["id"]
    assert "jobs     3: 1 succeeded, 1 failed, 1 skipped" in ended.err
    for said in (ended.err, (await podium("status", run)).out):
        assert "bad: steps:bad raised ValueError: no such day" in said
        [_, line] = [
            line.partition("podium ")[2].partition("  #")[0] for line in said.splitlines() if "restart" in line
        ]
        assert line.split() == ["restart", run, "--edit", "bad.arguments.day=-1"]
    failed = await podium("jobs", run, "--state", "failed", "--json")
    assert [(job["job"], job["attempt"]) for job in map(json.loads, failed.out.splitlines())] == [("bad", 2)]
    refused = await podium("restart", run, "--edit", "bad.python.argument.day=1")
    assert "jobs.bad.python.argument: there is no such key. Did you mean arguments?" in refused.err
    again = await podium(*line.replace("day=-1", "day=1").split(), "--json")
    assert again.code == 0, again.err
    looked = await podium("jobs", again.json["id"], "bad", "--json")
    assert looked.json["call"]["arguments"] == {"day": 1}
    assert again.json["progress"]["counts"] | {"succeeded": 2, "reused": 1} == again.json["progress"]["counts"]


async def test_one_of_many_is_told_of_by_itself(podium: Terminal) -> None:
    mark = podium.directory / "mark"
    written(
        podium.directory,
        f"""
        jobs:
          first: {{python: {{function: "steps:first"}}}}
          many:
            each: first
            python: {{function: "steps:moody", arguments: {{mark: "{mark}"}}}}
            retry: {{attempts: 2, delay: 0}}
        """,
    )
    run = (await podium("run", "graph.yaml", "--json")).json["id"]
    good, slow, bad = [(await podium("jobs", run, f"many[{n}]", "--json")).json for n in range(3)]
    assert [one["job"] for one in (good, slow, bad)] == ["many[0]", "many[1]", "many[2]"]
    assert (good["state"], good["attempt"], good["item"], good["result"]) == ("succeeded", 1, 1, 10)
    assert (slow["state"], slow["attempt"], slow["item"], slow["result"]) == ("succeeded", 2, 2, 20)
    assert (bad["state"], bad["attempt"], bad["item"], bad["result"]) == ("failed", 2, 3, None)
    assert "reason" not in good | slow
    assert "never" in bad["reason"]
    assert good["started"] <= good["ended"]
    [line] = [line for line in (await podium("jobs", run)).out.splitlines() if "many" in line]
    assert line.split()[:6] == ["many", "failed", "(2", "of", "3)", "2"]
    said = (await podium("jobs", run, "many[0]")).out
    assert f"started   {str(good['started'])[:6]}" not in said
    assert "\nitem      1\n" in said


async def test_a_document_that_is_refused(podium: Terminal) -> None:
    written(
        podium.directory,
        """
        jobs:
          load: {pyton: {function: "steps:load"}}
          clean: {after: [laod], python: {function: "nowhere:x"}}
          add: {python: {function: "steps:frist"}}
          tell: {python: {function: "steps:tell", arguments: {hwo: 1}}}
        """,
    )
    for command in ("run", "validate"):
        ended = await podium(command, "graph.yaml")
        assert ended.code == 2
        assert "jobs.load.pyton: there is no such key. Did you mean python?" in ended.err
        assert "jobs.clean.after: there is no job 'laod'. Did you mean load?" in ended.err
        assert "no module 'nowhere'" in ended.err
        assert "jobs.add.python.function: there is no 'frist' in steps. Did you mean first?" in ended.err
        assert "jobs.tell.python.arguments.hwo: steps:tell has no such argument. It takes how" in ended.err
        assert "jobs.tell.python.arguments: steps:tell needs 'how'" in ended.err


async def test_pause_and_resume(podium: Terminal) -> None:
    gate = gated(podium.directory)
    server = await podium.start("serve", "--port", "0")
    assert server.stdout
    await server.stdout.readline()
    running = await podium.start("run", "graph.json", "--json")
    await gate.reached()
    run = json.loads((await podium("status", "--json")).out)["runs"][0]["id"]
    assert (await podium("pause", run)).code == 0
    following = await podium.start("events", run, "--follow")
    assert following.stdout
    gate.release()
    async for line in following.stdout:
        if b"job gate succeeded" in line:
            break
    status = await podium("status", run)
    assert "1 waiting (paused)" in status.out
    assert (await podium("resume", run)).code == 0
    ended = await podium.end(running)
    assert ended.code == 0, ended.err
    await following.communicate()
    order = [event["type"] for event in await events(podium, run)]
    assert order.index("run.paused") < order.index("run.resumed")
    assert order[order.index("run.resumed") + 1 :] == ["jobs.begun", "job.succeeded", "run.succeeded"]
    refused = await podium("pause", run)
    assert refused.code == 2
    assert "this run has ended" in refused.err
    await podium("stop", "--all")
    await podium.end(server)


@pytest.fixture
async def service() -> AsyncIterator[tuple[str, asyncio.Queue[tuple[str, str]]]]:
    """One that is told where to post its outcome: its address, and where it was told to post and which key it had."""
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    app = FastAPI()

    @app.post("/work", status_code=202)
    async def work(request: Request) -> dict[str, str]:
        told.put_nowait((request.headers["podium-callback"], request.headers["authorization"]))
        return {"status": "accepted"}

    door: socket.socket = bind("127.0.0.1", 0)
    listener = Listener(app, [door])
    listener.start()
    yield f"http://127.0.0.1:{door.getsockname()[1]}/work", told
    await listener.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path, None, PODIUM_LOG_LEVEL="debug") as found:
        yield found


async def test_a_service_that_calls_back_and_a_secret_that_nobody_sees(
    server: Server, service: tuple[str, asyncio.Queue[tuple[str, str]]]
) -> None:
    address, told = service
    call = {"url": address, "callback": True, "headers": {"Authorization": {"$private": "Bearer hunter2hunter2"}}}
    body = {"name": "calls", "jobs": {"work": {"http": call}}}
    submitted = await server.http.post("/api/v1/runs", json=body)
    assert submitted.status_code == 201, submitted.text
    run = submitted.json()["id"]
    callback, key = await told.get()
    assert key == "Bearer hunter2hunter2"
    strange = callback[:-4] + "AAAA"
    assert (await server.http.post(strange, json={}, headers={"Authorization": ""})).status_code == 404
    assert (await server.http.post(callback, content=b"{", headers={"Authorization": ""})).status_code == 422
    assert (await server.http.post(callback, content=b"1" * 300_000, headers={"Authorization": ""})).status_code == 413
    good = await server.http.post(callback, json={"status": "complete", "rows": 7}, headers={"Authorization": ""})
    assert good.status_code == 204, good.text
    assert (await server.ended(run))["state"] == "succeeded"
    job = (await server.http.get(f"/api/v1/runs/{run}/jobs/work")).json()
    assert job["result"] == {"status": "complete", "rows": 7}
    for nothing in ("work[0]", "work[x]", "work[]", "work[0]x", "other"):
        assert (await server.http.get(f"/api/v1/runs/{run}/jobs/{nothing}")).status_code == 404
        how = {"from": [nothing]}
        if nothing != "work[0]":
            assert (await server.http.post(f"/api/v1/runs/{run}/restart", json=how)).status_code == 422
    assert files_with("hunter2hunter2", server.data) == []
    assert files_with(run, server.data) != []

    lost = await server.http.post(f"/api/v1/runs/{run}/restart", json={"from": ["work"]})
    assert lost.status_code == 422
    assert "forgotten" in lost.text
    edit = {"work": {"headers": {"Authorization": {"$private": "Bearer another"}}}}
    again = await server.http.post(f"/api/v1/runs/{run}/restart", json={"from": ["work"], "edit": edit})
    assert again.status_code == 201, again.text
    callback, key = await told.get()
    assert key == "Bearer another"
    await server.http.post(callback, json={"status": "error", "message": "out of rows"})
    ended = await server.ended(again.json()["id"])
    assert ended["error"]["reason"] == "job work failed: out of rows"
    assert ended["restarted"]["from"] == run


async def test_what_is_refused_over_http(server: Server, tmp_path: Path) -> None:
    body = {"jobs": {"a": {"python": {"function": "steps:first"}}, "b": {"http": {"url": {"$env": "HOME"}}}}}
    refused = await server.http.post("/api/v1/runs", json=body)
    assert refused.status_code == 422
    told = {fault["where"]: f"{fault['what']} {fault.get('hint')}" for fault in refused.json()["errors"]}
    assert "--functions DIRECTORY" in told["jobs.a.python.function"]
    assert "over HTTP" in told["jobs.b.http.url"]
    for call, status in (("jobs", 404), ("restart", 404), ("pause", 404)):
        answer = await server.http.request("GET" if call == "jobs" else "POST", f"/api/v1/runs/none/{call}", json={})
        assert answer.status_code == status, call
    assert (await server.http.post("/api/v1/runs/none/restart", json={"form": []})).status_code == 422


async def test_a_graph_of_thousands_is_told_in_pages_and_counts(podium: Terminal) -> None:
    document = {"jobs": {f"j{n}": {"message": {"publish": {"topic": "done"}}} for n in range(3000)}}
    (podium.directory / "many.json").write_text(json.dumps(document))
    serving = await podium.start("serve", "--port", "0")
    assert serving.stdout
    await serving.stdout.readline()
    ended = await podium("run", "many.json", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["progress"]["counts"]["succeeded"] == 3000
    assert len(ended.json["progress"]["jobs"]) == 0
    assert "3000 of 3000 jobs: 3000 succeeded" in ended.err
    assert len(ended.err.splitlines()) < 40
    await podium("stop", "--all")
    await podium.end(serving)
