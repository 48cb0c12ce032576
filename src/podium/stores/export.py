"""A run's series as files for a spreadsheet or a notebook: one file a measurement, a column a field.

DuckDB writes them itself, in chunks, so a long run needs no more memory than a short one.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; what strangers name is quoted by `series_sql`
from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from podium.stores.series import ID_TAG, MODEL_TAG, NAME_TAG
from podium.stores.series_queries import measurements
from podium.stores.series_sql import column_of, field_kinds, identifier, literal, tag_sql


@dataclass(frozen=True, slots=True)
class Format:
    suffix: str
    options: str
    time: str


CSV = Format(
    ".csv",
    "(format csv, header)",
    "if(time % 1000000 = 0, strftime(make_timestamp(time), '%Y-%m-%dT%H:%M:%SZ'),"
    " strftime(make_timestamp(time), '%Y-%m-%dT%H:%M:%S.%fZ'))",
)
PARQUET = Format(".parquet", "(format parquet, compression zstd)", "make_timestamp(time) at time zone 'UTC'")


def export(connection: duckdb.DuckDBPyConnection, run: str, directory: Path, form: Format) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for measurement in measurements(connection, run):
        which = {"run": run, "measurement": measurement}
        columns = [("time", form.time), ("unix_time", "time / 1e6")]
        columns += [(tag, tag_sql(tag)) for tag in (MODEL_TAG, ID_TAG, NAME_TAG, *_other_tags(connection, which))]
        kinds = field_kinds(connection, "run = $run and measurement = $measurement", which)
        columns += [(field, column_of(field, kind)) for field, kind in kinds.items()]
        path = directory / (_unused(_file_name(measurement), {path.stem.lower() for path in written}) + form.suffix)
        connection.execute(
            f"""
            copy (
                select {_named(columns)} from points join series on series.id = points.series
                where run = $run and measurement = $measurement
                group by series, points.time, model, esdl_id, esdl_name, others
                order by points.time, series.esdl_id, series.model, series
            ) to {literal(str(path))} {form.options}
            """,
            which,
        )
        written.append(path)
    return written


def _other_tags(connection: duckdb.DuckDBPyConnection, which: dict[str, Any]) -> list[str]:
    query = (
        "select distinct unnest(map_keys(others)) as tag from series "
        "where run = $run and measurement = $measurement order by tag"
    )
    return [tag for (tag,) in connection.execute(query, which).fetchall()]


def _named(columns: list[tuple[str, str]]) -> str:
    """The columns of a `select`; DuckDB's names do not differ by case alone, those of fields may."""
    taken: set[str] = set()
    shown = []
    for name, sql in columns:
        name = _unused(name, taken)  # noqa: PLW2901
        taken.add(name.lower())
        shown.append(f"{sql} as {identifier(name)}")
    return ", ".join(shown)


def _file_name(measurement: str) -> str:
    """Measurements are named by strangers: nothing of theirs may lead out of the directory."""
    return re.sub(r"[^\w.-]", "_", measurement).strip(".")[:100] or "_"


def _unused(name: str, taken: Collection[str]) -> str:
    unused, number = name, 1
    while unused.lower() in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused
