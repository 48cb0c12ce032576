"""Jobs that train models: the analytics component does it, after AutoML has chosen how where it is asked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from podium.dialects.diastema.patience import patiently
from podium.dialects.diastema.places import Places
from podium.dialects.diastema.playbook import LONGEST_WORD
from podium.dialects.diastema.titles import DEFAULT_ALGORITHM, chosen, short_name
from podium.dialects.diastema.work import Tools, Work
from podium.jobs.analytics import submit
from podium.jobs.port import Job, JobFailed
from podium.runs.events import Json

ANALYTICS: Final = "analytics"
AUTOML: Final = "automl"
_PATHS = {
    "classification": "local:///app/src/ClassificationJob.py",
    "regression": "local:///app/src/RegressionJob.py",
    "clustering": "local:///app/src/ClusteringJob.py",
}
_FAILED = ("error", "fail")  # how a component begins that says it did not succeed
_DONE = "_SUCCESS"  # what Spark leaves behind its output


@dataclass(frozen=True, slots=True)
class Access:
    """What the component is told of the cluster and of the stores; a store that is a directory has no host.

    Args:
        artifacts: where they are, for a component that finds no S3.
        parameters: tell it the parameters, which it cannot read anywhere.
    """

    master_host: str
    master_port: str
    minio_host: str = ""
    minio_port: str = ""
    minio_user: str = ""
    minio_pass: str = field(default="", repr=False)
    mongo_host: str = ""
    mongo_port: str = ""
    artifacts: str | None = None
    parameters: bool = False

    def message(self) -> dict[str, Json]:
        return {
            "master-host": self.master_host,
            "master-port": self.master_port,
            "app-name": "diastema-job",
            "minio-host": self.minio_host,
            "minio-port": self.minio_port,
            "minio-user": self.minio_user,
            "minio-pass": self.minio_pass,
            "mongo-host": self.mongo_host,
            "mongo-port": self.mongo_port,
        }


class Model:
    """Trains a model of one title."""

    def __init__(self, tools: Tools, places: Places, access: Access) -> None:
        self._tools = tools
        self._places = places
        self._access = access

    def check(self, call: Mapping[str, Any]) -> None:
        self._places.check(ANALYTICS)
        if call.get("automl"):
            self._tools.services.check(AUTOML)

    async def perform(self, job: Job) -> Json:
        work = Work(job)
        parameters = dict(job.call.get("params") or {})
        algorithm = chosen(work.title, job.call.get("algorithm"))
        if job.call.get("automl"):
            algorithm, parameters = await self._best(work, algorithm, parameters)
        algorithm = algorithm or DEFAULT_ALGORITHM[work.title]
        async with self._tools.services.turns.of(job, ANALYTICS, work.id):
            await patiently(job.note, lambda: self._tools.records.parameters(work.id, parameters))
            await self._tools.make_folder(job, work.output)
            await self._train(work, algorithm, parameters)
            await self._tools.written(job, ANALYTICS, work.id, work.output, by=f"the {work.title} of {ANALYTICS}")
            await self._remove(job, f"{work.output}/{_DONE}")
        return await self._tools.finish(work, work.output, algorithm=algorithm)

    async def _remove(self, job: Job, path: str) -> None:
        await patiently(job.note, lambda: self._tools.artifacts.remove(path))

    async def _best(
        self, work: Work, algorithm: str | None, parameters: Mapping[str, Any]
    ) -> tuple[str | None, dict[str, Any]]:
        """What AutoML makes of algorithm and parameters."""
        body = {
            "minio-input": work.inputs[0],
            "ml-task": work.title,
            "job-id": work.id,
            "column": work.column,
            "parameters": {**parameters, **({"algorithm": algorithm} if algorithm else {})},
        }
        services = self._tools.services
        async with services.turns.of(work.job, AUTOML, work.id):
            said = await services.done(work.job, AUTOML, AUTOML, work.id, body)
            results = said.get("results")
            if not isinstance(results, dict):
                raise JobFailed("AutoML is complete and gives no results", final=True)
            if len(str(results.get("algorithm")).encode()) > LONGEST_WORD:
                raise JobFailed(f"AutoML names an algorithm of more than {LONGEST_WORD} bytes", final=True)
        parameters = {key: value for key, value in results.items() if key != "algorithm"}
        found = results.get("algorithm")
        return (short_name(work.title, found) if isinstance(found, str) else algorithm), parameters

    async def _train(self, work: Work, algorithm: str, parameters: Mapping[str, Any]) -> None:
        job, turns = work.job, self._tools.services.turns
        finished = f"{work.output}/{_DONE}"
        if turns.knows(job, ANALYTICS, work.id):
            found = await patiently(job.note, lambda: self._tools.artifacts.list(work.output))
            if finished in found:
                return  # it came to its end while nobody listened
        message = {
            **self._access.message(),
            "path": _PATHS[work.title],
            "algorithm": algorithm,
            "minio-input": work.inputs[0],
            "minio-output": work.output,
            "column": work.column,
            "job-id": work.id,
            "analysis-id": work.analysis,
        }
        if self._access.artifacts is not None:
            message["artifacts"] = self._access.artifacts
        if self._access.parameters:
            message["params"] = dict(parameters)
        await self._remove(job, finished)
        await turns.told(job, ANALYTICS, work.id)
        place = (await self._places.url(ANALYTICS)).partition("://")[2]
        said = await submit(f"tcp://{place}", message)
        job.note(f"the analytics component says: {said}")
        if said.lower().startswith(_FAILED):
            raise JobFailed(said, final=True)
