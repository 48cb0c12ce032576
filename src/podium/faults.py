"""What is wrong with something a user wrote, collected, so that one answer names everything there is to put right."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any

from podium.errors import DocumentRefused, Fault

SHOWN = 20
_SEARCHED = 2000  # names
_LOOKED_AT = 100  # keys; whoever has more strange ones has not misspelt them

_END_OF_KEY = re.compile(r"[.\[ ]")
_INDEX = re.compile(r"\[(\d{1,9})\](?: \([^)]*\))?\.?")  # what is said beside a number is for people

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "there is no such key",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is far too large a number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text in whole characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "path_type": "must be a path",
    "json_invalid": "is not JSON: {error}",
}


def refuse(faults: Sequence[Fault], *, where: str | None = None, hint: str | None = None) -> None:
    """Refuse what has any fault; `where` is the file they were found in, `hint` helps with all of them.

    Raises: DocumentRefused.
    """
    if not faults:
        return
    if len(faults) == 1:
        fault = faults[0]
        place = f"{fault.where}: " if where and fault.where else ""
        raise DocumentRefused(f"{place}{fault.what}", where=where or fault.where or None, hint=fault.hint or hint)
    more = f", of which the first {SHOWN} are told" if len(faults) > SHOWN else ""
    raise DocumentRefused(f"there are {len(faults)} faults{more}", where=where, hint=hint, faults=faults[:SHOWN])


def worded(error: Mapping[str, Any]) -> str:
    """What pydantic found, in words for people, without the value, which may be secret."""
    words = _WORDS.get(error["type"])
    if words is not None:
        return words.format(**error.get("ctx", {}))
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should", "must", 1)


def place(keys: Iterable[int | str]) -> str:
    """`calculation_services[0].esdl_type`"""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def misspelt(given: Iterable[str], names: Collection[str]) -> dict[str, str]:
    """Those of the given keys that are nearly one of `names` that is missing, and which."""
    given = list(given)
    missing = [name for name in names if name not in given]
    longest = 2 * max(map(len, missing), default=0)
    strange = [key for key in given if key not in names and len(key) <= longest][:_LOOKED_AT]
    near = ((key, get_close_matches(key, missing, 1, 0.8)) for key in strange)
    return {key: found[0] for key, found in near if found}


def nearest(name: str, names: Iterable[str]) -> str | None:
    """A hint at what may have been meant."""
    found = get_close_matches(name, list(islice(names, _SEARCHED)), 1, 0.6)
    return f"Did you mean {found[0]}?" if found else None


def instead(name: str, names: Iterable[str]) -> str:
    """A hint at which of a few names there are."""
    names = list(names)
    return nearest(name, names) or f"There are: {', '.join(names)}"


def in_order(faults: Iterable[Fault], given: Mapping[str, Any]) -> list[Fault]:
    """As they stand in what was `given`, each once; what is missing comes behind what is there."""
    places: dict[int, dict[str, int]] = {}
    return sorted(dict.fromkeys(faults), key=lambda fault: _position(fault.where, given, places))


def _position(where: str, value: Any, places: dict[int, dict[str, int]]) -> list[int]:
    """Counts along the way to a place; keys may have the characters in them that part keys."""
    found: list[int] = []
    while where:
        if isinstance(value, dict):
            if id(value) not in places:
                places[id(value)] = {str(key): place for place, key in enumerate(value)}
            ends = [match.start() for match in _END_OF_KEY.finditer(where)]
            key = next((where[:end] for end in reversed([*ends, len(where)]) if where[:end] in value), None)
            if key is None:
                return [*found, len(value)]
            found.append(places[id(value)][key])
            where, value = where[len(key) :].removeprefix("."), value[key]
        elif isinstance(value, list) and (index := _INDEX.match(where)) and int(index[1]) < len(value):
            found.append(int(index[1]))
            where, value = where[index.end() :], value[int(index[1])]
        else:
            break
    return found
