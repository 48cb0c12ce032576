"""What the broker remembers of the conversation about models: who asked for what, who was ready, what was answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from google.protobuf.message import DecodeError

from podium.backplane.port import Model
from podium.bus.port import Message, RemembersLifecycle
from podium.dialects.dots.inventory import End, Instance, Simulation, pod_name
from podium.sdk import lifecycle_pb2 as pb

log = structlog.get_logger()


@dataclass(slots=True)
class Conversation:
    """Simulations by id, models by simulation and id.

    Args:
        announced: said to be ready since they were last asked for.
    """

    requests: dict[str, pb.DeployModels] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    ready: set[tuple[str, str]] = field(default_factory=set)
    announced: set[str] = field(default_factory=set)
    ends: dict[tuple[str, str], End] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    @classmethod
    async def recall(cls, memory: RemembersLifecycle, simulator: str) -> Conversation:
        """Raises: Unavailable."""
        patterns = (f"/lifecycle/{simulator}/mso/#", "/lifecycle/model/mso/#", f"/lifecycle/mso/{simulator}/#")
        messages = [message for pattern in patterns async for message in memory.recall(pattern)]
        return cls.of(sorted(messages, key=lambda message: message.sequence))

    @classmethod
    def of(cls, messages: Iterable[Message]) -> Conversation:
        said = cls()
        for message in messages:
            try:
                said._add(message)
            except DecodeError:
                continue  # it was counted when it was heard
        return said

    def _add(self, message: Message) -> None:
        match message.topic.split("/")[4:]:
            case [simulation, "DeployModels"]:
                self.requests[simulation] = pb.DeployModels.FromString(message.payload)
                self.announced.discard(simulation)
            case [simulation, "RemoveModels"]:
                self.removed.add(simulation)
            case [simulation, model, "ReadyForProcessing"]:
                self.ready.add((simulation, model))
            case [simulation, "ModelsReady"]:
                self.announced.add(simulation)
            case [simulation, model, "ModelHasTerminated"]:
                self.ends[simulation, model] = End.parse(message.payload)
            case [simulation, "AllModelsHaveTerminated"]:
                self.over.add(simulation)


def inventory_of(simulator: str, models: Iterable[Model], said: Conversation | None) -> dict[str, Simulation]:
    """The simulations of an earlier orchestrator: what the backplane has of them, and what was said of the rest.

    Without a memory they count as announced: who simulates already may not be told so again.
    """
    found: dict[str, Simulation] = {}
    for there in models:
        id_, model_id = there.labels.get("simulation_id"), there.labels.get("model_id")
        if id_ is None or model_id is None:
            log.warning("mso.model_without_labels", model=there.name)
            continue
        end = End.of(there) if there.state.ended else None
        simulation = found.setdefault(id_, Simulation(id_, announced=said is None))
        simulation.models[model_id] = Instance(model_id, there.name, placed=True, end=end)
    for (id_, model_id), end in said.ends.items() if said else ():
        simulation = found.setdefault(id_, Simulation(id_))
        simulation.models.setdefault(model_id, Instance(model_id, pod_name(simulator, id_, model_id), end=end))
    return found
