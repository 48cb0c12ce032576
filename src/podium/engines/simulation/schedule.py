"""Which models calculate in which step.

A model may run several calculations, each with its own period and offset. Periods of 900 s beside 43,200 s leave most
steps empty, so the next step with work is computed and never searched for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podium.engines.simulation.messages import Calculation

Rhythm = tuple[int, int]  # period and offset, in steps
EVERY_STEP: tuple[Rhythm, ...] = ((1, 0),)


@dataclass(frozen=True, slots=True)
class Due:
    """The models due in a step: `all` of them, those told one by one, and those that hear the broadcast."""

    all: tuple[str, ...]
    singly: tuple[str, ...]
    broadcast: tuple[str, ...]


class Schedule:
    """The rhythm of the models a run still has."""

    __slots__ = ("_constant", "_rhythms", "_rhythms_of", "_versions", "models", "unnumbered")

    def __init__(
        self, models: Iterable[str], versions: Mapping[str, int], rhythms: Mapping[str, Sequence[Rhythm]]
    ) -> None:
        self.models = tuple(models)
        self.unnumbered = any(versions.get(model, 1) == 1 for model in self.models)
        self._versions = versions
        self._rhythms_of = {model: frozenset(rhythms.get(model, EVERY_STEP)) for model in self.models}
        self._rhythms = frozenset[Rhythm]().union(*self._rhythms_of.values())
        self._constant = self._split(self.models) if self._rhythms <= frozenset(EVERY_STEP) else None

    def due(self, step: int) -> Due:
        if self._constant is not None:
            return self._constant
        index = step - 1
        now = {rhythm for rhythm in self._rhythms if _next(rhythm, index) == index}
        return self._split(tuple(model for model in self.models if not now.isdisjoint(self._rhythms_of[model])))

    def next(self, after: int, last: int) -> int:
        """The first step beyond `after` in which a model is due; `last + 1` if there is none."""
        return min((last, *(_next(rhythm, after) for rhythm in self._rhythms))) + 1

    def _split(self, models: tuple[str, ...]) -> Due:
        singly = tuple(model for model in models if self._versions.get(model, 1) == 1)
        broadcast = tuple(model for model in models if self._versions.get(model, 1) != 1)
        return Due(models, singly, broadcast)


def rhythm(calculation: Calculation, step_seconds: int) -> Rhythm | str:
    """The calculation's period and offset in steps, or why the steps of this simulation cannot keep it."""
    period, offset = calculation.period_seconds, calculation.offset_seconds
    if period <= 0:
        return f"calculation {calculation.name} has a period of {period} s; it must be more than 0"
    if offset < 0:
        return f"calculation {calculation.name} has an offset of {offset} s; it must not be negative"
    for what, seconds in (("period", period), ("offset", offset)):
        if seconds % step_seconds:
            return (
                f"calculation {calculation.name} has {'an' if what == 'offset' else 'a'} {what} of {seconds} s, "
                f"no multiple of the simulation's step of {step_seconds} s"
            )
    return period // step_seconds, offset // step_seconds


def rhythms(calculations: Mapping[str, Iterable[Sequence[Any]]], step_seconds: int) -> dict[str, tuple[Rhythm, ...]]:
    """The same for checked calculations `(name, period, offset)`, by model."""
    return {
        model: tuple((period // step_seconds, offset // step_seconds) for _, period, offset in declared)
        for model, declared in calculations.items()
    }


def _next(rhythm: Rhythm, index: int) -> int:
    """The first step index (from 0) at or after `index` that is in the rhythm."""
    period, offset = rhythm
    return offset if index <= offset else index + (offset - index) % period
