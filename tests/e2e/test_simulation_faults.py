"""Whole simulations with version-1 models in processes of their own, and everything that may go wrong with them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.harness import Gate, document, models_file, serving, steps_seen

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

STEPS = 8
EACH_ONCE = list(range(1, STEPS + 1))
MODELS = ("plain-1", "plain-2")


async def test_runs_to_the_end_and_every_model_sees_every_step(tmp_path: Path) -> None:
    async with serving(tmp_path, models_file(tmp_path)) as podium:
        run = await podium.submit(document(steps=STEPS))
        assert (await podium.ended(run))["state"] == "succeeded"
        assert steps_seen(tmp_path, run) == dict.fromkeys(MODELS, EACH_ONCE)
        status = (await podium.http.get(f"/api/v1/simulation/{run}")).json()
        assert status["simulation_status"] == "the simulation terminated successfully"
    times = [int(line.split()[1]) for line in (tmp_path / "trace" / f"{run}.plain-1").read_text().splitlines()]
    assert times == [1674604800 + 3600 * n for n in range(STEPS)]


@pytest.mark.parametrize(
    ("fault", "reason", "exit_code"),
    [
        ("exit:5:3", "exit", 3),
        ("kill:5", "", None),
        ("error:5", "the roof is on fire", None),
        ("exit:5:0", "before", 0),
    ],
)
async def test_a_model_that_fails_ends_the_run_with_its_reason(
    tmp_path: Path, fault: str, reason: str, exit_code: int | None
) -> None:
    async with serving(tmp_path, models_file(tmp_path, FAULT=fault, ONLY="plain-2")) as podium:
        run = await podium.submit(document(steps=STEPS))
        ended = await podium.ended(run)
    assert ended["state"] == "failed"
    assert ended["error"]["model"] == "plain-2"
    assert reason in ended["error"]["reason"]
    if exit_code is not None:
        assert ended["error"]["exit_code"] == exit_code
    if fault == "exit:5:3":
        assert ended["error"]["last_lines"][-1] == "something went wrong in the model"
    assert steps_seen(tmp_path, run)["plain-2"] == EACH_ONCE[:5]


async def test_a_model_that_fails_may_be_carried_on_without(tmp_path: Path) -> None:
    async with serving(tmp_path, models_file(tmp_path, FAULT="exit:5:3", ONLY="plain-2")) as podium:
        run = await podium.submit(document(steps=STEPS, on_model_failure="continue"))
        lost = await podium.seen(run, lambda event: event["type"] == "model.lost")
        assert lost["data"]["model"] == "plain-2"
        assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(tmp_path, run) == {"plain-1": EACH_ONCE, "plain-2": EACH_ONCE[:5]}


async def test_a_silent_model_ends_the_run_when_the_step_takes_too_long(tmp_path: Path) -> None:
    async with serving(tmp_path, models_file(tmp_path, FAULT="silent:5", ONLY="plain-2")) as podium:
        run = await podium.submit(document(steps=STEPS, max_step_calc_time_minutes=0.05))
        ended = await podium.ended(run)
    assert ended["state"] == "failed"
    assert "plain-2" in ended["error"]["reason"]
    assert "step 5" in ended["error"]["reason"]


async def test_a_model_that_is_never_ready_ends_the_run(tmp_path: Path) -> None:
    models = models_file(tmp_path, FAULT="never-ready", ONLY="plain-2")
    async with serving(tmp_path, models, PODIUM_DOTS_READY_TIMEOUT_SECONDS="3") as podium:
        run = await podium.submit(document(steps=STEPS))
        ended = await podium.ended(run)
    assert ended["state"] == "failed"
    assert "ready" in ended["error"]["reason"]


async def test_a_model_that_answers_twice_moves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, models_file(tmp_path, FAULT="twice:5", ONLY="plain-2")) as podium:
        run = await podium.submit(document(steps=STEPS))
        assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(tmp_path, run) == dict.fromkeys(MODELS, EACH_ONCE)


async def test_a_model_that_will_not_end_is_removed(tmp_path: Path) -> None:
    models = models_file(tmp_path, FAULT="deaf-to-end", ONLY="plain-2")
    async with serving(tmp_path, models, PODIUM_DOTS_END_TIMEOUT_SECONDS="2") as podium:
        run = await podium.submit(document(steps=STEPS))
        await podium.ended(run)
    assert steps_seen(tmp_path, run) == dict.fromkeys(MODELS, EACH_ONCE)


@pytest.mark.parametrize("point", ["ready", "parameters", "step:5", "end"])
async def test_podium_killed_and_started_again_goes_on_where_it_was(tmp_path: Path, point: str) -> None:
    gate = Gate(tmp_path, point)
    async with serving(tmp_path, models_file(tmp_path, ONLY="plain-2", **gate.env)) as podium:
        run = await podium.submit(document(steps=STEPS))
        await gate.reached()
        await podium.kill()
        await podium.start()
        gate.release()
        assert (await podium.ended(run))["state"] == "succeeded"
        repeated = [event async for event in podium.events(run) if event["type"] == "step.repeated"]
    assert not repeated
    assert steps_seen(tmp_path, run) == dict.fromkeys(MODELS, EACH_ONCE)


@pytest.mark.parametrize("point", ["ready", "parameters", "step:5", "end"])
async def test_what_models_said_while_podium_was_away_counts(tmp_path: Path, point: str) -> None:
    gate = Gate(tmp_path, point)
    async with serving(tmp_path, models_file(tmp_path, ONLY="plain-2", **gate.env)) as podium:
        run = await podium.submit(document(steps=STEPS))
        await gate.reached()
        await podium.kill()
        gate.release()
        await podium.start()
        assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(tmp_path, run) == dict.fromkeys(MODELS, EACH_ONCE)


@pytest.mark.parametrize("point", ["ready", "parameters", "step:5", "end"])
async def test_delete_ends_the_run_in_each_phase(tmp_path: Path, point: str) -> None:
    gate = Gate(tmp_path, point)
    models = models_file(tmp_path, ONLY="plain-2", **gate.env)
    async with serving(tmp_path, models, PODIUM_DOTS_END_TIMEOUT_SECONDS="3") as podium:
        run = await podium.submit(document(steps=STEPS))
        await gate.reached()
        answer = await podium.http.delete(f"/api/v1/simulation/{run}")
        assert answer.status_code == 200
        assert answer.json()["simulation_id"] == run
        gate.release()
        ended = await podium.ended(run)
        # once the models were told to end, the run may be faster than who cancels it
        assert ended["state"] in {"cancelled", *(["succeeded"] if point == "end" else [])}


async def test_the_broker_killed_in_mid_run_is_started_again_and_the_run_goes_on(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "step:5")
    models = models_file(tmp_path, ONLY="plain-2", **gate.env)
    async with serving(tmp_path, models, PODIUM_DOTS_QUIET_SECONDS="3") as podium:
        run = await podium.submit(document(steps=STEPS))
        await gate.reached()
        (pid_file,) = podium.data.glob("**/broker.pid")
        os.kill(json.loads(pid_file.read_text())["pid"], signal.SIGKILL)
        gate.release()
        assert (await podium.ended(run))["state"] == "succeeded"
        repeated = {
            (event["data"]["step"], model)
            async for event in podium.events(run)
            if event["type"] == "step.repeated"
            for model in event["data"]["models"]
        }
    for model, steps in steps_seen(tmp_path, run).items():
        assert sorted(set(steps)) == EACH_ONCE
        doubled = {(step, model) for step in steps if steps.count(step) > 1}
        assert doubled <= repeated, "a step was done twice and the run does not say so"


async def test_queued_runs_follow_each_other(tmp_path: Path) -> None:
    async with serving(tmp_path, models_file(tmp_path)) as podium:
        first = await podium.submit(document(steps=STEPS), "queue")
        second = await podium.submit(document(steps=STEPS), "queue")
        one, two = await asyncio.gather(podium.ended(first), podium.ended(second))
    assert one["state"] == two["state"] == "succeeded"
    assert one["started"] < one["ended"] <= two["started"] < two["ended"]


async def test_twenty_runs_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, models_file(tmp_path)) as podium:
        runs = await asyncio.gather(*[podium.submit(document(models=1, steps=STEPS)) for _ in range(20)])
        ended = await asyncio.gather(*[podium.ended(run) for run in runs])
    assert len(set(runs)) == 20
    assert [run["state"] for run in ended] == ["succeeded"] * 20
    for run in runs:
        assert steps_seen(tmp_path, run) == {"plain-1": EACH_ONCE}
