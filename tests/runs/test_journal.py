"""What every journal does, in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from podium.errors import Conflict, DocumentRefused, LeaseLost, NotFound, SettingsError, Unavailable
from podium.runs.database import Database, raw
from podium.runs.events import Event, Failure, Run, RunState, Submission
from podium.runs.journal import LARGE, LARGEST_SNAPSHOT, Journal
from tests.runs.test_records import Noting


class Clock:
    """Goes on by a second each time it is asked."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    journal = await opened(database_url)
    yield journal
    await journal.close()


async def opened(url: str, **options: Any) -> Journal:
    journal = Journal(url, owner="test", clock=options.pop("clock", Clock()), **options)
    await journal.open()
    await journal.acquire()
    return journal


def submission(id_: str = "a", **options: Any) -> Submission:
    return Submission(id_, options.pop("kind", "test.counting"), options.pop("name", f"run {id_}"), {"n": 3}, **options)


def steps(*numbers: int) -> list[Event]:
    return [Event("step.finished", {"step": number}) for number in numbers]


STARTED, RUNNING = Event("run.started"), Event("run.running")
SUCCEEDED, CANCELLED = Event("run.succeeded"), Event("run.cancelled")
FAILED = Event(
    "run.failed", {"error": {"reason": "it broke", "model": "m-1", "exit_code": 3, "last_lines": ["a", "b"]}}
)


async def test_a_submission_is_the_first_event_of_its_run(journal: Journal) -> None:
    run, created = await journal.submit(submission(lane="queue"))
    assert created
    assert run == Run("a", "test.counting", "run a", RunState.QUEUED, run.submitted, "queue", seq=1)
    assert await journal.run("a") == run
    assert await journal.document("a") == {"n": 3}
    (first,) = await journal.events("a")
    assert (first.position, first.seq, first.event.type) == (1, 1, "run.submitted")
    assert first.event.data == {"kind": "test.counting", "name": "run a", "lane": "queue"}


async def test_a_second_submission_with_the_same_key_gives_the_first_run(journal: Journal) -> None:
    both = await asyncio.gather(*(journal.submit(submission(id_, key="k")) for id_ in "ab"))
    assert sorted(created for _, created in both) == [False, True]
    assert both[0][0] == both[1][0]
    first = both[0][0].id  # of two at once, either
    await journal.append(first, [STARTED])
    again, created = await journal.submit(submission("c", key="k"))
    assert (again.id, again.state, created) == (first, RunState.STARTING, False)
    assert [run.id for run in await journal.runs()] == [first]
    assert (await journal.submit(submission("d", kind="another", key="k")))[1]


async def test_a_key_that_comes_with_another_document_is_a_conflict(journal: Journal) -> None:
    def made(id_: str, **document: Any) -> Submission:
        own = {"run": id_, "token": {"$secret": f"{id_}.0"}, "text": '{"$secret":"x"}'}
        return Submission(id_, "k", "n", own | document, key="k")

    both = await asyncio.gather(journal.submit(made("a", n=1)), journal.submit(made("b", n=2)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in both) == ["Conflict", "tuple"]
    first, n = ("a", 1) if isinstance(both[0], tuple) else ("b", 2)
    with pytest.raises(Conflict, match=f"another document before, for run '{first}'"):
        await journal.submit(made("c", n=n, text='{"$secret":"y"}'))
    again, created = await journal.submit(made("d", n=n))
    assert (again.id, created) == (first, False)
    await journal.append(first, [STARTED, RUNNING, SUCCEEDED])
    with pytest.raises(Conflict, match="another document"):
        await journal.submit(made("e", n=3 - n))
    assert (await journal.submit(made("f", n=n)))[0].state is RunState.SUCCEEDED


async def test_an_id_is_given_once(journal: Journal) -> None:
    outcomes = await asyncio.gather(*(journal.submit(submission()) for _ in range(2)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "tuple"]
    with pytest.raises(Conflict, match="'a'"):
        await journal.submit(submission())


@pytest.mark.parametrize(
    "faulty",
    [{"name": "nul \0"}, {"name": "half a \ud800 letter"}, {"lane": "\0"}, {"key": "\0"}],
    ids=["nul", "surrogate", "lane", "key"],
)
async def test_a_text_that_no_database_keeps_is_refused(journal: Journal, faulty: dict[str, str]) -> None:
    with pytest.raises(DocumentRefused, match=next(iter(faulty))):
        await journal.submit(submission(**faulty))


async def test_a_document_that_is_not_json_is_refused(journal: Journal) -> None:
    with pytest.raises(DocumentRefused, match="document"):
        await journal.submit(Submission("a", "k", "n", {"x": math.nan}))
    with pytest.raises(NotFound):
        await journal.run("a")


async def test_any_json_comes_back_as_it_went_in(journal: Journal) -> None:
    data = {
        "text": "ζ \0 \ud800 \U0001f600 'quoted' \"twice\"",
        "numbers": [1, -2.5, 1e300, 2**70],
        "none": None,
        "": {},
    }
    await journal.submit(Submission("a", "k", "ζ % _ \U0001f600", data))
    await journal.append("a", [Event("odd", data, schema=7)])
    assert await journal.document("a") == data
    assert (await journal.events("a"))[-1].event == Event("odd", data, schema=7)


async def test_events_move_the_run_from_state_to_state(journal: Journal) -> None:
    await journal.submit(submission())
    (started,) = await journal.append("a", [STARTED])
    run = await journal.run("a")
    assert (run.state, run.started, run.ended) == (RunState.STARTING, started.time, None)
    await journal.append("a", [RUNNING, *steps(1, 2)])
    assert (await journal.run("a")).state is RunState.RUNNING
    (failed,) = await journal.append("a", [FAILED])
    run = await journal.run("a")
    assert (run.state, run.started, run.ended, run.seq) == (RunState.FAILED, started.time, failed.time, 6)
    assert run.error == Failure("it broke", "m-1", 3, ("a", "b"))


async def test_what_is_appended_is_numbered_and_read_back(journal: Journal) -> None:
    await journal.submit(submission("a"))
    await journal.submit(submission("b"))
    recorded = await journal.append("a", steps(1, 2))
    assert [(one.position, one.run, one.seq) for one in recorded] == [(3, "a", 2), (4, "a", 3)]
    await journal.append("b", steps(1))
    assert (await journal.events("a"))[1:] == recorded
    assert [one.position for one in await journal.events()] == [1, 2, 3, 4, 5]
    assert await journal.append("a", []) == []


@pytest.mark.parametrize(
    ("before", "late"),
    [
        ([STARTED, RUNNING], [STARTED]),
        ([STARTED, RUNNING], [*steps(1), STARTED]),
        ([STARTED], [Event("run.submitted")]),
        ([CANCELLED], steps(1)),
        ([SUCCEEDED], [FAILED]),
        ([], [SUCCEEDED, *steps(1)]),
        ([], [FAILED, SUCCEEDED]),
    ],
)
async def test_a_state_never_goes_backwards(journal: Journal, before: list[Event], late: list[Event]) -> None:
    await journal.submit(submission())
    await journal.append("a", before)
    run, written = await journal.run("a"), await journal.events()
    with pytest.raises(Conflict, match="'a'"):
        await journal.append("a", late)
    assert await journal.run("a") == run
    assert await journal.events() == written


async def test_a_refused_append_does_not_hurt_those_written_with_it(journal: Journal) -> None:
    for id_ in "abc":
        await journal.submit(submission(id_))
    await journal.append("b", [SUCCEEDED])
    wanted = [journal.append(id_, steps(1)) for id_ in ("a", "b", "unknown", "c")]
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [list, Conflict, NotFound, list]
    assert [(one.run, one.position) for one in await journal.events(after=4)] == [("a", 5), ("c", 6)]


async def test_what_the_database_refuses_does_not_hurt_those_written_with_it(journal: Journal) -> None:
    for id_ in "abc":
        await journal.submit(submission(id_))
    too_much = Event("step", schema=2**80)
    wanted = [journal.append("a", steps(1)), journal.append("b", [too_much]), journal.append("c", steps(1))]
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    assert {(one.run, one.seq) for one in await journal.events(after=3)} == {("a", 2), ("c", 2)}
    await journal.append("b", steps(1))
    assert (await journal.run("b")).seq == 2


async def test_transient_events_are_not_written(journal: Journal) -> None:
    await journal.submit(submission())
    with pytest.raises(ValueError, match="transient"):
        await journal.append("a", [Event("answered", transient=True)])


async def test_events_are_read_page_by_page(journal: Journal) -> None:
    for id_ in "ab":
        await journal.submit(submission(id_))
    for number in range(5):
        await journal.append("a", steps(number))
        await journal.append("b", steps(number))
    seen: list[int] = []
    while page := await journal.events("b", after=seen[-1] if seen else 0, limit=2):
        seen += [one.position for one in page]
    assert seen == [2, 4, 6, 8, 10, 12]
    assert [one.position for one in await journal.events("b", after=7)] == [8, 10, 12]
    assert [one.position for one in await journal.events(after=9)] == [10, 11, 12]
    assert await journal.events("unknown") == []


async def test_a_replay_is_complete(journal: Journal) -> None:
    await journal.submit(submission())
    await journal.append("a", steps(*range(2500)))
    replayed = [one async for one in journal.replay("a", after_seq=1)]
    assert [one.event.data["step"] for one in replayed] == list(range(2500))
    assert [one async for one in journal.replay("a", after_seq=2501)] == []
    with pytest.raises(NotFound):
        await anext(journal.replay("unknown"))


async def test_many_writers_share_transactions_and_positions_have_no_gaps(journal: Journal) -> None:
    ids = [f"r{number}" for number in range(40)]
    await asyncio.gather(*(journal.submit(submission(id_)) for id_ in ids))

    async def write(id_: str) -> None:
        for number in range(10):
            await journal.append(id_, steps(number))

    seen: list[int] = []

    async def watch() -> None:
        while len(seen) < 440:
            page = await journal.events(after=seen[-1] if seen else 0)
            seen.extend(one.position for one in page)
            if not page:
                await journal.wait_beyond(seen[-1] if seen else 0)

    async with asyncio.timeout(60):
        await asyncio.gather(watch(), *map(write, ids))
    assert seen == list(range(1, 441))
    for id_ in ids:
        assert [one.event.data["step"] async for one in journal.replay(id_, after_seq=1)] == list(range(10))


async def test_unfinished_runs_come_in_order_of_submission(database_url: str) -> None:
    times: Iterator[float] = itertools.chain([50.0, 40.0, 60.0, 10.0], itertools.repeat(10.0))
    journal = await opened(database_url, clock=lambda: next(times))
    for id_ in "cabd":
        await journal.submit(submission(id_))
    await journal.append("a", [CANCELLED])
    assert [run.id for run in await journal.unfinished()] == ["c", "b", "d"]
    await journal.close()


async def test_runs_are_listed_the_newest_first(journal: Journal) -> None:
    for id_, kind, name in [("a", "x", "Wind"), ("b", "y", "sun"), ("c", "x", "100%"), ("d-wi", "x", "sea")]:
        await journal.submit(submission(id_, kind=kind, name=name))
    await journal.append("b", [STARTED])

    async def ids(**what: Any) -> list[str]:
        return [run.id for run in await journal.runs(**what)]

    assert await ids() == ["d-wi", "c", "b", "a"]
    assert await ids(kind="x") == ["d-wi", "c", "a"]
    assert await ids(state=RunState.STARTING) == ["b"]
    assert await ids(search="WI") == ["d-wi", "a"]
    assert await ids(search="%") == ["c"]
    assert await ids(before=(await journal.run("c")).submitted, limit=1) == ["b"]


async def test_runs_of_one_moment_do_not_fall_between_two_pages(database_url: str) -> None:
    journal = await opened(database_url, clock=lambda: 5.0)
    await asyncio.gather(*(journal.submit(submission(str(number))) for number in range(7)))
    submitted = [one.run for one in await journal.events()]  # in whatever order
    seen: list[Run] = []
    while page := await journal.runs(before=seen[-1].submitted if seen else None, limit=2):
        seen += page
    assert sorted(submitted) == list("0123456")
    assert [run.id for run in seen] == submitted[::-1]
    await journal.close()


async def test_the_latest_snapshot_is_kept(journal: Journal) -> None:
    await journal.submit(submission())
    assert await journal.latest_snapshot("a") is None
    await journal.append("a", steps(1, 2))
    await journal.snapshot("a", 2, {"done": [1]})
    await journal.snapshot("a", 3, ["any", "json"])
    assert await journal.latest_snapshot("a") == (3, ["any", "json"])
    with pytest.raises(Conflict):
        await journal.snapshot("a", 4, None)
    with pytest.raises(NotFound):
        await journal.snapshot("unknown", 1, None)


async def test_a_snapshot_is_written_down_beside_the_loop(journal: Journal) -> None:
    await journal.submit(submission())
    state = Noting(results={"a": "x"})
    assert await journal.snapshot("a", 1, state) == len('{"results":{"a":"x"}}')
    assert state.threads
    assert threading.get_ident() not in state.threads
    assert await journal.latest_snapshot("a") == (1, state)


async def test_a_snapshot_that_is_too_large_leaves_the_one_before_it(journal: Journal) -> None:
    await journal.submit(submission())
    await journal.append("a", steps(1))
    await journal.snapshot("a", 1, "small")
    assert await journal.snapshot("a", 2, ["x" * (LARGEST_SNAPSHOT // 2)] * 2) == LARGEST_SNAPSHOT
    assert await journal.latest_snapshot("a") == (1, "small")


async def test_others_have_their_turn_between_large_events(journal: Journal) -> None:
    await journal.submit(submission())
    turns: list[str] = []

    class Large(Mapping[str, str]):
        def __getitem__(self, key: str) -> str:
            turns.append("event")
            return "x" * LARGE

        def __iter__(self) -> Iterator[str]:
            return iter(["text"])

        def __len__(self) -> int:
            return 1

    asyncio.get_running_loop().call_soon(turns.append, "another")
    await journal.append("a", [Event("step", Large()), Event("step", Large())])
    assert turns == ["event", "another", "event"]


async def test_an_ended_run_can_be_dropped(journal: Journal) -> None:
    for id_ in "ab":
        await journal.submit(submission(id_, key=id_))
    await journal.append("b", steps(1))
    await journal.snapshot("b", 1, {})
    with pytest.raises(Conflict, match="not ended"):
        await journal.drop("b")
    await journal.append("b", [SUCCEEDED])
    await journal.drop("b")
    for gone in (journal.run("b"), journal.document("b"), journal.drop("b"), journal.append("b", steps(2))):
        with pytest.raises(NotFound):
            await gone
    assert await journal.latest_snapshot("b") is None
    assert [one.run for one in await journal.events()] == ["a"]
    assert (await journal.submit(submission("b", key="b")))[1]


async def test_a_position_is_never_given_twice(database_url: str) -> None:
    journal = await opened(database_url)
    await journal.submit(submission())
    (last,) = await journal.append("a", [SUCCEEDED])
    await journal.drop("a")
    await journal.close()
    journal = await opened(database_url)
    assert await journal.wait_beyond(last.position - 1) == last.position
    await journal.submit(submission())
    assert [one.position for one in await journal.events()] == [last.position + 1]
    await journal.close()


async def test_everything_is_there_after_a_restart(database_url: str) -> None:
    journal = await opened(database_url)
    await journal.submit(submission(lane="l", key="k"))
    await journal.append("a", [STARTED, *steps(1)])
    before = await journal.run("a"), await journal.events(), await journal.document("a")
    await journal.close()
    journal = await opened(database_url)
    assert (await journal.run("a"), await journal.events(), await journal.document("a")) == before
    (next_one,) = await journal.append("a", steps(2))
    assert (next_one.position, next_one.seq) == (4, 4)
    assert not (await journal.submit(submission("b", key="k")))[1]
    await journal.close()


async def test_who_waits_is_told_of_the_newest_position(journal: Journal) -> None:
    waiting = asyncio.create_task(journal.wait_beyond(1))
    await journal.submit(submission())
    assert not waiting.done()
    await journal.append("a", steps(1, 2))
    assert await waiting == 3
    assert await journal.wait_beyond(2) == 3


async def test_nothing_is_written_without_the_lease_or_after_the_close(database_url: str) -> None:
    journal = Journal(database_url, owner="test")
    await journal.open()
    with pytest.raises(LeaseLost):
        await journal.submit(submission())
    await journal.acquire()
    await journal.submit(submission())
    waiting = asyncio.gather(*(journal.append("a", steps(number)) for number in range(20)))
    await asyncio.sleep(0)
    await journal.close()
    assert [recorded.seq for (recorded,) in await waiting] == list(range(2, 22))
    with pytest.raises(Unavailable, match="closed"):
        await journal.append("a", steps(21))


async def test_the_journal_of_a_newer_podium_is_refused(database_url: str) -> None:
    journal = await opened(database_url)
    await journal.close()
    database = Database(database_url)
    with database.writers.connect() as connection, database.transaction(connection):
        connection.execute(text("UPDATE meta SET value = 99 WHERE name = 'version'"))
    database.dispose()
    journal = Journal(database_url, owner="test")
    with pytest.raises(SettingsError, match="newer Podium"):
        await journal.open()
    await journal.close()


async def test_two_processes_may_create_one_journal_at_once(database_url: str) -> None:
    journals = [Journal(database_url, owner=f"test {number}") for number in range(6)]
    await asyncio.gather(*(journal.open() for journal in journals))
    await journals[0].acquire()
    await journals[0].submit(submission())
    assert (await journals[-1].run("a")).name == "run a"
    await asyncio.gather(*(journal.close() for journal in journals))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        Journal(url, owner="test")


async def test_the_files_of_a_journal_are_its_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    journal = await opened(f"sqlite:///{directory}/journal.db")
    await journal.submit(submission())
    assert {path.name for path in directory.iterdir()} == {"journal.db", "journal.db-wal", "journal.db-shm"}
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    await journal.close()


async def test_submissions_ends_and_what_asks_for_it_are_on_disk_and_steps_committed(tmp_path: Path) -> None:
    journal = await opened(f"sqlite:///{tmp_path / 'journal.db'}", lease_seconds=600)
    full, normal = 2, 1
    for write, expected in (
        (lambda: journal.submit(submission()), full),
        (lambda: journal.append("a", [STARTED, *steps(1)]), normal),
        (lambda: journal.append("a", [*steps(1), Event("job.succeeded", synced=True)]), full),
        (lambda: journal.snapshot("a", 2, {}), normal),
        (lambda: journal.append("a", [FAILED]), full),
    ):
        await write()
        assert raw(journal._writer._connection).execute("PRAGMA synchronous").fetchone() == (expected,)
    await journal.close()
