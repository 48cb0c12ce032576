"""What a kind of job is told, read by a model of it: once before the run is accepted, and once for each attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from podium.errors import Fault
from podium.faults import instead, place, refuse, worded
from podium.jobs.references import refers


class Call(BaseModel):
    """Base of what kinds are told; no key may be there that they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


C = TypeVar("C", bound=Call)

_STRANGE = "extra_forbidden"


def check(model: type[C], call: Mapping[str, Any]) -> None:
    """Find what is wrong already, whatever secrets and results will stand for. Raises: DocumentRefused."""
    try:
        model.model_validate(call)
    except ValidationError as error:
        refuse(_faults(error, model, call))


def read(model: type[C], call: Mapping[str, Any]) -> C:
    """The call with all in place. Raises: DocumentRefused."""
    try:
        return model.model_validate(call)
    except ValidationError as error:
        refuse(_faults(error, model, {}))
        raise AssertionError from None  # there is at least one


def _faults(error: ValidationError, model: type[BaseModel], call: Mapping[str, Any]) -> list[Fault]:
    return [
        Fault(place(fault["loc"]), worded(fault), _hint(model, fault["loc"]) if fault["type"] == _STRANGE else None)
        for fault in error.errors(include_url=False, include_input=False)
        if not refers(call, fault["loc"])
    ]


def _hint(model: type[BaseModel], where: Sequence[int | str]) -> str:
    """At the keys that a strange one may have been meant for."""
    *path, key = where
    for name in path:
        field = model.model_fields.get(str(name))
        model = next(_models(field.annotation), model) if field else model
    return instead(str(key), (field.alias or name for name, field in model.model_fields.items()))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
