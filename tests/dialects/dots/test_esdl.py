from __future__ import annotations

import pytest

from podium.dialects.dots import metamodel
from podium.dialects.dots.esdl import Unreadable, take_stock
from tests.dialects.dots.bodies import HEAD, esdl

BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(12))


def test_objects_come_in_document_order_with_their_names() -> None:
    stock = take_stock(esdl(3).encode(), ["PVInstallation", "EnergySystem"])
    assert [(one.id, one.name) for one in stock.objects["PVInstallation"]] == [
        ("pv-0", "pv 0"),
        ("pv-1", "pv 1"),
        ("pv-2", "pv 2"),
    ]
    assert [one.id for one in stock.objects["EnergySystem"]] == ["system"]


def test_an_element_without_a_stated_type_has_the_one_of_the_metamodel() -> None:
    stock = take_stock(esdl(1).encode(), ["Area"])
    assert [one.id for one in stock.objects["Area"]] == ["area"]
    assert stock.counts["Point"] == 1


def test_a_reference_to_an_object_elsewhere_is_no_object() -> None:
    text = esdl(1, replace=("<port", '<dataSource xsi:type="esdl:DataSource" href="other.esdl#1"/><port'))
    assert take_stock(text.encode(), ["DataSource"]).objects["DataSource"] == []


def test_a_type_that_pyesdl_does_not_know_is_passed_over() -> None:
    text = esdl(1, replace=("esdl:Building", "esdl:SpaceStation"))
    stock = take_stock(text.encode(), ["SpaceStation", "PVInstallation"])
    assert [one.id for one in stock.objects["SpaceStation"]] == ["house-0"]
    assert [one.id for one in stock.objects["PVInstallation"]] == ["pv-0"]


def test_it_finds_what_pyesdl_finds() -> None:
    from esdl.esdl_handler import EnergySystemHandler

    text = esdl(4)
    loaded = EnergySystemHandler().load_from_string(text)
    kinds = {type(one).__name__ for one in loaded.eAllContents()}
    stock = take_stock(text.encode(), kinds)
    for kind in kinds:
        theirs = [one.id for one in loaded.eAllContents() if type(one).__name__ == kind and hasattr(one, "id")]
        assert [one.id for one in stock.objects[kind] if one.id] == theirs


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (f'<!DOCTYPE r [{BOMB}]><r a="&a11;"/>', "DOCTYPE"),
        (f"<!DOCTYPE r [{BOMB}]><r>&a11;</r>", "DOCTYPE"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r>&x;</r>', "DOCTYPE"),
        ('<!DOCTYPE r SYSTEM "http://localhost/r.dtd"><r/>', "DOCTYPE"),
        (f"{HEAD}&undeclared;", "not well-formed"),
        (f"{HEAD}<unclosed></instance>", "not well-formed"),
        (HEAD, "not well-formed"),
        ("", "not well-formed"),
        ("\0\1\2", "not well-formed"),
        ("<html><body/></html>", "not ESDL"),
        ('<EnergySystem xmlns="urn:other"/>', "not ESDL"),
        (f"{HEAD}{'<a>' * 100_000}", "not well-formed"),
    ],
)
def test_what_is_no_esdl_is_refused(document: str, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem) as refused:
        take_stock(document.encode(), ["PVInstallation"])
    assert refused.value.fault.hint


def test_a_doctype_is_seen_in_every_encoding() -> None:
    document = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE r><r/>'
    with pytest.raises(Unreadable, match="DOCTYPE"):
        take_stock(document.encode("utf-16"), [])


def test_a_document_larger_than_the_parsers_buffer_is_read() -> None:
    text = esdl(1, replace=("<port", f"{'<!-- a long remark -->' * 600_000}<port"))
    assert len(text) > 12_000_000
    assert take_stock(text.encode(), ["EConnection"]).counts["EConnection"] == 1


def test_the_metamodel_answers_by_name() -> None:
    assert metamodel.is_type("PVInstallation")
    assert not metamodel.is_type("PVInstalation")
    assert metamodel.close_to("pvinstalation")[0] == "PVInstallation"
    assert "PVInstallation" in metamodel.kinds_of("Producer")
    assert metamodel.part("EnergySystem", "instance") == "Instance"
    assert metamodel.part("InPort", "connectedTo") is None  # a reference, not a part
    assert metamodel.part("SpaceStation", "airlock") is None
