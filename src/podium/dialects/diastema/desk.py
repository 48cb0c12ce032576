"""What the field's routes and the end of a run need of the house, as plain functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from podium.errors import NotFound
from podium.runs.events import Recorded, Run, Submission


class ListRuns(Protocol):
    async def __call__(
        self, *, kind: str | None, search: str | None, before: float | None, limit: int
    ) -> list[Run]: ...


class ListEvents(Protocol):
    async def __call__(self, run: str, *, after: int, limit: int) -> list[Recorded]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """
    Args:
        submit: of the conductor.
        run, runs, document, events: of the journal.
    """

    submit: Callable[[Submission], Awaitable[Run]]
    run: Callable[[str], Awaitable[Run]]
    runs: ListRuns
    document: Callable[[str], Awaitable[dict[str, Any]]]
    events: ListEvents

    async def has_ended(self, run: str) -> bool:
        """Also one that is not known any more."""
        try:
            return (await self.run(run)).state.ended
        except NotFound:
            return True
