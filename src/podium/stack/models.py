"""Models on this machine: where they run, what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from podium.backplane.models_file import ModelsFile
from podium.backplane.process import ProcessBackplane
from podium.errors import NotFound
from podium.settings import Settings
from podium.stack.home import Home
from podium.stack.logbook import LogBook

log = structlog.get_logger()

OF_RUN, OF_MODEL = "simulation_id", "model_id"  # the labels of the field


def backplane(settings: Settings, home: Home) -> ProcessBackplane:
    """Not started yet. Raises: DocumentRefused (the models file)."""
    return ProcessBackplane(home.path / "models", _known(settings))


def images(settings: Settings) -> list[str]:
    """What the models file has something for."""
    return [entry.image for entry in _known(settings).models]


def _known(settings: Settings) -> ModelsFile:
    return ModelsFile.read(settings.models) if settings.models else ModelsFile()


class Logs:
    """What models wrote: their output where they run here, else what they said on the bus."""

    def __init__(self, here: ProcessBackplane, book: LogBook) -> None:
        self._here = here
        self._book = book

    async def read(self, run: str, tail: int | None = None) -> Mapping[str, str]:
        found = await self._book.read(run, tail)
        for model in await self._here.list({OF_RUN: run}):
            try:
                text = await self._here.logs(model.name, tail=tail)
            except NotFound:
                continue  # removed meanwhile
            if text:
                found[model.labels.get(OF_MODEL, model.name)] = text
        return dict(sorted(found.items()))


async def any_live(here: ProcessBackplane) -> bool:
    return any(not model.state.ended for model in await here.list())


async def end_all(here: ProcessBackplane) -> None:
    """End by force whatever lives."""
    living = [model.name for model in await here.list() if not model.state.ended]
    await asyncio.gather(*(here.remove(name) for name in living))
    if living:
        log.info("models.ended", models=living)
