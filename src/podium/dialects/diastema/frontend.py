"""What the field's front end is told, in order, and without a run ever depending on it.

Each run has an outbox of its own. A run waits for its messages to arrive, as long as they do; one that has waited
`PATIENCE` seconds in all waits no more, and what is left is sent beside it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

import structlog

from podium.jobs.client import Client
from podium.jobs.http import Request, send
from podium.jobs.port import JobFailed

log = structlog.get_logger()

PATIENCE = 5.0  # seconds that a run waits for it in all
GIVEN_UP = 60.0  # seconds of failures after which a message is tried once only
ANSWER_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

Form = Mapping[str, str]


class FrontEnd:
    """
    Args:
        url: of the front end; None: there is none, and nobody is told.
    """

    def __init__(self, client: Client, url: str | None) -> None:
        self._client = client
        self._url = url and f"{url.rstrip('/')}/messages"
        self._outboxes: dict[str, _Outbox] = {}
        self.lost = 0

    async def update(self, run: str, text: str) -> None:
        await self._tell(run, {"message": "update", "update": text})

    async def error(self, run: str, text: str) -> None:
        await self._tell(run, {"message": "error", "error": text})

    async def visualize(self, run: str, path: str, job: str, column: str) -> None:
        await self._tell(run, {"message": "visualize", "path": path, "job": job, "column": column})

    def released(self, run: str) -> None:
        """No more messages of this run will come."""
        outbox = self._outboxes.get(run)
        if outbox is not None and outbox.task.done():
            del self._outboxes[run]

    async def close(self) -> None:
        tasks = [outbox.task for outbox in self._outboxes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if unsent := sum(len(outbox.forms) for outbox in self._outboxes.values()):
            log.warning("frontend.unsent", messages=unsent)

    async def _tell(self, run: str, form: Form) -> None:
        if self._url is None:
            return
        outbox = self._outboxes.get(run)
        if outbox is None:
            outbox = self._outboxes[run] = _Outbox()
        sent = asyncio.Event()
        outbox.forms.append((form, sent))
        if outbox.task.done():
            outbox.task = asyncio.create_task(self._send(run, outbox, self._url), name=f"front end of {run}")
        await outbox.wait(sent)

    async def _send(self, run: str, outbox: _Outbox, url: str) -> None:
        pause, failing = _FIRST_PAUSE, 0.0
        while outbox.forms:
            form, sent = outbox.forms[0]
            try:
                await send(self._client, Request(url=url, form=dict(form), answer_within=ANSWER_SECONDS))
            except JobFailed as error:
                if not error.final and failing < GIVEN_UP:
                    log.warning("frontend.away", run=run, reason=error.reason)
                    await asyncio.sleep(pause)
                    failing += pause
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                self.lost += 1
                log.error("frontend.not_told", run=run, message=form["message"], reason=error.reason)
            else:
                pause, failing = _FIRST_PAUSE, 0.0
            outbox.forms.popleft()
            sent.set()


class _Outbox:
    """The messages of one run that are not sent yet, and how long the run will still wait for them."""

    def __init__(self) -> None:
        self.forms: deque[tuple[Form, asyncio.Event]] = deque()
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
            log.warning("frontend.not_waited_for", messages=len(self.forms))
        finally:
            self._patience = max(0.0, self._patience - (now() - began))
