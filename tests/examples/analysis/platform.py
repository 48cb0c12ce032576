"""The services of the example as processes, and somebody who speaks to them as an orchestrator does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from tests.parts import free_port

EXAMPLE = Path(__file__).parents[3] / "examples" / "analysis"
ROLES = ("services", "functions", "automl", "analytics")


class Platform:
    """All services on one store; `tell` and `analyse` wait for the end of a job."""

    def __init__(self, environment: Mapping[str, str], roles: Sequence[str]) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "DATASETS": "data",
            "ORGANISATION": "harbour",
            **environment,
        }
        self.ports = {role: free_port() for role in roles}
        self._processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        for role in self.ports:
            environment = self.environment | {"HOST": "127.0.0.1", "PORT": str(self.ports[role])}
            command = [sys.executable, "-m", "diastema_services", role]
            process = subprocess.Popen(command, cwd=EXAMPLE, env=environment, stderr=subprocess.PIPE, text=True)
            self._processes.append(process)
        for process in self._processes:
            said = []
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                if "running on" in line:
                    break
            else:
                raise RuntimeError("".join(said))
            Thread(target=process.stderr.read, daemon=True).start()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()

    def url(self, role: str) -> str:
        return f"http://127.0.0.1:{self.ports[role]}"

    def tell(self, name: str, body: Mapping[str, Any], *, role: str = "services") -> dict[str, Any]:
        """What the service says of the job when it has ended."""
        httpx.post(f"{self.url(role)}/{name}", json=body, timeout=60).raise_for_status()
        while True:
            progress = f"{self.url(role)}/{name}/progress"
            answer = httpx.get(progress, params={"id": body["job-id"]}, timeout=60).raise_for_status()
            if answer.json()["status"] != "progress":
                return answer.json()
            time.sleep(0.05)  # the field knows no other way

    def analyse(self, script: str, source: str, target: str, **more: Any) -> str:
        message = {
            "master-host": "127.0.0.1",
            "master-port": "6443",
            "app-name": "analysis",
            "minio-host": "",
            "minio-port": "",
            "minio-user": "",
            "minio-pass": "",
            "mongo-host": "",
            "mongo-port": "",
            "path": f"local:///app/src/{script}.py",
            "algorithm": "",
            "minio-input": source,
            "minio-output": target,
            "column": "",
            "job-id": "job",
            "analysis-id": "1",
        }
        content = json.dumps(message | more).encode()
        with socket.create_connection(("127.0.0.1", self.ports["analytics"])) as link:
            link.sendall(str(len(content)).ljust(64).encode() + content)
            with link.makefile("rb") as answer:
                return answer.read().decode()


@contextlib.contextmanager
def running(environment: Mapping[str, str], roles: Sequence[str] = ROLES) -> Iterator[Platform]:
    platform = Platform(environment, roles)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()
