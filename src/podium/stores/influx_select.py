"""Answers a `SELECT` of InfluxQL from the tables of `series_tables`, in the shape InfluxDB would."""

# ruff: noqa: S608 - the SQL is put together from our own words; what strangers name is quoted by `series_sql`
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

import duckdb

from podium.errors import DocumentRefused
from podium.stores.influx_fill import filled, span
from podium.stores.influx_query import Column, Select, Table
from podium.stores.influx_show import tags_of
from podium.stores.series_sql import NUMBER, column_of, field_kinds, literal, tag_sql
from podium.stores.series_tables import micros

MAX_ROWS = 100_000

_FUNCTIONS = {
    "mean": "avg({value})",
    "sum": "sum({value})",
    "min": "min({value})",
    "max": "max({value})",
    "count": "count(*)",
    "first": "arg_min({value}, time)",
    "last": "arg_max({value}, time)",
}
# These pick one point, so that their answer has its time.
_SELECTORS = {
    "min": "arg_min(time, {value})",
    "max": "arg_max(time, {value})",
    "first": "min(time)",
    "last": "max(time)",
}
_VALUES = {"varchar": "text", "boolean": "truth", "bigint": "whole"}
# The kinds of fields that these cannot take.
_UNSUITED = {"mean": ("varchar", "boolean"), "sum": ("varchar", "boolean"), "min": ("varchar",), "max": ("varchar",)}


def select(connection: duckdb.DuckDBPyConnection, database: str, asked: Select) -> list[Table]:
    """Raises DocumentRefused for a function that the field's kind has not, and for too many rows without points."""
    gaps = span(asked, asked.every) if asked.every is not None and asked.empty else None
    if gaps is not None:
        gaps.check(MAX_ROWS)
    where, parameters = _where(database, asked)
    kinds = field_kinds(connection, where, parameters)
    tags = tags_of(connection, database, asked.measurement)
    grouped = tags if asked.all_tags else list(asked.tags)
    columns = _expanded(asked.columns, kinds, [tag for tag in tags if tag not in grouped])
    fields = [column.name for column in columns if column.name in kinds]
    if not fields:
        return []
    if asked.columns[0].function is None:
        time, by = "points.time", "series, points.time, run, model, esdl_id, esdl_name, others"
        wanted = [
            column_of(name, kinds[name]) if name in kinds else f"nullif({tag_sql(name)}, '')"
            for name in (column.name for column in columns)
        ]
    else:
        time, by = _time_of_aggregate(asked, columns, kinds), ", ".join(["bucket", *map(tag_sql, grouped)])
        wanted = [_aggregate(column, kinds) for column in columns]
    shown = [f"{tag_sql(tag)} as g{number}" for number, tag in enumerate(grouped)]
    shown += [f"{time} as moment", *(f"{sql} as c{number}" for number, sql in enumerate(wanted))]
    group = [f"g{number}" for number in range(len(grouped))]
    order = "desc" if asked.descending else "asc"
    partition = f"partition by {', '.join(group)}" if group else ""
    limit = MAX_ROWS + 1 if asked.limit is None else min(asked.limit, MAX_ROWS + 1)
    enough = limit if gaps is None else MAX_ROWS + 1  # a column begins at its first point, which may be its last row
    found = connection.execute(
        f"""
        with chosen as (
            select points.*, series.* exclude (id), {_bucket(asked)} as bucket
            from points join series on series.id = points.series
            where {where} and field in ({", ".join(map(literal, fields))})
        ), answered as (select {", ".join(shown)} from chosen as points group by {by})
        select * from answered qualify row_number() over ({partition} order by moment {order}) <= {enough}
        order by {", ".join(f"{key} {order}" for key in [*group, "moment"])} limit {MAX_ROWS + 1}
        """,
        parameters,
    ).fetchall()
    labels = [asked.time, *_labels(columns)]
    tables: list[Table] = []
    partial = len(found) > MAX_ROWS
    room = MAX_ROWS
    for key, rows in groupby(found[:MAX_ROWS], key=lambda row: row[: len(grouped)]):
        told: Iterable[list[Any]] = (list(row[len(grouped) :]) for row in rows)
        if gaps is not None:
            told = filled(list(told), columns, gaps, descending=asked.descending)
        values = list(islice(told, min(limit, room + 1)))
        partial = partial or len(values) > room
        tables.append(Table(asked.measurement, dict(zip(grouped, key, strict=True)), labels, values[:room]))
        room -= len(tables[-1].values)
    return [replace(table, partial=partial) for table in tables if table.values]


def _where(database: str, asked: Select) -> tuple[str, dict[str, Any]]:
    sql = ["database = $database", "measurement = $measurement"]
    parameters: dict[str, Any] = {"database": database, "measurement": asked.measurement}
    for number, condition in enumerate(asked.conditions):
        what = "points.time" if condition.name == "time" else tag_sql(condition.name)
        sql.append(f"{what} {condition.operator} $v{number}")
        value = condition.value
        parameters[f"v{number}"] = value if isinstance(value, str) else micros(value)
    return " and ".join(sql), parameters


def _expanded(asked: Sequence[Column], kinds: Mapping[str, str], tags: list[str]) -> list[Column]:
    columns = []
    for column in asked:
        if column.name != "*":
            columns.append(column)
        elif column.function is None:
            columns += [Column(name) for name in sorted([*kinds, *tags])]
        else:
            unsuited = _UNSUITED.get(column.function, ())
            suited = [name for name, kind in kinds.items() if kind not in unsuited]
            columns += [Column(name, column.function, f"{column.function}_{name}") for name in suited]
    return columns


def _labels(columns: Sequence[Column]) -> list[str]:
    labels: list[str] = []
    for column in columns:
        label = column.label or column.function or column.name
        same = sum(1 for taken in labels if taken == label)
        labels.append(f"{label}_{same}" if same else label)
    return labels


def _bucket(asked: Select) -> str:
    """Where a point's stretch of time begins; DuckDB divides towards 0, and there is time before 1970."""
    if asked.every is None:
        return "0"
    width = max(1, micros(asked.every))
    return f"points.time - (points.time % {width} + {width}) % {width}"


def _aggregate(column: Column, kinds: Mapping[str, str]) -> str:
    kind = kinds.get(column.name)
    if kind is None or column.function is None:
        return "null"
    if kind in _UNSUITED.get(column.function, ()):
        known = {"varchar": "string"}.get(kind, kind)
        raise DocumentRefused(f"unsupported {column.function} iterator type: {known}", where=column.name)
    sql = _of_field(_FUNCTIONS[column.function], column, kind)
    return f"nullif({sql}, 0)" if column.function == "count" else sql


def _of_field(function: str, column: Column, kind: str) -> str:
    return f"{function.format(value=_VALUES.get(kind, NUMBER))} filter (where field = {literal(column.name)})"


def _time_of_aggregate(asked: Select, columns: Sequence[Column], kinds: Mapping[str, str]) -> str:
    if asked.every is not None:
        return "bucket"
    only = columns[0]
    if len(columns) == 1 and only.function in _SELECTORS:
        return _of_field(_SELECTORS[only.function], only, kinds[only.name])
    return str(
        max((micros(c.value) for c in asked.conditions if isinstance(c.value, float) and ">" in c.operator), default=0)
    )
