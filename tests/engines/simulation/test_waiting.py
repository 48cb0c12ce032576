"""Whom people are told that a simulation waits for."""

from __future__ import annotations

from podium.engines.simulation.messages import ModelEnded, StillWaiting
from podium.engines.simulation.waiting import MOST, waiting
from podium.runs.machine import CancelRequested, LinkDown, LinkLost
from tests.engines.simulation.driver import Driver


def models(run, after=30.0):
    found = waiting(run.state, run.now + after)
    return None if found is None else found.models


def test_who_has_not_answered_a_step():
    run = Driver("a-1", "b-1", "c-1")
    assert models(run) is None
    run.ready()
    assert models(run) == ("a-1", "b-1", "c-1")
    run = Driver("a-1", "b-1", "c-1")
    run.stepping(versions={"b-1": 2})
    began = run.state.since
    run.answer("a-1")
    assert models(run) == ("b-1", "c-1")
    assert waiting(run.state, began + 30.0).as_json() == {"models": ["b-1", "c-1"], "count": 2, "seconds": 30.0}
    run.feed(StillWaiting, "b-1", 1, frozenset({"c-1"}))
    assert models(run) == ("c-1",)
    run.feed(StillWaiting, "c-1", 1, frozenset({"b-1"}))
    assert models(run) == ("b-1", "c-1")


def test_who_has_not_ended():
    run = Driver()
    run.stepping()
    run.feed(CancelRequested, "enough")
    assert models(run) == ("a-1", "b-1")
    run.feed(ModelEnded, "a-1", True, 0)
    assert models(run) == ("b-1",)
    run.feed(ModelEnded, "b-1", True, 0)
    assert models(run) is None


def test_while_the_broker_is_away_models_are_not_to_blame():
    run = Driver()
    run.stepping()
    run.feed(LinkDown)
    assert models(run) is None
    run.feed(LinkLost)
    assert models(run) == ("a-1", "b-1")


def test_of_many_a_few_are_named():
    run = Driver(*(f"m-{n}" for n in range(MOST + 1)))
    run.stepping()
    told = waiting(run.state, run.now).as_json()
    assert (told["count"], len(told["models"])) == (MOST + 1, MOST)
