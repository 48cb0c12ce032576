"""Where SQLite and PostgreSQL differ: how they are opened, made durable, and what their errors mean.

Everything above works with SQLAlchemy Core and does not ask which of the two it is.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, ClauseElement, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from podium.errors import Conflict, JournalDamaged, PodiumError, SettingsError, Unavailable

T = TypeVar("T")

LOCK_SECONDS = 30.0  # for which somebody else may hold the database before we give up
SCHEMA_LOCK = 0x506F6469756D  # the advisory lock under which PostgreSQL's tables are made
RESTORE = "Stop Podium, keep the file for a look at it, and restore the data directory from a copy"


def database_errors() -> tuple[type[Exception], ...]:
    """What a database may raise, for an `except`."""
    return (DBAPIError, sqlite3.Error, *_psycopg("Error"))


def _psycopg(*names: str) -> tuple[type[Exception], ...]:
    """Errors of psycopg, which is only loaded where there is a PostgreSQL: else nobody raises them."""
    module = sys.modules.get("psycopg")
    return tuple(getattr(module, name) for name in names) if module else ()


class Database:
    """One database by its URL: `sqlite:///path` or `postgresql://…`.

    Args:
        idle_seconds: after which PostgreSQL ends a transaction whose process has stopped in the middle of it.
    """

    def __init__(self, url: str, *, idle_seconds: float = 15.0) -> None:
        self.url = _read_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._idle_seconds = idle_seconds
        self._synchronous: bool | None = None
        self.readers = self._engine(pool_size=4)
        self.writers = self._engine(pool_size=1)

    def __str__(self) -> str:
        return str(self.url.database) if self.sqlite else self.url.render_as_string(hide_password=True)

    def prepare(self, make_tables: Callable[[Connection], None]) -> None:
        """Create the file, see whether it is whole, create the tables; one process at a time.

        Raises: JournalDamaged, Unavailable.
        """
        try:
            if self.sqlite:
                self._create_file()
            with self.writers.connect() as connection:
                if self.sqlite:
                    self._write_ahead(connection)
                    self.read(self._check)
                with self.transaction(connection):
                    if not self.sqlite:
                        # Nobody holds a lease yet, so nobody waits for whoever is slow here.
                        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
                    make_tables(connection)
            if self.sqlite:
                _sync_directory(Path(str(self.url.database)).parent)
        except OSError as error:
            raise Unavailable(f"the file cannot be made ({error.strerror})", where=str(self)) from error
        except database_errors() as error:
            raise self.explain(error) from error

    def begin(self, connection: Connection, *, durable: bool = True) -> None:
        """Begin to write, alone. It will be on disk when committed if `durable`, else with the operating system.

        PostgreSQL always syncs: what it has not written dies with the server, not only with a power cut.
        """
        driver = raw(connection)
        if self.sqlite and durable is not self._synchronous:
            driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._synchronous = durable
        driver.execute("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")

    def rollback(self, connection: Connection) -> None:
        """After an error, which counts more than one that comes of this."""
        with contextlib.suppress(*database_errors()):
            raw(connection).rollback()

    @contextlib.contextmanager
    def transaction(self, connection: Connection, *, durable: bool = True) -> Iterator[None]:
        self.begin(connection, durable=durable)
        try:
            yield
        except BaseException:
            self.rollback(connection)
            raise
        raw(connection).commit()

    def disconnected(self) -> None:
        """The writing connection is gone, and with it what was set on it."""
        self._synchronous = None

    def read(self, query: Callable[[Connection], T]) -> T:
        try:
            with self.readers.connect() as connection:
                return query(connection)
        except database_errors() as error:
            raise self.explain(error) from error

    def dispose(self) -> None:
        self.readers.dispose()
        self.writers.dispose()

    def away(self, error: Exception) -> bool:
        """Whether the server is gone or not there yet, so that connecting again may help."""
        origin = _origin(error)
        if not isinstance(origin, _psycopg("OperationalError", "InterfaceError")):
            return False
        code = getattr(origin, "sqlstate", None)
        return code is None or code.startswith(("08", "57P", "25P03"))

    def explain(self, error: Exception) -> PodiumError:
        """The error in the user's terms. Parameters and passwords are not in it."""
        origin = _origin(error)
        reason = str(origin).strip().replace("\n", " ")
        code = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None) or ""
        where = str(self)
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002")):
            return JournalDamaged(f"the database is damaged ({reason})", where=where, hint=RESTORE)
        if code in ("SQLITE_FULL", "53100"):
            return Unavailable("the disk is full, nothing was written", where=where, hint="Free some space")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "55P03")):
            locked = f"another process has kept the database locked for {LOCK_SECONDS:.0f} s"
            return Unavailable(locked, where=where, hint="End it")
        if code.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
            return Unavailable(
                f"the file cannot be used ({reason})", where=where, hint="See to the disk and its rights"
            )
        sqlite_refusals = (sqlite3.IntegrityError, sqlite3.InterfaceError)
        if isinstance(origin, (*sqlite_refusals, *_psycopg("IntegrityError", "DataError"))):
            return Conflict(f"the database does not accept it ({reason})", where=where)
        hint = "Look whether it runs there, and lets Podium in"
        return Unavailable(f"the database does not answer ({reason})", where=where, hint=hint)

    def _engine(self, *, pool_size: int) -> Engine:
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "hide_parameters": True}
        if not self.sqlite:
            keep = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
            options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5, **keep}}
        # Transactions are begun by us, where we want them; reading needs none.
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT", **options)
        event.listen(engine, "connect", _prepare_sqlite if self.sqlite else self._prepare_postgresql)
        return engine

    def _prepare_postgresql(self, driver: Any, _record: Any) -> None:
        driver.execute("SET synchronous_commit = on")
        driver.execute(f"SET lock_timeout = {LOCK_SECONDS * 1000:.0f}")
        driver.execute(f"SET idle_in_transaction_session_timeout = {self._idle_seconds * 1000:.0f}")
        driver.commit()

    def _create_file(self) -> None:
        path = Path(str(self.url.database))
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_directory(path.parent.parent)
        # Only a file that is not there is opened here: closing an open one would drop SQLite's locks on it.
        if not path.exists():
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            except FileExistsError:
                return

    def _write_ahead(self, connection: Connection) -> None:
        """Switch to write-ahead logging, which SQLite refuses at once while somebody else looks at the file."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                raw(connection).execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _check(self, connection: Connection) -> None:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise JournalDamaged(f"the database is damaged ({found})", where=str(self), hint=RESTORE)


class Prepared:
    """A statement compiled once for the driver, for where SQLAlchemy's own way to it would cost more than the database.

    Args:
        columns: the values it is given, by name.
    """

    def __init__(self, statement: ClauseElement, database: Database, columns: Sequence[str] = ()) -> None:
        compiled: Any = statement.compile(database.writers, column_keys=list(columns))
        self._text = str(compiled)
        self._values: Callable[[Mapping[str, Any]], Any] = (
            itemgetter(*compiled.positiontup) if compiled.positiontup else lambda row: row
        )

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        values = [self._values(row) for row in rows]
        if len(values) == 1:
            raw(connection).execute(self._text, values[0])
        else:
            raw(connection).cursor().executemany(self._text, values)

    def scalar(self, connection: Connection) -> Any:
        return raw(connection).execute(self._text).fetchone()[0]


def raw(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection


def _origin(error: Exception) -> BaseException:
    return error.orig or error if isinstance(error, DBAPIError) else error


def _read_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("this is no database URL", hint="Say sqlite:///PATH or postgresql://HOST/NAME") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite")
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise SettingsError(f"no journal can be kept in {other} so", hint="Say sqlite:///PATH or postgresql://…")


def _prepare_sqlite(driver: Any, _record: Any) -> None:
    # A damaged byte in a text must reach the checksum instead of failing the query without a name.
    driver.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
    driver.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000:.0f}")
    driver.execute("PRAGMA journal_size_limit = 67108864")


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
