"""What a run's results are, and what a store of them can do.

Models report their results as points: at one moment, of one object, some values. Two stores keep them, an embedded
DuckDB and somebody's InfluxDB; whoever shows results (API, page, terminal) knows this protocol alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from podium.errors import DocumentRefused

Value: TypeAlias = "float | int | str | bool"
Units: TypeAlias = "Mapping[str, Mapping[str, str]]"  # by measurement and field, where they are known

# The tags of a point that name the run, the model that computed it, and the object it is about.
RUN_TAG = "simulation_id"
MODEL_TAG, ID_TAG, NAME_TAG = "model_id", "esdl_id", "esdl_name"


class FieldsConflict(DocumentRefused):
    """Some points were not written, as a field keeps the type that it had first; all others were. So says InfluxDB."""

    def __init__(self, reason: str, dropped: int) -> None:
        super().__init__(f"partial write: field type conflict: {reason} dropped={dropped}")
        self.dropped = dropped


@dataclass(frozen=True, slots=True)
class Point:
    """Values at one moment. The same measurement, tags, field and time again replace the value: the last wins.

    Args:
        measurement: what kind of object it is about, such as `pvinstallation`.
        tags: who reported it, and about which object.
        fields: the values by name; a number is finite.
        time: Unix seconds, kept to the microsecond.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Value]
    time: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One field of one measurement over a whole run. Text has no least, mean and greatest; truth counts as 0 and 1.

    `last` is the value at the last time; the mean, where several objects have one then.
    """

    measurement: str
    field: str
    objects: int
    count: int
    min: float | None
    mean: float | None
    max: float | None
    last: Value
    first_time: float
    last_time: float


@dataclass(frozen=True, slots=True)
class Row:
    """One value."""

    time: float
    measurement: str
    model: str
    esdl_id: str
    esdl_name: str
    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class Trace:
    """A line to draw: of one object (`label`), or of all `objects` of a measurement together; thinned by averaging.

    `low` and `high` are the least and greatest value behind each mean.
    """

    measurement: str
    field: str
    label: str
    objects: int
    times: tuple[float, ...]
    means: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which values of a run are wanted: what is None does not matter. `start` is included, `end` is not."""

    measurement: str | None = None
    field: str | None = None
    esdl_id: str | None = None
    start: float | None = None
    end: float | None = None


EVERYTHING = Filter()


class SeriesStore(Protocol):
    """Keeps points and answers questions about those of one run. A run that has none gets empty answers."""

    async def open(self) -> None:
        """Makes it ready. Raises Unavailable when it cannot be used."""
        ...

    async def close(self) -> None: ...

    async def write(self, points: Sequence[Point], *, database: str = "") -> None:
        """Returns once they are on disk. Raises FieldsConflict, DocumentRefused (none is written), Unavailable."""
        ...

    async def measurements(self, run: str) -> list[str]: ...

    async def summary(self, run: str) -> list[Summary]:
        """By measurement and field, in alphabetical order."""
        ...

    async def rows(self, run: str, wanted: Filter = EVERYTHING, *, limit: int = 10_000, stride: int = 1) -> list[Row]:
        """In order of time; of each object's field only every `stride`-th value."""
        ...

    async def traces(self, run: str, *, buckets: int = 400, panels: int = 24, lines: int = 4) -> list[Trace]:
        """What to plot: of at most `panels` fields, object by object where there are no more than `lines` of them.

        Times are cut into `buckets` and averaged, so the answer stays small however long the run was.
        """
        ...

    async def export_csv(self, run: str, directory: Path) -> list[Path]:
        """One file a measurement: a row for each moment and object, a column for each field."""
        ...

    async def export_parquet(self, run: str, directory: Path) -> list[Path]: ...

    async def drop(self, run: str) -> None: ...


def series_store(setting: str, path: Path) -> SeriesStore:
    """The store that a setting names: empty for DuckDB at `path`, or `http://user:password@host:8086/database`."""
    if not setting:
        from podium.stores.series_duckdb import DuckDbSeries

        return DuckDbSeries(path)
    from podium.stores.influx import InfluxSeries

    return InfluxSeries.from_url(setting)


def iso(time: float) -> str:
    """Unix seconds as ISO 8601 in UTC: `2023-01-25T00:15:00Z`."""
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")


def checked(points: Iterable[Point]) -> list[Point]:
    """The points, each of which can be kept. Raises DocumentRefused naming the first that cannot."""
    good = []
    for point in points:
        if not point.measurement or not point.fields:
            raise DocumentRefused("A point needs a measurement and a field", where=point.measurement or None)
        for name, value in point.fields.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise DocumentRefused(f"{value} is not a number that can be kept", where=f"{point.measurement}.{name}")
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise DocumentRefused(f"{value} has more than 64 bits", where=f"{point.measurement}.{name}")
        if not all(point.tags.values()):  # an empty tag is no tag
            point = replace(point, tags={key: value for key, value in point.tags.items() if value})  # noqa: PLW2901
        good.append(point)
    return good
