from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.dialects.diastema.house import House, house, into
from tests.parts.diastema_services import Platform, running


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with running(into(tmp_path / "artifacts")) as platform:
        yield platform


@pytest.fixture
async def at_home(tmp_path: Path, platform: Platform) -> AsyncIterator[House]:
    async with house(tmp_path, platform) as made:
        yield made
