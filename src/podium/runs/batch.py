"""What one transaction will write, worked out in memory: the rules of the journal are here.

Each step either adds to the batch or raises and leaves it as it was, so a refused append does not hurt its neighbours.
Rows go to the database all together in `flush`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from podium.errors import Conflict, NotFound
from podium.runs import lease
from podium.runs.database import Database, Prepared
from podium.runs.events import STATE_EVENTS, Event, Recorded, Run, RunState, Submission
from podium.runs.records import Values, checksum, encode, event_row, failure_of, read_run, run_row, standing_row
from podium.runs.tables import documents, events, meta, runs, snapshots

RUN_COLUMNS = (
    runs.c.id,
    runs.c.kind,
    runs.c.name,
    runs.c.state,
    runs.c.submitted,
    runs.c.lane,
    runs.c.started,
    runs.c.ended,
    runs.c.seq,
    runs.c.error,
    runs.c.checksum,
)
POSITION_FLOOR = "position_floor"  # in `meta`: positions up to here were given out, whatever `events` still has

_ORDER = {RunState.QUEUED: 0, RunState.STARTING: 1, RunState.RUNNING: 2}
_ENDED = 3
_TICK = 1e-6  # seconds; tells two submissions apart that came in the same moment

_SECRET = re.compile(r'\{"\$secret":"[^"]*"\}')  # in JSON as `encode` writes it; what is in a text is escaped there
_RUN = select(*RUN_COLUMNS).where(runs.c.id == bindparam("run"))


class Statements:
    """What every batch executes, prepared for one database."""

    def __init__(self, database: Database) -> None:
        standing = ("state", "started", "ended", "seq", "error", "checksum")
        self.epoch = Prepared(lease.EPOCH, database)
        self.insert_events = Prepared(insert(events), database, events.c.keys())
        self.insert_runs = Prepared(insert(runs), database, runs.c.keys())
        self.insert_documents = Prepared(insert(documents), database, documents.c.keys())
        self.update_runs = Prepared(update(runs).where(runs.c.id == bindparam("run")), database, standing)


class Batch:
    """One transaction in the making.

    Args:
        connection: in a transaction, for what is not known.
        statements: prepared for this database.
        known: runs whose standing is remembered from earlier batches.
        position: the newest in the journal.
        submitted: the time of the latest submission.
        now: the time of this batch.
    """

    def __init__(
        self,
        connection: Connection,
        statements: Statements,
        known: Mapping[str, Run],
        position: int,
        submitted: float,
        now: float,
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._known = known
        self._now = now
        self._new: dict[str, tuple[str | None, int]] = {}
        self._documents: list[Values] = []
        self._events: list[Values] = []
        self._snapshots: dict[str, Values] = {}
        self.position = position
        self.submitted = submitted
        self.standing: dict[str, Run] = {}
        self.proof: tuple[int, int] | None = None

    def submit(self, submission: Submission, document: str) -> tuple[Run, bool]:
        """The run of this submission; False when its key had one already.

        Raises: Conflict (the id is taken, or the key came with another document).
        """
        there = self._submitted_before(submission, document)
        if there is not None:
            return there, False
        self.submitted = self._now if not 0 <= self.submitted - self._now < 1 else self.submitted + _TICK
        run = Run(
            submission.id, submission.kind, submission.name, RunState.QUEUED, self.submitted, submission.lane, seq=1
        )
        first = Event("run.submitted", {"kind": run.kind, "name": run.name, "lane": run.lane})
        self._add(run.id, 1, first, encode(first.data, "event"))
        self._new[run.id] = (submission.key, self.position)
        self._documents.append({"run": run.id, "data": document, "checksum": checksum(run.id, document)})
        self.standing[run.id] = run
        return run, True

    def append(self, id_: str, what: Sequence[Event], encoded: Sequence[str]) -> list[Recorded]:
        """Raises: NotFound, Conflict (a state would go backwards, or the run has ended)."""
        run = self._moved(self._run(id_), what)
        first = run.seq - len(what) + 1
        recorded = [
            self._add(id_, first + index, event, data)
            for index, (event, data) in enumerate(zip(what, encoded, strict=True))
        ]
        self.standing[id_] = run
        return recorded

    def snapshot(self, id_: str, seq: int, state: str) -> None:
        """Raises: NotFound, Conflict (the run has not come as far as `seq`)."""
        if seq > self._run(id_).seq:
            raise Conflict(f"run {id_!r} has no event {seq} yet")
        self._snapshots[id_] = {"run": id_, "seq": seq, "data": state, "checksum": checksum(id_, state)}

    def drop(self, id_: str) -> None:
        """Raises: NotFound, Conflict (the run has not ended)."""
        if not self._run(id_).state.ended:
            raise Conflict(f"run {id_!r} has not ended", hint="Cancel it first")
        self.flush()
        execute = self._connection.execute
        for table in (events, documents, snapshots):
            execute(delete(table).where(table.c.run == id_))
        execute(delete(runs).where(runs.c.id == id_))
        execute(delete(meta).where(meta.c.name == POSITION_FLOOR))
        execute(insert(meta).values(name=POSITION_FLOOR, value=self.position))

    def flush(self) -> None:
        connection, statements = self._connection, self._statements
        if self._new:
            new = [run_row(self.standing[id_], *origin) for id_, origin in self._new.items()]
            statements.insert_runs.many(connection, new)
            statements.insert_documents.many(connection, self._documents)
        if moved := [{"run": run.id, **standing_row(run)} for run in self.standing.values() if run.id not in self._new]:
            statements.update_runs.many(connection, moved)
        if self._events:
            statements.insert_events.many(connection, self._events)
        if self._snapshots:
            connection.execute(delete(snapshots).where(snapshots.c.run.in_(self._snapshots)))
            connection.execute(insert(snapshots), list(self._snapshots.values()))
        self._new, self._documents, self._events, self._snapshots = {}, [], [], {}

    def _add(self, run: str, seq: int, event: Event, data: str) -> Recorded:
        self.position += 1
        row = event_row(self.position, run, seq, self._now, event, data)
        self._events.append(row)
        self.proof = (self.position, row["checksum"])
        return Recorded(self.position, run, seq, self._now, event)

    def _run(self, id_: str) -> Run:
        run = self.standing.get(id_) or self._known.get(id_)
        if run is None:
            row = self._connection.execute(_RUN, {"run": id_}).one_or_none()
            if row is None:
                raise no_run(id_)
            run = read_run(row)
        return run

    def _submitted_before(self, submission: Submission, document: str) -> Run | None:
        same = runs.c.id == submission.id
        if submission.key is not None:
            same = or_(same, (runs.c.kind == submission.kind) & (runs.c.key == submission.key))
        found = {row.id: (row.kind, row.key) for row in self._connection.execute(_origin(same))}
        found |= {id_: (self.standing[id_].kind, key) for id_, (key, _) in self._new.items()}
        if submission.key is not None:
            for id_, origin in found.items():
                if origin == (submission.kind, submission.key):
                    if _bare(self._document(id_), id_) != _bare(document, submission.id):
                        hint = "Send another document under another key"
                        raise Conflict(f"this key came with another document before, for run {id_!r}", hint=hint)
                    return self._run(id_)
        if submission.id in found:
            raise Conflict(f"there is a run {submission.id!r} already")
        return None

    def _document(self, id_: str) -> str:
        for document in self._documents:
            if document["run"] == id_:
                return str(document["data"])
        return str(self._connection.execute(select(documents.c.data).where(documents.c.run == id_)).scalar_one())

    def _moved(self, run: Run, what: Sequence[Event]) -> Run:
        state, started, ended, error = run.state, run.started, run.ended, run.error
        for event in what:
            if state.ended:
                raise Conflict(f"run {run.id!r} has ended as {state}; {event.type} comes too late")
            follows = STATE_EVENTS.get(event.type)
            if follows is None:
                continue
            if _ORDER.get(follows, _ENDED) < _ORDER[state]:
                raise Conflict(f"run {run.id!r} is {state}; {event.type} would take it back")
            state = follows
            if state is RunState.STARTING and started is None:
                started = self._now
            if state.ended:
                ended = self._now
                error = failure_of(event.data)
        seq = run.seq + len(what)
        return Run(run.id, run.kind, run.name, state, run.submitted, run.lane, started, ended, seq, error)


def no_run(id_: str) -> NotFound:
    return NotFound(f"there is no run {id_!r}", hint="`podium status` and GET /api/v1/runs list those that there are")


def _bare(document: str, id_: str) -> str:
    """Without what differs whenever a document is read: the run's id, and the names of secrets, which carry it."""
    return _SECRET.sub("{}", document).replace(encode(id_, "id"), '""')


def _origin(where: Any) -> Any:
    return select(runs.c.id, runs.c.kind, runs.c.key).where(where)
