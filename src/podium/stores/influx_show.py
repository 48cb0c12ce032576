"""Answers what InfluxQL's `SHOW` asks: what there is to select from, so that a tool can offer it in lists."""

# ruff: noqa: S608 - the SQL is put together from our own words; what strangers name is quoted by `series_sql`
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import duckdb

from podium.stores.influx_query import POLICY, Show, Shown
from podium.stores.series_queries import databases
from podium.stores.series_sql import field_kinds, tag_sql
from podium.stores.series_tables import COLUMNS

_POLICY = ("name", "duration", "shardGroupDuration", "replicaN", "default")
_TYPES = {"double": "float", "bigint": "integer", "boolean": "boolean", "varchar": "string"}

_Values: TypeAlias = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Listing:
    """One series of an answer that has no times."""

    name: str
    columns: tuple[str, ...]
    values: list[list[Any]]


def show(connection: duckdb.DuckDBPyConnection, database: str, asked: Show) -> list[Listing]:
    """What `database` holds; nothing is left out but what is empty."""
    match asked.what:
        case "databases":
            found = [Listing("databases", ("name",), [[name] for name in databases(connection)])]
        case "retention policies":
            found = [Listing("", _POLICY, [[POLICY, "0s", "168h0m0s", 1, True]])]
        case "measurements":
            found = [Listing("measurements", ("name",), [[name] for name in _measurements(connection, database)])]
        case what:
            columns, values = _OF_MEASUREMENT[what]
            names = [asked.measurement] if asked.measurement else _measurements(connection, database)
            found = [Listing(name, columns, values(connection, database, name, asked)) for name in names]
    return [
        Listing(each.name, each.columns, each.values[: asked.limit]) for each in found if each.values[: asked.limit]
    ]


def tags_of(connection: duckdb.DuckDBPyConnection, database: str, measurement: str) -> list[str]:
    """The tags that any of its series has, in alphabetical order."""
    which = [database, measurement]
    usual = ", ".join(f"bool_or({column} <> '')" for column in COLUMNS.values())
    where = "from series where database = $1 and measurement = $2"
    has = connection.execute(f"select {usual} {where}", which).fetchone() or ()
    others = connection.execute(f"select distinct unnest(map_keys(others)) {where}", which).fetchall()
    return sorted([tag for tag, there in zip(COLUMNS, has, strict=True) if there] + [tag for (tag,) in others])


def _measurements(connection: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    query = "select distinct measurement from series where database = $1 order by measurement"
    return [name for (name,) in connection.execute(query, [database]).fetchall()]


def _tag_keys(connection: duckdb.DuckDBPyConnection, database: str, measurement: str, _asked: Show) -> _Values:
    return [[tag] for tag in tags_of(connection, database, measurement)]


def _field_keys(connection: duckdb.DuckDBPyConnection, database: str, measurement: str, _asked: Show) -> _Values:
    where = "database = $database and measurement = $measurement"
    kinds = field_kinds(connection, where, {"database": database, "measurement": measurement})
    return [[field, _TYPES[kind]] for field, kind in kinds.items()]


def _tag_values(connection: duckdb.DuckDBPyConnection, database: str, measurement: str, asked: Show) -> _Values:
    value = tag_sql(asked.key)
    query = f"select distinct {value} from series where database = $1 and measurement = $2 and {value} <> '' order by 1"
    return [[asked.key, found] for (found,) in connection.execute(query, [database, measurement]).fetchall()]


_OF_MEASUREMENT: Mapping[
    Shown, tuple[tuple[str, ...], Callable[[duckdb.DuckDBPyConnection, str, str, Show], _Values]]
] = {
    "tag keys": (("tagKey",), _tag_keys),
    "field keys": (("fieldKey", "fieldType"), _field_keys),
    "tag values": (("key", "value"), _tag_values),
}
