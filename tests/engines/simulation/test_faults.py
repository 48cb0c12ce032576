"""Models that die, fail, or say nothing; and how a run ends."""

from __future__ import annotations

import pytest

from podium.engines.simulation.messages import (
    AllEnded,
    AllReady,
    Answered,
    Finish,
    ModelEnded,
    ModelFailed,
    ModelReady,
    Parameterized,
    Remove,
    StillWaiting,
)
from podium.runs.events import RunState
from podium.runs.machine import CancelRequested, Performed, PerformFailed, Started
from tests.engines.simulation.driver import Driver


def test_a_model_that_dies_ends_the_run_at_once():
    run = Driver()
    run.stepping()
    assert run.feed(ModelEnded, "b-1", False, 3, None, ("Traceback", "KeyError")) == ["model.ended", "run.ending"]
    assert run.last.data["error"] == {
        "reason": "model b-1 ended with exit code 3 in step 1 of 3",
        "model": "b-1",
        "exit_code": 3,
        "last_lines": ["Traceback", "KeyError"],
    }
    assert run.perform() == [Finish("finish", ("a-1",))]
    assert run.feed(ModelEnded, "a-1", True, 0) == ["model.ended", "run.failed"]
    assert run.last.data["error"]["exit_code"] == 3


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("exit code 3", "ended with exit code 3 in step 1 of 3"),
        ("exit code 3: for want of memory", "ended with exit code 3 in step 1 of 3: for want of memory"),
        ("it was removed", "ended with exit code 3 in step 1 of 3: it was removed"),
    ],
)
def test_an_exit_code_is_told_once(reason, told):
    run = Driver()
    run.stepping()
    run.feed(ModelEnded, "b-1", False, 3, reason)
    assert run.last.data["error"]["reason"] == f"model b-1 {told}"


def test_a_model_may_not_leave_early_either():
    run = Driver()
    run.stepping()
    run.feed(ModelEnded, "b-1", True, 0)
    assert "b-1 ended before the simulation was done, in step 1 of 3" in run.last.data["error"]["reason"]


def test_the_reason_of_the_backplane_is_told():
    run = Driver()
    run.feed(Started)
    run.feed(ModelEnded, "b-1", False, None, "no command stands for the image b:1")
    reason = run.last.data["error"]["reason"]
    assert reason == "model b-1 ended before all models were ready: no command stands for the image b:1"


def test_an_error_and_the_exit_after_it_are_one_failure():
    run = Driver()
    run.stepping()
    assert run.feed(ModelFailed, "a-1", "no such node") == ["run.ending"]
    assert run.last.data["error"] == {
        "reason": "model a-1 reported an error in step 1 of 3: no such node",
        "model": "a-1",
    }
    assert run.feed(ModelEnded, "a-1", False, 1, None, ("ValueError",)) == ["model.ended", "model.failed"]
    run.feed(ModelEnded, "b-1", False, 2)
    assert run.last.type == "run.failed"
    error = run.last.data["error"]
    assert (error["model"], error["exit_code"], error["last_lines"]) == ("a-1", 1, ["ValueError"])


def test_a_silent_model_is_named():
    run = Driver(*[f"m-{number}" for number in range(1, 8)], step_timeout=60)
    run.stepping()
    run.answer("m-2")
    assert run.wait() == ["run.ending"]
    reason = run.last.data["error"]["reason"]
    assert reason == "no answer to step 1 of 3 within 60 s from m-1, m-3, m-4 and 3 more"


class TestHeldUp:
    """Of models that have not answered, those that wait for another are not the ones at fault."""

    def stuck(self, **plan):
        run = Driver("a-1", "b-1", "c-1", step_timeout=60, **plan)
        run.stepping({"a-1": 2, "b-1": 2, "c-1": 2})
        run.feed(StillWaiting, "b-1", 1, frozenset({"a-1"}))
        run.feed(StillWaiting, "c-1", 1, frozenset({"b-1"}))
        return run

    def test_only_who_is_silent_is_named_as_the_culprit(self):
        run = self.stuck()
        assert run.wait() == ["run.ending"]
        error = run.last.data["error"]
        assert error["reason"] == "no answer to step 1 of 3 within 60 s from a-1, for which b-1, c-1 wait"
        assert error["model"] == "a-1"
        assert "max_step_calc_time_minutes" in error["hint"]
        run.feed(ModelEnded, "a-1", False, 137, None, ("at iteration 7",))
        assert run.last.data["error"] == {**error, "exit_code": 137, "last_lines": ["at iteration 7"]}

    def test_who_has_all_it_waited_for_is_silent_itself(self):
        run = self.stuck()
        run.feed(Answered, "a-1", 1)
        run.wait()
        assert "from b-1, for which c-1 waits" in run.last.data["error"]["reason"]

    def test_a_circle_is_called_one(self):
        run = self.stuck()
        run.feed(StillWaiting, "a-1", 1, frozenset({"c-1"}))
        run.wait()
        error = run.last.data["error"]
        assert error["reason"].endswith("from a-1, b-1, c-1, which wait for each other")
        assert "previous" in error["hint"]

    def test_who_takes_it_back_is_silent_itself(self):
        run = self.stuck()
        run.feed(StillWaiting, "b-1", 1, frozenset())
        run.feed(StillWaiting, "a-1", 1, frozenset({"b-1"}))
        run.wait()
        reason = run.last.data["error"]["reason"]
        assert reason == "no answer to step 1 of 3 within 60 s from b-1, for which a-1, c-1 wait"

    def test_only_models_of_the_run_are_kept(self):
        run = self.stuck()
        run.feed(StillWaiting, "c-1", 1, frozenset({"b-1", "x" * 10_000, "a-1"}))
        assert run.events[-1].data["models"] == ["a-1", "b-1"]

    def test_what_is_said_of_another_step_says_nothing(self):
        run = self.stuck()
        assert run.feed(StillWaiting, "a-1", 2, frozenset({"b-1"})) == []
        for model in run.models:
            run.feed(Answered, model, 1)
        run.perform()
        run.wait()
        assert "from a-1, b-1, c-1" in run.last.data["error"]["reason"]

    def test_only_who_is_silent_is_left_behind(self):
        run = self.stuck(on_model_failure="continue")
        assert run.wait() == ["model.lost", "command.repeated"]
        assert list(run.state.lost) == ["a-1"]
        assert run.state.guard == run.now + 60, "the others have as long again"
        run.perform()
        run.feed(Answered, "b-1", 1)
        run.wait()
        assert list(run.state.lost) == ["a-1", "c-1"]


def test_one_that_does_not_take_its_parameters_is_named():
    run = Driver(step_timeout=60)
    run.ready()
    run.feed(Parameterized, "a-1")
    run.wait()
    error = run.last.data["error"]
    assert (error["reason"], error["model"]) == ("no answer to its parameters within 60 s from b-1", "b-1")


def test_models_that_never_become_ready():
    run = Driver(ready_timeout=30, quiet=5, end_timeout=20)
    run.feed(Started)
    run.perform()
    run.feed(ModelReady, "a-1")
    assert run.wait() == ["run.ending"]
    assert run.now == 31
    reason = "not all models were ready within 30 s: nothing was heard of b-1"
    error = run.last.data["error"]
    assert (error["reason"], error["model"], "log" in error["hint"]) == (reason, "b-1", True)
    assert run.perform() == [Remove("remove", ("a-1", "b-1"))], "those who do not listen yet are not waited for"
    assert run.feed(AllEnded) == ["run.failed"]


class TestCarryOn:
    def test_without_a_dead_model(self):
        run = Driver("a-1", "b-1", "c-1", steps=2, on_model_failure="continue")
        run.stepping()
        run.answer("a-1", "c-1")
        assert run.feed(ModelEnded, "b-1", False, 3, None, ("bang",)) == ["model.ended", "model.lost", "step.finished"]
        lost = next(event for event in run.journal if event.type == "model.lost").data
        assert (lost["model"], lost["exit_code"], lost["last_lines"]) == ("b-1", 3, ["bang"])
        (step,) = run.perform()
        assert (step.models, step.due, step.lost) == (("a-1", "c-1"), ("a-1", "c-1"), ("b-1",))
        assert run.feed(Answered, "b-1", None) == []
        run.answer("a-1", "c-1")
        assert run.perform() == [Finish("finish", ("a-1", "c-1"))]
        run.all_end()
        assert run.last.type == "run.succeeded"
        assert run.last.data["lost"] == ["b-1"]

    def test_without_silent_ones_which_are_still_told_the_end(self):
        run = Driver("a-1", "b-1", "c-1", steps=1, on_model_failure="continue")
        run.stepping()
        run.answer("a-1")
        assert run.wait() == ["model.lost", "model.lost", "step.finished", "run.ending"]
        assert run.perform() == [Finish("finish", ("a-1", "b-1", "c-1"))]

    def test_without_one_that_took_no_parameters(self):
        run = Driver(on_model_failure="continue")
        run.ready()
        run.feed(Parameterized, "a-1", 2)
        assert run.feed(ModelFailed, "b-1", "no") == ["model.lost", "models.parameterized", "run.running"]
        assert run.perform()[0].broadcast == ("a-1",)

    def test_a_late_exit_of_a_lost_model_is_only_noted(self):
        run = Driver(on_model_failure="continue")
        run.stepping()
        run.feed(ModelFailed, "b-1", "no")
        assert run.feed(ModelFailed, "b-1", "no") == []
        assert run.feed(ModelEnded, "b-1", False, 1) == ["model.ended"]

    def test_but_not_without_any(self):
        run = Driver(on_model_failure="continue")
        run.stepping()
        run.feed(ModelEnded, "a-1", False, 1)
        assert run.feed(ModelEnded, "b-1", False, 3) == ["model.ended", "model.lost", "run.ending", "run.failed"]
        error = run.last.data["error"]
        assert error["reason"].startswith("no model is left; the last: model b-1 ended with exit code 3")
        assert run.last.data["lost"] == ["a-1", "b-1"]

    def test_a_model_lost_before_all_are_ready(self):
        run = Driver(on_model_failure="continue")
        run.feed(Started)
        run.feed(ModelEnded, "a-1", False, 1)
        run.feed(AllReady)
        assert run.perform()[-1].models == ("b-1",)


class TestEnding:
    def finishing(self, **plan):
        run = Driver(steps=1, **plan)
        run.stepping()
        run.all_steps()
        return run

    def test_a_model_that_fails_to_write_its_results_fails_the_run(self):
        run = self.finishing()
        assert run.feed(ModelEnded, "a-1", False, 9) == ["model.ended", "model.failed"]
        run.feed(ModelEnded, "b-1", True, 0)
        assert run.last.type == "run.failed"
        assert "exit code 9 after the last step; its results may be incomplete" in run.last.data["error"]["reason"]

    def test_unless_the_run_goes_on_without_it(self):
        run = self.finishing(on_model_failure="continue")
        assert run.feed(ModelEnded, "a-1", False, 9) == ["model.ended", "model.lost"]
        run.feed(ModelEnded, "b-1", True, 0)
        assert run.last.type == "run.succeeded"
        assert run.last.data["lost"] == ["a-1"]

    def test_and_not_without_all(self):
        run = self.finishing(on_model_failure="continue")
        run.feed(ModelEnded, "a-1", False, 9)
        run.feed(ModelEnded, "b-1", False, 9)
        assert run.last.type == "run.failed"

    def test_who_does_not_end_is_removed_and_then_left_behind(self):
        run = self.finishing(end_timeout=30)
        run.feed(ModelEnded, "a-1", True, 0)
        assert run.wait() == ["run.removing"]
        assert run.last.data["models"] == ["b-1"]
        assert run.perform() == [Remove("remove")]
        assert run.wait() == ["run.succeeded"]
        assert (run.last.data["left_behind"], run.last.data["models"]) == (True, ["b-1"])

    def test_the_exit_code_of_a_removed_model_says_nothing(self):
        run = self.finishing()
        run.feed(ModelEnded, "a-1", True, 0)
        run.wait()
        assert run.feed(ModelEnded, "b-1", False, 137) == ["model.ended", "run.succeeded"]
        assert "left_behind" not in run.last.data

    def test_all_ended_is_enough(self):
        run = self.finishing()
        assert run.feed(AllEnded) == ["run.succeeded"]

    def test_all_ended_too_early_is_a_failure(self):
        run = Driver()
        run.stepping()
        assert run.feed(AllEnded) == ["run.ending", "run.failed"]
        assert "before the simulation was done" in run.last.data["error"]["reason"]

    def test_a_finish_that_cannot_be_sent_leads_to_removal(self):
        run = Driver(steps=1)
        run.stepping()
        run.answer()
        assert run.feed(PerformFailed, "finish", "no", False) == ["run.removing"]
        assert run.feed(PerformFailed, "remove", "no", False) == ["run.succeeded"]
        assert run.last.data["left_behind"] is True


class TestCancel:
    def test_while_queued(self):
        run = Driver()
        assert run.feed(CancelRequested) == ["run.cancelled"]
        assert run.pending() == []
        assert run.feed(Started) == []

    @pytest.mark.parametrize("phase", ["deploying", "parameterizing", "stepping"])
    def test_in_each_phase(self, phase):
        run = Driver()
        run.feed(Started)
        if phase != "deploying":
            run.feed(AllReady)
        if phase == "stepping":
            run.feed(Parameterized, "a-1")
            run.feed(Parameterized, "b-1")
        assert run.state.phase == phase
        assert run.feed(CancelRequested, "enough") == ["run.ending"]
        assert run.feed(CancelRequested, "enough") == []
        told = Remove("remove", run.models) if phase == "deploying" else Finish("finish", run.models)
        assert run.perform() == [told]
        run.feed(ModelEnded, "a-1", False, 143)
        run.feed(ModelEnded, "b-1", True, 0)
        assert run.last.type == "run.cancelled"
        assert run.last.data["error"] == {"reason": "enough"}

    def test_too_late(self):
        run = Driver(steps=1)
        run.stepping()
        run.all_steps()
        assert run.feed(CancelRequested) == []
        run.all_end()
        assert run.state.outcome is RunState.SUCCEEDED


class TestCommandsThatFail:
    def test_for_good(self):
        run = Driver()
        run.feed(Started)
        assert run.feed(PerformFailed, "deploy", "there is no image", False) == ["run.ending"]
        assert run.last.data["error"] == {"reason": "the models could not be deployed: there is no image"}

    def test_are_tried_again_with_a_new_key_after_longer_and_longer_pauses(self):
        run = Driver(ready_timeout=300)
        run.feed(Started)
        pauses = []
        while run.state.phase == "deploying":
            if run.pending():
                run.feed(PerformFailed, run.pending()[0].key, "the broker is away", True)
            before = run.now
            run.wait()
            pauses.append(run.now - before)
        assert pauses[:7] == [0.5, 1, 2, 4, 8, 10, 10]
        assert "the broker is away" in run.last.data["error"]["reason"]
        keys = [event.data["command"] for event in run.journal if event.type == "command.repeated"]
        assert len(set(keys)) == len(keys)

    def test_and_work_the_second_time(self):
        run = Driver()
        run.feed(Started)
        run.feed(PerformFailed, "deploy", "the broker is away", True)
        assert run.pending() == []
        assert run.wait() == ["command.repeated"]
        assert [command.key for command in run.perform()] == ["deploy:again:1"]
        assert run.last.type == "models.deployed"

    def test_a_step_of_version_2_is_repeated_exactly(self):
        run = Driver()
        run.stepping(versions=dict.fromkeys(run.models, 2))
        run.answer(number=1)
        run.feed(PerformFailed, "step:2", "the broker is away", True)
        run.answer("a-1", number=2)
        run.wait()
        assert [(command.key, command.broadcast) for command in run.pending()] == [("step:2:again:1", ("b-1",))]
        assert run.state.repeated == []

    def test_a_step_of_version_1_waits_for_the_link_and_is_written_down(self):
        run = Driver(quiet=5)
        run.stepping()
        run.answer()
        run.feed(PerformFailed, "step:2", "the broker is away", True)
        before = run.now
        assert run.wait() == ["step.repeated"]
        assert run.now - before == 5
        assert run.last.data["reason"] == "it could not be sent: the broker is away"

    def test_a_confirmation_of_an_old_key_is_not_taken_for_the_new_one(self):
        run = Driver()
        run.feed(Started)
        run.feed(PerformFailed, "deploy", "the broker is away", True)
        run.wait()
        assert run.feed(Performed, "deploy") == []
        assert run.feed(PerformFailed, "deploy", "no", False) == []
        assert run.state.phase == "deploying"


def test_models_of_version_2_hear_in_mid_step_that_one_is_lost():
    run = Driver("a-1", "b-1", "c-1", on_model_failure="continue")
    run.stepping(versions={"a-1": 2, "b-1": 2, "c-1": 2})
    run.answer("a-1", number=1)
    assert run.feed(ModelEnded, "c-1", False, 3) == ["model.ended", "model.lost", "command.repeated"]
    (step,) = run.perform()
    assert (step.number, step.broadcast, step.lost) == (1, ("a-1", "b-1"), ("c-1",))
    run.answer("b-1", number=1)
    assert run.state.step == 2


def test_models_of_version_1_are_not_told_twice_when_one_is_lost():
    run = Driver("a-1", "b-1", "c-1", on_model_failure="continue")
    run.stepping()
    assert run.feed(ModelEnded, "c-1", False, 3) == ["model.ended", "model.lost"]
    assert run.pending() == []
