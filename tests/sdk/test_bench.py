"""Services stepped on the bench: which inputs they get, and when."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from podium.sdk import CalculationService, Context, EnergySystem, Input, Output, Simulation
from podium.sdk.model import CalculationFailed
from podium.sdk.parameters import ModelParameters, ParametersError, ServiceEntry
from podium.sdk.testing import Bench, BenchError
from podium.sdk.wiring import Wiring
from tests.sdk.esdl import XML


def service(
    name: str, esdl_type: str, function: Any, *, inputs: list[Input] | None = None, **more: Any
) -> CalculationService:
    """A service with one calculation and one output called `out`."""
    made = CalculationService(name, esdl_type)
    made.calculation(inputs=inputs or [], outputs=[Output("out", list=more.pop("list", False))], **more)(function)
    return made


def sources_seen(esdl_type: str, source_type: str, connected: Any) -> dict[str, list[str]]:
    system = EnergySystem(XML)
    entries = (ServiceEntry("mine", esdl_type), ServiceEntry("far", source_type))
    given = ModelParameters(Simulation("", 0, 900, 1, system), entries, system.of_type(esdl_type), protocol_version=2)
    needed = Input("it", source="far", connected=connected, default=0.0)
    wiring = Wiring(service("mine", esdl_type, lambda _: 0.0, inputs=[needed]), given)
    return {task.object.id: [channel.esdl_id for channel in task.plugs[0].channels] for task in wiring.tasks}


@pytest.mark.parametrize(
    ("esdl_type", "source_type", "connected", "seen"),
    [
        ("EConnection", "Transformer", "upstream", {"ec1": ["tr"], "ec2": ["tr"]}),
        ("Transformer", "EConnection", "downstream", {"tr": ["ec1", "ec2"]}),
        ("Transformer", "EConnection", "upstream", {"tr": []}),
        ("EConnection", "PVInstallation", "any", {"ec1": ["pv1"], "ec2": ["pv2"]}),
        ("EConnection", "PVInstallation", "ports", {"ec1": ["pv1"], "ec2": ["pv2"]}),
        ("Transformer", "EConnection", "ports", {"tr": ["ec1", "ec2"]}),
        ("Transformer", "PVInstallation", "ports", {"tr": []}),
        ("Building", "PVInstallation", "inside", {"home1": ["pv1"], "home2": ["pv2"]}),
        ("Area", "PVInstallation", "any", {"area": ["pv1", "pv2"]}),
        ("PVInstallation", "EnergySystem", "any", {"pv1": ["town"], "pv2": ["town"]}),
        ("PVInstallation", "Building", "around", {"pv1": ["home1"], "pv2": ["home2"]}),
        ("PVInstallation", "Building", "inside", {"pv1": [], "pv2": []}),
        ("PVInstallation", "EConnection", "beside", {"pv1": ["ec1"], "pv2": ["ec2"]}),
        ("PVInstallation", "PVInstallation", "any", {"pv1": [], "pv2": []}),
        ("PVInstallation", "PVInstallation", "same", {"pv1": ["pv1"], "pv2": ["pv2"]}),
        ("PVInstallation", "PVInstallation", "all", {"pv1": ["pv1", "pv2"], "pv2": ["pv1", "pv2"]}),
    ],
)
def test_which_objects_feed_an_input(
    esdl_type: str, source_type: str, connected: str, seen: dict[str, list[str]]
) -> None:
    assert sources_seen(esdl_type, source_type, connected) == seen


def test_services_feed_each_other_within_a_step_in_any_order() -> None:
    panels = service("panels", "PVInstallation", lambda pv: pv.time.number * 10.0)
    connection = service(
        "connection",
        "EConnection",
        lambda each: each["sun"].sum() + 1,
        inputs=[Input("sun", source="panels", output="out")],
    )
    transformer = service(
        "transformer",
        "Transformer",
        lambda each: each["homes"].sum(),
        inputs=[Input("homes", "EConnection", output="out")],
    )
    bench = Bench(transformer, connection, panels, esdl=XML)
    assert [step["tr"]["out"] for step in bench.run(3)] == [22.0, 42.0, 62.0]


def test_previous_breaks_a_circle_and_starts_with_start() -> None:
    def next_of(each: Context) -> float:
        return each["far"].sum() + 1

    def circle(*, previous: bool) -> Bench:
        far = Input("far", source="connection", output="out", previous=previous, start=100.0)
        panels = service("panels", "PVInstallation", next_of, inputs=[far])
        near = Input("far", source="panels", output="out")
        return Bench(panels, service("connection", "EConnection", next_of, inputs=[near]), esdl=XML)

    steps = circle(previous=True).run(3)
    assert [(step["pv1"]["out"], step["ec1"]["out"]) for step in steps] == [(101, 102), (103, 104), (105, 106)]
    with pytest.raises(BenchError, match=r"form a circle: give one of the inputs previous=True"):
        circle(previous=False).step()


def test_a_slow_service_is_seen_with_its_last_value() -> None:
    panels = service("panels", "PVInstallation", lambda pv: pv.time.number, period=2700, offset=900)
    seen = service(
        "connection",
        "EConnection",
        lambda each: [*each["now"].values(), *each["before"].values()],
        inputs=[
            Input("now", source="panels", output="out", start=-1.0),
            Input("before", source="panels", output="out", previous=True, start=-2.0),
        ],
        list=True,
    )
    steps = Bench(panels, seen, esdl=XML).run(7)
    assert [step["ec1"]["out"] for step in steps] == [
        (-1, -2),
        (2, -2),
        (2, 2),
        (2, 2),
        (5, 2),
        (5, 5),
        (5, 5),
    ]


def test_a_fast_service_is_seen_by_a_slow_one_as_it_is_then() -> None:
    panels = service("panels", "PVInstallation", lambda pv: pv.time.number)
    slow = service(
        "connection",
        "EConnection",
        lambda each: [each["now"].only(), each["before"].only()],
        inputs=[
            Input("now", source="panels", output="out"),
            Input("before", source="panels", output="out", previous=True),
        ],
        list=True,
        period=1800,
        offset=900,
    )
    steps = Bench(panels, slow, esdl=XML).run(5)
    assert "ec1" not in steps[0]
    assert [step["ec1"]["out"] for step in steps[1:]] == [(2, 1), (2, 1), (4, 3), (4, 3)]


def test_calculations_of_one_service_feed_each_other() -> None:
    both = CalculationService("both", "PVInstallation")

    @both.calculation(inputs=[Input("forecast", source="both", connected="same")], outputs=[Output("power")])
    def power(pv: Context) -> float:
        return sum(pv["forecast"].lists[pv.object.id])

    @both.calculation(outputs=[Output("forecast", list=True)])
    def forecast(pv: Context) -> list[float]:
        return [1.0, 2.0, pv.time.number]

    assert [step["pv1"]["power"] for step in Bench(both, esdl=XML).run(2)] == [4.0, 5.0]


def test_state_is_an_objects_own_and_lives_on() -> None:
    def count(pv: Context) -> float:
        pv.state["n"] = pv.state.get("n", 0) + 1
        return float(pv.state["n"])

    assert [step["pv2"]["out"] for step in Bench(service("panels", "PVInstallation", count), esdl=XML).run(3)] == [
        1,
        2,
        3,
    ]


def test_the_context_tells_time_parameters_and_simulation() -> None:
    made = CalculationService("panels", "PVInstallation", parameters={"factor": 2.0})
    seen: list[Context] = []

    @made.calculation(outputs=[Output("out")])
    def look(pv: Context) -> float:
        seen.append(pv)
        return pv.parameters["factor"]

    bench = Bench(made, esdl=XML, start="2024-01-01 12:00", step_seconds=1800, parameters={"panels": {"factor": 3.0}})
    assert bench.run(2)[1]["pv1"]["out"] == 3.0
    last = seen[-1]
    assert last.time.at.isoformat() == "2024-01-01T12:30:00+00:00"
    assert (last.time.number, last.time.hours, last.simulation.step_seconds) == (2, 0.5, 1800)


def test_an_optional_input_has_its_default() -> None:
    inputs = [Input("sun", source="weather", default=7.0)]
    alone = service("panels", "PVInstallation", lambda pv: pv["sun"].sum() + pv["sun"].only(), inputs=inputs)
    assert Bench(alone, esdl=XML).step()["pv1"]["out"] == 14.0


@pytest.mark.parametrize(
    ("needed", "sources", "message"),
    [
        (Input("sun", "weather"), {}, "'weather', which is neither a service nor an ESDL type of this simulation"),
        (Input("sun", "Building"), {"a": "Building", "b": "Building"}, "more than one service computes for Building"),
        (Input("sun", "panels"), {}, "asks this service itself for 'sun', which is none of its outputs"),
    ],
)
def test_an_input_that_nobody_can_give(needed: Input, sources: dict[str, str], message: str) -> None:
    with pytest.raises(ParametersError, match=message):
        Bench(service("panels", "PVInstallation", lambda _: 0.0, inputs=[needed]), esdl=XML, sources=sources)


def test_an_input_without_any_source_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    needed = Input("sun", "PVInstallation", connected="ports")
    with caplog.at_level(logging.WARNING):
        Bench(service("tr", "Transformer", lambda _: 0.0, inputs=[needed]), esdl=XML, sources={"pv": "PVInstallation"})
    assert "input 'sun' has no source" in caplog.text


def test_only_wants_exactly_one() -> None:
    needed = Input("homes", "far", connected="inside")
    bench = Bench(
        service("area", "Area", lambda each: each["homes"].only(), inputs=[needed]),
        esdl=XML,
        sources={"far": "Building"},
    )
    with pytest.raises(CalculationFailed, match="'<lambda>' of Area 'Area'") as failed:
        bench.step(homes={"home1": 1.0, "home2": 2.0})
    assert "only() needs exactly one source, here are 2: home1, home2" in str(failed.value.__cause__)


def test_what_the_bench_must_be_given() -> None:
    def bench() -> Bench:
        needed = Input("homes", "far", connected="inside")
        made = service("area", "Area", lambda each: each["homes"].sum(), inputs=[needed])
        return Bench(made, esdl=XML, sources={"far": "Building"})

    with pytest.raises(BenchError, match="needs values for the input 'homes'"):
        bench().step()
    with pytest.raises(BenchError, match="needs a value of 'home2'"):
        bench().step(homes={"home1": 1.0})
    with pytest.raises(BenchError, match="'cars' is not an input from outside"):
        bench().step(cars=1.0)
    with pytest.raises(BenchError, match="has no Windmill"):
        Bench(service("mill", "Windmill", lambda _: 0.0), esdl=XML)
    kept = bench()
    assert [kept.step(homes=2.0)["area"]["out"], kept.step()["area"]["out"]] == [4.0, 4.0], "values hold"
