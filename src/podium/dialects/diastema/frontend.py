"""What the field's front end is told, in order, and without a run ever depending on it.

Each run has an outbox of its own. A run waits for its messages to arrive, as long as they do; one that has waited
`PATIENCE` seconds in all waits no more, and what is left is sent beside it. What is said is written down before, so
that a run that is taken up again never says it twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from podium.dialects.diastema.memory import Memory
from podium.errors import PodiumError
from podium.jobs.client import Client
from podium.jobs.http import Request, send
from podium.jobs.port import JobFailed

log = structlog.get_logger()

PATIENCE = 5.0  # seconds that a run waits for it in all
GIVEN_UP = 60.0  # seconds of failures after which a message is tried once only
ANSWER_SECONDS = 5.0
LEAVE_SECONDS = 2.0  # to say what is being said when Podium ends
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

Form = Mapping[str, str]


class FrontEnd:
    """All messages say what they are `about`: of one kind and one job there is only one in a run.

    Args:
        url: of the front end; None: there is none, and nobody is told.
    """

    def __init__(self, client: Client, url: str | None, memory: Memory) -> None:
        self._client = client
        self._url = url and f"{url.rstrip('/')}/messages"
        self._memory = memory
        self._outboxes: dict[str, _Outbox] = {}
        self._closing = asyncio.Event()
        self.lost = 0

    async def update(self, run: str, about: str, text: str) -> None:
        await self._tell(run, about, {"message": "update", "update": text})

    async def error(self, run: str, about: str, text: str) -> None:
        await self._tell(run, about, {"message": "error", "error": text})

    async def visualize(self, run: str, about: str, path: str, job: str, column: str) -> None:
        await self._tell(run, about, {"message": "visualize", "path": path, "job": job, "column": column})

    def released(self, run: str) -> None:
        """No more messages of this run will come."""
        if outbox := self._outboxes.get(run):
            outbox.released = True
            if outbox.task.done():
                del self._outboxes[run]

    async def close(self) -> None:
        """What is being said is said to its end."""
        self._closing.set()
        tasks = [outbox.task for outbox in self._outboxes.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if unsent := sum(len(outbox.messages) for outbox in self._outboxes.values()):
            log.warning("frontend.unsent", messages=unsent)

    async def _tell(self, run: str, about: str, form: Form) -> None:
        if self._url is None:
            return
        outbox = self._outboxes.setdefault(run, _Outbox())
        async with outbox.opening:
            if outbox.known is None:
                outbox.known = await self._memory.heard(run)
        name = f"{form['message']} {about}"
        if name in outbox.known:
            return
        outbox.known.add(name)
        sent = asyncio.Event()
        outbox.messages.append(_Message(name, form, sent))
        if outbox.task.done():
            outbox.task = asyncio.create_task(self._send(run, outbox, self._url), name=f"front end of {run}")
        await outbox.wait(sent)

    async def _send(self, run: str, outbox: _Outbox, url: str) -> None:
        pause, failing = _FIRST_PAUSE, 0.0
        while outbox.messages and not self._closing.is_set():
            message = outbox.messages[0]
            try:
                await self._say(run, outbox, message, url)
            except JobFailed as error:
                if not error.final and failing < GIVEN_UP:
                    log.warning("frontend.away", run=run, reason=error.reason)
                    await self._sleep(pause)
                    failing += pause
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                self.lost += 1
                log.error("frontend.not_told", run=run, message=message.name, reason=error.reason)
            else:
                pause, failing = _FIRST_PAUSE, 0.0
            outbox.messages.popleft()
            message.sent.set()
        if outbox.released and not outbox.messages:
            del self._outboxes[run]

    async def _say(self, run: str, outbox: _Outbox, message: _Message, url: str) -> None:
        """Raises: JobFailed."""
        await self._note(self._memory.said, run, outbox, message)
        try:
            await send(self._client, Request(url=url, form=dict(message.form), answer_within=ANSWER_SECONDS))
        except JobFailed:
            await self._note(self._memory.unsaid, run, outbox, message)
            raise

    async def _note(
        self, change: Callable[[str, str], Awaitable[None]], run: str, outbox: _Outbox, message: _Message
    ) -> None:
        if outbox.released:
            return  # nobody will say it again
        try:
            await change(run, message.name)
        except PodiumError as error:
            log.warning("frontend.not_noted", run=run, message=message.name, reason=str(error))

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


@dataclass(frozen=True, slots=True)
class _Message:
    name: str
    form: Form
    sent: asyncio.Event


class _Outbox:
    """The messages of one run that are not sent yet, and how long the run will still wait for them."""

    def __init__(self) -> None:
        self.opening = asyncio.Lock()
        self.known: set[str] | None = None  # by name, what was heard or is on its way
        self.messages: deque[_Message] = deque()
        self.released = False
        self.task: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task.set_result(None)
        self._patience = PATIENCE

    async def wait(self, sent: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(self._patience):
                await sent.wait()
        except TimeoutError:
            log.warning("frontend.not_waited_for", messages=len(self.messages))
        finally:
            self._patience = max(0.0, self._patience - (now() - began))
