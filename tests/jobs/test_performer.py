"""What becomes of an attempt."""

from __future__ import annotations

import asyncio

import pytest

from podium.engines.flow.document import FlowDocument
from podium.engines.flow.messages import Attempt, PauseRequested
from podium.errors import DocumentRefused, NotFound, Unavailable
from podium.jobs.calls import Call, check
from podium.jobs.performer import REASON_CHARACTERS, RESULT_LEVELS, FlowPerformer
from podium.jobs.port import RESULT_BYTES, Job, JobFailed
from podium.runs.machine import Performed, PerformFailed


class Numbers(Call):
    a: int
    b: int = 0


class Asked:
    """A kind that does what the test says, and keeps what it was asked."""

    def __init__(self, does=lambda job: None) -> None:
        self.does = does
        self.jobs: list[Job] = []

    def check(self, call):
        check(Numbers, call)

    async def perform(self, job):
        self.jobs.append(job)
        result = self.does(job)
        if isinstance(result, BaseException):
            raise result
        return result


def attempt(**details) -> Attempt:
    return Attempt(**{"key": "n#1", "node": "n", "attempt": 1, "kind": "asked", **details})


def nested(levels: int) -> list:
    return [nested(levels - 1)] if levels > 1 else [5]


async def perform(asked, *, document=None, options=None, **details):
    performer = FlowPerformer({"asked": asked}, lambda: 7.0, **options or {})
    return await performer.perform("r", document or {}, attempt(**details))


async def test_the_result_is_told_under_the_key_of_the_attempt():
    assert await perform(Asked(lambda job: {"rows": 3})) == Performed(7.0, "n#1", {"rows": 3})


async def test_a_kind_is_given_all_there_is():
    kind = Asked()
    details = {"node": "n[3]", "attempt": 2, "item": {"x": 5}, "inputs": {"one": [1]}, "again": True}
    await perform(kind, document={"d": 1}, call={"a": {"$item": "/x"}, "b": {"$result": "one/0"}}, **details)
    (job,) = kind.jobs
    assert (job.key, job.call, job.item, job.inputs) == ("r/n[3]/2", {"a": 5, "b": 1}, {"x": 5}, {"one": [1]})
    assert (job.again, job.document, job.outcome) == (True, {"d": 1}, None)


async def test_secrets_are_put_in_place_and_not_those_that_results_name():
    kind = Asked()

    def resolve(value):
        return {key: "hush" if item == {"$secret": "s"} else item for key, item in value.items()}

    inputs = {"one": {"$secret": "s"}}
    call = {"a": {"$secret": "s"}, "b": {"$result": "one"}}
    await perform(kind, options={"resolve": resolve}, call=call, inputs=inputs)
    assert kind.jobs[0].call == {"a": "hush", "b": {"$secret": "s"}}
    assert "hush" not in repr(kind.jobs[0])


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (JobFailed("why"), True),
        (JobFailed("why", final=True), False),
        (Unavailable("why"), True),
        (NotFound("why"), False),
    ],
)
async def test_failures(error, transient):
    assert await perform(Asked(lambda job: error)) == PerformFailed(7.0, "n#1", "why", transient=transient)


async def test_what_people_are_shown_is_redacted():
    lines = []
    options = {"note": lambda *line: lines.append(line), "redact": lambda text: text.replace("hush", "***")}

    def does(job):
        job.note("the password is hush")
        return JobFailed("hush is wrong")

    assert (await perform(Asked(does), options=options)).reason == "*** is wrong"
    assert lines == [("r", "n", "the password is ***")]


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ("x" * RESULT_BYTES, "Put data into the artifacts"),
        (float("nan"), "not JSON"),
        (object(), "not JSON"),
        ({"name": ["bad\udcff.csv"]}, r"half a character, \udcff"),
        ({"\ud83d": 1}, r"half a character, \ud83d"),
        (nested(RESULT_LEVELS + 1), f"more than {RESULT_LEVELS} levels"),
    ],
)
async def test_results_that_cannot_be_kept(result, why):
    told = await perform(Asked(lambda job: result))
    assert told.reason.startswith("it is done, but its result ")
    assert why in told.reason
    assert not told.transient


async def test_a_result_of_as_many_levels_as_may_be_is_kept():
    assert (await perform(Asked(lambda job: nested(RESULT_LEVELS)))).result == nested(RESULT_LEVELS)


async def test_a_result_is_what_will_be_read_again():
    returned = {1: (2, 3), None: "\ud83d\ude00", "é": {True: 4.5}}
    told = await perform(Asked(lambda job: returned))
    assert told.result == {"1": [2, 3], "null": "\N{GRINNING FACE}", "é": {"true": 4.5}}


async def test_half_a_character_in_a_reason_or_a_line_is_shown_as_its_escape():
    lines = []

    def does(job):
        job.note("é of \udcff")
        return JobFailed("there is no \udcff")

    told = await perform(Asked(does), options={"note": lambda *line: lines.append(line)})
    assert (told.reason, lines) == (r"there is no \udcff", [("r", "n", r"é of \udcff")])


async def test_a_reason_of_any_length_fails_with_its_beginning():
    told = await perform(Asked(lambda job: JobFailed("why " * 100_000)))
    assert told.reason == "why " * (REASON_CHARACTERS // 4) + " ..."


async def test_a_reference_to_what_is_not_there():
    told = await perform(Asked(), call={"a": {"$result": "one"}})
    assert (told.transient, told.reason) == (
        False,
        "there is no result of a job 'one' here. Add 'one' to its `after`",
    )


async def test_a_kind_that_is_gone_since():
    told = await perform(Asked(), kind="other")
    assert told.reason == "there is no kind of job called 'other'. Known are: asked"


async def test_a_command_of_another_machine():
    with pytest.raises(TypeError):
        await FlowPerformer({}, lambda: 0.0).perform("r", {}, PauseRequested(0.0))


async def test_a_cancelled_attempt_says_nothing():
    waiting = asyncio.Event()

    class Waits(Asked):
        async def perform(self, job):
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(perform(Waits()))
    await waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


class TestCheck:
    def faults(self, **flow):
        with pytest.raises(DocumentRefused) as caught:
            FlowPerformer({"asked": Asked()}, lambda: 0.0).check(FlowDocument(**flow))
        return {fault.where: fault.what for fault in caught.value.faults} or {caught.value.where: caught.value.problem}

    def test_every_fault_is_named_by_job_and_key(self):
        jobs = {
            "one": {"kind": "asked", "call": {"a": "x", "c": 1}},
            "two": {"kind": "none"},
            "good": {"kind": "asked", "call": {"a": 1}},
        }
        assert self.faults(jobs=jobs, last={"kind": "asked"}) == {
            "jobs.one.call.a": "must be a whole number",
            "jobs.one.call.c": "there is no such key",
            "jobs.two.kind": "there is no kind of job called 'none'",
            "last.call.a": "is missing",
        }

    def test_a_result_of_a_job_that_may_not_have_ended(self):
        jobs = {"one": {"kind": "asked", "call": {"a": 1}}}
        jobs["two"] = {"kind": "asked", "call": {"a": {"$result": "one"}}}
        assert self.faults(jobs=jobs) == {"jobs.two.call": "the result of 'one' is not there for this job"}

    def test_the_list_of_which_it_gets_an_item(self):
        jobs = {"one": {"kind": "asked", "call": {"a": 1}}}
        jobs["two"] = {"kind": "asked", "call": {"a": {"$result": "one"}}, "after": ["one"], "each": "one"}
        assert self.faults(jobs=jobs) == {"jobs.two.call": "the result of 'one' is not there for this job"}

    def test_what_is_well(self):
        jobs = {"one": {"kind": "asked", "call": {"a": 1}}}
        jobs["two"] = {"kind": "asked", "call": {"a": {"$result": "one"}, "b": {"$secret": "s"}}, "after": ["one"]}
        FlowPerformer({"asked": Asked()}, lambda: 0.0).check(FlowDocument(jobs=jobs))


async def test_what_is_enclosed_is_left_alone():
    class Enclosing:
        enclosed = "inner"

        def check(self, call):
            pass

        async def perform(self, job):
            return dict(job.call)

    inner = {"url": {"$result": "a"}}
    call = {"inner": inner, "x": {"$result": "a"}}
    told = await FlowPerformer({"asked": Enclosing()}, lambda: 0.0).perform(
        "r", {}, attempt(call=call, inputs={"a": 5})
    )
    assert told.result == {"inner": inner, "x": 5}
