"""The example as a user runs it, with one command: real data in, models and plots out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from podium.stores.artifacts import Artifacts, open_artifacts
from tests.cli.terminal import Terminal
from tests.examples.analysis.platform import EXAMPLE
from tests.parts import files_with
from tests.parts.artifacts import content

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ANALYSIS = "harbour/analysis-harbour-1"


@pytest_asyncio.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    await terminal("stop", "--all")


@pytest_asyncio.fixture(params=["directory", "s3"])
async def artifacts(request: pytest.FixtureRequest, podium: Terminal) -> AsyncIterator[Artifacts]:
    """Where Podium keeps them by itself, and an S3 that it is told of."""
    if request.param == "directory":
        opened = open_artifacts(podium.directory / ".podium" / "artifacts")
    else:
        s3 = request.getfixturevalue("seaweedfs")
        password = podium.directory / "password"
        password.write_text(s3.password)
        podium.env |= {
            "PODIUM_ARTIFACTS": s3.url,
            "PODIUM_ARTIFACTS_USERNAME": s3.user,
            "PODIUM_ARTIFACTS_PASSWORD_FILE": str(password),
        }
        opened = open_artifacts(s3.location)
    yield opened
    await opened.close()


async def model(artifacts: Artifacts, folder: str) -> dict[str, float]:
    return json.loads(await content(artifacts, f"{ANALYSIS}/{folder}/model.json"))


async def test_the_playbook(podium: Terminal, artifacts: Artifacts):
    ended = await podium("run", str(EXAMPLE / "playbook.json"), "--json")
    assert ended.code == 0, ended.err
    assert ended.json["state"] == "succeeded"
    assert [path.removeprefix(f"{ANALYSIS}/") for path in await artifacts.list(ANALYSIS)] == [
        "classified-8/model.json",
        "classified-8/part-00000.csv",
        "cleaned-3/part-00000.csv",
        "cleaned-4/part-00000.csv",
        "clustered-11/model.json",
        "clustered-11/part-00000.csv",
        "function-6/part-00000.csv",
        "joined-5/part-00000.csv",
        "regressed-13/model.json",
        "regressed-13/part-00000.csv",
    ]
    assert (await model(artifacts, "classified-8"))["accuracy"] > 0.9
    assert (await model(artifacts, "clustered-11"))["k"] == 4
    assert (await model(artifacts, "regressed-13"))["r2"] > 0.9
    for job in ("clean-ships", "join", "load", "late", "kinds", "engine"):
        assert b"<svg" in await content(artifacts, f"diastemaviz/{job}/overview.html")
    assert await artifacts.list("harbour/sink") == ["harbour/sink/keep-late.json", "harbour/sink/keep-load.json"]


async def test_the_ingestion(podium: Terminal, artifacts: Artifacts):
    ended = await podium("run", str(EXAMPLE / "ingestion.json"), "--json")
    assert ended.code == 0, ended.err
    tugs = await content(artifacts, "harbour/datasets/tugs/part-00000.csv")
    assert tugs.splitlines()[:3] == [b"tug,bollard_pull_t,built", b"t01,45,1999", b"t02,62,2011"]


@pytest.mark.parametrize("document", ["playbook.json", "ingestion.json"])
async def test_nothing_is_wrong_with_it(podium: Terminal, document: str):
    ended = await podium("validate", str(EXAMPLE / document))
    assert ended.code == 0, ended.err


async def test_no_password_of_the_store_is_left_behind(podium: Terminal, seaweedfs):
    podium.env |= {"PODIUM_ARTIFACTS": seaweedfs.location.full}
    ended = await podium("run", str(EXAMPLE / "ingestion.json"))
    assert ended.code == 0, ended.err
    assert files_with(seaweedfs.password, podium.directory / ".podium") == []
    assert files_with("ingestion", podium.directory / ".podium") != []
    assert seaweedfs.password not in ended.out + ended.err
