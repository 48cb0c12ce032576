"""Events in words."""

from __future__ import annotations

from podium.server.words import describe


def test_the_end_that_begins_tells_why_whatever_kind_of_run_it_is():
    assert describe("run.ending", {"at": 1.0, "outcome": "succeeded"}) == "ending"
    failed = {"at": 1.0, "outcome": "failed", "error": {"reason": "model a-1 ended"}}
    assert describe("run.ending", failed) == "ending: model a-1 ended"
