"""Models on this machine: where they run, what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from podium.backplane.folder import ModelFolder, last
from podium.backplane.models_file import ModelsFile
from podium.backplane.process import ProcessBackplane
from podium.errors import NotFound
from podium.settings import Settings
from podium.stack.home import Home
from podium.stack.logbook import LogBook

log = structlog.get_logger()

MODELS = "models"
OF_RUN, OF_MODEL = "simulation_id", "model_id"  # the labels of the field


def backplane(settings: Settings, home: Home) -> ProcessBackplane:
    """Not started yet. Raises: DocumentRefused (the models file)."""
    return ProcessBackplane(home.path / MODELS, _known(settings))


def images(settings: Settings) -> list[str]:
    """What the models file has something for."""
    return [entry.image for entry in _known(settings).models]


def _known(settings: Settings) -> ModelsFile:
    return ModelsFile.read(settings.models) if settings.models else ModelsFile()


async def logs(here: ProcessBackplane, book: LogBook, run: str, tail: int | None) -> Mapping[str, str]:
    """What models wrote: their output where they run here, else what they said on the bus."""
    found = await book.read(run, tail)
    for model in await here.list({OF_RUN: run}):
        try:
            text = await here.logs(model.name, tail=tail)
        except NotFound:
            continue  # removed meanwhile
        if text:
            found[model.labels.get(OF_MODEL, model.name)] = text
    return dict(sorted(found.items()))


async def logs_left(home: Home, book: LogBook, run: str, tail: int | None) -> Mapping[str, str]:
    """The same, where nobody looks after models: from what is left of them."""
    return dict(sorted({**await book.read(run, tail), **await asyncio.to_thread(_left, home, run, tail)}.items()))


def _left(home: Home, run: str, tail: int | None) -> dict[str, str]:
    found = {}
    for spec in (home.path / MODELS).glob("*/spec.json"):
        folder = ModelFolder(spec.parent)
        try:
            kept = folder.kept()
        except ValueError as error:
            log.warning("model.folder_unreadable", folder=str(folder.path), error=str(error))
            continue
        if kept is not None and kept.labels.get(OF_RUN) == run and (text := folder.output()):
            found[kept.labels.get(OF_MODEL, kept.name)] = last(text, tail)
    return found


async def any_live(here: ProcessBackplane) -> bool:
    return any(not model.state.ended for model in await here.list())


async def end_all(here: ProcessBackplane) -> None:
    """End by force whatever lives."""
    living = [model.name for model in await here.list() if not model.state.ended]
    await asyncio.gather(*(here.remove(name) for name in living))
    if living:
        log.info("models.ended", models=living)
