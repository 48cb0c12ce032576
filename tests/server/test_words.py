"""Events in words."""

from __future__ import annotations

from podium.server.words import describe, titled, with_titles


def test_the_end_that_begins_tells_why_whatever_kind_of_run_it_is():
    assert describe("run.ending", {"at": 1.0, "outcome": "succeeded"}) == "ending"
    failed = {"at": 1.0, "outcome": "failed", "error": {"reason": "model a-1 ended"}}
    assert describe("run.ending", failed) == "ending: model a-1 ended"


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
