"""What a job's call takes from the jobs before it.

    {"$result": "clean"}               the result of the job `clean`
    {"$result": "clean/columns/0"}     a part of it; `~1` is a `/` in a key, `~0` a `~` (as in RFC 6901)
    {"$item": ""}, {"$item": "/name"}  what this one is for, when it is one of many, or a part of that
    {"$outcome": "/state"}             for the last job: how the rest ended; also `/reason`, `/failed` (reasons by job)

Put in place when the job is performed, behind secrets: what a job returns is never taken for a name of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podium.errors import DocumentRefused
from podium.runs.events import Json

_KEYS = ("$result", "$item", "$outcome", "$secret")


def is_reference(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _KEYS


def results_named(call: Any) -> Iterator[str]:
    """The jobs whose results a call takes, as often as it does. Raises: DocumentRefused."""
    match call:
        case {"$result": str(path)} if len(call) == 1:
            yield path.partition("/")[0]
        case {"$item": str(path)} | {"$outcome": str(path)} if len(call) == 1 and (not path or path.startswith("/")):
            pass
        case {"$result": _} | {"$item": _} | {"$outcome": _}:
            hint = 'Write {"$result": "job/key"}, {"$item": "/key"} and {"$outcome": "/key"}, with no other key beside'
            raise DocumentRefused("this is no way to name a result", hint=hint)
        case dict():
            for value in call.values():
                yield from results_named(value)
        case list():
            for value in call:
                yield from results_named(value)


def resolved(call: Any, results: Mapping[str, Json], item: Json, outcome: Mapping[str, Json] | None = None) -> Any:
    """A copy with what it refers to in place. Raises: DocumentRefused, naming what is not there."""
    match call:
        case {"$result": str(path)} if len(call) == 1:
            name, slash, rest = path.partition("/")
            if name not in results:
                raise DocumentRefused(f"there is no result of a job {name!r} here", hint=f"Add {name!r} to its `after`")
            return _part(results[name], slash + rest, f"the result of {name}")
        case {"$item": str(path)} if len(call) == 1:
            return _part(item, path, "the item")
        case {"$outcome": str(path)} if len(call) == 1:
            if outcome is None:
                raise DocumentRefused("the outcome is told to the last job alone")
            return _part({"reason": None, **outcome}, path, "the outcome")
        case dict():
            return {key: resolved(value, results, item, outcome) for key, value in call.items()}
        case list():
            return [resolved(value, results, item, outcome) for value in call]
        case _:
            return call


def _part(value: Json, pointer: str, what: str) -> Json:
    for word in pointer.split("/")[1:]:
        key = word.replace("~1", "/").replace("~0", "~")
        match value:
            case dict() if key in value:
                value = value[key]
            case list() if key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            case _:
                raise DocumentRefused(f"{what} has no {pointer!r}")
    return value


def refers(call: Any, keys: tuple[int | str, ...]) -> bool:
    """Whether there is a reference at this place or on the way to it."""
    for key in keys:
        if is_reference(call):
            return True
        match call:
            case dict() if key in call:
                call = call[key]
            case list() if isinstance(key, int) and key < len(call):
                call = call[key]
            case _:  # what pydantic calls the alternatives of a union
                continue
    return is_reference(call)
