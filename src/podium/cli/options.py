"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from podium.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", help="The data directory.", show_default=".podium")]
Models = Annotated[Path | None, typer.Option("--models", help="The models file: what stands for an image.")]
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
Run = Annotated[str, typer.Argument(help="The run's id.")]


def settings(**given: Any) -> Settings:
    """Raises: SettingsError."""
    from podium import settings as all_settings
    from podium.cli import logs

    logs.to_terminal("warning")
    return all_settings.load(**given)
