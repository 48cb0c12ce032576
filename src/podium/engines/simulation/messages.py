"""What the simulation machine is told, and what it wants done. A dialect translates both to its wire."""

from __future__ import annotations

from dataclasses import dataclass

from podium.runs.machine import Command, Input


@dataclass(frozen=True, slots=True)
class Calculation:
    """A calculation of a model: due at the times `offset + k * period` (seconds of simulated time, k = 0, 1, ...)."""

    name: str
    period_seconds: int
    offset_seconds: int = 0


@dataclass(frozen=True, slots=True)
class AllReady(Input):
    """Every model runs and listens."""


@dataclass(frozen=True, slots=True)
class ModelReady(Input):
    """One model runs and listens, as it tells the MSO; only to say which do not."""

    model: str


@dataclass(frozen=True, slots=True)
class Parameterized(Input):
    """A model has taken its parameters; speaks `version` of the protocol, calculates as declared, else every step.

    `units` are those of its results, as measurement, field and unit.
    """

    model: str
    version: int = 1
    calculations: tuple[Calculation, ...] = ()
    units: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StepSent(Input):
    """Found by recovery: the broker has accepted step `number` for `model`; None: for all that hear the broadcast."""

    model: str | None
    number: int


@dataclass(frozen=True, slots=True)
class Answered(Input):
    """A model is done with a step; `number` is None where the wire does not tell which."""

    model: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class StillWaiting(Input):
    """A model cannot go on with step `number` before other `models` have sent it their part of it."""

    model: str
    number: int
    models: frozenset[str]


@dataclass(frozen=True, slots=True)
class ModelFailed(Input):
    """A model reports an error of its own."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelEnded(Input):
    """A model's process has ended. `model` is one of the run's models."""

    model: str
    success: bool
    exit_code: int | None = None
    reason: str | None = None
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllEnded(Input):
    """No model of this run lives any more."""


@dataclass(frozen=True, slots=True)
class Deploy(Command):
    """Run all models."""


@dataclass(frozen=True, slots=True)
class Parameterize(Command):
    """Tell these models what they are to calculate."""

    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step(Command):
    """Have `models` calculate step `number` (1 is the first) for the simulated time `time` (Unix seconds).

    `broadcast` models hear it once for all; `lost` are models that the run goes on without; `due` are the models that
    calculate at all in this step, whoever this command is addressed to.
    """

    number: int
    time: int
    models: tuple[str, ...]
    broadcast: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish(Command):
    """Tell these models that the simulation is done: they write their results and end."""

    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remove(Command):
    """End whatever of this run still lives, by force; `models` may never have been told that it is done."""

    models: tuple[str, ...] = ()
