"""The tables in which DuckDB keeps series, and their one writer.

`series` says what a number stands for (run, measurement, object, other tags), `points` holds the values, one a row,
so that any measurement fits and 500 models times 5,000 steps stay small on disk. There is no index: DuckDB's would
have to fit in memory. That a point written again replaces the first is seen to here: each series' newest time is
remembered, what is later is simply appended, and only what is not costs a delete.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from podium.stores.series import ID_TAG, MODEL_TAG, NAME_TAG, RUN_TAG, FieldsConflict, Point, Value

SCHEMA = """
create table if not exists databases (name varchar primary key);
create table if not exists series (
    id integer, database varchar, measurement varchar,
    run varchar, model varchar, esdl_id varchar, esdl_name varchar, others map(varchar, varchar)
);
create table if not exists points (
    series integer, field varchar, time bigint, -- microseconds since 1970
    number double, whole bigint, truth boolean, text varchar -- one of them
);
create temp table if not exists replaced (series integer, field varchar, time bigint);
"""
COLUMNS = {RUN_TAG: "run", MODEL_TAG: "model", ID_TAG: "esdl_id", NAME_TAG: "esdl_name"}
REMEMBERED_RUNS = 64
_NEVER = -(2**63)
_KINDS: dict[type, str] = {float: "float", int: "integer", bool: "boolean", str: "string"}

_PointRow: TypeAlias = "tuple[int, str, int, float | None, int | None, bool | None, str | None]"


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        path,
        config={
            "memory_limit": "512MB",  # beyond it, sorting and grouping go to disk
            "threads": 2,
            "temp_directory": str(path.with_name(f"{path.name}.tmp")),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,  # nothing is fetched from a network
            "autoload_known_extensions": False,
        },
    )


def micros(time: float) -> int:
    return round(time * 1_000_000)


@dataclass(slots=True)
class _Series:
    """`kinds` are the types of its fields, shared by all series of a run's measurement."""

    id: int
    kinds: dict[str, str]
    newest: int = _NEVER

    def conflict(self, point: Point) -> str:
        """Why the point cannot be kept: a field has another type than it had first."""
        for name, value in point.fields.items():
            kind = _KINDS[type(value)]
            known = self.kinds.get(name, kind)
            if known != kind:
                there = f'input field "{name}" on measurement "{point.measurement}"'
                return f"{there} is type {kind}, already exists as type {known}"
        return ""

    def note(self, point: Point) -> None:
        for name, value in point.fields.items():
            self.kinds.setdefault(name, _KINDS[type(value)])


@dataclass(slots=True)
class _Run:
    series: dict[Any, _Series] = field(default_factory=dict)
    kinds: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # by database and measurement


class Writer:
    """Writes points, a transaction at a time. Not for two threads at once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._connection.execute(SCHEMA)
        self._points = connection.appender("points")
        self._replaced = connection.appender("replaced")
        self._series = connection.appender("series")
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._databases: set[str] = set()
        self._forget()

    def write(self, batches: Iterable[tuple[str, Sequence[Point]]]) -> list[FieldsConflict | None]:
        """Writes the points of each `(database, points)`; they are on disk when it returns, or none is.

        Gives for each what was left out, if anything was.
        """
        conflicts: list[FieldsConflict | None] = []
        fresh: list[_PointRow] = []
        again: dict[tuple[int, str, int], _PointRow] = {}
        self._connection.begin()
        try:
            for database, points in batches:
                self._create_database(database)
                conflicts.append(self._sort(database, points, fresh, again))
            self._series.flush()
            self._points.append_rows(fresh)
            self._points.flush()
            if again:
                self._replace(again)
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            self._forget()
            raise
        while len(self._runs) > REMEMBERED_RUNS:
            self._runs.popitem(last=False)
        return conflicts

    def create_database(self, name: str) -> None:
        self.write([(name, ())])

    def drop(self, run: str) -> None:
        self._connection.begin()
        try:
            self._connection.execute("delete from points where series in (select id from series where run = $1)", [run])
            self._connection.execute("delete from series where run = $1", [run])
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        finally:
            self._runs.pop(run, None)

    def _sort(
        self,
        database: str,
        points: Sequence[Point],
        fresh: list[_PointRow],
        again: dict[tuple[int, str, int], _PointRow],
    ) -> FieldsConflict | None:
        """Deals the points into those that are surely new, and those that may replace one."""
        dropped, reason = 0, ""
        # Points of one object share their tags, mostly: the same mapping need not be looked up by its contents again.
        known: dict[tuple[int, str], _Series] = {}
        for point in points:
            here = (id(point.tags), point.measurement)
            series = known.get(here)
            if series is None:
                series = known[here] = self._series_of(database, point)
            if conflict := series.conflict(point):
                dropped, reason = dropped + 1, reason or conflict
                continue
            series.note(point)
            time = micros(point.time)
            if time > series.newest:
                series.newest = time
                for name, value in point.fields.items():
                    fresh.append((series.id, name, time, *_typed(value)))
            else:
                for name, value in point.fields.items():
                    again[series.id, name, time] = (series.id, name, time, *_typed(value))
        return FieldsConflict(reason, dropped) if dropped else None

    def _replace(self, again: dict[tuple[int, str, int], _PointRow]) -> None:
        self._replaced.append_rows(list(again))
        self._replaced.flush()
        self._connection.execute(
            "delete from points using replaced as r "
            "where points.series = r.series and points.field = r.field and points.time = r.time"
        )
        self._connection.execute("delete from replaced")
        self._points.append_rows(list(again.values()))
        self._points.flush()

    def _create_database(self, name: str) -> None:
        if name not in self._databases:
            self._connection.execute("insert or ignore into databases values ($1)", [name])
            self._databases.add(name)

    def _series_of(self, database: str, point: Point) -> _Series:
        run = point.tags.get(RUN_TAG, "")
        known = self._runs.get(run)
        if known is None:
            known = self._runs[run] = self._load(run)
        else:
            self._runs.move_to_end(run)
        key = (database, point.measurement, frozenset(point.tags.items()))
        series = known.series.get(key)
        if series is None:
            kinds = known.kinds.setdefault((database, point.measurement), {})
            series = known.series[key] = _Series(self._next, kinds)
            self._next += 1
            tags = point.tags
            named = (tags.get(tag, "") for tag in COLUMNS)
            others = {tag: value for tag, value in tags.items() if tag not in COLUMNS}
            self._series.append_row(series.id, database, point.measurement, *named, others)
        return series

    def _load(self, run: str) -> _Run:
        known = _Run()
        kinds = self._connection.execute(
            "select database, measurement, field, case when count(text) > 0 then 'string' "
            "when count(number) > 0 then 'float' when count(whole) > 0 then 'integer' else 'boolean' end "
            "from points join series on series.id = points.series where run = $1 group by all",
            [run],
        ).fetchall()
        for database, measurement, name, kind in kinds:
            known.kinds.setdefault((database, measurement), {})[name] = kind
        rows = self._connection.execute(
            "select id, database, measurement, run, model, esdl_id, esdl_name, others, newest from series "
            "left join (select series, max(time) as newest from points where series in "
            "(select id from series where run = $1) group by series) as p on p.series = series.id where run = $1",
            [run],
        ).fetchall()
        for id_, database, measurement, *named, others, newest in rows:
            tags = {tag: value for tag, value in zip(COLUMNS, named, strict=True) if value} | others
            of_measurement = known.kinds.setdefault((database, measurement), {})
            known.series[database, measurement, frozenset(tags.items())] = series = _Series(id_, of_measurement)
            series.newest = _NEVER if newest is None else newest
        return known

    def _forget(self) -> None:
        """What is remembered may be ahead of what was written: begin again from the tables."""
        for appender in (self._points, self._replaced, self._series):
            appender.clear()
        self._runs.clear()
        self._databases = {name for (name,) in self._connection.execute("select name from databases").fetchall()}
        highest = self._connection.execute("select max(id) from series").fetchone()
        self._next = 1 + (highest[0] if highest and highest[0] is not None else 0)


def _typed(value: Value) -> tuple[float | None, int | None, bool | None, str | None]:
    match value:
        case bool():
            return None, None, value, None
        case float():
            return value, None, None, None
        case int():
            return None, value, None, None
        case _:
            return None, None, None, value
