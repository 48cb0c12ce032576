"""Services and clients of a test's own."""

from __future__ import annotations

import pytest_asyncio

from podium.jobs.client import Client
from tests.jobs.parts import Service


@pytest_asyncio.fixture
async def service():
    async with Service() as service:
        yield service


@pytest_asyncio.fixture
async def client():
    client = Client()
    yield client
    await client.close()
