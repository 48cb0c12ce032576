"""What a call takes from earlier jobs."""

from __future__ import annotations

import pytest

from podium.errors import DocumentRefused
from podium.jobs.references import resolved, results_named

RESULTS = {"clean": {"columns": ["a", "b"], "x/y": {"~": 1}}, "two words": 5, "odd": {"$secret": "password"}}


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ({"$result": "two words"}, 5),
        ({"$result": "clean/columns/1"}, "b"),
        ({"$result": "clean/x~1y/~0"}, 1),
        ({"$item": ""}, {"name": "n"}),
        ({"$item": "/name"}, "n"),
        ({"a": [{"b": {"$result": "two words"}}], "c": None}, {"a": [{"b": 5}], "c": None}),
        ({"$result": "two words", "beside": 1}, {"$result": "two words", "beside": 1}),
    ],
)
def test_it_is_put_in_place(call, value):
    assert resolved(call, RESULTS, {"name": "n"}) == value


def test_the_last_job_is_told_how_the_rest_ended():
    outcome = {"state": "succeeded", "failed": {}}
    call = {"state": {"$outcome": "/state"}, "reason": {"$outcome": "/reason"}}
    assert resolved(call, RESULTS, None, outcome) == {"state": "succeeded", "reason": None}
    with pytest.raises(DocumentRefused, match="the last job alone"):
        resolved(call, RESULTS, None)


def test_a_result_is_never_taken_for_a_reference():
    assert resolved({"$result": "odd"}, RESULTS, None) == {"$secret": "password"}


@pytest.mark.parametrize(
    "path", ["absent", "clean/none", "clean/columns/2", "clean/columns/-1", "two words/0", "clean/"]
)
def test_what_is_not_there_is_named(path):
    with pytest.raises(DocumentRefused, match=r"job 'absent'|the result of .* has no '/"):
        resolved({"$result": path}, RESULTS, None)


def test_the_jobs_it_needs():
    call = {"a": {"$result": "one/x"}, "b": [{"$result": "two"}, {"$item": "/k"}], "c": {"$secret": "s"}}
    assert sorted(results_named(call)) == ["one", "two"]


@pytest.mark.parametrize("call", [{"$result": 1}, {"$result": "a", "b": 1}, {"$item": "name"}, {"$item": None}])
def test_what_is_no_reference(call):
    with pytest.raises(DocumentRefused, match="no way to name a result"):
        list(results_named({"x": [call]}))
