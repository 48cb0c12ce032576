"""The conductor on a real journal: write before acting, one lane one run, recovery by the same code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from podium.errors import Conflict, DocumentRefused, Gone, JournalDamaged, NotFound, Unavailable
from podium.runs.conductor import Conductor
from podium.runs.events import Event, Run, RunState, Submission
from podium.runs.journal import Journal
from podium.runs.machine import Command, DeadlinePassed, Performed, Recovery, Started
from podium.runs.secrets import Secrets
from tests.runs.counting import CountingKind, CountingMachine, CountingPerformer, counting


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", owner="test")
    await journal.open()
    await journal.acquire()
    yield journal
    await journal.close()


class Abandonable(Command):
    abandonable = True


def conductor(journal: Journal, performer: CountingPerformer, machine: Any = None) -> Conductor:
    kind = CountingKind(performer) if machine is None else CountingKind(performer, machine)
    return Conductor(journal, {"test.counting": kind})


async def types(journal: Journal, run: str) -> list[str]:
    return [recorded.event.type for recorded in await journal.events(run)]


async def test_a_run_goes_from_submission_to_its_end(journal: Journal) -> None:
    performer = CountingPerformer()
    conducting = conductor(journal, performer)
    await conducting.submit(counting("a", 3))
    assert (await conducting.wait("a")).state is RunState.SUCCEEDED
    assert performer.performed == [("a", "count:0"), ("a", "count:1"), ("a", "count:2")]
    assert performer.released_runs == ["a"]
    assert await types(journal, "a") == [
        "run.submitted",
        "run.started",
        "run.running",
        *["counted"] * 3,
        "run.succeeded",
    ]
    assert not conducting.active


async def test_the_same_key_gives_the_first_run(journal: Journal) -> None:
    conducting = conductor(journal, CountingPerformer())
    first = await conducting.submit(counting("a", 1, key="k"))
    assert (await conducting.submit(counting("b", 1, key="k"))).id == first.id
    await conducting.wait("a")
    with pytest.raises(NotFound):
        await journal.run("b")


async def test_what_came_for_a_key_that_was_used_leaves_no_secrets(journal: Journal, tmp_path: Path) -> None:
    performer = CountingPerformer(frozenset({"count:0"}))
    secrets = Secrets(tmp_path / "secrets")
    conducting = Conductor(journal, {"test.counting": CountingKind(performer)}, secrets=secrets)
    await conducting.submit(counting("a", 1, key="k", secrets={"a.0": "hush"}))
    await conducting.submit(counting("b", 1, key="k", secrets={"b.0": "hush"}))
    with pytest.raises(Conflict, match="another document"):
        await conducting.submit(counting("c", 2, key="k", secrets={"c.0": "hush"}))
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["a.0"]
    await conducting.close()


async def test_an_unknown_kind_is_refused(journal: Journal) -> None:
    with pytest.raises(DocumentRefused, match=r"test\.counting"):
        await Conductor(journal, {"test.counting": CountingKind(CountingPerformer())}).submit(
            counting("a", 1).__class__("a", "nobody.knows", "a", {})
        )


async def test_what_is_acted_upon_is_written_already(journal: Journal) -> None:
    class Looking(CountingPerformer):
        async def perform(self, run: str, document: Any, command: Any) -> Any:
            written.append((command.key, (await types(journal, run)).count("counted")))
            return await super().perform(run, document, command)

    written: list[tuple[str, int]] = []
    conducting = conductor(journal, Looking())
    await conducting.submit(counting("a", 5))
    await conducting.wait("a")
    assert written == [(f"count:{n}", n) for n in range(5)]


async def test_runs_of_one_lane_follow_each_other_in_order(journal: Journal) -> None:
    performer = CountingPerformer()
    conducting = conductor(journal, performer)
    for name in "abc":
        await conducting.submit(counting(name, 2, lane="queue"))
    await conducting.submit(counting("free", 1))
    await asyncio.gather(*[conducting.wait(name) for name in "abc"])
    assert [run for run, _ in performer.performed if run != "free"] == ["a", "a", "b", "b", "c", "c"]


async def test_a_queued_run_can_be_cancelled_and_the_lane_goes_on(journal: Journal) -> None:
    performer = CountingPerformer(never=frozenset({"count:0"}))
    conducting = conductor(journal, performer)
    for name in "abc":
        await conducting.submit(counting(name, 1, lane="queue"))
    await conducting.cancel("b")
    assert (await conducting.wait("b")).state is RunState.CANCELLED
    await conducting.cancel("a")
    await conducting.wait("a")
    await conducting.cancel("c")
    await conducting.wait("c")
    assert "run.started" not in await types(journal, "b")
    assert "run.started" in await types(journal, "c")


async def test_a_restart_goes_on_with_what_was_pending(journal: Journal) -> None:
    stuck = CountingPerformer(never=frozenset({"count:2"}))
    before = conductor(journal, stuck)
    await before.submit(counting("a", 4))
    position = 0
    while (await types(journal, "a")).count("counted") < 2:
        position = await journal.wait_beyond(position)
    await before.close()
    performer = CountingPerformer()
    after = conductor(journal, performer)
    await after.start(down=1.0)
    assert (await after.wait("a")).state is RunState.SUCCEEDED
    assert performer.performed == [("a", "count:2"), ("a", "count:3")]
    assert (await types(journal, "a")).count("noticed") == 2  # resumed, recovered


async def test_what_came_while_it_was_found_out_what_was_missed_is_heard_before_anything_is_done(
    journal: Journal,
) -> None:
    before = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    await before.submit(counting("a", 1))
    position = 0
    while "run.running" not in await types(journal, "a"):
        position = await journal.wait_beyond(position)
    await before.close()

    class Interrupted(CountingPerformer):
        async def recover(self, run: str, document: Any) -> Any:
            after.link_down()
            await after.cancel(run)
            return await super().recover(run, document)

    performer = Interrupted()
    after = conductor(journal, performer)
    await after.start(relinked=True)
    assert (await after.wait("a")).state is RunState.CANCELLED
    assert performer.performed == []
    noticed = [each.event.data["what"] for each in await journal.events("a") if each.event.type == "noticed"]
    assert noticed == ["Resumed, relinked", "Recovered", "LinkDown"]


async def test_a_restart_starts_what_was_queued_in_order(journal: Journal) -> None:
    before = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    for name in "ab":
        await before.submit(counting(name, 1, lane="queue"))
    position = 0
    while "run.running" not in await types(journal, "a"):
        position = await journal.wait_beyond(position)
    await before.close()
    performer = CountingPerformer()
    after = conductor(journal, performer)
    await after.start()
    await asyncio.gather(after.wait("a"), after.wait("b"))
    assert performer.performed == [("a", "count:0"), ("b", "count:0")]


async def test_a_command_is_settled_when_what_came_of_it_is_written(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    performing, perform, writing, write = (asyncio.Event() for _ in range(4))

    class Waiting(CountingPerformer):
        async def perform(self, run: str, document: Any, command: Any) -> Any:
            performing.set()
            await perform.wait()
            return await super().perform(run, document, command)

    append = journal.append

    async def slow(run: str, what: Any) -> Any:
        if performing.is_set():
            writing.set()
            await write.wait()
        return await append(run, what)

    monkeypatch.setattr(journal, "append", slow)
    conducting = conductor(journal, Waiting())
    await conducting.submit(counting("a", 2))
    await performing.wait()
    settled = conducting.settled("a", "count:0")
    perform.set()
    await writing.wait()
    assert conducting.settled("a", "count:0") is settled
    assert not settled.done()
    write.set()
    await settled
    assert "counted" in await types(journal, "a")
    await conducting.wait("a")


@pytest.mark.parametrize("ended", [True, False])
async def test_of_what_was_under_way_the_end_of_a_run_settles_all_and_the_end_of_podium_nothing(
    journal: Journal, ended: bool
) -> None:
    performing = asyncio.Event()

    class Waiting(CountingPerformer):
        async def perform(self, run: str, document: Any, command: Any) -> Any:
            performing.set()
            await asyncio.Event().wait()

    conducting = conductor(journal, Waiting())
    await conducting.submit(counting("a", 1))
    await performing.wait()
    settled = conducting.settled("a", "count:0")
    await (conducting.cancel("a") if ended else conducting.close())
    await asyncio.wait([settled])
    assert settled.cancelled() is not ended
    await conducting.close()


async def test_a_snapshot_that_cannot_be_kept_ends_no_run(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podium.runs.actor.SNAPSHOT_EVERY", 10)
    asked: list[int] = []

    async def away(run: str, seq: int, state: Any) -> int:
        asked.append(seq)
        raise Unavailable("the database is away")

    monkeypatch.setattr(journal, "snapshot", away)
    conducting = conductor(journal, CountingPerformer())
    await conducting.submit(counting("a", 26))
    assert (await conducting.wait("a")).state is RunState.SUCCEEDED
    assert len(asked) > 1
    await conducting.close()


async def test_large_snapshots_are_rare(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podium.runs.actor.SNAPSHOT_EVERY", 10)
    monkeypatch.setattr("podium.runs.actor.SNAPSHOT_BYTES", 100)
    kept: list[int] = []

    async def keep(run: str, seq: int, state: Any) -> int:
        kept.append(seq)
        return 4000

    monkeypatch.setattr(journal, "snapshot", keep)
    conducting = conductor(journal, CountingPerformer())
    await conducting.submit(counting("a", 100))
    await conducting.wait("a")
    assert len(kept) > 1
    assert all(later - earlier >= 40 for earlier, later in pairwise(kept))
    await conducting.close()


async def test_a_long_run_is_replayed_from_a_snapshot(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podium.runs.actor.SNAPSHOT_EVERY", 10)
    before = conductor(journal, CountingPerformer(never=frozenset({"count:25"})))
    await before.submit(counting("a", 26))
    position = 0
    while (await types(journal, "a")).count("counted") < 25:
        position = await journal.wait_beyond(position)
    await before.close()
    snapshot = await journal.latest_snapshot("a")
    assert snapshot is not None
    assert snapshot[0] >= 20

    applied = 0

    class Watched(CountingMachine):
        def apply(self, state: Any, event: Any) -> Any:
            nonlocal applied
            applied += 1
            return super().apply(state, event)

    after = conductor(journal, CountingPerformer(), Watched())
    await after.start()
    await after.wait("a")
    assert (await types(journal, "a")).count("counted") == 26
    assert applied < 20


async def test_a_snapshot_of_another_shape_ends_no_run(journal: Journal) -> None:
    class Newer(CountingMachine):
        def load(self, document: Any, snapshot: Any) -> Any:
            raise JournalDamaged("a snapshot has a shape this version does not know")

    before = conductor(journal, CountingPerformer(never=frozenset({"count:2"})))
    await before.submit(counting("a", 4))
    position = 0
    while (await types(journal, "a")).count("counted") < 2:
        position = await journal.wait_beyond(position)
    await before.close()
    await journal.snapshot("a", 4, {"shape": 99})
    after = conductor(journal, CountingPerformer(), Newer())
    await after.start()
    assert (await after.wait("a")).state is RunState.SUCCEEDED
    assert (await types(journal, "a")).count("counted") == 4


async def test_a_lost_link_has_every_run_recover(journal: Journal) -> None:
    conducting = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    await conducting.submit(counting("a", 1))
    position = 0
    while "run.running" not in await types(journal, "a"):
        position = await journal.wait_beyond(position)
    conducting.link_down()
    conducting.link_lost()
    while (await types(journal, "a")).count("noticed") < 3:
        position = await journal.wait_beyond(position)
    noticed = [r.event.data["what"] for r in await journal.events("a") if r.event.type == "noticed"]
    assert noticed == ["LinkDown", "LinkLost", "Recovered"]
    await conducting.close()


async def test_a_run_that_begins_while_the_link_is_down_is_told(journal: Journal) -> None:
    """Also where it began behind another, or goes on after a restart."""
    conducting = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    conducting.link_down()
    for name in "abc":
        await conducting.submit(counting(name, 1, lane="queue"))
    await noticing(journal, "a", ["LinkDown"])
    await conducting.cancel("a")
    await noticing(journal, "b", ["LinkDown"])
    await conducting.close()

    after = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    after.link_down()
    await after.start()
    await noticing(journal, "b", ["LinkDown", "Resumed", "Recovered", "LinkDown"])
    after.link_lost()
    await noticing(journal, "b", ["LinkDown", "Resumed", "Recovered", "LinkDown", "LinkLost", "Recovered"])
    await after.cancel("b")
    await noticing(journal, "c", ["LinkLost", "Recovered"])
    await after.close()


async def noticing(journal: Journal, run: str, expected: list[str]) -> None:
    """Wait until it has noticed as much, which has to be what is expected."""
    position = 0
    while len(found := [r.event.data["what"] for r in await journal.events(run) if r.event.type == "noticed"]) < len(
        expected
    ):
        position = await journal.wait_beyond(position)
    assert found == expected


async def test_nothing_is_acted_upon_before_it_is_known_what_a_lost_link_cost(journal: Journal) -> None:
    """What was heard before the loss comes first, and what follows from it waits."""
    began = asyncio.Event()
    at_recovery: list[list[tuple[str, str]]] = []

    class Looking(CountingPerformer):
        async def perform(self, run: str, document: Any, command: Any) -> Any:
            began.set()
            return await super().perform(run, document, command)

        async def recover(self, run: str, document: Any) -> Recovery:
            at_recovery.append(list(self.performed))
            return await super().recover(run, document)

    performer = Looking(never=frozenset({"count:0"}))
    conducting = conductor(journal, performer)
    await conducting.submit(counting("a", 2))
    await began.wait()
    conducting.tell("a", Performed(0.0, "count:0"))
    conducting.link_lost()
    await conducting.wait("a")
    assert at_recovery == [[("a", "count:0")]]
    assert performer.performed == [("a", "count:0"), ("a", "count:1")]


async def test_a_deadline_is_noticed(journal: Journal) -> None:
    conducting = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    await conducting.submit(counting("a", 1, timeout=0.05))
    run = await conducting.wait("a")
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert run.error.reason == "took too long"


@pytest.mark.parametrize("error", [Unavailable("the cluster is away"), ZeroDivisionError("a bug")])
async def test_a_command_that_fails_reaches_the_machine(journal: Journal, error: Exception) -> None:
    conducting = conductor(journal, CountingPerformer(fails={"count:1": error}))
    await conducting.submit(counting("a", 3))
    run = await conducting.wait("a")
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert str(error) in run.error.reason


async def test_a_broken_machine_ends_its_run_and_no_other(journal: Journal) -> None:
    class Broken(CountingMachine):
        def pending(self, state: Any) -> Any:
            if state.done == 1 and state.count == 2:
                raise KeyError("a bug")
            return super().pending(state)

    conducting = conductor(journal, CountingPerformer(), Broken())
    await conducting.submit(counting("broken", 2))
    await conducting.submit(counting("whole", 3))
    broken, whole = await asyncio.gather(conducting.wait("broken"), conducting.wait("whole"))
    assert broken.state is RunState.FAILED
    assert whole.state is RunState.SUCCEEDED


async def test_inputs_nobody_wants_are_counted_and_told_of_to_those_who_look_closely(journal: Journal) -> None:
    conducting = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    assert not conducting.tell("nobody", Started(0.0))
    await conducting.submit(counting("a", 1))
    with capture_logs() as logs:
        assert conducting.tell("a", Performed(0.0, "something:else"))
        await conducting.cancel("a")
        await conducting.wait("a")
    assert conducting.unwanted["Performed"] == 1
    assert [log["log_level"] for log in logs if log["event"] == "input.unwanted"] == ["debug"]


async def test_who_retires_conducts_what_is_submitted_meanwhile_and_takes_no_more(journal: Journal) -> None:
    conducting = conductor(journal, CountingPerformer(never=frozenset({"count:0"})))
    await conducting.submit(counting("a", 1))
    retiring = asyncio.create_task(conducting.retire())
    await asyncio.sleep(0)
    await conducting.submit(counting("b", 1))
    await conducting.cancel("a")
    await conducting.wait("a")
    assert not retiring.done()
    await conducting.cancel("b")
    await retiring
    assert (await journal.run("b")).state is RunState.CANCELLED
    with pytest.raises(Gone):
        await conducting.submit(counting("c", 1))
    await conducting.close()


async def test_who_retires_waits_for_a_submission_that_is_under_way(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, written = asyncio.Event(), asyncio.Event()
    submit = journal.submit

    async def slowly(submission: Submission) -> tuple[Run, bool]:
        writing.set()
        await written.wait()
        return await submit(submission)

    monkeypatch.setattr(journal, "submit", slowly)
    conducting = conductor(journal, CountingPerformer())
    submitting = asyncio.create_task(conducting.submit(counting("a", 1)))
    await writing.wait()
    retiring = asyncio.create_task(conducting.retire())
    await asyncio.sleep(0)
    assert not retiring.done()
    written.set()
    await retiring
    assert (await submitting).id == "a"
    assert (await journal.run("a")).state is RunState.SUCCEEDED
    await conducting.close()


async def test_cancelling_an_ended_or_unknown_run(journal: Journal) -> None:
    conducting = conductor(journal, CountingPerformer())
    await conducting.submit(counting("a", 1))
    await conducting.wait("a")
    assert (await conducting.cancel("a")).state is RunState.SUCCEEDED
    with pytest.raises(NotFound):
        await conducting.cancel("b")


async def test_secrets_of_a_document_are_there_while_its_run_is(journal: Journal, tmp_path: Path) -> None:
    class Looking(CountingPerformer):
        async def perform(self, run: str, document: Any, command: Any) -> Any:
            seen.append(secrets.resolve({"$secret": "a.0"}))
            return await super().perform(run, document, command)

    seen: list[Any] = []
    secrets = Secrets(tmp_path / "secrets")
    conducting = Conductor(journal, {"test.counting": CountingKind(Looking())}, secrets=secrets)
    await conducting.submit(counting("a", 1, secrets={"a.0": "hush"}))
    await conducting.wait("a")
    assert seen == ["hush"]
    assert not list((tmp_path / "secrets").iterdir())
    assert b"hush" not in (tmp_path / "journal.db").read_bytes()


async def test_what_is_not_wanted_any_more_is_cancelled_and_its_end_waited_for(journal: Journal) -> None:
    """Only what may be abandoned, and before the run is released."""
    order: list[str] = []
    both = asyncio.Barrier(3)

    class Two(CountingMachine):
        def pending(self, state: Any) -> Any:
            return [Command("lasting"), Abandonable("passing")] if state.running and not state.done else []

        def handle(self, state: Any, what: Any) -> Any:
            match what:
                case Performed(key="go on"):
                    return [Event("counted")]
                case Performed(key="lasting"):
                    return [Event("run.succeeded")]
            return super().handle(state, what)

    class Lingering(CountingPerformer):
        async def perform(self, run: str, document: Any, command: Any) -> Any:
            await both.wait()
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                order.append(f"{command.key} cancelled")
                cancelled.set()
                await asyncio.sleep(0)
                order.append(f"{command.key} cleared away")
                raise
            return Performed(0.0, command.key)

        async def released(self, run: str) -> None:
            order.append("released")

    let_go, cancelled = asyncio.Event(), asyncio.Event()
    conducting = conductor(journal, Lingering(), Two())
    await conducting.submit(counting("a", 2))
    await both.wait()
    conducting.tell("a", Performed(0.0, "go on"))
    await cancelled.wait()
    let_go.set()
    await conducting.wait("a")
    assert order == ["passing cancelled", "passing cleared away", "released"]


async def test_what_is_under_way_has_ended_before_the_run_is_released(journal: Journal) -> None:
    order: list[str] = []
    begun = asyncio.Event()

    class Lingering(CountingPerformer):
        async def perform(self, run: str, document: Any, command: Any) -> Any:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                order.append("cleared away")

        async def released(self, run: str) -> None:
            order.append("released")

    conducting = conductor(journal, Lingering())
    await conducting.submit(counting("a", 1))
    await begun.wait()
    await conducting.cancel("a")
    await conducting.wait("a")
    assert order == ["cleared away", "released"]


async def test_a_deadline_that_has_passed_comes_until_all_is_decided(journal: Journal) -> None:
    """Behind the inputs of a batch, and before anything of it is written."""

    class Deciding(CountingMachine):
        def deadline(self, state: Any) -> float | None:
            return 0.0 if state.running and state.done < state.count else None

        def handle(self, state: Any, what: Any) -> Any:
            if isinstance(what, DeadlinePassed):
                return [Event("counted", {"number": state.done})]
            return super().handle(state, what)

    appended: list[int] = []
    append = journal.append

    async def watched(run: str, events: Any) -> Any:
        appended.append(len(events))
        return await append(run, events)

    journal.append = watched  # type: ignore[method-assign]
    conducting = conductor(journal, CountingPerformer(), Deciding())
    await conducting.submit(counting("a", 5))
    await conducting.cancel("a")
    await conducting.wait("a")
    assert appended[0] == 7
    assert (await types(journal, "a")).count("counted") == 5
