"""Faults as they are told."""

from __future__ import annotations

from podium.errors import Fault
from podium.faults import in_order

GIVEN = {"b": {"x.y": {"k": 1}, "x": 2}, "a": [{"n": 1}, {"m": 2, "n": 3}], "c[0]": 4}


def test_they_stand_as_in_the_document():
    places = ["", "b", "b.x.y.k", "b.x", "b.missing", "a[0].n", "a[1]", "a[1].m", "a[1] (step z).n", "c[0]", "z"]
    told = in_order([Fault(place, "is wrong") for place in reversed(places)], GIVEN)
    assert [fault.where for fault in told] == places


def test_a_fault_that_two_looks_find_is_told_once():
    assert in_order([Fault("a", "x"), Fault("b", "y"), Fault("a", "x")], GIVEN) == [Fault("b", "y"), Fault("a", "x")]
