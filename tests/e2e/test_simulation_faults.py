"""Whole simulations with version-1 models in processes of their own, and everything that may go wrong with them.

What befalls models or runs befalls them on one server that goes on, as in life. Where the server or its broker is
killed it is the test's own, and is killed with a run at each of the points that matter.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from podium.cli import waiting
from podium.cli.client import Client, through
from podium.server.words import LONG
from podium.stack.home import Home
from tests.e2e.harness import Gate, Server, document, models_of, serving, steps_seen

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

STEPS = 8
EACH_ONCE = list(range(1, STEPS + 1))
FAULTS = {
    "exits": "exit:5:3",
    "dies": "kill:5",
    "complains": "error:5",
    "leaves": "exit:5:0",
    "hangs": "silent:5",
    "sleeps": "never-ready",
    "repeats": "twice:5",
    "stays": "deaf-to-end",
}
# What must take too long here, in seconds: no less than a busy machine may take for what must not.
TOO_LONG = 20
LIMITED = {
    "hangs": {"max_step_calc_time_minutes": TOO_LONG / 60},
    "sleeps": {"ready_timeout_seconds": TOO_LONG},
    "stays": {"end_timeout_seconds": TOO_LONG},
}
POINTS = {"one": "ready", "two": "parameters", "three": "step:5", "four": "end"}


def services(directory: Path) -> dict[str, dict[str, str]]:
    """By name what each service does: the fault, or the wait at a gate, is that of its second model alone."""
    faulty = {name: {"FAULT": fault} for name, fault in FAULTS.items()}
    gated = {name: Gate(directory, point).env for name, point in POINTS.items()}
    return {name: {**env, "ONLY": f"{name}-2"} for name, env in {"plain": {}, **faulty, **gated}.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def podium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    directory = tmp_path_factory.mktemp("podium")
    async with serving(directory, models_of(directory, services(directory))) as server:
        yield server


async def submitted(podium: Server, service: str = "plain", **more: Any) -> str:
    return await podium.submit(document(service=service, steps=STEPS, **more))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limited(podium: Server) -> dict[str, str]:
    """A run of each service in which something takes too long: all at once, not to wait for one after another."""
    return {service: await submitted(podium, service, **limit) for service, limit in LIMITED.items()}


def both(service: str, seen: list[int] = EACH_ONCE, by_the_second: list[int] = EACH_ONCE) -> dict[str, list[int]]:
    return {f"{service}-1": seen, f"{service}-2": by_the_second}


async def test_runs_to_the_end_and_every_model_sees_every_step(podium: Server) -> None:
    run = await submitted(podium)
    assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(podium.directory, run) == both("plain")
    status = (await podium.http.get(f"/api/v1/simulation/{run}")).json()
    assert status["simulation_status"] == "the simulation terminated successfully"
    trace = (podium.directory / "trace" / f"{run}.plain-1").read_text()
    assert [int(line.split()[1]) for line in trace.splitlines()] == [1674604800 + 3600 * n for n in range(STEPS)]


@pytest.mark.parametrize(
    ("service", "reason", "exit_code"),
    [("exits", "exit", 3), ("dies", "", None), ("complains", "the roof is on fire", None), ("leaves", "before", 0)],
)
async def test_a_model_that_fails_ends_the_run_with_its_reason(
    podium: Server, service: str, reason: str, exit_code: int | None
) -> None:
    run = await submitted(podium, service)
    ended = await podium.ended(run)
    assert ended["state"] == "failed"
    assert ended["error"]["model"] == f"{service}-2"
    assert reason in ended["error"]["reason"]
    if exit_code is not None:
        assert ended["error"]["exit_code"] == exit_code
    if service == "exits":
        assert ended["error"]["last_lines"][-1] == "something went wrong in the model"
    assert steps_seen(podium.directory, run)[f"{service}-2"] == EACH_ONCE[:5]


async def test_a_model_that_fails_may_be_carried_on_without(podium: Server) -> None:
    run = await submitted(podium, "exits", on_model_failure="continue")
    lost = await podium.seen(run, lambda event: event["type"] == "model.lost")
    assert lost["data"]["model"] == "exits-2"
    assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(podium.directory, run) == both("exits", by_the_second=EACH_ONCE[:5])


async def test_a_silent_model_ends_the_run_when_the_step_takes_too_long(
    podium: Server, limited: dict[str, str]
) -> None:
    ended = await podium.ended(limited["hangs"])
    assert ended["state"] == "failed"
    assert "hangs-2" in ended["error"]["reason"]
    assert "step 5" in ended["error"]["reason"]


async def test_while_a_step_takes_long_it_is_told_whom_it_waits_for(
    podium: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, said = Gate(podium.directory, "step:5"), asyncio.Queue[str]()
    monkeypatch.setattr(waiting, "say", said.put_nowait)
    run = await submitted(podium, "three")
    async with through(Home(podium.data)) as door, waiting.saying_waits(Client(door), 0.2, run):
        await gate.reached()
        while "three-2 in step 5" not in (line := await said.get()) or float(line.split()[-2]) < LONG:
            assert line.startswith("waiting for three-")
    assert (await podium.run(run))["progress"]["waiting"]["models"] == ["three-2"]
    assert "<dd>three-2 in step 5 for " in (await podium.http.get(f"/runs/{run}")).text
    gate.release()
    assert (await podium.ended(run))["progress"]["waiting"] is None


async def test_a_model_that_comes_back_after_it_was_given_up_moves_nothing(podium: Server) -> None:
    gate = Gate(podium.directory, "step:5")
    run = await submitted(podium, "three", max_step_calc_time_minutes=TOO_LONG / 60, on_model_failure="continue")
    await gate.reached()
    lost = await podium.seen(run, lambda event: event["type"] == "model.lost")
    assert (lost["data"]["model"], "step 5" in lost["data"]["reason"]) == ("three-2", True)
    gate.release()
    assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(podium.directory, run) == both("three", by_the_second=EACH_ONCE[:5])


async def test_a_model_that_is_never_ready_ends_the_run(podium: Server, limited: dict[str, str]) -> None:
    ended = await podium.ended(limited["sleeps"])
    assert ended["state"] == "failed"
    assert ended["error"]["reason"].endswith(f"ready within {TOO_LONG} s: nothing was heard of sleeps-2")


async def test_a_model_that_answers_twice_moves_nothing(podium: Server) -> None:
    run = await submitted(podium, "repeats")
    assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(podium.directory, run) == both("repeats")


async def test_a_model_that_will_not_end_is_removed(podium: Server, limited: dict[str, str]) -> None:
    run = limited["stays"]
    assert (await podium.seen(run, lambda event: event["type"] == "run.removing"))["data"]["models"] == ["stays-2"]
    await podium.ended(run)
    assert steps_seen(podium.directory, run) == both("stays")


@pytest.mark.parametrize("service", POINTS)
async def test_delete_ends_the_run_in_each_phase(podium: Server, service: str) -> None:
    gate = Gate(podium.directory, POINTS[service])
    run = await submitted(podium, service, end_timeout_seconds=3)
    await gate.reached()
    answer = await podium.http.delete(f"/api/v1/simulation/{run}")
    assert answer.status_code == 200
    assert answer.json()["simulation_id"] == run
    gate.release()
    ended = await podium.ended(run)
    # once the models were told to end, the run may be faster than who cancels it
    assert ended["state"] in {"cancelled", *(["succeeded"] if POINTS[service] == "end" else [])}


async def test_queued_runs_follow_each_other(podium: Server) -> None:
    first = await podium.submit(document(steps=STEPS), "queue")
    second = await podium.submit(document(steps=STEPS), "queue")
    one, two = await asyncio.gather(podium.ended(first), podium.ended(second))
    assert one["state"] == two["state"] == "succeeded"
    assert one["started"] < one["ended"] <= two["started"] < two["ended"]


async def test_twenty_runs_at_once(podium: Server) -> None:
    runs = await asyncio.gather(*[podium.submit(document(models=1, steps=STEPS)) for _ in range(20)])
    ended = await asyncio.gather(*[podium.ended(run) for run in runs])
    assert len(set(runs)) == 20
    assert [run["state"] for run in ended] == ["succeeded"] * 20
    for run in runs:
        assert steps_seen(podium.directory, run) == {"plain-1": EACH_ONCE}


@pytest.mark.parametrize("away", ["while they wait", "while they go on"])
async def test_podium_killed_and_started_again_goes_on_where_each_run_was(tmp_path: Path, away: str) -> None:
    async with serving(tmp_path, models_of(tmp_path, services(tmp_path))) as podium:
        runs = {service: await submitted(podium, service) for service in POINTS}
        gates = [Gate(tmp_path, point) for point in POINTS.values()]
        await asyncio.gather(*(gate.reached() for gate in gates))
        await podium.kill()
        if away == "while they wait":
            await podium.start()
        for gate in gates:
            gate.release()
        if away == "while they go on":  # and what they said meanwhile counts
            await podium.start()
        for service, run in runs.items():
            assert (await podium.ended(run))["state"] == "succeeded", service
            assert "step.repeated" not in [event["type"] async for event in podium.events(run)]
            assert steps_seen(tmp_path, run) == both(service)


@pytest.mark.parametrize("killed", ["alone", "with Podium"])
async def test_the_broker_killed_in_mid_run_is_started_again_and_the_run_goes_on(tmp_path: Path, killed: str) -> None:
    gate = Gate(tmp_path, "step:5")
    models = models_of(tmp_path, {"plain": {**gate.env, "ONLY": "plain-2"}})
    async with serving(tmp_path, models, PODIUM_DOTS_QUIET_SECONDS="3") as podium:
        run = await submitted(podium)
        await gate.reached()
        (pid_file,) = podium.data.glob("**/broker.pid")
        if killed == "with Podium":
            await podium.kill()
        os.kill(json.loads(pid_file.read_text())["pid"], signal.SIGKILL)
        if killed == "with Podium":
            await podium.start()
        gate.release()
        assert (await podium.ended(run))["state"] == "succeeded"
        events = [event async for event in podium.events(run)]
        repeated = {
            (event["data"]["step"], model)
            for event in events
            if event["type"] == "step.repeated"
            for model in event["data"]["models"]
        }
        relinked = [event["data"].get("relinked") for event in events if event["type"] == "run.resumed"]
        assert relinked == ([True] if killed == "with Podium" else [])
    for model, steps in steps_seen(tmp_path, run).items():
        assert sorted(set(steps)) == EACH_ONCE
        doubled = {(step, model) for step in steps if steps.count(step) > 1}
        assert doubled <= repeated, "a step was done twice and the run does not say so"
