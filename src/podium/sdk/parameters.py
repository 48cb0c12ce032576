"""What the orchestrator tells a model about its simulation: the JSON inside ModelParameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podium.sdk.context import Simulation
from podium.sdk.esdl import EnergySystem, EsdlObject


class ParametersError(ValueError):
    """The simulation and this service do not fit together."""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One service of the simulation. `models` is how many models its objects are dealt to; 0: one each."""

    name: str
    esdl_type: str
    models: int = 1

    def models_of(self, energy_system: EnergySystem) -> list[tuple[EsdlObject, str]]:
        """Its objects in document order, each with the id of the model that computes for it."""
        objects = energy_system.of_type(self.esdl_type)
        share = -(-len(objects) // self.models) if self.models > 0 else 1
        return [(thing, f"{self.stem}-{index // share + 1}") for index, thing in enumerate(objects)]

    @property
    def stem(self) -> str:
        """How the ids of its models begin."""
        return self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """Which simulation, which services take part, and which objects are those of this model, by its id."""

    simulation: Simulation
    services: tuple[ServiceEntry, ...]
    objects: tuple[EsdlObject, ...]
    protocol_version: int
    model: str = ""

    @classmethod
    def from_json(cls, text: str, model: str = "") -> ModelParameters:
        """Raises: ParametersError, EsdlError."""
        try:
            return cls._from(json.loads(text), model)
        except KeyError as error:
            raise ParametersError(f"the model parameters lack {error}") from None
        except (TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ParametersError(f"the model parameters cannot be read: {error}") from None

    @classmethod
    def _from(cls, raw: Mapping[str, Any], model: str) -> ModelParameters:
        energy_system = EnergySystem.from_base64(raw["esdl_base64string"])
        simulation = Simulation(
            name=raw.get("simulation_name", ""),
            start=int(raw["start_timestamp"]),
            step_seconds=int(raw["time_step_seconds"]),
            steps=int(raw["nr_of_time_steps"]),
            energy_system=energy_system,
        )
        services = tuple(
            ServiceEntry(entry["calc_service_name"], entry["esdl_type"], int(entry.get("nr_of_models", 1)))
            for entry in raw["calculation_services"]
        )
        unknown = [esdl_id for esdl_id in raw["esdl_ids"] if esdl_id not in energy_system.objects]
        if unknown:
            raise ParametersError(f"this model is to compute for '{unknown[0]}', which the ESDL file does not have")
        objects = tuple(energy_system.objects[esdl_id] for esdl_id in raw["esdl_ids"])
        version = 2 if 2 in raw.get("protocol_versions", ()) else 1
        return cls(simulation, services, objects, protocol_version=version, model=model)

    def wanted(self, own: ServiceEntry) -> ServiceEntry:
        """The service that this model is to be of: its id tells, where it is made the usual way, else its objects."""
        stem, types = self.model.rpartition("-")[0], {thing.type for thing in self.objects}
        named = [entry for entry in self.services if entry.stem == stem]
        fitting = [] if types <= {own.esdl_type} else [entry for entry in self.services if entry.esdl_type in types]
        return next(iter(named + fitting), own)
