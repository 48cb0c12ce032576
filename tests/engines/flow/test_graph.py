"""All that is wrong with a graph is named, with its place."""

from __future__ import annotations

import graphlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.engines.flow.document import FlowDocument
from podium.engines.flow.graph import check_graph


def faults(jobs, **flow):
    jobs = {name: {"kind": "any", **job} for name, job in jobs.items()}
    if "last" in flow:
        flow["last"] = {"kind": "any", **flow["last"]}
    return [str(fault) for fault in check_graph(FlowDocument(jobs=jobs, **flow))]


def test_a_graph_without_fault():
    jobs = {"a": {}, "b c-d.é": {"after": ["a"], "each": "a"}, "alone": {}}
    assert faults(jobs, last={"after": ["alone"]}, reuse={"a": []}) == []


@pytest.mark.parametrize("name", ["a[0]", "a]", "a#1", "a/b", "a\nb", "a\0"])
def test_names_that_cannot_be(name):
    assert len(faults({name: {}})) == 1
    assert "cannot be the name" in faults({name: {}})[0]


def test_names_that_are_none_or_taken():
    assert faults({" ": {}}) == ["jobs. : a job needs a name"]
    assert "comes after all others" in faults({"last": {}})[0]


def test_every_fault_of_the_edges():
    assert faults(
        {
            "a": {"after": ["nobody", "a"]},
            "b": {"after": ["c", "c"], "each": "d"},
            "c": {},
            "d": {},
        },
        last={"after": ["no one"], "each": "no one"},
        reuse={"gone": 1},
    ) == [
        "jobs.a.after: there is no such job as 'nobody'",
        "jobs.a.after: the job waits for itself",
        "jobs.b.after: 'c' is named twice",
        "jobs.b.each: 'd' is not one of the jobs named by `after`",
        "last.after: there is no such job as 'no one'",
        "last.each: the last job is performed once",
        "reuse.gone: there is no such job",
    ]


def test_the_jobs_on_a_cycle_are_named_in_order():
    jobs = {"a": {"after": ["c"]}, "b": {"after": ["a"]}, "c": {"after": ["b"]}, "behind": {"after": ["c"]}}
    (fault,) = faults(jobs)
    assert "these jobs wait for each other: " in fault
    cycle = fault.split(": ")[-1].split(" after ")
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {"a", "b", "c"}
    assert all(before in jobs[job]["after"] for job, before in pairwise(cycle))


def test_every_cycle_is_named_up_to_a_point():
    pairs = {f"{side}{n}": {"after": [f"{other}{n}"]} for n in range(3) for side, other in ("ab", "ba")}
    assert len(faults(pairs)) == 3
    many = {f"{side}{n}": {"after": [f"{other}{n}"]} for n in range(100) for side, other in ("ab", "ba")}
    assert len(faults(many)) == 10


def test_a_long_cycle_is_told_in_short():
    (fault,) = faults({f"j{n}": {"after": [f"j{(n + 1) % 5000}"]} for n in range(5000)})
    assert len(fault) < 500
    assert "(4981 more)" in fault


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14))
def test_a_cycle_is_found_where_there_is_one(edges):
    jobs = {str(n): {"after": sorted({str(b) for a, b in edges if a == n and b != n})} for n in range(8)}
    try:
        graphlib.TopologicalSorter({name: job["after"] for name, job in jobs.items()}).prepare()
    except graphlib.CycleError:
        assert faults(jobs)
    else:
        assert not faults(jobs)
