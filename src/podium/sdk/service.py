"""What a researcher writes first: a service, declared in a few lines around plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn, TypeVar

from podium.sdk.context import Parameter
from podium.sdk.declaration import (
    Calculation,
    DeclarationError,
    Function,
    Input,
    Output,
    check_esdl_type,
    check_service_name,
)

F = TypeVar("F", bound=Function)


class CalculationService:
    """A calculation service: it computes, step by step, for objects of one ESDL type.

    Args:
        name: what the simulation document calls it (`calc_service_name`).
        esdl_type: the ESDL class it computes for, such as "PVInstallation".
        parameters: names and defaults of what may be set from outside; the variable `PARAMETER_<NAME>` in the
            environment sets one, converted to the type of its default.

    Raises:
        DeclarationError: name, type or a parameter cannot be used.
    """

    def __init__(self, name: str, esdl_type: str, *, parameters: Mapping[str, Parameter] | None = None) -> None:
        check_service_name(name)
        check_esdl_type(esdl_type)
        self.name = name
        self.esdl_type = esdl_type
        self.parameters: Mapping[str, Parameter] = MappingProxyType(dict(parameters or {}))
        self.calculations: list[Calculation] = []
        for key, default in self.parameters.items():
            if not key.isidentifier() or not isinstance(default, (bool, int, float, str)):
                raise DeclarationError(f"parameter {key!r} = {default!r}: a name and a number, a string or a bool")

    def calculation(
        self,
        *,
        outputs: Sequence[Output],
        inputs: Sequence[Input] = (),
        period: int | None = None,
        offset: int = 0,
        name: str = "",
    ) -> Callable[[F], F]:
        """Have the decorated function calculate `outputs` for each object.

        Args:
            outputs: what the function returns: a mapping with all their names, or the bare value of the only one.
            inputs: what it waits for.
            period: seconds of simulated time from one calculation to the next; default: every step.
            offset: seconds of simulated time before the first.
            name: default: the function's.

        Raises:
            DeclarationError: it cannot work like this.
        """

        def declare(function: F) -> F:
            title = name or function.__name__
            self._add(Calculation(title, function, tuple(inputs), tuple(outputs), period, offset))
            return function

        return declare

    def run(self) -> NoReturn:
        """Serve one simulation, as the environment tells; the whole main program. Ends the process.

        Exit code 0: the simulation is done; 1: it failed here; 2: the environment is not that of a simulation;
        143: ended by SIGTERM.
        """
        from podium.sdk.program import main  # what it needs of the network is not needed to test a service

        raise SystemExit(main(self))

    def _add(self, new: Calculation) -> None:
        for old in self.calculations:
            if old.name == new.name:
                raise DeclarationError(f"service '{self.name}' has two calculations called '{new.name}'")
            if clash := {output.name for output in old.outputs} & {output.name for output in new.outputs}:
                raise DeclarationError(f"'{old.name}' and '{new.name}' both have an output '{min(clash)}'")
        made = {output.name for output in new.outputs}
        for needed in new.inputs:
            itself = needed.source == self.name and needed.connected == "same" and needed.output in made
            if itself and not needed.previous:
                raise DeclarationError(
                    f"'{new.name}' waits for its own output '{needed.output}'; give the input previous=True"
                )
        self.calculations.append(new)
