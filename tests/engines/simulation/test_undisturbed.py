"""A simulation in which nothing goes wrong."""

from __future__ import annotations

import pytest

from podium.engines.simulation.messages import (
    AllEnded,
    AllReady,
    Answered,
    Calculation,
    Deploy,
    Finish,
    Parameterize,
    Parameterized,
    Step,
    StepSent,
)
from podium.errors import JournalDamaged
from podium.runs.events import Event, RunState
from podium.runs.machine import CancelRequested, DeadlinePassed, Performed, Recovered, Resumed, Started
from tests.engines.simulation.driver import Driver


def test_a_whole_run_and_what_is_written_of_it():
    run = Driver(steps=2)
    assert run.pending() == []
    assert run.feed(Started) == ["run.started"]
    assert run.perform() == [Deploy("deploy")]
    assert run.feed(AllReady) == ["models.ready"]
    assert run.perform() == [Parameterize("parameterize", ("a-1", "b-1"))]
    run.feed(Parameterized, "a-1")
    assert run.feed(Parameterized, "b-1") == ["models.parameterized", "run.running"]
    both = ("a-1", "b-1")
    assert run.perform() == [Step("step:1", 1, 1000, both, due=both)]
    run.answer()
    assert run.perform() == [Step("step:2", 2, 1900, both, due=both)]
    run.answer()
    assert run.perform() == [Finish("finish", both)]
    run.all_end()
    assert [event.type for event in run.journal] == [
        "run.started",
        "models.deployed",
        "models.ready",
        "models.parameterized",
        "run.running",
        "step.finished",
        "step.finished",
        "run.ending",
        "model.ended",
        "model.ended",
        "run.succeeded",
    ]
    assert run.state.outcome is RunState.SUCCEEDED
    assert "exact" not in run.last.data
    assert (run.pending(), run.machine.deadline(run.state)) == ([], None)


def test_a_step_says_how_long_it_took():
    run = Driver("a-1")
    run.stepping()
    run.feed(Answered, "a-1", None, after=2.5)
    assert run.last.data["seconds"] == 2.5


def test_models_of_version_1_settle_before_the_next_step():
    run = Driver(settle=0.02)
    assert run.stepping() == []
    assert run.machine.deadline(run.state) == pytest.approx(run.now + 0.02)
    assert run.feed(Answered, "a-1", None, after=0.001) == [], "it has not been sent"
    run.wait()
    assert [command.key for command in run.perform()] == ["step:1"]
    run.answer()
    assert run.pending() == []
    run.wait()
    assert [command.key for command in run.perform()] == ["step:2"]


def test_models_of_version_2_hear_one_broadcast_at_once():
    run = Driver("a-1", "b-1", "c-1", settle=0.02)
    assert run.stepping(versions=dict.fromkeys(run.models, 2)) == [
        Step("step:1", 1, 1000, (), broadcast=run.models, due=run.models)
    ]


def test_both_versions_in_one_run():
    run = Driver("a-1", "b-1", "c-1")
    (step,) = run.stepping(versions={"b-1": 2})
    assert (step.models, step.broadcast, step.due) == (("a-1", "c-1"), ("b-1",), run.models)
    assert next(event for event in run.journal if event.type == "models.parameterized").data["versions"] == {"b-1": 2}


def test_units_on_which_models_do_not_agree_are_left_out_and_told():
    run = Driver("a-1", "b-1", "c-1")
    run.ready()
    for model, unit in (("a-1", "W"), ("b-1", "kW"), ("c-1", "W")):
        run.feed(Parameterized, model, 2, (), (("pv", "power", unit), ("pv", "price", "EUR"), (model, "load", unit)))
    data = next(event for event in run.journal if event.type == "models.parameterized").data
    assert data["units"] == {"pv": {"price": "EUR"}, "a-1": {"load": "W"}, "b-1": {"load": "kW"}, "c-1": {"load": "W"}}
    assert data["clashes"] == [["pv", "power", "W", "kW"]]


def test_a_model_is_stepped_when_one_of_its_calculations_is_due():
    run = Driver("a-1", "b-1", steps=8)
    fast, slow = Calculation("fast", 1800), Calculation("slow", 3600, 900)
    (step,) = run.stepping(calculations={"a-1": (fast, slow), "b-1": (slow,)})
    due = {}
    while isinstance(step, Step):
        due[step.number] = step.due
        run.answer(*step.due)
        (step,) = run.perform()
    assert due == {1: ("a-1",), 2: run.models, 3: ("a-1",), 5: ("a-1",), 6: run.models, 7: ("a-1",)}
    skipped = {
        event.data["step"]: event.data.get("skipped", 0) for event in run.journal if event.type == "step.finished"
    }
    assert skipped == {1: 0, 2: 0, 3: 1, 5: 0, 6: 0, 7: 1}


def test_empty_steps_cost_nothing():
    run = Driver("a-1", "b-1", steps=10**12 + 1, step_seconds=1)
    calculations = {"a-1": (Calculation("a", 4 * 10**11),), "b-1": (Calculation("b", 10**12, 5),)}
    run.stepping(calculations=calculations)
    run.all_steps()
    finished = [event.data["step"] for event in run.journal if event.type == "step.finished"]
    assert finished == [1, 6, 4 * 10**11 + 1, 8 * 10**11 + 1]
    assert run.last.data["outcome"] == "succeeded"


def test_a_run_in_which_nothing_is_ever_due_ends():
    run = Driver("a-1")
    run.ready()
    late = (Calculation("late", 900, 9000),)
    assert run.feed(Parameterized, "a-1", 1, late) == ["models.parameterized", "run.running", "run.ending"]


@pytest.mark.parametrize(
    ("calculation", "words"),
    [
        (Calculation("heat", 1000), "a period of 1000 s, no multiple of the simulation's step of 900 s"),
        (Calculation("heat", 450), "a period of 450 s, no multiple"),
        (Calculation("heat", 0), "a period of 0 s"),
        (Calculation("heat", 900, 450), "an offset of 450 s, no multiple"),
        (Calculation("heat", 900, -900), "an offset of -900 s"),
    ],
)
def test_a_rhythm_that_the_steps_cannot_keep_is_refused(calculation, words):
    run = Driver("a-1", on_model_failure="continue")
    run.ready()
    run.feed(Parameterized, "a-1", 2, (calculation,))
    assert run.last.type == "run.ending"
    assert "model a-1" in run.last.data["error"]["reason"]
    assert "calculation heat" in run.last.data["error"]["reason"]
    assert words in run.last.data["error"]["reason"]


def test_a_version_that_nobody_knows_is_refused():
    run = Driver("a-1")
    run.ready()
    run.feed(Parameterized, "a-1", 3)
    assert "version 3" in run.last.data["error"]["reason"]


UNWANTED = [
    (Started, (), "started already"),
    (AllReady, (), "the run is stepping"),
    (Parameterized, ("a-1",), "the run is stepping"),
    (Answered, ("a-1", None), "answered this step"),
    (Answered, ("c-1", None), "unknown"),
    (Answered, ("b-1", 1), "step 2 is the current one"),
    (Answered, ("b-1", 3), "step 2 is the current one"),
    (Answered, ("b-1", None), "has to say which step"),
    (StepSent, ("b-1", 2), "nothing is being recovered"),
    (Recovered, (True,), "nothing is being recovered"),
    (Performed, ("step:1",), "not waited for"),
    (DeadlinePassed, (), "nothing was due"),
]


@pytest.mark.parametrize(("kind", "arguments", "why"), UNWANTED)
def test_what_nobody_asked_for_changes_nothing_and_says_why(kind, arguments, why):
    run = Driver()
    run.stepping(versions={"b-1": 2})
    run.answer("a-1")
    run.answer("b-1", number=1)
    run.perform()
    run.answer("a-1")
    assert run.feed(kind, *arguments) == []
    assert why in run.machine.unwanted(run.state, kind(run.now, *arguments))


def test_after_the_end_nothing_is_wanted():
    run = Driver("a-1")
    run.stepping()
    run.all_steps()
    run.all_end()
    for kind, arguments in [(Answered, ("a-1", None)), (CancelRequested, ()), (AllEnded, ()), (Resumed, (1.0,))]:
        assert run.feed(kind, *arguments) == []


def test_an_event_of_a_newer_podium_is_not_guessed_at():
    run = Driver()
    for event in (Event("step.undone"), Event("step.finished", {"step": 1}, schema=2)):
        with pytest.raises(JournalDamaged, match="newer Podium"):
            run.machine.apply(run.state, event)
    with pytest.raises(JournalDamaged):
        run.machine.load(run.document, {"schema": 99})
