"""Podium as a user runs it: a `podium serve` process on a data directory of its own, spoken to over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from podium.cli.reach import through
from podium.stack.home import Home
from tests.parts import free_port

PASSWORD = "a password for tests"
PODIUM = str(Path(sys.executable).with_name("podium"))
PLAIN_MODEL = Path(__file__).parent / "models" / "plain.py"


def esdl(objects: int, esdl_type: str = "PVInstallation") -> str:
    """A small energy system with so many objects of one type, base64."""
    assets = "".join(
        f'<asset xsi:type="esdl:{esdl_type}" id="object-{n}" name="Object {n}"/>' for n in range(1, objects + 1)
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<esdl:EnergySystem xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:esdl="http://www.tno.nl/esdl" '
        'id="system" name="System"><instance xsi:type="esdl:Instance" id="instance" name="Instance">'
        f'<area xsi:type="esdl:Area" id="area" name="Area">{assets}</area></instance></esdl:EnergySystem>'
    )
    return base64.b64encode(text.encode()).decode()


def document(*, models: int = 2, steps: int = 8, service: str = "plain", **more: Any) -> dict[str, Any]:
    """A body for `/start`: one service with so many models."""
    return {
        "name": "e2e",
        "start_date": "2023-01-25 00:00:00",
        "time_step_seconds": 3600,
        "nr_of_time_steps": steps,
        "max_step_calc_time_minutes": 1,
        "keep_logs_hours": 1,
        "log_level": "info",
        "calculation_services": [
            {
                "esdl_type": "PVInstallation",
                "calc_service_name": service,
                "service_image_url": f"{service}:1",
                "nr_of_models": models,
            }
        ],
        "esdl_base64string": esdl(models),
        **more,
    }


def models_file(directory: Path, **env: str) -> Path:
    """A models file whose image `plain:1` is the version-1 model, writing its steps to `directory/trace`."""
    return models_of(directory, {"plain": env})


def models_of(directory: Path, services: Mapping[str, Mapping[str, str]]) -> Path:
    """A models file with an image `NAME:1` for each service: the version-1 model with what it is told to do besides."""
    trace = directory / "trace"
    trace.mkdir(exist_ok=True)
    command = [sys.executable, str(PLAIN_MODEL)]
    entries = [
        {"image": f"{name}:1", "command": command, "env": {"TRACE": str(trace), **env}}
        for name, env in services.items()
    ]
    path = directory / "models.yaml"
    path.write_text(yaml.safe_dump({"models": entries}))
    return path


def steps_seen(directory: Path, run: str) -> dict[str, list[int]]:
    """Which steps each model of a run was given, in order."""
    files = sorted((directory / "trace").glob(f"{run}.*"))
    return {
        file.name.removeprefix(f"{run}."): [int(line.split()[0]) for line in file.read_text().splitlines()]
        for file in files
    }


class Server:
    """A `podium serve` process. It can be killed and started again on the same directory and port."""

    def __init__(self, directory: Path, models: Path | None, *options: str, **env: str) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = free_port()
        self.options = [*(["--models", str(models)] if models else []), *options]
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PODIUM_", "PYTHON"))},
            "PODIUM_PASSWORD": PASSWORD,
            "PODIUM_DOTS_SETTLE_MS": "0",
            **env,
        }
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.process: asyncio.subprocess.Process | None = None
        self._log = (directory / "serve.log").open("ab")

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            PODIUM,
            "serve",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
            *self.options,
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
        )
        assert self.process.stdout
        async for line in self.process.stdout:  # it says its address once it listens
            self._log.write(line)
            if f":{self.port}" in line.decode():
                break
        else:
            await self.process.wait()
            raise AssertionError(f"podium serve ended at once: {self.log()}")
        form = {"username": "DotsUser", "password": PASSWORD}
        answer = await self.http.post("/api/v1/simulation/token", data=form)
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def log(self) -> str:
        return (self.directory / "serve.log").read_text()

    async def kill(self) -> None:
        """kill -9: nothing is said to anybody."""
        assert self.process
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM: it detaches."""
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def close(self) -> None:
        """End all there is: runs, models and the broker."""
        if self.process and self.process.returncode is None:
            async with through(Home(self.data)) as door:
                (await door.post("/api/v1/owner/stop", json={"all": True})).raise_for_status()
            await self.process.wait()
        else:
            ending = await asyncio.create_subprocess_exec(PODIUM, "stop", "--all", "--data", self.data, env=self.env)
            await ending.wait()
        await self.http.aclose()
        self._log.close()

    async def submit(self, body: dict[str, Any], how: str = "start") -> str:
        answer = await self.http.post(f"/api/v1/simulation/{how}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["simulation_id"])

    async def run(self, run: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v1/runs/{run}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def events(self, run: str, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """The events of a run as they come, until it has ended."""
        async with self.http.stream("GET", f"/api/v1/runs/{run}/events", params={"after": after}, timeout=90) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    async def seen(self, run: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event of a run that is `what` we wait for."""
        async for event in self.events(run):
            if what(event):
                return event
        raise AssertionError(f"{run} ended without it: {await self.run(run)}; {self.log()[-3000:]}")

    async def ended(self, run: str) -> dict[str, Any]:
        """The run once it has ended."""
        async for _ in self.events(run):
            pass
        found = await self.run(run)
        assert found["state"] in ("succeeded", "failed", "cancelled"), found
        return found


@asynccontextmanager
async def serving(directory: Path, models: Path | None, *options: str, **env: str) -> AsyncIterator[Server]:
    server = Server(directory, models, *options, **env)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


class Gate:
    """A point at which a model waits for us: see `models/plain.py`."""

    def __init__(self, directory: Path, point: str) -> None:
        self.path = directory / f"gate-{point.replace(':', '-')}"
        if not self.path.exists():
            os.mkfifo(self.path)
        self.env = {"GATE": f"{point}={self.path}"}
        self._open: int | None = None

    async def reached(self) -> None:
        """Return once the model waits at the gate."""
        self._open = await asyncio.to_thread(os.open, self.path, os.O_WRONLY)

    def release(self) -> None:
        assert self._open is not None
        os.close(self._open)
