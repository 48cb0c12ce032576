"""A real InfluxDB 1.x on a free port, with a user and a password or without."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.parts import executable, free_port

USER, PASSWORD = "podium", "influx & secret"


class Influx:
    host = "127.0.0.1"
    user, password = USER, PASSWORD

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = executable("influxdb", "influxd")
        self._process: subprocess.Popen[str] | None = None

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
        self._process = subprocess.Popen(
            [self._program, "-config", config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "Listening for signals" in line:
                break
        else:
            raise RuntimeError("".join(said))
        Thread(target=self._process.stderr.read, daemon=True).start()  # a full pipe would stop it
        if auth:
            create = f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES"
            httpx.post(f"{self.url}/query", data={"q": create}).raise_for_status()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # nobody needs what it holds
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None


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
