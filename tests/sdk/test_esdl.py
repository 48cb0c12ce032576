"""The energy system as services see it."""

from __future__ import annotations

import pytest

from podium.sdk import EnergySystem, EsdlError
from tests.sdk.esdl import BASE64, XML


def test_objects_by_type_in_document_order() -> None:
    system = EnergySystem.from_base64(BASE64)
    assert [thing.id for thing in system.of_type("PVInstallation")] == ["pv1", "pv2"]
    assert [thing.id for thing in system.of_type("EnergySystem")] == ["town"]
    assert system.of_type("Windmill") == ()
    assert str(system.objects["pv1"]) == "PVInstallation 'Panel 1' (pv1)"


def test_connections_are_seen_from_both_ends() -> None:
    objects = EnergySystem(XML).objects
    assert [thing.id for thing in objects["tr"].connected] == ["ec1", "ec2"]
    assert [thing.id for thing in objects["ec2"].connected] == ["tr", "pv2"], "the file says so at one end only"
    assert objects["ec2"].ports[0].connected_to == ("tr-out",)
    assert objects["ec2"].ports[0].type == "InPort"


def test_containment_and_location() -> None:
    objects = EnergySystem(XML).objects
    assert [thing.id for thing in objects["pv1"].ancestors] == ["home1", "area", "instance", "town"]
    assert objects["pv1"].location == (52.1, 5.2), "its own place is on a drawing"
    assert objects["pv2"].location is None


def test_attributes() -> None:
    objects = EnergySystem(XML).objects
    assert objects["pv1"].number("panelEfficiency") == 0.2
    assert objects["pv2"].number("panelEfficiency", 0.15) == 0.15
    with pytest.raises(EsdlError, match=r"Panel 2.* has no attribute 'panelEfficiency'"):
        objects["pv2"].number("panelEfficiency")
    with pytest.raises(EsdlError, match="is 'Panel 1', not a number"):
        objects["pv1"].number("name")


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<a", "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"), "DOCTYPE"),
    ],
)
def test_bad_files_are_refused(xml: str | bytes, message: str) -> None:
    with pytest.raises(EsdlError, match=message):
        EnergySystem(xml)


def test_bad_base64_is_refused() -> None:
    with pytest.raises(EsdlError, match="base64"):
        EnergySystem.from_base64("%%%")


def test_a_deep_file_is_read() -> None:
    depth = 20_000
    xml = "".join(f'<a id="{n}">' for n in range(depth)) + "</a>" * depth
    assert len(EnergySystem(xml).objects) == depth
