"""The tables in which DuckDB keeps series, and their one writer.

`series` says what a number stands for (run, measurement, object, other tags), `points` holds the values, one a row,
so that any measurement fits and 500 models times 5,000 steps stay small on disk. There is no index: DuckDB's would
have to fit in memory. That a point written again replaces the first is seen to here: each series' newest time is
remembered, what is later is simply appended, and only what is not costs a delete.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from podium.stores.series import ID_TAG, MODEL_TAG, NAME_TAG, RUN_TAG, Point, Value

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
    id: int
    newest: int = _NEVER


class Writer:
    """Writes points, a transaction at a time. Not for two threads at once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._connection.execute(SCHEMA)
        self._points = connection.appender("points")
        self._replaced = connection.appender("replaced")
        self._series = connection.appender("series")
        self._runs: OrderedDict[str, dict[Any, _Series]] = OrderedDict()
        self._databases: set[str] = set()
        self._forget()

    def write(self, batches: Iterable[tuple[str, Sequence[Point]]]) -> None:
        """Writes the points of each `(database, points)`; they are on disk when it returns, or none is."""
        fresh: list[_PointRow] = []
        again: dict[tuple[int, str, int], _PointRow] = {}
        self._connection.begin()
        try:
            for database, points in batches:
                self._create_database(database)
                self._sort(database, points, fresh, again)
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
    ) -> None:
        """Deals the points into those that are surely new, and those that may replace one."""
        # Points of one object share their tags, mostly: the same mapping need not be looked up by its contents again.
        known: dict[tuple[int, str], _Series] = {}
        for point in points:
            here = (id(point.tags), point.measurement)
            series = known.get(here)
            if series is None:
                series = known[here] = self._series_of(database, point)
            time = micros(point.time)
            if time > series.newest:
                series.newest = time
                for name, value in point.fields.items():
                    fresh.append((series.id, name, time, *_typed(value)))
            else:
                for name, value in point.fields.items():
                    again[series.id, name, time] = (series.id, name, time, *_typed(value))

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
        series = known.get(key)
        if series is None:
            series = known[key] = _Series(self._next)
            self._next += 1
            tags = point.tags
            named = (tags.get(tag, "") for tag in COLUMNS)
            others = {tag: value for tag, value in tags.items() if tag not in COLUMNS}
            self._series.append_row(series.id, database, point.measurement, *named, others)
        return series

    def _load(self, run: str) -> dict[Any, _Series]:
        rows = self._connection.execute(
            "select id, database, measurement, run, model, esdl_id, esdl_name, others, newest from series "
            "left join (select series, max(time) as newest from points where series in "
            "(select id from series where run = $1) group by series) as p on p.series = series.id where run = $1",
            [run],
        ).fetchall()
        known = {}
        for id_, database, measurement, *named, others, newest in rows:
            tags = {tag: value for tag, value in zip(COLUMNS, named, strict=True) if value} | others
            known[database, measurement, frozenset(tags.items())] = _Series(id_, _NEVER if newest is None else newest)
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
