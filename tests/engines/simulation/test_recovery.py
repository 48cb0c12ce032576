"""Podium dies, the link is lost: what is sent again, to whom, and what is said about it."""

from __future__ import annotations

import pytest

from podium.engines.simulation.messages import (
    AllReady,
    Answered,
    Deploy,
    Finish,
    ModelEnded,
    Parameterize,
    Parameterized,
    Remove,
    StepSent,
)
from podium.runs.machine import (
    CancelRequested,
    DeadlinePassed,
    LinkDown,
    LinkLost,
    PerformFailed,
    Recovered,
    Resumed,
    Started,
)
from tests.engines.simulation.driver import Driver


def keys(run):
    return [command.key for command in run.pending()]


def test_time_away_does_not_count():
    run = Driver(step_timeout=60)
    run.stepping()
    before = run.machine.deadline(run.state)
    run.crash(down=1000)
    assert run.state.guard == before + 1000
    run.answer()
    finished = next(event for event in run.journal if event.type == "step.finished")
    assert finished.data["seconds"] < 10


def test_there_is_time_to_listen_however_late_it_was_but_not_for_ever():
    run = Driver(step_timeout=60, quiet=5)
    run.stepping()
    run.now = run.machine.deadline(run.state) - 0.1
    run.feed(Resumed, 0.0, after=0.0)
    run.now += 30  # as long as the broker takes to tell what it remembers
    run.recover()
    assert run.state.limit == run.now + 15, "to ask those who have not answered, then all, and to hear them"
    while run.state.phase == "stepping":
        run.feed(LinkLost, after=10)
        run.recover()
        if run.now >= run.machine.deadline(run.state):
            run.wait()
    assert run.now < 60 + 600 + 60


def test_time_without_a_link_does_not_count():
    run = Driver(step_timeout=60, away_timeout=600)
    run.stepping()
    began = run.now
    run.feed(LinkDown)
    assert run.machine.deadline(run.state) == run.now + 600
    assert run.feed(DeadlinePassed, after=500.0) == []
    assert run.feed(LinkDown) == []
    run.feed(LinkLost)
    run.recover()
    assert run.last.type == "link.lost"
    assert run.last.data["down"] == 502.0
    assert run.state.guard == began + 60 + 502.0
    assert run.state.since == began + 502.0


@pytest.mark.parametrize("phase", ["deploying", "parameterizing", "stepping"])
def test_a_broker_that_stays_away_ends_the_run(phase):
    run = Driver(away_timeout=600)
    {"deploying": lambda: run.feed(Started), "parameterizing": run.ready, "stepping": run.stepping}[phase]()
    assert run.state.phase == phase
    assert run.feed(LinkDown) == ["link.down"]
    assert run.last.type == "link.down"
    assert run.wait() == ["run.ending"]
    error = run.last.data["error"]
    assert error["reason"].startswith("the broker was away for 600 s, ")
    assert "dots_away_timeout_seconds" in error["hint"]
    while run.state.phase != "ended":  # nobody hears that it is over
        for command in run.pending():
            run.feed(PerformFailed, command.key, "the broker is away", True)
        run.wait()
    assert run.last.data["error"]["reason"] == error["reason"]
    assert run.last.data["left_behind"]


def test_a_link_that_was_down_before_podium_was_does_not_count_either():
    run = Driver(step_timeout=60)
    run.stepping()
    guard, lost = run.state.guard, run.now + 1
    run.feed(LinkDown)
    run.now += 300
    run.crash(down=10)
    assert run.state.guard == guard + run.journal[-1].data["at"] - lost
    assert run.machine.deadline(run.state) < run.now + 60, "it is back with Podium"


def test_a_link_that_was_down_before_podium_was_leaves_in_doubt_what_the_broker_took():
    run = Driver("a-1", quiet=5)
    run.stepping()
    run.feed(LinkDown)
    run.crash((StepSent, "a-1", 1), complete=True)
    assert run.wait() == ["step.repeated"]


def test_a_step_that_begins_without_a_link_has_its_own_time_away():
    run = Driver("a-1", step_timeout=60, away_timeout=600)
    run.stepping({"a-1": 2})
    run.feed(LinkDown)
    run.feed(Answered, "a-1", 1, after=100.0)  # by another link
    began = run.now
    assert run.state.step == 2
    assert run.machine.deadline(run.state) == began + 600
    run.feed(LinkLost, after=50.0)
    assert run.last.data["down"] == 50.0
    assert run.state.guard == began + 60 + 50


def test_people_see_that_the_link_is_down():
    run = Driver()
    run.stepping()
    run.feed(LinkDown)
    assert run.progress.away == run.now
    run.feed(LinkLost)
    assert run.progress.away is None


def test_a_run_that_ends_does_so_in_time_without_a_link():
    run = Driver(end_timeout=20)
    run.stepping()
    run.feed(LinkDown)
    assert run.feed(CancelRequested) == ["run.ending"]
    assert run.machine.deadline(run.state) == run.now + 20
    assert run.feed(LinkDown) == []


@pytest.mark.parametrize("why", [(Resumed, 1.0), (LinkLost,)])
def test_nothing_is_pending_while_it_is_looked_what_was(why):
    run = Driver()
    run.feed(Started)
    run.feed(*why)
    assert run.pending() == []
    run.feed(AllReady)
    assert run.pending() == []
    run.feed(Recovered, True)
    if not run.pending():
        run.wait()  # after a lost link models are given time
    assert [type(command) for command in run.pending()] == [Parameterize]


def test_a_queued_run_has_nothing_to_recover():
    run = Driver()
    assert run.feed(Resumed, 1.0) == []
    assert run.feed(LinkLost) == []
    assert run.feed(Recovered, False) == []


class TestDeploying:
    def test_an_order_that_was_not_confirmed_is_given_again_at_once(self):
        run = Driver()
        run.feed(Started)
        run.crash()
        assert run.pending() == [Deploy("deploy:again:1")]

    @pytest.mark.parametrize("complete", [True, False])
    def test_a_confirmed_one_after_a_quiet_time_without_a_sign(self, complete):
        run = Driver(quiet=5)
        run.feed(Started)
        run.perform()
        run.crash(complete=complete)
        assert run.pending() == []
        before = run.now
        assert run.wait() == ["command.repeated"]
        assert run.now - before == 5
        assert run.pending() == [Deploy("deploy:again:2")]

    def test_all_had_become_ready(self):
        run = Driver()
        run.feed(Started)
        run.perform()
        run.crash((AllReady,), complete=True)
        assert run.pending() == [Parameterize("parameterize", ("a-1", "b-1"))]


class TestParameterizing:
    def test_only_those_who_have_not_answered_get_them_again(self):
        run = Driver()
        run.ready()
        run.crash((Parameterized, "a-1", 2), complete=True)
        assert run.pending() == []
        run.wait()
        assert run.pending() == [Parameterize("parameterize:again:2", ("b-1",))]
        run.feed(Parameterized, "b-1", 2)
        assert run.state.versions == {"a-1": 2, "b-1": 2}


class TestVersion1:
    def test_with_a_complete_memory_only_those_are_stepped_who_were_not(self):
        run = Driver("a-1", "b-1", "c-1")
        run.stepping()
        run.crash((StepSent, "a-1", 1), (StepSent, "b-1", 1), (Answered, "a-1", 1), complete=True)
        (step,) = run.pending()
        assert (step.models, step.due) == (("c-1",), run.models)
        run.perform()
        assert run.machine.deadline(run.state) == run.state.guard, "b-1 may take its time"
        run.answer("b-1", "c-1")
        assert run.state.step == 2
        assert run.state.repeated == []

    def test_with_a_complete_memory_of_all_answers_the_run_goes_on(self):
        run = Driver()
        run.stepping()
        run.crash(*[(kind, model, 1) for kind in (StepSent, Answered) for model in run.models], complete=True)
        assert run.state.step == 2
        assert run.feed(Answered, "a-1", 1) == [], "the same answer may come by the link as well"
        assert keys(run) == ["step:2"]
        assert run.state.repeated == []

    def test_without_a_memory_it_listens_then_asks_the_missing_then_all(self):
        run = Driver("a-1", "b-1", "c-1", quiet=5)
        run.stepping()
        run.crash(complete=False)
        assert run.pending() == []
        run.answer("a-1")
        before = run.now
        assert run.wait() == ["step.repeated"]
        assert run.now - before == 4
        assert run.last.data["models"] == ["b-1", "c-1"]
        assert run.perform()[0].models == ("b-1", "c-1")
        assert run.wait() == ["step.repeated"]
        assert run.perform()[0].models == run.models
        assert run.machine.deadline(run.state) == run.state.guard

    def test_a_repeated_step_makes_the_run_inexact(self):
        run = Driver(steps=2, settle=0.0, quiet=5)
        run.stepping()
        run.crash(complete=False)
        run.wait()
        run.perform()
        run.answer()
        assert run.pending() == [], "second answers are to come before the next step"
        run.feed(Answered, "a-1", None)
        run.wait()
        assert keys(run) == ["step:2"]
        run.all_steps()
        run.all_end()
        assert (run.last.type, run.last.data["exact"], run.last.data["repeated"]) == ("run.succeeded", False, [1])

    def test_who_answers_while_it_listens_is_not_asked_again(self):
        run = Driver(steps=1)
        run.stepping()
        run.crash(complete=False)
        run.answer()
        assert run.state.phase == "finishing"
        assert run.state.repeated == []

    def test_after_a_lost_link_even_what_the_broker_took_is_in_doubt(self):
        run = Driver("a-1", "b-1", "c-1", quiet=5)
        run.stepping()
        run.feed(LinkLost)
        run.recover((StepSent, "a-1", 1), (StepSent, "b-1", 1), (Answered, "a-1", 1), complete=True)
        assert [command.models for command in run.perform()] == [("c-1",)]
        assert run.wait() == ["step.repeated"]
        assert run.last.data["models"] == ["b-1"], "c-1 was asked a moment ago"
        assert run.last.data["reason"] == "the link to the broker was lost"

    def test_who_finds_the_broker_later_than_podium_is_asked_again(self):
        run = Driver("a-1", "b-1", quiet=5)
        run.stepping()
        run.feed(LinkLost)
        run.recover(complete=True)
        assert [command.models for command in run.perform()] == [("a-1", "b-1")]
        run.answer("a-1")
        assert run.wait() == ["step.repeated"]
        assert run.last.data["models"] == ["b-1"]

    def test_doubt_about_the_link_outlives_podium(self):
        run = Driver("a-1", quiet=5)
        run.stepping()
        run.feed(LinkLost)
        run.crash((StepSent, "a-1", 1), complete=True)
        assert run.wait() == ["step.repeated"]

    def test_doubt_about_the_link_ends_with_the_step(self):
        run = Driver("a-1", quiet=5)
        run.stepping()
        run.feed(LinkLost)
        run.recover((StepSent, "a-1", 1), complete=True)
        run.answer()
        run.perform()
        run.crash((StepSent, "a-1", 2), complete=True)
        assert run.machine.deadline(run.state) == run.state.guard


class TestVersion2:
    def stepping(self, *models, **plan):
        run = Driver(*models, **plan)
        run.stepping(versions=dict.fromkeys(run.models, 2))
        return run

    def test_is_stepped_again_at_once_and_stays_exact(self):
        run = self.stepping(steps=1)
        run.crash(complete=False)
        (step,) = run.perform()
        assert (step.key, step.broadcast) == ("step:1:again:1", ("a-1", "b-1"))
        run.answer(number=1)
        assert run.last.type == "run.ending"
        assert run.state.repeated == []

    def test_is_not_when_the_broker_knows_that_it_was(self):
        run = self.stepping()
        run.crash((StepSent, None, 1), complete=True)
        assert run.pending() == []

    def test_is_when_the_link_was_lost(self):
        run = self.stepping()
        run.feed(LinkLost)
        run.recover((StepSent, None, 1), (Answered, "a-1", 1), complete=True)
        (step,) = run.perform()
        assert step.broadcast == ("a-1", "b-1"), "outputs of those who have answered may be lost as well"

    def test_is_asked_again_and_again_with_longer_pauses(self):
        run = self.stepping(quiet=5, step_timeout=100)
        run.feed(LinkLost)
        run.recover(complete=False)
        pauses = []
        while run.state.phase == "stepping":
            run.perform()
            before = run.now
            run.wait()
            pauses.append(run.now - before)
        assert pauses[:4] == [5, 10, 20, 40]
        assert "the link to the broker was lost" in run.last.data["error"]["reason"]

    def test_no_quiet_time_is_no_busy_time(self):
        run = self.stepping(quiet=0, step_timeout=100)
        run.feed(LinkLost)
        run.recover(complete=False)
        turns = 0
        while run.state.phase == "stepping":
            run.perform()
            run.wait()
            turns += 1
        assert turns < 20

    def test_beside_version_1_its_repetition_is_written_down(self):
        run = Driver()
        run.stepping(versions={"b-1": 2})
        run.crash(complete=False)
        assert run.last.type == "step.repeated"
        assert [command.broadcast for command in run.pending()] == [("b-1",)]
        run.perform()
        run.wait()
        assert [command.models for command in run.pending()] == [("a-1",)]


class TestEnding:
    def test_models_are_told_again_at_once(self):
        run = Driver(steps=1)
        run.stepping()
        run.all_steps()
        run.crash((ModelEnded, "a-1", True, 0), complete=True)
        assert run.pending() == [Finish("finish:again:1", ("b-1",))]

    def test_also_when_the_link_was_lost(self):
        run = Driver(steps=1)
        run.stepping()
        run.all_steps()
        run.feed(LinkLost)
        run.recover(complete=True)
        assert run.pending() == [Finish("finish:again:1", ("a-1", "b-1"))]

    def test_and_again_while_they_find_the_broker(self):
        run = Driver(steps=1, quiet=5)
        run.stepping()
        run.all_steps()
        run.feed(LinkLost)
        run.recover(complete=True)
        run.perform()
        run.feed(ModelEnded, "a-1", True, 0)
        assert run.wait() == ["command.repeated"]
        assert run.pending() == [Finish("finish:again:2", ("b-1",))]

    def test_the_outcome_survives(self):
        run = Driver(steps=1)
        run.stepping()
        run.feed(ModelEnded, "a-1", False, 3)
        run.crash((ModelEnded, "b-1", True, 0), complete=False)
        assert run.last.type == "run.failed"
        assert run.last.data["error"]["exit_code"] == 3

    def test_removal_is_asked_for_again(self):
        run = Driver(steps=1)
        run.stepping()
        run.all_steps()
        run.wait()
        run.perform()
        run.crash()
        assert run.pending() == [Remove("remove:again:1")]


class TestModelsThatComeBackLater:
    def answered_while_the_link_was_lost(self, version):
        run = Driver()
        run.stepping(versions=dict.fromkeys(run.models, version))
        run.feed(LinkLost)
        run.recover(*[(kind, model, 1) for kind in (StepSent, Answered) for model in run.models], complete=True)
        assert run.state.step == 2
        return run

    def test_version_1_is_given_time_to_find_the_broker(self):
        run = self.answered_while_the_link_was_lost(version=1)
        assert run.pending() == []
        since = run.now
        run.wait()
        assert since < run.now <= since + run.state.plan.quiet
        assert keys(run) == ["step:2"]

    @pytest.mark.parametrize("down", [0.0, 0.08, 10.0])
    def test_version_1_is_given_time_also_for_a_step_that_was_not_sent_yet(self, down):
        run = Driver(settle=0.02)
        run.stepping()
        run.feed(LinkDown, after=0.001)
        run.feed(LinkLost, after=down)
        back = run.now
        run.recover(complete=False)
        assert run.pending() == []
        assert run.wait() == ["command.due"]
        assert run.now == pytest.approx(back + run.state.plan.quiet)
        assert keys(run) == ["step:1:again:1"]
        assert run.state.repeated == []

    def test_version_2_is_told_again_while_it_does_not_answer(self):
        run = self.answered_while_the_link_was_lost(version=2)
        run.perform()
        run.wait()
        assert keys(run) == ["step:2:again:1"]

    def test_parameters_wait_for_models_as_well(self):
        run = Driver()
        run.feed(Started)
        run.perform()
        run.feed(LinkLost)
        run.recover((AllReady,), complete=True)
        assert run.pending() == []
        run.wait()
        assert keys(run) == ["parameterize"]

    def test_a_step_that_was_not_sent_is_sent_once_however_late_it_is_known(self):
        run = Driver(settle=0.02)
        run.stepping()
        run.feed(LinkLost, after=0.001)
        run.now += 6  # as long as the broker takes to tell what it remembers
        run.recover(complete=True)
        assert keys(run) == ["step:1:again:1"]
        run.perform()
        assert run.machine.deadline(run.state) == run.state.guard

    def test_time_to_find_the_broker_is_none_of_the_time_for_a_step(self):
        run = Driver(settle=0.02, step_timeout=4)
        run.stepping()
        run.feed(LinkLost, after=0.001)
        run.recover()
        assert run.wait() == ["command.due"]
        assert run.state.guard >= run.now + 4

    def test_a_step_that_begins_without_a_link_is_sent_when_it_is_back(self):
        run = Driver("a-1")
        run.stepping()
        run.feed(LinkDown)
        run.answer()  # by another link
        assert (run.state.step, run.pending()) == (2, [])
        run.feed(LinkLost)
        run.recover()
        run.wait()
        assert keys(run) == ["step:2:again:1"]
        assert run.state.repeated == []

    def test_also_where_the_broker_was_away_while_podium_was(self):
        run = Driver("a-1")
        run.stepping()
        run.now += 10
        run.feed(Resumed, 10.0, True)
        assert run.last.data["relinked"] is True
        run.recover((StepSent, "a-1", 1), (Answered, "a-1", 1), complete=True)
        assert run.pending() == []
        run.wait()
        assert keys(run) == ["step:2"]

    def test_models_are_told_to_finish_again_after_podium_was_away(self):
        run = Driver(steps=1)
        run.stepping()
        run.all_steps()
        run.feed(LinkDown)
        run.crash(complete=True)
        assert keys(run) == ["finish:again:1"]
        run.perform()
        assert run.wait() == ["command.repeated"]
        assert keys(run) == ["finish:again:2"]

    def test_who_is_told_of_lost_models_is_not_who_has_to_be_asked_again(self):
        run = Driver("a-1", "b-1", "c-1", "d-1", on_model_failure="continue")
        run.stepping(versions=dict.fromkeys(("b-1", "c-1", "d-1"), 2))
        run.feed(LinkLost)
        run.recover()
        run.perform()
        for lost in ("c-1", "d-1"):
            assert "step.repeated" in run.feed(ModelEnded, lost, False, 3)
            run.perform()
        run.answer("b-1", number=1)
        assert run.wait() == ["step.repeated"]
        assert [command.models for command in run.pending()] == [("a-1",)]

    def test_a_clock_that_was_set_back_holds_up_nothing(self):
        run = Driver("a-1")
        run.stepping()
        run.feed(LinkLost)
        run.recover((StepSent, "a-1", 1), complete=True)
        run.now -= 3600
        run.feed(Resumed, 0.0)
        run.recover((StepSent, "a-1", 1), (Answered, "a-1", 1), complete=True)
        assert run.state.step == 2
        assert keys(run) == ["step:2"]

    def test_models_of_version_2_that_are_left_alone_meanwhile_hear_the_next_step(self):
        run = Driver("a-1", "b-1", "c-1", on_model_failure="continue")
        run.stepping(versions={"b-1": 2, "c-1": 2})
        run.feed(LinkLost)
        run.recover()
        run.perform()
        run.answer("b-1", "c-1", number=1)
        assert "step.finished" in run.feed(ModelEnded, "a-1", False, 3)
        assert run.pending() == []
        run.wait()
        assert keys(run) == ["step:2"]
        assert run.feed(ModelEnded, "c-1", False, 3) == ["model.ended", "model.lost"]
        (step,) = run.pending()
        assert (step.broadcast, step.due) == (("b-1",), ("b-1",))

    def test_models_of_version_2_hear_of_those_that_were_lost_while_podium_was_away(self):
        run = Driver(on_model_failure="continue")
        run.stepping(versions={"a-1": 2, "b-1": 2})
        run.crash((StepSent, None, 1), (ModelEnded, "b-1", False, 3), complete=True)
        (step,) = run.pending()
        assert (step.broadcast, step.due, step.lost) == (("a-1",), ("a-1",), ("b-1",))

    def test_models_of_version_2_hear_of_a_second_loss_while_they_are_told_of_the_first(self):
        run = Driver("a-1", "b-1", "c-1", "d-1", on_model_failure="continue")
        run.stepping(versions=dict.fromkeys(("b-1", "c-1", "d-1"), 2))
        run.feed(ModelEnded, "c-1", False, 3)
        run.feed(ModelEnded, "d-1", False, 3)
        assert run.pending()[-1].broadcast == ("b-1",)
        assert run.pending()[-1].lost == ("c-1", "d-1")
        assert len(run.pending()) == 2, "the first may be on its way already"

    def test_nobody_is_told_of_losses_without_a_link(self):
        run = Driver("a-1", "b-1", "c-1", on_model_failure="continue")
        run.stepping(versions={"b-1": 2, "c-1": 2})
        run.feed(LinkDown)
        assert run.feed(ModelEnded, "c-1", False, 3) == ["model.ended", "model.lost"]
        assert run.state.repeated == []
