"""The example's playbook from end to end: services started from its models file, real data in, models and plots out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from podium.backplane.models_file import ModelsFile
from podium.backplane.process import ProcessBackplane
from podium.dialects.diastema.models import Access
from podium.jobs.services import Services
from podium.runs.events import RunState
from podium.stores.artifacts import Artifacts, environment, open_artifacts
from tests.dialects.diastema.house import House
from tests.examples.analysis.platform import EXAMPLE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PLAYBOOK = json.loads((EXAMPLE / "playbook.json").read_text())
INGESTION = json.loads((EXAMPLE / "ingestion.json").read_text())


class WithServices(House):
    """Starts services as they are needed."""

    services: Services

    async def _run_service(self, image: str) -> str:
        return await self.services.url(image)


@pytest_asyncio.fixture(params=["directory", "s3"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[WithServices]:
    place, access = tmp_path / "artifacts", Access("", "", parameters=True)
    if request.param == "s3":
        s3 = request.getfixturevalue("seaweedfs")
        place = s3.location
        access = Access("", "", s3.host, str(s3.port), s3.user, s3.password, parameters=True)
    known = ModelsFile.read(EXAMPLE / "models.yaml")
    backplane = ProcessBackplane(tmp_path / "models", known)
    await backplane.start()
    made = WithServices(
        tmp_path,
        None,
        artifacts=open_artifacts(place),
        access=access,
        key=PLAYBOOK["diastema-token"],
        services={},
        check_image=known.find,
    )
    made.services = Services(backplane, environment=environment(place))
    await made.open()
    yield made
    await made.close()
    await made.services.close()
    await backplane.close()


async def model(artifacts: Artifacts, folder: str) -> dict[str, float]:
    return json.loads(await artifacts.read(f"harbour/analysis-harbour-1/{folder}/model.json"))


async def test_the_playbook(house: WithServices):
    run = await house.analysed(PLAYBOOK)
    assert run.state is RunState.SUCCEEDED, run.error
    found = await house.artifacts.list("harbour/analysis-harbour-1")
    assert [path.removeprefix("harbour/analysis-harbour-1/") for path in found] == [
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
    assert (await model(house.artifacts, "classified-8"))["accuracy"] > 0.9
    assert (await model(house.artifacts, "clustered-11"))["k"] == 4
    assert (await model(house.artifacts, "regressed-13"))["r2"] > 0.9
    for job in ("clean-ships", "join", "load", "late", "kinds", "engine"):
        assert b"<svg" in await house.artifacts.read(f"diastemaviz/{job}/overview.html")
    assert await house.artifacts.list("harbour/sink") == ["harbour/sink/keep-late.json", "harbour/sink/keep-load.json"]


async def test_the_ingestion(house: WithServices):
    run = await house.ended(await house.post("/ingestion", INGESTION))
    assert run.state is RunState.SUCCEEDED, run.error
    content = await house.artifacts.read("harbour/datasets/tugs/part-00000.csv")
    assert content.splitlines()[:2] == [b"tug,bollard_pull_t,built", b"t01,45,1999"]
