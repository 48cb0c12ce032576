"""Data on the wire, and who subscribes to what."""

from __future__ import annotations

import struct

import pytest

from podium.sdk import EnergySystem, Simulation, wire
from podium.sdk.context import Value
from podium.sdk.model import Datum
from podium.sdk.parameters import ModelParameters, ServiceEntry
from podium.sdk.wiring import Wiring
from tests.sdk.esdl import XML
from tests.sdk.orchestrator import data, foreign_data, number, text
from tests.sdk.services import connection

TOPIC = "/data/panels/model/sim-1/pv1/power"
PACKED = struct.pack("<2d", 1.0, 2.0)


@pytest.mark.parametrize(
    ("value", "numbered", "golden"),
    [
        (2.5, False, data("pv1", 2.5)),
        (0.0, True, data("pv1", 0.0, 300)),
        (None, True, text(1, "pv1") + number(4, 300)),
        ((1.0, 2.0), True, text(1, "pv1") + b"\x1a\x10" + PACKED + number(4, 300)),
    ],
)
def test_golden_bytes(value: Value | None, golden: bytes, *, numbered: bool) -> None:
    datum = Datum("panels", "pv1", "power", 300, value)
    assert wire.encode(datum, numbered=numbered) == golden
    assert wire.decode(TOPIC, golden) == Datum("panels", "pv1", "power", 300 if numbered else 0, value)


@pytest.mark.parametrize(("values", "read"), [((5.0,), 5.0), ((5.0, 6.0), (5.0, 6.0)), ((), None)])
def test_a_packed_list_in_field_2_is_read(values: tuple[float, ...], read: Value | None) -> None:
    assert wire.decode(TOPIC, foreign_data("pv1", *values)).value == read


@pytest.mark.parametrize(
    ("topic", "payload"),
    [("/data/panels/power", b""), (TOPIC, b"\xff"), (TOPIC, data("pv2", 1.0)), ("/log/a/b/c/d/e", b"")],
)
def test_what_is_no_data(topic: str, payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"data"):
        wire.decode(topic, payload)


def patterns(*ids: str) -> set[tuple[str, str, str]]:
    system = EnergySystem(XML)
    entries = (ServiceEntry("connection", "EConnection", 2), ServiceEntry("panels", "PVInstallation", 0))
    objects = tuple(system.objects[esdl_id] for esdl_id in ids)
    given = ModelParameters(Simulation("", 0, 900, 1, system), entries, objects, protocol_version=2)
    return set(Wiring(connection.service, given).patterns(ids))


def test_one_subscription_where_all_objects_count() -> None:
    assert patterns("ec1", "ec2") == {("panels", "+", "power")}


def test_no_subscription_to_what_does_not_count() -> None:
    assert patterns("ec1") == {("panels", "pv1", "power")}


@pytest.mark.parametrize(
    ("objects", "models", "dealt"),
    [(5, 2, [1, 1, 1, 2, 2]), (5, 4, [1, 1, 2, 2, 3]), (3, 0, [1, 2, 3]), (2, 9, [1, 2]), (0, 2, [])],
)
def test_objects_are_dealt_to_models_in_chunks(objects: int, models: int, dealt: list[int]) -> None:
    system = EnergySystem("<a>" + "".join(f'<home id="{n}"/>' for n in range(objects)) + "</a>")
    assert [model for _, model in ServiceEntry("my_pv", "Home", models).models_of(system)] == [
        f"my-pv-{number}" for number in dealt
    ]
