"""One owner at a time: the living is respected, the dead replaced at once, the silent when its time is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from podium.errors import Conflict, LeaseLost
from podium.runs import failpoints, lease
from podium.runs.events import Event, Submission
from podium.runs.journal import Journal
from tests.runs.leases import look_often, renew_soon, renewing

LONG = 600.0  # seconds: nobody waits for such a lease to be over


@contextlib.asynccontextmanager
async def journal(url: str, owner: str | None = None, **options: Any) -> AsyncIterator[Journal]:
    made = Journal(url, owner=owner or lease.this_process(), **options)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


class Owner:
    """`journal_owner` in a process of its own."""

    def __init__(self, url: str, lease_seconds: float, setting: str) -> None:
        command = [sys.executable, "-m", "tests.runs.journal_owner", url, str(lease_seconds)]
        environment = os.environ | {failpoints.VARIABLE: setting}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")

    def hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def die(self) -> None:
        """Nobody fetches its corpse yet."""
        self.process.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def owner(database_url: str) -> Iterator[Callable[..., Owner]]:
    started: list[Owner] = []

    def start(lease_seconds: float = LONG, setting: str = "") -> Owner:
        started.append(Owner(database_url, lease_seconds, setting))
        return started[-1]

    yield start
    for one in started:
        one.end()


async def test_an_owner_that_lives_is_named(database_url: str, owner: Callable[..., Owner]) -> None:
    living = owner()
    assert living.hear() == "owned 0.0"
    async with journal(database_url) as second:
        with pytest.raises(Conflict, match=f"process {living.process.pid} on "):
            await second.acquire()
        assert living.hear() == "submitted"
        assert (await second.run("a")).id == "a"
        living.tell("")
        assert living.hear() == "closed"
        await second.acquire()
        await second.append("a", [Event("step")])


async def test_a_dead_owner_is_replaced_at_once(database_url: str, owner: Callable[..., Owner]) -> None:
    dying = owner()
    dying.hear()
    dying.hear()
    dying.die()
    async with journal(database_url) as second:
        assert 0 < await second.acquire() < LONG
        await second.append("a", [Event("step")])


async def test_a_stopped_owner_that_wakes_cannot_write(database_url: str, owner: Callable[..., Owner]) -> None:
    stopped = owner()  # which is not just renewing its lease: then it would keep SQLite locked
    stopped.hear()
    stopped.hear()
    stopped.process.send_signal(signal.SIGSTOP)
    async with journal(database_url, clock=lambda: time.time() + LONG) as second:
        _shorten(second)
        await second.acquire()
        await second.append("a", [Event("step", {"n": "mine"})])
        stopped.process.send_signal(signal.SIGCONT)
        stopped.tell("theirs")
        assert (await asyncio.to_thread(stopped.hear)).startswith("LeaseLost")
        stopped.tell("lost")
        assert (await asyncio.to_thread(stopped.hear)).startswith("LeaseLost")
        assert [one.event.data.get("n") for one in await second.events("a", after=1)] == ["mine"]


async def test_a_clock_that_is_ahead_takes_nothing_from_an_owner_that_lives(
    database_url: str, owner: Callable[..., Owner]
) -> None:
    living = owner()
    living.hear()
    living.hear()
    seq = 1
    async with journal(database_url, clock=lambda: time.time() + 2 * LONG) as second:
        look_often(second)
        acquiring = asyncio.create_task(second.acquire())
        while not acquiring.done():
            living.tell("renew")
            seq += 1
            assert await asyncio.to_thread(living.hear) == f"appended {seq}"
        with pytest.raises(Conflict, match=f"process {living.process.pid} on "):
            await acquiring
    living.tell("mine")
    assert living.hear() == f"appended {seq + 1}"


async def test_an_owner_elsewhere_is_watched_until_it_shows_itself(database_url: str) -> None:
    async with journal(database_url, "here", lease_seconds=LONG) as first, journal(database_url, "there") as second:
        await first.acquire()
        look_often(second)
        with pytest.raises(Conflict, match="here owns this data"):
            await renewing([first], asyncio.create_task(second.acquire()))
        assert not first.lost.is_set()


async def test_an_owner_renews_its_lease_before_a_watcher_has_looked_long_enough(database_url: str) -> None:
    async with journal(database_url, lease_seconds=LONG) as owner:
        await owner.acquire()
        for _ in range(2):
            assert owner._writer
            assert owner._writer._next_renewal < time.monotonic() + LONG / 2
            renew_soon(owner)
            await owner._call(lambda _: None)
            await owner._call(lambda _: None)  # behind the renewal


async def test_an_owner_elsewhere_that_is_silent_is_replaced(database_url: str) -> None:
    async with journal(database_url, "here", lease_seconds=LONG) as first:
        await first.acquire()
        await first.submit(Submission("a", "k", "n", {}))
        later = [1e12]
        async with journal(database_url, "there", clock=lambda: later[0], lease_seconds=0.1) as second:
            _shorten(first)
            assert await second.acquire() > LONG
            with pytest.raises(LeaseLost, match="another owner"):
                await first.append("a", [Event("step")])
            await asyncio.wait_for(first.lost.wait(), 10)
            with pytest.raises(LeaseLost):
                await first.submit(Submission("b", "k", "n", {}))
            assert [run.id for run in await second.runs()] == ["a"]


def _shorten(one: Journal) -> None:
    """Have the lease in its database look like one of half a second, which nobody renews."""
    database = one._database
    with database.readers.connect() as connection:
        connection.exec_driver_sql("UPDATE lease SET expires = renewed + 0.5")


async def test_the_lease_is_renewed_while_nothing_is_written(database_url: str) -> None:
    async with journal(database_url, "here", lease_seconds=3.0) as first:
        await first.acquire()
        seen = {_renewed(first)}
        async with asyncio.timeout(30):
            while len(seen) < 4:
                await asyncio.sleep(0)
                seen.add(_renewed(first))
        assert not first.lost.is_set()


def _renewed(first: Journal) -> float:
    with first._database.readers.connect() as connection:
        return connection.exec_driver_sql("SELECT renewed FROM lease").scalar_one()


async def test_a_lost_lease_is_noticed_while_nothing_is_written(database_url: str) -> None:
    async with journal(database_url, "one", lease_seconds=1.0) as first, journal(database_url, "one") as second:
        await first.acquire()
        await second.acquire()  # of the same name: taken without a question
        async with asyncio.timeout(30):
            await first.lost.wait()
        assert not second.lost.is_set()


async def test_the_time_without_an_owner_is_told(database_url: str) -> None:
    now = [1000.0]
    for expected, later in ((0.0, 1050.0), (50.0, 1051.5), (1.5, 900.0), (0.0, 901.0)):
        async with journal(database_url, "x", clock=lambda: now[0]) as one:
            assert await one.acquire() == expected
        now[0] = later


async def test_of_many_that_want_it_one_gets_it(database_url: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        rivals = [await stack.enter_async_context(journal(database_url, f"r{n}", lease_seconds=LONG)) for n in range(4)]
        for rival in rivals:
            look_often(rival)
        acquiring = asyncio.gather(*(rival.acquire() for rival in rivals), return_exceptions=True)
        outcomes = await renewing(rivals, acquiring)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Conflict", "Conflict", "float"]
        winner = rivals[[isinstance(outcome, float) for outcome in outcomes].index(True)]
        await winner.submit(Submission("a", "k", "n", {}))


def test_a_process_is_told_dead_or_alive() -> None:
    me = lease.this_process()
    host, boot, namespace, pid, started = me.split("|")
    assert lease.alive(me, here=True) is True
    assert lease.alive(f"{host}|{boot}|{namespace}|{pid}|1", here=True) is False
    assert lease.alive(f"{host}|another boot|{namespace}|{pid}|{started}", here=True) is False
    assert lease.alive(f"{host}|another boot|{namespace}|{pid}|{started}", here=False) is None
    assert lease.alive(f"another|another boot|{namespace}|{pid}|{started}", here=True) is None
    assert lease.alive(f"{host}|{boot}|another|{pid}|{started}", here=True) is None
    assert lease.alive("a name", here=True) is None
    assert lease.describe(me) == f"process {pid} on {host}"


@pytest.mark.parametrize(
    ("failpoint", "written"),
    [("journal.before_append=kill@4", 4), ("journal.after_append=kill@4", 5), ("journal.after_submit=kill", 1)],
)
async def test_what_was_acknowledged_is_there_after_a_kill(
    database_url: str, owner: Callable[..., Owner], failpoint: str, written: int
) -> None:
    dying = owner(setting=failpoint)
    dying.hear()
    acknowledged = int(dying.hear() == "submitted")
    with contextlib.suppress(BrokenPipeError):
        for number in range(10):
            dying.tell(str(number))
            acknowledged += dying.hear().startswith("appended")
    assert await asyncio.to_thread(dying.process.wait) == -signal.SIGKILL
    async with journal(database_url) as second:
        await second.acquire()
        recorded = await second.events("a")
        assert len(recorded) == written
        assert acknowledged in (written, written - 1)
        await second.append("a", [Event("step")])
        assert [one.seq async for one in second.replay("a")] == list(range(1, written + 2))
