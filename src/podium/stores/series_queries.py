"""The questions about one run's series, in SQL for the tables of `series_tables`."""

# ruff: noqa: S608 - the SQL is put together from our own words; what strangers name is quoted by `series_sql`
from __future__ import annotations

from typing import Any

import duckdb

from podium.stores.series import Filter, Row, Summary, Trace, Value
from podium.stores.series_sql import NUMBER
from podium.stores.series_tables import micros

OF_RUN = "from points join series on series.id = points.series where run = $run"


def databases(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute("select name from databases order by name").fetchall()]


def measurements(connection: duckdb.DuckDBPyConnection, run: str) -> list[str]:
    query = "select distinct measurement from series where run = $1 order by measurement"
    return [name for (name,) in connection.execute(query, [run]).fetchall()]


def summary(connection: duckdb.DuckDBPyConnection, run: str) -> list[Summary]:
    rows = connection.execute(
        f"""
        select measurement, field, count(distinct series), count(*), min({NUMBER}), avg({NUMBER}), max({NUMBER}),
            arg_max(
                struct_pack(number := number, whole := whole, truth := truth, text := text),
                struct_pack(time := time, esdl_id := esdl_id, model := model)  -- of text the last in this order
            ),
            -- Sorted, as the last digits of a sum depend on its order.
            list_avg(list_sort(list({NUMBER}) filter (time = latest))), count(*) filter (time = latest),
            min(time), latest
        from points join series on series.id = points.series
        join (
            select measurement, field, max(time) as latest {OF_RUN} group by measurement, field
        ) as ends using (measurement, field)
        where run = $run group by measurement, field, latest order by measurement, field
        """,
        {"run": run},
    ).fetchall()
    return [
        Summary(
            *(measurement, field, objects, count, low, mean, high),
            _value(*last.values()) if ends == 1 or mean_last is None else mean_last,
            *(first / 1e6, latest / 1e6),
        )
        for measurement, field, objects, count, low, mean, high, last, mean_last, ends, first, latest in rows
    ]


def rows(connection: duckdb.DuckDBPyConnection, run: str, wanted: Filter, limit: int, stride: int) -> list[Row]:
    conditions, parameters = _conditions(wanted)
    nth = "(row_number() over (partition by series, field order by time) - 1) % $stride = 0"
    found = connection.execute(
        f"""
        select time, measurement, model, esdl_id, esdl_name, field, number, whole, truth, text
        {OF_RUN}{conditions}{f" qualify {nth}" if stride > 1 else ""}
        order by time, measurement, series, field limit $limit
        """,
        {"run": run, "limit": limit, **parameters, **({"stride": stride} if stride > 1 else {})},
    ).fetchall()
    return [
        Row(time / 1e6, measurement, model, esdl_id, esdl_name, field, _value(number, whole, truth, text))
        for time, measurement, model, esdl_id, esdl_name, field, number, whole, truth, text in found
    ]


def traces(connection: duckdb.DuckDBPyConnection, run: str, buckets: int, panels: int, lines: int) -> list[Trace]:
    drawn = []
    fields = connection.execute(
        f"""
        select measurement, field, count(distinct series), min(time), max(time)
        {OF_RUN} and text is null group by measurement, field order by measurement, field limit $panels
        """,
        {"run": run, "panels": panels},
    ).fetchall()
    for measurement, field, objects, first, last in fields:
        width = max(1, -(-(last - first + 1) // buckets))
        label = "coalesce(nullif(esdl_name, ''), nullif(esdl_id, ''), model)" if objects <= lines else "''"
        which = "series" if objects <= lines else "0"
        found = connection.execute(
            f"""
            select label, list(time order by time), list(mean order by time), list(low order by time),
                list(high order by time)
            from (
                select {which} as which, any_value({label}) as label, min(time) / 1e6 as time,
                    avg({NUMBER}) as mean, min({NUMBER}) as low, max({NUMBER}) as high
                {OF_RUN} and measurement = $measurement and field = $field and text is null
                group by which, (time - $first) // $width
            ) group by which, label order by label, which
            """,
            {"run": run, "measurement": measurement, "field": field, "first": first, "width": width},
        ).fetchall()
        each = 1 if objects <= lines else objects
        drawn += [Trace(measurement, field, name, each, *map(tuple, columns)) for name, *columns in found]
    return drawn


def _conditions(wanted: Filter) -> tuple[str, dict[str, Any]]:
    told = {
        "measurement = $measurement": wanted.measurement,
        "field = $field": wanted.field,
        "esdl_id = $esdl_id": wanted.esdl_id,
        "time >= $start": None if wanted.start is None else micros(wanted.start),
        "time < $end": None if wanted.end is None else micros(wanted.end),
    }
    given = {condition: value for condition, value in told.items() if value is not None}
    sql = "".join(f" and {condition}" for condition in given)
    return sql, {condition.partition("$")[2]: value for condition, value in given.items()}


def _value(number: float | None, whole: int | None, truth: bool | None, text: str | None) -> Value:
    for value in (number, whole, truth):
        if value is not None:
            return value
    return text or ""
