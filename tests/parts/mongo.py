"""A server that speaks MongoDB's wire protocol, on a free port: SecantusDB, for packages bring no mongod."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import free_port, missing

START_SECONDS = 30.0


class Mongo:
    host = "127.0.0.1"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = Path(sys.executable).with_name("secantusd-py")
        if not self._program.exists():
            missing("mongo", "secantusdb is not installed")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mongodb://{self.host}:{self.port}"

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "empty.toml"
        config.touch()
        with (self.directory / "log").open("ab") as log:
            where = ["--host", self.host, "--port", str(self.port), "--storage-path", self.directory / "data"]
            options = ["--config", config, "--cache-size", "64M", "--log-level", "WARNING"]
            self._process = subprocess.Popen([self._program, *options, *where], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log").read_text())
            time.sleep(0.05)  # it says nothing when it is ready

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Mongo]:
    part = Mongo(directory)
    part.start()
    try:
        yield part
    finally:
        part.stop()


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    """One for the whole session: whoever uses it takes databases of their own."""
    with running(tmp_path_factory.mktemp("mongo")) as part:
        yield part
