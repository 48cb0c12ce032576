"""Pieces of SQL for the tables of `series_tables`, shared by whoever asks them something."""

# ruff: noqa: S608 - what strangers name is quoted here
from __future__ import annotations

from typing import Any

import duckdb

from podium.stores.series_tables import COLUMNS

NUMBER = "coalesce(number, whole, truth::integer)"

# A field is of the narrowest kind that holds all its values.
_KINDS = {
    "double": NUMBER,
    "bigint": "coalesce(whole, truth::integer)",
    "boolean": "truth",
    "varchar": "coalesce(text, number::varchar, whole::varchar, truth::varchar)",
}


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def tag_sql(tag: str) -> str:
    """The value of a tag, empty where a series has it not."""
    return COLUMNS.get(tag) or f"coalesce(others[{literal(tag)}], '')"


def field_kinds(connection: duckdb.DuckDBPyConnection, where: str, parameters: dict[str, Any]) -> dict[str, str]:
    """The fields of the series that `where` selects, each with its kind, in alphabetical order."""
    found = connection.execute(
        f"""
        select field, case when count(text) > 0 then 'varchar' when count(number) > 0 then 'double'
            when count(whole) > 0 then 'bigint' else 'boolean' end
        from points join series on series.id = points.series where {where} group by field order by field
        """,
        parameters,
    ).fetchall()
    return dict(found)


def column_of(field: str, kind: str) -> str:
    """A field as a column, where values are grouped by series and time."""
    return f"any_value({_KINDS[kind]}) filter (where field = {literal(field)})"
