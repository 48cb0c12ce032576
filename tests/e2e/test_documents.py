"""Real documents through the real program: the field's own example, and one as large as they come."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.e2e.harness import PLAIN_MODEL, PODIUM, document, models_file, serving, steps_seen

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FIVE_HOUSES = Path(__file__).resolve().parents[3] / "shared" / "data" / "dots-five-houses.json"


@pytest.mark.skipif(not FIVE_HOUSES.exists(), reason="the field's own example is not beside this checkout")
async def test_the_example_of_the_field_runs_to_its_end(tmp_path: Path) -> None:
    images = {service["service_image_url"] for service in json.loads(FIVE_HOUSES.read_text())["calculation_services"]}
    trace = tmp_path / "trace"
    trace.mkdir()
    command = [sys.executable, str(PLAIN_MODEL)]
    models = tmp_path / "models.yaml"
    entries = [{"image": image, "command": command, "env": {"TRACE": str(trace)}} for image in sorted(images)]
    models.write_text(yaml.safe_dump({"models": entries}))
    running = await asyncio.create_subprocess_exec(
        *(PODIUM, "run", str(FIVE_HOUSES), "--models", str(models), "--json", "--data", str(tmp_path / "data")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await running.communicate()
    assert running.returncode == 0, err.decode()
    finished = json.loads(out.decode().splitlines()[-1])
    assert finished["state"] == "succeeded"
    seen = steps_seen(tmp_path, finished["id"])
    assert len(seen) == 3
    assert all(steps == list(range(1, 25)) for steps in seen.values())


def large_energy_system(elements: int) -> str:
    """An energy system of so many elements, 3.2 MB for 22,000: base64."""
    count = elements // 4
    assets = "".join(
        f'<asset xsi:type="esdl:PVInstallation" id="pv-{n:06}" name="Installation number {n} on a roof of this town">'
        f'<port xsi:type="esdl:InPort" id="in-{n:06}" name="In" connectedTo="out-{n:06}"/>'
        f'<port xsi:type="esdl:OutPort" id="out-{n:06}" name="Out" connectedTo="in-{n:06}" carrier="electricity"/>'
        f'<geometry xsi:type="esdl:Point" lat="51.{n:06}000000" lon="5.{n:06}0000000" CRS="WGS84 as maps have it"/>'
        f"<!-- {'a remark of whoever drew it, of which there are many in such files ' * 3}--></asset>"
        for n in range(count)
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<esdl:EnergySystem xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:esdl="http://www.tno.nl/esdl" '
        'id="system" name="Town"><instance xsi:type="esdl:Instance" id="instance" name="Instance">'
        f'<area xsi:type="esdl:Area" id="area" name="Area">{assets}</area></instance></esdl:EnergySystem>'
    )
    assert len(text) > 3_200_000
    return base64.b64encode(text.encode()).decode()


async def test_a_large_document_is_taken_while_the_server_answers(tmp_path: Path) -> None:
    body = json.dumps({**document(models=2, steps=2), "esdl_base64string": large_energy_system(22_000)})
    async with serving(tmp_path, models_file(tmp_path)) as podium:
        longest, answers, submitted = 0.0, 0, asyncio.Event()

        async def watch() -> None:
            nonlocal longest, answers
            while not submitted.is_set():
                begin = time.perf_counter()
                assert (await podium.http.get("/healthz")).status_code == 200
                longest, answers = max(longest, time.perf_counter() - begin), answers + 1

        watching = asyncio.create_task(watch())
        begin = time.perf_counter()
        answer = await podium.http.post("/api/v1/simulation/start", content=body)
        assert answer.status_code == 201, answer.text
        run = answer.json()["simulation_id"]
        deployed = await podium.seen(run, lambda event: event["type"] == "models.deployed")
        print(
            f"\n{len(body) / 1e6:.1f} MB: DeployModels {time.perf_counter() - begin:.2f} s after it was sent;", end=" "
        )
        submitted.set()
        await watching
        print(f"/healthz answered {answers} times meanwhile, at the latest after {longest * 1000:.0f} ms")
        assert deployed["data"]["key"] == "deploy"
        assert answers > 0
        assert (await podium.ended(run))["state"] == "succeeded"
