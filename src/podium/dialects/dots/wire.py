"""The messages of the field in bytes: what is said to models and the MSO.

Version 1 is what the field speaks; what Podium adds has new fields and keys only, which others pass over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from podium.sdk import lifecycle_pb2 as pb

VERSIONS = (1, 2)


def deploy_models(
    simulator: str, models: Iterable[tuple[str, str, Mapping[str, str]]], keep_logs_hours: float
) -> bytes:
    """`models`: the id, the image and the environment of each."""
    message = pb.DeployModels(simulatorId=simulator, keepLogsHours=keep_logs_hours)
    for model, image, env in models:
        message.modelConfigurations.add(
            modelID=model,
            imageUrl=image,
            environmentVariables=[pb.EnvironmentVariable(name=name, value=value) for name, value in env.items()],
        )
    return message.SerializeToString()


def model_parameters(
    *,
    name: str,
    start: int,
    step_seconds: int,
    steps: int,
    services: Sequence[Mapping[str, Any]],
    esdl_base64: str,
) -> Callable[[Sequence[str]], bytes]:
    """What makes the message for the model in charge of these ESDL ids.

    The ESDL may be megabytes and the models hundreds, so it is written into JSON once, and each message is made when it
    is sent.
    """
    common = json.dumps(
        {
            "simulation_name": name,
            "start_timestamp": start,
            "time_step_seconds": step_seconds,
            "nr_of_time_steps": steps,
            "calculation_services": services,
            "esdl_base64string": esdl_base64,
        },
        ensure_ascii=False,
    )
    versions = json.dumps(VERSIONS)

    def message(esdl_ids: Sequence[str]) -> bytes:
        own = json.dumps(esdl_ids, ensure_ascii=False)
        text = f'{common[:-1]}, "esdl_ids": {own}, "protocol_versions": {versions}}}'
        return pb.ModelParameters(parameters_dict=text).SerializeToString()

    return message


def new_step(number: int, time: int, *, due: Sequence[str] | None = None, lost_esdl_ids: Sequence[str] = ()) -> bytes:
    """A step; `due` (None: all) and `lost_esdl_ids` are for models of version 2, which hear it once for all."""
    step: dict[str, Any] = {"time_step_nr": str(number), "start_time_stamp": time}
    if due is not None:
        step["due"] = list(due)
    if lost_esdl_ids:
        step["lost_esdl_ids"] = list(lost_esdl_ids)
    return pb.NewStep(parameters_dict=json.dumps(step)).SerializeToString()


def step_number(payload: bytes) -> int:
    """The number of a step that we have sent.

    Raises: ValueError, DecodeError.
    """
    step = from_json(pb.NewStep.FromString(payload).parameters_dict)
    if not isinstance(step, dict):
        raise ValueError("not a step")  # noqa: TRY004
    return int(str(step.get("time_step_nr")))


def simulation_done() -> bytes:
    return pb.SimulationDone().SerializeToString()


def remove_models() -> bytes:
    return pb.RemoveModels().SerializeToString()
