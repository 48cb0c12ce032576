"""The one thread that writes the journal.

Everybody who wants something written puts a job in its queue and waits; the thread takes all that is there and writes
it in one transaction (group commit), so that the price of a commit is shared by all who wait for it.

    queue ──▶ lease still ours? ──▶ batch of rows ──▶ commit ──▶ futures, newest position

A commit whose answer was lost is looked for before anything else is written, so nothing is written twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, func, select

from podium.errors import JournalDamaged, LeaseLost, PodiumError, Unavailable
from podium.runs import failpoints, lease
from podium.runs.batch import POSITION_FLOOR, Batch, Statements
from podium.runs.database import Database, database_errors, raw
from podium.runs.events import Run
from podium.runs.tables import events, meta, runs

log = structlog.get_logger()

T = TypeVar("T")

PATIENCE_SECONDS = 30.0  # for which a lost server is looked for before those who wait are told
_PAUSES_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # between two looks; the last goes on
_MOST_JOBS = 1000  # in one transaction


@dataclass(slots=True, eq=False)
class Job:
    """Something to write. `plan` is called again when the transaction has not come about."""

    plan: Callable[[Batch], Any]
    future: asyncio.Future[Any]
    durable: bool
    failpoint: str | None = None


@dataclass(slots=True, eq=False)
class Call:
    """Something to do in a transaction of its own, without the lease."""

    action: Callable[[Connection], Any]
    future: asyncio.Future[Any]


class Writer:
    """Writes for one owner.

    Args:
        database: where to.
        clock: gives Unix seconds.
        lease_seconds: for which the lease is taken and renewed.
        loop: where futures are resolved and the next two are called.
        committed: is told the newest position.
        lost: is told that another owner has the lease.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        lease_seconds: float,
        loop: asyncio.AbstractEventLoop,
        committed: Callable[[int], None],
        lost: Callable[[], None],
    ) -> None:
        self._database = database
        self._statements = Statements(database)
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._loop = loop
        self._committed = committed
        self._lost = lost
        self._queue: queue.SimpleQueue[Job | Call | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._epoch: int | None = None
        self._next_renewal = 0.0
        self._known: dict[str, Run] = {}
        self._position = 0
        self._submitted = 0.0
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Job | Call) -> None:
        self._queue.put(item)

    def stop(self) -> None:
        """Write what is in the queue, then end; blocks. What the database does not take at once is refused."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()

    def take(self, connection: Connection, held: lease.Lease, owner: str) -> None:
        """Become the owner after `held`. For a `Call` that has read it in the same transaction."""
        self._epoch = lease.take(connection, held, owner, float(self._clock()), self._lease_seconds)
        self._next_renewal = time.monotonic() + self._lease_seconds / 3
        self._known.clear()
        self._position = newest_position(connection)
        self._submitted = connection.execute(select(func.coalesce(func.max(runs.c.submitted), 0.0))).scalar_one()

    def release(self, connection: Connection) -> None:
        """Give the lease back, if it is ours. For a `Call`."""
        epoch, self._epoch = self._epoch, None
        if epoch is not None:
            lease.release(connection, epoch, float(self._clock()))

    def _work(self) -> None:
        stopped = False
        while not stopped:
            waiting = self._next()
            self._serve(waiting)
            stopped = None in waiting
            if self._epoch is not None and time.monotonic() >= self._next_renewal:
                self._renew(self._epoch)
        self._disconnect()

    def _next(self) -> list[Job | Call | None]:
        """All that waits; nothing when it is time to renew the lease."""
        timeout = None if self._epoch is None else max(0.0, self._next_renewal - time.monotonic())
        waiting: list[Job | Call | None] = []
        try:
            waiting.append(self._queue.get(timeout=timeout))
            while len(waiting) < _MOST_JOBS:
                waiting.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return waiting

    def _serve(self, waiting: Sequence[Job | Call | None]) -> None:
        for together, items in itertools.groupby(waiting, key=lambda item: isinstance(item, Job)):
            if together:
                self._write([item for item in items if isinstance(item, Job)])
                continue
            for item in items:
                if isinstance(item, Call):
                    self._call(item)

    def _write(self, jobs: list[Job]) -> None:
        outcomes: list[Any]
        try:
            outcomes = self._attempt(partial(self._transaction, jobs))
        except (Unavailable, LeaseLost, JournalDamaged) as error:
            outcomes = [error] * len(jobs)
        except Exception as error:  # noqa: BLE001 - whoever asked for it is told
            if len(jobs) > 1:
                for job in jobs:  # one of them cannot be written: the others can
                    self._write([job])
                return
            outcomes = [error]
        self._answer([(job.future, outcome) for job, outcome in zip(jobs, outcomes, strict=True)])

    def _call(self, call: Call) -> None:
        try:
            outcome = self._attempt(partial(self._alone, call.action))
        except Exception as error:  # noqa: BLE001 - whoever called is told
            self._epoch = None  # it may be about the lease, and not have been committed
            outcome = error
        self._answer([(call.future, outcome)])

    def _attempt(self, transaction: Callable[[], T]) -> T:
        """Do it, again and again while the server is away. Raises: PodiumError, and whatever is no database's error."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in _pauses():
            try:
                return transaction()
            except database_errors() as error:
                self._disconnect()
                if not self._database.away(error) or time.monotonic() > deadline or self._stopping.wait(pause):
                    raise self._database.explain(error) from error
                log.warning("journal.database_away", reason=str(self._database.explain(error)))
        raise AssertionError

    def _transaction(self, jobs: list[Job]) -> list[Any]:
        if self._epoch is None:
            raise LeaseLost("this process does not own the journal", where=str(self._database))
        for job in jobs:
            if job.failpoint:
                failpoints.hit(f"journal.before_{job.failpoint}")
        connection = self._connected()
        self._database.begin(connection, durable=any(job.durable for job in jobs))
        try:
            self._check_lease(connection)
            now = float(self._clock())
            batch = Batch(connection, self._statements, self._known, self._position, self._submitted, now)
            outcomes = [_planned(job, batch) for job in jobs]
            batch.flush()
        except BaseException:
            self._database.rollback(connection)
            raise
        self._commit(connection, batch.proof)
        self._remember(batch)
        for job in jobs:
            if job.failpoint:
                failpoints.hit(f"journal.after_{job.failpoint}")
        return outcomes

    def _check_lease(self, connection: Connection) -> None:
        """Nobody can take the lease between this and the end of the transaction."""
        if self._statements.epoch.scalar(connection) != self._epoch:
            raise self._let_go()

    def _commit(self, connection: Connection, proof: tuple[int, int] | None) -> None:
        try:
            raw(connection).commit()
        except database_errors() as error:
            self._disconnect()
            log.warning("journal.commit_unanswered", reason=str(self._database.explain(error)))
            if proof is None or not self._find(*proof):
                raise

    def _find(self, position: int, checksum: int) -> bool:
        """Whether this very event is in the journal; asked for until the database answers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in _pauses():
            try:
                connection = self._connected()
                with self._database.transaction(connection):
                    # The lease is locked for as long as the lost transaction may still be on its way.
                    self._statements.epoch.scalar(connection)
                    found = connection.execute(select(events.c.checksum).where(events.c.position == position))
                    return bool(found.scalar() == checksum)
            except database_errors() as error:
                self._disconnect()
                if not self._database.away(error) or self._stopping.wait(pause):
                    raise
                if time.monotonic() > deadline:
                    self._refuse_waiting(self._database.explain(error))
        raise AssertionError

    def _refuse_waiting(self, reason: PodiumError) -> None:
        """Tell those in the queue that it takes too long; what is not a write waits on."""
        waiting = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._queue.get_nowait())
        self._answer([(item.future, reason) for item in waiting if isinstance(item, Job)])
        for item in waiting:
            if not isinstance(item, Job):
                self._queue.put(item)

    def _remember(self, batch: Batch) -> None:
        self._position, self._submitted = batch.position, batch.submitted
        for run in batch.standing.values():
            if run.state.ended:
                self._known.pop(run.id, None)
            else:
                self._known[run.id] = run

    def _alone(self, action: Callable[[Connection], Any]) -> Any:
        connection = self._connected()
        with self._database.transaction(connection):
            return action(connection)

    def _renew(self, epoch: int) -> None:
        self._next_renewal = time.monotonic() + self._lease_seconds / 3
        try:
            connection = self._connected()
            with self._database.transaction(connection, durable=False):
                ours = lease.renew(connection, epoch, float(self._clock()), self._lease_seconds)
        except database_errors() as error:
            self._disconnect()
            log.warning("journal.lease_not_renewed", reason=str(self._database.explain(error)))
            return
        if not ours:
            self._let_go()

    def _let_go(self) -> LeaseLost:
        self._epoch = None
        self._known.clear()
        self._loop.call_soon_threadsafe(self._lost)
        return LeaseLost("another owner has taken over", where=str(self._database), hint="End this process")

    def _answer(self, answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
        self._loop.call_soon_threadsafe(_resolve, answers, self._committed, self._position)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.writers.connect()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
        self._database.disconnected()


def newest_position(connection: Connection) -> int:
    """The newest there ever was, also when its run has been dropped."""
    newest: int = connection.execute(select(func.coalesce(func.max(events.c.position), 0))).scalar_one()
    floor: int | None = connection.execute(select(meta.c.value).where(meta.c.name == POSITION_FLOOR)).scalar()
    return max(newest, floor or 0)


def _planned(job: Job, batch: Batch) -> Any:
    try:
        return job.plan(batch)
    except PodiumError as error:
        return error


def _resolve(answers: list[tuple[asyncio.Future[Any], Any]], committed: Callable[[int], None], position: int) -> None:
    committed(position)
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _pauses() -> Iterator[float]:
    yield from _PAUSES_SECONDS
    yield from itertools.repeat(_PAUSES_SECONDS[-1])
