"""What happens to a database must not happen to its journal: damage is named, nothing is lost or written twice."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event as sqlalchemy_event

from podium.errors import JournalDamaged, NotFound, Unavailable
from podium.runs import writer
from podium.runs.events import Event, Submission
from podium.runs.journal import Journal
from podium.runs.records import checksum
from tests.parts.postgres import PostgreSQL

MARK = "here-is-the-mark"


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Journal]:
    journal = Journal(url, owner="test", lease_seconds=600)
    try:
        await journal.open()
        await journal.acquire()
        yield journal
    finally:
        await journal.close()


async def written(url: str, count: int = 5) -> None:
    async with opened(url) as journal:
        await journal.submit(Submission("a", "k", f"name {MARK}", {"document": MARK}))
        for number in range(count):
            await journal.append("a", [Event("step", {"n": number, "mark": f"{MARK}-{number}"})])
        await journal.snapshot("a", 2, {"snapshot": MARK})


async def change(journal: Journal, statement: str) -> None:
    """Behind its back."""
    with journal._database.readers.connect() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    "change_made",
    [
        "data = replace(data, 'here', 'hexe')",
        "type = 'stop'",
        "time = time + 1",
        "schema = 3",
        "checksum = checksum + 1",
        "seq = 99",
        "run = 'b'",
    ],
)
async def test_a_changed_event_is_found_and_named(database_url: str, change_made: str) -> None:
    await written(database_url)
    async with opened(database_url) as journal:
        await change(journal, f"UPDATE events SET {change_made} WHERE position = 4")  # noqa: S608 - our own words
        with pytest.raises(JournalDamaged, match="position 4"):
            await journal.events()
        with pytest.raises(JournalDamaged, match=r"position 4|event 4 of run 'a' is missing"):
            assert [one async for one in journal.replay("a")] == []
        assert [one.seq for one in await journal.events("a", limit=3)] == [1, 2, 3]


@pytest.mark.parametrize(("gone", "missing"), [(1, 1), (4, 4), (6, 6)])
async def test_a_missing_event_is_found_and_named(database_url: str, gone: int, missing: int) -> None:
    await written(database_url)
    async with opened(database_url) as journal:
        await change(journal, f"DELETE FROM events WHERE position = {gone}")  # noqa: S608 - our own words
        with pytest.raises(JournalDamaged, match=f"event {missing} of run 'a' is missing"):
            assert [one async for one in journal.replay("a")] == []


async def test_a_snapshot_that_was_written_wrongly_is_left_out(database_url: str) -> None:
    await written(database_url)
    async with opened(database_url) as journal:
        data = '{1:"x"}'
        await change(journal, f"UPDATE snapshots SET data = '{data}', checksum = {checksum('a', data)}")  # noqa: S608
        assert await journal.latest_snapshot("a") is None


async def test_a_changed_run_document_or_snapshot_is_found(database_url: str) -> None:
    await written(database_url)
    async with opened(database_url) as journal:
        await change(journal, "UPDATE documents SET data = replace(data, 'here', 'hexe')")
        await change(journal, "UPDATE snapshots SET data = replace(data, 'here', 'hexe')")
        with pytest.raises(JournalDamaged, match="document of run 'a'"):
            await journal.document("a")
        assert await journal.latest_snapshot("a") is None
        for statement in ("name = 'other'", "state = 'runniog'", "seq = 2"):
            await change(journal, f"UPDATE runs SET {statement}")  # noqa: S608 - our own words
            with pytest.raises(JournalDamaged, match="run 'a'"):
                await journal.run("a")
        with pytest.raises(JournalDamaged, match="run 'a'"):
            await journal.append("a", [Event("step")])


async def test_a_flipped_byte_of_the_file_is_found(tmp_path: Path) -> None:
    """Wherever the text of a record is: no byte of it can be another without a complaint that names it."""
    path = tmp_path / "journal.db"
    await written(f"sqlite:///{path}")
    whole = path.read_bytes()
    start = whole.index(f"{MARK}-2".encode())
    for offset, flip in ((0, 0x01), (3, 0x80), (len(MARK) + 1, 0x01), (-10, 0x40)):
        broken = bytearray(whole)
        broken[start + offset] ^= flip
        path.write_bytes(broken)
        async with opened(f"sqlite:///{path}") as journal:
            with pytest.raises(JournalDamaged, match=r"position 4 \(run 'a', event 4\)"):
                await journal.events("a")


async def test_a_damaged_page_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(f"sqlite:///{path}", count=200)
    whole = path.read_bytes()
    for page in range(1, len(whole) // 4096):
        broken = bytearray(whole)
        broken[page * 4096 : page * 4096 + 16] = b"\xff" * 16
        path.write_bytes(broken)
        with pytest.raises(JournalDamaged, match=r"journal\.db: the database is damaged"):
            async with opened(f"sqlite:///{path}"):
                raise AssertionError(f"page {page} was taken for whole")


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(JournalDamaged, match="not a database"):
        async with opened(f"sqlite:///{path}"):
            raise AssertionError("a text was taken for a journal")
    assert path.read_text().startswith("Dear diary")


async def test_a_path_that_cannot_be_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be made"):
        async with opened(f"sqlite:///{tmp_path}/file/journal.db"):
            raise AssertionError("opened below a file")


async def test_a_torn_last_record_leaves_what_was_before_it(tmp_path: Path) -> None:
    source, torn = tmp_path / "source", tmp_path / "torn"
    async with opened(f"sqlite:///{source}/journal.db") as journal:
        await journal.submit(Submission("a", "k", "n", {}))
        for number in range(5):
            await journal.append("a", [Event("step", {"n": number})])
        shutil.copytree(source, torn)
    log = torn / "journal.db-wal"
    log.write_bytes(log.read_bytes()[:-1000])
    async with opened(f"sqlite:///{torn}/journal.db") as journal:
        assert [one.seq async for one in journal.replay("a")] == [1, 2, 3, 4, 5]
        (recorded,) = await journal.append("a", [Event("step", {"n": 4})])
        assert recorded.seq == 6


async def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    # A lease that is renewed meanwhile would take the limit along.
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", owner="test", lease_seconds=600)
    await journal.open()
    most = [20]  # pages; about a third of them are used by an empty journal

    @sqlalchemy_event.listens_for(journal._database.writers, "checkout")
    def limit(driver: Any, _record: Any, _proxy: Any) -> None:
        driver.execute(f"PRAGMA max_page_count = {most[0]}")

    await journal.acquire()
    await journal.submit(Submission("a", "k", "n", {}))
    big = [Event("step", {"n": number, "text": "x" * 1000}) for number in range(50)]
    with pytest.raises(Unavailable, match="disk is full, nothing was written"):
        await journal.append("a", big)
    assert (await journal.append("a", [Event("step")]))[0].seq == 2
    with pytest.raises(Unavailable, match="disk is full, nothing was written"):
        await journal.append("a", big)
    assert [one.seq for one in await journal.events()] == [1, 2]
    most[0] = 1000
    assert (await journal.append("a", big))[-1].seq == 52
    await journal.close()


async def test_a_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/journal.db") as journal:
        await journal.submit(Submission("a", "k", "n", {}))
        other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        waiting = asyncio.create_task(journal.append("a", [Event("step")]))
        await asyncio.wait({waiting}, timeout=0.3)
        assert not waiting.done()
        assert (await journal.run("a")).seq == 1
        other.execute("COMMIT")
        other.close()
        assert (await waiting)[0].seq == 2


class LosesAnswers:
    """A driver's connection on which one commit fails: before it came about, or after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception, *, committed: bool) -> None:
        self._raw = writer.raw
        self._error: Exception | None = error
        self._committed = committed
        monkeypatch.setattr(writer, "raw", lambda connection: self._with(self._raw(connection)))

    def _with(self, driver: Any) -> Any:
        self._driver = driver
        return self

    def commit(self) -> None:
        error, self._error = self._error, None
        if error is None or self._committed:
            self._driver.commit()
        if error is not None:
            raise error


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_without_an_answer_is_not_done_twice(
    postgres: PostgreSQL, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    async with opened(postgres.create()) as journal:
        await journal.submit(Submission("a", "k", "n", {}))
        LosesAnswers(monkeypatch, psycopg.OperationalError("server closed the connection"), committed=committed)
        recorded = await journal.append("a", [Event("step"), Event("step")])
        assert await journal.events("a", after=1) == recorded
        LosesAnswers(monkeypatch, psycopg.OperationalError("server closed the connection"), committed=committed)
        both = await asyncio.gather(*(journal.submit(Submission(id_, "k", "n", {}, key="k")) for id_ in "bc"))
        assert sorted(created for _, created in both) == [False, True]
        assert (await journal.append("a", [Event("step")]))[0].position == 5


async def test_a_commit_that_sqlite_could_not_do_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    async with opened(f"sqlite:///{tmp_path}/journal.db") as journal:
        await journal.submit(Submission("a", "k", "n", {}))
        LosesAnswers(monkeypatch, failure, committed=False)
        with pytest.raises(Unavailable, match="disk I/O error"):
            await journal.append("a", [Event("step", {"n": 0})])
        LosesAnswers(monkeypatch, failure, committed=True)
        assert (await journal.append("a", [Event("step", {"n": 1})]))[0].seq == 2
        assert [one.event.data for one in await journal.events("a", after=1)] == [{"n": 1}]


async def test_a_database_that_is_killed_again_and_again_loses_and_doubles_nothing(postgres: PostgreSQL) -> None:
    url = postgres.create()
    async with opened(url) as journal:
        ids = [f"r{number}" for number in range(8)]
        await asyncio.gather(*(journal.submit(Submission(id_, "k", "n", {})) for id_ in ids))
        counts = dict.fromkeys(ids, 0)
        stop = False

        async def write(id_: str) -> None:
            while not stop:
                await journal.append(id_, [Event("step", {"n": counts[id_]})])
                counts[id_] += 1

        async with asyncio.TaskGroup() as writing:
            for id_ in ids:
                writing.create_task(write(id_))
            for _ in range(3):
                position = await journal.wait_beyond(journal._position + 100)
                await asyncio.to_thread(postgres.kill)
                await asyncio.to_thread(postgres.start)
                await journal.wait_beyond(position)
            stop = True
        for id_ in ids:
            numbers = [one.event.data["n"] async for one in journal.replay(id_, after_seq=1)]
            assert numbers == list(range(counts[id_]))


async def test_a_database_that_stays_away_is_told(postgres: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.2)
    async with opened(postgres.create()) as journal:
        await journal.submit(Submission("a", "k", "n", {}))
        postgres.kill()
        try:
            with pytest.raises(Unavailable, match="does not answer"):
                await journal.append("a", [Event("step")])
            with pytest.raises(Unavailable, match="does not answer"):
                await journal.run("a")
        finally:
            postgres.start()
        assert (await journal.append("a", [Event("step")]))[0].seq == 2


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    journal = Journal("postgresql://user:s3cr3t@127.0.0.1:1/db", owner="test")
    with pytest.raises(Unavailable, match="does not answer") as caught:
        await journal.open()
    await journal.close()
    assert "s3cr3t" not in str(caught.value)


async def test_the_failed_can_be_tried_again(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/journal.db") as journal:
        with pytest.raises(NotFound):
            await journal.append("a", [Event("step")])
        await journal.submit(Submission("a", "k", "n", {}))
        assert (await journal.append("a", [Event("step")]))[0].position == 2
