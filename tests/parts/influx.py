"""A real InfluxDB 1.x on a free port, with a user and a password or without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.parts import executable, free_port
from tests.parts.program import Program

USER, PASSWORD = "podium", "influx & secret"


class Influx(Program):
    host = "127.0.0.1"
    user, password = USER, PASSWORD

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = executable("influxdb", "influxd")

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self, *, auth: bool = True) -> None:
        config = self.directory / "influxdb.conf"
        config.write_text(
            "reporting-enabled = false\n"
            f'bind-address = "{self.host}:{free_port()}"\n'
            f'[meta]\n  dir = "{self.directory}/meta"\n'
            f'[data]\n  dir = "{self.directory}/data"\n'
            f'  wal-dir = "{self.directory}/wal"\n  query-log-enabled = false\n'
            "[monitor]\n  store-enabled = false\n"
            f'[http]\n  bind-address = "{self.host}:{self.port}"\n'
            f"  auth-enabled = {str(auth).lower()}\n  log-enabled = false\n"
        )
        self.run([self._program, "-config", config], ready="Listening for signals")
        if auth:
            create = f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES"
            httpx.post(f"{self.url}/query", data={"q": create}, timeout=60).raise_for_status()


@contextlib.contextmanager
def running(directory: Path, *, auth: bool = True) -> Iterator[Influx]:
    influx = Influx(directory)
    influx.start(auth=auth)
    try:
        yield influx
    finally:
        influx.stop()


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """One for the whole session: whoever uses it takes a database of their own."""
    with running(tmp_path_factory.mktemp("influx")) as part:
        yield part
