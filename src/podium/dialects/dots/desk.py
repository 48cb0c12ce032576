"""What the field's routes need of the house, as plain functions, so that the room knows neither server nor stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from podium.runs.events import Recorded, Run, Submission


class ListRuns(Protocol):
    async def __call__(self, *, kind: str | None, before: float | None, limit: int) -> list[Run]: ...


class ListEvents(Protocol):
    async def __call__(self, run: str, *, after: int, limit: int) -> list[Recorded]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """
    Args:
        submit, cancel: of the conductor.
        run, runs, document, events: of the journal.
        export_csv: writes a run's results as files into a directory.
        logs: what the models of a run wrote, by model; all, or the last lines.
        login: a token for a user name and a password; raises NotAllowed.
    """

    submit: Callable[[Submission], Awaitable[Run]]
    cancel: Callable[[str], Awaitable[Run]]
    run: Callable[[str], Awaitable[Run]]
    runs: ListRuns
    document: Callable[[str], Awaitable[dict[str, Any]]]
    events: ListEvents
    export_csv: Callable[[str, Path], Awaitable[Sequence[Path]]]
    logs: Callable[[str, int | None], Awaitable[Mapping[str, str]]]
    login: Callable[[str, str], Awaitable[str]]
