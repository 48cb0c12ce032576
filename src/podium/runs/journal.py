"""The journal: what happened in every run, written down before anybody acts upon it.

It is append-only and the truth; a restarted Podium knows what it was doing from here and nowhere else. One process owns
it at a time (`acquire`); anybody may read. Writes go through one thread (see `writer`), reads through a few others.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Select, func, insert, or_, select

from podium.errors import Conflict, DocumentRefused, JournalDamaged, PodiumError, SettingsError, Unavailable
from podium.runs import lease
from podium.runs.batch import RUN_COLUMNS, Batch, no_run
from podium.runs.database import RESTORE, Database
from podium.runs.events import Event, Json, Recorded, Run, RunState, Submission
from podium.runs.records import encode, encode_large, read_event, read_json, read_run
from podium.runs.tables import VERSION, documents, events, meta, metadata, runs, snapshots
from podium.runs.writer import Call, Job, Writer, newest_position

log = structlog.get_logger()

T = TypeVar("T")

PAGE = 1000
LARGEST_SNAPSHOT = 8 << 20
LARGE = 1 << 16  # bytes; they are written as JSON in some milliseconds
_UNFINISHED = runs.c.ended.is_(None)


class Journal:
    """One journal, in SQLite or PostgreSQL.

    Args:
        url: `sqlite:///path` or `postgresql://…`.
        owner: who writes, for the lease; `lease.this_process()` lets others see at once when it has died.
        clock: gives Unix seconds.
        lease_seconds: after which an owner that gives no sign of life may be replaced.
    """

    def __init__(
        self, url: str, *, owner: str, clock: Callable[[], float] = time.time, lease_seconds: float = 15.0
    ) -> None:
        self._database = Database(url, idle_seconds=lease_seconds)
        self._owner = owner
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="journal-read")
        self._writer: Writer | None = None
        self._position = 0
        self._news = asyncio.Event()
        self.lost = asyncio.Event()

    async def open(self) -> None:
        """Make the tables where they are missing and look whether the database is whole.

        Raises: Unavailable, JournalDamaged, SettingsError (the database belongs to a newer Podium).
        """
        await self._off_loop(self._database.prepare, self._make_tables)
        self._position = await self._read(newest_position)
        loop = asyncio.get_running_loop()
        self._writer = Writer(self._database, self._clock, self._lease_seconds, loop, self._advance, self.lost.set)
        self._writer.start()

    async def acquire(self) -> float:
        """Become the owner. Returns the seconds for which there was none, 0 when there never was.

        An owner that is known to be dead is replaced at once; one that gives no sign of life when its lease is over.
        Raises: Conflict, naming the owner that lives.
        """
        watched: lease.Lease | None = None
        until = math.inf
        while True:
            silent = None if time.monotonic() < until else watched
            found: lease.Lease | float = await self._call(partial(self._take, silent))
            if not isinstance(found, lease.Lease):
                return found
            if watched is None:
                watched = found
                # Clocks of two machines may differ: an owner is looked at for at least the time between two renewals.
                period = found.expires - found.renewed
                until = time.monotonic() + min(max(found.expires - self._clock(), period / 2), period)
            elif found.renewed != watched.renewed:
                raise self._owned(found)
            # The other process may be anywhere: the only sign of its life is in the database.
            await asyncio.sleep(min(until - time.monotonic(), self._lease_seconds / 6))

    async def owner(self) -> str | None:
        """Who owns it, as far as it can be told from here; None: nobody."""
        held = await self._read(lease.read)
        alive = lease.alive(held.owner, here=self._database.sqlite) if held.owner else False
        known = self._clock() < held.expires if alive is None else alive
        return lease.describe(held.owner) if known else None

    async def close(self) -> None:
        """Give the lease back and let go of the database. What is being written is finished."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                await self._put_call(writer, writer.release)
            except PodiumError as error:
                log.warning("journal.lease_not_released", reason=str(error))
            await self._off_loop(writer.stop)
        await self._off_loop(self._database.dispose)
        self._readers.shutdown(wait=False)

    async def submit(self, submission: Submission) -> tuple[Run, bool]:
        """Make it a run, on disk when this returns; False when there was one of this kind and key already.

        Raises: Conflict (the id is taken, or the key came with another document), DocumentRefused, Unavailable,
            LeaseLost.
        """
        _check_words(submission)
        document = await self._off_loop(encode, submission.document, "document")
        return await self._write(lambda batch: batch.submit(submission, document), durable=True, failpoint="submit")

    async def append(self, run: str, what: Sequence[Event]) -> list[Recorded]:
        """Write events of one run, all or none: committed when this returns, and on disk when they ask for it.

        Ends of runs always do.

        Raises: NotFound, Conflict (a state would go backwards, or the run has ended), Unavailable, LeaseLost.
        """
        what = list(what)
        if any(event.transient for event in what):
            raise ValueError("transient events are not written")
        if not what:
            return []
        encoded = await _encoded(what)
        durable = any(event.synced or event.ends for event in what)
        return await self._write(lambda batch: batch.append(run, what, encoded), durable=durable, failpoint="append")

    async def snapshot(self, run: str, seq: int, state: Json) -> int:
        """Keep the state after event `seq`, in place of an older one; gives its size. Raises: NotFound, Conflict.

        One of more than `LARGEST_SNAPSHOT` bytes is not kept: to read it at once would take all others' time, and the
        events are read one by one.
        """
        encoded = await self._off_loop(encode_large, state, "snapshot", LARGEST_SNAPSHOT)
        if encoded is None:
            log.info("journal.snapshot_too_large", run=run, seq=seq)
            return LARGEST_SNAPSHOT
        await self._write(lambda batch: batch.snapshot(run, seq, encoded))
        return len(encoded)

    async def drop(self, run: str) -> None:
        """Forget an ended run. Raises: NotFound, Conflict (it has not ended)."""
        await self._write(lambda batch: batch.drop(run), durable=True)

    async def events(self, run: str | None = None, *, after: int = 0, limit: int = PAGE) -> list[Recorded]:
        """Events behind a position, in order; those of one run, or of all. Raises: JournalDamaged."""
        query = select(events).where(events.c.position > after).limit(limit)
        if run is None:
            query = query.order_by(events.c.position)
        else:
            # `after` is mostly the position of an event of this very run, which leads straight to the page.
            known = select(events.c.seq).where(events.c.position == after, events.c.run == run).scalar_subquery()
            query = query.where(events.c.run == run, events.c.seq > func.coalesce(known, 0)).order_by(events.c.seq)
        found = await self._read(partial(_events, query))
        if run is not None and found:
            _check_order(found, found[0].seq if after else 1)
        return found

    async def replay(self, run: str, *, after_seq: int = 0) -> AsyncIterator[Recorded]:
        """All events of one run behind `after_seq`; none is missing. Raises: NotFound, JournalDamaged."""
        last = (await self.run(run)).seq
        while after_seq < last:
            query = (
                select(events).where(events.c.run == run, events.c.seq > after_seq).order_by(events.c.seq).limit(PAGE)
            )
            page = await self._read(partial(_events, query))
            if not page:
                raise JournalDamaged(f"event {after_seq + 1} of run {run!r} is missing", hint=RESTORE)
            _check_order(page, after_seq + 1)
            for recorded in page:
                yield recorded
            after_seq = page[-1].seq

    async def run(self, id: str) -> Run:  # noqa: A002
        """Raises: NotFound."""
        query = select(*RUN_COLUMNS).where(runs.c.id == id)
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise no_run(id)
        return read_run(row)

    async def runs(
        self,
        *,
        kind: str | None = None,
        state: RunState | None = None,
        search: str | None = None,
        before: float | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Runs, the newest first.

        Args:
            kind: only of this kind.
            state: only in this state.
            search: what their name or id contains.
            before: only those submitted earlier; `submitted` of the last one leads to the next page.
            limit: how many at most.
        """
        query = select(*RUN_COLUMNS).order_by(runs.c.submitted.desc()).limit(limit)
        if kind is not None:
            query = query.where(runs.c.kind == kind)
        if state is not None:
            query = query.where(runs.c.state == state.value)
        if search:
            query = query.where(
                or_(runs.c.name.icontains(search, autoescape=True), runs.c.id.icontains(search, autoescape=True))
            )
        if before is not None:
            query = query.where(runs.c.submitted < before)
        return await self._read(lambda connection: [read_run(row) for row in connection.execute(query)])

    async def unfinished(self) -> list[Run]:
        """Runs that have not ended, in the order of their submission."""
        query = select(*RUN_COLUMNS).where(_UNFINISHED).order_by(runs.c.position)
        return await self._read(lambda connection: [read_run(row) for row in connection.execute(query)])

    async def document(self, id: str) -> dict[str, Any]:  # noqa: A002
        """What a run was made from. Raises: NotFound, JournalDamaged."""
        query = select(documents.c.data, documents.c.checksum).where(documents.c.run == id)

        def read(connection: Connection) -> Any:
            row = connection.execute(query).one_or_none()
            if row is None:
                raise no_run(id)
            return read_json(row.data, row.checksum, id, "document")

        document: dict[str, Any] = await self._read(read)
        return document

    async def latest_snapshot(self, run: str) -> tuple[int, Json] | None:
        """The last state that was kept and its seq. A damaged one is logged and left out: the events are there."""
        query = select(snapshots).where(snapshots.c.run == run)
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        try:
            return row.seq, read_json(row.data, row.checksum, run, "snapshot")
        except JournalDamaged as error:
            log.error("journal.snapshot_damaged", run=run, reason=str(error))
            return None

    async def wait_beyond(self, position: int) -> int:
        """The newest position, as soon as this process has written one behind `position`."""
        while self._position <= position:
            await self._news.wait()
        return self._position

    def _advance(self, position: int) -> None:
        if position > self._position:
            self._position = position
            self._news.set()
            self._news = asyncio.Event()

    def _make_tables(self, connection: Connection) -> None:
        metadata.create_all(connection)
        version = connection.execute(select(meta.c.value).where(meta.c.name == "version")).scalar()
        if version is None:
            connection.execute(insert(meta).values(name="version", value=VERSION))
            lease.create(connection)
        elif version > VERSION:
            raise SettingsError(
                f"the journal was written by a newer Podium (version {version}, known is {VERSION})",
                where=str(self._database),
                hint="Install that Podium, or choose another data directory",
            )

    def _take(self, silent: lease.Lease | None, connection: Connection) -> lease.Lease | float:
        """Take the lease, if its owner is gone or `silent`. Returns the seconds without an owner; else who holds it."""
        assert self._writer is not None  # noqa: S101
        held = lease.read(connection)
        now = self._clock()
        if held.owner not in ("", self._owner) and held != silent:
            alive = lease.alive(held.owner, here=self._database.sqlite)
            if alive and now < held.expires:
                raise self._owned(held)
            if alive is not False:
                return held
        self._writer.take(connection, held, self._owner)
        return max(0.0, now - held.renewed) if held.renewed else 0.0

    def _owned(self, held: lease.Lease) -> Conflict:
        return Conflict(f"{lease.describe(held.owner)} owns this data", where=str(self._database))

    async def _write(self, plan: Callable[[Batch], T], *, durable: bool = False, failpoint: str | None = None) -> T:
        if self._writer is None:
            raise Unavailable("the journal is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.put(Job(plan, future, durable, failpoint))
        return await future

    async def _call(self, action: Callable[[Connection], T]) -> T:
        if self._writer is None:
            raise Unavailable("the journal is closed")
        return await self._put_call(self._writer, action)

    async def _put_call(self, writer: Writer, action: Callable[[Connection], T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        writer.put(Call(action, future))
        return await future

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._off_loop(self._database.read, query)

    async def _off_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)


async def _encoded(what: Sequence[Event]) -> list[str]:
    """Others have their turn between two events where these are large."""
    encoded: list[str] = []
    size = 0
    for event in what:
        if size > LARGE:
            size = 0
            await asyncio.sleep(0)
        encoded.append(encode(dict(event.data), event.type))
        size += len(encoded[-1])
    return encoded


def _events(query: Select[Any], connection: Connection) -> list[Recorded]:
    return [read_event(row) for row in connection.execute(query)]


def _check_order(page: Sequence[Recorded], first: int) -> None:
    for seq, recorded in enumerate(page, first):
        if recorded.seq != seq:
            raise JournalDamaged(
                f"event {seq} of run {recorded.run!r} is missing before position {recorded.position}", hint=RESTORE
            )


def _check_words(submission: Submission) -> None:
    for name in ("id", "kind", "name", "lane", "key"):
        word = getattr(submission, name) or ""
        if "\0" in word or word.encode(errors="ignore").decode() != word:
            raise DocumentRefused("this text cannot be stored", where=name, hint="Leave out unprintable characters")
