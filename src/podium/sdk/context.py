"""What a calculation is given for one object in one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from podium.sdk.esdl import EnergySystem, EsdlObject

Value: TypeAlias = "float | tuple[float, ...]"
Parameter: TypeAlias = "bool | int | float | str"


@dataclass(frozen=True, slots=True)
class Time:
    """When a step is: its number from 1, the simulated time at its start in Unix seconds, its length in seconds."""

    number: int
    stamp: int
    seconds: int

    @property
    def at(self) -> datetime:
        """The simulated time at the start of the step, in UTC."""
        return datetime.fromtimestamp(self.stamp, UTC)

    @property
    def hours(self) -> float:
        """The length of the step in hours: what turns W into Wh."""
        return self.seconds / 3600


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is the same for all objects and steps. `start` is in Unix seconds."""

    name: str
    start: int
    step_seconds: int
    steps: int
    energy_system: EnergySystem


class Values(Mapping[str, float]):
    """The values of one input: ESDL id of the source → value, for every source that is connected to the object."""

    def __init__(self, values: Mapping[str, Value], default: float | None = None) -> None:
        self._values = values
        self._default = default

    def __getitem__(self, esdl_id: str) -> float:
        value = self._values[esdl_id]
        if isinstance(value, tuple):
            raise TypeError(f"{esdl_id} sent {len(value)} values, not one: read them from `.lists`")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def sum(self) -> float:
        """All values added up; of no source: the input's default, else 0."""
        return sum(self.values()) if self._values else self._default or 0.0

    def only(self) -> float:
        """The value of the one source there is; of no source: the input's default.

        Raises:
            LookupError: there are several sources, or none and no default.
        """
        if len(self) == 1:
            return next(iter(self.values()))
        if not self._values and self._default is not None:
            return self._default
        raise LookupError(f"only() needs exactly one source, here are {len(self)}: {', '.join(self) or 'none'}")

    @property
    def lists(self) -> Mapping[str, tuple[float, ...]]:
        """The same for sources that send a list, such as a forecast."""
        return {key: value if isinstance(value, tuple) else (value,) for key, value in self._values.items()}

    def __repr__(self) -> str:
        return f"Values({dict(self._values)})"


@dataclass(frozen=True, slots=True)
class Context:
    """What a calculation is given: its object, the time, its inputs, and what it kept from the step before.

    Args:
        object: the ESDL object to calculate for.
        time: the step.
        inputs: by the names that the calculation declares.
        state: a dictionary of this object's own that lives from step to step.
        parameters: the service's parameters, as the environment sets them.
        simulation: name, start, number of steps, and the whole energy system.
    """

    object: EsdlObject
    time: Time
    inputs: Mapping[str, Values]
    state: dict[str, Any]
    parameters: Mapping[str, Any]
    simulation: Simulation

    def __getitem__(self, name: str) -> Values:
        return self.inputs[name]
