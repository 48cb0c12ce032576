"""Kind `container`: a model that is run once, on whatever backplane there is.

    {"image": "forecast:2", "env": {"REGION": "north"}}

It reads `{"inputs": {job: result}, "item": ...}` from the file named by PODIUM_INPUTS, and may write its result, as
JSON, to the one named by PODIUM_RESULT. Exit code 0 is success. It lives on when Podium does not, and is found again
by its name, which is made of the job's key.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import structlog
from pydantic import Field

from podium.backplane.folder import clear
from podium.backplane.port import Backplane, Model, ModelSpec, ModelState
from podium.backplane.supervisor import with_last_lines
from podium.errors import Unavailable
from podium.jobs.calls import Call, check, read
from podium.jobs.models import Endings, model_name
from podium.jobs.port import RESULT_BYTES, Job, JobFailed
from podium.runs import failpoints
from podium.runs.events import Json
from podium.runs.machine import DETACHED

log = structlog.get_logger()

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe that a model put there must not stop us

OF_RUN, OF_JOB, OURS = (
    "simulation_id",
    "model_id",
    "podium.job",
)  # the first two are the field's, by which logs are found


class ContainerCall(Call):
    image: str = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict)
    keep_logs_seconds: float = Field(default=24 * 3600.0, ge=0)


class Container:
    """Args:
    directory: where inputs and results lie until their run has ended; models must be able to reach it.
    """

    def __init__(self, backplane: Backplane, directory: Path) -> None:
        self._backplane = backplane
        self._directory = directory.resolve()
        self._endings = Endings(backplane)

    async def close(self) -> None:
        """Watch no more; the models live on."""
        await self._endings.close()

    async def sweep(self, active: Collection[str]) -> None:
        """Remove what is left of runs that ended while nobody looked."""
        for model in await self._backplane.list({OURS: "yes"}):
            if model.labels[OF_RUN] not in active and not model.state.ended:
                await self._backplane.remove(model.name)
        kept = {self._folder(run) for run in active}
        for folder in await asyncio.to_thread(lambda: [*self._directory.glob("*")]):
            if folder not in kept:
                await asyncio.to_thread(_cleared, folder)

    async def released(self, run: str) -> None:
        await asyncio.to_thread(_cleared, self._folder(run))

    def check(self, call: Mapping[str, Any]) -> None:
        check(ContainerCall, call)
        if isinstance(call["image"], str):
            self._backplane.check(call["image"])

    async def perform(self, job: Job) -> Json:
        call = read(ContainerCall, job.call)
        name = model_name(job.run, job.node, str(job.attempt))
        folder = self._folder(job.run) / name
        inputs, result = folder / "inputs.json", folder / "result.json"
        await asyncio.to_thread(_write, inputs, {"inputs": dict(job.inputs), "item": job.item})
        spec = ModelSpec(
            name=name,
            image=call.image,
            env={**call.env, "PODIUM_INPUTS": str(inputs), "PODIUM_RESULT": str(result)},
            labels={OF_RUN: job.run, OF_JOB: job.node, OURS: "yes"},
            keep_logs_seconds=call.keep_logs_seconds,
        )
        try:
            model = await self._ended(spec)
        except asyncio.CancelledError as error:
            if error.args != (DETACHED,):
                await self._backplane.remove(name)
            raise
        if model.state is not ModelState.TERMINATED_SUCCESSFULL:
            raise JobFailed(with_last_lines(model.reason or "it ended badly", model.last_lines))
        return await asyncio.to_thread(_read, result)

    async def _ended(self, spec: ModelSpec) -> Model:
        with self._endings.of(spec.name) as end:
            model = await self._backplane.deploy(spec)  # or the one that an earlier Podium deployed
            return model if model.state.ended else await end

    def _folder(self, run: str) -> Path:
        return self._directory / model_name(run)


def _write(file: Path, content: Json) -> None:
    """Unless it is there: then it is whole, and a model may be reading it."""
    beside = file.with_suffix(".part")
    try:
        if file.exists():
            return
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(content), encoding="utf-8")
        failpoints.hit("container.before_inputs")
        beside.rename(file)
    except OSError as error:
        raise Unavailable(f"its inputs cannot be written: {error.strerror}") from error
    failpoints.hit("container.after_inputs")


def _read(file: Path) -> Json:
    """Raises: JobFailed."""
    try:
        with open(file, "rb", opener=lambda path, _: os.open(path, _READ)) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise JobFailed("it is done, but its result is no file", final=True)
            content = opened.read(RESULT_BYTES + 1)
        if len(content) > RESULT_BYTES:
            problem = f"it is done, but its result has more than {RESULT_BYTES} bytes"
            raise JobFailed(f"{problem}: put data into the artifacts", final=True)
        return json.loads(content) if content.strip() else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise JobFailed(f"it is done, but its result cannot be read: {error}", final=True) from None


def _cleared(folder: Path) -> None:
    try:
        clear(folder)
    except FileNotFoundError:
        pass  # it had no jobs of this kind
    except OSError as error:
        log.warning("container.folder_left", folder=str(folder), error=str(error))
