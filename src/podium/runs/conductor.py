"""Brings runs to life: admits them, lets those of one lane wait for each other, goes on with them after a restart."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from podium.errors import Conflict, DocumentRefused, Gone, LeaseLost, Unavailable
from podium.runs.actor import Actor
from podium.runs.events import Run, RunState, Submission
from podium.runs.journal import Journal
from podium.runs.machine import CancelRequested, Input, LinkDown, LinkLost, Machine, Performer, Started
from podium.runs.secrets import Secrets

log = structlog.get_logger()


class Kind(Protocol):
    """One kind of run, as dialects give it."""

    @property
    def machine(self) -> Machine[Any]: ...

    @property
    def performer(self) -> Performer: ...


def steady_clock() -> Callable[[], float]:
    """Unix seconds that never jump: the wall clock at this moment, carried on by the monotonic one."""
    anchor = time.time() - time.monotonic()
    return lambda: anchor + time.monotonic()


class Conductor:
    """Conducts every unfinished run of one journal, whose lease the caller holds.

    Args:
        kinds: what runs can be conducted, by the `kind` of their submission.
        clock: gives Unix seconds; must not go backwards.
        secrets: where the secrets of documents are kept while their run is under way.
    """

    def __init__(
        self,
        journal: Journal,
        kinds: Mapping[str, Kind],
        *,
        clock: Callable[[], float] | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._journal = journal
        self._kinds = kinds
        self._clock = clock or steady_clock()
        self._secrets = secrets
        self._actors: dict[str, Actor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._lanes: dict[str, deque[str]] = {}
        self._link_is_down = False
        self._open = True
        self._submissions: set[asyncio.Future[None]] = set()
        self.unwanted: Counter[str] = Counter()

    @property
    def now(self) -> float:
        """What inputs are to be stamped with."""
        return self._clock()

    @property
    def active(self) -> frozenset[str]:
        """The ids of the runs that have not ended."""
        return frozenset(self._actors)

    @property
    def catching_up(self) -> bool:
        """Whether a run that was under way before is not yet where it was."""
        return not all(actor.caught_up for actor in self._actors.values())

    async def start(self, down: float = 0.0, *, relinked: bool = False) -> None:
        """Go on with all that was under way `down` seconds ago; `relinked`, when the bus was away meanwhile as well."""
        for run in await self._journal.unfinished():
            if run.kind not in self._kinds:
                log.error("run.kind_unknown", run=run.id, kind=run.kind)
                continue
            self._admit(run, await self._journal.document(run.id), down=down, relinked=relinked)

    async def submit(self, submission: Submission) -> Run:
        """Make a run of it, once and for all: it is on disk when this returns.

        Raises: DocumentRefused (unknown kind), Conflict (its key came with another document), Gone (it is closing or
            has retired), Unavailable (database away).
        """
        if submission.kind not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise DocumentRefused(f"there is no kind of run called {submission.kind!r}", hint=f"Known are: {known}")
        if not self._open:
            raise Gone("Podium is stopping", hint="Submit again when it is back")
        under_way: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submissions.add(under_way)
        try:
            return await self._submit(submission)
        finally:
            self._submissions.remove(under_way)
            under_way.set_result(None)

    async def _submit(self, submission: Submission) -> Run:
        for name, value in submission.secrets.items():
            if self._secrets is None:
                raise Unavailable("there is no place for the secrets of a document")
            await asyncio.to_thread(self._secrets.put, name, value)
        try:
            run, created = await self._journal.submit(submission)
        except Conflict:
            self._forget_secrets(submission)
            raise
        if created:
            self._admit(run, submission.document)
        else:
            self._forget_secrets(submission)
        return run

    def _forget_secrets(self, submission: Submission) -> None:
        if self._secrets is not None and submission.secrets:
            self._secrets.drop(submission.id)

    def tell(self, run: str, what: Input) -> bool:
        """Feed an input to an active run; False when there is none of that id."""
        actor = self._actors.get(run)
        if actor is None:
            return False
        actor.tell(what)
        return True

    def state(self, run: str) -> Any:
        """How an active run stands, for whoever knows its machine; to be looked at only. None of any other."""
        actor = self._actors.get(run)
        return None if actor is None else actor.state

    def settled(self, run: str, command: str) -> asyncio.Future[None]:
        """Done once a command is not pending any more: what came of it is written.

        Cancelled, if that is left to whoever conducts the run next.
        """
        actor = self._actors.get(run)
        if actor is not None:
            return actor.settled(command)
        unknown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        unknown.cancel()
        return unknown

    async def cancel(self, run: str, reason: str = "cancelled by the user") -> Run:
        """Have a run end. Raises: NotFound."""
        found = await self._journal.run(run)
        self.tell(run, CancelRequested(self._clock(), reason))
        return found

    def link_down(self) -> None:
        """The bus is away: runs that wait for what comes by it do not count the time."""
        self._link_is_down = True
        for actor in self._actors.values():
            actor.tell(LinkDown(self._clock()))

    def link_lost(self) -> None:
        """The bus was away and is back: every run finds out what it missed."""
        self._link_is_down = False
        for actor in self._actors.values():
            actor.tell(LinkLost(self._clock()))

    async def wait(self, run: str) -> Run:
        """The run once it has ended. Raises: NotFound, LeaseLost."""
        task = self._tasks.get(run)
        if task is not None:
            await asyncio.wait([task])
        return await self._journal.run(run)

    async def retire(self) -> None:
        """Wait until no run is active, and from that moment on take none."""
        while waiting := [*self._tasks.values(), *self._submissions]:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        self._open = False

    async def close(self) -> None:
        """Stop conducting; what has not ended goes on with the next `start`."""
        self._open = False
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _admit(self, run: Run, document: Mapping[str, Any], *, down: float = 0.0, relinked: bool = False) -> None:
        kind = self._kinds[run.kind]
        under_way = run.state is not RunState.QUEUED
        actor = Actor(
            run,
            document,
            kind.machine,
            kind.performer,
            self._journal,
            self._clock,
            self.unwanted,
            down=down if under_way else None,
            relinked=relinked,
        )
        self._actors[run.id] = actor
        lane = self._lanes.setdefault(run.lane or run.id, deque())
        lane.append(run.id)
        if under_way:
            self._tell_of_link(actor)
        elif lane[0] == run.id:
            self._begin(actor)
        self._tasks[run.id] = asyncio.create_task(self._conduct(actor), name=f"run {run.id}")

    async def _conduct(self, actor: Actor) -> None:
        run = actor.run
        try:
            await actor.live()
        except LeaseLost as error:
            log.error("run.let_go", run=run.id, reason=str(error))
            return
        except asyncio.CancelledError:
            return
        finally:
            del self._actors[run.id], self._tasks[run.id]
        self._leave_lane(run)
        if self._secrets is not None:
            self._secrets.drop(run.id)
        await self._performer_release(run)

    def _leave_lane(self, run: Run) -> None:
        key = run.lane or run.id
        lane = self._lanes[key]
        at_head = lane[0] == run.id
        lane.remove(run.id)
        if not lane:
            del self._lanes[key]
        elif at_head:
            self._begin(self._actors[lane[0]])

    def _begin(self, actor: Actor) -> None:
        actor.tell(Started(self._clock()))
        self._tell_of_link(actor)

    def _tell_of_link(self, actor: Actor) -> None:
        """To one that goes on from here: what was told before, it did not hear, or not heed."""
        if self._link_is_down:
            actor.tell(LinkDown(self._clock()))

    async def _performer_release(self, run: Run) -> None:
        try:
            await self._kinds[run.kind].performer.released(run.id)
        except Unavailable as error:
            log.warning("run.not_released", run=run.id, reason=str(error))
