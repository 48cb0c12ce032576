"""A run again: exactly what was done is reused."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.engines.flow import nodes
from podium.engines.flow.messages import LAST
from podium.engines.flow.restart import restarted
from podium.errors import DocumentRefused
from podium.runs.events import Recorded
from tests.engines.flow.driver import Driver
from tests.engines.flow.world import Luck, World, json_event

HISTORIES = int(os.environ.get("PODIUM_TEST_HISTORIES", "4000"))
CHAIN = {"a": {"call": {"n": 1}}, "b": {"after": ["a"]}, "c": {"after": ["b"]}, "other": {}}


def again(flow, *start, **edits):
    recorded = [Recorded(n, "run", n, 0.0, event) for n, event in enumerate(flow.events) if not event.transient]
    return restarted(flow.document, recorded, start=start, edits=edits)


def ended(**flow):
    driver = Driver(CHAIN, **flow)
    keys = driver.start()
    while keys:
        keys = driver.done(keys[0], result=keys[0])
    return driver


def test_from_a_failed_job():
    flow = Driver(CHAIN)
    flow.start()
    flow.done("a#1", "other#1", result=1)
    flow.fails("b#1")
    assert again(flow)["flow"]["reuse"] == {"a": 1, "other": 1}


def test_from_a_chosen_job_with_other_parameters():
    flow = ended()
    document = again(flow, "b", c={"m": 2})
    assert document["flow"]["reuse"] == {"a": "a#1", "other": "other#1"}
    assert document["flow"]["jobs"]["c"]["call"] == {"m": 2}
    edited = again(flow, a={"m": 2})
    assert edited["flow"]["jobs"]["a"]["call"] == {"n": 1, "m": 2}
    assert edited["flow"]["reuse"] == {"other": "other#1"}
    assert flow.document["flow"]["jobs"]["a"]["call"] == {"n": 1}


def test_the_last_job_is_performed_again_whatever_is_reused():
    flow = ended(last={"call": {"to": "me"}})
    document = again(flow, last={"to": "you"})
    assert document["flow"]["last"]["call"] == {"to": "you"}
    assert document["flow"]["reuse"].keys() == CHAIN.keys()


def test_what_was_reused_before_is_reused_again():
    second = Driver(CHAIN, reuse=again(ended(), "c")["flow"]["reuse"])
    second.document["more"] = "kept"
    second.start()
    second.fails("c#1")
    third = again(second)
    assert third["flow"]["reuse"] == {"a": "a#1", "b": "b#1", "other": "other#1"}
    assert third["more"] == "kept"


def test_an_item_has_all_of_its_job_performed_again():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}, "c": {"after": ["b"]}})
    flow.start()
    flow.done("a#1", result=[1, 2])
    flow.done("b[0]#1", "b[1]#1", "c#1", result=3)
    assert again(flow, "c")["flow"]["reuse"] == {"a": [1, 2], "b": [3, 3]}
    assert again(flow, "b[1]")["flow"]["reuse"] == {"a": [1, 2]}


def test_jobs_that_there_are_not_are_all_named():
    with pytest.raises(DocumentRefused) as refused:
        again(ended(), "nobody", last={"to": "you"})
    told = [str(fault) for fault in refused.value.faults]
    assert told == ["from: there is no job 'nobody'", "edit: there is no job 'last'"]


@settings(
    max_examples=HISTORIES // 8,
    deadline=None,
    derandomize="PODIUM_TEST_HISTORIES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.binary(min_size=120, max_size=120), st.integers(0, 1000))
def test_after_any_history_exactly_what_was_done_is_reused(content, chosen):
    before = World(Luck(content)).live()
    jobs = before.flow["jobs"]
    start = [name for number, name in enumerate(jobs) if chosen >> number & 1]
    events = [Recorded(n, "run", n, 0.0, json_event(event)) for n, event in enumerate(before.journal)]
    document = restarted(before.document, events, start=start)
    flow = json.loads(json.dumps(document))["flow"]
    expected = set(start) | (jobs.keys() - before.record.results.keys())
    while more := {name for name, job in jobs.items() if expected.intersection(job["after"])} - expected:
        expected |= more
    assert flow["reuse"] == {name: result for name, result in before.record.results.items() if name not in expected}
    after = World(Luck(b""), flow=flow).live()
    performed = {nodes.split(key.split("#")[0])[0] for key in after.performed} - {LAST}
    assert performed <= expected
    failed = {nodes.split(node)[0] for node in after.record.failed}
    if not failed or flow["on_failure"] == "finish":
        assert after.record.results.keys() | failed >= expected - after.record.skipped
