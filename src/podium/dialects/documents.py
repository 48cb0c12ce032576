"""From bytes to a JSON object, and what is said of bytes that no dialect knows.

While Python reads JSON all else in the house waits, also where it is read in a thread. What takes long is not a large
text, such as an energy system in base64, but a large number of values; so these are counted first, by a look at the
bytes, and a document with more than anybody needs is refused.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from podium.errors import DocumentRefused, Fault
from podium.faults import misspelt

LARGEST = 12 * 2**20  # bytes; an energy system of 60,000 objects
MOST_VALUES = 500_000  # a graph of 20,000 jobs has half as many
DIRECTORY = "directory"  # key of a run's document: where the file was that it was made from, where that is known
DEEPEST = 100  # levels; what writes JSON again has bounds of its own
_PIECE = 2**20
_BEFORE_VALUES = (b",", b"[", b"{")


def check_size(content: bytes) -> None:
    """Raises: DocumentRefused."""
    if len(content) > LARGEST:
        raise DocumentRefused(f"the document is larger than {LARGEST >> 20} MB")


def parsed(content: bytes, *, most_values: int = MOST_VALUES) -> dict[str, Any]:
    """The JSON object that `content` is; takes its time.

    Raises: DocumentRefused, saying what is wrong with it and in which line and column.
    """
    check_size(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"the document is not UTF-8 at byte {error.start + 1}"
        raise DocumentRefused(problem, hint="Save it again as UTF-8") from None
    _check_values(content, most_values)
    if not text.strip():
        raise DocumentRefused("the document is empty")
    try:
        given = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        said = error.msg[:1].lower() + error.msg[1:]
        where = f"line {error.lineno}, column {error.colno}"
        raise DocumentRefused(f"the document is not JSON: {said}", where=where) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # Python's own bound
        raise DocumentRefused("the document has a number of thousands of digits") from None
    if not isinstance(given, dict):
        raise DocumentRefused("the document is not a JSON object", hint="It must begin with { and end with }")
    _check_depth(given)
    if "\\u" in text:
        _check_characters(given)
    return given


def unknown(content: bytes, filename: str, marks: Mapping[str, Sequence[str]]) -> DocumentRefused:
    """What is said of a document that no dialect recognises; `marks` are the keys that those of each have."""
    where = filename or None
    known = "; ".join(f"{name} ({', '.join(keys)})" if keys else name for name, keys in marks.items())
    hint = f"Known are documents of: {known}" if known else None
    problem = "this is no document Podium knows"
    if not filename.endswith(".json") and content[:_PIECE].removeprefix(codecs.BOM_UTF8).lstrip()[:1] not in b"{[":
        return DocumentRefused(problem, where=where, hint=hint)
    try:
        given = parsed(content)
    except DocumentRefused as refused:
        return refused
    near = {name: misspelt(given, keys) for name, keys in marks.items()}
    there = {name: len(near[name]) + sum(key in given for key in keys) for name, keys in marks.items()}
    nearest = max(there, key=lambda name: there[name], default="")
    if not there.get(nearest):
        return DocumentRefused(problem, where=where, hint=hint)
    meant = near[nearest]
    faults = [Fault(key, "there is no such key", f"Did you mean {name}?") for key, name in meant.items()]
    missing = [key for key in marks[nearest] if key not in given and key not in meant.values()]
    faults += [Fault(key, "is missing") for key in missing]
    return DocumentRefused(f"{problem}; the nearest are those of {nearest}", where=where, faults=faults)


def _check_values(content: bytes, most: int) -> None:
    values = 0
    for start in range(0, len(content), _PIECE):
        values += sum(content.count(mark, start, start + _PIECE) for mark in _BEFORE_VALUES)
        if values > most:
            raise DocumentRefused(f"the document has more than {most} values")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise DocumentRefused("this key is given twice in one object", where=twice)
    return found


def _no_number(name: str) -> None:
    raise DocumentRefused(f"{name} is not a number in JSON")


def _check_depth(given: dict[str, Any]) -> None:
    level: list[Any] = [given]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> DocumentRefused:
    return DocumentRefused(f"the document is nested deeper than {DEEPEST} levels")


def _check_characters(given: dict[str, Any]) -> None:
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise DocumentRefused(f"the document has half a character, {half}", hint="Write both halves") from None
