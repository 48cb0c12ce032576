"""What a restart is proposed with, and that what is shown can be typed."""

from __future__ import annotations

import shlex

import pytest

from podium.cli.graphs import _edits
from podium.engines.flow.progress import JobProgress, JobStanding, Progress
from podium.server.again import call_shown, meaning, proposals, words

FAILED, DONE = JobProgress(JobStanding.FAILED), JobProgress(JobStanding.SUCCEEDED)


def proposed(name: str, **job: object) -> list[dict[str, object]]:
    progress = Progress(jobs={"load": DONE, name: FAILED})
    return list(proposals({"load": {}, name: job}, progress))


def test_without_a_failed_job_there_is_one_way():
    assert proposals({"load": {}}, Progress(jobs={"load": JobProgress(JobStanding.CANCELLED)})) == [{}]


def test_what_came_before_and_another_value_are_proposed():
    call = {"function": "steps:clean", "arguments": {"rows": {"$result": "load"}, "day": 3}}
    assert proposed("clean", after=["load"], call=call) == [
        {},
        {"from": ["load"]},
        {"edit": {"clean": {"arguments": {"day": 3}}}},
    ]
    assert words("r-1", {"from": ["load"]}) == ["podium", "restart", "r-1", "--from", "load"]


def test_what_says_how_a_job_is_performed_is_not_proposed():
    assert proposed("3", call={"title": "cleaning", "step": 3}) == [{}]
    assert proposed("web", call={"url": "http://x/", "body": {"at": "http://user:word@x/", "long": "x" * 99}}) == [{}]


def test_a_column_is_proposed_before_parameters():
    [_, how] = proposed("8", call={"title": "classification", "params": {"depth": 3}, "column": "lat"})
    assert words("r-1", how) == ["podium", "restart", "r-1", "--edit", "8.column=lat"]


def test_forgotten_secrets_are_to_be_given_again():
    call = {"headers": {"Key": {"$secret": "r.0"}, "Other": {"$secret": "r.1"}}, "body": {"day": 3}}
    jobs = {"load": {"call": call}, "web": {"call": call}}
    [how] = proposals(jobs, Progress(jobs={"load": DONE, "web": FAILED}), {"r.1"})
    assert how == {"edit": {"web": {"headers": {"Key": {"$private": "..."}}}}}
    typed = words("r-1", how)
    assert typed == ["podium", "restart", "r-1", "--edit", 'web.headers.Key={"$private": "..."}']
    assert _edits(typed[-1:]) == how["edit"]
    assert "private" in meaning(how)
    assert proposals(jobs, Progress(jobs={"load": DONE, "web": FAILED}), {"r.0", "r.1"})[0] == {}


def test_all_others_have_ended_before_the_last_job():
    assert proposed("last", after=["load"], call={}) == [{}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("load", 3),
        ("load.raw", True),
        ("two words", "it's"),
        ("a=b", "4"),
        ("$(id)", "null"),
        ("-x", ""),
    ],
)
def test_what_is_typed_is_what_was_proposed(name, value):
    [_, how] = proposed(name, call={"arguments": {"k.e=y": {"in it": value}}})
    typed = shlex.split(shlex.join(words("r", how)))
    assert _edits([typed[typed.index("--edit") + 1]]) == how["edit"]


def test_what_cannot_be_typed_is_not_proposed():
    assert proposed('a"b', call={"arguments": {"day": 3}}) == [{}]
    assert proposed("a", call={"arguments": {'"': 3, "": 4}}) == [{}]


def test_a_call_is_shown_without_its_secrets():
    call = {
        "url": "http://user:hunter2@x/?token=abcdef",
        "headers": {"Key": {"$secret": "r.0"}},
        "body": [1, {"a": None}],
    }
    assert call_shown(call) == {
        "url": "http://user:***@x/?token=***",
        "headers": {"Key": "(private)"},
        "body": [1, {"a": None}],
    }
