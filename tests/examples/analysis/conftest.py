"""The services on a directory and on an S3, one of each for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podium.stores.artifacts import environment
from tests.examples.analysis.platform import Platform, running
from tests.parts.seaweedfs import SeaweedFS


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("platform") / "artifacts"


@pytest.fixture(scope="session")
def platform(place) -> Iterator[Platform]:
    with running(environment(place)) as found:
        yield found


@pytest.fixture(scope="session")
def platform_on_s3(seaweedfs: SeaweedFS) -> Iterator[Platform]:
    with running(environment(seaweedfs.location)) as found:
        yield found
