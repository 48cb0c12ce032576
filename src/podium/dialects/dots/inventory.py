"""What the model services orchestrator knows of each simulation's models: CREATED, RUNNING once ready, TERMINATED_*."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from podium.backplane.port import Model, ModelSpec, ModelState
from podium.dialects.dots.names import uncarried
from podium.sdk import lifecycle_pb2 as pb

KEEP_LOGS_HOURS = 24.0  # where the request makes no sense


@dataclass(frozen=True, slots=True)
class End:
    """How a model ended. `exit_code` 0 of a failed one means that there was none."""

    success: bool
    exit_code: int = 0
    reason: str = ""
    last_lines: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: Model) -> End:
        if model.state == ModelState.TERMINATED_SUCCESSFULL:
            return cls(success=True)
        code = 128 + model.signal if model.signal is not None else model.exit_code or 0
        return cls(False, code, model.reason or "it failed", model.last_lines)

    @classmethod
    def parse(cls, payload: bytes) -> End:
        """Raises: DecodeError."""
        said = pb.ModelHasTerminated.FromString(payload)
        return cls(said.status == pb.SUCCESSFULL, said.exitCode, said.reason, tuple(said.last_lines))

    def serialize(self) -> bytes:
        return pb.ModelHasTerminated(
            status=pb.SUCCESSFULL if self.success else pb.FAILED,
            exitCode=self.exit_code,
            reason=self.reason,
            last_lines=self.last_lines,
        ).SerializeToString()


@dataclass(slots=True)
class Instance:
    """One model.

    Args:
        name: what the backplane calls it.
        placed: the backplane has it.
        unanswered: pings since its last pong; None while it never sent one.
        complaints: what its last pong said.
    """

    id: str
    name: str
    placed: bool = False
    ready: bool = False
    end: End | None = None
    unanswered: int | None = None
    complaints: tuple[str, ...] = ()

    @property
    def state(self) -> ModelState:
        if self.end is not None:
            return ModelState.TERMINATED_SUCCESSFULL if self.end.success else ModelState.TERMINATED_FAILED
        return ModelState.RUNNING if self.ready else ModelState.CREATED


@dataclass(slots=True)
class Simulation:
    """The models of one simulation.

    Args:
        announced: ModelsReady needs not be said (again).
        doomed: why its models are being ended, if they are.
    """

    id: str
    models: dict[str, Instance] = field(default_factory=dict)
    announced: bool = False
    doomed: str = ""

    def living(self) -> Iterator[Instance]:
        return (model for model in self.models.values() if model.end is None)

    @property
    def ready(self) -> bool:
        """Whether all that still live are ready, and one at least does."""
        waiting = [not model.ready for model in self.living()]
        return bool(waiting) and not any(waiting) and not self.doomed

    @property
    def over(self) -> bool:
        return next(self.living(), None) is None


def pod_name(simulator: str, simulation: str, model: str) -> str:
    return f"{simulator}-{simulation}-{model}".lower()


def refused(simulation: str, request: pb.DeployModels) -> Simulation | None:
    """A simulation of which nothing is started because its models cannot be called so; None where they can.

    What no topic can carry of an id is `_` in the answer.
    """
    ids = [model.modelID for model in request.modelConfigurations]
    fault = _naming_fault(ids)
    if not fault:
        return None
    carried = ("".join("_" if uncarried(each) else each for each in id_) or "_" for id_ in ids)
    end = End(False, reason=f"the request was refused: {fault}")
    return Simulation(simulation, {id_: Instance(id_, "", end=end) for id_ in carried})


def _naming_fault(ids: Sequence[str]) -> str:
    for id_ in ids:
        if bad := uncarried(id_):
            return f"no topic can carry {bad} in the model id {id_!r}"
    twice = next((id_ for id_, count in Counter(ids).items() if count > 1), None)
    if twice is not None:
        return f"more than one model has the id {twice!r}"
    return "" if ids and all(ids) else "a model has no id" if ids else "no models are asked for"


def _keep_logs_hours(request: pb.DeployModels) -> float:
    hours = request.keepLogsHours
    return hours if math.isfinite(hours) and hours >= 0 else KEEP_LOGS_HOURS


def specification(simulator: str, simulation: str, model: pb.ModelConfiguration, request: pb.DeployModels) -> ModelSpec:
    """What the backplane is asked for."""
    keep_logs_hours = _keep_logs_hours(request)
    return ModelSpec(
        name=pod_name(simulator, simulation, model.modelID),
        image=model.imageUrl,
        env={variable.name: variable.value for variable in model.environmentVariables},
        labels={
            "simulator_id": simulator,
            "simulation_id": simulation,
            "model_id": model.modelID,
            "keep_logs_hours": f"{keep_logs_hours:g}",
        },
        keep_logs_seconds=keep_logs_hours * 3600,
    )
