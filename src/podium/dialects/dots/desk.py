"""What the field's routes need of the house, as plain functions, so that the room knows neither server nor stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from podium.runs.events import Recorded, Run, Submission

Save = Callable[[str, Path], Awaitable[Sequence[Path]]]


class ListRuns(Protocol):
    async def __call__(self, *, kind: str | None, limit: int) -> list[Run]: ...


class ListEvents(Protocol):
    async def __call__(self, run: str, *, after: int, limit: int) -> list[Recorded]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """
    Args:
        submit, cancel: of the conductor.
        run, runs, document, events: of the journal.
        save_results: writes a run's results as CSV files into a directory.
        save_logs: writes what a run's models logged as files into a directory.
        login: a token for a user name and a password; raises NotAllowed.
    """

    submit: Callable[[Submission], Awaitable[Run]]
    cancel: Callable[[str], Awaitable[Run]]
    run: Callable[[str], Awaitable[Run]]
    runs: ListRuns
    document: Callable[[str], Awaitable[dict[str, Any]]]
    events: ListEvents
    save_results: Save
    save_logs: Save
    login: Callable[[str, str], Awaitable[str]]
