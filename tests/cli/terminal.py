"""A user's shell, and the situations its tests begin with."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness import PODIUM, Gate, document, models_file

RUN = ("run", "simulation.json", "--models", "models.yaml")


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out.splitlines()[-1])


class Terminal:
    """A user's shell in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PODIUM_", "MQTT_"))}
        self.env = {**kept, "PODIUM_DOTS_SETTLE_MS": "0", "PODIUM_DOTS_END_TIMEOUT_SECONDS": "5"}

    async def start(self, *words: str, **env: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            PODIUM, *words, cwd=self.directory, env={**self.env, **env}, stdout=pipe, stderr=pipe
        )

    async def __call__(self, *words: str, **env: str) -> Ended:
        return await self.end(await self.start(*words, **env))

    async def shell(self, line: str) -> Ended:
        """A line as it is typed, with the virtual environment switched on."""
        pipe = asyncio.subprocess.PIPE
        env = {**self.env, "PATH": f"{Path(PODIUM).parent}:{self.env['PATH']}"}
        return await self.end(
            await asyncio.create_subprocess_shell(line, cwd=self.directory, env=env, stdout=pipe, stderr=pipe)
        )

    async def end(self, process: asyncio.subprocess.Process) -> Ended:
        out, err = (stream.decode() for stream in await process.communicate())
        assert process.returncode is not None
        assert "Traceback" not in out + err, err
        return Ended(process.returncode, out, err)

    def write(self, body: dict[str, Any]) -> None:
        (self.directory / "simulation.json").write_text(json.dumps(body))


async def reached(podium: Terminal, point: str) -> tuple[asyncio.subprocess.Process, Gate]:
    """A run whose second model waits at a point."""
    gate = Gate(podium.directory, point)
    models_file(podium.directory, ONLY="plain-2", **gate.env)
    podium.write(document(steps=8))
    process = await podium.start(*RUN, "--json")
    await gate.reached()
    return process, gate


async def handed_over(podium: Terminal) -> tuple[asyncio.subprocess.Process, asyncio.subprocess.Process, Gate]:
    """A Podium that serves, and a run handed to it whose second model waits at a step."""
    gate = Gate(podium.directory, "step:3")
    models_file(podium.directory, ONLY="plain-2", **gate.env)
    podium.write(document(steps=8))
    serving = await podium.start("serve", "--port", "0", "--models", "models.yaml")
    assert serving.stdout
    await serving.stdout.readline()
    running = await podium.start("run", "simulation.json")
    await gate.reached()
    return serving, running, gate
