"""What every backplane does alike: know its models, tell watchers of each change, let the dead go in time."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from podium.backplane.port import Model
from podium.errors import DocumentRefused

LAST_LINES = 30
_LINE_CHARACTERS = 2000
_TEXT_CHARACTERS = 3000  # of all lines, where they are part of a sentence
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_TIMER = 24 * 3600.0


def check_name(name: str) -> None:
    """Raises: DocumentRefused, for what no pod could be called."""
    if not _NAME.fullmatch(name):
        raise DocumentRefused(
            f"a model cannot be called {name!r}",
            hint="Use at most 63 lower case letters, digits and '-', with a letter or digit at both ends",
        )


def last_lines(text: str) -> tuple[str, ...]:
    """The lines that say most about an end: the last ones, each cut at a length that a message can carry."""
    lines = text.rstrip("\n").split("\n") if text.strip() else []
    return tuple(line.rstrip("\r")[:_LINE_CHARACTERS] for line in lines[-LAST_LINES:])


def explain(exit_code: int | None, signal_number: int | None, *, out_of_memory: bool = False) -> str | None:
    """Why a model ended, for people; None when it went well."""
    killed = signal_number == signal.SIGKILL or exit_code == 128 + signal.SIGKILL
    if killed and out_of_memory:
        return "killed for want of memory: the kernel's out-of-memory killer was at work as it ended"
    if signal_number is not None:
        known = signal_number in signal.valid_signals()
        name = signal.Signals(signal_number).name if known and signal_number < signal.SIGRTMIN else str(signal_number)
        return f"killed by {name}" + (" (it used up its CPU time)" if signal_number == signal.SIGXCPU else "")
    if killed:
        return "exit code 137: it or a process of it was killed by SIGKILL, often for want of memory"
    return f"exit code {exit_code}" if exit_code else None


def with_last_lines(reason: str, lines: Sequence[str]) -> str:
    """Why it ended and what it wrote at last, in one line that a journal can hold."""
    text = " | ".join(lines)[-_TEXT_CHARACTERS:]
    return f"{reason}; its last lines: {text}" if text else reason


class Supervisor:
    """The models of one backplane.

    Args:
        expired: called for a model whose logs have been kept long enough.
    """

    def __init__(self, expired: Callable[[str], None]) -> None:
        self._expired = expired
        self._models: dict[str, Model] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._watchers: set[asyncio.Queue[Model | None]] = set()

    def put(self, model: Model) -> None:
        """The model is now like this."""
        self._models[model.name] = model
        for queue in self._watchers:
            queue.put_nowait(model)
        if model.state.ended:
            self._let_go(model)

    def get(self, name: str) -> Model | None:
        return self._models.get(name)

    def select(self, labels: Mapping[str, str] | None) -> list[Model]:
        wanted = (labels or {}).items()
        return [model for model in self._models.values() if wanted <= model.labels.items()]

    def forget(self, name: str) -> None:
        self._models.pop(name, None)
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    async def watch(self) -> AsyncIterator[Model]:
        queue: asyncio.Queue[Model | None] = asyncio.Queue()
        for model in self._models.values():
            queue.put_nowait(model)
        self._watchers.add(queue)
        try:
            while (change := await queue.get()) is not None:
                yield change
        finally:
            self._watchers.discard(queue)

    def close(self) -> None:
        """End all watches; forget nothing that is kept elsewhere."""
        for queue in self._watchers:
            queue.put_nowait(None)
        for name in list(self._models):
            self.forget(name)

    def _let_go(self, model: Model) -> None:
        left = (model.ended or time.time()) + model.keep_logs_seconds - time.time()
        loop = asyncio.get_running_loop()
        if left > 0:  # in spans of a day at most: the event loop's clock does not run while the machine sleeps
            self._timers[model.name] = loop.call_later(min(left, _LONGEST_TIMER), self._let_go, model)
        else:
            self._timers.pop(model.name, None)
            self._expired(model.name)
