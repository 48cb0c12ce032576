"""What a kind of job is told, read by a model of it: once before the run is accepted, and once for each attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from podium.errors import Fault
from podium.faults import place, refuse, worded
from podium.jobs.references import refers


class Call(BaseModel):
    """Base of what kinds are told; no key may be there that they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


C = TypeVar("C", bound=Call)


def check(model: type[C], call: Mapping[str, Any]) -> None:
    """Find what is wrong already, whatever secrets and results will stand for. Raises: DocumentRefused."""
    try:
        model.model_validate(call)
    except ValidationError as error:
        refuse(_faults(error, call))


def read(model: type[C], call: Mapping[str, Any]) -> C:
    """The call with all in place. Raises: DocumentRefused."""
    try:
        return model.model_validate(call)
    except ValidationError as error:
        refuse(_faults(error, {}))
        raise AssertionError from None  # there is at least one


def _faults(error: ValidationError, call: Mapping[str, Any]) -> list[Fault]:
    found = error.errors(include_url=False, include_input=False)
    return [Fault(place(fault["loc"]), worded(fault)) for fault in found if not refers(call, fault["loc"])]
