"""A bench to try services on: steps them in this process, without a broker, with inputs made up or from each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from podium.sdk.context import Parameter, Simulation, Value
from podium.sdk.esdl import EnergySystem
from podium.sdk.model import Datum, Model, Step
from podium.sdk.parameters import ModelParameters, ServiceEntry
from podium.sdk.service import CalculationService
from podium.sdk.wiring import Channel

Given: TypeAlias = "float | Sequence[float] | Mapping[str, float | Sequence[float]]"


class BenchError(AssertionError):
    """The bench cannot do what the test asks."""


@dataclass(frozen=True, slots=True)
class StepOutputs(Mapping[str, Mapping[str, Value]]):
    """The outputs as they stand after a step: ESDL id → output → value; of a calculation that was not due, its last.

    `number` counts from 1, `at` is the simulated time.
    """

    number: int
    at: datetime
    outputs: Mapping[str, Mapping[str, Value]]

    def __getitem__(self, esdl_id: str) -> Mapping[str, Value]:
        return self.outputs[esdl_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)


class Bench:
    """Services with an energy system to compute for.

    Args:
        services: those under test; they feed each other.
        esdl: the energy system: a file, or its text.
        start: simulated time of the first step; UTC if it does not say.
        step_seconds: length of a step.
        steps: how many steps the simulation is to have, as far as services ask.
        sources: services that are not on the bench, with the ESDL type they compute for; `step` is given their values.
        parameters: of each service, by its name.

    Raises:
        ParametersError: the services do not fit together.
        EsdlError: the energy system cannot be read.
    """

    def __init__(
        self,
        *services: CalculationService,
        esdl: str | bytes | Path,
        start: str | datetime = "2024-06-21",
        step_seconds: int = 900,
        steps: int = 96,
        sources: Mapping[str, str] | None = None,
        parameters: Mapping[str, Mapping[str, Parameter]] | None = None,
    ) -> None:
        first = datetime.fromisoformat(start) if isinstance(start, str) else start
        self.start = first if first.tzinfo else first.replace(tzinfo=UTC)
        system = EnergySystem(esdl.read_bytes() if isinstance(esdl, Path) else esdl)
        self._simulation = Simulation("bench", int(self.start.timestamp()), step_seconds, steps, system)
        self._sources = dict(sources or {})
        entries = [ServiceEntry(service.name, service.esdl_type) for service in services]
        entries += [ServiceEntry(name, esdl_type) for name, esdl_type in self._sources.items()]
        self._models: dict[str, tuple[CalculationService, Model]] = {}
        for service, entry in zip(services, entries, strict=False):
            objects = system.of_type(service.esdl_type)
            if not objects:
                raise BenchError(f"the energy system has no {service.esdl_type}, for which '{service.name}' computes")
            own = ModelParameters(self._simulation, tuple(entries), objects, protocol_version=2)
            settings = (parameters or {}).get(service.name)
            self._models[entry.models_of(system)[0][1]] = (service, Model(service, own, settings))
        self._given: dict[str, Given] = {}
        self._outputs: dict[str, dict[str, Value]] = {}
        self._number = 0

    def step(self, **inputs: Given) -> StepOutputs:
        """Calculate the next step.

        Args:
            inputs: values of the services that are not on the bench, by the name of the input: one for all of its
                sources, or by ESDL id. They hold until given anew.

        Raises:
            BenchError: an input is missing or unknown, or the services wait for each other in a circle.
            CalculationFailed: a calculation raised.
        """
        self._number += 1
        step = Step(
            self._number, self._simulation.start + (self._number - 1) * self._simulation.step_seconds, self._due()
        )
        self._take(inputs)
        for model_id, (_, model) in self._models.items():
            if step.due is None or model_id in step.due:
                model.begin(step)
            else:
                model.observe(step)
        for _, model in self._models.values():
            self._feed(model)
        self._settle()
        if waiting := [text for _, model in self._models.values() for text in model.missing()]:
            raise BenchError(
                f"step {self._number} cannot go on, it waits for {', '.join(waiting)}. Services that need each other "
                "in the same step form a circle: give one of the inputs previous=True"
            )
        outputs = {esdl_id: dict(values) for esdl_id, values in self._outputs.items()}
        return StepOutputs(self._number, datetime.fromtimestamp(step.stamp, UTC), outputs)

    def run(self, steps: int, **inputs: Given) -> list[StepOutputs]:
        """Calculate many steps, with inputs that stay the same."""
        return [self.step(**inputs) for _ in range(steps)]

    def _due(self) -> frozenset[str]:
        length = self._simulation.step_seconds
        elapsed = (self._number - 1) * length
        due = {
            model_id
            for model_id, (service, _) in self._models.items()
            if any(each.due(elapsed, length) for each in service.calculations)
        }
        entries = (ServiceEntry(name, esdl_type) for name, esdl_type in self._sources.items())
        return frozenset(
            due | {model for entry in entries for _, model in entry.models_of(self._simulation.energy_system)}
        )

    def _take(self, inputs: Mapping[str, Given]) -> None:
        known = {name for _, model in self._models.values() for name, _ in self._outside(model)}
        if unknown := set(inputs) - known:
            raise BenchError(
                f"'{min(unknown)}' is not an input from outside the bench; these are: {', '.join(sorted(known))}"
            )
        self._given |= inputs
        if missing := known - set(self._given):
            raise BenchError(f"step {self._number} needs values for the input '{min(missing)}'")

    def _outside(self, model: Model) -> Iterator[tuple[str, Channel]]:
        for task in model.wiring.tasks:
            for plug in task.plugs:
                yield from ((plug.input.name, channel) for channel in plug.channels if channel.service in self._sources)

    def _feed(self, model: Model) -> None:
        for name, channel in self._outside(model):
            given = self._given[name]
            if isinstance(given, Mapping):
                if channel.esdl_id not in given:
                    raise BenchError(f"the input '{name}' needs a value of '{channel.esdl_id}'")
                given = given[channel.esdl_id]
            value = float(given) if isinstance(given, (int, float)) else tuple(float(item) for item in given)
            model.offer(Datum(channel.service, channel.esdl_id, channel.output, self._number, value))

    def _settle(self) -> None:
        """Let values go round until no service has anything left to do."""
        ready = deque(model for _, model in self._models.values())
        while ready:
            for datum in ready.popleft().calculate():
                if datum.value is not None:
                    self._outputs.setdefault(datum.esdl_id, {})[datum.output] = datum.value
                for _, other in self._models.values():
                    if other.offer(datum) and other not in ready:
                        ready.append(other)
