from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from podium.dialects.dots.hearing import Ear, Heard
from podium.engines.simulation.messages import (
    AllEnded,
    AllReady,
    Answered,
    Calculation,
    ModelEnded,
    ModelFailed,
    Parameterized,
    StillWaiting,
)
from podium.runs.machine import Input
from podium.sdk import lifecycle_pb2 as pb

NOW = 1000.0


def hear(topic: str, golden: str = "") -> tuple[Heard | None, Counter[str]]:
    ear = Ear(Counter())
    return ear.hear(topic, bytes.fromhex(golden), NOW), ear.dropped


@pytest.mark.parametrize(
    ("topic", "golden", "what"),
    [
        ("mso/dots-so/s/ModelsReady", "", AllReady(NOW)),
        ("mso/dots-so/s/AllModelsHaveTerminated", "", AllEnded(NOW)),
        ("model/dots-so/s/m-1/CalculationsDone", "", Answered(NOW, "m-1")),
        ("model/dots-so/s/m-1/CalculationsDone", "0805", Answered(NOW, "m-1", 5)),
        ("model/dots-so/s/m-1/Parameterized", "", Parameterized(NOW, "m-1")),
        ("model/dots-so/s/m-1/Parameterized", "0802", Parameterized(NOW, "m-1", 2)),
        (
            "model/dots-so/s/m-1/Parameterized",
            "0802120c0a036461791080a30518901c",
            Parameterized(NOW, "m-1", 2, (Calculation("day", 86_400, 3600),)),
        ),
        (
            "model/dots-so/s/m-1/Parameterized",
            "08021a0d0a027076120470656e641a0157",
            Parameterized(NOW, "m-1", 2, units=(("pv", "pend", "W"),)),
        ),
        ("model/dots-so/s/m-1/ErrorOccurred", "0a066e6f2073756e", ModelFailed(NOW, "m-1", "no sun")),
        (
            "model/dots-so/s/m-1/StillWaiting",
            "08051203702d311203702d32",
            StillWaiting(NOW, "m-1", 5, frozenset({"p-1", "p-2"})),
        ),
        (
            "model/dots-so/s/m-1/ErrorOccurred",
            "",
            ModelFailed(NOW, "m-1", "it reports an error without a message"),
        ),
        ("mso/dots-so/s/m-1/ModelHasTerminated", "", ModelEnded(NOW, "m-1", success=True, exit_code=0)),
        ("mso/dots-so/s/m-1/ModelHasTerminated", "08011003", ModelEnded(NOW, "m-1", success=False, exit_code=3)),
        ("mso/dots-so/s/m-1/ModelHasTerminated", "0801", ModelEnded(NOW, "m-1", success=False)),
        (
            "mso/dots-so/s/m-1/ModelHasTerminated",
            "080110031a04626f6f6d22026c3122026c32",
            ModelEnded(NOW, "m-1", success=False, exit_code=3, reason="boom", last_lines=("l1", "l2")),
        ),
    ],
)
def test_a_message_tells_its_run(topic: str, golden: str, what: Input) -> None:
    heard, dropped = hear(f"/lifecycle/{topic}", golden)
    assert heard == ("s", what)
    assert not dropped


@pytest.mark.parametrize(
    ("golden", "reason"),
    [
        ("0803", "version 3"),
        ("120012", "malformed"),
        ("12020a00", "period of 0 s"),
    ],
)
def test_parameters_that_cannot_be_met_fail_the_model(golden: str, reason: str) -> None:
    heard, dropped = hear("/lifecycle/model/dots-so/s/m-1/Parameterized", golden)
    if reason == "malformed":
        assert heard is None
        assert dropped == {"malformed body": 1}
    else:
        assert heard is not None
        assert isinstance(heard[1], ModelFailed)
        assert reason in heard[1].reason


def test_what_a_model_declares_has_bounds() -> None:
    ear, long = Ear(Counter()), "x" * 100_000
    topic = "/lifecycle/model/dots-so/s/m-1/Parameterized"
    said = pb.Parameterized(protocol_version=2)
    said.calculations.add(name=long, period_seconds=900)
    for _ in range(200):
        said.units.add(measurement=long, field=long, unit=long)
    heard = ear.hear(topic, said.SerializeToString(), NOW)
    short = "x" * 200
    assert heard == (
        "s",
        Parameterized(NOW, "m-1", 2, (Calculation(short, 900),), ((short, short, "x" * 40),) * 100),
    )
    for _ in range(1000):
        said.calculations.add(name="x", period_seconds=900)
    heard = ear.hear(topic, said.SerializeToString(), NOW)
    assert heard == ("s", ModelFailed(NOW, "m-1", "it declares more than 1000 calculations"))


@pytest.mark.parametrize(
    ("topic", "golden", "reason"),
    [
        ("/lifecycle/model/dots-so", "", "topic of the wrong length"),
        ("/lifecycle/model/dots-so/s/m-1/CalculationsDone/more", "", "topic of the wrong length"),
        ("/lifecycle/model/dots-so/s/m-1/Undefined", "", "unknown message"),
        ("/lifecycle/model/dots-so/s/ModelsReady", "", "unknown message"),
        ("/lifecycle/mso/dots-so/s/m-1/CalculationsDone", "", "unknown message"),
        ("/lifecycle/model/dots-so/s/m-1/ModelHasTerminated", "", "unknown message"),
        ("/lifecycle/model/dots-so/s/m-1/CalculationsDone", "ff", "malformed body"),
        ("/lifecycle/model/dots-so/s/m-1/ErrorOccurred", "0aff", "malformed body"),
        ("/lifecycle/model/dots-so/s/m-1/ErrorOccurred", "0a01ff", "malformed body"),
        ("/lifecycle/mso/dots-so/s/m-1/ModelHasTerminated", "1aff", "malformed body"),
    ],
)
def test_what_makes_no_sense_is_counted_and_logged(topic: str, golden: str, reason: str) -> None:
    with capture_logs() as logs:
        heard, dropped = hear(topic, golden)
    assert heard is None
    assert dropped == {reason: 1}
    assert [(entry["event"], entry["reason"], entry["topic"]) for entry in logs] == [
        ("dots.message_dropped", reason, topic)
    ]


def test_a_flood_does_not_fill_the_log() -> None:
    ear = Ear(Counter())
    with capture_logs() as logs:
        for _ in range(5000):
            ear.drop("malformed body", "/lifecycle")
    assert ear.dropped["malformed body"] == 5000
    assert len(logs) == 100 + len([128, 256, 512, 1024, 2048, 4096])


WORDS = (
    *("", "lifecycle", "model", "mso", "dots-so", "s", "..", "é"),
    *("CalculationsDone", "Parameterized", "ErrorOccurred", "ModelsReady"),
    *("ModelHasTerminated", "UnhealthyModel", "AllModelsHaveTerminated"),
)
LEVELS = st.sampled_from(WORDS) | st.text(max_size=5)


@settings(deadline=None, max_examples=500)
@given(topic=st.lists(LEVELS, max_size=9).map("/".join), payload=st.binary(max_size=40))
def test_nothing_that_arrives_can_break_it(topic: str, payload: bytes) -> None:
    ear = Ear(Counter())
    heard = ear.hear(topic, payload, NOW)
    assert heard is None or (isinstance(heard[0], str) and isinstance(heard[1], Input))
    assert heard is None or not ear.dropped


@settings(deadline=None, max_examples=500)
@given(
    word=st.sampled_from(["CalculationsDone", "Parameterized", "ErrorOccurred", "ModelHasTerminated"]),
    payload=st.binary(max_size=60),
)
def test_a_body_is_understood_or_dropped(word: str, payload: bytes) -> None:
    sender = "mso" if word == "ModelHasTerminated" else "model"
    ear = Ear(Counter())
    heard = ear.hear(f"/lifecycle/{sender}/dots-so/s/m/{word}", payload, NOW)
    assert (heard is None) == (ear.dropped == {"malformed body": 1})
    assert heard is None or heard[0] == "s"
