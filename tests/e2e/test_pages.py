"""What the pages about the wire, the server and results show is what works."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podium.backplane.models_file import ModelsFile
from podium.dialects.dots import wire
from podium.sdk import lifecycle_pb2 as pb
from tests.cli.terminal import Terminal
from tests.parts import missing

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
DOTS, SERVER, RESULTS = (
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("protocols/dots.md", "server.md", "results.md")
)


@pytest.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    await terminal("stop", "--all")


async def test_the_service_of_version_1_runs_beside_one_of_the_sdk(podium: Terminal) -> None:
    for name, text in re.findall(r"```\w+ file=(\S+)\n(.*?)```", DOTS, re.DOTALL):
        (podium.directory / name).write_text(text)
    (protoc,) = re.findall(r"```sh protoc\n(.*?)```", DOTS, re.DOTALL)
    made = await podium.shell(protoc.replace("PODIUM", str(ROOT)))
    assert made.code == 0, made.err
    ended = await podium("run", "simulation.json", "--json")
    assert ended.code == 0, ended.err
    results = await podium("results", "last", "--json")
    means = {one["measurement"]: one["mean"] for one in results.json["summary"]}
    assert means == {"pvinstallation": 250.0, "econnection": 500.0}


def test_the_keys_of_model_parameters_are_told() -> None:
    message = wire.model_parameters(name="a", start=0, step_seconds=1, steps=1, services=[], esdl_base64="")
    keys = json.loads(pb.ModelParameters.FromString(message([])).parameters_dict)
    table = DOTS.partition("\nModelParameters:")[2].partition("\nData:")[0]
    told = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert {key for cell in told for key in re.findall(r"`(\w+)`", cell)} == {*keys}


def test_the_models_file_of_the_guide_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(models:.*?)```", (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "models.yaml").write_text(text)
    (tmp_path / "services" / "pv").mkdir(parents=True)
    entry = ModelsFile.read(tmp_path / "models.yaml").find("pv:1")
    assert (entry.cwd, entry.env) == (tmp_path / "services" / "pv", {"PARAMETER_PERFORMANCE_RATIO": "0.9"})


async def test_a_document_is_sent_to_the_server_and_a_point_to_its_run(podium: Terminal) -> None:
    for tool in ("curl", "jq"):
        if shutil.which(tool) is None:
            missing(tool, f"there is no {tool} on this machine")
    shutil.copytree(ROOT / "examples" / "neighbourhood", podium.directory, dirs_exist_ok=True)
    serving = await podium.start("serve", "--port", "0", "--models", "models.yaml")
    assert serving.stdout
    port = re.findall(rb"127\.0\.0\.1:(\d+)", await serving.stdout.readline())[0].decode()
    (send,) = re.findall(r"```sh\n(SERVER=.*?)```", SERVER, re.DOTALL)
    sent = await podium.shell(send.replace("8001", port))
    run = sent.json["id"]
    (write,) = re.findall(r"```sh outside\n(.*?)```", RESULTS, re.DOTALL)
    written = await podium.shell(write.replace("8001", port).replace("RUN", run))
    assert (written.code, written.out, written.err) == (0, "", "")
    summary = (await podium("results", run, "--json")).json["summary"]
    assert [one["last"] for one in summary if one["measurement"] == "weather"] == [11.5]
    await podium("stop", "--all")
    await asyncio.wait_for(podium.end(serving), 60)
