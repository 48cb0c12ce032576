"""Where SQLite and PostgreSQL differ: how they are opened, made durable, and what their errors mean.

Everything above works with SQLAlchemy Core and does not ask which of the two it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from podium.errors import JournalDamaged, PodiumError, SettingsError, Unavailable

T = TypeVar("T")

LOCK_SECONDS = 30.0  # for which somebody else may hold the database before we give up
SCHEMA_LOCK = 0x506F6469756D  # the advisory lock under which PostgreSQL's tables are made


class Database:
    """One database by its URL: `sqlite:///path` or `postgresql://…`.

    Args:
        idle_seconds: after which PostgreSQL ends a transaction whose process has stopped in the middle of it.
    """

    def __init__(self, url: str, *, idle_seconds: float = 15.0) -> None:
        self.url = _read_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._idle_seconds = idle_seconds
        self._durable: bool | None = None
        self.readers = self._engine("BEGIN", pool_size=4)
        self.writers = self._engine("BEGIN IMMEDIATE", pool_size=1)

    def __str__(self) -> str:
        return str(self.url.database) if self.sqlite else self.url.render_as_string(hide_password=True)

    def prepare(self, make_tables: Callable[[Connection], None]) -> None:
        """Create the file and the tables, one process at a time; look whether the file is whole."""
        if self.sqlite:
            self._create_file()
        with self.writers.connect() as connection:
            if self.sqlite:
                self._write_ahead(connection)
            with connection.begin():
                if self.sqlite:
                    self._check(connection)
                else:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
                make_tables(connection)
        if self.sqlite:
            _sync_directory(Path(str(self.url.database)).parent)

    def durable(self, connection: Connection, wanted: bool) -> None:
        """Have the next transaction be on disk when it is committed, or merely with the operating system.

        PostgreSQL always syncs: what it has not written dies with the server, not only with a power cut.
        """
        if self.sqlite and wanted is not self._durable:
            raw: Any = connection.connection.driver_connection
            raw.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
            self._durable = wanted

    def disconnected(self) -> None:
        """The writing connection is gone, and with it what was set on it."""
        self._durable = None

    def read(self, query: Callable[[Connection], T]) -> T:
        try:
            with self.readers.connect() as connection:
                return query(connection)
        except DBAPIError as error:
            raise self.explain(error) from error

    def dispose(self) -> None:
        self.readers.dispose()
        self.writers.dispose()

    def away(self, error: DBAPIError) -> bool:
        """Whether the server is gone or not there yet, so that connecting again may help."""
        if self.sqlite or not isinstance(error, OperationalError | InterfaceError):
            return False
        code = getattr(error.orig, "sqlstate", None)
        return error.connection_invalidated or code is None or code.startswith(("08", "57P"))

    def explain(self, error: DBAPIError) -> PodiumError:
        """The error in the user's terms. Parameters and passwords are not in it."""
        code = str(getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or "")
        where = str(self)
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or code in ("XX001", "XX002"):
            return JournalDamaged(f"the database is damaged ({error.orig})", where=where, hint=RESTORE)
        if code in ("SQLITE_FULL", "53100"):
            return Unavailable("the disk is full, nothing was written", where=where, hint="Free some space")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or code == "55P03":
            return Unavailable(
                f"another process has kept the database locked for {LOCK_SECONDS:.0f} s", where=where, hint="End it"
            )
        if code.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
            return Unavailable(
                f"the file cannot be used ({error.orig})", where=where, hint="See to the disk and rights"
            )
        return Unavailable(f"the database does not answer ({error.orig})".replace("\n", " "), where=where)

    def _engine(self, begin: str, *, pool_size: int) -> Engine:
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "hide_parameters": True}
        if not self.sqlite:
            keep = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
            options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5, **keep}}
        engine = create_engine(self.url, **options)
        if self.sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        else:
            event.listen(engine, "connect", self._prepare_postgresql)
        return engine

    def _prepare_postgresql(self, raw: Any, _record: Any) -> None:
        raw.execute("SET synchronous_commit = on")
        raw.execute(f"SET lock_timeout = {LOCK_SECONDS * 1000:.0f}")
        raw.execute(f"SET idle_in_transaction_session_timeout = {self._idle_seconds * 1000:.0f}")
        raw.commit()

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
        raw: Any = connection.connection.driver_connection
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                raw.execute("PRAGMA journal_mode = WAL").fetchone()
            except raw.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise DBAPIError.instance(None, None, error, raw.Error) from error
                time.sleep(0.02)
            else:
                return

    def _check(self, connection: Connection) -> None:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise JournalDamaged(f"the database is damaged ({found})", where=str(self), hint=RESTORE)


RESTORE = "Stop Podium, keep the file for a look at it, and restore the data directory from a copy"


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


def _prepare_sqlite(raw: Any, _record: Any) -> None:
    raw.isolation_level = None  # transactions are begun by us, where we want them
    # A damaged byte in a text must reach the checksum instead of failing the query without a name.
    raw.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
    raw.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000:.0f}")
    raw.execute("PRAGMA journal_size_limit = 67108864")


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
