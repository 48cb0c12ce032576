from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.dialects.dots.dealing import Share, deal
from podium.dialects.dots.esdl import Found, Inventory


def stock(*ids: str | None, kind: str = "PVInstallation", repeated: tuple[str, ...] = ()) -> Inventory:
    found = [Found(one, None) for one in ids]
    return Inventory({kind: found}, {kind: len(found)}, frozenset(repeated))


def share(number: int, kind: str = "PVInstallation") -> Share:
    return Share("calculation_services[0]", "pv_service", kind, number)


@settings(deadline=None)
@given(objects=st.integers(1, 300), models=st.integers(0, 400))
def test_each_object_is_in_one_model_and_order_is_kept(objects: int, models: int) -> None:
    ids = [f"id-{n}" for n in range(objects)]
    hands, faults = deal(stock(*ids), [share(models)])
    assert not faults
    assert [one for hand in hands for one in hand.esdl_ids] == ids
    size = ceil(objects / models) if models else 1
    assert [len(hand.esdl_ids) for hand in hands[:-1]] == [size] * (len(hands) - 1)
    assert 1 <= len(hands[-1].esdl_ids) <= size
    assert [hand.model for hand in hands] == [f"pv-service-{n}" for n in range(1, len(hands) + 1)]


@pytest.mark.parametrize(
    ("inventory", "problem", "hint"),
    [
        (stock("a", None, "c"), "PVInstallation no. 2 without an id", "its own id"),
        (stock("a", "b", "a", repeated=("a",)), "PVInstallation 'a' with an id that occurs more than once", "its own"),
        (stock("a b"), r"'a b' \(a space\)", "letters"),
        (stock("a/b", "c#", "d\u0007"), r"'a/b' \(/\), 'c#' \(#\), 'd\\x07' \(\\x07\)", "letters"),
        (stock(), "no object of type PVInstallation", "Leave the service out"),
    ],
)
def test_objects_that_cannot_be_dealt_are_named(inventory: Inventory, problem: str, hint: str) -> None:
    hands, faults = deal(inventory, [share(1)])
    assert hands == []
    assert len(faults) == 1
    assert faults[0].where == "calculation_services[0].esdl_type"
    with pytest.raises(Exception, match=problem):
        raise RuntimeError(faults[0].what)
    assert hint in str(faults[0].hint)


def test_an_id_repeated_elsewhere_does_not_matter() -> None:
    hands, faults = deal(stock("a", repeated=("b",)), [share(1)])
    assert [hand.esdl_ids for hand in hands] == [("a",)]
    assert not faults


def test_an_unknown_type_is_refused_with_what_may_be_meant() -> None:
    _, faults = deal(stock("a"), [share(1, "PvInstalation")])
    assert faults[0].what == "ESDL has no type 'PvInstalation'"
    assert "PVInstallation" in str(faults[0].hint)


def test_a_general_type_is_refused_with_the_kinds_there_are() -> None:
    _, faults = deal(stock("a", "b"), [share(1, "Producer")])
    assert "PVInstallation (2)" in str(faults[0].hint)
