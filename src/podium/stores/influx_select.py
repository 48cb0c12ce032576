"""Answers a `SELECT` of InfluxQL from the tables of `series_tables`, in the shape InfluxDB would."""

# ruff: noqa: S608 - the SQL is put together from our own words; what strangers name is quoted by `series_sql`
from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import duckdb

from podium.errors import DocumentRefused
from podium.stores.influx_query import Column, Select, Table
from podium.stores.influx_show import tags_of
from podium.stores.series_sql import NUMBER, column_of, field_kinds, literal, tag_sql
from podium.stores.series_tables import micros

MAX_ROWS = 100_000

_FUNCTIONS = {
    "mean": f"avg({NUMBER})",
    "sum": f"sum({NUMBER})",
    "min": f"min({NUMBER})",
    "max": f"max({NUMBER})",
    "count": "count(*)",
    "first": "arg_min({value}, time)",
    "last": "arg_max({value}, time)",
}
# These pick one point, so that their answer has its time.
_SELECTORS = {
    "min": f"arg_min(time, {NUMBER})",
    "max": f"arg_max(time, {NUMBER})",
    "first": "min(time)",
    "last": "max(time)",
}


def select(connection: duckdb.DuckDBPyConnection, database: str, asked: Select) -> list[Table]:
    """Raises DocumentRefused for a function of text that only numbers have."""
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
        time, by = _time_of_aggregate(asked, columns), ", ".join(["bucket", *map(tag_sql, grouped)])
        wanted = [_aggregate(column, kinds) for column in columns]
    shown = [f"{tag_sql(tag)} as g{number}" for number, tag in enumerate(grouped)]
    shown += [f"{time} as moment", *(f"{sql} as c{number}" for number, sql in enumerate(wanted))]
    group = [f"g{number}" for number in range(len(grouped))]
    order = "moment desc" if asked.descending else "moment"
    partition = f"partition by {', '.join(group)}" if group else ""
    width = 2**62 if asked.every is None else max(1, micros(asked.every))
    limit = MAX_ROWS + 1 if asked.limit is None else asked.limit
    found = connection.execute(
        f"""
        with chosen as (
            select points.*, series.* exclude (id), points.time // {width} * {width} as bucket
            from points join series on series.id = points.series
            where {where} and field in ({", ".join(map(literal, fields))})
        ), answered as (select {", ".join(shown)} from chosen as points group by {by})
        select * from answered qualify row_number() over ({partition} order by {order}) <= {limit}
        order by {", ".join([*group, order])} limit {MAX_ROWS + 1}
        """,
        parameters,
    ).fetchall()
    labels = ["time", *_labels(columns)]
    return [
        Table(
            asked.measurement,
            dict(zip(grouped, key, strict=True)),
            labels,
            [list(row[len(grouped) :]) for row in rows],
            partial=len(found) > MAX_ROWS,
        )
        for key, rows in groupby(found[:MAX_ROWS], key=lambda row: row[: len(grouped)])
    ]


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
            numeric = [name for name, kind in kinds.items() if kind != "varchar"]
            columns += [Column(name, column.function, f"{column.function}_{name}") for name in numeric]
    return columns


def _labels(columns: Sequence[Column]) -> list[str]:
    labels: list[str] = []
    for column in columns:
        label = column.label or column.function or column.name
        same = sum(1 for taken in labels if taken == label)
        labels.append(f"{label}_{same}" if same else label)
    return labels


def _aggregate(column: Column, kinds: Mapping[str, str]) -> str:
    kind = kinds.get(column.name)
    if kind is None or column.function is None:
        return "null"
    if kind == "varchar" and column.function in ("mean", "sum", "min", "max"):
        raise DocumentRefused(f"unsupported {column.function} iterator type: string", where=column.name)
    value = {"varchar": "text", "boolean": "truth", "bigint": "whole"}.get(kind, NUMBER)
    return f"{_FUNCTIONS[column.function].format(value=value)} filter (where field = {literal(column.name)})"


def _time_of_aggregate(asked: Select, columns: Sequence[Column]) -> str:
    if asked.every is not None:
        return "bucket"
    only = columns[0]
    if len(columns) == 1 and only.function in _SELECTORS:
        return f"{_SELECTORS[only.function]} filter (where field = {literal(only.name)})"
    return str(
        max((micros(c.value) for c in asked.conditions if isinstance(c.value, float) and ">" in c.operator), default=0)
    )
