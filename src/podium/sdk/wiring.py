"""Which objects of which service feed an input: worked out once, when a model gets its parameters."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from podium.sdk.context import Value
from podium.sdk.declaration import Calculation, Connected, Input
from podium.sdk.esdl import EnergySystem, EsdlObject
from podium.sdk.parameters import ModelParameters, ParametersError, ServiceEntry
from podium.sdk.service import CalculationService

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sender:
    """A model that is listened to: the newest step it calculates in, as of the present step and of the one before."""

    model: str
    due: int = 0
    due_before: int = 0


@dataclass(slots=True, eq=False)
class Channel:
    """What one object of one service sends under one name: values by step, None for "nothing calculated yet"."""

    service: str
    esdl_id: str
    output: str
    sender: Sender
    values: dict[int, Value | None] = field(default_factory=dict)
    lost: bool = False

    def newest(self, step: int) -> int:
        """The last step up to `step` that a value is known of; 0: none."""
        return max((number for number in self.values if number <= step), default=0)

    def value(self, step: int) -> Value | None:
        return self.values.get(self.newest(step))

    def forget(self, before: int) -> None:
        for number in [number for number in self.values if number < before]:
            del self.values[number]


@dataclass(frozen=True, slots=True)
class Plug:
    """An input of one object with the channels that feed it."""

    input: Input
    channels: tuple[Channel, ...]


@dataclass(slots=True, eq=False)
class Task:
    """One calculation for one object; `missing` is what the present step still waits for."""

    calculation: Calculation
    object: EsdlObject
    plugs: tuple[Plug, ...]
    missing: set[tuple[Channel, bool]] = field(default_factory=set)


class Wiring:
    """All tasks of a model and the channels they listen to.

    Raises:
        ParametersError: the simulation lacks a service that is needed, or runs this one under another name or type.
    """

    def __init__(self, service: CalculationService, parameters: ModelParameters) -> None:
        self._service = service
        self._services = parameters.services
        self._energy_system = parameters.simulation.energy_system
        self._check_own_entry(parameters)
        self.channels: dict[tuple[str, str, str], Channel] = {}
        self.senders: dict[str, Sender] = {}
        self._objects: dict[str, dict[str, str]] = {}  # of each sending service: id → model
        self.tasks = [
            task for calculation in service.calculations for task in self._tasks(calculation, parameters.objects)
        ]

    def patterns(self, own: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """What to subscribe to, as (service, ESDL id, output); the id is "+" where all objects of a service count."""
        mine = set(own)
        wanted: dict[tuple[str, str], list[str]] = {}
        for service, esdl_id, output in self.channels:
            wanted.setdefault((service, output), []).append(esdl_id)
        for (service, output), ids in wanted.items():
            far = [esdl_id for esdl_id in ids if service != self._service.name or esdl_id not in mine]
            if len(far) > 1 and len(ids) == len(self._objects[service]):
                yield service, "+", output
            else:
                yield from ((service, esdl_id, output) for esdl_id in far)

    def _check_own_entry(self, parameters: ModelParameters) -> None:
        name, esdl_type = self._service.name, self._service.esdl_type
        own = next((entry for entry in self._services if (entry.name, entry.esdl_type) == (name, esdl_type)), None)
        if own is None:
            raise ParametersError(
                f"this is the service '{name}' for {esdl_type}, but the simulation has only {_listed(self._services)}; "
                "use the same calc_service_name and esdl_type in both"
            )
        wanted = parameters.wanted(own)
        if wanted != own:
            raise ParametersError(
                f"the simulation wanted the service {_listed([wanted])} here, and this program is {_listed([own])}; "
                f"see which program stands for the image of '{wanted.name}'"
            )

    def _tasks(self, calculation: Calculation, objects: Sequence[EsdlObject]) -> Iterator[Task]:
        plugs = {needed: self._plugs(calculation, needed, objects) for needed in calculation.inputs}
        for index, thing in enumerate(objects):
            yield Task(calculation, thing, tuple(plugs[needed][index] for needed in calculation.inputs))

    def _plugs(self, calculation: Calculation, needed: Input, objects: Sequence[EsdlObject]) -> list[Plug]:
        sender = self._sender(calculation, needed)
        if sender is None:
            return [Plug(needed, ()) for _ in objects]
        models = self._objects.setdefault(
            sender.name, {thing.id: model for thing, model in sender.models_of(self._energy_system)}
        )
        neighbours = _Neighbours(self._energy_system, sender.esdl_type)
        plugs = [
            Plug(
                needed,
                tuple(self._channel(sender, needed, models, other) for other in neighbours.of(thing, needed.connected)),
            )
            for thing in objects
        ]
        if objects and needed.default is None and not any(plug.channels for plug in plugs):
            log.warning(
                "input '%s' has no source: no %s of '%s' is connected=\"%s\" to any of the %d objects here",
                *(needed.name, sender.esdl_type, sender.name, needed.connected, len(objects)),
            )
        return plugs

    def _sender(self, calculation: Calculation, needed: Input) -> ServiceEntry | None:
        found = [entry for entry in self._services if entry.name == needed.source]
        found = found or [entry for entry in self._services if entry.esdl_type == needed.source]
        where = f"input '{needed.name}' of calculation '{calculation.name}'"
        if len(found) > 1:
            raise ParametersError(
                f"{where}: more than one service computes for {needed.source}, name one: {_listed(found)}"
            )
        if not found:
            if needed.default is not None:
                return None
            raise ParametersError(
                f"{where} comes from '{needed.source}', which is neither a service nor an ESDL type of this simulation "
                f"({_listed(self._services)}); add that service, or give the input a default"
            )
        if found[0].name == self._service.name:
            own = {output.name for each in self._service.calculations for output in each.outputs}
            if needed.output not in own:
                raise ParametersError(
                    f"{where} asks this service itself for '{needed.output}', which is none of its outputs"
                )
        return found[0]

    def _channel(self, entry: ServiceEntry, needed: Input, models: dict[str, str], esdl_id: str) -> Channel:
        key = (entry.name, esdl_id, needed.output)
        if key not in self.channels:
            sender = self.senders.setdefault(models[esdl_id], Sender(models[esdl_id]))
            self.channels[key] = Channel(*key, sender)
        return self.channels[key]


class _Neighbours:
    """The objects of one ESDL type, found by how they are connected to another object."""

    def __init__(self, energy_system: EnergySystem, esdl_type: str) -> None:
        self._places: dict[str, int] = {}
        self._inside: dict[str, list[str]] = {}
        self._beside: dict[str, list[str]] = {}
        for place, thing in enumerate(energy_system.of_type(esdl_type)):
            self._places[thing.id] = place
            if thing.parent is not None:
                self._beside.setdefault(thing.parent.id, []).append(thing.id)
            for container in thing.ancestors:
                self._inside.setdefault(container.id, []).append(thing.id)

    def of(self, thing: EsdlObject, connected: Connected) -> list[str]:
        """Ids in document order."""
        if connected == "all":
            return list(self._places)
        if connected == "same":
            return [thing.id] if thing.id in self._places else []
        found: set[str] = set()
        if connected in ("any", "ports"):
            found |= {other.id for other in thing.connected}
        if connected in ("upstream", "downstream"):
            found |= {other.id for other in (thing.upstream if connected == "upstream" else thing.downstream)}
        if connected in ("any", "around"):
            found |= {other.id for other in thing.ancestors}
        if connected in ("any", "inside"):
            found |= set(self._inside.get(thing.id, ()))
        if connected == "beside" and thing.parent is not None:
            found |= set(self._beside.get(thing.parent.id, ()))
        return sorted((found - {thing.id}) & self._places.keys(), key=self._places.__getitem__)


def _listed(entries: Iterable[ServiceEntry]) -> str:
    return ", ".join(f"'{entry.name}' for {entry.esdl_type}" for entry in entries)
