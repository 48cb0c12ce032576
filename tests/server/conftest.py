from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.server.house import House, housed


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with housed(tmp_path) as there:
        yield there


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with a token."""
    async with await house.known() as client:
        yield client
