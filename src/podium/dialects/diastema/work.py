"""One job in the field's words, and what all kinds of job have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

from podium.dialects.diastema.frontend import FrontEnd
from podium.dialects.diastema.patience import patiently
from podium.dialects.diastema.places import Places, Which
from podium.dialects.diastema.playbook import text
from podium.dialects.diastema.reading import inputs_of
from podium.dialects.diastema.records import Records
from podium.dialects.diastema.titles import TITLES, Title
from podium.dialects.diastema.turns import Turns
from podium.errors import Unavailable
from podium.jobs.client import Client, ServiceFailed
from podium.jobs.http import IDEMPOTENCY_KEY, Progress, Request, Status, begin, follow, send
from podium.jobs.polling import confirmed
from podium.jobs.port import Job, JobFailed
from podium.runs.events import Json
from podium.runs.machine import DETACHED
from podium.stores.artifacts import Artifacts

ACCEPT_SECONDS = 300.0  # some services answer only when they have done it
OUTPUT_SECONDS = 5.0
RECORD_SECONDS = 2.0  # that a job waits for its record to be written, before it is left to the end of the run
UNRECORDED = "unrecorded"  # in the result of a job whose record is


@dataclass(frozen=True, slots=True)
class Work:
    """A job of a playbook."""

    job: Job

    @property
    def kind(self) -> Title:
        return TITLES[self.title]

    @property
    def title(self) -> str:
        return str(self.job.call["title"])

    @property
    def organisation(self) -> str:
        return str(self.job.document["diastema"]["organisation"])

    @property
    def analysis(self) -> str:
        return str(self.job.document["diastema"]["analysis"])

    @property
    def posted_id(self) -> str:
        """Of the analysis."""
        return str(self.job.document["diastema"]["analysis-id"])

    @property
    def id(self) -> str:
        return text(self.job.call["id"])

    @property
    def output(self) -> str:
        return f"{self.organisation}/analysis-{self.analysis}/{self.kind.folder}-{text(self.job.call['step'])}"

    @property
    def column(self) -> str:
        column = self.job.call.get("column")
        return "" if column is None else text(column)

    @property
    def before(self) -> list[Mapping[str, Any]]:
        """The results of the jobs that it takes data from, in its order."""
        return [cast("Mapping[str, Any]", self.job.inputs[name]) for name in inputs_of(self.job.call)]

    @property
    def inputs(self) -> list[str]:
        return [result["path"] for result in self.before]

    def result(self, **more: Json) -> Json:
        """What the jobs behind it and the end need to know of it."""
        known = {"id": self.id, "step": self.job.call["step"], "title": self.title, "column": self.column}
        return {**known, **more}


class Services:
    """Has services do what they are told.

    Args:
        turns: of jobs at services; whatever is asked by a job's id is asked in its turn.
    """

    def __init__(self, client: Client, places: Places, turns: Turns, *, pause: float) -> None:
        self._client = client
        self._places = places
        self.turns = turns
        self._pause = pause

    def check(self, which: Which) -> None:
        """Raises: DocumentRefused."""
        self._places.check(which)

    async def done(self, job: Job, which: Which, name: str, id_: str, body: Json) -> dict[str, Any]:
        """What the service says when it has done it; asked in the job's turn. Raises: JobFailed."""
        base = await self._places.url(which)
        url = f"{base}/{name}/progress?id={quote(id_, safe='')}"
        progress = Progress(url=url, pause=self._pause)
        if not (self.turns.knows(job, name, id_) and await self._answers(progress)):
            await self.turns.telling(job, name, id_)
            await self.told(job, which, name, body)
            await self.turns.told(job, name, id_)
        try:
            with _for_good():
                said = await follow(self._client, progress, Status(), note=job.note)
        except asyncio.CancelledError as error:
            if error.args != (DETACHED,):  # it may hang, and would for whoever asked on
                await self.turns.untold(name, id_)
            raise
        return said if isinstance(said, dict) else {}

    async def told(self, job: Job, which: Which, name: str, body: Json) -> None:
        """Raises: JobFailed."""
        request = Request(url=f"{await self._places.url(which)}/{name}", body=body, answer_within=ACCEPT_SECONDS)
        with _for_good():
            await begin(self._client, request, Status(), {IDEMPOTENCY_KEY: job.key}, note=job.note)

    async def read(self, which: Which, name: str) -> Json:
        """Raises: JobFailed."""
        request = Request(method="GET", url=f"{await self._places.url(which)}/{name}")
        return (await send(self._client, request)).json()

    async def _answers(self, progress: Progress) -> bool:
        """Whether the service knows of the job, as far as it can be asked."""
        try:
            await send(self._client, progress)
        except ServiceFailed as error:
            return error.status is None or error.status >= 500
        return True


@contextmanager
def _for_good() -> Iterator[None]:
    """A service that says that it failed has looked at the data, and would say so again."""
    try:
        yield
    except ServiceFailed:
        raise
    except JobFailed as error:
        raise JobFailed(error.reason, final=True) from None


@dataclass(frozen=True, slots=True)
class Tools:
    """What kinds of job are given.

    Args:
        output_seconds: within which output must be there when a service says that it is complete; 0: it is not looked.
        writes_here: who has been seen to write into the artifact store; False: who was waited for in vain.
    """

    services: Services
    artifacts: Artifacts
    records: Records
    front: FrontEnd
    output_seconds: float = OUTPUT_SECONDS
    writes_here: dict[str, bool] = field(default_factory=dict)

    async def make_folder(self, job: Job, path: str) -> None:
        await patiently(job.note, lambda: self.artifacts.make_folder(path))

    async def written(self, job: Job, service: str, id_: str, path: str, *, by: str | None = None) -> None:
        """Until there is something at `path`, which need not be when the service says so.

        A service that never wrote here may write elsewhere: it is waited for once, and then gone on without. The same
        goes for each program, `by` its name, of a service that runs several.

        Raises: JobFailed.
        """
        writer = by or service
        if not self.output_seconds or self.writes_here.get(writer) is False:
            return
        if await patiently(job.note, lambda: self._is_there(path)):
            self.writes_here[writer] = True
            return
        missing = f"{writer} is complete, and {self.output_seconds:g} s later there is nothing in {path}/"
        if not self.writes_here.setdefault(writer, False):  # a neighbour may have seen it write meanwhile
            job.note(f"{missing}; going on, and not waiting for what it writes any more")
            return
        await self.services.turns.untold(service, id_)  # the next attempt tells it again
        raise JobFailed(missing)

    async def finish(self, work: Work, path: str = "", **more: Json) -> Json:
        """Write down that a job is done, tell, and give its result."""
        if path:
            more["path"] = path
        if work.kind.record and not await self._recorded(work, path):
            more[UNRECORDED] = True
        if work.kind.told:
            text = f"{work.kind.told} for the analysis with ID: {work.analysis}"
            await self.front.update(work.job.run, work.job.node, text)
        return work.result(**more)

    async def _is_there(self, path: str) -> bool:
        looked = False

        async def look() -> bool:
            nonlocal looked
            found = await self.artifacts.list(path)
            looked = True
            return bool(found)

        if await confirmed(look, within=self.output_seconds):
            return True
        if not looked:
            raise Unavailable("the artifact store does not answer in time", where=path)
        return False

    async def _recorded(self, work: Work, path: str) -> bool:
        """No job is kept waiting by a store that only people read; what is missing is written at the end."""
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                await self.records.job(work.organisation, work.posted_id, path, work.kind.record, work.job.call)
        except (TimeoutError, Unavailable) as error:
            reason = str(error) or "the records do not answer in time"
            work.job.note(f"its record is written when the run ends: {reason}")
            return False
        return True
