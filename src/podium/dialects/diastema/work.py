"""One job in the field's words, and what all kinds of job have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from podium.dialects.diastema.frontend import FrontEnd
from podium.dialects.diastema.memory import Memory
from podium.dialects.diastema.places import Places, Which
from podium.dialects.diastema.playbook import text
from podium.dialects.diastema.reading import inputs_of
from podium.dialects.diastema.records import Records
from podium.dialects.diastema.titles import TITLES, Title
from podium.jobs.client import Client, ServiceFailed
from podium.jobs.http import IDEMPOTENCY_KEY, Progress, Request, Status, follow, send, start
from podium.jobs.port import Job, JobFailed
from podium.runs.events import Json
from podium.stores.artifacts import Artifacts

ACCEPT_SECONDS = 300.0  # some services answer only when they have done it


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
    """Has services do what they are told."""

    def __init__(self, client: Client, places: Places, memory: Memory, *, pause: float) -> None:
        self._client = client
        self._places = places
        self._memory = memory
        self._pause = pause

    def check(self, which: Which) -> None:
        """Raises: DocumentRefused."""
        self._places.check(which)

    async def done(self, job: Job, which: Which, name: str, id_: str, body: Json) -> dict[str, Any]:
        """What the service says when it has done it. Raises: JobFailed."""
        base = await self._places.url(which)
        url = f"{base}/{name}/progress?id={quote(id_, safe='')}"
        progress = Progress(url=url, pause=self._pause)
        if not (await self._memory.knows(job, name) and await self._answers(progress)):
            await self.told(job, which, name, body)
            await self._memory.told(job, name)
        try:
            said = await follow(self._client, progress, Status(), note=job.note)
        except ServiceFailed:
            raise
        except JobFailed as error:
            raise JobFailed(error.reason, final=True) from None  # it looked at the data, and would do so again
        return said if isinstance(said, dict) else {}

    async def told(self, job: Job, which: Which, name: str, body: Json) -> None:
        """Raises: JobFailed."""
        request = Request(url=f"{await self._places.url(which)}/{name}", body=body, answer_within=ACCEPT_SECONDS)
        await start(self._client, request, {IDEMPOTENCY_KEY: job.key}, note=job.note)

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


@dataclass(frozen=True, slots=True)
class Tools:
    """What kinds of job are given."""

    services: Services
    artifacts: Artifacts
    records: Records
    front: FrontEnd

    async def finish(self, work: Work, path: str) -> None:
        """Write down that a job is done, and tell."""
        if work.kind.record:
            await self.records.job(work.organisation, work.analysis, path, work.kind.record, work.job.call)
        if work.kind.told:
            await self.front.update(work.job.run, f"{work.kind.told} for the analysis with ID: {work.analysis}")
