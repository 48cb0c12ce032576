"""What Ctrl-C and SIGTERM mean: the first is heeded in good order, the next ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from podium.cli.screen import err, say
from podium.errors import PodiumError

if TYPE_CHECKING:
    from podium.cli.client import Client

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LEFT = 128 + signal.SIGINT


def on_signals(call: Callable[[], None], signals: Sequence[signal.Signals] = SIGNALS) -> None:
    """Have `call` called for the first of these signals; the next ends the process at once."""
    loop = asyncio.get_running_loop()

    def received() -> None:
        for each in signals:
            loop.add_signal_handler(each, leave_at_once)
        call()

    for each in signals:
        loop.add_signal_handler(each, received)


def leave_at_once() -> None:
    if sys.stderr.isatty():
        err().show_cursor()  # which a progress bar hides
    os._exit(LEFT)  # whatever is under way is found again by the next Podium


class Leaving:
    """Has the current task cancelled by a signal; `code` is then what to exit with, else 0.

    `asked` is whether a run was asked to end by Ctrl-C.
    """

    def __init__(self) -> None:
        main = asyncio.current_task()
        assert main is not None  # noqa: S101 - we are in it
        self._main = main
        self.code = 0
        self.asked = False
        for number in SIGNALS:
            self._heed(number)

    @asynccontextmanager
    async def cancelling(self, client: Client, submission: asyncio.Future[dict[str, Any]]) -> AsyncIterator[None]:
        """Meanwhile Ctrl-C ends the run, once it is submitted, and not the watching of its end."""
        asking: list[asyncio.Task[None]] = []

        def ask() -> None:
            self.asked = True
            say("cancelling; Ctrl-C again leaves at once")
            asking.append(asyncio.create_task(_cancel(client, submission)))

        on_signals(ask, [signal.SIGINT])
        try:
            yield
        finally:
            self._heed(signal.SIGINT)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    def _heed(self, number: signal.Signals) -> None:
        asyncio.get_running_loop().add_signal_handler(number, self._leave, 128 + number)

    def _leave(self, code: int) -> None:
        if self.code:
            leave_at_once()
        self.code = code
        self._main.cancel()


async def _cancel(client: Client, submission: asyncio.Future[dict[str, Any]]) -> None:
    run = await submission
    try:
        await client.post(f"/api/v1/runs/{run['id']}/cancel")
    except PodiumError as error:
        say(f"it was not told to end: {error}")
