"""Tables in DuckDB: out of the store, through SQL, and back. What comes as Parquet goes as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from diastema_services.store import Store


class Refused(Exception):
    """A job that cannot be done as it was asked for; the text is for whoever asked."""


class Tables:
    """One job's tables, `t0`, `t1`, ..., in the order of its inputs."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self.sql = duckdb.connect(directory / "tables.duckdb")
        self.suffix = ".csv"

    def load(self, number: int, path: str) -> None:
        names = self._store.tables(path)
        if not names:
            raise Refused(f"there is no table in {path}")
        suffixes = {Path(name).suffix for name in names}
        if len(suffixes) > 1:
            raise Refused(f"{path} has both CSV and Parquet in it")
        self.add(number, [self._store.read(name) for name in names], suffixes.pop())

    def add(self, number: int, contents: Sequence[bytes], suffix: str, csv: str = "header = true") -> None:
        """`contents` are the files of one table; `csv` says how to read them, where that is what they are."""
        files = []
        for part, content in enumerate(contents):
            file = self._directory / f"{number}-{part}{suffix}"
            file.write_bytes(content)
            files.append(str(file))
        if number == 0:
            self.suffix = suffix
        missing = "nullstr = ['', 'NA', 'NaN'], union_by_name = true"
        read = f"read_csv(?, {missing}, {csv})" if suffix == ".csv" else "read_parquet(?)"
        self.run(f"CREATE TABLE t{number} AS FROM {read}", [files])
        for name in self.columns(number):
            if name != name.lower():
                self.rename(number, name, name.lower())

    def rename(self, number: int, old: str, new: str) -> None:
        self.run(f"ALTER TABLE t{number} RENAME COLUMN {quoted(old)} TO {quoted(new)}")

    def save(self, query: str, path: str) -> None:
        """As the one table in the folder `path`: what an earlier attempt left there goes.

        What is missing is `NA` in CSV: a row of nothing would be an empty line, and so no row.
        """
        file = self._directory / f"saved{self.suffix}"
        options = "FORMAT parquet" if self.suffix == ".parquet" else "FORMAT csv, HEADER, NULLSTR 'NA'"
        self.run(f"COPY ({query}) TO {text(file)} ({options})")
        for name in self._store.tables(path):
            self._store.remove(name)
        self._store.write(f"{path.rstrip('/')}/part-00000{self.suffix}", file.read_bytes())

    def columns(self, number: int = 0) -> dict[str, str]:
        """The type of each column by its name."""
        return {name: kind for name, kind, *_ in self.run(f"DESCRIBE t{number}").fetchall()}

    def count(self, number: int = 0, where: str = "true") -> int:
        found = self.run(f"SELECT count(*) FROM t{number} WHERE {where}").fetchone()
        return int(found[0]) if found else 0

    def arrays(self, number: int = 0) -> dict[str, Any]:
        """The values of each column; masked where some are missing."""
        return self.run(f"FROM t{number}").fetchnumpy()

    def run(self, query: str, values: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        try:
            return self.sql.execute(query, values)
        except duckdb.Error as error:
            raise Refused(str(error).splitlines()[0]) from error


@contextmanager
def tables(store: Store, *inputs: str) -> Iterator[Tables]:
    with TemporaryDirectory(prefix="tables-") as directory:
        loaded = Tables(store, Path(directory))
        try:
            for number, path in enumerate(inputs):
                loaded.load(number, path)
            yield loaded
        finally:
            loaded.sql.close()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    """As SQL writes text."""
    return "'" + str(value).replace("'", "''") + "'"
