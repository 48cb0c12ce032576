"""Backplanes on one directory, one after another, as after restarts of Podium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from podium.backplane.models_file import ModelsFile
from podium.backplane.process import ProcessBackplane


@asynccontextmanager
async def on(directory: Path, models: ModelsFile) -> AsyncIterator[Callable[..., Awaitable[ProcessBackplane]]]:
    """Opens them, with `models` or others; whatever still runs in the end is removed."""
    backplanes = []

    async def opened(others: ModelsFile = models) -> ProcessBackplane:
        backplane = ProcessBackplane(directory, others)
        await backplane.start()
        backplanes.append(backplane)
        return backplane

    yield opened
    for backplane in backplanes:
        await backplane.close()
    last = await opened()
    await asyncio.gather(*(last.remove(model.name, grace_seconds=0) for model in await last.list()))
    await last.close()
