"""Whose turn it is at a service, which knows jobs by their ids alone.

Ids come from playbooks, which may double them, and a playbook that is run again has the same. So of all jobs that are
one to a service, whichever run they are of, one goes at a time; and what the service says of an id is about the job
that told it last. Who that was is written down before: a job that was at a service when Podium ended goes first when
both are back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from weakref import WeakValueDictionary

from podium.jobs.port import Job
from podium.runs.machine import DETACHED
from podium.stores.documents import Documents

_CALLS = ("podium", "diastema calls")

Place = tuple[str, str]
"""A service, and an id that it knows a job by."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What a service was told last.

    Args:
        told: it has taken it.
        over: its turn is.
    """

    run: str
    node: str
    told: bool = False
    over: bool = False


class Turns:
    """
    Args:
        documents: our own, never the field's.
        has_ended: whether a run has.
    """

    def __init__(self, documents: Documents, has_ended: Callable[[str], Awaitable[bool]]) -> None:
        self._documents = documents
        self._has_ended = has_ended
        self._reading = asyncio.Lock()
        self._read = False
        self._locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()
        self._kept: dict[Place, asyncio.Lock] = {}  # locked for those who are to come back
        self._calls: dict[Place, _Call] = {}

    @asynccontextmanager
    async def of(self, job: Job, service: str, id_: str) -> AsyncIterator[None]:
        """The time in which a service is asked for this job and for no other of that id."""
        place = service, id_
        lock = await self._locked(job, place)
        try:
            yield
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and error.args == (DETACHED,):
                self._kept[place] = lock  # nobody else goes until it is back
            else:
                self._give_up([place for place in self._kept if self._call(place, job)])
            raise
        finally:
            if place not in self._kept:
                try:
                    await self._over(job, place)
                finally:
                    lock.release()

    async def telling(self, job: Job, service: str, id_: str) -> None:
        """The service may take it from now on, and forget what it knew by that id."""
        await self._write((service, id_), _Call(job.run, job.node))

    async def told(self, job: Job, service: str, id_: str) -> None:
        """The service has taken it."""
        await self._write((service, id_), _Call(job.run, job.node, told=True))

    async def untold(self, service: str, id_: str) -> None:
        """The service is to be told again."""
        await self._forget((service, id_))

    def knows(self, job: Job, service: str, id_: str) -> bool:
        """Whether the service has taken it, and nothing else since; asked in its turn."""
        call = self._call((service, id_), job)
        return call is not None and call.told

    async def released(self, run: str) -> None:
        """The run has ended: none of its jobs comes back."""
        await self._read_once()
        left = [place for place, call in self._calls.items() if call.run == run]
        self._give_up(left)
        for place in left:
            call = self._calls.get(place)
            if call is not None and call.run == run:  # else somebody has told the service meanwhile
                await self._forget(place)

    def _give_up(self, places: Iterable[Place]) -> None:
        """Who is to come back there will not."""
        for place in places:
            if kept := self._kept.pop(place, None):
                kept.release()

    async def _locked(self, job: Job, place: Place) -> asyncio.Lock:
        await self._read_once()
        if place in self._kept and self._call(place, job):
            return self._kept.pop(place)
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = asyncio.Lock()
        if lock.locked():
            job.note(f"waiting: {place[0]} is at another job with the id {place[1]}")
        await lock.acquire()
        return lock

    async def _over(self, job: Job, place: Place) -> None:
        if call := self._call(place, job):
            await self._write(place, replace(call, over=True))

    def _call(self, place: Place, job: Job) -> _Call | None:
        """The last there was, if it was of this job."""
        call = self._calls.get(place)
        return call if call is not None and (call.run, call.node) == (job.run, job.node) else None

    async def _read_once(self) -> None:
        async with self._reading:
            if not self._read:
                for row in await self._documents.find(*_CALLS):
                    await self._take_up((row["service"], row["id"]), _Call(**row["call"]))
                self._read = True

    async def _take_up(self, place: Place, call: _Call) -> None:
        if await self._has_ended(call.run):
            await self._forget(place)
            return
        self._calls[place] = call
        if not call.over:
            lock = self._kept[place] = self._locks[place] = asyncio.Lock()
            await lock.acquire()

    async def _write(self, place: Place, call: _Call) -> None:
        self._calls[place] = call
        await self._documents.put(*_CALLS, _key(place), {**_key(place), "call": asdict(call)})

    async def _forget(self, place: Place) -> None:
        self._calls.pop(place, None)
        await self._documents.remove(*_CALLS, _key(place))


def _key(place: Place) -> dict[str, str]:
    return {"service": place[0], "id": place[1]}
