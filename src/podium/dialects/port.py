"""What a dialect gives to the house: documents it reads, machines that conduct them, performers, routes.

Knowing one dialect is knowing all: each is a room below `dialects/` with a class that satisfies `Dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from fastapi import APIRouter

from podium.errors import Fault
from podium.runs.events import Json, Submission
from podium.runs.machine import Machine, Performer


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of run: the machine that decides and the performer that acts.

    `check_edits` looks at what is to be different, by job, when a run is made from another's document, and `check` at
    the document that comes of it; both raise DocumentRefused.
    """

    name: str
    machine: Machine[Any]
    performer: Performer
    check: Callable[[Mapping[str, Any]], None] = lambda _document: None
    check_edits: Callable[[Mapping[str, Any], Mapping[str, Mapping[str, Any]]], None] = lambda _document, _edits: None


class Dialect(Protocol):
    """A family of documents of one field, with its wire format and its routes."""

    name: str

    @property
    def marks(self) -> Sequence[str]:
        """The keys that its documents have, where these are JSON objects: they tell what an unknown one lacks."""
        ...

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds of run this dialect conducts, by name (`<dialect>.<word>`)."""
        ...

    def recognises(self, filename: str, content: bytes) -> bool:
        """Whether this looks like a document of this dialect; cheap, never raises."""
        ...

    async def read(self, content: bytes, *, filename: str = "") -> Submission:
        """The run that this document asks for, checked as a whole, off the event loop where that takes long.

        Raises: DocumentRefused, naming every fault found and where.
        """
        ...

    def keeps_logs_seconds(self, document: Mapping[str, Any]) -> float:
        """For how long after a run's end what its models said is kept."""
        ...

    def routes(self, guard: Callable[..., Any]) -> APIRouter:
        """The REST routes of the field, exact; `guard` is the dependency that lets only known callers in."""
        ...

    async def start(self) -> None:
        """Subscribe to what concerns this dialect. Runs that were under way are told of by the conductor."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Advises(Protocol):
    """A dialect that sees in a document more than whether it can be run."""

    async def advice(self, content: bytes) -> list[Fault]:
        """What could be better. Raises: DocumentRefused, for what could be run and still is not right."""
        ...


class Kept(NamedTuple):
    """What a job has left in the artifact store, and in which folder."""

    what: str
    folder: str


@runtime_checkable
class Keeps(Protocol):
    """A dialect whose jobs keep things in the artifact store."""

    def kept(self, result: Json) -> Sequence[Kept]:
        """What a job has left there, by its result."""
        ...
