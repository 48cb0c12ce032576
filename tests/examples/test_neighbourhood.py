"""The neighbourhood on the bench: a day that looks like one."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from podium.sdk import CalculationService, EnergySystem
from podium.sdk.testing import Bench, StepOutputs
from tests.examples.neighbourhood import EXAMPLE, load_services

STEP_HOURS = 0.25


@pytest.fixture(scope="module")
def services() -> list[CalculationService]:
    return load_services()


@pytest.fixture(scope="module")
def day(services: list[CalculationService]) -> list[StepOutputs]:
    return Bench(*services, esdl=EXAMPLE / "neighbourhood.esdl", start="2024-06-21").run(96)


def powers(step: StepOutputs, suffix: str) -> list[float]:
    return [outputs["power"] for esdl_id, outputs in step.items() if esdl_id.endswith(suffix)]


def total(step: StepOutputs, suffix: str) -> float:
    return sum(powers(step, suffix))


def test_the_sun_shines_by_day_and_most_near_noon(day: list[StepOutputs]) -> None:
    pv = [total(step, "-pv") for step in day]
    brightest = day[pv.index(max(pv))].at
    assert 11 <= brightest.hour <= 12, "solar noon there is at 11:41 UTC"
    assert all(power == 0 for power, step in zip(pv, day, strict=True) if step.at.hour < 3 or step.at.hour >= 21)
    area = sum(thing.number("surfaceArea") for thing in _system().of_type("PVInstallation"))
    assert 120 < max(pv) / area < 180, "W/m2 out of panels of 20 %"
    energy = sum(pv) * STEP_HOURS / area
    assert 1.0e3 < energy < 1.5e3, "Wh/m2 on a clear day of June"


def test_south_beats_east_in_the_afternoon(day: list[StepOutputs]) -> None:
    afternoon = day[60]  # 15:00 UTC
    by_orientation: dict[float, set[float]] = {}
    for thing in _system().of_type("PVInstallation"):
        by_orientation.setdefault(thing.number("orientation"), set()).add(afternoon[thing.id]["irradiance"])
    assert min(by_orientation[210]) > max(by_orientation[180]) > min(by_orientation[180]) > max(by_orientation[150])


def test_power_is_neither_lost_nor_made(day: list[StepOutputs]) -> None:
    for step in day:
        drawn = sum(total(step, kind) for kind in ("-demand", "-heat-pump", "-charger", "-battery")) - total(
            step, "-pv"
        )
        assert total(step, "-connection") == pytest.approx(drawn)
        transformer = step["transformer"]
        assert transformer["power"] == pytest.approx(drawn + transformer["cable_losses"])
        assert 0 <= transformer["cable_losses"] < 0.01 * sum(abs(power) for power in powers(step, "-connection"))
        assert transformer["loading"] == pytest.approx(abs(transformer["power"]) / 630)


def test_batteries_keep_their_bounds_and_their_energy(day: list[StepOutputs]) -> None:
    for battery in _system().of_type("Battery"):
        capacity = battery.number("capacity") / 3600
        states = [battery.number("fillLevel"), *(step[battery.id]["state_of_charge"] for step in day)]
        assert all(0 <= state <= 1 for state in states)
        assert max(states) > 0.9, "the sun fills it"
        for before, after, step in zip(states, states[1:], day, strict=False):
            power = step[battery.id]["power"]
            assert abs(power) <= battery.number("maxChargeRate")
            stored = power * STEP_HOURS * (0.95 if power > 0 else 1 / 0.95)
            assert (after - before) * capacity == pytest.approx(stored, abs=1e-6)


def test_a_battery_never_makes_its_home_feed_back_more_or_draw_more(day: list[StepOutputs]) -> None:
    for step in day:
        for battery in _system().of_type("Battery"):
            home = battery.id.removesuffix("-battery")
            demand, pv = step[f"{home}-demand"]["power"], step[f"{home}-pv"]["power"]
            surplus = pv - demand - step.get(f"{home}-heat-pump", {"power": 0.0})["power"]
            assert min(surplus, 0) - 1e-6 <= step[battery.id]["power"] <= max(surplus, 0) + 1e-6


def test_homes_peak_in_the_evening_and_differ(day: list[StepOutputs]) -> None:
    demand = [total(step, "-demand") for step in day]
    assert 16 <= day[demand.index(max(demand))].at.hour <= 19
    annual_mean = sum(thing.number("power") for thing in _system().of_type("ElectricityDemand"))
    assert 0.75 < sum(demand) / 96 / annual_mean < 1.25
    assert len({round(power) for power in powers(day[76], "-demand")}) > 20


def test_chargers_deliver_what_the_cars_need_and_slow_down_for_the_transformer(day: list[StepOutputs]) -> None:
    for charger in _system().of_type("EVChargingStation"):
        assert sum(step[charger.id]["power"] for step in day) * STEP_HOURS == pytest.approx(9000)
    slowed = 0
    for before, step in pairwise(day):
        if before["transformer"]["loading"] > 40:
            assert all(power <= 3700 for power in powers(step, "-charger"))
            slowed += total(step, "-charger") > 0
    assert slowed > 0


def test_heat_pumps_calculate_once_an_hour(day: list[StepOutputs]) -> None:
    for hour in range(24):
        assert len({total(step, "-heat-pump") for step in day[4 * hour : 4 * hour + 4]}) == 1
    assert all(2 < step["home-03-heat-pump"]["cop"] < 9 for step in day)


def test_the_weekend_begins_later(services: list[CalculationService]) -> None:
    household = [service for service in services if service.name == "household"]
    at_seven = [
        total(Bench(*household, esdl=EXAMPLE / "neighbourhood.esdl", start=f"2024-06-{day} 05:15").step(), "-demand")
        for day in (21, 22)
    ]
    assert at_seven[1] < 0.7 * at_seven[0]


def test_two_days_are_the_same_day_to_the_bit(services: list[CalculationService], day: list[StepOutputs]) -> None:
    again = Bench(*services, esdl=EXAMPLE / "neighbourhood.esdl", start=datetime(2024, 6, 21, tzinfo=UTC)).run(40)
    assert [dict(step.items()) for step in again] == [dict(step.items()) for step in day[:40]]


def test_the_documents_name_the_same_services(services: list[CalculationService]) -> None:
    document = json.loads((EXAMPLE / "simulation.json").read_text())
    images = {
        entry["image"]: entry["command"] for entry in yaml.safe_load((EXAMPLE / "models.yaml").read_text())["models"]
    }
    named = {entry["calc_service_name"]: entry for entry in document["calculation_services"]}
    assert {service.name: service.esdl_type for service in services} == {
        name: entry["esdl_type"] for name, entry in named.items()
    }
    assert {entry["service_image_url"] for entry in named.values()} == set(images)
    assert all((EXAMPLE / command[1]).is_file() for command in images.values())
    assert (EXAMPLE / document["esdl_file"]).is_file()


def test_the_esdl_file_is_what_its_script_writes(tmp_path: Path) -> None:
    script = tmp_path / "make_esdl.py"
    script.write_text((EXAMPLE / "make_esdl.py").read_text())
    scope = {"__name__": "__main__", "__file__": str(script)}
    exec(compile(script.read_text(), str(script), "exec"), scope)  # noqa: S102 (our own script, elsewhere)
    assert (tmp_path / "neighbourhood.esdl").read_bytes() == (EXAMPLE / "neighbourhood.esdl").read_bytes()


@pytest.mark.filterwarnings("ignore")  # the library's own
def test_the_esdl_library_reads_the_file() -> None:
    esdl = pytest.importorskip("esdl")
    handler = importlib.import_module("esdl.esdl_handler").EnergySystemHandler()
    handler.load_file(str(EXAMPLE / "neighbourhood.esdl"))
    assert len(handler.get_all_instances_of_type(esdl.Building)) == 24
    for kind in ("PVInstallation", "Battery", "HeatPump", "EVChargingStation", "EConnection", "ElectricityCable"):
        theirs = [thing.id for thing in handler.get_all_instances_of_type(getattr(esdl, kind))]
        assert sorted(theirs) == sorted(thing.id for thing in _system().of_type(kind))
    cable = handler.get_by_id("home-05-cable")
    assert [port.connectedTo[0].energyasset.id for port in cable.port] == ["transformer", "home-05-connection"]


def _system() -> EnergySystem:
    return EnergySystem((EXAMPLE / "neighbourhood.esdl").read_bytes())
