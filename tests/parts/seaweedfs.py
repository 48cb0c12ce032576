"""A real S3 on free ports: SeaweedFS, with one user."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from podium.settings import Location
from tests.parts import executable, free_port
from tests.parts.program import Program

USER, PASSWORD = "podium", "s3 secret/+?"


class SeaweedFS(Program):
    host = "127.0.0.1"
    user, password = USER, PASSWORD

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = executable("seaweedfs", "weed", str(Path(sys.executable).parent / "weed"))

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
        self.run(
            [self._program, "-logtostderr", "server", "-filer", "-s3", *given], ready="Start Seaweed S3 API Server"
        )


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
