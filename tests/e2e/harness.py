"""Podium as a user runs it: in processes of its own, on data directories of their own, spoken to over HTTP."""

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

from podium.backplane.models_file import ModelsFile
from podium.backplane.process import ProcessBackplane
from podium.cli.client import through
from podium.stack.home import Home
from tests.parts import free_port

PASSWORD = "a password for tests"
PODIUM = str(Path(sys.executable).with_name("podium"))
PLAIN_MODEL = Path(__file__).parent / "models" / "plain.py"
SERVICES = PLAIN_MODEL.with_name("services.py")


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


def models_of(
    directory: Path, plain: Mapping[str, Mapping[str, str]], services: Mapping[str, Mapping[str, str]] | None = None
) -> Path:
    """A models file with an image `NAME:1` for each service, with what it is told to do besides.

    Args:
        plain: services that are the version-1 model.
        services: those of `models/services.py`; an image of the same service may do something else: `panels-late`.
    """
    trace = directory / "trace"
    trace.mkdir(exist_ok=True)
    programs = {name: ([str(PLAIN_MODEL)], env) for name, env in plain.items()}
    programs |= {name: ([str(SERVICES), name.partition("-")[0]], env) for name, env in (services or {}).items()}
    entries = [
        {"image": f"{name}:1", "command": [sys.executable, *program], "env": {"TRACE": str(trace), **env}}
        for name, (program, env) in programs.items()
    ]
    path = directory / "models.yaml"
    path.write_text(yaml.safe_dump({"models": entries}))
    return path


def linked(*services: tuple[str, str, int], objects: int = 2, **more: Any) -> dict[str, Any]:
    """A body for `/start` with services of `models/services.py`: image, ESDL type, number of models."""
    entries = [
        {
            "esdl_type": esdl_type,
            "calc_service_name": image.partition("-")[0],
            "service_image_url": f"{image}:1",
            "nr_of_models": models,
        }
        for image, esdl_type, models in services
    ]
    return document(models=objects, calculation_services=entries, **more)


def traces(directory: Path, run: str) -> dict[str, list[str]]:
    """What each model of a run wrote down, a line for each step it was given."""
    files = sorted((directory / "trace").glob(f"{run}.*"))
    return {file.name.removeprefix(f"{run}."): file.read_text().splitlines() for file in files}


def steps_seen(directory: Path, run: str) -> dict[str, list[int]]:
    """Which steps each model of a run was given, in order."""
    return {model: [int(line.split()[0]) for line in lines] for model, lines in traces(directory, run).items()}


async def end_models(data: Path) -> None:
    """End what a test that failed has left in a data directory."""
    backplane = ProcessBackplane(data / "models", ModelsFile())
    await backplane.start()
    await asyncio.gather(*(backplane.remove(model.name, grace_seconds=0) for model in await backplane.list()))
    await backplane.close()


class Ended(AssertionError):
    """A command that should have gone on."""


class Command:
    """A `podium` process that lives until it is ended. It can be killed and started again.

    Args:
        sign: what is in the line by which it says that it is up.
    """

    def __init__(self, directory: Path, words: list[str], sign: str, env: Mapping[str, str]) -> None:
        self.directory = directory
        self.words = words
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PODIUM_", "PYTHON"))},
            **env,
        }
        self.process: asyncio.subprocess.Process | None = None
        self._sign = sign.encode()
        self._log = (directory / f"{words[0]}.log").open("ab")

    async def start(self) -> None:
        """Raises: Ended."""
        self.process = await asyncio.create_subprocess_exec(
            PODIUM, *self.words, env=self.env, stdout=asyncio.subprocess.PIPE, stderr=self._log
        )
        assert self.process.stdout
        async for line in self.process.stdout:
            self._log.write(line)
            if self._sign in line:
                return
        raise Ended(f"podium {self.words[0]} ended with {await self.process.wait()}: {self.log()}")

    def log(self) -> str:
        return (self.directory / f"{self.words[0]}.log").read_text()

    async def logged(self, words: str) -> None:
        """Return once the log has these words."""
        path = self.directory / f"{self.words[0]}.log"
        tail = await asyncio.create_subprocess_exec("tail", "-n", "+1", "-f", path, stdout=asyncio.subprocess.PIPE)
        assert tail.stdout
        async for line in tail.stdout:
            if words in line.decode():
                break
        tail.kill()
        await tail.communicate()

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    async def kill(self) -> None:
        """kill -9: nothing is said to anybody."""
        self.signal(signal.SIGKILL)
        await self.ending()

    async def ending(self) -> int:
        """The exit code, once it has ended."""
        assert self.process
        return await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM: it detaches."""
        assert self.process
        if self.process.returncode is None:
            self.signal(signal.SIGTERM)
        return await self.ending()

    async def leave(self) -> None:
        """Have nothing to do with it any more."""
        if self.process and self.process.returncode is None:
            await self.kill()
        self._log.close()


class Server(Command):
    """A `podium serve` process on a directory and port that stay."""

    def __init__(self, directory: Path, models: Path | None, *options: str, **env: str) -> None:
        self.data = directory / "data"
        self.port = free_port()
        words = ["serve", "--data", str(self.data), "--port", str(self.port)]
        words += [*(["--models", str(models)] if models else []), *options]
        env = {"PODIUM_PASSWORD": PASSWORD, "PODIUM_DOTS_SETTLE_MS": "0", **env}
        super().__init__(directory, words, f":{self.port}", env)  # it says its address once it listens
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    async def start(self) -> None:
        await super().start()
        form = {"username": "DotsUser", "password": PASSWORD}
        answer = await self.http.post("/api/v1/simulation/token", data=form)
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def close(self) -> None:
        """End all there is: runs, models and the broker."""
        if self.process and self.process.returncode is None:
            async with through(Home(self.data)) as door:
                (await door.post("/api/v1/owner/stop", json={"all": True})).raise_for_status()
            await self.ending()
        else:
            ending = await asyncio.create_subprocess_exec(PODIUM, "stop", "--all", "--data", self.data, env=self.env)
            await ending.wait()
        await self.leave()

    async def leave(self) -> None:
        await self.http.aclose()
        await super().leave()

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
