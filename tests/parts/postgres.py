"""PostgreSQL as Debian ships it: one server a test session, one database a test; stopped hard and started at will."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.parts import executable, free_port

USER = "postgres"


class PostgreSQL:
    """A server on a free port of loopback. It refuses to run as root, so root starts it as its own user."""

    def __init__(self) -> None:
        places = ("usr/lib/postgresql/*/bin/{}", "usr/pgsql-*/bin/{}")
        initdb, self._pg_ctl = (
            executable("postgresql", name, *(place.format(name) for place in places)) for name in ("initdb", "pg_ctl")
        )
        self._as: dict[str, Any] = {}
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="podium-postgres-"))
        if os.geteuid() == 0:
            self._as = {"user": USER, "group": USER, "extra_groups": []}
            shutil.chown(self._directory, USER, USER)
        self._data = self._directory / "data"
        self._names = itertools.count(1)
        self._run(initdb, "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        # It dies alone and never with its machine: what it wrote outlives it without a sync, which would also sync
        # every file of every database whenever it starts after a kill.
        options = f"-p {self.port} -k {self._directory} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run(self._pg_ctl, "-D", self._data, "-w", "-s", "-o", options, "-l", self._directory / "log", "start")

    def kill(self) -> None:
        """End it at once, with nobody asked and nothing written back."""
        self._run(self._pg_ctl, "-D", self._data, "-w", "-s", "-m", "immediate", "stop")

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._directory)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self) -> str:
        """A new empty database. Returns its URL."""
        name = f"test_{next(self._names)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _run(self, *command: object) -> None:
        # The server inherits what is open: it must not hold a pipe that we would wait for the end of.
        with (self._directory / "output").open("a+b") as output:
            arguments = [str(word) for word in command]
            done = subprocess.run(arguments, stdout=output, stderr=output, cwd="/", check=False, **self._as)
            output.seek(0)
            assert done.returncode == 0, output.read().decode()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; the test runs once with each of the two kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.create()
