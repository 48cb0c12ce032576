"""The rows that InfluxDB makes up for times without points, so that a gap shows as one.

A column begins at the lower bound of the question, or without one at its first point, and goes on to the upper bound:
what is not there counts 0, and is null otherwise. A column without any point is null all through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from podium.errors import DocumentRefused
from podium.stores.influx_query import Column, Select
from podium.stores.series_tables import micros


@dataclass(frozen=True, slots=True)
class Span:
    """The moments of an answer that is grouped by time, in microseconds; the last is one of them."""

    first: int | None
    last: int
    width: int

    def check(self, most: int) -> None:
        """Raises: DocumentRefused, when these are too many."""
        if self.first is not None and (count := (self.last - self.first) // self.width + 1) > most:
            raise DocumentRefused(
                f"max-select-buckets limit exceeded: ({count}/{most})",
                hint="Ask for less time or a longer time(), or with fill(none)",
            )


def span(asked: Select, every: float) -> Span:
    bounds = [(one.operator, micros(one.value)) for one in asked.conditions if isinstance(one.value, float)]
    width = max(1, micros(every))
    lower = [time + (operator == ">") for operator, time in bounds if operator in ("=", ">", ">=")]
    upper = [time - (operator == "<") for operator, time in bounds if operator in ("=", "<", "<=")]
    return Span(max(lower) // width * width if lower else None, min(upper) // width * width, width)


def filled(
    rows: Sequence[Sequence[Any]], columns: Sequence[Column], of: Span, *, descending: bool
) -> Iterator[list[Any]]:
    """The rows of one table, which begin with their time, and those between them."""
    known = {row[0]: row[1:] for row in rows}
    first = min(known) if of.first is None else of.first
    begins = [
        _begin(rows, number, first, of) if column.function == "count" else None
        for number, column in enumerate(columns, 1)
    ]
    moments = range(first, of.last + 1, of.width)
    nothing = (None,) * len(columns)
    for moment in reversed(moments) if descending else moments:
        cells = zip(known.get(moment, nothing), begins, strict=True)
        yield [
            moment,
            *(0 if cell is None and begin is not None and moment >= begin else cell for cell, begin in cells),
        ]


def _begin(rows: Sequence[Sequence[Any]], number: int, first: int, of: Span) -> int | None:
    """Where a column begins to count."""
    own = min((row[0] for row in rows if row[number] is not None), default=None)
    return own if own is None or of.first is None else first
