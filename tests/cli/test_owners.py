"""The life of a Podium from the outside: who conducts a run, who takes over, how all ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import pytest

from podium.cli.client import Client
from podium.cli.reach import told
from podium.settings import Settings
from tests.cli.terminal import RUN, Terminal, handed_over, reached
from tests.e2e.harness import document, models_file

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def one_job(podium: Terminal) -> None:
    """A graph that has been run."""
    (podium.directory / "one.py").write_text("def one():\n    return 1\n")
    podium.write({"jobs": {"one": {"python": {"function": "one:one"}}}})
    ended = await podium("run", "simulation.json")
    assert ended.code == 0, ended.err


async def test_ctrl_c_cancels(podium: Terminal) -> None:
    podium.env["PODIUM_DOTS_END_TIMEOUT_SECONDS"] = "300"
    process, gate = await reached(podium, "step:3")
    following = await podium.start("events", "last", "--follow")
    process.send_signal(signal.SIGINT)
    assert following.stdout
    async for line in following.stdout:
        if b"ending: cancelled" in line:
            break
    gate.release()
    ended = await podium.end(process)
    assert ended.code == 1
    assert ended.json["state"] == "cancelled"
    assert "Ctrl-C again" in ended.err
    assert (await podium.end(following)).out.splitlines()[-1].endswith("cancelled: cancelled by the user")


async def test_ctrl_c_twice_leaves_at_once_and_what_was_left_can_be_ended(podium: Terminal) -> None:
    process, _gate = await reached(podium, "step:3")
    process.send_signal(signal.SIGINT)
    assert process.stderr
    async for line in process.stderr:
        if b"Ctrl-C again" in line:
            break
    process.send_signal(signal.SIGINT)
    assert (await podium.end(process)).code == 130
    assert (await podium("stop", "--all")).code == 0
    status = await podium("status", "--json")
    assert [run["state"] for run in status.json["runs"]] == ["cancelled"]


async def test_sigterm_detaches_and_the_next_podium_goes_on(podium: Terminal) -> None:
    process, gate = await reached(podium, "step:3")
    process.terminate()
    ended = await podium.end(process)
    assert ended.code == 143
    assert "detached" in ended.err
    (run,) = (await podium("status", "--json")).json["runs"]
    assert run["state"] == "running"
    serving = await podium.start("serve", "--port", "0", "--models", "models.yaml")
    assert serving.stdout
    await serving.stdout.readline()
    gate.release()
    assert (await podium("events", run["id"], "--follow")).out.splitlines()[-1].endswith("succeeded")
    serving.terminate()
    assert (await podium.end(serving)).code == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_run_whose_owner_goes_away_is_detached(podium: Terminal, how: signal.Signals) -> None:
    serving, running, _gate = await handed_over(podium)
    serving.send_signal(how)
    await podium.end(serving)
    ended = await podium.end(running)
    assert (ended.code, ended.out) == (143, "")
    assert "detached" in ended.err.splitlines()[-1]


@pytest.mark.parametrize("failpoint", ["journal.before_submit", "journal.after_submit"])
async def test_a_run_whose_owner_dies_while_it_is_submitted_is_conducted_once_all_the_same(
    podium: Terminal, failpoint: str
) -> None:
    models_file(podium.directory)
    podium.write(document(steps=4))
    serving = await podium.start(
        "serve", "--port", "0", "--models", "models.yaml", PODIUM_FAILPOINTS=f"{failpoint}=kill@1"
    )
    assert serving.stdout
    await serving.stdout.readline()
    ended = await podium(*RUN, "--json")
    assert ended.code == 0, ended.err
    assert (await podium.end(serving)).code == -signal.SIGKILL
    (run,) = (await podium("status", "--json")).json["runs"]
    assert (run["id"], run["state"]) == (ended.json["id"], "succeeded")


async def test_a_restart_whose_owner_dies_while_it_is_submitted_is_conducted_once_all_the_same(
    podium: Terminal,
) -> None:
    await one_job(podium)
    serving = await podium.start("serve", "--port", "0", PODIUM_FAILPOINTS="journal.after_submit=kill@1")
    assert serving.stdout
    await serving.stdout.readline()
    ended = await podium("restart", "last", "--from", "one", "--json")
    assert ended.code == 0, ended.err
    assert (await podium.end(serving)).code == -signal.SIGKILL
    new, _first = (await podium("status", "--json")).json["runs"]
    assert (new["id"], new["state"]) == (ended.json["id"], "succeeded")


async def test_a_restart_whose_owner_dies_finds_the_models_file_beside_its_document(podium: Terminal) -> None:
    models = {"models": [{"image": "one:1", "command": [sys.executable, "-c", "print(1)"]}]}
    (podium.directory / "models.yaml").write_text(json.dumps(models))
    podium.write({"jobs": {"one": {"container": {"image": "one:1"}}}})
    serving = await podium.start(
        "serve", "--port", "0", "--models", "models.yaml", PODIUM_FAILPOINTS="journal.before_submit=kill@2"
    )
    assert serving.stdout
    await serving.stdout.readline()
    assert (await podium("run", "simulation.json")).code == 0
    ended = await podium("restart", "last", "--from", "one")
    assert ended.code == 0, ended.err
    assert (await podium.end(serving)).code == -signal.SIGKILL


async def test_a_restart_by_an_owner_that_keeps_its_journal_elsewhere(podium: Terminal) -> None:
    elsewhere = f"sqlite:///{podium.directory / 'elsewhere.db'}"
    serving = await podium.start("serve", "--port", "0", "--database", elsewhere)
    assert serving.stdout
    await serving.stdout.readline()
    await one_job(podium)
    ended = await podium("restart", "last", "--from", "one", "--json")
    assert (ended.code, ended.json["state"]) == (0, "succeeded"), ended.err
    serving.terminate()
    await podium.end(serving)


async def test_what_ended_is_told_though_its_owner_goes_away_meanwhile(podium: Terminal) -> None:
    await one_job(podium)
    (run,) = (await podium("status", "--json")).json["runs"]
    serving = await podium.start("serve", "--port", "0")
    assert serving.stdout
    await serving.stdout.readline()
    asked = []

    async def ask(client: Client) -> Any:
        if not asked:
            serving.kill()
            await podium.end(serving)
        asked.append(client)
        return await client.run(run["id"])

    assert (await told(Settings(data=podium.directory / ".podium"), ask))["state"] == "succeeded"
    assert len(asked) == 2


async def test_stop_all_ends_runs_whose_models_do_not_end(podium: Terminal) -> None:
    podium.env["PODIUM_DOTS_END_TIMEOUT_SECONDS"] = "300"
    serving, running, _gate = await handed_over(podium)
    assert (await podium("stop", "--all")).code == 0
    assert (await podium.end(serving)).code == 0
    assert (await podium.end(running)).code == 1
    status = await podium("status", "--json")
    assert [run["state"] for run in status.json["runs"]] == ["cancelled"]


async def test_cancel_ends_what_a_killed_podium_left(podium: Terminal) -> None:
    process, _gate = await reached(podium, "step:3")
    process.kill()
    await process.communicate()
    (run,) = (await podium("status", "--json")).json["runs"]
    ended = await podium("cancel", run["id"], "--models", "models.yaml")
    assert (ended.code, ended.out.split()) == (0, [run["id"], "cancelled"])


async def killed(podium: Terminal, process: asyncio.subprocess.Process) -> str:
    """The run that a killed Podium left."""
    process.kill()
    await process.communicate()
    status = await podium("status", "--json")
    (run,) = status.json["runs"]
    assert "nobody conducts 1 run" in status.err
    return str(run["id"])


async def test_what_a_killed_podium_left_is_not_shown_as_if_it_went_on(podium: Terminal) -> None:
    process, gate = await reached(podium, "step:3")
    run = await killed(podium, process)
    for words in (("status",), ("status", run), ("events", run), ("events",)):
        ended = await podium(*words)
        assert ended.code == 0
        assert "nobody conducts 1 run that has not ended: `podium serve`" in ended.err
        assert ("conducted by nobody" in ended.out) == (words[0] == "status")
    gate.release()
    podium.write(document(steps=2))
    again = await podium(*RUN, "--json")
    assert again.code == 0
    told = again.err.splitlines()
    assert told.index(f"going on with what an earlier Podium left: {run}") < told.index(f"e2e  {again.json['id']}")
    status = await podium("status")
    assert "nobody" not in status.out + status.err
    assert {one["state"] for one in (await podium("status", "--json")).json["runs"]} == {"succeeded"}


async def test_stop_has_podium_run_detach(podium: Terminal) -> None:
    process, gate = await reached(podium, "step:3")
    assert (await podium("stop")).code == 0
    ended = await podium.end(process)
    assert (ended.code, ended.out) == (143, "")
    assert "detached" in ended.err.splitlines()[-1]
    gate.release()
    podium.write(document(steps=2))
    assert (await podium(*RUN)).code == 0
    assert {one["state"] for one in (await podium("status", "--json")).json["runs"]} == {"succeeded"}


async def test_stop_all_has_podium_run_end_its_run(podium: Terminal) -> None:
    process, _gate = await reached(podium, "step:3")
    assert (await podium("stop", "--all")).code == 0
    ended = await podium.end(process)
    assert (ended.code, ended.json["state"]) == (1, "cancelled")


async def test_where_nothing_lives_stop_starts_nothing(podium: Terminal) -> None:
    for words in (("stop",), ("stop", "--all")):
        ended = await podium(*words)
        assert (ended.code, "nothing lives in" in ended.err) == (0, True)
        assert not (podium.directory / ".podium").exists()
    assert (await podium("models", "add", "pv:1")).code == 0
    ended = await podium("stop", "--all")
    assert (ended.code, "nothing lives in" in ended.err) == (0, True)
    assert not (podium.directory / ".podium" / "broker").exists()


async def test_stop_all_ends_what_a_killed_podium_left(podium: Terminal) -> None:
    process, _gate = await reached(podium, "step:3")
    run = await killed(podium, process)
    ended = await podium("stop", "--all")
    assert ended.code == 0
    assert f"run {run}" in ended.err
    assert "the broker" in ended.err
    assert "nothing lives" in (await podium("stop", "--all")).err
    assert (await podium("status", run, "--json")).json["state"] == "cancelled"


async def test_stop_all_ends_models_whose_broker_is_gone_as_well(podium: Terminal) -> None:
    process, _gate = await reached(podium, "step:3")
    run = await killed(podium, process)
    file = podium.directory / ".podium" / "broker" / "broker.pid"
    os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)
    ended = await podium("stop", "--all")
    assert ended.code == 0
    assert all(word in ended.err for word in (f"run {run}", "plain-1", "plain-2"))
    assert "the broker" not in ended.err
    assert "nothing lives" in (await podium("stop", "--all")).err
    found = (await podium("status", run, "--json")).json
    assert (found["state"], found["error"]["reason"]) == ("cancelled", "Podium was told to end everything")


async def test_cancel_tells_what_became_of_the_run_when_its_conductor_goes_away(podium: Terminal) -> None:
    podium.env["PODIUM_DOTS_END_TIMEOUT_SECONDS"] = "300"
    serving, running, _gate = await handed_over(podium)
    (run,) = (await podium("status", "--json")).json["runs"]
    following = await podium.start("events", run["id"], "--follow")
    assert following.stdout
    async for line in following.stdout:
        if b"step 2" in line:
            break
    cancelling = await podium.start("cancel", run["id"])
    async for line in following.stdout:
        if b"ending: cancelled" in line:
            break
    serving.kill()
    await podium.end(serving)
    ended = await podium.end(cancelling)
    assert (ended.code, ended.out.split()) == (143, [run["id"], "running"])
    assert "`podium serve`" in ended.err
    assert (await podium.end(following)).code == 143
    assert (await podium.end(running)).code == 143


async def test_ctrl_c_before_anything_was_submitted_just_leaves(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(steps=2))
    os.mkfifo(podium.directory / "document.json")
    process = await podium.start("run", "document.json", "--models", "models.yaml")
    pipe = await asyncio.to_thread(os.open, podium.directory / "document.json", os.O_WRONLY)
    process.send_signal(signal.SIGINT)
    os.close(pipe)
    ended = await podium.end(process)
    assert (ended.code, ended.out) == (130, ""), ended.err
    assert "detached" not in ended.err


async def test_a_model_services_orchestrator_can_be_stopped(podium: Terminal) -> None:
    serving = await podium.start("serve", "--port", "0", "--no-mso")
    assert serving.stdout
    await serving.stdout.readline()
    kept = json.loads((podium.directory / ".podium" / "broker" / "broker.json").read_text())
    broker = f"mqtt://127.0.0.1:{kept['ports']['mqtt']}"
    env = {"PODIUM_BROKER_USERNAME": "podium", "PODIUM_BROKER_PASSWORD": kept["podium_password"]}
    alone = await podium.start("mso", "--broker", broker, "--data", "mso", **env)
    assert alone.stdout
    assert await alone.stdout.readline() == b"ready\n"
    status = await podium("status", "--data", "mso")
    assert (status.code, "only a model services orchestrator lives here" in status.err) == (2, True)
    assert (await podium("stop", "--data", "mso")).code == 0
    assert (await podium.end(alone)).code == 0
    serving.terminate()
    await podium.end(serving)
