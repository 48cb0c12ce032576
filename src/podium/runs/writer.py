"""The one thread that writes the journal.

Everybody who wants something written puts a job in its queue and waits; the thread takes all that is there and writes it
in one transaction (group commit), so that the price of a commit is shared by all who wait for it.

    queue ──▶ lease still ours? ──▶ batch of rows ──▶ commit ──▶ futures, newest position

A commit whose answer was lost is looked for before anything else is written, so nothing is written twice.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, func, select

from podium.errors import LeaseLost, PodiumError, Unavailable
from podium.runs import failpoints, lease
from podium.runs.batch import POSITION_FLOOR, Batch, Statements
from podium.runs.database import Database, DatabaseErrors
from podium.runs.events import Run
from podium.runs.tables import events, meta, runs

log = structlog.get_logger()

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
                    (outcome,) = self._attempt(partial(self._alone, item.action), 1)
                    self._answer([(item.future, outcome)])

    def _write(self, jobs: list[Job]) -> None:
        outcomes = self._attempt(partial(self._transaction, jobs), len(jobs))
        if outcomes is None:
            # One of them cannot be written; find out which, and let the others through.
            outcomes = [self._attempt(partial(self._transaction, [job]), 1)[0] for job in jobs]
        self._answer([(job.future, outcome) for job, outcome in zip(jobs, outcomes, strict=True)])
