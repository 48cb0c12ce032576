"""A model at work, without any network: it is told of steps and data, and answers with data.

A calculation runs for an object as soon as that object's inputs of this step have come, so that services may feed each
other within a step, several times to and fro, in any order of arrival.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podium.sdk.context import Context, Parameter, Time, Value, Values
from podium.sdk.esdl import EsdlObject
from podium.sdk.parameters import ModelParameters
from podium.sdk.service import CalculationService
from podium.sdk.wiring import Channel, Plug, Task, Wiring


@dataclass(frozen=True, slots=True)
class Step:
    """A step as announced: `due` are the models that calculate in it (None: all), `lost` objects nobody has now."""

    number: int
    stamp: int
    due: frozenset[str] | None = None
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Datum:
    """One value on its way. `step` 0 means that the sender does not tell; `value` None that there is none yet."""

    service: str
    esdl_id: str
    output: str
    step: int
    value: Value | None


class CalculationFailed(Exception):
    """A calculation raised; `__cause__` is what."""

    def __init__(self, task: Task, step: int) -> None:
        super().__init__(f"calculation '{task.calculation.name}' of {task.object} failed in step {step}")


class Model:
    """One model of a service.

    Raises:
        ParametersError: service and simulation do not fit together.
    """

    def __init__(
        self, service: CalculationService, parameters: ModelParameters, settings: Mapping[str, Parameter] | None = None
    ) -> None:
        self.wiring = Wiring(service, parameters)
        self.step = Step(0, parameters.simulation.start)
        self._service = service
        self._simulation = parameters.simulation
        self._settings: Mapping[str, Any] = {**service.parameters, **(settings or {})}
        self._states: dict[str, dict[str, Any]] = {thing.id: {} for thing in parameters.objects}
        self._sent: dict[tuple[str, str], deque[Datum]] = {}
        self._results: dict[str, dict[str, float]] = {}
        self._open: set[Task] = set()
        self._ready: deque[Task] = deque()
        self._held: list[Task] = []
        self._listeners: dict[Channel, list[Task]] = {}
        for task in self.wiring.tasks:
            for channel in {channel for plug in task.plugs for channel in plug.channels}:
                self._listeners.setdefault(channel, []).append(task)

    @property
    def done(self) -> bool:
        """Whether the present step is calculated to the end."""
        return not self._open

    @property
    def ready(self) -> bool:
        """Whether there is something that `calculate` would calculate."""
        return bool(self._ready)

    def results(self) -> Iterator[tuple[EsdlObject, Mapping[str, float]]]:
        """What was calculated in the present step, by object. Lists are left out."""
        for esdl_id, fields in self._results.items():
            yield self._simulation.energy_system.objects[esdl_id], fields

    def observe(self, step: Step) -> None:
        """Take note of a step that this model calculates nothing in."""
        self.step = step
        self._open.clear()
        self._ready.clear()
        self._held = []
        self._results = {}
        for sender in self.wiring.senders.values():
            due = step.due is None or sender.model in step.due
            sender.due_before = sender.due
            sender.due = step.number if due else sender.due
        for channel in self.wiring.channels.values():
            channel.lost = channel.esdl_id in step.lost
            channel.forget(channel.newest(step.number - 1))

    def lose(self, esdl_ids: frozenset[str]) -> None:
        """Wait no longer for these objects in the present step."""
        for channel in self.wiring.channels.values():
            if channel.esdl_id in esdl_ids and not channel.lost:
                channel.lost = True
                self._release(channel)

    def begin(self, step: Step) -> None:
        """Start a step; `calculate` then does what can be done."""
        self.observe(step)
        elapsed = (step.number - 1) * self._simulation.step_seconds
        for task in self.wiring.tasks:
            self._open.add(task)
            if not task.calculation.due(elapsed, self._simulation.step_seconds):
                self._held.append(task)
                continue
            task.missing = {
                (channel, plug.input.previous)
                for plug in task.plugs
                for channel in plug.channels
                if not self._known(channel, previous=plug.input.previous)
            }
            if not task.missing:
                self._ready.append(task)

    def offer(self, datum: Datum) -> bool:
        """Take a value, early, late or in time. False: nobody here listens to it."""
        channel = self.wiring.channels.get((datum.service, datum.esdl_id, datum.output))
        if channel is None:
            return False
        channel.values[datum.step or self._counted(channel)] = datum.value
        self._release(channel)
        return True

    def calculate(self) -> Iterator[Datum]:
        """Do whatever has its inputs, and give the values as they come. Raises: CalculationFailed."""
        held, self._held = self._held, []
        for task in held:  # the others wait for whoever is due in a step, with all outputs
            self._open.discard(task)
            for output in task.calculation.outputs:
                last = self._sent.get((task.object.id, output.name))
                yield self._send(task, output.name, last[-1].value if last else None)
        while self._ready:
            task = self._ready.popleft()
            outputs = self._run(task)
            self._open.discard(task)
            scalars = {name: value for name, value in outputs.items() if not isinstance(value, tuple)}
            self._results.setdefault(task.object.id, {}).update(scalars)
            for name, value in outputs.items():
                yield self._send(task, name, value)

    def sent(self) -> Iterator[Datum]:
        """The last two values of each output, for those who missed them; a `previous` input needs the older one."""
        for data in self._sent.values():
            yield from data

    def missing(self) -> list[str]:
        """What the present step waits for, in words."""
        return [f"'{channel.output}' of {channel.esdl_id} from {channel.sender.model}" for channel in self._missing()]

    def missed(self) -> list[str]:
        """The models that the present step waits for."""
        return list(dict.fromkeys(channel.sender.model for channel in self._missing()))

    def _missing(self) -> dict[Channel, None]:
        return {channel: None for task in self.wiring.tasks if task in self._open for channel, _ in task.missing}

    def _release(self, channel: Channel) -> None:
        for task in self._listeners.get(channel, ()):
            if task in self._open and task.missing:
                task.missing -= {
                    (channel, previous) for previous in (True, False) if self._known(channel, previous=previous)
                }
                if not task.missing:
                    self._ready.append(task)

    def _known(self, channel: Channel, *, previous: bool) -> bool:
        step, due = self.step.number, channel.sender.due
        if previous:
            step, due = step - 1, channel.sender.due_before
        return channel.lost or channel.newest(step) >= due

    def _counted(self, channel: Channel) -> int:
        """The step of a value whose sender does not tell: they are counted as they arrive.

        No sender is further than the step after the one that this model has answered; what goes beyond is a repetition.
        """
        limit = self.step.number + 1 if self.done else self.step.number
        return min(max(max(channel.values, default=0) + 1, self.step.number, 1), limit)

    def _run(self, task: Task) -> dict[str, Value]:
        context = Context(
            object=task.object,
            time=Time(self.step.number, self.step.stamp, self._simulation.step_seconds),
            inputs={plug.input.name: self._values(plug) for plug in task.plugs},
            state=self._states[task.object.id],
            parameters=self._settings,
            simulation=self._simulation,
        )
        try:
            return task.calculation.outputs_of(task.calculation.function(context))
        except Exception as error:
            raise CalculationFailed(task, self.step.number) from error

    def _values(self, plug: Plug) -> Values:
        step = self.step.number - 1 if plug.input.previous else self.step.number
        values: dict[str, Value] = {}
        for channel in plug.channels:
            if not channel.lost:
                value = channel.value(step)
                values[channel.esdl_id] = plug.input.start if value is None else value
        return Values(values, plug.input.default)

    def _send(self, task: Task, output: str, value: Value | None) -> Datum:
        datum = Datum(self._service.name, task.object.id, output, self.step.number, value)
        self._sent.setdefault((datum.esdl_id, output), deque(maxlen=2)).append(datum)
        self.offer(datum)
        return datum
