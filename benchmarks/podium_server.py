"""`podium serve` as the benchmarks run it, and how fast it was by its own journal."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.harness import Server, document

RING_MODEL = Path(__file__).parent / "ring_service.py"


async def steps_per_second(server: Server, body: dict[str, Any]) -> float:
    """Run `body` to its end. The first step is left out: it waits for nobody."""
    run = await server.submit(body)
    finished = [event["data"]["at"] async for event in server.events(run) if event["type"] == "step.finished"]
    ended = await server.run(run)
    if ended["state"] != "succeeded":
        raise RuntimeError(f"the run {ended['state']}: {ended.get('error')}")
    return (len(finished) - 1) / (finished[-1] - finished[0])


def star_document(models: int, steps: int) -> dict[str, Any]:
    """Models that answer at once and do not know each other."""
    return document(models=models, steps=steps)


def ring_document(models: int, steps: int) -> dict[str, Any]:
    """Each object is connected to the next, the last to the first."""
    return {**document(models=models, steps=steps, service="ring"), "esdl_base64string": _ring(models)}


def ring_models(directory: Path) -> Path:
    path = directory / "models.yaml"
    path.write_text(yaml.safe_dump({"models": [{"image": "ring:1", "command": ["python", str(RING_MODEL)]}]}))
    return path


def _ring(count: int) -> str:
    assets = "".join(
        f'<asset xsi:type="esdl:PVInstallation" id="object-{n}" name="Object {n}">'
        f'<port xsi:type="esdl:InPort" id="in-{n}" name="in" connectedTo="out-{(n - 1) % count}"/>'
        f'<port xsi:type="esdl:OutPort" id="out-{n}" name="out" connectedTo="in-{(n + 1) % count}"/></asset>'
        for n in range(count)
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<esdl:EnergySystem xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:esdl="http://www.tno.nl/esdl" '
        'id="system" name="Ring"><instance xsi:type="esdl:Instance" id="instance" name="Instance">'
        f'<area xsi:type="esdl:Area" id="area" name="Area">{assets}</area></instance></esdl:EnergySystem>'
    )
    return base64.b64encode(text.encode()).decode()
