"""Events in words."""

from __future__ import annotations

from podium.server.words import describe, titled, waits, with_titles


def test_the_end_that_begins_tells_why_whatever_kind_of_run_it_is():
    assert describe("run.ending", {"at": 1.0, "outcome": "succeeded"}) == "ending"
    failed = {"at": 1.0, "outcome": "failed", "error": {"reason": "model a-1 ended"}}
    assert describe("run.ending", failed) == "ending: model a-1 ended"


def test_units_that_clash_are_told():
    assert describe("models.parameterized", {"at": 1.0}) == "models have taken their parameters"
    told = describe("models.parameterized", {"at": 1.0, "clashes": [["pv", "power", "W", "kW"]]})
    assert told == "models have taken their parameters; they do not agree on the unit of pv power (W and kW)"


def test_jobs_of_a_dialect_have_titles_beside_their_names():
    kinds = {"3": "diastema.cleaning", "load": "python"}
    assert titled("3", kinds["3"]) == "3 cleaning"
    assert titled("load", kinds["load"]) == "load"
    failed = with_titles({"at": 1.0, "job": "3", "attempt": 1, "reason": "no such column"}, kinds)
    assert describe("job.failed", failed) == "job 3 cleaning failed: no such column"
    assert describe("jobs.begun", with_titles({"attempts": [["3[1]", 1], ["load", 2]]}, kinds)) == (
        "began 3[1] cleaning, load"
    )
    skipped = with_titles({"jobs": ["4"], "because": "3"}, kinds)
    assert describe("jobs.skipped", skipped) == "without 3 cleaning there is no 4"
    assert with_titles({"jobs": 3}, kinds) == {"jobs": 3}


def test_whom_a_simulation_waits_for():
    waiting = {"models": ["roof-1", "roof-2"], "count": 2, "seconds": 30.0}
    progress = {"phase": "stepping", "step": 5, "waiting": waiting}
    assert waits(progress) == "roof-1, roof-2 in step 5 for 30.0 s"
    assert waits(progress, after=31.0) == ""
    assert waits({**progress, "waiting": None}) == ""
    assert waits({**progress, "phase": "finishing"}) == "roof-1, roof-2 to end for 30.0 s"
    many = {"models": [f"roof-{n}" for n in range(20)], "count": 30, "seconds": 3.0}
    assert waits({**progress, "waiting": many}).startswith("roof-0, roof-1, roof-2, roof-3, roof-4 and 25 more in")
