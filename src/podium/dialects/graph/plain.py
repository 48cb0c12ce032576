"""From the bytes of a document to plain JSON values, whether they are YAML or JSON.

YAML has more than JSON: keys that are numbers, aliases that stand for what is large, numbers that are none. None of it
may come further than here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from podium.dialects import documents
from podium.errors import DocumentRefused, Fault
from podium.faults import place, refuse
from podium.yaml_text import parsed

LARGEST_YAML = 2**20  # bytes; it is read a hundred times slower than JSON
DEEPEST = 60
YAML = (".yaml", ".yml")
_MARK = re.compile(rb'"jobs"\s*:\s*\{|^\s*jobs\s*:', re.MULTILINE)


def recognises(filename: str, content: bytes) -> bool:
    return filename.endswith(YAML) or _MARK.search(content) is not None


def read(content: bytes, filename: str) -> dict[str, Any]:
    """The mapping that the document is; takes its time. Raises: DocumentRefused."""
    if PurePath(filename).suffix not in YAML and content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return documents.parsed(content)
    if len(content) > LARGEST_YAML:
        raise DocumentRefused(f"the document is larger than {LARGEST_YAML >> 20} MB", hint="Write it as JSON")
    try:
        given = parsed(content)
    except ValueError as error:
        raise DocumentRefused(f"the document is not YAML: {error}") from None
    if not isinstance(given, dict):
        raise DocumentRefused("the document is not a mapping", hint="It begins with `jobs:`")
    _check(given)
    return given


def _check(given: Any) -> None:
    """Every value is looked at as often as it is written out, so that aliases count as what they stand for."""
    faults: list[Fault] = []
    for number, fault in enumerate(_faults(given)):
        if number > documents.MOST_VALUES:
            raise DocumentRefused(f"the document has more than {documents.MOST_VALUES} values")
        if fault is not None:
            faults.append(fault)
    refuse(faults)


def _faults(given: Any) -> Iterator[Fault | None]:
    """One for each value, None where it is good."""
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(given, ())]
    while waiting:
        value, where = waiting.pop()
        yield _fault(value, where)
        if isinstance(value, dict):
            waiting += [(item, (*where, str(key))) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(item, (*where, index)) for index, item in enumerate(value)]


def _fault(value: Any, where: tuple[str | int, ...]) -> Fault | None:
    match value:
        case dict():
            strange = next((key for key in value if not isinstance(key, str)), None)
            if strange is not None or None in value:
                return Fault(place(where), f"the key {strange} is not text", "Put it in quotes")
        case float() if not math.isfinite(value):
            return Fault(place(where), "must be a finite number")
        case None | str() | bool() | int() | float() | list():
            pass
        case _:
            return Fault(place(where), f"a {type(value).__name__} has no place in JSON", "Write it as text")
    if len(where) > DEEPEST:
        raise DocumentRefused("the document is nested too deeply")
    return None
