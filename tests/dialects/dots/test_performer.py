from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podium.bus.port import Message, RemembersLifecycle
from podium.dialects.dots import wire
from podium.dialects.dots.hearing import Ear
from podium.dialects.dots.performer import DotsPerformer, ModelAccess
from podium.dialects.dots.reading import Reader
from podium.engines.simulation.messages import (
    AllReady,
    Answered,
    Calculation,
    Deploy,
    Finish,
    Parameterize,
    Parameterized,
    Remove,
    Step,
    StepSent,
)
from podium.errors import Unavailable
from podium.runs.machine import Command, Performed
from podium.sdk import lifecycle_pb2 as pb
from tests.dialects.dots.bodies import content, service
from tests.dialects.dots.buses import Remembering, Written

NOW = 5.0
ACCESS = ModelAccess("broker", 1883, 1, "models", "pass-m", "series", 8086, "influx", "pass-i", "dots")
STEP = 1674604800


def document(**changes: Any) -> dict[str, Any]:
    return Reader("dots-so").read(content(**changes)).document


def performer(bus: Any, **settings: Any) -> DotsPerformer:
    return DotsPerformer(bus, Ear(Counter()), lambda: NOW, simulator="dots-so", access=ACCESS, **settings)


async def perform(
    command: Command, whole: dict[str, Any] | None = None, **settings: Any
) -> list[tuple[str, bytes, int]]:
    bus = Written()
    answer = await performer(bus, **settings).perform("s-1", whole or document(), command)
    assert answer == Performed(NOW, command.key)
    return bus.said


async def test_deploy_tells_each_model_all_it_has_to_know() -> None:
    services = [service(additional_env_variable={"COLOUR": "own"}), service("EConnection", "connection", 0)]
    [(topic, payload, qos)] = await perform(Deploy("deploy"), document(calculation_services=services))
    assert (topic, qos) == ("/lifecycle/dots-so/mso/s-1/DeployModels", 1)
    message = pb.DeployModels.FromString(payload)
    assert (message.simulatorId, message.keepLogsHours, len(message.modelConfigurations)) == ("dots-so", 1.0, 6)
    first, second = message.modelConfigurations[:2]
    assert (first.modelID, first.imageUrl) == ("pv-service-1", "an-image:1.0")
    assert {one.name: one.value for one in first.environmentVariables} == {
        "COLOUR": "own",
        "MQTT_HOST": "broker",
        "MQTT_PORT": "1883",
        "MQTT_QOS": "1",
        "MQTT_USERNAME": "models",
        "MQTT_PASSWORD": "pass-m",
        "SIMULATOR_ID": "dots-so",
        "SIMULATION_ID": "s-1",
        "MODEL_ID": "pv-service-1",
        "INFLUXDB_HOST": "series",
        "INFLUXDB_PORT": "8086",
        "INFLUXDB_USER": "influx",
        "INFLUXDB_PASSWORD": "pass-i",
        "INFLUXDB_NAME": "dots",
        "LOG_LEVEL": "DEBUG",
    }
    assert second.modelID == "connection-1"
    assert "COLOUR" not in {one.name for one in second.environmentVariables}


async def test_parameters_go_to_each_model_without_the_secrets_of_services() -> None:
    whole = document(calculation_services=[service(number=2, additional_env_variable={"COLOUR": "hidden"}, extra=7)])
    said = await perform(Parameterize("p", ("pv-service-1", "pv-service-2")), whole)
    assert [(topic, qos) for topic, _, qos in said] == [
        (f"/lifecycle/dots-so/model/s-1/pv-service-{n}/ModelParameters", 1) for n in (1, 2)
    ]
    given = [json.loads(pb.ModelParameters.FromString(payload).parameters_dict) for _, payload, _ in said]
    assert [one["esdl_ids"] for one in given] == [["pv-0", "pv-1", "pv-2"], ["pv-3", "pv-4"]]
    assert given[0]["calculation_services"] == [service(number=2, extra=7)]
    assert given[0]["esdl_base64string"] == whole["dots"]["body"]["esdl_base64string"]
    assert (given[0]["simulation_name"], given[0]["start_timestamp"]) == ("Two services", STEP)


async def test_a_step_goes_to_each_model_of_version_1() -> None:
    said = await perform(Step("step:2", 2, STEP, ("pv-service-1", "connection-service-1"), due=("pv-service-1",)))
    assert said == [
        (f"/lifecycle/dots-so/model/s-1/{model}/NewStep", wire.new_step(2, STEP), 0)
        for model in ("pv-service-1", "connection-service-1")
    ]


async def test_a_step_goes_once_to_all_of_version_2() -> None:
    whole = document()
    models = tuple(whole["dots"]["models"])
    [(topic, payload, _)] = await perform(Step("step:2", 2, STEP, (), broadcast=models, due=models), whole, step_qos=1)
    assert topic == "/lifecycle/dots-so/models/s-1/NewStep"
    assert payload == wire.new_step(2, STEP)


async def test_those_of_version_2_hear_who_is_due_and_what_is_lost() -> None:
    due, lost = ("connection-service-2",), ("pv-service-1",)
    [(_, payload, qos)] = await perform(Step("step:2", 2, STEP, (), broadcast=due, due=due, lost=lost), step_qos=1)
    assert payload == wire.new_step(2, STEP, due=due, lost_esdl_ids=[f"pv-{n}" for n in range(5)])
    assert qos == 1


async def test_old_time_stamps_can_be_had() -> None:
    step = Step("step:1", 1, STEP, ("pv-service-1",), due=("pv-service-1",))
    [(_, payload, _)] = await perform(step, legacy_time_stamps=True)
    assert payload == wire.new_step(1, STEP + 2 * 3600)


async def test_the_end_is_told() -> None:
    assert await perform(Finish("finish", ("a", "b"))) == [
        ("/lifecycle/dots-so/model/s-1/a/SimulationDone", b"", 1),
        ("/lifecycle/dots-so/model/s-1/b/SimulationDone", b"", 1),
    ]
    assert await perform(Remove("remove")) == [("/lifecycle/dots-so/mso/s-1/RemoveModels", b"", 1)]
    assert [topic for topic, *_ in await perform(Remove("remove:again:1", ("pv-1",)))] == [
        "/lifecycle/dots-so/model/s-1/pv-1/SimulationDone",
        "/lifecycle/dots-so/mso/s-1/RemoveModels",
    ]


async def test_secrets_are_not_shown() -> None:
    assert "pass" not in repr(ACCESS)


ANSWER = "/lifecycle/model/dots-so/s-1/{}/CalculationsDone"


def test_only_a_bus_with_a_memory_is_asked() -> None:
    assert isinstance(Remembering(), RemembersLifecycle)
    assert not isinstance(Written(), RemembersLifecycle)


async def test_without_a_memory_recovery_finds_nothing() -> None:
    found = await performer(Written()).recover("s-1", document())
    assert (list(found.inputs), found.complete) == ([], False)


async def test_what_the_broker_remembers_is_told_in_order_and_numbered() -> None:
    bus = Remembering()
    bus.keep("/lifecycle/mso/dots-so/s-1/ModelsReady")
    bus.keep("/lifecycle/model/dots-so/s-1/b/Parameterized", bytes.fromhex("0802"))
    bus.keep("/lifecycle/dots-so/model/s-1/a/NewStep", wire.new_step(6, STEP))
    bus.keep("/lifecycle/dots-so/models/s-1/NewStep", wire.new_step(6, STEP))
    bus.keep(ANSWER.format("a"))
    bus.keep(ANSWER.format("b"), bytes.fromhex("0806"))
    bus.keep("/lifecycle/dots-so/model/s-1/a/NewStep", wire.new_step(7, STEP))
    bus.keep("/lifecycle/dots-so/model/other/a/NewStep", wire.new_step(3, STEP))
    bus.keep("/lifecycle/dots-so/model/s-1/a/NewStep", b"\xff")
    bus.keep(ANSWER.format("a"))
    found = await performer(bus).recover("s-1", document())
    assert found.complete
    assert list(found.inputs) == [
        AllReady(NOW),
        Parameterized(NOW, "b", 2),
        StepSent(NOW, "a", 6),
        StepSent(NOW, None, 6),
        Answered(NOW, "a", 6),
        Answered(NOW, "b", 6),
        StepSent(NOW, "a", 7),
        Answered(NOW, "a", 7),
    ]


@pytest.mark.parametrize("lived", [False, True], ids=["after a restart", "after a lost link"])
async def test_an_answer_to_a_step_that_is_kept_no_more_is_not_one_to_the_current(lived: bool) -> None:
    bus = Remembering()
    ours = performer(bus)
    if lived:
        await ours.perform("s-1", document(), Step("step:8", 8, NOW, ("a",), (), ("a",), ()))
    bus.keep(ANSWER.format("a"))
    bus.keep("/lifecycle/dots-so/model/s-1/a/NewStep", wire.new_step(8, STEP))
    assert list((await ours.recover("s-1", document())).inputs) == [StepSent(NOW, "a", 8)]
    assert ours.complete("s-1", Answered(NOW, "a")) == Answered(NOW, "a", 8)


async def test_an_answer_that_comes_while_it_is_recalled_gets_its_number() -> None:
    bus = Remembering()
    bus.keep("/lifecycle/dots-so/model/s-1/a/NewStep", wire.new_step(7, STEP))
    ours = performer(bus)
    assert ours.complete("s-1", Answered(NOW, "a")) is None  # the memory has it
    bus.meanwhile = lambda: heard.append(ours.complete("s-1", Answered(NOW, "a")))
    heard: list[Any] = []
    found = await ours.recover("s-1", document())
    assert heard == [None]
    assert list(found.inputs) == [StepSent(NOW, "a", 7), Answered(NOW, "a", 7)]
    assert ours.complete("s-1", Answered(NOW, "a")) == Answered(NOW, "a", 7)


async def test_a_memory_that_cannot_be_read_makes_recovery_incomplete() -> None:
    class Broken(Remembering):
        async def recall(self, pattern: str) -> AsyncIterator[Message]:
            self.meanwhile()
            raise Unavailable("the broker's memory cannot be read")
            yield

    bus = Broken()
    ours = performer(bus)
    bus.meanwhile = lambda: ours.complete("s-1", Answered(NOW, "a"))
    found = await ours.recover("s-1", document())
    assert (list(found.inputs), found.complete) == ([Answered(NOW, "a")], False)


async def test_an_answer_is_to_the_step_that_was_sent() -> None:
    ours = performer(Written())
    assert ours.complete("s-1", Answered(NOW, "a")) == Answered(NOW, "a")
    await ours.perform("s-1", document(), Step("step:4", 4, STEP, ("a",), due=("a",)))
    assert ours.complete("s-1", Answered(NOW, "a")) == Answered(NOW, "a", 4)
    assert ours.complete("s-1", Answered(NOW, "b")) == Answered(NOW, "b")


async def test_the_document_may_declare_calculations_for_a_service() -> None:
    ours = performer(Written())
    whole = document(calculation_services=[service(calculations=[{"name": "day", "period_seconds": 86_400}])])
    await ours.perform("s-1", whole, Parameterize("p", ("pv-service-1",)))
    declared = (Calculation("day", 86_400),)
    assert ours.complete("s-1", Parameterized(NOW, "pv-service-1")) == Parameterized(NOW, "pv-service-1", 1, declared)
    own = Parameterized(NOW, "pv-service-1", 2, (Calculation("hour", 3600),))
    assert ours.complete("s-1", own) == own


async def test_an_ended_run_is_forgotten() -> None:
    bus = Remembering()
    ours = performer(bus)
    await ours.recover("s-1", document())
    assert ours.knows("s-1", "pv-service-1")
    await ours.released("s-1")
    assert not ours.knows("s-1", "pv-service-1")
    assert bus.forgotten == ["/lifecycle/+/+/s-1/#"]


async def test_an_unknown_command_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError):
        await performer(Written()).perform("s-1", document(), Command("x"))
