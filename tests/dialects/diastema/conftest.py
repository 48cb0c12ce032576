from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from podium.dialects.diastema import frontend
from podium.stores.artifacts import open_artifacts
from podium.stores.documents_mongo import MongoDocuments
from tests.dialects.diastema.house import House, house, into
from tests.parts import mongo, seaweedfs
from tests.parts.diastema_services import Platform, into_s3, running


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the front end is told has been told when a run has ended, however slow the machine is."""
    for name in ("PATIENCE", "ANSWER_SECONDS", "LEAVE_SECONDS"):
        monkeypatch.setattr(frontend, name, 60.0)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with running(into(tmp_path / "artifacts")) as platform:
        yield platform


@pytest.fixture
async def at_home(tmp_path: Path, platform: Platform) -> AsyncIterator[House]:
    async with house(tmp_path, platform) as made:
        yield made


@pytest.fixture(params=["directory and sqlite", "s3 and mongo"])
async def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[House, Platform]]:
    """On stores that nobody else uses, so that all that is in them is known."""
    if request.param == "directory and sqlite":
        with running(into(tmp_path / "artifacts")) as platform:
            async with house(tmp_path, platform) as made:
                yield made, platform
        return
    for part in ("s3", "mongo"):
        (tmp_path / part).mkdir()
    with seaweedfs.running(tmp_path / "s3") as s3, mongo.running(tmp_path / "mongo") as documents:
        stores = {"artifacts": open_artifacts(s3.location), "documents": MongoDocuments(documents.url, documents.url)}
        with running(into_s3(s3.url, s3.user, s3.password)) as platform:
            async with house(tmp_path, platform, **stores) as made:
                yield made, platform
