"""Series in DuckDB: what a laptop has instead of an InfluxDB.

Writers meet in a group commit: while one transaction is being written, whoever else comes waits for the next, which
takes all of them. So an answered write is on disk, and a lone one waits for nobody. The one writer has a thread to
itself; readers have their own and see committed points only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import duckdb
import structlog

from podium.errors import Unavailable
from podium.stores import export, series_queries
from podium.stores.influx_query import Select, Show, Table
from podium.stores.influx_select import select
from podium.stores.influx_show import Listing, show
from podium.stores.series import EVERYTHING, Filter, Point, Row, Summary, Trace, checked
from podium.stores.series_tables import Writer, connect

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")


class DuckDbSeries:
    """A `SeriesStore` in one file. One process at a time can have it open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = ThreadPoolExecutor(1, "series-writer")
        self._reading = ThreadPoolExecutor(2, "series-reader")
        self._waiting: list[tuple[str, Sequence[Point], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writing, self._open)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._root = connect(self._path)
            self._writer = Writer(self._root.cursor())
        except duckdb.Error as error:
            raise Unavailable(
                f"the series store cannot be opened: {_first_line(error)}",
                where=str(self._path),
                hint="Is another Podium using this data directory?",
            ) from error
        self._path.chmod(0o600)

    async def close(self) -> None:
        while self._committing is not None:
            await asyncio.wait([self._committing])
        await asyncio.to_thread(self._reading.shutdown)
        await asyncio.get_running_loop().run_in_executor(self._writing, self._root.close)
        self._writing.shutdown()

    async def write(self, points: Sequence[Point], *, database: str = "") -> None:
        await self._commit(database, checked(points))

    async def create_database(self, name: str) -> None:
        await self._commit(name, ())

    async def _commit(self, database: str, points: Sequence[Point]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((database, points, done))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all(), name="series-commit")
        await done

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            outcomes = await loop.run_in_executor(self._writing, self._write_group, [entry[:2] for entry in group])
            for (_, _, done), outcome in zip(group, outcomes, strict=True):
                if done.cancelled():  # nobody waits any more; it is written all the same
                    continue
                if outcome is None:
                    done.set_result(None)
                else:
                    done.set_exception(outcome)
        self._committing = None

    def _write_group(self, batches: Sequence[tuple[str, Sequence[Point]]]) -> list[Exception | None]:
        """Writes all, or, if that fails, each alone, so that what one writer sent cannot fail the others."""
        try:
            return list(self._writer.write(batches))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for it must hear
            if len(batches) > 1:
                return [outcome for batch in batches for outcome in self._write_group([batch])]
            log.error("series.write_failed", points=len(batches[0][1]), error=_first_line(error))
            return [Unavailable(f"the series store did not take the points: {_first_line(error)}")]

    async def measurements(self, run: str) -> list[str]:
        return await self._read(series_queries.measurements, run)

    async def summary(self, run: str) -> list[Summary]:
        return await self._read(series_queries.summary, run)

    async def rows(self, run: str, wanted: Filter = EVERYTHING, *, limit: int = 10_000, stride: int = 1) -> list[Row]:
        return await self._read(series_queries.rows, run, wanted, limit, stride)

    async def traces(self, run: str, *, buckets: int = 400, panels: int = 24, lines: int = 4) -> list[Trace]:
        return await self._read(series_queries.traces, run, buckets, panels, lines)

    async def export_csv(self, run: str, directory: Path) -> list[Path]:
        return await self._read(export.export, run, directory, export.CSV)

    async def export_parquet(self, run: str, directory: Path) -> list[Path]:
        return await self._read(export.export, run, directory, export.PARQUET)

    async def drop(self, run: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writing, self._writer.drop, run)

    async def databases(self) -> list[str]:
        return await self._read(series_queries.databases)

    async def show(self, database: str, statement: Show) -> list[Listing]:
        return await self._read(show, database, statement)

    async def select(self, database: str, statement: Select) -> list[Table]:
        """Answers a `SELECT` of InfluxQL. Raises DocumentRefused when it asks for what cannot be done."""
        return await self._read(select, database, statement)

    async def _read(
        self, question: Callable[Concatenate[duckdb.DuckDBPyConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        def ask() -> T:
            try:
                with self._root.cursor() as cursor:
                    return question(cursor, *args, **kwargs)
            except duckdb.OperationalError as error:
                raise Unavailable(f"the series store cannot be read: {_first_line(error)}") from error

        return await asyncio.get_running_loop().run_in_executor(self._reading, ask)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
