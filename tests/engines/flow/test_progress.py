"""What people are told of a graph; that the counts hold is checked in every history of `test_histories`."""

from __future__ import annotations

from podium.engines.flow.messages import PauseRequested
from podium.engines.flow.progress import MOST_JOBS, fold, fold_item
from podium.runs.events import Recorded
from podium.runs.machine import CancelRequested
from tests.engines.flow.driver import Driver


def recorded(flow):
    events = [event for event in flow.events if not event.transient]
    return [Recorded(n, "run", n, 0.0, event) for n, event in enumerate(events)]


def told(flow):
    return fold(recorded(flow)).as_json()


def told_of(flow, node):
    found = fold_item(recorded(flow), node)
    return None if found is None else found.as_json()


def counts(flow):
    return {name: count for name, count in told(flow)["counts"].items() if count}


def test_jobs_from_their_beginning_to_their_end():
    flow = Driver(
        {"a": {}, "b": {"after": ["a"], "retry": {"attempts": 2, "delay": 5, "jitter": 0}}, "c": {"after": ["b"]}}
    )
    flow.start()
    flow.done("a#1")
    flow.fails("b#1", "bad luck", transient=True)
    assert told(flow) == {
        "phase": "running",
        "paused": False,
        "counts": told(flow)["counts"],
        "jobs": {
            "a": {"state": "succeeded", "attempt": 1, "started": 1001.0, "ended": 1002.0},
            "b": {"state": "retrying", "attempt": 1, "started": 1002.0, "retry_at": 1008.0, "reason": "bad luck"},
        },
        "jobs_left_out": 0,
        "error": None,
    }
    assert counts(flow) == {"total": 3, "succeeded": 1, "retrying": 1, "waiting": 1}
    flow.wait()
    assert told(flow)["jobs"]["b"] == {"state": "running", "attempt": 2, "started": 1002.0, "reason": "bad luck"}
    flow.fails("b#2", "worse luck")
    assert told(flow)["jobs"]["b"]["state"] == "failed"
    assert told(flow)["jobs"]["c"] == {"state": "skipped"}
    assert told(flow)["phase"] == "ended"
    assert told(flow)["error"] == {"reason": "job b failed: worse luck"}
    assert counts(flow) == {"total": 3, "succeeded": 1, "failed": 1, "skipped": 1}


def test_items_are_counted():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}, "c": {"after": ["b"]}}, limit=2)
    flow.start()
    flow.done("a#1", result=[1, 2, 3])
    assert counts(flow) == {"total": 5, "succeeded": 1, "running": 2, "waiting": 2}
    flow.done("b[0]#1")
    flow.fails("b[1]#1", "bad item")
    assert told(flow)["jobs"]["b"] == {
        "state": "running", "attempt": 1, "started": 1002.0, "reason": "bad item", "items": 3, "done": 1, "failed": 1,
    }  # fmt: skip
    flow.done("b[2]#1")
    assert told(flow)["jobs"]["b"]["state"] == "failed"
    assert counts(flow) == {"total": 5, "succeeded": 3, "failed": 1, "skipped": 1}


def test_what_succeeds_in_the_end_has_no_reason_left():
    retry = {"attempts": 2, "delay": 5, "jitter": 0}
    flow = Driver({"a": {"retry": retry}, "b": {"after": ["a"], "each": "a", "retry": retry}})
    flow.start()
    flow.fails("a#1", "bad luck", transient=True)
    flow.wait()
    flow.done("a#2", result=[1])
    assert told(flow)["jobs"]["a"] == {"state": "succeeded", "attempt": 2, "started": 1001.0, "ended": 1008.0}
    flow.fails("b[0]#1", "bad item", transient=True)
    assert told(flow)["jobs"]["b"]["reason"] == "bad item"
    flow.wait()
    flow.done("b[0]#2")
    assert told(flow)["jobs"]["b"] == {
        "state": "succeeded", "attempt": 2, "started": 1008.0, "ended": 1015.0, "items": 1, "done": 1,
    }  # fmt: skip


def test_each_item_has_a_story_of_its_own():
    retry = {"attempts": 2, "delay": 5, "jitter": 0}
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a", "retry": retry}}, limit=2, on_failure="stop")
    flow.start()
    flow.done("a#1", result=[1, 2, 3, 4])
    flow.done("b[0]#1")
    flow.fails("b[1]#1", "bad luck", transient=True)
    assert told_of(flow, "b[1]") == {
        "state": "retrying", "attempt": 1, "started": 1002.0, "retry_at": 1009.0, "reason": "bad luck",
    }  # fmt: skip
    assert told_of(flow, "b[3]")["state"] == "running"
    flow.done("b[2]#1")
    flow.wait()
    assert told_of(flow, "b[1]") == {"state": "running", "attempt": 2, "started": 1002.0, "reason": "bad luck"}
    flow.fails("b[1]#2", "bad item")
    assert told_of(flow, "b[0]") == {"state": "succeeded", "attempt": 1, "started": 1002.0, "ended": 1003.0}
    assert told_of(flow, "b[1]") == {
        "state": "failed", "attempt": 2, "started": 1002.0, "ended": 1010.0, "reason": "bad item",
    }  # fmt: skip
    assert told_of(flow, "b[3]")["state"] == "cancelled"


def test_an_item_may_wait_be_cancelled_before_it_began_or_be_reused():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}}, limit=1)
    flow.start()
    flow.done("a#1", result=[1, 2])
    assert told_of(flow, "b[1]") is None
    flow.feed(CancelRequested, "enough")
    assert told_of(flow, "b[1]")["state"] == "cancelled"
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}}, reuse={"a": [1], "b": [2]})
    flow.start()
    assert told_of(flow, "b[0]") == {"state": "reused"}


def test_an_empty_list_is_done():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}}, reuse={"a": []})
    flow.start()
    assert counts(flow) == {"total": 2, "reused": 1, "succeeded": 1}
    assert told(flow)["jobs"]["b"]["state"] == "succeeded"


def test_what_a_cancel_leaves():
    flow = Driver({"a": {}, "b": {}, "c": {"after": ["b"]}}, last={})
    flow.start()
    flow.done("a#1")
    flow.feed(PauseRequested)
    assert told(flow)["paused"]
    flow.feed(CancelRequested, "enough")
    assert told(flow)["phase"] == "ending"
    assert not told(flow)["paused"]
    assert {name: job["state"] for name, job in told(flow)["jobs"].items()} == {
        "a": "succeeded", "b": "cancelled", "last": "running",
    }  # fmt: skip
    flow.done("last#1")
    assert told(flow)["jobs"]["last"]["state"] == "succeeded"
    assert counts(flow) == {"total": 3, "succeeded": 1, "cancelled": 2}


def test_of_a_large_graph_only_what_matters_is_told_one_by_one():
    flow = Driver({f"j{n}": {} for n in range(MOST_JOBS + 10)}, limit=MOST_JOBS + 10)
    keys = flow.start()
    flow.fails(keys[0])
    flow.done(*keys[1:-2])
    assert list(told(flow)["jobs"]) == ["j0", keys[-2].removesuffix("#1"), keys[-1].removesuffix("#1")]
    assert told(flow)["jobs_left_out"] == MOST_JOBS + 7
