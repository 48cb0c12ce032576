"""Services of version 2 whose calculations do what calculations do: fail, wait for each other, differ in rhythm."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.harness import Gate, Server, linked, models_of, serving, steps_seen

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

STEPS = 6
EACH_ONCE = list(range(1, STEPS + 1))
METER = ("meter", "EnergySystem", 1)
TOO_LONG = 20  # seconds that a step may take here: no less than a busy machine may take for those before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def podium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    directory = tmp_path_factory.mktemp("podium")
    services = {
        "panels": {},
        "panels-broken": {"PARAMETER_NO_NUMBER_AT": "4"},
        "panels-late": Gate(directory, "ready").env,
        "panels-stuck": Gate(directory, "step:3").env,
        **{name: {} for name in ("meter", "slow", "hen", "egg")},
    }
    async with serving(directory, models_of(directory, {}, services)) as server:
        yield server


def panels(image: str = "panels", models: int = 1) -> tuple[str, str, int]:
    return image, "PVInstallation", models


async def test_what_is_no_number_ends_the_run_where_it_was_made(podium: Server) -> None:
    run = await podium.submit(linked(panels("panels-broken"), METER, objects=1, steps=STEPS))
    ended = await podium.ended(run)
    assert ended["state"] == "failed"
    assert ended["error"]["model"] == "panels-1"
    assert "nan" in ended["error"]["reason"]
    assert steps_seen(podium.directory, run) == {"panels-1": EACH_ONCE[:4], "meter-1": EACH_ONCE[:3]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limited(podium: Server) -> dict[str, str]:
    """Runs in which a step takes too long: at once, not to wait for one after the other."""
    within = {"objects": 1, "steps": STEPS, "max_step_calc_time_minutes": TOO_LONG / 60}
    return {
        "stuck": await podium.submit(linked(panels("panels-stuck"), METER, **within, end_timeout_seconds=1)),
        "circle": await podium.submit(linked(("hen", "EnergySystem", 1), ("egg", "PVInstallation", 1), **within)),
    }


async def test_who_waits_for_a_stuck_model_is_told_apart_from_it(podium: Server, limited: dict[str, str]) -> None:
    error = (await podium.ended(limited["stuck"]))["error"]
    reason = f"no answer to step 3 of 6 within {TOO_LONG} s from panels-1, for which meter-1 waits"
    assert error["reason"].endswith(reason)
    assert error["model"] == "panels-1"
    assert "log" in error["hint"]
    assert error["last_lines"]


async def test_calculations_that_wait_for_each_other_end_when_the_step_takes_too_long(
    podium: Server, limited: dict[str, str]
) -> None:
    run = limited["circle"]
    ended = await podium.ended(run)
    assert ended["state"] == "failed"
    assert ended["error"]["reason"].endswith("from hen-1, egg-1, which wait for each other")
    assert "previous" in ended["error"]["hint"]
    logs = (await podium.http.get(f"/api/v1/runs/{run}/logs")).json()
    assert "step 1 still waits for 'egg' of object-1 from egg-1" in logs["hen-1"]
    assert "step 1 still waits for 'hen' of system from hen-1" in logs["egg-1"]


async def test_periods_of_a_quarter_of_an_hour_and_of_half_a_day(podium: Server) -> None:
    day = 24 * 4
    services = panels(), ("slow", "EnergySystem", 1)
    run = await podium.submit(linked(*services, objects=1, steps=day + 1, time_step_seconds=900))
    assert (await podium.ended(run))["state"] == "succeeded"
    every, twice_a_day = list(range(1, day + 2)), [1, day // 2 + 1, day + 1]
    assert steps_seen(podium.directory, run) == {"panels-1": every, "slow-1": twice_a_day}
    results = (await podium.http.get(f"/api/v1/runs/{run}/results", params={"field": "mean"})).json()
    assert [row["time"][11:16] for row in results["rows"]] == ["00:00", "12:00", "00:00"]
    units = {(line["measurement"], line["field"]): line["unit"] for line in results["summary"]}
    assert units == {("energysystem", "mean"): "W", ("pvinstallation", "power"): "W"}


@pytest.mark.parametrize(
    ("start", "times"),
    [
        ("2024-02-28 22:00:00", ["02-28T22", "02-28T23", "02-29T00", "02-29T01", "02-29T02", "02-29T03"]),
        ("2024-03-31 00:00:00+01:00", ["03-30T23", "03-31T00", "03-31T01", "03-31T02", "03-31T03", "03-31T04"]),
    ],
    ids=["leap day", "daylight saving"],
)
async def test_steps_are_as_long_as_they_are_said_to_be(podium: Server, start: str, times: list[str]) -> None:
    run = await podium.submit(linked(panels(), objects=1, steps=STEPS, start_date=start))
    assert (await podium.ended(run))["state"] == "succeeded"
    rows = (await podium.http.get(f"/api/v1/runs/{run}/results")).json()["rows"]
    assert [row["time"] for row in rows] == [f"2024-{time}:00:00Z" for time in times]


async def test_a_model_that_comes_late_misses_nothing(podium: Server) -> None:
    gate = Gate(podium.directory, "ready")
    run = await podium.submit(linked(panels("panels-late"), METER, objects=1, steps=STEPS))
    await gate.reached()
    assert steps_seen(podium.directory, run) == {}
    gate.release()
    assert (await podium.ended(run))["state"] == "succeeded"
    assert steps_seen(podium.directory, run) == {"panels-1": EACH_ONCE, "meter-1": EACH_ONCE}
