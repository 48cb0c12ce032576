"""What a graph of jobs does, story by story; what holds for every graph is in `test_histories`."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from podium.engines.flow.messages import PauseRequested, ResumeRequested
from podium.errors import JournalDamaged
from podium.runs.events import Event
from podium.runs.machine import CancelRequested, DeadlinePassed, LinkLost, Performed, Recovered, Started
from tests.engines.flow.driver import Driver

DIAMOND = {"a": {}, "b": {"after": ["a"]}, "c": {"after": ["a"]}, "d": {"after": ["b", "c"]}}


def test_what_is_ready_runs_at_once_and_a_join_waits_for_all():
    flow = Driver({**DIAMOND, "alone": {}})
    assert flow.start() == ["a#1", "alone#1"]
    assert flow.done("a#1", result=1) == ["alone#1", "b#1", "c#1"]
    assert flow.done("b#1", result=2) == ["alone#1", "c#1"]
    assert flow.done("c#1", result=3) == ["alone#1", "d#1"]
    assert flow.command("d#1").inputs == {"b": 2, "c": 3}
    assert flow.done("d#1", "alone#1") == []
    assert flow.end.type == "run.succeeded"


def test_begins_of_a_batch_are_one_event():
    flow = Driver({"a": {}, **{f"m{n}": {"after": ["a"]} for n in range(1000)}}, limit=600)
    flow.start()
    flow.done("a#1")
    begun = [event.data["attempts"] for event in flow.events if event.type == "jobs.begun"]
    assert [len(attempts) for attempts in begun] == [1, 600]
    assert begun[1][0] == ["m0", 1]


def test_services_take_turns_and_a_full_one_keeps_nobody_waiting():
    jobs = {**{f"x{n}": {"service": "x"} for n in range(4)}, **{f"y{n}": {"service": "y"} for n in range(3)}}
    assert Driver(jobs, limit=4).start() == ["x0#1", "y0#1", "x1#1", "y1#1"]
    turns = Driver(jobs, limit=1)
    order = turns.start()
    while turns.done(order[-1]):
        order += turns.pending()
    assert order == ["x0#1", "y0#1", "x1#1", "y1#1", "x2#1", "y2#1", "x3#1"]
    full = Driver(jobs, services={"x": 1})
    assert full.start() == ["x0#1", "y0#1", "y1#1", "y2#1"]
    assert full.done("x0#1") == ["y0#1", "y1#1", "y2#1", "x1#1"]


def test_a_failure_that_may_pass_is_tried_again_after_a_growing_pause():
    retry = {"attempts": 4, "delay": 2, "factor": 3, "most": 10, "jitter": 0}
    flow = Driver({"a": {"retry": retry}})
    flow.start()
    pauses = []
    for attempt in (1, 2, 3):
        assert flow.fails(f"a#{attempt}", transient=True) == ["job.failed"]
        assert flow.pending() == []
        pauses.append(flow.machine.deadline(flow.state) - flow.now)
        flow.wait()
        assert flow.pending() == [f"a#{attempt + 1}"]
    assert pauses == [2, 6, 10]
    assert flow.fails("a#4", "still bad", transient=True) == ["job.failed", "run.failed"]
    assert flow.reason == "job a failed: still bad"


def test_the_pause_is_shortened_by_a_share_that_differs():
    flow = Driver({f"a{n}": {"retry": {"attempts": 2, "delay": 100, "most": 100, "jitter": 0.5}} for n in range(20)})
    for key in flow.start():
        flow.fails(key, transient=True)
    pauses = {event.data["retry_at"] - event.data["at"] for event in flow.events if event.type == "job.failed"}
    assert len(pauses) == 20
    assert all(50 <= pause <= 100 for pause in pauses)


def test_a_pause_that_cannot_be_counted_is_the_longest():
    flow = Driver({"a": {"retry": {"attempts": 9, "delay": 1, "factor": 1e200, "most": 5, "jitter": 0}}})
    flow.start()
    for attempt in range(1, 9):
        flow.fails(f"a#{attempt}", transient=True)
        assert flow.machine.deadline(flow.state) - flow.now <= 5
        flow.wait()
    assert flow.pending() == ["a#9"]


def test_a_final_failure_is_not_tried_again():
    flow = Driver({"a": {"retry": {"attempts": 5}}})
    flow.start()
    assert flow.fails("a#1") == ["job.failed", "run.failed"]


def test_an_attempt_has_its_time_and_what_comes_later_is_not_wanted():
    flow = Driver({"a": {"timeout": 5, "retry": {"attempts": 2, "delay": 0}}})
    flow.start()
    began = flow.now
    assert flow.wait() == ["job.failed", "jobs.begun"]
    assert flow.now == began + 5
    assert flow.pending() == ["a#2"]
    assert flow.feed(Performed, "a#1") == []
    assert flow.machine.unwanted(flow.state, Performed(flow.now, "a#1")) is not None
    flow.wait()
    assert flow.reason == "job a failed: no outcome within 5 s"


def test_what_does_not_depend_on_a_failure_runs_to_its_end():
    flow = Driver({**DIAMOND, "e": {"after": ["d"]}})
    flow.start()
    flow.done("a#1")
    assert flow.fails("b#1") == ["job.failed", "jobs.skipped"]
    assert flow.events[-1].data["jobs"] == ["d", "e"]
    assert flow.events[-1].data["because"] == "b"
    assert flow.pending() == ["c#1"]
    flow.done("c#1")
    assert flow.end.type == "run.failed"


def test_with_stop_a_failure_ends_what_is_under_way():
    flow = Driver(DIAMOND, on_failure="stop")
    flow.start()
    flow.done("a#1")
    assert flow.fails("b#1", "no disk") == ["job.failed", "run.failed"]
    assert flow.pending() == []
    assert flow.reason == "job b failed: no disk"


def test_several_failures_are_named():
    flow = Driver({name: {} for name in "abcde"})
    for key in flow.start():
        flow.fails(key, f"{key} broke")
    assert flow.reason == "5 jobs failed (a, b, c and 2 more); the first, a: a#1 broke"


def test_a_list_has_its_job_performed_for_each_item():
    flow = Driver({"a": {}, "x": {}, "b": {"after": ["a", "x"], "each": "a"}, "c": {"after": ["b"]}})
    flow.start()
    flow.done("x#1", result="x")
    assert flow.done("a#1", result=["p", "q"]) == ["b[0]#1", "b[1]#1"]
    assert [flow.command(key).item for key in flow.pending()] == ["p", "q"]
    assert flow.command("b[0]#1").inputs == {"x": "x"}
    flow.done("b[1]#1", result=2)
    assert flow.done("b[0]#1", result=1) == ["c#1"]
    assert flow.command("c#1").inputs == {"b": [1, 2]}


def test_empty_lists_behind_lists_are_done_at_once():
    flow = Driver(
        {"a": {}, "b": {"after": ["a"], "each": "a"}, "c": {"after": ["b"], "each": "b"}, "d": {"after": ["c"]}}
    )
    flow.start()
    assert flow.done("a#1", result=[]) == ["d#1"]
    assert flow.command("d#1").inputs == {"c": []}


def test_a_list_behind_a_list():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}, "c": {"after": ["b"], "each": "b"}})
    flow.start()
    flow.done("a#1", result=[1, 2])
    assert flow.done("b[0]#1", "b[1]#1", result="r") == ["c[0]#1", "c[1]#1"]
    assert flow.command("c[1]#1").item == "r"


@pytest.mark.parametrize("result", [None, {"items": [1]}, "text", 3])
def test_a_result_that_is_no_list_is_a_failure_that_says_so(result):
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}, "c": {"after": ["b"]}})
    flow.start()
    flow.done("a#1", result=result)
    assert flow.types[-3:] == ["job.failed", "jobs.skipped", "run.failed"]
    assert flow.reason == ("job b failed: the result of a is no list, so there are no items to perform this job for")


def test_an_item_that_fails_leaves_the_others_alone():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}, "c": {"after": ["b"]}})
    flow.start()
    flow.done("a#1", result=[1, 2, 3])
    assert flow.fails("b[1]#1", "bad item") == ["job.failed", "jobs.skipped"]
    assert flow.done("b[0]#1") == ["b[2]#1"]
    flow.done("b[2]#1")
    assert flow.end.type == "run.failed"
    assert flow.reason == "job b[1] failed: bad item"


def test_the_last_job_is_told_how_the_others_ended():
    flow = Driver({"a": {}, "b": {}}, last={"after": ["a", "b"]})
    flow.start()
    flow.done("a#1", result=1)
    flow.fails("b#1", "broken")
    last = flow.command("last#1")
    assert last.inputs == {"a": 1}
    assert last.outcome == {"state": "failed", "failed": {"b": "broken"}, "reason": "job b failed: broken"}
    flow.done("last#1")
    assert flow.end.type == "run.failed"
    assert flow.reason == "job b failed: broken"


def test_a_last_job_that_fails_fails_the_run():
    flow = Driver({"a": {}}, last={"retry": {"attempts": 2, "delay": 0}})
    flow.start()
    assert flow.done("a#1") == ["last#1"]
    assert flow.command("last#1").outcome == {"state": "succeeded", "failed": {}}
    flow.fails("last#1", transient=True)
    assert flow.pending() == ["last#2"]
    flow.fails("last#2", "nobody listens")
    assert flow.end.type == "run.failed"
    assert flow.reason == "the last job failed: nobody listens"


def test_a_cancelled_run_still_performs_its_last_job():
    flow = Driver(DIAMOND, last={})
    flow.start()
    assert flow.feed(CancelRequested, "enough") == ["run.ending", "jobs.begun"]
    assert flow.pending() == ["last#1"]
    assert flow.command("last#1").outcome == {"state": "cancelled", "failed": {}, "reason": "enough"}
    assert flow.feed(Performed, "a#1") == []
    flow.fails("last#1")
    assert flow.end.type == "run.cancelled"
    assert flow.reason == "enough"


def test_a_cancel_during_the_last_job_ends_the_run():
    flow = Driver({"a": {}}, last={})
    flow.start()
    flow.done("a#1")
    assert flow.feed(CancelRequested, "enough") == ["run.cancelled"]
    assert flow.pending() == []


def test_a_cancel_does_not_hide_a_failure():
    flow = Driver({"a": {}}, last={})
    flow.start()
    flow.fails("a#1", "broken")
    assert flow.feed(CancelRequested) == ["run.failed"]
    assert flow.reason == "job a failed: broken"


@pytest.mark.parametrize("last", [{}, {"last": {}}])
def test_a_run_is_cancelled_while_it_waits_for_its_turn(last):
    flow = Driver({"a": {}}, **last)
    flow.feed(CancelRequested)
    assert flow.pending() == (["last#1"] if last else [])
    assert flow.done(*flow.pending()) == []
    assert flow.types[-1] == "run.cancelled"
    assert flow.feed(Started) == []


def test_in_a_pause_nothing_begins_and_what_is_under_way_goes_on():
    flow = Driver({**DIAMOND, "t": {"timeout": 9}})
    flow.start()
    assert flow.feed(PauseRequested) == ["run.paused"]
    assert flow.feed(PauseRequested) == []
    assert flow.done("a#1") == ["t#1"]
    assert flow.wait() == ["job.failed"]
    assert flow.machine.deadline(flow.state) is None
    assert flow.crash() == []
    assert flow.feed(ResumeRequested) == ["run.resumed", "jobs.begun"]
    assert flow.pending() == ["b#1", "c#1"]
    assert flow.feed(ResumeRequested) == []


def test_a_pause_holds_the_last_job_too_and_a_cancel_ends_the_pause():
    flow = Driver({"a": {}}, last={})
    flow.start()
    flow.feed(PauseRequested)
    assert flow.done("a#1") == []
    assert flow.machine.deadline(flow.state) is None
    flow.feed(CancelRequested)
    assert flow.pending() == ["last#1"]


def test_a_pause_does_not_hold_the_end_when_nothing_would_begin():
    flow = Driver({"a": {}})
    flow.start()
    flow.feed(PauseRequested)
    flow.done("a#1")
    assert flow.end.type == "run.succeeded"


def test_time_away_does_not_count():
    flow = Driver({"a": {"timeout": 10}, "b": {"retry": {"attempts": 2, "delay": 6, "jitter": 0}}})
    flow.start()
    began = flow.now
    flow.fails("b#1", transient=True)
    due = flow.machine.deadline(flow.state)
    assert flow.crash(down=1000.0) == ["a#1"]
    assert flow.command("a#1").again
    assert flow.machine.deadline(flow.state) == due + 1000
    assert flow.wait() == ["jobs.begun"]
    assert not flow.command("b#2").again
    assert flow.machine.deadline(flow.state) == began + 1010


def test_a_clock_that_was_set_back_has_nothing_wait_for_it():
    flow = Driver({"a": {"timeout": 10}})
    flow.start()
    flow.now -= 3600
    flow.crash(down=0.0)
    assert flow.machine.deadline(flow.state) <= flow.now + 10


def test_a_lost_link_changes_nothing():
    flow = Driver(DIAMOND)
    flow.start()
    assert flow.feed(LinkLost) == []
    assert flow.feed(Recovered) == []
    assert not flow.command("a#1").again


def test_what_is_reused_is_not_performed():
    flow = Driver(DIAMOND, reuse={"a": 1, "b": 2})
    assert flow.start() == ["c#1"]
    assert flow.types == ["run.started", "jobs.reused", "run.running", "jobs.begun"]
    flow.done("c#1", result=3)
    assert flow.command("d#1").inputs == {"b": 2, "c": 3}


def test_a_run_of_which_all_is_reused_ends():
    flow = Driver(DIAMOND, reuse=dict.fromkeys("abcd", 1))
    flow.start()
    assert flow.end.type == "run.succeeded"


def test_items_outlive_a_snapshot():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}, "c": {"after": ["b"]}}, limit=2)
    flow.start()
    flow.done("a#1", result=[1, 2, 3])
    flow.done("b[1]#1", result="one")
    dumped = json.loads(json.dumps(flow.machine.dump(flow.state)))
    flow.state = flow.machine.load(flow.document, dumped)
    assert flow.machine.dump(flow.state) == dumped
    assert flow.done("b[0]#1", "b[2]#1", result="more") == ["c#1"]
    assert flow.command("c#1").inputs == {"b": ["more", "one", "more"]}


def test_a_list_that_has_just_come_outlives_a_snapshot():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}})
    flow.start()
    for event in flow.machine.handle(flow.state, Performed(flow.now, "a#1", [1, 2])):
        flow.state = flow.machine.apply(flow.state, event)
    flow.state = flow.machine.load(flow.document, json.loads(json.dumps(flow.machine.dump(flow.state))))
    assert flow.wait() == ["job.expanded", "jobs.begun"]
    assert flow.pending() == ["b[0]#1", "b[1]#1"]


def test_a_list_that_is_reused():
    flow = Driver({"a": {}, "b": {"after": ["a"], "each": "a"}}, reuse={"a": [1]})
    assert flow.start() == ["b[0]#1"]


def test_a_graph_that_waits_for_itself_fails_instead_of_waiting():
    flow = Driver({"a": {"after": ["b"]}, "b": {"after": ["a"]}, "c": {"after": ["nobody"]}})
    assert flow.feed(Started) == ["run.started", "run.failed"]
    assert "no graph" in flow.reason


def test_results_that_nobody_waits_for_are_let_go_of():
    flow = Driver({"a": {}, "b": {"after": ["a"]}, "c": {"after": ["b"]}, "alone": {}}, last={"after": ["c"]})
    flow.start()
    flow.done("a#1", "alone#1", result="long")
    assert flow.state.jobs["a"].result == "long"
    assert flow.state.jobs["alone"].result is None
    flow.done("b#1", "c#1", result="longer")
    assert "long" not in json.dumps(flow.machine.dump(flow.state)).replace("longer", "")
    assert flow.command("last#1").inputs == {"c": "longer"}


def test_time_outs_of_what_is_over_are_forgotten():
    flow = Driver({"a": {}, **{f"m{n}": {"after": ["a"], "timeout": 1000} for n in range(1000)}}, limit=10)
    keys = flow.start()
    while keys:
        keys = flow.done(keys[0])
        assert len(flow.state.timeouts) <= 2 * 10 + 101
    assert flow.end.type == "run.succeeded"


def test_a_deadline_that_has_not_passed_brings_nothing():
    flow = Driver({"a": {"timeout": 10}})
    flow.start()
    assert flow.feed(DeadlinePassed) == []


def test_an_event_of_a_newer_podium_is_refused():
    flow = Driver({"a": {}})
    for event in (Event("job.dreamt"), Event("jobs.begun", schema=2)):
        with pytest.raises(JournalDamaged, match="newer Podium"):
            flow.machine.apply(flow.state, event)
    with pytest.raises(JournalDamaged, match="snapshot"):
        flow.machine.load(flow.document, {"schema": 2})


@pytest.mark.parametrize(
    "job", [{"timeout": float("inf")}, {"retry": {"delay": float("inf")}}, {"retry": {"factor": float("inf")}}]
)
def test_times_are_finite(job):
    with pytest.raises(ValidationError, match="finite"):
        Driver({"a": job})
