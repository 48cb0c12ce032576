"""The room of analyses in the house: its documents, its machine, its kinds of job and its routes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from pydantic import SecretStr

from podium.dialects.diastema import again, kinds, reading, validator
from podium.dialects.diastema.desk import Desk
from podium.dialects.diastema.ending import End
from podium.dialects.diastema.frontend import FrontEnd
from podium.dialects.diastema.ingesting import Ingest, Ingested
from podium.dialects.diastema.keeping import kept
from podium.dialects.diastema.memory import Memory
from podium.dialects.diastema.models import Access, Model
from podium.dialects.diastema.places import Places, Which
from podium.dialects.diastema.reading import ANALYSIS, END, INGESTED, INGESTION, Reader, in_place
from podium.dialects.diastema.records import Records
from podium.dialects.diastema.routes import routes
from podium.dialects.diastema.telling import Telling, of_analysis, of_ingestion
from podium.dialects.diastema.token import Token
from podium.dialects.diastema.trial import Trial
from podium.dialects.diastema.turns import Turns
from podium.dialects.diastema.work import OUTPUT_SECONDS, Services, Tools
from podium.dialects.documents import parsed
from podium.dialects.port import Kept, Kind
from podium.engines.flow.document import FlowDocument
from podium.engines.flow.machine import FlowMachine
from podium.errors import Fault
from podium.faults import refuse
from podium.jobs.client import Client
from podium.jobs.performer import FlowPerformer
from podium.jobs.polling import LONGEST
from podium.jobs.port import JobKind
from podium.runs.conductor import steady_clock
from podium.runs.events import Json, Submission
from podium.runs.secrets import redact_urls
from podium.stores.artifacts import Artifacts
from podium.stores.documents import Documents

LOGS_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Stores:
    """
    Args:
        artifacts: where data is.
        documents: the field's records.
        ours: a store that is in our own database, and may be the same.
        access: what the analytics component is told of them.
    """

    artifacts: Artifacts
    documents: Documents
    ours: Documents
    access: Access


class DiastemaDialect:
    """The orchestrator of playbooks.

    Args:
        key: the token that documents must carry; None: nobody may send any.
        services: where services are, those that are known.
        run_service: starts a service of an image and gives its address.
        check_image: refuses an image that nothing stands for; None: none can be started.
        front_end: who is told; None: nobody.
        pause: the longest between two looks at a service's progress, in seconds.
        output_seconds: within which output must be there when a service says that it is complete; 0: it is not looked.
        job_timeout: of an attempt at a job, in seconds.
        limits: how many jobs of an analysis at once for each service; one that is not named has no limit.
        resolve: puts the values of secrets in place of their names.
        note: keeps a line in the log of a job: run, job, line.
        redact: takes secrets out of what people are shown.
        clock: gives Unix seconds and never goes backwards, as the conductor's does.
    """

    name = "diastema"
    marks = ("analysis-id", "database-id", "jobs", "metadata")

    def __init__(
        self,
        desk: Desk,
        stores: Stores,
        *,
        key: SecretStr | None,
        services: Mapping[Which, str],
        run_service: Callable[[str], Awaitable[str]],
        check_image: Callable[[str], None] | None = None,
        front_end: str | None = None,
        pause: float = LONGEST,
        output_seconds: float = OUTPUT_SECONDS,
        job_timeout: float = 24 * 3600.0,
        limits: Mapping[str, int] | None = None,
        resolve: Callable[[Any], Any] = lambda value: value,
        note: Callable[[str, str, str], None] = lambda _run, _node, _line: None,
        redact: Callable[[str], str] = redact_urls,
        clock: Callable[[], float] | None = None,
    ) -> None:
        clock = clock or steady_clock()
        self._desk = desk
        self._stores = stores
        self._client = Client()
        self._expects_requests = bool(services)
        self._warming: asyncio.Task[None] | None = None
        self._token = Token(key)
        self._reader = Reader(job_timeout, limits)
        self._records = Records(stores.documents)
        places, memory = Places(services, run_service, check_image), Memory(stores.ours)
        self._front = FrontEnd(self._client, front_end, memory)
        tools = Tools(
            services=Services(self._client, places, Turns(stores.ours, desk.has_ended), pause=pause),
            artifacts=stores.artifacts,
            records=self._records,
            front=self._front,
            output_seconds=output_seconds,
        )
        self._trial = Trial(self._client, places)
        model = Model(tools, places, stores.access)
        jobs: dict[str, JobKind] = {
            "diastema.dataset": kinds.Dataset(),
            "diastema.cleaning": kinds.ByService(tools, "services", "data-cleaning", kinds.cleaning),
            "diastema.data-join": kinds.ByService(tools, "services", "join", kinds.join),
            "diastema.function": kinds.ByService(tools, "functions", "function", kinds.function),
            "diastema.classification": model,
            "diastema.regression": model,
            "diastema.clustering": model,
            "diastema.visualization": kinds.Visualization(tools),
            "diastema.data-sink": kinds.Sink(tools),
        }
        jobs = {name: Telling(kind, self._front, of_analysis, redact) for name, kind in jobs.items()}
        jobs |= {
            END: End(tools, memory, desk, clock),
            INGESTION: Telling(Ingest(tools), self._front, of_ingestion, redact),
            INGESTED: Ingested(tools, memory),
        }
        self._performer = FlowPerformer(jobs, clock, resolve=resolve, note=note, redact=redact)
        machine, performer = FlowMachine(), self._performer
        self._kinds = {
            ANALYSIS: Kind(ANALYSIS, machine, performer, self._check_analysis, again.check_edits_of_analysis),
            INGESTION: Kind(INGESTION, machine, performer, self._check_ingestion, again.check_edits_of_ingestion),
        }

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return self._kinds

    @property
    def dropped(self) -> Mapping[str, int]:
        """What came to nothing, by reason."""
        return {"message the front end did not take": self._front.lost} if self._front.lost else {}

    def recognises(self, filename: str, content: bytes) -> bool:  # noqa: ARG002  # by content alone
        return reading.recognises(content)

    async def read(self, content: bytes, *, filename: str = "") -> Submission:  # noqa: ARG002  # it refers to no file
        """The run that a playbook or an ingestion asks for; its token is not looked at: the caller is known."""
        submission = await asyncio.to_thread(self._reader.read, content)
        self._check(submission)
        return submission

    async def advice(self, content: bytes) -> list[Fault]:
        """What could be better, as the platform's validator sees it. Raises: DocumentRefused, where it refuses."""
        given = await asyncio.to_thread(parsed, content)
        if "ingestion_json" in given:
            return []
        verdict = await validator.check(given, self._records.features)
        refuse(verdict.faults)
        return list(verdict.advice)

    def kept(self, result: Json) -> Sequence[Kept]:
        """What a job has left in the artifact store."""
        return kept(result)

    def keeps_logs_seconds(self, document: Mapping[str, Any]) -> float:  # noqa: ARG002
        return LOGS_SECONDS

    def routes(self, guard: Callable[..., Any]) -> APIRouter:
        return routes(self._desk, self._reader, self._check, self._records, self._trial, self._token, guard)

    async def start(self) -> None:
        """Nothing comes by itself: services are asked. Where they are known already, they will be."""
        if self._expects_requests:
            self._warming = asyncio.create_task(self._client.warm(), name="services")

    async def close(self) -> None:
        if self._warming is not None:
            await self._warming
        await self._front.close()
        await self._client.close()
        await self._stores.documents.close()
        await self._stores.ours.close()

    def _check(self, submission: Submission) -> None:
        self._check_document(submission.document)

    def _check_analysis(self, document: Mapping[str, Any]) -> None:
        again.check_analysis(document)
        self._check_document(document)

    def _check_ingestion(self, document: Mapping[str, Any]) -> None:
        again.check_ingestion(document)
        self._check_document(document)

    def _check_document(self, document: Mapping[str, Any]) -> None:
        """Raises: DocumentRefused, when it is known already that a job of it cannot be performed here."""
        refuse(in_place(self._performer.faults(FlowDocument.model_validate(document["flow"])), document))
