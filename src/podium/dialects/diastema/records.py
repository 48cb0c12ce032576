"""What is written down of an analysis for the field's other programs, where they look for it.

Whatever is done again replaces what was there: a record is known by the step of its job. Names are given as they were
posted. So they stand in the rows of the platform's own database, which its other programs make and look for; in lower
case, as in buckets, they name databases and collections.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any

from podium.dialects.diastema.playbook import text
from podium.runs.events import Json
from podium.stores.documents import Documents

PLATFORM, PIPELINES, DATASETS = "UIDB", "pipelines", "datasets"
TOOLKIT = ("Diastema", "datatoolkit")
METADATA = {"kind": "metadata"}


class Records:
    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    async def job(self, organisation: str, analysis: str, path: str, kind: str, job: Mapping[str, Any]) -> None:
        record = {"minio-path": path, "directory-kind": kind, "job-json": dict(job), "analysis-id": text(analysis)}
        await self.documents.put(*_of_analysis(organisation, analysis), _of(job["step"]), record)

    async def parameters(self, job: str, given: Mapping[str, Any]) -> None:
        """What an analytics job reads there: nothing of an earlier one of its id, where it has none itself."""
        if given:
            await self.documents.put(*TOOLKIT, {"job-id": job}, {**given, "job-id": job})
        else:
            await self.documents.remove(*TOOLKIT, {"job-id": job})

    async def plots(self, analysis: str, label: str, paths: Sequence[str]) -> None:
        await self._pipeline(analysis, {f"visualization.{label}": list(paths)})

    async def completed(self, organisation: str, analysis: str, metadata: Json, milliseconds: int) -> None:
        where = _of_analysis(organisation, analysis)
        await self.documents.put(*where, METADATA, {**METADATA, "metadata": metadata})
        await self._pipeline(analysis, {"status": "completed", "performance.analysis-exec-speed": milliseconds})

    async def ended(self, organisation: str, analysis: str, status: str) -> None:
        """It came to another end."""
        await self.documents.remove(*_of_analysis(organisation, analysis), METADATA)
        await self._pipeline(analysis, {"status": status})

    async def keep_only(self, organisation: str, analysis: str, steps: Sequence[Any], labels: Collection[str]) -> None:
        """Drop what an earlier run of this analysis left behind."""
        keys = [_of(step) for step in steps]
        await self.documents.keep_only(*_of_analysis(organisation, analysis), "job-json", keys)
        for pipeline in await self.documents.find(PLATFORM, PIPELINES, {"analysisid": analysis}):
            shown = pipeline.get("visualization")
            if isinstance(shown, dict) and not shown.keys() <= set(labels):
                left = {label: paths for label, paths in shown.items() if label in labels}
                await self._pipeline(analysis, {"visualization": left})

    async def ingested(self, organisation: str, user: str, label: str, features: Json) -> None:
        key = {"organization": organisation, "user": user, "label": label}
        await self.documents.change(PLATFORM, DATASETS, key, {"features": features})

    async def features(self, organisation: str, label: str) -> list[str] | None:
        """The columns of a dataset, which may have been ingested in lower case; None, when nothing is known of it."""
        for owner, name in product(_spelt(organisation), _spelt(label)):
            found = await self.documents.find(PLATFORM, DATASETS, {"organization": owner, "label": name})
            known = [one["features"] for one in found if isinstance(one.get("features"), list)]
            if known:
                return [_column(feature) for feature in known[-1]]
        return None

    async def _pipeline(self, analysis: str, values: Mapping[str, Json]) -> None:
        await self.documents.change(PLATFORM, PIPELINES, {"analysisid": analysis}, values)


def _of_analysis(organisation: str, analysis: str) -> tuple[str, str]:
    return text(organisation), f"analysis_{text(analysis)}"


def _spelt(name: str) -> list[str]:
    return [*dict.fromkeys((name, text(name)))]


def _of(step: Any) -> dict[str, Any]:
    return {"job-json.step": step}


def _column(feature: Json) -> str:
    return str(feature.get("name", "")) if isinstance(feature, dict) else str(feature)
