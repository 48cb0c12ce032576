from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.session import get_session

from podium.stores.artifacts import open_artifacts
from podium.stores.documents_mongo import MongoDocuments
from tests.dialects.diastema.house import House, house, into
from tests.parts import mongo, seaweedfs
from tests.parts.diastema_services import Platform, running


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
        with running(_into_s3(s3)) as platform:
            async with house(tmp_path, platform, **stores) as made:
                yield made, platform


def _into_s3(s3: seaweedfs.SeaweedFS) -> Callable[[str, bytes], None]:
    """Writes objects as a service would: only the platform's own bucket for plots is there beforehand."""
    client = get_session().create_client(
        "s3",
        endpoint_url=s3.url,
        aws_access_key_id=s3.user,
        aws_secret_access_key=s3.password,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket="diastemaviz")

    def write(path: str, content: bytes) -> None:
        bucket, _, key = path.partition("/")
        client.put_object(Bucket=bucket, Key=key, Body=content)

    return write
