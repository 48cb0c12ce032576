"""The one thread that writes the journal.

Everybody who wants something written puts a job in its queue and waits; the thread takes all that is there and writes it in
one transaction (group commit), so that the price of a commit is shared by all who wait for it.

    queue ──▶ lease still ours? ──▶ batch of rows ──▶ commit ──▶ futures, newest position

A commit whose answer was lost is looked up before anything else is written; so nothing is ever written twice.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from podium.errors import LeaseLost, PodiumError, Unavailable
from podium.runs import failpoints, lease
from podium.runs.batch import POSITION_FLOOR, Batch
from podium.runs.database import Database
from podium.runs.events import Run
from podium.runs.tables import events, meta, runs

log = structlog.get_logger()

PATIENCE_SECONDS = 30.0  # for which a lost server is looked for before those who wait are told
_BACKOFF_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_MOST_JOBS = 1000  # in one transaction


@dataclass(slots=True, eq=False)
class Job:
    """Something to write. `plan` may be called again when a transaction did not come about."""

    plan: Callable[[Batch], Any]
    future: asyncio.Future[Any]
    durable: bool
    failpoint: str | None = None


@dataclass(slots=True, eq=False)
class Call:
    """Something to do alone in a transaction, without the lease."""

    action: Callable[[Connection], Any]
    future: asyncio.Future[Any]


class CommitUnknown(Exception):  # noqa: N818
    """The database did not answer a commit."""

    def __init__(self, proof: tuple[int, int] | None, cause: DBAPIError) -> None:
        self.proof = proof
        self.cause = cause


class Writer:
    """Writes for one owner.

    Args:
        loop: where futures are resolved.
        committed: called on the loop with the newest position.
        lost: called on the loop once another owner has the lease.
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

    def put(self, job: Job | Call) -> None:
        self._queue.put(job)

    def stop(self) -> None:
        """Write what is in the queue, then end; blocks. What the database does not take at once is refused."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()

    def take(self, connection: Connection, held: lease.Lease, owner: str) -> None:
        """Become the owner; for a `Call`, which has read `held` in the same transaction."""
        self._epoch = lease.take(connection, held, owner, self._clock(), self._lease_seconds)
        self._next_renewal = time.monotonic() + self._lease_seconds / 3
        self._known.clear()
        self._position = newest_position(connection)
        self._submitted = connection.execute(select(func.coalesce(func.max(runs.c.submitted), 0.0))).scalar_one()

    def release(self, connection: Connection) -> None:
        """Give the lease back, if it is ours; for a `Call`."""
        if self._epoch is not None:
            lease.release(connection, self._epoch, self._clock())
            self._epoch = None

    def _work(self) -> None:
        while True:
            waiting = self._next()
            if waiting:
                self._serve(waiting)
                if None in waiting:
                    break
            if self._epoch is not None and time.monotonic() >= self._next_renewal:
                self._renew()
        self._disconnect()

    def _next(self) -> list[Job | Call | None]:
        """All that waits; empty when it is time to renew the lease."""
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
        jobs: list[Job] = []
        for item in (*waiting, None):
            if isinstance(item, Job):
                jobs.append(item)
                continue
            if jobs:
                self._write(jobs)
                jobs = []
            if isinstance(item, Call):
                self._answer([(item.future, self._attempt(lambda call=item: [self._alone(call.action)])[0])])

    def _write(self, jobs: list[Job]) -> None:
        outcomes = self._attempt(lambda: self._transaction(jobs), len(jobs))
        self._answer([(job.future, outcome) for job, outcome in zip(jobs, outcomes, strict=True)])

    def _attempt(self, transaction: Callable[[], list[Any]], answers: int = 1) -> list[Any]:
        """The outcome for each who waits; the transaction is tried again while the server is away."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in _pauses():
            try:
                return transaction()
            except PodiumError as error:
                return [error] * answers
            except DBAPIError as error:
                self._disconnect()
                if not self._database.away(error) or time.monotonic() > deadline or self._stopping.wait(pause):
                    return [self._database.explain(error)] * answers
                log.warning("journal.database_away", reason=str(error.orig))
            except Exception as error:
                log.exception("journal.broken")
                self._disconnect()
                return [error] * answers
        raise AssertionError("pauses never end")

    def _transaction(self, jobs: list[Job]) -> list[Any]:
        if self._epoch is None:
            raise LeaseLost("this process does not own the journal", where=str(self._database))
        for job in jobs:
            if job.failpoint:
                failpoints.hit(f"journal.before_{job.failpoint}")
        connection = self._connected()
        self._database.durable(connection, any(job.durable for job in jobs))
        with connection.begin():
            if not lease.holds(connection, self._epoch):
                raise self._let_go()
            batch = Batch(connection, self._known, self._position, self._submitted, float(self._clock()))
            outcomes = [_planned(job, batch) for job in jobs]
            batch.flush()
        self._take_over(batch)
        for job in jobs:
            if job.failpoint:
                failpoints.hit(f"journal.after_{job.failpoint}")
        return outcomes

    def _take_over(self, batch: Batch) -> None:
        self._position, self._submitted = batch.position, batch.submitted
        for run in batch.standing.values():
            if run.state.ended:
                self._known.pop(run.id, None)
            else:
                self._known[run.id] = run

    def _alone(self, action: Callable[[Connection], Any]) -> Any:
        connection = self._connected()
        self._database.durable(connection, wanted=True)
        with connection.begin():
            return action(connection)

    def _renew(self) -> None:
        epoch = self._epoch
        assert epoch is not None  # noqa: S101
        self._next_renewal = time.monotonic() + self._lease_seconds / 3
        try:
            connection = self._connected()
            self._database.durable(connection, wanted=False)
            with connection.begin():
                ours = lease.renew(connection, epoch, self._clock(), self._lease_seconds)
        except DBAPIError as error:
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


def _pauses() -> Any:
    yield from _BACKOFF_SECONDS
    while True:
        yield _BACKOFF_SECONDS[-1]
