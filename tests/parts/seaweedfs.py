"""A real S3 on free ports: SeaweedFS, with one user."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr

from podium.settings import Location
from tests.parts import executable, free_port

USER, PASSWORD = "podium", "s3 secret/+?"


class SeaweedFS:
    host = "127.0.0.1"
    user, password = USER, PASSWORD

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = executable("seaweedfs", "weed", str(Path(sys.executable).parent / "weed"))
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def location(self) -> Location:
        return Location(self.url, self.user, SecretStr(self.password))

    def start(self) -> None:
        (self.directory / "data").mkdir(exist_ok=True)
        identity = {
            "name": self.user,
            "credentials": [{"accessKey": self.user, "secretKey": self.password}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config = self.directory / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        arguments = {
            "dir": self.directory / "data",
            "ip": self.host,
            "ip.bind": self.host,
            "volume.max": 500,  # a bucket takes several
            "s3.port": self.port,
            "s3.config": config,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
        }
        for part in ("master.port", "volume.port", "filer.port"):
            arguments |= {part: free_port(), f"{part}.grpc": free_port()}
        given = [f"-{name}={value}" for name, value in (arguments | {"s3.port.grpc": free_port()}).items()]
        self._process = subprocess.Popen(
            [self._program, "-logtostderr", "server", "-filer", "-s3", *given],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "Start Seaweed S3 API Server" in line:
                break
        else:
            raise RuntimeError("".join(said[-50:]))
        Thread(target=self._process.stderr.read, daemon=True).start()  # a full pipe would stop it

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # nobody needs what it holds
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None


@contextlib.contextmanager
def running(directory: Path) -> Iterator[SeaweedFS]:
    part = SeaweedFS(directory)
    part.start()
    try:
        yield part
    finally:
        part.stop()


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """One for the whole session: whoever uses it takes buckets of their own."""
    with running(tmp_path_factory.mktemp("seaweedfs")) as part:
        yield part
