"""What the web application shows and steers, put together by the stack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from fastapi import APIRouter

from podium.dialects.documents import DIRECTORY, check_size, unknown
from podium.dialects.port import Advises, Dialect
from podium.errors import Fault, Unavailable
from podium.jobs.callbacks import Callbacks
from podium.runs.conductor import Conductor
from podium.runs.events import Submission
from podium.runs.journal import Journal
from podium.server.auth import Auth
from podium.server.doorway import KnownHosts
from podium.server.feed import Feed
from podium.stores.artifacts import Artifacts
from podium.stores.registry import Registry
from podium.stores.series import SeriesStore


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one Podium.

    Args:
        artifacts: opens what jobs keep their data in, if it is not open yet.
        conductor: None where runs are only looked at.
        logs: what the models of a run wrote, by model, all or the last lines.
        health: by part, what is wrong with it in words, or None.
        dropped: how many inputs led to nothing since the start, by part and reason.
        stop: asks the process to end; with True its models and its broker too.
        link: the page's address with a word that lets one browser in; None where it is not served.
        callbacks: who waits for the outcomes that services post.
        routers: routes of other parts, such as the database of results that models write to.
    """

    journal: Journal
    feed: Feed
    dialects: Sequence[Dialect]
    series: SeriesStore
    artifacts: Callable[[], Artifacts]
    registry: Registry
    auth: Auth
    known_hosts: KnownHosts
    logs: Callable[[str, int | None], Awaitable[Mapping[str, str]]]
    health: Callable[[], Mapping[str, str | None]]
    dropped: Callable[[], Mapping[str, Mapping[str, int]]]
    stop: Callable[[bool], None]
    conductor: Conductor | None = None
    link: Callable[[], str | None] = field(default=lambda: None)
    routers: Sequence[APIRouter] = ()
    callbacks: Callbacks | None = None
    metrics_open: bool = False

    @property
    def conducting(self) -> Conductor:
        """Raises: Unavailable."""
        if self.conductor is None:
            hint = "Start one with `podium serve`"
            raise Unavailable("no Podium conducts runs in this data directory now", hint=hint)
        return self.conductor

    async def read(self, content: bytes, filename: str, *, of_this_user: bool) -> Submission:
        """What the first dialect that recognises a document makes of it.

        Only the path of a file `of_this_user` is looked beside for what the document refers to.

        Raises: DocumentRefused.
        """
        check_size(content)
        for dialect in self.dialects:
            if dialect.recognises(filename, content):
                if not of_this_user or not filename:
                    return await dialect.read(content)
                read = await dialect.read(content, filename=filename)
                return replace(read, document={**read.document, DIRECTORY: str(PurePath(filename).parent)})
        marks = {dialect.name: dialect.marks for dialect in self.dialects}
        raise await asyncio.to_thread(unknown, content, filename, marks)

    async def advice(self, content: bytes, filename: str) -> list[Fault]:
        """What could be better in a document that can be run. Raises: DocumentRefused, for what is not right."""
        for dialect in self.dialects:
            if dialect.recognises(filename, content):
                return await dialect.advice(content) if isinstance(dialect, Advises) else []
        return []
