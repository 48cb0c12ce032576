"""Reads InfluxDB's line protocol, in which models report their results.

Own code: the one parser on PyPI that is still kept refuses what the `influxdb` client writes for a backslash in a tag.
The grammar is InfluxDB 1.x's with two differences. A backslash before a backslash, comma, space or equals sign
escapes it in every name and tag, as that client writes them (InfluxDB would keep both backslashes). And a line has
a greatest length. A bad line never harms its neighbours: they are read, and the bad one is named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from podium.errors import DocumentRefused
from podium.stores.series import Point, Value

MAX_LINE = 64 * 1024
MAX_ERRORS = 20

PRECISIONS: Mapping[str, float] = {
    "": 1e-9, "n": 1e-9, "ns": 1e-9, "u": 1e-6, "µ": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
TRUTH = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}

# The repetitions are possessive: nothing that a client sends makes them backtrack.
_LINE = re.compile(
    r"""[ \t]*\#[^\n]*+                                            # a comment, or
    | (?:[^ \\\n]++|\\[^\n])*+                                     # measurement and tags, where quotes mean nothing,
      (?:[^=\\\n]++|\\[^\n]|="(?:[^"\\]++|\\[\s\S])*+"|[=\\])*+    # then fields, whose strings may hold line feeds
    """,
    re.VERBOSE,
)
_HEAD = re.compile(r"((?:[^ \\]++|\\.)++) +", re.DOTALL)
_NAME = r"(?:[^\\,= ]++|\\.)++"
_MEASUREMENT = re.compile(r"(?:[^\\, ]++|\\.)++", re.DOTALL)
_TAG = re.compile(rf",({_NAME})=({_NAME})", re.DOTALL)
_FIELD = re.compile(rf'({_NAME})=("(?:[^"\\]++|\\.)*+"|[^," ]++)', re.DOTALL)
_TIME = re.compile(r" +(-?[0-9]{1,19}) *|[ ]*")
_FLOAT = re.compile(r"-?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_WHOLE = re.compile(r"-?[0-9]{1,19}i")
_ESCAPED = re.compile(r"\\([\\,= ])")
_ESCAPED_IN_STRING = re.compile(r'\\(["\\])')


@dataclass(slots=True)
class Parsed:
    """What a body held: the points of its good lines, and what was wrong with the others."""

    points: list[Point] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refused: int = 0

    def refuse(self, line: str, why: str) -> None:
        self.refused += 1
        if len(self.errors) < MAX_ERRORS:
            shown = line if len(line) <= 200 else f"{line[:200]}..."
            self.errors.append(f"unable to parse '{shown}': {why}")


class _BadLine(ValueError):
    pass


def parse(body: bytes, *, precision: str = "", now: float) -> Parsed:
    """Reads a body of lines.

    Args:
        body: the lines, in UTF-8.
        precision: the unit of the times in it.
        now: the time of points that bring none, in Unix seconds.

    Raises:
        DocumentRefused: it is no UTF-8, or the precision is none.
    """
    if precision not in PRECISIONS:
        raise DocumentRefused(f'invalid precision "{precision}" (use n, ns, u, ms, s, m or h)')
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise DocumentRefused(f"the body is not UTF-8 at byte {error.start}") from None
    unit = PRECISIONS[precision]
    parsed = Parsed()
    for line in _lines(text):
        try:
            parsed.points.append(_point(line, unit, now))
        except _BadLine as bad:
            parsed.refuse(line, str(bad))
    return parsed


def _lines(text: str) -> Iterator[str]:
    plain = text.split("\n") if '"' not in text else (match[0] for match in _LINE.finditer(text))
    for line in plain:
        stripped = line.strip("\r\t\0 ")
        if stripped and stripped[0] != "#":
            # A space at the end belongs to the last value if a backslash escapes it, and harms nothing if not.
            yield line.lstrip("\t\0 ").rstrip("\r")


def _point(line: str, unit: float, now: float) -> Point:
    if len(line) > MAX_LINE:
        raise _BadLine(f"line longer than {MAX_LINE} characters")
    head = _HEAD.match(line)
    if head is None:
        raise _BadLine("missing fields")
    measurement, tags = (_remembered if len(head[1]) <= 512 else _measurement_and_tags)(head[1])
    fields: dict[str, Value] = {}
    at = head.end()
    while True:
        match = _FIELD.match(line, at)
        if match is None:
            if at == len(line):
                raise _BadLine("missing fields")
            raise _BadLine("unbalanced quotes" if '="' in line[at:] else f"invalid field at column {at + 1}")
        name = _plain(match[1])
        if name == "time":
            raise _BadLine('"time" cannot be the name of a field')
        fields[name] = _value(match[2])
        at = match.end()
        if not line.startswith(",", at):
            break
        at += 1
    time = _TIME.fullmatch(line, at)
    if time is None:
        raise _BadLine("invalid field format" if at < len(line) and line[at] != " " else "bad timestamp")
    if time[1] is None:
        return Point(measurement, tags, fields, now)
    seconds = int(time[1]) * unit
    if abs(seconds) > 9_223_372_036:  # what fits in 64 bits of nanoseconds
        raise _BadLine("time outside range 1677-09-21 - 2262-04-11")
    return Point(measurement, tags, fields, seconds)


def _measurement_and_tags(head: str) -> tuple[str, dict[str, str]]:
    measurement = _MEASUREMENT.match(head)
    if measurement is None:
        raise _BadLine("missing measurement")
    tags: dict[str, str] = {}
    at = measurement.end()
    while at < len(head):
        match = _TAG.match(head, at)
        if match is None:
            raise _BadLine("missing tag value or key")
        name = _plain(match[1])
        if name in tags:
            raise _BadLine("duplicate tags")
        if name == "time":
            raise _BadLine('"time" cannot be the name of a tag')
        tags[name] = _plain(match[2])
        at = match.end()
    return _plain(measurement[0]), tags


# Models report the same objects step after step: what names them is read once, and shared by their points.
_remembered = lru_cache(maxsize=8192)(_measurement_and_tags)


def _plain(name: str) -> str:
    return _ESCAPED.sub(r"\1", name) if "\\" in name else name


def _value(raw: str) -> Value:
    if raw[0] == '"':
        return _ESCAPED_IN_STRING.sub(r"\1", raw[1:-1]) if "\\" in raw else raw[1:-1]
    if _FLOAT.fullmatch(raw):
        number = float(raw)
        if not math.isfinite(number):
            raise _BadLine(f"number out of range: {raw}")
        return number
    if _WHOLE.fullmatch(raw):
        whole = int(raw[:-1])
        if not -(2**63) <= whole < 2**63:
            raise _BadLine(f"integer out of range: {raw}")
        return whole
    if raw in TRUTH:
        return TRUTH[raw]
    if raw.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise _BadLine(f"invalid number: {raw} cannot be kept, leave the field out")
    raise _BadLine(f"invalid value: {raw[:40]}")
