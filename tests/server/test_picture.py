"""Where jobs stand in the picture of their graph."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from podium.server.picture import BELOW, HEIGHT, MOST_JOBS, WIDTH, layers, picture

JOBS = [
    {"job": "last", "kind": "http", "after": []},
    {"job": "report", "kind": "python", "after": ["cost", "load"]},
    {"job": "load", "kind": "python", "after": []},
    {"job": "cost", "kind": "python", "after": ["load"]},
]


def test_a_job_stands_behind_all_it_waits_for():
    assert layers(JOBS) == [["load"], ["cost"], ["report"], ["last"]]
    assert layers([]) == []


def drawn(**after: list[str]) -> list[dict[str, object]]:
    return [{"job": name, "kind": "python", "after": list(named), "state": "waiting"} for name, named in after.items()]


def test_what_waits_is_to_the_right_of_what_it_waits_for_and_none_cover_another():
    jobs = drawn(a=[], b=[], c=["a", "b"], d=["a"], e=["c", "d"], last=[])
    found = picture(jobs)
    assert found is not None
    at = {box.job["job"]: (box.x, box.y) for box in found.boxes}
    for job in jobs:
        for before in job["after"]:
            assert at[before][0] + WIDTH < at[job["job"]][0]
    places = sorted(at.values())
    for (x, y), (other_x, other_y) in pairwise(places):
        assert x != other_x or other_y - y >= HEIGHT + BELOW
    assert max(x + WIDTH for x, _ in places) < found.width
    assert max(y + HEIGHT for _, y in places) < found.height
    assert len(found.arrows) == 6  # to the last one only from what nobody waits for


def test_columns_are_ordered_so_that_arrows_need_not_cross():
    found = picture(drawn(a=[], b=[], of_b=["b"], of_a=["a"]))
    assert found is not None
    at = {box.job["job"]: box.y for box in found.boxes}
    assert (at["of_a"], at["of_b"]) == (at["a"], at["b"])


def test_an_arrow_goes_from_edge_to_edge():
    found = picture(drawn(a=[], b=["a"]))
    assert found is not None
    [first, second] = found.boxes
    numbers = [int(number) for number in re.findall(r"\d+", found.arrows[0])]
    assert numbers[:2] == [first.x + WIDTH, first.y + HEIGHT // 2]
    assert numbers[-2:] == [second.x, second.y + HEIGHT // 2]


@pytest.mark.parametrize("jobs", [[], drawn(**{f"j{n}": [] for n in range(MOST_JOBS + 1)})])
def test_what_is_too_much_is_not_drawn(jobs):
    assert picture(jobs) is None


def test_nor_are_thousands_of_arrows():
    first = {f"a{n}": [] for n in range(50)}
    assert picture(drawn(**first, **{f"b{n}": list(first) for n in range(41)})) is None
