"""Series in somebody's InfluxDB 1.x: models write there themselves, Podium reads.

To answer, a run's points are fetched into a DuckDB file of the moment, so that there is one way to summarize, thin and
export, and a run never has to fit in memory.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import structlog

from podium.errors import SettingsError, Unavailable
from podium.stores.series import (
    EVERYTHING,
    ID_TAG,
    RUN_TAG,
    FieldsConflict,
    Filter,
    Point,
    Row,
    Summary,
    Trace,
    Value,
    checked,
)
from podium.stores.series_duckdb import DuckDbSeries
from podium.stores.series_tables import micros

log = structlog.get_logger()

CHUNK = 10_000
_CONFLICT = re.compile(r"field type conflict: (.*) dropped=(\d+)")


class InfluxSeries:
    """A `SeriesStore` on an InfluxDB 1.x.

    Args:
        url: such as `http://host:8086`.
        user: who may read, write and create the database; empty where nobody is asked.
        password: goes into a header, never into an address.
        database: where the models write.
    """

    def __init__(self, url: str, user: str, password: str, database: str) -> None:
        self.url = url
        self.database = database
        auth = httpx.BasicAuth(user, password) if user else None
        self._client = httpx.AsyncClient(base_url=url, auth=auth, timeout=httpx.Timeout(10, read=60))

    @classmethod
    def from_url(cls, url: str) -> InfluxSeries:
        """`http://user:password@host:8086/database`."""
        parts = urlsplit(url)
        database = unquote(parts.path.strip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname or not database:
            raise SettingsError(
                "the series store is no InfluxDB address", hint="Write http://user:password@host:8086/database"
            )
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return cls(place, unquote(parts.username or ""), unquote(parts.password or ""), database)

    async def open(self) -> None:
        """Makes the database. One that cannot be reached is only logged: runs do not wait for their results' store."""
        try:
            await self._ask(f"CREATE DATABASE {_identifier(self.database)}")
        except Unavailable as error:
            log.warning("series.unavailable", store=self.url, error=error.problem)

    async def close(self) -> None:
        await self._client.aclose()

    async def write(self, points: Sequence[Point], *, database: str = "") -> None:
        body = "\n".join(map(_line, checked(points)))
        parameters = {"db": database or self.database, "precision": "u"}
        with _unavailable(self.url):
            answer = await self._client.post("/write", params=parameters, content=body.encode())
        if answer.status_code == httpx.codes.BAD_REQUEST and (found := _CONFLICT.search(answer.json()["error"])):
            raise FieldsConflict(found[1], int(found[2]))
        _checked(answer, self.url)

    async def measurements(self, run: str) -> list[str]:
        answer = await self._ask(f"SHOW MEASUREMENTS WHERE {RUN_TAG} = {_string(run)}")
        return sorted(name for series in answer for (name,) in series["values"])

    async def summary(self, run: str) -> list[Summary]:
        async with self._fetched(run) as local:
            return await local.summary(run)

    async def rows(self, run: str, wanted: Filter = EVERYTHING, *, limit: int = 10_000, stride: int = 1) -> list[Row]:
        async with self._fetched(run, wanted) as local:
            return await local.rows(run, wanted, limit=limit, stride=stride)

    async def traces(self, run: str, *, buckets: int = 400, panels: int = 24, lines: int = 4) -> list[Trace]:
        async with self._fetched(run) as local:
            return await local.traces(run, buckets=buckets, panels=panels, lines=lines)

    async def export_csv(self, run: str, directory: Path) -> list[Path]:
        async with self._fetched(run) as local:
            return await local.export_csv(run, directory)

    async def export_parquet(self, run: str, directory: Path) -> list[Path]:
        async with self._fetched(run) as local:
            return await local.export_parquet(run, directory)

    async def drop(self, run: str) -> None:
        await self._ask(f"DROP SERIES WHERE {RUN_TAG} = {_string(run)}")

    @asynccontextmanager
    async def _fetched(self, run: str, wanted: Filter = EVERYTHING) -> AsyncIterator[DuckDbSeries]:
        with tempfile.TemporaryDirectory(prefix="podium-series-") as directory:
            local = DuckDbSeries(Path(directory) / "series.duckdb")
            await local.open()
            try:
                async for points in self._points(run, wanted):
                    await local.write(points)
                yield local
            finally:
                await local.close()

    async def _points(self, run: str, wanted: Filter) -> AsyncIterator[list[Point]]:
        kinds = await self._field_kinds()
        conditions = [f"{RUN_TAG} = {_string(run)}"]
        if wanted.esdl_id is not None:
            conditions.append(f"{ID_TAG} = {_string(wanted.esdl_id)}")
        if wanted.start is not None:
            conditions.append(f"time >= {micros(wanted.start)}u")
        if wanted.end is not None:
            conditions.append(f"time < {micros(wanted.end)}u")
        what = "*" if wanted.field is None else _identifier(wanted.field)
        where = "/.*/" if wanted.measurement is None else _identifier(wanted.measurement)
        query = f"SELECT {what} FROM {where} WHERE {' AND '.join(conditions)} GROUP BY *"  # noqa: S608
        parameters = {"db": self.database, "q": query, "epoch": "u", "chunked": "true", "chunk_size": str(CHUNK)}
        with _unavailable(self.url):
            async with self._client.stream("POST", "/query", data=parameters) as response:
                if response.is_error:
                    await response.aread()
                    _checked(response, self.url)
                async for line in response.aiter_lines():
                    for series in _series(line, self.url):
                        yield _read(series, kinds.get(series["name"], {}))

    async def _field_kinds(self) -> dict[str, dict[str, str]]:
        """InfluxDB writes the float 3.0 as 3: what it is, only this tells."""
        return {series["name"]: dict(series["values"]) for series in await self._ask("SHOW FIELD KEYS")}

    async def _ask(self, query: str) -> list[dict[str, Any]]:
        with _unavailable(self.url):
            response = await self._client.post("/query", data={"db": self.database, "q": query, "epoch": "u"})
            return _series(_checked(response, self.url).text, self.url)


class _unavailable:  # noqa: N801 - used as a word
    """A connection that fails is the store's fault, not the caller's."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.HTTPError):
            raise Unavailable(
                f"InfluxDB cannot be reached ({type(error).__name__})",
                where=self._url,
                hint="Is it running, and is the setting `series` right?",
            ) from error


def _checked(response: httpx.Response, url: str) -> httpx.Response:
    if response.is_error:
        raise Unavailable(f"InfluxDB answered {response.status_code}: {response.text[:300].strip()}", where=url)
    return response


def _series(answer: str, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for result in json.loads(answer).get("results", ()):
        problem = result.get("error")
        if problem and not problem.startswith("database not found"):  # before the first write there is none
            raise Unavailable(f"InfluxDB answered: {problem}", where=url)
        found += result.get("series", ())
    return found


def _read(series: Mapping[str, Any], kinds: Mapping[str, str]) -> list[Point]:
    tags = {tag: value for tag, value in series.get("tags", {}).items() if value}
    names = series["columns"][1:]
    types = [float if kinds.get(name) == "float" else _as_it_is for name in names]
    return [
        Point(
            series["name"],
            tags,
            {name: type_(value) for name, type_, value in zip(names, types, values, strict=True) if value is not None},
            time / 1e6,
        )
        for time, *values in series["values"]
    ]


def _as_it_is(value: Value) -> Value:
    return value


def _line(point: Point) -> str:
    tags = "".join(f",{_escaped(tag)}={_escaped(point.tags[tag])}" for tag in sorted(point.tags))
    fields = ",".join(f"{_escaped(name)}={_field(value)}" for name, value in point.fields.items())
    return f"{_escaped(point.measurement)}{tags} {fields} {micros(point.time)}"


def _escaped(name: str) -> str:
    return re.sub(r"([,= ])", r"\\\1", name)


def _field(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value}i"
        case float():
            return repr(value)
        case _:
            return _identifier(value)


def _identifier(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _string(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
