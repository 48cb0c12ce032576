"""What the journal costs beside the bare limit: the same rows written by a plain loop over Python's sqlite3.

Lone appends of one event, one after the other; and 200 writers at once, whose appends share transactions. Both with
every commit on disk (as submissions and ends of runs are) and with commits that survive the process only (as steps and
jobs are). `--database postgresql://…` measures another database; the bare limit is SQLite's all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import uvloop

from podium.runs.events import Event, Submission
from podium.runs.journal import Journal

WRITERS = 200
EVENT = Event("step.finished", {"step": 1, "seconds": 0.25})
DATA = '{"step":1,"seconds":0.25}'

INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
UPDATE = "UPDATE runs SET state = ?, started = ?, ended = ?, seq = ?, error = ?, checksum = ? WHERE id = ?"
LEASE = "SELECT epoch FROM lease WHERE id = 1"


async def prepared(url: str) -> Journal:
    journal = Journal(url, owner="benchmark")
    await journal.open()
    await journal.acquire()
    for run in await journal.runs(limit=WRITERS):  # of the round before
        await journal.append(run.id, [Event("run.cancelled")])
        await journal.drop(run.id)
    await asyncio.gather(*(journal.submit(Submission(f"r{n}", "k", "n", {})) for n in range(WRITERS)))
    return journal


def always_synced(journal: Journal) -> None:
    """Have steps be written like ends of runs."""
    database = journal._database  # noqa: SLF001
    begin = database.begin
    database.begin = lambda connection, **_: begin(connection, durable=True)


async def lone(url: str, count: int, *, synced: bool) -> float:
    """Seconds an append."""
    journal = await prepared(url)
    if synced:
        always_synced(journal)
    started = time.perf_counter()
    for _ in range(count):
        await journal.append("r0", [EVENT])
    taken = time.perf_counter() - started
    await journal.close()
    return taken / count


async def grouped(url: str, count: int, each: int, *, synced: bool) -> float:
    """Seconds an event."""
    journal = await prepared(url)
    if synced:
        always_synced(journal)

    async def write(run: str) -> None:
        for _ in range(count // WRITERS // each):
            await journal.append(run, [EVENT] * each)

    started = time.perf_counter()
    await asyncio.gather(*(write(f"r{n}") for n in range(WRITERS)))
    taken = time.perf_counter() - started
    await journal.close()
    return taken / count


async def bare(url: str, count: int, together: int, *, synced: bool) -> float:
    """Seconds an event, in transactions of `together` events."""
    await (await prepared(url)).close()
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
    numbers = iter(range(WRITERS + 1, WRITERS + 1 + count))
    started = time.perf_counter()
    for _ in range(count // together):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(LEASE).fetchone()
        rows = list(bare_rows(numbers, together))
        connection.executemany(INSERT, rows)
        connection.executemany(UPDATE, [("running", 1.5, None, row[2], None, row[7], row[1]) for row in rows])
        connection.execute("COMMIT")
    taken = time.perf_counter() - started
    connection.close()
    return taken / count


def bare_rows(numbers: Iterator[int], together: int) -> Iterator[tuple[object, ...]]:
    for writer in range(together):
        number = next(numbers)
        yield number, f"r{writer}", number, time.time(), EVENT.type, 1, DATA, zlib.crc32(DATA.encode())


async def measure(url: str | None, rounds: int) -> None:
    print(f"{'':44}{'journal':>12}{'bare sqlite3':>14}{'ratio':>8}")
    for synced in (False, True):
        how = "on disk" if synced else "committed"
        count = 500 if synced else 3000
        ours = await best(rounds, url, partial(lone, count=count, synced=synced))
        theirs = await best(rounds, None, partial(bare, count=count, together=1, synced=synced))
        show(f"lone append, {how} (ms)", ours * 1e3, theirs * 1e3)
        count = 100 * WRITERS
        theirs = await best(rounds, None, partial(bare, count=count, together=WRITERS, synced=synced))
        for each in (1, 20):
            ours = await best(rounds, url, partial(grouped, count=count, each=each, synced=synced))
            show(f"{WRITERS} writers, {each} an append, {how} (events/s)", 1 / ours, 1 / theirs)


async def best(rounds: int, url: str | None, work: Callable[[str], Awaitable[float]]) -> float:
    taken = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            taken.append(await work(url or f"sqlite:///{directory}/journal.db"))
    return min(taken)


def show(what: str, ours: float, theirs: float) -> None:
    print(f"{what:44}{ours:12.3f}{theirs:14.3f}{ours / theirs:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="postgresql://…, of its own: all runs in it are dropped")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many is shown")
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.database, arguments.rounds))


if __name__ == "__main__":
    main()
