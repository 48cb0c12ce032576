"""Wrong use fails where it is written, and says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from podium.sdk import CalculationService, Context, DeclarationError, Input, Output, OutputError
from podium.sdk.declaration import Calculation


def declare(**wrong: Any) -> None:
    service = CalculationService("pv", "PVInstallation")
    service.calculation(**{"outputs": [Output("power")], **wrong})(lambda _: 0.0)


async def async_function(_: Context) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: CalculationService("PV service", "PVInstallation"), "a service's name is lower-case"),
        (lambda: CalculationService("pv", "esdl:PVInstallation"), "bare class name"),
        (lambda: CalculationService("pv", "PVInstallation", parameters={"a b": 1}), "parameter 'a b'"),
        (lambda: CalculationService("pv", "PVInstallation", parameters={"a": None}), "a number, a string or a bool"),  # type: ignore[dict-item]
        (lambda: Input("my power", source="pv"), "an input's name is"),
        (lambda: Input("power", source=""), "needs a source"),
        (lambda: Input("power", source="pv", output="a/b"), "an output's name is"),
        (lambda: Input("power", source="pv", connected="near"), 'must be one of "any", "ports"'),  # type: ignore[arg-type]
        (lambda: Output("power/W"), "an output's name is"),
        (lambda: declare(outputs=[]), "no output"),
        (lambda: declare(outputs=["power"]), "must be Output"),
        (lambda: declare(inputs=["power"]), "must be Input"),
        (lambda: declare(outputs=[Output("a"), Output("a")]), "two outputs called 'a'"),
        (lambda: declare(inputs=[Input("a", "x"), Input("a", "y")]), "two inputs called 'a'"),
        (lambda: declare(period=0), "period is in whole seconds"),
        (lambda: declare(period=900.0), "period is in whole seconds"),
        (lambda: declare(offset=-1), "offset is in whole seconds"),
        (lambda: declare(inputs=[Input("power", "pv", connected="same")]), "waits for its own output"),
        (lambda: CalculationService("a", "B").calculation(outputs=[Output("c")])(async_function), "not async"),
        (lambda: CalculationService("a", "B").calculation(outputs=[Output("c")])(lambda: 0.0), "take one argument"),  # type: ignore[arg-type,misc]
    ],
)
def test_declared_wrong(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError, match=message.replace("(", r"\(")):
        wrong()


def test_two_calculations_share_neither_name_nor_output() -> None:
    service = CalculationService("pv", "PVInstallation")
    service.calculation(outputs=[Output("power")], name="one")(lambda _: 0.0)
    with pytest.raises(DeclarationError, match="two calculations called 'one'"):
        service.calculation(outputs=[Output("other")], name="one")(lambda _: 0.0)
    with pytest.raises(DeclarationError, match="both have an output 'power'"):
        service.calculation(outputs=[Output("power")], name="two")(lambda _: 0.0)


def calculation(*outputs: Output, period: int | None = None, offset: int = 0) -> Calculation:
    return Calculation("it", lambda _: 0.0, (), outputs or (Output("a"),), period, offset)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "must return a mapping with 'a', 'b'"),
        (1.0, "must return a mapping"),
        ({"a": 1.0}, "did not return its output 'b'"),
        ({"a": 1.0, "b": [1.0], "c": 1.0}, "returned 'c', which is none of its outputs"),
        ({"a": "x", "b": [1.0]}, "output 'a' is 'x', not a number"),
        ({"a": float("nan"), "b": [1.0]}, "output 'a' is nan"),
        ({"a": 1.0, "b": 1.0}, "declared as a list"),
        ({"a": 1.0, "b": [1.0, float("inf")]}, "item 1 is inf"),
    ],
)
def test_returned_wrong(returned: object, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        calculation(Output("a"), Output("b", list=True)).outputs_of(returned)


def test_one_output_needs_no_mapping() -> None:
    assert calculation().outputs_of(3) == {"a": 3.0}
    assert calculation(Output("a", list=True)).outputs_of((1, 2)) == {"a": (1.0, 2.0)}


@pytest.mark.parametrize(
    ("period", "offset", "due"),
    [
        (None, 0, [1, 2, 3, 4, 5, 6]),
        (1800, 0, [1, 3, 5]),
        (1800, 900, [2, 4, 6]),
        (None, 2700, [4, 5, 6]),
        (300, 0, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_due_at_offset_and_every_period(period: int | None, offset: int, due: list[int]) -> None:
    each = calculation(period=period, offset=offset)
    assert [step for step in range(1, 7) if each.due((step - 1) * 900, 900)] == due
