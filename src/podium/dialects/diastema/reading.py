"""From the bytes of a document to the run it asks for. Plain functions that take their time: called in a thread."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from podium.dialects.diastema import ingestion, structure
from podium.dialects.diastema.playbook import Step, read, text
from podium.dialects.documents import parsed
from podium.engines.flow.document import FlowDocument, JobDocument, Retry
from podium.errors import Fault
from podium.faults import in_order, refuse
from podium.runs.events import Submission

ANALYSIS, INGESTION = "diastema.analysis", "diastema.ingestion"
TOKEN = "diastema-token"  # noqa: S105  # the name of the key
END = "diastema.end"
INGESTED = "diastema.ingested"
INGEST = "ingest"  # the one job of an ingestion
OURS = ("organisation", "analysis")  # keys that a run's document has beside those of the playbook

_RETRY = Retry(attempts=3, delay=1.0, factor=4.0)
_END_RETRY = Retry(attempts=5, delay=1.0, factor=4.0)  # what a run is known by is worth more patience
_KEEPS_BUSY = {
    "cleaning": "services",
    "data-join": "services",
    "data-sink": "services",
    "function": "functions",
    "classification": "analytics",
    "regression": "analytics",
    "clustering": "analytics",
}


def recognises(content: bytes) -> bool:
    """Whether this looks like a playbook or an ingestion."""
    if b'"database-id"' not in content:
        return False
    playbook = b'"jobs"' in content and b'"analysis-id"' in content
    return playbook or b'"ingestion_json"' in content


class Reader:
    """Reads documents.

    Args:
        job_timeout: of each attempt at a job, in seconds.
        limits: how many jobs of an analysis at once for each service; one that is not named has no limit.
    """

    def __init__(self, job_timeout: float, limits: Mapping[str, int] | None = None) -> None:
        self._job_timeout = job_timeout
        self._limits = dict(limits or {})

    def read(self, content: bytes) -> Submission:
        """The run that `content` asks for. Raises: DocumentRefused, with every fault."""
        given = parsed(content)
        return self.ingestion(given) if "ingestion_json" in given else self.analysis(given)

    def analysis(self, given: Mapping[str, Any]) -> Submission:
        """Raises: DocumentRefused."""
        book = read(given)
        refuse(in_order(structure.check(book), given))
        id_ = _run_id(book.analysis)
        flow = FlowDocument(
            jobs={step.name: self._job(step) for step in book.steps.values()},
            services=self._limits,
            last=JobDocument(
                kind=END,
                after=tuple(step.name for step in book.steps.values() if step.kind.record),
                retry=_END_RETRY,
                timeout=self._job_timeout,
            ),
        )
        about = {
            **{key: value for key, value in given.items() if key not in ("jobs", TOKEN)},
            "organisation": book.organisation,
            "analysis": book.analysis,
        }
        return Submission(
            id=id_,
            kind=ANALYSIS,
            name=book.analysis,
            document={"flow": flow.model_dump(mode="json"), "diastema": about},
            lane=f"diastema {book.organisation}/{book.analysis}",
        )

    def ingestion(self, given: Mapping[str, Any]) -> Submission:
        """Raises: DocumentRefused."""
        about, faults = ingestion.read(given)
        refuse(in_order(faults, given))
        id_ = _run_id(about.id)
        source, kept = ingestion.put_away(about.source, id_)
        call = {"id": about.id, "label": about.label, "user": about.user, "ingestion_json": source}
        job = JobDocument(kind=INGESTION, call=call, service="services", retry=_RETRY, timeout=self._job_timeout)
        last = JobDocument(kind=INGESTED, call={"id": about.id}, retry=_END_RETRY, timeout=self._job_timeout)
        flow = FlowDocument(jobs={INGEST: job}, last=last)
        posted = {key: given[key] for key in ("database-id", "dataset-label")}
        return Submission(
            id=id_,
            kind=INGESTION,
            name=f"{about.organisation}/{about.label}",
            document={"flow": flow.model_dump(mode="json"), "diastema": {"organisation": about.organisation, **posted}},
            lane=f"diastema {about.organisation}/datasets/{about.label}",
            secrets=kept,
        )

    def _job(self, step: Step) -> JobDocument:
        return JobDocument(
            kind=f"diastema.{step.title}",
            call=dict(step.raw),
            after=tuple(dict.fromkeys(step.after)),
            service=_KEEPS_BUSY.get(step.title),
            retry=_RETRY,
            timeout=self._job_timeout,
        )


def places(document: Mapping[str, Any]) -> dict[str, str]:
    """Where the jobs of a run's document stand in the playbook that it was made from, by name."""
    return {name: f"jobs[{number}] (step {name})" for number, name in enumerate(document["flow"]["jobs"])}


def in_place(faults: Iterable[Fault], document: Mapping[str, Any]) -> list[Fault]:
    """What the kinds of jobs have against a run's document, in the places of the playbook, each once."""
    is_playbook = "analysis" in document["diastema"]
    place = {f"jobs.{name}.call": f"{where}.title" for name, where in places(document).items() if is_playbook}
    alike: dict[tuple[str, str | None], list[str]] = {}
    for fault in faults:
        alike.setdefault((fault.what, fault.hint), []).append(place.get(fault.where, ""))
    return [
        Fault(first, f"{what} ({len(more)} other jobs need it too)" if more else what, hint)
        for (what, hint), (first, *more) in alike.items()
    ]


def inputs_of(call: Mapping[str, Any]) -> list[str]:
    """The names of the jobs that one takes data from, in its order."""
    given = call["from"]
    named = (text(one) for one in (given if isinstance(given, list) else [given]))
    return [name for name in named if name != "0"]


def _run_id(name: str) -> str:
    kept = re.sub(r"[^a-z0-9-]", "-", name)[:40].strip("-") or "run"
    return f"{kept}-{secrets.token_hex(4)}"
