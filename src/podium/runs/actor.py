"""One actor a run: its mailbox, its state, its place in the journal.

    mailbox ──▶ handle, apply ──▶ journal ──▶ pending ──▶ performer ──▶ mailbox

Inputs of one run are handled strictly in order; runs do not wait for each other. What was decided is written before it
is acted upon. After a restart the same loop goes on from the journal: replay, find out what was missed, act.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from podium.errors import JournalDamaged, LeaseLost, PodiumError, Unavailable
from podium.runs import failpoints
from podium.runs.events import Event, Recorded, Run
from podium.runs.journal import Journal
from podium.runs.machine import (
    DETACHED,
    Command,
    DeadlinePassed,
    Input,
    LinkLost,
    Machine,
    Performer,
    PerformFailed,
    Recovered,
    Recovery,
    Resumed,
)

log = structlog.get_logger()

SNAPSHOT_EVERY = 1000  # events: a replay then takes some milliseconds
SNAPSHOT_BYTES = 4096  # of the last one for each event until the next: what they cost stays in proportion
JOURNAL_RETRY_SECONDS = 2.0
SUBMITTED = 1  # the seq of run.submitted, which changes no state


class Actor:
    """Conducts one run until it has ended.

    Args:
        run: the run as the journal has it.
        document: what it was made from.
        down: for a run that was under way: the seconds that Podium was away; None for a new one.
        relinked: the bus was away meanwhile as well.
        unwanted: counts inputs that led to nothing, by their type.

    `caught_up` tells whether all is under way again that was before Podium went away.
    """

    def __init__(
        self,
        run: Run,
        document: Mapping[str, Any],
        machine: Machine[Any],
        performer: Performer,
        journal: Journal,
        clock: Callable[[], float],
        unwanted: Counter[str],
        *,
        down: float | None = None,
        relinked: bool = False,
    ) -> None:
        self.run = run
        self._document = document
        self._machine = machine
        self._performer = performer
        self._journal = journal
        self._clock = clock
        self._unwanted = unwanted
        self._down = down
        self._relinked = relinked
        self.caught_up = down is None
        self._seq = 0
        self._snapshot_due = SNAPSHOT_EVERY
        self._state: Any = None
        self._mailbox: deque[Input] = deque()
        self._wake = asyncio.Event()
        self._dispatched: dict[str, asyncio.Task[None] | None] = {}  # with what may be cancelled
        self._settling: dict[str, asyncio.Future[None]] = {}  # by command, for whoever waits for its end
        self._performing: set[asyncio.Task[None]] = set()
        self._ended = False

    def tell(self, what: Input) -> None:
        self._mailbox.append(what)
        self._wake.set()

    @property
    def state(self) -> Any:
        """As its machine has it; None before that is known."""
        return self._state

    def settled(self, command: str) -> asyncio.Future[None]:
        """See `Conductor.settled`; to be waited for, not to be cancelled: others wait for it too."""
        future = self._settling.get(command)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            if command in self._dispatched and not self._ended:
                self._settling[command] = future
            else:
                future.set_result(None)
        return future

    async def live(self) -> None:
        """Run to the end of the run. Raises: LeaseLost, when another owner has taken over."""
        try:
            await self._replay()
            back: Input | None = None
            if self._down is not None:
                back = Resumed(self._clock(), self._down, self._relinked)
            while not self._ended:
                if back is None:
                    await self._next()
                else:
                    await self._recover(back)
                inputs, back = self._drain()
                await self._take(inputs, act=back is None)
                if back is None and not self.caught_up:
                    # Behind what was just begun, so that whoever is to be told something waits for it by then.
                    asyncio.get_running_loop().call_soon(setattr, self, "caught_up", True)
        except LeaseLost:
            raise
        except Exception as error:
            # A fault of ours must not leave a run that never ends; the run says so and the log has the traceback.
            log.exception("run.broken", run=self.run.id)
            await self._write([Event("run.failed", {"error": {"reason": f"Podium itself failed: {error!r}"}})])
        finally:
            if self._ended:
                self._settle(list(self._settling))
            await self._stop_performing()
            for unknown in self._settling.values():
                unknown.cancel()

    async def _replay(self) -> None:
        self._seq = SUBMITTED
        new = self.run.seq == SUBMITTED
        if new or not await self._load():
            self._state = self._machine.initial(self._document)
        if new:
            return
        async for recorded in self._journal.replay(self.run.id, after_seq=self._seq):
            self._seq = recorded.seq
            self._state = self._machine.apply(self._state, recorded.event)

    async def _load(self) -> bool:
        """Whether there is a snapshot to go on from; with one of another shape the replay only takes longer."""
        snapshot = await self._journal.latest_snapshot(self.run.id)
        if snapshot is None:
            return False
        seq, dumped = snapshot
        try:
            self._state = self._machine.load(self._document, dumped)
        except JournalDamaged as error:
            log.warning("run.snapshot_left_out", run=self.run.id, reason=str(error))
            return False
        self._seq = seq
        self._snapshot_due = seq + SNAPSHOT_EVERY
        return True

    async def _recover(self, why: Input) -> None:
        """Find out what was missed. Nothing is done before what came meanwhile has been heard as well."""
        await self._take([why], act=False)
        try:
            found = await self._performer.recover(self.run.id, self._document)
        except Unavailable as error:
            log.warning("run.recovery_incomplete", run=self.run.id, reason=str(error))
            found = Recovery()
        await self._take([*found.inputs, Recovered(self._clock(), complete=found.complete)], act=False)

    async def _next(self) -> None:
        """Return when there is something to do: an input, a deadline."""
        if self._mailbox:
            return
        self._wake.clear()
        deadline = self._machine.deadline(self._state)
        alarm = None
        if deadline is not None:
            alarm = asyncio.get_running_loop().call_later(max(0.0, deadline - self._clock()), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    def _drain(self) -> tuple[list[Input], LinkLost | None]:
        """The inputs at hand, up to the news that the link was lost, behind which there is something to find out."""
        inputs: list[Input] = []
        while self._mailbox:
            what = self._mailbox.popleft()
            if isinstance(what, LinkLost):
                return inputs, what
            inputs.append(what)
        return inputs, None

    async def _take(self, inputs: list[Input], *, act: bool = True) -> None:
        """Handle `inputs` and whatever deadline has passed, write what follows, then act."""
        events: list[Event] = []
        for what in inputs:
            self._handle(what, events)
        if act:
            self._keep_deadlines(events)
        durable = [event for event in events if not event.transient]
        if durable:
            await self._write(durable)
        if act and not self._ended:
            self._act()

    def _keep_deadlines(self, events: list[Event]) -> None:
        now = self._clock()
        while not (events and events[-1].ends):
            deadline = self._machine.deadline(self._state)
            if deadline is None or deadline > now or not self._handle(DeadlinePassed(now), events):
                break

    def _handle(self, what: Input, events: list[Event]) -> bool:
        """Whether anything follows from it."""
        follows = self._machine.handle(self._state, what)
        if not follows:
            kind = type(what).__name__
            self._unwanted[kind] += 1
            log.debug("input.unwanted", run=self.run.id, input=kind, count=self._unwanted[kind])
            return False
        for event in follows:
            self._state = self._machine.apply(self._state, event)
        events.extend(follows)
        return True

    async def _write(self, events: list[Event]) -> None:
        recorded: list[Recorded] = []
        while not recorded:
            try:
                recorded = await self._journal.append(self.run.id, events)
            except Unavailable as error:
                # Nothing may be acted upon that is not written; the run stands still until the database is back.
                log.error("journal.unavailable", run=self.run.id, reason=str(error))
                await asyncio.sleep(JOURNAL_RETRY_SECONDS)
        failpoints.hit("conductor.after_append")
        self._seq = recorded[-1].seq
        self._ended = any(event.ends for event in events)
        if not self._ended and self._seq >= self._snapshot_due:
            await self._snapshot()

    async def _snapshot(self) -> None:
        try:
            size = await self._journal.snapshot(self.run.id, self._seq, self._machine.dump(self._state))
        except Unavailable as error:  # the next write tries again; a replay without it only takes longer
            log.warning("run.no_snapshot", run=self.run.id, reason=str(error))
            return
        self._snapshot_due = self._seq + max(SNAPSHOT_EVERY, size // SNAPSHOT_BYTES)

    def _act(self) -> None:
        pending = {command.key: command for command in self._machine.pending(self._state)}
        settled = self._dispatched.keys() - pending.keys()
        for key in settled:
            abandoned = self._dispatched.pop(key)
            if abandoned is not None:
                abandoned.cancel()
        self._settle(settled)
        for key, command in pending.items():
            if key not in self._dispatched:
                self._dispatch(command)

    def _settle(self, commands: Iterable[str]) -> None:
        for key in commands:
            future = self._settling.pop(key, None)
            if future is not None:
                future.set_result(None)

    def _dispatch(self, command: Command) -> None:
        task = asyncio.create_task(self._perform(command), name=f"{self.run.id} {command.key}")
        self._dispatched[command.key] = task if command.abandonable else None
        self._performing.add(task)
        task.add_done_callback(self._performing.discard)

    async def _stop_performing(self) -> None:
        """Whoever is cancelled may have something to end that was begun, and the run is not released before."""
        for task in self._performing:
            task.cancel(None if self._ended else DETACHED)
        await asyncio.gather(*self._performing, return_exceptions=True)

    async def _perform(self, command: Command) -> None:
        answer: Input | None
        try:
            answer = await self._performer.perform(self.run.id, self._document, command)
        except PodiumError as error:
            log.warning("command.failed", run=self.run.id, command=command.key, reason=str(error))
            answer = PerformFailed(self._clock(), command.key, str(error), transient=isinstance(error, Unavailable))
        except Exception as error:
            log.exception("command.broken", run=self.run.id, command=command.key)
            answer = PerformFailed(self._clock(), command.key, f"Podium itself failed: {error!r}")
        failpoints.hit("conductor.before_confirm")
        if answer is not None:
            self.tell(answer)
