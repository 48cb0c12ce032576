"""What a service declares about itself: inputs, outputs and calculations. Wrong use fails here, before anything runs.

Words are the field's: inputs, outputs, parameters and `start` as FMI has them, `period` and `offset` as in HELICS;
`previous` is what mosaik calls time-shifted.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from podium.sdk.context import Context, Value

Result: TypeAlias = "float | Sequence[float] | Mapping[str, float | Sequence[float]]"
Function: TypeAlias = Callable[[Context], Result]
Connected = Literal["any", "ports", "upstream", "downstream", "inside", "around", "beside", "same", "all"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SERVICE = re.compile(r"[a-z][a-z0-9_-]*")


class DeclarationError(TypeError):
    """A service is declared in a way that cannot work."""


class OutputError(ValueError):
    """A calculation returned something else than it declares."""


@dataclass(frozen=True, slots=True)
class Output:
    """A value that a calculation returns for each of its objects.

    Args:
        name: what it is called on the wire and in the results.
        unit: for people, such as "W".
        list: the value is a sequence of numbers, such as a forecast; it is sent to other services and not stored.
    """

    name: str
    unit: str = ""
    list: bool = False

    def __post_init__(self) -> None:
        _check_name("output", self.name)

    def check(self, value: object) -> Value:
        """Raises: OutputError, unless it is a finite number (or a sequence of them where the output is a list)."""
        if not self.list:
            return _number(f"output '{self.name}'", value)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise OutputError(f"output '{self.name}' is declared as a list, and is {value!r}")
        return tuple(_number(f"output '{self.name}', item {index}", item) for index, item in enumerate(value))


@dataclass(frozen=True, slots=True)
class Input:
    """Values that a calculation needs from other objects.

    Args:
        name: what the function calls it.
        source: the service that sends it, or the ESDL type that service computes for.
        output: what the sender calls it, if not `name`.
        unit: for people, such as "W".
        connected: which objects of the sender count. "ports": their ports are connected to mine; "upstream": to an
            InPort of mine; "downstream": to an OutPort of mine; "inside": my object contains them, however deep;
            "around": they contain it; "any": ports, inside or around; "beside": they stand in the same container (the
            same home); "same": my object itself, as another calculation has it; "all": all.
        previous: the value of the step before. This breaks a circle of services that need each other.
        start: what stands for a value that does not exist yet, as `previous` in the first step.
        default: makes the input optional: what it is worth when the simulation has no such service, or my object no
            such neighbour.
    """

    name: str
    source: str
    output: str = ""
    unit: str = ""
    connected: Connected = "any"
    previous: bool = False
    start: float = 0.0
    default: float | None = None

    def __post_init__(self) -> None:
        _check_name("input", self.name)
        if not self.output:
            object.__setattr__(self, "output", self.name)
        _check_name("output", self.output)
        if not self.source:
            raise DeclarationError(f"input '{self.name}' needs a source: the name of a service, or an ESDL type")
        if self.connected not in get_args(Connected):
            words = ", ".join(f'"{word}"' for word in get_args(Connected))
            raise DeclarationError(f"input '{self.name}': connected must be one of {words}, not {self.connected!r}")


@dataclass(frozen=True, slots=True)
class Calculation:
    """A function and what it takes and gives. `period` None means every step."""

    name: str
    function: Function
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    period: int | None
    offset: int

    def __post_init__(self) -> None:
        where = f"calculation '{self.name}'"
        for kind, items, of in (("input", self.inputs, Input), ("output", self.outputs, Output)):
            if not all(isinstance(item, of) for item in items):
                raise DeclarationError(f"{where}: its {kind}s must be {of.__name__}(...) objects")
            if twice := _twice([item.name for item in items]):
                raise DeclarationError(f"{where} has two {kind}s called '{twice}'")
        if not self.outputs:
            raise DeclarationError(f"{where} has no output, so nobody would see what it does")
        if self.period is not None and (not _is_whole(self.period) or self.period < 1):
            raise DeclarationError(f"{where}: period is in whole seconds of simulated time, not {self.period!r}")
        if not _is_whole(self.offset) or self.offset < 0:
            raise DeclarationError(f"{where}: offset is in whole seconds of simulated time, not {self.offset!r}")
        if inspect.iscoroutinefunction(self.function):
            raise DeclarationError(f"{where} must be a plain function, not async")
        try:
            inspect.signature(self.function).bind(None)
        except TypeError:
            raise DeclarationError(f"{where} must take one argument, the context") from None

    def due(self, elapsed: int, step_seconds: int) -> bool:
        """Whether a time `offset + k * period` has come at `elapsed` seconds that had not one step before."""
        period = self.period or step_seconds
        last = (elapsed - self.offset) // period
        return last >= 0 and last > (elapsed - step_seconds - self.offset) // period

    def outputs_of(self, result: object) -> dict[str, Value]:
        """What the function returned, by output. Raises: OutputError, naming what is missing, unknown or no number."""
        if not isinstance(result, Mapping):
            if len(self.outputs) > 1 or result is None:
                names = ", ".join(f"'{output.name}'" for output in self.outputs)
                raise OutputError(f"it must return a mapping with {names}, and returned {result!r}")
            result = {self.outputs[0].name: result}
        declared = {output.name: output for output in self.outputs}
        if unknown := [name for name in result if name not in declared]:
            raise OutputError(f"it returned '{unknown[0]}', which is none of its outputs ({', '.join(declared)})")
        if missing := [name for name in declared if name not in result]:
            raise OutputError(f"it did not return its output '{missing[0]}'")
        return {name: output.check(result[name]) for name, output in declared.items()}


def check_service_name(name: object) -> None:
    """Raises: DeclarationError."""
    if not isinstance(name, str) or not _SERVICE.fullmatch(name):
        raise DeclarationError(f"a service's name is lower-case letters, digits, '_' and '-', not {name!r}")


def check_esdl_type(name: object) -> None:
    """Raises: DeclarationError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(f"an ESDL type is a bare class name such as PVInstallation, not {name!r}")


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(f"an {kind}'s name is letters, digits and '_', beginning with a letter, not {name!r}")


def _twice(names: Sequence[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _number(what: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # NumPy's numbers and whatever else has __float__
    except (TypeError, ValueError):
        raise OutputError(f"{what} is {value!r}, not a number") from None
    if not math.isfinite(number):
        raise OutputError(f"{what} is {number}")
    return number
