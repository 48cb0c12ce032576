"""The options that several commands share."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from podium.settings import Settings

MODELS_FILE = "models.yaml"

Data = Annotated[Path | None, typer.Option("--data", help="The data directory.", show_default=".podium")]
Models = Annotated[Path | None, typer.Option("--models", help="The models file: what stands for an image.")]
OwnModels = Annotated[
    Path | None, typer.Option("--models", help="The models file.", show_default="models.yaml beside the document")
]
Broker = Annotated[str | None, typer.Option("--broker", help="mqtt:// or nats:// URL.", show_default="embedded")]
Database = Annotated[
    str | None, typer.Option("--database", help="postgresql:// URL.", show_default="SQLite in the data directory")
]
Series = Annotated[
    str | None, typer.Option("--series", help="http:// URL of an InfluxDB 1.x, with the database as its path.")
]
Artifacts = Annotated[
    str | None, typer.Option("--artifacts", help="http(s):// URL of an S3, or a directory.", show_default="in --data")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Run = Annotated[str, typer.Argument(help="The run's id, or how it alone begins; last or -: the newest.")]
MaybeRun = Annotated[
    str | None, typer.Argument(help="The run's id, or how it begins; last or -: the newest; without it, all runs.")
]


def settings(document: Path | None = None, **given: Any) -> Settings:
    """Beside a `document` a models file need not be named. Raises: SettingsError."""
    from podium import settings as all_settings
    from podium.cli import logs

    logs.to_terminal("warning")
    found = all_settings.load(**given)
    return found if document is None else with_models(found, document.resolve().parent)


def with_models(settings: Settings, directory: Path) -> Settings:
    """With the models file of a directory, unless one is named."""
    return settings if settings.models is not None else settings.model_copy(update={"models": _models_in(directory)})


def _models_in(directory: Path) -> Path | None:
    """Its commands are run, so nobody else may have put it there."""
    from podium.cli.screen import say

    models = directory / MODELS_FILE
    try:
        status = models.stat()
    except OSError:
        return None
    if status.st_uid != os.getuid() or status.st_mode & stat.S_IWOTH:
        say(f"{models} is not used: others may have written it. Name it with --models if you trust it")
        return None
    return models
